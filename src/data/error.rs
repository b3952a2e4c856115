//! Everything that can go wrong between a folder of photos and batches of pixels.
//!
//! One variant a cause, each with its file and, where there is one, the way out, in a sentence that needs no
//! knowledge of the code. What concerns a single row or photo and need not stop the work is a
//! [`Problem`](super::manifest::Problem) instead.

use std::io;
use std::path::PathBuf;

use super::foreign;

/// What stops reading a dataset, a split, a photo or a batch.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DataError {
    /// `--data-dir` points at nothing.
    #[error("{} does not exist", foreign::path(path))]
    Missing {
        /// What was asked for.
        path: PathBuf,
    },

    /// No format fits.
    #[error("{} is no dataset: {reason}", foreign::path(path))]
    NoFormat {
        /// What was asked for.
        path: PathBuf,
        /// What each format missed, as half a sentence.
        reason: String,
    },

    /// The system refused to read a folder or table.
    #[error("cannot read {}: {source}", foreign::path(path))]
    Io {
        /// The file or folder.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },

    /// A table that is no table.
    #[error("{}, line {line}: {}", foreign::path(path), foreign::sentence(reason))]
    Table {
        /// The table.
        path: PathBuf,
        /// Line in the file, from 1.
        line: u64,
        /// What is wrong and what to do.
        reason: String,
    },

    /// A needed column is not there.
    #[error(
        "{} has no column `{column}`; its columns are {}; `caretta dataset add TABLE --columns path=..,individual=..` says which is which",
        foreign::path(path),
        list(found)
    )]
    MissingColumn {
        /// The table.
        path: PathBuf,
        /// The column, or the alternatives joined by "or".
        column: String,
        /// What the first line holds.
        found: Vec<String>,
    },

    /// Everything was read and nothing is left.
    #[error("{} holds no usable photo: {}", foreign::path(path), foreign::short(reason, 900))]
    NoPhotos {
        /// The dataset.
        path: PathBuf,
        /// Why, as half a sentence.
        reason: String,
    },

    /// `--split-column` names what the dataset lacks.
    #[error("the dataset has no split column `{}`; it has {}", foreign::short(column, 80), list(found))]
    NoSplitColumn {
        /// The column asked for.
        column: String,
        /// The columns there are.
        found: Vec<String>,
    },

    /// A share of photos that is not between 0 and 1.
    #[error("a share of {ratio} for training is out of range: give one above 0 and below 1")]
    Ratio {
        /// The share asked for.
        ratio: f64,
    },

    /// The photos do not have what a made split needs.
    #[error("cannot split {strategy}: {reason}")]
    Strategy {
        /// The strategy's name.
        strategy: &'static str,
        /// Why, and what to do where something can be done.
        reason: String,
    },

    /// A part that was asked for, or is needed, has no photo.
    #[error("split `{split}` puts no photo into {part}: {hint}")]
    EmptyPart {
        /// The name of the split.
        split: String,
        /// The part or parts.
        part: String,
        /// The way out.
        hint: String,
    },

    /// The photos do not suffice for the batches asked for.
    #[error("too few photos to sample {sampler}: {reason}")]
    Sampler {
        /// The kind of batch.
        sampler: &'static str,
        /// What is missing and what to do.
        reason: String,
    },

    /// An augmentation out of its range.
    #[error("augment.{field} = {value} is out of range: {low} to {high}")]
    Augment {
        /// The field's name.
        field: &'static str,
        /// The value given.
        value: f32,
        /// The least that makes sense.
        low: f32,
        /// The most that makes sense.
        high: f32,
    },

    /// A photo that does not lie in the dataset's folder.
    #[error("{} is no photo of {}: {reason}", foreign::path(photo), foreign::path(folder))]
    NotBelow {
        /// As given.
        photo: PathBuf,
        /// The dataset's folder.
        folder: PathBuf,
        /// Why, as half a sentence.
        reason: String,
    },

    /// A photo whose path no table of ours can hold.
    #[error(
        "{}: its name cannot stand in a table, as it begins or ends with a space or holds a backslash or a line break; \
         rename the file",
        foreign::path(photo)
    )]
    Unnameable {
        /// The photo, from the dataset's folder.
        photo: PathBuf,
    },

    /// The user stopped it.
    #[error("stopped before all photos were looked at")]
    Interrupted,

    /// A photo that cannot be turned into pixels.
    #[error("cannot read the photo {}: {reason}", foreign::path(path))]
    Unreadable {
        /// The photo.
        path: PathBuf,
        /// Why, and what to do where something can be done.
        reason: String,
    },
}

/// Names that a sentence lists at most.
const LISTED: usize = 20;

/// Names in backticks with commas between them, or "none".
fn list(names: &[String]) -> String {
    if names.is_empty() {
        return "none".into();
    }
    let quoted: Vec<String> = names.iter().take(LISTED).map(|n| format!("`{}`", foreign::short(n, 40))).collect();
    let more = names.len().saturating_sub(LISTED);
    let more = if more > 0 { format!(" and {more} more") } else { String::new() };
    quoted.join(", ") + &more
}
