//! `state.json`: where a run stands, as its trainer last said.
//!
//! Replaced as a whole, so that a reader never sees a half. It is a claim and no proof: a trainer that was
//! killed leaves "running" behind, and only the lock (`lock`, `status`) tells. It also carries the figures
//! that a list of runs shows, so that listing reads no metrics.

use std::path::Path;

use serde::{Deserialize, Serialize};

use super::error::Result;
use super::files;
use super::host::Process;
use super::stamp::Stamp;

/// What the trainer says that it is doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Phase {
    /// Created, and no trainer has begun, or one waits for its turn.
    Queued,
    /// A trainer holds the run and prepares.
    Starting,
    /// Steps are being made.
    Running,
    /// Held by the `pause` control.
    Paused,
    /// Told to stop; writes its checkpoint.
    Stopping,
    /// Ended before its last step because it was told to; can be resumed.
    Stopped,
    /// Ended after its last step.
    Finished,
    /// Ended by an error, which `reason` tells.
    Failed,
}

impl Phase {
    /// Whether a trainer that says this is about to let go of the lock.
    pub fn ends(self) -> bool {
        matches!(self, Phase::Stopped | Phase::Finished | Phase::Failed)
    }
}

/// The figures of one validation; shares from 0 to 1, `None` where not known.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Score {
    /// The epoch, from 1.
    pub epoch: u32,
    /// The steps made before it.
    pub step: u64,
    /// The part whose queries were used: `valid`, or `test` where there is no `valid`.
    #[serde(default)]
    pub part: Option<String>,
    /// Rank-1.
    #[serde(default)]
    pub rank1: Option<f64>,
    /// Mean average precision.
    #[serde(default)]
    pub map: Option<f64>,
}

/// All of `state.json`. Unknown keys of a newer version are ignored.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct State {
    /// What the trainer is doing.
    pub phase: Phase,
    /// Steps made.
    #[serde(default)]
    pub step: u64,
    /// Steps of the whole run; 0 while not known.
    #[serde(default)]
    pub total: u64,
    /// The epoch of the last step, from 1; 0 before the first.
    #[serde(default)]
    pub epoch: u32,
    /// Who holds or last held the run.
    #[serde(default)]
    pub process: Option<Process>,
    /// When the run was created.
    pub created: Stamp,
    /// When its present or last trainer began.
    #[serde(default)]
    pub started: Option<Stamp>,
    /// When this was written.
    pub updated: Stamp,
    /// When its last trainer ended.
    #[serde(default)]
    pub exited: Option<Stamp>,
    /// The exit code that the last trainer meant to end with.
    #[serde(default)]
    pub exit_code: Option<i32>,
    /// Why it ended so, in a sentence.
    #[serde(default)]
    pub reason: Option<String>,
    /// Its place in line, from 1, while a trainer waits for its turn; then `reason` says for what.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub place: Option<u64>,
    /// Loss of the last step; `None` where there is none or it was not a number.
    #[serde(default)]
    pub loss: Option<f32>,
    /// Seconds that a step takes on average, validation and checkpoints spread over the steps.
    #[serde(default)]
    pub seconds_per_step: Option<f64>,
    /// The validation with the highest mean average precision, the earlier on ties.
    #[serde(default)]
    pub best: Option<Score>,
    /// The latest validation.
    #[serde(default)]
    pub latest: Option<Score>,
}

impl State {
    /// The state of a run that was just created.
    pub fn queued() -> State {
        let now = Stamp::now();
        State {
            phase: Phase::Queued,
            step: 0,
            total: 0,
            epoch: 0,
            process: None,
            created: now,
            started: None,
            updated: now,
            exited: None,
            exit_code: None,
            reason: None,
            place: None,
            loss: None,
            seconds_per_step: None,
            best: None,
            latest: None,
        }
    }

    /// Reads a `state.json`.
    pub fn read(path: &Path) -> Result<State> {
        files::read_json(path)
    }

    /// Replaces `state.json`, with the present time as `updated`.
    pub fn write(&mut self, path: &Path) -> Result<()> {
        self.updated = Stamp::now();
        files::replace_json(path, self)
    }

    /// Seconds to the last step at the present pace, not counting what has passed since `updated`.
    pub fn eta_seconds(&self) -> Option<f64> {
        let left = self.total.checked_sub(self.step)?;
        Some(left as f64 * self.seconds_per_step.filter(|s| s.is_finite())?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::run::RunError;
    use crate::run::lock::tests::while_looking;

    #[test]
    fn a_reader_never_sees_half_a_state() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("state.json");
        let mut state = State::queued();
        state.write(&path).unwrap();
        let look = || {
            let seen = State::read(&path).unwrap();
            assert_eq!(seen.reason.map_or(0, |r| r.len() as u64), seen.step * 50);
        };
        while_looking(2, look, || {
            for step in 1..200 {
                state.step = step;
                state.reason = Some("x".repeat(step as usize * 50)); // the size changes with every write
                state.write(&path).unwrap();
            }
        });
        assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 1, "no temporary file stays");
    }

    #[test]
    fn older_and_newer_files_are_read() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("state.json");
        let text =
            r#"{"phase":"running","created":"2026-11-25T10:00:00Z","updated":"2026-11-25T10:00:01.5Z","mood":[1]}"#;
        std::fs::write(&path, text).unwrap();
        let state = State::read(&path).unwrap();
        assert_eq!((state.phase, state.step, state.best), (Phase::Running, 0, None));
        for text in ["", "{", "[]", r#"{"phase":"asleep"}"#, "\u{0}\u{0}"] {
            std::fs::write(&path, text).unwrap();
            assert!(matches!(State::read(&path), Err(RunError::Damaged { .. })), "{text:?}");
        }
    }

    #[test]
    fn a_loss_that_is_no_number_survives() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("state.json");
        let mut state = State::queued();
        state.loss = Some(f32::NAN);
        state.write(&path).unwrap();
        assert_eq!(State::read(&path).unwrap().loss, None);
    }
}
