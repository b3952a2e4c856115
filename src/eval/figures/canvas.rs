//! A white sheet to draw on: shapes by tiny-skia, text by ab_glyph, photos scaled to their place; and the same as SVG.
//!
//! Coordinates are pixels from the upper left corner. Drawing outside is cut off, never an error.

use fast_image_resize::images::{Image, ImageRef};
use fast_image_resize::{PixelType, Resizer};
use image::RgbImage;
use tiny_skia::{
    Color, FillRule, LineCap, LineJoin, Paint, PathBuilder, Pixmap, PremultipliedColorU8, Rect, Stroke, Transform,
};

use super::palette::{BACK, Mark, rgb};
use super::svg::Svg;
use super::text::{Type, clean};

/// A place on the sheet.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Area {
    pub(super) x: f32,
    pub(super) y: f32,
    pub(super) width: f32,
    pub(super) height: f32,
}

impl Area {
    pub(super) fn new(x: f32, y: f32, width: f32, height: f32) -> Area {
        Area { x, y, width, height }
    }

    pub(super) fn right(self) -> f32 {
        self.x + self.width
    }

    pub(super) fn bottom(self) -> f32 {
        self.y + self.height
    }

    pub(super) fn meets(self, other: Area) -> bool {
        self.x < other.right() && other.x < self.right() && self.y < other.bottom() && other.y < self.bottom()
    }

    pub(super) fn holds(self, other: Area) -> bool {
        self.x <= other.x && self.y <= other.y && other.right() <= self.right() && other.bottom() <= self.bottom()
    }
}

/// Where text stands relative to the x it is given.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Align {
    Left,
    Centre,
    Right,
}

/// Width of the rim around text that stands on marks.
const RIM: f32 = 2.5;

/// A finished picture: pixels, and the same shapes as SVG.
#[derive(Clone, Debug, PartialEq)]
pub struct Drawing {
    /// The pixels.
    pub picture: RgbImage,
    svg: Svg,
}

impl Drawing {
    /// The file of the shapes.
    pub fn svg(&self) -> String {
        self.svg.file(self.picture.width(), self.picture.height())
    }
}

/// The sheet.
pub(super) struct Canvas {
    pixmap: Pixmap,
    svg: Svg,
}

impl Canvas {
    /// A white sheet.
    pub(super) fn new(width: u32, height: u32) -> Canvas {
        let mut pixmap = Pixmap::new(width.clamp(1, 20_000), height.clamp(1, 20_000))
            .expect("neither empty nor too large after the clamp");
        pixmap.fill(Color::WHITE);
        Canvas { pixmap, svg: Svg::default() }
    }

    /// The finished picture.
    pub(super) fn finish(self) -> Drawing {
        let (width, height) = (self.pixmap.width(), self.pixmap.height());
        let pixels = self.pixmap.pixels().iter();
        let bytes = pixels.flat_map(|p| [p.red(), p.green(), p.blue()]);
        let picture = RgbImage::from_raw(width, height, bytes.collect()).expect("three bytes a pixel, collected above");
        Drawing { picture, svg: self.svg }
    }

    pub(super) fn fill(&mut self, area: Area, colour: Color) {
        self.svg.fill(area, colour);
        if let Some(rect) = Rect::from_xywh(area.x, area.y, area.width, area.height) {
            let path = PathBuilder::from_rect(rect);
            self.fill_path(&path, colour);
        }
    }

    /// A frame of `width` pixels, outside of `area`.
    pub(super) fn frame(&mut self, area: Area, width: f32, colour: Color) {
        let half = width / 2.0;
        let outer = Rect::from_xywh(area.x - half, area.y - half, area.width + width, area.height + width);
        if let Some(rect) = outer {
            let [left, top, right, bottom] = [rect.left(), rect.top(), rect.right(), rect.bottom()];
            let corners = [(left, top), (right, top), (right, bottom), (left, bottom)];
            self.svg.path(&corners, true, None, Some((width, colour)));
            self.stroke_path(&PathBuilder::from_rect(rect), width, colour);
        }
    }

