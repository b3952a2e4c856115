//! Words on the terminal: other people's text made harmless, tables, durations.

use std::io::Write;

/// `text` with every control character but line feed and tab written out, so that no label, file name or log line can
/// move the cursor, change colours or answer for the terminal.
pub(super) fn clean(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        // the second range is C1, which terminals obey too; the third turns the direction of writing around
        let harmful =
            c.is_control() || matches!(c, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
        if harmful && c != '\n' && c != '\t' {
            out.extend(c.escape_unicode());
        } else {
            out.push(c);
        }
    }
    out
}

/// Prints a line on standard output. A reader that has gone is no error of ours.
pub(super) fn print(text: &str) {
    let _ = writeln!(std::io::stdout().lock(), "{text}");
}

/// Prints a line on standard error, cleaned. A terminal that has gone is no error of ours.
pub(super) fn say(text: &str) {
    let _ = writeln!(std::io::stderr().lock(), "{}", clean(text));
}

/// A share from 0 to 1 as the screen shows it; unknown is a dot.
pub(super) fn share(value: Option<f64>) -> String {
    value.map_or_else(|| "·".into(), |v| format!("{v:.3}"))
}

/// A duration in the largest fitting unit.
pub(super) fn duration(seconds: f64) -> String {
    match seconds {
        s if s < 60.0 => format!("{s:.0} s"),
        s if s < 600.0 => format!("{} m {:.0} s", (s.round() / 60.0).floor(), s.round() % 60.0),
        s if s < 3600.0 => format!("{:.0} m", s / 60.0),
        s if s < 86_400.0 => format!("{:.1} h", s / 3600.0),
        s => format!("{:.0} d", s / 86_400.0),
    }
}

/// A table with aligned columns; a column whose cells are numbers aligns to the right.
pub(super) fn table(head: &[&str], rows: &[Vec<String>]) -> String {
    let cell_width = |text: &str| clean(text).chars().count();
    let widths: Vec<usize> = (0..head.len())
        .map(|c| rows.iter().map(|r| cell_width(&r[c])).chain([cell_width(head[c])]).max().unwrap_or(0))
        .collect();
    let numeric = |c: usize| {
        let number = |t: &String| t == "·" || t.starts_with(|x: char| x.is_ascii_digit() || x == '-');
        !rows.is_empty() && rows.iter().all(|r| number(&r[c]))
    };
    let line = |cells: Vec<String>| {
        let padded = cells.iter().enumerate().map(|(c, cell)| {
            let fill = " ".repeat(widths[c].saturating_sub(cell_width(cell)));
            if numeric(c) { format!("{fill}{cell}") } else { format!("{cell}{fill}") }
        });
        padded.collect::<Vec<_>>().join("  ").trim_end().to_owned()
    };
    let mut lines = vec![line(head.iter().map(|&h| h.to_owned()).collect())];
    lines.extend(rows.iter().map(|r| line(r.clone())));
    lines.join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_control_byte_reaches_the_terminal() {
        let hostile = "t001\x1b[2J\x07\u{9b}31m\r\u{202e}gpj.exe\u{7f}";
        let shown = clean(hostile);
        assert!(shown.chars().all(|c| !c.is_control() && c != '\u{202e}'), "{shown:?}");
        assert_eq!(clean("Zoë\n\tŽ 海龟"), "Zoë\n\tŽ 海龟");
    }

    #[test]
    fn tables_align_numbers_to_the_right() {
        let rows = vec![vec!["a".into(), "1.000".into()], vec!["long".into(), "·".into()]];
        assert_eq!(table(&["name", "x"], &rows), "name      x\na     1.000\nlong      ·");
    }
}
