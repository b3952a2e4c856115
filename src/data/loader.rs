//! Turns batches of photo numbers into batches of pixels, ahead of time, on threads of its own.
//!
//! Batches come out in order whatever the number of workers, and each photo's random stream depends on the seed, the
//! step and its place in the batch only: the bytes are the same with no worker and with sixteen. A photo that cannot
//! be read fails its batch, with its name; the loader goes on with the next, as stopping is the caller's decision.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use crossbeam_channel::{Receiver, Sender, unbounded};

use super::augment::{Augment, Scratch, augment_into};
use super::cache::PhotoCache;
use super::decode::PhotoFile;
use super::error::DataError;
use super::random::{Purpose, stream};
use super::resize::byte_len;
use super::sampler::Batch;

/// What a loader needs to know.
#[derive(Debug, Clone)]
pub struct LoaderConfig {
    /// The files; the batches' photos are indices into them.
    pub photos: Vec<PhotoFile>,
    /// Where decoded photos are kept.
    pub cache: Arc<PhotoCache>,
    /// Side of the pixels that come out.
    pub side: u32,
    /// How photos are changed, and `None` for evaluation. Must have passed [`Augment::check`].
    pub augment: Option<Augment>,
    /// Seed of the augmentation.
    pub seed: u64,
    /// Threads; 0 loads in the calling thread, when asked for a batch.
    pub workers: usize,
    /// Batches that are loaded or being loaded ahead; raised to the number of workers.
    pub depth: usize,
}

impl LoaderConfig {
    /// The side at which photos are cached: larger than `side` where crops are on.
    pub fn source_side(&self) -> u32 {
        self.augment.map_or(self.side, |a| a.source_side(self.side))
    }
}

/// The pixels of a batch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LoadedBatch {
    /// The step that the batch was given with.
    pub step: u64,
    /// Indices into the list of photos.
    pub photos: Vec<usize>,
    /// The batch's pairs.
    pub pairs: Vec<(usize, usize, bool)>,
    /// Photos x side x side x 3 bytes: photo by photo, rows from the top, red, green, blue.
    pub pixels: Vec<u8>,
    /// How long `next` waited for it.
    pub wait: Duration,
}

/// What a worker says about a job: its place in the order, and the batch or a panic's payload.
type Done = (u64, thread::Result<Result<LoadedBatch, DataError>>);

/// An iterator of loaded batches. Dropping it stops its threads after the photo in hand.
pub struct Loader {
    shared: Arc<Shared>,
    batches: Box<dyn Iterator<Item = (u64, Batch)> + Send>,
    threads: Vec<JoinHandle<()>>,
    /// `None` without workers.
    jobs: Option<Sender<(u64, u64, Batch)>>,
    done: Receiver<Done>,
    early: BTreeMap<u64, thread::Result<Result<LoadedBatch, DataError>>>,
    depth: usize,
    asked: u64,
    given: u64,
    scratch: Scratch,
}

struct Shared {
    config: LoaderConfig,
    stop: AtomicBool,
}

impl Loader {
    /// Starts to load `batches`, each with its step. A step must not occur twice with one seed, or its photos are
    /// changed in the same way twice.
    pub fn start<I>(config: LoaderConfig, batches: I) -> Self
    where
        I: IntoIterator<Item = (u64, Batch)>,
        I::IntoIter: Send + 'static,
    {
        let (workers, depth) = (config.workers, config.depth.max(config.workers).max(1));
        let shared = Arc::new(Shared { config, stop: AtomicBool::new(false) });
        let (jobs, queue) = unbounded();
        let (sender, done) = unbounded();
        let threads: Vec<_> = (0..workers)
            .filter_map(|i| {
                let (shared, queue, sender) = (Arc::clone(&shared), queue.clone(), sender.clone());
                let name = format!("photos {i}");
                // Without the thread there is one worker less; without any, the caller loads.
                thread::Builder::new().name(name).spawn(move || work(&shared, &queue, &sender)).ok()
            })
            .collect();
        let jobs = (!threads.is_empty()).then_some(jobs);
        let mut loader = Loader {
            shared,
            batches: Box::new(batches.into_iter()),
            threads,
            jobs,
            done,
            early: BTreeMap::new(),
            depth,
            asked: 0,
            given: 0,
            scratch: Scratch::default(),
        };
        loader.ask();
        loader
    }

    /// Keeps `depth` batches under way.
    fn ask(&mut self) {
        let Some(jobs) = &self.jobs else { return };
        while self.asked - self.given < self.depth as u64 {
            let Some((step, batch)) = self.batches.next() else {
                return;
            };
            if jobs.send((self.asked, step, batch)).is_err() {
                return;
            }
            self.asked += 1;
        }
    }
}

