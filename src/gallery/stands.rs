//! What stands of what was decided of encounters: the same for the screen, where a folder is gone through, and for who asks about its
//! photos from elsewhere.

use std::collections::hash_map::Entry;
use std::collections::{BTreeSet, HashMap, HashSet};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::run::stamp::Stamp;

use super::Result;
use super::correction;
use super::decisions::{By, Decided, Ruling};
use super::held::{Held, Sha, others};
use super::later::Brought;
use super::seen::{About, Seen, SeenFile, abouts, place};
use super::store::{Gallery, find};

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
    /// Those of its photos that the gallery has as somebody else, of one that is decided to be somebody: one photo is not two animals.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub photos_of_others: Vec<Held>,
    /// It was proposed to be new and is decided to be somebody: it takes part where new ones are numbered.
    #[serde(skip)]
    pub(super) was_new: bool,
}

/// A photo by its path below the folder that was gone through, what is in its file, and the part of it that is seen.
pub(super) type Lying = (String, Option<Sha>, String);

impl Stands {
    /// With those of its photos that are `held` as somebody else.
    pub(super) fn beside(self, held: &[Held]) -> Stands {
        let name = self.ruling.individual();
        let photos_of_others = name.map_or_else(Vec::new, |name| others(held, name).cloned().collect());
        Stands { photos_of_others, ..self }
    }
}

