//! Element by element on the card: photos, activations, sums, scaling of channels.

use cudarc::driver::DevicePtr;
use dfdx::prelude::{Cuda, CudaError, HasShape, Storage};

use crate::nn::map::{Dims, Flat};
use crate::nn::ops::{Activation, ElementKernel, Normalisation, PhotoKernel, ScaleKernel};

use super::engine::{Arg, Engine, Kernel, address, empty, empty_map, engine, held, word};
use super::reduce::Columns;

type Result<T, E = CudaError> = std::result::Result<T, E>;

/// An activation's number in `kernels/common.cu`.
pub(super) fn number(activation: Activation) -> i32 {
    match activation {
        Activation::Identity => 0,
        Activation::Relu => 1,
        Activation::Silu => 2,
        Activation::Sigmoid => 3,
        Activation::Relu6 => 4,
        Activation::Hardswish => 5,
        Activation::Hardsigmoid => 6,
        Activation::Gelu => 7,
    }
}

/// Runs the kernel for groups of four where `grain` is a multiple of four, else the one for single values.
///
/// # Safety
/// As [`Engine::launch`], after the count; buffers hold `count` values, in stretches of `grain`.
pub(super) unsafe fn grouped(
    engine: &Engine,
    [four, one]: [Kernel; 2],
    count: usize,
    grain: usize,
    args: &[Arg],
) -> Result<()> {
    // the kernels' places within a buffer are of 32 bits
    word(count)?;
    // SAFETY: the caller's.
    unsafe { if grain.is_multiple_of(4) { engine.each(four, count / 4, args) } else { engine.each(one, count, args) } }
}

/// `keep x + share y` at `z`, which may be `x`, of what is no map.
fn mix(count: usize, [keep, share]: [f32; 2], [x, y, z]: [u64; 3]) -> Result<()> {
    let args = [keep.into(), share.into(), x.into(), y.into(), z.into()];
    // SAFETY: called with buffers of `count` values.
    unsafe { grouped(engine()?, [Kernel::mix_4, Kernel::mix_1], count, count, &args) }
}

impl PhotoKernel for Cuda {
    fn normalise(&self, dims: Dims, bytes: &[u8], by: &Normalisation) -> Result<Flat<Cuda>> {
        let engine = engine()?;
        let y = empty_map(self, dims.count())?;
        let bytes = engine.upload(bytes)?;
        let mut args: Vec<Arg> = by.mean.iter().chain(&by.deviation).map(|v| Arg::from(*v)).collect();
        args.push((*bytes.device_ptr()).into());
        args.push(address(&y)?.into());
        // SAFETY: as many bytes as values; red, green, blue lie side by side in both.
        unsafe { engine.each(Kernel::photos, dims.count(), &args)? };
        Ok(y)
    }
}

impl ElementKernel for Cuda {
    fn activate(&self, activation: Activation, x: (Dims, &Flat<Cuda>)) -> Result<Flat<Cuda>> {
        let (engine, count) = (engine()?, x.0.count());
        let y = empty_map(self, count)?;
        let args = [number(activation).into(), address(x.1)?.into(), address(&y)?.into()];
        // SAFETY: two buffers of `count` values.
        unsafe { grouped(engine, [Kernel::activate_4, Kernel::activate_1], count, count, &args)? };
        Ok(y)
    }

    fn activate_backward(&self, activation: Activation, x: &Flat<Cuda>, gy: Flat<Cuda>) -> Result<Flat<Cuda>> {
        let (engine, count) = (engine()?, held(x)?);
        // not in place: another map may hold `gy` too
        let gx = empty_map(self, count)?;
        let args = [number(activation).into(), address(x)?.into(), address(&gy)?.into(), address(&gx)?.into()];
        // SAFETY: three buffers of `count` values.
        unsafe { grouped(engine, [Kernel::activate_back_4, Kernel::activate_back_1], count, count, &args)? };
        Ok(gx)
    }

    fn apart(&self, x: &Flat<Cuda>) -> Result<Flat<Cuda>> {
        let y = empty(self, x.shape().0)?;
        engine()?.copy(x, &y)?;
        Ok(y)
    }

    fn add_in_place(&self, x: Flat<Cuda>, y: &Flat<Cuda>) -> Result<Flat<Cuda>> {
        let count = held(&x)?;
        // not in place: whether another tensor shares `x`, dfdx does not tell
        let z = empty_map(self, count)?;
        let args = [1.0f32.into(), 1.0f32.into(), address(&x)?.into(), address(y)?.into(), address(&z)?.into()];
        // SAFETY: three maps of `count` values.
        unsafe { grouped(engine()?, [Kernel::blend_4, Kernel::blend_1], count, count, &args)? };
        Ok(z)
    }

    fn add_to_gradient(&self, values: &Flat<Cuda>, into: &mut <Cuda as Storage<f32>>::Vec) -> Result<()> {
        let into = *into.device_ptr();
        mix(values.shape().0, [1.0, 1.0], [into, address(values)?, into])
    }

    fn blend(&self, x: &mut Flat<Cuda>, y: &Flat<Cuda>, share: f32) -> Result<()> {
        let target = address(x)?;
        mix(x.shape().0, [1.0 - share, share], [target, address(y)?, target])
    }
}

/// `x` times the value that `scale` has for its photo and channel.
fn scaled(device: &Cuda, dims: Dims, x: &Flat<Cuda>, scale: &Flat<Cuda>) -> Result<Flat<Cuda>> {
    let y = empty_map(device, dims.count())?;
    let args = [
        word(dims.c)?.into(),
        word(dims.c * dims.h * dims.w)?.into(),
        address(x)?.into(),
        address(scale)?.into(),
        address(&y)?.into(),
    ];
    // SAFETY: two maps of these sizes and one of a place a channel.
    unsafe { grouped(engine()?, [Kernel::scale_4, Kernel::scale_1], dims.count(), dims.c, &args)? };
    Ok(y)
}

impl ScaleKernel for Cuda {
    fn scale_forward(&self, x: (Dims, &Flat<Cuda>), scale: &Flat<Cuda>) -> Result<Flat<Cuda>> {
        scaled(self, x.0, x.1, scale)
    }

    fn scale_backward(
        &self,
        x: (Dims, &Flat<Cuda>),
        scale: &Flat<Cuda>,
        gy: Flat<Cuda>,
    ) -> Result<(Flat<Cuda>, Flat<Cuda>)> {
        let (engine, dims) = (engine()?, x.0);
        let columns = Columns::new(engine, dims.n, dims.h * dims.w, dims.c);
        let of_scale = empty_map(self, dims.n * dims.c)?;
        // SAFETY: two maps of these sizes, and a sum for each photo and channel.
        unsafe {
            let sums = columns.run(
                engine,
                [Kernel::sums_4, Kernel::sums_1],
                1,
                &[address(&gy)?.into(), address(x.1)?.into()],
            )?;
            sums.finish_map(engine, 1.0, address(&of_scale)?)?;
        }
        Ok((scaled(self, dims, &gy, scale)?, of_scale))
    }
}
