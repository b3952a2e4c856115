//! What the photos of one encounter share: water, light, floor, and the camera's white balance.
//!
//! These decide the raw colours of a photo, far more than the animal does. They are drawn for the encounter, not
//! for the individual: who trusts them finds the day, not the turtle. Knows nothing of the animal.

use super::colour::{Ink, ink};
use super::dice::Dice;
use super::maths::{V3, cos, exp, ln, mix, sin, v3};

/// What lies under the animal.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Floor {
    /// Open water.
    None,
    Sand,
    Rubble,
    Meadow,
}

/// The conditions of an encounter. Colours are linear light.
#[derive(Clone, Debug)]
pub(super) struct Scene {
    /// What the water scatters, at the level of the animal.
    pub(super) water: V3,
    /// Loss of light on the way to the camera, per unit of distance.
    pub(super) haze: V3,
    /// Towards the sun.
    pub(super) sun_way: V3,
    pub(super) sun: V3,
    /// Light from all around, from above and from below.
    pub(super) sky: V3,
    pub(super) bounce: V3,
    /// Strength and grain of the light web.
    pub(super) caustics: f32,
    pub(super) web: f32,
    /// Strength of the shafts of light.
    pub(super) shafts: f32,
    pub(super) floor: Floor,
    /// How far the floor lies below the animal.
    pub(super) floor_depth: f32,
    pub(super) ground: [Ink; 2],
    /// Places the floor's pattern.
    pub(super) key: u32,
    pub(super) blades: usize,
    pub(super) school: usize,
    /// Specks per photo.
    pub(super) specks: usize,
    /// Gains of the camera for red, green, blue.
    pub(super) balance: V3,
    pub(super) exposure: f32,
    pub(super) contrast: f32,
    /// Usual elevation of the camera, radians.
    pub(super) elevation: f32,
    /// How far the animal usually turns away from the camera, radians: who dives beside it keeps to one place.
    pub(super) swing: f32,
    /// Minutes since midnight.
    pub(super) minute: u32,
}

const WATERS: &[u32] = &[
    0x0a4f93, 0x1577b5, 0x2196c4, 0x2fb0b8, 0x1f8a7e, 0x2c7a5a, 0x4a8a6a, 0x6fa8a6, 0x4f7784, 0x16407c, 0x5f9a8a,
    0x0f6a86,
];
const SANDS: &[u32] = &[0xd9c79d, 0xc5ad7f, 0xe6d9ba, 0xa89468, 0xa9a595];
const STONES: &[u32] = &[0x6e655a, 0x8a7a63, 0x565f58, 0x7a6a70, 0x93907e];
const GRASSES: &[u32] = &[0x4a6b2a, 0x5d7a35, 0x3d5c36, 0x77803c];

