//! The figures of a ranking, and the same figures for random rankings.
//!
//! The conventions are those of the field's main libraries (pytorch-metric-learning, fast-reid):
//! a query without a photo of its individual is counted and reported, and no figure divides by it.
//! `chance` is exact, in closed form: the expectation over all orders of the photos that each query
//! was ranked against, by the same rule. Knows ranks, not embeddings; only the spread reads those.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::embeddings::EmbeddingSet;
use super::retrieval::{Ranked, Retrieval};
use super::verification::{FALSE_ACCEPT_RATES, TarAtFar, Verification};

/// The figures of one ranking. Shares are from 0 to 1 and not rounded; `None` (null in a file)
/// where no query has a match.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Figures {
    /// Queries in all.
    pub queries: usize,
    /// Photos that could be matched.
    pub gallery: usize,
    /// Queries that were ranked against no photo of their individual. Every figure leaves them out.
    pub queries_without_match: usize,
    /// Share of queries whose nearest photo shows their individual.
    pub rank1: Option<f64>,
    /// Share of queries with their individual among the five nearest.
    pub rank5: Option<f64>,
    /// Share of queries with their individual among the ten nearest.
    pub rank10: Option<f64>,
    /// Mean over queries of the average precision over all photos of their individual.
    pub map: Option<f64>,
    /// Mean over individuals of their rank-1, so that one seen often weighs as one seen rarely.
    pub balanced_rank1: Option<f64>,
    /// MAP@R: mean over queries of the average precision over the first R places, R photos being of their individual.
    #[serde(default)]
    pub map_at_r: Option<f64>,
    /// Mean over queries of the share of those R places that show their individual.
    #[serde(default)]
    pub r_precision: Option<f64>,
    /// Chance that a counted pair of one individual is nearer than one of two.
    #[serde(default)]
    pub auc: Option<f64>,
    /// Share of counted pairs of one individual that a threshold accepts which lets through so many of two.
    #[serde(default)]
    pub tar_at_far: TarAtFar,
}

/// How the embeddings lie. Distances are means over the counted pairs.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Geometry {
    /// Mean distance to photos of the same individual.
    pub distance_same: Option<f64>,
    /// Mean distance to photos of other individuals.
    pub distance_different: Option<f64>,
    /// See [`spread`].
    pub spread: f64,
}

/// What a query is worth for each figure that is a mean over queries.
struct Worth<'a> {
    within: &'a dyn Fn(&Ranked, usize) -> f64,
    precision: &'a dyn Fn(&Ranked) -> f64,
    precision_at_r: &'a dyn Fn(&Ranked) -> f64,
    r_precision: &'a dyn Fn(&Ranked) -> f64,
}

/// The figures of `retrieval`.
pub fn figures(retrieval: &Retrieval) -> Figures {
    let worth = Worth {
        within: &|query, most| f64::from(query.first_correct.is_some_and(|rank| rank <= most)),
        precision: &|query| query.average_precision.unwrap_or(0.0),
        precision_at_r: &|query| query.average_precision_at_r.unwrap_or(0.0),
        r_precision: &|query| query.r_precision.unwrap_or(0.0),
    };
    let Verification { auc, tar_at_far, .. } = retrieval.verification;
    Figures { auc, tar_at_far, ..collect(retrieval, &worth) }
}

/// The expectation of [`figures`] over random rankings of the same photos by the same rule.
pub fn chance(retrieval: &Retrieval) -> Figures {
    let most = retrieval.queries.iter().map(|query| query.counted).max();
    let harmonic = harmonic_numbers(most.unwrap_or(0));
    let worth = Worth {
        within: &|query, most| random_hit(query.counted, query.relevant, most),
        precision: &|query| random_average_precision(query.counted, query.relevant, query.counted, &harmonic),
        precision_at_r: &|query| random_average_precision(query.counted, query.relevant, query.relevant, &harmonic),
        r_precision: &|query| query.relevant as f64 / query.counted as f64,
    };
    // a distance that says nothing accepts as many of one individual as of two
    let pairs = retrieval.verification.auc.is_some();
    let tar_at_far = TarAtFar::of(FALSE_ACCEPT_RATES.map(|far| pairs.then_some(far)));
    Figures { auc: pairs.then_some(0.5), tar_at_far, ..collect(retrieval, &worth) }
}

