//! A folder per individual: the name of the first level is the individual, and all photos below it are of that one.
//!
//! A photo is told by its first bytes, not by its name, since cameras and people name files as they like. Hidden
//! files are skipped. Links are followed, as the user put them there, but never round in a circle. Photos have no
//! date here (what a camera wrote into them is not read), so each is an encounter of its own.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use super::Format;
use crate::data::decode::Signature;
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
        "folder per individual (with JPEG or PNG photos in it)"
    }

    fn detect(&self, path: &Path) -> bool {
        let Ok(entries) = list(path) else {
            return false;
        };
        let mut chain = vec![path.canonicalize().unwrap_or_else(|_| path.into())];
        entries.iter().any(|e| e.is_dir() && has_photo(e, &mut chain))
    }

    fn read(&self, path: &Path) -> Result<Manifest, DataError> {
        let mut walk = Walk { root: path, builder: Builder::new(path, Vec::new()), chain: Vec::new() };
        walk.folder(path, None)?;
        let mut manifest = walk.builder.finish();
        manifest.problems.extend(one_level_off(&manifest));
        Ok(manifest)
    }
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

/// Deeper than this is a mistake, and a way to exhaust the stack.
const DEPTH: usize = 64;

struct Walk<'a> {
    root: &'a Path,
    builder: Builder,
    /// The folders above, links resolved: one that comes again is a circle.
    chain: Vec<PathBuf>,
}

impl Walk<'_> {
    /// Reads one folder, whose photos are of `individual` (none: the root).
    fn folder(&mut self, folder: &Path, individual: Option<&str>) -> Result<(), DataError> {
        let at = |source| DataError::Io { path: folder.into(), source };
        self.chain.push(folder.canonicalize().map_err(at)?);
        for entry in list(folder).map_err(at)? {
            let shown = entry.strip_prefix(self.root).unwrap_or(&entry).to_string_lossy().into_owned();
            let Some(name) = entry.file_name().and_then(|n| n.to_str()) else {
                let reason = "its name is not UTF-8 text; rename it";
                self.builder.problem(ProblemKind::BadPath, Some(&shown), None, reason);
                continue;
            };
            // Follows links; a link to nowhere is an error here.
            let Ok(meta) = fs::metadata(&entry) else {
                let reason = "it cannot be read, or is a link that leads nowhere";
                self.builder.problem(ProblemKind::BadPath, Some(&shown), None, reason);
                continue;
            };
            if meta.is_dir() {
                let real = entry.canonicalize().map_err(at)?;
                if self.chain.contains(&real) || self.chain.len() >= DEPTH {
                    let reason = "the link leads back to a folder above it; not followed";
                    self.builder.problem(ProblemKind::BadPath, Some(&shown), None, reason);
                } else if let Err(error) = self.folder(&entry, Some(individual.unwrap_or(name))) {
                    self.chain.truncate(self.depth_of(folder));
                    self.builder.problem(ProblemKind::BadPath, Some(&shown), None, error.to_string());
                }
            } else if meta.is_file() {
                self.file(&entry, &shown, individual);
            }
        }
        self.chain.pop();
        Ok(())
    }

    /// Length of the chain while `folder` itself is read.
    fn depth_of(&self, folder: &Path) -> usize {
        folder.strip_prefix(self.root).map_or(1, |below| below.components().count() + 1)
    }

    /// Takes a file that is a photo; says why one that only looks like a photo is not.
    fn file(&mut self, file: &Path, shown: &str, individual: Option<&str>) {
        let signature = match Signature::of_file(file) {
            Ok(signature) => signature,
            Err(error) => {
                return self.builder.problem(ProblemKind::Unreadable, Some(shown), None, error.to_string());
            }
        };
        match (signature.readable(), individual) {
            (true, Some(individual)) => {
                let path = file.strip_prefix(self.root).unwrap_or(file).to_path_buf();
                self.builder.push_at(path, &Row { path: shown, individual, ..Row::default() });
            }
            (true, None) => {
                let reason = "it lies beside the individuals' folders, not in one, so it is nobody's";
                self.builder.problem(ProblemKind::Loose, Some(shown), None, reason);
            }
            (false, _) if signature.is_picture() || named_like_photo(file) => {
                self.builder.problem(ProblemKind::Unreadable, Some(shown), None, signature.reason());
            }
            (false, _) => {} // notes, tables, thumbnails of a file manager
        }
    }
}

/// The visible entries of a folder, sorted by name.
pub(super) fn list(folder: &Path) -> io::Result<Vec<PathBuf>> {
    let mut entries = Vec::new();
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        if !entry.file_name().as_encoded_bytes().starts_with(b".") {
            entries.push(entry.path());
        }
    }
    entries.sort();
    Ok(entries)
}

/// Whether any photo that can be read lies in or below the folder.
fn has_photo(folder: &Path, chain: &mut Vec<PathBuf>) -> bool {
    let Ok(real) = folder.canonicalize() else {
        return false;
    };
    if chain.contains(&real) || chain.len() >= DEPTH {
        return false;
    }
    let Ok(entries) = list(folder) else {
        return false;
    };
    chain.push(real);
    let (folders, files): (Vec<_>, Vec<_>) = entries.iter().partition(|e| e.is_dir());
    let found = files.iter().any(|f| f.is_file() && Signature::of_file(f).is_ok_and(|s| s.readable()))
        || folders.iter().any(|f| has_photo(f, chain));
    chain.pop();
    found
}

/// Whether the name ends as photos' names do, so that a broken one is reported rather than passed over.
fn named_like_photo(file: &Path) -> bool {
    let extension = file.extension().and_then(|e| e.to_str()).unwrap_or("").to_ascii_lowercase();
    matches!(extension.as_str(), "jpg" | "jpeg" | "jpe" | "jfif" | "png" | "heic" | "heif")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::formats::open;

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
