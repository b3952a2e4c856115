//! Takes one photo: an animal, a scene, a pose, a camera, and what chance adds.
//!
//! The order is that of the light: backdrop, what is behind, the animal with its shadow, what is before, the lens.

use super::backdrop::Surroundings;
use super::body::{Mesh, Posture, Skin, body};
use super::camera::{Camera, View, attitude};
use super::caustics::Caustics;
use super::clutter;
use super::dice::{Dice, For};
use super::individual::Individual;
use super::lens::{Exposure, Light};
use super::maths::{Turn, V3, v3};
use super::raster::{Samples, shade_mask};
use super::scene::{Floor, Scene};
use image::RgbImage;
use std::f32::consts::FRAC_PI_2;

/// Samples along a pixel's side: edges and seams stay clean.
const FINE: usize = 2;

/// Which side of the animal the camera sees.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Side {
    Left,
    Right,
}

/// The side of a photo: the first draw of its stream, so that the table need not draw the photo.
pub(super) fn side(dice: &mut Dice) -> Side {
    if dice.chance(0.5) { Side::Left } else { Side::Right }
}

/// The first photo of the burst that a photo belongs to: a photo follows the one before it within a second or two as
/// often as not. Near-duplicates of an encounter are what makes a careless evaluation look good.
pub(super) fn first_of_burst(seed: u64, individual: usize, encounter: usize, photo: usize) -> usize {
    let follows = |photo: usize| Dice::new(seed, For::Burst, individual, encounter, photo).chance(0.5);
    (1..=photo).rev().find(|&p| !follows(p)).unwrap_or(0)
}

/// Takes the photo of a stream on which nothing was drawn yet. Where it follows another in a burst, `first` is the
/// stream of the burst's first photo, on which nothing was drawn either.
pub(super) fn take(
    animal: &Individual,
    scene: &Scene,
    width: u32,
    height: u32,
    first: Option<&mut Dice>,
    dice: &mut Dice,
) -> RgbImage {
    let moment = match first {
        Some(first) => Moment::draw(scene, first).later(dice),
        None => Moment::draw(scene, dice),
    };
    let Moment { scene, posture, view, .. } = &moment;
    let turn = attitude(moment.heading, moment.pitch, moment.lean);
    let caustics = Caustics::draw(dice);
    let around = Surroundings { scene, caustics: &caustics, drift: [dice.range(0.0, 6.0), dice.range(0.0, 6.0)] };

    let parts = body(&animal.shell, &animal.build, posture, turn);
    let points =
        |skin: Skin| parts.iter().filter(|p| p.skin == skin).flat_map(|p| &p.corners).map(|c| c.at).collect::<Vec<_>>();
    let (w, h) = (width as usize, height as usize);
    let camera = Camera::fit(view, width as f32, height as f32, &points(Skin::Carapace), &points(Skin::Head));

    let samples = surfaces(&parts, animal, &camera, turn, w, h);
    let seen: Vec<(V3, f32)> = (0..w * h).map(|i| lit(&samples, i, w, &camera, &around)).collect();

    let shadow = shadow(&parts, scene, &camera, w, h);
    let pixels = (0..w * h)
        .map(|i| {
            // what the animal hides need not be painted
            if seen[i].1 == 1.0 {
                return V3::default();
            }
            around.look(&camera, (i % w) as f32 + 0.5, (i / w) as f32 + 0.5, shadow[i])
        })
        .collect();
    let mut light = Light { width: w, height: h, pixels };

    let high = height as f32 / width as f32 * 0.5;
    let mut behind = clutter::sheet(width, height);
    clutter::school(&mut behind, scene, dice);
    light.cover(&behind);
    let grass = around.grass(&camera, width, height, dice);
    if let Some([far, _]) = &grass {
        light.cover(far);
    }

    for (pixel, (colour, cover)) in light.pixels.iter_mut().zip(&seen) {
        *pixel = *pixel * (1.0 - cover) + *colour;
    }

    if let Some([_, near]) = &grass {
        light.cover(near);
    }
    let mut before = clutter::sheet(width, height);
    clutter::cover(&mut before, scene, high, dice);
    clutter::specks(&mut before, scene, high, dice);
    light.cover(&before);
    let exposure = Exposure::draw(scene, dice);
    light.develop(&exposure, dice)
}

/// What the photos of a burst share: how the animal lies in the water, and where the camera is.
struct Moment {
    scene: Scene,
    heading: f32,
    pitch: f32,
    lean: f32,
    posture: Posture,
    view: View,
}

impl Moment {
    fn draw(scene: &Scene, dice: &mut Dice) -> Moment {
        let side = side(dice);
        let scene = scene.moment(dice);
        let heading = match side {
            Side::Left => FRAC_PI_2 + scene.swing,
            Side::Right => -FRAC_PI_2 - scene.swing,
        };
        // it leans a little towards the camera, which shows more of the shell
        let lean = if side == Side::Left { -0.2 } else { 0.2 };
        let (pitch, lean) = (dice.bell(0.07), lean + dice.bell(0.07));
        let posture = posture(dice);
        let view = View {
            elevation: scene.elevation,
            roll: dice.bell(0.05),
            half_field: dice.range(0.36, 0.5),
            fill: dice.range(0.68, 0.84),
            offset: if dice.chance(0.15) {
                [dice.bell(0.13), dice.bell(0.08)]
            } else {
                [dice.bell(0.03), dice.bell(0.025)]
            },
        };
        Moment { scene, heading, pitch, lean, posture, view }
    }

