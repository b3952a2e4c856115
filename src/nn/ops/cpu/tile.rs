//! The tile: a few output pixels times one or two blocks of output channels, kept in registers from the first input
//! channel to the last.
//!
//! Every inner address is a constant displacement from a moving base, because maps hold sixteen channels a pixel. The
//! tile knows neither padding nor strides beyond [`Tile`]'s: `direct.rs` lays the input out for it.

use super::simd::{Isa, LANES, Lanes, Plain};
#[cfg(target_arch = "x86_64")]
use super::simd::{Pair, Wide};

/// Where a tile reads and writes; distances in values.
#[derive(Clone, Copy)]
pub(super) struct Tile {
    /// First input value of the tile's first pixel.
    pub(super) source: *const f32,
    /// The panel's weights.
    pub(super) weights: *const f32,
    /// First output value.
    pub(super) target: *mut f32,
    /// One value for each of the panel's channels, or null.
    pub(super) bias: *const f32,
    /// Blocks (or planes) of input channels.
    pub(super) in_blocks: usize,
    /// From one block of input channels to the next.
    pub(super) source_block: usize,
    /// Rows and columns of the window.
    pub(super) window: [usize; 2],
    /// From one row, and one column, of the window to the next.
    pub(super) source_tap: [usize; 2],
    /// From one row of output pixels to the next, in the input and in the output.
    pub(super) row: [usize; 2],
    /// From one block of output channels to the next.
    pub(super) target_block: usize,
    /// Add to what is there.
    pub(super) accumulate: bool,
}

/// A tile kernel.
pub(super) type Kernel = unsafe fn(&Tile);

/// The body of every tile kernel: `ROWS` x `PIXELS` output pixels times `BLOCKS` blocks. `STEP` and `OUT` are the
/// distances between neighbouring pixels read and written, `CHANNELS` the channels of one input block.
///
/// # Safety
/// The pointers of `t` must be good for what the sizes say, and the processor must have the instructions of `L`.
#[inline(always)]
unsafe fn body<
    L: Lanes,
    const ROWS: usize,
    const PIXELS: usize,
    const BLOCKS: usize,
    const STEP: usize,
    const CHANNELS: usize,
    const OUT: usize,
>(
    t: &Tile,
) {
    // SAFETY: the caller's.
    unsafe {
        let mut sums = [[[L::zero(); BLOCKS]; PIXELS]; ROWS];
        let mut weights = t.weights;
        for block in 0..t.in_blocks {
            for window_row in 0..t.window[0] {
                let mut source = t.source.add(block * t.source_block + window_row * t.source_tap[0]);
                for _ in 0..t.window[1] {
                    let unroll = if CHANNELS >= 4 { 4 } else { 1 };
                    let mut channel = 0;
                    while channel < CHANNELS {
                        for step in 0..unroll {
                            let mut w = [L::zero(); BLOCKS];
                            for (b, w) in w.iter_mut().enumerate() {
                                *w = L::load(weights.add((step * BLOCKS + b) * LANES));
                            }
                            for (row, sums) in sums.iter_mut().enumerate() {
                                let source = source.add(row * t.row[0] + channel + step);
                                for (pixel, sums) in sums.iter_mut().enumerate() {
                                    let x = L::splat(*source.add(pixel * STEP));
                                    for (sum, w) in sums.iter_mut().zip(w) {
                                        *sum = x.mul_add(w, *sum);
                                    }
                                }
                            }
                        }
                        weights = weights.add(unroll * BLOCKS * LANES);
                        channel += unroll;
                    }
                    source = source.add(t.source_tap[1]);
                }
            }
        }
        for (row, sums) in sums.iter().enumerate() {
            for b in 0..BLOCKS {
                let target = t.target.add(row * t.row[1] + b * t.target_block);
                let bias = if t.bias.is_null() { L::zero() } else { L::load(t.bias.add(b * LANES)) };
                for (pixel, sums) in sums.iter().enumerate() {
                    let target = target.add(pixel * OUT);
                    let mut value = sums[b].add(bias);
                    if t.accumulate {
                        value = value.add(L::load(target));
                    }
                    value.store(target);
                }
            }
        }
    }
}

