//! Moving places: four neighbours joined into one of four times the channels, and maps made larger with zeros or cut.

use dfdx::prelude::Storage;

use crate::nn::error::{NnError, Result};
use crate::nn::map::{Dims, FeatureMap, Flat};
use crate::nn::pass::Pass;

use super::Backend;
use super::activate::give;

/// Moving places on a device.
pub trait PatchKernel: Storage<f32> {
    /// Joins neighbours: see [`merge_patches`].
    fn merge(&self, x: (Dims, &Flat<Self>), y: Dims) -> Result<Flat<Self>, Self::Err>;
    /// The gradient of the input of [`PatchKernel::merge`], from that of the output: parts it again.
    fn part(&self, y: (Dims, &Flat<Self>), x: Dims) -> Result<Flat<Self>, Self::Err>;
    /// What `x` has in its upper left, in a map of the sizes `y`, which differ in height and width only; zero elsewhere.
    fn reframe(&self, x: (Dims, &Flat<Self>), y: Dims) -> Result<Flat<Self>, Self::Err>;
}

/// N x C x H x W to N x 4C x H/2 x W/2, sides rounded up: each square of four places as one, its channels those of the
/// upper left place, then the lower left, the upper right, the lower right (torchvision's `PatchMerging`); zero beyond the
/// map.
///
/// # Errors
/// When the channels are no multiple of 16, or the device fails.
pub fn merge_patches<D: Backend>(pass: &mut Pass<D>, x: &FeatureMap<D>) -> Result<FeatureMap<D>> {
    const OP: &str = "merge patches";
    let dims = x.dims();
    if dims.c == 0 || !dims.c.is_multiple_of(16) {
        return Err(NnError::shape(OP, format!("channels in sixteens expected, the map is {dims}")));
    }
    let out = Dims::new(dims.n, 4 * dims.c, dims.h.div_ceil(2), dims.w.div_ceil(2));
    let device = pass.device().clone();
    let y = device.merge((dims, x.values()), out).map_err(|e| NnError::device(OP, e))?;
    let mut y = pass.output(y, out);
    pass.draw(&mut y, |graph| Ok(graph.merged(x.drawn()?, out)))?;
    let x = x.clone();
    pass.record(&y, move |gy, _| give(&device, &x, device.part((out, &gy), dims)?));
    Ok(y)
}

/// The map with `h` rows and `w` columns: zeros added below and to the right, or places cut off there.
///
/// # Errors
/// When the device fails.
pub fn reframe<D: Backend>(pass: &mut Pass<D>, x: &FeatureMap<D>, [h, w]: [usize; 2]) -> Result<FeatureMap<D>> {
    const OP: &str = "reframe";
    let (dims, out) = (x.dims(), x.dims().with_size(h, w));
    if dims == out {
        return Ok(x.clone());
    }
    let device = pass.device().clone();
    let y = device.reframe((dims, x.values()), out).map_err(|e| NnError::device(OP, e))?;
    let mut y = pass.output(y, out);
    pass.draw(&mut y, |graph| Ok(graph.reframed(x.drawn()?, out)))?;
    let x = x.clone();
    pass.record(&y, move |gy, _| give(&device, &x, device.reframe((out, &gy), dims)?));
    Ok(y)
}
