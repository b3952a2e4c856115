//! The losses and the miners of triplets: one file a loss.
//!
//! A loss takes unit embeddings (cross-entropy: logits) that carry the tape and says what the step's figures are; it knows neither photos nor
//! optimisers. To add one, add a file with a function from rows to [`Outcome`], and a variant where `train` chooses.

pub mod arcface;
pub mod contrastive;
pub mod cross_entropy;
pub mod mining;
pub mod triplet;

use dfdx::prelude::{Axis, GatherTo, HasShape, OwnedTape, SumTo, Tensor, TrySub};

use crate::nn::error::{NnError, Result};
use crate::nn::ops::{Backend, Rows};

/// A loss and what a step reports beside it.
pub struct Outcome<D: Backend> {
    /// The loss, one value, with the tape.
    pub loss: Tensor<(), f32, D, OwnedTape<f32, D>>,
    /// Share of the triplets whose loss is not zero.
    pub active: Option<f32>,
    /// Mean angle between a photo and its individual's centre, in degrees.
    pub angle: Option<f32>,
}

/// Below this a squared distance is constant: the root has no gradient at zero, and near-identical photos do occur.
const SMALLEST: f32 = 1e-12;

/// A vector with the tape.
type Column<D> = Tensor<(usize,), f32, D, OwnedTape<f32, D>>;

/// Euclidean distances between the rows `left[i]` and `right[i]`.
fn distances<D: Backend>(rows: &Rows<D>, left: &[usize], right: &[usize]) -> Result<Column<D>, D::Err> {
    let device = rows.device();
    let pick = |indices: &[usize]| {
        let indices = device.try_tensor_from_vec(indices.to_vec(), (indices.len(),))?;
        rows.retaped::<OwnedTape<f32, D>>().try_gather(indices)
    };
    let difference: Rows<D> = pick(left)?.try_sub(pick(right)?)?;
    difference.try_square()?.try_sum::<(usize,), Axis<1>>()?.try_clamp(SMALLEST, f32::MAX)?.try_sqrt()
}

/// The tape of `rows` joined to what was computed from copies of them.
fn joined<D: Backend>(
    rows: Rows<D>,
    loss: Tensor<(), f32, D, OwnedTape<f32, D>>,
) -> Tensor<(), f32, D, OwnedTape<f32, D>> {
    use dfdx::prelude::{Merge, PutTape, SplitTape};
    let (_, before) = rows.split_tape();
    let (loss, after) = loss.split_tape();
    loss.put_tape(before.merge(after))
}

/// Wraps a device's error.
fn failed<E: std::fmt::Display>(op: &'static str) -> impl Fn(E) -> NnError {
    move |e| NnError::device(op, e)
}

/// Rows and columns of a matrix.
fn sizes<D: Backend>(rows: &Rows<D>) -> (usize, usize) {
    *rows.shape()
}

#[cfg(test)]
mod tests;
