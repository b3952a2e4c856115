//! Who is on the photos of a set, and in which encounter, as numbers; and what a query is ranked against.

use std::collections::HashMap;

use super::super::embeddings::EmbeddingSet;
use super::{Query, Rule};

/// Labels as numbers within one set. Never comparable between two sets.
pub(in crate::eval) struct Codes {
    /// `None`: nobody knows who it is.
    pub(super) individual: Vec<Option<usize>>,
    pub(super) encounter: Vec<usize>,
}

impl Codes {
    pub(in crate::eval) fn of(set: &EmbeddingSet) -> Codes {
        let mut individuals: HashMap<&str, usize> = HashMap::new();
        let mut encounters: HashMap<(&str, &str), usize> = HashMap::new();
        let mut codes = Codes { individual: Vec::with_capacity(set.len()), encounter: Vec::with_capacity(set.len()) };
        // Numbers above those of named encounters are for photos whose encounter is their own.
        for (row, photo) in set.rows.iter().enumerate() {
            let next = individuals.len();
            let known = !photo.individual.is_empty();
            let code = known.then(|| *individuals.entry(&photo.individual).or_insert(next));
            codes.individual.push(code);
            let next = encounters.len();
            codes.encounter.push(if photo.encounter.is_empty() {
                set.len() + row
            } else {
                let key = (photo.individual.as_str(), photo.encounter.as_str());
                *encounters.entry(key).or_insert(next)
            });
        }
        codes
    }

    /// Whether a photo is one that a query is ranked against.
    pub(in crate::eval) fn counts(&self, rule: Rule, query: &Query<'_>, row: usize) -> bool {
        let own = || self.encounter[query.row()] == self.encounter[row];
        !query.photos.contains(&row) && (rule != Rule::OtherEncounters || !own())
    }

    /// Whether both are known to show one individual.
    pub(in crate::eval) fn same(&self, query: usize, row: usize) -> bool {
        self.individual[query].is_some() && self.individual[query] == self.individual[row]
    }
}
