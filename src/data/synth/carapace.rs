//! Paints a carapace: what a shell's layout becomes as colour and as relief.
//!
//! Scute by scute: ground, streaks that radiate from the areola, growth rings, seams; then what cares for no seam:
//! pale and dark patches, scars, barnacles. The tone of each scute and the patches are large on purpose: they must
//! survive a photo of 96 pixels.

use super::canvas::{Canvas, Texture};
use super::colour::{Ink, ink};
use super::dice::Dice;
use super::maths::{P2, cloud, cos, mix, mix2, noise, sin};
use super::mosaic::shrink;
use super::palette::Palette;
use super::shell::{Row, Scute, Shell, centre};
use std::f32::consts::TAU;

/// The painted rectangle, in units of the shell: a texture's left, bottom, and right, top.
pub(super) const LOW: P2 = [-1.05, -1.1];
/// See [`LOW`].
pub(super) const HIGH: P2 = [1.05, 1.1];

/// What one individual's scutes look like in general; each scute varies about it. Tones run from -1, the darkest,
/// to 1, the palest.
struct Style {
    /// Of vertebrals, costals, marginals.
    rows: [f32; 3],
    /// How far the scutes of a row differ.
    spread: f32,
    streaks: f32,
    rings: f32,
    pale_seams: f32,
    /// Share of marginals with a spot, and the spot's tone.
    spots: f32,
    spot: f32,
    /// Number of patches that cross the seams, and the share of pale ones.
    patches: usize,
    pale: f32,
}

impl Style {
    fn draw(dice: &mut Dice) -> Style {
        let whole = dice.range(-0.55, 0.55);
        Style {
            rows: [0; 3].map(|_| whole + dice.range(-0.5, 0.5)),
            spread: dice.range(0.22, 0.55),
            streaks: dice.range(0.1, 1.0),
            rings: dice.range(0.0, 0.5),
            pale_seams: if dice.chance(0.4) { dice.range(0.7, 1.0) } else { dice.range(0.0, 0.12) },
            spots: dice.range(-0.3, 1.2),
            spot: dice.sign(),
            patches: dice.below(6),
            pale: if dice.chance(0.6) { 0.85 } else { 0.15 },
        }
    }
}

/// A tone between the darkest and the palest ink of a shell.
fn tone(palette: &Palette, t: f32) -> Ink {
    if t < 0.0 {
        palette.shell.mix(palette.dark, (-t).min(1.0) * 0.9)
    } else {
        palette.shell.mix(palette.amber, t.min(1.0))
    }
}

/// The colour of the carapace and the slope of its surface.
pub(super) fn paint(shell: &Shell, palette: &Palette, dice: &mut Dice, size: u32) -> (Texture, Texture) {
    let style = Style::draw(dice);
    let mut colour = Canvas::new(size, size, LOW, HIGH);
    colour.flood(palette.seam.mix(palette.amber, style.pale_seams * 0.7));
    let mut relief = Canvas::new(size / 2, size / 2, LOW, HIGH);
    relief.flood(ink(0x404040));

    for scute in &shell.scutes {
        paint_scute(&mut colour, scute, palette, &style, dice);
        for (share, tone) in [(0.06, 0x707070), (0.2, 0x8a8a8a), (0.45, 0x989898), (0.7, 0xa6a6a6)] {
            relief.fill_round(&shrink(&scute.shape, scute.areola, share), 0.6, ink(tone));
        }
    }
    patches(&mut colour, shell, palette, &style, dice);
    let seam = palette.seam.mix(palette.amber, style.pale_seams);
    for scute in &shell.scutes {
        let width = if scute.row == Row::Marginal { 0.02 } else { 0.028 };
        colour.outline(&scute.shape, 0.3, width, seam.cover(0.95));
    }
    marks(&mut colour, &mut relief, shell, palette, dice);

    let key = dice.word();
    let (film, film_at) = (ink(0x6a6b3a).light(), dice.range(0.54, 0.7));
    let mut colour = Texture::new(&colour);
    colour.retouch(|u, v, t| {
        let grain =
            mix(0.78, 1.2, cloud(u * 70.0, v * 70.0, 2, key)) * mix(0.85, 1.15, noise(u * 9.0, v * 9.0, key ^ 5));
        // a thin film of algae in patches
        let wet = ((cloud(u * 7.0, v * 7.0, 3, key ^ 9) - film_at) * 4.0).clamp(0.0, 0.5);
        t[0] = mix(t[0] * grain, film.x, wet);
        t[1] = mix(t[1] * grain, film.y, wet);
        t[2] = mix(t[2] * grain, film.z, wet);
    });
    (colour, Texture::new(&relief).slopes())
}

