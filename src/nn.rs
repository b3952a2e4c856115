//! What dfdx lacks: operations on feature maps, layers, backbones, weights.
//!
//! Everything above `ops` is generic over the device and knows neither pointer, thread nor memory order.

pub mod average;
pub mod backbone;
pub mod block;
pub mod codes;
pub mod error;
#[cfg(test)]
pub mod golden;
pub mod head;
pub mod init;
pub mod layer;
pub mod map;
pub mod network;
pub mod onnx;
pub mod ops;
pub mod optim;
pub mod param;
#[cfg(test)]
mod parity_tests;
pub mod pass;
pub mod selftest;
pub mod swin;
pub mod weights;
