//! What a run is, derived from what its trainer said and whether it still lives; stored nowhere.
//!
//! `state.json` alone would leave killed runs "in progress" for ever; the lock alone does not know why a
//! run ended. Together they do, with a sentence for people.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::state::{Phase, State};

/// What a run is at this moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Status {
    /// Created, and no trainer has begun, or one waits for its turn.
    Queued,
    /// A trainer prepares.
    Starting,
    /// A trainer makes steps.
    Running,
    /// A trainer waits to be let go on.
    Paused,
    /// A trainer was told to stop and has not ended yet.
    Stopping,
    /// Ended because it was told to; can be resumed.
    Stopped,
    /// Came to its end.
    Finished,
    /// Ended by an error.
    Failed,
    /// The trainer died without a word; can be resumed.
    Crashed,
    /// Only a pointer or a damaged folder is left; not derived from a state.
    Missing,
}

impl Status {
    /// Whether a trainer holds the run.
    pub fn is_live(self) -> bool {
        matches!(self, Status::Starting | Status::Running | Status::Paused | Status::Stopping)
    }

    /// Whether nothing more will happen unless somebody starts or resumes it.
    pub fn is_over(self) -> bool {
        !self.is_live() && self != Status::Queued
    }

    /// The sign beside its colour, in lists.
    pub fn sign(self) -> &'static str {
        match self {
            Status::Starting | Status::Running | Status::Stopping => "●",
            Status::Paused | Status::Stopped => "‖",
            Status::Finished => "✓",
            Status::Failed => "✗",
            Status::Crashed => "†",
            Status::Queued => "○",
            Status::Missing => "?",
        }
    }

    /// The word for it.
    pub fn name(self) -> &'static str {
        match self {
            Status::Queued => "queued",
            Status::Starting => "starting",
            Status::Running => "running",
            Status::Paused => "paused",
            Status::Stopping => "stopping",
            Status::Stopped => "stopped",
            Status::Finished => "finished",
            Status::Failed => "failed",
            Status::Crashed => "crashed",
            Status::Missing => "missing",
        }
    }
}

impl fmt::Display for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

/// What to read before this: probe the lock first, then read the state. Read the other way round, a trainer
/// that ends in between leaves an old "running" beside a free lock, and a good run looks crashed.
/// `waits`: a trainer that waits for its turn said so; with nobody holding the lock, it died waiting.
pub fn derive(lock_held: bool, phase: Phase, waits: bool, stop_asked: bool) -> Status {
    match (lock_held, phase) {
        (_, Phase::Stopped) => Status::Stopped,
        (_, Phase::Finished) => Status::Finished,
        (_, Phase::Failed) => Status::Failed,
        (false, Phase::Queued) if !waits => Status::Queued,
        (false, _) => Status::Crashed,
        (true, Phase::Stopping) => Status::Stopping,
        // The trainer obeys after the step it is in; a person should see that it was heard.
        (true, _) if stop_asked => Status::Stopping,
        (true, Phase::Queued) if waits => Status::Queued,
        (true, Phase::Queued | Phase::Starting) => Status::Starting,
        (true, Phase::Running) => Status::Running,
        (true, Phase::Paused) => Status::Paused,
    }
}

/// A trainer that begins between the looks at lock and state would seem to have crashed, so a crash is
/// believed only when the next look finds the same. `look` gives the status and what it was derived from.
///
/// # Errors
/// Those of `look`.
pub fn settle<S: PartialEq, E>(mut look: impl FnMut() -> Result<(Status, S), E>) -> Result<(Status, S), E> {
    let mut found = look()?;
    while found.0 == Status::Crashed {
        let again = look()?;
        if again == found {
            break;
        }
        found = again;
    }
    Ok(found)
}

/// One line on why the run is what it is.
pub fn reason(status: Status, state: &State) -> String {
    let told = state.reason.as_deref();
    let who = || state.process.as_ref().map_or_else(|| "its trainer".to_owned(), |p| p.to_string());
    let place = match (state.epoch, state.step) {
        (0, _) | (_, 0) => "before the first step".to_owned(),
        (epoch, step) => format!("in epoch {epoch}, step {step}"),
    };
    let place = if state.place.is_some() { format!("waiting for its turn, {place}") } else { place };
    match status {
        Status::Queued => told.unwrap_or("no trainer has begun").to_owned(),
        Status::Starting => format!("{} prepares", who()),
        Status::Running => format!("{} trains", who()),
        Status::Paused => "paused; waits to be let go on".to_owned(),
        Status::Stopping => "told to stop; ends after its step with a checkpoint".to_owned(),
        Status::Stopped => told.unwrap_or("told to stop").to_owned(),
        Status::Finished => told.unwrap_or("came to its end").to_owned(),
        Status::Failed => told.unwrap_or("ended by an error; see log.txt").to_owned(),
        Status::Crashed => format!("{} died {place}, last heard of at {}", who(), state.updated.local()),
        Status::Missing => told.unwrap_or("its files are gone").to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_of_design() {
        use Phase::*;
        let rows = [
            (Queued, Status::Queued, Status::Starting),
            (Starting, Status::Crashed, Status::Starting),
            (Running, Status::Crashed, Status::Running),
            (Paused, Status::Crashed, Status::Paused),
            (Stopping, Status::Crashed, Status::Stopping),
            (Stopped, Status::Stopped, Status::Stopped),
            (Finished, Status::Finished, Status::Finished),
            (Failed, Status::Failed, Status::Failed),
        ];
        for (phase, free, held) in rows {
            let state = State { phase, ..State::queued() };
            assert_eq!(derive(false, phase, false, false), free, "{phase:?}, lock free");
            assert_eq!(derive(true, phase, false, false), held, "{phase:?}, lock held");
            // A stop that was asked for shows at once on a live run, and changes nothing on another.
            assert_eq!(derive(false, phase, false, true), free);
            let asked = if held.is_live() { Status::Stopping } else { held };
            assert_eq!(derive(true, phase, false, true), asked);
            for status in [free, held] {
                let line = reason(status, &state);
                assert!(!line.is_empty() && !line.contains('\n'));
            }
        }
    }

    #[test]
    fn who_waits_for_its_turn_is_queued_as_long_as_it_lives() {
        assert_eq!(derive(true, Phase::Queued, true, false), Status::Queued);
        assert_eq!(derive(true, Phase::Queued, true, true), Status::Stopping);
        assert_eq!(derive(false, Phase::Queued, true, false), Status::Crashed);
        let state = State { place: Some(2), ..State::queued() };
        let line = reason(Status::Crashed, &state);
        assert!(line.contains("died waiting for its turn, before the first step"), "{line}");
    }

    #[test]
    fn a_crash_says_who_died_and_where() {
        let mut state = State { phase: Phase::Running, epoch: 4, step: 80, ..State::queued() };
        state.process =
            Some(crate::run::host::Process { pid: 4711, host: "curlew".into(), boot: None, start_ticks: None });
        let line = reason(Status::Crashed, &state);
        assert!(line.starts_with("pid 4711 on curlew died in epoch 4, step 80, last heard of at 2"), "{line}");
        assert_eq!(Status::Crashed.to_string(), "crashed");
        assert_eq!(serde_json::to_string(&Status::Crashed).unwrap(), "\"crashed\"");
    }
}
