//! What a terminal answers to the question of [`super::probe`], told apart from what a person types meanwhile.
//!
//! Answers may come whole, in pieces, late or never; a byte of one must never reach the screen as a key.

use std::time::{Duration, Instant};

use crossterm::event::{KeyCode, KeyEvent, KeyModifiers};

/// What the answers said so far.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(in crate::tui) struct Answers {
    /// kitty's protocol is understood.
    pub(in crate::tui) kitty: bool,
    /// What the terminal calls itself.
    pub(in crate::tui) name: String,
    /// Sixels are understood.
    pub(in crate::tui) sixel: bool,
    /// Pixels of a cell: width and height.
    pub(in crate::tui) cell: Option<(u16, u16)>,
    /// The last answer, which every terminal gives, has come.
    pub(in crate::tui) complete: bool,
}

/// Takes bytes apart.
#[derive(Debug, Default)]
pub(in crate::tui) struct Reader {
    /// What was answered.
    pub(in crate::tui) answers: Answers,
    /// A sequence whose end has not come.
    begun: Vec<u8>,
}

/// No answer is longer; what is was never one.
const LONGEST: usize = 512;

impl Reader {
    /// Takes `bytes`; what of them a person typed.
    pub(in crate::tui) fn take(&mut self, bytes: &[u8]) -> Vec<KeyEvent> {
        let mut keys = Vec::new();
        for &byte in bytes {
            if self.begun.is_empty() && byte != 0x1b {
                keys.extend(plain(byte));
                continue;
            }
            self.begun.push(byte);
            if is_whole(&self.begun) || self.begun.len() > LONGEST {
                let sequence = std::mem::take(&mut self.begun);
                keys.extend(self.sequence(&sequence));
            }
        }
        keys
    }

    /// The bytes of a sequence that has not ended.
    pub(in crate::tui) fn rest(&self) -> &[u8] {
        &self.begun
    }

    fn sequence(&mut self, sequence: &[u8]) -> Option<KeyEvent> {
        let text = String::from_utf8_lossy(sequence);
        let body = text.trim_start_matches('\x1b').trim_end_matches("\x1b\\").trim_end_matches('\x07');
        if let Some(answer) = body.strip_prefix("_G") {
            self.answers.kitty |= answer.ends_with(";OK");
        } else if let Some(name) = body.strip_prefix("P>|") {
            self.answers.name = name.to_owned();
        } else if let Some(attributes) = body.strip_prefix("[?").and_then(|b| b.strip_suffix('c')) {
            self.answers.sixel = attributes.split(';').skip(1).any(|attribute| attribute == "4");
            self.answers.complete = true;
        } else if let Some(size) = body.strip_prefix("[6;").and_then(|b| b.strip_suffix('t')) {
            let mut sides = size.split(';').map(|n| n.parse::<u16>().ok().filter(|n| (1..=400).contains(n)));
            if let (Some(Some(high)), Some(Some(wide))) = (sides.next(), sides.next()) {
                self.answers.cell = Some((wide, high));
            }
        } else if let [0x1b, key @ b'!'..=b'~'] = sequence {
            return Some(KeyEvent::new(KeyCode::Char(char::from(*key)), KeyModifiers::ALT)); // such as Alt-5
        } else {
            let code = match body {
                "[A" | "OA" => KeyCode::Up,
                "[B" | "OB" => KeyCode::Down,
                "[C" | "OC" => KeyCode::Right,
                "[D" | "OD" => KeyCode::Left,
                "[Z" => KeyCode::BackTab,
                _ => return None,
            };
            return Some(KeyEvent::new(code, KeyModifiers::NONE));
        }
        None
    }
}

/// A byte that is a key by itself.
fn plain(byte: u8) -> Option<KeyEvent> {
    let (code, modifiers) = match byte {
        b'\r' => (KeyCode::Enter, KeyModifiers::NONE),
        b'\t' => (KeyCode::Tab, KeyModifiers::NONE),
        0x7f => (KeyCode::Backspace, KeyModifiers::NONE),
        1..=26 => (KeyCode::Char(char::from(byte - 1 + b'a')), KeyModifiers::CONTROL),
        b' '..=b'~' => (KeyCode::Char(char::from(byte)), KeyModifiers::NONE),
        _ => return None,
    };
    Some(KeyEvent::new(code, modifiers))
}

