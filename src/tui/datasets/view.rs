//! The tab with the datasets as cells: the list, the numbers of the one chosen, its individuals, and their photos as a
//! grid with a row an encounter.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;

use crate::data::augment::EFFECTS;
use crate::data::counted::counted;
use crate::data::manifest::Part;
use crate::data::preview::Versions;
use crate::tui::datasets::{Augmented, Pane};
use crate::tui::message::{Look, PictureKey, Scanned, Window};
use crate::tui::model::Model;
use crate::tui::view::rule;
use crate::tui::widgets::list::shown;
use crate::tui::widgets::photo;
use crate::tui::widgets::text::{blocks, filter_mark, fit_end, put, put_all, put_right, row, width};

/// Where the panes lie; those that do not fit are left out.
struct Panes {
    list: Option<Rect>,
    numbers: Option<Rect>,
    individuals: Option<Rect>,
    photos: Option<Rect>,
}

/// Columns of the list of datasets, beside the rest.
const LIST: u16 = 34;
/// Rows of a dataset in the list: its name and split, and below them how many of everything.
const ENTRY: u16 = 2;
/// Columns of the list of individuals.
const INDIVIDUALS: u16 = 34;
/// Rows of the numbers.
const NUMBERS: u16 = 6;
/// Cells of a photo in the grid, its line below included: larger where there is room for several rows of larger ones.
fn tile_of(area: Rect) -> (u16, u16) {
    if area.height >= 32 && area.width >= 90 { (26, 10) } else { (18, 7) }
}

/// Columns of an encounter's date at the left of its photos.
const DATE: u16 = 11;

fn panes(model: &Model, area: Rect) -> Panes {
    let none = Panes { list: None, numbers: None, individuals: None, photos: None };
    let pane = model.datasets.pane;
    let below = |area: Rect, top: u16| Rect {
        y: area.y + top.min(area.height),
        height: area.height.saturating_sub(top),
        ..area
    };
    if model.datasets.whole {
        return Panes { photos: Some(area), ..none };
    }
    if area.width >= 110 {
        let right = Rect { x: area.x + LIST, width: area.width - LIST, ..area };
        let lower = below(right, NUMBERS);
        return Panes {
            list: Some(Rect { width: LIST, ..area }),
            numbers: Some(Rect { height: NUMBERS, ..right }),
            individuals: Some(Rect { width: INDIVIDUALS, ..lower }),
            photos: Some(Rect { x: lower.x + INDIVIDUALS, width: lower.width - INDIVIDUALS, ..lower }),
        };
    }
    // one below the other, and the photos for themselves
    match pane {
        Pane::List => {
            let high = (area.height - NUMBERS).min(area.height / 2);
            let numbers = below(area, high);
            Panes { list: Some(Rect { height: high, ..area }), numbers: Some(numbers), ..none }
        }
        Pane::Individuals | Pane::Photos => {
            let individuals = Rect { width: INDIVIDUALS.min(area.width / 2), ..area };
            let photos = Rect { x: individuals.right(), width: area.width - individuals.width, ..area };
            Panes { individuals: Some(individuals), photos: Some(photos), ..none }
        }
    }
}

/// Draws the tab, all but the photos.
pub(in crate::tui) fn draw(model: &Model, area: Rect, buf: &mut Buffer) {
    let theme = &model.theme;
    let panes = panes(model, area);
    if let Some(place) = panes.list {
        list(model, place, buf);
    }
    let inset = |place: Rect, buf: &mut Buffer| if place.x > area.x { rule(model, place, buf) } else { place };
    let scanned = match model.datasets.scan() {
        Some(Ok(scanned)) => scanned.clone(),
        other => {
            if let Some(place) = panes.numbers.or(panes.individuals) {
                let place = inset(place, buf);
                let (words, style) = match (other, model.datasets.current()) {
                    (Some(Err(why)), _) => (why.clone(), theme.wrong()),
                    (_, Some(dataset)) => (format!("Reading {} …", dataset.name), theme.quiet()),
                    (_, None) => ("No datasets yet: a adds one, s draws one.".to_owned(), theme.text()),
                };
                for (n, line) in (0..place.height).zip(crate::tui::widgets::text::wrap(&words, place.width)) {
                    put(buf, place.x, place.y + n, place.width, &line, style);
                }
            }
            return;
        }
    };
    if let Some(place) = panes.numbers {
        let place = inset(place, buf);
        numbers(model, &scanned, place, buf);
    }
    if let Some(place) = panes.individuals {
        let place = inset(place, buf);
        individuals(model, &scanned, place, buf);
    }
    if let Some(place) = panes.photos {
        if model.datasets.whole {
            whole_words(model, &scanned, row(place, place.height - 1), buf);
            if let Some(how) = model.datasets.augmented {
                let above = Rect { height: place.height - 1, ..place };
                for (n, tile) in versions(how, above) {
                    let words = match (n, Versions::alone(n)) {
                        (0, _) => "as an evaluation sees it".to_owned(),
                        (_, Some(effect)) => effect.name.replace('_', " "),
                        _ => format!("version {n}"),
                    };
                    put(buf, tile.x, tile.bottom(), tile.width, &words, theme.quiet());
                }
            }
        } else {
            let place = inset(place, buf);
            grid_words(model, &scanned, place, buf);
        }
    }
}

