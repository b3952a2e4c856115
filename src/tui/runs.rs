//! The tab with the runs: a table, the figures of the one chosen, and what can be done with it.

pub(super) mod series;
pub(super) mod view;

use std::collections::{BTreeSet, HashMap, VecDeque};

use crate::run::manage::{self, Rest};
use crate::run::{RunSummary, Status};

use self::series::{Along, Series};
use super::keys::{Action, Place};
use super::message::{Effect, News, Purpose};
use super::popup::{Asked, Confirm, Layer, Prompt};
use super::widgets::list::{Step, moved};

/// Lines of a log that are kept.
const LOG_LINES: usize = 500;

/// How the table is sorted.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Sort {
    /// Live runs first, then the best rank-1.
    #[default]
    Best,
    /// The newest first.
    Newest,
    /// By name.
    Name,
    /// By status.
    Status,
}

impl Sort {
    /// The words for the table's head.
    pub(super) fn words(self) -> &'static str {
        match self {
            Sort::Best => "by best rank-1",
            Sort::Newest => "newest first",
            Sort::Name => "by name",
            Sort::Status => "by status",
        }
    }

    fn next(self) -> Sort {
        match self {
            Sort::Best => Sort::Newest,
            Sort::Newest => Sort::Name,
            Sort::Name => Sort::Status,
            Sort::Status => Sort::Best,
        }
    }
}

/// How charts are drawn.
#[derive(Debug, Clone, PartialEq, serde::Serialize, serde::Deserialize)]
#[serde(default)]
pub(super) struct Charts {
    /// How much of what was before stays, from 0.
    pub(super) smoothing: f32,
    /// The loss on a logarithmic axis.
    pub(super) log: bool,
    /// What runs along the bottom.
    pub(super) along: Along,
    /// Shares of the whole that are shown, from and to.
    #[serde(skip, default = "whole")]
    pub(super) window: (f64, f64),
    /// The cursor as a share of the window.
    #[serde(skip)]
    pub(super) cursor: Option<f64>,
    /// The marked runs beside the chosen one.
    pub(super) overlay: bool,
}

impl Default for Charts {
    fn default() -> Charts {
        Charts { smoothing: 0.0, log: true, along: Along::Epoch, window: whole(), cursor: None, overlay: false }
    }
}

/// All of a run.
fn whole() -> (f64, f64) {
    (0.0, 1.0)
}

/// What of a run its pane shows.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) enum RunView {
    /// Its figures, with the end of its log.
    #[default]
    Charts,
    /// Its log.
    Log,
    /// Its checkpoints.
    Checkpoints,
}

/// A run whose metrics and log are read.
#[derive(Debug, Default)]
pub(super) struct Followed {
    /// Its figures.
    pub(super) series: Series,
    /// The end of its log.
    pub(super) log: VecDeque<String>,
    /// Its checkpoints: name, bytes, when.
    pub(super) checkpoints: Vec<(String, u64, f64)>,
    /// All there is has been read.
    pub(super) whole: bool,
}

/// The state of the tab.
#[derive(Debug)]
pub(super) struct Runs {
    /// All runs; none while they are read for the first time.
    pub(super) all: Option<Vec<RunSummary>>,
    /// When they were read.
    pub(super) read_at: f64,
    /// Id of the one chosen.
    pub(super) chosen: Option<String>,
    /// Only runs that hold this text are shown.
    pub(super) filter: String,
    /// The order.
    pub(super) sort: Sort,
    /// Ids of those marked, in the order of marking.
    pub(super) marked: Vec<String>,
    /// The charts have the focus and not the table.
    pub(super) in_detail: bool,
    /// The run chosen has the whole screen.
    pub(super) whole: bool,
    /// Runs whose metrics and log are read.
    pub(super) followed: HashMap<String, Followed>,
    /// How charts are drawn.
    pub(super) charts: Charts,
    /// What of a run its pane shows.
    pub(super) view: RunView,
    /// The first chart shown.
    pub(super) from: usize,
    /// Lines of the log that are scrolled back.
    pub(super) back: usize,
}

impl Default for Runs {
    fn default() -> Runs {
        Runs {
            all: None,
            read_at: 0.0,
            chosen: None,
            filter: String::new(),
            sort: Sort::Best,
            marked: Vec::new(),
            in_detail: false,
            whole: false,
            followed: HashMap::new(),
            charts: Charts::default(),
            view: RunView::Charts,
            from: 0,
            back: 0,
        }
    }
}

impl Runs {
    /// Where keys go.
    pub(super) fn place(&self) -> Place {
        if self.in_detail || self.whole { Place::Run } else { Place::Runs }
    }

