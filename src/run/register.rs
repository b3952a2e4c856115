//! The register of datasets: `datasets.json` in the workspace, a name and a path each.
//!
//! A name is what `--data-dir` takes in place of a path. Datasets that were drawn lie in the workspace's `datasets/`
//! and are known without an entry. The photos themselves are the user's: forgetting a name touches none.

use std::fs;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::data::manifest::Manifest;

use super::dir::{free_name, is_plain_name, plain_name};
use super::error::{Result, RunError, near};
use super::files;
use super::lock::Lock;
use super::workspace::{Workspace, absolute, same_folder};

/// A dataset that the workspace knows by name.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Dataset {
    /// What `--data-dir` takes.
    pub name: String,
    /// Folder or table.
    pub path: PathBuf,
    /// It was drawn, and lies in the workspace.
    pub drawn: bool,
}

/// All of `datasets.json`.
#[derive(Debug, Default, Serialize, Deserialize)]
struct Register {
    datasets: Vec<Entry>,
}

#[derive(Debug, Serialize, Deserialize)]
struct Entry {
    name: String,
    path: String,
}

impl Dataset {
    /// Whether its name can be taken away and its photos stay.
    ///
    /// # Errors
    /// When it was drawn: its folder is all that names it.
    pub fn forgettable(&self) -> Result<()> {
        if self.drawn {
            return Err(RunError::Drawn { name: self.name.clone(), path: self.path.clone() });
        }
        Ok(())
    }
}

impl Workspace {
    fn register_file(&self) -> PathBuf {
        self.root().join("datasets.json")
    }

    fn register(&self) -> Result<Register> {
        Ok(files::read_json_if_there(&self.register_file())?.unwrap_or_default())
    }

    /// Changes the register with no other process in between.
    fn change_register<T>(&self, change: impl FnOnce(&mut Register) -> Result<T>) -> Result<T> {
        files::create_folder(self.root())?;
        let _lock = Lock::hold(&self.root().join("datasets.lock"))?;
        let mut register = self.register()?;
        let done = change(&mut register)?;
        files::replace_json(&self.register_file(), &register)?;
        Ok(done)
    }

    /// Every dataset with a name, sorted by it: those added and those drawn.
    ///
    /// # Errors
    /// When `datasets.json` cannot be read.
    pub fn known_datasets(&self) -> Result<Vec<Dataset>> {
        let entries = self.register()?.datasets.into_iter();
        let mut known: Vec<_> = entries.map(|e| Dataset { name: e.name, path: e.path.into(), drawn: false }).collect();
        let drawn = fs::read_dir(self.datasets()).into_iter().flatten().flatten().filter_map(|entry| {
            let name = entry.file_name().into_string().ok().filter(|name| is_plain_name(name))?;
            entry.path().is_dir().then(|| Dataset { name, path: entry.path(), drawn: true })
        });
        known.extend(drawn);
        known.sort_by(|a, b| a.name.cmp(&b.name));
        known.dedup_by(|b, a| a.name == b.name);
        Ok(known)
    }

    /// Adds the dataset at `path` under `name`, else under one made of its folder's; one that is known already keeps
    /// the name it has. That photos lie there is for the caller to know.
    ///
    /// # Errors
    /// When nothing is at `path`, the name is not usable or means another dataset, or the register cannot be written.
    pub fn add_dataset(&self, path: &Path, name: Option<&str>) -> Result<Dataset> {
        let unknown = || RunError::UnknownData { given: path.to_string_lossy().into_owned(), near: Vec::new() };
        if !path.exists() {
            return Err(unknown());
        }
        let path = absolute(path)?;
        self.refuse_own(&path)?;
        let text = path.clone().into_os_string().into_string();
        let text = text.map_err(|path| RunError::NotUnicode { path: path.into() })?;
        if let Some(name) = name.filter(|name| !is_plain_name(name)) {
            return Err(RunError::BadName { given: name.to_owned() });
        }
        self.change_register(|register| {
            let known = self.known_datasets()?;
            if let Some(same) = known.iter().find(|d| same_folder(&d.path, &path))
                && name.is_none_or(|name| name == same.name)
            {
                return Ok(same.clone());
            }
            let holder = |name: &str| known.iter().find(|d| d.name == name);
            let name = match name {
                Some(name) => match holder(name) {
                    Some(other) => {
                        return Err(RunError::NameTaken { name: name.to_owned(), by: other.path.clone() });
                    }
                    None => name.to_owned(),
                },
                None => free_name(name_for(&path), |name| holder(name).is_some()),
            };
            register.datasets.push(Entry { name: name.clone(), path: text });
            Ok(Dataset { name, path, drawn: false })
        })
    }

    /// Refuses the workspace and what lies in it, but for the datasets that were drawn there.
    fn refuse_own(&self, path: &Path) -> Result<()> {
        let real = |path: &Path| path.canonicalize().unwrap_or_else(|_| path.to_path_buf());
        let (path, root, drawn) = (real(path), real(self.root()), real(&self.datasets()));
        if path.starts_with(&root) && (path == drawn || !path.starts_with(&drawn)) {
            return Err(RunError::InWorkspace { path });
        }
        Ok(())
    }

