//! How long a ranking takes on this machine: a drawn gallery, drawn queries, and every figure of a report.

use std::time::Instant;

use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use serde::Serialize;

use super::embeddings::{EmbeddingSet, PhotoRow, Role};
use super::matching::{Matching, Search};
use super::metrics::{Figures, figures};
use super::retrieval::{Approximate, Ranker, Rule};
use super::{Result, intervals};

/// Photos of an individual in the gallery, two of an encounter.
const PHOTOS_OF_ONE: usize = 20;

/// What to measure.
#[derive(Clone, Copy, Debug)]
pub struct RetrievalPlan {
    /// Photos to search.
    pub gallery: usize,
    /// Photos to ask about.
    pub queries: usize,
    /// Numbers of an embedding.
    pub embedding_dim: usize,
}

/// What was measured.
#[derive(Clone, Debug, Serialize)]
pub struct RetrievalReport {
    /// Photos searched.
    pub gallery: usize,
    /// Photos asked about.
    pub queries: usize,
    /// Numbers of an embedding.
    pub embedding_dim: usize,
    /// How the nearest were found.
    pub search: Search,
    /// How that went, where it was approximate.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub approximate: Option<Approximate>,
    /// Seconds for one ranking with the queries' own encounters left out, and its figures of queries and of pairs, best of
    /// three; with an index, once, building that included.
    pub seconds: f64,
    /// Seconds for the intervals of those figures.
    pub interval_seconds: f64,
    /// Most memory of this process so far, the gallery's included; none where the system does not tell.
    pub memory_bytes: Option<u64>,
    /// The figures, for whoever computes them otherwise from the same embeddings.
    pub figures: Figures,
}

/// Embeddings that lie about their individuals, such that the nearest photo is mostly, not always, the right one.
///
/// # Errors
/// When the plan has no photo.
pub fn draw(plan: &RetrievalPlan) -> Result<EmbeddingSet> {
    let RetrievalPlan { gallery, queries, embedding_dim: dim } = *plan;
    let individuals = gallery.div_ceil(PHOTOS_OF_ONE).max(1);
    let mut random = ChaCha8Rng::seed_from_u64(7);
    let mut noise = |_| -> f32 { random.random_range(-1.0..1.0) };
    let centres: Vec<f32> = (0..individuals * dim).map(&mut noise).collect();
    let mut vectors = Vec::with_capacity((gallery + queries) * dim);
    let mut rows = Vec::with_capacity(gallery + queries);
    for photo in 0..gallery + queries {
        let (individual, role) = if photo < gallery {
            (photo % individuals, Role::Gallery)
        } else {
            (photo * 31 % individuals, Role::Query)
        };
        let centre = &centres[individual * dim..][..dim];
        let place = vectors.len();
        vectors.extend(centre.iter().enumerate().map(|(i, x)| x + 2.2 * noise(i)));
        let length = vectors[place..].iter().map(|x| x * x).sum::<f32>().sqrt();
        vectors[place..].iter_mut().for_each(|x| *x /= length);
        rows.push(PhotoRow {
            photo: format!("{photo:07}.jpg"),
            individual: format!("t{individual:06}"),
            encounter: format!("{}", photo / individuals / 2),
            role,
            side: None,
        });
    }
    EmbeddingSet::new(dim, vectors, rows)
}

/// Ranks `set` by `search` and times it.
///
/// # Errors
/// As [`retrieve_by`](super::retrieval::retrieve_by).
pub fn retrieval(set: &EmbeddingSet, search: Search) -> Result<RetrievalReport> {
    let mut best = f64::INFINITY;
    let mut last = None;
    for _ in 0..if search == Search::Exact { 3 } else { 1 } {
        let begin = Instant::now();
        let ranker = Ranker::new(set)?;
        let found = ranker.photos(Rule::OtherEncounters, Matching { search, ..Matching::default() })?;
        let figures = figures(&found);
        best = best.min(begin.elapsed().as_secs_f64());
        last = Some((ranker, found, figures));
    }
    let begin = Instant::now();
    let (ranker, found, figures) = last.ok_or(super::Error::NothingToRank { queries: 0, gallery: 0 })?;
    intervals::intervals(&found);
    let interval_seconds = begin.elapsed().as_secs_f64();
    let approximate = (search == Search::Approximate).then(|| ranker.recall(&found));
    Ok(RetrievalReport {
        gallery: set.gallery().len(),
        queries: set.queries().len(),
        embedding_dim: set.dim,
        search,
        approximate,
        seconds: best,
        interval_seconds,
        memory_bytes: memory("VmHWM:"), // the most that it has held
        figures,
    })
}

/// Bytes of this process's memory, as the line that begins with `what` in the system's account of it has them; none where the
/// system does not tell (proc_pid_status(5)).
pub fn memory(what: &str) -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix(what))?;
    line.split_whitespace().next()?.parse::<u64>().ok().map(|kib| kib * 1024)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_drawn_gallery_is_ranked_and_most_but_not_all_is_right() {
        let set = draw(&RetrievalPlan { gallery: 400, queries: 30, embedding_dim: 64 }).unwrap();
        let report = retrieval(&set, Search::Exact).unwrap();
        assert_eq!((report.gallery, report.queries, report.embedding_dim), (400, 30, 64));
        let rank1 = report.figures.rank1.unwrap();
        assert!((0.3..1.0).contains(&rank1), "{rank1}");
        assert_eq!(report.figures.queries_without_match, 0);
    }
}
