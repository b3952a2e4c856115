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

#[cfg(test)]
mod tests {
    use super::*;

    /// The mean difference between two pictures of skin, sampled on a grid.
    fn apart(a: &Texture, b: &Texture) -> f32 {
        let grid = |i: usize| ((i % 24) as f32 / 24.0 * 0.6 + 0.2, (i / 24) as f32 / 24.0 * 0.6 + 0.2);
        let sum: f32 = (0..576)
            .map(|i| {
                let (u, v) = grid(i);
                (a.at(u, v)[1] - b.at(u, v)[1]).abs()
            })
            .sum();
        sum / 576.0
    }

    #[test]
    fn two_individuals_differ_in_shell_and_head_and_one_is_always_itself() {
        let [a, again, b] = [0, 0, 1].map(|id| Individual::draw(5, id, 96));
        assert_eq!(apart(&a.carapace, &again.carapace), 0.0);
        assert_eq!(apart(&a.head, &again.head), 0.0);
        assert!(a.shell.scutes == again.shell.scutes && a.shell.scutes != b.shell.scutes);
        assert!(apart(&a.carapace, &b.carapace) > 0.03, "{}", apart(&a.carapace, &b.carapace));
        assert!(apart(&a.head, &b.head) > 0.03, "{}", apart(&a.head, &b.head));
    }
}
