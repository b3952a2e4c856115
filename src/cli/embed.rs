//! `embed`: the embeddings of any photos, as two files.

use std::path::PathBuf;

use anyhow::{Context as _, Result};
use clap::Args;
use serde_json::json;

use crate::data::manifest::Manifest;
use crate::data::{DataError, formats};
use crate::eval::dataset::photo_row;
use crate::eval::embed::{Embedded, embed_readable};
use crate::eval::embeddings::{EmbeddingSet, Role};

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
    let mut chosen = Chosen::of(context, &args.model_path, None)?;
    let device = crate::train::worker::device(&args.photos.device)?;
    let model = chosen.load(&device)?;
    let manifest = photos(context, &args.data_dir)?;
    let source = args.photos.source(context);
    let all: Vec<usize> = (0..manifest.photos.len()).collect();
    let bar = follow::bar(2 * all.len() as u64, "embedding", context.global.json);
    let embedded = embed_readable(&model, &manifest, &all, &source, &mut |done, _| {
        bar.set_position(done as u64);
        !context.is_interrupted()
    });
    bar.finish_and_clear();
    if let Err(crate::eval::Error::Interrupted) = embedded {
        return Ok(super::INTERRUPTED);
    }
    let Embedded { usable, vectors, problems } = embedded?;
    let rows = usable.iter().map(|&i| photo_row(&manifest, i, Role::None)).collect();
    let set = EmbeddingSet::new(model.about.embedding_dim, vectors, rows)?;
    crate::run::files::create_folder(&args.output_dir)?;
    set.write(&args.output_dir)?;
    for problem in &problems {
        words::say(&format!("left out: {problem}"));
    }
    let answer = json!({
        "model": chosen.name, "identity": model.identity, "preprocessing": model.about.preprocessing,
        "photos": set.len(), "left_out": problems.len(), "embedding_dim": set.dim, "dir": args.output_dir,
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
