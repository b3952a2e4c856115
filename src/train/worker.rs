//! The trainer: a run from its configuration to its last step, or to whatever ends it before.
//!
//! It only says what happens; the session writes it down where watchers look. Orders and Ctrl-C are looked at between
//! steps. Whatever goes wrong ends the run as failed, with the last checkpoint kept; where only a photo, a loss or the size
//! of a batch went wrong, the steps made since are saved first.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use crate::data::cache::PhotoCache;
use crate::data::corrections::Corrections;
use crate::data::counted::counted;
use crate::data::loader::{LoadedBatch, Loader};
use crate::data::manifest::{Part, Problem};
use crate::eval::boxes::boxed;
use crate::eval::dataset::photo_row;
use crate::eval::embed::{Source, embed};
use crate::eval::embeddings::{EmbeddingSet, Role};
use crate::eval::retrieval::{Rule, retrieve};
use crate::eval::{self, metrics};
use crate::loss::contrastive::Pair;
use crate::nn::error::NnError;
use crate::nn::ops::device::{self, AnyDevice, DeviceError, on_device};
use crate::nn::ops::{Backend, Precision};
use crate::run::config::{Config, Method, StopFigure};
use crate::run::control::Order;
use crate::run::metrics::{Epoch, Record, Step};
use crate::run::queue::Turn;
use crate::run::stamp::Stamp;
use crate::run::{Phase, RunDir, Session, Workspace};

use super::begin::{begin, looker};
use super::check::check;
use super::checkpoint::{self, Progress, Watched};
use super::error::{Result, TrainError};
use super::fit;
use super::schedule::Schedule;
use super::setup::Setup;
use super::step::{StepInput, Trainer};
use super::turn;

/// What a trainer needs beside its run.
#[derive(Clone, Copy)]
pub struct Surroundings<'a> {
    /// Where decoded photos and corrections of datasets are kept.
    pub workspace: &'a Workspace,
    /// Set by a signal: end after the step in progress, with a checkpoint.
    pub interrupt: &'a AtomicBool,
    /// Whether it waits for its turn.
    pub turn: Turn,
    /// Told what was left out or doubted, where somebody sits before it; none where standard error is the run's log.
    pub foreground: Option<&'a (dyn Fn(&[Problem]) + Sync)>,
}

/// How a run ended that did not fail.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// Its last step was made.
    Finished,
    /// A validation's figure got no better for as long as the configuration waits.
    Early,
    /// It was told to stop and can be resumed.
    Stopped,
    /// A signal ended it; it can be resumed.
    Interrupted,
}

impl End {
    /// The exit code of a program that ends so.
    pub fn exit_code(self) -> i32 {
        match self {
            End::Interrupted => 130,
            End::Finished | End::Early | End::Stopped => 0,
        }
    }
}

/// Trains `run` to its end, from its last checkpoint where it has one.
///
/// # Errors
/// When the run is held by another trainer, or training fails; the run then says so too.
pub fn work(run: &RunDir, surroundings: Surroundings) -> Result<End> {
    let mut session = Session::begin(run)?;
    session.log().catch_panics(surroundings.foreground.is_some());
    let outcome = train(&mut session, surroundings);
    let (phase, code, reason) = match &outcome {
        Ok(end @ End::Finished) => (Phase::Finished, end.exit_code(), counted(session.state().step, "step")),
        Ok(end @ End::Early) => (Phase::Finished, end.exit_code(), early(&session)),
        Ok(end) => {
            let (step, total) = (session.state().step, session.state().total);
            let why = if *end == End::Interrupted { "interrupted" } else { "told to stop" };
            let waited = session.state().place.is_some();
            let at = if waited { "while it waited".to_owned() } else { format!("at step {step} of {total}") };
            (Phase::Stopped, end.exit_code(), format!("{why} {at}"))
        }
        Err(error) => (Phase::Failed, 1, error.to_string()),
    };
    // an error of the log must not hide the run's own
    let said = session.log().say(&format!("{}: {reason}", if outcome.is_ok() { "end" } else { "failed" }));
    let ended = session.end(phase, code, &reason);
    let end = outcome?;
    said?;
    ended?;
    Ok(end)
}

