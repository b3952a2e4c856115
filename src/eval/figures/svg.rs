//! A sheet as SVG, beside the pixels: the same shapes for papers, which print at any size.
//!
//! Text stays text, in the font of the pixels where the reader has it. Photos are within the file, as JPEG.

use std::fmt::Write as _;

use image::RgbImage;
use image::codecs::jpeg::JpegEncoder;
use tiny_skia::Color;

use crate::data::base64::base64;

use super::canvas::{Align, Area};
use super::text::Type;

/// Quality of photos: what a camera calls fine.
const QUALITY: u8 = 88;

/// What was drawn so far.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Svg {
    body: String,
}

impl Svg {
    /// The file of a sheet of this size.
    pub(super) fn file(&self, width: u32, height: u32) -> String {
        format!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{width}\" height=\"{height}\" viewBox=\"0 0 {width} {height}\" font-family=\"DejaVu Sans, Verdana, sans-serif\">\n<rect width=\"100%\" height=\"100%\" fill=\"#ffffff\"/>\n{}</svg>\n",
            self.body
        )
    }

    pub(super) fn fill(&mut self, area: Area, colour: Color) {
        let Area { x, y, width, height } = area;
        if [x, y, width, height].iter().all(|v| v.is_finite()) && width > 0.0 && height > 0.0 {
            let _ = writeln!(
                self.body,
                "<rect x=\"{x}\" y=\"{y}\" width=\"{width}\" height=\"{height}\" {}/>",
                paint("fill", colour)
            );
        }
    }

    pub(super) fn path(
        &mut self,
        points: &[(f32, f32)],
        closed: bool,
        fill: Option<Color>,
        line: Option<(f32, Color)>,
    ) {
        if points.is_empty() || points.iter().any(|(x, y)| !(x.is_finite() && y.is_finite())) {
            return;
        }
        let name = if closed { "polygon" } else { "polyline" };
        let fill = fill.map_or_else(|| "fill=\"none\"".to_owned(), |colour| paint("fill", colour));
        let corners: Vec<String> = points.iter().map(|(x, y)| format!("{x:.2},{y:.2}")).collect();
        let _ = writeln!(self.body, "<{name} points=\"{}\" {fill}{}/>", corners.join(" "), stroke(line));
    }

    pub(super) fn circle(&mut self, (x, y): (f32, f32), radius: f32, fill: Color, line: Option<(f32, Color)>) {
        if x.is_finite() && y.is_finite() {
            let _ = writeln!(
                self.body,
                "<circle cx=\"{x:.2}\" cy=\"{y:.2}\" r=\"{radius}\" {}{}/>",
                paint("fill", fill),
                stroke(line)
            );
        }
    }

    /// Text as [`super::text::clean`] left it; `rim` is the width of a white line around the letters.
    pub(super) fn text(
        &mut self,
        text: &str,
        (x, baseline): (f32, f32),
        align: Align,
        type_: Type,
        colour: Color,
        rim: f32,
    ) {
        let anchor = match align {
            Align::Left => "start",
            Align::Centre => "middle",
            Align::Right => "end",
        };
        let weight = if type_.bold { " font-weight=\"bold\"" } else { "" };
        let rim = if rim > 0.0 {
            format!(" stroke=\"#ffffff\" stroke-width=\"{}\" paint-order=\"stroke\"", 2.0 * rim)
        } else {
            String::new()
        };
        let _ = writeln!(
            self.body,
            "<text x=\"{x:.2}\" y=\"{baseline:.2}\" font-size=\"{}\" text-anchor=\"{anchor}\"{weight}{rim} {} xml:space=\"preserve\">{}</text>",
            type_.size,
            paint("fill", colour),
            escape(text)
        );
    }

    /// A photo that fills `area`.
    pub(super) fn photo(&mut self, photo: &RgbImage, area: Area) {
        let mut jpeg = Vec::new();
        if photo.write_with_encoder(JpegEncoder::new_with_quality(&mut jpeg, QUALITY)).is_ok() {
            let Area { x, y, width, height } = area;
            let _ = writeln!(
                self.body,
                "<image x=\"{x}\" y=\"{y}\" width=\"{width}\" height=\"{height}\" href=\"data:image/jpeg;base64,{}\"/>",
                base64(&jpeg)
            );
        }
    }
}

fn paint(what: &str, colour: Color) -> String {
    let byte = |share: f32| (share * 255.0).round() as u8;
    let hex = format!("#{:02x}{:02x}{:02x}", byte(colour.red()), byte(colour.green()), byte(colour.blue()));
    let opacity =
        if colour.alpha() < 1.0 { format!(" {what}-opacity=\"{:.3}\"", colour.alpha()) } else { String::new() };
    format!("{what}=\"{hex}\"{opacity}")
}

fn stroke(line: Option<(f32, Color)>) -> String {
    line.map_or_else(String::new, |(width, colour)| format!(" {} stroke-width=\"{width}\"", paint("stroke", colour)))
}

fn escape(text: &str) -> String {
    text.chars().fold(String::with_capacity(text.len()), |mut escaped, letter| {
        match letter {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            // no characters of XML
            '\u{fffe}' | '\u{ffff}' => escaped.push('\u{fffd}'),
            letter => escaped.push(letter),
        }
        escaped
    })
}
