//! The tab with the runs as cells: the table, and the figures of the run chosen beside it or over the whole screen.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::{Modifier, Style};

use crate::data::counted::counted;
use crate::run::{RunSummary, Status};
use crate::tui::keys::Place;
use crate::tui::model::Model;
use crate::tui::runs::series::{Figure, Series};
use crate::tui::runs::{Followed, RunView};
use crate::tui::view::rule;
use crate::tui::widgets::chart::{self, Axes, Bucket, Curve};
use crate::tui::widgets::list::shown;
use crate::tui::widgets::text::{self, bytes, number, put, put_all, put_right, row, share, time};

/// From this width on the table and the figures stand side by side.
const SIDE_BY_SIDE: u16 = 110;

/// Draws the tab.
pub(in crate::tui) fn draw(model: &Model, area: Rect, buf: &mut Buffer) {
    let Some(all) = &model.runs.all else {
        put(buf, area.x + 2, area.y + 2, area.width, "Reading the runs …", model.theme.quiet());
        return;
    };
    if all.is_empty() {
        put(
            buf,
            area.x + 2,
            area.y + 2,
            area.width,
            "No runs yet. n starts one: a form with every value.",
            model.theme.text(),
        );
        return;
    }
    let (Some(run), Some(place)) = (model.runs.current(), pane(model, area)) else {
        table(model, area, buf);
        return;
    };
    if place != area {
        let left = table_width(area);
        table(model, Rect { width: left, ..area }, buf);
        rule(model, Rect { x: area.x + left, width: area.width - left, ..area }, buf);
    }
    detail(model, run, place, buf);
}

/// What there is to say of the run chosen.
pub(in crate::tui) fn words(model: &Model) -> (String, Style) {
    let Some(run) = model.runs.current() else { return (String::new(), model.theme.text()) };
    let hint = match run.status {
        Status::Crashed | Status::Stopped | Status::Failed => " · r resumes it",
        Status::Finished => " · e measures it",
        _ => "",
    };
    let words = format!("{} {}: {}{hint}", run.status.sign(), run.name, run.reason);
    (words, model.theme.status(run.status))
}

/// A column of the table.
struct Column {
    head: &'static str,
    width: u16,
    /// The higher, the sooner it goes where there is no room.
    spare: u8,
    numeric: bool,
    cell: fn(&RunSummary, f64) -> String,
}

fn or_dot(text: Option<String>) -> String {
    text.unwrap_or_else(|| "·".into())
}

const COLUMNS: [Column; 8] = [
    Column {
        head: "method",
        width: 7,
        spare: 3,
        numeric: false,
        cell: |r, _| or_dot(r.method.map(|m| m.name().into())),
    },
    Column { head: "backbone", width: 15, spare: 5, numeric: false, cell: |r, _| or_dot(r.backbone.clone()) },
    Column { head: "dataset", width: 12, spare: 7, numeric: false, cell: |r, _| or_dot(r.dataset.clone()) },
    Column {
        head: "epoch",
        width: 7,
        spare: 1,
        numeric: true,
        cell: |r, _| or_dot(r.epochs.map(|epochs| format!("{}/{epochs}", r.epoch))),
    },
    Column {
        head: "loss",
        width: 6,
        spare: 2,
        numeric: true,
        cell: |r, _| or_dot(r.loss.map(|l| number(f64::from(l)))),
    },
    Column { head: "rank-1", width: 6, spare: 0, numeric: true, cell: |r, _| share(r.best_rank1) },
    Column {
        head: "ETA",
        width: 5,
        spare: 4,
        numeric: true,
        // who waits for its turn has no end in sight, but a place in line
        cell: |r, since| {
            let eta = r.eta_seconds.map(|eta| time((eta - since).max(0.0)));
            or_dot(eta.or(r.place.map(|place| if place == 1 { "next".into() } else { format!("#{place}") })))
        },
    },
    Column {
        head: "age",
        width: 5,
        spare: 6,
        numeric: true,
        cell: |r, since| or_dot(r.age_seconds.map(|age| time(age + since))),
    },
];

