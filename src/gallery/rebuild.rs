//! A gallery's photos embedded anew where they lie: with another network, or prepared otherwise.
//!
//! The new embeddings go into a file of their own; one transaction then says that it is the one that counts. Killed before,
//! the gallery is the old one.

use std::collections::HashSet;
use std::path::Path;

use rayon::prelude::*;
use rusqlite::params;

use crate::data::manifest::{Manifest, Problem};
use crate::eval::attention;
use crate::eval::embed::{Embedded, Source, embed_readable};
use crate::eval::model::Model;
use crate::nn::network::Network;
use crate::nn::ops::Backend;
use crate::run::{RunError, files};

use super::about::{Embedding, Networks, Seen};
use super::add::BATCH;
use super::asked::{bare, loose};
use super::store::{Gallery, Photo};
use super::trained::Trained;
use super::vectors::{Header, Vectors};
use super::writer::{Detail, Writer, cells, changed};
use super::{CALIBRATION_FILE, Error, Result, calibration_charts, codes, hash, recall};

/// What a gallery is to be embedded with.
pub struct Anew<'a, D: Backend> {
    /// The network.
    pub model: &'a Model<D>,
    /// What it makes.
    pub embedding: Embedding,
    /// Where it lies.
    pub networks: Networks,
    /// The network that looks for the animal, where photos are to be seen so.
    pub looker: Option<&'a Network<D>>,
    /// What the network was trained on.
    pub trained: &'a Trained,
    /// Leaves photos that cannot be read out for good.
    pub drop_missing: bool,
}

/// A photo with what a rebuild changes of it.
struct Row {
    photo: Photo,
    /// It counts now; else it is kept for who takes a correction back.
    is_living: bool,
    looked: bool,
    sha256: Option<[u8; 32]>,
    trained: Option<bool>,
}

/// Embeds all photos of the gallery anew; returns the photos that were left out. `progress` is called with the number done,
/// of how many, and says whether to go on.
///
/// # Errors
/// When photos cannot be read and are not to be left out, the network fails, a file cannot be written, or `progress` said
/// no; the gallery is then as it was.
pub fn rebuild<D: Backend>(
    writer: &mut Writer,
    anew: &Anew<'_, D>,
    source: &Source,
    progress: &mut dyn FnMut(usize, usize) -> bool,
) -> Result<Vec<Problem>> {
    let (mut rows, manifest) = seen(writer, anew, source, progress)?;
    let generation = writer.standing()?.generation + 1;
    let header = Header { gallery: format!("{:016x}", rand::random::<u64>()), embedding: anew.embedding.clone() };
    let place = writer.vectors_file(generation);
    let attempt = embedded(anew, (&manifest, Vectors::create(&place, &header)?), source, progress);
    let attempt = attempt.and_then(|(usable, vectors, mut problems)| {
        // of what does not count nobody misses the file
        let counting: HashSet<&Path> = (rows.iter().zip(&manifest.photos))
            .filter(|(row, _)| row.is_living)
            .map(|(_, photo)| &*photo.path)
            .collect();
        problems.retain(|problem| problem.photo.as_deref().is_none_or(|photo| counting.contains(Path::new(photo))));
        let living = |all: &mut dyn Iterator<Item = usize>| all.filter(|&at| rows[at].is_living).count();
        let all = living(&mut (0..rows.len()));
        let missing = all - living(&mut usable.iter().copied());
        if let (false, 1.., Some(first)) = (anew.drop_missing, missing, problems.first()) {
            return Err(Error::PhotosGone { missing, all, first: Box::new(first.clone()) });
        }
        let hashed: Vec<_> = usable.par_iter().map(|&at| hash::of_file(&manifest.full_path(at)).ok()).collect();
        for (&at, sha256) in usable.iter().zip(hashed) {
            rows[at].sha256 = sha256;
            // the same weights trained on the same photos, also where nobody can look that up any more
            let before = rows[at].photo.trained.filter(|_| anew.embedding.identity == writer.embedding().identity);
            let now = sha256.and_then(|sha256| anew.trained.is_on(&manifest.full_path(at), &sha256));
            rows[at].trained = now.or(before);
            rows[at].photo.crop = manifest.photos[at].crop;
        }
        let kept: Vec<&Row> = usable.iter().map(|&at| &rows[at]).collect();
        count(writer, generation, &header, anew, &kept)?;
        Ok((vectors, usable.len() as u64, problems))
    });
    let (vectors, count, problems) = attempt.inspect_err(|_| drop(files::remove(&place)))?;
    let old = writer.vectors_file(generation - 1);
    writer.rebuilt(header, anew.networks.clone(), vectors, count);
    // a calibration is of the old embeddings
    files::remove(&writer.folder().join(CALIBRATION_FILE))?;
    calibration_charts::remove(writer.folder())?;
    for of_old in [old, codes::file(writer.folder(), generation - 1), recall::file(writer.folder(), generation - 1)] {
        files::remove(&of_old)?;
    }
    Ok(problems)
}

