//! Every operation of a device held against the CPU's: values, gradients of inputs and of parameters.
//!
//! The CPU's vectors are held against plain loops and differences in the tests; a device that agrees with them is right. The
//! shapes are odd on purpose: channels that fill no block, maps of one place, windows that reach beyond the map.

use dfdx::prelude::{Backward, Cpu, Gradients, PutTape, Tensor};
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::SeedableRng;

use super::error::{NnError, Result};
use super::init::Init;
use super::map::{Dims, FeatureMap, Flat};
use super::ops::cpu::with_vectors;
use super::ops::device;
use super::ops::{
    Activation, AdamStep, Backend, BatchNorm, ConvSpec, LayerNorm, NormSpec, Normalisation, PoolKind, PoolSpec,
    SgdStep, WindowSpec, activate, add, batch_norm, bf16_of, conv2d, f32_of, global_average, layer_norm, merge_patches,
    photos, pool2d, reframe, scale_channels, to_matrix, window_attention,
};
use super::param::{Builder, ParamId, Role, Shape, Store};
use super::pass::Pass;

/// How far an operation is from the CPU's.
#[derive(Clone, Debug, serde::Serialize)]
pub struct Check {
    /// The operation and its shape.
    pub name: String,
    /// Largest difference, as a share of the largest value.
    pub error: f64,
    /// What is allowed.
    pub limit: f64,
}

impl Check {
    /// Whether it is near enough.
    pub fn passed(&self) -> bool {
        self.error <= self.limit
    }
}

/// What a device may differ from the CPU by.
#[derive(Clone, Copy, Debug)]
pub struct Allowed {
    /// In convolutions.
    pub convolutions: f64,
    /// In anything else.
    pub others: f64,
    /// Whether maps are given in values that bf16 holds: a device that keeps them so must not see another side of a corner than
    /// the CPU.
    pub bf16_maps: bool,
}

impl Allowed {
    /// Everything but convolutions to f32's own rounding.
    pub fn of_convolutions(convolutions: f64) -> Allowed {
        Allowed { convolutions, others: 1e-5, bf16_maps: false }
    }

    /// Maps in bf16, which keeps eight bits.
    pub const BF16: Allowed = Allowed { convolutions: 1e-2, others: 1e-2, bf16_maps: true };
}

/// An operation.
#[derive(Clone, Copy, Debug)]
enum Work {
    Conv(ConvSpec, bool),
    /// Activation, residual, statistics of the batch.
    Norm(Activation, bool, bool),
    Activate(Activation),
    Add,
    Pool(PoolSpec),
    Average,
    Scale,
    /// Two users of one map, so that gradients add up.
    Twice(ConvSpec),
    /// Whether the map is added to what it gives, so that gradients add up.
    LayerNorm(bool),
    Attention(WindowSpec),
    Merge,
    Reframe([usize; 2]),
}

impl Work {
    fn inputs(self, dims: Dims) -> Vec<Dims> {
        match self {
            Work::Add | Work::Norm(_, true, _) => vec![dims; 2],
            Work::Scale => vec![dims, dims.with_size(1, 1)],
            _ => vec![dims],
        }
    }

    fn params(self, dims: Dims) -> Vec<Shape> {
        match self {
            Work::Conv(spec, bias) => {
                let mut shapes = vec![Shape::Conv(spec)];
                shapes.extend(bias.then_some(Shape::Channels(spec.out_channels)));
                shapes
            }
            Work::Norm(..) => vec![Shape::Channels(dims.c); 4],
            Work::Twice(spec) => vec![Shape::Conv(spec); 2],
            Work::LayerNorm(_) => vec![Shape::Channels(dims.c); 2],
            Work::Attention(spec) => vec![Shape::Matrix(spec.differences(), spec.heads)],
            _ => Vec::new(),
        }
    }

