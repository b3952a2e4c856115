//! Two evaluations on the same queries: which each gets right and the other does not, and whether that could be luck.
//!
//! Queries of one individual stand or fall together, so a test over queries would be far too sure. Both the interval
//! and the p value of a difference go over individuals: a bootstrap of individuals, and the share of all ways of
//! swapping the two models individual by individual that differ at least as much (a paired randomisation test, Smucker,
//! Allan & Carterette 2007). McNemar's exact test over queries is told beside it, for those who expect it.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::path::{Path, PathBuf};

use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use serde::Serialize;

use super::embeddings::EmbeddingSet;
use super::intervals::middle;
use super::report::{REPORT_FILE, Report};
use super::retrieval::{Ranked, retrieve_by};
use super::{Error, Result};

pub mod words;

/// Draws of individuals, and of swaps where there are too many ways to go through.
const DRAWS: usize = 10_000;
/// With so many individuals or fewer every way of swapping is gone through.
const ALL_SWAPS: usize = 13;
const SEED: u64 = 666;

/// An evaluation as its folder holds it.
#[derive(Clone, Debug)]
pub struct Side {
    /// The folder.
    pub folder: PathBuf,
    /// Its figures.
    pub report: Report,
    set: EmbeddingSet,
    queries: HashMap<String, Ranked>,
}

impl Side {
    /// Reads the evaluation in `folder` and ranks its queries again.
    ///
    /// # Errors
    /// When a file is missing or damaged.
    pub fn read(folder: &Path) -> Result<Side> {
        let report = Report::read(&folder.join(REPORT_FILE))?;
        let set = EmbeddingSet::read(folder)?;
        let ranked = retrieve_by(&set, report.excluded.rule(), report.matching)?.queries;
        let queries = ranked.into_iter().map(|query| (set.rows[query.query].photo.clone(), query)).collect();
        Ok(Side { folder: folder.to_owned(), report, set, queries })
    }

    fn individual(&self, query: &Ranked) -> &str {
        &self.set.rows[query.query].individual
    }

    fn gallery(&self) -> HashSet<&str> {
        self.set.gallery().into_iter().map(|row| self.set.rows[row].photo.as_str()).collect()
    }
}

/// A query that one of the two gets right at rank 1.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Parted {
    /// The photo.
    pub photo: String,
    /// Who is on it.
    pub individual: String,
    /// Rank of the nearest photo of its individual, for the first and the second.
    pub ranks: [usize; 2],
}

/// A figure of both, and how far the second is above the first.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Difference {
    /// The figure of the first and of the second.
    pub values: [f64; 2],
    /// Second less first.
    pub difference: f64,
    /// Its 95 % interval, by a bootstrap over individuals; none with a single one.
    pub interval: Option<[f64; 2]>,
    /// Share of ways to swap the two, individual by individual, that differ at least as much.
    pub p: f64,
}

/// What two evaluations come to against each other.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Versus {
    /// What the two measured.
    pub models: [String; 2],
    /// Queries with a match that both were asked.
    pub queries: usize,
    /// Queries of the first, of the second, that the other was not asked, or had no match for.
    pub queries_of_one: [usize; 2],
    /// Queries that both were asked and whose individual they call differently: left out.
    pub named_differently: usize,
    /// Whether both searched the same photos.
    pub same_gallery: bool,
    /// Individuals among the queries.
    pub individuals: usize,
    /// Rank-1.
    pub rank1: Difference,
    /// Mean average precision.
    pub map: Difference,
    /// Queries that both get right at rank 1, that none does.
    pub both: usize,
    /// See `both`.
    pub neither: usize,
    /// Queries that only the first gets right.
    pub only_first: Vec<Parted>,
    /// Queries that only the second gets right.
    pub only_second: Vec<Parted>,
    /// McNemar's exact test, two-sided, as if queries were independent of each other.
    pub mcnemar_p: f64,
}

