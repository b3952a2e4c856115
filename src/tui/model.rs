//! All that the screen knows. Changed by `update` alone, read by `view` alone.

use std::collections::{HashMap, HashSet, VecDeque};
use std::path::PathBuf;
use std::sync::Arc;

use ratatui::layout::Rect;

use crate::nn::ops::device::CardUse;

use super::datasets::Datasets;
use super::evaluate::Evaluate;
use super::graphics::{Graphics, Picture, Protocol};
use super::identify::Identify;
use super::keys::{Keymap, Place, Tab};
use super::message::{Look, PictureKey, Watching, Window};
use super::popup::Layer;
use super::runs::Runs;
use super::system::System;
use super::theme::Theme;

/// The state of the screen.
#[derive(Debug)]
pub(super) struct Model {
    /// The workspace.
    pub(super) workspace: PathBuf,
    /// The person's home folder, which paths show as `~`.
    pub(super) home: Option<PathBuf>,
    /// The tab shown.
    pub(super) tab: Tab,
    /// The tab with the datasets.
    pub(super) datasets: Datasets,
    /// The tab with the runs.
    pub(super) runs: Runs,
    /// The tab with the evaluations.
    pub(super) evaluate: Evaluate,
    /// The tab with the machine.
    pub(super) system: System,
    /// The tab where new photos get their names.
    pub(super) identify: Identify,
    /// What lies over the tab, the topmost last.
    pub(super) layers: Vec<Layer>,
    /// Photos at their sizes.
    pub(super) pictures: Pictures,
    /// The last thing said, and whether it is something wrong.
    pub(super) notice: Option<(String, bool)>,
    /// When that was, in seconds since 1970.
    noticed_at: f64,
    /// Something long that goes on.
    pub(super) progress: Option<String>,
    /// What was said, the newest last.
    pub(super) log: VecDeque<String>,
    /// The present, in seconds since 1970.
    pub(super) now: f64,
    /// Columns and rows of the terminal.
    pub(super) size: (u16, u16),
    /// Colours.
    pub(super) theme: Theme,
    /// Keys.
    pub(super) keymap: Keymap,
    /// Pictures are shown at all.
    pub(super) images: bool,
    /// What the terminal draws pictures with, where it is finer than cells.
    pub(super) graphics: Option<Graphics>,
    /// How it ends, once it does.
    pub(super) ending: Option<Ending>,
    /// The card that there is.
    pub(super) card: Option<CardUse>,
    /// What was last asked to be looked at.
    pub(super) watched: Watching,
}

/// How the screen ends.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Ending {
    /// It was left.
    Left,
    /// The terminal has gone, or the process was told to end.
    Gone,
    /// A thread panicked, saying this.
    Broken(String),
}

impl Model {
    /// A screen that knows nothing yet.
    pub(super) fn new(workspace: PathBuf, theme: Theme, keymap: Keymap, size: (u16, u16), now: f64) -> Model {
        Model {
            workspace,
            home: None,
            tab: Tab::Runs,
            datasets: Datasets::default(),
            runs: Runs::default(),
            evaluate: Evaluate::default(),
            system: System::default(),
            identify: Identify::default(),
            layers: Vec::new(),
            pictures: Pictures::default(),
            notice: None,
            noticed_at: now,
            progress: None,
            log: VecDeque::new(),
            now,
            size,
            theme,
            keymap,
            images: true,
            graphics: None,
            ending: None,
            card: None,
            watched: Watching::default(),
        }
    }

    /// The workspace as the header shows it.
    pub(super) fn shown_workspace(&self) -> String {
        let below = self.home.as_ref().and_then(|home| self.workspace.strip_prefix(home).ok());
        below.map_or_else(|| self.workspace.display().to_string(), |below| format!("~/{}", below.display()))
    }

    /// The whole screen.
    pub(super) fn area(&self) -> Rect {
        Rect::new(0, 0, self.size.0, self.size.1)
    }

    /// Devices that a form offers.
    pub(super) fn devices(&self) -> Vec<String> {
        let card = self.card.iter().map(|_| "cuda:0");
        ["auto", "cpu"].into_iter().chain(card).map(str::to_owned).collect()
    }

    /// Whether there is nothing in the workspace: no dataset, no run.
    pub(super) fn is_first_start(&self) -> bool {
        let no_runs = self.runs.all.as_ref().is_some_and(Vec::is_empty);
        no_runs && self.datasets.known.as_ref().is_some_and(Vec::is_empty)
    }

    /// Where keys go.
    pub(super) fn place(&self) -> Place {
        match self.tab {
            Tab::Datasets | Tab::Runs if self.is_first_start() => Place::First,
            Tab::Datasets => self.datasets.place(),
            Tab::Runs => self.runs.place(),
            Tab::Evaluate => self.evaluate.place(),
            Tab::System => Place::System,
            Tab::Identify => self.identify.place(),
        }
    }

    /// What pictures are drawn with now, where that is finer than cells: a box is drawn over cells.
    pub(super) fn finer(&self) -> Option<Graphics> {
        self.graphics.filter(|_| self.tab != Tab::Datasets || self.datasets.framing.is_none())
    }

