//! `bundle`: a gallery with all that `identify` needs, for another machine.

use std::path::PathBuf;

use anyhow::Result;
use clap::Args;
use serde_json::json;

use crate::data::counted::counted;
use crate::data::foreign;
use crate::gallery::bundle::bundle as put_together;
use crate::gallery::identify::current;
use crate::gallery::store::Gallery;
use crate::nn::ops::Backend;
use crate::nn::ops::device::on_device;

use super::args::DeviceFlags;
use super::identify::{say_growth, uncalibrated};
use super::of_gallery::ModelFlags;
use super::{Context, words};

/// Arguments of `bundle`.
#[derive(Debug, Args)]
#[command(after_help = "Example:
  caretta bundle --gallery turtles.gallery --output-dir field-laptop/        there: identify PHOTO --gallery field-laptop/")]
pub(super) struct BundleArgs {
    #[command(flatten)]
    gallery: ModelFlags,
    /// The bundle's folder, which must not be there
    #[arg(long, alias = "output_dir", value_name = "DIR")]
    output_dir: PathBuf,
    #[command(flatten)]
    device: DeviceFlags,
}

pub(super) fn bundle(context: &Context, args: &BundleArgs) -> Result<u8> {
    let device = args.device.open()?;
    on_device!(&device, device => bundle_on(context, args, device))
}

fn bundle_on<D: Backend>(context: &Context, args: &BundleArgs, device: &D) -> Result<u8> {
    let gallery = Gallery::open(args.gallery.folder())?;
    let of = args.gallery.load(context, device, &gallery)?;
    let looker = of.looking(device)?;
    let counts = put_together(&gallery, &of.model, looker.as_ref(), &args.output_dir)?;
    let shown = foreign::path(&args.output_dir);
    // there nobody can calibrate it anew
    let individuals = usize::try_from(counts.individuals).unwrap_or(usize::MAX);
    let calibration = current(&Gallery::open(&args.output_dir)?)?;
    match &calibration {
        None => words::say(&words::wrapped(&uncalibrated(gallery.folder()))),
        Some(calibration) => say_growth(gallery.folder(), calibration, individuals),
    }
    let outgrown = calibration.as_ref().map(|calibration| calibration.has_grown(individuals));
    if outgrown != Some(false) {
        words::say("The bundle has the gallery as it is: bundle it again after that, in another folder.");
    }
    let answer = json!({
        "bundle": shown, "photos": counts.photos, "individuals": counts.individuals,
        "calibrated": calibration.is_some(), "calibration_outgrown": outgrown,
    });
    context.answer(&answer, || {
        format!(
            "{shown}: {} of {} with the model; nothing else is needed\nNext: on the other machine, caretta identify PHOTO|FOLDER --gallery {shown}",
            counted(counts.photos, "photo"),
            counted(counts.individuals, "individual")
        )
    })?;
    Ok(0)
}
