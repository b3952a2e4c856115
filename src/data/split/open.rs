//! As closed, but some individuals are tested and never trained: wildlife-datasets' `OpenSetSplit`.

use super::identity::{deal, unseen};
use super::strategy::{Made, RATIO, Strategy, Take, Unseen};
use crate::data::manifest::Part;

/// Share of photos of individuals that never train, unless told: half of the test part.
const SHARE: f64 = 0.1;

pub(super) static OPEN: Strategy = Strategy {
    names: &["open"],
    help: "as closed, but some individuals are in test only",
    ratio: RATIO,
    takes: &[Take::Ratio, Take::Seed, Take::Unseen],
    make: |rows, ratio, plan| {
        let never = unseen(&OPEN, rows, plan.seed, plan.unseen.unwrap_or(Unseen::Share(SHARE)))?;
        let whole: Vec<_> = never.into_iter().map(|never| never.then_some(Part::Test)).collect();
        Ok(Made::only(deal(rows, ratio, plan.seed, &whole)))
    },
};
