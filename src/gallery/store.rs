//! A gallery on the disk, as whoever reads sees it: a folder with a database of facts and a file of embeddings.
//!
//! It holds who is known, in which encounters, and where each photo lies, never a photo. A reader sees the gallery of
//! one moment, and waits for nobody.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use rusqlite::{Connection, OptionalExtension, Row, params};
use serde::Serialize;

use crate::data::crop::Crop;
use crate::data::decode::PhotoFile;
use crate::data::foreign;
use crate::data::manifest::Side;
use crate::run::error::near;
use crate::run::stamp::Stamp;

use super::about::{Embedding, Networks, Seen};
use super::facts::{self, Facts};
use super::known::{Known, KnownPhoto};
use super::owners;
use super::vectors::{Header, MOST_DIMS, Vectors};
use super::{Error, Result};

/// The network of a bundle.
pub const WEIGHTS_FILE: &str = "weights.safetensors";
/// The network of a bundle that looks for the animal, where that is another.
pub const LOOKER_FILE: &str = "looker.safetensors";

/// An open gallery.
#[derive(Debug)]
pub struct Gallery {
    folder: PathBuf,
    pub(super) facts: Facts,
    pub(super) header: Header,
    pub(super) networks: Networks,
}

/// The one row that says what counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Standing {
    /// Which file of embeddings.
    pub(super) generation: u64,
    /// How many of its rows.
    pub(super) rows: u64,
    /// Whether building it came to its end.
    pub(super) complete: bool,
}

/// An individual in few words.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Individual {
    /// Its name.
    pub individual: String,
    /// Photos of it.
    pub photos: u64,
    /// Its encounters.
    pub encounters: u64,
    /// The first day on which it was met, as far as known.
    pub first: Option<String>,
    /// The last.
    pub last: Option<String>,
    /// What a person noted.
    pub note: String,
}

/// A photo of a gallery.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Photo {
    /// Its number.
    pub id: u64,
    /// Where it lies below `root`.
    pub photo: String,
    /// The folder of its dataset.
    pub root: PathBuf,
    /// Who is on it.
    pub individual: String,
    /// The encounter: a day, or as a table names it.
    pub encounter: String,
    /// The day on which it was taken, where that is known.
    pub date: Option<String>,
    /// The side that it shows, where that is known.
    pub side: Option<Side>,
    /// Whether the network was trained on it, where that is known.
    pub trained: Option<bool>,
    /// The part of it that counts.
    #[serde(skip)]
    pub crop: Option<Crop>,
}

impl Photo {
    /// As it is to be decoded.
    pub fn file(&self) -> PhotoFile {
        PhotoFile { path: self.root.join(&self.photo), crop: self.crop }
    }
}

/// What a photo is selected by, in the order of [`photo`].
pub(super) const PHOTO: &str = "SELECT p.id, p.path, r.path, i.name, e.name, p.date, p.side, p.trained, p.crop
    FROM photos p JOIN encounters e ON e.id = p.encounter JOIN individuals i ON i.id = e.individual
    JOIN roots r ON r.id = p.root WHERE p.gone IS NULL";

pub(super) fn photo(row: &Row<'_>) -> rusqlite::Result<Photo> {
    Ok(Photo {
        id: row.get(0)?,
        photo: row.get(1)?,
        root: row.get::<_, String>(2)?.into(),
        individual: row.get(3)?,
        encounter: row.get(4)?,
        date: row.get(5)?,
        side: row.get::<_, Option<String>>(6)?.and_then(|word| Side::parse(&word)),
        trained: row.get(7)?,
        crop: row.get::<_, String>(8)?.parse().ok().filter(|crop| *crop != Crop::FULL),
    })
}

/// A change that was made.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Change {
    /// Its number.
    pub id: u64,
    /// When.
    pub at: Stamp,
    /// `build`, `add`, `rename`, `merge`, `rm`, `undo`, `note`, `rebuild`.
    pub what: String,
    /// In words.
    pub said: String,
    /// Whether it was undone.
    pub undone: bool,
}

/// The size of a gallery.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Counts {
    /// Photos.
    pub photos: u64,
    /// Individuals with one.
    pub individuals: u64,
    /// Encounters with one.
    pub encounters: u64,
}

impl Gallery {
    /// Opens the gallery in `folder` to read.
    ///
    /// # Errors
    /// When there is none, or one of its files is not as this program leaves it.
    pub fn open(folder: &Path) -> Result<Gallery> {
        Gallery::with(folder, Facts::open(folder, false)?)
    }

