//! Every operation against plain loops in f64 and against central differences, on every way of the CPU.

use dfdx::prelude::{Backward, Cpu, Gradients, PutTape, SumTo, Tensor, TensorFromVec, ZerosTensor};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

use super::cpu::plan::tests::each_way;
use super::*;
use crate::nn::init::Init;
use crate::nn::map::FeatureMap;
use crate::nn::param::{Builder, ParamId, Role, Store};
use crate::nn::pass::Pass;

pub(super) fn random(count: usize, seed: u64) -> Vec<f32> {
    Init::Normal(1.0).draw(count, &mut ChaCha8Rng::seed_from_u64(seed))
}

pub(super) fn flat(values: Vec<f32>) -> Flat<Cpu> {
    let length = values.len();
    Cpu::default().tensor_from_vec(values, (length,))
}

pub(super) fn map(dims: Dims, values: &[f32]) -> FeatureMap<Cpu> {
    FeatureMap::traced(flat(Cpu::default().pack_map(dims, values)), dims)
}

/// An operation under test: its inputs, its parameters, and what it does.
pub(super) struct Case<'a> {
    pub(super) inputs: Vec<(Dims, Vec<f32>)>,
    pub(super) params: Vec<(Shape, Vec<f32>)>,
    pub(super) run: &'a dyn Fn(&mut Pass<Cpu>, &Store<Cpu>, &[FeatureMap<Cpu>], &[ParamId]) -> FeatureMap<Cpu>,
    pub(super) training: bool,
    /// Leaves the parameters out of [`Case::check_gradients`].
    pub(super) only_inputs: bool,
}

/// Output, gradients of the inputs and of the parameters, all in torchvision's order.
pub(super) struct Outcome {
    pub(super) y: Vec<f32>,
    pub(super) inputs: Vec<Vec<f32>>,
    pub(super) params: Vec<Vec<f32>>,
}

