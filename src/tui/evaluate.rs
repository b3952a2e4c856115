//! The tab with the evaluations: which there are, their figures, and the photos that were matched rightly and wrongly.

pub(super) mod view;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::eval::embeddings::{EmbeddingSet, PhotoRow};
use crate::eval::projection::Projected;
use crate::eval::report::Report;
use crate::eval::retrieval::{Match, Ranked, Retrieval, distance};
use crate::run::Status;

use super::keys::{Action, Place};
use super::message::{Effect, Window};
use super::widgets::list::{Step, moved};

/// A line in the list: an evaluation, or a run that has none yet.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Evaluation {
    /// Id of the run.
    pub(super) run: String,
    /// What a person calls it.
    pub(super) run_name: String,
    /// Name of the evaluation; none where the run has none.
    pub(super) name: Option<String>,
    /// Where it lies.
    pub(super) folder: PathBuf,
    /// The photos of its run.
    pub(super) photos: PathBuf,
    /// How it stands.
    pub(super) status: Status,
    /// Photos embedded, of how many.
    pub(super) done: (usize, usize),
    /// Why it stands so, where that says something.
    pub(super) reason: String,
    /// Rank-1 of its report.
    pub(super) rank1: Option<f64>,
    /// Mean average precision of its report.
    pub(super) map: Option<f64>,
    /// Rank-1 with photos of the query's own encounter.
    pub(super) careless: Option<f64>,
}

/// An evaluation with all that its views show.
#[derive(Debug)]
pub(super) struct Opened {
    /// What it says.
    pub(super) report: Report,
    /// The embeddings and their photos.
    pub(super) set: EmbeddingSet,
    /// The ranking that the report stands for.
    pub(super) retrieval: Retrieval,
    /// Where it lies.
    pub(super) folder: PathBuf,
    /// The embedding on a plane, by principal components.
    pub(super) projected: Projected,
    /// Each individual asked about: name, queries, rank-1.
    pub(super) individuals: Vec<(String, usize, f64)>,
    /// The number of each photo's individual, in the order of their names.
    pub(super) numbers: Vec<usize>,
    /// The individuals' names, by their numbers.
    pub(super) names: Vec<String>,
    /// The folder that the photos' paths start from.
    pub(super) root: PathBuf,
}

/// Photos whose embedding the screen lays out by neighbours: some ten seconds.
const MOST_LAID_OUT: usize = 10_000;

/// Photos shown beside the one under the cursor of the embedding.
const NEAREST: usize = 5;

/// The individuals' names in order, and of each photo its individual's place among them.
pub(super) fn numbers(rows: &[PhotoRow]) -> (Vec<String>, Vec<usize>) {
    let mut names: Vec<&str> = rows.iter().map(|row| row.individual.as_str()).collect();
    names.sort_unstable();
    names.dedup();
    let numbers = rows.iter().map(|row| names.binary_search(&row.individual.as_str()).unwrap_or(0)).collect();
    (names.into_iter().map(str::to_owned).collect(), numbers)
}

impl Opened {
    /// Where the photo of a row lies.
    pub(super) fn path(&self, row: usize) -> PathBuf {
        self.root.join(&self.set.rows[row].photo)
    }

    /// The photo of a row.
    pub(super) fn photo(&self, row: usize) -> &PhotoRow {
        &self.set.rows[row]
    }

    /// The encounter of a row without the individual that it begins with.
    pub(super) fn when(&self, row: usize) -> &str {
        let photo = self.photo(row);
        let when = photo.encounter.strip_prefix(photo.individual.as_str()).unwrap_or(&photo.encounter).trim_start();
        // an encounter of its own is named by the photo, which is no date
        if when.contains('/') { "" } else { when }
    }
}

/// Whether the nearest photo of a query is another individual though a right one was there.
pub(super) fn is_mistake(query: &Ranked) -> bool {
    query.relevant > 0 && query.first_correct != Some(1)
}

/// What of an evaluation is shown.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) enum View {
    /// Queries with their matches.
    #[default]
    Queries,
    /// The figures.
    Report,
    /// The embedding.
    Scatter,
}

