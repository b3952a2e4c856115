//! What the model asks for, done on threads of their own that answer with messages. Nothing here waits on the screen,
//! and nothing of the screen waits on it.

mod afresh;
mod costs;
mod machine;
mod naming;
mod opening;
mod photos;
mod poller;

use std::io::Read;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use crate::data::counted::counted;
use crate::data::overview::Overview;
use crate::data::split::{self, SplitChoice};
use crate::data::synth::SynthPlan;
use crate::eval::{boxes, session, weights};
use crate::run::config::Config;
use crate::run::queue::Turn;
use crate::run::{Dataset, RunDir, RunError, Workspace, files, launch, manage};
use crate::train::check;
use crate::train::demo::{self, DemoPlan};
use crate::train::worker::End;

use super::message::{Amendment, Effect, Kept, Message, PictureKey, Purpose, Scanned, Watching};
use super::popup::Asked;

/// Something small to be done, whose order with others matters.
type Work = Box<dyn FnOnce(&Workspace, &Sender<Message>) + Send>;

/// The threads around the model.
pub(super) struct Effects {
    workspace: Workspace,
    inbox: Sender<Message>,
    watching: Sender<Watching>,
    pictures: Sender<Vec<PictureKey>>,
    small: Sender<Work>,
    sitting: naming::Shared,
    /// Tells by its end that all that was small has been done.
    all_done: Receiver<()>,
}

/// How long a screen that is left waits for the small things asked for last.
const LAST_WAIT: Duration = Duration::from_secs(5);

/// The present in seconds since 1970.
pub(super) fn now() -> f64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0.0, |d| d.as_secs_f64())
}

/// Runs `work` on a thread that the screen cannot do without: if it panics, the screen ends and says so.
pub(super) fn vital(inbox: &Sender<Message>, name: &str, work: impl FnOnce(&Sender<Message>) + Send + 'static) {
    spawn(inbox, name, Message::Panicked, work);
}

/// Runs `work` on a thread of its own; if it panics, that is a failure like another.
fn aside(inbox: &Sender<Message>, name: &str, work: impl FnOnce(&Sender<Message>) + Send + 'static) {
    spawn(inbox, name, Message::Failed, work);
}

fn spawn(
    inbox: &Sender<Message>,
    name: &str,
    failed: fn(String) -> Message,
    work: impl FnOnce(&Sender<Message>) + Send + 'static,
) {
    let (sender, name_of) = (inbox.clone(), name.to_owned());
    let made = std::thread::Builder::new().name(name.to_owned()).spawn(move || {
        if let Err(panic) = catch_unwind(AssertUnwindSafe(|| work(&sender))) {
            let said = panic.downcast_ref::<String>().cloned();
            let said = said.or_else(|| panic.downcast_ref::<&str>().map(|s| (*s).to_owned())).unwrap_or_default();
            // nobody is left to tell where the screen has ended
            let _ = sender.send(failed(format!("{name_of} panicked: {said}")));
        }
    });
    if let Err(error) = made {
        let _ = inbox.send(failed(format!("{name}: cannot start a thread: {error}")));
    }
}

impl Effects {
    /// Starts the threads that go on for as long as the screen does.
    pub(super) fn new(workspace: Workspace, inbox: Sender<Message>) -> Effects {
        let (watching, watched) = channel();
        let (pictures, wanted): (_, Receiver<Vec<PictureKey>>) = channel();
        let (small, asked): (_, Receiver<Work>) = channel();
        let (busy, all_done) = channel();
        let of = workspace.clone();
        vital(&inbox, "worker", move |inbox| {
            asked.iter().for_each(|work| work(&of, inbox));
            drop(busy);
        });
        let of = workspace.clone();
        let sitting = naming::Shared::default();
        let looking = sitting.clone();
        vital(&inbox, "poller", move |inbox| poller::run(&of, inbox, &watched, looking));
        vital(&inbox, "photos", move |inbox| photos::run(inbox, &wanted));
        Effects { workspace, inbox, watching, pictures, small, all_done, sitting }
    }

