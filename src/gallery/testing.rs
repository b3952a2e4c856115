//! Galleries for the tests of this folder.

use std::collections::BTreeSet;

use proptest::prelude::*;
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

use super::Result;
use super::known::{Known, KnownPhoto};
use super::proposal::{Proposal, candidates, distances, propose};

/// Whom an encounter of these photos could be.
pub(super) fn proposed(known: &Known, photos: &[f32]) -> Result<Proposal> {
    propose(known.dims, photos, candidates(&distances(known, photos, |_| true)))
}

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

/// Individuals on a sphere of `dims` dimensions, each encounter of one photo off by about `spread`, from a seed.
pub(super) fn drawn(individuals: usize, encounters: usize, spread: f64, seed: u64) -> Known {
    const DIMS: usize = 12;
    let mut random = ChaCha8Rng::seed_from_u64(seed);
    let mut normal = || {
        let [a, b]: [f64; 2] = [random.random(), random.random()];
        (-2.0 * (1.0 - a).ln()).sqrt() * (std::f64::consts::TAU * b).cos()
    };
    let (mut embeddings, mut photos) = (Vec::new(), Vec::new());
    for who in 0..individuals {
        let centre: Vec<f64> = (0..DIMS).map(|_| normal()).collect();
        let own = spread * (0.5 + normal().abs()); // some are harder to know than others
        for _ in 0..encounters {
            let photo: Vec<f64> = centre.iter().map(|x| x + own * normal()).collect();
            let length = photo.iter().map(|x| x * x).sum::<f64>().sqrt();
            embeddings.extend(photo.iter().map(|x| (x / length) as f32));
            photos.push((format!("{who:05}"), photos.len()));
        }
    }
    of(DIMS, embeddings, photos)
}