    /// A line through `points`.
    pub(super) fn line(&mut self, points: &[(f32, f32)], width: f32, colour: Color) {
        self.svg.path(points, false, None, Some((width, colour)));
        if let Some(path) = path(points, false) {
            self.stroke_path(&path, width, colour);
        }
    }

    /// The area within `points`.
    pub(super) fn polygon(&mut self, points: &[(f32, f32)], colour: Color) {
        self.svg.path(points, true, Some(colour), None);
        if let Some(path) = path(points, true) {
            self.fill_path(&path, colour);
        }
    }

    /// A mark of about `radius`, with an outline of `outline` (width, colour) if there is one.
    pub(super) fn mark(
        &mut self,
        mark: Option<Mark>,
        (x, y): (f32, f32),
        radius: f32,
        colour: Color,
        outline: Option<(f32, Color)>,
    ) {
        let shape = match mark {
            None => {
                self.svg.circle((x, y), radius, colour, outline);
                PathBuilder::from_circle(x, y, radius)
            }
            Some(corners) => {
                let corners: Vec<_> = corners.iter().map(|(dx, dy)| (x + dx * radius, y + dy * radius)).collect();
                self.svg.path(&corners, true, Some(colour), outline);
                path(&corners, true)
            }
        };
        if let Some(shape) = shape {
            self.fill_path(&shape, colour);
            if let Some((width, colour)) = outline {
                self.stroke_path(&shape, width, colour);
            }
        }
    }

    /// One line of text on `baseline`. Tells its width.
    pub(super) fn text(
        &mut self,
        text: &str,
        (x, baseline): (f32, f32),
        align: Align,
        type_: Type,
        colour: u32,
    ) -> f32 {
        let text = clean(text);
        let width = type_.width(&text);
        let left = match align {
            Align::Left => x,
            Align::Centre => x - width / 2.0,
            Align::Right => x - width,
        };
        self.svg.text(&text, (x, baseline), align, type_, rgb(colour), 0.0);
        self.letters(&text, left, baseline, type_, rgb(colour));
        width
    }

    /// Text with a white rim, to stand on top of marks.
    pub(super) fn text_on_top(&mut self, text: &str, (x, baseline): (f32, f32), type_: Type, colour: u32) {
        let text = clean(text);
        let left = x - type_.width(&text) / 2.0;
        self.svg.text(&text, (x, baseline), Align::Centre, type_, rgb(colour), RIM);
        for step in 0..12 {
            let angle = step as f32 * std::f32::consts::TAU / 12.0;
            let (dx, dy) = (RIM * angle.cos(), RIM * angle.sin());
            self.letters(&text, left + dx, baseline + dy, type_, Color::WHITE);
        }
        self.letters(&text, left, baseline, type_, rgb(colour));
    }

    /// A photo, as large as it gets within `area` without being stretched. Tells where it lies.
    pub(super) fn photo(&mut self, photo: &RgbImage, area: Area) -> Area {
        self.fill(area, rgb(BACK));
        if photo.width() == 0 || photo.height() == 0 {
            return area;
        }
        let (w, h) = (photo.width() as f32, photo.height() as f32);
        let scale = (area.width / w).min(area.height / h);
        let width = ((w * scale).round() as u32).max(1);
        let height = ((h * scale).round() as u32).max(1);
        let left = (area.x + (area.width - width as f32) / 2.0).round();
        let top = (area.y + (area.height - height as f32) / 2.0).round();
        let place = Area::new(left, top, width as f32, height as f32);
        self.svg.photo(photo, place);
        for (at, pixel) in scaled(photo, width, height).chunks_exact(3).enumerate() {
            let (x, y) = (at as u32 % width, at as u32 / width);
            self.blend(
                left as i32 + x as i32,
                top as i32 + y as i32,
                Color::from_rgba8(pixel[0], pixel[1], pixel[2], 255),
                1.0,
            );
        }
        place
    }

    fn letters(&mut self, text: &str, x: f32, baseline: f32, type_: Type, colour: Color) {
        type_.draw(text, x, baseline, |x, y, coverage| {
            self.blend(x, y, colour, coverage);
        });
    }

