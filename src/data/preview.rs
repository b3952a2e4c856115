//! Photos as a network in training sees them: augmented, in some versions each. For looking at before a training.

use image::RgbImage;
use image::imageops::replace;
use rand::SeedableRng;
use rand::seq::SliceRandom;
use rand_chacha::ChaCha8Rng;

use super::augment::{Augment, EFFECTS, Effect, augment};
use super::decode::PhotoFile;
use super::error::DataError;
use super::manifest::{Manifest, Problem};
use super::prepare::unreadable;
use super::resize::{Pixels, square};

/// What to show.
#[derive(Clone, Copy, Debug)]
pub struct PreviewPlan {
    /// The augmentation; it must have passed [`Augment::check`].
    pub augment: Augment,
    /// Side of a photo, in pixels.
    pub side: u32,
    /// Photos, taken at random.
    pub photos: usize,
    /// Versions of each, beside the photo as an evaluation sees it; none: one for each augmentation alone, as strong as in
    /// `augment`, or half as strong as can be where it is off there.
    pub versions: Option<usize>,
    /// Everything random follows from it.
    pub seed: u64,
}

/// What is shown.
#[derive(Clone, Debug, Default)]
pub struct Preview {
    /// Each photo as it is, then its versions, photo after photo.
    pub photos: Vec<Pixels>,
    /// The photos' paths as the manifest has them.
    pub names: Vec<String>,
    /// Photos that cannot be read; others took their place.
    pub problems: Vec<Problem>,
}

/// Pixels of white between photos and around them.
const GAP: u32 = 6;

impl PreviewPlan {
    /// The augmentations of a photo's versions.
    fn kinds(&self) -> Vec<Augment> {
        match self.versions {
            Some(versions) => vec![self.augment; versions],
            None => EFFECTS.iter().map(|effect| effect.shown(&self.augment)).collect(),
        }
    }

    /// Pictures in a row of the page.
    pub fn columns(&self) -> usize {
        1 + self.kinds().len()
    }
}

impl Preview {
    /// The photos as a page, `columns` in a row.
    pub fn page(&self, columns: usize) -> RgbImage {
        let side = self.photos.first().map_or(0, |p| p.side);
        let (columns, pitch) = (columns.max(1), side + GAP);
        let rows = self.photos.len().div_ceil(columns);
        let mut page =
            RgbImage::from_pixel(columns as u32 * pitch + GAP, rows as u32 * pitch + GAP, image::Rgb([255; 3]));
        for (place, photo) in self.photos.iter().enumerate() {
            if let Some(photo) = RgbImage::from_raw(photo.side, photo.side, photo.rgb.clone()) {
                let at = |n: usize| i64::from(n as u32 * pitch + GAP);
                replace(&mut page, &photo, at(place % columns), at(place / columns));
            }
        }
        page
    }
}

/// Draws photos of `manifest` at random and augments them; fewer where there are not so many.
///
/// # Errors
/// When the augmentation is out of range, or no photo can be read.
pub fn preview(manifest: &Manifest, plan: &PreviewPlan) -> Result<Preview, DataError> {
    plan.augment.check()?;
    let mut random = ChaCha8Rng::seed_from_u64(plan.seed);
    let mut order: Vec<usize> = (0..manifest.photos.len()).collect();
    order.shuffle(&mut random);
    let kinds = plan.kinds();
    let mut preview = Preview::default();
    for index in order {
        if preview.names.len() == plan.photos {
            break;
        }
        let file = manifest.file(index);
        let both = file.read().map(|whole| {
            let mut versions = Vec::with_capacity(kinds.len());
            let mut source: Option<Pixels> = None;
            for kind in &kinds {
                let side = kind.source_side(plan.side);
                let source = match source.take().filter(|s| s.side == side) {
                    Some(same) => source.insert(same),
                    None => source.insert(square(&whole, side)),
                };
                versions.push(augment(source, kind, plan.side, &mut random));
            }
            (square(&whole, plan.side), versions)
        });
        match both {
            Ok((plain, versions)) => {
                preview.photos.push(plain);
                preview.photos.extend(versions);
                preview.names.push(manifest.photos[index].path.to_string_lossy().into_owned());
            }
            Err(error) => preview.problems.push(unreadable(manifest, index, error)),
        }
    }
    match preview.problems.first() {
        Some(first) if preview.names.is_empty() => {
            Err(DataError::NoPhotos { path: manifest.root.clone(), reason: format!("the first: {first}") })
        }
        _ => Ok(preview),
    }
}

/// A photo decoded once, to look at as many versions of it as a screen shows.
#[derive(Clone, Debug)]
pub struct Versions {
    plain: Pixels,
    source: Pixels,
    whole: RgbImage,
    how: Augment,
}

