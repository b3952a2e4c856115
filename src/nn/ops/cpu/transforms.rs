//! Winograd's transforms between 4 x 4 outputs and the 36 points at which they are products: F(4x4, 3x3) by polynomials
//! through 0, 1, -1, 2, -2 and infinity. Those along one axis come first; a square goes through each twice.

use std::cell::Cell;
use std::ops::Range;

use super::simd::{Kernel, LANES, Lanes};

/// Outputs along a side of a square.
pub(super) const SIDE: usize = 4;
/// Inputs along the side of what a square sees, and points along each axis.
const REACH: usize = SIDE + 2;
/// Points of a square: products of the channels of its inputs.
pub(super) const POINTS: usize = REACH * REACH;
/// Taps of a window.
pub(super) const TAPS: usize = 9;
/// Between the planes of two points, so that they do not share the cache's sets.
pub(super) const APART: usize = 5 * LANES;

/// Squares down and across a map of `count` outputs.
pub(super) fn squares(count: [usize; 2]) -> [usize; 2] {
    count.map(|count| count.div_ceil(SIDE))
}

/// Inputs at the points.
///
/// # Safety
/// The contract of [`Lanes`]; so for all below.
#[inline(always)]
unsafe fn of_inputs<L: Lanes>(d: [L; REACH]) -> [L; REACH] {
    // SAFETY: the caller's; so for all below.
    unsafe {
        let (four, five) = (L::splat(-4.0), L::splat(-5.0));
        let even = d[2].mul_add(four, d[4]);
        let odd = d[1].mul_add(four, d[3]);
        let (even_far, odd_far) = (d[4].sub(d[2]), d[3].sub(d[1]));
        let odd_far = odd_far.add(odd_far);
        [
            d[0].mul_add(L::splat(4.0), d[2].mul_add(five, d[4])),
            even.add(odd),
            even.sub(odd),
            even_far.add(odd_far),
            even_far.sub(odd_far),
            d[1].mul_add(L::splat(4.0), d[3].mul_add(five, d[5])),
        ]
    }
}

/// Outputs from products at the points.
///
/// # Safety
/// As [`of_inputs`].
#[inline(always)]
unsafe fn to_outputs<L: Lanes>(m: [L; REACH]) -> [L; SIDE] {
    // SAFETY: the caller's.
    unsafe {
        let (even, odd) = (m[1].add(m[2]), m[1].sub(m[2]));
        let (even_far, odd_far) = (m[3].add(m[4]), m[3].sub(m[4]));
        [
            m[0].add(even.add(even_far)),
            odd_far.mul_add(L::splat(2.0), odd),
            even_far.mul_add(L::splat(4.0), even),
            odd_far.mul_add(L::splat(8.0), odd).add(m[5]),
        ]
    }
}

/// A window's taps at the points.
///
/// # Safety
/// As [`of_inputs`].
#[inline(always)]
unsafe fn of_window<L: Lanes>(g: [L; 3]) -> [L; REACH] {
    // SAFETY: the caller's.
    unsafe {
        let sixth = L::splat(-1.0 / 6.0);
        let (even, odd) = (g[0].add(g[2]).mul(sixth), g[1].mul(sixth));
        let even_far = g[0].mul_add(L::splat(1.0 / 24.0), g[2].mul(L::splat(1.0 / 6.0)));
        let odd_far = g[1].mul(L::splat(1.0 / 12.0));
        [g[0].mul(L::splat(0.25)), even.add(odd), even.sub(odd), even_far.add(odd_far), even_far.sub(odd_far), g[2]]
    }
}

/// Gradients of outputs at the points: [`to_outputs`] turned round.
///
/// # Safety
/// As [`of_inputs`].
#[inline(always)]
unsafe fn of_gradients<L: Lanes>(g: [L; SIDE]) -> [L; REACH] {
    // SAFETY: the caller's.
    unsafe {
        let (even, odd) = (g[0].add(g[2]), g[1].add(g[3]));
        let four = L::splat(4.0);
        let even_far = g[2].mul_add(four, g[0]);
        let odd_far = g[3].mul_add(four, g[1]);
        let odd_far = odd_far.add(odd_far);
        [g[0], even.add(odd), even.sub(odd), even_far.add(odd_far), even_far.sub(odd_far), g[3]]
    }
}

