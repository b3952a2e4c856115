//! A checkpoint: weights, optimiser and the place in the run, in one file.
//!
//! It holds no time, path, pid or id, so that equal runs have equal bytes. Sampling, augmentation and mining draw from
//! the seed and the step's number, so their state is the step.

use std::path::Path;

use serde::{Deserialize, Serialize};

use crate::data::fingerprint::Fingerprint;
use crate::data::manifest::Part;
use crate::eval::model::{About, Model};
use crate::nn::error::NnError;
use crate::nn::ops::Backend;
use crate::nn::weights::WeightFile;
use crate::run::config::Config;
use crate::run::files;
use crate::run::state::Score;

use super::error::{Result, TrainError};
use super::step::Trainer;

/// What the names of the weights that training goes on with begin with, where their average stands under their own.
const LIVE: &str = "training.";

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
    /// The figure that may stop it early; none where none may, or before the first.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub watched: Option<Watched>,
    /// What it learns from.
    pub data: DataSeen,
}

/// A figure of the validations, and whether it still gets better.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Watched {
    /// The best so far.
    pub best: f64,
    /// Validations since.
    pub waited: u32,
}

/// The photos of a run: on others, or in another order, it would go on as another run.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct DataSeen {
    /// The photos trained on.
    pub train: Fingerprint,
    /// The queries that choose the best; none without a validation.
    pub validation: Option<Fingerprint>,
}

impl DataSeen {
    /// What has changed from `then` to this, as half a sentence; none where nothing has.
    pub fn change_since(&self, then: &DataSeen) -> Option<String> {
        let none = Fingerprint::default();
        let [now_asked, then_asked] = [self, then].map(|seen| seen.validation.as_ref().unwrap_or(&none));
        let train = self.train.change_since(&then.train, "the training part");
        train.or_else(|| now_asked.change_since(then_asked, "the part that validates"))
    }
}

/// The line about a checkpoint: the model's own words, and the training's beside them.
#[derive(Serialize, Deserialize)]
struct Line {
    #[serde(flatten)]
    about: About,
    method: String,
    progress: Progress,
}

impl Progress {
    /// The validation that chose this very state; none where it was not the best so far, or nothing validated.
    pub fn chosen(&self) -> Option<&Score> {
        self.best.as_ref().filter(|best| best.step == self.step && !self.unvalidated)
    }
}

/// What a file's line about itself says of the training that wrote it; none for weights of another origin.
pub fn told(about: &str) -> Option<Progress> {
    serde_json::from_str(about).ok().map(|line: Line| line.progress)
}

/// The part whose validation chose `model`, as its own file tells.
pub fn chosen_by<D: Backend>(model: &Model<D>) -> Option<Part> {
    told(&model.said)?.chosen()?.part.as_deref().and_then(Part::parse)
}

