//! Initial values, as torchvision draws them (the distributions, not its random numbers).

use rand::RngExt;
use rand_chacha::ChaCha8Rng;

/// A distribution of initial values.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Init {
    /// Every value the same.
    Constant(f32),
    /// Normal around 0 with this standard deviation.
    Normal(f32),
    /// Uniform between minus and plus this bound.
    Uniform(f32),
}

impl Init {
    /// Kaiming's normal for rectifiers, by fan-out: `sqrt(2 / fan_out)` (He et al. 2015; torchvision's convolutions).
    pub fn kaiming_fan_out(fan_out: usize) -> Self {
        Init::Normal((2.0 / fan_out as f32).sqrt())
    }

    /// torch's default for linear layers and their biases: uniform within `1 / sqrt(fan_in)`.
    pub fn linear(fan_in: usize) -> Self {
        Init::Uniform(1.0 / (fan_in as f32).sqrt())
    }

    /// Xavier's uniform: `sqrt(6 / (rows + columns))` (Glorot and Bengio 2010; ArcFace's centres in the course).
    pub fn xavier_uniform(rows: usize, columns: usize) -> Self {
        Init::Uniform((6.0 / (rows + columns) as f32).sqrt())
    }

    /// `count` values from `rng`.
    pub fn draw(self, count: usize, rng: &mut ChaCha8Rng) -> Vec<f32> {
        match self {
            Init::Constant(value) => vec![value; count],
            Init::Uniform(bound) => (0..count).map(|_| bound * (2.0 * rng.random::<f32>() - 1.0)).collect(),
            Init::Normal(deviation) => {
                let mut values = Vec::with_capacity(count + 1);
                while values.len() < count {
                    // Box and Muller; 1 - u keeps the logarithm finite
                    let radius = (-2.0 * (1.0 - rng.random::<f64>()).ln()).sqrt();
                    let angle = std::f64::consts::TAU * rng.random::<f64>();
                    values.push((radius * angle.cos()) as f32 * deviation);
                    values.push((radius * angle.sin()) as f32 * deviation);
                }
                values.truncate(count);
                values
            }
        }
    }
}
