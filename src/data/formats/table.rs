//! Tables of photos beside their images: SeaTurtleID2022 as published, and the tables of wildlife-datasets.
//!
//! A table format is a row of names: which file, which columns. Columns are found by name in any order, and others
//! are tolerated. Commas, semicolons and tabs separate (spreadsheets differ by country). A row that cannot be read is
//! a problem of the manifest; a missing column is an error, since then every row is wrong.

use std::collections::HashMap;
use std::fs::File;
use std::io::{BufReader, Read};
use std::path::{Path, PathBuf};

use csv::ByteRecord;

use super::Format;
use super::boxes::{self, COCO_FILE};
use crate::data::columns::Columns;
use crate::data::corrections::{COLUMNS, Corrections};
use crate::data::decode::size_of;
use crate::data::error::DataError;
use crate::data::manifest::{Builder, Manifest, ProblemKind, Row, inside, is_blank};

/// Each costs a word a photo, also where short rows leave it out: a small file could ask for any amount of memory.
const MOST_SPLITS: usize = 64;

/// A table format: the names it goes by.
#[derive(Debug)]
pub(super) struct Table {
    name: &'static str,
    signature: &'static str,
    /// The table's usual name in its folder.
    file: &'static str,
    /// Column of the photo's path, relative to the folder of the table.
    path: &'static str,
    /// Column of the individual.
    individual: &'static str,
    /// Columns that date a photo; the first with a text in the row counts.
    dates: &'static [&'static str],
    /// Whether the file's name alone decides, so that a missing column is an error and not another format.
    decisive: bool,
    /// Columns that name the encounter; the first of them that the table has counts.
    encounters: &'static [&'static str],
}

/// Columns that date a photo.
pub(in crate::data) const DATES: &[&str] = &["date", "timestamp"];
/// Columns that name the encounter.
pub(in crate::data) const ENCOUNTERS: &[&str] = &["encounter", "encounter_id"];
/// Columns of the side that a photo shows.
const SIDES: &[&str] = &["orientation", "side"];
/// Columns of the photo's path.
pub(in crate::data) const PATHS: &[&str] = &[SEATURTLEID2022.path, WILDLIFE_DATASETS.path];

/// SeaTurtleID2022: `metadata_splits.csv` beside `images/`.
pub(super) static SEATURTLEID2022: Table = Table {
    name: "SeaTurtleID2022",
    signature: "metadata_splits.csv",
    file: "metadata_splits.csv",
    decisive: true,
    path: "file_name",
    individual: "identity",
    dates: DATES,
    encounters: ENCOUNTERS,
};

/// What wildlife-datasets writes, as SeaTurtleIDHeads and ZindiTurtleRecall are published.
pub(super) static WILDLIFE_DATASETS: Table = Table {
    name: "wildlife-datasets",
    signature: "metadata.csv",
    file: "metadata.csv",
    decisive: false,
    path: "path",
    individual: "identity",
    dates: DATES,
    encounters: ENCOUNTERS,
};

/// Why a file is none of the tables above: the column it lacks, or that it is no table.
pub(super) fn why_not(path: &Path) -> DataError {
    let columns = match open_table(path) {
        Ok((_, columns)) => columns,
        Err(error) => return error,
    };
    let tables = [&SEATURTLEID2022, &WILDLIFE_DATASETS];
    let missing = if tables.iter().any(|t| find(&columns, t.path).is_some()) {
        SEATURTLEID2022.individual.to_owned()
    } else {
        format!("{}` or `{}", SEATURTLEID2022.path, WILDLIFE_DATASETS.path)
    };
    DataError::MissingColumn { path: path.into(), column: missing, found: columns }
}

/// Why the table that a folder's own name for tables promises is none; none where there is no such file.
pub(super) fn passed_over(folder: &Path) -> Option<DataError> {
    let table = folder.join(WILDLIFE_DATASETS.file);
    (table.is_file() && !WILDLIFE_DATASETS.detect(folder)).then(|| why_not(&table))
}

/// The table at `file`, of columns that a person has named.
pub(super) fn read_as(file: &Path, corrections: &Corrections, columns: &Columns) -> Result<Manifest, DataError> {
    let has = |table: &Table| table.file == file.file_name().unwrap_or_default();
    let usual = if has(&SEATURTLEID2022) { &SEATURTLEID2022 } else { &WILDLIFE_DATASETS };
    usual.read_as(file.to_path_buf(), corrections, columns)
}

/// The column of the photo's path in a table of this name: one name alone decides.
pub(super) fn path_column(file: &Path) -> &'static str {
    let named = file.file_name().is_some_and(|name| name == SEATURTLEID2022.file);
    if named { SEATURTLEID2022.path } else { WILDLIFE_DATASETS.path }
}

