//! Files that are whole or not there: written beside their name, synced, renamed.
//!
//! A reader then sees the old file or the new one, never a half, and a trainer killed at any moment leaves
//! at worst a `.name.pid-n.tmp`, which `sweep` takes away. Not through `tempfile`: its files are private
//! to the user, and people of one group watch each other's runs.

use std::fs::{self, File, OpenOptions};
use std::io::{self, BufRead, BufReader, BufWriter, Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use rustix::fs::OFlags;
use serde::Serialize;
use serde::de::DeserializeOwned;
use sha2::{Digest, Sha256};

use crate::data::hex::hex;

use super::error::{Result, RunError};

/// Puts `bytes` at `path`, replacing what is there, all at once.
///
/// # Errors
/// When the file cannot be written; what stood at `path` still does.
pub fn replace(path: &Path, bytes: &[u8]) -> Result<()> {
    replace_with(path, |file| file.write_all(bytes))
}

/// The same for content that `write` produces bit by bit.
///
/// # Errors
/// When `write` fails or the file cannot be written; what stood at `path` still does.
pub fn replace_with(path: &Path, write: impl FnOnce(&mut dyn Write) -> io::Result<()>) -> Result<()> {
    replace_when(path, write, || Ok(()))
}

/// The same where `may` is asked last, when all is written and synced, which can take long, and only a name is to be changed.
///
/// # Errors
/// As [`replace_with`], and when `may` fails.
pub fn replace_when(
    path: &Path,
    write: impl FnOnce(&mut dyn Write) -> io::Result<()>,
    may: impl FnOnce() -> io::Result<()>,
) -> Result<()> {
    let temporary = beside(path);
    let attempt = || {
        let file = OpenOptions::new().write(true).create_new(true).open(&temporary)?;
        let mut out = BufWriter::new(Told { file, failure: None });
        let written = write(&mut out).and_then(|()| out.flush());
        let (Told { file, failure }, _) = out.into_parts();
        written.map_err(|e| failure.unwrap_or(e))?;
        // Without it, a machine that loses power may keep the new name and lose the content.
        file.sync_all()?;
        drop(file);
        may()?;
        move_to(&temporary, path)
    };
    attempt().map_err(|e| {
        let _ = fs::remove_file(&temporary); // the first error is the one to tell
        RunError::io("write", path, e)
    })
}

/// A file that remembers what the system said: encoders of tables and pictures wrap that in errors of their own,
/// and a disk that is full would no longer be told from a value that cannot be encoded.
struct Told {
    file: File,
    failure: Option<io::Error>,
}

impl Write for Told {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.file.write(bytes).inspect_err(|e| self.failure = e.raw_os_error().map(io::Error::from_raw_os_error))
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

/// Replaces `path` by `value` as JSON for people and programs: indented, a newline at the end.
///
/// # Errors
/// When the file cannot be written; what stood at `path` still does.
pub fn replace_json(path: &Path, value: &impl Serialize) -> Result<()> {
    replace_with(path, |out| {
        serde_json::to_writer_pretty(&mut *out, value)?;
        out.write_all(b"\n")
    })
}

/// Opens a plain file to read; a pipe or a folder in its place is an error and blocks nobody.
///
/// # Errors
/// When there is no such file.
pub fn open(path: &Path) -> io::Result<File> {
    plain(OpenOptions::new().read(true).custom_flags(OFlags::NONBLOCK.bits().cast_signed()).open(path)?)
}

/// Opens a plain file of ours to append to, made if it is not there. A link that stands in its place is not followed: it
/// could lead to any file of the user's.
///
/// # Errors
/// When there can be no such file.
pub fn open_to_append(path: &Path) -> io::Result<File> {
    let flags = (OFlags::NONBLOCK | OFlags::NOFOLLOW).bits().cast_signed();
    let opened = OpenOptions::new().read(true).append(true).create(true).custom_flags(flags).open(path);
    let is_link = |e: &io::Error| e.raw_os_error() == Some(rustix::io::Errno::LOOP.raw_os_error());
    plain(opened.map_err(|e| if is_link(&e) { io::Error::other("it is a link to another file") } else { e })?)
}

fn plain(file: File) -> io::Result<File> {
    if file.metadata()?.is_file() { Ok(file) } else { Err(io::Error::other("it is no plain file")) }
}

/// The text of a plain file of bearable length.
///
/// # Errors
/// When it cannot be read.
pub fn read_text(path: &Path) -> io::Result<String> {
    const MOST: u64 = 16 << 20;
    let mut text = String::new();
    let read = open(path)?.take(MOST + 1).read_to_string(&mut text)?;
    if read as u64 > MOST { Err(io::Error::other("it is longer than such a file can be")) } else { Ok(text) }
}

/// A short key of the folder at `path`, which tells it from others of its name.
pub fn key_of(path: &Path) -> String {
    hex(&Sha256::digest(path.as_os_str().as_encoded_bytes())[..6])
}

/// Hands the whole lines of the file at `path` to `line`, each with the newline at its end and at most `longest` bytes, until
/// one is torn or too long, or `line` says no; how many bytes the lines taken have, and what was read of the next.
///
/// # Errors
/// When the file cannot be read.
pub fn each_line(path: &Path, longest: u64, line: impl FnMut(&[u8]) -> bool) -> io::Result<(u64, Vec<u8>)> {
    each_line_of(open(path)?, longest, line)
}

/// The same for a file that is open, from where it stands.
///
/// # Errors
/// When the file cannot be read.
pub fn each_line_of(file: File, longest: u64, mut line: impl FnMut(&[u8]) -> bool) -> io::Result<(u64, Vec<u8>)> {
    let mut reader = BufReader::new(file);
    let (mut whole, mut read) = (0, Vec::new());
    loop {
        read.clear();
        let length = Read::take(&mut reader, longest).read_until(b'\n', &mut read)?;
        if read.last() != Some(&b'\n') || !line(&read) {
            return Ok((whole, read));
        }
        whole += length as u64;
    }
}

/// What a JSON file of ours holds, where it is there.
///
/// # Errors
/// When the file cannot be read, or holds something else.
pub fn read_json_if_there<T: DeserializeOwned>(path: &Path) -> Result<Option<T>> {
    match read_json(path) {
        Err(RunError::Io { source, .. }) if source.kind() == io::ErrorKind::NotFound => Ok(None),
        other => other.map(Some),
    }
}

/// What a JSON file of ours holds.
///
/// # Errors
/// When the file cannot be read, or holds something else.
pub fn read_json<T: DeserializeOwned>(path: &Path) -> Result<T> {
    let damaged = |problem: String| RunError::Damaged { path: path.to_path_buf(), problem };
    let text = match read_text(path) {
        Err(e) if e.kind() == io::ErrorKind::InvalidData => return Err(damaged("it is not UTF-8 text".into())),
        other => other.map_err(|e| RunError::io("read", path, e))?,
    };
    serde_json::from_str(&text).map_err(|e| damaged(e.to_string()))
}

/// Makes the folder `path`, with those above it, unless it is there.
///
/// # Errors
/// When a file stands there or on the way, or the folder cannot be made.
pub fn create_folder(path: &Path) -> Result<()> {
    fs::create_dir_all(path).map_err(|e| match e.kind() {
        io::ErrorKind::AlreadyExists | io::ErrorKind::NotADirectory => {
            RunError::NotAFolder { path: path.to_path_buf() }
        }
        _ => RunError::io("create", path, e),
    })
}

/// Makes a folder beside where `path` is to be, with those above it, under a name that nothing has: also not what a process
/// left that was killed, and whose pid this one has now.
///
/// # Errors
/// When the folder cannot be made.
pub fn new_folder_beside(path: &Path) -> Result<PathBuf> {
    if let Some(above) = path.parent().filter(|above| !above.as_os_str().is_empty()) {
        create_folder(above)?;
    }
    loop {
        let folder = beside(path);
        match fs::create_dir(&folder) {
            Err(e) if e.kind() == io::ErrorKind::AlreadyExists => {}
            other => return other.map(|()| folder).map_err(|e| RunError::io("create", path, e)),
        }
    }
}

/// Moves a whole file to its place in the same file system, replacing what is there.
///
/// # Errors
/// When the system refuses; both are then as they were.
pub fn rename(from: &Path, to: &Path) -> Result<()> {
    move_to(from, to).map_err(|e| RunError::io("write", to, e))
}

fn move_to(from: &Path, to: &Path) -> io::Result<()> {
    fs::rename(from, to)?;
    sync_folder(to);
    Ok(())
}

/// Removes a file; one that is not there is fine.
///
/// # Errors
/// When the system refuses.
pub fn remove(path: &Path) -> Result<()> {
    match fs::remove_file(path) {
        Err(e) if e.kind() != io::ErrorKind::NotFound => Err(RunError::io("remove", path, e)),
        _ => {
            sync_folder(path);
            Ok(())
        }
    }
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
    sweep_where(path, |_| true);
}

/// The same of what nobody has written to for an hour, where others may be writing now.
pub fn sweep_old(path: &Path) {
    const OLD: Duration = Duration::from_secs(3600);
    let is_old = |left: &fs::DirEntry| {
        let age = left.metadata().and_then(|meta| meta.modified()).ok().and_then(|at| at.elapsed().ok());
        age.is_some_and(|age| age > OLD)
    };
    sweep_where(path, is_old);
}

fn sweep_where(path: &Path, goes: impl Fn(&fs::DirEntry) -> bool) {
    let Some(name) = path.file_name() else { return };
    let ours = format!(".{}.", name.to_string_lossy());
    let Ok(entries) = fs::read_dir(path.with_file_name("")) else {
        return;
    };
    for entry in entries.flatten() {
        let name = entry.file_name();
        let name = name.to_string_lossy();
        if name.starts_with(&ours) && name.ends_with(".tmp") && goes(&entry) {
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
    fn a_full_disk_is_told_from_a_bad_value_through_any_encoder() {
        let full = Path::new("/dev/full"); // writing fails with ENOSPC
        if !full.exists() {
            return; // not Linux
        }
        let mut file = Told { file: File::options().write(true).open(full).unwrap(), failure: None };
        let mut csv = csv::Writer::from_writer(&mut file);
        let wrapped = csv.write_record(["x".repeat(1 << 16)]).map_err(io::Error::from).unwrap_err();
        assert_ne!(wrapped.kind(), io::ErrorKind::StorageFull, "csv says it by itself now: Told can go");
        drop(csv);
        assert_eq!(file.failure.map(|e| e.kind()), Some(io::ErrorKind::StorageFull));
    }

    #[test]
    fn a_file_where_a_folder_should_be_is_named() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("results");
        fs::write(&file, "").unwrap();
        for path in [file.clone(), file.join("deeper")] {
            let error = create_folder(&path).unwrap_err().to_string();
            assert!(error.contains("results") && error.contains("choose another place"), "{error}");
        }
        create_folder(&dir.path().join("a/b")).unwrap();
        create_folder(&dir.path().join("a/b")).unwrap();
    }

    #[cfg(unix)]
    #[test]
    fn others_may_read_what_the_umask_lets_them() {
        use std::os::unix::fs::PermissionsExt;
        let dir = tempfile::tempdir().unwrap();
        let (plain, ours) = (dir.path().join("plain"), dir.path().join("ours"));
        fs::write(&plain, b"x").unwrap();
        replace(&ours, b"x").unwrap();
        let mode = |p: &Path| p.metadata().unwrap().permissions().mode();
        assert_eq!(mode(&plain), mode(&ours));
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

    #[test]
    fn what_is_swept_beside_living_writers_is_old() {
        let dir = tempfile::tempdir().unwrap();
        let names = [".codes.9-1.tmp", ".codes.12-0.tmp", ".other.9-1.tmp"];
        for name in names {
            let file = File::create(dir.path().join(name)).unwrap();
            if name.contains("9-1") {
                file.set_modified(std::time::SystemTime::now() - Duration::from_secs(7200)).unwrap();
            }
        }
        sweep_old(&dir.path().join("codes"));
        let mut left: Vec<_> = fs::read_dir(dir.path()).unwrap().map(|e| e.unwrap().file_name()).collect();
        left.sort();
        assert_eq!(left, [names[1], names[2]]);
    }

    #[test]
    fn who_may_not_put_a_file_there_is_asked_when_it_is_whole() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("codes");
        fs::write(&path, "before").unwrap();
        let whole = |out: &mut dyn Write| out.write_all(b"all of it");
        let asked = replace_when(&path, whole, || {
            let written = fs::read_dir(dir.path())?.flatten().find(|e| e.path() != path).map(|e| fs::read(e.path()));
            assert_eq!(written.unwrap()?, b"all of it");
            Err(io::Error::other("busy"))
        });
        assert!(asked.unwrap_err().to_string().contains("busy"));
        assert_eq!((fs::read(&path).unwrap(), fs::read_dir(dir.path()).unwrap().count()), (b"before".to_vec(), 1));
        replace_when(&path, whole, || Ok(())).unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"all of it");
    }
}
