//! Ranks the gallery for every query: who is nearest, and where do the right ones stand.
//!
//! A distance is summed from the differences in f64, not taken as sqrt(2 - 2 cos): near-identical
//! photos do occur, and there the cosine in f32 is wrong by 3e-4 while equal rows should be at
//! exactly 0. Each sum has one order, so the ranks are the same for any number of threads and on
//! any machine. Memory holds a tile of queries at a time, never the whole matrix.

use std::collections::HashMap;

use rayon::prelude::*;

use crate::nn::ops::device;

use super::embeddings::EmbeddingSet;
use super::histogram::{Histogram, Tally};
use super::verification::{self, Verification};
use super::{Error, Result};

/// How many matches of a query are kept: what `matches.csv` lists.
pub const NEAREST: usize = 10;

/// Which photos a query is ranked against. The query itself never counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rule {
    /// The gallery without photos of the query's own encounter: the honest default.
    OtherEncounters,
    /// The whole gallery.
    Gallery,
    /// The gallery and all other queries: what a careless evaluation would have said.
    Everything,
}

/// One of the nearest photos of a query.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Match {
    /// Row of the query in the set.
    pub query: usize,
    /// Place in the ranking, from 1.
    pub rank: usize,
    /// Row of the matched photo in the set.
    pub row: usize,
    /// Euclidean distance of the two unit embeddings, 0 to 2.
    pub distance: f64,
    /// Whether both show the same individual.
    pub correct: bool,
}

/// What the ranking of one query came to.
#[derive(Clone, Debug, PartialEq)]
pub struct Ranked {
    /// Row of the query in the set.
    pub query: usize,
    /// Number of its individual within this set; none where nobody knows.
    pub individual: Option<usize>,
    /// Photos it was ranked against.
    pub counted: usize,
    /// How many of them show its individual.
    pub relevant: usize,
    /// Rank of the nearest of those, from 1.
    pub first_correct: Option<usize>,
    /// Average precision over all of those; none where there are none.
    pub average_precision: Option<f64>,
    /// The same over the first places only, as many as there are of those: what MAP@R is the mean of.
    pub average_precision_at_r: Option<f64>,
    /// Share of those places that show its individual.
    pub r_precision: Option<f64>,
    /// The nearest photos, at most [`NEAREST`].
    pub nearest: Vec<Match>,
}

/// What is asked about.
pub(super) struct Query<'a> {
    /// Rows of its photos, at least one; they never count as matches.
    pub(super) photos: Vec<usize>,
    /// Where it lies: the nearest of these counts.
    pub(super) vectors: Vec<&'a [f32]>,
}

impl Query<'_> {
    fn row(&self) -> usize {
        self.photos[0]
    }

    /// How far a photo is.
    pub(super) fn apart(&self, from: &[f32]) -> f64 {
        self.vectors.iter().map(|vector| distance(vector, from)).fold(f64::INFINITY, f64::min)
    }
}

/// All queries of a set, ranked by one rule.
#[derive(Clone, Debug, PartialEq)]
pub struct Retrieval {
    /// The rule.
    pub rule: Rule,
    /// Photos that could be matched at all: the gallery, or with it all queries.
    pub gallery: usize,
    /// One entry a query, in the order of the set.
    pub queries: Vec<Ranked>,
    /// Distances of the counted pairs of one individual.
    pub same: Histogram,
    /// Distances of the counted pairs of two individuals.
    pub different: Histogram,
    /// How well a distance alone tells the two apart.
    pub verification: Verification,
}

/// Ranks every query of `set` by `rule`; ties go to the earlier row. Fails on a set that breaks its
/// own rules, or has no query or no gallery.
pub fn retrieve(set: &EmbeddingSet, rule: Rule) -> Result<Retrieval> {
    set.check()?;
    let rows = set.queries();
    rank(set, rule, rows.iter().map(|row| Query { photos: vec![*row], vectors: vec![set.vector(*row)] }).collect())
}

