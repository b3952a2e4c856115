//! Scales each channel of each photo: the last step of squeeze and excite (Hu et al. 2018).

use dfdx::prelude::Storage;

use crate::nn::error::{NnError, Result};
use crate::nn::map::{Dims, FeatureMap, Flat};
use crate::nn::pass::Pass;

use super::Backend;
use super::activate::give;

/// Scaling of channels on a device.
pub trait ScaleKernel: Storage<f32> {
    /// `x[n, c, h, w] * scale[n, c]`.
    fn scale_forward(&self, x: (Dims, &Flat<Self>), scale: &Flat<Self>) -> Result<Flat<Self>, Self::Err>;
    /// The gradients of `x`, in the memory of `gy`, and of `scale`.
    fn scale_backward(
        &self,
        x: (Dims, &Flat<Self>),
        scale: &Flat<Self>,
        gy: Flat<Self>,
    ) -> Result<(Flat<Self>, Flat<Self>), Self::Err>;
}

/// Refuses scales that do not fit a map of `dims`.
pub(super) fn check(dims: Dims, scale: Dims) -> Result<()> {
    if scale == dims.with_size(1, 1) {
        return Ok(());
    }
    Err(NnError::shape("scale channels", format!("scales of {scale} for a map of {dims}")))
}

/// Multiplies each channel of each photo of `x` by the one value that `scale` (N x C x 1 x 1) has for it.
///
/// # Errors
/// When the sizes do not fit or the device fails.
pub fn scale_channels<D: Backend>(
    pass: &mut Pass<D>,
    x: &FeatureMap<D>,
    scale: &FeatureMap<D>,
) -> Result<FeatureMap<D>> {
    let dims = x.dims();
    check(dims, scale.dims())?;
    let device = pass.device().clone();
    let y =
        device.scale_forward((dims, x.values()), scale.values()).map_err(|e| NnError::device("scale channels", e))?;
    let mut y = pass.output(y, dims);
    pass.draw(&mut y, |graph| Ok(graph.scaled(x.drawn()?, scale.drawn()?)))?;
    let (x, scale) = (x.clone(), scale.clone());
    pass.record(&y, move |gy, _| {
        let (gx, gs) = device.scale_backward((dims, x.values()), scale.values(), gy)?;
        give(&device, &x, gx)?;
        give(&device, &scale, gs)
    });
    Ok(y)
}
