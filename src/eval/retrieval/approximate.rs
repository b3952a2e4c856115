//! Ranks a gallery too large to be measured whole for every query: what is near is found by an index and measured, what is far is
//! told by a sample.
//!
//! Who an index finds is measured exactly; so is every photo of the query's own individual, whether found or not, since labels say
//! which they are. One of those that should have been found and was not stands behind all that were; a miss of another's photo leaves
//! one less before the right ones. How many others stand before one that is farther than all found is the share of a random sample of the gallery, and that sample
//! stands for the pairs of two individuals. How much the index finds is measured against whole rankings of some queries.

use std::collections::HashSet;

use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use super::super::Result;
use super::super::embeddings::EmbeddingSet;
use super::super::histogram::Tally;
use super::super::verification;
use super::codes::Codes;
use super::index::Index;
use super::places::{Place, Places};
use super::space::{Euclidean, Space};
use super::{Match, NEAREST, Query, Ranked, Retrieval, Rule, Searched, TileOutcome, tile_of};

/// How much is measured in place of everything.
#[derive(Clone, Copy, Debug)]
pub(super) struct Reach {
    /// Photos that the index finds for a vector.
    pub(super) candidates: usize,
    /// Photos that stand for the rest of the gallery.
    pub(super) sample: usize,
}

impl Default for Reach {
    fn default() -> Reach {
        Reach { candidates: 256, sample: 10_000 }
    }
}

/// Queries that are ranked whole to see what the index misses, at most.
const MEASURED: usize = 200;
/// The sample is the same one for the same size of a gallery.
const SEED: u64 = 20;

/// How an approximate search went.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Approximate {
    /// Photos that the index found for a query, to be measured.
    pub candidates: usize,
    /// Photos, drawn at random, that stand for all farther ones, and for the pairs of two individuals.
    pub sample: usize,
    /// Share of the nearest photos that was found, 0 to 1.
    pub recall_at_1: f64,
    /// The same of the ten nearest.
    pub recall_at_10: f64,
    /// Queries that were ranked whole to tell those.
    pub recall_queries: usize,
}

/// What is searched, and by what.
pub(super) struct Search<'a> {
    pub(super) set: &'a EmbeddingSet,
    pub(super) codes: &'a Codes,
    pub(super) rule: Rule,
    pub(super) searched: &'a Searched,
    pub(super) index: &'a Index,
    pub(super) reach: Reach,
}

/// The sample.
struct Sample<'a> {
    rows: Vec<usize>,
    space: Euclidean<'a>,
}

/// What the index found for a query.
struct Found {
    places: Vec<Place>,
    rows: HashSet<usize>,
    /// Photos that are farther were not looked for.
    radius: f64,
}