    /// The runs of the table, in its order.
    pub(super) fn shown(&self) -> Vec<&RunSummary> {
        let wanted = self.filter.to_lowercase();
        let holds = |run: &&RunSummary| {
            let words = [
                Some(run.name.as_str()),
                Some(run.id.as_str()),
                run.method.map(|m| m.name()),
                run.backbone.as_deref(),
                run.dataset.as_deref(),
                Some(run.status.name()),
            ];
            wanted.is_empty() || words.into_iter().flatten().any(|word| word.to_lowercase().contains(&wanted))
        };
        let mut shown: Vec<_> = self.all.iter().flatten().filter(holds).collect();
        let age = |run: &RunSummary| run.age_seconds.unwrap_or(f64::INFINITY);
        let newest = |a: &RunSummary, b: &RunSummary| age(a).total_cmp(&age(b)).then(b.id.cmp(&a.id));
        let best = |run: &RunSummary| run.best_rank1.unwrap_or(-1.0);
        shown.sort_by(|a, b| match self.sort {
            Sort::Best => {
                let live = b.status.is_live().cmp(&a.status.is_live());
                live.then(best(b).total_cmp(&best(a))).then_with(|| newest(a, b))
            }
            Sort::Newest => newest(a, b),
            Sort::Name => a.name.cmp(&b.name),
            Sort::Status => a.status.cmp(&b.status).then_with(|| newest(a, b)),
        });
        shown
    }

    /// The run chosen: the first of the table where none was.
    pub(super) fn current(&self) -> Option<&RunSummary> {
        let by_id = self.all.iter().flatten().find(|run| Some(&run.id) == self.chosen.as_ref());
        by_id.or_else(|| self.shown().first().copied())
    }

    /// Runs that go on.
    pub(super) fn live(&self) -> Vec<&RunSummary> {
        self.all.iter().flatten().filter(|run| run.status.is_live()).collect()
    }

    /// Ids of the runs whose metrics are to be read.
    pub(super) fn watching(&self) -> Vec<String> {
        let chosen = self.current().map(|run| run.id.clone());
        let marked = if self.charts.overlay { self.marked.as_slice() } else { &[] };
        let ids: BTreeSet<String> = chosen.into_iter().chain(marked.iter().cloned()).collect();
        ids.into_iter().collect()
    }

    /// Takes a new list in.
    pub(super) fn take(&mut self, runs: Vec<RunSummary>, now: f64) {
        self.marked.retain(|id| runs.iter().any(|run| run.id == *id));
        self.all = Some(runs);
        self.read_at = now;
        if self.chosen.is_none() {
            self.chosen = self.current().map(|run| run.id.clone());
        }
    }

    /// Takes news of a followed run in.
    pub(super) fn news(&mut self, news: News) {
        let followed = self.followed.entry(news.id).or_default();
        if news.begins {
            *followed = Followed::default();
        }
        followed.series.take(&news.records);
        followed.log.extend(news.log);
        let surplus = followed.log.len().saturating_sub(LOG_LINES);
        followed.log.drain(..surplus);
        if let Some(checkpoints) = news.checkpoints {
            followed.checkpoints = checkpoints;
        }
        followed.whole |= news.whole;
    }

    /// Forgets what is not looked at any more.
    pub(super) fn keep(&mut self, ids: &[String]) {
        self.followed.retain(|id, _| ids.contains(id));
    }

    /// Changes the filter; the run chosen stays chosen where it is still shown.
    pub(super) fn filter_by(&mut self, change: impl FnOnce(&mut String)) {
        change(&mut self.filter);
        let shown = self.shown();
        if !shown.iter().any(|run| Some(&run.id) == self.chosen.as_ref()) {
            self.chosen = shown.first().map(|run| run.id.clone());
        }
    }

    /// Chooses another row.
    pub(super) fn step(&mut self, step: Step) {
        let shown = self.shown();
        let at = shown.iter().position(|run| Some(&run.id) == self.chosen.as_ref()).unwrap_or(0);
        self.chosen = shown.get(moved(at, shown.len(), step)).map(|run| run.id.clone());
        self.back = 0;
    }

    /// Shows other charts or lines of the run; `update` takes back what is too far. Whether there is anything to scroll.
    fn scroll(&mut self, action: Action) -> bool {
        let (from, back) = match action {
            Action::PageDown => (self.from.saturating_add(2), self.back.saturating_sub(10)),
            Action::PageUp => (self.from.saturating_sub(2), self.back.saturating_add(10)),
            Action::First => (0, usize::MAX),
            Action::Last => (usize::MAX, 0),
            _ => return false,
        };
        match self.view {
            RunView::Charts => self.from = from,
            RunView::Log => self.back = back,
            RunView::Checkpoints => {}
        }
        true
    }

