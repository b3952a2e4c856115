//! Text in cells: cut with an ellipsis, made harmless, and numbers and times the way every screen shows them.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::Style;
use ratatui::text::Span;

use crate::data::foreign;
pub(in crate::tui) use crate::eval::report::words::share;
use crate::run::stamp::Stamp;

/// Columns that `text` takes.
pub(in crate::tui) fn width(text: &str) -> u16 {
    u16::try_from(Span::raw(text).width()).unwrap_or(u16::MAX)
}

/// `text` in at most `most` columns, its end replaced by `…` where it is longer.
pub(in crate::tui) fn fit(text: &str, most: u16) -> String {
    let text = foreign::line(text);
    if width(&text) <= most {
        return text;
    }
    if most == 0 {
        return String::new();
    }
    let mut cut = String::new();
    let mut used = 0;
    for c in text.chars() {
        let wide = width(c.encode_utf8(&mut [0; 4]));
        if used + wide > most - 1 {
            break;
        }
        used += wide;
        cut.push(c);
    }
    cut.push('…');
    cut
}

/// As [`fit`], keeping both ends: for names that differ at their end.
pub(in crate::tui) fn fit_middle(text: &str, most: u16) -> String {
    let text = foreign::line(text);
    if width(&text) <= most {
        return text;
    }
    let end = fit_end(&text, most / 2 + 1);
    let begin = fit(&text, most + 1 - width(&end));
    format!("{}{end}", begin.trim_end_matches('…'))
}

/// As [`fit`], keeping the end: for paths.
pub(in crate::tui) fn fit_end(text: &str, most: u16) -> String {
    let text = foreign::line(text);
    if width(&text) <= most {
        return text;
    }
    let mut kept: Vec<char> = Vec::new();
    let mut used = 1;
    for c in text.chars().rev() {
        let wide = width(c.encode_utf8(&mut [0; 4]));
        if used + wide > most {
            break;
        }
        used += wide;
        kept.push(c);
    }
    if most == 0 { String::new() } else { std::iter::once('…').chain(kept.into_iter().rev()).collect() }
}

/// Writes `text` at (`x`, `y`) in at most `most` columns; the column after it.
pub(in crate::tui) fn put(buf: &mut Buffer, x: u16, y: u16, most: u16, text: &str, style: Style) -> u16 {
    let area = buf.area;
    if y < area.y || y >= area.bottom() || x >= area.right() {
        return x;
    }
    let most = most.min(area.right() - x);
    buf.set_stringn(x, y, fit(text, most), usize::from(most), style).0
}

/// Writes pieces one after another into one row of `row`; the column after them.
pub(in crate::tui) fn put_all(buf: &mut Buffer, row: Rect, pieces: &[(String, Style)]) -> u16 {
    let mut x = row.x;
    for (text, style) in pieces {
        if x >= row.right() {
            break;
        }
        x = put(buf, x, row.y, row.right() - x, text, *style);
    }
    x
}

/// Writes `text` so that it ends at the right end of `row`.
pub(in crate::tui) fn put_right(buf: &mut Buffer, row: Rect, text: &str, style: Style) {
    let text = fit(text, row.width);
    let from = row.right() - width(&text).min(row.width);
    put(buf, from, row.y, row.width, &text, style);
}

/// Row `n` of an area; empty below its end.
pub(in crate::tui) fn row(area: Rect, n: u16) -> Rect {
    if n < area.height { Rect { y: area.y + n, height: 1, ..area } } else { Rect { height: 0, width: 0, ..area } }
}

/// `text` in lines of at most `most` columns, broken at blanks.
pub(in crate::tui) fn wrap(text: &str, most: u16) -> Vec<String> {
    let mut lines = Vec::new();
    for paragraph in text.lines() {
        let mut line = String::new();
        for word in paragraph.split(' ') {
            let joined = if line.is_empty() { word.to_owned() } else { format!("{line} {word}") };
            if width(&joined) <= most || line.is_empty() {
                line = joined;
            } else {
                lines.push(std::mem::replace(&mut line, word.to_owned()));
            }
        }
        lines.push(line);
    }
    lines
}

