//! Many distances in little memory: counts in bins whose width is a share of the distance.
//!
//! One model spreads its distances over 0 to 2, another, nearly collapsed, over 0 to 0.001; equal
//! bins would blur the second. Here a bin is the leading bits of the number (seven of its fraction,
//! so less than 0.8 % wide). A file that claims an impossible histogram is refused when it is read.
//! Knows numbers only.

use serde::{Deserialize, Serialize};

/// Bits of an f32 that are dropped: 23 of fraction, less the seven kept.
const DROPPED: u32 = 16;
/// Bins for distances from 0 up to 4: unit embeddings are at most 2 apart.
const BINS: usize = (4.0_f32.to_bits() >> DROPPED) as usize;

/// Distances as counts, only of bins that hold any.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "Stored", into = "Stored")]
pub struct Histogram {
    count: u64,
    sum: f64,
    /// Number of a bin and how many fell into it, ascending.
    bins: Vec<(usize, u64)>,
}

impl Histogram {
    /// A histogram of `distances`.
    pub fn of(distances: impl IntoIterator<Item = f64>) -> Histogram {
        let mut tally = Tally::new();
        for distance in distances {
            tally.count(distance);
        }
        tally.finish()
    }

    /// How many distances were counted.
    pub fn count(&self) -> u64 {
        self.count
    }

    /// Their mean, exact; none without distances.
    pub fn mean(&self) -> Option<f64> {
        (self.count > 0).then(|| self.sum / self.count as f64)
    }

    /// Share of distances that are at most `distance`, 0 to 1, even within a bin.
    pub fn share_up_to(&self, distance: f64) -> Option<f64> {
        if self.count == 0 {
            return None;
        }
        let mut below = 0.0;
        for &(bin, count) in &self.bins {
            let (from, to) = edges(bin);
            if distance < from {
                break;
            }
            // The lowest bin holds the distances that are exactly 0.
            let part = if bin == 0 { 1.0 } else { ((distance - from) / (to - from)).min(1.0) };
            below += part * count as f64;
        }
        Some(below / self.count as f64)
    }

    /// The distance below which a share `share` of them lie, 0 to 1; none without distances.
    pub fn quantile(&self, share: f64) -> Option<f64> {
        let wanted = share.clamp(0.0, 1.0) * self.count as f64;
        let mut below = 0.0;
        let mut last = None;
        for &(bin, count) in &self.bins {
            let (from, to) = edges(bin);
            let count = count as f64;
            if below + count >= wanted {
                return Some(from + (to - from) * ((wanted - below) / count).clamp(0.0, 1.0));
            }
            below += count;
            last = Some(to);
        }
        last
    }

    /// The counts spread over `bins` equal bins from 0 to `to`, as shares of all distances; what
    /// lies beyond `to` is left out. For drawing.
    pub fn shares(&self, bins: usize, to: f64) -> Vec<f64> {
        let mut shares = vec![0.0; bins];
        let width = to / bins as f64;
        for &(bin, count) in &self.bins {
            let (from, upto) = edges(bin);
            let first = (from / width) as usize;
            let last = (upto / width).ceil() as usize;
            for (at, share) in shares.iter_mut().enumerate().take(last).skip(first) {
                let (low, high) = (at as f64 * width, (at + 1) as f64 * width);
                let common = (high.min(upto) - low.max(from)).max(0.0);
                *share += count as f64 * common / (upto - from) / self.count as f64;
            }
        }
        shares
    }

    /// Counts what `other` counted, too.
    pub(super) fn add(&mut self, other: &Histogram) {
        self.count += other.count;
        self.sum += other.sum;
        let mut merged = Vec::with_capacity(self.bins.len().max(other.bins.len()));
        let (mut ours, mut theirs) = (self.bins.iter().peekable(), other.bins.iter().peekable());
        loop {
            let next = match (ours.peek(), theirs.peek()) {
                (Some(a), Some(b)) => a.0.min(b.0),
                (Some(a), None) => a.0,
                (None, Some(b)) => b.0,
                (None, None) => break,
            };
            let mut count = 0;
            for side in [&mut ours, &mut theirs] {
                if let Some(&(_, more)) = side.next_if(|(bin, _)| *bin == next) {
                    count += more;
                }
            }
            merged.push((next, count));
        }
        self.bins = merged;
    }
}

