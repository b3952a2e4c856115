//! What PyTorch says of a network, and the numbers that both sides begin with: read from `fixtures/backbones`, whose
//! `make.py` documents the formula of weights and photos that [`noise`] and [`value`] repeat.
//!
//! PyTorch's float64 is the truth; its float32 tells how exact float32 can be.

use std::collections::BTreeMap;

use dfdx::prelude::{Cpu, Gradients, TensorFromVec};
use serde::Deserialize;

use super::ops::Layout;
use super::param::{Param, ParamId, Role, Store};

/// A network's file.
#[derive(Deserialize)]
pub struct Golden {
    /// Name of the noise that the photos are made of.
    pub photos: String,
    /// Side of a photo in pixels.
    pub side: usize,
    /// Photos.
    pub batch: usize,
    /// Side of the map that a single block is given.
    pub block_side: usize,
    /// Maps of that batch.
    pub block_batch: usize,
    /// Gradients of so many values or more are left out.
    pub below: Option<usize>,
    /// Factor of the running variances.
    pub variance: f64,
    /// In evaluation and in training.
    pub features: Vec<Digest>,
    /// By functional.
    pub gradients: BTreeMap<String, Groups>,
    /// Means and variances after a training pass.
    pub running: Groups,
    /// By functional.
    pub losses: BTreeMap<String, f64>,
    /// Each block by itself, in order.
    pub blocks: Vec<Single>,
}

/// Tensors by their block.
pub type Groups = BTreeMap<String, Group>;

/// A block by itself.
#[derive(Deserialize)]
pub struct Single {
    /// In training mode.
    pub output: Digest,
    /// Gradient of its input.
    pub input: Digest,
    /// Of its parameters.
    pub gradients: Groups,
}

/// What the file tells of a tensor.
#[derive(Deserialize)]
pub struct Digest {
    name: String,
    norm: f64,
    projections: [f64; 8],
    values: Vec<f64>,
    float32: f64,
}

/// What the file tells of tensors together, each divided by its norm.
#[derive(Deserialize)]
pub struct Group {
    /// 0 stands for a tensor that is 0 but for rounding.
    norms: BTreeMap<String, f64>,
    projections: [f64; 8],
    float32: f64,
}

/// How far tensors are from float64's, as shares of their norms.
#[derive(Clone, Copy, Debug, Default)]
pub struct Distance {
    /// The farthest of ours.
    pub farthest: f64,
    /// Squares of ours and of PyTorch's float32, summed.
    squares: [f64; 2],
}

impl Distance {
    fn new(name: &str, ours: f64, float32: f64) -> Distance {
        if std::env::var_os("CARETTA_SHOW").is_some() {
            println!("{name:42} {ours:9.2e}, PyTorch's float32 {float32:9.2e}");
        }
        Distance { farthest: ours, squares: [ours * ours, float32.max(FLOOR).powi(2)] }
    }

    /// Of the tensors of both.
    pub fn and(self, other: Distance) -> Distance {
        let squares = [0, 1].map(|i| self.squares[i] + other.squares[i]);
        Distance { farthest: self.farthest.max(other.farthest), squares }
    }

    /// Ours as a multiple of PyTorch's, all tensors as a whole.
    pub fn multiple(&self) -> f64 {
        (self.squares[0] / self.squares[1]).sqrt()
    }
}

/// Shares of the norm that float32 may lose anywhere, whatever PyTorch loses: below, a distance is rounding and no multiple.
const FLOOR: f64 = 5e-5;

impl Digest {
    /// The larger of what the projections and what the single values say.
    pub fn distance(&self, ours: &[f32]) -> Distance {
        let mut differences = self.projections.map(|p| -p);
        project(&self.name, ours, 1.0, &mut differences);
        let single = (0..self.values.len()).map(|i| {
            let at = i * ours.len() / self.values.len();
            (f64::from(ours[at]) - self.values[i]).abs()
        });
        Distance::new(&self.name, single.fold(length(&differences), f64::max) / self.norm, self.float32)
    }
}

impl Group {
    /// Of the parameters below `place`, whose values `of` tells. No parameter is farther than the group.
    fn distance(&self, place: &str, of: &mut dyn FnMut(&str) -> Vec<f32>) -> Distance {
        let mut differences = self.projections.map(|p| -p);
        for (name, norm) in self.norms.iter().filter(|(_, norm)| **norm > 0.0) {
            let name = format!("{place}.{name}");
            project(&name, &of(&name), 1.0 / norm, &mut differences);
        }
        Distance::new(place, length(&differences), self.float32)
    }
}