/// Mean distances over the counted pairs, and the spread of all embeddings of the set.
pub fn geometry(set: &EmbeddingSet, retrieval: &Retrieval) -> Geometry {
    Geometry {
        distance_same: retrieval.same.mean(),
        distance_different: retrieval.different.mean(),
        spread: spread(&set.without_validation()),
    }
}

/// Root mean square distance of the embeddings from their mean: the root of the summed variances.
/// For unit rows it equals sqrt(1 - |mean|^2): near 1 they point in all directions, at 0 they
/// have collapsed into one point and no distance means anything.
pub fn spread(set: &EmbeddingSet) -> f64 {
    let rows = set.len() as f64;
    let mut variance = 0.0;
    for column in 0..set.dim {
        let values = set.vectors.iter().skip(column).step_by(set.dim);
        let mean = values.clone().map(|&x| f64::from(x)).sum::<f64>() / rows;
        let squares = values.map(|&x| (f64::from(x) - mean).powi(2));
        variance += squares.sum::<f64>() / rows;
    }
    variance.sqrt()
}

/// Means over the queries that have a match, of what each of them is worth; no figures of pairs.
fn collect(retrieval: &Retrieval, worth: &Worth<'_>) -> Figures {
    let matched: Vec<&Ranked> = (retrieval.queries.iter()).filter(|query| query.relevant > 0).collect();
    let mean = |worth: &dyn Fn(&Ranked) -> f64| {
        let sum: f64 = matched.iter().map(|query| worth(query)).sum();
        (!matched.is_empty()).then(|| sum / matched.len() as f64)
    };
    let within = |most: usize| move |query: &Ranked| (worth.within)(query, most);
    Figures {
        queries: retrieval.queries.len(),
        gallery: retrieval.gallery,
        queries_without_match: retrieval.queries.len() - matched.len(),
        rank1: mean(&within(1)),
        rank5: mean(&within(5)),
        rank10: mean(&within(10)),
        map: mean(worth.precision),
        balanced_rank1: balanced(&matched, &within(1)),
        map_at_r: mean(worth.precision_at_r),
        r_precision: mean(worth.r_precision),
        auc: None,
        tar_at_far: TarAtFar::default(),
    }
}

fn balanced(matched: &[&Ranked], worth: &dyn Fn(&Ranked) -> f64) -> Option<f64> {
    let mut rates: BTreeMap<Option<usize>, (f64, usize)> = BTreeMap::new();
    for query in matched {
        let (sum, count) = rates.entry(query.individual).or_default();
        *sum += worth(query);
        *count += 1;
    }
    let sum: f64 = rates.values().map(|(sum, count)| sum / *count as f64).sum();
    (!rates.is_empty()).then(|| sum / rates.len() as f64)
}

/// Probability that one of `relevant` among `counted` photos in random order is among the first
/// `most`: one less the product of not drawing any.
fn random_hit(counted: usize, relevant: usize, most: usize) -> f64 {
    let others = counted - relevant;
    let missed = (0..most.min(counted)).map(|drawn| {
        let left = others.saturating_sub(drawn) as f64;
        left / (counted - drawn) as f64
    });
    1.0 - missed.product::<f64>()
}

/// Expected average precision of `relevant` among `counted` photos in random order, over the first `places`. A
/// relevant photo stands at rank i with probability R/N; given that, each of the i - 1 before it is relevant with
/// probability (R-1)/(N-1). Summed over the first K ranks: (H_K + (R-1)/(N-1) (K - H_K)) / N.
fn random_average_precision(counted: usize, relevant: usize, places: usize, harmonic: &[f64]) -> f64 {
    if counted <= 1 {
        return 1.0;
    }
    let (n, r, k, h) = (counted as f64, relevant as f64, places as f64, harmonic[places]);
    (h + (r - 1.0) / (n - 1.0) * (k - h)) / n
}

