//! `log.txt`: everything a trainer said, with the time, a whole line at a time.
//!
//! Every line is one `write` to a file opened for appending, so that lines of several threads, and of the
//! standard error that a detached trainer has on the same file, never run into each other. Names of photos
//! and individuals end up here and later on a terminal, so control characters are written out.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::error::{Result, RunError};
use super::files;
use super::stamp::Stamp;
use crate::data::foreign;

/// An open log; cheap to share between threads.
#[derive(Debug, Clone)]
pub struct Log {
    path: PathBuf,
    file: Arc<File>,
}

impl Log {
    /// Opens the log for appending; it is made if it is not there.
    pub fn open(path: &Path) -> Result<Log> {
        let file = append(path)?;
        Ok(Log { path: path.to_path_buf(), file: Arc::new(file) })
    }

    /// Says something; further lines of `text` are indented below the first.
    pub fn say(&self, text: &str) -> Result<()> {
        let line = line(text);
        (&*self.file).write_all(line.as_bytes()).map_err(|e| RunError::io("write", &self.path, e))
    }

    /// From now on a panic of any thread is written here, and to standard error too where `echo` is set:
    /// a trainer in the foreground shows it, a detached one has its standard error on this very file.
    pub fn catch_panics(&self, echo: bool) {
        let log = self.clone();
        std::panic::set_hook(Box::new(move |info| {
            let thread = std::thread::current();
            let backtrace = std::backtrace::Backtrace::capture();
            let text = format!("panic in thread {}: {info}\n{backtrace}", thread.name().unwrap_or("?"));
            let _ = log.say(&text); // a panic has nobody left to tell of a failure
            if echo {
                let _ = io::stderr().write_all(line(&text).as_bytes());
            }
        }));
    }
}

/// The log file for a child's standard output or error.
pub(super) fn append(path: &Path) -> Result<File> {
    files::open_to_append(path).map_err(|e| RunError::io("write", path, e))
}

fn line(text: &str) -> String {
    let mut out = format!("{} ", Stamp::now().local());
    for (n, part) in text.trim_end().lines().enumerate() {
        if n > 0 {
            out.push_str("    ");
        }
        out.push_str(&foreign::block(part));
        out.push('\n');
    }
    if !out.ends_with('\n') {
        out.push('\n');
    }
    out
}

/// A piece of a log.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Piece {
    /// What it says; bytes that are no text are replaced, so that its length means nothing.
    pub text: String,
    /// The byte of the log that it ends before, where the next piece begins.
    pub end: u64,
}

/// What the log holds from byte `from` on, its last `most` bytes at most, begun at a line. A missing log is empty.
pub fn read_from(path: &Path, from: u64, most: u64) -> Result<Piece> {
    let (bytes, end) = bytes_from(path, from, most)?;
    Ok(Piece { text: String::from_utf8_lossy(&bytes).into_owned(), end })
}

/// As [`read_from`], without the end of a line that is still being written: the next piece begins with that line.
pub fn lines_from(path: &Path, from: u64, most: u64) -> Result<Piece> {
    let (mut bytes, end) = bytes_from(path, from, most)?;
    let whole = bytes.iter().rposition(|&b| b == b'\n').map_or(0, |at| at + 1);
    let end = end - (bytes.len() - whole) as u64;
    bytes.truncate(whole);
    Ok(Piece { text: String::from_utf8_lossy(&bytes).into_owned(), end })
}

/// The bytes from `from` on and where they end.
fn bytes_from(path: &Path, from: u64, most: u64) -> Result<(Vec<u8>, u64)> {
    let fail = |e| RunError::io("read", path, e);
    let mut file = match files::open(path) {
        Ok(file) => file,
        Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok((Vec::new(), 0)),
        Err(e) => return Err(fail(e)),
    };
    let length = file.metadata().map_err(fail)?.len();
    let begin = from.min(length).max(length.saturating_sub(most));
    file.seek(SeekFrom::Start(begin)).map_err(fail)?;
    let mut bytes = Vec::new();
    file.take(most).read_to_end(&mut bytes).map_err(fail)?;
    let end = begin + bytes.len() as u64;
    if begin > from
        && let Some(at) = bytes.iter().position(|&b| b == b'\n')
    {
        bytes.drain(..=at);
    }
    Ok((bytes, end))
}

