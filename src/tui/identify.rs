//! The tab where new photos get their names: galleries, the encounters of a folder, and each beside its proposal.
//!
//! A key proposes nothing by itself: what is written down is what stands on the screen when Enter is pressed.

mod act;
mod looks;
mod named;
mod standing;
pub(super) mod view;

use std::collections::HashSet;
use std::path::PathBuf;
use std::sync::Arc;

use crate::gallery::decisions::{Proposed, Ruling};
use crate::gallery::held::by_individual;
use crate::gallery::identify::{NearPhoto, Verdict};
use crate::gallery::rulings::Shown;
use crate::gallery::session::{Entry, Outline, Session};
use crate::gallery::store::Counts;

use super::keys::Place;
use super::message::{Effect, Window};

/// A gallery in the list.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct GalleryLine {
    /// Its name: that of its folder.
    pub(super) name: String,
    /// Where it lies.
    pub(super) folder: PathBuf,
    /// Its size; the error says why it cannot be read.
    pub(super) counts: Result<Counts, String>,
    /// What its calibration promises; none without one.
    pub(super) promise: Option<String>,
    /// Folders that are gone through with it.
    pub(super) sessions: Vec<Outline>,
}

/// A known individual with its photos.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Profile {
    /// Who.
    pub(super) name: String,
    /// Its photos with their encounters, by encounter.
    pub(super) photos: Vec<(PathBuf, String)>,
    /// How many encounters there are, and the first and last day, as far as known.
    pub(super) met: (u64, Option<String>, Option<String>),
}

/// What a decision is about: gallery, folder, encounter.
pub(super) type Matter = (PathBuf, PathBuf, String);

/// A row of the list: a gallery, or a folder that is gone through with it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct ListRow {
    /// The gallery's place.
    pub(super) gallery: usize,
    /// The folder's place among its own.
    pub(super) session: Option<usize>,
}

/// The state of the tab.
#[derive(Debug, Default)]
pub(super) struct Identify {
    /// Galleries; none while they are listed for the first time.
    pub(super) galleries: Option<Vec<GalleryLine>>,
    /// The row chosen.
    pub(super) at: usize,
    /// The session that is open.
    pub(super) session: Option<Arc<Session>>,
    /// The one that was open when the screen was left; none since it was looked for.
    pub(super) left: Option<(PathBuf, PathBuf)>,
    /// The session that is being opened: gallery and folder.
    pub(super) opening: Option<(PathBuf, PathBuf)>,
    /// The encounter chosen.
    pub(super) encounter: usize,
    /// Which of its photos is shown.
    pub(super) photo: usize,
    /// Who was put beside it, by a digit or by name; none where it is who is proposed.
    pub(super) picked: Option<String>,
    /// What is known of who is shown.
    pub(super) profile: Option<Profile>,
    /// Which of the known one's photos is shown, from its nearest on; 0 is the nearest.
    pub(super) other: usize,
    /// The two photos in one place: false the new, true the known.
    pub(super) flip: Option<bool>,
    /// The part of both photos that is shown.
    pub(super) window: Window,
    /// The nearest known individuals are shown before a new one is made.
    pub(super) anew: bool,
    /// A decision is being written down.
    pub(super) writing: bool,
    /// The look at photos that was asked for and has not ended: gallery and folder.
    pub(super) seeing: Option<(PathBuf, PathBuf)>,
    /// How many photos are seen by who looks at the folder that is open, of how many, where that was said.
    pub(super) seen: Option<(usize, usize)>,
    /// Photos that cannot be read, as far as that was told.
    pub(super) told: looks::Told,
    /// What stood on the screen when the name of a new individual was asked for.
    asked_by: Option<Shown>,
    /// The encounter to go to once the session is read again.
    pub(super) wanted: Option<String>,
}

