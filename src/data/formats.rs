//! The forms in which datasets lie on a disk, and which of them a path holds.
//!
//! A format is a row in [`FORMATS`]: it says whether a path looks like it, and reads it into a manifest through the
//! builder, which holds the rules that all share. The first that fits wins, so the particular stand before the general.

mod boxes;
mod folders;
mod loose;
mod table;
mod walk;

pub use loose::{every_photo, photos_below};
pub(super) use table::{DATES, ENCOUNTERS, PATHS, Style, field_of, find, open_styled, open_table, table_error};
pub use walk::named_like_photo;

use std::path::Path;

use super::corrections::Corrections;
use super::error::DataError;
use super::manifest::{Manifest, Problem, ProblemKind};

/// One way to lay out photos and who is on them.
pub trait Format: Sync {
    /// What the screen and the messages call it.
    fn name(&self) -> &'static str;
    /// What a path of this format has, to end "there is no …".
    fn signature(&self) -> &'static str;
    /// Whether the path looks like this format. Reads little; errors mean no.
    fn detect(&self, path: &Path) -> bool;
    /// Reads the whole dataset with what was corrected, photos' contents excepted.
    fn read(&self, path: &Path, corrections: &Corrections) -> Result<Manifest, DataError>;
}

/// Every known format, the particular before the general.
pub static FORMATS: &[&dyn Format] = &[&table::SEATURTLEID2022, &table::WILDLIFE_DATASETS, &folders::Folders];

/// Reads the dataset at `path`, a folder or a table in one, as `corrections` have it.
///
/// Fails when nothing is there, no format fits, a needed column is missing, or no photo is left; single bad rows
/// become the manifest's problems.
pub fn open(path: &Path, corrections: &Corrections) -> Result<Manifest, DataError> {
    let mut manifest = read(path, corrections)?;
    manifest.alike = corrections.duplicates().map(|duplicates| duplicates.within(&manifest));
    Ok(manifest)
}

fn read(path: &Path, corrections: &Corrections) -> Result<Manifest, DataError> {
    let meta = std::fs::metadata(path).map_err(|source| match source.kind() {
        std::io::ErrorKind::NotFound => DataError::Missing { path: path.into() },
        _ => DataError::Io { path: path.into(), source },
    })?;
    let mut named = corrections.columns().table.iter().filter_map(|columns| Some((columns.table_in(path)?, columns)));
    // in a folder, what is a dataset without a word comes first
    let is_asked = meta.is_file() || !FORMATS.iter().any(|f| f.detect(path));
    if let Some((table, columns)) = named.next().filter(|_| is_asked) {
        return some_left(path, table::read_as(&table, corrections, columns)?);
    }
    if let Some(format) = FORMATS.iter().find(|f| f.detect(path)) {
        let mut manifest = format.read(path, corrections)?;
        if let Some(error) = table::passed_over(path).filter(|_| format.name() == folders::Folders.name()) {
            let reason = format!("{error}; it is not read, and the folders name the individuals");
            let problem = Problem { kind: ProblemKind::UnusedTable, photo: None, line: None, reason };
            manifest.problems.insert(0, problem);
        }
        return some_left(path, manifest);
    }
    if meta.is_file() {
        return Err(table::why_not(path));
    }
    if let Some(error) = table::passed_over(path) {
        return Err(error);
    }
    let missing: Vec<&str> = FORMATS.iter().rev().map(|f| f.signature()).collect();
    let loose = walk::list(path).is_ok_and(|entries| entries.iter().any(|e| walk::is_photo(e)));
    let reason = if loose {
        "its photos lie loose, so nobody is named on them; make a folder for each individual in it, named after the \
         individual, and put its photos there"
            .to_owned()
    } else {
        format!("there is no {} in it", missing.join(", no "))
    };
    Err(DataError::NoFormat { path: path.into(), reason })
}

fn some_left(path: &Path, manifest: Manifest) -> Result<Manifest, DataError> {
    if manifest.photos.is_empty() {
        let reason = match manifest.problems.len() {
            0 => "it is empty".to_owned(),
            n => format!("all {n} were left out; the first: {}", manifest.problems[0]),
        };
        return Err(DataError::NoPhotos { path: path.into(), reason });
    }
    Ok(manifest)
}

/// The column that names photos in a table called as `table` is.
pub fn path_column(table: &Path) -> &'static str {
    table::path_column(table)
}

/// A dataset as its files have it.
#[cfg(test)]
pub(crate) fn as_written(path: &Path) -> Result<Manifest, DataError> {
    open(path, &Corrections::NONE)
}
