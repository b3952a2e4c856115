//! Synthetic sea turtles: the dataset that is always there, drawn by code from a seed and never downloaded.
//!
//! An individual is a pattern of scutes and scales; a photo puts it into water. Photos of one encounter share water
//! and light, as real ones do, so that background and colour find the encounter and not the animal: only an evaluation
//! that excludes a query's own encounter is honest here. The same plan gives the same bytes on every machine, and a
//! photo does not depend on how many others are drawn. Knows files and pixels, nothing of tensors.

mod backdrop;
mod body;
mod camera;
mod canvas;
mod carapace;
mod caustics;
mod clutter;
mod colour;
mod dice;
mod error;
mod hide;
mod individual;
mod lens;
mod maths;
mod mosaic;
mod palette;
mod raster;
mod scene;
mod shell;
mod shot;
mod table;

pub use error::SynthError;

use dice::{Dice, For};
use image::RgbImage;
use image::codecs::jpeg::JpegEncoder;
use individual::Individual;
use rayon::prelude::*;
use scene::Scene;
use std::fs;
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use table::Row;

/// What to draw.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SynthPlan {
    /// Number of individuals, named `t001` and so on.
    pub individuals: usize,
    /// Encounters of each individual, on different days of several seasons.
    pub encounters: usize,
    /// Photos of each encounter.
    pub photos: usize,
    /// Width of a photo in pixels.
    pub width: u32,
    /// Height of a photo in pixels.
    pub height: u32,
    /// Everything follows from it.
    pub seed: u64,
}

impl Default for SynthPlan {
    fn default() -> SynthPlan {
        SynthPlan { individuals: 24, encounters: 12, photos: 3, width: 256, height: 192, seed: 666 }
    }
}

/// The most of anything, and the sizes of a photo, that a plan may ask for: a season has only so many days.
const MOST: usize = 1000;
const SIDES: std::ops::RangeInclusive<u32> = 32..=4096;

impl SynthPlan {
    /// The number of photos in all.
    pub fn total(&self) -> usize {
        self.individuals * self.encounters * self.photos
    }

    fn check(&self) -> Result<(), SynthError> {
        let counts = [("individuals", self.individuals), ("encounters", self.encounters), ("photos", self.photos)];
        for (what, n) in counts {
            if n == 0 || n > MOST {
                return Err(SynthError::Plan(format!("{what} must be 1 to {MOST}, not {n}")));
            }
        }
        for (what, n) in [("width", self.width), ("height", self.height)] {
            if !SIDES.contains(&n) {
                let (low, high) = (SIDES.start(), SIDES.end());
                return Err(SynthError::Plan(format!("{what} must be {low} to {high} pixels, not {n}")));
            }
        }
        Ok(())
    }
}

/// A tile of the web of light under waves, brightness about one, with the side given; it repeats without a seam.
pub(super) fn caustics_tile(side: usize) -> Vec<f32> {
    let web = caustics::Caustics::draw(&mut Dice::new(0, For::Encounter, 0, 0, 0));
    let at = |i: usize| i as f32 / side as f32;
    (0..side * side).map(|i| web.at(at(i % side), at(i / side))).collect()
}

/// Draws the dataset into `dir`, which is created and must be empty, in the layout of SeaTurtleID2022:
/// `images/<individual>/<name>.jpg`, and `metadata_splits.csv` with a column `orientation` (left, right) more.
///
/// Calls `progress(done, total)` after each photo, from any thread; it says whether to go on. The table is written last:
/// a folder without it was cut short. Errors name the file.
pub fn draw(plan: &SynthPlan, dir: &Path, progress: &(dyn Fn(usize, usize) -> bool + Sync)) -> Result<(), SynthError> {
    plan.check()?;
    fs::create_dir_all(dir).map_err(|e| at(dir, e))?;
    if fs::read_dir(dir).map_err(|e| at(dir, e))?.next().is_some() {
        return Err(SynthError::NotEmpty { path: dir.to_owned() });
    }
    let rows = table::rows(plan);
    for i in 0..plan.individuals {
        let folder = dir.join("images").join(table::label(i));
        fs::create_dir_all(&folder).map_err(|e| at(&folder, e))?;
    }
    let done = AtomicUsize::new(0);
    rows.par_chunk_by(|a, b| a.individual == b.individual).try_for_each(|rows| {
        let animal = Individual::draw(plan.seed, rows[0].individual, plan.width);
        rows.par_iter().try_for_each(|row| {
            let path = dir.join(&row.file);
            let bytes = photo_bytes(plan, &animal, row, &path)?;
            write_whole(&path, &bytes)?;
            let go_on = progress(done.fetch_add(1, Ordering::Relaxed) + 1, plan.total());
            if go_on { Ok(()) } else { Err(SynthError::Interrupted) }
        })
    })?;
    let path = dir.join("metadata_splits.csv");
    let bytes = table_bytes(plan, &rows, &path)?;
    write_whole(&path, &bytes)
}

