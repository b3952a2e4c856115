//! Convolution on the card: cuDNN, kernels of our own for depthwise windows, plain loops for what neither does.

use cudarc::driver::DevicePtr;
use dfdx::prelude::{Cuda, CudaError, Storage};

use crate::nn::map::{Dims, Flat};
use crate::nn::ops::{ConvKernel, ConvSpec};

use super::cudnn::{Job, Way};
use super::elements::grouped;
use super::engine::{Arg, Engine, Kernel, address, empty_map, engine, int, word};
use super::layout::{Path, path};
use super::mixed;
use super::reduce::Columns;

type Result<T, E = CudaError> = std::result::Result<T, E>;

/// Neighbours of a row that one thread of a depthwise kernel makes.
const NEIGHBOURS: usize = 4;

/// The kernel `[3, 5, 7]` for a window of `size`.
fn of_size(size: usize, kernels: [Kernel; 3]) -> Kernel {
    kernels[(size.clamp(3, 7) - 3) / 2]
}

/// Runs `job` in cuDNN; false where it has no way.
///
/// # Safety
/// The addresses must be good for the sizes: of maps as they are stored now, of weights in f32.
unsafe fn cudnn(engine: &Engine, job: &Job) -> Result<bool> {
    if engine.has_half_maps() {
        // SAFETY: the caller's.
        return unsafe { mixed::run(engine, job) };
    }
    let mut dnn = engine.dnn.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    // SAFETY: the caller's; all operands are of f32.
    unsafe { dnn.run(engine, job, engine.precision()) }
}

/// What the plain kernels take after their count.
fn sizes(spec: &ConvSpec, x: Dims, y: Dims) -> Result<Vec<Arg>> {
    let ([kh, kw], [sh, sw], [ph, pw], [dh, dw]) = (spec.kernel, spec.stride, spec.padding, spec.dilation);
    let all = [x.c, x.h, x.w, y.c, y.h, y.w, kh, kw, sh, sw, ph, pw, dh, dw, spec.groups];
    all.into_iter().map(|size| Ok(int(size)?.into())).collect()
}

/// A depthwise convolution of `x` into `y`; for the gradient of the input the two change places.
struct Depthwise {
    kernel: Kernel,
    x: Dims,
    y: Dims,
    padding: [usize; 2],
    more: bool,
}

impl Depthwise {
    /// # Safety
    /// The addresses must be good for the sizes.
    unsafe fn run(&self, engine: &Engine, x: u64, weight: u64, y: u64) -> Result<()> {
        let Depthwise { kernel, x: from, y: to, padding, more } = *self;
        let count = to.n * to.h * to.w.div_ceil(NEIGHBOURS) * to.c;
        let args = [
            word(to.c)?.into(),
            int(from.h)?.into(),
            int(from.w)?.into(),
            int(to.h)?.into(),
            int(to.w)?.into(),
            int(padding[0])?.into(),
            int(padding[1])?.into(),
            i32::from(more).into(),
            x.into(),
            weight.into(),
            y.into(),
        ];
        // SAFETY: the caller's.
        unsafe { engine.each(kernel, count, &args) }
    }
}

impl ConvKernel for Cuda {
    fn conv_forward(
        &self,
        spec: &ConvSpec,
        x: (Dims, &Flat<Cuda>),
        weight: &Flat<Cuda>,
        bias: Option<&Flat<Cuda>>,
        y: Dims,
    ) -> Result<Flat<Cuda>> {
        let engine = engine()?;
        let out = empty_map(self, y.count())?;
        let (from, weight, to) = (address(x.1)?, address(weight)?, address(&out)?);
        let plain = || -> Result<()> {
            let mut args = sizes(spec, x.0, y)?;
            args.extend([Arg::from(from), weight.into(), to.into()]);
            // SAFETY: maps and weights of these sizes.
            unsafe { engine.each(Kernel::conv, y.count(), &args) }
        };
        match path(spec) {
            Path::Depthwise(size, stride) => {
                use Kernel::{
                    depthwise_3_1, depthwise_3_2, depthwise_5_1, depthwise_5_2, depthwise_7_1, depthwise_7_2,
                };
                let kernels = match stride {
                    1 => [depthwise_3_1, depthwise_5_1, depthwise_7_1],
                    _ => [depthwise_3_2, depthwise_5_2, depthwise_7_2],
                };
                let kernel = of_size(size, kernels);
                // SAFETY: maps and weights of these sizes.
                unsafe {
                    Depthwise { kernel, x: x.0, y, padding: spec.padding, more: false }
                        .run(engine, from, weight, to)?;
                }
            }
            Path::Whole => {
                let (way, read) = (Way::Forward, [from, weight]);
                let job = Job { way, spec, x: x.0, y, read, written: to, more: false };
                // SAFETY: maps and weights of these sizes.
                if !unsafe { cudnn(engine, &job)? } {
                    plain()?;
                }
            }
            Path::Plain => plain()?,
        }
        if let Some(bias) = bias {
            let args = [word(y.c)?.into(), address(bias)?.into(), to.into()];
            // SAFETY: a map of these sizes and a value a channel.
            unsafe { engine.each(Kernel::add_bias, y.count(), &args)? };
        }
        Ok(out)
    }

