//! How fast a network trains and embeds on this machine: random photos, no loading, no augmentation.

use std::time::{Duration, Instant};

use dfdx::prelude::{Backward, MeanTo, TryMul};
use serde::Serialize;

use crate::nn::error::{NnError, Result};
use crate::nn::head::HeadKind;
use crate::nn::network::{Architecture, Network};
use crate::nn::ops::Backend;
use crate::nn::optim::{Optimiser, Rule};
use crate::nn::pass::Pass;

/// What to measure.
#[derive(Clone, Copy, Debug)]
pub struct BenchPlan {
    /// The network's backbone.
    pub backbone: &'static str,
    /// Photos in a step.
    pub batch_size: usize,
    /// Side of a photo in pixels.
    pub image_size: usize,
    /// How long to go on with each measurement; at least three steps are made.
    pub patience: Duration,
}

/// What was measured. Photos a second are of the fastest step, and of the median one beside it.
#[derive(Clone, Debug, Serialize)]
pub struct BenchReport {
    /// The network's backbone.
    pub backbone: String,
    /// Photos in a step.
    pub batch_size: usize,
    /// Side of a photo in pixels.
    pub image_size: usize,
    /// Forward, backward and an SGD step.
    pub train_photos_per_s: f64,
    /// The same of the median step.
    pub train_photos_per_s_median: f64,
    /// Embedding without a tape.
    pub inference_photos_per_s: f64,
    /// The same of the median step.
    pub inference_photos_per_s_median: f64,
    /// Steps timed.
    pub steps: usize,
}

/// Measures on `device`.
///
/// # Errors
/// When the photos are too small for the backbone or the device fails.
pub fn bench<D: Backend>(device: &D, plan: &BenchPlan) -> Result<BenchReport> {
    let BenchPlan { backbone, batch_size, image_size, patience } = *plan;
    let architecture = Architecture { backbone, head: HeadKind::Mlp, dimensions: 128 };
    let mut network = Network::new(device, architecture, 0)?;
    let mut optimiser = Optimiser::new(&network.store, Rule::Sgd { momentum: 0.9 }, 1e-4)?;
    // any bytes that are not all alike
    let bytes: Vec<u8> = (0..batch_size * image_size * image_size * 3).map(|i| (i * 7919 % 251) as u8).collect();
    let train = time(patience, || {
        let mut pass = Pass::training(device);
        let rows = network.embed_traced(&mut pass, batch_size, image_size, &bytes)?;
        let fail = |e: D::Err| NnError::device("bench", e);
        let loss = rows.try_mul(1.0).and_then(|rows| rows.try_mean()).map_err(fail)?;
        let mut gradients = loss.try_backward().map_err(fail)?;
        optimiser.update(&mut network.store, &mut gradients, 1e-6, 1.0)?;
        network.store.absorb(pass.into_statistics())?;
        // a card is still at it
        device.try_synchronize().map_err(fail)
    })?;
    let inference = time(patience, || network.embed(batch_size, image_size, &bytes).map(drop))?;
    let rate = |seconds: f64| batch_size as f64 / seconds;
    Ok(BenchReport {
        backbone: backbone.to_owned(),
        batch_size,
        image_size,
        train_photos_per_s: rate(train[0]),
        train_photos_per_s_median: rate(train[train.len() / 2]),
        inference_photos_per_s: rate(inference[0]),
        inference_photos_per_s_median: rate(inference[inference.len() / 2]),
        steps: train.len() + inference.len(),
    })
}

/// Seconds of each step, the shortest first; a first step that warms up is not counted.
fn time(patience: Duration, mut step: impl FnMut() -> Result<()>) -> Result<Vec<f64>> {
    step()?;
    let start = Instant::now();
    let mut seconds = Vec::new();
    while seconds.len() < 3 || start.elapsed() < patience {
        let before = Instant::now();
        step()?;
        seconds.push(before.elapsed().as_secs_f64());
    }
    seconds.sort_by(f64::total_cmp);
    Ok(seconds)
}
