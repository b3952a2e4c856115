//! The one who changes a gallery: holds its lock, and makes each change in one step that a kill leaves done or not begun.

use std::ops::Deref;
use std::path::Path;

use jiff::civil::Date;
use rusqlite::{OptionalExtension, Transaction, params};
use serde::{Deserialize, Serialize};

use crate::data::crop::Crop;
use crate::data::manifest::Side;
use crate::run::files;
use crate::run::lock::Lock;
use crate::run::stamp::Stamp;

use super::about::{Embedding, Networks};
use super::change::Merged;
use super::facts::{self, Facts};
use super::large::EXACT_UP_TO;
use super::recall;
use super::store::{Gallery, in_the_way, vectors_file};
use super::vectors::{Header, Vectors};
use super::{Error, Result};

/// The lock in the gallery's folder.
pub(super) const LOCK: &str = "lock";

/// A gallery that may be changed.
#[derive(Debug)]
pub struct Writer {
    gallery: Gallery,
    vectors: Vectors,
    rows: u64,
    _lock: Lock,
}

impl Deref for Writer {
    type Target = Gallery;

    fn deref(&self) -> &Gallery {
        &self.gallery
    }
}

/// A photo to be added.
#[derive(Clone, Debug, PartialEq)]
pub struct NewPhoto {
    /// The folder of its dataset, absolute.
    pub root: String,
    /// Where it lies below.
    pub path: String,
    /// Who is on it.
    pub individual: String,
    /// In which encounter.
    pub encounter: Encounter,
    /// The day on which it was taken.
    pub date: Option<Date>,
    /// The side that it shows.
    pub side: Option<Side>,
    /// The part of it that counts; none for all of it.
    pub crop: Option<Crop>,
    /// Whether a network chose that part.
    pub looked: bool,
    /// SHA-256 over the bytes of its file.
    pub sha256: [u8; 32],
    /// Whether the network was trained on it.
    pub trained: Option<bool>,
}

/// What an encounter goes by, among those of one individual.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Encounter {
    /// The day, wherever its photos lie.
    Day(Date),
    /// What a table calls it, or an undated photo's own; of one dataset.
    Own(String),
}

/// How a photo stands to what is there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum There {
    /// It is not.
    New,
    /// It is, as the same individual.
    Known,
    /// It is, as another individual.
    Otherwise {
        /// As whom.
        known_as: String,
        /// Where the gallery has it, as a whole path.
        lies_at: String,
    },
    /// A photo lies at its path, with other bytes or seen in another part.
    Changed,
}

/// What a change was, as far as it takes to reverse it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "change")]
pub(super) enum Detail {
    /// Photos came; they carry its number.
    Add,
    /// So many photos went that were somebody else's by mistake, and came again with others; both carry its number.
    Correct { photos: usize },
    /// An individual is called otherwise; the new name led to `owner` before.
    Rename { individual: i64, from: String, to: String, owner: Option<i64> },
    /// Two are one.
    Merge(Merged),
    /// So many photos went; they carry its number.
    Remove { photos: usize },
    /// Something was noted.
    Note { individual: i64, before: String },
    /// Another change was taken back.
    Undo { of: i64 },
    /// All was embedded anew.
    Rebuild,
}

/// A change that photos are being added by.
#[derive(Debug)]
pub struct Adding {
    what: &'static str,
    said: String,
    change: Option<i64>,
}

impl Adding {
    /// `what` is `build` or `add`; `said` from where.
    pub fn new(what: &'static str, said: String) -> Adding {
        Adding { what, said, change: None }
    }
}

fn lock(folder: &Path) -> Result<Lock> {
    Lock::take(&folder.join(LOCK))?.ok_or_else(|| Error::Busy { folder: folder.into() })
}

/// Fails where a gallery lies in `folder`.
fn nobody_at(folder: &Path) -> Result<()> {
    match Facts::open(folder, false) {
        Err(Error::NoGallery { .. }) => Ok(()),
        Err(e) => Err(e),
        Ok(_) => Err(Error::AlreadyThere { folder: folder.into() }),
    }
}