/// Holds `first` against `second`.
///
/// # Errors
/// When the two left different photos out of the gallery, or there is no query with a match that both were asked.
pub fn versus(first: &Side, second: &Side) -> Result<Versus> {
    let rules = [first, second].map(|side| side.report.excluded);
    if rules[0] != rules[1] {
        return Err(Error::Set(format!(
            "{} was evaluated with {}, {} with {}: figures by different rules cannot be compared; evaluate both with one --exclude",
            first.report.context.model,
            rules[0].words(),
            second.report.context.model,
            rules[1].words()
        )));
    }
    let mut common: Vec<(&str, &Ranked, &Ranked)> = Vec::new();
    let (mut named_differently, mut comparable) = (0, 0);
    for (photo, a) in &first.queries {
        let Some(b) = second.queries.get(photo) else { continue };
        if first.individual(a) != second.individual(b) {
            named_differently += 1;
        } else if a.relevant > 0 && b.relevant > 0 {
            common.push((photo, a, b));
        } else if a.relevant == b.relevant {
            comparable += 1; // both had nothing to find
        }
    }
    comparable += common.len();
    common.sort_by(|a, b| a.0.cmp(b.0));
    if common.is_empty() {
        return Err(Error::Set(format!(
            "{} and {} have no query with a match in common: evaluate both on the same photos and parts",
            first.report.context.model, second.report.context.model
        )));
    }
    let mut by_individual: BTreeMap<&str, Pairs> = BTreeMap::new();
    let (mut only_first, mut only_second, mut both, mut neither) = (Vec::new(), Vec::new(), 0, 0);
    for &(photo, a, b) in &common {
        let individual = first.individual(a);
        let right = |ranked: &Ranked| ranked.first_correct == Some(1);
        let precision = |ranked: &Ranked| ranked.average_precision.unwrap_or(0.0);
        let pairs = by_individual.entry(individual).or_default();
        pairs.rank1.push([a, b].map(|ranked| f64::from(right(ranked))));
        pairs.map.push([a, b].map(precision));
        let parted = || Parted {
            photo: photo.to_owned(),
            individual: individual.to_owned(),
            ranks: [a, b].map(|ranked| ranked.first_correct.unwrap_or(0)),
        };
        match (right(a), right(b)) {
            (true, true) => both += 1,
            (false, false) => neither += 1,
            (true, false) => only_first.push(parted()),
            (false, true) => only_second.push(parted()),
        }
    }
    let rank1: Vec<_> = by_individual.values().map(|pairs| Sums::of(&pairs.rank1)).collect();
    let map: Vec<_> = by_individual.values().map(|pairs| Sums::of(&pairs.map)).collect();
    Ok(Versus {
        models: [first, second].map(|side| side.report.context.model.clone()),
        queries: common.len(),
        queries_of_one: [first, second].map(|side| side.queries.len() - comparable - named_differently),
        named_differently,
        same_gallery: first.gallery() == second.gallery(),
        individuals: by_individual.len(),
        rank1: difference(&rank1),
        map: difference(&map),
        both,
        neither,
        mcnemar_p: mcnemar(only_first.len(), only_second.len()),
        only_first,
        only_second,
    })
}

/// What the two are worth for the queries of an individual.
#[derive(Default)]
struct Pairs {
    rank1: Vec<[f64; 2]>,
    map: Vec<[f64; 2]>,
}

/// Sums over an individual's queries.
#[derive(Clone, Copy)]
struct Sums {
    queries: f64,
    values: [f64; 2],
}

impl Sums {
    fn of(pairs: &[[f64; 2]]) -> Sums {
        let sum = |side: usize| pairs.iter().map(|pair| pair[side]).sum();
        Sums { queries: pairs.len() as f64, values: [sum(0), sum(1)] }
    }

    fn gain(&self) -> f64 {
        self.values[1] - self.values[0]
    }
}

