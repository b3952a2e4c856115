//! Where the photographer is: a pinhole camera, fitted to the animal.
//!
//! The camera's azimuth is fixed and the animal turns: so the light of an encounter falls from one side of the
//! picture in all its photos, as when one diver follows one turtle. Knows nothing of pixels' colours.

use super::maths::{P2, Turn, V3, cos, sin, v3};

/// A pinhole camera.
#[derive(Clone, Debug)]
pub(super) struct Camera {
    pub(super) eye: V3,
    right: V3,
    up: V3,
    forward: V3,
    /// Pixels per unit of tangent.
    focal: f32,
    /// Where the axis meets the picture, in pixels.
    centre: P2,
}

/// How the camera sees the animal.
#[derive(Clone, Debug)]
pub(super) struct View {
    /// Above the horizon, radians.
    pub(super) elevation: f32,
    /// Turned about its axis, radians.
    pub(super) roll: f32,
    /// Half the width of the field, as a tangent.
    pub(super) half_field: f32,
    /// Width of the carapace as a share of the frame's.
    pub(super) fill: f32,
    /// Off the middle, as shares of the frame.
    pub(super) offset: P2,
}

impl Camera {
    /// Looks at the origin so that `shell` fills the frame as the view asks, and `shell` and `head` are centred.
    pub(super) fn fit(view: &View, width: f32, height: f32, shell: &[V3], head: &[V3]) -> Camera {
        let (s, c) = (sin(view.elevation), cos(view.elevation));
        let (forward, level, up) = (v3(0.0, c, -s), v3(1.0, 0.0, 0.0), v3(0.0, s, c));
        let (rs, rc) = (sin(view.roll), cos(view.roll));
        let mut camera = Camera {
            eye: V3::default(),
            right: level * rc + up * rs,
            up: up * rc - level * rs,
            forward,
            focal: width * 0.5 / view.half_field,
            centre: [width * 0.5, height * 0.5],
        };
        let mut distance = 3.0;
        for _ in 0..4 {
            camera.eye = forward * -distance;
            let (low, high) = camera.frame(shell);
            // wide shells are fitted by their width, tall ones by their height
            let share = ((high[0] - low[0]) / width / view.fill).max((high[1] - low[1]) / height / 0.86);
            distance = (distance * share).clamp(1.9, 12.0);
        }
        camera.eye = forward * -distance;
        let (a, b) = camera.frame(shell);
        let (c, d) = camera.frame(head);
        let middle = |i: usize| (a[i].min(c[i]) + b[i].max(d[i])) * 0.5;
        camera.centre = [width * (1.0 + view.offset[0]) - middle(0), height * (1.0 + view.offset[1]) - middle(1)];
        camera
    }

    /// The same camera for a picture `k` times as large.
    pub(super) fn enlarged(&self, k: f32) -> Camera {
        Camera { focal: self.focal * k, centre: [self.centre[0] * k, self.centre[1] * k], ..self.clone() }
    }

    fn frame(&self, points: &[V3]) -> (P2, P2) {
        let (mut low, mut high) = ([f32::MAX; 2], [f32::MIN; 2]);
        for p in points {
            let (q, _) = self.project(*p);
            for i in 0..2 {
                low[i] = low[i].min(q[i]);
                high[i] = high[i].max(q[i]);
            }
        }
        (low, high)
    }

    /// Where a point of the world lies in the picture, and how far before the eye.
    pub(super) fn project(&self, p: V3) -> (P2, f32) {
        let d = p - self.eye;
        let depth = d.dot(self.forward);
        let k = self.focal / depth.max(0.05);
        ([self.centre[0] + d.dot(self.right) * k, self.centre[1] - d.dot(self.up) * k], depth)
    }

    /// The direction seen at a place of the picture; not of length one: its part along the axis is one.
    pub(super) fn ray(&self, x: f32, y: f32) -> V3 {
        self.forward + self.right * ((x - self.centre[0]) / self.focal) - self.up * ((y - self.centre[1]) / self.focal)
    }

    /// Pixels that a unit takes at this depth.
    pub(super) fn scale(&self, depth: f32) -> f32 {
        self.focal / depth.max(0.05)
    }
}

/// Heading, pitch and roll of the animal; heading 0 swims away from the camera, a quarter turn to the left.
pub(super) fn attitude(heading: f32, pitch: f32, roll: f32) -> Turn {
    Turn::z(heading).after(Turn::x(pitch)).after(Turn::y(roll))
}
