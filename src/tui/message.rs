//! What reaches the screen, and what it asks for: the two directions between the model and everything around it.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::SystemTime;

use crossterm::event::KeyEvent;

use crate::data::corrections::{Correction, Corrections};
use crate::data::crop::Crop;
use crate::data::manifest::Manifest;
use crate::data::overview::Overview;
use crate::data::split::Split;
use crate::data::synth::SynthPlan;
use crate::eval::boxes::box_in;
use crate::eval::projection::Projected;
use crate::eval::weights::Imported;
use crate::gallery::decisions::{Proposed, Ruling};
use crate::gallery::rulings::Shown;
use crate::gallery::session::Session;
use crate::nn::ops::device::CardUse;
use crate::run::config::Config;
use crate::run::metrics::Record;
use crate::run::{Dataset, RunSummary};

use super::evaluate::{Evaluation, Opened};
use super::form::Cost;
use super::graphics::{Graphics, Picture, Protocol};
use super::identify::{GalleryLine, Profile};
use super::keys::Action;
use super::popup::Asked;
use super::runs::{Charts, Sort};
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
    /// A run ended by an error or without a word; the words are for people.
    Lost(String),
    /// All datasets with a name.
    Datasets(Vec<Dataset>),
    /// A dataset was read.
    Scanned(Dataset, Result<Arc<Scanned>, String>),
    /// A dataset was added, by drawing or by its path.
    Added(Dataset),
    /// All evaluations.
    Evaluations(Vec<Evaluation>),
    /// An evaluation was opened.
    Opened(PathBuf, Result<Arc<Opened>, String>),
    /// Something was worked out that is read as a page: a heading and the lines below it.
    Found(Result<(String, Vec<String>), String>),
    /// The embedding of the evaluation in a folder was laid out by neighbours.
    Neighbours(PathBuf, Result<Projected, String>),
    /// The galleries that the workspace knows.
    Galleries(Vec<GalleryLine>),
    /// A folder is gone through with a gallery from now on.
    Begun(PathBuf, PathBuf),
    /// A session as it stands: gallery, folder, and what was read.
    Session(PathBuf, PathBuf, Result<Arc<Session>, String>),
    /// How many photos of a folder that is looked at for a gallery are seen, of how many; none where nobody says.
    Seeing(PathBuf, PathBuf, Option<(usize, usize)>),
    /// A look at the photos of a folder for a gallery, that was asked for here, has ended.
    Looked(PathBuf, PathBuf),
    /// Files of a folder are others than when somebody looked at them last for a gallery.
    Otherwise(PathBuf, PathBuf),
    /// Decisions of a folder with a gallery were written down or taken back, or could not be.
    Ruled(PathBuf, PathBuf, Box<Written>),
    /// A known individual of a gallery was looked up.
    Profile(PathBuf, Result<Profile, String>),
    /// Configurations of runs were read.
    Configs(Purpose, Result<Vec<(String, Config)>, String>),
    /// A path was completed as far as it is unique.
    Completed(String),
    /// A photo was brought to its size.
    Picture(PictureKey, Result<Arc<Picture>, String>),
    /// A photo of this dataset was corrected; the words say how, the time is that of the workspace's corrections since.
    Corrected(Dataset, String, Option<SystemTime>),
    /// Somebody corrected photos of some dataset; the time is that of the workspace's corrections since.
    Corrections(Option<SystemTime>),
    /// What runs have cost.
    Costs(Vec<Cost>),
    /// All imported weights.
    Weights(Vec<Imported>),
    /// The card that there is.
    Card(Option<CardUse>),
    /// The terminal draws pictures finer than cells.
    Graphics(Graphics),
    /// The machine was looked at.
    System(Box<Sample>),
    /// A run was started.
    Started(String),
    /// A run could not be started; why.
    Refused(String),
    /// What became of a path that was typed, by what it was for; the error says what is wrong with it.
    Typed(Asked, PathBuf, Result<(), String>),
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

/// What came of decisions.
#[derive(Debug)]
pub(super) struct Written {
    /// In words.
    pub(super) said: Result<String, String>,
    /// An encounter that is open again.
    pub(super) open_again: Option<String>,
    /// The session as it stands since.
    pub(super) session: Result<Arc<Session>, String>,
}

