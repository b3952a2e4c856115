//! A gallery too large to measure all of it for every photo: a scan of four-bit codes ([`field`](super::field)) says what looks
//! near, and that is measured as in any other ([`search`](super::search)), from embeddings read where they lie.
//!
//! What it tells is exact, what it leaves out is not: how many of the ten nearest it finds was measured on the gallery's own
//! photos ([`recall`](super::recall)), and whoever tells a result tells that too.

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};

use rayon::prelude::*;

use crate::nn::ops::device;

use super::codes::{self, Codes};
use super::field::{Found, GONE, Looks, SIDE_BY_SIDE, keep_first, scan};
use super::known::{Known, KnownPhoto};
use super::owners::Owners;
use super::proposal::Candidate;
use super::recall::{self, Recall};
use super::search::{NEAREST, Near, Nearest, first};
use super::store::{Counts, Gallery, Standing, is_unit};
use super::vectors::{Rows, Vectors};
use super::{Error, Result};

/// Photos up to which all of a gallery is measured: at 512 dimensions 19 ms a photo, and a tenth of a second to read.
pub const EXACT_UP_TO: u64 = 50_000;
/// Rows that are measured for photos asked about together. The ten nearest of a million random embeddings, which are harder than
/// any animal's, were among the first fifty.
pub(super) const MEASURED: usize = 256;
/// Individuals that are measured by all their photos; ten are told, six count for a decision.
const INDIVIDUALS: usize = 32;
/// Photos of one of them that are measured, those that look nearest to each photo asked about.
const OF_ONE: usize = 32;

/// An open gallery of many photos.
#[derive(Debug)]
pub struct Large {
    /// The gallery's.
    folder: PathBuf,
    path: PathBuf,
    dims: usize,
    rows: Rows,
    codes: Codes,
    owners: Owners,
    recall: Option<Recall>,
    /// Whether it was tried to put codes that were damaged right.
    is_mended: AtomicBool,
}

impl Large {
    /// All of `gallery`. Codes that are not beside it are made, and kept there where that can be written.
    ///
    /// # Errors
    /// When a file cannot be read or is damaged.
    pub(super) fn open(gallery: &Gallery) -> Result<Large> {
        let moment = gallery.facts.told(gallery.facts.connection.unchecked_transaction())?;
        let Standing { generation, rows, .. } = gallery.standing_as_opened()?;
        let owners = gallery.facts.told(Owners::read(&moment, rows))?;
        drop(moment);
        let owners = owners.ok_or_else(|| {
            let reason = "a photo has no embedding".to_owned();
            Error::Damaged { path: gallery.facts.path().into(), reason }
        })?;
        let path = gallery.vectors_file(generation);
        let rows = Vectors::open(&path, &gallery.header, false)?.rows(rows)?;
        rows.read_here_and_there();
        let kept = codes::file(gallery.folder(), generation);
        let mut codes = Codes::kept(&kept, &gallery.header, rows.numbers());
        let measured = || recall::read(gallery.folder(), generation, &gallery.header);
        let is_due = codes.lack(rows.numbers()) || measured().is_none();
        if is_due && recall::keep_unless_busy(gallery, 0).is_ok() {
            codes = Codes::kept(&kept, &gallery.header, rows.numbers());
        }
        let codes = codes.complete(rows.numbers());
        let (folder, is_mended) = (gallery.folder().to_path_buf(), AtomicBool::new(false));
        Ok(Large { folder, path, dims: gallery.embedding().dims, rows, codes, owners, recall: measured(), is_mended })
    }

    /// All of `known`, in memory.
    #[cfg(test)]
    pub(super) fn of(known: &Known) -> Large {
        let whose = known.photos.iter().map(|photo| photo.individual as u32).collect();
        let ids = known.photos.iter().map(|photo| photo.id).collect();
        Large {
            folder: PathBuf::new(),
            path: PathBuf::new(),
            dims: known.dims,
            rows: Rows::Held(known.embeddings.clone()),
            codes: Codes::made(known.dims, &known.embeddings),
            owners: Owners::new(whose, ids, known.individuals.clone(), Counts::default()),
            recall: None,
            is_mended: AtomicBool::new(false),
        }
    }

    /// Names of the individuals; what is told of one is a place in here.
    pub fn individuals(&self) -> &[String] {
        &self.owners.names
    }

    /// Its size.
    pub fn counts(&self) -> Counts {
        self.owners.counts
    }

    /// The share of the ten nearest that a search finds; none where nobody has measured it.
    pub fn recall(&self) -> Option<Recall> {
        self.recall
    }

    /// Numbers in an embedding.
    pub(super) fn dims(&self) -> usize {
        self.dims
    }

