//! The tab with the evaluations as cells: the list, the query browser, the pair, the report, the embedding.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::{Modifier, Style};

use crate::data::counted::counted;
use crate::eval::report::words as report_words;
use crate::eval::retrieval::Ranked;
use crate::run::Status;
use crate::tui::evaluate::{Evaluate, Evaluation, Opened, View, is_mistake};
use crate::tui::message::{PictureKey, Window};
use crate::tui::model::Model;
use crate::tui::view::rule;
use crate::tui::widgets::chart::{self, Axes, Bucket, Curve, Dots};
use crate::tui::widgets::list::shown;
use crate::tui::widgets::text::{blocks, filter_mark, fit_middle, put, put_all, put_right, row, share, width, wrap};

/// Columns of the list of queries.
const QUERIES: u16 = 36;

/// Draws the tab, all but the photos.
pub(in crate::tui) fn draw(model: &Model, area: Rect, buf: &mut Buffer) {
    let state = &model.evaluate;
    let Some(opened) = &state.opened else {
        list(model, area, buf);
        return;
    };
    head(model, opened, row(area, 0), buf);
    let body = below(area, 1);
    match state.view {
        _ if state.pair => pair(model, opened, body, buf),
        View::Queries => queries(model, opened, body, buf),
        View::Report => report(model, opened, body, buf),
        View::Scatter => scatter(model, opened, body, buf),
    }
}

fn below(area: Rect, rows: u16) -> Rect {
    Rect { y: area.y + rows, height: area.height.saturating_sub(rows), ..area }
}

fn list(model: &Model, area: Rect, buf: &mut Buffer) {
    let (theme, state) = (&model.theme, &model.evaluate);
    let inner = Rect { x: area.x + 1, width: area.width.saturating_sub(2), ..area };
    let Some(all) = &state.list else {
        put(buf, inner.x, inner.y + 1, inner.width, "Looking for evaluations …", theme.quiet());
        return;
    };
    if all.is_empty() {
        let words = "Nothing to evaluate yet: a run needs a checkpoint. 2 goes to the runs, n starts one there.";
        for (n, line) in (0..).zip(wrap(words, inner.width)) {
            put(buf, inner.x, inner.y + 1 + n, inner.width, &line, theme.text());
        }
        return;
    }
    let rows = state.shown();
    let head = format!("Runs and reports {}{}", rows.len(), filter_mark(state.filter()));
    put(buf, inner.x, inner.y, inner.width, &head, theme.accent());
    // the figures keep their room, names give way
    let longest = |of: &dyn Fn(&Evaluation) -> u16| rows.iter().map(|e| of(e)).max().unwrap_or(0).max(8);
    let asked_width = longest(&|e| width(e.name.as_deref().unwrap_or_default())).min(16);
    let room = inner.width.saturating_sub(2 + 2 + asked_width + 2 + FIGURES);
    let run_width = longest(&|e| width(&e.run_name)).min(room.max(8));
    let line = |at: Rect, [run, asked, figures]: [&str; 3], style: Style, buf: &mut Buffer| {
        put(buf, at.x + 2, at.y, run_width, &fit_middle(run, run_width), style);
        let asked_at = at.x + 2 + run_width + 2;
        put(buf, asked_at, at.y, asked_width, &fit_middle(asked, asked_width), style);
        let figures_at = asked_at + asked_width + 2;
        put(buf, figures_at, at.y, at.right().saturating_sub(figures_at), figures, style);
    };
    let heads = "rank-1    mAP  with same encounter";
    line(row(inner, 1), ["run", "asked", heads], theme.quiet(), buf);
    let body = below(inner, 2);
    for (n, place) in (0..).zip(shown(state.at, rows.len(), body.height)) {
        let (evaluation, line_of) = (rows[place], row(body, n));
        let is_chosen = place == state.at;
        let style = if is_chosen { theme.chosen(true) } else { theme.text() };
        if is_chosen {
            buf.set_style(line_of, style);
        }
        let sign_style = if is_chosen { style } else { theme.status(evaluation.status) };
        if state.marked.as_ref() == Some(&evaluation.folder) && evaluation.name.is_some() {
            put(buf, line_of.x + 1, line_of.y, 1, "»", if is_chosen { style } else { theme.accent() });
        }
        let mark = if evaluation.name.is_some() { evaluation.status.sign() } else { "·" };
        put(buf, line_of.x, line_of.y, 1, mark, sign_style);
        let asked = evaluation.name.as_deref().unwrap_or("·");
        line(line_of, [&evaluation.run_name, asked, &standing(state, evaluation)], style, buf);
    }
}

