//! Which photos train, which choose, which are reported: the dataset's own split, or one made here.
//!
//! A made split is the same on every machine: the generator is the small one of wildlife-datasets, whose splits are
//! repeated to the row. A strategy is a row of [`STRATEGIES`]; it sees [`Rows`], which a manifest gives as well as a table
//! of which no photo is at hand. Roles turn a split into gallery and queries.

mod by_encounter;
mod closed;
mod disjoint;
mod identity;
mod k_fold;
mod lcg;
mod numbers;
mod open;
mod roles;
mod rows;
mod strategy;
mod table;
mod time_cutoff;
mod time_proportion;

use super::error::DataError;
use super::manifest::{Manifest, Part};

pub use numbers::{MadeNumbers, PartNumbers};
pub use roles::{Roles, roles, validation_roles};
pub use rows::Rows;
pub use strategy::{Made, Plan, RATIO, SEED, STRATEGIES, Strategy, Take, Unseen};
pub use table::{Columns, SplitTable};

/// How photos get their part.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum SplitChoice {
    /// Column `split`, else `split_closed`, else by encounter where encounters are known, else closed.
    #[default]
    Auto,
    /// The dataset's column of this name.
    Column(String),
    /// Made here, as the strategy has it unless told.
    Made(&'static Strategy),
}

impl SplitChoice {
    /// The column where one is named, else the strategy of this name, else the usual rule.
    pub fn of(column: Option<String>, strategy: Option<&'static Strategy>) -> SplitChoice {
        match (column, strategy) {
            (Some(column), _) => SplitChoice::Column(column),
            (None, Some(strategy)) => SplitChoice::Made(strategy),
            (None, None) => SplitChoice::Auto,
        }
    }
}

/// A part for each photo.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Split {
    /// Name of the column or of the strategy.
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

/// Splits a manifest.
///
/// # Errors
/// When the column does not exist, naming those that do, or the photos do not have what the strategy needs.
pub fn assign(manifest: &Manifest, choice: &SplitChoice) -> Result<Split, DataError> {
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
            None => {
                let rows = rows_of(manifest);
                made(Strategy::usual(&rows), &rows)
            }
        },
        SplitChoice::Made(strategy) => made(strategy, &rows_of(manifest)),
    }
}

/// The photos of `manifest`, those that show the same kept together as far as that is known.
fn rows_of(manifest: &Manifest) -> Rows {
    let mut rows = Rows::of(manifest);
    rows.keep_together(manifest.alike.as_deref().unwrap_or_default());
    rows
}

/// The first that `strategy` makes unless told.
fn made(strategy: &Strategy, rows: &Rows) -> Result<Split, DataError> {
    let mut made = strategy.split(rows, &Plan::default())?;
    let first = if made.is_empty() { None } else { Some(made.swap_remove(0)) };
    let parts = first.map_or_else(|| vec![None; rows.len()], |made| made.parts);
    Ok(Split { name: strategy.name().into(), parts })
}

#[cfg(test)]
mod golden_tests;

