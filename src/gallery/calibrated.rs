//! A gallery's calibration on the disk: `calibration.json` in its folder, with its pictures; bound to the embeddings that it is of.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use crate::run::files;

use super::about::Embedding;
use super::calibration::{Calibration, calibrate};
use super::calibration_charts;
use super::store::Gallery;
use super::thresholds::Asked;
use super::{CALIBRATION_FILE, Error, Result};

/// All of [`CALIBRATION_FILE`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Stored {
    /// What made the embeddings: other distances mean other things.
    embedding: Embedding,
    #[serde(flatten)]
    calibration: Calibration,
}

/// Calibrates a gallery and leaves [`CALIBRATION_FILE`] and the pictures in its folder; tells the files.
///
/// # Errors
/// As [`calibrate`], and when the gallery cannot be read or a file not be written.
pub fn calibrate_gallery(
    gallery: &Gallery,
    asked: Asked,
    share_new: Option<f64>,
) -> Result<(Calibration, Vec<PathBuf>)> {
    let calibration = calibrate(&gallery.known()?, asked, share_new, &gallery.named_by_program()?);
    let calibration = calibration.map_err(|mut error| {
        if let Error::TooFew { folder, .. } = &mut error {
            *folder = Some(gallery.folder().into());
        }
        error
    })?;
    let mut written = calibration_charts::draw(gallery.folder(), &calibration)?;
    // last: with it, the pictures are there
    let path = gallery.folder().join(CALIBRATION_FILE);
    let stored = Stored { embedding: gallery.embedding().clone(), calibration };
    files::replace_json(&path, &stored)?;
    written.insert(0, path);
    Ok((stored.calibration, written))
}

/// The calibration of a gallery; none where it has none.
///
/// # Errors
/// When the file cannot be read, is damaged, or is of the embeddings before a rebuild.
pub fn calibration_of(gallery: &Gallery) -> Result<Option<Calibration>> {
    let path = gallery.folder().join(CALIBRATION_FILE);
    let Some(stored) = files::read_json_if_there::<Stored>(&path)? else { return Ok(None) };
    if stored.embedding != *gallery.embedding() {
        return Err(Error::OtherCalibration { path });
    }
    if let Some(reason) = stored.calibration.defect() {
        return Err(Error::NoCalibration { path, reason });
    }
    Ok(Some(stored.calibration))
}

#[cfg(test)]
pub(super) mod tests {
    use super::super::identify::Catalogue;
    use super::super::known::Known;
    use super::super::testing::drawn;
    use super::super::tests::{embedding, networks};
    use super::super::writer::{Adding, Encounter, NewPhoto, Writer};
    use super::*;
    use std::collections::HashSet;

    /// Leaves `known` as a gallery in `folder`.
    pub(in super::super) fn put(folder: &std::path::Path, known: &Known) -> Gallery {
        let embedding = Embedding { dims: known.dims, ..embedding() };
        let mut writer = Writer::create(folder, embedding, networks()).unwrap();
        let photos: Vec<NewPhoto> = (known.photos.iter().enumerate())
            .map(|(n, photo)| NewPhoto {
                root: "/photos".into(),
                path: format!("{n}.jpg"),
                individual: known.individuals[photo.individual].clone(),
                encounter: Encounter::Own(photo.encounter.to_string()),
                date: None,
                side: photo.side,
                crop: None,
                looked: false,
                sha256: std::array::from_fn(|at| if at < 8 { n.to_le_bytes()[at] } else { 0 }),
                trained: photo.trained,
            })
            .collect();
        writer.add(&mut Adding::new("build", String::new()), &photos, &known.embeddings).unwrap();
        writer.complete().unwrap();
        Gallery::open(folder).unwrap()
    }

