//! Keys and what they do: one table that the footer, the help, the palette and the key file all read.
//!
//! A key means one action at one place of the screen. The same key means the same thing on every tab where it means
//! anything.

use std::collections::BTreeMap;

use crossterm::event::{KeyCode, KeyEvent, KeyModifiers};

/// Where on the screen a key was pressed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Place {
    /// Nothing in the workspace yet.
    First,
    /// The list of datasets.
    Datasets,
    /// The individuals of a dataset.
    Individuals,
    /// One photo over the whole pane.
    Photo,
    /// One photo as a network in training sees it.
    Augmented,
    /// A box that is drawn on a photo.
    Framing,
    /// The table of runs.
    Runs,
    /// One run's charts, beside the table or over the whole screen.
    Run,
    /// The list of evaluations.
    Evaluations,
    /// The queries of an evaluation.
    Queries,
    /// A query beside its match.
    Pair,
    /// The report of an evaluation.
    Report,
    /// The embedding as points.
    Scatter,
    /// The machine.
    System,
    /// The list of galleries.
    Galleries,
    /// The encounters of a folder of new photos.
    Encounters,
    /// The nearest known individuals, before a new one is made.
    Anew,
}

impl Place {
    /// In the order above.
    const ALL: [Place; 17] = [
        Place::First,
        Place::Datasets,
        Place::Individuals,
        Place::Photo,
        Place::Augmented,
        Place::Framing,
        Place::Runs,
        Place::Run,
        Place::Evaluations,
        Place::Queries,
        Place::Pair,
        Place::Report,
        Place::Scatter,
        Place::System,
        Place::Galleries,
        Place::Encounters,
        Place::Anew,
    ];

    /// Where that is.
    pub(super) fn words(self) -> &'static str {
        match self {
            Place::First => "in an empty workspace",
            Place::Datasets => "in the list of datasets",
            Place::Individuals => "among individuals and their photos",
            Place::Photo => "on a photo that is open",
            Place::Augmented => "on a photo that is shown augmented",
            Place::Framing => "while a box is drawn",
            Place::Runs => "in the table of runs",
            Place::Run => "at a run's charts",
            Place::Evaluations => "in the list of evaluations",
            Place::Queries => "among queries",
            Place::Pair => "at a pair of photos",
            Place::Report => "in a report",
            Place::Scatter => "in the embedding",
            Place::System => "on System",
            Place::Galleries => "in the list of galleries",
            Place::Encounters => "among encounters of new photos",
            Place::Anew => "before a new individual is made",
        }
    }
}

/// The five tabs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Tab {
    /// Photos and who is on them.
    Datasets,
    /// Trainings.
    Runs,
    /// Measured models.
    Evaluate,
    /// The machine.
    System,
    /// New photos and their names.
    Identify,
}

impl Tab {
    /// In their order.
    pub(super) const ALL: [Tab; 5] = [Tab::Datasets, Tab::Runs, Tab::Evaluate, Tab::System, Tab::Identify];

    /// The name in the header.
    pub(super) fn name(self) -> &'static str {
        match self {
            Tab::Datasets => "Datasets",
            Tab::Runs => "Runs",
            Tab::Evaluate => "Evaluate",
            Tab::System => "System",
            Tab::Identify => "Identify",
        }
    }
}

