//! Order on the card: maps N x H x W x C, weights O x H x W x I (depthwise H x W x C), everything else as in files.

use dfdx::prelude::{Cuda, CudaError, HasShape, ReshapeTo, Tensor};

use crate::nn::map::{Dims, Flat};
use crate::nn::ops::{ConvSpec, Layout};
use crate::nn::param::Shape;

use super::engine::engine;

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
        dims.count()
    }

    fn pack_map(&self, dims: Dims, values: &[f32]) -> Vec<f32> {
        let mut packed = vec![0.0; dims.count()];
        each_of_map(dims, |torch, ours| packed[ours] = values[torch]);
        packed
    }

    fn unpack_map(&self, dims: Dims, values: &Flat<Cuda>) -> Result<Vec<f32>, CudaError> {
        let packed = engine()?.values(values)?;
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
        values.clone().try_reshape_like(&(dims.n, dims.c))
    }

    fn map_of_rows(&self, dims: Dims, rows: Tensor<(usize, usize), f32, Cuda>) -> Result<Flat<Cuda>, CudaError> {
        rows.try_reshape_like(&(dims.count(),))
    }

    fn read<S: dfdx::prelude::Shape, T>(&self, tensor: &Tensor<S, f32, Cuda, T>) -> Result<Vec<f32>, CudaError> {
        // dfdx's own way out, which panics where the card has gone; asked first, the card says so as an error
        let _ = tensor.shape();
        dfdx::prelude::Synchronize::try_synchronize(self)?;
        Ok(tensor.as_vec())
    }
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