    /// A second later: nearly the same.
    fn later(mut self, dice: &mut Dice) -> Moment {
        self.heading += dice.bell(0.03);
        self.pitch += dice.bell(0.02);
        self.lean += dice.bell(0.02);
        for angle in self.posture.flap.iter_mut().chain(&mut self.posture.sweep).chain(&mut self.posture.look) {
            *angle += dice.bell(0.06);
        }
        self.view.roll += dice.bell(0.01);
        self.view.fill *= 1.0 + dice.bell(0.015);
        self.view.offset = self.view.offset.map(|o| o + dice.bell(0.01));
        self
    }
}

fn posture(dice: &mut Dice) -> Posture {
    let stroke = dice.range(-0.5, 0.45);
    let sweep = dice.range(-0.45, 0.25);
    let mut two = |about: f32, d: f32| [about + dice.bell(d), about + dice.bell(d)];
    Posture {
        flap: two(stroke, 0.1),
        sweep: two(sweep, 0.14),
        twist: two(-0.25, 0.15),
        hind: two(0.0, 0.2),
        look: two(0.0, 0.16),
    }
}

/// The animal's surfaces as the camera meets them.
fn surfaces(parts: &[Mesh], animal: &Individual, camera: &Camera, turn: Turn, w: usize, h: usize) -> Samples {
    let mut samples = Samples::new(w * FINE, h * FINE);
    let fine = camera.enlarged(FINE as f32);
    let (across, along) = (turn.of(v3(1.0, 0.0, 0.0)), turn.of(v3(0.0, 1.0, 0.0)));
    for part in parts {
        let skin = animal.skin(part.skin);
        if part.skin == Skin::Carapace {
            samples.draw(part, &fine, |[u, v], normal| {
                let [r, g, b, _] = skin.at(u, v);
                let [du, dv, _, _] = animal.relief.at(u, v);
                (v3(r, g, b), normal - across * (du * 0.032) + along * (dv * 0.032))
            });
        } else {
            samples.draw(part, &fine, |[u, v], normal| {
                let [r, g, b, _] = skin.at(u, v);
                (v3(r, g, b), normal)
            });
        }
    }
    samples
}

/// Pixel `i` of the animal, lit and seen through the water: colour (premultiplied) and cover.
fn lit(samples: &Samples, i: usize, w: usize, camera: &Camera, around: &Surroundings) -> (V3, f32) {
    let (x, y) = (i % w, i / w);
    let (p, cover) = samples.pixel(x, y, FINE);
    if cover == 0.0 {
        return (V3::default(), 0.0);
    }
    let s = around.scene;
    let way = camera.ray(x as f32 + 0.5, y as f32 + 0.5);
    let long = way.dot(way).sqrt();
    let at = camera.eye + way * p.depth;
    let round = s.bounce.mix(s.sky, 0.5 + 0.5 * p.normal.z) * p.open;
    let facing = p.normal.dot(s.sun_way).max(0.0);
    let web = around.web(at) * p.open;
    // wet scutes shine a little
    let half = (s.sun_way - way * (1.0 / long)).unit();
    let k = p.normal.dot(half).max(0.0);
    let k2 = k * k;
    let k8 = k2 * k2 * k2 * k2;
    let shine = k8 * k8 * 0.035 * web;
    let light = p.albedo.times(round + s.sun * (facing * web)) + s.sun * shine;
    (s.through(light, p.depth * long, s.open_water(way)) * cover, cover)
}

/// Where the animal takes the sun from the floor, 0 to 1 for each pixel.
fn shadow(parts: &[Mesh], scene: &Scene, camera: &Camera, w: usize, h: usize) -> Vec<f32> {
    let mut mask = vec![0.0; w * h];
    if scene.floor == Floor::None {
        return mask;
    }
    for part in parts {
        shade_mask(&mut mask, w, h, part, |p: V3| {
            let k = (p.z + scene.floor_depth).max(0.0) / scene.sun_way.z;
            let (q, depth) = camera.project(p - scene.sun_way * k);
            (depth > 0.3).then_some(q)
        });
    }
    // softer the higher the animal swims
    let reach = (w as f32 * 0.012 * (0.5 + scene.floor_depth)) as usize;
    for _ in 0..2 {
        mask = box_blur(&mask, w, h, reach.max(1));
    }
    mask.iter_mut().for_each(|m| *m *= 0.75);
    mask
}

/// The mean over a square of `2 * reach + 1` pixels.
fn box_blur(from: &[f32], w: usize, h: usize, reach: usize) -> Vec<f32> {
    let line = |get: &dyn Fn(usize) -> f32, n: usize, put: &mut dyn FnMut(usize, f32)| {
        let mut sum: f32 = (0..reach.min(n)).map(get).sum();
        for i in 0..n {
            if i + reach < n {
                sum += get(i + reach);
            }
            if i > reach {
                sum -= get(i - reach - 1);
            }
            put(i, sum / (2 * reach + 1) as f32);
        }
    };
    let mut rows = vec![0.0; from.len()];
    for y in 0..h {
        line(&|x| from[y * w + x], w, &mut |x, v| rows[y * w + x] = v);
    }
    let mut out = vec![0.0; from.len()];
    for x in 0..w {
        line(&|y| rows[y * w + x], h, &mut |y, v| out[y * w + x] = v);
    }
    out
}
