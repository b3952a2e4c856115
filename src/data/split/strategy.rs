//! The ways to make a split: a row a strategy, each in a file of its own.
//!
//! Those with the name of a split of wildlife-datasets give its rows exactly for the same table, ratio and seed. Those of
//! our own keep encounters whole: photos of one encounter are nearly the same picture, and a split that parts them
//! measures the water rather than the animal.

use std::fmt;

use super::rows::Rows;
use super::{by_encounter, closed, disjoint, k_fold, open, time_cutoff, time_proportion};
use crate::data::error::DataError;
use crate::data::manifest::Part;

/// Share of photos or encounters that a made split trains on.
pub const RATIO: f64 = 0.8;
/// Seed of a made split, as wildlife-datasets has it.
pub const SEED: u32 = 666;

/// How large the part of individuals that are tested and never trained is.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Unseen {
    /// Individuals until their photos are this share of all.
    Share(f64),
    /// So many individuals.
    Individuals(usize),
}

/// What a person may say about a split. A strategy looks at what it [takes](Strategy::takes).
#[derive(Debug, Clone, PartialEq)]
pub struct Plan {
    /// Share that trains, above 0 and below 1; none for that of the strategy.
    pub ratio: Option<f64>,
    /// Everything random follows from it.
    pub seed: u32,
    /// Individuals that never train.
    pub unseen: Option<Unseen>,
    /// The year to test on.
    pub year: Option<i16>,
    /// Test on all years from that one on.
    pub later: bool,
    /// A split for every year but the first.
    pub every_year: bool,
    /// Parts of a k-fold.
    pub folds: usize,
}

impl Default for Plan {
    fn default() -> Plan {
        Plan { ratio: None, seed: SEED, unseen: None, year: None, later: false, every_year: false, folds: 5 }
    }
}

/// Something that a [`Plan`] may say.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Take {
    /// `ratio`.
    Ratio,
    /// `seed`.
    Seed,
    /// `unseen`.
    Unseen,
    /// `year`, `later` and `every_year`.
    Year,
    /// `folds`.
    Folds,
    /// Photos that show the same stay on one side; see [`Rows::keep_together`].
    Pictures,
}

/// A split that was made: what its column's name ends with, and a part for each row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Made {
    /// Empty where there is but one.
    pub suffix: String,
    /// `None` where the split leaves the row out.
    pub parts: Vec<Option<Part>>,
}

impl Made {
    pub(super) fn only(parts: Vec<Option<Part>>) -> Vec<Made> {
        vec![Made { suffix: String::new(), parts }]
    }
}

/// A way to make a split.
pub struct Strategy {
    /// Its name; the others that it answers to behind it.
    pub names: &'static [&'static str],
    /// What it does, in a line.
    pub help: &'static str,
    /// Share that trains unless told.
    pub ratio: f64,
    /// What it looks at of a plan.
    pub takes: &'static [Take],
    /// Makes the split; several where a plan asks for several.
    pub(super) make: fn(&Rows, f64, &Plan) -> Result<Vec<Made>, DataError>,
}

/// Every strategy. The first is the usual one where encounters are known, the second where they are not.
pub static STRATEGIES: &[&Strategy] = &[
    &by_encounter::BY_ENCOUNTER,
    &closed::CLOSED,
    &open::OPEN,
    &disjoint::DISJOINT,
    &time_proportion::TIME_PROPORTION,
    &time_cutoff::TIME_CUTOFF,
    &k_fold::K_FOLD,
];

impl Strategy {
    /// The strategy of this name.
    pub fn named(name: &str) -> Option<&'static Strategy> {
        STRATEGIES.iter().find(|s| s.names.contains(&name)).copied()
    }

    /// The usual one for `rows`: by encounter where encounters are known or photos show the same, which makes them one
    /// encounter, dated or not; else closed.
    pub fn usual(rows: &Rows) -> &'static Strategy {
        if rows.encounters_known() || rows.some_alike() { &by_encounter::BY_ENCOUNTER } else { &closed::CLOSED }
    }

    /// Whether it makes one split unless told: a verb that sees one can take it.
    pub fn makes_one(&self) -> bool {
        !self.takes.contains(&Take::Folds)
    }

    /// What it is called.
    pub fn name(&self) -> &'static str {
        self.names[0]
    }

    /// The share that trains under `plan`.
    ///
    /// # Errors
    /// When it is not between 0 and 1.
    pub fn ratio(&self, plan: &Plan) -> Result<f64, DataError> {
        let ratio = plan.ratio.unwrap_or(self.ratio);
        if ratio > 0.0 && ratio < 1.0 { Ok(ratio) } else { Err(DataError::Ratio { ratio }) }
    }

    /// Splits `rows`.
    ///
    /// # Errors
    /// When a share is out of range, or the rows do not have what the strategy needs.
    pub fn split(&self, rows: &Rows, plan: &Plan) -> Result<Vec<Made>, DataError> {
        (self.make)(rows, self.ratio(plan)?, plan)
    }

    /// That the rows cannot be split so, and why.
    pub(super) fn fails(&self, reason: impl Into<String>) -> DataError {
        DataError::Strategy { strategy: self.name(), reason: reason.into() }
    }
}

impl PartialEq for Strategy {
    fn eq(&self, other: &Strategy) -> bool {
        self.names == other.names
    }
}

impl Eq for Strategy {}

impl fmt::Debug for Strategy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}
