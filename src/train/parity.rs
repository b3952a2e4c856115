//! Whole networks on a device beside the CPU: their embeddings, and the losses of the first steps of a training.

use dfdx::prelude::Cpu;
use serde::Serialize;

use crate::loss::contrastive::Pair;
use crate::nn::network::Network;
use crate::nn::ops::Backend;
use crate::run::config::{Config, Method};

use super::error::Result;
use super::schedule::Schedule;
use super::step::{StepInput, Trainer, architecture};

/// What is compared.
#[derive(Clone, Copy, Debug)]
pub struct ParityPlan {
    /// The network's backbone.
    pub backbone: &'static str,
    /// What it is trained for.
    pub method: Method,
    /// Side of a photo in pixels.
    pub side: usize,
    /// Steps of the training.
    pub steps: usize,
    /// Learning rate that it rises to.
    pub lr: f32,
    /// Changes every weight of the device's network by this share, up or down: what rounding alone can come to.
    pub nudge: f32,
}

/// How far a device is from the CPU.
#[derive(Clone, Debug, Serialize)]
pub struct Parity {
    /// The network's backbone.
    pub backbone: String,
    /// What it was trained for.
    pub method: String,
    /// Largest difference between two numbers of an embedding.
    pub embedding: f64,
    /// Largest difference of a step's losses, as a share of the CPU's (or of a tenth of its first, where it is less: a loss
    /// near zero is all rounding).
    pub loss: f64,
    /// The CPU's losses.
    pub losses_cpu: Vec<f32>,
    /// The device's.
    pub losses: Vec<f32>,
}

/// Individuals, and photos of each.
const INDIVIDUALS: usize = 4;
const PHOTOS: usize = 2;

/// Trains the same network on the same photos on `device` and on the CPU.
///
/// # Errors
/// When a device fails or the photos are too small for the backbone.
pub fn parity<D: Backend>(device: &D, plan: &ParityPlan) -> Result<Parity> {
    let (embeddings_cpu, losses_cpu) = measure(&Cpu::default(), &ParityPlan { nudge: 0.0, ..*plan })?;
    let (embeddings, losses) = measure(device, plan)?;
    let apart =
        |a: &f32, b: &f32| if a.is_finite() && b.is_finite() { f64::from((a - b).abs()) } else { f64::INFINITY };
    let embedding = embeddings.iter().zip(&embeddings_cpu).map(|(a, b)| apart(a, b)).fold(0.0, f64::max);
    let least = losses_cpu.first().map_or(1e-6, |first| f64::from(first.abs()) / 10.0);
    let share = |(a, b): (&f32, &f32)| apart(a, b) / f64::from(b.abs()).max(least);
    let loss = losses.iter().zip(&losses_cpu).map(share).fold(0.0, f64::max);
    let (backbone, method) = (plan.backbone.to_owned(), plan.method.name().to_owned());
    Ok(Parity { backbone, method, embedding, loss, losses_cpu, losses })
}

/// Embeddings before the training, and the losses of its steps.
fn measure<D: Backend>(device: &D, plan: &ParityPlan) -> Result<(Vec<f32>, Vec<f32>)> {
    let mut config = Config::preset(plan.method);
    let (side, lr) = (plan.side.to_string(), plan.lr.to_string());
    for (path, value) in [
        ("model.backbone", plan.backbone),
        ("model.embedding_dim", "32"),
        ("data.image_size", &side),
        // AdamW's first steps follow the sign of a gradient: where that is all rounding, two devices part at once
        ("optimiser.kind", "sgd"),
        ("optimiser.momentum", "0.9"),
        ("optimiser.lr", &lr),
    ] {
        config.set(path, value)?;
    }
    if plan.method == Method::Triplet {
        // a miner's choice turns on the last digit of a distance
        config.set("loss.mining", "all")?;
    }
    let count = INDIVIDUALS * PHOTOS;
    let mut network = Network::new(device, architecture(&config)?, config.train.seed)?;
    nudge(&mut network, plan.nudge)?;
    let embeddings = network.embed(count, plan.side, &pixels(count, plan.side, 0))?;
    drop(network);

    let labels: Vec<usize> = (0..count).map(|i| i / PHOTOS).collect();
    let photos: Vec<usize> = (0..count).collect();
    let pair = |left: usize, right: usize| Pair { left, right, same: labels[left] == labels[right] };
    let pairs: Vec<Pair> = (0..count).flat_map(|i| [pair(i, i ^ 1), pair(i, (i + PHOTOS) % count)]).collect();
    let schedule = Schedule {
        peak: config.optimiser.lr,
        warmup: plan.steps as u64,
        total: 2 * plan.steps as u64,
        final_share: 1.0,
    };
    let mut trainer = Trainer::new(device, &config, INDIVIDUALS, schedule)?;
    nudge(&mut trainer.network, plan.nudge)?;
    let mut losses = Vec::new();
    for step in 0..plan.steps {
        let pixels = pixels(count, plan.side, step);
        let input = StepInput { count, pixels: &pixels, labels: &labels, photos: &photos, pairs: &pairs };
        losses.push(trainer.step(&input)?.loss);
    }
    Ok((embeddings, losses))
}

/// Changes every weight by a share of itself, the next one the other way.
fn nudge<D: Backend>(network: &mut Network<D>, share: f32) -> Result<()> {
    if share != 0.0 {
        for id in network.store.ids() {
            let mut values = network.store.export(id)?;
            values.iter_mut().zip([share, -share].into_iter().cycle()).for_each(|(v, share)| *v *= 1.0 + share);
            network.store.import(id, values)?;
        }
    }
    Ok(())
}

/// Photos of stripes, each individual with a width and a colour of its own; others in every step, and too coarse for the
/// losses to vanish.
fn pixels(count: usize, side: usize, step: usize) -> Vec<u8> {
    let value = |photo: usize, y: usize, x: usize, c: usize| {
        let (who, which) = (photo / PHOTOS, photo % PHOTOS);
        let stripe = (x + y * (who + 1) + which * 5 + step * 3) / (3 + who) % 2;
        let noise = (x * 7919 + y * 104_729 + c * 1299 + photo * 15_485 + step * 32_452) * 2_654_435 / 1000 % 160;
        (40 * stripe + if c == who % 3 { 30 } else { 10 } + noise) as u8
    };
    let of_photo = |photo: usize| {
        (0..side).flat_map(move |y| (0..side).flat_map(move |x| (0..3).map(move |c| value(photo, y, x, c))))
    };
    (0..count).flat_map(of_photo).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_cpu_agrees_with_itself() {
        let plan =
            ParityPlan { backbone: "resnet18", method: Method::Arcface, side: 32, steps: 2, lr: 0.001, nudge: 0.0 };
        let found = parity(&Cpu::default(), &plan).unwrap();
        assert_eq!((found.embedding, found.loss, found.losses.len()), (0.0, 0.0, 2));
    }
}