impl Scene {
    pub(super) fn draw(dice: &mut Dice) -> Scene {
        let (a, b) = (*dice.pick(WATERS), *dice.pick(WATERS));
        let tint = ink(a).mix(ink(b), dice.range(0.0, 0.5)).bright(dice.range(0.75, 1.12));
        let water = tint.light();
        let peak = water.x.max(water.y).max(water.z);
        // what the water does not scatter it swallows
        let pure = water.map(|c| c / peak);
        let clear = dice.range(0.76, 0.97);
        let loss = -ln(clear) / 3.0;
        let haze = pure.map(|c| loss * (1.45 - 0.75 * c));

        // the hour decides height and warmth of the sun
        let minute = 360 + dice.below(720) as u32;
        let noon = 1.0 - (minute as f32 - 720.0).abs() / 400.0;
        let slope = mix(0.95, 0.15, noon.max(0.0)) + dice.bell(0.05);
        let around = dice.range(-2.6, 2.6);
        let sun_way = v3(sin(around) * sin(slope), -cos(around) * sin(slope), cos(slope));
        let deep = dice.range(0.08, 0.42);
        let filtered = v3(1.0, 1.0, 1.0).mix(pure.map(|c| 0.25 + 0.75 * c), deep);
        let warm = v3(1.0, 0.95, 0.86).mix(v3(1.0, 0.8, 0.55), (1.0 - noon).max(0.0) * 0.7);
        let strength = dice.range(0.6, 1.5) * mix(0.6, 1.0, noon.max(0.0));
        let sun = filtered.times(warm) * strength;
        let sky = filtered.times(v3(0.5, 0.62, 0.68)).mix(pure * 0.6, deep * 0.6);

        let floor = match dice.below(20) {
            0..5 => Floor::None,
            5..12 => Floor::Sand,
            12..16 => Floor::Rubble,
            _ => Floor::Meadow,
        };
        let (from, other) = match floor {
            Floor::Sand | Floor::None => (SANDS, SANDS),
            Floor::Rubble => (STONES, SANDS),
            Floor::Meadow => (GRASSES, SANDS),
        };
        let ground = [ink(*dice.pick(from)), ink(*dice.pick(other))].map(|c| c.bright(1.0 + dice.bell(0.08)));
        let back = if floor == Floor::None { water * 0.35 } else { ground[0].light().times(filtered) * 0.32 };

        // a camera set for the surface leaves the cast, one set by hand takes most of it out
        let correct = dice.range(0.35, 0.95);
        let mean = (filtered.x + filtered.y + filtered.z) / 3.0;
        let balance = filtered.map(|c| mix(1.0, mean / c, correct));
        let balance = v3(balance.x * (1.0 + dice.bell(0.06)), balance.y, balance.z * (1.0 + dice.bell(0.06)));
        Scene {
            water,
            haze,
            sun_way,
            sun,
            sky,
            bounce: back,
            caustics: dice.range(0.0, 0.6) * mix(1.0, 0.4, deep),
            web: dice.range(0.55, 1.2),
            shafts: dice.range(-0.3, 0.8).max(0.0),
            floor,
            floor_depth: match floor {
                Floor::Meadow => dice.range(0.45, 1.0),
                _ => dice.range(0.35, 1.8),
            },
            ground,
            key: dice.word(),
            blades: 500 + dice.below(500),
            school: if dice.chance(0.35) { 2 + dice.below(7) } else { 0 },
            specks: (dice.range(0.0, 60.0) * (1.3 - clear)) as usize + dice.below(14),
            balance,
            exposure: dice.range(0.8, 1.2),
            contrast: dice.range(0.9, 1.15),
            elevation: dice.range(0.62, 1.08),
            swing: dice.range(-0.28, 0.28),
            minute,
        }
    }

    /// The same scene a moment later: waves, a cloud of sand, a camera that sets itself anew for each photo.
    pub(super) fn moment(&self, dice: &mut Dice) -> Scene {
        let elevation = (self.elevation + dice.bell(0.07)).clamp(0.3, 1.25);
        let swing = dice.bell(0.07);
        let mut near = |d: f32| 1.0 + dice.bell(d);
        let tint = v3(near(0.08), near(0.05), near(0.05)) * near(0.06);
        let balance = v3(near(0.035), 1.0, near(0.035));
        Scene {
            water: self.water.times(tint),
            haze: self.haze * near(0.12),
            sun: self.sun * near(0.1),
            sky: self.sky * near(0.07),
            balance: self.balance.times(balance),
            exposure: self.exposure * near(0.06),
            contrast: self.contrast * near(0.03),
            elevation,
            swing: self.swing + swing,
            ..self.clone()
        }
    }

    /// The water's own light in this direction (of any length): bright above, dark below.
    pub(super) fn open_water(&self, way: V3) -> V3 {
        let up = way.z / way.dot(way).sqrt();
        let k = if up > 0.0 { 1.0 + 1.5 * up } else { 1.0 + 0.62 * up };
        let pale = self.water.mix(self.sky + self.sun * 0.3, (up * 0.7).clamp(0.0, 0.6));
        pale * k
    }

    /// What is left of `colour` after `distance` through the water, with the water's light in between.
    pub(super) fn through(&self, colour: V3, distance: f32, veil: V3) -> V3 {
        let left = self.haze.map(|h| exp(-h * distance));
        colour.times(left) + veil.times(left.map(|t| 1.0 - t))
    }
}
