//! Pictures in the terminal, through viuer.
//!
//! viuer asks a terminal whether it speaks kitty's protocol and waits for an answer without a limit, so it is only let
//! ask where the environment says that the answer will come.

use std::io::IsTerminal;

use clap::ValueEnum;
use image::{DynamicImage, RgbImage};

/// Whether pictures are shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum Images {
    /// Where standard output is a terminal that can.
    Auto,
    /// Never.
    Off,
}

/// Widest a picture gets, in cells.
const WIDEST: u16 = 120;

/// Shows `picture` below the words so far, if the terminal can; whether it did.
pub(super) fn show(picture: &RgbImage, images: Images, json: bool) -> bool {
    if images == Images::Off || json || !std::io::stdout().is_terminal() {
        return false;
    }
    let variable = |name: &str| std::env::var(name).unwrap_or_default();
    let (term, program) = (variable("TERM"), variable("TERM_PROGRAM"));
    if term.is_empty() || term == "dumb" || term == "linux" {
        return false;
    }
    let within = !variable("TMUX").is_empty() || term.starts_with("screen") || term.starts_with("tmux");
    let kitty = !within && (term.contains("kitty") || matches!(program.as_str(), "ghostty" | "WezTerm"));
    let colours = variable("COLORTERM");
    let config = viuer::Config {
        absolute_offset: false,
        width: Some(u32::from(viuer::terminal_size().0.min(WIDEST))),
        truecolor: colours.contains("truecolor") || colours.contains("24bit"),
        use_kitty: kitty,
        use_iterm: !within && program == "iTerm.app",
        ..viuer::Config::default()
    };
    viuer::print(&DynamicImage::ImageRgb8(picture.clone()), &config).is_ok()
}
