//! Whether the photos of one list are those of another, wherever they lie: copied, renamed or listed by another table.
//!
//! A model asked about photos that it was trained on tells what it remembers. Photos are compared byte for byte, those
//! of one size only; one that was saved anew is another photo here.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// How many of `photos` lie among `others` too. A photo that cannot be read is none of them.
pub fn also_among(photos: &[PathBuf], others: &[PathBuf]) -> usize {
    let size = |path: &Path| std::fs::metadata(path).ok().map(|m| m.len());
    let mut by_size: BTreeMap<u64, Vec<&Path>> = BTreeMap::new();
    for other in others {
        if let Some(size) = size(other) {
            by_size.entry(size).or_default().push(other);
        }
    }
    let is_among = |photo: &&PathBuf| {
        let Some(alike) = size(photo).and_then(|size| by_size.get(&size)) else { return false };
        if alike.contains(&photo.as_path()) {
            return true;
        }
        let Ok(bytes) = std::fs::read(photo) else { return false };
        alike.iter().any(|other| std::fs::read(other).is_ok_and(|others| others == bytes))
    };
    photos.iter().filter(is_among).count()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_copied_photo_is_found_under_another_name_and_an_equal_size_alone_is_nothing() {
        let dir = tempfile::tempdir().unwrap();
        let put = |name: &str, bytes: &str| {
            let path = dir.path().join(name);
            std::fs::write(&path, bytes).unwrap();
            path
        };
        let trained = [put("a.jpg", "turtle one"), put("b.jpg", "turtle two")];
        let asked = [put("copy.jpg", "turtle two"), put("c.jpg", "turtle six"), dir.path().join("gone.jpg")];
        assert_eq!(also_among(&asked, &trained), 1);
        assert_eq!(also_among(&trained, &trained), 2);
        assert_eq!(also_among(&asked, &[]), 0);
    }
}
