//! What was decided of a folder's encounters, written down in the gallery, and taken back.

use std::path::Path;

use crate::data::crop::Crop;
use crate::data::hex::hex;
use crate::run::RunError;

use super::about::Embedding;
use super::decisions::{By, Decided, Matter, Proposed, Ruling, shown};
use super::seen::{Seen, SeenFile, SeenPhoto};
use super::writer::{Encounter, NewPhoto, Writer};
use super::{Error, Result, hash};

/// What is decided of encounters that are one animal, each with what was proposed.
#[derive(Clone, Copy, Debug)]
pub struct Ruled<'a> {
    /// The encounters.
    pub encounters: &'a [(String, Proposed)],
    /// Who it is.
    pub ruling: &'a Ruling,
    /// The change by which another was decided of it, which is corrected; none where nothing was.
    pub corrects: Option<i64>,
}

/// Writes down what was decided of encounters of `folder`, of which `seen` was by what made `embedding`, and adds their photos to the gallery, a step for each of `decided`.
/// `version` is the gallery's that was looked at: a new individual is made only while nobody else has changed it since. Tells
/// which could not be written down, by their first encounters, and why; the others are.
///
/// # Errors
/// When the gallery cannot be opened, or is of another network than what was seen.
pub(super) fn rule(
    (gallery, folder): (&Path, &Path),
    (seen, embedding): (&SeenFile, &Embedding),
    decided: &[Ruled<'_>],
    by: By,
    version: (u64, u64),
) -> Result<Vec<(String, Error)>> {
    let mut writer = Writer::open(gallery)?;
    writer.accept(embedding)?;
    let is_current = writer.version()? == version;
    let mut refused = Vec::new();
    for &Ruled { encounters, ruling, corrects } in decided {
        let find = |(encounter, proposed): &'_ (String, Proposed)| {
            let seen = seen.get(encounter).ok_or_else(|| Error::Unseen { encounter: encounter.clone() })?;
            if seen.photos.is_empty() && *ruling != Ruling::Skipped {
                return Err(Error::NothingSeen { encounter: encounter.clone() });
            }
            Ok((seen, proposed.clone()))
        };
        let found: Result<Vec<_>> = encounters.iter().map(find).collect();
        let done = match ruling {
            Ruling::New(_) if !is_current => Err(Error::ChangedMeanwhile { folder: gallery.into() }),
            _ => found.and_then(|found| write(&mut writer, folder, &found, (ruling, by, corrects))),
        };
        if let Err(error) = done {
            refused.push((encounters.first().map(|(first, _)| first.clone()).unwrap_or_default(), error));
        }
    }
    Ok(refused)
}

fn write(
    writer: &mut Writer,
    folder: &Path,
    found: &[(&Seen, Proposed)],
    ruling: (&Ruling, By, Option<i64>),
) -> Result<()> {
    let root = folder.to_str().ok_or_else(|| Error::NotUnicode { path: folder.into() })?;
    let photos = |(seen, _): &(&Seen, Proposed)| match ruling.0 {
        Ruling::Skipped => Ok(Vec::new()),
        _ => seen.photos.iter().map(|photo| new_photo(folder, root, &seen.encounter, photo)).collect(),
    };
    let photos: Vec<Vec<NewPhoto>> = found.iter().map(photos).collect::<Result<_>>()?;
    let mut matters = Vec::with_capacity(found.len());
    for ((seen, proposed), photos) in found.iter().zip(&photos) {
        let embeddings = if photos.is_empty() { &[] } else { &seen.vectors[..] };
        matters.push(Matter { encounter: &seen.encounter, proposed, photos, embeddings });
    }
    writer.rule(root, &matters, ruling)
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
        encounter: seen.date.map_or_else(|| Encounter::Own(shown(root, encounter)), Encounter::Day),
        date: seen.date,
        side: seen.side,
        crop: seen.crop.parse::<Crop>().ok(),
        looked: seen.looked,
        sha256,
        trained: seen.trained,
    })
}

/// Takes back what was decided last in `folder`, and tells what it was: of all encounters that it decided of at once. What the
/// program decided in one go, a change for each encounter, is taken back as a whole, as far as it came after the change `after`.
/// Empty where nothing is decided.
///
/// # Errors
/// When the gallery cannot be changed; the last ones may be taken back then.
pub(super) fn undo(gallery: &Path, folder: &Path, after: i64) -> Result<Vec<Decided>> {
    let mut writer = Writer::open(gallery)?;
    let mut decided = writer.decided(Some(&folder.to_string_lossy()))?;
    let mut together: Vec<Decided> = Vec::new();
    for one in decided.iter().rev().filter(|decided| !decided.undone) {
        let goes_on = |last: &Decided| {
            let in_one_go = last.by == By::Program && one.by == By::Program && one.change + 1 == last.change;
            in_one_go && one.change > after
        };
        match together.last() {
            Some(last) if one.change == last.change => {}
            Some(last) if !goes_on(last) => break,
            _ => together.push(one.clone()),
        }
    }
    together.iter().try_for_each(|one| writer.take_back(one))?;
    decided.retain(|decided| together.iter().any(|one| one.change == decided.change));
    Ok(decided)
}