/// `body` compiled with the instructions of each way.
macro_rules! compiled {
    ($($name:ident $lanes:ty $(, $features:literal)?;)*) => {$(
        /// # Safety
        /// That of `body`.
        $(#[target_feature(enable = $features)])?
        unsafe fn $name<
            const ROWS: usize, const PIXELS: usize, const BLOCKS: usize,
            const STEP: usize, const CHANNELS: usize, const OUT: usize,
        >(t: &Tile) {
            // SAFETY: the caller's.
            unsafe { body::<$lanes, ROWS, PIXELS, BLOCKS, STEP, CHANNELS, OUT>(t) }
        }
    )*};
}
#[cfg(target_arch = "x86_64")]
compiled! {
    avx512 Wide, "avx512f,avx2,fma";
    avx2 Pair, "avx2,fma";
}
compiled! { plain Plain; }

/// The shape of a tile; see [`body`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Form {
    pub(super) rows: usize,
    pub(super) pixels: usize,
    pub(super) blocks: usize,
    pub(super) step: usize,
    pub(super) out: usize,
}

/// A table from (rows, pixels, blocks) to the kernel `$name`, for the given steps.
macro_rules! table {
    ($name:ident, $form:ident; $($rows:literal $blocks:literal: $($pixels:literal)*;)*) => {
        match ($form.step, $form.out) {
            (16, 16) => table!(@ $name, $form, 16, 16, 16; $($rows $blocks: $($pixels)*;)*),
            (32, 16) => table!(@ $name, $form, 32, 16, 16; $($rows $blocks: $($pixels)*;)*),
            (16, 32) => table!(@ $name, $form, 16, 16, 32; $($rows $blocks: $($pixels)*;)*),
            (1, 16) => table!(@ $name, $form, 1, 1, 16; $($rows $blocks: $($pixels)*;)*),
            (2, 16) => table!(@ $name, $form, 2, 1, 16; $($rows $blocks: $($pixels)*;)*),
            _ => None,
        }
    };
    (@ $name:ident, $form:ident, $step:literal, $channels:literal, $out:literal;
     $($rows:literal $blocks:literal: $($pixels:literal)*;)*) => {
        match ($form.rows, $form.blocks, $form.pixels) {
            $($(($rows, $blocks, $pixels) => Some($name::<$rows, $pixels, $blocks, $step, $channels, $out> as Kernel),)*)*
            _ => None,
        }
    };
}

/// The kernel of a form, where it was compiled.
pub(super) fn kernel(isa: Isa, form: Form) -> Option<Kernel> {
    match isa {
        #[cfg(target_arch = "x86_64")]
        Isa::Avx512 => table!(avx512, form;
            1 1: 1 2 3 4 5 6 7 8 9 10 11 12 13 14;
            1 2: 1 2 3 4 5 6 7 8 9 10 11 12 13 14;
            2 1: 7; 2 2: 7;),
        #[cfg(target_arch = "x86_64")]
        Isa::Avx2 => table!(avx2, form; 1 1: 1 2 3 4 5 6; 2 1: 3; 3 1: 2;),
        #[cfg(not(test))]
        _ => table!(plain, form; 1 1: 1 2 3 4 5 6; 2 1: 3; 3 1: 2;),
        // the wide way's cuts, so that they are tested on every machine
        #[cfg(test)]
        _ => table!(plain, form;
            1 1: 1 2 3 4 5 6 7 8 9 10 11 12 13 14;
            1 2: 1 2 3 4 5 6 7 8 9 10 11 12 13 14;
            2 1: 3 7; 2 2: 7; 3 1: 2;),
    }
}
