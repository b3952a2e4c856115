//! The numbers of a dataset that a person looks at before training on it: how many, how often, when, how it is split,
//! what it leaks and what is wrong with it.
//!
//! The function behind `dataset inspect` and the screen. Counts rows; looks at no photo.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::path::PathBuf;

use jiff::civil::Date;
use serde::Serialize;

use super::error::DataError;
use super::foreign;
use super::manifest::{Counts, Manifest, Part, Problem, ProblemKind, Side, default_encounter};
use super::split::{self, Split, SplitChoice};

/// A dataset in numbers.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Overview {
    /// Name of the dataset.
    pub name: String,
    /// The folder that the photos' paths start from.
    #[serde(serialize_with = "foreign::serialize_path")]
    pub root: PathBuf,
    /// Its size.
    #[serde(flatten)]
    pub counts: Counts,
    /// Groups of photos that show nearly the same; none where no check has looked for them.
    pub near_duplicates: Option<usize>,
    /// Photos by the side that they show.
    pub sides: Sides,
    /// First and last day of a dated photo.
    pub days: Option<(Date, Date)>,
    /// Everyone, by name.
    pub individuals_seen: Vec<Individual>,
    /// Encounters that began in each year from the first to the last, years without any included.
    pub encounters_per_year: Vec<(i16, usize)>,
    /// How the usual rule splits it.
    pub split: SplitNumbers,
    /// Individuals with a single encounter: no photo of theirs has an honest match.
    pub single_encounter: usize,
    /// Photos that count as a person has corrected them.
    pub corrected: usize,
    /// How many problems there are of each kind.
    pub problem_kinds: BTreeMap<ProblemKind, usize>,
    /// What was left out or doubted.
    #[serde(skip)]
    pub problems: Vec<Problem>,
}

/// Photos by the side that they show.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Sides {
    /// Of the animal's left.
    pub left: usize,
    /// Of its right.
    pub right: usize,
    /// Of which no side is known.
    pub unknown: usize,
}

impl Sides {
    fn of(manifest: &Manifest) -> Sides {
        let count = |side: Option<Side>| manifest.photos.iter().filter(|p| p.side == side).count();
        Sides { left: count(Some(Side::Left)), right: count(Some(Side::Right)), unknown: count(None) }
    }

    /// In words; none where no side is known.
    pub fn told(self) -> Option<String> {
        let rest = |n: usize| if n == 0 { String::new() } else { format!(", {n} of no known side") };
        (self.left + self.right > 0).then(|| format!("{} left, {} right{}", self.left, self.right, rest(self.unknown)))
    }
}

/// One individual in numbers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Individual {
    /// Who.
    pub name: String,
    /// Photos.
    pub photos: usize,
    /// Encounters; an undated photo is one of its own.
    pub encounters: usize,
    /// The day first seen.
    pub first: Option<Date>,
    /// The day last seen.
    pub last: Option<Date>,
}

/// A split in numbers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct SplitNumbers {
    /// The column, or how it was made.
    pub name: String,
    /// Photos in `train`.
    pub train: usize,
    /// Photos in `valid`.
    pub valid: usize,
    /// Photos in `test`.
    pub test: usize,
    /// Photos in no part.
    pub none: usize,
    /// The part that an evaluation asks about; none where there is nothing to ask.
    pub query_part: Option<Part>,
    /// Photos asked about.
    pub queries: usize,
    /// Those of them that have a photo of their own encounter in the gallery or among the other queries.
    pub leak: usize,
    /// Queries without a date and without an encounter in a table: whether they leak is not known.
    pub unknown: usize,
    /// Individuals asked about that have no photo in the gallery.
    pub unseen: usize,
}

impl SplitNumbers {
    /// The leak in words, with what is not known of it: an undated photo has no encounter that anything could leak from.
    pub fn leak_told(&self) -> String {
        match (self.leak, self.unknown) {
            (0, n) if n > 0 && n == self.queries => {
                "Whether the split leaks is not known: the photos are undated, so nobody can tell which were taken in one \
                 encounter"
                    .into()
            }
            (leak, 0) => format!("{leak} of them with another photo of their own encounter (the leak)"),
            (leak, n) => format!(
                "{leak} of them with another photo of their own encounter (the leak); {} undated, and may leak unseen",
                if n == 1 { "1 more is".to_owned() } else { format!("{n} more are") }
            ),
        }
    }
}

