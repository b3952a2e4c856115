//! A gallery as files for other programs: embeddings with their table, or the table of a dataset.

use std::collections::BTreeMap;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

use serde::Serialize;

use crate::data::export::table;
use crate::data::manifest::{Manifest, parse_date};
use crate::eval::embeddings::{EmbeddingSet, PhotoRow, Role};
use crate::eval::gather::{ABOUT_FILE, AboutEmbeddings};
use crate::run::{RunError, files};

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
/// be. The folders that its photos are in are linked to beside it, so that it is read where it lies.
///
/// # Errors
/// As [`embeddings`].
pub fn dataset(gallery: &Gallery, folder: &Path) -> Result<Exported> {
    places(folder, &[TABLE_FILE])?;
    let listed = gallery.photos()?;
    if listed.is_empty() {
        return Err(Error::Empty { folder: gallery.folder().into() });
    }
    let absolute = std::path::absolute(folder).map_err(|e| RunError::io("find", folder, e))?;
    let mut links: BTreeMap<&Path, String> = BTreeMap::new();
    for photo in listed.iter().filter(|photo| photo.root != absolute) {
        if !links.contains_key(photo.root.as_path()) {
            links.insert(&photo.root, link_name(&photo.root, |name| links.values().any(|taken| taken == name)));
        }
    }
    let names: Vec<&str> = std::iter::once(TABLE_FILE).chain(links.values().map(String::as_str)).collect();
    let files = places(folder, &names)?;
    let of = |photo: &Photo| crate::data::manifest::Photo {
        path: links.get(photo.root.as_path()).map_or_else(PathBuf::new, PathBuf::from).join(&photo.photo),
        individual: photo.individual.clone(),
        encounter: encounter(photo),
        date: photo.date.as_deref().and_then(parse_date),
        crop: photo.crop,
        side: photo.side,
    };
    let manifest = Manifest { root: folder.to_path_buf(), ..bare(listed.iter().map(of).collect()) };
    files::create_folder(folder)?;
    for (root, path) in links.keys().zip(&files[1..]) {
        symlink(root, path).map_err(|e| RunError::io("link to the photos at", path, e))?;
    }
    files::replace(&files[0], &table(&manifest, "path").map_err(crate::eval::Error::from)?)?;
    Ok(Exported { photos: listed.len(), root: folder.to_path_buf(), files })
}

/// What the link to the photos in `root` is called: as that folder, or with a number behind it where that is taken.
fn link_name(root: &Path, is_taken: impl Fn(&str) -> bool) -> String {
    let name = root.file_name().map_or_else(|| "photos".into(), |name| name.to_string_lossy());
    let numbered = |n: u32| if n == 1 { name.to_string() } else { format!("{name}-{n}") };
    (1..).map(numbered).find(|name| name != TABLE_FILE && !is_taken(name)).unwrap_or_default()
}

/// Where files of these names will lie.
fn places(folder: &Path, names: &[&str]) -> Result<Vec<PathBuf>> {
    let places: Vec<PathBuf> = names.iter().map(|name| folder.join(name)).collect();
    match places.iter().find(|path| path.symlink_metadata().is_ok()) {
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
        let exported = dataset(&writer, &out).unwrap();
        let names: Vec<_> = exported.files.iter().map(|path| path.file_name().unwrap().to_str().unwrap()).collect();
        assert_eq!((names, exported.root), (vec![TABLE_FILE, "photos", "more"], out.clone()));
        let read = crate::data::formats::open(&out, &crate::data::corrections::Corrections::NONE).unwrap();
        let photos: Vec<_> = read.photos.iter().map(|p| (p.path.to_str().unwrap(), p.individual.as_str())).collect();
        assert_eq!(
            photos,
            [("photos/0.jpg", "t1"), ("photos/28.jpg", "t1"), ("photos/5.jpg", "t3"), ("more/7.jpg", "t3")]
        );
        assert_eq!(std::fs::read_link(out.join("more")).unwrap().to_str(), Some("/photos-too/more"));
        assert_eq!((read.photos[0].encounter.as_str(), read.photos[0].side.is_some()), ("t1 2020-01-01", true));
        assert!(dataset(&writer, &out).unwrap_err().to_string().contains(TABLE_FILE));
    }

    #[test]
    fn a_link_takes_no_name_that_is_taken() {
        let name = |root: &str, taken: &[&str]| link_name(Path::new(root), |name| taken.contains(&name));
        assert_eq!(name("/", &[]), "photos");
        assert_eq!(name("/a/images", &["images", "images-2"]), "images-3");
        assert_eq!(name("/a/metadata.csv", &[]), "metadata.csv-2");
    }
}
