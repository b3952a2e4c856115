//! `run`: list, start, stop, resume, watch, and read the log.

use std::path::PathBuf;
use std::time::Duration;

use anyhow::Result;
use clap::{Args, Subcommand};

use crate::data::foreign;
use crate::run::manage::Rest;
use crate::run::queue::Turn;
use crate::run::status::Status;
use crate::run::{RunDir, RunSummary, launch, log, manage, watch};

use super::args::TrainingFlags;
use super::run_care as care;
use super::train::{RunAnswer, TurnFlags, created, foreground};
use super::{Context, follow, words};

/// The verbs of `run`.
#[derive(Debug, Subcommand)]
pub(super) enum RunVerb {
    /// List every run and how it stands
    #[command(after_help = "Examples:\n  caretta run ls\n  caretta run ls --json")]
    Ls,
    /// Start a run that goes on without this terminal, once its device is free
    #[command(after_help = START_EXAMPLES)]
    Start(Box<StartArgs>),
    /// End a run after the step it is in, with a checkpoint
    #[command(
        after_help = "Examples:\n  caretta run stop arcface-resnet18-2026-11-25-1\n  caretta run stop arcface-resnet18-2026-11-25-1 --evaluations"
    )]
    Stop(StopArgs),
    /// Let a run wait after the step it is in; `run resume` lets it go on
    #[command(after_help = "Example:\n  caretta run pause arcface-resnet18-2026-11-25-1")]
    Pause(Named),
    /// Go on with a run that paused, stopped, failed or crashed, from where it was
    #[command(
        after_help = "Examples:\n  caretta run resume arcface-resnet18-2026-11-25-1\n  caretta run resume ./arcface_models --foreground"
    )]
    Resume(ResumeArgs),
    /// Follow a run until it ends; Ctrl-C ends the watching, not the run
    #[command(after_help = "Example:\n  caretta run watch arcface-resnet18-2026-11-25-1")]
    Watch(Named),
    /// Show what a run said
    #[command(after_help = "Example:\n  caretta run logs --follow arcface-resnet18-2026-11-25-1")]
    Logs(LogsArgs),
    /// Start a run with the configuration of another, changed where you say so
    #[command(after_help = care::CLONE_EXAMPLES)]
    Clone(care::CloneArgs),
    /// Give a run another name in lists; its id stays
    #[command(after_help = "Example:\n  caretta run rename arcface-resnet18-2026-11-25-1 all-beaches")]
    Rename(care::RenameArgs),
    /// Write a note beside a run, or show it
    #[command(
        after_help = "Examples:\n  caretta run note arcface-resnet18 first-with-haze\n  caretta run note arcface-resnet18"
    )]
    Note(care::NoteArgs),
    /// Remove runs with their checkpoints and evaluations
    #[command(after_help = "Example:\n  caretta run rm arcface-resnet18-2026-11-25-1 --yes")]
    Rm(care::RmArgs),
    /// Show where the configurations of two runs differ
    #[command(after_help = "Example:\n  caretta run diff arcface-resnet18-2026-11-25-1 arcface-resnet18-2026-11-25-2")]
    Diff(care::DiffArgs),
    /// Write a run's metrics for other programs: CSV, or event files for TensorBoard
    #[command(
        after_help = "Examples:\n  caretta run export arcface-resnet18 --output-dir metrics/\n  caretta run export arcface-resnet18 --format tensorboard --output-dir events/"
    )]
    Export(care::ExportArgs),
}

const START_EXAMPLES: &str = "\
Examples:
  caretta run start arcface --data-dir photos/ --backbone resnet18
  caretta run start siamese --data-dir photos/ --now
While as many runs as a device holds compute there, others wait as `queued` and begin by themselves. It holds one, or as
many as queue.toml in the workspace says: per_card = 1 for graphics cards, cpu = 1 for the processor.";

#[derive(Debug, Args)]
pub(super) struct StartArgs {
    #[command(flatten)]
    training: TrainingFlags,
    /// Stay in the foreground, as `train` does
    #[arg(long)]
    foreground: bool,
    #[command(flatten)]
    turn: TurnFlags,
}

