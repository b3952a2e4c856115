//! What stands of what was decided of encounters: the same for the screen, where a folder is gone through, and for who asks about its
//! photos from elsewhere.

use std::collections::{BTreeSet, HashMap};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::run::stamp::Stamp;

use super::Result;
use super::decisions::{By, Decided, Ruling};
use super::held::Sha;
use super::later::Brought;
use super::store::Gallery;

/// What was decided of an encounter that was gone through, as it is told where its photos are asked about.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stands {
    /// What was decided.
    #[serde(flatten)]
    pub ruling: Ruling,
    /// By whom.
    pub by: By,
    /// When.
    pub at: Stamp,
    /// Those of its photos, by their paths as given, that came since: of one that is decided to be somebody they are to be added.
    pub new_photos: Vec<String>,
    /// It was proposed to be new and is decided to be somebody: it takes part where new ones are numbered.
    #[serde(skip)]
    pub(super) was_new: bool,
}

/// A photo by its path below the folder that was gone through, what is in its file, and the part of it that is seen.
pub(super) type Lying = (String, Option<Sha>, String);

/// What stands of the encounters of one folder.
#[derive(Debug, Default)]
pub(super) struct OfFolder {
    folder: String,
    /// By encounter, as it was decided last.
    decided: HashMap<String, Decided>,
    brought: Brought,
}

impl OfFolder {
    /// Of `folder` by what `gallery` holds now.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub(super) fn of(gallery: &Gallery, folder: &str) -> Result<OfFolder> {
        OfFolder::by(gallery, folder, gallery.decided(Some(folder))?, &gallery.called_otherwise()?)
    }

    /// Of `folder` by `all` that was decided there, the first first, where people are `called` otherwise now.
    fn by(gallery: &Gallery, folder: &str, all: Vec<Decided>, called: &HashMap<String, String>) -> Result<OfFolder> {
        // of an encounter the last one counts; who only added photos has not decided who it is
        let mut decided: HashMap<String, Decided> = HashMap::new();
        for one in all.into_iter().filter(|decided| !decided.undone) {
            let by = decided.get(&one.encounter).filter(|_| one.more).map_or(one.by, |before| before.by);
            decided.insert(one.encounter.clone(), Decided { by, ..one });
        }
        for one in decided.values_mut() {
            if let Some(now) = one.ruling.individual().and_then(|name| called.get(name)).cloned() {
                one.ruling = one.ruling.of(now);
            }
        }
        let brought = if decided.is_empty() { Brought::default() } else { gallery.brought(folder)? };
        Ok(OfFolder { folder: folder.to_owned(), decided, brought })
    }

    /// What stands of `encounter`, of so many readable photos.
    pub(super) fn on(&self, encounter: &str, photos: usize) -> Option<&Decided> {
        self.decided.get(encounter).filter(|one| one.counts_with(photos))
    }

    /// Which of `photos`, of an encounter of which `decided` stands, came since: their places.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub(super) fn later(
        &self,
        gallery: &Gallery,
        decided: Option<&Decided>,
        photos: impl Iterator<Item = Lying>,
    ) -> Result<Vec<usize>> {
        decided.map_or_else(|| Ok(Vec::new()), |one| gallery.later((&self.folder, one), photos, &self.brought))
    }
}

/// What stands of encounters, by where these lie.
#[derive(Debug, Default)]
pub(super) struct ByPlace {
    folders: Vec<OfFolder>,
    /// The folder's place among those, and the encounter.
    at: HashMap<PathBuf, (usize, String)>,
}

/// A photo asked about: its path as given, where it lies, what is in its file, and the part of it that is seen.
pub(super) type Given = (String, PathBuf, Option<Sha>, String);

impl ByPlace {
    /// All that stands in `gallery`.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub(super) fn of(gallery: &Gallery) -> Result<ByPlace> {
        let (all, mut by_folder) = (gallery.decided(None)?, HashMap::<String, Vec<Decided>>::new());
        if all.is_empty() {
            return Ok(ByPlace::default());
        }
        let called = gallery.called_otherwise()?;
        all.into_iter().for_each(|one| by_folder.entry(one.folder.clone()).or_default().push(one));
        let (mut places, mut changes) = (ByPlace::default(), HashMap::<PathBuf, i64>::new());
        for (folder, all) in by_folder {
            let of = OfFolder::by(gallery, &folder, all, &called)?;
            for decided in of.decided.values() {
                let place = real(&Path::new(&folder).join(&decided.encounter));
                // what lies in two folders that were gone through is as it was decided last
                if changes.get(&place).is_none_or(|before| *before < decided.change) {
                    changes.insert(place.clone(), decided.change);
                    places.at.insert(place, (places.folders.len(), decided.encounter.clone()));
                }
            }
            places.folders.push(of);
        }
        Ok(places)
    }

    /// What stands of `encounter` as given, a folder or a photo, of `photos`; none where nothing does, or it is no encounter as the
    /// screen has them.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub(super) fn on(&self, gallery: &Gallery, encounter: &str, photos: &[Given]) -> Result<Option<Stands>> {
        if self.at.is_empty() {
            return Ok(None);
        }
        // a photo that was given alone is its own encounter, and not that of its folder
        let is_loose = photos.iter().any(|(given, ..)| given == encounter);
        let above: BTreeSet<Option<&Path>> = photos.iter().map(|(_, path, ..)| path.parent()).collect();
        let place = match (photos, above.first()) {
            ([(_, path, ..)], _) if is_loose => real(path),
            (_, Some(Some(folder))) if !is_loose && above.len() == 1 => real(folder),
            _ => return Ok(None),
        };
        let Some((folder, encounter)) = self.at.get(&place) else { return Ok(None) };
        let folder = &self.folders[*folder];
        let Some(decided) = folder.on(encounter, photos.len()) else { return Ok(None) };
        let below = |path: &Path| match path.file_name().filter(|_| !is_loose) {
            Some(name) => Path::new(encounter).join(name).to_string_lossy().into_owned(),
            None => encounter.clone(),
        };
        let lying = photos.iter().map(|(_, path, sha, crop)| (below(path), *sha, crop.clone()));
        let later = folder.later(gallery, Some(decided), lying)?;
        Ok(Some(Stands {
            ruling: decided.ruling.clone(),
            by: decided.by,
            at: decided.at,
            new_photos: later.into_iter().map(|at| photos[at].0.clone()).collect(),
            was_new: decided.was_new(),
        }))
    }
}

