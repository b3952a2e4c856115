//! A gallery with its networks in one folder, from which `identify` works on another machine.

use std::path::Path;

use crate::eval::model::Model;
use crate::nn::ops::Backend;
use crate::nn::weights::WeightFile;
use crate::run::files;

use super::Result;
use super::backup::{copy, whole};
use super::store::{Counts, Gallery, LOOKER_FILE, WEIGHTS_FILE};

/// Copies `gallery` to the folder `to`, which must not be there, with its `model` and the network that looks for the animal,
/// where photos are seen so.
///
/// # Errors
/// When something is there, or a file cannot be read or written.
pub fn bundle<D: Backend>(gallery: &Gallery, model: &Model<D>, looker: Option<&Model<D>>, to: &Path) -> Result<Counts> {
    whole(to, |beside| {
        let counts = copy(gallery, beside)?;
        write(model, &beside.join(WEIGHTS_FILE))?;
        if let Some(looker) = looker {
            write(looker, &beside.join(LOOKER_FILE))?;
        }
        Ok(counts)
    })
}

/// The network and what it says of itself, and nothing of its training.
fn write<D: Backend>(model: &Model<D>, to: &Path) -> Result<()> {
    let bad = |reason: String| crate::eval::Error::Model { path: to.to_owned(), reason };
    let about = serde_json::to_string(&model.about).map_err(|e| bad(e.to_string()))?;
    let mut file = WeightFile { about, ..WeightFile::default() };
    let network = file.insert_network(&model.network).and_then(|()| file.to_bytes(to));
    Ok(files::replace(to, &network.map_err(crate::eval::Error::from)?)?)
}
