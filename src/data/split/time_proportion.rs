//! The earlier days of each individual to train, the later to test: wildlife-datasets' `TimeProportionSplit`. One day
//! alone trains; undated photos are in no part.

use std::collections::BTreeMap;

use super::strategy::{Made, Strategy, Take};
use crate::data::manifest::Part;

pub(super) static TIME_PROPORTION: Strategy = Strategy {
    names: &["time-proportion"],
    help: "the earlier days of each individual to train, the later to test; one day alone trains",
    ratio: 0.5, // wildlife-datasets' own
    takes: &[Take::Ratio],
    make: |rows, ratio, _| {
        let mut parts = vec![None; rows.len()];
        for individual in &rows.individuals {
            let mut days: BTreeMap<_, Vec<usize>> = BTreeMap::new();
            for &row in individual {
                if let Some(date) = rows.dates[row] {
                    days.entry(date).or_default().push(row);
                }
            }
            let rounded = (ratio * days.len() as f64).round_ties_even() as usize;
            let train = if days.len() > 1 { rounded.min(days.len() - 1) } else { 1 };
            for (rank, row) in
                days.into_values().enumerate().flat_map(|(rank, rows)| rows.into_iter().map(move |r| (rank, r)))
            {
                parts[row] = Some(if rank < train { Part::Train } else { Part::Test });
            }
        }
        if parts.iter().all(Option::is_none) {
            return Err(TIME_PROPORTION.fails("no photo has a date that can be read"));
        }
        Ok(Made::only(parts))
    },
};
