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
}