/// Whether somebody may be named on `entry`; `Err` says why not. One that is decided may be named anew, also where its files cannot
/// be read any more: the gallery has its photos.
fn may_name(entry: &Entry) -> Result<(), String> {
    match entry.photos.is_empty() && entry.settled().is_none() {
        true => Err("no photo of this one can be read: s skips it".to_owned()),
        false => Ok(()),
    }
}

/// Whether something of the folder is open yet, or has photos that came after it was decided.
fn is_unfinished(outline: &Outline) -> bool {
    outline.decided < outline.encounters || outline.later > 0
}

/// Where a known photo lies.
fn path_of(near: &NearPhoto) -> PathBuf {
    PathBuf::from(&near.root).join(&near.photo)
}

impl Identify {
    /// Where keys go.
    pub(super) fn place(&self) -> Place {
        match &self.session {
            None => Place::Galleries,
            Some(_) if self.anew => Place::Anew,
            Some(_) => Place::Encounters,
        }
    }

    /// Rows of the list.
    pub(super) fn rows(&self) -> Vec<ListRow> {
        let galleries = self.galleries.iter().flatten().enumerate();
        let of = |(gallery, line): (usize, &GalleryLine)| {
            let sessions = (0..line.sessions.len()).map(Some);
            std::iter::once(None).chain(sessions).map(move |session| ListRow { gallery, session }).collect::<Vec<_>>()
        };
        galleries.flat_map(of).collect()
    }

    /// The gallery of the row chosen, and the folder where the row is one.
    pub(super) fn current(&self) -> Option<(&GalleryLine, Option<&Outline>)> {
        let row = *self.rows().get(self.at)?;
        let line = self.galleries.as_ref()?.get(row.gallery)?;
        Some((line, row.session.and_then(|session| line.sessions.get(session))))
    }

    /// Goes on with the folder that was left when the screen was, as far as it is not done: gallery and folder.
    pub(super) fn go_on(&mut self) -> Option<(PathBuf, PathBuf)> {
        let (gallery, folder) = self.left.take().filter(|_| self.opening.is_none())?;
        let line = self.galleries.as_ref()?.iter().find(|line| line.folder == gallery)?;
        let at = line.sessions.iter().find(|outline| outline.folder == folder).filter(|outline| is_unfinished(outline));
        at.map(|outline| (gallery, outline.folder.clone()))
    }

    /// Takes a new list; what was chosen stays chosen, and of a first one it is a folder that is not done.
    pub(super) fn list(&mut self, galleries: Vec<GalleryLine>) {
        let key = |(line, outline): (&GalleryLine, Option<&Outline>)| {
            (line.folder.clone(), outline.map(|outline| outline.folder.clone()))
        };
        let chosen = self.current().map(key);
        let is_first = self.galleries.replace(galleries).is_none_or(|before| before.is_empty());
        let of = |row: &ListRow| {
            let line = &self.galleries.as_ref()?[row.gallery];
            Some((line, row.session.map(|session| &line.sessions[session])))
        };
        let same = |row: &ListRow| chosen.is_some() && of(row).map(key) == chosen;
        let left = |row: &ListRow| is_first && of(row).and_then(|(_, outline)| outline).is_some_and(is_unfinished);
        let rows = self.rows();
        self.at = rows.iter().position(same).or_else(|| rows.iter().position(left)).unwrap_or(0);
    }

    /// Takes a session as it stands now; the encounter chosen stays chosen, and so does who stands beside it; after a decision
    /// the next one that is open is chosen. One that was read before another is dropped.
    pub(super) fn take(&mut self, session: Arc<Session>) -> Vec<Effect> {
        self.take_with(session, true)
    }

    /// As [`Identify::take`], after what was decided here: who stood beside an encounter by the names of before is nobody's choice.
    pub(super) fn take_decided(&mut self, session: Arc<Session>) -> Vec<Effect> {
        self.picked = None;
        self.take_with(session, false)
    }

