//! One animal: its shape, its pictures of skin and shell, all from its seed.
//!
//! Built once and used for all its photos; nothing here depends on a photo.

use super::body::{Build, Skin};
use super::canvas::Texture;
use super::carapace;
use super::dice::{Dice, For};
use super::hide;
use super::palette::Palette;
use super::shell::Shell;

/// What makes an animal itself.
pub(super) struct Individual {
    pub(super) shell: Shell,
    pub(super) build: Build,
    carapace: Texture,
    /// Slopes of the carapace's surface, over the same picture.
    pub(super) relief: Texture,
    head: Texture,
    flippers: [Texture; 2],
    hind: Texture,
    belly: Texture,
}

impl Individual {
    /// Draws individual `id` with pictures fit for photos `width` pixels wide.
    pub(super) fn draw(seed: u64, id: usize, width: u32) -> Individual {
        let dice = &mut Dice::new(seed, For::Individual, id, 0, 0);
        let size = (width + width / 2).clamp(96, 2048);
        let palette = Palette::draw(dice);
        let shell = Shell::draw(dice);
        let build = Build { head: dice.range(0.98, 1.14), flipper: dice.range(0.92, 1.08) };
        let (carapace, relief) = carapace::paint(&shell, &palette, dice, size);
        Individual {
            head: hide::head(&palette, dice, size * 3 / 4),
            flippers: [0, 1].map(|_| hide::flipper(&palette, dice, size / 2, 13)),
            hind: hide::flipper(&palette, dice, size / 3, 9),
            belly: hide::belly(&palette, dice, size / 4),
            shell,
            build,
            carapace,
            relief,
        }
    }

    /// The picture that lies on a surface.
    pub(super) fn skin(&self, skin: Skin) -> &Texture {
        match skin {
            Skin::Carapace => &self.carapace,
            Skin::Belly => &self.belly,
            Skin::Head => &self.head,
            Skin::Flipper(side) => &self.flippers[side],
            Skin::Hind => &self.hind,
        }
    }
}
