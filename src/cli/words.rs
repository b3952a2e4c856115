//! Words on the terminal: other people's text made harmless, tables, durations.

use std::io::Write;

pub(super) use crate::data::aligned::table;
use crate::data::foreign;
use crate::data::grouped::grouped;
use crate::data::manifest::Problem;
pub(super) use crate::eval::report::words::share;

/// Prints a line on standard output. A reader that has gone is no error of ours; a disk that is full is.
pub(super) fn print(text: &str) -> std::io::Result<()> {
    let mut out = std::io::stdout().lock();
    match writeln!(out, "{text}").and_then(|()| out.flush()) {
        Err(error) if error.kind() != std::io::ErrorKind::BrokenPipe => Err(error),
        _ => Ok(()),
    }
}

/// Prints a line on standard error, cleaned. A terminal that has gone is no error of ours.
pub(super) fn say(text: &str) {
    let _ = writeln!(std::io::stderr().lock(), "{}", foreign::block(text));
}

/// Says which photos and rows were left out or doubted: a line a kind where there are many.
pub(super) fn say_problems(problems: &[Problem]) {
    grouped(problems).iter().for_each(|line| say(line));
}

/// Columns that a sentence takes at most.
const WIDTH: usize = 100;

/// `text` with lines of bearable length, broken between words.
pub(super) fn wrapped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for (number, line) in text.split('\n').enumerate() {
        if number > 0 {
            out.push('\n');
        }
        let mut used = 0;
        for word in line.split(' ') {
            let long = word.chars().count();
            if used > 0 && used + 1 + long > WIDTH {
                out.push('\n');
                used = 0;
            } else if used > 0 {
                out.push(' ');
                used += 1;
            }
            out.push_str(word);
            used += long;
        }
    }
    out
}

/// Bytes as GiB, with a digit.
pub(super) fn gib(bytes: u64) -> String {
    format!("{:.1} GiB", bytes as f64 / f64::from(1 << 30))
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_sentences_are_broken_between_words() {
        let text = format!("{} {}\n{}", "ab ".repeat(60).trim(), "x".repeat(120), "c");
        let broken = wrapped(&text);
        assert_eq!(broken.replace('\n', " "), text.replace('\n', " "));
        assert_eq!(broken.lines().map(str::len).collect::<Vec<_>>(), [98, 80, 120, 1]);
    }
}
