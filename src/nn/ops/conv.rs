//! Convolution in two dimensions: any stride, padding, dilation and groups.
//!
//! As torch's `conv2d`: a cross-correlation, zero padding, output size
//! `(size + 2 padding - dilation (kernel - 1) - 1) / stride + 1`, rounded down.

use dfdx::prelude::Storage;

use crate::nn::error::{NnError, Result};
use crate::nn::map::{Dims, FeatureMap, Flat};
use crate::nn::param::{ParamId, Store};
use crate::nn::pass::Pass;

use super::Backend;

/// What a convolution does, without its weights; pairs are rows, columns.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct ConvSpec {
    /// Channels in.
    pub in_channels: usize,
    /// Channels out.
    pub out_channels: usize,
    /// Size of the window.
    pub kernel: [usize; 2],
    /// Step of the window.
    pub stride: [usize; 2],
    /// Zeros added on each side.
    pub padding: [usize; 2],
    /// Distance between the window's taps.
    pub dilation: [usize; 2],
    /// Groups of channels that do not see each other.
    pub groups: usize,
}

impl ConvSpec {
    /// A square window with "same" padding for odd sizes, stride 1, one group.
    pub fn new(in_channels: usize, out_channels: usize, kernel: usize) -> Self {
        ConvSpec {
            in_channels,
            out_channels,
            kernel: [kernel; 2],
            stride: [1; 2],
            padding: [kernel / 2; 2],
            dilation: [1; 2],
            groups: 1,
        }
    }

    /// The same with another stride.
    pub fn stride(self, stride: usize) -> Self {
        ConvSpec { stride: [stride; 2], ..self }
    }

    /// The same with other groups.
    pub fn groups(self, groups: usize) -> Self {
        ConvSpec { groups, ..self }
    }

    /// Whether each channel has a window of its own.
    pub fn is_depthwise(&self) -> bool {
        self.groups > 1 && self.groups == self.in_channels && self.groups == self.out_channels
    }

    /// Sizes of the output for an input of sizes `x`.
    ///
    /// # Errors
    /// When the channels do not fit or the window is larger than the padded map.
    pub fn output(&self, x: Dims) -> Result<Dims> {
        let fail = |reason: String| Err(NnError::shape("conv2d", reason));
        if x.c != self.in_channels {
            return fail(format!("{} channels expected, the map is {x}", self.in_channels));
        }
        if self.groups == 0
            || !self.in_channels.is_multiple_of(self.groups)
            || !self.out_channels.is_multiple_of(self.groups)
        {
            return fail(format!(
                "{} groups do not divide {} and {} channels",
                self.groups, self.in_channels, self.out_channels
            ));
        }
        let mut size = [x.h, x.w];
        for axis in 0..2 {
            let window = self.dilation[axis] * (self.kernel[axis].max(1) - 1) + 1;
            let padded = size[axis] + 2 * self.padding[axis];
            if self.kernel[axis] == 0 || self.stride[axis] == 0 || padded < window {
                return fail(format!("a window of {window} at stride {} on a map of {x}", self.stride[axis]));
            }
            size[axis] = (padded - window) / self.stride[axis] + 1;
        }
        Ok(Dims { c: self.out_channels, h: size[0], w: size[1], ..x })
    }
}

/// Convolution on a device. `x`, `y` are sizes of input and output; tensors lie in the device's order.
pub trait ConvKernel: Storage<f32> {
    /// The output, with `bias` added where there is one.
    fn conv_forward(
        &self,
        spec: &ConvSpec,
        x: (Dims, &Flat<Self>),
        weight: &Flat<Self>,
        bias: Option<&Flat<Self>>,
        y: Dims,
    ) -> Result<Flat<Self>, Self::Err>;
    /// The gradient of the input, added to `into` where something is there already.
    fn conv_backward_data(
        &self,
        spec: &ConvSpec,
        x: Dims,
        weight: &Flat<Self>,
        y: (Dims, &Flat<Self>),
        into: Option<Flat<Self>>,
    ) -> Result<Flat<Self>, Self::Err>;
    /// Adds the gradient of the weights to `into`.
    fn conv_backward_weight(
        &self,
        spec: &ConvSpec,
        x: (Dims, &Flat<Self>),
        y: (Dims, &Flat<Self>),
        into: &mut Self::Vec,
    ) -> Result<(), Self::Err>;
    /// Adds the gradient of the bias, the sum over photos and places, to `into`.
    fn conv_backward_bias(&self, y: (Dims, &Flat<Self>), into: &mut Self::Vec) -> Result<(), Self::Err>;
}

/// Convolves `x` with the weights at `weight`, and adds the bias where there is one.
///
/// # Errors
/// When shapes do not fit ([`ConvSpec::output`]) or the device fails.
pub fn conv2d<D: Backend>(
    pass: &mut Pass<D>,
    store: &Store<D>,
    x: &FeatureMap<D>,
    spec: &ConvSpec,
    weight: ParamId,
    bias: Option<ParamId>,
) -> Result<FeatureMap<D>> {
    let dims = x.dims();
    let out = spec.output(dims)?;
    let device = pass.device().clone();
    let ids = (weight, bias);
    let weight = store.value(weight).clone();
    let bias = bias.map(|id| store.value(id).clone());
    let y = device
        .conv_forward(spec, (dims, x.values()), &weight, bias.as_ref(), out)
        .map_err(|e| NnError::device("conv2d", e))?;
    let mut y = pass.output(y, out);
    pass.draw(&mut y, |graph| graph.conv(store, x.drawn()?, spec, ids, out))?;
    let (x, spec) = (x.clone(), *spec);
    pass.record(&y, move |gy, gradients| {
        if let Some(bias) = &bias {
            device.conv_backward_bias((out, &gy), gradients.get_or_alloc_mut(bias)?)?;
        }
        device.conv_backward_weight(&spec, (dims, x.values()), (out, &gy), gradients.get_or_alloc_mut(&weight)?)?;
        if let Some(slot) = x.grad() {
            slot.set(device.conv_backward_data(&spec, dims, &weight, (out, &gy), slot.take())?);
        }
        Ok(())
    });
    Ok(y)
}
