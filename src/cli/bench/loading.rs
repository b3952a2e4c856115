//! `bench --loading`: how fast photos are prepared, and PyTorch's DataLoader beside it.

use std::path::PathBuf;
use std::time::Duration;

use anyhow::Result;
use serde::Serialize;

use crate::data::bench::{LoadingPlan, LoadingReport, drawn, loading};

use super::super::{Context, args, words};
use super::BenchArgs;
use super::peer::{self, Reached};

/// The peer's program.
const SCRIPT: &str = include_str!("peer_loading.py");

/// What the peer is told.
#[derive(Serialize)]
struct Told<'a> {
    photos: &'a [PathBuf],
    batch_size: usize,
    image_size: u32,
    seconds: f64,
    workers: usize,
}

/// What was measured, and beside it what another reached.
#[derive(Serialize)]
struct Measured<'a> {
    #[serde(flatten)]
    report: &'a LoadingReport,
    #[serde(skip_serializing_if = "Option::is_none")]
    peer: &'a Option<Vec<Reached>>,
}

/// Photos to measure with: those of the dataset given, else drawn ones; of many the first.
pub(super) fn measure(context: &Context, args: &BenchArgs) -> Result<u8> {
    /// Photos of an epoch at most.
    const MOST: usize = 256;
    let own = tempfile::tempdir()?;
    let folder = args.data_dir.clone().unwrap_or_else(|| own.path().join("drawn"));
    if args.data_dir.is_none() {
        drawn(&folder)?;
    }
    let manifest = args::dataset(context, &folder)?;
    let photos = (0..manifest.photos.len().min(MOST)).map(|photo| manifest.full_path(photo)).collect();
    let plan = LoadingPlan {
        photos,
        image_size: args.image_size,
        batch_size: args.batch_size as usize,
        workers: args.photos.workers,
        folder: own.path().join("caches"),
        patience: Duration::from_secs(args.seconds),
    };
    let report = loading(&plan)?;
    let told = Told {
        photos: &plan.photos,
        batch_size: plan.batch_size,
        image_size: plan.image_size,
        seconds: args.seconds as f64,
        workers: plan.workers,
    };
    let ours = |what: &str| match what {
        "first epoch" => report.first_photos_per_s,
        _ => report.later_photos_per_s,
    };
    let peer = args.peer.as_ref().map(|python| peer::ask(python, SCRIPT, &told, ours)).transpose()?;
    context.answer(&Measured { report: &report, peer: &peer }, || {
        let row =
            |what: &str, best: f64, median: f64| vec![what.to_owned(), format!("{best:.1}"), format!("{median:.1}")];
        let rows = [
            row("first epoch", report.first_photos_per_s, report.first_photos_per_s_median),
            row("later epochs", report.later_photos_per_s, report.later_photos_per_s_median),
        ];
        let about = format!(
            "{} photos of {:.0} kB, to {} pixels, {}\n",
            report.photos,
            report.file_bytes as f64 / report.photos.max(1) as f64 / 1000.0,
            report.image_size,
            crate::data::counted::counted(report.workers, "thread"),
        );
        let others = peer.as_deref().map_or_else(String::new, peer::told);
        about + &words::table(&["photos/s", "best", "median"], &rows) + &others
    })?;
    Ok(0)
}