/// Why a run ended before its last step, and yet is finished.
fn early(session: &Session) -> String {
    let (step, total) = (session.state().step, session.state().total);
    let why = session.run().read_config().map_or_else(
        |_| String::new(),
        |config| {
            let waited = counted(config.train.early_stop as usize, "validation");
            format!(": no better {} in {waited}", config.train.early_stop_on.word())
        },
    );
    format!("early stop after {step} of {total} steps{why}")
}

fn train(session: &mut Session, surroundings: Surroundings) -> Result<End> {
    let config = session.run().read_config()?;
    let taken = match turn::take(session, &config, &surroundings)? {
        Ok(taken) => taken,
        Err(end) => return Ok(end),
    };
    check(&config)?;
    let (device, note) =
        device::open_at(&config.train.device, &taken.place).map_err(|e| no_device(&config.train.device, &e))?;
    let precision = Precision::named(&config.train.precision).unwrap_or(Precision::High);
    device.set_precision(precision);
    let stopped = |session: &Session| surroundings.stopped(session);
    let setup = {
        let corrections = match on_device!(&device, device => surroundings.corrections(device, session, &config)) {
            Err(TrainError::Eval(eval::Error::Interrupted)) => return Ok(stopped(session).unwrap_or(End::Stopped)),
            other => other?,
        };
        // a split that was drawn stays as it was drawn
        let corrections = match session.run().last().exists() {
            true => corrections.with_duplicates(session.run().read_corrections()?.duplicates().cloned()),
            false => corrections,
        };
        let mut progress = surroundings.progress(session, |done, total| format!("photos looked at: {done} of {total}"));
        match Setup::new(&config, corrections, Some(surroundings.workspace.cache()), &mut progress) {
            Err(TrainError::Data(crate::data::DataError::Interrupted)) => {
                return Ok(stopped(session).unwrap_or(End::Stopped));
            }
            other => other?,
        }
    };
    if !session.run().last().exists() {
        session.run().set_corrections(&setup.corrections)?;
    }
    introduce(session, &config, &setup)?;
    session.log().say(&device.describe())?;
    if let Some(note) = note {
        session.log().say(&note)?;
    }
    if let Some(tell) = surroundings.foreground {
        tell(&setup.problems);
    }
    on_device!(&device, device => {
        let mut work = Work::new(device, config, setup, surroundings)?;
        work.resume(session)?;
        work.run(session)
    })
}

impl Surroundings<'_> {
    /// How the run's dataset is corrected, with boxes where it is to have some.
    fn corrections<D: Backend>(&self, device: &D, session: &Session, config: &Config) -> Result<Corrections> {
        let dir = config.data.dir.as_ref();
        let Some(looker) = looker(config, self.workspace)? else { return Ok(self.workspace.corrections(dir)?) };
        let manifest = self.workspace.open_dataset(dir)?;
        let cache = Arc::new(PhotoCache::open(None));
        let source = Source { cache, workers: config.data.workers };
        let words = |done, total| format!("looking for the animal: {done} of {total} photos");
        let mut progress = self.progress(session, words);
        let boxed = boxed(device, self.workspace, (dir, &manifest), &looker, &source, &mut progress)?;
        session.log().say(&format!("{} seen where the network looks", counted(boxed.boxes, "photo")))?;
        Ok(boxed.corrections)
    }

    /// Says in the log, now and then, how many are done of how many; whether to go on.
    fn progress(&self, session: &Session, words: fn(usize, usize) -> String) -> impl FnMut(usize, usize) -> bool {
        let mut told = Instant::now();
        move |done, total| {
            if done == total || told.elapsed() > Duration::from_secs(5) {
                told = Instant::now();
                // saying how far it is must not end a run
                let _ = session.log().say(&words(done, total));
            }
            self.stopped(session).is_none()
        }
    }

    /// How to end, if an order or a signal says so.
    pub(super) fn stopped(&self, session: &Session) -> Option<End> {
        if self.interrupt.load(Ordering::Relaxed) {
            Some(End::Interrupted)
        } else {
            session.run().control().stands(Order::Stop).then_some(End::Stopped)
        }
    }
}

