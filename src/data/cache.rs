//! Decoded photos on disk, so that an epoch reads no JPEG.
//!
//! A cached photo is its square of bytes behind a small head with its key and a checksum: lossless, read in one go,
//! and a torn or foreign file is seen and made again. Behind it stands the SHA-256 of the photo's file, so that who wants
//! that need not read the file again; caches of before have none, and serve their pixels all the same. Files are renamed into place, so writers on several threads or
//! machines do no harm, and the folder may be deleted at any time, also while it is used. A cache that cannot be
//! written must never stop a run: it says so once, and photos are decoded each time. Old entries are never removed
//! here; the folder is the user's to delete.

use std::fs::{self, File};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use sha2::{Digest, Sha256};

use super::decode::PhotoFile;
use super::error::DataError;
use super::hex::hex;
use super::resize::{Pixels, byte_len, square};

/// Changes whenever decoding or resizing would give other bytes.
const PREPROCESSING: u32 = 1;
/// First bytes of a cached photo.
const MAGIC: [u8; 8] = *b"caretta\x01";
/// Magic, key, checksum.
const HEAD: usize = 8 + 32 + 8;
/// The photo's file as one number, checksum.
const TAIL: usize = 32 + 8;
/// A temporary file older than this was left by a process that was killed.
const STALE: Duration = Duration::from_secs(24 * 60 * 60);

/// Photos as squares, decoded at most once where a folder for them can be written. Shared between threads.
#[derive(Debug)]
pub struct PhotoCache {
    folder: Option<PathBuf>,
    /// Set at the first write that failed; nothing is written after it.
    closed: AtomicBool,
    warning: Mutex<Option<String>>,
}

impl PhotoCache {
    /// A cache in `folder`, made when the first photo is written; `None` decodes each time.
    pub fn open(folder: Option<PathBuf>) -> Self {
        if let Some(folder) = &folder {
            sweep(&folder.join("tmp"));
        }
        PhotoCache { folder, closed: AtomicBool::new(false), warning: Mutex::new(None) }
    }

    /// Why the cache is no longer written, once: later calls give `None`.
    pub fn take_warning(&self) -> Option<String> {
        self.warning.lock().unwrap_or_else(std::sync::PoisonError::into_inner).take()
    }

    /// The photo at `side` x `side` pixels, from the cache or decoded and put there.
    ///
    /// Fails only with [`DataError::Unreadable`]: the photo is gone or damaged. Trouble with the cache is a warning.
    pub fn get(&self, photo: &PhotoFile, side: u32) -> Result<Pixels, DataError> {
        let Some(place) = self.place(photo, side)? else {
            return Ok(square(&photo.read()?, side));
        };
        if let Some(pixels) = place.load() {
            return Ok(pixels);
        }
        let (decoded, sha256) = photo.read_hashed()?;
        let pixels = square(&decoded, side);
        self.store(&place, &pixels, &sha256);
        Ok(pixels)
    }

    /// The SHA-256 of the bytes of the photo's file as it was cached at `side` pixels, if it was, and nobody has touched the file
    /// since, as one does who writes other bytes under the same length and time; the file is not read.
    pub fn sha256(&self, photo: &PhotoFile, side: u32) -> Option<[u8; 32]> {
        let place = self.place(photo, side).ok()??;
        let cached = fs::metadata(&place.file).ok()?.modified().ok()?;
        if touched(&fs::metadata(&photo.path).ok()?).is_some_and(|touched| touched >= cached) {
            return None;
        }
        place.sha256()
    }

    /// Makes sure that the photo can be read and is cached at all sides, decoding it at most once.
    ///
    /// Of what is there only the head and the length are read; a damaged body is made again when it is used.
    pub(super) fn ensure(&self, photo: &PhotoFile, sides: &[u32]) -> Result<(), DataError> {
        let mut missing = Vec::new();
        let mut uncached = sides.is_empty();
        for &side in sides {
            match self.place(photo, side)? {
                Some(place) if place.looks_whole() => {}
                Some(place) => missing.push(place),
                None => uncached = true,
            }
        }
        if missing.is_empty() && !uncached {
            return Ok(());
        }
        if missing.is_empty() {
            return photo.read().map(drop);
        }
        let (decoded, sha256) = photo.read_hashed()?;
        for place in missing {
            self.store(&place, &square(&decoded, place.side), &sha256);
        }
        Ok(())
    }

