//! Whose weights a file holds: the backbone and the naming whose every parameter is there with its size.

use std::collections::BTreeMap;
use std::path::Path;

use dfdx::prelude::Cpu;
use sha2::{Digest, Sha256};

use super::names::{NAMINGS, Naming};
use super::{Tensor, WeightFile, absorb, absorb_normalisation, bad, bias_table, hex, printable};
use crate::nn::backbone::{BACKBONES, Backbone};
use crate::nn::error::Result;
use crate::nn::ops::Normalisation;
use crate::nn::param::{Builder, Shape, Store};

/// A backbone found in a file.
pub struct Recognised {
    /// The backbone.
    pub backbone: &'static Backbone,
    /// The naming of the file.
    pub naming: &'static Naming,
    /// What stood before every name.
    pub prefix: String,
    /// The parameters under our names, and nothing else.
    pub file: WeightFile,
    /// Epsilons of the batch norms there and here, where they differ: the difference is in the running variances now, so
    /// that evaluation is exactly the same.
    pub epsilons: Option<(f32, f32)>,
    /// Places along the side of its windows and of ours, where they differ: the tables of biases were brought to ours.
    pub windows: Option<(usize, usize)>,
    /// Names in the file that the backbone does not use: a classifier, an optimiser's moments.
    pub unused: Vec<String>,
}

/// Names and shapes of a backbone's parameters, in the order in which it is built.
///
/// # Errors
/// When there is no memory.
pub fn outline(backbone: &Backbone) -> Result<Vec<(String, Shape)>> {
    let mut store = Store::outline(&Cpu::default());
    backbone.build(&mut Builder::new(&mut store, 0))?;
    Ok(store.iter().map(|p| (p.name.clone(), p.shape)).collect())
}

/// A backbone and a naming, tried on a file.
struct Trial {
    backbone: &'static Backbone,
    naming: &'static Naming,
    prefix: String,
    /// Our names and the file's.
    names: Vec<(String, String)>,
    missing: Vec<String>,
    misshapen: Vec<String>,
}

impl Trial {
    fn fits(&self) -> bool {
        self.missing.is_empty() && self.misshapen.is_empty()
    }

    fn found(&self) -> usize {
        self.names.len() - self.missing.len() - self.misshapen.len()
    }
}

/// Whether a tensor has the sizes of a parameter, or can be brought to them.
fn fits(name: &str, sizes: &[usize], shape: &Shape) -> bool {
    let wanted = shape.sizes();
    sizes == wanted || bias_table::is_resizable(name, sizes, &wanted)
}

/// Prefixes looked at: a file may hold a student and its teacher, but hardly more.
const MOST_PREFIXES: usize = 4;

fn trials(file: &WeightFile) -> Result<Vec<Trial>> {
    let mut trials = Vec::new();
    for backbone in BACKBONES {
        let (native, shapes): (Vec<_>, Vec<_>) = outline(backbone)?.into_iter().unzip();
        for naming in NAMINGS {
            let Some(foreign) = naming.names(&native) else { continue };
            let Some(first) = foreign.first() else { continue };
            let before = |name: &String| {
                let prefix = name.strip_suffix(first.as_str())?;
                (prefix.is_empty() || prefix.ends_with('.')).then(|| prefix.to_owned())
            };
            let mut prefixes: Vec<String> = file.tensors.keys().filter_map(before).collect();
            prefixes.sort_by_key(String::len);
            for prefix in prefixes.into_iter().take(MOST_PREFIXES) {
                let (mut missing, mut misshapen) = (Vec::new(), Vec::new());
                let mut names = Vec::with_capacity(native.len());
                for ((ours, theirs), shape) in native.iter().zip(&foreign).zip(&shapes) {
                    let theirs = format!("{prefix}{theirs}");
                    match file.tensors.get(&theirs) {
                        None => missing.push(theirs.clone()),
                        Some((sizes, _)) if !fits(&theirs, sizes, shape) => misshapen.push(theirs.clone()),
                        Some(_) => {}
                    }
                    names.push((ours.clone(), theirs));
                }
                trials.push(Trial { backbone, naming, prefix, names, missing, misshapen });
            }
        }
    }
    Ok(trials)
}

