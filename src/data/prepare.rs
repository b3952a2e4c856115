//! Looks at every photo once before a run starts: fills the cache, and finds those that cannot be read.
//!
//! A run of hours must not stop at a photo that could have been found in the first minute. What is left being too
//! little for the work is for the caller to say, who knows the work.

use super::cache::PhotoCache;
use super::decode::PhotoFile;
use super::each::each;
use super::error::DataError;
use super::manifest::{Manifest, Problem, ProblemKind};

/// Which photos can be used, and what is wrong with the others.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Prepared {
    /// Indices into the manifest's photos, in the order given.
    pub usable: Vec<usize>,
    /// One a photo that cannot be read, in the order given.
    pub problems: Vec<Problem>,
}

/// Decodes `photos` (indices into the manifest) into the cache at all `sides`, on `threads` threads (at least one).
///
/// `progress` is called from this thread with the number done, and says whether to go on; [`DataError::Interrupted`]
/// if not. Without a cache every photo is still decoded, to know that it can be.
pub fn prepare(
    manifest: &Manifest,
    photos: &[usize],
    cache: &PhotoCache,
    sides: &[u32],
    threads: usize,
    progress: impl FnMut(usize) -> bool,
) -> Result<Prepared, DataError> {
    let files: Vec<PhotoFile> = photos.iter().map(|&i| manifest.file(i)).collect();
    let failures = each(&files, threads, |file| cache.ensure(file, sides).err(), progress)?;
    let mut prepared = Prepared { usable: Vec::new(), problems: Vec::new() };
    for (&photo, failure) in photos.iter().zip(failures) {
        let Some(error) = failure else {
            prepared.usable.push(photo);
            continue;
        };
        prepared.problems.push(unreadable(manifest, photo, error));
    }
    Ok(prepared)
}

/// Photo `index` of `manifest` cannot be read: `error` says why.
pub fn unreadable(manifest: &Manifest, index: usize, error: DataError) -> Problem {
    let reason = match error {
        DataError::Unreadable { reason, .. } => reason,
        other => other.to_string(),
    };
    let photo = Some(manifest.photos[index].path.display().to_string());
    Problem { kind: ProblemKind::Unreadable, photo, line: None, reason }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::manifest::testing::manifest;

    #[test]
    fn unreadable_photos_are_found_in_order_and_the_rest_is_cached() {
        let dir = tempfile::tempdir().unwrap();
        let mut m = manifest(&[("a", ""); 6]);
        m.root = dir.path().to_path_buf();
        for i in [0, 1, 3, 4] {
            let photo = image::RgbImage::new(20, 10 + i);
            photo.save_with_format(m.full_path(i as usize), image::ImageFormat::Png).unwrap();
        }
        std::fs::write(m.full_path(2), "no photo").unwrap(); // and photo 5 is not there
        let cache = PhotoCache::open(Some(dir.path().join("cache")));
        for threads in [1, 4] {
            let mut seen = Vec::new();
            let p = prepare(&m, &[5, 0, 2, 4, 1], &cache, &[8, 12], threads, |done| {
                seen.push(done);
                true
            })
            .unwrap();
            assert_eq!(p.usable, [0, 4, 1]);
            let names: Vec<_> = p.problems.iter().map(|p| p.photo.as_deref().unwrap()).collect();
            assert_eq!(names, ["5.jpg", "2.jpg"]);
            assert!(p.problems[1].reason.contains("no JPEG, PNG, WebP, TIFF or BMP"));
            assert_eq!(seen, [1, 2, 3, 4, 5]);
        }
        // Cached: the size is served although the photo has become nonsense of the same length and time.
        let path = m.full_path(0);
        let meta = std::fs::metadata(&path).unwrap();
        std::fs::write(&path, vec![0; meta.len() as usize]).unwrap();
        std::fs::File::options().write(true).open(&path).unwrap().set_modified(meta.modified().unwrap()).unwrap();
        assert!(cache.get(&path.clone().into(), 8).is_ok() && cache.get(&path.clone().into(), 12).is_ok());
        assert!(cache.get(&path.clone().into(), 9).is_err());
    }

    #[test]
    fn it_can_be_interrupted() {
        let m = manifest(&[("a", ""); 50]);
        let result = prepare(&m, &(0..50).collect::<Vec<_>>(), &PhotoCache::open(None), &[8], 2, |n| n < 3);
        assert!(matches!(result, Err(DataError::Interrupted)));
    }
}
