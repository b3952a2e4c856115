//! The run directory: the only contract between a trainer and whoever watches it.
//!
//! Knows files, locks and processes; knows nothing of tensors or losses.
