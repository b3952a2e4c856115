//! What lies over a tab: help, palette, questions, and lines to type into. The topmost has the keys.

pub(super) mod line;
pub(super) mod view;

use std::path::PathBuf;

use crate::run::Dataset;

use super::choices::Choices;
use super::form::Form;
use super::identify::Matter;
use super::keys::{Action, Keymap, Place, Row, TABLE};
use super::message::Effect;
use line::Line;

/// One of them.
#[derive(Debug)]
pub(super) enum Layer {
    /// All keys that work at a place, from this line on.
    Help(Place, usize),
    /// Any action, by its name.
    Palette(Palette),
    /// A text that rows must hold; it is the tab that keeps it.
    Filter,
    /// Something to agree to.
    Confirm(Confirm),
    /// A line to type.
    Prompt(Prompt),
    /// Lines to read.
    Page(Page),
    /// A new run.
    Form(Box<Form>),
    /// How a run is to be evaluated.
    Choices(Box<Choices>),
}

impl Layer {
    /// Whether it leaves the photos to be seen.
    pub(super) fn is_beside_photos(&self) -> bool {
        matches!(self, Layer::Prompt(prompt) if prompt.asked.is_of_photos())
    }
}

/// Something to agree to.
#[derive(Debug)]
pub(super) struct Confirm {
    /// What is asked.
    pub(super) question: String,
    /// What is done then.
    pub(super) effect: Effect,
}

/// What a typed line is for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Asked {
    /// The path of a dataset to add.
    Path,
    /// The path of a file of weights to import.
    Weights,
    /// How many turtles to draw.
    Turtles,
    /// The new name of the run of this id.
    Name(String),
    /// A note beside the run of this id.
    Note(String),
    /// Who is on the photo of a dataset.
    Individual(Dataset, PathBuf),
    /// When the photo of a dataset was taken.
    Date(Dataset, PathBuf),
    /// The path of a gallery to put into the list.
    Gallery,
    /// The folder of new photos to be named with this gallery.
    NewPhotos(PathBuf),
    /// Who of those known is on the photos of an encounter.
    Known(Matter),
    /// The name of a new individual on these encounters of the folder, of which the matter's is the first.
    NewName(Matter, Vec<String>),
    /// The table that the decisions of a gallery are to be written to.
    Decisions(PathBuf),
}

impl Asked {
    /// Whether a path is typed.
    pub(super) fn is_path(&self) -> bool {
        matches!(self, Asked::Path | Asked::Weights | Asked::Gallery | Asked::NewPhotos(_) | Asked::Decisions(_))
    }

    /// Whether it is about photos that stay beside it.
    pub(super) fn is_of_photos(&self) -> bool {
        matches!(self, Asked::Known(_) | Asked::NewName(..))
    }

    /// The question.
    pub(super) fn title(&self) -> &'static str {
        match self {
            Asked::Path => "Folder or table of photos",
            Asked::Weights => "File of weights",
            Asked::Turtles => "Turtles x encounters x photos of each",
            Asked::Name(_) => "Name of the run",
            Asked::Note(_) => "Note beside the run",
            Asked::Individual(..) => "Who is on this photo",
            Asked::Date(..) => "When it was taken",
            Asked::Gallery => "Folder of a gallery",
            Asked::NewPhotos(_) => "Folder of new photos",
            Asked::Known(_) => "Who it is",
            Asked::NewName(_, encounters) if encounters.len() > 1 => "One name for the whole group",
            Asked::NewName(..) => "Name of the new individual",
            Asked::Decisions(_) => "Table of all decisions with this gallery",
        }
    }

    /// What may be typed.
    pub(super) fn help(&self) -> &'static str {
        match self {
            Asked::Path => "a folder per individual, or a table (metadata.csv) in its folder; Tab completes",
            Asked::Weights => {
                ".pth, .pt, .bin, .ckpt or .safetensors, of PyTorch's libraries; Tab completes; nothing in it is run"
            }
            Asked::Name(_) => "lists show it; the run keeps its id",
            Asked::Note(_) => "an empty line takes the note away",
            Asked::Individual(..) => {
                "kept in the workspace, never in your files; `unknown` leaves the photo out; empty: as the files say"
            }
            Asked::Date(..) => {
                "a day, as 2019-08-02; kept in the workspace, never in your files; empty: as the files say"
            }
            Asked::Gallery => "as caretta gallery build has made it; Tab completes",
            Asked::NewPhotos(_) => "each sub-folder is one encounter, each loose photo its own; Tab completes",
            Asked::Known(_) => "a name that the gallery knows; it stands beside the photo until Enter confirms it",
            Asked::NewName(_, encounters) if encounters.len() > 1 => {
                "Enter makes it and adds the photos of the whole group, which is one decision; u takes that back"
            }
            Asked::NewName(..) => "Enter makes it and adds the photos of this encounter; u takes that back",
            Asked::Decisions(_) => {
                "a CSV file, a row a decision: those with `yes` under `stands` count now; Tab completes"
            }
            Asked::Turtles => "Enter draws them into the workspace; they are drawn by code, nothing is downloaded",
        }
    }
}

