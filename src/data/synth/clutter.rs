//! What gets into the picture: fish, a diver's fin, leaves close to the lens, the edge of a housing, specks.
//!
//! Drawn flat, in units of the frame's width with the middle at the origin. Some lie behind the animal, some hide a
//! part of it. Knows the scene's light, not the individual.

use super::backdrop::picture;
use super::canvas::Canvas;
use super::colour::{Ink, ink};
use super::dice::Dice;
use super::maths::{P2, V3, cos, mix, sin, v3};
use super::scene::{Floor, Scene};

/// A canvas for a frame of this size.
pub(super) fn sheet(width: u32, height: u32) -> Canvas {
    let high = height as f32 / width as f32 * 0.5;
    Canvas::new(width, height, [-0.5, -high], [0.5, high])
}

/// An ink under this scene's light, at a distance.
fn lit(scene: &Scene, colour: Ink, distance: f32) -> Ink {
    let light = scene.sky + scene.sun * 0.5;
    picture(scene.through(colour.light().times(light), distance, scene.water))
}

const FISH: &[[u32; 2]] =
    &[[0x9fb3bd, 0x45606f], [0xc9b25a, 0x5f5a38], [0x8c8f86, 0x2e3230], [0xb8c7c9, 0x2a6a8f], [0x6f7f6a, 0x39452f]];

/// A school behind the animal.
pub(super) fn school(canvas: &mut Canvas, scene: &Scene, dice: &mut Dice) {
    if scene.school == 0 {
        return;
    }
    let kind = FISH[scene.key as usize % FISH.len()];
    let (way, middle) = (dice.sign(), [dice.range(-0.4, 0.4), dice.range(0.02, 0.3)]);
    for _ in 0..scene.school {
        let at = [middle[0] + dice.bell(0.16), middle[1] + dice.bell(0.09)];
        let long = dice.range(0.035, 0.07);
        fish(canvas, scene, kind, at, [long * way, dice.bell(0.12)], dice.range(4.0, 6.5));
    }
}

/// One fish; `aim` is its length with the sign of its direction, and its slope.
fn fish(canvas: &mut Canvas, scene: &Scene, kind: [u32; 2], at: P2, aim: [f32; 2], distance: f32) {
    let [long, slope] = aim;
    let (s, c) = (sin(slope), cos(slope));
    let to = |x: f32, y: f32| {
        let (x, y) = (x * long, y * long.abs());
        [at[0] + x * c - y * s, at[1] + x * s + y * c]
    };
    let [pale, dark] = kind.map(|hex| lit(scene, ink(hex), distance));
    let shape = |points: &[P2]| points.iter().map(|p| to(p[0], p[1])).collect::<Vec<P2>>();
    canvas.fill_round(&shape(&[[-0.38, 0.0], [-0.56, 0.2], [-0.5, 0.0], [-0.56, -0.2]]), 0.2, dark);
    canvas.fill_round(&shape(&[[-0.12, 0.14], [0.0, 0.29], [0.2, 0.15]]), 0.3, dark);
    canvas.fill_round(&shape(&[[-0.1, -0.13], [-0.04, -0.25], [0.1, -0.13]]), 0.3, dark);
    let body = [
        [0.5, 0.0],
        [0.34, 0.13],
        [0.05, 0.2],
        [-0.25, 0.1],
        [-0.42, 0.03],
        [-0.42, -0.03],
        [-0.25, -0.1],
        [0.05, -0.2],
        [0.34, -0.13],
    ];
    canvas.fill_round(&shape(&body), 0.8, pale);
    canvas.fill_round(
        &shape(&[[0.4, 0.04], [0.3, 0.13], [0.05, 0.19], [-0.25, 0.09], [-0.4, 0.03], [0.0, 0.07]]),
        0.6,
        dark.cover(0.75),
    );
    canvas.line(&shape(&[[0.22, -0.08], [0.24, 0.02], [0.21, 0.1]]), long.abs() * 0.02, dark.cover(0.8));
    canvas.dot(to(0.35, 0.03), [long.abs() * 0.035; 2], ink(0x101010));
}

