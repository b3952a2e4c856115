//! All photos before a year to train, those of the year to test: wildlife-datasets' `TimeCutoffSplit`, and for every year
//! `TimeCutoffSplitAll`. Undated photos are in no part.

use std::collections::BTreeMap;

use super::rows::Rows;
use super::strategy::{Made, RATIO, Strategy, Take};
use crate::data::manifest::Part;

pub(super) static TIME_CUTOFF: Strategy = Strategy {
    names: &["time-cutoff"],
    help: "photos before a year to train, those of the year to test",
    ratio: RATIO,
    takes: &[Take::Ratio, Take::Year],
    make: |rows, ratio, plan| {
        let mut of_year: BTreeMap<i16, usize> = BTreeMap::new();
        for (_, date) in rows.dated() {
            *of_year.entry(date.year()).or_default() += 1;
        }
        let years: Vec<i16> = of_year.keys().skip(1).copied().collect();
        let (Some(first), false) = (of_year.keys().next(), years.is_empty()) else {
            let reason = match of_year.keys().next() {
                Some(year) => format!("all dated photos are of {year}, so no year lies behind another"),
                None => "no photo has a date that can be read".to_owned(),
            };
            return Err(TIME_CUTOFF.fails(reason));
        };
        if plan.every_year {
            let made = |&year| Made { suffix: format!("_{year}"), parts: cut(rows, year, plan.later) };
            return Ok(years.iter().map(made).collect());
        }
        let year = plan.year.unwrap_or_else(|| nearest(&of_year, ratio, plan.later));
        if year <= *first
            || (!plan.later && !of_year.contains_key(&year))
            || years.last().is_some_and(|&last| year > last)
        {
            let years: Vec<String> = years.iter().map(i16::to_string).collect();
            return Err(TIME_CUTOFF.fails(format!(
                "the year {year} has no photos, or none before it; the years that have are {}",
                years.join(", ")
            )));
        }
        Ok(Made::only(cut(rows, year, plan.later)))
    },
};

fn cut(rows: &Rows, year: i16, later: bool) -> Vec<Option<Part>> {
    let mut parts = vec![None; rows.len()];
    for (row, date) in rows.dated() {
        parts[row] = match date.year().cmp(&year) {
            std::cmp::Ordering::Less => Some(Part::Train),
            std::cmp::Ordering::Equal => Some(Part::Test),
            std::cmp::Ordering::Greater => later.then_some(Part::Test),
        };
    }
    parts
}

/// The year that trains and tests on shares of photos nearest to `ratio` and its rest, `later` years tested on too or
/// left out; the earlier on ties.
fn nearest(of_year: &BTreeMap<i16, usize>, ratio: f64, later: bool) -> i16 {
    let all: usize = of_year.values().sum();
    let mut before = 0;
    let mut best = (f64::INFINITY, 0);
    for (&year, &photos) in of_year {
        let used = if later { all } else { before + photos };
        let off = (before as f64 / used as f64 - ratio).abs();
        if before > 0 && off < best.0 {
            best = (off, year);
        }
        before += photos;
    }
    best.1
}