/// Of all groups. Every parameter of `store` that `counts` must be in the file, and no other.
fn of_groups(
    groups: &Groups,
    store: &Store<Cpu>,
    counts: impl Fn(&Param<Cpu>) -> bool,
    of: &mut dyn FnMut(ParamId) -> Vec<f32>,
) -> Distance {
    let told = groups.iter().flat_map(|(place, group)| group.norms.keys().map(move |name| format!("{place}.{name}")));
    let mut told: Vec<String> = told.collect();
    let mut there: Vec<_> = store.iter().filter(|p| counts(p)).map(|p| p.name.clone()).collect();
    told.sort();
    there.sort();
    assert_eq!(told, there);
    let place_of = |name: &str| store.ids().find(|id| store.get(*id).name == name).unwrap();
    let distances = groups.iter().map(|(place, group)| group.distance(place, &mut |name| of(place_of(name))));
    distances.fold(Distance::default(), Distance::and)
}

/// How far the gradients of the trained parameters that `counts` are from those of `groups`, which tell of no other.
pub fn gradients(
    groups: &Groups,
    store: &Store<Cpu>,
    counts: impl Fn(&Param<Cpu>) -> bool,
    ours: &mut Gradients<f32, Cpu>,
) -> Distance {
    let counts = |param: &Param<Cpu>| param.role != Role::Running && counts(param);
    of_groups(groups, store, counts, &mut |id| {
        let param = store.get(id);
        let values = ours.get_or_alloc_mut(&param.value).unwrap().to_vec();
        let length = values.len();
        let device = store.device();
        device.unpack_param(&param.shape, &device.tensor_from_vec(values, (length,))).unwrap()
    })
}

/// How far the running statistics are from those of `groups`.
pub fn running(groups: &Groups, store: &Store<Cpu>) -> Distance {
    of_groups(groups, store, |param| param.role == Role::Running, &mut |id| store.export(id).unwrap())
}

/// Adds the projections of `values` times `factor` onto the vectors of +1 and -1 that belong to `name`.
fn project(name: &str, values: &[f32], factor: f64, sums: &mut [f64; 8]) {
    for (value, x) in values.iter().zip(words(name)) {
        let value = f64::from(*value) * factor;
        for (k, sum) in sums.iter_mut().enumerate() {
            *sum += if x >> (24 + k) & 1 == 1 { -value } else { value };
        }
    }
}

/// The length of the vector that these are the projections of.
fn length(projections: &[f64; 8]) -> f64 {
    (projections.iter().map(|d| d * d).sum::<f64>() / 8.0).sqrt()
}

/// What the file says of `network`.
pub fn golden(network: &str) -> Golden {
    let path = format!("{}/fixtures/backbones/{network}.json", env!("CARGO_MANIFEST_DIR"));
    serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap()
}

/// Fills every parameter by the formula, running variances times `variance`.
pub fn fill(store: &mut Store<Cpu>, variance: f64) {
    for id in store.ids() {
        let values = value(&store.get(id).name, &store.get(id).shape.sizes(), variance);
        store.import(id, values).unwrap();
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
pub fn noise(name: &str) -> impl Iterator<Item = f64> {
    words(name).map(|x| f64::from(x >> 8) / f64::from(1 << 23) - 1.0)
}

/// The values of the parameter `name`.
fn value(name: &str, sizes: &[usize], variance: f64) -> Vec<f32> {
    let scale = (9.0 / sizes[1..].iter().product::<usize>() as f64).sqrt();
    let centre = match name {
        _ if name.starts_with("features.") => 0.9,
        _ if name.contains(".bn3.") => 0.3,
        _ => 0.7,
    };
    let one = |u: f64| match sizes.len() {
        1 if name.ends_with("running_var") => (1.0 + 0.5 * u) * variance,
        1 if name.ends_with("weight") => centre + 0.2 * u,
        1 => 0.1 * u,
        _ => u * scale,
    };
    noise(name).take(sizes.iter().product()).map(|u| one(u) as f32).collect()
}

/// Photos as RGB bytes, N x S x S x 3: each the mean of its own noise and its block's.
pub fn photo_bytes(name: &str, batch: usize, side: usize) -> Vec<u8> {
    let fine: Vec<u32> = words(name).take(batch * side * side * 3).map(|x| x >> 24).collect();
    let at = |n: usize, y: usize, x: usize, c: usize| fine[((n * side + y) * side + x) * 3 + c];
    let pixel = |i: usize| {
        let (n, y, x, c) = (i / 3 / side / side, i / 3 / side % side, i / 3 % side, i % 3);
        at(n, y, x, c).midpoint(at(n, y / 16 * 16, x / 16 * 16, c)) as u8
    };
    (0..fine.len()).map(pixel).collect()
}
