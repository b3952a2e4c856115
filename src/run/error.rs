//! What can go wrong around a run, each in one sentence that says where and, where possible, the way out.
//!
//! One enum for the folder, so that a caller matches on what happened (a disk that is full, a run that
//! another trainer holds) and prints the sentence unchanged. Knows nothing of how it is printed:
//! names in here are other people's text, and whoever prints them must clean them.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

use super::status::Status;
use crate::data::foreign;

/// The result of everything in this folder.
pub type Result<T> = std::result::Result<T, RunError>;

/// Where in a configuration file something stands; shows as `file:line:column: `, and as nothing for a flag.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Place(Option<(PathBuf, usize, usize)>);

impl Place {
    /// A value that came from a flag or a form.
    pub const FLAG: Place = Place(None);

    /// The place of byte `offset` of `text`, which was read from `path`; lines and columns count from 1.
    pub fn in_file(path: &Path, text: &str, offset: usize) -> Place {
        let before = text.get(..offset).unwrap_or(text);
        let line = before.matches('\n').count() + 1;
        let column = before.chars().rev().take_while(|&c| c != '\n').count() + 1;
        Place(Some((path.to_path_buf(), line, column)))
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Some((path, line, column)) => write!(f, "{}:{line}:{column}: ", foreign::path(path)),
            None => Ok(()),
        }
    }
}

