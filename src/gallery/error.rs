//! What can go wrong with a gallery, each with its file and the way out.

/// A gallery that could not be read, searched or changed.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Embeddings and what is said of them do not belong together.
    #[error("the gallery's embeddings do not fit its photos: {reason}")]
    Known {
        /// In what.
        reason: String,
    },
    /// Photos that cannot be asked about.
    #[error("these photos cannot be looked up: {reason}")]
    Query {
        /// Why not.
        reason: String,
    },
    /// An error rate that nothing can be held to.
    #[error("a {what} rate of {rate} is none: it lies between 0 and 1, as 0.05")]
    Rate {
        /// Which.
        what: &'static str,
        /// What was given.
        rate: f64,
    },
    /// Too few individuals for a promise.
    #[error(
        "{individuals} held-out individuals cannot promise a {what} rate of {asked}: it takes {needed}, even if nothing goes wrong; the \
         least that these can promise is {least:.3} (95 % confidence)"
    )]
    TooFew {
        /// The error in question.
        what: &'static str,
        /// The rate asked for.
        asked: f64,
        /// Individuals that could be held out.
        individuals: usize,
        /// The lowest rate that they can promise.
        least: f64,
        /// How many it takes, with an encounter each.
        needed: usize,
    },
    /// All individuals trained the network.
    #[error(
        "all {individuals} individuals trained the network, which holds them apart better than strangers: they calibrate nothing; add \
         individuals that it never saw, or train on a part of them (--split disjoint) and build the gallery with that"
    )]
    AllTrained {
        /// How many.
        individuals: usize,
    },
    /// A gallery in which nobody can be left out.
    #[error(
        "with {individuals} individuals nobody can be left out and the others still be ranked: it takes three, and many more for a promise"
    )]
    NothingToHoldOut {
        /// How many there are.
        individuals: usize,
    },
}
