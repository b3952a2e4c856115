//! Operations on feature maps as nodes of a graph: what each function of `nn::ops` draws where its pass draws.

use crate::nn::error::{NnError, Result};
use crate::nn::map::Dims;
use crate::nn::ops::{Activation, Backend, BatchNorm, ConvSpec, LayerNorm, PoolKind, PoolSpec};
use crate::nn::param::{ParamId, Shape, Store};

use super::EMBEDDING;
use super::graph::{Attribute, Axes, Graph, Name, Value};

/// Name of the input.
pub(super) const PHOTOS: &str = "photos";

/// Below this a vector is not divided by its length, as in `Network::embed`.
const SMALLEST: f32 = 1e-12;

fn pair(values: [usize; 2]) -> Attribute {
    Attribute::Ints(values.map(|v| v as i64).to_vec())
}

/// Padding of both axes, at their beginnings and at their ends.
fn pads([h, w]: [usize; 2]) -> Attribute {
    Attribute::Ints([h, w, h, w].map(|v| v as i64).to_vec())
}

impl Graph {
    /// The batch of photos of the sizes `dims` that goes in.
    pub(in crate::nn) fn photos(&mut self, dims: Dims) -> Value {
        let input = Value { name: PHOTOS.into(), axes: Axes::ChannelsFirst, dims };
        self.input = Some(input.clone());
        input
    }

    /// A parameter, with its name and in its order.
    fn param<D: Backend>(&mut self, store: &Store<D>, id: ParamId) -> Result<Name> {
        let param = store.get(id);
        self.constant(&param.name, &param.shape.sizes(), || store.export(id))
    }

    /// `nn::ops::conv2d`; a linear layer becomes a matrix product, over the last axis of tokens.
    pub(in crate::nn) fn conv<D: Backend>(
        &mut self,
        store: &Store<D>,
        x: &Value,
        spec: &ConvSpec,
        (weight, bias): (ParamId, Option<ParamId>),
        out: Dims,
    ) -> Result<Value> {
        let bias = bias.map(|id| self.param(store, id)).transpose()?;
        if let Shape::Linear(_) = store.get(weight).shape {
            return self.linear(store, x, weight, bias, out);
        }
        let weight = self.param(store, weight)?;
        let x = self.with_axes(x, Axes::ChannelsFirst);
        let attributes = vec![
            ("kernel_shape", pair(spec.kernel)),
            ("strides", pair(spec.stride)),
            ("pads", pads(spec.padding)),
            ("dilations", pair(spec.dilation)),
            ("group", Attribute::Int(spec.groups as i64)),
        ];
        let inputs: Vec<&Name> = [&x.name, &weight].into_iter().chain(&bias).collect();
        let name = self.node("Conv", &inputs, attributes);
        Ok(Value { name, axes: Axes::ChannelsFirst, dims: out })
    }

    fn linear<D: Backend>(
        &mut self,
        store: &Store<D>,
        x: &Value,
        weight: ParamId,
        bias: Option<Name>,
        out: Dims,
    ) -> Result<Value> {
        if out.h * out.w == 1 {
            let weight = self.param(store, weight)?;
            let x = self.with_axes(x, Axes::Rows);
            let inputs: Vec<&Name> = [&x.name, &weight].into_iter().chain(&bias).collect();
            let name = self.node("Gemm", &inputs, vec![("transB", Attribute::Int(1))]);
            return Ok(Value { name, axes: Axes::Rows, dims: out });
        }
        let (rows, columns) = (out.c, x.dims.c);
        let turned = self.constant(&format!("{}.T", store.get(weight).name), &[columns, rows], || {
            let values = store.export(weight)?;
            let at = |i: usize| values[i % rows * columns + i / rows];
            Ok::<_, NnError>((0..rows * columns).map(at).collect())
        })?;
        let x = self.with_axes(x, Axes::ChannelsLast);
        let mut name = self.node("MatMul", &[&x.name, &turned], vec![]);
        if let Some(bias) = bias {
            name = self.node("Add", &[&name, &bias], vec![]);
        }
        Ok(Value { name, axes: Axes::ChannelsLast, dims: out })
    }

    /// `nn::ops::batch_norm` by its running statistics.
    pub(in crate::nn) fn batch_norm<D: Backend>(
        &mut self,
        store: &Store<D>,
        x: &Value,
        residual: Option<&Value>,
        norm: &BatchNorm,
        activation: Activation,
    ) -> Result<Value> {
        let x = if x.axes == Axes::Rows { x.clone() } else { self.with_axes(x, Axes::ChannelsFirst) };
        let mut inputs = vec![x.name.clone()];
        for id in [norm.gain, norm.bias, norm.mean, norm.variance] {
            inputs.push(self.param(store, id)?);
        }
        let epsilon = ("epsilon", Attribute::Float(norm.spec.epsilon));
        let name = self.node("BatchNormalization", &inputs.iter().collect::<Vec<_>>(), vec![epsilon]);
        let mut y = Value { name, ..x };
        if let Some(residual) = residual {
            y = self.sum(&y, residual);
        }
        Ok(self.activation(&y, activation))
    }

    /// `nn::ops::layer_norm`.
    pub(in crate::nn) fn layer_norm<D: Backend>(
        &mut self,
        store: &Store<D>,
        x: &Value,
        norm: &LayerNorm,
    ) -> Result<Value> {
        let x = if x.axes == Axes::Rows { x.clone() } else { self.with_axes(x, Axes::ChannelsLast) };
        let (gain, bias) = (self.param(store, norm.gain)?, self.param(store, norm.bias)?);
        let attributes = vec![("axis", Attribute::Int(-1)), ("epsilon", Attribute::Float(norm.epsilon))];
        let name = self.node("LayerNormalization", &[&x.name, &gain, &bias], attributes);
        Ok(Value { name, ..x })
    }

