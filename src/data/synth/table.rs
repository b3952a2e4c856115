//! The rows of `metadata_splits.csv`: names, days, and the three splits of every photo.
//!
//! In the layout of SeaTurtleID2022 as published, with the side of the animal as one column more. The days of an
//! encounter depend only on those before it, so that a larger plan keeps the photos of a smaller one; the parts of
//! the splits are shared out within the plan. Draws no pictures.

use super::SynthPlan;
use super::dice::{Dice, For};
use super::scene::Scene;
use super::shot::{Side, first_of_burst, side};
use jiff::ToSpan;
use jiff::civil::{Date, DateTime, date};

/// The columns, as published, and `orientation`.
const HEADER: [&str; 12] = [
    "id",
    "file_name",
    "identity",
    "timestamp",
    "date",
    "year",
    "width",
    "height",
    "split_closed",
    "split_closed_random",
    "split_open",
    "orientation",
];

/// A part of a split.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Part {
    Train,
    Valid,
    Test,
}

impl Part {
    fn name(self) -> &'static str {
        match self {
            Part::Train => "train",
            Part::Valid => "valid",
            Part::Test => "test",
        }
    }
}

/// One photo of the plan.
pub(super) struct Row {
    pub(super) individual: usize,
    pub(super) encounter: usize,
    pub(super) photo: usize,
    /// Relative to the dataset's folder, with `/`.
    pub(super) file: String,
    time: DateTime,
    side: Side,
    closed: Part,
    random: Part,
    open: Part,
}

/// The folder and label of an individual.
pub(super) fn label(individual: usize) -> String {
    format!("t{:03}", individual + 1)
}

/// All rows of a plan: by individual, then by time.
pub(super) fn rows(plan: &SynthPlan) -> Vec<Row> {
    let newcomers = newcomers(plan);
    (0..plan.individuals).flat_map(|i| individual(plan, i, newcomers[i])).collect()
}

fn individual(plan: &SynthPlan, i: usize, newcomer: bool) -> Vec<Row> {
    let dice = &mut Dice::new(plan.seed, For::Splits, i, plan.encounters, plan.photos);
    let closed = closed(plan.encounters, dice);
    let mut rows = Vec::new();
    for (e, day) in days(plan.seed, i, plan.encounters).into_iter().enumerate() {
        let minute = Scene::draw(&mut Dice::new(plan.seed, For::Encounter, i, e, 0)).minute;
        let clock = &mut Dice::new(plan.seed, For::Calendar, i, e + 1, 0);
        let mut second = i64::from(minute) * 60 + clock.below(60) as i64;
        for p in 0..plan.photos {
            let first = first_of_burst(plan.seed, i, e, p);
            if p > 0 {
                // never past midnight: the day is the encounter's
                let wait = if first < p { 1 + clock.below(2) } else { 3 + clock.below(70) };
                second = (second + wait as i64).min(86_399);
            }
            let name = name(&mut Dice::new(plan.seed, For::Name, i, e, p));
            rows.push(Row {
                individual: i,
                encounter: e,
                photo: p,
                file: format!("images/{}/{name}.jpg", label(i)),
                time: day.at(0, 0, 0, 0).saturating_add(second.seconds()),
                side: side(&mut Dice::new(plan.seed, For::Photo, i, e, first)),
                closed: closed[e],
                random: Part::Train,
                open: if newcomer { Part::Test } else { closed[e] },
            });
        }
    }
    // the same shares as by encounter, dealt out photo by photo
    let mut deal: Vec<Part> = rows.iter().map(|r| r.closed).collect();
    dice.shuffle(&mut deal);
    for (row, part) in rows.iter_mut().zip(deal) {
        row.random = part;
    }
    rows.sort_by_key(|r| (r.time, r.photo));
    rows
}

/// One encounter for test, one for valid where there are three, the rest for train; which one is the animal's own draw.
fn closed(encounters: usize, dice: &mut Dice) -> Vec<Part> {
    let mut order: Vec<usize> = (0..encounters).collect();
    dice.shuffle(&mut order);
    let mut parts = vec![Part::Train; encounters];
    if encounters >= 2 {
        parts[order[0]] = Part::Test;
    }
    if encounters >= 3 {
        parts[order[1]] = Part::Valid;
    }
    parts
}

/// A third of the individuals, unknown before the test in the open split.
fn newcomers(plan: &SynthPlan) -> Vec<bool> {
    let mut order: Vec<usize> = (0..plan.individuals).collect();
    Dice::new(plan.seed, For::Open, plan.individuals, 0, 0).shuffle(&mut order);
    let mut new = vec![false; plan.individuals];
    for &i in &order[..plan.individuals / 3] {
        new[i] = true;
    }
    new
}

