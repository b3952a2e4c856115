//! A checkpoint: weights, optimiser and the place in the run, in one file.
//!
//! It holds no time, path, pid or id, so that equal runs have equal bytes. Sampling, augmentation and mining draw from
//! the seed and the step's number, so their state is the step.

use std::path::Path;

use serde::{Deserialize, Serialize};

use crate::eval::model::About;
use crate::nn::error::NnError;
use crate::nn::ops::Backend;
use crate::nn::weights::WeightFile;
use crate::run::config::Config;
use crate::run::files;
use crate::run::state::Score;

use super::error::{Result, TrainError};
use super::step::Trainer;

/// Where a run stands, apart from weights and moments.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Progress {
    /// Steps made.
    pub step: u64,
    /// Sum of the losses of the epoch begun.
    pub loss_sum: f64,
    /// The epoch's last step is made, its validation is not.
    #[serde(default)]
    pub unvalidated: bool,
    /// The best validation.
    pub best: Option<Score>,
    /// SHA-256 over the individuals in the order of their numbers: other data would train other centres.
    pub individuals: String,
}

/// The line about a checkpoint: the model's own words, and the training's beside them.
#[derive(Serialize, Deserialize)]
struct Line {
    #[serde(flatten)]
    about: About,
    method: String,
    progress: Progress,
}

/// Writes checkpoints of `trainer` at `progress` to all of `paths`, each through a temporary file and a rename.
///
/// # Errors
/// When a file cannot be written; what was there stays.
pub fn save<D: Backend>(trainer: &Trainer<D>, config: &Config, progress: &Progress, paths: &[&Path]) -> Result<()> {
    let Some(first) = paths.first() else { return Ok(()) };
    let line = Line {
        about: About::new(trainer.network.architecture, config.data.image_size),
        method: config.method.name().into(),
        progress: progress.clone(),
    };
    let about = serde_json::to_string(&line)
        .map_err(|e| TrainError::Checkpoint { path: first.to_path_buf(), reason: e.to_string() })?;
    let mut file = WeightFile { about, ..WeightFile::default() };
    file.insert_network(&trainer.network);
    for (name, shape, values) in trainer.optimiser.export(&trainer.network.store) {
        file.insert(name, &shape, values);
    }
    let bytes = file.to_bytes(first)?;
    for path in paths {
        files::replace(path, &bytes)?;
    }
    Ok(())
}

/// Reads the checkpoint at `path` into `trainer` and says where the run stands.
///
/// # Errors
/// When the file is damaged, of another network, or of other individuals than `individuals` says.
pub fn load<D: Backend>(trainer: &mut Trainer<D>, individuals: &str, path: &Path) -> Result<Progress> {
    let bad = |reason: String| TrainError::Checkpoint { path: path.to_owned(), reason };
    let mut file = WeightFile::read(path)?;
    let line: Line = serde_json::from_str(&file.about).map_err(|e| bad(format!("not a checkpoint of a run: {e}")))?;
    if line.progress.individuals != individuals {
        return Err(bad("it was made with other individuals: the dataset has changed since".into()));
    }
    file.load_network(path, &mut trainer.network)?;
    let take =
        |name: &str, shape: &crate::nn::param::Shape| -> Result<Vec<f32>, NnError> { file.take(path, name, shape) };
    trainer.optimiser.import(&trainer.network.store, line.progress.step, take)?;
    Ok(line.progress)
}
