//! Imported weights: `weights/` in the workspace, a safetensors file each that says where it came from.
//!
//! A file is all there is of them: its name is what commands take, its line of JSON says the architecture and the source,
//! and its values have our names. Whatever reads a model reads it like a checkpoint.

pub mod export;
pub mod normalisation;

use std::fs;
use std::path::{Path, PathBuf};

use dfdx::prelude::Cpu;
use serde::{Deserialize, Serialize};

use crate::data::foreign;
use crate::nn::backbone::Backbone;
use crate::nn::ops::Normalisation;
use crate::nn::weights::published::{Published, digits};
use crate::nn::weights::recognise::{Recognised, identity_of, recognise};
use crate::nn::weights::{self, WeightFile};
use crate::run::dir::{free_name, is_plain_name, plain_name};
use crate::run::error::near;
use crate::run::stamp::Stamp;
use crate::run::{RunError, Workspace, files};

use super::model::{About, Model};
use super::{Error, Result};
use normalisation::Told;

/// Where imported weights came from, and what was done to them.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Source {
    /// The file's name.
    pub file: String,
    /// Its size.
    pub bytes: u64,
    /// Its SHA-256.
    pub sha256: String,
    /// When it was imported.
    pub imported: Stamp,
    /// Whose names it had.
    pub naming: String,
    /// Keys of a training checkpoint under which the weights lay, outermost first.
    pub unwrapped: Vec<String>,
    /// What stood before every name.
    pub prefix: String,
    /// Formats that were brought to f32.
    pub converted: Option<String>,
    /// What its batch norms added to the variance and what ours add, where they differ.
    pub epsilons: Option<(f32, f32)>,
    /// Places along the side of its windows and of ours, where they differ: the tables of biases were resized.
    #[serde(default)]
    pub windows: Option<(usize, usize)>,
    /// What told what photos are normalised by; none: nothing did, and ImageNet's are taken.
    #[serde(default)]
    pub normalised_by: Option<String>,
    /// Names of its tensors that the backbone does not use.
    pub unused: Vec<String>,
    /// SHA-256 over the parameters, as [`weights::identity`] makes it.
    pub identity: String,
}

/// Weights in the workspace.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Imported {
    /// What commands take.
    pub name: String,
    /// Where they lie.
    #[serde(serialize_with = "foreign::serialize_path")]
    pub path: PathBuf,
    /// What they are.
    #[serde(flatten)]
    pub about: About,
    /// Where they came from.
    pub source: Source,
}

/// The line about a file of imported weights.
#[derive(Serialize, Deserialize)]
struct Line {
    #[serde(flatten)]
    about: About,
    source: Source,
}

/// How weights are imported.
#[derive(Clone, Copy, Debug, Default)]
pub struct Wishes<'a> {
    /// Their name; none: made of the file's.
    pub name: Option<&'a str>,
    /// What their batch norms add to the variance; none: what networks with such names do.
    pub epsilon: Option<f32>,
    /// What photos are normalised by; none: what the file or one beside it says, else ImageNet's.
    pub normalisation: Option<Normalisation>,
}

/// Imports the weights in the file at `path`; whether they are new. The same weights are there only once.
///
/// # Errors
/// When the file holds the weights of no backbone known here, is not what its name says, or the name means others.
pub fn import(workspace: &Workspace, path: &Path, wishes: Wishes) -> Result<(Imported, bool)> {
    if let Some(name) = wishes.name.filter(|name| !is_plain_name(name)) {
        return Err(RunError::BadName { given: name.to_owned() }.into());
    }
    let bytes = weights::bytes(path)?;
    let sha256 = weights::sha256(&bytes);
    let file = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
    if let Some(digits) = digits(&file).filter(|digits| !sha256.starts_with(digits)) {
        return Err(Error::OtherHash { path: path.to_owned(), digits: digits.to_owned(), sha256 });
    }
    let read = WeightFile::from_bytes(path, &bytes)?;
    let size = bytes.len() as u64;
    drop(bytes);
    let told = match wishes.normalisation {
        Some(by) => Some(Told { by, source: "as given".into() }),
        None => normalisation::of(path, &read)?,
    };
    let by = told.as_ref().map_or(Normalisation::IMAGENET, |told| told.by);
    let Recognised { backbone, naming, prefix, file: mut ours, epsilons, windows, unused } =
        recognise(path, read, wishes.epsilon)?;
    let source = Source {
        file: file.clone(),
        bytes: size,
        sha256,
        imported: Stamp::now(),
        naming: naming.name.to_owned(),
        unwrapped: std::mem::take(&mut ours.origin.unwrapped),
        prefix,
        converted: ours.origin.converted.take(),
        epsilons,
        windows,
        normalised_by: told.map(|told| told.source),
        unused,
        identity: identity_of(backbone, &ours, &by)?,
    };
    let known = known(workspace)?.into_iter().filter_map(std::result::Result::ok).collect::<Vec<_>>();
    let same = known.into_iter().find(|k| k.source.identity == source.identity);
    if let Some(same) = same.filter(|same| wishes.name.is_none_or(|name| name == same.name)) {
        return Ok((same, false));
    }
    let name = match wishes.name {
        Some(name) if workspace.weights_file(name).is_some() => {
            return Err(Error::WeightsNameTaken { name: name.to_owned() });
        }
        Some(name) => name.to_owned(),
        None => {
            let stem = file.rsplit_once('.').map_or(file.as_str(), |(stem, _)| stem);
            free_name(plain_name(stem, "weights"), |name| workspace.weights_file(name).is_some())
        }
    };
    let line = Line { about: About::of_backbone(backbone, by), source };
    ours.about =
        serde_json::to_string(&line).map_err(|e| Error::Model { path: path.to_owned(), reason: e.to_string() })?;
    files::create_folder(&workspace.weights_folder())?;
    let place = workspace.weights_folder().join(format!("{name}.safetensors"));
    files::replace(&place, &ours.to_bytes(&place)?)?;
    Ok((Imported { name, path: place, about: line.about, source: line.source }, true))
}

