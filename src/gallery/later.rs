//! Photos that came to an encounter after it was decided, or that could not be read then: which those are, and what says so.
//!
//! They come into the gallery by a decision of their own, as who was decided: the log has it, one step takes it back, and a
//! correction takes them along.

use std::collections::HashSet;

use rusqlite::{Row, params};

use crate::data::counted::counted;
use crate::data::hex::hex;

use super::Result;
use super::decisions::Decided;
use super::held::Sha;
use super::seen::Seen;
use super::stands::Lying;
use super::store::Gallery;

/// Paths below a folder, each with what was in its file.
pub(super) type Brought = HashSet<(String, Sha)>;

/// What is said of so many photos `more` of an encounter that is decided to be `name`.
pub(super) fn told(place: &str, more: usize, name: &str) -> String {
    format!("{place}: {} more of {name}", counted(more, "photo"))
}

/// Digits of what is in a photo's file that tell it from the others of its encounter.
const DIGITS: usize = 16;

/// What tells the photos of `seen` from others: kept of one that is skipped, of which the gallery has no photo.
pub(super) fn marks(seen: &Seen) -> Vec<String> {
    seen.photos.iter().map(|photo| photo.sha256.chars().take(DIGITS).collect()).collect()
}

/// Those of `photos` that their encounter did not have when it was skipped, which `decided` is: their places.
fn since_skipped(decided: &Decided, photos: impl Iterator<Item = Lying>) -> Vec<usize> {
    let Some(had) = &decided.had else { return Vec::new() };
    let had: HashSet<&str> = had.iter().map(String::as_str).collect();
    let came = |(at, (_, sha, _)): (usize, Lying)| {
        let mark = hex(&sha?[..DIGITS / 2]);
        (!had.contains(mark.as_str())).then_some(at)
    };
    photos.enumerate().filter_map(came).collect()
}

impl Gallery {
    /// What decisions on encounters of `folder` that stand have brought, also what people have taken out since: that is not new.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub(super) fn brought(&self, folder: &str) -> Result<Brought> {
        let query = "SELECT p.path, p.sha256 FROM photos p WHERE p.added IN (SELECT d.change FROM decisions d
            JOIN changes c ON c.id = d.change WHERE c.undone IS NULL AND d.folder = ?1)";
        let read = |row: &Row<'_>| Ok((row.get(0)?, row.get(1)?));
        let all = || self.facts.connection.prepare_cached(query)?.query_map([folder], read)?.collect();
        self.facts.told(all())
    }

    /// Those of `photos`, of an encounter of `folder`, that came since it was `decided`, their places: where it is somebody, those
    /// that the gallery does not have, and that nobody has taken out of it by hand, whatever folder it knew them by.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub(super) fn later(
        &self,
        (folder, decided): (&str, &Decided),
        photos: impl Iterator<Item = Lying>,
        brought: &Brought,
    ) -> Result<Vec<usize>> {
        if decided.ruling.individual().is_none() {
            return Ok(since_skipped(decided, photos));
        }
        let query = "SELECT EXISTS (SELECT 1 FROM photos WHERE gone IS NULL AND sha256 = ?1 AND crop = ?2)
            OR EXISTS (SELECT 1 FROM photos WHERE gone IS NULL AND path = ?4 AND root = (SELECT id FROM roots WHERE path = ?3))
            OR EXISTS (SELECT 1 FROM photos p JOIN changes c ON c.id = p.gone WHERE c.what = 'rm' AND c.undone IS NULL
                AND p.sha256 = ?1 AND p.crop = ?2)";
        let mut later = Vec::new();
        for (at, (path, sha, crop)) in photos.enumerate() {
            let Some(sha) = sha else { continue };
            if brought.contains(&(path.clone(), sha)) {
                continue;
            }
            let is_there = || {
                let mut query = self.facts.connection.prepare_cached(query)?;
                query.query_row(params![sha, crop, folder, path], |row| row.get(0))
            };
            if !self.facts.told::<bool>(is_there())? {
                later.push(at);
            }
        }
        Ok(later)
    }
}

#[cfg(test)]
mod tests {
    use super::super::decisions::{By, Proposed, Ruling};
    use super::super::rulings::Ruled;
    use super::super::session::{Entry, Session};
    use super::super::sitting::Sitting;
    use super::super::sitting::tests::{stage, write};
    use super::super::tests::embedding;
    use super::super::writer::Writer;
    use super::super::{Error, Result};
    use super::Decided;
    use std::path::{Path, PathBuf};

    struct Week {
        _dir: tempfile::TempDir,
        gallery: PathBuf,
        folder: PathBuf,
    }

    impl Week {
        /// Encounter `a` of two photos is decided to be `ruling`; a third photo came since.
        fn with_a_third(ruling: Ruling) -> Week {
            let dir = tempfile::tempdir().unwrap();
            let (gallery, folder) = stage(dir.path());
            let week = Week { _dir: dir, gallery, folder };
            week.rule(&ruling, None).unwrap();
            week.see(3);
            week
        }

