//! Batch norm with activation and residual: two passes over the map forward, two backward.
//!
//! A task is one plane of sixteen channels of one photo; sums of planes are merged in f64. Values are taken relative
//! to a pivot, because `E[x^2] - E[x]^2` loses all digits where the mean is far from zero. The activation's
//! derivative is computed again from the convolution's output instead of being kept.

use dfdx::prelude::{Cpu, HasErr};

use crate::nn::map::{Dims, Flat};
use crate::nn::ops::NormKernel;
use crate::nn::ops::norm::{Moments, NormArgs, NormGradients};

use super::access::{In, Out, filled, host, host_mut};
use super::conv::tensor;
use super::elements::{Act, with_act};
use super::layout::clear_padding;
use super::plan::{blocks, is_planes};
use super::simd::{Kernel, LANES, Lanes, isa, launch};
use super::threads::parallel;

type Result<T> = std::result::Result<T, <Cpu as HasErr>::Err>;

/// Two sums a channel, of one plane each, merged over the photos in order.
struct PlaneSums {
    sums: Vec<f32>,
    planes: usize,
}

impl PlaneSums {
    /// `each(photo, block, where its two lines of sums go)` for every plane.
    fn of(dims: Dims, each: impl Fn(usize, usize, *mut f32) + Sync) -> PlaneSums {
        let planes = blocks(dims.c);
        let mut sums = vec![0.0; dims.n * planes * 2 * LANES];
        let out = Out::from(&mut sums[..]);
        parallel(dims.n * planes, &|task| {
            // SAFETY: a task has two lines of its own.
            each(task / planes, task % planes, unsafe { out.at(task * 2 * LANES) });
        });
        PlaneSums { sums, planes }
    }

    /// The two sums of channel `c` over all photos.
    fn total(&self, c: usize) -> [f64; 2] {
        let photo = self.planes * 2 * LANES;
        let first = c / LANES * 2 * LANES + c % LANES;
        [0, 1].map(|which| self.sums.iter().skip(first + which * LANES).step_by(photo).map(|&s| f64::from(s)).sum())
    }
}

/// Sum of `x - pivot` and of its square over a plane.
struct Moment {
    x: *const f32,
    places: usize,
    pivot: *const f32,
    sums: *mut f32,
}

impl Kernel for Moment {
    #[inline(always)]
    unsafe fn run<L: Lanes>(self) {
        // SAFETY: the pointers are good for a plane, a line and two lines.
        unsafe {
            let pivot = L::load(self.pivot);
            let (mut sums, mut squares) = ([L::zero(); 2], [L::zero(); 2]);
            let even = self.places / 2 * 2;
            for place in (0..even).step_by(2) {
                for i in 0..2 {
                    let x = L::load(self.x.add((place + i) * LANES)).sub(pivot);
                    sums[i] = sums[i].add(x);
                    squares[i] = x.mul_add(x, squares[i]);
                }
            }
            if even < self.places {
                let x = L::load(self.x.add(even * LANES)).sub(pivot);
                sums[0] = sums[0].add(x);
                squares[0] = x.mul_add(x, squares[0]);
            }
            sums[0].add(sums[1]).store(self.sums);
            squares[0].add(squares[1]).store(self.sums.add(LANES));
        }
    }
}

/// `y = act(scale x + shift + residual)` over a plane.
struct Forward<A> {
    x: *const f32,
    residual: Option<*const f32>,
    y: *mut f32,
    places: usize,
    scale: *const f32,
    shift: *const f32,
    act: std::marker::PhantomData<A>,
}

impl<A: Act> Kernel for Forward<A> {
    #[inline(always)]
    unsafe fn run<L: Lanes>(self) {
        // SAFETY: the pointers are good for planes and lines.
        unsafe {
            let (scale, shift) = (L::load(self.scale), L::load(self.shift));
            for i in (0..self.places * LANES).step_by(LANES) {
                let mut value = L::load(self.x.add(i)).mul_add(scale, shift);
                if let Some(residual) = self.residual {
                    value = value.add(L::load(residual.add(i)));
                }
                A::apply(value).store(self.y.add(i));
            }
        }
    }
}

