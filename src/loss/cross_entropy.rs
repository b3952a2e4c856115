//! Cross-entropy of a softmax over the individuals: plain classification, the baseline of metric learning.
//!
//! `mean(-sum over individuals of target log softmax(logits))`, the target 1 for the right individual, or with label
//! smoothing (Szegedy et al. 2016) `1 - smoothing` of it there and `smoothing` spread evenly over all, as torch has it.

use dfdx::prelude::{Axis, SumTo, Tensor, TryMul};

use crate::nn::error::{NnError, Result};
use crate::nn::ops::{Backend, Rows};

use super::{Outcome, failed, joined, sizes};

/// The loss of `logits` (N x C, before the softmax) of the individuals `labels` (N, below C), a scalar.
///
/// # Errors
/// When a label has no logit or the device fails.
pub fn cross_entropy<D: Backend>(logits: Rows<D>, labels: &[usize], smoothing: f32) -> Result<Outcome<D>> {
    const OP: &str = "cross-entropy loss";
    let (photos, individuals) = sizes(&logits);
    if labels.len() != photos || labels.iter().any(|&l| l >= individuals) {
        return Err(NnError::shape(
            OP,
            format!("{} labels for {photos} photos of {individuals} individuals", labels.len()),
        ));
    }
    let mut targets = vec![smoothing / individuals as f32; photos * individuals];
    labels.iter().enumerate().for_each(|(photo, label)| targets[photo * individuals + label] += 1.0 - smoothing);
    let loss = || {
        let targets: Tensor<(usize, usize), f32, D> =
            logits.device().try_tensor_from_vec(targets, (photos, individuals))?;
        let shares = logits.retaped().try_log_softmax::<Axis<1>>()?.try_mul(targets)?;
        let loss: Tensor<(), f32, D, _> = shares.try_sum()?.try_mul(-1.0 / photos as f32)?;
        Ok(loss)
    };
    let loss = loss().map_err(failed::<D::Err>(OP))?;
    Ok(Outcome { loss: joined(logits, loss), active: None, angle: None })
}
