//! Starts a trainer that outlives the terminal, and waits until it holds the run.
//!
//! The trainer is this very program with a hidden verb. It makes a session of its own as its first act
//! (`detach`): doing that between fork and exec would take unsafe code. From then on no Ctrl-C and no
//! hang-up of the terminal reaches it; until then the parent waits, so nothing is lost in between.

use std::ffi::OsString;
use std::io;
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use super::dir::RunDir;
use super::error::{Result, RunError};
use super::log;
use super::queue::Turn;
use super::state::Phase;
use super::workspace::Workspace;

/// Starts this program with `args` as the run's trainer, its output in `log.txt`, and waits at most
/// `patience` until it holds the run. Returns its pid; the error holds the end of what it said.
/// Orders that a dead trainer left are taken back first.
pub fn launch(run: &RunDir, args: &[OsString], patience: Duration) -> Result<u32> {
    run.control().clear()?;
    let said_before = std::fs::metadata(run.log()).map_or(0, |m| m.len());
    let output = log::append(&run.log())?;
    let errors = output.try_clone().map_err(|e| RunError::io("write", run.log(), e))?;
    let program = this_program()?;
    let mut child = Command::new(&program)
        .args(args)
        .stdin(Stdio::null())
        .stdout(output)
        .stderr(errors)
        .spawn()
        .map_err(|e| RunError::io("start", program, e))?;
    let pid = child.id();
    let begin = Instant::now();
    let outcome = loop {
        if holds(run, pid) {
            break Ok(pid);
        }
        match child.try_wait() {
            // It may have done all its work between two looks.
            Ok(Some(status)) if status.success() || named(run, pid) => break Ok(pid),
            Ok(Some(status)) => break Err(format!("it ended with {status}")),
            Ok(None) if begin.elapsed() < patience => std::thread::sleep(Duration::from_millis(10)),
            Ok(None) => {
                let _ = child.kill();
                break Err(format!("it did not take the run within {} s", patience.as_secs()));
            }
            Err(e) => break Err(e.to_string()),
        }
    };
    reap(child);
    outcome.map_err(|problem| {
        let said = log::read_from(&run.log(), said_before, 4096).unwrap_or_default().text;
        let problem = match said.trim() {
            "" => problem,
            said => format!("{problem}:\n{said}"),
        };
        mark_failed(run, &problem);
        RunError::NotStarted { problem, log: run.log() }
    })
}

/// How long a trainer may take to take its run.
const PATIENCE: Duration = Duration::from_secs(30);

/// Starts this program as the trainer of `run`, as [`launch`] does; whether it waits for its turn says `turn`.
///
/// # Errors
/// As [`launch`].
pub fn trainer(workspace: &Workspace, run: &RunDir, turn: Turn) -> Result<u32> {
    let root = workspace.root().as_os_str().to_owned();
    let mut args = vec!["worker".into(), "--workspace".into(), root, run.path().as_os_str().to_owned()];
    if turn == Turn::AtOnce {
        args.push("--now".into());
    }
    launch(run, &args, PATIENCE)
}

/// Starts this program with `args` in a process group of its own, where no Ctrl-C of the terminal reaches it; what it
/// says on standard error can be read from it.
///
/// # Errors
/// When the program cannot be started.
pub fn companion(args: &[OsString]) -> Result<Child> {
    let program = this_program()?;
    Command::new(&program)
        .args(args)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .process_group(0)
        .spawn()
        .map_err(|e| RunError::io("start", program, e))
}

/// For a trainer that was launched, before anything else: a session of its own, away from the terminal.
pub fn detach() -> io::Result<()> {
    match rustix::process::setsid() {
        Ok(_) => Ok(()),
        // Refused to the leader of a group: fine if it leads its session already.
        Err(e) => match rustix::process::getsid(None) {
            Ok(session) if session == rustix::process::getpid() => Ok(()),
            _ => Err(e.into()),
        },
    }
}

/// The path of this program. After an update the old file is gone and Linux says "(deleted)", but the link
/// under /proc still leads to what is running.
fn this_program() -> Result<PathBuf> {
    match std::env::current_exe() {
        Ok(path) if path.exists() => Ok(path),
        Ok(_) if PathBuf::from("/proc/self/exe").exists() => Ok("/proc/self/exe".into()),
        Ok(path) => Err(RunError::io("start", path, io::ErrorKind::NotFound.into())),
        Err(e) => Err(RunError::io("start", "caretta", e)),
    }
}

fn holds(run: &RunDir, pid: u32) -> bool {
    run.is_held().unwrap_or(false) && named(run, pid)
}

fn named(run: &RunDir, pid: u32) -> bool {
    run.read_state().is_ok_and(|s| s.process.is_some_and(|p| p.pid == pid))
}

/// A dead child stays in the process table until somebody asks for its end; a screen may live for days.
fn reap(mut child: Child) {
    // Without a thread it stays there: untidy, harmless.
    let _ = std::thread::Builder::new().name("reaper".into()).spawn(move || child.wait());
}

