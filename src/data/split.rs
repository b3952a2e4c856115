//! Which photos train, which choose, which are reported: the dataset's own split, or one made here.
//!
//! A made split is the same on every machine: the generator is the small one of wildlife-datasets, whose closed split
//! is repeated to the row. By encounter is the honest one: photos of one encounter are nearly the same picture, and
//! a split that parts them measures the water rather than the animal. Roles turn a split into gallery and queries.

use std::collections::{BTreeMap, HashSet};

use super::error::DataError;
use super::manifest::{Manifest, Part};

/// Share of photos or encounters that a made split trains on.
pub const RATIO: f64 = 0.8;
/// Seed of a made split, as wildlife-datasets has it.
pub const SEED: u32 = 666;

/// How photos get their part.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum SplitChoice {
    /// Column `split`, else `split_closed`, else by encounter where encounters are known, else closed.
    #[default]
    Auto,
    /// The dataset's column of this name.
    Column(String),
    /// Whole encounters of each individual to train or test; one encounter alone trains.
    ByEncounter,
    /// Photos of each individual to train or test at random, encounters parted: wildlife-datasets' closed split.
    Closed,
}

impl From<Option<String>> for SplitChoice {
    /// The column where one is named.
    fn from(column: Option<String>) -> SplitChoice {
        column.map_or(SplitChoice::Auto, SplitChoice::Column)
    }
}

/// A part for each photo.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Split {
    /// Name of the column, or `by-encounter` or `closed`.
    pub name: String,
    /// One a photo of the manifest; `None` where the split leaves the photo out.
    pub parts: Vec<Option<Part>>,
}

impl Split {
    /// Photos of a part, by index, in the manifest's order.
    pub fn photos(&self, part: Part) -> Vec<usize> {
        (0..self.parts.len()).filter(|&i| self.parts[i] == Some(part)).collect()
    }

    /// The parts that have a photo, train first.
    pub fn present(&self) -> Vec<Part> {
        [Part::Train, Part::Valid, Part::Test].into_iter().filter(|&p| self.parts.contains(&Some(p))).collect()
    }
}

/// Splits a manifest. `ratio` (share that trains, above 0 and below 1) and `seed` matter to made splits only.
///
/// Fails when the column does not exist, naming those that do, or `ratio` is out of range.
pub fn assign(manifest: &Manifest, choice: &SplitChoice, ratio: f64, seed: u32) -> Result<Split, DataError> {
    let column = |name: &str| {
        let parts = manifest.split_columns.get(name)?;
        Some(Split { name: name.to_owned(), parts: parts.clone() })
    };
    match choice {
        SplitChoice::Column(name) => column(name).ok_or_else(|| DataError::NoSplitColumn {
            column: name.clone(),
            found: manifest.split_columns.keys().cloned().collect(),
        }),
        SplitChoice::Auto => match column("split").or_else(|| column("split_closed")) {
            Some(split) => Ok(split),
            None if encounters_known(manifest) => by_encounter(manifest, ratio, seed),
            None => closed(manifest, ratio, seed),
        },
        SplitChoice::ByEncounter => by_encounter(manifest, ratio, seed),
        SplitChoice::Closed => closed(manifest, ratio, seed),
    }
}

/// Whether photos are dated, or the table names encounters.
fn encounters_known(manifest: &Manifest) -> bool {
    let mut seen = HashSet::new();
    manifest.photos.iter().any(|p| p.date.is_some() || !seen.insert(p.encounter.as_str()))
}

/// wildlife-datasets' `ClosedSetSplit(ratio, seed=seed)`, to the row.
fn closed(manifest: &Manifest, ratio: f64, seed: u32) -> Result<Split, DataError> {
    let mut parts = vec![None; manifest.photos.len()];
    let mut random = Lcg::new(seed);
    for photos in in_their_order(manifest) {
        let train = train_count(photos.len(), ratio)?;
        for (rank, place) in random.permutation(photos.len()).into_iter().enumerate() {
            parts[photos[place]] = Some(if rank < train { Part::Train } else { Part::Test });
        }
    }
    Ok(Split { name: "closed".into(), parts })
}

/// As [`closed`], with whole encounters in place of photos. An individual's encounters are taken in the order of
/// their keys, so that the order of the table's rows does not matter.
fn by_encounter(manifest: &Manifest, ratio: f64, seed: u32) -> Result<Split, DataError> {
    let mut parts = vec![None; manifest.photos.len()];
    let mut random = Lcg::new(seed);
    for photos in in_their_order(manifest) {
        let mut encounters: BTreeMap<&str, Vec<usize>> = BTreeMap::new();
        for photo in photos {
            encounters.entry(&manifest.photos[photo].encounter).or_default().push(photo);
        }
        let encounters: Vec<Vec<usize>> = encounters.into_values().collect();
        let train = train_count(encounters.len(), ratio)?;
        for (rank, place) in random.permutation(encounters.len()).into_iter().enumerate() {
            for &photo in &encounters[place] {
                parts[photo] = Some(if rank < train { Part::Train } else { Part::Test });
            }
        }
    }
    Ok(Split { name: "by-encounter".into(), parts })
}

