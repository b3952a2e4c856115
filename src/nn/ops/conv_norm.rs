//! A convolution with its batch norm in an evaluation that records nothing: what stands between is never written, where
//! a device can do all at once.

use crate::nn::error::{NnError, Result};
use crate::nn::map::{Dims, FeatureMap, Flat};
use crate::nn::param::{ParamId, Store};
use crate::nn::pass::Pass;

use super::norm::{Moments, NormArgs, check};
use super::scale::check as check_scale;
use super::{Activation, Backend, BatchNorm, ConvKernel, ConvSpec, NormKernel, ScaleKernel};

/// All at once on a device.
pub trait ConvNormKernel: ConvKernel + NormKernel + ScaleKernel {
    /// What this device makes of a convolution's weights and keeps until they change.
    type Ready: Default;

    /// [`ScaleKernel::scale_forward`], where there is a scale, then [`ConvKernel::conv_forward`] and
    /// [`NormKernel::norm_forward`]; a device that can do better gives the same.
    fn conv_norm(
        &self,
        spec: &ConvSpec,
        x: (Dims, &Flat<Self>),
        (weight, _): (&Flat<Self>, &Self::Ready),
        scale_residual: [Option<&Flat<Self>>; 2],
        norm: (&Moments<Self>, NormArgs<Self>),
        y: Dims,
    ) -> Result<Flat<Self>, Self::Err> {
        in_turn(self, spec, x, weight, scale_residual, norm, y)
    }
}

/// One after the other.
pub(super) fn in_turn<D: ConvNormKernel>(
    device: &D,
    spec: &ConvSpec,
    (dims, x): (Dims, &Flat<D>),
    weight: &Flat<D>,
    [scale, residual]: [Option<&Flat<D>>; 2],
    (moments, args): (&Moments<D>, NormArgs<D>),
    y: Dims,
) -> Result<Flat<D>, D::Err> {
    let sums = match scale {
        Some(scale) => device.conv_forward(spec, (dims, &device.scale_forward((dims, x), scale)?), weight, None, y)?,
        None => device.conv_forward(spec, (dims, x), weight, None, y)?,
    };
    device.norm_forward((y, &sums), residual, moments, args)
}

/// A convolution without bias and its batch norm.
#[derive(Clone, Copy)]
pub struct ConvNormed<'a> {
    /// The convolution.
    pub spec: &'a ConvSpec,
    /// Its weights.
    pub weight: ParamId,
    /// What normalises, by its running statistics.
    pub norm: &'a BatchNorm,
    /// Applied last.
    pub activation: Activation,
}

/// `activation(norm(conv(scale x)) + residual)` for a pass that keeps nothing; `scale` as [`super::scale_channels`]
/// has it.
///
/// # Errors
/// Those of [`super::scale_channels`], [`super::conv2d`] and [`super::batch_norm`].
pub fn conv_norm<D: Backend>(
    pass: &Pass<D>,
    store: &Store<D>,
    x: &FeatureMap<D>,
    conv: ConvNormed,
    scale: Option<&FeatureMap<D>>,
    residual: Option<&FeatureMap<D>>,
) -> Result<FeatureMap<D>> {
    let ConvNormed { spec, weight, norm, activation } = conv;
    let out = spec.output(x.dims())?;
    if let Some(scale) = scale {
        check_scale(x.dims(), scale.dims())?;
    }
    check(store, out, residual, norm)?;
    let moments = Moments::running(store, norm);
    let (gain, bias) = (store.value(norm.gain), store.value(norm.bias));
    let args = NormArgs { gain, bias, epsilon: norm.spec.epsilon, activation };
    let x = (x.dims(), x.values());
    let beside = [scale, residual].map(|map| map.map(FeatureMap::values));
    let y = pass
        .device()
        .conv_norm(spec, x, (store.value(weight), store.ready(weight)), beside, (&moments, args), out)
        .map_err(|e| NnError::device("conv2d with batch norm", e))?;
    Ok(pass.output(y, out))
}