    /// The photos that are there: row, number, and whose.
    pub(super) fn photos(&self) -> impl Iterator<Item = (usize, u64, usize)> {
        let all = self.owners.ids.iter().zip(&self.owners.whose).enumerate();
        all.filter(|(_, (_, whose))| **whose != GONE).map(|(row, (&id, &whose))| (row, id, whose as usize))
    }

    /// Rows, those of photos that are gone included.
    pub(super) fn rows(&self) -> usize {
        self.owners.ids.len()
    }

    /// The gallery that some of the rows make, to measure, each an encounter of its own.
    ///
    /// # Errors
    /// As [`Known::new`].
    pub(super) fn part(&self, rows: &[usize]) -> Result<Known> {
        let (mut places, mut names, mut photos) = (HashMap::new(), Vec::new(), Vec::with_capacity(rows.len()));
        for (encounter, &row) in rows.iter().enumerate() {
            let individual = *places.entry(self.whose(row)).or_insert_with_key(|&whose| {
                names.push(self.individuals()[whose].clone());
                names.len() - 1
            });
            photos.push(KnownPhoto { id: self.id(row), individual, encounter, side: None, trained: None });
        }
        let embeddings = rows.iter().flat_map(|&row| &self.rows.numbers()[row * self.dims..][..self.dims]);
        Known::new(self.dims, embeddings.copied().collect(), photos, names)
    }

    /// Whose photo `row` is, which [`Large::nearest`] told: a place in [`Large::individuals`].
    pub(super) fn whose(&self, row: usize) -> usize {
        self.owners.whose[row] as usize
    }

    /// The rows of `individual`, in order; all have one.
    pub(super) fn rows_of(&self, individual: usize) -> Vec<usize> {
        self.owners.rows_of(individual).iter().map(|&row| row as usize).collect()
    }

    /// The row of the photo of number `id`, and whose it is; none where it is gone.
    pub(super) fn row_of(&self, id: u64) -> Option<(usize, usize)> {
        let row = self.owners.ids.binary_search(&id).ok()?;
        let whose = self.owners.whose[row];
        (whose != GONE).then_some((row, whose as usize))
    }

    /// The number of the photo in `row`.
    pub(super) fn id(&self, row: usize) -> u64 {
        self.owners.ids[row]
    }

    /// The nearest to each of `queries`, whose embeddings are one or more rows of the gallery's dimensions.
    ///
    /// # Errors
    /// When an embedding of the gallery is none.
    pub(super) fn nearest(&self, queries: &[&[f32]]) -> Result<Vec<Nearest>> {
        self.nearest_up_to(queries, NEAREST)
    }

    /// As [`Large::nearest`], `keep` of each instead of [`NEAREST`], as far as so many are measured.
    ///
    /// # Errors
    /// As [`Large::nearest`].
    pub(super) fn nearest_up_to(&self, queries: &[&[f32]], keep: usize) -> Result<Vec<Nearest>> {
        let photos: Vec<&[f32]> = queries.iter().flat_map(|query| query.chunks_exact(self.dims)).collect();
        let mut found = photos.chunks(SIDE_BY_SIDE).flat_map(|photos| {
            let coded: Vec<_> = photos.iter().map(|photo| self.codes.coder().query(photo)).collect();
            scan((&self.codes, self.rows.numbers()), &self.owners.whose, self.owners.names.len(), &coded, MEASURED)
        });
        let looks = |query: &&[f32]| {
            let mut together = Together::default();
            found.by_ref().take(query.len() / self.dims).for_each(|found| together.take(found));
            (together.first(INDIVIDUALS), together.rows)
        };
        let looks: Vec<(Vec<usize>, Vec<Looks>)> = queries.iter().map(looks).collect();
        if self.codes.is_damaged() && !self.is_mended.swap(true, Ordering::Relaxed) {
            // for the next one who opens it; where that cannot be, the answer is as right
            let _ = Gallery::open(&self.folder).and_then(|gallery| recall::keep_unless_busy(&gallery, 0));
        }
        queries
            .par_iter()
            .zip(looks)
            .map(|(query, (individuals, rows))| self.measured(query, (&individuals, &rows), keep))
            .collect()
    }

