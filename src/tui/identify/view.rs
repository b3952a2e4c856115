//! The tab where new photos get their names, as cells: the list of galleries, the encounters, and the new photo beside the
//! known one.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::Style;

use crate::data::counted::counted;
use crate::gallery::decisions::Ruling;
use crate::gallery::identify::{Verdict, sure};
use crate::gallery::session::{Entry, Session};
use crate::tui::identify::act::{DIGITS, SHOWN_ANEW, SHOWN_OF_GROUP};
use crate::tui::identify::standing::{Standing, also_of, later};
use crate::tui::identify::{Identify, ListRow};
use crate::tui::keys::{Action, Place};
use crate::tui::message::PictureKey;
use crate::tui::model::Model;
use crate::tui::popup::Layer;
use crate::tui::theme::Theme;
use crate::tui::view::rule;
use crate::tui::widgets::list::shown;
use crate::tui::widgets::text::{fit, fit_end, fit_middle, put, put_all, put_right, row, width, wrap};

/// Columns of the list of encounters, and those of it that are neither names nor decisions.
const ENCOUNTERS: u16 = 38;
const AROUND: u16 = 5;
/// From these columns on the list stands beside the photos.
const WIDE: u16 = 100;
/// Of as many columns as this the list may take one for the sake of long names, also where the photos could do with it.
const OF_COLUMNS: u16 = 3;
/// Columns of a photo for each row of it at most: one and a half times as wide as high, in cells twice as high as wide.
const OF_A_ROW: u16 = 3;
/// Rows of the tab that the photos do not have beside the list: what stands above and below them.
const NOT_PHOTOS: u16 = 4;
/// From these columns on the distance above a photo is called so.
const WITH_WORDS: u16 = 24;
/// Rows of a line that is typed beside the photos, with what there is to say of it.
const TYPED: u16 = 10;

/// Draws the tab, all but the photos.
pub(in crate::tui) fn draw(model: &Model, area: Rect, buf: &mut Buffer) {
    match &model.identify.session {
        None => galleries(model, area, buf),
        Some(session) => {
            head(model, session, row(area, 0), buf);
            let body = below(area, 1).intersection(room(model, area));
            if session.entries.is_empty() {
                return nothing_yet(model, session, body, buf);
            }
            let (list, photos) = split(&model.identify, area);
            if let Some((list, standing)) = &list {
                encounters(model, standing, below(*list, 1), buf);
            }
            let photos = below(photos, 1);
            let photos = if list.is_some() { rule(model, photos, buf) } else { photos };
            if model.identify.anew { anew_words(model, photos, buf) } else { pair_words(model, photos, buf) }
        }
    }
}

fn below(area: Rect, rows: u16) -> Rect {
    Rect { y: area.y + rows.min(area.height), height: area.height.saturating_sub(rows), ..area }
}

/// Columns of the list where there is room for it: of those that two photos of this height do not need, and of a part of all, as many
/// as its names and decisions take.
fn columns_of_list(standing: &Standing, area: Rect) -> u16 {
    let photos = area.height.saturating_sub(NOT_PHOTOS).saturating_mul(2 * OF_A_ROW);
    let most = area.width.saturating_sub(photos).max(area.width / OF_COLUMNS);
    standing.longest.saturating_add(standing.columns + AROUND).min(most).max(ENCOUNTERS)
}

/// The list with what it says, where there is room for it, and what the photos have.
fn split(state: &Identify, area: Rect) -> (Option<(Rect, Standing)>, Rect) {
    if area.width < WIDE {
        return (None, area);
    }
    let standing = Standing::of(state.entries());
    let columns = columns_of_list(&standing, area);
    let photos = Rect { x: area.x + columns, width: area.width - columns, ..area };
    (Some((Rect { width: columns, ..area }, standing)), photos)
}

