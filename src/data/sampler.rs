//! Which photos make up the batches of an epoch.
//!
//! A sampler depends on its seed and the number of the epoch only, so that a resumed run goes on with the batches it
//! would have had. An epoch is photos divided by batch size batches, rounded up, for every sampler: methods that see
//! the same number of photos can be compared. A batch that could teach nothing (no positives, no negatives) is an
//! error when the sampler is made, never a silent zero loss. Knows labels, not pixels.

mod deal;
mod p_times_k;
mod pairs;
mod shuffled;

use std::borrow::Cow;
use std::collections::BTreeMap;

use super::manifest::{Manifest, Photo};

pub use p_times_k::PTimesK;
pub use pairs::BalancedPairs;
pub use shuffled::Shuffled;

/// Photos that are looked at together.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Batch {
    /// Indices into the training list.
    pub photos: Vec<usize>,
    /// Two positions in `photos`, and whether both are one individual. Empty unless the sampler makes pairs.
    pub pairs: Vec<(usize, usize, bool)>,
}

/// A way to make batches.
pub trait Sampler: Send + Sync {
    /// What reports and messages call it.
    fn name(&self) -> &'static str;
    /// All batches of an epoch, in order. Every batch has the same number of photos.
    fn epoch(&self, epoch: u64) -> Vec<Batch>;
    /// Batches of an epoch.
    fn batches(&self) -> usize;
    /// Individuals that no batch can hold, as they have a single photo; sorted.
    fn left_out(&self) -> &[String] {
        &[]
    }
}

/// Batches of an epoch: photos divided by batch size, rounded up. `batch` must not be 0.
pub fn batches_per_epoch(photos: usize, batch: usize) -> usize {
    photos.div_ceil(batch).max(1)
}

/// All photos once in order, `batch` at a time, the last batch shorter: for evaluation. A `batch` of 0 counts as 1.
pub fn in_order(photos: usize, batch: usize) -> Vec<Batch> {
    let all: Vec<usize> = (0..photos).collect();
    all.chunks(batch.max(1)).map(|part| Batch { photos: part.to_vec(), pairs: Vec::new() }).collect()
}

/// Who is on each photo of a training list, and in which encounter, as numbers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Labels {
    names: Vec<String>,
    individual: Vec<usize>,
    encounter: Vec<usize>,
}

impl Labels {
    /// Labels of these photos (indices into the manifest), in this order. Individuals are numbered by sorted name.
    pub fn new(manifest: &Manifest, photos: &[usize]) -> Self {
        Labels::named(manifest, photos, |photo| Cow::Borrowed(&photo.individual))
    }

    /// As [`Labels::new`], each side of an animal being an individual of its own, where photos are known to show one.
    pub fn by_side(manifest: &Manifest, photos: &[usize]) -> Self {
        Labels::named(manifest, photos, |Photo { individual, side, .. }| match side {
            Some(side) => Cow::Owned(format!("{individual} ({})", side.word())),
            None => Cow::Borrowed(individual),
        })
    }