/// Photos of each individual; individuals by number where all are integers, else by text, as pandas sorts them.
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

/// How many of `n` train: `ratio * n` rounded half to even, but one is left for test where there are two, and one
/// always trains.
fn train_count(n: usize, ratio: f64) -> Result<usize, DataError> {
    if !(ratio > 0.0 && ratio < 1.0) {
        return Err(DataError::Ratio { ratio });
    }
    let rounded = (ratio * n as f64).round_ties_even() as usize;
    Ok(rounded.min(if n > 1 { n - 1 } else { n }).max(1))
}

/// The generator of wildlife-datasets' `Lcg` (constants of glibc's `rand`).
struct Lcg(u32);

impl Lcg {
    fn new(seed: u32) -> Self {
        Lcg(seed)
    }

    fn next(&mut self) -> u32 {
        self.0 = self.0.wrapping_mul(1_103_515_245).wrapping_add(12_345) & 0x7fff_ffff;
        self.0
    }

    /// The positions of `n` draws, sorted by draw. Draws do not repeat within the period of 2^31.
    fn permutation(&mut self, n: usize) -> Vec<usize> {
        let draws: Vec<u32> = (0..n).map(|_| self.next()).collect();
        let mut order: Vec<usize> = (0..n).collect();
        order.sort_by_key(|&i| draws[i]);
        order
    }
}

/// Who is searched and who is asked for, by index into the manifest's photos.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Roles {
    /// The part searched.
    pub gallery_part: Part,
    /// The part asked for.
    pub query_part: Part,
    /// Photos of the gallery.
    pub gallery: Vec<usize>,
    /// Photos asked for.
    pub queries: Vec<usize>,
}

/// Gallery and queries of an evaluation: the parts asked for, else gallery `train`, queries `test` or else `valid`.
///
/// Fails when a part has no photo.
pub fn roles(split: &Split, gallery: Option<Part>, query: Option<Part>) -> Result<Roles, DataError> {
    let gallery_part = gallery.unwrap_or(Part::Train);
    let query_part = match query {
        Some(part) => part,
        None => first_of(split, [Part::Test, Part::Valid])?,
    };
    for part in [gallery_part, query_part] {
        if !split.parts.contains(&Some(part)) {
            return Err(empty(split, part.word()));
        }
    }
    let (gallery, queries) = (split.photos(gallery_part), split.photos(query_part));
    Ok(Roles { gallery_part, query_part, gallery, queries })
}

/// Gallery and queries of the validation during training: gallery `train`, queries `valid` or else `test`.
///
/// Fails when a part has no photo.
pub fn validation_roles(split: &Split) -> Result<Roles, DataError> {
    roles(split, None, Some(first_of(split, [Part::Valid, Part::Test])?))
}

fn first_of(split: &Split, parts: [Part; 2]) -> Result<Part, DataError> {
    let found = parts.into_iter().find(|&p| split.parts.contains(&Some(p)));
    found.ok_or_else(|| empty(split, "test or valid"))
}

