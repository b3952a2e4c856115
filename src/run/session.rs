//! A trainer's side of a run: holds the lock, keeps the state, appends metrics and log.
//!
//! The training loop only says what happened (`record`, `phase`, `end`); that it is written where and how
//! watchers expect it is decided here. Orders are looked up by the loop itself, at its own pace
//! (`RunDir::control`). A session that is dropped without `end` leaves the state as it is: watchers then
//! see a crash, which is the truth. A panic is told from that and ends the run as failed.

use std::time::{Duration, Instant};

use super::dir::RunDir;
use super::error::{Result, RunError};
use super::files;
use super::host::Process;
use super::lock::Lock;
use super::log::Log;
use super::metrics::{self, Record};
use super::stamp::Stamp;
use super::state::{Phase, Score, State};

/// Progress is told to `state.json` at most this often; each time costs a sync of the disk.
pub const BREATH: Duration = Duration::from_millis(500);

/// A run while its trainer works on it.
#[derive(Debug)]
pub struct Session {
    run: RunDir,
    state: State,
    metrics: metrics::Writer,
    log: Log,
    written: Instant,
    /// When counting began, without pauses, and the step that it began with.
    since: Instant,
    from_step: u64,
    /// When the pause began that is still on.
    paused: Option<Instant>,
    ended: bool,
    _lock: Lock,
}

impl Session {
    /// Takes the run for this process and says that it is starting; who else holds it is named in the error.
    pub fn begin(run: &RunDir) -> Result<Session> {
        let Some(lock) = Lock::take(&run.lock())? else {
            let holder = run.read_state().ok().and_then(|s| s.process);
            return Err(RunError::Locked {
                path: run.path().to_path_buf(),
                holder: holder.map_or_else(|| "it has not said who it is".to_owned(), |p| p.to_string()),
            });
        };
        for path in [run.state(), run.last(), run.best()] {
            files::sweep(&path);
        }
        let mut state = run.read_state()?;
        state.phase = Phase::Starting;
        state.process = Some(Process::current());
        state.started = Some(Stamp::now());
        (state.exited, state.exit_code, state.reason, state.place) = (None, None, None, None);
        let mut session = Session {
            metrics: metrics::Writer::open(&run.metrics())?,
            log: Log::open(&run.log())?,
            run: run.clone(),
            from_step: state.step,
            state,
            written: Instant::now(),
            since: Instant::now(),
            paused: None,
            ended: false,
            _lock: lock,
        };
        session.write()?;
        Ok(session)
    }

    /// The run.
    pub fn run(&self) -> &RunDir {
        &self.run
    }

    /// What was told last.
    pub fn state(&self) -> &State {
        &self.state
    }

    /// The log, to say things in.
    pub fn log(&self) -> &Log {
        &self.log
    }

    /// The run goes on after `step` steps of a checkpoint (0: from the beginning), of `total`: marks it in
    /// the metrics if anything later is there, and takes figures back that came after it.
    pub fn resume(&mut self, step: u64, total: u64) -> Result<()> {
        let mut history = metrics::read_all(&self.run.metrics())?;
        let later = history.steps.iter().any(|s| s.step > step) || history.epochs.iter().any(|e| e.step > step);
        if later || step > 0 {
            let marker = Record::Resume { step, time: Stamp::now().seconds() };
            self.metrics.append(&marker)?;
            history.apply(marker);
        }
        self.state.step = step;
        self.state.total = total;
        self.state.epoch = history.steps.last().map_or(0, |s| s.epoch);
        self.state.loss = history.steps.last().map(|s| s.loss).filter(|l| l.is_finite());
        (self.state.best, self.state.latest) = (None, None);
        for score in history.epochs.iter().filter_map(|e| e.score()) {
            self.score(score);
        }
        self.from_step = step;
        self.since = Instant::now();
        self.write()
    }

