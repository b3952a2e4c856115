//! A line in a list of runs: everything from three small files, no metrics read.
//!
//! Listing a thousand runs must stay quick, and one run that cannot be read must not hide the others: it
//! gets a line that says so.

use std::path::{Path, PathBuf};

use serde::Serialize;

use super::config::Method;
use super::dir::RunDir;
use super::error::{Result, RunError};
use super::status::Status;
use super::workspace::{RunEntry, Workspace};
use crate::data::foreign;

/// What a list shows of a run; `None` where it is not known.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct RunSummary {
    /// The run's id.
    pub id: String,
    /// The name a person gave it, the id at first.
    pub name: String,
    /// What a person noted beside it; empty where nobody did.
    pub note: String,
    /// Method.
    pub method: Option<Method>,
    /// Backbone.
    pub backbone: Option<String>,
    /// The last part of the photos' path.
    pub dataset: Option<String>,
    /// Derived status.
    pub status: Status,
    /// Why, in a line.
    pub reason: String,
    /// Its place in line, from 1, while it waits for its turn.
    pub place: Option<u64>,
    /// Epoch of the last step, from 1; 0 before the first.
    pub epoch: u32,
    /// Epochs of the whole run.
    pub epochs: Option<u32>,
    /// Steps made.
    pub step: u64,
    /// Steps of the whole run; 0 while not known.
    pub total: u64,
    /// Loss of the last step.
    pub loss: Option<f32>,
    /// Rank-1 of the validation with the highest mAP, from 0 to 1.
    pub best_rank1: Option<f64>,
    /// The epoch of that validation.
    pub best_epoch: Option<u32>,
    /// Seconds to the end, while it runs.
    pub eta_seconds: Option<f64>,
    /// Seconds since the run was created.
    pub age_seconds: Option<f64>,
    /// Where it lies, or should.
    #[serde(serialize_with = "foreign::serialize_path")]
    pub dir: PathBuf,
}

impl RunSummary {
    /// A line for a run.
    pub fn of(run: &RunDir) -> RunSummary {
        let mut line = RunSummary::blank(run.id(), run.path());
        if let Ok(meta) = run.read_meta() {
            line.note = meta.note;
            if !meta.name.is_empty() {
                line.name = meta.name;
            }
        }
        match run.read_outline() {
            Ok(outline) => {
                line.method = Some(outline.method);
                line.backbone = Some(outline.model.backbone);
                let dataset = Path::new(&outline.data.dir);
                line.dataset = dataset.file_name().map(|n| n.to_string_lossy().into_owned());
                line.epochs = Some(outline.train.epochs);
            }
            Err(e) => line.reason = e.to_string(),
        }
        match run.standing() {
            Ok(standing) => {
                line.place = if standing.waits() { standing.state.place } else { None };
                let state = standing.state;
                line.status = standing.status;
                line.reason = standing.reason;
                (line.epoch, line.step, line.total) = (state.epoch, state.step, state.total);
                line.loss = state.loss;
                line.best_rank1 = state.best.as_ref().and_then(|b| b.rank1);
                line.best_epoch = state.best.as_ref().map(|b| b.epoch);
                line.age_seconds = Some(state.created.age_seconds());
                if line.status == Status::Running {
                    line.eta_seconds = state.eta_seconds().map(|eta| (eta - state.updated.age_seconds()).max(0.0));
                }
            }
            Err(e) => line.reason = e.to_string(),
        }
        line
    }

    /// A line for whatever the workspace knows.
    pub fn of_entry(entry: &RunEntry) -> RunSummary {
        match entry {
            RunEntry::Here(run) => RunSummary::of(run),
            RunEntry::Missing { id, target, pointer } => {
                let mut line = RunSummary::blank(id, target);
                let error = RunError::Missing { id: id.clone(), target: target.clone(), pointer: pointer.clone() };
                line.reason = error.to_string();
                line
            }
        }
    }

