//! What the tab's keys do.

use std::collections::HashMap;

use crate::data::counted::counted;
use crate::gallery::decisions::{Proposed, Ruling};
use crate::gallery::identify::{Verdict, sure};
use crate::gallery::session::Entry;
use crate::tui::keys::{Action, Place, Row};
use crate::tui::message::{Effect, Window};
use crate::tui::popup::{Asked, Confirm, Layer, Prompt};
use crate::tui::widgets::list::{Step, moved};

use super::looks::Told;
use super::{Identify, may_name};

/// New photos of a group that are shown below each other at once.
pub(super) const SHOWN_OF_GROUP: usize = 3;
/// Nearest individuals that are shown before a new one is made.
pub(super) const SHOWN_ANEW: usize = 6;
/// Nearest individuals that have a digit beside an encounter.
pub(super) const DIGITS: usize = 9;

/// What is written down of an encounter, as it was proposed.
type Named = (String, Ruling, Proposed);

impl Identify {
    /// The open encounters whose rows read `verdict`.
    fn reading(&self, verdict: Verdict) -> impl Iterator<Item = &Entry> {
        let open = self.entries().iter().filter(|entry| entry.decided.is_none() && !entry.photos.is_empty());
        open.map(|entry| &**entry).filter(move |entry| Identify::reads(entry) == Some(verdict))
    }

    /// What the program may name by itself, and in words which of it it may not, as another of them has the same photo and is
    /// proposed as somebody else.
    fn taken_at_once(&self) -> (Vec<Named>, Vec<String>) {
        let (mut all, mut copies, mut names) = (Vec::new(), Vec::new(), HashMap::new());
        for entry in self.reading(Verdict::Known) {
            let (Some(name), encounter) = (&entry.proposal.individual, &entry.proposal.encounter) else { continue };
            // who was taken first with a photo has its name in all that are taken with it
            let taken = entry.copies.iter().filter_map(|photo| names.get(photo.as_str()));
            let other = taken.copied().find(|(_, as_name): &(&str, &str)| *as_name != name.as_str());
            if let Some((other, as_name)) = other {
                copies.push(format!("{encounter} has a photo of {other}, which is proposed as {as_name}"));
                continue;
            }
            for photo in &entry.copies {
                names.entry(photo.as_str()).or_insert((encounter.as_str(), name.as_str()));
            }
            all.push((encounter.clone(), Ruling::Known(name.clone()), Identify::proposed(entry)));
        }
        (all, copies)
    }

    /// What is to be known before `all` known names are written down unseen: how weak the weakest is, and what stays open.
    fn all_at_once(&self, all: &[Named], copies: &[String]) -> String {
        let weakest = all.iter().filter_map(|(encounter, ruling, proposed)| {
            Some((proposed.probability?, encounter, ruling.individual().unwrap_or_default()))
        });
        let weakest = weakest.min_by(|a, b| a.0.total_cmp(&b.0));
        let weakest = weakest.map_or_else(String::new, |(probability, encounter, name)| {
            let probability = sure(probability);
            format!(" The lowest probability among them is {probability}: {encounter} as {name}.")
        });
        let some = |count: usize, word: &str| (count > 0).then(|| format!("{count} {word}"));
        let unread = self.entries().iter().filter(|entry| entry.decided.is_none() && entry.photos.is_empty());
        let stays = [
            some(self.reading(Verdict::NewIndividual).count(), "new"),
            some(self.reading(Verdict::Look).count(), "to look at"),
            some(copies.len(), "with a photo of another"),
            some(unread.count(), "that cannot be read"),
        ];
        let stays = stays.into_iter().flatten().collect::<Vec<_>>().join(", ");
        let stays = if stays.is_empty() { stays } else { format!(" Open stay: {stays}.") };
        let names = counted(all.len(), "known name");
        let copies =
            copies.first().map_or_else(String::new, |first| format!(" One photo is not two animals: {first}."));
        format!(
            "Write down {names} as proposed, without a look at each?{weakest}{stays}{copies} The log will say: by program; u takes \
             all of them back."
        )
    }

