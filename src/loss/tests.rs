//! Losses and gradients against PyTorch's, and the traps that the usual implementations fall into.

use dfdx::prelude::{Backward, Cpu, OwnedTape, PutTape, Tensor, TensorFromVec};
use serde::Deserialize;

use super::arcface::{Angular, arcface};
use super::contrastive::{Pair, Weighting, contrastive};
use super::cross_entropy::cross_entropy;
use super::mining::{Batch, Triplet};
use super::triplet::{Margin, triplet};
use super::*;
use crate::nn::network::unit_rows;

#[derive(Deserialize)]
struct Golden {
    contrastive: Vec<Case>,
    triplet: Vec<Case>,
    arcface: Vec<Case>,
    cross_entropy: Vec<Case>,
    sub_centres: Vec<Case>,
    all_pairs: Vec<Case>,
    soft_margin: Vec<Case>,
}

#[derive(Deserialize)]
struct Case {
    margin: f32,
    #[serde(default)]
    scale: f32,
    width: usize,
    embeddings: Vec<f32>,
    #[serde(default)]
    pairs: Vec<(usize, usize, u8)>,
    #[serde(default)]
    triplets: Vec<(usize, usize, usize)>,
    #[serde(default)]
    labels: Vec<usize>,
    #[serde(default)]
    centres: Vec<f32>,
    #[serde(default)]
    sub_centres: usize,
    loss: f64,
    gradient: Vec<f64>,
    #[serde(default)]
    gradient_centres: Vec<f64>,
}

impl Case {
    fn angular(&self, sub_centres: usize) -> Angular {
        Angular { margin: self.margin, scale: self.scale, sub_centres }
    }

    fn triplets(&self) -> Vec<Triplet> {
        self.triplets.iter().map(|&(anchor, positive, negative)| Triplet { anchor, positive, negative }).collect()
    }
}

fn golden() -> Golden {
    serde_json::from_str(include_str!("../../fixtures/loss/losses.json")).unwrap()
}

fn rows(values: &[f32], width: usize) -> Tensor<(usize, usize), f32, Cpu> {
    Cpu::default().tensor_from_vec(values.to_vec(), (values.len() / width, width))
}

fn close(ours: &[f32], expected: &[f64], tolerance: f64) {
    assert_eq!(ours.len(), expected.len());
    for (i, (a, b)) in ours.iter().zip(expected).enumerate() {
        assert!((f64::from(*a) - b).abs() < tolerance * (1.0 + b.abs()), "value {i}: {a} instead of {b}");
    }
}

/// Loss and gradient of the embeddings.
fn evaluate(
    values: &[f32],
    width: usize,
    loss: impl FnOnce(Rows<Cpu>) -> Result<Outcome<Cpu>>,
) -> (f32, Vec<f32>, Outcome<Cpu>) {
    let leaf = rows(values, width);
    let outcome = loss(leaf.clone().put_tape(OwnedTape::default())).unwrap();
    let value = outcome.loss.as_vec()[0];
    let gradients = outcome.loss.backward();
    let loss = Cpu::default().tensor_from_vec(vec![value], ()).put_tape(OwnedTape::default());
    (value, gradients.get(&leaf).as_vec(), Outcome { loss, active: outcome.active, angle: outcome.angle })
}

#[test]
fn contrastive_loss_is_the_courses() {
    for case in golden().contrastive {
        let pairs: Vec<_> =
            case.pairs.iter().map(|&(left, right, same)| Pair { left, right, same: same == 1 }).collect();
        let (loss, gradient, _) =
            evaluate(&case.embeddings, case.width, |e| contrastive(e, &pairs, case.margin, Weighting::Even));
        close(&[loss], &[case.loss], 1e-6);
        close(&gradient, &case.gradient, 1e-5);
    }
}