    fn conv_backward_data(
        &self,
        spec: &ConvSpec,
        x: Dims,
        weight: &Flat<Cuda>,
        y: (Dims, &Flat<Cuda>),
        into: Option<Flat<Cuda>>,
    ) -> Result<Flat<Cuda>> {
        let engine = engine()?;
        // `into` was summed up for this map alone
        let more = into.is_some();
        let gx = into.map_or_else(|| empty_map(self, x.count()), Ok)?;
        let (weight, gy, to) = (address(weight)?, address(y.1)?, address(&gx)?);
        let plain = || -> Result<()> {
            let mut args = sizes(spec, x, y.0)?;
            args.extend([Arg::from(i32::from(more)), gy.into(), weight.into(), to.into()]);
            // SAFETY: maps and weights of these sizes.
            unsafe { engine.each(Kernel::conv_back, x.count(), &args) }
        };
        match path(spec) {
            Path::Depthwise(size, 1) => {
                let kernels = [Kernel::depthwise_back_3_1, Kernel::depthwise_back_5_1, Kernel::depthwise_back_7_1];
                let padding = spec.padding.map(|p| size - 1 - p);
                let kernel = of_size(size, kernels);
                // SAFETY: maps and weights of these sizes.
                unsafe { Depthwise { kernel, x: y.0, y: x, padding, more }.run(engine, gy, weight, to)? };
            }
            Path::Depthwise(size, _) => {
                use Kernel::{
                    depthwise_back_3_2_1, depthwise_back_3_2_4, depthwise_back_5_2_1, depthwise_back_5_2_4,
                    depthwise_back_7_2_1, depthwise_back_7_2_4,
                };
                let kernels = [
                    of_size(size, [depthwise_back_3_2_4, depthwise_back_5_2_4, depthwise_back_7_2_4]),
                    of_size(size, [depthwise_back_3_2_1, depthwise_back_5_2_1, depthwise_back_7_2_1]),
                ];
                let mut args: Vec<Arg> = vec![word(x.c)?.into()];
                for value in [x.h, x.w, y.0.h, y.0.w, spec.padding[0], spec.padding[1]] {
                    args.push(int(value)?.into());
                }
                args.extend([Arg::from(i32::from(more)), gy.into(), weight.into(), to.into()]);
                // SAFETY: maps and weights of these sizes.
                unsafe { grouped(engine, kernels, x.count(), x.c, &args)? };
            }
            Path::Whole => {
                let (way, read) = (Way::Data, [weight, gy]);
                let job = Job { way, spec, x, y: y.0, read, written: to, more };
                // SAFETY: maps and weights of these sizes.
                if !unsafe { cudnn(engine, &job)? } {
                    plain()?;
                }
            }
            Path::Plain => plain()?,
        }
        Ok(gx)
    }

    fn conv_backward_weight(
        &self,
        spec: &ConvSpec,
        x: (Dims, &Flat<Cuda>),
        y: (Dims, &Flat<Cuda>),
        into: &mut <Cuda as Storage<f32>>::Vec,
    ) -> Result<()> {
        let engine = engine()?;
        let count = spec.out_channels * (spec.in_channels / spec.groups) * spec.kernel[0] * spec.kernel[1];
        let (from, gy, to) = (address(x.1)?, address(y.1)?, *into.device_ptr());
        let plain = || -> Result<()> {
            let mut args = sizes(spec, x.0, y.0)?;
            args.extend([Arg::from(int(x.0.n)?), from.into(), gy.into(), to.into()]);
            // SAFETY: maps and weights of these sizes.
            unsafe { engine.each(Kernel::conv_weight, count, &args) }
        };
        match path(spec) {
            Path::Depthwise(size, stride) => {
                let kernels = match stride {
                    1 => [Kernel::depthwise_weight_3_1, Kernel::depthwise_weight_5_1, Kernel::depthwise_weight_7_1],
                    _ => [Kernel::depthwise_weight_3_2, Kernel::depthwise_weight_5_2, Kernel::depthwise_weight_7_2],
                };
                let mut args: Vec<Arg> = Vec::new();
                for value in [x.0.h, x.0.w, y.0.h, y.0.w, spec.padding[0], spec.padding[1]] {
                    args.push(int(value)?.into());
                }
                args.extend([Arg::from(from), gy.into()]);
                // SAFETY: maps of these sizes, and a sum for each tap and channel.
                unsafe {
                    let columns = Columns::single(engine, y.0.n * y.0.h, y.0.c);
                    let kernel = of_size(size, kernels);
                    let sums = columns.run(engine, [kernel; 2], size * size, &args)?;
                    sums.finish(engine, 1.0, true, to)?;
                }
                Ok(())
            }
            Path::Whole => {
                let (way, read) = (Way::Weight, [from, gy]);
                let job = Job { way, spec, x: x.0, y: y.0, read, written: to, more: true };
                // SAFETY: maps and weights of these sizes.
                if unsafe { cudnn(engine, &job)? } { Ok(()) } else { plain() }
            }
            Path::Plain => plain(),
        }
    }

    fn conv_backward_bias(&self, y: (Dims, &Flat<Cuda>), into: &mut <Cuda as Storage<f32>>::Vec) -> Result<()> {
        let (engine, dims) = (engine()?, y.0);
        // SAFETY: a map of these sizes and a value a channel.
        unsafe {
            let columns = Columns::new(engine, 1, dims.n * dims.h * dims.w, dims.c);
            let sums =
                columns.run(engine, [Kernel::sums_4, Kernel::sums_1], 1, &[address(y.1)?.into(), 0u64.into()])?;
            sums.finish(engine, 1.0, true, *into.device_ptr())
        }
    }
}
