//! A whole network: photos in, unit embeddings out.

use dfdx::prelude::{Axis, BroadcastTo, HasShape, SumTo, Tape, Tensor, TryDiv};

use super::backbone::{Backbone, Layers};
use super::error::{NnError, Result};
use super::head::{Head, HeadKind};
use super::layer::Linear;
use super::map::FeatureMap;
use super::onnx::Graph;
use super::ops::{Backend, Normalisation, Rows, photos, to_matrix};
use super::param::{Builder, ParamId, Place, Role, Shape, Store};
use super::pass::{Freeze, Pass};

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
    /// What training leaves as it is.
    pub freeze: Freeze,
    /// What photos are normalised by; of new weights ImageNet's.
    pub normalisation: Normalisation,
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
        let normalisation = Normalisation::IMAGENET;
        Ok(Network { architecture, store, freeze: Freeze::default(), normalisation, layers, head })
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

    /// Adds a linear layer with bias on the embeddings, which a loss trains along with the network.
    ///
    /// # Errors
    /// When the device has no memory.
    pub fn add_linear(&mut self, name: &str, outputs: usize, seed: u64) -> Result<Linear> {
        let inputs = self.architecture.dimensions;
        Linear::new(&mut Builder::new(&mut self.store, seed).at(name), inputs, outputs)
    }

    /// N photos of `side` pixels, RGB bytes row by row, to N x D embeddings before normalisation.
    ///
    /// # Errors
    /// As the operations.
    fn forward(&self, pass: &mut Pass<D>, n: usize, side: usize, bytes: &[u8]) -> Result<FeatureMap<D>> {
        pass.freeze = self.freeze;
        let x = photos(pass, n, side, bytes, &self.normalisation)?;
        let features = self.layers.forward(pass, &self.store, &x)?;
        pass.enter(Place::Head);
        self.head.forward(pass, &self.store, &features)
    }

    /// N photos of `side` pixels, RGB bytes row by row, to N x D unit embeddings that carry the tape.
    ///
    /// # Errors
    /// As the operations.
    pub fn embed_traced(&self, pass: &mut Pass<D>, n: usize, side: usize, bytes: &[u8]) -> Result<Rows<D>> {
        let x = self.forward(pass, n, side, bytes)?;
        unit_rows(to_matrix(pass, &x)?)
    }

    /// N photos of `side` pixels, RGB bytes row by row, to what `layer` makes of their embeddings before normalisation:
    /// N x outputs, with the tape.
    ///
    /// # Errors
    /// As the operations.
    pub fn logits_traced(
        &self,
        pass: &mut Pass<D>,
        layer: &Linear,
        n: usize,
        side: usize,
        bytes: &[u8],
    ) -> Result<Rows<D>> {
        let x = self.forward(pass, n, side, bytes)?;
        let x = layer.forward(pass, &self.store, &x)?;
        to_matrix(pass, &x)
    }

    /// The network as a graph: batches of photos of `side` pixels, normalised, to unit embeddings.
    ///
    /// # Errors
    /// As the operations.
    pub fn graph(&self, side: usize) -> Result<Graph> {
        let mut pass = Pass::drawing(self.store.device());
        let x = self.forward(&mut pass, 1, side, &vec![0; side * side * 3])?;
        let mut graph = pass.into_graph().unwrap_or_default();
        graph.embedding(x.drawn()?);
        Ok(graph)
    }

    /// How active the backbone's last map is at each place of one photo of `side` pixels: the mean over its channels,
    /// rows of equal length from the top.
    ///
    /// # Errors
    /// As the operations.
    pub fn attention(&self, side: usize, bytes: &[u8]) -> Result<Vec<Vec<f32>>> {
        let mut pass = Pass::inference(self.store.device());
        let x = photos(&mut pass, 1, side, bytes, &self.normalisation)?;
        let map = self.layers.last_map(&mut pass, &self.store, &x)?;
        let dims = map.dims();
        let values = self.store.device().unpack_map(dims, map.values());
        let values = values.map_err(|e| NnError::device("attention", e))?;
        let places = dims.h * dims.w;
        let mean = |place: usize| (0..dims.c).map(|c| values[c * places + place]).sum::<f32>() / dims.c as f32;
        let means: Vec<f32> = (0..places).map(mean).collect();
        Ok(means.chunks(dims.w).map(<[f32]>::to_vec).collect())
    }

    /// N photos of `side` pixels, RGB bytes row by row, to N x D unit embeddings.
    ///
    /// # Errors
    /// As the operations.
    pub fn embed(&self, n: usize, side: usize, bytes: &[u8]) -> Result<Vec<f32>> {
        let mut pass = Pass::inference(self.store.device());
        let x = self.forward(&mut pass, n, side, bytes)?;
        let dims = x.dims();
        let unpacked = self.store.device().unpack_map(dims, x.values());
        let mut rows = unpacked.map_err(|e| NnError::device("embedding", e))?;
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::nn::map::Dims;
    use crate::nn::ops::Layout;
    use dfdx::prelude::{Cpu, TensorFromVec};

    #[test]
    fn embeddings_have_unit_length_and_are_the_same_with_a_tape() {
        let architecture = Architecture { backbone: "efficientnet_b0", head: HeadKind::Mlp, dimensions: 40 };
        let network = Network::new(&Cpu::default(), architecture, 1).unwrap();
        let bytes: Vec<u8> = (0..2 * 33 * 33 * 3).map(|i| (i * 37 % 256) as u8).collect();
        let plain = network.embed(2, 33, &bytes).unwrap();
        let mut pass = Pass::traced_inference(network.store.device());
        let traced = network.embed_traced(&mut pass, 2, 33, &bytes).unwrap().as_vec();
        for (a, b) in plain.chunks_exact(40).zip(traced.chunks_exact(40)) {
            let dot = |a: &[f32], b: &[f32]| a.iter().zip(b).map(|(a, b)| f64::from(a * b)).sum::<f64>();
            assert!((dot(a, a) - 1.0).abs() < 1e-5 && (dot(b, b) - 1.0).abs() < 1e-5 && (dot(a, b) - 1.0).abs() < 1e-5);
        }
        assert_ne!(plain[..40], plain[40..]);
    }

    #[test]
    fn photos_are_normalised_as_the_weights_want_them() {
        let device = Cpu::default();
        let architecture = Architecture { backbone: "resnet18", head: HeadKind::Mlp, dimensions: 16 };
        let mut network = Network::new(&device, architecture, 1).unwrap();
        let side = 32;
        let bytes: Vec<u8> = (0..side * side * 3).map(|i| (i * 37 % 256) as u8).collect();
        let usual = network.embed(1, side, &bytes).unwrap();
        let by = Normalisation { mean: [0.5, 0.4, 0.3], deviation: [0.5, 0.25, 0.2] };
        network.normalisation = by;
        let other = network.embed(1, side, &bytes).unwrap();
        let farthest = |a: &[f32], b: &[f32]| a.iter().zip(b).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
        assert!(farthest(&usual, &other) > 1e-3);

        // by hand, planes from pixels
        let dims = Dims::new(1, 3, side, side);
        let value = |i: usize| {
            let (channel, place) = (i / side / side, i % (side * side));
            (f32::from(bytes[3 * place + channel]) / 255.0 - by.mean[channel]) / by.deviation[channel]
        };
        let packed = device.pack_map(dims, &(0..dims.count()).map(value).collect::<Vec<_>>());
        let length = packed.len();
        let x = FeatureMap::constant(device.tensor_from_vec(packed, (length,)), dims);
        let mut pass = Pass::inference(&device);
        let features = network.layers.forward(&mut pass, &network.store, &x).unwrap();
        let rows = network.head.forward(&mut pass, &network.store, &features).unwrap();
        let rows = unit_rows(to_matrix(&mut pass, &rows).unwrap()).unwrap().as_vec();
        assert!(farthest(&rows, &other) < 1e-6);
    }
}
