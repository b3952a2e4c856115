//! Looks at the workspace again and again, and tells what has changed.
//!
//! With a thousand runs a look must cost next to nothing: a run's files are read again only when their times or lengths
//! have changed, and only live runs, whose lock tells of a crash, are looked at often.

use std::collections::HashMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender};
use std::time::{Duration, Instant, SystemTime};

use crate::eval::report::{REPORT_FILE, Report};
use crate::eval::session;
use crate::nn::ops::device;
use crate::run::metrics::Tail;
use crate::run::workspace::RunEntry;
use crate::run::{Dataset, RunDir, RunSummary, Status, Workspace, log};
use crate::tui::evaluate::Evaluation;
use crate::tui::message::{Message, News, Watching};

use super::machine::Machine;
use super::now;

/// Between looks at live and followed runs.
const OFTEN: Duration = Duration::from_millis(250);
/// Between looks at everything else.
const SELDOM: Duration = Duration::from_secs(1);
/// Between looks at runs that are over.
const RARELY: Duration = Duration::from_secs(3);
/// Between messages that tell the time.
const CLOCK: Duration = Duration::from_secs(10);
/// Bytes of metrics read at once.
const PIECE: u64 = 2 << 20;
/// Bytes of a log read at first.
const LOG_BEGIN: u64 = 64 << 10;

/// What tells a file from the one before.
type Mark = Option<(SystemTime, u64)>;

fn mark(path: &Path) -> Mark {
    let meta = fs::metadata(path).ok()?;
    Some((meta.modified().ok()?, meta.len()))
}

/// Looks for as long as somebody wants to know.
pub(super) fn run(workspace: &Workspace, inbox: &Sender<Message>, watched: &Receiver<Watching>) {
    let mut poller = Poller {
        workspace: workspace.clone(),
        inbox: inbox.clone(),
        watching: Watching::default(),
        runs: Vec::new(),
        sent: None,
        folder: None,
        datasets: None,
        datasets_mark: None,
        corrections: None,
        followed: HashMap::new(),
        evaluations: HashMap::new(),
        evaluations_sent: None,
        machine: Machine::default(),
    };
    if let Some(card) = device::card() {
        let _ = inbox.send(Message::Card(Some(card)));
    }
    let mut next = [Instant::now(); 4];
    loop {
        let now = Instant::now();
        let mut due = |at: usize, every: Duration| {
            let is_due = now >= next[at];
            if is_due {
                next[at] = now + every;
            }
            is_due
        };
        let rarely = due(0, RARELY);
        let seldom = due(1, SELDOM);
        let clock = due(2, CLOCK);
        let machine = due(3, Duration::from_secs(2));
        if poller.look(rarely, seldom, clock, machine).is_none() {
            return; // the screen has ended
        }
        match watched.recv_timeout(OFTEN) {
            Ok(watching) => {
                if watching.evaluations && !poller.watching.evaluations {
                    poller.evaluations_sent = None;
                }
                poller.followed.retain(|id, _| watching.runs.contains(id));
                poller.watching = watching;
                next[1] = Instant::now();
                next[3] = Instant::now();
            }
            Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => return,
        }
    }
}

/// A run with what was read of it.
struct Known {
    entry: RunEntry,
    marks: [Mark; 2],
    line: RunSummary,
}

struct Follow {
    run: RunDir,
    tail: Tail,
    metrics: Mark,
    log_at: u64,
    log: Mark,
    checkpoints: Vec<(String, u64, f64)>,
    first: bool,
}

struct Poller {
    workspace: Workspace,
    inbox: Sender<Message>,
    watching: Watching,
    runs: Vec<Known>,
    /// What was told last, without what only time changes.
    sent: Option<Vec<RunSummary>>,
    folder: Mark,
    datasets: Option<Vec<Dataset>>,
    datasets_mark: Option<(Mark, Mark)>,
    corrections: Option<Mark>,
    followed: HashMap<String, Follow>,
    evaluations: HashMap<PathBuf, (Mark, Mark, Evaluation)>,
    evaluations_sent: Option<Vec<Evaluation>>,
    machine: Machine,
}

/// A line without what only time changes.
fn timeless(line: &RunSummary) -> RunSummary {
    RunSummary { age_seconds: None, eta_seconds: None, ..line.clone() }
}

fn marks(entry: &RunEntry) -> [Mark; 2] {
    match entry {
        RunEntry::Here(run) => [mark(&run.state()), mark(&run.meta())],
        RunEntry::Missing { .. } => [None, None],
    }
}

impl Poller {
    fn tell(&self, message: Message) -> Option<()> {
        self.inbox.send(message).ok()
    }

    /// One look; `None` once nobody listens.
    fn look(&mut self, rarely: bool, seldom: bool, clock: bool, machine: bool) -> Option<()> {
        if seldom {
            self.look_at_datasets()?;
        }
        self.look_at_runs(rarely, seldom)?;
        for id in self.watching.runs.clone() {
            self.follow(&id)?;
        }
        if seldom && self.watching.evaluations {
            self.look_at_evaluations()?;
        }
        if machine && self.watching.system {
            let sample = self.machine.look(self.workspace.root());
            self.tell(Message::Card(device::card()))?;
            self.tell(Message::System(Box::new(sample)))?;
        }
        if clock {
            self.tell(Message::Tick(now()))?;
        }
        Some(())
    }