    fn run<D: Backend>(
        self,
        pass: &mut Pass<D>,
        store: &Store<D>,
        x: &[FeatureMap<D>],
        p: &[ParamId],
    ) -> Result<FeatureMap<D>> {
        match self {
            Work::Conv(spec, _) => conv2d(pass, store, &x[0], &spec, p[0], p.get(1).copied()),
            Work::Norm(activation, ..) => {
                let norm = BatchNorm { gain: p[0], bias: p[1], mean: p[2], variance: p[3], spec: NormSpec::TORCH };
                batch_norm(pass, store, &x[0], x.get(1), &norm, activation)
            }
            Work::Activate(activation) => activate(pass, &x[0], activation),
            Work::Add => add(pass, &x[0], &x[1]),
            Work::Pool(spec) => pool2d(pass, &x[0], &spec),
            Work::Average => global_average(pass, &x[0]),
            Work::Scale => scale_channels(pass, &x[0], &x[1]),
            Work::Twice(spec) => {
                let a = conv2d(pass, store, &x[0], &spec, p[0], None)?;
                let b = conv2d(pass, store, &x[0], &spec, p[1], None)?;
                let both = add(pass, &a, &b)?;
                activate(pass, &both, Activation::Silu)
            }
            Work::LayerNorm(is_added) => {
                let norm = LayerNorm { gain: p[0], bias: p[1], epsilon: 1e-5 };
                let y = layer_norm(pass, store, &x[0], &norm)?;
                if is_added { add(pass, &y, &x[0]) } else { Ok(y) }
            }
            Work::Attention(spec) => window_attention(pass, store, &x[0], &spec, p[0]),
            Work::Merge => merge_patches(pass, &x[0]),
            Work::Reframe(size) => reframe(pass, &x[0], size),
        }
    }

    fn is_conv(self) -> bool {
        matches!(self, Work::Conv(..) | Work::Twice(_))
    }
}

fn random(count: usize, seed: u64) -> Vec<f32> {
    Init::Normal(1.0).draw(count, &mut ChaCha8Rng::seed_from_u64(seed))
}

fn flat<D: Backend>(device: &D, values: Vec<f32>) -> Result<Flat<D>> {
    let length = values.len();
    device.try_tensor_from_vec(values, (length,)).map_err(|e| NnError::device("self-test", e))
}

/// Output and gradients in torchvision's order, on `device`.
fn outcome<D: Backend>(device: &D, work: Work, dims: Dims, bf16_maps: bool) -> Result<Vec<Vec<f32>>> {
    let kept = |value: f32| if bf16_maps { f32_of(bf16_of(value)) } else { value };
    let fail = |e: D::Err| NnError::device("self-test", e);
    let mut store = Store::new(device);
    let mut ids = Vec::new();
    for (i, shape) in work.params(dims).into_iter().enumerate() {
        let id = Builder::new(&mut store, 0).param(&format!("p{i}"), shape, Role::Weight, Init::Constant(0.0))?;
        let values = random(shape.count(), 100 + i as u64);
        // a variance is above zero
        let values = if i == 3 { values.into_iter().map(|v| v.abs() + 0.5).collect() } else { values };
        store.import(id, values)?;
        ids.push(id);
    }
    let of_batch = !matches!(work, Work::Norm(_, _, false));
    let mut pass = if of_batch { Pass::training(device) } else { Pass::traced_inference(device) };
    let mut inputs = Vec::new();
    for (i, dims) in work.inputs(dims).into_iter().enumerate() {
        let mut values = random(dims.count(), i as u64);
        if let Work::Activate(_) = work {
            // beyond the corners at 3 and 6 too
            values.iter_mut().for_each(|v| *v *= 4.0);
        }
        values.iter_mut().for_each(|v| *v = kept(*v));
        let values = flat(device, device.pack_map(dims, &values))?;
        inputs.push(FeatureMap::traced(values, dims));
    }
    let y = work.run(&mut pass, &store, &inputs, &ids)?;
    let mut results = vec![device.unpack_map(y.dims(), y.values()).map_err(fail)?];
    let gy: Vec<f32> = random(y.dims().count(), 77).into_iter().map(kept).collect();
    let gy = device.pack_map(y.dims(), &gy);
    if let Some(slot) = y.grad() {
        slot.set(flat(device, gy)?);
    }
    let end: Tensor<(), f32, D> = device.try_zeros_like(&()).map_err(fail)?;
    let mut gradients: Gradients<f32, D> = end.put_tape(pass.take_tape()).try_backward().map_err(fail)?;
    for x in &inputs {
        let gradient = x.grad().and_then(|slot| slot.take());
        let gradient = gradient.ok_or_else(|| NnError::device("self-test", "an input without a gradient"))?;
        results.push(device.unpack_map(x.dims(), &gradient).map_err(fail)?);
    }
    let trained = if matches!(work, Work::Norm(..)) { 2 } else { ids.len() };
    for id in &ids[..trained] {
        // the gradient of a sum is found under its tensor
        gradients.try_alloc_for(store.value(*id)).map_err(fail)?;
        let gradient = gradients.get(store.value(*id));
        results.push(device.unpack_param(&store.get(*id).shape, &gradient).map_err(fail)?);
    }
    for statistics in pass.into_statistics() {
        for (id, values) in [statistics.mean, statistics.variance] {
            results.push(device.unpack_param(&store.get(id).shape, &values).map_err(fail)?);
        }
    }
    Ok(results)
}

