//! Ranks the gallery for every query: who is nearest, and where do the right ones stand.
//!
//! A distance is summed from the differences in f64, not taken as sqrt(2 - 2 cos): near-identical
//! photos do occur, and there the cosine in f32 is wrong by 3e-4 while equal rows should be at
//! exactly 0. Each sum has one order, so the ranks are the same for any number of threads and on
//! any machine. Memory holds a tile of queries at a time, never the whole matrix. Where [`Search::Approximate`] is asked
//! for, an index finds the nearest instead.

use std::cell::OnceCell;
use std::collections::HashMap;

use rayon::prelude::*;

pub use approximate::Approximate;
use approximate::Reach;
pub(super) use codes::Codes;
use index::Index;
use places::{Place, Places};
use rerank::Reranked;
use space::{Euclidean, Sided, Space};

use crate::data::manifest::Side;
use crate::nn::ops::device;

use super::embeddings::EmbeddingSet;
use super::histogram::{Histogram, Tally};
use super::matching::{Matching, Search, Sides};
use super::verification::{self, Verification};
use super::{Error, Result};

mod approximate;
mod codes;
mod index;
mod places;
mod rerank;
mod space;

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
    /// The side that all its photos show, where that is known.
    pub(super) side: Option<Side>,
}

impl<'a> Query<'a> {
    /// A photo.
    fn of_photo(set: &'a EmbeddingSet, row: usize) -> Query<'a> {
        Query { photos: vec![row], vectors: vec![set.vector(row)], side: set.rows[row].side }
    }

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
    retrieve_by(set, rule, Matching::default())
}

/// As [`retrieve`], photos matched as `matching` says.
///
/// # Errors
/// Also when mirror images are to be matched and the set has no embeddings of them.
pub fn retrieve_by(set: &EmbeddingSet, rule: Rule, matching: Matching) -> Result<Retrieval> {
    Ranker::new(set)?.photos(rule, matching)
}

/// Ranks the photos of a set, by any rule, and as often as asked; an index is built once.
pub(super) struct Ranker<'a> {
    set: &'a EmbeddingSet,
    codes: Codes,
    reach: Reach,
    index: OnceCell<Index>,
}

impl<'a> Ranker<'a> {
    /// # Errors
    /// When the set breaks its own rules.
    pub(super) fn new(set: &'a EmbeddingSet) -> Result<Ranker<'a>> {
        set.check()?;
        Ok(Ranker { set, codes: Codes::of(set), reach: Reach::default(), index: OnceCell::new() })
    }

    /// The photos.
    pub(super) fn set(&self) -> &'a EmbeddingSet {
        self.set
    }

    /// As [`retrieve_by`].
    pub(super) fn photos(&self, rule: Rule, matching: Matching) -> Result<Retrieval> {
        let queries = self.set.queries().into_iter().map(|row| Query::of_photo(self.set, row));
        self.rank(rule, matching, queries.collect())
    }

    /// As [`retrieve_by`], each of `queries` being rows of the set, together one query: as far from a photo as the nearest of
    /// its vectors. An entry of the outcome names the first row.
    pub(super) fn rank(&self, rule: Rule, matching: Matching, queries: Vec<Query<'_>>) -> Result<Retrieval> {
        let (set, codes, queries) = (self.set, &self.codes, &queries[..]);
        let gallery = set.gallery().len();
        if queries.is_empty() || gallery == 0 {
            return Err(Error::NothingToRank { queries: queries.len(), gallery });
        }
        let reference = self.reference(rule);
        if matching.search == Search::Approximate && matching.is_plain() {
            return self.rank_approximately(rule, reference, queries);
        }
        let space: Box<dyn Space> = match matching {
            Matching { reranked: true, .. } => Box::new(Reranked::new(set, codes, rule, &reference, queries)),
            Matching { sides: Sides::Both, .. } => Box::new(Euclidean::new(set, &reference)),
            Matching { sides, .. } => Box::new(Sided::new(set, &reference, sides)?),
        };
        let searched = Searched::new(reference, codes);
        let pairs = pairs_of_one(codes, rule, &searched, queries, |query, place| space.one(query, place));
        let tiles = tiles(codes, rule, &searched, &*space, queries, &pairs);
        Ok(Retrieval::of(rule, &searched, tiles, pairs.finish()))
    }

