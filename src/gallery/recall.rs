//! How many of the ten nearest a search of a large gallery finds: measured on some of its own photos when its codes are written.
//!
//! Measured again when the gallery has grown by a quarter, it costs a photo that is added as much as measuring it against some
//! hundred others, however many there are.

use std::path::{Path, PathBuf};

use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use crate::nn::ops::device;
use crate::run::files;
use crate::run::lock::{self, Lock};

use super::codes::{self, Codes};
use super::field::{SIDE_BY_SIDE, scan};
use super::large::{MEASURED, distances};
use super::search::{NEAREST, Near, first};
use super::store::{Gallery, Standing};
use super::vectors::{Header, Rows, Vectors};
use super::writer::LOCK;
use super::{Error, Result};

/// Photos asked about.
const QUERIES: usize = 64;
/// Rows measured at once.
const BLOCK: usize = 4096;

/// A share that was measured.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Recall {
    /// Of the ten nearest, the share that was found, from 0 to 1.
    pub recall_at_10: f64,
    /// Photos that were asked about.
    pub queries: usize,
    /// Photos that the gallery had then, gone ones included.
    pub photos: usize,
}

#[derive(Serialize, Deserialize)]
struct Stored {
    /// Of which embeddings, as their header has it.
    gallery: String,
    #[serde(flatten)]
    recall: Recall,
}

/// The file beside the embeddings of a generation.
pub(super) fn file(folder: &Path, generation: u64) -> PathBuf {
    folder.join(format!("vectors-{generation}.recall.json"))
}

/// What was measured last; none where nothing was, or of other embeddings.
pub(super) fn read(folder: &Path, generation: u64, header: &Header) -> Option<Recall> {
    let stored: Stored = files::read_json_if_there(&file(folder, generation)).ok().flatten()?;
    let is_share = (0.0..=1.0).contains(&stored.recall.recall_at_10);
    (stored.gallery == header.gallery && is_share).then_some(stored.recall)
}

/// Brings the codes of a large gallery up to date, and measures what a search by them finds where that is due. The caller holds the
/// gallery's lock.
///
/// # Errors
/// When a file cannot be read or written.
pub(super) fn keep(gallery: &Gallery, above: u64) -> Result<()> {
    let Some(now) = Now::of(gallery, above)? else { return Ok(()) };
    codes::keep(&now.codes, &gallery.header, now.rows.numbers())?;
    match now.is_due(gallery) {
        true => Ok(files::replace_json(&file(gallery.folder(), now.generation), &now.measured(gallery))?),
        false => Ok(()),
    }
}

/// As [`keep`] of a gallery of more than `above` photos, by one who only reads it: what takes long is done before the gallery's lock
/// is taken, for the moment in which a whole file is put into its place. All codes there are read, so that damaged ones are made again.
///
/// # Errors
/// As [`keep`], and where somebody else holds the lock before or then, or the gallery was rebuilt meanwhile.
pub(super) fn keep_unless_busy(gallery: &Gallery, above: u64) -> Result<()> {
    drop(lock_of(gallery)?); // before anything is made that could not be kept
    let Some(now) = Now::of(gallery, above)? else { return Ok(()) };
    if !codes::are_whole(&now.codes, &gallery.header, now.rows.numbers()) {
        let mut held = None;
        codes::make_anew(&now.codes, &gallery.header, now.rows.numbers(), || {
            held = Some(lock_of(gallery).map_err(std::io::Error::other)?);
            Ok(())
        })?;
    }
    if now.is_due(gallery) {
        let measured = now.measured(gallery);
        let _lock = lock_of(gallery)?;
        files::replace_json(&file(gallery.folder(), now.generation), &measured)?;
    }
    Ok(())
}

/// The lock of a gallery that is still the one that was opened.
fn lock_of(gallery: &Gallery) -> Result<Lock> {
    let path = gallery.folder().join(LOCK);
    let busy = || Error::Busy { folder: gallery.folder().into() };
    if lock::is_held(&path)? {
        return Err(busy());
    }
    let lock = Lock::take(&path)?.ok_or_else(busy)?;
    gallery.standing_as_opened()?;
    Ok(lock)
}

/// The embeddings of a large gallery at one moment.
struct Now {
    generation: u64,
    rows: Rows,
    codes: PathBuf,
}

