//! Convolutions at Winograd's points: against plain loops in f64, numbers that a transform would spread, and a photo in
//! the company of others.

use proptest::prelude::*;

use super::conv_tests::{Naive, naive_conv};
use super::cpu::plan::tests::{each_way, each_way_at_points};
use super::cpu::with_vectors;
use super::tests::{Case, Outcome, map, random};
use super::*;
use crate::nn::init::Init;
use crate::nn::param::{Builder, Role, Shape, Store};
use crate::nn::pass::Pass;

/// What a convolution gives, `twice` with its input read by two of them: gradients are then added to what is there.
fn outcome(spec: ConvSpec, dims: Dims, x: &[f32], weight: &[f32], twice: bool) -> Outcome {
    let case = Case {
        inputs: vec![(dims, x.to_vec())],
        params: vec![
            (Shape::Conv(spec), weight.to_vec()),
            (Shape::Channels(spec.out_channels), vec![0.0; spec.out_channels]),
        ],
        run: &|pass, store, x, p| {
            let y = conv2d(pass, store, &x[0], &spec, p[0], Some(p[1])).unwrap();
            if !twice {
                return y;
            }
            let again = conv2d(pass, store, &x[0], &spec, p[0], Some(p[1])).unwrap();
            add(pass, &y, &again).unwrap()
        },
        training: true,
        only_inputs: false,
    };
    case.outcome(&random(spec.output(dims).unwrap().count(), 7))
}

fn each(outcome: &Outcome) -> [(&'static str, &[f32]); 3] {
    [("output", &outcome.y), ("gradient of the input", &outcome.inputs[0]), ("of the weights", &outcome.params[0])]
}

/// The root mean square of an error, of what it should be.
fn error(ours: &[f32], exact: &[f64], times: f64) -> f64 {
    let square = |values: &mut dyn Iterator<Item = f64>| values.map(|v| v * v).sum::<f64>();
    let apart = square(&mut ours.iter().zip(exact).map(|(a, b)| f64::from(*a) - times * b));
    (apart / square(&mut exact.iter().map(|b| times * b))).sqrt()
}

fn check(spec: ConvSpec, dims: Dims, seed: u64, most: f64) {
    let weight = random(Shape::Conv(spec).count(), seed + 1);
    let (x, gy) = (random(dims.count(), seed), random(spec.output(dims).unwrap().count(), 7));
    let naive = naive_conv(&spec, dims, &x, &weight, &vec![0.0; spec.out_channels], &gy);
    let Naive { y, x: input, weight: of_weight, .. } = &naive;
    each_way_at_points(|way| {
        for twice in [false, true] {
            let outcome = outcome(spec, dims, &x, &weight, twice);
            for ((what, ours), exact) in each(&outcome).into_iter().zip([y, input, of_weight]) {
                let error = error(ours, exact, if twice { 2.0 } else { 1.0 });
                assert!(error < most, "{spec:?} on {dims}, {way}: {what} off by {error:e}");
            }
        }
    });
}

/// Whole squares and cut ones, one row of squares, strips of several photos and of part of one, panels of every width,
/// groups, another border, chunks of the gradient.
fn shapes() -> Vec<(ConvSpec, Dims)> {
    let conv = ConvSpec::new;
    vec![
        (conv(16, 16, 3), Dims::new(1, 16, 4, 4)),
        (conv(16, 80, 3), Dims::new(2, 16, 3, 3)),
        (conv(40, 24, 3), Dims::new(3, 40, 7, 7)),
        (conv(20, 37, 3), Dims::new(2, 20, 4, 2)),
        (conv(48, 48, 3), Dims::new(5, 48, 14, 14)),
        (conv(33, 65, 3), Dims::new(2, 33, 15, 18)),
        (conv(32, 16, 3), Dims::new(1, 32, 23, 57)),
        (conv(64, 64, 3).groups(2), Dims::new(2, 64, 8, 11)),
        (ConvSpec { padding: [2, 0], ..conv(16, 32, 3) }, Dims::new(2, 16, 14, 17)),
        (conv(80, 80, 3), Dims::new(2, 80, 16, 15)),
        (conv(16, 272, 3), Dims::new(1, 16, 6, 6)),
        (conv(150, 168, 3), Dims::new(1, 150, 4, 6)),
    ]
}

#[test]
fn errors_are_some_millionths() {
    for ((spec, dims), seed) in shapes().into_iter().zip(0..) {
        check(spec, dims, 10 * seed, 5e-6);
    }
}

#[test]
fn sums_are_others_than_of_the_direct_kernel() {
    let (spec, dims) = (ConvSpec::new(32, 32, 3), Dims::new(1, 32, 16, 16));
    let (x, weight) = (random(dims.count(), 1), random(Shape::Conv(spec).count(), 2));
    let exact = with_vectors(|| outcome(spec, dims, &x, &weight, false));
    each_way_at_points(|way| {
        let ours = outcome(spec, dims, &x, &weight, false);
        for ((what, a), (_, b)) in each(&ours).into_iter().zip(each(&exact)) {
            let others = a.iter().zip(b).filter(|(a, b)| (*a - *b).abs() > 2e-6).count();
            assert!(others > a.len() / 20, "{way}: {what} comes from no transform: {others} of {}", a.len());
        }
    });
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(60))]

    #[test]
    fn any_3x3_convolution_agrees_with_plain_loops(
        (n, h, w) in (1usize..4, 1usize..24, 1usize..24), (ins, outs) in (4usize..81, 4usize..81),
        padding in [0usize..3, 0..3], seed in 0u64..1000,
    ) {
        let spec = ConvSpec { padding, ..ConvSpec::new(ins, outs, 3) };
        let dims = Dims::new(n, ins, h, w);
        if spec.output(dims).is_ok() {
            check(spec, dims, seed, 1e-5);
        }
    }
}

