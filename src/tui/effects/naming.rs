//! Galleries and sessions for the tab where new photos get their names: what is read, and what is written down.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::SystemTime;

use crate::data::counted::counted;
use crate::gallery::calibrated::calibration_of;
use crate::gallery::decisions::{By, Proposed, Ruling};
use crate::gallery::seen;
use crate::gallery::session::{self, Session};
use crate::gallery::store::Gallery;
use crate::run::Workspace;
use crate::tui::identify::{GalleryLine, Profile};
use crate::tui::message::{Message, Written};

/// When the files behind a session changed last, and how long they were.
pub(super) type Marks = Vec<Option<(SystemTime, u64)>>;

/// What tells a session from the one before.
pub(super) fn mark(gallery: &Path, folder: &Path) -> Marks {
    let mark = |path: &PathBuf| {
        let meta = std::fs::metadata(path).ok()?;
        Some((meta.modified().ok()?, meta.len()))
    };
    seen::behind(gallery, folder).iter().map(mark).collect()
}

/// The galleries that the workspace knows.
pub(super) fn galleries(workspace: &Workspace) -> Vec<GalleryLine> {
    workspace.galleries().into_iter().map(line).collect()
}

fn line(folder: PathBuf) -> GalleryLine {
    let name = folder.file_name().unwrap_or(folder.as_os_str()).to_string_lossy().into_owned();
    let read = || {
        let gallery = Gallery::open(&folder)?;
        // one of the embeddings before a rebuild is none
        let promise = calibration_of(&gallery).ok().flatten().as_ref().map(session::promise);
        Ok((gallery.counts()?, Session::list(&gallery)?, promise))
    };
    match read() {
        Ok((counts, sessions, promise)) => GalleryLine { name, counts: Ok(counts), promise, sessions, folder },
        Err(error) => {
            let error: crate::gallery::Error = error;
            GalleryLine { name, counts: Err(error.to_string()), promise: None, sessions: Vec::new(), folder }
        }
    }
}

/// Puts the gallery at `path` into the workspace's list.
pub(super) fn add(workspace: &Workspace, path: &Path) -> Result<(), String> {
    Gallery::open(path).map_err(|e| e.to_string())?;
    workspace.know_gallery(path).map_err(|e| e.to_string())
}

/// The session as it stands.
pub(super) fn session(gallery: PathBuf, folder: PathBuf) -> Message {
    let session = read(&gallery, &folder);
    Message::Session(gallery, folder, session)
}

fn read(gallery: &Path, folder: &Path) -> Result<Arc<Session>, String> {
    Session::read(gallery, folder).map(Arc::new).map_err(|e| e.to_string())
}

/// What came of decisions, with the session as it stands since.
pub(super) fn written(
    gallery: PathBuf,
    folder: PathBuf,
    said: Result<String, String>,
    open_again: Option<String>,
) -> Message {
    let session = read(&gallery, &folder);
    Message::Ruled(gallery, folder, Box::new(Written { said, open_again, session }))
}

/// Writes down what a person decided, and says so.
pub(super) fn rule(
    (gallery, folder): (&Path, &Path),
    encounter: &str,
    ruling: &Ruling,
    proposed: &Proposed,
    version: (u64, u64),
) -> Result<String, String> {
    let refused = session::rule(gallery, folder, &[(encounter, ruling, proposed)], By::Person, version);
    if let Some((_, error)) = refused.map_err(|e| e.to_string())?.first() {
        return Err(error.to_string());
    }
    Ok(match ruling {
        Ruling::Known(name) => format!("{encounter} is {name}; u takes it back"),
        Ruling::New(name) => format!("{encounter} is {name}, a new individual; u takes it back"),
        Ruling::Skipped => format!("{encounter} is skipped; u takes it back"),
    })
}

/// Writes down what the program proposed of several encounters.
pub(super) fn rule_all(
    (gallery, folder): (&Path, &Path),
    all: &[(String, Ruling, Proposed)],
    version: (u64, u64),
) -> Result<String, String> {
    let wanted: Vec<_> = all.iter().map(|(encounter, ruling, proposed)| (&**encounter, ruling, proposed)).collect();
    let refused = session::rule(gallery, folder, &wanted, By::Program, version).map_err(|e| e.to_string())?;
    let done = counted(all.len() - refused.len(), "encounter");
    match refused.first() {
        None => Ok(format!("{done} named as proposed; u takes the last one back")),
        Some((encounter, why)) => Err(format!("{done} named, {} not: {encounter}: {why}", refused.len())),
    }
}

/// Takes the last decision back, and says of which encounter.
pub(super) fn undo(gallery: &Path, folder: &Path) -> Result<String, String> {
    let undone = session::undo(gallery, folder).map_err(|e| e.to_string())?;
    Ok(undone.ok_or("nothing is decided in this folder")?.encounter)
}

/// Whether somebody looks at the folder already.
pub(super) fn is_looked_at(gallery: &Path, folder: &Path) -> bool {
    seen::is_looked_at(gallery, folder).unwrap_or(false)
}

/// What is known of an individual.
pub(super) fn profile(gallery: &Path, name: &str) -> Result<Profile, String> {
    let read = || Gallery::open(gallery)?.individual(name);
    let (individual, photos) = read().map_err(|e| e.to_string())?;
    if photos.is_empty() {
        return Err(format!("{name} has {}", counted(0_u64, "photo")));
    }
    Ok(Profile {
        name: individual.individual,
        photos: photos.iter().map(|photo| (photo.file().path, photo.encounter.clone())).collect(),
        met: (individual.encounters, individual.first, individual.last),
    })
}
