//! Popups as cells: a field cleared out of the middle of the tab, with a rule above and below.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;

use crate::tui::form;
use crate::tui::identify;
use crate::tui::model::Model;
use crate::tui::popup::{Asked, Layer, help};
use crate::tui::widgets::list::shown;
use crate::tui::widgets::text::{fit_end, put, put_all, row, width, wrap};

/// Lines of the names that fit what is typed.
const MOST_FITTING: usize = 3;
/// Names of which those lines may be.
const MOST_NAMES: usize = 100;

/// Draws `layer` over `area`.
pub(in crate::tui) fn draw(model: &Model, layer: &Layer, area: Rect, buf: &mut Buffer) {
    let theme = &model.theme;
    match layer {
        Layer::Filter => {}
        Layer::Form(state) => form::view::draw(model, state, area, buf),
        Layer::Choices(choices) => {
            let title = format!("evaluate {}", choices.run);
            let inner = clear(model, &title, (84, choices.points.len() as u16 + 2), area, buf);
            for (n, point) in (0..).zip(&choices.points) {
                let focused = usize::from(n) == choices.at;
                let words = point.answers.get(point.at).map_or("", |(words, _)| words.as_str());
                let style = if focused { theme.accent() } else { theme.text() };
                let label = format!("{} {:25}", if focused { "▸" } else { " " }, point.label);
                let words = if focused { format!("‹ {words} ›") } else { format!("  {words}") };
                put_all(buf, row(inner, n), &[(label, if focused { style } else { theme.quiet() }), (words, style)]);
            }
            let last = row(inner, choices.points.len() as u16 + 1);
            put(buf, last.x, last.y, last.width, "Enter measures; that goes on without this screen", theme.quiet());
        }
        Layer::Help(place, from) => {
            let lines = help(*place, &model.keymap);
            let keys = lines.iter().map(|(keys, _)| width(keys)).max().unwrap_or(0);
            let inner = clear(model, "keys that work here", (84, lines.len() as u16), area, buf);
            let from = (*from).min(lines.len().saturating_sub(usize::from(inner.height)));
            for (n, (key, words)) in (0..inner.height).zip(&lines[from..]) {
                put(buf, inner.x, inner.y + n, keys, key, theme.accent());
                put(buf, inner.x + keys + 2, inner.y + n, inner.width.saturating_sub(keys + 2), words, theme.text());
            }
        }
        Layer::Palette(palette) => {
            let found = palette.found();
            let inner = clear(model, "do what?", (90, found.len() as u16 + 1), area, buf);
            typed(model, (&palette.text, "", false), row(inner, 0), buf);
            let list = Rect { y: inner.y + 1, height: inner.height.saturating_sub(1), ..inner };
            for (n, place) in (0..).zip(shown(palette.at, found.len(), list.height)) {
                let line = row(list, n);
                let works = found[place].works_at(palette.place);
                let style = match (place == palette.at, works) {
                    (true, _) => theme.chosen(works),
                    (false, true) => theme.text(),
                    (false, false) => theme.quiet(),
                };
                if place == palette.at {
                    buf.set_style(line, style);
                }
                let keys: Vec<_> = model.keymap.keys(found[place]);
                let key = keys.first().map(|k| crate::tui::keys::shown(k)).unwrap_or_default();
                let not_here = if works { "" } else { "not here: " };
                let words = format!("{:18} {:10} {not_here}{}", found[place].name, key, found[place].help);
                put(buf, line.x, line.y, line.width, &words, style);
            }
        }
        Layer::Confirm(confirm) => {
            let lines = wrap(&confirm.question, 60);
            let inner = clear(model, "sure?", (64, lines.len() as u16 + 2), area, buf);
            for (n, line) in (0..).zip(&lines) {
                put(buf, inner.x, inner.y + n, inner.width, line, theme.text());
            }
            put(
                buf,
                inner.x,
                inner.y + lines.len() as u16 + 1,
                inner.width,
                "y yes   any other key no",
                theme.accent(),
            );
        }
        Layer::Prompt(prompt) => {
            let area = if layer.is_beside_photos() { identify::view::beside(&model.identify, area) } else { area };
            let width = 84.min(area.width.saturating_sub(4));
            let lines = |text: &str, style| wrap(text, width).into_iter().map(move |line| (line, style));
            let error = prompt.error.as_deref().map_or_else(Vec::new, |why| lines(why, theme.wrong()).collect());
            let under_way = prompt.under_way().map(|words| (words.to_owned(), theme.accent()));
            let fitting = match prompt.asked {
                Asked::Known(_) => {
                    let fitting = model.identify.fitting(prompt.text());
                    fitting[..fitting.len().min(MOST_NAMES)].join(" · ")
                }
                _ => String::new(),
            };
            // the help stays to be seen, however many fit
            let fitting = lines(&fitting, theme.accent()).take(MOST_FITTING);
            let said: Vec<_> = error
                .into_iter()
                .chain(fitting)
                .chain(under_way)
                .chain(lines(prompt.asked.help(), theme.quiet()))
                .collect();
            let height = if layer.is_beside_photos() { area.height } else { said.len().max(2) as u16 + 2 };
            let inner = clear(model, prompt.asked.title(), (84, height), area, buf);
            typed(model, prompt.line.parts(), row(inner, 0), buf);
            for (n, (line, style)) in (2..inner.height).zip(&said) {
                put(buf, inner.x, inner.y + n, inner.width, line, *style);
            }
        }
        Layer::Page(page) => {
            let inner = clear(model, &page.title, (100, page.lines.len() as u16), area, buf);
            for (n, line) in (0..inner.height).zip(page.lines.iter().skip(page.from)) {
                put(buf, inner.x, inner.y + n, inner.width, line, theme.text());
            }
        }
    }
}

