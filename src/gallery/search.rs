//! The nearest known photos of photos asked about, and so the nearest individuals; exact.

use rayon::prelude::*;
use serde::Serialize;

use crate::nn::ops::device;

use super::apart::{ByIndividual, each_photo};
use super::known::Known;
use super::proposal::{Candidate, candidates};

/// How many of the nearest are kept.
pub const NEAREST: usize = 10;

/// A known photo, and how far it is.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Near {
    /// Its row in [`Known`], or in the file of a large gallery's embeddings.
    pub row: usize,
    /// Euclidean distance of the unit embeddings, 0 to 2; of several photos asked about together the nearest counts.
    pub distance: f64,
}

/// What is nearest to photos asked about together.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Nearest {
    /// The nearest photos, at most [`NEAREST`], ties to the one added earlier.
    pub photos: Vec<Near>,
    /// The nearest individuals, at most [`NEAREST`], each by its nearest photo.
    pub individuals: Vec<Near>,
    /// The individuals, in their order, as a proposal ranks them: see [`proposal`](super::proposal). All of them, or of a
    /// large gallery the nearest.
    pub(super) candidates: Vec<Candidate>,
}

/// Distances held at once.
const AT_ONCE: usize = 1 << 24;

/// The nearest to each of `queries`, whose embeddings are one or more rows of `known.dims` values each.
pub fn nearest(known: &Known, queries: &[&[f32]]) -> Vec<Nearest> {
    nearest_up_to(known, queries, NEAREST)
}

/// As [`nearest`], `keep` of each instead of [`NEAREST`].
pub(super) fn nearest_up_to(known: &Known, queries: &[&[f32]], keep: usize) -> Vec<Nearest> {
    let most = queries.iter().map(|query| query.len() / known.dims.max(1)).max().unwrap_or(1).max(1);
    let at_once = (AT_ONCE / (known.len().max(1) * most)).max(1);
    queries.chunks(at_once).flat_map(|queries| nearest_at_once(known, queries, keep)).collect()
}

fn nearest_at_once(known: &Known, queries: &[&[f32]], keep: usize) -> Vec<Nearest> {
    let dims = known.dims.max(1);
    if device::has_card() {
        let all: Vec<f32> = queries.concat();
        if let Some(found) = device::distances(&all, &known.embeddings, dims) {
            let mut found = found.chunks_exact(known.len().max(1));
            let of_query = |query: &&[f32]| {
                let mut measured = Measured::new(known);
                found.by_ref().take(query.len() / dims).for_each(|apart| measured.take(apart));
                measured.ranked(keep)
            };
            return queries.iter().map(of_query).collect();
        }
    }
    let of_query = |query: &&[f32]| {
        let mut measured = Measured::new(known);
        each_photo(known, query, |apart| measured.take(apart));
        measured.ranked(keep)
    };
    queries.par_iter().map(of_query).collect()
}

/// The distances of photos asked about together, as photo after photo is measured.
struct Measured<'a> {
    known: &'a Known,
    /// Of each row from the nearest of them.
    rows: Vec<f64>,
    individuals: ByIndividual<'a>,
}

impl<'a> Measured<'a> {
    fn new(known: &'a Known) -> Measured<'a> {
        Measured { known, rows: vec![f64::INFINITY; known.len()], individuals: ByIndividual::new(known) }
    }

    fn take(&mut self, apart: &[f64]) {
        self.rows.iter_mut().zip(apart).for_each(|(row, &apart)| *row = row.min(apart));
        self.individuals.take(apart, |_| true);
    }

    fn ranked(self, keep: usize) -> Nearest {
        Nearest { candidates: candidates(&self.individuals.means()), ..ranked(self.known, &self.rows, keep) }
    }
}

/// The first of all by `apart`, how far each row is.
fn ranked(known: &Known, apart: &[f64], keep: usize) -> Nearest {
    let photos = first(apart.iter().enumerate().map(|(row, &distance)| Near { row, distance }).collect(), keep);
    let mut of_individual: Vec<Option<Near>> = vec![None; known.individuals.len()];
    for (row, (&distance, photo)) in apart.iter().zip(&known.photos).enumerate() {
        let best = &mut of_individual[photo.individual];
        if best.is_none_or(|best| distance < best.distance) {
            *best = Some(Near { row, distance });
        }
    }
    Nearest { photos, individuals: first(of_individual.into_iter().flatten().collect(), keep), candidates: Vec::new() }
}

/// The first of them, at most `keep`, in order.
pub(super) fn first(mut all: Vec<Near>, keep: usize) -> Vec<Near> {
    let order = |a: &Near, b: &Near| a.distance.total_cmp(&b.distance).then(a.row.cmp(&b.row));
    if all.len() > keep {
        all.select_nth_unstable_by(keep, order);
        all.truncate(keep);
    }
    all.sort_by(order);
    all
}

#[cfg(test)]
mod tests {
    use super::super::known::KnownPhoto;
    use super::*;
    use crate::eval::retrieval::distance;
    use proptest::prelude::*;

    fn known(rows: &[(f32, usize)]) -> Known {
        let vectors = rows.iter().flat_map(|(angle, _)| [angle.cos(), angle.sin()]).collect();
        let individuals = rows.iter().map(|(_, who)| who + 1).max().unwrap_or(0);
        let photos = rows.iter().enumerate().map(|(row, &(_, individual))| {
            let id = row as u64 + 100;
            KnownPhoto { id, individual, encounter: row, side: None, trained: None }
        });
        Known::new(2, vectors, photos.collect(), (0..individuals).map(|i| format!("t{i}")).collect()).unwrap()
    }

    proptest! {
        #[test]
        fn it_is_what_sorting_all_distances_gives(
            rows in prop::collection::vec((0_u8..40, 0_usize..15), 1..60),
            asked in prop::collection::vec(prop::collection::vec(0_u8..40, 1..4), 1..5),
        ) {
            let rows: Vec<_> = rows.into_iter().map(|(angle, who)| (f32::from(angle) / 13.0, who)).collect();
            let known = known(&rows);
            let unit = |angle: u8| [(f32::from(angle) / 13.0).cos(), (f32::from(angle) / 13.0).sin()];
            let queries: Vec<Vec<f32>> = asked.iter().map(|of| of.iter().flat_map(|&a| unit(a)).collect()).collect();
            let found = nearest(&known, &queries.iter().map(Vec::as_slice).collect::<Vec<_>>());
            for (query, found) in queries.iter().zip(found) {
                let apart = |row| query.chunks(2).map(|q| distance(q, known.embedding(row))).fold(9.0, f64::min);
                let mut all: Vec<Near> = (0..known.len()).map(|row| Near { row, distance: apart(row) }).collect();
                all.sort_by(|a, b| a.distance.total_cmp(&b.distance).then(a.row.cmp(&b.row)));
                prop_assert_eq!(&found.photos[..], &all[..known.len().min(NEAREST)]);
                let mut seen = std::collections::HashSet::new();
                all.retain(|near| seen.insert(known.photos[near.row].individual));
                prop_assert_eq!(&found.individuals[..], &all[..all.len().min(NEAREST)]);
            }
        }
    }

    #[test]
    fn an_empty_gallery_has_no_nearest() {
        let known = Known { dims: 2, ..Known::default() };
        assert_eq!(nearest(&known, &[&[1.0, 0.0]]), [Nearest::default()]);
    }
}