    fn take_with(&mut self, session: Arc<Session>, stays: bool) -> Vec<Effect> {
        let same = |before: &&Arc<Session>| (&before.gallery, &before.folder) == (&session.gallery, &session.folder);
        let before = self.session.as_ref().filter(same);
        if before.is_some_and(|before| before.version > session.version) {
            return Vec::new();
        }
        let is_same = before.is_some();
        if !is_same {
            // what was asked of another is its own matter
            (self.writing, self.told) = (false, looks::Told::default());
        }
        let stays = stays && is_same && !self.is_likely_new();
        let beside = self.shown_name().map(str::to_owned).filter(|_| stays);
        let chosen = self.entry().map(|entry| entry.proposal.encounter.clone()).filter(|_| is_same);
        let change = |entry: &Entry| entry.decided.as_ref().map(|decided| decided.change);
        let stood = self.entry().and_then(change);
        let wanted = self.wanted.take().filter(|_| is_same);
        // who is called otherwise now goes by that
        self.picked = self.picked.take().filter(|name| session.names.contains(name));
        self.session = Some(session);
        self.profile = None; // the gallery may know other photos now
        let entries = self.entries();
        if let Some(at) = wanted.and_then(|name| entries.iter().position(|entry| entry.proposal.encounter == name)) {
            self.encounter = at;
            self.look_anew();
            return self.profile_wanted();
        }
        let had_chosen = chosen.is_some();
        let at = chosen.and_then(|name| entries.iter().position(|entry| entry.proposal.encounter == name));
        match at {
            Some(at) => {
                let now = change(&entries[at]);
                self.encounter = at;
                if now.is_some() && now != stood {
                    self.look_at_nearest(false); // it has its name
                }
                if now.is_some() && stood.is_none() {
                    self.advance_to_open();
                } else if beside.is_some() && beside.as_deref() != self.shown_name() {
                    // nobody is swapped under a finger
                    let names = self.session.as_ref().map_or(&[][..], |session| &session.names);
                    self.picked = beside.filter(|name| names.contains(name));
                }
                let stands = self.entry().and_then(Entry::settled).and_then(|decided| decided.ruling.individual());
                if self.picked.as_deref() == stands {
                    self.picked = None; // it is decided so
                }
            }
            // the chosen one is gone, and another stands in its place
            None if had_chosen && !self.entries().is_empty() => {
                self.encounter = self.encounter.min(self.entries().len() - 1);
                self.look_anew();
            }
            None => {
                self.encounter = 0;
                let first = self.entries().first();
                if first.is_some_and(|entry| entry.decided.is_some()) {
                    self.advance_to_open();
                } else {
                    self.look_anew();
                }
            }
        }
        self.profile_wanted()
    }

    /// Whether all is decided.
    pub(super) fn is_done(&self) -> bool {
        let looking = self.session.as_ref().is_none_or(|session| session.looking);
        let is_done = |entry: &Entry| entry.decided.is_some() && entry.later.is_empty();
        !looking && !self.entries().is_empty() && self.entries().iter().all(|entry| is_done(entry))
    }

    /// The encounters.
    pub(super) fn entries(&self) -> &[Arc<Entry>] {
        self.session.as_ref().map_or(&[], |session| &session.entries)
    }

    /// The encounter chosen.
    pub(super) fn entry(&self) -> Option<&Entry> {
        self.entries().get(self.encounter).map(|entry| &**entry)
    }

    /// How many encounters are decided and have photos that came since.
    pub(super) fn with_later(&self) -> usize {
        self.entries().iter().filter(|entry| !entry.later.is_empty()).count()
    }

    /// How many encounters are decided, and how many new individuals they show.
    pub(super) fn done(&self) -> (usize, usize) {
        let decided = || self.entries().iter().filter_map(|entry| entry.decided.as_ref());
        let new = decided().filter(|decided| matches!(decided.ruling, Ruling::New(_)));
        let names: HashSet<&str> = new.filter_map(|decided| decided.ruling.individual()).collect();
        (decided().count(), names.len())
    }

