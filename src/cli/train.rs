//! `train`: a run in the foreground, watched; and the hidden verb of a detached one.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};

use anyhow::{Context as _, Result, anyhow};
use clap::Args;
use serde::Serialize;

use crate::data::foreign;
use crate::data::manifest::{Part, Problem};
use crate::run::config::Config;
use crate::run::queue::Turn;
use crate::run::{RunDir, Standing, Workspace};
use crate::train::check;
use crate::train::worker::{End, Surroundings, work};

use super::args::TrainingFlags;
use super::{Context, follow, words};

const EXAMPLES: &str = "\
Examples:
  caretta train siamese --data-dir photos/ --backbone resnet50 --output-dir ./siamese_models
  caretta train triplet --data-dir photos/ --backbone efficientnet_b0 --embedding-dim 128 --margin 0.3 --mining hard
  caretta train arcface --data-dir photos/ --backbone resnet50 --embedding-dim 512 --margin 0.5 --scale 64
A run in the foreground begins at once; with --queue it waits until its device is free, as those of `run start` do.
Ctrl-C ends the run with a checkpoint; `caretta run resume` goes on with it.";

/// Arguments of `train`.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct TrainArgs {
    #[command(flatten)]
    training: TrainingFlags,
    /// Wait until no other run of this workspace computes on the device
    #[arg(long)]
    queue: bool,
}

/// Whether a detached run waits.
#[derive(Debug, Clone, Copy, Args)]
pub(super) struct TurnFlags {
    /// Begin at once, though other runs compute on the device
    #[arg(long)]
    now: bool,
}

impl TurnFlags {
    pub(super) fn turn(self) -> Turn {
        if self.now { Turn::AtOnce } else { Turn::Wait }
    }
}

/// Arguments of the hidden verb.
#[derive(Debug, Args)]
pub(super) struct WorkerArgs {
    run: PathBuf,
    #[command(flatten)]
    turn: TurnFlags,
}

/// What `train` and the verbs of `run` answer.
#[derive(Debug, Serialize)]
pub(super) struct RunAnswer {
    run: String,
    #[serde(serialize_with = "foreign::serialize_path")]
    dir: PathBuf,
    status: String,
    reason: String,
    place: Option<u64>,
    step: u64,
    total: u64,
    best: Option<crate::run::state::Score>,
}

impl RunAnswer {
    pub(super) fn new(run: &RunDir, standing: &Standing) -> RunAnswer {
        RunAnswer {
            run: run.id().to_owned(),
            dir: run.path().to_owned(),
            status: standing.status.name().to_owned(),
            reason: standing.reason.clone(),
            place: standing.waits().then_some(standing.state.place).flatten(),
            step: standing.state.step,
            total: standing.state.total,
            best: standing.state.best.clone(),
        }
    }

    pub(super) fn words(&self) -> String {
        let mut text = format!("{}  {}: {}\n{}", self.run, self.status, self.reason, foreign::path(&self.dir));
        if let Some(best) = &self.best {
            let part = best.part.as_deref().unwrap_or("?");
            text += &format!(
                "\nbest mAP on {part}: {1}, with rank-1 {0}  (epoch {2})",
                words::share(best.rank1),
                words::share(best.map),
                best.epoch
            );
            if part == Part::Test.word() {
                text += "\nno valid part chose it, so the run stands for its last checkpoint: what test says must choose nothing";
            }
        }
        text + &match self.status.as_str() {
            "finished" => format!("\nNext: caretta evaluate --model-path {}", self.run),
            "stopped" | "crashed" | "failed" if self.step > 0 => format!("\nNext: caretta run resume {}", self.run),
            _ => String::new(),
        }
    }
}

pub(super) fn train(context: &Context, args: &TrainArgs) -> Result<u8> {
    let config = args.training.configuration(context)?;
    let run = created(context, &config, args.training.output_dir())?;
    foreground(context, &run, if args.queue { Turn::Wait } else { Turn::AtOnce })
}

/// A run of `config`, in `output` or in the workspace; warns where it could not be evaluated.
pub(super) fn created(context: &Context, config: &Config, output: Option<&Path>) -> Result<RunDir> {
    let (run, warning) = check::create(&context.workspace, config, output)?;
    if let Some(warning) = warning {
        words::say(&format!("note: {warning}"));
    }
    Ok(run)
}

/// Trains `run` in this process and shows what happens.
pub(super) fn foreground(context: &Context, run: &RunDir, turn: Turn) -> Result<u8> {
    context.catch_signals()?;
    run.control().clear()?;
    if !context.global.json {
        words::say(&format!("run {} in {}", run.id(), foreign::path(run.path())));
    }
    let interrupt = &context.interrupt;
    let end = watched(run, &context.workspace, interrupt, turn, context.global.json)?;
    let answer = RunAnswer::new(run, &run.standing()?);
    context.answer(&answer, || answer.words())?;
    Ok(u8::try_from(end.exit_code()).unwrap_or(1))
}

/// Trains `run` on a thread of its own and follows it from this one.
pub(super) fn watched(
    run: &RunDir,
    workspace: &Workspace,
    interrupt: &AtomicBool,
    turn: Turn,
    quiet: bool,
) -> Result<End> {
    let over = AtomicBool::new(false);
    let problems = Mutex::new(Vec::new());
    let tell = |found: &[Problem]| problems.lock().unwrap_or_else(PoisonError::into_inner).extend_from_slice(found);
    std::thread::scope(|scope| {
        let trainer = std::thread::Builder::new().name("trainer".into()).spawn_scoped(scope, || {
            let end = work(run, Surroundings { workspace, interrupt, turn, foreground: Some(&tell) });
            over.store(true, Ordering::Release);
            end
        })?;
        // a run that was over before must not end the watch before its new trainer has begun
        while !over.load(Ordering::Acquire) && !run.is_held()? {
            std::thread::sleep(std::time::Duration::from_millis(5));
        }
        let followed = follow::follow(run, quiet, || !over.load(Ordering::Acquire));
        let end = trainer.join().map_err(|_| anyhow!("the trainer panicked; see {}", foreign::path(&run.log())))?;
        followed?;
        // said now, as a bar was drawn over these lines before
        words::say_problems(&problems.lock().unwrap_or_else(PoisonError::into_inner));
        Ok(end?)
    })
}

pub(super) fn worker(context: &Context, args: &WorkerArgs) -> Result<u8> {
    crate::run::launch::detach().context("cannot leave the terminal")?;
    let run = context.workspace.find(&args.run)?;
    context.catch_signals()?;
    let (workspace, interrupt) = (&context.workspace, &*context.interrupt);
    let end = work(&run, Surroundings { workspace, interrupt, turn: args.turn.turn(), foreground: None })?;
    Ok(u8::try_from(end.exit_code()).unwrap_or(1))
}
