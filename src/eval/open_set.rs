//! Animals that nobody has met: are they called new, and the known ones still by their names?
//!
//! BAKS and BAUS as wildlife-datasets has them, and their geometric mean, the score of AnimalCLEF 2025. A query is
//! called new where its nearest photo is farther than a threshold, else by that photo's name. The threshold is never
//! chosen on the queries: photos of the part `validation` choose it, as the one with the highest score there. New
//! individuals among those are asked as they are; where there are none, each individual is asked once more with its own
//! photos taken out of the gallery.

use std::collections::{BTreeMap, HashSet};

use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use super::embeddings::{EmbeddingSet, Role};
use super::retrieval::{Codes, Query, Retrieval, Rule};

/// How new and known individuals were told apart. All `None` where no query is new; figures also where nothing could
/// choose a threshold.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct OpenSet {
    /// Queries whose individual has no photo in the gallery.
    #[serde(default)]
    pub new_queries: usize,
    /// Mean over known individuals of the share of their queries that get their name.
    pub baks: Option<f64>,
    /// Mean over new individuals of the share of their queries that are called new.
    pub baus: Option<f64>,
    /// Geometric mean of the two.
    pub open_set_score: Option<f64>,
    /// A query whose nearest photo is farther is called new.
    pub threshold: Option<f64>,
    /// What chose the threshold.
    pub threshold_chosen_on: Option<ChosenOn>,
}

/// What chose a threshold.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ChosenOn {
    /// Known and new individuals of the validation part.
    NewIndividuals,
    /// The validation part's individuals, as new once their photos were taken out of the gallery.
    IndividualsTakenOut,
}

/// A photo that was asked about, whose name is known to who judges.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Asked<'a> {
    individual: &'a str,
    /// It has no photo in the gallery.
    is_new: bool,
    /// To the photo whose name it would get.
    distance: f64,
    /// That name is right.
    correct: bool,
}

/// The figures of `set`, whose queries were ranked as `retrieval` by its rule.
pub fn open_set(set: &EmbeddingSet, retrieval: &Retrieval) -> OpenSet {
    let gallery = named(set);
    let new_queries = set.queries().into_iter().filter(|&row| is_new(set, &gallery, row)).count();
    let chosen = if new_queries > 0 { threshold(set, &gallery, retrieval.rule) } else { None };
    let Some((threshold, chosen_on)) = chosen else { return OpenSet { new_queries, ..OpenSet::default() } };
    let queries: Vec<Asked> = (retrieval.queries.iter())
        .filter(|query| query.individual.is_some())
        .filter_map(|query| {
            let nearest = query.nearest.first()?;
            let is_new = is_new(set, &gallery, query.query);
            // known, but by nothing that is left in its gallery: neither answer would be right
            (is_new || query.relevant > 0).then(|| Asked {
                individual: &set.rows[query.query].individual,
                is_new,
                distance: nearest.distance,
                correct: nearest.correct,
            })
        })
        .collect();
    let (baks, baus) = rates(&queries, threshold);
    OpenSet {
        new_queries,
        baks,
        baus,
        open_set_score: baks.zip(baus).map(|(a, b)| (a * b).sqrt()),
        threshold: Some(threshold),
        threshold_chosen_on: Some(chosen_on),
    }
}

fn named(set: &EmbeddingSet) -> HashSet<&str> {
    set.gallery().into_iter().map(|row| set.rows[row].individual.as_str()).filter(|name| !name.is_empty()).collect()
}

fn is_new(set: &EmbeddingSet, gallery: &HashSet<&str>, row: usize) -> bool {
    let individual = set.rows[row].individual.as_str();
    !individual.is_empty() && !gallery.contains(individual)
}