    /// Who stands on the right: who was decided on, was typed, or is near.
    pub(super) fn shown_name(&self) -> Option<&str> {
        let entry = self.entry()?;
        let first = || match entry.settled() {
            Some(decided) => decided.ruling.individual(),
            None => Identify::candidates(entry).next().map(|(name, _)| name),
        };
        self.picked.as_deref().or_else(first)
    }

    /// Who `entry` may be, with the place of those among the nearest: first whom the gallery holds photos of it as, then the nearest.
    pub(super) fn candidates(entry: &Entry) -> impl Iterator<Item = (&str, Option<usize>)> {
        let individuals = entry.individuals();
        let held = Identify::held(entry);
        let near = |name: &str| individuals.iter().position(|near| near.individual == name);
        let first: Vec<(&str, Option<usize>)> = held.iter().map(|&name| (name, near(name))).collect();
        let others = (0..).zip(individuals).filter(move |(_, near)| !held.contains(&near.individual.as_str()));
        first.into_iter().chain(others.map(|(at, near)| (near.individual.as_str(), Some(at))))
    }

    /// Whom the gallery holds photos of `entry` as: it can be named as nobody else.
    pub(super) fn held(entry: &Entry) -> Vec<&str> {
        by_individual(&entry.proposal.already).into_iter().map(|(name, _)| name).collect()
    }

    /// What the row of `entry` reads, as long as it is open; none without a calibration.
    pub(super) fn reads(entry: &Entry) -> Option<Verdict> {
        // a part of it is somebody's, who is near is another matter
        let is_part = entry.proposal.held_as().is_none() && !entry.proposal.already.is_empty();
        if is_part { Some(Verdict::Look) } else { entry.proposal.decision }
    }

    /// Whether a new individual is proposed, and nobody was put beside it nor has photos of it.
    fn is_likely_new(&self) -> bool {
        let is_new =
            |entry: &Entry| entry.settled().is_none() && entry.proposal.is_new() && entry.proposal.already.is_empty();
        self.entry().is_some_and(is_new) && self.picked.is_none()
    }

    /// The photo on the right: the nearest of who stands there, or another of theirs.
    pub(super) fn known_photo(&self) -> Option<PathBuf> {
        let name = self.shown_name()?;
        let profile = self.profile.as_ref().filter(|profile| profile.name == name);
        let entry = self.entry()?;
        let near = entry.best().iter().find(|near| near.individual == name);
        // of one that is decided it may be the photo itself; beside what came since those before are to be seen
        let is_other = |path: &PathBuf| match entry.since {
            Some(_) => entry.photos.get(self.photo) != Some(path),
            None => !entry.photos.contains(path),
        };
        let nearest = near.map(path_of).filter(is_other);
        let Some(profile) = profile.filter(|_| self.other > 0 || nearest.is_none()) else { return nearest };
        let others: Vec<&PathBuf> = profile.photos.iter().map(|(path, _)| path).filter(|path| is_other(path)).collect();
        let from = nearest.as_ref().and_then(|nearest| others.iter().position(|path| *path == nearest));
        let at = (from.unwrap_or(0) + self.other) % others.len().max(1);
        others.get(at).map(|path| (*path).clone()).or(nearest)
    }

    /// Whether the nearest photo of `near` is one of the encounter's own, which was decided: it says nothing, but of what came since.
    pub(super) fn is_own(entry: &Entry, near: &NearPhoto) -> bool {
        entry.decided.is_some() && entry.since.is_none() && entry.photos.contains(&path_of(near))
    }

    /// What a program says of the encounter chosen, for the log.
    fn proposed(entry: &Entry) -> Proposed {
        let proposal = &entry.proposal;
        Proposed {
            decision: proposal.decision,
            individual: proposal.individual.clone(),
            probability: proposal.probability,
            distance: entry.proposed_distance(),
        }
    }

