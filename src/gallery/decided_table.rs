//! What was decided, as a table for other programs.

use std::collections::{HashMap, HashSet};
use std::io::{ErrorKind, Read};
use std::path::Path;

use serde::Serialize;

use crate::run::{RunError, files};

use super::decisions::{By, Decided, Ruling};
use super::seen::Unread;
use super::stands::open_again;
use super::store::Gallery;
use super::{Error, Result};

/// A decision with what it says by now.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Row {
    /// The decision as it was written down.
    #[serde(flatten)]
    pub decided: Decided,
    /// Whether it is what counts of its encounter.
    pub stands: bool,
    /// What the individual that it names is called now; none where it names nobody or was taken back, and where nobody is called so any
    /// more.
    pub individual_now: Option<String>,
}

/// All that was decided with `gallery`, the first first, of which that stands that the sessions count.
///
/// # Errors
/// When the database cannot be read, or a row is not as this program writes it.
pub fn rows(gallery: &Gallery) -> Result<Vec<Row>> {
    let all = gallery.decided(None)?;
    let called = gallery.called_otherwise()?;
    let names: HashSet<String> = gallery.individuals()?.into_iter().map(|one| one.individual).collect();
    let now = |then: &str| {
        let now = called.get(then).map_or(then, String::as_str);
        names.contains(now).then(|| now.to_owned())
    };
    Ok(rows_of(all, now, (&Unread::of(gallery), &open_again(gallery)?)))
}

/// What `all` that was decided says by now, where `now` tells what somebody is called who went by a name then, some is `unread`, and
/// some is `open` again, by folder and encounter.
fn rows_of(
    all: Vec<Decided>,
    now: impl Fn(&str) -> Option<String>,
    (unread, open): (&Unread, &HashSet<(String, String)>),
) -> Vec<Row> {
    // who only added photos to what was decided has not decided who it is
    let standing: HashMap<(String, String), i64> = (all.iter().filter(|decided| !decided.undone && !decided.more))
        .map(|decided| ((decided.folder.clone(), decided.encounter.clone()), decided.change))
        .collect();
    let row = |decided: Decided| {
        let encounter = (decided.folder.clone(), decided.encounter.clone());
        let is_last = standing.get(&encounter) == Some(&decided.change);
        let stands = is_last && unread.let_count(&decided) && !open.contains(&encounter);
        let individual_now = decided.ruling.individual().filter(|_| !decided.undone).and_then(&now);
        Row { decided, stands, individual_now }
    };
    all.into_iter().map(row).collect()
}

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
/// The columns of the table; `stands` is `yes` in the row of each encounter that counts now, and `individual_now` the present
/// name of who was called `individual` then; a row that `adds_photos` adds those that came since to what counts.
const COLUMNS: [&str; 14] = [
    "at",
    "folder",
    "encounter",
    "decision",
    "individual",
    "by",
    "stands",
    "individual_now",
    "undone",
    "proposed_decision",
    "proposed_individual",
    "proposed_probability",
    "proposed_distance",
    "adds_photos",
];

/// Writes all that was decided to the table at `path`. A former table of decisions is replaced.
///
/// # Errors
/// When something else lies there, or it cannot be read or written.
pub fn write(path: &Path, all: &[Row]) -> Result<()> {
    let mut beginning = Vec::new();
    let read = files::open(path).and_then(|file| file.take(BEGINNING.len() as u64).read_to_end(&mut beginning));
    match read {
        Ok(0) => {}
        Ok(_) if beginning == BEGINNING.as_bytes() => {}
        Ok(_) => return Err(Error::NotDecisions { path: path.into() }),
        Err(error) if error.kind() == ErrorKind::NotFound => {}
        Err(error) => return Err(RunError::io("write", path, error).into()),
    }
    Ok(files::replace(path, &table(all)?)?)
}

