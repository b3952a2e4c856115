//! Operations on feature maps that dfdx lacks, each with its forward, its backward and a place on the tape.
//!
//! An operation here is generic over the device: it checks shapes, asks the device's kernels, and records its
//! backward. What a device must be able to do is the sum of the kernel traits, [`Backend`]. Memory order, threads
//! and pointers are the device's own: for the CPU they live in `cpu/`, the only place with `unsafe`.

mod activate;
mod attention;
mod conv;
mod conv_norm;
#[allow(unsafe_code)]
pub mod cpu;
#[cfg(feature = "cuda")]
#[allow(unsafe_code)]
pub mod cuda;
pub mod device;
mod layer_norm;
mod norm;
mod patches;
mod photos;
mod pool;
mod precision;
mod scale;
mod update;

pub use activate::{Activation, ElementKernel, activate, add};
pub(in crate::nn) use attention::MASK;
pub use attention::{AttentionKernel, WindowSpec, Windows, window_attention};
pub use conv::{ConvKernel, ConvSpec, conv2d};
pub use conv_norm::{ConvNormKernel, ConvNormed, conv_norm};
pub use layer_norm::{LayerNorm, LayerNormKernel, layer_norm};
pub use norm::{BatchNorm, NormKernel, NormSpec, batch_norm};
pub use patches::{PatchKernel, merge_patches, reframe};
pub use photos::{Normalisation, PhotoKernel, photos};
pub use pool::{PoolKernel, PoolKind, PoolSpec, Rows, global_average, pool2d, to_matrix};
pub use precision::{Precision, bf16_of, f32_of};
pub use scale::{ScaleKernel, scale_channels};
pub use update::{AdamStep, SgdStep, UpdateKernel};

use dfdx::prelude::{Cpu, Device, Storage, Synchronize, Tensor};

use super::map::{Dims, Flat};
use super::param::Shape;

/// How a device lays out maps and parameters. Files and tests speak torchvision's order; only these functions
/// know another.
pub trait Layout: Storage<f32> {
    /// Values of a map in this device's order, padding included.
    fn map_len(&self, dims: Dims) -> usize;
    /// From N x C x H x W to this device's order.
    fn pack_map(&self, dims: Dims, values: &[f32]) -> Vec<f32>;
    /// From this device's order to N x C x H x W.
    ///
    /// # Errors
    /// When the device fails.
    fn unpack_map(&self, dims: Dims, values: &Flat<Self>) -> Result<Vec<f32>, Self::Err>;
    /// From torchvision's order to this device's.
    fn pack_param(&self, shape: &Shape, values: Vec<f32>) -> Vec<f32>;
    /// From this device's order to torchvision's.
    ///
    /// # Errors
    /// When the device fails.
    fn unpack_param(&self, shape: &Shape, values: &Flat<Self>) -> Result<Vec<f32>, Self::Err>;
    /// A map of one place as a matrix of photos x channels.
    ///
    /// # Errors
    /// When the device fails.
    fn to_rows(&self, dims: Dims, values: &Flat<Self>) -> Result<Tensor<(usize, usize), f32, Self>, Self::Err>;
    /// The way back of [`Layout::to_rows`].
    ///
    /// # Errors
    /// When the device fails.
    fn map_of_rows(&self, dims: Dims, rows: Tensor<(usize, usize), f32, Self>) -> Result<Flat<Self>, Self::Err>;
    /// The values of a dfdx tensor; its own `as_vec` panics where a device fails.
    ///
    /// # Errors
    /// When the device fails.
    fn read<S: dfdx::prelude::Shape, T>(&self, tensor: &Tensor<S, f32, Self, T>) -> Result<Vec<f32>, Self::Err>;
}

/// A device that networks run on.
pub trait Backend:
    Device<f32>
    + Synchronize
    + Layout
    + ConvKernel
    + NormKernel
    + ConvNormKernel
    + LayerNormKernel
    + AttentionKernel
    + PatchKernel
    + PoolKernel
    + ElementKernel
    + ScaleKernel
    + PhotoKernel
    + UpdateKernel
{
}

impl Backend for Cpu {}
#[cfg(feature = "cuda")]
impl ConvNormKernel for dfdx::prelude::Cuda {
    type Ready = ();
}
#[cfg(feature = "cuda")]
impl Backend for dfdx::prelude::Cuda {}

#[cfg(test)]
mod conv_tests;
#[cfg(test)]
mod tests;
#[cfg(test)]
mod tile_tests;
#[cfg(test)]
mod token_tests;
#[cfg(test)]
mod winograd_tests;
