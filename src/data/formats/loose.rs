//! Photos as `embed` takes them: every one in and below a folder, whether or not anybody says who is on it.
//!
//! No format of a dataset, as nothing can be learnt or measured from photos that nobody named; so it is not in the
//! table of formats.

use std::collections::{HashMap, HashSet};
use std::path::Path;

use super::open;
use super::walk::{Found, walk};
use crate::data::corrections::Corrections;
use crate::data::crop::Crop;
use crate::data::decode::READABLE;
use crate::data::error::DataError;
use crate::data::manifest::{Manifest, Photo, Problem, is_nobody, stale};

/// Every photo in and below `path`, by its content, sorted by path. Where a dataset lies there, its photos have their
/// individuals and encounters from it; any other has an empty individual and is an encounter of its own, unless it is
/// named in `corrections`. A file is read as the table of a dataset.
///
/// # Errors
/// When the folder cannot be read or holds no photo.
pub fn every_photo(path: &Path, corrections: &Corrections) -> Result<Manifest, DataError> {
    let manifest = photos_below(path, corrections)?;
    if manifest.photos.is_empty() {
        let problems = &manifest.problems;
        let reason = match problems.first() {
            None => format!("there is no {READABLE} photo in it"),
            Some(first) => format!("{} were left out; the first: {first}", problems.len()),
        };
        return Err(DataError::NoPhotos { path: path.into(), reason });
    }
    Ok(manifest)
}

/// As [`every_photo`], where there need be none.
///
/// # Errors
/// When the folder cannot be read.
pub fn photos_below(path: &Path, corrections: &Corrections) -> Result<Manifest, DataError> {
    if !path.is_dir() {
        return open(path, corrections);
    }
    let named = open(path, corrections).ok();
    let mut known: HashMap<&Path, &Photo> =
        named.iter().flat_map(|m| &m.photos).map(|photo| (photo.path.as_path(), photo)).collect();
    let (mut photos, mut problems) = (Vec::new(), Vec::new());
    walk(path, &mut |shown, found| match found {
        Found::Photo(below, _) => {
            photos.push(known.remove(below).cloned().unwrap_or_else(|| unnamed(below, shown, corrections)))
        }
        Found::Problem(kind, reason) => problems.push(Problem { kind, photo: Some(shown.into()), line: None, reason }),
    })?;
    let there: HashSet<&Path> = photos.iter().map(|p| p.path.as_path()).collect();
    problems.extend(stale(corrections, |photo| there.contains(photo)));
    Ok(Manifest {
        alike: None,
        corrected: corrections.iter().filter(|(photo, _)| there.contains(photo)).count(),
        root: path.into(),
        name: path.file_name().map_or_else(|| "photos".into(), |n| n.to_string_lossy().into_owned()),
        photos,
        split_columns: std::collections::BTreeMap::new(),
        problems,
    })
}

/// A photo that no dataset names, as `corrections` have it.
fn unnamed(below: &Path, shown: &str, corrections: &Corrections) -> Photo {
    let correction = corrections.get(below).cloned().unwrap_or_default();
    let individual = correction.individual.filter(|name| !is_nobody(name)).unwrap_or_default();
    let encounter = match (individual.as_str(), correction.date) {
        ("", _) | (_, None) => shown.to_owned(),
        (who, Some(date)) => format!("{who} {date}"),
    };
    let crop = correction.crop.filter(|crop| *crop != Crop::FULL);
    Photo { path: below.into(), individual, encounter, date: correction.date, crop, side: None }
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
        let manifest = every_photo(&root, &Corrections::NONE).unwrap();
        let paths: Vec<_> = manifest.photos.iter().map(|p| p.path.to_str().unwrap()).collect();
        assert_eq!(paths, ["a/b/x.txt", "z"]);
        // what lies in a folder is of that folder's individual; a name that speaks of a photo where there is none is told
        assert_eq!(manifest.photos.iter().map(|p| p.individual.as_str()).collect::<Vec<_>>(), ["a", ""]);
        let told: Vec<_> = manifest.problems.iter().map(|p| p.photo.as_deref().unwrap()).collect();
        assert_eq!(told, ["a/loop", "notes.jpg"]);
        assert!(every_photo(&root.join("a/b/x.txt"), &Corrections::NONE).is_err());
        std::fs::remove_file(root.join("z")).unwrap();
        std::fs::remove_dir_all(root.join("a")).unwrap();
        assert!(
            every_photo(&root, &Corrections::NONE).unwrap_err().to_string().contains("notes.jpg"),
            "what was left out is told"
        );
        std::fs::remove_file(root.join("notes.jpg")).unwrap();
        assert!(
            every_photo(&root, &Corrections::NONE)
                .unwrap_err()
                .to_string()
                .contains("no JPEG, PNG, WebP, TIFF or BMP photo")
        );
    }
}
