//! One run's folder: where each file lies, how the folder comes about, and what can be read off it.
//!
//! A folder is a run once it has a `config.toml`, which is written last: a creation that was cut short
//! leaves no half a run. Knows no workspace: a run can lie anywhere.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::config::{Config, Outline};
use super::control::{Control, Order};
use super::corrections::{read_columns, write_columns, write_duplicates};
use super::error::{Result, RunError};
use super::state::State;
use super::status::{self, Status};
use super::{files, lock};
use crate::data::corrections::Corrections;

/// What a person may change about a run.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Meta {
    /// What lists show; the id at first.
    pub name: String,
    /// Free text.
    pub note: String,
}

/// Which of a run's two checkpoints.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Which {
    /// The highest validation mAP.
    Best,
    /// The latest.
    Last,
    /// What the run stands for: `Best` where a `valid` part chose it, else `Last`.
    Auto,
}

/// A run's folder.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RunDir {
    id: String,
    path: PathBuf,
}

/// How a run stands, read at one moment.
#[derive(Debug, Clone, PartialEq)]
pub struct Standing {
    /// The derived status.
    pub status: Status,
    /// Why, in a line.
    pub reason: String,
    /// What the trainer said last.
    pub state: State,
}

impl Standing {
    /// Whether a trainer is there that can be told something, though it may wait for its turn.
    pub fn is_held(&self) -> bool {
        self.status.is_live() || self.waits()
    }

    /// Whether a trainer waits for its turn.
    pub fn waits(&self) -> bool {
        self.status == Status::Queued && self.state.place.is_some()
    }
}

impl RunDir {
    /// Makes a run in `path`: a folder that is not there yet, or is empty. Its id is for messages and lists.
    pub fn create(id: &str, path: &Path, config: &Config) -> Result<RunDir> {
        config.check()?;
        if is_run(path) {
            return Err(RunError::AlreadyARun { path: path.to_path_buf() });
        }
        files::create_folder(path)?;
        let mut entries = fs::read_dir(path).map_err(|e| RunError::io("read", path, e))?;
        if entries.next().is_some() {
            return Err(RunError::NotEmpty { path: path.to_path_buf() });
        }
        let run = RunDir { id: id.to_owned(), path: path.to_path_buf() };
        // Of two that create here at once, the one that makes this file goes on.
        match fs::File::create_new(run.lock()) {
            Ok(_) => {}
            Err(e) if e.kind() == io::ErrorKind::AlreadyExists => {
                return Err(RunError::AlreadyARun { path: path.to_path_buf() });
            }
            Err(e) => return Err(RunError::io("create", run.lock(), e)),
        }
        if let Err(e) = run.fill(config) {
            run.unmake();
            return Err(e);
        }
        Ok(run)
    }

    fn fill(&self, config: &Config) -> Result<()> {
        for folder in [self.control_folder(), self.checkpoints(), self.evaluations()] {
            fs::create_dir(&folder).map_err(|e| RunError::io("create", folder, e))?;
        }
        self.set_meta(&Meta { name: self.id.clone(), note: String::new() })?;
        State::queued().write(&self.state())?;
        config.save(&self.config())
    }

    /// Takes back a creation that could not be completed, so that the next one finds an empty folder again.
    /// Removes only what a creation makes; a folder in which something else has appeared stays.
    pub(super) fn unmake(&self) {
        // Nobody is left to tell of a failure: the error that led here is on its way.
        for file in [self.config(), self.state(), self.meta(), self.lock()] {
            let _ = fs::remove_file(file);
        }
        for folder in [self.control_folder(), self.checkpoints(), self.evaluations()] {
            let _ = fs::remove_dir(folder);
        }
    }

    /// An existing run. `id` is what the workspace calls it; for a folder alone use its name.
    pub fn open(id: &str, path: &Path) -> Result<RunDir> {
        if !is_run(path) {
            return Err(RunError::NotARun { path: path.to_path_buf() });
        }
        Ok(RunDir { id: id.to_owned(), path: path.to_path_buf() })
    }

    /// The run's id.
    pub fn id(&self) -> &str {
        &self.id
    }

