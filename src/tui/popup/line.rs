//! A line that is typed: a text, the place in it where the next letter goes, and whether all of it is only a suggestion.

use crossterm::event::KeyCode;

/// The line.
#[derive(Debug, Default)]
pub(in crate::tui) struct Line {
    text: String,
    /// The place of the cursor, in bytes.
    at: usize,
    /// Nobody has typed it: the first letter takes its place, as that of a selected text.
    is_suggested: bool,
}

impl Line {
    /// A line in which `text` stands, to be gone on with.
    pub(in crate::tui) fn new(text: String) -> Line {
        Line { at: text.len(), text, is_suggested: false }
    }

    /// A line in which `text` is suggested.
    pub(in crate::tui) fn suggesting(text: String) -> Line {
        Line { is_suggested: !text.is_empty(), ..Line::new(text) }
    }

    /// What stands in it.
    pub(in crate::tui) fn text(&self) -> &str {
        &self.text
    }

    /// What stands before the cursor and after it, and whether all of it is suggested.
    pub(in crate::tui) fn parts(&self) -> (&str, &str, bool) {
        let (before, after) = self.text.split_at(self.at);
        (before, after, self.is_suggested)
    }

    /// Puts `more` where the cursor is.
    pub(in crate::tui) fn insert(&mut self, more: &str) {
        if std::mem::take(&mut self.is_suggested) {
            *self = Line::default();
        }
        self.text.insert_str(self.at, more);
        self.at += more.len();
    }

    /// Does what a key does to a line; `plain` is one without Ctrl and Alt.
    pub(in crate::tui) fn key(&mut self, code: KeyCode, plain: bool) {
        let before = self.text[..self.at].chars().next_back().map_or(0, char::len_utf8);
        let after = self.text[self.at..].chars().next().map_or(0, char::len_utf8);
        match code {
            KeyCode::Char(c) if plain => return self.insert(c.encode_utf8(&mut [0; 4])),
            KeyCode::Char('u') => *self = Line::default(),
            KeyCode::Backspace | KeyCode::Delete if self.is_suggested => *self = Line::default(),
            KeyCode::Backspace => {
                self.at -= before;
                self.text.drain(self.at..self.at + before);
            }
            KeyCode::Delete => drop(self.text.drain(self.at..self.at + after)),
            // to either end of what is selected, as everywhere
            KeyCode::Left if self.is_suggested => self.at = 0,
            KeyCode::Left => self.at -= before,
            KeyCode::Right => self.at += after,
            KeyCode::Home => self.at = 0,
            KeyCode::End => self.at = self.text.len(),
            _ => return,
        }
        self.is_suggested = false;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn after(mut line: Line, keys: &[KeyCode]) -> String {
        keys.iter().for_each(|key| line.key(*key, true));
        let (before, after, _) = line.parts();
        format!("{before}|{after}")
    }

    #[test]
    fn the_first_letter_takes_the_place_of_what_is_suggested() {
        let suggested = || Line::suggesting("new-001".into());
        assert_eq!(after(suggested(), &[]), "new-001|");
        assert_eq!(after(suggested(), &[KeyCode::Char('R'), KeyCode::Char('o')]), "Ro|");
        assert_eq!(after(suggested(), &[KeyCode::Backspace, KeyCode::Char('x')]), "x|");
        assert_eq!(after(suggested(), &[KeyCode::End, KeyCode::Char('b')]), "new-001b|");
        assert_eq!(after(suggested(), &[KeyCode::Right, KeyCode::Backspace]), "new-00|");
        assert_eq!(after(suggested(), &[KeyCode::Left, KeyCode::Char('a')]), "a|new-001");
        assert_eq!(after(Line::new("Leo".into()), &[KeyCode::Char('n')]), "Leon|");
        let mut pasted = suggested();
        pasted.insert("Rosa");
        assert_eq!(pasted.text(), "Rosa");
    }

    #[test]
    fn the_cursor_goes_by_letters_and_not_past_the_ends() {
        use KeyCode::{Backspace, Char, Delete, End, Home, Left, Right};
        let line = || Line::new("Zoë".into());
        assert_eq!(after(line(), &[Left, Backspace]), "Z|ë");
        assert_eq!(after(line(), &[Left, Delete, Delete, Right, Char('é')]), "Zoé|");
        assert_eq!(after(line(), &[Home, Left, Backspace, Delete, Char('L')]), "L|oë");
        assert_eq!(after(line(), &[Home, End, Right, Backspace, Backspace, Backspace, Backspace]), "|");
        let mut cleared = line();
        cleared.key(Char('u'), false);
        cleared.key(Char('x'), false);
        assert_eq!(cleared.text(), "");
    }
}
