//! What a person has set right about a dataset, photo by photo: who is on it, on which day, and which part of it counts.
//!
//! A table beside the dataset's own, never in the user's files: the columns of [`COLUMNS`], a row a photo, an empty cell
//! where nothing was corrected. Photos go by their path from the dataset's folder. Written by this program and by hand
//! alike, so it is read strictly: what cannot be right is an error with its line, and never half a table. The manifest's
//! builder applies it, so that every reader of a dataset sees the same. Knows no workspace: where a table lies and who
//! may write it at the moment is said above.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use jiff::civil::Date;

use super::columns::Kept;
use super::crop::Crop;
use super::duplicates::Duplicates;
use super::error::DataError;
use super::formats::{field_of, open_table};
use super::manifest::{inside, parse_date};

/// The table's columns.
pub const COLUMNS: [&str; 7] = ["photo", "individual", "date", "crop_x", "crop_y", "crop_width", "crop_height"];

/// What was set right about one photo.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Correction {
    /// Who is on it; `unknown` leaves it out.
    pub individual: Option<String>,
    /// The day it was taken.
    pub date: Option<Date>,
    /// The part of it that counts; [`Crop::FULL`] takes back a crop of the dataset's own.
    pub crop: Option<Crop>,
}

/// A day that no photo can have.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum DayError {
    /// It is none.
    #[error("{0} is no day: write it as 2019-08-02")]
    Unreadable(String),
    /// It has not come yet.
    #[error("{0} has not come yet: a photo was taken in the past")]
    Future(Date),
}

/// The day that `text` names, for a photo corrected on `today`. A day later passes: farther east it has begun.
///
/// # Errors
/// When it is no day, or one to come.
pub fn day(text: &str, today: Date) -> Result<Date, DayError> {
    let day = parse_date(text.trim()).ok_or_else(|| DayError::Unreadable(text.to_owned()))?;
    if day > today.tomorrow().unwrap_or(today) { Err(DayError::Future(day)) } else { Ok(day) }
}

impl Correction {
    /// Whether nothing is corrected.
    pub fn is_empty(&self) -> bool {
        *self == Correction::default()
    }
}

/// The corrections of a dataset, by photo.
#[derive(Debug, Clone, Default)]
pub struct Corrections {
    rows: BTreeMap<PathBuf, Correction>,
    columns: Kept,
    duplicates: Option<Duplicates>,
}

/// By what is corrected. What columns are is how a table is read, and photos that show the same are known by looking: neither
/// corrects anything.
impl PartialEq for Corrections {
    fn eq(&self, other: &Corrections) -> bool {
        self.rows == other.rows
    }
}

impl Corrections {
    /// A dataset as its files have it.
    pub const NONE: Corrections =
        Corrections { rows: BTreeMap::new(), columns: Kept { table: Vec::new() }, duplicates: None };

    /// What was set right about `photo`, given by its path from the dataset's folder.
    pub fn get(&self, photo: &Path) -> Option<&Correction> {
        self.rows.get(photo)
    }

    /// With what a person has said of tables' columns.
    pub fn with_columns(self, columns: Kept) -> Corrections {
        Corrections { columns, ..self }
    }

    /// What a person has said of tables' columns.
    pub fn columns(&self) -> &Kept {
        &self.columns
    }

    /// With the photos that show the same, as a check found them; none where there was no check.
    pub fn with_duplicates(self, duplicates: Option<Duplicates>) -> Corrections {
        Corrections { duplicates, ..self }
    }

    /// The photos that show the same; none where no check has looked for them.
    pub fn duplicates(&self) -> Option<&Duplicates> {
        self.duplicates.as_ref()
    }

    /// Photos and what was set right about them, by path.
    pub fn iter(&self) -> impl Iterator<Item = (&Path, &Correction)> {
        self.rows.iter().map(|(photo, correction)| (photo.as_path(), correction))
    }

