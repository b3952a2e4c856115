//! Euclidean distances of a few embeddings to many, in f64: what a ranking is made of.
//!
//! A sum has eight parts, of every eighth difference, added up in order at the end: the same bytes on any processor and
//! as the card's. Every square is added in one rounding (FMA), on every way: half the work of adders, and as well defined
//! as two. Loops are plain ones over arrays of eight, compiled for each way of [`Isa`]; a block of rows is widened once
//! for all queries.

use super::simd::{self, Isa, Kernel, Lanes};

/// Parts of a sum.
const PARTS: usize = 8;
/// Rows widened at once: half a megabyte of 512 values.
const BLOCK: usize = 128;
/// From so many queries on, to widen the rows takes less time than it saves.
const FEW: usize = 8;

/// Writes the distance of each of `queries` to each of `rows`, query by query, into `out`; both hold `width` values each.
pub fn distances(queries: &[f32], rows: &[f32], width: usize, out: &mut [f64]) {
    distances_by(simd::isa(), queries, rows, width, out);
}

/// The distance of two embeddings of equal width, to the byte as [`distances`] has it; symmetric, 0 for equal ones.
pub fn distance(a: &[f32], b: &[f32]) -> f64 {
    distance_by(simd::isa(), a, b)
}

fn distance_by(isa: Isa, a: &[f32], b: &[f32]) -> f64 {
    let mut out = 0.0;
    // SAFETY: `isa` is available, and the kernel holds no pointers.
    unsafe { simd::launch(isa, Pair { a, b, out: &mut out }) };
    out
}

struct Pair<'a> {
    a: &'a [f32],
    b: &'a [f32],
    out: &'a mut f64,
}

impl Kernel for Pair<'_> {
    #[inline(always)]
    unsafe fn run<L: Lanes>(self) {
        *self.out = apart(self.a, self.b);
    }
}

#[inline(always)]
fn apart(a: &[f32], b: &[f32]) -> f64 {
    let ((a, a_rest), (b, b_rest)) = (a.as_chunks::<PARTS>(), b.as_chunks::<PARTS>());
    let mut sums = [0.0; PARTS];
    for (x, y) in a.iter().zip(b) {
        for part in 0..PARTS {
            let difference = f64::from(x[part]) - f64::from(y[part]);
            sums[part] = difference.mul_add(difference, sums[part]);
        }
    }
    for ((sum, &x), &y) in sums.iter_mut().zip(a_rest).zip(b_rest) {
        let difference = f64::from(x) - f64::from(y);
        *sum = difference.mul_add(difference, *sum);
    }
    sums.iter().sum::<f64>().sqrt()
}

fn distances_by(isa: Isa, queries: &[f32], rows: &[f32], width: usize, out: &mut [f64]) {
    if width == 0 {
        return out.fill(0.0);
    }
    // SAFETY: `isa` is available, and the kernel holds no pointers.
    unsafe { simd::launch(isa, Table { queries, rows, width, out }) };
}

struct Table<'a> {
    queries: &'a [f32],
    rows: &'a [f32],
    width: usize,
    out: &'a mut [f64],
}

impl Kernel for Table<'_> {
    #[inline(always)]
    unsafe fn run<L: Lanes>(mut self) {
        let Table { queries, rows, width, out } = &mut self;
        if queries.len() < FEW * *width {
            let rows = rows.chunks_exact(*width);
            let pairs = queries.chunks_exact(*width).flat_map(|query| rows.clone().map(move |row| (query, row)));
            return out.iter_mut().zip(pairs).for_each(|(out, (query, row))| *out = apart(query, row));
        }
        // as many sums as there are registers for: one of AVX-512 holds the parts of one
        if L::REGISTERS == 32 { self.tiles::<4>() } else { self.tiles::<2>() }
    }
}

