//! The file of embeddings: a header that says what made them, then rows of f32, little-endian, appended only; and the file of
//! their codes, of the same form.
//!
//! How many rows count is said by the database, never by this file's length: rows are written and synced before the
//! database counts them, and what a killed writer left behind the last counted row is cut off by the next one.

use std::fs::File;
use std::io::{Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::run::{RunError, files};

use super::about::Embedding;
use super::mapped::Mapped;
use super::{Error, Result};

/// What the rows of a file are.
#[derive(Clone, Copy, Debug)]
pub(super) enum Form {
    /// Embeddings.
    Numbers,
    /// What [`codes`](super::codes) makes of them, in blocks of so many bytes: a row here is such a block.
    Codes(usize),
}

impl Form {
    /// First bytes, with the version of the form.
    fn magic(self) -> &'static [u8; 16] {
        match self {
            Form::Numbers => b"caretta vectors\x01",
            Form::Codes(_) => b"caretta codes\0\0\x02",
        }
    }

    /// Bytes of a row.
    fn row(self, dims: usize) -> u64 {
        match self {
            Form::Numbers => dims as u64 * 4,
            Form::Codes(bytes) => bytes as u64,
        }
    }
}

/// Bytes before the first row.
pub(super) const HEADER: u64 = 4096;
/// Most numbers in an embedding.
pub(super) const MOST_DIMS: usize = 1 << 16;

/// What stands in the header.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Header {
    /// Of which gallery: a random word that its database has too.
    pub(super) gallery: String,
    /// What made the rows.
    pub(super) embedding: Embedding,
}

/// An open file of embeddings, or of their codes.
#[derive(Debug)]
pub(super) struct Vectors {
    file: File,
    path: PathBuf,
    row: u64,
}

/// Embeddings that are read where they lie, or were read where they cannot be.
#[derive(Debug)]
pub(super) enum Rows {
    Mapped(Mapped),
    Held(Vec<f32>),
}

impl Rows {
    /// Few of them will be read, anywhere.
    pub(super) fn read_here_and_there(&self) {
        if let Rows::Mapped(mapped) = self {
            mapped.read_here_and_there();
        }
    }

    /// Row after row.
    pub(super) fn numbers(&self) -> &[f32] {
        match self {
            Rows::Mapped(mapped) => mapped.numbers(HEADER as usize).unwrap_or_default(),
            Rows::Held(numbers) => numbers,
        }
    }
}

/// What the file at `path` begins with, of rows in `form`.
pub(super) fn head(form: Form, path: &Path, header: &Header) -> Result<Vec<u8>> {
    let fail = |e| RunError::io("write", path, e);
    let text = serde_json::to_vec(header).map_err(|e| fail(e.into()))?;
    let mut bytes = [&form.magic()[..], &text].concat();
    if bytes.len() as u64 >= HEADER {
        return Err(fail(std::io::Error::other("what is said of the model is too long")).into());
    }
    bytes.resize(HEADER as usize - 1, b' ');
    bytes.push(b'\n');
    Ok(bytes)
}

impl Vectors {
    /// Makes the file at `path`, or empties one that was begun, and syncs it.
    pub(super) fn create(path: &Path, header: &Header) -> Result<Vectors> {
        files::replace(path, &head(Form::Numbers, path, header)?)?;
        let file = files::open_to_append(path).map_err(|e| RunError::io("write", path, e))?;
        Ok(Vectors { file, path: path.into(), row: Form::Numbers.row(header.embedding.dims) })
    }

    /// Opens the file to read, or to append with `append`.
    pub(super) fn open(path: &Path, header: &Header, append: bool) -> Result<Vectors> {
        Vectors::open_as(Form::Numbers, path, header, append)
    }

    /// As [`Vectors::open`], of rows in `form`.
    pub(super) fn open_as(form: Form, path: &Path, header: &Header, append: bool) -> Result<Vectors> {
        let damaged = |reason: &str| Error::Damaged { path: path.into(), reason: reason.into() };
        let fail = |e: std::io::Error| match e.kind() {
            std::io::ErrorKind::NotFound => damaged("the file is not there"),
            _ => RunError::io("read", path, e).into(),
        };
        let mut file = files::open(path).map_err(fail)?;
        let mut bytes = vec![0; HEADER as usize];
        file.read_exact(&mut bytes).map_err(|_| damaged("it ends within its header"))?;
        if !bytes.starts_with(form.magic()) {
            return Err(damaged("it does not begin as embeddings of this version do"));
        }
        let text = bytes[form.magic().len()..].trim_ascii_end();
        let found: Header = serde_json::from_slice(text).map_err(|_| damaged("its header does not read"))?;
        if found != *header {
            return Err(damaged("its header is that of another gallery"));
        }
        if append {
            file = files::open_to_append(path).map_err(fail)?;
        }
        Ok(Vectors { file, path: path.into(), row: form.row(header.embedding.dims) })
    }