fn list(model: &Model, area: Rect, buf: &mut Buffer) {
    let theme = &model.theme;
    let state = &model.datasets;
    let known = state.known.as_deref().unwrap_or_default();
    let focused = state.pane == Pane::List;
    let head = format!(" Datasets {}", known.len());
    put(buf, area.x, area.y, area.width, &head, if focused { theme.accent() } else { theme.quiet() });
    let rows = Rect { y: area.y + 1, height: area.height.saturating_sub(1), ..area };
    let current = state.current().map(|d| d.name.clone());
    let at = known.iter().position(|d| Some(&d.name) == current.as_ref()).unwrap_or(0);
    for (n, place) in (0..).zip(shown(at, known.len(), rows.height / ENTRY)) {
        let dataset = &known[place];
        let (chosen, quiet) = match place == at {
            true => (theme.chosen(focused), theme.chosen(focused)),
            false => (theme.text(), theme.quiet()),
        };
        let entry = Rect { width: area.width.saturating_sub(2), height: ENTRY, ..row(rows, n * ENTRY) };
        if place == at {
            buf.set_style(entry, chosen);
        }
        let (split, counts) = match state.scanned.get(&dataset.name) {
            Some(Ok(scanned)) => {
                let counts = scanned.overview.counts;
                let counts = [(counts.individuals, "ind."), (counts.photos, "ph."), (counts.encounters, "enc.")];
                (scanned.overview.split.name.as_str(), counts.map(|(n, unit)| format!("{n} {unit}")).join(" · "))
            }
            Some(Err(_)) => ("", "✗ cannot be read".to_owned()),
            None => ("", "·".to_owned()),
        };
        let inner = Rect { x: entry.x + 1, width: entry.width.saturating_sub(2), ..entry };
        let name = width(&dataset.name).min(inner.width);
        put(buf, inner.x, inner.y, inner.width, &dataset.name, chosen);
        put_right(buf, Rect { x: inner.x + name, width: inner.width - name, height: 1, ..inner }, &lead(split), quiet);
        put(buf, inner.x + 1, inner.y + 1, inner.width.saturating_sub(1), &counts, quiet);
    }
}

/// A word with space before it, so that one cut short does not touch what is at its left.
fn lead(word: &str) -> String {
    if word.is_empty() { String::new() } else { format!("  {word}") }
}

