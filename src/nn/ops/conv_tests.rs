//! Convolutions against plain loops in f64, on every way of the CPU and on the twin of tile products.

use proptest::prelude::*;

use super::cpu::parts::Products;
use super::cpu::plan::tests::{each_way, each_way_at_points, on_tiles};
use super::tests::{Case, close, flat, map, random};
use super::*;
use crate::nn::init::Init;
use crate::nn::param::{Builder, Role, Store};
use crate::nn::pass::Pass;

/// Output and gradients of a convolution by plain loops in f64.
pub(super) struct Naive {
    pub(super) y: Vec<f64>,
    pub(super) x: Vec<f64>,
    pub(super) weight: Vec<f64>,
    bias: Vec<f64>,
}

pub(super) fn naive_conv(spec: &ConvSpec, dims: Dims, x: &[f32], weight: &[f32], bias: &[f32], gy: &[f32]) -> Naive {
    let out = spec.output(dims).unwrap();
    let (ins, outs) = (spec.in_channels / spec.groups, spec.out_channels / spec.groups);
    let mut naive = Naive {
        y: vec![0.0; out.count()],
        x: vec![0.0; x.len()],
        weight: vec![0.0; weight.len()],
        bias: vec![0.0; bias.len()],
    };
    for n in 0..out.n {
        for o in 0..out.c {
            for oy in 0..out.h {
                for ox in 0..out.w {
                    let at = ((n * out.c + o) * out.h + oy) * out.w + ox;
                    let g = f64::from(gy[at]);
                    naive.y[at] += f64::from(bias[o]);
                    naive.bias[o] += g;
                    for i in 0..ins {
                        for ky in 0..spec.kernel[0] {
                            for kx in 0..spec.kernel[1] {
                                let y = (oy * spec.stride[0] + ky * spec.dilation[0]).wrapping_sub(spec.padding[0]);
                                let xx = (ox * spec.stride[1] + kx * spec.dilation[1]).wrapping_sub(spec.padding[1]);
                                if y >= dims.h || xx >= dims.w {
                                    continue;
                                }
                                let channel = o / outs * ins + i;
                                let from = ((n * dims.c + channel) * dims.h + y) * dims.w + xx;
                                let w = ((o * ins + i) * spec.kernel[0] + ky) * spec.kernel[1] + kx;
                                naive.y[at] += f64::from(x[from]) * f64::from(weight[w]);
                                naive.x[from] += f64::from(weight[w]) * g;
                                naive.weight[w] += f64::from(x[from]) * g;
                            }
                        }
                    }
                }
            }
        }
    }
    naive
}

fn check_conv(spec: ConvSpec, dims: Dims, seed: u64) {
    check_conv_on(spec, dims, seed, &|test| each_way(test));
}

/// As [`check_conv`] on the twin of tile products, which takes its time.
fn check_conv_on_twin(spec: ConvSpec, dims: Dims, seed: u64) {
    check_conv_on(spec, dims, seed, &|test| {
        on_tiles(true, Products::Six, || test("twin"));
    });
}

fn check_conv_on(spec: ConvSpec, dims: Dims, seed: u64, ways: &dyn Fn(&mut dyn FnMut(&str))) {
    let shape = Shape::Conv(spec);
    let (x, weight) = (random(dims.count(), seed), random(shape.count(), seed + 1));
    let bias = random(spec.out_channels, seed + 2);
    let gy = random(spec.output(dims).unwrap().count(), seed + 3);
    let naive = naive_conv(&spec, dims, &x, &weight, &bias, &gy);
    ways(&mut |way| {
        let what = format!("{spec:?} on {dims}, {way}");
        let case = Case {
            inputs: vec![(dims, x.clone())],
            params: vec![(shape, weight.clone()), (Shape::Channels(spec.out_channels), bias.clone())],
            run: &|pass, store, x, p| conv2d(pass, store, &x[0], &spec, p[0], Some(p[1])).unwrap(),
            training: true,
            only_inputs: false,
        };
        let outcome = case.outcome(&gy);
        close(&outcome.y, &naive.y, 1e-5, &format!("{what}: output"));
        close(&outcome.inputs[0], &naive.x, 1e-5, &format!("{what}: gradient of the input"));
        close(&outcome.params[0], &naive.weight, 1e-5, &format!("{what}: gradient of the weights"));
        close(&outcome.params[1], &naive.bias, 1e-5, &format!("{what}: gradient of the bias"));
    });
}