    /// Appends a step or the end of an epoch, and brings the state up to date.
    pub fn record(&mut self, record: &Record) -> Result<()> {
        self.metrics.append(record)?;
        match record {
            Record::Step(step) => {
                self.state.step = step.step;
                self.state.epoch = step.epoch;
                self.state.loss = step.loss.is_finite().then_some(step.loss);
                let made = step.step.saturating_sub(self.from_step);
                if made > 0 {
                    self.state.seconds_per_step = Some(self.since.elapsed().as_secs_f64() / made as f64);
                }
                if self.written.elapsed() < BREATH {
                    return Ok(());
                }
            }
            Record::Epoch(epoch) => {
                if let Some(score) = epoch.score() {
                    self.score(score);
                }
            }
            Record::Resume { .. } | Record::Unknown => return Ok(()),
        }
        self.write()
    }

    fn score(&mut self, score: Score) {
        let value = |s: &Score| s.map.or(s.rank1).unwrap_or(f64::NEG_INFINITY);
        if self.state.best.as_ref().is_none_or(|best| value(&score) > value(best)) {
            self.state.best = Some(score.clone());
        }
        self.state.latest = Some(score);
    }

    /// Says that the run waits for its turn as the `place`-th, from 1, for what `wants` names.
    pub fn waits(&mut self, place: u64, wants: &str) -> Result<()> {
        if self.state.phase == Phase::Queued && self.state.place == Some(place) {
            return Ok(());
        }
        let line = if place == 1 { "next".to_owned() } else { format!("number {place} in line") };
        self.state.phase = Phase::Queued;
        self.state.place = Some(place);
        self.state.reason = Some(format!("{line} for {wants}"));
        self.write()
    }

    /// Says that the trainer now does something else; time in `Paused` does not count as work.
    pub fn phase(&mut self, phase: Phase) -> Result<()> {
        match (phase, self.paused) {
            (Phase::Paused, None) => self.paused = Some(Instant::now()),
            (Phase::Paused, Some(_)) => {}
            (_, Some(begin)) => {
                self.since += begin.elapsed();
                self.paused = None;
            }
            (_, None) => {}
        }
        if self.state.place.take().is_some() {
            self.state.reason = None;
        }
        self.state.phase = phase;
        self.write()
    }

    /// Makes the metrics outlast a loss of power; for just before a checkpoint is written.
    pub fn sync(&self) -> Result<()> {
        self.metrics.sync()
    }

    /// The trainer's last word: stopped, finished or failed, with the exit code to come and a sentence.
    pub fn end(mut self, phase: Phase, exit_code: i32, reason: &str) -> Result<()> {
        self.finish(phase, exit_code, reason)
    }

    fn finish(&mut self, phase: Phase, exit_code: i32, reason: &str) -> Result<()> {
        self.ended = true;
        self.state.place = None;
        self.state.phase = phase;
        self.state.exited = Some(Stamp::now());
        self.state.exit_code = Some(exit_code);
        self.state.reason = Some(reason.to_owned());
        // An order that nobody is left to obey must not greet the next trainer.
        let cleared = self.run.control().clear();
        self.write().and(cleared)
    }