fn table(model: &Model, area: Rect, buf: &mut Buffer) {
    let (theme, state) = (&model.theme, &model.runs);
    let rows = state.shown();
    let all = state.all.as_ref().map_or(0, Vec::len);
    let filtered = if state.filter.is_empty() {
        String::new()
    } else {
        format!(" · {} that hold {:?}", rows.len(), state.filter)
    };
    let marked = if state.marked.is_empty() { String::new() } else { format!(" · {} marked", state.marked.len()) };
    let head = format!(" Runs {all} · {}{filtered}{marked}", state.sort.words());
    put(buf, area.x, area.y, area.width, &head, if state.in_detail { theme.quiet() } else { theme.accent() });

    // columns go, the most spare first, until the name has its room
    let mut columns: Vec<&Column> = COLUMNS.iter().collect();
    let wide = |columns: &[&Column]| columns.iter().map(|c| c.width + 2).sum::<u16>();
    let longest = rows.iter().map(|run| text::width(&run.name)).max().unwrap_or(8).max(8);
    while wide(&columns) + longest.min(34) + 6 > area.width {
        let Some((at, _)) = columns.iter().enumerate().max_by_key(|(_, c)| c.spare) else { break };
        columns.remove(at);
    }
    let name_width = area.width.saturating_sub(wide(&columns) + 5).min(longest);
    let mut cells_at = area.x + 4 + name_width;
    let starts: Vec<u16> = columns
        .iter()
        .map(|column| {
            let start = cells_at + 2;
            cells_at = start + column.width;
            start
        })
        .collect();
    let head = row(area, 1);
    put(buf, area.x + 4, head.y, name_width, "name", theme.quiet());
    for (column, &x) in columns.iter().zip(&starts) {
        cell(buf, Rect { x, width: column.width, ..head }, column.head, column.numeric, theme.quiet());
    }
    let best = rows.iter().filter_map(|run| run.best_rank1).fold(0.0, f64::max);
    let list = Rect { y: area.y + 2, height: area.height.saturating_sub(2), ..area };
    let current = state.current().map(|run| run.id.clone());
    let at = rows.iter().position(|run| Some(&run.id) == current.as_ref()).unwrap_or(0);
    for (n, place) in (0..).zip(shown(at, rows.len(), list.height)) {
        let (run, line) = (rows[place], row(list, n));
        let is_chosen = place == at;
        let since = (model.now - state.read_at).max(0.0);
        if is_chosen {
            buf.set_style(Rect { width: area.width.saturating_sub(1), ..line }, theme.chosen(!state.in_detail));
        }
        let over = |style: Style| if is_chosen { theme.chosen(!state.in_detail) } else { style };
        let mark = if state.marked.contains(&run.id) { "»" } else { " " };
        put(buf, line.x + 1, line.y, 1, mark, over(theme.accent()));
        put(buf, line.x + 2, line.y, 1, run.status.sign(), over(theme.status(run.status)));
        put(buf, line.x + 4, line.y, name_width, &text::fit_middle(&run.name, name_width), over(theme.text()));
        for (column, &x) in columns.iter().zip(&starts) {
            let is_best = column.head == "rank-1" && best > 0.0 && run.best_rank1 == Some(best);
            let style = if is_best { theme.bold() } else { theme.text() };
            let style = if is_chosen && is_best { over(style).add_modifier(Modifier::BOLD) } else { over(style) };
            let cell_of = Rect { x, width: column.width, ..line };
            cell(buf, cell_of, &(column.cell)(run, since), column.numeric, style);
        }
    }
}

fn cell(buf: &mut Buffer, area: Rect, text: &str, numeric: bool, style: Style) {
    if numeric {
        put_right(buf, area, text, style);
    } else {
        put(buf, area.x, area.y, area.width, text, style);
    }
}

/// The line over a run's figures.
fn title(model: &Model, run: &RunSummary, line: Rect, buf: &mut Buffer) {
    let theme = &model.theme;
    let mut words = Vec::new();
    if let Some(epochs) = run.epochs {
        words.push(format!("epoch {}/{epochs}", run.epoch));
    }
    if run.total > 0 {
        words.push(format!("step {}/{}", run.step, run.total));
    }
    if let Some(eta) = run.eta_seconds {
        words.push(format!("ETA {}", time((eta - (model.now - model.runs.read_at)).max(0.0))));
    }
    let focused = model.runs.in_detail || model.runs.whole;
    let pieces = [
        (format!("{} ", run.name), if focused { theme.accent() } else { theme.bold() }),
        (format!("{} {} ", run.status.sign(), run.status), theme.status(run.status)),
        (words.join(" · "), theme.text()),
        (
            if run.note.is_empty() { String::new() } else { format!(" · {}", run.note.replace('\n', " ")) },
            theme.quiet(),
        ),
    ];
    put_all(buf, line, &pieces);
}

