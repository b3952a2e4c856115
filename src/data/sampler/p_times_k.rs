//! P individuals with K photos each in every batch: for losses that look for their own pairs, such as triplets.

use rand::seq::SliceRandom;

use super::deal::{Deck, allot};
use super::{Batch, Labels, Sampler, batches_per_epoch};
use crate::data::error::DataError;
use crate::data::random::{Purpose, stream};

/// Groups of K photos of one individual, P different individuals a batch, group after group.
///
/// Photos are dealt evenly: an individual takes part as often as it has photos, but at most once a batch, and none of
/// its photos comes again before all have come. Within a group photos of different encounters are preferred. An
/// individual with fewer than K photos has some twice in its group: a loss must not take two positions with the same
/// photo for a positive pair. One with a single photo has no positive and is left out.
#[derive(Debug, Clone)]
pub struct PTimesK {
    labels: Labels,
    individuals: Vec<Vec<usize>>,
    left_out: Vec<String>,
    p: usize,
    k: usize,
    seed: u64,
}

impl PTimesK {
    /// Fails when `p` or `k` is below 2, or fewer than `p` individuals have two photos.
    pub fn new(labels: Labels, p: usize, k: usize, seed: u64) -> Result<Self, DataError> {
        let fail = |reason: String| DataError::Sampler { sampler: "individuals times photos", reason };
        if p < 2 || k < 2 {
            return Err(fail(format!(
                "a batch of {p} individuals with {k} photos each holds no pair to compare; take at least 2 of each"
            )));
        }
        let (individuals, left_out) = labels.with_company();
        if individuals.len() < p {
            return Err(fail(format!(
                "a batch of {p} individuals with {k} photos each needs {p} individuals with two photos or more, and \
                 the training part has {} (and {} with a single photo); lower the batch size or add photos",
                individuals.len(),
                left_out.len()
            )));
        }
        Ok(PTimesK { labels, individuals, left_out, p, k, seed })
    }
}

impl Sampler for PTimesK {
    fn name(&self) -> &'static str {
        "individuals times photos"
    }

    fn batches(&self) -> usize {
        batches_per_epoch(self.labels.len(), self.p * self.k)
    }

    fn left_out(&self) -> &[String] {
        &self.left_out
    }

    fn epoch(&self, epoch: u64) -> Vec<Batch> {
        let mut random = stream(self.seed, Purpose::Sampling, epoch, 0);
        let batches = self.batches();
        let photos: Vec<usize> = self.individuals.iter().map(Vec::len).collect();
        let groups = allot(&photos, batches * self.p, batches, &mut random);
        let mut order: Vec<usize> = (0..self.individuals.len()).collect();
        order.shuffle(&mut random);
        let mut out = vec![Batch::default(); batches];
        // One individual's groups go to consecutive batches, in a circle; as there are at most as many groups as
        // batches, no batch gets two of them.
        let mut batch = 0;
        for who in order {
            let mut deck = Deck::new(&self.individuals[who], self.labels.encounters());
            for _ in 0..groups[who] {
                out[batch].photos.extend(deck.hand(self.k, &mut random));
                batch = (batch + 1) % batches;
            }
        }
        out.shuffle(&mut random);
        out
    }
}