    /// Whole rows in the file, counted or not.
    pub(super) fn there(&self) -> Result<u64> {
        let length = self.file.metadata().map_err(|e| RunError::io("read", &self.path, e))?.len();
        Ok(length.saturating_sub(HEADER) / self.row)
    }

    fn check(&self, rows: u64) -> Result<u64> {
        let length = self.file.metadata().map_err(|e| RunError::io("read", &self.path, e))?.len();
        match rows.checked_mul(self.row).and_then(|bytes| bytes.checked_add(HEADER)) {
            Some(end) if end <= length => Ok(end),
            _ => {
                let reason = format!("it holds fewer than the {rows} embeddings that the gallery counts");
                Err(Error::Damaged { path: self.path.clone(), reason })
            }
        }
    }

    /// Cuts off what lies behind `rows` rows.
    pub(super) fn cut(&self, rows: u64) -> Result<()> {
        let end = self.check(rows)?;
        self.file.set_len(end).map_err(|e| RunError::io("write", &self.path, e).into())
    }

    /// Writes `rows` at the end and syncs them.
    pub(super) fn append(&mut self, rows: &[f32]) -> Result<()> {
        let bytes: Vec<u8> = rows.iter().flat_map(|x| x.to_le_bytes()).collect();
        self.append_bytes(&bytes)
    }

    /// As [`Vectors::append`], of rows as they lie in the file.
    pub(super) fn append_bytes(&mut self, bytes: &[u8]) -> Result<()> {
        let written = self.file.write_all(bytes).and_then(|()| self.file.sync_data());
        written.map_err(|e| RunError::io("write", &self.path, e).into())
    }

    /// Copies the header and the first `rows` rows to the new file `to`, and syncs it.
    pub(super) fn copy(&mut self, rows: u64, to: &Path) -> Result<()> {
        let end = self.check(rows)?;
        self.file.seek(SeekFrom::Start(0)).map_err(|e| RunError::io("read", &self.path, e))?;
        let mut from = (&mut self.file).take(end);
        let mut out = files::open_to_append(to).map_err(|e| RunError::io("write", to, e))?;
        let copied = std::io::copy(&mut from, &mut out).and_then(|_| out.sync_all());
        copied.map_err(|e| RunError::io("write", to, e).into())
    }

    /// The first `rows` rows, where they lie: the bytes behind the header.
    pub(super) fn mapped(&self, rows: u64) -> Result<Mapped> {
        let end = self.check(rows)?;
        Mapped::first(&self.file, end).map_err(|e| RunError::io("read", &self.path, e).into())
    }

    /// The first `rows` embeddings, where they lie.
    pub(super) fn rows(&mut self, rows: u64) -> Result<Rows> {
        match self.mapped(rows) {
            Ok(mapped) if mapped.numbers(HEADER as usize).is_some() => Ok(Rows::Mapped(mapped)),
            // a file system or a processor that cannot
            _ => self.read(rows).map(Rows::Held),
        }
    }

    /// The first `rows` rows.
    pub(super) fn read(&mut self, rows: u64) -> Result<Vec<f32>> {
        let end = self.check(rows)?;
        let fail = |e| RunError::io("read", &self.path, e);
        self.file.seek(SeekFrom::Start(HEADER)).map_err(fail)?;
        let count = usize::try_from((end - HEADER) / 4).map_err(|_| fail(std::io::ErrorKind::OutOfMemory.into()))?;
        let mut numbers = Vec::with_capacity(count);
        let mut buffer = vec![0; 1 << 20];
        let mut left = end - HEADER;
        while left > 0 {
            let piece = &mut buffer[..left.min(1 << 20) as usize];
            self.file.read_exact(piece).map_err(fail)?;
            numbers.extend(piece.as_chunks::<4>().0.iter().map(|&four| f32::from_le_bytes(four)));
            left -= piece.len() as u64;
        }
        Ok(numbers)
    }
}
