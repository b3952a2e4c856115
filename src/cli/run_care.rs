//! `run clone|rename|note|rm|diff|export`: what a person does with runs beside training them.

use std::io::{BufRead, IsTerminal, Write};
use std::path::PathBuf;
use std::time::{Duration, Instant};

use anyhow::{Result, bail};
use clap::Args;
use clap::builder::PossibleValuesParser;
use serde_json::json;

use crate::data::foreign;
use crate::eval::session;
use crate::run::{RunDir, export, manage, watch};

use super::args::{Usage, assign};
use super::run::{Named, begin};
use super::train::{TurnFlags, created};
use super::{Context, words};

pub(super) const CLONE_EXAMPLES: &str = "\
Examples:
  caretta run clone arcface-resnet18-2026-11-25-1 --set train.seed=7
  caretta run clone arcface-resnet18-2026-11-25-1 --data-dir photos/ --set train.epochs=50";

#[derive(Debug, Args)]
pub(super) struct CloneArgs {
    #[command(flatten)]
    pub(super) named: Named,
    /// A value that is to differ, as train.seed=7 (may be given several times)
    #[arg(long, value_name = "KEY=VALUE")]
    set: Vec<String>,
    /// Other photos
    #[arg(long, alias = "data_dir", value_name = "PATH")]
    data_dir: Option<PathBuf>,
    /// Put the run into this folder instead of the workspace (which keeps a pointer to it)
    #[arg(long, alias = "output_dir", value_name = "DIR")]
    output_dir: Option<PathBuf>,
    /// Stay in the foreground, as `train` does
    #[arg(long)]
    foreground: bool,
    #[command(flatten)]
    turn: TurnFlags,
}

pub(super) fn clone(context: &Context, of: &RunDir, args: &CloneArgs) -> Result<u8> {
    let mut config = of.read_config()?;
    assign(&mut config, &args.set)?;
    if let Some(path) = &args.data_dir {
        config.data.dir = context.workspace.data_dir(path)?;
    }
    let run = created(context, &config, args.output_dir.as_deref())?;
    begin(context, &run, args.foreground, args.turn)
}

#[derive(Debug, Args)]
pub(super) struct RenameArgs {
    #[command(flatten)]
    pub(super) named: Named,
    /// What lists are to show
    name: String,
}

pub(super) fn rename(context: &Context, run: &RunDir, args: &RenameArgs) -> Result<u8> {
    manage::rename(run, &args.name)?;
    told(context, run)
}

#[derive(Debug, Args)]
pub(super) struct NoteArgs {
    #[command(flatten)]
    pub(super) named: Named,
    /// The note, in place of what stands there; left out, that is shown
    text: Option<String>,
}

pub(super) fn note(context: &Context, run: &RunDir, args: &NoteArgs) -> Result<u8> {
    if let Some(text) = &args.text {
        manage::note(run, text)?;
    }
    told(context, run)
}

/// Says name and note of a run.
fn told(context: &Context, run: &RunDir) -> Result<u8> {
    let meta = run.read_meta()?;
    let value = json!({ "run": run.id(), "name": meta.name, "note": meta.note });
    context.answer(&value, || {
        let name = if meta.name == run.id() { String::new() } else { format!("  {}", meta.name) };
        let note = if meta.note.is_empty() { String::new() } else { format!("\n{}", meta.note) };
        format!("{}{name}{note}", run.id())
    })?;
    Ok(0)
}

#[derive(Debug, Args)]
pub(super) struct RmArgs {
    /// The runs: ids, beginnings of ids, or folders
    #[arg(required = true)]
    runs: Vec<PathBuf>,
    /// Do not ask
    #[arg(long, short)]
    yes: bool,
}

pub(super) fn remove(context: &Context, args: &RmArgs) -> Result<u8> {
    let runs = args.runs.iter().map(|r| context.workspace.find(r)).collect::<Result<Vec<_>, _>>()?;
    let names: Vec<String> = runs.iter().map(|run| format!("{} ({})", run.id(), foreign::path(run.path()))).collect();
    if !args.yes && !agreed(&format!("Remove {} with checkpoints and evaluations? [y/N] ", names.join(", ")))? {
        bail!("nothing was removed");
    }
    for run in &runs {
        context.workspace.remove_run(run)?;
    }
    let ids: Vec<&str> = runs.iter().map(RunDir::id).collect();
    context.answer(&json!({ "removed": ids }), || format!("removed: {}", names.join(", ")))?;
    Ok(0)
}

