//! Photos and who is on them: formats, splits, decoding, augmentation, sampling.
//!
//! Knows files and pixels; knows nothing of tensors, networks or runs.

pub mod synth;
