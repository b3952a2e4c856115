//! Arguments that several verbs share, and how the flags of training become a configuration.

use std::path::PathBuf;

use anyhow::{Context as _, Result};
use clap::{Args, ValueEnum};

use crate::data::foreign;
use crate::data::manifest::Part;
use crate::gallery::asked::EncountersBy;
use crate::nn::backbone::Backbone;
use crate::nn::ops::Precision;
use crate::nn::ops::device::AnyDevice;
use crate::run::config::{Config, Method, field};

use super::Context;

/// A command that cannot be understood, found after parsing.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub(super) struct Usage(pub(super) String);

/// Refuses a drawing's name that promises another format than those that can be written.
pub(super) fn png_or_svg(output: Option<&std::path::Path>) -> Result<()> {
    let fits = |ending: &std::ffi::OsStr| ["png", "svg"].iter().any(|known| ending.eq_ignore_ascii_case(known));
    match output {
        Some(path) if !path.extension().is_some_and(fits) => Err(Usage(format!(
            "--output {}: drawings are written as PNG or SVG; let the name end in .png or .svg",
            foreign::path(path)
        ))
        .into()),
        _ => Ok(()),
    }
}

/// Refuses a picture's name that promises another format than the one written.
pub(super) fn only_png(output: Option<&std::path::Path>) -> Result<()> {
    match output {
        Some(path) if path.extension().is_none_or(|e| !e.eq_ignore_ascii_case("png")) => Err(Usage(format!(
            "--output {}: pictures are written as PNG; let the name end in .png",
            foreign::path(path)
        ))
        .into()),
        _ => Ok(()),
    }
}

/// The methods.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum MethodArg {
    /// Pairs of photos, contrastive loss.
    Siamese,
    /// Anchor, positive and negative, triplet loss.
    Triplet,
    /// Softmax over the individuals with an angular margin.
    Arcface,
    /// Softmax over the individuals.
    CrossEntropy,
}

impl From<MethodArg> for Method {
    fn from(method: MethodArg) -> Method {
        match method {
            MethodArg::Siamese => Method::Siamese,
            MethodArg::Triplet => Method::Triplet,
            MethodArg::Arcface => Method::Arcface,
            MethodArg::CrossEntropy => Method::CrossEntropy,
        }
    }
}

/// How exactly convolutions multiply.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum PrecisionArg {
    /// To f32's own rounding.
    Fp32,
    /// TF32 on a card, three products of bf16 on a processor with AMX, Winograd's transforms on one without.
    High,
    /// bf16 on a card, and on a processor with AMX; as high on one without.
    Amp,
}

impl From<PrecisionArg> for Precision {
    fn from(precision: PrecisionArg) -> Precision {
        match precision {
            PrecisionArg::Fp32 => Precision::Fp32,
            PrecisionArg::High => Precision::High,
            PrecisionArg::Amp => Precision::Amp,
        }
    }
}