#[test]
fn infinities_and_what_is_no_number_come_out_as_from_the_direct_kernel() {
    for (spec, dims) in shapes() {
        for strange in [f32::INFINITY, f32::NEG_INFINITY, f32::NAN, f32::MAX] {
            for [in_x, twice] in [[true, false], [true, true], [false, true]] {
                if strange.is_nan() && !in_x {
                    continue; // parameters are compared with what was asked for
                }
                let (mut x, mut weight) = (random(dims.count(), 3), random(Shape::Conv(spec).count(), 4));
                let values = if in_x { &mut x } else { &mut weight };
                let middle = values.len() / 2;
                values[middle] = strange;
                let exact = with_vectors(|| outcome(spec, dims, &x, &weight, twice));
                each_way_at_points(|way| {
                    let ours = outcome(spec, dims, &x, &weight, twice);
                    for ((what, a), (_, b)) in each(&ours).into_iter().zip(each(&exact)) {
                        for (a, b) in a.iter().zip(b) {
                            let same = a == b || a.is_nan() && b.is_nan();
                            assert!(
                                same || a.is_finite() && b.is_finite(),
                                "{spec:?} on {dims}, {strange}, {way}: {what} is {a}, not {b}"
                            );
                        }
                    }
                });
            }
        }
    }
}

#[test]
fn a_photo_comes_out_the_same_in_any_company() {
    // the last has more weights than are kept at the points
    for (ins, outs, h, w) in [(48, 80, 7, 7), (48, 80, 14, 14), (16, 32, 40, 57), (160, 144, 7, 7)] {
        let spec = ConvSpec::new(ins, outs, 3);
        let alone = Dims::new(1, ins, h, w);
        let x = random(alone.count(), 1);
        let weight = random(Shape::Conv(spec).count(), 2);
        let output = |photos: usize, strange: bool| {
            let mut all = random(photos * alone.count(), 3);
            let at = photos / 2 * alone.count();
            all[at..at + alone.count()].copy_from_slice(&x);
            if strange {
                // of the photo before
                all[at - 1] = f32::NAN;
            }
            let (_, y) = Case {
                inputs: vec![(Dims { n: photos, ..alone }, all)],
                params: vec![(Shape::Conv(spec), weight.clone())],
                run: &|pass, store, x, p| conv2d(pass, store, &x[0], &spec, p[0], None).unwrap(),
                training: false,
                only_inputs: true,
            }
            .output();
            let length = y.len() / photos;
            y[photos / 2 * length..][..length].iter().map(|v| v.to_bits()).collect::<Vec<_>>()
        };
        let check = |way: &str| {
            let expected = output(1, false);
            for photos in [2, 3, 9, 40] {
                assert!(output(photos, false) == expected, "{h} x {w}, among {photos}, {way}");
            }
        };
        each_way(&check);
        each_way_at_points(|way| {
            check(way);
            assert!(output(3, true) == output(1, false), "{h} x {w}, beside what is no number, {way}");
        });
    }
}

#[test]
fn weights_that_are_kept_at_the_points_are_those_of_now() {
    let (spec, dims) = (ConvSpec::new(32, 48, 3), Dims::new(1, 32, 8, 8));
    let device = Cpu::default();
    each_way_at_points(|way| {
        let mut store = Store::new(&device);
        let mut builder = Builder::new(&mut store, 0);
        let weight = builder.param("weight", Shape::Conv(spec), Role::Weight, Init::Normal(1.0)).unwrap();
        let norm = crate::nn::layer::norm(&mut builder, 48, NormSpec::TORCH).unwrap();
        let x = map(dims, &random(dims.count(), 1));
        let run = |store: &Store<Cpu>| {
            let pass = Pass::inference(&device);
            let conv = ConvNormed { spec: &spec, weight, norm: &norm, activation: Activation::Relu };
            conv_norm(&pass, store, &x, conv, None, None).unwrap().values().as_vec()
        };
        let before = run(&store);
        assert_eq!(run(&store), before, "{way}: kept");
        let doubled: Vec<f32> = store.export(weight).unwrap().iter().map(|w| 2.0 * w).collect();
        store.import(weight, doubled).unwrap();
        // a power of two scales every sum
        assert_eq!(run(&store), before.iter().map(|y| 2.0 * y).collect::<Vec<_>>(), "{way}: changed");
    });
}