/// BAKS and BAUS at a threshold.
fn rates(asked: &[Asked<'_>], threshold: f64) -> (Option<f64>, Option<f64>) {
    let balanced = |is_new: bool| {
        let mut of: BTreeMap<&str, (f64, f64)> = BTreeMap::new();
        for one in asked.iter().filter(|one| one.is_new == is_new) {
            let called_new = one.distance > threshold;
            let right = if is_new { called_new } else { one.correct && !called_new };
            let (rights, all) = of.entry(one.individual).or_default();
            *rights += f64::from(right);
            *all += 1.0;
        }
        (!of.is_empty()).then(|| of.values().map(|(rights, all)| rights / all).sum::<f64>() / of.len() as f64)
    };
    (balanced(false), balanced(true))
}

/// The threshold with the highest score on the validation part; of equal ones the lowest.
fn threshold(set: &EmbeddingSet, gallery: &HashSet<&str>, rule: Rule) -> Option<(f64, ChosenOn)> {
    let (codes, photos) = (Codes::of(set), set.gallery());
    let rows: Vec<usize> = (0..set.len())
        .filter(|&row| set.rows[row].role == Role::Validation && !set.rows[row].individual.is_empty())
        .collect();
    let found: Vec<Vec<Asked>> = rows.par_iter().map(|&row| ask(set, (gallery, &photos), &codes, rule, row)).collect();
    let mut asked: Vec<Asked> = found.into_iter().flatten().collect();
    let there_are_new = rows.iter().any(|&row| is_new(set, gallery, row));
    if there_are_new {
        asked.retain(|one| one.is_new != gallery.contains(one.individual));
    }
    asked.sort_by(|a, b| a.distance.total_cmp(&b.distance));
    // what a photo weighs in the mean over individuals that it is part of
    let mut of_individual: BTreeMap<(bool, &str), f64> = BTreeMap::new();
    asked.iter().for_each(|one| *of_individual.entry((one.is_new, one.individual)).or_default() += 1.0);
    let individuals = |is_new: bool| of_individual.keys().filter(|(new, _)| *new == is_new).count() as f64;
    let (known, new) = (individuals(false), individuals(true));
    if known == 0.0 || new == 0.0 {
        return None;
    }
    let (mut baks, mut baus) = (0.0, 1.0);
    let mut best = (f64::NEG_INFINITY, 0);
    for (at, one) in asked.iter().enumerate() {
        let photos = of_individual[&(one.is_new, one.individual)];
        match one {
            Asked { is_new: true, .. } => baus -= 1.0 / (photos * new),
            Asked { correct: true, .. } => baks += 1.0 / (photos * known),
            Asked { .. } => {}
        }
        let is_last = asked.get(at + 1).is_none_or(|next| next.distance > one.distance);
        // sums of shares differ in their last bits: of equal scores the first stays
        if is_last && baks * baus > best.0 + 1e-12 {
            best = (baks * baus, at);
        }
    }
    let nearest = asked[best.1].distance;
    // between two photos: nothing speaks for one of them being the last that is near enough
    let next = asked.get(best.1 + 1).map_or(nearest, |next| next.distance);
    let chosen_on = if there_are_new { ChosenOn::NewIndividuals } else { ChosenOn::IndividualsTakenOut };
    Some((f64::midpoint(nearest, next), chosen_on))
}

/// A photo of the validation part against the whole gallery, and against the gallery without its individual.
fn ask<'a>(
    set: &'a EmbeddingSet,
    (gallery, photos): (&HashSet<&str>, &[usize]),
    codes: &Codes,
    rule: Rule,
    row: usize,
) -> Vec<Asked<'a>> {
    let query = Query { photos: vec![row], vectors: vec![set.vector(row)], side: None };
    let (mut nearest, mut other) = ((f64::INFINITY, false), f64::INFINITY);
    let mut has_match = false;
    for &place in photos.iter().filter(|&&place| codes.counts(rule, &query, place)) {
        let (is_own, apart) = (codes.same(row, place), query.apart(set.vector(place)));
        has_match |= is_own;
        if apart < nearest.0 {
            nearest = (apart, is_own);
        }
        if !is_own {
            other = other.min(apart);
        }
    }
    let individual = set.rows[row].individual.as_str();
    let mut asked = Vec::new();
    if has_match {
        asked.push(Asked { individual, is_new: false, distance: nearest.0, correct: nearest.1 });
    }
    if other.is_finite() && (has_match || !gallery.contains(individual)) {
        asked.push(Asked { individual, is_new: true, distance: other, correct: false });
    }
    asked
}

#[cfg(test)]
mod tests {
    use super::super::retrieval::retrieve;
    use super::super::testing::{row, unit};
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn golden_values_of_wildlife_datasets() {
        // y=[1,1,2,3,3], predicted [1,1,2,3,1]
        let (truth, predicted) = (["1", "1", "2", "3", "3"], ["1", "1", "2", "3", "1"]);
        // predicted as the label 1 is far, where that stands for new
        let figures = |test_only: &[&str], far: f64| {
            let asked = truth.iter().zip(predicted).map(|(&individual, name)| Asked {
                individual,
                is_new: test_only.contains(&individual),
                distance: if name == "1" { far } else { 0.0 },
                correct: individual == name,
            });
            rates(&asked.collect::<Vec<_>>(), 1.0)
        };
        let baks = |test_only: &[&str]| figures(test_only, 0.0).0;
        assert_eq!(baks(&[]), Some(5.0 / 6.0));
        assert_eq!((baks(&["1"]), baks(&["1", "2"]), baks(&["1", "3"])), (Some(0.75), Some(0.5), Some(1.0)));
        let baus = |test_only: &[&str]| figures(test_only, 2.0).1;
        assert_eq!((baus(&["1"]), baus(&["1", "2"])), (Some(1.0), Some(0.5)));
        assert_eq!((baus(&["1", "3"]), baus(&["1", "2", "3"])), (Some(0.75), Some(0.5)));
    }

