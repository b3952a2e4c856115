//! A set of embeddings with the photos they were made of, in memory and as two files.
//!
//! `embeddings.npy` (float32, photos x dimensions, C order) and `photos.csv` (photo, individual,
//! encounter, role) are what anyone needs to recompute a report, so they are checked on the way in
//! as strictly as on the way out: a NaN or a shifted row would give figures that look fine.
//! Knows files and numbers; not which network made them.

use std::borrow::Cow;
use std::collections::HashMap;
use std::fmt;
use std::path::{Component, Path};
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::data::manifest::Side;
use crate::run::files;

use super::{Error, Result};

mod npy;
mod table;

/// The file of embeddings.
pub const EMBEDDINGS_FILE: &str = "embeddings.npy";
/// The file of embeddings of mirror images, where those were made.
pub const MIRRORED_FILE: &str = "mirrored.npy";
/// The table of photos.
pub const PHOTOS_FILE: &str = "photos.csv";

/// How far the length of a stored row may be from 1. Normalising in float32 stays within 1e-6 for
/// any sensible width; half-precision tools reach 1e-3.
const UNIT_TOLERANCE: f64 = 2e-3;

/// What a photo is used for in an evaluation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// Asked about.
    Query,
    /// Searched in.
    Gallery,
    /// Both; never its own match.
    Both,
    /// Neither, but has a say in what is chosen before: the threshold beyond which an animal is called new.
    Validation,
    /// Embedded only.
    None,
}

impl Role {
    /// Whether the photo is asked about.
    pub fn is_query(self) -> bool {
        matches!(self, Role::Query | Role::Both)
    }

    /// Whether the photo is searched in.
    pub fn is_gallery(self) -> bool {
        matches!(self, Role::Gallery | Role::Both)
    }

    /// The role of a photo that is in the queries, the gallery, both or neither.
    pub fn of(query: bool, gallery: bool) -> Role {
        match (query, gallery) {
            (true, true) => Role::Both,
            (true, false) => Role::Query,
            (false, true) => Role::Gallery,
            (false, false) => Role::None,
        }
    }

    fn word(self) -> &'static str {
        match self {
            Role::Query => "query",
            Role::Gallery => "gallery",
            Role::Both => "both",
            Role::Validation => "validation",
            Role::None => "none",
        }
    }
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.word())
    }
}

impl FromStr for Role {
    type Err = String;

    fn from_str(word: &str) -> std::result::Result<Role, String> {
        match word {
            "query" => Ok(Role::Query),
            "gallery" => Ok(Role::Gallery),
            "both" => Ok(Role::Both),
            "validation" => Ok(Role::Validation),
            "none" | "" => Ok(Role::None),
            other => Err(format!("the role `{other}` is none of query, gallery, both, validation, none")),
        }
    }
}

/// One photo of a set.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PhotoRow {
    /// Path relative to the data folder, with `/`; unique within a set.
    pub photo: String,
    /// Who is on it. Empty: nobody knows; such a photo is never a match of another.
    pub individual: String,
    /// The encounter, compared among photos of one individual. Empty: an encounter of its own.
    pub encounter: String,
    /// What it is used for.
    pub role: Role,
    /// The side that it shows, where that is known.
    pub side: Option<Side>,
}

/// Embeddings and their photos, row for row.
#[derive(Clone, Debug, PartialEq)]
pub struct EmbeddingSet {
    /// Numbers in one embedding.
    pub dim: usize,
    /// `rows.len()` x `dim`, row after row, each of length 1.
    pub vectors: Vec<f32>,
    /// The photos, in the order of the embeddings.
    pub rows: Vec<PhotoRow>,
    /// Embeddings of their mirror images, where they were made.
    pub mirrored: Option<Vec<f32>>,
}

impl EmbeddingSet {
    /// A checked set: see [`EmbeddingSet::check`].
    pub fn new(dim: usize, vectors: Vec<f32>, rows: Vec<PhotoRow>) -> Result<EmbeddingSet> {
        let set = EmbeddingSet { dim, vectors, rows, mirrored: None };
        set.check()?;
        Ok(set)
    }

