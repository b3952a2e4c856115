//! How large the photos of a dataset are, in pixels, upright.
//!
//! Read from the first bytes of each file: no photo is unpacked.

use std::path::PathBuf;

use serde::Serialize;

use super::decode::size_of;
use super::each::each;
use super::error::DataError;

/// The sizes of photos as width and height in pixels, ordered by their number of pixels.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Sizes {
    /// The fewest pixels.
    pub smallest: (u32, u32),
    /// As many photos are smaller as are larger.
    pub median: (u32, u32),
    /// The most pixels.
    pub largest: (u32, u32),
    /// Photos whose size was read.
    pub photos: usize,
    /// Files that tell none: missing, or no photos.
    pub unknown: usize,
}

impl Sizes {
    /// The sizes of the photos at `paths`, read on `threads` threads; none where not one tells its size.
    ///
    /// `progress` is called from this thread with the number done, and says whether to go on.
    ///
    /// # Errors
    /// [`DataError::Interrupted`] when `progress` says not to go on.
    pub fn read(
        paths: &[PathBuf],
        threads: usize,
        progress: impl FnMut(usize) -> bool,
    ) -> Result<Option<Sizes>, DataError> {
        Ok(Sizes::of(&each(paths, threads, |path| size_of(path), progress)?))
    }

    /// The sizes among `read`; none where there is no size.
    pub(super) fn of(read: &[Option<(u32, u32)>]) -> Option<Sizes> {
        let mut known: Vec<(u32, u32)> = read.iter().flatten().copied().collect();
        known.sort_by_key(|&(width, height)| (u64::from(width) * u64::from(height), width));
        let (&smallest, &largest) = (known.first()?, known.last()?);
        let median = known[known.len() / 2];
        Some(Sizes { smallest, median, largest, photos: known.len(), unknown: read.len() - known.len() })
    }

    /// In words.
    pub fn told(&self) -> String {
        let size = |(width, height): (u32, u32)| format!("{width} x {height}");
        let all = match self.smallest == self.largest {
            true => size(self.median),
            false => format!("{} to {}, in the middle {}", size(self.smallest), size(self.largest), size(self.median)),
        };
        match self.unknown {
            0 => all,
            n => format!("{all}; {n} not known"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_middle_one_is_in_the_middle_and_files_that_are_none_are_counted() {
        let dir = tempfile::tempdir().unwrap();
        let mut paths = Vec::new();
        for (name, width, height) in [("a.png", 30, 20), ("b.png", 8, 90), ("c.png", 2, 3)] {
            image::RgbImage::new(width, height).save(dir.path().join(name)).unwrap();
            paths.push(dir.path().join(name));
        }
        std::fs::write(dir.path().join("d.jpg"), "no photo").unwrap();
        paths.extend([dir.path().join("d.jpg"), dir.path().join("gone.jpg")]);
        let sizes = Sizes::read(&paths, 2, |_| true).unwrap().unwrap();
        assert_eq!((sizes.smallest, sizes.median, sizes.largest), ((2, 3), (30, 20), (8, 90)));
        assert_eq!((sizes.photos, sizes.unknown), (3, 2));
        assert_eq!(sizes.told(), "2 x 3 to 8 x 90, in the middle 30 x 20; 2 not known");
        assert!(Sizes::read(&paths[3..], 2, |_| true).unwrap().is_none());
        assert!(matches!(Sizes::read(&paths, 1, |_| false), Err(DataError::Interrupted)));
    }
}
