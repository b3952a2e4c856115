//! Changes by hand, and taking them back.
//!
//! A change is one transaction with an entry in the log, which keeps what it takes to reverse it. Taking back goes from the
//! last change to the first: whatever came later is out of the way by then.

use std::collections::BTreeSet;

use rusqlite::{Connection, OptionalExtension, Transaction, params};
use serde::{Deserialize, Serialize};

use crate::data::counted::counted;
use crate::data::foreign;
use crate::data::manifest::is_nobody;

use super::decisions;
use super::names;
use super::store::find;
use super::writer::{Detail, Writer, changed};
use super::{Error, Result};

/// Longest name or note, in bytes.
const LONGEST: usize = 4096;

/// Two individuals made one, as far as it takes to part them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Merged {
    /// The one that is no more.
    from: i64,
    /// The one that it is.
    into: i64,
    /// Names that led to the first.
    names: Vec<String>,
    /// Encounters that became the other's.
    encounters: Vec<i64>,
    /// Photos by the encounter that they were in, of encounters on a day on which the other was met, too.
    photos: Vec<(i64, Vec<i64>)>,
    /// The other's note before.
    note: String,
}

/// What a change by hand came to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Made {
    /// Its number in the log.
    pub change: i64,
    /// What it did, in words.
    pub said: String,
}

impl Writer {
    /// Calls an individual otherwise. Its old name still leads to it.
    ///
    /// # Errors
    /// When there is none of that name, the new one is no name or another's, or the database cannot be written.
    pub fn rename(&mut self, from: &str, to: &str) -> Result<Made> {
        let (individual, from) = self.find(from)?;
        let to = name(to)?;
        self.change("rename", |all| {
            let owner: Option<i64> = owner(all, to)?;
            match find(all, to)? {
                Some((own, name)) if own == individual && name == to => return Ok(Err(Error::CalledSo { name })),
                Some((other, known_as)) if other != individual => {
                    return Ok(Err(Error::NameTaken { name: to.to_owned(), known_as }));
                }
                _ => {}
            }
            all.execute("UPDATE individuals SET name = ?2 WHERE id = ?1", params![individual, to])?;
            names::lead(all, to, Some(individual))?;
            let said = format!("{from} is called {to}");
            Ok(Ok((said, Detail::Rename { individual, from: from.clone(), to: to.to_owned(), owner })))
        })
    }

    /// Makes two individuals one: the photos of `from` are `into`'s from now on, and its names lead there.
    ///
    /// # Errors
    /// When there is none of one of the names, both are the same, or the database cannot be written.
    pub fn merge(&mut self, from: &str, into: &str) -> Result<Made> {
        let ((from, from_name), (into, into_name)) = (self.find(from)?, self.find(into)?);
        if from == into {
            return Err(Error::SameIndividual { name: into_name });
        }
        self.change("merge", |all| {
            let merged = merge(all, from, into)?;
            Ok(Ok((format!("{from_name} is {into_name}"), Detail::Merge(merged))))
        })
    }

    /// Takes out the photos of an individual, or of those only the ones at `photos`, by their paths as shown or their whole paths.
    ///
    /// # Errors
    /// When there is no such individual or photo, or the database cannot be written.
    pub fn remove(&mut self, name: &str, photos: &[String]) -> Result<Made> {
        let (individual, name) = self.find(name)?;
        self.change("rm", |all| {
            let of = "encounter IN (SELECT id FROM encounters WHERE individual = ?1) AND gone IS NULL";
            // the number that the entry below will have
            let change: i64 = all.query_row("SELECT coalesce(max(id), 0) + 1 FROM changes", [], |row| row.get(0))?;
            let mut taken = 0;
            if photos.is_empty() {
                deferred(all)?;
                taken = all.execute(&format!("UPDATE photos SET gone = ?2 WHERE {of}"), params![individual, change])?;
            }
            for photo in photos {
                deferred(all)?;
                let whole = "(SELECT path FROM roots WHERE id = root) || '/' || path";
                let found = format!("SELECT id, {whole} FROM photos WHERE {of} AND (path = ?2 OR {whole} = ?2)");
                let read = |row: &rusqlite::Row<'_>| Ok((row.get::<_, i64>(0)?, row.get::<_, String>(1)?));
                let found: rusqlite::Result<Vec<(i64, String)>> =
                    all.prepare_cached(&found)?.query_map(params![individual, photo], read)?.collect();
                let mut found = found?;
                let (name, photo) = (name.clone(), photo.clone());
                match (found.pop(), found.is_empty()) {
                    (Some((id, _)), true) => {
                        taken += all.execute("UPDATE photos SET gone = ?2 WHERE id = ?1", params![id, change])?;
                    }
                    (Some((_, like)), false) => return Ok(Err(Error::SeveralPhotos { name, photo, like })),
                    (None, _) => return Ok(Err(Error::NoSuchPhoto { name, photo })),
                }
            }
            Ok(Ok((format!("{} of {name} taken out", counted(taken, "photo")), Detail::Remove { photos: taken })))
        })
    }