    /// Fails unless there is a row of `dim` finite numbers of length 1 for every photo, and every
    /// photo is named once by a path that stays inside its folder.
    pub fn check(&self) -> Result<()> {
        if self.rows.is_empty() || self.dim == 0 {
            return Err(Error::Set(format!(
                "the set holds {} photos of {} dimensions: there is nothing to evaluate",
                self.rows.len(),
                self.dim
            )));
        }
        if self.rows.len().checked_mul(self.dim) != Some(self.vectors.len()) {
            return Err(Error::Set(format!(
                "{} photos of {} dimensions do not make {} numbers",
                self.rows.len(),
                self.dim,
                self.vectors.len()
            )));
        }
        let mut seen = HashMap::with_capacity(self.rows.len());
        for (index, row) in self.rows.iter().enumerate() {
            let wrong = |reason| Error::Embedding { row: index + 1, photo: row.photo.clone(), reason };
            check_path(&row.photo).map_err(wrong)?;
            if let Some(first) = seen.insert(row.photo.as_str(), index) {
                return Err(wrong(format!("the same photo is row {} already", first + 1)));
            }
            check_vector(self.vector(index)).map_err(wrong)?;
        }
        Ok(())
    }

    /// Photos in the set.
    pub fn len(&self) -> usize {
        self.rows.len()
    }

    /// Whether the set has no photo.
    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// The embedding of row `row` (counted from 0), `dim` numbers.
    pub fn vector(&self, row: usize) -> &[f32] {
        &self.vectors[row * self.dim..(row + 1) * self.dim]
    }