/// Where a line is typed that leaves the photos to be seen: over the list, or below where there is none.
pub(in crate::tui) fn beside(state: &Identify, area: Rect) -> Rect {
    let height = TYPED.min(area.height);
    let width = split(state, area).0.map_or(area.width, |(list, _)| list.width);
    Rect { y: area.bottom() - height, height, width, ..area }
}

/// What such a line leaves for the tab.
fn room(model: &Model, area: Rect) -> Rect {
    let is_below = area.width < WIDE && model.layers.iter().any(Layer::is_beside_photos);
    let height = if is_below { area.height.saturating_sub(TYPED) } else { area.height };
    Rect { height, ..area }
}

fn galleries(model: &Model, area: Rect, buf: &mut Buffer) {
    let (theme, state) = (&model.theme, &model.identify);
    let inner = Rect { x: area.x + 1, width: area.width.saturating_sub(2), ..area };
    let Some(all) = &state.galleries else {
        put(buf, inner.x, inner.y + 1, inner.width, "Looking for galleries …", theme.quiet());
        return;
    };
    if all.is_empty() {
        let words = "No gallery yet. A gallery holds the individuals that are known; it is built from a trained model and \
                     the photos that have names: caretta gallery build --model-path RUN --data-dir PHOTOS --gallery PATH. \
                     a opens one that lies elsewhere.";
        for (n, line) in (0..).zip(wrap(words, inner.width)) {
            put(buf, inner.x, inner.y + 1 + n, inner.width, &line, theme.text());
        }
        return;
    }
    put(buf, inner.x, inner.y, inner.width, &format!("Galleries {}", all.len()), theme.accent());
    let rows = state.rows();
    let lines = below(inner, 1);
    for (n, place) in (0..).zip(shown(state.at, rows.len(), lines.height)) {
        let line = row(lines, n);
        let is_chosen = place == state.at;
        if is_chosen {
            buf.set_style(line, theme.chosen(true));
        }
        let style = |usual: Style| if is_chosen { theme.chosen(true) } else { usual };
        let ListRow { gallery, session } = rows[place];
        let of = &all[gallery];
        match session.and_then(|session| of.sessions.get(session)) {
            Some(outline) => {
                let later = match outline.later {
                    0 => String::new(),
                    later => format!(", {later} with new photos"),
                };
                let words = format!("{} of {} decided{later}", outline.decided, outline.encounters);
                let room = line.width.saturating_sub(width(&words) + 6);
                let folder = fit_end(&outline.folder.display().to_string(), room);
                put_all(buf, line, &[(format!("    {folder}  "), style(theme.text())), (words, style(theme.quiet()))]);
            }
            None => {
                let words = match &of.counts {
                    Ok(counts) => format!(
                        "{} · {}{}",
                        counted(counts.individuals, "individual"),
                        counted(counts.photos, "photo"),
                        of.promise
                            .as_ref()
                            .map_or_else(|| " · not calibrated".into(), |promise| format!(" · {promise}"))
                    ),
                    Err(why) => why.clone(),
                };
                let quiet = if of.counts.is_err() { theme.wrong() } else { theme.quiet() };
                put_all(buf, line, &[(format!("{}  ", of.name), style(theme.bold())), (words, style(quiet))]);
            }
        }
    }
}

