//! The tab with the datasets: which there are, their numbers, who is in them, and the photos.

pub(super) mod framing;
pub(super) mod view;

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::SystemTime;

use crate::data::counted::counted;
use crate::data::grouped::grouped;
use crate::run::Dataset;

use self::framing::Framing;
use super::keys::{Action, Place};
use super::message::{Amendment, Effect, Scanned, Window};
use super::popup::{Asked, Confirm, Layer, Page, Prompt};
use super::widgets::list::{Step, moved};

/// Which pane has the focus.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) enum Pane {
    /// The list of datasets.
    #[default]
    List,
    /// The individuals of the one chosen.
    Individuals,
    /// The photos of the individual chosen.
    Photos,
}

/// The state of the tab.
#[derive(Debug, Default)]
pub(super) struct Datasets {
    /// All datasets with a name; none while they are read for the first time.
    pub(super) known: Option<Vec<Dataset>>,
    /// Name of the one chosen.
    pub(super) chosen: Option<String>,
    /// Those that were read.
    pub(super) scanned: HashMap<String, Result<Arc<Scanned>, String>>,
    /// Those that are being read, by name, and whether they are to be read once more after that.
    pub(super) scanning: HashMap<String, bool>,
    /// When the table of corrections changed that what is shown goes by.
    pub(super) corrections: Option<SystemTime>,
    /// The pane in focus.
    pub(super) pane: Pane,
    /// Only individuals that hold this text are shown.
    pub(super) filter: String,
    /// Row of the individual chosen, among those shown.
    pub(super) individual: usize,
    /// Place of the photo chosen, among those of the individual.
    pub(super) photo: usize,
    /// The photo chosen has the whole pane.
    pub(super) whole: bool,
    /// The box that is being drawn on it.
    pub(super) framing: Option<Framing>,
    /// It is shown as a network in training sees it.
    pub(super) augmented: Option<Augmented>,
    /// The part of the whole photo that is shown.
    pub(super) window: Window,
}

/// How a photo is shown augmented.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Augmented {
    /// By all augmentations, in some versions.
    Versions,
    /// By each alone.
    Each,
}

impl Datasets {
    /// Where keys go.
    pub(super) fn place(&self) -> Place {
        match self.pane {
            _ if self.whole && self.framing.is_some() => Place::Framing,
            _ if self.whole && self.augmented.is_some() => Place::Augmented,
            _ if self.whole => Place::Photo,
            Pane::List => Place::Datasets,
            Pane::Individuals | Pane::Photos => Place::Individuals,
        }
    }

    /// The dataset chosen: the first where none was.
    pub(super) fn current(&self) -> Option<&Dataset> {
        let known = self.known.as_ref()?;
        known.iter().find(|d| Some(&d.name) == self.chosen.as_ref()).or_else(|| known.first())
    }

    /// What was read of the dataset chosen.
    pub(super) fn scan(&self) -> Option<&Result<Arc<Scanned>, String>> {
        self.scanned.get(&self.current()?.name)
    }

    fn whole_scan(&self) -> Option<&Scanned> {
        self.scan()?.as_ref().ok().map(|scanned| &**scanned)
    }

    /// Places of the individuals shown, in the overview's list.
    pub(super) fn individuals(&self) -> Vec<usize> {
        let Some(scanned) = self.whole_scan() else { return Vec::new() };
        let wanted = self.filter.to_lowercase();
        let all = scanned.overview.individuals_seen.iter().enumerate();
        all.filter(|(_, i)| i.name.to_lowercase().contains(&wanted)).map(|(at, _)| at).collect()
    }

    /// Name of the individual chosen.
    pub(super) fn individual(&self) -> Option<&str> {
        let at = *self.individuals().get(self.individual)?;
        Some(&self.whole_scan()?.overview.individuals_seen[at].name)
    }

