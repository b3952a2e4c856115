//! The scatter: every photo a mark on the plane, every individual a colour and a mark of its own.
//!
//! Both axes have one scale, since a distance on the picture should mean the same in all directions.
//! Names stand at the middle of their individual where there is room, and beside their mark in the
//! legend; with more individuals than marks, those with the most photos are named and the rest is
//! counted. Queries have a dark rim, the gallery has none.

use std::collections::BTreeMap;

use image::RgbImage;

use super::super::embeddings::EmbeddingSet;
use super::super::projection::Projected;
use super::canvas::{Align, Area, Canvas, sheer};
use super::palette::{self, INK, RULE, SOFT, UNKNOWN, rgb};
use super::text::Type;

const WIDTH: u32 = 1200;
const HEIGHT: u32 = 900;
const PLOT: Area = Area {
    x: 56.0,
    y: 120.0,
    width: 832.0,
    height: 704.0,
};
const LEGEND: Area = Area {
    x: 924.0,
    y: 120.0,
    width: 252.0,
    height: 704.0,
};
/// Names in one column of the legend before it takes two.
const ONE_COLUMN: usize = 22;

const TITLE: Type = Type::bold(30.0);
const WORDS: Type = Type::plain(18.0);
const NAME: Type = Type::bold(16.0);

/// One photo on the plane.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ScatterPoint<'a> {
    /// Where.
    pub at: [f64; 2],
    /// Who; empty where nobody knows.
    pub individual: &'a str,
    /// Whether it is asked about, and gets the rim.
    pub query: bool,
}

/// The scatter of a whole set; see [`scatter`]. `projected` must be of this set.
pub fn scatter_of(title: &str, set: &EmbeddingSet, projected: &Projected) -> RgbImage {
    let rows = set.rows.iter().zip(&projected.points);
    let points = rows.map(|(row, &at)| ScatterPoint {
        at,
        individual: &row.individual,
        query: row.role.is_query(),
    });
    scatter(title, &points.collect::<Vec<_>>(), &projected.axes)
}

/// Draws `points`, 1200 x 900 pixels.
pub fn scatter(title: &str, points: &[ScatterPoint<'_>], axes: &[String; 2]) -> RgbImage {
    let mut canvas = Canvas::new(WIDTH, HEIGHT);
    let cast = Cast::of(points);
    let width = WIDTH as f32 - 2.0 * PLOT.x;
    canvas.text(
        &TITLE.fit(title, width),
        (PLOT.x, 58.0),
        Align::Left,
        TITLE,
        INK,
    );
    let photos = match points.len() {
        1 => "1 photo".into(),
        many => format!("{many} photos"),
    };
    let individuals = match cast.members.len() {
        1 => "1 individual".into(),
        many => format!("{many} individuals"),
    };
    let counts = format!("{photos} · {individuals}");
    canvas.text(&counts, (PLOT.x, 92.0), Align::Left, WORDS, SOFT);
    key(&mut canvas, points);

    let frame = Frame::around(points);
    grid(&mut canvas, &frame, axes);
    // Queries last: they are fewer, and they are what is asked about.
    for query in [false, true] {
        for point in points.iter().filter(|p| p.query == query) {
            let place = frame.place(point.at);
            match cast.number(point.individual) {
                Some(number) => mark(&mut canvas, number, place, query),
                None => canvas.mark(None, place, 4.5, sheer(UNKNOWN, 0.7), None),
            }
        }
    }
    let middles: Vec<(String, (f32, f32))> = (cast.named())
        .map(|(name, member)| {
            let (x, y) = frame.place(member.middle());
            (NAME.fit(name, 180.0), (x, y))
        })
        .collect();
    for label in labels(&middles) {
        if label.line {
            canvas.line(&[label.middle, label.place], 1.0, rgb(SOFT));
        }
        let baseline = label.place.1 + NAME.size * 0.36;
        canvas.text_on_top(&label.name, (label.place.0, baseline), NAME, INK);
    }
    legend(&mut canvas, &cast);
    canvas.into_picture()
}

fn mark(canvas: &mut Canvas, number: usize, place: (f32, f32), query: bool) {
    let (shape, colour) = (palette::mark(number), palette::colour(number));
    if query {
        canvas.mark(shape, place, 7.5, rgb(colour), Some((1.8, rgb(INK))));
    } else {
        canvas.mark(shape, place, 6.0, sheer(colour, 0.62), None);
    }
}

/// Who is on the picture, in the order of the legend.
struct Cast<'a> {
    members: BTreeMap<&'a str, Member>,
    left_out: usize,
}