    fn look_anew(&mut self) {
        // of one that is decided what is new comes first
        let photo = self.entry().and_then(|entry| entry.later.first().copied());
        (self.photo, self.other, self.picked) = (photo.unwrap_or(0), 0, None);
        (self.flip, self.window, self.anew) = (None, Window::default(), false);
    }

    /// To the next encounter that is open, from the one chosen on and around; where all are decided, to one with new photos.
    fn advance_to_open(&mut self) {
        let entries = self.entries();
        let order = || (self.encounter..entries.len()).chain(0..self.encounter);
        let next = order().find(|&at| entries[at].decided.is_none());
        let next = next.or_else(|| order().find(|&at| !entries[at].later.is_empty()));
        self.encounter = next.unwrap_or(self.encounter);
        self.look_anew();
    }

    /// Asks for the photos of who is shown, where they are not at hand.
    pub(super) fn profile_wanted(&self) -> Vec<Effect> {
        let (Some(session), Some(name)) = (&self.session, self.shown_name()) else { return Vec::new() };
        match &self.profile {
            Some(profile) if profile.name == name => Vec::new(),
            _ => vec![Effect::Profile(session.gallery.clone(), name.to_owned())],
        }
    }

    /// The encounters that are open and in the group of the one chosen, which comes first; it alone where it has none.
    pub(super) fn group(&self) -> Vec<&Entry> {
        let Some(own) = self.entry() else { return Vec::new() };
        let is_other = |entry: &&Entry| {
            entry.proposal.encounter != own.proposal.encounter
                && entry.decided.is_none()
                && own.decided.is_none()
                && own.proposal.group.is_some()
                && entry.proposal.group == own.proposal.group
                // with a photo of somebody known the name of all would be refused
                && own.proposal.already.is_empty()
                && entry.proposal.already.is_empty()
        };
        std::iter::once(own).chain(self.entries().iter().map(|entry| &**entry).filter(is_other)).collect()
    }

    /// The photos of the encounters that may be named at once: one of each first, then the others; with their encounters.
    pub(super) fn group_photos(&self) -> Vec<(&str, &PathBuf)> {
        let group = self.group();
        let of = |first: bool| {
            group.iter().flat_map(move |&entry| {
                let split = entry.photos.len().min(1);
                let photos = if first { &entry.photos[..split] } else { &entry.photos[split..] };
                photos.iter().map(|photo| (entry.proposal.encounter.as_str(), photo))
            })
        };
        of(true).chain(of(false)).collect()
    }

    /// The nearest known individuals before a new one is made, each with its distance, as elsewhere that of an encounter to an
    /// individual, and its nearest photo: of all encounters of the group, so that nobody near to one of them is missed.
    pub(super) fn nearest(&self) -> Vec<(f64, &NearPhoto)> {
        let mut all: Vec<(f64, &NearPhoto)> = Vec::new();
        for entry in self.group() {
            let near = entry.individuals().iter().map(|near| near.distance).zip(entry.best());
            all.extend(near.filter(|(_, best)| !Identify::is_own(entry, best)));
        }
        all.sort_by(|a, b| a.0.total_cmp(&b.0)); // stable: one encounter's stay in their order
        let mut seen = HashSet::new();
        all.retain(|(_, near)| seen.insert(near.individual.as_str()));
        all
    }

    /// The effect that writes `ruling` down for the encounter chosen.
    fn write(&mut self, ruling: Ruling) -> Result<Vec<Effect>, String> {
        let one: Vec<String> = self.entry().map(|entry| entry.proposal.encounter.clone()).into_iter().collect();
        let shown = self.session.as_ref().map(|session| session.shown());
        self.write_all(&one, ruling, shown)
    }

