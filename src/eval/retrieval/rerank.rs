//! Distances by common neighbours: k-reciprocal encoding (Zhong, Zheng, Cao and Li, CVPR 2017).
//!
//! A photo's neighbours are those that have it among theirs, too; two photos are near where their neighbours are the same
//! ones (Jaccard), and a little by their own distance. Everything is as in the authors' `re_ranking`, numbers included, with
//! one thing more: photos that a query may not see (its own encounter's) are no neighbours of it, nor it of them. Queries
//! know of each other, so a figure with it holds for a day's photos asked about together.

use std::collections::HashMap;

use rayon::prelude::*;

use super::codes::Codes;
use super::space::{Euclidean, Space};
use super::{Query, Rule};
use crate::eval::embeddings::EmbeddingSet;
use crate::nn::ops::device;

/// Neighbours that are looked at.
const K1: usize = 20;
/// Neighbours whose own neighbours are counted in.
const K2: usize = 6;
/// Weight of the plain distance.
const LAMBDA: f64 = 0.3;
/// Photos whose neighbours are looked for together.
const TILE: usize = 32;

/// The distances. Photos are nodes: those searched by their places, then the queries that are not among those.
pub(super) struct Reranked<'a> {
    plain: Euclidean<'a>,
    /// The node of a query, by its row.
    nodes: HashMap<usize, usize>,
    searched: usize,
    /// Neighbours of each node with their weights, by node.
    weights: Vec<Vec<(usize, f64)>>,
    /// Of each node the nodes that have it as a neighbour, and its weight there, by node.
    inverse: Vec<Vec<(usize, f64)>>,
    /// The largest squared distance of each node.
    farthest: Vec<f64>,
}

struct Node<'a> {
    vectors: Vec<&'a [f32]>,
    /// Its row, where it is searched.
    row: Option<usize>,
    /// The query that it is.
    query: Option<&'a Query<'a>>,
}

impl<'a> Reranked<'a> {
    pub(super) fn new(
        set: &'a EmbeddingSet,
        codes: &Codes,
        rule: Rule,
        reference: &[usize],
        queries: &[Query<'_>],
    ) -> Reranked<'a> {
        let mut all: Vec<Node> =
            reference.iter().map(|&row| Node { vectors: vec![set.vector(row)], row: Some(row), query: None }).collect();
        let places: HashMap<usize, usize> = reference.iter().enumerate().map(|(place, &row)| (row, place)).collect();
        let mut nodes = HashMap::with_capacity(queries.len());
        for query in queries {
            let among = places.get(&query.row()).filter(|_| query.photos.len() == 1);
            let node = among.copied().unwrap_or(all.len());
            if node == all.len() {
                all.push(Node { vectors: query.vectors.clone(), row: None, query: None });
            }
            all[node].query = Some(query);
            nodes.insert(query.row(), node);
        }
        let is_seen = |a: &Node, b: &Node| {
            let one_way = |a: &Node, b: &Node| match (a.query, b.row) {
                (Some(query), Some(row)) => codes.counts(rule, query, row),
                _ => true,
            };
            one_way(a, b) && one_way(b, a)
        };
        let (ranked, farthest) = neighbours(&all, set.dim, &is_seen);
        let apart = |a: usize, b: usize| {
            let pairs = all[a].vectors.iter().flat_map(|x| all[b].vectors.iter().map(|y| super::distance(x, y)));
            pairs.fold(f64::INFINITY, f64::min)
        };
        let encoded: Vec<Vec<(usize, f64)>> = (0..all.len())
            .into_par_iter()
            .map(|node| {
                let near = expanded(&ranked, node);
                let seen = near.into_iter().filter(|&other| other == node || is_seen(&all[node], &all[other]));
                let weight = |other| (-apart(node, other).powi(2) / farthest[node]).exp();
                let weights: Vec<(usize, f64)> = seen.map(|other| (other, weight(other))).collect();
                let sum: f64 = weights.iter().map(|(_, weight)| weight).sum();
                weights.into_iter().map(|(other, weight)| (other, weight / sum)).collect()
            })
            .collect();
        let mean = |(node, near): (usize, &Vec<usize>)| {
            let mut mean = mean_of(&encoded, &near[..near.len().min(K2)]);
            // what a neighbour sees and the node itself may not see is not seen through the neighbour
            let before = mean.len();
            mean.retain(|&(other, _)| other == node || is_seen(&all[node], &all[other]));
            if mean.len() < before {
                let sum: f64 = mean.iter().map(|(_, weight)| weight).sum();
                mean.iter_mut().for_each(|(_, weight)| *weight /= sum);
            }
            mean
        };
        let weights: Vec<Vec<(usize, f64)>> = ranked.par_iter().enumerate().map(mean).collect();
        let mut inverse = vec![Vec::new(); all.len()];
        for (node, weights) in weights.iter().enumerate() {
            weights.iter().for_each(|&(other, weight)| inverse[other].push((node, weight)));
        }
        let plain = Euclidean::new(set, reference);
        Reranked { plain, nodes, searched: reference.len(), weights, inverse, farthest }
    }

