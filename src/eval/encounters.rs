//! All photos of an encounter as one query: what a field biologist has in hand, and asks about as a whole.
//!
//! Two rules: the mean of the photos' embeddings, brought back to length 1, or the nearest pair of a photo of the
//! encounter and one of the gallery. Everything else is as for photos: what is left out, ties, figures.

use std::collections::HashMap;

use serde::{Deserialize, Serialize};

use super::Result;
use super::embeddings::{EmbeddingSet, PhotoRow};
use super::intervals::{self, Intervals};
use super::matching::Matching;
use super::metrics::{self, Figures};
use super::retrieval::{Query, Ranker, Rule};

/// Figures where a query is an encounter.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct EncounterQueries {
    /// By the mean of an encounter's embeddings.
    #[serde(flatten)]
    pub figures: Figures,
    /// By the nearest pair.
    pub best_pair: Figures,
    /// 95 % intervals of the figures by the mean, as those of photos.
    #[serde(default)]
    pub intervals: Option<Intervals>,
}

/// The figures of a set by `rule` and `matching`, a query being all query photos of an encounter.
///
/// # Errors
/// As [`Ranker::rank`].
pub(super) fn figures(ranker: &Ranker<'_>, rule: Rule, matching: Matching) -> Result<EncounterQueries> {
    let set = ranker.set();
    let encounters = encounters(set);
    let means: Vec<Vec<f32>> = encounters.iter().map(|photos| mean(set, photos)).collect();
    let by_mean = encounters.iter().zip(&means);
    let by_mean = by_mean.map(|(photos, mean)| Query {
        photos: photos.clone(),
        vectors: vec![&mean[..]],
        side: set.side_of(photos),
    });
    let by_mean = ranker.rank(rule, matching, by_mean.collect())?;
    let by_pair = encounters.into_iter().map(|photos| {
        let vectors = photos.iter().map(|&row| set.vector(row)).collect();
        let side = set.side_of(&photos);
        Query { photos, vectors, side }
    });
    let best_pair = metrics::figures(&ranker.rank(rule, matching, by_pair.collect())?);
    Ok(EncounterQueries { figures: metrics::figures(&by_mean), best_pair, intervals: intervals::intervals(&by_mean) })
}

/// Rows of the queries, by encounter, in the order of their first. Who nobody knows and what nobody dated is alone.
fn encounters(set: &EmbeddingSet) -> Vec<Vec<usize>> {
    let mut places: HashMap<(&str, &str), usize> = HashMap::new();
    let mut groups: Vec<Vec<usize>> = Vec::new();
    for row in set.queries() {
        let PhotoRow { individual, encounter, .. } = &set.rows[row];
        let is_alone = individual.is_empty() || encounter.is_empty();
        let next = groups.len();
        let at = if is_alone { next } else { *places.entry((individual, encounter)).or_insert(next) };
        match groups.get_mut(at) {
            Some(group) => group.push(row),
            None => groups.push(vec![row]),
        }
    }
    groups
}

/// The mean of embeddings, of length 1; the first of them where they cancel out.
fn mean(set: &EmbeddingSet, photos: &[usize]) -> Vec<f32> {
    let mut sums = vec![0.0_f64; set.dim];
    for &row in photos {
        sums.iter_mut().zip(set.vector(row)).for_each(|(sum, &x)| *sum += f64::from(x));
    }
    let length = sums.iter().map(|x| x * x).sum::<f64>().sqrt();
    if photos.len() == 1 || length < 1e-6 {
        return set.vector(photos[0]).to_vec();
    }
    sums.iter().map(|x| (x / length) as f32).collect()
}

#[cfg(test)]
mod tests {
    use super::super::embeddings::Role;
    use super::super::retrieval::retrieve;
    use super::super::testing::{row, sets, unit};
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn an_encounter_is_one_query_and_both_rules_see_what_they_say() {
        // One photo of the encounter looks like its turtle; the other, and their mean, like another one.
        let rows = vec![
            row("1.jpg", "t1", "2020-07-01", Role::Query),
            row("2.jpg", "t1", "2020-07-01", Role::Query),
            row("3.jpg", "t1", "2020-07-01", Role::Gallery),
            row("4.jpg", "t1", "2021-07-01", Role::Gallery),
            row("5.jpg", "t2", "2021-07-01", Role::Gallery),
        ];
        let at = |degrees: f32| [degrees.to_radians().cos(), degrees.to_radians().sin()];
        let vectors = unit(&[&at(0.0), &at(60.0), &at(30.0), &at(-5.0), &at(40.0)]);
        let set = EmbeddingSet::new(2, vectors, rows).unwrap();
        let found = figures(&Ranker::new(&set).unwrap(), Rule::OtherEncounters, Matching::default()).unwrap();
        assert_eq!((found.figures.queries, found.figures.gallery), (1, 3));
        assert_eq!((found.figures.rank1, found.best_pair.rank1), (Some(0.0), Some(1.0)));
        let careless = figures(&Ranker::new(&set).unwrap(), Rule::Gallery, Matching::default()).unwrap();
        assert_eq!(careless.figures.rank1, Some(1.0), "its own encounter's photo is nearest the mean");
    }

    #[test]
    fn unknown_and_undated_photos_are_alone() {
        let rows = vec![
            row("1.jpg", "", "2020-07-01", Role::Query),
            row("2.jpg", "", "2020-07-01", Role::Query),
            row("3.jpg", "t1", "", Role::Both),
            row("4.jpg", "t1", "", Role::Query),
            row("5.jpg", "t1", "2021-07-01", Role::Query),
            row("6.jpg", "t1", "2021-07-01", Role::Both),
        ];
        let set = EmbeddingSet::new(1, vec![1.0; 6], rows).unwrap();
        assert_eq!(encounters(&set), [vec![0], vec![1], vec![2], vec![3], vec![4, 5]]);
    }

    proptest! {
        #[test]
        fn where_every_photo_is_alone_encounters_are_photos(mut set in sets()) {
            set.rows.iter_mut().for_each(|row| row.encounter.clear());
            for rule in [Rule::OtherEncounters, Rule::Gallery] {
                let photos = metrics::figures(&retrieve(&set, rule).unwrap());
                let found = figures(&Ranker::new(&set).unwrap(), rule, Matching::default()).unwrap();
                prop_assert_eq!((found.figures, found.best_pair), (photos, photos));
            }
        }
    }
}
