//! Batch norm with an activation, and a residual added before it: one operation, because as separate passes over
//! memory they cost more than the convolutions around them.
//!
//! `y = act((x - mean) / sqrt(variance + epsilon) * gain + bias + residual)`, Ioffe and Szegedy 2015, as torch's
//! `BatchNorm2d`: in training the (biased) statistics of the batch, else the running ones.

use dfdx::prelude::Storage;

use crate::nn::error::{NnError, Result};
use crate::nn::map::{Dims, FeatureMap, Flat};
use crate::nn::param::{ParamId, Store};
use crate::nn::pass::{BatchStatistics, Pass};

use super::activate::give;
use super::{Activation, Backend};

/// What batch norms of different architectures differ in.
#[derive(Clone, Copy, Debug)]
pub struct NormSpec {
    /// Added to the variance.
    pub epsilon: f32,
    /// The share that a batch has in the running statistics after it (torch's `momentum`).
    pub momentum: f32,
}

impl NormSpec {
    /// torch's defaults.
    pub const TORCH: NormSpec = NormSpec { epsilon: 1e-5, momentum: 0.1 };
}

/// A batch norm's parameters.
#[derive(Clone, Copy, Debug)]
pub struct BatchNorm {
    /// torch's `weight`: C.
    pub gain: ParamId,
    /// torch's `bias`: C.
    pub bias: ParamId,
    /// torch's `running_mean`: C.
    pub mean: ParamId,
    /// torch's `running_var`: C.
    pub variance: ParamId,
    /// What it does beside.
    pub spec: NormSpec,
}

/// What the kernels of a batch norm need beside the map.
#[derive(Clone, Copy)]
pub struct NormArgs<'a, D: Storage<f32>> {
    /// Scale of each channel.
    pub gain: &'a Flat<D>,
    /// Shift of each channel.
    pub bias: &'a Flat<D>,
    /// Added to the variance.
    pub epsilon: f32,
    /// Applied last.
    pub activation: Activation,
}

/// Statistics of a batch: mean and biased variance of each channel.
pub struct Moments<D: Storage<f32>> {
    /// Mean of each channel.
    pub mean: Flat<D>,
    /// Biased variance of each channel.
    pub variance: Flat<D>,
}

impl<D: Backend> Clone for Moments<D> {
    fn clone(&self) -> Self {
        Moments { mean: self.mean.clone(), variance: self.variance.clone() }
    }
}

impl<D: Backend> Moments<D> {
    /// The running ones of `norm`.
    pub(super) fn running(store: &Store<D>, norm: &BatchNorm) -> Self {
        Moments { mean: store.value(norm.mean).clone(), variance: store.value(norm.variance).clone() }
    }
}

/// Gradients that a batch norm gives.
pub struct NormGradients<D: Storage<f32>> {
    /// Of the input.
    pub x: Flat<D>,
    /// Of the residual, where there was one.
    pub residual: Option<Flat<D>>,
    /// Of the scale of each channel.
    pub gain: Flat<D>,
    /// Of the shift of each channel.
    pub bias: Flat<D>,
}

/// Batch norm on a device.
pub trait NormKernel: Storage<f32> {
    /// Mean and biased variance of each channel over photos and places.
    fn norm_moments(&self, x: (Dims, &Flat<Self>)) -> Result<Moments<Self>, Self::Err>;
    /// The unbiased variance from the biased one.
    fn norm_unbiased(&self, x: Dims, moments: &Moments<Self>) -> Result<Flat<Self>, Self::Err>;
    /// The output for the given moments.
    fn norm_forward(
        &self,
        x: (Dims, &Flat<Self>),
        residual: Option<&Flat<Self>>,
        moments: &Moments<Self>,
        args: NormArgs<Self>,
    ) -> Result<Flat<Self>, Self::Err>;
    /// The gradients, from that of the output, whose memory may be used again. `constant_moments`: the moments do
    /// not depend on `x` (running statistics).
    fn norm_backward(
        &self,
        x: (Dims, &Flat<Self>),
        residual: Option<&Flat<Self>>,
        moments: &Moments<Self>,
        args: NormArgs<Self>,
        constant_moments: bool,
        gy: Flat<Self>,
    ) -> Result<NormGradients<Self>, Self::Err>;
}

const OP: &str = "batch norm";

/// Refuses channels or a residual that do not fit a map of `dims`.
pub(super) fn check<D: Backend>(
    store: &Store<D>,
    dims: Dims,
    residual: Option<&FeatureMap<D>>,
    norm: &BatchNorm,
) -> Result<()> {
    let channels = store.get(norm.gain).shape.count();
    if channels != dims.c {
        return Err(NnError::shape(OP, format!("{channels} channels expected, the map is {dims}")));
    }
    if let Some(residual) = residual.filter(|r| r.dims() != dims) {
        return Err(NnError::shape(OP, format!("a residual of {} on a map of {dims}", residual.dims())));
    }
    Ok(())
}

/// Normalises `x`, adds `residual` where there is one, applies `activation`.
///
/// # Errors
/// When channels or residual do not fit, when a training batch has a single value a channel, or the device fails.
pub fn batch_norm<D: Backend>(
    pass: &mut Pass<D>,
    store: &Store<D>,
    x: &FeatureMap<D>,
    residual: Option<&FeatureMap<D>>,
    norm: &BatchNorm,
    activation: Activation,
) -> Result<FeatureMap<D>> {
    let dims = x.dims();
    check(store, dims, residual, norm)?;
    let of_batch = pass.is_training();
    if of_batch && dims.n * dims.h * dims.w < 2 {
        return Err(NnError::shape(OP, format!("a batch of {dims} has no variance to learn from: use more photos")));
    }
    let device = pass.device().clone();
    let fail = |e: D::Err| NnError::device(OP, e);
    let moments = if of_batch {
        let moments = device.norm_moments((dims, x.values())).map_err(fail)?;
        let unbiased = device.norm_unbiased(dims, &moments).map_err(fail)?;
        pass.remember(BatchStatistics {
            mean: (norm.mean, moments.mean.clone()),
            variance: (norm.variance, unbiased),
            momentum: norm.spec.momentum,
        });
        moments
    } else {
        Moments::running(store, norm)
    };
    let (gain, bias, epsilon) = (store.value(norm.gain).clone(), store.value(norm.bias).clone(), norm.spec.epsilon);
    let args = NormArgs { gain: &gain, bias: &bias, epsilon, activation };
    let y = device.norm_forward((dims, x.values()), residual.map(FeatureMap::values), &moments, args).map_err(fail)?;
    let mut y = pass.output(y, dims);
    pass.draw(&mut y, |graph| {
        let residual = residual.map(FeatureMap::drawn).transpose()?;
        graph.batch_norm(store, x.drawn()?, residual, norm, activation)
    })?;
    let (x, residual) = (x.clone(), residual.cloned());
    pass.record(&y, move |gy, gradients| {
        let args = NormArgs { gain: &gain, bias: &bias, epsilon, activation };
        let residual_values = residual.as_ref().map(FeatureMap::values);
        let given = device.norm_backward((dims, x.values()), residual_values, &moments, args, !of_batch, gy)?;
        device.add_to_gradient(&given.gain, gradients.get_or_alloc_mut(&gain)?)?;
        device.add_to_gradient(&given.bias, gradients.get_or_alloc_mut(&bias)?)?;
        give(&device, &x, given.x)?;
        match (&residual, given.residual) {
            (Some(residual), Some(gradient)) => give(&device, residual, gradient),
            _ => Ok(()),
        }
    });
    Ok(y)
}
