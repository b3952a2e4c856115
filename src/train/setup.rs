//! What a run trains on: photos, individuals, batches; and what it validates on.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::Arc;

use crate::data::augment::Augment;
use crate::data::cache::PhotoCache;
use crate::data::corrections::Corrections;
use crate::data::counted::counted;
use crate::data::error::DataError;
use crate::data::fingerprint::Fingerprint;
use crate::data::foreign::{line, path};
use crate::data::formats;
use crate::data::loader::LoaderConfig;
use crate::data::manifest::{Manifest, Part, Problem, ProblemKind};
use crate::data::prepare::prepare;
use crate::data::sampler::{BalancedPairs, Batch, Labels, PTimesK, Sampler, Shuffled};
use crate::data::split::{self, Roles, Split};
use crate::run::RunDir;
use crate::run::config::{Config, DataConfig, Method, SideLabels};

use super::checkpoint::DataSeen;
use super::error::{Result, TrainError};

/// Everything that a run needs to know of its photos.
pub struct Setup {
    /// The photos.
    pub manifest: Manifest,
    /// What a person has corrected about them.
    pub corrections: Corrections,
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

/// What a dataset offers a run, before any photo is opened.
pub struct Plan {
    /// The photos.
    pub manifest: Manifest,
    /// Their parts.
    pub split: Split,
    /// Photos to train on, as places in the manifest.
    pub train: Vec<usize>,
    /// Gallery and queries of the validation; none where the split has no part to ask about.
    pub validation: Option<Roles>,
}

impl Plan {
    /// Reads the dataset of `config` as `corrections` have it, and sees whether its batches can be filled.
    ///
    /// # Errors
    /// When there is no dataset or no such split, or the photos do not suffice however many of them can be read.
    pub fn read(config: &Config, corrections: &Corrections) -> Result<Plan> {
        let manifest = formats::open(config.data.dir.as_ref(), corrections)?;
        let split = split_of(&config.data, &manifest)?;
        let validation = split::validation_roles(&split).ok();
        let train = split.photos(Part::Train);
        if let Err(error) = sampler(config, &labels_of(config, &manifest, &train)) {
            // one folder too high is the usual reason for a single individual
            let layout = manifest.problems.iter().find(|p| p.kind == ProblemKind::Layout);
            return Err(match (error, layout) {
                (TrainError::TooFew { reason }, Some(layout)) => {
                    TrainError::TooFew { reason: format!("{reason}; {layout}") }
                }
                (error, _) => error,
            });
        }
        Ok(Plan { manifest, split, train, validation })
    }

