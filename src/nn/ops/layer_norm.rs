//! Layer norm over the channels of each place, as torch's `LayerNorm` over a token (Ba et al. 2016):
//! `y = (x - mean) / sqrt(variance + epsilon) * gain + bias`, mean and biased variance of the place's channels.

use dfdx::prelude::Storage;

use crate::nn::error::{NnError, Result};
use crate::nn::map::{Dims, FeatureMap, Flat};
use crate::nn::param::{ParamId, Store};
use crate::nn::pass::Pass;

use super::Backend;

/// A layer norm's parameters.
#[derive(Clone, Copy, Debug)]
pub struct LayerNorm {
    /// torch's `weight`: C.
    pub gain: ParamId,
    /// torch's `bias`: C.
    pub bias: ParamId,
    /// Added to the variance.
    pub epsilon: f32,
}

/// What a layer norm gives.
pub struct Normed<D: Storage<f32>> {
    /// The output.
    pub y: Flat<D>,
    /// Mean and `1 / sqrt(variance + epsilon)` of each place, for the way back.
    pub places: Flat<D>,
}

/// Gradients that a layer norm gives.
pub struct LayerNormGradients<D: Storage<f32>> {
    /// Of the input.
    pub x: Flat<D>,
    /// Of the scale of each channel.
    pub gain: Flat<D>,
    /// Of the shift of each channel.
    pub bias: Flat<D>,
}

/// Layer norm on a device.
pub trait LayerNormKernel: Storage<f32> {
    /// The output.
    fn layer_norm_forward(
        &self,
        x: (Dims, &Flat<Self>),
        gain: &Flat<Self>,
        bias: &Flat<Self>,
        epsilon: f32,
    ) -> Result<Normed<Self>, Self::Err>;
    /// The gradients; that of the input added to `into` where something is there already.
    fn layer_norm_backward(
        &self,
        x: (Dims, &Flat<Self>),
        places: &Flat<Self>,
        gain: &Flat<Self>,
        gy: &Flat<Self>,
        into: Option<Flat<Self>>,
    ) -> Result<LayerNormGradients<Self>, Self::Err>;
}

/// Normalises each place of `x` over its channels.
///
/// # Errors
/// When the channels do not fit or are those of a photo, or the device fails.
pub fn layer_norm<D: Backend>(
    pass: &mut Pass<D>,
    store: &Store<D>,
    x: &FeatureMap<D>,
    norm: &LayerNorm,
) -> Result<FeatureMap<D>> {
    const OP: &str = "layer norm";
    let dims = x.dims();
    let channels = store.get(norm.gain).shape.count();
    // fewer than four channels are planes on the CPU, which no network normalises so
    if channels != dims.c || channels < 4 {
        return Err(NnError::shape(OP, format!("{channels} channels, four or more, expected; the map is {dims}")));
    }
    let device = pass.device().clone();
    let (gain, bias) = (store.value(norm.gain).clone(), store.value(norm.bias).clone());
    let normed = device.layer_norm_forward((dims, x.values()), &gain, &bias, norm.epsilon);
    let Normed { y, places } = normed.map_err(|e| NnError::device(OP, e))?;
    let mut y = pass.output(y, dims);
    pass.draw(&mut y, |graph| graph.layer_norm(store, x.drawn()?, norm))?;
    let x = x.clone();
    pass.record(&y, move |gy, gradients| {
        let there = x.grad().and_then(|slot| slot.take());
        let given = device.layer_norm_backward((dims, x.values()), &places, &gain, &gy, there)?;
        device.add_to_gradient(&given.gain, gradients.get_or_alloc_mut(&gain)?)?;
        device.add_to_gradient(&given.bias, gradients.get_or_alloc_mut(&bias)?)?;
        if let Some(slot) = x.grad() {
            slot.set(given.x);
        }
        Ok(())
    });
    Ok(y)
}