    /// The individuals and rows that look near to the photos of `query`, measured.
    fn measured(&self, query: &[f32], (individuals, rows): (&[usize], &[Looks]), keep: usize) -> Result<Nearest> {
        let coded: Vec<_> = query.chunks_exact(self.dims).map(|photo| self.codes.coder().query(photo)).collect();
        let mut of_individuals = Vec::with_capacity(individuals.len());
        for &individual in individuals {
            let rows = self.owners.rows_of(individual);
            if rows.len() <= OF_ONE {
                of_individuals.push(rows.to_vec());
                continue;
            }
            let mut counted = Vec::new();
            for photo in &coded {
                let look = |&row: &u32| {
                    let mut cosine = [0.0];
                    photo.estimate(self.codes.record(row as usize, self.rows.numbers()), &mut cosine);
                    Looks { row, cosine: cosine[0] }
                };
                let mut looks: Vec<Looks> = rows.iter().map(look).collect();
                keep_first(&mut looks, OF_ONE);
                counted.extend(looks.iter().map(|looks| looks.row));
            }
            of_individuals.push(counted);
        }
        let mut rows: Vec<u32> = rows.iter().map(|looks| looks.row).collect();
        of_individuals.iter().for_each(|of_one| rows.extend(of_one));
        rows.sort_unstable();
        rows.dedup();
        let apart = distances(&self.rows, self.dims, query, &rows).map_err(|row| {
            let reason = format!("the embedding of photo {} is not of length 1", self.id(row as usize));
            Error::Damaged { path: self.path.clone(), reason }
        })?;
        let apart: Vec<&[f64]> = apart.chunks_exact(rows.len().max(1)).collect();
        let place = |row: &u32| rows.partition_point(|other| other < row);
        let candidate = |(&individual, rows): (&usize, &Vec<u32>)| {
            let places: Vec<usize> = rows.iter().map(place).collect();
            let nearest = |apart: &&[f64]| places.iter().map(|&at| apart[at]).fold(f64::INFINITY, f64::min);
            let sum: f64 = apart.iter().map(nearest).sum();
            Candidate { individual, distance: sum / apart.len() as f64 }
        };
        let mut candidates: Vec<Candidate> = individuals.iter().zip(&of_individuals).map(candidate).collect();
        candidates.sort_by_key(|candidate| candidate.individual);
        let near = |(at, &row): (usize, &u32)| {
            let distance = apart.iter().map(|apart| apart[at]).fold(f64::INFINITY, f64::min);
            Near { row: row as usize, distance }
        };
        let near: Vec<Near> = rows.iter().enumerate().map(near).collect();
        let mut whose: Vec<(u32, Near)> = near.iter().map(|near| (self.owners.whose[near.row], *near)).collect();
        // of each individual the first of the nearest
        whose.sort_by(|a, b| a.0.cmp(&b.0).then(a.1.distance.total_cmp(&b.1.distance)));
        whose.dedup_by_key(|(who, _)| *who);
        let individuals = first(whose.into_iter().map(|(_, near)| near).collect(), keep);
        Ok(Nearest { photos: first(near, keep), individuals, candidates })
    }
}

/// Distances of the photos of `query` to `rows`, photo by photo.
///
/// # Errors
/// The first row that is of another length than 1.
pub(super) fn distances(all: &Rows, dims: usize, query: &[f32], rows: &[u32]) -> std::result::Result<Vec<f64>, u32> {
    let mut numbers = Vec::with_capacity(rows.len() * dims);
    for &row in rows {
        let embedding = &all.numbers()[row as usize * dims..][..dims];
        if !is_unit(embedding) {
            return Err(row);
        }
        numbers.extend_from_slice(embedding);
    }
    Ok(device::distances_on_cpu(query, &numbers, dims))
}

/// What was found for photos asked about together.
#[derive(Default)]
struct Together {
    /// What looks nearest to any of them.
    rows: Vec<Looks>,
    /// Of each individual the sum of its estimated distances.
    sums: Vec<f32>,
}

impl Together {
    fn take(&mut self, found: Found) {
        self.sums.resize(found.individuals.len(), 0.0);
        // the distance of unit vectors
        let apart = found.individuals.iter().map(|cosine| (2.0 - 2.0 * cosine).max(0.0).sqrt());
        self.sums.iter_mut().zip(apart).for_each(|(sum, apart)| *sum += apart);
        self.rows.extend(found.rows);
        // by the photo that it looks nearest to
        self.rows.sort_unstable_by(|a, b| a.row.cmp(&b.row).then(b.cosine.total_cmp(&a.cosine)));
        self.rows.dedup_by_key(|looks| looks.row);
        keep_first(&mut self.rows, MEASURED);
    }

    /// The individuals that look nearest.
    fn first(&self, most: usize) -> Vec<usize> {
        let mut all: Vec<usize> = (0..self.sums.len()).collect();
        let order = |a: &usize, b: &usize| self.sums[*a].total_cmp(&self.sums[*b]).then(a.cmp(b));
        if all.len() > most {
            all.select_nth_unstable_by(most, order);
            all.truncate(most);
        }
        all
    }
}
