//! A folder per individual: the name of the first level is the individual, and all photos below it are of that one.
//!
//! A photo's date is the one that its camera wrote into it, else the day that a folder between the individual's and the photo is
//! called after (`t1/2026-07-09/`); one without is an encounter of its own.

use std::path::Path;

use super::Format;
use super::walk::{Found, has_photo, list, walk};
use crate::data::camera::{day_of_file, day_of_folders};
use crate::data::corrections::Corrections;
use crate::data::error::DataError;
use crate::data::manifest::{Builder, Manifest, Problem, ProblemKind, Row};

/// The format, without settings.
#[derive(Debug)]
pub(super) struct Folders;

impl Format for Folders {
    fn name(&self) -> &'static str {
        "a folder per individual"
    }

    fn signature(&self) -> &'static str {
        "folder per individual (with JPEG, PNG, WebP, TIFF or BMP photos in it)"
    }

    fn detect(&self, path: &Path) -> bool {
        let Ok(entries) = list(path) else {
            return false;
        };
        let mut chain = vec![path.canonicalize().unwrap_or_else(|_| path.into())];
        entries.iter().any(|e| e.is_dir() && has_photo(e, &mut chain))
    }

    fn read(&self, path: &Path, corrections: &Corrections) -> Result<Manifest, DataError> {
        let mut builder = Builder::new(path, Vec::new(), corrections);
        walk(path, &mut |shown, found| match found {
            // a photo beside the folders may have been named by hand
            Found::Photo(below, signature) => match individual(below).or(builder.is_named(below).then_some("")) {
                Some(individual) => {
                    let folders = below.ancestors().skip(1).filter(|folder| folder.iter().count() > 1);
                    let day = day_of_file(&path.join(below), signature).or_else(|| day_of_folders(folders));
                    let date = day.map_or_else(String::new, |day| day.to_string());
                    builder.push_at(below.into(), &Row { path: shown, individual, date: &date, ..Row::default() });
                }
                None => {
                    let reason = "it lies beside the individuals' folders, not in one, so it is nobody's";
                    builder.problem(ProblemKind::Loose, Some(shown), None, reason);
                }
            },
            Found::Problem(kind, reason) => builder.problem(kind, Some(shown), None, reason),
        })?;
        let mut manifest = builder.finish();
        manifest.problems.extend(one_level_off(&manifest));
        Ok(manifest)
    }
}

/// Whose photos lie here: the folder of the first level, if the photo lies in one.
fn individual(photo: &Path) -> Option<&str> {
    let mut parts = photo.iter();
    let first = parts.next()?.to_str();
    parts.next().and(first)
}

