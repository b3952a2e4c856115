//! Photos as `embed` takes them: every one in and below a folder, whether or not anybody says who is on it.
//!
//! No format of a dataset, as nothing can be learnt or measured from photos that nobody named; so it is not in the
//! table of formats.

use std::collections::HashMap;
use std::path::Path;

use super::open;
use super::walk::{Found, walk};
use crate::data::error::DataError;
use crate::data::manifest::{Manifest, Photo, Problem};

/// Every photo in and below `path`, by its content, sorted by path. Where a dataset lies there, its photos have their
/// individuals and encounters from it; any other has an empty individual and is an encounter of its own. A file is
/// read as the table of a dataset.
///
/// # Errors
/// When the folder cannot be read or holds no photo.
pub fn every_photo(path: &Path) -> Result<Manifest, DataError> {
    if !path.is_dir() {
        return open(path);
    }
    let named = open(path).ok();
    let mut known: HashMap<&Path, &Photo> =
        named.iter().flat_map(|m| &m.photos).map(|photo| (photo.path.as_path(), photo)).collect();
    let (mut photos, mut problems) = (Vec::new(), Vec::new());
    walk(path, &mut |shown, found| match found {
        Found::Photo(below) => photos.push(known.remove(below).cloned().unwrap_or_else(|| Photo {
            path: below.into(),
            individual: String::new(),
            encounter: shown.into(),
            date: None,
        })),
        Found::Problem(kind, reason) => problems.push(Problem { kind, photo: Some(shown.into()), line: None, reason }),
    })?;
    if photos.is_empty() {
        let reason = match problems.first() {
            None => "there is no JPEG or PNG photo in it".to_owned(),
            Some(first) => format!("{} were left out; the first: {first}", problems.len()),
        };
        return Err(DataError::NoPhotos { path: path.into(), reason });
    }
    Ok(Manifest {
        root: path.into(),
        name: path.file_name().map_or_else(|| "photos".into(), |n| n.to_string_lossy().into_owned()),
        photos,
        split_columns: std::collections::BTreeMap::new(),
        problems,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn photos_are_found_by_content_at_any_depth_with_the_names_there_are() {
        let dir = tempfile::tempdir().unwrap();
        let root = dir.path().join("week");
        std::fs::create_dir_all(root.join("a/b")).unwrap();
        for (name, bytes) in
            [("z", &b"\xff\xd8\xff\xe0"[..]), ("a/b/x.txt", b"\xff\xd8\xff\xe0"), ("notes.jpg", b"text")]
        {
            std::fs::write(root.join(name), bytes).unwrap();
        }
        std::os::unix::fs::symlink(&root, root.join("a/loop")).unwrap();
        let manifest = every_photo(&root).unwrap();
        let paths: Vec<_> = manifest.photos.iter().map(|p| p.path.to_str().unwrap()).collect();
        assert_eq!(paths, ["a/b/x.txt", "z"]);
        // what lies in a folder is of that folder's individual; a name that speaks of a photo where there is none is told
        assert_eq!(manifest.photos.iter().map(|p| p.individual.as_str()).collect::<Vec<_>>(), ["a", ""]);
        let told: Vec<_> = manifest.problems.iter().map(|p| p.photo.as_deref().unwrap()).collect();
        assert_eq!(told, ["a/loop", "notes.jpg"]);
        assert!(every_photo(&root.join("a/b/x.txt")).is_err());
        std::fs::remove_file(root.join("z")).unwrap();
        std::fs::remove_dir_all(root.join("a")).unwrap();
        assert!(every_photo(&root).unwrap_err().to_string().contains("notes.jpg"), "what was left out is told");
        std::fs::remove_file(root.join("notes.jpg")).unwrap();
        assert!(every_photo(&root).unwrap_err().to_string().contains("no JPEG or PNG"));
    }
}
