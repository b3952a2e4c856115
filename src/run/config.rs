//! The complete configuration of a run: what `config.toml` holds, and nothing else decides a run.
//!
//! Three layers make one: the preset of the method (embedded from `configs/`), a user's file that may be
//! partial, and flags by dotted path. All three pass the same table of fields (`field`), so that a wrong
//! value gets the same sentence everywhere. Every key is written, also those that the method does not use:
//! a file then shows all there is, and loading fills what an older file lacks from the preset.
//! Knows no backbone and no device: whether those exist is for the trainer to say.

use std::fs;
use std::path::Path;

use toml::Table;

use super::error::{Result, RunError};
use super::files;

pub mod field;
mod file;
mod outline;
mod sections;
pub mod sweep;

use file::Layer;
pub use outline::Outline;
pub use sections::{
    BatchConfig, Config, CropChoice, DataConfig, LossConfig, Method, Mining, ModelConfig, OptimiserConfig,
    OptimiserKind, SideLabels, StopFigure, TrainConfig,
};

impl Config {
    /// The defaults of a method: the course's, completed.
    pub fn preset(method: Method) -> Config {
        let path = Path::new("configs").join(format!("{}.toml", method.name()));
        let read = Layer::read(&path, method.preset_file()).and_then(|layer| {
            let mut table = Table::new();
            layer.apply(&mut table);
            Config::from_table(&path, table)
        });
        read.expect("the embedded presets are whole: a test reads each")
    }

    /// The preset of `method` with the keys of a user's file over it; a file for another method is refused.
    pub fn with_file(method: Method, path: &Path) -> Result<Config> {
        let layer = Config::layer(path)?;
        layer.agree(method)?;
        Config::over_preset(method, path, layer)
    }

    /// The configuration of a run's `config.toml`, or of any file that names its method.
    pub fn load(path: &Path) -> Result<Config> {
        let layer = Config::layer(path)?;
        let method = layer.method().ok_or_else(|| RunError::NoMethod { path: path.to_path_buf() })?;
        Config::over_preset(method, path, layer)
    }

    fn layer(path: &Path) -> Result<Layer> {
        Layer::read(path, &Config::text(path)?)
    }

    fn text(path: &Path) -> Result<String> {
        // a user's file may be a pipe, as a shell makes one; a run's is seen to be plain before it is a run
        fs::read_to_string(path).map_err(|e| RunError::io("read", path, e))
    }

    fn over_preset(method: Method, path: &Path, layer: Layer) -> Result<Config> {
        let mut table = Config::preset(method).table();
        layer.apply(&mut table);
        Config::from_table(path, table)
    }

    fn from_table(path: &Path, table: Table) -> Result<Config> {
        table.try_into().map_err(|e: toml::de::Error| RunError::Damaged {
            path: path.to_path_buf(),
            problem: e.message().to_owned(),
        })
    }

    fn table(&self) -> Table {
        Table::try_from(self).expect("plain structs of numbers and text always become a table")
    }

    /// Sets one key by its dotted path from a flag's or a form's text.
    pub fn set(&mut self, path: &str, text: &str) -> Result<()> {
        let value = field::find(path)?.parse(text)?;
        let mut table = self.table();
        file::put(&mut table, path, value);
        *self = Config::from_table(Path::new(path), table)?;
        Ok(())
    }

    /// The text of one key, as `set` would take it; `None` for an unknown path.
    pub fn get(&self, path: &str) -> Option<String> {
        let table = self.table();
        let value = file::at(&table, path)?;
        match value {
            toml::Value::Table(_) => None,
            toml::Value::String(s) => Some(s.clone()),
            other => Some(field::show(other)),
        }
    }