impl Iterator for Loader {
    type Item = Result<LoadedBatch, DataError>;

    /// The next batch in order. A worker's panic goes on here.
    fn next(&mut self) -> Option<Self::Item> {
        let start = Instant::now();
        let result = if self.jobs.is_some() {
            self.ask();
            if self.given == self.asked {
                return None;
            }
            loop {
                if let Some(result) = self.early.remove(&self.given) {
                    break result;
                }
                // Workers live until the loader is dropped, so there is always an answer.
                let (at, result) = self.done.recv().ok()?;
                self.early.insert(at, result);
            }
        } else {
            let (step, batch) = self.batches.next()?;
            Ok(load(&self.shared, step, batch, &mut self.scratch)?)
        };
        self.given += 1;
        self.ask();
        match result {
            Ok(Ok(mut batch)) => {
                batch.wait = start.elapsed();
                Some(Ok(batch))
            }
            Ok(Err(error)) => Some(Err(error)),
            Err(panic) => std::panic::resume_unwind(panic),
        }
    }
}

impl Drop for Loader {
    fn drop(&mut self) {
        self.shared.stop.store(true, Ordering::Relaxed);
        self.jobs = None; // the queue ends
        for thread in self.threads.drain(..) {
            let _ = thread.join(); // panics were caught and passed on
        }
    }
}

impl fmt::Debug for Loader {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let workers = self.threads.len();
        f.debug_struct("Loader").field("workers", &workers).field("given", &self.given).finish_non_exhaustive()
    }
}

/// A worker's life.
fn work(shared: &Shared, queue: &Receiver<(u64, u64, Batch)>, sender: &Sender<Done>) {
    let mut scratch = Scratch::default();
    for (at, step, batch) in queue {
        let loading = std::panic::AssertUnwindSafe(|| load(shared, step, batch, &mut scratch));
        let result = match std::panic::catch_unwind(loading) {
            Ok(Some(result)) => Ok(result),
            Ok(None) => return, // told to stop
            Err(panic) => Err(panic),
        };
        if sender.send((at, result)).is_err() {
            return;
        }
    }
}