fn difference(individuals: &[Sums]) -> Difference {
    let queries: f64 = individuals.iter().map(|one| one.queries).sum();
    let value = |side: usize| individuals.iter().map(|one| one.values[side]).sum::<f64>() / queries;
    let values = [value(0), value(1)];
    let mut random = ChaCha8Rng::seed_from_u64(SEED);
    let drawn: Vec<f64> = (0..DRAWS)
        .map(|_| {
            let (mut gain, mut queries) = (0.0, 0.0);
            for _ in 0..individuals.len() {
                let one = &individuals[random.random_range(0..individuals.len())];
                (gain, queries) = (gain + one.gain(), queries + one.queries);
            }
            gain / queries
        })
        .collect();
    let gains: Vec<f64> = individuals.iter().map(Sums::gain).collect();
    Difference {
        values,
        difference: values[1] - values[0],
        interval: (individuals.len() > 1).then(|| middle(drawn)),
        p: swapped(&gains),
    }
}

/// Share of sign changes of `gains` whose sum is at least as far from nought as that of `gains` themselves.
fn swapped(gains: &[f64]) -> f64 {
    // sums of the same numbers in another order differ in the last bits
    let reached = gains.iter().sum::<f64>().abs() - 1e-9;
    let sum = |is_swapped: &mut dyn FnMut(usize) -> bool| {
        let signed = gains.iter().enumerate().map(|(n, &gain)| if is_swapped(n) { -gain } else { gain });
        signed.sum::<f64>().abs()
    };
    if gains.len() <= ALL_SWAPS {
        let ways = 1_u32 << gains.len();
        let far = (0..ways).filter(|way| sum(&mut |n| way >> n & 1 == 1) >= reached).count();
        return far as f64 / f64::from(ways);
    }
    let mut random = ChaCha8Rng::seed_from_u64(SEED);
    let far = (0..DRAWS).filter(|_| sum(&mut |_| random.random::<bool>()) >= reached).count();
    // the swap that was observed counts as one of those drawn
    (far + 1) as f64 / (DRAWS + 1) as f64
}

/// Two-sided exact test that of the queries only one gets right both get as many.
fn mcnemar(first: usize, second: usize) -> f64 {
    let n = first + second;
    let ln_factorial: Vec<f64> = std::iter::once(0.0)
        .chain((1..=n).scan(0.0, |sum, k| {
            *sum += (k as f64).ln();
            Some(*sum)
        }))
        .collect();
    let binomial = |k: usize| (ln_factorial[n] - ln_factorial[k] - ln_factorial[n - k] - n as f64 * 2_f64.ln()).exp();
    let tail: f64 = (0..=first.min(second)).map(binomial).sum();
    (2.0 * tail).min(1.0)
}

#[cfg(test)]
mod tests {
    use super::super::embeddings::Role;
    use super::super::report::{Excluded, evaluate, tests::context, write};
    use super::super::testing::{row, unit};
    use super::*;
    use proptest::prelude::*;

    /// An evaluation of `right.len()` turtles with `photos` queries each, of which a turtle's are all right or all wrong.
    fn side(dir: &Path, name: &str, right: &[bool], photos: usize) -> Side {
        let (mut rows, mut vectors) = (Vec::new(), Vec::new());
        for (who, &right) in right.iter().enumerate() {
            let axis = |at: usize| (0..=4 * 16).map(|n| f32::from(n == at)).collect::<Vec<f32>>();
            let own = axis(who);
            let seen = if right { own.clone() } else { axis((who + 1) % 16) };
            for n in 0..photos {
                rows.push(row(&format!("{who}-{n}.jpg"), &format!("t{who}"), &format!("{n}"), Role::Query));
                vectors.extend(unit(&[&seen]));
            }
            rows.push(row(&format!("{who}-g.jpg"), &format!("t{who}"), "g", Role::Gallery));
            vectors.extend(unit(&[&own]));
        }
        let set = EmbeddingSet::new(65, vectors, rows).unwrap();
        let evaluation = evaluate(&set, Excluded::Encounter).unwrap();
        let folder = dir.join(name);
        std::fs::create_dir_all(&folder).unwrap();
        let mut about = context();
        about.model = name.to_owned();
        write(&folder, &set, &evaluation, &Report::new(about, &evaluation), &[]).unwrap();
        Side::read(&folder).unwrap()
    }

