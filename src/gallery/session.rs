//! A folder of new photos that a person goes through: what was seen of it, and where its encounters stand.
//!
//! What a network made of the photos is kept ([`seen`](super::seen)), so that a name that was given counts for the next encounter
//! at once, and a session that was killed goes on where it was: what was decided is the gallery's own.

use std::collections::{BTreeMap, HashMap};
use std::path::{Path, PathBuf};

use jiff::civil::Date;
use serde::Serialize;

use crate::data::crop::Crop;
use crate::data::hex::hex;
use crate::run::{RunError, files, lock};

use super::calibration::Calibration;
use super::decisions::{By, Decided, Matter, Proposed, Ruling};
use super::identify::{Catalogue, Decision, NearIndividual, NearPhoto};
use super::search::Nearest;
use super::seen::{ABOUT_FILE, About, LOCK_FILE, SESSIONS, Seen, SeenPhoto, place, read};
use super::share::Share;
use super::store::{Counts, Gallery};
use super::writer::{Encounter, NewPhoto, Writer};
use super::{Error, Result, hash};

/// What a calibration promises, in few words.
pub fn promise(calibration: &Calibration) -> String {
    let percent = |share: f64| format!("{:.0}", 100.0 * share);
    match &calibration.reached {
        Some(reached) => {
            let Share { share, interval: [low, high], .. } = reached.false_new;
            format!("{} % false new ({} to {})", percent(share), percent(low), percent(high))
        }
        None => format!("{} % false new asked for", percent(calibration.asked.false_new)),
    }
}

/// Of each individual of `proposal` its photo that is nearest.
fn best(catalogue: &Catalogue, proposal: &Decision, near: &Nearest) -> Result<Vec<NearPhoto>> {
    let nearest = catalogue.photos(&near.individuals)?;
    let of = |name: &NearIndividual| -> Result<NearPhoto> {
        if let Some(photo) = nearest.iter().find(|photo| photo.individual == name.individual) {
            return Ok(photo.clone());
        }
        // near by its photos together, by none alone
        let (_, photos) = catalogue.gallery().individual(&name.individual)?;
        let unknown = || Error::UnknownIndividual { given: name.individual.clone(), near: Vec::new() };
        Ok(NearPhoto::of(photos.into_iter().next().ok_or_else(unknown)?, name.distance))
    };
    proposal.individuals.iter().map(of).collect()
}

/// A folder that is gone through, in a list.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Outline {
    /// The folder.
    pub folder: PathBuf,
    /// Encounters seen.
    pub encounters: usize,
    /// Those decided.
    pub decided: usize,
}

/// One encounter of a session.
#[derive(Clone, Debug)]
pub struct Entry {
    /// What is proposed, by what the gallery knows now; what it was when it was decided is in `decided`.
    pub proposal: Decision,
    /// Where its photos lie.
    pub photos: Vec<PathBuf>,
    /// The day of the first dated one.
    pub date: Option<Date>,
    /// Of each of the proposal's individuals its nearest photo.
    pub best: Vec<NearPhoto>,
    /// What was decided of it.
    pub decided: Option<Decided>,
}

/// A session as it stands.
#[derive(Clone, Debug)]
pub struct Session {
    /// The gallery.
    pub gallery: PathBuf,
    /// The folder of new photos.
    pub folder: PathBuf,
    /// The gallery's version that the proposals are of.
    pub version: (u64, u64),
    /// How much the gallery knows.
    pub counts: Counts,
    /// The encounters in the order in which they were seen.
    pub entries: Vec<Entry>,
    /// What the gallery's calibration promises; none without one.
    pub promise: Option<String>,
    /// All names, for whoever picks another.
    pub names: Vec<String>,
    /// Somebody looks at photos now.
    pub looking: bool,
    /// All photos were looked at.
    pub whole: bool,
    /// Photos that cannot be read, and why.
    pub problems: Vec<String>,
}

