//! A graph of ONNX operators: nodes in the order in which they are computed, and the constants that they read.
//!
//! Names are given once and never again: parameters keep torchvision's, nodes are numbered by their operator.

use std::collections::BTreeMap;
use std::rc::Rc;

use crate::nn::map::Dims;

/// Name of a tensor in a graph.
pub(in crate::nn) type Name = Rc<str>;

/// Which axes a batch of maps has in a graph: operators differ in where they want the channels.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(in crate::nn) enum Axes {
    /// N x C x H x W: convolutions and what follows them.
    ChannelsFirst,
    /// N x H x W x C: tokens.
    ChannelsLast,
    /// N x C, of maps of one place.
    Rows,
}

impl Axes {
    /// Sizes after the batch's.
    pub(super) fn sizes(self, dims: Dims) -> Vec<i64> {
        let [c, h, w] = [dims.c, dims.h, dims.w].map(|s| s as i64);
        match self {
            Axes::ChannelsFirst => vec![c, h, w],
            Axes::ChannelsLast => vec![h, w, c],
            Axes::Rows => vec![c],
        }
    }
}

/// A batch of maps in a graph. Its number of photos is open, whatever `dims` says.
#[derive(Clone, Debug)]
pub(in crate::nn) struct Value {
    pub(super) name: Name,
    pub(super) axes: Axes,
    pub(super) dims: Dims,
}

/// What a node does beside its inputs.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Attribute {
    Int(i64),
    Ints(Vec<i64>),
    Float(f32),
}

/// One operator.
#[derive(Debug)]
pub(super) struct Node {
    pub(super) operator: &'static str,
    /// Empty for an input that is left out.
    pub(super) inputs: Vec<Name>,
    pub(super) output: Name,
    pub(super) attributes: Vec<(&'static str, Attribute)>,
}

/// Numbers of a constant.
#[derive(Debug, PartialEq)]
pub(super) enum Numbers {
    Floats(Vec<f32>),
    Wholes(Vec<i64>),
}

/// A constant: a parameter, or what an operator is told.
#[derive(Debug)]
pub(super) struct Constant {
    pub(super) name: Name,
    pub(super) sizes: Vec<usize>,
    pub(super) numbers: Numbers,
}

/// Nodes and constants, and the batch that goes in.
#[derive(Debug, Default)]
pub struct Graph {
    pub(super) input: Option<Value>,
    pub(super) output: Option<Value>,
    pub(super) nodes: Vec<Node>,
    pub(super) constants: Vec<Constant>,
    /// Constants and nodes by what they are, so that nothing is there twice.
    known: BTreeMap<String, Name>,
    /// Nodes of each operator.
    counts: BTreeMap<&'static str, usize>,
}

impl Graph {
    /// Adds a node with one output; of a node that is there already, its output.
    pub(super) fn node(
        &mut self,
        operator: &'static str,
        inputs: &[&Name],
        attributes: Vec<(&'static str, Attribute)>,
    ) -> Name {
        let what = format!("{operator} {inputs:?} {attributes:?}");
        if let Some(there) = self.known.get(&what) {
            return Rc::clone(there);
        }
        let count = self.counts.entry(operator).or_default();
        let output: Name = format!("{operator}_{count}").into();
        *count += 1;
        self.known.insert(what, Rc::clone(&output));
        let inputs = inputs.iter().map(|&name| Rc::clone(name)).collect();
        self.nodes.push(Node { operator, inputs, output: Rc::clone(&output), attributes });
        output
    }

    /// A constant that is known by its name, made by `numbers` where it is not there yet.
    pub(super) fn constant<E>(
        &mut self,
        name: &str,
        sizes: &[usize],
        numbers: impl FnOnce() -> Result<Vec<f32>, E>,
    ) -> Result<Name, E> {
        if let Some(there) = self.known.get(name) {
            return Ok(Rc::clone(there));
        }
        Ok(self.add(name, sizes, Numbers::Floats(numbers()?)))
    }

    /// A single number.
    pub(super) fn scalar(&mut self, value: f32) -> Name {
        let name = format!("number {value}");
        match self.known.get(&name) {
            Some(there) => Rc::clone(there),
            None => self.add(&name, &[], Numbers::Floats(vec![value])),
        }
    }

    /// A single whole number: an index.
    pub(super) fn whole(&mut self, value: i64) -> Name {
        let name = format!("index {value}");
        match self.known.get(&name) {
            Some(there) => Rc::clone(there),
            None => self.add(&name, &[], Numbers::Wholes(vec![value])),
        }
    }

    /// Whole numbers: sizes, places, axes.
    pub(super) fn wholes(&mut self, values: &[i64]) -> Name {
        let name = format!("numbers {values:?}");
        match self.known.get(&name) {
            Some(there) => Rc::clone(there),
            None => self.add(&name, &[values.len()], Numbers::Wholes(values.to_vec())),
        }
    }

    fn add(&mut self, name: &str, sizes: &[usize], numbers: Numbers) -> Name {
        let shared: Name = name.into();
        self.known.insert(name.to_owned(), Rc::clone(&shared));
        self.constants.push(Constant { name: Rc::clone(&shared), sizes: sizes.to_vec(), numbers });
        shared
    }

    /// `x` with other sizes; 0 stands for the batch's.
    pub(super) fn reshape(&mut self, x: &Name, sizes: &[i64]) -> Name {
        let sizes = self.wholes(sizes);
        self.node("Reshape", &[x, &sizes], vec![])
    }

    /// `x` with its axes in another order.
    pub(super) fn transpose(&mut self, x: &Name, order: &[i64]) -> Name {
        self.node("Transpose", &[x], vec![("perm", Attribute::Ints(order.to_vec()))])
    }

    /// What lies from `from` to `to` along `axis`.
    pub(super) fn slice(&mut self, x: &Name, axis: i64, from: i64, to: i64) -> Name {
        let [from, to, axis] = [from, to, axis].map(|n| self.wholes(&[n]));
        self.node("Slice", &[x, &from, &to, &axis], vec![])
    }

    /// `value` with these axes.
    pub(super) fn with_axes(&mut self, value: &Value, axes: Axes) -> Value {
        if value.axes == axes {
            return value.clone();
        }
        let name = match (value.axes, axes) {
            (Axes::ChannelsFirst, Axes::ChannelsLast) => self.transpose(&value.name, &[0, 2, 3, 1]),
            (Axes::ChannelsLast, Axes::ChannelsFirst) => self.transpose(&value.name, &[0, 3, 1, 2]),
            // maps of one place: the order of the channels is the same
            _ => self.reshape(&value.name, &[vec![0], axes.sizes(value.dims)].concat()),
        };
        Value { name, axes, dims: value.dims }
    }
}
