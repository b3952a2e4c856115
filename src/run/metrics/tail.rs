//! Reads a `metrics.jsonl` while it grows.
//!
//! A reader keeps its offset and takes whole lines only: the last one may still be in the making, or be
//! all that a killed trainer wrote of it. A line that is no record is counted and left out, so that one
//! bad sector does not hide a night's training. Bytes become lines in `Lines`, which knows no files, so
//! that torn and hostile input is tested without any.

use std::io::{self, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};

use super::{Epoch, Record, Step};
use crate::run::error::{Result, RunError};
use crate::run::files;

/// No record is nearly as long; a longer line is damage, and is not kept in memory.
const LONGEST: usize = 64 * 1024;

/// Turns bytes, cut anywhere, into records.
#[derive(Debug, Default)]
struct Lines {
    /// The beginning of a line whose end has not come yet.
    pending: Vec<u8>,
    /// The pending line is already too long: drop it up to its end.
    overlong: bool,
    damaged: u64,
}

impl Lines {
    fn feed(&mut self, mut bytes: &[u8], out: &mut Vec<Record>) {
        while let Some(end) = bytes.iter().position(|&b| b == b'\n') {
            self.hold(&bytes[..end]);
            bytes = &bytes[end + 1..];
            if std::mem::take(&mut self.overlong) {
                self.damaged += 1;
            } else if !self.pending.is_empty() {
                match serde_json::from_slice(&self.pending) {
                    Ok(Record::Unknown) => {}
                    Ok(record) => out.push(record),
                    Err(_) => self.damaged += 1,
                }
            }
            self.pending.clear();
        }
        self.hold(bytes);
    }

    fn hold(&mut self, part: &[u8]) {
        if self.overlong || self.pending.len() + part.len() > LONGEST {
            self.overlong = true;
            self.pending.clear();
        } else {
            self.pending.extend_from_slice(part);
        }
    }
}

/// Follows one file.
#[derive(Debug)]
pub struct Tail {
    path: PathBuf,
    offset: u64,
    lines: Lines,
}

impl Tail {
    /// A reader at the file's beginning; the file need not be there yet.
    pub fn new(path: &Path) -> Tail {
        Tail { path: path.to_path_buf(), offset: 0, lines: Lines::default() }
    }

    /// The records that came whole since the last call, in their order. A `Resume` among them says that
    /// earlier ones after its step did not happen; `History` does what it says. A file that became
    /// shorter was replaced: it is read anew, with a `Resume` at step 0 before it.
    pub fn poll(&mut self) -> Result<Vec<Record>> {
        self.poll_some(u64::MAX)
    }

    /// As [`Tail::poll`], from about `most` bytes at most: a long file comes in pieces, until a piece is empty.
    pub fn poll_some(&mut self, most: u64) -> Result<Vec<Record>> {
        let mut records = Vec::new();
        self.read(&mut records, most).map_err(|e| RunError::io("read", &self.path, e))?;
        Ok(records)
    }

    fn read(&mut self, records: &mut Vec<Record>, most: u64) -> io::Result<()> {
        let mut file = match files::open(&self.path) {
            Ok(file) => file,
            Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(()),
            Err(e) => return Err(e),
        };
        let length = file.metadata()?.len();
        if length < self.offset {
            self.offset = 0;
            self.lines = Lines { damaged: self.lines.damaged, ..Lines::default() };
            records.push(Record::Resume { step: 0, time: f64::NAN });
        }
        if length == self.offset {
            return Ok(());
        }
        file.seek(SeekFrom::Start(self.offset))?;
        let mut block = vec![0; LONGEST];
        let begin = self.offset;
        while self.offset - begin < most {
            match file.read(&mut block) {
                Ok(0) => return Ok(()),
                Ok(n) => {
                    self.offset += n as u64;
                    self.lines.feed(&block[..n], records);
                }
                Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
                Err(e) => return Err(e),
            }
        }
        Ok(())
    }

    /// Lines that were no record, so far.
    pub fn damaged(&self) -> u64 {
        self.lines.damaged
    }
}

/// What happened in a run, without what a resume took back.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct History {
    /// Steps, by their number.
    pub steps: Vec<Step>,
    /// Ends of epochs, by their number.
    pub epochs: Vec<Epoch>,
    /// Lines that were no record.
    pub damaged: u64,
}

