//! An evaluation's side of its folder: holds the lock, keeps state and log, and puts its files in place.
//!
//! The counterpart of `run::session`, for `eval/<name>/` of a run or any other folder. All files are written into a
//! folder beside their places and moved when every one is whole, `report.json` last: an evaluation that fails or is
//! killed leaves the report before it as it was. Killed among the moves, which take no time, it leaves no
//! `report.json`, and without one nothing here looks complete. Of a trainer's orders it
//! obeys the one to stop; metrics there are none.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Instant;

use serde::{Deserialize, Serialize};

use crate::data::counted::counted;
use crate::run::control::{Control, Order};
use crate::run::dir::is_run;
use crate::run::host::Process;
use crate::run::lock::{self, Lock};
use crate::run::log::Log;
use crate::run::session::BREATH;
use crate::run::stamp::Stamp;
use crate::run::{Phase, RunError, Status, files, status};

use super::charts::{CMC_FILE, HILLS_FILE, NEIGHBOURS_FILE, PROJECTION_FILE, ROC_FILE};
use super::dataset::{PAIRS_FILE, QUERIES_FILE};
use super::embeddings::{EMBEDDINGS_FILE, MIRRORED_FILE, PHOTOS_FILE};
use super::report::{MATCHES_FILE, REPORT_FILE, REPORT_PAGE};
use super::verdict::DISTANCES_FILE;
use super::{Error, Result};

/// Where an evaluation stands, as it last said.
pub const STATE_FILE: &str = "state.json";
/// Held by the kernel while it runs.
pub const LOCK_FILE: &str = lock::FILE;
/// Everything it said.
pub const LOG_FILE: &str = "log.txt";
/// What it is told to do, while it runs.
const CONTROL_FOLDER: &str = "control";
/// Pictures that an evaluation may leave, each with its shapes beside it.
const PICTURES: [&str; 7] =
    [PAIRS_FILE, QUERIES_FILE, PROJECTION_FILE, NEIGHBOURS_FILE, CMC_FILE, ROC_FILE, HILLS_FILE];
/// Other files that it leaves.
const FILES: [&str; 7] =
    [REPORT_FILE, REPORT_PAGE, MATCHES_FILE, EMBEDDINGS_FILE, MIRRORED_FILE, PHOTOS_FILE, DISTANCES_FILE];
/// The folder of files that are not all whole yet.
const WRITING: &str = ".writing";

/// All of `state.json`. Unknown keys of a newer version are ignored.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct State {
    /// What the evaluation is doing; only starting, running, stopped, finished and failed occur.
    pub phase: Phase,
    /// Photos embedded.
    pub done: usize,
    /// Photos to embed; 0 while not known.
    pub total: usize,
    /// Who evaluates or last did.
    pub process: Process,
    /// When it began.
    pub started: Stamp,
    /// When this was written.
    pub updated: Stamp,
    /// When it ended.
    #[serde(default)]
    pub exited: Option<Stamp>,
    /// The exit code that it meant to end with.
    #[serde(default)]
    pub exit_code: Option<i32>,
    /// Why it ended so, in a sentence.
    #[serde(default)]
    pub reason: Option<String>,
}

impl State {
    /// The state of the evaluation in `folder`; none where none ever began.
    ///
    /// # Errors
    /// When the file cannot be read, or holds something else.
    pub fn read(folder: &Path) -> Result<Option<State>> {
        let path = folder.join(STATE_FILE);
        if !path.try_exists().map_err(|e| RunError::io("read", &path, e))? {
            return Ok(None);
        }
        Ok(Some(files::read_json(&path)?))
    }
}

