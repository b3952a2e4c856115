//! Are two photos of one individual? Every counted pair of a ranking judged by its distance alone: ROC, AUC, TAR@FAR.
//!
//! Exact, though there can be hundreds of millions of pairs: pairs of one individual are few and are sorted; each pair
//! of two only finds its place among them. A distance is accepted when it is at most the threshold. The true accept
//! rate (TAR) is a share of pairs of one individual, the false accept rate (FAR) of pairs of two (as in insightface and
//! NIST's reports; fast-reid's `TPR@FPR` labels the pairs the other way round). Knows distances only.

use std::sync::atomic::{AtomicU64, Ordering};

use serde::{Deserialize, Serialize};

/// Most points of a curve: more than any picture has columns.
const POINTS: usize = 400;

/// The rates at which wrong pairs are let through that reports are made for.
pub const FALSE_ACCEPT_RATES: [f64; 3] = [0.1, 0.01, 0.001];

/// True accept rates by false accept rate; `None` without pairs of both kinds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct TarAtFar {
    /// At a tenth.
    #[serde(rename = "0.1")]
    pub tenth: Option<f64>,
    /// At a hundredth.
    #[serde(rename = "0.01")]
    pub hundredth: Option<f64>,
    /// At a thousandth.
    #[serde(rename = "0.001")]
    pub thousandth: Option<f64>,
}

impl TarAtFar {
    /// From the values at [`FALSE_ACCEPT_RATES`].
    pub fn of(values: [Option<f64>; 3]) -> TarAtFar {
        let [tenth, hundredth, thousandth] = values;
        TarAtFar { tenth, hundredth, thousandth }
    }

    /// The values at [`FALSE_ACCEPT_RATES`].
    pub fn values(self) -> [Option<f64>; 3] {
        [self.tenth, self.hundredth, self.thousandth]
    }
}

/// How well distance tells pairs of one individual from pairs of two.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Verification {
    /// Chance that a pair of one individual is nearer than one of two, ties half: area under the ROC.
    pub auc: Option<f64>,
    /// The highest TAR of a threshold that lets through at most so many pairs of two individuals.
    pub tar_at_far: TarAtFar,
    /// The ROC as (FAR, TAR), both ascending, at most 400 points and its two ends.
    pub roc: Vec<(f64, f64)>,
}

/// Pairs of one individual, sorted, and the places of pairs of two among them.
pub(super) struct Tally {
    /// Distances of pairs of one individual, ascending.
    same: Vec<f64>,
    /// First of `same` whose leading bits are those or above.
    index: Vec<u32>,
    /// Pairs of two individuals that are farther than exactly so many of `same`.
    places: Vec<AtomicU64>,
    /// Sum over pairs of two individuals of how many of `same` are exactly as far.
    ties: AtomicU64,
}

/// Bits of an f32 below those of the index: half a thousandth of a distance share a cell.
const BELOW: u32 = 12;

fn cell(distance: f64) -> usize {
    ((distance.max(0.0) as f32).to_bits() >> BELOW) as usize
}

impl Tally {
    /// Begins with the distances of all counted pairs of one individual.
    pub(super) fn new(mut same: Vec<f64>) -> Tally {
        same.sort_unstable_by(f64::total_cmp);
        let cells = same.last().map_or(0, |&last| cell(last) + 2);
        let mut index = Vec::with_capacity(cells);
        let mut at = 0;
        for which in 0..cells {
            while at < same.len() && cell(same[at]) < which {
                at += 1;
            }
            index.push(at as u32);
        }
        let places = (0..=same.len()).map(|_| AtomicU64::new(0)).collect();
        Tally { same, index, places, ties: AtomicU64::new(0) }
    }

    /// Who counts pairs of two individuals, one a thread: what it counted is added up when it goes.
    pub(super) fn counter(&self) -> Counter<'_> {
        let own = if self.places.len() <= OWN { self.places.len() } else { 0 };
        Counter { tally: self, places: vec![0; own], ties: 0 }
    }

    /// What the pairs come to.
    pub(super) fn finish(self) -> Verification {
        let places: Vec<u64> = self.places.into_iter().map(AtomicU64::into_inner).collect();
        let (same, different) = (self.same.len() as f64, places.iter().sum::<u64>());
        if self.same.is_empty() || different == 0 {
            return Verification::default();
        }
        let different_pairs = different as f64;
        let nearer: f64 = places.iter().enumerate().map(|(before, &pairs)| before as f64 * pairs as f64).sum();
        let auc = (nearer + self.ties.into_inner() as f64 / 2.0) / (same * different_pairs);

        // a threshold at each pair of one individual; of equal ones the last
        let every = self.same.len().div_ceil(POINTS);
        let mut roc = vec![(0.0, 0.0)];
        let (mut accepted, mut best, mut kept) = (0, [0.0; 3], 0);
        for (at, &distance) in self.same.iter().enumerate() {
            accepted += places[at];
            if self.same.get(at + 1).is_some_and(|&next| next <= distance) {
                continue;
            }
            let (far, tar) = (accepted as f64 / different_pairs, (at + 1) as f64 / same);
            for (best, _) in best.iter_mut().zip(FALSE_ACCEPT_RATES).filter(|(_, most)| far <= *most) {
                *best = tar;
            }
            if at + 1 >= kept + every || at + 1 == self.same.len() {
                roc.push((far, tar));
                kept = at + 1;
            }
        }
        roc.push((1.0, 1.0));
        roc.dedup();
        Verification { auc: Some(auc), tar_at_far: TarAtFar::of(best.map(Some)), roc }
    }
}