    /// A wish for the photo at `path` in so many cells.
    pub(super) fn picture_key(&self, path: PathBuf, mut cells: (u16, u16), window: Window) -> PictureKey {
        let finer = self.finer();
        let pixels = finer.map_or((1, 2), |graphics| graphics.cell);
        if finer.is_some_and(|graphics| graphics.protocol == Protocol::Sixel) {
            // xterm takes sixels no wider than this
            cells.0 = cells.0.min((996 / pixels.0).max(1));
        }
        PictureKey { path, cells, pixels, protocol: finer.map(|g| g.protocol), window, look: Look::File }
    }

    /// Says something at the bottom of the screen, and keeps it in the log.
    pub(super) fn say(&mut self, text: String, wrong: bool) {
        self.log.push_back(format!("{} {text}", super::widgets::text::clock(self.now)));
        // more than anybody reads; a screen may live for weeks
        if self.log.len() > 1000 {
            self.log.pop_front();
        }
        (self.notice, self.noticed_at) = (Some((text, wrong)), self.now);
    }

    /// It is `now`. What was said goes after a while, as a key takes it away at once: what is done sooner than what is
    /// wrong. The log keeps both.
    pub(super) fn tick(&mut self, now: f64) {
        self.now = now;
        let patience = if self.notice.as_ref().is_some_and(|(_, wrong)| *wrong) { 300.0 } else { 20.0 };
        if now - self.noticed_at > patience {
            self.notice = None;
        }
    }

    /// What is to be looked at now.
    pub(super) fn watching(&self) -> Watching {
        Watching {
            runs: self.runs.watching(),
            seen: self.tab == Tab::Runs,
            evaluations: self.tab == Tab::Evaluate,
            system: self.tab == Tab::System,
            galleries: self.tab == Tab::Identify && self.identify.session.is_none(),
            session: (self.tab == Tab::Identify).then(|| self.identify.opening.clone()).flatten(),
        }
    }
}

/// Photos at their sizes, as many as fit a bounded memory.
#[derive(Debug, Default)]
pub(super) struct Pictures {
    ready: HashMap<PictureKey, (u64, Result<Arc<Picture>, String>)>,
    asked: HashSet<PictureKey>,
    bytes: usize,
    clock: u64,
}

/// Most memory that pictures take.
const MOST_BYTES: usize = 64 << 20;

impl Pictures {
    /// The picture, if it is ready; the error says why it cannot be.
    pub(super) fn get(&self, key: &PictureKey) -> Option<&Result<Arc<Picture>, String>> {
        self.ready.get(key).map(|(_, picture)| picture)
    }

    /// Notes what is shown now. What is to be asked for: none where nothing is missing or all that is missing has been
    /// asked for already.
    pub(super) fn want(&mut self, shown: &[PictureKey]) -> Option<Vec<PictureKey>> {
        self.clock += 1;
        for key in shown {
            if let Some((used, _)) = self.ready.get_mut(key) {
                *used = self.clock;
            }
        }
        let missing: Vec<_> = shown.iter().filter(|key| !self.ready.contains_key(*key)).cloned().collect();
        if missing.is_empty() || missing.iter().all(|key| self.asked.contains(key)) {
            return None;
        }
        self.asked = missing.iter().cloned().collect();
        Some(missing)
    }

    /// Takes a picture in; those not shown for longest make room.
    pub(super) fn put(&mut self, key: PictureKey, picture: Result<Arc<Picture>, String>) {
        let size = |p: &Result<Arc<Picture>, String>| p.as_ref().map_or(64, |p| p.size());
        self.asked.remove(&key);
        self.bytes += size(&picture);
        if let Some((_, before)) = self.ready.insert(key, (self.clock, picture)) {
            self.bytes -= size(&before);
        }
        while self.bytes > MOST_BYTES && self.ready.len() > 1 {
            let oldest = self.ready.iter().min_by_key(|(_, (used, _))| *used).map(|(key, _)| key.clone());
            let Some((_, gone)) = oldest.and_then(|key| self.ready.remove(&key)) else { break };
            self.bytes -= size(&gone);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(n: usize) -> PictureKey {
        PictureKey {
            path: format!("{n}.jpg").into(),
            cells: (10, 5),
            pixels: (1, 2),
            protocol: None,
            window: Window::default(),
            look: Look::File,
        }
    }

    #[test]
    fn pictures_are_asked_for_once_and_bounded() {
        let mut pictures = Pictures::default();
        assert_eq!(pictures.want(&[key(1), key(2)]), Some(vec![key(1), key(2)]));
        assert_eq!(pictures.want(&[key(1), key(2)]), None, "asked already");
        let large = || Ok(Arc::new(Picture::new(image::RgbImage::new(2000, 2000), None)));
        pictures.put(key(1), large());
        assert_eq!(pictures.want(&[key(1), key(2)]), None);
        assert_eq!(pictures.want(&[key(1), key(2), key(3)]), Some(vec![key(2), key(3)]));
        for n in 2..20 {
            pictures.put(key(n), large());
            pictures.want(&[key(1), key(n)]);
        }
        assert!(pictures.bytes <= MOST_BYTES && pictures.ready.len() >= 2, "{}", pictures.bytes);
        assert!(pictures.get(&key(1)).is_some(), "what is shown stays");
        assert!(pictures.get(&key(2)).is_none());
    }
}
