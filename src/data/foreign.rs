//! Other people's text: labels, file names, words in a table, made harmless before a terminal or a log sees them.
//!
//! Such text may hold what moves a cursor, changes colours, forges a line or turns the direction of writing around.
//! Where it is shown, such characters are written out (`\u{1b}`); files of ours hold it as it came.

use std::path::Path;

/// Whether a terminal might obey `c` instead of showing it: control characters (C1 too), ends of lines, and what turns
/// the direction of writing around.
pub fn is_harmful(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{feff}')
}

/// `text` on one line: a name, a cell, a value.
pub fn line(text: &str) -> String {
    written_out(text, |_| false)
}

/// `text` on one line of at most `most` characters: a long one keeps its beginning and its end, where names differ.
pub fn short(text: &str, most: usize) -> String {
    let text = line(text);
    let count = text.chars().count();
    if count <= most {
        return text;
    }
    let end = most / 3;
    let begin: String = text.chars().take(most.saturating_sub(end + 1)).collect();
    let end: String = text.chars().skip(count - end).collect();
    format!("{begin}…{end}")
}

/// Half a sentence of ours with names in it, on one line that can be read to its end.
pub fn sentence(text: &str) -> String {
    short(text, 400)
}

/// `text` that may have several lines and tabs: a message of ours with names in it.
pub fn block(text: &str) -> String {
    written_out(text, |c| matches!(c, '\n' | '\t'))
}

/// A path on one line; bytes that are no UTF-8 show as �.
pub fn path(path: &Path) -> String {
    line(&path.to_string_lossy())
}

/// A path as JSON's text; serde's own way fails on bytes that are no UTF-8.
///
/// # Errors
/// Those of the serializer.
pub fn serialize_path<S: serde::Serializer>(path: &Path, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(&path.display())
}

/// JSON whose strings hold no harmful character any more, and still say the same.
pub fn json(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        if is_harmful(c) && c != '\n' {
            let mut units = [0; 2];
            out.extend(c.encode_utf16(&mut units).iter().map(|unit| format!("\\u{unit:04x}")));
        } else {
            out.push(c);
        }
    }
    out
}

fn written_out(text: &str, allowed: impl Fn(char) -> bool) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        if is_harmful(c) && !allowed(c) {
            out.extend(c.escape_unicode());
        } else {
            out.push(c);
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn no_control_byte_reaches_the_terminal() {
        let hostile = "t001\x1b[2J\x07\u{9b}31m\r\u{202e}gpj.exe\u{7f}\n";
        assert!(!line(hostile).chars().any(is_harmful), "{:?}", line(hostile));
        assert!(line(hostile).ends_with("\\u{7f}\\u{a}"));
        assert_eq!(block("Zoë\n\tŽ 海龟\x1b"), "Zoë\n\tŽ 海龟\\u{1b}");
    }

    #[test]
    fn long_names_keep_both_ends() {
        assert_eq!(short("t001", 4), "t001");
        assert_eq!(short(&format!("a{}z", "x".repeat(10_000)), 9), "axxxx…xxz");
        assert_eq!(short("海龟海龟海龟", 4), "海龟…龟");
        assert_eq!(short("\u{1b}[2J", 9), "\\u{1b}[2J");
    }

    proptest! {
        #[test]
        fn json_says_the_same(text in any::<String>()) {
            let made = serde_json::to_string_pretty(&[&text]).unwrap();
            let shown = json(&made);
            prop_assert!(!shown.chars().any(|c| is_harmful(c) && c != '\n'));
            prop_assert_eq!(serde_json::from_str::<Vec<String>>(&shown).unwrap(), vec![text]);
        }
    }
}