/// The gradient of a window's taps from sums at the points: [`of_window`] turned round.
///
/// # Safety
/// As [`of_inputs`].
#[inline(always)]
unsafe fn to_window<L: Lanes>(m: [L; REACH]) -> [L; 3] {
    // SAFETY: the caller's.
    unsafe {
        let (even, odd) = (m[1].add(m[2]), m[2].sub(m[1]));
        let (even_far, odd_far) = (m[3].add(m[4]), m[3].sub(m[4]));
        let sixth = L::splat(1.0 / 6.0);
        let first = m[0].mul_add(L::splat(0.25), even.mul(L::splat(-1.0 / 6.0)));
        [
            even_far.mul_add(L::splat(1.0 / 24.0), first),
            odd.mul_add(sixth, odd_far.mul(L::splat(1.0 / 12.0))),
            even_far.sub(even).mul_add(sixth, m[5]),
        ]
    }
}

/// Brings a block of channels of a photo to the points.
pub(super) struct Inputs {
    pub(super) source: *const f32,
    pub(super) size: [usize; 2],
    pub(super) squares: [Range<usize>; 2],
    pub(super) padding: [isize; 2],
    pub(super) to: *mut f32,
    pub(super) plane: usize,
}

impl Kernel for Inputs {
    #[inline(always)]
    unsafe fn run<L: Lanes>(self) {
        let [height, width] = self.size.map(|size| size as isize);
        let reach = REACH as isize;
        let mut to = self.to;
        for row in self.squares[0].clone() {
            for column in self.squares[1].clone() {
                let y = (row * SIDE) as isize - self.padding[0];
                let x = (column * SIDE) as isize - self.padding[1];
                let inside = y >= 0 && x >= 0 && y + reach <= height && x + reach <= width;
                // SAFETY: places are within the map; `to` is good for the squares at every point.
                unsafe {
                    let mut half = [[L::zero(); REACH]; REACH];
                    for j in 0..REACH {
                        let mut d = [L::zero(); REACH];
                        let x = x + j as isize;
                        if inside {
                            let first = self.source.offset((y * width + x) * LANES as isize);
                            for i in 0..REACH {
                                d[i] = L::load(first.add(i * self.size[1] * LANES));
                            }
                        } else if x >= 0 && x < width {
                            for i in 0..REACH {
                                let y = y + i as isize;
                                if y >= 0 && y < height {
                                    d[i] = L::load(self.source.offset((y * width + x) * LANES as isize));
                                }
                            }
                        }
                        half[j] = of_inputs(d);
                    }
                    for i in 0..REACH {
                        let mut d = [L::zero(); REACH];
                        for j in 0..REACH {
                            d[j] = half[j][i];
                        }
                        let points = of_inputs(d);
                        for j in 0..REACH {
                            points[j].store(to.add((i * REACH + j) * self.plane));
                        }
                    }
                    to = to.add(LANES);
                }
            }
        }
    }
}

/// Brings a row of squares of a block of channels back to rows of outputs.
pub(super) struct Outputs<'a, const WRITE: bool> {
    pub(super) sums: *const f32,
    pub(super) plane: usize,
    pub(super) to: *mut f32,
    /// Outputs down and across.
    pub(super) size: [usize; 2],
    /// Of a row of the map.
    pub(super) width: usize,
    /// A line, or null.
    pub(super) bias: *const f32,
    pub(super) accumulate: bool,
    /// Made false where an output is not finite.
    pub(super) finite: &'a Cell<bool>,
}

impl<const WRITE: bool> Kernel for Outputs<'_, WRITE> {
    #[inline(always)]
    unsafe fn run<L: Lanes>(self) {
        let [down, across] = self.size;
        // SAFETY: the pointers are good for a row of squares at every point, and for rows of outputs.
        unsafe {
            let bias = if self.bias.is_null() { L::zero() } else { L::load(self.bias) };
            let mut strange = L::zero();
            for square in 0..across.div_ceil(SIDE) {
                let sums = self.sums.add(square * LANES);
                let mut half = [[L::zero(); SIDE]; REACH];
                for j in 0..REACH {
                    let mut m = [L::zero(); REACH];
                    for i in 0..REACH {
                        m[i] = L::load(sums.add((i * REACH + j) * self.plane));
                    }
                    half[j] = to_outputs(m);
                }
                for i in 0..SIDE {
                    let mut m = [L::zero(); REACH];
                    for j in 0..REACH {
                        m[j] = half[j][i];
                    }
                    let outputs = to_outputs(m);
                    for j in 0..SIDE {
                        let column = square * SIDE + j;
                        if i < down && column < across {
                            // nothing finite is more than none of it
                            strange = outputs[j].mul_add(L::zero(), strange);
                            if WRITE {
                                let to = self.to.add((i * self.width + column) * LANES);
                                let mut value = outputs[j].add(bias);
                                if self.accumulate {
                                    value = value.add(L::load(to));
                                }
                                value.store(to);
                            }
                        }
                    }
                }
            }
            if strange.total().is_nan() {
                self.finite.set(false);
            }
        }
    }
}

