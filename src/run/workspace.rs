//! The workspace: where runs, drawn datasets and the photo cache lie, and how a run is found by name.
//!
//! Every run has a folder in `runs/`, whose name is its id. A run that `--output-dir` put elsewhere has
//! there only a pointer: a folder with one file, `elsewhere`, that holds the path. So one `create_dir`
//! decides on an id, whoever else creates at the moment, and a pointer that leads nowhere spoils no list.

use std::ffi::OsStr;
use std::fs;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use super::config::Config;
use super::dir::{RunDir, is_plain_name, is_run};
use super::error::{Result, RunError, near};
use super::files;

/// The file that makes a folder in `runs/` a pointer.
const ELSEWHERE: &str = "elsewhere";

/// A workspace; nothing of it needs to exist before something is put in.
#[derive(Debug, Clone)]
pub struct Workspace {
    root: PathBuf,
}

/// A run that the workspace knows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RunEntry {
    /// It is there.
    Here(RunDir),
    /// Its folder is gone.
    Missing {
        /// The run's id.
        id: String,
        /// Where it should lie.
        target: PathBuf,
        /// The folder in `runs/` that says so.
        pointer: PathBuf,
    },
}

impl RunEntry {
    /// The run's id.
    pub fn id(&self) -> &str {
        match self {
            RunEntry::Here(run) => run.id(),
            RunEntry::Missing { id, .. } => id,
        }
    }

    /// Where the run lies, or should.
    pub fn path(&self) -> &Path {
        match self {
            RunEntry::Here(run) => run.path(),
            RunEntry::Missing { target, .. } => target,
        }
    }
}

impl RunEntry {
    /// Whether a person gave it this name.
    fn is_named(&self, name: &str) -> bool {
        !name.is_empty() && matches!(self, RunEntry::Here(run) if run.read_meta().is_ok_and(|meta| meta.name == name))
    }
}

impl Workspace {
    /// The folder given (`--workspace`), else `CARETTA_WORKSPACE`, else the account's data folder.
    pub fn open(explicit: Option<&Path>) -> Result<Workspace> {
        let named = std::env::var_os("CARETTA_WORKSPACE").filter(|v| !v.is_empty());
        let root = match (explicit, named) {
            (Some(path), _) => path.to_path_buf(),
            (None, Some(path)) => path.into(),
            (None, None) => {
                let home = directories::ProjectDirs::from("", "", "caretta").ok_or(RunError::NoWorkspace)?;
                home.data_dir().to_path_buf()
            }
        };
        Ok(Workspace { root: absolute(&root)? })
    }

    /// The folder.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// `runs/`: a folder for each run.
    pub fn runs_folder(&self) -> PathBuf {
        self.root.join("runs")
    }

    /// `cache/`: resized photos; may be deleted at any time.
    pub fn cache(&self) -> PathBuf {
        self.root.join("cache")
    }

    /// `weights/`: imported weights, a file each.
    pub fn weights_folder(&self) -> PathBuf {
        self.root.join("weights")
    }

    /// The file of the imported weights of this name, if they are there.
    pub fn weights_file(&self, name: &str) -> Option<PathBuf> {
        let path = self.weights_folder().join(format!("{name}.safetensors"));
        (is_plain_name(name) && path.is_file()).then_some(path)
    }

    /// `datasets/`: a folder for each drawn dataset.
    pub fn datasets(&self) -> PathBuf {
        self.root.join("datasets")
    }

    /// A new run under a fresh id, in `runs/` or in `output_dir`, which then must be new or empty.
    pub fn create_run(&self, config: &Config, output_dir: Option<&Path>) -> Result<RunDir> {
        config.check()?;
        let elsewhere = output_dir.map(absolute).transpose()?;
        if let Some(path) = &elsewhere {
            // Refused before an id is used up.
            if is_run(path) {
                return Err(RunError::AlreadyARun { path: path.clone() });
            }
            if path.parent() == Some(&self.runs_folder()) {
                return RunDir::create(&name_of(path), path, config);
            }
        }
        let reserved = self.reserve(config)?;
        let id = name_of(&reserved);
        let path = elsewhere.as_ref().unwrap_or(&reserved);
        let made = RunDir::create(&id, path, config).and_then(|run| match &elsewhere {
            None => Ok(run),
            Some(path) => match self.point(&reserved, path) {
                Ok(()) => Ok(run),
                Err(e) => {
                    run.unmake();
                    Err(e)
                }
            },
        });
        if made.is_err() {
            let _ = fs::remove_dir(&reserved); // only if nothing is in it; the first error is the one to tell
        }
        made
    }

