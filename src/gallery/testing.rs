//! Galleries for the tests of this folder.

use std::collections::BTreeSet;

use proptest::prelude::*;

use super::known::{Known, KnownPhoto};

/// Photos at angles on a circle, in degrees: whose, which encounter, where. Individuals are in the order of their names.
pub(super) fn on_circle(photos: &[(&str, usize, f32)]) -> Known {
    let at = |degrees: f32| [degrees.to_radians().cos(), degrees.to_radians().sin()];
    let embeddings = photos.iter().flat_map(|&(.., degrees)| at(degrees)).collect();
    of(2, embeddings, photos.iter().map(|&(name, encounter, _)| (name.to_owned(), encounter)).collect())
}

/// A gallery of photos that trained nothing.
pub(super) fn of(dims: usize, embeddings: Vec<f32>, photos: Vec<(String, usize)>) -> Known {
    let names: Vec<String> =
        photos.iter().map(|(name, _)| name).collect::<BTreeSet<_>>().into_iter().cloned().collect();
    let place = |name: &String| names.iter().position(|other| other == name).unwrap();
    let photos: Vec<KnownPhoto> = (photos.iter().enumerate())
        .map(|(id, (name, encounter))| KnownPhoto {
            id: id as u64,
            individual: place(name),
            encounter: *encounter,
            side: None,
            trained: Some(false),
        })
        .collect();
    Known::new(dims, embeddings, photos, names).unwrap()
}

/// Small galleries on a circle, some with equal photos.
pub(super) fn known() -> impl Strategy<Value = Known> {
    prop::collection::vec((0_usize..6, 0_usize..3, 0_u8..24, any::<Option<bool>>()), 1..30).prop_map(|photos| {
        let encounters: BTreeSet<(usize, usize)> = photos.iter().map(|&(who, day, ..)| (who, day)).collect();
        let place = |at: (usize, usize)| encounters.iter().position(|&other| other == at).unwrap();
        let names = ["a", "b", "c", "d", "e", "f"];
        let listed: Vec<_> =
            (photos.iter()).map(|&(who, day, at, _)| (names[who], place((who, day)), f32::from(at) * 15.0)).collect();
        let mut known = on_circle(&listed);
        known.photos.iter_mut().zip(photos).for_each(|(photo, (.., trained))| photo.trained = trained);
        known
    })
}