/// What to train, and how. The course's spelling with underscores works too.
#[derive(Debug, Clone, Args)]
pub(super) struct TrainingFlags {
    /// siamese (pairs, contrastive loss), triplet (triplet loss with mining), arcface (angular margin) or cross-entropy
    /// (plain classification, the baseline)
    #[arg(value_enum, hide_possible_values = true)]
    method: MethodArg,
    /// The photos: a folder per individual, a folder or table as SeaTurtleID2022, or the name of a dataset
    #[arg(long, alias = "data_dir", value_name = "PATH")]
    data_dir: Option<PathBuf>,
    /// Put the run into this folder instead of the workspace (which keeps a pointer to it)
    #[arg(long, alias = "output_dir", value_name = "DIR")]
    output_dir: Option<PathBuf>,
    /// A configuration to begin with; flags win over it
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    #[arg(long, value_name = "NAME", help = format!("The network that sees the photo [{}]", Backbone::names()))]
    backbone: Option<String>,
    /// Begin with the backbone's weights that were imported last (`caretta weights import`)
    #[arg(long)]
    pretrained: bool,
    /// Begin with these imported weights
    #[arg(long, value_name = "NAME", conflicts_with = "init")]
    weights: Option<String>,
    /// Begin with the backbone of another run, or of a file of weights; the head is new
    #[arg(long, value_name = "RUN|FILE")]
    init: Option<String>,
    /// Last stage of the backbone that stays as it is: stem, stage1, stage2 and so on
    #[arg(long, alias = "freeze_until", value_name = "STAGE")]
    freeze_until: Option<String>,
    /// Numbers in an embedding
    #[arg(long, alias = "embedding_dim", value_name = "N")]
    embedding_dim: Option<String>,
    /// Margin of the loss: a distance, for arcface an angle in radians
    #[arg(long, value_name = "X")]
    margin: Option<String>,
    /// Triplets that count: all, semi-hard, hard (the course's rule), batch-hard (what papers call hard)
    #[arg(long, value_name = "MINER")]
    mining: Option<String>,
    /// Factor on the cosines (arcface)
    #[arg(long, value_name = "X")]
    scale: Option<String>,
    /// Epochs; one is as many photos as the training part has
    #[arg(long, value_name = "N")]
    epochs: Option<String>,
    /// Photos in a step; a pair counts as two
    #[arg(long, alias = "batch_size", value_name = "N")]
    batch_size: Option<String>,
    /// Side of the square a photo is resized to, in pixels
    #[arg(long, alias = "image_size", value_name = "PIXELS")]
    image_size: Option<String>,
    /// Learning rate after the warm-up
    #[arg(long, value_name = "X")]
    lr: Option<String>,
    /// Seed of everything random
    #[arg(long, value_name = "N")]
    seed: Option<String>,
    /// Where to compute: auto (a graphics card where one works), cpu, cuda:N
    #[arg(long, value_name = "DEVICE")]
    device: Option<String>,
    /// Products of convolutions: high (TF32 on a card, three of bf16 with AMX, Winograd's without), fp32, amp (bf16 on a card, with AMX)
    #[arg(long, value_name = "HOW")]
    precision: Option<String>,
    /// What is seen of a photo: drawn (its box, if any) or attention (else the box where the weights to begin with look)
    #[arg(long, value_name = "HOW")]
    crop: Option<String>,
    /// Threads that prepare photos
    #[arg(long, value_name = "N")]
    workers: Option<String>,
    /// The table's column that says which part a photo is in [default: split, else split_closed]
    #[arg(long, alias = "split_column", value_name = "NAME")]
    split_column: Option<String>,
    #[arg(long, help = super::split::one_split_help(), value_name = "STRATEGY", conflicts_with = "split_column")]
    split: Option<String>,
    /// Any other value of the configuration, as optimiser.clip=1 (may be given several times)
    #[arg(long, value_name = "KEY=VALUE")]
    set: Vec<String>,
}

/// Sets what `--set` names.
pub(super) fn assign(config: &mut Config, assignments: &[String]) -> Result<()> {
    for assignment in assignments {
        let (path, value) = assignment
            .split_once('=')
            .ok_or_else(|| Usage(format!("--set {assignment}: write it as KEY=VALUE, as in optimiser.clip=1")))?;
        config.set(path.trim(), value.trim())?;
    }
    Ok(())
}

impl TrainingFlags {
    /// Where the run is to lie.
    pub(super) fn output_dir(&self) -> Option<&std::path::Path> {
        self.output_dir.as_deref()
    }

    /// The whole configuration: preset, then file, then flags.
    pub(super) fn configuration(&self, context: &Context) -> Result<Config> {
        let method = Method::from(self.method);
        let mut config = match &self.config {
            Some(path) => Config::with_file(method, path)?,
            None => Config::preset(method),
        };
        let named = [
            ("model.backbone", &self.backbone),
            ("model.freeze_until", &self.freeze_until),
            ("model.embedding_dim", &self.embedding_dim),
            ("loss.margin", &self.margin),
            ("loss.mining", &self.mining),
            ("loss.scale", &self.scale),
            ("train.epochs", &self.epochs),
            ("batch.size", &self.batch_size),
            ("data.image_size", &self.image_size),
            ("optimiser.lr", &self.lr),
            ("train.seed", &self.seed),
            ("train.device", &self.device),
            ("train.precision", &self.precision),
            ("data.crop", &self.crop),
            ("data.workers", &self.workers),
            ("data.split_column", &self.split_column),
            ("data.split", &self.split),
        ];
        for (path, value) in named {
            let Some(value) = value else { continue };
            let field = field::find(path)?;
            if !field.methods.is_empty() && !field.methods.contains(&method) {
                let scope = field.scope().unwrap_or_default();
                return Err(Usage(format!("{path} does not apply to {}: {scope}", method.name())).into());
            }
            config.set(path, value)?;
        }
        if self.pretrained {
            config.set("model.pretrained", "true")?;
        }
        if let Some(name) = &self.weights {
            crate::eval::weights::find(&context.workspace, name)?;
            config.set("model.pretrained", "true")?;
            config.set("model.init", name)?;
        }
        if let Some(init) = &self.init {
            config.set("model.init", init)?;
        }
        assign(&mut config, &self.set)?;
        if let Some(path) = &self.data_dir {
            config.data.dir = context.workspace.data_dir(path)?;
        } else if !config.data.dir.is_empty() {
            config.data.dir = context.workspace.data_dir(config.data.dir.as_ref())?;
        }
        // said now rather than by a trainer that has begun
        crate::nn::backbone::Backbone::named(&config.model.backbone).map_err(|e| Usage(e.to_string()))?;
        config.check()?;
        Ok(config)
    }
}

