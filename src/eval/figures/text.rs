//! Text in pictures: measured, shortened and wrapped before it is drawn.
//!
//! Labels are other people's text: control characters and marks that turn the direction of writing
//! become a visible sign, and a line that does not fit is shortened, never drawn over its
//! neighbour. Two weights of one embedded font (font/LICENSE); what the bold one lacks comes from
//! the plain one.

use std::sync::LazyLock;

use ab_glyph::{Font, FontRef, GlyphId, PxScale, point};

use crate::data::foreign::is_harmful;

static PLAIN: LazyLock<FontRef<'static>> = LazyLock::new(|| load(include_bytes!("../font/DejaVuSans.ttf")));
static BOLD: LazyLock<FontRef<'static>> = LazyLock::new(|| load(include_bytes!("../font/DejaVuSans-Bold.ttf")));

fn load(bytes: &'static [u8]) -> FontRef<'static> {
    FontRef::try_from_slice(bytes).expect("the embedded font parses, a test reads it")
}

/// What a character that cannot be drawn becomes.
const INSTEAD: char = '\u{fffd}';

/// Size in pixels of the em, and weight.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Type {
    pub(super) size: f32,
    pub(super) bold: bool,
}

impl Type {
    pub(super) const fn plain(size: f32) -> Type {
        Type { size, bold: false }
    }

    pub(super) const fn bold(size: f32) -> Type {
        Type { size, bold: true }
    }

    fn glyph(self, letter: char) -> (&'static FontRef<'static>, GlyphId) {
        let fonts: &[&'static FontRef<'static>] = if self.bold { &[&BOLD, &PLAIN] } else { &[&PLAIN] };
        for wanted in [letter, INSTEAD] {
            for font in fonts {
                let id = font.glyph_id(wanted);
                if id.0 != 0 {
                    return (font, id);
                }
            }
        }
        (&PLAIN, GlyphId(0))
    }

    fn scale(self, font: &FontRef<'_>) -> (f32, PxScale) {
        let units = font.units_per_em().unwrap_or(2048.0);
        // ab_glyph scales by the height of the font, type is measured by its em.
        let scale = PxScale::from(self.size * font.height_unscaled() / units);
        (self.size / units, scale)
    }

    /// Width of `text` in pixels.
    pub(super) fn width(self, text: &str) -> f32 {
        let widths = text.chars().map(|letter| {
            let (font, id) = self.glyph(letter);
            self.scale(font).0 * font.h_advance_unscaled(id)
        });
        widths.sum()
    }

    /// Calls `pixel(x, y, coverage)` for what `text` covers, beginning at `x` on `baseline`.
    pub(super) fn draw(self, text: &str, x: f32, baseline: f32, mut pixel: impl FnMut(i32, i32, f32)) {
        let mut at = x;
        for letter in text.chars() {
            let (font, id) = self.glyph(letter);
            let (unit, scale) = self.scale(font);
            let glyph = id.with_scale_and_position(scale, point(at, baseline));
            if let Some(outline) = font.outline_glyph(glyph) {
                let corner = outline.px_bounds().min;
                outline.draw(|dx, dy, coverage| {
                    let (x, y) = (corner.x as i32 + dx as i32, corner.y as i32 + dy as i32);
                    pixel(x, y, coverage.clamp(0.0, 1.0));
                });
            }
            at += unit * font.h_advance_unscaled(id);
        }
    }

    /// `text`, or as much of its beginning as fits into `width`, with an ellipsis.
    pub(super) fn fit(self, text: &str, width: f32) -> String {
        let text = clean(text);
        if self.width(&text) <= width {
            return text;
        }
        let letters: Vec<char> = text.chars().collect();
        let cut = |kept: usize| {
            let short: String = letters[..kept].iter().collect();
            format!("{}…", short.trim_end())
        };
        // The longest beginning that fits, by halving; the ellipsis remains at least.
        let (mut fits, mut fails) = (0, letters.len());
        while fails - fits > 1 {
            let middle = fits.midpoint(fails);
            if self.width(&cut(middle)) <= width {
                fits = middle;
            } else {
                fails = middle;
            }
        }
        cut(fits)
    }

    /// `text` broken between words into lines no wider than `width`, at most `lines` of them.
    pub(super) fn wrap(self, text: &str, width: f32, lines: usize) -> Vec<String> {
        let mut wrapped: Vec<String> = Vec::new();
        for word in clean(text).split_whitespace() {
            match wrapped.last_mut() {
                Some(line) if self.width(&format!("{line} {word}")) <= width => {
                    line.push(' ');
                    line.push_str(word);
                }
                _ => wrapped.push(word.to_string()),
            }
        }
        if wrapped.len() > lines {
            let rest = wrapped.split_off(lines.saturating_sub(1)).join(" ");
            wrapped.push(rest);
        }
        wrapped.iter().map(|line| self.fit(line, width)).collect()
    }
}

/// Without what would break a line, or write backwards.
pub(super) fn clean(text: &str) -> String {
    let letters = text.chars().map(|letter| match letter {
        '\n' | '\r' | '\t' => ' ',
        // those without width leave nothing to see either
        '\u{200b}'..='\u{200d}' | '\u{2060}'..='\u{206f}' => INSTEAD,
        hidden if is_harmful(hidden) => INSTEAD,
        plain => plain,
    });
    letters.collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn both_fonts_hold_what_the_pictures_say() {
        for font in [&*PLAIN, &*BOLD] {
            for letter in "aZ09 ·–…✓✗→≥ü\u{fffd}".chars() {
                assert_ne!(font.glyph_id(letter).0, 0, "{letter}");
            }
        }
        // Greek and Cyrillic names come out in bold, too, from the plain font.
        assert_ne!(Type::bold(20.0).glyph('Ж').1, Type::bold(20.0).glyph('Σ').1);
    }

    #[test]
    fn long_lines_are_shortened_or_wrapped() {
        let type_ = Type::plain(16.0);
        assert_eq!(type_.fit("t014", 200.0), "t014");
        let short = type_.fit("a name of a turtle that nobody would write", 120.0);
        assert!(short.ends_with('…') && short.starts_with("a name"), "{short}");
        assert_eq!(type_.wrap("one two three four", 80.0, 2).len(), 2);
    }

    proptest! {
        #[test]
        fn nothing_is_wider_than_its_place(text in ".{0,80}", width in 30.0_f32..400.0, bold: bool) {
            let type_ = Type { size: 17.0, bold };
            let short = type_.fit(&text, width);
            prop_assert!(type_.width(&short) <= width);
            prop_assert!(!short.chars().any(char::is_control));
            for line in type_.wrap(&text, width, 3) {
                prop_assert!(type_.width(&line) <= width);
            }
            prop_assert!(type_.wrap(&text, width, 3).len() <= 3);
        }
    }
}
