//! Draws surfaces into a grid of samples: what is seen there, how far, and which way it faces.
//!
//! A plain edge-function rasteriser: a turtle has some eight thousand triangles, and needs perspective and hidden
//! surfaces, which a flat canvas cannot give. Knows nothing of light: that falls on whole pixels later, which are
//! fewer than the samples.

use super::body::Mesh;
use super::camera::Camera;
use super::maths::{P2, V3};

/// What a sample shows, or the mean of several: light comes later.
#[derive(Clone, Copy, Default)]
pub(super) struct Surface {
    /// The share of light that it returns.
    pub(super) albedo: V3,
    pub(super) normal: V3,
    pub(super) open: f32,
    /// Along the camera's axis.
    pub(super) depth: f32,
}

/// Samples in rows.
pub(super) struct Samples {
    width: usize,
    height: usize,
    samples: Vec<Surface>,
}

/// Nearer than this to the eye nothing is drawn.
const NEAR: f32 = 0.2;

impl Samples {
    pub(super) fn new(width: usize, height: usize) -> Samples {
        Samples { width, height, samples: vec![Surface { depth: f32::MAX, ..Surface::default() }; width * height] }
    }

    /// Draws what of `mesh` faces the camera; `skin` gives albedo and normal at a place of its picture, from the
    /// surface's own normal.
    pub(super) fn draw(&mut self, mesh: &Mesh, camera: &Camera, skin: impl Fn(P2, V3) -> (V3, V3)) {
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
                    if depth >= self.samples[i].depth {
                        continue;
                    }
                    let k = [q[0] * depth, q[1] * depth, q[2] * depth];
                    let [a, b, c] = corners;
                    let normal = a.normal * k[0] + b.normal * k[1] + c.normal * k[2];
                    let number = |a: f32, b: f32, c: f32| a * k[0] + b * k[1] + c * k[2];
                    let uv = [number(a.uv[0], b.uv[0], c.uv[0]), number(a.uv[1], b.uv[1], c.uv[1])];
                    let (albedo, normal) = skin(uv, normal);
                    self.samples[i] = Surface { albedo, normal, open: number(a.open, b.open, c.open), depth };
                }
            }
        }
    }

    /// The mean of the `k` by `k` samples of a pixel that show something, and their share.
    pub(super) fn pixel(&self, x: usize, y: usize, k: usize) -> (Surface, f32) {
        let (mut sum, mut hits) = (Surface::default(), 0.0);
        for sy in y * k..(y + 1) * k {
            for s in &self.samples[sy * self.width + x * k..sy * self.width + (x + 1) * k] {
                if s.depth < f32::MAX {
                    sum.albedo += s.albedo;
                    sum.normal += s.normal;
                    sum.open += s.open;
                    sum.depth += s.depth;
                    hits += 1.0;
                }
            }
        }
        let n = 1.0 / f32::max(hits, 1.0);
        let mean =
            Surface { albedo: sum.albedo * n, normal: sum.normal.unit(), open: sum.open * n, depth: sum.depth * n };
        (mean, hits / (k * k) as f32)
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
