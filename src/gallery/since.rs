//! What is near to photos that came to an encounter since it was decided: whether they are of that individual is judged by them alone,
//! against all that the gallery has, the encounter's own earlier photos among it.

use super::Result;
use super::identify::{Catalogue, NearIndividual, NearPhoto};
use super::seen::Seen;

/// What is near to them.
#[derive(Clone, Debug)]
pub struct Since {
    /// The nearest individuals.
    pub individuals: Vec<NearIndividual>,
    /// Of each its nearest photo.
    pub best: Vec<NearPhoto>,
    /// Which photos, and by which version of the gallery.
    of: (Vec<usize>, (u64, u64)),
}

impl Since {
    /// Of the photos of `seen` at these places, by what the gallery of `catalogue` has, which is of this version.
    ///
    /// # Errors
    /// When the gallery cannot be read.
    pub(super) fn of(catalogue: &Catalogue, seen: &Seen, later: &[usize], version: (u64, u64)) -> Result<Since> {
        let dims = catalogue.gallery().embedding().dims;
        let rows = later.iter().flat_map(|&at| &seen.vectors[at * dims..(at + 1) * dims]);
        let rows: Vec<f32> = rows.copied().collect();
        let of = (later.to_vec(), version);
        let Some(ranked) = catalogue.rank(&[&rows])?.pop() else {
            return Ok(Since { individuals: Vec::new(), best: Vec::new(), of });
        };
        let individual = |near: &super::proposal::Candidate| NearIndividual {
            individual: catalogue.individuals()[near.individual].clone(),
            distance: near.distance,
        };
        let individuals = ranked.individuals.iter().map(individual).collect();
        Ok(Since { individuals, best: catalogue.photos(&ranked.best)?, of })
    }

    /// Whether it is of these photos, by this version of the gallery.
    pub(super) fn is_of(&self, later: &[usize], version: (u64, u64)) -> bool {
        self.of.0 == later && self.of.1 == version
    }

    /// For a test of what is shown.
    #[cfg(test)]
    pub(crate) fn shown(individuals: Vec<NearIndividual>, best: Vec<NearPhoto>) -> Since {
        Since { individuals, best, of: (Vec::new(), (0, 0)) }
    }
}
