//! How far the photos of a gallery lie from queries.

use super::super::embeddings::EmbeddingSet;
use super::{Query, distance};
use crate::nn::ops::device;

/// A way to tell how far photos lie. Infinitely far is what a query is not to see.
pub(super) trait Space: Sync {
    /// Distances of each query to each photo searched, query by query. Both ways to ask give the same bytes.
    fn apart(&self, queries: &[Query<'_>]) -> Vec<f64>;
    /// The same for many queries at once, where a card does it.
    fn at_once(&self, queries: &[Query<'_>]) -> Option<Vec<f64>>;
    /// The distance of a query to the photo searched at `place`.
    fn one(&self, query: &Query<'_>, place: usize) -> f64;
}

/// Euclidean distances of embeddings; a query of many lies at the nearest of them.
pub(super) struct Euclidean<'a> {
    rows: std::borrow::Cow<'a, [f32]>,
    dim: usize,
    count: usize,
}

impl<'a> Euclidean<'a> {
    pub(super) fn new(set: &'a EmbeddingSet, reference: &[usize]) -> Euclidean<'a> {
        Euclidean { rows: set.vectors_of(reference), dim: set.dim, count: reference.len() }
    }
}

impl Space for Euclidean<'_> {
    fn apart(&self, queries: &[Query<'_>]) -> Vec<f64> {
        nearest_of_each(queries, device::distances_on_cpu(&vectors_of(queries), &self.rows, self.dim), self.count)
    }

    fn at_once(&self, queries: &[Query<'_>]) -> Option<Vec<f64>> {
        let found = device::distances(&vectors_of(queries), &self.rows, self.dim)?;
        Some(nearest_of_each(queries, found, self.count))
    }

    fn one(&self, query: &Query<'_>, place: usize) -> f64 {
        let row = &self.rows[place * self.dim..][..self.dim];
        query.vectors.iter().map(|vector| distance(vector, row)).fold(f64::INFINITY, f64::min)
    }
}

fn vectors_of(queries: &[Query<'_>]) -> Vec<f32> {
    queries.iter().flat_map(|query| &query.vectors).flat_map(|vector| vector.iter().copied()).collect()
}

/// From distances of every vector those of every query.
fn nearest_of_each(queries: &[Query<'_>], found: Vec<f64>, rows: usize) -> Vec<f64> {
    if queries.iter().all(|query| query.vectors.len() == 1) {
        return found;
    }
    let mut nearest = vec![f64::INFINITY; queries.len() * rows];
    let mut found = found.chunks_exact(rows);
    for (query, nearest) in queries.iter().zip(nearest.chunks_exact_mut(rows)) {
        for found in found.by_ref().take(query.vectors.len()) {
            nearest.iter_mut().zip(found).for_each(|(nearest, &apart)| *nearest = nearest.min(apart));
        }
    }
    nearest
}