/// Columns that an evaluation's figures take.
const FIGURES: u16 = 22;

fn standing(state: &Evaluate, e: &Evaluation) -> String {
    if state.opening.as_ref() == Some(&e.folder) {
        return "opening …".to_owned();
    }
    match (e.status, &e.name) {
        (_, None) => "not measured yet: e does".to_owned(),
        (Status::Starting | Status::Running | Status::Stopping, _) => match e.done {
            _ if e.status == Status::Stopping => "stopping …".to_owned(),
            (_, 0) => "starting …".to_owned(),
            (done, total) => format!("{done} of {}", counted(total, "photo")),
        },
        (Status::Failed | Status::Crashed | Status::Stopped, _) if e.rank1.is_none() => e.reason.clone(),
        // the figures are those of a report that this one has not replaced
        (Status::Failed | Status::Crashed | Status::Stopped, _) => {
            let figures = format!("{:>6} {:>6}  {:>6}", share(e.rank1), share(e.map), share(e.careless));
            format!("{figures}  from before it {}", ended(e.status))
        }
        _ => format!("{:>6} {:>6}  {:>6}", share(e.rank1), share(e.map), share(e.careless)),
    }
}

fn ended(status: Status) -> &'static str {
    match status {
        Status::Stopped => "was stopped",
        Status::Failed => "failed",
        _ => "crashed",
    }
}

fn head(model: &Model, opened: &Opened, line: Rect, buf: &mut Buffer) {
    let theme = &model.theme;
    let figures = &opened.report.figures;
    let careless = opened.report.without_exclusion.rank1;
    let points = figures.rank1.zip(careless).map(|(a, b)| ((b - a) * 100.0).round());
    let leak = points.filter(|p| *p >= 1.0 && opened.report.leak > 0).map_or_else(String::new, |p| match p {
        1.0 => " ← 1 point is the leak".into(),
        p => format!(" ← {p:.0} points are the leak"),
    });
    // what is remembered must not pass for what is recognised
    let remembered = match opened.report.context.queries_trained_on {
        None | Some(0) => String::new(),
        Some(n) => format!("   ! trained on {n} of these queries"),
    };
    let interval = opened.report.intervals.map(|all| format!(" ({:.2} to {:.2})", all.rank1[0], all.rank1[1]));
    let interval = interval.filter(|_| line.width >= 100).unwrap_or_default();
    let pieces = [
        (format!(" rank-1 {}", share(figures.rank1)), theme.bold()),
        (interval, theme.text()),
        (format!("   rank-5 {}   mAP {}", share(figures.rank5), share(figures.map)), theme.text()),
        (remembered, theme.wrong()),
        (format!("   with same-encounter photos {}{leak}", share(careless)), theme.quiet()),
    ];
    put_all(buf, line, &pieces);
}

/// What there is to say of the evaluation that is open, or of the one chosen.
pub(in crate::tui) fn words(model: &Model) -> (String, Style) {
    let theme = &model.theme;
    match (&model.evaluate.opened, model.evaluate.current()) {
        (Some(opened), _) => {
            let context = &opened.report.context;
            (format!("{} · {} · {}", context.model, context.dataset, context.split), theme.quiet())
        }
        (None, Some(chosen)) => (chosen.reason.clone(), theme.status(chosen.status)),
        (None, None) => (String::new(), theme.text()),
    }
}