    /// The folder.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// `config.toml`.
    pub fn config(&self) -> PathBuf {
        self.path.join("config.toml")
    }

    /// `columns.toml`: what was said of its table's columns; not there where nothing was.
    fn columns(&self) -> PathBuf {
        self.path.join("columns.toml")
    }

    /// `duplicates.json`: which of its dataset's photos showed the same when it began; not there where nobody had looked.
    fn duplicates(&self) -> PathBuf {
        self.path.join("duplicates.json")
    }

    /// `corrections.csv`: what was corrected about its dataset when it began; not there where nothing was.
    pub fn corrections(&self) -> PathBuf {
        self.path.join("corrections.csv")
    }

    /// `meta.json`.
    pub fn meta(&self) -> PathBuf {
        self.path.join("meta.json")
    }

    /// `state.json`.
    pub fn state(&self) -> PathBuf {
        self.path.join("state.json")
    }

    /// `metrics.jsonl`.
    pub fn metrics(&self) -> PathBuf {
        self.path.join("metrics.jsonl")
    }

    /// `log.txt`.
    pub fn log(&self) -> PathBuf {
        self.path.join("log.txt")
    }

    /// `lock`.
    pub fn lock(&self) -> PathBuf {
        self.path.join(lock::FILE)
    }

    /// `checkpoints/`.
    pub fn checkpoints(&self) -> PathBuf {
        self.path.join("checkpoints")
    }

    /// `checkpoints/last.safetensors`, which need not be there.
    pub fn last(&self) -> PathBuf {
        self.checkpoints().join("last.safetensors")
    }

    /// `checkpoints/best.safetensors`, which need not be there.
    pub fn best(&self) -> PathBuf {
        self.checkpoints().join("best.safetensors")
    }

    /// `eval/`.
    pub fn evaluations(&self) -> PathBuf {
        self.path.join("eval")
    }

    /// `eval/<name>/`, which need not be there; a name that could lead elsewhere is refused.
    pub fn evaluation(&self, name: &str) -> Result<PathBuf> {
        if !is_plain_name(name) {
            return Err(RunError::BadName { given: name.to_owned() });
        }
        Ok(self.evaluations().join(name))
    }

    pub(super) fn control_folder(&self) -> PathBuf {
        self.path.join("control")
    }

    /// The orders for its trainer.
    pub fn control(&self) -> Control {
        Control::new(&self.control_folder())
    }

    /// What the run was configured with.
    pub fn read_config(&self) -> Result<Config> {
        Config::load(&self.config())
    }

    /// What a list shows of the configuration.
    pub fn read_outline(&self) -> Result<Outline> {
        Outline::load(&self.config())
    }

    /// What was corrected about its dataset when it began.
    pub fn read_corrections(&self) -> Result<Corrections> {
        let corrections = Corrections::read(&self.corrections())?.with_columns(read_columns(&self.columns())?);
        Ok(corrections.with_duplicates(files::read_json_if_there(&self.duplicates())?))
    }

    /// Notes what is corrected about its dataset as it begins.
    pub fn set_corrections(&self, corrections: &Corrections) -> Result<()> {
        write_columns(&self.columns(), corrections.columns())?;
        write_duplicates(&self.duplicates(), corrections.duplicates())?;
        if corrections.is_empty() {
            return files::remove(&self.corrections());
        }
        files::replace(&self.corrections(), &corrections.to_csv()?)
    }

    /// What the trainer said last.
    pub fn read_state(&self) -> Result<State> {
        State::read(&self.state())
    }

    /// Name and note; a missing file has neither, a damaged one is an error.
    pub fn read_meta(&self) -> Result<Meta> {
        Ok(files::read_json_if_there(&self.meta())?.unwrap_or_default())
    }

    /// Changes name and note.
    pub fn set_meta(&self, meta: &Meta) -> Result<()> {
        files::replace_json(&self.meta(), meta)
    }

    /// Whether a trainer holds the run at this moment.
    pub fn is_held(&self) -> Result<bool> {
        lock::is_held(&self.lock())
    }