impl History {
    /// Takes one record in. A step or epoch that comes again replaces the one it repeats.
    pub fn apply(&mut self, record: Record) {
        match record {
            Record::Step(step) => {
                if self.steps.last().is_some_and(|last| last.step == step.step) {
                    self.steps.pop();
                }
                self.steps.push(step);
            }
            Record::Epoch(epoch) => {
                if self.epochs.last().is_some_and(|last| last.epoch == epoch.epoch) {
                    self.epochs.pop();
                }
                self.epochs.push(epoch);
            }
            Record::Resume { step, .. } => {
                // Later ones are mostly at the end, but damage may have left others: look at all.
                self.steps.retain(|s| s.step <= step);
                self.epochs.retain(|e| e.step <= step);
            }
            Record::Unknown => {}
        }
    }
}

/// The whole file at once; a missing file is an empty history.
pub fn read_all(path: &Path) -> Result<History> {
    let mut tail = Tail::new(path);
    let mut history = History::default();
    for record in tail.poll()? {
        history.apply(record);
    }
    history.damaged = tail.damaged();
    Ok(history)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::fs::File;
    use std::io::Write;

    /// Numbers that a decimal of few digits holds exactly, or none at all.
    fn number() -> impl Strategy<Value = f32> {
        prop_oneof![(-4000i32..4000).prop_map(|n| n as f32 / 8.0), Just(f32::NAN)]
    }

    fn record() -> impl Strategy<Value = Record> {
        let step =
            (0..50u64, 1..5u32, number(), proptest::option::of(-80i32..80)).prop_map(|(step, epoch, x, active)| {
                Record::Step(Step {
                    step,
                    epoch,
                    loss: x,
                    active: active.map(|a| a as f32 / 8.0),
                    angle: None,
                    lr: x,
                    grad_norm: 1.0,
                    photos_per_s: 8.0,
                    wait: 0.0,
                    time: f64::from(x),
                })
            });
        let epoch = (1..5u32, 0..50u64, "\\PC{0,8}").prop_map(|(epoch, step, part)| {
            let mut e = Epoch::new(epoch, step);
            e.part = Some(part);
            e.rank1 = Some(0.25);
            Record::Epoch(e)
        });
        let resume = (0..50u64).prop_map(|step| Record::Resume { step, time: 1.5 });
        prop_oneof![8 => step, 2 => epoch, 1 => resume]
    }

    fn file(records: &[Record]) -> (Vec<u8>, Vec<usize>) {
        let mut bytes = Vec::new();
        let mut ends = Vec::new();
        for record in records {
            serde_json::to_writer(&mut bytes, record).unwrap();
            bytes.push(b'\n');
            ends.push(bytes.len());
        }
        (bytes, ends)
    }

    fn parse(bytes: &[u8], chunk: usize) -> (Vec<Record>, u64) {
        let mut lines = Lines::default();
        let mut out = Vec::new();
        for part in bytes.chunks(chunk.max(1)) {
            lines.feed(part, &mut out);
        }
        (out, lines.damaged)
    }

    /// NaN is unlike itself, so records are compared as they are shown.
    fn shown(records: &[Record]) -> Vec<String> {
        records.iter().map(|r| format!("{r:?}")).collect()
    }

    proptest! {
        #[test]
        fn a_file_cut_at_any_byte_gives_the_records_before(
            records in prop::collection::vec(record(), 0..12),
            cut in any::<prop::sample::Index>(),
            chunk in 1..300usize,
        ) {
            let (bytes, ends) = file(&records);
            let cut = cut.index(bytes.len() + 1);
            let whole = ends.iter().filter(|&&end| end <= cut).count();
            let (got, damaged) = parse(&bytes[..cut], chunk);
            prop_assert_eq!(shown(&got), shown(&records[..whole]));
            prop_assert_eq!(damaged, 0);
        }

        #[test]
        fn a_cut_and_a_line_end_lose_at_most_the_torn_record(
            records in prop::collection::vec(record(), 1..8),
            cut in any::<prop::sample::Index>(),
        ) {
            let (bytes, ends) = file(&records);
            let cut = cut.index(bytes.len() + 1);
            // What a resuming trainer does: it ends the line and goes on.
            let mut repaired = bytes[..cut].to_vec();
            if repaired.last().is_some_and(|&b| b != b'\n') {
                repaired.push(b'\n');
            }
            repaired.extend_from_slice(&bytes);
            let whole = ends.iter().filter(|&&end| end <= cut + 1).count(); // only its line end was missing
            let mut want = records[..whole].to_vec();
            want.extend_from_slice(&records);
            let (got, _) = parse(&repaired, 64);
            prop_assert_eq!(shown(&got), shown(&want));
        }

        #[test]
        fn garbage_between_lines_is_left_out(
            records in prop::collection::vec(record(), 0..6),
            garbage in prop::collection::vec(any::<u8>(), 0..200),
            at in any::<prop::sample::Index>(),
        ) {
            let (bytes, mut ends) = file(&records);
            ends.insert(0, 0);
            let at = ends[at.index(ends.len())];
            let mut spoilt = bytes[..at].to_vec();
            spoilt.extend_from_slice(&garbage);
            spoilt.push(b'\n');
            spoilt.extend_from_slice(&bytes[at..]);
            let (got, _) = parse(&spoilt, 7);
            prop_assert_eq!(shown(&got), shown(&records));
        }

        #[test]
        fn garbage_anywhere_never_panics(
            records in prop::collection::vec(record(), 0..6),
            garbage in prop::collection::vec(any::<u8>(), 0..64),
            at in any::<prop::sample::Index>(),
        ) {
            let (mut bytes, _) = file(&records);
            let at = at.index(bytes.len() + 1);
            bytes.splice(at..at, garbage);
            let (got, _) = parse(&bytes, 11);
            let mut history = History::default();
            got.into_iter().for_each(|r| history.apply(r));
        }

        #[test]
        fn a_resume_takes_back_what_came_after_its_checkpoint(
            made in 1..40u64,
            kept in 0..40u64,
            again in 0..40u64,
        ) {
            let step = |n: u64| Record::Step(Step {
                step: n, epoch: 1, loss: 0.0, active: None, angle: None, lr: 0.0,
                grad_norm: 0.0, photos_per_s: 0.0, wait: 0.0, time: 0.0,
            });
            let kept = kept.min(made);
            let mut history = History::default();
            (1..=made).for_each(|n| history.apply(step(n)));
            (1..=made).for_each(|n| history.apply(Record::Epoch(Epoch::new(n as u32, n))));
            history.apply(Record::Resume { step: kept, time: 0.0 });
            (kept + 1..=kept + again).for_each(|n| history.apply(step(n)));
            let steps: Vec<_> = history.steps.iter().map(|s| s.step).collect();
            prop_assert_eq!(steps, (1..=kept + again).collect::<Vec<_>>());
            prop_assert_eq!(history.epochs.len() as u64, kept);
        }
    }

    #[test]
    fn a_line_without_end_does_not_fill_the_memory() {
        let mut lines = Lines::default();
        let mut out = Vec::new();
        for _ in 0..100 {
            lines.feed(&[b'x'; LONGEST / 2], &mut out);
            assert!(lines.pending.len() <= LONGEST);
        }
        lines.feed(b"\n{\"kind\":\"resume\",\"step\":3}\n", &mut out);
        assert!(matches!(out[..], [Record::Resume { step: 3, .. }]));
        assert_eq!(lines.damaged, 1);
    }

    #[test]
    fn a_tail_waits_for_the_end_of_a_line_and_notices_a_new_file() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("metrics.jsonl");
        let mut tail = Tail::new(&path);
        assert!(tail.poll().unwrap().is_empty(), "no file yet");
        let mut file = File::create(&path).unwrap();
        file.write_all(b"{\"kind\":\"resume\",\"step\":1}\n{\"kind\":\"resume\",").unwrap();
        assert_eq!(tail.poll().unwrap().len(), 1);
        assert!(tail.poll().unwrap().is_empty());
        file.write_all(b"\"step\":2}\n").unwrap();
        assert!(matches!(tail.poll().unwrap()[..], [Record::Resume { step: 2, .. }]));

        std::fs::write(&path, "{\"kind\":\"resume\",\"step\":9}\n").unwrap();
        let anew = tail.poll().unwrap();
        assert!(matches!(anew[..], [Record::Resume { step: 0, .. }, Record::Resume { step: 9, .. }]), "{anew:?}");
        assert_eq!(tail.damaged(), 0);
    }
}
