//! `pair`: two photos side by side, their distance, and what it means for this model.

use std::path::PathBuf;

use anyhow::Result;
use clap::Args;
use serde_json::json;

use crate::data::decode::PhotoFile;
use crate::data::foreign;
use crate::eval::compare::{Compared, UNKNOWN, compare};
use crate::eval::figures::write_as;
use crate::eval::verdict::Distances;
use crate::nn::ops::Backend;
use crate::nn::ops::device::on_device;

use super::args::{PhotoFlags, png_or_svg};
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
    /// Distances to hold it against: distances.json of an evaluation [default: the run's newest of these weights]
    #[arg(long, value_name = "FILE")]
    distances: Option<PathBuf>,
    /// Write the picture here, .png or .svg
    #[arg(long, value_name = "FILE")]
    output: Option<PathBuf>,
    #[command(flatten)]
    photos: PhotoFlags,
}

pub(super) fn pair(context: &Context, args: &PairArgs) -> Result<u8> {
    png_or_svg(args.output.as_deref())?;
    let device = args.photos.device.open()?;
    on_device!(&device, device => pair_on(context, args, device))
}

fn pair_on<D: Backend>(context: &Context, args: &PairArgs, device: &D) -> Result<u8> {
    let mut chosen = Chosen::of(context, &args.model_path, None)?;
    let model = chosen.load(device)?;
    let known = match (&args.distances, &chosen.run) {
        (Some(path), _) => Some(Distances::read(path)?),
        (None, Some(run)) => Distances::newest(&run.evaluations(), &model.identity),
        (None, None) => None,
    };
    let photos = [PhotoFile::from(&args.a), PhotoFile::from(&args.b)];
    let compared = compare(&model, &chosen.name, &photos, known.as_ref(), &args.photos.source(context))?;
    let Compared { distance, verdict, picture } = &compared;
    let [a, b] = photos.each_ref().map(|photo| foreign::path(&photo.path));
    let answer = json!({ "a": a, "b": b, "model": chosen.name, "distance": distance, "verdict": verdict });
    context.answer(&answer, || match verdict {
        Some(verdict) => format!("distance {distance:.3}\n{}", verdict.sentence),
        None => {
            let model = foreign::path(&args.model_path);
            format!(
                "distance {distance:.3}\n{UNKNOWN}\nNext: caretta evaluate --model-path {model}, or --distances \
                 distances.json of an evaluation that lies elsewhere"
            )
        }
    })?;
    if let Some(path) = &args.output {
        write_as(path, picture)?;
        words::say(&format!("picture: {}", foreign::path(path)));
    }
    pictures::show(&picture.picture, context.global.images, context.global.json);
    Ok(0)
}
