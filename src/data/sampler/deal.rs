//! Deals photos out as evenly as a deck of cards: what the samplers share.

use rand::RngExt;
use rand::seq::SliceRandom;
use rand_chacha::ChaCha8Rng;

/// Shares out `total` among the weights: in proportion as far as `cap` each allows, whole, and even over many calls.
///
/// Panics when `cap` is too small for `total`, or no weight is positive.
pub(super) fn allot(weights: &[usize], total: usize, cap: usize, random: &mut ChaCha8Rng) -> Vec<usize> {
    assert!(total <= cap.saturating_mul(weights.len()), "{total} do not fit");
    let mut counts = vec![0; weights.len()];
    let mut open: Vec<usize> = (0..weights.len()).collect();
    let mut left = total;
    // Who would get more than the cap gets the cap; that raises the share of the others, so again until none does.
    let weight = loop {
        let weight: usize = open.iter().map(|&i| weights[i]).sum();
        let (over, rest): (Vec<_>, Vec<_>) =
            open.iter().partition(|&&i| weights[i] * left > cap.saturating_mul(weight));
        for &i in &over {
            counts[i] = cap;
            left -= cap;
        }
        open = rest;
        if over.is_empty() {
            break weight;
        }
    };
    if left == 0 {
        return counts;
    }
    // Systematic sampling in exact integers: everyone gets the share rounded down or up, by a common random offset.
    open.shuffle(random);
    let offset = random.random_range(0..weight);
    let mut before = 0;
    for &i in &open {
        let after = before + weights[i];
        counts[i] = (after * left + offset) / weight - (before * left + offset) / weight;
        before = after;
    }
    counts
}

/// The photos of one individual, dealt without repeats until all were dealt.
pub(super) struct Deck<'a> {
    photos: &'a [usize],
    encounters: &'a [usize],
    remaining: Vec<usize>,
}

impl<'a> Deck<'a> {
    /// A full deck; `encounters` is indexed by photo.
    pub(super) fn new(photos: &'a [usize], encounters: &'a [usize]) -> Self {
        Deck { photos, encounters, remaining: photos.to_vec() }
    }

    /// `k` photos, of as many encounters as possible among those not dealt yet. None twice unless there are fewer
    /// than `k`; then all come before one comes again.
    pub(super) fn hand(&mut self, k: usize, random: &mut ChaCha8Rng) -> Vec<usize> {
        let mut hand: Vec<usize> = Vec::with_capacity(k);
        while hand.len() < k {
            let round = hand.len() / self.photos.len() * self.photos.len();
            let free = |deck: &Self| -> Vec<usize> {
                (0..deck.remaining.len()).filter(|&i| !hand[round..].contains(&deck.remaining[i])).collect()
            };
            let mut candidates = free(self);
            if candidates.is_empty() {
                self.remaining.extend_from_slice(self.photos);
                candidates = free(self);
            }
            let uses = |i: usize| {
                let encounter = self.encounters[self.remaining[i]];
                hand.iter().filter(|&&p| self.encounters[p] == encounter).count()
            };
            let least = candidates.iter().map(|&i| uses(i)).min().unwrap_or(0);
            candidates.retain(|&i| uses(i) == least);
            let pick = candidates[random.random_range(0..candidates.len())];
            hand.push(self.remaining.swap_remove(pick));
        }
        hand
    }
}