impl Overview {
    /// The numbers of `manifest`, split by `choice`.
    ///
    /// # Errors
    /// When the column of `choice` does not exist.
    pub fn of(manifest: &Manifest, choice: &SplitChoice) -> Result<Overview, DataError> {
        Ok(Overview::of_split(manifest, &split::assign(manifest, choice)?))
    }

    /// The numbers of `manifest`, split so.
    pub fn of_split(manifest: &Manifest, split: &Split) -> Overview {
        let individuals_seen = individuals(manifest);
        let mut problem_kinds = BTreeMap::new();
        for problem in &manifest.problems {
            *problem_kinds.entry(problem.kind).or_default() += 1;
        }
        let days = manifest.photos.iter().filter_map(|p| p.date);
        Overview {
            name: manifest.name.clone(),
            root: manifest.root.clone(),
            counts: manifest.counts(),
            near_duplicates: manifest.alike.as_ref().map(Vec::len),
            sides: Sides::of(manifest),
            days: days.clone().min().zip(days.max()),
            encounters_per_year: per_year(manifest),
            split: numbers(manifest, split),
            single_encounter: individuals_seen.iter().filter(|i| i.encounters == 1).count(),
            individuals_seen,
            corrected: manifest.corrected,
            problem_kinds,
            problems: manifest.problems.clone(),
        }
    }

    /// Individuals by their number of photos in at most `bins` equal bins from 1 to the most: the upper end of each
    /// bin and how many individuals fell into it.
    pub fn photos_per_individual(&self, bins: usize) -> Vec<(usize, usize)> {
        let most = self.individuals_seen.iter().map(|i| i.photos).max().unwrap_or(0);
        let width = most.div_ceil(bins.max(1)).max(1);
        let mut counted: Vec<(usize, usize)> = (1..=most.div_ceil(width)).map(|n| (n * width, 0)).collect();
        for individual in &self.individuals_seen {
            counted[(individual.photos - 1) / width].1 += 1;
        }
        counted
    }
}

fn individuals(manifest: &Manifest) -> Vec<Individual> {
    let summary = |(name, photos): (&str, Vec<usize>)| {
        let photos: Vec<_> = photos.into_iter().map(|i| &manifest.photos[i]).collect();
        let encounters: BTreeSet<&str> = photos.iter().map(|p| p.encounter.as_str()).collect();
        Individual {
            name: name.to_owned(),
            photos: photos.len(),
            encounters: encounters.len(),
            first: photos.iter().filter_map(|p| p.date).min(),
            last: photos.iter().filter_map(|p| p.date).max(),
        }
    };
    manifest.by_individual().into_iter().map(summary).collect()
}

fn per_year(manifest: &Manifest) -> Vec<(i16, usize)> {
    let mut began: HashMap<&str, Date> = HashMap::new();
    for photo in &manifest.photos {
        if let Some(date) = photo.date {
            let first = began.entry(&photo.encounter).or_insert(date);
            *first = date.min(*first);
        }
    }
    let mut years: BTreeMap<i16, usize> = BTreeMap::new();
    for date in began.values() {
        *years.entry(date.year()).or_default() += 1;
    }
    match (years.keys().next(), years.keys().next_back()) {
        (Some(&first), Some(&last)) => (first..=last).map(|y| (y, years.get(&y).copied().unwrap_or(0))).collect(),
        _ => Vec::new(),
    }
}

