//! Convolutions with a window of its own for each channel: sixteen channels at once, a few pixels in registers.
//!
//! Forward and gradient of the input are the same loop over a list of taps; with a stride of two the gradient is four
//! such loops, one for each phase of rows and columns.

use super::access::{In, Out, scratch};
use super::direct::Strip;
use super::finish::Finish;
use super::simd::{Isa, Kernel, LANES, Lanes, launch};
use super::threads::parallel;
use super::weights::Phase;

/// Sizes of a depthwise convolution: photos, blocks of channels, input, output, square window.
#[derive(Clone, Copy, Debug)]
pub(super) struct Sizes {
    pub(super) images: usize,
    pub(super) blocks: usize,
    pub(super) input: [usize; 2],
    pub(super) output: [usize; 2],
    pub(super) kernel: usize,
    pub(super) stride: usize,
    pub(super) padding: [usize; 2],
}

impl Sizes {
    fn places(size: [usize; 2]) -> usize {
        size[0] * size[1]
    }
}

/// One tap: where it reads from the pixel's own place, and its weight; in values.
type Tap = (usize, usize);

/// A row of pixels: `target[i] = bias + sum over taps of source[i step + tap] * weight`.
struct Row<'a> {
    taps: &'a [Tap],
    source: *const f32,
    step: usize,
    weights: *const f32,
    target: *mut f32,
    out: usize,
    count: usize,
    bias: *const f32,
    accumulate: bool,
}

impl Row<'_> {
    /// # Safety
    /// The pointers must be good for `PIXELS` pixels from `at`.
    #[inline(always)]
    unsafe fn pixels<L: Lanes, const PIXELS: usize>(&self, at: usize) {
        // SAFETY: the caller's.
        unsafe {
            let bias = if self.bias.is_null() { L::zero() } else { L::load(self.bias) };
            let mut sums = [bias; PIXELS];
            let source = self.source.add(at * self.step);
            for &(offset, weight) in self.taps {
                let w = L::load(self.weights.add(weight));
                for (pixel, sum) in sums.iter_mut().enumerate() {
                    *sum = L::load(source.add(offset + pixel * self.step)).mul_add(w, *sum);
                }
            }
            for (pixel, sum) in sums.iter().enumerate() {
                let target = self.target.add((at + pixel) * self.out);
                let sum = if self.accumulate { sum.add(L::load(target)) } else { *sum };
                sum.store(target);
            }
        }
    }
}

impl Kernel for Row<'_> {
    #[inline(always)]
    unsafe fn run<L: Lanes>(self) {
        let mut at = 0;
        // SAFETY: the pointers are good for `count` pixels.
        unsafe {
            if L::REGISTERS > 16 {
                while at + 8 <= self.count {
                    self.pixels::<L, 8>(at);
                    at += 8;
                }
            }
            while at + 4 <= self.count {
                self.pixels::<L, 4>(at);
                at += 4;
            }
            while at < self.count {
                self.pixels::<L, 1>(at);
                at += 1;
            }
        }
    }
}

/// The output.
///
/// # Safety
/// The pointers must be good for maps, weights and finish of `sizes`.
pub(super) unsafe fn forward(isa: Isa, sizes: Sizes, source: In, weights: In, target: Out, finish: Finish) {
    let Sizes { kernel, stride, .. } = sizes;
    let [rows, columns] = [0, 1].map(|axis| (sizes.output[axis] - 1) * stride + kernel);
    let taps: Vec<Tap> =
        (0..kernel * kernel).map(|tap| ((tap / kernel * columns + tap % kernel) * LANES, tap * LANES)).collect();
    let bias = finish.bias_alone();
    parallel(sizes.images * sizes.blocks, &|task| {
        let block = task % sizes.blocks;
        // SAFETY: the caller's; a task has a plane of its own.
        unsafe {
            let source = source.at(task * Sizes::places(sizes.input) * LANES);
            let at = task * Sizes::places(sizes.output) * LANES;
            scratch(rows * columns * LANES, |strip| {
                let first = sizes.padding.map(|p| -(p as isize));
                let copy = Strip { source, size: sizes.input, first, every: 1, target: strip, extent: [rows, columns] };
                launch(isa, copy);
                for y in 0..sizes.output[0] {
                    let at = at + y * sizes.output[1] * LANES;
                    launch(
                        isa,
                        Row {
                            taps: &taps,
                            source: strip.add(y * stride * columns * LANES),
                            step: stride * LANES,
                            weights: weights.at(block * kernel * kernel * LANES),
                            target: target.at(at),
                            out: LANES,
                            count: sizes.output[1],
                            bias: bias.map_or(std::ptr::null(), |bias| bias.at(block * LANES)),
                            accumulate: false,
                        },
                    );
                    finish.in_place(isa, block, target, at, sizes.output[1]);
                }
            });
        }
    });
}