    /// Makes the reserved folder a pointer to a new run. Its place was new or empty, so an older pointer
    /// to it leads to a run that is gone.
    fn point(&self, reserved: &Path, target: &Path) -> Result<()> {
        self.forget(target)?;
        files::replace(&reserved.join(ELSEWHERE), target.as_os_str().as_bytes())
    }

    /// An empty folder in `runs/` whose name says what the run is: `arcface-resnet50-2026-11-25-1`.
    fn reserve(&self, config: &Config) -> Result<PathBuf> {
        let runs = self.runs_folder();
        fs::create_dir_all(&runs).map_err(|e| RunError::io("create", &runs, e))?;
        let plain = |c: char| {
            if c.is_ascii_alphanumeric() || c == '_' { c } else { '_' }
        };
        let backbone: String = config.model.backbone.chars().take(40).map(plain).collect();
        let day = jiff::ZonedDateTime::now().date();
        for n in 1u32.. {
            let path = runs.join(format!("{}-{backbone}-{day}-{n}", config.method.name()));
            match fs::create_dir(&path) {
                Ok(()) => return Ok(path),
                Err(e) if e.kind() == io::ErrorKind::AlreadyExists => {}
                Err(e) => return Err(RunError::io("create", path, e)),
            }
        }
        Err(RunError::io("create", runs, io::ErrorKind::AlreadyExists.into()))
    }

    /// Removes pointers to `target`.
    pub(super) fn forget(&self, target: &Path) -> Result<()> {
        for entry in self.runs()? {
            let folder = self.runs_folder().join(entry.id());
            if entry.path() == target && folder != target {
                let removed = fs::remove_file(folder.join(ELSEWHERE)).and_then(|()| fs::remove_dir(&folder));
                removed.map_err(|e| RunError::io("remove", folder, e))?;
            }
        }
        Ok(())
    }

    /// All runs, by id. Folders that are no run, or are just becoming one, are left out.
    pub fn runs(&self) -> Result<Vec<RunEntry>> {
        let folder = self.runs_folder();
        let entries = match fs::read_dir(&folder) {
            Ok(entries) => entries,
            Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            Err(e) => return Err(RunError::io("read", folder, e)),
        };
        // An entry that cannot be read must not hide the others.
        let mut runs: Vec<_> = entries.flatten().filter_map(|entry| self.entry(&entry.path())).collect();
        runs.sort_by(|a, b| a.id().cmp(b.id()));
        Ok(runs)
    }

    fn entry(&self, path: &Path) -> Option<RunEntry> {
        let id = name_of(path);
        if let Ok(run) = RunDir::open(&id, path) {
            return Some(RunEntry::Here(run));
        }
        let bytes = fs::read(path.join(ELSEWHERE)).ok()?;
        let target = PathBuf::from(OsStr::from_bytes(&bytes));
        match RunDir::open(&id, &target) {
            Ok(run) => Some(RunEntry::Here(run)),
            Err(_) => Some(RunEntry::Missing { id, target, pointer: path.to_path_buf() }),
        }
    }

    /// The run of this id, in this folder, of this name, or with the only id that begins so; in that order.
    pub fn find(&self, given: &Path) -> Result<RunDir> {
        let runs = self.runs()?;
        let text = given.to_string_lossy();
        if let Some(entry) = runs.iter().find(|r| r.id() == text) {
            return here(entry);
        }
        if is_run(given) {
            let path = absolute(given)?;
            let same = |r: &&RunEntry| same_folder(r.path(), &path);
            return match runs.iter().find(same) {
                Some(entry) => here(entry),
                None => RunDir::open(&name_of(&path), &path),
            };
        }
        if given.is_dir() {
            return Err(RunError::NotARun { path: given.to_path_buf() });
        }
        let mut meant: Vec<_> = runs.iter().filter(|r| r.is_named(&text)).collect();
        if meant.is_empty() && !text.is_empty() {
            meant = runs.iter().filter(|r| r.id().starts_with(&*text)).collect();
        }
        match meant[..] {
            [entry] => here(entry),
            [] => Err(RunError::UnknownRun {
                given: text.clone().into_owned(),
                near: near(&text, runs.iter().map(RunEntry::id)),
            }),
            _ => Err(RunError::Ambiguous {
                given: text.into_owned(),
                ids: meant.iter().map(|r| r.id().to_owned()).collect(),
            }),
        }
    }

