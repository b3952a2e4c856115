//! Loss and gradient of a batch: of all of it at once, or of parts that fit into memory one after the other.
//!
//! In parts it comes to the loss and gradient of the whole. Where the loss is a mean over photos, the parts' are added up.
//! Where photos are compared with each other, every part is embedded first without remembering how, the loss of all
//! embeddings says what each should move by, and every part goes through the network once more to carry that on (Gao et
//! al. 2021, GradCache). Only batch norms that learn see each part by itself.

use std::ops::Range;

use dfdx::prelude::{Backward, Gradients, OwnedTape, PutTape, SumTo, Tensor, TryMul};

use crate::nn::error::NnError;
use crate::nn::ops::{Backend, Rows};
use crate::nn::pass::{BatchStatistics, Pass};

use super::super::error::Result;
use super::{Objective, StepInput, Trainer};

/// What a batch comes to.
pub(super) struct Computed<D: Backend> {
    pub(super) loss: f32,
    pub(super) active: Option<f32>,
    pub(super) angle: Option<f32>,
    /// Gradients and what the batch norms saw; none where the loss is no number.
    pub(super) slopes: Option<(Gradients<f32, D>, Vec<BatchStatistics<D>>)>,
}

fn failed<E: std::fmt::Display>(error: E) -> NnError {
    NnError::device("gradient", error)
}

impl<D: Backend> Trainer<D> {
    /// Loss and gradient of `input`, in parts of `size` photos at most.
    pub(super) fn gradient(&self, input: &StepInput, step: u64, size: usize) -> Result<Computed<D>> {
        let parts = parts(input.count, size);
        match self.objective {
            _ if parts.len() == 1 => self.of_photos(input, step, &parts),
            Objective::Arcface { .. } | Objective::CrossEntropy { .. } => self.of_photos(input, step, &parts),
            Objective::Siamese { .. } | Objective::Triplet { .. } => self.of_comparisons(input, step, &parts),
        }
    }

    /// Of a loss that is a mean over photos, or of a batch that is a single part.
    fn of_photos(&self, input: &StepInput, step: u64, parts: &[Range<usize>]) -> Result<Computed<D>> {
        let device = self.network.store.device();
        let mut all = Computed { loss: 0.0, active: None, angle: None, slopes: None };
        let (mut gradients, mut statistics) = (Gradients::leaky(), Vec::new());
        for part in parts {
            let share = part.len() as f32 / input.count as f32;
            let mut pass = Pass::training_onto(device, gradients)?;
            let rows = self.rows(&mut pass, part.len(), self.pixels(input, part))?;
            let outcome = match parts {
                [_] => self.loss(rows, input, step)?,
                _ => self.loss(rows, &self.part_of(input, part), step)?,
            };
            let loss = device.read(&outcome.loss).map_err(failed)?.first().copied().unwrap_or(f32::NAN);
            all.loss += share * loss;
            all.active = outcome.active;
            all.angle = outcome.angle.map(|angle| all.angle.unwrap_or(0.0) + share * angle);
            if !loss.is_finite() {
                return Ok(all);
            }
            // nothing is multiplied in a batch of one part: its bytes are those of before there were parts
            let loss = if share == 1.0 { outcome.loss } else { outcome.loss.try_mul(share).map_err(failed)? };
            gradients = loss.try_backward().map_err(failed)?;
            statistics.extend(pass.into_statistics());
        }
        all.slopes = Some((gradients, statistics));
        Ok(all)
    }

    /// Of a loss that compares photos of different parts.
    fn of_comparisons(&self, input: &StepInput, step: u64, parts: &[Range<usize>]) -> Result<Computed<D>> {
        let device = self.network.store.device();
        let mut values = Vec::new();
        for part in parts {
            let rows = self.rows(&mut Pass::rehearsing(device), part.len(), self.pixels(input, part))?;
            values.extend(device.read(&rows).map_err(failed)?);
        }
        let width = values.len() / input.count.max(1);
        let matrix = |values: Vec<f32>| -> Result<Tensor<(usize, usize), f32, D>, NnError> {
            let rows = values.len() / width.max(1);
            device.try_tensor_from_vec(values, (rows, width)).map_err(failed)
        };
        let embeddings = matrix(values)?;
        let outcome = self.loss(embeddings.clone().put_tape(OwnedTape::default()), input, step)?;
        let loss = device.read(&outcome.loss).map_err(failed)?.first().copied().unwrap_or(f32::NAN);
        let mut all = Computed { loss, active: outcome.active, angle: outcome.angle, slopes: None };
        if !loss.is_finite() {
            return Ok(all);
        }
        let mut of_loss = outcome.loss.try_backward().map_err(failed)?;
        of_loss.get_or_alloc_mut(&embeddings).map_err(failed)?;
        let slopes = device.read(&of_loss.get(&embeddings)).map_err(failed)?;
        let (mut gradients, mut statistics) = (Gradients::leaky(), Vec::new());
        for part in parts {
            let mut pass = Pass::training_onto(device, gradients)?;
            let rows: Rows<D> = self.rows(&mut pass, part.len(), self.pixels(input, part))?;
            // a sum whose gradient is the slope
            let slope = matrix(slopes[part.start * width..part.end * width].to_vec())?;
            let sum = || -> Result<Tensor<(), f32, D, OwnedTape<f32, D>>, D::Err> { rows.try_mul(slope)?.try_sum() };
            gradients = sum().and_then(|sum| sum.try_backward()).map_err(failed)?;
            statistics.extend(pass.into_statistics());
        }
        all.slopes = Some((gradients, statistics));
        Ok(all)
    }