/// The photos that are embedded anew: those that count; those that somebody's correction has made another's and that still do
/// as that one's, so that it can be taken back; and those taken out by hand, so that they are not taken for new in a session.
const KEPT: &str =
    "SELECT p.id, p.path, r.path, i.name, e.name, p.date, p.side, p.trained, p.crop, p.looked, p.gone IS NULL
    FROM photos p JOIN encounters e ON e.id = p.encounter JOIN individuals i ON i.id = e.individual
    JOIN roots r ON r.id = p.root LEFT JOIN changes c ON c.id = p.gone
    WHERE p.gone IS NULL OR (c.undone IS NULL AND c.what = 'rm') OR (c.undone IS NULL AND c.what = 'identify' AND EXISTS
        (SELECT 1 FROM photos now WHERE now.gone IS NULL AND now.root = p.root AND now.path = p.path)) ORDER BY p.row";

fn read(row: &rusqlite::Row<'_>) -> rusqlite::Result<(Photo, bool, bool)> {
    Ok((super::store::photo(row)?, row.get(9)?, row.get(10)?))
}

/// The photos as they are to be seen. One that cannot be looked at is told when it is embedded.
fn seen<D: Backend>(
    gallery: &Gallery,
    anew: &Anew<'_, D>,
    source: &Source,
    progress: &mut dyn FnMut(usize, usize) -> bool,
) -> Result<(Vec<Row>, Manifest)> {
    let kept: Vec<(Photo, bool, bool)> = {
        let all = || gallery.facts.connection.prepare(KEPT)?.query_map([], read)?.collect();
        gallery.facts.told(all())?
    };
    let is_same = gallery.embedding().seen == anew.embedding.seen;
    let mut photos = Vec::new();
    let mut rows = Vec::new();
    for (photo, looked, is_living) in kept {
        // what another network chose is nothing to this one
        let crop = photo.crop.filter(|_| !looked || is_same);
        photos.push(crate::data::manifest::Photo { crop, ..loose(photo.root.join(&photo.photo)) });
        rows.push(Row { photo, is_living, looked: looked && is_same, sha256: None, trained: None });
    }
    let mut manifest = bare(photos);
    if let (Some(network), Seen::Attention { .. }) = (anew.looker, &anew.embedding.seen) {
        let bare: Vec<usize> = (0..rows.len()).filter(|&at| manifest.photos[at].crop.is_none()).collect();
        let found = attention::look(network, &manifest, &bare, source, |done| progress(done, bare.len()));
        for (at, crop) in found?.boxes {
            manifest.photos[at].crop = crop;
            rows[at].looked = crop.is_some();
        }
    }
    Ok((rows, manifest))
}