    fn write(&mut self) -> Result<()> {
        self.written = Instant::now();
        self.state.write(&self.run.state())
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        if !self.ended && std::thread::panicking() {
            // 101 is what Rust ends with on a panic.
            let _ = self.finish(Phase::Failed, 101, "the trainer panicked; see log.txt");
        }
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use crate::run::control::Order;
    use crate::run::dir::tests::config;
    use crate::run::metrics::{Epoch, Step};
    use crate::run::status::Status;

    /// The record of step `n`, ten of which are an epoch.
    pub(crate) fn step(n: u64) -> Record {
        step_with(n, 1.0)
    }

    fn step_with(n: u64, loss: f32) -> Record {
        Record::Step(Step {
            step: n,
            epoch: n.div_ceil(10) as u32,
            loss,
            active: None,
            angle: None,
            lr: 0.1,
            grad_norm: 1.0,
            photos_per_s: 10.0,
            wait: 0.0,
            time: 0.0,
        })
    }

    fn epoch(epoch: u32, map: f64) -> Record {
        let mut e = Epoch::new(epoch, u64::from(epoch) * 10);
        (e.map, e.rank1, e.part) = (Some(map), Some(map / 2.0), Some("valid".to_owned()));
        Record::Epoch(e)
    }

    #[test]
    fn a_run_from_beginning_to_end() {
        let dir = tempfile::tempdir().unwrap();
        let run = RunDir::create("a", &dir.path().join("a"), &config()).unwrap();
        let mut session = Session::begin(&run).unwrap();
        assert_eq!(run.standing().unwrap().status, Status::Starting);
        session.resume(0, 30).unwrap();
        assert!(metrics::read_all(&run.metrics()).unwrap().steps.is_empty());
        session.phase(Phase::Running).unwrap();
        for n in 1..=30 {
            session.record(&step(n)).unwrap();
            if n % 10 == 0 {
                session.record(&epoch(n as u32 / 10, [0.2, 0.4, 0.4][n as usize / 10 - 1])).unwrap();
            }
        }
        let state = run.read_state().unwrap();
        assert_eq!((state.step, state.total, state.epoch), (30, 30, 3));
        assert_eq!(state.best.as_ref().unwrap().epoch, 2, "the earlier on ties");
        assert_eq!(state.latest.as_ref().unwrap().epoch, 3);
        assert!(state.eta_seconds().is_some_and(|s| s == 0.0));
        assert_eq!(run.standing().unwrap().status, Status::Running);

        let second = Session::begin(&run).unwrap_err().to_string();
        assert!(second.contains(&format!("pid {}", std::process::id())), "{second}");

        run.control().give(Order::Stop).unwrap();
        assert_eq!(run.standing().unwrap().status, Status::Stopping);
        session.end(Phase::Finished, 0, "30 steps").unwrap();
        let standing = run.standing().unwrap();
        assert_eq!((standing.status, standing.reason.as_str()), (Status::Finished, "30 steps"));
        assert!(!run.control().stands(Order::Stop), "no order stays for the next trainer");
    }

    #[test]
    fn a_resume_takes_back_what_the_checkpoint_does_not_know() {
        let dir = tempfile::tempdir().unwrap();
        let run = RunDir::create("a", &dir.path().join("a"), &config()).unwrap();
        let mut session = Session::begin(&run).unwrap();
        session.resume(0, 40).unwrap();
        session.phase(Phase::Running).unwrap();
        for n in 1..=25 {
            session.record(&step_with(n, n as f32)).unwrap();
        }
        session.record(&epoch(1, 0.3)).unwrap();
        session.record(&epoch(2, 0.9)).unwrap();
        drop(session); // as if killed
        assert_eq!(run.standing().unwrap().status, Status::Crashed);

        let mut session = Session::begin(&run).unwrap();
        session.resume(12, 40).unwrap();
        let state = run.read_state().unwrap();
        assert_eq!((state.step, state.epoch, state.loss), (12, 2, Some(12.0)));
        assert_eq!(state.best.unwrap().map, Some(0.3), "the better epoch did not happen");
        session.record(&step(13)).unwrap();
        let history = metrics::read_all(&run.metrics()).unwrap();
        assert_eq!(history.steps.len(), 13);
        assert_eq!(history.epochs.len(), 1);
        drop(session);

        // Killed before the first checkpoint: everything is taken back.
        let mut session = Session::begin(&run).unwrap();
        session.resume(0, 40).unwrap();
        assert!(metrics::read_all(&run.metrics()).unwrap().steps.is_empty());
        assert_eq!(run.read_state().unwrap().best, None);
    }

    #[test]
    fn a_panic_ends_the_run_as_failed() {
        let dir = tempfile::tempdir().unwrap();
        let run = RunDir::create("a", &dir.path().join("a"), &config()).unwrap();
        let result = std::thread::scope(|scope| {
            let trainer = scope.spawn(|| {
                let _session = Session::begin(&run).unwrap();
                panic!("on purpose");
            });
            trainer.join()
        });
        assert!(result.is_err());
        let standing = run.standing().unwrap();
        assert_eq!((standing.status, standing.state.exit_code), (Status::Failed, Some(101)));
    }
}
