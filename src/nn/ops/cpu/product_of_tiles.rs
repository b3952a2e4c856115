//! Blocks of up to two by two tile products, and their plain twin with the same order of sums: the same bytes.

use super::simd::LANES;

/// One block: `rows` tiles on the left times `columns` tiles on the right, summed over `rounds` of `steps`. Distances in
/// bytes, of the left side and the right.
pub(super) struct Block<'a> {
    /// The first tile of the left side: sixteen lines, one for each row of the sums.
    pub(super) left: *const u8,
    /// The first tile of the right side: sixteen lines, one for each dword of a line on the left.
    pub(super) right: *const u8,
    /// Rounds of steps.
    pub(super) rounds: usize,
    /// From one round to the next.
    pub(super) round: [usize; 2],
    /// What is multiplied in a round.
    pub(super) steps: &'a [[usize; 2]],
    /// From one part to the next, the high one first.
    pub(super) part: [usize; 2],
    /// From a tile to its neighbour.
    pub(super) second: [usize; 2],
    /// Tiles on the left, one or two.
    pub(super) rows: usize,
    /// Tiles on the right, one or two.
    pub(super) columns: usize,
    /// Add to the sums that are there.
    pub(super) add: bool,
}

/// Values of a block's sums.
pub(super) const SUMS: usize = 4 * LANES * LANES;

/// The tiles of a block's sums, one behind the other.
///
/// # Safety
/// `sums` must be good for [`SUMS`] values.
#[inline(always)]
pub(super) unsafe fn tiles_of(sums: *mut f32) -> [*mut f32; 4] {
    // SAFETY: the caller's.
    unsafe { [sums, sums.add(LANES * LANES), sums.add(2 * LANES * LANES), sums.add(3 * LANES * LANES)] }
}

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

    /// The sums of `block` in parts of `PARTS`, a tile of sixteen lines of sixteen values each: first on the left with
    /// first and second on the right, second with both. Those that a block lacks get values that mean nothing.
    ///
    /// # Safety
    /// The pointers must be good for what the sizes say.
    unsafe fn block<const PARTS: usize>(block: &Block, to: [*mut f32; 4]);
}

/// Tile products in plain Rust.
pub(super) struct Twin;

impl Unit for Twin {
    unsafe fn begin() {}

    unsafe fn end() {}

    unsafe fn block<const PARTS: usize>(block: &Block, to: [*mut f32; 4]) {
        // (part on the left, part on the right), in the order in which they are added
        let products: &[[usize; 2]] = match PARTS {
            1 => &[[0, 0]],
            2 => &[[1, 0], [0, 0], [0, 1]],
            _ => &[[2, 0], [1, 1], [1, 0], [0, 0], [0, 1], [0, 2]],
        };
        for row in 0..block.rows {
            for column in 0..block.columns {
                let there = to[row * 2 + column].cast::<[[f32; LANES]; LANES]>();
                // SAFETY: the caller's.
                let mut sum = if block.add { unsafe { there.read() } } else { [[0.0; LANES]; LANES] };
                for round in 0..block.rounds {
                    for step in block.steps {
                        for part in products {
                            let at = |side: usize, tile: usize| {
                                round * block.round[side]
                                    + step[side]
                                    + part[side] * block.part[side]
                                    + tile * block.second[side]
                            };
                            let (a, b) = (block.left.wrapping_add(at(0, row)), block.right.wrapping_add(at(1, column)));
                            // SAFETY: the caller's.
                            unsafe { multiply(a.cast(), b.cast(), &mut sum) }
                        }
                    }
                }
                // SAFETY: the caller's.
                unsafe { there.write(sum) }
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
