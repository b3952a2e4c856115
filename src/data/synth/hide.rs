//! Paints the scaled skin: head and neck, flippers, tail.
//!
//! The scales of the head are the classic fingerprint of a sea turtle: a template of named plates is moved, some
//! plates are split or lost, and left and right share most of it but not all. Surfaces are unrolled: x goes around
//! (0 is the top), y along, from the body outwards.

use super::canvas::{Canvas, Texture};
use super::carapace::blob;
use super::colour::{Ink, ink};
use super::dice::Dice;
use super::maths::{P2, cloud, mix, smooth};
use super::mosaic::{cells, inset, shrink};
use super::palette::Palette;
use super::shell::centre;

/// Half the way around the head, in units of its length: the belly line lies there.
pub(super) const HALF_ROUND: f32 = 0.72;
/// Where the neck ends and the skull begins, along the head.
pub(super) const NAPE: f32 = 0.46;
/// The eye's place: off the top line, along.
const EYE: P2 = [0.29, 0.765];
/// Half the width of a flipper's picture, in units of its length.
pub(super) const HALF_CHORD: f32 = 0.2;

/// Plates of one side of the head, as (off the top line, along): from the snout back to the ear and the jaw.
const PLATES: &[P2] = &[
    [0.05, 0.9],
    [0.08, 0.82],
    [0.0, 0.755],
    [0.0, 0.655],
    [0.19, 0.73],
    [0.13, 0.56],
    [0.22, 0.63],
    [0.02, 0.53],
    [0.29, 0.56],
    [0.33, 0.65],
    [0.41, 0.68],
    [0.42, 0.59],
    [0.36, 0.5],
    [0.46, 0.51],
    [0.53, 0.6],
    [0.52, 0.72],
    [0.62, 0.52],
    [0.62, 0.66],
    [0.16, 0.93],
    [0.24, 0.86],
    [0.36, 0.88],
    [0.45, 0.82],
];

/// The unrolled head and neck, `size` pixels around.
pub(super) fn head(palette: &Palette, dice: &mut Dice, size: u32) -> Texture {
    let mut canvas = Canvas::new(size, size * 2 / 3, [-HALF_ROUND, 0.0], [HALF_ROUND, 1.0]);
    canvas.flood(palette.skin);
    let under = [[-HALF_ROUND, 0.0], [HALF_ROUND, 0.0], [HALF_ROUND, NAPE - 0.03], [-HALF_ROUND, NAPE - 0.03]];
    canvas.fill(&under, palette.scale.mix(palette.skin, 0.6));
    let seeds = head_seeds(dice);
    let shapes = cells(&seeds, [-HALF_ROUND, 0.0], [HALF_ROUND, 1.0]);
    let gap = dice.range(0.009, 0.022);
    // dark, brown or pale plates prevail
    let (darks, pales) = *dice.pick(&[(0.3, 0.75), (0.65, 0.9), (0.12, 0.45)]);
    for (seed, shape) in seeds.iter().zip(&shapes) {
        let low = smooth(0.34, 0.66, seed[0].abs());
        if seed[1] < NAPE {
            // neck: leathery granules, darker above, that fade towards the throat
            let ground = palette.scale.mix(palette.skin, 0.38);
            let tone = ground.bright(dice.range(0.62, 1.0)).mix(palette.belly, low * 0.75);
            canvas.fill_round(&inset(shape, centre(shape), 0.005), 0.7, tone);
            continue;
        }
        let kind = dice.unit();
        let tone = if kind < darks {
            palette.scale.mix(palette.dark, dice.range(0.4, 0.8))
        } else if kind < pales {
            palette.scale.bright(dice.range(0.85, 1.25))
        } else {
            palette.scale.mix(palette.amber, dice.range(0.4, 0.8))
        };
        let tone = tone.mix(palette.belly, low * dice.range(0.2, 0.75));
        let middle = centre(shape);
        canvas.fill_round(&inset(shape, middle, gap), 0.35, tone);
        let heart = if kind < pales { palette.dark } else { palette.scale };
        canvas.fill_round(&shrink(shape, middle, 0.5), 0.7, heart.cover(0.45));
        if dice.chance(0.3) {
            blob(&mut canvas, middle, [0.03, 0.022], heart.cover(0.7), dice);
        }
    }
    for side in [-1.0, 1.0] {
        face(&mut canvas, side, palette);
    }
    scars(&mut canvas, dice);
    finish(&canvas, dice.word(), 60.0)
}

fn head_seeds(dice: &mut Dice) -> Vec<P2> {
    let mut seeds = Vec::new();
    for plate in PLATES {
        let moved = [plate[0] + dice.bell(0.022), plate[1] + dice.bell(0.022)];
        if dice.chance(0.08) {
            continue;
        }
        let twin = dice.chance(0.16);
        let off = [dice.bell(0.03), dice.bell(0.04)];
        for side in [-1.0f32, 1.0] {
            if plate[0] == 0.0 && side < 0.0 {
                continue;
            }
            let own = [side * moved[0].abs() + dice.bell(0.011), moved[1] + dice.bell(0.011)];
            seeds.push(own);
            // a plate split in two, usually on both sides
            if twin != dice.chance(0.1) {
                seeds.push([own[0] + side * (0.035 + off[0].abs()), own[1] + off[1]]);
            }
        }
    }
    // granules of the neck, in staggered rows
    for row in 0..9 {
        let y = 0.02 + row as f32 * 0.05;
        for k in 0..22 {
            let x = (k as f32 + 0.5 * (row % 2) as f32 + 0.25) / 22.0 * 2.0 * HALF_ROUND - HALF_ROUND;
            seeds.push([x + dice.bell(0.012), y + dice.bell(0.01)]);
        }
    }
    seeds
}