    /// Where a photo is cached; `None` without a folder. The photo itself must be there.
    fn place(&self, photo: &PhotoFile, side: u32) -> Result<Option<Place>, DataError> {
        let PhotoFile { path: photo, crop } = photo;
        let unreadable = |e: io::Error| DataError::Unreadable { path: photo.into(), reason: e.to_string() };
        let meta = fs::metadata(photo).map_err(unreadable)?;
        let Some(folder) = &self.folder else {
            return Ok(None);
        };
        let mtime = match meta.modified() {
            Ok(time) => time.duration_since(UNIX_EPOCH).map_or_else(
                |before| -i128::try_from(before.duration().as_nanos()).unwrap_or(0),
                |after| i128::try_from(after.as_nanos()).unwrap_or(0),
            ),
            Err(_) => 0,
        };
        let mut hash = Sha256::new();
        hash.update(PREPROCESSING.to_le_bytes());
        hash.update(side.to_le_bytes());
        hash.update(meta.len().to_le_bytes());
        hash.update(mtime.to_le_bytes());
        hash.update(std::path::absolute(photo).map_err(unreadable)?.as_os_str().as_encoded_bytes());
        if let Some(crop) = crop {
            hash.update([0]); // ends the path, which holds no such byte
            hash.update(crop.bytes());
        }
        let key: [u8; 32] = hash.finalize().into();
        let name = hex(&key);
        // 256 folders a size keep each small, and a size is easy to delete.
        let file = folder.join(side.to_string()).join(&name[..2]).join(&name[2..]);
        Ok(Some(Place { file, temporary: folder.join("tmp"), key, side }))
    }

    /// Writes a photo, or closes the cache with a warning.
    fn store(&self, place: &Place, pixels: &Pixels, sha256: &[u8; 32]) {
        if self.closed.load(Ordering::Relaxed) {
            return;
        }
        // The folder may be deleted between making it and writing into it: once more from the start.
        let Err(error) = place.save(pixels, sha256).or_else(|_| place.save(pixels, sha256)) else {
            return;
        };
        if error.kind() == io::ErrorKind::NotFound {
            return; // deleted again while being written: someone tidies up, and will be done
        }
        if !self.closed.swap(true, Ordering::Relaxed) {
            let folder = self.folder.as_deref().unwrap_or(Path::new(""));
            let text = format!(
                "cannot write the photo cache in {}: {error}; photos not cached yet are decoded each time they are used",
                folder.display()
            );
            *self.warning.lock().unwrap_or_else(std::sync::PoisonError::into_inner) = Some(text);
        }
    }
}

/// When a file or what is said of it was changed last, which nobody can set; none where the system does not tell.
#[cfg(unix)]
fn touched(meta: &fs::Metadata) -> Option<SystemTime> {
    use std::os::unix::fs::MetadataExt;
    let seconds = Duration::from_secs(u64::try_from(meta.ctime()).ok()?);
    let rest = Duration::from_nanos(u64::try_from(meta.ctime_nsec()).ok()?);
    UNIX_EPOCH.checked_add(seconds)?.checked_add(rest)
}

/// See above.
#[cfg(not(unix))]
fn touched(_: &fs::Metadata) -> Option<SystemTime> {
    None
}

/// One photo's file in the cache.
struct Place {
    file: PathBuf,
    temporary: PathBuf,
    key: [u8; 32],
    side: u32,
}

impl Place {
    /// The pixels, if the file is there, whole and this photo's.
    fn load(&self) -> Option<Pixels> {
        let (mut file, head) = self.head()?;
        let mut rgb = vec![0; byte_len(self.side)];
        file.read_exact(&mut rgb).ok()?;
        (head[40..HEAD] == checksum(&rgb).to_le_bytes()).then_some(Pixels { side: self.side, rgb })
    }

