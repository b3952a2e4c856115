//! A gallery with its networks in one folder, from which `identify` works on another machine.

use std::fs;
use std::path::Path;

use crate::eval::model::Model;
use crate::nn::ops::Backend;
use crate::nn::weights::WeightFile;
use crate::run::files;

use super::backup::{beside, copy};
use super::store::{Counts, Gallery, LOOKER_FILE, WEIGHTS_FILE};
use super::{Error, Result};

/// Copies `gallery` to the folder `to`, which must not be there, with its `model` and the network that looks for the animal,
/// where photos are seen so.
///
/// # Errors
/// When something is there, or a file cannot be read or written.
pub fn bundle<D: Backend>(gallery: &Gallery, model: &Model<D>, looker: Option<&Model<D>>, to: &Path) -> Result<Counts> {
    if to.exists() {
        return Err(Error::InTheWay { path: to.into() });
    }
    let beside = beside(to);
    files::create_folder(&beside)?;
    let made = copy(gallery, &beside).and_then(|counts| {
        write(model, &beside.join(WEIGHTS_FILE))?;
        if let Some(looker) = looker {
            write(looker, &beside.join(LOOKER_FILE))?;
        }
        files::rename(&beside, to)?;
        Ok(counts)
    });
    if made.is_err() {
        let _ = fs::remove_dir_all(&beside); // the first error is the one to tell
    }
    made
}

/// The network and what it says of itself, and nothing of its training.
fn write<D: Backend>(model: &Model<D>, to: &Path) -> Result<()> {
    let bad = |reason: String| crate::eval::Error::Model { path: to.to_owned(), reason };
    let about = serde_json::to_string(&model.about).map_err(|e| bad(e.to_string()))?;
    let mut file = WeightFile { about, ..WeightFile::default() };
    let network = file.insert_network(&model.network).and_then(|()| file.to_bytes(to));
    Ok(files::replace(to, &network.map_err(crate::eval::Error::from)?)?)
}
