//! A table of which nothing but individuals and days need be known, and the same table with a split beside.
//!
//! The rows are those that wildlife-datasets would see: individuals and missing cells are taken as pandas reads them.
//! All other columns and their text, the order of the rows, and how fields and lines are separated stay as they are.
//! No photo is looked at, and none need be there.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use csv::ByteRecord;
use jiff::civil::Date;

use super::rows::{Rows, as_pandas_reads, is_missing};
use super::strategy::Made;
use crate::data::decode::PhotoFile;
use crate::data::error::DataError;
use crate::data::formats::{DATES, ENCOUNTERS, PATHS, Style, field_of, find, open_styled, table_error};
use crate::data::manifest::{Part, Problem, ProblemKind, inside, is_blank, is_nobody, parse_date};

/// The individual that wildlife-datasets leaves out of every split.
const SKIPPED: &str = "unknown";

/// The names of a table's columns; none for the usual ones.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Columns {
    /// Who is on the photo.
    pub individual: Option<String>,
    /// The day it was taken.
    pub date: Option<String>,
}

/// A table to be split.
#[derive(Debug)]
pub struct SplitTable {
    path: PathBuf,
    style: Style,
    columns: Vec<String>,
    head: ByteRecord,
    records: Vec<ByteRecord>,
    rows: Rows,
    problems: Vec<Problem>,
}

impl SplitTable {
    /// Reads the table at `path`.
    ///
    /// # Errors
    /// When it is no table, lacks a column, or has a row that cannot be read.
    pub fn read(path: &Path, names: &Columns) -> Result<SplitTable, DataError> {
        let (mut reader, columns, style) = open_styled(path)?;
        let head = reader.byte_headers().map_err(|e| table_error(path, &e))?.clone();
        let records: Result<Vec<ByteRecord>, _> = reader.byte_records().collect();
        let records = records.map_err(|e| table_error(path, &e))?;
        let mut table = SplitTable {
            path: path.into(),
            style,
            columns,
            head,
            records,
            rows: Rows::default(),
            problems: Vec::new(),
        };
        table.see(names)?;
        Ok(table)
    }

    /// What a split has to know of the rows.
    pub fn rows(&self) -> &Rows {
        &self.rows
    }

    /// What was doubted.
    pub fn problems(&self) -> &[Problem] {
        &self.problems
    }

    /// The photos' files, as far as the table names them and they may be read.
    pub fn files(&self) -> Vec<Option<PhotoFile>> {
        let column = PATHS.iter().find_map(|c| find(&self.columns, c));
        let root = self.path.parent().unwrap_or(Path::new(""));
        let file = |record: &ByteRecord| {
            let path = inside(field_of(record, column?).ok()?.trim()).ok()?;
            Some(PhotoFile::from(root.join(path)))
        };
        self.records.iter().map(file).collect()
    }

