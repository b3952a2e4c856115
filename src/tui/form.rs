//! The form for a new run: every value of a configuration as a typed field, judged while it is typed by the same table
//! as the configuration file, in the same words.

pub(super) mod view;

use crossterm::event::{KeyCode, KeyEvent, KeyModifiers};

use crate::nn::backbone::BACKBONES;
use crate::run::config::field::{FIELDS, Field, Kind};
use crate::run::config::{Config, Method};

use super::widgets::list::{Step, moved};
use super::widgets::text::{bytes, time};

/// One field with its text.
#[derive(Debug, Clone)]
pub(super) struct Entry {
    /// What it is.
    pub(super) field: &'static Field,
    /// What stands in it.
    pub(super) text: String,
    /// A person changed it: another method's preset leaves it alone.
    edited: bool,
}

/// A dataset that the form offers.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Offer {
    /// Its name.
    pub(super) name: String,
    /// Photos to train on, where that is known.
    pub(super) train: Option<usize>,
}

/// What a run has cost on this machine.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Cost {
    /// Its network.
    pub(super) backbone: String,
    /// Sides of its photos, in pixels.
    pub(super) image_size: usize,
    /// Photos a second in training, waiting for data included.
    pub(super) photos_per_s: f64,
    /// Bytes of a checkpoint.
    pub(super) checkpoint: Option<u64>,
}

/// The state of the form.
#[derive(Debug, Clone)]
pub(super) struct Form {
    entries: Vec<Entry>,
    /// Place among the fields shown; the one behind the last is the button.
    pub(super) at: usize,
    /// The next character replaces what stands in the field.
    fresh: bool,
    /// Datasets to choose from.
    pub(super) offers: Vec<Offer>,
    /// What runs of this workspace have cost.
    pub(super) costs: Vec<Cost>,
    /// Imported weights to choose from: name and backbone.
    pub(super) weights: Vec<(String, String)>,
    /// Devices to choose from.
    devices: Vec<String>,
    /// The sentence of a start that was refused.
    pub(super) refused: Option<String>,
    /// It was asked for, and neither refused nor done yet.
    pub(super) starting: bool,
}

/// What a key in the form came to.
#[derive(Debug, PartialEq)]
pub(super) enum Outcome {
    /// The form goes on.
    Stay,
    /// It is left.
    Leave,
    /// A run with this configuration is to be started.
    Start(Box<Config>),
}

impl Form {
    /// A form with the values of `config`.
    pub(super) fn new(config: &Config, offers: Vec<Offer>, devices: Vec<String>) -> Form {
        let entry =
            |field: &'static Field| Entry { field, text: config.get(field.path).unwrap_or_default(), edited: false };
        Form {
            entries: FIELDS.iter().map(entry).collect(),
            at: 0,
            fresh: true,
            offers,
            costs: Vec::new(),
            weights: Vec::new(),
            devices,
            refused: None,
            starting: false,
        }
    }

    /// Takes in why the run cannot start: what was typed stays to be mended.
    pub(super) fn refuse(&mut self, why: String) {
        (self.refused, self.starting) = (Some(why), false);
    }

    /// Takes in how many photos of the dataset `name` there are to train on.
    pub(super) fn learn(&mut self, name: &str, train: usize) {
        for offer in self.offers.iter_mut().filter(|offer| offer.name == name) {
            offer.train = Some(train);
        }
    }

    fn method(&self) -> Method {
        Method::from_name(self.text("method")).unwrap_or(Method::Arcface)
    }

    /// What stands in the field of this path.
    pub(super) fn text(&self, path: &str) -> &str {
        self.entries.iter().find(|e| e.field.path == path).map_or("", |e| e.text.as_str())
    }

    /// The fields that the method looks at.
    pub(super) fn shown(&self) -> Vec<&Entry> {
        let method = self.method();
        self.entries.iter().filter(|e| e.field.methods.contains(&method)).collect()
    }

    /// The field in focus; none on the button.
    pub(super) fn focused(&self) -> Option<&Entry> {
        self.shown().get(self.at).copied()
    }

    /// The words that a field takes, where it takes only some.
    pub(super) fn choices(&self, entry: &Entry) -> Vec<String> {
        match (entry.field.path, entry.field.kind) {
            ("data.dir", _) => self.offers.iter().map(|o| o.name.clone()).collect(),
            ("model.backbone", _) => BACKBONES.iter().map(|b| b.name.to_owned()).collect(),
            ("model.init", _) => {
                let backbone = self.text("model.backbone");
                let fitting = self.weights.iter().filter(|(_, of)| of == backbone).map(|(name, _)| name.clone());
                let fitting: Vec<String> = fitting.collect();
                // none where there is nothing to choose
                if fitting.is_empty() { fitting } else { std::iter::once(String::new()).chain(fitting).collect() }
            }
            (_, Kind::Choice(words)) => words.iter().map(|w| (*w).to_owned()).collect(),
            (_, Kind::Bool) => ["false", "true"].map(str::to_owned).to_vec(),
            (_, Kind::Device) => self.devices.clone(),
            _ => Vec::new(),
        }
    }