/// A part of a dataset.
pub(super) fn part(text: &str) -> Result<Part, String> {
    Part::parse(text).ok_or_else(|| "the parts are train, valid and test".into())
}

/// A number of threads, within the limits that a run's configuration has.
pub(super) fn workers(text: &str) -> Result<usize, String> {
    let value = field::find("data.workers").and_then(|field| field.parse(text)).map_err(|e| e.to_string())?;
    let number = value.as_integer().and_then(|n| usize::try_from(n).ok());
    number.ok_or_else(|| "give a number".into())
}

/// Which photos, for verbs that read and do not train.
#[derive(Debug, Clone, Args)]
pub(super) struct PhotoFlags {
    /// Threads that prepare photos
    #[arg(long, default_value_t = 2, value_parser = workers, value_name = "N")]
    pub(super) workers: usize,
    #[command(flatten)]
    pub(super) device: DeviceFlags,
}

/// Where to compute, and how exactly.
#[derive(Debug, Clone, Args)]
pub(super) struct DeviceFlags {
    /// Where to compute: auto (a graphics card where one works), cpu, cuda:N
    #[arg(long, default_value = "auto", value_name = "DEVICE")]
    device: String,
    /// Products of convolutions: high (TF32 on a card, three of bf16 with AMX, Winograd's without), fp32, amp (bf16 on a card, with AMX)
    #[arg(long, value_enum, hide_possible_values = true, default_value_t = PrecisionArg::High, value_name = "HOW")]
    precision: PrecisionArg,
}

impl DeviceFlags {
    /// The device asked for, as exact as asked for.
    pub(super) fn open(&self) -> Result<AnyDevice> {
        let device = device(&self.device)?;
        device.set_precision(self.precision.into());
        Ok(device)
    }

    /// How exactly products are asked for.
    pub(super) fn precision(&self) -> Precision {
        self.precision.into()
    }
}

impl PhotoFlags {
    /// Where photos come from.
    pub(super) fn source(&self, context: &Context) -> crate::eval::embed::Source {
        let cache = crate::data::cache::PhotoCache::open(Some(context.workspace.cache()));
        crate::eval::embed::Source { cache: std::sync::Arc::new(cache), workers: self.workers }
    }
}

/// The device of that name. Why `auto` is no card is said, once.
pub(super) fn device(name: &str) -> Result<AnyDevice> {
    let (device, note) = crate::train::worker::device(name)?;
    if let Some(note) = note {
        super::words::say(&note);
    }
    Ok(device)
}

/// The dataset at `given`.
pub(super) fn dataset(context: &Context, given: &std::path::Path) -> Result<crate::data::manifest::Manifest> {
    let dir = context.workspace.data_dir(given)?;
    context.workspace.open_dataset(dir.as_ref()).with_context(|| format!("--data-dir {}", foreign::path(given)))
}

/// What makes photos of a folder one encounter.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum ByArg {
    /// The sub-folder
    Folder,
    /// The folder and the day
    Date,
    /// What is named on the command line
    Given,
}

impl From<ByArg> for EncountersBy {
    fn from(by: ByArg) -> EncountersBy {
        match by {
            ByArg::Folder => EncountersBy::Folder,
            ByArg::Date => EncountersBy::Date,
            ByArg::Given => EncountersBy::Given,
        }
    }
}
