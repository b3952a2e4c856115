//! Pictures of an evaluation: where the embeddings lie, which photos matched, what one pair means.
//!
//! Dark text on white, few type sizes, a sign beside every colour: they are looked at on paper, in a
//! browser and, small, inside a terminal, by people who may not tell red from green. A picture is
//! drawn from decoded photos and plain numbers; this folder opens no photo and knows no network.
//! The font is embedded, so that a picture looks the same on every machine.

use std::io::Write;
use std::path::Path;

use image::RgbImage;
use image::codecs::png::PngEncoder;

use crate::run::files;

use super::Result;

mod canvas;
mod labels;
mod pair;
mod palette;
mod scatter;
mod sheet;
mod text;

pub use pair::{PairFigure, pair_figure};
pub use scatter::{ScatterPoint, scatter, scatter_of};
pub use sheet::{Hit, PairRow, QueryRow, Section, Shown, pair_sheet, query_sheet};

/// Writes a picture as PNG, whole or not at all.
pub fn write_png(path: &Path, picture: &RgbImage) -> Result<()> {
    let encode = |out: &mut dyn Write| picture.write_with_encoder(PngEncoder::new(out)).map_err(std::io::Error::other);
    Ok(files::replace_with(path, encode)?)
}
