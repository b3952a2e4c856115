//! What was seen of a folder of new photos: embeddings and all that a decision takes, kept beside the gallery, so that whoever was
//! killed at looking goes on where it was. It is nothing that cannot be made again.

use std::collections::HashMap;
use std::fs::File;
use std::io::{Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use jiff::civil::Date;
use serde::{Deserialize, Serialize};

use crate::data::camera;
use crate::data::hex::hex;
use crate::data::manifest::{Manifest, Problem, Side};
use crate::eval::embed::Source;
use crate::eval::model::Model;
use crate::nn::ops::Backend;
use crate::run::lock::{self, Lock};
use crate::run::{RunError, files};

use super::about::Embedding;
use super::asked::{Asked, Together};
use super::identify::each_encounter;
use super::store::Gallery;
use super::trained::Trained;
use super::writer::cells;
use super::{Error, Result, hash};

/// The folder in a gallery's that holds what was seen.
pub(super) const SESSIONS: &str = "sessions";
/// What is kept of each encounter, a line each.
pub(super) const SEEN_FILE: &str = "seen.jsonl";
/// What a session is about.
pub(super) const ABOUT_FILE: &str = "session.json";
/// Held by the one who looks.
pub(super) const LOCK_FILE: &str = "lock";
/// Bytes of a line at most: an encounter of some thousand photos.
const MOST_LINE: u64 = 64 << 20;

/// What a session is about.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct About {
    /// The folder, absolute.
    pub(super) folder: PathBuf,
    /// What made the embeddings.
    pub(super) embedding: Embedding,
    /// All that lay there was seen when somebody looked last.
    pub(super) whole: bool,
    /// Encounters that were seen by then.
    pub(super) encounters: usize,
    /// Photos that could not be read then, and why.
    pub(super) problems: Vec<String>,
}

/// An encounter as it was seen. One that has changed is seen again: its last line counts.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Seen {
    pub(super) encounter: String,
    /// All files of it with their lengths, also those that could not be read.
    pub(super) files: Vec<(String, u64)>,
    pub(super) photos: Vec<SeenPhoto>,
    /// Their embeddings, row after row.
    pub(super) vectors: Vec<f32>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct SeenPhoto {
    /// Below the session's folder.
    pub(super) path: String,
    pub(super) date: Option<Date>,
    /// Left, top, width and height as shares; empty for all of it.
    pub(super) crop: String,
    /// A network chose it.
    pub(super) looked: bool,
    pub(super) side: Option<Side>,
    pub(super) sha256: String,
    /// Whether the network was trained on it.
    pub(super) trained: Option<bool>,
}

/// The files of an encounter of `manifest` with their lengths.
fn files_of(manifest: &Manifest, together: &Together) -> Vec<(String, u64)> {
    let file = |&at: &usize| {
        let length = std::fs::metadata(manifest.full_path(at)).map_or(0, |meta| meta.len());
        (manifest.photos[at].path.to_string_lossy().into_owned(), length)
    };
    together.photos.iter().map(file).collect()
}

/// Where what was seen of `folder`, which is absolute, is kept.
pub(super) fn place(gallery: &Path, folder: &Path) -> PathBuf {
    gallery.join(SESSIONS).join(files::key_of(folder))
}

/// The files behind the session of `folder`: when one changes, the session may stand otherwise.
pub fn behind(gallery: &Path, folder: &Path) -> Vec<PathBuf> {
    let place = place(gallery, folder);
    let facts = |ending: &str| gallery.join(format!("{}{ending}", super::facts::FILE));
    vec![place.join(SEEN_FILE), place.join(ABOUT_FILE), facts(""), facts("-wal")]
}

/// Reads what was seen; a line that was not written whole is none.
pub(super) fn read(place: &Path) -> Result<(Vec<Seen>, u64)> {
    let path = place.join(SEEN_FILE);
    let (mut all, mut places) = (Vec::<Seen>::new(), HashMap::new());
    let read = files::each_line(&path, MOST_LINE, |line| {
        let Ok(seen) = serde_json::from_slice::<Seen>(line) else { return false };
        match places.get(&seen.encounter) {
            Some(&at) => all[at] = seen,
            None => {
                places.insert(seen.encounter.clone(), all.len());
                all.push(seen);
            }
        }
        true
    });
    match read {
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => Ok((Vec::new(), 0)),
        Err(e) => Err(RunError::io("read", &path, e).into()),
        Ok((whole, _)) => Ok((all, whole)),
    }
}

/// The one who looks at a folder for a session.
#[derive(Debug)]
pub struct Looking {
    place: PathBuf,
    about: About,
    /// What was seen, with its files then.
    pub(super) seen: HashMap<String, Vec<(String, u64)>>,
    file: File,
    _lock: Lock,
}

