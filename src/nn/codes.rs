//! Embeddings in four bits a number, from which a cosine is estimated by a scan ([`ops::device::scan`](super::ops::device::scan)).
//!
//! A row is rotated at random, the same way for all, so that its numbers are spread evenly whatever network made it, and each is
//! rounded to one of sixteen steps. With the row's own factor, one over the product of the row and what the codes say of it, the estimate
//! of a cosine is unbiased (RaBitQ: Gao and Long, SIGMOD 2024, <https://arxiv.org/abs/2405.12497>; more bits than one: Gao et al. 2024,
//! <https://arxiv.org/abs/2409.09913>). Of 512 numbers it errs by .005 (one deviation). The rotation is of signs drawn at random and
//! Walsh-Hadamard transforms, which take n log n.

use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

use super::ops::device::{SCAN_FACTOR, SCAN_STEP};

/// Width of a step in standard deviations: the best of sixteen equal ones for a normal distribution (Max 1960, table II).
const STEP: f32 = 0.3352;
/// What signs are drawn with; another seed makes other codes.
const SEED: u64 = 0x0043_6172_6574_7461;
/// What a code stands for, less the code.
const MIDDLE: f32 = 7.5;

/// How embeddings of one width become codes.
#[derive(Clone, Debug)]
pub struct Coder {
    dims: usize,
    /// Numbers after the rotation: whole steps of the scan, those behind the embedding's are zero before it.
    width: usize,
    /// Of each round.
    signs: Vec<Vec<f32>>,
}

/// A query as the scan takes it.
#[derive(Clone, Debug)]
pub struct CodedQuery {
    numbers: Vec<i8>,
    /// One step of `numbers`.
    step: f32,
    shift: f32,
}

impl Coder {
    /// For embeddings of `dims` numbers.
    pub fn new(dims: usize) -> Coder {
        let width = dims.max(1).next_multiple_of(SCAN_STEP);
        let mut random = ChaCha8Rng::seed_from_u64(SEED);
        // one power of two is mixed by two rounds; else two overlapping ones take turns
        let rounds = if width.is_power_of_two() { 2 } else { 4 };
        let mut sign = || if random.random::<bool>() { 1.0 } else { -1.0 };
        let signs = (0..rounds).map(|_| (0..width).map(|_| sign()).collect()).collect();
        Coder { dims, width, signs }
    }

    /// Numbers in an embedding.
    pub fn dims(&self) -> usize {
        self.dims
    }

    /// Bytes of a row.
    pub fn record(&self) -> usize {
        SCAN_FACTOR + self.width / 2
    }

    fn rotated(&self, row: &[f32]) -> Vec<f32> {
        let mut numbers = row.to_vec();
        numbers.resize(self.width, 0.0);
        let block = (self.width + 1).next_power_of_two() / 2; // the largest that fits
        let scale = 1.0 / (block as f32).sqrt();
        for (round, signs) in self.signs.iter().enumerate() {
            numbers.iter_mut().zip(signs).for_each(|(x, sign)| *x *= sign);
            let from = if round % 2 == 0 { 0 } else { self.width - block };
            let block = &mut numbers[from..][..block];
            hadamard(block);
            block.iter_mut().for_each(|x| *x *= scale);
        }
        numbers
    }

    /// Appends the record of `row`, which has length 1.
    pub fn encode(&self, row: &[f32], into: &mut Vec<u8>) {
        let numbers = self.rotated(row);
        let step = STEP / (self.width as f32).sqrt();
        let code = |x: f32| (x / step + 8.0).floor().clamp(0.0, 15.0);
        let product: f32 = numbers.iter().map(|&x| x * (code(x) - MIDDLE)).sum();
        let factor = if product > 0.0 { 1.0 / product } else { 0.0 };
        into.extend(factor.to_le_bytes());
        let (low, high) = numbers.split_at(self.width / 2);
        into.extend(low.iter().zip(high).map(|(&low, &high)| code(low) as u8 | (code(high) as u8) << 4));
    }

