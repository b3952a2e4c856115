//! Each individual as a whole to train or test: wildlife-datasets' `DisjointSetSplit`.

use super::identity::{deal, unseen};
use super::strategy::{Made, RATIO, Strategy, Take, Unseen};
use crate::data::manifest::Part;

pub(super) static DISJOINT: Strategy = Strategy {
    names: &["disjoint"],
    help: "each individual as a whole to train or test",
    ratio: RATIO,
    takes: &[Take::Ratio, Take::Seed, Take::Unseen],
    make: |rows, ratio, plan| {
        let tested = unseen(&DISJOINT, rows, plan.seed, plan.unseen.unwrap_or(Unseen::Share(rest(ratio))))?;
        let part = |tested: bool| Some(if tested { Part::Test } else { Part::Train });
        let whole: Vec<_> = tested.into_iter().map(part).collect();
        Ok(Made::only(deal(rows, ratio, plan.seed, &whole)))
    },
};

/// What a share leaves, as a person would write it: 0.2 of 0.8, and not 0.19999999999999996, which rounds otherwise.
fn rest(share: f64) -> f64 {
    ((1.0 - share) * 1e12).round() / 1e12
}