/// Where the query browser's panes lie: list, query, matches.
fn browser(area: Rect) -> (Rect, Rect, Rect) {
    let list = Rect { width: QUERIES.min(area.width / 2), ..area };
    let rest = Rect { x: list.right(), width: area.width - list.width, ..area };
    if rest.width < 60 {
        // the query above, its matches below
        let high = rest.height / 2;
        return (list, Rect { height: high, ..rest }, below(rest, high));
    }
    let half = (rest.width * 2 / 5).max(24);
    (list, Rect { width: half, ..rest }, Rect { x: rest.x + half, width: rest.width - half, ..rest })
}

/// Rows at the bottom that the distances take.
fn histogram_rows(area: Rect) -> u16 {
    if area.height >= 18 { 2 } else { 0 }
}

/// The tiles of the matches: the page of them that the match chosen is on, each with its place among the matches and a
/// line of words above its photo.
fn hit_tiles(area: Rect, hits: usize, chosen: usize) -> Vec<(usize, Rect)> {
    let across = (area.width / 22).clamp(1, 4);
    let wide = area.width / across;
    let down = (area.height / 9).clamp(1, 4);
    let high = area.height / down;
    let page = usize::from(across * down);
    let tile = |n: u16| Rect {
        x: area.x + (n % across) * wide,
        y: area.y + (n / across) * high,
        width: wide.saturating_sub(1),
        height: high,
    };
    let from = chosen / page * page;
    (from..hits.min(from + page)).zip((0..).map(tile)).collect()
}

fn queries(model: &Model, opened: &Opened, area: Rect, buf: &mut Buffer) {
    let (theme, state) = (&model.theme, &model.evaluate);
    let bottom = histogram_rows(area);
    let upper = Rect { height: area.height - bottom, ..area };
    let (list, query, hits) = browser(upper);
    let rows = state.queries();
    let all = &opened.retrieval.queries;
    let mistakes = all.iter().filter(|q| is_mistake(q)).count();
    let only = if state.only_mistakes { " (only these)" } else { "" };
    let filter = filter_mark(state.filter());
    let words = format!(" Queries {} · mistakes {mistakes}{only}{filter}", all.len());
    put(buf, list.x, list.y, list.width, &words, theme.accent());
    let inner = below(list, 1);
    for (n, place) in (0..).zip(shown(state.query, rows.len(), inner.height)) {
        query_line(model, opened, &all[rows[place]], place == state.query, row(inner, n), buf);
    }
    if rows.is_empty() {
        put(buf, inner.x + 1, inner.y, inner.width, "no query like that", theme.quiet());
    }
    let Some(ranked) = state.ranked() else { return };
    let place = rule(model, query, buf);
    let who = opened.photo(ranked.query);
    let words = format!("query {} {}", who.individual, opened.when(ranked.query));
    put(buf, place.x, place.y, place.width, &words, theme.bold());
    let place = rule(model, hits, buf);
    for (n, tile) in hit_tiles(place, ranked.nearest.len(), state.hit) {
        let hit = &ranked.nearest[n];
        let verdict = if hit.correct { ("✓", theme.right()) } else { ("✗", theme.wrong()) };
        let chosen = if n == state.hit { theme.accent() } else { theme.text() };
        let pieces = [
            (format!("{}{} ", if n == state.hit { "▸" } else { " " }, hit.rank), chosen),
            (verdict.0.to_owned(), verdict.1),
            (format!(" {} {:.3}", opened.photo(hit.row).individual, hit.distance), chosen),
        ];
        put_all(buf, row(tile, 0), &pieces);
    }
    if bottom > 0 {
        let line = Rect { y: area.bottom() - 2, height: 2, ..area };
        distances(model, opened, state.matched().map(|m| m.distance), line, buf);
    }
}