/// Where a run's charts lie below its title, over the line that says its pace and the end of its log.
struct Layout {
    charts: Rect,
    /// Charts side by side.
    across: usize,
    /// Charts that fit.
    fits: usize,
    pace: Rect,
    log: Rect,
}

impl Layout {
    /// In `area`, the run's own, which is the whole screen or a pane of it.
    fn of(area: Rect, whole: bool) -> Layout {
        let log_height = match whole {
            true => (area.height / 4).clamp(3, 14),
            false if area.height >= 24 => 5,
            false => 2,
        };
        let charts = Rect { y: area.y + 1, height: area.height.saturating_sub(2 + log_height), ..area };
        let pace = row(area, area.height - 1 - log_height);
        let log = Rect { y: pace.y + 1, height: log_height, ..area };
        let across = if whole && area.width >= 120 { 2 } else { 1 };
        let fits = match whole {
            true => (usize::from(charts.height / 6) * across).max(1),
            false => usize::from(charts.height / 7).clamp(1, 4),
        };
        Layout { charts, across, fits, pace, log }
    }
}

/// Where the chosen run's own pane lies in `area`, the tab's; none where only the table is shown.
fn pane(model: &Model, area: Rect) -> Option<Rect> {
    match area.width >= SIDE_BY_SIDE {
        _ if model.runs.whole => Some(area),
        true => {
            let left = table_width(area);
            Some(Rect { x: area.x + left + 2, width: area.width.saturating_sub(left + 2), ..area })
        }
        false => model.runs.in_detail.then_some(area),
    }
}

/// Columns of the table beside a run's pane.
fn table_width(area: Rect) -> u16 {
    (area.width * 2 / 5).clamp(56, 84)
}

/// The last chart that may be the first, and the most lines that the log can be scrolled back, in `area`, the tab's.
pub(in crate::tui) fn most_scrolled(model: &Model, area: Rect) -> (usize, usize) {
    let followed = model.runs.current().and_then(|run| model.runs.followed.get(&run.id));
    let (Some(followed), Some(pane)) = (followed, pane(model, area)) else { return (0, 0) };
    let charts = groups(followed).len().saturating_sub(Layout::of(pane, model.runs.whole).fits);
    (charts, followed.log.len().saturating_sub(usize::from(pane.height.saturating_sub(2))))
}

/// A run's own pane: its title, and below it what is looked at.
fn detail(model: &Model, run: &RunSummary, area: Rect, buf: &mut Buffer) {
    let (theme, state) = (&model.theme, &model.runs);
    title(model, run, row(area, 0), buf);
    let Some(followed) = state.followed.get(&run.id) else {
        put(buf, area.x, area.y + 2, area.width, "Reading its figures …", theme.quiet());
        return;
    };
    let below = Rect { y: area.y + 2, height: area.height.saturating_sub(2), ..area };
    match state.view {
        RunView::Charts => charts(model, run, followed, area, buf),
        RunView::Log => {
            let back = if state.back > 0 { format!(" · {} back", counted(state.back, "line")) } else { String::new() };
            let head = format!("log · its last {}{back}", counted(followed.log.len(), "line"));
            put(buf, area.x, area.y + 1, area.width, &head, theme.quiet());
            log_lines(model, followed, state.back, below, buf);
        }
        RunView::Checkpoints => {
            put(buf, area.x, area.y + 1, area.width, "checkpoints", theme.quiet());
            checkpoints(model, followed, below, buf);
        }
    }
}