impl Looking {
    /// Begins or goes on with `folder`. What was seen by another network is seen anew.
    ///
    /// # Errors
    /// When somebody looks at it already, or a file cannot be written.
    pub fn at(gallery: &Gallery, folder: &Path) -> Result<Looking> {
        let place = place(gallery.folder(), folder);
        files::create_folder(&gallery.folder().join(SESSIONS))?;
        files::create_folder(&place)?;
        let lock = Lock::take(&place.join(LOCK_FILE))?.ok_or_else(|| Error::Looking { folder: folder.into() })?;
        let about = About {
            folder: folder.into(),
            embedding: gallery.embedding().clone(),
            whole: false,
            encounters: 0,
            problems: Vec::new(),
        };
        let before: Option<About> = files::read_json(&place.join(ABOUT_FILE)).ok();
        let path = place.join(SEEN_FILE);
        let io = |e| Error::from(RunError::io("write", &path, e));
        if before.is_none_or(|before| before.embedding != about.embedding || before.folder != about.folder) {
            files::remove(&path)?;
        }
        let (seen, whole) = read(&place)?;
        let about = About { encounters: seen.len(), ..about };
        files::replace_json(&place.join(ABOUT_FILE), &about)?;
        let mut file = files::open_to_append(&path).map_err(io)?;
        file.set_len(whole).map_err(io)?;
        file.seek(SeekFrom::End(0)).map_err(io)?;
        let seen = seen.into_iter().map(|seen| (seen.encounter, seen.files)).collect();
        Ok(Looking { place, about, seen, file, _lock: lock })
    }

    /// Leaves the encounters in `asked` that were not seen yet, or whose files are others now.
    pub fn keep_unseen(&self, asked: &mut Asked) {
        let Asked { manifest, encounters, .. } = asked;
        encounters.retain(|together| self.seen.get(&together.encounter) != Some(&files_of(manifest, together)));
    }

    /// Embeds the encounters of `asked`, and keeps each as soon as its batch is done; `asked` has its photos by their paths below
    /// the session's folder, which is its root. The problems are of photos that cannot be read.
    ///
    /// # Errors
    /// When the network fails, a file cannot be written, or `progress` said no ([`Error::Interrupted`]).
    pub fn see<D: Backend>(
        &mut self,
        model: &Model<D>,
        (asked, trained): (&Asked, &Trained),
        source: &Source,
        progress: &mut dyn FnMut(usize, usize) -> bool,
    ) -> Result<Vec<Problem>> {
        let problems = each_encounter(model, asked, source, progress, &mut |batch| {
            batch.iter().try_for_each(|(together, photos, rows)| self.keep((asked, trained), together, photos, rows))
        })?;
        self.about.whole = true;
        self.about.encounters = self.seen.len();
        self.about.problems = problems.iter().map(ToString::to_string).collect();
        files::replace_json(&self.place.join(ABOUT_FILE), &self.about)?;
        Ok(problems)
    }

    fn keep(
        &mut self,
        (asked, trained): (&Asked, &Trained),
        together: &Together,
        photos: &[usize],
        rows: &[f32],
    ) -> Result<()> {
        let manifest = &asked.manifest;
        let seen = |&at: &usize| -> Result<SeenPhoto> {
            let photo = &manifest.photos[at];
            let path = manifest.full_path(at);
            let sha256 = hash::of_file(&path).map_err(|e| RunError::io("read", &path, e))?;
            Ok(SeenPhoto {
                path: photo.path.to_str().ok_or_else(|| Error::NotUnicode { path: path.clone() })?.into(),
                date: photo.date.or_else(|| camera::day_on(&path)),
                crop: cells(photo.crop),
                looked: asked.looked.contains(&at),
                side: photo.side,
                trained: trained.is_on(&path, &sha256),
                sha256: hex(&sha256),
            })
        };
        let photos = photos.iter().map(seen).collect::<Result<_>>()?;
        let files = files_of(manifest, together);
        let seen = Seen { encounter: together.encounter.clone(), files, photos, vectors: rows.to_vec() };
        let path = self.place.join(SEEN_FILE);
        let io = |e: std::io::Error| Error::from(RunError::io("write", &path, e));
        let mut line = serde_json::to_vec(&seen).map_err(|e| io(e.into()))?;
        line.push(b'\n');
        self.file.write_all(&line).map_err(io)?;
        self.seen.insert(seen.encounter, seen.files);
        Ok(())
    }
}

/// Whether somebody looks at `folder` for its session now.
///
/// # Errors
/// When the lock cannot be probed.
pub fn is_looked_at(gallery: &Path, folder: &Path) -> Result<bool> {
    Ok(lock::is_held(&place(gallery, folder).join(LOCK_FILE))?)
}