impl Writer {
    /// Fails unless a gallery may be made in `folder`: it is not there, empty, or left by a process that was killed at it.
    ///
    /// # Errors
    /// When a gallery lies there, or something else does.
    pub fn can_create(folder: &Path) -> Result<()> {
        nobody_at(folder)?; // a gallery has more files than one that was begun
        match in_the_way(folder) {
            Some(found) => Err(Error::NotOurs { folder: folder.into(), found }),
            None => Ok(()),
        }
    }

    /// Makes an empty gallery in `folder`, which is new, empty, or left by a process that was killed at it.
    ///
    /// # Errors
    /// When one lies there or something else does, another process is at it, or a file cannot be written.
    pub fn create(folder: &Path, embedding: Embedding, networks: Networks) -> Result<Writer> {
        Writer::can_create(folder)?;
        files::create_folder(folder)?;
        let lock = lock(folder)?;
        nobody_at(folder)?; // nor one that came meanwhile
        let header = Header { gallery: format!("{:016x}", rand::random::<u64>()), embedding };
        let vectors = Vectors::create(&vectors_file(folder, 1), &header)?;
        let json = |e: serde_json::Error| Error::from(crate::run::RunError::io("write", folder, e.into()));
        let (head, nets) =
            (serde_json::to_string(&header).map_err(json)?, serde_json::to_string(&networks).map_err(json)?);
        let facts = Facts::create(folder, |all| {
            let begun =
                "INSERT INTO gallery (one, header, generation, rows, networks, complete) VALUES (1, ?1, 1, 0, ?2, 0)";
            all.execute(begun, params![head, nets]).map(|_| ())
        })?;
        let gallery = Gallery::with(folder, facts)?;
        Ok(Writer { gallery, vectors, rows: 0, _lock: lock })
    }

    /// Opens the gallery in `folder` to change it.
    ///
    /// # Errors
    /// When there is none, it is damaged, or another process is at it.
    pub fn open(folder: &Path) -> Result<Writer> {
        drop(Facts::open(folder, false)?); // nothing is made where there is no gallery
        let lock = lock(folder)?;
        let gallery = Gallery::with(folder, Facts::open(folder, true)?)?;
        let standing = gallery.standing()?;
        // before anything is cut off
        let last = "SELECT row + 1 FROM photos ORDER BY id DESC LIMIT 1"; // rows come in the order of numbers
        let last = gallery.facts.connection.query_row(last, [], |row| row.get(0)).optional();
        let needed: u64 = gallery.facts.told(last)?.unwrap_or(0);
        if needed > standing.rows {
            let reason = format!("it counts {} embeddings and has photos up to the {needed}th", standing.rows);
            return Err(Error::Damaged { path: gallery.facts.path().into(), reason });
        }
        let vectors = Vectors::open(&gallery.vectors_file(standing.generation), &gallery.header, true)?;
        vectors.cut(standing.rows)?;
        Ok(Writer { gallery, vectors, rows: standing.rows, _lock: lock })
    }

    /// From now on it is what a rebuild made of it.
    pub(super) fn rebuilt(&mut self, header: Header, networks: Networks, vectors: Vectors, rows: u64) {
        (self.gallery.header, self.gallery.networks) = (header, networks);
        (self.vectors, self.rows) = (vectors, rows);
    }

    /// Says that building came to its end.
    ///
    /// # Errors
    /// When the database cannot be written.
    pub fn complete(&mut self) -> Result<()> {
        self.facts.told(self.facts.connection.execute("UPDATE gallery SET complete = 1", [])).map(|_| ())
    }

