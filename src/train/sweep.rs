//! A sweep: many runs one after the other, or some at once, each an ordinary run with a trainer of its own.
//!
//! Nothing is noted about a sweep. The run of a configuration is the one in the workspace that has it, so that a sweep
//! that was stopped, or whose file has grown, goes on where it was: what finished is kept, what was interrupted goes on.

use std::sync::atomic::{AtomicBool, Ordering};

use crate::run::config::Config;
use crate::run::config::sweep::SweepRun;
use crate::run::queue::Turn;
use crate::run::state::Score;
use crate::run::{RunDir, RunEntry, Standing, Status, Workspace, launch, manage, metrics, watch};

use super::begin::settle;
use super::check;
use super::error::{Result, TrainError};

/// How a sweep is gone through.
#[derive(Debug, Clone, Copy)]
pub struct SweepPlan {
    /// Runs at once. One waits for its turn as any run; more begin beside each other.
    pub jobs: usize,
    /// Runs that failed are tried again.
    pub retry_failed: bool,
}

/// How one run of a sweep came out.
#[derive(Debug, Clone)]
pub struct SweepRow {
    /// Its run; none where it could not be made or was not begun.
    pub run: Option<RunDir>,
    /// How the run stands; none without one.
    pub status: Option<Status>,
    /// Why, in a line.
    pub reason: String,
    /// It was there before, finished.
    pub kept: bool,
    /// The last validation.
    pub last: Option<Score>,
    /// The validation with the highest mAP.
    pub best: Option<Score>,
    /// Seconds of its epochs.
    pub seconds: Option<f64>,
}