fn empty(split: &Split, part: &str) -> DataError {
    let has: Vec<&str> = split.present().into_iter().map(Part::word).collect();
    let hint = if has.is_empty() {
        "it names no part for any photo; choose another split column".to_owned()
    } else {
        format!("it has only {}; choose another split column or other parts", has.join(" and "))
    };
    DataError::EmptyPart { split: split.name.clone(), part: part.into(), hint }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::manifest::testing::manifest;
    use proptest::prelude::*;

    #[test]
    fn the_generator_is_wildlife_datasets() {
        let mut random = Lcg::new(666);
        assert_eq!(random.next(), 501_757_899);
        assert_eq!(Lcg::new(666).permutation(5), [4, 3, 0, 1, 2]);
    }

    #[test]
    fn halves_round_to_even_and_one_photo_is_left_for_test() {
        let count = |n, ratio| train_count(n, ratio).unwrap();
        // numpy.round(0.5 * [1, 3, 5]) = [0, 2, 2]
        assert_eq!([count(1, 0.5), count(3, 0.5), count(5, 0.5)], [1, 2, 2]);
        assert_eq!([count(1, 0.8), count(2, 0.8), count(3, 0.8), count(10, 0.8)], [1, 1, 2, 8]);
        assert!(matches!(train_count(3, 1.0), Err(DataError::Ratio { .. })));
        assert!(matches!(train_count(3, f64::NAN), Err(DataError::Ratio { .. })));
    }

    #[test]
    fn individuals_that_are_all_numbers_are_taken_as_numbers() {
        let many = |names: &[&str]| {
            let m = manifest(&names.iter().map(|n| (*n, "")).collect::<Vec<_>>());
            in_their_order(&m).iter().map(|g| m.photos[g[0]].individual.clone()).collect::<Vec<_>>()
        };
        assert_eq!(many(&["10", "9", "-1"]), ["-1", "9", "10"]);
        assert_eq!(many(&["10", "9", "x"]), ["10", "9", "x"]);
    }

    /// The published columns of two datasets, every row. Skipped where they are not at hand.
    #[test]
    fn closed_repeats_the_published_columns() {
        let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/data/metadata");
        for name in ["SeaTurtleIDHeads.csv", "ZindiTurtleRecall.csv"] {
            let table = folder.join(name);
            if !table.exists() {
                println!("skipped: {} is not there", table.display());
                continue;
            }
            let m = crate::data::formats::as_written(&table).unwrap();
            let made = assign(&m, &SplitChoice::Closed, RATIO, SEED).unwrap();
            assert!(m.photos.len() > 7000);
            assert_eq!(made.parts, m.split_columns["split"]);
        }
    }

    #[test]
    fn auto_prefers_split_then_split_closed_then_encounters() {
        let mut m = manifest(&[("a", "2020-01-01"), ("a", "2020-01-02"), ("b", "")]);
        let name = |m: &Manifest| assign(m, &SplitChoice::Auto, RATIO, SEED).unwrap().name;
        assert_eq!(name(&m), "by-encounter");
        m.split_columns.insert("split_closed".into(), vec![None; 3]);
        assert_eq!(name(&m), "split_closed");
        m.split_columns.insert("split".into(), vec![None; 3]);
        assert_eq!(name(&m), "split");
        assert_eq!(name(&manifest(&[("a", ""), ("a", "")])), "closed");
    }

    #[test]
    fn an_unknown_column_is_answered_with_those_there_are() {
        let mut m = manifest(&[("a", "")]);
        m.split_columns.insert("split_open".into(), vec![None]);
        let error = assign(&m, &SplitChoice::Column("fold".into()), RATIO, SEED).unwrap_err().to_string();
        assert!(error.contains("`fold`") && error.contains("`split_open`"), "{error}");
    }

    #[test]
    fn roles_fall_back_from_test_to_valid_and_validation_the_other_way() {
        use Part::{Test, Train, Valid};
        let split = |parts: &[Part]| Split { name: "s".into(), parts: parts.iter().copied().map(Some).collect() };
        let both = split(&[Train, Valid, Test, Train]);
        let r = roles(&both, None, None).unwrap();
        assert_eq!((r.gallery, r.queries, r.query_part), (vec![0, 3], vec![2], Test));
        assert_eq!(validation_roles(&both).unwrap().query_part, Valid);
        let no_test = split(&[Train, Valid]);
        assert_eq!(roles(&no_test, None, None).unwrap().query_part, Valid);
        let no_valid = split(&[Train, Test]);
        assert_eq!(validation_roles(&no_valid).unwrap().query_part, Test);
        let error = roles(&split(&[Train]), None, None).unwrap_err().to_string();
        assert!(error.contains("test or valid") && error.contains("only train"), "{error}");
        assert!(roles(&no_test, Some(Test), None).is_err());
    }

    proptest! {
        #[test]
        fn made_splits_keep_their_promises(
            photos in prop::collection::vec((0u8..6, 0u8..7), 1..80),
            seed in 0u32..5,
            ratio in 0.05f64..0.95,
        ) {
            let rows: Vec<(String, String)> = photos
                .iter()
                .map(|&(who, day)| (format!("t{who}"), if day == 0 { String::new() } else { format!("2020-01-0{day}") }))
                .collect();
            let m = manifest(&rows.iter().map(|(a, b)| (a.as_str(), b.as_str())).collect::<Vec<_>>());
            for choice in [SplitChoice::ByEncounter, SplitChoice::Closed] {
                let split = assign(&m, &choice, ratio, seed).unwrap();
                prop_assert_eq!(&split, &assign(&m, &choice, ratio, seed).unwrap());
                for (who, of) in m.by_individual() {
                    let train = of.iter().filter(|&&i| split.parts[i] == Some(Part::Train)).count();
                    let test = of.iter().filter(|&&i| split.parts[i] == Some(Part::Test)).count();
                    prop_assert_eq!(train + test, of.len());
                    prop_assert!(train >= 1, "{} never trains", who);
                    let units: HashSet<&str> = of.iter().map(|&i| m.photos[i].encounter.as_str()).collect();
                    let units = if choice == SplitChoice::Closed { of.len() } else { units.len() };
                    prop_assert_eq!(test > 0, units > 1);
                }
                if choice == SplitChoice::ByEncounter {
                    let trained: HashSet<&str> =
                        split.photos(Part::Train).iter().map(|&i| m.photos[i].encounter.as_str()).collect();
                    for i in split.photos(Part::Test) {
                        prop_assert!(!trained.contains(m.photos[i].encounter.as_str()));
                    }
                }
            }
        }
    }
}
