//! Retrieval metrics, the files an evaluation leaves, projections and pictures.
//!
//! Data flows one way: a set of embeddings is ranked ([`retrieval`]), the ranks become figures
//! ([`metrics`]), the distances become a summary that says what one distance means ([`verdict`]),
//! and all of it becomes files ([`report`], [`figures`]). Those know neither network nor photo file:
//! [`embed`] and [`model`] run the network, and [`dataset`], [`gather`] and [`compare`] are what the verbs call.

pub mod attention;
pub mod bench;
pub mod boxes;
pub mod charts;
pub mod compare;
pub mod dataset;
pub mod embed;
pub mod embeddings;
pub mod encounters;
mod error;
pub mod figures;
pub mod gather;
pub mod histogram;
pub mod intervals;
pub mod matching;
pub mod metrics;
pub mod model;
pub mod open_set;
pub mod outside;
pub mod pairs;
pub mod projection;
pub mod report;
pub mod retrieval;
pub mod session;
#[cfg(test)]
mod testing;
pub mod verdict;
pub mod verification;
pub mod versus;
pub mod weights;

pub use error::Error;

/// What every fallible function of this folder returns.
pub type Result<T> = std::result::Result<T, Error>;