    /// Waits until the small things asked for are done: the layout is kept, a run that was being deleted is gone.
    pub(super) fn finish(self) {
        let Effects { small, all_done, .. } = self;
        drop(small);
        // nothing is ever sent; a disk that does not answer must not keep a person from their shell
        let _ = all_done.recv_timeout(LAST_WAIT);
    }

    /// Does something small, one after another: even a small thing may wait for a lock or a disk, and a key must not.
    fn small(&self, work: impl FnOnce(&Workspace, &Sender<Message>) + Send + 'static) {
        // the worker is there for as long as this is
        let _ = self.small.send(Box::new(work));
    }

    /// Does something small with the run `id` and says what came of it.
    fn care(&self, id: String, work: impl FnOnce(&Workspace, &RunDir) -> Result<String, RunError> + Send + 'static) {
        self.small(move |workspace, inbox| {
            let done = workspace.find(id.as_ref()).and_then(|run| work(workspace, &run));
            tell(inbox, done.map_or_else(|e| Message::Failed(e.to_string()), Message::Said));
        });
    }

    /// Does what was asked for, all but what concerns the terminal itself.
    pub(super) fn perform(&self, effect: Effect) {
        let (workspace, sitting) = (self.workspace.clone(), self.sitting.clone());
        let later = |name: &str, work: Box<dyn FnOnce(&Sender<Message>) + Send>| aside(&self.inbox, name, work);
        match effect {
            Effect::Watch(watching) => drop(self.watching.send(watching)),
            Effect::Pictures(keys) => drop(self.pictures.send(keys)),
            Effect::Scan(dataset) => later(
                "scan",
                Box::new(move |inbox| {
                    // one is read at a time: an answer must come
                    let scanned = catch_unwind(AssertUnwindSafe(|| scan(&workspace, &dataset.path)));
                    let scanned = scanned.unwrap_or_else(|_| Err("reading it panicked: a mistake of ours".to_owned()));
                    tell(inbox, Message::Scanned(dataset, scanned));
                }),
            ),
            Effect::AddDataset(path) => later(
                "add",
                Box::new(move |inbox| match added(&workspace, &path) {
                    Ok(dataset) => {
                        tell(inbox, Message::Typed(Asked::Path, path, Ok(())));
                        tell(inbox, Message::Added(dataset));
                    }
                    Err(why) => tell(inbox, Message::Typed(Asked::Path, path, Err(why))),
                }),
            ),
            Effect::ImportWeights(path) => later(
                "import",
                Box::new(move |inbox| {
                    let imported = imported(&workspace, &path);
                    tell(
                        inbox,
                        Message::Typed(Asked::Weights, path, imported.as_ref().map(drop).map_err(Clone::clone)),
                    );
                    if let Ok(said) = imported {
                        tell(inbox, Message::Said(said));
                    }
                    tell(inbox, Message::Weights(weights_of(&workspace)));
                }),
            ),
            Effect::Weights => {
                later("weights", Box::new(move |inbox| tell(inbox, Message::Weights(weights_of(&workspace)))))
            }
            Effect::Forget(name) => self.small(move |workspace, inbox| {
                tell(
                    inbox,
                    match workspace.forget_dataset(&name) {
                        Ok(_) => Message::Said(format!("{name} is out of the list; its photos are where they were")),
                        Err(error) => Message::Failed(error.to_string()),
                    },
                );
            }),
            Effect::Check(dataset) => later(
                "check",
                Box::new(move |inbox| {
                    let found = checked(&workspace, &dataset, inbox);
                    tell(inbox, Message::Progress(None));
                    tell(inbox, Message::Found(found));
                }),
            ),
            Effect::Draw(plan) => later(
                "draw",
                Box::new(move |inbox| {
                    let drawn = draw(&workspace, &plan, inbox);
                    tell(inbox, Message::Progress(None));
                    tell(inbox, drawn);
                }),
            ),
            Effect::Tour => later(
                "tour",
                Box::new(move |inbox| {
                    if let Err(why) = tour(&workspace, inbox) {
                        tell(inbox, Message::Progress(None));
                        tell(inbox, Message::Failed(why));
                    }
                }),
            ),
            Effect::Start(config) => later(
                "start",
                Box::new(move |inbox| match start(&workspace, *config) {
                    Ok((id, warning)) => {
                        tell(inbox, Message::Started(id));
                        if let Some(warning) = warning {
                            tell(inbox, Message::Said(format!("it has started; note: {warning}")));
                        }
                    }
                    Err(why) => tell(inbox, Message::Refused(why)),
                }),
            ),
            Effect::Resume(id) => later(
                "resume",
                Box::new(move |inbox| {
                    let resumed =
                        workspace.find(id.as_ref()).map_err(|e| e.to_string()).and_then(|run| resume(&workspace, &run));
                    tell(inbox, resumed.map_or_else(Message::Failed, |()| Message::Said(format!("{id} goes on"))));
                }),
            ),
            Effect::Stop(id) => self.care(id, |_, run| {
                manage::stop(run)?;
                Ok(format!("{} was told to stop: it ends after its step, with a checkpoint", run.id()))
            }),
            Effect::Pause(id, wait) => self.care(id, move |_, run| {
                if wait {
                    manage::pause(run)?;
                    return Ok(format!("{} waits after its step; p lets it go on", run.id()));
                }
                manage::go_on(run)?;
                Ok(format!("{} goes on", run.id()))
            }),
            Effect::Rename(id, name) => self.care(id, move |_, run| {
                manage::rename(run, &name)?;
                Ok(format!("{} is called {name} now", run.id()))
            }),
            Effect::Note(id, note) => self.care(id, move |_, run| {
                manage::note(run, &note)?;
                Ok(format!("noted beside {}", run.id()))
            }),
            Effect::Delete(id) => self.care(id, |workspace, run| {
                workspace.remove_run(run)?;
                Ok(format!("{} is deleted", run.id()))
            }),
            Effect::Correct(dataset, photo, amendment) => {
                later("correct", Box::new(move |inbox| tell(inbox, corrected(&workspace, dataset, &photo, amendment))))
            }
            Effect::Costs => {
                later("costs", Box::new(move |inbox| tell(inbox, Message::Costs(costs::measured(&workspace)))))
            }
            Effect::Evaluate(id, flags) => later(
                "evaluate",
                Box::new(move |inbox| {
                    tell(inbox, Message::Said(format!("{id} is being measured; that goes on without this screen")));
                    match evaluate(&workspace, &id, &flags) {
                        Ok(true) => {}
                        Ok(false) => tell(inbox, Message::Said(format!("the evaluation of {id} was stopped"))),
                        Err(why) => tell(inbox, Message::Failed(why)),
                    }
                }),
            ),
            Effect::StopEvaluation(folder) => self.small(move |_, inbox| {
                let answer = match session::stop(&folder) {
                    Ok(true) => Message::Said("it ends; a report from before stays".to_owned()),
                    Ok(false) => Message::Failed("that evaluation has ended already".to_owned()),
                    Err(error) => Message::Failed(error.to_string()),
                };
                tell(inbox, answer);
            }),
            Effect::Open(evaluation) => later(
                "open",
                Box::new(move |inbox| {
                    let opened = opening::open(&workspace, &evaluation).map(Arc::new);
                    tell(inbox, Message::Opened(evaluation.folder.clone(), opened));
                }),
            ),
            Effect::Compare(folders) => {
                later("compare", Box::new(move |inbox| tell(inbox, Message::Found(opening::compare(&folders)))))
            }
            Effect::Neighbours(folder) => later(
                "neighbours",
                Box::new(move |inbox| {
                    let projected = opening::neighbours(&folder);
                    tell(inbox, Message::Neighbours(folder, projected));
                }),
            ),
            Effect::AddGallery(path) => self.small(move |workspace, inbox| {
                let lies_at = expanded(&path);
                let added = naming::add(workspace, &lies_at);
                tell(inbox, Message::Typed(Asked::Gallery, path, added.clone()));
                if added.is_ok() {
                    tell(inbox, Message::Galleries(naming::galleries(workspace, &mut Default::default())));
                    tell(inbox, Message::Said(format!("{} is in the list", lies_at.display())));
                }
            }),
            Effect::Begin(gallery, typed) => self.small(move |_, inbox| {
                let folder = expanded(&typed);
                let why = |error: std::io::Error| match error.kind() {
                    std::io::ErrorKind::NotFound => format!("there is no folder {}", folder.display()),
                    _ => format!("{}: {error}", folder.display()),
                };
                let found = folder.canonicalize().map_err(why);
                let found = found.and_then(|found| match found.is_dir() {
                    true => Ok(found),
                    false => Err(format!("{} is no folder", folder.display())),
                });
                let came = found.as_ref().map(drop).map_err(Clone::clone);
                tell(inbox, Message::Typed(Asked::NewPhotos(gallery.clone()), typed, came));
                if let Ok(folder) = found {
                    tell(inbox, Message::Begun(gallery, folder));
                }
            }),
            Effect::WriteDecisions(gallery, path) => self.small(move |_, inbox| {
                let written = naming::write_decisions(&gallery, &expanded(&path));
                let came = written.as_ref().map(drop).map_err(Clone::clone);
                tell(inbox, Message::Typed(Asked::Decisions(gallery), path, came));
                if let Ok(said) = written {
                    tell(inbox, Message::Said(said));
                }
            }),
            Effect::Session(gallery, folder) => {
                later("session", Box::new(move |inbox| tell(inbox, sitting.session(gallery, folder))))
            }
            Effect::See(gallery, folder) => later(
                "see",
                Box::new(move |inbox| {
                    let _ends = naming::Ends { inbox, of: (gallery.clone(), folder.clone()) };
                    if naming::is_looked_at(&gallery, &folder) {
                        return; // what it sees comes
                    }
                    sitting.begins_to_look(&gallery, &folder);
                    let flags =
                        [&*folder.display().to_string(), "--gallery", &*gallery.display().to_string(), "--session"];
                    match verb(&workspace, "identify", &flags.map(str::to_owned)) {
                        // another screen was first: what it sees comes, and what came since it began is looked at after it
                        Err(why) if naming::is_by_another(&why, &folder) => sitting.did_not_look(&gallery, &folder),
                        Err(why) => tell(inbox, Message::Failed(why)),
                        Ok(_) => {}
                    }
                    tell(inbox, sitting.session(gallery, folder));
                }),
            ),
            Effect::Rule { gallery, folder, encounters, ruling, corrects, shown } => self.small(move |_, inbox| {
                let work = |sitting: &mut _| naming::rule(sitting, &encounters, (&ruling, corrects), shown);
                tell(inbox, sitting.written((gallery, folder), work));
            }),
            Effect::RuleAll(gallery, folder, all, shown) => later(
                "name",
                Box::new(move |inbox| {
                    let work = |sitting: &mut _| naming::rule_all(sitting, all, shown);
                    tell(inbox, sitting.written((gallery, folder), work));
                }),
            ),
            Effect::UndoRuling(gallery, folder) => self.small(move |_, inbox| {
                tell(inbox, sitting.written((gallery, folder), naming::undo));
            }),
            Effect::Profile(gallery, name) => self.small(move |_, inbox| {
                let profile = naming::profile(&gallery, &name);
                tell(inbox, Message::Profile(gallery, profile));
            }),
            Effect::Configs(purpose, ids) => {
                self.small(move |workspace, inbox| tell(inbox, configs(workspace, purpose, ids)));
            }
            Effect::Complete(text) => self.small(move |_, inbox| tell(inbox, Message::Completed(complete(&text)))),
            Effect::Keep(kept) => self.small(move |workspace, _| keep(workspace, &kept)),
            Effect::Copy(_) | Effect::Graphics(_) | Effect::Suspend | Effect::Redraw => {}
        }
    }
}