fn numbers(manifest: &Manifest, split: &Split) -> SplitNumbers {
    let count = |part: Option<Part>| split.parts.iter().filter(|&&p| p == part).count();
    let mut numbers = SplitNumbers {
        name: split.name.clone(),
        train: count(Some(Part::Train)),
        valid: count(Some(Part::Valid)),
        test: count(Some(Part::Test)),
        none: count(None),
        query_part: None,
        queries: 0,
        leak: 0,
        unknown: 0,
        unseen: 0,
    };
    // without a part to ask about there is nothing that could leak
    let Ok(roles) = split::roles(split, None, None) else { return numbers };
    let photo = |i: &usize| &manifest.photos[*i];
    let mut of_encounter: HashMap<&str, usize> = HashMap::new();
    for i in roles.gallery.iter().chain(&roles.queries) {
        *of_encounter.entry(&photo(i).encounter).or_default() += 1;
    }
    let known: BTreeSet<&str> = roles.gallery.iter().map(|i| photo(i).individual.as_str()).collect();
    let asked: BTreeSet<&str> = roles.queries.iter().map(|i| photo(i).individual.as_str()).collect();
    numbers.query_part = Some(roles.query_part);
    numbers.queries = roles.queries.len();
    numbers.leak = roles.queries.iter().filter(|i| of_encounter[photo(i).encounter.as_str()] > 1).count();
    let is_unknown = |i: &&usize| photo(i).date.is_none() && photo(i).encounter == default_encounter(photo(i));
    numbers.unknown = roles.queries.iter().filter(is_unknown).count();
    numbers.unseen = asked.difference(&known).count();
    numbers
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::manifest::testing::manifest;

    #[test]
    fn a_dataset_is_counted() {
        let rows = [
            ("a", "2012-05-01"),
            ("a", "2012-05-01"),
            ("a", "2014-06-01"),
            ("b", "2012-12-31"),
            ("b", "2013-01-01"),
            ("c", ""),
        ];
        let mut m = manifest(&rows);
        let (t, q) = (Some(Part::Train), Some(Part::Test));
        m.split_columns.insert("split".into(), vec![t, q, q, t, q, None]);
        (m.photos[0].side, m.photos[3].side) = (Some(Side::Left), Some(Side::Right));
        let o = Overview::of(&m, &SplitChoice::Auto).unwrap();
        assert_eq!(o.sides.told().as_deref(), Some("1 left, 1 right, 4 of no known side"));
        assert_eq!((o.counts.photos, o.counts.individuals, o.counts.encounters, o.counts.dated), (6, 3, 5, 5));
        assert_eq!(o.encounters_per_year, [(2012, 2), (2013, 1), (2014, 1)]);
        assert_eq!(o.days.map(|(a, b)| (a.year(), b.year())), Some((2012, 2014)));
        assert_eq!((o.single_encounter, o.individuals_seen[0].encounters), (1, 2));
        let s = &o.split;
        assert_eq!((s.train, s.valid, s.test, s.none), (2, 0, 3, 1));
        assert_eq!((s.query_part, s.queries, s.leak, s.unseen), (Some(Part::Test), 3, 1, 0));
        assert!(s.leak_told().starts_with("1 of them with another photo") && s.unknown == 0, "{}", s.leak_told());
        assert_eq!(o.photos_per_individual(10), [(1, 1), (2, 1), (3, 1)]);
        assert_eq!(o.photos_per_individual(2), [(2, 2), (4, 1)]);
        let json = serde_json::to_value(&o).unwrap();
        assert_eq!((&json["photos"], &json["split"]["leak"]), (&6.into(), &1.into()));
    }

    #[test]
    fn without_dates_no_leak_is_not_called_none() {
        let o = Overview::of(&manifest(&[("a", ""), ("a", ""), ("b", ""), ("b", "")]), &SplitChoice::Auto).unwrap();
        assert_eq!((o.split.leak, o.split.unknown, o.split.queries), (0, 2, 2));
        assert!(o.split.leak_told().starts_with("Whether the split leaks is not known"));
        let mut m = manifest(&[("a", "2012-05-01"), ("a", "2012-05-01"), ("b", ""), ("b", "")]);
        m.split_columns.insert("split".into(), [Part::Train, Part::Test, Part::Train, Part::Test].map(Some).to_vec());
        let told = Overview::of(&m, &SplitChoice::Auto).unwrap().split.leak_told();
        assert!(told.contains("1 of them with") && told.contains("1 more is undated"), "{told}");
    }

    #[test]
    fn a_dataset_without_queries_has_numbers_too() {
        let mut m = manifest(&[("a", ""), ("b", "")]);
        m.split_columns.insert("split".into(), vec![Some(Part::Train); 2]);
        let o = Overview::of(&m, &SplitChoice::Auto).unwrap();
        assert_eq!((o.split.query_part, o.split.queries, o.days, o.encounters_per_year.len()), (None, 0, None, 0));
        assert!(Overview::of(&m, &SplitChoice::Column("x".into())).is_err());
    }
}
