//! Pooling on the CPU: a plane of sixteen channels a task.

use dfdx::prelude::{Cpu, HasErr};

use crate::nn::map::{Dims, Flat};
use crate::nn::ops::{PoolKernel, PoolKind, PoolSpec};

use super::access::{In, Out, filled, host, host_mut};
use super::conv::tensor;
use super::norm::plane_means;
use super::plan::{self, is_planes};
use super::simd::{Kernel, LANES, Lanes, isa, launch};
use super::threads::parallel;

type Result<T> = std::result::Result<T, <Cpu as HasErr>::Err>;

/// The windows of one plane.
struct Windows {
    spec: PoolSpec,
    input: [usize; 2],
    output: [usize; 2],
}

impl Windows {
    /// Calls `visit(output place, input place)` for every place of the window at `(oy, ox)` inside the input.
    #[inline(always)]
    fn each(&self, oy: usize, ox: usize, mut visit: impl FnMut(usize)) {
        let PoolSpec { kernel, stride, padding, .. } = self.spec;
        for ky in 0..kernel[0] {
            let y = (oy * stride[0] + ky).wrapping_sub(padding[0]);
            if y >= self.input[0] {
                continue;
            }
            for kx in 0..kernel[1] {
                let x = (ox * stride[1] + kx).wrapping_sub(padding[1]);
                if x < self.input[1] {
                    visit(y * self.input[1] + x);
                }
            }
        }
    }
}

struct Forward<'a> {
    windows: &'a Windows,
    x: *const f32,
    y: *mut f32,
}

impl Kernel for Forward<'_> {
    #[inline(always)]
    unsafe fn run<L: Lanes>(self) {
        let [height, width] = self.windows.output;
        let area = (self.windows.spec.kernel[0] * self.windows.spec.kernel[1]) as f32;
        for oy in 0..height {
            for ox in 0..width {
                // SAFETY: the pointers are good for planes; `each` keeps to the input.
                unsafe {
                    let value = match self.windows.spec.kind {
                        PoolKind::Max => {
                            let mut best = L::splat(f32::NEG_INFINITY);
                            // the new value first, so that one that is no number is kept
                            self.windows.each(oy, ox, |at| {
                                let x = L::load(self.x.add(at * LANES));
                                best = best.select_greater(x, best, x);
                            });
                            best
                        }
                        PoolKind::Average => {
                            let mut sum = L::zero();
                            self.windows.each(oy, ox, |at| sum = sum.add(L::load(self.x.add(at * LANES))));
                            sum.div(L::splat(area))
                        }
                    };
                    value.store(self.y.add((oy * width + ox) * LANES));
                }
            }
        }
    }
}

struct Backward<'a> {
    windows: &'a Windows,
    x: *const f32,
    y: *const f32,
    gy: *const f32,
    gx: *mut f32,
}

impl Kernel for Backward<'_> {
    #[inline(always)]
    unsafe fn run<L: Lanes>(self) {
        let [height, width] = self.windows.output;
        let area = (self.windows.spec.kernel[0] * self.windows.spec.kernel[1]) as f32;
        // SAFETY: the pointers are good for planes; `each` keeps to the input.
        unsafe {
            for at in 0..self.windows.input[0] * self.windows.input[1] {
                L::zero().store(self.gx.add(at * LANES));
            }
            for oy in 0..height {
                for ox in 0..width {
                    let place = (oy * width + ox) * LANES;
                    let mut gradient = L::load(self.gy.add(place));
                    match self.windows.spec.kind {
                        PoolKind::Max => {
                            let best = L::load(self.y.add(place));
                            self.windows.each(oy, ox, |at| {
                                let (x, target) = (L::load(self.x.add(at * LANES)), self.gx.add(at * LANES));
                                let given = x.select_equal(best, gradient, L::zero());
                                L::load(target).add(given).store(target);
                                // the first of equal values takes it all
                                gradient = x.select_equal(best, L::zero(), gradient);
                            });
                        }
                        PoolKind::Average => {
                            gradient = gradient.div(L::splat(area));
                            self.windows.each(oy, ox, |at| {
                                let target = self.gx.add(at * LANES);
                                L::load(target).add(gradient).store(target);
                            });
                        }
                    }
                }
            }
        }
    }
}