/// The device of that name; for `auto` also why it is no card, where this program could use one.
///
/// # Errors
/// When this program cannot compute there.
pub fn device(name: &str) -> Result<(AnyDevice, Option<String>)> {
    device::open(name).map_err(|e| no_device(name, &e))
}

fn no_device(name: &str, error: &DeviceError) -> TrainError {
    TrainError::Device { device: name.to_owned(), reason: error.to_string() }
}

/// Says what the run is about to do.
fn introduce(session: &Session, config: &Config, setup: &Setup) -> Result<()> {
    let log = session.log();
    let counts = setup.manifest.counts();
    log.say(&format!(
        "{} on {}: {} of {} in {}; split {}, {} of {} to train on",
        config.method.name(),
        setup.manifest.name,
        counted(counts.photos, "photo"),
        counted(counts.individuals, "individual"),
        counted(counts.encounters, "encounter"),
        setup.split.name,
        counted(setup.train.len(), "photo"),
        counted(setup.individuals(), "individual"),
    ))?;
    if !setup.manifest.split_columns.contains_key(&setup.split.name) {
        log.say(&setup.manifest.alike_told())?;
    }
    for problem in &setup.problems {
        log.say(&problem.told())?;
    }
    match &setup.validation {
        Some(roles) => {
            log.say(&format!("validation on {} of {}", counted(roles.queries.len(), "photo"), roles.query_part.word()))?
        }
        None => log.say("no validation: the split has neither valid nor test photos to ask about")?,
    }
    if config.train.early_stop > 0 && config.train.early_stop_on != StopFigure::Loss {
        match &setup.validation {
            None => log.say("no validation, so nothing ends this run early")?,
            Some(roles) if roles.query_part == Part::Test => {
                log.say("early stopping looks at test: what test says of this run has chosen its length")?;
            }
            Some(_) => {}
        }
    }
    if setup.manifest.corrected > 0 {
        log.say(&format!("{} as corrected in the workspace", counted(setup.manifest.corrected, "photo")))?;
    }
    if let Some(warning) = setup.cache.take_warning() {
        log.say(&warning)?;
    }
    Ok(())
}

/// A run being trained.
struct Work<'a, D: Backend> {
    trainer: Trainer<D>,
    config: Config,
    setup: Setup,
    surroundings: Surroundings<'a>,
    progress: Progress,
    per_epoch: u64,
    total: u64,
    /// When the epoch began, for its seconds.
    epoch_began: Instant,
}

impl<'a, D: Backend> Work<'a, D> {
    fn new(device: &D, config: Config, setup: Setup, surroundings: Surroundings<'a>) -> Result<Self> {
        let per_epoch = setup.steps_per_epoch();
        let total = per_epoch * u64::from(config.train.epochs);
        let schedule = Schedule {
            peak: config.optimiser.lr,
            warmup: (f64::from(config.optimiser.warmup_epochs) * per_epoch as f64).round() as u64,
            total,
            final_share: config.optimiser.final_lr_share,
        };
        let trainer = Trainer::new(device, &config, setup.individuals(), schedule)?;
        let progress = Progress { data: setup.data(), ..Progress::default() };
        let epoch_began = Instant::now();
        Ok(Work { trainer, config, setup, surroundings, progress, per_epoch, total, epoch_began })
    }