/// What is new of a followed run.
#[derive(Debug, Default)]
pub(super) struct News {
    /// The run.
    pub(super) id: String,
    /// It begins here: what was told of it before comes again.
    pub(super) begins: bool,
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
    /// Boxes that a network has found in its photos.
    pub(super) found: Corrections,
}

impl Scanned {
    /// The box of the photo at that place in the manifest, and whether it was only found by a network.
    pub(super) fn crop(&self, place: usize) -> Option<(Crop, bool)> {
        let photo = &self.manifest.photos[place];
        let found = || box_in(&self.found, &photo.path).map(|crop| (crop, true));
        photo.crop.map(|crop| (crop, false)).or_else(found)
    }
}

/// A photo at a size in pixels, and what of it.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct PictureKey {
    /// The file.
    pub(super) path: PathBuf,
    /// The cells that it may fill.
    pub(super) cells: (u16, u16),
    /// Pixels of a cell: width and height.
    pub(super) pixels: (u16, u16),
    /// What it is drawn with, where that is finer than cells.
    pub(super) protocol: Option<Protocol>,
    /// The part of the photo.
    pub(super) window: Window,
    /// What of the file it is.
    pub(super) look: Look,
}

/// What is shown of a photo's file.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub(super) enum Look {
    /// All of it.
    #[default]
    File,
    /// All of it, with a line around the part that counts.
    Framed(Crop),
    /// The part that counts.
    Crop(Crop),
    /// The part that counts, augmented; each number is another version, 0 is as an evaluation sees it.
    Augmented(Option<Crop>, u8),
}

/// A part of a photo.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub(super) struct Window {
    /// How close: 0 is the whole photo, each further step half as much of its sides.
    pub(super) zoom: u8,
    /// Where its middle lies off the photo's, in quarters of what is seen, to the right and down.
    pub(super) off: (i16, i16),
}

/// The closest that a photo is looked at: each step shows half of its sides.
const CLOSEST: u8 = 5;

impl Window {
    /// Closer, to the same place.
    pub(super) fn closer(self) -> Window {
        if self.zoom == CLOSEST {
            return self;
        }
        Window { zoom: self.zoom + 1, off: (self.off.0 * 2, self.off.1 * 2) }
    }

    /// Farther away.
    pub(super) fn farther(self) -> Window {
        Window { zoom: self.zoom.saturating_sub(1), off: (self.off.0 / 2, self.off.1 / 2) }.within()
    }

    /// A quarter of what is seen to a side, no farther than the photo goes.
    pub(super) fn moved(self, right: i16, down: i16) -> Window {
        Window { off: (self.off.0 + right, self.off.1 + down), ..self }.within()
    }

    /// What a key for looking closer or elsewhere makes of it.
    pub(super) fn after(self, action: Action) -> Window {
        match action {
            Action::ZoomIn => self.closer(),
            Action::ZoomOut => self.farther(),
            Action::Pan(right, down) => self.moved(right, down),
            _ => self,
        }
    }

    fn within(self) -> Window {
        // half of the photo less half of what is seen, in quarters of what is seen
        let most = 2 * ((1_i16 << self.zoom) - 1);
        Window { off: (self.off.0.clamp(-most, most), self.off.1.clamp(-most, most)), ..self }
    }

