//! `bench`: photos a second of a backbone on this machine, seconds for a ranking, or how a gallery of a given size fares.

mod loading;
mod peer;

use std::path::PathBuf;
use std::time::Duration;

use anyhow::Result;
use clap::Args;
use serde::Serialize;

use crate::eval::bench::{RetrievalPlan, draw};
use crate::eval::embeddings::EmbeddingSet;
use crate::gallery::bench::{GalleryPlan, GalleryReport};
use crate::nn::backbone::Backbone;
use crate::nn::ops::Precision;
use crate::nn::ops::cpu::thread_count;
use crate::nn::ops::device::{AnyDevice, on_device};
use crate::run::files;
use crate::train::bench::{BenchPlan, BenchReport};

use self::peer::{Ground, Reached};
use super::args::{PhotoFlags, Usage};
use super::evaluate::SearchArg;
use super::{Context, words};

/// Arguments of `bench`.
#[derive(Debug, Args)]
#[command(
    group = clap::ArgGroup::new("of_embeddings").args(["retrieval", "gallery"]).multiple(true),
    after_help = "Example:\n  caretta bench --backbone resnet50 --batch-size 16 --image-size 224 --json\n  caretta bench --peer venv/bin/python\n  caretta bench --retrieval --gallery 100000 --queries 1000\n  caretta bench --loading --peer venv/bin/python\n  caretta bench --gallery 1000000        takes 2.6 GB of disk and some minutes"
)]
pub(super) struct BenchArgs {
    /// The network
    #[arg(long, default_value = "resnet50", value_name = "NAME")]
    backbone: String,
    /// Photos in a step
    #[arg(long, alias = "batch_size", default_value_t = 16, value_parser = clap::value_parser!(u32).range(1..=4096), value_name = "N")]
    batch_size: u32,
    /// Side of a photo in pixels
    #[arg(long, alias = "image_size", default_value_t = 224, value_parser = clap::value_parser!(u32).range(32..=1024), value_name = "PIXELS")]
    image_size: u32,
    /// Seconds for each of the three measurements
    #[arg(long, default_value_t = 10, value_name = "N")]
    seconds: u64,
    /// A Python with torch and torchvision (onnxruntime and onnx, too, for ONNX Runtime), measured beside Caretta
    #[arg(long, conflicts_with = "of_embeddings", value_name = "PYTHON")]
    peer: Option<PathBuf>,
    /// Measure a ranking instead, of drawn embeddings, with all its figures
    #[arg(long)]
    retrieval: bool,
    /// Measure a gallery of so many photos instead, with drawn embeddings: made, opened, asked, added to. With --retrieval, the
    /// photos to search [default there: 100000]
    #[arg(long, value_parser = clap::value_parser!(u32).range(1..=10_000_000), value_name = "N")]
    gallery: Option<u32>,
    /// Measure how photos are prepared instead: files read, decoded, resized and changed at random as in a first epoch, and out of the
    /// cache as in later ones
    #[arg(long, conflicts_with = "of_embeddings")]
    loading: bool,
    /// Photos for --loading, of many the first 256 [default: drawn ones, 2000 pixels wide]
    #[arg(long, alias = "data_dir", requires = "loading", value_name = "PATH")]
    data_dir: Option<PathBuf>,
    /// How the nearest are found, for --retrieval: exact, or approximate by an index
    #[arg(long, value_enum, hide_possible_values = true, default_value_t = SearchArg::Exact, requires = "retrieval", value_name = "exact|approximate")]
    search: SearchArg,
    /// Photos to ask about, for --retrieval [default: 1000] and --gallery [default: 100]
    #[arg(long, requires = "of_embeddings", value_parser = clap::value_parser!(u32).range(1..=1_000_000), value_name = "N")]
    queries: Option<u32>,
    /// Photos to add to the gallery, for --gallery
    #[arg(long, default_value_t = 10_000, requires = "gallery", value_parser = clap::value_parser!(u32).range(0..=1_000_000), value_name = "N")]
    added: u32,
    /// Numbers of an embedding, for --retrieval and --gallery
    #[arg(long, alias = "embedding_dim", default_value_t = 512, requires = "of_embeddings", value_parser = clap::value_parser!(u32).range(1..=4096), value_name = "N")]
    embedding_dim: u32,
    /// Folder that the embeddings ranked are left in, for others to rank, or the gallery
    #[arg(long, alias = "output_dir", requires = "of_embeddings", value_name = "FOLDER")]
    output_dir: Option<PathBuf>,
    #[command(flatten)]
    photos: PhotoFlags,
}

/// A ranking.
fn retrieval(context: &Context, args: &BenchArgs) -> Result<u8> {
    let plan = RetrievalPlan {
        gallery: args.gallery.unwrap_or(100_000) as usize,
        queries: args.queries.unwrap_or(1000) as usize,
        embedding_dim: args.embedding_dim as usize,
    };
    let device = args.photos.device.open()?; // distances are summed by the card that is open
    if !context.global.json {
        words::say(&device.describe());
    }
    let set = draw(&plan)?;
    if let Some(folder) = &args.output_dir {
        if let Some(path) = EmbeddingSet::in_the_way(folder) {
            return Err(crate::eval::Error::Foreign { path }.into());
        }
        files::create_folder(folder)?;
        set.write(folder)?;
    }
    let report = crate::eval::bench::retrieval(&set, args.search.search())?;
    context.answer(&report, || {
        let how = report.approximate.map_or("exact".to_owned(), |found| {
            format!("approximate (recall@1 {:.4}, @10 {:.4})", found.recall_at_1, found.recall_at_10)
        });
        let memory = report.memory_bytes.map_or_else(String::new, |bytes| format!(", {} at most", words::gib(bytes)));
        format!(
            "{} queries against {} embeddings of {} numbers, {how}, every figure: {:.2} s{memory}\nits intervals: {:.2} s",
            report.queries, report.gallery, report.embedding_dim, report.seconds, report.interval_seconds
        )
    })?;
    Ok(0)
}