/// Places that each thread keeps for itself at most; more are counted where all see them.
const OWN: usize = 1 << 20;

/// Counts for a [`Tally`], without waiting for other threads.
pub(super) struct Counter<'a> {
    tally: &'a Tally,
    places: Vec<u64>,
    ties: u64,
}

impl Counter<'_> {
    /// Counts a pair of two individuals. Sums of whole numbers: threads may count in any order.
    #[inline]
    pub(super) fn count(&mut self, distance: f64) {
        let Tally { same, index, .. } = self.tally;
        // most are farther than every pair of one
        if same.last().is_none_or(|&last| distance > last) {
            return self.add(same.len());
        }
        let which = cell(distance);
        let (from, to) = match index.get(which) {
            Some(&from) => (from as usize, index.get(which + 1).map_or(same.len(), |&to| to as usize)),
            None => (same.len(), same.len()),
        };
        let near = &same[from..to];
        let nearer = from + near.partition_point(|&d| d < distance);
        self.add(nearer);
        // equal distances share a cell
        let equal = from + near.partition_point(|&d| d <= distance) - nearer;
        self.ties += equal as u64;
    }

    #[inline]
    fn add(&mut self, place: usize) {
        match self.places.get_mut(place) {
            Some(own) => *own += 1,
            None => drop(self.tally.places[place].fetch_add(1, Ordering::Relaxed)),
        }
    }
}

impl Drop for Counter<'_> {
    fn drop(&mut self) {
        for (all, own) in self.tally.places.iter().zip(&self.places).filter(|(_, own)| **own > 0) {
            all.fetch_add(*own, Ordering::Relaxed);
        }
        self.tally.ties.fetch_add(self.ties, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn of(same: &[f64], different: &[f64]) -> Verification {
        let tally = Tally::new(same.to_vec());
        let mut counter = tally.counter();
        different.iter().for_each(|&d| counter.count(d));
        drop(counter);
        tally.finish()
    }

    #[test]
    fn golden_values_of_open_metric_learning() {
        // FNMR@FMR(.1, .5) = .4, .2: the share of pairs of one individual that is turned away
        let same = [0.0, 0.0, 1.0, 1.0, 2.0, 2.0, 5.0, 5.0, 9.0, 9.0];
        let different = [3.0, 3.0, 4.0, 4.0, 6.0, 6.0, 7.0, 7.0, 8.0, 8.0];
        let found = of(&same, &different);
        assert_eq!(found.tar_at_far.tenth, Some(0.6));
        let half = found.roc.iter().filter(|(far, _)| *far <= 0.5).map(|(_, tar)| *tar).fold(0.0, f64::max);
        assert_eq!(half, 0.8);
        assert_eq!(found.auc, Some((6.0 * 10.0 + 2.0 * 6.0) / 100.0));
    }

    #[test]
    fn without_pairs_of_both_kinds_there_is_no_figure() {
        for (same, different) in [(&[][..], &[1.0][..]), (&[1.0], &[]), (&[], &[])] {
            assert_eq!(of(same, different), Verification::default());
        }
    }

    fn distances() -> impl Strategy<Value = Vec<f64>> {
        // few values, so that ties abound, and nought among them
        prop::collection::vec((0_u32..12).prop_map(|n| f64::from(n) * 0.17), 1..40)
    }

    proptest! {
        #[test]
        fn they_are_what_counting_every_pair_gives(same in distances(), different in distances()) {
            let found = of(&same, &different);
            let mut won = 0.0;
            for s in &same {
                for d in &different {
                    won += if s < d { 1.0 } else if s == d { 0.5 } else { 0.0 };
                }
            }
            let auc = won / (same.len() * different.len()) as f64;
            prop_assert!((found.auc.unwrap() - auc).abs() < 1e-12);
            let rate = |of: &[f64], most: f64| of.iter().filter(|&&d| d <= most).count() as f64 / of.len() as f64;
            for (far, found) in FALSE_ACCEPT_RATES.into_iter().zip(found.tar_at_far.values()) {
                let allowed = same.iter().chain(&different).filter(|&&t| rate(&different, t) <= far);
                let best = allowed.map(|&t| rate(&same, t)).fold(0.0, f64::max);
                prop_assert_eq!(found, Some(best));
            }
            prop_assert!(found.roc.is_sorted_by(|a, b| a.0 <= b.0 && a.1 <= b.1));
            prop_assert_eq!((found.roc[0], found.roc[found.roc.len() - 1]), ((0.0, 0.0), (1.0, 1.0)));
        }
    }
}
