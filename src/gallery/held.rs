//! Photos asked about that a gallery holds already: they are told as such, and no photo is near to itself.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::path::Path;

use rayon::prelude::*;
use rusqlite::{Row, params};
use serde::{Deserialize, Serialize};

use crate::data::cache::PhotoCache;
use crate::data::manifest::Manifest;
use crate::run::stamp::Stamp;

use super::Result;
use super::decision::Verdict;
use super::hash;
use super::proposal::Candidate;
use super::ranks::{Ranked, Ranking};
use super::search::{NEAREST, Near, nearest};
use super::stands::{ByPlace, Given, Stands};
use super::store::Gallery;
use super::writer::cells;

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

/// Who so many photos are: as was `decided`, else where all of them are `held` as one individual.
pub(super) fn settled_as<'a>(decided: Option<&'a Stands>, held: &'a [Held], photos: usize) -> Option<&'a str> {
    decided.and_then(|decided| decided.ruling.individual()).or_else(|| as_one(held, photos))
}

/// Those of `held` that are somebody else's than of who is called `name`.
pub(super) fn others<'a>(held: &'a [Held], name: &'a str) -> impl Iterator<Item = &'a Held> {
    held.iter().filter(move |held| held.individual != name)
}

/// Whom `held` photos show, in their order, each with how many.
pub fn by_individual<'a>(held: impl IntoIterator<Item = &'a Held>) -> Vec<(&'a str, usize)> {
    let mut all: Vec<(&str, usize)> = Vec::new();
    for held in held {
        match all.iter_mut().find(|(name, _)| *name == held.individual) {
            Some((_, count)) => *count += 1,
            None => all.push((&held.individual, 1)),
        }
    }
    all
}

/// Who so many photos are that a gallery holds, where it holds all of them as one individual.
pub(super) fn as_one(held: &[Held], photos: usize) -> Option<&str> {
    let first = held.first().filter(|_| held.len() == photos)?;
    held.iter().all(|other| other.individual == first.individual).then_some(&first.individual)
}

