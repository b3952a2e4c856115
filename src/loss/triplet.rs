//! Triplet loss (Schroff et al. 2015), as the course has it.
//!
//! `mean(max(d(anchor, positive) - d(anchor, negative) + margin, 0))`, d the Euclidean distance. The mean is over all
//! mined triplets, those of loss zero included; pytorch-metric-learning leaves them out. With the soft margin (Hermans et
//! al. 2017) it is `mean(log(1 + exp(d(anchor, positive) - d(anchor, negative))))`, which never ends pushing.

use dfdx::prelude::{MeanTo, TryAdd, TryMul, TrySub};

use crate::nn::error::Result;
use crate::nn::ops::{Backend, Rows};

use super::mining::Triplet;
use super::{Outcome, distances, failed, joined};

/// What a triplet's difference of distances becomes.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Margin {
    /// What exceeds minus this margin.
    Hinge(f32),
    /// The logarithm of one plus its exponential: no margin to choose.
    Soft,
}

/// The loss of `triplets` of rows of `embeddings` (N x D, unit length), a scalar, and for a hinge the share of them whose
/// loss is not zero. No triplets give a loss of zero without a gradient; what an optimiser moves by itself
/// (weight decay, momentum) it moves all the same.
///
/// # Errors
/// When the device fails.
pub fn triplet<D: Backend>(embeddings: Rows<D>, triplets: &[Triplet], margin: Margin) -> Result<Outcome<D>> {
    const OP: &str = "triplet loss";
    // a stand-in that carries the tape, so that every step runs the same
    let nothing = [Triplet { anchor: 0, positive: 0, negative: 0 }];
    let (listed, weight) = if triplets.is_empty() { (&nothing[..], 0.0) } else { (triplets, 1.0) };
    let rows = |of: fn(&Triplet) -> usize| -> Vec<usize> { listed.iter().map(of).collect() };
    let (anchors, positives, negatives) = (rows(|t| t.anchor), rows(|t| t.positive), rows(|t| t.negative));
    let loss = || {
        let near = distances(&embeddings, &anchors, &positives)?;
        let far = distances(&embeddings, &anchors, &negatives)?;
        let excess = near.try_sub(far)?;
        let losses = match margin {
            Margin::Hinge(margin) => excess.try_add(margin)?.try_relu()?,
            // distances of unit vectors are at most 2: no exponential overflows
            Margin::Soft => excess.try_exp()?.try_add(1.0)?.try_ln()?,
        };
        let losses = losses.try_mul(weight)?;
        let active = match margin {
            Margin::Hinge(_) => {
                let values = embeddings.device().read(&losses)?;
                Some(values.iter().filter(|&&l| l > 0.0).count() as f32 / listed.len() as f32)
            }
            Margin::Soft => None,
        };
        Ok((losses.try_mean()?, active))
    };
    let (loss, active) = loss().map_err(failed::<D::Err>(OP))?;
    Ok(Outcome { loss: joined(embeddings, loss), active, angle: None })
}