    /// Notes something on an individual; an empty note takes it away.
    ///
    /// # Errors
    /// When there is none of that name, the note is too long, or the database cannot be written.
    pub fn note(&mut self, name: &str, note: &str) -> Result<Made> {
        let (individual, name) = self.find(name)?;
        if note.len() > LONGEST {
            return Err(Error::BadName { given: foreign::short(note, 40), reason: "it is too long" });
        }
        self.change("note", |all| {
            let before = all.query_row("SELECT note FROM individuals WHERE id = ?1", [individual], |row| row.get(0))?;
            all.execute("UPDATE individuals SET note = ?2 WHERE id = ?1", params![individual, note])?;
            Ok(Ok((format!("noted on {name}"), Detail::Note { individual, before })))
        })
    }

    /// Takes back the last change that was not taken back yet, and what the program decided in one go as a whole; building and
    /// rebuilding stay, and so does what a rebuild has left nothing of, which is said. One from before a rebuild is said to be so.
    ///
    /// # Errors
    /// When there is none, or the database cannot be written.
    pub fn undo(&mut self) -> Result<Made> {
        self.change("undo", |all| {
            let last = "SELECT id, what FROM changes WHERE undone IS NULL AND what NOT IN ('undo', 'rebuild')
                AND id < ?1 ORDER BY id DESC LIMIT 1";
            let read = |row: &rusqlite::Row<'_>| Ok((row.get(0)?, row.get(1)?));
            let (mut before, mut why, mut stay) = (i64::MAX, None, String::new());
            loop {
                let found: Option<(i64, String)> = all.query_row(last, [before], read).optional()?;
                let Some((id, _)) = found.filter(|(_, what)| what != "build") else {
                    return Ok(Err(why.unwrap_or(Error::NothingToUndo)));
                };
                let together: Vec<i64> = std::iter::once(id).chain(decisions::rest_of_go(all, id)?).collect();
                all.execute_batch("SAVEPOINT one")?;
                match take_back(all, &together)? {
                    // what nothing can take back any more is in nobody's way
                    Err(error @ (Error::RebuiltSince | Error::CorrectedBeforeRebuild)) => {
                        all.execute_batch("ROLLBACK TO one; RELEASE one")?;
                        stay += &format!("; {}: stays, as {error}", written(all, id)?.told());
                        before = id;
                        why.get_or_insert(error);
                    }
                    Err(error) => return Ok(Err(error)),
                    Ok(told) => {
                        all.execute_batch("RELEASE one")?;
                        return Ok(Ok((told + &stay, Detail::Undo { of: id })));
                    }
                }
            }
        })
    }

    /// Takes `changes` back in one step, as [`Writer::undo`] does, whatever came after them.
    ///
    /// # Errors
    /// When one cannot be taken back, or the database cannot be written. Nothing was taken back then.
    pub(super) fn take_back_all(&mut self, changes: &BTreeSet<i64>) -> Result<()> {
        let together: Vec<i64> = changes.iter().rev().copied().collect();
        let Some(&of) = together.first() else { return Ok(()) };
        self.change("undo", |all| Ok(take_back(all, &together)?.map(|told| (told, Detail::Undo { of })))).map(drop)
    }

