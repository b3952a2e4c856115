//! Photos that arrive in a folder: which encounters can be decided now.
//!
//! A camera or a copy writes a photo bit by bit, and a folder of an encounter fills photo by photo. An encounter is ready when
//! none of its photos has changed for a while; if more come later, it is decided again with all of them.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant, SystemTime};

use crate::data::manifest::Problem;

use super::answers::Answers;
use super::asked::{Asked, Together};

/// A file as it was seen: its length, and when it was changed.
type Look = (u64, Option<SystemTime>);

/// What was seen of the files in a folder.
#[derive(Debug, Default)]
pub struct Watcher {
    files: HashMap<PathBuf, Seen>,
}

#[derive(Debug)]
struct Seen {
    look: Look,
    since: Instant,
    /// As it is now, a decision was tried.
    is_done: bool,
    /// As it is now, it was said that it cannot be read.
    is_told: bool,
}

impl Watcher {
    /// The encounters of `asked` that have a photo which `answers` do not know, and whose photos are as they were `quiet` ago.
    pub fn ready(&mut self, asked: &Asked, answers: &Answers, quiet: Duration, now: Instant) -> Vec<Together> {
        let mut ready = Vec::new();
        for together in &asked.encounters {
            let paths: Vec<&Path> =
                together.photos.iter().map(|&photo| asked.manifest.photos[photo].path.as_path()).collect();
            let mut rests = true;
            for path in &paths {
                rests &= self.look_at(path, now).is_some_and(|since| now.duration_since(since) >= quiet);
            }
            let is_new = |path: &&Path| {
                !answers.has_photo(&together.encounter, &path.to_string_lossy())
                    && self.files.get(*path).is_some_and(|seen| !seen.is_done)
            };
            if rests && paths.iter().any(is_new) {
                for path in &paths {
                    if let Some(seen) = self.files.get_mut(*path) {
                        seen.is_done = true;
                    }
                }
                ready.push(together.clone());
            }
        }
        ready
    }

    /// Those of `problems` that are to be told: of each file once, and of one that still grows nothing.
    pub fn untold(&mut self, problems: &[Problem], quiet: Duration, now: Instant) -> Vec<Problem> {
        let mut is_new = |problem: &&Problem| {
            let Some(path) = problem.photo.as_deref().map(Path::new) else { return false };
            let rests = self.look_at(path, now).is_some_and(|since| now.duration_since(since) >= quiet);
            rests && self.files.get_mut(path).is_some_and(|seen| !std::mem::replace(&mut seen.is_told, true))
        };
        problems.iter().filter(|problem| is_new(problem)).cloned().collect()
    }

    /// Since when the file at `path` is as it is now; none where it is gone.
    fn look_at(&mut self, path: &Path, now: Instant) -> Option<Instant> {
        let Ok(meta) = std::fs::metadata(path) else {
            self.files.remove(path);
            return None;
        };
        let look = (meta.len(), meta.modified().ok());
        let seen =
            self.files.entry(path.to_path_buf()).or_insert(Seen { look, since: now, is_done: false, is_told: false });
        if seen.look != look {
            *seen = Seen { look, since: now, is_done: false, is_told: false };
        }
        Some(seen.since)
    }
}

#[cfg(test)]
mod tests {
    use super::super::asked::{EncountersBy, Given};
    use super::super::identify::Decision;
    use super::*;
    use crate::data::manifest::ProblemKind;

    #[test]
    fn photos_are_ready_when_they_rest_and_again_when_more_come() {
        let dir = tempfile::tempdir().unwrap();
        let photo = |name: &str| dir.path().join(name);
        let put = |name: &str, bytes: &str| std::fs::write(photo(name), bytes).unwrap();
        let mut answers = Answers::open(&photo("named.jsonl")).unwrap();
        let mut watcher = Watcher::default();
        let begin = Instant::now();
        let mut ready = |names: &[&str], answers: &Answers, second: u64| -> Vec<usize> {
            let mut asked = Asked::new(names.iter().map(|n| Given::Photo(photo(n))).collect(), EncountersBy::Folder);
            // all of one encounter
            let photos = (0..names.len()).collect();
            asked.encounters = vec![Together { encounter: "a".into(), photos }];
            let now = begin + Duration::from_secs(second);
            watcher.ready(&asked, answers, Duration::from_secs(3), now).iter().map(|t| t.photos.len()).collect()
        };
        put("1", "half");
        assert!(ready(&["1"], &answers, 0).is_empty());
        put("1", "whole photo");
        assert!(ready(&["1"], &answers, 3).is_empty(), "it has grown");
        assert!(ready(&["1"], &answers, 5).is_empty());
        assert_eq!(ready(&["1"], &answers, 6), [1]);
        assert!(ready(&["1"], &answers, 20).is_empty(), "once is enough, also for one that cannot be read");
        let decision = |photos: &[&str]| {
            let path = |n: &&str| photo(n).to_string_lossy().into_owned();
            Decision::open("a".into(), photos.iter().map(path).collect())
        };
        answers.append(&decision(&["1"])).unwrap();
        put("2", "another");
        assert!(ready(&["1", "2"], &answers, 21).is_empty());
        assert_eq!(ready(&["1", "2"], &answers, 24), [2]);
        answers.append(&decision(&["1", "2"])).unwrap();
        // started again
        let answers = Answers::open(&photo("named.jsonl")).unwrap();
        watcher = Watcher::default();
        let asked = Asked::new(vec![Given::Photo(photo("1"))], EncountersBy::Folder);
        let mut asked = Asked { encounters: vec![Together { encounter: "a".into(), photos: vec![0] }], ..asked };
        assert!(watcher.ready(&asked, &answers, Duration::ZERO, begin).is_empty());
        asked.encounters[0].encounter = "b".into();
        assert_eq!(watcher.ready(&asked, &answers, Duration::ZERO, begin).len(), 1);
    }

    #[test]
    fn what_cannot_be_read_is_told_once_when_it_rests() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a.jpg");
        let photo = Some(path.to_string_lossy().into_owned());
        let problem = Problem { kind: ProblemKind::Unreadable, photo, line: None, reason: "it is text".into() };
        let mut watcher = Watcher::default();
        let (begin, quiet) = (Instant::now(), Duration::from_secs(3));
        let mut told = |second: u64| {
            watcher.untold(std::slice::from_ref(&problem), quiet, begin + Duration::from_secs(second)).len()
        };
        assert_eq!(told(0), 0, "it is gone");
        std::fs::write(&path, "text").unwrap();
        assert_eq!([told(1), told(2), told(4), told(5)], [0, 0, 1, 0]);
        std::fs::write(&path, "other text").unwrap();
        assert_eq!([told(6), told(9), told(10)], [0, 1, 0], "another file is another matter");
    }
}