/// Whether `dir` holds what [`draw`] would draw there: the same table, and the same first and last photo. Costs two
/// photos.
pub fn is_drawn(plan: &SynthPlan, dir: &Path) -> bool {
    let rows = table::rows(plan);
    let same = |row: &Row| {
        let path = dir.join(&row.file);
        let animal = Individual::draw(plan.seed, row.individual, plan.width);
        let drawn = photo_bytes(plan, &animal, row, &path);
        drawn.is_ok_and(|bytes| fs::read(&path).is_ok_and(|there| there == bytes))
    };
    let table = dir.join("metadata_splits.csv");
    let drawn = table_bytes(plan, &rows, &table);
    drawn.is_ok_and(|bytes| fs::read(&table).is_ok_and(|there| there == bytes))
        && rows.first().is_some_and(same)
        && rows.last().is_some_and(same)
}

fn photo_bytes(plan: &SynthPlan, animal: &Individual, row: &Row, path: &Path) -> Result<Vec<u8>, SynthError> {
    let (image, quality) = shoot(plan, animal, row.individual, row.encounter, row.photo);
    let mut bytes = Vec::new();
    JpegEncoder::new_with_quality(&mut bytes, quality)
        .encode_image(&image)
        .map_err(|source| SynthError::Encode { path: path.to_owned(), source })?;
    Ok(bytes)
}

fn table_bytes(plan: &SynthPlan, rows: &[Row], path: &Path) -> Result<Vec<u8>, SynthError> {
    table::write(plan, rows).map_err(|e| at(path, e.into()))
}

/// One photo of the plan, before it is compressed; counts from 0. Does not depend on the plan's counts, and so gives
/// a picture for any place, within the plan or not.
pub fn photo(plan: &SynthPlan, individual: usize, encounter: usize, photo: usize) -> RgbImage {
    let animal = Individual::draw(plan.seed, individual, plan.width);
    shoot(plan, &animal, individual, encounter, photo).0
}

/// The photo and the quality it is to be compressed with.
fn shoot(plan: &SynthPlan, animal: &Individual, individual: usize, encounter: usize, photo: usize) -> (RgbImage, u8) {
    let scene = Scene::draw(&mut Dice::new(plan.seed, For::Encounter, individual, encounter, 0));
    let stream = |photo| Dice::new(plan.seed, For::Photo, individual, encounter, photo);
    let dice = &mut stream(photo);
    let first = shot::first_of_burst(plan.seed, individual, encounter, photo);
    let mut first = (first < photo).then(|| stream(first));
    let image = shot::take(animal, &scene, plan.width, plan.height, first.as_mut(), dice);
    (image, 62 + dice.below(32) as u8)
}

fn at(path: &Path, source: std::io::Error) -> SynthError {
    SynthError::Write { path: path.to_owned(), source }
}

