//! Who an encounter could be: the known individuals by distance, and what of it a decision may rest on.
//!
//! An encounter's distance to an individual is the mean, over its photos, of the distance to that individual's nearest
//! photo. On 2000 encounters of two photos of 500 synthetic turtles, none of which had trained the network, the first
//! individual was right for .590 of them; by the nearest pair for .529, by the mean of the embeddings for .560.

use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use super::apart::each_encounter;
use super::known::{Known, KnownPhoto};
use super::{Error, Result};

/// Individuals after the nearest that tell what a distance to a stranger looks like here.
const OTHERS: usize = 5;
/// Encounters of the gallery that are asked about at once.
const TOGETHER: usize = 16;

/// A known individual, as one that an encounter may show.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Candidate {
    /// A place in [`Known::individuals`].
    pub individual: usize,
    /// Mean over the encounter's photos of the Euclidean distance to its nearest photo, 0 to 2.
    pub distance: f64,
}

/// What a decision rests on.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Evidence {
    /// Distance to the nearest individual.
    pub nearest: f64,
    /// Mean distance to the five individuals after it, or as many as there are.
    pub others: f64,
}

impl Evidence {
    /// Higher for who looks new: how far the nearest is, plus how little it stands out from the others. Of the
    /// combinations tried on synthetic turtles and on SeaTurtleID's, none told known from new and right names from wrong
    /// ones better on all of them; the nearest distance alone named .179 and this .247 of the known at .05 false names.
    pub fn score(&self) -> f64 {
        2.0 * self.nearest - self.others
    }
}

/// The known individuals for one encounter.
#[derive(Clone, Debug, PartialEq)]
pub struct Proposal {
    /// Every individual, the nearest first; of equally near ones the earlier in the gallery.
    pub candidates: Vec<Candidate>,
}

impl Proposal {
    /// What a decision rests on; none where fewer than two individuals are known.
    pub fn evidence(&self) -> Option<Evidence> {
        let (nearest, others) = self.candidates.split_first()?;
        let others = &others[..others.len().min(OTHERS)];
        let sum: f64 = others.iter().map(|other| other.distance).sum();
        (!others.is_empty()).then(|| Evidence { nearest: nearest.distance, others: sum / others.len() as f64 })
    }

    fn ranked(mut candidates: Vec<Candidate>) -> Proposal {
        candidates.sort_by(|a, b| a.distance.total_cmp(&b.distance)); // stable: ties by place
        Proposal { candidates }
    }
}

/// Individuals by how far each is, as [`ByIndividual`] has it, without those that are infinitely far.
pub(super) fn candidates(apart: &[f64]) -> Vec<Candidate> {
    let near = apart.iter().enumerate().filter(|(_, distance)| distance.is_finite());
    near.map(|(individual, &distance)| Candidate { individual, distance }).collect()
}

/// The proposal for one encounter, whose photos' embeddings of `dims` numbers lie row after row in `photos`; `candidates` are
/// the individuals by how far they are from them, in their order.
///
/// # Errors
/// When there is no photo, when the numbers do not make rows of the gallery's dimensions, or are not finite.
pub(super) fn propose(dims: usize, photos: &[f32], candidates: Vec<Candidate>) -> Result<Proposal> {
    if photos.is_empty() || dims == 0 || !photos.len().is_multiple_of(dims) {
        let reason = format!("{} numbers are no photos of {dims} dimensions", photos.len());
        return Err(Error::Query { reason });
    }
    check(photos, dims)?;
    Ok(Proposal::ranked(candidates))
}

/// An encounter of the gallery that was asked about as if it had just come in.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct HeldOut {
    /// Whose it is.
    pub(super) individual: usize,
    /// Its individual was left out altogether; else only the encounter was.
    pub(super) is_new: bool,
    /// The nearest individual is its own.
    pub(super) is_right: bool,
    /// What a decision rests on.
    pub(super) evidence: Evidence,
}

/// Asks about each of `encounters`, its rows, twice: its individual known by its other encounters, and its individual left out.
/// Only what leaves two individuals to rank, and in the first case one encounter of its own, can be asked.
pub(super) fn hold_out(known: &Known, encounters: &[Vec<usize>]) -> Vec<HeldOut> {
    encounters.par_chunks(TOGETHER).map(|encounters| held_out_at_once(known, encounters)).flatten().collect()
}

fn held_out_at_once(known: &Known, encounters: &[Vec<usize>]) -> Vec<HeldOut> {
    let photos_of = |rows: &Vec<usize>| rows.iter().flat_map(|&row| known.embedding(row)).copied().collect();
    let photos: Vec<Vec<f32>> = encounters.iter().map(photos_of).collect();
    let own: Vec<Option<KnownPhoto>> =
        encounters.iter().map(|rows| rows.first().map(|&row| known.photos[row])).collect();
    let is_other = |of: usize, row: usize| own[of].is_some_and(|own| own.encounter != known.photos[row].encounter);
    let mut held = Vec::with_capacity(2 * encounters.len());
    for (own, mut apart) in own.iter().zip(each_encounter(known, &photos, is_other)) {
        let Some(own) = own else { continue };
        let ask = |apart: &[f64], is_new| {
            let proposal = Proposal::ranked(candidates(apart));
            let is_right = proposal.candidates.first().is_some_and(|nearest| nearest.individual == own.individual);
            let evidence = proposal.evidence()?;
            Some(HeldOut { individual: own.individual, is_new, is_right, evidence })
        };
        held.extend(apart[own.individual].is_finite().then(|| ask(&apart, false)).flatten());
        apart[own.individual] = f64::INFINITY;
        held.extend(ask(&apart, true));
    }
    held
}

