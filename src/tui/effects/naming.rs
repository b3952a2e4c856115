//! Galleries and sessions for the tab where new photos get their names: what is read, and what is written down.

use std::path::{Path, PathBuf};
use std::sync::mpsc::Sender;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::SystemTime;

use crate::data::counted::counted;
use crate::data::foreign;
use crate::gallery::Error;
use crate::gallery::calibrated::calibration_of;
use crate::gallery::decided_table;
use crate::gallery::decisions::{By, Decided, Proposed, Ruling};
use crate::gallery::rulings::{Ruled, Shown};
use crate::gallery::seen;
use crate::gallery::session::{self, Counted, Session};
use crate::gallery::sitting::Sitting;
use crate::gallery::store::Gallery;
use crate::run::Workspace;
use crate::tui::identify::{GalleryLine, Profile};
use crate::tui::message::{Message, Written};

use super::afresh;

/// When the files behind a session changed last, and how long they were.
pub(super) type Marks = Vec<Option<(SystemTime, u64)>>;

/// What tells a session from the one before.
pub(super) fn mark(gallery: &Path, folder: &Path) -> Marks {
    let mark = |path: &PathBuf| {
        let meta = std::fs::metadata(path).ok()?;
        Some((meta.modified().ok()?, meta.len()))
    };
    let mut marks: Marks = seen::behind(gallery, folder).iter().map(mark).collect();
    // who ends to look lets go of a lock, which changes no file
    marks.push(is_looked_at(gallery, folder).then_some((SystemTime::UNIX_EPOCH, 0)));
    marks
}

/// The galleries that the workspace knows; `counted` keeps what takes long to count.
pub(super) fn galleries(workspace: &Workspace, counted: &mut Counted) -> Vec<GalleryLine> {
    workspace.galleries().into_iter().map(|folder| line(folder, counted)).collect()
}

fn line(folder: PathBuf, counted: &mut Counted) -> GalleryLine {
    let name = folder.file_name().unwrap_or(folder.as_os_str()).to_string_lossy().into_owned();
    let mut read = || {
        let gallery = Gallery::open(&folder)?;
        // one of the embeddings before a rebuild is none
        let promise = calibration_of(&gallery).ok().flatten().as_ref().map(session::promise);
        Ok((gallery.counts()?, Session::list(&gallery, counted)?, promise))
    };
    match read() {
        Ok((counts, sessions, promise)) => GalleryLine { name, counts: Ok(counts), promise, sessions, folder },
        Err(error) => {
            let error: crate::gallery::Error = error;
            GalleryLine { name, counts: Err(error.to_string()), promise: None, sessions: Vec::new(), folder }
        }
    }
}

/// Puts the gallery at `path` into the workspace's list.
pub(super) fn add(workspace: &Workspace, path: &Path) -> Result<(), String> {
    Gallery::open(path).map_err(|e| e.to_string())?;
    workspace.know_gallery(path).map_err(|e| e.to_string())
}

/// What is said of decisions that are written down, by the session as it stands since where it can be read; and the encounter that
/// is open again.
pub(super) type Told = Box<dyn FnOnce(Option<&Session>) -> (String, Option<String>)>;

/// What was decided of `encounter` and stands in `session`.
fn standing<'a>(session: Option<&'a Session>, encounter: &str) -> Option<&'a Decided> {
    session?.entries.iter().find(|entry| entry.proposal.encounter == encounter)?.decided.as_ref()
}

/// The folder that is gone through last, as far as it was read: what decides and what looks share it, so that neither reads what
/// the other has.
#[derive(Debug, Clone, Default)]
pub(super) struct Shared {
    sitting: Arc<Mutex<Option<Sitting>>>,
    /// The folder that somebody looks at or did last, with what told its files from others when that began.
    looked_at: Arc<Mutex<Option<(PathBuf, PathBuf, u64)>>>,
}

impl Shared {
    fn with<T>(&self, (gallery, folder): (&Path, &Path), work: impl FnOnce(&mut Sitting) -> T) -> T {
        // after a panic it is begun anew
        let mut sitting = self.sitting.lock().unwrap_or_else(|poisoned| {
            self.sitting.clear_poison();
            let mut sitting = poisoned.into_inner();
            *sitting = None;
            sitting
        });
        let same = sitting.take().filter(|sitting| sitting.is_of(gallery, folder));
        work(sitting.insert(same.unwrap_or_else(|| Sitting::new(gallery, folder))))
    }

    /// Somebody begins to look at the photos of `folder` now.
    pub(super) fn begins_to_look(&self, gallery: &Path, folder: &Path) {
        let mark = afresh::mark(folder, gallery);
        let mut looked_at = self.looked_at.lock().unwrap_or_else(PoisonError::into_inner);
        *looked_at = Some((gallery.to_path_buf(), folder.to_path_buf(), mark));
    }

