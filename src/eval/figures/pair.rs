//! Two photos, their distance, and where it lies among the distances of pairs whose answer is known.
//!
//! The number alone means nothing to a person; the two hills do. Both are drawn to the same area, so
//! that the many pairs of two individuals do not drown the few of one.

use super::super::histogram::Histogram;
use super::super::verdict::Distances;
use super::canvas::{Align, Area, Canvas, Drawing, sheer};
use super::curves::step;
use super::palette::{DIFFERENT, INK, RULE, SAME, SOFT, rgb};
use super::sheet::{Shown, caption, head};
use super::text::Type;

const WIDTH: f32 = 1200.0;
const MARGIN: f32 = 40.0;
const GAP: f32 = 24.0;
const HEAD: f32 = 104.0;
const HILLS: f32 = 170.0;

const BIG: Type = Type::bold(34.0);
const WORDS: Type = Type::plain(19.0);
const SMALL: Type = Type::plain(17.0);

/// What is on the picture.
#[derive(Clone, Copy, Debug)]
pub struct PairFigure<'a> {
    /// Title, as the names of the two photos.
    pub title: &'a str,
    /// Below it, as the model.
    pub words: &'a str,
    /// One photo.
    pub left: Shown<'a>,
    /// The other.
    pub right: Shown<'a>,
    /// How far apart they are.
    pub distance: f64,
    /// What that means, in words.
    pub sentence: &'a str,
    /// What it was held against, if anything is known.
    pub distances: Option<&'a Distances>,
}

/// Draws the picture, 1200 pixels wide.
pub fn pair_figure(figure: &PairFigure<'_>) -> Drawing {
    let photo = ((WIDTH - 2.0 * MARGIN - GAP) / 2.0).floor();
    let high = (photo * 0.75).floor();
    let below = HEAD + high + 64.0;
    let plot = Area::new(MARGIN, below + 180.0, WIDTH - 2.0 * MARGIN, HILLS);
    let height = if figure.distances.is_some() { plot.bottom() + 84.0 } else { below + 108.0 };
    let mut canvas = Canvas::new(WIDTH as u32, height as u32);
    head(&mut canvas, figure.title, figure.words);
    for (side, shown) in [figure.left, figure.right].iter().enumerate() {
        let x = MARGIN + side as f32 * (photo + GAP);
        let place = Area::new(x, HEAD, photo, high);
        canvas.photo(shown.photo, place);
        caption(&mut canvas, shown, place, 0.0);
    }

    let distance = format!("distance {:.3}", figure.distance);
    let taken = canvas.text(&distance, (MARGIN, below + 46.0), Align::Left, BIG, INK);
    let x = MARGIN + taken + 36.0;
    let lines = WORDS.wrap(figure.sentence, WIDTH - MARGIN - x, 3);
    for (number, line) in lines.iter().enumerate() {
        let baseline = below + 30.0 + number as f32 * 27.0;
        canvas.text(line, (x, baseline), Align::Left, WORDS, INK);
    }
    if let Some(distances) = figure.distances {
        hills(&mut canvas, plot, figure.distance, distances);
    }
    canvas.finish()
}

fn hills(canvas: &mut Canvas, plot: Area, here: f64, distances: &Distances) {
    let Distances { same, different, .. } = distances;
    key(canvas, plot, same, different);
    let most = [same, different].map(|h| h.quantile(1.0).unwrap_or(0.0));
    // Up to the farthest pair, with the pair at hand well inside.
    let to = (most[0].max(most[1]).max(here) * 1.05).max(1e-6);
    let x = |distance: f64| plot.x + (distance / to) as f32 * plot.width;
    axis(canvas, plot, to, x);

    let fewest = [same, different].map(Histogram::count).into_iter().filter(|n| *n > 0).min();
    let bins = (fewest.unwrap_or(0) as f64).sqrt().clamp(16.0, 64.0) as usize;
    let hills = [(different, DIFFERENT), (same, SAME)]
        .map(|(histogram, colour)| (histogram.count() > 0).then(|| (histogram.shares(bins, to), colour)));
    let tallest = hills.iter().flatten().flat_map(|(shares, _)| shares).fold(0.0, |a: f64, b| a.max(*b));
    for (shares, colour) in hills.iter().flatten() {
        let height = |share: f64| plot.bottom() - (share / tallest.max(1e-12)) as f32 * plot.height;
        let mut outline = vec![(plot.x, plot.bottom())];
        for (bin, share) in shares.iter().enumerate() {
            let edge = |bin: usize| x(bin as f64 * to / bins as f64);
            outline.push((edge(bin), height(*share)));
            outline.push((edge(bin + 1), height(*share)));
        }
        outline.push((plot.right(), plot.bottom()));
        canvas.polygon(&outline, sheer(*colour, 0.35));
        canvas.line(&outline, 2.0, rgb(*colour));
    }

    let at = x(here);
    canvas.line(&[(at, plot.y - 8.0), (at, plot.bottom())], 3.0, rgb(INK));
    let arrow = [(at - 8.0, plot.y - 12.0), (at + 8.0, plot.y - 12.0), (at, plot.y)];
    canvas.polygon(&arrow, rgb(INK));
    let words = "this pair";
    let half = SMALL.width(words) / 2.0;
    let centre = at.clamp(plot.x + half, plot.right() - half);
    canvas.text(words, (centre, plot.y - 20.0), Align::Centre, SMALL, INK);
}

