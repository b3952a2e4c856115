//! Embeddings as points on a plane, for a picture.
//!
//! A way of projecting is an implementation of [`Projection`]; the first is the principal component
//! analysis in [`pca`], which is linear, has nothing to tune and says how much of the variance it
//! shows. It knows numbers, not photos: colours and names are the picture's business.

use super::Result;

pub mod pca;
pub mod tsne;

/// Points on a plane, one an embedding.
#[derive(Clone, Debug, PartialEq)]
pub struct Projected {
    /// One point a row.
    pub points: Vec<[f64; 2]>,
    /// What the two axes are, for people.
    pub axes: [String; 2],
    /// Share of the variance along each axis, 0 to 1, where the way of projecting has one.
    pub explained: Option<[f64; 2]>,
}

/// A way from embeddings to points on a plane. The same rows give the same points.
pub trait Projection {
    /// Its name, for titles and files.
    fn name(&self) -> &'static str;

    /// Projects `vectors`, rows of `dim` finite numbers. Fails on a ragged or empty table.
    fn project(&self, vectors: &[f32], dim: usize) -> Result<Projected>;
}
