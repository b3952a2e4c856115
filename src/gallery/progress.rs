//! How far somebody is who looks at a folder for its session: a file beside what was seen, for whoever waits. Nothing depends on it,
//! and one that a killed process left counts for nothing, as nobody looks.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use super::seen::place;

/// Between two words.
const EVERY: Duration = Duration::from_millis(500);

fn file(gallery: &Path, folder: &Path) -> PathBuf {
    place(gallery, folder).join("progress")
}

/// What the one who looks says; it is gone with this.
#[derive(Debug)]
pub struct Progress {
    file: PathBuf,
    said: Option<Instant>,
}

impl Progress {
    /// Of who looks at `folder`, an absolute path, for its session with the gallery in `gallery`.
    pub fn of(gallery: &Path, folder: &Path) -> Progress {
        Progress { file: file(gallery, folder), said: None }
    }

    /// Says that `done` of `all` photos are done, a few times a second at most.
    pub fn say(&mut self, done: usize, all: usize) {
        if self.said.is_none_or(|said| said.elapsed() >= EVERY) {
            self.said = Some(Instant::now());
            // who waits can do without
            let _ = std::fs::write(&self.file, format!("{done} {all}"));
        }
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.file);
    }
}

/// How many photos are done, of how many, by who looks at `folder` now; none where that was not said.
pub fn read(gallery: &Path, folder: &Path) -> Option<(usize, usize)> {
    let text = std::fs::read_to_string(file(gallery, folder)).ok()?;
    let (done, all) = text.split_once(' ')?;
    Some((done.parse().ok()?, all.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_waits_reads_how_far_it_is_and_nothing_is_left() {
        let dir = tempfile::tempdir().unwrap();
        let (gallery, folder) = (dir.path().join("g"), dir.path().join("week"));
        std::fs::create_dir_all(place(&gallery, &folder)).unwrap();
        assert_eq!(read(&gallery, &folder), None);
        let mut progress = Progress::of(&gallery, &folder);
        progress.say(3, 80);
        progress.say(4, 80); // too soon
        assert_eq!(read(&gallery, &folder), Some((3, 80)));
        drop(progress);
        assert_eq!(read(&gallery, &folder), None);
        std::fs::write(file(&gallery, &folder), "torn").unwrap();
        assert_eq!(read(&gallery, &folder), None);
    }
}