    /// The individuals that a digit puts beside the encounter, as they are shown.
    fn by_digit(&self) -> Vec<&str> {
        if self.anew {
            return self.nearest().into_iter().take(SHOWN_ANEW).map(|(_, near)| near.individual.as_str()).collect();
        }
        self.entry().into_iter().flat_map(Identify::candidates).take(DIGITS).map(|(name, _)| name).collect()
    }

    /// The keys that put somebody beside it, in words.
    pub(super) fn namers(&self) -> String {
        match self.by_digit().len() {
            0 => "/".to_owned(),
            1 => "1, /".to_owned(),
            most => format!("1 to {most}, /"),
        }
    }

    /// The word that the footer has for a key; none where it does nothing here.
    pub(in crate::tui) fn word(&self, row: &Row) -> Option<String> {
        match (row.action, self.place()) {
            (_, Place::Galleries) => {}
            (Action::Take(1), _) => match self.by_digit().len() {
                0 => return None,
                1 => return Some("another".to_owned()),
                most => return Some(format!("to {most} another")),
            },
            (Action::OnlyThis, _) if self.group().len() < 2 => return None,
            _ => {}
        }
        Some(row.short.to_owned())
    }

    /// Does what a key asks for; `Err` says why not.
    pub(in crate::tui) fn act(&mut self, action: Action) -> Result<(Vec<Effect>, Option<Layer>), String> {
        match self.place() {
            Place::Galleries => self.act_on_list(action),
            _ => self.act_on_encounter(action),
        }
    }

    fn act_on_list(&mut self, action: Action) -> Result<(Vec<Effect>, Option<Layer>), String> {
        match action {
            Action::AddGallery => {
                let prompt = Prompt::new(Asked::Gallery, String::new());
                return Ok((Vec::new(), Some(Layer::Prompt(prompt))));
            }
            Action::NewPhotos | Action::Open => {
                let (line, outline) =
                    self.current().ok_or("there is no gallery yet: caretta gallery build makes one")?;
                line.counts.as_ref().map_err(Clone::clone)?;
                if let (Action::Open, Some(outline)) = (action, outline) {
                    let (gallery, folder) = (line.folder.clone(), outline.folder.clone());
                    return Ok((self.see(gallery, folder), None));
                }
                let prompt = Prompt::new(Asked::NewPhotos(line.folder.clone()), String::new());
                return Ok((Vec::new(), Some(Layer::Prompt(prompt))));
            }
            other => {
                if let Some(step) = Step::of(other) {
                    self.at = moved(self.at, self.rows().len(), step);
                }
            }
        }
        Ok((Vec::new(), None))
    }

