//! `dataset check`: everything wrong with a dataset, before a training begins.

use std::collections::BTreeMap;
use std::path::PathBuf;

use anyhow::Result;
use clap::Args;
use serde_json::json;

use crate::data::DataError;
use crate::data::check::{Checked, Finding, FindingKind, check};
use crate::data::counted::counted;
use crate::data::foreign;

use super::args::{dataset, workers};
use super::{Context, follow, words};

#[derive(Debug, Args)]
pub(super) struct CheckArgs {
    /// A folder, a table or the name of a dataset
    dataset: PathBuf,
    /// Tell every finding, not a few of each kind; --json tells all
    #[arg(long)]
    all: bool,
    /// Threads that look at photos
    #[arg(long, default_value_t = 2, value_parser = workers, value_name = "N")]
    workers: usize,
}

pub(super) fn dataset_check(context: &Context, args: &CheckArgs) -> Result<u8> {
    let manifest = dataset(context, &args.dataset)?;
    context.catch_signals()?;
    let bar = follow::bar(manifest.photos.len() as u64, "looking at photos", context.global.json);
    let checked = check(&manifest, args.workers, |done| {
        bar.set_position(done as u64);
        !context.is_interrupted()
    });
    bar.finish_and_clear();
    let checked = match checked {
        Err(DataError::Interrupted) => {
            words::say("interrupted before all photos were looked at");
            return Ok(super::INTERRUPTED);
        }
        other => other?,
    };
    let mut kinds: BTreeMap<FindingKind, usize> = BTreeMap::new();
    checked.findings.iter().for_each(|finding| *kinds.entry(finding.kind).or_default() += 1);
    let (photos, readable) = (manifest.photos.len(), checked.readable);
    let answer = json!({
        "dataset": manifest.name, "photos": photos, "readable": readable, "kinds": kinds, "findings": checked.findings,
    });
    context.answer(&answer, || {
        let head = format!("{} · {} · {readable} can be read", manifest.name, counted(photos, "photo"));
        format!("{head}\n{}", told(&checked, if args.all { usize::MAX } else { FEW }))
    })?;
    Ok(0)
}

/// Findings of a kind that are told unless all are asked for.
const FEW: usize = 5;

/// The findings for people: a paragraph a kind.
fn told(checked: &Checked, most: usize) -> String {
    if checked.findings.is_empty() {
        return "Nothing wrong was found.".into();
    }
    let mut text = String::new();
    for findings in checked.findings.chunk_by(|a, b| (a.kind, a.training) == (b.kind, b.training)) {
        let first = &findings[0];
        text += &format!("\n{} ({}): {}\n", first.kind.word(), findings.len(), first.training);
        findings.iter().take(most).for_each(|finding| text += &format!("  {}\n", line(finding)));
        if let Some(more) = findings.len().checked_sub(most).filter(|&more| more > 0) {
            text += &format!("  … and {more} more; --all tells them\n");
        }
    }
    text.trim_end().to_owned()
}

fn line(finding: &Finding) -> String {
    let at = finding.line.map(|line| format!("line {line}, ")).unwrap_or_default();
    let photo = finding.photo.as_deref().map(|photo| format!("{}: ", foreign::line(photo))).unwrap_or_default();
    format!("{at}{photo}{}", foreign::line(&finding.reason))
}