    /// Goes back to the last checkpoint, where there is one, else to the weights that the run is to begin with.
    fn resume(&mut self, session: &mut Session) -> Result<()> {
        let last = session.run().last();
        if last.exists() {
            self.progress = checkpoint::load(&mut self.trainer, &self.progress.data, &last).map_err(|e| match e {
                TrainError::OtherPhotos { path, change, .. } => {
                    let change = change + &self.setup.corrected_since(session.run());
                    TrainError::OtherPhotos { path, change, left_out: self.setup.left_out() }
                }
                other => other,
            })?;
            if self.progress.step > self.total {
                return Err(TrainError::Beyond { path: last, step: self.progress.step, total: self.total });
            }
            session.log().say(&format!("resumed after step {}", self.progress.step))?;
        } else if let Some(said) = begin(&self.config, self.surroundings.workspace, &mut self.trainer.network)? {
            session.log().say(&said)?;
            if let Some(average) = &mut self.trainer.average {
                average.restart(&self.trainer.network.store)?;
            }
        }
        Ok(session.resume(self.progress.step, self.total)?)
    }

    fn run(&mut self, session: &mut Session) -> Result<End> {
        let outcome = self.steps(session);
        if let Err(error) = &outcome {
            self.rescue(session, error);
        }
        outcome
    }

    fn steps(&mut self, session: &mut Session) -> Result<End> {
        session.phase(Phase::Running)?;
        if self.progress.unvalidated && !self.finish_epoch(session)? {
            return self.stop(session);
        }
        if self.stands_still() {
            return Ok(End::Early);
        }
        let loader = Loader::start(self.setup.loader(&self.config), self.setup.batches(self.progress.step, self.total));
        let mut before = Instant::now();
        for batch in loader {
            let batch = batch?;
            if self.hold(session)? {
                before = Instant::now();
            }
            if self.surroundings.stopped(session).is_some() {
                return self.stop(session);
            }
            self.step(session, &batch, &mut before)?;
            let at_end = self.progress.step.is_multiple_of(self.per_epoch);
            let every = self.config.train.checkpoint_every;
            let asked = session.run().control().take(Order::Checkpoint)?;
            if at_end {
                if !self.finish_epoch(session)? {
                    return self.stop(session);
                }
                if self.stands_still() {
                    return Ok(End::Early);
                }
                before = Instant::now();
            } else if asked || (every > 0 && self.progress.step.is_multiple_of(every)) {
                self.save(session, false)?;
            }
        }
        if self.progress.step != self.total {
            return Err(TrainError::Short { step: self.progress.step, total: self.total });
        }
        Ok(End::Finished)
    }

    /// Waits for as long as the run is to pause; whether it did.
    fn hold(&self, session: &mut Session) -> Result<bool> {
        let control = session.run().control();
        if !control.stands(Order::Pause) {
            return Ok(false);
        }
        session.phase(Phase::Paused)?;
        while control.stands(Order::Pause) && self.surroundings.stopped(session).is_none() {
            std::thread::sleep(Duration::from_millis(100));
        }
        session.phase(Phase::Running)?;
        Ok(true)
    }

