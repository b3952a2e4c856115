//! What Swin adds, against plain loops in f64 and against central differences: layer norm, attention, moved places.

use proptest::prelude::*;

use super::cpu::plan::tests::each_way;
use super::tests::{Case, close, random};
use super::*;

/// The normal distribution's sum up to `x`, by the series of its density.
pub(super) fn normal_sum(x: f64) -> f64 {
    let (mut term, mut sum) = (x, x);
    for n in 1..120 {
        term *= x * x / f64::from(2 * n + 1);
        sum += term;
    }
    0.5 + sum * (-x * x / 2.0).exp() / std::f64::consts::TAU.sqrt()
}

/// Torch's `LayerNorm` by plain loops.
fn naive_norm(dims: Dims, x: &[f32], gain: &[f32], bias: &[f32]) -> Vec<f64> {
    let places = dims.h * dims.w;
    let mut y = vec![0.0; x.len()];
    for n in 0..dims.n {
        for place in 0..places {
            let at = |c: usize| (n * dims.c + c) * places + place;
            let values: Vec<f64> = (0..dims.c).map(|c| f64::from(x[at(c)])).collect();
            let mean = values.iter().sum::<f64>() / dims.c as f64;
            let variance = values.iter().map(|v| (v - mean).powi(2)).sum::<f64>() / dims.c as f64;
            for c in 0..dims.c {
                y[at(c)] = (values[c] - mean) / (variance + 1e-5).sqrt() * f64::from(gain[c]) + f64::from(bias[c]);
            }
        }
    }
    y
}

fn norm_case(dims: Dims, offset: f32, seed: u64) -> Case<'static> {
    let channels = Shape::Channels(dims.c);
    Case {
        inputs: vec![(dims, random(dims.count(), seed).into_iter().map(|v| v + offset).collect())],
        params: vec![(channels, random(dims.c, seed + 1)), (channels, random(dims.c, seed + 2))],
        run: &|pass, store, x, p| {
            layer_norm(pass, store, &x[0], &LayerNorm { gain: p[0], bias: p[1], epsilon: 1e-5 }).unwrap()
        },
        training: true,
        only_inputs: false,
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(60))]

    #[test]
    fn layer_norm_agrees_with_plain_loops(
        n in 1usize..4, c in 4usize..70, h in 1usize..8, w in 1usize..8, seed in 0u64..1000,
    ) {
        let dims = Dims::new(n, c, h, w);
        each_way(|way| {
            let case = norm_case(dims, 0.0, seed);
            let expected = naive_norm(dims, &case.inputs[0].1, &case.params[0].1, &case.params[1].1);
            close(&case.output().1, &expected, 2e-5, &format!("layer norm of {dims}, {way}"));
        });
    }
}

#[test]
fn layer_norm_keeps_its_digits_far_from_zero_and_over_many_places() {
    // several strips and tasks a photo, the last ones short; the mean far from zero
    let dims = Dims::new(2, 20, 19, 31);
    let case = norm_case(dims, 300.0, 5);
    let expected = naive_norm(dims, &case.inputs[0].1, &case.params[0].1, &case.params[1].1);
    close(&case.output().1, &expected, 1e-4, "layer norm of large values");
}

#[test]
fn layer_norm_gradients_agree_with_differences() {
    each_way(|way| {
        for dims in [Dims::new(2, 18, 3, 7), Dims::new(1, 4, 1, 1), Dims::new(1, 32, 5, 5)] {
            norm_case(dims, 0.5, 9).check_gradients(0.01, 5e-3, &format!("layer norm of {dims}, {way}"));
        }
    });
}

#[test]
fn a_map_used_by_a_norm_and_a_sum_gets_both_gradients() {
    // the residual branch of a block: the norm adds to what the sum gave
    let mut case = Case {
        run: &|pass, store, x, p| {
            let norm = LayerNorm { gain: p[0], bias: p[1], epsilon: 1e-5 };
            let y = layer_norm(pass, store, &x[0], &norm).unwrap();
            add(pass, &y, &x[0]).unwrap()
        },
        ..norm_case(Dims::new(2, 20, 2, 3), 0.0, 3)
    };
    case.check_gradients(0.01, 5e-3, "x + norm(x)");
}