    /// What `data.dir` is to hold for what a user gave as `--data-dir`: an absolute path, so that a resume
    /// from another folder finds the photos. An existing path wins over a dataset of that name.
    pub fn data_dir(&self, given: &Path) -> Result<String> {
        let text = given.to_string_lossy();
        let path = if given.exists() {
            absolute(given)?
        } else {
            let known = self.known_datasets()?;
            match known.iter().find(|dataset| dataset.name == text) {
                Some(dataset) => dataset.path.clone(),
                None => {
                    let near = near(&text, known.iter().map(|dataset| dataset.name.as_str()));
                    return Err(RunError::UnknownData { given: text.into_owned(), near });
                }
            }
        };
        path.into_os_string().into_string().map_err(|path| RunError::NotUnicode { path: path.into() })
    }
}

fn here(entry: &RunEntry) -> Result<RunDir> {
    match entry {
        RunEntry::Here(run) => Ok(run.clone()),
        RunEntry::Missing { id, target, pointer } => {
            Err(RunError::Missing { id: id.clone(), target: target.clone(), pointer: pointer.clone() })
        }
    }
}

fn name_of(path: &Path) -> String {
    path.file_name().unwrap_or(path.as_os_str()).to_string_lossy().into_owned()
}

/// `..` is left in: the folder above a link is not the one above its target.
pub(super) fn absolute(path: &Path) -> Result<PathBuf> {
    std::path::absolute(path).map_err(|e| RunError::io("find", path, e))
}