fn tell(inbox: &Sender<Message>, message: Message) {
    // the screen may have ended meanwhile
    let _ = inbox.send(message);
}

fn scan(workspace: &Workspace, path: &Path) -> Result<Arc<Scanned>, String> {
    let read = || {
        let manifest = workspace.open_dataset(path)?;
        let split = split::assign(&manifest, &SplitChoice::Auto)?;
        let overview = Overview::of_split(&manifest, &split);
        // boxes are shown, and an error of theirs hides no photo
        let found = boxes::found(workspace, path).unwrap_or_default();
        Ok(Arc::new(Scanned { manifest, overview, split, found }))
    };
    read().map_err(|e: RunError| e.to_string())
}

/// What is wrong with a dataset, as a page.
fn checked(workspace: &Workspace, dataset: &Dataset, inbox: &Sender<Message>) -> Result<(String, Vec<String>), String> {
    let manifest = workspace.open_dataset(&dataset.path).map_err(|e| e.to_string())?;
    let photos = manifest.photos.len();
    let progress = |done: usize| {
        if done.is_multiple_of((photos / 100).max(1)) {
            let words = format!("looking at the photos of {}: {done} of {photos}", dataset.name);
            tell(inbox, Message::Progress(Some(words)));
        }
        true
    };
    let checked = workspace.check_dataset(&dataset.path, &manifest, 2, progress).map_err(|e| e.to_string())?;
    let title = format!("{} · {} · {} can be read", dataset.name, counted(photos, "photo"), checked.readable);
    Ok((title, checked.told(usize::MAX)))
}

