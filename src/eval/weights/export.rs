//! A model for other programs: its weights by the names that PyTorch's libraries use, or the whole network as ONNX.

use std::path::Path;

use dfdx::prelude::Cpu;

use crate::nn::weights::names::Naming;

use super::super::Result;
use super::super::model::Model;

mod onnx;
mod safetensors;

/// A form that a model can be written in: its word, which is the ending of its files, and what writes it.
pub struct Format {
    /// The word on the command line.
    pub name: &'static str,
    /// Whether parameters get a library's names in it, or the network the size of its photos.
    pub has_names: bool,
    write: fn(&Model<Cpu>, &Wishes, &Path) -> Result<()>,
}

/// Every form, the usual first.
pub const FORMATS: &[Format] = &[
    Format { name: "safetensors", has_names: true, write: safetensors::write },
    Format { name: "onnx", has_names: false, write: onnx::write },
];

/// How a model is written.
#[derive(Clone, Copy)]
pub struct Wishes {
    /// Whose names parameters get, in a form that has names.
    pub naming: &'static Naming,
    /// Side of the photos that go in, in a form that has a size; none: what the model was made for.
    pub side: Option<u32>,
}

impl Format {
    /// The form that a file's ending tells.
    pub fn of(path: &Path) -> Option<&'static Format> {
        let ending = path.extension()?.to_str()?.to_ascii_lowercase();
        FORMATS.iter().find(|format| format.name == ending)
    }

    /// Writes `model` to `path`, over what stood there.
    ///
    /// # Errors
    /// When the wishes cannot be fulfilled or the file cannot be written.
    pub fn export(&self, model: &Model<Cpu>, wishes: &Wishes, path: &Path) -> Result<()> {
        (self.write)(model, wishes, path)
    }
}
