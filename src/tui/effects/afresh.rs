//! Whether the files of a folder that is gone through are others than when somebody began to look at them last, so that photos that
//! come, or are repaired, are seen without a key.
//!
//! Only names, lengths and times are read. A copy in the middle is waited for: what changes from one look to the next is not done.

use std::collections::{HashMap, HashSet};
use std::fs;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, TryRecvError, channel};
use std::thread;
use std::time::{Duration, Instant};

use crate::data::formats::named_like_photo;

/// Between two looks at least.
const EVERY: Duration = Duration::from_secs(3);
/// Of the time looks take at most one part in so many.
const PART: u32 = 20;
/// So long a folder is waited for that never rests.
const PATIENCE: Duration = Duration::from_secs(30);

/// What tells the photos in and below `folder` from those before; what lies in `gallery` changes by looking.
pub(super) fn mark(folder: &Path, gallery: &Path) -> u64 {
    let id = |meta: fs::Metadata| (meta.dev(), meta.ino());
    // these are not gone into from below
    let mut seen: HashSet<_> = [folder, gallery].iter().filter_map(|path| fs::metadata(path).ok().map(id)).collect();
    let (mut open, mut mark) = (vec![folder.to_path_buf()], 0_u64);
    while let Some(one) = open.pop() {
        for entry in fs::read_dir(&one).into_iter().flatten().flatten() {
            let path = entry.path();
            // links are followed, but not round in a circle
            let Ok(meta) = fs::metadata(&path) else { continue };
            if entry.file_name().as_encoded_bytes().starts_with(b".") {
                continue;
            }
            let (mut hasher, is_folder) = (DefaultHasher::new(), meta.is_dir());
            path.hash(&mut hasher);
            if is_folder && seen.insert(id(meta.clone())) {
                open.push(path);
            } else if !is_folder && (named_like_photo(&path) || path.extension().is_none()) {
                (meta.len(), meta.mtime(), meta.mtime_nsec()).hash(&mut hasher);
            } else {
                continue;
            }
            mark = mark.wrapping_add(hasher.finish()); // in any order
        }
    }
    mark
}

/// A look at a folder that goes on.
#[derive(Debug)]
struct Walk {
    began: Instant,
    /// Its mark and how long it took.
    came: Receiver<(u64, Duration)>,
    /// Somebody began to look at the photos since: it tells nothing.
    is_stale: bool,
}

/// The looks that go on, each on a thread of its own, one a gallery and folder: a mount that does not answer stops nobody else.
#[derive(Debug, Default)]
pub(super) struct Walks(HashMap<(PathBuf, PathBuf), Walk>);

impl Walks {
    /// What goes on at `folder` tells nothing.
    pub(super) fn are_stale(&mut self, gallery: &Path, folder: &Path) {
        if let Some(walk) = self.0.get_mut(&(gallery.to_path_buf(), folder.to_path_buf())) {
            walk.is_stale = true;
        }
    }

    /// What the look at `folder` found: when it began, how long it took and its mark. Where none goes on and one `is_due`, it is
    /// begun.
    pub(super) fn at(&mut self, gallery: &Path, folder: &Path, is_due: bool) -> Option<((Instant, Duration), u64)> {
        self.by(gallery, folder, is_due, mark)
    }

    fn by(
        &mut self,
        gallery: &Path,
        folder: &Path,
        is_due: bool,
        look: impl FnOnce(&Path, &Path) -> u64 + Send + 'static,
    ) -> Option<((Instant, Duration), u64)> {
        let of = (gallery.to_path_buf(), folder.to_path_buf());
        if let Some(walk) = self.0.get(&of) {
            let found = match walk.came.try_recv() {
                Err(TryRecvError::Empty) => return None,
                Err(TryRecvError::Disconnected) => None,
                Ok((mark, took)) => Some(((walk.began, took), mark)).filter(|_| !walk.is_stale),
            };
            self.0.remove(&of);
            return found;
        }
        if is_due {
            let (tell, came) = channel();
            let (began, (gallery, folder)) = (Instant::now(), of.clone());
            let walk = move || {
                let mark = look(&folder, &gallery);
                let _ = tell.send((mark, began.elapsed())); // nobody may wait any more
            };
            // where no thread can be had the next look tries again
            if thread::Builder::new().name("photos".to_owned()).spawn(walk).is_ok() {
                self.0.insert(of, Walk { began, came, is_stale: false });
            }
        }
        None
    }
}

/// What was found by looks at one folder.
#[derive(Debug, Default)]
pub(super) struct Afresh {
    last: Option<u64>,
    /// When files were first found to be others, after somebody looked at them last.
    since: Option<Instant>,
    /// What they were when that began.
    seen: Option<u64>,
    pub(super) next: Option<Instant>,
}

impl Afresh {
    /// Whether it is time for a look at `now`.
    pub(super) fn is_due(&self, now: Instant) -> bool {
        self.next.is_none_or(|next| now >= next)
    }