    /// How the run stands.
    ///
    /// Lock and state are two looks, and a trainer may begin or end between them. Looking at the lock first
    /// settles the end: a lock found free was let go after the last word.
    pub fn standing(&self) -> Result<Standing> {
        let (status, state) = status::settle(|| {
            let held = self.is_held()?;
            let state = self.read_state()?;
            let stop = self.control().stands(Order::Stop);
            Ok::<_, RunError>((status::derive(held, state.phase, state.place.is_some(), stop), state))
        })?;
        Ok(Standing { status, reason: status::reason(status, &state), state })
    }

    /// The checkpoint file that `which` means; an error says if it is not there.
    pub fn checkpoint(&self, which: Which) -> Result<PathBuf> {
        let chosen_by_valid = || {
            let best = self.read_state().ok().and_then(|s| s.best);
            best.and_then(|b| b.part).as_deref() == Some("valid")
        };
        let (which, path) = match which {
            Which::Best => ("best", self.best()),
            Which::Auto if chosen_by_valid() && self.best().exists() => ("best", self.best()),
            Which::Last | Which::Auto => ("last", self.last()),
        };
        if path.exists() {
            return Ok(path);
        }
        Err(RunError::NoCheckpoint { id: self.id.clone(), which, path })
    }
}

/// Whether the folder holds a run.
pub fn is_run(path: &Path) -> bool {
    path.join("config.toml").is_file()
}

/// A name that, as part of a path, stays where it is put: no separator, no `..`, nothing hidden, nothing odd.
pub fn is_plain_name(name: &str) -> bool {
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    !name.is_empty() && name.len() <= 200 && !name.starts_with('.') && name.chars().all(plain)
}

/// A plain name made of `text`, or `other` where nothing is left of it.
pub fn plain_name(text: &str, other: &str) -> String {
    let plain = |c: char| if c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.') { c } else { '-' };
    let name: String = text.trim_start_matches('.').chars().take(60).map(plain).collect();
    if name.is_empty() { other.to_owned() } else { name }
}

