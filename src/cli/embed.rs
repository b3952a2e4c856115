//! `embed`: the embeddings of any photos, as two files.

use std::path::PathBuf;

use anyhow::{Context as _, Result};
use clap::Args;
use serde::Serialize;

use crate::data::counted::counted;
use crate::data::foreign;
use crate::data::formats;
use crate::data::manifest::LEFT_OUT;
use crate::eval::embeddings::{EMBEDDINGS_FILE, PHOTOS_FILE};
use crate::eval::gather::{ABOUT_FILE, AboutEmbeddings, gather};
use crate::nn::ops::Backend;
use crate::nn::ops::device::on_device;
use crate::run::RunDir;

use super::args::PhotoFlags;
use super::crop::{CropFlag, look};
use super::evaluate::Chosen;
use super::{Context, follow, words};

/// Arguments of `embed`.
#[derive(Debug, Args)]
#[command(
    after_help = "Example:\n  caretta embed --model-path arcface-resnet50 --data-dir this-week/ --output-dir embeddings/"
)]
pub(super) struct EmbedArgs {
    /// A run's id or folder, or a file of weights
    #[arg(long, alias = "model_path", value_name = "MODEL")]
    model_path: PathBuf,
    /// The photos: a dataset, or any folder with photos in it
    #[arg(long, alias = "data_dir", value_name = "PATH")]
    data_dir: PathBuf,
    /// Where embeddings.npy, photos.csv and embeddings.json go
    #[arg(long, alias = "output_dir", value_name = "DIR")]
    output_dir: PathBuf,
    #[command(flatten)]
    crop: CropFlag,
    #[command(flatten)]
    photos: PhotoFlags,
}

pub(super) fn embed(context: &Context, args: &EmbedArgs) -> Result<u8> {
    context.catch_signals()?;
    let device = args.photos.device.open()?;
    on_device!(&device, device => embed_on(context, args, device))
}

fn embed_on<D: Backend>(context: &Context, args: &EmbedArgs, device: &D) -> Result<u8> {
    let mut chosen = Chosen::of(context, &args.model_path, None)?;
    let model = chosen.load(device)?;
    let dir = context.workspace.data_dir(&args.data_dir)?;
    let mut manifest = context
        .workspace
        .every_photo(dir.as_ref())
        .with_context(|| format!("--data-dir {}", foreign::path(&args.data_dir)))?;
    let source = args.photos.source(context);
    let config = chosen.run.as_ref().map(RunDir::read_config).transpose()?;
    if let Some(looker) = args.crop.looker(context, config.as_ref(), &model)? {
        let Some(corrections) = look(context, device, (dir.as_ref(), &manifest), &looker, &source)? else {
            return Ok(super::INTERRUPTED);
        };
        manifest = formats::every_photo(dir.as_ref(), &corrections)?;
    }
    let bar = follow::bar(2 * manifest.photos.len() as u64, "embedding", context.global.json);
    let gathered = gather(&model, &chosen.name, &manifest, &args.output_dir, &source, &mut |done, _| {
        bar.set_position(done as u64);
        !context.is_interrupted()
    });
    bar.finish_and_clear();
    if let Err(crate::eval::Error::Interrupted) = gathered {
        words::say("interrupted; no embeddings were written");
        return Ok(super::INTERRUPTED);
    }
    let (about, problems) = gathered?;
    words::say_problems(&problems);
    let shown = foreign::path(&args.output_dir);
    let answer = Answer { about, left_out: problems.iter().filter(|p| p.kind.fate() == LEFT_OUT).count(), dir: &shown };
    context.answer(&answer, || {
        let AboutEmbeddings { photos, embedding_dim, model, .. } = &answer.about;
        format!(
            "{}, {embedding_dim} numbers each, by {model}\n\
             {shown}: {EMBEDDINGS_FILE}, {PHOTOS_FILE}, {ABOUT_FILE}\n\
             Next: caretta plot {shown}",
            counted(*photos, "photo")
        )
    })?;
    Ok(0)
}

/// What `--json` prints.
#[derive(Serialize)]
struct Answer<'a> {
    #[serde(flatten)]
    about: AboutEmbeddings,
    left_out: usize,
    dir: &'a str,
}