    /// `query`, which has length 1, as the scan takes it.
    pub fn query(&self, query: &[f32]) -> CodedQuery {
        let numbers = self.rotated(query);
        let largest = numbers.iter().fold(0.0_f32, |most, x| most.max(x.abs()));
        let step = (largest / 127.0).max(f32::MIN_POSITIVE);
        let numbers: Vec<i8> = numbers.iter().map(|x| (x / step).round() as i8).collect();
        let sum: i32 = numbers.iter().map(|&x| i32::from(x)).sum();
        CodedQuery { numbers, step, shift: MIDDLE * sum as f32 }
    }
}

impl CodedQuery {
    /// Writes the estimated cosine of the query and each row of `records` into `out`.
    pub fn estimate(&self, records: &[u8], out: &mut [f32]) {
        super::ops::device::scan(records, &self.numbers, self.shift, out);
        out.iter_mut().for_each(|x| *x *= self.step);
    }
}

/// The Walsh-Hadamard transform, not scaled, of a power of two of numbers.
fn hadamard(numbers: &mut [f32]) {
    let mut half = 1;
    while half < numbers.len() {
        for pair in numbers.chunks_exact_mut(2 * half) {
            let (a, b) = pair.split_at_mut(half);
            a.iter_mut().zip(b).for_each(|(a, b)| (*a, *b) = (*a + *b, *a - *b));
        }
        half *= 2;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn unit(random: &mut ChaCha8Rng, dims: usize) -> Vec<f32> {
        let row: Vec<f32> = (0..dims).map(|_| random.random_range(-1.0_f32..1.0)).collect();
        let length = row.iter().map(|x| x * x).sum::<f32>().sqrt();
        row.iter().map(|x| x / length).collect()
    }

    fn dot(a: &[f32], b: &[f32]) -> f32 {
        a.iter().zip(b).map(|(a, b)| a * b).sum()
    }

    #[test]
    fn an_estimate_is_near_and_unbiased_at_any_width() {
        let mut random = ChaCha8Rng::seed_from_u64(3);
        for dims in [3, 64, 96, 128, 384, 512, 768] {
            let coder = Coder::new(dims);
            // all weight on few numbers as well, as behind a rectifier
            let sparse: Vec<f32> = (0..dims).map(|i| if i == 1 { 1.0 } else { 0.0 }).collect();
            let mut errors = Vec::new();
            for at in 0..200 {
                let (row, other) = (unit(&mut random, dims), unit(&mut random, dims));
                let query = if at % 4 == 0 { sparse.clone() } else { other };
                // about as near as another photo of one animal
                let near: Vec<f32> = row.iter().zip(&query).map(|(a, b)| a + 0.8 * b).collect();
                let near: Vec<f32> = near.iter().map(|x| x / dot(&near, &near).sqrt()).collect();
                let mut record = Vec::new();
                coder.encode(&near, &mut record);
                assert_eq!(record.len(), coder.record());
                let mut found = [0.0];
                coder.query(&query).estimate(&record, &mut found);
                errors.push(f64::from(found[0] - dot(&query, &near)));
            }
            let mean = errors.iter().sum::<f64>() / errors.len() as f64;
            let deviation = (errors.iter().map(|e| e * e).sum::<f64>() / errors.len() as f64).sqrt();
            let expected = 0.11 / (dims.max(64) as f64).sqrt();
            assert!(deviation < 1.3 * expected && mean.abs() < 0.3 * expected, "{dims}: {mean} {deviation} {expected}");
        }
    }

    #[test]
    fn a_rotation_keeps_lengths_and_angles() {
        let mut random = ChaCha8Rng::seed_from_u64(4);
        for dims in [1, 63, 65, 200, 512] {
            let coder = Coder::new(dims);
            let (a, b) = (unit(&mut random, dims), unit(&mut random, dims));
            let (x, y) = (coder.rotated(&a), coder.rotated(&b));
            assert!((dot(&x, &x) - 1.0).abs() < 1e-5 && (dot(&x, &y) - dot(&a, &b)).abs() < 1e-5, "{dims}");
        }
    }

    #[test]
    fn what_is_no_embedding_stops_nothing() {
        let coder = Coder::new(64);
        let mut records = Vec::new();
        for bad in [0.0, f32::NAN, f32::INFINITY] {
            coder.encode(&[bad; 64], &mut records);
            let mut found = [9.0; 1];
            coder.query(&[bad; 64]).estimate(&records[records.len() - coder.record()..], &mut found);
        }
        assert_eq!(records.len(), 3 * coder.record());
    }
}
