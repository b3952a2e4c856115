//! ArcFace (Deng et al. 2019): a softmax over individuals in which the right one is handicapped by an angle.
//!
//! `cross entropy(scale cos(theta + margin on the target))`, theta the angle between an embedding and an individual's
//! centre. Beyond pi - margin, where `cos(theta + margin)` would rise again, the target gets
//! `cos(theta) - margin sin(margin)` instead (the authors' own code and the course's).
//!
//! With sub-centres (Deng et al. 2020) an individual has several centres and theta is the angle to the nearest: a photo
//! under a wrong name, or an animal's other side, takes one of its own and leaves the others alone.

use dfdx::prelude::{
    Axes2, Axis, GatherTo, HasShape, OwnedTape, PermuteTo, ReshapeTo, SumTo, Tensor, TryAdd, TryMatMul, TryMul, TrySub,
};

use crate::nn::error::{NnError, Result};
use crate::nn::map::Flat;
use crate::nn::network::unit_rows;
use crate::nn::ops::{Backend, Rows};

use super::{Outcome, failed, joined, sizes};

/// How an angular margin is set.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Angular {
    /// Added to the angle to the right centre, in radians.
    pub margin: f32,
    /// Factor on the cosines.
    pub scale: f32,
    /// Centres of each individual; 1 in the first paper.
    pub sub_centres: usize,
}

/// Least `1 - cos^2`: below it the sine is constant, for its gradient is infinite at an angle of zero.
const SMALLEST: f32 = 1e-7;

/// The loss of `embeddings` (N x D, unit length) of the individuals `labels` (N, below C), a scalar, and the mean
/// angle to the right centre. `centres` holds C x K x D values for K centres of each individual; their gradient appears
/// under it.
///
/// # Errors
/// When a label has no centre or the device fails.
pub fn arcface<D: Backend>(
    embeddings: Rows<D>,
    centres: &Flat<D>,
    labels: &[usize],
    Angular { margin, scale, sub_centres }: Angular,
) -> Result<Outcome<D>> {
    const OP: &str = "arcface loss";
    let (photos, width) = sizes(&embeddings);
    let all_centres = centres.shape().0 / width.max(1);
    let individuals = all_centres / sub_centres.max(1);
    if labels.len() != photos || labels.iter().any(|&l| l >= individuals) {
        return Err(NnError::shape(
            OP,
            format!("{} labels for {photos} photos of {individuals} individuals", labels.len()),
        ));
    }
    let device = embeddings.device().clone();
    let rows = centres.retaped().try_reshape_like(&(all_centres, width)).map_err(failed::<D::Err>(OP))?;
    let rows: Rows<D> = unit_rows(rows)?;
    let loss = || {
        let cosines: Rows<D> = embeddings.retaped().try_matmul(rows.try_permute::<(usize, usize), Axes2<1, 0>>()?)?;
        let (cosines, values) = nearest(cosines, (photos, individuals, sub_centres))?;
        let target = |photo: usize| photo * individuals + labels[photo];
        let angles = (0..photos).map(|p| f64::from(values[target(p)].clamp(-1.0, 1.0)).acos().to_degrees());
        let angle = (angles.sum::<f64>() / photos as f64) as f32;
        // one where the target takes the margin, and where it takes the line beyond pi - margin
        let mut masks = [vec![0.0; photos * individuals], vec![0.0; photos * individuals]];
        let turn = (std::f32::consts::PI - margin).cos();
        for photo in 0..photos {
            let at = target(photo);
            masks[usize::from(values[at] <= turn)][at] = 1.0;
        }
        let chosen: Vec<f32> = masks[0].iter().zip(&masks[1]).map(|(a, b)| a + b).collect();
        let beyond: Vec<f32> = masks[1].iter().map(|m| m * -(margin * margin.sin())).collect();
        let matrix = |values: Vec<f32>| -> Result<Tensor<(usize, usize), f32, D>, D::Err> {
            device.try_tensor_from_vec(values, (photos, individuals))
        };
        let [within, _] = masks;
        // cos(theta + m) - cos(theta) = cos(theta) (cos m - 1) - sin(theta) sin m
        let sines = cosines.retaped::<OwnedTape<f32, D>>().try_square()?.try_negate()?.try_add(1.0)?;
        let sines = sines.try_clamp(SMALLEST, 1.0)?.try_sqrt()?.try_mul(margin.sin())?;
        let change = cosines.retaped::<OwnedTape<f32, D>>().try_mul(margin.cos() - 1.0)?.try_sub(sines)?;
        let change = change.try_mul(matrix(within)?)?.try_add(matrix(beyond)?)?;
        let logits = cosines.try_add(change)?.try_mul(scale)?;
        let right = logits.try_log_softmax::<Axis<1>>()?.try_mul(matrix(chosen)?)?;
        let loss: Tensor<(), f32, D, _> = right.try_sum()?.try_mul(-1.0 / photos as f32)?;
        Ok((loss, angle))
    };
    let (loss, angle) = loss().map_err(failed::<D::Err>(OP))?;
    Ok(Outcome { loss: joined(embeddings, loss), active: None, angle: Some(angle) })
}

/// The cosine of each of `photos` to the nearest of the `each` centres of each of `individuals`, and its value; of equally
/// near ones the first.
fn nearest<D: Backend>(
    cosines: Rows<D>,
    (photos, individuals, each): (usize, usize, usize),
) -> Result<(Rows<D>, Vec<f32>), D::Err> {
    let device = cosines.device().clone();
    let values = device.read(&cosines)?;
    if each == 1 {
        return Ok((cosines, values));
    }
    let first_of_highest = |group: usize| {
        let group = group * each..(group + 1) * each;
        group.clone().fold(group.start, |best, at| if values[at] > values[best] { at } else { best })
    };
    let chosen: Vec<usize> = (0..photos * individuals).map(first_of_highest).collect();
    let kept = chosen.iter().map(|&at| values[at]).collect();
    let chosen = device.try_tensor_from_vec(chosen, (photos * individuals,))?;
    let flat = cosines.try_reshape_like(&(photos * individuals * each,))?;
    let picked: Tensor<(usize,), f32, D, OwnedTape<f32, D>> = flat.try_gather(chosen)?;
    Ok((picked.try_reshape_like(&(photos, individuals))?, kept))
}