    /// What the table of fields cannot see: photos chosen, and values that fit each other.
    /// Also judges every single value again, for a configuration that code has put together.
    pub fn check(&self) -> Result<()> {
        let table = self.table();
        for field in field::FIELDS {
            if let Some(value) = file::at(&table, field.path) {
                field.accept(value, &super::error::Place::FLAG)?;
            }
        }
        if self.data.dir.is_empty() {
            return Err(RunError::NoData);
        }
        if let (Some(column), true) = (&self.data.split_column, self.data.split != DataConfig::USUAL_SPLIT) {
            return Err(RunError::BadTogether {
                key: "data.split",
                given: self.data.split.clone(),
                problem: format!("the column {column} is named, too: give one of them"),
            });
        }
        let size = |problem: String| {
            Err(RunError::BadTogether { key: "batch.size", given: self.batch.size.to_string(), problem })
        };
        let each = self.batch.per_individual;
        match self.method {
            Method::Siamese if each == 1 && self.batch.size % 2 == 1 => {
                return size("siamese takes photos in pairs, so it must be even".to_owned());
            }
            Method::Triplet if each < 2 => {
                return Err(RunError::BadTogether {
                    key: "batch.per_individual",
                    given: each.to_string(),
                    problem: "triplet needs a second photo of each individual, so at least 2".to_owned(),
                });
            }
            _ if each > 1 => {
                if !self.batch.size.is_multiple_of(each) {
                    let below = self.batch.size / each * each;
                    return size(format!(
                        "must be a multiple of batch.per_individual = {each}, such as {}",
                        if below < 2 * each { 2 * each } else { below }
                    ));
                }
                if self.batch.size < 2 * each {
                    return size(format!(
                        "a batch needs two individuals with batch.per_individual = {each} photos each, so at least {}",
                        2 * each
                    ));
                }
            }
            _ => {}
        }
        let rises = [
            ("optimiser.warmup_epochs", self.optimiser.warmup_epochs),
            ("loss.margin_warmup_epochs", self.loss.margin_warmup_epochs),
        ];
        if let Some((key, epochs)) = rises.into_iter().find(|(_, epochs)| *epochs > self.train.epochs as f32) {
            return Err(RunError::BadTogether {
                key,
                given: format!("{epochs:?}"),
                problem: format!("longer than the training, train.epochs = {}", self.train.epochs),
            });
        }
        Ok(())
    }

    /// The commented file that `save` writes.
    pub fn to_file(&self) -> String {
        file::render(self, &self.table(), "All that decided this run. Given to `--config`, it repeats it.")
    }

    /// The keys in which two configurations differ, with both texts, in the order of the table.
    pub fn difference(&self, other: &Config) -> Vec<(&'static str, String, String)> {
        let pair =
            |f: &field::Field| (f.path, self.get(f.path).unwrap_or_default(), other.get(f.path).unwrap_or_default());
        field::FIELDS.iter().map(pair).filter(|(_, a, b)| a != b).collect()
    }

    /// Writes the whole configuration, commented; never a half of it.
    pub fn save(&self, path: &Path) -> Result<()> {
        files::replace(path, self.to_file().as_bytes())
    }
}

#[cfg(test)]
mod tests {
    use super::field::FIELDS;
    use super::*;
    use toml::Value;

    fn leaves(prefix: &str, table: &Table, out: &mut Vec<String>) {
        for (key, value) in table {
            let path = if prefix.is_empty() { key.clone() } else { format!("{prefix}.{key}") };
            match value {
                Value::Table(inner) => leaves(&path, inner, out),
                _ => out.push(path),
            }
        }
    }

    #[test]
    fn the_table_of_fields_is_exactly_the_leaves_of_a_configuration() {
        for method in Method::ALL {
            let mut have = Vec::new();
            leaves("", &Config::preset(method).table(), &mut have);
            let mut want: Vec<_> = FIELDS.iter().map(|f| f.path.to_owned()).collect();
            have.sort();
            want.sort();
            assert_eq!(have, want);
        }
    }

