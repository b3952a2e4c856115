//! What was decided of a folder's encounters, written down in the gallery, and taken back.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::path::Path;

use crate::data::crop::Crop;
use crate::data::hex::hex;
use crate::run::RunError;

use super::about::Embedding;
use super::decisions::{self, By, Decided, Matter, Proposed, Ruling};
use super::seen::{Seen, SeenFile, SeenPhoto, UpTo};
use super::stands::OfFolder;
use super::store::Gallery;
use super::writer::{Encounter, NewPhoto, Writer};
use super::{Error, Result, correction, hash, later};

/// What is decided of encounters that are one animal, each with what was proposed.
#[derive(Clone, Copy, Debug)]
pub struct Ruled<'a> {
    /// The encounters.
    pub encounters: &'a [(String, Proposed)],
    /// Who it is.
    pub ruling: &'a Ruling,
    /// The change by which something was decided of it before: another, which is corrected, or the same, to which photos are
    /// added that came since; none where nothing was.
    pub corrects: Option<i64>,
}

/// What stood before who decided.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shown {
    /// The gallery's version.
    pub version: (u64, u64),
    /// How far what was seen was read; none where it is what is seen by now.
    pub up_to: Option<UpTo>,
}

#[cfg(test)]
impl From<(u64, u64)> for Shown {
    fn from(version: (u64, u64)) -> Shown {
        Shown { version, up_to: None }
    }
}

/// Writes down what was decided of encounters of `folder`, of which `all` was seen by what made `embedding`, and adds their photos to
/// the gallery, a step for each of `decided`; what the program decides is one go, and is written down as that.
/// A new individual is made only while nobody else has changed the gallery that was shown, and nothing is decided of an encounter
/// to which photos came since. Tells which could not be written down, by their first encounters, and why; the others are.
///
/// # Errors
/// When the gallery cannot be opened, or is of another network than what was seen.
pub(super) fn rule(
    (gallery, folder): (&Path, &Path),
    (all, embedding): (&SeenFile, &Embedding),
    decided: &[Ruled<'_>],
    by: By,
    shown: Shown,
) -> Result<Vec<(String, Error)>> {
    let mut writer = Writer::open(gallery)?;
    writer.accept(embedding)?;
    let is_current = writer.version()? == shown.version;
    let twins = twins(all);
    let stands = OfFolder::of(&writer, &folder.to_string_lossy())?;
    let (mut refused, mut go) = (Vec::new(), None);
    for &Ruled { encounters, ruling, corrects } in decided {
        let find = |(encounter, proposed): &'_ (String, Proposed)| {
            let seen = all.get(encounter).ok_or_else(|| Error::Unseen { encounter: encounter.clone() })?;
            if shown.up_to.is_some_and(|up_to| !all.is_as_shown(encounter, up_to)) {
                return Err(Error::CameMeanwhile { encounter: encounter.clone() });
            }
            if seen.photos.is_empty() && *ruling != Ruling::Skipped && corrects.is_none() {
                return Err(Error::NothingSeen { encounter: encounter.clone() });
            }
            Ok((seen, proposed.clone()))
        };
        let found: Result<Vec<_>> = encounters.iter().map(find).collect();
        let done = match ruling {
            Ruling::New(_) if !is_current => Err(Error::ChangedMeanwhile { folder: gallery.into() }),
            _ => found.and_then(|found| {
                alike(&writer, (folder, all, &stands), &twins, &found, ruling)?;
                write((&mut writer, go), (folder, &stands), &found, (ruling, by, corrects))
            }),
        };
        match done {
            Ok(change) if by == By::Program => go = go.or(Some(change)),
            Ok(_) => {}
            Err(error) => {
                refused.push((encounters.first().map(|(first, _)| first.clone()).unwrap_or_default(), error));
            }
        }
    }
    Ok(refused)
}

fn write(
    (writer, go): (&mut Writer, Option<i64>),
    (folder, stands): (&Path, &OfFolder),
    found: &[(&Seen, Proposed)],
    ruling: (&Ruling, By, Option<i64>),
) -> Result<i64> {
    let root = folder.to_str().ok_or_else(|| Error::NotUnicode { path: folder.into() })?;
    let mut of_each = Vec::with_capacity(found.len());
    for (seen, _) in found {
        // what a correction finds in the gallery goes by what the gallery holds, not by what lies there now
        let held = match ruling.2 {
            Some(_) => correction::paths(writer, root, &seen.encounter)?,
            None => HashSet::new(),
        };
        let (mut photos, mut embeddings) = (Vec::new(), Vec::new());
        let dims = writer.embedding().dims;
        let rows = seen.photos.iter().zip(seen.vectors.chunks_exact(dims));
        for (photo, row) in rows.filter(|(photo, _)| *ruling.0 != Ruling::Skipped && !held.contains(&photo.path)) {
            photos.push(new_photo(folder, root, &seen.encounter, photo)?);
            embeddings.extend_from_slice(row);
        }
        of_each.push((photos, embeddings));
    }
    let mut matters = Vec::with_capacity(found.len());
    let had: Vec<Vec<String>> = found.iter().map(|(seen, _)| later::marks(seen)).collect();
    for (((seen, proposed), (photos, embeddings)), had) in found.iter().zip(&of_each).zip(&had) {
        let unread = seen.photos.is_empty();
        let taken_out = stands.taken_out(writer, seen)?.map(|decided| decided.change);
        let encounter = &seen.encounter;
        matters.push(Matter { encounter, proposed, photos, embeddings, unread, had, taken_out });
    }
    writer.rule_in(go, root, &matters, ruling)
}

/// Encounters by the photos that they share, byte for byte and seen in the same part.
type Twins<'a> = HashMap<(&'a str, &'a str), Vec<&'a str>>;

