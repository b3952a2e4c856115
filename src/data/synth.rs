//! Synthetic sea turtles: the data set that is always there, drawn by code from a seed and never downloaded.
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
        SynthPlan { individuals: 32, encounters: 6, photos: 4, width: 256, height: 192, seed: 666 }
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

/// Draws the data set into `dir`, which is created and must be empty, in the layout of SeaTurtleID2022:
/// `images/<individual>/<name>.jpg`, and `metadata_splits.csv` with a column `orientation` (left, right) more.
///
/// Calls `progress(done, total)` after each photo, from any thread. The table is written last: a folder without it
/// was cut short. Errors name the file.
pub fn draw(plan: &SynthPlan, dir: &Path, progress: &(dyn Fn(usize, usize) + Sync)) -> Result<(), SynthError> {
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
            progress(done.fetch_add(1, Ordering::Relaxed) + 1, plan.total());
            Ok(())
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
    let dice = &mut Dice::new(plan.seed, For::Photo, individual, encounter, photo);
    let image = shot::take(animal, &scene, plan.width, plan.height, dice);
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
