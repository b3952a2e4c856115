//! A network out of a file, with all that makes its embeddings comparable: architecture, preprocessing, identity.
//!
//! A checkpoint says what it is in one line of JSON ([`About`]); bare weights are recognised by the names and sizes of
//! their tensors, and their embedding is the backbone's pooled feature.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::nn::backbone::Backbone;
use crate::nn::head::HeadKind;
use crate::nn::network::{Architecture, Network};
use crate::nn::ops::{Backend, Normalisation};
use crate::nn::weights::recognise::recognise;
use crate::nn::weights::{WeightFile, identity};
use crate::run::config::field;

use super::weights::normalisation::{self, Bare};
use super::{Error, Result};

/// Side of the photos for weights that do not say theirs.
pub const USUAL_SIDE: u32 = 224;

/// How a photo becomes numbers. Embeddings made with different preprocessing are not comparable.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Preprocessing {
    /// Side of the square in pixels.
    pub image_size: u32,
    /// How the photo is brought to that size.
    pub resize: String,
    /// Subtracted from red, green, blue on the scale of 0 to 1.
    pub mean: [f32; 3],
    /// Divides them.
    pub deviation: [f32; 3],
}

impl Preprocessing {
    /// EXIF orientation, square, antialiased, and normalised `by`.
    pub fn new(image_size: u32, by: Normalisation) -> Preprocessing {
        Preprocessing { image_size, resize: RESIZE.into(), mean: by.mean, deviation: by.deviation }
    }

    /// The usual one: with ImageNet's mean and deviation.
    pub fn of_side(image_size: u32) -> Preprocessing {
        Preprocessing::new(image_size, Normalisation::IMAGENET)
    }

    /// What photos are normalised by, of weights in the file at `path`.
    ///
    /// # Errors
    /// When this version does not prepare photos so.
    pub fn normalisation(&self, path: &Path) -> Result<Normalisation> {
        let bad = |reason: &str| Err(Error::Model { path: path.to_owned(), reason: reason.into() });
        let by = Normalisation { mean: self.mean, deviation: self.deviation };
        if self.resize != RESIZE {
            return bad("it wants another preprocessing than this version does");
        }
        if !by.is_usable() {
            return bad("its mean and deviation are not those of colours from 0 to 1");
        }
        Ok(by)
    }
}

/// How a photo is brought to its size here.
const RESIZE: &str = "upright, to a square, antialiased";

/// What a file of weights says about itself.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct About {
    /// Name in the table of backbones.
    pub backbone: String,
    /// Name of the head.
    pub head: String,
    /// Length of an embedding.
    pub embedding_dim: usize,
    /// How photos are prepared.
    pub preprocessing: Preprocessing,
}

impl About {
    /// What is written for an architecture.
    pub fn new(architecture: Architecture, preprocessing: Preprocessing) -> About {
        About {
            backbone: architecture.backbone.into(),
            head: architecture.head.name().into(),
            embedding_dim: architecture.dimensions,
            preprocessing,
        }
    }

    /// What is written for a network that sees photos of this size.
    pub fn of_network<D: Backend>(network: &Network<D>, image_size: u32) -> About {
        About::new(network.architecture, Preprocessing::new(image_size, network.normalisation))
    }

    /// What is said of bare weights, whose photos are normalised `by`.
    pub fn of_backbone(backbone: &'static Backbone, by: Normalisation) -> About {
        let (backbone, dimensions) = (backbone.name, backbone.features());
        let architecture = Architecture { backbone, head: HeadKind::Pooled, dimensions };
        About::new(architecture, Preprocessing::new(USUAL_SIDE, by))
    }

    fn architecture(&self, path: &Path) -> Result<Architecture> {
        let bad = |reason: String| Error::Model { path: path.to_owned(), reason };
        let backbone = Backbone::named(&self.backbone).map_err(|e| bad(e.to_string()))?.name;
        let head = HeadKind::named(&self.head).ok_or_else(|| bad("its head is of a kind not known here".into()))?;
        // Anybody's file: what no run can be told would take any amount of memory here.
        let sizes = [
            ("model.embedding_dim", self.embedding_dim.to_string()),
            ("data.image_size", self.preprocessing.image_size.to_string()),
        ];
        for (key, size) in sizes {
            field::find(key).and_then(|f| f.parse(&size)).map_err(|e| bad(e.to_string()))?;
        }
        let features = Backbone::named(backbone).map_or(0, Backbone::features);
        if head == HeadKind::Pooled && self.embedding_dim != features {
            return Err(bad(format!(
                "its embedding is {backbone}'s feature, of {features} numbers and not {}",
                self.embedding_dim
            )));
        }
        Ok(Architecture { backbone, head, dimensions: self.embedding_dim })
    }
}