    /// The effect that writes `ruling` down for `encounters`, as they were `shown`, in one decision.
    fn write_all(
        &mut self,
        encounters: &[String],
        ruling: Ruling,
        shown: Option<Shown>,
    ) -> Result<Vec<Effect>, String> {
        if self.writing {
            return Err("the decision before is being written down".to_owned());
        }
        let session = self.session.as_ref().filter(|_| !encounters.is_empty());
        let Some((session, shown)) = session.zip(shown) else {
            return Err("there is no encounter yet".to_owned());
        };
        let (mut decided, mut corrects) = (Vec::with_capacity(encounters.len()), None);
        for name in encounters {
            let entry = session.entries.iter().find(|entry| entry.proposal.encounter == *name);
            let entry = entry.ok_or_else(|| format!("{name} is gone"))?;
            match &ruling {
                Ruling::Skipped if entry.decided.is_some() && entry.settled().is_none() && entry.later.is_empty() => {
                    let keys = self.namers();
                    let still = match entry.photos.is_empty() {
                        true => String::new(),
                        false => format!("; Enter, {keys} and n still name it"),
                    };
                    return Err(format!("this one is skipped already{still}"));
                }
                Ruling::Skipped => {}
                _ => may_name(entry)?,
            }
            corrects = corrects.or_else(|| Some(entry.settled()?.change));
            decided.push((name.clone(), Identify::proposed(entry)));
        }
        let effect = Effect::Rule {
            gallery: session.gallery.clone(),
            folder: session.folder.clone(),
            encounters: decided,
            ruling,
            corrects,
            shown,
        };
        self.writing = true;
        Ok(vec![effect])
    }

    /// Begins or goes on with a folder of new photos.
    pub(super) fn begin(&mut self, gallery: PathBuf, folder: String) -> Vec<Effect> {
        if folder.is_empty() {
            return Vec::new();
        }
        vec![Effect::Begin(gallery, folder.into())]
    }

    /// What a line that is typed now is about.
    fn matter(&self) -> Result<Matter, String> {
        let (Some(session), Some(entry)) = (&self.session, self.entry()) else {
            return Err("there is no encounter yet".to_owned());
        };
        Ok((session.gallery.clone(), session.folder.clone(), entry.proposal.encounter.clone()))
    }

    /// The session, where `matter` is what stands on the screen.
    fn about(&self, matter: &Matter) -> Result<&Session, String> {
        let session = self.session.as_ref().filter(|_| self.matter().as_ref() == Ok(matter));
        session
            .map(|session| &**session)
            .ok_or_else(|| "another encounter stands on the screen now: once more".to_owned())
    }

    /// A new individual on `encounters`, that of `matter` and others of its group, gets this name, now that the nearest known ones
    /// were seen.
    pub(super) fn make(&mut self, matter: &Matter, encounters: &[String], name: &str) -> Result<Vec<Effect>, String> {
        let session = self.about(matter)?;
        if !self.anew {
            return Err("the nearest known ones have changed: n shows them".to_owned());
        }
        let group: HashSet<&str> = self.group().iter().map(|entry| entry.proposal.encounter.as_str()).collect();
        if let Some(gone) = encounters.iter().find(|one| !group.contains(one.as_str())) {
            return Err(format!("{gone} is in the group no more: Esc, and n shows it as it is now"));
        }
        if name.is_empty() {
            return Err("a new individual needs a name".to_owned());
        }
        if let Some(name) = session.names.iter().find(|known| known.to_lowercase() == name.to_lowercase()) {
            return Err(format!(
                "{name} is known already: Esc twice, and / with that name takes the encounter as that one"
            ));
        }
        // what came while the name was typed, photos or somebody known, was not looked at
        self.write_all(encounters, Ruling::New(name.to_owned()), self.asked_by)
    }

    /// Before a new individual is made, or back.
    fn look_at_nearest(&mut self, anew: bool) {
        (self.anew, self.photo) = (anew, 0);
    }

    /// A name that nobody ever had.
    fn free_name(&self) -> String {
        self.session.as_ref().map(|session| session.free_name.clone()).unwrap_or_default()
    }
}
