//! What the gallery holds of an encounter whose decision is corrected: the photos that its decisions brought, with their
//! embeddings, whatever lies on the disk by now.

use std::collections::{HashMap, HashSet};

use jiff::civil::Date;
use rusqlite::{OptionalExtension, Row, params};

use crate::data::crop::Crop;
use crate::data::manifest::{Side, parse_date};

use super::store::Gallery;
use super::vectors::Vectors;
use super::writer::{Detail, Encounter, NewPhoto};
use super::{Error, Result};

/// Living photos that came with an encounter's decisions, none of which was taken back.
const BROUGHT: &str =
    "SELECT p.id, p.row, p.path, p.sha256, p.crop, p.looked, p.side, p.date, p.trained, e.root IS NULL, e.name,
        (SELECT count(*) FROM decisions other WHERE other.change = p.added)
    FROM photos p JOIN roots r ON r.id = p.root JOIN encounters e ON e.id = p.encounter
    WHERE p.gone IS NULL AND r.path = ?1 AND p.added IN (SELECT d.change FROM decisions d
        JOIN changes c ON c.id = d.change WHERE c.undone IS NULL AND d.folder = ?1 AND d.encounter = ?2) ORDER BY p.id";

/// Photos that are somebody else's from now on.
#[derive(Debug, Default)]
pub(super) struct Moved {
    /// Their numbers until now.
    pub(super) ids: Vec<i64>,
    /// The photos, of nobody yet.
    pub(super) photos: Vec<NewPhoto>,
    /// Their embeddings, row after row.
    pub(super) embeddings: Vec<f32>,
}

impl Moved {
    /// Takes those of `encounter` along.
    pub(super) fn take(&mut self, gallery: &Gallery, folder: &str, encounter: &str) -> Result<()> {
        let found = brought(gallery, folder, encounter)?;
        if found.is_empty() {
            return Ok(());
        }
        let dims = gallery.embedding().dims;
        let standing = gallery.standing()?;
        let mut file = Vectors::open(&gallery.vectors_file(standing.generation), &gallery.header, false)?;
        let rows = file.rows(standing.rows)?;
        for Brought { id, row, photo } in found {
            let Some(embedding) = rows.numbers().chunks_exact(dims).nth(row) else {
                let reason = "a photo has no embedding".to_owned();
                return Err(Error::Damaged { path: gallery.facts.path().into(), reason });
            };
            self.ids.push(id);
            self.photos.push(photo);
            self.embeddings.extend(embedding);
        }
        Ok(())
    }

    /// Whether one of them lies where `photo` does, or is the same photo.
    pub(super) fn have(&self, photo: &NewPhoto) -> bool {
        let is_same = |own: &NewPhoto| own.sha256 == photo.sha256 && own.crop == photo.crop;
        self.photos.iter().any(|own| own.path == photo.path || is_same(own))
    }
}

/// The paths, below `folder`, of the photos that the gallery holds by the decisions of `encounter`.
pub(super) fn paths(gallery: &Gallery, folder: &str, encounter: &str) -> Result<HashSet<String>> {
    Ok(brought(gallery, folder, encounter)?.into_iter().map(|one| one.photo.path).collect())
}

struct Brought {
    id: i64,
    row: usize,
    photo: NewPhoto,
}

