//! Photos whose files were moved since the gallery took them in: where they are met again, it knows them there from then on.

use std::path::Path;

use rusqlite::{OptionalExtension, params};

use super::Result;
use super::writer::{NewPhoto, Writer, cells};

impl Writer {
    /// Has the gallery know `photo`, which it has, at the place where it was met now, if no file lies any more where it knew it;
    /// whether that was so. It is no change that could be taken back: the old place is empty.
    ///
    /// # Errors
    /// When the database cannot be written.
    pub(super) fn follow(&mut self, photo: &NewPhoto) -> Result<bool> {
        let place = "SELECT p.id, r.path, p.path FROM photos p JOIN roots r ON r.id = p.root
            WHERE p.gone IS NULL AND p.sha256 = ?1 AND p.crop = ?2";
        let follow = || -> rusqlite::Result<bool> {
            let all = self.facts.connection.unchecked_transaction()?;
            let read = |row: &rusqlite::Row<'_>| {
                Ok((row.get::<_, i64>(0)?, row.get::<_, String>(1)?, row.get::<_, String>(2)?))
            };
            let known =
                all.prepare_cached(place)?.query_row(params![photo.sha256, cells(photo.crop)], read).optional()?;
            let Some((id, root, path)) = known else { return Ok(false) };
            if (&root, &path) == (&photo.root, &photo.path) || Path::new(&root).join(&path).exists() {
                return Ok(false);
            }
            all.execute("INSERT OR IGNORE INTO roots (path) VALUES (?1)", [&photo.root])?;
            let moved = "UPDATE photos SET root = (SELECT id FROM roots WHERE path = ?2), path = ?3 WHERE id = ?1";
            all.execute(moved, params![id, photo.root, photo.path])?;
            all.commit()?;
            Ok(true)
        };
        self.facts.told(follow())
    }
}

#[cfg(test)]
mod tests {
    use super::super::store::Gallery;
    use super::super::tests::{photo, small};
    use super::*;

    #[test]
    fn a_photo_that_was_moved_is_known_where_it_is_met() {
        let dir = tempfile::tempdir().unwrap();
        let folder = dir.path().join("g");
        drop(small(&folder));
        let mut writer = Writer::open(&folder).unwrap();
        let lies = |folder: &Path| {
            let gallery = Gallery::open(folder).unwrap();
            let (_, photos) = gallery.individual("t1").unwrap();
            photos.iter().map(|photo| photo.file().path).collect::<Vec<_>>()
        };
        let before = lies(&folder);
        let root = dir.path().to_str().unwrap().to_owned();
        let met = NewPhoto { root, path: "there/1.jpg".into(), ..photo(0, "t1").0 };
        assert!(writer.follow(&met).unwrap());
        assert_eq!(lies(&folder)[0], dir.path().join("there/1.jpg"));
        assert_eq!(lies(&folder)[1..], before[1..]);
        assert!(!writer.follow(&met).unwrap(), "it is known there");
        // where a file lies at the place known, this is a copy
        std::fs::create_dir(dir.path().join("there")).unwrap();
        std::fs::write(dir.path().join("there/1.jpg"), "").unwrap();
        let copy = NewPhoto { path: "copy/1.jpg".into(), ..met.clone() };
        assert!(!writer.follow(&copy).unwrap());
        let unknown = NewPhoto { sha256: [9; 32], ..met };
        assert!(!writer.follow(&unknown).unwrap());
    }
}
