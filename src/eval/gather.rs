//! The embeddings of any photos, left in a folder: what `embed` does.

use std::path::Path;

use serde::{Deserialize, Serialize};

use crate::data::manifest::{Manifest, Problem};
use crate::nn::ops::Backend;
use crate::run::files;

use super::dataset::photo_row;
use super::embed::{Embedded, Source, embed_readable};
use super::embeddings::{EmbeddingSet, Role};
use super::model::{Model, Preprocessing};
use super::{Error, Result};

/// What the embeddings beside it are: whoever compares them with others looks here first.
pub const ABOUT_FILE: &str = "embeddings.json";

/// What embeddings say of themselves.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct AboutEmbeddings {
    /// The weights: run and checkpoint, or file.
    pub model: String,
    /// SHA-256 over the weights. Embeddings of another are not to be compared with these.
    pub identity: String,
    /// How photos were prepared.
    pub preprocessing: Preprocessing,
    /// Rows.
    pub photos: usize,
    /// Numbers in each.
    pub embedding_dim: usize,
}

/// Embeds every photo of `manifest` with `model`, which a person calls `name`, and leaves `embeddings.npy`,
/// `photos.csv` and `embeddings.json` in `folder`, made if need be. The problems are the manifest's and those of
/// photos that could not be read; these were left out. `progress` as for [`embed_readable`].
///
/// # Errors
/// When files of these names lie there that are not ours, no photo can be read, the network fails, `progress` said no ([`Error::Interrupted`]), or a file cannot be
/// written.
pub fn gather<D: Backend>(
    model: &Model<D>,
    name: &str,
    manifest: &Manifest,
    folder: &Path,
    source: &Source,
    progress: &mut dyn FnMut(usize, usize) -> bool,
) -> Result<(AboutEmbeddings, Vec<Problem>)> {
    files::create_folder(folder)?;
    let are_ours =
        std::fs::read(folder.join(ABOUT_FILE)).is_ok_and(|b| serde_json::from_slice::<AboutEmbeddings>(&b).is_ok());
    let about = Some(folder.join(ABOUT_FILE)).filter(|path| path.exists());
    if let Some(path) = about.or_else(|| EmbeddingSet::in_the_way(folder)).filter(|_| !are_ours) {
        return Err(Error::Foreign { path });
    }
    let all: Vec<usize> = (0..manifest.photos.len()).collect();
    let Embedded { usable, vectors, problems } = embed_readable(model, manifest, &all, source, progress)?;
    if let (true, Some(first)) = (usable.is_empty(), problems.first()) {
        return Err(Error::NothingReadable { photos: all.len(), first: Box::new(first.clone()) });
    }
    let rows = usable.iter().map(|&i| photo_row(manifest, i, Role::None)).collect();
    let set = EmbeddingSet::new(model.about.embedding_dim, vectors, rows)?;
    let about = AboutEmbeddings {
        model: name.to_owned(),
        identity: model.identity.clone(),
        preprocessing: model.about.preprocessing.clone(),
        photos: set.len(),
        embedding_dim: set.dim,
    };
    set.write(folder)?;
    files::replace_json(&folder.join(ABOUT_FILE), &about)?;
    Ok((about, manifest.problems.iter().cloned().chain(problems).collect()))
}

#[cfg(test)]
mod tests {
    use super::super::embed::tests::stage;
    use super::*;
    use crate::data::cache::PhotoCache;
    use std::sync::Arc;

    #[test]
    fn embeddings_say_whose_they_are_and_what_was_left_out_is_told() {
        let (dir, m, model) = stage(3);
        let source = Source { cache: Arc::new(PhotoCache::open(None)), workers: 0 };
        let out = dir.path().join("out");
        std::fs::write(m.full_path(1), "no photo").unwrap();
        let (about, problems) = gather(&model, "m", &m, &out, &source, &mut |_, _| true).unwrap();
        assert_eq!((about.photos, about.embedding_dim, problems.len()), (2, 16, 1));
        let read: AboutEmbeddings = serde_json::from_slice(&std::fs::read(out.join(ABOUT_FILE)).unwrap()).unwrap();
        assert_eq!(read, about);
        assert_eq!(EmbeddingSet::read(&out).unwrap().len(), 2);
        // others' files stay; ours are made anew
        gather(&model, "m", &m, &out, &source, &mut |_, _| true).unwrap();
        std::fs::remove_file(out.join(ABOUT_FILE)).unwrap();
        let error = gather(&model, "m", &m, &out, &source, &mut |_, _| true).unwrap_err().to_string();
        assert!(error.contains("embeddings.npy"), "{error}");
        let out = dir.path().join("other");
        (0..3).for_each(|i| std::fs::write(m.full_path(i), "no photo").unwrap());
        let error = gather(&model, "m", &m, &out, &source, &mut |_, _| true).unwrap_err().to_string();
        assert!(error.contains("0.jpg"), "{error}");
    }
}