/// All imported weights by name; one that cannot be read hides no other.
///
/// # Errors
/// When the folder cannot be read.
pub fn known(workspace: &Workspace) -> Result<Vec<Result<Imported>>> {
    Ok(names(workspace)?.iter().map(|name| find(workspace, name)).collect())
}

/// Names of all imported weights, sorted.
fn names(workspace: &Workspace) -> Result<Vec<String>> {
    let folder = workspace.weights_folder();
    let entries = match fs::read_dir(&folder) {
        Ok(entries) => entries,
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(e) => return Err(RunError::io("read", folder, e).into()),
    };
    let mut names: Vec<String> = entries
        .flatten()
        .filter_map(|entry| entry.file_name().to_str()?.strip_suffix(".safetensors").map(str::to_owned))
        .filter(|name| workspace.weights_file(name).is_some())
        .collect();
    names.sort();
    Ok(names)
}

/// The imported weights of this name.
///
/// # Errors
/// When there are none, or what they say of themselves cannot be read.
pub fn find(workspace: &Workspace, name: &str) -> Result<Imported> {
    let Some(path) = workspace.weights_file(name) else {
        let names = names(workspace).unwrap_or_default();
        return Err(Error::UnknownWeights {
            given: name.to_owned(),
            near: near(name, names.iter().map(String::as_str)),
        });
    };
    let line: Line = serde_json::from_str(&WeightFile::read_about(&path)?).map_err(|e| Error::Model {
        path: path.clone(),
        reason: format!("was not put here by `caretta weights import`: {e}"),
    })?;
    Ok(Imported { name: name.to_owned(), path, about: line.about, source: line.source })
}

/// The weights of `backbone` that were imported last.
///
/// # Errors
/// When there are none; the error says which file to fetch.
pub fn newest(workspace: &Workspace, backbone: &str) -> Result<Imported> {
    let known = known(workspace)?.into_iter().filter_map(std::result::Result::ok);
    let fitting = known.filter(|k| k.about.backbone == backbone);
    fitting
        .max_by(|a, b| a.source.imported.cmp(&b.source.imported).then_with(|| a.name.cmp(&b.name)))
        .ok_or_else(|| Error::NoWeights { backbone: backbone.to_owned(), fetch: fetch(backbone) })
}

/// How weights of a backbone are got, in a few lines.
fn fetch(backbone: &str) -> String {
    match Published::of(backbone) {
        Some(published) => format!(
            "fetch {} ({} MB, its SHA-256 begins with {}) on a machine with a network, and import it:\n  {}",
            published.file,
            published.megabytes,
            published.digits(),
            published.commands().join("\n  ")
        ),
        None => "import a file of its weights: caretta weights import FILE".to_owned(),
    }
}

/// Removes imported weights.
///
/// # Errors
/// When the file cannot be removed.
pub fn remove(weights: &Imported) -> Result<()> {
    Ok(files::remove(&weights.path)?)
}

/// Loads the network of imported weights and makes its identity anew.
///
/// # Errors
/// When the network does not load, or the values are not those that were imported.
pub fn verify(weights: &Imported) -> Result<()> {
    let model = Model::load(&Cpu::default(), &weights.path)?;
    if model.identity != weights.source.identity {
        return Err(Error::Model {
            path: weights.path.clone(),
            reason: format!(
                "its values have changed since it was imported ({} then, {} now): remove it and import {} again",
                short(&weights.source.identity),
                short(&model.identity),
                foreign::line(&weights.source.file)
            ),
        });
    }
    Ok(())
}

/// The digits of a hash that are enough to tell weights apart.
pub fn short(hash: &str) -> &str {
    hash.get(..16).unwrap_or(hash)
}

/// A backbone's weights out of any file.
pub struct OfBackbone {
    /// Their values under our names.
    pub file: WeightFile,
    /// What photos are normalised by.
    pub normalisation: Normalisation,
    /// SHA-256 of both.
    pub identity: String,
}

/// The weights of a backbone out of any file.
///
/// # Errors
/// When the file holds another backbone, or none.
pub fn of_backbone(path: &Path, backbone: &'static Backbone) -> Result<OfBackbone> {
    let read = WeightFile::read(path)?;
    let normalisation = normalisation::of(path, &read)?.map_or(Normalisation::IMAGENET, |told| told.by);
    let found = recognise(path, read, None)?;
    if found.backbone.name != backbone.name {
        return Err(Error::Model {
            path: path.to_owned(),
            reason: format!(
                "these are weights of {}, and the run's backbone is {}",
                found.backbone.name, backbone.name
            ),
        });
    }
    let identity = identity_of(backbone, &found.file, &normalisation)?;
    Ok(OfBackbone { file: found.file, normalisation, identity })
}
