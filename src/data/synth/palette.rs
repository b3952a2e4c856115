//! The colours of an individual.
//!
//! All animals share one narrow family of browns, ambers and creams, so that colour alone does not tell them
//! apart; what differs is where the colours lie. Inks only: no shapes.

use super::colour::{Ink, ink};
use super::dice::Dice;

/// The colours of one animal.
#[derive(Clone, Debug)]
pub(super) struct Palette {
    /// Ground of the scutes.
    pub(super) shell: Ink,
    /// Streaks and pale marks.
    pub(super) amber: Ink,
    /// Streaks and dark marks.
    pub(super) dark: Ink,
    /// Lines between scutes.
    pub(super) seam: Ink,
    /// Scales of head and flippers.
    pub(super) scale: Ink,
    /// Lines between scales.
    pub(super) skin: Ink,
    /// Underside.
    pub(super) belly: Ink,
    /// Beak and claws.
    pub(super) horn: Ink,
}

impl Palette {
    pub(super) fn draw(dice: &mut Dice) -> Palette {
        // between the corners of each family; families of two animals overlap widely
        let mut of = |corners: [u32; 3]| {
            let [a, b, c] = corners.map(ink);
            let (s, t) = (dice.unit(), dice.unit());
            a.mix(b, s).mix(c, t * 0.8)
        };
        let shell = of([0x7a6a3c, 0x94411f, 0x5f4a3c]);
        let amber = of([0xe0963a, 0xecd07c, 0xd8c49a]);
        let dark = of([0x1e120c, 0x3c1d12, 0x2a261a]);
        let seam = of([0x24160e, 0x4a3018, 0x38322a]);
        let scale = of([0x7c3a1a, 0x4a3424, 0x6e5a30]);
        let skin = of([0xe4b868, 0xd6c49c, 0xb59a72]);
        let belly = of([0xe9cf93, 0xf0e0b4, 0xd8c8a0]);
        let horn = of([0xb98a4a, 0x9a7a4c, 0x6e5a40]);
        Palette { shell, amber, dark, seam, scale, skin, belly, horn }
    }
}