/// What a key or an entry of the palette does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(missing_docs)] // each is told in the table below, in the words of the help
pub(super) enum Action {
    ToTab(Tab),
    Quit,
    Help,
    Palette,
    Filter,
    Back,
    Redraw,
    Suspend,
    Copy,
    NextPane,
    PreviousPane,
    Up,
    Down,
    PageUp,
    PageDown,
    First,
    Last,
    Left,
    Right,
    Open,
    AddDataset,
    ImportWeights,
    Synthetic,
    Tour,
    Delete,
    Check,
    Problems,
    NewRun,
    Clone,
    Mark,
    Overlay,
    Difference,
    Stop,
    Resume,
    Pause,
    Rename,
    Note,
    Evaluate,
    Sort,
    Smoother,
    Rougher,
    LogAxis,
    Along,
    ZoomIn,
    ZoomOut,
    Pan(i16, i16),
    Frame,
    KeepFrame,
    Unframe,
    Individual,
    Date,
    Augmented,
    EvaluateHow,
    NextMistake,
    PreviousMistake,
    OnlyMistakes,
    View,
    Flip,
    Theme,
    AddGallery,
    NewPhotos,
    Confirm,
    Take(usize),
    Who,
    New,
    OnlyThis,
    Skip,
    Undo,
    NextOpen,
    TakeAll,
    WriteDecisions,
}

/// A row of the table.
#[derive(Debug)]
pub(super) struct Row {
    /// What it does.
    pub(super) action: Action,
    /// Its name in the key file.
    pub(super) name: &'static str,
    /// The usual keys.
    keys: &'static [&'static str],
    /// Where; empty is everywhere.
    places: &'static [Place],
    /// A word for the footer; empty keeps it out of there.
    pub(super) short: &'static str,
    /// A sentence for the help and the palette.
    pub(super) help: &'static str,
}

const fn row(
    action: Action,
    name: &'static str,
    keys: &'static [&'static str],
    places: &'static [Place],
    short: &'static str,
    help: &'static str,
) -> Row {
    Row { action, name, keys, places, short, help }
}

use Place as P;

const EVERYWHERE: &[Place] = &[];
const RUNS: &[Place] = &[P::Runs, P::Run];
const DATA: &[Place] = &[P::First, P::Datasets, P::Individuals];
const LISTS: &[Place] = &[P::Runs, P::Individuals, P::Datasets, P::Evaluations, P::Queries, P::Scatter];
const CLOSER: &[Place] = &[P::Pair, P::Run, P::Photo, P::Encounters];
const MOVED: &[Place] = &[P::Pair, P::Photo, P::Framing];
/// Where a digit takes an individual and no tab.
const NAMED_BY_DIGIT: &[Place] = Place::ALL.split_at(BY_DIGIT).1;
/// Everywhere else.
const TABS_BY_DIGIT: &[Place] = Place::ALL.split_at(BY_DIGIT).0;
/// Places where a digit is a tab; the others follow them.
const BY_DIGIT: usize = 15;
const PANES: &[Place] = &[P::Datasets, P::Individuals, P::Photo, P::Augmented, P::Runs, P::Run, P::Report];
const OPENED: &[Place] = &[P::Queries, P::Pair, P::Report, P::Scatter];

