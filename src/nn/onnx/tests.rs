//! Graphs of every backbone, and the bytes of a small one. Whether runtimes agree is seen by `fixtures/onnx/check.py`.

use std::collections::BTreeSet;

use dfdx::prelude::Cpu;

use super::graph::{Graph, Numbers};
use super::{Description, EMBEDDING};
use crate::nn::backbone::{BACKBONES, Backbone};
use crate::nn::head::HeadKind;
use crate::nn::map::Dims;
use crate::nn::network::{Architecture, Network};
use crate::nn::ops::{Activation, PoolKind, PoolSpec};

/// Whatever a node reads is there before it, nothing is there twice, and nothing is there in vain.
fn check(graph: &Graph, about: &str) {
    let mut there = BTreeSet::from([graph.input.as_ref().unwrap().name.to_string()]);
    for constant in &graph.constants {
        let count = match &constant.numbers {
            Numbers::Floats(values) => values.len(),
            Numbers::Wholes(values) => values.len(),
        };
        assert_eq!(count, constant.sizes.iter().product::<usize>(), "{about}: {}", constant.name);
        assert!(there.insert(constant.name.to_string()), "{about}: {} twice", constant.name);
    }
    let mut read = BTreeSet::from([EMBEDDING.to_owned()]);
    for node in &graph.nodes {
        for input in &node.inputs {
            assert!(there.contains(&**input), "{about}: {} reads {input}, which is not there yet", node.output);
            read.insert(input.to_string());
        }
        assert!(there.insert(node.output.to_string()), "{about}: {} twice", node.output);
    }
    let vain: Vec<_> = there.difference(&read).collect();
    assert!(vain.is_empty() && read.is_subset(&there), "{about}: nobody reads {vain:?}");
}

#[test]
fn every_backbone_is_drawn_whole() {
    for backbone in BACKBONES {
        let head = if backbone.name == "efficientnet_b0" { HeadKind::LinearNorm } else { HeadKind::Pooled };
        let dimensions = if head == HeadKind::Pooled { backbone.features() } else { 24 };
        let architecture = Architecture { backbone: backbone.name, head, dimensions };
        let network = Network::new(&Cpu::default(), architecture, 0).unwrap();
        let graph = network.graph(32).unwrap();
        check(&graph, backbone.name);
        let [input, output] = [&graph.input, &graph.output].map(|value| value.as_ref().unwrap());
        assert_eq!(
            (input.axes.sizes(input.dims), output.axes.sizes(output.dims)),
            (vec![3, 32, 32], vec![dimensions as i64])
        );
        // every parameter, under its name or as what is made of it
        let names: BTreeSet<_> = graph.constants.iter().map(|c| c.name.to_string()).collect();
        for param in network.store.iter() {
            let made = [param.name.clone(), format!("{}.T", param.name), param.name.replace("_bias_table", "_bias")];
            assert!(made.iter().any(|name| names.contains(name)), "{}: no {}", backbone.name, param.name);
        }
    }
}

#[test]
fn attention_is_drawn_for_any_size() {
    let features = Backbone::named("swin_t").unwrap().features();
    let architecture = Architecture { backbone: "swin_t", head: HeadKind::Mlp, dimensions: 8 };
    let network = Network::new(&Cpu::default(), architecture, 0).unwrap();
    for side in [33, 75, 112] {
        let graph = network.graph(side).unwrap();
        check(&graph, &format!("swin_t at {side}"));
        assert!(features > 0 && graph.nodes.iter().any(|node| node.operator == "Pad"), "filled up to whole windows");
    }
}

/// The file of `relu(max(photos))` of one place, field by field as `onnx.proto` numbers them.
#[test]
fn a_small_file_has_the_bytes_that_it_should() {
    let mut graph = Graph::default();
    let photos = graph.photos(Dims::new(1, 3, 2, 2));
    let pool = PoolSpec { kind: PoolKind::Max, kernel: [2; 2], stride: [1; 2], padding: [0; 2] };
    let x = graph.pooled(&photos, &pool, Dims::new(1, 3, 1, 1));
    let x = graph.activation(&x, Activation::Relu);
    graph.embedding(&x);
    let about = Description { name: "g".into(), text: "t".into(), properties: vec![("k".into(), "v".into())] };
    let bytes = graph.into_bytes(&about).unwrap();
    let version = env!("CARGO_PKG_VERSION");
    let text = |field: u8, text: &str| [&[field << 3 | 2, text.len() as u8][..], text.as_bytes()].concat();
    let begin = [vec![0x08, 8], text(2, "caretta"), text(3, version), text(6, "t")].concat();
    assert!(bytes.starts_with(&begin));
    let opset = [0x42, 4, 0x0a, 0, 0x10, 17];
    let property = [&[0x72, 6][..], &text(1, "k"), &text(2, "v")].concat();
    assert!(bytes.ends_with(&[&opset[..], &property].concat()));
    let found = |part: &[u8]| bytes.windows(part.len()).any(|window| window == part);
    assert!(found(&[text(1, "photos"), text(2, "MaxPool_0"), text(3, "MaxPool_0"), text(4, "MaxPool")].concat()));
    assert!(found(&[text(1, "strides"), vec![0x40, 1, 0x40, 1, 0xa0, 0x01, 7]].concat()));
    assert!(found(&[text(1, "MaxPool_0"), text(2, "Relu_0"), text(3, "Relu_0"), text(4, "Relu")].concat()));
    assert!(found(&[text(1, "ReduceL2_0"), text(1, "number 0.000000000001"), text(2, "Clip_0")].concat()));
    // a scalar: its kind, its name, its four bytes
    assert!(found(&[&[0x10, 1][..], &text(8, "number 0.000000000001"), &[0x4a, 4], &1e-12f32.to_le_bytes()].concat()));
    // the input: batch x 3 x 2 x 2 floats
    let sizes = [&[0x0a, 7][..], &text(2, "batch"), &[0x0a, 2, 8, 3], &[0x0a, 2, 8, 2], &[0x0a, 2, 8, 2]].concat();
    let shape = [&[0x08, 1, 0x12, sizes.len() as u8][..], &sizes].concat();
    assert!(found(&[&text(1, "photos")[..], &[0x12, 2 + shape.len() as u8, 0x0a, shape.len() as u8], &shape].concat()));
    assert!(Graph::default().into_bytes(&about).is_err(), "nothing was drawn");
}
