//! Where corrections of datasets lie, and how they are changed: `corrections/` in the workspace, a table a dataset.
//!
//! A table is named after the dataset's folder, by its real path, so that it serves a folder with and without a name, the
//! folder and a table in it alike. The user's own files are never written. A change is read, made and written under one
//! lock, so that of two workbenches none loses a row; on the same photo the later wins. Readers take no lock: the table
//! is replaced as a whole.

use std::path::{Path, PathBuf};

use super::error::{Result, RunError};
use super::files;
use super::lock::Lock;
use super::register::name_for;
use super::workspace::{Workspace, absolute};
use crate::data::check::{Checked, check};
use crate::data::columns::{Columns, Kept};
use crate::data::corrections::{Correction, Corrections, relative};
use crate::data::duplicates::Duplicates;
use crate::data::formats;
use crate::data::manifest::Manifest;

/// Ending of the file beside corrections that says what columns of tables are.
const COLUMNS_EXTENSION: &str = "columns.toml";

/// What is kept of tables' columns in `file`; nothing where it is not there.
pub(super) fn read_columns(file: &Path) -> Result<Kept> {
    match files::read_text(file) {
        Ok(text) => toml::from_str(&text)
            .map_err(|e| RunError::Columns { path: file.to_owned(), reason: e.message().to_owned() }),
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => Ok(Kept::default()),
        Err(e) => Err(RunError::io("read", file, e)),
    }
}

/// Keeps `columns` in `file`; no file where there are none.
pub(super) fn write_columns(file: &Path, columns: &Kept) -> Result<()> {
    if columns.table.is_empty() {
        return files::remove(file);
    }
    let text =
        toml::to_string(columns).map_err(|e| RunError::Columns { path: file.to_owned(), reason: e.to_string() })?;
    files::replace(file, text.as_bytes())
}

/// Ending of the file beside corrections that says which photos show the same.
const DUPLICATES_EXTENSION: &str = "duplicates.json";

/// Keeps `duplicates` in `file`; no file where nobody looked.
pub(super) fn write_duplicates(file: &Path, duplicates: Option<&Duplicates>) -> Result<()> {
    match duplicates {
        None => files::remove(file),
        Some(duplicates) => files::replace_json(file, duplicates),
    }
}

impl Workspace {
    /// The table with the corrections of the dataset at `dataset`, a folder or a table in one; it need not be there.
    ///
    /// # Errors
    /// When the path cannot be made absolute.
    pub fn corrections_file(&self, dataset: &Path) -> Result<PathBuf> {
        let folder = folder_of(dataset)?;
        // the name is for people, the key tells folders of one name apart
        let name = format!("{}-{}.csv", name_for(&folder), files::key_of(&folder));
        Ok(self.root().join("corrections").join(name))
    }

    /// What was corrected about the dataset at `dataset`, a folder or a table in one.
    ///
    /// # Errors
    /// When the table cannot be read, or a line of it cannot be right.
    pub fn corrections(&self, dataset: &Path) -> Result<Corrections> {
        let file = self.corrections_file(dataset)?;
        let columns = read_columns(&file.with_extension(COLUMNS_EXTENSION))?;
        let duplicates = files::read_json_if_there(&file.with_extension(DUPLICATES_EXTENSION))?;
        Ok(Corrections::read(&file)?.with_columns(columns).with_duplicates(duplicates))
    }

    /// Checks `manifest`, the dataset at `dataset`, as [`check()`] does, and keeps which of its photos show the same.
    ///
    /// # Errors
    /// When `progress` says not to go on, or nothing can be kept.
    pub fn check_dataset(
        &self,
        dataset: &Path,
        manifest: &Manifest,
        threads: usize,
        progress: impl FnMut(usize) -> bool,
    ) -> Result<Checked> {
        let checked = check(manifest, threads, progress)?;
        self.keep_duplicates(dataset, &Duplicates::of(manifest, &checked.groups))?;
        Ok(checked)
    }

    /// Keeps which photos of the dataset at `dataset` show the same, for the splits that are drawn from now on.
    ///
    /// # Errors
    /// When nothing can be kept.
    fn keep_duplicates(&self, dataset: &Path, duplicates: &Duplicates) -> Result<()> {
        let file = self.corrections_file(dataset)?.with_extension(DUPLICATES_EXTENSION);
        files::create_folder(&self.root().join("corrections"))?;
        write_duplicates(&file, Some(duplicates))
    }

    /// Keeps what the columns of the table at `dataset` are, once it has been read so; returns its photos.
    ///
    /// # Errors
    /// When the table has no such columns or no photos, or nothing can be kept.
    pub fn name_columns(&self, dataset: &Path, columns: &Columns) -> Result<Manifest> {
        let file = self.corrections_file(dataset)?;
        let kept = file.with_extension(COLUMNS_EXTENSION);
        let mut columns_of = read_columns(&kept)?;
        columns_of.put(columns.clone());
        let manifest = formats::open(dataset, &Corrections::read(&file)?.with_columns(columns_of.clone()))?;
        files::create_folder(&self.root().join("corrections"))?;
        write_columns(&kept, &columns_of)?;
        Ok(manifest)
    }