        /// `a` was seen with so many photos.
        fn see(&self, photos: usize) {
            self.see_at(&vec![0.1; photos]);
        }

        /// `a` was seen with photos at these angles.
        fn see_at(&self, angles: &[f32]) {
            let vector = |angle: f32| [angle.cos(), angle.sin(), 0.0];
            let photos = angles.iter().flat_map(|angle| vector(*angle)).collect();
            let all = [("a".to_owned(), photos), ("b".to_owned(), vector(0.1).to_vec())];
            write(&self.gallery, &self.folder, &embedding(), &all);
        }

        fn rule(&self, ruling: &Ruling, corrects: Option<i64>) -> Result<()> {
            self.rule_by(By::Person, ruling, corrects)
        }

        fn rule_by(&self, by: By, ruling: &Ruling, corrects: Option<i64>) -> Result<()> {
            let version = Session::read(&self.gallery, &self.folder)?.version;
            let encounters = [("a".to_owned(), Proposed::default())];
            let ruled = Ruled { encounters: &encounters, ruling, corrects };
            let refused = Sitting::new(&self.gallery, &self.folder).rule(&[ruled], by, version.into())?;
            refused.into_iter().next().map_or(Ok(()), |(_, error)| Err(error))
        }

        fn entry(&self) -> Entry {
            (*Session::read(&self.gallery, &self.folder).unwrap().entries[0]).clone()
        }

        fn stands(&self) -> Decided {
            self.entry().decided.unwrap()
        }

        /// Adds what is new as who was decided.
        fn add(&self) -> Result<()> {
            let stands = self.stands();
            self.rule(&Ruling::Known(stands.ruling.individual().unwrap().into()), Some(stands.change))
        }

        fn photos(&self, name: &str) -> Vec<String> {
            let gallery = super::Gallery::open(&self.gallery).unwrap();
            let photos = gallery.individual(name).map_or_else(|_| Vec::new(), |(_, photos)| photos);
            let own = photos.into_iter().filter(|photo| Path::new(&photo.root) == self.folder);
            own.map(|photo| photo.photo).collect()
        }

        fn said(&self) -> String {
            super::Gallery::open(&self.gallery).unwrap().changes().unwrap().pop().unwrap().said
        }
    }

    #[test]
    fn a_photo_that_came_later_is_told_and_added_to_who_was_decided_and_taken_out_again() {
        let week = Week::with_a_third(Ruling::New("t9".into()));
        assert_eq!(week.entry().later, [2]);
        let mut counted = super::super::session::Counted::default();
        let mut listed =
            || Session::list(&super::Gallery::open(&week.gallery).unwrap(), &mut counted).unwrap()[0].later;
        assert_eq!(listed(), 1);
        week.add().unwrap();
        assert_eq!((week.photos("t9").len(), week.entry().later, listed()), (3, vec![], 0));
        let stands = week.stands();
        assert_eq!((&stands.ruling, stands.more), (&Ruling::New("t9".into()), true), "it is as new as it was");
        assert_eq!(week.said(), "week/a: 1 photo more of t9");
        assert!(matches!(week.add(), Err(Error::AlreadyDecided { .. })), "there is nothing to add");
        let undone = Sitting::new(&week.gallery, &week.folder).undo().unwrap();
        assert_eq!((undone.len(), undone[0].more), (1, true));
        assert_eq!(week.said(), "taken back: identify: week/a: 1 photo more of t9");
        assert_eq!((week.photos("t9").len(), week.entry().later, week.stands().more), (2, vec![2], false));
        // who is called otherwise since is still who it was
        Writer::open(&week.gallery).unwrap().rename("t9", "Zoe").unwrap();
        week.add().unwrap();
        assert_eq!(week.photos("Zoe").len(), 3);
        // by `gallery undo`, too
        assert_eq!(
            Writer::open(&week.gallery).unwrap().undo().unwrap().said,
            "taken back: identify: week/a: 1 photo more of Zoe"
        );
        assert_eq!(week.photos("Zoe").len(), 2);
    }

    #[test]
    fn what_came_since_is_judged_by_itself_against_all_that_the_gallery_has() {
        let week = Week::with_a_third(Ruling::New("t9".into()));
        // whose photo the third is: those before are of t9, and of it they are all that is known
        for angle in [1.0_f32, 0.1, 2.5] {
            week.see_at(&[0.1, 0.1, angle]);
            let entry = week.entry();
            let at = entry.individuals().iter().position(|near| near.individual == "t9").unwrap();
            let chord = 2.0 * f64::from((angle - 0.1) / 2.0).sin();
            assert!((entry.individuals()[at].distance - chord).abs() < 1e-3, "{:?}", entry.individuals());
            assert_eq!((entry.best()[at].individual.as_str(), entry.best()[at].photo.as_str()), ("t9", "a/1.jpg"));
            assert_eq!(entry.best().len(), entry.individuals().len());
        }
        // also after the gallery has changed, until it is added
        let mut sitting = Sitting::new(&week.gallery, &week.folder);
        sitting.look().unwrap();
        Writer::open(&week.gallery).unwrap().rename("t9", "Zoe").unwrap();
        let entry = sitting.look().unwrap().0.entries[0].clone();
        assert!(entry.since.is_some() && entry.individuals().iter().any(|near| near.individual == "Zoe"));
        assert_eq!(format!("{entry:?}"), format!("{:?}", week.entry()));
        week.add().unwrap();
        let entry = sitting.look().unwrap().0.entries[0].clone();
        assert!(entry.since.is_none() && entry.individuals() == entry.proposal.individuals);
    }