    #[test]
    fn presets_carry_the_defaults_of_the_exercises_but_for_what_was_found_to_learn_more() {
        let siamese = Config::preset(Method::Siamese);
        assert_eq!((siamese.model.backbone.as_str(), siamese.model.embedding_dim), ("resnet50", 128));
        // all pairs of a batch in place of half as many pairs as photos
        assert_eq!((siamese.loss.margin, siamese.batch.per_individual), (1.0, 4));
        let triplet = Config::preset(Method::Triplet);
        assert_eq!((triplet.model.backbone.as_str(), triplet.model.embedding_dim), ("efficientnet_b0", 128));
        assert_eq!((triplet.loss.margin, triplet.loss.mining), (0.3, Mining::SemiHard)); // the exercise: hard
        let arcface = Config::preset(Method::Arcface);
        assert_eq!((arcface.model.backbone.as_str(), arcface.model.embedding_dim), ("resnet50", 512));
        assert_eq!((arcface.loss.margin, arcface.loss.scale), (0.5, 64.0));
        let baseline = Config::preset(Method::CrossEntropy);
        assert_eq!(baseline.model, arcface.model);
        // on real photos, pretrained, three seeds: mAP .370, and .318 with a tenth of the target smoothed
        assert_eq!((&baseline.batch, baseline.loss.label_smoothing), (&arcface.batch, 0.0));
        // likewise: .386, .362, .370, and at 3e-4 .364, .298, .265 (the last smoothed)
        let rates = [arcface, siamese, baseline].map(|preset| preset.optimiser.lr);
        assert_eq!(rates, [1e-3; 3]);
        for method in Method::ALL {
            let mut preset = Config::preset(method);
            assert_eq!(preset.method, method);
            assert!(matches!(preset.check(), Err(RunError::NoData)));
            preset.set("data.dir", "turtles").unwrap();
            preset.check().unwrap();
        }
    }