/// The largest difference as a share of the largest value; infinite where a value is no number.
fn difference(ours: &[f32], expected: &[f32]) -> f64 {
    if ours.len() != expected.len() {
        return f64::INFINITY;
    }
    let scale = expected.iter().fold(1e-6f64, |m, v| m.max(f64::from(v.abs())));
    let apart =
        |(a, b): (&f32, &f32)| if a.is_finite() && b.is_finite() { f64::from((a - b).abs()) } else { f64::INFINITY };
    ours.iter().zip(expected).map(apart).fold(0.0, f64::max) / scale
}

fn cases() -> Vec<(Work, Dims)> {
    use Activation::{Relu, Silu};
    let conv = ConvSpec::new;
    let pool = |kind, kernel, stride, padding| {
        Work::Pool(PoolSpec { kind, kernel: [kernel; 2], stride: [stride; 2], padding: [padding; 2] })
    };
    let mut cases = vec![
        (Work::Conv(conv(3, 20, 7).stride(2), false), Dims::new(2, 3, 23, 19)),
        (Work::Conv(conv(3, 32, 3).stride(2), false), Dims::new(1, 3, 16, 17)),
        (Work::Conv(conv(1, 16, 3), true), Dims::new(3, 1, 6, 5)),
        (Work::Conv(conv(40, 24, 1), false), Dims::new(3, 40, 5, 5)),
        (Work::Conv(conv(24, 72, 1), true), Dims::new(5, 24, 1, 1)),
        (Work::Conv(conv(64, 17, 1).stride(2), false), Dims::new(2, 64, 7, 9)),
        (Work::Conv(conv(33, 48, 3), true), Dims::new(2, 33, 14, 14)),
        (Work::Conv(conv(16, 16, 3).stride(2), false), Dims::new(2, 16, 15, 13)),
        (Work::Conv(conv(16, 16, 3).stride(2), false), Dims::new(1, 16, 1, 2)),
        (Work::Conv(ConvSpec { padding: [0, 2], ..conv(20, 20, 3) }, false), Dims::new(1, 20, 4, 3)),
        (Work::Conv(ConvSpec { dilation: [2, 3], padding: [2, 3], ..conv(16, 16, 3) }, false), Dims::new(1, 16, 8, 9)),
        (Work::Conv(ConvSpec { kernel: [1, 3], padding: [0, 1], ..conv(16, 20, 3) }, false), Dims::new(1, 16, 8, 9)),
        (Work::Conv(conv(32, 64, 3).groups(2), false), Dims::new(2, 32, 6, 6)),
        (Work::Conv(conv(12, 8, 3).groups(4).stride(2), true), Dims::new(2, 12, 6, 5)),
        (Work::Conv(conv(20, 20, 3).groups(20), false), Dims::new(2, 20, 9, 8)),
        (Work::Conv(conv(130, 130, 3).groups(130).stride(2), false), Dims::new(3, 130, 9, 14)),
        (Work::Conv(conv(21, 21, 5).groups(21), false), Dims::new(2, 21, 6, 7)),
        (Work::Conv(conv(24, 24, 5).groups(24).stride(2), true), Dims::new(2, 24, 9, 14)),
        (Work::Conv(conv(32, 32, 7).groups(32).stride(2), false), Dims::new(1, 32, 6, 6)),
        (Work::Conv(conv(8, 8, 7).groups(8), false), Dims::new(1, 8, 9, 5)),
        (Work::Conv(conv(32, 32, 3).groups(32).stride(2), false), Dims::new(1, 32, 1, 1)),
        (Work::Conv(ConvSpec { dilation: [2, 2], ..conv(8, 8, 3).groups(8) }, false), Dims::new(1, 8, 7, 7)),
        (Work::Conv(ConvSpec { padding: [0, 0], ..conv(8, 8, 5).groups(8) }, false), Dims::new(2, 8, 7, 6)),
        (Work::Twice(conv(16, 16, 3).stride(2)), Dims::new(2, 16, 6, 7)),
        (Work::Twice(conv(16, 16, 3).groups(16)), Dims::new(2, 16, 6, 7)),
        (Work::Twice(conv(16, 16, 5).groups(16).stride(2)), Dims::new(2, 16, 6, 7)),
        (Work::Twice(conv(16, 16, 3).groups(2)), Dims::new(2, 16, 6, 7)),
        (pool(PoolKind::Max, 3, 2, 1), Dims::new(2, 18, 9, 7)),
        (pool(PoolKind::Max, 2, 2, 0), Dims::new(1, 20, 4, 6)),
        (pool(PoolKind::Average, 3, 2, 1), Dims::new(2, 18, 5, 7)),
        (pool(PoolKind::Average, 3, 1, 1), Dims::new(1, 4, 1, 3)),
        (Work::Average, Dims::new(2, 19, 3, 5)),
        (Work::Average, Dims::new(3, 132, 7, 7)),
        (Work::Scale, Dims::new(2, 19, 3, 5)),
        (Work::Scale, Dims::new(3, 140, 7, 6)),
        (Work::Add, Dims::new(2, 17, 3, 3)),
        (Work::LayerNorm(false), Dims::new(2, 21, 3, 5)),
        (Work::LayerNorm(true), Dims::new(3, 96, 9, 7)),
        (Work::LayerNorm(true), Dims::new(1, 4, 1, 1)),
        (Work::Attention(WindowSpec { heads: 3, window: 7, shift: 3 }), Dims::new(2, 288, 14, 21)),
        (Work::Attention(WindowSpec { heads: 2, window: 7, shift: 3 }), Dims::new(1, 96, 7, 14)),
        (Work::Attention(WindowSpec { heads: 1, window: 4, shift: 0 }), Dims::new(3, 96, 8, 4)),
        (Work::Attention(WindowSpec { heads: 2, window: 1, shift: 0 }), Dims::new(1, 96, 2, 3)),
        (Work::Merge, Dims::new(2, 16, 5, 4)),
        (Work::Merge, Dims::new(1, 32, 1, 1)),
        (Work::Reframe([7, 7]), Dims::new(2, 21, 3, 5)),
        (Work::Reframe([2, 9]), Dims::new(2, 16, 3, 5)),
    ];
    for activation in Activation::ALL {
        cases.push((Work::Activate(activation), Dims::new(2, 17, 3, 3)));
        cases.push((Work::Activate(activation), Dims::new(2, 16, 3, 3)));
        for (residual, of_batch) in [(false, true), (true, true), (false, false), (true, false)] {
            cases.push((Work::Norm(activation, residual, of_batch), Dims::new(2, 20, 3, 5)));
        }
    }
    cases.push((Work::Norm(Silu, true, true), Dims::new(3, 5, 1, 1)));
    cases.push((Work::Norm(Relu, false, true), Dims::new(4, 150, 13, 11)));
    cases
}