/// The embeddings in their file: which photos they are of, and which could not be read.
fn embedded<D: Backend>(
    anew: &Anew<'_, D>,
    (manifest, mut vectors): (&Manifest, Vectors),
    source: &Source,
    progress: &mut dyn FnMut(usize, usize) -> bool,
) -> Result<(Vec<usize>, Vectors, Vec<Problem>)> {
    let all: Vec<usize> = (0..manifest.photos.len()).collect();
    let (mut usable, mut problems) = (Vec::new(), Vec::new());
    for (batch, done) in all.chunks(BATCH).zip((0..).step_by(2 * BATCH)) {
        let mut progress = |now, _| progress(done + now, 2 * all.len());
        let found = embed_readable(anew.model, manifest, batch, source, &mut progress)?;
        let Embedded { usable: of_batch, vectors: rows, problems: of_problems } = found;
        vectors.append(&rows)?;
        usable.extend(of_batch);
        problems.extend(of_problems);
    }
    Ok((usable, vectors, problems))
}

/// Says in one step that the new embeddings are those that count.
fn count<D: Backend>(
    writer: &Writer,
    generation: u64,
    header: &Header,
    anew: &Anew<'_, D>,
    kept: &[&Row],
) -> Result<()> {
    let json = |e: serde_json::Error| Error::from(RunError::io("write", writer.folder(), e.into()));
    let head = serde_json::to_string(header).map_err(json)?;
    let networks = serde_json::to_string(&anew.networks).map_err(json)?;
    let put = || -> rusqlite::Result<()> {
        let all = writer.facts.connection.unchecked_transaction()?;
        all.execute_batch("CREATE TEMP TABLE kept (id INTEGER PRIMARY KEY)")?;
        for (row, of) in (0_u64..).zip(kept) {
            all.prepare_cached("INSERT INTO temp.kept (id) VALUES (?1)")?.execute([of.photo.id])?;
            let set = "UPDATE photos SET row = ?2, crop = ?3, looked = ?4, trained = ?5 WHERE id = ?1";
            let cells = cells(of.photo.crop);
            all.prepare_cached(set)?.execute(params![of.photo.id, row, cells, of.looked, of.trained])?;
            // one that has become another that is here keeps its old hash
            let hash = "UPDATE OR IGNORE photos SET sha256 = ?2 WHERE id = ?1";
            all.prepare_cached(hash)?.execute(params![of.photo.id, of.sha256.map(|hash| hash.to_vec())])?;
        }
        all.execute("DELETE FROM photos WHERE id NOT IN (SELECT id FROM temp.kept)", [])?;
        all.execute_batch("DROP TABLE temp.kept")?;
        let now = "UPDATE gallery SET header = ?1, networks = ?2, generation = ?3, rows = ?4";
        all.execute(now, params![head, networks, generation, kept.len() as u64])?;
        changed(&all, "rebuild", &format!("with {}", anew.networks.model), &Detail::Rebuild)?;
        all.commit()
    };
    writer.facts.told(put())
}

#[cfg(test)]
mod tests {
    use super::super::tests::small;
    use super::*;

    #[test]
    fn what_was_taken_out_by_hand_is_kept_as_no_photo_that_counts() {
        let dir = tempfile::tempdir().unwrap();
        let mut writer = small(&dir.path().join("g"));
        let kept = |writer: &Writer| -> Vec<(String, bool)> {
            let mut all = writer.facts.connection.prepare(KEPT).unwrap();
            let all = all.query_map([], read).unwrap().map(|one| one.map(|(photo, _, living)| (photo.photo, living)));
            all.collect::<rusqlite::Result<_>>().unwrap()
        };
        let before = kept(&writer);
        assert!(before.len() > 1 && before.iter().all(|(_, living)| *living));
        let whose = writer.individuals().unwrap().into_iter().map(|one| one.individual);
        let (name, photo) =
            whose.map(|name| (name.clone(), writer.individual(&name).unwrap().1[0].photo.clone())).next().unwrap();
        writer.remove(&name, std::slice::from_ref(&photo)).unwrap();
        let after: Vec<(String, bool)> = before.into_iter().map(|(one, _)| (one.clone(), one != photo)).collect();
        assert_eq!(kept(&writer), after);
    }
}