    /// The dataset at `dataset`, a folder or a table in one, as it was corrected.
    ///
    /// # Errors
    /// When there is no dataset, or its corrections cannot be read.
    pub fn open_dataset(&self, dataset: &Path) -> Result<Manifest> {
        Ok(formats::open(dataset, &self.corrections(dataset)?)?)
    }

    /// Every photo in and below `folder`, as [`formats::every_photo`] finds them, as it was corrected.
    ///
    /// # Errors
    /// When there is no photo, or the corrections cannot be read.
    pub fn every_photo(&self, folder: &Path) -> Result<Manifest> {
        Ok(formats::every_photo(folder, &self.corrections(folder)?)?)
    }

    /// As [`Workspace::every_photo`], where there need be none.
    ///
    /// # Errors
    /// When the folder or its corrections cannot be read.
    pub fn photos_below(&self, folder: &Path) -> Result<Manifest> {
        Ok(formats::photos_below(folder, &self.corrections(folder)?)?)
    }

    /// Changes what is corrected about one photo of the dataset at `dataset`, and says what is then: `change` is given
    /// what was corrected so far, and one left empty is taken back. `photo` is a path from the dataset's folder, or one
    /// into it.
    ///
    /// # Errors
    /// When there is no such photo, unless it has a correction that can still be taken back, or the table cannot be
    /// read or written.
    pub fn correct(&self, dataset: &Path, photo: &Path, change: impl FnOnce(&mut Correction)) -> Result<Corrected> {
        let folder = folder_of(dataset)?;
        let file = self.corrections_file(dataset)?;
        let photo = relative(&folder, photo)?;
        let place = self.root().join("corrections");
        files::create_folder(&place)?;
        let _lock = Lock::hold(&place.join("lock"))?;
        let mut corrections = Corrections::read(&file)?;
        if corrections.get(&photo).is_none() && !folder.join(&photo).is_file() {
            return Err(RunError::NoPhoto { photo, folder });
        }
        let mut correction = corrections.get(&photo).cloned().unwrap_or_default();
        change(&mut correction);
        corrections.set(&photo, correction);
        files::replace(&file, &corrections.to_csv()?)?;
        let correction = corrections.get(&photo).cloned().unwrap_or_default();
        Ok(Corrected { photo, correction, table: file })
    }
}

/// What [`Workspace::correct`] has left.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Corrected {
    /// The photo, by its path from the dataset's folder.
    pub photo: PathBuf,
    /// All that is corrected about it now; empty where nothing is.
    pub correction: Correction,
    /// The table that says so.
    pub table: PathBuf,
}

