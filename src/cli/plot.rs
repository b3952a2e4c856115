//! `plot`: embeddings projected to two dimensions, as a picture.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use anyhow::Result;
use clap::{Args, ValueEnum};
use serde_json::json;

use crate::data::counted::counted;
use crate::data::foreign;
use crate::eval::charts::{NEIGHBOURS_FILE, PROJECTION_FILE};
use crate::eval::embeddings::EmbeddingSet;
use crate::eval::figures::{scatter_of, scatter_of_photos, write_as};
use crate::eval::projection::Projection;
use crate::eval::projection::pca::Pca;
use crate::eval::projection::tsne::Tsne;

use super::args::{self, png_or_svg};
use super::{Context, pictures, words};

/// Arguments of `plot`.
#[derive(Debug, Args)]
#[command(
    after_help = "Example:\n  caretta plot embeddings/ --output embedding.png\n  caretta plot embeddings/ --projection tsne --output neighbours.svg\n  caretta plot embeddings/ --projection tsne --photos zakynthos"
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
    /// Show photos in the place of marks where there is room: the folder or dataset that their paths in photos.csv start from
    #[arg(long, value_name = "DATASET")]
    photos: Option<PathBuf>,
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
    let title = format!("Embedding of {} photos", set.len());
    let (drawing, shown) = match &args.photos {
        None => (scatter_of(&title, &set, &projected), None),
        Some(dataset) => {
            let manifest = args::dataset(context, dataset)?;
            let places: HashMap<&Path, usize> =
                manifest.photos.iter().enumerate().map(|(at, photo)| (photo.path.as_path(), at)).collect();
            let mut photo = |row: usize| {
                let at = places.get(Path::new(&set.rows[row].photo))?;
                manifest.file(*at).read().ok()
            };
            let (drawing, shown) = scatter_of_photos(&title, &set, &projected, &mut photo);
            if shown == 0 {
                words::say(&format!("none of the photos could be read from {}", foreign::path(&manifest.root)));
            }
            (drawing, Some(shown))
        }
    };
    write_as(&path, &drawing)?;
    let answer = json!({
        "photos": set.len(), "projection": way.name(), "explained": projected.explained, "picture": foreign::path(&path),
        "shown": shown,
    });
    context.answer(&answer, || {
        let shown = shown.map_or_else(String::new, |n| format!(", {n} shown"));
        format!("{}{shown}, {}: {}", counted(set.len(), "photo"), projected.axes.join(", "), foreign::path(&path))
    })?;
    pictures::show(&drawing.picture, context.global.images, context.global.json);
    Ok(0)
}
