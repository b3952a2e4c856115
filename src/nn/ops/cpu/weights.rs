//! The gradient of a direct convolution's weights, and the weights that its gradient of the input needs.
//!
//! A tile holds a few input values times a panel of outputs in registers and runs over many pixels. Small weights are
//! summed by groups of photos and the groups added in order; large ones are cut by panels, each over all photos. Both
//! cuts follow from the shape alone.

use std::ops::Range;

use super::access::{In, Out, scratch};
use super::direct::{Source, Strip, Window};
use super::plan::{THREADS, Way, panels, pieces, tasks_wanted};
use super::simd::{Isa, LANES, Lanes, Plain, launch};
#[cfg(target_arch = "x86_64")]
use super::simd::{Pair, Wide};
use super::threads::parallel;
use super::{tiled, tiled_weights, winograd_weights};

/// Weights up to so many values are summed by groups of photos.
const SMALL: usize = 150_000;
/// Groups of photos for small weights.
const GROUPS: usize = 8;
/// Bytes of input and output rows that a tile runs over before the next: they stay in the first-level cache.
pub(super) const NEAR: usize = 24 << 10;

/// Where a tile reads and adds; distances in values.
pub(super) struct Tile {
    pub(super) source: *const f32,
    pub(super) gradient: *const f32,
    pub(super) weights: *mut f32,
    pub(super) rows: usize,
    pub(super) columns: usize,
    pub(super) source_row: usize,
    pub(super) gradient_row: usize,
    pub(super) gradient_block: usize,
}

/// # Safety
/// The pointers of `t` must be good for what the sizes say, and the processor must have the instructions of `L`.
#[inline(always)]
unsafe fn body<L: Lanes, const INPUTS: usize, const BLOCKS: usize, const STEP: usize>(t: &Tile) {
    // SAFETY: the caller's.
    unsafe {
        // added to what is there at the end: long sums in parts lose less
        let mut sums = [[L::zero(); BLOCKS]; INPUTS];
        for row in 0..t.rows {
            let mut source = t.source.add(row * t.source_row);
            let mut gradient = t.gradient.add(row * t.gradient_row);
            for _ in 0..t.columns {
                let mut g = [L::zero(); BLOCKS];
                for (b, g) in g.iter_mut().enumerate() {
                    *g = L::load(gradient.add(b * t.gradient_block));
                }
                for (i, sums) in sums.iter_mut().enumerate() {
                    let x = L::splat(*source.add(i));
                    for (sum, g) in sums.iter_mut().zip(g) {
                        *sum = x.mul_add(g, *sum);
                    }
                }
                source = source.add(STEP);
                gradient = gradient.add(LANES);
            }
        }
        for (i, sums) in sums.iter().enumerate() {
            for (b, sum) in sums.iter().enumerate() {
                let there = t.weights.add((i * BLOCKS + b) * LANES);
                L::load(there).add(*sum).store(there);
            }
        }
    }
}

pub(super) type Kernel = unsafe fn(&Tile);

