//! The figures of a run as columns that a chart reads in no time: a million steps are summed up in blocks, so that a
//! column of the screen costs a few blocks and two edges.

use std::ops::Range;

use crate::run::metrics::{Epoch, Record};
use crate::tui::widgets::chart::Bucket;

/// Values summed up together.
const BLOCK: usize = 256;

/// One figure, a value a point.
#[derive(Debug, Clone, Default)]
pub(in crate::tui) struct Column {
    values: Vec<f32>,
    /// Least and most of each whole block; NaN where it has no number.
    blocks: Vec<(f32, f32)>,
}

impl Column {
    fn push(&mut self, value: f32) {
        self.values.push(value);
        if self.values.len().is_multiple_of(BLOCK) {
            let block = extent(&self.values[self.values.len() - BLOCK..]);
            self.blocks.push(block.unwrap_or((f32::NAN, f32::NAN)));
        }
    }

    fn truncate(&mut self, len: usize) {
        self.values.truncate(len);
        self.blocks.truncate(len / BLOCK);
    }

    /// The last value that is a number.
    pub(in crate::tui) fn last(&self) -> Option<f32> {
        self.values.iter().rev().take(1000).copied().find(|v| v.is_finite())
    }

    /// The points of `range` in one.
    fn bucket(&self, range: Range<usize>) -> Option<Bucket> {
        let values = self.values.get(range.clone())?;
        let first = values.iter().copied().find(|v| v.is_finite())?;
        let last = values.iter().rev().copied().find(|v| v.is_finite())?;
        let (from, to) = (range.start.div_ceil(BLOCK), range.end / BLOCK);
        let parts = if from < to {
            let inner = self.blocks[from..to].iter().copied().filter(|b| b.0.is_finite());
            let edges = [range.start..from * BLOCK, to * BLOCK..range.end];
            let edges = edges.into_iter().filter_map(|r| extent(&self.values[r]));
            inner.chain(edges).reduce(wider)
        } else {
            extent(values)
        };
        parts.map(|(least, most)| Bucket { first, last, least, most })
    }
}

fn wider(a: (f32, f32), b: (f32, f32)) -> (f32, f32) {
    (a.0.min(b.0), a.1.max(b.1))
}

fn extent(values: &[f32]) -> Option<(f32, f32)> {
    values.iter().filter(|v| v.is_finite()).fold(None, |found: Option<(f32, f32)>, &v| {
        Some(found.map_or((v, v), |(least, most)| (least.min(v), most.max(v))))
    })
}

/// What a chart can show.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::tui) enum Figure {
    /// Mean loss of a batch.
    Loss,
    /// Learning rate.
    Rate,
    /// Share of triplets that still teach something.
    Active,
    /// Degrees between an embedding and its individual's centre.
    Angle,
    /// Norm of the gradient.
    Gradient,
    /// Photos a second.
    Speed,
    /// Percent of the time spent waiting for photos.
    Wait,
    /// Rank-1 of a validation.
    Rank1,
    /// Mean average precision of a validation.
    Map,
}

impl Figure {
    /// The figures that every step has.
    const OF_STEPS: [Figure; 7] =
        [Figure::Loss, Figure::Rate, Figure::Active, Figure::Angle, Figure::Gradient, Figure::Speed, Figure::Wait];

    fn of_epochs(self) -> bool {
        matches!(self, Figure::Rank1 | Figure::Map)
    }
}

/// What runs along the bottom of a chart.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub(in crate::tui) enum Along {
    /// Steps.
    Step,
    /// Epochs.
    Epoch,
    /// Hours since the first step.
    Time,
}

impl Along {
    /// The word for it.
    pub(in crate::tui) fn word(self) -> &'static str {
        match self {
            Along::Step => "step",
            Along::Epoch => "epoch",
            Along::Time => "hours",
        }
    }

    /// The next one.
    pub(in crate::tui) fn next(self) -> Along {
        match self {
            Along::Step => Along::Epoch,
            Along::Epoch => Along::Time,
            Along::Time => Along::Step,
        }
    }
}

fn is_validation(epoch: &Epoch) -> bool {
    epoch.rank1.is_some() || epoch.map.is_some()
}

/// All figures of a run.
#[derive(Debug, Clone, Default)]
pub(in crate::tui) struct Series {
    step: Vec<u64>,
    epoch: Vec<u32>,
    time: Vec<f64>,
    columns: [Column; 7],
    /// Validations, by their epoch.
    pub(in crate::tui) epochs: Vec<Epoch>,
    validations: Vec<u64>,
    validated: [Column; 2],
}