    #[test]
    fn who_gets_what_is_told_and_many_photos_of_few_individuals_prove_little() {
        let dir = tempfile::tempdir().unwrap();
        let first = side(dir.path(), "a", &[true, false, false, false], 9);
        let second = side(dir.path(), "b", &[true, true, true, false], 9);
        let found = versus(&first, &second).unwrap();
        assert_eq!((found.queries, found.individuals, found.both, found.neither), (36, 4, 9, 9));
        assert_eq!((found.only_first.len(), found.only_second.len()), (0, 18));
        assert_eq!(found.only_second[0].photo, "1-0.jpg");
        assert_eq!(found.only_second[0].ranks[1], 1);
        assert_eq!(found.rank1.values, [0.25, 0.75]);
        assert!(found.same_gallery && found.queries_of_one == [0, 0]);
        // over queries it looks proven; over the four turtles it is two heads of two coins
        assert!(found.mcnemar_p < 1e-4, "{}", found.mcnemar_p);
        assert_eq!(found.rank1.p, 0.5);
        assert!(found.rank1.interval.unwrap()[0] <= 0.0, "{:?}", found.rank1);
        let back = versus(&second, &first).unwrap();
        assert_eq!((back.rank1.difference, back.rank1.p), (-0.5, 0.5));
        assert_eq!(back.only_first.len(), 18);
    }

    #[test]
    fn an_evaluation_against_itself_is_no_difference_and_strangers_are_refused() {
        let dir = tempfile::tempdir().unwrap();
        let one = side(dir.path(), "a", &[true, false, true], 2);
        let found = versus(&one, &one).unwrap();
        assert_eq!((found.rank1.difference, found.rank1.p, found.mcnemar_p), (0.0, 1.0, 1.0));
        let mut other = one.clone();
        other.queries = HashMap::new();
        let refused = versus(&one, &other).unwrap_err().to_string();
        assert!(refused.contains("no query with a match in common"), "{refused}");
        other = one.clone();
        other.report.excluded = Excluded::None;
        let refused = versus(&one, &other).unwrap_err().to_string();
        assert!(refused.contains("by different rules"), "{refused}");
        // other names for the same photos are another question; one individual has no interval
        other = one.clone();
        for row in other.set.rows.iter_mut().filter(|row| row.individual != "t0") {
            row.individual.push('x');
        }
        let found = versus(&one, &other).unwrap();
        assert_eq!((found.queries, found.named_differently, found.queries_of_one), (2, 4, [0, 0]));
        assert_eq!(found.rank1.interval, None);
    }

    #[test]
    fn golden_values_of_mcnemar() {
        // scipy.stats.binomtest(k, n, 0.5).pvalue
        for (first, second, p) in [(1, 9, 0.021484375), (5, 5, 1.0), (0, 0, 1.0), (3, 12, 0.03515625), (0, 6, 0.03125)]
        {
            assert!((mcnemar(first, second) - p).abs() < 1e-12, "{first} {second}: {}", mcnemar(first, second));
        }
    }

    proptest! {
        #[test]
        fn drawn_swaps_come_near_all_swaps(gains in prop::collection::vec(-3_i32..=3, 1..12)) {
            let gains: Vec<f64> = gains.into_iter().map(f64::from).collect();
            let all = swapped(&gains);
            // individuals without a gain change no sum, but are too many to go through
            let drawn = swapped(&[&gains[..], &[0.0; 14]].concat());
            prop_assert!((all - drawn).abs() < 0.03, "{all} {drawn}");
        }
    }
}