struct Member {
    /// Number of its look; none for those without a name on the picture.
    number: Option<usize>,
    photos: usize,
    sum: [f64; 2],
}

impl Member {
    fn middle(&self) -> [f64; 2] {
        self.sum.map(|sum| sum / self.photos as f64)
    }
}

impl<'a> Cast<'a> {
    fn of(points: &[ScatterPoint<'a>]) -> Cast<'a> {
        let mut members: BTreeMap<&str, Member> = BTreeMap::new();
        for point in points.iter().filter(|p| !p.individual.is_empty()) {
            let member = members.entry(point.individual).or_insert(Member {
                number: None,
                photos: 0,
                sum: [0.0; 2],
            });
            member.photos += 1;
            member.sum[0] += point.at[0];
            member.sum[1] += point.at[1];
        }
        let mut order: Vec<&str> = members.keys().copied().collect();
        order.sort_by_key(|name| (std::cmp::Reverse(members[name].photos), natural(name)));
        let left_out = order.len().saturating_sub(palette::DISTINCT);
        order.truncate(palette::DISTINCT);
        order.sort_by_key(|name| natural(name));
        for (number, name) in order.into_iter().enumerate() {
            if let Some(member) = members.get_mut(name) {
                member.number = Some(number);
            }
        }
        Cast { members, left_out }
    }

    fn number(&self, individual: &str) -> Option<usize> {
        self.members
            .get(individual)
            .and_then(|member| member.number)
    }

    /// Those with a name, in the order of their numbers.
    fn named(&self) -> impl Iterator<Item = (&'a str, &Member)> {
        let mut named: Vec<_> = (self.members.iter())
            .filter_map(|(name, member)| Some((member.number?, *name, member)))
            .collect();
        named.sort_by_key(|(number, ..)| *number);
        named.into_iter().map(|(_, name, member)| (name, member))
    }
}

/// Orders `t2` before `t10`.
fn natural(name: &str) -> (&str, u64, &str) {
    let stem = name.trim_end_matches(|c: char| c.is_ascii_digit());
    (stem, name[stem.len()..].parse().unwrap_or(0), name)
}

/// How the plane lies in the plot.
struct Frame {
    middle: [f64; 2],
    /// Pixels a unit.
    scale: f64,
}

impl Frame {
    fn around(points: &[ScatterPoint<'_>]) -> Frame {
        let side = |axis: usize| {
            let values = points.iter().map(|p| p.at[axis]).filter(|x| x.is_finite());
            values.fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), x| {
                (low.min(x), high.max(x))
            })
        };
        let sides = [side(0), side(1)].map(
            |(low, high)| {
                if low <= high { (low, high) } else { (0.0, 0.0) }
            },
        );
        let room = [f64::from(PLOT.width) - 64.0, f64::from(PLOT.height) - 64.0];
        let fits = |axis: usize| {
            let (low, high) = sides[axis];
            room[axis] / (high - low).max(1e-9)
        };
        Frame {
            middle: sides.map(|(low, high)| (low + high) / 2.0),
            scale: fits(0).min(fits(1)),
        }
    }

    fn place(&self, at: [f64; 2]) -> (f32, f32) {
        let from_middle = |axis: usize| ((at[axis] - self.middle[axis]) * self.scale) as f32;
        (
            PLOT.x + PLOT.width / 2.0 + from_middle(0),
            PLOT.y + PLOT.height / 2.0 - from_middle(1),
        )
    }
}

fn grid(canvas: &mut Canvas, frame: &Frame, axes: &[String; 2]) {
    let (x, y) = frame.place([0.0, 0.0]);
    if (PLOT.x..PLOT.right()).contains(&x) {
        canvas.line(&[(x, PLOT.y), (x, PLOT.bottom())], 1.0, rgb(RULE));
    }
    if (PLOT.y..PLOT.bottom()).contains(&y) {
        canvas.line(&[(PLOT.x, y), (PLOT.right(), y)], 1.0, rgb(RULE));
    }
    canvas.frame(PLOT, 1.0, rgb(RULE));
    let half = PLOT.width / 2.0 - 16.0;
    let below = PLOT.bottom() + 32.0;
    let across = format!("→ {}", axes[0]);
    let up = format!("↑ {}", axes[1]);
    canvas.text(
        &WORDS.fit(&across, half),
        (PLOT.right(), below),
        Align::Right,
        WORDS,
        SOFT,
    );
    canvas.text(
        &WORDS.fit(&up, half),
        (PLOT.x, below),
        Align::Left,
        WORDS,
        SOFT,
    );
}

/// Which marks are queries; nothing if there is only one kind.
fn key(canvas: &mut Canvas, points: &[ScatterPoint<'_>]) {
    let queries = points.iter().filter(|p| p.query).count();
    if queries == 0 || queries == points.len() {
        return;
    }
    let others = points.len() - queries;
    let mut x = PLOT.right();
    for (words, query) in [
        (format!("gallery {others}"), false),
        (format!("queries {queries}"), true),
    ] {
        let width = canvas.text(&words, (x, 92.0), Align::Right, WORDS, SOFT);
        let place = (x - width - 16.0, 86.0);
        if query {
            canvas.mark(None, place, 7.5, rgb(UNKNOWN), Some((1.8, rgb(INK))));
        } else {
            canvas.mark(None, place, 6.0, sheer(UNKNOWN, 0.62), None);
        }
        x -= width + 44.0;
    }
}

fn legend(canvas: &mut Canvas, cast: &Cast<'_>) {
    let named: Vec<_> = cast.named().collect();
    let columns = if named.len() > ONE_COLUMN { 2 } else { 1 };
    let rows = named.len().div_ceil(columns);
    let width = LEGEND.width / columns as f32;
    let pitch = (LEGEND.height / (rows + 1) as f32).min(32.0);
    let type_ = Type::plain(if columns == 1 { 18.0 } else { 16.0 });
    for (number, (name, member)) in named.iter().enumerate() {
        let x = LEGEND.x + (number / rows) as f32 * width;
        let y = LEGEND.y + (number % rows) as f32 * pitch + pitch / 2.0;
        canvas.mark(
            palette::mark(number),
            (x + 10.0, y),
            7.0,
            rgb(palette::colour(number)),
            None,
        );
        let photos = member.photos.to_string();
        let baseline = y + type_.size * 0.36;
        let room = width - 28.0 - 14.0 - type_.width(&photos);
        let shown = type_.fit(name, room);
        let taken = canvas.text(&shown, (x + 28.0, baseline), Align::Left, type_, INK);
        canvas.text(
            &photos,
            (x + 28.0 + taken + 8.0, baseline),
            Align::Left,
            type_,
            UNKNOWN,
        );
    }
    if cast.left_out > 0 {
        let rest = format!("and {} others, grey", cast.left_out);
        let y = LEGEND.y + rows as f32 * pitch + pitch / 2.0 + 6.0;
        canvas.text(&rest, (LEGEND.x, y), Align::Left, type_, SOFT);
    }
}

/// A name on the plot.
struct Label {
    name: String,
    /// Where its individual has its middle.
    middle: (f32, f32),
    /// Where the middle of the text is.
    place: (f32, f32),
    /// Whether it stands so far off that a line has to lead there.
    line: bool,
}

/// Places names at or near the middles, none over another; what finds no place is left out.
fn labels(middles: &[(String, (f32, f32))]) -> Vec<Label> {
    let mut taken: Vec<Area> = Vec::new();
    let mut labels = Vec::new();
    for (name, middle) in middles {
        let (width, height) = (NAME.width(name) + 6.0, NAME.size + 6.0);
        let around =
            |(x, y): (f32, f32)| Area::new(x - width / 2.0, y - height / 2.0, width, height);
        let free = |place: &(f32, f32)| {
            let area = around(*place);
            PLOT.holds(area) && !taken.iter().any(|other| other.meets(area))
        };
        // Outwards in rings, flat ones, since text is wider than high.
        let ring = |step: usize| {
            let radius = step as f32 * 11.0;
            let turns = if step == 0 { 1 } else { 12 };
            (0..turns).map(move |turn| {
                let angle = turn as f32 * std::f32::consts::TAU / 12.0;
                (
                    middle.0 + 1.5 * radius * angle.cos(),
                    middle.1 + radius * angle.sin(),
                )
            })
        };
        let Some(place) = (0..8).flat_map(ring).find(free) else {
            continue;
        };
        taken.push(around(place));
        let (dx, dy) = (place.0 - middle.0, place.1 - middle.1);
        labels.push(Label {
            name: name.clone(),
            middle: *middle,
            place,
            line: dx.abs() > width / 2.0 || dy.abs() > height,
        });
    }
    labels
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn no_number_of_points_or_odd_name_is_too_much() {
        let axes = ["component 1".to_string(), "component 2".to_string()];
        for count in [0, 1, 3, 300] {
            let names: Vec<String> = (0..count)
                .map(|i| format!("turtle \u{1b}[31m{} {i}", "long ".repeat(i % 9)))
                .collect();
            let points: Vec<_> = (names.iter().enumerate())
                .map(|(i, individual)| ScatterPoint {
                    at: [
                        if i == 2 { f64::NAN } else { i as f64 },
                        (i * i % 7) as f64 * 1e-9,
                    ],
                    individual,
                    query: i % 3 == 0,
                })
                .collect();
            let picture = scatter(&"title ".repeat(40), &points, &axes);
            assert_eq!(picture.dimensions(), (WIDTH, HEIGHT));
            let inked = picture.pixels().filter(|p| p.0 != [255; 3]).count();
            assert!(inked > 1000);
        }
    }

    #[test]
    fn names_are_in_the_order_people_count() {
        let mut names = ["t10", "t9", "a", "t1", "10", "9"];
        names.sort_by_key(|name| natural(name));
        assert_eq!(names, ["9", "10", "a", "t1", "t9", "t10"]);
    }

    #[test]
    fn queries_and_gallery_look_different() {
        let axes = [String::new(), String::new()];
        let point = |query| ScatterPoint {
            at: [0.0, 0.0],
            individual: "t1",
            query,
        };
        assert_ne!(
            scatter("t", &[point(false)], &axes),
            scatter("t", &[point(true)], &axes)
        );
    }

    proptest! {
        #[test]
        fn no_name_lies_over_another(
            middles in prop::collection::vec(("[a-z0-9]{1,12}", 60.0_f32..880.0, 130.0_f32..800.0), 0..80),
        ) {
            let middles: Vec<_> = middles.into_iter().map(|(n, x, y)| (n, (x, y))).collect();
            let areas: Vec<Area> = labels(&middles)
                .iter()
                .map(|label| {
                    let width = NAME.width(&label.name);
                    Area::new(label.place.0 - width / 2.0, label.place.1 - NAME.size / 2.0, width, NAME.size)
                })
                .collect();
            for (i, area) in areas.iter().enumerate() {
                prop_assert!(PLOT.holds(*area));
                prop_assert!(areas[..i].iter().all(|other| !other.meets(*area)));
            }
        }
    }
}
