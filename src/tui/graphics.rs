//! Pictures finer than cells, where the terminal draws them: which protocol it speaks, and what it shows of ours now.
//!
//! Everything of the screen is cells first. A picture lies over cells that are left alone, and is told apart from them
//! by who takes it away again: the terminal (kitty's images have numbers) or the cells, drawn anew.

pub(super) mod answers;
pub(super) mod kitty;
pub(super) mod overlay;
pub(super) mod probe;

use image::RgbImage;
use serde::Deserialize;
use serde::de::IntoDeserializer;
use serde::de::value::{Error as ValueError, StrDeserializer};

/// How photos are shown.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Images {
    /// Finer than cells where the terminal says that it can and neither SSH nor a multiplexer lies between; else cells.
    #[default]
    Auto,
    /// Cells of two colours, everywhere.
    Cells,
    /// Finer than cells wherever the terminal says that it can.
    Viuer,
    /// Not at all.
    Off,
}

/// A way to give a terminal pixels.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Protocol {
    /// kitty's graphics protocol.
    Kitty,
    /// iTerm2's inline images.
    Iterm,
    /// Sixels, as a VT340 has them.
    Sixel,
}

/// What a terminal draws pictures with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Graphics {
    /// How it is told.
    pub(super) protocol: Protocol,
    /// Pixels of a cell: width and height.
    pub(super) cell: (u16, u16),
}

/// A photo at the size of its place, and what a terminal is sent for it where that takes time to make.
#[derive(Debug, PartialEq)]
pub(super) struct Picture {
    /// Its pixels.
    pub(super) pixels: RgbImage,
    /// kitty's text for it; none for every other way.
    pub(super) text: Option<String>,
}

impl Picture {
    /// A picture for a terminal of `protocol`; none is cells. Coding it is for the thread that made its pixels.
    pub(super) fn new(pixels: RgbImage, protocol: Option<Protocol>) -> Picture {
        let text = if protocol == Some(Protocol::Kitty) { kitty::text(&pixels) } else { None };
        Picture { pixels, text }
    }

    /// Bytes that it takes.
    pub(super) fn size(&self) -> usize {
        self.pixels.as_raw().len() + self.text.as_ref().map_or(0, String::len)
    }
}

impl Images {
    /// What a word says, as the settings write it.
    pub(super) fn from_word(word: &str) -> Option<Images> {
        let word: StrDeserializer<'_, ValueError> = word.into_deserializer();
        Images::deserialize(word).ok()
    }

    /// Whether the terminal is to be asked; `variable` reads the environment.
    pub(super) fn asks(self, variable: impl Fn(&str) -> Option<String>) -> bool {
        let set = |name: &str| variable(name).is_some_and(|value| !value.is_empty());
        let term = variable("TERM").unwrap_or_default();
        // a multiplexer takes pictures for its own pane's and leaves them behind
        let within = set("TMUX") || set("STY") || term.starts_with("screen") || term.starts_with("tmux");
        let far = set("SSH_CONNECTION") || set("SSH_TTY");
        match self {
            Images::Auto => !within && !far && !set("NO_COLOR") && term != "linux" && term != "dumb",
            Images::Viuer => true,
            Images::Cells | Images::Off => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_words_are_those_of_the_settings() {
        let found = ["auto", "cells", "viuer", "off", "Off"].map(Images::from_word);
        assert_eq!(found, [Some(Images::Auto), Some(Images::Cells), Some(Images::Viuer), Some(Images::Off), None]);
    }

    #[test]
    fn only_a_terminal_at_hand_is_asked_by_itself() {
        let asks = |images: Images, set: &[(&str, &str)]| {
            images.asks(|name| set.iter().find(|(n, _)| *n == name).map(|(_, value)| (*value).to_owned()))
        };
        assert!(asks(Images::Auto, &[("TERM", "xterm-kitty")]));
        for not in [("SSH_TTY", "/dev/pts/0"), ("TMUX", "/tmp/x"), ("TERM", "screen-256color"), ("NO_COLOR", "1")] {
            assert!(!asks(Images::Auto, &[not]), "{not:?}");
            assert!(asks(Images::Viuer, &[not]) && !asks(Images::Cells, &[not]) && !asks(Images::Off, &[not]));
        }
    }
}
