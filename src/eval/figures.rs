//! Pictures of an evaluation: where the embeddings lie, which photos matched, what one pair means.
//!
//! Dark text on white, few type sizes, a sign beside every colour: they are looked at on paper, in a
//! browser and, small, inside a terminal, by people who may not tell red from green. A picture is
//! drawn from decoded photos and plain numbers; this folder opens no photo and knows no network.
//! The font is embedded, so that a picture looks the same on every machine.

use std::io::Write;
use std::path::{Path, PathBuf};

use image::RgbImage;
use image::codecs::png::PngEncoder;

use crate::run::files;

use super::Result;

mod canvas;
mod curves;
mod labels;
mod pair;
mod palette;
mod scatter;
mod sheet;
mod svg;
mod text;

pub use canvas::Drawing;
pub use curves::{Axis, Curve, curves};
pub use pair::{PairFigure, pair_figure};
pub use scatter::{ScatterPoint, scatter, scatter_of, scatter_of_photos};
pub use sheet::{Hit, PairRow, QueryRow, Section, Shown, pair_sheet, query_sheet};

/// Writes a picture as PNG, whole or not at all.
pub fn write_png(path: &Path, picture: &RgbImage) -> Result<()> {
    let encode = |out: &mut dyn Write| picture.write_with_encoder(PngEncoder::new(out)).map_err(std::io::Error::other);
    Ok(files::replace_with(path, encode)?)
}

/// Writes a drawing as the ending of `path` says: SVG, else PNG.
pub fn write_as(path: &Path, drawing: &Drawing) -> Result<()> {
    if path.extension().is_some_and(|e| e.eq_ignore_ascii_case("svg")) {
        return Ok(files::replace(path, drawing.svg().as_bytes())?);
    }
    write_png(path, &drawing.picture)
}

/// Writes a drawing as PNG, and as SVG beside it under the same name; tells both.
pub fn write_drawing(path: &Path, drawing: &Drawing) -> Result<[PathBuf; 2]> {
    write_png(path, &drawing.picture)?;
    let shapes = path.with_extension("svg");
    files::replace(&shapes, drawing.svg().as_bytes())?;
    Ok([path.to_owned(), shapes])
}
