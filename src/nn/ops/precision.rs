//! How exactly products are computed: PyTorch's float32 matmul precision, on every device.

use serde::{Deserialize, Serialize};

/// How exactly convolutions multiply; sums are always of f32.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Precision {
    /// To f32's own rounding.
    Fp32,
    /// What a device does faster with little loss: TF32 on a card, three products of bf16 on a processor with AMX, Winograd's
    /// transforms of 3x3 windows on one without.
    High,
    /// Factors rounded to bf16 on a processor with AMX, and as [`Precision::High`] on others; on a card all maps are kept in
    /// bf16, and parameters, their gradients, statistics and sums in f32 (before compute capability 8: as [`Precision::High`]).
    Amp,
}

impl Precision {
    /// Every one of them.
    pub const ALL: [Precision; 3] = [Precision::Fp32, Precision::High, Precision::Amp];

    /// The name that configurations and the command line use.
    pub fn name(self) -> &'static str {
        match self {
            Precision::Fp32 => "fp32",
            Precision::High => "high",
            Precision::Amp => "amp",
        }
    }

    /// The one of that name.
    pub fn named(name: &str) -> Option<Precision> {
        Precision::ALL.into_iter().find(|precision| precision.name() == name)
    }
}

/// `value` rounded to the nearest bf16, the upper half of an f32; ties go to the even one, and what is no number stays none.
pub fn bf16_of(value: f32) -> u16 {
    let bits = value.to_bits();
    if value.is_nan() { (bits >> 16) as u16 | 64 } else { ((bits + 0x7fff + (bits >> 16 & 1)) >> 16) as u16 }
}

/// What a bf16 stands for.
pub fn f32_of(half: u16) -> f32 {
    f32::from_bits(u32::from(half) << 16)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bf16_is_the_nearest() {
        let rounded = |v: f32| f32_of(bf16_of(v));
        assert_eq!([0.0, -0.0, 1.0, -2.5, f32::INFINITY].map(rounded), [0.0, -0.0, 1.0, -2.5, f32::INFINITY]);
        // eight bits of a fraction: 1/256 lies between 1 and 1 + 1/128
        assert_eq!([1.0 + 0.003, 1.0 + 0.005].map(rounded), [1.0, 1.0 + 1.0 / 128.0]);
        assert_eq!([1.0 + 1.0 / 256.0, 1.0 + 3.0 / 256.0].map(rounded), [1.0, 1.0 + 2.0 / 128.0]);
        assert!(rounded(f32::NAN).is_nan() && rounded(f32::from_bits(0x7f80_0001)).is_nan());
        assert_eq!(rounded(f32::MAX), f32::INFINITY);
    }
}
