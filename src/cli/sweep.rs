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

/// The key of the seed.
const SEED: &str = "train.seed";

/// Runs that differ in their seed only.
struct OverSeeds<'a> {
    of: &'a SweepRun,
    rows: Vec<&'a SweepRow>,
}

impl<'a> OverSeeds<'a> {
    /// The groups of two or more, in the order of their first runs.
    fn of(runs: &'a [SweepRun], rows: &'a [SweepRow]) -> Vec<OverSeeds<'a>> {
        let mut groups: Vec<OverSeeds> = Vec::new();
        for (run, row) in runs.iter().zip(rows) {
            let alike = |group: &&mut OverSeeds| {
                group.of.name == run.name
                    && group.of.config.method == run.config.method
                    && without_seed(group.of).eq(without_seed(run))
            };
            match groups.iter_mut().find(alike) {
                Some(group) => group.rows.push(row),
                None => groups.push(OverSeeds { of: run, rows: vec![row] }),
            }
        }
        groups.retain(|group| group.rows.len() > 1);
        groups
    }

    /// Mean of a figure over the runs that have it, its standard deviation (of a sample; none for one run), and their number.
    fn mean(&self, figure: impl Fn(&SweepRow) -> Option<f64>) -> Option<(f64, Option<f64>, usize)> {
        let values: Vec<f64> = self.rows.iter().filter_map(|row| figure(row)).collect();
        let n = values.len();
        let mean = values.iter().sum::<f64>() / n as f64;
        let squares: f64 = values.iter().map(|value| (value - mean).powi(2)).sum();
        (n > 0).then(|| (mean, (n > 1).then(|| (squares / (n - 1) as f64).sqrt()), n))
    }
}

fn without_seed(run: &SweepRun) -> impl Iterator<Item = &(&'static str, Option<String>)> {
    run.differing.iter().filter(|(key, _)| *key != SEED)
}

/// What is averaged over seeds: the figures of the last validation, and of the best.
const AVERAGED: [(&str, fn(&SweepRow) -> Option<f64>); 4] = [
    ("rank1", |row| row.last.as_ref()?.rank1),
    ("map", |row| row.last.as_ref()?.map),
    ("best_rank1", |row| row.best.as_ref()?.rank1),
    ("best_map", |row| row.best.as_ref()?.map),
];

/// What the verb answers.
#[derive(Debug, Serialize)]
struct Answer {
    #[serde(serialize_with = "foreign::serialize_path")]
    file: PathBuf,
    runs: Vec<Value>,
    over_seeds: Vec<Value>,
    finished: usize,
}

impl Answer {
    fn new(args: &SweepArgs, runs: &[SweepRun], rows: &[SweepRow]) -> Answer {
        let groups = OverSeeds::of(runs, rows);
        let over_seeds = groups.iter().map(|group| {
            let differing: Map<String, Value> =
                without_seed(group.of).map(|(key, value)| ((*key).to_owned(), json!(value))).collect();
            let mut told = json!({
                "name": group.of.name,
                "method": group.of.config.method.name(),
                "differing": differing,
                "runs": group.rows.len(),
            });
            for (key, figure) in AVERAGED {
                told[key] = group.mean(figure).map_or(
                    Value::Null,
                    |(mean, deviation, of)| json!({ "mean": mean, "deviation": deviation, "of": of }),
                );
            }
            told
        });
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
        Answer { file: args.file.clone(), runs: runs.collect(), over_seeds: over_seeds.collect(), finished }
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
        let mut text = format!(
            "{table}\n{}{} of {} finished",
            over_seeds(runs, rows, named),
            self.finished,
            counted(runs.len() as u64, "run")
        );
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

/// The means over seeds as a second table; empty where no two runs differ in their seed only.
fn over_seeds(runs: &[SweepRun], rows: &[SweepRow], named: bool) -> String {
    let groups = OverSeeds::of(runs, rows);
    let Some(first) = groups.first() else { return String::new() };
    let mut head = vec!["over seeds"];
    head.extend(named.then_some("name"));
    head.extend(without_seed(first.of).map(|(key, _)| *key));
    head.extend(["rank-1", "mAP", "best rank-1", "best mAP"]);
    let cells = |group: &OverSeeds| {
        let or_dot = |text: &Option<String>| text.clone().unwrap_or_else(|| "·".into());
        let mut cells = vec![counted(group.rows.len(), "run")];
        cells.extend(named.then(|| or_dot(&group.of.name)));
        cells.extend(without_seed(group.of).map(|(_, value)| or_dot(value)));
        cells.extend(AVERAGED.iter().map(|(_, figure)| match group.mean(figure) {
            None => "·".to_owned(),
            Some((mean, None, _)) => words::share(Some(mean)),
            Some((mean, Some(deviation), _)) => {
                format!("{} ± {}", words::share(Some(mean)), words::share(Some(deviation)))
            }
        }));
        cells
    };
    format!("\n{}\n\n", words::table(&head, &groups.iter().map(cells).collect::<Vec<_>>()))
}
