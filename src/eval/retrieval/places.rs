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
