//! The weights that a run's backbone begins with: imported ones, another run's, or a file's. The head is always new.
//!
//! A configuration names them with their hash once it is settled, so that it repeats the run or says that it cannot.

use std::path::{Path, PathBuf};

use crate::eval::boxes::Looker;
use crate::eval::weights::{self, newest, short};
use crate::nn::backbone::Backbone;
use crate::nn::network::Network;
use crate::nn::ops::{Backend, Normalisation};
use crate::nn::weights::WeightFile;
use crate::run::config::{Config, CropChoice};
use crate::run::{ModelRef, Which, Workspace};

use super::error::{Result, TrainError};

/// Weights found for a configuration.
struct Found {
    path: PathBuf,
    file: WeightFile,
    normalisation: Normalisation,
    /// What names them, without a hash.
    name: String,
    hash: String,
}

/// Makes `model.init` of `config` say which weights, with their hash: a run is then repeated with the same, or not at all.
///
/// # Errors
/// When the weights are not there, are another backbone's, or have another hash than is asked for; when there are none
/// and photos are to be seen where they look.
pub fn settle(config: &mut Config, workspace: &Workspace) -> Result<()> {
    match find(config, workspace)? {
        Some(found) => config.model.init = Some(format!("{}@{}", found.name, short(&found.hash))),
        None if config.data.crop == CropChoice::Attention => return Err(TrainError::NobodyLooks),
        None => {}
    }
    Ok(())
}

/// Puts the weights that `config` names into the backbone of `network`; what it did, in words, where it names any.
///
/// # Errors
/// As [`settle`].
pub fn begin<D: Backend>(config: &Config, workspace: &Workspace, network: &mut Network<D>) -> Result<Option<String>> {
    let Some(mut found) = find(config, workspace)? else { return Ok(None) };
    found.file.load_backbone(&found.path, network)?;
    network.normalisation = found.normalisation;
    let mut said = format!("the backbone begins with {} ({})", found.name, short(&found.hash));
    if found.normalisation != Normalisation::IMAGENET {
        let Normalisation { mean, deviation } = found.normalisation;
        said += &format!(", and photos are normalised as it wants them: (RGB / 255 - {mean:?}) / {deviation:?}");
    }
    Ok(Some(said))
}

/// The network whose boxes a run that sees by attention begins with; none where it does not.
///
/// # Errors
/// As [`settle`], and when the run begins with no weights.
pub fn looker(config: &Config, workspace: &Workspace) -> Result<Option<Looker>> {
    if config.data.crop == CropChoice::Drawn {
        return Ok(None);
    }
    let found = find(config, workspace)?.ok_or(TrainError::NobodyLooks)?;
    Ok(Some(Looker { path: found.path, hash: found.hash }))
}

fn find(config: &Config, workspace: &Workspace) -> Result<Option<Found>> {
    let backbone = Backbone::named(&config.model.backbone)?;
    let (name, asked) = match &config.model.init {
        Some(init) => named(init),
        None if config.model.pretrained => (newest(workspace, backbone.name)?.name, None),
        None => return Ok(None),
    };
    // a name that means the same from any folder, and when there are more runs; imported ones first, whatever lies here
    let imported = workspace.weights_file(&name).map(ModelRef::Weights);
    let found = imported.map_or_else(|| workspace.resolve_model(Path::new(&name)), Ok)?;
    let (path, name) = match found {
        ModelRef::Weights(path) if path.parent() == Some(&workspace.weights_folder()) => (path, name),
        ModelRef::Weights(path) => {
            let name = whole(&path);
            (path, name)
        }
        ModelRef::Run { run, which: Which::Auto } => {
            let known = workspace.find(Path::new(run.id())).is_ok_and(|found| found.path() == run.path());
            let name = if known { run.id().to_owned() } else { whole(run.path()) };
            (run.checkpoint(Which::Auto)?, name)
        }
        ModelRef::Run { run, which } => {
            let path = run.checkpoint(which)?;
            let name = whole(&path);
            (path, name)
        }
    };
    let weights::OfBackbone { file, normalisation, identity: hash } = weights::of_backbone(&path, backbone)?;
    if let Some(asked) = asked.filter(|asked| !hash.starts_with(asked.as_str())) {
        return Err(TrainError::OtherWeights { given: name, asked, found: short(&hash).to_owned() });
    }
    Ok(Some(Found { path, file, normalisation, name, hash }))
}

/// A path that means the same from any folder.
fn whole(path: &Path) -> String {
    std::path::absolute(path).as_deref().unwrap_or(path).to_string_lossy().into_owned()
}

/// `name@hash` in its parts; what follows an `@` and is no hash belongs to the name.
fn named(init: &str) -> (String, Option<String>) {
    match init.rsplit_once('@') {
        Some((name, hash)) if hash.len() >= 8 && hash.bytes().all(|b| b.is_ascii_hexdigit()) => {
            (name.to_owned(), Some(hash.to_ascii_lowercase()))
        }
        _ => (init.to_owned(), None),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hash_is_told_from_a_name() {
        assert_eq!(named("resnet18@0123456789abcdef"), ("resnet18".into(), Some("0123456789abcdef".into())));
        for plain in ["resnet18", "a@b", "/home/me@host/weights.pth", "x@1234567"] {
            assert_eq!(named(plain), (plain.into(), None));
        }
    }
}
