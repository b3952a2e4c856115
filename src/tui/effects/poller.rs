//! Looks at the workspace again and again, and tells what has changed.
//!
//! With a thousand runs a look must cost next to nothing: a run's files are read again only when their times or lengths
//! have changed, and only live runs, whose lock tells of a crash, are looked at often.

use std::collections::HashMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender};
use std::time::{Duration, Instant, SystemTime};

use crate::data::counted::counted;
use crate::eval::report::{REPORT_FILE, Report};
use crate::eval::session;
use crate::gallery::progress;
use crate::gallery::session::Counted;
use crate::nn::ops::device;
use crate::run::metrics::Tail;
use crate::run::workspace::RunEntry;
use crate::run::{Dataset, RunDir, RunSummary, Status, Workspace, log};
use crate::tui::evaluate::Evaluation;
use crate::tui::identify::GalleryLine;
use crate::tui::message::{Message, News, Watching};

use super::afresh::{Afresh, Walks};
use super::machine::Machine;
use super::naming;
use super::{corrections_mark, now};

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
pub(super) fn run(
    workspace: &Workspace,
    inbox: &Sender<Message>,
    watched: &Receiver<Watching>,
    sitting: naming::Shared,
) {
    let mut poller = Poller { sitting, ..Poller::new(workspace, inbox) };
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
        let Some(unread) = poller.look(rarely, seldom, clock, machine) else {
            return; // the screen has ended
        };
        let mut wish = match watched.recv_timeout(if unread { Duration::ZERO } else { OFTEN }) {
            Err(RecvTimeoutError::Disconnected) => return,
            wish => wish.ok(),
        };
        // of several wishes the last counts, but what one of them let go is let go
        while let Some(watching) = wish {
            poller.watch(watching);
            (next[1], next[3]) = (Instant::now(), Instant::now());
            wish = watched.try_recv().ok();
        }
    }
}

/// A run with what was read of it.
struct Known {
    entry: RunEntry,
    marks: [Mark; 2],
    line: RunSummary,
    /// When it was read, in seconds since 1970: ages count from then.
    read_at: f64,
    /// The photos that it trained on, once somebody asked.
    photos: Option<PathBuf>,
    /// Names of its evaluations, and the mark of their folder.
    evaluations: Option<(Mark, Vec<String>)>,
    /// It has a checkpoint.
    trained: bool,
}

impl Known {
    fn read(entry: RunEntry) -> Known {
        let (marks, line, read_at) = (marks(&entry), RunSummary::of_entry(&entry), now());
        Known { entry, marks, line, read_at, photos: None, evaluations: None, trained: false }
    }

    /// Its line as it is at `now`, from no file.
    fn aged(&self, now: f64) -> RunSummary {
        let passed = (now - self.read_at).max(0.0);
        let mut line = self.line.clone();
        line.age_seconds = line.age_seconds.map(|age| age + passed);
        line.eta_seconds = line.eta_seconds.map(|eta| (eta - passed).max(0.0));
        line
    }

    /// Names of its evaluations, read again where their folder has changed.
    fn evaluations(&mut self, run: &RunDir) -> Vec<String> {
        let folder = mark(&run.evaluations());
        // one that was just made may have come in the same moment as the one before
        let is_fresh = folder.is_some_and(|(time, _)| time.elapsed().is_ok_and(|age| age < Duration::from_secs(3)));
        match &self.evaluations {
            Some((before, names)) if *before == folder && !is_fresh => names.clone(),
            _ => {
                let mut names: Vec<String> = fs::read_dir(run.evaluations())
                    .into_iter()
                    .flatten()
                    .flatten()
                    .filter_map(|entry| entry.file_name().into_string().ok())
                    .filter(|name| !name.starts_with('.'))
                    .collect();
                names.sort();
                self.evaluations = Some((folder, names.clone()));
                names
            }
        }
    }

