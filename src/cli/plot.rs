//! `plot`: embeddings projected to two dimensions, as a picture.

use std::path::PathBuf;

use anyhow::Result;
use clap::Args;
use serde_json::json;

use crate::data::counted::counted;
use crate::data::foreign;
use crate::eval::dataset::PROJECTION_FILE;
use crate::eval::embeddings::EmbeddingSet;
use crate::eval::figures::{scatter_of, write_png};
use crate::eval::projection::Projection;
use crate::eval::projection::pca::Pca;

use super::args::only_png;
use super::{Context, pictures};

/// Arguments of `plot`.
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  caretta plot embeddings/ --output embedding.png")]
pub(super) struct PlotArgs {
    /// A folder with embeddings.npy and photos.csv, or the npy file
    embeddings: PathBuf,
    /// The picture [default: embedding.png beside the embeddings]
    #[arg(long, value_name = "FILE")]
    output: Option<PathBuf>,
}

pub(super) fn plot(context: &Context, args: &PlotArgs) -> Result<u8> {
    only_png(args.output.as_deref())?;
    let set = EmbeddingSet::read(&args.embeddings)?;
    let projected = Pca.project(&set.vectors, set.dim)?;
    let folder = if args.embeddings.is_dir() {
        args.embeddings.clone()
    } else {
        args.embeddings.parent().map(PathBuf::from).unwrap_or_default()
    };
    let path = args.output.clone().unwrap_or_else(|| folder.join(PROJECTION_FILE));
    let picture = scatter_of(&format!("Embedding of {} photos", set.len()), &set, &projected);
    write_png(&path, &picture)?;
    let answer = json!({
        "photos": set.len(), "projection": Pca.name(), "explained": projected.explained, "picture": foreign::path(&path),
    });
    context.answer(&answer, || {
        format!("{}, {}: {}", counted(set.len(), "photo"), projected.axes.join(", "), foreign::path(&path))
    })?;
    pictures::show(&picture, context.global.images, context.global.json);
    Ok(0)
}