/// The gradient before the activation, and its sum and that of its product with `x - mean`.
struct BackwardSums<A> {
    x: *const f32,
    residual: Option<*const f32>,
    /// The gradient of the output; replaced by that before the activation where `keep`.
    gradient: *mut f32,
    keep: bool,
    places: usize,
    scale: *const f32,
    shift: *const f32,
    mean: *const f32,
    sums: *mut f32,
    act: std::marker::PhantomData<A>,
}

impl<A: Act> Kernel for BackwardSums<A> {
    #[inline(always)]
    unsafe fn run<L: Lanes>(self) {
        // SAFETY: the pointers are good for planes and lines.
        unsafe {
            let (scale, shift, mean) = (L::load(self.scale), L::load(self.shift), L::load(self.mean));
            let (mut sum, mut product) = ([L::zero(); 2], [L::zero(); 2]);
            for place in 0..self.places {
                let (i, part) = (place * LANES, place % 2);
                let x = L::load(self.x.add(i));
                let mut before = x.mul_add(scale, shift);
                if let Some(residual) = self.residual {
                    before = before.add(L::load(residual.add(i)));
                }
                let gradient = A::backward(before, L::load(self.gradient.add(i)));
                if self.keep {
                    gradient.store(self.gradient.add(i));
                }
                sum[part] = sum[part].add(gradient);
                product[part] = x.sub(mean).mul_add(gradient, product[part]);
            }
            sum[0].add(sum[1]).store(self.sums);
            product[0].add(product[1]).store(self.sums.add(LANES));
        }
    }
}

/// `gx = scale g + slope x + offset` over a plane, `g` the gradient before the activation.
struct BackwardInput<A> {
    x: *const f32,
    /// The gradient of the output, or, where the first pass kept it, before the activation.
    gradient: *const f32,
    kept: bool,
    target: *mut f32,
    places: usize,
    scale: *const f32,
    shift: *const f32,
    slope: *const f32,
    offset: *const f32,
    act: std::marker::PhantomData<A>,
}

impl<A: Act> Kernel for BackwardInput<A> {
    #[inline(always)]
    unsafe fn run<L: Lanes>(self) {
        // SAFETY: the pointers are good for planes and lines.
        unsafe {
            let (scale, shift) = (L::load(self.scale), L::load(self.shift));
            let (slope, offset) = (L::load(self.slope), L::load(self.offset));
            for i in (0..self.places * LANES).step_by(LANES) {
                let x = L::load(self.x.add(i));
                let mut gradient = L::load(self.gradient.add(i));
                if !self.kept {
                    gradient = A::backward(x.mul_add(scale, shift), gradient);
                }
                gradient.mul_add(scale, x.mul_add(slope, offset)).store(self.target.add(i));
            }
        }
    }
}

/// Scale and shift of each channel: `gain / sqrt(variance + epsilon)`, `bias - mean scale`.
pub(super) fn affine(moments: &Moments<Cpu>, args: &NormArgs<Cpu>) -> (Vec<f32>, Vec<f32>) {
    let (mean, variance) = (host(&moments.mean), host(&moments.variance));
    let scale: Vec<f32> =
        host(args.gain).iter().zip(variance).map(|(gain, variance)| gain / (variance + args.epsilon).sqrt()).collect();
    let shift = host(args.bias).iter().zip(mean).zip(&scale).map(|((bias, mean), scale)| bias - mean * scale).collect();
    (scale, shift)
}