/// What the gallery has of an encounter that is decided to be somebody.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Has {
    /// At least one of its photos, as that individual.
    These,
    /// Others that lay there, as that individual: they were edited since, or others lie there by now.
    Others,
    /// Nothing: all were taken out of it, and nothing stands any more.
    Nothing,
}

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
        let (all, called) = (gallery.decided(Some(folder))?, gallery.called_otherwise()?);
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

    /// What stands of all encounters, in no order.
    pub(super) fn all(&self) -> impl Iterator<Item = &Decided> {
        self.decided.values()
    }

    /// What stands of `encounter`, of so many readable photos.
    pub(super) fn on(&self, encounter: &str, photos: usize) -> Option<&Decided> {
        self.decided.get(encounter).filter(|one| one.counts_with(photos))
    }

    /// What was decided of the encounter `seen` last, where it counts no more as all its photos were taken out of `gallery`.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub(super) fn taken_out(&self, gallery: &Gallery, seen: &Seen) -> Result<Option<&Decided>> {
        let Some(decided) = self.on(&seen.encounter, seen.photos.len()) else { return Ok(None) };
        let has = OfFolder::has(gallery, decided, seen.files_in_it())?;
        Ok((has == Has::Nothing).then_some(decided))
    }

    /// What `gallery` has of an encounter of `folder` that is `decided`, of `photos` by now; of one that was skipped it says nothing.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub(super) fn has(
        gallery: &Gallery,
        decided: &Decided,
        photos: impl Iterator<Item = (String, Option<Sha>)>,
    ) -> Result<Has> {
        let (folder, encounter) = (decided.folder.as_str(), decided.encounter.as_str());
        let Some(name) = decided.ruling.individual() else { return Ok(Has::These) };
        let photos: Vec<(String, Option<Sha>)> = photos.collect();
        // that nobody of it is there may have other causes: its photos may have been edited where they lie
        let nothing = || match gallery.any_taken_out(folder, &photos)? {
            true => Ok(Has::Nothing),
            false => Ok(Has::Others),
        };
        // it may be called otherwise by now
        let Some((_, name)) = gallery.facts.told(find(&gallery.facts.connection, name))? else { return nothing() };
        if photos.is_empty() || gallery.has_any_as(&name, photos.iter().filter_map(|(_, sha)| *sha))? {
            return Ok(Has::These); // what cannot be read any more says nothing
        }
        let mut paths = photos.iter().map(|(path, _)| Path::new(folder).join(path));
        let is_there = !correction::paths(gallery, folder, encounter)?.is_empty()
            || paths.try_fold(false, |found, path| Ok::<_, super::Error>(found || gallery.has_at(&name, &path)?))?;
        if is_there { Ok(Has::Others) } else { nothing() }
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

/// The encounters, with their folders, of which something was decided and that are open again, as all photos of theirs were taken out
/// of `gallery`.
///
/// # Errors
/// When the database or what was seen cannot be read.
pub(super) fn open_again(gallery: &Gallery) -> Result<HashSet<(String, String)>> {
    let mut all = HashSet::new();
    let abouts: HashMap<PathBuf, About> = abouts(gallery.folder()).map(|about| (about.folder.clone(), about)).collect();
    for folder in gallery.folders_decided()? {
        let mut seen: Option<SeenFile> = None; // large, and hardly ever needed
        let stands = OfFolder::of(gallery, &folder)?;
        for decided in stands.all() {
            let Some(name) = decided.ruling.individual() else { continue };
            let is_called = gallery.facts.told(find(&gallery.facts.connection, name))?.is_some();
            if is_called && !correction::paths(gallery, &folder, &decided.encounter)?.is_empty() {
                continue;
            }
            let seen = match &mut seen {
                Some(seen) => seen,
                None => {
                    let mut read = SeenFile::at(&place(gallery.folder(), Path::new(&folder)));
                    read.read_on(abouts.get(Path::new(&folder)).map(|about| &about.embedding))?;
                    seen.insert(read)
                }
            };
            let Some(seen) = seen.get(&decided.encounter) else { continue };
            if stands.taken_out(gallery, seen)?.is_some() {
                all.insert((folder.clone(), decided.encounter.clone()));
            }
        }
    }
    Ok(all)
}

/// What stands of encounters, by where these lie. Only what was decided in folders that are asked about is read, once.
#[derive(Debug, Default)]
pub(super) struct ByPlace {
    /// Those in which something was decided of what was asked about.
    folders: HashMap<String, OfFolder>,
    /// Where folders above what was asked about lie, links resolved.
    real: HashMap<PathBuf, PathBuf>,
    /// Folders that were gone through by a link, by where they lie; none until somebody is asked about.
    linked: Option<HashMap<PathBuf, Vec<String>>>,
}

/// A photo asked about: its path as given, where it lies, what is in its file, and the part of it that is seen.
pub(super) type Given = (String, PathBuf, Option<Sha>, String);

impl ByPlace {
    /// What stands in `gallery` of `encounter` as given, a folder or a photo, of `photos`; none where nothing does, it is no
    /// encounter as the screen has them, or nothing was decided on any of these photos: its place may hold other animals by now.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub(super) fn on(&mut self, gallery: &Gallery, encounter: &str, photos: &[Given]) -> Result<Option<Stands>> {
        // a photo that was given alone is its own encounter, and not that of its folder
        let is_loose = photos.iter().any(|(given, ..)| given == encounter);
        let above: BTreeSet<Option<&Path>> = photos.iter().map(|(_, path, ..)| path.parent()).collect();
        let place = match (photos, above.first()) {
            ([(_, path, ..)], _) if is_loose => path.as_path(),
            (_, Some(Some(folder))) if !is_loose && above.len() == 1 => folder,
            _ => return Ok(None),
        };
        let Some((folder, encounter)) = self.decided_last(gallery, place)? else { return Ok(None) };
        let Some(folder) = self.folders.get(&folder) else { return Ok(None) };
        let Some(decided) = folder.on(&encounter, photos.len()) else { return Ok(None) };
        let below = |path: &Path| match path.file_name().filter(|_| !is_loose) {
            Some(name) => Path::new(&encounter).join(name).to_string_lossy().into_owned(),
            None => encounter.clone(),
        };
        let lying = photos.iter().map(|(_, path, sha, crop)| (below(path), *sha, crop.clone()));
        let later = folder.later(gallery, Some(decided), lying)?;
        let files: Vec<Sha> = photos.iter().filter_map(|(_, _, sha, _)| *sha).collect();
        // of a skipped one what older versions wrote does not say what there was
        let is_all_new = decided.ruling == Ruling::Skipped && decided.had.is_some() && later.len() >= files.len();
        // who was taken out of the gallery since is nobody's answer
        let has_any = |name| gallery.has_any_as(name, files.into_iter());
        let is_of_these = !is_all_new && decided.ruling.individual().map_or(Ok(true), has_any)?;
        Ok(is_of_these.then(|| Stands {
            ruling: decided.ruling.clone(),
            by: decided.by,
            at: decided.at,
            new_photos: later.into_iter().map(|at| photos[at].0.clone()).collect(),
            photos_of_others: Vec::new(),
            was_new: decided.was_new(),
        }))
    }

    /// Where it was decided last what lies at `place`: the folder that was gone through, and the encounter in it.
    fn decided_last(&mut self, gallery: &Gallery, place: &Path) -> Result<Option<(String, String)>> {
        let mut last: Option<(i64, (String, String))> = None;
        if self.linked.is_none() {
            self.linked = Some(linked(gallery)?);
        }
        for (folder, encounter) in self.encounters_at(place) {
            if !gallery.has_decided(&folder, &encounter)? {
                continue;
            }
            let of = match self.folders.entry(folder.clone()) {
                Entry::Occupied(of) => of.into_mut(),
                Entry::Vacant(of) => of.insert(OfFolder::of(gallery, &folder)?),
            };
            let Some(decided) = of.decided.get(&encounter) else { continue };
            if last.as_ref().is_none_or(|(before, _)| *before < decided.change) {
                last = Some((decided.change, (folder, encounter)));
            }
        }
        Ok(last.map(|(_, found)| found))
    }

    /// What lies at `place` as an encounter of each folder above it, by the path as given, with links resolved, and by the links
    /// through which such a folder was gone through.
    fn encounters_at(&mut self, place: &Path) -> BTreeSet<(String, String)> {
        let given = std::path::absolute(place).unwrap_or_else(|_| place.into());
        let mut found = BTreeSet::new();
        for path in [real(&given), given] {
            for above in path.ancestors().skip(1) {
                let Some(below) = path.strip_prefix(above).ok().and_then(Path::to_str) else { continue };
                let resolved = self.real.entry(above.into()).or_insert_with(|| real(above));
                let linked = self.linked.as_ref().and_then(|linked| linked.get(resolved)).into_iter().flatten();
                let folders =
                    [above.to_str(), resolved.to_str()].into_iter().flatten().chain(linked.map(String::as_str));
                found.extend(folders.map(|folder| (folder.to_owned(), below.to_owned())));
            }
        }
        found
    }
}