fn numbers(model: &Model, scanned: &Scanned, area: Rect, buf: &mut Buffer) {
    let (theme, o) = (&model.theme, &scanned.overview);
    let counts = o.counts;
    let years = match o.days {
        Some((first, last)) if first.year() == last.year() => format!(" · {}", first.year()),
        Some((first, last)) => format!(" · {} to {}", first.year(), last.year()),
        None => " · undated".to_owned(),
    };
    let size = format!(
        "{} · {} · {}{years}",
        counted(counts.individuals, "individual"),
        counted(counts.photos, "photo"),
        counted(counts.encounters, "encounter")
    );
    let x = put_all(buf, row(area, 0), &[(format!("{}  ", o.name), theme.bold()), (size, theme.text())]);
    let left = area.right().saturating_sub(x + 2);
    if left > 12 {
        put_right(buf, row(area, 0), &fit_end(&o.root.display().to_string(), left), theme.quiet());
    }
    let wide = area.width >= 100;
    let half = if wide { area.width / 2 } else { area.width };
    let bins = usize::from(half.saturating_sub(24)).clamp(8, 24);
    let label = |buf: &mut Buffer, line: Rect, label: &str, words: &str| {
        put_all(buf, line, &[(format!("{label:22} "), theme.quiet()), (words.to_owned(), theme.text())]);
    };
    let histogram = o.photos_per_individual(bins);
    let shares: Vec<f64> = histogram.iter().map(|(_, n)| *n as f64).collect();
    let most = histogram.last().map_or(0, |(to, _)| *to);
    let left_half = |n: u16| Rect { width: half, ..row(area, n) };
    label(buf, left_half(1), "photos per individual", &format!("1 {} {most}", blocks(&shares)));
    let per_year: Vec<f64> = o.encounters_per_year.iter().rev().take(bins).rev().map(|(_, n)| *n as f64).collect();
    label(buf, left_half(2), "encounters per year", &blocks(&per_year));
    let split = &o.split;
    let parts = format!("train {} · valid {} · test {}", split.train, split.valid, split.test);
    let leak = match split.query_part {
        Some(_) if split.unknown == split.queries && split.queries > 0 => "unknown: the photos are undated".to_owned(),
        Some(_) => {
            let undated = if split.unknown > 0 { format!(", {} undated", split.unknown) } else { String::new() };
            let part = split.query_part.map_or("", Part::word);
            format!("{} of {} queries ({part}) have a photo of their encounter{undated}", split.leak, split.queries)
        }
        None => "no part to ask about".to_owned(),
    };
    let kinds: usize = o.problem_kinds.values().sum();
    let single = if o.single_encounter > 0 {
        format!(" · {} with one encounter", counted(o.single_encounter, "individual"))
    } else {
        String::new()
    };
    let problems = format!("{kinds}{single}{}", if kinds > 0 { " · ! lists them" } else { "" });
    if wide {
        let right = |n: u16| Rect { x: area.x + half, width: area.width - half, ..row(area, n) };
        let pieces = |label: &str, words: String| [(format!("{label}  "), theme.quiet()), (words, theme.text())];
        put_all(buf, right(1), &pieces(&split.name, parts));
        put_all(buf, right(2), &pieces("leak", leak));
        label(buf, row(area, 3), "problems", &problems);
    } else {
        label(buf, row(area, 3), &split.name, &parts);
        label(buf, row(area, 4), "leak", &leak);
        label(buf, row(area, 5), "problems", &problems);
    }
}

fn individuals(model: &Model, scanned: &Scanned, area: Rect, buf: &mut Buffer) {
    let (theme, state) = (&model.theme, &model.datasets);
    let rows = state.individuals();
    let focused = state.pane == Pane::Individuals;
    let head = format!("individual{}", filter_mark(&state.filter));
    let head_style = if focused { theme.accent() } else { theme.quiet() };
    put(buf, area.x, area.y, area.width, &head, head_style);
    put_right(buf, Rect { width: area.width.saturating_sub(2), ..row(area, 0) }, "photos  enc.", theme.quiet());
    let list = Rect { y: area.y + 1, height: area.height.saturating_sub(1), ..area };
    for (n, place) in (0..).zip(shown(state.individual, rows.len(), list.height)) {
        let (who, line) = (&scanned.overview.individuals_seen[rows[place]], row(list, n));
        let inner = Rect { width: area.width.saturating_sub(1), ..line };
        let is_chosen = place == state.individual;
        let style = if is_chosen { theme.chosen(focused) } else { theme.text() };
        if is_chosen {
            buf.set_style(inner, style);
        }
        put(buf, inner.x, inner.y, inner.width.saturating_sub(14), &who.name, style);
        let words = format!("{:6} {:5} ", who.photos, who.encounters);
        put_right(buf, inner, &words, style);
    }
    if rows.is_empty() {
        put(buf, list.x, list.y, list.width, "nobody of that name", theme.quiet());
    }
}

/// A row of the grid: its photos (places among the individual's), and whether an encounter begins with it.
fn grid_rows(model: &Model, scanned: &Scanned, across: usize) -> Vec<(Vec<usize>, bool)> {
    let photos = model.datasets.photos();
    let encounter = |place: usize| scanned.manifest.photos[photos[place]].encounter.as_str();
    let mut rows: Vec<(Vec<usize>, bool)> = Vec::new();
    for place in 0..photos.len() {
        let begins = place == 0 || encounter(place) != encounter(place - 1);
        match rows.last_mut() {
            Some((row, _)) if !begins && row.len() < across => row.push(place),
            _ => rows.push((vec![place], begins)),
        }
    }
    rows
}

