//! Sheets of photos: pairs side by side, and queries with their nearest photos.
//!
//! A person judges a model faster by what it takes for one another than by a figure. Right and wrong
//! have a sign beside the colour; photos keep their shape; under each stand who it is and when.

use image::RgbImage;

use super::canvas::{Align, Area, Canvas, Drawing};
use super::palette::{INK, RIGHT, RULE, SOFT, WRONG, rgb};
use super::text::Type;

const WIDTH: f32 = 1200.0;
const MARGIN: f32 = 40.0;
/// From the upper edge to the first photo or section.
const HEAD: f32 = 104.0;

const TITLE: Type = Type::bold(30.0);
const SECTION: Type = Type::bold(21.0);
const WORDS: Type = Type::plain(17.0);
const NAME: Type = Type::bold(18.0);

/// A photo with what is written below it.
#[derive(Clone, Copy, Debug)]
pub struct Shown<'a> {
    /// The decoded photo.
    pub photo: &'a RgbImage,
    /// Who is on it; empty where nobody knows.
    pub individual: &'a str,
    /// When, or the table's own name of the encounter; may be empty.
    pub encounter: &'a str,
}

/// Two photos, how far apart they are, and whether they show one individual.
#[derive(Clone, Copy, Debug)]
pub struct PairRow<'a> {
    /// The query.
    pub left: Shown<'a>,
    /// What it was matched with.
    pub right: Shown<'a>,
    /// Their distance.
    pub distance: f64,
    /// Whether both show the same individual.
    pub correct: bool,
}

/// Pairs with something in common.
#[derive(Clone, Debug)]
pub struct Section<'a> {
    /// What they are, in a few words.
    pub title: String,
    /// How they were chosen, in a sentence.
    pub words: String,
    /// The pairs.
    pub rows: Vec<PairRow<'a>>,
}

/// One of the nearest photos of a query.
#[derive(Clone, Copy, Debug)]
pub struct Hit<'a> {
    /// The photo.
    pub shown: Shown<'a>,
    /// Its distance from the query.
    pub distance: f64,
    /// Whether it shows the individual of the query, where that is known.
    pub correct: Option<bool>,
}

/// A query with its nearest photos, nearest first.
#[derive(Clone, Debug)]
pub struct QueryRow<'a> {
    /// The query.
    pub query: Shown<'a>,
    /// What the ranking came to, as `first correct match at rank 7`.
    pub words: String,
    /// Its nearest photos; the first five are drawn.
    pub hits: Vec<Hit<'a>>,
}

/// Draws sections of pairs, two columns: two sections side by side, or one over both. 1200 pixels
/// wide, as high as it takes.
pub fn pair_sheet(title: &str, words: &str, sections: &[Section<'_>]) -> Drawing {
    const GAP: f32 = 48.0;
    const INNER: f32 = 12.0;
    const BELOW: f32 = 62.0;
    let column = (WIDTH - 2.0 * MARGIN - GAP) / 2.0;
    let photo = ((column - INNER) / 2.0).floor();
    let pitch = photo * 0.75 + BELOW;
    // A lone section fills both columns, row by row.
    let lone = sections.len() == 1;
    let lines = |section: &Section<'_>| {
        let rows = section.rows.len();
        (if lone { rows.div_ceil(2) } else { rows }).max(1)
    };
    let band = |pair: &[Section<'_>]| {
        let rows = pair.iter().map(lines).max().unwrap_or(1);
        68.0 + rows as f32 * pitch
    };
    let height = HEAD + sections.chunks(2).map(band).sum::<f32>() + 16.0;
    let mut canvas = Canvas::new(WIDTH as u32, height as u32);
    head(&mut canvas, title, words);
    let mut top = HEAD;
    for pair in sections.chunks(2) {
        for (side, section) in pair.iter().enumerate() {
            let x = MARGIN + side as f32 * (column + GAP);
            let room = if lone { WIDTH - 2.0 * MARGIN } else { column };
            canvas.line(&[(x, top), (x + room, top)], 1.0, rgb(RULE));
            let text = SECTION.fit(&section.title, room);
            canvas.text(&text, (x, top + 28.0), Align::Left, SECTION, INK);
            let text = WORDS.fit(&section.words, room);
            canvas.text(&text, (x, top + 52.0), Align::Left, WORDS, SOFT);
            let first = top + 68.0;
            if section.rows.is_empty() {
                canvas.text("none", (x, first + 30.0), Align::Left, WORDS, SOFT);
            }
            for (number, row) in section.rows.iter().enumerate() {
                let (right, line) = if lone { (number % 2, number / 2) } else { (0, number) };
                let x = x + right as f32 * (column + GAP);
                let y = first + line as f32 * pitch;
                pair_row(&mut canvas, row, (x, y), photo, INNER);
            }
        }
        top += band(pair);
    }
    canvas.finish()
}