/// H_0 to H_n.
fn harmonic_numbers(n: usize) -> Vec<f64> {
    let mut sum = 0.0;
    let mut numbers = vec![0.0];
    numbers.extend((1..=n).map(|i| {
        sum += 1.0 / i as f64;
        sum
    }));
    numbers
}

#[cfg(test)]
mod tests {
    use super::super::embeddings::Role;
    use super::super::retrieval::{Rule, average_precision, retrieve};
    use super::super::testing::{row, sets, unit};
    use super::*;
    use proptest::prelude::*;
    use rand::SeedableRng;
    use rand::seq::SliceRandom;
    use rand_chacha::ChaCha8Rng;

    /// Queries as ranked lists of labels, with how many photos of each label there are: the form in
    /// which pytorch-metric-learning states its golden values.
    fn from_labels(queries: &[(usize, &[usize])], counts: &[usize]) -> Retrieval {
        let queries = queries.iter().map(|&(label, list)| {
            let hits: Vec<usize> =
                (list.iter().enumerate()).filter(|(_, found)| **found == label).map(|(before, _)| before + 1).collect();
            let at_r = &hits[..hits.partition_point(|&rank| rank <= counts[label])];
            Ranked {
                query: 0,
                individual: Some(label),
                counted: list.len(),
                relevant: counts[label],
                first_correct: hits.first().copied(),
                average_precision: Some(average_precision(&hits, counts[label])),
                average_precision_at_r: Some(average_precision(at_r, counts[label])),
                r_precision: Some(at_r.len() as f64 / counts[label] as f64),
                nearest: Vec::new(),
            }
        });
        Retrieval {
            rule: Rule::Gallery,
            gallery: counts.iter().sum(),
            queries: queries.collect(),
            same: Default::default(),
            different: Default::default(),
            verification: Default::default(),
        }
    }

    #[test]
    fn golden_values_of_pytorch_metric_learning() {
        let lists: [&[usize]; 6] = [
            &[0, 1, 1, 2, 2],
            &[1, 0, 1, 1, 3],
            &[4, 4, 4, 4, 2],
            &[3, 1, 3, 1, 3],
            &[0, 0, 4, 2, 2],
            &[1, 2, 3, 4, 5],
        ];
        let labels = [1, 1, 2, 3, 4, 0];
        let close = |found: Option<f64>, golden: f64| {
            assert!((found.unwrap() - golden).abs() < 5e-7, "{found:?} {golden}");
        };
        let queries: Vec<_> = labels.into_iter().zip(lists).collect();
        let outside = figures(&from_labels(&queries, &[2, 3, 5, 4, 5]));
        close(outside.rank1, 0.333333);
        close(outside.map, 0.311296);
        close(outside.map_at_r, 0.244630);
        close(outside.r_precision, 0.372222);
        // The queries among the references: the first column is the query itself.
        let queries: Vec<_> = labels.into_iter().zip(lists.map(|list| &list[1..])).collect();
        let inside = figures(&from_labels(&queries, &[1, 2, 4, 3, 4]));
        close(inside.rank1, 0.166667);
        close(inside.map, 0.350694);
        close(inside.map_at_r, 0.267361);
        close(inside.r_precision, 0.388889);
    }

