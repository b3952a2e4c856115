//! The form as cells: fields in their sections, the one in focus with its help, and what the run will cost.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;

use crate::tui::form::Form;
use crate::tui::model::Model;
use crate::tui::popup::view::clear;
use crate::tui::widgets::list::shown;
use crate::tui::widgets::text::{fit_end, put, put_all, put_right, row, wrap};

/// Draws the form over `area`.
pub(in crate::tui) fn draw(model: &Model, form: &Form, area: Rect, buf: &mut Buffer) {
    let theme = &model.theme;
    let fields = form.shown();
    let inner = clear(model, "new run", (96, fields.len() as u16 + 6), area, buf);
    let list = Rect { height: inner.height.saturating_sub(5), ..inner };
    let seen = shown(form.at, fields.len() + 1, list.height);
    let (above, below) = (seen.start, fields.len() + 1 - seen.end);
    for (n, place) in (0..).zip(seen) {
        let line = row(list, n);
        let focused = place == form.at;
        let Some(entry) = fields.get(place) else {
            let style = if focused { theme.chosen(true) } else { theme.text() };
            put(buf, line.x, line.y, line.width, "  start the run  ", style);
            continue;
        };
        let problem = form.problem(entry);
        let name = format!("{} {:29}", if focused { "▸" } else { " " }, entry.field.path);
        let turns = focused && !form.choices(entry).is_empty();
        let text = fit_end(&entry.text, line.width.saturating_sub(43));
        let value = match (focused, turns) {
            (true, true) => format!("‹ {text}▏›"),
            (true, false) => format!("{text}▏"),
            (false, _) => text,
        };
        let style = match (problem.is_some(), focused) {
            (true, _) => theme.wrong(),
            (false, true) => theme.accent(),
            (false, false) => theme.text(),
        };
        let sign = if problem.is_some() { " ✗" } else { "" };
        put_all(buf, line, &[(name, if focused { theme.accent() } else { theme.quiet() }), (value + sign, style)]);
    }
    for (n, sign, hidden) in [(0, "▲", above), (list.height.saturating_sub(1), "▼", below)] {
        if hidden > 0 {
            put_right(buf, row(list, n), &format!("{sign} {hidden} more"), theme.accent());
        }
    }
    let foot = Rect { y: list.bottom(), height: inner.bottom() - list.bottom(), ..inner };
    put(buf, foot.x, foot.y, foot.width, &"─".repeat(usize::from(foot.width)), theme.quiet());
    let words = match (form.refused.clone(), form.focused()) {
        _ if form.starting => ("starting …".to_owned(), theme.text()),
        (Some(refused), _) => (refused, theme.wrong()),
        (None, Some(entry)) => match form.problem(entry) {
            Some(problem) => (problem, theme.wrong()),
            None => {
                let limits = entry.field.kind.limits();
                let limits = if limits.is_empty() { String::new() } else { format!(" ({limits})") };
                (format!("{}{limits}", entry.field.help), theme.text())
            }
        },
        (None, None) => match form.config() {
            Ok(_) => ("Enter starts it; it goes on without this screen".to_owned(), theme.text()),
            Err(problem) => (problem, theme.wrong()),
        },
    };
    for (n, line) in (0..2).zip(wrap(&words.0, foot.width)) {
        put(buf, foot.x, foot.y + 1 + n, foot.width, &line, words.1);
    }
    let cost = form.cost().unwrap_or_else(|| "what it costs is known once its dataset has been read".to_owned());
    put(buf, foot.x, foot.y + 4, foot.width, &cost, theme.quiet());
}
