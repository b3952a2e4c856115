//! Colours and what they mean: one accent for focus, three for state, and a sign beside each, as a screen without
//! colour must say the same.
//!
//! NO_COLOR is a theme here. crossterm's own way of it writes a bare `CSI m`, which would take every other attribute
//! along.

use ratatui::style::{Color, Modifier, Style};

use crate::run::Status;

/// How many colours the terminal shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Depth {
    /// All of them.
    True,
    /// The 256 of xterm's palette.
    Palette,
    /// None.
    None,
}

impl Depth {
    /// A pixel in this depth.
    pub(super) fn colour(self, [r, g, b]: [u8; 3]) -> Color {
        match self {
            Depth::True => Color::Rgb(r, g, b),
            Depth::Palette => Color::Indexed(indexed(r, g, b)),
            Depth::None => Color::Reset,
        }
    }
}

/// The nearest of xterm's 6 x 6 x 6 cube and its greys.
fn indexed(r: u8, g: u8, b: u8) -> u8 {
    let (low, high) = (r.min(g).min(b), r.max(g).max(b));
    if high - low < 12 {
        // 24 greys from 8 in steps of 10
        return match u16::from(high) {
            h if h < 4 => 16,
            h if h > 246 => 231,
            h => 232 + ((h - 3) / 10).min(23) as u8,
        };
    }
    let step = |v: u8| {
        if v < 48 {
            0
        } else if v < 115 {
            1
        } else {
            (v - 35) / 40
        }
    };
    16 + 36 * step(r) + 6 * step(g) + step(b)
}

/// The colours of a screen.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Theme {
    /// Its name in the settings; without colour it is the one that was chosen all the same.
    pub(super) name: &'static str,
    /// For photos.
    pub(super) depth: Depth,
    accent: Color,
    running: Color,
    done: Color,
    failed: Color,
    quiet: Color,
    series: [Color; 6],
}

/// The themes by name; the first is the usual one.
pub(super) const NAMES: [&str; 4] = ["dark", "light", "colour-blind", "plain"];

impl Theme {
    /// The theme of this name, for a terminal of `depth`; the usual one for a name not known.
    pub(super) fn named(name: &str, depth: Depth) -> Theme {
        use Color::{Black, Blue, Cyan, Green, Indexed, LightBlue, Magenta, Red, Yellow};
        let coloured = |name, accent, running, done, failed, quiet, series| Theme {
            name,
            depth,
            accent,
            running,
            done,
            failed,
            quiet,
            series,
        };
        let known = NAMES.into_iter().find(|known| *known == name).unwrap_or(NAMES[0]);
        match known {
            // what was chosen is kept for a terminal with colours
            _ if depth == Depth::None => Theme { name: known, ..Theme::plain() },
            "plain" => Theme { depth, ..Theme::plain() },
            "light" => {
                let series = [Blue, Red, Magenta, Indexed(94), Indexed(30), Black];
                coloured("light", Blue, Indexed(94), Indexed(28), Red, Indexed(242), series)
            }
            // Okabe and Ito's colours, which stay apart for all common kinds of colour blindness
            "colour-blind" => {
                let series = [Indexed(74), Indexed(214), Indexed(36), Indexed(227), Indexed(175), Indexed(166)];
                coloured("colour-blind", Indexed(74), Indexed(214), Indexed(36), Indexed(166), Indexed(245), series)
            }
            _ => {
                let series = [Cyan, Yellow, Magenta, Green, LightBlue, Red];

                coloured("dark", Cyan, Yellow, Green, Red, Indexed(245), series)
            }
        }
    }

    fn plain() -> Theme {
        let none = Color::Reset;
        Theme {
            name: "plain",
            depth: Depth::None,
            accent: none,
            running: none,
            done: none,
            failed: none,
            quiet: none,
            series: [none; 6],
        }
    }

