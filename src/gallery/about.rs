//! What a gallery's embeddings are: no others can be compared with them.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use crate::eval::model::Preprocessing;

/// Which part of a photo a network saw.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase", tag = "how")]
pub enum Seen {
    /// The box drawn in it or its dataset's, else all of it.
    Drawn,
    /// Else the box where a network looks.
    Attention {
        /// That network's hash.
        by: String,
    },
}

/// What made embeddings.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Embedding {
    /// SHA-256 over the weights.
    pub identity: String,
    /// How photos were prepared.
    pub preprocessing: Preprocessing,
    /// Numbers in an embedding.
    pub dims: usize,
    /// Which part of a photo was seen.
    pub seen: Seen,
}

impl Embedding {
    /// In words, for a refusal.
    pub fn told(&self) -> String {
        let seen = match &self.seen {
            Seen::Drawn => String::new(),
            Seen::Attention { by } => format!(" seen where {} looks", short(by)),
        };
        let Embedding { identity, preprocessing, dims, .. } = self;
        format!("{dims} numbers by the weights {} at {} pixels{seen}", short(identity), preprocessing.image_size)
    }
}

/// The beginning of a hash.
fn short(hash: &str) -> String {
    hash.chars().take(12).collect()
}

/// Where the networks of a gallery lie.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Networks {
    /// What people call the model: run and checkpoint, or file.
    pub model: String,
    /// Its file.
    pub path: PathBuf,
    /// The file of the network that looks, where photos are seen by attention.
    pub looker: Option<PathBuf>,
}