/// Planes of sixteen channels of a map; pooling of a photo's own planes is not needed by any network.
fn planes(dims: Dims) -> usize {
    assert!(!is_planes(dims.c), "pooling of a map of {dims}");
    dims.n * plan::blocks(dims.c)
}

impl PoolKernel for Cpu {
    fn pool_forward(&self, spec: &PoolSpec, x: (Dims, &Flat<Cpu>), y: Dims) -> Result<Flat<Cpu>> {
        let windows = Windows { spec: *spec, input: [x.0.h, x.0.w], output: [y.h, y.w] };
        let values = In::from(host(x.1));
        let run = |out: Out| {
            parallel(planes(x.0), &|task| {
                let (from, to) = (task * x.0.h * x.0.w * LANES, task * y.h * y.w * LANES);
                // SAFETY: a task has a plane of its own.
                unsafe { launch(isa(), Forward { windows: &windows, x: values.at(from), y: out.at(to) }) }
            });
        };
        // SAFETY: the planes make up the whole map.
        tensor(self, unsafe { filled(plan::map_len(y), run) })
    }

    fn pool_backward(
        &self,
        spec: &PoolSpec,
        x: (Dims, &Flat<Cpu>),
        y: (Dims, &Flat<Cpu>),
        gy: &Flat<Cpu>,
    ) -> Result<Flat<Cpu>> {
        let windows = Windows { spec: *spec, input: [x.0.h, x.0.w], output: [y.0.h, y.0.w] };
        let (input, output, gradient) = (In::from(host(x.1)), In::from(host(y.1)), In::from(host(gy)));
        let run = |out: Out| {
            parallel(planes(x.0), &|task| {
                let (from, to) = (task * x.0.h * x.0.w * LANES, task * y.0.h * y.0.w * LANES);
                // SAFETY: a task has a plane of its own.
                unsafe {
                    launch(
                        isa(),
                        Backward {
                            windows: &windows,
                            x: input.at(from),
                            y: output.at(to),
                            gy: gradient.at(to),
                            gx: out.at(from),
                        },
                    );
                }
            });
        };
        // SAFETY: the planes make up the whole map.
        tensor(self, unsafe { filled(plan::map_len(x.0), run) })
    }

    fn global_average_forward(&self, x: (Dims, &Flat<Cpu>)) -> Result<Flat<Cpu>> {
        let lines = planes(x.0);
        // SAFETY: there is one line a plane.
        tensor(self, unsafe { filled(lines * LANES, |out| plane_means(x.0, host(x.1), out)) })
    }

    fn global_average_backward(&self, x: Dims, gy: &Flat<Cpu>, into: Option<Flat<Cpu>>) -> Result<Flat<Cpu>> {
        let places = x.h * x.w;
        let lines = host(gy).as_chunks::<LANES>().0;
        let share = 1.0 / places as f32;
        let run = |out: Out, accumulate: bool| {
            parallel(planes(x), &|task| {
                let line = lines[task].map(|g| g * share);
                for place in 0..places {
                    // SAFETY: a task has a plane of its own.
                    let target =
                        unsafe { std::slice::from_raw_parts_mut(out.at((task * places + place) * LANES), LANES) };
                    for (target, g) in target.iter_mut().zip(line) {
                        *target = if accumulate { *target + g } else { g };
                    }
                }
            });
        };
        match into {
            Some(mut there) => {
                run(Out::from(host_mut(&mut there)), true);
                Ok(there)
            }
            // SAFETY: the planes make up the whole map.
            None => tensor(self, unsafe { filled(plan::map_len(x), |out| run(out, false)) }),
        }
    }
}
