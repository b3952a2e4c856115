//! A run's metrics for other programs: CSV for spreadsheets, event files for TensorBoard.
//!
//! Both hold what the run stands for: records that a resume took back are left out.

use std::path::{Path, PathBuf};

use super::dir::RunDir;
use super::error::Result;
use super::files;
use super::metrics::{Epoch, History, Step, read_all};

mod csv;
mod tensorboard;

/// A form that metrics can be written in: its word, and what writes it into a folder.
pub struct Format {
    /// The word on the command line.
    pub name: &'static str,
    write: fn(&RunDir, &History, &Path) -> Result<Vec<PathBuf>>,
}

/// Every form.
pub const FORMATS: &[Format] =
    &[Format { name: "csv", write: csv::write }, Format { name: "tensorboard", write: tensorboard::write }];

impl Format {
    /// Writes the metrics of `run` into `folder`, made if need be, over what stood there by the same names; which files.
    ///
    /// # Errors
    /// When the metrics cannot be read or the folder cannot be written.
    pub fn export(&self, run: &RunDir, folder: &Path) -> Result<Vec<PathBuf>> {
        let history = read_all(&run.metrics())?;
        files::create_folder(folder)?;
        (self.write)(run, &history, folder)
    }
}

/// A figure of a record: its name, and how it is read; `None` where the record has none.
type Column<R> = (&'static str, fn(&R) -> Option<f64>);

/// The figures of a step.
const OF_STEP: &[Column<Step>] = &[
    ("loss", |s| finite(s.loss)),
    ("active", |s| s.active.and_then(finite)),
    ("angle", |s| s.angle.and_then(finite)),
    ("lr", |s| finite(s.lr)),
    ("grad_norm", |s| finite(s.grad_norm)),
    ("photos_per_s", |s| finite(s.photos_per_s)),
    ("wait", |s| finite(s.wait)),
];

/// The figures of an epoch.
const OF_EPOCH: &[Column<Epoch>] = &[
    ("loss", |e| finite(e.loss)),
    ("rank1", |e| e.rank1),
    ("rank5", |e| e.rank5),
    ("rank10", |e| e.rank10),
    ("map", |e| e.map),
    ("distance_same", |e| e.distance_same),
    ("distance_different", |e| e.distance_different),
    ("spread", |e| e.spread),
    ("seconds", |e| Some(e.seconds).filter(|s| s.is_finite())),
];

/// The number as its shortest decimal has it (0.1, not 0.10000000149); none where it is no number.
fn finite(value: f32) -> Option<f64> {
    value.is_finite().then(|| value.to_string().parse().unwrap_or(f64::from(value)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::run::dir::tests::config;
    use crate::run::metrics::Record;
    use crate::run::session::Session;
    use crate::run::session::tests::step;

    /// A run of three steps, the last of which a resume took back, and one validation.
    fn run(dir: &Path) -> RunDir {
        let run = RunDir::create("a", &dir.join("a"), &config()).unwrap();
        let mut session = Session::begin(&run).unwrap();
        session.resume(0, 4).unwrap();
        session.record(&step(1)).unwrap();
        session.record(&step(2)).unwrap();
        let epoch = Epoch { loss: 0.25, rank1: Some(0.5), map: Some(0.75), time: 1e9, ..Epoch::new(1, 2) };
        session.record(&Record::Epoch(epoch)).unwrap();
        session.record(&step(3)).unwrap();
        session.resume(2, 4).unwrap();
        run
    }

    #[test]
    fn a_spreadsheet_gets_what_the_run_stands_for() {
        let dir = tempfile::tempdir().unwrap();
        let out = dir.path().join("out");
        let files = FORMATS[0].export(&run(dir.path()), &out).unwrap();
        let read = |name: &str| std::fs::read_to_string(out.join(name)).unwrap();
        assert_eq!(files, [out.join("steps.csv"), out.join("epochs.csv")]);
        let steps = read("steps.csv");
        assert!(steps.starts_with("step,epoch,time,loss,active,angle,lr,"), "{steps}");
        assert_eq!(steps.lines().count(), 3, "the step taken back is not in it: {steps}");
        let epochs = read("epochs.csv");
        let mut lines = epochs.lines();
        assert_eq!(
            lines.next().unwrap(),
            "epoch,step,time,part,queries,loss,rank1,rank5,rank10,map,distance_same,distance_different,spread,seconds"
        );
        assert_eq!(lines.next().unwrap(), "1,2,1000000000,,,0.25,0.5,,,0.75,,,,");
    }

    /// A tag with its value at a step, as an event file holds them.
    fn scalars(bytes: &[u8]) -> Vec<(u64, String, f32)> {
        let mut events = Vec::new();
        for event in tensorboard::tests::records(bytes) {
            let (step, summary) = tensorboard::tests::event(&event);
            events.extend(summary.into_iter().map(|(tag, value)| (step, tag, value)));
        }
        events
    }

    #[test]
    fn tensorboard_gets_the_same() {
        let dir = tempfile::tempdir().unwrap();
        let out = dir.path().join("out");
        let files = FORMATS[1].export(&run(dir.path()), &out).unwrap();
        let scalars = scalars(&std::fs::read(&files[0]).unwrap());
        let of = |tag: &str| scalars.iter().filter(|s| s.1 == tag).map(|s| (s.0, s.2)).collect::<Vec<_>>();
        assert_eq!(of("valid/rank1"), [(2, 0.5)]);
        assert_eq!(of("train/loss").len(), 2);
        assert_eq!(of("epoch/loss"), [(2, 0.25)]);
    }
}