fn paint_scute(canvas: &mut Canvas, scute: &Scute, palette: &Palette, style: &Style, dice: &mut Dice) {
    let marginal = scute.row == Row::Marginal;
    let row = match scute.row {
        Row::Vertebral => 0,
        Row::Costal => 1,
        Row::Marginal => 2,
    };
    // a coarse pattern that is read from afar
    let t = style.rows[row] + dice.bell(style.spread);
    let ground = tone(palette, t);
    let (streak, counter) = if t > 0.35 { (palette.dark, palette.amber) } else { (palette.amber, palette.dark) };
    canvas.fill_round(&scute.shape, 0.25, ground);

    let rim = &scute.shape;
    let strength = style.streaks * dice.range(0.5, 1.0);
    let rays = if marginal { 3 + dice.below(4) } else { 16 + dice.below(16) };
    for k in 0..rays {
        // evenly around, then moved: a fan, not a tangle
        let at = (k as f32 + dice.range(0.0, 0.9)) / rays as f32 * rim.len() as f32;
        let side = at as usize % rim.len();
        let to = mix2(rim[side], rim[(side + 1) % rim.len()], at - at.floor());
        let reach = dice.range(0.45, 0.98);
        let tone = if dice.chance(0.75) { streak } else { counter };
        ray(canvas, scute.areola, to, reach, dice.range(0.006, 0.024), tone.cover(strength * dice.range(0.35, 0.95)));
    }
    if !marginal {
        for ring in 1..4 {
            let shape = shrink(rim, scute.areola, ring as f32 * 0.22 + dice.bell(0.02));
            canvas.outline(&shape, 0.5, 0.012, palette.dark.cover(style.rings * 0.6));
        }
        if dice.chance(0.35) {
            let r = dice.range(0.05, 0.1);
            blob(canvas, scute.areola, [r, r * 0.8], palette.dark.cover(0.7), dice);
        }
    } else if dice.chance(style.spots) {
        let c = centre(rim);
        let ink = tone(palette, style.spot).cover(0.9);
        blob(canvas, [c[0] * 1.04, c[1] * 1.04], [0.095, 0.095], ink, dice);
    }
    // the growing edge is darker
    canvas.outline(&shrink(rim, scute.areola, 0.05), 0.4, 0.03, palette.dark.cover(0.22));
}

/// A wedge from `from` towards `to`.
fn ray(canvas: &mut Canvas, from: P2, to: P2, reach: f32, width: f32, tone: Ink) {
    let end = mix2(from, to, reach);
    let start = mix2(from, to, 0.12);
    let (dx, dy) = (end[0] - start[0], end[1] - start[1]);
    let k = width / (dx * dx + dy * dy).sqrt().max(1e-4);
    let (nx, ny) = (-dy * k, dx * k);
    let bulge = mix2(start, end, 0.7);
    canvas.fill(&[start, [bulge[0] + nx, bulge[1] + ny], end, [bulge[0] - nx, bulge[1] - ny]], tone);
}

/// An irregular round patch.
pub(super) fn blob(canvas: &mut Canvas, at: P2, radii: P2, tone: Ink, dice: &mut Dice) {
    let turn = dice.range(0.0, TAU);
    let (s, c) = (sin(turn), cos(turn));
    let shape: Vec<P2> = (0..11)
        .map(|i| {
            let a = i as f32 * TAU / 11.0;
            let k = dice.range(0.6, 1.25);
            let (x, y) = (radii[0] * k * cos(a), radii[1] * k * sin(a));
            [at[0] + x * c - y * s, at[1] + x * s + y * c]
        })
        .collect();
    canvas.fill_round(&shape, 1.0, tone);
}