    /// Who began to look at the photos of `folder` did not, as another does.
    pub(super) fn did_not_look(&self, gallery: &Path, folder: &Path) {
        let mut looked_at = self.looked_at.lock().unwrap_or_else(PoisonError::into_inner);
        looked_at.take_if(|(of, at, _)| of == gallery && at == folder);
    }

    /// What told the files of `folder` from others when somebody here began to look at them last; none where nobody did.
    pub(super) fn looked_at(&self, gallery: &Path, folder: &Path) -> Option<u64> {
        let looked_at = self.looked_at.lock().unwrap_or_else(PoisonError::into_inner);
        looked_at.as_ref().filter(|(of, at, _)| of == gallery && at == folder).map(|(.., mark)| *mark)
    }

    /// The session as it stands.
    pub(super) fn session(&self, gallery: PathBuf, folder: PathBuf) -> Message {
        let session = self.with((&gallery, &folder), read);
        Message::Session(gallery, folder, session)
    }

    /// The session, where it stands otherwise than anybody was told.
    pub(super) fn news(&self, gallery: PathBuf, folder: PathBuf) -> Option<Message> {
        let looked = self.with((&gallery, &folder), Sitting::look);
        let session = match looked {
            Ok((_, false)) => return None,
            Ok((session, true)) => Ok(session),
            Err(error) => Err(error.to_string()),
        };
        Some(Message::Session(gallery, folder, session))
    }

    /// What came of decisions by `work`, with the session as it stands since. What is written down is, also where the session cannot
    /// be read then.
    pub(super) fn written(
        &self,
        (gallery, folder): (PathBuf, PathBuf),
        work: impl FnOnce(&mut Sitting) -> Result<Told, String>,
    ) -> Message {
        let written = self.with((&gallery, &folder), |sitting| {
            let done = work(sitting);
            let session = read(sitting);
            let (said, open_again) = match done.map(|told| told(session.as_deref().ok())) {
                Ok((said, open_again)) => (Ok(said), open_again),
                Err(why) => (Err(why), None),
            };
            Written { said, open_again, session }
        });
        Message::Ruled(gallery, folder, Box::new(written))
    }
}

/// Says that a look at a folder has ended when this goes, also by a panic.
pub(super) struct Ends<'a> {
    pub(super) inbox: &'a Sender<Message>,
    /// The gallery and the folder.
    pub(super) of: (PathBuf, PathBuf),
}

impl Drop for Ends<'_> {
    fn drop(&mut self) {
        let (gallery, folder) = std::mem::take(&mut self.of);
        // the screen may have ended meanwhile
        let _ = self.inbox.send(Message::Looked(gallery, folder));
    }
}

fn read(sitting: &mut Sitting) -> Result<Arc<Session>, String> {
    sitting.look().map(|(session, _)| session).map_err(|e| e.to_string())
}

/// Writes down what a person decided, and says so.
pub(super) fn rule(
    sitting: &mut Sitting,
    encounters: &[(String, Proposed)],
    (ruling, corrects): (&Ruling, Option<i64>),
    shown: Shown,
) -> Result<Told, String> {
    let refused = sitting.rule(&[Ruled { encounters, ruling, corrects }], By::Person, shown);
    if let Some((_, error)) = refused.map_err(|e| e.to_string())?.first() {
        return Err(told(error));
    }
    let names: Vec<String> = encounters.iter().map(|(encounter, _)| encounter.clone()).collect();
    let ruling = ruling.clone();
    Ok(Box::new(move |session| {
        if let (Some(name), [one]) = (ruling.individual(), &names[..])
            && standing(session, one).is_some_and(|decided| decided.more)
        {
            return (format!("the new photos of {one} are with {name}; u takes them out again"), None);
        }
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        let taken_back = if names.len() > 1 { "u takes all back" } else { "u takes it back" };
        (format!("{}; {taken_back}", ruling.told(&names)), None)
    }))
}

/// Writes down what the program proposed of several encounters.
pub(super) fn rule_all(
    sitting: &mut Sitting,
    all: Vec<(String, Ruling, Proposed)>,
    shown: Shown,
) -> Result<Told, String> {
    let count = all.len();
    let all: Vec<_> = all.into_iter().map(|(one, ruling, proposed)| ([(one, proposed)], ruling)).collect();
    let wanted: Vec<Ruled<'_>> =
        all.iter().map(|(encounters, ruling)| Ruled { encounters, ruling, corrects: None }).collect();
    let refused = sitting.rule(&wanted, By::Program, shown).map_err(|e| e.to_string())?;
    let done = counted(count - refused.len(), "encounter");
    let taken_back = if count > 1 { "u takes all of them back" } else { "u takes it back" };
    match refused.first() {
        None => Ok(Box::new(move |_| (format!("{done} named as proposed; {taken_back}"), None))),
        Some((encounter, why)) => Err(format!("{done} named, {} not: {encounter}: {}", refused.len(), told(why))),
    }
}

