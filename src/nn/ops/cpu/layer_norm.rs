//! Layer norm on the CPU. The channels of a place lie a plane apart, so a strip of places is read block by block: in one
//! direction from memory the first time, from the cache the next.

use dfdx::prelude::{Cpu, HasErr};

use crate::nn::map::{Dims, Flat};
use crate::nn::ops::LayerNormKernel;
use crate::nn::ops::layer_norm::{LayerNormGradients, Normed};

use super::access::{In, Out, filled, host, host_mut};
use super::conv::tensor;
use super::plan::{self, blocks, pieces};
use super::simd::{Kernel, LANES, Lanes, isa, launch};
use super::threads::parallel;

type Result<T> = std::result::Result<T, <Cpu as HasErr>::Err>;

/// Places that are normalised together.
const STRIP: usize = 16;
/// Places of a photo that a task takes at most: it leaves two sums a channel.
const PORTION: usize = 16 * STRIP;

/// How a map is cut into strips, the same on every machine.
struct Plan {
    /// Photo, first place, places.
    tasks: Vec<(usize, usize, usize)>,
    sizes: Sizes,
}

/// What strips know of their map.
#[derive(Clone, Copy)]
struct Sizes {
    blocks: usize,
    channels: usize,
    /// Values of a plane of sixteen channels.
    plane: usize,
}

impl Plan {
    fn new(dims: Dims) -> Plan {
        let places = dims.h * dims.w;
        let of_photo = |n| pieces(places, PORTION).map(move |r| (n, r.start, r.len()));
        let sizes = Sizes { blocks: blocks(dims.c), channels: dims.c, plane: places * LANES };
        Plan { tasks: (0..dims.n).flat_map(of_photo).collect(), sizes }
    }

    /// Calls `work` with the number of each task, the place of its first value in the map, that of its first place in
    /// the list of places, and its count of places.
    fn each(&self, work: impl Fn(usize, usize, usize, usize) + Sync) {
        parallel(self.tasks.len(), &|task| {
            let (photo, first, count) = self.tasks[task];
            let photo_start = photo * self.sizes.blocks * self.sizes.plane;
            work(task, photo_start + first * LANES, photo * self.sizes.plane / LANES + first, count);
        });
    }
}

impl Sizes {
    /// Ones for the lanes of `block` that hold a channel, zeros for the padding.
    ///
    /// # Safety
    /// The contract of [`Lanes`].
    #[inline(always)]
    unsafe fn mask<L: Lanes>(&self, block: usize) -> L {
        let used = self.channels - block * LANES;
        if used >= LANES {
            // SAFETY: the caller's.
            return unsafe { L::splat(1.0) };
        }
        let mut mask = [0.0; LANES];
        mask[..used].fill(1.0);
        // SAFETY: sixteen values.
        unsafe { L::load(mask.as_ptr()) }
    }
}

/// The total of each place as a share of the channels.
///
/// # Safety
/// The contract of [`Lanes`].
#[inline(always)]
unsafe fn means_of<L: Lanes>(sums: [L; STRIP], channels: usize) -> [f32; STRIP] {
    let mut means = [0.0; STRIP];
    for i in 0..STRIP {
        // SAFETY: the caller's.
        means[i] = unsafe { sums[i].total() } / channels as f32;
    }
    means
}

struct Forward {
    sizes: Sizes,
    x: *const f32,
    gain: *const f32,
    bias: *const f32,
    epsilon: f32,
    y: *mut f32,
    /// Mean and inverse deviation of each place.
    moments: *mut f32,
    places: usize,
}

impl Kernel for Forward {
    #[inline(always)]
    unsafe fn run<L: Lanes>(self) {
        let Sizes { blocks, channels, plane } = self.sizes;
        for first in (0..self.places).step_by(STRIP) {
            let count = STRIP.min(self.places - first);
            // SAFETY: the pointers are good for the task's places in every block, and for a value a channel.
            unsafe {
                let (x, y) = (self.x.add(first * LANES), self.y.add(first * LANES));
                let mut sums = [L::zero(); STRIP];
                for block in 0..blocks {
                    for (i, sum) in sums[..count].iter_mut().enumerate() {
                        *sum = sum.add(L::load(x.add(block * plane + i * LANES)));
                    }
                }
                let means = means_of(sums, channels);
                let mut squares = [L::zero(); STRIP];
                for block in 0..blocks {
                    let mask: L = self.sizes.mask(block);
                    for (i, square) in squares[..count].iter_mut().enumerate() {
                        let away = L::load(x.add(block * plane + i * LANES)).sub(L::splat(means[i])).mul(mask);
                        *square = away.mul_add(away, *square);
                    }
                }
                let mut inverses = means_of(squares, channels);
                inverses.iter_mut().for_each(|v| *v = 1.0 / (*v + self.epsilon).sqrt());
                for block in 0..blocks {
                    let (gain, bias) = (L::load(self.gain.add(block * LANES)), L::load(self.bias.add(block * LANES)));
                    for i in 0..count {
                        let at = block * plane + i * LANES;
                        let unit = L::load(x.add(at)).sub(L::splat(means[i])).mul(L::splat(inverses[i]));
                        unit.mul_add(gain, bias).store(y.add(at));
                    }
                }
                for i in 0..count {
                    let moments = self.moments.add(2 * (first + i));
                    *moments = means[i];
                    *moments.add(1) = inverses[i];
                }
            }
        }
    }
}

struct Backward {
    sizes: Sizes,
    x: *const f32,
    gain: *const f32,
    gy: *const f32,
    gx: *mut f32,
    accumulate: bool,
    moments: *const f32,
    /// The gradients of gain and bias from this task's places.
    sums: *mut f32,
    places: usize,
}

