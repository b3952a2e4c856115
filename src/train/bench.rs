//! How fast a network trains and embeds on this machine: random photos in memory, and then photos from a cache, changed at
//! random as a training changes them.

use std::sync::Arc;
use std::time::{Duration, Instant};

use dfdx::prelude::{Backward, MeanTo, TryMul};
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use serde::Serialize;

use crate::data::augment::Augment;
use crate::data::cache::PhotoCache;
use crate::data::decode::PhotoFile;
use crate::data::loader::{Loader, LoaderConfig};
use crate::data::sampler::Batch;
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
    /// Threads that prepare photos.
    pub workers: usize,
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
    /// Training on photos from a cache, in the mean.
    pub loaded_photos_per_s: f64,
    /// Share of that time in which the training waited for photos, from 0 to 1.
    pub loaded_wait: f64,
    /// Most bytes that tensors held at once; none on a CPU.
    pub memory_bytes: Option<u64>,
    /// Steps timed.
    pub steps: usize,
}

/// Measures on `device`.
///
/// # Errors
/// When the photos are too small for the backbone or the device fails.
pub fn bench<D: Backend>(device: &D, plan: &BenchPlan) -> super::error::Result<BenchReport> {
    let BenchPlan { backbone, batch_size, image_size, patience, .. } = *plan;
    let architecture = Architecture { backbone, head: HeadKind::Mlp, dimensions: 128 };
    let mut network = Network::new(device, architecture, 0)?;
    let mut bytes = vec![0; batch_size * image_size * image_size * 3];
    ChaCha8Rng::seed_from_u64(0).fill_bytes(&mut bytes);
    // first: long training on so few photos leaves numbers so small that a processor takes a hundred times as long for them
    let inference = time(patience, || network.embed(batch_size, image_size, &bytes).map(drop))?;
    let mut optimiser = Optimiser::new(&network.store, Rule::Sgd { momentum: 0.9 }, 1e-4, |_| 1.0)?;
    let mut step = |bytes: &[u8]| -> Result<()> {
        let mut pass = Pass::training(device);
        let rows = network.embed_traced(&mut pass, batch_size, image_size, bytes)?;
        let fail = |e: D::Err| NnError::device("bench", e);
        let loss = rows.try_mul(1.0).and_then(|rows| rows.try_mean()).map_err(fail)?;
        let mut gradients = loss.try_backward().map_err(fail)?;
        optimiser.update(&mut network.store, &mut gradients, 1e-6, 1.0)?;
        network.store.absorb(pass.into_statistics())?;
        // a card is still at it
        device.try_synchronize().map_err(fail)
    };
    let train = time(patience, || step(&bytes))?;
    let (loaded_photos_per_s, loaded_wait) = loaded(plan, &bytes, &mut step)?;
    let rate = |seconds: f64| batch_size as f64 / seconds;
    Ok(BenchReport {
        backbone: backbone.to_owned(),
        batch_size,
        image_size,
        train_photos_per_s: rate(train[0]),
        train_photos_per_s_median: rate(train[train.len() / 2]),
        inference_photos_per_s: rate(inference[0]),
        inference_photos_per_s_median: rate(inference[inference.len() / 2]),
        loaded_photos_per_s,
        loaded_wait,
        memory_bytes: crate::nn::ops::device::most_used(),
        steps: train.len() + inference.len(),
    })
}

/// Photos a second of `step` on photos that come from a cache, and the share of the time in which it waited for them.
fn loaded(
    plan: &BenchPlan,
    bytes: &[u8],
    step: &mut dyn FnMut(&[u8]) -> Result<()>,
) -> super::error::Result<(f64, f64)> {
    /// Photos in the cache: a batch takes each several times, as only the reading counts.
    const PHOTOS: usize = 64;
    let folder = tempfile::tempdir().map_err(|source| NnError::Io { path: std::env::temp_dir(), source })?;
    let (side, count) = (plan.image_size as u32, PHOTOS.min(plan.batch_size));
    let augment = Augment::default();
    let mut photos = Vec::new();
    let source = augment.source_side(side);
    for i in 0..count {
        let pixel = |x: u32, y: u32| {
            image::Rgb([0, 1, 2].map(|c| bytes[(x * 3 + y * 331 + c + i as u32) as usize % bytes.len()]))
        };
        let path = folder.path().join(format!("{i}.png"));
        let drawn = image::RgbImage::from_fn(source, source, pixel).save(&path);
        drawn.map_err(|e| NnError::Io { path: path.clone(), source: std::io::Error::other(e) })?;
        photos.push(PhotoFile::from(path));
    }
    let cache = Arc::new(PhotoCache::open(Some(folder.path().join("cache"))));
    photos.iter().try_for_each(|photo| cache.get(photo, source).map(drop))?;
    let config = LoaderConfig { photos, cache, side, augment: Some(augment), seed: 0, workers: plan.workers, depth: 3 };
    let size = plan.batch_size;
    let batches =
        (0u64..).map(move |step| (step, Batch { photos: (0..size).map(|i| i % count).collect(), ..Batch::default() }));
    let (mut wait, mut steps) = (Duration::ZERO, 0);
    let mut begin = Instant::now();
    // the first batches find an empty queue
    const WARM: usize = 2;
    for batch in Loader::start(config, batches) {
        let batch = batch?;
        wait += batch.wait;
        step(&batch.pixels)?;
        steps += 1;
        if steps == WARM {
            (wait, begin) = (Duration::ZERO, Instant::now());
        }
        if steps >= WARM + 3 && begin.elapsed() > plan.patience {
            break;
        }
    }
    let seconds = begin.elapsed().as_secs_f64();
    Ok((((steps - WARM) * plan.batch_size) as f64 / seconds, (wait.as_secs_f64() / seconds).min(1.0)))
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
