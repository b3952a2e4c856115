//! One forward pass through a network: which mode, what to record for backward, which statistics to remember, and the
//! graph that it draws, if it is made to draw one.
//!
//! The tape is dfdx's; the feature maps do not carry it, the pass does. Batch statistics are only collected
//! here and reach the running ones when the caller says that the step was good ([`super::param::Store::absorb`]).

use dfdx::prelude::{Gradients, OwnedTape, Rank0, SplitTape, Tape, Tensor, Trace};

use super::error::{NnError, Result};
use super::map::{Dims, FeatureMap, Flat};
use super::onnx::{Graph, Value};
use super::ops::Backend;
use super::param::{ParamId, Place};

/// Statistics of one batch norm in this pass, waiting to be absorbed.
pub struct BatchStatistics<D: Backend> {
    pub(in crate::nn) mean: (ParamId, Flat<D>),
    pub(in crate::nn) variance: (ParamId, Flat<D>),
    pub(in crate::nn) momentum: f32,
}

/// What a training leaves as it is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Freeze {
    /// Stages of the backbone, counted from its stem, whose weights and statistics stay.
    pub stages: usize,
    /// Whether every batch norm of the backbone stays as it is and normalises by its running statistics (torchvision's
    /// `FrozenBatchNorm2d`).
    pub norms: bool,
}

/// What the layers that a pass now goes through do in a training.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Layers {
    /// Learn: statistics of the batch, everything recorded.
    Learn,
    /// Learn, but for the statistics of their norms.
    KeepNorms,
    /// As in an evaluation: nothing is recorded.
    Keep,
}

/// A forward pass on device `D`.
pub struct Pass<D: Backend> {
    device: D,
    training: bool,
    /// What the network that is passed leaves as it is in a training.
    pub(in crate::nn) freeze: Freeze,
    layers: Layers,
    tape: Option<OwnedTape<f32, D>>,
    statistics: Vec<BatchStatistics<D>>,
    graph: Option<Box<Graph>>,
}

impl<D: Backend> Pass<D> {
    /// Training: batch statistics in the norms, everything recorded.
    pub fn training(device: &D) -> Self {
        let tape = Some(OwnedTape::default());
        Pass {
            device: device.clone(),
            training: true,
            freeze: Freeze::default(),
            layers: Layers::Learn,
            tape,
            statistics: Vec::new(),
            graph: None,
        }
    }

    /// Training whose gradients are added to `gradients`.
    ///
    /// # Errors
    /// When the device has no memory.
    pub fn training_onto(device: &D, gradients: Gradients<f32, D>) -> Result<Self> {
        // dfdx puts gradients into a tape only together with a tensor
        let carrier: Tensor<Rank0, f32, D> = device.try_zeros().map_err(|e| NnError::device("tape", e))?;
        let (_, tape) = carrier.traced(gradients).split_tape();
        Ok(Pass { tape: Some(tape), ..Pass::training(device) })
    }

    /// Training that records nothing: what it comes to, without a way back.
    pub fn rehearsing(device: &D) -> Self {
        Pass { tape: None, ..Pass::training(device) }
    }

    /// Evaluation: running statistics, nothing recorded.
    pub fn inference(device: &D) -> Self {
        Pass {
            device: device.clone(),
            training: false,
            freeze: Freeze::default(),
            layers: Layers::Learn,
            tape: None,
            statistics: Vec::new(),
            graph: None,
        }
    }

    /// Evaluation mode with gradients: running statistics, everything recorded.
    pub fn traced_inference(device: &D) -> Self {
        Pass { training: false, ..Pass::training(device) }
    }

    /// Evaluation that draws what it does.
    pub fn drawing(device: &D) -> Self {
        Pass { graph: Some(Box::default()), ..Pass::inference(device) }
    }

    /// The device that everything in this pass lies on.
    pub fn device(&self) -> &D {
        &self.device
    }

    /// Whether norms use the statistics of the batch.
    pub fn is_training(&self) -> bool {
        self.training && self.layers == Layers::Learn
    }

    /// Whether what is between operations is never asked for: an evaluation that records and draws nothing.
    pub(in crate::nn) fn keeps_nothing(&self) -> bool {
        let records = self.tape.is_some() && self.layers != Layers::Keep;
        !self.is_training() && !records && self.graph.is_none()
    }

    /// Goes on to what lies at `place`.
    pub(in crate::nn) fn enter(&mut self, place: Place) {
        self.layers = match place {
            Place::Stage(number) if number < self.freeze.stages => Layers::Keep,
            Place::Stage(_) if self.freeze.norms => Layers::KeepNorms,
            _ => Layers::Learn,
        };
    }

    /// Wraps an operation's output: traced when its backward will be recorded.
    pub(in crate::nn) fn output(&self, values: Flat<D>, dims: Dims) -> FeatureMap<D> {
        match self.tape {
            Some(_) if self.layers != Layers::Keep => FeatureMap::traced(values, dims),
            _ => FeatureMap::constant(values, dims),
        }
    }

    /// Records the backward of an operation, if this pass records. `output` is the map whose gradient the
    /// operation needs: when nothing downstream gave one, the operation is skipped.
    pub(in crate::nn) fn record<F>(&mut self, output: &FeatureMap<D>, backward: F)
    where
        F: FnOnce(Flat<D>, &mut Gradients<f32, D>) -> Result<(), D::Err> + 'static,
    {
        let (Some(tape), Some(slot)) = (&mut self.tape, output.grad()) else {
            return;
        };
        let slot = slot.clone();
        tape.add_backward_op(move |gradients| match slot.take() {
            Some(gradient) => backward(gradient, gradients),
            None => Ok(()),
        });
    }

    /// Has an operation draw itself, in a pass that draws: `draw` adds its nodes and says what `output` is in the graph.
    pub(in crate::nn) fn draw(
        &mut self,
        output: &mut FeatureMap<D>,
        draw: impl FnOnce(&mut Graph) -> Result<Value>,
    ) -> Result<()> {
        if let Some(graph) = &mut self.graph {
            output.draw_as(draw(graph)?);
        }
        Ok(())
    }

    /// The graph that this pass has drawn.
    pub(in crate::nn) fn into_graph(self) -> Option<Graph> {
        self.graph.map(|graph| *graph)
    }

    /// Remembers the statistics of one batch norm.
    pub(in crate::nn) fn remember(&mut self, statistics: BatchStatistics<D>) {
        self.statistics.push(statistics);
    }

    /// Takes the tape out: the last operation on feature maps hands it to a dfdx tensor.
    pub(in crate::nn) fn take_tape(&mut self) -> OwnedTape<f32, D> {
        self.tape.take().unwrap_or_default()
    }

    /// The statistics that the norms collected, in the order of the forward pass.
    pub fn into_statistics(self) -> Vec<BatchStatistics<D>> {
        self.statistics
    }
}
