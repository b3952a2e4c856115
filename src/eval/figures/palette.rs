//! Colours and marks. Seven colours that colour-blind people tell apart (Okabe and Ito 2008, without
//! the yellow that vanishes on white) times eight marks, whose numbers share no divisor: the first
//! 56 individuals all look different, and neighbours differ in both.

use tiny_skia::Color;

/// An opaque colour from its hexadecimal notation.
pub(super) fn rgb(hex: u32) -> Color {
    let byte = |shift: u32| ((hex >> shift) & 0xff) as u8;
    Color::from_rgba8(byte(16), byte(8), byte(0), 255)
}

/// Text.
pub(super) const INK: u32 = 0x1f2933;
/// Text of second rank.
pub(super) const SOFT: u32 = 0x5b6770;
/// Rules and frames.
pub(super) const RULE: u32 = 0xd5dadf;
/// Behind photos that do not fill their place.
pub(super) const BACK: u32 = 0xf1f3f5;
/// A correct match; always with a tick.
pub(super) const RIGHT: u32 = 0x00795a;
/// A wrong match; always with a cross.
pub(super) const WRONG: u32 = 0xc24a00;
/// Pairs of one individual.
pub(super) const SAME: u32 = 0x0072b2;
/// Pairs of two individuals.
pub(super) const DIFFERENT: u32 = 0xe69f00;
/// What has no name.
pub(super) const UNKNOWN: u32 = 0x9aa5b1;

const COLOURS: [u32; 7] = [0x0072b2, 0xd55e00, 0x009e73, 0xcc79a7, 0xe69f00, 0x56b4e9, 0x4a4e69];

/// Individuals that can be told apart by colour and mark together.
pub(super) const DISTINCT: usize = COLOURS.len() * MARKS.len();

/// The colour of the individual with this number.
pub(super) fn colour(number: usize) -> u32 {
    COLOURS[number % COLOURS.len()]
}

/// A mark as the corners of a shape around the origin, about 1 from it.
pub(super) type Mark = &'static [(f32, f32)];

/// The mark of the individual with this number; `None` is a disc.
pub(super) fn mark(number: usize) -> Option<Mark> {
    MARKS[number % MARKS.len()]
}

const MARKS: [Option<Mark>; 8] = [
    None,
    // square
    Some(&[(-0.88, -0.88), (0.88, -0.88), (0.88, 0.88), (-0.88, 0.88)]),
    // triangle
    Some(&[(0.0, -1.2), (1.12, 0.78), (-1.12, 0.78)]),
    // diamond
    Some(&[(0.0, -1.28), (1.05, 0.0), (0.0, 1.28), (-1.05, 0.0)]),
    // plus
    Some(&[
        (-0.4, -1.15),
        (0.4, -1.15),
        (0.4, -0.4),
        (1.15, -0.4),
        (1.15, 0.4),
        (0.4, 0.4),
        (0.4, 1.15),
        (-0.4, 1.15),
        (-0.4, 0.4),
        (-1.15, 0.4),
        (-1.15, -0.4),
        (-0.4, -0.4),
    ]),
    // triangle, turned
    Some(&[(0.0, 1.2), (-1.12, -0.78), (1.12, -0.78)]),
    // star of five points
    Some(&[
        (0.0, -1.35),
        (0.35, -0.48),
        (1.28, -0.42),
        (0.57, 0.18),
        (0.79, 1.09),
        (0.0, 0.59),
        (-0.79, 1.09),
        (-0.57, 0.18),
        (-1.28, -0.42),
        (-0.35, -0.48),
    ]),
    // cross
    Some(&[
        (0.0, -0.57),
        (0.57, -1.13),
        (1.13, -0.57),
        (0.57, 0.0),
        (1.13, 0.57),
        (0.57, 1.13),
        (0.0, 0.57),
        (-0.57, 1.13),
        (-1.13, 0.57),
        (-0.57, 0.0),
        (-1.13, -0.57),
        (-0.57, -1.13),
    ]),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn individuals_look_different_until_both_run_out() {
        let look = |n: usize| (colour(n), mark(n).map(|m| format!("{m:?}")));
        let looks: std::collections::HashSet<_> = (0..DISTINCT).map(look).collect();
        assert_eq!(looks.len(), DISTINCT);
        assert_eq!(look(0), look(DISTINCT));
    }
}