    /// As [`Workspace::add_dataset`], with its photos: what cannot be read is refused, and not kept as a line that never
    /// works.
    ///
    /// # Errors
    /// Those of [`Workspace::open_dataset`] and [`Workspace::add_dataset`].
    pub fn adopt_dataset(&self, path: &Path, name: Option<&str>) -> Result<(Dataset, Manifest)> {
        let manifest = self.open_dataset(path)?;
        Ok((self.add_dataset(path, name)?, manifest))
    }

    /// Takes `name` out of the register; the photos stay. A drawn dataset has no entry, and is known for as long as
    /// its folder is there.
    ///
    /// # Errors
    /// When the dataset was drawn, the register has no such name or cannot be written.
    pub fn forget_dataset(&self, name: &str) -> Result<Dataset> {
        if let Some(known) = self.known_datasets()?.iter().find(|d| d.name == name) {
            known.forgettable()?;
        }
        self.change_register(|register| match register.datasets.iter().position(|e| e.name == name) {
            Some(at) => {
                let entry = register.datasets.remove(at);
                Ok(Dataset { name: entry.name, path: entry.path.into(), drawn: false })
            }
            None => {
                let near = near(name, register.datasets.iter().map(|e| e.name.as_str()));
                Err(RunError::UnknownData { given: name.to_owned(), near })
            }
        })
    }
}

/// A usable name for what lies at `path`: its folder's, a table's being that of the folder around it.
pub(super) fn name_for(path: &Path) -> String {
    let folder = if path.is_file() { path.parent().unwrap_or(path) } else { path };
    let name = folder.file_name().map(|n| n.to_string_lossy().into_owned()).unwrap_or_default();
    plain_name(&name, "photos")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::run::workspace::tests::workspace;

    #[test]
    fn data_sets_are_added_found_and_forgotten() {
        let (dir, workspace) = workspace();
        let make = |name: &str| {
            let path = dir.path().join(name);
            fs::create_dir_all(&path).unwrap();
            path
        };
        assert!(workspace.known_datasets().unwrap().is_empty());
        let (one, two) = (make("one/schildkröten"), make("two/schildkröten"));
        let first = workspace.add_dataset(&one, None).unwrap();
        assert_eq!((first.name.as_str(), first.drawn), ("schildkr-ten", false));
        assert_eq!(workspace.add_dataset(&one, None).unwrap(), first, "twice is once");
        assert_eq!(workspace.add_dataset(&two, None).unwrap().name, "schildkr-ten-2");
        let taken = workspace.add_dataset(&two, Some("schildkr-ten")).unwrap_err();
        assert!(taken.to_string().contains("one/schildkröten"), "{taken}");
        assert!(matches!(workspace.add_dataset(&one, Some("a/b")), Err(RunError::BadName { .. })));
        assert!(matches!(workspace.add_dataset(&one.join("x"), None), Err(RunError::UnknownData { .. })));

        std::fs::create_dir_all(workspace.runs_folder()).unwrap();
        for own in [workspace.root().to_path_buf(), workspace.runs_folder(), workspace.root().join("../ws")] {
            let refused = workspace.add_dataset(&own, None).unwrap_err();
            assert!(matches!(refused, RunError::InWorkspace { .. }), "{}: {refused}", own.display());
        }
        make("workspace-of-none");
        fs::create_dir_all(workspace.datasets().join("turtles-666")).unwrap();
        fs::create_dir_all(workspace.datasets().join(".turtles.drawing-1")).unwrap();
        let names: Vec<_> = workspace.known_datasets().unwrap().into_iter().map(|d| (d.name, d.drawn)).collect();
        assert_eq!(
            names,
            [("schildkr-ten".into(), false), ("schildkr-ten-2".into(), false), ("turtles-666".into(), true)]
        );
        assert_eq!(Path::new(&workspace.data_dir("schildkr-ten".as_ref()).unwrap()), one);
        let gone = workspace.data_dir("schildkr-tn".as_ref()).unwrap_err();
        assert!(gone.to_string().contains("schildkr-ten"), "{gone}");

        assert_eq!(workspace.forget_dataset("schildkr-ten").unwrap().path, one);
        assert!(one.is_dir(), "the photos stay");
        let refused = workspace.forget_dataset("turtles-666");
        assert!(matches!(refused, Err(RunError::Drawn { .. })), "its folder is its entry: {refused:?}");
        assert!(workspace.data_dir("schildkr-ten".as_ref()).is_err());
    }

    #[test]
    fn two_that_add_at_once_lose_nothing() {
        let (dir, workspace) = workspace();
        std::thread::scope(|scope| {
            for n in 0..8 {
                let path = dir.path().join(format!("photos-{n}"));
                fs::create_dir_all(&path).unwrap();
                let workspace = &workspace;
                scope.spawn(move || workspace.add_dataset(&path, None).unwrap());
            }
        });
        assert_eq!(workspace.known_datasets().unwrap().len(), 8);
    }
}