    pub(super) fn with(folder: &Path, facts: Facts) -> Result<Gallery> {
        let read = |row: &Row<'_>| Ok((row.get::<_, String>(0)?, row.get::<_, String>(1)?));
        let found = facts.connection.query_row("SELECT header, networks FROM gallery", [], read);
        let (header, networks) = facts.told(found)?;
        let damaged =
            |what: &str| Error::Damaged { path: facts.path().into(), reason: format!("{what} does not read") };
        let header: Header = serde_json::from_str(&header).map_err(|_| damaged("what made its embeddings"))?;
        let networks = serde_json::from_str(&networks).map_err(|_| damaged("where its model lies"))?;
        if header.embedding.dims == 0 || header.embedding.dims > MOST_DIMS {
            return Err(damaged("the number of dimensions"));
        }
        Ok(Gallery { folder: folder.into(), facts, header, networks })
    }

    /// The folder.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// What made its embeddings.
    pub fn embedding(&self) -> &Embedding {
        &self.header.embedding
    }

    /// Where its networks lie.
    pub fn networks(&self) -> &Networks {
        &self.networks
    }

    /// The file of the network that made its embeddings: in a bundle the one beside them, else where it was.
    ///
    /// # Errors
    /// When it is gone.
    pub fn model_file(&self) -> Result<PathBuf> {
        let path = self.own_or(WEIGHTS_FILE, &self.networks.path);
        if path.is_file() {
            return Ok(path);
        }
        Err(Error::ModelGone { folder: self.folder.clone(), model: self.networks.model.clone(), path })
    }

    /// The network that looks for the animal, where photos are seen so: its file and its hash.
    ///
    /// # Errors
    /// When it is gone.
    pub fn looker(&self) -> Result<Option<(PathBuf, String)>> {
        let Seen::Attention { by } = &self.embedding().seen else { return Ok(None) };
        let stored = self.networks.looker.as_deref().unwrap_or(&self.networks.path);
        let path = self.own_or(LOOKER_FILE, stored);
        if path.is_file() {
            return Ok(Some((path, by.clone())));
        }
        Err(Error::ModelGone { folder: self.folder.clone(), model: "(the one that looks for the animal)".into(), path })
    }

    fn own_or(&self, name: &str, other: &Path) -> PathBuf {
        let own = self.folder.join(name);
        if own.is_file() { own } else { other.to_path_buf() }
    }

    /// Fails unless `ours` are embeddings that can be compared with the gallery's.
    ///
    /// # Errors
    /// When they cannot.
    pub fn accept(&self, ours: &Embedding) -> Result<()> {
        let theirs = self.embedding();
        if ours == theirs {
            return Ok(());
        }
        Err(Error::OtherModel { folder: self.folder.clone(), theirs: theirs.told(), ours: ours.told() })
    }

    pub(super) fn standing(&self) -> Result<Standing> {
        let read = |row: &Row<'_>| Ok(Standing { generation: row.get(0)?, rows: row.get(1)?, complete: row.get(2)? });
        let query = "SELECT generation, rows, complete FROM gallery";
        self.facts.told(self.facts.connection.query_row(query, [], read))
    }

    /// As [`Gallery::standing`], of the embeddings that it had when it was opened.
    ///
    /// # Errors
    /// When it was rebuilt since, or the database cannot be read.
    pub(super) fn standing_as_opened(&self) -> Result<Standing> {
        let query = "SELECT header FROM gallery";
        let header: String = self.facts.told(self.facts.connection.query_row(query, [], |row| row.get(0)))?;
        let header = serde_json::from_str(&header).ok().filter(|header: &Header| *header == self.header);
        header.ok_or_else(|| Error::RebuiltMeanwhile { folder: self.folder.clone() })?;
        self.standing()
    }