/// A path with `~` for the home folder.
fn expanded(path: &Path) -> PathBuf {
    match (path.strip_prefix("~"), std::env::var_os("HOME")) {
        (Ok(below), Some(home)) => PathBuf::from(home).join(below),
        _ => path.to_path_buf(),
    }
}

fn added(workspace: &Workspace, path: &Path) -> Result<Dataset, String> {
    let adopted = workspace.adopt_dataset(&expanded(path), None);
    adopted.map(|(dataset, _)| dataset).map_err(|e| e.to_string())
}

fn imported(workspace: &Workspace, path: &Path) -> Result<String, String> {
    let (imported, new) =
        weights::import(workspace, &expanded(path), weights::Wishes::default()).map_err(|e| e.to_string())?;
    let backbone = &imported.about.backbone;
    let how = if new { "imported" } else { "here already" };
    Ok(format!("{}: weights of {backbone}, {how}; the form for a new run offers them", imported.name))
}

/// The imported weights that can be read.
fn weights_of(workspace: &Workspace) -> Vec<weights::Imported> {
    weights::known(workspace).into_iter().flatten().flatten().collect()
}

/// `text` as far as every file or folder that begins so goes on alike; a folder alone ends in `/`.
fn complete(text: &str) -> String {
    let (folder, begin) = text.rsplit_once('/').map_or(("", text), |(folder, begin)| (folder, begin));
    let looked_in = match (text.contains('/'), folder) {
        (false, _) => PathBuf::from("."),
        (true, "") => PathBuf::from("/"),
        (true, folder) => expanded(folder.as_ref()),
    };
    let entries = std::fs::read_dir(looked_in).into_iter().flatten().flatten();
    let named = entries.filter_map(|e| {
        let is_folder = e.path().is_dir();
        let name = e.file_name().into_string().ok()?;
        let hidden = name.starts_with('.') && !begin.starts_with('.');
        (name.starts_with(begin) && !hidden).then(|| if is_folder { name + "/" } else { name })
    });
    let common = |a: String, b: String| {
        let same = a.chars().zip(b.chars()).take_while(|(x, y)| x == y).map(|(x, _)| x);
        same.collect::<String>()
    };
    let head = &text[..text.len() - begin.len()];
    named.reduce(common).map_or_else(|| text.to_owned(), |name| format!("{head}{name}"))
}

