//! Flat drawing over tiny-skia, and the textures that come of it.
//!
//! A canvas has units of its own (those of the surface that is painted), so that painters do not know the size
//! in pixels. Only plain fills and strokes are used: tiny-skia draws those in whole numbers, the same everywhere.

use super::colour::{Ink, linear};
use super::maths::{P2, V3, cos, mix, mix2, sin, v3};
use tiny_skia::{Color, FillRule, LineCap, LineJoin, Paint, PathBuilder, Pixmap, Stroke, Transform};

/// A surface to draw on, in units of its own.
pub(super) struct Canvas {
    map: Pixmap,
    to_pixels: Transform,
}

impl Canvas {
    /// `width` by `height` pixels that show the rectangle from `low` to `high`; y grows downwards in pixels and
    /// upwards in units.
    pub(super) fn new(width: u32, height: u32, low: P2, high: P2) -> Canvas {
        let map = Pixmap::new(width.max(1), height.max(1)).expect("a size above zero and far below the limit");
        let (sx, sy) = (map.width() as f32 / (high[0] - low[0]), map.height() as f32 / (high[1] - low[1]));
        let to_pixels = Transform::from_row(sx, 0.0, 0.0, -sy, -low[0] * sx, high[1] * sy);
        Canvas { map, to_pixels }
    }

    /// Covers everything.
    pub(super) fn flood(&mut self, ink: Ink) {
        self.map.fill(colour(ink));
    }

    /// Fills a polygon.
    pub(super) fn fill(&mut self, shape: &[P2], ink: Ink) {
        self.fill_path(path(shape, true, 0.0), ink);
    }

    /// Fills a polygon whose corners are rounded, `round` from 0 (sharp) to 1 (as round as the sides allow).
    pub(super) fn fill_round(&mut self, shape: &[P2], round: f32, ink: Ink) {
        self.fill_path(path(shape, true, round), ink);
    }

    fn fill_path(&mut self, path: Option<tiny_skia::Path>, ink: Ink) {
        if let Some(path) = path {
            self.map.fill_path(&path, &paint(ink), FillRule::Winding, self.to_pixels, None);
        }
    }

    /// Draws along points.
    pub(super) fn line(&mut self, points: &[P2], width: f32, ink: Ink) {
        self.stroke(path(points, false, 0.5), width, ink);
    }

    /// Draws around a polygon.
    pub(super) fn outline(&mut self, shape: &[P2], round: f32, width: f32, ink: Ink) {
        self.stroke(path(shape, true, round), width, ink);
    }

    fn stroke(&mut self, path: Option<tiny_skia::Path>, width: f32, ink: Ink) {
        let stroke = Stroke { width, line_cap: LineCap::Round, line_join: LineJoin::Round, ..Stroke::default() };
        if let Some(path) = path {
            self.map.stroke_path(&path, &paint(ink), &stroke, self.to_pixels, None);
        }
    }

    /// An ellipse.
    pub(super) fn dot(&mut self, centre: P2, radii: P2, ink: Ink) {
        let points: Vec<P2> = (0..14)
            .map(|i| {
                let a = i as f32 * std::f32::consts::TAU / 14.0;
                [centre[0] + radii[0] * cos(a), centre[1] + radii[1] * sin(a)]
            })
            .collect();
        self.fill_round(&points, 1.0, ink);
    }

    pub(super) fn width(&self) -> usize {
        self.map.width() as usize
    }

    pub(super) fn height(&self) -> usize {
        self.map.height() as usize
    }

    /// Calls `f` with each pixel's colour, in linear light and premultiplied, and its cover (0 to 1), row by row.
    pub(super) fn each(&self, mut f: impl FnMut(usize, V3, f32)) {
        for (i, p) in self.map.pixels().iter().enumerate() {
            let a = p.alpha();
            if a == 0 {
                f(i, V3::default(), 0.0);
                continue;
            }
            let c = p.demultiply();
            let cover = f32::from(a) / 255.0;
            let light = v3(linear(c.red()), linear(c.green()), linear(c.blue()));
            f(i, light * cover, cover);
        }
    }
}

fn colour(ink: Ink) -> Color {
    let c = |x: f32| x.clamp(0.0, 1.0);
    Color::from_rgba(c(ink.r), c(ink.g), c(ink.b), c(ink.a)).unwrap_or(Color::TRANSPARENT)
}