    /// One change in one transaction: `make` makes it and tells what it was, or why not.
    fn change(
        &mut self,
        what: &str,
        make: impl FnOnce(&Transaction<'_>) -> rusqlite::Result<Result<(String, Detail)>>,
    ) -> Result<Made> {
        let made = || -> rusqlite::Result<Result<Made>> {
            let all = self.facts.connection.unchecked_transaction()?;
            let (said, detail) = match make(&all)? {
                Ok(made) => made,
                Err(refused) => return Ok(Err(refused)),
            };
            let change = changed(&all, what, &said, &detail)?;
            all.commit()?;
            Ok(Ok(Made { change, said }))
        };
        self.facts.told(made())?
    }
}

/// A name as it is kept.
pub(super) fn name(given: &str) -> Result<&str> {
    let bad = |reason| Err(Error::BadName { given: foreign::short(given, 40), reason });
    match given.trim() {
        "" => bad("it is empty"),
        name if is_nobody(name) => bad("it stands for nobody"),
        name if name.len() > LONGEST => bad("it is too long"),
        name => Ok(name),
    }
}

/// The entry that rows refer to is written at the end.
fn deferred(all: &Transaction<'_>) -> rusqlite::Result<()> {
    all.pragma_update(None, "defer_foreign_keys", true)
}

fn owner(all: &Connection, name: &str) -> rusqlite::Result<Option<i64>> {
    all.query_row("SELECT individual FROM names WHERE name = ?1", [name], |row| row.get(0)).optional()
}

/// A change as it was written down.
struct Entry {
    what: String,
    said: String,
    detail: String,
}

impl Entry {
    fn told(&self) -> String {
        if self.said.is_empty() { self.what.clone() } else { format!("{}: {}", self.what, self.said) }
    }
}

fn written(all: &Connection, id: i64) -> rusqlite::Result<Entry> {
    let mut change = all.prepare_cached("SELECT what, said, detail FROM changes WHERE id = ?1")?;
    change.query_row([id], |row| Ok(Entry { what: row.get(0)?, said: row.get(1)?, detail: row.get(2)? }))
}

fn column<T: rusqlite::types::FromSql>(all: &Connection, query: &str, of: i64) -> rusqlite::Result<Vec<T>> {
    all.prepare_cached(query)?.query_map([of], |row| row.get(0))?.collect()
}

fn merge(all: &Transaction<'_>, from: i64, into: i64) -> rusqlite::Result<Merged> {
    let names: Vec<String> = column(all, "SELECT name FROM names WHERE individual = ?1", from)?;
    let mut merged = Merged { from, into, names, encounters: Vec::new(), photos: Vec::new(), note: String::new() };
    all.execute("UPDATE names SET individual = ?2 WHERE individual = ?1", params![from, into])?;
    for encounter in column::<i64>(all, "SELECT id FROM encounters WHERE individual = ?1", from)? {
        // met on one day, they were met once
        let same = "SELECT theirs.id FROM encounters ours JOIN encounters theirs
            ON theirs.individual = ?2 AND theirs.root IS ours.root AND theirs.name = ours.name WHERE ours.id = ?1";
        let same: Option<i64> = all.query_row(same, params![encounter, into], |row| row.get(0)).optional()?;
        match same {
            None => {
                all.execute("UPDATE encounters SET individual = ?2 WHERE id = ?1", params![encounter, into])?;
                merged.encounters.push(encounter);
            }
            Some(same) => {
                merged.photos.push((encounter, column(all, "SELECT id FROM photos WHERE encounter = ?1", encounter)?));
                all.execute("UPDATE photos SET encounter = ?2 WHERE encounter = ?1", params![encounter, same])?;
            }
        }
    }
    let note =
        |id: i64| all.query_row("SELECT note FROM individuals WHERE id = ?1", [id], |row| row.get::<_, String>(0));
    let (ours, theirs) = (note(from)?, note(into)?);
    if !ours.is_empty() {
        let both = if theirs.is_empty() { ours } else { format!("{theirs}; {ours}") };
        all.execute("UPDATE individuals SET note = ?2 WHERE id = ?1", params![into, both])?;
    }
    merged.note = theirs;
    Ok(merged)
}

/// Takes back `changes`, the last first, for the change that is about to be written; what there is to say of it.
fn take_back(all: &Transaction<'_>, changes: &[i64]) -> rusqlite::Result<Result<String>> {
    let undo: i64 = all.query_row("SELECT coalesce(max(id), 0) + 1 FROM changes", [], |row| row.get(0))?;
    let before = names::unreachable(all)?;
    deferred(all)?;
    let mut told = String::new();
    for &id in changes {
        let entry = written(all, id)?;
        let Ok(detail) = serde_json::from_str::<Detail>(&entry.detail) else {
            return Ok(Err(Error::Unreadable { change: id, what: entry.what }));
        };
        if let Err(error) = reverse(all, id, undo, &detail)? {
            return Ok(Err(error));
        }
        all.execute("UPDATE changes SET undone = ?2 WHERE id = ?1", params![id, undo])?;
        if told.is_empty() {
            told = format!("taken back: {}", entry.told());
        }
    }
    if let Err(error) = names::lead_again(all, &before)? {
        return Ok(Err(error));
    }
    if changes.len() > 1 {
        told += &format!(", and with it {} more that the program decided in the same go", changes.len() - 1);
    }
    let oldest_first: Vec<i64> = changes.iter().rev().copied().collect();
    let again = decisions::stand_again(all, &oldest_first)?;
    if !again.is_empty() {
        told += &format!("; {again}");
    }
    let rebuilt = "SELECT EXISTS (SELECT 1 FROM changes WHERE what = 'rebuild' AND id > ?1)";
    if changes.first().map_or(Ok(false), |id| all.query_row(rebuilt, [id], |row| row.get(0)))? {
        told += "; it was made before the rebuild, which stays";
    }
    Ok(Ok(told))
}

/// Reverses change `id`, which was `detail`, for change `undo`.
fn reverse(all: &Transaction<'_>, id: i64, undo: i64, detail: &Detail) -> rusqlite::Result<Result<()>> {
    match detail {
        Detail::Add => {
            all.execute("UPDATE photos SET gone = ?2 WHERE added = ?1 AND gone IS NULL", params![id, undo])?;
        }
        Detail::Correct { photos } => {
            if let Some(error) = taken_out_since(all, id)? {
                return Ok(Err(error));
            }
            all.execute("UPDATE photos SET gone = ?2 WHERE added = ?1 AND gone IS NULL", params![id, undo])?;
            return bring_back(all, id, (*photos, Error::CorrectedBeforeRebuild));
        }
        Detail::Rename { individual, from, to, owner } => {
            all.execute("UPDATE individuals SET name = ?2 WHERE id = ?1", params![individual, from])?;
            names::lead(all, to, *owner)?;
        }
        Detail::Merge(Merged { from, into, names, encounters, photos, note }) => {
            for name in names {
                names::lead(all, name, Some(*from))?;
            }
            for encounter in encounters {
                all.execute("UPDATE encounters SET individual = ?2 WHERE id = ?1", params![encounter, from])?;
            }
            for (encounter, photos) in photos {
                for photo in photos {
                    all.execute("UPDATE photos SET encounter = ?2 WHERE id = ?1", params![photo, encounter])?;
                }
            }
            all.execute("UPDATE individuals SET note = ?2 WHERE id = ?1", params![into, note])?;
        }
        Detail::Remove { photos } => return bring_back(all, id, (*photos, Error::RebuiltSince)),
        Detail::Note { individual, before } => {
            all.execute("UPDATE individuals SET note = ?2 WHERE id = ?1", params![individual, before])?;
        }
        Detail::Undo { .. } | Detail::Rebuild => {}
    }
    Ok(Ok(()))
}

/// Photos that came with change `id` and were taken out by one that stands: without it nobody can say where they belong.
fn taken_out_since(all: &Transaction<'_>, id: i64) -> rusqlite::Result<Option<Error>> {
    let query = "SELECT p.path, c.id, c.what, c.said FROM photos p JOIN changes c ON c.id = p.gone
        WHERE p.added = ?1 AND c.undone IS NULL ORDER BY c.id DESC LIMIT 1";
    all.query_row(query, [id], standing_in_the_way).optional()
}

/// A photo that went with change `id` and lies in the gallery again, or lies where another does now.
fn taken_in_since(all: &Transaction<'_>, id: i64) -> rusqlite::Result<Option<Error>> {
    let found = |same: &str| {
        let query = format!(
            "SELECT now.path, c.id, c.what, c.said FROM photos before JOIN photos now ON now.gone IS NULL AND {same}
            JOIN changes c ON c.id = now.added WHERE before.gone = ?1
            AND before.added NOT IN (SELECT id FROM changes WHERE undone IS NOT NULL) LIMIT 1"
        );
        all.query_row(&query, [id], standing_in_the_way).optional()
    };
    match found("now.root = before.root AND now.path = before.path")? {
        None => found("now.sha256 = before.sha256 AND now.crop = before.crop"),
        at => Ok(at),
    }
}

fn standing_in_the_way(row: &rusqlite::Row<'_>) -> rusqlite::Result<Error> {
    let (photo, change, what, said): (_, _, String, String) = (row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?);
    Ok(Error::LaterChange { photo, change, what: if said.is_empty() { what } else { format!("{what}: {said}") } })
}

/// Has the photos come again that went with change `id`, which were so many; else tells why they cannot.
fn bring_back(all: &Transaction<'_>, id: i64, (photos, else_told): (usize, Error)) -> rusqlite::Result<Result<()>> {
    if let Some(error) = taken_in_since(all, id)? {
        return Ok(Err(error));
    }
    // those whose coming was taken back meanwhile stay away
    let undone = "added IN (SELECT id FROM changes WHERE undone IS NOT NULL)";
    let back = all.execute(&format!("UPDATE photos SET gone = NULL WHERE gone = ?1 AND NOT {undone}"), [id])?;
    let query = format!("SELECT count(*) FROM photos WHERE gone = ?1 AND {undone}");
    let away: usize = all.query_row(&query, [id], |row| row.get(0))?;
    Ok(if back + away == photos { Ok(()) } else { Err(else_told) })
}

#[cfg(test)]
mod tests {
    use super::super::store::Gallery;
    use super::super::tests::{photo, put, small};
    use super::super::writer::{Adding, There};
    use super::*;

