//! K splits, each of which tests on other encounters. An individual's encounters are dealt to the folds in turn, so that
//! every fold tests on about as many; one encounter alone trains in all of them.

use super::lcg::Lcg;
use super::strategy::{Made, RATIO, Strategy, Take};
use crate::data::manifest::Part;

/// More make columns that nobody reads, and as many as a table of ours may have.
const MOST: usize = 60;

pub(super) static K_FOLD: Strategy = Strategy {
    names: &["k-fold"],
    help: "as many splits as folds, each testing on other whole encounters; one encounter alone trains in all",
    ratio: RATIO,
    takes: &[Take::Folds, Take::Seed, Take::Pictures],
    make: |rows, _, plan| {
        let folds = plan.folds;
        if !(2..=MOST).contains(&folds) {
            return Err(K_FOLD.fails(format!("{folds} folds are out of range: give 2 to {MOST}")));
        }
        let mut fold_of = vec![None; rows.len()];
        let mut trains = vec![false; rows.len()];
        rows.bound().iter().for_each(|&row| trains[row] = true);
        let mut random = Lcg::new(plan.seed);
        let mut next = 0;
        for encounters in rows.encounters_of() {
            encounters.iter().flatten().for_each(|&row| trains[row] = true);
            if encounters.len() < 2 {
                continue;
            }
            for place in random.permutation(encounters.len()) {
                encounters[place].iter().for_each(|&row| fold_of[row] = Some(next));
                next = (next + 1) % folds;
            }
        }
        let part = |row: usize, fold| match fold_of[row] {
            Some(of) if of == fold => Some(Part::Test),
            _ => trains[row].then_some(Part::Train),
        };
        let made =
            |fold| Made { suffix: format!("_fold{fold}"), parts: (0..rows.len()).map(|row| part(row, fold)).collect() };
        Ok((0..folds).map(made).collect())
    },
};