    fn step(&mut self, session: &mut Session, batch: &LoadedBatch, before: &mut Instant) -> Result<()> {
        let labels: Vec<usize> = batch.photos.iter().map(|&i| self.setup.labels.individuals()[i]).collect();
        let pairs: Vec<Pair> = batch.pairs.iter().map(|&(left, right, same)| Pair { left, right, same }).collect();
        let input = StepInput {
            count: batch.photos.len(),
            pixels: &batch.pixels,
            labels: &labels,
            photos: &batch.photos,
            pairs: &pairs,
        };
        let figures = self.trainer.step(&input).map_err(|e| self.fitting(e))?;
        let seconds = before.elapsed().as_secs_f64().max(1e-9);
        *before = Instant::now();
        let step = self.progress.step + 1;
        session.record(&Record::Step(Step {
            step,
            epoch: (self.progress.step / self.per_epoch + 1) as u32,
            loss: figures.loss,
            active: figures.active,
            angle: figures.angle,
            lr: figures.lr,
            grad_norm: figures.grad_norm,
            photos_per_s: (batch.photos.len() as f64 / seconds) as f32,
            wait: (batch.wait.as_secs_f64() / seconds).min(1.0) as f32,
            time: Stamp::now().seconds(),
        }))?;
        if let Some(what) = figures.not_finite() {
            let name = |&i: &usize| self.setup.manifest.photos[self.setup.train[i]].path.display().to_string();
            let photos: Vec<_> = batch.photos.iter().map(name).collect();
            return Err(TrainError::NotFinite { step, what, lr: figures.lr, photos: photos.join(", ") });
        }
        self.progress.step = step;
        self.progress.loss_sum += f64::from(figures.loss);
        Ok(())
    }

    /// Where memory did not suffice for a step, the batch for which it does.
    fn fitting(&self, error: TrainError) -> TrainError {
        let TrainError::Network(NnError::OutOfMemory { room, .. }) = error else { return error };
        let (batch, each) = (self.config.batch.size, self.config.batch.per_individual);
        let (grain, least) = match self.config.method {
            _ if each > 1 => (each, 2 * each),
            Method::Siamese => (2, 4),
            _ => (1, 1),
        };
        match fit::largest(batch, grain, least, |count| self.trainer.rehearse(count)) {
            Ok(fits) => {
                let step_of = batch * self.config.batch.accumulate;
                TrainError::OutOfMemory { step: self.progress.step + 1, room, batch, step_of, fits }
            }
            // the card has failed meanwhile: nothing is known of smaller batches
            Err(error) => error.into(),
        }
    }

    /// Validates, records and saves; false when a signal or an order came in between, so that it is still to be done.
    fn finish_epoch(&mut self, session: &mut Session) -> Result<bool> {
        let number = (self.progress.step / self.per_epoch) as u32;
        let last = self.progress.step == self.total;
        let mut epoch = Epoch::new(number, self.progress.step);
        epoch.loss = (self.progress.loss_sum / self.per_epoch as f64) as f32;
        self.progress.unvalidated = true;
        let due = last || number.is_multiple_of(self.config.train.evaluate_every);
        if due {
            match self.validate(&mut epoch, session) {
                Err(TrainError::Eval(eval::Error::Interrupted)) => return Ok(false),
                other => other?,
            }
            self.watch(&epoch);
        }
        epoch.seconds = self.epoch_began.elapsed().as_secs_f64();
        epoch.time = Stamp::now().seconds();
        self.epoch_began = Instant::now();
        let score = epoch.score();
        session.record(&Record::Epoch(epoch))?;
        let better = score.as_ref().is_some_and(|score| {
            let map = |s: &crate::run::state::Score| s.map.unwrap_or(f64::NEG_INFINITY);
            self.progress.best.as_ref().is_none_or(|best| map(score) > map(best))
        });
        if better {
            self.progress.best = score;
        }
        self.progress.unvalidated = false;
        self.progress.loss_sum = 0.0;
        // without a validation the last checkpoint is the best there is
        let ends = last || self.stands_still();
        let best = better || (ends && !session.run().best().exists());
        self.save(session, best)?;
        Ok(true)
    }

    /// Notes the figure that may end the run early.
    fn watch(&mut self, epoch: &Epoch) {
        let on = self.config.train.early_stop_on;
        let figure = match on {
            StopFigure::Map => epoch.map,
            StopFigure::Rank1 => epoch.rank1,
            StopFigure::Loss => Some(f64::from(epoch.loss)),
        };
        let Some(figure) = figure.filter(|_| self.config.train.early_stop > 0) else { return };
        let better = |best: f64| if on == StopFigure::Loss { figure < best } else { figure > best };
        self.progress.watched = Some(match self.progress.watched {
            Some(Watched { best, waited }) if !better(best) => Watched { best, waited: waited + 1 },
            _ => Watched { best: figure, waited: 0 },
        });
    }

