//! The whole screen as cells: header, tab, a line of words, footer, and what lies over them. Reads the model, changes
//! nothing; which photos are shown where is decided here once, for drawing them and for asking for them.

use ratatui::buffer::{Buffer, CellDiffOption};
use ratatui::layout::Rect;
use ratatui::style::Style;

use super::graphics::overlay::Placed;
use super::keys::{self, Place, TABLE, Tab};
use super::message::PictureKey;
use super::model::Model;
use super::popup::Layer;
use super::widgets::photo;
use super::widgets::text::{fit_end, put, put_all, put_right, row, width, wrap};
use super::{datasets, evaluate, identify, popup, runs, system};

/// The least that a tab can be drawn in.
const LEAST: (u16, u16) = (60, 16);

/// Whether nothing but a sentence fits.
pub(super) fn is_too_small(size: (u16, u16)) -> bool {
    size.0 < LEAST.0 || size.1 < LEAST.1
}

/// Draws the screen into `buf`, all of it.
pub(super) fn view(model: &Model, buf: &mut Buffer) {
    let area = buf.area;
    if is_too_small((area.width, area.height)) {
        let words = format!(
            "caretta needs {} columns and {} rows; this terminal has {} x {}. Make it larger, or q quits.",
            LEAST.0, LEAST.1, area.width, area.height
        );
        for (y, line) in (0..).zip(wrap(&words, area.width.saturating_sub(2))) {
            put(buf, area.x + 1, area.y + y, area.width.saturating_sub(2), &line, model.theme.text());
        }
        return;
    }
    header(model, row(area, 0), buf);
    let body = body(area);
    match (model.tab, model.is_first_start()) {
        (Tab::Datasets | Tab::Runs, true) => first_start(model, body, buf),
        (Tab::Datasets, _) => datasets::view::draw(model, body, buf),
        (Tab::Runs, _) => runs::view::draw(model, body, buf),
        (Tab::Evaluate, _) => evaluate::view::draw(model, body, buf),
        (Tab::System, _) => system::view::draw(model, body, buf),
        (Tab::Identify, _) => identify::view::draw(model, body, buf),
    }
    // under a popup a photo would be torn
    if model.images && !covered(model) {
        for (place, key) in slots(model, body) {
            draw_picture(model, place, &key, buf);
        }
        if model.tab == Tab::Datasets {
            datasets::view::over_photos(model, body, buf);
        }
    }
    words(model, row(area, area.height - 2), buf);
    footer(model, row(area, area.height - 1), buf);
    for layer in &model.layers {
        popup::view::draw(model, layer, body, buf);
    }
}

/// What header, words and footer leave.
pub(super) fn body(area: Rect) -> Rect {
    Rect { y: area.y + 1, height: area.height.saturating_sub(3), ..area }
}

fn covered(model: &Model) -> bool {
    model.layers.iter().any(|layer| !matches!(layer, Layer::Filter) && !layer.is_beside_photos())
}

/// Photos of the tab shown, each with its place.
fn slots(model: &Model, body: Rect) -> Vec<(Rect, PictureKey)> {
    match model.tab {
        _ if !model.images => Vec::new(),
        Tab::Datasets if !model.is_first_start() => datasets::view::photos(model, body),
        Tab::Evaluate => evaluate::view::photos(model, body),
        Tab::Identify => identify::view::photos(model, body),
        _ => Vec::new(),
    }
}

/// The photos that are shown now, or will be once they are ready.
pub(super) fn pictures(model: &Model) -> Vec<PictureKey> {
    let area = model.area();
    if is_too_small(model.size) || covered(model) {
        return Vec::new();
    }
    slots(model, body(area)).into_iter().map(|(_, key)| key).collect()
}

/// The pictures that lie over the cells of the screen now; none where they are cells themselves.
pub(super) fn placed(model: &Model) -> Vec<Placed> {
    let area = model.area();
    if model.finer().is_none() || is_too_small(model.size) || covered(model) {
        return Vec::new();
    }
    let placed = |(place, key): (Rect, PictureKey)| {
        let picture = model.pictures.get(&key)?.as_ref().ok()?.clone();
        Some(Placed { area: photo::covered(place, picture.pixels.dimensions(), key.pixels), key, picture })
    };
    slots(model, body(area)).into_iter().filter_map(placed).collect()
}

fn draw_picture(model: &Model, place: Rect, key: &PictureKey, buf: &mut Buffer) {
    match model.pictures.get(key) {
        Some(Ok(picture)) if model.finer().is_some() => {
            // the terminal's own pixels lie there
            for at in photo::covered(place, picture.pixels.dimensions(), key.pixels).intersection(buf.area).positions()
            {
                buf[at].reset();
                buf[at].set_diff_option(CellDiffOption::Skip);
            }
        }
        Some(Ok(picture)) => photo::draw(buf, place, &picture.pixels, model.theme.depth),
        Some(Err(why)) => {
            for (y, line) in (0..place.height).zip(wrap(why, place.width)) {
                put(buf, place.x, place.y + y, place.width, &line, model.theme.wrong());
            }
        }
        None => {
            let (x, y) = (place.x + place.width / 2, place.y + place.height / 2);
            put(buf, x, y, 1, "…", model.theme.quiet());
        }
    }
}