/// Attention by plain loops, as torchvision writes it: roll, part, mask, roll back.
fn naive_attention(spec: &WindowSpec, dims: Dims, qkv: &[f32], table: &[f32]) -> Vec<f64> {
    let (c, side, places) = (dims.c / 3, spec.window, dims.h * dims.w);
    let width = c / spec.heads;
    let size = [dims.h, dims.w];
    let shift = size.map(|s| if s > side { spec.shift } else { 0 });
    // the slices of rolled rows (or columns) that lay together before
    let region = |axis: usize, at: usize| match size[axis] - at {
        _ if shift[axis] == 0 => 0,
        left if left <= shift[axis] => 2,
        left if left <= side => 1,
        _ => 0,
    };
    let mut y = vec![0.0; c * dims.n * places];
    let value = |n: usize, channel: usize, [row, column]: [usize; 2]| {
        let (row, column) = ((row + shift[0]) % size[0], (column + shift[1]) % size[1]);
        f64::from(qkv[(n * dims.c + channel) * places + row * size[1] + column])
    };
    for n in 0..dims.n {
        for head in 0..spec.heads {
            for i in 0..places {
                let query = [i / size[1], i % size[1]];
                let first = query.map(|at| at / side * side);
                let mut keys = Vec::new();
                for j in 0..side * side {
                    let key = [first[0] + j / side, first[1] + j % side];
                    let mut logit: f64 = (0..width)
                        .map(|k| value(n, head * width + k, query) * value(n, c + head * width + k, key))
                        .sum::<f64>()
                        / (width as f64).sqrt();
                    let difference = [0, 1].map(|axis| query[axis] + side - 1 - key[axis]);
                    logit += f64::from(table[(difference[0] * (2 * side - 1) + difference[1]) * spec.heads + head]);
                    if (0..2).any(|axis| region(axis, query[axis]) != region(axis, key[axis])) {
                        logit -= 100.0;
                    }
                    keys.push((key, logit));
                }
                let most = keys.iter().map(|(_, l)| *l).fold(f64::MIN, f64::max);
                let sum: f64 = keys.iter().map(|(_, l)| (l - most).exp()).sum();
                let (row, column) = ((query[0] + shift[0]) % size[0], (query[1] + shift[1]) % size[1]);
                for k in 0..width {
                    y[(n * c + head * width + k) * places + row * size[1] + column] = keys
                        .iter()
                        .map(|(key, l)| (l - most).exp() / sum * value(n, 2 * c + head * width + k, *key))
                        .sum();
                }
            }
        }
    }
    y
}

fn attention_case<'a>(spec: &WindowSpec, dims: Dims, seed: u64, run: Run<'a>) -> Case<'a> {
    let table = Shape::Matrix(spec.differences(), spec.heads);
    Case {
        inputs: vec![(dims, random(dims.count(), seed))],
        params: vec![(table, random(table.count(), seed + 1))],
        run,
        training: true,
        only_inputs: false,
    }
}

type Run<'a> = &'a dyn Fn(
    &mut crate::nn::pass::Pass<Cpu>,
    &crate::nn::param::Store<Cpu>,
    &[crate::nn::map::FeatureMap<Cpu>],
    &[crate::nn::param::ParamId],
) -> crate::nn::map::FeatureMap<Cpu>;

proptest! {
    #![proptest_config(ProptestConfig::with_cases(30))]

    #[test]
    fn attention_agrees_with_plain_loops(
        (window, shift) in (1usize..8).prop_flat_map(|w| (Just(w), 0..w)),
        (n, heads, width) in (1usize..3, 1usize..4, prop_oneof![Just(16usize), Just(32), Just(48)]),
        (down, right) in (1usize..4, 1usize..4),
        seed in 0u64..1000,
    ) {
        let spec = WindowSpec { heads, window, shift };
        let dims = Dims::new(n, 3 * heads * width, down * window, right * window);
        each_way(|way| {
            let run: Run = &|pass, store, x, p| window_attention(pass, store, &x[0], &spec, p[0]).unwrap();
            let case = attention_case(&spec, dims, seed, run);
            let expected = naive_attention(&spec, dims, &case.inputs[0].1, &case.params[0].1);
            close(&case.output().1, &expected, 1e-5, &format!("{spec:?} on {dims}, {way}"));
        });
    }
}

