//! Encounters whose files are all gone from the folder that is gone through, as it was renamed: they leave the list, unless something
//! is decided of them. What cannot be reached for a moment is not gone.

use std::collections::HashSet;
use std::fs;
use std::io::ErrorKind;
use std::path::Path;

use super::Result;
use super::asked::Asked;
use super::seen::{Looking, News, Seen, SeenFile};
use super::stands::OfFolder;
use super::store::Gallery;

/// Whether nothing lies at `path` below `root`, which is there. A link to what is not there may be a disk that is not mounted.
fn is_gone(root: &Path, path: &str) -> bool {
    let mut at = root.to_path_buf();
    for part in Path::new(path).components() {
        at.push(part);
        match fs::symlink_metadata(&at) {
            Err(e) => return matches!(e.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory),
            Ok(meta) if meta.is_symlink() && fs::metadata(&at).is_err() => return false,
            Ok(_) => {}
        }
    }
    false
}

impl Looking {
    /// Leaves out the encounters that were seen before of which all files are gone and nothing is decided; `asked` has all that lie
    /// in the folder now, its root. Where that is nothing, the folder is not there for a moment, and all stays.
    ///
    /// # Errors
    /// When the gallery cannot be read, or a file not written.
    pub fn leave_gone(&mut self, gallery: &Gallery, asked: &Asked) -> Result<()> {
        let root = &asked.manifest.root;
        let there = asked.encounters.iter().map(|together| &together.encounter).chain(asked.unread.keys());
        let there: HashSet<&String> = there.collect();
        if there.is_empty() {
            return Ok(());
        }
        let mut gone: Vec<String> = self.seen.keys().filter(|name| !there.contains(name)).cloned().collect();
        gone.retain(|name| self.seen[name].paths().all(|path| is_gone(root, path)));
        if gone.is_empty() {
            return Ok(());
        }
        gone.sort();
        let stands = OfFolder::of(gallery, &root.to_string_lossy())?;
        for name in gone {
            // also one whose photos were taken out: what the log says of it stays to be seen
            if stands.on(&name, self.seen[&name].in_them().len()).is_none() {
                self.write(&Seen { encounter: name.clone(), gone: true, ..Seen::default() })?;
                self.seen.remove(&name);
                if let Some(unread) = &mut self.about.unread {
                    unread.remove(&name);
                }
            }
        }
        Ok(())
    }
}

impl SeenFile {
    /// Takes an encounter out that is gone; the others have other places then.
    pub(super) fn leave(&mut self, encounter: &str, news: &mut News) {
        news.unread |= self.unread.remove(encounter).is_some();
        let Some(gone) = self.places.remove(encounter) else { return };
        self.all.remove(gone);
        self.came.remove(encounter);
        self.places.values_mut().filter(|at| **at > gone).for_each(|at| *at -= 1);
        news.is_anew = true;
        news.places.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::super::asked::{EncountersBy, Given};
    use super::super::decisions::{By, Proposed, Ruling};
    use super::super::rulings::Ruled;
    use super::super::session::Session;
    use super::super::sitting::Sitting;
    use super::super::sitting::tests::{stage, write};
    use super::super::tests::embedding;
    use super::*;
    use crate::data::corrections::Corrections;
    use crate::data::formats::photos_below;

    /// Looks at `folder` as `identify --session` does, without a network; what was not seen before stays so.
    fn look(gallery: &Path, folder: &Path) {
        let manifest = photos_below(folder, &Corrections::default()).unwrap();
        let mut asked = Asked::new(vec![Given::Folder("".into(), manifest)], EncountersBy::Folder);
        asked.manifest.root = folder.into();
        let open = Gallery::open(gallery).unwrap();
        Looking::at(&open, folder).unwrap().leave_gone(&open, &asked).unwrap();
    }

    fn names(sitting: &mut Sitting) -> Vec<String> {
        let session = sitting.look().unwrap().0;
        let again = Session::read(&session.gallery, &session.folder).unwrap();
        assert_eq!(format!("{session:?}"), format!("{again:?}"));
        session.entries.iter().map(|entry| entry.proposal.encounter.clone()).collect()
    }

    #[test]
    fn an_encounter_that_was_renamed_leaves_the_list_unless_it_is_decided_and_what_is_not_mounted_stays() {
        let dir = tempfile::tempdir().unwrap();
        let (gallery, folder) = stage(dir.path());
        let vector = [0.1_f32.cos(), 0.1_f32.sin(), 0.0].to_vec();
        let all = ["a", "e", "e2", "f"].map(|name| (name.to_owned(), vector.clone()));
        write(&gallery, &folder, &embedding(), &all);
        let mut sitting = Sitting::new(&gallery, &folder);
        assert_eq!(names(&mut sitting), ["a", "e", "e2", "f"]);
        let encounters = [("a".to_owned(), Proposed::default())];
        let ruled = Ruled { encounters: &encounters, ruling: &Ruling::Skipped, corrects: None };
        let shown = sitting.look().unwrap().0.shown();
        assert!(sitting.rule(&[ruled], By::Person, shown).unwrap().is_empty());
        look(&gallery, &folder);
        assert_eq!(names(&mut sitting).len(), 4, "all are there");
        // on a disk that is not mounted
        std::fs::rename(folder.join("f"), dir.path().join("f")).unwrap();
        std::os::unix::fs::symlink(dir.path().join("gone"), folder.join("f")).unwrap();
        std::fs::remove_dir_all(folder.join("a")).unwrap();
        std::fs::rename(folder.join("e"), dir.path().join("e")).unwrap();
        look(&gallery, &folder);
        assert_eq!(names(&mut sitting), ["a", "e2", "f"]);
        // a decision on what is gone is none
        let encounters = [("e".to_owned(), Proposed::default())];
        let ruled = Ruled { encounters: &encounters, ruling: &Ruling::Skipped, corrects: None };
        let shown = sitting.look().unwrap().0.shown();
        let refused = sitting.rule(&[ruled], By::Person, shown).unwrap();
        assert!(matches!(refused[0].1, super::super::Error::Unseen { .. }), "{refused:?}");
        // nothing at all is there: what was mounted is not
        std::fs::rename(folder.join("e2"), dir.path().join("e2")).unwrap();
        std::fs::remove_file(folder.join("f")).unwrap();
        std::fs::remove_dir_all(folder.join("b")).unwrap();
        look(&gallery, &folder);
        assert_eq!(names(&mut sitting), ["a", "e2", "f"]);
    }

    #[test]
    fn one_that_is_back_is_seen_again_and_comes_last() {
        let dir = tempfile::tempdir().unwrap();
        let (gallery, folder) = stage(dir.path());
        let path = super::super::seen::place(&gallery, &folder).join(super::super::seen::SEEN_FILE);
        let text = std::fs::read_to_string(&path).unwrap();
        let mut sitting = Sitting::new(&gallery, &folder);
        assert_eq!(names(&mut sitting), ["a", "b"]);
        let gone = Seen { encounter: "a".into(), gone: true, ..Seen::default() };
        let text = format!("{text}{}\n", serde_json::to_string(&gone).unwrap());
        std::fs::write(&path, &text).unwrap();
        assert_eq!(names(&mut sitting), ["b"]);
        std::fs::write(&path, format!("{text}{}\n", text.lines().next().unwrap())).unwrap();
        assert_eq!(names(&mut sitting), ["b", "a"]);
        assert_eq!(names(&mut Sitting::new(&gallery, &folder)), ["b", "a"]);
    }
}
