//! From the light that meets the lens to the bytes of a picture: motion blur, exposure, tone, noise.
//!
//! Works on whole pictures in linear light and knows nothing of what is on them.

use super::canvas::Canvas;
use super::colour::encode;
use super::dice::Dice;
use super::maths::{P2, V3, cos, mix, sin};
use super::scene::Scene;
use image::RgbImage;
use std::f32::consts::PI;

/// A picture in linear light.
pub(super) struct Light {
    pub(super) width: usize,
    pub(super) height: usize,
    pub(super) pixels: Vec<V3>,
}

/// How one photo was taken. Lengths are shares of the frame's width.
#[derive(Clone, Debug)]
pub(super) struct Exposure {
    pub(super) motion: P2,
    pub(super) soft: f32,
    /// Gains for red, green, blue.
    pub(super) balance: V3,
    /// Mean brightness that the camera aims at, in linear light.
    pub(super) aim: f32,
    pub(super) contrast: f32,
    pub(super) vignette: f32,
    pub(super) noise: f32,
}

impl Exposure {
    /// Draws blur and noise; the rest is the scene's.
    pub(super) fn draw(scene: &Scene, dice: &mut Dice) -> Exposure {
        let (long, way) = (dice.range(-0.006, 0.01).max(0.0), dice.range(0.0, PI));
        Exposure {
            motion: [long * cos(way), long * sin(way)],
            soft: dice.range(0.0, 0.0035),
            balance: scene.balance,
            aim: 0.21 * scene.exposure,
            contrast: scene.contrast,
            vignette: dice.range(0.05, 0.3),
            noise: dice.range(0.8, 3.6),
        }
    }
}

impl Light {
    /// Lays a drawing over the picture.
    pub(super) fn cover(&mut self, canvas: &Canvas) {
        canvas.each(|i, c, a| {
            if a > 0.0 {
                self.pixels[i] = self.pixels[i] * (1.0 - a) + c;
            }
        });
    }

    /// The weighted mean of each pixel's neighbours; the edge goes on beyond the edge.
    fn mean(&self, taps: &Taps) -> Light {
        let (w, h) = (self.width as isize, self.height as isize);
        let mut pixels = vec![V3::default(); self.pixels.len()];
        for &(dx, dy, weight) in &taps.0 {
            for y in 0..h {
                let from = &self.pixels[((y + dy).clamp(0, h - 1) * w) as usize..][..w as usize];
                let row = &mut pixels[(y * w) as usize..][..w as usize];
                let (low, high) = ((-dx).clamp(0, w), (w - dx).clamp(0, w));
                let inner = (low + dx) as usize..(high + dx) as usize;
                for (p, q) in row[low as usize..high as usize].iter_mut().zip(&from[inner]) {
                    *p += *q * weight;
                }
                row[..low as usize].iter_mut().for_each(|p| *p += from[0] * weight);
                row[high as usize..].iter_mut().for_each(|p| *p += from[w as usize - 1] * weight);
            }
        }
        Light { width: self.width, height: self.height, pixels }
    }

    /// Develops the picture.
    pub(super) fn develop(mut self, e: &Exposure, dice: &mut Dice) -> RgbImage {
        let wide = self.width as f32;
        let [mx, my] = e.motion.map(|m| m * wide);
        if mx.abs().max(my.abs()) > 0.3 {
            self = self.mean(&Taps::line(mx, my));
        }
        if e.soft * wide > 0.25 {
            let soft = e.soft * wide;
            self = self.mean(&Taps::line(soft, 0.0)).mean(&Taps::line(0.0, soft));
        }
        for p in &mut self.pixels {
            *p = p.times(e.balance);
        }
        let mean =
            self.pixels.iter().map(|p| 0.25 * p.x + 0.6 * p.y + 0.15 * p.z).sum::<f32>() / self.pixels.len() as f32;
        // cameras do not level out all of it: dim water stays dim
        let gain = mix(1.0, e.aim / mean.max(1e-4), 0.75).clamp(0.2, 5.0);
        let mut image = RgbImage::new(self.width as u32, self.height as u32);
        let middle = [wide * 0.5, self.height as f32 * 0.5];
        for (i, (p, out)) in self.pixels.iter().zip(image.pixels_mut()).enumerate() {
            let (x, y) = ((i % self.width) as f32, (i / self.width) as f32);
            let off = ((x - middle[0]) * (x - middle[0]) + (y - middle[1]) * (y - middle[1])) / (middle[0] * middle[0]);
            let g = gain * (1.0 - e.vignette * off * 0.6).max(0.2);
            // noise: most of it the same in all channels, more in the dark
            let common = quick(dice);
            let c = [p.x, p.y, p.z].map(|c| {
                let tone = shoulder(c * g);
                let v = (encode(tone) - 118.0) * e.contrast + 118.0;
                let n = e.noise * (1.25 - v / 400.0);
                (v + n * (0.75 * common + 0.65 * quick(dice)) + 0.5).clamp(0.0, 255.0) as u8
            });
            out.0 = c;
        }
        image
    }
}

/// Neighbours to average, as steps across and down, and weights that add up to one.
struct Taps(Vec<(isize, isize, f32)>);

impl Taps {
    /// Evenly along a line through the pixel, `dx` across and `dy` down from end to end.
    fn line(dx: f32, dy: f32) -> Taps {
        let steps = (dx.abs().max(dy.abs()) * 1.5).ceil().clamp(2.0, 64.0) as usize;
        let mut taps: Vec<(isize, isize, f32)> = Vec::new();
        let k = 1.0 / (steps + 1) as f32;
        for s in 0..=steps {
            let t = s as f32 / steps as f32 - 0.5;
            let (x, y) = (dx * t, dy * t);
            let (tx, ty) = (x - x.floor(), y - y.floor());
            for (px, wx) in [(0, 1.0 - tx), (1, tx)] {
                for (py, wy) in [(0, 1.0 - ty), (1, ty)] {
                    let (ox, oy, w) = (x.floor() as isize + px, y.floor() as isize + py, wx * wy * k);
                    match taps.iter_mut().find(|t| (t.0, t.1) == (ox, oy)) {
                        Some(tap) => tap.2 += w,
                        None if w > 0.0 => taps.push((ox, oy, w)),
                        None => {}
                    }
                }
            }
        }
        Taps(taps)
    }
}

/// Film's answer to too much light: straight up to half, then ever flatter.
fn shoulder(x: f32) -> f32 {
    if x < 0.5 { x } else { 1.0 - 0.25 / x }
}

/// A draw about zero with deviation one, from a single word: the sum of its four bytes.
fn quick(dice: &mut Dice) -> f32 {
    let sum: u32 = dice.word().to_le_bytes().iter().map(|b| u32::from(*b)).sum();
    (sum as f32 - 510.0) * (1.0 / 147.8)
}