#[test]
fn attention_gradients_agree_with_differences() {
    for (spec, dims) in [
        (WindowSpec { heads: 2, window: 7, shift: 3 }, Dims::new(1, 96, 14, 7)),
        (WindowSpec { heads: 1, window: 4, shift: 2 }, Dims::new(3, 96, 8, 12)),
        (WindowSpec { heads: 3, window: 3, shift: 0 }, Dims::new(1, 144, 3, 6)),
    ] {
        each_way(|way| {
            let run: Run = &|pass, store, x, p| window_attention(pass, store, &x[0], &spec, p[0]).unwrap();
            let mut case = attention_case(&spec, dims, 4, run);
            case.check_gradients(0.02, 5e-3, &format!("{spec:?} on {dims}, {way}"));
        });
    }
}

#[test]
fn what_does_not_fit_attention_is_an_error() {
    let fails = |spec: WindowSpec, dims: Dims, table: Shape| {
        let run: Run = &|pass, store, x, p| {
            let error = window_attention(pass, store, &x[0], &spec, p[0]).err().unwrap();
            assert!(error.to_string().starts_with("attention: "), "{error}");
            x[0].clone()
        };
        let case = Case { params: vec![(table, random(table.count(), 2))], ..attention_case(&spec, dims, 1, run) };
        case.output();
    };
    let spec = WindowSpec { heads: 2, window: 7, shift: 3 };
    let (table, dims) = (Shape::Matrix(169, 2), Dims::new(1, 96, 7, 7));
    fails(spec, dims.with_size(7, 8), table);
    fails(spec, dims.with_channels(72), table);
    fails(WindowSpec { shift: 7, ..spec }, dims, table);
    // the table of a window of 12
    fails(spec, dims, Shape::Matrix(529, 2));
}

/// The index in a map, row by row.
fn at(dims: Dims, n: usize, c: usize, y: usize, x: usize) -> usize {
    ((n * dims.c + c) * dims.h + y) * dims.w + x
}

#[test]
fn merged_patches_lie_as_torchvision_puts_them() {
    for (h, w) in [(4, 6), (5, 3), (1, 1)] {
        let dims = Dims::new(2, 16, h, w);
        let mut case = Case {
            inputs: vec![(dims, random(dims.count(), 1))],
            params: vec![],
            run: &|pass, _, x, _| merge_patches(pass, &x[0]).unwrap(),
            training: true,
            only_inputs: false,
        };
        let (out, y) = case.output();
        assert_eq!(out, Dims::new(2, 64, h.div_ceil(2), w.div_ceil(2)));
        for (k, (dy, dx)) in [(0, 0), (1, 0), (0, 1), (1, 1)].into_iter().enumerate() {
            for i in 0..out.n * 16 * out.h * out.w {
                let (n, c) = (i / (16 * out.h * out.w), i / (out.h * out.w) % 16);
                let (row, column) = (i / out.w % out.h, i % out.w);
                let (from, to) = ((2 * row + dy, 2 * column + dx), at(out, n, 16 * k + c, row, column));
                let inside = from.0 < h && from.1 < w;
                let expected = if inside { case.inputs[0].1[at(dims, n, c, from.0, from.1)] } else { 0.0 };
                assert_eq!(y[to], expected);
            }
        }
        case.check_gradients(0.5, 1e-3, &format!("merged patches of {dims}"));
    }
}

#[test]
fn a_reframed_map_has_its_own_corner_and_zeros() {
    for (to, c) in [([7, 7], 20), ([3, 2], 20), ([2, 9], 33)] {
        let dims = Dims::new(2, c, 4, 5);
        let mut case = Case {
            inputs: vec![(dims, random(dims.count(), 1))],
            params: vec![],
            run: &|pass, _, x, _| reframe(pass, &x[0], to).unwrap(),
            training: true,
            only_inputs: false,
        };
        let (out, y) = case.output();
        assert_eq!(out, dims.with_size(to[0], to[1]));
        for i in 0..y.len() {
            let (n, c, row, column) = (i / (c * to[0] * to[1]), i / (to[0] * to[1]) % c, i / to[1] % to[0], i % to[1]);
            let inside = row < 4 && column < 5;
            assert_eq!(y[i], if inside { case.inputs[0].1[at(dims, n, c, row, column)] } else { 0.0 });
        }
        case.check_gradients(0.5, 1e-3, &format!("{dims} as {to:?}"));
    }
}