/// As [`retrieve`], each of `queries` being rows of a set that its own check has passed, together one query: as far from
/// a photo as the nearest of its vectors. An entry of the outcome names the first row.
pub(super) fn rank(set: &EmbeddingSet, rule: Rule, queries: Vec<Query<'_>>) -> Result<Retrieval> {
    let queries = &queries[..];
    let gallery = set.gallery();
    if queries.is_empty() || gallery.is_empty() {
        return Err(Error::NothingToRank { queries: queries.len(), gallery: gallery.len() });
    }
    let codes = Codes::of(set);
    let reference: Vec<usize> = match rule {
        Rule::OtherEncounters | Rule::Gallery => gallery,
        Rule::Everything => {
            let named = |row: &usize| set.rows[*row].role.is_query() || set.rows[*row].role.is_gallery();
            (0..set.len()).filter(named).collect()
        }
    };
    let pairs = pairs_of_one(set, &codes, rule, &reference, queries);
    let tiles = tiles(set, &codes, rule, &reference, queries, &pairs);

    let mut retrieval = Retrieval {
        rule,
        gallery: reference.len(),
        queries: Vec::with_capacity(queries.len()),
        same: Histogram::default(),
        different: Histogram::default(),
        verification: pairs.finish(),
    };
    for tile in tiles {
        retrieval.queries.extend(tile.ranked);
        retrieval.same.add(&tile.same);
        retrieval.different.add(&tile.different);
    }
    Ok(retrieval)
}

/// Queries that have a photo of their own encounter among the gallery and the other queries.
pub fn leak(set: &EmbeddingSet) -> usize {
    let codes = Codes::of(set);
    let mut photos: HashMap<usize, usize> = HashMap::new();
    for (row, code) in set.rows.iter().zip(&codes.encounter) {
        if row.role.is_query() || row.role.is_gallery() {
            *photos.entry(*code).or_default() += 1;
        }
    }
    let queries = set.queries();
    let leaking = queries.iter().filter(|&&q| photos[&codes.encounter[q]] > 1);
    leaking.count()
}

/// Euclidean distance of two embeddings of equal length; symmetric to the bit, 0 for equal ones.
pub fn distance(a: &[f32], b: &[f32]) -> f64 {
    // Eight sums side by side let the compiler use vectors; their order is part of the result.
    let mut sums = [0.0_f64; 8];
    let (a_chunks, a_rest) = a.as_chunks::<8>();
    let (b_chunks, b_rest) = b.as_chunks::<8>();
    for (x, y) in a_chunks.iter().zip(b_chunks) {
        for lane in 0..8 {
            let difference = f64::from(x[lane]) - f64::from(y[lane]);
            sums[lane] += difference * difference;
        }
    }
    for (lane, (&x, &y)) in a_rest.iter().zip(b_rest).enumerate() {
        let difference = f64::from(x) - f64::from(y);
        sums[lane] += difference * difference;
    }
    sums.iter().sum::<f64>().sqrt()
}

/// Sum of the precision at each correct match, over `relevant`. `ranks` counts from 1 and ascends;
/// correct matches beyond its end count as never found.
pub fn average_precision(ranks: &[usize], relevant: usize) -> f64 {
    let found = ranks.iter().enumerate();
    let precisions: f64 = found.map(|(before, &rank)| (before + 1) as f64 / rank as f64).sum();
    precisions / relevant as f64
}

/// Labels as numbers within one set. Never comparable between two sets.
pub(super) struct Codes {
    /// `None`: nobody knows who it is.
    individual: Vec<Option<usize>>,
    encounter: Vec<usize>,
}

impl Codes {
    pub(super) fn of(set: &EmbeddingSet) -> Codes {
        let mut individuals: HashMap<&str, usize> = HashMap::new();
        let mut encounters: HashMap<(&str, &str), usize> = HashMap::new();
        let mut codes = Codes { individual: Vec::with_capacity(set.len()), encounter: Vec::with_capacity(set.len()) };
        // Numbers above those of named encounters are for photos whose encounter is their own.
        for (row, photo) in set.rows.iter().enumerate() {
            let next = individuals.len();
            let known = !photo.individual.is_empty();
            let code = known.then(|| *individuals.entry(&photo.individual).or_insert(next));
            codes.individual.push(code);
            let next = encounters.len();
            codes.encounter.push(if photo.encounter.is_empty() {
                set.len() + row
            } else {
                let key = (photo.individual.as_str(), photo.encounter.as_str());
                *encounters.entry(key).or_insert(next)
            });
        }
        codes
    }

    /// Whether a photo is one that a query is ranked against.
    pub(super) fn counts(&self, rule: Rule, query: &Query<'_>, row: usize) -> bool {
        let own = || self.encounter[query.row()] == self.encounter[row];
        !query.photos.contains(&row) && (rule != Rule::OtherEncounters || !own())
    }

    /// Whether both are known to show one individual.
    pub(super) fn same(&self, query: usize, row: usize) -> bool {
        self.individual[query].is_some() && self.individual[query] == self.individual[row]
    }
}