    /// The embeddings of `rows`, one after the other; not copied where those lie so.
    pub(super) fn vectors_of(&self, rows: &[usize]) -> Cow<'_, [f32]> {
        of_rows(&self.vectors, self.dim, rows)
    }

    /// The embeddings of the mirror images of `rows`, where there are any.
    pub(super) fn mirrored_of(&self, rows: &[usize]) -> Option<Cow<'_, [f32]>> {
        self.mirrored.as_ref().map(|mirrored| of_rows(mirrored, self.dim, rows))
    }

    /// The side that all of `rows` show; none where one's is not known, or they differ.
    pub(super) fn side_of(&self, rows: &[usize]) -> Option<Side> {
        let first = self.rows[*rows.first()?].side;
        first.filter(|_| rows.iter().all(|row| self.rows[*row].side == first))
    }

    /// Rows that are asked about, in order.
    pub fn queries(&self) -> Vec<usize> {
        self.rows_where(Role::is_query)
    }

    /// Rows that are searched in, in order.
    pub fn gallery(&self) -> Vec<usize> {
        self.rows_where(Role::is_gallery)
    }

    fn rows_where(&self, wanted: fn(Role) -> bool) -> Vec<usize> {
        let rows = self.rows.iter().enumerate();
        rows.filter(|(_, row)| wanted(row.role)).map(|(index, _)| index).collect()
    }

    /// The photos that are asked about, searched or only embedded: all but those that choose a threshold.
    pub fn without_validation(&self) -> Cow<'_, EmbeddingSet> {
        let is_shown = |row: &usize| self.rows[*row].role != Role::Validation;
        if (0..self.len()).all(|row| is_shown(&row)) {
            return Cow::Borrowed(self);
        }
        let rows: Vec<usize> = (0..self.len()).filter(is_shown).collect();
        Cow::Owned(EmbeddingSet {
            dim: self.dim,
            vectors: rows.iter().flat_map(|&row| self.vector(row)).copied().collect(),
            rows: rows.iter().map(|&row| self.rows[row].clone()).collect(),
            mirrored: None,
        })
    }

    /// Writes `embeddings.npy` and `photos.csv` into `folder`, which must exist, and `mirrored.npy` where there is that.
    pub fn write(&self, folder: &Path) -> Result<()> {
        self.check()?;
        let size = [self.len(), self.dim];
        files::replace_with(&folder.join(EMBEDDINGS_FILE), |out| npy::write(size, &self.vectors, out))?;
        match &self.mirrored {
            Some(mirrored) => files::replace_with(&folder.join(MIRRORED_FILE), |out| npy::write(size, mirrored, out))?,
            None => files::remove(&folder.join(MIRRORED_FILE))?,
        }
        files::replace_with(&folder.join(PHOTOS_FILE), |out| table::write(&self.rows, out))?;
        Ok(())
    }

    /// A file in `folder` that [`EmbeddingSet::write`] would replace.
    pub fn in_the_way(folder: &Path) -> Option<std::path::PathBuf> {
        let files = [EMBEDDINGS_FILE, PHOTOS_FILE, MIRRORED_FILE].map(|name| folder.join(name));
        files.into_iter().find(|path| path.exists())
    }

    /// Reads both files: `path` is their folder, or the npy file with `photos.csv` beside it.
    pub fn read(path: &Path) -> Result<EmbeddingSet> {
        let (array, listed) = if path.is_dir() {
            (path.join(EMBEDDINGS_FILE), path.join(PHOTOS_FILE))
        } else {
            (path.to_path_buf(), path.with_file_name(PHOTOS_FILE))
        };
        let set = EmbeddingSet::unchecked(&array, &listed)?;
        set.check_vectors(&array)?;
        Ok(set)
    }

    /// Reads embeddings made elsewhere, `csv` being a table as `photos.csv`, and brings each to length 1; whether one
    /// had another length.
    pub fn read_outside(npy: &Path, csv: &Path) -> Result<(EmbeddingSet, bool)> {
        let mut set = EmbeddingSet::unchecked(npy, csv)?;
        let mut scaled = false;
        for vector in set
            .vectors
            .chunks_exact_mut(set.dim)
            .chain(set.mirrored.iter_mut().flat_map(|all| all.chunks_exact_mut(set.dim)))
        {
            let length = length(vector);
            // what has no length, or is not finite, is left for the check to name
            if length.is_normal() && (length - 1.0).abs() > UNIT_TOLERANCE {
                scaled = true;
                vector.iter_mut().for_each(|x| *x = (f64::from(*x) / length) as f32);
            }
        }
        set.check_vectors(npy)?;
        Ok((set, scaled))
    }

    fn unchecked(npy: &Path, csv: &Path) -> Result<EmbeddingSet> {
        let (photos, dim, vectors) = npy::read(npy)?;
        let rows = table::read(csv)?;
        if photos != rows.len() {
            return Err(Error::Counts { npy: npy.into(), embeddings: photos, csv: csv.into(), photos: rows.len() });
        }
        let beside = npy.with_file_name(MIRRORED_FILE);
        let mirrored = if beside.is_file() && beside != npy { Some(npy::read(&beside)?) } else { None };
        if let Some((of, wide, _)) = mirrored.as_ref().filter(|(of, wide, _)| (*of, *wide) != (photos, dim)) {
            let reason = format!("it holds {of} x {wide} numbers, and the embeddings beside it are {photos} x {dim}");
            return Err(Error::Npy { path: beside, reason });
        }
        let mirrored = mirrored.map(|(.., all)| all);
        Ok(EmbeddingSet { dim, vectors, rows, mirrored })
    }

    /// With the embeddings of the photos' mirror images, row for row.
    ///
    /// # Errors
    /// When they are not as many, not finite, or not of length 1.
    pub fn with_mirrored(mut self, mirrored: Vec<f32>) -> Result<EmbeddingSet> {
        let vectors = std::mem::replace(&mut self.vectors, mirrored);
        self.check()?;
        self.mirrored = Some(std::mem::replace(&mut self.vectors, vectors));
        Ok(self)
    }

    /// Every embedding the mean of a photo's and its mirror image's, brought to length 1. A photo and its mirror image are
    /// then the same; as they are without embeddings of mirror images.
    pub fn flipped(mut self) -> EmbeddingSet {
        let Some(mirrored) = self.mirrored.take() else { return self };
        for (vector, mirrored) in self.vectors.chunks_exact_mut(self.dim).zip(mirrored.chunks_exact(self.dim)) {
            let mean: Vec<f64> = vector.iter().zip(mirrored).map(|(a, b)| f64::from(*a) + f64::from(*b)).collect();
            let length = mean.iter().map(|x| x * x).sum::<f64>().sqrt();
            // opposite ones have no mean
            if length > 1e-6 {
                vector.iter_mut().zip(mean).for_each(|(x, mean)| *x = (mean / length) as f32);
            }
        }
        self
    }

    fn check_vectors(&self, npy: &Path) -> Result<()> {
        for (index, row) in self.rows.iter().enumerate() {
            let wrong = |path: &Path, reason: String| Error::Npy {
                path: path.to_owned(),
                reason: format!("row {} ({}): {reason}", index + 1, row.photo),
            };
            check_vector(self.vector(index)).map_err(|reason| wrong(npy, reason))?;
            if let Some(all) = &self.mirrored {
                let of_image = check_vector(&all[index * self.dim..][..self.dim]);
                of_image.map_err(|reason| wrong(&npy.with_file_name(MIRRORED_FILE), reason))?;
            }
        }
        Ok(())
    }
}