fn query_line(model: &Model, opened: &Opened, query: &Ranked, is_chosen: bool, line: Rect, buf: &mut Buffer) {
    let theme = &model.theme;
    let style = if is_chosen { theme.chosen(true) } else { theme.text() };
    let inner = Rect { width: line.width.saturating_sub(1), ..line };
    if is_chosen {
        buf.set_style(inner, style);
    }
    let (verdict, colour) = match (query.relevant, is_mistake(query)) {
        (0, _) => ("·", theme.quiet()),
        (_, true) => ("✗", theme.wrong()),
        (_, false) => ("✓", theme.right()),
    };
    put(buf, inner.x + 1, inner.y, 1, verdict, if is_chosen { style } else { colour });
    let who = opened.photo(query.query);
    let words = format!("{} {}", who.individual, opened.when(query.query));
    put(buf, inner.x + 3, inner.y, inner.width.saturating_sub(13), &words, style);
    let rank = query.first_correct.map_or_else(|| "no match".to_owned(), |rank| format!("rank {rank:3}"));
    put_right(buf, inner, &rank, style);
}

/// Distances of pairs of one individual and of two, with the place of one distance below.
fn distances(model: &Model, opened: &Opened, at: Option<f64>, area: Rect, buf: &mut Buffer) {
    let theme = &model.theme;
    let bins = usize::from(area.width.saturating_sub(30) / 2).clamp(8, 60);
    let top = 2.0;
    let same = blocks(&opened.retrieval.same.shares(bins, top));
    let different = blocks(&opened.retrieval.different.shares(bins, top));
    let pieces = [
        (" same ".to_owned(), theme.quiet()),
        (same, theme.right()),
        ("  different ".to_owned(), theme.quiet()),
        (different, theme.wrong()),
        (" 0 to 2".to_owned(), theme.quiet()),
    ];
    put_all(buf, row(area, 0), &pieces);
    if let Some(distance) = at {
        let bin = ((distance / top * bins as f64) as usize).min(bins - 1) as u16;
        for from in [6, 18 + bins as u16] {
            put(buf, area.x + from + bin, area.y + 1, 14, &format!("▲ {distance:.3}"), theme.accent());
        }
    }
}

/// The two halves of the pair view, or the whole for both where they are flipped.
fn pair_places(area: Rect, flipped: bool) -> (Rect, Rect) {
    if flipped {
        return (area, area);
    }
    let half = area.width / 2;
    (Rect { width: half.saturating_sub(1), ..area }, Rect { x: area.x + half, width: area.width - half, ..area })
}

fn pair(model: &Model, opened: &Opened, area: Rect, buf: &mut Buffer) {
    let (theme, state) = (&model.theme, &model.evaluate);
    let (Some(ranked), Some(hit)) = (state.ranked(), state.matched()) else { return };
    let (left, right) = pair_places(area, state.flip.is_some());
    let zoom = if state.window.zoom > 0 { format!(" · {}x", 1u32 << state.window.zoom) } else { String::new() };
    let of = |row: usize| format!("{} {}", opened.photo(row).individual, opened.when(row));
    let query = format!("query {}{zoom}", of(ranked.query));
    let verdict = if hit.correct { ("✓ right", theme.right()) } else { ("✗ wrong", theme.wrong()) };
    let matched: [(String, Style); 3] = [
        (format!("match {} of {}: {}  ", hit.rank, ranked.nearest.len(), of(hit.row)), theme.bold()),
        (verdict.0.to_owned(), verdict.1),
        (format!("  distance {:.3}", hit.distance), theme.text()),
    ];
    if state.flip != Some(true) {
        put(buf, left.x + 1, left.y, left.width, &query, theme.bold());
    }
    if state.flip != Some(false) {
        put_all(buf, Rect { x: right.x + 1, width: right.width.saturating_sub(1), ..row(right, 0) }, &matched);
    }
}

