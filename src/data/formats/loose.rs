//! Photos on which nobody is named: every photo in and below a folder, for `embed`.
//!
//! No format of a dataset, as nothing can be learnt or measured from it; so it is not in the table of formats.

use std::path::{Path, PathBuf};

use super::folders::list;
use crate::data::decode::Signature;
use crate::data::error::DataError;
use crate::data::manifest::{Manifest, Photo};

/// Deeper than this is a mistake.
const DEPTH: usize = 64;

/// Every photo in and below `folder`, by its content, sorted by path; individuals are empty, each photo is an
/// encounter of its own.
///
/// # Errors
/// When the folder cannot be read or holds no photo.
pub fn loose(folder: &Path) -> Result<Manifest, DataError> {
    let mut photos = Vec::new();
    walk(folder, &mut Vec::new(), &mut photos).map_err(|source| DataError::Io { path: folder.into(), source })?;
    if photos.is_empty() {
        return Err(DataError::NoPhotos { path: folder.into(), reason: "there is no JPEG or PNG photo in it".into() });
    }
    let photo = |path: PathBuf| {
        let path = path.strip_prefix(folder).unwrap_or(&path).to_path_buf();
        Photo { encounter: path.to_string_lossy().into_owned(), path, individual: String::new(), date: None }
    };
    Ok(Manifest {
        root: folder.into(),
        name: folder.file_name().map_or_else(|| "photos".into(), |n| n.to_string_lossy().into_owned()),
        photos: photos.into_iter().map(photo).collect(),
        split_columns: std::collections::BTreeMap::new(),
        problems: Vec::new(),
    })
}

fn walk(folder: &Path, above: &mut Vec<PathBuf>, photos: &mut Vec<PathBuf>) -> std::io::Result<()> {
    let real = folder.canonicalize()?;
    if above.contains(&real) || above.len() >= DEPTH {
        return Ok(()); // a link back to a folder above
    }
    above.push(real);
    for entry in list(folder)? {
        if entry.is_dir() {
            walk(&entry, above, photos)?;
        } else if entry.to_str().is_some() && Signature::of_file(&entry).is_ok_and(|s| s.readable()) {
            photos.push(entry);
        }
    }
    above.pop();
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn photos_are_found_by_content_at_any_depth_and_nobody_is_named() {
        let dir = tempfile::tempdir().unwrap();
        let root = dir.path().join("week");
        std::fs::create_dir_all(root.join("a/b")).unwrap();
        for (name, bytes) in
            [("z", &b"\xff\xd8\xff\xe0"[..]), ("a/b/x.txt", b"\xff\xd8\xff\xe0"), ("notes.jpg", b"text")]
        {
            std::fs::write(root.join(name), bytes).unwrap();
        }
        std::os::unix::fs::symlink(&root, root.join("a/loop")).unwrap();
        let manifest = loose(&root).unwrap();
        let paths: Vec<_> = manifest.photos.iter().map(|p| p.path.to_str().unwrap()).collect();
        assert_eq!(paths, ["a/b/x.txt", "z"]);
        assert!(manifest.photos.iter().all(|p| p.individual.is_empty()));
        assert!(loose(&root.join("a/b/x.txt")).is_err());
        std::fs::remove_file(root.join("z")).unwrap();
        std::fs::remove_dir_all(root.join("a")).unwrap();
        assert!(loose(&root).unwrap_err().to_string().contains("no JPEG or PNG"));
    }
}
