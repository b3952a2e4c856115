//! The photos that lie near a vector, by an index: a hierarchical navigable small world graph (HNSW; Malkov & Yashunin, "Efficient
//! and robust approximate nearest neighbor search using hierarchical navigable small world graphs", TPAMI 2020), as usearch builds
//! it. It misses some, and its distances are of rounded numbers: whoever asks measures what it finds, and how much it misses.
//!
//! It is built by all threads at once, so that two of the same photos differ in some of their edges. Knows vectors, not photos.

use rayon::prelude::*;
use usearch::{IndexOptions, MetricKind, ScalarKind};

use super::super::embeddings::EmbeddingSet;
use super::super::{Error, Result};

/// Edges of a vertex, those of its ground floor twice.
const EDGES: usize = 24;
/// Vertices looked at where a new one is to have its edges.
const LOOKED_AT: usize = 128;
/// Vertices looked at in a search.
const SEARCHED: usize = 512;
/// Embeddings that the step of the rounded numbers is chosen by, at most.
const SAMPLE: usize = 1000;
/// The largest rounded number.
const LARGEST: f32 = 127.0;

/// An index of some photos of a set, by their rows.
pub(super) struct Index {
    graph: usearch::Index,
    /// What an embedding's numbers are multiplied by before they are rounded.
    scale: f32,
}

impl Index {
    /// Of `rows`, for searches from as many threads as there are now.
    pub(super) fn build(set: &EmbeddingSet, rows: &[usize]) -> Result<Index> {
        let options = IndexOptions {
            dimensions: set.dim,
            metric: MetricKind::IP,
            quantization: ScalarKind::I8,
            connectivity: EDGES,
            expansion_add: LOOKED_AT,
            expansion_search: SEARCHED,
            multi: false,
        };
        let graph = usearch::Index::new(&options).map_err(failed)?;
        graph.reserve_capacity_and_threads(rows.len(), rayon::current_num_threads()).map_err(failed)?;
        let index = Index { graph, scale: scale(set, rows) };
        rows.par_iter()
            .try_for_each(|&row| index.graph.add(row as u64, &index.rounded(set.vector(row))).map_err(failed))?;
        Ok(index)
    }

    /// Rows of `count` photos near `vector` that `is_searched`, fewer where there are no more.
    pub(super) fn near(&self, vector: &[f32], count: usize, is_searched: impl Fn(usize) -> bool) -> Result<Vec<usize>> {
        let found = self.graph.filtered_search(&self.rounded(vector), count, |row| is_searched(row as usize));
        Ok(found.map_err(failed)?.keys.into_iter().map(|row| row as usize).collect())
    }

    fn rounded(&self, vector: &[f32]) -> Vec<i8> {
        vector.iter().map(|x| (x * self.scale).round().clamp(-LARGEST, LARGEST) as i8).collect()
    }
}

/// Such that all but one number of a thousand are rounded, not cut.
fn scale(set: &EmbeddingSet, rows: &[usize]) -> f32 {
    let some = rows.iter().step_by(rows.len().div_ceil(SAMPLE).max(1));
    let mut sizes: Vec<f32> = some.flat_map(|&row| set.vector(row)).map(|x| x.abs()).collect();
    let last = sizes.len() - sizes.len() / 1000 - 1;
    let (_, &mut size, _) = sizes.select_nth_unstable_by(last, f32::total_cmp);
    if size > 0.0 { LARGEST / size } else { LARGEST }
}

fn failed(reason: impl std::fmt::Display) -> Error {
    Error::Index(reason.to_string())
}