    fn look_at_datasets(&mut self) -> Option<()> {
        // each table is replaced at once, which marks its folder
        let corrections = Some(mark(&self.workspace.root().join("corrections")));
        if self.corrections != corrections && self.corrections.replace(corrections.flatten()).is_some() {
            self.tell(Message::Corrections)?;
        }
        let marks = (mark(&self.workspace.root().join("datasets.json")), mark(&self.workspace.datasets()));
        if self.datasets.is_some() && self.datasets_mark == Some(marks) {
            return Some(());
        }
        self.datasets_mark = Some(marks);
        match self.workspace.known_datasets() {
            Ok(known) if self.datasets.as_ref() != Some(&known) => {
                self.datasets = Some(known.clone());
                self.tell(Message::Datasets(known))
            }
            Ok(_) => Some(()),
            Err(error) => {
                if self.datasets.is_none() {
                    self.datasets = Some(Vec::new());
                    self.tell(Message::Datasets(Vec::new()))?;
                }
                self.tell(Message::Failed(error.to_string()))
            }
        }
    }

    fn look_at_runs(&mut self, rarely: bool, seldom: bool) -> Option<()> {
        let folder = mark(&self.workspace.runs_folder());
        // a run's folder is there before the run is: what was just made is looked at again
        let fresh = folder.is_some_and(|(time, _)| time.elapsed().is_ok_and(|age| age < Duration::from_secs(5)));
        if self.sent.is_none() || folder != self.folder || (fresh && seldom) || rarely {
            self.folder = folder;
            if self.sent.is_none() || self.list_changed() {
                self.list()?;
            }
        }
        for known in &mut self.runs {
            let live = known.line.status.is_live() || known.line.status == Status::Queued;
            if !(live || rarely) {
                continue;
            }
            let marks = marks(&known.entry);
            // a lock is let go without a trace in any file
            if marks != known.marks || (live && seldom) || known.line.status == Status::Stopping {
                known.marks = marks;
                known.line = RunSummary::of_entry(&known.entry);
            }
        }
        let lines: Vec<RunSummary> = self.runs.iter().map(|known| known.line.clone()).collect();
        let now_lines: Vec<RunSummary> = lines.iter().map(timeless).collect();
        if self.sent.as_ref() == Some(&now_lines) {
            return Some(());
        }
        self.sent = Some(now_lines);
        // ages count from the moment of sending
        let read_at = now();
        let lines = self.runs.iter().map(|known| aged(&known.entry, known.line.clone())).collect();
        self.tell(Message::Runs(lines, read_at))
    }

    /// Whether runs have come or gone.
    fn list_changed(&self) -> bool {
        let Ok(entries) = self.workspace.runs() else { return false };
        entries.len() != self.runs.len() || entries.iter().zip(&self.runs).any(|(entry, known)| *entry != known.entry)
    }

    fn list(&mut self) -> Option<()> {
        use rayon::prelude::*;
        let entries = match self.workspace.runs() {
            Ok(entries) => entries,
            Err(error) => {
                self.tell(Message::Failed(error.to_string()))?;
                Vec::new()
            }
        };
        let mut before: HashMap<String, Known> =
            self.runs.drain(..).map(|known| (known.entry.id().to_owned(), known)).collect();
        let kept: Vec<(RunEntry, Option<Known>)> = entries
            .into_iter()
            .map(|entry| {
                let known = before.remove(entry.id()).filter(|known| known.entry == entry);
                (entry, known)
            })
            .collect();
        let read = |(entry, known): (RunEntry, Option<Known>)| {
            known.unwrap_or_else(|| {
                let marks = marks(&entry);
                let line = RunSummary::of_entry(&entry);
                Known { entry, marks, line }
            })
        };
        self.runs = kept.into_par_iter().map(read).collect();
        Some(())
    }