/// Two paths to one place: equal, or by a link or `..`.
pub fn same_folder(a: &Path, b: &Path) -> bool {
    a == b || matches!((a.canonicalize(), b.canonicalize()), (Ok(a), Ok(b)) if a == b)
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use crate::run::dir::tests::config;

    pub(crate) fn workspace() -> (tempfile::TempDir, Workspace) {
        let dir = tempfile::tempdir().unwrap();
        let workspace = Workspace::open(Some(&dir.path().join("ws"))).unwrap();
        (dir, workspace)
    }

    fn ids(workspace: &Workspace) -> Vec<String> {
        workspace.runs().unwrap().iter().map(|r| r.id().to_owned()).collect()
    }

    #[test]
    fn ids_are_readable_and_never_clash() {
        let (_dir, workspace) = workspace();
        assert!(workspace.runs().unwrap().is_empty() && !workspace.root().exists(), "looking makes nothing");
        std::thread::scope(|scope| {
            for _ in 0..8 {
                scope.spawn(|| workspace.create_run(&config(), None).unwrap());
            }
        });
        let ids = ids(&workspace);
        assert_eq!(ids.len(), 8);
        let day = jiff::ZonedDateTime::now().date();
        assert!(ids[0].starts_with("arcface-resnet50-20") && ids[0].ends_with("-1"), "{} on {day}", ids[0]);

        let mut odd = config();
        odd.model.backbone = "../../etc".to_owned();
        let run = workspace.create_run(&odd, None).unwrap();
        assert_eq!(run.path().parent().unwrap(), workspace.runs_folder(), "a backbone's name leads nowhere");
    }

    #[test]
    fn a_run_elsewhere_is_listed_all_the_same() {
        let (dir, workspace) = workspace();
        let out = dir.path().join("arcface_models");
        let run = workspace.create_run(&config(), Some(&out)).unwrap();
        assert_eq!(run.path(), out);
        assert_eq!(workspace.runs().unwrap(), [RunEntry::Here(run.clone())]);
        assert_eq!(workspace.find(Path::new(run.id())).unwrap(), run);
        assert_eq!(workspace.find(&out).unwrap(), run, "by its folder it has the same id");
        assert_eq!(workspace.find(&dir.path().join("ws/../arcface_models")).unwrap().id(), run.id());
        assert!(matches!(workspace.create_run(&config(), Some(&out)), Err(RunError::AlreadyARun { .. })));

        let foreign = dir.path().join("photos");
        fs::create_dir(&foreign).unwrap();
        fs::write(foreign.join("t001.jpg"), "").unwrap();
        assert!(matches!(workspace.create_run(&config(), Some(&foreign)), Err(RunError::NotEmpty { .. })));
        assert_eq!(workspace.runs().unwrap().len(), 1, "a refused run leaves no pointer");
        assert_eq!(fs::read_dir(workspace.runs_folder()).unwrap().count(), 1);
    }

    #[test]
    fn a_vanished_run_is_missing_and_hides_no_other() {
        let (dir, workspace) = workspace();
        let out = dir.path().join("gone");
        let gone = workspace.create_run(&config(), Some(&out)).unwrap();
        let kept = workspace.create_run(&config(), None).unwrap();
        fs::remove_dir_all(&out).unwrap();
        fs::create_dir(workspace.runs_folder().join("half")).unwrap();
        fs::write(workspace.runs_folder().join("notes.txt"), "mine").unwrap();
        let runs = workspace.runs().unwrap();
        assert_eq!(runs.len(), 2);
        assert!(matches!(&runs[0], RunEntry::Missing { target, .. } if *target == out));
        assert_eq!(runs[1], RunEntry::Here(kept));
        assert!(matches!(workspace.find(Path::new(gone.id())), Err(RunError::Missing { .. })));

        // A new run in the same place takes the old pointer's place.
        let again = workspace.create_run(&config(), Some(&out)).unwrap();
        let found: Vec<_> = workspace.runs().unwrap().into_iter().filter(|r| r.path() == out).collect();
        assert_eq!(found, [RunEntry::Here(again)]);
    }

    #[test]
    fn an_output_dir_among_the_runs_needs_no_pointer() {
        let (_dir, workspace) = workspace();
        let run = workspace.create_run(&config(), Some(&workspace.runs_folder().join("mine"))).unwrap();
        assert_eq!((run.id(), ids(&workspace)), ("mine", vec!["mine".to_owned()]));
    }

    #[test]
    fn runs_are_found_by_beginning_and_near_ids_are_named() {
        let (_dir, workspace) = workspace();
        let one = workspace.create_run(&config(), Some(&workspace.runs_folder().join("turtle-1"))).unwrap();
        workspace.create_run(&config(), Some(&workspace.runs_folder().join("turtle-2"))).unwrap();
        workspace.create_run(&config(), Some(&workspace.runs_folder().join("turtle-10"))).unwrap();
        assert_eq!(workspace.find(Path::new("turtle-1")).unwrap(), one, "an id wins over a beginning");
        assert_eq!(workspace.find(Path::new("turtle-10")).unwrap().id(), "turtle-10");
        let error = |given: &str| workspace.find(Path::new(given)).unwrap_err().to_string();
        assert_eq!(
            error("turt"),
            "turt: several runs are called so or begin like this: turtle-1, turtle-10, turtle-2; give more of the id"
        );
        assert!(error("tutle-2").contains("did you mean turtle-2"), "{}", error("tutle-2"));
        assert!(error("").contains("no run of that id"), "{}", error(""));
        assert!(error(workspace.root().to_str().unwrap()).contains("no run in this folder"));
    }

    #[test]
    fn photos_are_found_by_path_or_name() {
        let (dir, workspace) = workspace();
        fs::create_dir_all(workspace.datasets().join("synthetic-24")).unwrap();
        let drawn = workspace.data_dir(Path::new("synthetic-24")).unwrap();
        assert_eq!(Path::new(&drawn), workspace.datasets().join("synthetic-24"));
        assert_eq!(Path::new(&workspace.data_dir(dir.path()).unwrap()), dir.path());
        assert!(Path::new(&workspace.data_dir(Path::new("src")).unwrap()).is_absolute());
        let error = workspace.data_dir(Path::new("sinthetic-24")).unwrap_err().to_string();
        assert!(error.contains("did you mean synthetic-24?"), "{error}");
        assert!(workspace.data_dir(Path::new("../datasets/synthetic-24")).is_err());
    }

    #[test]
    #[cfg(target_os = "linux")] // root ignores permissions, but nobody writes into /proc
    fn a_place_that_cannot_be_written_is_an_error_that_says_so() {
        let workspace = Workspace::open(Some(Path::new("/proc/caretta"))).unwrap();
        assert!(workspace.create_run(&config(), None).unwrap_err().to_string().contains("/proc/caretta"));
    }
}
