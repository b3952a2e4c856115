//! The lock of a run: held by the kernel for its trainer's life, and let go however that ends.
//!
//! No file is written or removed for it, so nothing can be left behind: after SIGKILL the run is free at
//! once. Readers probe with a shared lock for a moment, which could make a trainer's attempt fail, so the
//! trainer tries for a second. std opens files close-on-exec: a program that the trainer starts does not
//! inherit the lock and keep a dead run alive.

use std::fs::{File, TryLockError};
use std::io;
use std::path::Path;
use std::time::{Duration, Instant};

use super::error::{Result, RunError};
use super::files;

/// Name of the lock in the folder of a run or of an evaluation.
pub const FILE: &str = "lock";
/// How long a trainer tries; a reader's probe takes microseconds.
const PATIENCE: Duration = Duration::from_secs(1);

/// The exclusive lock; dropping it, or dying, lets go.
#[derive(Debug)]
pub struct Lock {
    _file: File,
}

impl Lock {
    /// Takes the lock file at `path`, made if it is not there; `None` if somebody else holds it for a second.
    pub fn take(path: &Path) -> Result<Option<Lock>> {
        Lock::take_within(path, PATIENCE)
    }

    /// As [`Lock::take`], where somebody who holds it that long is an error.
    pub fn hold(path: &Path) -> Result<Lock> {
        Lock::take(path)?.ok_or_else(|| RunError::io("lock", path, io::ErrorKind::WouldBlock.into()))
    }

    fn take_within(path: &Path, patience: Duration) -> Result<Option<Lock>> {
        let fail = |e| RunError::io("lock", path, e);
        let file = files::open_to_append(path).map_err(fail)?;
        let begin = Instant::now();
        loop {
            match file.try_lock() {
                Ok(()) => return Ok(Some(Lock { _file: file })),
                Err(TryLockError::Error(e)) => return Err(fail(e)),
                Err(TryLockError::WouldBlock) if begin.elapsed() >= patience => return Ok(None),
                Err(TryLockError::WouldBlock) => std::thread::sleep(Duration::from_millis(5)),
            }
        }
    }
}

/// Whether somebody holds the lock file at `path`; no file is no lock.
pub fn is_held(path: &Path) -> Result<bool> {
    let fail = |e| RunError::io("probe the lock", path, e);
    let file = match files::open(path) {
        Ok(file) => file,
        Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(false),
        Err(e) => return Err(fail(e)),
    };
    match file.try_lock_shared() {
        Ok(()) => Ok(false),
        Err(TryLockError::WouldBlock) => Ok(true),
        Err(TryLockError::Error(e)) => Err(fail(e)),
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use std::process::{Child, Command, Stdio};
    use std::sync::atomic::{AtomicBool, Ordering};

    /// Runs one test of this binary as a process of its own, which finds `CARETTA_TEST_DIR` set.
    pub(in crate::run) fn again(test: &str, dir: &Path) -> Child {
        Command::new(std::env::current_exe().unwrap())
            .args([test, "--exact", "--ignored", "--nocapture"])
            .env("CARETTA_TEST_DIR", dir)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap()
    }

    /// The folder that `again` gave, in the process it started.
    pub(in crate::run) fn given_dir() -> Option<std::path::PathBuf> {
        std::env::var_os("CARETTA_TEST_DIR").map(Into::into)
    }

    /// Waits for something that another process does; gives up after a minute.
    pub(in crate::run) fn until(what: &str, mut done: impl FnMut() -> bool) {
        let begin = Instant::now();
        while !done() {
            assert!(begin.elapsed() < Duration::from_secs(60), "waited in vain: {what}");
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    #[test]
    #[ignore = "the other process of the test below"]
    fn hold_the_lock() {
        let Some(dir) = given_dir() else { return };
        let _lock = Lock::take(&dir.join("lock")).unwrap().unwrap();
        // A child of the holder must not inherit the lock.
        let mut child = Command::new("sleep").arg("30").spawn().unwrap();
        std::fs::write(dir.join("child"), child.id().to_string()).unwrap();
        child.wait().unwrap();
    }

    #[test]
    fn a_lock_is_seen_across_processes_and_dies_with_its_holder() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("lock");
        assert!(!is_held(&path).unwrap(), "no file, no lock");
        let mut holder = again("run::lock::tests::hold_the_lock", dir.path());
        until("the lock is taken", || is_held(&path).unwrap());
        until("its child runs", || std::fs::read(dir.path().join("child")).is_ok_and(|t| !t.is_empty()));
        assert!(Lock::take_within(&path, Duration::ZERO).unwrap().is_none());

        holder.kill().unwrap(); // SIGKILL
        holder.wait().unwrap();
        assert!(!is_held(&path).unwrap(), "free at once, though a child of the holder still runs");
        assert!(Lock::take(&path).unwrap().is_some());

        let child = std::fs::read_to_string(dir.path().join("child")).unwrap();
        Command::new("kill").arg(child).status().unwrap();
    }

    /// Runs `look` over and over in threads of its own while `work` goes on; ends however that ends.
    pub(in crate::run) fn while_looking(threads: usize, look: impl Fn() + Sync, work: impl FnOnce()) {
        struct Done<'a>(&'a AtomicBool);
        impl Drop for Done<'_> {
            fn drop(&mut self) {
                self.0.store(true, Ordering::Relaxed);
            }
        }
        let over = AtomicBool::new(false);
        std::thread::scope(|scope| {
            for _ in 0..threads {
                scope.spawn(|| {
                    look(); // once at least
                    while !over.load(Ordering::Relaxed) {
                        look();
                    }
                });
            }
            let _done = Done(&over); // also if `work` panics
            work();
        });
    }

    #[test]
    fn a_crowd_of_readers_does_not_keep_a_trainer_out() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("lock");
        std::fs::write(&path, "").unwrap();
        let look = || {
            is_held(&path).unwrap();
            std::thread::sleep(Duration::from_millis(1));
        };
        while_looking(4, look, || {
            for _ in 0..20 {
                assert!(Lock::take(&path).unwrap().is_some());
            }
        });
    }

    #[test]
    fn a_trainer_waits_for_a_reader_to_let_go() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("lock");
        let reader = File::create(&path).unwrap();
        reader.try_lock_shared().unwrap();
        assert!(Lock::take_within(&path, Duration::ZERO).unwrap().is_none());
        std::thread::scope(|scope| {
            scope.spawn(|| {
                std::thread::sleep(Duration::from_millis(50));
                drop(reader);
            });
            assert!(Lock::take_within(&path, Duration::from_secs(20)).unwrap().is_some());
        });
    }
}