    /// The photos that it trained on.
    fn photos(&mut self, run: &RunDir) -> PathBuf {
        let read = || run.read_config().map(|config| config.data.dir.into()).unwrap_or_default();
        self.photos.get_or_insert_with(read).clone()
    }

    /// A run that has ended by an error or without a word, in words; its log says most at its end.
    fn lost(&self) -> String {
        let RunEntry::Here(run) = &self.entry else { return String::new() };
        let last = log::last_lines(&run.log(), 20).unwrap_or_default();
        let last = last.lines().rev().map(str::trim).find(|line| !line.is_empty()).unwrap_or("nothing").to_owned();
        let line = &self.line;
        format!("{} {} {}; it said last: {last}\n{}", line.status.sign(), line.name, line.status, line.reason)
    }
}

struct Follow {
    run: RunDir,
    tail: Tail,
    metrics: Mark,
    log_at: u64,
    log: Mark,
    checkpoints: Vec<(String, u64, f64)>,
    /// Nothing was told of it yet.
    begins: bool,
    /// All that was there has been told.
    whole: bool,
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
    corrections: Option<Option<SystemTime>>,
    followed: HashMap<String, Follow>,
    evaluations: HashMap<PathBuf, (Mark, Mark, Evaluation)>,
    evaluations_sent: Option<Vec<Evaluation>>,
    galleries_sent: Option<Vec<GalleryLine>>,
    /// What was counted for them.
    counted: Counted,
    session_mark: Option<naming::Marks>,
    sitting: naming::Shared,
    /// How far somebody is who looks at the folder that is gone through.
    seen: Option<(usize, usize)>,
    afresh: Afresh,
    walks: Walks,
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
    fn new(workspace: &Workspace, inbox: &Sender<Message>) -> Poller {
        Poller {
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
            galleries_sent: None,
            counted: Counted::default(),
            session_mark: None,
            sitting: naming::Shared::default(),
            seen: None,
            afresh: Afresh::default(),
            walks: Walks::default(),
            machine: Machine::default(),
        }
    }

    fn tell(&self, message: Message) -> Option<()> {
        self.inbox.send(message).ok()
    }

    /// Looks at `watching` from now on.
    fn watch(&mut self, watching: Watching) {
        if watching.galleries && !self.watching.galleries {
            self.galleries_sent = None;
        }
        if watching.session != self.watching.session {
            (self.session_mark, self.seen, self.afresh) = (None, None, Afresh::default());
        }
        if watching.evaluations && !self.watching.evaluations {
            self.evaluations_sent = None;
        }
        self.followed.retain(|id, _| watching.runs.contains(id));
        self.watching = watching;
    }

    /// One look; whether there is more to read at once, `None` once nobody listens.
    fn look(&mut self, rarely: bool, seldom: bool, clock: bool, machine: bool) -> Option<bool> {
        if seldom {
            self.look_at_datasets()?;
        }
        self.look_at_runs(rarely, seldom)?;
        let mut unread = false;
        if self.watching.seen {
            for id in self.watching.runs.clone() {
                unread |= self.follow(&id)?;
            }
        }
        if seldom && self.watching.evaluations {
            self.look_at_evaluations()?;
        }
        if seldom && self.watching.galleries {
            let galleries = naming::galleries(&self.workspace, &mut self.counted);
            if self.galleries_sent.as_ref() != Some(&galleries) {
                self.galleries_sent = Some(galleries.clone());
                self.inbox.send(Message::Galleries(galleries)).ok()?;
            }
        }
        if let Some((gallery, folder)) = self.watching.session.clone().filter(|_| seldom) {
            // what is seen comes bit by bit, and somebody else may change the gallery
            let mark = naming::mark(&gallery, &folder);
            let is_other = self.session_mark.as_ref().is_some_and(|before| *before != mark);
            if let Some(news) = is_other.then(|| self.sitting.news(gallery.clone(), folder.clone())).flatten() {
                self.tell(news)?;
            }
            self.session_mark = Some(mark);
            self.look_at_photos(gallery, folder)?;
        }
        if machine && self.watching.system {
            let sample = self.machine.look(self.workspace.root());
            self.tell(Message::Card(device::card()))?;
            self.tell(Message::System(Box::new(sample)))?;
        }
        if clock {
            self.tell(Message::Tick(now()))?;
        }
        Some(unread)
    }

