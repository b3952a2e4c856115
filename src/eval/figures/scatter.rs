//! The scatter: every photo a mark on the plane, every individual a colour and a mark of its own.
//!
//! Both axes have one scale, since a distance on the picture should mean the same in all directions.
//! Names stand at individuals whose photos lie together, where there is room, and beside every mark
//! in the legend; with more individuals than marks, those with the most photos are in the legend and
//! the rest is grey. Queries have a dark rim, the gallery has none.

use std::collections::BTreeMap;

use image::RgbImage;

use super::super::embeddings::EmbeddingSet;
use super::super::projection::Projected;
use super::canvas::{Align, Area, Canvas, Drawing, sheer};
use super::labels::{Cluster, labels};
use super::palette::{self, INK, RULE, SOFT, UNKNOWN, rgb};
use super::text::Type;

const WIDTH: u32 = 1200;
const HEIGHT: u32 = 900;
const LEFT: f32 = 56.0;
const TOP: f32 = 120.0;
const BOTTOM: f32 = 824.0;
/// Narrowest and widest legend.
const LEGEND: (f32, f32) = (120.0, 268.0);
/// In a line of the legend: what the mark takes, and what parts the name from the count.
const MARK_ROOM: f32 = 28.0;
const COUNT_GAP: f32 = 10.0;
/// Names in one column of the legend before it takes two.
const ONE_COLUMN: usize = 28;

const TITLE: Type = Type::bold(30.0);
const WORDS: Type = Type::plain(18.0);
const NAME: Type = Type::bold(16.0);

/// Root mean square distance, in pixels, of an individual's photos from their middle up to which its
/// name stands there: further out the middle says nothing.
const COMPACT: f32 = 110.0;

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
pub fn scatter_of(title: &str, set: &EmbeddingSet, projected: &Projected) -> Drawing {
    scatter(title, &points_of(set, projected), &projected.axes)
}

/// As [`scatter_of`], with photos in the place of marks wherever they do not lie over each other; `photo` gives that of a
/// row, where it can be read. Tells how many are shown.
pub fn scatter_of_photos(
    title: &str,
    set: &EmbeddingSet,
    projected: &Projected,
    photo: &mut dyn FnMut(usize) -> Option<RgbImage>,
) -> (Drawing, usize) {
    drawn(title, &points_of(set, projected), &projected.axes, photo)
}

fn points_of<'a>(set: &'a EmbeddingSet, projected: &Projected) -> Vec<ScatterPoint<'a>> {
    let rows = set.rows.iter().zip(&projected.points);
    rows.map(|(row, &at)| ScatterPoint { at, individual: &row.individual, query: row.role.is_query() }).collect()
}

