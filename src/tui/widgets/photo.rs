//! Photos in cells: the upper half block with its own colour above and below, so that a cell is two square pixels.
//!
//! The picture is brought to its size elsewhere; here it only becomes cells.

use image::RgbImage;
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::{Color, Style};

use crate::tui::theme::Depth;

/// The largest size in pixels that a picture of `sides` has within `area` cells of `cell` pixels, its aspect kept.
pub(in crate::tui) fn fitted(sides: (u32, u32), area: (u16, u16), cell: (u16, u16)) -> (u32, u32) {
    let (w, h) = (f64::from(sides.0.max(1)), f64::from(sides.1.max(1)));
    let most = |cells: u16, pixels: u16| f64::from(cells) * f64::from(pixels);
    let (most_w, most_h) = (most(area.0, cell.0), most(area.1, cell.1));
    let scale = (most_w / w).min(most_h / h);
    (((w * scale).round() as u32).max(1), ((h * scale).round() as u32).max(1))
}

/// The cells of `pixels` each that a picture covers in the middle of `area`.
pub(in crate::tui) fn covered(area: Rect, sides: (u32, u32), pixels: (u16, u16)) -> Rect {
    let cells = |side: u32, pixels: u16, most: u16| side.div_ceil(u32::from(pixels.max(1))).min(u32::from(most)) as u16;
    let (width, height) = (cells(sides.0, pixels.0, area.width), cells(sides.1, pixels.1, area.height));
    Rect { x: area.x + (area.width - width) / 2, y: area.y + (area.height - height) / 2, width, height }
}

/// Draws `picture` into the middle of `area`, as far as it fits.
pub(in crate::tui) fn draw(buf: &mut Buffer, area: Rect, picture: &RgbImage, depth: Depth) {
    let area = area.intersection(buf.area);
    let Rect { x: left, y: top, width, height } = covered(area, picture.dimensions(), (1, 2));
    for row in 0..height {
        for column in 0..width {
            let pixel = |y: u32| picture.get_pixel_checked(u32::from(column), y).map(|p| p.0);
            let shown = |y: u16| {
                let colour = pixel(u32::from(y))?;
                Some(if depth == Depth::Palette { dithered(colour, column, y) } else { colour })
            };
            let Some(above) = shown(row * 2) else { continue };
            let below = shown(row * 2 + 1);
            let Some(cell) = buf.cell_mut((left + column, top + row)) else { continue };
            if depth == Depth::None {
                cell.set_symbol(shade(above, below.unwrap_or(above))).set_style(Style::reset());
                continue;
            }
            let ground = below.map_or(Color::Reset, |p| depth.colour(p));
            cell.set_symbol("▀").set_style(Style::reset().fg(depth.colour(above)).bg(ground));
        }
    }
}

/// A colour moved by its place, so that a palette's few colours mix to the one that is meant: Bayer's 4 x 4 thresholds
/// over 20, half the distance of most of the palette's levels. More is noise at the size of a cell.
fn dithered(colour: [u8; 3], x: u16, y: u16) -> [u8; 3] {
    const BAYER: [[i16; 4]; 4] = [[0, 8, 2, 10], [12, 4, 14, 6], [3, 11, 1, 9], [15, 7, 13, 5]];
    let by = (BAYER[usize::from(y % 4)][usize::from(x % 4)] * 2 - 15) * 10 / 16;
    colour.map(|c| (i16::from(c) + by).clamp(0, 255) as u8)
}

/// Without colour a photo is its brightness.
fn shade(above: [u8; 3], below: [u8; 3]) -> &'static str {
    let light = |p: [u8; 3]| (u32::from(p[0]) * 30 + u32::from(p[1]) * 59 + u32::from(p[2]) * 11) / 100;
    [" ", "░", "▒", "▓", "█"][((light(above) + light(below)) / 2 * 5 / 256) as usize]
}

#[cfg(test)]
mod tests {
    use super::*;
    use image::Rgb;

    #[test]
    fn a_picture_keeps_its_aspect_and_its_colours() {
        assert_eq!(fitted((400, 300), (40, 40), (1, 2)), (40, 30));
        assert_eq!(fitted((300, 400), (40, 10), (1, 2)), (15, 20));
        let mut picture = RgbImage::from_pixel(4, 3, Rgb([200, 10, 10]));
        picture.put_pixel(0, 1, Rgb([0, 0, 255]));
        let area = Rect::new(0, 0, 10, 4);
        let mut buf = Buffer::empty(area);
        draw(&mut buf, area, &picture, Depth::True);
        let cell = &buf[(3, 1)];
        assert_eq!((cell.symbol(), cell.fg, cell.bg), ("▀", Color::Rgb(200, 10, 10), Color::Rgb(0, 0, 255)));
        assert_eq!(buf[(3, 2)].bg, Color::Reset, "an odd row has nothing below");
        assert_eq!(buf[(2, 1)].symbol(), " ");
        draw(&mut buf, area, &picture, Depth::None);
        assert!(buf[(3, 1)].fg == Color::Reset && buf[(4, 1)].symbol() == "░");
    }
}
