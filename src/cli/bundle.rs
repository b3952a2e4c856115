//! `bundle`: a gallery with all that `identify` needs, for another machine.

use std::path::PathBuf;

use anyhow::Result;
use clap::Args;
use serde_json::json;

use crate::data::counted::counted;
use crate::data::foreign;
use crate::gallery::bundle::bundle as put_together;
use crate::gallery::store::Gallery;
use crate::nn::ops::Backend;
use crate::nn::ops::device::on_device;

use super::Context;
use super::args::DeviceFlags;
use super::of_gallery::ModelFlags;

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
    context.answer(&json!({ "bundle": shown, "photos": counts.photos, "individuals": counts.individuals }), || {
        format!(
            "{shown}: {} of {} with the model; nothing else is needed\nNext: on the other machine, caretta identify PHOTO|FOLDER --gallery {shown}",
            counted(counts.photos, "photo"),
            counted(counts.individuals, "individual")
        )
    })?;
    Ok(0)
}