/// Brings lines of weights of nine taps to the points.
pub(super) struct Windows {
    pub(super) weights: *const f32,
    pub(super) lines: usize,
    pub(super) to: *mut f32,
    pub(super) plane: usize,
}

impl Kernel for Windows {
    #[inline(always)]
    unsafe fn run<L: Lanes>(self) {
        // SAFETY: the pointers are good for the lines of every tap and point.
        unsafe {
            for line in 0..self.lines {
                let mut half = [[L::zero(); REACH]; 3];
                for j in 0..3 {
                    let mut g = [L::zero(); 3];
                    for i in 0..3 {
                        g[i] = L::load(self.weights.add(((i * 3 + j) * self.lines + line) * LANES));
                    }
                    half[j] = of_window(g);
                }
                for i in 0..REACH {
                    let points = of_window([half[0][i], half[1][i], half[2][i]]);
                    for j in 0..REACH {
                        points[j].store(self.to.add((i * REACH + j) * self.plane + line * LANES));
                    }
                }
            }
        }
    }
}

/// Brings a block of channels of a photo's gradient to the points.
pub(super) struct Gradients {
    pub(super) source: *const f32,
    pub(super) size: [usize; 2],
    pub(super) squares: [Range<usize>; 2],
    pub(super) to: *mut f32,
    pub(super) plane: usize,
}

impl Kernel for Gradients {
    #[inline(always)]
    unsafe fn run<L: Lanes>(self) {
        let [height, width] = self.size;
        let mut to = self.to;
        for row in self.squares[0].clone() {
            for column in self.squares[1].clone() {
                let [y, x] = [row * SIDE, column * SIDE];
                // SAFETY: places are within the map; `to` is good for the squares at every point.
                unsafe {
                    let mut half = [[L::zero(); REACH]; SIDE];
                    for j in 0..SIDE {
                        let mut g = [L::zero(); SIDE];
                        for i in 0..SIDE {
                            if y + i < height && x + j < width {
                                g[i] = L::load(self.source.add(((y + i) * width + x + j) * LANES));
                            }
                        }
                        half[j] = of_gradients(g);
                    }
                    for i in 0..REACH {
                        let points = of_gradients([half[0][i], half[1][i], half[2][i], half[3][i]]);
                        for j in 0..REACH {
                            points[j].store(to.add((i * REACH + j) * self.plane));
                        }
                    }
                    to = to.add(LANES);
                }
            }
        }
    }
}

/// Brings lines of sums of a window's gradient back to nine taps, in the planes of the first nine points.
pub(super) struct ToWindows<'a> {
    pub(super) sums: *mut f32,
    pub(super) lines: usize,
    pub(super) plane: usize,
    /// Made false where a tap's gradient is not finite.
    pub(super) finite: &'a Cell<bool>,
}

impl Kernel for ToWindows<'_> {
    #[inline(always)]
    unsafe fn run<L: Lanes>(self) {
        // SAFETY: the pointer is good for the lines of every point; a line's points are read before they are written.
        unsafe {
            let mut strange = L::zero();
            for line in 0..self.lines {
                let sums = self.sums.add(line * LANES);
                let mut half = [[L::zero(); 3]; REACH];
                for j in 0..REACH {
                    let mut m = [L::zero(); REACH];
                    for i in 0..REACH {
                        m[i] = L::load(sums.add((i * REACH + j) * self.plane));
                    }
                    half[j] = to_window(m);
                }
                for i in 0..3 {
                    let mut m = [L::zero(); REACH];
                    for j in 0..REACH {
                        m[j] = half[j][i];
                    }
                    let taps = to_window(m);
                    for j in 0..3 {
                        strange = taps[j].mul_add(L::zero(), strange);
                        taps[j].store(sums.add((i * 3 + j) * self.plane));
                    }
                }
            }
            if strange.total().is_nan() {
                self.finite.set(false);
            }
        }
    }
}
