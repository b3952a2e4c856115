//! The table of everything a configuration holds: path, help, limits.
//!
//! One table feeds the checks of the configuration file, the flags, the form, and the comments of the
//! presets, so that all of them say the same sentence. A test in `config.rs` asserts that its paths are
//! exactly the leaves of a serialised configuration.

use toml::Value;

use super::Method;
use crate::run::error::{Place, RunError, near};

/// One key of a configuration.
#[derive(Debug)]
pub struct Field {
    /// The dotted path, as in `loss.margin`.
    pub path: &'static str,
    /// One line for a comment, a form and `--help`.
    pub help: &'static str,
    /// What values it takes.
    pub kind: Kind,
    /// The methods that look at it; the others carry it unused.
    pub methods: &'static [Method],
}

/// What values a key takes.
#[derive(Debug, Clone, Copy)]
pub enum Kind {
    /// `true` or `false`.
    Bool,
    /// A whole number, both limits included.
    Int(i64, i64),
    /// A number, both limits included.
    Real(f64, f64),
    /// A number above the first limit and up to the second.
    Above(f64, f64),
    /// One of these words.
    Choice(&'static [&'static str]),
    /// A folder, a table or a dataset's name; empty while none is chosen.
    Path,
    /// A word without control characters.
    Name,
    /// A name, or empty for none.
    OptionalName,
    /// `auto`, `cpu`, or `cuda:N`.
    Device,
}

const ALL: &[Method] = &Method::ALL;
const WITH_MARGIN: &[Method] = &[Method::Siamese, Method::Triplet, Method::Arcface];
const TRIPLET: &[Method] = &[Method::Triplet];
const ARCFACE: &[Method] = &[Method::Arcface];
const CROSS_ENTROPY: &[Method] = &[Method::CrossEntropy];

const fn field(path: &'static str, kind: Kind, help: &'static str) -> Field {
    Field { path, help, kind, methods: ALL }
}

const fn only(methods: &'static [Method], path: &'static str, kind: Kind, help: &'static str) -> Field {
    Field { path, help, kind, methods }
}