/// Which hill is which, at the left above the plot; the arrow's words have a line of their own.
fn key(canvas: &mut Canvas, plot: Area, same: &Histogram, different: &Histogram) {
    let mut x = plot.x;
    for (words, histogram, colour) in
        [("one individual, two encounters", same, SAME), ("two individuals", different, DIFFERENT)]
    {
        let words = match histogram.count() {
            0 => format!("{words}: no pairs"),
            1 => format!("{words}: 1 pair"),
            many => format!("{words}: {many} pairs"),
        };
        let swatch = Area::new(x, plot.y - 66.0, 18.0, 18.0);
        canvas.fill(swatch, sheer(colour, 0.35));
        canvas.frame(swatch, 2.0, rgb(colour));
        x += 30.0;
        x += canvas.text(&words, (x, plot.y - 51.0), Align::Left, SMALL, SOFT) + 40.0;
    }
}

fn axis(canvas: &mut Canvas, plot: Area, to: f64, x: impl Fn(f64) -> f32) {
    canvas.line(&[(plot.x, plot.bottom()), (plot.right(), plot.bottom())], 1.5, rgb(SOFT));
    let step = step(to);
    let digits = (-step.log10().floor()).max(0.0) as usize;
    for number in 0.. {
        let value = f64::from(number) * step;
        if value > to {
            break;
        }
        let at = x(value);
        canvas.line(&[(at, plot.bottom()), (at, plot.bottom() + 7.0)], 1.5, rgb(RULE));
        let words = format!("{value:.digits$}");
        let half = SMALL.width(&words) / 2.0;
        let centre = at.clamp(plot.x + half, plot.right() - half);
        canvas.text(&words, (centre, plot.bottom() + 28.0), Align::Centre, SMALL, SOFT);
    }
    let centre = plot.x + plot.width / 2.0;
    let words = "distance between embeddings";
    canvas.text(words, (centre, plot.bottom() + 56.0), Align::Centre, SMALL, SOFT);
}

#[cfg(test)]
mod tests {
    use super::*;
    use image::RgbImage;

    #[test]
    fn every_kind_of_distances_can_be_drawn() {
        let photo = RgbImage::new(50, 80);
        let shown = Shown { photo: &photo, individual: "", encounter: "" };
        let some = |from: f64| Histogram::of((0..500).map(|i| from + f64::from(i) * 1e-3));
        let draw = |same: Histogram, different: Histogram, distance: f64| {
            let (dataset, split, model) = ("d".into(), "s".into(), "m".into());
            let distances = Distances { dataset, split, model, identity: String::new(), same, different };
            let distances = (distances.same.count() + distances.different.count() > 0).then_some(&distances);
            pair_figure(&PairFigure {
                title: "a and b",
                words: "m",
                left: shown,
                right: shown,
                distance,
                sentence: &distances.map_or_else(String::new, |known| known.verdict(distance).sentence),
                distances,
            })
        };
        let none = Histogram::default;
        let whole = draw(some(0.2), some(0.6), 0.5);
        assert_ne!(whole, draw(some(0.2), some(0.6), 0.7));
        draw(none(), none(), 0.5);
        draw(none(), some(0.5), 0.0);
        draw(Histogram::of([0.0; 9]), Histogram::of([0.0; 9]), 0.0);
        draw(some(0.0), Histogram::of([1e-5]), 1.999);
    }
}
