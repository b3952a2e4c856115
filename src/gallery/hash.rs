//! The bytes of a photo's file as one number: the same photo under another name has the same.

use std::io::{self, Read};
use std::path::Path;

use sha2::{Digest, Sha256};

use crate::data::cache::PhotoCache;
use crate::data::decode::PhotoFile;
use crate::run::files;

/// As [`of_file`] of `photo`, from `cache` where that has it at `side` pixels.
///
/// # Errors
/// As [`of_file`].
pub(super) fn of_photo(cache: &PhotoCache, photo: &PhotoFile, side: u32) -> io::Result<[u8; 32]> {
    cache.sha256(photo, side).map_or_else(|| of_file(&photo.path), Ok)
}

/// SHA-256 over the bytes of the plain file at `path`.
///
/// # Errors
/// When it cannot be read.
pub(super) fn of_file(path: &Path) -> io::Result<[u8; 32]> {
    let mut file = files::open(path)?;
    let mut hash = Sha256::new();
    let mut buffer = vec![0; 1 << 16];
    loop {
        match file.read(&mut buffer) {
            Ok(0) => return Ok(hash.finalize().into()),
            Ok(read) => hash.update(&buffer[..read]),
            Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
            Err(e) => return Err(e),
        }
    }
}