/// What happens in a sweep, for whoever looks on; runs by their number in the sweep, from 0.
#[derive(Debug)]
pub enum SweepNews<'a> {
    /// A run begins or goes on.
    Begun(usize, &'a RunDir),
    /// How a run stands that goes on.
    Stands(usize, &'a Standing),
    /// A run is over.
    Over(usize, &'a SweepRow),
}

/// Judges every run of a sweep before any begins, with its photos named whole and its weights by their hash.
///
/// # Errors
/// The first thing that is wrong, with the label of the run.
pub fn judge(workspace: &Workspace, runs: &mut [SweepRun]) -> Result<()> {
    for run in runs {
        let judged = judge_one(workspace, &mut run.config);
        judged.map_err(|source| TrainError::InSweep { label: run.label(), source: Box::new(source) })?;
    }
    Ok(())
}

fn judge_one(workspace: &Workspace, config: &mut Config) -> Result<()> {
    config.check()?;
    config.data.dir = workspace.data_dir(config.data.dir.as_ref())?;
    check::plan(config, &workspace.corrections(config.data.dir.as_ref())?)?;
    settle(config, workspace)
}

/// Goes through `runs`, which [`judge`] has passed, until all are over or `interrupt` is set: then those that go on are
/// stopped as a run is stopped. A row for each run.
///
/// # Errors
/// When the workspace cannot be read. What goes wrong with a run is in its row.
pub fn sweep(
    workspace: &Workspace,
    runs: &[SweepRun],
    plan: SweepPlan,
    interrupt: &AtomicBool,
    tell: &mut dyn FnMut(SweepNews),
) -> Result<Vec<SweepRow>> {
    let known = known(workspace)?;
    let mut rows: Vec<Option<SweepRow>> = vec![None; runs.len()];
    let mut waiting = (0..runs.len()).collect::<Vec<_>>().into_iter();
    let mut going: Vec<(usize, RunDir)> = Vec::new();
    let is_told = || interrupt.load(Ordering::Relaxed);
    let mut stopped = false;
    loop {
        while going.len() < plan.jobs.max(1) && !is_told() {
            let Some(at) = waiting.next() else { break };
            match begin(workspace, &runs[at], &known, plan) {
                Ok(Begun::Goes(run)) => {
                    tell(SweepNews::Begun(at, &run));
                    going.push((at, run));
                }
                Ok(Begun::Over(row)) => {
                    tell(SweepNews::Over(at, &row));
                    rows[at] = Some(*row);
                }
                Err(error) => {
                    let row = SweepRow { reason: error.to_string(), ..SweepRow::none() };
                    tell(SweepNews::Over(at, &row));
                    rows[at] = Some(row);
                }
            }
        }
        if going.is_empty() {
            break;
        }
        if is_told() && !stopped {
            stopped = true;
            // one that has just ended by itself cannot be told any more
            going.iter().for_each(|(_, run)| drop(manage::stop(run)));
        }
        std::thread::sleep(watch::EVERY);
        let mut over = Vec::new();
        for (at, run) in &going {
            match run.standing() {
                Ok(standing) if !standing.status.is_over() => tell(SweepNews::Stands(*at, &standing)),
                // one that cannot be read any more is over for a sweep
                _ => {
                    let row = SweepRow::of(run, false);
                    tell(SweepNews::Over(*at, &row));
                    rows[*at] = Some(row);
                    over.push(*at);
                }
            }
        }
        going.retain(|(at, _)| !over.contains(at));
    }
    Ok(rows.into_iter().map(|row| row.unwrap_or_else(SweepRow::none)).collect())
}

/// The runs of the workspace with their configurations, as far as they can be read.
fn known(workspace: &Workspace) -> Result<Vec<(RunDir, Config)>> {
    let read = |entry: RunEntry| match entry {
        RunEntry::Here(run) => run.read_config().ok().map(|config| (run, config)),
        RunEntry::Missing { .. } => None,
    };
    Ok(workspace.runs()?.into_iter().filter_map(read).collect())
}

enum Begun {
    Goes(RunDir),
    Over(Box<SweepRow>),
}

fn begin(workspace: &Workspace, wanted: &SweepRun, known: &[(RunDir, Config)], plan: SweepPlan) -> Result<Begun> {
    let turn = if plan.jobs > 1 { Turn::AtOnce } else { Turn::Wait };
    let standing = |run: &RunDir| run.standing().ok();
    let of_it = known.iter().filter(|(_, config)| *config == wanted.config);
    let best = of_it.filter_map(|(run, _)| Some((run, standing(run)?))).min_by_key(|(_, s)| usefulness(s));
    let Some((run, standing)) = best else {
        let (run, _) = check::create(workspace, &wanted.config, None)?;
        let name: String = wanted.label().chars().take(100).collect();
        // a name is a help in lists and no more
        let _ = manage::rename(&run, &name);
        launch::trainer(workspace, &run, turn)?;
        return Ok(Begun::Goes(run));
    };
    let run = run.clone();
    match standing.status {
        _ if standing.is_held() => {
            manage::go_on(&run)?;
            Ok(Begun::Goes(run))
        }
        Status::Finished => Ok(Begun::Over(Box::new(SweepRow::of(&run, true)))),
        Status::Failed if !plan.retry_failed => Ok(Begun::Over(Box::new(SweepRow::of(&run, false)))),
        _ => {
            launch::trainer(workspace, &run, turn)?;
            Ok(Begun::Goes(run))
        }
    }
}

/// Of several runs of one configuration, the one that has come farthest.
fn usefulness(standing: &Standing) -> usize {
    match standing.status {
        Status::Finished => 0,
        _ if standing.is_held() => 1,
        Status::Stopped | Status::Crashed => 2,
        Status::Queued => 3,
        _ => 4,
    }
}

impl SweepRow {
    fn none() -> SweepRow {
        let reason = "not begun".to_owned();
        SweepRow { run: None, status: None, reason, kept: false, last: None, best: None, seconds: None }
    }

    fn of(run: &RunDir, kept: bool) -> SweepRow {
        let epochs = metrics::read_all(&run.metrics()).map(|history| history.epochs).unwrap_or_default();
        let seconds = (!epochs.is_empty()).then(|| epochs.iter().map(|epoch| epoch.seconds).sum());
        let standing = run.standing();
        let (status, reason) = match &standing {
            Ok(standing) => (standing.status, standing.reason.clone()),
            Err(error) => (Status::Missing, error.to_string()),
        };
        let state = standing.ok().map(|standing| standing.state);
        let (last, best) = state.map_or((None, None), |state| (state.latest, state.best));
        SweepRow { run: Some(run.clone()), status: Some(status), reason, kept, last, best, seconds }
    }

    /// Whether it came to its end.
    pub fn is_finished(&self) -> bool {
        self.status == Some(Status::Finished)
    }
}
