//! A model's weights as safetensors, with the names that PyTorch's libraries use.

use std::path::Path;

use dfdx::prelude::Cpu;

use crate::nn::backbone::Backbone;
use crate::nn::weights::WeightFile;
use crate::nn::weights::recognise::{outline, shift_variances};
use crate::run::files;

use super::super::super::model::Model;
use super::super::super::{Error, Result};
use super::super::normalisation::Bare;
use super::Wishes;

/// Writes `model` to `path` by the names of a library, its head, where it has one, as `embedding.0` and so on.
///
/// A file with our own names says what it is, and is a model for this program again; another says how photos are
/// prepared. What a library's batch norms add to the
/// variance otherwise than ours is made up for in the running variances: embeddings are the same.
pub(super) fn write(model: &Model<Cpu>, wishes: &Wishes, path: &Path) -> Result<()> {
    let naming = wishes.naming;
    let backbone = Backbone::named(model.network.architecture.backbone)?;
    let native: Vec<String> = outline(backbone)?.into_iter().map(|(name, _)| name).collect();
    let names = naming
        .names(&native)
        .ok_or_else(|| Error::NoSuchNames { naming: naming.name.to_owned(), backbone: backbone.name.to_owned() })?;
    let mut file = WeightFile::default();
    file.insert_network(&model.network)?;
    let told =
        if names == native { serde_json::to_string(&model.about) } else { Bare::line(&model.about.preprocessing) };
    file.about = told.map_err(|e| Error::Model { path: path.to_owned(), reason: e.to_string() })?;
    let mut tensors: std::collections::BTreeMap<_, _> =
        native.iter().filter_map(|name| file.tensors.remove(name).map(|tensor| (name.clone(), tensor))).collect();
    shift_variances(&mut tensors, backbone.epsilon() - naming.epsilon(backbone));
    // what is left is the head's
    for (native, name) in native.iter().zip(names) {
        if let Some(tensor) = tensors.remove(native) {
            file.tensors.insert(name, tensor);
        }
    }
    Ok(files::replace(path, &file.to_bytes(path)?)?)
}