    /// The definitions once more, by counting: nothing here is shared with the code above.
    fn naive(set: &EmbeddingSet, rule: Rule) -> Figures {
        let rows = &set.rows;
        let apart = |a: usize, b: usize| {
            let pairs = set.vector(a).iter().zip(set.vector(b));
            pairs.map(|(x, y)| (f64::from(*x) - f64::from(*y)).powi(2)).sum::<f64>().sqrt()
        };
        let (mut hits, mut precisions, mut at_r, mut within_r) = ([0.0; 3], 0.0, 0.0, 0.0);
        let mut pairs = [Vec::new(), Vec::new()];
        let mut rates = BTreeMap::<String, Vec<f64>>::new();
        let (mut queries, mut matched) = (0, 0);
        for q in (0..rows.len()).filter(|&q| rows[q].role.is_query()) {
            queries += 1;
            let counts = |g: &usize| {
                let (a, b) = (&rows[q], &rows[*g]);
                let shared = !a.encounter.is_empty() && (&a.individual, &a.encounter) == (&b.individual, &b.encounter);
                let there = match rule {
                    Rule::OtherEncounters => b.role.is_gallery() && !shared,
                    Rule::Gallery => b.role.is_gallery(),
                    Rule::Everything => b.role != Role::None,
                };
                there && *g != q
            };
            let counted: Vec<usize> = (0..rows.len()).filter(counts).collect();
            let right = |g: &usize| !rows[q].individual.is_empty() && rows[q].individual == rows[*g].individual;
            for &g in counted.iter().filter(|g| !rows[q].individual.is_empty() && !rows[**g].individual.is_empty()) {
                pairs[usize::from(right(&g))].push(apart(q, g));
            }
            // How many stand before a photo or at its place.
            let rank = |of: usize| {
                let before = |g: &&usize| (apart(q, **g), **g) <= (apart(q, of), of);
                counted.iter().filter(before).count()
            };
            let mut ranks: Vec<usize> = counted.iter().filter(|g| right(g)).map(|g| rank(*g)).collect();
            ranks.sort();
            let Some(first) = ranks.first() else { continue };
            matched += 1;
            for (hit, most) in hits.iter_mut().zip([1, 5, 10]) {
                *hit += f64::from(*first <= most);
            }
            let at = |i: usize| (i + 1) as f64 / ranks[i] as f64;
            precisions += (0..ranks.len()).map(at).sum::<f64>() / ranks.len() as f64;
            let early: Vec<usize> = (0..ranks.len()).filter(|&i| ranks[i] <= ranks.len()).collect();
            at_r += early.iter().map(|&i| at(i)).sum::<f64>() / ranks.len() as f64;
            within_r += early.len() as f64 / ranks.len() as f64;
            let rate = rates.entry(rows[q].individual.clone()).or_default();
            rate.push(f64::from(*first == 1));
        }
        let worth = |same: f64, different: f64| f64::from(same < different) + 0.5 * f64::from(same == different);
        let won: f64 = pairs[1].iter().flat_map(|&s| pairs[0].iter().map(move |&d| worth(s, d))).sum();
        let share = |sum: f64, of: usize| (of > 0).then(|| sum / of as f64);
        let individuals = rates.len();
        let rate = |list: &Vec<f64>| list.iter().sum::<f64>() / list.len() as f64;
        Figures {
            queries,
            gallery: rows
                .iter()
                .filter(|r| match rule {
                    Rule::Everything => r.role != Role::None,
                    _ => r.role.is_gallery(),
                })
                .count(),
            queries_without_match: queries - matched,
            rank1: share(hits[0], matched),
            rank5: share(hits[1], matched),
            rank10: share(hits[2], matched),
            map: share(precisions, matched),
            balanced_rank1: share(rates.values().map(rate).sum(), individuals),
            map_at_r: share(at_r, matched),
            r_precision: share(within_r, matched),
            auc: share(won, pairs[0].len() * pairs[1].len()),
            tar_at_far: TarAtFar::default(), // counted in the tests of `verification`
        }
    }

    fn list(figures: &Figures) -> [Option<f64>; 7] {
        let Figures { rank1, rank5, rank10, map, balanced_rank1, map_at_r, r_precision, .. } = *figures;
        [rank1, rank5, rank10, map, balanced_rank1, map_at_r, r_precision]
    }

    const RULES: [Rule; 3] = [Rule::OtherEncounters, Rule::Gallery, Rule::Everything];

