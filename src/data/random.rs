//! Streams of random numbers that depend on nothing but where they are used.
//!
//! A stream's whole key is (seed, purpose, two counters): any batch of any epoch and any photo of any step can be
//! made again without those before it, whatever thread makes it. ChaCha8 gives the same numbers on every machine.

use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;

/// What a stream is for, so that two uses of the same seed and counters do not agree.
#[derive(Debug, Clone, Copy)]
#[repr(u64)]
pub(super) enum Purpose {
    /// Order of photos in an epoch.
    Sampling = 1,
    /// Augmentation of one photo.
    Augmentation = 2,
}

/// The stream of one purpose at one place, for example (epoch, 0) or (step, position in the batch).
pub(super) fn stream(seed: u64, purpose: Purpose, first: u64, second: u64) -> ChaCha8Rng {
    let mut key = [0; 32];
    for (bytes, word) in key.chunks_exact_mut(8).zip([seed, purpose as u64, first, second]) {
        bytes.copy_from_slice(&word.to_le_bytes());
    }
    ChaCha8Rng::from_seed(key)
}
