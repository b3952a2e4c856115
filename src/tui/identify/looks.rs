//! Looks at the photos of the folder that is open: asked for when it is opened, and again when its files are others.

use std::path::PathBuf;

use crate::data::counted::counted;
use crate::tui::message::Effect;

use super::Identify;

/// What was told of photos that cannot be read.
#[derive(Debug, Default)]
pub(in crate::tui) struct Told {
    problems: Vec<String>,
    /// In which words; empty where there are none.
    pub(in crate::tui) words: String,
}

impl Identify {
    /// Opens `folder`, and has its photos looked at.
    pub(in crate::tui) fn see(&mut self, gallery: PathBuf, folder: PathBuf) -> Vec<Effect> {
        let of = (gallery.clone(), folder.clone());
        (self.opening, self.seeing, self.seen) = (Some(of.clone()), Some(of), None);
        vec![Effect::Session(gallery.clone(), folder.clone()), Effect::See(gallery, folder)]
    }

    /// Has the photos of `of` looked at again, as far as it is open and nobody does.
    pub(in crate::tui) fn see_again(&mut self, of: (PathBuf, PathBuf)) -> Vec<Effect> {
        if self.seeing.is_some() || self.opening.as_ref() != Some(&of) {
            return Vec::new();
        }
        self.seeing = Some(of.clone());
        vec![Effect::See(of.0, of.1)]
    }

    /// A look that was asked for has ended.
    pub(in crate::tui) fn looked(&mut self, of: &(PathBuf, PathBuf)) {
        if self.seeing.as_ref() == Some(of) {
            (self.seeing, self.seen) = (None, None);
        }
    }

    /// So many photos of `of` are seen.
    pub(in crate::tui) fn seen_so_far(&mut self, of: (PathBuf, PathBuf), seen: Option<(usize, usize)>) {
        if self.opening == Some(of) {
            self.seen = seen;
        }
    }

    /// Whether somebody looks at photos of the folder that is open, or is about to.
    pub(in crate::tui) fn is_looked_at(&self) -> bool {
        let is_seen = self.seeing.is_some() && self.seeing == self.opening;
        is_seen || self.session.as_ref().is_some_and(|session| session.looking)
    }

    /// How many photos are seen, in words; empty where nobody says.
    pub(in crate::tui) fn seen_in_words(&self) -> String {
        self.seen.map_or_else(String::new, |(done, all)| format!(": {done} of {}", counted(all, "photo")))
    }

    /// What is to be said of photos that cannot be read, empty where there are none, and whether others than before are among them;
    /// none where all is told.
    pub(in crate::tui) fn unread_news(&mut self) -> Option<(String, bool)> {
        let problems = &self.session.as_ref()?.problems;
        if *problems == self.told.problems {
            return None;
        }
        let has_more = problems.iter().any(|problem| !self.told.problems.contains(problem));
        let others = if problems.len() > 1 { "; the others are told beside their encounters" } else { "" };
        let words = problems.first().map_or_else(String::new, |first| {
            format!("{} cannot be read: {first}{others}", counted(problems.len(), "photo"))
        });
        self.told = Told { problems: problems.clone(), words: words.clone() };
        Some((words, has_more))
    }
}
