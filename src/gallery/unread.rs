//! Photos that could not be read when their encounter was decided: it is asked about again only when one is another file, or can be
//! reached by now.

use std::path::Path;
use std::time::UNIX_EPOCH;

use serde::{Deserialize, Serialize};

use crate::data::foreign;
use crate::data::manifest::{Manifest, Problem};
use crate::data::tried::{self, Tried};

use super::asked::Together;
use super::unchanged::mark;

/// A photo that could not be read, as its file was then.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Unread {
    /// Its path as given.
    pub photo: String,
    /// Why it could not.
    pub reason: String,
    /// How long it was; 0 like `written` where its file could be read by then, which is asked again.
    pub bytes: u64,
    /// When it was written last, in milliseconds since 1970.
    pub written: u64,
    /// Of one that could not be reached when it was written and changed last, in nanoseconds; zeros where it was not found.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unreachable: Option<(u64, u64)>,
}

/// Length and time of the file at `path`; zeros where it is gone.
fn look(path: &Path) -> (u64, u64) {
    let Ok(meta) = std::fs::metadata(path) else { return (0, 0) };
    let written = meta.modified().ok().and_then(|at| at.duration_since(UNIX_EPOCH).ok());
    (meta.len(), written.map_or(0, |since| u64::try_from(since.as_millis()).unwrap_or(u64::MAX)))
}

impl Unread {
    /// Those of `problems` that are of photos of `together`, places in `manifest`.
    pub(super) fn of(manifest: &Manifest, together: &Together, problems: &[Problem]) -> Vec<Unread> {
        let of_photo = |&at: &usize| {
            let path = &manifest.photos[at].path;
            let problem =
                problems.iter().find(|problem| problem.photo.as_deref().is_some_and(|one| Path::new(one) == path))?;
            let file = manifest.full_path(at);
            // before it is decoded once more: what is written since, or while the others of its batch were read, is another file
            let before = look(&file);
            let ((bytes, written), unreachable) = match tried::try_again(&file) {
                Tried::Broken => (before, None),
                Tried::Whole => ((0, 0), None),
                // as it is now: it may have been reached before
                Tried::Unreachable => (look(&file), Some(mark(&file))),
            };
            let photo = path.to_string_lossy().into_owned();
            Some(Unread { photo, reason: foreign::sentence(&problem.reason), bytes, written, unreachable })
        };
        if problems.is_empty() { Vec::new() } else { together.photos.iter().filter_map(of_photo).collect() }
    }

    /// Whether the file at its path is as it was.
    pub(super) fn is_as_it_was(&self) -> bool {
        let path = Path::new(&self.photo);
        match self.unreachable {
            // that it can be read again changes neither time
            Some(at) => at == mark(path) && !tried::can_be_reached(path),
            None => (self.bytes, self.written) != (0, 0) && look(path) == (self.bytes, self.written),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_that_can_be_read_by_now_is_another_though_its_times_are_the_same() {
        let dir = tempfile::tempdir().unwrap();
        let unread = |name: &str| {
            let path = dir.path().join(name);
            let photo = path.to_string_lossy().into_owned();
            Unread { photo, reason: String::new(), bytes: 1, written: 1, unreachable: Some(mark(&path)) }
        };
        std::fs::write(dir.path().join("1.jpg"), "bytes").unwrap();
        std::fs::create_dir(dir.path().join("2.jpg")).unwrap();
        assert!(!unread("1.jpg").is_as_it_was());
        assert!(unread("2.jpg").is_as_it_was() && unread("gone.jpg").is_as_it_was());
    }
}
