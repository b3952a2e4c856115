//! What dfdx lacks: operations on feature maps, layers, backbones, weights.
//!
//! Everything above `ops` is generic over the device and knows neither pointer, thread nor memory order.

pub mod error;
pub mod init;
pub mod map;
pub mod ops;
pub mod param;
pub mod pass;