impl Table<'_> {
    /// Distances of `N` queries and `N` rows at a time.
    #[inline(always)]
    fn tiles<const N: usize>(self) {
        let Table { queries, rows, width, out } = self;
        let (asked, count, steps) = (queries.len() / width, rows.len() / width, width.div_ceil(PARTS));
        let (mut wide_queries, mut wide_rows) = (Vec::new(), Vec::new());
        widen::<N>(queries, width, &mut wide_queries);
        for (block, from) in rows.chunks(BLOCK * width).zip((0..count).step_by(BLOCK)) {
            widen::<N>(block, width, &mut wide_rows);
            for (a, q) in wide_queries.chunks_exact(steps).zip((0..asked).step_by(N)) {
                for (b, r) in wide_rows.chunks_exact(steps).zip((from..count).step_by(N)) {
                    for (i, sums) in squares(a, b).iter().enumerate().take(asked - q) {
                        for (j, parts) in sums.iter().enumerate().take(count - r) {
                            out[(q + i) * count + r + j] = parts.iter().sum::<f64>().sqrt();
                        }
                    }
                }
            }
        }
    }
}

/// Panels of `N` embeddings of `width` values in f64, side by side part for part; what is not there is 0.
#[inline(always)]
fn widen<const N: usize>(from: &[f32], width: usize, into: &mut Vec<[[f64; PARTS]; N]>) {
    let steps = width.div_ceil(PARTS);
    into.clear();
    into.resize((from.len() / width).div_ceil(N) * steps, [[0.0; PARTS]; N]);
    for (panel, wide) in from.chunks(N * width).zip(into.chunks_exact_mut(steps)) {
        for (i, embedding) in panel.chunks_exact(width).enumerate() {
            let (parts, rest) = embedding.as_chunks::<PARTS>();
            for (part, wide) in parts.iter().zip(&mut *wide) {
                wide[i] = part.map(f64::from);
            }
            if let Some(last) = wide.get_mut(parts.len()) {
                last[i].iter_mut().zip(rest).for_each(|(wide, &x)| *wide = f64::from(x));
            }
        }
    }
}

/// Sums of squared differences, in parts, of a panel of queries and one of rows: without an index that could be out of
/// bounds, or the sums would go through memory at each step, which takes as long as the sums.
#[inline(always)]
fn squares<const N: usize>(queries: &[[[f64; PARTS]; N]], rows: &[[[f64; PARTS]; N]]) -> [[[f64; PARTS]; N]; N] {
    let mut sums = [[[0.0; PARTS]; N]; N];
    for (a, b) in queries.iter().zip(rows) {
        for i in 0..N {
            for j in 0..N {
                for part in 0..PARTS {
                    let difference = a[i][part] - b[j][part];
                    sums[i][j][part] = difference.mul_add(difference, sums[i][j][part]);
                }
            }
        }
    }
    sums
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// The definition, one pair at a time.
    fn plain(a: &[f32], b: &[f32]) -> f64 {
        let mut sums = [0.0; PARTS];
        for (at, (x, y)) in a.iter().zip(b).enumerate() {
            let difference = f64::from(*x) - f64::from(*y);
            sums[at % PARTS] = difference.mul_add(difference, sums[at % PARTS]);
        }
        sums.iter().sum::<f64>().sqrt()
    }

    proptest! {
        #[test]
        fn every_way_gives_the_same_bytes_at_any_size(
            width in 1_usize..40,
            queries in 0_usize..14,
            rows in prop_oneof![0_usize..7, 125_usize..135],
            seed in 0_u32..1000,
        ) {
            let value = |i: usize| ((i as u32).wrapping_add(seed).wrapping_mul(2_654_435_761) >> 8) as f32 / 1e7 - 0.8;
            let asked: Vec<f32> = (0..queries * width).map(value).collect();
            let there: Vec<f32> = (0..rows * width).map(|i| value(i / 2 * 3)).collect();
            for &isa in Isa::available() {
                let mut found = vec![f64::NAN; queries * rows];
                distances_by(isa, &asked, &there, width, &mut found);
                for q in 0..queries {
                    for r in 0..rows {
                        let right = plain(&asked[q * width..][..width], &there[r * width..][..width]);
                        prop_assert_eq!(found[q * rows + r].to_bits(), right.to_bits(), "{:?} {} {}", isa, q, r);
                        let one = distance_by(isa, &asked[q * width..][..width], &there[r * width..][..width]);
                        prop_assert_eq!(one.to_bits(), right.to_bits(), "{:?} {} {}, by itself", isa, q, r);
                    }
                }
            }
        }
    }
}