fn report_lines(model: &Model, opened: &Opened, most: u16) -> Vec<(String, Style)> {
    let theme = &model.theme;
    let report = &opened.report;
    let about = format!("{} · {}", report.context.split, report_words::asked(&report.figures));
    let mut lines = vec![(format!("{} on {}", report.context.model, report.context.dataset), theme.bold())];
    lines.extend(wrap(&about, most).into_iter().map(|line| (line, theme.text())));
    lines.push((String::new(), theme.text()));
    lines.push((format!("{:28} rank-1  rank-5 rank-10     mAP  balanced", ""), theme.quiet()));
    for (name, cells) in report_words::table_rows(report) {
        let style = if name == "model" { theme.bold() } else { theme.text() };
        lines.push((format!("{name:27} {}", cells.map(|cell| format!("{cell:>7}")).join(" ")), style));
    }
    let others = report_words::other_figures(report);
    if !others.is_empty() {
        lines.push((String::new(), theme.text()));
        lines.extend(wrap(&others, most).into_iter().map(|line| (line, theme.text())));
    }
    lines.push((String::new(), theme.text()));
    let mut sentences = report_words::remarks(report);
    sentences.extend(report.context.chosen_by.as_ref().map(|c| c.note.clone()));
    lines.extend(sentences.iter().flat_map(|s| wrap(s, most)).map(|line| (line, theme.text())));
    lines.push((String::new(), theme.text()));
    lines.push((format!("{:24} queries  rank-1", "individual"), theme.quiet()));
    for (name, queries, rank1) in &opened.individuals {
        let bar = "█".repeat((rank1 * 20.0).round() as usize);
        let name = crate::tui::widgets::text::fit(name, 24);
        lines.push((format!("{name:24} {queries:7}  {rank1:6.3} {bar}"), theme.text()));
    }
    lines
}

/// Where the report's lines lie, beside its charts or alone.
fn report_text(area: Rect) -> (Rect, bool) {
    let wide = area.width >= 120;
    (if wide { Rect { width: 72, ..area } } else { area }, wide)
}

/// The last line that the report may begin with in `area`, the tab's.
pub(in crate::tui) fn most_scroll(model: &Model, area: Rect) -> usize {
    let Some(opened) = &model.evaluate.opened else { return 0 };
    let (text, _) = report_text(below(area, 1));
    report_lines(model, opened, lines_width(text)).len().saturating_sub(usize::from(text.height))
}

fn lines_width(text: Rect) -> u16 {
    text.width.saturating_sub(3).min(100)
}

fn report(model: &Model, opened: &Opened, area: Rect, buf: &mut Buffer) {
    let (text, wide) = report_text(area);
    if model.evaluate.charts {
        report_charts(model, opened, area, buf);
        return;
    }
    let lines = report_lines(model, opened, lines_width(text));
    let from = model.evaluate.scroll.min(lines.len().saturating_sub(usize::from(text.height)));
    for (n, (line, style)) in (0..text.height).zip(&lines[from..]) {
        put(buf, text.x + 1, text.y + n, text.width.saturating_sub(2), line, *style);
    }
    if wide {
        let right = rule(model, Rect { x: area.x + 72, width: area.width - 72, ..area }, buf);
        report_charts(model, opened, right, buf);
    }
}