    /// Why a run on it cannot be evaluated, where it cannot.
    pub fn cannot_be_measured(&self) -> Option<String> {
        if self.validation.is_some() {
            return None;
        }
        let counts = self.manifest.counts();
        let alone = if counts.photos == counts.individuals {
            "every individual has a single photo".to_owned()
        } else {
            format!("split {} trains on every photo", line(&self.split.name))
        };
        Some(format!("{alone}, so nothing is left to ask about: no rank-1 will tell what this run has learnt"))
    }
}

/// The parts that a run which was told `data` sees in `manifest`.
///
/// # Errors
/// When the column does not exist.
pub fn split_of(data: &DataConfig, manifest: &Manifest) -> Result<Split, DataError> {
    split::assign(manifest, &data.split_choice())
}

/// Who is on `photos` to the training.
fn labels_of(config: &Config, manifest: &Manifest, photos: &[usize]) -> Labels {
    match config.data.sides {
        SideLabels::Together => Labels::new(manifest, photos),
        SideLabels::Apart => Labels::by_side(manifest, photos),
    }
}

/// Photos looked at, of how many; says whether to go on.
pub type Progress<'a> = dyn FnMut(usize, usize) -> bool + 'a;

impl Setup {
    /// Reads the dataset of `config` as `corrections` have it, looks at every photo once, and says what cannot be used.
    ///
    /// # Errors
    /// When there is no dataset, or too little of it can be used.
    pub fn new(
        config: &Config,
        corrections: Corrections,
        cache: Option<PathBuf>,
        progress: &mut Progress,
    ) -> Result<Setup> {
        let Plan { manifest, split, train, validation } = Plan::read(config, &corrections)?;
        let side = config.data.image_size;
        let augment = config.augment;
        augment.check()?;
        let augment = (augment != Augment::off()).then_some(augment);

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
        let labels = labels_of(config, &manifest, &train);
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
        Ok(Setup { manifest, corrections, split, train, labels, validation, problems, cache, sampler, augment })
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

    /// Which photos are corrected otherwise than when `run` began, to go on with half a sentence; empty where none is.
    pub fn corrected_since(&self, run: &RunDir) -> String {
        let then = run.read_corrections().unwrap_or_default();
        let differing = self.corrections.differing(&then);
        let Some(first) = differing.first() else { return String::new() };
        let first = path(first);
        match differing.len() {
            1 => format!("; {first} is corrected otherwise than when the run began"),
            n => format!("; {n} photos are corrected otherwise than when the run began, {first} among them"),
        }
    }

    /// What the loader of the training photos needs.
    pub fn loader(&self, config: &Config) -> LoaderConfig {
        LoaderConfig {
            photos: self.train.iter().map(|&i| self.manifest.file(i)).collect(),
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

/// The sampler of a method, whose batches are the photos of a whole step: P x K, but where it is given one photo of each individual pairs for Siamese and photos in
/// random order for ArcFace and cross-entropy.
fn sampler(config: &Config, labels: &Labels) -> Result<Arc<dyn Sampler>> {
    let (size, k, seed) = (config.batch.size * config.batch.accumulate, config.batch.per_individual, config.train.seed);
    if labels.names().len() < 2 {
        return Err(TrainError::TooFew {
            reason: format!(
                "the training part has {} of {}; two individuals are the least",
                counted(labels.len(), "usable photo"),
                counted(labels.names().len(), "individual")
            ),
        });
    }
    Ok(match config.method {
        Method::Siamese if k == 1 => Arc::new(BalancedPairs::new(labels.clone(), size, seed)?),
        Method::Arcface | Method::CrossEntropy if k == 1 => Arc::new(Shuffled::new(labels, size, seed)?),
        _ => {
            // few individuals fill a batch with more photos of each
            let individuals = (size / k).min(labels.with_company().0.len().max(2));
            Arc::new(PTimesK::new(labels.clone(), individuals, size / individuals, seed)?)
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::synth::{SynthPlan, draw};

    fn plan(dir: &std::path::Path) -> Result<Plan> {
        let mut config = Config::preset(Method::Arcface);
        config.data.dir = dir.to_str().unwrap().to_owned();
        Plan::read(&config, &Corrections::NONE)
    }

    /// Who is on 18 photos of three turtles.
    fn eighteen() -> Labels {
        let dir = tempfile::tempdir().unwrap();
        let drawn = SynthPlan { individuals: 3, encounters: 3, photos: 2, width: 32, height: 32, seed: 3 };
        draw(&drawn, dir.path(), &|_, _| true).unwrap();
        let manifest = formats::open(dir.path(), &Corrections::NONE).unwrap();
        Labels::new(&manifest, &(0..manifest.photos.len()).collect::<Vec<_>>())
    }

    #[test]
    fn few_individuals_fill_a_batch_with_more_photos_of_each() {
        let labels = eighteen();
        let config = Config::preset(Method::Triplet);
        assert_eq!((config.batch.size, config.batch.per_individual), (32, 4));
        let batches = sampler(&config, &labels).unwrap().epoch(0);
        let individuals: BTreeSet<usize> = batches[0].photos.iter().map(|&p| labels.individuals()[p]).collect();
        assert_eq!((batches[0].photos.len(), individuals.len()), (30, 3));
    }

    #[test]
    fn a_step_has_the_photos_of_all_its_batches() {
        let labels = eighteen();
        let mut config = Config::preset(Method::CrossEntropy);
        (config.batch.size, config.batch.accumulate) = (4, 2);
        let sampler_of = |config: &Config| sampler(config, &labels).unwrap();
        // 18 photos, 8 a step
        let of_parts = sampler_of(&config).epoch(1);
        assert_eq!((of_parts.len(), of_parts[0].photos.len()), (3, 8));
        (config.batch.size, config.batch.accumulate) = (8, 1);
        assert_eq!(of_parts[2].photos, sampler_of(&config).epoch(1)[2].photos);
    }

    #[test]
    fn a_mistake_is_told_before_a_photo_is_opened() {
        let dir = tempfile::tempdir().unwrap();
        let turtles = dir.path().join("turtles");
        let drawn = SynthPlan { individuals: 3, encounters: 2, photos: 1, width: 32, height: 32, seed: 3 };
        draw(&drawn, &turtles, &|_, _| true).unwrap();
        assert_eq!(plan(&turtles).unwrap().cannot_be_measured(), None);
        let photo = crate::data::formats::as_written(&turtles).unwrap().full_path(0);

        let flat = dir.path().join("flat");
        std::fs::create_dir(&flat).unwrap();
        std::fs::copy(&photo, flat.join("a.jpg")).unwrap();
        let told = plan(&flat).err().unwrap().to_string();
        assert!(told.contains("make a folder for each individual"), "{told}");

        let folder = |name: &str, individuals: &[&str]| {
            for individual in individuals {
                let place = dir.path().join(name).join(individual);
                std::fs::create_dir_all(&place).unwrap();
                std::fs::copy(&photo, place.join("a.jpg")).unwrap();
            }
            dir.path().join(name)
        };
        let told = plan(&folder("high", &["photos/t1", "photos/t2"])).err().unwrap().to_string();
        assert!(told.contains("1 individual;") && told.contains("give the folder photos instead"), "{told}");
        let single = plan(&folder("single", &["t1", "t2"])).unwrap().cannot_be_measured().unwrap();
        assert!(single.starts_with("every individual has a single photo"), "{single}");
    }
}