/// Lower and upper edge of a bin.
fn edges(bin: usize) -> (f64, f64) {
    let edge = |bin: usize| f64::from(f32::from_bits((bin as u32) << DROPPED));
    (edge(bin), edge(bin + 1))
}

fn bin_of(distance: f64) -> usize {
    ((distance as f32).to_bits() >> DROPPED) as usize
}

/// Counts while distances come; dense, so one a thread.
pub(super) struct Tally {
    counts: Vec<u32>,
    sum: f64,
}

impl Tally {
    pub(super) fn new() -> Tally {
        Tally { counts: vec![0; BINS], sum: 0.0 }
    }

    /// Counts a distance from 0 to 2; one beyond 4, which no unit embeddings have, in the last bin.
    pub(super) fn count(&mut self, distance: f64) {
        self.counts[bin_of(distance.max(0.0)).min(BINS - 1)] += 1;
        self.sum += distance;
    }

    /// As [`Tally::count`], of many: four sets of bins, as a count that follows another into its bin waits for it.
    pub(super) fn count_all(&mut self, distances: &[f64]) {
        if distances.len() < BINS {
            return distances.iter().for_each(|&distance| self.count(distance));
        }
        let mut others = [const { [0_u32; BINS] }; 3];
        let mut sums = [0.0; 4];
        let (fours, rest) = distances.as_chunks::<4>();
        for four in fours {
            let bins = four.map(|distance| bin_of(distance.max(0.0)).min(BINS - 1));
            self.counts[bins[0]] += 1;
            for (counts, &bin) in others.iter_mut().zip(&bins[1..]) {
                counts[bin] += 1;
            }
            sums.iter_mut().zip(four).for_each(|(sum, distance)| *sum += distance);
        }
        for (bin, count) in self.counts.iter_mut().enumerate() {
            *count += others.iter().map(|counts| counts[bin]).sum::<u32>();
        }
        self.sum += sums.iter().sum::<f64>();
        rest.iter().for_each(|&distance| self.count(distance));
    }

    pub(super) fn finish(self) -> Histogram {
        let bins = self.counts.iter().enumerate();
        let bins: Vec<(usize, u64)> =
            bins.filter(|(_, count)| **count > 0).map(|(bin, count)| (bin, u64::from(*count))).collect();
        Histogram { count: bins.iter().map(|(_, count)| count).sum(), sum: self.sum, bins }
    }
}

/// A histogram as it lies in a file: lower edges instead of numbers of bins.
#[derive(Clone, Serialize, Deserialize)]
struct Stored {
    pairs: u64,
    mean: Option<f64>,
    /// Lower edge of a bin, and how many distances fell into it. A bin ends where the leading
    /// sixteen bits of the f32 change.
    bins: Vec<(f32, u64)>,
}

impl From<Histogram> for Stored {
    fn from(histogram: Histogram) -> Stored {
        Stored {
            pairs: histogram.count,
            mean: histogram.mean(),
            bins: (histogram.bins.iter()).map(|&(bin, count)| (edges(bin).0 as f32, count)).collect(),
        }
    }
}

impl TryFrom<Stored> for Histogram {
    type Error = String;

