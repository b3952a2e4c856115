//! The table of a dataset as the rest of the program sees it, whatever the format on disk.
//!
//! One row a photo: where it lies, who is on it, in which encounter. The builder is the only way in, so that every
//! format obeys the same rules: paths stay in the folder and occur once, individuals have names, and an encounter
//! belongs to one individual. Rows that break a rule are left out and listed as problems, never dropped silently.
//! Does not look at the photos: a missing or broken file shows when it is decoded.

mod builder;
mod side;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::path::PathBuf;

use jiff::civil::Date;
use serde::{Deserialize, Serialize};

use super::counted::counted;
use super::crop::Crop;
use super::decode::PhotoFile;
use super::foreign;

pub(super) use builder::{Builder, Row, default_encounter, inside, is_blank, stale};
pub use builder::{is_nobody, parse_date};
pub use side::Side;

/// The part of a split that a photo is in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Part {
    /// What a network learns from, and the gallery of an evaluation.
    Train,
    /// What chooses the best checkpoint.
    Valid,
    /// What is reported.
    Test,
}

impl Part {
    /// The word in tables, reports and flags.
    pub const fn word(self) -> &'static str {
        match self {
            Part::Train => "train",
            Part::Valid => "valid",
            Part::Test => "test",
        }
    }

    /// Reads a table's word: any case, and the usual other spellings of validation. `None` for anything else.
    pub fn parse(word: &str) -> Option<Part> {
        match word.trim().to_ascii_lowercase().as_str() {
            "train" | "training" => Some(Part::Train),
            "valid" | "val" | "validation" => Some(Part::Valid),
            "test" | "testing" => Some(Part::Test),
            _ => None,
        }
    }
}

impl fmt::Display for Part {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.word())
    }
}

/// One photo of one individual.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Photo {
    /// Relative to the manifest's root, valid UTF-8, unique in the manifest.
    pub path: PathBuf,
    /// Who is on it. Other people's text: may hold anything that UTF-8 can.
    pub individual: String,
    /// Key of the encounter: `"<individual> <date>"`, or the table's own; an undated photo has one for itself.
    pub encounter: String,
    /// The day it was taken, where that is known.
    pub date: Option<Date>,
    /// The part of it that counts; none for all of it.
    pub crop: Option<Crop>,
    /// The side that it shows, where that is known.
    pub side: Option<Side>,
}

/// What kind of thing is wrong with a row or file, for counting and grouping.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ProblemKind {
    /// Nobody is named on the photo; left out.
    UnknownIndividual,
    /// The photo is listed twice; the first row counts.
    Duplicate,
    /// The photo is listed twice, as two individuals; the first row counts.
    TwoIndividuals,
    /// The path cannot be used or leaves the folder; left out.
    BadPath,
    /// The row cannot be read; left out.
    BadRow,
    /// The date cannot be read; the photo is kept, undated.
    BadDate,
    /// A word that is no part of a split; the photo is kept, in no part of that split.
    BadSplit,
    /// A crop that is none; the photo is kept, whole.
    BadCrop,
    /// A correction of a photo that the dataset does not have; kept.
    StaleCorrection,
    /// A table that looks as if it were meant, and cannot be read as one; the folders count.
    UnusedTable,
    /// A photo that is nobody's because it lies beside the folders of the individuals; left out.
    Loose,
    /// The folders look as if another one was meant; nothing is left out.
    Layout,
    /// A file that cannot be turned into pixels; left out.
    Unreadable,
    /// An individual with a single photo, where a method needs two; not trained on.
    Single,
}

/// Something wrong with one row or photo that does not stop the work.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// For counting and grouping.
    pub kind: ProblemKind,
    /// The photo as the dataset names it, where it does.
    pub photo: Option<String>,
    /// Line of the table, from 1, where there is a table.
    pub line: Option<u64>,
    /// What is wrong, as half a sentence.
    pub reason: String,
}

/// What is said of a photo or row that does not count.
pub const LEFT_OUT: &str = "left out";

impl ProblemKind {
    /// What became of the photo or row, in words.
    pub fn fate(self) -> &'static str {
        match self {
            ProblemKind::BadDate | ProblemKind::BadSplit | ProblemKind::BadCrop => "doubted",
            ProblemKind::Layout | ProblemKind::UnusedTable => "doubted",
            ProblemKind::StaleCorrection => "not found",
            _ => LEFT_OUT,
        }
    }
}