fn of_rows<'a>(vectors: &'a [f32], dim: usize, rows: &[usize]) -> Cow<'a, [f32]> {
    match rows {
        [first, ..] if rows.iter().enumerate().all(|(i, row)| *row == first + i) => {
            Cow::Borrowed(&vectors[first * dim..][..rows.len() * dim])
        }
        _ => Cow::Owned(rows.iter().flat_map(|&row| &vectors[row * dim..][..dim]).copied().collect()),
    }
}

/// A photo's path is joined to a data folder by whoever opens it: it must stay inside.
fn check_path(photo: &str) -> std::result::Result<(), String> {
    if photo.is_empty() {
        return Err("the photo has no name".into());
    }
    let inside = |part| matches!(part, Component::Normal(_) | Component::CurDir);
    if Path::new(photo).components().all(inside) {
        Ok(())
    } else {
        Err(format!("the path `{photo}` leaves the folder of photos"))
    }
}

fn length(vector: &[f32]) -> f64 {
    vector.iter().map(|&x| f64::from(x) * f64::from(x)).sum::<f64>().sqrt()
}

fn check_vector(vector: &[f32]) -> std::result::Result<(), String> {
    if let Some(at) = vector.iter().position(|x| !x.is_finite()) {
        return Err(format!("number {} is {}: the network that made it did not work", at + 1, vector[at]));
    }
    let length = length(vector);
    if length == 0.0 {
        return Err("all its numbers are 0: it has no direction".into());
    }
    if (length - 1.0).abs() > UNIT_TOLERANCE {
        return Err(format!("its length is {length:.4}, not 1: divide every row by its length"));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::super::testing::{row, sets, unit};
    use super::*;
    use proptest::prelude::*;

    fn small() -> EmbeddingSet {
        let rows = vec![
            row("t1/a, \"b\".jpg", "t1", "2011-07-01", Role::Query),
            row("t2/ελ.jpg", "=cmd()\nx", "", Role::Gallery),
            row("c.jpg", "", "e", Role::Both),
            row("d.jpg", "t1", "e", Role::None),
        ];
        let vectors = unit(&[&[1.0, 2.0], &[0.5, -1.0], &[3.0, 0.1], &[-1.0, 1.0]]);
        EmbeddingSet::new(2, vectors, rows).unwrap()
    }

    /// A folder with a good pair of files, one of them replaced.
    fn with(file: &str, content: &[u8]) -> String {
        let dir = tempfile::tempdir().unwrap();
        small().write(dir.path()).unwrap();
        std::fs::write(dir.path().join(file), content).unwrap();
        let message = EmbeddingSet::read(dir.path()).unwrap_err().to_string();
        assert!(message.contains(file), "{message}");
        message
    }

    fn npy(header: &str, data: &[u8]) -> Vec<u8> {
        let mut bytes = b"\x93NUMPY\x01\x00".to_vec();
        bytes.extend((header.len() as u16).to_le_bytes());
        bytes.extend(header.as_bytes());
        bytes.extend(data);
        bytes
    }

    #[test]
    fn a_set_comes_back_as_it_was_written() {
        let dir = tempfile::tempdir().unwrap();
        small().write(dir.path()).unwrap();
        assert_eq!(EmbeddingSet::read(dir.path()).unwrap(), small());
        let renamed = dir.path().join("mine.npy");
        std::fs::rename(dir.path().join(EMBEDDINGS_FILE), &renamed).unwrap();
        assert_eq!(EmbeddingSet::read(&renamed).unwrap(), small());
        let absent = EmbeddingSet::read(dir.path()).unwrap_err().to_string();
        assert!(absent.contains("cannot read") && absent.contains(EMBEDDINGS_FILE), "{absent}");
    }

    #[test]
    fn a_table_saved_by_a_spreadsheet_reads() {
        let dir = tempfile::tempdir().unwrap();
        small().write(dir.path()).unwrap();
        let table = "\u{feff}role,photo,encounter,individual,remark\r\nquery,a.jpg,e,t1,\r\n,b.jpg,,t1,x\r\n\
                     gallery,c.jpg,e,t1,\r\nboth,d.jpg,e,t1,\r\n";
        std::fs::write(dir.path().join(PHOTOS_FILE), table).unwrap();
        let set = EmbeddingSet::read(dir.path()).unwrap();
        assert_eq!(set.rows[0], row("a.jpg", "t1", "e", Role::Query));
        assert_eq!(set.rows[1], row("b.jpg", "t1", "", Role::None));
    }

    #[test]
    fn hostile_arrays_are_refused_with_the_reason() {
        let good = "{'descr': '<f4', 'fortran_order': False, 'shape': (4, 2), }\n";
        let data = [0_u8; 32];
        let cases: &[(Vec<u8>, &str)] = &[
            (vec![], "shorter than any npy file"),
            (b"PK\x03\x04 and so on".to_vec(), "does not begin like one"),
            (b"\x93NUMPY\x01\x00\xff\x00{'descr'".to_vec(), "ends within its header"),
            (b"\x93NUMPY\x02\x00\xff\xff\xff\xff{".to_vec(), "longer than any"),
            (npy(good, &data[..31]), "cut off"),
            (npy(good, &[0; 33]), "cut off"),
            (npy(&good.replace("<f4", "<i8"), &[0; 64]), "astype('<f4')"),
            (npy(&good.replace("<f4", "<f8"), &[0; 32]), "cut off"),
            (npy(&good.replace("<f4", ">f4"), &data), "'>f4'"),
            (npy(&good.replace("'<f4'", "'|O'"), &data), "'|O'"),
            (npy(&good.replace("False", "True"), &data), "Fortran"),
            (npy(&good.replace("(4, 2)", "(8,)"), &data), "not (photos, dimensions)"),
            (npy(&good.replace("(4, 2)", "(0, 2)"), &[]), "empty"),
            (npy(&good.replace("(4, 2)", "(4294967296, 4294967296, 2)"), &data), "no plain table"),
            (npy(&good.replace("(4, 2)", "(999999999, 99999999)"), &data), "cut off"),
            (npy(&good.replace("(4, 2)", "(-4, 2)"), &data), "numpy array"),
            (npy(&"[".repeat(4000), &[]), "no plain table"),
            (npy("{'descr': '<f4'}", &[]), "missing key"),
            (npy("\u{fffd}junk", &[]), "parse"),
        ];
        for (bytes, reason) in cases {
            let message = with(EMBEDDINGS_FILE, bytes);
            assert!(message.contains(reason), "{reason} not in {message}");
        }
    }

    #[test]
    fn rows_that_are_no_embeddings_are_named() {
        let header = "{'descr': '<f4', 'fortran_order': False, 'shape': (4, 2), }\n";
        let numbers = |all: [f32; 8]| all.iter().flat_map(|x| x.to_le_bytes()).collect::<Vec<_>>();
        let nan = numbers([1.0, 0.0, 0.0, f32::NAN, 1.0, 0.0, 1.0, 0.0]);
        let message = with(EMBEDDINGS_FILE, &npy(header, &nan));
        assert!(message.contains("row 2 (t2/ελ.jpg): number 2 is NaN"), "{message}");
        let long = numbers([1.0, 0.0, 1.0, 0.0, 3.0, 4.0, 1.0, 0.0]);
        let message = with(EMBEDDINGS_FILE, &npy(header, &long));
        assert!(message.contains("row 3 (c.jpg): its length is 5.0000"), "{message}");
    }

    #[test]
    fn hostile_tables_are_refused_with_the_line() {
        let head = "photo,individual,encounter,role\n";
        let cases: &[(Vec<u8>, &str)] = &[
            (b"".to_vec(), "no column `photo`"),
            (head.into(), "lists no photos"),
            (format!("{head}a.jpg,t,e,query\n").into(), "holds 4 embeddings"),
            (b"photo,individual,role\n".to_vec(), "no column `encounter`"),
            (format!("{head}a.jpg,t,e,query\nb.jpg,t\n").into(), "line 3: it has 2 fields"),
            (format!("{head}a.jpg,t,e,judge\n").into(), "line 2: the role `judge`"),
            (format!("{head}a.jpg,t,e,query\na.jpg,t,e,query\n").into(), "line 3: the photo `a.jpg` stands in line 2"),
            (format!("{head}../a.jpg,t,e,query\n").into(), "leaves the folder"),
            (format!("{head}/etc/passwd,t,e,query\n").into(), "leaves the folder"),
            (format!("{head},t,e,query\n").into(), "no name"),
            ([head.as_bytes(), b"\xff\xfe.jpg,t,e,query\n"].concat(), "line 2: it is not UTF-8"),
        ];
        for (bytes, reason) in cases {
            let message = with(PHOTOS_FILE, bytes);
            assert!(message.contains(reason), "{reason} not in {message}");
        }
    }

    #[test]
    fn a_set_that_breaks_its_rules_is_not_written() {
        let dir = tempfile::tempdir().unwrap();
        let mut twice = small();
        twice.rows[1].photo = twice.rows[0].photo.clone();
        let mut nan = small();
        nan.vectors[5] = f32::NAN;
        let mut ragged = small();
        ragged.vectors.pop();
        for set in [twice, nan, ragged] {
            assert!(set.write(dir.path()).is_err());
        }
        assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 0);
        let missing = small().write(&dir.path().join("absent")).unwrap_err();
        assert!(missing.to_string().contains("absent"), "{missing}");
    }

    proptest! {
        #[test]
        fn any_set_comes_back(set in sets(), label in "\\PC{0,12}") {
            let mut set = set;
            set.rows[0].individual = label;
            let dir = tempfile::tempdir().unwrap();
            set.write(dir.path()).unwrap();
            prop_assert_eq!(EmbeddingSet::read(dir.path()).unwrap(), set);
        }

        #[test]
        fn no_bytes_make_the_reader_panic(bytes in prop::collection::vec(any::<u8>(), 0..300), flip in 0_usize..160) {
            let dir = tempfile::tempdir().unwrap();
            small().write(dir.path()).unwrap();
            let npy = dir.path().join(EMBEDDINGS_FILE);
            let mut good = std::fs::read(&npy).unwrap();
            if let Some(byte) = bytes.first() { good[flip % 160] = *byte; }
            std::fs::write(&npy, &good).unwrap();
            let _ = EmbeddingSet::read(dir.path());
            std::fs::write(dir.path().join(PHOTOS_FILE), &bytes).unwrap();
            prop_assert!(EmbeddingSet::read(dir.path()).is_err());
        }
    }
}