macro_rules! compiled {
    ($($name:ident $lanes:ty $(, $features:literal)?;)*) => {$(
        /// # Safety
        /// That of `body`.
        $(#[target_feature(enable = $features)])?
        unsafe fn $name<const INPUTS: usize, const BLOCKS: usize, const STEP: usize>(t: &Tile) {
            // SAFETY: the caller's.
            unsafe { body::<$lanes, INPUTS, BLOCKS, STEP>(t) }
        }
    )*};
}
#[cfg(target_arch = "x86_64")]
compiled! {
    avx512 Wide, "avx512f,avx2,fma";
    avx2 Pair, "avx2,fma";
}
compiled! { plain Plain; }

macro_rules! table {
    ($name:ident, $key:expr; $($blocks:literal: $($inputs:literal)*;)*) => {
        match $key {
            $($(
                ($inputs, $blocks, 1) => Some($name::<$inputs, $blocks, 1> as Kernel),
                ($inputs, $blocks, 2) => Some($name::<$inputs, $blocks, 2> as Kernel),
                ($inputs, $blocks, 16) => Some($name::<$inputs, $blocks, 16> as Kernel),
                ($inputs, $blocks, 32) => Some($name::<$inputs, $blocks, 32> as Kernel),
            )*)*
            _ => None,
        }
    };
}

/// The kernel for so many inputs, blocks of outputs, and distance between pixels, where it was compiled.
pub(super) fn kernel(isa: Isa, inputs: usize, blocks: usize, step: usize) -> Option<Kernel> {
    let key = (inputs, blocks, step);
    match isa {
        #[cfg(target_arch = "x86_64")]
        Isa::Avx512 => table!(avx512, key; 1: 1 2 3 4 5 6 7 8; 2: 1 2 3 4 5 6 7 8;),
        #[cfg(target_arch = "x86_64")]
        Isa::Avx2 => table!(avx2, key; 1: 1 2 3 4 5 6;),
        #[cfg(not(test))]
        _ => table!(plain, key; 1: 1 2 3 4 5 6;),
        #[cfg(test)]
        _ => table!(plain, key; 1: 1 2 3 4 5 6 7 8; 2: 1 2 3 4 5 6 7 8;),
    }
}

/// The gradient of a convolution's output, blocks of sixteen channels.
#[derive(Clone, Copy)]
pub(super) struct Gradient {
    pub(super) data: In,
    pub(super) image: usize,
    pub(super) blocks: usize,
    pub(super) size: [usize; 2],
}

/// The photos whose sums are apart: groups of them where weights are few, else all together.
pub(super) fn groups_of_photos(images: usize, weights: usize) -> Vec<Range<usize>> {
    let groups = if weights <= SMALL { tasks_wanted(images, GROUPS).min(images).min(THREADS) } else { 1 };
    pieces(images, images.div_ceil(groups)).collect()
}

/// Adds the gradient of the weights (panels) over `images` photos to `into`.
///
/// # Safety
/// The pointers must be good for the maps described; `into` holds the panels of the window.
pub(super) unsafe fn run(
    way: Way,
    images: usize,
    source: Source,
    gradient: Gradient,
    window: Window,
    into: &mut [f32],
) {
    if !source.planes
        && tiled::is_deep(&source, &window)
        && let Some(tiles) = way.tiles
        // SAFETY: the caller's.
        && unsafe { tiled_weights::run(way, tiles, images, source, gradient, window, into) }
    {
        return;
    }
    if way.winograd
        && winograd_weights::serves(&source, &gradient, &window)
        // SAFETY: the caller's.
        && unsafe { winograd_weights::run(way, images, source, gradient, window, into) }
    {
        return;
    }
    let plan = Plan::new(way, source, gradient, window);
    let photos = groups_of_photos(images, into.len());
    let all: Vec<_> = panels(gradient.blocks, way.panel).collect();
    let parts = tasks_wanted(images, 32).div_ceil(photos.len()).min(all.len());
    let panel_groups: Vec<_> = pieces(all.len(), all.len().div_ceil(parts)).collect();
    let length = into.len();
    // the first group adds to `into`, the others have memory of their own, added in order afterwards
    let mut others = vec![0.0f32; length * (photos.len() - 1)];
    let (first, rest) = (Out::from(&mut *into), Out::from(others.as_mut_slice()));
    parallel(photos.len() * panel_groups.len(), &|task| {
        let (group, part) = (task / panel_groups.len(), task % panel_groups.len());
        // SAFETY: each task adds to its own panels of its own group's memory.
        unsafe {
            let weights = if group == 0 { first.at(0) } else { rest.at((group - 1) * length) };
            plan.run_task(photos[group].clone(), &all[panel_groups[part].clone()], weights);
        }
    });
    if !others.is_empty() {
        let chunk = length.div_ceil(16);
        parallel(16, &|task| {
            for i in task * chunk..((task + 1) * chunk).min(length) {
                // SAFETY: within both; a task has a range of its own.
                unsafe {
                    for group in 0..photos.len() - 1 {
                        *first.at(i) += *rest.at(group * length + i);
                    }
                }
            }
        });
    }
}

struct Plan {
    way: Way,
    source: Source,
    gradient: Gradient,
    window: Window,
    /// A 1x1 window at stride one sees a map as one long row.
    flat: bool,
    rows_at_once: usize,
}

impl Plan {
    fn new(way: Way, mut source: Source, mut gradient: Gradient, window: Window) -> Plan {
        let flat = window.is_point() && window.stride == 1;
        if flat {
            // rows of one pixel each, so that a map can be cut anywhere
            source.size = [source.size[0] * source.size[1], 1];
            gradient.size = source.size;
        }
        let lanes = if source.planes { 1 } else { LANES };
        let row_values = (source.blocks * lanes * source.size[1] * window.stride).max(1);
        let least = if flat { 96 } else { 2 };
        let rows_at_once = (way.strip / row_values).max(least);
        Plan { way, source, gradient, window, flat, rows_at_once }
    }

    fn lanes(&self) -> usize {
        if self.source.planes { 1 } else { LANES }
    }

    /// # Safety
    /// That of [`run`]; the task owns the panels.
    unsafe fn run_task(&self, photos: Range<usize>, panels: &[(usize, usize)], weights: *mut f32) {
        let Source { data, image, blocks, size: [height, width], .. } = self.source;
        let block = height * width * self.lanes();
        for photo in photos {
            for rows in pieces(self.gradient.size[0], self.rows_at_once) {
                // SAFETY: the caller's; strips stay inside the scratch memory asked for.
                unsafe {
                    if self.flat {
                        let step = self.lanes();
                        let x = data.at(photo * image + rows.start * step);
                        self.add(photo, rows, panels, weights, Rows { data: x, block, tap_row: 0, row: step, step });
                        continue;
                    }
                    let point = self.window.is_point();
                    let (strip_rows, strip_columns, every) = if point {
                        (rows.len(), self.gradient.size[1], self.window.stride)
                    } else {
                        (self.window.reach(0, rows.len()), self.window.reach(1, self.gradient.size[1]), 1)
                    };
                    let first =
                        [(rows.start * self.window.stride) as isize - self.window.padding[0], -self.window.padding[1]];
                    let plane = strip_rows * strip_columns * self.lanes();
                    scratch(blocks * plane, |memory| {
                        for b in 0..blocks {
                            let strip = Strip {
                                source: data.at(photo * image + b * block),
                                size: self.source.size,
                                first,
                                every,
                                target: memory.add(b * plane),
                                extent: [strip_rows, strip_columns],
                            };
                            if self.source.planes { strip.copy_plane() } else { launch(self.way.isa, strip) }
                        }
                        let stride = if point { 1 } else { self.window.stride };
                        let tap_row = strip_columns * self.lanes();
                        let laid = Rows {
                            data: memory,
                            block: plane,
                            tap_row,
                            row: tap_row * stride,
                            step: self.lanes() * stride,
                        };
                        self.add(photo, rows, panels, weights, laid);
                    });
                }
            }
        }
    }

    /// Adds what the output rows `rows` of `photo` give.
    ///
    /// # Safety
    /// That of [`run`]; `laid` starts at the first row.
    unsafe fn add(&self, photo: usize, rows: Range<usize>, panels: &[(usize, usize)], weights: *mut f32, laid: Rows) {
        let Gradient { data, image, size: [height, width], .. } = self.gradient;
        let gradient_block = height * width * LANES;
        let lanes = self.lanes();
        let [taps_down, taps_across] = self.window.size;
        // what a tile takes as its inputs: the channels of one tap, or for planes the neighbouring columns of the window
        let (taps_apart, inputs) =
            if self.source.planes && self.window.dilation[1] == 1 { (1, taps_across) } else { (taps_across, lanes) };
        for &(first, blocks) in panels {
            let near = NEAR / size_of::<f32>() / (laid.row + blocks * width * LANES);
            for block in 0..self.source.blocks {
                for part in pieces(rows.len(), near.max(1)) {
                    for tap in 0..taps_down * taps_apart {
                        let (tap_row, tap_column) = (tap / taps_apart, tap % taps_apart);
                        for values in pieces(inputs, self.way.inputs[blocks - 1]) {
                            let kernel = kernel(self.way.isa, values.len(), blocks, laid.step).unwrap_or_else(|| {
                                unreachable!("no tile of {values:?} x {blocks}, step {}", laid.step)
                            });
                            let column = tap_column * self.window.dilation[1] * lanes;
                            let row = part.start * laid.row + tap_row * self.window.dilation[0] * laid.tap_row;
                            let place = (block * taps_down * taps_apart + tap) * inputs + values.start;
                            let panel = first * LANES * self.source.blocks * lanes * taps_down * taps_across;
                            // SAFETY: the caller's.
                            unsafe {
                                kernel(&Tile {
                                    source: laid.data.add(block * laid.block + row + column + values.start),
                                    gradient: data.at(photo * image
                                        + first * gradient_block
                                        + (rows.start + part.start) * width * LANES),
                                    weights: weights.add(panel + place * blocks * LANES),
                                    rows: part.len(),
                                    columns: width,
                                    source_row: laid.row,
                                    gradient_row: width * LANES,
                                    gradient_block,
                                });
                            }
                        }
                    }
                }
            }
        }
    }
}

/// Source values as a task sees them; distances in values.
#[derive(Clone, Copy)]
struct Rows {
    data: *const f32,
    /// Between blocks of channels.
    block: usize,
    /// Between rows of the window.
    tap_row: usize,
    /// Between rows of the output.
    row: usize,
    /// Between neighbouring outputs.
    step: usize,
}

/// The taps of a window that one phase of a backward convolution uses, in the order in which they move over the
/// output's gradient, and the offset of the first.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Phase {
    pub(super) taps: Vec<usize>,
    pub(super) padding: isize,
}