    fn rank_approximately(&self, rule: Rule, reference: Vec<usize>, queries: &[Query<'_>]) -> Result<Retrieval> {
        let (set, codes) = (self.set, &self.codes);
        let searched = &Searched::new(reference, codes);
        let search = approximate::Search { set, codes, rule, searched, index: self.index()?, reach: self.reach };
        let pairs =
            pairs_of_one(codes, rule, searched, queries, |query, place| query.apart(set.vector(searched.rows[place])));
        let tiles = search.tiles(queries, &pairs)?;
        Ok(Retrieval::of(rule, searched, tiles, pairs.finish()))
    }

    /// How much of what is nearest an approximate `retrieval` of [`Ranker::photos`] found; its figures of pairs of two individuals
    /// are of a sample.
    pub(super) fn recall(&self, retrieval: &Retrieval) -> Approximate {
        approximate::recall((self.set, &self.codes), &self.reference(retrieval.rule), retrieval, self.reach)
    }

    /// The photos that queries are ranked against by `rule`, before any is left out.
    fn reference(&self, rule: Rule) -> Vec<usize> {
        match rule {
            Rule::OtherEncounters | Rule::Gallery => self.set.gallery(),
            Rule::Everything => self.all(),
        }
    }

    /// The gallery and all queries.
    fn all(&self) -> Vec<usize> {
        let is_named = |row: &usize| self.set.rows[*row].role.is_query() || self.set.rows[*row].role.is_gallery();
        (0..self.set.len()).filter(is_named).collect()
    }

    fn index(&self) -> Result<&Index> {
        match self.index.get() {
            Some(index) => Ok(index),
            None => {
                let built = Index::build(self.set, &self.all())?;
                Ok(self.index.get_or_init(|| built))
            }
        }
    }
}

impl Retrieval {
    fn of(rule: Rule, searched: &Searched, tiles: Vec<TileOutcome>, verification: Verification) -> Retrieval {
        let mut retrieval = Retrieval {
            rule,
            gallery: searched.rows.len(),
            queries: Vec::new(),
            same: Histogram::default(),
            different: Histogram::default(),
            verification,
        };
        for tile in tiles {
            retrieval.queries.extend(tile.ranked);
            retrieval.same.add(&tile.same);
            retrieval.different.add(&tile.different);
        }
        retrieval
    }
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
    device::distance_on_cpu(a, b)
}

/// Sum of the precision at each correct match, over `relevant`. `ranks` counts from 1 and ascends;
/// correct matches beyond its end count as never found.
pub fn average_precision(ranks: &[usize], relevant: usize) -> f64 {
    let found = ranks.iter().enumerate();
    // none found is 0, not -0
    let precisions = found.map(|(before, &rank)| (before + 1) as f64 / rank as f64).fold(0.0, |sum, one| sum + one);
    precisions / relevant as f64
}

/// The photos searched, and where to find some of them.
struct Searched {
    /// Their rows in the set.
    rows: Vec<usize>,
    /// Whether it is known who is on them.
    is_known: Vec<bool>,
    /// Places of the photos of each individual, and of each encounter of nobody known.
    of_individual: HashMap<usize, Vec<usize>>,
    of_nobody: HashMap<usize, Vec<usize>>,
}

impl Searched {
    fn new(rows: Vec<usize>, codes: &Codes) -> Searched {
        let (mut of_individual, mut of_nobody) = (HashMap::<_, Vec<_>>::new(), HashMap::<_, Vec<_>>::new());
        for (place, &row) in rows.iter().enumerate() {
            match codes.individual[row] {
                Some(individual) => of_individual.entry(individual).or_default().push(place),
                None => of_nobody.entry(codes.encounter[row]).or_default().push(place),
            }
        }
        let is_known = rows.iter().map(|&row| codes.individual[row].is_some()).collect();
        Searched { rows, is_known, of_individual, of_nobody }
    }

