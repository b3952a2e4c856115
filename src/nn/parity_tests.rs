//! Whole networks against torchvision's: features in evaluation and in training, every parameter's gradient, and what
//! a training pass leaves in the running statistics.
//!
//! `fixtures/backbones/make.py` made the expected values and documents the formula of weights and photos, which
//! [`noise`] and [`value`] repeat. PyTorch's float64 is the truth; its float32 tells how exact float32 can be.

use dfdx::prelude::{Backward, Cpu, Gradients, SumTo, Tensor, TensorFromVec};
use serde::Deserialize;

use super::backbone::Backbone;
use super::ops::{Layout, photos, to_matrix};
use super::param::{Builder, ParamId, Role, Store};
use super::pass::{Freeze, Pass};

#[derive(Deserialize)]
struct Golden {
    photos: String,
    side: usize,
    batch: usize,
    features: Vec<Digest>,
    gradients: Vec<Digest>,
    running: Vec<Digest>,
}

/// What the file tells of a tensor.
#[derive(Deserialize)]
struct Digest {
    name: String,
    norm: f64,
    projections: Vec<f64>,
    values: Vec<f64>,
    /// How far PyTorch's float32 is from its float64, as a share of the norm.
    float32: f64,
}

impl Digest {
    /// How far `ours` is from the float64 tensor, as a share of its norm: the larger of what the projections and what
    /// the single values say.
    fn distance(&self, ours: &[f32]) -> f64 {
        let mut differences = self.projections.iter().map(|p| -p).collect::<Vec<_>>();
        for (value, x) in ours.iter().zip(words(&self.name)) {
            for (k, difference) in differences.iter_mut().enumerate() {
                let value = f64::from(*value);
                *difference += if x >> (24 + k) & 1 == 1 { -value } else { value };
            }
        }
        let squares = differences.iter().map(|d| d * d).sum::<f64>();
        let projected = (squares / differences.len() as f64).sqrt();
        let single = (0..self.values.len()).map(|i| {
            let at = i * ours.len() / self.values.len();
            (f64::from(ours[at]) - self.values[i]).abs()
        });
        single.fold(projected, f64::max) / self.norm
    }
}

/// The words that a name stands for.
fn words(name: &str) -> impl Iterator<Item = u32> {
    let seed = name.bytes().fold(0x811c_9dc5_u32, |h, b| (h ^ u32::from(b)).wrapping_mul(0x0100_0193));
    (0_u32..).map(move |index| {
        let mut x = seed.wrapping_add(index.wrapping_mul(0x9e37_79b9));
        x = (x ^ (x >> 16)).wrapping_mul(0x7feb_352d);
        x = (x ^ (x >> 15)).wrapping_mul(0x846c_a68b);
        x ^ (x >> 16)
    })
}

/// Multiples of 2^-23 in [-1, 1).
fn noise(name: &str) -> impl Iterator<Item = f64> {
    words(name).map(|x| f64::from(x >> 8) / f64::from(1 << 23) - 1.0)
}

/// The values of the parameter `name`.
fn value(name: &str, sizes: &[usize]) -> Vec<f32> {
    let scale = (9.0 / sizes[1..].iter().product::<usize>() as f64).sqrt();
    let centre = match name {
        _ if name.starts_with("features.") => 0.9,
        _ if name.contains(".bn3.") => 0.3,
        _ => 0.7,
    };
    let one = |u: f64| match sizes.len() {
        1 if name.ends_with("running_var") => 1.0 + 0.5 * u,
        1 if name.ends_with("weight") => centre + 0.2 * u,
        1 => 0.1 * u,
        _ => u * scale,
    };
    noise(name).take(sizes.iter().product()).map(|u| one(u) as f32).collect()
}

/// RGB bytes, N x S x S x 3: each the mean of its own noise and its block's.
fn bytes(name: &str, batch: usize, side: usize) -> Vec<u8> {
    let fine: Vec<u32> = words(name).take(batch * side * side * 3).map(|x| x >> 24).collect();
    let at = |n: usize, y: usize, x: usize, c: usize| fine[((n * side + y) * side + x) * 3 + c];
    let pixel = |i: usize| {
        let (n, y, x, c) = (i / 3 / side / side, i / 3 / side % side, i / 3 % side, i % 3);
        at(n, y, x, c).midpoint(at(n, y / 16 * 16, x / 16 * 16, c)) as u8
    };
    (0..fine.len()).map(pixel).collect()
}

/// The largest distance of a group from float64, and the largest as a multiple of PyTorch's own.
#[derive(Debug, Default)]
struct Worst {
    distance: f64,
    multiple: f64,
}

