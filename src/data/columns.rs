//! What the columns of a table are that goes by names of its own, as a person has said once.
//!
//! Kept beside a dataset's corrections, never in the user's files.

use std::path::Path;

use serde::{Deserialize, Serialize};

/// The names of a table's columns; those not said go by the names that tables usually have.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Columns {
    /// File name of the table that this is about.
    pub file: String,
    /// Path of the photo, from the table's folder.
    pub path: Option<String>,
    /// Who is on it.
    pub individual: Option<String>,
    /// When it was taken.
    pub date: Option<String>,
    /// The encounter.
    pub encounter: Option<String>,
    /// The side that it shows.
    pub side: Option<String>,
    /// A box in pixels.
    pub bbox: Option<String>,
    /// The part of a split.
    pub split: Option<String>,
}

/// What was said of the tables of a folder.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Kept {
    /// Of each table.
    #[serde(default)]
    pub table: Vec<Columns>,
}

impl Kept {
    /// Puts `columns` in the place of what was said of the same table.
    pub fn put(&mut self, columns: Columns) {
        self.table.retain(|known| known.file != columns.file);
        self.table.push(columns);
    }
}

/// What can be said, and the other name that it goes by.
const KEYS: [(&str, &str); 7] = [
    ("path", "file_name"),
    ("individual", "identity"),
    ("date", "timestamp"),
    ("encounter", "encounter_id"),
    ("side", "orientation"),
    ("bbox", "box"),
    ("split", "part"),
];

/// Why a text says nothing of columns.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ColumnsError {
    /// It is no list.
    #[error("`{0}` does not say what a column is: write path=FILE,individual=NAME,date=DAY with the table's own names")]
    NoPair(String),
    /// A key of no meaning.
    #[error("`{0}` is none of path, individual, date, encounter, side, bbox, split")]
    Unknown(String),
    /// One key twice.
    #[error("`{0}` is said twice")]
    Twice(String),
    /// A folder, where a table is meant.
    #[error("columns are those of a table: give the CSV or TSV file, not its folder")]
    NoTable,
}

impl Columns {
    /// What `text` says of the table at `table`: `path=FILE,individual=NAME`.
    ///
    /// # Errors
    /// When it says nothing of that kind.
    pub fn of(table: &Path, text: &str) -> Result<Columns, ColumnsError> {
        let name = table.file_name().filter(|_| !table.is_dir()).ok_or(ColumnsError::NoTable)?;
        let mut columns = Columns { file: name.to_string_lossy().into_owned(), ..Columns::default() };
        for pair in text.split(',').filter(|pair| !pair.trim().is_empty()) {
            let (key, column) = pair.split_once('=').ok_or_else(|| ColumnsError::NoPair(pair.to_owned()))?;
            let (key, column) = (key.trim().to_ascii_lowercase(), column.trim());
            if column.is_empty() {
                return Err(ColumnsError::NoPair(pair.to_owned()));
            }
            let which = KEYS.iter().position(|(name, other)| *name == key || *other == key);
            match which.and_then(|which| columns.places().into_iter().nth(which)) {
                None => return Err(ColumnsError::Unknown(key)),
                Some(Some(_)) => return Err(ColumnsError::Twice(key)),
                Some(place) => *place = Some(column.to_owned()),
            }
        }
        Ok(columns)
    }

    fn places(&mut self) -> [&mut Option<String>; KEYS.len()] {
        [
            &mut self.path,
            &mut self.individual,
            &mut self.date,
            &mut self.encounter,
            &mut self.side,
            &mut self.bbox,
            &mut self.split,
        ]
    }

    /// The table that this is about, where `dataset` is it or its folder.
    pub fn table_in(&self, dataset: &Path) -> Option<std::path::PathBuf> {
        // a name, and no way out of the folder
        let name = Path::new(&self.file).file_name()?;
        let table = if dataset.is_dir() { dataset.join(name) } else { dataset.to_path_buf() };
        (table.file_name() == Some(name) && table.is_file()).then_some(table)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_says_what_columns_are() {
        let table = Path::new("a/sightings.tsv");
        let columns = Columns::of(table, "path=Photo file, identity=Turtle name,split=set").unwrap();
        assert_eq!(columns.path.as_deref(), Some("Photo file"));
        assert_eq!((columns.individual.as_deref(), columns.split.as_deref()), (Some("Turtle name"), Some("set")));
        assert_eq!((columns.file.as_str(), columns.date), ("sightings.tsv", None));
        let error = |text| Columns::of(table, text).unwrap_err();
        assert_eq!(error("path"), ColumnsError::NoPair("path".into()));
        assert_eq!(error("path="), ColumnsError::NoPair("path=".into()));
        assert_eq!(error("who=x"), ColumnsError::Unknown("who".into()));
        assert_eq!(error("individual=x,identity=y"), ColumnsError::Twice("identity".into()));
        assert_eq!(Columns::of(&std::env::temp_dir(), "path=x"), Err(ColumnsError::NoTable));
        let out = Columns { file: "../../x".into(), ..Columns::default() };
        assert_eq!(out.table_in(&std::env::temp_dir()), None);
    }
}