impl Case<'_> {
    fn store(&self) -> (Store<Cpu>, Vec<ParamId>) {
        let mut store = Store::new(&Cpu::default());
        let mut builder = Builder::new(&mut store, 0);
        let ids: Vec<_> = (0..self.params.len())
            .map(|i| builder.param(&format!("p{i}"), self.params[i].0, Role::Weight, Init::Constant(0.0)).unwrap())
            .collect();
        for (id, (_, values)) in ids.iter().zip(&self.params) {
            store.import(*id, values.clone()).unwrap();
            assert_eq!(&store.export(*id).unwrap(), values);
        }
        (store, ids)
    }

    fn forward(&self) -> (Pass<Cpu>, Store<Cpu>, Vec<ParamId>, Vec<FeatureMap<Cpu>>, FeatureMap<Cpu>) {
        let (store, ids) = self.store();
        let device = Cpu::default();
        let mut pass = if self.training { Pass::training(&device) } else { Pass::traced_inference(&device) };
        let inputs: Vec<_> = self.inputs.iter().map(|(dims, values)| map(*dims, values)).collect();
        let y = (self.run)(&mut pass, &store, &inputs, &ids);
        (pass, store, ids, inputs, y)
    }

    pub(super) fn output(&self) -> (Dims, Vec<f32>) {
        let (.., y) = self.forward();
        (y.dims(), Cpu::default().unpack_map(y.dims(), y.values()).unwrap())
    }

    /// The output as the device has it, with its padding.
    pub(super) fn raw(&self) -> Vec<f32> {
        self.forward().4.values().as_vec()
    }

    /// Everything, for the output's gradient `gy`.
    pub(super) fn outcome(&self, gy: &[f32]) -> Outcome {
        let device = Cpu::default();
        let (mut pass, store, ids, inputs, y) = self.forward();
        let dims = y.dims();
        let packed = device.pack_map(dims, gy);
        y.grad().unwrap().set(flat(packed));
        let end: Tensor<(), f32, Cpu> = device.zeros();
        let mut gradients: Gradients<f32, Cpu> = end.put_tape(pass.take_tape()).backward();
        let of_input = |x: &FeatureMap<Cpu>| {
            let gradient = x.grad().unwrap().take().expect("a gradient");
            device.unpack_map(x.dims(), &gradient).unwrap()
        };
        let params = ids
            .iter()
            .map(|id| {
                let gradient = gradients.get_or_alloc_mut(store.value(*id)).unwrap().to_vec();
                device.unpack_param(&store.get(*id).shape, &flat(gradient)).unwrap()
            })
            .collect();
        Outcome {
            y: device.unpack_map(dims, y.values()).unwrap(),
            inputs: inputs.iter().map(of_input).collect(),
            params,
        }
    }

    /// Holds the gradients against central differences of `sum(y * weight)` at every value, with step `h`.
    pub(super) fn check_gradients(&mut self, h: f32, tolerance: f64, way: &str) {
        let (dims, _) = self.output();
        let gy = random(dims.count(), 77);
        let outcome = self.outcome(&gy);
        let loss =
            |case: &Self| -> f64 { case.output().1.iter().zip(&gy).map(|(y, g)| f64::from(*y) * f64::from(*g)).sum() };
        let compare = |case: &mut Self, place: &dyn Fn(&mut Self) -> &mut f32, given: f32, what: String| {
            let old = *place(case);
            *place(case) = old + h;
            let above = loss(case);
            *place(case) = old - h;
            let below = loss(case);
            *place(case) = old;
            let expected = (above - below) / (2.0 * f64::from(h));
            let error = (f64::from(given) - expected).abs();
            assert!(error < tolerance * (1.0 + expected.abs()), "{way}: {what}: {given} instead of {expected}");
        };
        for input in 0..self.inputs.len() {
            for i in (0..self.inputs[input].1.len()).step_by(self.inputs[input].1.len() / 60 + 1) {
                let given = outcome.inputs[input][i];
                compare(self, &move |c| &mut c.inputs[input].1[i], given, format!("input {input}, value {i}"));
            }
        }
        let params = if self.only_inputs { 0 } else { self.params.len() };
        for param in 0..params {
            for i in (0..self.params[param].1.len()).step_by(self.params[param].1.len() / 60 + 1) {
                let given = outcome.params[param][i];
                compare(self, &move |c| &mut c.params[param].1[i], given, format!("parameter {param}, value {i}"));
            }
        }
    }
}

pub(super) fn close(ours: &[f32], expected: &[f64], tolerance: f64, what: &str) {
    assert_eq!(ours.len(), expected.len(), "{what}");
    let scale = expected.iter().fold(1.0f64, |m, v| m.max(v.abs()));
    for (i, (a, b)) in ours.iter().zip(expected).enumerate() {
        assert!((f64::from(*a) - b).abs() < tolerance * scale, "{what}, value {i}: {a} instead of {b}");
    }
}

#[test]
fn gradients_add_up_where_a_map_is_used_twice() {
    let spec = ConvSpec::new(16, 16, 3).stride(2);
    let (dims, shape) = (Dims::new(2, 16, 6, 7), Shape::Conv(ConvSpec::new(16, 16, 3).stride(2)));
    each_way(|way| {
        let mut case = Case {
            inputs: vec![(dims, random(dims.count(), 1))],
            params: vec![(shape, random(shape.count(), 2)), (shape, random(shape.count(), 3))],
            run: &|pass, store, x, p| {
                let a = conv2d(pass, store, &x[0], &spec, p[0], None).unwrap();
                let b = conv2d(pass, store, &x[0], &spec, p[1], None).unwrap();
                add(pass, &a, &b).unwrap()
            },
            training: true,
            only_inputs: false,
        };
        case.check_gradients(0.05, 2e-3, way);
    });
}