/// The counted pairs of one individual, for pairs of two to find their places among.
fn pairs_of_one<'a>(
    set: &'a EmbeddingSet,
    codes: &'a Codes,
    rule: Rule,
    reference: &[usize],
    queries: &'a [Query<'a>],
) -> verification::Tally {
    let mut photos: HashMap<usize, Vec<usize>> = HashMap::new();
    for &row in reference {
        if let Some(individual) = codes.individual[row] {
            photos.entry(individual).or_default().push(row);
        }
    }
    let photos = &photos;
    let of_query = |query: &'a Query<'a>| {
        let rows = codes.individual[query.row()].and_then(|individual| photos.get(&individual));
        let counted = rows.into_iter().flatten().filter(move |&&row| codes.counts(rule, query, row));
        counted.map(move |&row| query.apart(set.vector(row)))
    };
    verification::Tally::new(queries.par_iter().flat_map_iter(of_query).collect())
}

struct TileOutcome {
    ranked: Vec<Ranked>,
    same: Histogram,
    different: Histogram,
}

/// Queries ranked together at most, so that a gallery row is fetched once for all of them.
const TILE: usize = 32;
/// Distances of a tile.
const OF_A_TILE: usize = 1 << 22;
/// Distances that a card hands over at once.
const HANDED: usize = 1 << 24;

/// The outcomes of all tiles, in order. A tile's size depends on the sizes of the set alone, as sums of its outcomes do.
fn tiles(
    set: &EmbeddingSet,
    codes: &Codes,
    rule: Rule,
    reference: &[usize],
    queries: &[Query<'_>],
    pairs: &verification::Tally,
) -> Vec<TileOutcome> {
    let rows = set.vectors_of(reference);
    let tile = (OF_A_TILE / reference.len()).clamp(8, TILE);
    let rank = |counter: &mut verification::Counter<'_>, tile: &[Query<'_>], found: Vec<f64>| {
        rank_tile(codes, rule, reference, tile, &nearest_of_each(tile, found, reference.len()), counter)
    };
    let has_card = device::has_card();
    let group = if has_card { (HANDED / reference.len()).max(tile) / tile * tile } else { queries.len() };
    let mut outcomes = Vec::new();
    for queries in queries.chunks(group) {
        let on_card = has_card.then(|| device::distances(&vectors_of(queries), &rows, set.dim)).flatten();
        let firsts = queries.iter().scan(0, |at, query| Some(std::mem::replace(at, *at + query.vectors.len())));
        let firsts: Vec<usize> = firsts.collect();
        let tiles = queries.par_chunks(tile).enumerate().map_init(
            || pairs.counter(),
            |counter, (nth, tile_of)| {
                let vectors: usize = tile_of.iter().map(|query| query.vectors.len()).sum();
                let found = match &on_card {
                    Some(found) => found[firsts[nth * tile] * reference.len()..][..vectors * reference.len()].to_vec(),
                    None => device::distances_on_cpu(&vectors_of(tile_of), &rows, set.dim),
                };
                rank(counter, tile_of, found)
            },
        );
        outcomes.extend(tiles.collect::<Vec<_>>());
    }
    outcomes
}