    /// How far somebody is who looks at the photos of the folder that is gone through, or whether somebody should.
    fn look_at_photos(&mut self, gallery: PathBuf, folder: PathBuf) -> Option<()> {
        let is_looked_at = naming::is_looked_at(&gallery, &folder);
        let seen = is_looked_at.then(|| progress::read(&gallery, &folder)).flatten();
        if self.seen != seen {
            self.seen = seen;
            self.tell(Message::Seeing(gallery.clone(), folder.clone(), seen))?;
        }
        if is_looked_at {
            self.walks.are_stale(&gallery, &folder);
            return Some(());
        }
        let is_due = self.afresh.is_due(Instant::now());
        let Some((when, mark)) = self.walks.at(&gallery, &folder, is_due) else { return Some(()) };
        let looked_at = self.sitting.looked_at(&gallery, &folder);
        match self.afresh.is_otherwise(when, mark, looked_at) {
            true => self.tell(Message::Otherwise(gallery, folder)),
            false => Some(()),
        }
    }

    fn look_at_datasets(&mut self) -> Option<()> {
        let corrections = corrections_mark(&self.workspace);
        if self.corrections != Some(corrections) && self.corrections.replace(corrections).is_some() {
            self.tell(Message::Corrections(corrections))?;
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
        let mut lost = Vec::new();
        for known in &mut self.runs {
            let was_live = known.line.is_held();
            let live = was_live || known.line.status == Status::Queued;
            if !(live || rarely) {
                continue;
            }
            let marks = marks(&known.entry);
            // a lock is let go without a trace in any file
            let let_go = || match &known.entry {
                RunEntry::Here(run) => was_live && !run.is_held().unwrap_or(true),
                RunEntry::Missing { .. } => false,
            };
            if marks != known.marks || (was_live && seldom) || known.line.status == Status::Stopping || let_go() {
                known.marks = marks;
                known.line = RunSummary::of_entry(&known.entry);
                known.read_at = now();
                if was_live && matches!(known.line.status, Status::Crashed | Status::Failed) {
                    lost.push(known.lost());
                }
            }
        }
        lost.into_iter().try_for_each(|words| self.tell(Message::Lost(words)))?;
        let now_lines: Vec<RunSummary> = self.runs.iter().map(|known| timeless(&known.line)).collect();
        if self.sent.as_ref() == Some(&now_lines) {
            return Some(());
        }
        self.sent = Some(now_lines);
        // ages count from the moment of sending
        let read_at = now();
        let lines = self.runs.iter().map(|known| known.aged(read_at)).collect();
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
        let read = |(entry, known): (RunEntry, Option<Known>)| known.unwrap_or_else(|| Known::read(entry));
        self.runs = kept.into_par_iter().map(read).collect();
        Some(())
    }

    /// Tells what is new of the run `id`; whether there is more. One piece of its metrics a look: a night's training must
    /// keep nobody from looking at another run, nor a crash from being seen.
    fn follow(&mut self, id: &str) -> Option<bool> {
        if !self.followed.contains_key(id) {
            let Some(RunEntry::Here(run)) = self.runs.iter().map(|k| &k.entry).find(|e| e.id() == id) else {
                return Some(false);
            };
            let follow = Follow {
                tail: Tail::new(&run.metrics()),
                metrics: None,
                log_at: 0,
                log: None,
                checkpoints: Vec::new(),
                begins: true,
                whole: false,
                run: run.clone(),
            };
            self.followed.insert(id.to_owned(), follow);
        }
        let follow = self.followed.get_mut(id)?;
        let mut news = News { id: id.to_owned(), begins: std::mem::take(&mut follow.begins), ..News::default() };
        let metrics = mark(&follow.run.metrics());
        if metrics != follow.metrics || !follow.whole {
            match follow.tail.poll_some(PIECE) {
                Ok(records) if records.is_empty() => follow.metrics = metrics,
                Ok(records) => {
                    news.records = records;
                    // a mark that no file has: the rest is read by the next look
                    follow.metrics = None;
                    self.inbox.send(Message::News(Box::new(news))).ok()?;
                    return Some(true);
                }
                Err(error) => {
                    follow.metrics = metrics;
                    self.inbox.send(Message::Failed(error.to_string())).ok()?;
                }
            }
        }
        // a checkpoint comes after the record of its epoch
        let there = checkpoints(&follow.run);
        if there != follow.checkpoints {
            follow.checkpoints.clone_from(&there);
            news.checkpoints = Some(there);
        }
        let said = mark(&follow.run.log());
        if said != follow.log {
            follow.log = said;
            if let Ok(piece) = log::lines_from(&follow.run.log(), follow.log_at, LOG_BEGIN) {
                follow.log_at = piece.end;
                news.log = piece.text.lines().map(str::to_owned).collect();
            }
        }
        news.whole = !std::mem::replace(&mut follow.whole, true);
        if news.begins || news.whole || !news.log.is_empty() || news.checkpoints.is_some() {
            self.tell(Message::News(Box::new(news)))?;
        }
        Some(false)
    }

    fn look_at_evaluations(&mut self) -> Option<()> {
        let mut all = Vec::new();
        let mut seen = HashMap::new();
        for known in &mut self.runs {
            let RunEntry::Here(run) = known.entry.clone() else { continue };
            let run = &run;
            let names = known.evaluations(run);
            // one that has no checkpoint gets one while it is live only
            let may_have = known.line.step > 0 || known.line.status.is_live();
            known.trained |= names.is_empty() && may_have && (run.last().exists() || run.best().exists());
            let photos = if names.is_empty() && !known.trained { PathBuf::new() } else { known.photos(run) };
            if names.is_empty() && known.trained {
                all.push(blank(run, &known.line, &photos));
            }
            for name in names {
                let folder = run.evaluations().join(&name);
                let marks = (mark(&folder.join(session::STATE_FILE)), mark(&folder.join(REPORT_FILE)));
                let evaluation = match self.evaluations.remove(&folder) {
                    Some((state, report, found)) if (state, report) == marks && !found.status.is_live() => found,
                    _ => match read(blank(run, &known.line, &photos), &name, &folder) {
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

fn checkpoints(run: &RunDir) -> Vec<(String, u64, f64)> {
    let of = |path: PathBuf| {
        let meta = fs::metadata(&path).ok()?;
        let when = meta.modified().ok()?.duration_since(SystemTime::UNIX_EPOCH).ok()?.as_secs_f64();
        Some((path.file_stem()?.to_string_lossy().into_owned(), meta.len(), when))
    };
    [run.best(), run.last()].into_iter().filter_map(of).collect()
}

fn blank(run: &RunDir, line: &RunSummary, photos: &Path) -> Evaluation {
    Evaluation {
        run: line.id.clone(),
        run_name: line.name.clone(),
        name: None,
        folder: run.evaluations(),
        photos: photos.to_owned(),
        status: Status::Queued,
        done: (0, 0),
        reason: String::new(),
        rank1: None,
        map: None,
        careless: None,
    }
}

/// An evaluation as its files tell, of the run of `blank`; none where the folder holds none.
fn read(blank: Evaluation, name: &str, folder: &Path) -> Option<Evaluation> {
    let mut found = Evaluation { name: Some(name.to_owned()), folder: folder.to_owned(), ..blank };
    let standing = session::standing(folder).ok().flatten();
    if let Some((status, state)) = &standing {
        found.status = *status;
        found.done = (state.done, state.total);
        let died = || format!("{} died after {} of {}", state.process, state.done, counted(state.total, "photo"));
        found.reason = match (status, &state.reason) {
            (Status::Crashed, _) => died(),
            (_, reason) => reason.clone().unwrap_or_default(),
        };
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

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::mpsc::channel;

    use crate::run::dir::tests::config;
    use crate::run::session::Session;
    use crate::run::session::tests::step;
    use crate::run::state::Phase;
    use crate::run::workspace::tests::workspace;

    /// A poller, and what it tells.
    fn poller(workspace: &Workspace) -> (Poller, Receiver<Message>) {
        let (inbox, told) = channel();
        (Poller::new(workspace, &inbox), told)
    }

    fn told(told: &Receiver<Message>) -> Vec<Message> {
        told.try_iter().collect()
    }

    fn seen(runs: &[&str]) -> Watching {
        Watching { runs: runs.iter().map(|id| (*id).to_owned()).collect(), seen: true, ..Watching::default() }
    }

    #[test]
    fn a_crash_is_told_by_the_next_look_with_what_was_said_last() {
        let (_dir, workspace) = workspace();
        let run = workspace.create_run(&config(), None).unwrap();
        let mut session = Session::begin(&run).unwrap();
        session.phase(Phase::Running).unwrap();
        session.log().say("the last words").unwrap();
        let (mut poller, inbox) = poller(&workspace);
        poller.look(true, true, false, false).unwrap();
        assert!(told(&inbox).iter().any(|m| matches!(m, Message::Runs(runs, _) if runs[0].status == Status::Running)));
        drop(session); // as if killed
        poller.look(false, false, false, false).unwrap();
        let messages = told(&inbox);
        let lost = messages.iter().find_map(|m| if let Message::Lost(words) = m { Some(words) } else { None }).unwrap();
        let first = lost.lines().next().unwrap();
        assert!(first.starts_with(&format!("† {} crashed; it said last: ", run.id())), "{lost}");
        assert!(first.ends_with("the last words") && lost.contains("died"), "{lost}");
        assert!(messages.iter().any(|m| matches!(m, Message::Runs(runs, _) if runs[0].status == Status::Crashed)));
    }

    #[test]
    fn a_run_looked_at_again_is_told_from_its_beginning_and_a_checkpoint_when_it_comes() {
        let (_dir, workspace) = workspace();
        let run = workspace.create_run(&config(), None).unwrap();
        let mut session = Session::begin(&run).unwrap();
        session.resume(0, 10).unwrap();
        (1..=10).for_each(|n| session.record(&step(n)).unwrap());
        let (mut poller, inbox) = poller(&workspace);
        let all = |poller: &mut Poller| {
            while poller.look(true, true, false, false).unwrap() {}
            let news = told(&inbox).into_iter().filter_map(|m| if let Message::News(n) = m { Some(*n) } else { None });
            news.collect::<Vec<_>>()
        };
        poller.watch(seen(&[run.id()]));
        let news = all(&mut poller);
        assert_eq!(news.iter().filter(|n| n.begins).count(), 1);
        assert!(news[0].begins && news.last().unwrap().whole);
        let records = |news: &[News]| news.iter().map(|n| n.records.len()).sum::<usize>();
        let whole = records(&news);
        assert!(whole >= 10);
        // on another tab it is kept, nothing is read
        poller.watch(Watching { seen: false, ..seen(&[run.id()]) });
        assert!(all(&mut poller).is_empty());
        poller.watch(seen(&[run.id()]));
        assert!(all(&mut poller).is_empty(), "nothing is new");
        // another run, and back, quicker than a look
        poller.watch(seen(&[]));
        poller.watch(seen(&[run.id()]));
        let news = all(&mut poller);
        assert!(news[0].begins && records(&news) == whole);
        // saved after the record of its epoch, which was the last one
        fs::write(run.last(), "weights").unwrap();
        let checkpoints = all(&mut poller).into_iter().find_map(|n| n.checkpoints).unwrap();
        assert_eq!((checkpoints[0].0.as_str(), checkpoints[0].1), ("last", 7));
    }

    #[test]
    fn photos_that_come_to_the_folder_that_is_open_are_told_until_somebody_looks() {
        let (dir, workspace) = workspace();
        let (gallery, week) = (dir.path().join("g"), dir.path().join("week"));
        fs::create_dir(&week).unwrap();
        let (mut poller, inbox) = poller(&workspace);
        let open = || Watching { session: Some((gallery.clone(), week.clone())), ..Watching::default() };
        poller.watch(open());
        let shared = poller.sitting.clone();
        let mut changes = || {
            poller.afresh.next = None; // it is time
            poller.look(false, true, false, false).unwrap();
            while poller.afresh.next.is_none() {
                poller.look(false, true, false, false).unwrap(); // until it is walked through
            }
            let is_it = |m: &Message| matches!(m, Message::Otherwise(of, at) if (of, at) == (&gallery, &week));
            told(&inbox).iter().filter(|m| is_it(m)).count()
        };
        shared.begins_to_look(&gallery, &week);
        assert_eq!([changes(), changes()], [0, 0]);
        fs::write(week.join("1.jpg"), "came").unwrap();
        assert_eq!([changes(), changes(), changes()], [0, 1, 1], "once it rests");
        shared.begins_to_look(&gallery, &week);
        assert_eq!(changes(), 0);
        shared.begins_to_look(&gallery, dir.path());
        assert_eq!(changes(), 1, "who looked at another folder has not seen it");
    }

    #[test]
    fn a_thousand_runs_are_told_and_ages_need_no_file() {
        let (_dir, workspace) = workspace();
        let first = workspace.create_run(&config(), None).unwrap();
        Session::begin(&first).unwrap().end(Phase::Finished, 0, "10 steps").unwrap();
        for n in 1..1000 {
            let folder = workspace.runs_folder().join(format!("run-{n}"));
            fs::create_dir(&folder).unwrap();
            for file in [first.config(), first.state(), first.meta()] {
                fs::hard_link(&file, folder.join(file.file_name().unwrap())).unwrap();
            }
        }
        let (mut poller, inbox) = poller(&workspace);
        poller.look(true, true, false, false).unwrap();
        let runs =
            told(&inbox).into_iter().find_map(|m| if let Message::Runs(runs, _) = m { Some(runs) } else { None });
        let runs = runs.unwrap();
        assert_eq!(runs.len(), 1000);
        let mut model = crate::tui::tests::model((80, 24));
        let (buffer, ..) = crate::tui::tests::drive(&mut model, vec![Message::Runs(runs, now())]);
        assert!(crate::tui::tests::text(&buffer).contains("Runs 1000"));

        // one changes its name: its files are read, and those of no other
        crate::run::manage::rename(&first, "other").unwrap();
        let others = (1..1000).map(|n| workspace.runs_folder().join(format!("run-{n}/state.json")));
        others.for_each(|state| fs::remove_file(state).unwrap());
        let others = poller.runs.iter_mut().filter(|known| known.entry.id() != first.id());
        others.for_each(|known| known.marks = marks(&known.entry));
        poller.look(true, true, false, false).unwrap();
        let runs =
            told(&inbox).into_iter().find_map(|m| if let Message::Runs(runs, _) = m { Some(runs) } else { None });
        let runs = runs.unwrap();
        assert!(runs.iter().any(|run| run.name == "other"));
        assert!(runs.iter().all(|run| run.age_seconds.is_some() && run.status == Status::Finished));
    }
}
