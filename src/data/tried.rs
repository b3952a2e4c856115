//! A file that could not be read, tried once more: whether it stays so as long as its bytes are these.

use std::fs::File;
use std::io::Read;
use std::path::Path;

use super::decode::{Fault, MAX_FILE, look};

/// What came of decoding a file once more that could not be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tried {
    /// It can be read now.
    Whole,
    /// Its bytes are there and are no photo that can be decoded: as long as they are these, reading them again tells nothing new.
    Broken,
    /// The system does not give its bytes.
    Unreachable,
}

/// Decodes the file at `path` once more.
pub fn try_again(path: &Path) -> Tried {
    match look(path) {
        Ok(_) => Tried::Whole,
        Err(refused) if refused.fault == Fault::Unreachable => Tried::Unreachable,
        Err(_) => Tried::Broken,
    }
}

/// Whether the system gives bytes of the file at `path`, as far as its first one says.
pub fn can_be_reached(path: &Path) -> bool {
    // who opens a pipe waits for who writes into it
    let is_file = std::fs::metadata(path).is_ok_and(|meta| meta.is_file() && meta.len() <= MAX_FILE);
    is_file && File::open(path).and_then(|mut file| file.read(&mut [0])).is_ok()
}
