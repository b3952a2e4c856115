//! What was decided, as a table for other programs.

use crate::run::RunError;

use super::Result;
use super::decisions::{By, Decided, Ruling};

/// What was decided, in a word.
pub fn ruling(decided: &Decided) -> &'static str {
    match decided.ruling {
        Ruling::Known(_) => "known",
        Ruling::New(_) => "new_individual",
        Ruling::Skipped => "skipped",
    }
}

/// Who decided, in a word.
pub fn by(decided: &Decided) -> &'static str {
    match decided.by {
        By::Person => "person",
        By::Program => "program",
    }
}

/// The columns of the table.
const COLUMNS: [&str; 11] = [
    "at",
    "folder",
    "encounter",
    "decision",
    "individual",
    "by",
    "undone",
    "proposed_decision",
    "proposed_individual",
    "proposed_probability",
    "proposed_distance",
];

/// All that was decided, as CSV.
///
/// # Errors
/// When memory fails.
pub fn table(all: &[Decided]) -> Result<Vec<u8>> {
    let mut table = csv::Writer::from_writer(Vec::new());
    let fail = |e: csv::Error| RunError::io("write", "the table of decisions", e.into());
    table.write_record(COLUMNS).map_err(fail)?;
    for decided in all {
        let (at, proposed) = (decided.at.to_string(), &decided.proposed);
        let said = proposed
            .decision
            .map(serde_json::to_value)
            .transpose()
            .map_err(|e| fail(std::io::Error::from(e).into()))?;
        let number = |value: Option<f64>| value.map(|value| value.to_string()).unwrap_or_default();
        let (probability, distance) = (number(proposed.probability), number(proposed.distance));
        let cells = [
            at.as_str(),
            &decided.folder,
            &decided.encounter,
            ruling(decided),
            decided.ruling.individual().unwrap_or_default(),
            by(decided),
            if decided.undone { "true" } else { "false" },
            said.as_ref().and_then(|word| word.as_str()).unwrap_or_default(),
            proposed.individual.as_deref().unwrap_or_default(),
            &probability,
            &distance,
        ];
        table.write_record(cells).map_err(fail)?;
    }
    Ok(table.into_inner().map_err(|e| RunError::io("write", "the table of decisions", e.into_error()))?)
}