/// Loads one batch; `None` when told to stop.
fn load(shared: &Shared, step: u64, batch: Batch, scratch: &mut Scratch) -> Option<Result<LoadedBatch, DataError>> {
    let config = &shared.config;
    let (size, source_side) = (byte_len(config.side), config.source_side());
    let mut pixels = vec![0; batch.photos.len() * size];
    for (position, (&photo, out)) in batch.photos.iter().zip(pixels.chunks_exact_mut(size)).enumerate() {
        if shared.stop.load(Ordering::Relaxed) {
            return None;
        }
        let source = match config.cache.get(&config.photos[photo], source_side) {
            Ok(source) => source,
            Err(error) => return Some(Err(error)),
        };
        match &config.augment {
            Some(augment) => {
                let mut random = stream(config.seed, Purpose::Augmentation, step, position as u64);
                augment_into(&source, augment, config.side, &mut random, scratch, out);
            }
            None => out.copy_from_slice(&source.rgb),
        }
    }
    Some(Ok(LoadedBatch { step, photos: batch.photos, pairs: batch.pairs, pixels, wait: Duration::ZERO }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use image::{Rgb, RgbImage};
    use std::path::Path;

    /// Photos `0.png`, `1.png`, … of different colours.
    fn photos(folder: &Path, n: u32) -> Vec<PhotoFile> {
        (0..n)
            .map(|i| {
                let path = folder.join(format!("{i}.png"));
                RgbImage::from_fn(24, 20, |x, y| Rgb([(i * 20) as u8, (x * 9) as u8, (y * 9) as u8]))
                    .save(&path)
                    .unwrap();
                path.into()
            })
            .collect()
    }

    fn config(photos: &[PhotoFile], workers: usize) -> LoaderConfig {
        LoaderConfig {
            photos: photos.to_vec(),
            cache: Arc::new(PhotoCache::open(None)),
            side: 16,
            augment: Some(Augment::default()),
            seed: 9,
            workers,
            depth: 3,
        }
    }

    fn batches(n: u64) -> Vec<(u64, Batch)> {
        (0..n)
            .map(|s| (s + 10, Batch { photos: vec![s as usize % 5, 1, 4, 1], pairs: vec![(0, 1, s % 2 == 0)] }))
            .collect()
    }

    fn all(loader: Loader) -> Vec<LoadedBatch> {
        loader.map(|b| LoadedBatch { wait: Duration::ZERO, ..b.unwrap() }).collect()
    }

    #[test]
    fn bytes_and_order_do_not_depend_on_the_workers() {
        let dir = tempfile::tempdir().unwrap();
        let photos = photos(dir.path(), 5);
        let want = all(Loader::start(config(&photos, 0), batches(12)));
        assert_eq!(want.len(), 12);
        assert_eq!(want.iter().map(|b| b.step).collect::<Vec<_>>(), (10..22).collect::<Vec<_>>());
        assert_eq!((want[3].photos.as_slice(), want[3].pairs.as_slice()), (&[3, 1, 4, 1][..], &[(0, 1, false)][..]));
        for workers in [1, 2, 7] {
            assert_eq!(all(Loader::start(config(&photos, workers), batches(12))), want, "{workers} workers");
        }
        // A photo twice in a batch is changed in two ways; the same place of another step in a third.
        let photo = |b: &LoadedBatch, i: usize| b.pixels[i * byte_len(16)..(i + 1) * byte_len(16)].to_vec();
        assert_ne!(photo(&want[0], 1), photo(&want[0], 3));
        assert_ne!(photo(&want[0], 1), photo(&want[1], 1));
        // Starting in the middle gives the same batches: that is what a resumed run does.
        assert_eq!(all(Loader::start(config(&photos, 2), batches(12).split_off(7))), want[7..]);
    }

    #[test]
    fn evaluation_gets_the_photos_as_they_are() {
        let dir = tempfile::tempdir().unwrap();
        let photos = photos(dir.path(), 5);
        let plain = LoaderConfig { augment: None, ..config(&photos, 2) };
        let parts = crate::data::sampler::in_order(5, 2);
        let loaded = all(Loader::start(plain.clone(), (0..).zip(parts)));
        assert_eq!(loaded.iter().map(|b| b.photos.len()).collect::<Vec<_>>(), [2, 2, 1]);
        let bytes: Vec<u8> = loaded.into_iter().flat_map(|b| b.pixels).collect();
        let want: Vec<u8> = photos.iter().flat_map(|p| plain.cache.get(p, 16).unwrap().rgb).collect();
        assert_eq!(bytes, want);
    }

    #[test]
    fn a_photo_that_vanishes_fails_its_batch_by_name_and_no_other() {
        let dir = tempfile::tempdir().unwrap();
        let photos = photos(dir.path(), 5);
        std::fs::remove_file(&photos[2].path).unwrap();
        for workers in [0, 2] {
            let loaded: Vec<_> = Loader::start(config(&photos, workers), batches(6)).collect();
            assert_eq!(loaded.len(), 6);
            for (i, batch) in loaded.iter().enumerate() {
                assert_eq!(batch.is_err(), i == 2);
            }
            let error = loaded[2].as_ref().unwrap_err().to_string();
            assert!(error.contains("2.png"), "{error}");
        }
    }

    #[test]
    fn dropping_it_under_way_ends_its_threads() {
        let dir = tempfile::tempdir().unwrap();
        let config = config(&photos(dir.path(), 5), 3);
        let cache = Arc::downgrade(&config.cache);
        let endless = (0..).map(|s| (s, Batch { photos: vec![0; 64], pairs: Vec::new() }));
        let mut loader = Loader::start(config, endless);
        assert!(loader.next().unwrap().is_ok());
        drop(loader);
        // The threads held the cache; they are gone.
        assert_eq!(cache.strong_count(), 0);
    }

    #[test]
    fn no_more_batches_are_under_way_than_asked_for() {
        let dir = tempfile::tempdir().unwrap();
        let taken = Arc::new(std::sync::atomic::AtomicUsize::new(0));
        let counter = Arc::clone(&taken);
        let counted = batches(50).into_iter().inspect(move |_| {
            counter.fetch_add(1, Ordering::Relaxed);
        });
        let mut loader = Loader::start(config(&photos(dir.path(), 5), 2), counted);
        for given in 1..10 {
            assert!(loader.next().unwrap().is_ok());
            assert_eq!(taken.load(Ordering::Relaxed), given + 3);
        }
    }

    #[test]
    fn a_bug_in_a_worker_reaches_the_caller() {
        let dir = tempfile::tempdir().unwrap();
        let wrong = vec![(0, Batch { photos: vec![77], pairs: Vec::new() })];
        let mut loader = Loader::start(config(&photos(dir.path(), 5), 2), wrong);
        assert!(std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| loader.next())).is_err());
    }
}