fn pair_row(canvas: &mut Canvas, row: &PairRow<'_>, (x, y): (f32, f32), photo: f32, gap: f32) {
    let height = (photo * 0.75).floor();
    let left = Area::new(x, y, photo, height);
    let right = Area::new(x + photo + gap, y, photo, height);
    canvas.photo(row.left.photo, left);
    canvas.photo(row.right.photo, right);
    canvas.frame(right, 4.0, rgb(tone(row.correct)));
    caption(canvas, &row.left, left, 0.0);
    let sign = verdict(row.distance, row.correct);
    let taken = NAME.width(&sign);
    canvas.text(&sign, (right.right(), right.bottom() + 26.0), Align::Right, NAME, tone(row.correct));
    caption(canvas, &row.right, right, taken + 12.0);
}

/// Draws queries with their five nearest photos, a row each. 1200 pixels wide, as high as it takes.
pub fn query_sheet(title: &str, words: &str, rows: &[QueryRow<'_>]) -> Drawing {
    const HITS: usize = 5;
    const GAP: f32 = 14.0;
    const APART: f32 = 34.0;
    const ABOVE: f32 = 34.0;
    const BELOW: f32 = 64.0;
    let photo = ((WIDTH - 2.0 * MARGIN - APART - GAP * (HITS - 1) as f32) / (HITS + 1) as f32).floor();
    let high = (photo * 0.75).floor();
    let pitch = ABOVE + high + BELOW;
    let height = HEAD + pitch * rows.len().max(1) as f32 + 8.0;
    let mut canvas = Canvas::new(WIDTH as u32, height as u32);
    head(&mut canvas, title, words);
    for (number, row) in rows.iter().enumerate() {
        let top = HEAD + pitch * number as f32;
        canvas.line(&[(MARGIN, top), (WIDTH - MARGIN, top)], 1.0, rgb(RULE));
        let y = top + ABOVE;
        let query = Area::new(MARGIN, y, photo, high);
        canvas.text("query", (MARGIN, y - 10.0), Align::Left, WORDS, SOFT);
        canvas.photo(row.query.photo, query);
        caption(&mut canvas, &row.query, query, 0.0);
        let first = query.right() + APART;
        let text = WORDS.fit(&row.words, WIDTH - MARGIN - first);
        canvas.text(&text, (first, y - 10.0), Align::Left, WORDS, SOFT);
        for (rank, hit) in row.hits.iter().take(HITS).enumerate() {
            let x = first + rank as f32 * (photo + GAP);
            let place = Area::new(x, y, photo, high);
            canvas.photo(hit.shown.photo, place);
            if let Some(correct) = hit.correct {
                canvas.frame(place, 4.0, rgb(tone(correct)));
            }
            let sign = hit.correct.map_or_else(|| format!("{:.3}", hit.distance), |it| verdict(hit.distance, it));
            let taken = NAME.width(&sign);
            let ink = hit.correct.map_or(INK, tone);
            canvas.text(&sign, (place.right(), place.bottom() + 26.0), Align::Right, NAME, ink);
            caption(&mut canvas, &hit.shown, place, taken + 8.0);
        }
        if row.hits.is_empty() {
            let below = (first, y + high / 2.0);
            canvas.text("no photo to match with", below, Align::Left, WORDS, SOFT);
        }
    }
    canvas.finish()
}

/// Title and one line below it.
pub(super) fn head(canvas: &mut Canvas, title: &str, words: &str) {
    let room = WIDTH - 2.0 * MARGIN;
    canvas.text(&TITLE.fit(title, room), (MARGIN, 52.0), Align::Left, TITLE, INK);
    canvas.text(&WORDS.fit(words, room), (MARGIN, 82.0), Align::Left, WORDS, SOFT);
}

/// Who and when, below a photo; `taken` pixels at the right of the first line are in use.
pub(super) fn caption(canvas: &mut Canvas, shown: &Shown<'_>, photo: Area, taken: f32) {
    let who = if shown.individual.is_empty() { "unknown" } else { shown.individual };
    let who = NAME.fit(who, photo.width - taken);
    canvas.text(&who, (photo.x, photo.bottom() + 26.0), Align::Left, NAME, INK);
    let when = WORDS.fit(shown.encounter, photo.width);
    canvas.text(&when, (photo.x, photo.bottom() + 48.0), Align::Left, WORDS, SOFT);
}

fn tone(correct: bool) -> u32 {
    if correct { RIGHT } else { WRONG }
}

fn verdict(distance: f64, correct: bool) -> String {
    let sign = if correct { '✓' } else { '✗' };
    format!("{sign} {distance:.3}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use image::Rgb;

    fn shown(photo: &RgbImage) -> Shown<'_> {
        Shown {
            photo,
            individual: "a turtle with a name that is far too long to stand below it",
            encounter: "2011-07-01",
        }
    }

    fn holds(picture: &RgbImage, hex: u32) -> bool {
        let wanted = [(hex >> 16) as u8, (hex >> 8) as u8, hex as u8];
        picture.pixels().any(|p| p.0 == wanted)
    }

    #[test]
    fn right_and_wrong_pairs_are_framed_as_such() {
        let photo = RgbImage::from_pixel(40, 30, Rgb([10, 20, 200]));
        let sheet = |correct| {
            let row = PairRow { left: shown(&photo), right: shown(&photo), distance: 0.4, correct };
            let section = Section { title: "t".into(), words: "w".into(), rows: vec![row; 3] };
            pair_sheet("title", "words", &[section]).picture
        };
        assert!(holds(&sheet(true), RIGHT) && !holds(&sheet(true), WRONG));
        assert!(holds(&sheet(false), WRONG) && !holds(&sheet(false), RIGHT));
        assert!(holds(&sheet(true), 0x0a14c8));
        assert_eq!(sheet(true).width(), 1200);
    }

    #[test]
    fn sheets_grow_with_their_rows_and_empty_ones_are_drawn() {
        let photo = RgbImage::new(3, 400);
        let row = PairRow { left: shown(&photo), right: shown(&photo), distance: 2.0, correct: true };
        let section = |rows| Section { title: "t".into(), words: "w".into(), rows: vec![row; rows] };
        let two = |rows| pair_sheet("t", "w", &[section(rows), section(0)]).picture.height();
        assert!(two(4) > two(2) && two(2) > two(1));
        assert!(pair_sheet("t", "w", &[]).picture.height() > 50);
        let hit = Hit { shown: shown(&photo), distance: 0.1, correct: Some(false) };
        let query = |hits| QueryRow { query: shown(&photo), words: "w".into(), hits: vec![hit; hits] };
        let sheet = query_sheet("t", "w", &[query(0), query(2), query(9)]).picture;
        assert!(holds(&sheet, WRONG) && !holds(&sheet, RIGHT));
        assert!(query_sheet("t", "w", &[]).picture.height() > 50);
    }
}