/// Gallery, folder, and how far it is gone through.
fn head(model: &Model, session: &Session, line: Rect, buf: &mut Buffer) {
    let (theme, state) = (&model.theme, &model.identify);
    let looking = format!("  · looking at photos{} …", state.seen_in_words());
    let (done, new) = state.done();
    let folder = session.folder.file_name().unwrap_or(session.folder.as_os_str()).to_string_lossy();
    let new = if new > 0 { format!(" · {new} new") } else { String::new() };
    let later = state.with_later();
    let later = if later > 0 { format!(" · {later} with new photos") } else { String::new() };
    let empty = match session.empty {
        0 => String::new(),
        n => format!(" · {}", counted(n, "empty folder")),
    };
    let pieces = [
        (format!(" {}  ", fit_middle(&folder, 30)), theme.bold()),
        (format!("{} · {done} done{new}{later}{empty}", counted(session.entries.len(), "encounter")), theme.text()),
        (if state.is_looked_at() { looking } else { String::new() }, theme.accent()),
    ];
    let x = put_all(buf, line, &pieces);
    let promise = session.promise.as_deref().unwrap_or("not calibrated: ranks, and decides nothing");
    // a large gallery may miss somebody
    let searched = session.entries.first().and_then(|entry| entry.proposal.approximate).map_or(String::new(), |how| {
        let recall = how.recall_at_10.map_or_else(|| "unknown".to_owned(), |recall| format!("{recall:.3}"));
        format!(" · searched by codes, recall {recall}")
    });
    let right = format!("gallery {}{searched} · {promise} ", counted(session.counts.individuals, "individual"));
    let rest = Rect { x: x + 1, width: line.right().saturating_sub(x + 1), ..line };
    if rest.width > 12 {
        put_right(buf, rest, &fit(&right, rest.width), theme.quiet());
    }
}

fn nothing_yet(model: &Model, session: &Session, area: Rect, buf: &mut Buffer) {
    let state = &model.identify;
    let words = match (state.is_looked_at(), session.problems.first()) {
        (true, _) => format!("The folder is being read{}; encounters come as they are seen …", state.seen_in_words()),
        (false, Some(problem)) => format!("No photo here can be read: {problem}"),
        (false, None) => "There is no photo here. One that comes is seen by itself; Esc goes back.".to_owned(),
    };
    for (n, line) in (0..area.height).zip(wrap(&words, area.width.saturating_sub(2))) {
        put(buf, area.x + 1, area.y + 1 + n, area.width.saturating_sub(2), &line, model.theme.text());
    }
}

fn style_of(theme: &Theme, entry: &Entry) -> Style {
    match entry.decided.as_ref().map(|decided| &decided.ruling) {
        Some(Ruling::Known(_)) => theme.right(),
        Some(Ruling::New(_)) => theme.accent(),
        Some(Ruling::Skipped) => theme.quiet(),
        None if entry.photos.is_empty() => theme.wrong(),
        None => theme.text(),
    }
}

fn encounters(model: &Model, standing: &Standing, area: Rect, buf: &mut Buffer) {
    let (theme, state) = (&model.theme, &model.identify);
    let entries = state.entries();
    let Standing { lines, head: (words, figure), columns: needed, longest } = standing;
    let columns = |line: Rect| {
        let inner = Rect { x: line.x + 1, width: line.width.saturating_sub(2), ..line };
        let most = (*longest).min(inner.width.saturating_sub(2) / 2);
        // what the words do not take is the name's
        let name = inner.width.saturating_sub(3 + needed).max(most);
        (name, Rect { x: inner.x + 3 + name, width: inner.width.saturating_sub(3 + name), ..inner }, inner)
    };
    let head = row(area, 0);
    let (name, rest, inner) = columns(head);
    put(buf, inner.x + 2, head.y, name, "encounter", theme.quiet());
    put(buf, rest.x, rest.y, rest.width, words, theme.quiet());
    put_right(buf, rest, figure, theme.quiet());
    let area = below(area, 1);
    for (n, place) in (0..).zip(shown(state.encounter, entries.len(), area.height)) {
        let (entry, line) = (&entries[place], row(area, n));
        let is_chosen = place == state.encounter;
        let (name, rest, inner) = columns(line);
        if is_chosen {
            buf.set_style(Rect { width: line.width.saturating_sub(1), ..line }, theme.chosen(true));
        }
        let style = if is_chosen { theme.chosen(true) } else { style_of(theme, entry) };
        let (sign, words, figure) = &lines[place];
        let x = put(buf, inner.x, inner.y, 2, sign, style);
        put(buf, x.max(inner.x + 2), inner.y, name, &fit_middle(&entry.proposal.encounter, name), style);
        put(buf, rest.x, rest.y, rest.width, &fit(words, rest.width.saturating_sub(width(figure) + 1)), style);
        put_right(buf, rest, figure, style);
    }
}