    /// Mixes an opaque colour into the opaque sheet.
    fn blend(&mut self, x: i32, y: i32, colour: Color, coverage: f32) {
        let (width, height) = (self.pixmap.width() as i32, self.pixmap.height() as i32);
        if x < 0 || y < 0 || x >= width || y >= height {
            return;
        }
        let pixel = &mut self.pixmap.pixels_mut()[(y * width + x) as usize];
        let mix = |new: f32, old: u8| (new * 255.0 * coverage + f32::from(old) * (1.0 - coverage)).round() as u8;
        let mixed = PremultipliedColorU8::from_rgba(
            mix(colour.red(), pixel.red()),
            mix(colour.green(), pixel.green()),
            mix(colour.blue(), pixel.blue()),
            255,
        );
        if let Some(mixed) = mixed {
            *pixel = mixed;
        }
    }

    fn fill_path(&mut self, path: &tiny_skia::Path, colour: Color) {
        self.pixmap.fill_path(path, &paint(colour), FillRule::Winding, Transform::identity(), None);
    }

    fn stroke_path(&mut self, path: &tiny_skia::Path, width: f32, colour: Color) {
        let stroke = Stroke { width, line_cap: LineCap::Butt, line_join: LineJoin::Miter, ..Stroke::default() };
        self.pixmap.stroke_path(path, &paint(colour), &stroke, Transform::identity(), None);
    }
}

/// The bytes of `photo` at another size, antialiased.
fn scaled(photo: &RgbImage, width: u32, height: u32) -> Vec<u8> {
    let source = ImageRef::new(photo.width(), photo.height(), photo, PixelType::U8x3)
        .expect("an RgbImage has three bytes a pixel");
    let mut target = Image::new(width, height, PixelType::U8x3);
    Resizer::new().resize(&source, &mut target, None).expect("both have the same kind of pixels");
    target.into_vec()
}

fn paint(colour: Color) -> Paint<'static> {
    let mut paint = Paint::default();
    paint.set_color(colour);
    paint.anti_alias = true;
    paint
}

/// `colour`, let through to `alpha`, 0 to 1.
pub(super) fn sheer(colour: u32, alpha: f32) -> Color {
    let mut colour = rgb(colour);
    colour.set_alpha(alpha);
    colour
}

fn path(points: &[(f32, f32)], closed: bool) -> Option<tiny_skia::Path> {
    let (first, rest) = points.split_first()?;
    let mut builder = PathBuilder::new();
    builder.move_to(first.0, first.1);
    for point in rest {
        builder.line_to(point.0, point.1);
    }
    if closed {
        builder.close();
    }
    builder.finish()
}

#[cfg(test)]
mod tests {
    use super::*;
    use image::Rgb;

    #[test]
    fn a_photo_keeps_its_shape_and_its_colour() {
        let mut canvas = Canvas::new(100, 100);
        let photo = RgbImage::from_pixel(20, 10, Rgb([200, 30, 40]));
        let place = canvas.photo(&photo, Area::new(10.0, 10.0, 80.0, 80.0));
        assert_eq!(place, Area::new(10.0, 30.0, 80.0, 40.0));
        let picture = canvas.finish().picture;
        assert_eq!(picture.get_pixel(50, 50).0, [200, 30, 40]);
        assert_eq!(picture.get_pixel(5, 5).0, [255; 3]);
    }

    #[test]
    fn what_lies_outside_is_cut_off() {
        let mut canvas = Canvas::new(20, 20);
        canvas.text("outside", (-30.0, 300.0), Align::Left, Type::plain(40.0), 0);
        canvas.photo(&RgbImage::new(0, 5), Area::new(0.0, 0.0, 5.0, 5.0));
        canvas.photo(&RgbImage::new(1, 4000), Area::new(-50.0, -50.0, 60.0, 60.0));
        canvas.fill(Area::new(0.0, 0.0, -5.0, f32::NAN), Color::BLACK);
        canvas.line(&[(f32::NAN, 0.0), (1.0, 1.0)], 1.0, Color::BLACK);
        assert_eq!(canvas.finish().picture.dimensions(), (20, 20));
    }
}
