//! Curves on axes: CMC, ROC, and distances as hills.
//!
//! A figure is a row of curves with names; what is on the axes is the caller's. Every axis begins with a number, and
//! curves differ by dashes as well as by colour.

use super::canvas::{Align, Area, Canvas, Drawing, sheer};
use super::palette::{INK, RULE, SOFT, colour, rgb};
use super::text::Type;

const WIDTH: u32 = 1000;
const HEIGHT: u32 = 700;
const TITLE: Type = Type::bold(28.0);
const WORDS: Type = Type::plain(18.0);
/// Dashes of the curves after the first: drawn and left out, in pixels.
const DASHES: [Option<[f32; 2]>; 4] = [None, Some([14.0, 7.0]), Some([4.0, 6.0]), Some([20.0, 6.0])];

/// An axis.
#[derive(Clone, Debug, PartialEq)]
pub struct Axis {
    /// What is on it.
    pub name: String,
    /// Its ends; the lower above 0 where it is logarithmic.
    pub ends: [f64; 2],
    /// Whether equal steps are equal factors.
    pub is_log: bool,
}

/// One curve.
#[derive(Clone, Debug, PartialEq)]
pub struct Curve {
    /// What it is.
    pub name: String,
    /// Its points, the first coordinate ascending.
    pub points: Vec<(f64, f64)>,
    /// Whether the area below is tinted.
    pub is_filled: bool,
}

/// Draws `curves`, 1000 x 700 pixels. What lies outside of the axes is drawn at their ends.
pub fn curves(title: &str, words: &str, axes: [&Axis; 2], curves: &[Curve]) -> Drawing {
    let mut canvas = Canvas::new(WIDTH, HEIGHT);
    let room = WIDTH as f32 - 88.0;
    canvas.text(&TITLE.fit(title, room), (44.0, 52.0), Align::Left, TITLE, INK);
    canvas.text(&WORDS.fit(words, room), (44.0, 84.0), Align::Left, WORDS, SOFT);
    let legend_rows = curves.len() as f32;
    let plot = Area::new(96.0, 112.0 + 26.0 * legend_rows, WIDTH as f32 - 96.0 - 36.0, 0.0);
    let plot = Area { height: HEIGHT as f32 - 84.0 - plot.y, ..plot };
    let [x_axis, y_axis] = axes;
    grid(&mut canvas, plot, x_axis, y_axis);
    let place = |&(x, y): &(f64, f64)| {
        let (x, y) = (share(x_axis, x) as f32, share(y_axis, y) as f32);
        (plot.x + plot.width * x, plot.bottom() - plot.height * y)
    };
    for (n, curve) in curves.iter().enumerate() {
        let points: Vec<(f32, f32)> = curve.points.iter().map(place).collect();
        if let (true, Some(first), Some(last)) = (curve.is_filled, points.first(), points.last()) {
            let mut hill = points.clone();
            hill.extend([(last.0, plot.bottom()), (first.0, plot.bottom())]);
            canvas.polygon(&hill, sheer(colour(n), 0.25));
        }
        dashed(&mut canvas, &points, n);
        let y = 112.0 + 26.0 * n as f32;
        dashed(&mut canvas, &[(plot.x, y - 6.0), (plot.x + 48.0, y - 6.0)], n);
        canvas.text(&WORDS.fit(&curve.name, room - 120.0), (plot.x + 60.0, y), Align::Left, WORDS, INK);
    }
    canvas.finish()
}

/// Where on an axis a value lies, 0 to 1.
fn share(axis: &Axis, value: f64) -> f64 {
    let [from, to] = axis.ends;
    let along = |v: f64| if axis.is_log { v.max(from).ln() } else { v };
    ((along(value) - along(from)) / (along(to) - along(from))).clamp(0.0, 1.0)
}

fn grid(canvas: &mut Canvas, plot: Area, x_axis: &Axis, y_axis: &Axis) {
    for (value, words) in ticks(x_axis) {
        let x = plot.x + plot.width * share(x_axis, value) as f32;
        canvas.line(&[(x, plot.y), (x, plot.bottom())], 1.0, rgb(RULE));
        canvas.text(&words, (x, plot.bottom() + 26.0), Align::Centre, WORDS, SOFT);
    }
    for (value, words) in ticks(y_axis) {
        let y = plot.bottom() - plot.height * share(y_axis, value) as f32;
        canvas.line(&[(plot.x, y), (plot.right(), y)], 1.0, rgb(RULE));
        canvas.text(&words, (plot.x - 10.0, y + 6.0), Align::Right, WORDS, SOFT);
    }
    canvas.frame(plot, 1.0, rgb(SOFT));
    let middle = plot.x + plot.width / 2.0;
    canvas.text(&format!("→ {}", x_axis.name), (middle, plot.bottom() + 58.0), Align::Centre, WORDS, SOFT);
    canvas.text(&format!("↑ {}", y_axis.name), (plot.right(), plot.y - 10.0), Align::Right, WORDS, SOFT);
}