fn header(model: &Model, line: Rect, buf: &mut Buffer) {
    let theme = &model.theme;
    let mut x = put(buf, line.x + 1, line.y, line.width, "caretta", theme.bold()) + 2;
    for (n, tab) in (1..).zip(Tab::ALL) {
        let words = format!(" {n} {} ", tab.name());
        let style = if tab == model.tab { theme.chosen(true) } else { theme.text() };
        x = put(buf, x, line.y, line.width, &words, style);
    }
    let live = model.runs.live().len();
    let running = if live > 0 { format!(" · ● {live} running") } else { String::new() };
    let device =
        model.card.as_ref().map_or_else(|| "cpu".to_owned(), |card| format!("cuda:0 {}", short_name(&card.name)));
    let rest = Rect { x: x + 1, width: line.right().saturating_sub(x + 1), ..line };
    let whole = format!("{device}{running} ");
    // what runs comes before where
    let right = if live > 0 && width(&whole) > rest.width { format!("● {live} running ") } else { whole };
    let space = rest.width.saturating_sub(width(&right) + 13);
    let place =
        if space > 6 { format!("workspace {} · ", fit_end(&model.shown_workspace(), space)) } else { String::new() };
    put_right(buf, rest, &format!("{place}{right}"), theme.quiet());
    if live > 0 {
        let words = format!("● {live} running ");
        put_right(buf, rest, &words, theme.status(crate::run::Status::Running));
    }
}

/// A card's name without its maker.
fn short_name(name: &str) -> &str {
    name.trim_start_matches("NVIDIA ").trim_start_matches("GeForce ").split(" 80GB").next().unwrap_or(name)
}

/// The line above the footer: what was said last, else what goes on, else what there is to say of what is chosen.
fn words(model: &Model, line: Rect, buf: &mut Buffer) {
    let theme = &model.theme;
    let inner = Rect { x: line.x + 1, width: line.width.saturating_sub(2), ..line };
    if let Some(Layer::Filter) = model.layers.last() {
        let text = match model.tab {
            Tab::Datasets => model.datasets.filter.as_str(),
            Tab::Evaluate => model.evaluate.filter(),
            Tab::Runs | Tab::System | Tab::Identify => &model.runs.filter,
        };
        let pieces = [
            ("/".to_owned(), theme.accent()),
            (text.to_owned(), theme.text()),
            (popup::view::CURSOR.to_owned(), theme.cursor()),
        ];
        put_all(buf, inner, &pieces);
        return;
    }
    let (text, style) = match (&model.notice, &model.progress) {
        (Some((text, true)), _) => (text.clone(), theme.wrong()),
        (Some((text, false)), _) => (text.clone(), theme.text()),
        (None, Some(progress)) => (progress.clone(), theme.status(crate::run::Status::Running)),
        (None, None) => match model.tab {
            Tab::Runs => runs::view::words(model),
            Tab::Evaluate => evaluate::view::words(model),
            Tab::Identify => identify::view::words(model),
            _ => return,
        },
    };
    // a message of several lines is whole in the log
    let text = text.lines().next().unwrap_or_default();
    put(buf, inner.x, inner.y, inner.width, text, style);
}

/// The keys that work now, as many as fit; help and quit always.
fn footer(model: &Model, line: Rect, buf: &mut Buffer) {
    let theme = &model.theme;
    let inner = Rect { x: line.x + 1, width: line.width.saturating_sub(2), ..line };
    let pieces = match model.layers.last() {
        Some(layer) => popup::view::keys(layer),
        None => tab_keys(model, model.place()),
    };
    let last: Vec<_> = pieces.iter().rev().take(2).rev().cloned().collect();
    let wide =
        |pieces: &[(String, String)]| -> u16 { pieces.iter().map(|(key, word)| width(key) + width(word) + 4).sum() };
    let mut shown: Vec<(String, String)> = Vec::new();
    for piece in &pieces[..pieces.len() - last.len()] {
        shown.push(piece.clone());
        if wide(&shown) + wide(&last) > inner.width {
            shown.pop();
            break;
        }
    }
    shown.extend(last);
    let mut line: Vec<(String, Style)> = Vec::new();
    for (key, word) in shown {
        line.push((key, theme.accent()));
        line.push((format!(" {word}   "), theme.quiet()));
    }
    put_all(buf, inner, &line);
}

fn tab_keys(model: &Model, place: Place) -> Vec<(String, String)> {
    let rows = TABLE.iter().filter(|row| row.works_at(place) && !row.short.is_empty());
    let piece = |row: &keys::Row| {
        let key = model.keymap.keys(row).into_iter().next()?;
        let word = match model.tab {
            Tab::Identify => model.identify.word(row)?,
            _ => row.short.to_owned(),
        };
        Some((keys::shown(&key), word))
    };
    rows.filter_map(piece).collect()
}

fn first_start(model: &Model, area: Rect, buf: &mut Buffer) {
    let theme = &model.theme;
    let left = area.x + (area.width / 4).max(2);
    let top = area.y + area.height.saturating_sub(8) / 2;
    let most = area.width - (left - area.x);
    put(buf, left, top, most, "No photos yet.", theme.bold());
    let lines = [
        ("a", "add a folder or a table of photos"),
        ("s", "draw a dataset of synthetic turtles (20 s)"),
        ("d", "the whole tour: draw, train, evaluate (3 min)"),
    ];
    for (n, (key, words)) in (0..).zip(lines) {
        let x = put(buf, left, top + 2 + n, most, key, theme.accent());
        put(buf, x + 3, top + 2 + n, most - 4, words, theme.text());
    }
}

/// A vertical rule down `area`'s left side; what is right of it.
pub(super) fn rule(model: &Model, area: Rect, buf: &mut Buffer) -> Rect {
    for y in area.y..area.bottom() {
        put(buf, area.x, y, 1, "│", model.theme.quiet());
    }
    Rect { x: area.x + 2, width: area.width.saturating_sub(2), ..area }
}