    /// Whether a look that began at `now`, took so long and found `mark` says that somebody should look at the photos, where who
    /// looked last began when it was `seen`.
    pub(super) fn is_otherwise(&mut self, (now, took): (Instant, Duration), mark: u64, seen: Option<u64>) -> bool {
        self.next = Some(now + EVERY.max(took * PART));
        let rests = self.last.replace(mark) == Some(mark);
        if std::mem::replace(&mut self.seen, seen) != seen {
            self.since = None; // a copy that goes on over a look is waited for anew
        }
        if seen == Some(mark) {
            self.since = None;
            return false;
        }
        let since = *self.since.get_or_insert(now);
        rests || now.duration_since(since) >= PATIENCE
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn photos_that_come_go_or_are_written_again_make_another_mark_and_nothing_else_does() {
        let dir = tempfile::tempdir().unwrap();
        let week = dir.path().join("week");
        let gallery = week.join("g");
        fs::create_dir_all(week.join("a")).unwrap();
        fs::create_dir_all(&gallery).unwrap();
        let put = |path: &str, text: &str| fs::write(week.join(path), text).unwrap();
        put("a/1.jpg", "whole");
        std::os::unix::fs::symlink(&week, week.join("a/round")).unwrap();
        let now = || mark(&week, &gallery);
        let mut before = now();
        for (path, text) in [("a/notes.txt", "seen"), ("g/facts", "more"), ("a/.hidden.jpg", "x")] {
            put(path, text);
            assert_eq!(now(), before, "{path}");
        }
        for (path, text) in [("a/2.jpg", "half"), ("a/2.jpg", "half and half"), ("3", "no ending"), ("2.JPG", "loose")]
        {
            put(path, text);
            assert_ne!(std::mem::replace(&mut before, now()), now(), "{path}: {text}");
        }
        let later = std::time::SystemTime::now() + Duration::from_secs(9);
        fs::File::options().append(true).open(week.join("a/1.jpg")).unwrap().set_modified(later).unwrap();
        assert_ne!(std::mem::replace(&mut before, now()), now(), "it may be repaired and as long as it was");
        fs::remove_file(week.join("a/2.jpg")).unwrap();
        assert_ne!(std::mem::replace(&mut before, now()), now());
        fs::create_dir(week.join("b")).unwrap();
        assert_ne!(before, now(), "empty folders are counted");
    }

    #[test]
    fn a_folder_that_does_not_answer_is_looked_at_once_and_keeps_nobody_waiting() {
        let mut walks = Walks::default();
        let (answer, waits) = channel::<u64>();
        let (dead, other, gallery) = (Path::new("/dead"), Path::new("/other"), Path::new("/g"));
        assert_eq!(walks.by(gallery, dead, true, move |_, _| waits.recv().unwrap_or(0)), None);
        assert_eq!(walks.by(gallery, dead, true, |_, _| panic!("one at a time")), None);
        let found = |walks: &mut Walks, folder: &Path| {
            while walks.0.contains_key(&(gallery.to_path_buf(), folder.to_path_buf())) {
                if let Some((_, mark)) = walks.by(gallery, folder, false, |_, _| 0) {
                    return Some(mark);
                }
            }
            None
        };
        walks.by(gallery, other, true, |_, _| 7);
        assert_eq!(found(&mut walks, other), Some(7));
        answer.send(9).unwrap();
        assert_eq!(found(&mut walks, dead), Some(9));
        walks.by(gallery, other, true, |_, _| 7);
        walks.are_stale(gallery, other);
        assert_eq!(found(&mut walks, other), None, "somebody looked meanwhile");
    }

    #[test]
    fn what_still_grows_is_waited_for_but_not_for_ever() {
        let begin = Instant::now();
        let mut afresh = Afresh::default();
        let mut look = |second: u64, mark: u64, seen: Option<u64>| {
            afresh.is_otherwise((begin + Duration::from_secs(second), Duration::ZERO), mark, seen)
        };
        assert!(!look(0, 1, Some(1)) && !look(3, 1, Some(1)), "nothing came");
        assert!(!look(6, 2, Some(1)), "it may still grow");
        assert!(look(9, 2, Some(1)));
        assert!(look(12, 2, Some(1)), "until somebody looks");
        assert!(!look(15, 2, Some(2)));
        for n in 0..10 {
            assert!(!look(18 + 3 * n, 10 + n, Some(2)), "{n}");
        }
        assert!(look(48, 99, Some(2)), "it never rests");
        for n in 0..10 {
            assert!(!look(60 + 3 * n, 110 + n, Some(99)), "it came on over the look: {n}");
        }
        assert!(look(90, 199, Some(99)), "and never rests");
        assert!(!look(151, 100, Some(100)) && !look(154, 101, Some(100)) && look(157, 101, None));
        let slow = Duration::from_secs(2);
        afresh.is_otherwise((begin, slow), 1, None);
        assert!(!afresh.is_due(begin + Duration::from_secs(39)) && afresh.is_due(begin + slow * PART));
    }
}