/// The folder that the photos' paths start from, by its real path where it is there.
fn folder_of(dataset: &Path) -> Result<PathBuf> {
    let path = absolute(dataset)?;
    let folder = if path.is_file() { path.parent().unwrap_or(&path) } else { &path };
    Ok(folder.canonicalize().unwrap_or_else(|_| folder.to_path_buf()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::DataError;
    use crate::data::crop::Crop;
    use crate::run::workspace::tests::workspace;
    use std::fs;

    fn dataset(root: &Path) -> PathBuf {
        let folder = root.join("turtles");
        for photo in ["t1/a.jpg", "t1/b.jpg", "t2/c.jpg"] {
            fs::create_dir_all(folder.join(photo).parent().unwrap()).unwrap();
            fs::write(folder.join(photo), b"\xff\xd8\xff\xe0 not whole").unwrap();
        }
        folder
    }

    #[test]
    fn a_correction_is_set_seen_and_taken_back_and_touches_no_file_of_the_users() {
        let (dir, workspace) = workspace();
        let folder = dataset(dir.path());
        let crop = Crop::new(0.1, 0.2, 0.3, 0.4).unwrap();
        assert!(workspace.corrections(&folder).unwrap().is_empty() && !workspace.root().exists());
        workspace.correct(&folder, "t1/a.jpg".as_ref(), |c| c.individual = Some(" t2 ".into())).unwrap();
        let done = workspace.correct(&folder, &folder.join("t1/a.jpg"), |c| c.crop = Some(crop)).unwrap();
        assert_eq!((done.photo.as_path(), done.correction.individual.as_deref()), (Path::new("t1/a.jpg"), Some("t2")));
        let manifest = workspace.open_dataset(&folder).unwrap();
        assert_eq!((manifest.photos[0].individual.as_str(), manifest.photos[0].crop), ("t2", Some(crop)));
        assert_eq!(manifest.corrected, 1);
        // the same folder on another way, and a table in it
        std::os::unix::fs::symlink(&folder, dir.path().join("other")).unwrap();
        assert_eq!(workspace.corrections(&dir.path().join("other/../other")).unwrap().len(), 1);
        fs::write(folder.join("mine.csv"), "path,identity\nt1/a.jpg,t1\nt2/c.jpg,t2\n").unwrap();
        assert_eq!(workspace.open_dataset(&folder.join("mine.csv")).unwrap().photos[0].individual, "t2");
        assert_eq!(fs::read_dir(&folder).unwrap().count(), 3);

        let table = fs::read_to_string(&done.table).unwrap();
        assert_eq!(table, "photo,individual,date,crop_x,crop_y,crop_width,crop_height\nt1/a.jpg,t2,,0.1,0.2,0.3,0.4\n");
        workspace.correct(&folder, "t1/a.jpg".as_ref(), |c| *c = Correction::default()).unwrap();
        assert!(workspace.corrections(&folder).unwrap().is_empty());
    }

    #[test]
    fn photos_that_a_check_found_alike_stay_on_one_side_of_the_usual_split() {
        use crate::data::split::{SplitChoice, assign};
        let (dir, workspace) = workspace();
        let folder = dir.path().join("turtles");
        for photo in (0..40).map(|n| format!("t{}/{n}.jpg", n % 4)) {
            fs::create_dir_all(folder.join(&photo).parent().unwrap()).unwrap();
            fs::write(folder.join(photo), b"\xff\xd8\xff\xe0 not whole").unwrap();
        }
        let split = |workspace: &Workspace| {
            let manifest = workspace.open_dataset(&folder).unwrap();
            (assign(&manifest, &SplitChoice::Auto).unwrap(), manifest)
        };
        let (before, manifest) = split(&workspace);
        assert_eq!((before.name.as_str(), &manifest.alike), ("closed", &None));
        // of each individual, every second photo shows what the one before shows
        let groups: Vec<Vec<usize>> = (0..20).map(|n| vec![2 * n, 2 * n + 1]).collect();
        let parted = |parts: &[Option<_>]| groups.iter().filter(|g| parts[g[0]] != parts[g[1]]).count();
        assert!(parted(&before.parts) > 0);
        workspace.keep_duplicates(&folder, &Duplicates::of(&manifest, &groups)).unwrap();
        fs::remove_file(folder.join(&manifest.photos[0].path)).unwrap();
        let (after, manifest) = split(&workspace);
        assert_eq!((after.name.as_str(), manifest.alike.as_ref().unwrap().len()), ("by-encounter", 19));
        let kept = manifest.alike.unwrap();
        assert!(kept.iter().all(|group| after.parts[group[0]] == after.parts[group[1]]));
        assert!(after.present().len() > 1);
    }

    #[test]
    fn what_is_no_photo_of_the_dataset_is_refused_and_a_correction_outlives_its_photo() {
        let (dir, workspace) = workspace();
        let folder = dataset(dir.path());
        let correct = |photo: &str| workspace.correct(&folder, photo.as_ref(), |c| c.individual = Some("t9".into()));
        for photo in ["t1/x.jpg", "t1", "../turtles", "/etc/passwd", ""] {
            let error = correct(photo).unwrap_err().to_string();
            assert!(error.contains("turtles"), "{photo}: {error}");
        }
        correct("t1/a.jpg").unwrap();
        fs::remove_file(folder.join("t1/a.jpg")).unwrap();
        let manifest = workspace.open_dataset(&folder).unwrap();
        assert!(manifest.problems[0].to_string().contains("t1/a.jpg: it was corrected"), "{:?}", manifest.problems);
        assert_eq!((manifest.photos.len(), manifest.corrected), (2, 0));
        workspace.correct(&folder, "t1/a.jpg".as_ref(), |c| *c = Correction::default()).unwrap();
        assert!(workspace.open_dataset(&folder).unwrap().problems.is_empty());
    }

    #[test]
    fn a_hostile_table_stops_every_reader_and_is_not_overwritten() {
        let (dir, workspace) = workspace();
        let folder = dataset(dir.path());
        let file = workspace.corrections_file(&folder).unwrap();
        fs::create_dir_all(file.parent().unwrap()).unwrap();
        fs::write(&file, "photo,individual\nt1/a.jpg,t2\n../../etc/passwd,t1\n").unwrap();
        let error = workspace.open_dataset(&folder).unwrap_err();
        assert!(matches!(&error, RunError::Data(DataError::Table { line: 3, .. })), "{error}");
        assert!(workspace.every_photo(&folder).is_err());
        assert!(workspace.correct(&folder, "t1/a.jpg".as_ref(), |c| c.individual = Some("x".into())).is_err());
        assert!(fs::read_to_string(&file).unwrap().contains("passwd"));
    }

    #[test]
    fn two_that_correct_at_once_lose_nothing() {
        let (dir, workspace) = workspace();
        let folder = dataset(dir.path());
        (0..8).for_each(|n| fs::write(folder.join(format!("t2/{n}.jpg")), "").unwrap());
        std::thread::scope(|scope| {
            for n in 0..8 {
                let (workspace, folder) = (&workspace, &folder);
                let photo = format!("t2/{n}.jpg");
                scope.spawn(move || {
                    workspace.correct(folder, photo.as_ref(), |c| c.individual = Some("t9".into())).unwrap();
                });
            }
        });
        assert_eq!(workspace.corrections(&folder).unwrap().len(), 8);
    }
}