/// The gradient of the input.
///
/// # Safety
/// The pointers must be good for maps and weights of `sizes`.
pub(super) unsafe fn backward_data(isa: Isa, sizes: Sizes, gradient: In, weights: In, target: Out, accumulate: bool) {
    let Sizes { kernel, stride, .. } = sizes;
    let phases: [Vec<Phase>; 2] =
        [0, 1].map(|axis| (0..stride).map(|phase| Phase::new(phase, stride, kernel, sizes.padding[axis], 1)).collect());
    // a margin that the farthest tap of any phase stays within, and rows and columns up to the last place
    let margin = kernel;
    let [rows, columns] = [0, 1].map(|axis| sizes.input[axis].div_ceil(stride) + 2 * margin);
    parallel(sizes.images * sizes.blocks, &|task| {
        let block = task % sizes.blocks;
        // SAFETY: the caller's; a task has a plane of its own.
        unsafe {
            let gradient = gradient.at(task * Sizes::places(sizes.output) * LANES);
            let target = target.at(task * Sizes::places(sizes.input) * LANES);
            scratch(rows * columns * LANES, |strip| {
                let first = [-(margin as isize); 2];
                let extent = [rows, columns];
                launch(isa, Strip { source: gradient, size: sizes.output, first, every: 1, target: strip, extent });
                for (phase_y, down) in phases[0].iter().enumerate() {
                    for (phase_x, across) in phases[1].iter().enumerate() {
                        let tap = |place: &Phase, i: usize| (i + margin).wrapping_add_signed(-place.padding);
                        let taps: Vec<Tap> = down
                            .taps
                            .iter()
                            .enumerate()
                            .flat_map(|(i, y)| {
                                across.taps.iter().enumerate().map(move |(j, x)| {
                                    ((tap(down, i) * columns + tap(across, j)) * LANES, (y * kernel + x) * LANES)
                                })
                            })
                            .collect();
                        for y in (phase_y..sizes.input[0]).step_by(stride) {
                            launch(
                                isa,
                                Row {
                                    taps: &taps,
                                    source: strip.add(y / stride * columns * LANES),
                                    step: LANES,
                                    weights: weights.at(block * kernel * kernel * LANES),
                                    target: target.add((y * sizes.input[1] + phase_x) * LANES),
                                    out: stride * LANES,
                                    count: (sizes.input[1] - phase_x.min(sizes.input[1])).div_ceil(stride),
                                    bias: std::ptr::null(),
                                    accumulate,
                                },
                            );
                        }
                    }
                }
            });
        }
    });
}

/// The gradient of some rows of a window over one plane: `weights[h][v] += sum of source[.., ..] * gradient`.
struct Window<const KERNEL: usize> {
    source: *const f32,
    source_row: usize,
    stride: usize,
    gradient: *const f32,
    size: [usize; 2],
    weights: *mut f32,
}

