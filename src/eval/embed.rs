//! Photos to embeddings with a network, in batches, the photos loaded ahead.

use std::path::PathBuf;
use std::sync::Arc;

use crate::data::cache::PhotoCache;
use crate::data::error::DataError;
use crate::data::loader::{Loader, LoaderConfig};
use crate::data::manifest::{Manifest, Problem};
use crate::data::prepare::{prepare, unreadable};
use crate::data::sampler::in_order;
use crate::nn::network::Network;
use crate::nn::ops::Backend;

use super::model::Model;
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

/// Embeddings of the photos that can be read.
#[derive(Debug)]
pub struct Embedded {
    /// The photos: indices into the manifest, in the order asked for.
    pub usable: Vec<usize>,
    /// Photos x D values, rows of unit length, in their order.
    pub vectors: Vec<f32>,
    /// One a photo that cannot be read.
    pub problems: Vec<Problem>,
}

/// Embeds `photos` (indices into the manifest) as `model` wants them, and leaves out those that cannot be read, be it
/// from the beginning or because they have gone since. `progress` is called with the number done, of how many, each
/// photo counting twice (decoded, embedded), and says whether to go on.
///
/// # Errors
/// When the network fails, or `progress` said no ([`Error::Interrupted`]).
pub fn embed_readable<D: Backend>(
    model: &Model<D>,
    manifest: &Manifest,
    photos: &[usize],
    source: &Source,
    progress: &mut dyn FnMut(usize, usize) -> bool,
) -> Result<Embedded> {
    let (side, all) = (model.about.preprocessing.image_size, 2 * photos.len());
    let prepared = prepare(manifest, photos, &source.cache, &[side], source.workers, |done| progress(done, all))?;
    let (mut usable, mut problems) = (prepared.usable, prepared.problems);
    let paths = usable.iter().map(|&i| manifest.full_path(i)).collect();
    let (vectors, gone) = embed_there(&model.network, side, paths, source, |done| progress(photos.len() + done, all))?;
    for (place, error) in gone.into_iter().rev() {
        problems.push(unreadable(manifest, usable.remove(place), error));
    }
    Ok(Embedded { usable, vectors, problems })
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
    progress: impl FnMut(usize) -> bool,
) -> Result<Vec<f32>> {
    let (vectors, gone) = embed_there(network, side, photos, source, progress)?;
    match gone.into_iter().next() {
        Some((_, error)) => Err(error.into()),
        None => Ok(vectors),
    }
}

/// The embeddings of the photos that are still there, and the others: their places in the list, ascending, and why.
fn embed_there<D: Backend>(
    network: &Network<D>,
    side: u32,
    photos: Vec<PathBuf>,
    source: &Source,
    mut progress: impl FnMut(usize) -> bool,
) -> Result<(Vec<f32>, Vec<(usize, DataError)>)> {
    let batches = (0..).zip(in_order(photos.len(), BATCH));
    let config = LoaderConfig {
        photos: photos.clone(),
        cache: Arc::clone(&source.cache),
        side,
        augment: None,
        seed: 0,
        workers: source.workers,
        depth: 2,
    };
    let (mut vectors, mut gone) = (Vec::new(), Vec::new());
    let mut done = 0;
    for (batch, photos) in Loader::start(config, batches).zip(photos.chunks(BATCH)) {
        match batch {
            Ok(batch) => vectors.extend(network.embed(photos.len(), side as usize, &batch.pixels)?),
            // One of them; the others are embedded one by one.
            Err(DataError::Unreadable { .. }) => {
                for (place, photo) in (done..).zip(photos) {
                    match source.cache.get(photo, side) {
                        Ok(pixels) => vectors.extend(network.embed(1, side as usize, &pixels.rgb)?),
                        Err(error) => gone.push((place, error)),
                    }
                }
            }
            Err(error) => return Err(error.into()),
        }
        done += photos.len();
        if !progress(done) {
            return Err(Error::Interrupted);
        }
    }
    Ok((vectors, gone))
}