/// Where the two photos lie, a line of words above each; the last two rows are of the nearest.
fn pair_places(area: Rect, flipped: bool) -> (Rect, Rect) {
    let area = Rect { height: area.height.saturating_sub(2), ..area };
    if flipped {
        return (area, area);
    }
    let half = area.width / 2;
    (Rect { width: half.saturating_sub(1), ..area }, Rect { x: area.x + half, width: area.width - half, ..area })
}

fn pair_words(model: &Model, area: Rect, buf: &mut Buffer) {
    let (theme, state) = (&model.theme, &model.identify);
    let Some(entry) = state.entry() else { return };
    let (left, right) = pair_places(area, state.flip.is_some());
    let zoom = if state.window.zoom > 0 { format!(" · {}x", 1u32 << state.window.zoom) } else { String::new() };
    let (at, of) = (state.photo + 1, entry.photos.len());
    let is_later = if entry.later.contains(&state.photo) { ", new" } else { "" };
    let count = if of > 1 { format!(" · photo {at} of {of}{is_later}") } else { String::new() };
    let short = if of > 1 { format!(" · {at}/{of}{is_later}") } else { String::new() };
    let (date, by) = match entry.date {
        None if entry.photos.is_empty() => (String::new(), ""),
        None => (" · undated".to_owned(), ""),
        Some(date) => (format!(" · {date}"), if entry.is_dated_by_folder() { " by its folder" } else { "" }),
    };
    let unread = match entry.unread.len() {
        0 => String::new(),
        n => format!(" · {n} cannot be read"),
    };
    // the name comes first, and what there is room for
    let tails = [
        format!("{date}{by}{count}{zoom}{unread}"),
        format!("{date}{count}{zoom}{unread}"),
        format!("{date}{short}{zoom}{unread}"),
        format!("{short}{zoom}{unread}"),
    ];
    let tail = one_that_fits(tails, left.width.saturating_sub(width(&entry.proposal.encounter) + 1));
    let encounter = fit_middle(&entry.proposal.encounter, left.width.saturating_sub(width(&tail) + 1));
    if state.flip != Some(true) {
        put_all(buf, row(left, 0), &[(encounter, theme.bold()), (tail, theme.text())]);
    }
    if entry.photos.is_empty() {
        let told = entry.unread.iter().map(|(path, why)| format!("{}: {why}", path.display()));
        let told = told.flat_map(|line| wrap(&line, left.width));
        for (n, line) in (2..left.height).zip(told) {
            put(buf, left.x, left.y + n, left.width, &line, theme.wrong());
        }
    }
    if state.flip != Some(false) {
        let place = Rect { x: right.x + 1, width: right.width.saturating_sub(1), ..row(right, 0) };
        put_all(buf, place, &known(theme, state, entry, place.width));
    }
    nearest(theme, state, entry, row(area, area.height.saturating_sub(1)), buf);
    let below = row(area, area.height.saturating_sub(2));
    let also = also_of(entry);
    if let (false, None) = (also.is_empty(), &state.picked) {
        put(buf, below.x, below.y, below.width, &also, theme.wrong());
    } else if state.is_done() {
        let key = |action| model.keymap.shown(action, Place::Encounters);
        let words = format!(
            "All {} decided: {} writes a table, {} takes another folder",
            counted(state.entries().len(), "encounter"),
            key(Action::WriteDecisions),
            key(Action::NewPhotos),
        );
        put(buf, below.x, below.y, below.width, &fit(&words, below.width), theme.accent());
    } else if let (Some(decided), true) = (&entry.decided, state.picked.is_none()) {
        let (keys, later) = (state.namers(), later(entry));
        let adds = if entry.later.len() == 1 { "it" } else { "them" };
        let (words, style) = match (decided.ruling.individual(), later.is_empty()) {
            (Some(name), true) if entry.of_others => {
                (format!("{name} has none of these photos now; {keys} and n name it anew"), theme.accent())
            }
            (Some(name), false) if entry.of_others => {
                (format!("other photos than were decided on: Enter adds {later} to {name}"), theme.accent())
            }
            (Some(name), false) => {
                (format!("{later} since it was decided: Enter adds {adds} to {name}"), theme.accent())
            }
            (Some(_), true) => (format!("decided: {keys} and n name it anew, s takes the name away"), theme.quiet()),
            (None, false) => {
                (format!("{later} since it was skipped: Enter, {keys} and n name it, s skips it again"), theme.accent())
            }
            (None, true) if entry.photos.is_empty() => (String::new(), theme.quiet()),
            (None, true) => (format!("skipped: Enter, {keys} and n still name it"), theme.quiet()),
        };
        put(buf, below.x, below.y, below.width, &fit(&words, below.width), style);
    } else if let (Some(name), None) = (&entry.taken_out, &state.picked) {
        let words = format!("open again: its photos as {name} were taken out of the gallery");
        put(buf, below.x, below.y, below.width, &words, theme.accent());
    }
}