/// Writes checkpoints of `trainer` at `progress` to all of `paths`, each through a temporary file and a rename.
///
/// # Errors
/// When a file cannot be written; what was there stays.
pub fn save<D: Backend>(trainer: &Trainer<D>, config: &Config, progress: &Progress, paths: &[&Path]) -> Result<()> {
    let Some(first) = paths.first() else { return Ok(()) };
    let line = Line {
        about: About::of_network(&trainer.network, config.data.image_size),
        method: config.method.name().into(),
        progress: progress.clone(),
    };
    let about = serde_json::to_string(&line)
        .map_err(|e| TrainError::Checkpoint { path: first.to_path_buf(), reason: e.to_string() })?;
    let mut file = WeightFile { about, ..WeightFile::default() };
    file.insert_network(&trainer.network)?;
    if let Some(average) = &trainer.average {
        // the file's network is the average; what training goes on with lies beside it
        let store = &trainer.network.store;
        for id in average.ids() {
            let param = store.get(id);
            file.insert(format!("{LIVE}{}", param.name), &param.shape, store.export(id)?);
        }
        for (name, shape, values) in average.export(store)? {
            file.insert(name, &shape, values);
        }
    }
    for (name, shape, values) in trainer.optimiser.export(&trainer.network.store)? {
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
/// When the file is damaged, of another network, or of other photos than `data`.
pub fn load<D: Backend>(trainer: &mut Trainer<D>, data: &DataSeen, path: &Path) -> Result<Progress> {
    let bad = |reason: String| TrainError::Checkpoint { path: path.to_owned(), reason };
    let mut file = WeightFile::read(path)?;
    let line: Line = serde_json::from_str(&file.about)
        .map_err(|e| bad(format!("not a checkpoint of a run of this version: {e}")))?;
    if let Some(change) = data.change_since(&line.progress.data) {
        return Err(TrainError::OtherPhotos { path: path.to_owned(), change, left_out: String::new() });
    }
    trainer.network.normalisation = line.about.preprocessing.normalisation(path)?;
    file.load_network(path, &mut trainer.network)?;
    if let Some(average) = &mut trainer.average {
        let store = &mut trainer.network.store;
        average.restart(store)?;
        for id in average.ids() {
            let (name, shape) = (format!("{LIVE}{}", store.get(id).name), store.get(id).shape);
            store.import(id, file.take(path, &name, &shape)?)?;
        }
    }
    let take =
        |name: &str, shape: &crate::nn::param::Shape| -> Result<Vec<f32>, NnError> { file.take(path, name, shape) };
    trainer.optimiser.import(&trainer.network.store, line.progress.step, take)?;
    Ok(line.progress)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::nn::network::Network;
    use crate::nn::ops::Normalisation;
    use crate::run::config::Method;
    use crate::train::schedule::Schedule;
    use crate::train::step::StepInput;
    use dfdx::prelude::Cpu;

    #[test]
    fn progress_comes_back_to_the_last_bit() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("last.safetensors");
        let mut config = Config::preset(Method::Siamese);
        config.set("model.backbone", "resnet18").unwrap();
        let schedule = Schedule { peak: 0.1, warmup: 0, total: 10, final_share: 1.0 };
        let mut trainer = Trainer::new(&Cpu::default(), &config, 2, schedule).unwrap();
        let data = DataSeen::default();
        // a quick reader takes the first for its neighbour, and every tenth sum of losses with it
        let mut values = vec![10.0 / 11.0, 1.0 / 3.0, 0.1 + 0.2, f64::MIN_POSITIVE, 123_456.789_012];
        values.extend((1..200).map(|i| f64::from(i) / 211.0));
        for pair in values.windows(2) {
            let best =
                Score { epoch: 3, step: 7, part: Some("valid".into()), rank1: Some(pair[0]), map: Some(pair[1]) };
            let watched = Some(Watched { best: pair[1], waited: 2 });
            let progress = Progress {
                step: 9,
                loss_sum: pair[0],
                unvalidated: true,
                best: Some(best),
                watched,
                data: data.clone(),
            };
            let line = Line {
                about: About::of_network(&trainer.network, 32),
                method: "siamese".into(),
                progress: progress.clone(),
            };
            assert_eq!(told(&serde_json::to_string(&line).unwrap()).as_ref(), Some(&progress));
        }
        let progress = Progress { loss_sum: 10.0 / 11.0, ..Progress::default() };
        save(&trainer, &config, &progress, &[&path]).unwrap();
        assert_eq!(load(&mut trainer, &data, &path).unwrap(), progress);

        // what photos are normalised by comes back too: a run goes on seeing them as it did
        let by = Normalisation { mean: [0.5; 3], deviation: [0.25; 3] };
        trainer.network.normalisation = by;
        save(&trainer, &config, &progress, &[&path]).unwrap();
        trainer.network.normalisation = Normalisation::IMAGENET;
        load(&mut trainer, &data, &path).unwrap();
        assert_eq!(trainer.network.normalisation, by);
    }

    #[test]
    fn the_average_is_what_a_file_holds_and_training_goes_on_with_the_weights() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("last.safetensors");
        let mut config = Config::preset(Method::Arcface);
        for (key, value) in [
            ("model.backbone", "resnet18"),
            ("model.embedding_dim", "8"),
            ("model.freeze_until", "stage1"),
            ("data.image_size", "32"),
            ("train.ema_decay", "0.9"),
        ] {
            config.set(key, value).unwrap();
        }
        let schedule = Schedule { peak: 0.01, warmup: 0, total: 10, final_share: 1.0 };
        let new = || Trainer::new(&Cpu::default(), &config, 2, schedule).unwrap();
        let pixels: Vec<u8> = (0..4 * 32 * 32 * 3).map(|i| (i * i % 251) as u8).collect();
        let input = StepInput { count: 4, pixels: &pixels, labels: &[0, 0, 1, 1], photos: &[0, 1, 2, 3], pairs: &[] };
        let mut trainer = new();
        for _ in 0..3 {
            trainer.step(&input).unwrap();
        }
        let progress = Progress { step: 3, ..Progress::default() };
        save(&trainer, &config, &progress, &[&path]).unwrap();
        let bytes = std::fs::read(&path).unwrap();

        // whoever reads the file's network has the one that was judged
        let mut network = Network::new(&Cpu::default(), trainer.network.architecture, 5).unwrap();
        WeightFile::read(&path).unwrap().load_network(&path, &mut network).unwrap();
        let read = network.embed(4, 32, &pixels).unwrap();
        let judged = trainer.judged(|network| network.embed(4, 32, &pixels)).unwrap();
        assert_eq!(read, judged);
        assert_ne!(judged, trainer.network.embed(4, 32, &pixels).unwrap());
        // what does not move has no average
        let file = WeightFile::read(&path).unwrap();
        assert!(file.tensors.contains_key("training.layer2.0.conv1.weight"));
        assert!(file.tensors.contains_key("training.arcface.weight"));
        assert!(!file.tensors.contains_key("training.layer1.0.bn1.running_mean"));

        let mut other = new();
        load(&mut other, &DataSeen::default(), &path).unwrap();
        save(&other, &config, &progress, &[&path]).unwrap();
        assert!(std::fs::read(&path).unwrap() == bytes);
        for trainer in [&mut trainer, &mut other] {
            trainer.step(&input).unwrap();
        }
        save(&trainer, &config, &progress, &[&path]).unwrap();
        let went_on = std::fs::read(&path).unwrap();
        assert!(went_on != bytes);
        save(&other, &config, &progress, &[&path]).unwrap();
        assert!(std::fs::read(&path).unwrap() == went_on);
    }

    #[test]
    fn a_state_was_chosen_only_where_its_own_validation_is_the_best() {
        let best = Score { epoch: 1, step: 4, part: Some("valid".into()), rank1: None, map: Some(0.5) };
        let at = |step, unvalidated| Progress { step, unvalidated, best: Some(best.clone()), ..Progress::default() };
        assert_eq!(at(4, false).chosen(), Some(&best));
        assert_eq!(at(8, false).chosen(), None, "a later state, not the one that was best");
        assert_eq!(at(4, true).chosen(), None);
        assert_eq!(Progress::default().chosen(), None);
        assert_eq!(told(""), None);
        assert_eq!(told("{\"backbone\": \"resnet18\"}"), None);
    }
}