impl Versions {
    /// The first number of a version by one augmentation alone, in the order of [`EFFECTS`].
    pub const ALONE: u8 = 200;

    /// The augmentation that is all there is to the version `number`; none for other versions.
    pub fn alone(number: u8) -> Option<&'static Effect> {
        number.checked_sub(Versions::ALONE).and_then(|n| EFFECTS.get(usize::from(n)))
    }

    /// Versions of `photo` by `how`, `side` pixels wide and high.
    ///
    /// # Errors
    /// When the augmentation is out of range, or the photo cannot be read.
    pub fn of(photo: &PhotoFile, how: &Augment, side: u32) -> Result<Versions, DataError> {
        how.check()?;
        let whole = photo.read()?;
        let source = square(&whole, how.source_side(side));
        Ok(Versions { plain: square(&whole, side), source, whole, how: *how })
    }

    /// Version 0 is the photo as an evaluation sees it, each further number is augmented otherwise, the same again for the
    /// same number; those from [`Versions::ALONE`] on by one augmentation each, as strong as [`Effect::shown`] has it.
    ///
    /// [`Effect::shown`]: super::augment::Effect::shown
    pub fn version(&self, number: u8) -> RgbImage {
        let pixels = if number == 0 {
            self.plain.clone()
        } else if let Some(effect) = Versions::alone(number) {
            let (how, side) = (effect.shown(&self.how), self.plain.side);
            let mut random = ChaCha8Rng::seed_from_u64(1);
            augment(&square(&self.whole, how.source_side(side)), &how, side, &mut random)
        } else {
            let mut random = ChaCha8Rng::seed_from_u64(u64::from(number));
            augment(&self.source, &self.how, self.plain.side, &mut random)
        };
        RgbImage::from_raw(pixels.side, pixels.side, pixels.rgb).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::cache::PhotoCache;
    use crate::data::synth::{SynthPlan, draw};

    #[test]
    fn a_preview_is_the_same_for_a_seed_and_passes_over_what_cannot_be_read() {
        let dir = tempfile::tempdir().unwrap();
        let drawn = SynthPlan { individuals: 2, encounters: 2, photos: 1, width: 64, height: 48, seed: 3 };
        draw(&drawn, &dir.path().join("t"), &|_, _| true).unwrap();
        let manifest = crate::data::formats::as_written(&dir.path().join("t")).unwrap();
        let augment = Augment { haze: 0.3, rotation_degrees: 20.0, ..Augment::off() };
        let plan = PreviewPlan { augment, side: 32, photos: 3, versions: Some(2), seed: 1 };
        let one = preview(&manifest, &plan).unwrap();
        assert_eq!((one.names.len(), one.photos.len()), (3, 9));
        let page = one.page(3);
        assert_eq!(page.dimensions(), (3 * 38 + 6, 3 * 38 + 6));
        let last = one.photos[8].rgb[..3].to_vec();
        assert_eq!((page.get_pixel(82, 82).0.to_vec(), page.get_pixel(43, 43).0), (last, [255; 3]));
        let bytes = |p: &Preview| p.photos.iter().map(|p| p.rgb.clone()).collect::<Vec<_>>();
        assert_eq!(bytes(&one), bytes(&preview(&manifest, &plan).unwrap()));
        assert_ne!(one.photos[1].rgb, one.photos[2].rgb, "two versions of a photo differ");

        let each = preview(&manifest, &PreviewPlan { versions: None, photos: 1, ..plan }).unwrap();
        assert_eq!(each.photos.len(), 1 + EFFECTS.len());

        let versions = Versions::of(&manifest.file(0), &augment, 32).unwrap();
        let version = |n| versions.version(n);
        assert_eq!(version(0).into_raw(), PhotoCache::open(None).get(&manifest.file(0), 32).unwrap().rgb);
        assert_eq!((version(0).dimensions(), version(1)), ((32, 32), version(1)));
        assert!(version(1) != version(2) && version(0) != version(1));
        assert!(version(Versions::ALONE) != version(Versions::ALONE + 1));

        std::fs::write(manifest.full_path(0), "no photo").unwrap();
        let all = PreviewPlan { photos: 10, ..plan };
        let rest = preview(&manifest, &all).unwrap();
        assert_eq!((rest.names.len(), rest.problems.len()), (3, 1));
        for index in 1..4 {
            std::fs::write(manifest.full_path(index), "no photo").unwrap();
        }
        assert!(matches!(preview(&manifest, &all), Err(DataError::NoPhotos { .. })));
    }
}