/// Everything that can be done, in the order of the footer.
#[rustfmt::skip] // a table: one action a line
pub(super) static TABLE: &[Row] = &[
    row(Action::AddDataset, "add-dataset", &["a"], DATA, "add", "add a folder or a table of photos"),
    row(Action::ImportWeights, "import-weights", &["i"], &[P::System], "import weights", "import a file of a backbone's weights, for new runs to begin with"),
    row(Action::Synthetic, "synthetic", &["s"], DATA, "synthetic", "draw a dataset of synthetic turtles"),
    row(Action::Tour, "demo", &["d"], DATA, "demo", "the whole tour: draw, train, evaluate"),
    row(Action::NewRun, "new-run", &["n"], &[P::Runs, P::Run, P::Datasets, P::Individuals], "new run", "a new run: a form with the values of a method"),
    row(Action::AddGallery, "add-gallery", &["a"], &[P::Galleries], "add", "add a gallery that lies elsewhere to the list"),
    row(Action::Open, "open-session", &["enter"], &[P::Galleries], "open", "go on with the folder, or give new photos to the gallery"),
    row(Action::NewPhotos, "new-photos", &["n"], &[P::Galleries], "new photos", "a folder of new photos to be named with the gallery"),
    row(Action::Confirm, "confirm", &["enter"], &[P::Encounters], "confirm", "it is who stands beside it; where it is likely new, the nearest known ones are shown first; new photos of a decided one are added"),
    row(Action::Confirm, "name-new", &["enter"], &[P::Anew], "new name", "it is none of these: asks for the name of the new individual"),
    row(Action::Take(1), "take-1", &["1"], NAMED_BY_DIGIT, "to 9 another", "put the nearest individual beside it"),
    row(Action::Take(2), "take-2", &["2"], NAMED_BY_DIGIT, "", "put the second nearest beside it"),
    row(Action::Take(3), "take-3", &["3"], NAMED_BY_DIGIT, "", "put the third nearest beside it"),
    row(Action::Take(4), "take-4", &["4"], NAMED_BY_DIGIT, "", "put the fourth nearest beside it"),
    row(Action::Take(5), "take-5", &["5"], NAMED_BY_DIGIT, "", "put the fifth nearest beside it"),
    row(Action::Take(6), "take-6", &["6"], NAMED_BY_DIGIT, "", "put the sixth nearest beside it"),
    row(Action::Take(7), "take-7", &["7"], NAMED_BY_DIGIT, "", "put the seventh nearest beside it"),
    row(Action::Take(8), "take-8", &["8"], NAMED_BY_DIGIT, "", "put the eighth nearest beside it"),
    row(Action::Take(9), "take-9", &["9"], NAMED_BY_DIGIT, "", "put the ninth nearest beside it"),
    row(Action::Who, "who", &["/"], NAMED_BY_DIGIT, "name", "put a known individual beside it by typing its name"),
    row(Action::New, "new-individual", &["n"], NAMED_BY_DIGIT, "new", "a new individual: the nearest known ones once more, then a name"),
    row(Action::OnlyThis, "only-this", &["o"], &[P::Anew], "only this", "a new individual of this encounter alone, where others are in its group"),
    row(Action::Skip, "skip", &["s"], &[P::Encounters], "skip", "say nothing of it; u takes that back"),
    row(Action::TakeAll, "take-all", &["A"], &[P::Encounters], "", "write down every open encounter that is proposed as known; asks, and the log says that the program did"),
    row(Action::Undo, "undo", &["u"], &[P::Encounters], "undo", "take back what was decided last in this folder"),
    row(Action::NextOpen, "next-open", &["]"], &[P::Encounters], "next open", "to the next encounter of which nothing is decided; where there is none, to one with new photos"),
    row(Action::NewPhotos, "another-folder", &["o"], &[P::Encounters], "", "another folder of new photos to be named with the gallery"),
    row(Action::WriteDecisions, "write-decisions", &["w"], &[P::Encounters], "write", "write all that was decided with the gallery to a table"),
    row(Action::Open, "open", &["enter"], &[P::Datasets, P::Individuals, P::Runs, P::Evaluations, P::Queries, P::Scatter], "open", "open what is chosen"),
    row(Action::KeepFrame, "keep-crop", &["enter"], &[P::Framing], "keep", "keep the box: only what is in it counts from now on"),
    row(Action::Frame, "crop", &["b"], &[P::Photo], "crop", "draw a box around the part that counts; arrows move it, HJKL + - size it"),
    row(Action::Unframe, "no-crop", &["backspace"], &[P::Framing], "whole photo", "take the box away: the whole photo counts"),
    row(Action::Individual, "individual", &["i"], &[P::Photo], "who", "correct who is on the photo"),
    row(Action::Date, "date", &["I"], &[P::Photo], "when", "correct the photo's date"),
    row(Action::Augmented, "augmented", &["A"], &[P::Photo, P::Augmented], "augmented", "the photo as a network in training sees it"),
    row(Action::Stop, "stop", &["x"], RUNS, "stop", "end the run after the step it is in, with a checkpoint"),
    row(Action::Stop, "stop-evaluation", &["x"], &[P::Evaluations], "stop", "end the evaluation; a report from before stays"),
    row(Action::Resume, "resume", &["r"], RUNS, "resume", "go on with a run that paused, stopped, failed or crashed"),
    row(Action::Pause, "pause", &["p"], RUNS, "pause", "have the run wait after its step, or let it go on"),
    row(Action::Evaluate, "evaluate", &["e"], &[P::Runs, P::Run, P::Evaluations], "evaluate", "measure the run on its own photos; goes on without this screen"),
    row(Action::EvaluateHow, "evaluate-how", &["E"], &[P::Runs, P::Run, P::Evaluations], "", "measure the run otherwise: checkpoint, photos, parts, device"),
    row(Action::Clone, "clone", &["c"], RUNS, "clone", "a new run that begins with the values of this one"),
    row(Action::Mark, "mark", &["space"], RUNS, "mark", "mark the run, for the overlay and the difference"),
    row(Action::Mark, "mark-evaluation", &["space"], &[P::Evaluations], "mark", "mark the evaluation, to compare another one with it"),
    row(Action::Difference, "compare", &["D"], &[P::Evaluations], "compare", "the marked evaluation and this one on the same queries, and whether the difference could be luck"),
    row(Action::Overlay, "overlay", &["o"], RUNS, "overlay", "the curves of all marked runs in one chart"),
    row(Action::Difference, "difference", &["D"], RUNS, "difference", "the values in which two runs differ"),
    row(Action::Rename, "rename", &["R"], RUNS, "", "give the run another name"),
    row(Action::Note, "note", &["N"], RUNS, "", "note something beside the run"),
    row(Action::Sort, "sort", &["S"], &[P::Runs], "", "sort by another column"),
    row(Action::Smoother, "smoother", &["}"], RUNS, "", "smoother curves"),
    row(Action::Rougher, "rougher", &["{"], RUNS, "", "less smooth curves"),
    row(Action::LogAxis, "log-axis", &["L"], RUNS, "", "the loss on a logarithmic axis, or not"),
    row(Action::Along, "along", &["X"], RUNS, "", "steps, epochs or time along the bottom"),
    row(Action::NextMistake, "next-mistake", &["]"], &[P::Queries, P::Pair], "next mistake", "to the next query whose nearest photo is another individual"),
    row(Action::PreviousMistake, "previous-mistake", &["["], &[P::Queries, P::Pair], "previous", "to the mistake before"),
    row(Action::OnlyMistakes, "only-mistakes", &["m"], &[P::Queries], "only mistakes", "show only the queries that went wrong"),
    row(Action::View, "view", &["v"], OPENED, "view", "report, queries, embedding"),
    row(Action::View, "run-view", &["v"], &[P::Run], "view", "charts, log, checkpoints; PgUp and PgDn go through them"),
    row(Action::Pan(-1, 0), "other-before", &["H"], &[P::Encounters], "", "another photo of the known one, from the nearest on; zoomed, to the left"),
    row(Action::Pan(1, 0), "other-next", &["L"], &[P::Encounters], "", "another photo of the known one; zoomed, to the right"),
    row(Action::Pan(0, -1), "zoomed-up", &["K"], &[P::Encounters], "", "what is zoomed, up"),
    row(Action::Pan(0, 1), "zoomed-down", &["J"], &[P::Encounters], "", "what is zoomed, down"),
    row(Action::Flip, "flip", &["g"], &[P::Pair], "flip", "show the two photos in one place, in turn"),
    row(Action::Flip, "flip-known", &["g"], &[P::Encounters], "flip", "show the new and the known photo in one place, in turn"),
    row(Action::ZoomIn, "larger", &["+", "="], &[P::Framing], "larger", "a larger box"),
    row(Action::ZoomOut, "smaller", &["-"], &[P::Framing], "smaller", "a smaller box"),
    row(Action::ZoomIn, "zoom-in", &["+", "="], CLOSER, "zoom", "closer"),
    row(Action::ZoomOut, "zoom-out", &["-"], CLOSER, "", "farther away"),
    row(Action::Pan(-1, 0), "pan-left", &["H"], MOVED, "", "what is zoomed, to the left; a box's width, less"),
    row(Action::Pan(1, 0), "pan-right", &["L"], MOVED, "", "what is zoomed, to the right; a box's width, more"),
    row(Action::Pan(0, -1), "pan-up", &["K"], MOVED, "", "what is zoomed, up; a box's height, less"),
    row(Action::Pan(0, 1), "pan-down", &["J"], MOVED, "", "what is zoomed, down; a box's height, more"),
    row(Action::Check, "check", &["c"], &[P::Datasets, P::Individuals], "check", "look into every photo: unreadable, duplicates, doubtful names and dates, sizes"),
    row(Action::Problems, "problems", &["!"], &[P::Datasets, P::Individuals], "problems", "list what was left out or doubted"),
    row(Action::Delete, "delete", &["delete"], &[P::Datasets, P::Runs, P::Run], "", "delete the run, or take the dataset out of the list; asks"),
    row(Action::Copy, "copy", &["y"], EVERYWHERE, "copy", "copy the path or name of what is chosen (OSC 52)"),
    row(Action::Filter, "filter", &["/"], LISTS, "filter", "show only rows that hold a text"),
    row(Action::NextPane, "projection", &["tab"], &[P::Scatter], "PCA/t-SNE", "by components (PCA) or neighbours (t-SNE)"),
    row(Action::NextPane, "next-pane", &["tab"], PANES, "pane", "to the next pane"),
    row(Action::PreviousPane, "previous-pane", &["backtab"], PANES, "", "to the pane before"),
    row(Action::Back, "back", &["esc"], EVERYWHERE, "", "back"),
    row(Action::Help, "help", &["?"], EVERYWHERE, "keys", "all keys that work here"),
    row(Action::Palette, "palette", &[":"], EVERYWHERE, "", "find any action by its name"),
    row(Action::Quit, "quit", &["q", "ctrl-c"], EVERYWHERE, "quit", "leave; runs and evaluations go on"),
    row(Action::ToTab(Tab::Datasets), "datasets", &["alt-1"], EVERYWHERE, "", "the tab with the datasets"),
    row(Action::ToTab(Tab::Datasets), "datasets-by-digit", &["1"], TABS_BY_DIGIT, "", "the tab with the datasets"),
    row(Action::ToTab(Tab::Runs), "runs", &["alt-2"], EVERYWHERE, "", "the tab with the runs"),
    row(Action::ToTab(Tab::Runs), "runs-by-digit", &["2"], TABS_BY_DIGIT, "", "the tab with the runs"),
    row(Action::ToTab(Tab::Evaluate), "evaluations", &["alt-3"], EVERYWHERE, "", "the tab with the evaluations"),
    row(Action::ToTab(Tab::Evaluate), "evaluations-by-digit", &["3"], TABS_BY_DIGIT, "", "the tab with the evaluations"),
    row(Action::ToTab(Tab::System), "system", &["alt-4"], EVERYWHERE, "", "the tab with the machine"),
    row(Action::ToTab(Tab::System), "system-by-digit", &["4"], TABS_BY_DIGIT, "", "the tab with the machine"),
    row(Action::ToTab(Tab::Identify), "identify", &["alt-5"], EVERYWHERE, "", "the tab with new photos and their names"),
    row(Action::ToTab(Tab::Identify), "identify-by-digit", &["5"], TABS_BY_DIGIT, "", "the tab with new photos and their names"),
    row(Action::Up, "up", &["up", "k"], EVERYWHERE, "", "a row up"),
    row(Action::Down, "down", &["down", "j"], EVERYWHERE, "", "a row down"),
    row(Action::Left, "left", &["left", "h"], EVERYWHERE, "", "to the left: the match before, an earlier place"),
    row(Action::Right, "right", &["right", "l"], EVERYWHERE, "", "to the right: the next match, a later place"),
    row(Action::PageUp, "page-up", &["pageup", "ctrl-u"], EVERYWHERE, "", "ten rows up"),
    row(Action::PageDown, "page-down", &["pagedown", "ctrl-d"], EVERYWHERE, "", "ten rows down"),
    row(Action::First, "first", &["home"], EVERYWHERE, "", "to the first row"),
    row(Action::Last, "last", &["end", "G"], EVERYWHERE, "", "to the last row"),
    row(Action::Theme, "theme", &["T"], EVERYWHERE, "", "the next theme: dark, light, colour-blind, plain"),
    row(Action::Redraw, "redraw", &["ctrl-l"], EVERYWHERE, "", "draw the whole screen again; on Datasets, read the dataset again"),
    row(Action::Suspend, "suspend", &["ctrl-z"], EVERYWHERE, "", "to the shell; `fg` comes back"),
];