fn paint(ink: Ink) -> Paint<'static> {
    let mut paint = Paint::default();
    paint.set_color(colour(ink));
    paint.anti_alias = true;
    paint
}

/// A path through points; with `round` above 0 each corner is cut and bent.
fn path(points: &[P2], closed: bool, round: f32) -> Option<tiny_skia::Path> {
    let n = points.len();
    if n < 2 {
        return None;
    }
    let mut b = PathBuilder::new();
    let cut = round * 0.5;
    if closed && cut > 0.0 {
        for i in 0..n {
            let (before, here, after) = (points[(i + n - 1) % n], points[i], points[(i + 1) % n]);
            let (a, z) = (mix2(here, before, cut), mix2(here, after, cut));
            if i == 0 {
                b.move_to(a[0], a[1]);
            } else {
                b.line_to(a[0], a[1]);
            }
            b.quad_to(here[0], here[1], z[0], z[1]);
        }
        b.close();
    } else if closed {
        b.move_to(points[0][0], points[0][1]);
        points[1..].iter().for_each(|p| b.line_to(p[0], p[1]));
        b.close();
    } else {
        b.move_to(points[0][0], points[0][1]);
        for i in 1..n - 1 {
            let (here, mid) = (points[i], mix2(points[i], points[i + 1], 0.5));
            b.quad_to(here[0], here[1], mid[0], mid[1]);
        }
        b.line_to(points[n - 1][0], points[n - 1][1]);
    }
    b.finish()
}

/// A picture to be laid on a surface: linear light and cover.
pub(super) struct Texture {
    width: usize,
    height: usize,
    texels: Vec<[f32; 4]>,
}

impl Texture {
    /// From a canvas; what is not covered has no cover and no colour.
    pub(super) fn new(canvas: &Canvas) -> Texture {
        let mut texels = Vec::with_capacity(canvas.width() * canvas.height());
        canvas.each(|_, c, a| {
            let k = if a > 0.0 { 1.0 / a } else { 0.0 };
            texels.push([c.x * k, c.y * k, c.z * k, a]);
        });
        Texture { width: canvas.width(), height: canvas.height(), texels }
    }

    /// Changes each texel; `f` gets its place (0 to 1 from the left and the top) and its channels.
    pub(super) fn retouch(&mut self, f: impl Fn(f32, f32, &mut [f32; 4])) {
        let (w, h) = (self.width, self.height);
        for (i, texel) in self.texels.iter_mut().enumerate() {
            let (x, y) = (i % w, i / w);
            f((x as f32 + 0.5) / w as f32, (y as f32 + 0.5) / h as f32, texel);
        }
    }

    /// The slope of the red channel in the last two channels' place: (d/du, d/dv, 0, 0) per unit of u and v.
    pub(super) fn slopes(&self) -> Texture {
        let (w, h) = (self.width, self.height);
        let at = |x: usize, y: usize| self.texels[y.min(h - 1) * w + x.min(w - 1)][0];
        let texels = (0..w * h)
            .map(|i| {
                let (x, y) = (i % w, i / w);
                let du = (at(x + 1, y) - at(x.saturating_sub(1), y)) * 0.5 * w as f32;
                let dv = (at(x, y + 1) - at(x, y.saturating_sub(1))) * 0.5 * h as f32;
                [du, dv, 0.0, 0.0]
            })
            .collect();
        Texture { width: w, height: h, texels }
    }

    /// Between the four nearest texels; the edge goes on beyond the edge.
    #[inline]
    pub(super) fn at(&self, u: f32, v: f32) -> [f32; 4] {
        let x = (u * self.width as f32 - 0.5).clamp(0.0, (self.width - 1) as f32);
        let y = (v * self.height as f32 - 0.5).clamp(0.0, (self.height - 1) as f32);
        let (x0, y0) = (x as usize, y as usize);
        let (x1, y1) = ((x0 + 1).min(self.width - 1), (y0 + 1).min(self.height - 1));
        let (tx, ty) = (x - x0 as f32, y - y0 as f32);
        let t = &self.texels;
        let (a, b) = (&t[y0 * self.width + x0], &t[y0 * self.width + x1]);
        let (c, d) = (&t[y1 * self.width + x0], &t[y1 * self.width + x1]);
        let mut out = [0.0; 4];
        for k in 0..4 {
            out[k] = mix(mix(a[k], b[k], tx), mix(c[k], d[k], tx), ty);
        }
        out
    }
}