    /// Known turtles at right angles; photos of them a little off; new ones far from all.
    fn set(validation: &[(&str, f32)]) -> EmbeddingSet {
        let mut rows = vec![
            row("a.jpg", "a", "1", Role::Gallery),
            row("b.jpg", "b", "1", Role::Gallery),
            row("qa.jpg", "a", "2", Role::Query),
            row("qb.jpg", "b", "2", Role::Query),
            row("new.jpg", "n", "2", Role::Query),
        ];
        let at = |degrees: f32| [degrees.to_radians().cos(), degrees.to_radians().sin()];
        let mut angles = vec![0.0, 90.0, 10.0, 75.0, 200.0];
        for (n, (individual, degrees)) in validation.iter().enumerate() {
            rows.push(row(&format!("v{n}.jpg"), individual, "3", Role::Validation));
            angles.push(*degrees);
        }
        let vectors: Vec<f32> = angles.into_iter().flat_map(|degrees| unit(&[&at(degrees)])).collect();
        EmbeddingSet::new(2, vectors, rows).unwrap()
    }

    fn of(set: &EmbeddingSet) -> OpenSet {
        open_set(set, &retrieve(set, Rule::OtherEncounters).unwrap())
    }

    #[test]
    fn new_individuals_of_the_validation_part_choose_the_threshold() {
        let found = of(&set(&[("a", 12.0), ("b", 100.0), ("m", 150.0)]));
        assert_eq!((found.baks, found.baus, found.open_set_score), (Some(1.0), Some(1.0), Some(1.0)));
        assert_eq!(found.threshold_chosen_on, Some(ChosenOn::NewIndividuals));
        // between 12 and 60 degrees
        let t = found.threshold.unwrap();
        assert!(t > 2.0 * 6_f64.to_radians().sin() && t < 2.0 * 30_f64.to_radians().sin(), "{t}");
    }

    #[test]
    fn where_it_has_none_its_individuals_are_taken_out() {
        let found = of(&set(&[("a", 12.0), ("b", 100.0)]));
        assert_eq!(found.threshold_chosen_on, Some(ChosenOn::IndividualsTakenOut));
        assert_eq!(found.baks, Some(1.0));
    }

    #[test]
    fn without_a_new_query_or_a_validation_part_there_is_no_figure() {
        assert_eq!(of(&set(&[])), OpenSet { new_queries: 1, ..OpenSet::default() });
        let mut known = set(&[("a", 12.0), ("m", 150.0)]);
        known.rows[4].individual = "a".into();
        assert_eq!(of(&known), OpenSet::default());
    }

    proptest! {
        #[test]
        fn no_other_threshold_has_a_higher_score(
            validation in prop::collection::vec((0_usize..4, 0_u8..24), 1..14),
        ) {
            let validation: Vec<_> =
                validation.into_iter().map(|(who, at)| (["a", "b", "m", "o"][who], f32::from(at) * 15.0)).collect();
            let set = set(&validation);
            let gallery = named(&set);
            let Some((threshold, chosen_on)) = threshold(&set, &gallery, Rule::OtherEncounters) else { return Ok(()) };
            let (codes, rows) = (Codes::of(&set), 5..set.len());
            let mut asked: Vec<Asked> =
                rows.flat_map(|row| ask(&set, (&gallery, &set.gallery()), &codes, Rule::OtherEncounters, row)).collect();
            if chosen_on == ChosenOn::NewIndividuals {
                asked.retain(|one| one.is_new != gallery.contains(one.individual));
            }
            let score = |t: f64| {
                let (baks, baus) = rates(&asked, t);
                baks.unwrap() * baus.unwrap()
            };
            for other in &asked {
                prop_assert!(score(other.distance) <= score(threshold) + 1e-9);
            }
        }

        #[test]
        fn the_queries_have_no_say_in_the_threshold(
            validation in prop::collection::vec((0_usize..4, 0_f32..360.0), 1..12),
            queries in prop::array::uniform3(0_f32..360.0),
        ) {
            let validation: Vec<_> = validation.into_iter().map(|(who, at)| (["a", "b", "m", "o"][who], at)).collect();
            let one = set(&validation);
            let mut other = one.clone();
            for (row, degrees) in (2..5).zip(queries) {
                let vector = unit(&[&[degrees.to_radians().cos(), degrees.to_radians().sin()]]);
                other.vectors[row * 2..row * 2 + 2].copy_from_slice(&vector);
            }
            prop_assert_eq!(of(&one).threshold, of(&other).threshold);
        }
    }
}
