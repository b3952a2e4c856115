//! A chart in braille dots: two columns and four rows of dots a cell, axes with their ends named.
//!
//! A curve comes in buckets, one a column of dots: the least and the most of its points there, so that a spike of one
//! step in a million is seen. Between columns with points the curve is a straight line.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::Style;

use super::text::{self, put, put_right};

/// The points of one column of dots.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(in crate::tui) struct Bucket {
    /// The first of them.
    pub(in crate::tui) first: f32,
    /// The last of them.
    pub(in crate::tui) last: f32,
    /// The least of them.
    pub(in crate::tui) least: f32,
    /// The most of them.
    pub(in crate::tui) most: f32,
}

impl Bucket {
    fn each(self, f: impl Fn(f32) -> f32) -> Bucket {
        Bucket { first: f(self.first), last: f(self.last), least: f(self.least), most: f(self.most) }
    }
}

/// One curve.
#[derive(Debug, Clone)]
pub(in crate::tui) struct Curve {
    /// One a column of dots.
    pub(in crate::tui) buckets: Vec<Option<Bucket>>,
    /// Its colour.
    pub(in crate::tui) style: Style,
    /// Put on the curve now and then, where several must be told apart.
    pub(in crate::tui) marker: Option<char>,
}

/// What stands around the curves.
#[derive(Debug, Clone)]
pub(in crate::tui) struct Axes {
    /// Left and right end.
    pub(in crate::tui) x: (f64, f64),
    /// What runs along the bottom.
    pub(in crate::tui) along: &'static str,
    /// The vertical axis is logarithmic, as far as the values allow.
    pub(in crate::tui) log: bool,
    /// A line at this place.
    pub(in crate::tui) cursor: Option<f64>,
    /// Colour of axes and names.
    pub(in crate::tui) quiet: Style,
    /// Colour of the cursor.
    pub(in crate::tui) accent: Style,
}

/// Columns left of the plot: the names of its ends and the axis.
const LEFT: u16 = 8;

/// Columns of dots that a plot in `area` has.
pub(in crate::tui) fn columns(area: Rect) -> usize {
    usize::from(area.width.saturating_sub(LEFT)) * 2
}

/// Each column as the mean of those so far, the older the less: `share` of what was before stays.
pub(in crate::tui) fn smoothed(buckets: &[Option<Bucket>], share: f32) -> Vec<Option<Bucket>> {
    let mut mean: Option<f32> = None;
    let smooth = |bucket: &Option<Bucket>| {
        let bucket = (*bucket)?;
        let middle = f32::midpoint(bucket.least, bucket.most);
        let before = mean.unwrap_or(middle);
        let now = before * share + middle * (1.0 - share);
        mean = Some(now);
        Some(Bucket { first: now, last: now, least: now, most: now })
    };
    buckets.iter().map(smooth).collect()
}