/// The first of `words` that takes at most `room` columns; where none does, the last.
fn one_that_fits<const N: usize>(words: [String; N], room: u16) -> String {
    let fits = words.iter().position(|words| width(words) <= room).unwrap_or(N - 1);
    words.into_iter().nth(fits).unwrap_or_default()
}

/// Who stands on the right and what is known of them, as far as that fits into so many columns.
fn known(theme: &Theme, state: &Identify, entry: &Entry, room: u16) -> Vec<(String, Style)> {
    let Some(name) = state.shown_name() else {
        let words = match (&entry.decided, entry.photos.is_empty()) {
            (Some(_), _) => "skipped",
            (None, true) => "no photo of it can be read: s skips it",
            (None, false) => "nobody is known",
        };
        return vec![(words.to_owned(), theme.quiet())];
    };
    let is_skipped = entry.decided.is_some() && entry.settled().is_none() && state.picked.is_none();
    if is_skipped {
        // nobody is on it by any decision: who stands there is only near
        let later = later(entry);
        let later = if later.is_empty() { later } else { format!(", {later}") };
        return vec![(format!("skipped{later}"), theme.bold()), (format!(" · nearest {name}"), theme.text())];
    }
    let says = match &entry.decided {
        Some(decided) if state.picked.is_some() => match decided.ruling.individual() {
            Some(before) => format!(" · picked, in place of {before}"),
            None => " · picked".to_owned(),
        },
        Some(decided) => match decided.ruling {
            Ruling::New(_) => " · decided: new".to_owned(),
            _ => " · decided".to_owned(),
        },
        None if state.picked.is_some() => " · picked".to_owned(),
        None if !entry.proposal.already.is_empty() => {
            let held = &entry.proposal.already;
            let theirs: Vec<_> = held.iter().filter(|held| held.individual == name).collect();
            let when = theirs.iter().map(|held| held.at.local()).next().unwrap_or_default();
            let day = when.split(' ').next().unwrap_or_default();
            let theirs = theirs.len();
            match (theirs, entry.photos.len()) {
                (some, all) if some < all => format!(" · {some} of {all} photos are theirs since {day}"),
                _ => format!(" · decided already on {day}"),
            }
        }
        None => {
            let probability = entry.proposal.probability.map(sure);
            let of_name = probability.as_ref().map_or_else(String::new, |p| format!(", probability {p}"));
            let of_new = probability.map_or_else(String::new, |p| format!(" · probability of new {p}"));
            match entry.proposal.decision {
                // beside the name, of which it is
                Some(Verdict::Known) => format!("{of_name} · known"),
                Some(Verdict::Look) => format!("{of_name} · look"),
                Some(Verdict::NewIndividual) => match (&entry.proposal.group, state.group().len()) {
                    (Some(group), n) if n > 1 => format!(" · nearest; likely {group}, {n} encounters{of_new}"),
                    (Some(group), _) => format!(" · nearest; likely {group}{of_new}"),
                    (None, _) => format!(" · nearest; likely new{of_new}"),
                },
                None => " · nearest".to_owned(),
            }
        }
    };
    let profile = state.profile.as_ref().filter(|profile| profile.name == name);
    let met = profile.map_or_else(String::new, |profile| {
        let (times, first, last) = &profile.met;
        let year = |day: &Option<String>| day.as_deref().map(|day| day.chars().take(4).collect::<String>());
        let when = match (year(first), year(last)) {
            (Some(first), Some(last)) if first == last => format!(" in {first}"),
            (Some(first), Some(last)) => format!(" {first} to {last}"),
            _ => String::new(),
        };
        let times = counted(*times, "time");
        let words = [format!("   seen{when}, {times}"), format!("   seen {times}"), String::new()];
        one_that_fits(words, room.saturating_sub(width(name) + width(&says)))
    });
    vec![(name.to_owned(), theme.bold()), (says, theme.text()), (met, theme.quiet())]
}

