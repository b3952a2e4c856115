//! Whether a network was trained on a photo: the network remembers those, and calibrates nothing by them.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use super::hash;

/// The photos that a network was trained on, known by their bytes, wherever a photo of a gallery lies.
#[derive(Debug, Default)]
pub struct Trained {
    /// By length, so that few are read.
    by_size: HashMap<u64, Vec<TrainingPhoto>>,
    /// Whether these are all.
    whole: bool,
}

#[derive(Debug)]
struct TrainingPhoto {
    path: PathBuf,
    sha256: OnceLock<Option<[u8; 32]>>,
}

impl Trained {
    /// On the files at `photos`, of which some may be gone; none where nobody knows on which.
    pub fn on(photos: Option<&[PathBuf]>) -> Trained {
        let mut trained = Trained { whole: photos.is_some(), ..Trained::default() };
        for path in photos.unwrap_or_default() {
            match std::fs::metadata(path) {
                Ok(meta) => {
                    let photo = TrainingPhoto { path: path.clone(), sha256: OnceLock::new() };
                    trained.by_size.entry(meta.len()).or_default().push(photo);
                }
                Err(_) => trained.whole = false,
            }
        }
        trained
    }

    /// Whether the photo at `path`, with the hash `sha256`, is one of them; none where that is not known.
    pub(super) fn is_on(&self, path: &Path, sha256: &[u8; 32]) -> Option<bool> {
        let alike = std::fs::metadata(path).ok().and_then(|meta| self.by_size.get(&meta.len()));
        let same =
            |photo: &TrainingPhoto| *photo.sha256.get_or_init(|| hash::of_file(&photo.path).ok()) == Some(*sha256);
        match alike.is_some_and(|alike| alike.iter().any(same)) {
            true => Some(true),
            false => self.whole.then_some(false),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_photo_is_known_by_its_bytes_and_nothing_is_said_where_nobody_knows() {
        let dir = tempfile::tempdir().unwrap();
        let put = |name: &str, bytes: &str| {
            std::fs::write(dir.path().join(name), bytes).unwrap();
            dir.path().join(name)
        };
        let (a, b) = (put("a.jpg", "turtle one"), put("b.jpg", "turtle two"));
        let copy = put("copy.jpg", "turtle one");
        let is_on = |trained: &Trained, path: &Path| trained.is_on(path, &hash::of_file(path).unwrap());
        let trained = Trained::on(Some(std::slice::from_ref(&a)));
        assert_eq!([is_on(&trained, &copy), is_on(&trained, &b)], [Some(true), Some(false)]);
        assert_eq!(is_on(&Trained::on(None), &copy), None);
        let some_gone = Trained::on(Some(&[a, dir.path().join("gone.jpg")]));
        assert_eq!([is_on(&some_gone, &copy), is_on(&some_gone, &b)], [Some(true), None]);
    }
}