    /// All that a person sees of a gallery, but the log.
    fn seen(gallery: &Gallery) -> String {
        let all = gallery.individuals().unwrap();
        let photos: Vec<_> = all.iter().map(|i| gallery.individual(&i.individual).unwrap().1).collect();
        format!("{all:?} {photos:?} {:?}", gallery.known().unwrap())
    }

    fn names(gallery: &Gallery) -> Vec<String> {
        gallery.individuals().unwrap().into_iter().map(|i| format!("{} {}", i.individual, i.photos)).collect()
    }

    #[test]
    fn every_change_is_taken_back_from_the_last_to_the_first() {
        let dir = tempfile::tempdir().unwrap();
        let mut writer = small(&dir.path().join("g"));
        let mut before = vec![seen(&writer)];
        let step = |writer: &mut Writer, change: &dyn Fn(&mut Writer), before: &mut Vec<String>, shown: &[&str]| {
            change(writer);
            assert_eq!(names(writer), shown);
            before.push(seen(writer));
        };
        let more = |w: &mut Writer| put(w, &mut Adding::new("add", String::new()), &[(56, "t2"), (5, "t3")]).unwrap();
        step(&mut writer, &more, &mut before, &["t1 2", "t2 2", "t3 1"]);
        step(&mut writer, &|w| drop(w.note("t3", "a scar").unwrap()), &mut before, &["t1 2", "t2 2", "t3 1"]);
        step(&mut writer, &|w| drop(w.rename("t3", " Zoë ").unwrap()), &mut before, &["Zoë 1", "t1 2", "t2 2"]);
        // t1 and t2 were both met on the first day: one encounter then
        step(&mut writer, &|w| drop(w.merge("t1", "t2").unwrap()), &mut before, &["Zoë 1", "t2 4"]);
        assert_eq!(writer.counts().unwrap().encounters, 3);
        step(&mut writer, &|w| drop(w.merge("t3", "t1").unwrap()), &mut before, &["t2 5"]);
        assert_eq!(writer.individual("Zoë").unwrap().0.note, "a scar", "old names lead on, and notes are kept");
        step(&mut writer, &|w| drop(w.remove("t2", &["5.jpg".into()]).unwrap()), &mut before, &["t2 4"]);
        step(&mut writer, &|w| drop(w.remove("Zoë", &[]).unwrap()), &mut before, &[]);
        step(
            &mut writer,
            &|w| put(w, &mut Adding::new("add", String::new()), &[(5, "t9")]).unwrap(),
            &mut before,
            &["t9 1"],
        );

        while let (Some(now), Some(then)) = (before.pop(), before.last()) {
            assert_eq!(seen(&writer), now);
            writer.undo().unwrap();
            assert_eq!(seen(&writer), *then);
        }
        let error = writer.undo().unwrap_err().to_string();
        assert!(error.contains("nothing to take back"), "{error}");
        let log = writer.changes().unwrap();
        assert_eq!(log.iter().filter(|c| c.undone).count(), 8);
        assert_eq!(log.last().unwrap().said, "taken back: add");
        // and once more in the other direction
        more(&mut writer);
        assert_eq!(names(&writer), ["t1 2", "t2 2", "t3 1"]);
    }