/// Round values between the ends of an axis, with their numbers.
fn ticks(axis: &Axis) -> Vec<(f64, String)> {
    let [from, to] = axis.ends;
    if axis.is_log {
        let (low, high) = (from.log10().round() as i32, to.log10().round() as i32);
        return (low..=high).map(|power| (10_f64.powi(power), format!("{}", 10_f64.powi(power)))).collect();
    }
    let step = step(to - from);
    let digits = (-step.log10().floor()).max(0.0) as usize;
    let first = (from / step).ceil() as i64;
    let last = (to / step + 1e-9).floor() as i64;
    let round = (first..=last).map(|n| n as f64 * step);
    // an axis that begins at no round value begins with a number all the same
    let begin = Some(from).filter(|_| first as f64 * step - from > step * 0.3);
    begin.into_iter().chain(round).map(|value| (value, format!("{value:.digits$}"))).collect()
}

/// A round step that parts a range into four to eight or so.
pub(super) fn step(range: f64) -> f64 {
    let power = 10.0_f64.powf((range / 5.0).log10().floor());
    let steps = [1.0, 2.0, 5.0, 10.0].map(|s| s * power);
    steps.into_iter().find(|step| range / step <= 8.0).unwrap_or(steps[3])
}

/// The `n`th curve's line.
fn dashed(canvas: &mut Canvas, points: &[(f32, f32)], n: usize) {
    let Some([drawn, left_out]) = DASHES[n % DASHES.len()] else {
        canvas.line(points, 3.0, rgb(colour(n)));
        return;
    };
    // walks along the line, pen down and up in turn
    let (mut is_down, mut left) = (true, drawn);
    let mut dash: Vec<(f32, f32)> = points.first().copied().into_iter().collect();
    for pair in points.windows(2) {
        let [mut from, to] = [pair[0], pair[1]];
        loop {
            let length = (to.0 - from.0).hypot(to.1 - from.1);
            if !length.is_finite() {
                break;
            }
            if length < left {
                left -= length;
                if is_down {
                    dash.push(to);
                }
                break;
            }
            let part = left / length;
            from = (from.0 + (to.0 - from.0) * part, from.1 + (to.1 - from.1) * part);
            if is_down {
                dash.push(from);
                canvas.line(&dash, 3.0, rgb(colour(n)));
                dash.clear();
            } else {
                dash = vec![from];
            }
            is_down = !is_down;
            left = if is_down { drawn } else { left_out };
        }
    }
    if is_down && dash.len() > 1 {
        canvas.line(&dash, 3.0, rgb(colour(n)));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn steps_are_round_and_few() {
        for range in [1e-6, 0.003, 0.5, 1.0, 1.37, 2.1, 49.0] {
            let parts = range / step(range);
            assert!((2.0..=8.0).contains(&parts), "{range}: {parts}");
        }
        assert_eq!(step(1.0), 0.2);
    }

    #[test]
    fn axes_begin_with_a_number() {
        let words = |axis: &Axis| ticks(axis).into_iter().map(|(_, words)| words).collect::<Vec<_>>();
        let axis = |from, to, is_log| Axis { name: "x".into(), ends: [from, to], is_log };
        assert_eq!(words(&axis(0.0, 1.0, false)), ["0.0", "0.2", "0.4", "0.6", "0.8", "1.0"]);
        assert_eq!(words(&axis(1.0, 50.0, false)), ["1", "10", "20", "30", "40", "50"]);
        assert_eq!(words(&axis(0.001, 1.0, true)), ["0.001", "0.01", "0.1", "1"]);
        assert_eq!(share(&axis(0.001, 1.0, true), 0.0), 0.0);
        assert!((share(&axis(0.01, 1.0, true), 0.1) - 0.5).abs() < 1e-12);
    }

    #[test]
    fn a_figure_is_drawn_in_both_ways_with_every_curve_named() {
        let axis = Axis { name: "x".into(), ends: [0.0, 1.0], is_log: false };
        let curve = |name: &str, y: f64| Curve {
            name: name.into(),
            points: vec![(0.0, 0.0), (0.4, y), (1.0, 1.0)],
            is_filled: y > 0.5,
        };
        let all: Vec<Curve> = (0..5).map(|n| curve(&format!("curve <{n}>"), f64::from(n) / 5.0)).collect();
        let drawing = curves("title & more", "words", [&axis, &axis], &all);
        assert_eq!(drawing.picture.dimensions(), (WIDTH, HEIGHT));
        let svg = drawing.svg();
        assert!(svg.contains("title &amp; more") && svg.contains("curve &lt;4&gt;"), "{svg}");
        assert!(svg.matches("<polyline").count() > 20, "dashes");
        // nothing to draw, and one point, are no trouble
        let bare = [Curve { name: "none".into(), points: vec![], is_filled: true }];
        curves("", "", [&axis, &axis], &bare);
        let odd = Curve { points: vec![(0.5, f64::NAN), (0.6, 0.1), (f64::NAN, 0.2)], ..bare[0].clone() };
        curves("", "", [&axis, &axis], &[odd.clone(), odd]);
    }
}
