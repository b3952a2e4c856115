//! The codes of a large gallery's embeddings, kept beside them: a search reads all of the codes and few of the embeddings.
//!
//! The file is made of the embeddings and can be made again: one that is missing, short, another gallery's or garbage costs a
//! minute's work and no result, since what a search tells was measured by the embeddings. Like theirs, its rows are those that the
//! database counts; they are written after it has counted them.

use std::path::{Path, PathBuf};

use rayon::prelude::*;

use crate::nn::codes::Coder;

use super::Result;
use super::mapped::Mapped;
use super::vectors::{Form, HEADER, Header, Vectors};

/// Rows in a block.
const BLOCK: usize = 4096;
/// Rows that are written at once.
const AT_ONCE: usize = 1 << 16;
/// Rows that are coded again to see whether a file is what it says.
const SAMPLE: usize = 64;

/// The file beside the embeddings of a generation.
pub(super) fn file(folder: &Path, generation: u64) -> PathBuf {
    folder.join(format!("vectors-{generation}.codes"))
}

/// The codes of some embeddings, row for row.
#[derive(Debug)]
pub(super) struct Codes {
    coder: Coder,
    kept: Option<Mapped>,
    /// Of the rows behind those in the file.
    rest: Vec<u8>,
}

impl Codes {
    /// The codes of `rows` that are in the file at `path`.
    pub(super) fn kept(path: &Path, header: &Header, rows: &[f32]) -> Codes {
        let coder = Coder::new(header.embedding.dims);
        let open = Vectors::open_as(Form::Codes(coder.record()), path, header, false);
        let kept = open.ok().and_then(|open| fitting(&open, &coder, rows));
        Codes { coder, kept, rest: Vec::new() }
    }

    /// Whether they are fewer than `rows`.
    pub(super) fn lack(&self, rows: &[f32]) -> bool {
        self.kept_rows() * self.coder.dims() < rows.len()
    }

    /// With those of `rows` that are not in the file, made now.
    pub(super) fn complete(mut self, rows: &[f32]) -> Codes {
        self.rest = coded(&self.coder, &rows[self.kept_rows() * self.coder.dims()..]);
        self
    }

    /// The codes of `rows` of `dims` numbers, made now.
    #[cfg(test)]
    pub(super) fn made(dims: usize, rows: &[f32]) -> Codes {
        let coder = Coder::new(dims);
        Codes { kept: None, rest: coded(&coder, rows), coder }
    }

    pub(super) fn coder(&self) -> &Coder {
        &self.coder
    }

    fn records(&self) -> &[u8] {
        self.kept.as_ref().map_or(&[], |kept| &kept.bytes()[HEADER as usize..])
    }

    fn kept_rows(&self) -> usize {
        self.records().len() / self.coder.record()
    }

    /// All of them in blocks, each with its first row.
    pub(super) fn blocks(&self) -> Vec<(usize, &[u8])> {
        let bytes = BLOCK * self.coder.record();
        let kept = (0..).step_by(BLOCK).zip(self.records().chunks(bytes));
        kept.chain((self.kept_rows()..).step_by(BLOCK).zip(self.rest.chunks(bytes))).collect()
    }

    /// That of a row.
    pub(super) fn record(&self, row: usize) -> &[u8] {
        let (records, row) = match row.checked_sub(self.kept_rows()) {
            None => (self.records(), row),
            Some(row) => (&self.rest[..], row),
        };
        &records[row * self.coder.record()..][..self.coder.record()]
    }
}

fn coded(coder: &Coder, rows: &[f32]) -> Vec<u8> {
    let of_block = |rows: &[f32]| {
        let mut records = Vec::with_capacity(rows.len() / coder.dims() * coder.record());
        rows.chunks_exact(coder.dims()).for_each(|row| coder.encode(row, &mut records));
        records
    };
    rows.par_chunks(coder.dims() * BLOCK / 4).map(of_block).collect::<Vec<_>>().concat()
}

/// The records in an open file, at most those of `rows`; none where they are not of them.
fn fitting(file: &Vectors, coder: &Coder, rows: &[f32]) -> Option<Mapped> {
    let there = file.there().ok()?.min((rows.len() / coder.dims()) as u64);
    let mapped = file.mapped(there).ok()?;
    let records = &mapped.bytes()[HEADER as usize..];
    let is_of = |row: usize| {
        let mut again = Vec::with_capacity(coder.record());
        coder.encode(&rows[row * coder.dims()..][..coder.dims()], &mut again);
        records[row * coder.record()..][..coder.record()] == again
    };
    let last = (there as usize).checked_sub(1);
    let fits = last.is_none_or(|last| (0..=SAMPLE).all(|at| is_of(last * at / SAMPLE)));
    fits.then_some(mapped)
}

/// Brings the file at `path` up to `rows`, all that the gallery counts. The caller holds the gallery's lock.
///
/// # Errors
/// When the file cannot be written.
pub(super) fn keep(path: &Path, header: &Header, rows: &[f32]) -> Result<()> {
    let coder = Coder::new(header.embedding.dims);
    let form = Form::Codes(coder.record());
    let open = Vectors::open_as(form, path, header, true).ok();
    let fitting = open.and_then(|open| {
        let there = fitting(&open, &coder, rows)?.bytes().len() - HEADER as usize;
        Some((open, there / coder.record()))
    });
    let (mut file, there) = match fitting {
        Some((file, there)) => {
            file.cut(there as u64)?;
            (file, there)
        }
        None => (Vectors::create_as(form, path, header)?, 0),
    };
    for rows in rows[there * coder.dims()..].chunks(coder.dims() * AT_ONCE) {
        file.append_bytes(&coded(&coder, rows))?;
    }
    Ok(())
}