    fn mixed(&self, node: usize, common: f64, plain: f64) -> f64 {
        let jaccard = 1.0 - common / (2.0 - common);
        jaccard * (1.0 - LAMBDA) + plain * plain / self.farthest[node] * LAMBDA
    }
}

impl Space for Reranked<'_> {
    fn apart(&self, queries: &[Query<'_>]) -> Vec<f64> {
        let mut found = self.plain.apart(queries);
        let mut common = vec![0.0; self.searched];
        for (query, apart) in queries.iter().zip(found.chunks_exact_mut(self.searched)) {
            let node = self.nodes[&query.row()];
            common.fill(0.0);
            for &(neighbour, weight) in &self.weights[node] {
                for &(other, its) in self.inverse[neighbour].iter().filter(|(other, _)| *other < self.searched) {
                    common[other] += weight.min(its);
                }
            }
            apart.iter_mut().zip(&common).for_each(|(apart, &common)| *apart = self.mixed(node, common, *apart));
        }
        found
    }

    fn at_once(&self, _: &[Query<'_>]) -> Option<Vec<f64>> {
        None
    }

    fn one(&self, query: &Query<'_>, place: usize) -> f64 {
        let node = self.nodes[&query.row()];
        let theirs = &self.weights[place];
        let common = self.weights[node].iter().filter_map(|(neighbour, weight)| {
            let at = theirs.binary_search_by_key(neighbour, |(neighbour, _)| *neighbour).ok()?;
            Some(weight.min(theirs[at].1))
        });
        self.mixed(node, common.sum(), self.plain.one(query, place))
    }
}

/// The nearest nodes of each, itself the first, and the square of its largest distance.
fn neighbours(
    all: &[Node],
    dim: usize,
    is_seen: &(dyn Fn(&Node, &Node) -> bool + Sync),
) -> (Vec<Vec<usize>>, Vec<f64>) {
    let vectors: Vec<f32> =
        all.iter().flat_map(|node| &node.vectors).flat_map(|vector| vector.iter().copied()).collect();
    let count = vectors.len() / dim;
    let tiles = all.par_chunks(TILE).enumerate().map(|(nth, tile)| {
        let asked: Vec<f32> = tile.iter().flat_map(|n| &n.vectors).flat_map(|v| v.iter().copied()).collect();
        let found = device::distances_on_cpu(&asked, &vectors, dim);
        let mut found = found.chunks_exact(count);
        let of_node = |(i, node): (usize, &Node)| {
            let rows: Vec<&[f64]> = found.by_ref().take(node.vectors.len()).collect();
            let mut at = 0;
            let mut apart: Vec<(f64, usize)> = Vec::with_capacity(all.len());
            for (j, other) in all.iter().enumerate() {
                let of_other = at..at + other.vectors.len();
                at = of_other.end;
                if nth * TILE + i == j {
                    apart.push((-1.0, j)); // before its doubles
                } else if is_seen(node, other) {
                    let least =
                        rows.iter().flat_map(|row| &row[of_other.clone()]).copied().fold(f64::INFINITY, f64::min);
                    apart.push((least, j));
                }
            }
            let farthest = apart.iter().map(|(apart, _)| apart.max(0.0).powi(2)).fold(f64::MIN_POSITIVE, f64::max);
            let by_distance = |a: &(f64, usize), b: &(f64, usize)| a.0.total_cmp(&b.0).then(a.1.cmp(&b.1));
            if apart.len() > K1 + 1 {
                apart.select_nth_unstable_by(K1, by_distance);
                apart.truncate(K1 + 1);
            }
            apart.sort_unstable_by(by_distance);
            (apart.into_iter().map(|(_, j)| j).collect::<Vec<_>>(), farthest)
        };
        tile.iter().enumerate().map(of_node).collect::<Vec<_>>()
    });
    tiles.collect::<Vec<_>>().into_iter().flatten().unzip()
}

/// Those of a node's first `k` neighbours that have it among theirs.
fn reciprocal(ranked: &[Vec<usize>], node: usize, k: usize) -> Vec<usize> {
    let first = |of: usize| ranked[of].iter().take(k + 1);
    first(node).copied().filter(|&other| first(other).any(|&back| back == node)).collect()
}

/// Reciprocal neighbours, and those of each of them that shares most of its own; ascending, itself included.
fn expanded(ranked: &[Vec<usize>], node: usize) -> Vec<usize> {
    let near = reciprocal(ranked, node, K1);
    let mut all = near.clone();
    for &candidate in &near {
        let its = reciprocal(ranked, candidate, K1 / 2);
        let shared = its.iter().filter(|other| near.contains(other)).count();
        if 3 * shared > 2 * its.len() {
            all.extend(its);
        }
    }
    all.sort_unstable();
    all.dedup();
    all
}

/// The mean of the encodings of `nodes`.
fn mean_of(encoded: &[Vec<(usize, f64)>], nodes: &[usize]) -> Vec<(usize, f64)> {
    let mut all: Vec<(usize, f64)> = nodes.iter().flat_map(|&node| encoded[node].iter().copied()).collect();
    all.sort_by_key(|(node, _)| *node);
    let mut sums: Vec<(usize, f64)> = Vec::new();
    for (node, weight) in all {
        match sums.last_mut() {
            Some(last) if last.0 == node => last.1 += weight,
            _ => sums.push((node, weight)),
        }
    }
    sums.iter_mut().for_each(|(_, weight)| *weight /= nodes.len() as f64);
    sums
}

#[cfg(test)]
mod tests {
    use super::super::super::embeddings::Role;
    use super::super::super::testing::row;
    use super::*;

    /// The set of `fixtures/eval/rerank.py`: 12 queries, 40 photos searched, 8 numbers each.
    fn fixture(narrow: f64) -> EmbeddingSet {
        let (queries, all, dim) = (12, 52, 8);
        let mut state = 1_u32;
        let mut vectors = Vec::new();
        for _ in 0..all {
            let mut raw: Vec<f64> = (0..dim)
                .map(|_| {
                    state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                    f64::from(state >> 8) / f64::from(1 << 24) - 0.3
                })
                .collect();
            raw[0] += narrow;
            let length = raw.iter().map(|x| x * x).sum::<f64>().sqrt();
            vectors.extend(raw.iter().map(|x| (x / length) as f32));
        }
        let rows = (0..all)
            .map(|i| {
                let role = if i < queries { Role::Query } else { Role::Gallery };
                row(&format!("{i}.jpg"), &format!("t{}", i % 5), &format!("e{i}"), role)
            })
            .collect();
        EmbeddingSet::new(dim, vectors, rows).unwrap()
    }

    #[test]
    fn distances_are_those_of_the_authors() {
        let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/eval/rerank.json");
        // as drawn, and all of them round one direction
        let golden: [Vec<Vec<f64>>; 2] = serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap();
        for (golden, narrow) in golden.iter().zip([0.0, 8.0]) {
            agrees(&fixture(narrow), golden);
        }
    }

    fn agrees(set: &EmbeddingSet, golden: &[Vec<f64>]) {
        let codes = Codes::of(set);
        let rows = set.queries();
        let queries: Vec<Query> =
            rows.iter().map(|&row| Query { photos: vec![row], vectors: vec![set.vector(row)], side: None }).collect();
        let reference = set.gallery();
        let space = Reranked::new(set, &codes, Rule::Gallery, &reference, &queries);
        let found = space.apart(&queries);
        for (q, query) in queries.iter().enumerate() {
            for place in 0..reference.len() {
                let ours = found[q * reference.len() + place];
                assert!((ours - golden[q][place]).abs() < 1e-9, "{q} {place}: {ours} {}", golden[q][place]);
                assert_eq!(ours.to_bits(), space.one(query, place).to_bits());
            }
        }
    }

    #[test]
    fn a_photo_that_may_not_be_seen_is_no_neighbour() {
        let mut set = fixture(0.0);
        // the query's double, from its own encounter, and searched the last
        let (double, last) = (set.vector(0).to_vec(), set.len() - 1);
        set.vectors[last * 8..].copy_from_slice(&double);
        set.rows[last].individual = set.rows[0].individual.clone();
        set.rows[last].encounter = set.rows[0].encounter.clone();
        let codes = Codes::of(&set);
        let query = [Query { photos: vec![0], vectors: vec![set.vector(0)], side: None }];
        let reference = set.gallery();
        for (rule, is_seen) in [(Rule::Gallery, true), (Rule::OtherEncounters, false)] {
            let space = Reranked::new(&set, &codes, rule, &reference, &query);
            let query = space.nodes[&0];
            assert_eq!(space.weights[query].iter().any(|(node, _)| *node == 39), is_seen, "{rule:?}");
            assert_eq!(space.inverse[query].iter().any(|(node, _)| *node == 39), is_seen, "{rule:?}");
        }
    }
}
