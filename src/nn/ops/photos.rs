//! Where photos enter: bytes in, normalised planes out.

use dfdx::prelude::Storage;

use crate::nn::error::{NnError, Result};
use crate::nn::map::{Dims, FeatureMap, Flat};
use crate::nn::pass::Pass;

use super::Backend;

/// What red, green and blue are brought to before a network sees them: it belongs to its weights.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Normalisation {
    /// Subtracted from red, green, blue on the scale of 0 to 1.
    pub mean: [f32; 3],
    /// Divides them.
    pub deviation: [f32; 3],
}

impl Normalisation {
    /// Mean and standard deviation of ImageNet: torchvision's weights, and most of timm's.
    pub const IMAGENET: Normalisation = Normalisation { mean: [0.485, 0.456, 0.406], deviation: [0.229, 0.224, 0.225] };

    /// Whether it makes numbers of every photo: means from 0 to 1, deviations above 0 and of that size.
    pub fn is_usable(&self) -> bool {
        self.mean.iter().all(|m| (0.0..=1.0).contains(m)) && self.deviation.iter().all(|d| (1e-3..=1.0).contains(d))
    }
}

/// Photos on a device.
pub trait PhotoKernel: Storage<f32> {
    /// `(byte / 255 - mean) / deviation` as a map of three channels, from N x H x W x 3 bytes.
    fn normalise(&self, dims: Dims, bytes: &[u8], by: &Normalisation) -> Result<Flat<Self>, Self::Err>;
}

/// A batch of `n` square photos of `side` pixels, RGB bytes row by row, as a map of three channels.
///
/// # Errors
/// When the number of bytes does not fit or the device fails.
pub fn photos<D: Backend>(
    pass: &mut Pass<D>,
    n: usize,
    side: usize,
    bytes: &[u8],
    by: &Normalisation,
) -> Result<FeatureMap<D>> {
    let dims = Dims::new(n, 3, side, side);
    if bytes.len() != dims.count() {
        return Err(NnError::shape("photos", format!("{} bytes for a batch of {dims}", bytes.len())));
    }
    let values = pass.device().normalise(dims, bytes, by).map_err(|e| NnError::device("photos", e))?;
    let mut photos = FeatureMap::constant(values, dims);
    pass.draw(&mut photos, |graph| Ok(graph.photos(dims)))?;
    Ok(photos)
}
