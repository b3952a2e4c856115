//! The gallery: known individuals with their embeddings, searched for the animals on new photos.
//!
//! A gallery is a folder ([`store`]) that one process at a time changes ([`writer`], [`add`]). [`known`] is a gallery as
//! numbers, which [`search`] and decisions ([`identify`]) are made of. A decision: [`proposal`] ranks the individuals,
//! [`calibration`] says what their distances mean, [`decision`] is made of both.

pub mod about;
pub mod add;
pub mod answers;
mod apart;
pub mod asked;
pub mod backup;
pub mod bench;
pub mod bundle;
pub mod change;
mod codes;
mod correction;
#[cfg(test)]
mod correction_tests;
pub mod decided_table;
pub mod decisions;
mod error;
pub mod export;
mod facts;
mod field;
mod gone;
pub mod groups;
mod hash;
pub mod held;
pub mod identify;
pub mod known;
pub mod large;
#[cfg(test)]
mod large_tests;
mod later;
mod mapped;
mod names;
mod owners;
pub mod progress;
mod ranks;
pub mod rebuild;
pub mod recall;
pub mod rulings;
pub mod search;
pub mod seen;
pub mod session;
pub mod since;
pub mod sitting;
mod stands;
pub mod store;
#[cfg(test)]
mod tests;
pub mod trained;
mod unchanged;
pub mod unread;
mod vectors;
pub mod watch;
pub mod writer;

pub mod ari;
pub mod calibrated;
pub mod calibration;
pub mod calibration_charts;
pub mod decision;
pub mod discover;
pub mod discovered;
mod drawn;
mod linkage;
pub mod logistic;
pub mod proposal;
pub mod share;
#[cfg(test)]
mod testing;
pub mod thresholds;

pub use error::Error;

/// The calibration in the gallery's folder.
pub const CALIBRATION_FILE: &str = "calibration.json";

/// What every fallible function of this folder returns.
pub type Result<T> = std::result::Result<T, Error>;
