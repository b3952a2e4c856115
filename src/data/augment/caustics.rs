//! The web of light that waves cast on an animal near the surface.
//!
//! One tile of it is made once, by the waves that the synthetic turtles swim under; each photo lays it otherwise: turned,
//! scaled and moved. It is light on the animal, so it comes before the water, and as a factor on encoded values.

use std::sync::OnceLock;

use super::More;
use crate::data::synth::caustics_tile;

/// Texels along a side of the tile; a power of two, so that it repeats by a mask.
const SIDE: usize = 128;
const GAMMA: f32 = 2.2;
/// Fixed point of places in the tile: 16 bits behind the point.
const ONE: f32 = 65536.0;
/// Sides of the tile that a photo shows at least and at most.
const SCALE: [f32; 2] = [0.8, 2.2];

/// Brightness as a factor on encoded values, with a mean of 1.
fn tile() -> &'static [f32] {
    static TILE: OnceLock<Vec<f32>> = OnceLock::new();
    TILE.get_or_init(|| {
        let mut tile: Vec<f32> = caustics_tile(SIDE).iter().map(|light| light.powf(1.0 / GAMMA)).collect();
        let mean = tile.iter().sum::<f32>() / tile.len() as f32;
        tile.iter_mut().for_each(|t| *t /= mean);
        tile
    })
}

/// Lays the web over planes of `n * n`, 0 to 255.
pub(super) fn caustics(more: &More, n: usize, planes: &mut [Vec<f32>; 3]) {
    let strength = more.config.caustics * more.caustics;
    if strength <= 0.0 {
        return;
    }
    let tile = tile();
    let scale = SIDE as f32 * (SCALE[0] + (SCALE[1] - SCALE[0]) * more.web_scale) / n as f32;
    let (sin, cos) = (more.web_turn * std::f32::consts::TAU).sin_cos();
    let fixed = |v: f32| (v * ONE).round() as i64;
    let ([xx, xy], [yx, yy]) = ([cos, -sin].map(|v| fixed(v * scale)), [sin, cos].map(|v| fixed(v * scale)));
    let start = more.web_at.map(|at| fixed(at * SIDE as f32));
    let [red, green, blue] = planes;
    let rows = red.chunks_exact_mut(n).zip(green.chunks_exact_mut(n)).zip(blue.chunks_exact_mut(n));
    for (row, ((red, green), blue)) in rows.enumerate() {
        let (mut x, mut y) = (start[0] + xy * row as i64, start[1] + yy * row as i64);
        for ((r, g), b) in red.iter_mut().zip(green.iter_mut()).zip(blue.iter_mut()) {
            let factor = 1.0 + strength * (at(tile, x, y) - 1.0);
            (*r, *g, *b) = (*r * factor, *g * factor, *b * factor);
            x += xx;
            y += yx;
        }
    }
}

/// The tile at a place in fixed point, between its texels.
#[inline(always)]
fn at(tile: &[f32], x: i64, y: i64) -> f32 {
    const MASK: usize = SIDE - 1;
    // a cast keeps the low bits, so the mask wraps what lies before the tile, too
    let (x0, y0) = ((x >> 16) as usize & MASK, (y >> 16) as usize & MASK);
    let (x1, y1) = ((x0 + 1) & MASK, (y0 + 1) & MASK);
    let (tx, ty) = ((x & 0xffff) as f32 / ONE, (y & 0xffff) as f32 / ONE);
    let line = |y: usize| {
        let (a, b) = (tile[y * SIDE + x0], tile[y * SIDE + x1]);
        a + (b - a) * tx
    };
    let (top, bottom) = (line(y0), line(y1));
    top + (bottom - top) * ty
}