fn vectors_of(queries: &[Query<'_>]) -> Vec<f32> {
    queries.iter().flat_map(|query| &query.vectors).flat_map(|vector| vector.iter().copied()).collect()
}

/// From distances of every vector those of every query: a query lies at the nearest of its vectors.
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

/// Ranks the queries of a tile; `apart` are their distances to the references, query by query.
fn rank_tile(
    codes: &Codes,
    rule: Rule,
    reference: &[usize],
    tile: &[Query<'_>],
    apart: &[f64],
    pairs: &mut verification::Counter<'_>,
) -> TileOutcome {
    let (mut same, mut different) = (Tally::new(), Tally::new());
    let mut ranked = Vec::with_capacity(tile.len());
    for (query, apart) in tile.iter().zip(apart.chunks_exact(reference.len())) {
        let is_known = codes.individual[query.row()].is_some();
        let counted = || {
            let all = reference.iter().copied().zip(apart.iter().copied());
            all.filter(|&(row, _)| codes.counts(rule, query, row))
        };
        let relevant: Vec<_> = counted().filter(|&(row, _)| codes.same(query.row(), row)).collect();
        relevant.iter().for_each(|&(_, apart)| same.count(apart));
        let mut places = Places::among(relevant.into_iter().map(|(row, apart)| Place { apart, row }).collect());
        for (row, apart) in counted() {
            let is_same = codes.same(query.row(), row);
            places.take(Place { apart, row }, is_same);
            if !is_same && is_known && codes.individual[row].is_some() {
                different.count(apart);
                pairs.count(apart);
            }
        }
        ranked.push(places.ranked(codes, query.row()));
    }
    TileOutcome { ranked, same: same.finish(), different: different.finish() }
}

/// A photo's place in a ranking: by its distance, of equal ones by its row.
#[derive(Clone, Copy)]
struct Place {
    apart: f64,
    row: usize,
}

impl Place {
    fn is_before(&self, other: &Place) -> bool {
        self.apart.total_cmp(&other.apart).then(self.row.cmp(&other.row)).is_lt()
    }
}

/// Where photos of a query stand, without sorting all: only those of its individual are sorted, and every other one finds
/// its place among them.
struct Places {
    counted: usize,
    /// Photos of its individual, the nearest first.
    relevant: Vec<Place>,
    /// Others that stand behind exactly so many of those.
    others: Vec<usize>,
    /// The nearest of all, at most [`NEAREST`].
    nearest: Vec<Place>,
}

impl Places {
    fn among(mut relevant: Vec<Place>) -> Places {
        relevant.sort_unstable_by(|a, b| a.apart.total_cmp(&b.apart).then(a.row.cmp(&b.row)));
        let others = vec![0; relevant.len() + 1];
        Places { counted: 0, relevant, others, nearest: Vec::with_capacity(NEAREST + 1) }
    }

    #[inline]
    fn take(&mut self, place: Place, is_relevant: bool) {
        self.counted += 1;
        if self.nearest.len() < NEAREST || place.is_before(&self.nearest[NEAREST - 1]) {
            let at = self.nearest.partition_point(|near| near.is_before(&place));
            self.nearest.insert(at, place);
            self.nearest.truncate(NEAREST);
        }
        // who stands behind all of them moves none
        if !is_relevant && self.relevant.last().is_some_and(|last| place.is_before(last)) {
            self.others[self.relevant.partition_point(|right| right.is_before(&place))] += 1;
        }
    }

    fn ranked(self, codes: &Codes, query: usize) -> Ranked {
        let others = self.others.iter().scan(0, |sum, &more| {
            *sum += more;
            Some(*sum)
        });
        let correct: Vec<usize> =
            others.take(self.relevant.len()).enumerate().map(|(i, others)| i + 1 + others).collect();
        let at_r = &correct[..correct.partition_point(|&rank| rank <= correct.len())];
        let of_relevant = |value: f64| (!correct.is_empty()).then_some(value);
        let nearest = self.nearest.iter().enumerate();
        Ranked {
            query,
            individual: codes.individual[query],
            counted: self.counted,
            relevant: correct.len(),
            first_correct: correct.first().copied(),
            average_precision: of_relevant(average_precision(&correct, correct.len())),
            average_precision_at_r: of_relevant(average_precision(at_r, correct.len())),
            r_precision: of_relevant(at_r.len() as f64 / correct.len() as f64),
            nearest: nearest
                .map(|(before, &Place { apart, row })| Match {
                    query,
                    rank: before + 1,
                    row,
                    distance: apart,
                    correct: codes.same(query, row),
                })
                .collect(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::embeddings::Role;
    use super::super::testing::{row, sets, unit};
    use super::*;
    use proptest::prelude::*;

    /// Two encounters of one turtle and one of another.
    fn small() -> EmbeddingSet {
        let rows = vec![
            row("q.jpg", "t1", "2011-07-01", Role::Query),
            row("same-day.jpg", "t1", "2011-07-01", Role::Gallery),
            row("other.jpg", "t2", "2011-07-01", Role::Gallery),
            row("later.jpg", "t1", "2014-07-01", Role::Gallery),
            row("q2.jpg", "t1", "2011-07-01", Role::Query),
        ];
        let vectors = unit(&[&[1.0, 0.0], &[1.0, 0.05], &[1.0, 0.2], &[1.0, 0.5], &[1.0, 0.01]]);
        EmbeddingSet::new(2, vectors, rows).unwrap()
    }

    fn names(set: &EmbeddingSet, retrieval: &Retrieval, query: usize) -> Vec<String> {
        let nearest = &retrieval.queries[query].nearest;
        nearest.iter().map(|m| set.rows[m.row].photo.clone()).collect()
    }

    #[test]
    fn each_rule_leaves_out_what_it_says() {
        let set = small();
        let rank = |rule| retrieve(&set, rule).unwrap();
        let honest = rank(Rule::OtherEncounters);
        assert_eq!(names(&set, &honest, 0), ["other.jpg", "later.jpg"]);
        assert_eq!(honest.queries[0].first_correct, Some(2));
        assert_eq!(honest.queries[0].average_precision, Some(0.5));
        let plain = rank(Rule::Gallery);
        assert_eq!(names(&set, &plain, 0), ["same-day.jpg", "other.jpg", "later.jpg"]);
        let careless = rank(Rule::Everything);
        assert_eq!(names(&set, &careless, 0), ["q2.jpg", "same-day.jpg", "other.jpg", "later.jpg"]);
        assert_eq!((honest.gallery, careless.gallery), (3, 5));
        assert_eq!(leak(&set), 2);
    }

    #[test]
    fn an_encounter_is_of_one_individual_and_an_undated_photo_is_alone() {
        let rows = vec![
            row("q.jpg", "t1", "", Role::Query),
            row("undated.jpg", "t1", "", Role::Gallery),
            row("other.jpg", "t2", "", Role::Gallery),
        ];
        let set = EmbeddingSet::new(1, vec![1.0; 3], rows).unwrap();
        let honest = retrieve(&set, Rule::OtherEncounters).unwrap();
        assert_eq!(names(&set, &honest, 0), ["undated.jpg", "other.jpg"]);
        assert_eq!(leak(&set), 0);
    }

    #[test]
    fn unknown_individuals_match_nobody_and_are_no_pair() {
        let rows = vec![
            row("q.jpg", "", "1", Role::Query),
            row("g.jpg", "", "2", Role::Gallery),
            row("h.jpg", "t1", "2", Role::Gallery),
        ];
        let set = EmbeddingSet::new(1, vec![1.0; 3], rows).unwrap();
        let honest = retrieve(&set, Rule::OtherEncounters).unwrap();
        assert_eq!(honest.queries[0].relevant, 0);
        assert!(honest.queries[0].nearest.iter().all(|m| !m.correct));
        assert_eq!((honest.same.count(), honest.different.count()), (0, 0));
    }

    #[test]
    fn equal_rows_are_at_nought_and_the_earlier_comes_first() {
        // Values whose squares do not sum to exactly 1: the cosine would not be 1 either.
        let vector = unit(&[&[0.1, 0.7, -0.3, 0.2, 0.9, 0.4, 0.33, -0.61, 0.5]]);
        let mut rows = vec![row("q.jpg", "t1", "1", Role::Query)];
        rows.extend((0..12).map(|i| row(&format!("{i}.jpg"), "t2", "2", Role::Gallery)));
        let set = EmbeddingSet::new(9, vector.repeat(13), rows).unwrap();
        let ranked = retrieve(&set, Rule::OtherEncounters).unwrap();
        let nearest = &ranked.queries[0].nearest;
        assert_eq!(nearest.len(), NEAREST);
        for (before, found) in nearest.iter().enumerate() {
            assert_eq!((found.distance, found.row), (0.0, before + 1));
        }
    }

    #[test]
    fn a_set_without_queries_or_gallery_is_an_error_that_says_so() {
        let rows = vec![row("g.jpg", "t1", "1", Role::Gallery)];
        let set = EmbeddingSet::new(1, vec![1.0], rows).unwrap();
        let message = retrieve(&set, Rule::Gallery).unwrap_err().to_string();
        assert!(message.contains("0 queries and 1 gallery"), "{message}");
    }

    #[test]
    fn distance_keeps_what_the_cosine_loses() {
        let a = unit(&[&[0.6, 0.8, 0.0]]);
        let mut b = a.clone();
        b[2] = 1e-5;
        assert!((distance(&a, &b) - 1e-5).abs() < 1e-9);
    }

    proptest! {
        #[test]
        fn exclusion_never_counts_the_own_encounter_and_nobody_counts_itself(set in sets()) {
            for rule in [Rule::OtherEncounters, Rule::Gallery, Rule::Everything] {
                for ranked in retrieve(&set, rule).unwrap().queries {
                    for found in &ranked.nearest {
                        let (q, g) = (&set.rows[found.query], &set.rows[found.row]);
                        prop_assert!(found.query != found.row);
                        prop_assert!(g.role != Role::None);
                        prop_assert!(rule == Rule::Everything || g.role.is_gallery());
                        let shared = q.individual == g.individual
                            && q.encounter == g.encounter
                            && !q.encounter.is_empty();
                        prop_assert!(rule != Rule::OtherEncounters || !shared);
                    }
                }
            }
        }

        #[test]
        fn the_number_of_threads_does_not_matter(set in sets()) {
            let with = |threads| {
                let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
                pool.install(|| retrieve(&set, Rule::Everything).unwrap())
            };
            prop_assert_eq!(with(1), with(3));
        }

        #[test]
        fn distance_is_symmetric_to_the_bit(
            a in prop::collection::vec(-1.0_f32..1.0, 19),
            b in prop::collection::vec(-1.0_f32..1.0, 19),
        ) {
            prop_assert_eq!(distance(&a, &b).to_bits(), distance(&b, &a).to_bits());
        }
    }
}
