//! Contrastive loss of pairs (Hadsell et al. 2006), as the course has it.
//!
//! `mean(same d^2 + (1 - same) max(margin - d, 0)^2) / 2`, d the Euclidean distance. Here 1 means the same
//! individual; other libraries flip it. Where pairs of different individuals are many more than others, as among all
//! pairs of a batch, the mean of each kind counts half; of as many pairs of each kind that is the same.

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

/// What a pair counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Weighting {
    /// As much as any other.
    Even,
    /// Pairs of the same individual count half of it together, and those of different ones half.
    Kinds,
}

impl Weighting {
    /// What a pair of the same individual counts, and one of different ones, beside 1 for a pair of an even mean.
    fn of(self, pairs: &[Pair]) -> [f32; 2] {
        let same = pairs.iter().filter(|p| p.same).count();
        let half = |count: usize| pairs.len() as f32 / (2 * count.max(1)) as f32;
        match self {
            Weighting::Even => [1.0, 1.0],
            Weighting::Kinds => [half(same), half(pairs.len() - same)],
        }
    }
}

/// The loss of `pairs` of rows of `embeddings` (N x D, unit length), a scalar.
///
/// # Errors
/// When there are no pairs or the device fails.
pub fn contrastive<D: Backend>(
    embeddings: Rows<D>,
    pairs: &[Pair],
    margin: f32,
    weighting: Weighting,
) -> Result<Outcome<D>> {
    const OP: &str = "contrastive loss";
    if pairs.is_empty() {
        return Err(NnError::shape(OP, "a batch without pairs"));
    }
    let (left, right): (Vec<_>, Vec<_>) = pairs.iter().map(|p| (p.left, p.right)).unzip();
    let [same, different] = weighting.of(pairs);
    let counts =
        |yes: bool, each: f32| -> Vec<f32> { pairs.iter().map(|p| if p.same == yes { each } else { 0.0 }).collect() };
    let loss = || {
        let device = embeddings.device();
        let column = |values: Vec<f32>| -> Result<Tensor<(usize,), f32, D>, D::Err> {
            device.try_tensor_from_vec(values, (pairs.len(),))
        };
        let distance = distances(&embeddings, &left, &right)?;
        let together = distance.retaped().try_square()?.try_mul(column(counts(true, same))?)?;
        let short = distance.try_negate()?.try_add(margin)?.try_relu()?;
        let apart = short.try_square()?.try_mul(column(counts(false, different))?)?;
        together.try_add(apart)?.try_mean()?.try_mul(0.5)
    };
    let loss = loss().map_err(failed::<D::Err>(OP))?;
    Ok(Outcome { loss: joined(embeddings, loss), active: None, angle: None })
}
