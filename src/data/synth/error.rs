//! What can go wrong when a synthetic dataset is drawn: the folder, a file, or the plan itself.

use std::io;
use std::path::PathBuf;

/// Why a dataset was not drawn.
#[derive(Debug, thiserror::Error)]
pub enum SynthError {
    /// The plan asks for something that cannot be drawn.
    #[error("cannot draw this dataset: {0}")]
    Plan(String),
    /// The folder holds something already.
    #[error(
        "the folder {path} is not empty: choose a new folder, or delete this one if an earlier drawing was cut short"
    )]
    NotEmpty {
        /// The folder.
        path: PathBuf,
    },
    /// Whoever watched it said no.
    #[error("stopped before all photos were drawn")]
    Interrupted,
    /// A file or folder could not be written.
    #[error("cannot write {path}: {source}")]
    Write {
        /// The file or folder.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// A photo could not be compressed.
    #[error("cannot compress {path}: {source}")]
    Encode {
        /// The file.
        path: PathBuf,
        /// What the encoder said.
        source: image::ImageError,
    },
}
