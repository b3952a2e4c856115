//! A gallery as files for other programs: embeddings with their table, or the table of a dataset.

use std::path::{Path, PathBuf};

use serde::Serialize;

use crate::data::export::table;
use crate::data::manifest::{Manifest, parse_date};
use crate::eval::embeddings::{EmbeddingSet, PhotoRow, Role};
use crate::eval::gather::{ABOUT_FILE, AboutEmbeddings};
use crate::run::files;

use super::asked::{bare, common};
use super::store::{Gallery, PHOTO, Photo, photo};
use super::{Error, Result};

/// The individuals, a row each.
pub const INDIVIDUALS_FILE: &str = "individuals.csv";
/// The log, a row a change.
pub const CHANGES_FILE: &str = "changes.csv";
/// The table that wildlife-datasets reads.
pub const TABLE_FILE: &str = "metadata.csv";

/// What was written.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Exported {
    /// Photos in it.
    pub photos: usize,
    /// The folder that the photos' paths start from.
    pub root: PathBuf,
    /// The files.
    pub files: Vec<PathBuf>,
}

/// Writes `embeddings.npy` with `photos.csv` and `embeddings.json`, as an evaluation leaves them, and `individuals.csv` and
/// `changes.csv` into `folder`, made if need be.
///
/// # Errors
/// When one of the files is there, the gallery is empty or cannot be read, or a file cannot be written.
pub fn embeddings(gallery: &Gallery, folder: &Path) -> Result<Exported> {
    let names = ["embeddings.npy", "photos.csv", ABOUT_FILE, INDIVIDUALS_FILE, CHANGES_FILE];
    let files = places(folder, &names)?;
    let (known, listed) = gallery.known_with_photos()?;
    if known.is_empty() {
        return Err(Error::Empty { folder: gallery.folder().into() });
    }
    let root = common(listed.iter().map(|photo| photo.root.as_path()));
    let row = |photo: &Photo| PhotoRow {
        photo: below(&root, photo),
        individual: photo.individual.clone(),
        encounter: encounter(photo),
        role: Role::Gallery,
        side: photo.side,
    };
    let set = EmbeddingSet::new(known.dims, known.embeddings, listed.iter().map(row).collect())?;
    files::create_folder(folder)?;
    set.write(folder)?;
    let about = AboutEmbeddings {
        model: gallery.networks().model.clone(),
        identity: gallery.embedding().identity.clone(),
        preprocessing: gallery.embedding().preprocessing.clone(),
        photos: set.len(),
        embedding_dim: set.dim,
    };
    files::replace_json(&files[2], &about)?;
    rows(&files[3], &gallery.individuals()?)?;
    rows(&files[4], &gallery.changes()?)?;
    Ok(Exported { photos: set.len(), root, files })
}

/// Writes `metadata.csv`, a table that wildlife-datasets reads, and this program as a dataset, into `folder`, made if need
/// be. Its paths start from the folder that holds all photos.
///
/// # Errors
/// As [`embeddings`].
pub fn dataset(gallery: &Gallery, folder: &Path) -> Result<Exported> {
    let files = places(folder, &[TABLE_FILE])?;
    let listed = gallery.photos()?;
    if listed.is_empty() {
        return Err(Error::Empty { folder: gallery.folder().into() });
    }
    let root = common(listed.iter().map(|photo| photo.root.as_path()));
    let of = |photo: &Photo| crate::data::manifest::Photo {
        path: below(&root, photo).into(),
        individual: photo.individual.clone(),
        encounter: encounter(photo),
        date: photo.date.as_deref().and_then(parse_date),
        crop: photo.crop,
        side: photo.side,
    };
    let manifest = Manifest { root: root.clone(), ..bare(listed.iter().map(of).collect()) };
    files::create_folder(folder)?;
    files::replace(&files[0], &table(&manifest, "path").map_err(crate::eval::Error::from)?)?;
    Ok(Exported { photos: listed.len(), root, files })
}