    fn named(manifest: &Manifest, photos: &[usize], name: fn(&Photo) -> Cow<'_, str>) -> Self {
        let codes = |text: fn(&Photo) -> Cow<'_, str>| {
            let mut codes: BTreeMap<Cow<'_, str>, usize> =
                photos.iter().map(|&p| (text(&manifest.photos[p]), 0)).collect();
            for (code, value) in codes.values_mut().enumerate() {
                *value = code;
            }
            let of: Vec<usize> = photos.iter().map(|&p| codes[&text(&manifest.photos[p])]).collect();
            (codes.into_keys().map(Cow::into_owned).collect::<Vec<String>>(), of)
        };
        let (names, individual) = codes(name);
        let (_, encounter) = codes(|photo| Cow::Borrowed(&photo.encounter));
        Labels { names, individual, encounter }
    }

    /// Number of photos.
    pub fn len(&self) -> usize {
        self.individual.len()
    }

    /// Whether there is no photo.
    pub fn is_empty(&self) -> bool {
        self.individual.is_empty()
    }

    /// Number of the individual on each photo, from 0.
    pub fn individuals(&self) -> &[usize] {
        &self.individual
    }

    /// Number of the encounter of each photo, from 0.
    pub fn encounters(&self) -> &[usize] {
        &self.encounter
    }

    /// Names of the individuals by number.
    pub fn names(&self) -> &[String] {
        &self.names
    }

    /// Photos of each individual by number.
    fn by_individual(&self) -> Vec<Vec<usize>> {
        let mut photos = vec![Vec::new(); self.names.len()];
        for (photo, &who) in self.individual.iter().enumerate() {
            photos[who].push(photo);
        }
        photos
    }

    /// Individuals with two photos or more, by their photos, and the names of the others.
    pub fn with_company(&self) -> (Vec<Vec<usize>>, Vec<String>) {
        let mut paired = Vec::new();
        let mut alone = Vec::new();
        for (who, photos) in self.by_individual().into_iter().enumerate() {
            if photos.len() > 1 {
                paired.push(photos);
            } else {
                alone.push(self.names[who].clone());
            }
        }
        (paired, alone)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::error::DataError;
    use crate::data::manifest::Side;
    use crate::data::manifest::testing::manifest;
    use proptest::prelude::*;
    use std::collections::BTreeSet;

    /// One entry an individual: photos in each of its encounters.
    fn labels(individuals: &[Vec<usize>]) -> Labels {
        let mut rows = Vec::new();
        for (who, encounters) in individuals.iter().enumerate() {
            for (day, &photos) in encounters.iter().enumerate() {
                rows.extend(std::iter::repeat_n(
                    (format!("t{who:03}"), format!("2020-{:02}-{:02}", 1 + day / 28, 1 + day % 28)),
                    photos,
                ));
            }
        }
        let m = manifest(&rows.iter().map(|(a, b)| (a.as_str(), b.as_str())).collect::<Vec<_>>());
        Labels::new(&m, &(0..m.photos.len()).collect::<Vec<_>>())
    }

    fn uses(batches: &[Batch], photos: usize) -> Vec<usize> {
        let mut uses = vec![0; photos];
        batches.iter().flat_map(|b| &b.photos).for_each(|&p| uses[p] += 1);
        uses
    }

    #[test]
    fn sides_can_be_individuals_of_their_own() {
        let mut m = manifest(&[("a", "1"), ("a", "2"), ("a", "3"), ("b", "1")]);
        m.photos[0].side = Some(Side::Left);
        m.photos[1].side = Some(Side::Right);
        let l = Labels::by_side(&m, &[0, 1, 2, 3]);
        assert_eq!(l.names(), ["a", "a (left)", "a (right)", "b"]);
        assert_eq!(l.individuals(), [1, 2, 0, 3]);
        assert_eq!(Labels::new(&m, &[0, 1, 2, 3]).individuals(), [0, 0, 0, 1]);
    }

    #[test]
    fn labels_number_individuals_by_sorted_name() {
        let m = manifest(&[("b", "2020-01-01"), ("a", ""), ("b", "2020-01-01"), ("c", "")]);
        let l = Labels::new(&m, &[2, 0, 1]);
        assert_eq!((l.individuals(), l.names()), (&[1, 1, 0][..], &["a".to_owned(), "b".to_owned()][..]));
        assert_eq!(l.encounters()[0], l.encounters()[1]);
    }

    #[test]
    fn every_sampler_makes_the_same_number_of_batches() {
        let l = labels(&vec![vec![2, 3]; 10]); // 50 photos
        let samplers: [Box<dyn Sampler>; 3] = [
            Box::new(Shuffled::new(&l, 16, 1).unwrap()),
            Box::new(PTimesK::new(l.clone(), 4, 4, 1).unwrap()),
            Box::new(BalancedPairs::new(l, 16, 1).unwrap()),
        ];
        for sampler in samplers {
            let batches = sampler.epoch(3);
            assert_eq!((batches.len(), sampler.batches()), (4, 4), "{}", sampler.name());
            assert!(batches.iter().all(|b| b.photos.len() == 16), "{}", sampler.name());
            assert_eq!(batches, sampler.epoch(3));
            assert_ne!(batches, sampler.epoch(4));
        }
    }

    #[test]
    fn what_cannot_be_sampled_is_said_when_the_sampler_is_made() {
        let said = |result: Result<(), DataError>| result.unwrap_err().to_string();
        let few = labels(&[vec![3], vec![2], vec![1], vec![1]]);
        let error = said(PTimesK::new(few.clone(), 3, 2, 1).map(drop));
        assert!(error.contains("needs 3 individuals") && error.contains("has 2 (and 2 with"), "{error}");
        assert!(PTimesK::new(few.clone(), 1, 4, 1).is_err() && PTimesK::new(few.clone(), 2, 1, 1).is_err());
        assert!(BalancedPairs::new(few.clone(), 7, 1).is_err() && BalancedPairs::new(few, 2, 1).is_err());
        let single = said(BalancedPairs::new(labels(&[vec![4, 4]]), 4, 1).map(drop));
        assert!(single.contains("single individual"), "{single}");
        let lone = said(BalancedPairs::new(labels(&[vec![1], vec![1]]), 4, 1).map(drop));
        assert!(lone.contains("no individual has two photos"), "{lone}");
        assert!(Shuffled::new(&labels(&[]), 4, 1).is_err());
        let kept = PTimesK::new(labels(&[vec![3], vec![1], vec![2]]), 2, 2, 1).unwrap();
        assert_eq!(kept.left_out(), ["t001"]);
    }

    #[test]
    fn groups_and_same_pairs_prefer_different_encounters() {
        let l = labels(&vec![vec![4, 4, 4, 4]; 6]);
        let p_times_k = PTimesK::new(l.clone(), 3, 4, 1).unwrap();
        let days = |photos: &[usize]| photos.iter().map(|&p| l.encounters()[p]).collect::<BTreeSet<_>>().len();
        let groups: Vec<usize> =
            p_times_k.epoch(0).iter().flat_map(|b| b.photos.chunks(4).map(days).collect::<Vec<_>>()).collect();
        let average = groups.iter().sum::<usize>() as f64 / groups.len() as f64;
        // At random it would be 2.8; the end of a deck is less mixed than its start.
        assert!(average > 3.5, "{average}");
        let pairs = BalancedPairs::new(l.clone(), 12, 1).unwrap().epoch(0);
        let same: Vec<_> = pairs
            .iter()
            .flat_map(|b| b.pairs.iter().filter(|p| p.2).map(|p| days(&[b.photos[p.0], b.photos[p.1]])))
            .collect();
        assert!(same.iter().all(|&d| d == 2), "{same:?}");
    }

    #[test]
    fn over_many_epochs_photos_of_all_individuals_come_alike() {
        // One individual with a third of the photos, some with few.
        let l = labels(&[vec![10, 10], vec![2, 2], vec![3, 3], vec![1, 1], vec![5, 5], vec![4, 4], vec![5, 5]]);
        let samplers: [Box<dyn Sampler>; 2] = [
            Box::new(PTimesK::new(l.clone(), 2, 2, 1).unwrap()),
            Box::new(BalancedPairs::new(l.clone(), 8, 1).unwrap()),
        ];
        for sampler in samplers {
            let batches: Vec<Batch> = (0..200).flat_map(|e| sampler.epoch(e)).collect();
            let uses = uses(&batches, l.len());
            let mean = uses.iter().sum::<usize>() as f64 / uses.len() as f64;
            for (photo, &n) in uses.iter().enumerate() {
                assert!(
                    (n as f64 / mean - 1.0).abs() < 0.25,
                    "{}: photo {photo} {n} times, mean {mean}",
                    sampler.name()
                );
            }
        }
    }

    fn shapes() -> impl Strategy<Value = Vec<Vec<usize>>> {
        prop::collection::vec(prop::collection::vec(1usize..5, 1..4), 1..12)
    }

    proptest! {
        #[test]
        fn shuffled_takes_every_photo_once_and_fills_the_last_batch(shape in shapes(), batch in 1usize..20, epoch in 0u64..4) {
            let l = labels(&shape);
            let batches = Shuffled::new(&l, batch, 5).unwrap().epoch(epoch);
            prop_assert_eq!(batches.len(), l.len().div_ceil(batch));
            let all: Vec<usize> = batches.iter().flat_map(|b| b.photos.clone()).collect();
            prop_assert_eq!(all[..l.len()].iter().collect::<BTreeSet<_>>().len(), l.len());
            for b in &batches {
                prop_assert_eq!(b.photos.len(), batch);
                let distinct = b.photos.iter().collect::<BTreeSet<_>>().len();
                prop_assert_eq!(distinct, batch.min(l.len()));
            }
        }

        #[test]
        fn p_times_k_always_has_positives_and_negatives(shape in shapes(), p in 2usize..5, k in 2usize..6, epoch in 0u64..4) {
            let l = labels(&shape);
            let Ok(sampler) = PTimesK::new(l.clone(), p, k, 5) else {
                let (paired, _) = l.with_company();
                prop_assert!(paired.len() < p);
                return Ok(());
            };
            let batches = sampler.epoch(epoch);
            prop_assert_eq!(batches.len(), l.len().div_ceil(p * k));
            for b in &batches {
                let mut seen = BTreeSet::new();
                prop_assert_eq!(b.photos.len(), p * k);
                for group in b.photos.chunks(k) {
                    let who = l.individuals()[group[0]];
                    prop_assert!(group.iter().all(|&g| l.individuals()[g] == who));
                    prop_assert!(seen.insert(who), "an individual twice in a batch");
                    let distinct = group.iter().collect::<BTreeSet<_>>().len();
                    let has = l.individuals().iter().filter(|&&i| i == who).count();
                    prop_assert_eq!(distinct, k.min(has));
                }
            }
            // Within an individual no photo is more than one ahead.
            let uses = uses(&batches, l.len());
            for photos in l.by_individual().iter().filter(|p| p.len() > 1) {
                let n: Vec<usize> = photos.iter().map(|&p| uses[p]).collect();
                prop_assert!(n.iter().max().unwrap() - n.iter().min().unwrap() <= 1, "{:?}", n);
            }
        }

        #[test]
        fn pairs_are_what_they_say_and_half_and_half(shape in shapes(), half in 2usize..10, epoch in 0u64..4) {
            let l = labels(&shape);
            let Ok(sampler) = BalancedPairs::new(l.clone(), half * 2, 5) else {
                prop_assert!(shape.len() < 2 || l.with_company().0.is_empty());
                return Ok(());
            };
            let batches = sampler.epoch(epoch);
            prop_assert_eq!(batches.len(), l.len().div_ceil(half * 2));
            for b in &batches {
                prop_assert_eq!((b.photos.len(), b.pairs.len()), (half * 2, half));
                for (i, &(x, y, same)) in b.pairs.iter().enumerate() {
                    prop_assert_eq!((x, y), (2 * i, 2 * i + 1));
                    let (x, y) = (b.photos[x], b.photos[y]);
                    prop_assert_ne!(x, y);
                    prop_assert_eq!(l.individuals()[x] == l.individuals()[y], same);
                }
                let same = b.pairs.iter().filter(|p| p.2).count();
                prop_assert!(same == half / 2 || same == half.div_ceil(2));
                prop_assert!(same > 0 && same < half);
            }
        }

        #[test]
        fn shares_are_whole_and_fair(weights in prop::collection::vec(1usize..50, 1..20), total in 0usize..200, cap in 1usize..30) {
            let mut random = crate::data::random::stream(1, crate::data::random::Purpose::Sampling, total as u64, cap as u64);
            prop_assume!(total <= cap * weights.len());
            let counts = deal::allot(&weights, total, cap, &mut random);
            prop_assert_eq!(counts.iter().sum::<usize>(), total);
            prop_assert!(counts.iter().all(|&c| c <= cap));
            for (i, a) in counts.iter().enumerate() {
                for (j, b) in counts.iter().enumerate() {
                    // Nobody below the cap has two less than one of no greater weight.
                    prop_assert!(weights[i] < weights[j] || *a == cap || a + 2 > *b, "{:?} {:?}", weights, counts);
                }
            }
        }
    }
}
