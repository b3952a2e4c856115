//! How fast photos are prepared for a training on this machine, without a network: read, decoded, resized and changed at random as
//! in a first epoch, and out of the cache as in later ones.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use serde::Serialize;

use super::augment::Augment;
use super::cache::PhotoCache;
use super::decode::PhotoFile;
use super::error::DataError;
use super::loader::{Loader, LoaderConfig};
use super::sampler::Batch;
use super::synth::{SynthError, SynthPlan, draw};

/// What is drawn where no photos are given: as a camera leaves them, 2000 pixels wide.
const DRAWN: SynthPlan = SynthPlan { individuals: 4, encounters: 4, photos: 4, width: 2000, height: 1333, seed: 666 };

/// What to measure.
#[derive(Clone, Debug)]
pub struct LoadingPlan {
    /// The photos, each once an epoch.
    pub photos: Vec<PathBuf>,
    /// Side that they are resized and cropped to, in pixels.
    pub image_size: u32,
    /// Photos in a batch.
    pub batch_size: usize,
    /// Threads that prepare photos.
    pub workers: usize,
    /// Folder for the caches, one for each first epoch.
    pub folder: PathBuf,
    /// How long to go on with each measurement; at least two epochs are made.
    pub patience: Duration,
}

/// What was measured: the fastest epoch, and the median one beside it, in photos a second of all threads together.
#[derive(Clone, Debug, Serialize)]
pub struct LoadingReport {
    /// Photos of an epoch.
    pub photos: usize,
    /// Bytes of their files.
    pub file_bytes: u64,
    /// Side that they are resized and cropped to, in pixels.
    pub image_size: u32,
    /// Threads that prepared them.
    pub workers: usize,
    /// Files read, decoded, resized, kept in the cache, and changed at random.
    pub first_photos_per_s: f64,
    /// The same of the median epoch.
    pub first_photos_per_s_median: f64,
    /// Out of the cache, changed at random.
    pub later_photos_per_s: f64,
    /// The same of the median epoch.
    pub later_photos_per_s_median: f64,
}

/// Draws photos of 2000 pixels into `folder`, which must be empty.
///
/// # Errors
/// When they cannot be written.
pub fn drawn(folder: &Path) -> Result<(), SynthError> {
    draw(&DRAWN, folder, &|_, _| true)
}

/// Measures.
///
/// # Errors
/// When a photo cannot be read.
pub fn loading(plan: &LoadingPlan) -> Result<LoadingReport, DataError> {
    let files: Vec<PhotoFile> = plan.photos.iter().cloned().map(PhotoFile::from).collect();
    let first = epochs(plan, |epoch| {
        let cache = Arc::new(PhotoCache::open(Some(plan.folder.join(epoch.to_string()))));
        timed(plan, &files, &cache, epoch)
    })?;
    let cache = Arc::new(PhotoCache::open(Some(plan.folder.join("0"))));
    let later = epochs(plan, |epoch| timed(plan, &files, &cache, epoch))?;
    let rate = |seconds: f64| plan.photos.len() as f64 / seconds;
    Ok(LoadingReport {
        photos: plan.photos.len(),
        file_bytes: plan.photos.iter().filter_map(|path| Some(path.metadata().ok()?.len())).sum(),
        image_size: plan.image_size,
        workers: plan.workers,
        first_photos_per_s: rate(first[0]),
        first_photos_per_s_median: rate(first[first.len() / 2]),
        later_photos_per_s: rate(later[0]),
        later_photos_per_s_median: rate(later[later.len() / 2]),
    })
}

/// Seconds of each epoch, the shortest first.
fn epochs(plan: &LoadingPlan, mut epoch: impl FnMut(u64) -> Result<f64, DataError>) -> Result<Vec<f64>, DataError> {
    let begin = Instant::now();
    let mut seconds = Vec::new();
    while seconds.len() < 2 || begin.elapsed() < plan.patience {
        seconds.push(epoch(seconds.len() as u64)?);
    }
    seconds.sort_by(f64::total_cmp);
    Ok(seconds)
}

/// Seconds that an epoch takes in which nobody but the threads that prepare photos is at work.
fn timed(plan: &LoadingPlan, files: &[PhotoFile], cache: &Arc<PhotoCache>, epoch: u64) -> Result<f64, DataError> {
    let all: Vec<usize> = (0..files.len()).collect();
    let batches: Vec<Batch> =
        all.chunks(plan.batch_size.max(1)).map(|photos| Batch { photos: photos.into(), ..Batch::default() }).collect();
    let config = LoaderConfig {
        photos: files.to_vec(),
        cache: cache.clone(),
        side: plan.image_size,
        augment: Some(Augment::default()),
        seed: epoch,
        workers: plan.workers,
        depth: 3,
    };
    let begin = Instant::now();
    for batch in Loader::start(config, (0_u64..).zip(batches)) {
        batch?;
    }
    Ok(begin.elapsed().as_secs_f64())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn first_epochs_read_files_and_later_ones_do_not() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("1.png");
        image::RgbImage::from_pixel(90, 60, image::Rgb([9, 99, 199])).save(&path).unwrap();
        let plan = LoadingPlan {
            photos: vec![path.clone(); 3],
            image_size: 32,
            batch_size: 2,
            workers: 1,
            folder: dir.path().join("caches"),
            patience: Duration::ZERO,
        };
        let report = loading(&plan).unwrap();
        assert_eq!((report.photos, report.file_bytes), (3, 3 * path.metadata().unwrap().len()));
        assert!(report.first_photos_per_s >= report.first_photos_per_s_median);
        assert!(report.later_photos_per_s >= report.later_photos_per_s_median);
        let caches = std::fs::read_dir(dir.path().join("caches")).unwrap().count();
        assert_eq!(caches, 2, "one for each first epoch");
        let gone = LoadingPlan { photos: vec![dir.path().join("2.png")], ..plan };
        assert!(loading(&gone).is_err());
    }
}