/// A network ready to embed.
pub struct Model<D: Backend> {
    /// The network.
    pub network: Network<D>,
    /// What its file said, or what was recognised.
    pub about: About,
    /// SHA-256 over its weights, as [`identity`] makes it.
    pub identity: String,
    /// The whole line of JSON in its file, whatever wrote it; empty where there is none.
    pub said: String,
    /// The file.
    pub path: PathBuf,
}

impl<D: Backend> Model<D> {
    /// Reads the network in `path`.
    ///
    /// # Errors
    /// When the file cannot be read, holds no network known here, or a preprocessing that this version does not do.
    pub fn load(device: &D, path: &Path) -> Result<Model<D>> {
        let bad = |reason: String| Error::Model { path: path.to_owned(), reason };
        let mut file = WeightFile::read(path)?;
        let bare = Bare::of(path, &file.about)?;
        let about = if file.about.is_empty() || bare.is_some() {
            let found = recognise(path, WeightFile { about: String::new(), ..file }, None)?;
            file = found.file;
            let told = bare.or_else(|| normalisation::beside(path));
            About::of_backbone(found.backbone, told.map_or(Normalisation::IMAGENET, |told| told.by))
        } else {
            serde_json::from_str(&file.about).map_err(|e| bad(format!("what it says of itself does not read: {e}")))?
        };
        let normalisation = about.preprocessing.normalisation(path)?;
        let architecture = about.architecture(path)?;
        let mut network = Network::new(device, architecture, 0)?;
        file.load_network(path, &mut network)?;
        network.normalisation = normalisation;
        let identity = identity(&network)?;
        Ok(Model { network, about, identity, said: file.about, path: path.to_owned() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use dfdx::prelude::Cpu;

    fn write(path: &Path, about: &str, head: HeadKind) -> String {
        let architecture = Architecture { backbone: "resnet18", head, dimensions: 32 };
        let network = Network::new(&Cpu::default(), architecture, 3).unwrap();
        let mut file = WeightFile { about: about.into(), ..WeightFile::default() };
        file.insert_network(&network).unwrap();
        std::fs::write(path, file.to_bytes(path).unwrap()).unwrap();
        identity(&network).unwrap()
    }

    #[test]
    fn a_model_comes_back_as_it_says_or_as_it_is_recognised() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a.safetensors");
        let architecture = Architecture { backbone: "resnet18", head: HeadKind::Mlp, dimensions: 32 };
        let about = About::new(architecture, Preprocessing::of_side(96));
        let written = write(&path, &serde_json::to_string(&about).unwrap(), HeadKind::Mlp);
        let model = Model::load(&Cpu::default(), &path).unwrap();
        assert_eq!((model.identity, model.about), (written, about));

        write(&path, "", HeadKind::Pooled);
        let model = Model::load(&Cpu::default(), &path).unwrap();
        assert_eq!((model.about.backbone.as_str(), model.about.embedding_dim), ("resnet18", 512));
        assert_eq!(model.about.preprocessing.image_size, USUAL_SIDE);
    }

    #[test]
    fn what_does_not_fit_is_told_why() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a.safetensors");
        let says = |about: &str, expected: &str| {
            write(&path, about, HeadKind::Pooled);
            let error = Model::load(&Cpu::default(), &path).err().unwrap().to_string();
            assert!(error.contains("a.safetensors") && error.contains(expected), "{error}");
        };
        says("{", "does not read");
        let mut about = About::new(
            Architecture { backbone: "resnet18", head: HeadKind::Mlp, dimensions: 32 },
            Preprocessing::of_side(96),
        );
        let text = |about: &About| serde_json::to_string(about).unwrap();
        says(&text(&about), "embedding.0.weight is missing");
        about.backbone = "resnet19".into();
        says(&text(&about), "resnet18");
        about.backbone = "resnet18".into();
        about.embedding_dim = 1 << 60;
        says(&text(&about), "model.embedding_dim = 1152921504606846976: must be a whole number from 2 to 4096");
        about.embedding_dim = 32;
        about.preprocessing.image_size = u32::MAX;
        says(&text(&about), "data.image_size = 4294967295: must be");
        about.preprocessing.image_size = 96;
        about.head = "pooled".into();
        says(&text(&about), "of 512 numbers and not 32");
        about.preprocessing.mean = [127.0; 3];
        says(&text(&about), "not those of colours from 0 to 1");
        about.preprocessing.resize = "short side".into();
        says(&text(&about), "another preprocessing");
        std::fs::write(&path, "not weights").unwrap();
        let error = Model::load(&Cpu::default(), &path).err().unwrap().to_string();
        assert!(error.contains("neither a safetensors file"), "{error}");
    }
}
