//! The gallery: known individuals with their embeddings, searched for the animals on new photos.
//!
//! [`known`] is a gallery as numbers, which search and decisions are made of.

pub mod about;
mod error;
mod facts;
pub mod known;
pub mod store;
#[cfg(test)]
mod tests;
mod vectors;
pub mod writer;

pub use error::Error;

/// What every fallible function of this folder returns.
pub type Result<T> = std::result::Result<T, Error>;
