//! Which photos make up the batches of an epoch.
//!
//! A sampler depends on its seed and the number of the epoch only, so that a resumed run goes on with the batches it
//! would have had. An epoch is photos divided by batch size batches, rounded up, for every sampler: methods that see
//! the same number of photos can be compared. A batch that could teach nothing (no positives, no negatives) is an
//! error when the sampler is made, never a silent zero loss. Knows labels, not pixels.

mod deal;
mod p_times_k;
mod pairs;
mod shuffled;

use std::collections::BTreeMap;

use super::manifest::Manifest;

pub use p_times_k::PTimesK;
pub use pairs::BalancedPairs;
pub use shuffled::Shuffled;

/// Photos that are looked at together.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Batch {
    /// Indices into the training list.
    pub photos: Vec<usize>,
    /// Two positions in `photos`, and whether both are one individual. Empty unless the sampler makes pairs.
    pub pairs: Vec<(usize, usize, bool)>,
}

/// A way to make batches.
pub trait Sampler: Send + Sync {
    /// What reports and messages call it.
    fn name(&self) -> &'static str;
    /// All batches of an epoch, in order. Every batch has the same number of photos.
    fn epoch(&self, epoch: u64) -> Vec<Batch>;
    /// Batches of an epoch.
    fn batches(&self) -> usize;
    /// Individuals that no batch can hold, as they have a single photo; sorted.
    fn left_out(&self) -> &[String] {
        &[]
    }
}

/// Batches of an epoch: photos divided by batch size, rounded up. `batch` must not be 0.
pub fn batches_per_epoch(photos: usize, batch: usize) -> usize {
    photos.div_ceil(batch).max(1)
}

/// All photos once in order, `batch` at a time, the last batch shorter: for evaluation. A `batch` of 0 counts as 1.
pub fn in_order(photos: usize, batch: usize) -> Vec<Batch> {
    let all: Vec<usize> = (0..photos).collect();
    all.chunks(batch.max(1)).map(|part| Batch { photos: part.to_vec(), pairs: Vec::new() }).collect()
}

/// Who is on each photo of a training list, and in which encounter, as numbers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Labels {
    names: Vec<String>,
    individual: Vec<usize>,
    encounter: Vec<usize>,
}

impl Labels {
    /// Labels of these photos (indices into the manifest), in this order. Individuals are numbered by sorted name.
    pub fn new(manifest: &Manifest, photos: &[usize]) -> Self {
        let codes = |text: fn(&Manifest, usize) -> &str| {
            let mut codes: BTreeMap<&str, usize> = photos.iter().map(|&p| (text(manifest, p), 0)).collect();
            for (code, value) in codes.values_mut().enumerate() {
                *value = code;
            }
            let of: Vec<usize> = photos.iter().map(|&p| codes[text(manifest, p)]).collect();
            (codes.into_keys().map(str::to_owned).collect::<Vec<_>>(), of)
        };
        let (names, individual) = codes(|m, p| &m.photos[p].individual);
        let (_, encounter) = codes(|m, p| &m.photos[p].encounter);
        Labels { names, individual, encounter }
    }

    /// Number of photos.
    pub fn len(&self) -> usize {
        self.individual.len()
    }

    /// Whether there is no photo.
    pub fn is_empty(&self) -> bool {
        self.individual.is_empty()
    }

    /// Number of the individual on each photo, from 0.
    pub fn individuals(&self) -> &[usize] {
        &self.individual
    }

    /// Number of the encounter of each photo, from 0.
    pub fn encounters(&self) -> &[usize] {
        &self.encounter
    }

    /// Names of the individuals by number.
    pub fn names(&self) -> &[String] {
        &self.names
    }

    /// Photos of each individual by number.
    fn by_individual(&self) -> Vec<Vec<usize>> {
        let mut photos = vec![Vec::new(); self.names.len()];
        for (photo, &who) in self.individual.iter().enumerate() {
            photos[who].push(photo);
        }
        photos
    }

    /// Individuals with two photos or more, by their photos, and the names of the others.
    fn with_company(&self) -> (Vec<Vec<usize>>, Vec<String>) {
        let mut paired = Vec::new();
        let mut alone = Vec::new();
        for (who, photos) in self.by_individual().into_iter().enumerate() {
            if photos.len() > 1 {
                paired.push(photos);
            } else {
                alone.push(self.names[who].clone());
            }
        }
        (paired, alone)
    }
}
