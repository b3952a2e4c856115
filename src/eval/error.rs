//! What can go wrong between embeddings and a report, each with its file, its row and the way out.
//!
//! One enum for the folder. It states facts in whole sentences; who prints it, and how the control
//! bytes of other people's labels are shown, is the caller's business.

use std::path::PathBuf;

use crate::data::foreign;

/// An evaluation that could not be read, computed or written.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The file could not be opened or read.
    #[error("cannot read {path}: {source}", path = foreign::path(path))]
    Read {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// The file is not what its name says.
    #[error("{path} is not a numpy array that can be used here: {reason}", path = foreign::path(path))]
    Npy {
        /// The file.
        path: PathBuf,
        /// What is wrong, and where possible what to do.
        reason: String,
    },
    /// A table that cannot be understood as a whole.
    #[error("{path}: {reason}", path = foreign::path(path))]
    Table {
        /// The file.
        path: PathBuf,
        /// What is wrong, and where possible what to do.
        reason: String,
    },
    /// One row of a table is wrong.
    #[error("{path}, line {line}: {reason}", path = foreign::path(path))]
    TableRow {
        /// The file.
        path: PathBuf,
        /// The line in the file, counted from 1, the header included.
        line: u64,
        /// What is wrong, and where possible what to do.
        reason: String,
    },
    /// The library that builds it said so.
    #[error("the index for approximate search failed: {0}; --search exact needs none")]
    Index(String),
    /// Embeddings and table describe different numbers of photos.
    #[error(
        "{npy} holds {embeddings} embeddings and {csv} lists {photos} photos: they are not of one evaluation; write both anew with `caretta embed`",
        npy = foreign::path(npy),
        csv = foreign::path(csv)
    )]
    Counts {
        /// The file of embeddings.
        npy: PathBuf,
        /// Its rows.
        embeddings: usize,
        /// The table of photos.
        csv: PathBuf,
        /// Its rows.
        photos: usize,
    },
    /// Not one photo could be embedded.
    #[error("none of the {photos} photos could be read; the first: {first}")]
    NothingReadable {
        /// How many there were.
        photos: usize,
        /// Why the first was left out.
        first: Box<crate::data::manifest::Problem>,
    },
    /// Distances of one model say nothing about those of another.
    #[error(
        "the distances are of other weights ({measured}) than {asked}; measure these with `caretta evaluate`, or leave out --distances"
    )]
    OtherWeights {
        /// Whose distances are given.
        measured: String,
        /// Whose are needed.
        asked: String,
    },
    /// A set of embeddings breaks one of its own rules.
    #[error("embedding {row} ({photo}): {reason}")]
    Embedding {
        /// The row, counted from 1.
        row: usize,
        /// The photo of that row.
        photo: String,
        /// What is wrong, and where possible what to do.
        reason: String,
    },
    /// The set has no photos, no dimensions, or a ragged table of numbers.
    #[error("{0}")]
    Set(String),
    /// Sides are to be heeded, and none is known.
    #[error(
        "--sides: it is not known which side the photos show; a table says so in a column orientation or side (left, right)"
    )]
    NoSides,
    /// Mirror images are asked for, and nobody embedded them.
    #[error(
        "there are no embeddings of mirror images: a model makes them of photos; of embeddings made elsewhere they lie beside, as mirrored.npy, row for row"
    )]
    NoMirrored,
    /// There is nothing to rank.
    #[error(
        "there are {queries} queries and {gallery} gallery photos: an evaluation needs both; choose other parts with --query-split and --gallery-split"
    )]
    NothingToRank {
        /// Photos in the role of a query.
        queries: usize,
        /// Photos in the role of the gallery.
        gallery: usize,
    },
    /// Photos that cannot be read, and too few others.
    #[error(
        "{left_out} of {all} photos cannot be read, and {queries} queries and {gallery} gallery photos are left: an evaluation needs both; the first is {first}; put them back, or choose other photos with --data-dir"
    )]
    TooFewLeft {
        /// Photos that cannot be read.
        left_out: usize,
        /// Photos that were to be embedded.
        all: usize,
        /// Queries that are left.
        queries: usize,
        /// Photos of the gallery that are left.
        gallery: usize,
        /// One that cannot be read, and why.
        first: Box<crate::data::manifest::Problem>,
    },
    /// Somebody else evaluates into the folder.
    #[error(
        "{}: another evaluation writes into this folder ({holder}); wait for it, or choose another --output-dir",
        foreign::path(folder)
    )]
    Busy {
        /// The folder.
        folder: PathBuf,
        /// "pid 4711 on curlew", as far as known.
        holder: String,
    },
    /// A folder whose state is that of a run.
    #[error(
        "{}: this folder holds a run, whose state.json and lock an evaluation would take; choose another --output-dir, or leave it out to write into the run's eval folder",
        foreign::path(folder)
    )]
    FolderOfRun {
        /// The folder.
        folder: PathBuf,
    },
    /// A file that this program would replace and did not write.
    #[error(
        "{}: was not written by this program and would be replaced; choose another --output-dir",
        foreign::path(path)
    )]
    Foreign {
        /// The file.
        path: PathBuf,
    },
    /// A json file of ours that does not parse.
    #[error("{path} does not read as a {what}: {source}", path = foreign::path(path))]
    Json {
        /// The file.
        path: PathBuf,
        /// What it should have been.
        what: &'static str,
        /// Where the parser stopped.
        source: serde_json::Error,
    },
    /// A file of weights that holds no model for this program.
    #[error("{}: {}", foreign::path(path), foreign::short(reason, 800))]
    Model {
        /// The file.
        path: PathBuf,
        /// Why not.
        reason: String,
    },
    /// A file that is not the one its name says.
    #[error(
        "{}: its name says that its SHA-256 begins with {digits}, and it is {sha256}: the file is damaged or another one; fetch it again, or rename it if it is yours",
        foreign::path(path)
    )]
    OtherHash {
        /// The file.
        path: PathBuf,
        /// The digits in its name.
        digits: String,
        /// Its hash.
        sha256: String,
    },
    /// A name that other weights have.
    #[error("{name}: other weights have that name; choose another with --name, or `caretta weights rm {name}` first")]
    WeightsNameTaken {
        /// The name.
        name: String,
    },
    /// A name that no weights have.
    #[error(
        "{given}: no imported weights of that name{}; `caretta weights ls` shows them all",
        crate::run::error::hint(near)
    )]
    UnknownWeights {
        /// As given.
        given: String,
        /// Names spelt alike.
        near: Vec<String>,
    },
    /// A library that does not have a backbone.
    #[error("{naming} has no {backbone}; choose other --names")]
    NoSuchNames {
        /// The library.
        naming: String,
        /// The backbone.
        backbone: String,
    },
    /// A backbone without imported weights.
    #[error(
        "no weights of {backbone} are imported, so --pretrained has nothing to begin with: {fetch}\nwithout --pretrained a run begins with random weights"
    )]
    NoWeights {
        /// The backbone.
        backbone: String,
        /// How to get some.
        fetch: String,
    },
    /// The network failed.
    #[error(transparent)]
    Network(#[from] crate::nn::error::NnError),
    /// The photos failed.
    #[error(transparent)]
    Data(crate::data::error::DataError),
    /// The run failed.
    #[error(transparent)]
    Run(#[from] crate::run::RunError),
    /// The caller said no.
    #[error("interrupted")]
    Interrupted,
}

impl From<crate::data::error::DataError> for Error {
    fn from(error: crate::data::error::DataError) -> Error {
        match error {
            crate::data::error::DataError::Interrupted => Error::Interrupted,
            other => Error::Data(other),
        }
    }
}