/// What went wrong with a run, its configuration or the workspace.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// A folder that may only be read.
    #[error(
        "{}: cannot {action}: it may only be read; choose another place for it (--output-dir, --output or --workspace)",
        foreign::path(path)
    )]
    ReadOnly {
        /// What was tried, as a verb: "write", "create".
        action: &'static str,
        /// The file or folder.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// A full disk or an exhausted quota.
    #[error(
        "{}: cannot {action}: the disk is full; free some space and go on, what was written before is kept",
        foreign::path(path)
    )]
    DiskFull {
        /// What was tried, as a verb.
        action: &'static str,
        /// The file or folder.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// Any other failure of the file system.
    #[error("{}: cannot {action}: {source}", foreign::path(path))]
    Io {
        /// What was tried, as a verb.
        action: &'static str,
        /// The file or folder.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// A file where a folder is needed.
    #[error("{}: cannot be a folder, as a file stands there or on the way; choose another place", foreign::path(path))]
    NotAFolder {
        /// The folder that was to be.
        path: PathBuf,
    },
    /// A file of a run that does not hold what it should.
    #[error("{}: damaged: {}", foreign::path(path), foreign::sentence(problem))]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What is wrong in it.
        problem: String,
    },

    /// A configuration file that is not TOML.
    #[error("{at}not valid TOML: {}", foreign::sentence(problem))]
    Syntax {
        /// Where.
        at: Place,
        /// The parser's words.
        problem: String,
    },
    /// A key that no configuration has.
    #[error("{at}{}: there is no such key{}", foreign::short(key, 80), hint(.near))]
    UnknownKey {
        /// Where.
        at: Place,
        /// The dotted path as given.
        key: String,
        /// Keys spelt alike.
        near: Vec<String>,
    },
    /// A value that its key does not take.
    #[error("{at}{} = {}: must be {allowed}", foreign::short(key, 80), foreign::short(given, 120))]
    BadValue {
        /// Where.
        at: Place,
        /// The dotted path.
        key: String,
        /// The value as given.
        given: String,
        /// What the key takes.
        allowed: String,
    },
    /// Values that are fine alone and not together.
    #[error("{key} = {}: {}", foreign::short(given, 120), foreign::sentence(problem))]
    BadTogether {
        /// The dotted path to change first.
        key: &'static str,
        /// Its value.
        given: String,
        /// What it clashes with, and what would do.
        problem: String,
    },
    /// A sweep that asks for too much.
    #[error("{}: asks for more than {most} runs; give the grid fewer values", foreign::path(path))]
    TooManyRuns {
        /// The file.
        path: PathBuf,
        /// How many it may ask for.
        most: usize,
    },
    /// A configuration without photos.
    #[error("data.dir: no photos chosen; give --data-dir a folder, a table or the name of a dataset")]
    NoData,
    /// A configuration file without a method, where nothing else names one.
    #[error("{}: method: missing; must be one of siamese, triplet, arcface, cross-entropy", foreign::path(path))]
    NoMethod {
        /// The file.
        path: PathBuf,
    },
    /// A name of a dataset or a path that leads nowhere.
    #[error("{given}: no folder, no table and no dataset of that name{}", hint(.near))]
    UnknownData {
        /// As given.
        given: String,
        /// Datasets spelt alike.
        near: Vec<String>,
    },
    /// A name of a dataset that means another one already.
    #[error("{name}: that name means {} already; choose another", foreign::path(by))]
    NameTaken {
        /// The name.
        name: String,
        /// What it means.
        by: PathBuf,
    },
    /// A folder of the workspace's own, given as a dataset.
    #[error(
        "{}: this is the workspace's own, where runs and caches lie; give the folder with your photos",
        foreign::path(path)
    )]
    InWorkspace {
        /// As given.
        path: PathBuf,
    },
    /// What is kept of a table's columns does not read.
    #[error(
        "{}: {reason}; say again what the columns are (`caretta dataset add TABLE --columns ..`), or remove the file",
        foreign::path(path)
    )]
    Columns {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        reason: String,
    },
    /// A photo that a dataset does not have.
    #[error("{}: no such photo in {}; name it by its path from there", foreign::path(photo), foreign::path(folder))]
    NoPhoto {
        /// As given.
        photo: PathBuf,
        /// The dataset's folder.
        folder: PathBuf,
    },
    /// A dataset or a table of corrections that cannot be read.
    #[error(transparent)]
    Data(#[from] crate::data::DataError),
    /// A path that cannot be written into a configuration, which is Unicode.
    #[error("{}: the path is not valid Unicode, so config.toml cannot hold it; rename the folder", foreign::path(path))]
    NotUnicode {
        /// The path.
        path: PathBuf,
    },

    /// A folder that holds no run.
    #[error("{}: no run in this folder (it has no config.toml)", foreign::path(path))]
    NotARun {
        /// The folder.
        path: PathBuf,
    },
    /// A folder that a new run would overwrite.
    #[error(
        "{}: already holds a run; go on with it by `caretta run resume`, or choose another --output-dir",
        foreign::path(path)
    )]
    AlreadyARun {
        /// The folder.
        path: PathBuf,
    },
    /// A folder that holds other files.
    #[error(
        "{}: not empty, and what is in it is no run; choose a new or an empty folder for --output-dir",
        foreign::path(path)
    )]
    NotEmpty {
        /// The folder.
        path: PathBuf,
    },
    /// A name that no run has.
    #[error("{given}: no run of that id or folder{}; `caretta run ls` shows them all", hint(.near))]
    UnknownRun {
        /// As given.
        given: String,
        /// Ids spelt alike.
        near: Vec<String>,
    },
    /// A beginning that several ids share.
    #[error("{given}: several runs are called so or begin like this: {}; give more of the id", .ids.join(", "))]
    Ambiguous {
        /// As given.
        given: String,
        /// The ids that begin so.
        ids: Vec<String>,
    },
    /// A pointer whose folder is gone.
    #[error("{id}: its folder {} is gone; put it back, or delete {}", foreign::path(target), foreign::path(pointer))]
    Missing {
        /// The run's id.
        id: String,
        /// Where the run should lie.
        target: PathBuf,
        /// The pointer in the workspace.
        pointer: PathBuf,
    },
    /// A run that another trainer holds.
    #[error(
        "{}: another trainer works on this run ({holder}); wait for it, or end it by `caretta run stop`",
        foreign::path(path)
    )]
    Locked {
        /// The run's folder.
        path: PathBuf,
        /// "pid 4711 on curlew", as far as known.
        holder: String,
    },
    /// A control meant for a live run.
    #[error("{id}: the run is {status}, there is no trainer to tell")]
    NotRunning {
        /// The run's id.
        id: String,
        /// What it is instead.
        status: Status,
    },
    /// A run that somebody holds where nobody may.
    #[error("{id} is {status}: stop it first (`caretta run stop {id}`)")]
    StillHeld {
        /// The run's id.
        id: String,
        /// What it is.
        status: Status,
    },
    /// A run that an evaluation reads and writes into.
    #[error(
        "{id} is being evaluated ({evaluation}): wait for that, or stop it first (`caretta run stop {id} --evaluations`)"
    )]
    BeingEvaluated {
        /// The run's id.
        id: String,
        /// The evaluation's name.
        evaluation: String,
    },
    /// A run that goes on, or came to its end.
    #[error("{id} is {status}: there is nothing to resume")]
    NothingToResume {
        /// The run's id or name.
        id: String,
        /// What it is.
        status: Status,
    },
    /// A run that waits for its turn, told to go on.
    #[error("{id} waits for its turn and begins by itself")]
    WaitsAlready {
        /// The run's id or name.
        id: String,
    },
    /// A dataset that no register knows, because its folder is its entry.
    #[error("{name} was drawn by this program and lies in {}; remove the folder to be rid of it", foreign::path(path))]
    Drawn {
        /// Its name.
        name: String,
        /// Its folder.
        path: PathBuf,
    },
    /// A name that lists could not show.
    #[error("{given:?}: not a usable name of a run; 1 to {most} characters, none of them a control character")]
    BadRunName {
        /// As given.
        given: String,
        /// Most characters.
        most: usize,
    },
    /// A trainer that did not obey in time.
    #[error(
        "{id}: the trainer has not stopped after {seconds} s; it stops after the step it is in, `caretta run watch {id}` shows it"
    )]
    StillRunning {
        /// The run's id.
        id: String,
        /// How long was waited.
        seconds: u64,
    },
    /// A run that has no checkpoint to use.
    #[error("{id}: there is no {which} checkpoint ({} is missing): the run has not come so far", foreign::path(path))]
    NoCheckpoint {
        /// The run's id.
        id: String,
        /// "best" or "last".
        which: &'static str,
        /// The file that should be there.
        path: PathBuf,
    },
    /// A `--model-path` that names neither a run nor weights.
    #[error("{given}: {problem}")]
    NotAModel {
        /// As given.
        given: String,
        /// Why not, and what would do.
        problem: String,
    },
    /// A name that may not become part of a path.
    #[error("{given:?}: not a usable name; letters, digits, `-`, `_` and `.` are, and the first is no dot")]
    BadName {
        /// As given.
        given: String,
    },
    /// A detached trainer that ended before it began.
    #[error("the trainer did not start: {problem}\n(all of it in {})", foreign::path(log))]
    NotStarted {
        /// The end of what it said.
        problem: String,
        /// The log.
        log: PathBuf,
    },
    /// No home folder to put a workspace into.
    #[error("no place for the workspace: this account has no home folder; give --workspace or set CARETTA_WORKSPACE")]
    NoWorkspace,
}