impl Phase {
    /// The taps that reach input places `phase`, `phase + stride`, …: `phase + padding - tap dilation` must be a
    /// multiple of the stride. With a stride of two every second tap does; `plan::path` sends strides with dilation
    /// elsewhere.
    pub(super) fn new(phase: usize, stride: usize, kernel: usize, padding: usize, dilation: usize) -> Phase {
        let offset = |tap: usize| (phase + padding) as isize - (tap * dilation) as isize;
        let taps: Vec<_> = (0..kernel).rev().filter(|&tap| offset(tap) % stride as isize == 0).collect();
        let padding = taps.first().map_or(0, |&tap| -offset(tap) / stride as isize);
        Phase { taps, padding }
    }
}

/// Packs the weights for the gradient of the input: input and output channels exchanged, the taps of `down` and
/// `across` only and in their order.
///
/// # Safety
/// `weights` and `target` must be good for the panels of one group.
#[allow(clippy::too_many_arguments)]
pub(super) unsafe fn transposed(
    way: Way,
    in_blocks: usize,
    out_blocks: usize,
    kernel: [usize; 2],
    down: &[usize],
    across: &[usize],
    weights: In,
    target: Out,
) {
    let from: Vec<_> = panels(out_blocks, way.panel).collect();
    let to: Vec<_> = panels(in_blocks, way.panel).collect();
    let taps = kernel[0] * kernel[1];
    let kept = down.len() * across.len();
    const BLOCK: usize = LANES * LANES;
    parallel(to.len(), &|panel| {
        let (to_first, to_width) = to[panel];
        for &(from_first, from_width) in &from {
            for o in 0..from_width {
                for i in 0..to_width {
                    let input = to_first + i;
                    let source = (from_first * in_blocks + input * from_width) * taps * BLOCK + o * LANES;
                    let place = (to_first * out_blocks + (from_first + o) * to_width) * kept * BLOCK + i * LANES;
                    for (t, tap) in down.iter().flat_map(|y| across.iter().map(move |x| y * kernel[1] + x)).enumerate()
                    {
                        for a in 0..LANES {
                            for b in 0..LANES {
                                // SAFETY: the caller's; a task writes its own panel.
                                unsafe {
                                    let value =
                                        *weights.at(source + tap * from_width * BLOCK + a * from_width * LANES + b);
                                    *target.at(place + t * to_width * BLOCK + b * to_width * LANES + a) = value;
                                }
                            }
                        }
                    }
                }
            }
        }
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn phases_of_a_stride_of_two_share_the_taps_of_a_window() {
        // 3 wide, padding 1: even places see the middle tap, odd places the outer two
        assert_eq!(Phase::new(0, 2, 3, 1, 1), Phase { taps: vec![1], padding: 0 });
        assert_eq!(Phase::new(1, 2, 3, 1, 1), Phase { taps: vec![2, 0], padding: 0 });
        assert_eq!(Phase::new(0, 1, 3, 1, 1), Phase { taps: vec![2, 1, 0], padding: 1 });
        assert_eq!(Phase::new(1, 2, 1, 0, 1), Phase { taps: vec![], padding: 0 });
    }
}