/// Draws `curves` into `area`: plot above, one row of axis below.
pub(in crate::tui) fn draw(buf: &mut Buffer, area: Rect, curves: &[Curve], axes: &Axes) {
    if area.height < 3 || area.width < LEFT + 8 {
        return;
    }
    let plot = Rect { x: area.x + LEFT, width: area.width - LEFT, height: area.height - 1, ..area };
    let floor = curves.iter().flat_map(|c| &c.buckets).flatten().map(|b| b.least).filter(|v| *v > 0.0);
    let log = axes.log.then(|| floor.fold(f32::INFINITY, f32::min)).filter(|f| f.is_finite());
    let scale = move |v: f32| log.map_or(v, |floor| v.max(floor).log10());
    let unscale = move |v: f32| if log.is_some() { 10f32.powf(v) } else { v };
    let scaled: Vec<Vec<Option<Bucket>>> =
        curves.iter().map(|c| c.buckets.iter().map(|b| b.map(|b| b.each(scale))).collect()).collect();
    let all = || scaled.iter().flatten().flatten();
    let (low, high) = all().fold((f32::INFINITY, f32::NEG_INFINITY), |(l, h), b| (l.min(b.least), h.max(b.most)));
    axis(buf, area, plot, axes);
    if !(low.is_finite() && high.is_finite()) {
        put(buf, plot.x + 2, plot.y + plot.height / 2, plot.width - 2, "no figures yet", axes.quiet);
        return;
    }
    // a flat curve lies in the middle
    let (low, high) = if high - low > low.abs().max(1e-9) * 1e-4 {
        (low, high)
    } else {
        (low - low.abs().max(0.1) * 0.1, high + high.abs().max(0.1) * 0.1)
    };
    for (y, value) in [(plot.y, high), (plot.bottom() - 1, low)] {
        let label = Rect { x: area.x, y, width: LEFT - 1, height: 1 };
        put_right(buf, label, &text::number(f64::from(unscale(value))), axes.quiet);
        put(buf, plot.x - 1, y, 1, "┤", axes.quiet);
    }
    let mut dots = Dots::new(plot);
    let row = |v: f32| {
        let from_top = f64::from((high - v) / (high - low));
        (from_top * (f64::from(plot.height) * 4.0 - 1.0)).round().max(0.0) as usize
    };
    for (n, buckets) in scaled.iter().enumerate() {
        let mut before: Option<(usize, f32)> = None;
        for (x, bucket) in buckets.iter().enumerate() {
            let Some(bucket) = bucket else { continue };
            if let Some((at, value)) = before {
                dots.line((at, row(value)), (x, row(bucket.first)), n);
            }
            dots.column(x, row(bucket.most), row(bucket.least), n);
            before = Some((x, bucket.last));
        }
    }
    dots.put(buf, |n| curves[n].style);
    for (n, curve) in curves.iter().enumerate() {
        let Some(marker) = curve.marker else { continue };
        for (x, bucket) in scaled[n].iter().enumerate().skip(4 + n * 5) {
            // far enough apart to leave the curve seen, at other places for each curve
            if let (Some(bucket), 0) = (bucket, (x + 40 - n * 5) % 24) {
                let y = plot.y + (row(bucket.last) / 4) as u16;
                put(buf, plot.x + (x / 2) as u16, y, 1, marker.encode_utf8(&mut [0; 4]), curve.style);
            }
        }
    }
    if let Some(at) = axes.cursor {
        let share = (at - axes.x.0) / (axes.x.1 - axes.x.0);
        if (0.0..=1.0).contains(&share) {
            let x = plot.x + (share * f64::from(plot.width - 1)).round() as u16;
            for y in plot.y..plot.bottom() {
                if buf[(x, y)].symbol() == " " {
                    put(buf, x, y, 1, "┊", axes.accent);
                }
            }
        }
    }
}

fn axis(buf: &mut Buffer, area: Rect, plot: Rect, axes: &Axes) {
    for y in plot.y..plot.bottom() {
        put(buf, plot.x - 1, y, 1, "│", axes.quiet);
    }
    let bottom = area.bottom() - 1;
    let line = format!("└{}", "─".repeat(usize::from(plot.width)));
    put(buf, plot.x - 1, bottom, plot.width + 1, &line, axes.quiet);
    let row = Rect { x: plot.x, y: bottom, width: plot.width, height: 1 };
    put_right(buf, row, &format!(" {} {}", axes.along, place(axes.x.1)), axes.quiet);
    if axes.x.0 > 0.0 {
        put(buf, plot.x, bottom, plot.width, &format!("{} ", place(axes.x.0)), axes.quiet);
    }
}

/// A place along the bottom: whole where it is.
pub(in crate::tui) fn place(value: f64) -> String {
    if value.fract().abs() < 1e-9 { format!("{value:.0}") } else { format!("{value:.1}") }
}

/// A field of dots that becomes braille.
pub(in crate::tui) struct Dots {
    area: Rect,
    masks: Vec<u8>,
    owners: Vec<u16>,
}

impl Dots {
    /// An empty field over `area`.
    pub(in crate::tui) fn new(area: Rect) -> Dots {
        let cells = usize::from(area.width) * usize::from(area.height);
        Dots { area, masks: vec![0; cells], owners: vec![0; cells] }
    }

    /// Sets one dot; outside the field it is lost.
    pub(in crate::tui) fn dot(&mut self, x: usize, y: usize, owner: usize) {
        // the eight dots of a cell as Unicode numbers them
        const BITS: [[u8; 2]; 4] = [[0x01, 0x08], [0x02, 0x10], [0x04, 0x20], [0x40, 0x80]];
        let (column, row) = (x / 2, y / 4);
        if column >= usize::from(self.area.width) || row >= usize::from(self.area.height) {
            return;
        }
        let cell = row * usize::from(self.area.width) + column;
        self.masks[cell] |= BITS[y % 4][x % 2];
        self.owners[cell] = owner as u16;
    }

