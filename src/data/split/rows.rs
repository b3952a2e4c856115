//! What a split has to know of a row: who, on which day, in which encounter. Nothing of photos or columns.

use std::collections::{BTreeMap, HashMap, HashSet};

use jiff::civil::Date;

use crate::data::manifest::{Manifest, default_encounter};
use crate::data::sets::Sets;

/// The rows of a table or the photos of a manifest, in their order.
#[derive(Debug, Clone, Default)]
pub struct Rows {
    /// The rows of each individual in their order; the individuals as pandas sorts them.
    pub(super) individuals: Vec<Vec<usize>>,
    /// Rows that no split looks at, since they say that the individual is not known; one a row.
    pub(super) skipped: Vec<bool>,
    /// The day of each row, where it is known.
    pub(super) dates: Vec<Option<Date>>,
    /// The encounter of each row; none where nobody is named.
    pub(super) encounters: Vec<Option<String>>,
    /// Rows that are an encounter of their own because nothing says otherwise.
    pub(super) alone: Vec<bool>,
    /// What stays on one side, where it is more than an encounter: the first key of the encounters in it, one a row.
    pub(super) together: Option<Vec<Option<String>>>,
    /// Rows that always train, as they show the same as a photo of another individual.
    pub(super) bound: Vec<usize>,
}

impl Rows {
    /// The photos of `manifest`.
    pub fn of(manifest: &Manifest) -> Rows {
        let photos = &manifest.photos;
        Rows {
            individuals: in_their_order(manifest),
            skipped: vec![false; photos.len()],
            dates: photos.iter().map(|p| p.date).collect(),
            encounters: photos.iter().map(|p| Some(p.encounter.clone())).collect(),
            alone: photos.iter().map(|p| p.date.is_none() && p.encounter == default_encounter(p)).collect(),
            ..Rows::default()
        }
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.skipped.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.skipped.is_empty()
    }

    /// Whether some are known to show the same.
    pub(super) fn some_alike(&self) -> bool {
        self.together.is_some()
    }

    /// Whether rows are dated, or encounters are named.
    pub fn encounters_known(&self) -> bool {
        let mut seen = HashSet::new();
        self.dates.iter().any(Option::is_some) || self.encounters.iter().flatten().any(|e| !seen.insert(e.as_str()))
    }

    /// Rows that a split of wildlife-datasets looks at; some of them may name nobody.
    pub(super) fn looked_at(&self) -> usize {
        self.skipped.iter().filter(|&&skipped| !skipped).count()
    }

    /// The dated rows that are looked at, with their day.
    pub(super) fn dated(&self) -> impl Iterator<Item = (usize, Date)> {
        let dated = self.dates.iter().enumerate().filter_map(|(row, &date)| Some((row, date?)));
        dated.filter(|&(row, _)| !self.skipped[row])
    }

    /// Keeps the rows of each group, and the encounters that they are of, on one side of every split that keeps encounters
    /// whole. Where a group is of several individuals, all of it trains: no side would be the right one to ask on.
    pub fn keep_together(&mut self, groups: &[Vec<usize>]) {
        if groups.is_empty() {
            return;
        }
        let mut sets = Sets::new(self.len());
        let mut first_of: HashMap<&str, usize> = HashMap::new();
        for (row, key) in self.encounters.iter().enumerate() {
            if let Some(key) = key {
                sets.join(*first_of.entry(key).or_insert(row), row);
            }
        }
        for group in groups {
            let named: Vec<usize> = group.iter().copied().filter(|&row| self.encounters[row].is_some()).collect();
            named.iter().for_each(|&row| sets.join(named[0], row));
        }
        let mut least: HashMap<usize, &str> = HashMap::new();
        for (row, key) in self.encounters.iter().enumerate() {
            if let Some(key) = key {
                let least = least.entry(sets.root(row)).or_insert(key);
                *least = key.as_str().min(*least);
            }
        }
        let mut owner: HashMap<usize, usize> = HashMap::new();
        let mut mixed: HashSet<usize> = HashSet::new();
        for (individual, rows) in self.individuals.iter().enumerate() {
            for &row in rows {
                let set = sets.root(row);
                if *owner.entry(set).or_insert(individual) != individual {
                    mixed.insert(set);
                }
            }
        }
        let mut key = |row: usize| {
            let set = sets.root(row);
            self.encounters[row].as_ref().map(|_| least[&set].to_owned())
        };
        let together = (0..self.len()).map(&mut key).collect();
        let bound = (0..self.encounters.len())
            .filter(|&row| self.encounters[row].is_some() && mixed.contains(&sets.root(row)))
            .collect();
        (self.together, self.bound) = (Some(together), bound);
    }

    /// Rows that train whatever is dealt.
    pub(super) fn bound(&self) -> &[usize] {
        &self.bound
    }

    /// Of each individual its encounters that are to be dealt, in the order of their keys, so that the order of rows does not matter.
    pub(super) fn encounters_of(&self) -> Vec<Vec<Vec<usize>>> {
        let keys = self.together.as_ref().unwrap_or(&self.encounters);
        let bound: HashSet<usize> = self.bound.iter().copied().collect();
        let of = |rows: &Vec<usize>| {
            let mut encounters: BTreeMap<&str, Vec<usize>> = BTreeMap::new();
            for &row in rows.iter().filter(|&row| !bound.contains(row)) {
                if let Some(key) = &keys[row] {
                    encounters.entry(key).or_default().push(row);
                }
            }
            encounters.into_values().collect()
        };
        self.individuals.iter().map(of).collect()
    }
}