    fn pixels<'a>(&self, input: &StepInput<'a>, part: &Range<usize>) -> &'a [u8] {
        let each = self.side * self.side * 3;
        &input.pixels[part.start * each..part.end * each]
    }

    /// `part` of `input`, for a loss that looks at single photos.
    fn part_of<'a>(&self, input: &StepInput<'a>, part: &Range<usize>) -> StepInput<'a> {
        StepInput {
            count: part.len(),
            pixels: self.pixels(input, part),
            labels: &input.labels[part.clone()],
            photos: &input.photos[part.clone()],
            pairs: &[],
        }
    }
}

/// `count` photos in as few parts of at most `size` as there can be, none more than a photo larger than another: a batch norm
/// cannot learn from one that is left over.
fn parts(count: usize, size: usize) -> Vec<Range<usize>> {
    let parts = count.div_ceil(size.max(1)).max(1);
    (0..parts).map(|i| i * count / parts..(i + 1) * count / parts).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::loss::contrastive::Pair;
    use crate::nn::head::HeadKind;
    use crate::nn::network::Architecture;
    use crate::nn::param::Role;
    use crate::run::config::{Config, Method};
    use crate::train::schedule::Schedule;
    use dfdx::prelude::Cpu;

    const SIDE: usize = 32;

    #[test]
    fn parts_are_even_and_whole() {
        assert_eq!(parts(8, 8), [Range { start: 0, end: 8 }]);
        assert_eq!(parts(9, 8), [0..4, 4..9]);
        assert_eq!(parts(62, 32), [0..31, 31..62]);
        assert_eq!(parts(24, 8), [0..8, 8..16, 16..24]);
    }

    /// Loss, angle and every parameter's gradient of the same batch in parts of at most each of `sizes`, by a network whose
    /// batch norms keep their statistics.
    fn computed(method: Method, sets: &[(&str, &str)], sizes: [usize; 3]) -> [(f32, Option<f32>, Vec<f32>); 3] {
        let mut config = Config::preset(method);
        let small = [
            ("model.backbone", "resnet18"),
            ("model.embedding_dim", "16"),
            ("data.image_size", "32"),
            ("model.freeze_norm", "true"),
            ("loss.scale", "16"),
        ];
        small.iter().chain(sets).for_each(|(path, value)| config.set(path, value).unwrap());
        let schedule = Schedule { peak: 0.001, warmup: 0, total: 100, final_share: 1.0 };
        // a head without a batch norm, for every method
        let architecture = Architecture { backbone: "resnet18", head: HeadKind::Mlp, dimensions: 16 };
        let trainer = Trainer::built(&Cpu::default(), &config, architecture, 3, schedule).unwrap();
        let labels = [0, 0, 1, 1, 2, 2, 0, 1, 2, 0];
        let count = labels.len();
        let photos: Vec<usize> = (0..count).collect();
        let pixel = |photo: usize, i: usize| ((i * 31 + photo * 17) % 97 + (labels[photo] * 60 * (i % 3)) % 150) as u8;
        let pixels: Vec<u8> = (0..count).flat_map(|p| (0..SIDE * SIDE * 3).map(move |i| pixel(p, i))).collect();
        // photos of different parts are compared, too
        let pair = |left: usize, right: usize| Pair { left, right, same: labels[left] == labels[right] };
        let pairs: Vec<Pair> = (0..5).flat_map(|i| [pair(i, i + 5), pair(i, i + 1)]).collect();
        let input = StepInput { count, pixels: &pixels, labels: &labels, photos: &photos, pairs: &pairs };
        sizes.map(|size| {
            let found = trainer.gradient(&input, 3, size).unwrap();
            let (mut gradients, _) = found.slopes.unwrap();
            let store = &trainer.network.store;
            let trained = store.ids().filter(|id| store.get(*id).role != Role::Running);
            let values = trained.flat_map(|id| {
                let value = store.matrix(id);
                gradients.get_or_alloc_mut(&value).unwrap();
                gradients.get(&value).as_vec()
            });
            (found.loss, found.angle, values.collect())
        })
    }

    #[test]
    fn in_parts_it_is_the_gradient_of_the_whole() {
        for (method, sets) in [
            (Method::Siamese, &[("loss.margin", "1.2")][..]),
            (Method::Siamese, &[("batch.per_individual", "1")]),
            (Method::Triplet, &[("loss.mining", "hard")]),
            (Method::Triplet, &[("loss.mining", "batch-hard"), ("loss.soft_margin", "true")]),
            (Method::Arcface, &[("loss.sub_centres", "3"), ("loss.margin_warmup_epochs", "2")]),
            (Method::CrossEntropy, &[]),
        ] {
            let [whole, halves, thirds] = computed(method, sets, [10, 9, 4]);
            let length = |all: &[f32]| all.iter().map(|v| f64::from(*v).powi(2)).sum::<f64>().sqrt();
            assert!(length(&whole.2) > 1e-3, "{method:?} {sets:?}: nothing to compare");
            for parts in [halves, thirds] {
                let apart: Vec<f32> = whole.2.iter().zip(&parts.2).map(|(a, b)| a - b).collect();
                let apart = length(&apart) / length(&whole.2);
                assert!(apart < 1e-5, "{method:?} {sets:?}: {apart:e} apart");
                assert!((whole.0 - parts.0).abs() < 1e-5 * whole.0.abs(), "{method:?}: {} and {}", whole.0, parts.0);
                assert_eq!(whole.1.is_some(), method == Method::Arcface);
                let angles = [whole.1, parts.1].map(Option::unwrap_or_default);
                assert!((angles[0] - angles[1]).abs() < 1e-3, "{angles:?}");
            }
        }
    }
}