/// Something before the animal, now and then.
pub(super) fn cover(canvas: &mut Canvas, scene: &Scene, high: f32, dice: &mut Dice) {
    match dice.below(30) {
        0..3 => {
            let kind = *dice.pick(FISH);
            let at = [dice.range(-0.35, 0.35), dice.range(-high, high) * 0.9];
            let long = dice.range(0.12, 0.22) * dice.sign();
            fish(canvas, scene, kind, at, [long, dice.bell(0.2)], 1.6);
        }
        3..5 => diver(canvas, scene, high, dice),
        5..8 if scene.floor != Floor::None => leaves(canvas, scene, high, dice),
        8 => housing(canvas, high, dice),
        _ => {}
    }
}

/// The fin of a diver who swims ahead, from a side of the frame.
fn diver(canvas: &mut Canvas, scene: &Scene, high: f32, dice: &mut Dice) {
    let side = dice.sign();
    let (x, y) = (side * 0.56, dice.sign() * high * dice.range(0.5, 1.0));
    let (reach, wide) = (dice.range(0.2, 0.34), dice.range(0.06, 0.09));
    let turn = dice.bell(0.3);
    let to = |along: f32, off: f32| {
        let (a, o) = (-side * along, off);
        [x + a * cos(turn) - o * sin(turn), y + a * sin(turn) + o * cos(turn)]
    };
    let hue = *dice.pick(&[0x1c1d20, 0x2a2c30, 0xd8b81f, 0x1f5fa8]);
    let (rubber, rib) = (lit(scene, ink(0x141416), 1.2), lit(scene, ink(hue), 1.2));
    let blade = [
        to(-0.1, wide * 0.55),
        to(reach, wide * 1.15),
        to(reach * 1.04, 0.0),
        to(reach, -wide * 1.15),
        to(-0.1, -wide * 0.55),
    ];
    canvas.fill_round(&blade, 0.25, rib);
    for off in [0.8, -0.8, 0.0] {
        canvas.line(&[to(-0.1, wide * 0.5 * off), to(reach * 0.97, wide * off)], 0.012, rubber);
    }
}

/// Leaves that hang or stand close before the lens.
fn leaves(canvas: &mut Canvas, scene: &Scene, high: f32, dice: &mut Dice) {
    let root = dice.range(-0.5, 0.5);
    for _ in 0..3 + dice.below(5) {
        let x = root + dice.bell(0.09);
        let (tall, lean) = (high * dice.range(0.6, 1.35), dice.bell(0.11));
        let half = dice.range(0.007, 0.014);
        let line = |t: f32| [x + lean * t * t + 0.012 * sin(t * 5.0 + x * 40.0), -high * 1.05 + tall * t];
        let mut shape: Vec<P2> = (0..=6).map(|k| line(k as f32 / 6.0)).map(|p| [p[0] - half, p[1]]).collect();
        shape.extend((0..=6).rev().map(|k| line(k as f32 / 6.0)).map(|p| [p[0] + half, p[1]]));
        let green = ink(0x5b7a33).mix(ink(0x8a7f3c), dice.unit()).bright(dice.range(0.6, 1.1));
        canvas.fill_round(&shape, 0.4, lit(scene, green, 0.8));
    }
}

/// The dark corner of a camera's housing.
fn housing(canvas: &mut Canvas, high: f32, dice: &mut Dice) {
    let (sx, sy) = (dice.sign(), dice.sign());
    let (w, h) = (dice.range(0.08, 0.2), dice.range(0.08, 0.2));
    let corner = [sx * 0.52, sy * (high + 0.02)];
    let shape = [
        corner,
        [corner[0] - sx * w, corner[1]],
        [corner[0] - sx * w * 0.3, corner[1] - sy * h * 0.3],
        [corner[0], corner[1] - sy * h],
    ];
    canvas.fill_round(&shape, 0.3, ink(0x07090a).cover(0.93));
}

/// Specks that the light picks out between camera and animal: few and large, many and small.
pub(super) fn specks(canvas: &mut Canvas, scene: &Scene, high: f32, dice: &mut Dice) {
    let light: V3 = scene.sky + scene.sun * 0.4 + scene.water;
    let tone = picture(light.mix(v3(0.8, 0.8, 0.8), 0.4));
    for _ in 0..scene.specks {
        let at = [dice.range(-0.5, 0.5), dice.range(-high, high)];
        let near = dice.unit();
        let r = mix(0.0016, 0.009, near * near * near);
        let faint = mix(0.5, 0.16, near);
        canvas.dot(at, [r, r], tone.cover(faint * 0.6));
        canvas.dot(at, [r * 0.6, r * 0.6], tone.cover(faint));
    }
}