/// How the evaluation in `folder` stands, and what it said last; none where none ever began.
///
/// # Errors
/// When lock or state cannot be read.
pub fn standing(folder: &Path) -> Result<Option<(Status, State)>> {
    let (status, state) = status::settle(|| {
        let held = lock::is_held(&folder.join(LOCK_FILE))?; // before the state, as for a run
        let state = State::read(folder)?;
        let told = held && control(folder).stands(Order::Stop);
        let status = state.as_ref().map_or(Status::Queued, |s| status::derive(held, s.phase, false, told));
        Ok::<_, Error>((status, state))
    })?;
    Ok(state.map(|state| (status, state)))
}

/// The orders for whoever evaluates into `folder`.
fn control(folder: &Path) -> Control {
    Control::new(&folder.join(CONTROL_FOLDER))
}

/// Tells the evaluation in `folder` to end; what stood there before it stays. Whether one was there to be told.
///
/// # Errors
/// When its standing cannot be read, or the order not be given.
pub fn stop(folder: &Path) -> Result<bool> {
    let is_live = standing(folder)?.is_some_and(|(status, _)| status.is_live());
    if is_live {
        control(folder).give(Order::Stop)?;
    }
    Ok(is_live)
}

/// A folder while an evaluation works on it.
#[derive(Debug)]
pub struct Session {
    folder: PathBuf,
    state: State,
    log: Log,
    written: Instant,
    ended: bool,
    _lock: Lock,
}

/// Does `work` with `folder` held for this process, and writes down how it ended.
///
/// # Errors
/// When somebody else evaluates into `folder`, when nothing may or can be written there, or when `work` fails.
pub fn within<T>(folder: &Path, work: impl FnOnce(&mut Session) -> Result<T>) -> Result<T> {
    let mut session = Session::begin(folder)?;
    let result = work(&mut session);
    let ended = match &result {
        Ok(_) => {
            let reason = counted(session.state.done as u64, "photo");
            session.end(Phase::Finished, 0, reason)
        }
        Err(Error::Interrupted) => {
            session.end(Phase::Stopped, 130, "interrupted; what stood here before is unchanged".into())
        }
        Err(error) => session.end(Phase::Failed, 1, error.to_string()),
    };
    // of two errors the first is the one to tell
    result.and_then(|value| ended.map(|()| value))
}

impl Session {
    fn begin(folder: &Path) -> Result<Session> {
        if is_run(folder) {
            return Err(Error::FolderOfRun { folder: folder.to_owned() });
        }
        files::create_folder(folder)?;
        // others' files are found before anything is made
        if State::read(folder).map_err(|e| foreign(folder, e))?.is_none() {
            let mut ours = FILES.iter().map(|name| folder.join(name)).chain(pictures(folder));
            if let Some(path) = ours.find(|path| path.exists()) {
                return Err(Error::Foreign { path });
            }
        }
        let Some(lock) = Lock::take(&folder.join(LOCK_FILE))? else {
            let holder = State::read(folder).ok().flatten().map(|s| s.process.to_string());
            let holder = holder.unwrap_or_else(|| "it has not said who it is".into());
            return Err(Error::Busy { folder: folder.to_owned(), holder });
        };
        let before = State::read(folder)?.filter(|s| !s.phase.ends());
        files::sweep(&folder.join(STATE_FILE));
        sweep(&folder.join(CONTROL_FOLDER))?; // an order to one before
        sweep(&folder.join(WRITING))?;
        let (process, now) = (Process::current(), Stamp::now());
        let state = State {
            phase: Phase::Starting,
            done: 0,
            total: 0,
            process,
            started: now,
            updated: now,
            exited: None,
            exit_code: None,
            reason: None,
        };
        let log = Log::open(&folder.join(LOG_FILE))?;
        let mut session =
            Session { folder: folder.to_owned(), state, log, written: Instant::now(), ended: false, _lock: lock };
        session.write()?;
        if let Some(State { process, done, total, .. }) = before {
            session.say(&format!("the evaluation before this one ({process}) died after {done} of {total} photos"))?;
        }
        Ok(session)
    }