    /// The SHA-256 of the photo's file, if this has it and it is whole.
    fn sha256(&self) -> Option<[u8; 32]> {
        let (mut file, _) = self.head()?;
        file.seek(SeekFrom::Start((HEAD + byte_len(self.side)) as u64)).ok()?;
        let (mut sha256, mut sum) = ([0; 32], [0; 8]);
        file.read_exact(&mut sha256).ok()?;
        file.read_exact(&mut sum).ok()?;
        (sum == checksum(&sha256).to_le_bytes()).then_some(sha256)
    }

    /// Whether head and length are right.
    fn looks_whole(&self) -> bool {
        self.head().is_some()
    }

    fn head(&self) -> Option<(File, [u8; HEAD])> {
        let mut file = File::open(&self.file).ok()?;
        let whole = HEAD + byte_len(self.side);
        if ![whole, whole + TAIL].contains(&usize::try_from(file.metadata().ok()?.len()).ok()?) {
            return None;
        }
        let mut head = [0; HEAD];
        file.read_exact(&mut head).ok()?;
        (head[..8] == MAGIC && head[8..40] == self.key).then_some((file, head))
    }

    /// Not synced: after a power cut a file may be torn, and the checksum tells.
    fn save(&self, pixels: &Pixels, sha256: &[u8; 32]) -> io::Result<()> {
        fs::create_dir_all(&self.temporary)?;
        let mut builder = tempfile::Builder::new();
        // By default only the owner could read it, and people who share a server share its cache.
        #[cfg(unix)]
        builder.permissions(std::os::unix::fs::PermissionsExt::from_mode(0o666));
        let mut file = builder.tempfile_in(&self.temporary)?;
        file.write_all(&MAGIC)?;
        file.write_all(&self.key)?;
        file.write_all(&checksum(&pixels.rgb).to_le_bytes())?;
        file.write_all(&pixels.rgb)?;
        file.write_all(sha256)?;
        file.write_all(&checksum(sha256).to_le_bytes())?;
        if let Some(shard) = self.file.parent() {
            fs::create_dir_all(shard)?;
        }
        file.persist(&self.file)?;
        Ok(())
    }
}

/// Sum of the bytes as 64-bit words, mixed so that order and zeros count. Guards against torn files, not against people.
fn checksum(bytes: &[u8]) -> u64 {
    const PRIME: u64 = 0x9e37_79b9_7f4a_7c15; // 2^64 over the golden ratio
    let mut lanes = [1u64, 2, 3, 4];
    let mut blocks = bytes.chunks_exact(32);
    for block in &mut blocks {
        for (lane, word) in lanes.iter_mut().zip(block.chunks_exact(8)) {
            let mut eight = [0; 8];
            eight.copy_from_slice(word);
            *lane = (*lane ^ u64::from_le_bytes(eight)).wrapping_mul(PRIME).rotate_left(29);
        }
    }
    let rest = blocks.remainder().iter().fold(bytes.len() as u64, |sum, &b| (sum ^ u64::from(b)).wrapping_mul(PRIME));
    lanes.iter().fold(rest, |sum, &lane| (sum ^ lane).wrapping_mul(PRIME).rotate_left(31))
}