    proptest! {
        #[test]
        fn figures_equal_a_naive_count(set in sets()) {
            for rule in RULES {
                let ours = figures(&retrieve(&set, rule).unwrap());
                let theirs = naive(&set, rule);
                prop_assert_eq!(
                    (ours.queries, ours.gallery, ours.queries_without_match),
                    (theirs.queries, theirs.gallery, theirs.queries_without_match)
                );
                let with_pairs = |figures: &Figures| list(figures).into_iter().chain([figures.auc]).collect::<Vec<_>>();
                for (a, b) in with_pairs(&ours).into_iter().zip(with_pairs(&theirs)) {
                    match (a, b) {
                        (Some(a), Some(b)) => prop_assert!((a - b).abs() < 1e-12, "{a} {b}"),
                        (a, b) => prop_assert_eq!(a, b),
                    }
                }
            }
        }

        #[test]
        fn figures_and_chance_are_shares_and_grow_with_rank(set in sets()) {
            for rule in RULES {
                let retrieval = retrieve(&set, rule).unwrap();
                for figures in [figures(&retrieval), chance(&retrieval)] {
                    for share in list(&figures).into_iter().flatten() {
                        prop_assert!((0.0..=1.0 + 1e-12).contains(&share));
                    }
                    prop_assert!(figures.rank1 <= figures.rank5.map(|r| r + 1e-12));
                    prop_assert!(figures.rank5 <= figures.rank10.map(|r| r + 1e-12));
                    prop_assert_eq!(
                        figures.rank1.is_none(),
                        figures.queries == figures.queries_without_match
                    );
                }
            }
        }

        #[test]
        fn the_order_of_the_rows_does_not_matter_without_ties(
            turtles in prop::collection::vec((0_usize..4, 0_usize..3, any::<bool>()), 2..25),
            seed in any::<u64>(),
        ) {
            // One angle a photo, with gaps that are all different: no two distances are equal.
            let mut photos: Vec<_> = (turtles.iter().enumerate())
                .map(|(i, &(who, when, query))| {
                    let role = match i { 0 => Role::Query, 1 => Role::Gallery, _ => Role::of(query, !query) };
                    let angle = (i as f32).powf(1.37) * 0.013;
                    let photo = row(&format!("{i}"), &format!("t{who}"), &format!("{when}"), role);
                    (photo, unit(&[&[angle.cos(), angle.sin()]]))
                })
                .collect();
            let build = |photos: &[(super::super::embeddings::PhotoRow, Vec<f32>)]| {
                let vectors = photos.iter().flat_map(|(_, v)| v.clone()).collect();
                let rows = photos.iter().map(|(r, _)| r.clone()).collect();
                EmbeddingSet::new(2, vectors, rows).unwrap()
            };
            let before = figures(&retrieve(&build(&photos), Rule::OtherEncounters).unwrap());
            photos.shuffle(&mut ChaCha8Rng::seed_from_u64(seed));
            let after = figures(&retrieve(&build(&photos), Rule::OtherEncounters).unwrap());
            for (a, b) in list(&before).into_iter().zip(list(&after)) {
                prop_assert!((a.unwrap_or(-1.0) - b.unwrap_or(-1.0)).abs() < 1e-12);
            }
        }

        #[test]
        fn perfect_embeddings_score_one(set in sets()) {
            // Every individual its own axis; the unknown ones share the fifth.
            let mut perfect = set.clone();
            perfect.dim = 5;
            perfect.vectors = (set.rows.iter())
                .flat_map(|r| {
                    let axis = "abcd".find(&r.individual).filter(|_| !r.individual.is_empty());
                    (0..5).map(move |i| if Some(i) == axis.or(Some(4)) { 1.0 } else { 0.0 })
                })
                .collect();
            for rule in RULES {
                let figures = figures(&retrieve(&perfect, rule).unwrap());
                for share in list(&figures).into_iter().flatten() {
                    prop_assert_eq!(share, 1.0);
                }
            }
        }
    }

