//! Photos of each individual to train or test at random, encounters parted: wildlife-datasets' `ClosedSetSplit`.

use super::identity::deal;
use super::strategy::{Made, RATIO, Strategy, Take};

pub(super) static CLOSED: Strategy = Strategy {
    names: &["closed"],
    help: "photos of each individual at random, encounters parted; one photo alone trains",
    ratio: RATIO,
    takes: &[Take::Ratio, Take::Seed],
    make: |rows, ratio, plan| Ok(Made::only(deal(rows, ratio, plan.seed, &vec![None; rows.individuals.len()]))),
};