/// The nearest individuals with the digits that take them.
fn nearest(theme: &Theme, state: &Identify, entry: &Entry, line: Rect, buf: &mut Buffer) {
    let mut candidates = Identify::candidates(entry).take(DIGITS).enumerate().peekable();
    if candidates.peek().is_none() {
        return;
    }
    let whose = match (&entry.since, entry.later.len()) {
        (None, _) => "nearest by distance  ",
        (Some(_), 1) => "nearest to the new photo  ",
        (Some(_), _) => "nearest to the new photos  ",
    };
    let mut pieces = vec![(whose.to_owned(), theme.quiet())];
    for (n, (name, at)) in candidates {
        let is_shown = state.shown_name() == Some(name);
        pieces.push((format!("{} ", n + 1), theme.accent()));
        let style = if is_shown { theme.bold() } else { theme.text() };
        let is_own = at.and_then(|at| entry.best().get(at)).is_some_and(|best| Identify::is_own(entry, best));
        let how = match at.and_then(|at| entry.individuals().get(at)).filter(|_| !is_own) {
            None => "·".to_owned(), // a photo of it is among theirs, and maybe none else
            Some(near) => format!("{:.3}", near.distance),
        };
        pieces.push((format!("{name} {how}   "), style));
    }
    put_all(buf, line, &pieces);
}

/// The new photos of an encounter, or of a group of `new` ones one below the other, and the nearest known ones in two rows.
fn anew_places(area: Rect, new: usize, count: usize) -> (Vec<Rect>, Vec<Rect>) {
    let area = Rect { height: area.height.saturating_sub(1), ..area };
    let third = area.width / 3;
    let shown = new.clamp(1, SHOWN_OF_GROUP) as u16;
    let height = area.height / shown;
    let new = |n: u16| Rect { y: area.y + n * height, height, width: third.saturating_sub(1), ..area };
    let new = (0..shown).map(new).collect();
    let rest = Rect { x: area.x + third, width: area.width - third, ..area };
    let (across, down) = (3_u16, 2_u16);
    let (tile_width, tile_height) = (rest.width / across, rest.height / down);
    let tile = |n: usize| Rect {
        x: rest.x + (n as u16 % across) * tile_width,
        y: rest.y + (n as u16 / across) * tile_height,
        width: tile_width.saturating_sub(1),
        height: tile_height,
    };
    (new, (0..count.min(SHOWN_ANEW)).map(tile).collect())
}

