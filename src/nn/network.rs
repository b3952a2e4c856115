//! A whole network: photos in, unit embeddings out.

use dfdx::prelude::{Axis, BroadcastTo, HasShape, SumTo, Tape, Tensor, TryDiv};

use super::backbone::{Backbone, Layers};
use super::error::{NnError, Result};
use super::head::{Head, HeadKind};
use super::map::FeatureMap;
use super::ops::{Backend, Rows, photos, to_matrix};
use super::param::{Builder, ParamId, Role, Shape, Store};
use super::pass::Pass;

/// What a network is, apart from its values: enough to build it again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Architecture {
    /// The backbone.
    pub backbone: &'static str,
    /// The head.
    pub head: HeadKind,
    /// Length of the embedding.
    pub dimensions: usize,
}

/// A network with its values on device `D`.
pub struct Network<D: Backend> {
    /// What it is.
    pub architecture: Architecture,
    /// Its values.
    pub store: Store<D>,
    layers: Layers,
    head: Head,
}

/// Below this a vector is not divided by its length (torch's `normalize`).
const SMALLEST: f32 = 1e-12;

impl<D: Backend> Network<D> {
    /// Builds the network with initial values from `seed`.
    ///
    /// # Errors
    /// When the backbone has no row in the table or the device no memory.
    pub fn new(device: &D, architecture: Architecture, seed: u64) -> Result<Self> {
        let backbone = Backbone::named(architecture.backbone)?;
        let mut store = Store::new(device);
        let mut builder = Builder::new(&mut store, seed);
        let layers = backbone.build(&mut builder)?;
        let head = architecture.head.build(&mut builder, backbone.features(), architecture.dimensions)?;
        Ok(Network { architecture, store, layers, head })
    }

    /// Adds a matrix of rows x columns that a loss trains along with the network.
    ///
    /// # Errors
    /// When the device has no memory.
    pub fn add_matrix(
        &mut self,
        name: &str,
        rows: usize,
        columns: usize,
        init: super::init::Init,
        seed: u64,
    ) -> Result<ParamId> {
        Builder::new(&mut self.store, seed).param(name, Shape::Matrix(rows, columns), Role::Weight, init)
    }

    /// N photos of `side` pixels, RGB bytes row by row, to N x D embeddings before normalisation.
    ///
    /// # Errors
    /// As the operations.
    fn forward(&self, pass: &mut Pass<D>, n: usize, side: usize, bytes: &[u8]) -> Result<FeatureMap<D>> {
        let x = photos(pass, n, side, bytes)?;
        let features = self.layers.forward(pass, &self.store, &x)?;
        self.head.forward(pass, &self.store, &features)
    }

    /// N photos of `side` pixels, RGB bytes row by row, to N x D unit embeddings that carry the tape.
    ///
    /// # Errors
    /// As the operations.
    pub fn embed_traced(&self, pass: &mut Pass<D>, n: usize, side: usize, bytes: &[u8]) -> Result<Rows<D>> {
        let x = self.forward(pass, n, side, bytes)?;
        to_matrix(pass, &x)?.try_normalize::<Axis<1>>(SMALLEST * SMALLEST).map_err(|e| NnError::device("normalize", e))
    }

    /// N photos of `side` pixels, RGB bytes row by row, to N x D unit embeddings.
    ///
    /// # Errors
    /// As the operations.
    pub fn embed(&self, n: usize, side: usize, bytes: &[u8]) -> Result<Vec<f32>> {
        let mut pass = Pass::inference(self.store.device());
        let x = self.forward(&mut pass, n, side, bytes)?;
        let dims = x.dims();
        let mut rows = self.store.device().unpack_map(dims, x.values());
        for row in rows.chunks_exact_mut(dims.c) {
            let length = row.iter().map(|v| f64::from(*v).powi(2)).sum::<f64>().sqrt().max(f64::from(SMALLEST));
            row.iter_mut().for_each(|v| *v = (f64::from(*v) / length) as f32);
        }
        Ok(rows)
    }
}

/// Brings every row to unit length, as torch's `normalize`.
///
/// # Errors
/// When the device fails.
pub fn unit_rows<D: Backend, T: Tape<f32, D>>(
    rows: Tensor<(usize, usize), f32, D, T>,
) -> Result<Tensor<(usize, usize), f32, D, T>> {
    let shape = *rows.shape();
    let unit = || {
        let squares = rows.retaped::<T>().try_square()?.try_sum::<_, Axis<1>>()?;
        let lengths =
            squares.try_clamp(SMALLEST * SMALLEST, f32::MAX)?.try_sqrt()?.try_broadcast_like::<_, Axis<1>>(&shape)?;
        rows.try_div(lengths)
    };
    unit().map_err(|e: D::Err| NnError::device("normalize", e))
}
