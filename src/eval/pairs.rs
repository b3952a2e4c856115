//! Which pairs and queries a person should see: choices among the matches, for the sheets.
//!
//! The surest matches show what the model goes by, the worst mistakes what it falls for, and queries
//! from best to worst what it is like on the whole. One pair an individual before a second, or one
//! well-photographed turtle fills the sheet. Queries without a match are left out, as in the figures.

use std::collections::HashMap;

use super::retrieval::{Match, Ranked, Retrieval};

/// The nearest matches that are correct, nearest first, at most `most`.
pub fn surest(retrieval: &Retrieval, most: usize) -> Vec<Match> {
    choose(retrieval, most, |query, nearest| query.relevant > 0 && nearest.correct)
}

/// The nearest matches that are wrong though a right one was there, nearest first, at most `most`.
pub fn worst(retrieval: &Retrieval, most: usize) -> Vec<Match> {
    choose(retrieval, most, |query, nearest| query.relevant > 0 && !nearest.correct)
}

/// Queries evenly spaced from the best ranked to the worst, at most `most`.
pub fn best_to_worst(retrieval: &Retrieval, most: usize) -> Vec<&Ranked> {
    let mut queries: Vec<&Ranked> = (retrieval.queries.iter()).filter(|query| query.relevant > 0).collect();
    queries.sort_by(|a, b| {
        let precision = |query: &Ranked| query.average_precision.unwrap_or(0.0);
        (a.first_correct.cmp(&b.first_correct)).then(precision(b).total_cmp(&precision(a))).then(a.query.cmp(&b.query))
    });
    let shown = most.min(queries.len());
    let place = |number: usize| match shown {
        0 | 1 => 0,
        many => number * (queries.len() - 1) / (many - 1),
    };
    (0..shown).map(|number| queries[place(number)]).collect()
}

fn choose(retrieval: &Retrieval, most: usize, wanted: impl Fn(&Ranked, &Match) -> bool) -> Vec<Match> {
    let firsts = retrieval.queries.iter().filter_map(|query| {
        let nearest = query.nearest.first()?;
        wanted(query, nearest).then_some((query.individual, *nearest))
    });
    let mut firsts: Vec<(Option<usize>, Match)> = firsts.collect();
    firsts.sort_by(|(_, a), (_, b)| a.distance.total_cmp(&b.distance).then(a.query.cmp(&b.query)));
    let mut shown: HashMap<Option<usize>, usize> = HashMap::new();
    let mut turns: Vec<(usize, Match)> = (firsts.into_iter())
        .map(|(individual, found)| {
            let turn = shown.entry(individual).or_default();
            *turn += 1;
            (*turn, found)
        })
        .collect();
    // Stable: within a turn the order by distance stays.
    turns.sort_by_key(|(turn, _)| *turn);
    turns.truncate(most);
    let mut chosen: Vec<Match> = turns.into_iter().map(|(_, found)| found).collect();
    chosen.sort_by(|a, b| a.distance.total_cmp(&b.distance).then(a.query.cmp(&b.query)));
    chosen
}

#[cfg(test)]
mod tests {
    use super::super::retrieval::{Rule, retrieve};
    use super::super::testing::sets;
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn choices_are_nearest_matches_of_their_kind(set in sets(), most in 0_usize..6) {
            let retrieval = retrieve(&set, Rule::OtherEncounters).unwrap();
            for (chosen, correct) in [(surest(&retrieval, most), true), (worst(&retrieval, most), false)] {
                prop_assert!(chosen.len() <= most);
                prop_assert!(chosen.windows(2).all(|w| w[0].distance <= w[1].distance));
                for found in &chosen {
                    prop_assert_eq!((found.rank, found.correct), (1, correct));
                    let ranked = retrieval.queries.iter().find(|q| q.query == found.query).unwrap();
                    prop_assert!(ranked.relevant > 0);
                }
                // Nobody twice while somebody has not been shown.
                let all = if correct { surest(&retrieval, usize::MAX) } else { worst(&retrieval, usize::MAX) };
                let who = |list: &[Match]| {
                    let names = list.iter().map(|m| set.rows[m.query].individual.clone());
                    names.collect::<std::collections::BTreeSet<_>>().len()
                };
                prop_assert_eq!(who(&chosen), who(&all).min(chosen.len()));
            }
            let spread = best_to_worst(&retrieval, most);
            prop_assert!(spread.windows(2).all(|w| w[0].first_correct <= w[1].first_correct));
            let matched = retrieval.queries.iter().filter(|q| q.relevant > 0).count();
            prop_assert_eq!(spread.len(), most.min(matched));
            let different: std::collections::BTreeSet<_> = spread.iter().map(|q| q.query).collect();
            prop_assert_eq!(different.len(), spread.len());
        }
    }
}