    /// Takes a gallery away that nothing was put into; its folder, too, if nothing else is in it.
    ///
    /// # Errors
    /// When something was put into it, or a file cannot be removed.
    pub fn unmake(self) -> Result<()> {
        let folder = self.folder().to_path_buf();
        if self.rows > 0 {
            return Err(Error::AlreadyThere { folder });
        }
        let Writer { gallery, _lock, .. } = self;
        let vectors = gallery.vectors_file(gallery.standing()?.generation);
        drop(gallery); // takes the journal along
        for path in [folder.join(facts::FILE), vectors, folder.join(LOCK)] {
            files::remove(&path)?;
        }
        let _ = std::fs::remove_dir(&folder); // only if nothing is in it
        Ok(())
    }

    /// How `photo` stands to what is there.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub fn there(&self, photo: &NewPhoto) -> Result<There> {
        let connection = &self.facts.connection;
        let crop = cells(photo.crop);
        let select = "SELECT p.sha256, p.crop, e.individual, i.name, r.path || '/' || p.path FROM photos p
            JOIN roots r ON r.id = p.root JOIN encounters e ON e.id = p.encounter JOIN individuals i ON i.id = e.individual WHERE p.gone IS NULL";
        let find = || -> rusqlite::Result<There> {
            let read = |row: &rusqlite::Row<'_>| {
                let same = row.get_ref(0)?.as_blob()? == photo.sha256 && row.get_ref(1)?.as_str()? == crop;
                Ok((same, row.get::<_, i64>(2)?, [row.get::<_, String>(3)?, row.get(4)?]))
            };
            let at = format!("{select} AND p.path = ?2 AND p.root = (SELECT id FROM roots WHERE path = ?1)");
            let at = connection.prepare_cached(&at)?.query_row(params![photo.root, photo.path], read).optional()?;
            let like = || {
                let like = format!("{select} AND p.sha256 = ?1 AND p.crop = ?2");
                connection.prepare_cached(&like)?.query_row(params![photo.sha256, crop], read).optional()
            };
            let Some((same, individual, [known_as, lies_at])) = at.map_or_else(like, |found| Ok(Some(found)))? else {
                return Ok(There::New);
            };
            let mut whose = connection.prepare_cached("SELECT individual FROM names WHERE name = ?1")?;
            let whose: Option<i64> = whose.query_row([&photo.individual], |row| row.get(0)).optional()?;
            Ok(match (same, whose == Some(individual)) {
                (_, false) => There::Otherwise { known_as, lies_at },
                (true, true) => There::Known,
                (false, true) => There::Changed,
            })
        };
        self.facts.told(find())
    }

    /// Adds `photos`, none of which is there, with their embeddings, a row each. What returned is on the disk.
    ///
    /// # Errors
    /// When a file cannot be written; nothing was added then.
    pub fn add(&mut self, adding: &mut Adding, photos: &[NewPhoto], embeddings: &[f32]) -> Result<()> {
        let (before, what, said) = (adding.change, adding.what, adding.said.clone());
        let change = self.put(photos, embeddings, |all| match before {
            Some(change) => Ok(change),
            None => changed(all, what, &said, &Detail::Add),
        })?;
        adding.change = Some(change);
        Ok(())
    }

    /// Puts `photos` in with their embeddings as part of the change that `begun` names, all in one step.
    pub(super) fn put(
        &mut self,
        photos: &[NewPhoto],
        embeddings: &[f32],
        begun: impl FnOnce(&Transaction<'_>) -> rusqlite::Result<i64>,
    ) -> Result<i64> {
        let dims = self.embedding().dims;
        if photos.len() * dims != embeddings.len() {
            let reason =
                format!("{} photos of {dims} dimensions do not make {} numbers", photos.len(), embeddings.len());
            return Err(Error::Known { reason });
        }
        let rows = self.rows;
        if let Err(e) = self.vectors.append(embeddings) {
            let _ = self.vectors.cut(rows); // the first error is the one to tell
            return Err(e);
        }
        let put = || -> rusqlite::Result<i64> {
            let all = self.facts.connection.unchecked_transaction()?;
            let change = begun(&all)?;
            for (row, photo) in (rows..).zip(photos) {
                insert(&all, row, photo, change)?;
            }
            all.execute("UPDATE gallery SET rows = ?1", [rows + photos.len() as u64])?;
            all.commit()?;
            Ok(change)
        };
        match self.facts.told(put()) {
            Ok(change) => {
                self.rows += photos.len() as u64;
                // what is made of the embeddings can be made again, so that nothing is lost where it cannot be written
                let _ = recall::keep(&self.gallery, EXACT_UP_TO);
                Ok(change)
            }
            Err(e) => {
                let _ = self.vectors.cut(rows);
                Err(e)
            }
        }
    }
}