#[cfg(test)]
mod tests {
    use super::Strategy; // not proptest's
    use super::*;
    use crate::data::manifest::testing::manifest;
    use proptest::prelude::*;
    use std::collections::HashSet;

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
            let made = assign(&m, &SplitChoice::Made(&closed::CLOSED)).unwrap();
            assert!(m.photos.len() > 7000);
            assert_eq!(made.parts, m.split_columns["split"]);
        }
    }

    #[test]
    fn auto_prefers_split_then_split_closed_then_encounters() {
        let mut m = manifest(&[("a", "2020-01-01"), ("a", "2020-01-02"), ("b", "")]);
        let name = |m: &Manifest| assign(m, &SplitChoice::Auto).unwrap().name;
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
        let error = assign(&m, &SplitChoice::Column("fold".into())).unwrap_err().to_string();
        assert!(error.contains("`fold`") && error.contains("`split_open`"), "{error}");
    }

    /// A table's text and the rows it makes.
    fn table(text: &str) -> (tempfile::TempDir, SplitTable) {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join("t.csv"), text).unwrap();
        let table = SplitTable::read(&dir.path().join("t.csv"), &Columns::default()).unwrap();
        (dir, table)
    }

    #[test]
    fn all_but_the_new_column_stays_as_it_is() {
        let text = "\u{feff}id;identity;note;path\r\n1;a;\"x;\"\"y\"\"\n z\";a.jpg\r\n02;a; é ;b.jpg\r\n3;b\r\n";
        let (_dir, table) = table(text);
        let made = Made { suffix: String::new(), parts: vec![Some(Part::Train), Some(Part::Test), None] };
        let written = String::from_utf8(table.with(&[made], "split").unwrap()).unwrap();
        let expected = "\u{feff}id;identity;note;path;split\r\n1;a;\"x;\"\"y\"\"\n z\";a.jpg;train\r\n\
            02;a; é ;b.jpg;test\r\n3;b;;;\r\n";
        assert_eq!(written, expected);
    }

    #[test]
    fn a_column_of_the_name_gives_way_in_its_place() {
        let (_dir, table) = table("split,identity\nvalid,a\nvalid,a\n");
        let made = closed::CLOSED.split(table.rows(), &Plan::default()).unwrap();
        let written = String::from_utf8(table.with(&made, "split").unwrap()).unwrap();
        assert!(["split,identity\ntrain,a\ntest,a\n", "split,identity\ntest,a\ntrain,a\n"].contains(&written.as_str()));
    }

    #[test]
    fn a_table_that_cannot_be_split_is_refused_in_a_sentence() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("t.csv");
        let read = |text: &[u8], columns: &Columns| {
            std::fs::write(&path, text).unwrap();
            SplitTable::read(&path, columns).unwrap_err().to_string()
        };
        let usual = Columns::default();
        assert!(read(b"who,date\na,2020-01-01\n", &usual).contains("no column `identity`; its columns are `who`"));
        assert!(
            read(b"identity,path\na,b,c\n", &usual).contains("line 2: the row has 3 fields and the first line names 2")
        );
        assert!(read(b"identity,path\n\xff,b\n", &usual).contains("line 2: the row is not UTF-8"));
        let columns = Columns { date: Some("day".into()), ..Columns::default() };
        assert!(read(b"identity,path\na,b\n", &columns).contains("no column `day`"));
        std::fs::write(&path, "identity,date\na,2020-01-01\na,x\n").unwrap();
        let table = SplitTable::read(&path, &usual).unwrap();
        assert!(table.problems()[0].told().contains("line 3: `x` is no date"), "{}", table.problems()[0].told());
        let fails =
            |name: &str, plan: Plan| Strategy::named(name).unwrap().split(table.rows(), &plan).unwrap_err().to_string();
        let plan = Plan::default;
        assert!(fails("time-cutoff", plan()).contains("all dated photos are of 2020"));
        assert!(fails("disjoint", plan()).contains("nobody would be left to train"));
        assert!(fails("open", Plan { unseen: Some(Unseen::Individuals(1)), ..plan() }).contains("fewer than 1"));
        assert!(fails("open", Plan { unseen: Some(Unseen::Share(1.5)), ..plan() }).contains("1.5"));
        assert!(fails("k-fold", Plan { folds: 1, ..plan() }).contains("2 to 60"));
        assert!(fails("closed", Plan { ratio: Some(f64::NAN), ..plan() }).contains("NaN"));
        let undated = Rows::of(&manifest(&[("a", ""), ("a", "")]));
        let error = Strategy::named("time-proportion").unwrap().split(&undated, &plan()).unwrap_err().to_string();
        assert!(error.contains("no photo has a date"), "{error}");
    }

    #[test]
    fn a_table_and_the_dataset_that_it_makes_are_split_alike() {
        let text = "path,identity,date,encounter\nd.jpg,10,,\na.jpg,10,2020-01-01,\nb.jpg,9,2020-01-01,7\nc.jpg,10,2020-01-01,7\n\
            e.jpg,9,2020-01-03,\nf.jpg,9,,\ng.jpg,10,2020-01-02,\n";
        let (dir, table) = table(text);
        let manifest = crate::data::formats::as_written(&dir.path().join("t.csv")).unwrap();
        for strategy in STRATEGIES.iter().filter(|s| !s.name().starts_with("time-cutoff")) {
            let plan = Plan { ratio: Some(0.5), ..Plan::default() };
            let of = |rows: &Rows| strategy.split(rows, &plan).unwrap();
            assert_eq!(of(table.rows()), of(&Rows::of(&manifest)), "{}", strategy.name());
        }
    }

    #[test]
    fn photos_that_show_the_same_stay_on_one_side() {
        let days: Vec<String> = (0..12).map(|i| format!("2020-01-{:02}", i / 2 + 1)).collect();
        let rows: Vec<(&str, &str)> = (0..12).map(|i| (if i < 8 { "a" } else { "b" }, days[i].as_str())).collect();
        let mut rows = Rows::of(&manifest(&rows));
        // of two encounters of a; and of a and b
        rows.keep_together(&[vec![0, 2], vec![5, 8]]);
        for seed in 0..40 {
            let plan = Plan { seed, ratio: Some(0.5), folds: 2, ..Plan::default() };
            for strategy in [&by_encounter::BY_ENCOUNTER, &k_fold::K_FOLD] {
                for made in strategy.split(&rows, &plan).unwrap() {
                    let parts = &made.parts;
                    assert!(parts[0] == parts[1] && parts[1] == parts[2] && parts[2] == parts[3]);
                    assert!([4, 5, 8, 9].iter().all(|&row| parts[row] == Some(Part::Train)));
                    assert!(parts.iter().all(Option::is_some) && parts.contains(&Some(Part::Test)));
                }
            }
        }
    }

    #[test]
    fn the_numbers_of_a_split_tell_what_its_parts_share() {
        let rows = Rows::of(&manifest(&[("a", "2020-01-01"), ("a", "2020-01-01"), ("a", ""), ("b", ""), ("c", "")]));
        let (t, e) = (Some(Part::Train), Some(Part::Test));
        let numbers =
            MadeNumbers::of(&rows, &Made { suffix: String::new(), parts: vec![t, e, e, e, None] }, "s".into());
        assert_eq!(numbers.train, PartNumbers { photos: 1, individuals: 1, encounters: 1 });
        assert_eq!(numbers.test, PartNumbers { photos: 3, individuals: 2, encounters: 3 });
        assert_eq!((numbers.none, numbers.individuals_in_both, numbers.encounters_in_both), (1, 1, 1));
        assert_eq!((numbers.leak, numbers.unknown), (1, 2));
    }

    proptest! {
        #[test]
        fn made_splits_keep_their_promises(
            photos in prop::collection::vec((0u8..6, 0u8..7), 1..80),
            seed in 0u32..5,
            ratio in 0.05f64..0.95,
            folds in 2usize..6,
        ) {
            let day = |d: u8| if d == 0 { String::new() } else { format!("20{}-01-01", 10 + d) };
            let text: Vec<_> = photos.iter().map(|&(who, d)| (format!("t{who}"), day(d))).collect();
            let m = manifest(&text.iter().map(|(a, b)| (a.as_str(), b.as_str())).collect::<Vec<_>>());
            let rows = Rows::of(&m);
            let plan = Plan { ratio: Some(ratio), seed, folds, ..Plan::default() };
            for strategy in STRATEGIES {
                let Ok(made) = strategy.split(&rows, &plan) else {
                    prop_assert!(!["closed", "by-encounter", "k-fold"].contains(&strategy.name()));
                    continue;
                };
                prop_assert_eq!(&made, &strategy.split(&rows, &plan).unwrap());
                prop_assert_eq!(made.len(), if strategy.name() == "k-fold" { folds } else { 1 });
                for (fold, made) in made.iter().enumerate() {
                    let n = MadeNumbers::of(&rows, made, String::new());
                    prop_assert_eq!(n.train.photos + n.test.photos + n.none, photos.len());
                    let timed = strategy.name().starts_with("time");
                    prop_assert_eq!(n.none > 0 && !timed, false, "{} leaves photos out", strategy.name());
                    match strategy.name() {
                        "disjoint" => prop_assert_eq!(n.individuals_in_both, 0),
                        "open" => prop_assert!(n.test.individuals > n.individuals_in_both),
                        "time-proportion" | "time-cutoff" => {
                            let days = |part| (0..m.photos.len()).filter(move |&i| made.parts[i] == Some(part));
                            for (a, b) in days(Part::Train).flat_map(|a| days(Part::Test).map(move |b| (a, b))) {
                                let (a, b) = (&m.photos[a], &m.photos[b]);
                                let bound = strategy.name() == "time-cutoff" || a.individual == b.individual;
                                prop_assert!(!bound || a.date < b.date);
                            }
                        }
                        _ => prop_assert_eq!(n.train.individuals, m.individuals().len()),
                    }
                    if ["by-encounter", "k-fold", "time-proportion", "disjoint"].contains(&strategy.name()) {
                        prop_assert_eq!(n.encounters_in_both, 0);
                    }
                    if ["by-encounter", "closed"].contains(&strategy.name()) {
                        for of in m.by_individual().values() {
                            let units: HashSet<&str> = of.iter().map(|&i| m.photos[i].encounter.as_str()).collect();
                            let units = if strategy.name() == "closed" { of.len() } else { units.len() };
                            prop_assert_eq!(of.iter().any(|&i| made.parts[i] == Some(Part::Test)), units > 1);
                        }
                    }
                    if strategy.name() == "k-fold" && fold == 0 {
                        let all = strategy.split(&rows, &plan).unwrap();
                        for of in m.by_individual().values() {
                            let units: HashSet<&str> = of.iter().map(|&i| m.photos[i].encounter.as_str()).collect();
                            for &i in of {
                                let tested = all.iter().filter(|made| made.parts[i] == Some(Part::Test)).count();
                                prop_assert_eq!(tested, usize::from(units.len() > 1));
                            }
                        }
                    }
                }
            }
        }
    }
}
