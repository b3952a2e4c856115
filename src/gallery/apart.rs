//! How far known photos, and the individuals on them, are from photos asked about: the one pass over a gallery that search,
//! proposals and calibrations are made of.

use rayon::prelude::*;

use crate::nn::ops::device;

use super::known::Known;

/// Known photos measured by one thread at a time; one such block is not worth waking others for.
const BLOCK: usize = 4096;
/// Photos asked about that are measured side by side: for few more memory is not worth it.
const SIDE_BY_SIDE: usize = 4;

/// Hands the distances of each photo of `query` to every row of `known` to `take`, one photo after the other. The embeddings
/// of `query` lie row after row, of `known.dims` values each.
pub(super) fn each_photo(known: &Known, query: &[f32], mut take: impl FnMut(&[f64])) {
    let dims = known.dims.max(1);
    for photos in query.chunks(dims * SIDE_BY_SIDE) {
        let count = photos.len() / dims;
        let apart = |rows: &[f32]| device::distances_on_cpu(photos, rows, dims);
        let blocks: Vec<Vec<f64>> = match known.len() {
            0..=BLOCK => vec![apart(&known.embeddings)],
            _ => known.embeddings.par_chunks(dims * BLOCK).map(apart).collect(),
        };
        for photo in 0..count {
            let of_photo = blocks.iter().flat_map(|block| &block[block.len() / count * photo..][..block.len() / count]);
            take(&of_photo.copied().collect::<Vec<f64>>());
        }
    }
}

/// How far the photos asked about are from each individual, as photo after photo is measured.
#[derive(Debug)]
pub(super) struct ByIndividual<'a> {
    known: &'a Known,
    sums: Vec<f64>,
    /// Of one photo, kept for the next.
    nearest: Vec<f64>,
    photos: usize,
}

impl<'a> ByIndividual<'a> {
    pub(super) fn new(known: &'a Known) -> ByIndividual<'a> {
        let individuals = known.individuals.len();
        ByIndividual { known, sums: vec![0.0; individuals], nearest: vec![0.0; individuals], photos: 0 }
    }

    /// The distances of another photo to every row, of which those that `counts` do.
    pub(super) fn take(&mut self, apart: &[f64], counts: impl Fn(usize) -> bool) {
        self.nearest.fill(f64::INFINITY);
        for (row, &apart) in apart.iter().enumerate() {
            let nearest = &mut self.nearest[self.known.photos[row].individual];
            if apart < *nearest && counts(row) {
                *nearest = apart;
            }
        }
        self.sums.iter_mut().zip(&self.nearest).for_each(|(sum, nearest)| *sum += nearest);
        self.photos += 1;
    }

    /// The mean, over the photos, of the distance to each individual's nearest photo; infinite where none counted.
    pub(super) fn means(mut self) -> Vec<f64> {
        self.sums.iter_mut().for_each(|sum| *sum /= self.photos as f64);
        self.sums
    }
}