    /// Why the text of a field cannot be used.
    pub(super) fn problem(&self, entry: &Entry) -> Option<String> {
        if entry.field.path == "model.backbone" {
            return crate::nn::backbone::Backbone::named(&entry.text).err().map(|e| e.to_string());
        }
        if entry.field.path == "data.dir" && entry.text.is_empty() {
            return Some("no photos chosen yet: ← and → go through the datasets, or type a path".to_owned());
        }
        if entry.field.path == "model.init"
            && let Some((name, of)) = self.weights.iter().find(|(name, _)| *name == entry.text)
            && of != self.text("model.backbone")
        {
            return Some(format!("{name} are weights of {of}: ← and → go through those that fit"));
        }
        entry.field.parse(&entry.text).err().map(|e| e.to_string())
    }

    /// The configuration that the fields make.
    ///
    /// # Errors
    /// The first sentence on what cannot be.
    pub(super) fn config(&self) -> Result<Config, String> {
        let shown = self.shown();
        if let Some(problem) = shown.iter().find_map(|entry| self.problem(entry)) {
            return Err(problem);
        }
        let mut config = Config::preset(self.method());
        for entry in shown {
            config.set(entry.field.path, &entry.text).map_err(|e| e.to_string())?;
        }
        crate::train::check::check(&config).map_err(|e| e.to_string())?;
        Ok(config)
    }

    /// What it will cost, as far as that is known.
    pub(super) fn cost(&self) -> Option<String> {
        let dir = self.text("data.dir");
        let photos = self.offers.iter().find(|o| o.name == dir)?.train?;
        let whole = |path: &str| self.text(path).parse::<usize>().ok();
        let (batch, epochs) = (whole("batch.size")?.max(1), whole("train.epochs")?);
        let batch = batch.saturating_mul(whole("batch.accumulate")?.max(1));
        let steps = (photos / batch).max(1).saturating_mul(epochs);
        let seen = steps.saturating_mul(batch) as f64;
        Some(format!("{steps} steps of {batch} of {photos} photos, {}", self.price(seen)))
    }

    /// What going through `seen` photos costs, by what runs with this backbone have cost here.
    fn price(&self, seen: f64) -> String {
        let size = self.text("data.image_size").parse::<usize>().unwrap_or(0).max(1);
        let of_backbone = || self.costs.iter().filter(|cost| cost.backbone == self.text("model.backbone"));
        // convolutions take as long as there are pixels
        let scale = |cost: &Cost| (cost.image_size.max(1) as f64 / size as f64).powi(2);
        let same = of_backbone().find(|cost| cost.image_size == size).or_else(|| of_backbone().next());
        let Some(cost) = same else {
            return "the first with this backbone here: its time is not known".to_owned();
        };
        let seconds = seen / (cost.photos_per_s * scale(cost));
        let checkpoint = cost.checkpoint.map(|size| format!(", {} a checkpoint", bytes(size))).unwrap_or_default();
        format!("about {} on this machine{checkpoint}", time(seconds))
    }

    /// Takes a key.
    pub(super) fn key(&mut self, key: KeyEvent) -> Outcome {
        let fields = self.shown().len();
        let control = key.modifiers.contains(KeyModifiers::CONTROL);
        if self.starting && key.code != KeyCode::Esc {
            return Outcome::Stay;
        }
        self.refused = None;
        match key.code {
            KeyCode::Esc => return Outcome::Leave,
            KeyCode::Char('s') if control => return self.start(),
            KeyCode::Enter if self.at == fields => return self.start(),
            KeyCode::Enter | KeyCode::Down | KeyCode::Tab => self.to(if self.at >= fields { 0 } else { self.at + 1 }),
            KeyCode::Up | KeyCode::BackTab => self.to(self.at.checked_sub(1).unwrap_or(fields)),
            KeyCode::PageDown => self.to(moved(self.at, fields + 1, Step::By(10))),
            KeyCode::PageUp => self.to(moved(self.at, fields + 1, Step::By(-10))),
            KeyCode::Home => self.to(0),
            KeyCode::End => self.to(fields),
            KeyCode::Left => self.turn(false),
            KeyCode::Right => self.turn(true),
            KeyCode::Char('u') if control => self.edit(String::clear),
            KeyCode::Backspace => self.edit(|text| {
                text.pop();
            }),
            KeyCode::Char(c) if !control => self.type_text(c.encode_utf8(&mut [0; 4])),
            _ => {}
        }
        Outcome::Stay
    }

    /// Writes `text` into the field of this path.
    #[cfg(test)]
    pub(super) fn put(&mut self, path: &str, text: &str) {
        let entry = self.entries.iter_mut().find(|e| e.field.path == path).unwrap();
        entry.text = text.to_owned();
    }

    /// Takes typed or pasted text.
    pub(super) fn type_text(&mut self, text: &str) {
        if self.starting {
            return;
        }
        let text: String = text.chars().filter(|c| !c.is_control()).collect();
        let fresh = std::mem::take(&mut self.fresh);
        self.edit(|there| {
            if fresh {
                there.clear();
            }
            there.push_str(&text);
        });
    }

