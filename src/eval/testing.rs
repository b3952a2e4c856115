//! Small random sets for the tests of this folder, with many ties, shared encounters, photos of
//! unknown individuals and every role. Not compiled into the program.

use proptest::prelude::*;

use super::embeddings::{EmbeddingSet, PhotoRow, Role};

/// A row of a set.
pub(super) fn row(photo: &str, individual: &str, encounter: &str, role: Role) -> PhotoRow {
    PhotoRow { photo: photo.into(), individual: individual.into(), encounter: encounter.into(), role, side: None }
}

/// Rows divided by their length.
pub(super) fn unit(rows: &[&[f32]]) -> Vec<f32> {
    let mut all = Vec::new();
    for row in rows {
        let length = row.iter().map(|x| x * x).sum::<f32>().sqrt();
        all.extend(row.iter().map(|x| x / length));
    }
    all
}

/// Sets with at least one query and one photo of the gallery. Embeddings come from few directions,
/// so that ties abound.
pub(super) fn sets() -> impl Strategy<Value = EmbeddingSet> {
    let role =
        prop::sample::select(vec![Role::Query, Role::Query, Role::Gallery, Role::Gallery, Role::Both, Role::None]);
    let photo = (0_usize..5, 0_usize..4, role, 0_usize..9);
    prop::collection::vec(photo, 2..40).prop_map(|photos| {
        let mut rows = Vec::new();
        let mut vectors = Vec::new();
        for (index, (individual, encounter, role, direction)) in photos.into_iter().enumerate() {
            // The last of each is unknown: nobody's photo, and an undated one.
            let individual = ["a", "b", "c", "d", ""][individual];
            let encounter = ["2011-07-01", "2012-06-30", "2013-08-01", ""][encounter];
            let role = match index {
                0 => Role::Query,
                1 => Role::Gallery,
                _ => role,
            };
            rows.push(row(&format!("{index}.jpg"), individual, encounter, role));
            let angle = direction as f32 * 0.35;
            vectors.extend(unit(&[&[angle.cos(), angle.sin(), 0.3]]));
        }
        EmbeddingSet::new(3, vectors, rows).expect("the strategy makes valid sets")
    })
}
