//! `bench`: photos a second of a backbone on this machine.

use std::time::Duration;

use anyhow::Result;
use clap::Args;

use crate::nn::backbone::Backbone;
use crate::nn::ops::device::on_device;
use crate::train::bench::BenchPlan;

use super::args::{PhotoFlags, Usage};
use super::{Context, words};

/// Arguments of `bench`.
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  caretta bench --backbone resnet50 --batch-size 16 --image-size 224 --json")]
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
    #[command(flatten)]
    photos: PhotoFlags,
}

pub(super) fn bench(context: &Context, args: &BenchArgs) -> Result<u8> {
    let backbone = Backbone::named(&args.backbone).map_err(|e| Usage(e.to_string()))?.name;
    let device = args.photos.device.open()?;
    let plan = BenchPlan {
        backbone,
        batch_size: args.batch_size as usize,
        image_size: args.image_size as usize,
        patience: Duration::from_secs(args.seconds),
        workers: args.photos.workers,
    };
    if !context.global.json {
        words::say(&device.describe());
    }
    let report = on_device!(&device, device => crate::train::bench::bench(device, &plan))?;
    context.answer(&report, || {
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
        let about = format!("{backbone}, batch {}, {} pixels\n", args.batch_size, args.image_size);
        about + &words::table(&["photos/s", "best", "median"], &cells) + &last
    })?;
    Ok(0)
}