/// The path of what lies at `path`, links resolved; itself where nothing does.
fn real(path: &Path) -> PathBuf {
    path.canonicalize().or_else(|_| std::path::absolute(path)).unwrap_or_else(|_| path.into())
}

#[cfg(test)]
mod tests {
    use super::super::decisions::Proposed;
    use super::super::hash;
    use super::super::identify::Verdict;
    use super::super::rulings::Ruled;
    use super::super::session::Session;
    use super::super::sitting::Sitting;
    use super::super::sitting::tests::{stage, write};
    use super::super::tests::embedding;
    use super::super::writer::Writer;
    use super::*;

    fn rule(gallery: &Path, folder: &Path, encounter: &str, ruling: &Ruling) {
        let version = Session::read(gallery, folder).unwrap().version;
        let proposed = Proposed { decision: Some(Verdict::NewIndividual), ..Proposed::default() };
        let encounters = [(encounter.to_owned(), proposed)];
        let ruled = Ruled { encounters: &encounters, ruling, corrects: None };
        assert!(Sitting::new(gallery, folder).rule(&[ruled], By::Person, version).unwrap().is_empty());
    }

    #[test]
    fn who_asks_from_elsewhere_is_told_what_the_screen_tells_of_the_same_encounter() {
        let dir = tempfile::tempdir().unwrap();
        let (gallery, folder) = stage(dir.path());
        rule(&gallery, &folder, "a", &Ruling::New("t9".into()));
        rule(&gallery, &folder, "b", &Ruling::Skipped);
        // a third photo came
        let vector = [0.1_f32.cos(), 0.1_f32.sin(), 0.0];
        let all = [("a".to_owned(), vector.repeat(3)), ("b".to_owned(), vector.repeat(2))];
        write(&gallery, &folder, &embedding(), &all);
        Writer::open(&gallery).unwrap().rename("t9", "Zoe").unwrap();
        let open = Gallery::open(&gallery).unwrap();
        let places = ByPlace::of(&open).unwrap();
        let on = |encounter: &str, photos: &[&str]| {
            let given = |photo: &&str| {
                let path = folder.join(photo);
                let sha = hash::of_file(&path).ok();
                (format!("../week/{photo}"), path, sha, String::new())
            };
            let photos: Vec<Given> = photos.iter().map(given).collect();
            places.on(&open, encounter, &photos).unwrap()
        };
        let found = on("../week/a", &["a/1.jpg", "a/2.jpg", "a/3.jpg"]).unwrap();
        let entry = Session::read(&gallery, &folder).unwrap().entries[0].clone();
        let decided = entry.decided.as_ref().unwrap();
        assert_eq!((&found.ruling, found.by, found.at), (&decided.ruling, decided.by, decided.at));
        assert_eq!((&found.ruling, found.was_new), (&Ruling::New("Zoe".into()), true));
        assert_eq!((found.new_photos, entry.later.clone()), (vec!["../week/a/3.jpg".to_owned()], vec![2]));
        let skipped = on("../week/b", &["b/1.jpg", "b/2.jpg"]).unwrap();
        assert_eq!((skipped.ruling, skipped.new_photos), (Ruling::Skipped, vec!["../week/b/2.jpg".to_owned()]));
        let again = Session::read(&gallery, &folder).unwrap().entries[1].clone();
        assert_eq!(again.later, [1]);
        // a photo that is asked about alone, several folders as one, and what nobody has gone through
        assert_eq!(on("../week/a/3.jpg", &["a/3.jpg"]), None);
        assert_eq!(on("../week", &["a/1.jpg", "b/1.jpg"]), None);
        std::fs::create_dir(folder.join("c")).unwrap();
        std::fs::write(folder.join("c/1.jpg"), "c").unwrap();
        assert_eq!(on("../week/c", &["c/1.jpg"]), None);
        // by a link to the folder, too
        std::os::unix::fs::symlink(&folder, dir.path().join("link")).unwrap();
        let photo = ("link/b/1.jpg".to_owned(), dir.path().join("link/b/1.jpg"), None, String::new());
        assert_eq!(places.on(&open, "link/b", &[photo]).unwrap().unwrap().ruling, Ruling::Skipped);
    }
}