fn norm_case(dims: Dims, activation: Activation, residual: bool, training: bool, offset: f32) {
    let c = dims.c;
    let mut inputs = vec![(dims, random(dims.count(), 1).into_iter().map(|v| v + offset).collect())];
    if residual {
        inputs.push((dims, random(dims.count(), 2)));
    }
    let positive = |seed| random(c, seed).into_iter().map(|v| v.abs() + 0.5).collect();
    let channels = Shape::Channels(c);
    let params =
        vec![(channels, positive(3)), (channels, random(c, 4)), (channels, random(c, 5)), (channels, positive(6))];
    let case = Case {
        inputs,
        params: params.clone(),
        run: &|pass, store, x, p| {
            let norm = BatchNorm { gain: p[0], bias: p[1], mean: p[2], variance: p[3], spec: NormSpec::TORCH };
            batch_norm(pass, store, &x[0], x.get(1), &norm, activation).unwrap()
        },
        training,
        only_inputs: false,
    };
    // the naive output
    let (_, y) = case.output();
    let (x, places) = (case.inputs[0].1.clone(), dims.h * dims.w);
    let channel = |i: usize| i / places % c;
    let mut expected = vec![0.0f64; y.len()];
    for ch in 0..c {
        let values: Vec<f64> =
            x.iter().enumerate().filter(|(i, _)| channel(*i) == ch).map(|(_, v)| f64::from(*v)).collect();
        let count = values.len() as f64;
        let (mut mean, mut variance) = (f64::from(params[2].1[ch]), f64::from(params[3].1[ch]));
        if training {
            mean = values.iter().sum::<f64>() / count;
            variance = values.iter().map(|v| (v - mean).powi(2)).sum::<f64>() / count;
        }
        for i in (0..y.len()).filter(|i| channel(*i) == ch) {
            let mut v = (f64::from(x[i]) - mean) / (variance + 1e-5).sqrt() * f64::from(params[0].1[ch])
                + f64::from(params[1].1[ch]);
            if residual {
                v += f64::from(case.inputs[1].1[i]);
            }
            let s = 1.0 / (1.0 + (-v).exp());
            expected[i] = match activation {
                Activation::Identity => v,
                Activation::Relu => v.max(0.0),
                Activation::Silu => v * s,
                Activation::Sigmoid => s,
                Activation::Relu6 => v.clamp(0.0, 6.0),
                Activation::Hardswish => v * (v + 3.0).clamp(0.0, 6.0) / 6.0,
                Activation::Hardsigmoid => (v + 3.0).clamp(0.0, 6.0) / 6.0,
                Activation::Gelu => v * super::token_tests::normal_sum(v),
            };
        }
    }
    let what = format!("batch norm of {dims}, {activation:?}, residual {residual}, training {training}");
    // far from zero the input itself is no more exact
    close(&y, &expected, if offset == 0.0 { 1e-5 } else { 1e-3 }, &what);
}

#[test]
fn batch_norm_agrees_with_plain_loops() {
    use Activation::Identity;
    for activation in Activation::ALL {
        for residual in [false, true] {
            norm_case(Dims::new(2, 20, 3, 5), activation, residual, true, 0.0);
            norm_case(Dims::new(1, 16, 2, 1), activation, residual, true, 0.0);
            norm_case(Dims::new(3, 5, 1, 1), activation, residual, true, 0.0);
            norm_case(Dims::new(2, 33, 4, 4), activation, residual, false, 0.0);
        }
    }
    // the mean far from zero: sums of squares alone would lose the variance
    norm_case(Dims::new(4, 16, 8, 8), Identity, false, true, 3000.0);
}

