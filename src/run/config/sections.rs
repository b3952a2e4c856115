//! The shape of a configuration: its sections and their words, as serde writes and reads them.
//!
//! Plain data. Limits and help are in `field`, what fits together is judged by `Config::check`; unknown
//! keys are refused here too, should a file ever pass by the table.

use serde::{Deserialize, Serialize};

use crate::data::augment::Augment;
use crate::data::split::{SplitChoice, Strategy};

/// How the embedding is learnt.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Method {
    /// Pairs of photos and the contrastive loss.
    Siamese,
    /// Anchor, positive and negative, and the triplet loss.
    Triplet,
    /// Softmax over the individuals with an additive angular margin.
    Arcface,
    /// Softmax over the individuals: plain classification.
    CrossEntropy,
}

impl Method {
    /// All methods: the course's in its order, then the baseline.
    pub const ALL: [Method; 4] = [Method::Siamese, Method::Triplet, Method::Arcface, Method::CrossEntropy];

    /// The word for it in files and on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Method::Siamese => "siamese",
            Method::Triplet => "triplet",
            Method::Arcface => "arcface",
            Method::CrossEntropy => "cross-entropy",
        }
    }

    /// The method of this word.
    pub fn from_name(name: &str) -> Option<Method> {
        Method::ALL.into_iter().find(|m| m.name() == name)
    }

    /// The embedded file with the method's defaults, as it lies in `configs/`.
    pub fn preset_file(self) -> &'static str {
        match self {
            Method::Siamese => include_str!("../../../configs/siamese.toml"),
            Method::Triplet => include_str!("../../../configs/triplet.toml"),
            Method::Arcface => include_str!("../../../configs/arcface.toml"),
            Method::CrossEntropy => include_str!("../../../configs/cross-entropy.toml"),
        }
    }
}

/// Which triplets of a batch count.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Mining {
    /// Every triplet.
    All,
    /// Negatives farther than the positive, but within the margin.
    SemiHard,
    /// The course's rule: farthest positive; a random semi-hard negative, else the nearest.
    Hard,
    /// Farthest positive, nearest negative.
    BatchHard,
}

/// The rule that moves the weights.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum OptimiserKind {
    /// Stochastic gradient descent with momentum.
    Sgd,
    /// Adam with decoupled weight decay.
    Adamw,
}

/// The figure whose standstill ends a run early.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum StopFigure {
    /// Mean average precision of the validation.
    #[default]
    Map,
    /// Rank-1 of the validation.
    Rank1,
    /// Mean loss of the epoch's steps.
    Loss,
}

impl StopFigure {
    /// What it is called in a sentence.
    pub fn word(self) -> &'static str {
        match self {
            StopFigure::Map => "mAP",
            StopFigure::Rank1 => "rank-1",
            StopFigure::Loss => "loss",
        }
    }
}

/// All that decides a run.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// How the embedding is learnt.
    pub method: Method,
    /// Which photos, and how they are read.
    pub data: DataConfig,
    /// The network.
    pub model: ModelConfig,
    /// The loss.
    pub loss: LossConfig,
    /// How a batch is put together.
    pub batch: BatchConfig,
    /// How the weights move.
    pub optimiser: OptimiserConfig,
    /// How a photo is varied.
    pub augment: Augment,
    /// How long, how often, where.
    pub train: TrainConfig,
}

/// What is seen of a photo.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum CropChoice {
    /// The box drawn by hand or from the dataset's table, else all of it.
    #[default]
    Drawn,
    /// The same, but where there is no box the one where the network of the weights to begin with looks.
    Attention,
}

/// What an individual is to the training.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum SideLabels {
    /// An animal.
    #[default]
    Together,
    /// A side of an animal, where photos are known to show one.
    Apart,
}

/// Which photos, and how they are read.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DataConfig {
    /// Folder, table, or name of a dataset; empty in a preset.
    pub dir: String,
    /// The table's column that says which part a photo is in; in a file, empty is none.
    #[serde(with = "empty_is_none")]
    pub split_column: Option<String>,
    /// How photos are split where no column is named: `auto`, or a strategy's name.
    #[serde(default = "usual_split")]
    pub split: String,
    /// Side of the square that a photo is resized to, in pixels.
    pub image_size: u32,
    /// What is seen of a photo.
    #[serde(default)]
    pub crop: CropChoice,
    /// What an individual is to the training.
    #[serde(default)]
    pub sides: SideLabels,
    /// Threads that prepare photos; 0: the training thread does it.
    pub workers: usize,
}

fn usual_split() -> String {
    DataConfig::USUAL_SPLIT.into()
}