    /// Whether a trainer is there that can be told something, though it may wait for its turn.
    pub fn is_held(&self) -> bool {
        self.status.is_live() || self.place.is_some()
    }

    fn blank(id: &str, dir: &Path) -> RunSummary {
        RunSummary {
            id: id.to_owned(),
            name: id.to_owned(),
            note: String::new(),
            method: None,
            backbone: None,
            dataset: None,
            status: Status::Missing,
            reason: String::new(),
            place: None,
            epoch: 0,
            epochs: None,
            step: 0,
            total: 0,
            loss: None,
            best_rank1: None,
            best_epoch: None,
            eta_seconds: None,
            age_seconds: None,
            dir: dir.to_path_buf(),
        }
    }
}

impl Workspace {
    /// A line for each run, the newest first; those of unknown age last.
    pub fn summaries(&self) -> Result<Vec<RunSummary>> {
        let mut lines: Vec<_> = self.runs()?.iter().map(RunSummary::of_entry).collect();
        let age = |line: &RunSummary| line.age_seconds.unwrap_or(f64::INFINITY);
        lines.sort_by(|a, b| age(a).total_cmp(&age(b)));
        Ok(lines)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::run::dir::tests::config;
    use crate::run::session::Session;
    use crate::run::state::{Phase, Score};
    use crate::run::workspace::tests::workspace;
    use std::fs;

    #[test]
    fn a_list_shows_every_run_even_the_broken_ones() {
        let (dir, workspace) = workspace();
        let make = |name: &str| workspace.create_run(&config(), Some(&workspace.runs_folder().join(name))).unwrap();
        let (fine, damaged, odd) = (make("fine"), make("damaged"), make("odd"));
        let gone = workspace.create_run(&config(), Some(&dir.path().join("gone"))).unwrap();
        fs::remove_dir_all(gone.path()).unwrap();
        fs::write(damaged.state(), "{").unwrap();
        fs::write(odd.config(), "method = 7").unwrap();
        fs::write(odd.meta(), "[]]").unwrap();

        let mut session = Session::begin(&fine).unwrap();
        session.phase(Phase::Running).unwrap();
        let mut state = fine.read_state().unwrap();
        (state.epoch, state.step, state.total, state.loss) = (3, 60, 100, Some(0.5));
        state.seconds_per_step = Some(1e6);
        state.best = Some(Score { epoch: 2, step: 40, part: None, rank1: Some(0.75), map: Some(0.5) });
        state.write(&fine.state()).unwrap();

        let lines = workspace.summaries().unwrap();
        let line = |id: &str| lines.iter().find(|l| l.id == id).unwrap();
        assert_eq!(lines.len(), 4);
        let it = line("fine");
        assert_eq!((it.status, it.epoch, it.epochs, it.step, it.total), (Status::Running, 3, Some(20), 60, 100));
        assert_eq!((it.best_rank1, it.best_epoch, it.loss), (Some(0.75), Some(2), Some(0.5)));
        assert_eq!(it.dataset.as_deref(), Some("turtles"));
        assert!(it.eta_seconds.unwrap() > 3e7);
        assert_eq!(line("damaged").status, Status::Missing);
        assert!(line("damaged").reason.contains("state.json: damaged"), "{}", line("damaged").reason);
        assert_eq!((line("odd").status, line("odd").method), (Status::Queued, None));
        assert_eq!(line("odd").name, "odd");
        assert_eq!(line(gone.id()).status, Status::Missing);
        assert!(line(gone.id()).reason.contains("is gone"));
        let json = serde_json::to_value(it).unwrap();
        assert_eq!((&json["status"], &json["method"]), (&"running".into(), &"arcface".into()));

        drop(session);
        assert_eq!(RunSummary::of(&fine).status, Status::Crashed);
        assert_eq!(RunSummary::of(&fine).eta_seconds, None);
    }
}
