//! Blocks of up to two by two tile products, and their plain twin with the same order of sums: the same bytes.

use super::parts::LINE;
use super::simd::LANES;

/// One block: `rows` tiles of sixteen pixels times `columns` tiles of sixteen channels, summed over pairs of input
/// blocks and the taps of a window; distances in bytes.
pub(super) struct Block<'a> {
    /// The first line of the first pixel.
    pub(super) pixels: *const u8,
    /// From one pair of input blocks to the next.
    pub(super) pair: usize,
    /// From one part to the next, the high one first.
    pub(super) part: usize,
    /// From the pixel to what each tap sees.
    pub(super) taps: &'a [usize],
    /// Pairs of input blocks.
    pub(super) pairs: usize,
    /// `[pairs][taps][part, the high one first][columns][16 lines]`.
    pub(super) weights: *const u8,
    /// Tiles of pixels, one or two; the second lies sixteen lines on.
    pub(super) rows: usize,
    /// Tiles of channels, one or two.
    pub(super) columns: usize,
}

/// Values of a block's sums: `[2 tiles of pixels][2 of channels][16][16]`; those that a block lacks mean nothing.
pub(super) const SUMS: usize = 4 * LANES * LANES;

/// What multiplies tiles.
pub(super) trait Unit {
    /// Makes this thread ready.
    ///
    /// # Safety
    /// The processor must have the instructions; so for the others, which a thread calls between this and
    /// [`Unit::end`].
    unsafe fn begin();

    /// Gives up what [`Unit::begin`] took.
    ///
    /// # Safety
    /// That of [`Unit::begin`].
    unsafe fn end();

    /// The sums of `block` in parts of `PARTS` into [`SUMS`] values.
    ///
    /// # Safety
    /// The pointers must be good for what the sizes say.
    unsafe fn block<const PARTS: usize>(block: &Block, sums: *mut f32);
}

/// Tile products in plain Rust.
pub(super) struct Twin;

impl Unit for Twin {
    unsafe fn begin() {}

    unsafe fn end() {}

    unsafe fn block<const PARTS: usize>(block: &Block, sums: *mut f32) {
        let tile = LANES * LINE;
        // (part of the pixels, part of the weights), in the order in which they are added
        let products: &[(usize, usize)] = match PARTS {
            1 => &[(0, 0)],
            2 => &[(1, 0), (0, 0), (0, 1)],
            _ => &[(2, 0), (1, 1), (1, 0), (0, 0), (0, 1), (0, 2)],
        };
        for row in 0..block.rows {
            for column in 0..block.columns {
                let mut sum = [[0.0f32; LANES]; LANES];
                let mut step = 0;
                for pair in 0..block.pairs {
                    for &tap in block.taps {
                        for &(of_pixels, of_weights) in products {
                            let a = pair * block.pair + of_pixels * block.part + tap + row * tile;
                            let b = ((step * PARTS + of_weights) * block.columns + column) * tile;
                            // SAFETY: the caller's.
                            unsafe { multiply(block.pixels.add(a).cast(), block.weights.add(b).cast(), &mut sum) }
                        }
                        step += 1;
                    }
                }
                // SAFETY: the caller's.
                unsafe { sums.add((row * 2 + column) * LANES * LANES).cast::<[[f32; LANES]; LANES]>().write(sum) }
            }
        }
    }
}

/// `sums += a b` as `TDPBF16PS` does it: first and second halves of the dwords are summed apart from zero, then added
/// to each other and to what is there; numbers below the normal ones count as zero.
///
/// # Safety
/// Both pointers must be good for sixteen lines.
unsafe fn multiply(a: *const [u32; LANES], b: *const [u32; LANES], sums: &mut [[f32; LANES]; LANES]) {
    let halves = |dword: u32| [dword << 16, dword & 0xffff_0000].map(|bits| flushed(f32::from_bits(bits)));
    for (row, sums) in sums.iter_mut().enumerate() {
        let mut apart = [[0.0f32; 2]; LANES];
        for k in 0..LANES {
            // SAFETY: the caller's.
            let (x, line) = unsafe { (halves((*a.add(row))[k]), *b.add(k)) };
            for (apart, &w) in apart.iter_mut().zip(&line) {
                let w = halves(w);
                for half in 0..2 {
                    apart[half] = flushed(x[half].mul_add(w[half], apart[half]));
                }
            }
        }
        for (sum, apart) in sums.iter_mut().zip(apart) {
            *sum = flushed(flushed(*sum) + flushed(apart[0] + apart[1]));
        }
    }
}

fn flushed(x: f32) -> f32 {
    if x.is_subnormal() { 0.0f32.copysign(x) } else { x }
}