impl Search<'_> {
    /// The outcomes of all tiles, in order.
    pub(super) fn tiles(&self, queries: &[Query<'_>], pairs: &verification::Tally) -> Result<Vec<TileOutcome>> {
        let sample = self.sample();
        // tiles as of an exact ranking, for the order of sums
        let tiles = queries.par_chunks(tile_of(self.searched.rows.len(), queries));
        tiles.map_init(|| pairs.counter(), |pairs, tile| self.rank_tile(tile, &sample, pairs)).collect()
    }

    fn sample(&self) -> Sample<'_> {
        let all = &self.searched.rows;
        let mut random = ChaCha8Rng::seed_from_u64(SEED);
        let mut places = rand::seq::index::sample(&mut random, all.len(), self.reach.sample.min(all.len())).into_vec();
        places.sort_unstable();
        let rows: Vec<usize> = places.into_iter().map(|place| all[place]).collect();
        let space = Euclidean::new(self.set, &rows);
        Sample { rows, space }
    }

    fn find(&self, query: &Query<'_>) -> Result<Found> {
        let is_in = |row: usize| self.rule == Rule::Everything || self.set.rows[row].role.is_gallery();
        // photos that do not count take nobody's place
        let is_searched = |row: usize| is_in(row) && self.codes.counts(self.rule, query, row);
        let (mut rows, mut radius) = (HashSet::new(), f64::INFINITY);
        if self.searched.rows.len() <= self.reach.candidates {
            rows.extend(self.searched.rows.iter().copied());
        } else {
            for &vector in &query.vectors {
                let near = self.index.near(vector, self.reach.candidates, is_searched)?;
                let apart = near.iter().map(|&row| super::distance(vector, self.set.vector(row)));
                radius = radius.min(apart.fold(0.0, f64::max));
                rows.extend(near);
            }
        }
        let places = rows.into_iter().map(|row| Place { apart: query.apart(self.set.vector(row)), row });
        // farther ones, found from one photo of the query, may have been missed from another
        let places: Vec<Place> = places.filter(|place| place.apart <= radius).collect();
        let rows = places.iter().map(|place| place.row).collect();
        Ok(Found { places, rows, radius })
    }

    fn rank_tile(
        &self,
        tile: &[Query<'_>],
        sample: &Sample<'_>,
        pairs: &mut verification::Counter<'_>,
    ) -> Result<TileOutcome> {
        let Search { codes, rule, searched, .. } = *self;
        let (mut same, mut different) = (Tally::new(), Tally::new());
        let mut ranked = Vec::with_capacity(tile.len());
        let to_sample = sample.space.apart(tile);
        for (query, to_sample) in tile.iter().zip(to_sample.chunks_exact(sample.rows.len())) {
            let found = self.find(query)?;
            let behind = found.radius.next_up();
            let is_found = |row: usize| found.rows.contains(&row);
            let is_other = |row: usize| codes.counts(rule, query, row) && !codes.same(query.row(), row);
            let close = searched.close_to(codes, query);
            let mut relevant = Vec::new();
            for row in close.iter().map(|&place| searched.rows[place]) {
                if codes.counts(rule, query, row) && codes.same(query.row(), row) {
                    let apart = query.apart(self.set.vector(row));
                    same.count(apart);
                    relevant.push(Place { apart: if is_found(row) { apart } else { apart.max(behind) }, row });
                }
            }
            let mut places = Places::among(relevant);
            let mut others =
                searched.rows.len() - close.iter().filter(|&&place| !is_other(searched.rows[place])).count();
            for &place in found.places.iter().filter(|place| is_other(place.row)) {
                places.take(place);
                others -= 1;
            }
            let (mut far, mut of_two) = (Vec::new(), Vec::new());
            let is_known = codes.individual[query.row()].is_some();
            for (&row, &apart) in sample.rows.iter().zip(to_sample).filter(|(row, _)| is_other(**row)) {
                if !is_found(row) {
                    far.push(apart.max(behind));
                }
                if is_known && codes.individual[row].is_some() {
                    of_two.push(apart);
                }
            }
            places.estimate(&far, others);
            different.count_all(&of_two);
            of_two.iter().for_each(|&apart| pairs.count(apart));
            ranked.push(places.ranked(codes, query.row()));
        }
        Ok(TileOutcome { ranked, same: same.finish(), different: different.finish() })
    }
}

/// How much of what is nearest to its queries, which are photos, an approximate `retrieval` against `rows` found.
pub(super) fn recall(
    (set, codes): (&EmbeddingSet, &Codes),
    rows: &[usize],
    retrieval: &Retrieval,
    reach: Reach,
) -> Approximate {
    let step = retrieval.queries.len().div_ceil(MEASURED).max(1);
    let asked: Vec<&Ranked> = retrieval.queries.iter().step_by(step).collect();
    let of_query = |ranked: &&Ranked| {
        let query = Query::of_photo(set, ranked.query);
        let mut places = Places::among(Vec::new());
        for &row in rows.iter().filter(|row| codes.counts(retrieval.rule, &query, **row)) {
            places.take(Place { apart: query.apart(set.vector(row)), row });
        }
        of_nearest(&ranked.nearest, &places.ranked(codes, ranked.query).nearest)
    };
    let found: Vec<[(usize, usize); 2]> = asked.par_iter().map(of_query).collect();
    let share = |at: usize| {
        let (found, all) = found.iter().fold((0, 0), |(found, all), of| (found + of[at].0, all + of[at].1));
        if all == 0 { 1.0 } else { found as f64 / all as f64 }
    };
    Approximate {
        candidates: reach.candidates,
        sample: reach.sample.min(rows.len()),
        recall_at_1: share(0),
        recall_at_10: share(1),
        recall_queries: asked.len(),
    }
}

/// How many of the first, and of the ten first, of `nearest` are so in `found`, and of how many.
fn of_nearest(found: &[Match], nearest: &[Match]) -> [(usize, usize); 2] {
    [1, NEAREST].map(|places| {
        let (found, nearest) = (&found[..places.min(found.len())], &nearest[..places.min(nearest.len())]);
        let both = nearest.iter().filter(|near| found.iter().any(|found| found.row == near.row));
        (both.count(), nearest.len())
    })
}

#[cfg(test)]
mod tests {
    use super::super::super::bench::{RetrievalPlan, draw};
    use super::super::super::matching::{Matching, Search};
    use super::super::super::metrics::figures;
    use super::super::super::testing::sets;
    use super::super::Ranker;
    use super::*;
    use proptest::prelude::*;

