//! Two photos held against each other: their distance, what it means for the model, and a picture of it.

use std::path::Path;

use crate::data::decode::PhotoFile;
use crate::data::foreign;
use crate::nn::ops::Backend;

use super::dataset::thumbnail;
use super::embed::{Source, embed};
use super::figures::{Drawing, PairFigure, Shown, pair_figure};
use super::model::Model;
use super::retrieval::distance;
use super::verdict::{Distances, Verdict};
use super::{Error, Result};

/// What is known of two photos.
#[derive(Clone, Debug)]
pub struct Compared {
    /// Euclidean, between unit embeddings: 0 to 2.
    pub distance: f64,
    /// What that means, where distances of this model are known.
    pub verdict: Option<Verdict>,
    /// The photos side by side, with the distance and, where known, those of other pairs.
    pub picture: Drawing,
}

/// Embeds two photos with `model`, which a person calls `name`, and holds their distance against `known`.
///
/// # Errors
/// When a photo cannot be read, the network fails, or `known` are distances of other weights.
pub fn compare<D: Backend>(
    model: &Model<D>,
    name: &str,
    photos: &[PhotoFile; 2],
    known: Option<&Distances>,
    source: &Source,
) -> Result<Compared> {
    if let Some(known) = known.filter(|known| known.identity != model.identity) {
        return Err(Error::OtherWeights { measured: known.model.clone(), asked: name.to_owned() });
    }
    let side = model.about.preprocessing.image_size;
    let vectors = embed(&model.network, side, photos.clone().to_vec(), source, |_| true)?;
    let (a, b) = vectors.split_at(model.about.embedding_dim);
    let distance = distance(a, b);
    let verdict = known.map(|known| known.verdict(distance));
    let [left, right] = photos.each_ref().map(thumbnail);
    let [left_name, right_name] =
        photos.each_ref().map(|p| p.path.file_name().map_or_else(String::new, |n| foreign::path(Path::new(n))));
    let picture = pair_figure(&PairFigure {
        title: "Two photos",
        words: name,
        left: Shown { photo: &left, individual: &left_name, encounter: "" },
        right: Shown { photo: &right, individual: &right_name, encounter: "" },
        distance,
        sentence: verdict.as_ref().map_or(UNKNOWN, |verdict| &verdict.sentence),
        distances: known,
    });
    Ok(Compared { distance, verdict, picture })
}

/// What is said where no distances are known.
pub const UNKNOWN: &str =
    "What that means is not known yet: an evaluation of these weights leaves their distances behind.";

#[cfg(test)]
mod tests {
    use super::super::embed::tests::stage;
    use super::super::histogram::Histogram;
    use super::*;
    use crate::data::cache::PhotoCache;
    use std::sync::Arc;

    #[test]
    fn two_photos_have_a_distance_a_verdict_and_a_picture() {
        let (_dir, m, model) = stage(2);
        let source = Source { cache: Arc::new(PhotoCache::open(None)), workers: 0 };
        let ask = |photos: [usize; 2], known: Option<&Distances>| {
            compare(&model, "m", &photos.map(|i| m.file(i)), known, &source)
        };
        let alone = ask([0, 1], None).unwrap();
        assert!(alone.distance > 0.0 && alone.distance <= 2.0 && alone.verdict.is_none());
        let of = |identity: &str| Distances {
            dataset: "d".into(),
            split: "s".into(),
            model: "another".into(),
            identity: identity.into(),
            same: Histogram::of((0..100).map(|i| f64::from(i) * 0.001)),
            different: Histogram::of((0..100).map(|i| 1.0 + f64::from(i) * 0.001)),
        };
        let same = ask([0, 0], Some(&of(&model.identity))).unwrap();
        assert!(same.distance < 1e-3 && same.verdict.unwrap().sentence.contains("one individual"));
        assert!(same.picture.picture.height() > alone.picture.picture.height());
        let error = ask([0, 1], Some(&of("other weights"))).unwrap_err().to_string();
        assert!(error.contains("another") && error.contains("caretta evaluate"), "{error}");
    }
}