#[derive(Debug, Args)]
pub(super) struct Named {
    /// The run: its id, its name, the beginning of its id, or its folder
    pub(super) run: PathBuf,
}

#[derive(Debug, Args)]
pub(super) struct StopArgs {
    #[command(flatten)]
    named: Named,
    /// Seconds to wait for it to end
    #[arg(long, default_value_t = 600, value_name = "SECONDS")]
    timeout: u64,
    /// End its evaluations that go on, and not the run; reports that stood there before stay
    #[arg(long)]
    evaluations: bool,
}

#[derive(Debug, Args)]
pub(super) struct ResumeArgs {
    #[command(flatten)]
    named: Named,
    /// Stay in the foreground
    #[arg(long)]
    foreground: bool,
    #[command(flatten)]
    turn: TurnFlags,
}

#[derive(Debug, Args)]
pub(super) struct LogsArgs {
    #[command(flatten)]
    named: Named,
    /// Go on as the run says more
    #[arg(long, short)]
    follow: bool,
    /// Lines from the end; 0 shows all
    #[arg(long, short = 'n', default_value_t = 0, value_name = "N")]
    lines: usize,
}

/// How long one that has begun is looked at: what fails at once is then told here rather than in a log.
const SETTLE: Duration = Duration::from_secs(2);

pub(super) fn run(context: &Context, verb: RunVerb) -> Result<u8> {
    let find = |named: &Named| context.workspace.find(&named.run);
    match verb {
        RunVerb::Ls => list(context),
        RunVerb::Start(args) => {
            let config = args.training.configuration(context)?;
            let run = created(context, &config, args.training.output_dir())?;
            begin(context, &run, args.foreground, args.turn)
        }
        RunVerb::Resume(args) => {
            let run = find(&args.named)?;
            let standing = run.standing()?;
            match manage::resumable(run.id(), standing.status, standing.waits())? {
                Rest::Paused => {
                    manage::go_on(&run)?;
                    let answer = RunAnswer::new(&run, &watch::settled(&run, SETTLE)?);
                    context.answer(&answer, || answer.words())?;
                    Ok(0)
                }
                Rest::Ended => begin(context, &run, args.foreground, args.turn),
            }
        }
        RunVerb::Stop(args) => {
            let run = find(&args.named)?;
            if args.evaluations {
                return care::stop_evaluations(context, &run, Duration::from_secs(args.timeout));
            }
            let standing = watch::stop(&run, Duration::from_secs(args.timeout))?;
            let answer = RunAnswer::new(&run, &standing);
            context.answer(&answer, || answer.words())?;
            Ok(0)
        }
        RunVerb::Watch(named) => follow_run(context, &find(&named)?),
        RunVerb::Logs(args) => logs(context, &find(&args.named)?, &args),
        RunVerb::Pause(named) => {
            let run = find(&named)?;
            manage::pause(&run)?;
            let standing = watch::rested(&run, SETTLE)?;
            let answer = RunAnswer::new(&run, &standing);
            context.answer(&answer, || format!("{}\nNext: caretta run resume {}", answer.words(), run.id()))?;
            Ok(0)
        }
        RunVerb::Clone(args) => care::clone(context, &find(&args.named)?, &args),
        RunVerb::Rename(args) => care::rename(context, &find(&args.named)?, &args),
        RunVerb::Note(args) => care::note(context, &find(&args.named)?, &args),
        RunVerb::Rm(args) => care::remove(context, &args),
        RunVerb::Diff(args) => care::difference(context, &args),
        RunVerb::Export(args) => care::export(context, &find(&args.named)?, &args),
    }
}

/// Gives `run` a trainer: in the foreground at once, else detached, when it is its turn.
pub(super) fn begin(context: &Context, run: &RunDir, in_foreground: bool, turn: TurnFlags) -> Result<u8> {
    if in_foreground { foreground(context, run, Turn::AtOnce) } else { detached(context, run, turn.turn()) }
}