/// Where files of these names will lie.
fn places(folder: &Path, names: &[&str]) -> Result<Vec<PathBuf>> {
    let places: Vec<PathBuf> = names.iter().map(|name| folder.join(name)).collect();
    match places.iter().find(|path| path.exists()) {
        Some(path) => Err(Error::InTheWay { path: path.clone() }),
        None => Ok(places),
    }
}

fn rows(path: &Path, rows: &[impl Serialize]) -> Result<()> {
    let written = files::replace_with(path, |out| {
        let mut table = csv::Writer::from_writer(out);
        rows.iter().try_for_each(|row| table.serialize(row)).map_err(std::io::Error::from)?;
        table.flush()
    });
    Ok(written?)
}

/// The key of an encounter in a table: unique among those of all individuals.
fn encounter(photo: &Photo) -> String {
    match &photo.date {
        Some(day) if *day == photo.encounter => format!("{} {day}", photo.individual),
        _ => photo.encounter.clone(),
    }
}

fn below(root: &Path, photo: &Photo) -> String {
    let whole = photo.root.join(&photo.photo);
    whole.strip_prefix(root).unwrap_or(&whole).to_string_lossy().into_owned()
}

impl Gallery {
    /// All photos, in the order in which they were added.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub fn photos(&self) -> Result<Vec<Photo>> {
        let query = format!("{PHOTO} ORDER BY p.row");
        let all = || self.facts.connection.prepare(&query)?.query_map([], photo)?.collect();
        self.facts.told(all())
    }

    /// What is known as numbers, and the photos of the same moment, row for row.
    fn known_with_photos(&self) -> Result<(super::known::Known, Vec<Photo>)> {
        let known = self.known()?;
        let photos = self.photos()?;
        // a change between the two looks
        if known.len() != photos.len() || known.photos.iter().zip(&photos).any(|(a, b)| a.id != b.id) {
            return Err(Error::Busy { folder: self.folder().into() });
        }
        Ok((known, photos))
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::{photo, put, small};
    use super::super::writer::Adding;
    use super::*;

    #[test]
    fn a_gallery_is_read_back_from_its_export() {
        let dir = tempfile::tempdir().unwrap();
        let mut writer = small(&dir.path().join("g"));
        put(&mut writer, &mut Adding::new("add", String::new()), &[(5, "t3")]).unwrap();
        writer.remove("t2", &[]).unwrap();
        let (mut other, row) = photo(7, "t3");
        other.root = "/photos-too/more".into();
        writer.add(&mut Adding::new("add", String::new()), &[other], &row).unwrap();

        let out = dir.path().join("out");
        let exported = embeddings(&writer, &out).unwrap();
        assert_eq!((exported.photos, exported.root.to_str().unwrap()), (4, "/"));
        let set = EmbeddingSet::read(&out).unwrap();
        let photos: Vec<_> = set.rows.iter().map(|r| (r.photo.as_str(), r.individual.as_str())).collect();
        let expected =
            [("photos/0.jpg", "t1"), ("photos/28.jpg", "t1"), ("photos/5.jpg", "t3"), ("photos-too/more/7.jpg", "t3")];
        assert_eq!(photos, expected);
        assert_eq!(set.vectors, writer.known().unwrap().embeddings);
        let individuals = std::fs::read_to_string(out.join(INDIVIDUALS_FILE)).unwrap();
        assert!(individuals.lines().nth(1).unwrap().starts_with("t1,2,1,2020-01-01"), "{individuals}");
        assert_eq!(std::fs::read_to_string(out.join(CHANGES_FILE)).unwrap().lines().count(), 5);
        let error = embeddings(&writer, &out).unwrap_err().to_string();
        assert!(error.contains("embeddings.npy") && error.contains("choose another"), "{error}");

        let out = dir.path().join("table");
        dataset(&writer, &out).unwrap();
        let read = crate::data::formats::open(&out.join(TABLE_FILE), &crate::data::corrections::Corrections::NONE);
        let read = read.unwrap();
        let photos: Vec<_> = read.photos.iter().map(|p| (p.path.to_str().unwrap(), p.individual.as_str())).collect();
        assert_eq!(photos, expected);
        assert_eq!((read.photos[0].encounter.as_str(), read.photos[0].side.is_some()), ("t1 2020-01-01", true));
    }
}
