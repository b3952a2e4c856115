//! Miners: which triplets of a batch the triplet loss sees, and which pairs the contrastive loss.
//!
//! They work on distances that were copied to the host; no gradient flows through the choice. Of equal distances the
//! earlier row wins. Distances that are no numbers are never chosen over one that is.

use rand::RngExt;
use rand_chacha::ChaCha8Rng;

use super::contrastive::Pair;

/// Rows of a batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Triplet {
    /// The photo compared.
    pub anchor: usize,
    /// Another photo of the same individual.
    pub positive: usize,
    /// A photo of another individual.
    pub negative: usize,
}

/// Distances between all rows of a batch, and whose they are.
pub struct Batch<'a> {
    /// Rows, `labels.len()` squared, row by row.
    distances: Vec<f32>,
    labels: &'a [usize],
    photos: &'a [usize],
}

impl<'a> Batch<'a> {
    /// Euclidean distances between the rows of `embeddings` (N x D, row by row), `labels` telling whose they are and
    /// `photos` which photo each shows: a photo that a small batch holds twice is no positive of itself.
    pub fn new(embeddings: &[f32], labels: &'a [usize], photos: &'a [usize]) -> Self {
        let n = labels.len();
        let width = embeddings.len() / n.max(1);
        let row = |i: usize| &embeddings[i * width..(i + 1) * width];
        let distance = |a: &[f32], b: &[f32]| a.iter().zip(b).map(|(a, b)| (a - b).powi(2)).sum::<f32>().sqrt();
        let distances = (0..n * n).map(|i| distance(row(i / n), row(i % n))).collect();
        Batch { distances, labels, photos }
    }

    fn distance(&self, a: usize, b: usize) -> f32 {
        self.distances[a * self.labels.len() + b]
    }

