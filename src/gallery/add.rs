//! Photos of a dataset into a gallery, a batch at a time: what `build` and `add` do.
//!
//! A batch is hashed, embedded and put in before the next one begins, so that a process killed at any moment has lost one
//! at most, and the same command again goes on where it was.

use std::collections::{HashMap, HashSet};

use rayon::prelude::*;

use crate::data::manifest::{Manifest, Photo, Problem, ProblemKind};
use crate::eval::embed::{Embedded, Source, embed_readable};
use crate::eval::model::Model;
use crate::nn::ops::Backend;

use super::trained::Trained;
use super::writer::{Adding, Encounter, NewPhoto, There, Writer};
use super::{Error, Result, hash};

/// Photos put in at once.
pub(super) const BATCH: usize = 128;

/// What came of photos that were to be added.
#[derive(Debug, Default)]
pub struct Came {
    /// Photos that were added.
    pub added: usize,
    /// Photos that were there already.
    pub known: usize,
    /// What was left out and why: photos that cannot be read, are known as another individual, or have changed.
    pub problems: Vec<Problem>,
    /// It was interrupted; what was added until then is there.
    pub interrupted: bool,
}

/// Photos that are to be added.
#[derive(Clone, Copy, Debug)]
pub struct Wanted<'a> {
    /// The dataset.
    pub manifest: &'a Manifest,
    /// Places in it.
    pub photos: &'a [usize],
    /// Places of photos whose crop a network chose.
    pub looked: &'a HashSet<usize>,
    /// What the network was trained on.
    pub trained: &'a Trained,
}

/// Adds the `wanted` photos with `model`. `progress` is called with the number done, of how many, and says
/// whether to go on.
///
/// # Errors
/// When the network fails or a file cannot be written; what was added until then is there.
pub fn add<D: Backend>(
    writer: &mut Writer,
    adding: &mut Adding,
    model: &Model<D>,
    wanted: &Wanted<'_>,
    source: &Source,
    progress: &mut dyn FnMut(usize, usize) -> bool,
) -> Result<Came> {
    let mut came = Came::default();
    let Wanted { manifest, photos, .. } = *wanted;
    let all = 2 * photos.len(); // decoded, embedded
    for (batch, done) in photos.chunks(BATCH).zip((0..).step_by(2 * BATCH)) {
        let mut new = new_of(writer, wanted, batch, &mut came)?;
        let places: Vec<usize> = new.iter().map(|(place, _)| *place).collect();
        let skipped = 2 * (batch.len() - places.len());
        let embedded =
            embed_readable(model, manifest, &places, source, &mut |now, _| progress(done + skipped + now, all));
        let Embedded { usable, vectors, problems } = match embedded {
            Err(crate::eval::Error::Interrupted) => {
                came.interrupted = true;
                return Ok(came);
            }
            other => other?,
        };
        came.problems.extend(problems);
        new.retain(|(place, _)| usable.contains(place));
        let new: Vec<NewPhoto> = new.into_iter().map(|(_, photo)| photo).collect();
        if !new.is_empty() {
            writer.add(adding, &new, &vectors)?;
            came.added += new.len();
        }
        if !progress(done + 2 * batch.len(), all) {
            came.interrupted = true;
            return Ok(came);
        }
    }
    Ok(came)
}

/// Fails where one of the `wanted` photos, which a person says are of one individual, is in the gallery as somebody else: then
/// either that is wrong or this is, so that none of them is to be added. What cannot be read is told when it is added.
///
/// # Errors
/// When there is one, or the database cannot be read.
pub fn nobody_elses(writer: &Writer, wanted: &Wanted<'_>) -> Result<()> {
    let mut others = Vec::new();
    for batch in wanted.photos.chunks(BATCH) {
        let photos: Vec<_> = batch.par_iter().map(|&place| (place, new_photo(wanted, place).ok())).collect();
        for (place, photo) in photos {
            let Some(photo) = photo else { continue };
            if let There::Otherwise { known_as, lies_at } = writer.there(&photo)? {
                others.push((wanted.manifest.full_path(place), known_as, lies_at, photo.individual));
            }
        }
    }
    let more = others.len().saturating_sub(1);
    match others.into_iter().next() {
        None => Ok(()),
        Some((photo, known_as, lies_at, individual)) => {
            Err(Error::SomebodyElses { photo, known_as, lies_at, individual, more })
        }
    }
}

/// Those of `batch` that are to be embedded.
fn new_of(writer: &Writer, wanted: &Wanted<'_>, batch: &[usize], came: &mut Came) -> Result<Vec<(usize, NewPhoto)>> {
    let manifest = wanted.manifest;
    let hashed: Vec<_> = batch.par_iter().map(|&place| new_photo(wanted, place)).collect();
    let (mut new, mut of_batch) = (Vec::new(), HashMap::new());
    for (&place, photo) in batch.iter().zip(hashed) {
        let named = Some(manifest.photos[place].path.to_string_lossy().into_owned());
        let mut left_out =
            |kind, reason| came.problems.push(Problem { kind, photo: named.clone(), line: None, reason });
        let photo = match photo {
            Ok(photo) => photo,
            Err(reason) => {
                left_out(ProblemKind::Unreadable, reason);
                continue;
            }
        };
        let twice = of_batch.get(&(photo.sha256, photo.crop)).map(|known: &String| {
            if *known == photo.individual {
                There::Known
            } else {
                There::Otherwise { known_as: known.clone(), lies_at: String::new() }
            }
        });
        match twice.map_or_else(|| writer.there(&photo), Ok)? {
            There::Known => came.known += 1,
            There::Otherwise { known_as, .. } => left_out(
                ProblemKind::TwoIndividuals,
                format!(
                    "it is in the gallery as {known_as} and here as {}: it stays with {known_as} and was not added",
                    photo.individual
                ),
            ),
            There::Changed => left_out(
                ProblemKind::Duplicate,
                "its file or its crop is another than when it was added; `caretta gallery rebuild` embeds all anew"
                    .into(),
            ),
            There::New => {
                of_batch.insert((photo.sha256, photo.crop), photo.individual.clone());
                new.push((place, photo));
            }
        }
    }
    Ok(new)
}

fn new_photo(wanted: &Wanted<'_>, place: usize) -> std::result::Result<NewPhoto, String> {
    let Wanted { manifest, looked, trained, .. } = *wanted;
    let path = manifest.full_path(place);
    let sha256 = hash::of_file(&path).map_err(|e| e.to_string())?;
    let photo = &manifest.photos[place];
    let text = |path: &std::path::Path| path.to_str().map(str::to_owned).ok_or("its path is no UTF-8 text; rename it");
    Ok(NewPhoto {
        root: text(&manifest.root)?,
        path: text(&photo.path)?,
        individual: photo.individual.clone(),
        encounter: encounter(photo),
        date: photo.date,
        side: photo.side,
        crop: photo.crop,
        looked: looked.contains(&place),
        sha256,
        trained: trained.is_on(&path, &sha256),
    })
}

/// The day, where that is what the encounter goes by.
fn encounter(photo: &Photo) -> Encounter {
    match photo.date {
        Some(day) if photo.encounter == format!("{} {day}", photo.individual) => Encounter::Day(day),
        _ => Encounter::Own(photo.encounter.clone()),
    }
}