/// A run that never got a trainer would be "queued" for ever, though its start failed.
fn mark_failed(run: &RunDir, problem: &str) {
    let Ok(mut state) = run.read_state() else {
        return;
    };
    if state.phase == Phase::Queued && !run.is_held().unwrap_or(true) {
        state.phase = Phase::Failed;
        let line = problem.lines().rfind(|l| !l.trim().is_empty()).unwrap_or_default();
        state.reason = Some(format!("the trainer did not start: {}", line.trim()));
        let _ = state.write(&run.state()); // the error itself is on its way to the user
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::run::control::Order;
    use crate::run::dir::tests::config;
    use crate::run::lock::tests::until;
    use crate::run::session::Session;
    use crate::run::status::Status;
    use crate::run::watch;

    /// The test below as arguments to this test binary; the last is no test's name and only carries the folder.
    fn args(trainer: &str, run: &RunDir) -> Vec<OsString> {
        let test = format!("run::launch::tests::{trainer}");
        let options = ["--exact".into(), "--ignored".into(), "--nocapture".into(), "--test-threads=1".into()];
        [vec![test.into()], options.to_vec(), vec![format!("dir={}", run.path().display()).into()]].concat()
    }

    fn given_run() -> Option<RunDir> {
        let dir = std::env::args().find_map(|a| a.strip_prefix("dir=").map(PathBuf::from))?;
        Some(RunDir::open("a", &dir).unwrap())
    }

    fn run() -> (tempfile::TempDir, RunDir) {
        let dir = tempfile::tempdir().unwrap();
        let run = RunDir::create("a", &dir.path().join("a"), &config()).unwrap();
        (dir, run)
    }

    #[test]
    #[ignore = "the trainer of tests below"]
    fn trainer() {
        let Some(run) = given_run() else { return };
        detach().unwrap();
        detach().unwrap(); // twice is once
        let mut session = Session::begin(&run).unwrap();
        println!("said on standard output");
        session.resume(0, 1000).unwrap();
        session.phase(Phase::Running).unwrap();
        let own_session = rustix::process::getsid(None).unwrap() == rustix::process::getpid();
        session.log().say(&format!("own session: {own_session}")).unwrap();
        until("told to stop", || run.control().stands(Order::Stop));
        session.phase(Phase::Stopping).unwrap();
        session.end(Phase::Stopped, 0, "told to stop at step 0 of 1000").unwrap();
    }

    #[test]
    #[ignore = "the trainer of a test below"]
    fn trainer_that_fails() {
        if given_run().is_some() {
            eprintln!("no photos in /nowhere");
            std::process::exit(1);
        }
    }

    #[test]
    #[ignore = "the trainer of a test below"]
    fn trainer_that_hangs() {
        if given_run().is_some() {
            std::thread::sleep(Duration::from_secs(60));
        }
    }

    #[test]
    fn a_trainer_is_launched_watched_and_stopped() {
        let (_dir, run) = run();
        run.control().give(Order::Stop).unwrap(); // left by a dead one
        let pid = launch(&run, &args("trainer", &run), Duration::from_secs(20)).unwrap();
        assert_eq!(run.read_state().unwrap().process.unwrap().pid, pid);
        until("it runs", || run.standing().unwrap().status == Status::Running);
        let standing = watch::stop(&run, Duration::from_secs(20)).unwrap();
        assert_eq!((standing.status, standing.state.exit_code), (Status::Stopped, Some(0)));
        assert_eq!(standing.reason, "told to stop at step 0 of 1000");
        let said = log::last_lines(&run.log(), 100).unwrap();
        assert!(said.contains("own session: true") && said.contains("said on standard output"), "{said}");
        assert!(matches!(watch::stop(&run, Duration::ZERO), Err(RunError::NotRunning { .. })));
    }

    #[test]
    fn a_killed_trainer_has_crashed_at_once() {
        let (_dir, run) = run();
        let pid = launch(&run, &args("trainer", &run), Duration::from_secs(20)).unwrap();
        until("it runs", || run.standing().unwrap().status == Status::Running);
        let process = run.read_state().unwrap().process.unwrap();
        assert_ne!(process.is_alive(), Some(false));
        rustix::process::kill_process(
            rustix::process::Pid::from_raw(pid as i32).unwrap(),
            rustix::process::Signal::KILL,
        )
        .unwrap();
        until("it has crashed", || run.standing().unwrap().status == Status::Crashed);
        assert!(run.standing().unwrap().reason.starts_with(&format!("pid {pid} on ")));
        // And it can be taken over at once.
        drop(Session::begin(&run).unwrap());
    }

    #[test]
    fn a_trainer_that_fails_at_once_is_told_of() {
        let (_dir, run) = run();
        let error = launch(&run, &args("trainer_that_fails", &run), Duration::from_secs(20)).unwrap_err();
        let text = error.to_string();
        assert!(text.contains("exit status: 1") && text.contains("no photos in /nowhere"), "{text}");
        let standing = run.standing().unwrap();
        assert_eq!(standing.status, Status::Failed);
        assert!(standing.reason.contains("no photos in /nowhere"), "{}", standing.reason);
    }

    #[test]
    fn a_trainer_that_hangs_is_not_waited_for_for_ever() {
        let (_dir, run) = run();
        let error = launch(&run, &args("trainer_that_hangs", &run), Duration::from_millis(200)).unwrap_err();
        assert!(error.to_string().contains("did not take the run"), "{error}");
    }
}