/// What was measured, and beside it what another reached.
#[derive(Serialize)]
struct Measured<'a> {
    /// The kernels, and what stands for a product of fp32 in them.
    device: &'a str,
    #[serde(flatten)]
    report: &'a BenchReport,
    #[serde(skip_serializing_if = "Option::is_none")]
    peer: &'a Option<Vec<Reached>>,
}

/// A gallery of so many photos.
fn gallery(context: &Context, args: &BenchArgs, photos: u32) -> Result<u8> {
    let plan = GalleryPlan {
        photos: photos as usize,
        embedding_dim: args.embedding_dim as usize,
        queries: args.queries.unwrap_or(100) as usize,
        added: args.added as usize,
    };
    let own = tempfile::tempdir()?;
    let folder = args.output_dir.clone().unwrap_or_else(|| own.path().join("drawn.gallery"));
    let device = args.photos.device.open()?; // distances of a small gallery are summed by the card that is open
    if !context.global.json {
        words::say(&device.describe());
    }
    let bar = indicatif::ProgressBar::new_spinner();
    let report = crate::gallery::bench::bench(&plan, &folder, &mut |doing| {
        if !context.global.json {
            bar.set_message(doing.to_owned());
            bar.tick();
        }
    });
    bar.finish_and_clear();
    let report = report?;
    context.answer(&report, || told(&report))?;
    Ok(0)
}

fn told(report: &GalleryReport) -> String {
    let row = |what: &str, figure: String| vec![what.to_owned(), figure];
    let mut rows = vec![
        row("opened", format!("{:.2} s", report.open_seconds)),
        row("one photo", format!("{:.1} ms, {:.1} at worst", report.query_ms, report.query_ms_worst)),
        row("a photo of many", format!("{:.1} ms", report.query_ms_of_many)),
        row("recall@1, recall@10", format!("{:.4}, {:.4}", report.recall_at_1, report.recall_at_10)),
        row("rank-1", words::share(Some(report.rank1))),
        row(&format!("{} added", report.added), format!("{:.2} s", report.add_seconds)),
        row("on the disk", words::gib(report.file_bytes)),
    ];
    if let Some(told) = report.told_recall_at_10 {
        rows.insert(4, row("recall@10 as it says", format!("{told:.4}")));
    }
    if let Some(seconds) = report.build_seconds {
        rows.push(row("made", format!("{seconds:.0} s")));
    }
    if let Some(bytes) = report.memory_bytes {
        rows.push(row("in memory", words::gib(bytes)));
    }
    let about =
        format!("{} photos of {} numbers, {} asked about\n", report.photos, report.embedding_dim, report.queries);
    about + &words::table(&["", ""], &rows)
}

pub(super) fn bench(context: &Context, args: &BenchArgs) -> Result<u8> {
    if args.retrieval {
        return retrieval(context, args);
    }
    if args.loading {
        return loading::measure(context, args);
    }
    if let Some(photos) = args.gallery {
        return gallery(context, args, photos);
    }
    let backbone = Backbone::named(&args.backbone).map_err(|e| Usage(e.to_string()))?.name;
    let device = args.photos.device.open()?;
    let plan = BenchPlan {
        backbone,
        batch_size: args.batch_size as usize,
        image_size: args.image_size as usize,
        patience: Duration::from_secs(args.seconds),
        workers: args.photos.workers,
    };
    let described = device.describe();
    if !context.global.json {
        words::say(&described);
    }
    let report = on_device!(&device, device => crate::train::bench::bench(device, &plan))?;
    let ground = Ground {
        device: &device.name(),
        // PyTorch's products on a processor are exact unless bf16 is asked for
        exact: args.photos.device.precision() == Precision::Fp32 || matches!(device, AnyDevice::Cpu(_)),
        threads: thread_count(),
    };
    let peer = args.peer.as_ref().map(|python| peer::beside(python, &plan, ground, &report)).transpose()?;
    let answer = Measured { device: &described, report: &report, peer: &peer };
    context.answer(&answer, || {
        let rows = [
            ("training", report.train_photos_per_s, report.train_photos_per_s_median),
            ("embedding", report.inference_photos_per_s, report.inference_photos_per_s_median),
        ];
        let cells =
            rows.map(|(name, best, median)| vec![name.to_owned(), format!("{best:.2}"), format!("{median:.2}")]);
        let mut last = format!(
            "\ntraining on photos from a cache: {:.2} photos/s, {} of the time spent waiting for them",
            report.loaded_photos_per_s,
            words::share(Some(report.loaded_wait)),
        );
        if let Some(bytes) = report.memory_bytes {
            last += &format!("\n{} of the card's memory at most", words::gib(bytes));
        }
        last += &peer.as_deref().map_or_else(String::new, peer::told);
        let about = format!("{backbone}, batch {}, {} pixels\n", args.batch_size, args.image_size);
        about + &words::table(&["photos/s", "best", "median"], &cells) + &last
    })?;
    Ok(0)
}
