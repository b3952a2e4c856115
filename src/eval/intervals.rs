//! How far a figure could be off by whom happened to be photographed: bootstrap intervals over individuals.
//!
//! Photos of one individual are alike, so queries are drawn an individual at a time (a cluster bootstrap, Field & Welsh
//! 2007): as many individuals as there are, with replacement, two thousand times; the interval is what lies between the
//! 2.5 and 97.5 percent points of the figure. The draws have a seed: equal rankings have equal intervals. Knows ranks.

use std::collections::BTreeMap;

use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use serde::{Deserialize, Serialize};

use super::retrieval::Retrieval;

/// Draws of individuals.
const DRAWS: usize = 2000;
const SEED: u64 = 666;

/// 95 % intervals of the figures that are means over queries: lower and upper end.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Intervals {
    /// Of rank-1.
    pub rank1: [f64; 2],
    /// Of rank-5.
    pub rank5: [f64; 2],
    /// Of rank-10.
    pub rank10: [f64; 2],
    /// Of mAP.
    pub map: [f64; 2],
    /// Of balanced rank-1.
    pub balanced_rank1: [f64; 2],
    /// Of MAP@R.
    pub map_at_r: [f64; 2],
    /// Of R-precision.
    pub r_precision: [f64; 2],
}

/// An individual's queries: how many, and the sum of each figure over them.
#[derive(Clone, Copy, Default)]
struct Sums {
    queries: f64,
    figures: [f64; 6],
}

/// The intervals of `retrieval`; none where fewer than two individuals have a query with a match.
pub fn intervals(retrieval: &Retrieval) -> Option<Intervals> {
    let mut by_individual: BTreeMap<Option<usize>, Sums> = BTreeMap::new();
    for query in retrieval.queries.iter().filter(|query| query.relevant > 0) {
        let sums = by_individual.entry(query.individual).or_default();
        let within = |most: usize| f64::from(query.first_correct.is_some_and(|rank| rank <= most));
        let or_none = |value: Option<f64>| value.unwrap_or(0.0);
        let precision = [query.average_precision, query.average_precision_at_r, query.r_precision].map(or_none);
        let worth = [within(1), within(5), within(10), precision[0], precision[1], precision[2]];
        sums.queries += 1.0;
        sums.figures.iter_mut().zip(worth).for_each(|(sum, worth)| *sum += worth);
    }
    let individuals: Vec<Sums> = by_individual.into_values().collect();
    if individuals.len() < 2 {
        return None;
    }
    let mut random = ChaCha8Rng::seed_from_u64(SEED);
    let mut drawn: [Vec<f64>; 7] = Default::default();
    for _ in 0..DRAWS {
        let mut all = Sums::default();
        let mut rates = 0.0;
        for _ in 0..individuals.len() {
            let one = &individuals[random.random_range(0..individuals.len())];
            all.queries += one.queries;
            all.figures.iter_mut().zip(one.figures).for_each(|(sum, more)| *sum += more);
            rates += one.figures[0] / one.queries;
        }
        let means = all.figures.map(|sum| sum / all.queries);
        drawn.iter_mut().zip(means).for_each(|(values, mean)| values.push(mean));
        drawn[6].push(rates / individuals.len() as f64);
    }
    let [rank1, rank5, rank10, map, map_at_r, r_precision, balanced_rank1] = drawn.map(middle);
    Some(Intervals { rank1, rank5, rank10, map, balanced_rank1, map_at_r, r_precision })
}

/// The ends of what is left without a fortieth at each end: a 95 % interval of drawn values.
pub(super) fn middle(mut values: Vec<f64>) -> [f64; 2] {
    values.sort_unstable_by(f64::total_cmp);
    let off = values.len() / 40;
    [values[off], values[values.len() - 1 - off]]
}

#[cfg(test)]
mod tests {
    use super::super::embeddings::{EmbeddingSet, Role};
    use super::super::metrics::figures;
    use super::super::retrieval::{Rule, retrieve};
    use super::super::testing::{row, sets, unit};
    use super::*;
    use proptest::prelude::*;

