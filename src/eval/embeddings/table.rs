//! `photos.csv`: photo, individual, encounter, role and, if known, side, in the order of the embeddings.
//!
//! People open it in spreadsheets and write their own, so columns go by name, a byte order mark and
//! further columns do no harm, and whatever is wrong is told with its line.

use std::collections::HashMap;
use std::io::{BufReader, Write};
use std::path::Path;

use super::super::{Error, Result};
use super::{PhotoRow, check_path};
use crate::data::manifest::Side;

/// Reads and checks a table of photos; columns go by name, further ones are ignored.
pub(super) fn read(path: &Path) -> Result<Vec<PhotoRow>> {
    let file = std::fs::File::open(path).map_err(|source| Error::Read { path: path.to_path_buf(), source })?;
    let mut reader = csv::Reader::from_reader(BufReader::new(file));
    let table = |reason: String| Error::Table { path: path.to_path_buf(), reason };
    let headers = reader.headers().map_err(|e| csv_error(path, e))?.clone();
    let column = |name: &str| {
        headers.iter().position(|h| h.trim() == name).ok_or_else(|| {
            table(format!("there is no column `{name}`; a table of photos has photo, individual, encounter, role"))
        })
    };
    let columns = [column("photo")?, column("individual")?, column("encounter")?, column("role")?];
    let side_at = headers.iter().position(|h| h.trim() == "side");
    let mut rows = Vec::new();
    let mut seen: HashMap<String, u64> = HashMap::new();
    for record in reader.records() {
        let record = record.map_err(|e| csv_error(path, e))?;
        let line = record.position().map_or(0, csv::Position::line);
        let wrong = |reason| Error::TableRow { path: path.to_path_buf(), line, reason };
        // The reader refuses ragged rows, so every column is there.
        let [photo, individual, encounter, role] = columns.map(|at| record.get(at).unwrap_or_default().to_string());
        check_path(&photo).map_err(wrong)?;
        if let Some(first) = seen.insert(photo.clone(), line) {
            return Err(wrong(format!("the photo `{photo}` stands in line {first} already")));
        }
        let side = side_at.and_then(|at| Side::parse(record.get(at)?));
        rows.push(PhotoRow { role: role.trim().parse().map_err(wrong)?, photo, individual, encounter, side });
    }
    if rows.is_empty() {
        return Err(table("it lists no photos".into()));
    }
    Ok(rows)
}

fn csv_error(path: &Path, error: csv::Error) -> Error {
    let path = path.to_path_buf();
    let line = error.position().map(csv::Position::line);
    match (error.into_kind(), line) {
        (csv::ErrorKind::Io(source), _) => Error::Read { path, source },
        (csv::ErrorKind::UnequalLengths { expected_len, len, .. }, Some(line)) => {
            Error::TableRow { path, line, reason: format!("it has {len} fields where the header has {expected_len}") }
        }
        (csv::ErrorKind::Utf8 { .. }, Some(line)) => {
            Error::TableRow { path, line, reason: "it is not UTF-8; save the table as UTF-8".into() }
        }
        (kind, _) => Error::Table { path, reason: format!("it is not a table of comma-separated values: {kind:?}") },
    }
}

/// Writes a table of photos.
pub(super) fn write(rows: &[PhotoRow], out: &mut dyn Write) -> std::io::Result<()> {
    let mut csv = csv::Writer::from_writer(out);
    // most datasets do not know sides
    let columns = if rows.iter().any(|row| row.side.is_some()) { 5 } else { 4 };
    csv.write_record(&["photo", "individual", "encounter", "role", "side"][..columns])?;
    for row in rows {
        let side = row.side.map_or("", Side::word);
        csv.write_record(&[&row.photo, &row.individual, &row.encounter, row.role.word(), side][..columns])?;
    }
    csv.flush()
}
