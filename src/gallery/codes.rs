//! The codes of a large gallery's embeddings, kept beside them: a search reads all of the codes and few of the embeddings.
//!
//! The file is made of the embeddings and can be made again: one that is missing, short, another gallery's or garbage costs a
//! minute's work and no result, since what a search tells was measured by the embeddings. It holds whole blocks of rows, each behind its
//! CRC-32, which is looked at when the block is read first: one that was damaged is made again. Rows behind the last whole block are
//! coded by whoever opens it. Like the embeddings, its rows are those that the database counts; they are written after it has counted
//! them.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, Ordering};

use rayon::prelude::*;

use crate::nn::codes::Coder;
use crate::run::files;

use super::Result;
use super::mapped::Mapped;
use super::vectors::{Form, HEADER, Header, Vectors, head};

/// Rows in a block; in tests few photos fill several.
pub(super) const BLOCK: usize = if cfg!(test) { 16 } else { 4096 };
/// Bytes of the checksum before a block.
pub(super) const SUM: usize = 4;
/// Blocks that are coded at once.
const AT_ONCE: usize = 16;
/// Rows that are coded again to see whether a file is what it says.
const SAMPLE: usize = 64;

/// The file beside the embeddings of a generation.
pub(super) fn file(folder: &Path, generation: u64) -> PathBuf {
    folder.join(format!("vectors-{generation}.codes"))
}

/// The codes of some embeddings, row for row. Whoever reads them hands over the embeddings, of which a damaged block is made again.
#[derive(Debug)]
pub(super) struct Codes {
    coder: Coder,
    kept: Option<Kept>,
    /// Of the rows behind those in the file.
    rest: Vec<u8>,
}

/// The blocks of a file.
#[derive(Debug)]
struct Kept {
    mapped: Mapped,
    /// Of each block that was read: what it is to be, where it was damaged.
    read: Vec<OnceLock<Option<Vec<u8>>>>,
    is_damaged: AtomicBool,
}

impl Codes {
    /// The codes of `rows` that are in the file at `path`.
    pub(super) fn kept(path: &Path, header: &Header, rows: &[f32]) -> Codes {
        let coder = Coder::new(header.embedding.dims);
        let open = Vectors::open_as(form(&coder), path, header, false);
        let kept = open.ok().and_then(|open| Kept::of(&open, &coder, rows));
        Codes { coder, kept, rest: Vec::new() }
    }

    /// Whether there are fewer in the file than `rows` have whole blocks, or some that were read were damaged.
    pub(super) fn lack(&self, rows: &[f32]) -> bool {
        self.kept_blocks() < whole_blocks(&self.coder, rows) || self.is_damaged()
    }

    /// Whether something that was read in the file was damaged.
    pub(super) fn is_damaged(&self) -> bool {
        self.kept.as_ref().is_some_and(|kept| kept.is_damaged.load(Ordering::Relaxed))
    }

    /// With those of `rows` that are not in the file, made now.
    pub(super) fn complete(mut self, rows: &[f32]) -> Codes {
        self.rest = coded(&self.coder, &rows[self.kept_blocks() * BLOCK * self.coder.dims()..]);
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

    fn kept_blocks(&self) -> usize {
        self.kept.as_ref().map_or(0, |kept| kept.read.len())
    }

    /// How many blocks there are, all of [`BLOCK`] rows but for the last.
    pub(super) fn blocks(&self) -> usize {
        self.kept_blocks() + self.rest.len().div_ceil(BLOCK * self.coder.record())
    }

    /// The records of a block, of `rows`.
    pub(super) fn block(&self, block: usize, rows: &[f32]) -> &[u8] {
        if let Some(kept) = self.kept.as_ref().filter(|kept| block < kept.read.len()) {
            return kept.block(block, &self.coder, rows);
        }
        let rest = &self.rest[(block - self.kept_blocks()) * BLOCK * self.coder.record()..];
        &rest[..rest.len().min(BLOCK * self.coder.record())]
    }

    /// The record of a row, of `rows`.
    pub(super) fn record(&self, row: usize, rows: &[f32]) -> &[u8] {
        &self.block(row / BLOCK, rows)[row % BLOCK * self.coder.record()..][..self.coder.record()]
    }
}

impl Kept {
    /// The blocks in an open file, at most those of `rows`; none where they are not of them.
    fn of(file: &Vectors, coder: &Coder, rows: &[f32]) -> Option<Kept> {
        let blocks = (file.there().ok()? as usize).min(whole_blocks(coder, rows));
        let mapped = file.mapped(blocks as u64).ok()?;
        let read = (0..blocks).map(|_| OnceLock::new()).collect();
        let kept = Kept { mapped, read, is_damaged: AtomicBool::new(false) };
        let last = (blocks * BLOCK).checked_sub(1);
        let is_of = |row: usize| {
            let again = coded_here(coder, &rows[row * coder.dims()..][..coder.dims()]);
            let is_again = |records: &[u8]| records[row % BLOCK * coder.record()..][..coder.record()] == again;
            // a damaged block is made again as any other
            is_again(kept.records(row / BLOCK, coder)) || is_again(kept.block(row / BLOCK, coder, rows))
        };
        let fits = last.is_none_or(|last| (0..=SAMPLE).all(|at| is_of(last * at / SAMPLE)));
        fits.then_some(kept)
    }