    /// Whether that figure has got no better for as long as the configuration waits. A run at its last step is at its end anyway.
    fn stands_still(&self) -> bool {
        let patience = self.config.train.early_stop;
        self.progress.step < self.total
            && patience > 0
            && self.progress.watched.is_some_and(|watched| watched.waited >= patience)
    }

    fn validate(&mut self, epoch: &mut Epoch, session: &Session) -> Result<()> {
        let Work { trainer, setup, config, surroundings, .. } = self;
        let Some(roles) = &setup.validation else { return Ok(()) };
        let mut rows: Vec<(usize, Role)> = roles.gallery.iter().map(|&i| (i, Role::Gallery)).collect();
        rows.extend(roles.queries.iter().map(|&i| (i, Role::Query)));
        let paths = rows.iter().map(|&(i, _)| setup.manifest.file(i)).collect();
        let source = Source { cache: setup.cache.clone(), workers: config.data.workers };
        let go_on = |_| surroundings.stopped(session).is_none();
        let vectors = trainer.judged(|network| embed(network, config.data.image_size, paths, &source, go_on))?;
        let rows = rows.iter().map(|&(i, role)| photo_row(&setup.manifest, i, role)).collect();
        let set = EmbeddingSet::new(trainer.network.architecture.dimensions, vectors, rows)?;
        let retrieval = retrieve(&set, Rule::OtherEncounters)?;
        let (figures, geometry) = (metrics::figures(&retrieval), metrics::geometry(&set, &retrieval));
        epoch.part = Some(roles.query_part.word().into());
        epoch.queries = Some(figures.queries as u64 - figures.queries_without_match as u64);
        (epoch.rank1, epoch.rank5, epoch.rank10, epoch.map) =
            (figures.rank1, figures.rank5, figures.rank10, figures.map);
        epoch.distance_same = geometry.distance_same;
        epoch.distance_different = geometry.distance_different;
        epoch.spread = Some(geometry.spread);
        Ok(())
    }

    /// Writes the last checkpoint, and the best where this is it.
    fn save(&self, session: &Session, best: bool) -> Result<()> {
        let (last, at_best) = (session.run().last(), session.run().best());
        session.sync()?;
        // the best first: killed in between, the epoch is made again and comes to the same
        let paths = if best { vec![at_best.as_path(), last.as_path()] } else { vec![last.as_path()] };
        checkpoint::save(&self.trainer, &self.config, &self.progress, &paths)
    }

    /// Saves the steps made, where what failed has not touched them: a photo that has gone, a loss that is no number.
    /// The step that failed is made again on resume. The error is the run's to tell, so a failure here is only logged.
    fn rescue(&self, session: &Session, error: &TrainError) {
        let harmless = matches!(
            error,
            TrainError::Data(_) | TrainError::Eval(_) | TrainError::NotFinite { .. } | TrainError::OutOfMemory { .. }
        );
        let step = self.progress.step;
        // a step whose weights moved and whose record failed is half a step
        let whole = step > 0 && step == self.trainer.optimiser.step_count();
        if !harmless || !whole || !self.trainer.is_finite() {
            return;
        }
        let said = match self.save(session, false) {
            Ok(()) => format!("checkpoint after step {step}"),
            Err(e) => format!("no checkpoint after step {step}: {e}"),
        };
        let _ = session.log().say(&said);
    }

    /// Ends early, with a checkpoint of where it stands.
    fn stop(&mut self, session: &mut Session) -> Result<End> {
        let end = self.surroundings.stopped(session).unwrap_or(End::Stopped);
        session.phase(Phase::Stopping)?;
        self.save(session, false)?;
        Ok(end)
    }
}

#[cfg(test)]
mod tests;