/// The folders in which something was decided by a link to them, by where they lie.
fn linked(gallery: &Gallery) -> Result<HashMap<PathBuf, Vec<String>>> {
    let mut linked: HashMap<PathBuf, Vec<String>> = HashMap::new();
    for folder in gallery.folders_decided()? {
        let lies = real(Path::new(&folder));
        if lies != Path::new(&folder) {
            linked.entry(lies).or_default().push(folder);
        }
    }
    Ok(linked)
}

/// The path of what lies at `path`, links resolved; itself where nothing does.
fn real(path: &Path) -> PathBuf {
    path.canonicalize().unwrap_or_else(|_| path.into())
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
        assert!(Sitting::new(gallery, folder).rule(&[ruled], By::Person, version.into()).unwrap().is_empty());
    }

    /// What stands of `encounter` as given, of these `photos` below `folder` as they are now.
    fn on(places: &mut ByPlace, open: &Gallery, folder: &Path, encounter: &str, photos: &[&str]) -> Option<Stands> {
        let given = |photo: &&str| {
            let path = folder.join(photo);
            let sha = hash::of_file(&path).ok();
            (format!("../week/{photo}"), path, sha, String::new())
        };
        let photos: Vec<Given> = photos.iter().map(given).collect();
        places.on(open, encounter, &photos).unwrap()
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
        let mut places = ByPlace::default();
        let mut on = |encounter: &str, photos: &[&str]| on(&mut places, &open, &folder, encounter, photos);
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
        let link = dir.path().join("link/b/1.jpg");
        let photo = ("link/b/1.jpg".to_owned(), link.clone(), hash::of_file(&link).ok(), String::new());
        assert_eq!(places.on(&open, "link/b", &[photo]).unwrap().unwrap().ruling, Ruling::Skipped);
        // and by where the folder lies that was gone through by a link
        let elsewhere = dir.path().join("cards");
        std::fs::rename(&folder, &elsewhere).unwrap();
        std::os::unix::fs::symlink(&elsewhere, &folder).unwrap();
        let found = self::on(&mut ByPlace::default(), &open, &elsewhere, "cards/b", &["b/1.jpg"]);
        assert_eq!(found.map(|found| found.ruling), Some(Ruling::Skipped));
        std::fs::remove_file(&folder).unwrap();
        std::fs::rename(&elsewhere, &folder).unwrap();
        // where a folder in the one that was gone through is a link, too
        std::fs::rename(folder.join("b"), dir.path().join("elsewhere")).unwrap();
        std::os::unix::fs::symlink(dir.path().join("elsewhere"), folder.join("b")).unwrap();
        let found = self::on(&mut ByPlace::default(), &open, &folder, "../week/b", &["b/1.jpg"]);
        assert_eq!(found.unwrap().ruling, Ruling::Skipped);
    }

    #[test]
    fn what_was_decided_at_a_place_is_not_told_of_other_photos_that_lie_there_now() {
        let dir = tempfile::tempdir().unwrap();
        let (gallery, folder) = stage(dir.path());
        rule(&gallery, &folder, "a", &Ruling::New("t9".into()));
        rule(&gallery, &folder, "b", &Ruling::Skipped);
        let open = Gallery::open(&gallery).unwrap();
        let told = |encounter: &str, photos: &[&str]| {
            let given = format!("../week/{encounter}");
            let found = on(&mut ByPlace::default(), &open, &folder, &given, photos);
            found.map(|found| (found.ruling, found.new_photos.len()))
        };
        let (a, b) = (["a/1.jpg", "a/2.jpg"], ["b/1.jpg"]);
        let (t9, skipped) = (Some((Ruling::New("t9".into()), 0)), Some((Ruling::Skipped, 0)));
        assert_eq!((told("a", &a), told("b", &b)), (t9.clone(), skipped));
        std::fs::write(folder.join("a/1.jpg"), "another animal").unwrap();
        std::fs::write(folder.join("b/1.jpg"), "another animal").unwrap();
        assert_eq!((told("a", &a), told("b", &b)), (t9, None), "one photo of a is as it was");
        std::fs::write(folder.join("a/2.jpg"), "another animal, again").unwrap();
        assert_eq!(told("a", &a), None);
    }

    #[test]
    fn who_was_taken_out_of_the_gallery_is_no_answer_any_more() {
        let dir = tempfile::tempdir().unwrap();
        let (gallery, folder) = stage(dir.path());
        rule(&gallery, &folder, "a", &Ruling::Known("t1".into()));
        let open = Gallery::open(&gallery).unwrap();
        let stands = || on(&mut ByPlace::default(), &open, &folder, "../week/a", &["a/1.jpg", "a/2.jpg"]).is_some();
        let mut writer = Writer::open(&gallery).unwrap();
        let screen_says_so = || Session::read(&gallery, &folder).unwrap().entries[0].decided.is_some();
        assert!(stands() && screen_says_so());
        writer.remove("t1", &["a/1.jpg".into()]).unwrap();
        assert!(stands() && screen_says_so(), "another photo of it is there");
        writer.remove("t1", &["a/2.jpg".into()]).unwrap();
        assert!(!stands() && !screen_says_so(), "t1 is there by others only");
        writer.undo().unwrap();
        assert!(stands() && screen_says_so());
        writer.remove("t1", &[]).unwrap();
        assert!(!stands());
    }

    #[test]
    fn an_encounter_whose_photos_were_all_taken_out_is_open_again_and_can_be_decided_and_taken_back() {
        // of a new one nobody is left, of t1 there are others; both go by another name since
        for ruling in [Ruling::New("t9".into()), Ruling::Known("t1".into())] {
            taken_out_and_decided_again(&ruling, "Cleo");
        }
    }

    fn taken_out_and_decided_again(ruling: &Ruling, name: &str) {
        let dir = tempfile::tempdir().unwrap();
        let (gallery, folder) = stage(dir.path());
        let entry = || (*Session::read(&gallery, &folder).unwrap().entries[0]).clone();
        let list = || Session::list(&Gallery::open(&gallery).unwrap(), &mut Default::default()).unwrap()[0].decided;
        let rows = || {
            let rows = super::super::decided_table::rows(&Gallery::open(&gallery).unwrap()).unwrap();
            rows.into_iter().map(|row| (row.decided.encounter, row.stands, row.individual_now)).collect::<Vec<_>>()
        };
        let row = |stands: bool, now: Option<&str>| ("a".to_owned(), stands, now.map(str::to_owned));
        let undo = || Sitting::new(&gallery, &folder).undo().unwrap().len();
        rule(&gallery, &folder, "b", &Ruling::Known("t2".into()));
        rule(&gallery, &folder, "a", ruling);
        let was = ruling.individual().unwrap();
        let mut writer = Writer::open(&gallery).unwrap();
        writer.rename(was, name).unwrap();
        assert_eq!((list(), rows().pop()), (2, Some(row(true, Some(name)))));
        writer.remove(name, &["a/1.jpg".into(), "a/2.jpg".into()]).unwrap();
        drop(writer);
        let now = entry();
        assert_eq!((now.decided, now.of_others, now.taken_out.as_deref()), (None, false, Some(name)));
        let is_left = matches!(ruling, Ruling::Known(_));
        assert_eq!((list(), rows().pop()), (1, Some(row(false, Some(name).filter(|_| is_left)))));
        // as it was, and skipped, and as another; each is taken back
        let again = if is_left { Ruling::Known(name.into()) } else { Ruling::New(name.into()) };
        for ruling in [again, Ruling::Skipped, Ruling::Known("t2".into())] {
            rule(&gallery, &folder, "a", &ruling);
            let now = entry();
            assert_eq!(now.decided.map(|decided| decided.ruling), Some(ruling));
            assert_eq!((now.taken_out, list()), (None, 2));
            assert_eq!((undo(), entry().decided), (1, None));
        }
        // what is open again is nothing to be taken back
        let undone = Sitting::new(&gallery, &folder).undo().unwrap();
        assert_eq!(undone.iter().map(|one| one.encounter.as_str()).collect::<Vec<_>>(), ["b"]);
        assert_eq!((undo(), list()), (0, 0));
    }

    #[test]
    fn what_the_gallery_has_of_an_edited_photo_keeps_it_decided() {
        let dir = tempfile::tempdir().unwrap();
        let (gallery, folder) = stage(dir.path());
        rule(&gallery, &folder, "a", &Ruling::Known("t1".into()));
        let path = super::super::seen::place(&gallery, &folder).join(super::super::seen::SEEN_FILE);
        let mut text = std::fs::read_to_string(&path).unwrap();
        for photo in ["a/1.jpg", "a/2.jpg"] {
            let sha = |folder: &Path| crate::data::hex::hex(&hash::of_file(&folder.join(photo)).unwrap());
            let before = sha(&folder);
            std::fs::write(folder.join(photo), format!("edited {photo}")).unwrap();
            text = text.replace(&before, &sha(&folder));
        }
        std::fs::write(&path, text).unwrap();
        let entry = || (*Session::read(&gallery, &folder).unwrap().entries[0]).clone();
        assert_eq!((entry().decided.is_some(), entry().of_others), (true, true));
        Writer::open(&gallery).unwrap().remove("t1", &["a/1.jpg".into()]).unwrap();
        assert!(entry().decided.is_some(), "one of them is there");
        Writer::open(&gallery).unwrap().remove("t1", &["a/2.jpg".into()]).unwrap();
        assert_eq!((entry().decided, entry().taken_out.as_deref()), (None, Some("t1")));
    }

    #[test]
    fn a_photo_of_another_animal_in_a_decided_encounter_is_told() {
        let dir = tempfile::tempdir().unwrap();
        let (gallery, folder) = stage(dir.path());
        rule(&gallery, &folder, "b", &Ruling::Known("t2".into()));
        rule(&gallery, &folder, "a", &Ruling::Known("t1".into()));
        // a copy of b's photo comes to a
        let path = super::super::seen::place(&gallery, &folder).join(super::super::seen::SEEN_FILE);
        let text = std::fs::read_to_string(&path).unwrap();
        let mut seen: Vec<Seen> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        let (copy, vector) = (seen[1].photos[0].clone(), seen[1].vectors.clone());
        seen[0].photos.push(super::super::seen::SeenPhoto { path: "a/3.jpg".into(), ..copy });
        seen[0].vectors.extend(vector);
        std::fs::copy(folder.join("b/1.jpg"), folder.join("a/3.jpg")).unwrap();
        std::fs::write(&path, format!("{text}{}\n", serde_json::to_string(&seen[0]).unwrap())).unwrap();
        let entry = || (*Session::read(&gallery, &folder).unwrap().entries[0]).clone();
        assert_eq!((entry().also_of(), entry().later), (vec![("t2", 1)], vec![]));
        assert_eq!(Session::read(&gallery, &folder).unwrap().entries[1].also_of(), []);
        // by the verb, too, of what it holds
        let open = Gallery::open(&gallery).unwrap();
        let photos = ["a/1.jpg", "a/2.jpg", "a/3.jpg"];
        let stands = on(&mut ByPlace::default(), &open, &folder, "../week/a", &photos).unwrap();
        let shas = photos.map(|photo| (photo, hash::of_file(&folder.join(photo)).unwrap()));
        let held = open.holds(shas.into_iter(), None).unwrap().held;
        let told = stands.beside(&held).photos_of_others;
        let told: Vec<_> = told.iter().map(|held| (held.photo.as_str(), held.individual.as_str())).collect();
        assert_eq!(told, [("a/3.jpg", "t2")]);
        Writer::open(&gallery).unwrap().merge("t2", "t1").unwrap();
        assert_eq!(entry().also_of(), [], "they are one animal");
    }

    #[test]
    fn only_what_was_decided_in_folders_that_are_asked_about_is_read() {
        let dir = tempfile::tempdir().unwrap();
        let (gallery, folder) = stage(dir.path());
        rule(&gallery, &folder, "b", &Ruling::Skipped);
        let other = dir.path().join("other");
        let vector = [0.2_f32.cos(), 0.2_f32.sin(), 0.0];
        write(&gallery, &other, &embedding(), &[("b".to_owned(), vector.to_vec())]);
        rule(&gallery, &other, "b", &Ruling::Skipped);
        let (open, mut places) = (Gallery::open(&gallery).unwrap(), ByPlace::default());
        assert_eq!(on(&mut places, &open, &folder, "../week/a", &["a/1.jpg"]), None);
        assert!(places.folders.is_empty(), "nothing was decided of that");
        assert!(on(&mut places, &open, &folder, "../week/b", &["b/1.jpg"]).is_some());
        let read: Vec<&str> = places.folders.keys().map(String::as_str).collect();
        assert_eq!(read, [folder.to_str().unwrap()]);
    }
}