/// Photos of each individual; individuals by number where all are integers, else by text.
fn in_their_order(manifest: &Manifest) -> Vec<Vec<usize>> {
    let by_name = manifest.by_individual();
    let numbers: Option<Vec<i64>> = by_name.keys().map(|name| name.parse().ok()).collect();
    let mut groups: Vec<Vec<usize>> = by_name.into_values().collect();
    if let Some(numbers) = numbers {
        let mut keyed: Vec<_> = numbers.into_iter().zip(groups).collect();
        keyed.sort_by_key(|(number, _)| *number); // stable: `7` and `07` stay in order of text
        groups = keyed.into_iter().map(|(_, photos)| photos).collect();
    }
    groups
}

/// Who is who in a column, as pandas reads it: cells that mean "nothing" name nobody (`None`); a column of numbers is
/// one of numbers, so that `7` and `07` are one; all else is text, to the space.
pub(super) fn as_pandas_reads(cells: &[Option<&str>]) -> Vec<Vec<usize>> {
    let named = || cells.iter().flatten();
    let whole = named().all(|cell| number::<i64>(cell).is_some());
    let missing = cells.iter().any(Option::is_none);
    // a number beyond 64 bits makes a column of text of a column of integers
    let real = named().all(|cell| number::<f64>(cell).is_some() && (number::<i64>(cell).is_some() || !is_digits(cell)));
    let key = |cell: &&str| match (whole, real) {
        (true, _) if !missing => Key::Whole(number(cell).unwrap_or_default()),
        // a column of integers with gaps is one of floats
        (_, true) => Key::Real(ordered(number(cell).unwrap_or_default())),
        _ => Key::Text((*cell).to_owned()),
    };
    let mut individuals: BTreeMap<Key, Vec<usize>> = BTreeMap::new();
    for (row, cell) in cells.iter().enumerate() {
        if let Some(cell) = cell {
            individuals.entry(key(cell)).or_default().push(row);
        }
    }
    individuals.into_values().collect()
}

#[derive(PartialEq, Eq, PartialOrd, Ord)]
enum Key {
    Whole(i64),
    Real(u64),
    Text(String),
}

fn number<T: std::str::FromStr>(cell: &str) -> Option<T> {
    cell.trim_matches([' ', '\t']).parse().ok()
}

fn is_digits(cell: &str) -> bool {
    let cell = cell.trim_matches([' ', '\t']);
    cell.trim_start_matches(['+', '-']).bytes().all(|b| b.is_ascii_digit())
}

/// A float as bits that sort as it does; both zeros are one.
fn ordered(x: f64) -> u64 {
    let bits = (x + 0.0).to_bits();
    if bits >> 63 == 1 { !bits } else { bits | 1 << 63 }
}

/// Whether pandas takes a cell for missing (`na_values` of `read_csv`).
pub(super) fn is_missing(cell: &str) -> bool {
    const MISSING: &[&str] = &[
        "", "#N/A", "#N/A N/A", "#NA", "-1.#IND", "-1.#QNAN", "-NaN", "-nan", "1.#IND", "1.#QNAN", "<NA>", "N/A", "NA",
        "NULL", "NaN", "None", "n/a", "nan", "null",
    ];
    MISSING.contains(&cell)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::manifest::testing::manifest;

    #[test]
    fn individuals_that_are_all_numbers_are_taken_as_numbers() {
        let many = |names: &[&str]| {
            let m = manifest(&names.iter().map(|n| (*n, "")).collect::<Vec<_>>());
            in_their_order(&m).iter().map(|g| m.photos[g[0]].individual.clone()).collect::<Vec<_>>()
        };
        assert_eq!(many(&["10", "9", "-1"]), ["-1", "9", "10"]);
        assert_eq!(many(&["10", "9", "x"]), ["10", "9", "x"]);
    }

    #[test]
    fn a_column_is_read_as_pandas_reads_it() {
        let order = |cells: &[&str]| {
            let cells: Vec<_> = cells.iter().map(|&c| (!is_missing(c)).then_some(c)).collect();
            as_pandas_reads(&cells)
        };
        assert_eq!(order(&["10", "9", "07", "7"]), [vec![2, 3], vec![1], vec![0]]);
        assert_eq!(order(&["10", "9", "", "-1"]), [vec![3], vec![1], vec![0]]);
        assert_eq!(order(&["10", "9.5", "1e1"]), [vec![1], vec![0, 2]]);
        assert_eq!(order(&["10", "9", "x", "07", "7"]), [vec![3], vec![0], vec![4], vec![1], vec![2]]);
        assert_eq!(order(&["b", " a", "a", "NaN", "nan "]), [vec![1], vec![2], vec![0], vec![4]]);
        assert_eq!(order(&["9", "10000000000000000000000000"]), [vec![1], vec![0]]);
    }
}