/// What a gallery holds of photos asked about together.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Holdings {
    /// Those that it holds.
    pub(super) held: Vec<Held>,
    /// The numbers of their copies.
    pub(super) ids: HashSet<u64>,
    /// What was decided of the encounter that they are, and stands.
    pub(super) decided: Option<Stands>,
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
    /// `own`, an encounter of a folder that is gone through, are not told: it is that encounter that is decided.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub(super) fn holds<'a>(
        &self,
        photos: impl Iterator<Item = (&'a str, Sha)>,
        own: Option<(&str, &str)>,
    ) -> Result<Holdings> {
        let query = "SELECT p.id, i.name, c.at FROM photos p JOIN encounters e ON e.id = p.encounter
            JOIN individuals i ON i.id = e.individual JOIN changes c ON c.id = p.added
            WHERE p.gone IS NULL AND p.sha256 = ?1
                AND NOT EXISTS (SELECT 1 FROM decisions d WHERE d.change = p.added AND d.folder = ?2
                    AND d.encounter = ?3) ORDER BY p.id";
        let (folder, encounter) = own.unzip();
        let mut holdings = Holdings::default();
        for (photo, sha) in photos {
            let read = |row: &Row<'_>| Ok((row.get(0)?, row.get(1)?, Stamp::from_millis(row.get(2)?)));
            let found = || {
                self.facts.connection.prepare_cached(query)?.query_map(params![sha, folder, encounter], read)?.collect()
            };
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

    /// Whether any of `files` is there as a photo of `individual`.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub(super) fn has_any_as(&self, individual: &str, files: impl Iterator<Item = Sha>) -> Result<bool> {
        let query = "SELECT EXISTS (SELECT 1 FROM photos p JOIN encounters e ON e.id = p.encounter
            JOIN individuals i ON i.id = e.individual WHERE p.gone IS NULL AND p.sha256 = ?1 AND i.name = ?2)";
        for sha in files {
            let is_there = || {
                let mut query = self.facts.connection.prepare_cached(query)?;
                query.query_row(params![sha, individual], |row| row.get(0))
            };
            if self.facts.told::<bool>(is_there())? {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Whether any of `photos`, by their paths below `folder` and what is in them, was taken out by hand.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub(super) fn any_taken_out(&self, folder: &str, photos: &[(String, Option<Sha>)]) -> Result<bool> {
        let query = "SELECT EXISTS (SELECT 1 FROM photos p JOIN changes c ON c.id = p.gone WHERE c.what = 'rm' AND c.undone IS NULL
            AND (p.sha256 = ?1 OR p.path = ?3 AND p.root = (SELECT id FROM roots WHERE path = ?2)))";
        for (path, sha) in photos {
            let is_out = || {
                let mut query = self.facts.connection.prepare_cached(query)?;
                query.query_row(params![sha, folder, path], |row| row.get(0))
            };
            if self.facts.told::<bool>(is_out())? {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Whether a photo of `individual` is there that lies, or lay, at `path`.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub(super) fn has_at(&self, individual: &str, path: &Path) -> Result<bool> {
        let query = "SELECT EXISTS (SELECT 1 FROM photos p JOIN encounters e ON e.id = p.encounter
            JOIN individuals i ON i.id = e.individual WHERE p.gone IS NULL AND i.name = ?3
                AND p.root = (SELECT id FROM roots WHERE path = ?1) AND p.path = ?2)";
        for above in path.ancestors().skip(1) {
            let (Some(root), Some(below)) = (above.to_str(), path.strip_prefix(above).ok().and_then(Path::to_str))
            else {
                continue;
            };
            let is_there = || {
                let mut query = self.facts.connection.prepare_cached(query)?;
                query.query_row(params![root, below, individual], |row| row.get(0))
            };
            if self.facts.told::<bool>(is_there())? {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// What it holds of the photos of each of `encounters` as given, which are places in `manifest` and were cached at `side` pixels,
    /// and, where it is asked, what `stands` of what was decided of it.
    ///
    /// # Errors
    /// As [`Gallery::holds`].
    pub(super) fn holds_of_each(
        &self,
        mut stands: Option<&mut ByPlace>,
        manifest: &Manifest,
        (cache, side): (&PhotoCache, u32),
        encounters: &[(&str, &[usize])],
    ) -> Result<Vec<Holdings>> {
        // one that is gone meanwhile is not told
        let file = |&photo: &usize| hash::of_photo(cache, &manifest.file(photo), side).ok();
        let all: Vec<usize> = encounters.iter().flat_map(|(_, photos)| photos.iter().copied()).collect();
        let files: Vec<Option<Sha>> = all.par_iter().map(file).collect();
        let mut files = files.into_iter();
        let of_one = |&(encounter, photos): &(&str, &[usize])| {
            let given = |(&at, sha): (&usize, Option<Sha>)| {
                let photo = &manifest.photos[at];
                (photo.path.to_string_lossy().into_owned(), manifest.full_path(at), sha, cells(photo.crop))
            };
            let photos: Vec<Given> = photos.iter().zip(files.by_ref()).map(given).collect();
            let there = photos.iter().filter_map(|(path, _, file, _)| Some((path.as_str(), (*file)?)));
            let holdings = self.holds(there, None)?;
            let decided = stands.as_mut().map(|stands| stands.on(self, encounter, &photos)).transpose()?;
            let decided = decided.flatten().map(|decided| decided.beside(&holdings.held));
            Ok(Holdings { decided, ..holdings })
        };
        encounters.iter().map(of_one).collect()
    }
}

/// What is nearest to each of `asked`, by what is `known` without the own copies of its photos, which those behind replace.
///
/// # Errors
/// When a query is no photos of the gallery's dimensions.
pub(super) fn rank_without<R: Ranking>(known: &R, asked: &[(&[f32], &Holdings)]) -> Result<Vec<Ranked>> {
    let mut together: BTreeMap<usize, Vec<usize>> = BTreeMap::new();
    for (at, (_, holdings)) in asked.iter().enumerate() {
        // as many more as are left out, or a little more
        let more = if holdings.is_empty() { 0 } else { holdings.ids.len().next_power_of_two() };
        together.entry(NEAREST + more).or_default().push(at);
    }
    let mut all = vec![None; asked.len()];
    for (keep, places) in together {
        let queries: Vec<&[f32]> = places.iter().map(|&at| asked[at].0).collect();
        for (at, mut ranked) in places.into_iter().zip(known.rank_up_to(&queries, keep)?) {
            let (query, holdings) = asked[at];
            holdings.leave_out(known, query, &mut ranked)?;
            all[at] = Some(ranked);
        }
    }
    Ok(all.into_iter().flatten().collect())
}

impl Holdings {
    /// Who so many photos are, as [`settled_as`] has it.
    pub(super) fn settled_as(&self, photos: usize) -> Option<&str> {
        settled_as(self.decided.as_ref(), &self.held, photos)
    }

    /// What is decided of so many photos, and who they are, whoever else is near: who is settled is known, and where only some are
    /// held, or as several, a person looks whether it is whom the first of those shows. None where nothing is held or decided.
    pub(super) fn verdict(&self, photos: usize) -> Option<(Verdict, &str)> {
        let first = || self.held.first().map(|held| (Verdict::Look, held.individual.as_str()));
        self.settled_as(photos).map(|name| (Verdict::Known, name)).or_else(first)
    }

    /// Whether the photo of number `id` is one of them.
    pub(super) fn has(&self, id: u64) -> bool {
        self.ids.contains(&id)
    }

    /// Whether it is nothing.
    pub(super) fn is_empty(&self) -> bool {
        self.ids.is_empty()
    }

    /// Takes the photos' own copies out of `ranked`, which is of `query` by what is `known` and has as many more than [`NEAREST`],
    /// and leaves so many; whose they are is as near as the others of that individual.
    fn leave_out<R: Ranking>(&self, known: &R, query: &[f32], ranked: &mut Ranked) -> Result<()> {
        let own: HashMap<usize, usize> = self.ids.iter().filter_map(|&id| known.row_of(id)).collect();
        ranked.photos.retain(|near| !own.contains_key(&near.row));
        for whose in own.values().copied().collect::<BTreeSet<_>>() {
            let Some(at) = ranked.individuals.iter().position(|near| near.individual == whose) else { continue };
            ranked.individuals.remove(at);
            ranked.best.remove(at);
            let mut rows = known.rows_of(whose);
            rows.retain(|row| !own.contains_key(row));
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
        ranked.photos.truncate(NEAREST);
        ranked.individuals.truncate(NEAREST);
        ranked.best.truncate(NEAREST);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::super::discover::part;
    use super::super::identify::Catalogue;
    use super::super::large::Large;
    use super::super::testing::on_circle;
    use super::super::tests::small;
    use super::*;

    #[test]
    fn photos_are_one_that_is_decided_only_where_all_are_held_as_that() {
        let held =
            |individual: &str| Held { photo: "a.jpg".into(), individual: individual.into(), at: Stamp::from_millis(0) };
        let (one, two) = ([held("t1"), held("t1")], [held("t1"), held("t2")]);
        assert_eq!((as_one(&one, 2), as_one(&one, 3), as_one(&two, 2), as_one(&[], 0)), (Some("t1"), None, None, None));
    }

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
            let found = catalogue.rank(&[query]).unwrap().swap_remove(0);
            assert!(found.photos.iter().any(|near| near.row == row));
            let ranked = catalogue.rank_without(&[(query, &holdings)]).unwrap().swap_remove(0);
            assert!(ranked.photos.iter().chain(&ranked.best).all(|near| near.row != row));
            // as if it had never been there
            let others: Vec<usize> = (0..known.len()).filter(|other| *other != row).collect();
            let without = part(&known, &others).unwrap();
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

    /// Holds what `known` ranks without the photos in `own` against `without`, which never had them.
    fn same<R: Ranking>((known, without): (&R, &R), query: &[f32], own: &[usize]) {
        let others: Vec<usize> = (0..known.rows()).filter(|row| !own.contains(row)).collect();
        let ids = known.photos().filter(|(row, ..)| own.contains(row)).map(|(_, id, _)| id).collect();
        let (holdings, none) = (Holdings { ids, ..Holdings::default() }, Holdings::default());
        let plain = known.rank(&[query]).unwrap();
        let mut ranked = rank_without(known, &[(query, &none), (query, &holdings), (query, &none)]).unwrap();
        let found = ranked.remove(1);
        assert_eq!(ranked, [plain.clone(), plain].concat(), "what holds nothing is ranked as ever, in its place");
        let expected = without.rank(&[query]).unwrap().swap_remove(0);
        assert_eq!((expected.photos.len(), expected.individuals.len(), expected.best.len()), (10, 10, 10));
        let moved = |near: &[Near]| near.iter().map(|near| (others[near.row], near.distance)).collect::<Vec<_>>();
        let there = |near: &[Near]| near.iter().map(|near| (near.row, near.distance)).collect::<Vec<_>>();
        assert_eq!(there(&found.photos), moved(&expected.photos));
        assert_eq!(there(&found.best), moved(&expected.best));
        let named = |known: &R, ranked: &Ranked| {
            let all = ranked.individuals.iter();
            all.map(|near| (known.names()[near.individual].clone(), near.distance)).collect::<Vec<_>>()
        };
        assert_eq!(named(known, &found), named(without, &expected));
    }

    #[test]
    fn those_behind_move_up_to_the_places_of_own_copies() {
        // thirty individuals around a circle, of two photos each, no two of which are as far from any other
        let names: Vec<String> = (0..30).map(|who| format!("{who:02}")).collect();
        let angle = |row: usize| row as f32 * 5.9 + (row as f32).sin() * 1.5;
        let photos: Vec<(&str, usize, f32)> = (0..60).map(|row| (&*names[row / 2], row, angle(row))).collect();
        let known = on_circle(&photos);
        // two of one individual, and one of two of the next
        for own in [vec![4, 5, 6], vec![20], (10..24).collect()] {
            let query: Vec<f32> = own.iter().flat_map(|&row| known.embedding(row).to_vec()).collect();
            let others: Vec<usize> = (0..known.len()).filter(|row| !own.contains(row)).collect();
            let without = part(&known, &others).unwrap();
            same((&known, &without), &query, &own);
            same((&Large::of(&known), &Large::of(&without)), &query, &own);
        }
    }
}