/// The state of the tab.
#[derive(Debug, Default)]
pub(super) struct Evaluate {
    /// All evaluations; none while they are listed for the first time.
    pub(super) list: Option<Vec<Evaluation>>,
    /// The row chosen.
    pub(super) at: usize,
    /// Id of the run to choose once it is listed.
    wanted: Option<String>,
    /// Only rows of the list that hold this text are shown.
    filter: String,
    /// Only queries of individuals that hold this text are shown.
    query_filter: String,
    /// The individual looked for in the embedding.
    sought: String,
    /// The folder of the evaluation that others are compared with.
    pub(super) marked: Option<PathBuf>,
    /// The evaluation that is open.
    pub(super) opened: Option<Arc<Opened>>,
    /// The one that is being opened.
    pub(super) opening: Option<PathBuf>,
    /// What of it is shown.
    pub(super) view: View,
    /// Only queries that went wrong.
    pub(super) only_mistakes: bool,
    /// The query chosen, among those shown.
    pub(super) query: usize,
    /// The match chosen.
    pub(super) hit: usize,
    /// Query and match have the whole screen.
    pub(super) pair: bool,
    /// The two photos of a pair in one place: false the query, true the match.
    pub(super) flip: Option<bool>,
    /// The part of both photos of a pair that is shown.
    pub(super) window: Window,
    /// First line of the report that is shown.
    pub(super) scroll: usize,
    /// The report's charts have the place of its lines.
    pub(super) charts: bool,
    /// The embedding is shown by its neighbours (t-SNE) rather than by its components.
    by_neighbours: bool,
    /// That picture is being made.
    laying_out: bool,
    /// That picture, once it is made.
    neighbours: Option<Projected>,
    /// The photo under the cursor of the embedding.
    pub(super) point: usize,
    /// The photos nearest to it, with their distances, and which it was then.
    near: Option<(usize, Vec<(usize, f64)>)>,
}

impl Evaluate {
    /// Where keys go.
    pub(super) fn place(&self) -> Place {
        match (&self.opened, self.view) {
            (None, _) => Place::Evaluations,
            (Some(_), _) if self.pair => Place::Pair,
            (Some(_), View::Queries) => Place::Queries,
            (Some(_), View::Report) => Place::Report,
            (Some(_), View::Scatter) => Place::Scatter,
        }
    }

    /// The rows of the list.
    pub(super) fn shown(&self) -> Vec<&Evaluation> {
        let wanted = self.filter.to_lowercase();
        let holds = |e: &&Evaluation| {
            let words = [Some(&e.run_name), Some(&e.run), e.name.as_ref()];
            words.into_iter().flatten().any(|word| word.to_lowercase().contains(&wanted))
        };
        self.list.iter().flatten().filter(holds).collect()
    }

    /// The row chosen.
    pub(super) fn current(&self) -> Option<&Evaluation> {
        self.shown().get(self.at).copied()
    }

    /// Chooses the run of this id, now or when it is listed, and shows the list.
    pub(super) fn choose(&mut self, run: &str) {
        (self.opened, self.view, self.pair) = (None, View::Queries, false);
        self.filter_by(String::clear);
        match self.shown().iter().position(|e| e.run == run) {
            Some(at) => self.at = at,
            None => self.wanted = Some(run.to_owned()),
        }
    }

    /// Takes a new list in; the row chosen stays the one it was.
    pub(super) fn take(&mut self, list: Vec<Evaluation>) {
        let chosen = self.current().map(|e| (e.run.clone(), e.folder.clone()));
        self.list = Some(list);
        let place = |at: &(String, PathBuf)| {
            let shown = self.shown();
            let same = shown.iter().position(|e| e.run == at.0 && e.folder == at.1);
            // a run's first evaluation takes the place of the line that said there is none
            same.or_else(|| shown.iter().position(|e| e.run == at.0))
        };
        if let Some(at) = chosen.as_ref().and_then(place) {
            self.at = at;
        }
        if let Some(run) = self.wanted.take() {
            match self.shown().iter().position(|e| e.run == run) {
                Some(at) => self.at = at,
                None => self.wanted = Some(run),
            }
        }
        self.at = moved(self.at, self.shown().len(), Step::By(0));
    }

