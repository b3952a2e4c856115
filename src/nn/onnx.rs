//! Networks as ONNX files, for ONNX Runtime and whatever else runs them.
//!
//! No architecture is described here. A pass that draws goes through a network as every other pass does, with one photo,
//! and each operation of `ops` adds its nodes to a [`Graph`]: what is written is what runs. Only the number of photos is
//! open; sizes are those of the photo that went through.
//!
//! Operators are those of opset 17 (ONNX 1.12, of 2022), and batch norms are nodes of their own, with torchvision's names:
//! runtimes fold them. Field numbers are those of `onnx.proto`.

mod draw;
mod graph;
mod protobuf;
#[cfg(test)]
mod tests;
mod windows;

pub use graph::Graph;
pub(super) use graph::Value;

use super::error::{NnError, Result};
use graph::{Attribute, Constant, Node, Numbers};
use protobuf::Message;

/// Version of the operators.
const OPSET: i64 = 17;
/// Version of the file's layout that came with them.
const IR_VERSION: i64 = 8;
/// Name of the output.
const EMBEDDING: &str = "embedding";
/// Name of the open size: photos of a batch.
const BATCH: &str = "batch";
/// `TensorProto.DataType`.
const FLOAT: i64 = 1;
const INT64: i64 = 7;

/// What a file says of itself.
#[derive(Clone, Debug, Default)]
pub struct Description {
    /// Name of the graph.
    pub name: String,
    /// For people.
    pub text: String,
    /// For programs: keys and values.
    pub properties: Vec<(String, String)>,
}

impl Graph {
    /// The file's bytes; the same for the same graph and description.
    ///
    /// # Errors
    /// When nothing goes in or nothing comes out.
    pub fn into_bytes(self, about: &Description) -> Result<Vec<u8>> {
        let Graph { input: Some(input), output: Some(output), nodes, constants, .. } = self else {
            return Err(NnError::shape("onnx", "no network was drawn"));
        };
        // ModelProto
        let model = Message::default()
            .int(1, IR_VERSION)
            .text(2, "caretta")
            .text(3, env!("CARGO_PKG_VERSION"))
            .text(6, &about.text);
        // GraphProto; a constant's numbers are let go as soon as they are written
        let graph = Message::default()
            .each(&nodes, |m, node| m.message(1, of_node(node)))
            .text(2, &about.name)
            .each(constants, |m, constant| m.message(5, of_constant(&constant)))
            .message(11, of_batch(&input))
            .message(12, of_batch(&output));
        let opset = Message::default().text(1, "").int(2, OPSET);
        let pair = |(key, value): &(String, String)| Message::default().text(1, key).text(2, value);
        let model = model.message(7, graph).message(8, opset);
        Ok(model.each(&about.properties, |m, property| m.message(14, pair(property))).into_bytes())
    }
}

/// NodeProto.
fn of_node(node: &Node) -> Message {
    Message::default()
        .each(&node.inputs, |m, name| m.text(1, name))
        .text(2, &node.output)
        .text(3, &node.output)
        .text(4, node.operator)
        .each(&node.attributes, |m, (name, value)| m.message(5, of_attribute(name, value)))
}

/// AttributeProto.
fn of_attribute(name: &str, value: &Attribute) -> Message {
    let message = Message::default().text(1, name);
    match value {
        Attribute::Float(value) => message.float(2, *value).int(20, 1),
        Attribute::Int(value) => message.int(3, *value).int(20, 2),
        Attribute::Ints(values) => message.each(values, |m, value| m.int(8, *value)).int(20, 7),
    }
}

/// TensorProto.
fn of_constant(Constant { name, sizes, numbers }: &Constant) -> Message {
    let (kind, bytes): (_, Vec<u8>) = match numbers {
        Numbers::Floats(values) => (FLOAT, values.iter().flat_map(|v| v.to_le_bytes()).collect()),
        Numbers::Wholes(values) => (INT64, values.iter().flat_map(|v| v.to_le_bytes()).collect()),
    };
    Message::default().each(sizes, |m, size| m.int(1, *size as i64)).int(2, kind).text(8, name).bytes(9, &bytes)
}

/// ValueInfoProto of a batch of floats.
fn of_batch(value: &Value) -> Message {
    let size = |n: i64| Message::default().int(1, n);
    let shape = Message::default()
        .message(1, Message::default().text(2, BATCH))
        .each(value.axes.sizes(value.dims), |m, n| m.message(1, size(n)));
    let tensor = Message::default().int(1, FLOAT).message(2, shape);
    Message::default().text(1, &value.name).message(2, Message::default().message(1, tensor))
}
