//! How far the photos of a gallery lie from queries.

use super::super::embeddings::EmbeddingSet;
use super::super::matching::Sides;
use super::super::{Error, Result};
use super::Query;
use crate::data::manifest::Side;
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
        query.apart(&self.rows[place * self.dim..][..self.dim])
    }
}

/// Euclidean distances that heed the sides that photos show.
pub(super) struct Sided<'a> {
    plain: Euclidean<'a>,
    /// Mirror images of the photos searched; none where those of the other side are not to be seen.
    mirrored: Option<Euclidean<'a>>,
    sides: Vec<Option<Side>>,
}

impl<'a> Sided<'a> {
    /// # Errors
    /// When mirror images are to be matched, and the set has no embeddings of them.
    pub(super) fn new(set: &'a EmbeddingSet, reference: &[usize], sides: Sides) -> Result<Sided<'a>> {
        let mirrored = match sides {
            Sides::Mirrored => Some(set.mirrored_of(reference).ok_or(Error::NoMirrored)?),
            _ => None,
        };
        let mirrored = mirrored.map(|rows| Euclidean { rows, dim: set.dim, count: reference.len() });
        let sides = reference.iter().map(|&row| set.rows[row].side).collect();
        Ok(Sided { plain: Euclidean::new(set, reference), mirrored, sides })
    }

    fn is_other(&self, query: &Query<'_>, place: usize) -> bool {
        query.side.zip(self.sides[place]).is_some_and(|(a, b)| a != b)
    }

    fn mixed(&self, queries: &[Query<'_>], mut plain: Vec<f64>, mirrored: Option<Vec<f64>>) -> Vec<f64> {
        for (at, apart) in plain.iter_mut().enumerate() {
            if self.is_other(&queries[at / self.sides.len()], at % self.sides.len()) {
                *apart = mirrored.as_ref().map_or(f64::INFINITY, |mirrored| mirrored[at]);
            }
        }
        plain
    }
}

impl Space for Sided<'_> {
    fn apart(&self, queries: &[Query<'_>]) -> Vec<f64> {
        self.mixed(queries, self.plain.apart(queries), self.mirrored.as_ref().map(|space| space.apart(queries)))
    }

    fn at_once(&self, queries: &[Query<'_>]) -> Option<Vec<f64>> {
        let mirrored = match &self.mirrored {
            Some(space) => Some(space.at_once(queries)?),
            None => None,
        };
        Some(self.mixed(queries, self.plain.at_once(queries)?, mirrored))
    }

    fn one(&self, query: &Query<'_>, place: usize) -> f64 {
        match (self.is_other(query, place), &self.mirrored) {
            (false, _) => self.plain.one(query, place),
            (true, Some(mirrored)) => mirrored.one(query, place),
            (true, None) => f64::INFINITY,
        }
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