    #[test]
    fn preset_files_say_what_the_table_says() {
        for method in Method::ALL {
            let preset = Config::preset(method);
            // The words at the head are the file's own.
            let head: Vec<_> = method.preset_file().lines().map_while(|l| l.strip_prefix("# ")).collect();
            let rendered = file::render(&preset, &preset.table(), &head.join("\n"));
            let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("configs/{}.toml", method.name()));
            // `CARETTA_UPDATE=1 cargo test preset_files` writes the comments anew.
            if std::env::var_os("CARETTA_UPDATE").is_some() {
                fs::write(&path, &rendered).unwrap();
            }
            assert_eq!(fs::read_to_string(&path).unwrap(), rendered, "{}", path.display());
        }
    }

    #[test]
    fn a_saved_configuration_loads_as_itself() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("config.toml");
        let mut config = Config::preset(Method::Triplet);
        for (key, text) in [
            ("data.dir", "C:\\turtles \"ü\"\n2026"),
            ("data.split_column", "split_closed"),
            ("optimiser.lr", "0.00001"),
            ("loss.margin", "0.1"),
            ("train.seed", "9223372036854775807"),
            ("model.pretrained", "true"),
        ] {
            config.set(key, text).unwrap();
            assert_eq!(config.set(key, &config.get(key).unwrap().clone()).map_err(|e| e.to_string()), Ok(()));
        }
        config.save(&path).unwrap();
        assert_eq!(Config::load(&path).unwrap(), config);
        let text = fs::read_to_string(&path).unwrap();
        assert!(text.contains("\nlr = 1e-5\n") && text.contains("\nmargin = 0.1\n"), "{text}");
        assert!(text.contains("# arcface only, so not used here: "), "{text}");
    }

    #[test]
    fn layers_lie_over_each_other() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("mine.toml");
        fs::write(&path, "train.epochs = 1_3\n[loss]\nmargin = 1\n[data]\nimage_size = 0x80\n").unwrap();
        let mut config = Config::with_file(Method::Triplet, &path).unwrap();
        assert_eq!((config.train.epochs, config.loss.margin, config.data.image_size), (13, 1.0, 128));
        assert_eq!(config.model, Config::preset(Method::Triplet).model);
        config.set("loss.margin", "0.25").unwrap();
        assert_eq!(config.loss.margin, 0.25);
        assert_eq!(
            config.difference(&Config::with_file(Method::Triplet, &path).unwrap()),
            [("loss.margin", "0.25".to_owned(), "1.0".to_owned())]
        );
    }

    #[test]
    fn wrong_files_are_refused_with_place_key_and_what_is_allowed() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("c.toml");
        for (text, expected) in [
            ("[loss]\nmargin = 5.0\n", "c.toml:2:10: loss.margin = 5.0: must be a number above 0, at most 2"),
            ("[loss]\nmargin = \"wide\"", "c.toml:2:10: loss.margin = \"wide\": must be a number above 0, at most 2"),
            ("[loss]\nmargin = nan", "c.toml:2:10: loss.margin = NaN: must be a number above 0, at most 2"),
            ("[loss]\nmarign = 1.0\n", "c.toml:2:1: loss.marign: there is no such key; did you mean loss.margin?"),
            (
                "loss.mining = 'hardest'",
                "c.toml:1:15: loss.mining = \"hardest\": must be one of all, semi-hard, hard, batch-hard",
            ),
            ("[optimizer]\nlr = 1\n", "c.toml:1:2: [optimizer]: there is no such key; did you mean optimiser?"),
            ("epochs = 3\n", "c.toml:1:1: epochs: there is no such key; did you mean train.epochs?"),
            ("loss = 3\n", "c.toml:1:8: loss = 3: must be a section of keys"),
            ("[[loss]]\nmargin = 1\n", "must be a section of keys"),
            ("train.epochs = 0", "c.toml:1:16: train.epochs = 0: must be a whole number from 1 to 100000"),
            ("train.epochs = 2.5", "c.toml:1:16: train.epochs = 2.5: must be a whole number from 1 to 100000"),
            (
                "train.seed = 99999999999999999999",
                "train.seed = \"99999999999999999999\": must be a whole number, 0 or more",
            ),
            ("train.device = 'tpu'", "train.device = \"tpu\": must be auto, cpu or cuda:N"),
            ("train.epochs = 2026-07-09", "train.epochs = 2026-07-09: must be a whole number"),
            ("train.epochs = [1, {a = 2}]", "must be a whole number"),
            ("[train.epochs]\na = 1", "train.epochs = "),
            ("method = 'siamese'", "c.toml:1:10: method = \"siamese\": must be triplet, as `triplet` was asked for"),
            ("[loss]\nmargin = 1\nmargin = 2\n", "c.toml:3:1: not valid TOML: duplicate key"),
            ("[loss\nmargin = 1", "c.toml:1:6: not valid TOML: "),
        ] {
            fs::write(&path, text).unwrap();
            let error = Config::with_file(Method::Triplet, &path).unwrap_err().to_string();
            let error = error.replace(&format!("{}/", dir.path().display()), "");
            assert!(error.contains(expected), "{text:?}\n got {error}\nwant {expected}");
        }
        fs::write(&path, [0xff, 0xfe]).unwrap();
        assert!(Config::load(&path).is_err());
        fs::write(&path, "train.epochs = 3").unwrap();
        assert!(Config::load(&path).unwrap_err().to_string().contains("method: missing; must be one of siamese"));
    }

    #[test]
    fn values_that_do_not_fit_each_other_are_refused() {
        for (method, sets, expected) in [
            (
                Method::Siamese,
                &[("batch.per_individual", "1"), ("batch.size", "15")][..],
                "batch.size = 15: siamese takes photos in pairs, so it must be even",
            ),
            (
                Method::Triplet,
                &[("batch.size", "30")],
                "batch.size = 30: must be a multiple of batch.per_individual = 4, such as 28",
            ),
            (Method::Triplet, &[("batch.size", "4")], "so at least 8"),
            (
                Method::Triplet,
                &[("batch.per_individual", "1")],
                "batch.per_individual = 1: triplet needs a second photo",
            ),
            (
                Method::Arcface,
                &[("optimiser.warmup_epochs", "9"), ("train.epochs", "3")],
                "optimiser.warmup_epochs = 9.0: longer than the training, train.epochs = 3",
            ),
            (
                Method::Arcface,
                &[("loss.margin_warmup_epochs", "21")],
                "loss.margin_warmup_epochs = 21.0: longer than the training, train.epochs = 20",
            ),
        ] {
            let mut config = Config::preset(method);
            config.set("data.dir", "x").unwrap();
            for (key, text) in sets {
                config.set(key, text).unwrap();
            }
            let error = config.check().unwrap_err().to_string();
            assert!(error.contains(expected), "{error}");
        }
        let mut arcface = Config::preset(Method::Arcface);
        arcface.set("data.dir", "x").unwrap();
        arcface.set("batch.size", "15").unwrap();
        arcface.check().unwrap();
        arcface.loss.margin = f32::NAN;
        assert!(arcface.check().unwrap_err().to_string().contains("loss.margin"));
    }
}