    /// `nn::ops::activate`.
    pub(in crate::nn) fn activation(&mut self, x: &Value, activation: Activation) -> Value {
        let name = match activation {
            Activation::Identity => x.name.clone(),
            Activation::Relu => self.node("Relu", &[&x.name], vec![]),
            Activation::Sigmoid => self.node("Sigmoid", &[&x.name], vec![]),
            Activation::Silu => {
                let gate = self.node("Sigmoid", &[&x.name], vec![]);
                self.node("Mul", &[&x.name, &gate], vec![])
            }
            Activation::Relu6 => {
                let [low, high] = [0.0, 6.0].map(|limit| self.scalar(limit));
                self.node("Clip", &[&x.name, &low, &high], vec![])
            }
            Activation::Hardswish => self.node("HardSwish", &[&x.name], vec![]),
            Activation::Hardsigmoid => {
                let line = [("alpha", 1.0 / 6.0), ("beta", 0.5)].map(|(name, v)| (name, Attribute::Float(v)));
                self.node("HardSigmoid", &[&x.name], line.to_vec())
            }
            Activation::Gelu => {
                // the operator of that name is younger than this opset
                let [root, one, half] = [std::f32::consts::SQRT_2, 1.0, 0.5].map(|number| self.scalar(number));
                let scaled = self.node("Div", &[&x.name, &root], vec![]);
                let sum = self.node("Erf", &[&scaled], vec![]);
                let sum = self.node("Add", &[&sum, &one], vec![]);
                let product = self.node("Mul", &[&x.name, &sum], vec![]);
                self.node("Mul", &[&product, &half], vec![])
            }
        };
        Value { name, ..x.clone() }
    }

    /// `nn::ops::add`.
    pub(in crate::nn) fn sum(&mut self, a: &Value, b: &Value) -> Value {
        let b = self.with_axes(b, a.axes);
        Value { name: self.node("Add", &[&a.name, &b.name], vec![]), ..a.clone() }
    }

    /// `nn::ops::scale_channels`.
    pub(in crate::nn) fn scaled(&mut self, x: &Value, scale: &Value) -> Value {
        let [x, scale] = [x, scale].map(|value| self.with_axes(value, Axes::ChannelsFirst));
        Value { name: self.node("Mul", &[&x.name, &scale.name], vec![]), ..x }
    }

    /// `nn::ops::pool2d`.
    pub(in crate::nn) fn pooled(&mut self, x: &Value, spec: &PoolSpec, out: Dims) -> Value {
        let x = self.with_axes(x, Axes::ChannelsFirst);
        let mut attributes =
            vec![("kernel_shape", pair(spec.kernel)), ("strides", pair(spec.stride)), ("pads", pads(spec.padding))];
        let operator = match spec.kind {
            PoolKind::Max => "MaxPool",
            PoolKind::Average => {
                attributes.push(("count_include_pad", Attribute::Int(1)));
                "AveragePool"
            }
        };
        Value { name: self.node(operator, &[&x.name], attributes), dims: out, ..x }
    }

    /// `nn::ops::global_average`.
    pub(in crate::nn) fn global_average(&mut self, x: &Value) -> Value {
        let dims = x.dims.with_size(1, 1);
        if x.axes == Axes::ChannelsLast {
            let attributes = vec![("axes", Attribute::Ints(vec![1, 2])), ("keepdims", Attribute::Int(0))];
            return Value { name: self.node("ReduceMean", &[&x.name], attributes), axes: Axes::Rows, dims };
        }
        let x = self.with_axes(x, Axes::ChannelsFirst);
        Value { name: self.node("GlobalAveragePool", &[&x.name], vec![]), dims, ..x }
    }

    /// `nn::ops::reframe`.
    pub(in crate::nn) fn reframed(&mut self, x: &Value, out: Dims) -> Value {
        let mut x = if x.axes == Axes::Rows { self.with_axes(x, Axes::ChannelsFirst) } else { x.clone() };
        let first = if x.axes == Axes::ChannelsFirst { 2 } else { 1 };
        let mut more = [0; 8];
        for (axis, from, to) in [(first, x.dims.h, out.h), (first + 1, x.dims.w, out.w)] {
            if to < from {
                x.name = self.slice(&x.name, axis as i64, 0, to as i64);
            } else {
                more[4 + axis] = (to - from) as i64;
            }
        }
        if more.iter().any(|&n| n > 0) {
            let more = self.wholes(&more);
            x.name = self.node("Pad", &[&x.name, &more], vec![]);
        }
        Value { dims: out, ..x }
    }

    /// Rows of unit length of `x`, which is a batch of maps of one place: what comes out.
    pub(in crate::nn) fn embedding(&mut self, x: &Value) {
        let x = self.with_axes(x, Axes::Rows);
        let attributes = vec![("axes", Attribute::Ints(vec![1])), ("keepdims", Attribute::Int(1))];
        let lengths = self.node("ReduceL2", &[&x.name], attributes);
        let smallest = self.scalar(SMALLEST);
        let lengths = self.node("Clip", &[&lengths, &smallest], vec![]);
        self.node("Div", &[&x.name, &lengths], vec![]);
        let name: Name = EMBEDDING.into();
        if let Some(last) = self.nodes.last_mut() {
            last.output = name.clone();
        }
        self.output = Some(Value { name, ..x });
    }
}