    /// Photos with a correction.
    pub fn len(&self) -> usize {
        self.rows.len()
    }

    /// Whether the dataset counts as its files have it.
    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// Puts `correction` in the place of the one that `photo` had; an empty one takes it back.
    pub fn set(&mut self, photo: &Path, correction: Correction) {
        let individual = correction.individual.map(|name| name.trim().to_owned()).filter(|name| !name.is_empty());
        let correction = Correction { individual, ..correction };
        if correction.is_empty() {
            self.rows.remove(photo);
        } else {
            self.rows.insert(photo.to_path_buf(), correction);
        }
    }

    /// Photos about which the two say different things.
    pub fn differing<'a>(&'a self, other: &'a Corrections) -> BTreeSet<&'a Path> {
        let photos = self.rows.keys().chain(other.rows.keys()).map(PathBuf::as_path);
        photos.filter(|photo| self.get(photo) != other.get(photo)).collect()
    }

    /// The table at `path`; no file is no correction.
    ///
    /// # Errors
    /// When the file cannot be read, or a line of it cannot be right.
    pub fn read(path: &Path) -> Result<Corrections, DataError> {
        let (mut reader, columns) = match open_table(path) {
            Err(DataError::Io { source, .. }) if source.kind() == std::io::ErrorKind::NotFound => {
                return Ok(Corrections::NONE);
            }
            other => other?,
        };
        let wrong = |line: u64, reason: String| DataError::Table { path: path.into(), line, reason };
        if let Some(unknown) = columns.iter().find(|c| !COLUMNS.contains(&c.as_str())) {
            let known = COLUMNS.join(", ");
            return Err(wrong(1, format!("a table of corrections has no column `{unknown}`; its columns are {known}")));
        }
        let place = |name: &str| columns.iter().position(|c| c == name);
        if place(COLUMNS[0]).is_none() {
            return Err(DataError::MissingColumn { path: path.into(), column: COLUMNS[0].into(), found: columns });
        }
        let places: Vec<Option<usize>> = COLUMNS.iter().map(|name| place(name)).collect();
        let mut corrections = Corrections::NONE;
        let mut record = csv::ByteRecord::new();
        loop {
            let line = reader.position().line();
            match reader.read_byte_record(&mut record) {
                Ok(true) => {}
                Ok(false) => return Ok(corrections),
                Err(error) => return Err(wrong(line, error.to_string())),
            }
            let line = record.position().map_or(line, csv::Position::line);
            if record.len() != columns.len() {
                return Err(wrong(line, format!("the row has {} of {} fields", record.len(), columns.len())));
            }
            let mut cells = [""; COLUMNS.len()];
            for (cell, at) in cells.iter_mut().zip(&places) {
                let Some(at) = *at else { continue };
                let not_text = |_| wrong(line, "the row is not UTF-8 text; save the table as UTF-8".into());
                *cell = field_of(&record, at).map_err(not_text)?.trim();
            }
            let (photo, correction) = row(&cells).map_err(|reason| wrong(line, reason))?;
            // the later row counts, as it was written later
            corrections.set(&photo, correction);
        }
    }

    /// The table, which [`Corrections::read`] reads back to the same.
    ///
    /// # Errors
    /// When a photo's path is no text that a table can hold.
    pub fn to_csv(&self) -> Result<Vec<u8>, DataError> {
        let mut table = csv::Writer::from_writer(Vec::new());
        let refused = |photo: &Path| DataError::Unnameable { photo: photo.into() };
        let written = |result: csv::Result<()>, photo: &Path| result.map_err(|_| refused(photo));
        written(table.write_record(COLUMNS), Path::new(""))?;
        for (photo, correction) in self.iter() {
            let name = photo.to_str().filter(|name| inside(name.trim()).is_ok_and(|same| same.as_os_str() == photo));
            let name = name.ok_or_else(|| refused(photo))?;
            let [x, y, width, height] = correction.crop.map(Crop::cells).unwrap_or_default();
            let date = correction.date.map_or_else(String::new, |date| date.to_string());
            let individual = correction.individual.clone().unwrap_or_default();
            written(table.write_record([name, &individual, &date, &x, &y, &width, &height]), photo)?;
        }
        table.into_inner().map_err(|_| refused(Path::new("")))
    }
}