    #[test]
    fn photos_added_after_a_merge_are_of_a_known_one_and_who_decided_is_still_told() {
        let dir = tempfile::tempdir().unwrap();
        let (gallery, folder) = stage(dir.path());
        let week = Week { _dir: dir, gallery, folder };
        week.rule_by(By::Program, &Ruling::New("t9".into()), None).unwrap();
        week.see(3);
        Writer::open(&week.gallery).unwrap().merge("t9", "t1").unwrap();
        week.add().unwrap();
        let rows = super::super::decided_table::rows(&super::Gallery::open(&week.gallery).unwrap()).unwrap();
        let told: Vec<_> = rows.iter().map(|row| (&row.decided.ruling, row.decided.by, row.stands)).collect();
        let (new, known) = (Ruling::New("t9".into()), Ruling::Known("t1".into()));
        assert_eq!(told, [(&new, By::Program, true), (&known, By::Person, false)]);
        let stands = week.stands();
        assert_eq!((stands.more, stands.by), (true, By::Program), "the program said who it is");
    }

    #[test]
    fn a_correction_takes_along_what_was_added_and_what_was_taken_out_by_hand_is_not_new() {
        let week = Week::with_a_third(Ruling::Known("t1".into()));
        week.add().unwrap();
        week.rule(&Ruling::Known("t2".into()), Some(week.stands().change)).unwrap();
        assert_eq!((week.photos("t1").len(), week.photos("t2").len(), week.entry().later), (0, 3, vec![]));
        Writer::open(&week.gallery).unwrap().remove("t2", &["a/1.jpg".into()]).unwrap();
        assert_eq!(week.entry().later, [0_usize; 0]);
        week.see(4);
        assert_eq!(week.entry().later, [3]);
        week.add().unwrap();
        assert_eq!(week.photos("t2"), ["a/2.jpg", "a/3.jpg", "a/4.jpg"]);
        // also where the gallery knew it by another folder before
        let known_before = Week::with_a_third(Ruling::Known("t1".into()));
        let sha256 = super::super::hash::of_file(&known_before.folder.join("a/3.jpg")).unwrap();
        let mut writer = Writer::open(&known_before.gallery).unwrap();
        let (before, row) = super::super::tests::photo(90, "t2");
        let before = super::super::writer::NewPhoto { sha256, ..before };
        let root = before.root.clone();
        let path = format!("{root}/{}", before.path);
        writer.add(&mut super::super::writer::Adding::new("add", String::new()), &[before], &row).unwrap();
        assert_eq!(known_before.entry().later, [0_usize; 0]);
        writer.remove("t2", &[path]).unwrap();
        assert_eq!(known_before.entry().later, [0_usize; 0]);
        writer.undo().unwrap();
        writer.undo().unwrap();
        drop(writer);
        assert_eq!(known_before.entry().later, [2], "it was never there");
    }

    #[test]
    fn photos_that_came_since_it_was_skipped_are_told_until_it_is_skipped_again_or_named() {
        let week = Week::with_a_third(Ruling::Skipped);
        let mut counted = super::super::session::Counted::default();
        let mut listed =
            || Session::list(&super::Gallery::open(&week.gallery).unwrap(), &mut counted).unwrap()[0].later;
        assert_eq!((week.entry().later, listed()), (vec![2], 1));
        week.rule(&Ruling::Skipped, None).unwrap();
        assert_eq!((week.entry().later, listed()), (vec![], 0));
        assert!(matches!(week.rule(&Ruling::Skipped, None), Err(Error::AlreadyDecided { .. })), "nothing came");
        assert_eq!(Sitting::new(&week.gallery, &week.folder).undo().unwrap().len(), 1);
        assert_eq!((&week.stands().ruling, week.entry().later), (&Ruling::Skipped, vec![2]));
        week.rule(&Ruling::New("t9".into()), None).unwrap();
        assert_eq!((week.photos("t9").len(), week.entry().later, listed()), (3, vec![], 0));
        // what older versions wrote does not say what there was
        let old = Decided { ruling: Ruling::Skipped, had: None, ..week.stands() };
        let photo = || [("a/9.jpg".to_owned(), Some([9; 32]), String::new())].into_iter();
        assert_eq!(super::since_skipped(&old, photo()), [0_usize; 0]);
        assert_eq!(super::since_skipped(&Decided { had: Some(vec![]), ..old }, photo()), [0]);
    }
}