impl Table {
    /// The table's file, given it or its folder.
    fn file(&self, path: &Path) -> PathBuf {
        if path.is_dir() { path.join(self.file) } else { path.to_path_buf() }
    }
}

impl Format for Table {
    fn name(&self) -> &'static str {
        self.name
    }

    fn signature(&self) -> &'static str {
        self.signature
    }

    fn detect(&self, path: &Path) -> bool {
        let file = self.file(path);
        if self.decisive && file.file_name().is_some_and(|n| n == self.file) {
            return file.is_file();
        }
        let Ok((_, columns)) = open_table(&file) else {
            return false;
        };
        find(&columns, self.path).is_some() && find(&columns, self.individual).is_some()
    }

    fn read(&self, path: &Path, corrections: &Corrections) -> Result<Manifest, DataError> {
        self.read_as(self.file(path), corrections, &Columns::default())
    }
}

impl Table {
    fn read_as(&self, file: PathBuf, corrections: &Corrections, named: &Columns) -> Result<Manifest, DataError> {
        let (mut reader, columns) = open_table(&file)?;
        let need = |column: &str| {
            find(&columns, column).ok_or_else(|| DataError::MissingColumn {
                path: file.clone(),
                column: column.into(),
                found: columns.clone(),
            })
        };
        // what a person has named must be there
        let told = |column: &Option<String>| column.as_deref().map(need).transpose();
        let path_at = told(&named.path)?.map_or_else(|| need(self.path), Ok)?;
        let individual_at = told(&named.individual)?.map_or_else(|| need(self.individual), Ok)?;
        let dates_at: Vec<usize> = match told(&named.date)? {
            Some(at) => vec![at],
            None => self.dates.iter().filter_map(|c| find(&columns, c)).collect(),
        };
        let side_at = told(&named.side)?.or_else(|| SIDES.iter().find_map(|c| find(&columns, c)));
        let encounter_at = told(&named.encounter)?.or_else(|| self.encounters.iter().find_map(|c| find(&columns, c)));
        let split_at = told(&named.split)?;
        let mut split_names: Vec<String> = Vec::new();
        let mut splits_at = Vec::new();
        for (at, column) in columns.iter().enumerate() {
            let is_split = column == "split" || column.starts_with("split_") || Some(at) == split_at;
            if is_split && split_names.len() <= MOST_SPLITS && !split_names.contains(column) {
                split_names.push(column.clone());
                splits_at.push(at);
            }
        }
        if split_names.len() > MOST_SPLITS {
            let reason =
                format!("more than {MOST_SPLITS} columns are named `split_…`; leave out those that are no split");
            return Err(DataError::Table { path: file.clone(), line: 1, reason });
        }
        let root = match file.parent() {
            Some(parent) if !parent.as_os_str().is_empty() => parent,
            _ => Path::new("."),
        };
        // as `dataset export` writes them; crops in pixels, as others write, have other names
        let crop_at: Option<Vec<usize>> = COLUMNS[3..].iter().map(|column| find(&columns, column)).collect();
        let crop_at = crop_at.unwrap_or_default();
        let box_at = told(&named.bbox)?.or_else(|| find(&columns, "bbox"));
        let size_at = ["width", "height"].map(|column| find(&columns, column));
        let mut builder = Builder::new(root, split_names, corrections);
        let coco_file = root.join(COCO_FILE);
        let coco = match self.decisive && coco_file.is_file() {
            true => boxes::coco(&coco_file).unwrap_or_else(|reason| {
                let reason = format!("{COCO_FILE} beside the table: {reason}; photos count whole");
                builder.problem(ProblemKind::UnusedTable, None, None, reason);
                HashMap::new()
            }),
            false => HashMap::new(),
        };
        let mut boxes_used = 0;
        let mut record = ByteRecord::new();
        loop {
            match reader.read_byte_record(&mut record) {
                Ok(true) => {}
                Ok(false) => break,
                Err(error) => return Err(table_error(&file, &error)),
            }
            let line = record.position().map(csv::Position::line);
            let field = |at: usize| field_of(&record, at);
            let text = |at: usize| field(at).unwrap_or("");
            let needed = [path_at, individual_at];
            if needed.iter().any(|&at| record.get(at).is_none()) {
                let reason = format!("the row has only {} of {} fields", record.len(), columns.len());
                builder.problem(ProblemKind::BadRow, None, line, reason);
                continue;
            }
            let used = needed
                .iter()
                .chain(&dates_at)
                .chain(&encounter_at)
                .chain(&splits_at)
                .chain(&crop_at)
                .chain(&side_at)
                .chain(&box_at);
            if used.clone().any(|&at| field(at).is_err()) {
                let reason = "the row is not UTF-8 text; save the table as UTF-8";
                builder.problem(ProblemKind::BadRow, None, line, reason);
                continue;
            }
            let date = dates_at.iter().map(|&at| text(at)).find(|t| !t.trim().is_empty());
            let mut crop = [""; 4];
            crop.iter_mut().zip(&crop_at).for_each(|(cell, &at)| *cell = text(at));
            let of_table = box_at.map(text).filter(|t| !is_blank(t)).map(|t| {
                // sizes are numbers and need no look at the photo
                let told = size_at.map(|at| at.and_then(|at| text(at).trim().parse::<u32>().ok()));
                let size = told[0].zip(told[1]).or_else(|| size_of(&root.join(inside(text(path_at).trim()).ok()?)));
                let size = size.ok_or("its box is in pixels, and the photo's size cannot be read")?;
                boxes::crop(boxes::numbers(t)?, size)
            });
            builder.push(&Row {
                boxed: of_table.or_else(|| {
                    let found = coco.get(text(path_at).trim());
                    boxes_used += usize::from(found.is_some());
                    found.cloned()
                }),
                path: text(path_at),
                individual: text(individual_at),
                encounter: encounter_at.map_or("", text),
                date: date.unwrap_or(""),
                side: side_at.map_or("", text),
                crop,
                splits: splits_at.iter().map(|&at| text(at)).collect(),
                line,
            });
        }
        if !coco.is_empty() && boxes_used == 0 {
            let reason = format!("{COCO_FILE} beside the table names none of its photos; they count whole");
            builder.problem(ProblemKind::UnusedTable, None, None, reason);
        }
        Ok(builder.finish())
    }
}

