//! The CPU's kernels: memory order nChw16c, packed weights, threads of its own. The only place with `unsafe`.
//!
//! A map is `[N][C/16][H][W][16]`, its channels padded to sixteen with zeros that every kernel keeps zero (a map of
//! at most three channels, a photo, stays `[N][C][H][W]`). Inner loops then load sixteen channels of one pixel at
//! constant displacements, whatever the processor: `simd.rs` has sixteen lanes as one register of AVX-512, two of
//! AVX2, or a plain array. On AMX most convolutions are products of tiles (`tiled.rs`),
//! without it 3x3 ones are products at Winograd's points (`winograd.rs`). Work is cut into tasks by shape
//! alone and every task writes memory of its own, so results do not depend on the number of threads.

mod access;
#[cfg(target_arch = "x86_64")]
mod amx;
mod attention;
mod conv;
mod conv_norm;
mod depthwise;
mod direct;
mod distances;
mod elements;
mod fallback;
mod finish;
mod kept;
mod layer_norm;
#[cfg(test)]
mod layer_tests;
mod layout;
mod memory;
mod norm;
pub(in crate::nn) mod parts;
mod patches;
mod photos;
pub(in crate::nn) mod plan;
mod pool;
mod product;
mod product_of_tiles;
mod scan;
mod simd;
mod split_weights;
mod strips;
mod threads;
mod tile;
mod tiled;
mod tiled_weights;
mod tiles;
mod transforms;
mod unfold;
mod update;
mod weights;
mod winograd;
mod winograd_weights;

pub use distances::{distance, distances};
pub use kept::Ready;
pub use memory::keep_memory;
pub use plan::{kernels, set_precision, with_vectors};
pub use scan::{FACTOR as SCAN_FACTOR, STEP as SCAN_STEP, scan};
pub use simd::{Isa, isa};
pub use threads::thread_count;
