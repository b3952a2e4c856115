//! Pictures in the terminal, through viuer.
//!
//! viuer asks a terminal whether it speaks kitty's protocol or draws sixels, and waits for an answer without a limit, so it is only
//! let ask where the environment says that the answer will come.

use std::io::IsTerminal;

use clap::ValueEnum;
use image::{DynamicImage, RgbImage};

/// Whether pictures are shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum Images {
    /// Where standard output is a terminal that can, as fine as it can.
    Auto,
    /// Of cells.
    Cells,
    /// As fine as the terminal can, the workbench over SSH and in a multiplexer too.
    Viuer,
    /// Never.
    Off,
}

impl Images {
    /// As it is written.
    pub(super) fn word(self) -> &'static str {
        match self {
            Images::Auto => "auto",
            Images::Cells => "cells",
            Images::Viuer => "viuer",
            Images::Off => "off",
        }
    }
}

/// Widest a picture gets, in cells.
const WIDEST: u32 = 120;
/// Lines that a picture of coloured cells takes even where that scrolls: with fewer nothing is recognised.
const TALLEST_OF_CELLS: u32 = 40;

/// Width in cells of a picture of `size` pixels on a terminal of so many columns and rows: a cell is twice as high as
/// wide, and the line before the picture and the one after it stay in sight.
fn width(size: (u32, u32), (columns, rows): (u16, u16), of_cells: bool) -> u32 {
    let rows = u32::from(rows.saturating_sub(2)).max(if of_cells { TALLEST_OF_CELLS } else { 1 });
    let as_high = u64::from(rows) * 2 * u64::from(size.0) / u64::from(size.1.max(1));
    u32::try_from(as_high).unwrap_or(WIDEST).min(WIDEST).min(u32::from(columns)).max(1)
}

/// What a terminal is asked whether it draws pictures by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Asked {
    Kitty,
    Iterm,
    Sixel,
}

/// What the terminal of this environment is asked, as it is sure to answer; none where pictures are of cells.
fn asked(images: Option<Images>, variable: &dyn Fn(&str) -> String) -> Option<Asked> {
    let (term, program) = (variable("TERM"), variable("TERM_PROGRAM"));
    let within = !variable("TMUX").is_empty() || term.starts_with("screen") || term.starts_with("tmux");
    if within || images == Some(Images::Cells) {
        return None;
    }
    match (term.as_str(), program.as_str()) {
        (_, "ghostty" | "WezTerm") => Some(Asked::Kitty),
        (term, _) if term.contains("kitty") => Some(Asked::Kitty),
        (_, "iTerm.app") => Some(Asked::Iterm),
        (term, _) if term.starts_with("foot") || term.starts_with("mlterm") => Some(Asked::Sixel),
        _ => None,
    }
}

/// Shows `picture` below the words so far, if the terminal can; whether it did.
pub(super) fn show(picture: &RgbImage, images: Option<Images>, json: bool) -> bool {
    if images == Some(Images::Off) || json || !std::io::stdout().is_terminal() {
        return false;
    }
    let variable = |name: &str| std::env::var(name).unwrap_or_default();
    let term = variable("TERM");
    if term.is_empty() || term == "dumb" || term == "linux" {
        return false;
    }
    let colours = variable("COLORTERM");
    let asked = asked(images, &variable);
    let size = width(picture.dimensions(), viuer::terminal_size(), asked.is_none());
    let config = viuer::Config {
        absolute_offset: false,
        width: Some(size),
        truecolor: colours.contains("truecolor") || colours.contains("24bit"),
        use_kitty: asked == Some(Asked::Kitty),
        use_iterm: asked == Some(Asked::Iterm),
        use_sixel: asked == Some(Asked::Sixel),
        ..viuer::Config::default()
    };
    viuer::print(&DynamicImage::ImageRgb8(picture.clone()), &config).is_ok()
}

#[cfg(test)]
mod tests {
    use super::{Asked, Images, asked, width};

    #[test]
    fn only_a_terminal_that_is_sure_to_answer_is_asked() {
        let by = |images, set: &[(&str, &str)]| {
            let found = |name: &str| set.iter().find(|(key, _)| *key == name).map(|(_, value)| (*value).to_owned());
            asked(images, &|name: &str| found(name).unwrap_or_default())
        };
        assert_eq!(by(None, &[("TERM", "xterm-256color")]), None, "it may be nobody: viuer would wait for ever");
        assert_eq!(by(None, &[("TERM", "xterm-kitty")]), Some(Asked::Kitty));
        assert_eq!(by(None, &[("TERM", "foot")]), Some(Asked::Sixel));
        assert_eq!(by(Some(Images::Cells), &[("TERM", "foot")]), None);
        assert_eq!(by(None, &[("TERM", "xterm-256color"), ("TERM_PROGRAM", "iTerm.app")]), Some(Asked::Iterm));
        assert_eq!(by(None, &[("TERM", "xterm-kitty"), ("TMUX", "/tmp/tmux")]), None);
    }

    #[test]
    fn a_picture_fits_the_terminal() {
        assert_eq!(width((800, 800), (110, 30), false), 56);
        assert_eq!(width((800, 800), (110, 30), true), 80);
        assert_eq!(width((1600, 200), (110, 30), false), 110);
        assert_eq!(width((1600, 200), (300, 80), false), 120);
        assert_eq!(width((10, 4000), (80, 24), false), 1);
        assert_eq!(width((0, 0), (80, 24), true), 1);
    }
}