#[test]
fn batch_norm_gradients_agree_with_differences() {
    for (activation, residual, training) in [
        (Activation::Identity, false, true),
        (Activation::Silu, true, true),
        (Activation::Sigmoid, false, true),
        (Activation::Silu, false, false),
        (Activation::Relu, true, false),
    ] {
        let (dims, c) = (Dims::new(3, 18, 3, 2), 18);
        let channels = Shape::Channels(c);
        // far enough from a rectifier's corner for the step
        let away = |v: f32| if v.abs() < 0.2 { v + 0.5 } else { v };
        let mut inputs = vec![(dims, random(dims.count(), 1))];
        if residual {
            inputs.push((dims, random(dims.count(), 2).into_iter().map(|v| 4.0 * away(v).signum() + v).collect()));
        }
        let mut case = Case {
            inputs,
            params: vec![(channels, vec![0.7; c]), (channels, random(c, 4))],
            run: &|pass, store, x, p| {
                // gain and bias stand in as running statistics outside training: their differences mean nothing then
                let norm = BatchNorm { gain: p[0], bias: p[1], mean: p[1], variance: p[0], spec: NormSpec::TORCH };
                batch_norm(pass, store, &x[0], x.get(1), &norm, activation).unwrap()
            },
            training,
            only_inputs: !training,
        };
        case.check_gradients(0.01, 1e-2, &format!("{activation:?}, training {training}"));
    }
}

#[test]
fn a_batch_of_one_value_is_an_error() {
    let dims = Dims::new(1, 16, 1, 1);
    let device = Cpu::default();
    let mut store = Store::new(&device);
    let mut builder = Builder::new(&mut store, 0);
    let mut add = |name: &str| builder.param(name, Shape::Channels(16), Role::Gain, Init::Constant(1.0)).unwrap();
    let norm = BatchNorm { gain: add("a"), bias: add("b"), mean: add("c"), variance: add("d"), spec: NormSpec::TORCH };
    let x = map(dims, &random(16, 1));
    let result = batch_norm(&mut Pass::training(&device), &store, &x, None, &norm, Activation::Relu);
    assert!(result.err().unwrap().to_string().contains("more photos"));
    assert!(batch_norm(&mut Pass::inference(&device), &store, &x, None, &norm, Activation::Relu).is_ok());
}

#[test]
fn activations_agree_with_differences() {
    let dims = Dims::new(2, 17, 3, 3);
    // no value within a step of a corner: those of all activations
    let apart = |v: f32| [-3.0, 0.0, 3.0, 6.0].iter().all(|corner| (v - corner).abs() > 0.05);
    for activation in Activation::ALL {
        let away = random(dims.count(), 5).into_iter().map(|v| 4.0 * v).map(|v| if apart(v) { v } else { v + 0.2 });
        let mut case = Case {
            inputs: vec![(dims, away.collect())],
            params: vec![],
            run: &|pass, _, x, _| activate(pass, &x[0], activation).unwrap(),
            training: true,
            only_inputs: false,
        };
        case.check_gradients(0.02, 2e-3, &format!("{activation:?}"));
    }
}

#[test]
fn padding_stays_zero_through_sigmoids_and_a_convolution() {
    // of 0 both give a half: in the padding it would give the next convolution's padding a gradient
    let dims = Dims::new(2, 5, 3, 3);
    let spec = ConvSpec::new(5, 7, 3);
    let shape = Shape::Conv(spec);
    for activation in [Activation::Sigmoid, Activation::Hardsigmoid] {
        let mut case = Case {
            inputs: vec![(dims, random(dims.count(), 1))],
            params: vec![(shape, random(shape.count(), 2))],
            run: &|pass, store, x, p| {
                let a = activate(pass, &x[0], activation).unwrap();
                conv2d(pass, store, &a, &spec, p[0], None).unwrap()
            },
            training: true,
            only_inputs: false,
        };
        case.check_gradients(0.02, 5e-3, &format!("{activation:?} then convolution"));
        let (pass, _, _, inputs, _) = case.forward();
        let y = activate(&mut Pass::inference(pass.device()), &inputs[0], activation).unwrap();
        assert_eq!(y.values().as_vec().iter().filter(|&&v| v != 0.0).count(), dims.count());
    }
}