    fn see(&mut self, names: &Columns) -> Result<(), DataError> {
        let need = |column: &str| {
            find(&self.columns, column).ok_or_else(|| DataError::MissingColumn {
                path: self.path.clone(),
                column: column.into(),
                found: self.columns.clone(),
            })
        };
        let who = need(names.individual.as_deref().unwrap_or("identity"))?;
        let dates = match &names.date {
            Some(column) => vec![need(column)?],
            None => DATES.iter().filter_map(|c| find(&self.columns, c)).collect(),
        };
        let encounter = ENCOUNTERS.iter().find_map(|c| find(&self.columns, c));
        let photo = PATHS.iter().find_map(|c| find(&self.columns, c));

        let mut cells: Vec<Option<&str>> = Vec::with_capacity(self.records.len());
        let mut skipped = Vec::new();
        // the table's own name of the encounter, and the day by the first column that has one
        let mut said: Vec<(&str, Option<Date>)> = Vec::new();
        let mut strict = Vec::new();
        for record in &self.records {
            let line = record.position().map_or(0, csv::Position::line);
            let wrong = |reason: String| DataError::Table { path: self.path.clone(), line, reason };
            if record.len() > self.columns.len() {
                let (has, of) = (record.len(), self.columns.len());
                return Err(wrong(format!("the row has {has} fields and the first line names {of} columns")));
            }
            let text = |at: usize| {
                field_of(record, at).map_err(|_| wrong("the row is not UTF-8 text; save the table as UTF-8".into()))
            };
            let name = text(who)?;
            cells.push((!is_missing(name)).then_some(name));
            skipped.push(name == SKIPPED);
            let mut day = None;
            for (place, &column) in dates.iter().enumerate() {
                let cell = text(column)?.trim();
                let date = parse_date(cell);
                if place == 0 {
                    strict.push(date); // as wildlife-datasets, which looks at one column
                }
                if date.is_none() && !is_blank(cell) {
                    let reason = format!("`{cell}` is no date (2019-07-31 would be); taken as undated");
                    let photo = photo.map(text).transpose()?.map(str::to_owned);
                    self.problems.push(Problem { kind: ProblemKind::BadDate, photo, line: Some(line), reason });
                }
                day = day.or(date);
            }
            let own = encounter.map(text).transpose()?.map(str::trim).filter(|key| !is_blank(key));
            said.push((own.unwrap_or(""), day));
        }
        strict.resize(cells.len(), None);
        let mut individuals = as_pandas_reads(&cells);
        individuals.retain(|rows| !skipped[rows[0]]);

        // as a manifest names them, so that a split by encounter is that of the dataset which the table makes
        let mut owner: HashMap<&str, &str> = HashMap::new();
        let names = cells.iter().map(|cell| cell.unwrap_or("").trim());
        let names: Vec<&str> = names.collect();
        let shared = names
            .iter()
            .zip(&said)
            .any(|(name, (own, _))| !own.is_empty() && !is_nobody(name) && *owner.entry(own).or_insert(name) != *name);
        let mut encounters = Vec::with_capacity(cells.len());
        let mut alone = Vec::with_capacity(cells.len());
        for (row, (name, (own, day))) in names.iter().zip(&said).enumerate() {
            let path = photo.and_then(|at| field_of(&self.records[row], at).ok()).map(str::trim);
            let key = match (*own, day) {
                ("", Some(day)) => format!("{name} {day}"),
                ("", None) => format!("{} (undated)", path.map_or_else(|| row.to_string(), str::to_owned)),
                (own, _) if shared => format!("{name} {own}"),
                (own, _) => own.to_owned(),
            };
            encounters.push((!is_nobody(name)).then_some(key));
            alone.push(own.is_empty() && day.is_none());
        }
        self.rows = Rows { individuals, skipped, dates: strict, encounters, alone, ..Rows::default() };
        Ok(())
    }

    /// The table with a column for each of `made`, named `column` and the split's own ending; a column that has the name
    /// already gives way.
    pub fn with(&self, made: &[Made], column: &str) -> Result<Vec<u8>, DataError> {
        let fails =
            |e: &dyn std::fmt::Display| DataError::Table { path: self.path.clone(), line: 1, reason: e.to_string() };
        let mut out = Vec::new();
        if self.style.marked {
            out.extend(b"\xef\xbb\xbf");
        }
        let terminator = if self.style.crlf { csv::Terminator::CRLF } else { csv::Terminator::Any(b'\n') };
        let mut writer =
            csv::WriterBuilder::new().delimiter(self.style.delimiter).terminator(terminator).from_writer(out);
        let names: Vec<String> = made.iter().map(|made| format!("{column}{}", made.suffix)).collect();
        let places: Vec<Option<usize>> = names.iter().map(|name| self.columns.iter().position(|c| c == name)).collect();
        let mut write = |record: &ByteRecord, words: &[&str]| {
            let mut fields: Vec<&[u8]> = record.iter().collect();
            fields.resize(self.columns.len(), b"");
            for (word, place) in words.iter().zip(&places) {
                match *place {
                    Some(at) => fields[at] = word.as_bytes(),
                    None => fields.push(word.as_bytes()),
                }
            }
            writer.write_record(fields).map_err(|e| fails(&e))
        };
        write(&self.head, &names.iter().map(String::as_str).collect::<Vec<_>>())?;
        for (row, record) in self.records.iter().enumerate() {
            let words: Vec<&str> = made.iter().map(|made| made.parts[row].map_or("", Part::word)).collect();
            write(record, &words)?;
        }
        writer.into_inner().map_err(|e| fails(&e))
    }
}