/// Finds the backbone whose weights `file` holds. Where several fit, as a ResNet-18 does in a ResNet-34, it is the one
/// with the most parameters; of several copies of it the one with the shortest prefix. `epsilon` is what its batch norms
/// add to the variance where that is not what the naming's do.
///
/// # Errors
/// When none fits; the error tells what is missing of the one that fits best.
pub fn recognise(path: &Path, mut file: WeightFile, epsilon: Option<f32>) -> Result<Recognised> {
    let trials = trials(&file)?;
    // the first of equals, so that ours is preferred
    let best = trials.iter().filter(|t| t.fits()).rev().max_by_key(|t| t.names.len());
    let Some(best) = best else {
        let nearest = trials.iter().rev().max_by_key(|t| (t.found() as u64 * 1000).checked_div(t.names.len() as u64));
        return Err(bad(path, unknown(&file, nearest)));
    };
    let mut tensors: BTreeMap<String, Tensor> = BTreeMap::new();
    for (ours, theirs) in &best.names {
        if let Some(tensor) = file.tensors.remove(theirs) {
            if tensor.1.iter().any(|v| !v.is_finite()) {
                return Err(bad(path, format!("{} holds values that are no numbers", printable(theirs))));
            }
            tensors.insert(ours.clone(), tensor);
        }
    }
    // what the backbone uses was taken out above
    let unused = file.tensors.keys().chain(&file.origin.whole).filter(|n| !is_derived(n));
    let mut unused: Vec<String> = unused.cloned().collect();
    unused.sort();
    let (backbone, naming, prefix) = (best.backbone, best.naming, best.prefix.clone());
    let (theirs, ours) = (epsilon.unwrap_or_else(|| naming.epsilon(backbone)), backbone.epsilon());
    let epsilons = (theirs != ours).then_some((theirs, ours));
    shift_variances(&mut tensors, theirs - ours);
    let windows = resize_tables(backbone, &mut tensors)?;
    let file = WeightFile { about: file.about, tensors, origin: file.origin };
    Ok(Recognised { backbone, naming, prefix, file, epsilons, windows, unused })
}

/// Brings the tables of biases to the backbone's windows; from what to what, where that was to be done.
fn resize_tables(backbone: &Backbone, tensors: &mut BTreeMap<String, Tensor>) -> Result<Option<(usize, usize)>> {
    let mut windows = None;
    for (name, shape) in outline(backbone)? {
        let wanted = shape.sizes();
        let Some(table) = tensors.get_mut(&name).filter(|table| table.0 != wanted) else { continue };
        if let [Some(from), Some(to)] = [table.0[0], wanted[0]].map(bias_table::window) {
            *table = bias_table::resized(table, from, to);
            windows = Some((from, to));
        }
    }
    Ok(windows)
}

/// Adds to every running variance, which may go below zero: a batch norm divides by the root of it and epsilon together.
pub fn shift_variances(tensors: &mut BTreeMap<String, Tensor>, by: f32) {
    if by == 0.0 {
        return;
    }
    let variances = tensors.iter_mut().filter(|(name, _)| name.ends_with(".running_var"));
    variances.for_each(|(_, (_, values))| values.iter_mut().for_each(|v| *v += by));
}

/// Identity of the parameters of `backbone` in `file`, which has our names, and of what photos are normalised `by`: what
/// [`super::identity`] says of a network of nothing else.
///
/// # Errors
/// When there is no memory.
pub fn identity_of(backbone: &Backbone, file: &WeightFile, by: &Normalisation) -> Result<String> {
    let mut hash = Sha256::new();
    for (name, shape) in outline(backbone)? {
        let values = file.tensors.get(&name).map_or(&[][..], |(_, values)| values);
        absorb(&mut hash, &name, &shape.sizes(), values);
    }
    absorb_normalisation(&mut hash, by);
    Ok(hex(hash.finalize().as_ref()))
}

/// What torch keeps beside parameters and every network makes anew.
fn is_derived(name: &str) -> bool {
    ["num_batches_tracked", "relative_position_index", "attn_mask"].iter().any(|end| name.ends_with(end))
}

/// Why no backbone fits.
fn unknown(file: &WeightFile, nearest: Option<&Trial>) -> String {
    let known = Backbone::names();
    let Some(nearest) = nearest.filter(|t| t.found() > 0) else {
        let first: Vec<_> = file.tensors.keys().take(3).map(|n| printable(n)).collect();
        return format!(
            "these are the weights of no backbone known here ({known}); its tensors begin with {}",
            first.join(", ")
        );
    };
    let some = |what: &str, names: &[String]| {
        let first: Vec<_> = names.iter().take(5).map(|name| printable(name)).collect();
        let more = names.len().checked_sub(5).filter(|&n| n > 0).map_or(String::new(), |n| format!(" and {n} more"));
        if first.is_empty() { String::new() } else { format!("; {what}: {}{more}", first.join(", ")) }
    };
    format!(
        "these are the weights of no backbone known here ({known}); nearest is {} by {}'s names, {} of {} tensors{}{}",
        nearest.backbone.name,
        nearest.naming.name,
        nearest.found(),
        nearest.names.len(),
        some("missing", &nearest.missing),
        some("of another size", &nearest.misshapen),
    )
}