    /// Photos of the individual chosen, by encounter and then as the dataset has them.
    pub(super) fn photos(&self) -> Vec<usize> {
        let (Some(name), Some(scanned)) = (self.individual(), self.whole_scan()) else { return Vec::new() };
        let photos = &scanned.manifest.photos;
        let mut of: Vec<usize> = (0..photos.len()).filter(|&i| photos[i].individual == name).collect();
        of.sort_by(|&a, &b| {
            (photos[a].date, &photos[a].encounter).cmp(&(photos[b].date, &photos[b].encounter)).then(a.cmp(&b))
        });
        of
    }

    /// Where the photo chosen lies.
    pub(super) fn photo_path(&self) -> Option<PathBuf> {
        let at = *self.photos().get(self.photo)?;
        Some(self.whole_scan()?.manifest.full_path(at))
    }

    /// The dataset `name` where it is to be read: unless it was, or one is being read. One at a time: a form may turn
    /// through many.
    pub(super) fn next_scan(&mut self, name: &str) -> Option<Dataset> {
        let wanted = self.known.iter().flatten().find(|d| d.name == name)?.clone();
        if self.scanned.contains_key(name) || !self.scanning.is_empty() {
            return None;
        }
        self.scanning.insert(wanted.name.clone(), false);
        Some(wanted)
    }

    /// Takes what was read of `dataset`, and has it read once more where it has changed meanwhile.
    pub(super) fn read(&mut self, dataset: Dataset, scanned: Result<Arc<Scanned>, String>) -> Vec<Effect> {
        let again = self.scanning.remove(&dataset.name).unwrap_or(false);
        // it was forgotten meanwhile, or its name means another folder now
        if !self.known.iter().flatten().any(|known| *known == dataset) {
            return Vec::new();
        }
        let is_current = self.current() == Some(&dataset);
        if again && !is_current {
            return Vec::new();
        }
        self.show(dataset.name.clone(), scanned);
        if again { self.read_again(Some(&dataset.name)) } else { Vec::new() }
    }

    /// Shows what was read of the dataset `name`; the photo chosen stays the one it was, wherever it is now.
    fn show(&mut self, name: String, scanned: Result<Arc<Scanned>, String>) {
        let is_current = self.current().is_some_and(|d| d.name == name);
        let before = self.whole_scan().filter(|_| is_current);
        let photo = before.zip(self.photos().get(self.photo)).map(|(s, &at)| s.manifest.photos[at].path.clone());
        let who = self.individual().map(str::to_owned);
        let was_there = before.is_some();
        self.scanned.insert(name, scanned);
        if !was_there {
            return;
        }
        let new_name = self.whole_scan().and_then(|s| {
            let same = s.manifest.photos.iter().find(|p| Some(&p.path) == photo.as_ref())?;
            Some(same.individual.clone())
        });
        let is_gone = new_name.is_none();
        let wanted = if self.pane == Pane::Photos { new_name.or(who) } else { who };
        let row = |state: &Datasets| {
            let seen = &state.whole_scan()?.overview.individuals_seen;
            state.individuals().iter().position(|&at| Some(&seen[at].name) == wanted.as_ref())
        };
        let found = row(self).or_else(|| {
            // the filter may hide whom it is now
            self.filter.clear(); // `row` finds its place by name
            row(self)
        });
        self.individual = found.unwrap_or_else(|| moved(self.individual, self.individuals().len(), Step::By(0)));
        let place = |state: &Datasets| {
            let photos = &state.whole_scan()?.manifest.photos;
            state.photos().iter().position(|&at| Some(&photos[at].path) == photo.as_ref())
        };
        self.photo = place(self).unwrap_or_else(|| moved(self.photo, self.photos().len(), Step::By(0)));
        if is_gone && self.pane == Pane::Photos {
            (self.whole, self.framing, self.augmented) = (false, None, None);
        }
    }