/// How many queries are found within the nearest so many, and how far photos of one and of two individuals are.
fn report_charts(model: &Model, opened: &Opened, right: Rect, buf: &mut Buffer) {
    let theme = &model.theme;
    let high = right.height / 2;
    put(buf, right.x, right.y, right.width, "share of queries found within the nearest (CMC)", theme.bold());
    let plot = Rect { y: right.y + 1, height: high.saturating_sub(2), ..right };
    let columns = chart::columns(plot);
    let most = 20usize;
    let asked: Vec<&Ranked> = opened.retrieval.queries.iter().filter(|q| q.relevant > 0).collect();
    let found = |within: usize| {
        let hits = asked.iter().filter(|q| q.first_correct.is_some_and(|rank| rank <= within)).count();
        hits as f32 / asked.len().max(1) as f32
    };
    let point = |v: f32| Bucket { first: v, last: v, least: v, most: v };
    let mut buckets = vec![None; columns];
    for within in 1..=most {
        let at = (within - 1) * (columns.saturating_sub(1)) / (most - 1);
        if let Some(bucket) = buckets.get_mut(at) {
            *bucket = Some(point(found(within)));
        }
    }
    let curve = Curve { buckets, style: theme.series(0), marker: None };
    let axes = Axes {
        x: (1.0, most as f64),
        along: "rank",
        log: false,
        cursor: None,
        quiet: theme.quiet(),
        accent: theme.accent(),
    };
    chart::draw(buf, plot, &[curve], &axes);
    let lower = below(right, high);
    let names = [("distances: ", theme.bold()), ("a same ", theme.right()), ("b different", theme.wrong())];
    put_all(buf, row(lower, 0), &names.map(|(text, style)| (text.to_owned(), style)));
    let plot = below(lower, 1);
    let columns = chart::columns(plot).max(1);
    let histogram = |of: &crate::eval::histogram::Histogram, style: Style, marker: char| Curve {
        // a bin takes two columns of dots, or a small set gives a comb
        buckets: of
            .shares(columns.div_ceil(4), 2.0)
            .iter()
            .flat_map(|&v| [Some(point(v as f32)), None, None, None])
            .take(columns)
            .collect(),
        style,
        marker: Some(marker),
    };
    let curves = [
        histogram(&opened.retrieval.same, theme.right(), 'a'),
        histogram(&opened.retrieval.different, theme.wrong(), 'b'),
    ];
    chart::draw(buf, plot, &curves, &Axes { x: (0.0, 2.0), along: "distance", ..axes });
}

/// The letter of an individual: with its colour it tells them apart, though both come again where there are many.
fn letter(number: usize) -> char {
    char::from(b'a' + (number % 26) as u8)
}

/// Which colour and letter is whose: the one under the cursor first, then as many others as fit.
fn legend(model: &Model, opened: &Opened, chosen: usize, line: Rect, buf: &mut Buffer) {
    let theme = &model.theme;
    let mut x = line.x + 1;
    let mut left = opened.names.len();
    for n in std::iter::once(chosen).chain((0..left).filter(|n| *n != chosen)) {
        let Some(name) = opened.names.get(n) else { continue };
        let words = format!("{} {name}  ", letter(n));
        let style = if n == chosen { theme.series(n).add_modifier(Modifier::BOLD) } else { theme.series(n) };
        // room for what tells how many more there are
        if x + width(&words) + 9 > line.right() && left > 1 {
            put(buf, x, line.y, line.right().saturating_sub(x), &format!("+ {left} more"), theme.quiet());
            return;
        }
        x = put(buf, x, line.y, line.right().saturating_sub(x), &words, style);
        left -= 1;
    }
}

/// Where points and the photo under the cursor lie.
fn scatter_places(area: Rect) -> (Rect, Rect) {
    let side = if area.width >= 90 { area.width * 2 / 5 } else { area.width / 3 };
    (Rect { width: area.width - side, ..area }, Rect { x: area.right() - side, width: side, ..area })
}