    /// Whether building it came to its end.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub fn is_complete(&self) -> Result<bool> {
        Ok(self.standing()?.complete)
    }

    /// The file of embeddings.
    pub(super) fn vectors_file(&self, generation: u64) -> PathBuf {
        vectors_file(&self.folder, generation)
    }

    /// All that is known, as numbers.
    ///
    /// # Errors
    /// When a file cannot be read or is damaged.
    pub fn known(&self) -> Result<Known> {
        let all = self.facts.told(self.facts.connection.unchecked_transaction())?; // one moment
        let Standing { generation, rows, .. } = self.standing_as_opened()?;
        let (listed, names) = self.facts.told(listed(&all))?;
        drop(all);
        let dims = self.header.embedding.dims;
        let mut numbers = Vectors::open(&self.vectors_file(generation), &self.header, false)?.read(rows)?;
        // rows of photos that are gone are left out
        let mut photos = Vec::with_capacity(listed.len());
        let in_order = listed.windows(2).all(|two| two[0].0 < two[1].0);
        if listed.last().is_some_and(|last| last.0 >= rows) || !in_order {
            let reason = "a photo has no embedding".to_owned();
            return Err(Error::Damaged { path: self.facts.path().into(), reason });
        }
        for (place, (row, known)) in listed.into_iter().enumerate() {
            let from = row as usize * dims;
            numbers.copy_within(from..from + dims, place * dims);
            photos.push(known);
        }
        numbers.truncate(photos.len() * dims);
        if let Some(bad) = numbers.chunks_exact(dims).position(|row| !is_unit(row)) {
            let reason = format!("the embedding of photo {} is not of length 1", photos[bad].id);
            return Err(Error::Damaged { path: self.vectors_file(generation), reason });
        }
        Known::new(dims, numbers, photos, names)
    }

    /// A number that is another after every change.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub fn version(&self) -> Result<(u64, u64)> {
        let query = "SELECT rows, (SELECT coalesce(max(id), 0) FROM changes) FROM gallery";
        self.facts.told(self.facts.connection.query_row(query, [], |row| Ok((row.get(0)?, row.get(1)?))))
    }

    /// Its size.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub fn counts(&self) -> Result<Counts> {
        self.facts.told(owners::counts(&self.facts.connection))
    }

    /// Encounters of one photo that nobody has dated, of individuals that have several of those: the photos may be of one moment.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub fn single_undated(&self) -> Result<u64> {
        let query = "SELECT coalesce(sum(single), 0) FROM (SELECT count(*) AS single FROM
            (SELECT e.individual AS who FROM photos p JOIN encounters e ON e.id = p.encounter WHERE p.gone IS NULL
                GROUP BY e.id HAVING count(*) = 1 AND max(p.date) IS NULL) GROUP BY who HAVING count(*) > 1)";
        self.facts.told(self.facts.connection.query_row(query, [], |row| row.get(0)))
    }

    /// Everyone, by name.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub fn individuals(&self) -> Result<Vec<Individual>> {
        let query = "SELECT i.name, count(*), count(DISTINCT p.encounter), min(p.date), max(p.date), i.note
            FROM individuals i CROSS JOIN encounters e CROSS JOIN photos p -- in this order: the other takes ten times as long
            WHERE e.individual = i.id AND p.encounter = e.id AND p.gone IS NULL GROUP BY i.id ORDER BY i.name";
        let read = |row: &Row<'_>| {
            Ok(Individual {
                individual: row.get(0)?,
                photos: row.get(1)?,
                encounters: row.get(2)?,
                first: row.get(3)?,
                last: row.get(4)?,
                note: row.get(5)?,
            })
        };
        let all = || self.facts.connection.prepare(query)?.query_map([], read)?.collect();
        self.facts.told(all())
    }

    /// The individual that goes by `name`, or went by it: its number and its name.
    ///
    /// # Errors
    /// When there is none with a photo.
    pub(super) fn find(&self, name: &str) -> Result<(i64, String)> {
        let found = self.facts.told(find(&self.facts.connection, name))?;
        found.ok_or_else(|| {
            let names = self.individuals().unwrap_or_default();
            let near = near(name, names.iter().map(|known| known.individual.as_str()));
            Error::UnknownIndividual { given: name.into(), near }
        })
    }

    /// The individual that goes by `name`, or went by it, with its photos by encounter.
    ///
    /// # Errors
    /// When there is none, or the database cannot be read.
    pub fn individual(&self, name: &str) -> Result<(Individual, Vec<Photo>)> {
        let (id, name) = self.find(name)?;
        let query = format!("{PHOTO} AND i.id = ?1 ORDER BY p.date IS NULL, p.date, e.id, p.id");
        let all = || self.facts.connection.prepare(&query)?.query_map([id], photo)?.collect();
        let photos: Vec<Photo> = self.facts.told(all())?;
        let query = "SELECT count(*), count(DISTINCT p.encounter), min(p.date), max(p.date), i.note
            FROM individuals i JOIN encounters e ON e.individual = i.id JOIN photos p ON p.encounter = e.id
            WHERE i.id = ?1 AND p.gone IS NULL GROUP BY i.id";
        let read = |row: &Row<'_>| {
            Ok(Individual {
                individual: name.clone(),
                photos: row.get(0)?,
                encounters: row.get(1)?,
                first: row.get(2)?,
                last: row.get(3)?,
                note: row.get(4)?,
            })
        };
        let found = self.facts.told(self.facts.connection.query_row(query, [id], read).optional())?;
        let near = Vec::new();
        found.map(|found| (found, photos)).ok_or_else(|| Error::UnknownIndividual { given: name.clone(), near })
    }

    /// Photo `id`; none that is not there any more.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub fn photo(&self, id: u64) -> Result<Option<Photo>> {
        let query = format!("{PHOTO} AND p.id = ?1");
        let found = || self.facts.connection.prepare_cached(&query)?.query_row([id], photo).optional();
        self.facts.told(found())
    }

    /// Photo `id`, whose embedding has row `row`; none that is not there any more.
    ///
    /// # Errors
    /// When it has another, or the database cannot be read.
    pub(super) fn photo_in(&self, id: u64, row: usize) -> Result<Option<Photo>> {
        let query = "SELECT row FROM photos WHERE id = ?1";
        let found =
            || self.facts.connection.prepare_cached(query)?.query_row([id], |row| row.get::<_, u64>(0)).optional();
        match self.facts.told(found())? {
            Some(found) if found == row as u64 => self.photo(id),
            None => Ok(None),
            Some(_) => {
                let reason = format!("photo {id} does not have the embedding of its place");
                Err(Error::Damaged { path: self.facts.path().into(), reason })
            }
        }
    }

    /// All that was changed, the first first.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub fn changes(&self) -> Result<Vec<Change>> {
        let query = "SELECT id, at, what, said, undone IS NOT NULL FROM changes ORDER BY id";
        let read = |row: &Row<'_>| {
            Ok(Change {
                id: row.get(0)?,
                at: Stamp::from_millis(row.get(1)?),
                what: row.get(2)?,
                said: row.get(3)?,
                undone: row.get(4)?,
            })
        };
        let all = || self.facts.connection.prepare(query)?.query_map([], read)?.collect();
        self.facts.told(all())
    }
}

