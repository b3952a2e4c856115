//! A walk through a folder and all below it, for photos.
//!
//! A photo is told by its first bytes, not by its name, since cameras and people name files as they like. Hidden
//! files are skipped. Links are followed, as the user put them there, but never round in a circle. What looks like a
//! photo and cannot be one is told, and does not stop the walk.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use crate::data::decode::Signature;
use crate::data::error::DataError;
use crate::data::manifest::ProblemKind;

/// Deeper than this is a mistake, and a way to exhaust the stack.
const DEPTH: usize = 64;

/// What the walk came upon; paths are relative to where it began.
pub(super) enum Found<'a> {
    /// A photo in a form that can be read.
    Photo(&'a Path, Signature),
    /// What is left out, and why.
    Problem(ProblemKind, String),
}

/// Calls `visit` with every photo in and below `root` and with what is left out, in the order of names: the path as
/// text, then what it is.
///
/// # Errors
/// When `root` itself cannot be read.
pub(super) fn walk(root: &Path, visit: &mut dyn FnMut(&str, Found<'_>)) -> Result<(), DataError> {
    Walk { root, visit, chain: Vec::new() }.folder(root)
}

struct Walk<'a> {
    root: &'a Path,
    visit: &'a mut dyn FnMut(&str, Found<'_>),
    /// The folders above, links resolved: one that comes again is a circle.
    chain: Vec<PathBuf>,
}

impl Walk<'_> {
    fn folder(&mut self, folder: &Path) -> Result<(), DataError> {
        let at = |source| DataError::Io { path: folder.into(), source };
        self.chain.push(folder.canonicalize().map_err(at)?);
        for entry in list(folder).map_err(at)? {
            let below = entry.strip_prefix(self.root).unwrap_or(&entry);
            let shown = below.to_string_lossy().into_owned();
            let bad = |reason: String| Found::Problem(ProblemKind::BadPath, reason);
            if entry.file_name().and_then(|n| n.to_str()).is_none() {
                (self.visit)(&shown, bad("its name is not UTF-8 text; rename it".into()));
                continue;
            }
            // Follows links; a link to nowhere is an error here.
            let Ok(meta) = fs::metadata(&entry) else {
                (self.visit)(&shown, bad("it cannot be read, or is a link that leads nowhere".into()));
                continue;
            };
            if meta.is_dir() {
                let real = entry.canonicalize().map_err(at)?;
                if self.chain.contains(&real) || self.chain.len() >= DEPTH {
                    let reason = "the link leads back to a folder above it; not followed";
                    (self.visit)(&shown, bad(reason.into()));
                } else if let Err(error) = self.folder(&entry) {
                    self.chain.truncate(self.depth_of(folder));
                    (self.visit)(&shown, bad(error.to_string()));
                }
            } else if meta.is_file()
                && let Some(found) = file(&entry, below)
            {
                (self.visit)(&shown, found);
            }
        }
        self.chain.pop();
        Ok(())
    }

    /// Length of the chain while `folder` itself is read.
    fn depth_of(&self, folder: &Path) -> usize {
        folder.strip_prefix(self.root).map_or(1, |below| below.components().count() + 1)
    }
}

/// A file that is a photo, or only looks like one; none for notes, tables and thumbnails of a file manager.
fn file<'a>(file: &Path, below: &'a Path) -> Option<Found<'a>> {
    let unreadable = |reason: String| Some(Found::Problem(ProblemKind::Unreadable, reason));
    match Signature::of_file(file) {
        Err(error) => unreadable(error.to_string()),
        Ok(signature) if signature.readable() => Some(Found::Photo(below, signature)),
        Ok(signature) if signature.is_picture() || named_like_photo(file) => unreadable(signature.reason()),
        Ok(_) => None,
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

/// Whether any photo that can be read lies in or below the folder. `chain` holds the folders above, links resolved.
pub(super) fn has_photo(folder: &Path, chain: &mut Vec<PathBuf>) -> bool {
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
    let found = files.iter().any(|f| is_photo(f)) || folders.iter().any(|f| has_photo(f, chain));
    chain.pop();
    found
}

/// Whether the file is a photo that can be read.
pub(super) fn is_photo(file: &Path) -> bool {
    file.is_file() && Signature::of_file(file).is_ok_and(|s| s.readable())
}

/// Whether the name ends as photos' names do, so that a broken one is reported rather than passed over.
pub fn named_like_photo(file: &Path) -> bool {
    let extension = file.extension().and_then(|e| e.to_str()).unwrap_or("").to_ascii_lowercase();
    matches!(
        extension.as_str(),
        "jpg" | "jpeg" | "jpe" | "jfif" | "png" | "webp" | "tif" | "tiff" | "bmp" | "heic" | "heif"
    )
}