    /// Says something in the log.
    ///
    /// # Errors
    /// When the log cannot be written.
    pub fn say(&self, text: &str) -> Result<()> {
        Ok(self.log.say(text)?)
    }

    /// Whether it was told to end. Costs one look at the disk.
    pub fn is_told_to_stop(&self) -> bool {
        control(&self.folder).stands(Order::Stop)
    }

    /// So many photos are embedded, of so many. Told to `state.json` now and then, for whoever watches; that this
    /// fails ends nothing, as the report is still to be written and its failure will be told.
    pub fn progress(&mut self, done: usize, total: usize) {
        let first = self.state.phase == Phase::Starting;
        (self.state.phase, self.state.done, self.state.total) = (Phase::Running, done, total);
        if first || self.written.elapsed() >= BREATH {
            let _ = self.write();
        }
    }

    /// Has `write` write files into an empty folder and say which, and moves them to their places; returns those.
    ///
    /// # Errors
    /// When `write` fails or a file cannot be moved. Up to the moves, what stood here before is unchanged.
    pub fn put(&mut self, write: impl FnOnce(&Path) -> Result<Vec<PathBuf>>) -> Result<Vec<PathBuf>> {
        let beside = self.folder.join(WRITING);
        files::create_folder(&beside)?;
        let result = write(&beside).and_then(|written| self.publish(&written));
        let swept = sweep(&beside);
        result.and_then(|places| swept.map(|()| places))
    }

    fn publish(&self, written: &[PathBuf]) -> Result<Vec<PathBuf>> {
        let place = |from: &Path| self.folder.join(from.file_name().unwrap_or_default());
        let (report, rest): (Vec<_>, Vec<_>) = written.iter().partition(|path| path.ends_with(REPORT_FILE));
        if !report.is_empty() {
            // from here on nothing looks complete until the new report does
            files::remove(&self.folder.join(REPORT_FILE))?;
            // pictures of the evaluation before, which this one may not draw anew
            for picture in pictures(&self.folder) {
                files::remove(&picture)?;
            }
            files::remove(&self.folder.join(MIRRORED_FILE))?;
        }
        for from in rest.into_iter().chain(report) {
            files::rename(from, &place(from))?;
        }
        Ok(written.iter().map(|from| place(from)).collect())
    }

    fn end(&mut self, phase: Phase, exit_code: i32, reason: String) -> Result<()> {
        self.ended = true;
        let said = self.say(&format!("{}: {reason}", if phase == Phase::Finished { "finished" } else { "ended" }));
        self.state.phase = phase;
        self.state.exited = Some(Stamp::now());
        self.state.exit_code = Some(exit_code);
        self.state.reason = Some(reason);
        let swept = sweep(&self.folder.join(CONTROL_FOLDER));
        self.write().and(said).and(swept)
    }

    fn write(&mut self) -> Result<()> {
        self.written = Instant::now();
        self.state.updated = Stamp::now();
        Ok(files::replace_json(&self.folder.join(STATE_FILE), &self.state)?)
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        if !self.ended && std::thread::panicking() {
            // 101 is what Rust ends with on a panic; nobody is left to tell of a failure.
            let _ = self.end(Phase::Failed, 101, "the evaluation panicked".into());
        }
    }
}

/// Where pictures may lie in `folder`, and their shapes.
fn pictures(folder: &Path) -> impl Iterator<Item = PathBuf> {
    let paths = PICTURES.map(|name| folder.join(name)).into_iter();
    paths.flat_map(|path| [path.with_extension("svg"), path])
}

/// A `state.json` that does not read is somebody else's: ours are replaced as a whole.
fn foreign(folder: &Path, error: Error) -> Error {
    match error {
        Error::Run(RunError::Damaged { .. }) => Error::Foreign { path: folder.join(STATE_FILE) },
        other => other,
    }
}