/// Somewhere on the shell, even over its area.
fn somewhere(shell: &Shell, dice: &mut Dice, reach: f32) -> P2 {
    let side = dice.sign();
    let rim = shell.rim(dice.range(0.3, 2.9), side);
    let share = dice.unit().sqrt() * reach;
    [rim[0] * share, rim[1] * share]
}

/// Large pale and dark patches that cross the seams.
fn patches(canvas: &mut Canvas, shell: &Shell, palette: &Palette, style: &Style, dice: &mut Dice) {
    for _ in 0..style.patches {
        let at = somewhere(shell, dice, 0.85);
        let r = dice.range(0.14, 0.32);
        let radii = [r, r * dice.range(0.5, 0.9)];
        let ink = if dice.chance(style.pale) { palette.amber.bright(1.1) } else { palette.dark };
        blob(canvas, at, radii, ink.cover(dice.range(0.65, 0.88)), dice);
        for _ in 0..3 {
            let near = [at[0] + dice.bell(r), at[1] + dice.bell(r)];
            blob(canvas, near, [r * 0.25, r * 0.2], ink.cover(0.7), dice);
        }
    }
}

/// Scars and barnacles.
fn marks(canvas: &mut Canvas, relief: &mut Canvas, shell: &Shell, palette: &Palette, dice: &mut Dice) {
    for _ in 0..dice.below(3) {
        let (at, turn, long) = (somewhere(shell, dice, 0.75), dice.range(0.0, TAU), dice.range(0.2, 0.45));
        let (s, c) = (sin(turn), cos(turn));
        for k in 0..1 + dice.below(3) {
            let off = k as f32 * dice.range(0.06, 0.09);
            let (reach, bend) = (long * dice.range(0.6, 1.0), dice.bell(0.04));
            let place = |t: f32, side: f32| {
                // thickest in the middle, drawn out to both ends
                let o = off + bend * (1.0 - 4.0 * t * t) + side * (0.25 - t * t) * 0.1;
                [at[0] + c * reach * t - s * o, at[1] + s * reach * t + c * o]
            };
            let wound = |k: f32| {
                let steps = [-0.5, -0.3, -0.1, 0.1, 0.3, 0.5];
                let there = steps.iter().map(|t| place(*t, k));
                there.chain(steps.iter().rev().map(|t| place(*t, -k))).collect::<Vec<P2>>()
            };
            canvas.fill(&wound(1.0), palette.dark.cover(0.7));
            canvas.fill(&wound(0.6), palette.amber.mix(ink(0xf0e4cc), 0.6).cover(0.9));
            relief.fill(&wound(0.8), ink(0x282828));
        }
    }
    for _ in 0..dice.below(5) {
        let middle = somewhere(shell, dice, 0.88);
        for _ in 0..1 + dice.below(3) {
            let at = [middle[0] + dice.bell(0.05), middle[1] + dice.bell(0.05)];
            barnacle(canvas, relief, at, dice.range(0.02, 0.042), palette, dice);
        }
    }
}

/// A little volcano: grooved walls around a dark mouth.
fn barnacle(canvas: &mut Canvas, relief: &mut Canvas, at: P2, r: f32, palette: &Palette, dice: &mut Dice) {
    let pale = ink(0xd9d2ba).mix(palette.amber, dice.range(0.0, 0.4));
    blob(canvas, [at[0] + r * 0.15, at[1] - r * 0.2], [r * 1.25, r * 1.2], palette.dark.cover(0.45), dice);
    blob(canvas, at, [r, r * 0.95], pale, dice);
    let turn = dice.range(0.0, 1.0);
    for i in 0..6 {
        let a = i as f32 * TAU / 6.0 + turn;
        let edge = [at[0] + r * 0.95 * cos(a), at[1] + r * 0.95 * sin(a)];
        canvas.line(&[at, edge], r * 0.14, palette.dark.mix(pale, 0.5));
    }
    blob(canvas, at, [r * 0.32, r * 0.22], palette.dark.cover(0.85), dice);
    relief.dot(at, [r, r], ink(0xd0d0d0));
    relief.dot(at, [r * 0.35, r * 0.35], ink(0x808080));
}
