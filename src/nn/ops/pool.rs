//! Pooling, and the way out of feature maps: the pooled features as rows of a dfdx matrix.

use dfdx::prelude::{OwnedTape, PutTape, Storage, Tape, Tensor};

use crate::nn::error::{NnError, Result};
use crate::nn::map::{Dims, FeatureMap, Flat};
use crate::nn::pass::Pass;

use super::Backend;
use super::activate::give;

/// What a window gives.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum PoolKind {
    /// The largest value; padding never wins. Of equal values the first gets the gradient, as in torch.
    Max,
    /// The mean over the whole window, zeros of the padding counted, as torch's default.
    Average,
}

/// A pooling window; pairs are rows, columns.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct PoolSpec {
    /// What a window gives.
    pub kind: PoolKind,
    /// Size of the window.
    pub kernel: [usize; 2],
    /// Step of the window.
    pub stride: [usize; 2],
    /// Padding on each side, at most half the window.
    pub padding: [usize; 2],
}

impl PoolSpec {
    /// Sizes of the output for an input of sizes `x`.
    ///
    /// # Errors
    /// When the window does not fit.
    pub fn output(&self, x: Dims) -> Result<Dims> {
        let mut size = [x.h, x.w];
        for axis in 0..2 {
            let (kernel, stride, padding) = (self.kernel[axis], self.stride[axis], self.padding[axis]);
            let padded = size[axis] + 2 * padding;
            if kernel == 0 || stride == 0 || padding > kernel / 2 || padded < kernel {
                return Err(NnError::shape(
                    "pool2d",
                    format!("a window of {kernel}, stride {stride}, padding {padding} on a map of {x}"),
                ));
            }
            size[axis] = (padded - kernel) / stride + 1;
        }
        Ok(x.with_size(size[0], size[1]))
    }
}

/// Pooling on a device.
pub trait PoolKernel: Storage<f32> {
    /// The output of a window of `spec`.
    fn pool_forward(&self, spec: &PoolSpec, x: (Dims, &Flat<Self>), y: Dims) -> Result<Flat<Self>, Self::Err>;
    /// The gradient of the input.
    fn pool_backward(
        &self,
        spec: &PoolSpec,
        x: (Dims, &Flat<Self>),
        y: (Dims, &Flat<Self>),
        gy: &Flat<Self>,
    ) -> Result<Flat<Self>, Self::Err>;
    /// The mean over all places, as a map of one place.
    fn global_average_forward(&self, x: (Dims, &Flat<Self>)) -> Result<Flat<Self>, Self::Err>;
    /// The gradient of the input of the mean over all places, added to `into` where something is there.
    fn global_average_backward(
        &self,
        x: Dims,
        gy: &Flat<Self>,
        into: Option<Flat<Self>>,
    ) -> Result<Flat<Self>, Self::Err>;
}

/// Pools `x`.
///
/// # Errors
/// When the window does not fit or the device fails.
pub fn pool2d<D: Backend>(pass: &mut Pass<D>, x: &FeatureMap<D>, spec: &PoolSpec) -> Result<FeatureMap<D>> {
    let (dims, out) = (x.dims(), spec.output(x.dims())?);
    let device = pass.device().clone();
    let values = device.pool_forward(spec, (dims, x.values()), out).map_err(|e| NnError::device("pool2d", e))?;
    let mut y = pass.output(values.clone(), out);
    pass.draw(&mut y, |graph| Ok(graph.pooled(x.drawn()?, spec, out)))?;
    let (x, spec) = (x.clone(), *spec);
    pass.record(&y, move |gy, _| {
        give(&device, &x, device.pool_backward(&spec, (dims, x.values()), (out, &values), &gy)?)
    });
    Ok(y)
}

/// The mean of each channel over all places: N x C x 1 x 1.
///
/// # Errors
/// When the device fails.
pub fn global_average<D: Backend>(pass: &mut Pass<D>, x: &FeatureMap<D>) -> Result<FeatureMap<D>> {
    let dims = x.dims();
    let device = pass.device().clone();
    let y = device.global_average_forward((dims, x.values())).map_err(|e| NnError::device("global average", e))?;
    let mut y = pass.output(y, dims.with_size(1, 1));
    pass.draw(&mut y, |graph| Ok(graph.global_average(x.drawn()?)))?;
    let x = x.clone();
    pass.record(&y, move |gy, _| {
        let Some(slot) = x.grad() else { return Ok(()) };
        slot.set(device.global_average_backward(dims, &gy, slot.take())?);
        Ok(())
    });
    Ok(y)
}

/// Rows of features, one a photo, with the tape of everything before.
pub type Rows<D> = Tensor<(usize, usize), f32, D, OwnedTape<f32, D>>;

/// Leaves the feature maps: N x C x 1 x 1 becomes a dfdx matrix of N rows and C columns, which takes the pass's tape
/// with it. Nothing can be recorded in the pass afterwards.
///
/// # Errors
/// When a map has more than one place, or the device fails.
pub fn to_matrix<D: Backend>(pass: &mut Pass<D>, x: &FeatureMap<D>) -> Result<Rows<D>> {
    const OP: &str = "to matrix";
    let dims = x.dims();
    if dims.h * dims.w != 1 {
        return Err(NnError::shape(OP, format!("a map of one place expected, not {dims}")));
    }
    let device = pass.device().clone();
    let rows = device.to_rows(dims, x.values()).map_err(|e| NnError::device(OP, e))?;
    let mut tape = pass.take_tape();
    if let Some(slot) = x.grad().cloned() {
        let ghost = rows.ghost();
        tape.add_backward_op(move |gradients| {
            gradients.try_alloc_for(&ghost)?;
            slot.set(device.map_of_rows(dims, gradients.get(&ghost))?);
            Ok(())
        });
    }
    Ok(rows.put_tape(tape))
}