impl Row {
    /// The places where it works, in words.
    pub(super) fn where_it_works(&self) -> String {
        self.places.iter().map(|place| place.words()).collect::<Vec<_>>().join(", ")
    }

    /// Whether it works at `place`.
    pub(super) fn works_at(&self, place: Place) -> bool {
        self.places.is_empty() || self.places.contains(&place)
    }
}

/// Which keys do what, the user's own over the usual ones.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Keymap {
    own: BTreeMap<String, Vec<String>>,
}

impl Keymap {
    /// A map with the user's keys by action; the error names what is not known.
    pub(super) fn with(own: BTreeMap<String, Vec<String>>) -> Result<Keymap, String> {
        for (action, keys) in &own {
            if TABLE.iter().all(|row| row.name != action) {
                let known: Vec<_> = TABLE.iter().map(|row| row.name).collect();
                return Err(format!("{action}: there is no such action; there are {}", known.join(", ")));
            }
            if let Some(key) = keys.iter().find(|key| !is_key(key)) {
                return Err(format!(
                    "{action}: {key:?} is no key; write it as x, X, ctrl-x, alt-x, space, enter or f5"
                ));
            }
        }
        Ok(Keymap { own })
    }

    /// The keys of a row.
    pub(super) fn keys(&self, row: &Row) -> Vec<String> {
        match self.own.get(row.name) {
            Some(keys) => keys.clone(),
            None => {
                let taken = |key: &&&str| !self.own.values().flatten().any(|own| own == **key);
                row.keys.iter().filter(taken).map(|key| (*key).to_owned()).collect()
            }
        }
    }