fn twins(seen: &SeenFile) -> Twins<'_> {
    let mut all: Twins<'_> = HashMap::new();
    for one in seen.all() {
        for photo in &one.photos {
            let of = all.entry((&photo.sha256, &photo.crop)).or_default();
            // those of one encounter come one after the other
            if of.last() != Some(&&*one.encounter) {
                of.push(&one.encounter);
            }
        }
    }
    all.retain(|_, encounters| encounters.len() > 1);
    all
}

/// The encounters that share a photo, byte for byte and seen in the same part, each with a word for each such photo of it: the
/// same in all that have it, so that who has which takes no more room than the photos do.
pub(super) fn copies(seen: &SeenFile) -> BTreeMap<&str, BTreeSet<String>> {
    let mut all: BTreeMap<&str, BTreeSet<String>> = BTreeMap::new();
    for ((sha256, crop), together) in twins(seen) {
        let photo = if crop.is_empty() { sha256.to_owned() } else { format!("{sha256} {crop}") };
        for one in together {
            all.entry(one).or_default().insert(photo.clone());
        }
    }
    all
}

/// Fails where a photo of `found` is in another encounter, too, which is decided as somebody else: it would be two animals.
fn alike(
    writer: &Writer,
    (folder, all, stands): (&Path, &SeenFile, &OfFolder),
    twins: &Twins<'_>,
    found: &[(&Seen, Proposed)],
    ruling: &Ruling,
) -> Result<()> {
    let of_these: HashSet<&str> = found.iter().map(|(seen, _)| &*seen.encounter).collect();
    let who = match ruling {
        Ruling::Skipped => return Ok(()),
        Ruling::Known(name) => Some(writer.find(name)?.0),
        Ruling::New(_) => None,
    };
    for photo in found.iter().flat_map(|(seen, _)| &seen.photos) {
        let others = twins.get(&(&*photo.sha256, &*photo.crop)).into_iter().flatten();
        for other in others.filter(|other| !of_these.contains(*other)) {
            let decided = correction::decided_otherwise(writer, (&folder.to_string_lossy(), other), who)?;
            let Some(known_as) = decided else { continue };
            let taken_out = all.get(other).map(|seen| stands.taken_out(writer, seen)).transpose()?.flatten();
            // of one whose photos were taken out nothing stands
            if taken_out.is_none() {
                return Err(Error::SamePhoto { photo: photo.path.clone(), encounter: (*other).into(), known_as });
            }
        }
    }
    Ok(())
}

/// A photo of `encounter` as the gallery takes it; its file must be as it was seen.
fn new_photo(folder: &Path, root: &str, encounter: &str, seen: &SeenPhoto) -> Result<NewPhoto> {
    let path = folder.join(&seen.path);
    let sha256 = hash::of_file(&path).map_err(|e| RunError::io("read", &path, e))?;
    if hex(&sha256) != seen.sha256 {
        return Err(Error::SeenOtherwise { photo: seen.path.clone() });
    }
    Ok(NewPhoto {
        root: root.into(),
        path: seen.path.clone(),
        individual: String::new(),
        encounter: seen.date.map_or_else(|| Encounter::Own(decisions::shown(root, encounter)), Encounter::Day),
        date: seen.date,
        side: seen.side,
        crop: seen.crop.parse::<Crop>().ok(),
        looked: seen.looked,
        sha256,
        trained: seen.trained,
    })
}

/// Takes back what was decided last in `folder`, and tells what it was: of all encounters that it decided of at once. What the
/// program decided in one go, a change for each encounter, is taken back as a whole. What is open again by itself, as all photos were
/// taken out, by what was `seen` of them, is passed over. Empty where nothing is decided.
///
/// # Errors
/// When the gallery cannot be changed; nothing is taken back then.
pub(super) fn undo((gallery, folder): (&Path, &Path), seen: &SeenFile) -> Result<Vec<Decided>> {
    let mut writer = Writer::open(gallery)?;
    let mut decided = writer.decided(Some(&folder.to_string_lossy()))?;
    let stuck = correction::for_good(&writer, &folder.to_string_lossy())?;
    // what such a correction hides, it hides for good; what came after it is another matter
    let taken_out = taken_out(&writer, &folder.to_string_lossy(), seen)?;
    let is_hidden = |one: &Decided| {
        stuck.iter().any(|(change, encounters)| one.change <= *change && encounters.contains(&one.encounter))
            || taken_out.get(&one.encounter).is_some_and(|change| one.change <= *change)
    };
    let stands = |one: &&Decided| !one.undone && !is_hidden(one);
    let last = decided.iter().rfind(stands).map(Decided::step);
    let together = decided.iter().filter(stands).filter(|one| Some(one.step()) == last).map(|one| one.change);
    let together: BTreeSet<i64> = together.collect();
    if together.is_empty() {
        return if stuck.is_empty() { Ok(Vec::new()) } else { Err(Error::CorrectedBeforeRebuild) };
    }
    writer.take_back_all(&together)?;
    decided.retain(|decided| !is_hidden(decided) && together.contains(&decided.change));
    Ok(decided)
}

/// The encounters of `folder` that are open again as their photos were taken out, with the change that stood of each.
fn taken_out(gallery: &Gallery, folder: &str, seen: &SeenFile) -> Result<HashMap<String, i64>> {
    let stands = OfFolder::of(gallery, folder)?;
    let mut all = HashMap::new();
    for decided in stands.all() {
        let seen = seen.get(&decided.encounter);
        if let Some(decided) = seen.map(|seen| stands.taken_out(gallery, seen)).transpose()?.flatten() {
            all.insert(decided.encounter.clone(), decided.change);
        }
    }
    Ok(all)
}