impl Kernel for Backward {
    #[inline(always)]
    unsafe fn run<L: Lanes>(self) {
        let Sizes { blocks, channels, plane } = self.sizes;
        let of_bias = blocks * LANES;
        // SAFETY: the pointers are good for the task's places in every block, and for one and two values a channel.
        unsafe {
            std::slice::from_raw_parts_mut(self.sums, 2 * of_bias).fill(0.0);
            for first in (0..self.places).step_by(STRIP) {
                let count = STRIP.min(self.places - first);
                let (x, gy, gx) = (self.x.add(first * LANES), self.gy.add(first * LANES), self.gx.add(first * LANES));
                let moments = self.moments.add(2 * first);
                let (mut sums, mut products) = ([L::zero(); STRIP], [L::zero(); STRIP]);
                for block in 0..blocks {
                    let at = block * LANES;
                    let gain = L::load(self.gain.add(at));
                    let (mut of_channel, mut product) =
                        (L::load(self.sums.add(of_bias + at)), L::load(self.sums.add(at)));
                    for i in 0..count {
                        let (mean, inverse) = (L::splat(*moments.add(2 * i)), L::splat(*moments.add(2 * i + 1)));
                        let at = block * plane + i * LANES;
                        let unit = L::load(x.add(at)).sub(mean).mul(inverse);
                        let g = L::load(gy.add(at));
                        of_channel = of_channel.add(g);
                        product = g.mul_add(unit, product);
                        let g = g.mul(gain);
                        sums[i] = sums[i].add(g);
                        products[i] = g.mul_add(unit, products[i]);
                    }
                    of_channel.store(self.sums.add(of_bias + at));
                    product.store(self.sums.add(at));
                }
                let (sums, products) = (means_of(sums, channels), means_of(products, channels));
                for block in 0..blocks {
                    let gain = L::load(self.gain.add(block * LANES));
                    let mask: L = self.sizes.mask(block);
                    for i in 0..count {
                        let (mean, inverse) = (L::splat(*moments.add(2 * i)), L::splat(*moments.add(2 * i + 1)));
                        let at = block * plane + i * LANES;
                        let unit = L::load(x.add(at)).sub(mean).mul(inverse);
                        let g = L::load(gy.add(at)).mul(gain).sub(L::splat(sums[i]));
                        let mut value = g.sub(unit.mul(L::splat(products[i]))).mul(inverse).mul(mask);
                        let target = gx.add(at);
                        if self.accumulate {
                            value = value.add(L::load(target));
                        }
                        value.store(target);
                    }
                }
            }
        }
    }
}

impl LayerNormKernel for Cpu {
    fn layer_norm_forward(
        &self,
        x: (Dims, &Flat<Cpu>),
        gain: &Flat<Cpu>,
        bias: &Flat<Cpu>,
        epsilon: f32,
    ) -> Result<Normed<Cpu>> {
        let plan = Plan::new(x.0);
        let (source, gain, bias) = (In::from(host(x.1)), In::from(host(gain)), In::from(host(bias)));
        let mut moments = vec![0.0; 2 * x.0.n * x.0.h * x.0.w];
        let kept = Out::from(&mut moments[..]);
        let run = |out: Out| {
            plan.each(|_, at, place, places| {
                // SAFETY: a task has places of its own.
                unsafe {
                    launch(
                        isa(),
                        Forward {
                            sizes: plan.sizes,
                            x: source.at(at),
                            gain: gain.at(0),
                            bias: bias.at(0),
                            epsilon,
                            y: out.at(at),
                            moments: kept.at(2 * place),
                            places,
                        },
                    );
                }
            });
        };
        // SAFETY: the tasks make up the whole map.
        let y = tensor(self, unsafe { filled(plan::map_len(x.0), run) })?;
        Ok(Normed { y, places: tensor(self, moments)? })
    }

    fn layer_norm_backward(
        &self,
        x: (Dims, &Flat<Cpu>),
        places: &Flat<Cpu>,
        gain: &Flat<Cpu>,
        gy: &Flat<Cpu>,
        into: Option<Flat<Cpu>>,
    ) -> Result<LayerNormGradients<Cpu>> {
        let plan = Plan::new(x.0);
        let width = plan.sizes.blocks * LANES;
        let (source, gain, moments) = (In::from(host(x.1)), In::from(host(gain)), In::from(host(places)));
        let gradient = In::from(host(gy));
        let mut sums = vec![0.0; plan.tasks.len() * 2 * width];
        let kept = Out::from(&mut sums[..]);
        let run = |out: Out, accumulate: bool| {
            plan.each(|task, at, place, places| {
                // SAFETY: a task has places and sums of its own.
                unsafe {
                    launch(
                        isa(),
                        Backward {
                            sizes: plan.sizes,
                            x: source.at(at),
                            gain: gain.at(0),
                            gy: gradient.at(at),
                            gx: out.at(at),
                            accumulate,
                            moments: moments.at(2 * place),
                            sums: kept.at(task * 2 * width),
                            places,
                        },
                    );
                }
            });
        };
        let gx = match into {
            Some(mut there) => {
                run(Out::from(host_mut(&mut there)), true);
                there
            }
            // SAFETY: the tasks make up the whole map.
            None => tensor(self, unsafe { filled(plan::map_len(x.0), |out| run(out, false)) })?,
        };
        let mut total = vec![0.0f64; 2 * width];
        for part in sums.chunks_exact(2 * width) {
            total.iter_mut().zip(part).for_each(|(total, part)| *total += f64::from(*part));
        }
        let total: Vec<f32> = total.into_iter().map(|v| v as f32).collect();
        let (gain, bias) = total.split_at(width);
        Ok(LayerNormGradients { x: gx, gain: tensor(self, gain.to_vec())?, bias: tensor(self, bias.to_vec())? })
    }
}
