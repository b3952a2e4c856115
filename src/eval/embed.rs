//! Photos to embeddings with a network, in batches, the photos loaded ahead.

use std::sync::Arc;

use crate::data::cache::PhotoCache;
use crate::data::decode::PhotoFile;
use crate::data::error::DataError;
use crate::data::loader::{Loader, LoaderConfig};
use crate::data::manifest::{Manifest, Problem};
use crate::data::prepare::{prepare, unreadable};
use crate::data::sampler::in_order;
use crate::nn::error::NnError;
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
    let paths = usable.iter().map(|&i| manifest.file(i)).collect();
    let (vectors, gone) =
        embed_there(&model.network, side, paths, source, Image::AsItIs, |done| progress(photos.len() + done, all))?;
    for (place, error) in gone.into_iter().rev() {
        problems.push(unreadable(manifest, usable.remove(place), error));
    }
    Ok(Embedded { usable, vectors, problems })
}

/// Embeds the mirror images of `photos` (indices into the manifest), all of which can be read.
///
/// # Errors
/// Also when one has gone.
pub fn embed_mirrored<D: Backend>(
    model: &Model<D>,
    manifest: &Manifest,
    photos: &[usize],
    source: &Source,
    progress: &mut dyn FnMut(usize) -> bool,
) -> Result<Vec<f32>> {
    let side = model.about.preprocessing.image_size;
    let paths = photos.iter().map(|&i| manifest.file(i)).collect();
    all_there(embed_there(&model.network, side, paths, source, Image::Mirrored, progress)?)
}

/// What is embedded of a photo.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Image {
    AsItIs,
    Mirrored,
}

impl Image {
    /// Rows of `side` pixels turned round.
    fn of(self, pixels: &mut [u8], side: usize) {
        if self == Image::Mirrored {
            pixels.chunks_exact_mut(3 * side.max(1)).for_each(|row| row.as_chunks_mut::<3>().0.reverse());
        }
    }
}

fn all_there((vectors, gone): (Vec<f32>, Vec<(usize, DataError)>)) -> Result<Vec<f32>> {
    match gone.into_iter().next() {
        Some((_, error)) => Err(error.into()),
        None => Ok(vectors),
    }
}

/// Embeds `photos` at `side` pixels: photos x D values, rows of unit length, in their order. `progress` is
/// called with the number done and says whether to go on.
///
/// # Errors
/// When a photo cannot be read, the network fails, or `progress` said no ([`Error::Interrupted`]).
pub fn embed<D: Backend>(
    network: &Network<D>,
    side: u32,
    photos: Vec<PhotoFile>,
    source: &Source,
    progress: impl FnMut(usize) -> bool,
) -> Result<Vec<f32>> {
    all_there(embed_there(network, side, photos, source, Image::AsItIs, progress)?)
}

/// Embeds `count` photos at once, or in halves where the device has too little memory for that.
fn embed_batch<D: Backend>(network: &Network<D>, count: usize, side: usize, pixels: &[u8]) -> Result<Vec<f32>> {
    match network.embed(count, side, pixels) {
        Err(NnError::OutOfMemory { .. }) if count > 1 => {
            let (first, rest) = pixels.split_at(count / 2 * side * side * 3);
            let mut vectors = embed_batch(network, count / 2, side, first)?;
            vectors.extend(embed_batch(network, count - count / 2, side, rest)?);
            Ok(vectors)
        }
        other => Ok(other?),
    }
}