fn detached(context: &Context, run: &RunDir, turn: Turn) -> Result<u8> {
    launch::trainer(&context.workspace, run, turn)?;
    let standing = watch::settled(run, SETTLE)?;
    let answer = RunAnswer::new(run, &standing);
    let goes_on = !standing.status.is_over();
    context.answer(&answer, || match goes_on {
        true => format!("{}\nNext: caretta run watch {}, caretta run stop {}", answer.words(), run.id(), run.id()),
        false => answer.words(),
    })?;
    Ok(u8::from(matches!(standing.status, Status::Failed | Status::Crashed)))
}

fn list(context: &Context) -> Result<u8> {
    let runs = context.workspace.summaries()?;
    context.answer(&serde_json::json!({ "runs": runs }), || {
        if runs.is_empty() {
            return "No runs yet. Next: caretta demo, or caretta train arcface --data-dir PHOTOS".into();
        }
        let head = ["", "run", "method", "backbone", "dataset", "status", "epoch", "loss", "rank-1", "ETA", "age"];
        let table = words::table(&head, &runs.iter().map(row).collect::<Vec<_>>());
        let odd = runs.iter().filter(|r| matches!(r.status, Status::Crashed | Status::Failed | Status::Missing));
        let waiting = runs.iter().filter(|r| r.place.is_some());
        waiting
            .chain(odd)
            .fold(table, |table, run| table + &format!("\n{} {}: {}", run.status.sign(), run.id, run.reason))
    })?;
    Ok(0)
}

fn row(run: &RunSummary) -> Vec<String> {
    let or_dot = |text: Option<String>| text.unwrap_or_else(|| "·".into());
    let time = |seconds: Option<f64>| or_dot(seconds.map(words::duration));
    vec![
        run.status.sign().into(),
        // the id too, as names need not be one run's alone
        if run.name == run.id { run.id.clone() } else { format!("{} ({})", run.name, run.id) },
        or_dot(run.method.map(|m| m.name().into())),
        or_dot(run.backbone.clone()),
        or_dot(run.dataset.clone()),
        run.status.name().into(),
        or_dot(run.epochs.map(|epochs| format!("{}/{epochs}", run.epoch))),
        or_dot(run.loss.map(|l| format!("{l:.3}"))),
        words::share(run.best_rank1),
        time(run.eta_seconds),
        time(run.age_seconds),
    ]
}

fn follow_run(context: &Context, run: &RunDir) -> Result<u8> {
    context.catch_signals()?;
    let standing = follow::follow(run, context.global.json, || !context.is_interrupted())?;
    let answer = RunAnswer::new(run, &standing);
    context.answer(&answer, || answer.words())?;
    if context.is_interrupted() {
        words::say(&format!("not watching any more; the run is {}", standing.status));
        return Ok(super::INTERRUPTED);
    }
    Ok(u8::from(matches!(standing.status, Status::Failed | Status::Crashed)))
}

/// Prints lines, the last of which ends in a line end or has none; no line is no output.
fn show(lines: &str) -> std::io::Result<()> {
    if lines.is_empty() {
        return Ok(());
    }
    let lines = foreign::block(lines);
    words::print(lines.strip_suffix('\n').unwrap_or(&lines))
}

/// Most of a log that is read at once, in bytes.
const MOST: u64 = 64 << 20;

fn logs(context: &Context, run: &RunDir, args: &LogsArgs) -> Result<u8> {
    // a line that is still being written is shown when it is whole
    let goes_on = args.follow && !context.global.json;
    let read = if goes_on { log::lines_from } else { log::read_from };
    let said = read(&run.log(), 0, if args.lines == 0 { MOST } else { log::enough_for(args.lines) })?;
    let text = if args.lines == 0 { said.text } else { log::last_of(&said.text, args.lines) };
    if context.global.json {
        context.answer(&serde_json::json!({ "run": run.id(), "log": text }), String::new)?;
        return Ok(0);
    }
    show(&text)?;
    if !args.follow {
        return Ok(0);
    }
    context.catch_signals()?;
    let mut at = said.end;
    while !context.is_interrupted() {
        let over = run.standing()?.status.is_over();
        let read = if over { log::read_from } else { log::lines_from };
        let more = read(&run.log(), at, MOST)?;
        at = more.end;
        show(&more.text)?;
        if over {
            return Ok(0);
        }
        std::thread::sleep(watch::EVERY);
    }
    Ok(super::INTERRUPTED)
}
