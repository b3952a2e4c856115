//! Paints what lies behind the animal: open water with shafts of light, or a floor of sand, rubble or grass.
//!
//! One look along each pixel's ray, in linear light; grass is drawn blade by blade on top, and blades that stand
//! nearer than the animal are kept apart, to go over it. Knows the scene, not the individual.

use super::camera::Camera;
use super::canvas::Canvas;
use super::caustics::Caustics;
use super::colour::{Ink, encode};
use super::dice::Dice;
use super::maths::{P2, V3, cloud, floor, lattice, mix, noise, sin, smooth, v3};
use super::scene::{Floor, Scene};

/// What one photo adds to its encounter's surroundings.
pub(super) struct Surroundings<'a> {
    pub(super) scene: &'a Scene,
    pub(super) caustics: &'a Caustics,
    /// Where the animal is above the floor's pattern.
    pub(super) drift: P2,
}

impl Surroundings<'_> {
    /// Sunlight at a point below the waves: about one, more in the web's lines.
    pub(super) fn web(&self, at: V3) -> f32 {
        let s = self.scene;
        let k = at.z / s.sun_way.z;
        let (x, y) = (at.x - s.sun_way.x * k + self.drift[0], at.y - s.sun_way.y * k + self.drift[1]);
        let scale = s.web * 0.42;
        1.0 + s.caustics * (self.caustics.at(x * scale, y * scale) - 1.0)
    }

    /// What a ray from the eye meets; `shadow` is how much of the sun the animal takes away there.
    pub(super) fn look(&self, camera: &Camera, x: f32, y: f32, shadow: f32) -> V3 {
        let s = self.scene;
        let way = camera.ray(x, y);
        let mut water = s.open_water(way);
        water = water + self.shafts(way) + self.surface(camera, way);
        let floor = -s.floor_depth;
        if s.floor == Floor::None || way.z > -0.02 {
            return water;
        }
        let t = (floor - camera.eye.z) / way.z;
        let at = camera.eye + way * t;
        let distance = t * way.dot(way).sqrt();
        let (albedo, slope) = self.ground(at, distance);
        let slant = (s.sun_way.z + slope.dot(s.sun_way)).max(0.0);
        let light = s.sky * (1.0 - 0.35 * shadow) + s.sun * (slant * self.web(at) * (1.0 - shadow));
        s.through(albedo.times(light), distance, water)
    }

    /// Colour of the floor at a point, and how it slopes.
    fn ground(&self, at: V3, distance: f32) -> (V3, V3) {
        let s = self.scene;
        let (x, y) = (at.x + self.drift[0], at.y + self.drift[1]);
        let [one, two] = s.ground.map(Ink::light);
        // fine grain would flicker far away
        let fine = 1.0 / (1.0 + distance * 0.12);
        let patch = cloud(x * 0.55, y * 0.55, 3, s.key);
        match s.floor {
            Floor::Sand | Floor::None => {
                let bend = cloud(x * 0.5, y * 0.5, 2, s.key ^ 3) * 9.0;
                let wave = sin(y * 9.0 + x * 2.5 + bend) * 0.16 * fine;
                let grain = mix(1.0, 0.8 + 0.4 * noise(x * 31.0, y * 31.0, s.key ^ 7), fine);
                let tone = one.mix(two, smooth(0.3, 0.7, patch)) * (grain * (0.78 + 0.44 * patch));
                (tone, v3(wave * 0.3, wave, 0.0))
            }
            Floor::Rubble => {
                let mut tone = two.mix(one, 0.35 * patch) * (0.7 + 0.45 * noise(x * 25.0, y * 25.0, s.key ^ 7) * fine);
                let mut slope = V3::default();
                let bed = cloud(x * 0.45, y * 0.45, 2, s.key ^ 61);
                // gravel, pebbles, boulders: the larger lie on the smaller
                for (scale, often, key) in [(6.5, 0.75, 31), (2.6, 0.6, 41), (0.95, 0.5, 51)] {
                    let (way, far, which) = stone(x * scale, y * scale, s.key ^ key);
                    if bed + 0.3 * which < 1.15 - often {
                        continue;
                    }
                    if far > 0.95 {
                        continue;
                    }
                    let rough = noise(x * scale * 4.0, y * scale * 4.0, s.key ^ 11);
                    let size = (0.22 + 0.3 * which) * (0.8 + 0.4 * rough);
                    let on = 1.0 - smooth(size * 0.88, size, far);
                    // the gap around a stone gets little light
                    tone = tone * mix(1.0, 0.55, 1.0 - smooth(size, size * 1.5, far));
                    if on == 0.0 {
                        continue;
                    }
                    let crust = cloud(x * scale * 5.0, y * scale * 5.0, 2, s.key ^ 13);
                    tone = tone.mix(one * ((0.45 + 0.8 * which) * (0.55 + 0.8 * crust)), on);
                    slope = slope.mix(way * (0.75 / size) + v3(rough - 0.5, crust - 0.5, 0.0) * 0.5, on);
                }
                (tone, slope)
            }
            Floor::Meadow => {
                let bare = smooth(0.62, 0.72, patch);
                let tuft = cloud(x * 7.0, y * 3.0, 2, s.key ^ 17);
                let tone = one * (0.3 + 0.6 * tuft);
                (tone.mix(two * 0.8, bare), V3::default())
            }
        }
    }

    /// Shafts of sunlight that fan out from above.
    fn shafts(&self, way: V3) -> V3 {
        let s = self.scene;
        if s.shafts <= 0.0 {
            return V3::default();
        }
        let fan = way.x / (way.z + 1.6 + 0.001) - s.sun_way.x * 0.8;
        let beams =
            noise(fan * 9.0 + 31.0 + self.drift[0], 0.5, s.key ^ 21) * noise(fan * 23.0 + 77.0, 3.5, s.key ^ 22);
        let fade = smooth(-0.75, 0.35, way.z);
        (s.sun * 0.25 + s.water * 0.8) * (s.shafts * fade * beams * 1.2)
    }

    /// The surface from below.
    fn surface(&self, camera: &Camera, way: V3) -> V3 {
        let s = self.scene;
        if way.z < 0.04 {
            return V3::default();
        }
        let t = (3.2 - camera.eye.z).max(0.8) / way.z;
        let at = camera.eye + way * t;
        let glint = self.caustics.at(at.x * 0.16 + self.drift[0], at.y * 0.1);
        let fade = smooth(0.04, 0.3, way.z);
        (s.sky * 0.5 + s.sun * 0.35) * (fade * (0.35 + 0.65 * glint))
    }

    /// Grass, far to near. Returns the blades before the animal and those that stand between it and the camera.
    pub(super) fn grass(&self, camera: &Camera, width: u32, height: u32, dice: &mut Dice) -> Option<[Canvas; 2]> {
        let s = self.scene;
        if s.floor != Floor::Meadow {
            return None;
        }
        let size = [width as f32, height as f32];
        let mut layers = [0, 1].map(|_| Canvas::new(width, height, [0.0, -size[1]], [size[0], 0.0]));
        // even over the picture, not over the floor: a meadow is dense far away; some stand below the frame
        let mut roots: Vec<P2> = (0..s.blades)
            .filter_map(|_| {
                let way = camera.ray(dice.range(-0.1, 1.1) * size[0], dice.range(0.0, 1.25) * size[1]);
                let t = (-s.floor_depth - camera.eye.z) / way.z.min(-0.05);
                let at = camera.eye + way * t;
                let clump = noise((at.x + self.drift[0]) * 1.3, (at.y + self.drift[1]) * 1.3, s.key ^ 19);
                (t < 14.0 && clump > dice.range(0.1, 0.6)).then_some([at.x, at.y])
            })
            .collect();
        roots.sort_by(|a, b| b[1].total_cmp(&a[1]));
        let sway = dice.bell(0.2);
        for root in roots {
            let long = dice.range(0.3, 0.8) * s.floor_depth.max(0.6);
            let lean = [sway + dice.bell(0.16), dice.bell(0.12)];
            let shade = dice.range(0.55, 1.25);
            let (before, place) = (root[1] < -1.0, v3(root[0], root[1], -s.floor_depth));
            let at = |t: f32| camera.project(place + v3(lean[0] * t * t, lean[1] * t * t, long * t));
            let (_, depth) = at(0.0);
            if depth < 0.6 || (before && dice.chance(0.6)) {
                continue;
            }
            let half = camera.scale(depth) * 0.02 * dice.range(0.7, 1.5);
            let points: Vec<P2> = (0..=4).map(|k| at(k as f32 / 4.0).0).collect();
            let mut shape: Vec<P2> =
                points.iter().enumerate().map(|(k, p)| [p[0] - half * (1.0 - k as f32 / 4.4), -p[1]]).collect();
            shape.extend(points.iter().enumerate().rev().map(|(k, p)| [p[0] + half * (1.0 - k as f32 / 4.4), -p[1]]));
            let leaf = s.ground[0].light() * shade;
            let lit = leaf.times(s.sky + s.sun * 0.55);
            let veil = s.open_water(camera.ray(points[0][0], points[0][1]));
            layers[usize::from(before)].fill(&shape, picture(s.through(lit, depth, veil)));
        }
        Some(layers)
    }
}

/// Light as an opaque ink.
pub(super) fn picture(light: V3) -> Ink {
    let c = light.map(|x| encode(x) / 255.0);
    Ink { r: c.x, g: c.y, b: c.z, a: 1.0 }
}

/// The nearest stone of a layer: the way from its middle, the distance, and a number of its own.
fn stone(x: f32, y: f32, key: u32) -> (V3, f32, f32) {
    let (fx, fy) = (floor(x), floor(y));
    let (mut first, mut way, mut cell) = (9.0f32, V3::default(), (0, 0));
    for j in -1..=1 {
        for i in -1..=1 {
            let (cx, cy) = (fx as i32 + i, fy as i32 + j);
            let (px, py) = (cx as f32 + lattice(cx, cy, key ^ 1), cy as f32 + lattice(cx, cy, key ^ 2));
            let (dx, dy) = (x - px, (y - py) * 1.15);
            let d = dx * dx + dy * dy;
            if d < first {
                (first, way, cell) = (d, v3(dx, dy, 0.0), (cx, cy));
            }
        }
    }
    let which = lattice(cell.0, cell.1, key ^ 3);
    (way, first.sqrt(), which)
}
