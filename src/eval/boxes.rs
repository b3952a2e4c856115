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

/// The boxes that networks have found in the dataset at `dataset`, of several networks those found last.
///
/// # Errors
/// When a table cannot be read.
pub fn found(workspace: &Workspace, dataset: &Path) -> Result<Corrections> {
    let begin = format!("{}.", stem(workspace, dataset)?);
    let Ok(entries) = std::fs::read_dir(folder(workspace)) else { return Ok(Corrections::NONE) };
    let of_dataset = |name: &str| name.starts_with(&begin);
    let tables = entries.flatten().filter(|entry| entry.file_name().to_str().is_some_and(of_dataset));
    let newest = tables.max_by_key(|entry| entry.metadata().and_then(|m| m.modified()).ok());
    newest.map_or(Ok(Corrections::NONE), |entry| Ok(Corrections::read(&entry.path())?))
}

/// The box that was found in `photo`, by its path from the dataset's folder; none too where all of the photo counts.
pub fn box_in(found: &Corrections, photo: &Path) -> Option<Crop> {
    found.get(photo)?.crop.filter(|crop| *crop != Crop::FULL)
}

/// Where the tables lie.
fn folder(workspace: &Workspace) -> PathBuf {
    workspace.root().join("boxes")
}

/// What the names of a dataset's tables begin with: that of its corrections.
fn stem(workspace: &Workspace, dataset: &Path) -> Result<String> {
    let corrections = workspace.corrections_file(dataset)?;
    Ok(corrections.file_stem().unwrap_or_default().to_string_lossy().into_owned())
}

/// The corrections of the dataset at `dataset`, which `manifest` is as they have it, with boxes where `looker` looks;
/// photos that it has not seen yet are looked at on `device`. `progress` is called with the number looked at, of how many,
/// and says whether to go on.
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
    let place = folder(workspace).join(format!("{}.{}.csv", stem(workspace, dataset)?, short(&looker.hash)));
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
        files::create_folder(&folder(workspace))?;
        files::replace(&place, &known.to_csv()?)?;
    }
    let mut boxes = 0;
    for photo in bare {
        let Some(crop) = box_in(&known, path(photo)) else { continue };
        let correction = corrections.get(path(photo)).cloned().unwrap_or_default();
        corrections.set(path(photo), Correction { crop: Some(crop), ..correction });
        boxes += 1;
    }
    Ok(Boxed { corrections, boxes, problems })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::cache::PhotoCache;
    use crate::nn::head::HeadKind;
    use crate::nn::network::{Architecture, Network};
    use crate::nn::weights::{WeightFile, identity};
    use dfdx::prelude::Cpu;
    use std::sync::Arc;

    #[test]
    fn photos_are_looked_at_once_and_what_was_drawn_stays() {
        let dir = tempfile::tempdir().unwrap();
        let photos = dir.path().join("photos");
        for (photo, at) in [("t1/a.jpg", 2), ("t1/b.jpg", 40), ("t2/c.jpg", 70), ("t2/d.jpg", 20)] {
            let place = photos.join(photo);
            std::fs::create_dir_all(place.parent().unwrap()).unwrap();
            let near = |x: u32, y: u32| x.abs_diff(at) < 12 && y.abs_diff(at) < 12;
            let paint =
                |x, y| image::Rgb(if near(x, y) { [(x * 97 % 256) as u8, (y * 61 % 256) as u8, 9] } else { [90; 3] });
            image::RgbImage::from_fn(90, 90, paint).save_with_format(place, image::ImageFormat::Png).unwrap();
        }
        let device = Cpu::default();
        let architecture = Architecture { backbone: "resnet18", head: HeadKind::Pooled, dimensions: 512 };
        let network = Network::new(&device, architecture, 3).unwrap();
        let path = dir.path().join("looks.safetensors");
        let mut file = WeightFile::default();
        file.insert_network(&network).unwrap();
        std::fs::write(&path, file.to_bytes(&path).unwrap()).unwrap();
        let looker = Looker { path, hash: identity(&network).unwrap() };

        let workspace = Workspace::open(Some(&dir.path().join("workspace"))).unwrap();
        let drawn = Crop::new(0.5, 0.5, 0.2, 0.2).unwrap();
        workspace.correct(&photos, "t1/b.jpg".as_ref(), |c| c.crop = Some(drawn)).unwrap();
        workspace.correct(&photos, "t2/d.jpg".as_ref(), |c| c.crop = Some(Crop::FULL)).unwrap();
        let source = Source { cache: Arc::new(PhotoCache::open(None)), workers: 1 };
        let look = |seen: &mut usize| {
            let manifest = workspace.open_dataset(&photos).unwrap();
            let mut progress = |_: usize, _: usize| {
                *seen += 1;
                true
            };
            boxed(&device, &workspace, (&photos, &manifest), &looker, &source, &mut progress).unwrap()
        };
        let mut seen = 0;
        let first = look(&mut seen);
        assert_eq!((seen, first.boxes, first.problems.len()), (2, 2, 0));
        let crop = |of: &Corrections, photo: &str| of.get(photo.as_ref()).and_then(|c| c.crop);
        assert_eq!(crop(&first.corrections, "t1/b.jpg"), Some(drawn));
        assert_eq!(crop(&first.corrections, "t2/d.jpg"), Some(Crop::FULL));
        assert!(crop(&first.corrections, "t1/a.jpg").unwrap() != crop(&first.corrections, "t2/c.jpg").unwrap());
        // once looked at, a photo is not looked at again; what was found is seen beside what was drawn
        let again = look(&mut seen);
        assert_eq!((seen, again.corrections), (2, first.corrections.clone()));
        let kept = found(&workspace, &photos).unwrap();
        assert_eq!(crop(&kept, "t1/a.jpg"), crop(&first.corrections, "t1/a.jpg"));
        assert_eq!(workspace.corrections(&photos).unwrap().len(), 2);
    }
}
