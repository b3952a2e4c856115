//! Contrastive loss of pairs (Hadsell et al. 2006), as the course has it.
//!
//! `mean(same d^2 + (1 - same) max(margin - d, 0)^2) / 2`, d the Euclidean distance. Here 1 means the same
//! individual; other libraries flip it.

use dfdx::prelude::{MeanTo, Tensor, TryAdd, TryMul};

use crate::nn::error::{NnError, Result};
use crate::nn::ops::{Backend, Rows};

use super::{Outcome, distances, failed, joined};

/// Two rows of a batch, and whether they show the same individual.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pair {
    /// Row of the first photo.
    pub left: usize,
    /// Row of the second photo.
    pub right: usize,
    /// The same individual on both.
    pub same: bool,
}

/// The loss of `pairs` of rows of `embeddings` (N x D, unit length), a scalar.
///
/// # Errors
/// When there are no pairs or the device fails.
pub fn contrastive<D: Backend>(embeddings: Rows<D>, pairs: &[Pair], margin: f32) -> Result<Outcome<D>> {
    const OP: &str = "contrastive loss";
    if pairs.is_empty() {
        return Err(NnError::shape(OP, "a batch without pairs"));
    }
    let (left, right): (Vec<_>, Vec<_>) = pairs.iter().map(|p| (p.left, p.right)).unzip();
    let labels = |yes: bool| -> Vec<f32> { pairs.iter().map(|p| f32::from(u8::from(p.same == yes))).collect() };
    let loss = || {
        let device = embeddings.device();
        let column = |values: Vec<f32>| -> Result<Tensor<(usize,), f32, D>, D::Err> {
            device.try_tensor_from_vec(values, (pairs.len(),))
        };
        let distance = distances(&embeddings, &left, &right)?;
        let together = distance.retaped().try_square()?.try_mul(column(labels(true))?)?;
        let short = distance.try_negate()?.try_add(margin)?.try_relu()?;
        let apart = short.try_square()?.try_mul(column(labels(false))?)?;
        together.try_add(apart)?.try_mean()?.try_mul(0.5)
    };
    let loss = loss().map_err(failed::<D::Err>(OP))?;
    Ok(Outcome { loss: joined(embeddings, loss), active: None, angle: None })
}
