//! How exactly products are computed: PyTorch's float32 matmul precision, on every device.

use serde::{Deserialize, Serialize};

/// How exactly convolutions multiply; sums are always of f32.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Precision {
    /// To f32's own rounding.
    Fp32,
    /// What a device does faster with little loss: TF32 on a card, three products of bf16 on a processor with AMX. As
    /// [`Precision::Fp32`] elsewhere.
    High,
    /// Rounded to bf16 on a processor with AMX; as [`Precision::Fp32`] on others, as [`Precision::High`] on a card.
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