#[test]
fn all_pairs_of_a_batch_count_half_by_kind() {
    // unit vectors at 0, 40, 100 and 180 degrees: two individuals of two photos
    let degrees = [0.0f32, 40.0, 100.0, 180.0];
    let embeddings: Vec<f32> = degrees.iter().flat_map(|d| [d.to_radians().cos(), d.to_radians().sin()]).collect();
    let (labels, photos) = ([0, 0, 1, 1], [5, 6, 7, 8]);
    let chord = |a: usize, b: usize| 2.0 * ((degrees[a] - degrees[b]).abs() / 2.0).to_radians().sin();
    // of different individuals only 40 and 100 degrees are within the margin
    let pairs = Batch::new(&embeddings, &labels, &photos).pairs(1.2);
    let listed: Vec<_> = pairs.iter().map(|p| (p.left, p.right, p.same)).collect();
    assert_eq!(listed, [(0, 1, true), (1, 2, false), (2, 3, true)]);
    let same = (chord(0, 1).powi(2) + chord(2, 3).powi(2)) / 2.0;
    let different = (1.2 - chord(1, 2)).powi(2);
    let (loss, ..) = evaluate(&embeddings, 2, |e| contrastive(e, &pairs, 1.2, Weighting::Kinds));
    close(&[loss], &[f64::from((same + different) / 4.0)], 1e-5);
    let balanced = &pairs[..2];
    let [even, kinds] =
        [Weighting::Even, Weighting::Kinds].map(|w| evaluate(&embeddings, 2, |e| contrastive(e, balanced, 1.2, w)).0);
    close(&[even], &[f64::from(kinds)], 1e-6);
    // the same photo twice is no pair
    assert!(Batch::new(&embeddings[..4], &[0, 0], &[5, 5]).pairs(1.2).is_empty());
}

#[test]
fn triplet_loss_is_the_courses() {
    for case in golden().triplet {
        let triplets = case.triplets();
        let (loss, gradient, outcome) =
            evaluate(&case.embeddings, case.width, |e| triplet(e, &triplets, Margin::Hinge(case.margin)));
        close(&[loss], &[case.loss], 1e-6);
        close(&gradient, &case.gradient, 1e-5);
        let active = outcome.active.unwrap();
        assert!((0.0..=1.0).contains(&active) && (case.margin < 1.5 || active > 0.5));
    }
}

#[test]
fn arcface_loss_is_the_courses_at_an_angle_of_zero_and_beyond_pi_minus_the_margin_too() {
    for case in golden().arcface {
        let centres = Cpu::default().tensor_from_vec(case.centres.clone(), (case.centres.len(),));
        let leaf = rows(&case.embeddings, case.width);
        let traced = unit_rows(leaf.clone().put_tape(OwnedTape::default())).unwrap();
        let outcome = arcface(traced, &centres, &case.labels, case.angular(1)).unwrap();
        close(&outcome.loss.as_vec(), &[case.loss], 1e-5);
        assert!((0.0..180.0).contains(&outcome.angle.unwrap()));
        let gradients = outcome.loss.backward();
        let finite = |values: &[f32]| values.iter().all(|v| v.is_finite());
        let (ours, of_centres) = (gradients.get(&leaf).as_vec(), gradients.get(&centres).as_vec());
        assert!(finite(&ours) && finite(&of_centres));
        // at an angle of zero the gradient hangs on the last digits of the sine: every other row
        close(&ours[case.width..], &case.gradient[case.width..], 1e-3);
        close(&of_centres[case.width..], &case.gradient_centres[case.width..], 1e-3);
    }
}

#[test]
fn the_soft_margin_is_pytorch_metric_learnings() {
    for case in golden().soft_margin {
        let (loss, gradient, outcome) =
            evaluate(&case.embeddings, case.width, |e| triplet(e, &case.triplets(), Margin::Soft));
        close(&[loss], &[case.loss], 1e-6);
        close(&gradient, &case.gradient, 1e-5);
        assert_eq!(outcome.active, None, "all triplets push");
    }
    let (loss, gradient, _) = evaluate(&[0.6, 0.8], 2, |e| triplet(e, &[], Margin::Soft));
    assert!(loss == 0.0 && gradient.iter().all(|&g| g == 0.0));
}

#[test]
fn all_pairs_of_a_batch_are_as_pytorch_has_them() {
    for case in golden().all_pairs {
        let photos: Vec<usize> = (0..case.labels.len()).collect();
        let pairs = Batch::new(&case.embeddings, &case.labels, &photos).pairs(case.margin);
        let (loss, gradient, _) =
            evaluate(&case.embeddings, case.width, |e| contrastive(e, &pairs, case.margin, Weighting::Kinds));
        close(&[loss], &[case.loss], 1e-6);
        close(&gradient, &case.gradient, 1e-5);
    }
}