    #[test]
    fn a_catalogue_that_is_open_takes_up_a_new_calibration() {
        let dir = tempfile::tempdir().unwrap();
        let folder = dir.path().join("g");
        let mut catalogue = Catalogue::of(put(&folder, &drawn(60, 2, 0.3, 1))).unwrap();
        assert!(catalogue.calibration().is_none() && catalogue.cut().is_none());
        let asked = Asked { false_new: 0.1, wrong_name: 0.1 };
        let (calibration, _) = calibrate_gallery(&Gallery::open(&folder).unwrap(), asked, None).unwrap();
        catalogue.calibrate_again().unwrap();
        assert_eq!((catalogue.calibration(), catalogue.cut()), (Some(&calibration), calibration.groups.as_ref()));
        std::fs::remove_file(folder.join(CALIBRATION_FILE)).unwrap();
        catalogue.calibrate_again().unwrap();
        assert!(catalogue.calibration().is_none());
    }

    #[test]
    fn a_gallery_keeps_its_calibration_until_its_embeddings_are_others() {
        let dir = tempfile::tempdir().unwrap();
        let folder = dir.path().join("g");
        let known = drawn(60, 2, 0.3, 1);
        let gallery = put(&folder, &known);
        assert_eq!(calibration_of(&gallery).unwrap(), None);
        assert_eq!(gallery.single_undated().unwrap(), 120, "nobody dated them, and each is alone");
        assert_eq!(put(&dir.path().join("once"), &drawn(9, 1, 0.3, 1)).single_undated().unwrap(), 0);
        assert_eq!(super::super::tests::small(&dir.path().join("dated")).single_undated().unwrap(), 0);
        let asked = Asked { false_new: 0.1, wrong_name: 0.1 };
        let (calibration, written) = calibrate_gallery(&gallery, asked, Some(0.3)).unwrap();
        assert_eq!((written.len(), calibration.share_new), (5, 0.3));
        assert_eq!(calibration, calibrate(&known, asked, Some(0.3), &HashSet::new()).unwrap());
        assert_eq!(calibration_of(&gallery).unwrap(), Some(calibration));
        // what cannot be promised leaves the one that stands
        let less = Asked { false_new: 0.001, ..asked };
        let error = calibrate_gallery(&gallery, less, None).unwrap_err().to_string();
        let (said, command) = error.split_once("caretta gallery calibrate --gallery ").unwrap();
        assert!(said.contains("a false-new rate of 0.001 with a wrong-name rate of 0.1"), "{error}");
        let rate = |flag: &str| command.split(flag).nth(1).unwrap().split(' ').next().unwrap().parse().unwrap();
        let asked = Asked { false_new: rate("--false-new "), wrong_name: rate("--wrong-name ") };
        assert!(command.starts_with(folder.to_str().unwrap()) && asked.wrong_name == 0.1, "{error}");
        calibrate(&known, asked, None, &HashSet::new()).unwrap();
        let path = folder.join(CALIBRATION_FILE);
        let text = std::fs::read_to_string(&path).unwrap();
        std::fs::write(&path, text.replace(&gallery.embedding().identity, "others")).unwrap();
        let error = calibration_of(&gallery).unwrap_err().to_string();
        assert!(error.contains("gallery calibrate"), "{error}");
        // whose numbers a file of anybody's may hold
        for (at, number) in [
            ("/is_new/least", 0.7),
            ("/name_is_right/least", -1.0),
            ("/is_new/nearest", 1e308),
            ("/thresholds/new_above", -1e200),
            ("/groups/distance", 7.0),
        ] {
            let mut stored: serde_json::Value = serde_json::from_str(&text).unwrap();
            *stored.pointer_mut(at).unwrap() = number.into();
            std::fs::write(&path, stored.to_string()).unwrap();
            let error = calibration_of(&gallery).unwrap_err().to_string();
            assert!(error.contains(CALIBRATION_FILE) && error.contains("gallery calibrate"), "{at}: {error}");
        }
        std::fs::write(&path, &text[..text.len() / 2]).unwrap();
        assert!(calibration_of(&gallery).unwrap_err().to_string().contains(CALIBRATION_FILE));
    }
}