/// The tiles of the grid that are seen: place among the individual's photos, where, and whether an encounter begins.
fn tiles(model: &Model, scanned: &Scanned, area: Rect) -> Vec<(usize, Rect, bool)> {
    let (wide, high) = tile_of(area);
    let across = usize::from(area.width.saturating_sub(DATE) / (wide + 1)).max(1);
    let rows = grid_rows(model, scanned, across);
    let at = rows.iter().position(|(row, _)| row.contains(&model.datasets.photo)).unwrap_or(0);
    let down = (area.height.saturating_sub(1) / high).max(1);
    let mut found = Vec::new();
    for (n, row) in (0..).zip(shown(at, rows.len(), down)) {
        let (photos, begins) = &rows[row];
        for (column, &place) in (0..).zip(photos) {
            let x = area.x + DATE + column * (wide + 1);
            let tile = Rect { x, y: area.y + 1 + n * high, width: wide, height: high - 1 };
            found.push((place, tile.intersection(area), *begins && column == 0));
        }
    }
    found
}

fn grid_words(model: &Model, scanned: &Scanned, area: Rect, buf: &mut Buffer) {
    let (theme, state) = (&model.theme, &model.datasets);
    let photos = state.photos();
    let focused = state.pane == Pane::Photos;
    let Some(name) = state.individual() else { return };
    let head = format!("{name} ▸ {}", counted(photos.len(), "photo"));
    put(buf, area.x, area.y, area.width, &head, if focused { theme.accent() } else { theme.quiet() });
    for (place, tile, begins) in tiles(model, scanned, area) {
        let photo = &scanned.manifest.photos[photos[place]];
        if begins {
            let when = photo.date.map_or_else(|| "undated".to_owned(), |d| d.to_string());
            put(buf, area.x, tile.y, DATE - 1, &when, theme.quiet());
        }
        if place == state.photo {
            let mark = "▔".repeat(usize::from(tile.width));
            let style = if focused { theme.accent() } else { theme.quiet() };
            put(buf, tile.x, tile.y + tile.height, tile.width, &mark, style);
        }
    }
}

fn whole_words(model: &Model, scanned: &Scanned, line: Rect, buf: &mut Buffer) {
    let theme = &model.theme;
    let photos = model.datasets.photos();
    let Some(&index) = photos.get(model.datasets.photo) else { return };
    let photo = &scanned.manifest.photos[index];
    let part = scanned.split.parts[index].map_or("no part", |part| part.word());
    let when = photo.date.map_or_else(|| "undated".to_owned(), |d| d.to_string());
    if let Some(framing) = model.datasets.framing {
        let crop = framing.crop().map(|crop| crop.to_string()).unwrap_or_default();
        let words = format!(" crop {crop} · arrows move it, H J K L + - size it");
        put(buf, line.x, line.y, line.width, &words, theme.text());
        return;
    }
    let crop = match scanned.crop(index) {
        Some((crop, false)) => format!(" · crop {crop}"),
        Some((_, true)) => " · a network looks in the box: b to change or keep it".to_owned(),
        None => String::new(),
    };
    if let Some(how) = model.datasets.augmented {
        let words = match how {
            Augmented::Versions => {
                " the photo as an evaluation sees it, and as a training does, by the values of the preset · A each alone"
            }
            Augmented::Each => {
                " the photo by each augmentation alone; those that the preset has off, at half of what they can be"
            }
        };
        put(buf, line.x, line.y, line.width, words, theme.text());
        return;
    }
    let words = format!(
        " {} of {} · {} · {when} · encounter {} · {part}{crop} · {}",
        model.datasets.photo + 1,
        photos.len(),
        photo.individual,
        photo.encounter,
        photo.path.display()
    );
    put(buf, line.x, line.y, line.width, &words, theme.text());
}

