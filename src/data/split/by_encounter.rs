//! Whole encounters of each individual to train or test; one encounter alone trains. The honest split.

use super::identity::train_count;
use super::lcg::Lcg;
use super::strategy::{Made, RATIO, Strategy, Take};
use crate::data::manifest::Part;

pub(super) static BY_ENCOUNTER: Strategy = Strategy {
    names: &["by-encounter", "encounter"],
    help: "whole encounters of each individual to train or test; one encounter alone trains",
    ratio: RATIO,
    takes: &[Take::Ratio, Take::Seed, Take::Pictures],
    make: |rows, ratio, plan| {
        let mut parts = vec![None; rows.len()];
        let mut random = Lcg::new(plan.seed);
        for encounters in rows.encounters_of() {
            let train = train_count(encounters.len(), ratio);
            for (rank, place) in random.permutation(encounters.len()).into_iter().enumerate() {
                for &row in &encounters[place] {
                    parts[row] = Some(if rank < train { Part::Train } else { Part::Test });
                }
            }
        }
        rows.bound().iter().for_each(|&row| parts[row] = Some(Part::Train));
        Ok(Made::only(parts))
    },
};
