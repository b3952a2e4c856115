//! A batch of feature maps: a type of its own around a dfdx tensor.
//!
//! The tensor is flat and its order belongs to the device (`nn/ops`), so that no dfdx operation that assumes
//! rows in NCHW can be called on it by accident. Each map carries the place where its gradient will lie: an
//! operation's backward takes the gradient out of its output's place, which frees it as soon as it is used
//! (dfdx's own `Gradients` keeps every temporary until the end), and the first to give a gradient to an input
//! stores it instead of adding to zeros.

use std::cell::RefCell;
use std::rc::Rc;

use dfdx::prelude::Tensor;

use super::error::{NnError, Result};
use super::onnx::Value;
use super::ops::Backend;

/// A flat tensor in the device's own order.
pub type Flat<D> = Tensor<(usize,), f32, D>;

/// Sizes of a batch of feature maps.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Dims {
    /// Photos in the batch.
    pub n: usize,
    /// Channels, without the padding that a device may add.
    pub c: usize,
    /// Rows.
    pub h: usize,
    /// Columns.
    pub w: usize,
}

impl Dims {
    /// Sizes in torchvision's order.
    pub fn new(n: usize, c: usize, h: usize, w: usize) -> Self {
        Dims { n, c, h, w }
    }

    /// Values without padding: N x C x H x W.
    pub fn count(self) -> usize {
        self.n * self.c * self.h * self.w
    }

    /// The same batch with other channels.
    pub fn with_channels(self, c: usize) -> Self {
        Dims { c, ..self }
    }

    /// The same batch and channels with another size.
    pub fn with_size(self, h: usize, w: usize) -> Self {
        Dims { h, w, ..self }
    }
}

impl std::fmt::Display for Dims {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}x{}x{}x{}", self.n, self.c, self.h, self.w)
    }
}

/// Where the gradient of a feature map lies during a backward pass; shared by all clones of the map.
pub struct GradSlot<D: Backend>(Rc<RefCell<Option<Flat<D>>>>);

impl<D: Backend> Clone for GradSlot<D> {
    fn clone(&self) -> Self {
        GradSlot(Rc::clone(&self.0))
    }
}

impl<D: Backend> GradSlot<D> {
    fn empty() -> Self {
        GradSlot(Rc::new(RefCell::new(None)))
    }

    /// Takes the gradient out; `None` when nothing downstream depended on the map.
    pub fn take(&self) -> Option<Flat<D>> {
        self.0.borrow_mut().take()
    }

    /// Puts a gradient back, after [`GradSlot::take`] and an addition.
    pub fn set(&self, gradient: Flat<D>) {
        *self.0.borrow_mut() = Some(gradient);
    }
}

/// A batch of feature maps on device `D`. Cloning shares values and gradient.
pub struct FeatureMap<D: Backend> {
    values: Flat<D>,
    dims: Dims,
    grad: Option<GradSlot<D>>,
    drawn: Option<Value>,
}

impl<D: Backend> Clone for FeatureMap<D> {
    fn clone(&self) -> Self {
        FeatureMap { values: self.values.clone(), dims: self.dims, grad: self.grad.clone(), drawn: self.drawn.clone() }
    }
}

impl<D: Backend> FeatureMap<D> {
    /// Values in the device's order, without a gradient: photos, and everything outside training.
    pub(in crate::nn) fn constant(values: Flat<D>, dims: Dims) -> Self {
        FeatureMap { values, dims, grad: None, drawn: None }
    }

    /// Values in the device's order whose gradient will be asked for.
    pub(in crate::nn) fn traced(values: Flat<D>, dims: Dims) -> Self {
        FeatureMap { values, dims, grad: Some(GradSlot::empty()), drawn: None }
    }

    /// Sizes, in torchvision's order.
    pub fn dims(&self) -> Dims {
        self.dims
    }

    /// Values in the device's order.
    pub(in crate::nn) fn values(&self) -> &Flat<D> {
        &self.values
    }

    /// Where the gradient lies, or `None` for a constant.
    pub fn grad(&self) -> Option<&GradSlot<D>> {
        self.grad.as_ref()
    }

    /// The map in the graph that its pass draws.
    ///
    /// # Errors
    /// When the operation that made it drew nothing.
    pub(in crate::nn) fn drawn(&self) -> Result<&Value> {
        self.drawn.as_ref().ok_or_else(|| NnError::shape("onnx", format!("a map of {} that was not drawn", self.dims)))
    }

    /// Is `value` in the graph that its pass draws.
    pub(in crate::nn) fn draw_as(&mut self, value: Value) {
        self.drawn = Some(value);
    }
}