    #[test]
    fn chance_is_what_random_rankings_score() {
        let mut rows = vec![];
        for i in 0..40 {
            let (who, when) = (["a", "b", "c"][i % 7 % 3], ["1", "2", "3", ""][i % 4]);
            let role = Role::of(i % 3 == 0, i % 3 != 0 || i % 9 == 0);
            rows.push(row(&format!("{i}"), who, when, role));
        }
        let mut rng = ChaCha8Rng::seed_from_u64(7);
        for rule in RULES {
            let mut sums = [0.0; 7];
            let mut exact = None;
            let draws = 4000;
            for _ in 0..draws {
                let retrieval = random_ranking(&rows, rule, &mut rng);
                exact = Some(list(&chance(&retrieval)));
                for (sum, share) in sums.iter_mut().zip(list(&figures(&retrieval))) {
                    *sum += share.unwrap() / f64::from(draws);
                }
            }
            for (mean, exact) in sums.into_iter().zip(exact.unwrap()) {
                assert!((mean - exact.unwrap()).abs() < 0.01, "{mean} {exact:?}");
            }
        }
    }

    /// The retrieval of a set, with every query's list shuffled.
    fn random_ranking(rows: &[super::super::embeddings::PhotoRow], rule: Rule, rng: &mut ChaCha8Rng) -> Retrieval {
        let set = EmbeddingSet::new(1, vec![1.0; rows.len()], rows.to_vec()).unwrap();
        let mut retrieval = retrieve(&set, rule).unwrap();
        for query in &mut retrieval.queries {
            let mut places: Vec<usize> = (1..=query.counted).collect();
            places.shuffle(rng);
            let mut hits = places[..query.relevant].to_vec();
            hits.sort();
            query.first_correct = hits.first().copied();
            let at_r = &hits[..hits.partition_point(|&rank| rank <= hits.len())];
            query.average_precision = (!hits.is_empty()).then(|| average_precision(&hits, hits.len()));
            query.average_precision_at_r = (!hits.is_empty()).then(|| average_precision(at_r, hits.len()));
            query.r_precision = (!hits.is_empty()).then(|| at_r.len() as f64 / hits.len() as f64);
        }
        retrieval
    }

    #[test]
    fn balanced_weighs_individuals_alike() {
        let rows = vec![
            row("1", "often", "1", Role::Query),
            row("2", "often", "2", Role::Query),
            row("3", "often", "3", Role::Query),
            row("4", "seldom", "1", Role::Query),
            row("5", "alone", "1", Role::Query),
            row("6", "often", "9", Role::Gallery),
            row("7", "seldom", "9", Role::Gallery),
        ];
        let x: &[f32] = &[1.0, 0.0];
        let y: &[f32] = &[0.0, 1.0];
        let set = EmbeddingSet::new(2, unit(&[x, x, x, x, x, x, y]), rows).unwrap();
        let found = figures(&retrieve(&set, Rule::OtherEncounters).unwrap());
        assert_eq!(found.queries_without_match, 1);
        assert_eq!(found.rank1, Some(0.75));
        assert_eq!(found.balanced_rank1, Some(0.5));
    }

    #[test]
    fn spread_tells_a_collapse() {
        let rows = |n: usize| (0..n).map(|i| row(&format!("{i}"), "a", "", Role::None)).collect();
        let axes = unit(&[&[1.0, 0.0], &[-1.0, 0.0], &[0.0, 1.0], &[0.0, -1.0]]);
        let open = EmbeddingSet::new(2, axes, rows(4)).unwrap();
        assert!((spread(&open) - 1.0).abs() < 1e-12);
        let shut = EmbeddingSet::new(2, [1.0, 0.0].repeat(4), rows(4)).unwrap();
        assert_eq!(spread(&shut), 0.0);
    }

    #[test]
    fn geometry_averages_counted_pairs() {
        let rows = vec![
            row("q", "a", "1", Role::Query),
            row("near", "a", "1", Role::Gallery),
            row("far", "a", "2", Role::Gallery),
            row("else", "b", "1", Role::Gallery),
        ];
        let vectors = unit(&[&[1.0, 0.0], &[1.0, 0.1], &[0.0, 1.0], &[-1.0, 0.0]]);
        let set = EmbeddingSet::new(2, vectors, rows).unwrap();
        let honest = geometry(&set, &retrieve(&set, Rule::OtherEncounters).unwrap());
        assert!((honest.distance_same.unwrap() - 2.0_f64.sqrt()).abs() < 1e-6);
        assert!((honest.distance_different.unwrap() - 2.0).abs() < 1e-6);
    }
}