/// A line to type.
#[derive(Debug)]
pub(super) struct Prompt {
    /// What it is for.
    pub(super) asked: Asked,
    /// What stands in the line.
    pub(super) line: Line,
    /// What is wrong with it, as it was when Enter was pressed.
    pub(super) error: Option<String>,
    /// The paths that Enter sent and nobody has said yet what came of.
    pub(super) sent: Vec<String>,
}

impl Prompt {
    /// A line in which `text` stands.
    pub(super) fn new(asked: Asked, text: String) -> Prompt {
        Prompt { asked, line: Line::new(text), error: None, sent: Vec::new() }
    }

    /// What stands in the line, without spaces around it.
    pub(super) fn text(&self) -> &str {
        self.line.text().trim()
    }

    /// What is being done with what stands in the line; none where nobody was told to.
    pub(super) fn under_way(&self) -> Option<&'static str> {
        let words = if matches!(self.asked, Asked::Decisions(_)) { "writing …" } else { "reading …" };
        self.sent.iter().any(|sent| sent == self.text()).then_some(words)
    }

    /// A line in which `text` is suggested: the first letter typed takes its place.
    pub(super) fn suggesting(asked: Asked, text: String) -> Prompt {
        Prompt { line: Line::suggesting(text), ..Prompt::new(asked, String::new()) }
    }
}

/// Lines to read.
#[derive(Debug)]
pub(super) struct Page {
    /// What they are.
    pub(super) title: String,
    /// The lines.
    pub(super) lines: Vec<String>,
    /// The first one shown.
    pub(super) from: usize,
}

impl Page {
    /// A page from its beginning.
    pub(super) fn new(title: String, lines: Vec<String>) -> Page {
        Page { title, lines, from: 0 }
    }
}

/// The palette.
#[derive(Debug)]
pub(super) struct Palette {
    /// Where it was opened.
    pub(super) place: Place,
    /// What is looked for.
    pub(super) text: String,
    /// The row chosen.
    pub(super) at: usize,
}

impl Palette {
    /// The rows found, the best first: those that hold the very text, of those what works here.
    pub(super) fn found(&self) -> Vec<&'static Row> {
        let mut found: Vec<_> = TABLE
            .iter()
            .filter(|row| row.action != Action::Palette)
            .filter_map(|row| fuzzy(&self.text, &format!("{} {}", row.name, row.help)).map(|far| (far, row)))
            // scattered letters are found in much
            .map(|(far, row)| ((far >= SCATTERED, !row.works_at(self.place), far), row))
            .collect();
        found.sort_by_key(|(order, _)| *order);
        found.into_iter().map(|(_, row)| row).collect()
    }
}

/// From this on letters are not side by side.
const SCATTERED: usize = 1000;

/// How far `text` is from holding the letters of `wanted` in their order, side by side and early; none where it does
/// not hold them.
fn fuzzy(wanted: &str, text: &str) -> Option<usize> {
    let (wanted, text) = (wanted.to_lowercase(), text.to_lowercase());
    if let Some(at) = text.find(&wanted) {
        return Some(at);
    }
    let mut far = SCATTERED;
    let mut rest = text.as_str();
    for letter in wanted.chars().filter(|c| *c != ' ') {
        let at = rest.find(letter)?;
        far += at;
        rest = &rest[at + letter.len_utf8()..];
    }
    Some(far)
}

/// The keys that work at `place`: key and sentence, those of the place before those of everywhere.
pub(super) fn help(place: Place, keymap: &Keymap) -> Vec<(String, &'static str)> {
    let rows = TABLE.iter().filter(|row| row.works_at(place));
    let line = |row: &Row| {
        let keys: Vec<_> = keymap.keys(row).iter().map(|key| super::keys::shown(key)).collect();
        (keys.join("  "), row.help)
    };
    rows.map(line).filter(|(keys, _)| !keys.is_empty()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_palette_finds_actions_by_some_of_their_letters() {
        let find = |text: &str| {
            let palette = Palette { place: Place::Runs, text: text.into(), at: 0 };
            palette.found().iter().map(|row| row.name).collect::<Vec<_>>()
        };
        assert_eq!(find("resume")[0], "resume");
        assert_eq!(find("nwrn")[0], "new-run");
        assert!(find("checkpoint").contains(&"stop"), "the sentence counts too");
        assert!(find("zzz").is_empty());
        let all = find("");
        assert_eq!(all.len(), TABLE.len() - 1, "every action");
        let place = |name: &str| all.iter().position(|n| *n == name).unwrap();
        assert!(place("stop") < place("flip"), "what works here comes first");
    }
}
