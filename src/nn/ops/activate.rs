//! Element by element: activations, sums of maps, and how a map is given a gradient.

use dfdx::prelude::Storage;

use crate::nn::error::{NnError, Result};
use crate::nn::map::{Dims, FeatureMap, Flat};
use crate::nn::pass::Pass;

use super::Backend;

/// Applied to each value.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Activation {
    /// `x`.
    Identity,
    /// `max(x, 0)`.
    Relu,
    /// `x sigmoid(x)` (Elfwing et al. 2018; torch's `SiLU`).
    Silu,
    /// `1 / (1 + exp(-x))`.
    Sigmoid,
    /// `min(max(x, 0), 6)` (torch's `ReLU6`; MobileNet and EfficientNet-Lite).
    Relu6,
    /// `x hardsigmoid(x)` (Howard et al. 2019; torch's `Hardswish`).
    Hardswish,
    /// `min(max(x + 3, 0), 6) / 6` (torch's `Hardsigmoid`).
    Hardsigmoid,
    /// `x Phi(x)`, Phi the normal distribution's sum: exact, as torch's default `GELU` (Hendrycks and Gimpel 2016).
    Gelu,
}

impl Activation {
    /// Whether zero gives zero: what does not would fill the padding of a map.
    pub fn keeps_zero(self) -> bool {
        !matches!(self, Activation::Sigmoid | Activation::Hardsigmoid)
    }

    /// Every activation there is, for tests that walk them all.
    pub const ALL: [Activation; 8] = [
        Activation::Identity,
        Activation::Relu,
        Activation::Silu,
        Activation::Sigmoid,
        Activation::Relu6,
        Activation::Hardswish,
        Activation::Hardsigmoid,
        Activation::Gelu,
    ];
}

/// Element-wise work on a device.
pub trait ElementKernel: Storage<f32> {
    /// `activation(x)`; padding stays zero.
    fn activate(&self, activation: Activation, x: (Dims, &Flat<Self>)) -> Result<Flat<Self>, Self::Err>;
    /// `gy activation'(x)`, in the memory of `gy`.
    fn activate_backward(
        &self,
        activation: Activation,
        x: &Flat<Self>,
        gy: Flat<Self>,
    ) -> Result<Flat<Self>, Self::Err>;
    /// `x` in memory that may be changed without `x` changing.
    fn apart(&self, x: &Flat<Self>) -> Result<Flat<Self>, Self::Err>;
    /// `x + y`, in the memory of `x` where nobody else holds it.
    fn add_in_place(&self, x: Flat<Self>, y: &Flat<Self>) -> Result<Flat<Self>, Self::Err>;
    /// Adds `values` to a gradient of dfdx.
    fn add_to_gradient(&self, values: &Flat<Self>, into: &mut Self::Vec) -> Result<(), Self::Err>;
    /// `(1 - share) x + share y`, into `x`.
    fn blend(&self, x: &mut Flat<Self>, y: &Flat<Self>, share: f32) -> Result<(), Self::Err>;
}

/// Gives `map` a gradient: stores it when it is the first, else adds it.
pub(super) fn give<D: Backend>(device: &D, map: &FeatureMap<D>, gradient: Flat<D>) -> Result<(), D::Err> {
    let Some(slot) = map.grad() else {
        return Ok(());
    };
    slot.set(match slot.take() {
        Some(there) => device.add_in_place(there, &gradient)?,
        None => gradient,
    });
    Ok(())
}

/// Applies `activation` to every value of `x`.
///
/// # Errors
/// When the device fails.
pub fn activate<D: Backend>(pass: &mut Pass<D>, x: &FeatureMap<D>, activation: Activation) -> Result<FeatureMap<D>> {
    let device = pass.device().clone();
    let y = device.activate(activation, (x.dims(), x.values())).map_err(|e| NnError::device("activation", e))?;
    let mut y = pass.output(y, x.dims());
    pass.draw(&mut y, |graph| Ok(graph.activation(x.drawn()?, activation)))?;
    let x = x.clone();
    pass.record(&y, move |gy, _| give(&device, &x, device.activate_backward(activation, x.values(), gy)?));
    Ok(y)
}

/// `a + b`, for maps of the same sizes.
///
/// # Errors
/// When the sizes differ or the device fails.
pub fn add<D: Backend>(pass: &mut Pass<D>, a: &FeatureMap<D>, b: &FeatureMap<D>) -> Result<FeatureMap<D>> {
    if a.dims() != b.dims() {
        return Err(NnError::shape("add", format!("maps of {} and {}", a.dims(), b.dims())));
    }
    let device = pass.device().clone();
    let y = device.add_in_place(a.values().clone(), b.values()).map_err(|e| NnError::device("add", e))?;
    let mut y = pass.output(y, a.dims());
    pass.draw(&mut y, |graph| Ok(graph.sum(a.drawn()?, b.drawn()?)))?;
    let (a, b) = (a.clone(), b.clone());
    pass.record(&y, move |gy, _| {
        if a.grad().is_some() {
            give(&device, &a, device.apart(&gy)?)?;
        }
        give(&device, &b, gy)
    });
    Ok(y)
}