/// `base`, or with the first number from 2 on that makes it free.
pub fn free_name(base: String, is_taken: impl Fn(&str) -> bool) -> String {
    let numbered = (2..).map(|n| format!("{base}-{n}"));
    std::iter::once(base.clone()).chain(numbered).find(|name| !is_taken(name)).unwrap_or(base)
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use crate::run::config::Method;
    use crate::run::lock::Lock;
    use crate::run::lock::tests::while_looking;
    use crate::run::state::{Phase, Score};

    /// A configuration that may be created: the preset with some photos named.
    pub(crate) fn config() -> Config {
        let mut config = Config::preset(Method::Arcface);
        config.data.dir = "turtles".to_owned();
        config
    }

    #[test]
    fn a_new_run_has_all_its_files_and_is_queued() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("deep/arcface_models");
        let run = RunDir::create("a", &path, &config()).unwrap();
        assert_eq!(run.read_config().unwrap(), config());
        assert_eq!(run.read_meta().unwrap().name, "a");
        assert_eq!(run.standing().unwrap().status, Status::Queued);
        assert_eq!(RunDir::open("a", &path).unwrap(), run);
        assert!(matches!(run.checkpoint(Which::Auto), Err(RunError::NoCheckpoint { which: "last", .. })));
        assert!(matches!(run.checkpoint(Which::Best), Err(RunError::NoCheckpoint { which: "best", .. })));
    }

    #[test]
    fn a_run_is_made_in_an_empty_folder_only() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path();
        let run = RunDir::create("a", path, &config()).unwrap(); // an existing empty folder is fine
        let error = RunDir::create("a", path, &config()).unwrap_err();
        assert!(matches!(error, RunError::AlreadyARun { .. }), "{error}");
        assert!(error.to_string().contains("caretta run resume"), "{error}");
        fs::remove_file(run.config()).unwrap();
        assert!(matches!(RunDir::create("a", path, &config()), Err(RunError::NotEmpty { .. })));
        assert!(matches!(RunDir::open("a", path), Err(RunError::NotARun { .. })));

        let mut none = config();
        none.data.dir.clear();
        let fresh = dir.path().join("fresh");
        assert!(matches!(RunDir::create("a", &fresh, &none), Err(RunError::NoData)));
        assert!(!fresh.exists(), "a refused configuration leaves nothing behind");
    }

    #[test]
    fn of_many_that_create_at_once_one_does() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("run");
        let made = std::thread::scope(|scope| {
            let tries: Vec<_> = (0..8).map(|_| scope.spawn(|| RunDir::create("a", &path, &config()).is_ok())).collect();
            tries.into_iter().map(|t| t.join().unwrap()).filter(|&made| made).count()
        });
        assert_eq!(made, 1);
        assert_eq!(RunDir::open("a", &path).unwrap().read_config().unwrap(), config());
    }

    #[test]
    fn a_creation_taken_back_leaves_an_empty_folder() {
        let dir = tempfile::tempdir().unwrap();
        RunDir::create("a", dir.path(), &config()).unwrap().unmake();
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 0);
        RunDir::create("a", dir.path(), &config()).unwrap();
    }

    #[test]
    fn a_run_stands_for_best_only_where_valid_chose_it() {
        let dir = tempfile::tempdir().unwrap();
        let run = RunDir::create("a", &dir.path().join("a"), &config()).unwrap();
        fs::write(run.last(), "").unwrap();
        fs::write(run.best(), "").unwrap();
        for (part, expected) in [(None, run.last()), (Some("test"), run.last()), (Some("valid"), run.best())] {
            let mut state = run.read_state().unwrap();
            let part = part.map(str::to_owned);
            state.best = Some(Score { epoch: 1, step: 9, part, rank1: Some(0.5), map: Some(0.4) });
            state.write(&run.state()).unwrap();
            assert_eq!(run.checkpoint(Which::Auto).unwrap(), expected);
        }
        assert_eq!(run.checkpoint(Which::Best).unwrap(), run.best());
        assert_eq!(run.checkpoint(Which::Last).unwrap(), run.last());
    }

    #[test]
    fn a_beginning_is_never_seen_as_a_crash() {
        let dir = tempfile::tempdir().unwrap();
        let run = RunDir::create("a", &dir.path().join("a"), &config()).unwrap();
        let look = || {
            let status = run.standing().unwrap().status;
            let fine = matches!(status, Status::Running | Status::Stopped | Status::Queued | Status::Starting);
            assert!(fine, "{status}");
        };
        while_looking(1, look, || {
            for _ in 0..50 {
                let lock = Lock::take(&run.lock()).unwrap().unwrap();
                let mut state = run.read_state().unwrap();
                for phase in [Phase::Running, Phase::Stopped] {
                    state.phase = phase;
                    state.write(&run.state()).unwrap();
                }
                drop(lock);
            }
        });
    }

    #[test]
    fn a_crash_is_believed_at_the_second_look() {
        let state = |step| State { phase: Phase::Running, step, ..State::queued() };
        let (one, two) = (state(1), state(2));
        let settled = |looks: &[(Status, &State)]| {
            let mut looks = looks.iter();
            let found =
                status::settle(|| looks.next().map(|(s, state)| (*s, (*state).clone())).ok_or(RunError::NoData));
            assert!(looks.next().is_none(), "no look too few");
            found.unwrap()
        };
        use Status::{Crashed, Running, Stopped};
        assert_eq!(settled(&[(Running, &one)]), (Running, one.clone()));
        assert_eq!(settled(&[(Crashed, &one), (Crashed, &one)]), (Crashed, one.clone()));
        assert_eq!(settled(&[(Crashed, &one), (Running, &one)]), (Running, one.clone()));
        assert_eq!(settled(&[(Crashed, &one), (Crashed, &two), (Stopped, &two)]), (Stopped, two));
    }

    #[test]
    fn names_of_evaluations_lead_nowhere_else() {
        let dir = tempfile::tempdir().unwrap();
        let run = RunDir::create("a", &dir.path().join("a"), &config()).unwrap();
        assert_eq!(run.evaluation("test-best").unwrap(), run.path().join("eval/test-best"));
        for name in ["", ".", "..", ".hidden", "a/b", "/etc", "a\u{1b}b", "é"] {
            assert!(run.evaluation(name).is_err(), "{name:?}");
        }
    }
}