#[test]
fn pooling_agrees_with_torch_and_differences() {
    // torch: max_pool2d(arange(25) % 7, 3, 2, 1), and 9 times avg_pool2d of the same
    let dims = Dims::new(1, 16, 5, 5);
    let plane: Vec<f32> = (0..25).map(|i| (i % 7) as f32).collect();
    let x: Vec<f32> = (0..16).flat_map(|_| plane.clone()).collect();
    let spec = |kind| PoolSpec { kind, kernel: [3, 3], stride: [2, 2], padding: [1, 1] };
    let out = |kind| {
        let case = Case {
            inputs: vec![(dims, x.clone())],
            params: vec![],
            run: &|pass, _, x, _| pool2d(pass, &x[0], &spec(kind)).unwrap(),
            training: true,
            only_inputs: false,
        };
        case.output().1[..9].to_vec()
    };
    assert_eq!(out(PoolKind::Max), [6.0, 6.0, 4.0, 6.0, 6.0, 6.0, 6.0, 4.0, 5.0]);
    let ninths = [12.0, 13.0, 10.0, 21.0, 31.0, 18.0, 9.0, 12.0, 14.0];
    close(&out(PoolKind::Average), &ninths.map(|v| v / 9.0), 1e-6, "average");
    for (kind, n) in [(PoolKind::Max, 1), (PoolKind::Average, 2)] {
        for (h, w) in [(5, 7), (4, 4), (1, 3)] {
            let dims = Dims::new(n, 18, h, w);
            // distinct values: the derivative of a maximum is not defined at ties
            let mut values: Vec<f32> = (0..dims.count()).map(|i| i as f32 * 0.37).collect();
            let mut rng = ChaCha8Rng::seed_from_u64(3);
            (1..values.len()).rev().for_each(|i| values.swap(i, rng.random_range(0..=i)));
            let mut case = Case {
                inputs: vec![(dims, values)],
                params: vec![],
                run: &|pass, _, x, _| pool2d(pass, &x[0], &spec(kind)).unwrap(),
                training: true,
                only_inputs: false,
            };
            case.check_gradients(0.05, 5e-3, &format!("{kind:?} of {dims}"));
        }
    }
}

#[test]
fn of_equal_values_the_first_takes_the_gradient() {
    let dims = Dims::new(1, 16, 2, 2);
    let spec = PoolSpec { kind: PoolKind::Max, kernel: [2, 2], stride: [2, 2], padding: [0, 0] };
    let case = Case {
        inputs: vec![(dims, vec![1.0; 64])],
        params: vec![],
        run: &|pass, _, x, _| pool2d(pass, &x[0], &spec).unwrap(),
        training: true,
        only_inputs: false,
    };
    assert_eq!(case.outcome(&[1.0; 16]).inputs[0][..4], [1.0, 0.0, 0.0, 0.0]);
}

#[test]
fn global_average_and_scaling_agree_with_differences() {
    let dims = Dims::new(2, 19, 3, 5);
    let mut case = Case {
        inputs: vec![(dims, random(dims.count(), 1))],
        params: vec![],
        run: &|pass, _, x, _| {
            let pooled = global_average(pass, &x[0]).unwrap();
            scale_channels(pass, &x[0], &pooled).unwrap()
        },
        training: true,
        only_inputs: false,
    };
    case.check_gradients(0.02, 2e-3, "x times its mean");
}

#[test]
fn scaling_agrees_with_differences_for_photos_too() {
    for channels in [2, 19] {
        let dims = Dims::new(2, channels, 3, 5);
        let scales = dims.with_size(1, 1);
        let mut case = Case {
            inputs: vec![(dims, random(dims.count(), 1)), (scales, random(scales.count(), 2))],
            params: vec![],
            run: &|pass, _, x, _| scale_channels(pass, &x[0], &x[1]).unwrap(),
            training: true,
            only_inputs: false,
        };
        let (places, (_, y)) = (dims.h * dims.w, case.output());
        for (i, value) in y.iter().enumerate() {
            assert_eq!(*value, case.inputs[0].1[i] * case.inputs[1].1[i / places], "{channels} channels, value {i}");
        }
        case.check_gradients(0.02, 2e-3, "x times a scale");
    }
}