/// Holds every operation of `device` against the CPU's.
///
/// # Errors
/// When a device fails altogether.
pub fn run<D: Backend>(device: &D, allowed: Allowed) -> Result<Vec<Check>> {
    let mut checks = Vec::new();
    for (work, dims) in cases() {
        let limit = if work.is_conv() { allowed.convolutions } else { allowed.others };
        let ours = outcome(device, work, dims, allowed.bf16_maps)?;
        let expected = with_vectors(|| outcome(&Cpu::default(), work, dims, allowed.bf16_maps))?;
        let error = ours.iter().zip(&expected).map(|(a, b)| difference(a, b)).fold(0.0, f64::max);
        let error = if ours.len() == expected.len() { error } else { f64::INFINITY };
        checks.push(Check { name: format!("{work:?} on {dims}"), error, limit });
    }
    let (ours, expected) = (others(device)?, with_vectors(|| others(&Cpu::default()))?);
    for ((name, ours), (_, expected)) in ours.iter().zip(&expected) {
        checks.push(Check { name: (*name).to_owned(), error: difference(ours, expected), limit: allowed.others });
    }
    checks.extend(distances().transpose()?);
    Ok(checks)
}

/// What is no operation on the tape: photos, rows, running statistics, optimisers.
fn others<D: Backend>(device: &D) -> Result<Vec<(&'static str, Vec<f32>)>> {
    let fail = |e: D::Err| NnError::device("self-test", e);
    let mut results = Vec::new();
    let mut pass = Pass::inference(device);
    let by = Normalisation { mean: [0.5, 0.4, 0.3], deviation: [0.5, 0.25, 0.2] };
    let bytes: Vec<u8> = (0..2 * 5 * 5 * 3).map(|i| (i * 37 % 256) as u8).collect();
    let x = photos(&mut pass, 2, 5, &bytes, &by)?;
    results.push(("photos", device.unpack_map(x.dims(), x.values()).map_err(fail)?));

    let dims = Dims::new(3, 21, 1, 1);
    let mut pass = Pass::training(device);
    let x = FeatureMap::traced(flat(device, device.pack_map(dims, &random(dims.count(), 1)))?, dims);
    let rows = to_matrix(&mut pass, &x)?;
    results.push(("rows", device.read(&rows).map_err(fail)?));

    let shape = Shape::Channels(37);
    let packed = |seed| flat(device, device.pack_param(&shape, random(37, seed)));
    let unpacked = |values: &Flat<D>| device.unpack_param(&shape, values).map_err(fail);
    let mut running = packed(1)?;
    device.blend(&mut running, &packed(2)?, 0.1).map_err(fail)?;
    results.push(("running statistics", unpacked(&running)?));

    let mut gradients = Gradients::leaky();
    let of = packed(3)?;
    let gradient = gradients.get_or_alloc_mut(&of).map_err(fail)?;
    device.add_to_gradient(&packed(4)?, gradient).map_err(fail)?;
    device.add_to_gradient(&packed(5)?, gradient).map_err(fail)?;
    let mut sums = D::Squares::default();
    device.add_squares(gradient, &mut sums).map_err(fail)?;
    device.add_squares(gradient, &mut sums).map_err(fail)?;
    results.push(("squares", vec![device.total_of_squares(sums).map_err(fail)? as f32]));
    let zeros = || flat(device, device.pack_param(&shape, vec![0.0; 37]));
    let (mut weight, mut first, mut second) = (packed(6)?, zeros()?, zeros()?);
    for step in 1..4 {
        let step = AdamStep {
            lr: 0.1,
            beta1: 0.9,
            beta2: 0.999,
            epsilon: 1e-8,
            weight_decay: 0.01,
            gradient_scale: 0.7,
            step,
        };
        device.adam(&mut weight, gradient, &mut first, &mut second, step).map_err(fail)?;
    }
    results.push(("AdamW", unpacked(&weight)?));
    let (mut weight, mut velocity) = (packed(7)?, zeros()?);
    for _ in 0..3 {
        let step = SgdStep { lr: 0.1, momentum: 0.9, weight_decay: 0.01, gradient_scale: 0.7 };
        device.sgd(&mut weight, gradient, &mut velocity, step).map_err(fail)?;
    }
    results.push(("SGD", unpacked(&weight)?));
    Ok(results)
}

