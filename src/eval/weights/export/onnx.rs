//! A model as ONNX: photos, normalised, to unit embeddings, and in its metadata how a photo becomes its input.

use std::path::Path;

use dfdx::prelude::Cpu;

use crate::nn::onnx::Description;
use crate::run::files;

use super::super::super::model::{About, Model};
use super::super::super::{Error, Result};
use super::Wishes;

/// Writes the network of `model` with its head; the classifier of a training is no part of it.
pub(super) fn write(model: &Model<Cpu>, wishes: &Wishes, path: &Path) -> Result<()> {
    let mut about = model.about.clone();
    about.preprocessing.image_size = wishes.side.unwrap_or(about.preprocessing.image_size);
    let graph = model.network.graph(about.preprocessing.image_size as usize)?;
    let line =
        serde_json::to_string(&about).map_err(|e| Error::Model { path: path.to_owned(), reason: e.to_string() })?;
    let properties = properties(&about, &model.identity, line);
    let description = Description { name: about.backbone.clone(), text: words(&about), properties };
    Ok(files::replace(path, &graph.into_bytes(&description)?)?)
}

/// What a program needs to know, by keys that stay: a value is a word, a number, or numbers with commas between.
fn properties(about: &About, identity: &str, line: String) -> Vec<(String, String)> {
    let preprocessing = &about.preprocessing;
    let numbers = |values: [f32; 3]| values.map(|v| v.to_string()).join(",");
    [
        ("caretta_version", env!("CARGO_PKG_VERSION").to_owned()),
        ("backbone", about.backbone.clone()),
        ("head", about.head.clone()),
        ("embedding_dim", about.embedding_dim.to_string()),
        ("embedding_normalisation", "l2".to_owned()),
        ("weights_sha256", identity.to_owned()),
        ("orientation", "exif".to_owned()),
        ("resize", "squash".to_owned()),
        ("input_size", preprocessing.image_size.to_string()),
        ("interpolation", "bilinear".to_owned()),
        ("antialias", "true".to_owned()),
        ("crop", "none".to_owned()),
        ("layout", "NCHW".to_owned()),
        ("colour_order", "RGB".to_owned()),
        ("value_range", "0,1".to_owned()),
        ("mean", numbers(preprocessing.mean)),
        ("std", numbers(preprocessing.deviation)),
        ("about", line),
    ]
    .map(|(key, value)| (key.to_owned(), value))
    .into()
}

/// The same for a person who looks at the file.
fn words(about: &About) -> String {
    let About { backbone, head, embedding_dim, preprocessing } = about;
    let head = if head == "pooled" { String::new() } else { format!(" with its head ({head})") };
    let (size, mean, deviation) = (preprocessing.image_size, preprocessing.mean, preprocessing.deviation);
    format!(
        "{backbone}{head}: photos of animals to embeddings of {embedding_dim} numbers and length 1, to be compared by their \
         Euclidean distance. Input: RGB, {}, {size} x {size}, (value / 255 - {mean:?}) / {deviation:?}, batch x 3 x {size} x \
         {size}.",
        preprocessing.resize
    )
}
