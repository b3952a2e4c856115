//! Euclidean distances of a few embeddings to many, in f64: what a ranking is made of.
//!
//! A sum has eight parts, of every eighth difference, added up in order at the end: the same bytes on any processor and
//! as the card's. Sums of two roundings, never of one (FMA), for the same reason; with FMA on every way the sums took a
//! quarter longer here. Loops are plain ones over arrays of eight, compiled for each way of [`Isa`]; a block of rows is
//! widened once for all queries.

use super::simd::{self, Isa, Kernel, Lanes};

/// Parts of a sum.
const PARTS: usize = 8;
/// Rows widened at once: half a megabyte of 512 values.
const BLOCK: usize = 128;
/// Queries, and rows, that are summed side by side at most.
const SIDE: usize = 4;

/// Writes the distance of each of `queries` to each of `rows`, query by query, into `out`; both hold `width` values each.
pub fn distances(queries: &[f32], rows: &[f32], width: usize, out: &mut [f64]) {
    distances_by(simd::isa(), queries, rows, width, out);
}

/// The distance of two embeddings of equal width, to the byte as [`distances`] has it; symmetric, 0 for equal ones.
pub fn distance(a: &[f32], b: &[f32]) -> f64 {
    distance_by(simd::isa(), a, b)
}

fn distance_by(isa: Isa, a: &[f32], b: &[f32]) -> f64 {
    let mut sums = [0.0; PARTS];
    // SAFETY: `isa` is available, and the kernel holds no pointers.
    unsafe { simd::launch(isa, Pair { a, b, sums: &mut sums }) };
    sums.iter().sum::<f64>().sqrt()
}

struct Pair<'a> {
    a: &'a [f32],
    b: &'a [f32],
    sums: &'a mut [f64; PARTS],
}

impl Kernel for Pair<'_> {
    #[inline(always)]
    unsafe fn run<L: Lanes>(self) {
        let mut sums = *self.sums;
        let mut add = |part: usize, x: f32, y: f32| {
            let difference = f64::from(x) - f64::from(y);
            sums[part] += difference * difference;
        };
        let ((a, a_rest), (b, b_rest)) = (self.a.as_chunks::<PARTS>(), self.b.as_chunks::<PARTS>());
        for (x, y) in a.iter().zip(b) {
            (0..PARTS).for_each(|part| add(part, x[part], y[part]));
        }
        a_rest.iter().zip(b_rest).enumerate().for_each(|(part, (&x, &y))| add(part, x, y));
        *self.sums = sums;
    }
}

fn distances_by(isa: Isa, queries: &[f32], rows: &[f32], width: usize, out: &mut [f64]) {
    if width == 0 {
        return out.fill(0.0);
    }
    let count = rows.len() / width;
    let (mut asked, mut there) = (Widened::of_width(width), Widened::of_width(width));
    // SAFETY: `isa` is available, and the kernel holds no pointers; the same holds below.
    unsafe { simd::launch(isa, Widen { from: queries, into: &mut asked }) };
    for (block, from) in rows.chunks(BLOCK * width).zip((0..count).step_by(BLOCK)) {
        // SAFETY: as above.
        unsafe { simd::launch(isa, Widen { from: block, into: &mut there }) };
        let block = Block { queries: &asked, rows: &there, out: &mut *out, from, count };
        // SAFETY: as above.
        unsafe { simd::launch(isa, block) };
    }
}

/// Embeddings in f64, each filled up with zeros to a multiple of [`PARTS`]; their number too, to one of [`SIDE`].
struct Widened {
    values: Vec<[f64; PARTS]>,
    width: usize,
    count: usize,
}

impl Widened {
    fn of_width(width: usize) -> Widened {
        Widened { values: Vec::new(), width, count: 0 }
    }

    fn at(&self, which: usize) -> &[[f64; PARTS]] {
        let steps = self.width.div_ceil(PARTS);
        &self.values[which * steps..][..steps]
    }
}

struct Widen<'a> {
    from: &'a [f32],
    into: &'a mut Widened,
}

impl Kernel for Widen<'_> {
    #[inline(always)]
    unsafe fn run<L: Lanes>(self) {
        let Widened { values, width, count } = self.into;
        let steps = width.div_ceil(PARTS);
        *count = self.from.len() / *width;
        values.resize(count.next_multiple_of(SIDE) * steps, [0.0; PARTS]);
        for (embedding, wide) in self.from.chunks_exact(*width).zip(values.chunks_exact_mut(steps)) {
            let (parts, rest) = embedding.as_chunks::<PARTS>();
            for (part, wide) in parts.iter().zip(&mut *wide) {
                *wide = part.map(f64::from);
            }
            if let Some(last) = wide.get_mut(parts.len()) {
                last.iter_mut().zip(rest).for_each(|(wide, &x)| *wide = f64::from(x));
            }
        }
    }
}

struct Block<'a> {
    queries: &'a Widened,
    rows: &'a Widened,
    out: &'a mut [f64],
    /// Place of the first row among all, and how many there are.
    from: usize,
    count: usize,
}

impl Kernel for Block<'_> {
    #[inline(always)]
    unsafe fn run<L: Lanes>(self) {
        // as many sums as there are registers for: one of AVX-512 holds the parts of one
        if L::REGISTERS == 32 { self.tiles::<SIDE>() } else { self.tiles::<2>() }
    }
}

impl Block<'_> {
    #[inline(always)]
    fn tiles<const N: usize>(self) {
        let Block { queries, rows, out, from, count } = self;
        for q in (0..queries.count).step_by(N) {
            for r in (0..rows.count).step_by(N) {
                let tile =
                    squares::<N>(std::array::from_fn(|i| queries.at(q + i)), std::array::from_fn(|i| rows.at(r + i)));
                for (i, sums) in tile.iter().enumerate().take(queries.count - q) {
                    for (j, parts) in sums.iter().enumerate().take(rows.count - r) {
                        out[(q + i) * count + from + r + j] = parts.iter().sum::<f64>().sqrt();
                    }
                }
            }
        }
    }
}

/// Sums of squared differences, in parts, of `N` queries and `N` rows.
#[inline(always)]
fn squares<const N: usize>(a: [&[[f64; PARTS]]; N], b: [&[[f64; PARTS]]; N]) -> [[[f64; PARTS]; N]; N] {
    let mut sums = [[[0.0; PARTS]; N]; N];
    let steps = a.iter().chain(&b).map(|x| x.len()).min().unwrap_or(0);
    let (a, b) = (a.map(|x| &x[..steps]), b.map(|x| &x[..steps]));
    for step in 0..steps {
        for i in 0..N {
            for j in 0..N {
                for part in 0..PARTS {
                    let difference = a[i][step][part] - b[j][step][part];
                    sums[i][j][part] += difference * difference;
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
            sums[at % PARTS] += difference * difference;
        }
        sums.iter().sum::<f64>().sqrt()
    }

    proptest! {
        #[test]
        fn every_way_gives_the_same_bytes_at_any_size(
            width in 1_usize..40,
            queries in 0_usize..7,
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