/// The convolutions of the backbones in small, and shapes at the edges of every kernel.
#[test]
fn convolutions_agree_with_plain_loops() {
    let conv = ConvSpec::new;
    let cases = [
        (conv(3, 20, 7).stride(2), Dims::new(2, 3, 23, 19)),
        (conv(3, 32, 3).stride(2), Dims::new(1, 3, 16, 17)),
        (conv(1, 16, 3), Dims::new(3, 1, 6, 5)),
        (conv(16, 32, 1), Dims::new(2, 16, 9, 11)),
        (conv(1, 4, 1), Dims::new(1, 1, 1, 2)),
        (conv(2, 4, 1), Dims::new(3, 2, 1, 1)),
        (conv(2, 2, 3).groups(2), Dims::new(3, 2, 3, 9)),
        (ConvSpec { padding: [1, 0], ..conv(16, 16, 1) }, Dims::new(2, 16, 1, 1)),
        (conv(3, 20, 1), Dims::new(2, 3, 7, 9)),
        (conv(40, 24, 1), Dims::new(3, 40, 5, 5)),
        (conv(24, 72, 1), Dims::new(5, 24, 1, 1)),
        (conv(64, 17, 1).stride(2), Dims::new(2, 64, 7, 9)),
        (conv(33, 48, 3), Dims::new(2, 33, 14, 14)),
        (conv(32, 64, 3), Dims::new(9, 32, 7, 7)),
        (conv(16, 16, 3).stride(2), Dims::new(2, 16, 15, 13)),
        (conv(16, 16, 3).stride(2), Dims::new(1, 16, 1, 2)),
        (conv(16, 16, 5), Dims::new(1, 16, 3, 29)),
        (ConvSpec { padding: [0, 2], ..conv(20, 20, 3) }, Dims::new(1, 20, 4, 3)),
        (ConvSpec { padding: [4, 4], ..conv(16, 16, 3) }, Dims::new(1, 16, 4, 3)),
        (ConvSpec { dilation: [2, 3], padding: [2, 3], ..conv(16, 16, 3) }, Dims::new(1, 16, 8, 9)),
        (ConvSpec { dilation: [2, 2], stride: [2, 2], ..conv(16, 20, 3) }, Dims::new(1, 16, 8, 9)),
        (ConvSpec { stride: [1, 2], ..conv(16, 20, 3) }, Dims::new(1, 16, 8, 9)),
        (ConvSpec { kernel: [1, 3], padding: [0, 1], ..conv(16, 20, 3) }, Dims::new(1, 16, 8, 9)),
        (conv(32, 64, 3).groups(2), Dims::new(2, 32, 6, 6)),
        (conv(12, 8, 3).groups(4), Dims::new(2, 12, 6, 5)),
        (conv(20, 20, 3).groups(20), Dims::new(2, 20, 9, 8)),
        (conv(20, 20, 5).groups(20).stride(2), Dims::new(2, 20, 9, 14)),
        (conv(32, 32, 7).groups(32).stride(2), Dims::new(1, 32, 6, 6)),
        (conv(32, 32, 3).groups(32).stride(2), Dims::new(1, 32, 1, 1)),
        (conv(8, 16, 3).groups(8), Dims::new(1, 8, 5, 5)),
        (conv(150, 70, 3), Dims::new(1, 150, 3, 4)),
        (conv(16, 16, 3).stride(3), Dims::new(1, 16, 8, 8)),
    ];
    for (i, (spec, dims)) in cases.into_iter().enumerate() {
        check_conv(spec, dims, 10 * i as u64);
        check_conv_on_twin(spec, dims, 10 * i as u64);
    }
}

prop_compose! {
    fn any_conv()(
        (n, h, w) in (1usize..4, 1usize..12, 1usize..12),
        kernel in [1usize..5, 1..5], stride in [1usize..4, 1..4], padding in [0usize..3, 0..3],
        dilation in [1usize..3, 1..3], square in any::<bool>(),
        (ins, outs, groups) in prop_oneof![
            (1usize..40, 1usize..40).prop_map(|(i, o)| (i, o, 1)),
            (1usize..40).prop_map(|c| (c, c, c)),
            (1usize..6, 1usize..6, 1usize..5).prop_map(|(i, o, g)| (i * g, o * g, g)),
            (1usize..3, 1usize..3, 1usize..3).prop_map(|(i, o, g)| (16 * i * g, 16 * o * g, g)),
        ],
    ) -> (ConvSpec, Dims) {
        let pair = |p: [usize; 2]| if square { [p[0]; 2] } else { p };
        let spec = ConvSpec {
            in_channels: ins, out_channels: outs, groups, kernel: pair(kernel), stride: pair(stride),
            padding: pair(padding), dilation: pair(dilation),
        };
        (spec, Dims::new(n, ins, h, w))
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1000))]

    #[test]
    fn any_convolution_agrees_with_plain_loops((spec, dims) in any_conv(), seed in 0u64..1000) {
        if spec.output(dims).is_ok() {
            check_conv(spec, dims, seed);
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(40))]

    #[test]
    fn any_convolution_out_of_tile_products_agrees_with_plain_loops((spec, dims) in any_conv(), seed in 0u64..1000) {
        if spec.output(dims).is_ok() {
            check_conv_on_twin(spec, dims, seed);
        }
    }
}