    /// The key that does `action` at `place`, as it is shown; a row's name in the palette where none does.
    pub(super) fn shown(&self, action: Action, place: Place) -> String {
        let rows = || TABLE.iter().filter(|row| row.action == action && row.works_at(place));
        let key = rows().flat_map(|row| self.keys(row)).next().map(|key| shown(&key));
        key.or_else(|| rows().next().map(|row| format!(":{}", row.name))).unwrap_or_default()
    }

    /// What `key` does at `place`.
    pub(super) fn action(&self, place: Place, key: KeyEvent) -> Option<Action> {
        let name = name_of(key)?;
        let row = TABLE.iter().find(|row| row.works_at(place) && self.keys(row).contains(&name))?;
        Some(row.action)
    }
}

/// Names of keys that are no character.
const NAMED: &[(&str, KeyCode)] = &[
    ("enter", KeyCode::Enter),
    ("esc", KeyCode::Esc),
    ("tab", KeyCode::Tab),
    ("backtab", KeyCode::BackTab),
    ("space", KeyCode::Char(' ')),
    ("up", KeyCode::Up),
    ("down", KeyCode::Down),
    ("left", KeyCode::Left),
    ("right", KeyCode::Right),
    ("home", KeyCode::Home),
    ("end", KeyCode::End),
    ("pageup", KeyCode::PageUp),
    ("pagedown", KeyCode::PageDown),
    ("delete", KeyCode::Delete),
    ("insert", KeyCode::Insert),
    ("backspace", KeyCode::Backspace),
];

