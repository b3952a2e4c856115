//! `metrics.jsonl`: every step and validation of a run, one JSON object a line, appended by one `write` each.
//!
//! A trainer may die inside a line, a disk may fill up, a newer version may write more: readers (`tail`)
//! take the whole lines that they understand and ignore the rest. On resume the trainer appends a marker
//! instead of cutting the file, so that a reader in the middle of it never loses its place.
//! JSON has no NaN and no infinity: both are written as null, and read as NaN where a number is due.

use std::fs::File;
use std::io::{Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::error::{Result, RunError};
use super::files;
use super::state::Score;

pub mod tail;

pub use tail::{History, Tail, read_all};

/// One line.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Record {
    /// A training step.
    Step(Step),
    /// The end of an epoch.
    Epoch(Epoch),
    /// A trainer went on from a checkpoint: what was recorded after `step` did not happen.
    Resume {
        /// Steps that the checkpoint had made.
        step: u64,
        /// Seconds since 1970 (UTC).
        #[serde(with = "number", default = "number::nan")]
        time: f64,
    },
    /// A line of a newer version; readers leave it out.
    #[serde(other)]
    Unknown,
}

/// A training step.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Step {
    /// Steps made, this one included.
    pub step: u64,
    /// The epoch it is in, from 1.
    pub epoch: u32,
    /// Mean loss of the batch; NaN if it was not finite.
    #[serde(with = "number", default = "number::nan")]
    pub loss: f32,
    /// Share of the mined triplets with a loss above 0 (triplet).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub active: Option<f32>,
    /// Mean angle between an embedding and its individual's centre, in degrees (arcface).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub angle: Option<f32>,
    /// Learning rate.
    #[serde(with = "number", default = "number::nan")]
    pub lr: f32,
    /// Norm of the gradient before clipping.
    #[serde(with = "number", default = "number::nan")]
    pub grad_norm: f32,
    /// Photos a second, from the end of the step before to the end of this one.
    #[serde(with = "number", default = "number::nan")]
    pub photos_per_s: f32,
    /// Share of that time spent waiting for photos, from 0 to 1.
    #[serde(with = "number", default = "number::nan")]
    pub wait: f32,
    /// Seconds since 1970 (UTC).
    #[serde(with = "number", default = "number::nan")]
    pub time: f64,
}

/// The end of an epoch; the figures are `None` where the epoch had no validation.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Epoch {
    /// The epoch, from 1.
    pub epoch: u32,
    /// Steps made.
    pub step: u64,
    /// Mean loss of its steps.
    #[serde(with = "number", default = "number::nan")]
    pub loss: f32,
    /// The part whose queries were used: `valid` or `test`.
    #[serde(default)]
    pub part: Option<String>,
    /// Queries that have a match in the gallery.
    #[serde(default)]
    pub queries: Option<u64>,
    /// Rank-1, from 0 to 1.
    #[serde(default)]
    pub rank1: Option<f64>,
    /// Rank-5, from 0 to 1.
    #[serde(default)]
    pub rank5: Option<f64>,
    /// Rank-10, from 0 to 1.
    #[serde(default)]
    pub rank10: Option<f64>,
    /// Mean average precision, from 0 to 1.
    #[serde(default)]
    pub map: Option<f64>,
    /// Mean distance between photos of one individual.
    #[serde(default)]
    pub distance_same: Option<f64>,
    /// Mean distance between photos of different individuals.
    #[serde(default)]
    pub distance_different: Option<f64>,
    /// Spread of the embeddings; towards 0 they collapse into one point.
    #[serde(default)]
    pub spread: Option<f64>,
    /// Seconds the epoch took, validation included.
    #[serde(with = "number", default = "number::nan")]
    pub seconds: f64,
    /// Seconds since 1970 (UTC).
    #[serde(with = "number", default = "number::nan")]
    pub time: f64,
}

impl Epoch {
    /// An epoch without figures, to fill in.
    pub fn new(epoch: u32, step: u64) -> Epoch {
        Epoch {
            epoch,
            step,
            loss: f32::NAN,
            part: None,
            queries: None,
            rank1: None,
            rank5: None,
            rank10: None,
            map: None,
            distance_same: None,
            distance_different: None,
            spread: None,
            seconds: f64::NAN,
            time: f64::NAN,
        }
    }

    /// What a list of runs shows of it; `None` where the epoch had no validation.
    pub fn score(&self) -> Option<Score> {
        self.map.or(self.rank1)?;
        Some(Score { epoch: self.epoch, step: self.step, part: self.part.clone(), rank1: self.rank1, map: self.map })
    }
}

/// Appends to a `metrics.jsonl`. One writer at a time: the trainer that holds the run's lock.
#[derive(Debug)]
pub struct Writer {
    path: PathBuf,
    file: File,
    /// The file may end inside a line; the next write begins with the line's end.
    torn: bool,
}

impl Writer {
    /// Opens the file, made if it is not there. A line that a dead trainer left torn is ended before the first append.
    pub fn open(path: &Path) -> Result<Writer> {
        let fail = |e| RunError::io("write", path, e);
        let mut file = files::open_to_append(path).map_err(fail)?;
        let mut torn = false;
        if file.metadata().map_err(fail)?.len() > 0 {
            let mut last = [0];
            file.seek(SeekFrom::End(-1)).map_err(fail)?;
            file.read_exact(&mut last).map_err(fail)?;
            torn = last != *b"\n";
        }
        Ok(Writer { path: path.to_path_buf(), file, torn })
    }