    /// Places of all photos that may not count for a query, or are of its individual: all others count, and are not.
    fn close_to(&self, codes: &Codes, query: &Query<'_>) -> &[usize] {
        let places = match codes.individual[query.row()] {
            Some(individual) => self.of_individual.get(&individual),
            None => self.of_nobody.get(&codes.encounter[query.row()]),
        };
        places.map_or(&[], |places| places)
    }
}

/// The counted pairs of one individual, for pairs of two to find their places among.
fn pairs_of_one(
    codes: &Codes,
    rule: Rule,
    searched: &Searched,
    queries: &[Query<'_>],
    apart: impl Fn(&Query<'_>, usize) -> f64 + Sync,
) -> verification::Tally {
    let of_query = |query: &Query<'_>| -> Vec<f64> {
        let relevant = searched.close_to(codes, query).iter().filter(|&&place| {
            let row = searched.rows[place];
            codes.same(query.row(), row) && codes.counts(rule, query, row)
        });
        relevant.map(|&place| apart(query, place)).filter(|apart| apart.is_finite()).collect()
    };
    verification::Tally::new(queries.par_iter().flat_map_iter(of_query).collect())
}

struct TileOutcome {
    ranked: Vec<Ranked>,
    same: Histogram,
    different: Histogram,
}

/// Tiles that queries are cut into at least, where there are enough.
const TILES: usize = 16;
/// Queries ranked together, so that a gallery row is fetched once for all of them.
const TILE: std::ops::RangeInclusive<usize> = 8..=128;
/// Distances of a tile at most, eight queries' excepted.
const OF_A_TILE: usize = 1 << 24;
/// Distances that a card hands over at once.
const HANDED: usize = 1 << 24;

/// The outcomes of all tiles, in order. A tile's size depends on the sizes of the set alone, as sums of its outcomes do.
fn tiles(
    codes: &Codes,
    rule: Rule,
    searched: &Searched,
    space: &dyn Space,
    queries: &[Query<'_>],
    pairs: &verification::Tally,
) -> Vec<TileOutcome> {
    let rows = searched.rows.len();
    let tile = tile_of(rows, queries);
    let has_card = device::has_card();
    let group = if has_card { (HANDED / measured(rows, queries)).max(tile) / tile * tile } else { queries.len() };
    let mut outcomes = Vec::new();
    for queries in queries.chunks(group) {
        let at_once = if has_card { space.at_once(queries) } else { None };
        let tiles = queries.par_chunks(tile).enumerate().map_init(
            || pairs.counter(),
            |counter, (nth, queries)| {
                let apart = match &at_once {
                    Some(apart) => apart[nth * tile * rows..][..queries.len() * rows].to_vec(),
                    None => space.apart(queries),
                };
                rank_tile(codes, rule, searched, queries, apart, counter)
            },
        );
        outcomes.extend(tiles.collect::<Vec<_>>());
    }
    outcomes
}

/// How many of `queries` are ranked together against `rows` photos.
fn tile_of(rows: usize, queries: &[Query<'_>]) -> usize {
    (OF_A_TILE / measured(rows, queries)).min(queries.len() / TILES).clamp(*TILE.start(), *TILE.end())
}

/// Distances that are measured for a query of `queries` at most: they come a vector, not a query.
fn measured(rows: usize, queries: &[Query<'_>]) -> usize {
    rows * queries.iter().map(|query| query.vectors.len()).max().unwrap_or(1)
}

/// Ranks the queries of a tile; `apart` are their distances to the photos searched, query by query.
fn rank_tile(
    codes: &Codes,
    rule: Rule,
    searched: &Searched,
    tile: &[Query<'_>],
    mut apart: Vec<f64>,
    pairs: &mut verification::Counter<'_>,
) -> TileOutcome {
    let (mut same, mut different) = (Tally::new(), Tally::new());
    let mut ranked = Vec::with_capacity(tile.len());
    let mut of_two = Vec::with_capacity(searched.rows.len());
    for (query, apart) in tile.iter().zip(apart.chunks_exact_mut(searched.rows.len())) {
        let mut relevant = Vec::new();
        for &place in searched.close_to(codes, query) {
            let (row, apart) = (searched.rows[place], &mut apart[place]);
            let (is_counted, is_same) = (codes.counts(rule, query, row), codes.same(query.row(), row));
            if is_counted && is_same && apart.is_finite() {
                same.count(*apart);
                relevant.push(Place { apart: *apart, row });
            }
            if !is_counted || is_same {
                *apart = f64::INFINITY; // done with
            }
        }
        let mut places = Places::among(relevant);
        of_two.clear();
        let is_known = codes.individual[query.row()].is_some();
        for ((&apart, &row), &row_is_known) in apart.iter().zip(&searched.rows).zip(&searched.is_known) {
            if apart < f64::INFINITY {
                places.take(Place { apart, row });
                if is_known && row_is_known {
                    of_two.push(apart);
                }
            }
        }
        different.count_all(&of_two);
        of_two.iter().for_each(|&apart| pairs.count(apart));
        ranked.push(places.ranked(codes, query.row()));
    }
    TileOutcome { ranked, same: same.finish(), different: different.finish() }
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

    #[test]
    fn sides_are_heeded_as_asked() {
        let rows = vec![
            row("q.jpg", "t1", "1", Role::Query),
            row("own.jpg", "t2", "2", Role::Gallery),
            row("other.jpg", "t1", "3", Role::Gallery),
            row("unknown.jpg", "t3", "4", Role::Gallery),
        ];
        let at = |degrees: [f32; 4]| {
            unit(&degrees.map(|d| [d.to_radians().cos(), d.to_radians().sin()]).each_ref().map(|v| &v[..]))
        };
        let mut set = EmbeddingSet::new(2, at([0.0, 30.0, 90.0, 60.0]), rows).unwrap();
        for (row, side) in [(0, Side::Left), (1, Side::Left), (2, Side::Right)] {
            set.rows[row].side = Some(side);
        }
        let by = |set: &EmbeddingSet, sides| retrieve_by(set, Rule::Gallery, Matching { sides, ..Matching::default() });
        let order = |found: Retrieval| found.queries[0].nearest.iter().map(|m| m.row).collect::<Vec<_>>();
        assert_eq!(order(by(&set, Sides::Both).unwrap()), [1, 3, 2]);
        let own = by(&set, Sides::Own).unwrap();
        assert_eq!((own.queries[0].counted, own.queries[0].relevant), (2, 0));
        assert_eq!(own.verification.auc, None, "no pair of one individual is seen");
        assert_eq!(order(own), [1, 3]);
        assert!(by(&set, Sides::Mirrored).is_err(), "nobody embedded mirror images");
        // mirrored, only the photo of the other side is elsewhere
        let set = set.with_mirrored(at([180.0, 0.0, 10.0, 0.0])).unwrap();
        assert_eq!(order(by(&set, Sides::Mirrored).unwrap()), [2, 1, 3]);
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
