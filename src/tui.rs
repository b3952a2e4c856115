//! The workbench: the full-screen interface.
//!
//! Everything shown comes from a model; a message changes it (`update`), a frame is drawn from it (`view`), and what
//! takes time or touches the world is an effect, done on other threads that answer with messages (`effects`). Runs and
//! evaluations are processes of their own: this one may end at any moment without touching them.

mod app;
mod choices;
mod datasets;
mod effects;
mod evaluate;
mod form;
mod graphics;
mod identify;
mod keys;
mod message;
mod model;
mod popup;
mod runs;
mod system;
mod terminal;
#[cfg(test)]
mod tests;
mod theme;
mod update;
mod view;
mod widgets;

use std::io::{IsTerminal, stdin, stdout};
use std::path::PathBuf;
use std::sync::mpsc::channel;
use std::time::Duration;

use ratatui::Terminal;
use ratatui::backend::CrosstermBackend;

use crate::data::foreign;
use crate::run::Workspace;

use self::effects::Effects;
use self::graphics::Images;
use self::graphics::overlay::Overlay;
use self::graphics::probe;
use self::keys::{Keymap, Tab};
use self::message::{Effect, Message};
use self::model::{Ending, Model};
use self::theme::Theme;

/// What keeps the workbench from opening, or ends it.
#[derive(Debug, thiserror::Error)]
pub enum TuiError {
    /// Nobody could see it.
    #[error(
        "the workbench needs a terminal, and standard input or output is none. Without one: `caretta run ls`, \
         `caretta run start`, `caretta run watch`, `caretta evaluate`, each with --json; `caretta --help` lists all"
    )]
    NotATerminal,
    /// The terminal failed.
    #[error("the terminal: {0}")]
    Terminal(#[from] std::io::Error),
    /// The file of keys or that of settings cannot be used.
    #[error("{}: {problem}", foreign::path(path))]
    Settings {
        /// The file.
        path: PathBuf,
        /// What is wrong in it.
        problem: String,
    },
    /// A thread of the screen panicked.
    #[error("the workbench ended by a mistake of its own: {0}\nRuns and evaluations go on; `caretta` opens it again")]
    Broken(String),
}

/// The least time between two frames.
const PACE: Duration = Duration::from_millis(16);
/// The same over SSH, where every frame is a packet or more.
const PACE_FAR: Duration = Duration::from_millis(100);

/// Opens the workbench on `workspace` and returns when it is left: with a line for the shell, which says what goes on.
/// `images` is `auto`, `cells`, `viuer` or `off`; without it `screen.toml` in the workspace says.
///
/// # Errors
/// When there is no terminal, it fails, or the workbench itself does.
pub fn open(workspace: &Workspace, images: Option<&str>) -> Result<String, TuiError> {
    if !stdout().is_terminal() || !stdin().is_terminal() {
        return Err(TuiError::NotATerminal);
    }
    let (keymap, settings) = (keymap(workspace)?, settings(workspace)?);
    let kept = effects::read_kept(workspace);
    let variable = |name: &str| std::env::var(name).ok();
    let theme = Theme::of_environment(&kept.theme, variable);
    let size = crossterm::terminal::size()?;
    let mut model = Model::new(workspace.root().to_owned(), theme, keymap, size, effects::now());
    let images = images.and_then(Images::from_word).unwrap_or(settings.images);
    model.images = images != Images::Off;
    model.home = std::env::var_os("HOME").filter(|home| !home.is_empty()).map(PathBuf::from);
    (model.runs.chosen, model.datasets.chosen) = (kept.run, kept.dataset);
    (model.runs.whole, model.runs.sort, model.runs.charts) = (kept.whole, kept.sort, kept.charts);
    model.identify.left = kept.sitting;
    model.tab = Tab::ALL.into_iter().find(|tab| tab.name() == kept.tab).unwrap_or(Tab::Runs);

    let far = ["SSH_CONNECTION", "SSH_TTY"].iter().any(|name| variable(name).is_some());
    let (sender, inbox) = channel();
    let taken = terminal::take()?;
    terminal::obey_signals(&sender)?;
    let mut screen = Terminal::new(CrosstermBackend::new(stdout()))?;
    let effects = Effects::new(workspace.clone(), sender.clone());
    let asks = images.asks(variable);
    if asks {
        probe::ask()?;
    }
    terminal::read_keys(&sender, asks);
    let pace = if far { PACE_FAR } else { PACE };
    // what is looked at follows from the model from the first message on
    let _ = sender.send(Message::Tick(effects::now()));
    let ending = app::run(&mut screen, &mut model, &inbox, pace, &mut Overlay::default(), |effect| {
        match effect {
            // how `tests/workbench.rs` sees what a panic leaves behind
            Effect::Redraw if std::env::var_os("CARETTA_TEST_PANIC").is_some() => {
                panic!("a panic that a test asked for")
            }
            Effect::Redraw => return Ok::<_, TuiError>(true),
            Effect::Suspend if terminal::suspend()? => return Ok(true),
            Effect::Suspend => {
                let words = "there is no shell to go to: this terminal was opened for the workbench alone";
                drop(sender.send(Message::Said(words.to_owned())));
            }
            Effect::Copy(text) => terminal::copy(&text)?,
            other => effects.perform(other),
        }
        Ok(false)
    });
    drop(taken);
    effects.finish();
    match ending? {
        Ending::Left | Ending::Gone => Ok(going_on(&model)),
        Ending::Broken(what) => Err(TuiError::Broken(what)),
    }
}

/// The runs that go on without the screen; empty where none does.
fn going_on(model: &Model) -> String {
    let live: Vec<_> = model.runs.live().iter().map(|run| run.id.clone()).collect();
    match &live[..] {
        [] => String::new(),
        [one] => format!("{one} goes on; `caretta run watch {one}` follows it, `caretta` opens the workbench again"),
        several => format!("{} runs go on: {}; `caretta` opens the workbench again", several.len(), several.join(", ")),
    }
}

/// What a person may set for the screen: `screen.toml` in the workspace.
#[derive(Debug, Default, serde::Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Settings {
    images: Images,
}

fn settings(workspace: &Workspace) -> Result<Settings, TuiError> {
    read_toml(workspace, "screen.toml", Ok)
}

/// The user's own keys: `keys.toml` in the workspace, an action and its keys a line.
fn keymap(workspace: &Workspace) -> Result<Keymap, TuiError> {
    read_toml(workspace, "keys.toml", Keymap::with)
}

/// What `name` in the workspace holds; the usual where it is not there.
fn read_toml<T: serde::de::DeserializeOwned, U: Default>(
    workspace: &Workspace,
    name: &str,
    judged: impl Fn(T) -> Result<U, String>,
) -> Result<U, TuiError> {
    let path = workspace.root().join(name);
    let wrong = |problem: String| TuiError::Settings { path: path.clone(), problem };
    let text = match std::fs::read_to_string(&path) {
        Ok(text) => text,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(U::default()),
        Err(error) => return Err(wrong(error.to_string())),
    };
    judged(toml::from_str(&text).map_err(|e| wrong(e.message().to_owned()))?).map_err(wrong)
}
