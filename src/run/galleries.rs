//! The galleries that the workspace knows: those in its own `galleries/`, and those that lie elsewhere by their paths in
//! `galleries.json`. A gallery is anybody's folder; forgetting one touches nothing in it.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::error::Result;
use super::files;
use super::lock::Lock;
use super::workspace::{Workspace, absolute};

/// All of `galleries.json`.
#[derive(Debug, Default, Serialize, Deserialize)]
struct Listed {
    galleries: Vec<PathBuf>,
}

impl Workspace {
    fn galleries_file(&self) -> PathBuf {
        self.root().join("galleries.json")
    }

    fn listed_galleries(&self) -> Result<Listed> {
        Ok(files::read_json_if_there(&self.galleries_file())?.unwrap_or_default())
    }

    /// The folders of all galleries, those that were listed last first; a list that cannot be read counts as none.
    pub fn galleries(&self) -> Vec<PathBuf> {
        let mut all: Vec<PathBuf> = self.listed_galleries().unwrap_or_default().galleries;
        all.reverse();
        let own = std::fs::read_dir(self.root().join("galleries")).into_iter().flatten().flatten();
        let mut own: Vec<PathBuf> = own.map(|entry| entry.path()).filter(|path| path.is_dir()).collect();
        own.sort();
        all.extend(own.into_iter().filter(|path| !all.contains(path)).collect::<Vec<_>>());
        all.retain(|path| path.is_dir());
        all
    }

    /// Puts the gallery at `path` into the list, the last one.
    ///
    /// # Errors
    /// When the list cannot be read or written.
    pub fn know_gallery(&self, path: &Path) -> Result<()> {
        let path = absolute(path)?;
        let path = path.canonicalize().unwrap_or(path);
        if path.to_str().is_none() || self.listed_galleries().is_ok_and(|l| l.galleries.last() == Some(&path)) {
            return Ok(()); // a name that a list cannot hold is known by its path alone
        }
        files::create_folder(self.root())?;
        let _lock = Lock::hold(&self.root().join("galleries.lock"))?;
        let mut listed = self.listed_galleries()?;
        listed.galleries.retain(|known| *known != path);
        listed.galleries.push(path);
        files::replace_json(&self.galleries_file(), &listed)
    }
}

#[cfg(test)]
mod tests {
    use crate::run::workspace::tests::workspace;

    #[test]
    fn galleries_are_listed_once_the_last_first_and_those_that_are_gone_not_at_all() {
        let (dir, workspace) = workspace();
        let root = dir.path().canonicalize().unwrap();
        for name in ["a", "b", "gone"] {
            std::fs::create_dir(root.join(name)).unwrap();
            workspace.know_gallery(&root.join(name)).unwrap();
        }
        workspace.know_gallery(&root.join("a/../a")).unwrap();
        std::fs::remove_dir(root.join("gone")).unwrap();
        let own = workspace.root().join("galleries/own");
        std::fs::create_dir_all(&own).unwrap();
        assert_eq!(workspace.galleries(), [root.join("a"), root.join("b"), own]);
    }
}
