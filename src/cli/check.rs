//! `dataset check`: everything wrong with a dataset, before a training begins.

use std::collections::BTreeMap;
use std::path::PathBuf;

use anyhow::Result;
use clap::Args;
use serde_json::json;

use crate::data::DataError;
use crate::data::check::FindingKind;
use crate::data::counted::counted;
use crate::run::RunError;

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
    let dir = context.workspace.data_dir(&args.dataset)?;
    let checked = context.workspace.check_dataset(dir.as_ref(), &manifest, args.workers, |done| {
        bar.set_position(done as u64);
        !context.is_interrupted()
    });
    bar.finish_and_clear();
    let checked = match checked {
        Err(RunError::Data(DataError::Interrupted)) => {
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
        "sizes": checked.sizes,
    });
    context.answer(&answer, || {
        let head = format!("{} · {} · {readable} can be read", manifest.name, counted(photos, "photo"));
        format!("{head}\n{}", checked.told(if args.all { usize::MAX } else { FEW }).join("\n"))
    })?;
    Ok(0)
}

/// Findings of a kind that are told unless all are asked for.
const FEW: usize = 5;