fn charts(model: &Model, run: &RunSummary, followed: &Followed, area: Rect, buf: &mut Buffer) {
    let Layout { charts, across, fits, pace: line, log } = Layout::of(area, model.runs.whole);
    let figures = groups(followed);
    let fits = fits.min(figures.len());
    let from = model.runs.from.min(figures.len() - fits);
    let down = fits.div_ceil(across) as u16;
    let (wide, high) = (charts.width / across as u16, charts.height / down);
    // what is left over goes to the first, the most telling
    let over = charts.height - high * down;
    for (n, group) in figures.iter().skip(from).take(fits).enumerate() {
        let (column, line) = ((n % across) as u16, (n / across) as u16);
        let (top, height) = if line == 0 { (0, high + over) } else { (over + line * high, high) };
        let width = if across > 1 { wide.saturating_sub(1) } else { wide };
        chart_of(model, run, group, Rect { x: charts.x + column * wide, y: charts.y + top, width, height }, buf);
    }
    let more = if fits < figures.len() && model.runs.place() == Place::Run {
        format!("charts {} to {} of {} · PgDn PgUp", from + 1, from + fits, figures.len())
    } else {
        String::new()
    };
    put_right(buf, line, &more, model.theme.quiet());
    let room = line.width.saturating_sub(text::width(&more) + 2);
    put(buf, line.x, line.y, room, &pace(&followed.series, room), model.theme.text());
    let side = if model.runs.whole && area.width >= 100 { 44 } else { 0 };
    log_lines(model, followed, 0, Rect { width: log.width - side, ..log }, buf);
    if side > 0 {
        let right = rule(model, Rect { x: log.right() - side, width: side, ..log }, buf);
        put(buf, right.x, right.y, right.width, "checkpoints", model.theme.quiet());
        checkpoints(model, followed, Rect { y: right.y + 1, height: right.height.saturating_sub(1), ..right }, buf);
    }
}

fn checkpoints(model: &Model, followed: &Followed, area: Rect, buf: &mut Buffer) {
    for (n, (name, size, when)) in (0..area.height).zip(&followed.checkpoints) {
        let words = format!("{name}  {}  {} ago", bytes(*size), time((model.now - when).max(0.0)));
        put(buf, area.x, area.y + n, area.width, &words, model.theme.text());
    }
    if followed.checkpoints.is_empty() {
        put(buf, area.x, area.y, area.width, "none yet", model.theme.quiet());
    }
}

/// What is said under the charts, as much of it as has room.
fn pace(series: &Series, room: u16) -> String {
    let figure = |f: Figure| series.last(f).map(f64::from);
    let words = [
        figure(Figure::Rate).map(|v| format!("lr {}", number(v))),
        figure(Figure::Active).map(|v| format!("active {v:.2}")),
        figure(Figure::Angle).map(|v| format!("angle {v:.0}°")),
        figure(Figure::Speed).map(|v| format!("{v:.0} photos/s")),
        figure(Figure::Wait).map(|v| format!("waiting for data {v:.0} %")),
    ];
    let joined = |line: String, word: String| if line.is_empty() { word } else { format!("{line} · {word}") };
    words.into_iter().flatten().fold(String::new(), |line, word| {
        let longer = joined(line.clone(), word);
        if text::width(&longer) <= room { longer } else { line }
    })
}

/// The log's end, without so many lines of it.
fn log_lines(model: &Model, followed: &Followed, back: usize, area: Rect, buf: &mut Buffer) {
    let from = followed.log.len().saturating_sub(usize::from(area.height) + back);
    for (n, line) in (0..area.height).zip(followed.log.iter().skip(from)) {
        put(buf, area.x, area.y + n, area.width, line, model.theme.quiet());
    }
}

/// Figures that share a chart.
struct Group {
    name: &'static str,
    figures: &'static [Figure],
}

/// The charts that a run has something for, the most telling first.
fn groups(followed: &Followed) -> Vec<Group> {
    let series = &followed.series;
    let all = [
        Group { name: "rank-1", figures: &[Figure::Rank1, Figure::Map] },
        Group { name: "loss", figures: &[Figure::Loss] },
        Group { name: "active share", figures: &[Figure::Active] },
        Group { name: "angle", figures: &[Figure::Angle] },
        Group { name: "learning rate", figures: &[Figure::Rate] },
        Group { name: "photos/s", figures: &[Figure::Speed] },
        Group { name: "waiting for data, %", figures: &[Figure::Wait] },
        Group { name: "gradient", figures: &[Figure::Gradient] },
    ];
    // the first two are always there, empty at first
    all.into_iter().enumerate().filter(|(n, g)| *n < 2 || series.has(g.figures[0])).map(|(_, g)| g).collect()
}