/// The path of `photo` from the dataset's `folder`: given so, or as a path into it.
///
/// # Errors
/// When it leads out of the folder, or cannot stand in a table.
pub fn relative(folder: &Path, photo: &Path) -> Result<PathBuf, DataError> {
    let below = match photo.is_absolute() {
        true => photo.strip_prefix(folder).map(Path::to_path_buf).or_else(|_| {
            // the folder's path has its links resolved, the photo's may not
            let real = photo.parent().and_then(|parent| parent.canonicalize().ok()).unwrap_or_default();
            real.join(photo.file_name().unwrap_or_default()).strip_prefix(folder).map(Path::to_path_buf)
        }),
        false => Ok(photo.to_path_buf()),
    };
    let outside =
        |reason: &str| DataError::NotBelow { photo: photo.into(), folder: folder.into(), reason: reason.into() };
    let below = below.map_err(|_| outside("it does not lie in that folder"))?;
    let text = below.to_str().filter(|text| text.trim() == *text && !text.contains('\\'));
    let text = text.ok_or_else(|| DataError::Unnameable { photo: photo.into() })?;
    inside(text).map_err(outside)
}

/// A row's photo and correction, or what cannot be right about it.
fn row(cells: &[&str; COLUMNS.len()]) -> Result<(PathBuf, Correction), String> {
    let [photo, individual, date, crop @ ..] = cells;
    let photo = inside(photo).map_err(|reason| format!("{photo}: {reason}"))?;
    let date = match *date {
        "" => None,
        text => Some(parse_date(text).ok_or_else(|| format!("`{text}` is no date (2019-07-31 would be)"))?),
    };
    let crop = match crop.iter().all(|cell| cell.is_empty()) {
        true => None,
        false => Some(Crop::from_cells(crop).map_err(|e| e.to_string())?),
    };
    let individual = Some((*individual).to_owned()).filter(|name| !name.is_empty());
    Ok((photo, Correction { individual, date, crop }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::manifest::{Builder, ProblemKind, Row};
    use proptest::prelude::*;

    fn table(text: impl AsRef<[u8]>) -> Result<Corrections, DataError> {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("turtles.csv");
        std::fs::write(&path, text).unwrap();
        Corrections::read(&path)
    }

    fn correction(individual: &str, date: &str, crop: &str) -> Correction {
        let individual = Some(individual.to_owned()).filter(|name| !name.is_empty());
        Correction { individual, date: parse_date(date), crop: crop.parse().ok() }
    }

    #[test]
    fn a_photo_is_of_a_day_that_has_come() {
        let today = jiff::civil::date(2026, 11, 27);
        assert_eq!(day(" 2019-08-02 ", today), Ok(jiff::civil::date(2019, 8, 2)));
        assert_eq!(day("2026-11-28", today), Ok(jiff::civil::date(2026, 11, 28)));
        assert_eq!(day("2026-11-29", today), Err(DayError::Future(jiff::civil::date(2026, 11, 29))));
        assert_eq!(day("2019-02-30", today), Err(DayError::Unreadable("2019-02-30".into())));
    }

    #[test]
    fn a_table_made_by_hand_is_read_and_the_later_row_counts() {
        let read = table("\u{feff}Photo;x\n");
        assert!(matches!(read, Err(DataError::Table { line: 1, .. })), "{read:?}");
        let read = table("individual;photo\nt1;a.jpg\n t2 ;./b/../a.jpg\n;c.jpg\n").unwrap();
        assert_eq!(read.iter().collect::<Vec<_>>(), [(Path::new("a.jpg"), &correction("t2", "", ""))]);
        assert!(Corrections::read(Path::new("no/such.csv")).unwrap().is_empty());
    }

    #[test]
    fn what_cannot_be_right_is_an_error_that_names_file_and_line() {
        let head = "photo,individual,date,crop_x,crop_y,crop_width,crop_height\na.jpg,t1,,,,,\n";
        for (row, word) in [
            ("../a.jpg,t1,,,,,", "leaves the dataset's folder"),
            ("/etc/passwd,t1,,,,,", "leaves the dataset's folder"),
            (",t1,,,,,", "no photo is named"),
            ("b.jpg,,yesterday,,,,", "`yesterday` is no date"),
            ("b.jpg,,2019-02-30,,,,", "is no date"),
            ("b.jpg,,,0.5,0,0.6,1", "not inside the photo"),
            ("b.jpg,,,0.5,0,,1", "no crop"),
            ("b.jpg,t1", "2 of 7 fields"),
            ("b.jpg,t1,,,,,,", "8 of 7 fields"),
        ] {
            let error = table(format!("{head}{row}\n")).unwrap_err();
            assert!(matches!(error, DataError::Table { line: 3, .. }), "{row}: {error:?}");
            let error = error.to_string();
            assert!(error.contains("turtles.csv, line 3: ") && error.contains(word), "{row}: {error}");
        }
        let error = table([head.as_bytes(), b"b.jpg,t\xff,,,,,\n"].concat()).unwrap_err().to_string();
        assert!(error.contains("line 3: the row is not UTF-8"), "{error}");
        let error = table("individual\nt1\n").unwrap_err().to_string();
        assert!(error.contains("no column `photo`"), "{error}");
        assert!(table(b"\xff\xd8\xff\xe0\0\x10JFIF").is_err());
    }

    /// The manifest of rows (path, individual, encounter, date), corrected so.
    fn corrected(rows: &[[&str; 4]], corrections: &[(&str, Correction)]) -> crate::data::manifest::Manifest {
        let mut table = Corrections::NONE;
        corrections.iter().for_each(|(photo, c)| table.set(Path::new(photo), c.clone()));
        let mut builder = Builder::new(Path::new("photos"), Vec::new(), &table);
        for &[path, individual, encounter, date] in rows {
            builder.push(&Row { path, individual, encounter, date, ..Row::default() });
        }
        builder.finish()
    }

    #[test]
    fn a_corrected_photo_moves_to_its_individual_and_encounter() {
        let m = corrected(
            &[
                ["a.jpg", "t1", "", "2019-08-01"],
                ["b.jpg", "t1", "", "yesterday"],
                ["c.jpg", "unknown", "", ""],
                ["d.jpg", "t2", "", ""],
            ],
            &[
                ("a.jpg", correction("t2", "", "0,0,0.5,0.5")),
                ("b.jpg", correction("", "2019-08-02", "")),
                ("c.jpg", correction("t2", "2019-08-01", "")),
                ("d.jpg", correction("unknown", "", "")),
                ("gone.jpg", correction("t1", "", "")),
            ],
        );
        let photos: Vec<_> =
            m.photos.iter().map(|p| (p.path.to_str().unwrap(), p.encounter.as_str(), p.crop.is_some())).collect();
        let want =
            [("a.jpg", "t2 2019-08-01", true), ("b.jpg", "t1 2019-08-02", false), ("c.jpg", "t2 2019-08-01", false)];
        assert_eq!(photos, want);
        let problems: Vec<_> = m.problems.iter().map(|p| (p.kind, p.photo.as_deref().unwrap())).collect();
        use ProblemKind::{StaleCorrection, UnknownIndividual};
        let want = [(UnknownIndividual, "d.jpg"), (StaleCorrection, "gone.jpg")];
        assert_eq!((problems.as_slice(), m.corrected), (&want[..], 4), "a date set right is no problem any more");
    }

    #[test]
    fn a_corrected_photo_leaves_the_tables_encounter_and_joins_the_one_of_its_day() {
        let rows = [
            ["a.jpg", "t1", "dive 7", "2019-08-01"],
            ["b.jpg", "t1", "dive 7", "2019-08-01"],
            ["c.jpg", "t2", "dive 8", "2019-08-01"],
            ["d.jpg", "t3", "dive 9", ""],
        ];
        let keys =
            |m: &crate::data::manifest::Manifest| m.photos.iter().map(|p| p.encounter.clone()).collect::<Vec<_>>();
        let m = corrected(&rows, &[("a.jpg", correction("t2", "", "")), ("d.jpg", correction("t1", "", ""))]);
        assert_eq!(keys(&m), ["dive 8", "dive 7", "dive 8", "t1 dive 9"]);
        let m = corrected(&rows, &[("a.jpg", correction("", "2019-09-09", "")), ("b.jpg", correction("t1", "", ""))]);
        assert_eq!(keys(&m), ["t1 2019-09-09", "dive 7", "dive 8", "dive 9"], "what says the same moves nothing");
    }

    #[test]
    fn a_photo_is_named_from_the_folder_or_by_a_path_into_it() {
        let dir = tempfile::tempdir().unwrap();
        let folder = dir.path().canonicalize().unwrap();
        std::fs::create_dir(folder.join("t1")).unwrap();
        for photo in ["t1/a.jpg", "./t1/x/../a.jpg"] {
            assert_eq!(relative(&folder, photo.as_ref()).unwrap(), Path::new("t1/a.jpg"));
        }
        assert_eq!(relative(&folder, &folder.join("t1/a.jpg")).unwrap(), Path::new("t1/a.jpg"));
        for photo in ["/etc/passwd", "../a.jpg", "", "t1/../.."] {
            assert!(matches!(relative(&folder, photo.as_ref()), Err(DataError::NotBelow { .. })), "{photo}");
        }
        for photo in [" a.jpg", "a\\b.jpg"] {
            assert!(matches!(relative(&folder, photo.as_ref()), Err(DataError::Unnameable { .. })), "{photo}");
        }
    }

    prop_compose! {
        fn any_correction()(
            individual in "([a-zé,;\"'\n\t #\u{1b}]{0,6})",
            date in prop::option::of((0i16..=9999, 1i8..=12, 1i8..=28)),
            crop in prop::option::of((0.0..0.9f64, 0.0..0.9f64)),
        ) -> Correction {
            Correction {
                individual: Some(individual),
                date: date.map(|(y, m, d)| Date::new(y, m, d).unwrap()),
                crop: crop.map(|(x, y)| Crop::new(x, y, 0.95 - x, (1.0 - y) / 2.0).unwrap()),
            }
        }
    }

    proptest! {
        #[test]
        fn a_table_comes_back_as_it_was(
            rows in prop::collection::vec(("[a-c#,;\"é](/?[a-c .#,;\"]{0,3}[a-c])?", any_correction()), 0..12),
        ) {
            let mut corrections = Corrections::NONE;
            for (photo, correction) in rows {
                // as every path comes into a manifest
                if let Ok(photo) = inside(&photo) {
                    corrections.set(&photo, correction);
                }
            }
            prop_assert_eq!(table(corrections.to_csv().unwrap()).unwrap(), corrections);
        }

        #[test]
        fn hostile_bytes_never_panic_nor_leave_the_folder(
            body in "[\"',;\t\r\n\0./\\\\a-c0-2é-]{0,200}",
            cut in 0usize..60,
        ) {
            let text = format!("{}\n{body}", COLUMNS.join(","));
            if let Ok(corrections) = table(&text.as_bytes()[cut.min(text.len())..]) {
                for (photo, _) in corrections.iter() {
                    prop_assert!(photo.components().all(|c| matches!(c, std::path::Component::Normal(_))));
                }
            }
        }
    }
}