/// Eye, beak and mouth on one side.
fn face(canvas: &mut Canvas, side: f32, palette: &Palette) {
    let at = |x: f32, y: f32| [side * x, y];
    // beak: horn over snout and jaws
    let beak: Vec<P2> = [(0.0, 0.925), (0.2, 0.9), (0.42, 0.86), (0.55, 0.84), (0.72, 0.88), (0.72, 1.0), (0.0, 1.0)]
        .iter()
        .map(|&(x, y)| at(x, y))
        .collect();
    canvas.fill_round(&beak, 0.3, palette.horn);
    canvas.line(&[at(0.0, 0.925), at(0.2, 0.9), at(0.42, 0.86)], 0.014, palette.dark.cover(0.5));
    let mouth = [at(0.5, 1.0), at(0.5, 0.9), at(0.475, 0.8), at(0.5, 0.73), at(0.54, 0.68)];
    canvas.line(&mouth, 0.022, palette.dark.cover(0.9));
    canvas.line(&[at(0.04, 0.965), at(0.07, 0.96)], 0.02, palette.dark);
    let [x, y] = EYE;
    canvas.dot(at(x, y), [0.088, 0.073], palette.skin);
    canvas.dot(at(x, y), [0.075, 0.061], palette.scale.mix(palette.dark, 0.5));
    canvas.dot(at(x + 0.004, y), [0.056, 0.046], ink(0x0b0908));
    canvas.dot(at(x - 0.022, y + 0.014), [0.015, 0.012], ink(0xe8eff0));
}

fn scars(canvas: &mut Canvas, dice: &mut Dice) {
    for _ in 0..dice.below(3) {
        let (x, y) = (dice.sign() * dice.range(0.05, 0.4), dice.range(0.5, 0.85));
        let to = [x + dice.bell(0.07), y + dice.bell(0.07)];
        canvas.line(&[[x, y], to], 0.028, ink(0xeedfc4).cover(0.9));
    }
}

/// A flipper from shoulder (bottom) to tip (top), leading edge on the left, `size` pixels long.
pub(super) fn flipper(palette: &Palette, dice: &mut Dice, size: u32, rows: usize) -> Texture {
    let mut canvas = Canvas::new(size * 2 / 5, size, [-HALF_CHORD, 0.0], [HALF_CHORD, 1.0]);
    canvas.flood(palette.skin);
    let mut seeds = Vec::new();
    for row in 0..rows {
        let y = (row as f32 + 0.5) / rows as f32;
        // large scales along the leading edge, finer behind
        let mut x = -HALF_CHORD * dice.range(0.85, 1.0);
        let mut step = 1.3 / rows as f32;
        while x < HALF_CHORD {
            seeds.push([x, y + dice.bell(0.25 / rows as f32)]);
            x += step * dice.range(0.75, 1.2);
            step = (step * 0.86).max(0.55 / rows as f32);
        }
    }
    let pale = dice.range(0.0, 0.25);
    for (seed, shape) in seeds.iter().zip(cells(&seeds, [-HALF_CHORD, 0.0], [HALF_CHORD, 1.0])) {
        let middle = centre(&shape);
        let tone: Ink = if dice.chance(0.25) {
            palette.scale.mix(palette.dark, dice.range(0.4, 0.9))
        } else if dice.chance(0.2) {
            palette.scale.mix(palette.skin, dice.range(0.3, 0.6))
        } else {
            palette.scale.bright(dice.range(0.8, 1.15))
        };
        let edge = smooth(0.11, 0.17, seed[0]) * 0.6 + pale;
        canvas.fill_round(&inset(&shape, middle, 0.085 / rows as f32), 0.5, tone.mix(palette.skin, edge.min(0.7)));
        canvas.fill_round(&shrink(&shape, middle, 0.55), 0.8, palette.dark.cover(0.3));
    }
    for _ in 0..dice.below(2) {
        let y = dice.range(0.2, 0.8);
        canvas.line(&[[-0.1, y], [dice.bell(0.06), y + dice.bell(0.05)]], 0.03, palette.belly.cover(0.9));
    }
    finish(&canvas, dice.word(), 40.0)
}

/// The underside, tail and whatever is not seen much: cream with a little dirt, `size` pixels square.
pub(super) fn belly(palette: &Palette, dice: &mut Dice, size: u32) -> Texture {
    let mut canvas = Canvas::new(size, size, [-1.0, -1.0], [1.0, 1.0]);
    canvas.flood(palette.belly);
    for k in 0..6 {
        let y = -0.75 + k as f32 * 0.3;
        canvas.line(&[[-0.8, y], [0.0, y + 0.04], [0.8, y]], 0.02, palette.shell.cover(0.5));
    }
    canvas.line(&[[0.0, -1.0], [0.0, 1.0]], 0.02, palette.shell.cover(0.5));
    finish(&canvas, dice.word(), 16.0)
}

fn finish(canvas: &Canvas, key: u32, grain: f32) -> Texture {
    let mut texture = Texture::new(canvas);
    texture.retouch(|u, v, t| {
        let k = mix(0.8, 1.2, cloud(u * grain, v * grain, 2, key));
        t[0] *= k;
        t[1] *= k;
        t[2] *= k;
    });
    texture
}