/// Says so where everything lies in folders of a single folder: `images/` was probably meant.
fn one_level_off(manifest: &Manifest) -> Option<Problem> {
    let [individual] = manifest.individuals()[..] else {
        return None;
    };
    let deep = manifest.photos.iter().all(|p| p.path.components().count() > 2);
    deep.then(|| Problem {
        kind: ProblemKind::Layout,
        photo: None,
        line: None,
        reason: format!(
            "all photos lie in folders of the one folder {individual}, and count as one individual; if those are \
             the individuals, give the folder {individual} instead"
        ),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::formats::as_written as open;
    use std::fs;

    const JPEG: &[u8] = b"\xff\xd8\xff\xe0 not whole, but it starts like one";

    fn put(root: &Path, name: &str, bytes: &[u8]) {
        let path = root.join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, bytes).unwrap();
    }

    #[test]
    fn the_first_level_names_the_individual_and_content_makes_the_photo() {
        let dir = tempfile::tempdir().unwrap();
        let root = dir.path();
        put(root, "Nuri/2019/left/IMG_1", JPEG); // no extension, two levels down
        put(root, "Nuri/b.png", b"\x89PNG\r\n\x1a\n....");
        put(root, "Bella/a.jpg", JPEG);
        put(root, "Bella/.hidden.jpg", JPEG);
        put(root, "Bella/notes.txt", b"saw her twice");
        put(root, ".git/x.jpg", JPEG);
        let m = open(root).unwrap();
        let photos: Vec<_> = m.photos.iter().map(|p| (p.path.to_str().unwrap(), p.individual.as_str())).collect();
        assert_eq!(photos, [("Bella/a.jpg", "Bella"), ("Nuri/2019/left/IMG_1", "Nuri"), ("Nuri/b.png", "Nuri")]);
        assert_eq!(m.counts().encounters, 3);
        assert!(m.problems.is_empty());
    }

    #[test]
    fn a_folder_called_after_a_day_is_one_encounter() {
        let dir = tempfile::tempdir().unwrap();
        for name in ["t1/2026-07-09/a.jpg", "t1/2026-07-09/left/b.jpg", "t1/2026-07-10 dusk/a.jpg", "t1/c.jpg"] {
            put(dir.path(), name, JPEG);
        }
        put(dir.path(), "2020-01-01 who/beach/a.jpg", JPEG);
        let m = open(dir.path()).unwrap();
        let encounters: Vec<&str> = m.photos.iter().map(|photo| photo.encounter.as_str()).collect();
        assert_eq!(
            encounters,
            [
                "2020-01-01 who/beach/a.jpg (undated)", // an individual's name is no day
                "t1 2026-07-09",
                "t1 2026-07-09",
                "t1 2026-07-10",
                "t1/c.jpg (undated)"
            ]
        );
    }

    #[test]
    fn what_is_left_out_is_said() {
        let dir = tempfile::tempdir().unwrap();
        let root = dir.path();
        put(root, "t1/a.jpg", JPEG);
        put(root, "t1/b.heic", b"\0\0\0\x18ftypheic\0\0\0\0");
        put(root, "t1/c.jpg", b"");
        put(root, "unknown/d.jpg", JPEG);
        put(root, "e.jpg", JPEG);
        let m = open(root).unwrap();
        assert_eq!(m.photos.len(), 1);
        let said: Vec<String> = m.problems.iter().map(ToString::to_string).collect();
        assert_eq!(said.len(), 4, "{said:?}");
        assert!(said[0].contains("e.jpg") && said[0].contains("beside"));
        assert!(said[1].contains("b.heic") && said[1].contains("HEIC") && said[1].contains("convert"));
        assert!(said[2].contains("c.jpg") && said[2].contains("empty"));
        assert!(said[3].contains("unknown"));
    }

    #[test]
    fn one_folder_around_the_individuals_is_pointed_out() {
        let dir = tempfile::tempdir().unwrap();
        put(dir.path(), "images/t1/a.jpg", JPEG);
        put(dir.path(), "images/t2/b.jpg", JPEG);
        let m = open(dir.path()).unwrap();
        assert_eq!(m.individuals(), ["images"]);
        assert_eq!(m.problems[0].kind, ProblemKind::Layout);
        assert!(open(&dir.path().join("images")).unwrap().problems.is_empty());
    }

    #[test]
    fn a_folder_without_either_says_what_is_missing() {
        let dir = tempfile::tempdir().unwrap();
        put(dir.path(), "notes/x.txt", b"nothing");
        let error = open(dir.path()).unwrap_err().to_string();
        assert!(error.contains("folder per individual") && error.contains("metadata_splits.csv"), "{error}");
        let error = open(&dir.path().join("nowhere")).unwrap_err();
        assert!(matches!(error, DataError::Missing { .. }), "{error}");
    }

    #[cfg(unix)]
    #[test]
    fn links_are_followed_but_not_in_circles() {
        use std::os::unix::fs::symlink;
        let dir = tempfile::tempdir().unwrap();
        let elsewhere = tempfile::tempdir().unwrap();
        put(elsewhere.path(), "deep/a.jpg", JPEG);
        put(dir.path(), "t1/b.jpg", JPEG);
        symlink(elsewhere.path(), dir.path().join("t2")).unwrap();
        symlink(dir.path(), dir.path().join("t1/up")).unwrap();
        symlink("../t1", dir.path().join("t1/self")).unwrap();
        symlink("nowhere", dir.path().join("t1/gone.jpg")).unwrap();
        let m = open(dir.path()).unwrap();
        let photos: Vec<_> = m.photos.iter().map(|p| (p.path.to_str().unwrap(), p.individual.as_str())).collect();
        assert_eq!(photos, [("t1/b.jpg", "t1"), ("t2/deep/a.jpg", "t2")]);
        assert_eq!(m.problems.len(), 3, "{:?}", m.problems);
    }
}