#[test]
fn the_way_out_to_a_matrix_and_back_keeps_order() {
    let dims = Dims::new(3, 21, 1, 1);
    let values = random(dims.count(), 1);
    let device = Cpu::default();
    let x = map(dims, &values);
    let mut pass = Pass::training(&device);
    let rows = to_matrix(&mut pass, &x).unwrap();
    assert_eq!(rows.as_vec(), values);
    let weights: Tensor<(usize, usize), f32, Cpu> = device.tensor_from_vec(random(dims.count(), 2), (3, 21));
    let loss = (rows * weights.clone()).sum::<(), _>();
    loss.backward();
    assert_eq!(device.unpack_map(dims, &x.grad().unwrap().take().unwrap()).unwrap(), weights.as_vec());
}

#[test]
fn photos_are_normalised_as_torchvision_does() {
    let device = Cpu::default();
    let mut pass = Pass::inference(&device);
    for by in [Normalisation::IMAGENET, Normalisation { mean: [0.5, 0.4, 0.3], deviation: [0.5, 0.25, 0.2] }] {
        let x = photos(&mut pass, 1, 2, &[0, 128, 255, 10, 20, 30, 40, 50, 60, 70, 80, 90], &by).unwrap();
        let values = device.unpack_map(x.dims(), x.values()).unwrap();
        let expected = |byte: f64, c: usize| (byte / 255.0 - f64::from(by.mean[c])) / f64::from(by.deviation[c]);
        let bytes = [[0.0, 10.0, 40.0, 70.0], [128.0, 20.0, 50.0, 80.0], [255.0, 30.0, 60.0, 90.0]];
        let all: Vec<f64> = (0..3).flat_map(|c| bytes[c].map(|b| expected(b, c))).collect();
        close(&values, &all, 1e-6, "photos");
    }
    assert!(photos(&mut pass, 1, 2, &[0; 11], &Normalisation::IMAGENET).is_err());
}

#[test]
fn optimiser_steps_agree_with_torch() {
    // torch.optim.AdamW(lr=0.1, betas=(0.9, 0.999), eps=1e-8, weight_decay=0.01), weights 1 and -2, gradients 0.5 and 3
    // then -1 and 3; SGD with momentum 0.9 on the same gradients without decay
    let device = Cpu::default();
    let gradient = |values: [f32; 2]| {
        let mut gradients = Gradients::leaky();
        let t = flat(values.to_vec());
        let mut g = gradients.get_or_alloc_mut(&t).unwrap().clone();
        g.copy_from_slice(&values);
        g
    };
    let mut weight = flat(vec![1.0, -2.0]);
    let (mut first, mut second) = (flat(vec![0.0; 2]), flat(vec![0.0; 2]));
    let mut step =
        AdamStep { lr: 0.1, beta1: 0.9, beta2: 0.999, epsilon: 1e-8, weight_decay: 0.01, gradient_scale: 1.0, step: 1 };
    device.adam(&mut weight, &gradient([0.5, 3.0]), &mut first, &mut second, step).unwrap();
    close(&weight.as_vec(), &[0.899, -2.098], 1e-6, "first step");
    step.step = 2;
    device.adam(&mut weight, &gradient([-1.0, 3.0]), &mut first, &mut second, step).unwrap();
    close(&weight.as_vec(), &[0.934_711_4, -2.195_902], 1e-6, "second step");
    let (mut weight, mut velocity) = (flat(vec![1.0, -2.0]), flat(vec![0.0; 2]));
    let step = SgdStep { lr: 0.1, momentum: 0.9, weight_decay: 0.0, gradient_scale: 2.0 };
    device.sgd(&mut weight, &gradient([0.25, 1.5]), &mut velocity, step).unwrap();
    device.sgd(&mut weight, &gradient([-0.5, 1.5]), &mut velocity, step).unwrap();
    close(&weight.as_vec(), &[1.005, -2.87], 1e-6, "momentum");
    let mut sums = 11.0;
    device.add_squares(&gradient([3.0, 4.0]), &mut sums).unwrap();
    assert!((device.total_of_squares(sums).unwrap() - 36.0).abs() < 1e-9);
}