impl DataConfig {
    /// The word for the usual rule: the table's column, else by encounter where encounters are known, else closed.
    pub const USUAL_SPLIT: &str = "auto";

    /// How photos get their part.
    pub fn split_choice(&self) -> SplitChoice {
        SplitChoice::of(self.split_column.clone(), Strategy::named(&self.split))
    }
}

/// The network.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ModelConfig {
    /// Name in the table of backbones.
    pub backbone: String,
    /// Begin with imported weights.
    pub pretrained: bool,
    /// Which weights to begin with, as `name@hash` once it is settled; in a file, empty is none.
    #[serde(default, with = "empty_is_none")]
    pub init: Option<String>,
    /// Last stage of the backbone that stays as it is; in a file, empty is none.
    #[serde(default, with = "empty_is_none")]
    pub freeze_until: Option<String>,
    /// The backbone's batch norms keep their statistics.
    #[serde(default)]
    pub freeze_norm: bool,
    /// Numbers in an embedding.
    pub embedding_dim: usize,
}

/// The loss.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LossConfig {
    /// A distance for siamese and triplet, an angle in radians for arcface.
    pub margin: f32,
    /// Which triplets count (triplet).
    pub mining: Mining,
    /// A softplus in place of the hinge at the margin (triplet).
    #[serde(default)]
    pub soft_margin: bool,
    /// Factor on the cosines (arcface).
    pub scale: f32,
    /// Centres of each individual (arcface).
    #[serde(default = "one_whole")]
    pub sub_centres: usize,
    /// Epochs in which the margin rises from 0 (arcface).
    #[serde(default)]
    pub margin_warmup_epochs: f32,
    /// Share of the target that is spread over all individuals (cross-entropy).
    #[serde(default)]
    pub label_smoothing: f32,
}

/// How a batch is put together.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BatchConfig {
    /// Photos in a step; a pair counts as two.
    pub size: usize,
    /// K of a batch of P individuals with K photos each (triplet, and arcface above 1).
    pub per_individual: usize,
    /// Batches that make one step.
    #[serde(default = "one_whole")]
    pub accumulate: usize,
}

/// How the weights move.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OptimiserConfig {
    /// The rule.
    pub kind: OptimiserKind,
    /// Learning rate after the warm-up.
    pub lr: f32,
    /// Learning rate of the backbone, as a share of the head's.
    #[serde(default = "one")]
    pub backbone_lr_share: f32,
    /// Learning rate of a stage of the backbone, as a share of that of the stage after it.
    #[serde(default = "one")]
    pub stage_lr_decay: f32,
    /// Decoupled weight decay.
    pub weight_decay: f32,
    /// Momentum (sgd).
    pub momentum: f32,
    /// Largest norm of the gradient; 0 is off.
    pub clip: f32,
    /// Epochs in which the learning rate rises from 0.
    pub warmup_epochs: f32,
    /// Share of the learning rate that the cosine ends with.
    pub final_lr_share: f32,
}

/// How long, how often, where.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TrainConfig {
    /// Epochs, 1 or more.
    pub epochs: u32,
    /// Seed of everything random.
    pub seed: u64,
    /// `auto`, `cpu` or `cuda:N`.
    pub device: String,
    /// `high`, `fp32` or `amp`; runs begun before there was a choice have none.
    #[serde(default = "high")]
    pub precision: String,
    /// Steps between checkpoints; 0: only at the end of each epoch, which has one in any case.
    pub checkpoint_every: u64,
    /// Epochs between validations; the last epoch always has one.
    pub evaluate_every: u32,
    /// Decay of the average of the weights that stands for the network; 0: none.
    #[serde(default)]
    pub ema_decay: f32,
    /// Validations without a better figure that end the run; 0: none do.
    #[serde(default)]
    pub early_stop: u32,
    /// The figure.
    #[serde(default)]
    pub early_stop_on: StopFigure,
}

/// Runs begun before there was a choice moved everything alike.
fn one() -> f32 {
    1.0
}

fn one_whole() -> usize {
    1
}

fn high() -> String {
    "high".into()
}

/// TOML has no null: a key that is there and empty says that there is none.
mod empty_is_none {
    use serde::{Deserialize, Deserializer, Serializer};

    pub(super) fn serialize<S: Serializer>(value: &Option<String>, s: S) -> Result<S::Ok, S::Error> {
        s.serialize_str(value.as_deref().unwrap_or(""))
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(d: D) -> Result<Option<String>, D::Error> {
        Ok(Some(String::deserialize(d)?).filter(|s| !s.is_empty()))
    }
}