    /// The embedding of `opened` as it is shown: by neighbours where that is asked for and made.
    pub(super) fn projected<'a>(&'a self, opened: &'a Opened) -> &'a Projected {
        self.neighbours.as_ref().filter(|_| self.by_neighbours).unwrap_or(&opened.projected)
    }

    /// Takes the embedding by neighbours of the evaluation in `folder`; whether that is still open.
    pub(super) fn take_neighbours(&mut self, folder: &Path, projected: Projected) -> bool {
        // another evaluation may have come into the folder meanwhile
        let fits = |opened: &Arc<Opened>| opened.folder == folder && opened.set.len() == projected.points.len();
        let is_open = self.opened.as_ref().is_some_and(fits);
        if is_open {
            (self.neighbours, self.laying_out) = (Some(projected), false);
        }
        is_open
    }

    /// Takes an evaluation that was opened.
    pub(super) fn open(&mut self, opened: Arc<Opened>) {
        let (list, filter, wanted) = (self.list.take(), std::mem::take(&mut self.filter), self.wanted.take());
        let marked = self.marked.take();
        *self = Evaluate { list, at: self.at, filter, wanted, marked, opened: Some(opened), ..Evaluate::default() };
    }

    /// The text that rows must hold, where keys go now; in the embedding, whom it is to show.
    pub(super) fn filter(&self) -> &str {
        match self.place() {
            Place::Evaluations => &self.filter,
            Place::Scatter => &self.sought,
            _ => &self.query_filter,
        }
    }

    /// Changes that text; the row chosen stays chosen where it is still shown. The embedding goes to whom it names.
    pub(super) fn filter_by(&mut self, change: impl FnOnce(&mut String)) {
        match self.place() {
            Place::Evaluations => {
                let key = |e: &Evaluation| (e.run.clone(), e.folder.clone());
                let before = self.current().map(key);
                change(&mut self.filter);
                let place = self.shown().iter().position(|e| before.as_ref() == Some(&key(e)));
                self.at = place.unwrap_or(0);
            }
            Place::Scatter => {
                change(&mut self.sought);
                self.seek();
            }
            _ => {
                let before = self.queries().get(self.query).copied();
                change(&mut self.query_filter);
                match self.queries().iter().position(|at| Some(*at) == before) {
                    Some(place) => self.query = place,
                    None => (self.query, self.hit, self.window) = (0, 0, Window::default()),
                }
            }
        }
    }

    /// To a photo of the individual whose name begins with what is sought, or else holds it.
    fn seek(&mut self) {
        let (Some(opened), wanted) = (&self.opened, self.sought.to_lowercase()) else { return };
        let named = |fits: &dyn Fn(&str) -> bool| {
            opened.set.rows.iter().position(|row| fits(row.individual.to_lowercase().as_str()))
        };
        if wanted.is_empty() {
            return;
        }
        let found = named(&|name| name.starts_with(&wanted)).or_else(|| named(&|name| name.contains(&wanted)));
        self.point = found.unwrap_or(self.point);
    }

    /// The queries shown, by their place in the ranking.
    pub(super) fn queries(&self) -> Vec<usize> {
        let Some(opened) = &self.opened else { return Vec::new() };
        let wanted = self.query_filter.to_lowercase();
        let queries = opened.retrieval.queries.iter().enumerate();
        queries
            .filter(|(_, q)| !self.only_mistakes || is_mistake(q))
            .filter(|(_, q)| opened.photo(q.query).individual.to_lowercase().contains(&wanted))
            .map(|(at, _)| at)
            .collect()
    }

    /// The query chosen.
    pub(super) fn ranked(&self) -> Option<&Ranked> {
        let at = *self.queries().get(self.query)?;
        self.opened.as_ref()?.retrieval.queries.get(at)
    }

    /// The match chosen.
    pub(super) fn matched(&self) -> Option<Match> {
        self.ranked()?.nearest.get(self.hit).copied()
    }

