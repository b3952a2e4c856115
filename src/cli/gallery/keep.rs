//! `gallery export`, `backup` and `rebuild`: a gallery as other files, as a copy, and embedded anew.

use std::path::{Path, PathBuf};

use anyhow::Result;
use clap::{Args, ValueEnum};
use serde_json::json;

use crate::data::counted::counted;
use crate::data::foreign;
use crate::gallery::backup::backup as copy;
use crate::gallery::calibrated::calibration_of;
use crate::gallery::export;
use crate::gallery::rebuild::{Anew, rebuild as embed_anew};
use crate::gallery::store::Gallery;
use crate::gallery::writer::Writer;
use crate::nn::ops::Backend;
use crate::nn::ops::device::on_device;

use super::super::args::PhotoFlags;
use super::super::crop::CropFlag;
use super::super::of_gallery::{GalleryFlag, OfGallery, trained};
use super::super::{Context, INTERRUPTED, follow, words};

/// Arguments of `gallery export`.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  caretta gallery export --gallery turtles.gallery --output-dir out/        embeddings.npy with photos.csv, individuals, the log
  caretta gallery export --gallery turtles.gallery --output-dir out/ --format wildlife        metadata.csv")]
pub(in crate::cli) struct ExportArgs {
    #[command(flatten)]
    gallery: GalleryFlag,
    /// Where the files go
    #[arg(long, alias = "output_dir", value_name = "DIR")]
    output_dir: PathBuf,
    /// npy (embeddings and tables) or wildlife (the table that wildlife-datasets reads)
    #[arg(long, value_enum, hide_possible_values = true, default_value_t = FormatArg::Npy, value_name = "npy|wildlife")]
    format: FormatArg,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum FormatArg {
    /// Embeddings and tables
    Npy,
    /// A dataset's table
    Wildlife,
}

/// Arguments of `gallery backup`.
#[derive(Debug, Args)]
#[command(
    after_help = "Example:\n  caretta gallery backup --gallery turtles.gallery --output-dir /backup/turtles-2026-11-27.gallery"
)]
pub(in crate::cli) struct BackupArgs {
    #[command(flatten)]
    gallery: GalleryFlag,
    /// The copy's folder, which must not be there
    #[arg(long, alias = "output_dir", value_name = "DIR")]
    output_dir: PathBuf,
}

/// Arguments of `gallery rebuild`.
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  caretta gallery rebuild --gallery turtles.gallery --model-path triplet-resnet50")]
pub(in crate::cli) struct RebuildArgs {
    #[command(flatten)]
    gallery: GalleryFlag,
    /// A run's id or folder, or a file of weights [default: the gallery's, as it is now]
    #[arg(long, alias = "model_path", value_name = "MODEL")]
    model_path: Option<PathBuf>,
    /// Leave photos that cannot be read any more out for good
    #[arg(long)]
    drop_missing: bool,
    #[command(flatten)]
    crop: CropFlag,
    #[command(flatten)]
    photos: PhotoFlags,
}

pub(super) fn export(context: &Context, args: &ExportArgs) -> Result<u8> {
    let gallery = Gallery::open(&args.gallery.gallery)?;
    let exported = match args.format {
        FormatArg::Npy => export::embeddings(&gallery, &args.output_dir)?,
        FormatArg::Wildlife => export::dataset(&gallery, &args.output_dir)?,
    };
    context.answer(&exported, || {
        let names: Vec<_> = exported.files.iter().filter_map(|f| f.file_name()).map(|n| n.to_string_lossy()).collect();
        let said = format!(
            "{}: {} ({})",
            foreign::path(&args.output_dir),
            names.join(", "),
            counted(exported.photos, "photo")
        );
        match args.format {
            FormatArg::Npy => format!("{said}; their paths start from {}", foreign::path(&exported.root)),
            FormatArg::Wildlife => format!("{said}; a dataset that is read where it lies"),
        }
    })?;
    Ok(0)
}

pub(super) fn backup(context: &Context, args: &BackupArgs) -> Result<u8> {
    let counts = copy(&Gallery::open(&args.gallery.gallery)?, &args.output_dir)?;
    let shown = foreign::path(&args.output_dir);
    context.answer(&json!({ "gallery": shown, "photos": counts.photos, "individuals": counts.individuals }), || {
        format!(
            "{shown}: {} of {}; a gallery like any other",
            counted(counts.photos, "photo"),
            counted(counts.individuals, "individual")
        )
    })?;
    Ok(0)
}

pub(super) fn rebuild(context: &Context, args: &RebuildArgs) -> Result<u8> {
    context.catch_signals()?;
    super::exact(&args.photos.device)?;
    let device = args.photos.device.open()?;
    on_device!(&device, device => rebuild_on(context, args, device))
}

fn rebuild_on<D: Backend>(context: &Context, args: &RebuildArgs, device: &D) -> Result<u8> {
    let mut writer = Writer::open(&args.gallery.gallery)?;
    let given = args.model_path.as_deref().map_or_else(|| writer.model_file(), |path: &Path| Ok(path.to_path_buf()))?;
    let of = OfGallery::of_model(context, device, &given, &args.crop)?;
    let looking = of.looking(device)?;
    let trained = trained(&of.chosen, &of.model, None);
    let anew = Anew {
        model: &of.model,
        embedding: of.embedding(),
        networks: of.networks(),
        looker: looking.as_ref().map(|model| &model.network),
        trained: &trained,
        drop_missing: args.drop_missing,
    };
    let was_calibrated = calibration_of(&writer).is_ok_and(|calibration| calibration.is_some());
    let bar = follow::bar(0, "embedding", context.global.json);
    let rebuilt = embed_anew(&mut writer, &anew, &args.photos.source(context), &mut |done, all| {
        bar.set_length(all as u64);
        bar.set_position(done as u64);
        !context.is_interrupted()
    });
    bar.finish_and_clear();
    if let Err(crate::gallery::Error::Interrupted) = rebuilt {
        words::say("interrupted; the gallery is as it was");
        return Ok(INTERRUPTED);
    }
    let problems = rebuilt?;
    words::say_problems(&problems);
    let counts = writer.counts()?;
    let shown = foreign::path(&args.gallery.gallery);
    let answer =
        json!({ "gallery": shown, "photos": counts.photos, "model": of.chosen.name, "left_out": problems.len() });
    context.answer(&answer, || {
        let said = format!("{shown}: {} embedded anew by {}", counted(counts.photos, "photo"), of.chosen.name);
        match was_calibrated {
            true => format!("{said}\nIts calibration was of the embeddings before. Next: caretta gallery calibrate --gallery {shown}"),
            false => said,
        }
    })?;
    Ok(0)
}