/// The text of a field; a field that a short row leaves out is empty.
pub(in crate::data) fn field_of(record: &ByteRecord, at: usize) -> Result<&str, std::str::Utf8Error> {
    std::str::from_utf8(record.get(at).unwrap_or(b""))
}

/// Position of a column: by its name, else by its name in another case.
pub(in crate::data) fn find(columns: &[String], name: &str) -> Option<usize> {
    let exact = columns.iter().position(|c| c == name);
    exact.or_else(|| columns.iter().position(|c| c.eq_ignore_ascii_case(name)))
}

/// How a table is written, apart from what it says.
#[derive(Debug, Clone, Copy)]
pub(in crate::data) struct Style {
    /// What separates its fields.
    pub(in crate::data) delimiter: u8,
    /// It begins with a byte order mark.
    pub(in crate::data) marked: bool,
    /// Its lines end as on Windows.
    pub(in crate::data) crlf: bool,
}

/// A reader that stands after the first line, and the columns that line names.
pub(in crate::data) fn open_table(path: &Path) -> Result<(csv::Reader<impl Read>, Vec<String>), DataError> {
    open_styled(path).map(|(reader, columns, _)| (reader, columns))
}

/// As [`open_table`], with how the table is written.
pub(in crate::data) fn open_styled(path: &Path) -> Result<(csv::Reader<impl Read>, Vec<String>, Style), DataError> {
    let io = |source| DataError::Io { path: path.into(), source };
    // A pipe or device under this name could block for ever.
    if !std::fs::metadata(path).map_err(io)?.is_file() {
        return Err(io(std::io::Error::other("it is not a file")));
    }
    let mut file = BufReader::with_capacity(1 << 16, File::open(path).map_err(io)?);
    let mut head = Vec::new();
    let limit = 1 << 16; // a first line is short; a picture given by mistake has none
    (&mut file).take(limit).read_to_end(&mut head).map_err(io)?;
    let body = head.strip_prefix(b"\xef\xbb\xbf").map_or(head.clone(), <[u8]>::to_vec);
    let first = body.split(|&b| b == b'\n' || b == b'\r').next().unwrap_or(&[]);
    let not_text = || DataError::Table {
        path: path.into(),
        line: 1,
        reason: "this is no table of UTF-8 text; save it as CSV (UTF-8)".into(),
    };
    let first = std::str::from_utf8(first).map_err(|_| not_text())?;
    if first.contains('\0') {
        return Err(not_text());
    }
    let count = |c: char| first.matches(c).count();
    let mut delimiter = b',';
    for other in [';', '\t'] {
        if count(other) > count(delimiter as char) {
            delimiter = other as u8;
        }
    }
    let style = Style { delimiter, marked: head.len() > body.len(), crlf: body[first.len()..].starts_with(b"\r\n") };
    let mut reader = csv::ReaderBuilder::new()
        .delimiter(delimiter)
        .flexible(true)
        .from_reader(std::io::Cursor::new(body).chain(file));
    let header = reader.byte_headers().map_err(|e| table_error(path, &e))?;
    let columns = header.iter().map(|c| String::from_utf8_lossy(c).trim().to_owned()).collect();
    Ok((reader, columns, style))
}