    /// Appends one record. After a failure the file may end inside a line, which the next append sees to.
    pub fn append(&mut self, record: &Record) -> Result<()> {
        let mut line = Vec::with_capacity(256);
        if self.torn {
            line.push(b'\n');
        }
        let fail = |e| RunError::io("write", &self.path, e);
        serde_json::to_writer(&mut line, record).map_err(|e| fail(e.into()))?;
        line.push(b'\n');
        self.torn = true;
        self.file.write_all(&line).map_err(fail)?;
        self.torn = false;
        Ok(())
    }

    /// Makes what was appended outlast a loss of power; for just before a checkpoint is written.
    pub fn sync(&self) -> Result<()> {
        self.file.sync_data().map_err(|e| RunError::io("write", &self.path, e))
    }
}

/// Numbers that may be NaN or infinite, which JSON cannot say: null stands for both, and is read as NaN.
mod number {
    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    pub(super) trait Number: Copy {
        const NAN: Self;
    }
    impl Number for f32 {
        const NAN: f32 = f32::NAN;
    }
    impl Number for f64 {
        const NAN: f64 = f64::NAN;
    }

    pub(super) fn nan<T: Number>() -> T {
        T::NAN
    }

    // serde_json itself writes null for what is not finite.
    pub(super) fn serialize<T: Number + Serialize, S: Serializer>(value: &T, s: S) -> Result<S::Ok, S::Error> {
        value.serialize(s)
    }

    pub(super) fn deserialize<'de, T: Number + Deserialize<'de>, D: Deserializer<'de>>(d: D) -> Result<T, D::Error> {
        Ok(Option::<T>::deserialize(d)?.unwrap_or(T::NAN))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn step(n: u64) -> Record {
        Record::Step(Step {
            step: n,
            epoch: 1,
            loss: 0.1,
            active: Some(0.5),
            angle: None,
            lr: 3e-4,
            grad_norm: 1.5,
            photos_per_s: 40.0,
            wait: 0.01,
            time: 1_795_000_000.25,
        })
    }

    #[test]
    fn a_line_is_readable_json() {
        let line = serde_json::to_string(&step(7)).unwrap();
        assert_eq!(
            line,
            r#"{"kind":"step","step":7,"epoch":1,"loss":0.1,"active":0.5,"lr":0.0003,"grad_norm":1.5,"photos_per_s":40.0,"wait":0.01,"time":1795000000.25}"#
        );
        assert_eq!(serde_json::from_str::<Record>(&line).unwrap(), step(7));
    }

    #[test]
    fn numbers_that_are_none_survive() {
        let mut epoch = Epoch::new(3, 60);
        epoch.map = Some(f64::NAN);
        for loss in [f32::NAN, f32::INFINITY] {
            epoch.loss = loss;
            let text = serde_json::to_string(&Record::Epoch(epoch.clone())).unwrap();
            let Record::Epoch(back) = serde_json::from_str(&text).unwrap() else { panic!("{text}") };
            assert!(back.loss.is_nan() && back.seconds.is_nan());
            assert_eq!((back.map, back.epoch, back.step), (None, 3, 60));
            assert_eq!(back.score(), None);
        }
    }

    #[test]
    fn newer_lines_are_unknown_and_newer_keys_ignored() {
        assert_eq!(serde_json::from_str::<Record>(r#"{"kind":"weather","rain":[1]}"#).unwrap(), Record::Unknown);
        let newer = r#"{"kind":"resume","step":4,"mood":{"a":1}}"#;
        assert!(matches!(serde_json::from_str(newer).unwrap(), Record::Resume { step: 4, .. }));
        let older = r#"{"kind":"step","step":4,"epoch":1}"#;
        assert!(matches!(serde_json::from_str(older).unwrap(), Record::Step(s) if s.step == 4 && s.loss.is_nan()));
    }

    #[test]
    fn a_torn_line_is_ended_before_the_next_record() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("metrics.jsonl");
        let mut writer = Writer::open(&path).unwrap();
        (1..=3).for_each(|n| writer.append(&step(n)).unwrap());
        drop(writer);
        let whole = std::fs::read(&path).unwrap();
        std::fs::write(&path, &whole[..whole.len() - 9]).unwrap();

        let mut writer = Writer::open(&path).unwrap();
        writer.append(&Record::Resume { step: 1, time: 0.0 }).unwrap();
        drop(writer);
        let history = read_all(&path).unwrap();
        assert_eq!(history.steps.len(), 1, "the resume marker is a line of its own");
        assert_eq!(history.damaged, 1, "the torn line, and no other");
        Writer::open(&path).unwrap().append(&step(2)).unwrap();
        assert_eq!(read_all(&path).unwrap().steps.len(), 2);
        assert!(!std::fs::read_to_string(&path).unwrap().contains("\n\n"), "only a torn line is ended");
    }

    #[test]
    #[cfg(target_os = "linux")] // /dev/full
    fn a_full_disk_is_told_as_such() {
        let mut full = Writer {
            path: "metrics.jsonl".into(),
            file: std::fs::OpenOptions::new().append(true).open("/dev/full").unwrap(),
            torn: false,
        };
        assert!(matches!(full.append(&step(1)), Err(RunError::DiskFull { .. })));
        assert!(full.torn);
    }
}