impl NormKernel for Cpu {
    fn norm_moments(&self, x: (Dims, &Flat<Cpu>)) -> Result<Moments<Cpu>> {
        let dims = blocked(x.0);
        let (places, planes) = (dims.h * dims.w, blocks(dims.c));
        let values = In::from(host(x.1));
        let sums = PlaneSums::of(dims, |photo, block, sums| {
            // SAFETY: the planes lie within the map; the pivot is the first place of the first photo.
            unsafe {
                let pivot = values.at(block * places * LANES);
                launch(isa(), Moment { x: values.at((photo * planes + block) * places * LANES), places, pivot, sums });
            }
        });
        let count = (dims.n * places) as f64;
        let (mut mean, mut variance) = (vec![0.0; planes * LANES], vec![0.0; planes * LANES]);
        for c in 0..planes * LANES {
            let [sum, square] = sums.total(c).map(|s| s / count);
            let pivot = f64::from(host(x.1)[c / LANES * places * LANES + c % LANES]);
            mean[c] = (pivot + sum) as f32;
            variance[c] = (square - sum * sum).max(0.0) as f32;
        }
        Ok(Moments { mean: tensor(self, mean)?, variance: tensor(self, variance)? })
    }

    fn norm_unbiased(&self, x: Dims, moments: &Moments<Cpu>) -> Result<Flat<Cpu>> {
        let count = (x.n * x.h * x.w) as f32;
        tensor(self, host(&moments.variance).iter().map(|v| v * count / (count - 1.0)).collect())
    }

    fn norm_forward(
        &self,
        x: (Dims, &Flat<Cpu>),
        residual: Option<&Flat<Cpu>>,
        moments: &Moments<Cpu>,
        args: NormArgs<Cpu>,
    ) -> Result<Flat<Cpu>> {
        let dims = blocked(x.0);
        let (places, planes) = (dims.h * dims.w, blocks(dims.c));
        let (scale, shift) = affine(moments, &args);
        let (values, residual) = (In::from(host(x.1)), residual.map(|r| In::from(host(r))));
        let run = |out: Out| {
            parallel(dims.n * planes, &|task| {
                let (at, line) = (task * places * LANES, task % planes * LANES);
                // SAFETY: a task has a plane of its own.
                with_act!(args.activation, A => unsafe {
                    launch(isa(), Forward::<A> {
                        x: values.at(at),
                        residual: residual.map(|r| r.at(at)),
                        y: out.at(at),
                        places,
                        scale: scale[line..].as_ptr(),
                        shift: shift[line..].as_ptr(),
                        act: std::marker::PhantomData,
                    });
                });
            });
        };
        // SAFETY: the planes make up the whole map.
        let mut y = unsafe { filled(host(x.1).len(), run) };
        if !args.activation.keeps_zero() {
            clear_padding(dims, &mut y);
        }
        tensor(self, y)
    }

