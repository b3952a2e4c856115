//! `--gallery`: a gallery with its networks, for the verbs that ask or change one.

use std::path::{Path, PathBuf};

use anyhow::Result;
use clap::Args;

use crate::data::fingerprint::Fingerprint;
use crate::data::formats;
use crate::data::manifest::{Manifest, Part};
use crate::data::split::{SplitChoice, assign};
use crate::eval::boxes::Looker;
use crate::eval::model::Model;
use crate::gallery::about::{Embedding, Networks, Seen};
use crate::gallery::store::Gallery;
use crate::gallery::trained::Trained;
use crate::nn::ops::Backend;
use crate::run::RunDir;
use crate::train::checkpoint;
use crate::train::setup::split_of;

use super::Context;
use super::crop::CropFlag;
use super::evaluate::Chosen;

/// Which gallery.
#[derive(Debug, Clone, Args)]
pub(super) struct GalleryFlag {
    /// The gallery's folder
    #[arg(long, value_name = "PATH")]
    pub(super) gallery: PathBuf,
}

/// Which gallery, and its model where that was moved.
#[derive(Debug, Clone, Args)]
pub(super) struct ModelFlags {
    #[command(flatten)]
    of: GalleryFlag,
    /// Where the gallery's model lies now [default: where it was]
    #[arg(long, alias = "model_path", value_name = "MODEL")]
    model_path: Option<PathBuf>,
}

impl ModelFlags {
    /// The gallery's folder.
    pub(super) fn folder(&self) -> &Path {
        &self.of.gallery
    }

    /// The networks of `gallery`, which is this one.
    ///
    /// # Errors
    /// As [`OfGallery::load`].
    pub(super) fn load<D: Backend>(&self, context: &Context, device: &D, gallery: &Gallery) -> Result<OfGallery<D>> {
        OfGallery::load(context, device, gallery, self.model_path.as_deref())
    }
}

/// The networks of a gallery, loaded.
pub(super) struct OfGallery<D: Backend> {
    pub(super) model: Model<D>,
    pub(super) looker: Option<Looker>,
    pub(super) chosen: Chosen,
}

impl<D: Backend> OfGallery<D> {
    /// The networks of `gallery`, its model from `given` where that is said.
    ///
    /// # Errors
    /// When they are gone, or `given` is another model.
    pub(super) fn load(context: &Context, device: &D, gallery: &Gallery, given: Option<&Path>) -> Result<OfGallery<D>> {
        let stored = given.map_or_else(|| gallery.model_file(), |given| Ok(given.to_path_buf()))?;
        let mut chosen = Chosen::of(context, &stored, None)?;
        let model = chosen.load(device)?;
        let looker = gallery.looker()?.map(|(path, hash)| Looker { path, hash });
        let of = OfGallery { model, looker, chosen };
        gallery.accept(&of.embedding())?;
        Ok(of)
    }

    /// Those for a gallery that is made or embedded anew: the model at `given`, and the network that `crop` has look.
    ///
    /// # Errors
    /// When there is no such model, or it says of no network that can look.
    pub(super) fn of_model(context: &Context, device: &D, given: &Path, crop: &CropFlag) -> Result<OfGallery<D>> {
        let mut chosen = Chosen::of(context, given, None)?;
        let model = chosen.load(device)?;
        let config = chosen.run.as_ref().map(RunDir::read_config).transpose()?;
        let looker = crop.looker(context, config.as_ref(), &model)?;
        Ok(OfGallery { model, looker, chosen })
    }

    /// The network that looks, loaded, where photos are seen so.
    ///
    /// # Errors
    /// When it cannot be read.
    pub(super) fn looking(&self, device: &D) -> Result<Option<Model<D>>> {
        Ok(self.looker.as_ref().map(|looker| Model::load(device, &looker.path)).transpose()?)
    }

    /// What they make of photos.
    pub(super) fn embedding(&self) -> Embedding {
        Embedding {
            identity: self.model.identity.clone(),
            preprocessing: self.model.about.preprocessing.clone(),
            dims: self.model.about.embedding_dim,
            seen: self.looker.as_ref().map_or(Seen::Drawn, |looker| Seen::Attention { by: looker.hash.clone() }),
        }
    }

    /// Where they lie, from any folder.
    pub(super) fn networks(&self) -> Networks {
        let absolute = |path: &Path| std::path::absolute(path).unwrap_or_else(|_| path.to_path_buf());
        Networks {
            model: self.chosen.name.clone(),
            path: absolute(&self.chosen.path),
            looker: self.looker.as_ref().map(|looker| absolute(&looker.path)),
        }
    }
}

/// The photos that `model` was trained on: those of its run, or of `manifest` where its file says that it was trained on
/// such a part.
pub(super) fn trained<D: Backend>(chosen: &Chosen, model: &Model<D>, manifest: Option<&Manifest>) -> Trained {
    let seen = checkpoint::told(&model.said).map(|told| told.data.train);
    let of_run = chosen.run.as_ref().and_then(|run| photos_of_run(run, seen.as_ref()));
    let photos = of_run.or_else(|| {
        let (manifest, seen) = (manifest?, seen?);
        let columns = manifest.split_columns.keys().map(|name| SplitChoice::Column(name.clone()));
        let splits = std::iter::once(SplitChoice::Auto).chain(columns);
        splits.filter_map(|choice| assign(manifest, &choice).ok()).find_map(|split| {
            let train = split.photos(Part::Train);
            (Fingerprint::of(manifest, &train) == seen).then(|| paths(manifest, &train))
        })
    });
    Trained::on(photos.as_deref())
}

/// The training photos of a run, as its dataset was corrected then; none where its folder holds others now, of which a split
/// deals otherwise.
fn photos_of_run(run: &RunDir, seen: Option<&Fingerprint>) -> Option<Vec<PathBuf>> {
    let data = run.read_config().ok()?.data;
    let manifest = formats::open(data.dir.as_ref(), &run.read_corrections().ok()?).ok()?;
    let train = split_of(&data, &manifest).ok()?.photos(Part::Train);
    (seen == Some(&Fingerprint::of(&manifest, &train))).then(|| paths(&manifest, &train))
}

fn paths(manifest: &Manifest, photos: &[usize]) -> Vec<PathBuf> {
    photos.iter().map(|&photo| manifest.full_path(photo)).collect()
}