    /// Has a dataset read again, or all; what is shown stays until that is done.
    pub(super) fn read_again(&mut self, name: Option<&str>) -> Vec<Effect> {
        let Some(current) = self.current().cloned() else { return Vec::new() };
        let is_meant = |n: &String| name.is_none_or(|name| name == n);
        // another one is read when it is looked at, and what could not be read is nothing to go on showing
        self.scanned.retain(|n, scanned| !is_meant(n) || (*n == current.name && scanned.is_ok()));
        self.scanning.iter_mut().filter(|(n, _)| is_meant(n)).for_each(|(_, again)| *again = true);
        let is_read = self.scanned.contains_key(&current.name) && !self.scanning.contains_key(&current.name);
        if !is_meant(&current.name) || !is_read {
            return Vec::new();
        }
        self.scanning.insert(current.name.clone(), false);
        vec![Effect::Scan(current)]
    }

    /// Takes a new list in.
    pub(super) fn take(&mut self, known: Vec<Dataset>) {
        let current = self.current().cloned();
        let before = self.known.replace(known).unwrap_or_default();
        let now = self.known.as_deref().unwrap_or_default();
        // a name that means another folder now was not read
        self.scanned.retain(|name, _| before.iter().any(|d| d.name == *name && now.contains(d)));
        if current.as_ref() != self.current() {
            self.reset();
        }
    }

    /// Chooses the dataset of this name.
    pub(super) fn choose(&mut self, name: &str) {
        self.chosen = Some(name.to_owned());
        self.reset();
    }

    /// Looks at a dataset from its beginning: nothing of the one before is chosen, open or drawn upon.
    fn reset(&mut self) {
        (self.pane, self.individual, self.photo, self.whole) = (Pane::List, 0, 0, false);
        (self.framing, self.augmented, self.window) = (None, None, Window::default());
        self.filter.clear();
    }

    /// Changes the filter; the individual chosen stays chosen where it is still shown.
    pub(super) fn filter_by(&mut self, change: impl FnOnce(&mut String)) {
        let before = self.individuals().get(self.individual).copied();
        change(&mut self.filter);
        match self.individuals().iter().position(|at| Some(*at) == before) {
            Some(row) => self.individual = row,
            None => (self.individual, self.photo) = (0, 0),
        }
    }

    fn step(&mut self, step: Step) {
        match self.pane {
            Pane::List => {
                let Some(known) = &self.known else { return };
                let at = known.iter().position(|d| Some(&d.name) == self.chosen.as_ref()).unwrap_or(0);
                if let Some(next) = known.get(moved(at, known.len(), step)).map(|d| d.name.clone()) {
                    self.choose(&next);
                }
            }
            Pane::Individuals => {
                self.individual = moved(self.individual, self.individuals().len(), step);
                self.photo = 0;
            }
            Pane::Photos => self.photo = moved(self.photo, self.photos().len(), step),
        }
        self.window = Window::default();
        self.framing = None;
    }

    /// The photo chosen: its dataset, and its place in it.
    fn chosen_photo(&self) -> Result<(Dataset, usize), String> {
        let at = self.photos().get(self.photo).copied();
        self.current().cloned().zip(at).ok_or_else(|| "no photo is chosen: Enter opens one".to_owned())
    }

    /// What a key asks for that corrects the photo chosen.
    fn correct(&mut self, action: Action) -> Result<(Vec<Effect>, Option<Layer>), String> {
        let (dataset, at) = self.chosen_photo()?;
        let photo = self.whole_scan().map(|s| s.manifest.photos[at].clone()).ok_or("no dataset has been read")?;
        let ask = |asked, text| Ok((Vec::new(), Some(Layer::Prompt(Prompt::new(asked, text)))));
        let crop = match action {
            Action::Individual => return ask(Asked::Individual(dataset, photo.path), photo.individual),
            Action::Date => {
                let text = photo.date.map(|d| d.to_string()).unwrap_or_default();
                return ask(Asked::Date(dataset, photo.path), text);
            }
            Action::KeepFrame => self.framing.and_then(Framing::crop),
            _ => None,
        };
        self.framing = None;
        Ok((vec![Effect::Correct(dataset, photo.path, Amendment::Crop(crop))], None))
    }