/// Four telling digits, whatever the size.
pub(in crate::tui) fn number(value: f64) -> String {
    let size = value.abs();
    match size {
        _ if !value.is_finite() => "nan".into(),
        0.0 => "0".into(),
        s if !(0.001..1e6).contains(&s) => format!("{value:.1e}"),
        s if s < 10.0 => format!("{value:.3}"),
        s if s < 100.0 => format!("{value:.1}"),
        _ => format!("{value:.0}"),
    }
}

/// A time that has passed or is to come, to the minute: a screen that shows seconds never rests.
pub(in crate::tui) fn time(seconds: f64) -> String {
    match seconds {
        s if s < 60.0 => "<1 m".into(),
        s if s < 5400.0 => format!("{:.0} m", (s / 60.0).floor()),
        s if s < 172_800.0 => format!("{:.0} h", (s / 3600.0).round()),
        s => format!("{:.0} d", (s / 86_400.0).round()),
    }
}

/// A moment as the clock on the wall shows it.
pub(in crate::tui) fn clock(seconds: f64) -> String {
    let local = Stamp::from_millis((seconds * 1000.0) as i64).local();
    local.split(' ').next_back().unwrap_or_default().to_owned()
}

/// How a head tells that a filter leaves rows out.
pub(in crate::tui) fn filter_mark(filter: &str) -> String {
    if filter.is_empty() { String::new() } else { format!(" /{filter}") }
}

/// Bytes in the largest fitting unit.
pub(in crate::tui) fn bytes(count: u64) -> String {
    let count = count as f64;
    match count {
        c if c < 1e3 => format!("{c:.0} B"),
        c if c < 1e6 => format!("{:.0} kB", c / 1e3),
        c if c < 1e9 => format!("{:.1} MB", c / 1e6),
        c => format!("{:.1} GB", c / 1e9),
    }
}

/// Values as a row of blocks, the largest full; a value above 0 shows at least the lowest block.
pub(in crate::tui) fn blocks(values: &[f64]) -> String {
    const BLOCKS: [char; 8] = ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];
    let most = values.iter().copied().filter(|v| v.is_finite()).fold(0.0, f64::max);
    let block = |value: &f64| match (*value, most) {
        (v, m) if !(v > 0.0 && m > 0.0) => ' ',
        (v, m) => BLOCKS[((v / m * 8.0).ceil() as usize).clamp(1, 8) - 1],
    };
    values.iter().map(block).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_is_cut_and_made_harmless() {
        assert_eq!(fit("turtles", 7), "turtles");
        assert_eq!(fit("turtles", 4), "tur…");
        assert_eq!(fit("海亀海亀", 5), "海亀…");
        assert_eq!(fit("a\u{1b}[2J", 20), "a\\u{1b}[2J");
        assert_eq!(fit_end("/data/photos/turtles", 8), "…turtles");
        assert_eq!(fit_middle("arcface-2026-11-27-1", 11), "arcfa…-27-1");
        assert_eq!((fit_middle("海亀海亀", 5).as_str(), fit_middle("turtle", 1).as_str()), ("海…亀", "…"));
        assert_eq!(fit("x", 0), "");
    }

    #[test]
    fn lines_break_at_blanks() {
        assert_eq!(wrap("one two three\nfour", 8), ["one two", "three", "four"]);
    }

    #[test]
    fn numbers_and_times_are_short() {
        assert_eq!((share(Some(0.3041)).as_str(), share(None).as_str()), ("0.304", "·"));
        assert_eq!(number(7.1e-4), "7.1e-4");
        assert_eq!(number(f64::NAN), "nan");
        assert_eq!(
            (time(30.0), time(240.0), time(7200.0), time(3e5)),
            ("<1 m".into(), "4 m".into(), "2 h".into(), "3 d".into())
        );
        assert_eq!(blocks(&[0.0, 1.0, 8.0]), " ▁█");
    }
}
