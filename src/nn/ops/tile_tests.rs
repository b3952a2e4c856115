//! Convolutions out of tile products: AMX and its twin give the same bytes, parts are as exact as they say, and numbers
//! that no part holds come out as from vectors.

use super::cpu::parts::Products;
use super::cpu::plan::tests::on_tiles;
use super::cpu::with_vectors;
use super::tests::{Case, Outcome, random};
use super::*;
use crate::nn::param::Shape;

const ALL: [Products; 3] = [Products::One, Products::Three, Products::Six];

fn outcome(spec: ConvSpec, dims: Dims, x: &[f32]) -> Outcome {
    let shape = Shape::Conv(spec);
    let case = Case {
        inputs: vec![(dims, x.to_vec())],
        params: vec![
            (shape, random(shape.count(), 5)),
            (Shape::Channels(spec.out_channels), random(spec.out_channels, 6)),
        ],
        run: &|pass, store, x, p| conv2d(pass, store, &x[0], &spec, p[0], Some(p[1])).unwrap(),
        training: true,
        only_inputs: false,
    };
    case.outcome(&random(spec.output(dims).unwrap().count(), 7))
}

fn each(outcome: &Outcome) -> [(&'static str, &[f32]); 3] {
    [("output", &outcome.y), ("gradient of the input", &outcome.inputs[0]), ("of the weights", &outcome.params[0])]
}

/// How many of those are out of tile products: gradients of planes and of their weights are left to vectors.
fn by_tiles(dims: Dims) -> usize {
    if dims.c < 4 { 1 } else { 3 }
}

/// Shapes that take every path: one row of all photos, padded rows, phases of a stride, an odd block, shared strips, planes.
fn shapes() -> [(ConvSpec, Dims); 7] {
    let conv = ConvSpec::new;
    [
        (conv(48, 80, 1), Dims::new(3, 48, 5, 7)),
        (conv(32, 48, 3), Dims::new(2, 32, 9, 11)),
        (conv(16, 32, 3).stride(2), Dims::new(2, 16, 12, 9)),
        (conv(64, 32, 1).stride(2), Dims::new(2, 64, 7, 6)),
        (conv(32, 32, 5), Dims::new(1, 32, 6, 40)),
        (conv(32, 512, 7), Dims::new(1, 32, 4, 4)),
        (conv(3, 48, 7).stride(2), Dims::new(2, 3, 21, 37)),
    ]
}

#[test]
fn amx_and_its_twin_give_the_same_bytes() {
    for (spec, dims) in shapes() {
        let x = random(dims.count(), 3);
        for products in ALL {
            let twin = on_tiles(true, products, || outcome(spec, dims, &x)).unwrap();
            let Some(amx) = on_tiles(false, products, || outcome(spec, dims, &x)) else {
                eprintln!("skipped: this machine has no AMX");
                return;
            };
            for ((what, a), (_, b)) in each(&amx).into_iter().zip(each(&twin)).take(by_tiles(dims)) {
                let differ = a.iter().zip(b).filter(|(a, b)| a.to_bits() != b.to_bits()).count();
                assert_eq!(differ, 0, "{spec:?} on {dims}, {products:?}: {what}");
            }
        }
    }
}

#[test]
fn parts_are_as_exact_as_they_say() {
    for (spec, dims) in shapes() {
        let x = random(dims.count(), 3);
        let exact = with_vectors(|| outcome(spec, dims, &x));
        // (largest allowed, least expected) of a sum's root mean square: fewer products are worse, and are what was asked for
        for (products, most, least) in
            [(Products::One, 3e-2, 1e-3), (Products::Three, 1e-4, 1e-6), (Products::Six, 1e-5, 0.0)]
        {
            let tiles = on_tiles(true, products, || outcome(spec, dims, &x)).unwrap();
            for ((what, a), (_, b)) in each(&tiles).into_iter().zip(each(&exact)).take(by_tiles(dims)) {
                let rms = (b.iter().map(|&v| f64::from(v).powi(2)).sum::<f64>() / b.len() as f64).sqrt();
                let worst = a.iter().zip(b).map(|(a, b)| f64::from((a - b).abs())).fold(0.0, f64::max) / rms;
                assert!(worst < most && worst >= least, "{spec:?} on {dims}, {products:?}: {what} off by {worst:e}");
            }
        }
    }
}

#[test]
fn infinities_and_what_is_no_number_come_out_as_from_vectors() {
    for (spec, dims) in shapes() {
        let all_ones = [u32::MAX, u32::MAX >> 1].map(f32::from_bits);
        for strange in [f32::INFINITY, f32::NEG_INFINITY, f32::NAN, f32::MAX].into_iter().chain(all_ones) {
            let mut x = random(dims.count(), 3);
            let middle = x.len() / 2;
            x[middle] = strange;
            let exact = with_vectors(|| outcome(spec, dims, &x));
            let tiles = on_tiles(true, Products::Three, || outcome(spec, dims, &x)).unwrap();
            for ((what, a), (_, b)) in each(&tiles).into_iter().zip(each(&exact)) {
                for (a, b) in a.iter().zip(b) {
                    let same = a == b || a.is_nan() && b.is_nan();
                    assert!(same || a.is_finite() && b.is_finite(), "{spec:?}, {strange}: {what} is {a}, not {b}");
                }
            }
        }
    }
}
