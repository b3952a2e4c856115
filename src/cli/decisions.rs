//! `gallery decisions`: what was decided of new photos, by whom, beside what was proposed.

use std::path::PathBuf;

use anyhow::{Context as _, Result};
use clap::Args;
use serde_json::json;

use crate::data::counted::counted;
use crate::data::foreign;
use crate::gallery::decisions::{By, Decided, Ruling};
use crate::gallery::store::Gallery;
use crate::run::files;

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
    /// Write them as a table; one that is there is replaced
    #[arg(long, value_name = "FILE.csv")]
    output: Option<PathBuf>,
}

pub(super) fn decisions(context: &Context, args: &DecisionsArgs) -> Result<u8> {
    let gallery = Gallery::open(&args.gallery.gallery)?;
    let all = gallery.decided(None)?;
    if let Some(output) = &args.output {
        files::replace(output, &table(&all)?).with_context(|| format!("--output {}", foreign::path(output)))?;
    }
    context.answer(&json!({ "decisions": all }), || {
        let Some(output) = &args.output else { return shown(&all) };
        format!("{}: {}", foreign::path(output), counted(all.len(), "decision"))
    })?;
    Ok(0)
}

fn ruling(decided: &Decided) -> &'static str {
    match decided.ruling {
        Ruling::Known(_) => "known",
        Ruling::New(_) => "new_individual",
        Ruling::Skipped => "skipped",
    }
}

fn by(decided: &Decided) -> &'static str {
    match decided.by {
        By::Person => "person",
        By::Program => "program",
    }
}

/// The columns of the table.
const COLUMNS: [&str; 11] = [
    "at",
    "folder",
    "encounter",
    "decision",
    "individual",
    "by",
    "undone",
    "proposed_decision",
    "proposed_individual",
    "proposed_probability",
    "proposed_distance",
];

fn table(all: &[Decided]) -> Result<Vec<u8>> {
    let mut table = csv::Writer::from_writer(Vec::new());
    table.write_record(COLUMNS)?;
    for decided in all {
        let proposed = &decided.proposed;
        let said = match proposed.decision {
            Some(verdict) => serde_json::to_value(verdict)?.as_str().unwrap_or_default().to_owned(),
            None => String::new(),
        };
        let number = |value: Option<f64>| value.map(|value| value.to_string()).unwrap_or_default();
        table.write_record([
            decided.at.to_string().as_str(),
            &decided.folder,
            &decided.encounter,
            ruling(decided),
            decided.ruling.individual().unwrap_or_default(),
            by(decided),
            if decided.undone { "true" } else { "false" },
            &said,
            proposed.individual.as_deref().unwrap_or_default(),
            &number(proposed.probability),
            &number(proposed.distance),
        ])?;
    }
    Ok(table.into_inner().map_err(|e| e.into_error())?)
}

/// The decisions for people, the last ones.
fn shown(all: &[Decided]) -> String {
    const MOST: usize = 40;
    if all.is_empty() {
        return "Nothing was decided yet: the tab 5 Identify of `caretta` is where new photos get their names".into();
    }
    let rows: Vec<Vec<String>> = all[all.len().saturating_sub(MOST)..]
        .iter()
        .map(|decided| {
            vec![
                decided.at.local(),
                foreign::line(&decided.encounter),
                ruling(decided).replace('_', " "),
                foreign::line(decided.ruling.individual().unwrap_or("·")),
                by(decided).to_owned(),
                foreign::line(decided.proposed.individual.as_deref().unwrap_or("·")),
                if decided.undone { "taken back".to_owned() } else { String::new() },
            ]
        })
        .collect();
    let head = ["when", "encounter", "decision", "individual", "by", "proposed", ""];
    let more = all.len().saturating_sub(MOST);
    let more = if more > 0 { format!("\n{more} before these; --output has all") } else { String::new() };
    words::table(&head, &rows) + &more
}