    /// What a terminal with these variables gets: `NO_COLOR` wins over everything.
    pub(super) fn of_environment(name: &str, variable: impl Fn(&str) -> Option<String>) -> Theme {
        let set = |name: &str| variable(name).filter(|v| !v.is_empty());
        let term = set("TERM").unwrap_or_default();
        let colours = set("COLORTERM").unwrap_or_default();
        let depth = if set("NO_COLOR").is_some() || term == "dumb" {
            Depth::None
        } else if colours.contains("truecolor") || colours.contains("24bit") || term.contains("direct") {
            Depth::True
        } else {
            Depth::Palette
        };
        Theme::named(name, depth)
    }

    /// Ordinary text.
    pub(super) fn text(&self) -> Style {
        Style::reset()
    }

    /// What has the focus.
    pub(super) fn accent(&self) -> Style {
        Style::reset().fg(self.accent).add_modifier(Modifier::BOLD)
    }

    /// Labels, rules, what is there and does not matter now.
    pub(super) fn quiet(&self) -> Style {
        Style::reset().fg(self.quiet)
    }

    /// What stands out without being in focus.
    pub(super) fn bold(&self) -> Style {
        Style::reset().add_modifier(Modifier::BOLD)
    }

    /// The row or tab chosen.
    pub(super) fn chosen(&self, focused: bool) -> Style {
        let style = Style::reset().add_modifier(Modifier::REVERSED);
        if focused { style.fg(self.accent) } else { style.fg(self.quiet) }
    }

    /// Where the next character goes: a block, whatever the font makes of the sign in it.
    pub(super) fn cursor(&self) -> Style {
        self.accent().add_modifier(Modifier::REVERSED)
    }

    /// Something wrong.
    pub(super) fn wrong(&self) -> Style {
        Style::reset().fg(self.failed)
    }

    /// Something right.
    pub(super) fn right(&self) -> Style {
        Style::reset().fg(self.done)
    }

    /// A status, always beside its sign.
    pub(super) fn status(&self, status: Status) -> Style {
        Style::reset().fg(match status {
            Status::Starting | Status::Running | Status::Stopping | Status::Paused => self.running,
            Status::Finished => self.done,
            Status::Failed | Status::Crashed => self.failed,
            Status::Queued | Status::Stopped | Status::Missing => self.quiet,
        })
    }

    /// The colour of curve or individual `n`.
    pub(super) fn series(&self, n: usize) -> Style {
        Style::reset().fg(self.series[n % self.series.len()])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(pairs: &[(&str, &str)]) -> Theme {
        Theme::of_environment("dark", |name| {
            pairs.iter().find(|(n, _)| *n == name).map(|(_, value)| (*value).to_owned())
        })
    }

    #[test]
    fn no_color_wins_and_is_a_theme() {
        assert_eq!(of(&[("NO_COLOR", "1"), ("COLORTERM", "truecolor")]).depth, Depth::None);
        assert_eq!(of(&[("NO_COLOR", ""), ("COLORTERM", "truecolor")]).depth, Depth::True);
        assert_eq!(of(&[("TERM", "xterm-256color")]).depth, Depth::Palette);
        let plain = of(&[("NO_COLOR", "1")]);
        assert_eq!(plain.name, "dark", "what a session without colour keeps");
        for style in [plain.accent(), plain.wrong(), plain.status(Status::Running), plain.chosen(true), plain.series(2)]
        {
            assert_eq!(style.fg, Some(Color::Reset));
        }
        assert!(plain.chosen(true).add_modifier.contains(Modifier::REVERSED), "focus shows without colour");
    }

    #[test]
    fn pixels_find_their_place_in_the_palette() {
        assert_eq!(Depth::Palette.colour([255, 0, 0]), Color::Indexed(196));
        assert_eq!(Depth::Palette.colour([0, 0, 0]), Color::Indexed(16));
        assert_eq!(Depth::Palette.colour([255, 255, 255]), Color::Indexed(231));
        assert_eq!(Depth::Palette.colour([128, 128, 128]), Color::Indexed(244));
    }
}