/// Distances on the card that is open, in tiles that do not fit, held against plain sums; none without a card.
fn distances() -> Option<Result<Check>> {
    const WIDTH: usize = 21;
    let (queries, rows) = (random(5 * WIDTH, 1), random(37 * WIDTH, 2));
    let found = device::distances_in_tiles(&queries, &rows, WIDTH, 16)?;
    let apart = |(a, b): (&f32, &f32)| (f64::from(*a) - f64::from(*b)).powi(2);
    let distance = |q: &[f32], r: &[f32]| q.iter().zip(r).map(apart).sum::<f64>().sqrt();
    let expected = queries.chunks_exact(WIDTH).flat_map(|q| rows.chunks_exact(WIDTH).map(move |r| distance(q, r)));
    let error = |found: Vec<f64>| {
        let apart = |(a, b): (&f64, f64)| if a.is_finite() { (a - b).abs() } else { f64::INFINITY };
        let known = if found.len() == 5 * 37 { 0.0 } else { f64::INFINITY };
        Check {
            name: "distances".into(),
            error: found.iter().zip(expected).map(apart).fold(known, f64::max),
            limit: 1e-12,
        }
    };
    Some(found.map(error))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_cpu_agrees_with_itself() {
        let checks = with_vectors(|| run(&Cpu::default(), Allowed::of_convolutions(0.0))).unwrap();
        assert!(checks.len() > 50);
        for check in checks {
            assert!(check.error == 0.0, "{check:?}");
        }
        for check in run(&Cpu::default(), Allowed::of_convolutions(2e-5)).unwrap() {
            assert!(check.passed(), "{check:?}");
        }
    }
}