fn brought(gallery: &Gallery, folder: &str, encounter: &str) -> Result<Vec<Brought>> {
    let read = |row: &Row<'_>| {
        let (of_day, name): (bool, String) = (row.get(9)?, row.get(10)?);
        let date: Option<String> = row.get(7)?;
        let photo = NewPhoto {
            root: folder.to_owned(),
            path: row.get(2)?,
            individual: String::new(),
            encounter: day(&name).filter(|_| of_day).map_or(Encounter::Own(name), Encounter::Day),
            date: date.as_deref().and_then(day),
            side: row.get::<_, Option<String>>(6)?.and_then(|word| Side::parse(&word)),
            crop: row.get::<_, String>(4)?.parse::<Crop>().ok(),
            looked: row.get(5)?,
            sha256: row.get(3)?,
            trained: row.get(8)?,
        };
        let brought = Brought { id: row.get(0)?, row: row.get(1)?, photo };
        Ok((brought, row.get::<_, u64>(11)?))
    };
    let all = || gallery.facts.connection.prepare_cached(BROUGHT)?.query_map([folder, encounter], read)?.collect();
    let all: Vec<(Brought, u64)> = gallery.facts.told(all())?;
    // a change that decided of several encounters brought the photos of all
    let is_own = |path: &str| path == encounter || std::path::Path::new(path).parent() == Some(encounter.as_ref());
    let own = all.into_iter().filter(|(one, encounters)| *encounters == 1 || is_own(&one.photo.path));
    Ok(own.map(|(one, _)| one).collect())
}

fn day(text: &str) -> Option<Date> {
    parse_date(text)
}

/// A correction that stands and cannot be taken back any more, as a rebuild has left out the photos of before; with it the
/// encounters of `folder` whose earlier decisions it hides.
pub(super) fn for_good(gallery: &Gallery, folder: &str) -> Result<HashMap<i64, Vec<String>>> {
    let found = || -> rusqlite::Result<HashMap<i64, Vec<String>>> {
        let all = &gallery.facts.connection;
        let query =
            "SELECT id, detail FROM changes WHERE what = 'identify' AND undone IS NULL AND detail LIKE '%correct%'";
        let read = |row: &Row<'_>| Ok((row.get::<_, i64>(0)?, row.get::<_, String>(1)?));
        let corrections: Vec<(i64, String)> =
            all.prepare(query)?.query_map([], read)?.collect::<rusqlite::Result<_>>()?;
        let mut stay = HashMap::new();
        for (id, detail) in corrections {
            let Ok(Detail::Correct { photos }) = serde_json::from_str(&detail) else { continue };
            let before: usize = all.query_row("SELECT count(*) FROM photos WHERE gone = ?1", [id], |row| row.get(0))?;
            if before < photos {
                let of = "SELECT encounter FROM decisions WHERE change = ?1 AND folder = ?2";
                let mut of = all.prepare(of)?;
                let of: Vec<String> =
                    of.query_map(params![id, folder], |row| row.get(0))?.collect::<rusqlite::Result<_>>()?;
                if !of.is_empty() {
                    stay.insert(id, of);
                }
            }
        }
        Ok(stay)
    };
    gallery.facts.told(found())
}

/// Who `photo` of `encounter` would be twice: the encounter that has it, too, and as whom that one is decided. None where that
/// is the individual of number `as_individual`, or nobody.
pub(super) fn decided_otherwise(
    gallery: &Gallery,
    (folder, encounter): (&str, &str),
    as_individual: Option<i64>,
) -> Result<Option<String>> {
    let query = "SELECT n.individual, i.name FROM decisions d JOIN changes c ON c.id = d.change
        LEFT JOIN names n ON n.name = json_extract(d.ruling, '$.individual') AND EXISTS (SELECT 1 FROM encounters e
            JOIN photos p ON p.encounter = e.id WHERE e.individual = n.individual AND p.gone IS NULL)
        LEFT JOIN individuals i ON i.id = n.individual
        WHERE c.undone IS NULL AND d.folder = ?1 AND d.encounter = ?2 ORDER BY d.change DESC LIMIT 1";
    let read = |row: &Row<'_>| Ok((row.get::<_, Option<i64>>(0)?, row.get::<_, Option<String>>(1)?));
    let found = || {
        let mut query = gallery.facts.connection.prepare_cached(query)?;
        query.query_row(params![folder, encounter], read).optional()
    };
    let found: Option<(Option<i64>, Option<String>)> = gallery.facts.told(found())?;
    Ok(found.filter(|(who, _)| who.is_some() && *who != as_individual).and_then(|(_, name)| name))
}