/// Removes the folder that an evaluation wrote into.
fn sweep(folder: &Path) -> Result<()> {
    match fs::remove_dir_all(folder) {
        Err(e) if e.kind() != std::io::ErrorKind::NotFound => Err(RunError::io("remove", folder, e).into()),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(folder: &Path) -> Vec<String> {
        let mut names: Vec<_> =
            fs::read_dir(folder).unwrap().map(|e| e.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }

    /// Writes a report and a picture that both say `text`.
    fn report(beside: &Path, text: &str) -> Result<Vec<PathBuf>> {
        let paths = vec![beside.join(REPORT_FILE), beside.join("pairs.png")];
        paths.iter().for_each(|path| fs::write(path, text).unwrap());
        Ok(paths)
    }

    fn says(folder: &Path, text: &str) {
        for file in [REPORT_FILE, "pairs.png"] {
            assert_eq!(fs::read_to_string(folder.join(file)).unwrap(), text, "{file}");
        }
    }

    fn ends(folder: &Path) -> (Status, Option<i32>, String) {
        let (status, state) = standing(folder).unwrap().unwrap();
        assert!(state.exited.is_some());
        (status, state.exit_code, state.reason.unwrap())
    }

    const WHOLE: [&str; 5] = ["lock", "log.txt", "pairs.png", "report.json", "state.json"];

    #[test]
    fn an_evaluation_from_beginning_to_end() {
        let dir = tempfile::tempdir().unwrap();
        let folder = dir.path().join("eval/test");
        assert_eq!(standing(&folder).unwrap(), None);
        let places = within(&folder, |session| {
            assert_eq!(standing(&folder).unwrap().unwrap().0, Status::Starting);
            session.progress(3, 8);
            let (status, state) = standing(&folder).unwrap().unwrap();
            assert_eq!((status, state.done, state.total), (Status::Running, 3, 8));
            assert_eq!(state.process, Process::current());
            // a second one is told who is at it and what to do
            let second = within(&folder, |_| Ok(())).unwrap_err().to_string();
            let holder = format!("pid {}", std::process::id());
            for word in [folder.to_str().unwrap(), &holder, "--output-dir"] {
                assert!(second.contains(word), "{word}: {second}");
            }
            session.progress(8, 8);
            session.put(|beside| report(beside, "new"))
        });
        assert_eq!(places.unwrap(), [folder.join(REPORT_FILE), folder.join("pairs.png")]);
        says(&folder, "new");
        assert_eq!(ends(&folder), (Status::Finished, Some(0), "8 photos".into()));
        assert_eq!(names(&folder), WHOLE);
    }

    #[test]
    fn files_of_others_are_not_replaced() {
        for name in ["photos.csv", "pairs.png", "roc.svg", "mirrored.npy", "report.json"] {
            let dir = tempfile::tempdir().unwrap();
            let theirs = dir.path().join(name);
            fs::write(&theirs, "mine").unwrap();
            let error = within(dir.path(), |_| Ok(())).unwrap_err().to_string();
            assert!(error.contains(name) && error.contains("--output-dir"), "{error}");
            assert_eq!(names(dir.path()), [name]);
        }
    }

    #[test]
    fn what_fails_leaves_the_report_before_it_and_says_why() {
        let dir = tempfile::tempdir().unwrap();
        let folder = dir.path();
        within(folder, |session| session.put(|beside| report(beside, "old"))).unwrap();
        let failed = within(folder, |session| {
            session.put(|beside| report(beside, "half").and(Err(Error::Set("on purpose".into()))))
        });
        assert!(failed.is_err());
        says(folder, "old");
        assert_eq!(ends(folder), (Status::Failed, Some(1), "on purpose".into()));
        assert_eq!(names(folder), WHOLE);

        within(folder, |_| Err::<(), _>(Error::Interrupted)).unwrap_err();
        assert_eq!((ends(folder).0, ends(folder).1), (Status::Stopped, Some(130)));

        std::thread::scope(|scope| {
            let panicked = scope.spawn(|| within(folder, |_| -> Result<()> { panic!("on purpose") }));
            assert!(panicked.join().is_err());
        });
        assert_eq!((ends(folder).0, ends(folder).1), (Status::Failed, Some(101)));
        says(folder, "old");
    }

    #[test]
    fn one_that_is_told_to_stop_leaves_the_report_before_it() {
        let dir = tempfile::tempdir().unwrap();
        let folder = dir.path();
        assert!(!stop(folder).unwrap(), "there is none");
        within(folder, |session| session.put(|beside| report(beside, "old"))).unwrap();
        assert!(!stop(folder).unwrap(), "it has ended");
        let stopped = within(folder, |session| {
            session.progress(3, 8);
            assert!(!session.is_told_to_stop());
            assert!(stop(folder).unwrap() && stop(folder).unwrap(), "twice is once");
            assert_eq!(standing(folder).unwrap().unwrap().0, Status::Stopping);
            if session.is_told_to_stop() { Err(Error::Interrupted) } else { Ok(()) }
        });
        assert!(matches!(stopped, Err(Error::Interrupted)));
        assert_eq!(ends(folder).0, Status::Stopped);
        says(folder, "old");
        assert_eq!(names(folder), WHOLE);
        // an order that comes too late is none to the next
        control(folder).give(Order::Stop).unwrap();
        within(folder, |session| if session.is_told_to_stop() { Err(Error::Interrupted) } else { Ok(()) }).unwrap();
        assert_eq!(names(folder), WHOLE);
    }

    #[test]
    fn one_that_died_is_seen_and_the_next_one_works() {
        let dir = tempfile::tempdir().unwrap();
        let folder = dir.path();
        within(folder, |session| session.put(|beside| report(beside, "old"))).unwrap();
        let mut session = Session::begin(folder).unwrap();
        session.progress(3, 8);
        fs::create_dir(folder.join(WRITING)).unwrap();
        report(&folder.join(WRITING), "half").unwrap();
        fs::write(folder.join(".state.json.1-1.tmp"), "{").unwrap();
        drop(session); // as if killed
        assert_eq!(standing(folder).unwrap().unwrap().0, Status::Crashed);
        says(folder, "old");

        within(folder, |session| session.put(|beside| report(beside, "new"))).unwrap();
        says(folder, "new");
        assert_eq!(names(folder), WHOLE);
        let log = fs::read_to_string(folder.join(LOG_FILE)).unwrap();
        assert!(log.contains("died after 3 of 8 photos"), "{log}");
    }

    #[test]
    fn cut_short_among_the_moves_nothing_looks_complete() {
        let dir = tempfile::tempdir().unwrap();
        let folder = dir.path();
        within(folder, |session| session.put(|beside| report(beside, "old"))).unwrap();
        fs::remove_file(folder.join("pairs.png")).unwrap();
        fs::create_dir_all(folder.join("pairs.png/in the way")).unwrap();
        let error = within(folder, |session| session.put(|beside| report(beside, "new"))).unwrap_err().to_string();
        assert!(error.contains("pairs.png"), "{error}");
        assert!(!folder.join(REPORT_FILE).exists());
    }

    #[test]
    fn folders_of_others_are_left_alone() {
        let dir = tempfile::tempdir().unwrap();
        let refused = |file: &str, content: &str, word: &str| {
            let folder = dir.path().join(file);
            fs::create_dir(&folder).unwrap();
            fs::write(folder.join(file), content).unwrap();
            let error = within(&folder, |_| Ok(())).unwrap_err().to_string();
            assert!(error.contains(word) && error.contains("choose another --output-dir"), "{error}");
            assert_eq!(names(&folder), [file], "nothing is made there");
        };
        refused("config.toml", "", "holds a run");
        refused("state.json", "{\"theirs\": 1}", "not written by this program");
    }
}