/// Why a decision was refused, with the keys that help.
fn told(error: &Error) -> String {
    match error {
        Error::KnownOtherwise { known_as, .. } => {
            // what helps comes first: the end of a line may be cut off
            format!("/ with {} names it so, s skips it: {error}", foreign::line(known_as))
        }
        _ => error.to_string(),
    }
}

/// Takes the last decision back, and says of which encounters; the first of them.
pub(super) fn undo(sitting: &mut Sitting) -> Result<Told, String> {
    let undone = sitting.undo().map_err(|e| e.to_string())?;
    let last = undone.first().ok_or("nothing is decided in this folder")?;
    let (first, more, all) = (last.encounter.clone(), last.more, undone.len());
    Ok(Box::new(move |session| {
        let said = match (standing(session, &first), all) {
            _ if more => format!("the photos that came to {first} since are out again"),
            (Some(stands), _) => format!("{} again", stands.ruling.told(&[&first])), // a correction was taken back
            (None, 1) => format!("{first} is open again"),
            (None, n) => format!("{} are open again, {first} and others", counted(n, "encounter")),
        };
        (said, Some(first))
    }))
}

/// Writes all that was decided with the gallery at `gallery` to the table at `path`, and says so.
pub(super) fn write_decisions(gallery: &Path, path: &Path) -> Result<String, String> {
    let read = || decided_table::rows(&Gallery::open(gallery)?);
    let all = read().map_err(|e| e.to_string())?;
    decided_table::write(path, &all).map_err(|e| e.to_string())?;
    Ok(format!("{}: {}", path.display(), counted(all.len(), "decision")))
}

/// Whether somebody looks at the folder already.
pub(super) fn is_looked_at(gallery: &Path, folder: &Path) -> bool {
    seen::is_looked_at(gallery, folder).unwrap_or(false)
}

/// Whether a look at `folder` failed, by its last words, because another process looks at it.
pub(super) fn is_by_another(why: &str, folder: &Path) -> bool {
    why.ends_with(&Error::Looking { folder: folder.into() }.to_string())
}

/// What is known of an individual.
pub(super) fn profile(gallery: &Path, name: &str) -> Result<Profile, String> {
    let read = || Gallery::open(gallery)?.individual(name);
    let (individual, photos) = read().map_err(|e| e.to_string())?;
    if photos.is_empty() {
        return Err(format!("{name} has {}", counted(0_u64, "photo")));
    }
    Ok(Profile {
        name: individual.individual,
        photos: photos.iter().map(|photo| (photo.file().path, photo.encounter.clone())).collect(),
        met: (individual.encounters, individual.first, individual.last),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_look_that_another_process_does_already_is_no_failure() {
        let shared = Shared::default();
        let (gallery, week) = (Path::new("/g"), Path::new("/week"));
        let why = Error::Looking { folder: week.into() }.to_string();
        assert!(is_by_another(&why, week) && is_by_another(&format!("identify: {why}"), week));
        assert!(!is_by_another(&why, gallery) && !is_by_another("no photos", week));
        shared.begins_to_look(gallery, week);
        shared.did_not_look(gallery, gallery);
        assert!(shared.looked_at(gallery, week).is_some());
        shared.did_not_look(gallery, week);
        assert_eq!(shared.looked_at(gallery, week), None, "what came meanwhile is looked at");
    }

    #[test]
    fn what_is_written_down_is_told_also_where_the_session_cannot_be_read_then() {
        let nowhere = tempfile::tempdir().unwrap().path().join("gone");
        let work = |_: &mut Sitting| Ok(Box::new(|_: Option<&Session>| ("a is t1".to_owned(), None)) as Told);
        let Message::Ruled(.., written) = Shared::default().written((nowhere.clone(), nowhere), work) else { panic!() };
        assert_eq!(written.said.as_deref(), Ok("a is t1"));
        assert!(written.session.is_err());
    }

    #[test]
    fn who_is_refused_as_a_photo_is_somebody_elses_is_told_the_keys_that_help() {
        let error = Error::KnownOtherwise { photo: "a/1.jpg".into(), known_as: "t8".into() };
        let said = told(&error);
        assert!(
            said.ends_with(&error.to_string()) && said.starts_with("/ with t8 ") && said.contains("s skips"),
            "{said}"
        );
        let error = Error::AlreadyDecided { encounter: "a".into() };
        assert_eq!(told(&error), error.to_string());
    }
}