/// Whether a sequence that begins with ESC is at its end (ECMA-48: CSI ends in a byte of 0x40 to 0x7e, strings in ST or
/// BEL).
fn is_whole(sequence: &[u8]) -> bool {
    match sequence {
        [0x1b] | [0x1b, b'[' | b'O' | b'P' | b'_' | b']'] => false,
        [0x1b, b'[' | b'O', .., last] => (0x40..=0x7e).contains(last),
        [0x1b, b'P' | b'_' | b']', .., 0x1b, b'\\'] | [0x1b, b'P' | b'_' | b']', .., 0x07] => true,
        [0x1b, b'P' | b'_' | b']', ..] => false,
        _ => true,
    }
}

/// Keeps late answers from the screen, once keys come as the events of another reader, which takes an answer for typing:
/// Alt-_, G, i, … until Alt-\.
#[derive(Debug, Default)]
pub(in crate::tui) struct Late {
    expected: bool,
    /// Since when a string or a control sequence has been coming, and how it ends.
    within: Option<(Instant, End)>,
    escape_at: Option<Instant>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum End {
    /// By ST.
    String,
    /// By a letter.
    Control,
}

/// Between the first byte of an answer and its last.
const AT_MOST: Duration = Duration::from_secs(2);
/// Between ESC and what belongs to it.
const TOGETHER: Duration = Duration::from_millis(100);

impl Late {
    /// What may still come after `reader` was left.
    pub(in crate::tui) fn after(reader: &Reader, now: Instant) -> Late {
        let within = match reader.rest() {
            [0x1b, b'_' | b'P' | b']', ..] => Some((now, End::String)),
            [0x1b, b'[', ..] => Some((now, End::Control)),
            _ => None,
        };
        let escape_at = (reader.rest() == [0x1b]).then_some(now);
        Late { expected: !reader.answers.complete, within, escape_at }
    }