impl Worst {
    /// Takes a tensor in. Below `floor` a distance is rounding and no multiple of anything.
    fn add(&mut self, digest: &Digest, ours: &[f32], floor: f64) {
        let distance = digest.distance(ours);
        self.distance = self.distance.max(distance);
        self.multiple = self.multiple.max(distance / digest.float32.max(floor));
        if std::env::var_os("CARETTA_SHOW").is_some() {
            println!("{:42} {distance:9.2e}, PyTorch's float32 {:9.2e}", digest.name, digest.float32);
        }
    }
}

/// How far features, gradients and running statistics are from torchvision's.
fn compare(golden: &str) -> [Worst; 4] {
    let name = golden;
    let path = format!("{}/fixtures/backbones/{name}.json", env!("CARGO_MANIFEST_DIR"));
    let golden: Golden = serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap();
    let device = Cpu::default();
    let mut store = Store::new(&device);
    let layers = Backbone::named(name).unwrap().build(&mut Builder::new(&mut store, 0)).unwrap();
    for id in store.ids() {
        let values = value(&store.get(id).name, &store.get(id).shape.sizes());
        store.import(id, values).unwrap();
    }
    let find = |store: &Store<Cpu>, name: &str| -> ParamId {
        store.ids().find(|id| store.get(*id).name == name).unwrap_or_else(|| panic!("no parameter {name}"))
    };
    let rgb = bytes(&golden.photos, golden.batch, golden.side);
    let [mut evaluation, mut training, mut gradient, mut running] = <[Worst; 4]>::default();

    let mut pass = Pass::inference(&device);
    let x = photos(&pass, golden.batch, golden.side, &rgb).unwrap();
    let y = layers.forward(&mut pass, &store, &x, Freeze::default()).unwrap();
    evaluation.add(&golden.features[0], &device.unpack_map(y.dims(), y.values()).unwrap(), FLOOR);

    let mut pass = Pass::training(&device);
    let y = layers.forward(&mut pass, &store, &x, Freeze::default()).unwrap();
    let dims = y.dims();
    training.add(&golden.features[1], &device.unpack_map(dims, y.values()).unwrap(), FLOOR);
    let rows = to_matrix(&mut pass, &y).unwrap();
    let functional: Vec<f32> = noise("functional").take(dims.count()).map(|u| u as f32).collect();
    let functional: Tensor<(usize, usize), f32, Cpu> = device.tensor_from_vec(functional, (dims.n, dims.c));
    let mut gradients: Gradients<f32, Cpu> = (rows * functional).sum::<(), _>().backward();
    for digest in &golden.gradients {
        let param = store.get(find(&store, &digest.name));
        let values = gradients.get_or_alloc_mut(&param.value).unwrap().to_vec();
        let length = values.len();
        let ours = device.unpack_param(&param.shape, &device.tensor_from_vec(values, (length,))).unwrap();
        gradient.add(digest, &ours, FLOOR);
    }

    store.absorb(pass.into_statistics()).unwrap();
    for digest in &golden.running {
        running.add(digest, &store.export(find(&store, &digest.name)).unwrap(), FLOOR);
    }
    // Nothing of the network is missing in the file but gradients that are 0.
    assert_eq!(golden.running.len(), store.iter().filter(|p| p.role == Role::Running).count());
    assert!(golden.gradients.len() * 10 >= store.iter().filter(|p| p.role != Role::Running).count() * 9);
    let worst = [evaluation, training, gradient, running];
    println!("{name}: evaluation, training, gradients, running statistics: {worst:?}");
    worst
}

/// Shares of the norm that float32 may lose anywhere, whatever PyTorch loses.
const FLOOR: f64 = 5e-5;

#[test]
fn resnet18_is_torchvisions() {
    let [evaluation, training, gradients, running] = compare("resnet18");
    assert!(evaluation.distance < 1e-4 && training.distance < 1e-4 && running.distance < 1e-4);
    assert!(gradients.multiple < 2.0);
}

#[test]
fn resnet50_is_torchvisions() {
    let [evaluation, training, gradients, running] = compare("resnet50");
    assert!(evaluation.distance < 1e-4 && training.distance < 1e-4 && running.distance < 1e-4);
    assert!(gradients.multiple < 2.0);
}

#[test]
fn efficientnet_b0_is_torchvisions() {
    let [evaluation, training, gradients, running] = compare("efficientnet_b0");
    assert!(evaluation.distance < 1e-4 && training.distance < 1e-4 && running.distance < 1e-4);
    assert!(gradients.distance < 1e-3);
}
