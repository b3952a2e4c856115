//! `embed`: the embeddings of any photos, as two files.

use std::path::PathBuf;

use anyhow::{Context as _, Result};
use clap::Args;
use serde_json::json;

use crate::data::manifest::Manifest;
use crate::data::prepare::prepare;
use crate::data::{DataError, formats};
use crate::eval::dataset::photo_row;
use crate::eval::embeddings::{EmbeddingSet, Role};
use crate::eval::model::Model;

use super::args::PhotoFlags;
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
    /// Where embeddings.npy and photos.csv go
    #[arg(long, alias = "output_dir", value_name = "DIR")]
    output_dir: PathBuf,
    #[command(flatten)]
    photos: PhotoFlags,
}

pub(super) fn embed(context: &Context, args: &EmbedArgs) -> Result<u8> {
    context.catch_signals()?;
    let chosen = Chosen::of(context, &args.model_path, None)?;
    let device = crate::train::worker::device(&args.photos.device)?;
    let model = Model::load(&device, &chosen.path)?;
    let side = model.about.preprocessing.image_size;
    let manifest = photos(context, &args.data_dir)?;
    let source = args.photos.source(context);
    let all: Vec<usize> = (0..manifest.photos.len()).collect();
    let bar = follow::bar(2 * all.len() as u64, "embedding", context.global.json);
    let mut progress = |done: usize| {
        bar.set_position(done as u64);
        !context.is_interrupted()
    };
    let prepared = prepare(&manifest, &all, &source.cache, &[side], source.workers, &mut progress);
    if let Err(DataError::Interrupted) = prepared {
        return Ok(super::INTERRUPTED);
    }
    let prepared = prepared?;
    let paths = prepared.usable.iter().map(|&i| manifest.full_path(i)).collect();
    let vectors = crate::eval::embed::embed(&model.network, side, paths, &source, |done| progress(all.len() + done));
    bar.finish_and_clear();
    let vectors = match vectors {
        Err(crate::eval::Error::Interrupted) => return Ok(super::INTERRUPTED),
        other => other?,
    };
    let rows = prepared.usable.iter().map(|&i| photo_row(&manifest, i, Role::None)).collect();
    let set = EmbeddingSet::new(model.about.embedding_dim, vectors, rows)?;
    std::fs::create_dir_all(&args.output_dir)
        .with_context(|| format!("--output-dir {}: cannot be made", args.output_dir.display()))?;
    set.write(&args.output_dir)?;
    for problem in &prepared.problems {
        words::say(&format!("left out: {problem}"));
    }
    let answer = json!({
        "model": chosen.name, "identity": model.identity, "preprocessing": model.about.preprocessing,
        "photos": set.len(), "left_out": prepared.problems.len(), "embedding_dim": set.dim, "dir": args.output_dir,
    });
    context.answer(&answer, || {
        format!(
            "{} photos, {} numbers each, by {}\n{}: embeddings.npy, photos.csv\nNext: caretta plot {}",
            set.len(),
            set.dim,
            chosen.name,
            args.output_dir.display(),
            args.output_dir.display()
        )
    })?;
    Ok(0)
}

/// A dataset, or every photo in a folder that is none, on which nobody is named.
fn photos(context: &Context, given: &std::path::Path) -> Result<Manifest> {
    let dir = context.workspace.data_dir(given)?;
    match formats::open(dir.as_ref()) {
        Err(DataError::NoFormat { .. } | DataError::NoPhotos { .. }) => {
            formats::loose(dir.as_ref()).with_context(|| format!("--data-dir {}", given.display()))
        }
        other => other.with_context(|| format!("--data-dir {}", given.display())),
    }
}