    /// A block with its checksum as it lies in the file.
    fn bytes(&self, block: usize, coder: &Coder) -> &[u8] {
        let bytes = SUM + BLOCK * coder.record();
        &self.mapped.bytes()[HEADER as usize + block * bytes..][..bytes]
    }

    fn records(&self, block: usize, coder: &Coder) -> &[u8] {
        &self.bytes(block, coder)[SUM..]
    }

    fn block(&self, block: usize, coder: &Coder, rows: &[f32]) -> &[u8] {
        let again = self.read[block].get_or_init(|| {
            let (sum, records) = self.bytes(block, coder).split_at(SUM);
            if crc32fast::hash(records).to_le_bytes() == sum {
                return None;
            }
            self.is_damaged.store(true, Ordering::Relaxed);
            // on this thread: one that waits for others here could be asked for this block
            Some(coded_here(coder, rows_of(block, coder, rows)))
        });
        again.as_deref().unwrap_or_else(|| self.records(block, coder))
    }
}

fn form(coder: &Coder) -> Form {
    Form::Codes(SUM + BLOCK * coder.record())
}

fn whole_blocks(coder: &Coder, rows: &[f32]) -> usize {
    rows.len() / (coder.dims().max(1) * BLOCK)
}

fn rows_of<'a>(block: usize, coder: &Coder, rows: &'a [f32]) -> &'a [f32] {
    &rows[block * BLOCK * coder.dims()..][..BLOCK * coder.dims()]
}

fn coded_here(coder: &Coder, rows: &[f32]) -> Vec<u8> {
    let mut records = Vec::with_capacity(rows.len() / coder.dims() * coder.record());
    rows.chunks_exact(coder.dims()).for_each(|row| coder.encode(row, &mut records));
    records
}

fn coded(coder: &Coder, rows: &[f32]) -> Vec<u8> {
    let few = coder.dims() * BLOCK.div_ceil(4);
    rows.par_chunks(few).map(|rows| coded_here(coder, rows)).collect::<Vec<_>>().concat()
}

/// Blocks as they lie in a file, of which those of `kept` are taken from there as far as they are right.
fn made(blocks: std::ops::Range<usize>, coder: &Coder, rows: &[f32], kept: Option<&Kept>) -> Vec<u8> {
    let block = |block: usize| {
        let records = match kept.filter(|kept| block < kept.read.len()) {
            Some(kept) => kept.block(block, coder, rows).to_vec(),
            None => coded_here(coder, rows_of(block, coder, rows)),
        };
        [&crc32fast::hash(&records).to_le_bytes()[..], &records].concat()
    };
    blocks.into_par_iter().map(block).collect::<Vec<_>>().concat()
}

/// Brings the file at `path` up to `rows`, all that the gallery counts. The caller holds the gallery's lock.
///
/// # Errors
/// When the file cannot be written.
pub(super) fn keep(path: &Path, header: &Header, rows: &[f32]) -> Result<()> {
    let coder = Coder::new(header.embedding.dims);
    let all = whole_blocks(&coder, rows);
    let open = Vectors::open_as(form(&coder), path, header, true).ok();
    let fitting = open.and_then(|open| Kept::of(&open, &coder, rows).map(|kept| (open, kept)));
    let Some((mut file, there)) = fitting.and_then(|(open, kept)| {
        let is_right = !kept.is_damaged.load(Ordering::Relaxed);
        is_right.then_some((open, kept.read.len()))
    }) else {
        files::sweep(path); // what was left by who was killed at making it
        return make_anew(path, header, rows, || Ok(()));
    };
    files::sweep_old(path); // and by readers who were
    file.cut(there as u64)?;
    for from in (there..all).step_by(AT_ONCE) {
        file.append_bytes(&made(from..all.min(from + AT_ONCE), &coder, rows, None))?;
    }
    Ok(())
}

/// Makes the file at `path` of `rows`, all at once, with what is right in the one that is there; `may` is asked when all is written, and
/// says no with an error.
///
/// # Errors
/// When the file cannot be written, or as `may` says; what was there stays.
pub(super) fn make_anew(
    path: &Path,
    header: &Header,
    rows: &[f32],
    may: impl FnOnce() -> io::Result<()>,
) -> Result<()> {
    let coder = Coder::new(header.embedding.dims);
    let all = whole_blocks(&coder, rows);
    let kept = Codes::kept(path, header, rows).kept;
    let head = head(form(&coder), path, header)?;
    let write = |out: &mut dyn io::Write| {
        out.write_all(&head)?;
        (0..all)
            .step_by(AT_ONCE)
            .try_for_each(|from| out.write_all(&made(from..all.min(from + AT_ONCE), &coder, rows, kept.as_ref())))
    };
    Ok(files::replace_when(path, write, may)?)
}

/// Whether the file at `path` has all whole blocks of `rows`, and each is right.
pub(super) fn are_whole(path: &Path, header: &Header, rows: &[f32]) -> bool {
    let codes = Codes::kept(path, header, rows);
    if codes.lack(rows) {
        return false;
    }
    (0..codes.kept_blocks()).into_par_iter().for_each(|block| _ = codes.block(block, rows));
    !codes.is_damaged()
}
