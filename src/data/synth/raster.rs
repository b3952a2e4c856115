//! Draws surfaces into a grid of samples with a depth each.
//!
//! A plain edge-function rasteriser: a turtle has some ten thousand triangles, and needs perspective, hidden
//! surfaces and a colour for each sample, which a flat canvas cannot give. Knows nothing of light: the caller shades.

use super::body::Mesh;
use super::camera::Camera;
use super::maths::{P2, V3};

/// What the caller needs to shade a sample.
pub(super) struct Sample {
    pub(super) at: V3,
    pub(super) normal: V3,
    pub(super) uv: P2,
    pub(super) open: f32,
}

/// Samples in rows: colour and depth.
pub(super) struct Samples {
    width: usize,
    height: usize,
    depth: Vec<f32>,
    colour: Vec<V3>,
}

/// Nearer than this to the eye nothing is drawn.
const NEAR: f32 = 0.2;

impl Samples {
    pub(super) fn new(width: usize, height: usize) -> Samples {
        Samples { width, height, depth: vec![f32::MAX; width * height], colour: vec![V3::default(); width * height] }
    }

    /// Draws what of `mesh` faces the camera.
    pub(super) fn draw(&mut self, mesh: &Mesh, camera: &Camera, shade: impl Fn(&Sample) -> V3) {
        let seen: Vec<(P2, f32)> = mesh.corners.iter().map(|c| camera.project(c.at)).collect();
        for face in &mesh.faces {
            let [a, b, c] = face.map(|i| seen[i]);
            if a.1 < NEAR || b.1 < NEAR || c.1 < NEAR {
                continue;
            }
            let area = edge(a.0, b.0, c.0);
            // pictures grow downwards: a face towards the camera runs clockwise, its area is negative
            if area > -1e-6 {
                continue;
            }
            let share = 1.0 / area;
            let corners = face.map(|i| &mesh.corners[i]);
            let near = [1.0 / a.1, 1.0 / b.1, 1.0 / c.1];
            let (xs, ys) = (span(a.0[0], b.0[0], c.0[0], self.width), span(a.0[1], b.0[1], c.0[1], self.height));
            for y in ys {
                for x in xs.clone() {
                    let p = [x as f32 + 0.5, y as f32 + 0.5];
                    let e = [edge(b.0, c.0, p), edge(c.0, a.0, p), edge(a.0, b.0, p)];
                    if e[0] > 0.0 || e[1] > 0.0 || e[2] > 0.0 {
                        continue;
                    }
                    let w = [e[0] * share, e[1] * share, e[2] * share];
                    let q = [w[0] * near[0], w[1] * near[1], w[2] * near[2]];
                    let depth = 1.0 / (q[0] + q[1] + q[2]);
                    let i = y * self.width + x;
                    if depth >= self.depth[i] {
                        continue;
                    }
                    self.depth[i] = depth;
                    let k = q.map(|q| q * depth);
                    let sum = |f: fn(&super::body::Corner) -> V3| {
                        f(corners[0]) * k[0] + f(corners[1]) * k[1] + f(corners[2]) * k[2]
                    };
                    let number = |f: fn(&super::body::Corner) -> f32| {
                        f(corners[0]) * k[0] + f(corners[1]) * k[1] + f(corners[2]) * k[2]
                    };
                    self.colour[i] = shade(&Sample {
                        at: sum(|c| c.at),
                        normal: sum(|c| c.normal).unit(),
                        uv: [number(|c| c.uv[0]), number(|c| c.uv[1])],
                        open: number(|c| c.open),
                    });
                }
            }
        }
    }

    /// Colour (premultiplied), cover and mean depth of the pixel that `k` by `k` samples make.
    pub(super) fn pixel(&self, x: usize, y: usize, k: usize) -> (V3, f32, f32) {
        let (mut sum, mut depth, mut hits) = (V3::default(), 0.0, 0);
        for sy in y * k..(y + 1) * k {
            for sx in x * k..(x + 1) * k {
                let i = sy * self.width + sx;
                if self.depth[i] < f32::MAX {
                    sum += self.colour[i];
                    depth += self.depth[i];
                    hits += 1;
                }
            }
        }
        let n = (k * k) as f32;
        (sum * (1.0 / n), hits as f32 / n, depth / hits.max(1) as f32)
    }
}

fn edge(a: P2, b: P2, p: P2) -> f32 {
    (b[0] - a[0]) * (p[1] - a[1]) - (b[1] - a[1]) * (p[0] - a[0])
}

/// The samples that a triangle may touch along one axis.
fn span(a: f32, b: f32, c: f32, size: usize) -> std::ops::Range<usize> {
    let low = a.min(b).min(c).max(0.0) as usize;
    let high = (a.max(b).max(c) + 1.0).clamp(0.0, size as f32) as usize;
    low.min(high)..high
}

/// A mask of what a surface covers, as seen flattened by `place`.
pub(super) fn shade_mask(mask: &mut [f32], width: usize, height: usize, mesh: &Mesh, place: impl Fn(V3) -> Option<P2>) {
    let seen: Vec<Option<P2>> = mesh.corners.iter().map(|c| place(c.at)).collect();
    for face in &mesh.faces {
        let [Some(a), Some(b), Some(c)] = face.map(|i| seen[i]) else {
            continue;
        };
        let area = edge(a, b, c);
        if area.abs() < 1e-6 {
            continue;
        }
        for y in span(a[1], b[1], c[1], height) {
            for x in span(a[0], b[0], c[0], width) {
                let p = [x as f32 + 0.5, y as f32 + 0.5];
                let inside = [edge(b, c, p), edge(c, a, p), edge(a, b, p)].iter().all(|w| w * area >= 0.0);
                if inside {
                    mask[y * width + x] = 1.0;
                }
            }
        }
    }
}
