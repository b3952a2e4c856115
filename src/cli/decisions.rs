//! `gallery decisions`: what was decided of new photos, by whom, beside what was proposed.

use std::path::PathBuf;

use anyhow::{Context as _, Result};
use clap::Args;
use serde_json::json;

use crate::data::counted::counted;
use crate::data::foreign;
use crate::gallery::decided_table::{Row, by, rows, ruling, write};
use crate::gallery::store::Gallery;

use super::of_gallery::GalleryFlag;
use super::{Context, words};

/// Arguments of `gallery decisions`.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  caretta gallery decisions --gallery turtles.gallery
  caretta gallery decisions --gallery turtles.gallery --output decisions.csv")]
pub(super) struct DecisionsArgs {
    #[command(flatten)]
    gallery: GalleryFlag,
    /// Write them as a table, in which `stands` marks the row of each encounter that counts and `individual_now` is
    /// the present name; a former one is replaced
    #[arg(long, value_name = "FILE.csv")]
    output: Option<PathBuf>,
}

pub(super) fn decisions(context: &Context, args: &DecisionsArgs) -> Result<u8> {
    let gallery = Gallery::open(&args.gallery.gallery)?;
    let all = rows(&gallery)?;
    if let Some(output) = &args.output {
        write(output, &all).with_context(|| format!("--output {}", foreign::path(output)))?;
    }
    context.answer(&json!({ "decisions": all }), || {
        let Some(output) = &args.output else { return shown(&all) };
        format!("{}: {}", foreign::path(output), counted(all.len(), "decision"))
    })?;
    Ok(0)
}

/// The decisions for people, the last ones.
fn shown(all: &[Row]) -> String {
    const MOST: usize = 40;
    if all.is_empty() {
        return "Nothing was decided yet: the tab 5 Identify of `caretta` is where new photos get their names".into();
    }
    let rows: Vec<Vec<String>> = all[all.len().saturating_sub(MOST)..]
        .iter()
        .map(|row| {
            let decided = &row.decided;
            vec![
                decided.at.local(),
                foreign::line(&decided.place()),
                ruling(decided).replace('_', " ") + if decided.more { ", more photos" } else { "" },
                foreign::line(&individual(row)),
                by(decided).to_owned(),
                foreign::line(decided.proposed.individual.as_deref().unwrap_or("·")),
                stands(row).to_owned(),
            ]
        })
        .collect();
    let head = ["when", "encounter", "decision", "individual", "by", "proposed", "stands"];
    let more = all.len().saturating_sub(MOST);
    let more = if more > 0 { format!("\n{more} before these; --output has all") } else { String::new() };
    words::table(&head, &rows) + &more
}

/// Whether it counts, in a word or two.
fn stands(row: &Row) -> &'static str {
    match (row.decided.undone, row.stands) {
        (true, _) => "taken back",
        (false, true) => "yes",
        (false, false) if row.decided.more => "·",
        (false, false) => "no",
    }
}

/// Who it is, and what it is called now.
fn individual(row: &Row) -> String {
    match (row.decided.ruling.individual(), row.individual_now.as_deref()) {
        (Some(then), Some(now)) if then != now => format!("{then}, now {now}"),
        (Some(then), _) => then.to_owned(),
        (None, _) => "·".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::gallery::decisions::{By, Decided, Proposed, Ruling};
    use crate::run::stamp::Stamp;

    #[test]
    fn of_an_encounter_that_was_corrected_one_row_stands_and_present_names_are_told() {
        let row = |name: &str, now: Option<&str>, (stands, undone): (bool, bool)| Row {
            decided: Decided {
                change: 1,
                at: Stamp::from_millis(0),
                folder: "/week".into(),
                encounter: "boat 5".into(),
                ruling: Ruling::Known(name.into()),
                by: By::Person,
                proposed: Proposed::default(),
                unread: false,
                undone,
                more: false,
                go: None,
                had: None,
            },
            stands,
            individual_now: now.map(str::to_owned),
        };
        let all = [
            row("Nina", Some("Nora"), (false, false)),
            row("Otto", None, (false, true)),
            row("Quin", Some("Quin"), (true, false)),
        ];
        let told = shown(&all);
        let lines: Vec<&str> = told.lines().collect();
        assert!(lines[0].ends_with("stands"), "{told}");
        assert!(lines[1].contains("Nina, now Nora") && lines[1].ends_with("no"), "{told}");
        assert!(lines[2].ends_with("taken back"), "{told}");
        assert!(lines[3].contains("Quin") && !lines[3].contains(", now") && lines[3].ends_with("yes"), "{told}");
    }
}