    fn follow(&mut self, id: &str) -> Option<()> {
        if !self.followed.contains_key(id) {
            let Some(RunEntry::Here(run)) = self.runs.iter().map(|k| &k.entry).find(|e| e.id() == id) else {
                return Some(());
            };
            let follow = Follow {
                tail: Tail::new(&run.metrics()),
                metrics: None,
                log_at: 0,
                log: None,
                checkpoints: Vec::new(),
                first: true,
                run: run.clone(),
            };
            self.followed.insert(id.to_owned(), follow);
        }
        let follow = self.followed.get_mut(id)?;
        let mut news = News { id: id.to_owned(), ..News::default() };
        let metrics = mark(&follow.run.metrics());
        if metrics != follow.metrics || follow.first {
            follow.metrics = metrics;
            // a night's training comes in pieces, so that the screen goes on meanwhile
            loop {
                let records = match follow.tail.poll_some(PIECE) {
                    Ok(records) if records.is_empty() => break,
                    Ok(records) => records,
                    Err(error) => {
                        self.inbox.send(Message::Failed(error.to_string())).ok()?;
                        break;
                    }
                };
                let piece = News { id: id.to_owned(), records, ..News::default() };
                self.inbox.send(Message::News(Box::new(piece))).ok()?;
            }
            news.checkpoints = Some(checkpoints(&follow.run)).filter(|now| *now != follow.checkpoints);
            if let Some(now) = &news.checkpoints {
                follow.checkpoints.clone_from(now);
            }
        }
        let said = mark(&follow.run.log());
        if said != follow.log {
            follow.log = said;
            if let Ok(piece) = log::lines_from(&follow.run.log(), follow.log_at, LOG_BEGIN) {
                follow.log_at = piece.end;
                news.log = piece.text.lines().map(str::to_owned).collect();
            }
        }
        news.whole = std::mem::take(&mut follow.first);
        if news.whole || !news.log.is_empty() || news.checkpoints.is_some() {
            self.tell(Message::News(Box::new(news)))?;
        }
        Some(())
    }

    fn look_at_evaluations(&mut self) -> Option<()> {
        let mut all = Vec::new();
        let mut seen = HashMap::new();
        for known in &self.runs {
            let RunEntry::Here(run) = &known.entry else { continue };
            let mut names: Vec<String> = fs::read_dir(run.evaluations())
                .into_iter()
                .flatten()
                .flatten()
                .filter_map(|entry| entry.file_name().into_string().ok())
                .filter(|name| !name.starts_with('.'))
                .collect();
            names.sort();
            let none_yet = names.is_empty() && (run.last().exists() || run.best().exists());
            if none_yet {
                all.push(blank(run, &known.line));
            }
            for name in names {
                let folder = run.evaluations().join(&name);
                let marks = (mark(&folder.join(session::STATE_FILE)), mark(&folder.join(REPORT_FILE)));
                let evaluation = match self.evaluations.remove(&folder) {
                    Some((state, report, found)) if (state, report) == marks && !found.status.is_live() => found,
                    _ => match read(run, &known.line, &name, &folder) {
                        Some(found) => found,
                        None => continue,
                    },
                };
                seen.insert(folder, (marks.0, marks.1, evaluation.clone()));
                all.push(evaluation);
            }
        }
        self.evaluations = seen;
        if self.evaluations_sent.as_ref() == Some(&all) {
            return Some(());
        }
        self.evaluations_sent = Some(all.clone());
        self.tell(Message::Evaluations(all))
    }
}

/// A line whose age and time left are of now, read from no file but the state.
fn aged(entry: &RunEntry, mut line: RunSummary) -> RunSummary {
    if let RunEntry::Here(run) = entry
        && let Ok(state) = run.read_state()
    {
        line.age_seconds = Some(state.created.age_seconds());
        if line.status == Status::Running {
            line.eta_seconds = state.eta_seconds().map(|eta| (eta - state.updated.age_seconds()).max(0.0));
        }
    }
    line
}

fn checkpoints(run: &RunDir) -> Vec<(String, u64, f64)> {
    let of = |path: PathBuf| {
        let meta = fs::metadata(&path).ok()?;
        let when = meta.modified().ok()?.duration_since(SystemTime::UNIX_EPOCH).ok()?.as_secs_f64();
        Some((path.file_stem()?.to_string_lossy().into_owned(), meta.len(), when))
    };
    [run.best(), run.last()].into_iter().filter_map(of).collect()
}

fn blank(run: &RunDir, line: &RunSummary) -> Evaluation {
    let photos = run.read_config().map(|config| config.data.dir).unwrap_or_default();
    Evaluation {
        run: line.id.clone(),
        run_name: line.name.clone(),
        name: None,
        folder: run.evaluations(),
        photos: photos.into(),
        status: Status::Queued,
        done: (0, 0),
        reason: String::new(),
        rank1: None,
        map: None,
        careless: None,
    }
}

/// An evaluation as its files tell; none where the folder holds none.
fn read(run: &RunDir, line: &RunSummary, name: &str, folder: &Path) -> Option<Evaluation> {
    let mut found = Evaluation { name: Some(name.to_owned()), folder: folder.to_owned(), ..blank(run, line) };
    let standing = session::standing(folder).ok().flatten();
    if let Some((status, state)) = &standing {
        found.status = *status;
        found.done = (state.done, state.total);
        found.reason = state.reason.clone().unwrap_or_default();
    }
    let path = folder.join(REPORT_FILE);
    if !path.exists() {
        return standing.is_some().then_some(found);
    }
    match Report::read(&path) {
        Ok(report) => {
            (found.rank1, found.map) = (report.figures.rank1, report.figures.map);
            found.careless = report.without_exclusion.rank1;
            if standing.is_none() {
                found.status = Status::Finished;
            }
        }
        Err(error) => (found.status, found.reason) = (Status::Failed, error.to_string()),
    }
    Some(found)
}
