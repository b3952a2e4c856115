//! Whether the files of an encounter are those that were seen: by their lengths and by when they were written, and where only what
//! the system says of them has changed, by what is in them.

use std::collections::{HashMap, HashSet};
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use crate::data::tried::{self, Tried};

use super::hash;
use super::held::{Sha, sha};
use super::seen::Seen;

/// When a file was written, and when it or what is said of it was changed last, in nanoseconds; zeros where it cannot be found.
pub(super) type Mark = (u64, u64);

/// That of the file at `path`.
pub(super) fn mark(path: &Path) -> Mark {
    let at = |seconds: i64, rest: i64| (seconds as u64).wrapping_mul(1_000_000_000).wrapping_add(rest as u64);
    let meta = std::fs::metadata(path).ok();
    meta.map_or((0, 0), |meta| (at(meta.mtime(), meta.mtime_nsec()), at(meta.ctime(), meta.ctime_nsec())))
}

/// Those of several files as one.
pub(super) fn as_one(marks: impl Iterator<Item = Mark>) -> Mark {
    let with = |all: u64, one: u64| all.wrapping_mul(1_000_003).wrapping_add(one);
    marks.fold((1, 1), |all, one| (with(all.0, one.0), with(all.1, one.1)))
}

/// What stands for when files were written that are to be read once more whatever they are.
const SEE_AGAIN: u64 = 0;

/// What tells whether files below `folder` were written again: a number made of when each was; none where there is no file.
fn written_at<'a>(folder: &Path, files: impl Iterator<Item = &'a str>) -> Option<u64> {
    let at = |path: &str| {
        let meta = std::fs::metadata(folder.join(path)).ok();
        meta.map_or(0, |meta| (meta.mtime() as u64).wrapping_mul(1_000_003).wrapping_add(meta.mtime_nsec() as u64))
    };
    files.map(at).reduce(|all, one| all.wrapping_mul(31).wrapping_add(one))
}

/// As [`written_at`] of files that could not be read, and the paths of those that cannot be reached; what is whole by now is to be
/// read again whatever it is then.
pub(super) fn unread_at<'a>(folder: &Path, unread: &'a [(String, String)]) -> (Option<u64>, HashSet<&'a str>) {
    // before they are decoded once more: what is written since is another file
    let at = written_at(folder, unread.iter().map(|(path, _)| path.as_str()));
    let mut unreachable = HashSet::new();
    let mut is_whole = false;
    for (path, _) in unread {
        match tried::try_again(&folder.join(path)) {
            Tried::Whole => is_whole = true,
            Tried::Broken => {}
            Tried::Unreachable => drop(unreachable.insert(path.as_str())),
        }
    }
    // where there is no file the number stands for nothing else
    (if is_whole { Some(SEE_AGAIN) } else { at.map(|at| at.max(1)) }, unreachable)
}

/// The files of an encounter when it was seen.
#[derive(Debug)]
pub(super) struct Files {
    /// With their lengths.
    all: Vec<(String, u64)>,
    /// Their marks as one; none of what older versions wrote.
    at: Option<Mark>,
    /// Those that could not be read.
    unread: Vec<String>,
    unread_at: Option<u64>,
    /// Those of them that the system did not give.
    unreachable: Vec<String>,
    /// What was in those that could.
    read: HashMap<String, Sha>,
}

impl From<Seen> for Files {
    fn from(seen: Seen) -> Files {
        let Seen { files: all, files_at: at, photos, unread, unread_at, unreachable, .. } = seen;
        let read = photos.into_iter().filter_map(|photo| Some((photo.path, sha(&photo.sha256)?))).collect();
        Files { all, at, unread: unread.into_iter().map(|(path, _)| path).collect(), unread_at, unreachable, read }
    }
}

impl Files {
    /// Their paths, and those of the photos that were seen.
    pub(super) fn paths(&self) -> impl Iterator<Item = &str> {
        self.all.iter().map(|(path, _)| path.as_str()).chain(self.read.keys().map(String::as_str))
    }

    /// What was in those that could be read.
    pub(super) fn in_them(&self) -> Vec<(String, Option<Sha>)> {
        self.read.iter().map(|(path, sha)| (path.clone(), Some(*sha))).collect()
    }

    /// Whether these are the files `now` there, below `folder`, and where only what the system says of them is otherwise, their
    /// marks by now.
    pub(super) fn are(&self, folder: &Path, now: &[(String, u64)]) -> (bool, Option<Mark>) {
        if self.all != now || self.unread_at == Some(SEE_AGAIN) {
            return (false, None);
        }
        // that a file can be read again changes neither its length nor its times
        if self.unreachable.iter().any(|path| tried::can_be_reached(&folder.join(path))) {
            return (false, None);
        }
        let Some((written, changed)) = self.at else {
            let again = |at: u64| written_at(folder, self.unread.iter().map(String::as_str)) == Some(at);
            return (self.unread_at.is_none_or(again), None);
        };
        let found = as_one(now.iter().map(|(path, _)| mark(&folder.join(path))));
        // a copy that keeps the time of the original changes this one, and so does who may read it
        if found == (written, changed) {
            return (true, None);
        }
        let are = found.0 == written && self.have_the_same_in_them(folder);
        (are, are.then_some(found))
    }

    /// They were found to be the same where their marks are these.
    pub(super) fn are_marked(&mut self, at: Mark) {
        self.at = Some(at);
    }

    fn have_the_same_in_them(&self, folder: &Path) -> bool {
        let is_same = |(path, _): &(String, u64)| {
            self.read.get(path).is_some_and(|sha| hash::of_file(&folder.join(path)).is_ok_and(|now| now == *sha))
        };
        self.all.iter().all(is_same)
    }
}