/// Says how far the drawing is, a few times a second.
fn drawing(inbox: &Sender<Message>, done: usize, total: usize) -> bool {
    if done.is_multiple_of((total / 40).max(1)) {
        tell(inbox, Message::Progress(Some(format!("drawing turtles: {done} of {total} photos"))));
    }
    true
}

fn draw(workspace: &Workspace, plan: &SynthPlan, inbox: &Sender<Message>) -> Message {
    match demo::turtles(&workspace.datasets(), plan, &|done, total| drawing(inbox, done, total)) {
        Ok(folder) => {
            let name = folder.file_name().unwrap_or_default().to_string_lossy().into_owned();
            Message::Added(Dataset { name, path: folder, drawn: true })
        }
        Err(error) => Message::Failed(error.to_string()),
    }
}

/// Draws turtles, then has the verb do the rest in a process of its own: a screen that is left leaves nothing half done.
fn tour(workspace: &Workspace, inbox: &Sender<Message>) -> Result<(), String> {
    let progress = |done: usize, total: usize| drawing(inbox, done, total);
    let plan = DemoPlan::default();
    demo::turtles(&workspace.datasets(), &plan.turtles, &progress).map_err(|e| e.to_string())?;
    tell(inbox, Message::Progress(None));
    let words = "a run begins on the turtles and is measured when it is done; both go on without this screen";
    tell(inbox, Message::Said(words.to_owned()));
    let is_whole = verb(workspace, "demo", &["--json".to_owned()])?;
    let words = if is_whole { "the tour is done: 3 shows what came out" } else { "the tour was stopped" };
    tell(inbox, Message::Said(words.to_owned()));
    Ok(())
}