    /// Does what a key asks for; `Err` says why not. A layer is put over the tab where one is needed.
    pub(super) fn act(&mut self, action: Action) -> Result<(Vec<Effect>, Option<Layer>), String> {
        let mut layer = None;
        match action {
            Action::Individual | Action::Date => return self.correct(action),
            Action::Frame => {
                let (_, at) = self.chosen_photo()?;
                let crop = self.whole_scan().and_then(|s| s.crop(at)).map(|(crop, _)| crop);
                self.framing = Some(Framing::of(crop));
                self.window = Window::default();
            }
            Action::KeepFrame | Action::Unframe => return self.correct(action),
            Action::Back if self.framing.take().is_some() => {}
            Action::Back if self.augmented.is_some() => self.augmented = None,
            Action::Augmented => {
                self.augmented = match self.augmented {
                    None => Some(Augmented::Versions),
                    Some(Augmented::Versions) => Some(Augmented::Each),
                    Some(Augmented::Each) => None,
                };
            }
            other if self.framing.is_some() => self.framing = self.framing.map(|f| f.after(other)),
            Action::Problems => {
                let scanned = self.whole_scan().ok_or("no dataset has been read")?;
                let problems = &scanned.overview.problems;
                if problems.is_empty() {
                    return Err("no problem was found in the table; c looks into the photos, too".to_owned());
                }
                // a line a kind first, then each
                let mut lines = grouped(problems);
                if lines.len() < problems.len() {
                    lines.push(String::new());
                    lines.extend(problems.iter().map(ToString::to_string));
                }
                layer = Some(Layer::Page(Page::new(counted(problems.len(), "problem"), lines)));
            }
            Action::Check => {
                let current = self.current().ok_or("there is no dataset to check")?;
                return Ok((vec![Effect::Check(current.clone())], layer));
            }
            Action::Delete => {
                let current = self.current().ok_or("there is no dataset to forget")?;
                current.forgettable().map_err(|e| e.to_string())?;
                layer = Some(Layer::Confirm(Confirm {
                    question: format!("Take {} out of the list? The photos stay where they are.", current.name),
                    effect: Effect::Forget(current.name.clone()),
                }));
            }
            Action::Open => match self.pane {
                Pane::List if self.whole_scan().is_some() => self.pane = Pane::Individuals,
                Pane::Individuals => self.pane = Pane::Photos,
                Pane::Photos => (self.whole, self.window) = (true, Window::default()),
                Pane::List => {}
            },
            Action::Back => match (self.whole, self.pane) {
                (true, _) => (self.whole, self.augmented) = (false, None),
                (false, Pane::Photos) => self.pane = Pane::Individuals,
                (false, _) if !self.filter.is_empty() => self.filter_by(String::clear),
                (false, _) => self.pane = Pane::List,
            },
            Action::NextPane => {
                self.pane = match self.pane {
                    Pane::List => Pane::Individuals,
                    Pane::Individuals => Pane::Photos,
                    Pane::Photos => Pane::List,
                };
                self.whole = false;
            }
            Action::PreviousPane => {
                self.pane = match self.pane {
                    Pane::List => Pane::Photos,
                    Pane::Individuals => Pane::List,
                    Pane::Photos => Pane::Individuals,
                };
                self.whole = false;
            }
            Action::ZoomIn | Action::ZoomOut | Action::Pan(..) => self.window = self.window.after(action),
            Action::Left if self.pane == Pane::Photos => self.step(Step::By(-1)),
            Action::Right if self.pane == Pane::Photos => self.step(Step::By(1)),
            other => {
                if let Some(step) = Step::of(other) {
                    self.step(step);
                }
            }
        }
        Ok((Vec::new(), layer))
    }
}