/// The versions of an augmented photo by their numbers, and where they lie: as many as fit, all alike, with a column
/// between and a line below each. Each augmentation alone has its place, as long as a picture is one.
fn versions(how: Augmented, area: Rect) -> Vec<(u8, Rect)> {
    const HEIGHTS: std::ops::RangeInclusive<u16> = 4..=15;
    let fit = |high: u16| {
        let (wide, high) = ((2 * high).min(area.width), high.min(area.height.saturating_sub(1)));
        (wide, high, (area.width / (wide + 1)).max(1), (area.height / (high + 1)).max(1))
    };
    let wanted = if how == Augmented::Each { 1 + EFFECTS.len() as u16 } else { 1 };
    let enough = |&(_, _, across, down): &(u16, u16, u16, u16)| across * down >= wanted;
    let (wide, high, across, down) = HEIGHTS.rev().map(fit).find(enough).unwrap_or_else(|| fit(*HEIGHTS.start()));
    let tile = |n: u16| {
        let (column, row) = (n % across, n / across);
        Rect { x: area.x + column * (wide + 1), y: area.y + row * (high + 1), width: wide, height: high }
    };
    let tiles = (0..across * down).map(tile);
    match how {
        Augmented::Versions => (0..Versions::ALONE).zip(tiles).collect(),
        Augmented::Each => std::iter::once(0).chain((Versions::ALONE..).take(EFFECTS.len())).zip(tiles).collect(),
    }
}

/// Draws what lies over the photos: the box on the whole one.
pub(in crate::tui) fn over_photos(model: &Model, area: Rect, buf: &mut Buffer) {
    let Some(framing) = model.datasets.framing else { return };
    let Some((place, key)) = photos(model, area).pop() else { return };
    let Some(Ok(picture)) = model.pictures.get(&key) else { return };
    let cells = photo::covered(place, picture.pixels.dimensions(), key.pixels);
    let [left, top, width, height] = framing.shares();
    let at = |begin: u16, side: u16, share: f64| begin + (f64::from(side.saturating_sub(1)) * share).round() as u16;
    let (x0, x1) = (at(cells.x, cells.width, left), at(cells.x, cells.width, left + width));
    let (y0, y1) = (at(cells.y, cells.height, top), at(cells.y, cells.height, top + height));
    let style = model.theme.accent();
    for x in x0..=x1 {
        for y in y0..=y1 {
            let symbol = match (x == x0, x == x1, y == y0, y == y1) {
                (true, _, true, _) => "┏",
                (_, true, true, _) => "┓",
                (true, _, _, true) => "┗",
                (_, true, _, true) => "┛",
                (_, _, true, _) | (_, _, _, true) => "━",
                (true, ..) | (_, true, ..) => "┃",
                _ => continue,
            };
            // the photo goes on behind the line
            buf[(x, y)].set_symbol(symbol);
            if let Some(colour) = style.fg {
                buf[(x, y)].set_fg(colour);
            }
        }
    }
}

/// The photos that the tab shows, each with its place.
pub(in crate::tui) fn photos(model: &Model, area: Rect) -> Vec<(Rect, PictureKey)> {
    let Some(Ok(scanned)) = model.datasets.scan() else { return Vec::new() };
    let all = model.datasets.photos();
    let key = |place: usize, area: Rect, window: Window, look: Look| {
        let path = scanned.manifest.full_path(all[place]);
        (area, PictureKey { look, ..model.picture_key(path, (area.width, area.height), window) })
    };
    let crop = |place: usize| scanned.manifest.photos[all[place]].crop;
    if model.datasets.whole {
        if all.get(model.datasets.photo).is_none() {
            return Vec::new();
        }
        let place = Rect { height: area.height.saturating_sub(1), ..area };
        let at = model.datasets.photo;
        if let Some(how) = model.datasets.augmented {
            let versions = versions(how, place).into_iter();
            return versions.map(|(n, tile)| key(at, tile, Window::default(), Look::Augmented(crop(at), n))).collect();
        }
        let look = match (model.datasets.framing, scanned.crop(all[at])) {
            (None, Some((crop, _))) => Look::Framed(crop),
            _ => Look::File,
        };
        return vec![key(at, place, model.datasets.window, look)];
    }
    let Some(place) = panes(model, area).photos else { return Vec::new() };
    let inset =
        if place.x > area.x { Rect { x: place.x + 2, width: place.width.saturating_sub(2), ..place } } else { place };
    let seen = tiles(model, scanned, inset).into_iter().filter(|(_, tile, _)| tile.width > 3 && tile.height > 1);
    seen.map(|(place, tile, _)| key(place, tile, Window::default(), crop(place).map_or(Look::File, Look::Crop)))
        .collect()
}