    fn column(&mut self, x: usize, from: usize, to: usize, owner: usize) {
        (from..=to).for_each(|y| self.dot(x, y, owner));
    }

    fn line(&mut self, from: (usize, usize), to: (usize, usize), owner: usize) {
        let (dx, dy) = (to.0 as f64 - from.0 as f64, to.1 as f64 - from.1 as f64);
        let steps = dx.abs().max(dy.abs()).max(1.0);
        for n in 0..=steps as usize {
            let share = n as f64 / steps;
            let place = |start: usize, by: f64| (start as f64 + by * share).round() as usize;
            self.dot(place(from.0, dx), place(from.1, dy), owner);
        }
    }

    /// Writes the field; cells without a dot stay as they are.
    pub(in crate::tui) fn put(&self, buf: &mut Buffer, style: impl Fn(usize) -> Style) {
        for (cell, mask) in self.masks.iter().enumerate().filter(|(_, mask)| **mask > 0) {
            let (x, y) = (cell % usize::from(self.area.width), cell / usize::from(self.area.width));
            let symbol = char::from_u32(0x2800 + u32::from(*mask)).unwrap_or(' ');
            if let Some(cell_of) = buf.cell_mut((self.area.x + x as u16, self.area.y + y as u16)) {
                cell_of.set_char(symbol).set_style(style(usize::from(self.owners[cell])));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ratatui::style::Color;

    fn axes(log: bool) -> Axes {
        let plain = Style::reset();
        Axes { x: (0.0, 10.0), along: "epoch", log, cursor: None, quiet: plain, accent: plain }
    }

    fn lines(buf: &Buffer) -> Vec<String> {
        let area = buf.area;
        (0..area.height).map(|y| (0..area.width).map(|x| buf[(x, y)].symbol()).collect::<String>()).collect()
    }

    fn rising(columns: usize) -> Vec<Option<Bucket>> {
        let value = |n: usize| n as f32 + 1.0;
        (0..columns)
            .map(|n| Some(Bucket { first: value(n), last: value(n), least: value(n), most: value(n) }))
            .collect()
    }

    #[test]
    fn a_rising_line_rises_and_its_ends_are_named() {
        let area = Rect::new(0, 0, 28, 6);
        let mut buf = Buffer::empty(area);
        let style = Style::reset().fg(Color::Cyan);
        let curve = Curve { buckets: rising(columns(area)), style, marker: None };
        draw(&mut buf, area, &[curve], &axes(false));
        let lines = lines(&buf);
        assert!(lines[0].starts_with("   40.0 ┤") || lines[0].starts_with("   40.0┤"), "{lines:#?}");
        assert!(lines[5].ends_with("─ epoch 10"), "{lines:#?}");
        assert_ne!(lines[0].chars().last(), Some(' '), "{lines:#?}");
        assert_eq!(lines[0].chars().nth(9), Some(' '), "{lines:#?}");
        assert_ne!(lines[4].chars().nth(8), Some(' '), "{lines:#?}");
        assert_eq!(buf[(27, 0)].fg, Color::Cyan);
    }

    #[test]
    fn nothing_flat_or_negative_breaks_it() {
        let area = Rect::new(0, 0, 28, 6);
        for value in [0.0, -3.0, 1e-30, 5.0] {
            for log in [false, true] {
                let mut buf = Buffer::empty(area);
                let flat = Bucket { first: value, last: value, least: value, most: value };
                let buckets = vec![Some(flat); columns(area)];
                draw(&mut buf, area, &[Curve { buckets, style: Style::reset(), marker: Some('a') }], &axes(log));
            }
        }
        let mut buf = Buffer::empty(area);
        draw(&mut buf, area, &[], &axes(true));
        assert!(lines(&buf).concat().contains("no figures yet"));
        for (width, height) in [(0, 0), (3, 3), (12, 2), (17, 3)] {
            let area = Rect::new(0, 0, width, height);
            draw(&mut Buffer::empty(area), area, &[], &axes(false));
        }
    }

    #[test]
    fn smoothing_follows_slowly() {
        let step = |v| Some(Bucket { first: v, last: v, least: v, most: v });
        let smooth = smoothed(&[step(0.0), None, step(1.0), step(1.0)], 0.5);
        assert_eq!(
            smooth.iter().map(|b| b.map(|b| b.last)).collect::<Vec<_>>(),
            [Some(0.0), None, Some(0.5), Some(0.75)]
        );
    }
}