/// Under another name first: a file that has its name is whole.
fn write_whole(path: &Path, bytes: &[u8]) -> Result<(), SynthError> {
    let part = path.with_extension("part");
    fs::write(&part, bytes).map_err(|e| at(&part, e))?;
    fs::rename(&part, path).map_err(|e| at(path, e))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;
    use std::path::PathBuf;

    fn small(individuals: usize, encounters: usize, photos: usize) -> SynthPlan {
        SynthPlan { individuals, encounters, photos, width: 64, height: 48, seed: 7 }
    }

    fn read(dir: &Path) -> Vec<csv::StringRecord> {
        let mut table = csv::Reader::from_path(dir.join("metadata_splits.csv")).unwrap();
        assert_eq!(table.headers().unwrap().len(), 12);
        table.records().collect::<Result<_, _>>().unwrap()
    }

    #[test]
    fn a_photo_has_the_same_bytes_whatever_the_plans_counts() {
        let one = photo(&small(1, 1, 1), 2, 1, 3);
        assert_eq!(one.dimensions(), (64, 48));
        assert_eq!(one, photo(&small(9, 5, 7), 2, 1, 3));
        for (i, e, p) in [(1, 1, 3), (2, 2, 3), (2, 1, 2)] {
            assert_ne!(one, photo(&small(1, 1, 1), i, e, p), "{i} {e} {p}");
        }
        let other = SynthPlan { seed: 8, ..small(1, 1, 1) };
        assert_ne!(one, photo(&other, 2, 1, 3));
    }

    /// Every published figure stands on these bytes: a change must be meant, and machines must agree.
    #[test]
    fn the_default_turtles_have_not_changed() {
        use sha2::{Digest, Sha256};
        let mut sum = Sha256::new();
        for i in 0..3 {
            sum.update(photo(&SynthPlan { width: 96, height: 72, ..SynthPlan::default() }, i, i, i).into_raw());
        }
        let digest = crate::data::hex::hex(&sum.finalize()[..8]);
        assert_eq!(digest, "b07cc508ca7b30d9");
    }

    #[test]
    fn a_drawn_folder_is_what_was_promised() {
        let dir = tempfile::tempdir().unwrap();
        let home = dir.path().join("new").join("turtles");
        let plan = small(3, 4, 2);
        let most = AtomicUsize::new(0);
        draw(&plan, &home, &|done, total| {
            assert_eq!(total, 24);
            most.fetch_max(done, Ordering::Relaxed);
            true
        })
        .unwrap();
        assert_eq!(most.into_inner(), 24);
        let rows = read(&home);
        assert_eq!(rows.len(), 24);
        for (n, row) in rows.iter().enumerate() {
            assert_eq!(&row[0], (n + 1).to_string());
            assert!(row[1].starts_with(&format!("images/{}/", &row[2])), "{}", &row[1]);
            let image = image::open(home.join(&row[1])).unwrap();
            assert_eq!((image.width(), image.height()), (64, 48));
            assert_eq!((&row[6], &row[7]), ("64", "48"));
            assert!(row[3].starts_with(&row[4]) && row[4].starts_with(&row[5]));
            assert!(["left", "right"].contains(&&row[11]));
        }
        // nothing is left under a temporary name
        let mut folders: Vec<PathBuf> = vec![home];
        while let Some(folder) = folders.pop() {
            for entry in fs::read_dir(folder).unwrap() {
                let path = entry.unwrap().path();
                assert!(path.extension().is_none_or(|e| e != "part"), "{}", path.display());
                if path.is_dir() {
                    folders.push(path);
                }
            }
        }
    }

    #[test]
    fn a_larger_plan_keeps_the_photos_of_a_smaller_one_on_any_number_of_threads() {
        let (a, b) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let pool = rayon::ThreadPoolBuilder::new().num_threads(1).build().unwrap();
        pool.install(|| draw(&small(1, 2, 1), a.path(), &|_, _| true)).unwrap();
        draw(&small(2, 3, 2), b.path(), &|_, _| true).unwrap();
        for row in read(a.path()) {
            assert_eq!(fs::read(a.path().join(&row[1])).unwrap(), fs::read(b.path().join(&row[1])).unwrap());
        }
        let days: BTreeSet<String> = read(a.path()).iter().map(|r| r[4].to_owned()).collect();
        let more: BTreeSet<String> = read(b.path()).iter().map(|r| r[4].to_owned()).collect();
        assert!(days.is_subset(&more));
    }

    #[test]
    fn a_folder_with_something_in_it_is_left_alone() {
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join("mine.txt"), "mine").unwrap();
        let refused = draw(&small(1, 1, 1), dir.path(), &|_, _| true).unwrap_err();
        assert!(matches!(refused, SynthError::NotEmpty { .. }));
        assert!(refused.to_string().contains(&*dir.path().to_string_lossy()));
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1);
        // a file in the place of the folder
        let file = dir.path().join("mine.txt");
        let refused = draw(&small(1, 1, 1), &file, &|_, _| true).unwrap_err();
        assert!(refused.to_string().contains("mine.txt"), "{refused}");
    }

    #[test]
    fn plans_that_make_no_sense_are_refused() {
        let dir = tempfile::tempdir().unwrap();
        for plan in [
            small(0, 1, 1),
            small(1, 0, 1),
            small(1, 1, 0),
            small(1, 2000, 1),
            SynthPlan { width: 8, ..small(1, 1, 1) },
        ] {
            assert!(matches!(draw(&plan, dir.path(), &|_, _| true), Err(SynthError::Plan(_))), "{plan:?}");
        }
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 0);
    }
}
