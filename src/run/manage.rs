//! What a person does with a run beside training it: name it, note something, let it pause, remove it.
//!
//! Never touches what a trainer writes while a trainer is there, and of a run's folder removes only what belongs to a
//! run: `--output-dir` may have become home to other things.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use super::control::Order;
use super::dir::{Meta, RunDir};
use super::error::{Result, RunError};
use super::lock::{self, Lock};
use super::status::Status;
use super::workspace::Workspace;

/// Longest name that a list can still show, in characters.
const LONGEST_NAME: usize = 100;

/// Gives `run` another name in lists; its id stays.
///
/// # Errors
/// When the name is empty, too long or holds control characters, or the file cannot be written.
pub fn rename(run: &RunDir, name: &str) -> Result<()> {
    let name = name.trim();
    if name.is_empty() || name.chars().count() > LONGEST_NAME || name.chars().any(char::is_control) {
        return Err(RunError::BadRunName { given: name.to_owned(), most: LONGEST_NAME });
    }
    let meta = run.read_meta().unwrap_or_default();
    run.set_meta(&Meta { name: name.to_owned(), ..meta })
}

/// Writes `note` beside the run, in place of what stood there.
///
/// # Errors
/// When the file cannot be written.
pub fn note(run: &RunDir, note: &str) -> Result<()> {
    let meta = run.read_meta().unwrap_or_else(|_| Meta { name: run.id().to_owned(), note: String::new() });
    run.set_meta(&Meta { note: note.trim().to_owned(), ..meta })
}

/// Tells the trainer to wait after the step it is in, until [`go_on`].
///
/// # Errors
/// When no trainer is there to wait.
pub fn pause(run: &RunDir) -> Result<()> {
    let standing = run.standing()?;
    tell(run, standing.status.is_live(), standing.status, Order::Pause)
}

/// Tells the trainer to end after the step it is in, with a checkpoint; or to wait no longer for its turn.
///
/// # Errors
/// When no trainer is there to stop.
pub fn stop(run: &RunDir) -> Result<()> {
    let standing = run.standing()?;
    tell(run, standing.is_held(), standing.status, Order::Stop)
}

fn tell(run: &RunDir, hears: bool, status: Status, order: Order) -> Result<()> {
    if !hears {
        return Err(RunError::NotRunning { id: run.id().to_owned(), status });
    }
    run.control().give(order)
}

/// Lets a trainer that waits go on; whether it was told to wait.
///
/// # Errors
/// When the order cannot be taken back.
pub fn go_on(run: &RunDir) -> Result<bool> {
    run.control().take(Order::Pause)
}

/// How a run that rests can go on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Rest {
    /// Its trainer waits to be let go on: [`go_on`].
    Paused,
    /// It needs a trainer.
    Ended,
}

/// How the run that people call `id` can go on as it stands; `waits`: a trainer waits for its turn.
///
/// # Errors
/// When it goes on already, came to its end, or is not there.
pub fn resumable(id: &str, status: Status, waits: bool) -> Result<Rest> {
    match status {
        Status::Queued if waits => Err(RunError::WaitsAlready { id: id.to_owned() }),
        Status::Paused => Ok(Rest::Paused),
        Status::Queued | Status::Stopped | Status::Failed | Status::Crashed => Ok(Rest::Ended),
        Status::Starting | Status::Running | Status::Stopping | Status::Finished | Status::Missing => {
            Err(RunError::NothingToResume { id: id.to_owned(), status })
        }
    }
}

/// Folders of the run's evaluations that go on: those whose lock is held.
///
/// # Errors
/// When a lock cannot be probed.
pub fn live_evaluations(run: &RunDir) -> Result<Vec<PathBuf>> {
    let entries = fs::read_dir(run.evaluations()).into_iter().flatten().flatten();
    let mut live = Vec::new();
    for folder in entries.map(|entry| entry.path()) {
        if lock::is_held(&folder.join(lock::FILE))? {
            live.push(folder);
        }
    }
    live.sort();
    Ok(live)
}

/// What a run's folder holds, as far as it is the run's.
fn belongings(run: &RunDir) -> ([PathBuf; 7], [PathBuf; 3]) {
    (
        // the configuration first: without it the folder is no run, whatever else is left
        [run.config(), run.corrections(), run.state(), run.meta(), run.metrics(), run.log(), run.lock()],
        [run.control_folder(), run.checkpoints(), run.evaluations()],
    )
}

