//! A made split in numbers: what is in each part, and what the parts share that they should not.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use serde::Serialize;

use super::rows::Rows;
use super::strategy::Made;
use crate::data::manifest::Part;

/// What is in a part.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct PartNumbers {
    /// Photos.
    pub photos: usize,
    /// Individuals.
    pub individuals: usize,
    /// Encounters; an undated photo is one of its own.
    pub encounters: usize,
}

/// A made split in numbers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct MadeNumbers {
    /// The column that holds it.
    pub column: String,
    /// What trains.
    pub train: PartNumbers,
    /// What is tested.
    pub test: PartNumbers,
    /// Photos in no part.
    pub none: usize,
    /// Individuals in train and test.
    pub individuals_in_both: usize,
    /// Encounters in train and test.
    pub encounters_in_both: usize,
    /// Tested photos with another photo of their own encounter in either part.
    pub leak: usize,
    /// Those of them that have it in train: a leak of the split. Of the others the evaluation leaves it out.
    pub leak_to_train: usize,
    /// Tested photos of which nobody can tell: undated, and without an encounter in the table.
    pub unknown: usize,
}

impl MadeNumbers {
    /// The numbers of `made`, a split of `rows` that is to stand in `column`.
    pub fn of(rows: &Rows, made: &Made, column: String) -> MadeNumbers {
        let mut who: BTreeMap<usize, usize> = BTreeMap::new();
        for (individual, photos) in rows.individuals.iter().enumerate() {
            who.extend(photos.iter().map(|&row| (row, individual)));
        }
        let of_part = |part: Part| (0..rows.len()).filter(move |&row| made.parts[row] == Some(part));
        let individuals = [Part::Train, Part::Test]
            .map(|part| of_part(part).filter_map(|row| who.get(&row)).collect::<BTreeSet<_>>());
        let encounters = [Part::Train, Part::Test]
            .map(|part| of_part(part).filter_map(|row| rows.encounters[row].as_deref()).collect::<BTreeSet<_>>());
        let [train, test] = [Part::Train, Part::Test].map(|part| of_part(part).count());
        let numbers = |photos, at: usize| PartNumbers {
            photos,
            individuals: individuals[at].len(),
            encounters: encounters[at].len(),
        };
        let mut in_either: HashMap<&str, usize> = HashMap::new();
        for row in of_part(Part::Train).chain(of_part(Part::Test)) {
            if let Some(encounter) = &rows.encounters[row] {
                *in_either.entry(encounter).or_default() += 1;
            }
        }
        let leaks = |row: &usize| rows.encounters[*row].as_deref().is_some_and(|encounter| in_either[encounter] > 1);
        let in_train = |row: &usize| rows.encounters[*row].as_deref().is_some_and(|of| encounters[0].contains(of));
        MadeNumbers {
            column,
            leak_to_train: of_part(Part::Test).filter(in_train).count(),
            train: numbers(train, 0),
            test: numbers(test, 1),
            none: made.parts.iter().filter(|part| part.is_none()).count(),
            individuals_in_both: individuals[0].intersection(&individuals[1]).count(),
            encounters_in_both: encounters[0].intersection(&encounters[1]).count(),
            leak: of_part(Part::Test).filter(leaks).count(),
            unknown: of_part(Part::Test).filter(|&row| rows.alone[row]).count(),
        }
    }
}