    fn step(&mut self, step: Step) {
        match self.place() {
            Place::Evaluations => self.at = moved(self.at, self.shown().len(), step),
            Place::Report => {
                // what is too far is taken back once the lines are known: `update` does
                self.scroll = match step {
                    Step::By(by) => self.scroll.saturating_add_signed(by),
                    Step::First => 0,
                    Step::Last => usize::MAX,
                };
            }
            Place::Scatter => {}
            _ => {
                self.query = moved(self.query, self.queries().len(), step);
                (self.hit, self.window) = (0, Window::default());
            }
        }
    }

    fn mistake(&mut self, forward: bool) -> Result<(), String> {
        let Some(opened) = self.opened.clone() else { return Ok(()) };
        let shown = self.queries();
        let wrong = |place: &usize| is_mistake(&opened.retrieval.queries[shown[*place]]);
        let found = if forward {
            (self.query + 1..shown.len()).find(wrong)
        } else {
            (0..self.query.min(shown.len())).rev().find(wrong)
        };
        let other = if forward { "no further mistake" } else { "no mistake before this one" };
        self.query = found.ok_or(other)?;
        self.hit = 0;
        Ok(())
    }

    /// To the nearest point that lies mostly in this direction.
    fn over(&mut self, dx: f64, dy: f64) {
        let Some(opened) = &self.opened else { return };
        let points = &self.projected(opened).points;
        let Some(&[x, y]) = points.get(self.point) else { return };
        let ahead = points.iter().enumerate().filter_map(|(at, &[px, py])| {
            let (along, aside) = ((px - x) * dx + (py - y) * dy, ((px - x) * dy + (py - y) * dx).abs());
            (along > 1e-9 && aside <= along * 1.5).then_some((at, along.hypot(aside * 2.0)))
        });
        if let Some((at, _)) = ahead.min_by(|a, b| a.1.total_cmp(&b.1)) {
            self.point = at;
        }
    }

    /// Finds the photos nearest to the one under the cursor, where that is shown and another than before: thousands of
    /// distances, which no frame is to wait for.
    pub(super) fn look_around(&mut self) {
        let Some(opened) = self.opened.as_ref().filter(|_| self.view == View::Scatter) else { return };
        if self.near.as_ref().is_some_and(|(point, _)| *point == self.point) || self.point >= opened.set.len() {
            return;
        }
        let from = opened.set.vector(self.point);
        let others = (0..opened.set.len()).filter(|row| *row != self.point);
        let mut all: Vec<(usize, f64)> = others.map(|row| (row, distance(from, opened.set.vector(row)))).collect();
        all.sort_by(|a, b| a.1.total_cmp(&b.1).then(a.0.cmp(&b.0)));
        all.truncate(NEAREST);
        self.near = Some((self.point, all));
    }

    /// What was found nearest to the photo under the cursor.
    pub(super) fn near(&self) -> &[(usize, f64)] {
        self.near.as_ref().map_or(&[], |(_, near)| near)
    }

