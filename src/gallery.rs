//! The gallery: known individuals with their embeddings, searched for the animals on new photos.
//!
//! [`known`] is a gallery as numbers, which search and decisions are made of.

pub mod calibration;
pub mod decision;
mod error;
pub mod known;
pub mod logistic;
pub mod proposal;
pub mod share;
#[cfg(test)]
mod testing;
pub mod thresholds;

pub use error::Error;

/// What every fallible function of this folder returns.
pub type Result<T> = std::result::Result<T, Error>;
