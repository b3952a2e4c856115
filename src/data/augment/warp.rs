//! Crop, stretch, rotation and shift as one affine map, after a tilt where there is one, sampled bilinearly.
//!
//! Coordinates and weights are fixed-point integers: fast without a rounding instruction, and the same everywhere.
//! Outside the photo it is mirrored, which looks more like water than a black corner does.

use super::Draw;
use crate::data::resize::Pixels;

/// From a place in the output to a place in the source, both from -1/2 to 1/2 with the centre at 0.
pub(super) struct Affine {
    /// Rows of the matrix.
    matrix: [[f32; 2]; 2],
    centre: [f32; 2],
}

impl Affine {
    pub(super) fn new(draw: &Draw) -> Self {
        let config = &draw.config;
        let side = (1.0 - config.crop * draw.crop).sqrt();
        let stretch = (1.0 + config.stretch).powf(draw.stretch / 2.0);
        let (width, height) = ((side * stretch).min(1.0), (side / stretch).min(1.0));
        let (sin, cos) = (config.rotation_degrees * draw.angle).to_radians().sin_cos();
        let mirrored = if draw.mirror { -width } else { width };
        let place = |at: usize, size: f32| (1.0 - size) / 2.0 * draw.centre[at] + config.translate * draw.shift[at];
        Affine {
            matrix: [[cos * mirrored, -sin * height], [sin * mirrored, cos * height]],
            centre: [place(0, width), place(1, height)],
        }
    }
}

#[cfg(test)]
impl Affine {
    /// A rotation about the centre.
    pub(super) fn turned(degrees: f32) -> Self {
        let (sin, cos) = degrees.to_radians().sin_cos();
        Affine { matrix: [[cos, -sin], [sin, cos]], centre: [0.0; 2] }
    }
}

/// Fixed point: 16 bits behind the point.
const ONE: f32 = 65536.0;

/// Samples `source` into three planes of `n * n`, 0 to 255. `tilt` is how much smaller things appear towards the right and
/// the bottom edge.
pub(super) fn warp(source: &Pixels, affine: &Affine, tilt: [f32; 2], n: usize, planes: &mut [Vec<f32>; 3]) {
    let size = source.side as usize;
    assert!(size > 0 && source.rgb.len() == size * size * 3, "a square of pixels");
    if tilt != [0.0; 2] {
        return tilted(source, affine, tilt, n, planes);
    }
    let last = size as i64 - 1;
    // Pixels of the output to pixels of the source, counted at their centres.
    let scale = size as f32 / n as f32;
    let half = (n as f32 - 1.0) / 2.0;
    let axis = |row: usize| {
        let [dx, dy] = affine.matrix[row];
        let (dx, dy) = (dx * scale, dy * scale);
        let start = (affine.centre[row] + 0.5) * size as f32 - 0.5 - half * (dx + dy);
        [dx, dy, start].map(|v| (v * ONE).round() as i64)
    };
    let ([xx, xy, x0], [yx, yy, y0]) = (axis(0), axis(1));
    for (row, [red, green, blue]) in rows(planes, n).enumerate() {
        let (mut x, mut y) = (x0 + xy * row as i64, y0 + yy * row as i64);
        let (x_end, y_end) = (x + xx * (n as i64 - 1), y + yx * (n as i64 - 1));
        // The map is straight: where both ends of the row lie inside, all of it does.
        let inside = |v: i64| v >= 0 && (v >> 16) < last;
        let safe = inside(x) && inside(x_end) && inside(y) && inside(y_end);
        for ((r, g), b) in red.iter_mut().zip(green.iter_mut()).zip(blue.iter_mut()) {
            [*r, *g, *b] = sample(source, x, y, safe);
            x += xx;
            y += yx;
        }
    }
}

/// The same with a division a pixel.
fn tilted(source: &Pixels, affine: &Affine, tilt: [f32; 2], n: usize, planes: &mut [Vec<f32>; 3]) {
    let size = source.side as f32;
    let centred = |at: usize| (at as f32 + 0.5) / n as f32 - 0.5;
    for (row, [red, green, blue]) in rows(planes, n).enumerate() {
        let v = centred(row);
        for (column, ((r, g), b)) in red.iter_mut().zip(green.iter_mut()).zip(blue.iter_mut()).enumerate() {
            let u = centred(column);
            // u and v are at most a half and tilts, too: never below a half
            let near = 1.0 / (1.0 - tilt[0] * u - tilt[1] * v);
            let place = |row: usize| {
                let [along, down] = affine.matrix[row];
                let at = (affine.centre[row] + 0.5 + (along * u + down * v) * near) * size - 0.5;
                (at * ONE).round() as i64
            };
            [*r, *g, *b] = sample(source, place(0), place(1), false);
        }
    }
}

/// The rows of three planes.
fn rows(planes: &mut [Vec<f32>; 3], n: usize) -> impl Iterator<Item = [&mut [f32]; 3]> {
    let [red, green, blue] = planes;
    let rows = red.chunks_exact_mut(n).zip(green.chunks_exact_mut(n)).zip(blue.chunks_exact_mut(n));
    rows.map(|((red, green), blue)| [red, green, blue])
}

/// The source at a place in fixed point; `safe`: its neighbours to the right and below are in the photo.
#[inline(always)]
fn sample(source: &Pixels, x: i64, y: i64, safe: bool) -> [f32; 3] {
    let (stride, last) = (source.side as usize * 3, i64::from(source.side) - 1);
    let (column, line) = (x >> 16, y >> 16);
    let (right, below) = ((x >> 8) as u32 & 255, (y >> 8) as u32 & 255);
    let weights = [(256 - right) * (256 - below), right * (256 - below), (256 - right) * below, right * below];
    if safe {
        let at = line as usize * stride + column as usize * 3;
        let top = &source.rgb[at..at + 6];
        let bottom = &source.rgb[at + stride..at + stride + 6];
        return blend(weights, [&top[..3], &top[3..], &bottom[..3], &bottom[3..]]);
    }
    let pixel = |c: i64, l: i64| {
        let at = mirror(l, last) * stride + mirror(c, last) * 3;
        &source.rgb[at..at + 3]
    };
    blend(weights, [pixel(column, line), pixel(column + 1, line), pixel(column, line + 1), pixel(column + 1, line + 1)])
}

#[inline(always)]
fn blend(weights: [u32; 4], pixels: [&[u8]; 4]) -> [f32; 3] {
    std::array::from_fn(|c| {
        let sum = weights[0] * u32::from(pixels[0][c])
            + weights[1] * u32::from(pixels[1][c])
            + weights[2] * u32::from(pixels[2][c])
            + weights[3] * u32::from(pixels[3][c]);
        sum as i32 as f32 / ONE // below 2^24: exact
    })
}

/// Mirrors an index at both edges, the edge pixel doubled.
fn mirror(at: i64, last: i64) -> usize {
    let size = last + 1;
    let folded = at.rem_euclid(2 * size);
    folded.min(2 * size - 1 - folded) as usize
}