    fn act_on_encounter(&mut self, action: Action) -> Result<(Vec<Effect>, Option<Layer>), String> {
        // the last place from which photos are shown
        let photos = match self.anew {
            true => (self.group_photos().len() + 1).saturating_sub(self.group().len().clamp(1, SHOWN_OF_GROUP)),
            false => self.entry().map_or(0, |entry| entry.photos.len()),
        };
        let effects = match action {
            Action::Confirm if self.anew => return self.act_on_encounter(Action::New),
            Action::Confirm => {
                if self.is_likely_new() {
                    // the nearest known ones are looked at first
                    self.look_at_nearest(true);
                    return Ok((Vec::new(), None));
                }
                let entry = self.entry().ok_or("there is no encounter yet")?;
                may_name(entry)?;
                let is_as_decided =
                    entry.settled().is_some_and(|decided| self.shown_name() == decided.ruling.individual());
                if is_as_decided && entry.later.is_empty() {
                    let keys = self.namers();
                    return Err(format!(
                        "this one is decided: {keys} and n name it anew, u undoes what was decided last"
                    ));
                }
                let name = self.shown_name().map(str::to_owned).ok_or("the gallery knows nobody: n makes a new one")?;
                self.write(Ruling::Known(name))?
            }
            Action::Take(n) => {
                let entry = self.entry().ok_or("there is no encounter yet")?;
                may_name(entry)?;
                let shown = self.by_digit();
                let taken = shown.get(n - 1).ok_or_else(|| format!("there are {} to take", shown.len()))?;
                let taken = (*taken).to_owned();
                if self.anew {
                    self.look_at_nearest(false);
                }
                (self.picked, self.other) = (Some(taken), 0);
                self.profile_wanted()
            }
            Action::Who => {
                let prompt = Prompt::new(Asked::Known(self.matter()?), String::new());
                return Ok((Vec::new(), Some(Layer::Prompt(prompt))));
            }
            Action::New | Action::OnlyThis => {
                let entry = self.entry().ok_or("there is no encounter yet")?;
                may_name(entry)?;
                if !self.anew {
                    self.look_at_nearest(true);
                    self.flip = None;
                    return Ok((Vec::new(), None));
                }
                let mut group: Vec<String> =
                    self.group().iter().map(|entry| entry.proposal.encounter.clone()).collect();
                if action == Action::OnlyThis {
                    group.truncate(1);
                }
                self.asked_by = self.session.as_ref().map(|session| session.shown());
                let prompt = Prompt::suggesting(Asked::NewName(self.matter()?, group), self.free_name());
                return Ok((Vec::new(), Some(Layer::Prompt(prompt))));
            }
            Action::TakeAll => {
                let session = self.session.as_ref().ok_or("no folder is open")?;
                if self.writing {
                    return Err("the decision before is being written down".to_owned());
                }
                let (all, copies) = self.taken_at_once();
                if all.is_empty() {
                    return Err(
                        "no open encounter is proposed as known: look, new and uncalibrated ones, and copies, need a person"
                            .to_owned(),
                    );
                }
                let question = self.all_at_once(&all, &copies);
                let effect = Effect::RuleAll(session.gallery.clone(), session.folder.clone(), all, session.shown());
                return Ok((Vec::new(), Some(Layer::Confirm(Confirm { question, effect }))));
            }
            Action::Skip => self.write(Ruling::Skipped)?,
            Action::Undo => {
                let session = self.session.as_ref().ok_or("no folder is open")?;
                if self.writing {
                    return Err("the decision before is being written down".to_owned());
                }
                let effect = Effect::UndoRuling(session.gallery.clone(), session.folder.clone());
                self.writing = true;
                vec![effect]
            }
            Action::NextOpen => {
                self.encounter = (self.encounter + 1) % self.entries().len().max(1);
                self.advance_to_open();
                self.profile_wanted()
            }
            Action::Left => {
                self.photo = self.photo.saturating_sub(1);
                Vec::new()
            }
            Action::Right => {
                self.photo = moved(self.photo, photos, Step::By(1));
                Vec::new()
            }
            Action::Pan(right, 0) if self.window == Window::default() => {
                let most = self.profile.as_ref().map_or(1, |profile| profile.photos.len().max(1));
                self.other = (self.other + if right > 0 { 1 } else { most - 1 }) % most;
                Vec::new()
            }
            Action::Flip => {
                self.flip = match self.flip {
                    None => Some(false),
                    Some(shown) => Some(!shown),
                };
                Vec::new()
            }
            Action::ZoomIn | Action::ZoomOut | Action::Pan(..) => {
                self.window = self.window.after(action);
                Vec::new()
            }
            Action::Back if self.anew => {
                self.look_at_nearest(false);
                Vec::new()
            }
            Action::Back if self.flip.take().is_some() => Vec::new(),
            Action::NewPhotos => {
                let gallery = self.session.as_ref().ok_or("no folder is open")?.gallery.clone();
                return Ok((Vec::new(), Some(Layer::Prompt(Prompt::new(Asked::NewPhotos(gallery), String::new())))));
            }
            Action::WriteDecisions => {
                let gallery = self.session.as_ref().ok_or("no folder is open")?.gallery.clone();
                let prompt = Prompt::suggesting(Asked::Decisions(gallery), "decisions.csv".to_owned());
                return Ok((Vec::new(), Some(Layer::Prompt(prompt))));
            }
            Action::Back => {
                (self.session, self.opening, self.profile) = (None, None, None);
                self.told = Told::default();
                self.look_anew();
                Vec::new()
            }
            other => {
                let Some(step) = Step::of(other) else { return Ok((Vec::new(), None)) };
                self.encounter = moved(self.encounter, self.entries().len(), step);
                self.look_anew();
                self.profile_wanted()
            }
        };
        Ok((effects, None))
    }
}
