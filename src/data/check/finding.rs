//! One thing found wrong, and what training will do about it.

use std::path::Path;

use serde::Serialize;

use crate::data::decode::{Fault, look};
use crate::data::foreign;
use crate::data::manifest::{Photo, Problem, ProblemKind};

/// What kind of thing was found, the worst first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum FindingKind {
    /// The path leaves the folder, or cannot be used.
    BadPath,
    /// The file is not there, or the system does not give it.
    Missing,
    /// The file has no bytes.
    Empty,
    /// The file's end is missing.
    Truncated,
    /// It asks for more pixels or memory than a photo may: a decompression bomb, or a panorama.
    TooLarge,
    /// A picture in a form that is not read, such as HEIC.
    ForeignFormat,
    /// No picture, or a broken one.
    Unreadable,
    /// A row of the table that does not count.
    BadRow,
    /// A date, a part, a crop or a layout that is doubted.
    Doubted,
    /// One photo named as two individuals.
    TwoIndividuals,
    /// Individuals whose names look the same to people.
    AlikeNames,
    /// The dataset's date is not the camera's.
    DateContradiction,
    /// Files that are the same to the byte.
    ExactDuplicate,
    /// Photos that show nearly the same.
    NearDuplicate,
    /// The name says another form than the content.
    WrongExtension,
    /// An individual with one photo.
    SinglePhoto,
    /// An individual with one encounter.
    SingleEncounter,
}

/// What is done about photos that show the same: since this check they are known.
const ALIKE: &str = "all are used; from now on a split by encounter or k-fold that we draw keeps them on one side";

/// Kinds with their word and what training does about one.
const KINDS: &[(FindingKind, &str, &str)] = &[
    (FindingKind::BadPath, "bad path", "left out"),
    (FindingKind::Missing, "missing", "left out"),
    (FindingKind::Empty, "empty", "left out"),
    (FindingKind::Truncated, "truncated", "left out"),
    (FindingKind::TooLarge, "too large", "left out, and not unpacked"),
    (FindingKind::ForeignFormat, "foreign format", "left out until it is converted"),
    (FindingKind::Unreadable, "unreadable", "left out"),
    (FindingKind::BadRow, "bad row", "left out"),
    (FindingKind::Doubted, "doubted", "the photo is used without what is doubted"),
    (
        FindingKind::TwoIndividuals,
        "two individuals",
        "every row is used as it is named, so that one of them teaches a wrong name",
    ),
    (FindingKind::AlikeNames, "names alike", "they are different individuals, each as it is written"),
    (FindingKind::DateContradiction, "date contradicts the file", "the dataset's date counts"),
    (FindingKind::ExactDuplicate, "same file", ALIKE),
    (FindingKind::NearDuplicate, "near duplicate", ALIKE),
    (FindingKind::WrongExtension, "wrong extension", "used: the content counts, not the name"),
    (FindingKind::SinglePhoto, "single photo", "never asked about; pairs and triplets leave the individual out"),
    (FindingKind::SingleEncounter, "single encounter", "used to train; no photo of the individual has an honest match"),
];

impl FindingKind {
    /// Its word for people.
    pub fn word(self) -> &'static str {
        KINDS.iter().find(|(kind, ..)| *kind == self).map_or("", |(_, word, _)| word)
    }

    /// What training does about it.
    pub fn fate(self) -> &'static str {
        KINDS.iter().find(|(kind, ..)| *kind == self).map_or("", |(.., fate)| fate)
    }

    pub(super) fn of_fault(fault: Fault) -> FindingKind {
        match fault {
            Fault::Unreachable => FindingKind::Missing,
            Fault::Empty => FindingKind::Empty,
            Fault::Truncated => FindingKind::Truncated,
            Fault::TooLarge => FindingKind::TooLarge,
            Fault::Foreign => FindingKind::ForeignFormat,
            Fault::Damaged => FindingKind::Unreadable,
        }
    }
}

/// Something found wrong.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// What kind.
    pub kind: FindingKind,
    /// The photo as the dataset names it, where it is one.
    pub photo: Option<String>,
    /// The other photos that it concerns.
    #[serde(rename = "with", skip_serializing_if = "Vec::is_empty")]
    pub others: Vec<String>,
    /// Line of the table, from 1, where there is one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub line: Option<u64>,
    /// What is wrong, as half a sentence.
    pub reason: String,
    /// What training will do about it.
    pub training: &'static str,
}

impl Finding {
    pub(super) fn new(kind: FindingKind, photo: &Photo, reason: &str) -> Finding {
        let photo = Some(photo.path.display().to_string());
        Finding { kind, photo, others: Vec::new(), line: None, reason: reason.to_owned(), training: kind.fate() }
    }

    /// Where it is and what it is, as a line.
    pub fn line(&self) -> String {
        let at = self.line.map(|line| format!("line {line}, ")).unwrap_or_default();
        let photo = self.photo.as_deref().map(|photo| format!("{}: ", foreign::line(photo))).unwrap_or_default();
        format!("{at}{photo}{}", foreign::line(&self.reason))
    }

    pub(super) fn with(mut self, others: &[&Photo]) -> Finding {
        self.others = others.iter().map(|photo| photo.path.display().to_string()).collect();
        self
    }

    /// What reading the table or the folders found already.
    pub(super) fn of_problem(root: &Path, problem: &Problem) -> Finding {
        let file = || look(&root.join(problem.photo.as_deref().unwrap_or_default()));
        let kind = match problem.kind {
            ProblemKind::BadPath => FindingKind::BadPath,
            ProblemKind::TwoIndividuals => FindingKind::TwoIndividuals,
            // told by its first bytes only
            ProblemKind::Unreadable => file().err().map_or(FindingKind::Unreadable, |r| FindingKind::of_fault(r.fault)),
            ProblemKind::UnknownIndividual | ProblemKind::Duplicate | ProblemKind::BadRow | ProblemKind::Loose => {
                FindingKind::BadRow
            }
            _ => FindingKind::Doubted,
        };
        let twice = matches!(problem.kind, ProblemKind::Duplicate | ProblemKind::TwoIndividuals);
        let training = if twice { "the first row counts" } else { kind.fate() };
        let reason = problem.reason.clone();
        Finding { kind, photo: problem.photo.clone(), others: Vec::new(), line: problem.line, reason, training }
    }
}