#[test]
fn sub_centres_are_pytorch_metric_learnings() {
    for case in golden().sub_centres {
        let centres = Cpu::default().tensor_from_vec(case.centres.clone(), (case.centres.len(),));
        let leaf = rows(&case.embeddings, case.width);
        let traced = unit_rows(leaf.clone().put_tape(OwnedTape::default())).unwrap();
        let outcome = arcface(traced, &centres, &case.labels, case.angular(case.sub_centres)).unwrap();
        close(&outcome.loss.as_vec(), &[case.loss], 1e-5);
        let gradients = outcome.loss.backward();
        close(&gradients.get(&leaf).as_vec(), &case.gradient, 1e-4);
        close(&gradients.get(&centres).as_vec(), &case.gradient_centres, 1e-4);
    }
}

#[test]
fn cross_entropy_is_torchs_with_and_without_label_smoothing() {
    for case in golden().cross_entropy {
        // its margin is the smoothing
        let (loss, gradient, outcome) =
            evaluate(&case.embeddings, case.width, |logits| cross_entropy(logits, &case.labels, case.margin));
        close(&[loss], &[case.loss], 1e-6);
        close(&gradient, &case.gradient, 1e-6);
        assert!(outcome.angle.is_none() && outcome.active.is_none());
    }
    // logits that would overflow an exponential
    let (loss, gradient, _) = evaluate(&[500.0, -500.0, 0.0], 3, |logits| cross_entropy(logits, &[1], 0.0));
    assert_eq!((loss, &gradient[..]), (1000.0, &[1.0, -1.0, 0.0][..]));
}

#[test]
fn identical_photos_have_a_finite_gradient() {
    let twice = [0.6, 0.8, 0.6, 0.8, 1.0, 0.0];
    let pairs = [Pair { left: 0, right: 1, same: true }, Pair { left: 1, right: 0, same: false }];
    let (_, gradient, _) = evaluate(&twice, 2, |e| contrastive(e, &pairs, 1.0, Weighting::Even));
    assert!(gradient.iter().all(|g| g.is_finite()));
    let triplets = [Triplet { anchor: 0, positive: 1, negative: 2 }, Triplet { anchor: 2, positive: 0, negative: 1 }];
    let (_, gradient, _) = evaluate(&twice, 2, |e| triplet(e, &triplets, Margin::Hinge(1.0)));
    assert!(gradient.iter().all(|g| g.is_finite()));
}

#[test]
fn a_batch_with_nothing_to_learn_from_is_told_apart() {
    let values = [0.6, 0.8, 1.0, 0.0];
    let leaf = rows(&values, 2);
    assert!(contrastive(leaf.clone().put_tape(OwnedTape::default()), &[], 1.0, Weighting::Even).is_err());
    let (loss, gradient, outcome) = evaluate(&values, 2, |e| triplet(e, &[], Margin::Hinge(0.3)));
    assert_eq!((loss, outcome.active), (0.0, Some(0.0)));
    assert!(gradient.iter().all(|&g| g == 0.0));
    let centres = Cpu::default().tensor_from_vec(vec![1.0; 4], (4,));
    let error = cross_entropy(leaf.clone().put_tape(OwnedTape::default()), &[0, 2], 0.0).err().unwrap();
    assert!(error.to_string().contains("2 individuals"), "{error}");
    let error = arcface(
        leaf.put_tape(OwnedTape::default()),
        &centres,
        &[0, 2],
        Angular { margin: 0.5, scale: 64.0, sub_centres: 1 },
    )
    .err()
    .unwrap();
    assert!(error.to_string().contains("2 individuals"), "{error}");
}

#[test]
fn the_mean_counts_triplets_of_loss_zero() {
    // one triplet of loss 0.3 + 0, one far beyond the margin
    let values = [1.0, 0.0, 1.0, 0.0, 1.0, 0.0, -1.0, 0.0];
    let triplets = [Triplet { anchor: 0, positive: 1, negative: 2 }, Triplet { anchor: 0, positive: 1, negative: 3 }];
    let (loss, _, outcome) = evaluate(&values, 2, |e| triplet(e, &triplets, Margin::Hinge(0.3)));
    assert!((loss - 0.15).abs() < 1e-6 && outcome.active == Some(0.5));
}