    fn try_from(stored: Stored) -> Result<Histogram, String> {
        let mut bins: Vec<(usize, u64)> = Vec::with_capacity(stored.bins.len());
        let mut count = 0_u64;
        for &(from, inside) in &stored.bins {
            let bin = bin_of(f64::from(from));
            if !(0.0..4.0).contains(&from) || bins.last().is_some_and(|last| last.0 >= bin) {
                return Err(format!("the bin at {from} is out of place"));
            }
            count = count.checked_add(inside).ok_or("the bins hold more than can be counted")?;
            bins.push((bin, inside));
        }
        let mean = stored.mean.unwrap_or(0.0);
        if count != stored.pairs || !(0.0..4.0).contains(&mean) {
            return Err(format!("the bins hold {count} pairs, not {} with a mean of {mean}", stored.pairs));
        }
        Ok(Histogram { count, sum: mean * count as f64, bins })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn shares_and_quantiles_agree_with_counting(
            mut distances in prop::collection::vec(0.0_f64..2.0, 1..200),
            scale in prop::sample::select(vec![1.0, 1e-4]),
            at in 0.0_f64..2.0,
        ) {
            distances.iter_mut().for_each(|d| *d *= scale);
            let at = at * scale;
            let histogram = Histogram::of(distances.iter().copied());
            // A bin is 1/128 of an octave: counting at its two ends brackets the share.
            let exact = |limit: f64| {
                distances.iter().filter(|d| **d <= limit).count() as f64 / distances.len() as f64
            };
            let share = histogram.share_up_to(at).unwrap();
            prop_assert!(share >= exact(at * 0.99) - 1e-12 && share <= exact(at * 1.01) + 1e-12);
            let mean = distances.iter().sum::<f64>() / distances.len() as f64;
            prop_assert!((histogram.mean().unwrap() - mean).abs() < 1e-12);
            distances.sort_by(f64::total_cmp);
            let median = histogram.quantile(0.5).unwrap();
            let middle = distances.len().div_ceil(2) - 1;
            prop_assert!((median / distances[middle] - 1.0).abs() < 0.01);
        }

        #[test]
        fn adding_is_counting_both(
            a in prop::collection::vec(0.0_f64..2.0, 0..50),
            b in prop::collection::vec(0.0_f64..2.0, 0..50),
        ) {
            let mut sum = Histogram::of(a.iter().copied());
            sum.add(&Histogram::of(b.iter().copied()));
            let whole = Histogram::of(a.into_iter().chain(b));
            prop_assert_eq!(sum.count, whole.count);
            prop_assert_eq!(&sum.bins, &whole.bins);
            prop_assert!((sum.sum - whole.sum).abs() < 1e-9);
        }

        #[test]
        fn a_file_gives_back_what_was_counted(a in prop::collection::vec(0.0_f64..2.0, 0..50)) {
            let histogram = Histogram::of(a);
            let text = serde_json::to_string(&histogram).unwrap();
            let back: Histogram = serde_json::from_str(&text).unwrap();
            prop_assert_eq!(&back.bins, &histogram.bins);
            let total: f64 = histogram.shares(40, 4.0).iter().sum();
            prop_assert!(histogram.count == 0 || (total - 1.0).abs() < 1e-9);
        }
    }

    #[test]
    fn equal_photos_count_as_at_distance_nought() {
        let histogram = Histogram::of([0.0, 0.0, 1.0, 1.5]);
        assert_eq!(histogram.share_up_to(0.0), Some(0.5));
        assert_eq!(histogram.share_up_to(2.0), Some(1.0));
        assert_eq!(Histogram::default().share_up_to(1.0), None);
        assert_eq!(Histogram::default().quantile(0.5), None);
        assert_eq!(Histogram::default().mean(), None);
    }

    #[test]
    fn impossible_files_are_refused() {
        for text in [
            r#"{"pairs":1,"mean":0.5,"bins":[[0.5,2]]}"#,
            r#"{"pairs":2,"mean":0.5,"bins":[[0.5,1],[0.25,1]]}"#,
            r#"{"pairs":2,"mean":0.5,"bins":[[0.5,1],[0.5,1]]}"#,
            r#"{"pairs":1,"mean":0.5,"bins":[[-0.5,1]]}"#,
            r#"{"pairs":1,"mean":0.5,"bins":[[9e9,1]]}"#,
            r#"{"pairs":1,"mean":-3.0,"bins":[[0.5,1]]}"#,
            r#"{"pairs":0,"mean":null,"bins":[[0.5,18446744073709551615],[0.6,1]]}"#,
        ] {
            assert!(serde_json::from_str::<Histogram>(text).is_err(), "{text}");
        }
    }
}
