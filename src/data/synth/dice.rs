//! Random draws for the synthetic turtles.
//!
//! Every individual, encounter and photo has a stream of its own, keyed by what it is, so that photo k looks the
//! same however many were drawn before it. Draws are made from whole words here, not by a distribution of the
//! `rand` crate, whose values may change with its version.

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};

/// What a stream is for: the first part of its key.
#[derive(Clone, Copy)]
pub(super) enum For {
    /// Shell, head, skin of an individual.
    Individual = 1,
    /// Days and hours of an individual's encounters.
    Calendar = 2,
    /// Water, light, floor of an encounter.
    Encounter = 3,
    /// Pose, camera, occlusion of a photo.
    Photo = 4,
    /// A photo's file name.
    Name = 5,
    /// Parts of the splits of one individual.
    Splits = 7,
    /// Which individuals are new in the open split.
    Open = 6,
    /// Which photos follow others in a burst.
    Burst = 8,
}

/// A stream of random draws.
pub(super) struct Dice(ChaCha8Rng);

impl Dice {
    pub(super) fn new(seed: u64, what: For, individual: usize, encounter: usize, photo: usize) -> Dice {
        let words = [seed, ((what as u64) << 56) | individual as u64, encounter as u64, photo as u64];
        let mut key = [0; 32];
        for (bytes, word) in key.chunks_exact_mut(8).zip(words) {
            bytes.copy_from_slice(&word.to_le_bytes());
        }
        Dice(ChaCha8Rng::from_seed(key))
    }

    /// A whole word.
    pub(super) fn word(&mut self) -> u32 {
        self.0.next_u32()
    }

    /// In 0..1.
    pub(super) fn unit(&mut self) -> f32 {
        (self.word() >> 8) as f32 * (1.0 / 16_777_216.0)
    }

    /// In `a..b`.
    pub(super) fn range(&mut self, a: f32, b: f32) -> f32 {
        a + (b - a) * self.unit()
    }

    /// About zero with deviation `d`, never beyond 3.5 `d`: the sum of four even draws.
    pub(super) fn bell(&mut self, d: f32) -> f32 {
        let sum = self.unit() + self.unit() + self.unit() + self.unit();
        (sum - 2.0) * 1.732 * d
    }

    /// In `0..n`; 0 if `n` is 0.
    pub(super) fn below(&mut self, n: usize) -> usize {
        ((u64::from(self.word()) * n as u64) >> 32) as usize
    }

    /// True with probability `p`.
    pub(super) fn chance(&mut self, p: f32) -> bool {
        self.unit() < p
    }

    /// -1 or 1.
    pub(super) fn sign(&mut self) -> f32 {
        if self.chance(0.5) { -1.0 } else { 1.0 }
    }

    /// One of a non-empty list.
    pub(super) fn pick<'a, T>(&mut self, from: &'a [T]) -> &'a T {
        &from[self.below(from.len())]
    }

    /// Puts a list into random order.
    pub(super) fn shuffle<T>(&mut self, list: &mut [T]) {
        for i in (1..list.len()).rev() {
            let j = self.below(i + 1);
            list.swap(i, j);
        }
    }
}
