//! Small mathematics for the drawing: vectors, rotations, waves and noise.
//!
//! Sine, exponential and logarithm are polynomials of our own: the standard library passes them on to the
//! system's, whose last bits differ between machines, and the same seed must give the same bytes everywhere.
//! Plain arithmetic, `sqrt` and `floor` are exact by IEEE 754. Knows nothing of turtles.

use std::f32::consts::{FRAC_PI_2, LN_2, LOG2_E, PI, TAU};
use std::ops::{Add, AddAssign, Mul, Neg, Sub};

/// A point or direction in space, or a colour in linear light (red, green, blue).
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct V3 {
    pub(super) x: f32,
    pub(super) y: f32,
    pub(super) z: f32,
}

/// A point in a plane.
pub(super) type P2 = [f32; 2];

pub(super) const fn v3(x: f32, y: f32, z: f32) -> V3 {
    V3 { x, y, z }
}

impl V3 {
    pub(super) fn dot(self, o: V3) -> f32 {
        self.x * o.x + self.y * o.y + self.z * o.z
    }

    pub(super) fn cross(self, o: V3) -> V3 {
        v3(self.y * o.z - self.z * o.y, self.z * o.x - self.x * o.z, self.x * o.y - self.y * o.x)
    }

    /// The same direction with length one; a zero vector points up.
    pub(super) fn unit(self) -> V3 {
        let n = self.dot(self).sqrt();
        if n > 1e-12 { self * (1.0 / n) } else { v3(0.0, 0.0, 1.0) }
    }

    /// Component by component.
    pub(super) fn times(self, o: V3) -> V3 {
        v3(self.x * o.x, self.y * o.y, self.z * o.z)
    }

    pub(super) fn map(self, f: impl Fn(f32) -> f32) -> V3 {
        v3(f(self.x), f(self.y), f(self.z))
    }

    /// `self` at 0, `o` at 1.
    pub(super) fn mix(self, o: V3, t: f32) -> V3 {
        self * (1.0 - t) + o * t
    }
}

impl Add for V3 {
    type Output = V3;
    fn add(self, o: V3) -> V3 {
        v3(self.x + o.x, self.y + o.y, self.z + o.z)
    }
}

impl AddAssign for V3 {
    fn add_assign(&mut self, o: V3) {
        *self = *self + o;
    }
}

impl Sub for V3 {
    type Output = V3;
    fn sub(self, o: V3) -> V3 {
        v3(self.x - o.x, self.y - o.y, self.z - o.z)
    }
}

impl Mul<f32> for V3 {
    type Output = V3;
    fn mul(self, k: f32) -> V3 {
        v3(self.x * k, self.y * k, self.z * k)
    }
}

impl Neg for V3 {
    type Output = V3;
    fn neg(self) -> V3 {
        self * -1.0
    }
}

/// A rotation, as the images of the three axes.
#[derive(Clone, Copy, Debug)]
pub(super) struct Turn([V3; 3]);

impl Turn {
    /// About the x axis, radians.
    pub(super) fn x(a: f32) -> Turn {
        let (s, c) = (sin(a), cos(a));
        Turn([v3(1.0, 0.0, 0.0), v3(0.0, c, s), v3(0.0, -s, c)])
    }

    /// About the y axis, radians.
    pub(super) fn y(a: f32) -> Turn {
        let (s, c) = (sin(a), cos(a));
        Turn([v3(c, 0.0, -s), v3(0.0, 1.0, 0.0), v3(s, 0.0, c)])
    }

    /// About the z axis, radians.
    pub(super) fn z(a: f32) -> Turn {
        let (s, c) = (sin(a), cos(a));
        Turn([v3(c, s, 0.0), v3(-s, c, 0.0), v3(0.0, 0.0, 1.0)])
    }

    /// First `o`, then `self`.
    pub(super) fn after(self, o: Turn) -> Turn {
        Turn(o.0.map(|axis| self.of(axis)))
    }

    pub(super) fn of(self, p: V3) -> V3 {
        self.0[0] * p.x + self.0[1] * p.y + self.0[2] * p.z
    }
}

/// Sine of radians, to about 1e-6.
pub(super) fn sin(x: f32) -> f32 {
    let mut r = x - floor(x / TAU + 0.5) * TAU;
    if r > FRAC_PI_2 {
        r = PI - r;
    } else if r < -FRAC_PI_2 {
        r = -PI - r;
    }
    let q = r * r;
    r * (1.0 + q * (-1.0 / 6.0 + q * (1.0 / 120.0 + q * (-1.0 / 5040.0 + q * (1.0 / 362_880.0)))))
}

/// Cosine of radians.
pub(super) fn cos(x: f32) -> f32 {
    sin(x + FRAC_PI_2)
}

/// The exponential function, to about 1e-6 of its value.
pub(super) fn exp(x: f32) -> f32 {
    let t = (x * LOG2_E).clamp(-120.0, 120.0);
    let n = floor(t + 0.5);
    let f = (t - n) * LN_2;
    let p = 1.0 + f * (1.0 + f * (0.5 + f * (1.0 / 6.0 + f * (1.0 / 24.0 + f * (1.0 / 120.0 + f / 720.0)))));
    p * f32::from_bits(((n as i32 + 127) as u32) << 23)
}