    /// `individuals`, each with `photos` queries that are all right or all wrong in turn.
    fn half_right(individuals: usize, photos: usize) -> Retrieval {
        let (mut rows, mut vectors) = (Vec::new(), Vec::new());
        for who in 0..individuals {
            let angle = who as f32 * 0.01;
            let right: &[f32] = &[angle.cos(), angle.sin(), 0.0];
            let wrong: &[f32] = &[0.0, 0.0, 1.0];
            for n in 0..photos {
                rows.push(row(&format!("{who}-{n}"), &format!("t{who}"), &format!("{n}"), Role::Query));
                vectors.extend(unit(&[if who % 2 == 0 { right } else { wrong }]));
            }
            rows.push(row(&format!("{who}-g"), &format!("t{who}"), "g", Role::Gallery));
            vectors.extend(unit(&[right]));
        }
        retrieve(&EmbeddingSet::new(3, vectors, rows).unwrap(), Rule::OtherEncounters).unwrap()
    }

    #[test]
    fn more_individuals_make_it_narrower_and_more_photos_of_them_do_not() {
        let width = |individuals, photos| {
            let [low, high] = intervals(&half_right(individuals, photos)).unwrap().rank1;
            assert!(low < 0.51 && high > 0.49, "{low} {high}");
            high - low
        };
        let (few, many, often) = (width(16, 2), width(144, 2), width(16, 20));
        // of a share of one half over n individuals: 2 x 1.96 x 0.5 / sqrt(n)
        assert!((few - 0.49).abs() < 0.08, "{few}");
        assert!((many - 0.163).abs() < 0.03, "{many}");
        assert_eq!(few, often);
    }

    #[test]
    fn each_interval_is_around_its_own_figure() {
        // thirty turtles of six photos in one circle: every figure is another number
        let (mut rows, mut vectors) = (Vec::new(), Vec::new());
        for n in 0..180_u32 {
            let role = if n % 3 == 0 { Role::Query } else { Role::Gallery };
            let who = n / 6;
            rows.push(row(&n.to_string(), &format!("t{who}"), &format!("{}", n % 6), role));
            let angle = who as f32 * 0.09 + (n * 7919 % 181) as f32 * 0.0024 + (who % 4 * (n % 2)) as f32 * 0.11;
            vectors.extend(unit(&[&[angle.cos(), angle.sin()]]));
        }
        // one turtle is asked about often
        rows.iter_mut().filter(|row| row.individual == "t3").for_each(|row| row.role = Role::Both);
        let retrieval = retrieve(&EmbeddingSet::new(2, vectors, rows).unwrap(), Rule::OtherEncounters).unwrap();
        let (f, i) = (figures(&retrieval), intervals(&retrieval).unwrap());
        let all = [
            (f.rank1, i.rank1),
            (f.rank5, i.rank5),
            (f.rank10, i.rank10),
            (f.map, i.map),
            (f.balanced_rank1, i.balanced_rank1),
            (f.map_at_r, i.map_at_r),
            (f.r_precision, i.r_precision),
        ];
        for (at, (figure, _)) in all.iter().enumerate() {
            let off = |of: &(Option<f64>, [f64; 2])| (f64::midpoint(of.1[0], of.1[1]) - figure.unwrap()).abs();
            let nearest = (0..all.len()).min_by(|&a, &b| off(&all[a]).total_cmp(&off(&all[b])));
            assert_eq!(nearest, Some(at), "{all:?}");
            assert!(off(&all[at]) < 0.02, "{all:?}");
        }
    }

    #[test]
    fn one_individual_tells_nothing_of_others() {
        assert_eq!(intervals(&half_right(1, 9)), None);
    }

    proptest! {
        #[test]
        fn they_are_shares_and_equal_rankings_have_equal_intervals(set in sets()) {
            let retrieval = retrieve(&set, Rule::OtherEncounters).unwrap();
            let found = intervals(&retrieval);
            prop_assert_eq!(found, intervals(&retrieval));
            let Some(found) = found else { return Ok(()) };
            for [low, high] in [found.rank1, found.map, found.balanced_rank1, found.r_precision] {
                prop_assert!(low >= 0.0 && low <= high && high <= 1.0 + 1e-12);
            }
        }
    }
}
