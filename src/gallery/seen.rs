//! What was seen of a folder of new photos: embeddings and all that a decision takes, kept beside the gallery, so that whoever was
//! killed at looking goes on where it was. It is nothing that cannot be made again.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::fs::File;
use std::io::{Seek, SeekFrom, Write};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use jiff::civil::Date;
use serde::{Deserialize, Serialize};

use crate::data::cache::PhotoCache;
use crate::data::camera;
use crate::data::foreign;
use crate::data::hex::hex;
use crate::data::manifest::{Problem, Side};
use crate::eval::embed::Source;
use crate::eval::model::Model;
use crate::nn::ops::Backend;
use crate::run::lock::{self, Lock};
use crate::run::{RunError, files};

use super::about::Embedding;
use super::asked::{Asked, Embeddable, Together};
use super::decisions::Decided;
use super::held::{Sha, sha};
use super::identify::each_encounter;
use super::stands::Lying;
use super::store::Gallery;
use super::trained::Trained;
use super::unchanged::{Files, Mark, as_one, mark, unread_at};
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
/// Bytes of a line at most.
const MOST_LINE: u64 = 64 << 20;
/// Photos of a line at most, and numbers of their embeddings, of some dozen bytes each.
const MOST_PHOTOS: usize = 1 << 9;
const MOST_NUMBERS: usize = 1 << 20;

/// What a session is about.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct About {
    /// The folder, absolute.
    pub(super) folder: PathBuf,
    /// What made the embeddings.
    pub(super) embedding: Embedding,
    /// Encounters that were seen by then.
    pub(super) encounters: usize,
    /// Photos that could not be read then, and why.
    pub(super) problems: Vec<String>,
    /// Encounters of which no photo could be read by then; none of what older versions wrote.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) unread: Option<BTreeSet<String>>,
    /// Folders below it without a photo by then.
    #[serde(default)]
    pub(super) empty: usize,
}

impl About {
    /// Takes in that `seen` was seen, of which something `was_seen` before; whether it is one that can be read only now.
    fn take(&mut self, seen: &Seen, was_seen: bool) -> bool {
        let unread = self.unread.get_or_insert_default();
        if !seen.photos.is_empty() {
            return unread.remove(&seen.encounter);
        }
        // what was seen before of one that was readable stays
        if !was_seen && !seen.unread.is_empty() {
            unread.insert(seen.encounter.clone());
        }
        false
    }
}

/// What the sessions of the gallery in the folder `gallery` are about; one that cannot be read is none.
pub(super) fn abouts(gallery: &Path) -> impl Iterator<Item = About> {
    let places = std::fs::read_dir(gallery.join(SESSIONS)).into_iter().flatten().flatten();
    places.filter_map(|place| files::read_json(&place.path().join(ABOUT_FILE)).ok())
}

/// The encounters of which no photo can be read, by the folders that they were seen in.
#[derive(Debug, Default)]
pub struct Unread(pub(super) HashMap<String, BTreeSet<String>>);

impl Unread {
    /// Those of all sessions with `gallery`.
    pub fn of(gallery: &Gallery) -> Unread {
        let of = |about: About| Some((about.folder.to_string_lossy().into_owned(), about.unread?));
        Unread(abouts(gallery.folder()).filter_map(of).collect())
    }

    /// Whether `decided`, which stands, counts: who skipped what could not be read has not seen the good copies that came.
    pub(super) fn let_count(&self, decided: &Decided) -> bool {
        let Some(unread) = self.0.get(&decided.folder) else { return true };
        decided.counts_with(usize::from(!unread.contains(&decided.encounter)))
    }
}

/// An encounter as it was seen. One that has changed is seen again: what was written last counts.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct Seen {
    pub(super) encounter: String,
    /// All files of it with their lengths, also those that could not be read.
    pub(super) files: Vec<(String, u64)>,
    pub(super) photos: Vec<SeenPhoto>,
    /// Their embeddings, row after row.
    pub(super) vectors: Vec<f32>,
    /// Which of its pieces a line has, from 0: one of very many photos is written in several.
    #[serde(default, skip_serializing_if = "is_first")]
    pub(super) piece: usize,
    /// Whether the next line goes on with it.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub(super) more: bool,
    /// Files of it that cannot be read, below the session's folder, and why; with no photo there are only these.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(super) unread: Vec<(String, String)>,
    /// When those were written last, all in one number: a copy that can be read may be as long. None of what older versions wrote.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) unread_at: Option<u64>,
    /// When all files of it were written and changed last, as [`unchanged`](super::unchanged) has it; none of what older versions
    /// wrote.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) files_at: Option<Mark>,
    /// Those of `unread` that the system did not give; none of what older versions wrote.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(super) unreachable: Vec<String>,
    /// Its files are all gone, and it is to be left out; older versions pass over that.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub(super) gone: bool,
}