/// Where the next character goes; the terminal's own cursor is hidden.
pub(in crate::tui) const CURSOR: &str = "▏";

/// A line that is being typed: what stands before the cursor, of which the end is always seen, what stands after it, and whether
/// it is only suggested.
fn typed(model: &Model, (before, after, is_suggested): (&str, &str, bool), line: Rect, buf: &mut Buffer) {
    let before = fit_end(before, line.width.saturating_sub(3));
    let style = if is_suggested { model.theme.chosen(true) } else { model.theme.text() };
    let pieces = [
        ("› ".to_owned(), model.theme.accent()),
        (before, style),
        (CURSOR.to_owned(), model.theme.cursor()),
        (after.to_owned(), style),
    ];
    put_all(buf, line, &pieces);
}

/// The last line that a help or a page may begin with over `area`; 0 for every other layer.
pub(in crate::tui) fn most_from(model: &Model, layer: &Layer, area: Rect) -> usize {
    let lines = match layer {
        Layer::Help(place, _) => help(*place, &model.keymap).len(),
        Layer::Page(page) => page.lines.len(),
        _ => 0,
    };
    // a rule above and one below
    lines.saturating_sub(usize::from(area.height.saturating_sub(2)))
}

/// Clears a field of at most `size` in the middle of `area`; what of it is left to write into.
pub(in crate::tui) fn clear(model: &Model, title: &str, size: (u16, u16), area: Rect, buf: &mut Buffer) -> Rect {
    let outer_width = (size.0 + 4).min(area.width);
    let outer_height = (size.1 + 2).min(area.height);
    let outer = Rect {
        x: area.x + (area.width - outer_width) / 2,
        y: area.y + (area.height - outer_height) / 2,
        width: outer_width,
        height: outer_height,
    };
    for y in outer.y..outer.bottom() {
        for x in outer.x..outer.right() {
            buf[(x, y)].reset();
        }
    }
    let theme = &model.theme;
    let line = "─".repeat(usize::from(outer.width));
    put(buf, outer.x, outer.y, outer.width, &line, theme.quiet());
    put(buf, outer.x, outer.bottom() - 1, outer.width, &line, theme.quiet());
    put(buf, outer.x + 2, outer.y, outer.width.saturating_sub(4), &format!(" {title} "), theme.bold());
    Rect {
        x: outer.x + 2,
        y: outer.y + 1,
        width: outer.width.saturating_sub(4),
        height: outer.height.saturating_sub(2),
    }
}

/// The keys of a popup, for the footer.
pub(in crate::tui) fn keys(layer: &Layer) -> Vec<(String, String)> {
    let pairs: &[(&str, &str)] = match layer {
        Layer::Help(..) => &[("↑↓", "move"), ("Esc", "back")],
        Layer::Palette(_) => &[("↑↓", "choose"), ("Enter", "do it"), ("Esc", "back")],
        Layer::Filter => &[("Enter", "keep"), ("↑↓", "move"), ("Esc", "all rows again")],
        Layer::Confirm(_) => &[("y", "yes"), ("Esc", "no")],
        Layer::Prompt(_) => &[("Enter", "go on"), ("←→", "move"), ("Ctrl-U", "clear"), ("Esc", "back")],
        Layer::Page(_) => &[("↑↓", "move"), ("Esc", "back")],
        Layer::Choices(_) => &[("↑↓", "point"), ("←→", "choice"), ("Enter", "measure"), ("Esc", "back")],
        Layer::Form(_) => &[("↑↓", "field"), ("←→", "choice"), ("Ctrl-S", "start"), ("Esc", "leave")],
    };
    pairs.iter().map(|(key, word)| ((*key).to_owned(), (*word).to_owned())).collect()
}
