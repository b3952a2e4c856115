//! What lies at the paths that a person named: photos, folders of them, and what is neither.

use std::path::{Path, PathBuf};

use anyhow::Result;

use crate::data::counted::counted;
use crate::data::empty::empty_below;
use crate::data::foreign;
use crate::data::manifest::{LEFT_OUT, Manifest, Problem, ProblemKind};
use crate::gallery::asked::Given;

use super::{Context, words};

/// Names that a sentence has at most.
const FEW: usize = 3;

/// What lies at the paths.
pub(super) struct Lying {
    /// What can be asked about.
    pub(super) given: Vec<Given>,
    /// Paths at which there is nothing to ask about, and why.
    pub(super) missing: Vec<Problem>,
    /// Folders below those named in and below which there is no photo.
    pub(super) empty: Vec<PathBuf>,
}

/// Looks at `paths`. One at which nothing lies is no error: the others are asked about all the same.
///
/// # Errors
/// When the folder that paths start from cannot be told.
pub(super) fn lying(context: &Context, paths: &[PathBuf]) -> Result<Lying> {
    let mut lying = Lying { given: Vec::new(), missing: Vec::new(), empty: Vec::new() };
    for path in paths {
        if !path.is_dir() {
            match path.try_exists() {
                Ok(true) => lying.given.push(Given::Photo(path.clone())),
                Ok(false) => lying.missing.push(missing(path, "there is no such photo or folder".into())),
                Err(error) => lying.missing.push(missing(path, error.to_string())),
            }
            continue;
        }
        let absolute = std::path::absolute(path)?;
        match context.workspace.photos_below(&absolute) {
            Ok(manifest) => {
                if manifest.photos.is_empty() {
                    lying.missing.push(missing(path, "there is no photo in it that can be read".into()));
                } else {
                    lying.empty.extend(empty_in(path, &absolute, &manifest));
                }
                lying.given.push(Given::Folder(path.clone(), manifest));
            }
            Err(error) => lying.missing.push(missing(path, error.to_string())),
        }
    }
    Ok(lying)
}

impl Lying {
    /// Says what there is nothing to ask about of.
    pub(super) fn say(&self) {
        words::say_problems(&self.missing);
        say_empty(&self.empty);
    }
}

/// Folders in and below which there is no photo, below the one given as `path`, which is `absolute` and holds what `manifest` has.
pub(super) fn empty_in(path: &Path, absolute: &Path, manifest: &Manifest) -> Vec<PathBuf> {
    let shown = |empty: PathBuf| path.join(empty.strip_prefix(absolute).unwrap_or(&empty));
    empty_below(absolute, manifest).into_iter().map(shown).collect()
}

/// Says which folders have no photo.
pub(super) fn say_empty(empty: &[PathBuf]) {
    if !empty.is_empty() {
        let folders = counted(empty.len(), "folder");
        words::say(&format!("{LEFT_OUT}: {folders} without a photo: {}", few(empty)));
    }
}

/// The first of `paths`, for a sentence.
pub(super) fn few(paths: &[PathBuf]) -> String {
    let more = if paths.len() > FEW { ", …" } else { "" };
    paths.iter().take(FEW).map(|path| foreign::path(path)).collect::<Vec<_>>().join(", ") + more
}

fn missing(path: &Path, reason: String) -> Problem {
    Problem { kind: ProblemKind::Unreadable, photo: Some(path.to_string_lossy().into_owned()), line: None, reason }
}
