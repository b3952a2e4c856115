//! What reaches the screen, and what it asks for: the two directions between the model and everything around it.

use std::path::PathBuf;
use std::sync::Arc;

use crossterm::event::KeyEvent;
use image::RgbImage;

use crate::data::manifest::Manifest;
use crate::data::overview::Overview;
use crate::data::split::Split;
use crate::data::synth::SynthPlan;
use crate::run::config::Config;
use crate::run::metrics::Record;
use crate::run::{Dataset, RunSummary};

use super::evaluate::{Evaluation, Opened};
use super::system::Sample;

/// Something that happened.
#[derive(Debug)]
pub(super) enum Message {
    /// A key was pressed.
    Key(KeyEvent),
    /// Text was pasted.
    Paste(String),
    /// The terminal has this size now.
    Resize(u16, u16),
    /// The terminal may show something else than we drew.
    Redraw,
    /// The time, in seconds since 1970.
    Tick(f64),
    /// All runs, and when they were read.
    Runs(Vec<RunSummary>, f64),
    /// What is new of a followed run.
    News(Box<News>),
    /// All datasets with a name.
    Datasets(Vec<Dataset>),
    /// A dataset was read.
    Scanned(String, Result<Arc<Scanned>, String>),
    /// A dataset was added, by drawing or by its path.
    Added(Dataset),
    /// All evaluations.
    Evaluations(Vec<Evaluation>),
    /// An evaluation was opened.
    Opened(PathBuf, Result<Arc<Opened>, String>),
    /// Configurations of runs were read.
    Configs(Purpose, Result<Vec<(String, Config)>, String>),
    /// A path was completed as far as it is unique.
    Completed(String),
    /// A photo was brought to its size.
    Picture(PictureKey, Result<Arc<RgbImage>, String>),
    /// The machine was looked at.
    System(Box<Sample>),
    /// A run was started.
    Started(String),
    /// Something long goes on; none when it is over.
    Progress(Option<String>),
    /// Something was done.
    Said(String),
    /// Something failed.
    Failed(String),
    /// Step away to the shell.
    Suspend,
    /// The terminal has gone or the process is to end.
    Hangup,
    /// A thread of the screen panicked.
    Panicked(String),
}

/// What is new of a followed run.
#[derive(Debug, Default)]
pub(super) struct News {
    /// The run.
    pub(super) id: String,
    /// New records.
    pub(super) records: Vec<Record>,
    /// New lines of the log.
    pub(super) log: Vec<String>,
    /// Checkpoints: name, bytes, seconds since 1970; none where unchanged.
    pub(super) checkpoints: Option<Vec<(String, u64, f64)>>,
    /// All there is has been read.
    pub(super) whole: bool,
}

/// A dataset that was read.
#[derive(Debug)]
pub(super) struct Scanned {
    /// The photos.
    pub(super) manifest: Manifest,
    /// Its numbers.
    pub(super) overview: Overview,
    /// Which part each photo is in, by the usual rule.
    pub(super) split: Split,
}

/// A photo at a size in pixels, and what of it.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) struct PictureKey {
    /// The file.
    pub(super) path: PathBuf,
    /// The cells that it may fill.
    pub(super) cells: (u16, u16),
    /// How close: 0 is the whole photo, each further step half as much of its sides.
    pub(super) zoom: u8,
}

/// Something to be done outside the model.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Effect {
    /// Look at these from now on.
    Watch(Watching),
    /// Read a dataset.
    Scan(Dataset),
    /// Add the dataset at a path.
    AddDataset(PathBuf),
    /// Take a dataset out of the register.
    Forget(String),
    /// Draw synthetic turtles.
    Draw(SynthPlan),
    /// Draw, train, evaluate.
    Tour,
    /// Start a run.
    Start(Box<Config>),
    /// Tell a run's trainer to stop.
    Stop(String),
    /// Go on with a run.
    Resume(String),
    /// Have a run's trainer wait, or let it go on.
    Pause(String, bool),
    /// Give a run another name.
    Rename(String, String),
    /// Write a note beside a run.
    Note(String, String),
    /// Delete a run.
    Delete(String),
    /// Measure a run.
    Evaluate(String),
    /// Open an evaluation.
    Open(Box<Evaluation>),
    /// Read the configurations of runs.
    Configs(Purpose, Vec<String>),
    /// Complete a path.
    Complete(String),
    /// Bring photos to their sizes; earlier wishes that are not among these are forgotten.
    Pictures(Vec<PictureKey>),
    /// Put a text into the terminal's clipboard.
    Copy(String),
    /// Keep what the screen looked like for the next time.
    Keep(Kept),
    /// Step away to the shell.
    Suspend,
    /// Draw everything again.
    Redraw,
}

/// What configurations are read for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Purpose {
    /// To begin a new run with the values of one.
    Clone,
    /// To show in what two differ.
    Difference,
}

/// What is looked at.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Watching {
    /// Runs whose metrics and log are read.
    pub(super) runs: Vec<String>,
    /// Evaluations are listed.
    pub(super) evaluations: bool,
    /// The machine is looked at.
    pub(super) system: bool,
}

/// What is kept from one time to the next.
#[derive(Debug, Clone, Default, PartialEq, serde::Serialize, serde::Deserialize)]
#[serde(default)]
pub(super) struct Kept {
    /// Name of the last tab.
    pub(super) tab: String,
    /// Name of the theme.
    pub(super) theme: String,
    /// The run chosen last.
    pub(super) run: Option<String>,
}
