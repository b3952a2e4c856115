//! Folders in which somebody might expect photos, and has none.

use std::collections::HashSet;
use std::path::{Path, PathBuf};

use super::manifest::Manifest;

/// The folders below `folder` in and below which `manifest` has neither a photo nor one that cannot be read, without those
/// below them.
pub fn empty_below(folder: &Path, manifest: &Manifest) -> Vec<PathBuf> {
    let unread = manifest.problems.iter().filter_map(|problem| problem.photo.as_deref().map(Path::new));
    let photos = manifest.photos.iter().map(|photo| photo.path.as_path()).chain(unread);
    let full: HashSet<PathBuf> =
        photos.flat_map(|photo| photo.ancestors().skip(1)).map(|above| folder.join(above)).collect();
    let (mut open, mut empty) = (vec![folder.to_path_buf()], Vec::new());
    while let Some(one) = open.pop() {
        // what cannot be read was told as a problem
        for entry in std::fs::read_dir(&one).into_iter().flatten().flatten() {
            let is_hidden = entry.file_name().as_encoded_bytes().starts_with(b".");
            if is_hidden || !entry.file_type().is_ok_and(|kind| kind.is_dir()) {
                continue;
            }
            match full.contains(&entry.path()) {
                true => open.push(entry.path()),
                false => empty.push(entry.path()),
            }
        }
    }
    empty.sort();
    empty
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::corrections::Corrections;
    use crate::data::formats::photos_below;

    #[test]
    fn folders_without_a_photo_are_found_and_those_below_them_are_not_told_again() {
        let dir = tempfile::tempdir().unwrap();
        for folder in ["a/deep", "b", "c/empty/d", ".hidden", "unread"] {
            std::fs::create_dir_all(dir.path().join(folder)).unwrap();
        }
        let photo = image::RgbImage::new(4, 4);
        photo.save(dir.path().join("a/deep/1.png")).unwrap();
        photo.save(dir.path().join("c/1.png")).unwrap();
        std::fs::write(dir.path().join("unread/1.jpg"), "text").unwrap();
        std::fs::write(dir.path().join("b/notes.txt"), "text").unwrap();
        let manifest = photos_below(dir.path(), &Corrections::default()).unwrap();
        assert_eq!(empty_below(dir.path(), &manifest), [dir.path().join("b"), dir.path().join("c/empty")]);
    }
}