/// Removes temporary files of processes that were killed. Failing does no harm.
fn sweep(folder: &Path) {
    let Ok(entries) = fs::read_dir(folder) else {
        return;
    };
    let now = SystemTime::now();
    for entry in entries.flatten() {
        let age = entry.metadata().and_then(|m| m.modified()).ok().and_then(|t| now.duration_since(t).ok());
        if age.is_some_and(|age| age > STALE) {
            let _ = fs::remove_file(entry.path());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use image::{Rgb, RgbImage};
    use std::sync::Arc;

    /// A folder with one photo, 40 x 30.
    fn photo() -> (tempfile::TempDir, PathBuf) {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("turtle.png");
        paint(&path, 7);
        (dir, path)
    }

    fn paint(path: &Path, salt: u32) {
        RgbImage::from_fn(40, 30, |x, y| Rgb([(x * salt) as u8, (y * salt) as u8, (x + y) as u8])).save(path).unwrap();
    }

    fn files(folder: &Path) -> Vec<PathBuf> {
        let mut found = Vec::new();
        for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
            let path = entry.path();
            if path.is_dir() { found.extend(files(&path)) } else { found.push(path) }
        }
        found
    }

    #[test]
    fn the_second_time_comes_from_the_cache_and_is_the_same() {
        let (dir, path) = photo();
        let cache = PhotoCache::open(Some(dir.path().join("cache")));
        let plain = PhotoCache::open(None).get(&path.clone().into(), 16).unwrap();
        assert_eq!(cache.get(&path.clone().into(), 16).unwrap(), plain);
        let cached = files(&dir.path().join("cache"));
        assert_eq!(cached.len(), 1);
        // Marked bytes under a right checksum show that the file is what is read.
        let mut bytes = fs::read(&cached[0]).unwrap();
        let body = HEAD..HEAD + byte_len(16);
        bytes[body.clone()].fill(9);
        let sum = checksum(&bytes[body]).to_le_bytes();
        bytes[40..HEAD].copy_from_slice(&sum);
        fs::write(&cached[0], bytes).unwrap();
        assert_eq!(cache.get(&path.clone().into(), 16).unwrap().rgb, vec![9; 16 * 16 * 3]);
        // Another size is another entry.
        assert_eq!(cache.get(&path.clone().into(), 8).unwrap().side, 8);
        assert_eq!(files(&dir.path().join("cache")).len(), 2);
    }

    #[test]
    fn a_changed_photo_is_decoded_anew_and_a_vanished_one_is_an_error() {
        let (dir, path) = photo();
        let cache = PhotoCache::open(Some(dir.path().join("cache")));
        // Of one length (bytes behind a PNG's end are ignored), so that only the time tells them apart.
        let padded = |salt| {
            paint(&path, salt);
            let mut bytes = fs::read(&path).unwrap();
            bytes.resize(10_000, 0);
            fs::write(&path, bytes).unwrap();
        };
        padded(7);
        let before = cache.get(&path.clone().into(), 16).unwrap();
        padded(5);
        let later = SystemTime::now() + Duration::from_secs(5);
        File::options().write(true).open(&path).unwrap().set_modified(later).unwrap();
        let after = cache.get(&path.clone().into(), 16).unwrap();
        assert_ne!(before, after);
        fs::remove_file(&path).unwrap();
        let error = cache.get(&path.clone().into(), 16).unwrap_err().to_string();
        assert!(error.contains("turtle.png"), "{error}");
    }

    #[test]
    fn torn_and_foreign_files_are_made_again() {
        let (dir, path) = photo();
        let cache = PhotoCache::open(Some(dir.path().join("cache")));
        let want = cache.get(&path.clone().into(), 16).unwrap();
        let cached = files(&dir.path().join("cache")).remove(0);
        let whole = fs::read(&cached).unwrap();
        let mut flipped = whole.clone();
        flipped[HEAD + 100] ^= 1;
        let mut zeros = whole.clone();
        zeros[HEAD + 64..].fill(0);
        let cut = whole[..whole.len() - 1].to_vec();
        let mut other = whole.clone();
        other[20] ^= 1;
        for bad in [Vec::new(), whole[..100].to_vec(), cut, flipped, zeros, other, vec![0; whole.len()]] {
            fs::write(&cached, bad).unwrap();
            assert_eq!(cache.get(&path.clone().into(), 16).unwrap(), want);
            assert_eq!(fs::read(&cached).unwrap(), whole);
        }
        assert_eq!(cache.take_warning(), None);
    }

    #[test]
    fn what_is_in_the_file_is_known_without_reading_it_again_and_caches_of_before_serve_their_pixels() {
        let (dir, path) = photo();
        let cache = PhotoCache::open(Some(dir.path().join("cache")));
        let file = PhotoFile::from(path.clone());
        let bytes = fs::read(&path).unwrap();
        assert_eq!(cache.sha256(&file, 16), None);
        let want = cache.get(&file, 16).unwrap();
        cache.ensure(&file, &[8]).unwrap();
        let sha256: [u8; 32] = Sha256::digest(&bytes).into();
        // as if both were cached a while after the photo was written
        let cached = |side: &str| files(&dir.path().join("cache").join(side)).remove(0);
        let later = |cached: &Path| {
            let after = SystemTime::now() + Duration::from_secs(60);
            File::options().write(true).open(cached).unwrap().set_modified(after).unwrap();
        };
        later(&cached("8"));
        later(&cached("16"));
        assert_eq!([cache.sha256(&file, 16), cache.sha256(&file, 8)], [Some(sha256); 2]);
        // other bytes under the same length and time: of those before it says nothing
        let modified = fs::metadata(&path).unwrap().modified().unwrap();
        let before = SystemTime::now() - Duration::from_secs(60);
        fs::write(&path, vec![0; bytes.len()]).unwrap();
        File::options().write(true).open(&path).unwrap().set_modified(modified).unwrap();
        File::options().write(true).open(cached("8")).unwrap().set_modified(before).unwrap();
        assert_eq!(cache.sha256(&file, 8), None);
        // while the time of what is cached says that nobody touched it, it is not read, which shows by the bytes of before
        assert_eq!(cache.sha256(&file, 16), Some(sha256));
        let cached = cached("16");
        let whole = fs::read(&cached).unwrap();
        // as it was before there was a hash, and one that was torn
        let mut torn = whole.clone();
        torn[whole.len() - TAIL..].fill(0);
        for bytes in [whole[..whole.len() - TAIL].to_vec(), torn] {
            fs::write(&cached, &bytes).unwrap();
            later(&cached);
            assert_eq!((cache.sha256(&file, 16), cache.get(&file, 16).unwrap()), (None, want.clone()));
            assert_eq!(fs::read(&cached).unwrap(), bytes, "it is not written again");
        }
        assert_eq!(PhotoCache::open(None).sha256(&file, 16), None);
    }

    #[test]
    fn deleting_the_folder_under_way_does_no_harm() {
        let (dir, path) = photo();
        let folder = dir.path().join("cache");
        let cache = PhotoCache::open(Some(folder.clone()));
        let want = cache.get(&path.clone().into(), 16).unwrap();
        fs::remove_dir_all(&folder).unwrap();
        assert_eq!(cache.get(&path.clone().into(), 16).unwrap(), want);
        assert_eq!(files(&folder).len(), 1);
        assert_eq!(cache.take_warning(), None);
    }

    /// A file where the folder should be: fails for root too, whom permissions do not stop.
    #[test]
    fn a_cache_that_cannot_be_written_warns_once_and_the_photo_comes_all_the_same() {
        let (dir, path) = photo();
        let folder = dir.path().join("cache");
        fs::write(&folder, "not a folder").unwrap();
        let cache = PhotoCache::open(Some(folder));
        for _ in 0..3 {
            assert_eq!(
                cache.get(&path.clone().into(), 16).unwrap(),
                PhotoCache::open(None).get(&path.clone().into(), 16).unwrap()
            );
        }
        let warning = cache.take_warning().unwrap();
        assert!(warning.contains("cache"), "{warning}");
        assert_eq!(cache.take_warning(), None);
    }

    #[cfg(unix)]
    #[test]
    fn a_read_only_folder_still_serves_what_it_has() {
        use std::os::unix::fs::PermissionsExt;
        let (dir, path) = photo();
        let folder = dir.path().join("cache");
        let want = PhotoCache::open(Some(folder.clone())).get(&path.clone().into(), 16).unwrap();
        let mode = |bits| {
            for at in [folder.clone(), folder.join("tmp")] {
                fs::set_permissions(at, fs::Permissions::from_mode(bits)).unwrap();
            }
        };
        mode(0o555);
        let cache = PhotoCache::open(Some(folder.clone()));
        assert_eq!(cache.get(&path.clone().into(), 16).unwrap(), want);
        assert_eq!(cache.take_warning(), None);
        assert_eq!(cache.get(&path.clone().into(), 8).unwrap().side, 8);
        let as_root = File::create(folder.join("probe")).is_ok();
        assert_eq!(cache.take_warning().is_some(), !as_root);
        mode(0o755);
    }

    #[test]
    fn writers_at_once_agree() {
        let (dir, path) = photo();
        let cache = Arc::new(PhotoCache::open(Some(dir.path().join("cache"))));
        let want = PhotoCache::open(None).get(&path.clone().into(), 16).unwrap();
        std::thread::scope(|scope| {
            for _ in 0..8 {
                scope.spawn(|| assert_eq!(cache.get(&path.clone().into(), 16).unwrap(), want));
            }
        });
        assert_eq!(files(&dir.path().join("cache")).len(), 1);
    }
}