/// All that was decided, as CSV.
///
/// # Errors
/// When memory fails.
fn table(all: &[Row]) -> Result<Vec<u8>> {
    let mut table = csv::Writer::from_writer(Vec::new());
    let fail = |e: csv::Error| RunError::io("write", "the table of decisions", e.into());
    table.write_record(COLUMNS).map_err(fail)?;
    for Row { decided, stands, individual_now } in all {
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
            if *stands { "yes" } else { "no" },
            individual_now.as_deref().unwrap_or_default(),
            if decided.undone { "true" } else { "false" },
            said.as_ref().and_then(|word| word.as_str()).unwrap_or_default(),
            proposed.individual.as_deref().unwrap_or_default(),
            &probability,
            &distance,
            if decided.more { "true" } else { "false" },
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
            more: false,
            go: None,
            had: None,
        }
    }

    #[allow(clippy::unnecessary_wraps)] // as who may be called nothing
    fn as_then(name: &str) -> Option<String> {
        Some(name.to_owned())
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
        all.push(decided(9, "f", known("Cleo"), false)); // whose photos were taken out
        let unread = Unread([("/week".to_owned(), ["e".to_owned()].into())].into());
        let open = [("/week".to_owned(), "f".to_owned())].into();
        let table = table(&rows_of(all, as_then, (&unread, &open))).unwrap();
        let mut table = csv::Reader::from_reader(&table[..]);
        let at = table.headers().unwrap().iter().position(|column| column == "stands").unwrap();
        let stands: Vec<String> = table.records().map(|row| row.unwrap()[at].to_owned()).collect();
        assert_eq!(stands, ["no", "yes", "yes", "no", "no", "yes", "no", "yes", "no"]);
    }

    #[test]
    fn each_row_has_the_present_name_beside_the_one_of_then() {
        let known = |name: &str| Ruling::Known(name.into());
        let all = vec![
            decided(1, "a", known("t1"), false),
            decided(2, "b", known("t2"), false),
            decided(3, "c", known("t1"), true),
            decided(4, "d", Ruling::Skipped, false),
            decided(5, "e", known("Cleo"), false), // whom the gallery has no more
        ];
        let now = |then: &str| match then {
            "t1" => Some("Zoe".to_owned()),
            other => (other != "Cleo").then(|| other.to_owned()),
        };
        let table = table(&rows_of(all, now, (&Unread::default(), &HashSet::new()))).unwrap();
        let mut table = csv::Reader::from_reader(&table[..]);
        let head = table.headers().unwrap().clone();
        let at = |name: &str| head.iter().position(|column| column == name).unwrap();
        let (then, now) = (at("individual"), at("individual_now"));
        let names = table.records().map(|row| row.unwrap()).map(|row| (row[then].to_owned(), row[now].to_owned()));
        let names: Vec<(String, String)> = names.collect();
        let pairs = [("t1", "Zoe"), ("t2", "t2"), ("t1", ""), ("", ""), ("Cleo", "")];
        assert_eq!(names, pairs.map(|(then, now)| (then.to_owned(), now.to_owned())));
    }

    #[test]
    fn the_names_of_a_gallery_are_those_after_renames_and_merges() {
        let dir = tempfile::tempdir().unwrap();
        let mut writer = super::super::tests::small(&dir.path().join("g"));
        for (encounter, name) in [("a", "t1"), ("b", "t2")] {
            let proposed = Proposed::default();
            let matter = super::super::decisions::Matter {
                encounter,
                proposed: &proposed,
                photos: &[],
                embeddings: &[],
                unread: false,
                had: &[],
                taken_out: None,
            };
            writer.rule("/week", &[matter], (&Ruling::Known(name.into()), By::Person, None)).unwrap();
        }
        writer.rename("t1", "Nora").unwrap();
        writer.merge("t2", "Nora").unwrap();
        let now = |writer: &Gallery| rows(writer).unwrap().into_iter().map(|row| row.individual_now.unwrap());
        assert_eq!(now(&writer).collect::<Vec<_>>(), ["Nora", "Nora"]);
        writer.undo().unwrap();
        assert_eq!(now(&writer).collect::<Vec<_>>(), ["Nora", "t2"]);
    }

    #[test]
    fn only_a_former_table_of_decisions_is_replaced() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("decisions.csv");
        let all =
            rows_of(vec![decided(1, "a", Ruling::Skipped, false)], as_then, (&Unread::default(), &HashSet::new()));
        write(&path, &all).unwrap();
        let whole = std::fs::read_to_string(&path).unwrap();
        assert!(whole.starts_with(BEGINNING), "{whole}");
        std::fs::write(&path, whole.replace(",stands,", ",").replace(",yes,", ",")).unwrap();
        write(&path, &all).unwrap();
        assert_eq!(std::fs::read_to_string(&path).unwrap(), whole, "one from before is a table of decisions, too");
        std::fs::write(&path, "photo,individual\n").unwrap();
        let error = write(&path, &all).unwrap_err().to_string();
        assert!(error.contains("decisions.csv: this file is no table of decisions"), "{error}");
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "photo,individual\n");
        assert!(write(dir.path(), &all).is_err());
    }
}
