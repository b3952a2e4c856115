//! What a run trains on: photos, individuals, batches; and what it validates on.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::Arc;

use crate::data::augment::Augment;
use crate::data::cache::PhotoCache;
use crate::data::fingerprint::Fingerprint;
use crate::data::foreign::line;
use crate::data::formats;
use crate::data::loader::LoaderConfig;
use crate::data::manifest::{Manifest, Part, Problem, ProblemKind};
use crate::data::prepare::prepare;
use crate::data::sampler::{BalancedPairs, Batch, Labels, PTimesK, Sampler, Shuffled};
use crate::data::split::{self, Roles, Split, SplitChoice};
use crate::run::config::{Config, Method};

use super::checkpoint::DataSeen;
use super::error::{Result, TrainError};

/// Everything that a run needs to know of its photos.
pub struct Setup {
    /// The photos.
    pub manifest: Manifest,
    /// Their parts.
    pub split: Split,
    /// Photos trained on, as places in the manifest.
    pub train: Vec<usize>,
    /// Whose they are.
    pub labels: Labels,
    /// Gallery and queries of the validation; none where the split has no part to ask about.
    pub validation: Option<Roles>,
    /// Photos that cannot be read, and rows that were left out.
    pub problems: Vec<Problem>,
    /// Decoded photos.
    pub cache: Arc<PhotoCache>,
    sampler: Arc<dyn Sampler>,
    augment: Option<Augment>,
}

/// Photos looked at, of how many; says whether to go on.
pub type Progress<'a> = dyn FnMut(usize, usize) -> bool + 'a;

impl Setup {
    /// Reads the dataset of `config`, looks at every photo once, and says what cannot be used.
    ///
    /// # Errors
    /// When there is no dataset, or too little of it can be used.
    pub fn new(config: &Config, cache: Option<PathBuf>, progress: &mut Progress) -> Result<Setup> {
        let manifest = formats::open(config.data.dir.as_ref())?;
        let choice = config.data.split_column.clone().map_or(SplitChoice::Auto, SplitChoice::Column);
        let split = split::assign(&manifest, &choice, split::RATIO, split::SEED)?;
        let validation = split::validation_roles(&split).ok();
        let side = config.data.image_size;
        let augment = config.augment;
        augment.check()?;
        let augment = (augment != Augment::off()).then_some(augment);

        let train = split.photos(Part::Train);
        let mut wanted = train.clone();
        wanted.extend(validation.iter().flat_map(|roles| roles.queries.iter()));
        let sides: Vec<u32> = match &augment {
            Some(augment) if augment.source_side(side) != side => vec![side, augment.source_side(side)],
            _ => vec![side],
        };
        let cache = Arc::new(PhotoCache::open(cache));
        let total = wanted.len();
        let prepared =
            prepare(&manifest, &wanted, &cache, &sides, config.data.workers.max(1), |done| progress(done, total))?;
        let readable: BTreeSet<usize> = prepared.usable.iter().copied().collect();
        let usable =
            |photos: &[usize]| -> Vec<usize> { photos.iter().copied().filter(|i| readable.contains(i)).collect() };
        let train = usable(&train);
        let validation =
            validation.map(|roles| Roles { gallery: usable(&roles.gallery), queries: usable(&roles.queries), ..roles });
        let validation = validation.filter(|roles| !roles.gallery.is_empty() && !roles.queries.is_empty());
        let labels = Labels::new(&manifest, &train);
        let sampler = sampler(config, &labels)?;
        let mut problems = manifest.problems.clone();
        problems.extend(prepared.problems);
        problems.extend(sampler.left_out().iter().map(|individual| Problem {
            kind: ProblemKind::Single,
            photo: None,
            line: None,
            reason: format!(
                "{}: a single photo to train on, and this method needs two; not trained on",
                line(individual)
            ),
        }));
        Ok(Setup { manifest, split, train, labels, validation, problems, cache, sampler, augment })
    }

    /// Steps of one epoch.
    pub fn steps_per_epoch(&self) -> u64 {
        self.sampler.batches() as u64
    }

    /// Individuals trained on.
    pub fn individuals(&self) -> usize {
        self.labels.names().len()
    }

    /// What a checkpoint notes of the photos.
    pub fn data(&self) -> DataSeen {
        let of = |photos: &[usize]| Fingerprint::of(&self.manifest, photos);
        DataSeen { train: of(&self.train), validation: self.validation.as_ref().map(|roles| of(&roles.queries)) }
    }

    /// The photos that cannot be read, in brackets for the end of a sentence; empty where all can.
    pub fn left_out(&self) -> String {
        let mut unreadable = self.problems.iter().filter(|p| p.kind == ProblemKind::Unreadable);
        let Some(first) = unreadable.next() else { return String::new() };
        match unreadable.count() {
            0 => format!(" (cannot be read now: {first})"),
            more => format!(" (cannot be read now: {first}; and {more} more)"),
        }
    }

    /// What the loader of the training photos needs.
    pub fn loader(&self, config: &Config) -> LoaderConfig {
        LoaderConfig {
            photos: self.train.iter().map(|&i| self.manifest.full_path(i)).collect(),
            cache: Arc::clone(&self.cache),
            side: config.data.image_size,
            augment: self.augment,
            seed: config.train.seed,
            workers: config.data.workers,
            depth: 3,
        }
    }

    /// The batches of steps `from` to `to`, computed as they are asked for.
    pub fn batches(&self, from: u64, to: u64) -> impl Iterator<Item = (u64, Batch)> + Send + use<> {
        let sampler = Arc::clone(&self.sampler);
        let per_epoch = self.steps_per_epoch();
        let mut begun: Option<(u64, Vec<Batch>)> = None;
        (from..to).map(move |step| {
            let (epoch, place) = (step / per_epoch, (step % per_epoch) as usize);
            if begun.as_ref().is_none_or(|(number, _)| *number != epoch) {
                begun = Some((epoch, sampler.epoch(epoch)));
            }
            let batch = begun.as_ref().map(|(_, batches)| batches[place].clone());
            (step, batch.unwrap_or_default())
        })
    }
}

/// The sampler of a method: pairs for Siamese, P x K for triplets, and for ArcFace photos in random order unless it was
/// given more than one of each individual.
fn sampler(config: &Config, labels: &Labels) -> Result<Arc<dyn Sampler>> {
    let (size, k, seed) = (config.batch.size, config.batch.per_individual, config.train.seed);
    if labels.names().len() < 2 {
        return Err(TrainError::TooFew {
            reason: format!(
                "the training part has {} usable photos of {} individuals; two individuals are the least",
                labels.len(),
                labels.names().len()
            ),
        });
    }
    Ok(match config.method {
        Method::Siamese => Arc::new(BalancedPairs::new(labels.clone(), size, seed)?),
        Method::Arcface if k == 1 => Arc::new(Shuffled::new(labels, size, seed)?),
        Method::Triplet | Method::Arcface => Arc::new(PTimesK::new(labels.clone(), size / k, k, seed)?),
    })
}