/// The file of embeddings of a generation: a rebuild writes another.
pub(super) fn vectors_file(folder: &Path, generation: u64) -> PathBuf {
    folder.join(format!("vectors-{generation}.f32"))
}

/// The individual that goes by `name`, or went by it, and has a photo.
pub(super) fn find(connection: &Connection, name: &str) -> rusqlite::Result<Option<(i64, String)>> {
    let query = "SELECT i.id, i.name FROM names n JOIN individuals i ON i.id = n.individual WHERE n.name = ?1
        AND EXISTS (SELECT 1 FROM encounters e JOIN photos p ON p.encounter = e.id WHERE e.individual = i.id AND p.gone IS NULL)";
    let mut statement = connection.prepare_cached(query)?;
    statement.query_row(params![name], |row| Ok((row.get(0)?, row.get(1)?))).optional()
}

/// The living photos by row, with individuals and encounters numbered from 0, and the names of the individuals.
fn listed(connection: &Connection) -> rusqlite::Result<(Vec<(u64, KnownPhoto)>, Vec<String>)> {
    let query = "SELECT p.row, p.id, e.individual, p.encounter, p.side, p.trained
        FROM photos p JOIN encounters e ON e.id = p.encounter WHERE p.gone IS NULL ORDER BY p.row";
    let (mut individuals, mut encounters) = (HashMap::<i64, usize>::new(), HashMap::<i64, usize>::new());
    let mut order = Vec::new();
    let mut listed = Vec::new();
    let mut statement = connection.prepare(query)?;
    let mut rows = statement.query([])?;
    while let Some(row) = rows.next()? {
        let individual: i64 = row.get(2)?;
        let number = *individuals.entry(individual).or_insert_with(|| {
            order.push(individual);
            order.len() - 1
        });
        let next = encounters.len();
        let encounter = *encounters.entry(row.get(3)?).or_insert(next);
        let side = row.get_ref(4)?.as_str_or_null().ok().flatten().and_then(Side::parse);
        let trained = row.get(5)?;
        listed.push((row.get(0)?, KnownPhoto { id: row.get(1)?, individual: number, encounter, side, trained }));
    }
    let mut name = connection.prepare("SELECT name FROM individuals WHERE id = ?1")?;
    let names = order.iter().map(|id| name.query_row([id], |row| row.get(0))).collect::<rusqlite::Result<_>>()?;
    Ok((listed, names))
}

/// How far the length of a row may be from 1.
const UNIT_TOLERANCE: f64 = 2e-3;

pub(super) fn is_unit(row: &[f32]) -> bool {
    let length = row.iter().map(|&x| f64::from(x) * f64::from(x)).sum::<f64>().sqrt();
    (length - 1.0).abs() <= UNIT_TOLERANCE // NaN is in no range
}

/// What lies in `folder` that no gallery leaves there.
pub(super) fn in_the_way(folder: &Path) -> Option<String> {
    let names = std::fs::read_dir(folder).ok()?.flatten().map(|entry| foreign::path(entry.file_name().as_ref()));
    names.into_iter().find(|name| {
        let ours = [facts::FILE, super::writer::LOCK, "vectors-"].iter().any(|ours| name.starts_with(ours));
        !ours && !name.ends_with(".tmp")
    })
}