/// The distance of an encounter to each individual, by the rows that `counts`; infinite where none does.
#[cfg(test)]
pub(super) fn distances(known: &Known, photos: &[f32], counts: impl Fn(usize) -> bool) -> Vec<f64> {
    let mut individuals = super::apart::ByIndividual::new(known);
    super::apart::each_photo(known, photos, |apart| individuals.take(apart, &counts));
    individuals.means()
}

/// Whether every number is one.
pub(super) fn check(photos: &[f32], dims: usize) -> Result<()> {
    match photos.iter().position(|x| !x.is_finite()) {
        None => Ok(()),
        Some(at) => {
            let reason = format!("number {} of photo {} is {}", at % dims.max(1) + 1, at / dims.max(1) + 1, photos[at]);
            Err(Error::Query { reason })
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::{known, on_circle, proposed};
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn each_photo_counts_by_its_own_nearest() {
        // b has a photo near each of the two, a is nearest to one of them
        let known = on_circle(&[("a", 0, 0.0), ("b", 1, 10.0), ("b", 2, 90.0), ("c", 3, 180.0)]);
        let photos = on_circle(&[("q", 0, 4.0), ("q", 0, 91.0)]).embeddings;
        let found = proposed(&known, &photos).unwrap();
        let order: Vec<_> = found.candidates.iter().map(|c| known.individuals[c.individual].as_str()).collect();
        assert_eq!(order, ["b", "a", "c"]);
        let chord = |degrees: f64| 2.0 * (degrees / 2.0).to_radians().sin();
        assert!((found.candidates[0].distance - f64::midpoint(chord(6.0), chord(1.0))).abs() < 1e-5);
        let evidence = found.evidence().unwrap();
        assert!((evidence.nearest - found.candidates[0].distance).abs() < 1e-12);
        assert!(
            (evidence.others - f64::midpoint(found.candidates[1].distance, found.candidates[2].distance)).abs() < 1e-12
        );
        // one that stands out looks less new than one among many
        let near = |others| Evidence { nearest: 0.5, others }.score();
        assert!(near(1.2) < near(0.6));
    }

    #[test]
    fn an_encounter_held_out_does_not_find_itself() {
        let known = on_circle(&[("a", 0, 0.0), ("a", 0, 1.0), ("a", 1, 40.0), ("b", 2, 60.0), ("c", 3, 180.0)]);
        let rows = known.rows_of_encounters();
        let kinds = |asked: &[HeldOut]| asked.iter().map(|a| (a.is_new, a.is_right)).collect::<Vec<_>>();
        let asked = hold_out(&known, &rows[..1]);
        assert_eq!(kinds(&asked), [(false, true), (true, false)]);
        let chord = |degrees: f64| 2.0 * (degrees / 2.0).to_radians().sin();
        assert!((asked[0].evidence.nearest - f64::midpoint(chord(40.0), chord(39.0))).abs() < 1e-5);
        assert!((asked[1].evidence.nearest - f64::midpoint(chord(60.0), chord(59.0))).abs() < 1e-5);
        assert_eq!(kinds(&hold_out(&known, &rows[1..2])), [(false, false), (true, false)]);
        // an individual of one encounter can only be new
        assert_eq!(kinds(&hold_out(&known, &rows[2..3])), [(true, false)]);
        assert!(hold_out(&known, &[]).is_empty() && hold_out(&known, &[Vec::new()]).is_empty());
    }

    #[test]
    fn photos_that_are_none_are_refused() {
        let known = on_circle(&[("a", 0, 0.0), ("b", 1, 10.0)]);
        for (photos, word) in
            [(&[][..], "0 numbers"), (&[1.0], "1 numbers"), (&[1.0, 0.0, f32::NAN, 0.0], "photo 2 is NaN")]
        {
            let error = proposed(&known, photos).unwrap_err().to_string();
            assert!(error.contains(word), "{error}");
        }
        let nobody = Known { dims: 2, ..Known::default() };
        assert_eq!(proposed(&nobody, &[1.0, 0.0]).unwrap().evidence(), None);
    }

    proptest! {
        #[test]
        fn nobody_is_lost_and_nearer_comes_first(known in known(), degrees in 0_f32..360.0) {
            let photo = [degrees.to_radians().cos(), degrees.to_radians().sin()];
            let found = proposed(&known, &photo).unwrap();
            let mut all: Vec<_> = found.candidates.iter().map(|c| c.individual).collect();
            prop_assert!(found.candidates.windows(2).all(|pair| pair[0].distance <= pair[1].distance));
            all.sort_unstable();
            prop_assert_eq!(all, (0..known.individuals.len()).collect::<Vec<_>>());
            for rows in known.rows_of_encounters() {
                prop_assert!(hold_out(&known, &[rows]).len() <= 2);
            }
        }
    }
}