/// The natural logarithm of a positive normal number.
pub(super) fn ln(x: f32) -> f32 {
    let bits = x.to_bits();
    let mut e = ((bits >> 23) as i32 - 127) as f32;
    let mut m = f32::from_bits((bits & 0x007f_ffff) | 0x3f80_0000);
    if m > std::f32::consts::SQRT_2 {
        m *= 0.5;
        e += 1.0;
    }
    let s = (m - 1.0) / (m + 1.0);
    let q = s * s;
    2.0 * s * (1.0 + q * (1.0 / 3.0 + q * (1.0 / 5.0 + q * (1.0 / 7.0 + q / 9.0)))) + e * LN_2
}

/// `x` to the power `p`, for `x` not negative.
pub(super) fn pow(x: f32, p: f32) -> f32 {
    if x < 1e-30 { 0.0 } else { exp(p * ln(x)) }
}

/// 0 below `a`, 1 above `b`, smooth between.
pub(super) fn smooth(a: f32, b: f32, x: f32) -> f32 {
    let t = ((x - a) / (b - a)).clamp(0.0, 1.0);
    t * t * (3.0 - 2.0 * t)
}

pub(super) fn mix(a: f32, b: f32, t: f32) -> f32 {
    a + (b - a) * t
}

/// Between two points of a plane.
pub(super) fn mix2(a: P2, b: P2, t: f32) -> P2 {
    [mix(a[0], b[0], t), mix(a[1], b[1], t)]
}

/// The whole number below, for values that fit 32 bits: as `f32::floor`, which is a call where the processor's oldest
/// instructions are all that may be used.
pub(super) fn floor(x: f32) -> f32 {
    let whole = x as i32 as f32;
    if whole > x { whole - 1.0 } else { whole }
}

/// A value in 0..1 for a lattice point.
pub(super) fn lattice(x: i32, y: i32, key: u32) -> f32 {
    let mut h =
        (x as u32).wrapping_mul(0x9e37_79b1) ^ (y as u32).wrapping_mul(0x85eb_ca77) ^ key.wrapping_mul(0xc2b2_ae3d);
    h ^= h >> 15;
    h = h.wrapping_mul(0x2c1b_3c6d);
    h ^= h >> 12;
    h = h.wrapping_mul(0x297a_2d39);
    h ^= h >> 15;
    (h >> 8) as f32 * (1.0 / 16_777_216.0)
}

/// Smooth noise in 0..1 with a grain of one unit.
pub(super) fn noise(x: f32, y: f32, key: u32) -> f32 {
    let (fx, fy) = (floor(x), floor(y));
    let (ix, iy) = (fx as i32, fy as i32);
    let (tx, ty) = (x - fx, y - fy);
    let (tx, ty) = (tx * tx * (3.0 - 2.0 * tx), ty * ty * (3.0 - 2.0 * ty));
    let (jx, jy) = (ix.wrapping_add(1), iy.wrapping_add(1));
    let top = mix(lattice(ix, iy, key), lattice(jx, iy, key), tx);
    let low = mix(lattice(ix, jy, key), lattice(jx, jy, key), tx);
    mix(top, low, ty)
}

/// Noise in 0..1 of several grains, each half of the one before.
pub(super) fn cloud(x: f32, y: f32, octaves: u32, key: u32) -> f32 {
    let (mut sum, mut weight, mut total, mut k) = (0.0, 1.0, 0.0, 1.0);
    for o in 0..octaves {
        sum += weight * noise(x * k, y * k, key.wrapping_add(o));
        total += weight;
        weight *= 0.5;
        k *= 2.03;
    }
    sum / total
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn our_functions_agree_with_the_systems() {
        for i in -400..400 {
            let x = i as f32 * 0.05;
            assert!((sin(x) - x.sin()).abs() < 1e-5, "sin {x}");
            assert!((cos(x) - x.cos()).abs() < 1e-5, "cos {x}");
            assert!((exp(x) / x.exp() - 1.0).abs() < 1e-5, "exp {x}");
        }
        for i in 1..400 {
            let x = i as f32 * 0.01;
            assert!((pow(x, 0.4167) / x.powf(0.4167) - 1.0).abs() < 1e-4, "pow {x}");
        }
    }

    #[test]
    fn turns_keep_lengths_and_follow_the_right_hand() {
        let up = v3(0.0, 0.0, 1.0);
        let quarter = Turn::z(FRAC_PI_2).of(v3(0.0, 1.0, 0.0));
        assert!((quarter - v3(-1.0, 0.0, 0.0)).dot(quarter - v3(-1.0, 0.0, 0.0)) < 1e-9);
        let t = Turn::z(0.3).after(Turn::x(-0.8)).after(Turn::y(1.1)).of(up);
        assert!((t.dot(t) - 1.0).abs() < 1e-5);
    }
}
