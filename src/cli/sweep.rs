//! `sweep`: the runs of a grid or a list, one after the other, and a table of how they came out.

use std::path::PathBuf;

use anyhow::Result;
use clap::Args;
use serde::Serialize;
use serde_json::{Map, Value, json};

use crate::data::counted::counted;
use crate::data::foreign;
use crate::run::Standing;
use crate::run::config::sweep::{SweepRun, read};
use crate::run::state::Score;
use crate::train::sweep::{SweepNews, SweepPlan, SweepRow, judge, sweep as go_through};

use super::{Context, INTERRUPTED, follow, words};

const EXAMPLES: &str = "\
Examples:
  caretta sweep margins.toml
  caretta sweep margins.toml --data-dir photos/ --jobs 2 --json
A file with a grid, and one with a list of presets (the keys are those of a configuration):
  method = \"arcface\"                       method = \"arcface\"
  seeds = [1, 2, 3]                        [base]
  [base]                                   data.dir = \"photos/\"
  data.dir = \"photos/\"                     [[run]]
  [grid]                                   name = \"mine\"
  loss.margin = [0.3, 0.5]                 config = \"mine.toml\"
  optimiser.lr = [0.001, 0.0003]           [[run]]
                                           method = \"triplet\"
Ctrl-C stops the run that goes on and ends; the same again keeps what finished and goes on with the rest.";

#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct SweepArgs {
    /// The grid or the list, as TOML
    file: PathBuf,
    /// The photos, in place of those that the file names
    #[arg(long, alias = "data_dir", value_name = "PATH")]
    data_dir: Option<PathBuf>,
    /// Runs at once, though they share a device
    #[arg(long, default_value_t = 1, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=64))]
    jobs: u16,
    /// Try runs again that failed
    #[arg(long)]
    retry_failed: bool,
}

pub(super) fn sweep(context: &Context, args: &SweepArgs) -> Result<u8> {
    let mut runs = read(&args.file)?;
    for run in &mut runs {
        if let Some(path) = &args.data_dir {
            run.config.data.dir = context.workspace.data_dir(path)?;
        }
    }
    judge(&context.workspace, &mut runs)?;
    context.catch_signals()?;
    let plan = SweepPlan { jobs: args.jobs.into(), retry_failed: args.retry_failed };
    let quiet = context.global.json;
    let bar = follow::bar(runs.len() as u64, "sweep", quiet);
    let mut tell = |news: SweepNews| match news {
        SweepNews::Stands(at, standing) => bar.set_message(foreign::line(&stands(&runs[at], standing))),
        SweepNews::Begun(at, run) => bar.suspend(|| {
            if !quiet {
                words::say(&format!("{} of {}: {} ({})", at + 1, runs.len(), runs[at].label(), run.id()));
            }
        }),
        SweepNews::Over(at, row) => {
            bar.inc(1);
            bar.suspend(|| {
                if !quiet && !row.is_finished() {
                    words::say(&format!("{} of {}: {}: {}", at + 1, runs.len(), runs[at].label(), ended(row)));
                }
            });
        }
    };
    let rows = go_through(&context.workspace, &runs, plan, &context.interrupt, &mut tell)?;
    bar.finish_and_clear();
    let answer = Answer::new(args, &runs, &rows);
    context.answer(&answer, || answer.words(&runs, &rows))?;
    Ok(match () {
        () if context.is_interrupted() => INTERRUPTED,
        () => u8::from(answer.finished < runs.len()),
    })
}

fn stands(run: &SweepRun, standing: &Standing) -> String {
    let state = &standing.state;
    match state.total {
        _ if standing.waits() => format!("{}: {}", run.label(), standing.reason),
        0 => run.label(),
        total => format!("{}: step {} of {total}", run.label(), state.step),
    }
}

/// How a run ended, with the way on.
fn ended(row: &SweepRow) -> String {
    let status = row.status.map_or("not begun", |status| status.name());
    let logs = row.run.as_ref().map_or_else(String::new, |run| format!(" (caretta run logs {})", run.id()));
    if row.run.is_none() { row.reason.clone() } else { format!("{status}: {}{logs}", row.reason) }
}

/// What the verb answers.
#[derive(Debug, Serialize)]
struct Answer {
    #[serde(serialize_with = "foreign::serialize_path")]
    file: PathBuf,
    runs: Vec<Value>,
    finished: usize,
}

impl Answer {
    fn new(args: &SweepArgs, runs: &[SweepRun], rows: &[SweepRow]) -> Answer {
        let runs = runs.iter().zip(rows).map(|(run, row)| {
            let differing: Map<String, Value> =
                run.differing.iter().map(|(key, value)| ((*key).to_owned(), json!(value))).collect();
            json!({
                "name": run.name,
                "run": row.run.as_ref().map(|run| run.id()),
                "method": run.config.method.name(),
                "differing": differing,
                "status": row.status,
                "reason": row.reason,
                "kept": row.kept,
                "last": row.last,
                "best": row.best,
                "seconds": row.seconds,
            })
        });
        let finished = rows.iter().filter(|row| row.is_finished()).count();
        Answer { file: args.file.clone(), runs: runs.collect(), finished }
    }

    fn words(&self, runs: &[SweepRun], rows: &[SweepRow]) -> String {
        let named = runs.iter().any(|run| run.name.is_some());
        let keys = runs.first().map(|run| run.differing.iter().map(|(key, _)| *key)).into_iter().flatten();
        let mut head = vec!["run"];
        head.extend(named.then_some("name"));
        head.extend(keys);
        head.extend(["status", "rank-1", "mAP", "best rank-1", "best mAP", "time"]);
        let cells = |(run, row): (&SweepRun, &SweepRow)| {
            let or_dot = |text: Option<String>| text.unwrap_or_else(|| "·".into());
            let share =
                |score: &Option<Score>, of: fn(&Score) -> Option<f64>| words::share(score.as_ref().and_then(of));
            let mut cells = vec![or_dot(row.run.as_ref().map(|run| run.id().to_owned()))];
            cells.extend(named.then(|| or_dot(run.name.clone())));
            cells.extend(run.differing.iter().map(|(_, value)| or_dot(value.clone())));
            cells.push(row.status.map_or("not begun", |status| status.name()).to_owned());
            for score in [&row.last, &row.best] {
                cells.extend([share(score, |s| s.rank1), share(score, |s| s.map)]);
            }
            cells.push(or_dot(row.seconds.map(words::duration)));
            cells
        };
        let table = words::table(&head, &runs.iter().zip(rows).map(cells).collect::<Vec<_>>());
        let kept = rows.iter().filter(|row| row.kept).count();
        let mut text = format!("{table}\n{} of {} finished", self.finished, counted(runs.len() as u64, "run"));
        if kept > 0 {
            text += &format!(", {kept} of them before");
        }
        for (run, row) in runs.iter().zip(rows).filter(|(_, row)| !row.is_finished() && row.status.is_some()) {
            text += &format!("\n{}: {}", run.label(), ended(row));
        }
        if rows.iter().any(|row| row.status == Some(crate::run::Status::Failed)) {
            text += "\nNext: the same with --retry-failed";
        } else if self.finished < runs.len() {
            text += "\nNext: the same again goes on with the rest";
        }
        text
    }
}