/// The error of the csv crate with the table's name.
pub(in crate::data) fn table_error(path: &Path, error: &csv::Error) -> DataError {
    let line = error.position().map_or(1, csv::Position::line);
    match error.kind() {
        csv::ErrorKind::Io(inner) => {
            DataError::Io { path: path.into(), source: std::io::Error::new(inner.kind(), inner.to_string()) }
        }
        _ => DataError::Table { path: path.into(), line, reason: error.to_string() },
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::columns::Kept;
    use crate::data::formats::as_written as open;
    use crate::data::manifest::Part;
    use proptest::prelude::*;

    fn folder(table: impl AsRef<[u8]>) -> tempfile::TempDir {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join("metadata_splits.csv"), table).unwrap();
        dir
    }

    const PLAIN: &str = "id,file_name,identity,timestamp,date,year,split_closed,split_open\n\
        1,images/t1/a.JPG,t1,2014-07-14 14:49:45,2014-07-14,2014,train,train\n\
        2,images/t1/b.JPG,t1,2014-07-14,,2014,valid,train\n";

    #[test]
    fn a_table_of_other_names_is_read_as_a_person_has_said() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("sightings.tsv");
        let text = "Day\tPhoto\tTurtle\tLooks\tset\n2020-01-02\timages/a.jpg\tNuri\tleft\ttrain\n\timages/b.jpg\tBella\t\ttest\n";
        std::fs::write(&file, text).unwrap();
        let unsaid = crate::data::formats::as_written(&file).unwrap_err().to_string();
        assert!(unsaid.contains("--columns") && unsaid.contains("Turtle"), "{unsaid}");
        let said = |text: &str| Corrections::NONE.with_columns(Kept { table: vec![Columns::of(&file, text).unwrap()] });
        let columns = said("path=Photo,individual=Turtle,date=Day,side=Looks,split=set");
        for place in [&file, dir.path()] {
            let m = crate::data::formats::open(place, &columns).unwrap();
            let photos: Vec<_> = m.photos.iter().map(|p| (p.individual.as_str(), p.date.is_some(), p.side)).collect();
            assert_eq!(photos, [("Nuri", true, Some(crate::data::manifest::Side::Left)), ("Bella", false, None)]);
            assert_eq!(m.split_columns["set"].len(), 2);
        }
        let wrong = crate::data::formats::open(&file, &said("path=Photo,individual=Nobody")).unwrap_err().to_string();
        assert!(wrong.contains("`Nobody`"), "{wrong}");
    }

    #[test]
    fn a_header_of_countless_splits_is_refused() {
        let mut table = "file_name,identity".to_owned();
        (0..100_000).for_each(|i| table.push_str(&format!(",split_{i}")));
        (0..20_000).for_each(|i| table.push_str(&format!("\n{i},t")));
        let error = open(folder(table).path()).unwrap_err().to_string();
        assert!(error.contains("line 1: more than 64 columns"), "{error}");
    }

    #[test]
    fn seaturtleid2022_is_read_from_its_folder_or_its_table() {
        let dir = folder(PLAIN);
        for path in [dir.path().to_path_buf(), dir.path().join("metadata_splits.csv")] {
            let m = open(&path).unwrap();
            assert_eq!(m.root, dir.path());
            assert_eq!(m.photos.len(), 2);
            assert_eq!(m.photos[1].path, Path::new("images/t1/b.JPG"));
            assert_eq!(m.photos[1].encounter, "t1 2014-07-14"); // from `timestamp`, as `date` is empty
            assert_eq!(m.split_columns["split_closed"], [Some(Part::Train), Some(Part::Valid)]);
            assert!(m.split_columns.contains_key("split_open"));
            assert!(m.problems.is_empty());
        }
    }

    #[test]
    fn spreadsheets_habits_do_not_matter() {
        let semicolons = PLAIN.replace(',', ";");
        let marked = format!("\u{feff}{}", PLAIN.replacen("id,", "", 1).replace("\n1,", "\n").replace("\n2,", "\n"));
        let shouted = PLAIN.replacen("file_name,identity", "File_Name, Identity ", 1).replace('\n', "\r\n");
        for table in [semicolons, marked, shouted] {
            let m = open(folder(&table).path()).unwrap();
            assert_eq!(m.photos.len(), 2, "{table}");
            assert_eq!(m.photos[0].individual, "t1");
        }
    }

    #[test]
    fn a_missing_column_is_named_with_its_file() {
        let dir = folder("id,file_name\n1,a.jpg\n");
        let error = open(dir.path()).unwrap_err().to_string();
        assert!(
            error.contains("metadata_splits.csv") && error.contains("`identity`") && error.contains("`file_name`"),
            "{error}"
        );
        let other = dir.path().join("mine.csv");
        std::fs::write(&other, "photo,identity\n").unwrap();
        let error = open(&other).unwrap_err().to_string();
        assert!(error.contains("mine.csv") && error.contains("`file_name` or `path`"), "{error}");
    }

    #[test]
    fn a_table_that_lacks_a_column_is_not_passed_over_in_silence() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join("metadata.csv"), "path,name\nt1/a.jpg,t1\n").unwrap();
        let error = open(dir.path()).unwrap_err().to_string();
        assert!(error.contains("metadata.csv has no column `identity`"), "{error}");
        std::fs::create_dir(dir.path().join("t1")).unwrap();
        std::fs::write(dir.path().join("t1/a.jpg"), b"\xff\xd8\xff\xe0").unwrap();
        let m = open(dir.path()).unwrap();
        let told = m.problems[0].to_string();
        assert!(m.problems[0].kind == ProblemKind::UnusedTable && told.contains("no column `identity`"), "{told}");
        std::fs::write(dir.path().join("metadata.csv"), "path,identity\nt1/a.jpg,t1\n").unwrap();
        assert!(open(dir.path()).unwrap().problems.is_empty());
    }

    #[test]
    fn a_row_that_cannot_be_read_does_not_take_the_others_with_it() {
        let dir = folder(b"file_name,identity,note\na.jpg,t1,x\nb.jpg\nc.jpg,t\xff,x\nd.jpg,t2,\xff\n");
        let m = open(dir.path()).unwrap();
        let names: Vec<_> = m.photos.iter().map(|p| p.path.to_str().unwrap()).collect();
        assert_eq!(names, ["a.jpg", "d.jpg"]); // bad text in a column that is not used does no harm
        let lines: Vec<_> = m.problems.iter().map(|p| (p.kind, p.line)).collect();
        assert_eq!(lines, [(ProblemKind::BadRow, Some(3)), (ProblemKind::BadRow, Some(4))]);
    }

    #[test]
    fn an_empty_table_and_a_picture_are_clear_errors() {
        let error = open(folder("file_name,identity\n").path()).unwrap_err();
        assert!(matches!(error, DataError::NoPhotos { .. }), "{error}");
        let error = open(folder("").path()).unwrap_err();
        assert!(matches!(error, DataError::MissingColumn { .. }), "{error}");
        let error = open(folder(b"\xff\xd8\xff\xe0\0\x10JFIF").path()).unwrap_err();
        assert!(matches!(error, DataError::Table { .. }), "{error}");
    }

    /// The real tables, where they are at hand.
    #[test]
    fn published_tables_are_read_whole() {
        let shared = Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/data");
        for (name, photos, individuals) in [
            ("seaturtleid20", 384, 20),
            ("metadata/SeaTurtleID2022_splits.csv", 8729, 438),
            ("metadata/SeaTurtleIDHeads.csv", 7582, 400),
            ("metadata/ZindiTurtleRecall.csv", 12803, 2265),
        ] {
            let path = shared.join(name);
            if !path.exists() {
                println!("skipped: {} is not there", path.display());
                continue;
            }
            let m = open(&path).unwrap();
            assert_eq!((m.photos.len(), m.individuals().len()), (photos, individuals), "{name}");
        }
    }

    proptest! {
        #[test]
        fn hostile_bytes_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
            let _ = open(folder(&bytes).path());
        }

        #[test]
        fn hostile_rows_never_panic_nor_leave_the_folder(
            body in "[\"',;\t\r\n\0./\\\\a-c0-2é-]{0,200}",
            cut in 0usize..60,
        ) {
            let table = format!("file_name,identity,date,encounter,split\n{body}");
            if let Ok(m) = open(folder(&table.as_bytes()[cut.min(table.len())..]).path()) {
                for photo in &m.photos {
                    prop_assert!(!photo.path.is_absolute());
                    prop_assert!(photo.path.components().all(|c| matches!(c, std::path::Component::Normal(_))));
                }
            }
        }
    }
}
