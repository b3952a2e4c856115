//! Files that are whole or not there: written beside their name, synced, renamed.
//!
//! A reader then sees the old file or the new one, never a half, and a trainer killed at any moment leaves
//! at worst a `.name.pid-n.tmp`, which `sweep` takes away. Not through `tempfile`: its files are private
//! to the user, and people of one group watch each other's runs.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use super::error::{Result, RunError};

/// Puts `bytes` at `path`, replacing what is there, all at once.
pub fn replace(path: &Path, bytes: &[u8]) -> Result<()> {
    replace_with(path, |file| file.write_all(bytes))
}

/// The same for content that `write` produces bit by bit; nothing changes at `path` if it fails.
pub fn replace_with(path: &Path, write: impl FnOnce(&mut File) -> io::Result<()>) -> Result<()> {
    let temporary = beside(path);
    let attempt = || {
        let mut file = OpenOptions::new().write(true).create_new(true).open(&temporary)?;
        write(&mut file)?;
        // Without it, a machine that loses power may keep the new name and lose the content.
        file.sync_all()?;
        drop(file);
        fs::rename(&temporary, path)?;
        sync_folder(path);
        Ok(())
    };
    attempt().map_err(|e| {
        let _ = fs::remove_file(&temporary); // the first error is the one to tell
        RunError::io("write", path, e)
    })
}

/// A name that no other writer uses: another process has another pid, another thread another number.
fn beside(path: &Path) -> PathBuf {
    static COUNT: AtomicU64 = AtomicU64::new(0);
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let n = COUNT.fetch_add(1, Ordering::Relaxed);
    path.with_file_name(format!(".{name}.{}-{n}.tmp", std::process::id()))
}

/// Makes the rename itself last; some file systems refuse to sync a folder, and then it is theirs to keep.
fn sync_folder(path: &Path) {
    let folder = path.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new("."));
    if let Ok(folder) = File::open(folder) {
        let _ = folder.sync_all();
    }
}

/// Removes what writers of `path` that were killed in the middle left beside it.
/// Only for the one writer of that file: it would take away another's work.
pub fn sweep(path: &Path) {
    let Some(name) = path.file_name() else { return };
    let ours = format!(".{}.", name.to_string_lossy());
    let Ok(entries) = fs::read_dir(path.with_file_name("")) else {
        return;
    };
    for entry in entries.flatten() {
        let name = entry.file_name();
        let name = name.to_string_lossy();
        if name.starts_with(&ours) && name.ends_with(".tmp") {
            let _ = fs::remove_file(entry.path());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failed_write_leaves_the_old_file_and_no_other() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("state.json");
        replace(&path, b"old").unwrap();
        let error = replace_with(&path, |file| {
            file.write_all(b"half")?;
            Err(io::ErrorKind::StorageFull.into())
        });
        assert!(matches!(error, Err(RunError::DiskFull { .. })));
        assert_eq!(fs::read(&path).unwrap(), b"old");
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1);
    }

    #[test]
    fn sweeping_takes_only_what_writers_of_that_file_left() {
        let dir = tempfile::tempdir().unwrap();
        let names = [".best.safetensors.9-1.tmp", ".last.safetensors.12-0.tmp", "last.safetensors", "last.tmp"];
        for name in names {
            fs::write(dir.path().join(name), "").unwrap();
        }
        sweep(&dir.path().join("last.safetensors"));
        let mut left: Vec<_> = fs::read_dir(dir.path()).unwrap().map(|e| e.unwrap().file_name()).collect();
        left.sort();
        assert_eq!(left, [names[0], names[2], names[3]]);
    }
}
