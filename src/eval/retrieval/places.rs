//! Where the photos of a query stand, without sorting all of them: only those of its individual are sorted, and every
//! other one finds its place among them.

use std::cmp::Ordering;

use super::codes::Codes;
use super::{Match, NEAREST, Ranked, average_precision};

/// A photo's place in a ranking: by its distance, of equal ones by its row.
#[derive(Clone, Copy)]
pub(super) struct Place {
    pub(super) apart: f64,
    pub(super) row: usize,
}

impl Place {
    fn order(&self, other: &Place) -> Ordering {
        self.apart.total_cmp(&other.apart).then(self.row.cmp(&other.row))
    }

    fn is_before(&self, other: &Place) -> bool {
        self.order(other).is_lt()
    }
}

/// The ranking of a query while photos come.
pub(super) struct Places {
    counted: usize,
    /// Photos of its individual, the nearest first.
    relevant: Vec<Place>,
    /// Others that stand behind exactly so many of those.
    others: Vec<usize>,
    /// The nearest of all, at most [`NEAREST`].
    nearest: Vec<Place>,
    /// Who is farther than this moves no figure.
    bound: f64,
}

impl Places {
    /// Begins with every counted photo of the query's individual.
    pub(super) fn among(mut relevant: Vec<Place>) -> Places {
        relevant.sort_unstable_by(Place::order);
        let nearest: Vec<Place> = relevant.iter().take(NEAREST).copied().collect();
        let others = vec![0; relevant.len() + 1];
        let mut places = Places { counted: relevant.len(), relevant, others, nearest, bound: f64::INFINITY };
        places.narrow();
        places
    }

    fn narrow(&mut self) {
        let last = self.relevant.last().map_or(f64::NEG_INFINITY, |last| last.apart);
        self.bound = self.nearest.get(NEAREST - 1).map_or(f64::INFINITY, |tenth| tenth.apart.max(last));
    }

    /// Another photo that counts.
    #[inline]
    pub(super) fn take(&mut self, place: Place) {
        self.counted += 1;
        if place.apart <= self.bound {
            self.find(place);
        }
    }

    fn find(&mut self, place: Place) {
        if self.nearest.get(NEAREST - 1).is_none_or(|tenth| place.is_before(tenth)) {
            let at = self.nearest.partition_point(|near| near.is_before(&place));
            self.nearest.insert(at, place);
            self.nearest.truncate(NEAREST);
            self.narrow();
        }
        // who stands behind all of them moves none
        if self.relevant.last().is_some_and(|last| place.is_before(last)) {
            self.others[self.relevant.partition_point(|right| right.is_before(&place))] += 1;
        }
    }

    /// `all` more photos that count and are none of the nearest, as far away as `sample`, which was drawn among them.
    pub(super) fn estimate(&mut self, sample: &[f64], all: usize) {
        self.counted += all;
        let mut behind = vec![0; self.others.len()];
        for &apart in sample {
            behind[self.relevant.partition_point(|right| right.apart < apart)] += 1;
        }
        // summed before it is rounded, so that what is rounded does not add up
        let (mut drawn, mut given) = (0, 0);
        for (others, here) in self.others.iter_mut().zip(behind) {
            drawn += here;
            let upto = if drawn == 0 { 0 } else { (drawn as f64 / sample.len() as f64 * all as f64).round() as usize };
            *others += upto - given;
            given = upto;
        }
    }

    /// What the ranking came to.
    pub(super) fn ranked(self, codes: &Codes, query: usize) -> Ranked {
        let others = self.others.iter().scan(0, |sum, &more| {
            *sum += more;
            Some(*sum)
        });
        let correct: Vec<usize> =
            others.take(self.relevant.len()).enumerate().map(|(i, others)| i + 1 + others).collect();
        let at_r = &correct[..correct.partition_point(|&rank| rank <= correct.len())];
        let of_relevant = |value: f64| (!correct.is_empty()).then_some(value);
        let nearest = self.nearest.iter().enumerate();
        Ranked {
            query,
            individual: codes.individual[query],
            counted: self.counted,
            relevant: correct.len(),
            first_correct: correct.first().copied(),
            average_precision: of_relevant(average_precision(&correct, correct.len())),
            average_precision_at_r: of_relevant(average_precision(at_r, correct.len())),
            r_precision: of_relevant(at_r.len() as f64 / correct.len() as f64),
            nearest: nearest
                .map(|(before, &Place { apart, row })| Match {
                    query,
                    rank: before + 1,
                    row,
                    distance: apart,
                    correct: codes.same(query, row),
                })
                .collect(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::super::embeddings::{EmbeddingSet, Role};
    use super::super::super::testing::{row, unit};
    use super::*;

    #[test]
    fn a_sample_stands_for_all_that_are_far() {
        let rows = (0..4).map(|i| row(&format!("{i}.jpg"), "t1", &format!("{i}"), Role::Both)).collect();
        let set = EmbeddingSet::new(2, unit(&[&[1.0, 0.0][..]; 4]), rows).unwrap();
        let mut places = Places::among(vec![
            Place { apart: 0.2, row: 1 },
            Place { apart: 0.6, row: 2 },
            Place { apart: 0.9, row: 3 },
        ]);
        // one of six is before the second, four before the third, of 3000 photos
        places.estimate(&[0.5, 0.7, 0.8, 0.85, 0.95, 1.2], 3000);
        let ranked = places.ranked(&Codes::of(&set), 0);
        assert_eq!((ranked.counted, ranked.relevant, ranked.first_correct), (3003, 3, Some(1)));
        let expected = (1.0 + 2.0 / 502.0 + 3.0 / 2003.0) / 3.0;
        assert!((ranked.average_precision.unwrap() - expected).abs() < 1e-12);
    }
}
