//! A watcher's side of a run: what is new since the last look, until it ends; and telling it to stop.
//!
//! Looks again and again instead of asking the system to be told: that works on shared disks too, and a
//! look costs a few file operations. Used by `run watch`, by the foreground of `train`, and by the screen.

use std::ops::ControlFlow;
use std::time::{Duration, Instant};

use super::control::Order;
use super::dir::{RunDir, Standing};
use super::error::{Result, RunError};
use super::manage;
use super::metrics::{Record, Tail};
use super::status::Status;

/// Time between two looks: soon enough for eyes, cheap enough for a night.
pub const EVERY: Duration = Duration::from_millis(100);

/// Follows one run.
#[derive(Debug)]
pub struct Watch {
    run: RunDir,
    tail: Tail,
}

/// What one look found.
#[derive(Debug)]
pub struct Glance {
    /// How the run stands.
    pub standing: Standing,
    /// The records that are new since the look before; `Resume` takes earlier ones back.
    pub records: Vec<Record>,
}

impl Watch {
    /// Follows `run` from its first record on.
    pub fn new(run: &RunDir) -> Watch {
        Watch { run: run.clone(), tail: Tail::new(&run.metrics()) }
    }

    /// Looks once.
    pub fn glance(&mut self) -> Result<Glance> {
        // In this order the records of a run that is over are all there.
        let standing = self.run.standing()?;
        let records = self.tail.poll()?;
        Ok(Glance { standing, records })
    }
}

/// Looks at the run every `EVERY` until it is over or `seen` breaks; returns how it then stands.
pub fn follow(run: &RunDir, mut seen: impl FnMut(&Glance) -> ControlFlow<()>) -> Result<Standing> {
    let mut watch = Watch::new(run);
    loop {
        let glance = watch.glance()?;
        if seen(&glance).is_break() || glance.standing.status.is_over() {
            return Ok(glance.standing);
        }
        std::thread::sleep(EVERY);
    }
}

/// Looks until the trainer makes steps, waits for its turn or is over, at most `patience`; returns how the run then stands.
pub fn settled(run: &RunDir, patience: Duration) -> Result<Standing> {
    until(run, patience, Status::Running)
}

/// Looks until the trainer waits or is over, at most `patience`; returns how the run then stands.
pub fn rested(run: &RunDir, patience: Duration) -> Result<Standing> {
    until(run, patience, Status::Paused)
}

fn until(run: &RunDir, patience: Duration, awaited: Status) -> Result<Standing> {
    let begin = Instant::now();
    loop {
        let standing = run.standing()?;
        if standing.status == awaited || standing.status.is_over() || standing.waits() || begin.elapsed() >= patience {
            return Ok(standing);
        }
        std::thread::sleep(EVERY);
    }
}

/// Tells the trainer to stop and waits for it, at most `patience`.
pub fn stop(run: &RunDir, patience: Duration) -> Result<Standing> {
    manage::stop(run)?;
    let begin = Instant::now();
    loop {
        let standing = run.standing()?;
        if standing.status.is_over() {
            // It may have ended by itself before it saw the order.
            run.control().take(Order::Stop)?;
            return Ok(standing);
        }
        if begin.elapsed() >= patience {
            return Err(RunError::StillRunning { id: run.id().to_owned(), seconds: patience.as_secs() });
        }
        std::thread::sleep(EVERY);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::run::dir::tests::config;
    use crate::run::session::Session;
    use crate::run::session::tests::step;
    use crate::run::state::Phase;

    #[test]
    fn a_follower_sees_every_record_and_the_end() {
        let dir = tempfile::tempdir().unwrap();
        let run = RunDir::create("a", &dir.path().join("a"), &config()).unwrap();
        let mut seen = 0;
        let end = std::thread::scope(|scope| {
            scope.spawn(|| {
                let mut session = Session::begin(&run).unwrap();
                session.resume(0, 2000).unwrap();
                session.phase(Phase::Running).unwrap();
                // Quick, so that the end comes between two looks.
                (1..=2000).for_each(|n| session.record(&step(n)).unwrap());
                session.end(Phase::Finished, 0, "2000 steps").unwrap();
            });
            follow(&run, |glance| {
                seen += glance.records.len();
                ControlFlow::Continue(())
            })
        });
        assert_eq!(end.unwrap().status, Status::Finished);
        assert_eq!(seen, 2000);
    }

    #[test]
    fn a_trainer_that_does_not_obey_is_told_of() {
        let dir = tempfile::tempdir().unwrap();
        let run = RunDir::create("a", &dir.path().join("a"), &config()).unwrap();
        assert!(matches!(stop(&run, Duration::ZERO), Err(RunError::NotRunning { status: Status::Queued, .. })));
        let session = Session::begin(&run).unwrap();
        assert!(matches!(stop(&run, Duration::ZERO), Err(RunError::StillRunning { .. })));
        assert!(run.control().stands(Order::Stop), "the order stands all the same");
        drop(session);
        assert!(matches!(stop(&run, Duration::ZERO), Err(RunError::NotRunning { status: Status::Crashed, .. })));
    }
}