    #[test]
    fn a_dataset_that_has_an_old_name_makes_no_second_animal() {
        let dir = tempfile::tempdir().unwrap();
        let mut writer = small(&dir.path().join("g"));
        writer.rename("t1", "Zoë").unwrap();
        assert_eq!(writer.there(&photo(0, "t1").0).unwrap(), There::Known);
        put(&mut writer, &mut Adding::new("add", String::new()), &[(9, "t1")]).unwrap();
        assert_eq!(names(&writer), ["Zoë 3", "t2 1"]);
        writer.merge("Zoë", "t2").unwrap();
        put(&mut writer, &mut Adding::new("add", String::new()), &[(10, "t1"), (11, "Zoë")]).unwrap();
        assert_eq!(names(&writer), ["t2 6"]);
    }

    #[test]
    fn what_cannot_be_meant_is_refused_and_changes_nothing() {
        let dir = tempfile::tempdir().unwrap();
        let mut writer = small(&dir.path().join("g"));
        writer.rename("t2", "Ada").unwrap();
        let before = (seen(&writer), writer.changes().unwrap());
        let refused = |result: Result<Made>, word: &str| {
            let error = result.unwrap_err().to_string();
            assert!(error.contains(word) && !error.contains('\n'), "{error}");
        };
        refused(writer.rename("nobody", "x"), "gallery ls");
        for bad in ["", "  ", "unknown", &"x".repeat(5000)] {
            refused(writer.rename("t1", bad), "is no name");
        }
        refused(writer.rename("t1", "Ada"), "gallery merge");
        refused(writer.rename("t1", "t2"), "t2: this is an old name of Ada;");
        refused(writer.rename("t1", "Ada"), "Ada: this is another individual's name;");
        refused(writer.rename("t2", "Ada"), "Ada: it is called so already");
        refused(writer.merge("t2", "Ada"), "the same");
        refused(writer.remove("t1", &["0.jpg".into(), "1.jpg".into()]), "1.jpg");
        refused(writer.note("t1", &"x".repeat(5000)), "too long");
        assert_eq!((seen(&writer), writer.changes().unwrap()), before);
        // a name that only leads to the same one, or to nobody with a photo, is free
        writer.rename("Ada", "t2").unwrap();
        writer.remove("t2", &[]).unwrap();
        writer.rename("t1", "t2").unwrap();
        writer.undo().unwrap();
        writer.undo().unwrap();
        assert_eq!(names(&writer), ["t1 2", "t2 1"]);
    }

    #[test]
    fn a_path_that_two_folders_have_is_not_guessed_at() {
        let dir = tempfile::tempdir().unwrap();
        let mut writer = small(&dir.path().join("g"));
        let (mut more, row) = photo(0, "t1");
        (more.root, more.sha256) = ("/more".into(), [99; 32]);
        writer.add(&mut Adding::new("add", String::new()), &[more], &row).unwrap();
        let error = writer.remove("t1", &["0.jpg".into()]).unwrap_err().to_string();
        assert!(error.contains("/more/0.jpg") && !error.contains('\n'), "{error}");
        writer.remove("t1", &["/more/0.jpg".into()]).unwrap();
        let (_, photos) = writer.individual("t1").unwrap();
        assert!(photos.iter().all(|photo| photo.root.ends_with("photos")) && photos.len() == 2, "{photos:?}");
        writer.remove("t1", &["0.jpg".into()]).unwrap();
        writer.undo().unwrap();
        assert_eq!(names(&writer), ["t1 2", "t2 1"]);
    }
}