impl<const KERNEL: usize> Window<KERNEL> {
    /// # Safety
    /// The pointers must be good for the sizes; `top + ROWS` may not exceed the window.
    #[inline(always)]
    unsafe fn rows<L: Lanes, const ROWS: usize>(&self, top: usize) {
        // SAFETY: the caller's.
        unsafe {
            let mut sums = [[L::zero(); KERNEL]; ROWS];
            let weight = |h: usize, v: usize| self.weights.add(((top + h) * KERNEL + v) * LANES);
            for (h, sums) in sums.iter_mut().enumerate() {
                for (v, sum) in sums.iter_mut().enumerate() {
                    *sum = L::load(weight(h, v));
                }
            }
            for y in 0..self.size[0] {
                let mut source = self.source.add((y * self.stride + top) * self.source_row);
                let mut gradient = self.gradient.add(y * self.size[1] * LANES);
                for _ in 0..self.size[1] {
                    let g = L::load(gradient);
                    for (h, sums) in sums.iter_mut().enumerate() {
                        for (v, sum) in sums.iter_mut().enumerate() {
                            *sum = L::load(source.add(h * self.source_row + v * LANES)).mul_add(g, *sum);
                        }
                    }
                    source = source.add(self.stride * LANES);
                    gradient = gradient.add(LANES);
                }
            }
            for (h, sums) in sums.iter().enumerate() {
                for (v, sum) in sums.iter().enumerate() {
                    sum.store(weight(h, v));
                }
            }
        }
    }
}

impl<const KERNEL: usize> Kernel for Window<KERNEL> {
    #[inline(always)]
    unsafe fn run<L: Lanes>(self) {
        // as many rows of the window at once as the registers hold
        let together = ((L::REGISTERS - 2) / KERNEL).clamp(1, KERNEL);
        let mut top = 0;
        // SAFETY: the pointers are good for the window.
        unsafe {
            while top < KERNEL {
                match together.min(KERNEL - top) {
                    1 => self.rows::<L, 1>(top),
                    2 => self.rows::<L, 2>(top),
                    3 => self.rows::<L, 3>(top),
                    4 => self.rows::<L, 4>(top),
                    _ => self.rows::<L, 5>(top),
                }
                top += together.min(KERNEL - top).min(5);
            }
        }
    }
}

/// Adds the gradient of the weights to `into`.
///
/// # Safety
/// The pointers must be good for maps and weights of `sizes`.
pub(super) unsafe fn backward_weight(isa: Isa, sizes: Sizes, source: In, gradient: In, into: Out) {
    match sizes.kernel {
        // SAFETY: the caller's.
        3 => unsafe { sum_windows::<3>(isa, sizes, source, gradient, into) },
        // SAFETY: the caller's.
        5 => unsafe { sum_windows::<5>(isa, sizes, source, gradient, into) },
        // SAFETY: the caller's.
        7 => unsafe { sum_windows::<7>(isa, sizes, source, gradient, into) },
        kernel => unreachable!("`plan::path` sends a depthwise window of {kernel} elsewhere"),
    }
}

/// # Safety
/// That of [`backward_weight`], with `KERNEL` the window.
unsafe fn sum_windows<const KERNEL: usize>(isa: Isa, sizes: Sizes, source: In, gradient: In, into: Out) {
    let [rows, columns] = [0, 1].map(|axis| (sizes.output[axis] - 1) * sizes.stride + KERNEL);
    parallel(sizes.blocks, &|block| {
        for image in 0..sizes.images {
            let plane = image * sizes.blocks + block;
            // SAFETY: the caller's; a task adds to its own block of channels.
            unsafe {
                let source = source.at(plane * Sizes::places(sizes.input) * LANES);
                scratch(rows * columns * LANES, |strip| {
                    let first = sizes.padding.map(|p| -(p as isize));
                    let extent = [rows, columns];
                    launch(isa, Strip { source, size: sizes.input, first, every: 1, target: strip, extent });
                    launch(
                        isa,
                        Window::<KERNEL> {
                            source: strip,
                            source_row: columns * LANES,
                            stride: sizes.stride,
                            gradient: gradient.at(plane * Sizes::places(sizes.output) * LANES),
                            size: sizes.output,
                            weights: into.at(block * KERNEL * KERNEL * LANES),
                        },
                    );
                });
            }
        }
    });
}
