//! Photos to embeddings with a network, in batches, the photos loaded ahead.

use std::path::PathBuf;
use std::sync::Arc;

use crate::data::cache::PhotoCache;
use crate::data::loader::{Loader, LoaderConfig};
use crate::data::sampler::in_order;
use crate::nn::network::Network;
use crate::nn::ops::Backend;

use super::{Error, Result};

/// Photos embedded at once: enough to keep the kernels busy, small beside a training step's memory.
const BATCH: usize = 32;

/// Where photos come from on their way into a network.
#[derive(Clone, Debug)]
pub struct Source {
    /// Decoded photos.
    pub cache: Arc<PhotoCache>,
    /// Threads that prepare photos.
    pub workers: usize,
}

/// Embeds `photos` (full paths) at `side` pixels: photos x D values, rows of unit length, in their order. `progress` is
/// called with the number done and says whether to go on.
///
/// # Errors
/// When a photo cannot be read, the network fails, or `progress` said no ([`Error::Interrupted`]).
pub fn embed<D: Backend>(
    network: &Network<D>,
    side: u32,
    photos: Vec<PathBuf>,
    source: &Source,
    mut progress: impl FnMut(usize) -> bool,
) -> Result<Vec<f32>> {
    let count = photos.len();
    let mut vectors = Vec::with_capacity(count * network.architecture.dimensions);
    let batches = (0..).zip(in_order(count, BATCH));
    let config = LoaderConfig {
        photos,
        cache: Arc::clone(&source.cache),
        side,
        augment: None,
        seed: 0,
        workers: source.workers,
        depth: 2,
    };
    let mut done = 0;
    for batch in Loader::start(config, batches) {
        let batch = batch?;
        vectors.extend(network.embed(batch.photos.len(), side as usize, &batch.pixels)?);
        done += batch.photos.len();
        if !progress(done) {
            return Err(Error::Interrupted);
        }
    }
    Ok(vectors)
}
