//! How photos are held against each other, beside their plain distance.

use serde::{Deserialize, Serialize};

/// Which sides of animals a query is held against, where it is known which side it shows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Sides {
    /// All photos as they are.
    #[default]
    Both,
    /// Photos of its own side, and those whose side is not known.
    Own,
    /// All photos, those of the other side mirrored.
    Mirrored,
}

/// How photos are matched.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Matching {
    /// The sides that count.
    #[serde(default)]
    pub sides: Sides,
    /// Whether distances are k-reciprocal ones (Zhong et al. 2017): photos are near where they have the same neighbours.
    #[serde(default)]
    pub reranked: bool,
}

/// What is one query.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum QueryUnit {
    /// A photo.
    #[default]
    Photo,
    /// All query photos of an encounter.
    Encounter,
}

/// How an evaluation asks, beside what it leaves out; the default is the plain way.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Manner {
    /// How photos are matched.
    pub matching: Matching,
    /// What the report calls a query first; figures of both are there.
    pub query_unit: QueryUnit,
    /// Whether an embedding is the mean of a photo's and its mirror image's.
    pub flip: bool,
    /// Whether mirror images are embedded to report what each way to heed sides comes to, whatever is matched.
    pub mirror: bool,
}