impl Workspace {
    /// Removes `run` with its checkpoints and evaluations, and the pointer to it. What else lies in its folder stays.
    ///
    /// # Errors
    /// When a trainer holds the run, an evaluation works on it, or something cannot be removed.
    pub fn remove_run(&self, run: &RunDir) -> Result<()> {
        let standing = run.standing().map(|s| s.status);
        let Some(lock) = Lock::take(&run.lock())? else {
            let status = standing.unwrap_or(Status::Running);
            return Err(RunError::StillHeld { id: run.id().to_owned(), status });
        };
        if let Some(folder) = live_evaluations(run)?.first() {
            let evaluation = folder.file_name().unwrap_or_default().to_string_lossy().into_owned();
            return Err(RunError::BeingEvaluated { id: run.id().to_owned(), evaluation });
        }
        let (files, folders) = belongings(run);
        for file in &files {
            gone(file, fs::remove_file(file))?;
        }
        for folder in &folders {
            gone(folder, fs::remove_dir_all(folder))?;
        }
        drop(lock);
        // only if nothing else is in it
        let _ = fs::remove_dir(run.path());
        self.forget(run.path())
    }
}

fn gone(path: &Path, removed: io::Result<()>) -> Result<()> {
    match removed {
        Err(e) if e.kind() != io::ErrorKind::NotFound => Err(RunError::io("remove", path, e)),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::run::dir::tests::config;
    use crate::run::session::Session;
    use crate::run::workspace::tests::workspace;

    #[test]
    fn a_name_and_a_note_are_kept_apart() {
        let (_dir, workspace) = workspace();
        let run = workspace.create_run(&config(), None).unwrap();
        note(&run, "too bright\n").unwrap();
        rename(&run, " arcface, all beaches ").unwrap();
        assert_eq!(run.read_meta().unwrap(), Meta { name: "arcface, all beaches".into(), note: "too bright".into() });
        assert_eq!(workspace.find(Path::new("arcface, all beaches")).unwrap(), run);
        let other = workspace.create_run(&config(), None).unwrap();
        rename(&other, "arcface, all beaches").unwrap();
        let both = workspace.find(Path::new("arcface, all beaches"));
        assert!(matches!(both, Err(RunError::Ambiguous { .. })), "two of one name are told apart by their ids");
        for bad in ["", "  ", "a\u{1b}[2J", &"x".repeat(101)] {
            assert!(matches!(rename(&run, bad), Err(RunError::BadRunName { .. })), "{bad:?}");
        }
        fs::write(run.meta(), "[]]").unwrap();
        note(&run, "mended").unwrap();
        assert_eq!(run.read_meta().unwrap().name, run.id(), "a damaged file is written anew");
    }

    #[test]
    fn only_a_run_that_goes_on_can_pause() {
        let (_dir, workspace) = workspace();
        let run = workspace.create_run(&config(), None).unwrap();
        assert!(matches!(pause(&run), Err(RunError::NotRunning { status: Status::Queued, .. })));
        let _session = Session::begin(&run).unwrap();
        pause(&run).unwrap();
        assert!(run.control().stands(Order::Pause));
        assert!(go_on(&run).unwrap() && !go_on(&run).unwrap());
    }

    #[test]
    fn what_rests_can_go_on() {
        assert_eq!(resumable("a", Status::Paused, false).unwrap(), Rest::Paused);
        assert!(matches!(resumable("a", Status::Queued, true), Err(RunError::WaitsAlready { .. })));
        for status in [Status::Queued, Status::Stopped, Status::Failed, Status::Crashed] {
            assert_eq!(resumable("a", status, false).unwrap(), Rest::Ended);
        }
        for status in [Status::Starting, Status::Running, Status::Stopping, Status::Finished, Status::Missing] {
            let refused = resumable("a", status, false).unwrap_err().to_string();
            assert_eq!(refused, format!("a is {status}: there is nothing to resume"));
        }
    }

    #[test]
    fn a_removed_run_takes_nothing_else_with_it_and_a_held_one_stays() {
        let (dir, workspace) = workspace();
        let out = dir.path().join("models");
        let run = workspace.create_run(&config(), Some(&out)).unwrap();
        let other = workspace.create_run(&config(), None).unwrap();
        let session = Session::begin(&run).unwrap();
        assert!(matches!(workspace.remove_run(&run), Err(RunError::StillHeld { .. })));
        assert!(run.config().exists());
        drop(session);
        // an evaluation would put its report into a folder that is gone
        let evaluation = run.evaluation("test").unwrap();
        fs::create_dir_all(&evaluation).unwrap();
        let held = Lock::take(&evaluation.join("lock")).unwrap();
        let refused = workspace.remove_run(&run).unwrap_err().to_string();
        assert!(refused.contains("is being evaluated (test)") && run.config().exists(), "{refused}");
        drop(held);
        fs::write(run.checkpoints().join("last.safetensors"), "x").unwrap();
        fs::write(out.join("my notes.txt"), "mine").unwrap();
        workspace.remove_run(&run).unwrap();
        let left: Vec<_> = fs::read_dir(&out).unwrap().map(|e| e.unwrap().file_name()).collect();
        assert_eq!(left, ["my notes.txt"]);
        let ids: Vec<_> = workspace.runs().unwrap().iter().map(|r| r.id().to_owned()).collect();
        assert_eq!(ids, [other.id()], "its pointer is gone");
        workspace.remove_run(&other).unwrap();
        assert!(workspace.runs().unwrap().is_empty() && !other.path().exists());
    }
}
