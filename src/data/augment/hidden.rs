//! What comes between camera and animal: things that hide a part of it, and specks that float in the light.
//!
//! An occluder is an ellipse with a soft edge in a colour near the photo's own, as weed, sand or another animal would be:
//! hard rectangles of noise teach a network their corners. Specks (backscatter, marine snow) lie before the water and
//! its veil, small and sharp where they are far, large and faint where they are near the lens.

use rand::RngExt;

use super::More;

/// Occluders of a photo at most.
const OCCLUDERS: usize = 3;
/// Width of an occluder's edge, as a share of its radius.
const EDGE: f32 = 0.15;
/// Specks at strength 1.
const SPECKS: f32 = 160.0;
/// Colour of a speck: what a lamp finds in water.
const SPECK: [f32; 3] = [205.0, 225.0, 220.0];

/// Hides parts of planes of `n * n`, 0 to 255.
pub(super) fn occlude(more: &mut More, n: usize, planes: &mut [Vec<f32>; 3]) {
    let share = more.config.occlusion * more.occlusion;
    if share <= 0.0 {
        return;
    }
    let mean: [f32; 3] = std::array::from_fn(|c| planes[c].iter().sum::<f32>() / (n * n) as f32);
    let count = more.random.random_range(1..=OCCLUDERS);
    for _ in 0..count {
        let mut unit = || more.random.random::<f32>();
        // ellipses of pi a b, together the share of the photo
        let long = 1.0 + unit();
        let size = (share / count as f32 / std::f32::consts::PI).sqrt();
        let (sin, cos) = (unit() * std::f32::consts::TAU).sin_cos();
        let (x, y) = (unit(), unit());
        let shade = 0.35 + 0.75 * unit();
        // each channel a little its own way
        let colour: [f32; 3] = std::array::from_fn(|c| mean[c] * shade * (0.85 + 0.3 * unit()));
        let axes = [size * long.sqrt(), size / long.sqrt()].map(|axis| axis.max(1e-6));
        paint(n, planes, [x, y], axes[0], colour, |dx, dy| {
            let (u, v) = ((cos * dx + sin * dy) / axes[0], (cos * dy - sin * dx) / axes[1]);
            ((1.0 - (u * u + v * v).sqrt()) / EDGE).clamp(0.0, 1.0)
        });
    }
}

/// Lets specks float over planes of `n * n`, 0 to 255.
pub(super) fn backscatter(more: &mut More, n: usize, planes: &mut [Vec<f32>; 3]) {
    let strength = more.config.backscatter * more.backscatter;
    for _ in 0..(strength * SPECKS).round() as usize {
        let mut unit = || more.random.random::<f32>();
        let (x, y) = (unit(), unit());
        // most are far and small
        let near = unit().powi(4);
        let radius = 0.004 + 0.035 * near;
        let cover = (0.75 - 0.55 * near) * (0.3 + 0.7 * unit());
        paint(n, planes, [x, y], radius, SPECK, |dx, dy| {
            let far = 1.0 - ((dx * dx + dy * dy) / (radius * radius)).min(1.0);
            cover * far * (2.0 - far)
        });
    }
}

/// Mixes `colour` in by `cover` around `centre`, no farther than `radius`; lengths as shares of the side.
fn paint(
    n: usize,
    planes: &mut [Vec<f32>; 3],
    centre: [f32; 2],
    radius: f32,
    colour: [f32; 3],
    cover: impl Fn(f32, f32) -> f32,
) {
    let side = n as f32;
    // casts saturate, so what lies outside is left out
    let range = |at: f32| ((at - radius) * side).floor() as usize..(((at + radius) * side).ceil() as usize).min(n);
    for row in range(centre[1]) {
        let dy = (row as f32 + 0.5) / side - centre[1];
        for column in range(centre[0]) {
            let cover = cover((column as f32 + 0.5) / side - centre[0], dy);
            if cover > 0.0 {
                for (plane, value) in planes.iter_mut().zip(colour) {
                    let v = &mut plane[row * n + column];
                    *v += (value - *v) * cover;
                }
            }
        }
    }
}
