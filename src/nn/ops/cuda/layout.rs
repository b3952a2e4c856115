//! Order on the card: maps N x H x W x C (in amp two values of bf16 where else one of f32 lies), weights O x H x W x I
//! (depthwise H x W x C), everything else as in files.

use dfdx::prelude::{Cuda, CudaError, HasShape, ReshapeTo, Tensor};

use crate::nn::map::{Dims, Flat};
use crate::nn::ops::{ConvSpec, Layout, bf16_of, f32_of};
use crate::nn::param::Shape;

use super::engine::{Engine, Kernel, address, empty, empty_map, engine, stored};

/// The kernel of a convolution, which decides the order of its weights.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Path {
    /// A window for each channel, of our own: size and stride.
    Depthwise(usize, usize),
    /// cuDNN, or plain loops where it has no way.
    Whole,
    /// Plain loops of our own.
    Plain,
}

/// The kernel for `spec`.
pub(super) fn path(spec: &ConvSpec) -> Path {
    let [kh, kw] = spec.kernel;
    let square = kh == kw && spec.stride[0] == spec.stride[1] && spec.dilation == [1, 1];
    // the gradient of the input is a convolution with padding `kernel - 1 - padding`
    let padded = spec.padding.iter().all(|p| *p < kh);
    if spec.is_depthwise() && square && padded && matches!(kh, 3 | 5 | 7) && matches!(spec.stride[0], 1 | 2) {
        Path::Depthwise(kh, spec.stride[0])
    } else if spec.groups == 1 {
        Path::Whole
    } else {
        Path::Plain
    }
}

impl Layout for Cuda {
    fn map_len(&self, dims: Dims) -> usize {
        stored(dims.count()).unwrap_or_default()
    }

    fn pack_map(&self, dims: Dims, values: &[f32]) -> Vec<f32> {
        let mut packed = vec![0.0; dims.count()];
        each_of_map(dims, |torch, ours| packed[ours] = values[torch]);
        if engine().is_ok_and(Engine::has_half_maps) { paired(&packed) } else { packed }
    }

    fn unpack_map(&self, dims: Dims, values: &Flat<Cuda>) -> Result<Vec<f32>, CudaError> {
        let engine = engine()?;
        let packed = engine.values(values)?;
        let packed = if engine.has_half_maps() { apart(&packed) } else { packed };
        let mut values = vec![0.0; dims.count()];
        each_of_map(dims, |torch, ours| values[torch] = packed[ours]);
        Ok(values)
    }

    fn pack_param(&self, shape: &Shape, values: Vec<f32>) -> Vec<f32> {
        let mut packed = vec![0.0; values.len()];
        each_of_param(shape, |torch, ours| packed[ours] = values[torch]);
        packed
    }

    fn unpack_param(&self, shape: &Shape, values: &Flat<Cuda>) -> Result<Vec<f32>, CudaError> {
        let packed = engine()?.values(values)?;
        let mut values = vec![0.0; packed.len()];
        each_of_param(shape, |torch, ours| values[torch] = packed[ours]);
        Ok(values)
    }

    fn to_rows(&self, dims: Dims, values: &Flat<Cuda>) -> Result<Tensor<(usize, usize), f32, Cuda>, CudaError> {
        // a map of one place lies row by row already
        if !engine()?.has_half_maps() {
            return values.clone().try_reshape_like(&(dims.n, dims.c));
        }
        let rows = empty(self, dims.count())?;
        // SAFETY: a map of so many values and as many of f32.
        unsafe { converted(Kernel::widen, dims.count(), false, [address(values)?, address(&rows)?])? };
        rows.try_reshape_like(&(dims.n, dims.c))
    }

    fn map_of_rows(&self, dims: Dims, rows: Tensor<(usize, usize), f32, Cuda>) -> Result<Flat<Cuda>, CudaError> {
        let rows = rows.try_reshape_like(&(dims.count(),))?;
        if !engine()?.has_half_maps() {
            return Ok(rows);
        }
        let map = empty_map(self, dims.count())?;
        // SAFETY: a map of so many values and as many of f32.
        unsafe { converted(Kernel::narrow, dims.count(), false, [address(&rows)?, address(&map)?])? };
        Ok(map)
    }

    fn read<S: dfdx::prelude::Shape, T>(&self, tensor: &Tensor<S, f32, Cuda, T>) -> Result<Vec<f32>, CudaError> {
        // dfdx's own way out, which panics where the card has gone; asked first, the card says so as an error
        let _ = tensor.shape();
        dfdx::prelude::Synchronize::try_synchronize(self)?;
        Ok(tensor.as_vec())
    }
}

/// `count` values from one address to the other, to bf16 (`narrow`) or f32 (`widen`), added to what is there where `more`.
///
/// # Safety
/// Both must be good for so many values of their kind.
pub(super) unsafe fn converted(
    kernel: Kernel,
    count: usize,
    more: bool,
    [from, to]: [u64; 2],
) -> Result<(), CudaError> {
    // SAFETY: the caller's.
    unsafe { engine()?.each(kernel, count, &[i32::from(more).into(), from.into(), to.into()]) }
}

/// Two values, rounded to bf16, where one of f32 would lie.
fn paired(values: &[f32]) -> Vec<f32> {
    let two = |pair: &[f32]| {
        let upper = pair.get(1).map_or(0, |v| u32::from(bf16_of(*v)));
        f32::from_bits(upper << 16 | u32::from(bf16_of(pair[0])))
    };
    values.chunks(2).map(two).collect()
}

/// The way back of [`paired`].
fn apart(pairs: &[f32]) -> Vec<f32> {
    pairs.iter().flat_map(|pair| [pair.to_bits() as u16, (pair.to_bits() >> 16) as u16]).map(f32_of).collect()
}

/// Calls `visit` with the place of each value of a map in torchvision's order and in ours.
fn each_of_map(dims: Dims, mut visit: impl FnMut(usize, usize)) {
    let places = dims.h * dims.w;
    for photo in 0..dims.n {
        let start = photo * dims.c * places;
        for channel in 0..dims.c {
            (0..places).for_each(|place| visit(start + channel * places + place, start + place * dims.c + channel));
        }
    }
}

/// Calls `visit` with the place of each value of a parameter in torchvision's order and in ours.
fn each_of_param(shape: &Shape, mut visit: impl FnMut(usize, usize)) {
    let Shape::Conv(spec) = shape else {
        (0..shape.count()).for_each(|i| visit(i, i));
        return;
    };
    let taps = spec.kernel[0] * spec.kernel[1];
    let (outs, ins) = (spec.out_channels, spec.in_channels / spec.groups);
    let depthwise = matches!(path(spec), Path::Depthwise(..));
    for o in 0..outs {
        for i in 0..ins {
            for tap in 0..taps {
                let ours = if depthwise { tap * outs + o } else { (o * taps + tap) * ins + i };
                visit((o * ins + i) * taps + tap, ours);
            }
        }
    }
}