    /// Left and upper side, width and height of the part, of a photo of so many pixels.
    pub(super) fn of(self, (width, height): (u32, u32)) -> (u32, u32, u32, u32) {
        let part = |side: u32| (side >> self.zoom).max(1);
        let from = |side: u32, off: i16| {
            let seen = part(side);
            let middle = i64::from(side - seen) / 2 + i64::from(off) * i64::from(seen) / 4;
            middle.clamp(0, i64::from(side - seen)) as u32
        };
        (from(width, self.off.0), from(height, self.off.1), part(width), part(height))
    }
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
    /// Import the weights in a file.
    ImportWeights(PathBuf),
    /// List the imported weights.
    Weights,
    /// Take a dataset out of the register.
    Forget(String),
    /// Look into every photo of a dataset for what is wrong with it.
    Check(Dataset),
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
    /// Measure a run, with these flags of the verb beside.
    Evaluate(String, Vec<String>),
    /// Tell the evaluation in this folder to end.
    StopEvaluation(PathBuf),
    /// Correct a photo of a dataset: the photo as the dataset has it, and what.
    Correct(Dataset, PathBuf, Amendment),
    /// Look up what runs have cost.
    Costs,
    /// Open an evaluation.
    Open(Box<Evaluation>),
    /// Compare the evaluations in two folders on the queries of both.
    Compare([PathBuf; 2]),
    /// Lay out the embedding of the evaluation in a folder by neighbours.
    Neighbours(PathBuf),
    /// Put a gallery into the list.
    AddGallery(PathBuf),
    /// Begin or go on with a folder, as it was typed, with a gallery.
    Begin(PathBuf, PathBuf),
    /// Read the session of a folder with a gallery.
    Session(PathBuf, PathBuf),
    /// Look at the photos of a folder for its session with a gallery.
    See(PathBuf, PathBuf),
    /// Write down what was decided of encounters that are one animal.
    Rule {
        /// The gallery.
        gallery: PathBuf,
        /// The folder.
        folder: PathBuf,
        /// The encounters in it, each with what was proposed.
        encounters: Vec<(String, Proposed)>,
        /// What was decided.
        ruling: Ruling,
        /// The change by which another was decided of it, which is corrected.
        corrects: Option<i64>,
        /// What was looked at.
        shown: Shown,
    },
    /// Write what was decided with a gallery to a table.
    WriteDecisions(PathBuf, PathBuf),
    /// Write down what was proposed of several encounters of a folder with a gallery.
    RuleAll(PathBuf, PathBuf, Vec<(String, Ruling, Proposed)>, Shown),
    /// Take back what was decided last in a folder with a gallery.
    UndoRuling(PathBuf, PathBuf),
    /// Look up an individual of a gallery.
    Profile(PathBuf, String),
    /// Read the configurations of runs.
    Configs(Purpose, Vec<String>),
    /// Complete a path.
    Complete(String),
    /// Bring photos to their sizes; earlier wishes that are not among these are forgotten.
    Pictures(Vec<PictureKey>),
    /// Draw pictures so from now on.
    Graphics(Graphics),
    /// Put a text into the terminal's clipboard.
    Copy(String),
    /// Keep what the screen looked like for the next time.
    Keep(Kept),
    /// Step away to the shell.
    Suspend,
    /// Draw everything again.
    Redraw,
}

/// What of a photo is corrected; none takes the correction back.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Amendment {
    /// Who is on it.
    Individual(Option<String>),
    /// When it was taken.
    Date(Option<jiff::civil::Date>),
    /// The part that counts.
    Crop(Option<Crop>),
}

impl Amendment {
    /// Brings it into `correction`.
    pub(super) fn apply(self, correction: &mut Correction) {
        match self {
            Amendment::Individual(who) => correction.individual = who,
            Amendment::Date(date) => correction.date = date,
            Amendment::Crop(crop) => correction.crop = crop,
        }
    }
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
    /// They are seen; else what was read of them is kept and no more is read.
    pub(super) seen: bool,
    /// Evaluations are listed.
    pub(super) evaluations: bool,
    /// The machine is looked at.
    pub(super) system: bool,
    /// Galleries are listed.
    pub(super) galleries: bool,
    /// The session that is open: gallery and folder.
    pub(super) session: Option<(PathBuf, PathBuf)>,
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
    /// The dataset chosen last.
    pub(super) dataset: Option<String>,
    /// The run chosen had the whole screen.
    pub(super) whole: bool,
    /// How runs were sorted.
    pub(super) sort: Sort,
    /// How charts were drawn.
    pub(super) charts: Charts,
    /// The folder that was gone through on the tab Identify, and with which gallery.
    pub(super) sitting: Option<(PathBuf, PathBuf)>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_window_stays_on_its_photo() {
        let whole = Window::default();
        assert_eq!(whole.of((800, 600)), (0, 0, 800, 600));
        assert_eq!(whole.moved(1, 1), whole, "there is nothing beside the whole photo");
        let near = whole.closer().closer();
        assert_eq!(near.of((800, 600)), (300, 225, 200, 150));
        assert_eq!(near.moved(1, 0).of((800, 600)), (350, 225, 200, 150));
        let corner = (0..9).fold(near, |window, _| window.moved(1, -1));
        assert_eq!(corner.of((800, 600)), (600, 0, 200, 150));
        assert_eq!(corner.farther().of((800, 600)), (400, 0, 400, 300));
        assert_eq!(corner.farther().farther(), whole);
        assert_eq!((0..9).fold(whole, |window, _| window.closer()).of((3, 2)), (1, 0, 1, 1));
    }
}