/// Every key, in the order in which a configuration file shows them.
#[rustfmt::skip] // a table: one key a line
pub static FIELDS: &[Field] = &[
    field("method", Kind::Choice(&["siamese", "triplet", "arcface", "cross-entropy"]), "how the embedding is learnt"),

    field("data.dir", Kind::Path, "the photos: a folder, a table, or the name of a dataset"),
    field("data.split_column", Kind::OptionalName, "the table's column that says which part a photo is in; empty: the usual rule"),
    field("data.split", Kind::Choice(&["auto", "by-encounter", "closed", "open", "disjoint", "time-proportion", "time-cutoff"]), "how photos are split where no column is named; auto: split or split_closed, else by-encounter where encounters are known, else closed"),
    field("data.image_size", Kind::Int(32, 1024), "side of the square a photo is resized to, in pixels"),
    field("data.crop", Kind::Choice(&["drawn", "attention"]), "what is seen of a photo: the box drawn in it, or where it has none, too, the box where the weights to begin with look"),
    field("data.sides", Kind::Choice(&["together", "apart"]), "what an individual is to the training: an animal, or a side of it where the table says which side a photo shows (photos of no known side are then one more of their animal); evaluated by animals in any case"),
    field("data.workers", Kind::Int(0, 64), "threads that prepare photos; 0: the training thread does it"),

    field("model.backbone", Kind::Name, "the network that sees the photo"),
    field("model.pretrained", Kind::Bool, "begin with imported weights instead of random ones"),
    field("model.init", Kind::OptionalName, "the weights to begin with: imported ones, a run or a file, with @ and their hash; empty: random, or those imported last where pretrained is true"),
    field("model.freeze_until", Kind::OptionalName, "last stage of the backbone that stays as it is: stem, stage1, stage2 and so on; empty: all of it learns"),
    field("model.freeze_norm", Kind::Bool, "the backbone's batch norms stay as they began, and normalise by the statistics that they began with"),
    field("model.embedding_dim", Kind::Int(2, 4096), "numbers in an embedding"),

    only(WITH_MARGIN, "loss.margin", Kind::Above(0.0, 2.0), "how far different individuals are pushed apart; a distance, for arcface an angle in radians"),
    only(TRIPLET, "loss.mining", Kind::Choice(&["all", "semi-hard", "hard", "batch-hard"]), "which triplets count; hard is the course's rule, batch-hard what papers call hard"),
    only(TRIPLET, "loss.soft_margin", Kind::Bool, "log(1 + exp(difference)) in place of a margin (Hermans et al. 2017); semi-hard and hard still look for negatives within the margin"),
    only(ARCFACE, "loss.scale", Kind::Above(0.0, 1024.0), "factor on the cosines before the softmax"),
    only(ARCFACE, "loss.sub_centres", Kind::Int(1, 16), "centres of each individual, of which the nearest counts (Deng et al. 2020): for photos under wrong names, or several looks of one animal"),
    only(ARCFACE, "loss.margin_warmup_epochs", Kind::Real(0.0, 1000.0), "epochs in which the margin rises from 0; 0: the whole margin from the first step"),
    only(CROSS_ENTROPY, "loss.label_smoothing", Kind::Real(0.0, 0.9), "share of the target that is spread evenly over all individuals; 0: none"),

    field("batch.size", Kind::Int(2, 4096), "photos in a step; a pair counts as two"),
    field("batch.per_individual", Kind::Int(1, 64), "photos of each individual in a batch; 1, for siamese: pairs, half of them of the same individual, for arcface and cross-entropy: photos in random order; above 1, siamese learns from all pairs of a batch"),
    field("batch.accumulate", Kind::Int(1, 1024), "batches that make one step: its loss and gradient are those of one batch as large, in the memory of one (batch norms that learn see each by itself; siamese and triplet embed photos twice)"),

    field("optimiser.kind", Kind::Choice(&["sgd", "adamw"]), "the rule that moves the weights"),
    field("optimiser.lr", Kind::Above(0.0, 10.0), "learning rate after the warm-up"),
    field("optimiser.backbone_lr_share", Kind::Above(0.0, 1.0), "learning rate of the backbone, as a share of the head's"),
    field("optimiser.stage_lr_decay", Kind::Above(0.0, 1.0), "learning rate of a stage of the backbone, as a share of that of the stage after it"),
    field("optimiser.weight_decay", Kind::Real(0.0, 1.0), "decoupled weight decay"),
    field("optimiser.momentum", Kind::Real(0.0, 0.9999), "momentum of sgd; adamw does not look at it"),
    field("optimiser.clip", Kind::Real(0.0, 1e6), "largest norm of the gradient; 0: no clipping"),
    field("optimiser.warmup_epochs", Kind::Real(0.0, 1000.0), "epochs in which the learning rate rises from 0"),
    field("optimiser.final_lr_share", Kind::Real(0.0, 1.0), "share of the learning rate that the cosine ends with"),

    field("augment.crop", Kind::Real(0.0, 0.9), "largest share of the area that a crop cuts away"),
    field("augment.stretch", Kind::Real(0.0, 0.5), "largest change of the aspect, as a share"),
    field("augment.rotation_degrees", Kind::Real(0.0, 180.0), "largest rotation either way"),
    field("augment.translate", Kind::Real(0.0, 0.5), "largest shift beyond that of the crop, as a share of the side"),
    field("augment.perspective", Kind::Real(0.0, 0.5), "largest tilt of the photo's plane; 0.5: one edge a quarter smaller, the other a quarter larger"),
    field("augment.mirror", Kind::Real(0.0, 1.0), "probability of a mirror image; wrong for animals told apart by their sides"),
    field("augment.caustics", Kind::Real(0.0, 1.0), "contrast of the web of light that waves cast"),
    field("augment.occlusion", Kind::Real(0.0, 0.5), "largest share of the photo that something hides"),
    field("augment.colour_cast", Kind::Real(0.0, 1.0), "colour of more or less water; 1 is up to 8 metres more"),
    field("augment.haze", Kind::Real(0.0, 0.9), "largest share of the light that haze replaces"),
    field("augment.backscatter", Kind::Real(0.0, 1.0), "specks that float in the light; 1 is up to 160 of them"),
    field("augment.brightness", Kind::Real(0.0, 0.9), "largest change of the exposure, as a share"),
    field("augment.contrast", Kind::Real(0.0, 0.9), "largest change of the contrast, as a share"),
    field("augment.blur", Kind::Real(0.0, 5.0), "largest blur, a deviation in pixels of a photo at 224"),
    field("augment.noise", Kind::Real(0.0, 0.3), "largest noise of the sensor, a deviation as a share of white"),

    field("train.epochs", Kind::Int(1, 100_000), "epochs; one is as many photos as the training part has"),
    field("train.seed", Kind::Int(0, i64::MAX), "seed of everything random"),
    field("train.device", Kind::Device, "where to compute; auto is a graphics card where one works"),
    field("train.precision", Kind::Choice(&["high", "fp32", "amp"]), "products of convolutions; high is TF32 on a graphics card, as PyTorch's, three of bf16 on a processor with AMX, and Winograd's of 3x3 windows on one without; fp32 is as fp32's own rounding; amp is bf16, with AMX in products, on a card in all maps"),
    field("train.checkpoint_every", Kind::Int(0, 1_000_000_000), "steps between checkpoints; 0: one at the end of each epoch, which is there in any case"),
    field("train.evaluate_every", Kind::Int(1, 100_000), "epochs between validations; the last epoch always has one"),
    field("train.ema_decay", Kind::Real(0.0, 0.9999), "decay of a moving average of the weights, which is what is validated, saved and evaluated, such as 0.999; the first steps count more; 0: none"),
    field("train.early_stop", Kind::Int(0, 100_000), "validations one after the other without a better figure that end the run; 0: none do"),
    field("train.early_stop_on", Kind::Choice(&["map", "rank1", "loss"]), "that figure: mAP or rank-1 of the validation, or the mean loss of the epoch"),
];