/// How much of a log to read for its last `count` lines, in bytes: 4 KiB a line is more than any that is ours.
pub fn enough_for(count: usize) -> u64 {
    (count as u64).saturating_mul(4096).min(16 << 20)
}

/// The last `count` lines of `text`.
pub fn last_of(text: &str, count: usize) -> String {
    let lines: Vec<_> = text.lines().collect();
    lines[lines.len().saturating_sub(count)..].join("\n")
}

/// The last `count` lines.
pub fn last_lines(path: &Path, count: usize) -> Result<String> {
    Ok(last_of(&read_from(path, 0, enough_for(count))?.text, count))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_of_many_threads_do_not_run_into_each_other() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("log.txt");
        std::thread::scope(|scope| {
            for thread in 0..4 {
                let log = Log::open(&path).unwrap();
                scope.spawn(move || {
                    for n in 0..100 {
                        log.say(&format!("thread {thread} says {n} {}", "x".repeat(300))).unwrap();
                    }
                });
            }
        });
        let text = std::fs::read_to_string(&path).unwrap();
        assert_eq!(text.lines().count(), 400);
        for line in text.lines() {
            assert!(line.contains(" thread ") && line.ends_with(&"x".repeat(300)), "{line}");
        }
    }

    #[test]
    fn control_characters_of_names_are_written_out() {
        let dir = tempfile::tempdir().unwrap();
        let log = Log::open(&dir.path().join("log.txt")).unwrap();
        log.say("photo \u{1b}[2Jt001\r.jpg\nunreadable").unwrap();
        log.say("").unwrap();
        let text = std::fs::read_to_string(dir.path().join("log.txt")).unwrap();
        assert!(text.contains("photo \\u{1b}[2Jt001\\u{d}.jpg\n    unreadable\n"), "{text}");
        assert!(text.ends_with(" \n"), "an empty line is a line");
    }

    #[test]
    fn the_end_of_a_log_is_whole_lines() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("log.txt");
        assert_eq!(last_lines(&path, 3).unwrap(), "");
        std::fs::write(&path, "one\ntwo\nthree\nfour\n").unwrap();
        assert_eq!(last_lines(&path, 2).unwrap(), "three\nfour");
        assert_eq!(last_lines(&path, 9).unwrap(), "one\ntwo\nthree\nfour");
        let piece = |text: &str, end| Piece { text: text.into(), end };
        assert_eq!(read_from(&path, 0, 7).unwrap(), piece("four\n", 19), "begins at a line");
        assert_eq!(read_from(&path, 8, 100).unwrap(), piece("three\nfour\n", 19));
        assert_eq!(read_from(&path, 99, 100).unwrap(), piece("", 19));
    }

    #[test]
    fn following_a_log_loses_and_parts_no_line() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("log.txt");
        assert_eq!(lines_from(&path, 0, 100).unwrap(), Piece::default());
        // names that are no text, and letters of two bytes, however the writes fall
        let all = b"one \xff\xfe\ntw\xc3\xb6\n\n  three\nfour".to_vec();
        for cut in 0..all.len() {
            std::fs::write(&path, &all[..cut]).unwrap();
            let first = lines_from(&path, 0, 100).unwrap();
            assert!(first.text.is_empty() || first.text.ends_with('\n'));
            std::fs::write(&path, &all).unwrap();
            let second = lines_from(&path, first.end, 100).unwrap();
            let rest = read_from(&path, second.end, 100).unwrap();
            let said = first.text + &second.text + &rest.text;
            assert_eq!(said, "one \u{fffd}\u{fffd}\ntw\u{f6}\n\n  three\nfour", "cut at {cut}");
            assert_eq!((rest.text.as_str(), rest.end), ("four", all.len() as u64));
        }
    }
}
