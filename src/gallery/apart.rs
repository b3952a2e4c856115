//! How far known photos, and the individuals on them, are from photos asked about: the one pass over a gallery that search,
//! proposals and calibrations are made of.

use rayon::prelude::*;

use crate::nn::ops::device;

use super::known::Known;

/// Known photos measured by one thread at a time; one such block is not worth waking others for.
const BLOCK: usize = 4096;
/// Photos asked about that are measured side by side: for few more memory is not worth it.
const SIDE_BY_SIDE: usize = 4;
/// The same of many encounters: what is computed counts then, not what is read.
const OF_MANY: usize = 16;

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

/// How far each of `encounters`, which are embeddings of photos row after row, is from each individual, as [`ByIndividual`] has it,
/// by the rows that `counts` for it: the place of the encounter, then the row. On the calling thread.
pub(super) fn each_encounter(
    known: &Known,
    encounters: &[Vec<f32>],
    counts: impl Fn(usize, usize) -> bool,
) -> Vec<Vec<f64>> {
    let (dims, individuals) = (known.dims.max(1), known.individuals.len().max(1));
    let mut means = vec![vec![0.0; known.individuals.len()]; encounters.len()];
    let of_encounter = |(of, photos): (usize, &'_ Vec<f32>)| (of, photos.len() / dims);
    let whose: Vec<usize> =
        encounters.iter().enumerate().map(of_encounter).flat_map(|(of, photos)| vec![of; photos]).collect();
    for (whose, photos) in whose.chunks(OF_MANY).zip(encounters.concat().chunks(OF_MANY * dims)) {
        let mut nearest = vec![f64::INFINITY; whose.len() * individuals];
        for (first, rows) in (0..).step_by(BLOCK).zip(known.embeddings.chunks(dims * BLOCK)) {
            let apart = device::distances_on_cpu(photos, rows, dims);
            let of_photo = apart.chunks_exact(rows.len() / dims).zip(nearest.chunks_exact_mut(individuals));
            for (&of, (apart, nearest)) in whose.iter().zip(of_photo) {
                for (row, &apart) in (first..).zip(apart) {
                    let nearest = &mut nearest[known.photos[row].individual];
                    if apart < *nearest && counts(of, row) {
                        *nearest = apart;
                    }
                }
            }
        }
        for (&of, nearest) in whose.iter().zip(nearest.chunks_exact(individuals)) {
            means[of].iter_mut().zip(nearest).for_each(|(sum, nearest)| *sum += nearest);
        }
    }
    for (means, photos) in means.iter_mut().zip(encounters) {
        means.iter_mut().for_each(|sum| *sum /= (photos.len() / dims) as f64);
    }
    means
}

#[cfg(test)]
mod tests {
    use super::super::testing::drawn;
    use super::*;

    #[test]
    fn many_encounters_at_once_are_as_far_to_the_bit_as_each_alone() {
        let known = drawn(1400, 4, 0.3, 3); // more than a block
        let photos = |from: usize, count: usize| known.embeddings[from * known.dims..][..count * known.dims].to_vec();
        // one of more photos than are measured side by side, too
        let encounters: Vec<Vec<f32>> = [1, 3, 2, 21, 1].iter().map(|&count| photos(50 * count, count)).collect();
        let counts = |of: usize, row: usize| !row.is_multiple_of(of + 2);
        let found = each_encounter(&known, &encounters, counts);
        for (of, (photos, found)) in encounters.iter().zip(&found).enumerate() {
            let mut alone = ByIndividual::new(&known);
            each_photo(&known, photos, |apart| alone.take(apart, |row| counts(of, row)));
            assert_eq!(*found, alone.means(), "{of}");
        }
        assert!(each_encounter(&known, &[], |_, _| true).is_empty());
    }
}