fn is_first(piece: &usize) -> bool {
    *piece == 0
}

impl Seen {
    /// The first of its files as a walk through the folder finds them.
    pub(super) fn first(&self) -> Option<&str> {
        self.files
            .first()
            .map(|(path, _)| path)
            .or_else(|| self.photos.first().map(|photo| &photo.path))
            .map(String::as_str)
    }

    /// Its photos as a decision on them takes them.
    pub(super) fn lying(&self) -> impl Iterator<Item = Lying> {
        self.photos.iter().map(|photo| (photo.path.clone(), sha(&photo.sha256), photo.crop.clone()))
    }

    /// Its photos by what is in their files.
    pub(super) fn files_in_it(&self) -> impl Iterator<Item = (String, Option<Sha>)> {
        self.photos.iter().map(|photo| (photo.path.clone(), sha(&photo.sha256)))
    }

    /// This one, begun, with its next `piece`; none where that is another's.
    fn with(mut self, mut piece: Seen) -> Option<Seen> {
        let is_next = piece.encounter == self.encounter && piece.piece == self.piece + 1;
        self.files.append(&mut piece.files);
        self.photos.append(&mut piece.photos);
        self.vectors.append(&mut piece.vectors);
        self.unread.append(&mut piece.unread);
        (self.piece, self.more) = (piece.piece, piece.more);
        self.unread_at = self.unread_at.or(piece.unread_at);
        self.files_at = self.files_at.or(piece.files_at);
        self.unreachable.append(&mut piece.unreachable);
        is_next.then_some(self)
    }

    /// The lines that it is written in, of at most `most` photos each.
    fn pieces(&self, most: usize) -> Vec<Seen> {
        let dims = self.vectors.len() / self.photos.len().max(1);
        let count = self.files.len().max(self.photos.len()).max(self.unread.len()).div_ceil(most).max(1);
        let part = |all: usize, n: usize| (n * most).min(all)..((n + 1) * most).min(all);
        let piece = |n: usize| {
            let photos = part(self.photos.len(), n);
            Seen {
                encounter: self.encounter.clone(),
                files: self.files[part(self.files.len(), n)].to_vec(),
                unread: self.unread[part(self.unread.len(), n)].to_vec(),
                vectors: self.vectors[photos.start * dims..photos.end * dims].to_vec(),
                photos: self.photos[photos].to_vec(),
                piece: n,
                more: n + 1 < count,
                unread_at: self.unread_at.filter(|_| n == 0),
                files_at: self.files_at.filter(|_| n == 0),
                unreachable: self.unreachable.iter().filter(|_| n == 0).cloned().collect(),
                gone: self.gone,
            }
        };
        (0..count).map(piece).collect()
    }
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

/// The files of an encounter of `asked` with their lengths, its `photos` and those that are none.
fn files_of(asked: &Asked, encounter: &str, photos: &[usize]) -> Vec<(String, u64)> {
    let file = |path: &Path| {
        let length = std::fs::metadata(asked.manifest.root.join(path)).map_or(0, |meta| meta.len());
        (path.to_string_lossy().into_owned(), length)
    };
    let photos = photos.iter().map(|&at| &*asked.manifest.photos[at].path);
    let unread = asked.unread.get(encounter).into_iter().flatten();
    photos.chain(unread.filter_map(|problem| problem.photo.as_deref().map(Path::new))).map(file).collect()
}

/// Where what was seen of `folder`, which is absolute, is kept.
pub(super) fn place(gallery: &Path, folder: &Path) -> PathBuf {
    gallery.join(SESSIONS).join(files::key_of(folder))
}

/// The files behind the session of `folder`: when one changes, the session may stand otherwise.
pub fn behind(gallery: &Path, folder: &Path) -> Vec<PathBuf> {
    let place = place(gallery, folder);
    let facts = |ending: &str| gallery.join(format!("{}{ending}", super::facts::FILE));
    let calibration = gallery.join(super::CALIBRATION_FILE);
    vec![place.join(SEEN_FILE), place.join(ABOUT_FILE), facts(""), facts("-wal"), calibration]
}

/// What was seen, as far as it was read.
#[derive(Debug, Default)]
pub(super) struct SeenFile {
    path: PathBuf,
    /// What made it; none while nothing was read.
    embedding: Option<Embedding>,
    /// Which file it was: another of its name is read from its beginning.
    file: Option<(u64, u64)>,
    /// Bytes of the encounters that were read; what was not written whole is none.
    whole: u64,
    pub(super) all: Vec<Seen>,
    pub(super) places: HashMap<String, usize>,
    /// Where what was written of each encounter ends by which its photos became those that they are.
    pub(super) came: HashMap<String, u64>,
    /// Encounters of which no photo can be read.
    pub(super) unread: BTreeMap<String, Seen>,
}

/// How far what was seen was read by who was shown something: photos that came later were not.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct UpTo {
    /// Which file.
    file: Option<(u64, u64)>,
    bytes: u64,
}

