//! The gallery: known individuals with their embeddings, searched for the animals on new photos.
//!
//! [`known`] is a gallery as numbers, which search and decisions are made of. A decision: [`proposal`] ranks the individuals,
//! [`calibration`] says what their distances mean, [`decision`] is made of both.

pub mod about;
mod error;
mod facts;
pub mod known;
pub mod store;
#[cfg(test)]
mod tests;
mod vectors;
pub mod writer;

pub mod ari;
pub mod calibrated;
pub mod calibration;
pub mod calibration_charts;
pub mod decision;
pub mod discover;
mod linkage;
pub mod logistic;
pub mod proposal;
pub mod share;
#[cfg(test)]
mod testing;
pub mod thresholds;

pub use error::Error;

/// What every fallible function of this folder returns.
pub type Result<T> = std::result::Result<T, Error>;
