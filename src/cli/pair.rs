//! `pair`: two photos side by side, their distance, and what it means for this model.

use std::path::PathBuf;

use anyhow::Result;
use clap::Args;
use serde_json::json;

use crate::eval::dataset::thumbnail;
use crate::eval::figures::{PairFigure, Shown, pair_figure, write_png};
use crate::eval::retrieval::distance;
use crate::eval::verdict::{DISTANCES_FILE, Distances};
use crate::run::RunDir;

use super::args::PhotoFlags;
use super::evaluate::Chosen;
use super::{Context, pictures, words};

/// Arguments of `pair`.
#[derive(Debug, Args)]
#[command(
    after_help = "Example:\n  caretta pair monday.jpg tuesday.jpg --model-path arcface-resnet50 --output pair.png"
)]
pub(super) struct PairArgs {
    /// One photo
    a: PathBuf,
    /// The other
    b: PathBuf,
    /// A run's id or folder, or a file of weights
    #[arg(long, alias = "model_path", value_name = "MODEL")]
    model_path: PathBuf,
    /// Distances to hold it against: distances.json of an evaluation [default: the run's newest]
    #[arg(long, value_name = "FILE")]
    distances: Option<PathBuf>,
    /// Write the picture here
    #[arg(long, value_name = "FILE")]
    output: Option<PathBuf>,
    #[command(flatten)]
    photos: PhotoFlags,
}

pub(super) fn pair(context: &Context, args: &PairArgs) -> Result<u8> {
    let mut chosen = Chosen::of(context, &args.model_path, None)?;
    let device = crate::train::worker::device(&args.photos.device)?;
    let model = chosen.load(&device)?;
    let paths = vec![args.a.clone(), args.b.clone()];
    let side = model.about.preprocessing.image_size;
    let vectors = crate::eval::embed::embed(&model.network, side, paths, &args.photos.source(context), |_| true)?;
    let (a, b) = vectors.split_at(model.about.embedding_dim);
    let distance = distance(a, b);
    let known = match (&args.distances, &chosen.run) {
        (Some(path), _) => Some(path.clone()),
        (None, Some(run)) => newest_distances(run),
        (None, None) => None,
    };
    let distances = known.map(|path| Distances::read(&path)).transpose()?;
    let verdict = distances.as_ref().map(|d| d.verdict(distance));
    let answer = json!({
        "a": args.a, "b": args.b, "model": chosen.name, "distance": distance, "verdict": verdict,
    });
    context.answer(&answer, || match &verdict {
        Some(verdict) => format!("distance {distance:.3}\n{}", verdict.sentence),
        None => format!(
            "distance {distance:.3}\nWhat that means is not known yet: an evaluation leaves this model's distances behind.\n\
             Next: caretta evaluate --model-path {}",
            args.model_path.display()
        ),
    })?;
    let (Some(verdict), Some(distances)) = (&verdict, &distances) else {
        if args.output.is_some() {
            words::say("no picture: it shows where the distance lies among known ones");
        }
        return Ok(0);
    };
    let (left, right) = (thumbnail(&args.a), thumbnail(&args.b));
    let name = |path: &PathBuf| path.file_name().map_or_else(String::new, |n| n.to_string_lossy().into_owned());
    let (left_name, right_name) = (name(&args.a), name(&args.b));
    let picture = pair_figure(&PairFigure {
        title: "Two photos",
        words: &chosen.name,
        left: Shown { photo: &left, individual: &left_name, encounter: "" },
        right: Shown { photo: &right, individual: &right_name, encounter: "" },
        verdict,
        distances,
    });
    if let Some(path) = &args.output {
        write_png(path, &picture)?;
        words::say(&format!("picture: {}", path.display()));
    }
    pictures::show(&picture, context.global.images, context.global.json);
    Ok(0)
}

/// `distances.json` of the run's latest evaluation.
fn newest_distances(run: &RunDir) -> Option<PathBuf> {
    let folders = std::fs::read_dir(run.evaluations()).ok()?;
    let files = folders.filter_map(|entry| {
        let path = entry.ok()?.path().join(DISTANCES_FILE);
        let written = path.metadata().and_then(|m| m.modified()).ok()?;
        Some((written, path))
    });
    files.max().map(|(_, path)| path)
}