impl Now {
    /// None of a gallery of no more than `above` photos.
    fn of(gallery: &Gallery, above: u64) -> Result<Option<Now>> {
        let Standing { generation, rows, .. } = gallery.standing_as_opened()?;
        if rows <= above {
            return Ok(None);
        }
        let rows = Vectors::open(&gallery.vectors_file(generation), &gallery.header, false)?.rows(rows)?;
        Ok(Some(Now { generation, rows, codes: codes::file(gallery.folder(), generation) }))
    }

    /// Whether nothing was measured yet, or of another size.
    fn is_due(&self, gallery: &Gallery) -> bool {
        let photos = self.rows.numbers().len() / gallery.embedding().dims;
        read(gallery.folder(), self.generation, &gallery.header)
            .is_none_or(|before| before.photos > photos || photos >= before.photos.saturating_add(before.photos / 4))
    }

    fn measured(&self, gallery: &Gallery) -> Stored {
        let codes = Codes::kept(&self.codes, &gallery.header, self.rows.numbers()).complete(self.rows.numbers());
        Stored { gallery: gallery.header.gallery.clone(), recall: measured(&self.rows, &codes) }
    }
}

/// Asks about photos of the gallery itself, each left out of its own answer.
fn measured(rows: &Rows, codes: &Codes) -> Recall {
    let dims = codes.coder().dims();
    let photos = rows.numbers().len() / dims;
    let queries = QUERIES.min(photos);
    let asked: Vec<usize> = (0..queries).map(|at| at * photos / queries).collect();
    let embedding = |row: usize| &rows.numbers()[row * dims..][..dims];
    let whose = vec![0; photos];
    let (mut right, mut all) = (0, 0);
    let exact =
        exact(rows.numbers(), dims, &asked.iter().flat_map(|&row| embedding(row)).copied().collect::<Vec<_>>(), &asked);
    for (asked, exact) in asked.chunks(SIDE_BY_SIDE).zip(exact.chunks(SIDE_BY_SIDE)) {
        let coded: Vec<_> = asked.iter().map(|&row| codes.coder().query(embedding(row))).collect();
        for ((&row, exact), found) in
            asked.iter().zip(exact).zip(scan((codes, rows.numbers()), &whose, 1, &coded, MEASURED))
        {
            let mut found: Vec<u32> = found.rows.iter().map(|looks| looks.row).filter(|&r| r as usize != row).collect();
            found.sort_unstable();
            let apart = distances(rows, dims, embedding(row), &found).unwrap_or_default();
            right += as_near(apart.into_iter(), exact);
            all += exact.len();
        }
    }
    let recall_at_10 = if all == 0 { 1.0 } else { right as f64 / all as f64 };
    Recall { recall_at_10, queries, photos }
}

/// How many of `nearest` were found at the distances `found`: one as near as the last of them is as good.
pub(super) fn as_near(found: impl Iterator<Item = f64>, nearest: &[Near]) -> usize {
    let farthest = nearest.last().map_or(f64::INFINITY, |near| near.distance);
    found.filter(|&distance| distance <= farthest).count().min(nearest.len())
}

/// The ten rows that are nearest to each of `queries`, of `dims` numbers like them; `own` are rows that do not count, a query's own
/// each, if any.
pub(super) fn exact(rows: &[f32], dims: usize, queries: &[f32], own: &[usize]) -> Vec<Vec<Near>> {
    let of_block = |(block, numbers): (usize, &[f32])| -> Vec<Vec<Near>> {
        let apart = device::distances_on_cpu(queries, numbers, dims);
        let count = (numbers.len() / dims).max(1);
        let near = apart.chunks_exact(count).enumerate().map(|(query, apart)| {
            let near = (block * BLOCK..).zip(apart).map(|(row, &distance)| Near { row, distance });
            first(near.filter(|near| own.get(query) != Some(&near.row)).collect(), NEAREST)
        });
        near.collect()
    };
    let both = |a: Vec<Vec<Near>>, b: Vec<Vec<Near>>| {
        a.into_iter().zip(b).map(|(a, b)| first([a, b].concat(), NEAREST)).collect()
    };
    let found = rows.par_chunks(dims * BLOCK).enumerate().map(of_block).reduce_with(both);
    found.unwrap_or_default()
}
