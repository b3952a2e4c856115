//! A convolution with its batch norm in an evaluation that records nothing: what the convolution alone gives is never
//! written, where a device can do both at once.

use crate::nn::error::{NnError, Result};
use crate::nn::map::{Dims, FeatureMap, Flat};
use crate::nn::param::{ParamId, Store};
use crate::nn::pass::Pass;

use super::norm::{Moments, NormArgs, check};
use super::{Activation, Backend, BatchNorm, ConvKernel, ConvSpec, NormKernel};

/// Both on a device.
pub trait ConvNormKernel: ConvKernel + NormKernel {
    /// What this device makes of a convolution's weights and keeps until they change.
    type Ready: Default;

    /// [`NormKernel::norm_forward`] of [`ConvKernel::conv_forward`]; a device that can do better gives the same.
    fn conv_norm(
        &self,
        spec: &ConvSpec,
        x: (Dims, &Flat<Self>),
        (weight, _): (&Flat<Self>, &Self::Ready),
        residual: Option<&Flat<Self>>,
        (moments, args): (&Moments<Self>, NormArgs<Self>),
        y: Dims,
    ) -> Result<Flat<Self>, Self::Err> {
        let sums = self.conv_forward(spec, x, weight, None, y)?;
        self.norm_forward((y, &sums), residual, moments, args)
    }
}

/// `activation(norm(conv(x)) + residual)` by the running statistics, for a pass that keeps nothing.
///
/// # Errors
/// Those of [`super::conv2d`] and [`super::batch_norm`].
pub fn conv_norm<D: Backend>(
    pass: &Pass<D>,
    store: &Store<D>,
    x: &FeatureMap<D>,
    (spec, weight): (&ConvSpec, ParamId),
    residual: Option<&FeatureMap<D>>,
    norm: &BatchNorm,
    activation: Activation,
) -> Result<FeatureMap<D>> {
    let out = spec.output(x.dims())?;
    check(store, out, residual, norm)?;
    let moments = Moments { mean: store.value(norm.mean).clone(), variance: store.value(norm.variance).clone() };
    let (gain, bias) = (store.value(norm.gain), store.value(norm.bias));
    let args = NormArgs { gain, bias, epsilon: norm.spec.epsilon, activation };
    let (x, residual) = ((x.dims(), x.values()), residual.map(FeatureMap::values));
    let y = pass
        .device()
        .conv_norm(spec, x, (store.value(weight), store.ready(weight)), residual, (&moments, args), out)
        .map_err(|e| NnError::device("conv2d with batch norm", e))?;
    Ok(pass.output(y, out))
}
