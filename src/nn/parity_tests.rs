//! Whole networks against torchvision's and timm's: features in evaluation and in training, every parameter's gradient, what
//! a training pass leaves in the running statistics, and, where slopes jump, each block by itself.
//!
//! `train/step/golden_tests.rs` goes on with the gradients of the losses.

use dfdx::prelude::{Backward, Cpu, Gradients, PutTape, SumTo, Tensor, TensorFromVec, ZerosTensor};

use super::backbone::{Backbone, Layers};
use super::golden::{Distance, Golden, fill, golden, gradients, noise, photo_bytes, running};
use super::map::{Dims, FeatureMap, Flat};
use super::ops::{Layout, Normalisation, photos, to_matrix};
use super::param::{Builder, Shape, Store};
use super::pass::Pass;

struct Ours {
    store: Store<Cpu>,
    layers: Layers,
    golden: Golden,
}

/// A name may end in a side of its own, as its file does.
fn filled(name: &str) -> Ours {
    let mut store = Store::new(&Cpu::default());
    let backbone = name.split('-').next().unwrap();
    let layers = Backbone::named(backbone).unwrap().build(&mut Builder::new(&mut store, 0)).unwrap();
    let golden = golden(name);
    fill(&mut store, golden.variance);
    Ours { store, layers, golden }
}

fn flat(values: Vec<f32>) -> Flat<Cpu> {
    let length = values.len();
    Cpu::default().tensor_from_vec(values, (length,))
}

fn functional(count: usize) -> Vec<f32> {
    noise("functional").take(count).map(|u| u as f32).collect()
}

/// Features, gradients and running statistics.
struct Whole {
    evaluation: Distance,
    training: Distance,
    gradients: Distance,
    running: Distance,
}

fn whole(ours: &mut Ours) -> Whole {
    let device = Cpu::default();
    let Ours { store, layers, golden } = ours;
    let rgb = photo_bytes(&golden.photos, golden.batch, golden.side);
    let mut pass = Pass::inference(&device);
    let x = photos(&mut pass, golden.batch, golden.side, &rgb, &Normalisation::IMAGENET).unwrap();
    let y = layers.forward(&mut pass, store, &x).unwrap();
    let evaluation = golden.features[0].distance(&device.unpack_map(y.dims(), y.values()).unwrap());

    let mut pass = Pass::training(&device);
    let y = layers.forward(&mut pass, store, &x).unwrap();
    let dims = y.dims();
    let training = golden.features[1].distance(&device.unpack_map(dims, y.values()).unwrap());
    let rows = to_matrix(&mut pass, &y).unwrap();
    let weights: Tensor<(usize, usize), f32, Cpu> = device.tensor_from_vec(functional(dims.count()), (dims.n, dims.c));
    let mut found: Gradients<f32, Cpu> = (rows * weights).sum::<(), _>().backward();
    let gradients = gradients(
        &golden.gradients["linear"],
        store,
        |p| golden.below.is_none_or(|below| p.shape.count() < below),
        &mut found,
    );
    store.absorb(pass.into_statistics()).unwrap();
    Whole { evaluation, training, gradients, running: running(&golden.running, store) }
}

/// Each block by itself, in training: output, gradient of the input, gradients of the parameters.
fn single_blocks(ours: &Ours) -> Distance {
    let Ours { store, layers, golden } = ours;
    let device = Cpu::default();
    let blocks: Vec<_> = layers.blocks().collect();
    assert_eq!(blocks.len(), golden.blocks.len());
    let mut sum = Distance::default();
    for (block, expected) in blocks.into_iter().zip(&golden.blocks) {
        let [place] = &expected.gradients.keys().collect::<Vec<_>>()[..] else { panic!("one block") };
        let prefix = format!("{place}.");
        let first = store.iter().find(|p| p.name.starts_with(&prefix)).unwrap();
        let Shape::Conv(first) = first.shape else { panic!("{} is no convolution", first.name) };
        let dims = Dims::new(golden.block_batch, first.in_channels, golden.block_side, golden.block_side);
        let values: Vec<f32> = noise(&format!("block {place}")).take(dims.count()).map(|u| u as f32).collect();
        let x = FeatureMap::traced(flat(device.pack_map(dims, &values)), dims);
        let mut pass = Pass::training(&device);
        let y = block.forward(&mut pass, store, &x).unwrap();
        sum = sum.and(expected.output.distance(&device.unpack_map(y.dims(), y.values()).unwrap()));
        y.grad().unwrap().set(flat(device.pack_map(y.dims(), &functional(y.dims().count()))));
        let end: Tensor<(), f32, Cpu> = device.zeros();
        let mut found: Gradients<f32, Cpu> = end.put_tape(pass.take_tape()).backward();
        let of_input = device.unpack_map(dims, &x.grad().unwrap().take().unwrap()).unwrap();
        sum = sum.and(expected.input.distance(&of_input));
        sum = sum.and(gradients(&expected.gradients, store, |p| p.name.starts_with(&prefix), &mut found));
    }
    sum
}

/// Features within 1e-4; gradients within 1e-3 where no slope jumps, else as a whole within twice PyTorch's own distance and
/// block by block within 1e-3: one value that rounding carries over a corner moves them by a thousandth.
fn holds(name: &str, smooth: bool) {
    let mut ours = filled(name);
    let blocks = single_blocks(&ours);
    let Whole { evaluation, training, gradients, running } = whole(&mut ours);
    for (what, distance) in [
        ("evaluation", evaluation),
        ("training", training),
        ("running", running),
        ("gradients", gradients),
        ("blocks", blocks),
    ] {
        println!("{name}, {what}: {:.1e}, {:.2} times PyTorch's", distance.farthest, distance.multiple());
    }
    assert!(evaluation.farthest < 1e-4 && training.farthest < 1e-4 && running.farthest < 1e-4);
    assert!(blocks.farthest < 1e-3);
    assert!(if smooth { gradients.farthest < 1e-3 } else { gradients.multiple() < 2.0 });
}

/// Which backbones have a slope that jumps nowhere.
const SMOOTH: [&str; 5] = ["efficientnet_b0", "efficientnet_b1", "efficientnet_b2", "efficientnet_b3", "swin_t"];

macro_rules! each {
    ($($name:ident)*) => {
        $(#[test]
        fn $name() {
            let name = stringify!($name);
            holds(name, SMOOTH.contains(&name));
        })*

        #[test]
        fn every_backbone_is_compared() {
            let compared = [$(stringify!($name)),*];
            assert!(super::backbone::BACKBONES.iter().all(|b| compared.contains(&b.name)));
        }
    };
}

each! {
    resnet18 resnet34 resnet50 resnet101
    efficientnet_b0 efficientnet_b1 efficientnet_b2 efficientnet_b3 efficientnet_lite0
    mobilenet_v3_large swin_t
}

/// Whole windows, but for the last stage; its own file has maps that are filled up.
#[test]
fn swin_t_of_side_112() {
    holds("swin_t-112", true);
}