/// Asks a person; where none sits there, `--yes` is to be given.
pub(super) fn agreed(question: &str) -> Result<bool> {
    if !std::io::stdin().is_terminal() {
        return Err(Usage("there is nobody to ask: give --yes to remove without a question".into()).into());
    }
    let mut out = std::io::stderr().lock();
    write!(out, "{}", foreign::line(question))?;
    out.flush()?;
    let mut answer = String::new();
    std::io::stdin().lock().read_line(&mut answer)?;
    Ok(matches!(answer.trim(), "y" | "Y" | "yes"))
}

/// Ends the run's evaluations that go on, and waits for that at most `patience`.
pub(super) fn stop_evaluations(context: &Context, run: &RunDir, patience: Duration) -> Result<u8> {
    let folders = manage::live_evaluations(run)?;
    for folder in &folders {
        session::stop(folder)?;
    }
    let begin = Instant::now();
    while !manage::live_evaluations(run)?.is_empty() {
        if begin.elapsed() >= patience {
            bail!("an evaluation of {} has not ended after {} s", run.id(), patience.as_secs());
        }
        std::thread::sleep(watch::EVERY);
    }
    let names: Vec<_> = folders.iter().filter_map(|f| f.file_name()).map(|n| n.to_string_lossy()).collect();
    context.answer(&json!({ "run": run.id(), "stopped": names }), || match &names[..] {
        [] => format!("no evaluation of {} goes on", run.id()),
        names => format!("stopped: {}", names.join(", ")),
    })?;
    Ok(0)
}

#[derive(Debug, Args)]
pub(super) struct DiffArgs {
    /// One run
    a: PathBuf,
    /// The other
    b: PathBuf,
}

pub(super) fn difference(context: &Context, args: &DiffArgs) -> Result<u8> {
    let runs = [context.workspace.find(&args.a)?, context.workspace.find(&args.b)?];
    let [a, b] = [runs[0].read_config()?, runs[1].read_config()?];
    let [one, other] = [runs[0].id(), runs[1].id()];
    let differing = a.difference(&b);
    let object: serde_json::Map<_, _> =
        differing.iter().map(|(key, a, b)| ((*key).to_owned(), json!({ "a": a, "b": b }))).collect();
    context.answer(&json!({ "a": one, "b": other, "differing": object }), || {
        if differing.is_empty() {
            return "the configurations are equal".into();
        }
        let rows: Vec<_> = differing.iter().map(|(key, a, b)| vec![(*key).to_owned(), a.clone(), b.clone()]).collect();
        words::table(&["", one, other], &rows)
    })?;
    Ok(0)
}

#[derive(Debug, Args)]
pub(super) struct ExportArgs {
    #[command(flatten)]
    pub(super) named: Named,
    /// csv (steps.csv and epochs.csv) or tensorboard (an event file)
    #[arg(long, default_value = "csv", value_parser = PossibleValuesParser::new(export::FORMATS.iter().map(|f| f.name)))]
    #[arg(hide_possible_values = true, value_name = "FORMAT")]
    format: String,
    /// Where the files go
    #[arg(long, alias = "output_dir", value_name = "DIR")]
    output_dir: PathBuf,
}

pub(super) fn export(context: &Context, run: &RunDir, args: &ExportArgs) -> Result<u8> {
    let Some(format) = export::FORMATS.iter().find(|f| f.name == args.format) else {
        return Err(Usage(format!("--format {}: there is no such format", args.format)).into());
    };
    let files: Vec<String> = format.export(run, &args.output_dir)?.iter().map(|path| foreign::path(path)).collect();
    context.answer(&json!({ "run": run.id(), "files": files }), || files.join("\n"))?;
    Ok(0)
}