impl Series {
    /// Takes records in, as a history does: a resume takes back what came after it.
    pub(in crate::tui) fn take(&mut self, records: &[Record]) {
        for record in records {
            match record {
                Record::Step(s) => {
                    if self.step.last() == Some(&s.step) {
                        self.keep_steps(self.step.len() - 1);
                    }
                    self.step.push(s.step);
                    self.epoch.push(s.epoch);
                    self.time.push(s.time);
                    let or_nan = |v: Option<f32>| v.unwrap_or(f32::NAN);
                    let values =
                        [s.loss, s.lr, or_nan(s.active), or_nan(s.angle), s.grad_norm, s.photos_per_s, s.wait * 100.0];
                    self.columns.iter_mut().zip(values).for_each(|(column, value)| column.push(value));
                }
                Record::Epoch(e) => {
                    if self.epochs.last().is_some_and(|last| last.epoch == e.epoch) {
                        self.keep_epochs(self.epochs.len() - 1);
                    }
                    self.epochs.push(e.clone());
                    if is_validation(e) {
                        self.validations.push(e.step);
                        let or_nan = |v: Option<f64>| v.map_or(f32::NAN, |v| v as f32);
                        self.validated.iter_mut().zip([e.rank1, e.map]).for_each(|(c, v)| c.push(or_nan(v)));
                    }
                }
                Record::Resume { step, .. } => {
                    self.keep_steps(self.step.partition_point(|s| s <= step));
                    self.keep_epochs(self.epochs.partition_point(|e| e.step <= *step));
                }
                Record::Unknown => {}
            }
        }
    }

    fn keep_steps(&mut self, len: usize) {
        self.step.truncate(len);
        self.epoch.truncate(len);
        self.time.truncate(len);
        self.columns.iter_mut().for_each(|c| c.truncate(len));
    }

    fn keep_epochs(&mut self, len: usize) {
        let gone = self.epochs[len..].iter().filter(|e| is_validation(e)).count();
        self.epochs.truncate(len);
        let left = self.validations.len() - gone;
        self.validations.truncate(left);
        self.validated.iter_mut().for_each(|c| c.truncate(left));
    }

    fn column(&self, figure: Figure) -> &Column {
        match figure {
            Figure::Rank1 => &self.validated[0],
            Figure::Map => &self.validated[1],
            other => &self.columns[Figure::OF_STEPS.iter().position(|f| *f == other).unwrap_or(0)],
        }
    }

    /// Steps known.
    pub(in crate::tui) fn len(&self) -> usize {
        self.step.len()
    }

    /// The last value of a figure.
    pub(in crate::tui) fn last(&self, figure: Figure) -> Option<f32> {
        self.column(figure).last()
    }

    /// Whether a figure has any number near its end.
    pub(in crate::tui) fn has(&self, figure: Figure) -> bool {
        self.last(figure).is_some()
    }

    /// Where the curves begin and end.
    pub(in crate::tui) fn extent(&self, along: Along) -> (f64, f64) {
        match self.len() {
            0 => (0.0, 1.0),
            n => (0.0, self.at(n - 1, along).max(1e-9)),
        }
    }

    /// The place of step `index` along the bottom.
    fn at(&self, index: usize, along: Along) -> f64 {
        match along {
            Along::Step => self.step[index] as f64,
            // within an epoch a step has its share of the way
            Along::Epoch => {
                let per_epoch = self.steps_per_epoch();
                self.step[index] as f64 / per_epoch
            }
            Along::Time => (self.time[index] - self.time[0]).max(0.0) / 3600.0,
        }
    }

    fn steps_per_epoch(&self) -> f64 {
        let whole = self.epochs.last().map(|e| e.step as f64 / f64::from(e.epoch.max(1)));
        whole.unwrap_or_else(|| {
            let last = self.len().saturating_sub(1);
            match (self.step.get(last), self.epoch.get(last)) {
                (Some(&step), Some(&epoch)) => step as f64 / f64::from(epoch.max(1)),
                _ => 1.0,
            }
        })
    }