/// Seasons from 2012 on; a season runs from the first of May for this many days.
const SEASONS: usize = 10;
const SEASON_DAYS: usize = 150;

/// The days of the first `count` encounters, all different, in no order.
fn days(seed: u64, individual: usize, count: usize) -> Vec<Date> {
    let dice = &mut Dice::new(seed, For::Calendar, individual, 0, 0);
    let mut days: Vec<Date> = Vec::with_capacity(count);
    while days.len() < count {
        let season = 2012 + dice.below(SEASONS) as i16;
        let day = date(season, 5, 1).saturating_add((dice.below(SEASON_DAYS) as i64).days());
        if !days.contains(&day) {
            days.push(day);
        }
    }
    days
}

/// Ten letters that tell nothing.
fn name(dice: &mut Dice) -> String {
    (0..10).map(|_| char::from(*dice.pick(b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"))).collect()
}

/// The table as bytes.
pub(super) fn write(plan: &SynthPlan, rows: &[Row]) -> Result<Vec<u8>, csv::Error> {
    let mut out = csv::Writer::from_writer(Vec::new());
    out.write_record(HEADER)?;
    for (n, r) in rows.iter().enumerate() {
        let [closed, random, open] = [r.closed, r.random, r.open].map(Part::name);
        let side = match r.side {
            Side::Left => "left",
            Side::Right => "right",
        };
        out.write_record([
            &(n + 1).to_string(),
            r.file.as_str(),
            &label(r.individual),
            &r.time.strftime("%Y-%m-%d %H:%M:%S").to_string(),
            &r.time.date().to_string(),
            &r.time.year().to_string(),
            &plan.width.to_string(),
            &plan.height.to_string(),
            closed,
            random,
            open,
            side,
        ])?;
    }
    out.into_inner().map_err(|e| e.into_error().into())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::{BTreeMap, BTreeSet};

    fn plan(individuals: usize, encounters: usize, photos: usize, seed: u64) -> SynthPlan {
        SynthPlan { individuals, encounters, photos, seed, ..SynthPlan::default() }
    }

    fn count(rows: &[&Row], part: Part, of: fn(&Row) -> Part) -> usize {
        rows.iter().filter(|r| of(r) == part).count()
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(24))]
        #[test]
        fn splits_follow_encounters_and_shares(n in 1usize..7, e in 1usize..8, p in 1usize..4, seed in 0u64..1000) {
            let rows = rows(&plan(n, e, p, seed));
            prop_assert_eq!(rows.len(), n * e * p);
            let names: BTreeSet<&str> = rows.iter().map(|r| r.file.as_str()).collect();
            prop_assert_eq!(names.len(), rows.len());
            prop_assert!(rows.windows(2).all(|w| (w[0].individual, w[0].time) <= (w[1].individual, w[1].time)));
            let mut new = 0;
            for i in 0..n {
                let own: Vec<&Row> = rows.iter().filter(|r| r.individual == i).collect();
                // an encounter is one day and one part, and no two share a day
                let mut days = BTreeMap::new();
                for r in &own {
                    let seen = *days.entry(r.time.date()).or_insert((r.encounter, r.closed));
                    prop_assert_eq!(seen, (r.encounter, r.closed));
                }
                prop_assert_eq!(days.len(), e);
                prop_assert_eq!(count(&own, Part::Test, |r| r.closed), if e >= 2 { p } else { 0 });
                prop_assert_eq!(count(&own, Part::Valid, |r| r.closed), if e >= 3 { p } else { 0 });
                for part in [Part::Train, Part::Valid, Part::Test] {
                    prop_assert_eq!(count(&own, part, |r| r.random), count(&own, part, |r| r.closed));
                }
                if own.iter().all(|r| r.open == Part::Test) {
                    new += 1;
                } else {
                    prop_assert!(own.iter().all(|r| r.open == r.closed));
                }
            }
            prop_assert_eq!(new, n / 3);
        }
    }

    #[test]
    fn the_test_encounter_is_not_always_the_last() {
        let rows = rows(&plan(20, 4, 1, 3));
        let last = rows.chunks(4).filter(|c| c[3].closed == Part::Test).count();
        assert!((1..15).contains(&last), "{last} of 20");
    }

    #[test]
    fn encounters_spread_over_seasons_and_sides_are_mixed() {
        let rows = rows(&plan(10, 6, 2, 1));
        let years: BTreeSet<i16> = rows.iter().map(|r| r.time.year()).collect();
        assert!(years.len() >= 5, "{years:?}");
        let left = rows.iter().filter(|r| r.side == Side::Left).count();
        assert!((35..85).contains(&left), "{left} of 120");
    }
}
