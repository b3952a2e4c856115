//! Heads: from pooled features to an embedding, before it is brought to unit length.

use super::error::Result;
use super::layer::{Linear, norm};
use super::map::FeatureMap;
use super::ops::{Activation, Backend, BatchNorm, NormSpec, activate, batch_norm};
use super::param::{Builder, Store};
use super::pass::Pass;

/// Which head, as the course has them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HeadKind {
    /// Linear to 512, ReLU, linear: Siamese and triplet networks.
    Mlp,
    /// Linear and batch norm: ArcFace, and classification by cross-entropy.
    LinearNorm,
    /// None: the pooled feature is the embedding, as for bare weights.
    Pooled,
}

/// Width of the hidden layer of [`HeadKind::Mlp`].
const HIDDEN: usize = 512;

impl HeadKind {
    /// Every kind, by its name in files.
    const NAMES: [(HeadKind, &'static str); 3] =
        [(HeadKind::Mlp, "mlp"), (HeadKind::LinearNorm, "linear-norm"), (HeadKind::Pooled, "pooled")];

    /// Its name in files.
    pub fn name(self) -> &'static str {
        Self::NAMES.iter().find(|(kind, _)| *kind == self).map_or("", |(_, name)| name)
    }

    /// The kind of that name.
    pub fn named(name: &str) -> Option<HeadKind> {
        Self::NAMES.iter().find(|(_, n)| *n == name).map(|(kind, _)| *kind)
    }

    /// Adds its parameters: `embedding.0`, `embedding.2` or `embedding.1`, the places in the course's `Sequential`.
    ///
    /// # Errors
    /// When the device has no memory.
    pub fn build<D: Backend>(self, builder: &mut Builder<D>, features: usize, dimensions: usize) -> Result<Head> {
        let mut builder = builder.at("embedding");
        Ok(match self {
            HeadKind::Mlp => Head::Mlp(
                Linear::new(&mut builder.at(0), features, HIDDEN)?,
                Linear::new(&mut builder.at(2), HIDDEN, dimensions)?,
            ),
            HeadKind::LinearNorm => Head::LinearNorm(
                Linear::new(&mut builder.at(0), features, dimensions)?,
                norm(&mut builder.at(1), dimensions, NormSpec::TORCH)?,
            ),
            HeadKind::Pooled => Head::Pooled,
        })
    }
}

/// A head's layers.
#[derive(Debug)]
pub enum Head {
    /// [`HeadKind::Mlp`].
    Mlp(Linear, Linear),
    /// [`HeadKind::LinearNorm`].
    LinearNorm(Linear, BatchNorm),
    /// [`HeadKind::Pooled`].
    Pooled,
}

impl Head {
    /// N x F x 1 x 1 to N x D x 1 x 1.
    ///
    /// # Errors
    /// As the operations; a batch norm cannot learn from one photo.
    pub fn forward<D: Backend>(
        &self,
        pass: &mut Pass<D>,
        store: &Store<D>,
        features: &FeatureMap<D>,
    ) -> Result<FeatureMap<D>> {
        match self {
            Head::Mlp(first, second) => {
                let hidden = first.forward(pass, store, features)?;
                let hidden = activate(pass, &hidden, Activation::Relu)?;
                second.forward(pass, store, &hidden)
            }
            Head::LinearNorm(linear, norm) => {
                let x = linear.forward(pass, store, features)?;
                batch_norm(pass, store, &x, None, norm, Activation::Identity)
            }
            Head::Pooled => Ok(features.clone()),
        }
    }
}