/// Shapes on every path: one row of all photos, a window with a border, phases, odd blocks, groups, a depthwise window,
/// photos, and one that is unfolded.
#[test]
fn a_convolution_with_its_norm_gives_the_bytes_of_both_in_turn() {
    let conv = ConvSpec::new;
    let shapes = [
        (conv(48, 80, 1), Dims::new(3, 48, 5, 7)),
        (conv(20, 37, 3), Dims::new(2, 20, 9, 11)),
        (conv(16, 32, 3).stride(2), Dims::new(2, 16, 12, 9)),
        (conv(64, 64, 3).groups(2), Dims::new(2, 64, 7, 6)),
        (conv(24, 24, 5).stride(2).groups(24), Dims::new(2, 24, 13, 9)),
        (conv(3, 40, 7).stride(2), Dims::new(2, 3, 20, 22)),
        (conv(32, 48, 1), Dims::new(4, 32, 1, 1)),
        (conv(6, 9, 3).groups(3), Dims::new(2, 6, 8, 5)),
    ];
    for ((spec, dims), seed) in shapes.into_iter().zip(0..) {
        let out = spec.output(dims).unwrap();
        let channels = |seed: u64| (Shape::Channels(out.c), random(out.c, seed));
        let variance = random(out.c, 4).into_iter().map(|v| v * v).collect();
        let params = vec![
            (Shape::Conv(spec), random(Shape::Conv(spec).count(), 1)),
            channels(2),
            channels(3),
            channels(5),
            (Shape::Channels(out.c), variance),
        ];
        let activation = Activation::ALL[seed % Activation::ALL.len()];
        for [residual, scaled] in [[false, false], [true, false], [false, true], [true, true]] {
            let outcome = |together: bool| {
                let mut inputs = vec![(dims, random(dims.count(), 6))];
                inputs.extend(residual.then(|| (out, random(out.count(), 7))));
                let scales = dims.with_size(1, 1);
                inputs.extend(scaled.then(|| (scales, random(scales.count(), 8))));
                let case = Case {
                    inputs,
                    params: params.clone(),
                    run: &|pass, store, x, p| {
                        let spec_of = NormSpec::TORCH;
                        let norm = BatchNorm { gain: p[1], bias: p[2], mean: p[3], variance: p[4], spec: spec_of };
                        let (residual, scale) = (x.get(1).filter(|_| residual), x.last().filter(|_| scaled));
                        if together {
                            let conv = ConvNormed { spec: &spec, weight: p[0], norm: &norm, activation };
                            return conv_norm(pass, store, &x[0], conv, scale, residual).unwrap();
                        }
                        let scaled = scale.map(|scale| scale_channels(pass, &x[0], scale).unwrap());
                        let sums = conv2d(pass, store, scaled.as_ref().unwrap_or(&x[0]), &spec, p[0], None).unwrap();
                        batch_norm(pass, store, &sums, residual, &norm, activation).unwrap()
                    },
                    training: false,
                    only_inputs: true,
                };
                case.raw()
            };
            let check = |way: &str| {
                let (together, apart) = (outcome(true), outcome(false));
                // a pass of its own goes the process's way, which may round products otherwise than the forced one
                let same_way = way.contains(&format!("isa: {:?}", super::cpu::isa())) || way.contains("AMX");
                let alike =
                    |a: f32, b: f32| a.to_bits() == b.to_bits() || !same_way && (a - b).abs() < 1e-3 * (1.0 + b.abs());
                let differ = together.iter().zip(&apart).filter(|&(&a, &b)| !alike(a, b)).count();
                assert_eq!(
                    differ, 0,
                    "{spec:?} on {dims}, {activation:?}, residual {residual}, scaled {scaled}, {way}"
                );
            };
            each_way(&check);
            each_way_at_points(&check);
        }
    }
}

#[test]
fn weights_that_are_kept_split_are_those_of_now_at_the_products_asked_for() {
    let (spec, dims) = (ConvSpec::new(32, 48, 3), Dims::new(1, 32, 6, 6));
    let device = Cpu::default();
    let mut store = Store::new(&device);
    let mut builder = Builder::new(&mut store, 0);
    let weight = builder.param("weight", Shape::Conv(spec), Role::Weight, Init::Normal(1.0)).unwrap();
    let norm = crate::nn::layer::norm(&mut builder, 48, NormSpec::TORCH).unwrap();
    let x = map(dims, &random(dims.count(), 1));
    let run = |store: &Store<Cpu>, products: Products| {
        let y = on_tiles(true, products, || {
            let pass = Pass::inference(&device);
            let conv = ConvNormed { spec: &spec, weight, norm: &norm, activation: Activation::Relu };
            conv_norm(&pass, store, &x, conv, None, None).unwrap()
        });
        y.unwrap().values().as_vec()
    };
    let before = [Products::One, Products::Three].map(|products| run(&store, products));
    assert_ne!(before[0], before[1]);
    assert_eq!(run(&store, Products::One), before[0], "kept");
    assert_eq!(run(&store, Products::Three), before[1], "others than those kept");
    for changed in 0..2 {
        let doubled: Vec<f32> = store.export(weight).unwrap().iter().map(|w| 2.0 * w).collect();
        if changed == 0 {
            store.import(weight, doubled).unwrap();
        } else {
            *store.value_mut(weight) = flat(device.pack_param(&Shape::Conv(spec), doubled));
        }
        // a power of two scales every part
        let expected: Vec<f32> = before[0].iter().map(|y| y * 2.0f32.powi(changed + 1)).collect();
        assert_eq!(run(&store, Products::One), expected, "after change {changed}");
    }
}