fn chart_of(model: &Model, run: &RunSummary, group: &Group, area: Rect, buf: &mut Buffer) {
    let (theme, charts) = (&model.theme, &model.runs.charts);
    let plot = Rect { y: area.y + 1, height: area.height.saturating_sub(1), ..area };
    let columns = chart::columns(plot);
    let overlaid: Vec<(&str, &Series)> = if charts.overlay {
        let ids = model.runs.marked.iter().filter(|id| **id != run.id).chain(std::iter::once(&run.id));
        ids.filter_map(|id| Some((id.as_str(), &model.runs.followed.get(id)?.series))).collect()
    } else {
        model.runs.followed.get(&run.id).map(|f| (run.id.as_str(), &f.series)).into_iter().collect()
    };
    let extent = overlaid.iter().map(|(_, s)| s.extent(charts.along).1).fold(1e-9, f64::max);
    let window = (extent * charts.window.0, extent * charts.window.1);
    let log = charts.log && group.name == "loss";
    let axes = Axes {
        x: window,
        along: charts.along.word(),
        log,
        cursor: charts.cursor.map(|share| window.0 + (window.1 - window.0) * share),
        quiet: theme.quiet(),
        accent: theme.accent(),
    };
    let figures = if charts.overlay { &group.figures[..1] } else { group.figures };
    let mut curves = Vec::new();
    let mut legend: Vec<(String, Style)> = Vec::new();
    for (at, (id, series)) in overlaid.iter().enumerate() {
        for (n, &figure) in figures.iter().enumerate() {
            let buckets = series.buckets(figure, charts.along, window, columns);
            let style = theme.series(at + n);
            let several = charts.overlay || figures.len() > 1;
            let marker = several.then(|| char::from(b'a' + ((at + n) % 26) as u8));
            let value = charts.cursor.map_or_else(|| series.last(figure), |share| value_at(&buckets, share));
            let value = value.map_or_else(|| "·".into(), |v| number(f64::from(v)));
            if several {
                let name = if charts.overlay { name_of(model, id) } else { word(figure).to_owned() };
                let name = if name.is_empty() { name } else { name + " " };
                legend.push((format!("  {} {name}{value}", marker.unwrap_or(' ')), style));
            } else {
                legend.push((format!(" {value}"), style));
            }
            if charts.smoothing > 0.0 && !charts.overlay {
                curves.push(Curve { buckets: buckets.clone(), style: theme.quiet(), marker: None });
            }
            let buckets = if charts.smoothing > 0.0 { chart::smoothed(&buckets, charts.smoothing) } else { buckets };
            curves.push(Curve { buckets, style, marker });
        }
    }
    let mut pieces = vec![(chart_name(model, run, group, &axes), theme.bold())];
    pieces.extend(legend);
    if group.name == "loss"
        && let Some(gradient) = overlaid.last().and_then(|(_, s)| s.last(Figure::Gradient))
        && !charts.overlay
    {
        pieces.push((format!("  grad {}", number(f64::from(gradient))), theme.quiet()));
    }
    if let (true, Some(best), Some(epoch)) = (group.name == "rank-1" && !charts.overlay, run.best_rank1, run.best_epoch)
    {
        pieces.push((format!("  best {best:.3} @ {epoch}"), theme.bold()));
    }
    put_all(buf, row(area, 0), &pieces);
    chart::draw(buf, plot, &curves, &axes);
}

fn chart_name(model: &Model, run: &RunSummary, group: &Group, axes: &Axes) -> String {
    let charts = &model.runs.charts;
    let mut name = group.name.to_owned();
    if group.name == "rank-1" {
        let part =
            model.runs.followed.get(&run.id).and_then(|f| f.series.epochs.iter().rev().find_map(|e| e.part.clone()));
        name = part.map_or(name, |part| format!("rank-1 ({part})"));
    }
    if axes.log {
        name += " (log)";
    }
    if charts.smoothing > 0.0 {
        name += &format!(" · smoothing {:.1}", charts.smoothing);
    }
    if let Some(at) = axes.cursor {
        name += &format!(" · at {} {at:.1}", axes.along);
    }
    name
}

fn name_of(model: &Model, id: &str) -> String {
    let run = model.runs.all.iter().flatten().find(|run| run.id == id);
    run.map_or_else(|| id.to_owned(), |run| run.name.clone())
}

fn word(figure: Figure) -> &'static str {
    match figure {
        Figure::Map => "mAP",
        _ => "",
    }
}

/// The value of a curve at a share of its width: the nearest point at or before it.
fn value_at(buckets: &[Option<Bucket>], share: f64) -> Option<f32> {
    let at = ((buckets.len().saturating_sub(1)) as f64 * share).round() as usize;
    buckets.iter().take(at + 1).rev().flatten().next().map(|b| b.last)
}