/// The embeddings of the photos that are still there, and the others: their places in the list, ascending, and why.
fn embed_there<D: Backend>(
    network: &Network<D>,
    side: u32,
    photos: Vec<PhotoFile>,
    source: &Source,
    image: Image,
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
            Ok(mut batch) => {
                image.of(&mut batch.pixels, side as usize);
                vectors.extend(embed_batch(network, photos.len(), side as usize, &batch.pixels)?);
            }
            // One of them; the others are embedded one by one.
            Err(DataError::Unreadable { .. }) => {
                for (place, photo) in (done..).zip(photos) {
                    match source.cache.get(photo, side) {
                        Ok(mut pixels) => {
                            image.of(&mut pixels.rgb, side as usize);
                            vectors.extend(network.embed(1, side as usize, &pixels.rgb)?);
                        }
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

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::data::manifest::testing::manifest;
    use crate::eval::embeddings::{EmbeddingSet, Role};
    use crate::eval::model::{About, Preprocessing};
    use crate::eval::testing::row;
    use crate::nn::head::HeadKind;
    use crate::nn::network::Architecture;
    use dfdx::prelude::Cpu;

    /// Photos `0.jpg` to `n - 1` in a folder, and a small network for them.
    pub(in crate::eval) fn stage(n: u32) -> (tempfile::TempDir, Manifest, Model<Cpu>) {
        let dir = tempfile::tempdir().unwrap();
        let mut m = manifest(&vec![("a", ""); n as usize]);
        m.root = dir.path().to_path_buf();
        for i in 0..n {
            let paint = |x, y| image::Rgb([(x * (i + 3)) as u8, (y * 9) as u8, (i * 40) as u8]);
            let photo = image::RgbImage::from_fn(32, 32, paint);
            photo.save_with_format(m.full_path(i as usize), image::ImageFormat::Png).unwrap();
        }
        let architecture = Architecture { backbone: "resnet18", head: HeadKind::Mlp, dimensions: 16 };
        let network = Network::new(&Cpu::default(), architecture, 3).unwrap();
        let about = About::new(architecture, Preprocessing::of_side(32));
        (dir, m, Model { network, about, identity: String::new(), said: String::new(), path: "".into() })
    }

    #[test]
    fn mirror_images_are_embedded_as_photos_that_were_mirrored() {
        let (dir, m, model) = stage(3);
        let source = Source { cache: Arc::new(PhotoCache::open(None)), workers: 1 };
        let mirrored = embed_mirrored(&model, &m, &[0, 1, 2], &source, &mut |_| true).unwrap();
        for i in 0..3 {
            let photo = image::imageops::flip_horizontal(&crate::data::decode::read(&m.full_path(i)).unwrap());
            photo.save_with_format(m.full_path(i), image::ImageFormat::Png).unwrap();
        }
        let by_hand = embed_readable(&model, &m, &[0, 1, 2], &source, &mut |_, _| true).unwrap().vectors;
        assert_eq!(mirrored, by_hand);
        let rows = (0..3).map(|i| row(&format!("{i}.jpg"), "a", "", Role::Both));
        let set = EmbeddingSet::new(16, by_hand.clone(), rows.collect()).unwrap();
        let one_way = set.clone().with_mirrored(mirrored.iter().rev().copied().collect()).unwrap().flipped();
        let other_way = EmbeddingSet { vectors: mirrored.iter().rev().copied().collect(), ..set };
        let other_way = other_way.with_mirrored(by_hand).unwrap().flipped();
        assert_eq!(one_way.vectors, other_way.vectors, "a photo and its mirror image are then the same");
        drop(dir);
    }

    #[test]
    fn photos_that_go_while_they_are_embedded_are_left_out_and_told() {
        let (dir, m, model) = stage(5);
        let all = [0, 1, 2, 3, 4];
        for cache in [None, Some(dir.path().join("cache"))] {
            let source = Source { cache: Arc::new(PhotoCache::open(cache)), workers: 1 };
            let whole = embed_readable(&model, &m, &all, &source, &mut |_, _| true).unwrap();
            assert_eq!((whole.usable.as_slice(), whole.problems.len()), (&all[..], 0));
            let bytes: Vec<_> = [1, 3].map(|i| std::fs::read(m.full_path(i)).unwrap()).into();
            let embedded = embed_readable(&model, &m, &all, &source, &mut |done, _| {
                if done == all.len() {
                    [1, 3].iter().for_each(|&i| std::fs::remove_file(m.full_path(i)).unwrap());
                }
                true
            });
            let embedded = embedded.unwrap();
            assert_eq!(embedded.usable, [0, 2, 4]);
            let told: Vec<_> = embedded.problems.iter().map(|p| p.photo.as_deref().unwrap()).collect();
            assert_eq!(told.len(), 2);
            assert!(told.contains(&"1.jpg") && told.contains(&"3.jpg"), "{told:?}");
            for (row, photo) in embedded.usable.iter().enumerate() {
                for (a, b) in embedded.vectors[row * 16..][..16].iter().zip(&whole.vectors[photo * 16..][..16]) {
                    assert!((a - b).abs() < 1e-5, "photo {photo}");
                }
            }
            // where every photo counts, the first is an error
            let paths = all.map(|i| m.file(i)).to_vec();
            let error = embed(&model.network, 32, paths, &source, |_| true).unwrap_err().to_string();
            assert!(error.contains("1.jpg"), "{error}");
            [1, 3].iter().zip(bytes).for_each(|(&i, bytes)| std::fs::write(m.full_path(i), bytes).unwrap());
        }
    }
}
