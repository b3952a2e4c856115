//! What optimisers do to a parameter, in one pass over its memory.

use dfdx::prelude::Storage;

use crate::nn::map::Flat;

/// One step of AdamW (Loshchilov and Hutter 2019, as torch's: decay first, bias-corrected moments).
#[derive(Clone, Copy, Debug)]
pub struct AdamStep {
    /// Learning rate of this step.
    pub lr: f32,
    /// Decay of the first moment.
    pub beta1: f32,
    /// Decay of the second moment.
    pub beta2: f32,
    /// Added to the root of the second moment.
    pub epsilon: f32,
    /// Decoupled weight decay: the weight shrinks by `lr * weight_decay`.
    pub weight_decay: f32,
    /// Multiplies the gradient: clipping.
    pub gradient_scale: f32,
    /// Steps made, this one counted.
    pub step: u64,
}

/// One step of SGD with momentum and decoupled weight decay (SGDW of the same paper).
#[derive(Clone, Copy, Debug)]
pub struct SgdStep {
    /// Learning rate of this step.
    pub lr: f32,
    /// Share of the last movement that goes on.
    pub momentum: f32,
    /// Decoupled weight decay: the weight shrinks by `lr * weight_decay`.
    pub weight_decay: f32,
    /// Multiplies the gradient: clipping.
    pub gradient_scale: f32,
}

/// Optimiser steps on a device.
pub trait UpdateKernel: Storage<f32> {
    /// Sums of squares that the device may keep to itself until they are asked for.
    type Squares: Default;
    /// Adds the squares of a gradient.
    fn add_squares(&self, gradient: &Self::Vec, sums: &mut Self::Squares) -> Result<(), Self::Err>;
    /// The sum of all that was added.
    fn total_of_squares(&self, sums: Self::Squares) -> Result<f64, Self::Err>;
    /// Moves `weight` and its moments `first`, `second`.
    fn adam(
        &self,
        weight: &mut Flat<Self>,
        gradient: &Self::Vec,
        first: &mut Flat<Self>,
        second: &mut Flat<Self>,
        step: AdamStep,
    ) -> Result<(), Self::Err>;
    /// Moves `weight` and its velocity: `velocity = momentum velocity + gradient; weight -= lr velocity`.
    fn sgd(
        &self,
        weight: &mut Flat<Self>,
        gradient: &Self::Vec,
        velocity: &mut Flat<Self>,
        step: SgdStep,
    ) -> Result<(), Self::Err>;
}