impl Session {
    /// The session of `folder`, an absolute path, with the gallery in `gallery`.
    ///
    /// # Errors
    /// When a file cannot be read, or the gallery is empty.
    pub fn read(gallery: &Path, folder: &Path) -> Result<Session> {
        let place = place(gallery, folder);
        let open = Gallery::open(gallery)?;
        let version = open.version()?; // before the rest: what changes meanwhile is noticed
        let catalogue = Catalogue::of(open)?;
        let store = catalogue.gallery();
        let about: Option<About> = files::read_json_if_there(&place.join(ABOUT_FILE))?;
        // what another network saw is seen anew before it counts
        let about = about.filter(|about| about.embedding == *store.embedding());
        let seen = if about.is_some() { read(&place)?.0 } else { Vec::new() };
        let dims = store.embedding().dims;
        let key = folder.to_string_lossy().into_owned();
        let decided: HashMap<String, Decided> = store
            .decided(Some(&key))?
            .into_iter()
            .filter(|decided| !decided.undone)
            .map(|decided| (decided.encounter.clone(), decided))
            .collect();
        let fits = |seen: &&Seen| !seen.photos.is_empty() && seen.vectors.len() == seen.photos.len() * dims;
        let seen: Vec<&Seen> = seen.iter().filter(fits).collect();
        let queries: Vec<&[f32]> = seen.iter().map(|seen| &seen.vectors[..]).collect();
        let entry = |(seen, near): (&&Seen, Nearest)| -> Result<Entry> {
            let photos: Vec<String> = seen.photos.iter().map(|photo| photo.path.clone()).collect();
            let paths = photos.iter().map(|path| folder.join(path)).collect();
            let proposal = catalogue.decide(photos, seen.encounter.clone(), &seen.vectors, &near)?;
            Ok(Entry {
                photos: paths,
                date: seen.photos.iter().find_map(|photo| photo.date),
                best: best(&catalogue, &proposal, &near)?,
                decided: decided.get(&seen.encounter).cloned(),
                proposal,
            })
        };
        let entries = seen.iter().zip(catalogue.nearest(&queries)?).map(entry).collect::<Result<_>>()?;
        let mut names = catalogue.individuals().to_vec();
        names.sort();
        Ok(Session {
            gallery: gallery.into(),
            folder: folder.into(),
            version,
            counts: catalogue.counts(),
            entries,
            promise: catalogue.calibration().map(|calibration| {
                let has_grown = calibration.has_grown(catalogue.individuals().len());
                promise(calibration) + if has_grown { ", but it has grown: calibrate again" } else { "" }
            }),
            names,
            looking: lock::is_held(&place.join(LOCK_FILE))?,
            whole: about.as_ref().is_some_and(|about| about.whole),
            problems: about.map(|about| about.problems).unwrap_or_default(),
        })
    }

    /// The sessions of the gallery in `gallery`, by their folders.
    ///
    /// # Errors
    /// When the gallery cannot be read.
    pub fn list(gallery: &Gallery) -> Result<Vec<Outline>> {
        let mut all = BTreeMap::new();
        for entry in std::fs::read_dir(gallery.folder().join(SESSIONS)).into_iter().flatten().flatten() {
            let Ok(about) = files::read_json::<About>(&entry.path().join(ABOUT_FILE)) else { continue };
            let decided = gallery.decided(Some(&about.folder.to_string_lossy()))?;
            let decided = decided.iter().filter(|decided| !decided.undone).count();
            let encounters = about.encounters.max(decided);
            let outline = Outline { folder: about.folder.clone(), encounters, decided };
            all.insert(about.folder, outline);
        }
        Ok(all.into_values().collect())
    }
}

/// What is decided of an encounter, as [`rule`] takes it.
pub type Ruled<'a> = (&'a str, &'a Ruling, &'a Proposed);