impl Problem {
    /// Line and photo, as far as they are known.
    pub fn place(&self) -> String {
        match (self.line, self.photo.as_deref().map(|photo| foreign::short(photo, 200))) {
            (Some(line), Some(photo)) => format!("line {line}, {photo}"),
            (Some(line), None) => format!("line {line}"),
            (None, photo) => photo.unwrap_or_default(),
        }
    }

    /// The problem with what became of the photo or row before it: `left out: a.jpg: …`.
    pub fn told(&self) -> String {
        format!("{}: {self}", self.kind.fate())
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.place().as_str() {
            "" => f.write_str(&foreign::sentence(&self.reason)),
            place => write!(f, "{place}: {}", foreign::sentence(&self.reason)),
        }
    }
}

/// The photos of a dataset, and who is on them.
#[derive(Debug, Clone)]
pub struct Manifest {
    /// The folder that the photos' paths start from.
    pub root: PathBuf,
    /// Name of the dataset: that of its folder.
    pub name: String,
    /// In the order of the table, or of the paths where there is no table.
    pub photos: Vec<Photo>,
    /// The dataset's own splits by name of the column; one entry a photo.
    pub split_columns: BTreeMap<String, Vec<Option<Part>>>,
    /// What was left out or doubted, in the order of reading.
    pub problems: Vec<Problem>,
    /// Photos that count as a person has corrected them.
    pub corrected: usize,
    /// Groups of photos that show the same, by index; none where no check has looked for them.
    pub alike: Option<Vec<Vec<usize>>>,
}

impl Manifest {
    /// Photo `index` as it is to be decoded. Panics when there is no such photo.
    pub fn file(&self, index: usize) -> PhotoFile {
        PhotoFile { path: self.full_path(index), crop: self.photos[index].crop }
    }

    /// Where photo `index` lies. Panics when there is no such photo.
    pub fn full_path(&self, index: usize) -> PathBuf {
        self.root.join(&self.photos[index].path)
    }

    /// Each individual once, sorted by name.
    pub fn individuals(&self) -> Vec<&str> {
        let set: BTreeSet<&str> = self.photos.iter().map(|p| p.individual.as_str()).collect();
        set.into_iter().collect()
    }

    /// Photos of each individual, by index, in the manifest's order; individuals sorted by name.
    pub fn by_individual(&self) -> BTreeMap<&str, Vec<usize>> {
        let mut map: BTreeMap<&str, Vec<usize>> = BTreeMap::new();
        for (index, photo) in self.photos.iter().enumerate() {
            map.entry(&photo.individual).or_default().push(index);
        }
        map
    }

    /// What is known of photos that show the same, as a sentence.
    pub fn alike_told(&self) -> String {
        match self.alike.as_ref().map(Vec::len) {
            None => "Nobody has looked for near duplicates: `caretta dataset check` does".to_owned(),
            Some(0) => "No near duplicates, by the last check".to_owned(),
            Some(n) => format!("{} that show nearly the same, by the last check", counted(n, "group")),
        }
    }

    /// Number of photos, individuals, encounters, and dated photos.
    pub fn counts(&self) -> Counts {
        let encounters: BTreeSet<&str> = self.photos.iter().map(|p| p.encounter.as_str()).collect();
        Counts {
            photos: self.photos.len(),
            individuals: self.individuals().len(),
            encounters: encounters.len(),
            dated: self.photos.iter().filter(|p| p.date.is_some()).count(),
        }
    }
}

/// The size of a dataset.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Counts {
    /// Usable photos.
    pub photos: usize,
    /// Individuals with at least one.
    pub individuals: usize,
    /// Encounters; an undated photo is one of its own.
    pub encounters: usize,
    /// Photos with a date.
    pub dated: usize,
}

/// Small manifests for the tests of this folder.
#[cfg(test)]
pub(crate) mod testing {
    use super::{Builder, Manifest, Row};
    use crate::data::corrections::Corrections;
    use std::path::Path;

    /// A manifest of (individual, date text) in order, paths `0.jpg`, `1.jpg`, … .
    pub(crate) fn manifest(rows: &[(&str, &str)]) -> Manifest {
        let mut builder = Builder::new(Path::new("photos"), Vec::new(), &Corrections::NONE);
        for (i, &(individual, date)) in rows.iter().enumerate() {
            let path = format!("{i}.jpg");
            builder.push(&Row { path: &path, individual, date, ..Row::default() });
        }
        builder.finish()
    }
}
