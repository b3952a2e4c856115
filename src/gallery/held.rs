//! Photos asked about that a gallery holds already: they are told as such, and no photo is near to itself.

use std::collections::{BTreeMap, HashSet};

use rusqlite::{Row, params};
use serde::{Deserialize, Serialize};

use crate::run::stamp::Stamp;

use super::Result;
use super::proposal::Candidate;
use super::ranks::{Ranked, Ranking};
use super::search::{Near, nearest};
use super::store::Gallery;

/// What is in a photo's file, as one number.
pub(super) type Sha = [u8; 32];

/// A photo asked about that the gallery holds: the same file, wherever it lies.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Held {
    /// Its path as given.
    pub photo: String,
    /// Who is on it.
    pub individual: String,
    /// When that was written down.
    pub at: Stamp,
}

/// What a gallery holds of photos asked about together.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Holdings {
    /// Those that it holds.
    pub(super) held: Vec<Held>,
    /// The numbers of their copies.
    ids: HashSet<u64>,
}

/// A file's number from its digits; none where they are none.
pub(super) fn sha(digits: &str) -> Option<Sha> {
    let mut sha = [0; 32];
    for (n, byte) in sha.iter_mut().enumerate() {
        *byte = u8::from_str_radix(digits.get(2 * n..2 * n + 2)?, 16).ok()?;
    }
    Some(sha)
}

impl Gallery {
    /// Which of `photos`, by their paths as given with what is in their files, are there; those that came by a decision of
    /// `session`, a folder that is gone through, are not told.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub(super) fn holds<'a>(
        &self,
        photos: impl Iterator<Item = (&'a str, Sha)>,
        session: Option<&str>,
    ) -> Result<Holdings> {
        let query = "SELECT p.id, i.name, c.at FROM photos p JOIN encounters e ON e.id = p.encounter
            JOIN individuals i ON i.id = e.individual JOIN changes c ON c.id = p.added
            WHERE p.gone IS NULL AND p.sha256 = ?1
                AND NOT EXISTS (SELECT 1 FROM decisions d WHERE d.change = p.added AND d.folder = ?2) ORDER BY p.id";
        let mut holdings = Holdings::default();
        for (photo, sha) in photos {
            let read = |row: &Row<'_>| Ok((row.get(0)?, row.get(1)?, Stamp::from_millis(row.get(2)?)));
            let found =
                || self.facts.connection.prepare_cached(query)?.query_map(params![sha, session], read)?.collect();
            let found: Vec<(u64, String, Stamp)> = self.facts.told(found())?;
            holdings.ids.extend(found.iter().map(|(id, ..)| id));
            // of one that is there with several crops the first
            holdings.held.extend(found.into_iter().next().map(|(_, individual, at)| Held {
                photo: photo.to_owned(),
                individual,
                at,
            }));
        }
        Ok(holdings)
    }
}

impl Holdings {
    /// Takes the photos' own copies out of `ranked`, which is of `query` by what is `known`; whose they are is as near as the
    /// others of that individual.
    ///
    /// # Errors
    /// When a query is no photos of the gallery's dimensions.
    pub(super) fn leave_out<R: Ranking>(&self, known: &R, query: &[f32], ranked: &mut Ranked) -> Result<()> {
        if self.ids.is_empty() {
            return Ok(());
        }
        let own = || known.photos().filter(|(_, id, _)| self.ids.contains(id));
        let gone: HashSet<usize> = own().map(|(row, ..)| row).collect();
        let mut others: BTreeMap<usize, Vec<usize>> = own().map(|(.., whose)| (whose, Vec::new())).collect();
        for (row, _, whose) in known.photos().filter(|(row, ..)| !gone.contains(row)) {
            if let Some(rows) = others.get_mut(&whose) {
                rows.push(row);
            }
        }
        ranked.photos.retain(|near| !gone.contains(&near.row));
        for (whose, rows) in others {
            let Some(at) = ranked.individuals.iter().position(|near| near.individual == whose) else { continue };
            ranked.individuals.remove(at);
            ranked.best.remove(at);
            if rows.is_empty() {
                continue; // nothing else is known of it
            }
            let near = nearest(&known.part(&rows)?, &[query]).swap_remove(0);
            let (Some(candidate), Some(best)) = (near.candidates.first(), near.photos.first()) else { continue };
            let distance = candidate.distance;
            let at = ranked.individuals.partition_point(|other| other.distance <= distance);
            ranked.individuals.insert(at, Candidate { individual: whose, distance });
            ranked.best.insert(at, Near { row: rows[best.row], distance: best.distance });
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::super::identify::Catalogue;
    use super::super::tests::small;
    use super::*;

    #[test]
    fn digits_are_a_number_or_none() {
        let digits = crate::data::hex::hex(&[7; 32]);
        assert_eq!(sha(&digits), Some([7; 32]));
        assert_eq!((sha(&digits[1..]), sha("x")), (None, None));
    }

    #[test]
    fn a_photo_that_is_held_is_told_and_is_not_near_to_itself() {
        let dir = tempfile::tempdir().unwrap();
        drop(small(&dir.path().join("g")));
        let catalogue = Catalogue::of(Gallery::open(&dir.path().join("g")).unwrap()).unwrap();
        let known = catalogue.gallery().known().unwrap();
        for (row, photo) in known.photos.iter().enumerate() {
            let stored: Sha = catalogue
                .gallery()
                .facts
                .connection
                .query_row("SELECT sha256 FROM photos WHERE id = ?1", [photo.id], |row| row.get(0))
                .unwrap();
            let holdings = catalogue.gallery().holds([("a.jpg", stored)].into_iter(), None).unwrap();
            let who = &known.individuals[photo.individual];
            let told: Vec<_> = holdings.held.iter().map(|held| (held.photo.as_str(), &held.individual)).collect();
            assert_eq!(told, [("a.jpg", who)]);
            let query = known.embedding(row);
            let mut ranked = catalogue.rank(&[query]).unwrap().swap_remove(0);
            assert!(ranked.photos.iter().any(|near| near.row == row));
            catalogue.leave_out(&holdings, query, &mut ranked).unwrap();
            assert!(ranked.photos.iter().chain(&ranked.best).all(|near| near.row != row));
            // as if it had never been there
            let others: Vec<usize> = (0..known.len()).filter(|other| *other != row).collect();
            let without = super::super::discover::part(&known, &others).unwrap();
            let expected = Ranking::rank(&without, &[query]).unwrap().swap_remove(0);
            let named = |known: &super::super::known::Known, ranked: &Ranked| {
                let all = ranked.individuals.iter();
                all.map(|near| (known.individuals[near.individual].clone(), near.distance)).collect::<Vec<_>>()
            };
            assert_eq!(named(&known, &ranked), named(&without, &expected), "{row}");
            let rows: Vec<usize> = expected.best.iter().map(|near| others[near.row]).collect();
            assert_eq!(ranked.best.iter().map(|near| near.row).collect::<Vec<_>>(), rows);
        }
        assert_eq!(catalogue.gallery().holds([("a.jpg", [99; 32])].into_iter(), None).unwrap(), Holdings::default());
    }
}