/// The field of this path; the error names near ones.
pub fn find(path: &str) -> Result<&'static Field, RunError> {
    lookup(path, &Place::FLAG)
}

/// The same for a key that stands in a file.
pub(super) fn lookup(path: &str, at: &Place) -> Result<&'static Field, RunError> {
    FIELDS.iter().find(|f| f.path == path).ok_or_else(|| RunError::UnknownKey {
        at: at.clone(),
        key: path.to_owned(),
        near: similar(path),
    })
}

/// Keys that a user may have meant: spelt alike, or of that last name in another section.
fn similar(path: &str) -> Vec<String> {
    let close = near(path, FIELDS.iter().map(|f| f.path));
    if !close.is_empty() {
        return close;
    }
    let name = path.rsplit('.').next().unwrap_or(path);
    let lasts = FIELDS.iter().map(|f| last(f.path));
    let wanted = near(name, lasts);
    let named = |f: &&Field| wanted.first().is_some_and(|w| w == last(f.path));
    FIELDS.iter().filter(named).map(|f| f.path.to_owned()).collect()
}

fn last(path: &'static str) -> &'static str {
    path.rsplit('.').next().unwrap_or(path)
}

impl Field {
    /// Reads a flag's or a form's text; the error says what is allowed.
    pub fn parse(&self, text: &str) -> Result<Value, RunError> {
        let value = match self.kind {
            Kind::Bool => text.parse().ok().map(Value::Boolean),
            Kind::Int(..) => text.parse().ok().map(Value::Integer),
            Kind::Real(..) | Kind::Above(..) => text.parse().ok().map(Value::Float),
            _ => Some(Value::String(text.to_owned())),
        };
        value.and_then(|v| self.kind.check(&v)).ok_or_else(|| self.refuse(Place::FLAG, quoted(self.kind, text)))
    }

    /// Passes a value of a file, a whole number standing for a real one; the error says what is allowed.
    pub(super) fn accept(&self, value: &Value, at: &Place) -> Result<Value, RunError> {
        self.kind.check(value).ok_or_else(|| self.refuse(at.clone(), show(value)))
    }

    fn refuse(&self, at: Place, given: String) -> RunError {
        RunError::BadValue { at, key: self.path.to_owned(), given, allowed: self.kind.allowed() }
    }

    /// "(triplet only)" where not every method looks at the field.
    pub fn scope(&self) -> Option<String> {
        if self.methods.len() == ALL.len() {
            return None;
        }
        let names: Vec<_> = self.methods.iter().map(|m| m.name()).collect();
        let (last, others) = names.split_last()?;
        let others = if others.is_empty() { String::new() } else { format!("{} and ", others.join(", ")) };
        Some(format!("{others}{last} only"))
    }
}

impl Kind {
    /// The sentence's end after "must be".
    pub fn allowed(self) -> String {
        match self {
            Kind::Bool => "true or false".to_owned(),
            Kind::Int(low, i64::MAX) => format!("a whole number, {low} or more"),
            Kind::Int(low, high) => format!("a whole number from {low} to {high}"),
            Kind::Real(low, high) => format!("a number from {low} to {high}"),
            Kind::Above(low, high) => format!("a number above {low}, at most {high}"),
            Kind::Choice(words) => format!("one of {}", words.join(", ")),
            Kind::Path => "a folder, a table or the name of a dataset, in quotes".to_owned(),
            Kind::Name => "a name in quotes, without control characters".to_owned(),
            Kind::OptionalName => "a name in quotes, without control characters, or empty".to_owned(),
            Kind::Device => "auto, cpu or cuda:N".to_owned(),
        }
    }

    /// The same in a few characters, for a comment or a form; empty where the help says it all.
    pub fn limits(self) -> String {
        match self {
            Kind::Bool => "true or false".to_owned(),
            Kind::Int(low, i64::MAX) => format!("{low} or more"),
            Kind::Int(low, high) => format!("{low} to {high}"),
            Kind::Real(low, high) => format!("{low} to {high}"),
            Kind::Above(low, high) => format!("above {low}, to {high}"),
            Kind::Choice(words) => words.join(", "),
            Kind::Path | Kind::Name | Kind::OptionalName => String::new(),
            Kind::Device => "auto, cpu, cuda:N".to_owned(),
        }
    }

    /// The value in the type that the configuration wants, if it is within the limits.
    fn check(self, value: &Value) -> Option<Value> {
        let real = |low: f64, high: f64, open: bool| {
            let given = match value {
                Value::Float(v) => *v,
                Value::Integer(v) => *v as f64,
                _ => return None,
            };
            // Judged as it will be used: 1e-60 is 0 for the trainer, and 0.3 the nearest f32, which is a little more.
            let (used, low, high) = (given as f32, low as f32, high as f32);
            let fits = used <= high && if open { used > low } else { used >= low };
            fits.then_some(Value::Float(given))
        };
        let text = |fits: fn(&str) -> bool| value.as_str().is_some_and(fits).then(|| value.clone());
        match self {
            Kind::Bool => value.as_bool().map(Value::Boolean),
            Kind::Int(low, high) => value.as_integer().filter(|v| (low..=high).contains(v)).map(Value::Integer),
            Kind::Real(low, high) => real(low, high, false),
            Kind::Above(low, high) => real(low, high, true),
            Kind::Choice(words) => value.as_str().filter(|v| words.contains(v)).map(|_| value.clone()),
            Kind::Path => text(|s| !s.contains('\0')),
            Kind::Name => text(|s| !s.trim().is_empty() && !s.contains(char::is_control)),
            Kind::OptionalName => text(|s| !s.contains(char::is_control)),
            Kind::Device => text(is_device),
        }
    }
}

fn is_device(text: &str) -> bool {
    match text.strip_prefix("cuda:") {
        Some(number) => number.parse::<u8>().is_ok() && !number.starts_with('+'),
        None => text == "auto" || text == "cpu",
    }
}

/// How a value stands in a file and in an error.
pub(super) fn show(value: &Value) -> String {
    match value {
        // The configuration holds f32: its shortest form is what the user wrote.
        Value::Float(v) => format!("{:?}", *v as f32),
        other => other.to_string(),
    }
}

fn quoted(kind: Kind, text: &str) -> String {
    match kind {
        Kind::Bool | Kind::Int(..) | Kind::Real(..) | Kind::Above(..) => text.to_owned(),
        _ => Value::String(text.to_owned()).to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn flags_are_read_by_kind_and_refused_with_what_is_allowed() {
        for (path, text, expected) in [
            ("loss.margin", "5", "loss.margin = 5: must be a number above 0, at most 2"),
            ("loss.margin", "0", "loss.margin = 0: must be a number above 0, at most 2"),
            ("loss.margin", "1e-60", "loss.margin = 1e-60: must be a number above 0, at most 2"),
            ("loss.margin", "nan", "loss.margin = nan: must be a number above 0, at most 2"),
            ("loss.margin", "wide", "loss.margin = wide: must be a number above 0, at most 2"),
            ("augment.haze", "nan", "augment.haze = nan: must be a number from 0 to 0.9"),
            ("data.image_size", "16", "data.image_size = 16: must be a whole number from 32 to 1024"),
            ("data.image_size", "224.0", "data.image_size = 224.0: must be a whole number from 32 to 1024"),
            ("train.seed", "-1", "train.seed = -1: must be a whole number, 0 or more"),
            ("model.pretrained", "yes", "model.pretrained = yes: must be true or false"),
            ("model.backbone", " ", "model.backbone = \" \": must be a name in quotes, without control characters"),
            ("loss.mining", "hardest", "loss.mining = \"hardest\": must be one of all, semi-hard, hard, batch-hard"),
            ("train.device", "gpu", "train.device = \"gpu\": must be auto, cpu or cuda:N"),
            ("train.device", "cuda:x", "train.device = \"cuda:x\": must be auto, cpu or cuda:N"),
        ] {
            let error = find(path).unwrap().parse(text).unwrap_err();
            assert_eq!(error.to_string(), expected);
        }
        for (path, text) in [
            ("loss.margin", "2"),
            ("loss.margin", "0.3"),
            ("data.image_size", "32"),
            ("data.split_column", ""),
            ("train.device", "cuda:1"),
            ("train.seed", "9223372036854775807"),
        ] {
            assert!(find(path).unwrap().parse(text).is_ok(), "{path} = {text}");
        }
    }

    #[test]
    fn a_run_is_split_by_every_strategy_that_makes_one_split() {
        use crate::data::split::STRATEGIES;
        let Kind::Choice(choices) = find("data.split").unwrap().kind else { panic!("no choice") };
        let made = STRATEGIES.iter().filter(|s| s.makes_one()).map(|s| s.name());
        assert_eq!(choices, ["auto"].into_iter().chain(made).collect::<Vec<_>>());
    }

    #[test]
    fn unknown_keys_name_near_ones() {
        for (path, expected) in [
            ("loss.marign", "loss.marign: there is no such key; did you mean loss.margin?"),
            ("margin", "margin: there is no such key; did you mean loss.margin?"),
            ("optimizer.lr", "optimizer.lr: there is no such key; did you mean optimiser.lr?"),
            ("train.lr", "train.lr: there is no such key; did you mean optimiser.lr?"),
            ("colour", "colour: there is no such key"),
        ] {
            assert_eq!(find(path).unwrap_err().to_string(), expected);
        }
    }

    #[test]
    fn every_field_has_help_of_one_line() {
        for field in FIELDS {
            assert!(!field.help.is_empty() && !field.help.contains('\n'), "{}", field.path);
            assert!(!field.methods.is_empty(), "{}", field.path);
        }
    }
}