    /// A ranking, and how much of what is nearest it found.
    fn by(set: &EmbeddingSet, rule: Rule, search: Search, reach: Reach) -> (Retrieval, Approximate) {
        let ranker = Ranker { reach, ..Ranker::new(set).unwrap() };
        let found = ranker.photos(rule, Matching { search, ..Matching::default() }).unwrap();
        let told = ranker.recall(&found);
        (found, told)
    }

    #[test]
    fn figures_are_close_to_the_exact_ones_and_what_was_missed_is_told() {
        let set = draw(&RetrievalPlan { gallery: 6000, queries: 600, embedding_dim: 48 }).unwrap();
        let reach = Reach { candidates: 48, sample: 1500 };
        for rule in [Rule::OtherEncounters, Rule::Everything] {
            let [(exact, of_all), (found, told)] =
                [Search::Exact, Search::Approximate].map(|search| by(&set, rule, search, reach));
            assert_eq!((of_all.recall_at_1, of_all.recall_at_10), (1.0, 1.0));
            assert_eq!((told.candidates, told.sample, told.recall_queries), (48, 1500, 200));
            assert!(told.recall_at_1 > 0.9 && told.recall_at_10 > 0.9, "{told:?}");
            let (of_exact, of_found) = (figures(&exact), figures(&found));
            for (a, b, by) in [
                (of_exact.rank1, of_found.rank1, 0.02),
                (of_exact.rank10, of_found.rank10, 0.03),
                (of_exact.map, of_found.map, 0.02),
                (of_exact.r_precision, of_found.r_precision, 0.02),
                (of_exact.auc, of_found.auc, 0.01),
            ] {
                assert!((a.unwrap() - b.unwrap()).abs() < by, "{a:?} {b:?}");
            }
            assert_eq!(exact.same, found.same, "pairs of one individual are all measured");
            let all = |of: &Retrieval| of.queries.iter().map(|q| (q.counted, q.relevant)).collect::<Vec<_>>();
            assert_eq!(all(&exact), all(&found));
            // beyond the candidates a rank is that of a sample
            let far =
                exact.queries.iter().zip(&found.queries).filter_map(|(a, b)| a.first_correct.zip(b.first_correct));
            let far: Vec<_> = far.filter(|(exact, _)| *exact > 150).collect();
            assert!(far.len() > 20, "too few to tell: {}", far.len());
            let of_rank = far.iter().map(|(exact, found)| *found as f64 / *exact as f64);
            let mean = of_rank.sum::<f64>() / far.len() as f64;
            assert!((0.9..1.1).contains(&mean), "{mean}");
        }
    }

    #[test]
    fn photos_that_do_not_count_take_no_candidates_place() {
        let plan = RetrievalPlan { gallery: 300, queries: 1, embedding_dim: 16 };
        let mut set = draw(&plan).unwrap();
        // a burst: half of the gallery is of the query's encounter, and nearer than everything else
        let near = set.vector(300).repeat(150);
        set.vectors[..near.len()].copy_from_slice(&near);
        let (individual, encounter) = (set.rows[300].individual.clone(), set.rows[300].encounter.clone());
        for row in &mut set.rows[..150] {
            (row.individual, row.encounter) = (individual.clone(), encounter.clone());
        }
        let reach = Reach { candidates: 40, sample: 10 };
        // by one thread, as those of several make another index each time, and so many equal photos are apart in some
        let alone = rayon::ThreadPoolBuilder::new().num_threads(1).build().unwrap();
        let (found, told) = alone.install(|| by(&set, Rule::OtherEncounters, Search::Approximate, reach));
        assert_eq!(told.recall_at_10, 1.0);
        assert_eq!(
            found.queries[0].nearest,
            by(&set, Rule::OtherEncounters, Search::Exact, reach).0.queries[0].nearest
        );
    }

    #[test]
    fn rankings_that_know_more_than_distances_are_exact_whatever_is_asked() {
        let set = draw(&RetrievalPlan { gallery: 60, queries: 5, embedding_dim: 8 }).unwrap();
        let matching = Matching { reranked: true, ..Matching::default() };
        let ranked = |search| super::super::retrieve_by(&set, Rule::Gallery, Matching { search, ..matching }).unwrap();
        assert_eq!(ranked(Search::Approximate), ranked(Search::Exact));
    }

    proptest! {
        #[test]
        fn a_gallery_no_larger_than_what_is_measured_is_ranked_as_by_an_exact_search(set in sets()) {
            for rule in [Rule::OtherEncounters, Rule::Gallery, Rule::Everything] {
                let (exact, _) = by(&set, rule, Search::Exact, Reach::default());
                let (found, told) = by(&set, rule, Search::Approximate, Reach::default());
                prop_assert_eq!(told.recall_at_10, 1.0);
                prop_assert_eq!(exact, found);
            }
        }
    }
}
