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
        let mut between = |a: u32, b: u32| ink(a).mix(ink(b), dice.unit());
        let shell = between(0x8a4f26, 0x7d6038);
        let amber = between(0xdba04c, 0xe6bd72);
        let dark = between(0x24140d, 0x3a2515);
        let seam = between(0x2b1a10, 0x4a3018);
        let scale = between(0x6d3a1c, 0x634222);
        let skin = between(0xdcb878, 0xcdab70);
        let belly = between(0xe9cf93, 0xf0e0b4);
        let horn = between(0xb98a4a, 0x9a7a4c);
        Palette { shell, amber, dark, seam, scale, skin, belly, horn }
    }
}
