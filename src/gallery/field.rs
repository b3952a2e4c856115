//! The scan of a large gallery: of photos asked about, the rows and the individuals that look nearest by the codes.

use std::cmp::Ordering;

use rayon::prelude::*;

use crate::nn::codes::CodedQuery;

use super::codes::{BLOCK, Codes};

/// Photos for which a block of codes is read once.
pub(super) const SIDE_BY_SIDE: usize = 8;
/// Parts of a scan at most, each with its own account of all individuals.
const MOST_PARTS: usize = 32;

/// Of no living photo.
pub(super) const GONE: u32 = u32::MAX;

/// A row, and its estimated cosine.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Looks {
    pub(super) row: u32,
    pub(super) cosine: f32,
}

impl Looks {
    /// The nearest first, ties to the earlier row.
    fn order(&self, other: &Looks) -> Ordering {
        other.cosine.total_cmp(&self.cosine).then(self.row.cmp(&other.row))
    }
}

/// The first `most` of `all`, in any order.
pub(super) fn keep_first(all: &mut Vec<Looks>, most: usize) {
    if all.len() > most {
        all.select_nth_unstable_by(most, Looks::order);
        all.truncate(most);
    }
}

/// What a scan found for one photo.
#[derive(Clone, Debug)]
pub(super) struct Found {
    /// The rows that look nearest.
    pub(super) rows: Vec<Looks>,
    /// Of each individual the cosine of its nearest row.
    pub(super) individuals: Vec<f32>,
    most: usize,
    /// What is not above it is not among the first.
    limit: f32,
}

impl Found {
    fn new(most: usize, individuals: usize) -> Found {
        let rows = Vec::with_capacity(2 * most);
        Found { rows, individuals: vec![f32::NEG_INFINITY; individuals], most, limit: f32::NEG_INFINITY }
    }

    fn take(&mut self, cosines: &[f32], first: usize, whose: &[u32]) {
        for ((row, &cosine), &who) in (first as u32..).zip(cosines).zip(whose) {
            let Some(nearest) = self.individuals.get_mut(who as usize) else { continue };
            *nearest = nearest.max(cosine);
            if cosine > self.limit {
                self.rows.push(Looks { row, cosine });
                if self.rows.len() == 2 * self.most {
                    self.settle();
                }
            }
        }
    }

    fn settle(&mut self) {
        keep_first(&mut self.rows, self.most);
        if self.rows.len() == self.most {
            self.limit = self.rows.iter().fold(f32::INFINITY, |least, looks| least.min(looks.cosine));
        }
    }

    fn with(mut self, other: Found) -> Found {
        self.rows.extend(other.rows);
        self.settle();
        self.individuals.iter_mut().zip(other.individuals).for_each(|(ours, theirs)| *ours = ours.max(theirs));
        self
    }
}

/// Of each query the `most` rows that look nearest, and how near each individual looks; `codes` are of `rows`, and `whose` says whose
/// a row is, a number below `individuals`, or [`GONE`].
pub(super) fn scan(
    (codes, rows): (&Codes, &[f32]),
    whose: &[u32],
    individuals: usize,
    queries: &[CodedQuery],
    most: usize,
) -> Vec<Found> {
    let blocks: Vec<usize> = (0..codes.blocks()).collect();
    let parts = (2 * rayon::current_num_threads()).min(MOST_PARTS);
    let of_part = |blocks: &[usize]| {
        let mut found = vec![Found::new(most, individuals); queries.len()];
        let mut cosines = Vec::new();
        for &block in blocks {
            let (first, records) = (block * BLOCK, codes.block(block, rows));
            cosines.resize(records.len() / codes.coder().record(), 0.0);
            for (query, found) in queries.iter().zip(&mut found) {
                query.estimate(records, &mut cosines);
                found.take(&cosines, first, &whose[first..]);
            }
        }
        found.iter_mut().for_each(Found::settle);
        found
    };
    let both = |a: Vec<Found>, b: Vec<Found>| a.into_iter().zip(b).map(|(a, b)| a.with(b)).collect();
    let found = blocks.par_chunks(blocks.len().div_ceil(parts).max(1)).map(of_part).reduce_with(both);
    found.unwrap_or_else(|| vec![Found::new(most, individuals); queries.len()])
}
