//! The web of light that waves cast on whatever lies below.
//!
//! Rays are sent straight down through a surface of a dozen waves, bent by its slope, and counted where they land:
//! the bright web comes out by itself. All waves fit the tile, so that it repeats without a seam.

use super::dice::Dice;
use super::maths::{cos, floor, mix, sin};
use std::f32::consts::TAU;

/// Texels along a side of the tile.
const SIDE: usize = 128;
/// Rays along a side.
const RAYS: usize = 192;
/// Waves as (cycles across, cycles along): all directions, long and short.
const WAVES: &[[i32; 2]] =
    &[[1, 2], [2, -1], [3, 1], [-2, 3], [1, -3], [4, 2], [-3, 4], [5, -1], [2, 5], [-4, -5], [6, 3]];

/// A tile of brightness about one.
pub(super) struct Caustics(Vec<f32>);

impl Caustics {
    pub(super) fn draw(dice: &mut Dice) -> Caustics {
        let mut push = vec![[0.0f32; 2]; RAYS * RAYS];
        for &[kx, ky] in WAVES {
            let long = ((kx * kx + ky * ky) as f32).sqrt();
            let (phase, power) = (dice.range(0.0, TAU), dice.range(0.6, 1.3) * 0.02 / (1.0 + 0.22 * long));
            // sin(a + b) from tables of a and b
            let table = |k: i32, phase: f32| -> Vec<[f32; 2]> {
                (0..RAYS)
                    .map(|i| {
                        let a = TAU * (k * i as i32) as f32 / RAYS as f32 + phase;
                        [sin(a), cos(a)]
                    })
                    .collect()
            };
            let (across, along) = (table(kx, phase), table(ky, 0.0));
            for (y, row) in push.chunks_exact_mut(RAYS).enumerate() {
                let [sy, cy] = along[y];
                for (p, [sx, cx]) in row.iter_mut().zip(&across) {
                    let wave = (sx * cy + cx * sy) * power;
                    p[0] += wave * kx as f32 / long;
                    p[1] += wave * ky as f32 / long;
                }
            }
        }
        let mut tile = vec![0.0f32; SIDE * SIDE];
        let each = (SIDE * SIDE) as f32 / (RAYS * RAYS) as f32;
        for (i, p) in push.iter().enumerate() {
            let (x, y) = ((i % RAYS) as f32 / RAYS as f32 + p[0], (i / RAYS) as f32 / RAYS as f32 + p[1]);
            let (x, y) = ((x - floor(x)) * SIDE as f32, (y - floor(y)) * SIDE as f32);
            let (x0, y0) = (x as usize, y as usize);
            let (tx, ty) = (x - x0 as f32, y - y0 as f32);
            for (dx, wx) in [(0, 1.0 - tx), (1, tx)] {
                for (dy, wy) in [(0, 1.0 - ty), (1, ty)] {
                    tile[(y0 + dy) % SIDE * SIDE + (x0 + dx) % SIDE] += wx * wy * each;
                }
            }
        }
        for t in &mut tile {
            // the brightest knots would burn out
            *t = t.min(5.0);
        }
        Caustics(tile)
    }

    /// Brightness at a place; the tile has a side of one.
    pub(super) fn at(&self, x: f32, y: f32) -> f32 {
        let (x, y) = ((x - floor(x)) * SIDE as f32, (y - floor(y)) * SIDE as f32);
        let (x0, y0) = (x as usize % SIDE, y as usize % SIDE);
        let (x1, y1) = ((x0 + 1) % SIDE, (y0 + 1) % SIDE);
        let (tx, ty) = (x - floor(x), y - floor(y));
        let t = &self.0;
        mix(mix(t[y0 * SIDE + x0], t[y0 * SIDE + x1], tx), mix(t[y1 * SIDE + x0], t[y1 * SIDE + x1], tx), ty)
    }
}