    fn to(&mut self, at: usize) {
        (self.at, self.fresh) = (at, true);
    }

    fn start(&mut self) -> Outcome {
        match self.config() {
            Ok(config) => {
                self.starting = true;
                Outcome::Start(Box::new(config))
            }
            Err(sentence) => {
                // the first field that is wrong on its own is where to look
                let wrong = self.shown().iter().position(|entry| self.problem(entry).is_some());
                if let Some(at) = wrong {
                    self.to(at);
                }
                self.refused = Some(sentence);
                Outcome::Stay
            }
        }
    }

    fn turn(&mut self, forward: bool) {
        let Some(entry) = self.focused() else { return };
        let choices = self.choices(entry);
        if choices.is_empty() {
            return;
        }
        let by = if forward { 1 } else { choices.len() - 1 };
        let next = choices.iter().position(|c| *c == entry.text).map_or(0, |at| (at + by) % choices.len());
        self.edit(|text| text.clone_from(&choices[next]));
    }

    fn edit(&mut self, change: impl FnOnce(&mut String)) {
        let Some(path) = self.focused().map(|e| e.field.path) else { return };
        let before = self.method();
        if let Some(entry) = self.entries.iter_mut().find(|e| e.field.path == path) {
            change(&mut entry.text);
            entry.edited = true;
        }
        self.fresh = false;
        let method = self.method();
        if method != before {
            let preset = Config::preset(method);
            for entry in self.entries.iter_mut().filter(|e| !e.edited) {
                entry.text = preset.get(entry.field.path).unwrap_or_default();
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn press(form: &mut Form, codes: &[KeyCode]) -> Outcome {
        let mut last = Outcome::Stay;
        for code in codes {
            last = form.key(KeyEvent::new(*code, KeyModifiers::NONE));
        }
        last
    }

    fn type_into(form: &mut Form, path: &str, text: &str) {
        let at = form.shown().iter().position(|e| e.field.path == path).unwrap();
        form.to(at);
        text.chars().for_each(|c| drop(press(form, &[KeyCode::Char(c)])));
    }

    fn form() -> Form {
        let offers = vec![Offer { name: "turtles".into(), train: Some(320) }];
        Form::new(&Config::preset(Method::Arcface), offers, vec!["auto".into(), "cpu".into()])
    }

    #[test]
    fn a_value_out_of_range_gets_the_files_sentence() {
        let mut form = form();
        type_into(&mut form, "loss.margin", "3");
        let expected = crate::run::config::field::find("loss.margin").unwrap().parse("3").unwrap_err().to_string();
        assert_eq!(form.problem(form.focused().unwrap()), Some(expected));
        type_into(&mut form, "model.backbone", "resnet19");
        assert!(form.problem(form.focused().unwrap()).unwrap().contains("resnet18"));
    }

    #[test]
    fn a_run_starts_once_every_value_is_right() {
        let mut form = form();
        form.to(form.shown().len());
        assert_eq!(press(&mut form, &[KeyCode::Enter]), Outcome::Stay);
        assert_eq!(form.focused().unwrap().field.path, "data.dir", "the field that is wrong has the focus");
        assert!(form.refused.as_ref().unwrap().contains("no photos chosen"));
        press(&mut form, &[KeyCode::Right]);
        assert_eq!(form.text("data.dir"), "turtles");
        type_into(&mut form, "train.epochs", "3");
        type_into(&mut form, "batch.size", "32");
        type_into(&mut form, "optimiser.warmup_epochs", "1");
        let words = form.cost().unwrap();
        assert!(words.starts_with("30 steps of 32 of 320 photos, the first with this backbone"), "{words}");
        let (backbone, image_size) = (form.text("model.backbone").to_owned(), 2 * 224);
        form.costs = vec![Cost { backbone, image_size, photos_per_s: 4.0, checkpoint: Some(13_000_000) }];
        type_into(&mut form, "data.image_size", "224");
        assert_eq!(
            form.cost().unwrap(),
            "30 steps of 32 of 320 photos, about 1 m on this machine, 13.0 MB a checkpoint"
        );
        let Outcome::Start(config) = form.key(KeyEvent::new(KeyCode::Char('s'), KeyModifiers::CONTROL)) else {
            panic!("{:?}", form.refused)
        };
        assert_eq!((config.train.epochs, config.data.dir.as_str()), (3, "turtles"));
    }

    #[test]
    fn another_method_brings_its_own_values_and_leaves_those_of_a_person() {
        let mut form = form();
        type_into(&mut form, "train.epochs", "7");
        form.to(0);
        press(&mut form, &[KeyCode::Left]);
        assert_eq!((form.text("method"), form.text("train.epochs")), ("triplet", "7"));
        let preset = Config::preset(Method::Triplet);
        assert_eq!(form.text("loss.margin"), preset.get("loss.margin").unwrap());
        let shown: Vec<_> = form.shown().iter().map(|e| e.field.path).collect();
        assert!(shown.contains(&"loss.mining") && !shown.contains(&"loss.scale"));
        assert_eq!(press(&mut form, &[KeyCode::Esc]), Outcome::Leave);
    }
}