    /// Does what a key asks for; `Err` says why not. A layer is put over the tab where one is needed.
    pub(super) fn act(&mut self, action: Action) -> Result<(Vec<Effect>, Option<Layer>), String> {
        let current = self.current().cloned();
        let run = || current.clone().ok_or_else(|| "there is no run yet: n starts one".to_owned());
        let mut effects = Vec::new();
        let mut layer = None;
        match action {
            Action::Pause => {
                let run = run()?;
                match run.status {
                    Status::Paused => effects.push(Effect::Pause(run.id, false)),
                    status if status.is_live() => effects.push(Effect::Pause(run.id, true)),
                    status => return Err(format!("{} is {status}: there is nothing to pause", run.name)),
                }
            }
            Action::Rename => {
                let run = run()?;
                layer = Some(Layer::Prompt(Prompt::new(Asked::Name(run.id), run.name)));
            }
            Action::Note => {
                let run = run()?;
                layer = Some(Layer::Prompt(Prompt::new(Asked::Note(run.id), run.note)));
            }
            Action::Delete => {
                let run = run()?;
                if run.is_held() {
                    return Err(format!("{} is {}: stop it first, x does", run.name, run.status));
                }
                let question = format!(
                    "Delete {} with its checkpoints and evaluations? It lies in {}.",
                    run.name,
                    run.dir.display()
                );
                layer = Some(Layer::Confirm(Confirm { question, effect: Effect::Delete(run.id) }));
            }
            Action::Stop => {
                let run = run()?;
                if !run.is_held() {
                    return Err(format!("{} is {}: there is nothing to stop", run.name, run.status));
                }
                effects.push(Effect::Stop(run.id));
            }
            Action::Resume => {
                let run = run()?;
                effects.push(
                    match manage::resumable(&run.name, run.status, run.place.is_some()).map_err(|e| e.to_string())? {
                        Rest::Paused => Effect::Pause(run.id, false),
                        Rest::Ended => Effect::Resume(run.id),
                    },
                );
            }
            Action::Evaluate => effects.push(Effect::Evaluate(run()?.id, Vec::new())),
            Action::Clone => effects.push(Effect::Configs(Purpose::Clone, vec![run()?.id])),
            Action::Mark => {
                let id = run()?.id;
                match self.marked.iter().position(|marked| *marked == id) {
                    Some(at) => drop(self.marked.remove(at)),
                    None => self.marked.push(id),
                }
                self.charts.overlay &= !self.marked.is_empty();
                if !self.in_detail && !self.whole {
                    self.step(Step::By(1));
                }
            }
            Action::Overlay => {
                if self.marked.is_empty() {
                    return Err("no run is marked: space marks one".to_owned());
                }
                self.charts.overlay = !self.charts.overlay;
            }
            Action::Difference => {
                let chosen = run()?.id;
                let other = self.marked.iter().rev().find(|id| **id != chosen);
                let other = other.ok_or("mark another run with space: the difference is to that one")?;
                effects.push(Effect::Configs(Purpose::Difference, vec![other.clone(), chosen]));
            }
            Action::Sort => self.sort = self.sort.next(),
            Action::Smoother => self.charts.smoothing = (self.charts.smoothing + 0.2).min(0.95),
            Action::Rougher => self.charts.smoothing = (self.charts.smoothing - 0.2).max(0.0),
            Action::LogAxis => self.charts.log = !self.charts.log,
            Action::Along => self.charts.along = self.charts.along.next(),
            Action::ZoomIn => self.zoom(0.5),
            Action::ZoomOut => self.zoom(2.0),
            Action::Left if self.in_detail || self.whole => self.slide(-1.0),
            Action::Right if self.in_detail || self.whole => self.slide(1.0),
            Action::Open => {
                run()?;
                self.whole = true;
            }
            Action::View => {
                self.view = match self.view {
                    RunView::Charts => RunView::Log,
                    RunView::Log => RunView::Checkpoints,
                    RunView::Checkpoints => RunView::Charts,
                };
            }
            other if self.place() == Place::Run && self.scroll(other) => {}
            Action::NextPane | Action::PreviousPane => self.in_detail = !self.in_detail,
            Action::Back => self.back(),
            other => {
                if let Some(step) = Step::of(other) {
                    self.step(step);
                }
            }
        }
        Ok((effects, layer))
    }

    /// One thing less: the cursor, the zoom, the whole screen, the focus, the overlay, the filter.
    fn back(&mut self) {
        if self.charts.cursor.take().is_some() {
        } else if self.charts.window != (0.0, 1.0) {
            self.charts.window = (0.0, 1.0);
        } else if self.whole {
            self.whole = false;
        } else if self.in_detail {
            self.in_detail = false;
        } else if self.charts.overlay {
            self.charts.overlay = false;
        } else {
            self.filter_by(String::clear);
        }
    }

    /// Shows `factor` times as much, around the cursor or the right end.
    fn zoom(&mut self, factor: f64) {
        let (from, to) = self.charts.window;
        let width = ((to - from) * factor).clamp(0.001, 1.0);
        let share = self.charts.cursor.unwrap_or(1.0);
        let middle = from + (to - from) * share;
        let from = (middle - width * share).clamp(0.0, 1.0 - width);
        self.charts.window = (from, from + width);
    }

    /// Moves the cursor, and the window with it at its ends.
    fn slide(&mut self, by: f64) {
        let (from, to) = self.charts.window;
        let cursor = self.charts.cursor.unwrap_or(1.0) + by * 0.02;
        if (0.0..=1.0).contains(&cursor) {
            self.charts.cursor = Some(cursor);
            return;
        }
        let width = to - from;
        let from = (from + width * 0.1 * by).clamp(0.0, 1.0 - width);
        self.charts.window = (from, from + width);
        self.charts.cursor = Some(cursor.clamp(0.0, 1.0));
    }
}