/// Starts a run; its id, and a sentence where it could not be measured.
fn start(workspace: &Workspace, mut config: Config) -> Result<(String, Option<String>), String> {
    config.data.dir = workspace.data_dir(config.data.dir.as_ref()).map_err(|e| e.to_string())?;
    let (run, warning) = check::create(workspace, &config, None).map_err(|e| e.to_string())?;
    resume(workspace, &run)?;
    Ok((run.id().to_owned(), warning))
}

/// Gives a run a trainer.
fn resume(workspace: &Workspace, run: &RunDir) -> Result<(), String> {
    launch::trainer(workspace, run, Turn::Wait).map(drop).map_err(|e| e.to_string())
}

/// Measures a run in a process of its own, and waits for its last word; whether it came to its end.
fn evaluate(workspace: &Workspace, id: &str, flags: &[String]) -> Result<bool, String> {
    let model = ["--model-path".to_owned(), id.to_owned()];
    verb(workspace, "evaluate", &[&model, flags].concat())
}

/// Has a verb done in a process of its own, and waits for its last word, which is the error where it fails; whether it
/// came to its end rather than being told to stop.
fn verb(workspace: &Workspace, name: &str, flags: &[String]) -> Result<bool, String> {
    let root = workspace.root().as_os_str().to_owned();
    let mut arguments = vec![name.into(), "--workspace".into(), root];
    arguments.extend(flags.iter().map(Into::into));
    let mut child = launch::companion(&arguments).map_err(|e| e.to_string())?;
    let mut said = Vec::new();
    if let Some(errors) = &mut child.stderr {
        // what photos were left out is in the evaluation's log
        let _ = errors.take(1 << 20).read_to_end(&mut said);
    }
    let status = child.wait().map_err(|e| e.to_string())?;
    if status.success() || status.code() == Some(End::Interrupted.exit_code()) {
        return Ok(status.success());
    }
    let said = String::from_utf8_lossy(&said);
    let last = said.trim().lines().next_back().unwrap_or("it ended without a word");
    Err(last.trim_start_matches("caretta: ").to_owned())
}