impl RunError {
    /// Sorts a failure of the file system into those a user can do something about and the others.
    pub fn io(action: &'static str, path: impl Into<PathBuf>, source: io::Error) -> RunError {
        let path = path.into();
        match source.kind() {
            io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem => {
                RunError::ReadOnly { action, path, source }
            }
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => RunError::DiskFull { action, path, source },
            _ => RunError::Io { action, path, source },
        }
    }
}

/// "; did you mean a, b?", or nothing.
pub fn hint(near: &[String]) -> String {
    match near {
        [] => String::new(),
        near => format!("; did you mean {}?", near.join(", ")),
    }
}

/// The names that differ little from `given`, nearest first, three at most.
pub fn near<'a>(given: &str, names: impl IntoIterator<Item = &'a str>) -> Vec<String> {
    let mut found: Vec<(usize, &str)> = names
        .into_iter()
        .filter_map(|name| {
            let far = distance(given, name);
            // A third of the letters wrong is still a slip; more is another word.
            (far * 3 <= given.chars().count().max(3)).then_some((far, name))
        })
        .collect();
    found.sort();
    let best = found.first().map_or(0, |(far, _)| *far);
    found.retain(|(far, _)| *far <= 2 * best);
    found.into_iter().take(3).map(|(_, name)| name.to_owned()).collect()
}

/// Levenshtein's distance in characters; names longer than 200 are cut, as they are no slips.
fn distance(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().take(200).collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, ca) in a.chars().take(200).enumerate() {
        let mut corner = i;
        row[0] = i + 1;
        for (j, &cb) in b.iter().enumerate() {
            let next = (corner + usize::from(ca != cb)).min(row[j] + 1).min(row[j + 1] + 1);
            corner = std::mem::replace(&mut row[j + 1], next);
        }
    }
    row[b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn file_errors_that_a_user_can_mend_say_how() {
        let say = |kind: io::ErrorKind| RunError::io("write", "/runs/a/state.json", kind.into()).to_string();
        assert_eq!(
            say(io::ErrorKind::StorageFull),
            "/runs/a/state.json: cannot write: the disk is full; free some space and go on, what was written before is kept"
        );
        assert!(say(io::ErrorKind::PermissionDenied).contains("may only be read; choose another place"));
        assert!(say(io::ErrorKind::ReadOnlyFilesystem).contains("may only be read"));
        assert!(say(io::ErrorKind::NotFound).starts_with("/runs/a/state.json: cannot write: "));
    }

    #[test]
    fn near_names_are_slips_and_not_other_words() {
        let keys = ["loss.margin", "loss.mining", "loss.scale", "train.seed"];
        assert_eq!(near("loss.margn", keys), ["loss.margin"]);
        assert_eq!(near("loss.mxrgin", keys), ["loss.margin"]);
        assert_eq!(near("los.scale", keys), ["loss.scale"]);
        assert_eq!(near("run-3", ["run-1", "run-2", "walk-3"]), ["run-1", "run-2"]);
        assert!(near("photos", keys).is_empty());
        assert!(near("", keys).is_empty());
    }

    #[test]
    fn places_count_characters_not_bytes() {
        let text = "a = 1\nü = 2 x";
        let at = text.find('x').unwrap();
        assert_eq!(Place::in_file(Path::new("c.toml"), text, at).to_string(), "c.toml:2:7: ");
        assert_eq!(Place::FLAG.to_string(), "");
    }
}
