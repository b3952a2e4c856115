//! Pairs of photos, half of one individual and half of two: for the contrastive loss.

use rand::seq::SliceRandom;
use rand_chacha::ChaCha8Rng;

use super::deal::{Deck, allot};
use super::{Batch, Labels, Sampler, batches_per_epoch};
use crate::data::error::DataError;
use crate::data::random::{Purpose, stream};

/// Batches of B photos as B/2 pairs, photo 0 with 1, 2 with 3, and so on.
///
/// Half of the pairs are of one individual, from different encounters where it can be; with an odd number of pairs
/// every other batch has one more of the same. Both kinds deal photos evenly. An individual with a single photo
/// occurs only in pairs of two individuals.
#[derive(Debug, Clone)]
pub struct BalancedPairs {
    labels: Labels,
    individuals: Vec<Vec<usize>>,
    batch: usize,
    seed: u64,
}

impl BalancedPairs {
    /// Fails when `batch` is odd or below 4, no individual has two photos, or there is only one individual.
    pub fn new(labels: Labels, batch: usize, seed: u64) -> Result<Self, DataError> {
        let fail = |reason: String| DataError::Sampler { sampler: "pairs", reason };
        if batch < 4 || batch % 2 == 1 {
            return Err(fail(format!(
                "a batch of {batch} photos cannot hold pairs of both kinds; take an even batch size of 4 or more"
            )));
        }
        let (individuals, _) = labels.with_company();
        if individuals.is_empty() {
            return Err(fail("no individual has two photos in the training part; add photos".into()));
        }
        if labels.names().len() < 2 {
            return Err(fail("the training part has a single individual; add photos of others".into()));
        }
        Ok(BalancedPairs { labels, individuals, batch, seed })
    }

    /// `count` pairs of one individual each.
    fn same(&self, count: usize, random: &mut ChaCha8Rng) -> Vec<[usize; 2]> {
        let photos: Vec<usize> = self.individuals.iter().map(Vec::len).collect();
        let shares = allot(&photos, count, count, random);
        let mut pairs = Vec::with_capacity(count);
        for (photos, share) in self.individuals.iter().zip(shares) {
            let mut deck = Deck::new(photos, self.labels.encounters());
            for _ in 0..share {
                let hand = deck.hand(2, random);
                pairs.push([hand[0], hand[1]]);
            }
        }
        pairs.shuffle(random);
        pairs
    }

    /// `count` pairs of two individuals each.
    fn different(&self, count: usize, random: &mut ChaCha8Rng) -> Vec<[usize; 2]> {
        let who = self.labels.individuals();
        let mut deck: Vec<usize> = Vec::new();
        let refill = |deck: &mut Vec<usize>, random: &mut ChaCha8Rng| {
            let mut all: Vec<usize> = (0..who.len()).collect();
            all.shuffle(random);
            deck.splice(0..0, all); // below what is left: that goes first
        };
        let mut pairs = Vec::with_capacity(count);
        while pairs.len() < count {
            if deck.is_empty() {
                refill(&mut deck, random);
            }
            let Some(first) = deck.pop() else { continue };
            let other = |deck: &[usize]| deck.iter().rposition(|&p| who[p] != who[first]);
            let found = other(&deck).or_else(|| {
                refill(&mut deck, random);
                other(&deck)
            });
            let at = found.expect("a full deck holds at least two individuals");
            pairs.push([first, deck.remove(at)]);
        }
        pairs
    }
}

impl Sampler for BalancedPairs {
    fn name(&self) -> &'static str {
        "pairs"
    }

    fn batches(&self) -> usize {
        batches_per_epoch(self.labels.len(), self.batch)
    }

    fn epoch(&self, epoch: u64) -> Vec<Batch> {
        let mut random = stream(self.seed, Purpose::Sampling, epoch, 0);
        let (batches, pairs) = (self.batches(), self.batch / 2);
        let same_in = |batch: usize| (pairs + (batch + 1) % 2) / 2;
        let total: usize = (0..batches).map(same_in).sum();
        let mut same = self.same(total, &mut random).into_iter();
        let mut different = self.different(batches * pairs - total, &mut random).into_iter();
        let mut out = Vec::with_capacity(batches);
        for batch in 0..batches {
            let mut rows: Vec<([usize; 2], bool)> = same.by_ref().take(same_in(batch)).map(|p| (p, true)).collect();
            rows.extend(different.by_ref().take(pairs - rows.len()).map(|p| (p, false)));
            rows.shuffle(&mut random);
            let mut made = Batch::default();
            for (pair, is_same) in rows {
                let at = made.photos.len();
                made.photos.extend(pair);
                made.pairs.push((at, at + 1, is_same));
            }
            out.push(made);
        }
        out
    }
}