    fn positives(&self, anchor: usize) -> impl Iterator<Item = usize> + '_ {
        (0..self.labels.len())
            .filter(move |&i| self.photos[i] != self.photos[anchor] && self.labels[i] == self.labels[anchor])
    }

    fn negatives(&self, anchor: usize) -> impl Iterator<Item = usize> + '_ {
        (0..self.labels.len()).filter(move |&i| self.labels[i] != self.labels[anchor])
    }

    fn farthest(&self, anchor: usize, rows: impl Iterator<Item = usize>) -> Option<usize> {
        self.best(anchor, rows, |new, old| new > old)
    }

    fn nearest(&self, anchor: usize, rows: impl Iterator<Item = usize>) -> Option<usize> {
        self.best(anchor, rows, |new, old| new < old)
    }

    fn best(&self, anchor: usize, rows: impl Iterator<Item = usize>, better: fn(f32, f32) -> bool) -> Option<usize> {
        rows.fold(None, |best: Option<usize>, row| match best {
            Some(old) if !better(self.distance(anchor, row), self.distance(anchor, old)) => Some(old),
            _ => Some(row),
        })
    }

    /// Every pair of two photos that has a contrastive loss at `margin`: those of the same individual, and those of
    /// different ones that are nearer to each other.
    pub fn pairs(&self, margin: f32) -> Vec<Pair> {
        let rows = 0..self.labels.len();
        let two = rows.flat_map(|left| (left + 1..self.labels.len()).map(move |right| (left, right)));
        let counts = two.filter(|&(left, right)| self.photos[left] != self.photos[right]);
        counts
            .map(|(left, right)| Pair { left, right, same: self.labels[left] == self.labels[right] })
            .filter(|pair| pair.same || self.distance(pair.left, pair.right) < margin)
            .collect()
    }

    /// Every triplet there is.
    pub fn all(&self) -> Vec<Triplet> {
        self.each(|_, _, _| true)
    }

    /// Every triplet whose negative is farther than its positive, but by less than `margin` (as
    /// pytorch-metric-learning's `semihard`). There may be none.
    pub fn semi_hard(&self, margin: f32) -> Vec<Triplet> {
        self.each(|batch, positive, negative| {
            let (near, far) = (batch.0.distance(batch.1, positive), batch.0.distance(batch.1, negative));
            far > near && far < near + margin
        })
    }

    fn each(&self, keep: impl Fn((&Self, usize), usize, usize) -> bool) -> Vec<Triplet> {
        let mut triplets = Vec::new();
        for anchor in 0..self.labels.len() {
            for positive in self.positives(anchor) {
                for negative in self.negatives(anchor).filter(|&n| keep((self, anchor), positive, n)) {
                    triplets.push(Triplet { anchor, positive, negative });
                }
            }
        }
        triplets
    }

    /// The course's rule, one triplet an anchor: the farthest positive; a random negative that is farther than it by
    /// less than `margin`, else the nearest negative.
    pub fn hard(&self, margin: f32, rng: &mut ChaCha8Rng) -> Vec<Triplet> {
        self.one_each(|anchor, positive| {
            let near = self.distance(anchor, positive);
            let semi_hard: Vec<_> = self
                .negatives(anchor)
                .filter(|&n| self.distance(anchor, n) > near && self.distance(anchor, n) < near + margin)
                .collect();
            if semi_hard.is_empty() {
                self.nearest(anchor, self.negatives(anchor))
            } else {
                Some(semi_hard[rng.random_range(0..semi_hard.len())])
            }
        })
    }

    /// Batch-hard (Hermans et al. 2017), one triplet an anchor: the farthest positive, the nearest negative.
    pub fn batch_hard(&self) -> Vec<Triplet> {
        self.one_each(|anchor, _| self.nearest(anchor, self.negatives(anchor)))
    }

    fn one_each(&self, mut negative: impl FnMut(usize, usize) -> Option<usize>) -> Vec<Triplet> {
        (0..self.labels.len())
            .filter_map(|anchor| {
                let positive = self.farthest(anchor, self.positives(anchor))?;
                let negative = negative(anchor, positive)?;
                Some(Triplet { anchor, positive, negative })
            })
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use rand_chacha::rand_core::SeedableRng;

    /// The values of pytorch-metric-learning's own test: embeddings 0 to 8 on a line.
    #[test]
    fn batch_hard_agrees_with_pytorch_metric_learning() {
        let embeddings: Vec<f32> = (0..9).map(|i| i as f32).collect();
        let photos: Vec<usize> = (0..9).collect();
        let batch = Batch::new(&embeddings, &[0, 0, 1, 1, 0, 2, 1, 1, 1], &photos);
        let mined = batch.batch_hard();
        let column = |of: fn(&Triplet) -> usize| mined.iter().map(of).collect::<Vec<_>>();
        assert_eq!(column(|t| t.anchor), [0, 1, 2, 3, 4, 6, 7, 8]);
        assert_eq!(column(|t| t.positive), [4, 4, 8, 8, 0, 2, 2, 2]);
        // 3 and 5 are equally near to 4: the earlier row
        assert_eq!(column(|t| t.negative), [2, 2, 1, 4, 3, 5, 5, 5]);
    }

    fn batch() -> impl Strategy<Value = (Vec<f32>, Vec<usize>)> {
        (2usize..12)
            .prop_flat_map(|n| (prop::collection::vec(-1.0f32..1.0, n * 3), prop::collection::vec(0usize..4, n)))
    }

    proptest! {
        #[test]
        fn triplets_are_what_they_say((embeddings, labels) in batch(), margin in 0.05f32..0.6, seed: u64) {
            let photos: Vec<usize> = (0..labels.len()).collect();
            let batch = Batch::new(&embeddings, &labels, &photos);
            let all = batch.all();
            let mut rng = ChaCha8Rng::seed_from_u64(seed);
            let (semi_hard, hard, batch_hard) = (batch.semi_hard(margin), batch.hard(margin, &mut rng), batch.batch_hard());
            for t in all.iter().chain(&semi_hard).chain(&hard).chain(&batch_hard) {
                prop_assert!(t.anchor != t.positive && labels[t.anchor] == labels[t.positive]);
                prop_assert!(labels[t.anchor] != labels[t.negative]);
            }
            let band = |t: &Triplet| {
                let (near, far) = (batch.distance(t.anchor, t.positive), batch.distance(t.anchor, t.negative));
                far > near && far < near + margin
            };
            prop_assert_eq!(&semi_hard, &all.iter().copied().filter(band).collect::<Vec<_>>());
            // an anchor has a triplet exactly where it has a positive and a negative
            let anchors: std::collections::BTreeSet<_> = all.iter().map(|t| t.anchor).collect();
            let of = |mined: &[Triplet]| mined.iter().map(|t| t.anchor).collect::<std::collections::BTreeSet<_>>();
            prop_assert_eq!(&of(&hard), &anchors);
            prop_assert_eq!(&of(&batch_hard), &anchors);
            for t in hard.iter().chain(&batch_hard) {
                prop_assert!(batch.positives(t.anchor).all(|p| batch.distance(t.anchor, p) <= batch.distance(t.anchor, t.positive)));
            }
            for t in &hard {
                let nearest = batch.negatives(t.anchor).all(|n| batch.distance(t.anchor, n) >= batch.distance(t.anchor, t.negative));
                let any = batch.negatives(t.anchor).any(|negative| band(&Triplet { negative, ..*t }));
                let as_ruled = if any { band(t) } else { nearest };
                prop_assert!(as_ruled);
            }
        }
    }

    #[test]
    fn the_random_negative_is_every_semi_hard_one_in_turn_and_follows_the_seed() {
        // anchor 0, positive 1 at 0.5; negatives at 0.55, 0.6, 0.65 and 3
        let embeddings = [0.0, 0.5, 0.55, 0.6, 0.65, 3.0];
        let labels = [0, 0, 1, 2, 3, 4];
        let batch = Batch::new(&embeddings, &labels, &[0, 1, 2, 3, 4, 5]);
        let draw = |seed: u64| batch.hard(0.3, &mut ChaCha8Rng::seed_from_u64(seed))[0].negative;
        let drawn: std::collections::BTreeSet<_> = (0..64).map(draw).collect();
        assert_eq!(drawn.into_iter().collect::<Vec<_>>(), [2, 3, 4]);
        assert_eq!(draw(5), draw(5));
    }

    #[test]
    fn a_photo_is_no_positive_of_itself() {
        let embeddings = [0.0, 0.1, 0.5, 0.7];
        let batch = Batch::new(&embeddings, &[0, 0, 0, 1], &[7, 7, 8, 9]);
        assert_eq!(batch.batch_hard()[0], Triplet { anchor: 0, positive: 2, negative: 3 });
        assert!(batch.all().iter().all(|t| (t.anchor, t.positive) != (0, 1) && (t.anchor, t.positive) != (1, 0)));
    }
}