/// When a table of corrections of this workspace changed last: each is replaced at once, which marks their folder.
fn corrections_mark(workspace: &Workspace) -> Option<SystemTime> {
    std::fs::metadata(workspace.root().join("corrections")).and_then(|meta| meta.modified()).ok()
}

/// Corrects a photo of `dataset`, as long as its name means this folder.
fn corrected(workspace: &Workspace, dataset: Dataset, photo: &Path, amendment: Amendment) -> Message {
    let is_taken_back =
        matches!(amendment, Amendment::Individual(None) | Amendment::Date(None) | Amendment::Crop(None));
    let done = workspace.known_datasets().and_then(|known| {
        if !known.contains(&dataset) {
            return Ok(None);
        }
        workspace.correct(&dataset.path, photo, |correction| amendment.apply(correction)).map(Some)
    });
    match done {
        Ok(Some(done)) => {
            let table = done.table.file_name().unwrap_or_default().to_string_lossy().into_owned();
            let words = if is_taken_back {
                format!("{}: the correction is taken back", photo.display())
            } else {
                format!("{} is corrected, in corrections/{table} of the workspace", photo.display())
            };
            Message::Corrected(dataset, words, corrections_mark(workspace))
        }
        Ok(None) => Message::Failed(format!("{} is no longer in the list: nothing was corrected", dataset.name)),
        Err(error) => Message::Failed(error.to_string()),
    }
}

fn configs(workspace: &Workspace, purpose: Purpose, ids: Vec<String>) -> Message {
    let read = |id: String| {
        let config = workspace.find(id.as_ref()).and_then(|run| run.read_config());
        config.map(|config| (id, config)).map_err(|e| e.to_string())
    };
    Message::Configs(purpose, ids.into_iter().map(read).collect())
}

fn kept_file(workspace: &Workspace) -> PathBuf {
    workspace.root().join("screen.json")
}

/// What was kept the last time; a damaged file is as none.
pub(super) fn read_kept(workspace: &Workspace) -> Kept {
    files::read_json(&kept_file(workspace)).unwrap_or_default()
}

fn keep(workspace: &Workspace, kept: &Kept) {
    // a screen that only looked must not make a workspace; one that cannot be written is looked at all the same
    if workspace.root().is_dir() {
        let _ = files::replace_json(&kept_file(workspace), kept);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_small_is_done_elsewhere_in_order_and_before_the_end() {
        let dir = tempfile::tempdir().unwrap();
        let workspace = Workspace::open(Some(dir.path())).unwrap();
        let (inbox, _messages) = channel();
        let effects = Effects::new(workspace.clone(), inbox);
        let (go_on, waits) = channel::<()>();
        effects.small(move |_, _| {
            let _ = waits.recv();
        });
        for theme in ["dark", "light"] {
            effects.perform(Effect::Keep(Kept { theme: theme.into(), ..Kept::default() }));
        }
        assert_eq!(read_kept(&workspace), Kept::default(), "nobody waited for the one that hangs");
        drop(go_on);
        effects.finish();
        assert_eq!(read_kept(&workspace).theme, "light");
    }

    #[test]
    fn a_path_is_completed_as_far_as_it_is_unique() {
        let dir = tempfile::tempdir().unwrap();
        for name in ["turtles-one", "turtles-two", ".hidden", "rays"] {
            std::fs::create_dir(dir.path().join(name)).unwrap();
        }
        let root = dir.path().display().to_string();
        assert_eq!(complete(&format!("{root}/tu")), format!("{root}/turtles-"));
        assert_eq!(complete(&format!("{root}/r")), format!("{root}/rays/"));
        assert_eq!(complete(&format!("{root}/x")), format!("{root}/x"));
        assert_eq!(complete(&format!("{root}/.h")), format!("{root}/.hidden/"));
    }
}