    fn norm_backward(
        &self,
        x: (Dims, &Flat<Cpu>),
        residual: Option<&Flat<Cpu>>,
        moments: &Moments<Cpu>,
        args: NormArgs<Cpu>,
        constant_moments: bool,
        mut gy: Flat<Cpu>,
    ) -> Result<NormGradients<Cpu>> {
        let dims = blocked(x.0);
        let (places, planes) = (dims.h * dims.w, blocks(dims.c));
        let (scale, shift) = affine(moments, &args);
        let (mean, values) = (host(&moments.mean), In::from(host(x.1)));
        let before = residual.map(|r| In::from(host(r)));
        let keep = residual.is_some();
        let gradient = Out::from(host_mut(&mut gy));
        let sums = PlaneSums::of(dims, |photo, block, sums| {
            let (at, line) = ((photo * planes + block) * places * LANES, block * LANES);
            // SAFETY: a task has a plane of its own.
            with_act!(args.activation, A => unsafe {
                launch(isa(), BackwardSums::<A> {
                    x: values.at(at),
                    residual: before.map(|r| r.at(at)),
                    gradient: gradient.at(at),
                    keep,
                    places,
                    scale: scale[line..].as_ptr(),
                    shift: shift[line..].as_ptr(),
                    mean: mean[line..].as_ptr(),
                    sums,
                    act: std::marker::PhantomData,
                });
            });
        });
        let length = planes * LANES;
        let count = (dims.n * places) as f64;
        let (mut gain, mut bias) = (vec![0.0; length], vec![0.0; length]);
        let (mut slope, mut offset) = (vec![0.0; length], vec![0.0; length]);
        for c in 0..length {
            let [sum, product] = sums.total(c);
            let inverse = 1.0 / f64::from(host(&moments.variance)[c] + args.epsilon).sqrt();
            bias[c] = sum as f32;
            gain[c] = (product * inverse) as f32;
            if !constant_moments {
                // gx = scale (g - mean(g) - x^ mean(g x^)), as a line in g and x
                let by_x = -f64::from(scale[c]) * inverse * inverse * product / count;
                slope[c] = by_x as f32;
                offset[c] = (-by_x * f64::from(mean[c]) - f64::from(scale[c]) * sum / count) as f32;
            }
        }
        let run = |target: Out| {
            parallel(dims.n * planes, &|task| {
                let (at, line) = (task * places * LANES, task % planes * LANES);
                // SAFETY: a task has a plane of its own; it reads each value before it writes it.
                with_act!(args.activation, A => unsafe {
                    launch(isa(), BackwardInput::<A> {
                        x: values.at(at),
                        gradient: gradient.at(at),
                        kept: keep,
                        target: target.at(at),
                        places,
                        scale: scale[line..].as_ptr(),
                        shift: shift[line..].as_ptr(),
                        slope: slope[line..].as_ptr(),
                        offset: offset[line..].as_ptr(),
                        act: std::marker::PhantomData,
                    });
                });
            });
        };
        let (x, residual) = if keep {
            // SAFETY: the planes make up the whole map.
            (tensor(self, unsafe { filled(host(x.1).len(), run) })?, Some(gy))
        } else {
            run(gradient);
            (gy, None)
        };
        Ok(NormGradients { x, residual, gain: tensor(self, gain)?, bias: tensor(self, bias)? })
    }
}

/// Batch norm works on blocks; a network has none on the planes of a photo.
fn blocked(dims: Dims) -> Dims {
    assert!(!is_planes(dims.c), "batch norm of a map of {dims}");
    dims
}

/// Sum over a plane.
struct Sum {
    x: *const f32,
    places: usize,
    sum: *mut f32,
}

impl Kernel for Sum {
    #[inline(always)]
    unsafe fn run<L: Lanes>(self) {
        // SAFETY: the pointers are good for a plane and a line.
        unsafe {
            let mut sums = [L::zero(); 2];
            for place in 0..self.places {
                sums[place % 2] = sums[place % 2].add(L::load(self.x.add(place * LANES)));
            }
            sums[0].add(sums[1]).store(self.sum);
        }
    }
}

/// Adds the sum of each channel over photos and places to `into`.
pub(super) fn add_channel_sums(dims: Dims, values: &[f32], into: &mut [f32]) {
    let (places, planes) = (dims.h * dims.w, blocks(dims.c));
    if is_planes(dims.c) {
        for (i, plane) in values.chunks_exact(places).enumerate() {
            into[i % dims.c] += plane.iter().map(|&v| f64::from(v)).sum::<f64>() as f32;
        }
        return;
    }
    let values = In::from(values);
    let sums = PlaneSums::of(dims, |photo, block, sum| {
        // SAFETY: the plane lies within the map.
        unsafe { launch(isa(), Sum { x: values.at((photo * planes + block) * places * LANES), places, sum }) }
    });
    into.iter_mut().enumerate().for_each(|(c, into)| *into += sums.total(c)[0] as f32);
}

/// Mean over a plane into `target` (one line a plane).
pub(super) fn plane_means(dims: Dims, values: &[f32], target: Out) {
    let (places, planes) = (dims.h * dims.w, blocks(dims.c));
    let values = In::from(values);
    parallel(dims.n * planes, &|task| {
        // SAFETY: the plane lies within the map; a task has a line of its own.
        unsafe {
            let sum = target.at(task * LANES);
            launch(isa(), Sum { x: values.at(task * places * LANES), places, sum });
            (0..LANES).for_each(|i| *sum.add(i) /= places as f32);
        }
    });
}