/// Writes down what was decided of encounters of `folder`, and adds their photos to the gallery, a step each. `version` is the
/// gallery's that was looked at: a new individual is made only while nobody else has changed it since. Tells which could not
/// be written down, and why; the others are.
///
/// # Errors
/// When the gallery cannot be opened, or is of another network than what was seen.
pub fn rule(
    gallery: &Path,
    folder: &Path,
    decided: &[Ruled<'_>],
    by: By,
    version: (u64, u64),
) -> Result<Vec<(String, Error)>> {
    let place = place(gallery, folder);
    let mut writer = Writer::open(gallery)?;
    let about: About = files::read_json(&place.join(ABOUT_FILE))?;
    writer.accept(&about.embedding)?;
    let seen: HashMap<String, Seen> = read(&place)?.0.into_iter().map(|seen| (seen.encounter.clone(), seen)).collect();
    let is_current = writer.version()? == version;
    let mut refused = Vec::new();
    for &(encounter, ruling, proposed) in decided {
        let done = match (ruling, seen.get(encounter)) {
            (_, None) => Err(Error::Unseen { encounter: encounter.into() }),
            (Ruling::New(_), _) if !is_current => Err(Error::ChangedMeanwhile { folder: gallery.into() }),
            (_, Some(seen)) => rule_one(&mut writer, folder, seen, (ruling, by), proposed),
        };
        if let Err(error) = done {
            refused.push((encounter.to_owned(), error));
        }
    }
    Ok(refused)
}

fn rule_one(writer: &mut Writer, folder: &Path, seen: &Seen, ruling: (&Ruling, By), proposed: &Proposed) -> Result<()> {
    let encounter = seen.encounter.as_str();
    let root = folder.to_str().ok_or_else(|| Error::NotUnicode { path: folder.into() })?;
    let photo = |seen: &SeenPhoto| -> Result<NewPhoto> {
        let path = folder.join(&seen.path);
        let sha256 = hash::of_file(&path).map_err(|e| RunError::io("read", &path, e))?;
        if hex(&sha256) != seen.sha256 {
            return Err(Error::SeenOtherwise { photo: seen.path.clone() });
        }
        Ok(NewPhoto {
            root: root.into(),
            path: seen.path.clone(),
            individual: String::new(),
            encounter: seen.date.map_or_else(|| Encounter::Own(encounter.into()), Encounter::Day),
            date: seen.date,
            side: seen.side,
            crop: seen.crop.parse::<Crop>().ok(),
            looked: seen.looked,
            sha256,
            trained: seen.trained,
        })
    };
    let photos = match ruling.0 {
        Ruling::Skipped => Vec::new(),
        _ => seen.photos.iter().map(photo).collect::<Result<Vec<_>>>()?,
    };
    let matter = Matter { folder: root, encounter, proposed };
    writer.rule(matter, ruling, &photos, if photos.is_empty() { &[] } else { &seen.vectors })
}

/// Takes back what was decided last in `folder`, and tells what it was; none where nothing is decided.
///
/// # Errors
/// When the gallery cannot be changed.
pub fn undo(gallery: &Path, folder: &Path) -> Result<Option<Decided>> {
    let mut writer = Writer::open(gallery)?;
    let decided = writer.decided(Some(&folder.to_string_lossy()))?;
    let Some(last) = decided.into_iter().rfind(|decided| !decided.undone) else { return Ok(None) };
    writer.take_back(&last)?;
    Ok(Some(last))
}

#[cfg(test)]
mod tests {
    use super::super::about::Embedding;
    use super::super::seen::{Looking, SEEN_FILE};
    use super::super::tests::{embedding, small};
    use super::*;
    use std::fs;

    /// A gallery of t1 and t2, and a folder of which `a` (two photos) and `b` were seen, both near to t1.
    fn stage(dir: &Path) -> (PathBuf, PathBuf) {
        let (gallery, folder) = (dir.join("g"), dir.join("week"));
        drop(small(&gallery));
        let place = place(&gallery, &folder);
        fs::create_dir_all(&place).unwrap();
        let about =
            About { folder: folder.clone(), embedding: embedding(), whole: true, encounters: 2, problems: Vec::new() };
        files::replace_json(&place.join(ABOUT_FILE), &about).unwrap();
        let mut lines = String::new();
        for (encounter, photos) in [("a", &["a/1.jpg", "a/2.jpg"][..]), ("b", &["b/1.jpg"])] {
            let photo = |path: &&str| {
                fs::create_dir_all(folder.join(path).parent().unwrap()).unwrap();
                fs::write(folder.join(path), path).unwrap();
                let sha256 = hex(&hash::of_file(&folder.join(path)).unwrap());
                SeenPhoto {
                    path: (*path).into(),
                    date: None,
                    crop: String::new(),
                    looked: false,
                    side: None,
                    sha256,
                    trained: None,
                }
            };
            let photos: Vec<SeenPhoto> = photos.iter().map(photo).collect();
            let vectors = [0.1_f32.cos(), 0.1_f32.sin(), 0.0].repeat(photos.len());
            let seen = Seen { encounter: encounter.into(), files: Vec::new(), photos, vectors };
            lines += &format!("{}\n", serde_json::to_string(&seen).unwrap());
        }
        fs::write(place.join(SEEN_FILE), lines).unwrap();
        (gallery, folder)
    }

    fn decide(gallery: &Path, folder: &Path, encounter: &str, ruling: Ruling) -> Result<()> {
        let version = Gallery::open(gallery)?.version()?;
        let refused = rule(gallery, folder, &[(encounter, &ruling, &Proposed::default())], By::Person, version)?;
        refused.into_iter().next().map_or(Ok(()), |(_, error)| Err(error))
    }

    #[test]
    fn a_session_goes_on_where_it_was_and_a_new_name_counts_for_the_next_encounter() {
        let dir = tempfile::tempdir().unwrap();
        let (gallery, folder) = stage(dir.path());
        let read = || Session::read(&gallery, &folder).unwrap();
        let session = read();
        assert!(session.whole && !session.looking && session.promise.is_none());
        let first = |session: &Session, at: usize| session.entries[at].proposal.individuals[0].individual.clone();
        assert_eq!((session.entries.len(), first(&session, 1)), (2, "t2".into()));
        assert_eq!(session.entries[0].photos, [folder.join("a/1.jpg"), folder.join("a/2.jpg")]);
        assert_eq!(session.entries[0].best[0].photo, "1.jpg");

        decide(&gallery, &folder, "a", Ruling::New("t9".into())).unwrap();
        let session = read();
        assert_eq!(session.entries[0].decided.as_ref().unwrap().ruling, Ruling::New("t9".into()));
        assert!(session.names.contains(&"t9".into()) && session.counts.photos == 5);
        let near = session.entries[1].best.iter().find(|near| near.individual == "t9").unwrap();
        assert_eq!(near.distance, 0.0);
        assert!(matches!(decide(&gallery, &folder, "a", Ruling::Skipped), Err(Error::AlreadyDecided { .. })));
        let listed = Session::list(&Gallery::open(&gallery).unwrap()).unwrap();
        assert_eq!(listed, [Outline { folder: folder.clone(), encounters: 2, decided: 1 }]);

        // who looks at the gallery as it was makes nobody: the same animal may be new there
        let (ruling, nothing) = (Ruling::New("t10".into()), Proposed::default());
        let old = rule(&gallery, &folder, &[("b", &ruling, &nothing)], By::Person, (3, 1)).unwrap();
        assert!(matches!(old[0].1, Error::ChangedMeanwhile { .. }));
        assert_eq!(undo(&gallery, &folder).unwrap().unwrap().encounter, "a");
        assert!(undo(&gallery, &folder).unwrap().is_none());
        assert!(read().entries.iter().all(|entry| entry.decided.is_none()) && read().counts.photos == 3);
    }

    #[test]
    fn what_was_torn_or_has_changed_does_not_count() {
        let dir = tempfile::tempdir().unwrap();
        let (gallery, folder) = stage(dir.path());
        let kept = place(&gallery, &folder);
        let text = fs::read_to_string(kept.join(SEEN_FILE)).unwrap();
        fs::write(folder.join("b/1.jpg"), "another").unwrap();
        assert!(matches!(decide(&gallery, &folder, "b", Ruling::Known("t1".into())), Err(Error::SeenOtherwise { .. })));
        assert!(matches!(decide(&gallery, &folder, "c", Ruling::Skipped), Err(Error::Unseen { .. })));
        fs::write(kept.join(SEEN_FILE), &text[..text.len() - 9]).unwrap();
        assert_eq!(Session::read(&gallery, &folder).unwrap().entries.len(), 1);
        // who looks next goes on behind the last whole line, and alone
        let open = Gallery::open(&gallery).unwrap();
        let looking = Looking::at(&open, &folder).unwrap();
        assert_eq!(looking.seen.len(), 1);
        assert!(Session::read(&gallery, &folder).unwrap().looking);
        assert!(matches!(Looking::at(&open, &folder), Err(Error::Looking { .. })));
        drop(looking);
        assert!(text.starts_with(&fs::read_to_string(kept.join(SEEN_FILE)).unwrap()));
        // seen by another network
        let other = Embedding { identity: "cd".repeat(32), ..embedding() };
        let about =
            About { folder: folder.clone(), embedding: other, whole: true, encounters: 2, problems: Vec::new() };
        files::replace_json(&kept.join(ABOUT_FILE), &about).unwrap();
        let session = Session::read(&gallery, &folder).unwrap();
        assert!(session.entries.is_empty() && !session.whole);
        assert_eq!(Looking::at(&open, &folder).unwrap().seen.len(), 0);
    }
}
