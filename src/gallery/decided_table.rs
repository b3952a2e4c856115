//! What was decided, as a table for other programs.

use std::collections::HashMap;
use std::io::{ErrorKind, Read};
use std::path::Path;

use crate::run::{RunError, files};

use super::decisions::{By, Decided, Ruling};
use super::seen::Unread;
use super::{Error, Result};

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

/// How the first line of such a table begins, also of one that was written before `stands` was a column.
const BEGINNING: &str = "at,folder,encounter,decision,individual,by,";
/// The columns of the table; `stands` is `yes` in the row of each encounter that counts now.
const COLUMNS: [&str; 12] = [
    "at",
    "folder",
    "encounter",
    "decision",
    "individual",
    "by",
    "stands",
    "undone",
    "proposed_decision",
    "proposed_individual",
    "proposed_probability",
    "proposed_distance",
];

/// Writes all that was decided to the table at `path`, of which that counts that the sessions count, by what is `unread` in them. A
/// former table of decisions is replaced.
///
/// # Errors
/// When something else lies there, or it cannot be read or written.
pub fn write(path: &Path, all: &[Decided], unread: &Unread) -> Result<()> {
    let mut beginning = Vec::new();
    let read = files::open(path).and_then(|file| file.take(BEGINNING.len() as u64).read_to_end(&mut beginning));
    match read {
        Ok(0) => {}
        Ok(_) if beginning == BEGINNING.as_bytes() => {}
        Ok(_) => return Err(Error::NotDecisions { path: path.into() }),
        Err(error) if error.kind() == ErrorKind::NotFound => {}
        Err(error) => return Err(RunError::io("write", path, error).into()),
    }
    Ok(files::replace(path, &table(all, unread)?)?)
}

/// The change by which each encounter of a folder stands as it does: what was decided of it last and not taken back.
fn standing(all: &[Decided]) -> HashMap<(&str, &str), i64> {
    let standing = all.iter().filter(|decided| !decided.undone);
    standing.map(|decided| ((decided.folder.as_str(), decided.encounter.as_str()), decided.change)).collect()
}

/// All that was decided, as CSV.
///
/// # Errors
/// When memory fails.
fn table(all: &[Decided], unread: &Unread) -> Result<Vec<u8>> {
    let mut table = csv::Writer::from_writer(Vec::new());
    let fail = |e: csv::Error| RunError::io("write", "the table of decisions", e.into());
    table.write_record(COLUMNS).map_err(fail)?;
    let standing = standing(all);
    for decided in all {
        let stands = standing.get(&(&*decided.folder, &*decided.encounter)) == Some(&decided.change);
        let stands = stands && unread.let_count(decided);
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
            if stands { "yes" } else { "no" },
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

#[cfg(test)]
mod tests {
    use super::super::decisions::Proposed;
    use super::*;
    use crate::run::stamp::Stamp;

    fn decided(change: i64, encounter: &str, ruling: Ruling, undone: bool) -> Decided {
        Decided {
            change,
            at: Stamp::from_millis(0),
            folder: "/week".into(),
            encounter: encounter.into(),
            ruling,
            by: By::Person,
            proposed: Proposed::default(),
            undone,
            unread: false,
            go: None,
        }
    }

    #[test]
    fn of_each_encounter_one_row_stands() {
        let known = |name: &str| Ruling::Known(name.into());
        let mut all = vec![
            decided(1, "a", known("t1"), false),
            decided(2, "b", Ruling::New("t9".into()), false),
            decided(3, "a", known("t2"), false), // corrected
            decided(4, "a", known("t3"), true),  // and once more, which was taken back
            decided(5, "c", known("t1"), true),
        ];
        all.push(Decided { folder: "/other".into(), ..decided(6, "a", Ruling::Skipped, false) });
        // two were skipped as nothing of them could be read; good copies of one have come
        for (change, encounter) in [(7, "d"), (8, "e")] {
            all.push(Decided { unread: true, ..decided(change, encounter, Ruling::Skipped, false) });
        }
        let unread = Unread([("/week".to_owned(), ["e".to_owned()].into())].into());
        let table = table(&all, &unread).unwrap();
        let mut table = csv::Reader::from_reader(&table[..]);
        let at = table.headers().unwrap().iter().position(|column| column == "stands").unwrap();
        let stands: Vec<String> = table.records().map(|row| row.unwrap()[at].to_owned()).collect();
        assert_eq!(stands, ["no", "yes", "yes", "no", "no", "yes", "no", "yes"]);
    }

    #[test]
    fn only_a_former_table_of_decisions_is_replaced() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("decisions.csv");
        let all = [decided(1, "a", Ruling::Skipped, false)];
        write(&path, &all, &Unread::default()).unwrap();
        let whole = std::fs::read_to_string(&path).unwrap();
        assert!(whole.starts_with(BEGINNING), "{whole}");
        std::fs::write(&path, whole.replace(",stands,", ",").replace(",yes,", ",")).unwrap();
        write(&path, &all, &Unread::default()).unwrap();
        assert_eq!(std::fs::read_to_string(&path).unwrap(), whole, "one from before is a table of decisions, too");
        std::fs::write(&path, "photo,individual\n").unwrap();
        let error = write(&path, &all, &Unread::default()).unwrap_err().to_string();
        assert!(error.contains("decisions.csv: this file is no table of decisions"), "{error}");
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "photo,individual\n");
        assert!(write(dir.path(), &all, &Unread::default()).is_err());
    }
}