/// A key as the table and the key file write it.
pub(super) fn name_of(key: KeyEvent) -> Option<String> {
    let plain = match (NAMED.iter().find(|(_, code)| *code == key.code), key.code) {
        (Some((name, _)), _) => (*name).to_owned(),
        (None, KeyCode::Char(c)) => c.to_string(),
        (None, KeyCode::F(n)) => format!("f{n}"),
        _ => return None,
    };
    let with =
        |modifier, prefix: &str| if key.modifiers.contains(modifier) { prefix.to_owned() } else { String::new() };
    Some(with(KeyModifiers::CONTROL, "ctrl-") + &with(KeyModifiers::ALT, "alt-") + &plain)
}

fn is_key(name: &str) -> bool {
    let plain = name.trim_start_matches("ctrl-").trim_start_matches("alt-");
    let function = || plain.strip_prefix('f').is_some_and(|n| n.parse::<u8>().is_ok());
    plain.chars().count() == 1 || NAMED.iter().any(|(named, _)| *named == plain) || function()
}

/// A key as the footer and the help show it.
pub(super) fn shown(name: &str) -> String {
    match name {
        "enter" => "Enter".into(),
        "esc" => "Esc".into(),
        "tab" => "Tab".into(),
        "backtab" => "Shift-Tab".into(),
        "delete" => "Del".into(),
        "backspace" => "Backspace".into(),
        "space" => "Space".into(),
        "up" => "↑".into(),
        "down" => "↓".into(),
        "left" => "←".into(),
        "right" => "→".into(),
        "pageup" => "PgUp".into(),
        "pagedown" => "PgDn".into(),
        "home" => "Home".into(),
        "end" => "End".into(),
        other => other.replace("ctrl-", "Ctrl-").replace("alt-", "Alt-"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn at_no_place_does_a_key_mean_two_things() {
        for (n, place) in Place::ALL.into_iter().enumerate() {
            assert_eq!(place as usize, n, "all are there, in their order");

            let mut seen = BTreeMap::new();
            for row in TABLE.iter().filter(|row| row.works_at(place)) {
                for key in row.keys {
                    let before = seen.insert(key, row.name);
                    assert_eq!(before, None, "{place:?}: {key} is {} too", row.name);
                    assert!(is_key(key), "{key}");
                }
            }
        }
        assert_eq!(Place::ALL.len(), Place::Anew as usize + 1);
        assert_eq!(NAMED_BY_DIGIT, [Place::Encounters, Place::Anew]);
        let names: std::collections::BTreeSet<_> = TABLE.iter().map(|row| row.name).collect();
        assert_eq!(names.len(), TABLE.len());
    }

    #[test]
    fn a_users_key_takes_the_place_of_the_usual_one() {
        let own = |action: &str, key: &str| Keymap::with([(action.to_owned(), vec![key.to_owned()])].into());
        let map = own("stop", "q").unwrap();
        let key = |c| KeyEvent::new(KeyCode::Char(c), KeyModifiers::NONE);
        assert_eq!(map.action(P::Runs, key('q')), Some(Action::Stop));
        assert_eq!(map.action(P::Runs, key('x')), None);
        let ctrl_c = KeyEvent::new(KeyCode::Char('c'), KeyModifiers::CONTROL);
        assert_eq!(map.action(P::Runs, ctrl_c), Some(Action::Quit), "what is left of the usual keys stays");
        assert!(own("stopp", "q").unwrap_err().contains("stopp: there is no such action"));
        assert!(own("stop", "hyper-q").unwrap_err().contains("is no key"));
    }
}
