//! Where photos enter: bytes in, normalised planes out.

use dfdx::prelude::Storage;

use crate::nn::error::{NnError, Result};
use crate::nn::map::{Dims, FeatureMap, Flat};
use crate::nn::pass::Pass;

use super::Backend;

/// ImageNet's mean of red, green, blue, on the scale of 0 to 1.
pub const MEAN: [f32; 3] = [0.485, 0.456, 0.406];
/// ImageNet's standard deviation of red, green, blue, on the scale of 0 to 1.
pub const DEVIATION: [f32; 3] = [0.229, 0.224, 0.225];

/// Photos on a device.
pub trait PhotoKernel: Storage<f32> {
    /// `(byte / 255 - MEAN) / DEVIATION` as a map of three channels, from N x H x W x 3 bytes.
    fn normalise(&self, dims: Dims, bytes: &[u8]) -> Result<Flat<Self>, Self::Err>;
}

/// A batch of `n` square photos of `side` pixels, RGB bytes row by row, as a map of three channels.
///
/// # Errors
/// When the number of bytes does not fit or the device fails.
pub fn photos<D: Backend>(pass: &mut Pass<D>, n: usize, side: usize, bytes: &[u8]) -> Result<FeatureMap<D>> {
    let dims = Dims::new(n, 3, side, side);
    if bytes.len() != dims.count() {
        return Err(NnError::shape("photos", format!("{} bytes for a batch of {dims}", bytes.len())));
    }
    let values = pass.device().normalise(dims, bytes).map_err(|e| NnError::device("photos", e))?;
    let mut photos = FeatureMap::constant(values, dims);
    pass.draw(&mut photos, |graph| Ok(graph.photos(dims)))?;
    Ok(photos)
}