/// Puts a change into the log; its number.
pub(super) fn changed(all: &Transaction<'_>, what: &str, said: &str, detail: &Detail) -> rusqlite::Result<i64> {
    let at = (Stamp::now().seconds() * 1000.0).round() as i64;
    let detail = serde_json::to_string(detail).map_err(|e| rusqlite::Error::ToSqlConversionFailure(e.into()))?;
    let log = "INSERT INTO changes (at, what, said, detail) VALUES (?1, ?2, ?3, ?4)";
    all.execute(log, params![at, what, said, detail])?;
    Ok(all.last_insert_rowid())
}

fn insert(all: &Transaction<'_>, row: u64, photo: &NewPhoto, change: i64) -> rusqlite::Result<()> {
    let root = found_or_made(
        all,
        ("SELECT id FROM roots WHERE path = ?1", params![photo.root]),
        ("INSERT INTO roots (path) VALUES (?1)", params![photo.root]),
    )?;
    let individual = match all
        .prepare_cached("SELECT individual FROM names WHERE name = ?1")?
        .query_row([&photo.individual], |row| row.get(0))
        .optional()?
    {
        Some(known) => known,
        None => {
            all.prepare_cached("INSERT INTO individuals (name, note) VALUES (?1, '')")?.execute([&photo.individual])?;
            let made = all.last_insert_rowid();
            let name = "INSERT INTO names (name, individual) VALUES (?1, ?2)";
            all.prepare_cached(name)?.execute(params![photo.individual, made])?;
            made
        }
    };
    let (of_root, name) = match &photo.encounter {
        Encounter::Day(day) => (None, day.to_string()),
        Encounter::Own(key) => (Some(root), key.clone()),
    };
    let encounter = found_or_made(
        all,
        (
            "SELECT id FROM encounters WHERE individual = ?1 AND root IS ?2 AND name = ?3",
            params![individual, of_root, name],
        ),
        (
            "INSERT INTO encounters (individual, root, name, note) VALUES (?1, ?2, ?3, '')",
            params![individual, of_root, name],
        ),
    )?;
    let put = "INSERT INTO photos (row, encounter, root, path, sha256, crop, looked, side, date, trained, added)
        VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11)";
    all.prepare_cached(put)?.execute(params![
        row,
        encounter,
        root,
        photo.path,
        photo.sha256,
        cells(photo.crop),
        photo.looked,
        photo.side.map(Side::word),
        photo.date.map(|date| date.to_string()),
        photo.trained,
        change,
    ])?;
    Ok(())
}

type Query<'a> = (&'a str, &'a [&'a dyn rusqlite::ToSql]);

fn found_or_made(all: &Transaction<'_>, find: Query<'_>, make: Query<'_>) -> rusqlite::Result<i64> {
    match all.prepare_cached(find.0)?.query_row(find.1, |row| row.get(0)).optional()? {
        Some(found) => Ok(found),
        None => {
            all.prepare_cached(make.0)?.execute(make.1)?;
            Ok(all.last_insert_rowid())
        }
    }
}

/// A crop as the database has it; all of a photo is an empty text.
pub(super) fn cells(crop: Option<Crop>) -> String {
    crop.map(|crop| crop.cells().join(",")).unwrap_or_default()
}