fn scatter(model: &Model, opened: &Opened, area: Rect, buf: &mut Buffer) {
    let (theme, state) = (&model.theme, &model.evaluate);
    let (field, side) = scatter_places(area);
    let projected = state.projected(opened);
    let points = &projected.points;
    let range = |axis: usize| {
        let (low, high) = points.iter().fold((f64::MAX, f64::MIN), |(l, h), p| (l.min(p[axis]), h.max(p[axis])));
        (low, (high - low).max(1e-9))
    };
    let ((left, wide), (bottom, high)) = (range(0), range(1));
    let plot = Rect {
        x: field.x + 1,
        y: field.y + 1,
        width: field.width.saturating_sub(2),
        height: field.height.saturating_sub(2),
    };
    let number = |row: usize| opened.numbers.get(row).copied().unwrap_or(0);
    let place = |p: &[f64; 2]| {
        let x = (p[0] - left) / wide * f64::from(plot.width.saturating_sub(1));
        let y = (1.0 - (p[1] - bottom) / high) * f64::from(plot.height.saturating_sub(1));
        (x, y)
    };
    let mut dots = Dots::new(plot);
    let chosen = number(state.point);
    for (row, point) in points.iter().enumerate() {
        let (x, y) = place(point);
        dots.dot((x * 2.0) as usize, (y * 4.0) as usize, number(row));
    }
    dots.put(buf, |owner| theme.series(owner));
    // the individual under the cursor by its letter, the cursor over all
    for (row_of, point) in points.iter().enumerate().filter(|(row, _)| number(*row) == chosen) {
        let (x, y) = place(point);
        let letter = letter(number(row_of)).to_string();
        put(
            buf,
            plot.x + x.round() as u16,
            plot.y + y.round() as u16,
            1,
            &letter,
            theme.series(number(row_of)).add_modifier(Modifier::BOLD),
        );
    }
    if let Some(point) = points.get(state.point) {
        let (x, y) = place(point);
        put(buf, plot.x + x.round() as u16, plot.y + y.round() as u16, 1, "◉", theme.accent());
    }
    let axes = format!(" {} against {}", projected.axes[0], projected.axes[1]);
    // where there is no room, whose share it is goes without saying
    let axes = if width(&axes) > field.width { axes.replace(" of the variance", "") } else { axes };
    put(buf, field.x, field.bottom() - 1, field.width, &axes, theme.quiet());
    legend(model, opened, chosen, row(field, 0), buf);
    let place = rule(model, side, buf);
    if state.point < opened.set.len() {
        let who = opened.photo(state.point);
        let words = format!("{} {} · {}", who.individual, opened.when(state.point), who.role);
        put(buf, place.x, place.y, place.width, &words, theme.bold());
        for (n, &(row_of, distance)) in (0..).zip(state.near()) {
            let y = place.bottom().saturating_sub(5) + n;
            let right = opened.photo(row_of).individual == who.individual;
            let (mark, style) = if right { ("✓", theme.right()) } else { ("✗", theme.wrong()) };
            let words = format!(" {} {} {distance:.3}", opened.photo(row_of).individual, opened.when(row_of));
            let x = put(buf, place.x, y, 1, mark, style);
            put(buf, x, y, place.width, &words, theme.text());
        }
    }
}

/// The photos that the tab shows, each with its place.
pub(in crate::tui) fn photos(model: &Model, area: Rect) -> Vec<(Rect, PictureKey)> {
    let state = &model.evaluate;
    let Some(opened) = &state.opened else { return Vec::new() };
    let body = below(area, 1);
    let key = |place: Rect, row: usize, window: Window| {
        (place, model.picture_key(opened.path(row), (place.width, place.height), window))
    };
    let inset = |place: Rect| Rect { x: place.x + 2, width: place.width.saturating_sub(2), ..place };
    let mut found = Vec::new();
    match state.view {
        _ if state.pair => {
            let (Some(ranked), Some(hit)) = (state.ranked(), state.matched()) else { return found };
            let (left, right) = pair_places(body, state.flip.is_some());
            if state.flip != Some(true) {
                found.push(key(below(left, 1), ranked.query, state.window));
            }
            if state.flip != Some(false) {
                found.push(key(below(right, 1), hit.row, state.window));
            }
        }
        View::Queries => {
            let Some(ranked) = state.ranked() else { return found };
            let upper = Rect { height: body.height - histogram_rows(body), ..body };
            let (_, query, hits) = browser(upper);
            found.push(key(below(inset(query), 1), ranked.query, Window::default()));
            for (n, tile) in hit_tiles(inset(hits), ranked.nearest.len(), state.hit) {
                found.push(key(below(tile, 1), ranked.nearest[n].row, Window::default()));
            }
        }
        View::Scatter if state.point < opened.set.len() => {
            let place = inset(scatter_places(body).1);
            found.push(key(
                Rect { height: place.height.saturating_sub(7), ..below(place, 1) },
                state.point,
                Window::default(),
            ));
        }
        View::Scatter | View::Report => {}
    }
    found.retain(|(place, _)| place.width > 2 && place.height > 0);
    found
}
