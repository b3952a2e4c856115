//! A comparison in words: for the terminal and for the screen.

use std::path::Path;

use super::{Difference, Parted, Versus};
use crate::data::aligned::table;
use crate::data::counted::counted;
use crate::data::foreign;

/// Queries of one side that are listed for people.
const LISTED: usize = 10;
/// Above this a difference is put down to luck.
const LUCK: f64 = 0.05;

/// The comparison of the evaluations in `folders`.
pub fn told(found: &Versus, folders: [&Path; 2]) -> String {
    let [a, b] = found.models.each_ref().map(|model| foreign::line(model));
    let word = if found.queries == 1 { "query" } else { "queries" };
    let mut text = format!(
        "A  {a}  ({})\nB  {b}  ({})\n{} {word} of {} that both were asked\n",
        foreign::path(folders[0]),
        foreign::path(folders[1]),
        found.queries,
        counted(found.individuals as u64, "individual"),
    );
    for (side, only) in ["A", "B"].into_iter().zip(found.queries_of_one).filter(|(_, only)| *only > 0) {
        text += &format!("left out: {only} that only {side} was asked, or had a match for\n");
    }
    if found.named_differently > 0 {
        text += &format!("left out: {} whose individual the two call differently\n", found.named_differently);
    }
    if !found.same_gallery {
        text += "the two searched different photos: a difference may be the gallery's\n";
    }
    let row = |name: &str, d: &Difference| {
        vec![
            name.to_owned(),
            format!("{:.3}", d.values[0]),
            format!("{:.3}", d.values[1]),
            format!("{:+.3}", d.difference),
            d.interval.map_or_else(|| "·".to_owned(), |[low, high]| format!("{low:+.3} to {high:+.3}")),
            format!("{:.3}", d.p),
        ]
    };
    let rows = [row("rank-1", &found.rank1), row("mAP", &found.map)];
    text += &format!("\n{}\n\n", table(&["", "A", "B", "B - A", "95 % interval", "p"], &rows));
    text += &format!("{}\n\n", verdict(found));
    text += &format!(
        "Right at rank 1: both {}, only A {}, only B {}, neither {} (McNemar over queries p {:.3}, which takes photos of one individual for independent)\n",
        found.both,
        found.only_first.len(),
        found.only_second.len(),
        found.neither,
        found.mcnemar_p
    );
    for (side, parted) in [("A", &found.only_first), ("B", &found.only_second)] {
        text += &listed(side, parted);
    }
    text.trim_end().to_owned()
}

/// What may be said of the two.
fn verdict(found: &Versus) -> String {
    let Difference { difference, p, .. } = found.rank1;
    if p >= LUCK {
        return format!(
            "On rank-1 the two cannot be told apart: swapping them individual by individual differs as much in {:.0} % of all ways.",
            p * 100.0
        );
    }
    let better = if difference > 0.0 { "B" } else { "A" };
    format!(
        "{better} is better on rank-1: swapping the two individual by individual differs as much in {:.1} % of all ways.",
        p * 100.0
    )
}

fn listed(side: &str, parted: &[Parted]) -> String {
    if parted.is_empty() {
        return String::new();
    }
    let rows: Vec<Vec<String>> = parted
        .iter()
        .take(LISTED)
        .map(|one| {
            let [a, b] = one.ranks.map(|rank| rank.to_string());
            vec![one.photo.clone(), one.individual.clone(), a, b]
        })
        .collect();
    let table = table(&["photo", "individual", "rank by A", "rank by B"], &rows);
    let more = parted.len().saturating_sub(LISTED);
    let more = if more > 0 { format!("\nand {more} more (--json lists all)") } else { String::new() };
    format!("\nOnly {side} gets\n{table}{more}\n")
}
