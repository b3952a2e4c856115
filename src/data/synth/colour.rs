//! Colours: inks as a painter names them (sRGB), light as it adds up (linear), and the way between.
//!
//! Light is added, scattered and blurred in linear numbers, as water does it; pictures and inks are sRGB.

use super::maths::{V3, mix, pow, v3};
use std::sync::LazyLock;

/// A colour in sRGB with cover, each 0 to 1.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Ink {
    pub(super) r: f32,
    pub(super) g: f32,
    pub(super) b: f32,
    pub(super) a: f32,
}

/// An opaque ink from 0xRRGGBB.
pub(super) fn ink(hex: u32) -> Ink {
    let part = |shift: u32| ((hex >> shift) & 255) as f32 / 255.0;
    Ink { r: part(16), g: part(8), b: part(0), a: 1.0 }
}

impl Ink {
    /// The same colour with this cover.
    pub(super) fn cover(self, a: f32) -> Ink {
        Ink { a, ..self }
    }

    /// `self` at 0, `o` at 1.
    pub(super) fn mix(self, o: Ink, t: f32) -> Ink {
        Ink { r: mix(self.r, o.r, t), g: mix(self.g, o.g, t), b: mix(self.b, o.b, t), a: mix(self.a, o.a, t) }
    }

    /// Brighter above 1, darker below.
    pub(super) fn bright(self, k: f32) -> Ink {
        Ink { r: self.r * k, g: self.g * k, b: self.b * k, a: self.a }
    }

    /// In linear light, cover left aside.
    pub(super) fn light(self) -> V3 {
        let part = |x: f32| linear((x.clamp(0.0, 1.0) * 255.0 + 0.5) as u8);
        v3(part(self.r), part(self.g), part(self.b))
    }
}

static LINEAR: LazyLock<[f32; 256]> = LazyLock::new(|| {
    std::array::from_fn(|i| {
        let x = i as f32 / 255.0;
        if x <= 0.04045 { x / 12.92 } else { pow((x + 0.055) / 1.055, 2.4) }
    })
});

/// Linear light of an sRGB byte.
pub(super) fn linear(byte: u8) -> f32 {
    LINEAR[byte as usize]
}

static ENCODED: LazyLock<Vec<f32>> = LazyLock::new(|| {
    (0..=4096)
        .map(|i| {
            // the table is even in the square root of light: dark tones get the finer steps
            let x = (i as f32 / 4096.0) * (i as f32 / 4096.0);
            let y = if x <= 0.003_130_8 { x * 12.92 } else { 1.055 * pow(x, 1.0 / 2.4) - 0.055 };
            y * 255.0
        })
        .collect()
});

/// The sRGB value (0 to 255, not rounded) of linear light.
pub(super) fn encode(light: f32) -> f32 {
    let i = light.clamp(0.0, 1.0).sqrt() * 4096.0;
    let low = (i as usize).min(4095);
    mix(ENCODED[low], ENCODED[low + 1], i - low as f32)
}