/// What was read since.
#[derive(Debug, Default, PartialEq)]
pub(super) struct News {
    /// All that was there is another, or gone.
    pub(super) is_anew: bool,
    /// Places of encounters that came or are otherwise.
    pub(super) places: BTreeSet<usize>,
    /// Encounters without a readable photo came or went.
    pub(super) unread: bool,
}

impl SeenFile {
    /// What was seen for the session at `place`; nothing is read yet.
    pub(super) fn at(place: &Path) -> SeenFile {
        SeenFile { path: place.join(SEEN_FILE), ..SeenFile::default() }
    }

    /// The encounters in the order in which they were seen first.
    pub(super) fn all(&self) -> &[Seen] {
        &self.all
    }

    /// The encounters of which no photo can be read, by name.
    pub(super) fn unread(&self) -> impl Iterator<Item = &Seen> {
        self.unread.values()
    }

    /// An encounter.
    pub(super) fn get(&self, encounter: &str) -> Option<&Seen> {
        self.places.get(encounter).map(|&at| &self.all[at]).or_else(|| self.unread.get(encounter))
    }

    /// How far it was read.
    pub(super) fn up_to(&self) -> UpTo {
        UpTo { file: self.file, bytes: self.whole }
    }

    /// Whether the photos of an encounter are those of when it was read as far as `shown`.
    pub(super) fn is_as_shown(&self, encounter: &str, shown: UpTo) -> bool {
        shown.file == self.file && self.came.get(encounter).is_none_or(|&came| came <= shown.bytes)
    }

    /// Reads what came since, which `embedding` made; with none there is nothing.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub(super) fn read_on(&mut self, embedding: Option<&Embedding>) -> Result<News> {
        let fail = |e: std::io::Error| Error::from(RunError::io("read", &self.path, e));
        let file = match embedding.map(|_| files::open(&self.path)) {
            Some(Ok(file)) => Some(file),
            Some(Err(e)) if e.kind() != std::io::ErrorKind::NotFound => return Err(fail(e)),
            _ => None,
        };
        let meta = file.as_ref().map(File::metadata).transpose().map_err(fail)?;
        let which = meta.as_ref().map(|meta| (meta.dev(), meta.ino()));
        let is_shorter = meta.is_some_and(|meta| meta.len() < self.whole);
        let mut news = News::default();
        if which != self.file || is_shorter || embedding != self.embedding.as_ref() {
            news.is_anew = !self.all.is_empty() || !self.unread.is_empty();
            let path = std::mem::take(&mut self.path);
            *self = SeenFile { path, embedding: embedding.cloned(), file: which, ..SeenFile::default() };
        }
        let (Some(mut file), Some(embedding)) = (file, embedding) else { return Ok(news) };
        let fail = |e| Error::from(RunError::io("read", &self.path, e));
        file.seek(SeekFrom::Start(self.whole)).map_err(fail)?;
        let (mut read, mut begun, mut whole): (u64, Option<Seen>, Vec<(u64, Seen)>) = (self.whole, None, Vec::new());
        files::each_line_of(file, MOST_LINE, |line| {
            let Ok(piece) = serde_json::from_slice::<Seen>(line) else { return false };
            read += line.len() as u64;
            begun = match begun.take() {
                _ if piece.piece == 0 => Some(piece),
                Some(begun) => begun.with(piece),
                None => None,
            };
            if let Some(seen) = begun.take_if(|begun| !begun.more) {
                self.whole = read;
                whole.push((read, seen));
            }
            true
        })
        .map_err(fail)?;
        for (end, seen) in whole {
            if seen.vectors.len() != seen.photos.len() * embedding.dims {
                continue;
            }
            if seen.gone {
                self.leave(&seen.encounter, &mut news);
                continue;
            }
            if seen.photos.is_empty() {
                match self.places.get(&seen.encounter).filter(|_| !seen.unread.is_empty()) {
                    // what was seen before of one that was readable stays, and it is known how its files are now
                    Some(&at) => {
                        let before = &mut self.all[at];
                        (before.files, before.files_at, before.unread_at) = (seen.files, seen.files_at, seen.unread_at);
                        before.unreachable = seen.unreachable;
                    }
                    None if seen.unread.is_empty() => {
                        // the files that were seen, marked otherwise by now; older versions pass over it
                        let before = self.places.get(&seen.encounter).map(|&at| &mut self.all[at]);
                        if let Some(before) = before.filter(|before| before.files == seen.files) {
                            before.files_at = seen.files_at.or(before.files_at);
                        }
                    }
                    None => {
                        self.unread.insert(seen.encounter.clone(), seen);
                        news.unread = true;
                    }
                }
                continue;
            }
            news.unread |= self.unread.remove(&seen.encounter).is_some();
            let next = self.all.len();
            let at = *self.places.entry(seen.encounter.clone()).or_insert(next);
            news.places.insert(at);
            if self.all.get(at).is_none_or(|before| !before.lying().eq(seen.lying())) {
                self.came.insert(seen.encounter.clone(), end);
            }
            match self.all.get_mut(at) {
                Some(before) => *before = seen,
                None => self.all.push(seen),
            }
        }
        Ok(news)
    }
}