    /// Whether `key` belongs to an answer and is nobody's.
    pub(in crate::tui) fn swallows(&mut self, key: KeyEvent, now: Instant) -> bool {
        if !self.expected {
            return false;
        }
        let KeyCode::Char(c) = key.code else {
            self.escape_at = (key.code == KeyCode::Esc).then_some(now);
            return self.within.is_some() && key.code == KeyCode::Esc;
        };
        let alt = key.modifiers.contains(KeyModifiers::ALT);
        let after_escape = self.escape_at.take().is_some_and(|at| now.duration_since(at) < TOGETHER);
        if let Some((since, end)) = self.within {
            if now.duration_since(since) > AT_MOST {
                self.within = None;
            } else {
                let over = match end {
                    End::String => c == '\\' && (alt || after_escape),
                    End::Control => c.is_ascii_alphabetic(),
                };
                if over {
                    self.within = None;
                }
                return true;
            }
        }
        let begins = match c {
            '_' | 'P' | ']' if alt || after_escape => Some(End::String),
            '[' if after_escape => Some(End::Control),
            _ => None,
        };
        self.within = begins.map(|end| (now, end));
        begins.is_some()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const KITTY: &[u8] = b"\x1b_Gi=31;OK\x1b\\\x1bP>|kitty(0.42.1)\x1b\\\x1b[6;20;10t\x1b[?62;52;c";
    const XTERM: &[u8] = b"\x1bP>|XTerm(390)\x1b\\\x1b[?63;1;2;4;6;9;15;16;22;28c";

    #[test]
    fn answers_are_understood_whole() {
        let mut reader = Reader::default();
        assert!(reader.take(KITTY).is_empty());
        let name = "kitty(0.42.1)".to_owned();
        let expected = Answers { kitty: true, name, sixel: false, cell: Some((10, 20)), complete: true };
        assert_eq!(reader.answers, expected);
        let mut reader = Reader::default();
        reader.take(XTERM);
        assert!(reader.answers.sixel && !reader.answers.kitty && reader.answers.complete);
        let mut reader = Reader::default();
        reader.take(b"\x1b_Gi=31;ENOTSUP\x1b\\\x1b[?64c");
        assert!(!reader.answers.kitty && !reader.answers.sixel && reader.answers.complete);
    }

    #[test]
    fn keys_between_are_keys() {
        let mut reader = Reader::default();
        let keys = reader.take(b"j\x1b[B\x1b[?6\x03");
        let codes: Vec<_> = keys.iter().map(|k| k.code).collect();
        assert_eq!(codes, [KeyCode::Char('j'), KeyCode::Down]);
        assert_eq!(reader.take(b"4;4c\r")[0].code, KeyCode::Enter);
        assert!(reader.answers.complete);
        let digit = KeyEvent::new(KeyCode::Char('5'), KeyModifiers::ALT);
        assert_eq!(reader.take(b"\x1b5"), [digit]);
    }

    proptest! {
        #[test]
        fn pieces_make_no_difference(cuts in proptest::collection::vec(0..KITTY.len(), 0..6)) {
            let mut cuts = cuts;
            cuts.sort_unstable();
            let mut reader = Reader::default();
            let mut from = 0;
            for cut in cuts.into_iter().chain([KITTY.len()]) {
                prop_assert!(reader.take(&KITTY[from..cut]).is_empty());
                from = cut;
            }
            prop_assert!(reader.answers.kitty && reader.answers.complete && reader.rest().is_empty());
        }

        #[test]
        fn any_bytes_are_taken(bytes in proptest::collection::vec(any::<u8>(), 0..2000)) {
            Reader::default().take(&bytes);
        }
    }

    /// An answer as crossterm reads it: ESC and a character are that character with Alt.
    fn as_keys(bytes: &[u8]) -> Vec<KeyEvent> {
        let mut keys = Vec::new();
        let mut escaped = false;
        for &byte in bytes {
            match (byte, escaped) {
                (0x1b, _) => escaped = true,
                (c, _) => {
                    let modifiers = if escaped { KeyModifiers::ALT } else { KeyModifiers::NONE };
                    keys.push(KeyEvent::new(KeyCode::Char(char::from(c)), modifiers));
                    escaped = false;
                }
            }
        }
        keys
    }

    #[test]
    fn a_late_answer_is_no_typing() {
        let now = Instant::now();
        let mut late = Late::after(&Reader::default(), now);
        let q = KeyEvent::new(KeyCode::Char('q'), KeyModifiers::NONE);
        assert!(as_keys(b"\x1b_Gi=31;OK\x1b\\").into_iter().all(|key| late.swallows(key, now)));
        assert!(!late.swallows(q, now), "what a person types is a key again");
        assert!(as_keys(b"\x1bP>|kitty(q)\x1b\\").into_iter().all(|key| late.swallows(key, now)));
        // the end of one that had begun in time
        let mut reader = Reader::default();
        reader.take(b"\x1b_Gi=3");
        let mut late = Late::after(&reader, now);
        assert!(as_keys(b"1;OK\x1b\\").into_iter().all(|key| late.swallows(key, now)));
        assert!(!late.swallows(q, now));
        // split behind ESC, which came as a key of its own
        let escape = KeyEvent::new(KeyCode::Esc, KeyModifiers::NONE);
        assert!(!late.swallows(escape, now));
        assert!(as_keys(b"[?62;4c").into_iter().all(|key| late.swallows(key, now)));
        assert!(!late.swallows(q, now));
        // one that never ends does not eat the keyboard
        assert!(as_keys(b"\x1b_Gi").into_iter().all(|key| late.swallows(key, now)));
        assert!(!late.swallows(q, now + AT_MOST * 2));
        // nothing is expected any more
        let mut reader = Reader::default();
        reader.take(XTERM);
        let mut none = Late::after(&reader, now);
        assert!(!none.swallows(as_keys(b"\x1b_")[0], now));
    }
}
