//! Photos and who is on them: formats, splits, decoding, augmentation, sampling.
//!
//! The way of a photo: a format reads a folder or table into a manifest, with what was corrected; a split says which part each photo is in;
//! a sampler makes batches of them; the loader decodes, resizes, caches and augments each into pixels.
//! Knows files and pixels; knows nothing of tensors, networks or runs.

pub mod aligned;
pub mod augment;
pub mod base64;
pub mod bench;
pub mod cache;
pub mod camera;
pub mod check;
pub mod columns;
pub mod corrections;
pub mod counted;
pub mod crop;
pub mod decode;
pub mod duplicates;
mod each;
pub mod empty;
pub mod error;
pub mod export;
pub mod fingerprint;
pub mod foreign;
pub mod formats;
pub mod grouped;
pub mod hex;
pub mod loader;
pub mod manifest;
pub mod overview;
pub mod prepare;
pub mod preview;
mod random;
pub mod resize;
pub mod same_photos;
pub mod sampler;
pub mod sets;
pub mod sizes;
pub mod split;
pub mod synth;
pub mod tried;

pub use error::DataError;
