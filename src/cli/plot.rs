//! `plot`: embeddings projected to two dimensions, as a picture.

use std::path::PathBuf;

use anyhow::Result;
use clap::{Args, ValueEnum};
use serde_json::json;

use crate::data::counted::counted;
use crate::data::foreign;
use crate::eval::charts::{NEIGHBOURS_FILE, PROJECTION_FILE};
use crate::eval::embeddings::EmbeddingSet;
use crate::eval::figures::{scatter_of, write_as};
use crate::eval::projection::Projection;
use crate::eval::projection::pca::Pca;
use crate::eval::projection::tsne::Tsne;

use super::args::png_or_svg;
use super::{Context, pictures};

/// Arguments of `plot`.
#[derive(Debug, Args)]
#[command(
    after_help = "Example:\n  caretta plot embeddings/ --output embedding.png\n  caretta plot embeddings/ --projection tsne --output neighbours.svg"
)]
pub(super) struct PlotArgs {
    /// A folder with embeddings.npy and photos.csv, or the npy file
    embeddings: PathBuf,
    /// The picture, .png or .svg [default: embedding.png or tsne.png beside the embeddings]
    #[arg(long, value_name = "FILE")]
    output: Option<PathBuf>,
    /// How to lay them out: pca (components, linear) or tsne (neighbours lie together)
    #[arg(long, value_enum, hide_possible_values = true, default_value_t = ProjectionArg::Pca, value_name = "HOW")]
    projection: ProjectionArg,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum ProjectionArg {
    /// Principal components
    Pca,
    /// t-SNE
    Tsne,
}

impl ProjectionArg {
    /// The way, and the file that it is drawn into unless told.
    fn way(self) -> (&'static dyn Projection, &'static str) {
        match self {
            ProjectionArg::Pca => (&Pca, PROJECTION_FILE),
            ProjectionArg::Tsne => (&Tsne, NEIGHBOURS_FILE),
        }
    }
}

pub(super) fn plot(context: &Context, args: &PlotArgs) -> Result<u8> {
    png_or_svg(args.output.as_deref())?;
    let set = EmbeddingSet::read(&args.embeddings)?;
    let (way, file) = args.projection.way();
    let projected = way.project(&set.vectors, set.dim)?;
    let folder = if args.embeddings.is_dir() {
        args.embeddings.clone()
    } else {
        args.embeddings.parent().map(PathBuf::from).unwrap_or_default()
    };
    let path = args.output.clone().unwrap_or_else(|| folder.join(file));
    let drawing = scatter_of(&format!("Embedding of {} photos", set.len()), &set, &projected);
    write_as(&path, &drawing)?;
    let answer = json!({
        "photos": set.len(), "projection": way.name(), "explained": projected.explained, "picture": foreign::path(&path),
    });
    context.answer(&answer, || {
        format!("{}, {}: {}", counted(set.len(), "photo"), projected.axes.join(", "), foreign::path(&path))
    })?;
    pictures::show(&drawing.picture, context.global.images, context.global.json);
    Ok(0)
}
