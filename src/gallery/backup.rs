//! A copy of a gallery as it stands at one moment, while others read and one writes.

use std::fs;
use std::path::Path;

use rusqlite::Connection;
use rusqlite::backup::Backup;

use crate::run::{RunError, files};

use super::facts::{self, Facts};
use super::store::{Counts, Gallery, LOOKER_FILE, Standing, WEIGHTS_FILE, vectors_file};
use super::vectors::Vectors;
use super::{CALIBRATION_FILE, Error, Result, codes, recall};

/// Copies `gallery` to the folder `to`, which must not be there; the copy is a gallery, and whole or not there.
///
/// # Errors
/// When something is there, or a file cannot be read or written.
pub fn backup(gallery: &Gallery, to: &Path) -> Result<Counts> {
    whole(to, |beside| copy(gallery, beside))
}

/// The folder `to`, which must not be there, as `make` fills it: whole or not there.
pub(super) fn whole<T>(to: &Path, make: impl FnOnce(&Path) -> Result<T>) -> Result<T> {
    if to.exists() {
        return Err(Error::InTheWay { path: to.into() });
    }
    let beside = files::new_folder_beside(to)?;
    let made = make(&beside).and_then(|made| {
        files::rename(&beside, to)?;
        Ok(made)
    });
    if made.is_err() {
        let _ = fs::remove_dir_all(&beside); // the first error is the one to tell
    }
    made
}

/// The gallery's files, one moment of them, in the empty folder `to`.
pub(super) fn copy(gallery: &Gallery, to: &Path) -> Result<Counts> {
    let place = to.join(facts::FILE);
    let copied = || -> rusqlite::Result<()> {
        let mut copy = Connection::open(&place)?;
        Backup::new(&gallery.facts.connection, &mut copy)?.step(-1)?; // in one go: of one moment
        // one file, readable where nothing can be written
        copy.pragma_update(None, "journal_mode", "DELETE")
    };
    copied().map_err(|e| Error::facts(&place, e))?;
    let copy = Gallery::with(to, Facts::open(to, false)?)?;
    let Standing { generation, rows, .. } = copy.standing()?;
    // embeddings are only appended: those that the copy counts are there, whoever writes meanwhile
    Vectors::open(&gallery.vectors_file(generation), &copy.header, false)?.copy(rows, &vectors_file(to, generation))?;
    // codes of rows that the copy does not count are left out by whoever reads them
    let folder = gallery.folder();
    let names = [CALIBRATION_FILE, WEIGHTS_FILE, LOOKER_FILE].map(|name| folder.join(name));
    for from in names.into_iter().chain([codes::file(folder, generation), recall::file(folder, generation)]) {
        if let (true, Some(name)) = (from.is_file(), from.file_name()) {
            fs::copy(&from, to.join(name)).map_err(|e| RunError::io("copy", &from, e))?;
        }
    }
    copy.counts()
}

#[cfg(test)]
mod tests {
    use super::super::tests::{put, small};
    use super::super::writer::{Adding, Writer};
    use super::*;

    #[test]
    fn a_copy_is_a_gallery_of_its_own_and_takes_nothing_uncounted_along() {
        let dir = tempfile::tempdir().unwrap();
        let folder = dir.path().join("g");
        let mut writer = small(&folder);
        let vectors = folder.join("vectors-1.f32");
        let whole = fs::read(&vectors).unwrap();
        fs::write(&vectors, [&whole[..], &[7; 17]].concat()).unwrap(); // another is just writing
        let to = dir.path().join("copy");
        let counts = backup(&Gallery::open(&folder).unwrap(), &to).unwrap();
        assert_eq!(counts, writer.counts().unwrap());
        assert_eq!(fs::read(to.join("vectors-1.f32")).unwrap(), whole);
        let copy = Gallery::open(&to).unwrap();
        assert_eq!(copy.known().unwrap(), writer.known().unwrap());
        drop(copy);

        writer.remove("t1", &[]).unwrap();
        let mut copy = Writer::open(&to).unwrap();
        put(&mut copy, &mut Adding::new("add", String::new()), &[(9, "t9")]).unwrap();
        assert_eq!((copy.known().unwrap().len(), writer.known().unwrap().len()), (4, 1));
        let error = backup(&writer, &to).unwrap_err().to_string();
        assert!(error.contains("copy") && error.contains("choose another"), "{error}");
        let names: Vec<_> = fs::read_dir(dir.path()).unwrap().map(|e| e.unwrap().file_name()).collect();
        assert_eq!(names.len(), 2, "{names:?}");
    }

    #[test]
    fn what_a_killed_process_of_the_same_number_left_is_not_taken_up() {
        let dir = tempfile::tempdir().unwrap();
        let writer = small(&dir.path().join("g"));
        let to = dir.path().join("copy");
        for n in 0..5000 {
            // whichever number comes next
            let left = dir.path().join(format!(".copy.{}-{n}.tmp", std::process::id()));
            fs::create_dir(&left).unwrap();
            fs::write(left.join("stray"), "").unwrap();
        }
        backup(&writer, &to).unwrap();
        assert!(!to.join("stray").exists() && Gallery::open(&to).is_ok());
    }
}
