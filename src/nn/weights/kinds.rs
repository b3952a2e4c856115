//! The number formats of weights files, and how each becomes f32.

use std::collections::BTreeSet;

use crate::nn::ops::f32_of;

/// A format of numbers, little-endian.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// IEEE 754, 64 bits.
    F64,
    /// IEEE 754, 32 bits.
    F32,
    /// IEEE 754, 16 bits.
    F16,
    /// The upper half of an f32.
    Bf16,
    /// Whole numbers and truth values, of so many bytes: counters and indices, no weights.
    Whole(usize),
}

impl Kind {
    /// Bytes of a number.
    pub fn bytes(self) -> usize {
        match self {
            Kind::F64 => 8,
            Kind::F32 => 4,
            Kind::F16 | Kind::Bf16 => 2,
            Kind::Whole(bytes) => bytes,
        }
    }

    /// What a person calls it where it is not f32.
    pub fn word(self) -> Option<&'static str> {
        match self {
            Kind::F64 => Some("double"),
            Kind::F16 => Some("half"),
            Kind::Bf16 => Some("bfloat16"),
            Kind::F32 | Kind::Whole(_) => None,
        }
    }

    /// The number in the first bytes of `bytes`; whole numbers have none.
    fn number(self, bytes: &[u8]) -> f32 {
        match self {
            Kind::F64 => bytes.first_chunk().map_or(f32::NAN, |b| f64::from_le_bytes(*b) as f32),
            Kind::F32 => bytes.first_chunk().map_or(f32::NAN, |b| f32::from_le_bytes(*b)),
            Kind::F16 => bytes.first_chunk().map_or(f32::NAN, |b| half(u16::from_le_bytes(*b))),
            Kind::Bf16 => bytes.first_chunk().map_or(f32::NAN, |b| f32_of(u16::from_le_bytes(*b))),
            Kind::Whole(_) => f32::NAN,
        }
    }

    /// The numbers of `bytes`, row by row. Whole numbers are no weights: none are read.
    pub fn widen(self, bytes: &[u8]) -> Vec<f32> {
        if matches!(self, Kind::Whole(_)) {
            return Vec::new();
        }
        bytes.chunks_exact(self.bytes()).map(|b| self.number(b)).collect()
    }

    /// The numbers at `steps` through `bytes`, counted in numbers; one outside is none.
    pub fn gather(self, bytes: &[u8], steps: impl Iterator<Item = usize>) -> Option<Vec<f32>> {
        let size = self.bytes();
        steps
            .map(|at| {
                let from = at.checked_mul(size)?;
                bytes.get(from..from.checked_add(size)?).map(|b| self.number(b))
            })
            .collect()
    }
}

/// An IEEE half as f32, exactly.
fn half(bits: u16) -> f32 {
    let sign = u32::from(bits >> 15) << 31;
    let (exponent, fraction) = (u32::from(bits >> 10) & 31, u32::from(bits) & 1023);
    match exponent {
        // subnormal: a multiple of 2^-24, which f32 holds
        0 => f32::from_bits(sign | (fraction as f32 * (1.0 / 16_777_216.0)).to_bits()),
        31 => f32::from_bits(sign | 0x7F80_0000 | fraction << 13),
        _ => f32::from_bits(sign | (exponent + 112) << 23 | fraction << 13),
    }
}

/// The formats that are not ours, in words; none where all are f32.
pub fn told(kinds: impl Iterator<Item = Kind>) -> Option<String> {
    let words: BTreeSet<_> = kinds.filter_map(Kind::word).collect();
    let words: Vec<_> = words.into_iter().collect();
    (!words.is_empty()).then(|| words.join(" and "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_format_becomes_the_number_it_means() {
        // torch.tensor([1.5, -2.0, 65504.0, 2**-24, inf]).half(), and the same as bfloat16
        let halves: Vec<u8> =
            [0x3E00u16, 0xC000, 0x7BFF, 0x0001, 0x7C00].iter().flat_map(|v| v.to_le_bytes()).collect();
        assert_eq!(Kind::F16.widen(&halves), [1.5, -2.0, 65504.0, 2f32.powi(-24), f32::INFINITY]);
        let brains: Vec<u8> = [0x3FC0u16, 0xC000, 0x4780].iter().flat_map(|v| v.to_le_bytes()).collect();
        assert_eq!(Kind::Bf16.widen(&brains), [1.5, -2.0, 65536.0]);
        assert_eq!(Kind::F64.widen(&0.1f64.to_le_bytes()), [0.1f32]);
        assert_eq!(Kind::F32.gather(&[0, 0, 128, 63, 0, 0, 0, 64], [1, 0].into_iter()).unwrap(), [2.0, 1.0]);
        assert_eq!(Kind::F32.gather(&[0; 8], [2].into_iter()), None);
        assert!(half(0x7E00).is_nan() && half(0x8000).to_bits() == 0x8000_0000);
    }
}