    /// The points of `figure` between `window.0` and `window.1`, in `columns` buckets from left to right.
    pub(in crate::tui) fn buckets(
        &self,
        figure: Figure,
        along: Along,
        window: (f64, f64),
        columns: usize,
    ) -> Vec<Option<Bucket>> {
        let column = self.column(figure);
        let points = column.values.len();
        let place = |point: usize| {
            if !figure.of_epochs() {
                return self.at(point, along);
            }
            let index = self.step.partition_point(|s| *s < self.validations[point]);
            if self.step.is_empty() { 0.0 } else { self.at(index.min(self.len() - 1), along) }
        };
        let width = (window.1 - window.0) / columns as f64;
        // steps and times only grow, so that the edge of a column is found by halving
        let edge = |n: usize| {
            let (mut low, mut high) = (0, points);
            let x = window.0 + width * n as f64;
            while low < high {
                let middle = usize::midpoint(low, high);
                let before = if n == columns { place(middle) <= x } else { place(middle) < x };
                if before { low = middle + 1 } else { high = middle }
            }
            low
        };
        let mut from = edge(0);
        (1..=columns)
            .map(|n| {
                let to = edge(n).max(from);
                let range = std::mem::replace(&mut from, to)..to;
                if range.is_empty() { None } else { column.bucket(range) }
            })
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::run::metrics::Step;

    fn step(n: u64, loss: f32) -> Record {
        Record::Step(Step {
            step: n,
            epoch: n.div_ceil(1000) as u32,
            loss,
            active: None,
            angle: Some(1.0),
            lr: 0.1,
            grad_norm: 1.0,
            photos_per_s: 10.0,
            wait: 0.0,
            time: n as f64 * 3.6,
        })
    }

    #[test]
    fn buckets_hold_the_least_and_the_most_of_their_points() {
        let mut series = Series::default();
        let value = |n: u64| {
            if n == 4321 {
                9.0
            } else if n.is_multiple_of(7) {
                f32::NAN
            } else {
                (n % 100) as f32 / 100.0
            }
        };
        let records: Vec<_> = (1..=10_000).map(|n| step(n, value(n))).collect();
        series.take(&records);
        for columns in [1, 10, 37, 200] {
            let buckets = series.buckets(Figure::Loss, Along::Step, (0.0, 10_000.0), columns);
            assert_eq!(buckets.len(), columns);
            let most = buckets.iter().flatten().map(|b| b.most).fold(0.0, f32::max);
            let least = buckets.iter().flatten().map(|b| b.least).fold(1.0, f32::min);
            assert_eq!((most, least), (9.0, 0.0), "{columns} columns");
        }
        let empty = series.buckets(Figure::Active, Along::Step, (0.0, 10_000.0), 5);
        assert!(empty.iter().all(Option::is_none) && series.has(Figure::Angle) && !series.has(Figure::Active));
        assert!((series.extent(Along::Time).1 - 9.999).abs() < 1e-9);
    }

    #[test]
    fn a_resume_takes_points_back() {
        let mut series = Series::default();
        let records: Vec<_> = (1..=1000).map(|n| step(n, 1.0)).collect();
        series.take(&records);
        let mut epoch = Epoch::new(1, 900);
        epoch.rank1 = Some(0.5);
        series.take(&[Record::Epoch(epoch)]);
        assert_eq!(series.last(Figure::Rank1), Some(0.5));
        series.take(&[Record::Resume { step: 300, time: 0.0 }, step(301, 5.0)]);
        assert_eq!((series.len(), series.last(Figure::Loss), series.last(Figure::Rank1)), (301, Some(5.0), None));
        let buckets = series.buckets(Figure::Loss, Along::Step, (0.0, 301.0), 3);
        assert_eq!(buckets[2].map(|b| b.most), Some(5.0));
    }

    #[test]
    fn an_epoch_told_again_and_one_without_a_validation_leave_the_others_in_place() {
        let mut series = Series::default();
        let epoch = |n: u32, map: Option<f64>| {
            let mut epoch = Epoch::new(n, u64::from(n) * 10);
            epoch.map = map;
            Record::Epoch(epoch)
        };
        let steps: Vec<_> = (1..=40).map(|n| step(n, 1.0)).collect();
        series.take(&steps);
        series.take(&[epoch(1, Some(0.1)), epoch(2, None), epoch(3, Some(0.3)), epoch(3, Some(0.4))]);
        let map = |series: &Series| {
            let buckets = series.buckets(Figure::Map, Along::Step, (0.0, 40.0), 40);
            buckets.iter().flatten().map(|b| b.last).collect::<Vec<_>>()
        };
        assert_eq!(map(&series), [0.1, 0.4]);
        series.take(&[Record::Resume { step: 25, time: 0.0 }]);
        assert_eq!((map(&series), series.epochs.len()), (vec![0.1], 2));
        series.take(&[step(26, 1.0), epoch(3, Some(0.5))]);
        assert_eq!(map(&series), [0.1, 0.5]);
    }

    #[test]
    fn a_million_points_are_no_more_than_a_bucket_a_column() {
        let mut series = Series::default();
        for piece in 0..100 {
            let records: Vec<_> = (1..=10_000).map(|n| step(piece * 10_000 + n, n as f32)).collect();
            series.take(&records);
        }
        assert_eq!(series.len(), 1_000_000);
        let buckets = series.buckets(Figure::Loss, Along::Step, (0.0, 1e6), 400);
        assert_eq!(buckets.len(), 400);
        assert!(buckets.iter().flatten().all(|b| b.least >= 1.0 && b.most <= 10_000.0 && b.least <= b.most));
        assert_eq!(buckets.iter().flatten().count(), 400);
        // a look at a hundredth of them costs and shows as much
        assert_eq!(series.buckets(Figure::Loss, Along::Step, (5e5, 5.1e5), 400).iter().flatten().count(), 400);
    }

    #[test]
    fn a_validation_stands_where_its_step_does() {
        let mut series = Series::default();
        for n in 1..=100 {
            series.take(&[step(n, 1.0)]);
            if n % 50 == 0 {
                let mut epoch = Epoch::new(n as u32 / 50, n);
                epoch.map = Some(n as f64 / 100.0);
                series.take(&[Record::Epoch(epoch)]);
            }
        }
        let buckets = series.buckets(Figure::Map, Along::Epoch, (0.0, 2.0), 4);
        let places: Vec<_> = buckets.iter().map(|b| b.map(|b| b.most)).collect();
        assert_eq!(places, [None, None, Some(0.5), Some(1.0)]);
    }
}