fn anew_words(model: &Model, area: Rect, buf: &mut Buffer) {
    let (theme, state) = (&model.theme, &model.identify);
    let Some(entry) = state.entry() else { return };
    let (group, nearest) = (state.group().len(), state.nearest());
    let (new, tiles) = anew_places(area, group, nearest.len());
    for (place, (encounter, _)) in new.iter().zip(new_photos(state, new.len())) {
        put(buf, place.x, place.y, place.width, &fit_middle(encounter, place.width), theme.bold());
    }
    for (n, (tile, (apart, best))) in tiles.iter().zip(nearest).enumerate() {
        let distance = if tile.width < WITH_WORDS { "" } else { "distance " };
        let pieces = [
            (format!("{} ", n + 1), theme.accent()),
            (format!("{} ", best.individual), theme.bold()),
            (format!("{distance}{apart:.3}"), theme.quiet()),
        ];
        put_all(buf, row(*tile, 0), &pieces);
    }
    let words = match (&entry.proposal.group, group) {
        (Some(name), of) if of > 1 => {
            let more = if state.group_photos().len() > new.len() { ", l shows more" } else { "" };
            format!("{name} ({of}): none of these? Enter names all, o only this{more}")
        }
        _ => "None of these? Enter gives it a new name, Esc goes back".into(),
    };
    put(buf, area.x, area.bottom().saturating_sub(1), area.width, &fit(&words, area.width), theme.accent());
}

/// The photos of the group from the one that is looked at on, as many as there is room for.
fn new_photos(state: &Identify, room: usize) -> Vec<(&str, &std::path::PathBuf)> {
    let all = state.group_photos();
    let from = state.photo.min(all.len().saturating_sub(room));
    all.into_iter().skip(from).take(room).collect()
}

/// What there is to say of the row chosen.
pub(in crate::tui) fn words(model: &Model) -> (String, Style) {
    let (theme, state) = (&model.theme, &model.identify);
    let words = match &state.session {
        None => state.current().map_or_else(String::new, |(line, outline)| {
            outline.map_or_else(|| line.folder.display().to_string(), |outline| outline.folder.display().to_string())
        }),
        Some(session) => {
            let Some(entry) = state.entry() else { return (String::new(), theme.quiet()) };
            let below =
                |path: &std::path::Path| path.strip_prefix(&session.folder).unwrap_or(path).display().to_string();
            let unread = entry.unread.iter().map(|(path, why)| format!("cannot be read: {}: {why}", below(path)));
            let photo = entry.photos.get(state.photo).map(|photo| photo.display().to_string());
            // with no photo they stand in its place
            photo.map_or_else(String::new, |photo| std::iter::once(photo).chain(unread).collect::<Vec<_>>().join(" · "))
        }
    };
    (words, theme.quiet())
}

/// The photos that the tab shows, each with its place.
pub(in crate::tui) fn photos(model: &Model, area: Rect) -> Vec<(Rect, PictureKey)> {
    let state = &model.identify;
    let Some(entry) = state.entry() else { return Vec::new() };
    let (list, photos) = split(state, room(model, area));
    let photos = below(photos, 1);
    let photos =
        if list.is_some() { Rect { x: photos.x + 2, width: photos.width.saturating_sub(2), ..photos } } else { photos };
    let mut found = Vec::new();
    let mut put = |place: Rect, path: std::path::PathBuf, window| {
        found.push((place, model.picture_key(path, (place.width, place.height), window)));
    };
    if state.anew {
        let nearest = state.nearest();
        let (new, tiles) = anew_places(photos, state.group().len(), nearest.len());
        for (place, (_, photo)) in new.iter().zip(new_photos(state, new.len())) {
            put(below(*place, 1), photo.clone(), Default::default());
        }
        for (tile, (_, best)) in tiles.iter().zip(nearest) {
            let path = std::path::Path::new(&best.root).join(&best.photo);
            put(below(Rect { height: tile.height.saturating_sub(1), ..*tile }, 1), path, Default::default());
        }
    } else {
        let (left, right) = pair_places(photos, state.flip.is_some());
        if let Some(photo) = entry.photos.get(state.photo).filter(|_| state.flip != Some(true)) {
            put(below(left, 1), photo.clone(), state.window);
        }
        if let Some(path) = state.known_photo().filter(|_| state.flip != Some(false)) {
            put(Rect { x: right.x + 1, width: right.width.saturating_sub(1), ..below(right, 1) }, path, state.window);
        }
    }
    found.retain(|(place, _)| place.width > 2 && place.height > 0);
    found
}