    /// Does what a key asks for; `Err` says why not.
    pub(super) fn act(&mut self, action: Action) -> Result<Vec<Effect>, String> {
        let place = self.place();
        let hits = self.ranked().map_or(0, |q| q.nearest.len());
        match (action, place) {
            (Action::Evaluate, Place::Evaluations) => {
                let current = self.current().ok_or("there is no trained run yet")?;
                return Ok(vec![Effect::Evaluate(current.run.clone(), Vec::new())]);
            }
            (Action::Stop, Place::Evaluations) => {
                let current = self.current().filter(|e| e.name.is_some()).ok_or("no evaluation goes on here")?;
                if !current.status.is_live() {
                    return Err(format!("this evaluation is {}: there is nothing to stop", current.status));
                }
                return Ok(vec![Effect::StopEvaluation(current.folder.clone())]);
            }
            (Action::Mark, Place::Evaluations) => {
                let folder =
                    self.current().filter(|e| e.rank1.is_some()).ok_or("there is no report here")?.folder.clone();
                self.marked = if self.marked.as_ref() == Some(&folder) { None } else { Some(folder) };
            }
            (Action::Difference, Place::Evaluations) => {
                let chosen =
                    self.current().filter(|e| e.rank1.is_some()).ok_or("there is no report here")?.folder.clone();
                let other = self.marked.clone().filter(|marked| *marked != chosen);
                let other = other.ok_or("mark another evaluation with space: this one is compared with that")?;
                return Ok(vec![Effect::Compare([other, chosen])]);
            }
            (Action::Open, Place::Evaluations) => {
                let current = self.current().ok_or("there is no evaluation yet")?.clone();
                if current.rank1.is_none() && current.status != Status::Finished {
                    return Err("there is no report yet: e measures the run".to_owned());
                }
                self.opening = Some(current.folder.clone());
                return Ok(vec![Effect::Open(Box::new(current))]);
            }
            (Action::Open, Place::Queries) if hits > 0 => {
                (self.pair, self.flip, self.window) = (true, None, Window::default())
            }
            (Action::Open, Place::Scatter) => {
                let queries = self.opened.as_ref().map(|o| o.retrieval.queries.as_slice()).unwrap_or_default();
                let at = queries.iter().position(|q| q.query == self.point);
                let at = at.ok_or("this photo is of the gallery and no query")?;
                (self.view, self.only_mistakes, self.query, self.hit) = (View::Queries, false, at, 0);
                self.query_filter.clear();
            }
            (Action::View, _) => {
                self.pair = false;
                self.view = match self.view {
                    View::Queries => View::Report,
                    View::Report => View::Scatter,
                    View::Scatter => View::Queries,
                };
            }
            (Action::NextPane | Action::PreviousPane, Place::Report) => self.charts = !self.charts,
            (Action::NextPane | Action::PreviousPane, Place::Scatter) => {
                self.by_neighbours = !self.by_neighbours;
                let Some(opened) = self.opened.as_ref().filter(|_| self.by_neighbours && self.neighbours.is_none())
                else {
                    return Ok(Vec::new());
                };
                if opened.set.len() > MOST_LAID_OUT {
                    self.by_neighbours = false;
                    return Err(format!(
                        "more than {MOST_LAID_OUT} photos: caretta plot --projection tsne has the time"
                    ));
                }
                if !std::mem::replace(&mut self.laying_out, true) {
                    return Ok(vec![Effect::Neighbours(opened.folder.clone())]);
                }
            }
            (Action::OnlyMistakes, _) => {
                self.only_mistakes = !self.only_mistakes;
                (self.query, self.hit) = (0, 0);
            }
            (Action::NextMistake, _) => self.mistake(true)?,
            (Action::PreviousMistake, _) => self.mistake(false)?,
            (Action::Left, Place::Queries | Place::Pair) => self.hit = self.hit.saturating_sub(1),
            (Action::Right, Place::Queries | Place::Pair) => self.hit = moved(self.hit, hits, Step::By(1)),
            (Action::Left, Place::Scatter) => self.over(-1.0, 0.0),
            (Action::Right, Place::Scatter) => self.over(1.0, 0.0),
            (Action::Up, Place::Scatter) => self.over(0.0, 1.0),
            (Action::Down, Place::Scatter) => self.over(0.0, -1.0),
            (Action::Flip, Place::Pair) => {
                self.flip = match self.flip {
                    None => Some(false),
                    Some(shown) => Some(!shown),
                }
            }
            (Action::ZoomIn | Action::ZoomOut | Action::Pan(..), Place::Pair) => {
                self.window = self.window.after(action)
            }
            (Action::Back, Place::Pair) if self.flip.take().is_some() => {}
            (Action::Back, Place::Pair) => self.pair = false,
            (Action::Back, Place::Evaluations) => self.filter_by(String::clear),
            (Action::Back, Place::Queries) if !self.query_filter.is_empty() => self.filter_by(String::clear),
            (Action::Back, _) => (self.opened, self.view) = (None, View::Queries),
            (other, _) => {
                if let Some(step) = Step::of(other) {
                    self.step(step);
                }
            }
        }
        Ok(Vec::new())
    }
}
