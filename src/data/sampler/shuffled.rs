//! Batches over all photos in random order: for losses that need no pairs, such as ArcFace.

use rand::seq::SliceRandom;

use super::{Batch, Labels, Sampler, batches_per_epoch};
use crate::data::error::DataError;
use crate::data::random::{Purpose, stream};

/// Every photo once an epoch; the last batch is filled up with others, as batch norm wants batches of one size.
#[derive(Debug, Clone)]
pub struct Shuffled {
    photos: usize,
    batch: usize,
    seed: u64,
}

impl Shuffled {
    /// Fails when there is no photo or `batch` is 0.
    pub fn new(labels: &Labels, batch: usize, seed: u64) -> Result<Self, DataError> {
        let fail = |reason: &str| DataError::Sampler { sampler: "shuffled batches", reason: reason.into() };
        if batch == 0 {
            return Err(fail("a batch needs at least one photo; raise the batch size"));
        }
        if labels.is_empty() {
            return Err(fail("the training part is empty"));
        }
        Ok(Shuffled { photos: labels.len(), batch, seed })
    }
}

impl Sampler for Shuffled {
    fn name(&self) -> &'static str {
        "shuffled"
    }

    fn batches(&self) -> usize {
        batches_per_epoch(self.photos, self.batch)
    }

    fn epoch(&self, epoch: u64) -> Vec<Batch> {
        let mut random = stream(self.seed, Purpose::Sampling, epoch, 0);
        let mut order: Vec<usize> = (0..self.photos).collect();
        order.shuffle(&mut random);
        let wanted = self.batches() * self.batch;
        while order.len() < wanted {
            // Photos of the last batch come last, so that it holds none twice where that can be.
            let begun = &order[order.len() / self.batch * self.batch..];
            let mut more: Vec<usize> = (0..self.photos).collect();
            more.shuffle(&mut random);
            more.sort_by_key(|photo| begun.contains(photo));
            more.truncate(wanted - order.len());
            order.extend(more);
        }
        order.chunks_exact(self.batch).map(|p| Batch { photos: p.to_vec(), pairs: Vec::new() }).collect()
    }
}
