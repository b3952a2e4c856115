//! What the targets share: a folder in memory where there is one, since the readers take paths.

use std::path::PathBuf;
use std::sync::OnceLock;

use tempfile::TempDir;

/// Puts `bytes` under `name` in this process's folder.
pub fn file(name: &str, bytes: &[u8]) -> PathBuf {
    static FOLDER: OnceLock<TempDir> = OnceLock::new();
    let folder = FOLDER.get_or_init(|| {
        let memory = PathBuf::from("/dev/shm");
        let place = if memory.is_dir() { memory } else { std::env::temp_dir() };
        tempfile::tempdir_in(place).expect("a folder for the fuzzed files")
    });
    let path = folder.path().join(name);
    std::fs::write(&path, bytes).expect("a fuzzed file");
    path
}

/// Cuts the bytes in two at the first line `--`; the second is empty without one.
pub fn two(bytes: &[u8]) -> (&[u8], &[u8]) {
    let cut = b"\n--\n";
    match bytes.windows(cut.len()).position(|w| w == cut) {
        Some(at) => (&bytes[..at], &bytes[at + cut.len()..]),
        None => (bytes, &[]),
    }
}