/// The one who looks at a folder for a session.
#[derive(Debug)]
pub struct Looking {
    place: PathBuf,
    pub(super) about: About,
    /// What was seen, with its files then.
    pub(super) seen: HashMap<String, Files>,
    /// The marks of the files that are looked at, from before they were read: what is written since is another file.
    marks: HashMap<PathBuf, Mark>,
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
            encounters: 0,
            problems: Vec::new(),
            unread: None,
            empty: 0,
        };
        let before: Option<About> = files::read_json(&place.join(ABOUT_FILE)).ok();
        let path = place.join(SEEN_FILE);
        let io = |e| Error::from(RunError::io("write", &path, e));
        if before.is_none_or(|before| before.embedding != about.embedding || before.folder != about.folder) {
            files::remove(&path)?;
        }
        let mut read = SeenFile::at(&place);
        read.read_on(Some(&about.embedding))?;
        let unread = Some(read.unread.keys().cloned().collect());
        let about = About { encounters: read.all.len() + read.unread.len(), unread, ..about };
        files::replace_json(&place.join(ABOUT_FILE), &about)?;
        let mut file = files::open_to_append(&path).map_err(io)?;
        file.set_len(read.whole).map_err(io)?;
        file.seek(SeekFrom::End(0)).map_err(io)?;
        let seen = read.all.into_iter().chain(read.unread.into_values());
        let seen = seen.map(|seen| (seen.encounter.clone(), seen.into())).collect();
        Ok(Looking { place, about, seen, marks: HashMap::new(), file, _lock: lock })
    }

    /// Says that so many folders below it have no photo; told with what is seen.
    pub fn leaves_out(&mut self, empty: usize) {
        self.about.empty = empty;
    }

    /// Leaves the encounters in `asked` that were not seen yet, or whose files are others now. Files that had to be read to be known
    /// again are written down as they are marked by now: the next look need not read them.
    ///
    /// # Errors
    /// When a file cannot be written.
    pub fn keep_unseen(&mut self, asked: &mut Asked) -> Result<()> {
        let all = asked.encounters.iter().map(|together| (together.encounter.as_str(), &together.photos[..]));
        let there: HashSet<&str> = asked.encounters.iter().map(|together| together.encounter.as_str()).collect();
        let none = asked.unread.keys().filter(|encounter| !there.contains(encounter.as_str()));
        let all = all.chain(none.map(|encounter| (encounter.as_str(), &[][..])));
        let (mut same, mut marked) = (HashSet::new(), Vec::new());
        for (encounter, photos) in all {
            let Some(before) = self.seen.get(encounter) else { continue };
            let files = files_of(asked, encounter, photos);
            let (is_same, now) = before.are(&asked.manifest.root, &files);
            if is_same {
                same.insert(encounter.to_owned());
            }
            if let Some(at) = now {
                let encounter = encounter.to_owned();
                marked.push(Seen { encounter, files, files_at: Some(at), ..Seen::default() });
            }
        }
        for one in marked {
            self.write(&one)?;
            if let (Some(files), Some(at)) = (self.seen.get_mut(&one.encounter), one.files_at) {
                files.are_marked(at);
            }
        }
        asked.encounters.retain(|together| !same.contains(&together.encounter));
        asked.unread.retain(|encounter, _| !same.contains(encounter));
        Ok(())
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
        let cached = (&*source.cache, model.about.preprocessing.image_size);
        self.mark(asked);
        let problems = each_encounter(model, asked, source, progress, &mut |batch, unread| {
            batch.iter().try_for_each(|one| self.keep((asked, trained), one, cached, unread))
        })?;
        let there: HashSet<&str> = asked.encounters.iter().map(|together| together.encounter.as_str()).collect();
        for encounter in asked.unread.keys().filter(|encounter| !there.contains(encounter.as_str())) {
            let none = Together { encounter: encounter.clone(), photos: Vec::new() };
            self.keep((asked, trained), &(&none, &[], &[]), cached, &[])?;
        }
        self.about.encounters = self.seen.len();
        let unread = asked.unread.values().flatten().chain(&problems);
        self.about.problems = unread.map(ToString::to_string).collect();
        files::replace_json(&self.place.join(ABOUT_FILE), &self.about)?;
        Ok(problems)
    }

    /// Takes the marks of all files of `asked`.
    fn mark(&mut self, asked: &Asked) {
        let photos = asked.encounters.iter().flat_map(|together| &together.photos);
        let photos = photos.map(|&at| asked.manifest.photos[at].path.clone());
        let unread = asked.unread.values().flatten().filter_map(|problem| Some(PathBuf::from(problem.photo.as_ref()?)));
        self.marks = photos.chain(unread).map(|path| (path.clone(), mark(&asked.manifest.root.join(path)))).collect();
    }

    /// Writes `seen` at the end of the file.
    pub(super) fn write(&mut self, seen: &Seen) -> Result<()> {
        let path = self.place.join(SEEN_FILE);
        let io = |e: std::io::Error| Error::from(RunError::io("write", &path, e));
        let most = MOST_NUMBERS / self.about.embedding.dims.max(1);
        for piece in seen.pieces(most.clamp(1, MOST_PHOTOS)) {
            let mut line = serde_json::to_vec(&piece).map_err(|e| io(e.into()))?;
            line.push(b'\n');
            self.file.write_all(&line).map_err(io)?;
        }
        Ok(())
    }

    fn keep(
        &mut self,
        (asked, trained): (&Asked, &Trained),
        &(together, photos, rows): &Embeddable<'_>,
        (cache, side): (&PhotoCache, u32),
        problems: &[Problem],
    ) -> Result<()> {
        let manifest = &asked.manifest;
        let of_these = |path: &str| together.photos.iter().any(|&at| manifest.photos[at].path == Path::new(path));
        let unread = asked.unread.get(&together.encounter).into_iter().flatten();
        let unread = unread.chain(problems.iter().filter(|problem| problem.photo.as_deref().is_some_and(of_these)));
        let unread =
            unread.map(|problem| (problem.photo.clone().unwrap_or_default(), foreign::sentence(&problem.reason)));
        let unread: Vec<(String, String)> = unread.collect();
        let (unread_at, unreachable) = unread_at(&manifest.root, &unread);
        let seen = |&at: &usize| -> Result<SeenPhoto> {
            let photo = &manifest.photos[at];
            let path = manifest.full_path(at);
            let sha256 = hash::of_photo(cache, &manifest.file(at), side).map_err(|e| RunError::io("read", &path, e))?;
            Ok(SeenPhoto {
                path: photo.path.to_str().ok_or_else(|| Error::NotUnicode { path: path.clone() })?.into(),
                date: photo.date.or_else(|| camera::day_of(&path, &self.about.folder)),
                crop: cells(photo.crop),
                looked: asked.looked.contains(&at),
                side: photo.side,
                trained: trained.is_on(&path, &sha256),
                sha256: hex(&sha256),
            })
        };
        let photos = photos.iter().map(seen).collect::<Result<_>>()?;
        let encounter = together.encounter.clone();
        let files = files_of(asked, &encounter, &together.photos);
        // of what cannot be reached it counts how it is now: it may have been reached when it was marked
        let before = |path: &str| self.marks.get(Path::new(path)).filter(|_| !unreachable.contains(path)).copied();
        let marks = files.iter().map(|(path, _)| before(path).unwrap_or_else(|| mark(&manifest.root.join(path))));
        let files_at = Some(as_one(marks));
        let vectors = rows.to_vec();
        let unreachable = unreachable.into_iter().map(str::to_owned).collect();
        let seen =
            Seen { encounter, files, photos, vectors, unread, unread_at, files_at, unreachable, ..Seen::default() };
        self.write(&seen)?;
        if self.about.take(&seen, self.seen.contains_key(&seen.encounter)) {
            // it is open again at once, also for who is killed now
            files::replace_json(&self.place.join(ABOUT_FILE), &self.about)?;
        }
        self.seen.insert(seen.encounter.clone(), seen.into());
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

#[cfg(test)]
mod tests {
    use super::super::tests::embedding;
    use super::*;

    fn photo(n: usize) -> SeenPhoto {
        SeenPhoto {
            path: format!("a/{n}.jpg"),
            date: None,
            crop: String::new(),
            looked: false,
            side: None,
            sha256: String::new(),
            trained: None,
        }
    }

    fn seen(encounter: &str, photos: usize, files: usize) -> Seen {
        Seen {
            encounter: encounter.into(),
            files: (0..files).map(|n| (format!("{n}.jpg"), n as u64)).collect(),
            photos: (0..photos).map(photo).collect(),
            vectors: (0..3 * photos).map(|n| n as f32 / 7.0).collect(),
            ..Seen::default()
        }
    }

    /// Appends pieces of `seen` to the file.
    fn append(place: &Path, pieces: &[Seen]) {
        let mut file = files::open_to_append(&place.join(SEEN_FILE)).unwrap();
        pieces.iter().for_each(|piece| writeln!(file, "{}", serde_json::to_string(piece).unwrap()).unwrap());
    }

    fn whole(seen: &Seen) -> Seen {
        Seen { piece: 0, more: false, ..seen.clone() }
    }

    #[test]
    fn an_encounter_of_very_many_photos_is_written_in_pieces_and_read_whole() {
        for (photos, files, lines) in [(1, 1, 1), (4, 4, 1), (5, 5, 2), (9, 17, 5)] {
            let dir = tempfile::tempdir().unwrap();
            let all = seen("a", photos, files);
            let pieces = all.pieces(4);
            assert_eq!(pieces.len(), lines);
            append(dir.path(), &pieces);
            append(dir.path(), &[seen("b", 1, 1)]);
            let mut file = SeenFile::at(dir.path());
            file.read_on(Some(&embedding())).unwrap();
            assert_eq!((whole(&file.all[0]), file.all.len()), (all, 2));
        }
        // a line is short enough to be read, however long names are
        assert!(MOST_NUMBERS as u64 * 16 + MOST_PHOTOS as u64 * 3 * 6 * 4096 < MOST_LINE);
    }

    #[test]
    fn what_was_not_written_whole_is_none_and_what_comes_is_read_on() {
        let dir = tempfile::tempdir().unwrap();
        let place = dir.path();
        let mut file = SeenFile::at(place);
        let mut read = |with: Option<&Embedding>| {
            let news = file.read_on(with).unwrap();
            let all: Vec<_> = file.all().iter().map(|seen| (seen.encounter.clone(), seen.photos.len())).collect();
            (news.is_anew, news.places.into_iter().collect::<Vec<_>>(), all)
        };
        let of = |all: &[(&str, usize)]| all.iter().map(|&(name, n)| (name.to_owned(), n)).collect::<Vec<_>>();
        let ours = embedding();
        assert_eq!(read(Some(&ours)), (false, vec![], of(&[])));
        append(place, &[seen("a", 1, 1), seen("b", 1, 1)]);
        append(place, &seen("c", 5, 5).pieces(2)[..2]); // killed there
        assert_eq!(read(Some(&ours)), (false, vec![0, 1], of(&[("a", 1), ("b", 1)])));
        append(place, &[seen("c", 5, 5).pieces(2)[2].clone()]);
        assert_eq!(read(Some(&ours)), (false, vec![2], of(&[("a", 1), ("b", 1), ("c", 5)])));
        // begun, and gone on with another; a piece that follows nothing; one of other dimensions
        append(place, &seen("d", 5, 5).pieces(2)[..2]);
        append(place, &[seen("b", 2, 2), seen("e", 5, 5).pieces(2)[1].clone()]);
        append(place, &[Seen { vectors: vec![0.0; 2], ..seen("f", 1, 1) }]);
        assert_eq!(read(Some(&ours)), (false, vec![1], of(&[("a", 1), ("b", 2), ("c", 5)])));
        assert_eq!(read(Some(&ours)), (false, vec![], of(&[("a", 1), ("b", 2), ("c", 5)])));
        // another network's, and none
        let theirs = Embedding { identity: "cd".repeat(32), ..embedding() };
        assert!(read(Some(&theirs)).0);
        assert_eq!(read(None), (true, vec![], of(&[])));
        files::remove(&place.join(SEEN_FILE)).unwrap();
        append(place, &[seen("z", 1, 1)]);
        assert_eq!(read(Some(&ours)), (false, vec![0], of(&[("z", 1)])));
    }

    #[test]
    fn an_encounter_is_unread_until_one_of_its_photos_is_read() {
        let mut about = About {
            folder: "/week".into(),
            embedding: embedding(),
            encounters: 0,
            problems: Vec::new(),
            unread: None,
            empty: 0,
        };
        let none = |encounter: &str| {
            let unread = vec![("1.jpg".to_owned(), "it is no photo".to_owned())];
            Seen { encounter: encounter.into(), unread, ..Seen::default() }
        };
        let one = |encounter: &str| Seen { photos: vec![photo(1)], ..none(encounter) };
        let steps = [
            (none("a"), false, false, &["a"][..]),
            (none("a"), true, false, &["a"]),
            (one("b"), false, false, &["a"]),
            (none("b"), true, false, &["a"]), // its photos were seen before
            (one("a"), true, true, &[]),
        ];
        for (seen, was_seen, is_news, unread) in steps {
            assert_eq!(about.take(&seen, was_seen), is_news);
            assert_eq!(about.unread.iter().flatten().collect::<Vec<_>>(), unread);
        }
        // what older versions wrote does not say
        let mut text = serde_json::to_value(&about).unwrap();
        text.as_object_mut().unwrap().remove("unread");
        assert_eq!(serde_json::from_value::<About>(text).unwrap().unread, None);
    }

    #[test]
    fn a_folder_that_is_called_after_a_day_dates_its_photos() {
        let day =
            |photo: &str| camera::day_of(photo.as_ref(), "/x/2025-01-01/week".as_ref()).map(|day| day.to_string());
        assert_eq!(day("/x/2025-01-01/week/2026-07-09 b/1.jpg").as_deref(), Some("2026-07-09"));
        assert_eq!(day("/x/2025-01-01/week/2026-07-09/left/1.jpg").as_deref(), Some("2026-07-09"));
        assert_eq!(day("/x/2025-01-01/week/e1/2026-07-09.jpg"), None, "what lies above was not given");
    }

    /// Leaves `seen` as it would be written and read.
    fn kept(seen: &Seen) -> Files {
        serde_json::from_str::<Seen>(&serde_json::to_string(seen).unwrap()).unwrap().into()
    }

    #[test]
    fn a_copy_that_is_as_long_as_what_could_not_be_read_is_another_file() {
        let dir = tempfile::tempdir().unwrap();
        let (path, files) = (dir.path().join("1.jpg"), vec![("1.jpg".to_owned(), 4)]);
        std::fs::write(&path, "torn").unwrap();
        let unread = vec![("1.jpg".to_owned(), "it is no photo".to_owned())];
        let (at, unreachable) = unread_at(dir.path(), &unread);
        assert!(unreachable.is_empty());
        let seen = Seen { files: files.clone(), unread: unread.clone(), unread_at: at, ..Seen::default() };
        let marked = kept(&Seen { files_at: Some(as_one([mark(&path)].into_iter())), ..seen.clone() });
        let older = kept(&seen); // of a version that marked only what cannot be read
        assert!(older.are(dir.path(), &files).0 && marked.are(dir.path(), &files).0);
        std::fs::write(&path, "good").unwrap();
        let at = std::time::SystemTime::UNIX_EPOCH; // as `cp -p` leaves it
        File::options().write(true).open(&path).unwrap().set_modified(at).unwrap();
        assert!(!older.are(dir.path(), &files).0 && !marked.are(dir.path(), &files).0);
        // one that is whole by the time that the others of its batch are read
        image::RgbImage::new(2, 2).save_with_format(&path, image::ImageFormat::Png).unwrap();
        let files_at = Some(as_one([mark(&path)].into_iter()));
        let whole = Seen { unread_at: unread_at(dir.path(), &unread).0, files_at, ..seen.clone() };
        assert!(!kept(&whole).are(dir.path(), &files).0);
        // what older versions wrote goes by its length
        let older = kept(&Seen { unread_at: None, ..seen });
        assert!(older.are(dir.path(), &files).0 && !older.are(dir.path(), &[]).0);
    }

    #[test]
    fn an_edit_of_the_same_length_is_another_file_and_what_is_only_said_of_it_is_not() {
        use std::os::unix::fs::PermissionsExt;
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("1.jpg");
        std::fs::write(&path, "seen").unwrap();
        let sha256 = hex(&hash::of_file(&path).unwrap());
        let files = vec![("1.jpg".to_owned(), 4)];
        let photos = vec![SeenPhoto { path: "1.jpg".into(), sha256, ..photo(1) }];
        let files_at = Some(as_one([mark(&path)].into_iter()));
        let seen = kept(&Seen { files: files.clone(), photos, files_at, ..Seen::default() });
        assert!(seen.are(dir.path(), &files).0);
        std::thread::sleep(std::time::Duration::from_millis(20)); // what a clock of files may not tell apart
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).unwrap();
        assert!(seen.are(dir.path(), &files).0, "the same is in it");
        let written = std::fs::metadata(&path).unwrap().modified().unwrap();
        std::fs::write(&path, "edit").unwrap();
        assert!(!seen.are(dir.path(), &files).0);
        File::options().write(true).open(&path).unwrap().set_modified(written).unwrap();
        assert!(!seen.are(dir.path(), &files).0, "also where it keeps the time");
        std::fs::write(&path, "seen").unwrap();
        File::options().write(true).open(&path).unwrap().set_modified(written).unwrap();
        assert!(seen.are(dir.path(), &files).0);
    }

    #[test]
    fn what_cannot_be_reached_is_asked_about_again_only_when_it_is_otherwise() {
        let dir = tempfile::tempdir().unwrap();
        // a link to nothing, as to a disk that is not there
        let (path, there) = (dir.path().join("1.jpg"), dir.path().join("there.jpg"));
        std::os::unix::fs::symlink(&there, &path).unwrap();
        let (files, unread) = (vec![("1.jpg".to_owned(), 0)], vec![("1.jpg".to_owned(), "it is gone".to_owned())]);
        let (unread_at, unreachable) = unread_at(dir.path(), &unread);
        assert_eq!(unreachable, ["1.jpg"].into());
        let files_at = Some(as_one([mark(&path)].into_iter()));
        let seen = kept(&Seen { files: files.clone(), unread, unread_at, files_at, ..Seen::default() });
        assert!(seen.are(dir.path(), &files).0);
        std::fs::write(&there, "").unwrap();
        assert!(!seen.are(dir.path(), &files).0);
        // one that was there, as a share that hangs shows its files, and can be read by now
        let files_at = Some(as_one([mark(&path)].into_iter()));
        let is_same = |unreachable: &[String]| {
            let unread = vec![("1.jpg".to_owned(), "no answer".to_owned())];
            let unreachable = unreachable.to_vec();
            kept(&Seen { files: files.clone(), unread, files_at, unreachable, ..Seen::default() })
                .are(dir.path(), &files)
                .0
        };
        assert!(is_same(&[]) && !is_same(&["1.jpg".to_owned()]));
        // one of which all photos were seen and none can be reached by now is known as it is
        let place = dir.path();
        let now =
            Seen { files: files.clone(), unread: vec![("a/1.jpg".into(), "gone".into())], files_at, ..Seen::default() };
        append(
            place,
            &[
                Seen { files: vec![("1.jpg".into(), 9)], ..self::seen("a", 1, 1) },
                Seen { encounter: "a".into(), ..now },
            ],
        );
        let mut file = SeenFile::at(place);
        file.read_on(Some(&embedding())).unwrap();
        let one = file.get("a").unwrap();
        assert_eq!((one.photos.len(), &one.files, one.files_at), (1, &files, files_at));
    }
}