/// Draws `points`, 1200 x 900 pixels.
pub fn scatter(title: &str, points: &[ScatterPoint<'_>], axes: &[String; 2]) -> Drawing {
    drawn(title, points, axes, &mut |_| None).0
}

fn drawn(
    title: &str,
    points: &[ScatterPoint<'_>],
    axes: &[String; 2],
    photo: &mut dyn FnMut(usize) -> Option<RgbImage>,
) -> (Drawing, usize) {
    let mut canvas = Canvas::new(WIDTH, HEIGHT);
    let cast = Cast::of(points);
    let width = WIDTH as f32 - 2.0 * LEFT;
    canvas.text(&TITLE.fit(title, width), (LEFT, 58.0), Align::Left, TITLE, INK);
    let photos = match points.len() {
        1 => "1 photo".into(),
        many => format!("{many} photos"),
    };
    let individuals = match cast.members.len() {
        1 => "1 individual".into(),
        many => format!("{many} individuals"),
    };
    let counts = format!("{photos} · {individuals}");
    canvas.text(&counts, (LEFT, 92.0), Align::Left, WORDS, SOFT);
    let legend_width = legend_width(&cast);
    let right = WIDTH as f32 - 24.0 - legend_width;
    let plot = Area::new(LEFT, TOP, right - 36.0 - LEFT, BOTTOM - TOP);
    key(&mut canvas, points, plot.right());

    let frame = Frame::around(points, plot);
    grid(&mut canvas, &frame, axes);
    // Queries last: they are fewer, and they are what is asked about.
    for query in [false, true] {
        for point in points.iter().filter(|p| p.query == query) {
            let place = frame.place(point.at);
            match cast.number(point.individual) {
                Some(number) => mark(&mut canvas, number, place, query),
                None => canvas.mark(None, place, 4.0, sheer(UNKNOWN, 0.5), None),
            }
        }
    }
    let shown = put_photos(&mut canvas, points, &cast, &frame, photo);
    // Where many have no name, a few names among them would only hide marks.
    let crowded = cast.left_out > 0;
    let clusters = cast.named().filter_map(|(name, member)| {
        let compact = member.radius() * frame.scale <= f64::from(COMPACT);
        let (x, middle) = frame.place(member.middle());
        let [bottom, top] = member.height.map(|y| frame.place([0.0, y]).1);
        (compact && !crowded).then(|| Cluster { name: NAME.fit(name, 180.0), x, middle, top, bottom })
    });
    for label in labels(&clusters.collect::<Vec<_>>(), plot, NAME) {
        if label.line {
            canvas.line(&[label.middle, label.place], 1.0, rgb(SOFT));
        }
        let baseline = label.place.1 + NAME.size * 0.36;
        canvas.text_on_top(&label.name, (label.place.0, baseline), NAME, INK);
    }
    legend(&mut canvas, &cast, Area::new(right, TOP, legend_width, BOTTOM - TOP));
    (canvas.finish(), shown)
}

/// Side of a photo on the plane, its frame included.
const PHOTO: f32 = 52.0;
/// Width of the frame in the individual's colour.
const PHOTO_FRAME: f32 = 3.0;

/// Photos where there is room for them, the earlier rows first; how many.
fn put_photos(
    canvas: &mut Canvas,
    points: &[ScatterPoint<'_>],
    cast: &Cast<'_>,
    frame: &Frame,
    photo: &mut dyn FnMut(usize) -> Option<RgbImage>,
) -> usize {
    let mut taken: Vec<Area> = Vec::new();
    for (row, point) in points.iter().enumerate() {
        let (x, y) = frame.place(point.at);
        let area = Area::new(x - PHOTO / 2.0, y - PHOTO / 2.0, PHOTO, PHOTO);
        if !frame.plot.holds(area) || taken.iter().any(|other| area.meets(*other)) {
            continue;
        }
        let Some(photo) = photo(row) else { continue };
        let colour = cast.number(point.individual).map_or(UNKNOWN, palette::colour);
        canvas.fill(area, rgb(colour));
        let within = |by: f32| Area::new(area.x + by, area.y + by, PHOTO - 2.0 * by, PHOTO - 2.0 * by);
        canvas.photo(&photo, within(PHOTO_FRAME));
        if point.query {
            canvas.frame(area, 1.8, rgb(INK));
        }
        taken.push(area);
    }
    taken.len()
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
    squares: f64,
    /// Lowest and highest, along the second axis.
    height: [f64; 2],
}

impl Member {
    fn middle(&self) -> [f64; 2] {
        self.sum.map(|sum| sum / self.photos as f64)
    }

    /// Root mean square distance from the middle.
    fn radius(&self) -> f64 {
        let [x, y] = self.middle();
        let variance = self.squares / self.photos as f64 - x * x - y * y;
        variance.max(0.0).sqrt()
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
                squares: 0.0,
                height: [f64::INFINITY, f64::NEG_INFINITY],
            });
            member.photos += 1;
            member.sum[0] += point.at[0];
            member.sum[1] += point.at[1];
            member.height[0] = member.height[0].min(point.at[1]);
            member.height[1] = member.height[1].max(point.at[1]);
            member.squares += point.at[0].powi(2) + point.at[1].powi(2);
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
        self.members.get(individual).and_then(|member| member.number)
    }

    /// Those with a name, in the order of their numbers.
    fn named(&self) -> impl Iterator<Item = (&'a str, &Member)> {
        let mut named: Vec<_> =
            (self.members.iter()).filter_map(|(name, member)| Some((member.number?, *name, member))).collect();
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
    plot: Area,
    middle: [f64; 2],
    /// Pixels a unit.
    scale: f64,
}

impl Frame {
    fn around(points: &[ScatterPoint<'_>], plot: Area) -> Frame {
        let side = |axis: usize| {
            let values = points.iter().map(|p| p.at[axis]).filter(|x| x.is_finite());
            values.fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), x| (low.min(x), high.max(x)))
        };
        let sides = [side(0), side(1)].map(|(low, high)| if low <= high { (low, high) } else { (0.0, 0.0) });
        let room = [plot.width, plot.height].map(|side| f64::from(side) - 64.0);
        let fits = |axis: usize| {
            let (low, high) = sides[axis];
            room[axis] / (high - low).max(1e-9)
        };
        Frame { plot, middle: sides.map(|(low, high)| (low + high) / 2.0), scale: fits(0).min(fits(1)) }
    }

    fn place(&self, at: [f64; 2]) -> (f32, f32) {
        let from_middle = |axis: usize| ((at[axis] - self.middle[axis]) * self.scale) as f32;
        (self.plot.x + self.plot.width / 2.0 + from_middle(0), self.plot.y + self.plot.height / 2.0 - from_middle(1))
    }
}

fn grid(canvas: &mut Canvas, frame: &Frame, axes: &[String; 2]) {
    let plot = frame.plot;
    let (x, y) = frame.place([0.0, 0.0]);
    if (plot.x..plot.right()).contains(&x) {
        canvas.line(&[(x, plot.y), (x, plot.bottom())], 1.0, rgb(RULE));
    }
    if (plot.y..plot.bottom()).contains(&y) {
        canvas.line(&[(plot.x, y), (plot.right(), y)], 1.0, rgb(RULE));
    }
    canvas.frame(plot, 1.0, rgb(RULE));
    let half = plot.width / 2.0 - 16.0;
    let below = plot.bottom() + 32.0;
    let across = format!("→ {}", axes[0]);
    let up = format!("↑ {}", axes[1]);
    canvas.text(&WORDS.fit(&across, half), (plot.right(), below), Align::Right, WORDS, SOFT);
    canvas.text(&WORDS.fit(&up, half), (plot.x, below), Align::Left, WORDS, SOFT);
}

/// Which marks are queries; nothing if there is only one kind.
fn key(canvas: &mut Canvas, points: &[ScatterPoint<'_>], right: f32) {
    let queries = points.iter().filter(|p| p.query).count();
    if queries == 0 || queries == points.len() {
        return;
    }
    let others = points.len() - queries;
    let mut x = right;
    for (words, query) in [(format!("gallery {others}"), false), (format!("queries {queries}"), true)] {
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

/// Columns of the legend, and the type of its names.
fn legend_type(names: usize) -> (usize, Type) {
    if names > ONE_COLUMN { (2, Type::plain(16.0)) } else { (1, Type::plain(18.0)) }
}

/// As wide as the longest name asks for, within bounds.
fn legend_width(cast: &Cast<'_>) -> f32 {
    let (columns, type_) = legend_type(cast.named().count());
    let widths = cast.named().map(|(name, member)| {
        MARK_ROOM + type_.width(&super::text::clean(name)) + COUNT_GAP + type_.width(&member.photos.to_string())
    });
    let widest = widths.fold(0.0, f32::max) + 6.0;
    (widest * columns as f32).clamp(LEGEND.0, LEGEND.1)
}

fn legend(canvas: &mut Canvas, cast: &Cast<'_>, area: Area) {
    let named: Vec<_> = cast.named().collect();
    let (columns, type_) = legend_type(named.len());
    let rows = named.len().div_ceil(columns);
    let width = area.width / columns as f32;
    let pitch = (area.height / (rows + 1) as f32).min(32.0);
    for (number, (name, member)) in named.iter().enumerate() {
        let x = area.x + (number / rows) as f32 * width;
        let y = area.y + (number % rows) as f32 * pitch + pitch / 2.0;
        let colour = rgb(palette::colour(number));
        canvas.mark(palette::mark(number), (x + 10.0, y), 7.0, colour, None);
        let photos = member.photos.to_string();
        let baseline = y + type_.size * 0.36;
        let room = width - MARK_ROOM - COUNT_GAP - type_.width(&photos) - 4.0;
        let shown = type_.fit(name, room);
        let x = x + MARK_ROOM;
        let taken = canvas.text(&shown, (x, baseline), Align::Left, type_, INK);
        let x = x + taken + COUNT_GAP;
        canvas.text(&photos, (x, baseline), Align::Left, type_, SOFT);
    }
    if cast.left_out > 0 {
        let rest = format!("and {} others, grey", cast.left_out);
        let y = area.y + rows as f32 * pitch + pitch / 2.0 + 6.0;
        canvas.text(&rest, (area.x, y), Align::Left, type_, SOFT);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_number_of_points_or_odd_name_is_too_much() {
        let axes = ["component 1".to_string(), "component 2".to_string()];
        for count in [0, 1, 3, 300] {
            let names: Vec<String> =
                (0..count).map(|i| format!("turtle \u{1b}[31m{} {i}", "long ".repeat(i % 9))).collect();
            let points: Vec<_> = (names.iter().enumerate())
                .map(|(i, individual)| ScatterPoint {
                    at: [if i == 2 { f64::NAN } else { i as f64 }, (i * i % 7) as f64 * 1e-9],
                    individual,
                    query: i % 3 == 0,
                })
                .collect();
            let picture = scatter(&"title ".repeat(40), &points, &axes).picture;
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
        let point = |query| ScatterPoint { at: [0.0, 0.0], individual: "t1", query };
        assert_ne!(scatter("t", &[point(false)], &axes), scatter("t", &[point(true)], &axes));
    }

    #[test]
    fn photos_stand_where_none_lies_over_another() {
        let at = |x: f64, y: f64| ScatterPoint { at: [x, y], individual: "t1", query: false };
        let points = [at(0.0, 0.0), at(0.01, 0.0), at(1.0, 1.0), at(2.0, 0.0)];
        let axes = [String::new(), String::new()];
        let mut asked = Vec::new();
        let red = RgbImage::from_pixel(8, 8, image::Rgb([250, 10, 10]));
        let (drawing, shown) = drawn("t", &points, &axes, &mut |row| {
            asked.push(row);
            (row != 2).then(|| red.clone())
        });
        assert_eq!((shown, asked), (2, vec![0, 2, 3]));
        let reds = drawing.picture.pixels().filter(|p| p.0 == [250, 10, 10]).count();
        assert_eq!(reds, 2 * 46 * 46);
    }
}
