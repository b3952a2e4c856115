//! Boxes that a pretrained network found in a dataset's photos: looked for once, kept in the workspace, and laid under
//! what people have drawn.
//!
//! A table of the form of corrections for each dataset and network, in `boxes/`. A photo with a box of its own, drawn by
//! hand or from the dataset's table, keeps it.

use std::path::{Path, PathBuf};

use crate::data::corrections::{Correction, Corrections};
use crate::data::crop::Crop;
use crate::data::manifest::{Manifest, Problem};
use crate::nn::ops::Backend;
use crate::run::{Workspace, files};

use super::Result;
use super::attention::look;
use super::embed::Source;
use super::model::Model;
use super::weights::short;

/// The network that looks.
#[derive(Clone, Debug)]
pub struct Looker {
    /// Its file.
    pub path: PathBuf,
    /// What its boxes are kept under: the hash of its backbone, or the beginning of it.
    pub hash: String,
}

/// A dataset's corrections with the boxes that were found.
#[derive(Debug)]
pub struct Boxed {
    /// What was corrected by hand, and for photos without a box where the network looks.
    pub corrections: Corrections,
    /// Photos that have a box now only because the network looks there.
    pub boxes: usize,
    /// One a photo that cannot be read.
    pub problems: Vec<Problem>,
}

/// The table with the boxes that the network of that hash found in the dataset at `dataset`.
///
/// # Errors
/// When the path cannot be made absolute.
pub fn table(workspace: &Workspace, dataset: &Path, hash: &str) -> Result<PathBuf> {
    let corrections = workspace.corrections_file(dataset)?;
    let stem = corrections.file_stem().unwrap_or_default().to_string_lossy();
    Ok(workspace.root().join("boxes").join(format!("{stem}.{}.csv", short(hash))))
}

/// The corrections of the dataset at `dataset`, which `manifest` is as they have it, with boxes where `looker` looks;
/// photos that it has not seen yet are looked at on `device`. `progress` is called with the number looked at, of how many, and says whether to go on.
///
/// # Errors
/// When the network cannot be loaded or fails, a table cannot be read or written, or `progress` said no
/// ([`super::Error::Interrupted`]).
pub fn boxed<D: Backend>(
    device: &D,
    workspace: &Workspace,
    (dataset, manifest): (&Path, &Manifest),
    looker: &Looker,
    source: &Source,
    progress: &mut dyn FnMut(usize, usize) -> bool,
) -> Result<Boxed> {
    let mut corrections = workspace.corrections(dataset)?;
    let place = table(workspace, dataset, &looker.hash)?;
    let mut known = Corrections::read(&place)?;
    let path = |photo: usize| manifest.photos[photo].path.as_path();
    // one that was taken back by hand stays whole
    let has_own = |photo: usize| {
        manifest.photos[photo].crop.is_some() || corrections.get(path(photo)).is_some_and(|c| c.crop.is_some())
    };
    let bare: Vec<usize> = (0..manifest.photos.len()).filter(|&photo| !has_own(photo)).collect();
    let unseen: Vec<usize> = bare.iter().copied().filter(|&photo| known.get(path(photo)).is_none()).collect();
    let mut problems = Vec::new();
    if !unseen.is_empty() {
        let model = Model::load(device, &looker.path)?;
        let found = look(&model.network, manifest, &unseen, source, |done| progress(done, unseen.len()))?;
        for (photo, crop) in found.boxes {
            known.set(path(photo), Correction { crop: Some(crop.unwrap_or(Crop::FULL)), ..Correction::default() });
        }
        problems = found.problems;
        files::create_folder(&workspace.root().join("boxes"))?;
        files::replace(&place, &known.to_csv()?)?;
    }
    let mut boxes = 0;
    for photo in bare {
        let Some(crop) = known.get(path(photo)).and_then(|c| c.crop).filter(|crop| *crop != Crop::FULL) else {
            continue;
        };
        let correction = corrections.get(path(photo)).cloned().unwrap_or_default();
        corrections.set(path(photo), Correction { crop: Some(crop), ..correction });
        boxes += 1;
    }
    Ok(Boxed { corrections, boxes, problems })
}
