//! A sweep's file: many configurations from one, as a grid of values, a list of runs, or both.
//!
//! `method` and `[base]` hold for every run; each `[[run]]` lies over them, `[grid]` gives a list of values to a key and
//! makes a run of each combination, and `seeds` makes each of those again with each seed. Every key passes the table of
//! fields with its line before anything starts.

use std::path::{Path, PathBuf};

use toml::de::{DeString, DeTable, DeValue};
use toml::{Spanned, Table, Value};

use super::field::{FIELDS, Field, lookup, show};
use super::file::{Layer, plain, put};
use super::{Config, Method};
use crate::run::error::{Place, Result, RunError, near};

/// Most runs that one file may ask for: more is a grid that grew by mistake.
const MOST: usize = 1000;
/// What stands at the top of a file.
const KEYS: [&str; 5] = ["method", "base", "grid", "seeds", "run"];

/// One run of a sweep.
#[derive(Debug, Clone, PartialEq)]
pub struct SweepRun {
    /// What a person called it, where the file has a list of runs with names.
    pub name: Option<String>,
    /// The keys in which the sweep's runs differ, with this one's values; none for a key that its method does not look at.
    pub differing: Vec<(&'static str, Option<String>)>,
    /// All that decides it.
    pub config: Config,
}

impl SweepRun {
    /// What it is called in a list: its name and what differs, by the last words of the keys.
    pub fn label(&self) -> String {
        let value = |(key, value): &(&'static str, Option<String>)| {
            Some(format!("{}={}", key.rsplit('.').next().unwrap_or(key), value.as_deref()?))
        };
        let words: Vec<String> = self.name.iter().cloned().chain(self.differing.iter().filter_map(value)).collect();
        if words.is_empty() { self.config.method.name().to_owned() } else { words.join(" ") }
    }
}

/// What one `[[run]]` adds.
#[derive(Debug, Default)]
struct Listed {
    name: Option<String>,
    /// A preset of the user's, and the keys beside it.
    layers: Vec<Layer>,
}

/// A key of the grid with its values.
type Axis = (&'static Field, Vec<Value>);

struct Reader<'a> {
    path: &'a Path,
    text: &'a str,
}

/// The runs that the file at `path` asks for, in its order, none of them judged as a whole yet; equal ones are one.
///
/// # Errors
/// The first key or value that is wrong, with its line.
pub fn read(path: &Path) -> Result<Vec<SweepRun>> {
    let text = Config::text(path)?;
    Reader { path, text: &text }.runs()
}

impl Reader<'_> {
    fn at(&self, offset: usize) -> Place {
        Place::in_file(self.path, self.text, offset)
    }

    fn refuse<T>(&self, key: &str, value: &Spanned<DeValue<'_>>, allowed: &str) -> Result<T> {
        Err(RunError::BadValue {
            at: self.at(value.span().start),
            key: key.to_owned(),
            given: show(&plain(value.get_ref())),
            allowed: allowed.to_owned(),
        })
    }

    fn runs(&self) -> Result<Vec<SweepRun>> {
        let table = DeTable::parse(self.text).map_err(|e| RunError::Syntax {
            at: self.at(e.span().map_or(0, |s| s.start)),
            problem: e.message().trim().to_owned(),
        })?;
        let (mut base, mut axes, mut seeds, mut listed) = (Layer::default(), Vec::new(), None, Vec::new());
        for (key, value) in in_order(table.get_ref()) {
            let name: &str = key.get_ref().as_ref();
            match (name, value.get_ref()) {
                ("method", _) => base.take(self.path, self.text, "", key, value)?,
                ("base", DeValue::Table(keys)) => base.walk(self.path, self.text, "", keys)?,
                ("grid", DeValue::Table(keys)) => self.axes("", keys, &mut axes)?,
                ("run", DeValue::Array(runs)) => {
                    for run in runs {
                        listed.push(self.listed(run)?);
                    }
                }
                ("seeds", _) => seeds = Some((self.axis(lookup("train.seed", &Place::FLAG)?, "seeds", value)?, value)),
                ("base" | "grid", _) => return self.refuse(name, value, "a section of keys"),
                ("run", _) => return self.refuse(name, value, "a list of runs, each under [[run]]"),
                _ => {
                    let known = near(name, KEYS);
                    let at = self.at(key.span().start);
                    // a configuration's key belongs a level deeper
                    let is_ours = FIELDS.iter().any(|f| f.path.split('.').next() == Some(name) || f.path == name);
                    let near = if is_ours { vec![format!("base.{name}")] } else { known };
                    return Err(RunError::UnknownKey { at, key: name.to_owned(), near });
                }
            }
        }
        if let Some((axis, value)) = seeds {
            if axes.iter().any(|(field, _): &Axis| field.path == axis.0.path) {
                return self.refuse("seeds", value, "left out where the grid has train.seed");
            }
            axes.push(axis);
        }
        if listed.is_empty() {
            listed.push(Listed::default());
        }
        let each = axes.iter().try_fold(1usize, |n, (_, values)| n.checked_mul(values.len()));
        let fits = |&each: &usize| each.checked_mul(listed.len()).is_some_and(|count| count <= MOST);
        let Some(each) = each.filter(fits) else {
            return Err(RunError::TooManyRuns { path: self.path.to_path_buf(), most: MOST });
        };
        let mut runs = Vec::new();
        for listed in &listed {
            for number in 0..each {
                let run = self.run(&base, listed, &axes, number)?;
                if !runs.iter().any(|(_, known)| *known == run.1) {
                    runs.push(run);
                }
            }
        }
        Ok(differing(runs))
    }

    /// The keys of a grid, each with its list.
    fn axes(&self, prefix: &str, table: &DeTable<'_>, axes: &mut Vec<Axis>) -> Result<()> {
        for (key, value) in in_order(table) {
            let dotted = format!("{prefix}{}", key.get_ref());
            let section = format!("{dotted}.");
            match value.get_ref() {
                DeValue::Table(inner) if FIELDS.iter().any(|f| f.path.starts_with(&section)) => {
                    self.axes(&section, inner, axes)?;
                }
                _ => axes.push(self.axis(lookup(&dotted, &self.at(key.span().start))?, &dotted, value)?),
            }
        }
        Ok(())
    }

    fn axis(&self, field: &'static Field, key: &str, value: &Spanned<DeValue<'_>>) -> Result<Axis> {
        let DeValue::Array(values) = value.get_ref() else { return self.refuse(key, value, "a list of values") };
        if values.is_empty() {
            return self.refuse(key, value, "a list of at least one value");
        }
        let accept = |v: &Spanned<DeValue<'_>>| field.accept(&plain(v.get_ref()), &self.at(v.span().start));
        Ok((field, values.iter().map(accept).collect::<Result<_>>()?))
    }

    fn listed(&self, run: &Spanned<DeValue<'_>>) -> Result<Listed> {
        let DeValue::Table(keys) = run.get_ref() else {
            return self.refuse("run", run, "a list of runs, each under [[run]]");
        };
        let mut listed = Listed::default();
        let mut own = Layer::default();
        for (key, value) in in_order(keys) {
            match (AsRef::<str>::as_ref(key.get_ref()), value.get_ref()) {
                ("name", DeValue::String(name)) if is_name(name) => listed.name = Some(name.to_string()),
                ("name", _) => {
                    return self.refuse("run.name", value, "a name of 1 to 60 characters, without control characters");
                }
                ("config", DeValue::String(file)) => {
                    // as the file says it, from where the file lies
                    let file: PathBuf = self.path.parent().unwrap_or(Path::new("")).join(AsRef::<str>::as_ref(file));
                    listed.layers.push(Config::layer(&file)?);
                }
                ("config", _) => return self.refuse("run.config", value, "the path of a configuration"),
                _ => own.take(self.path, self.text, "", key, value)?,
            }
        }
        listed.layers.push(own);
        Ok(listed)
    }

    /// The `number`-th combination of `axes` over a listed run, the last axis the quickest.
    fn run(&self, base: &Layer, listed: &Listed, axes: &[Axis], number: usize) -> Result<(Option<String>, Config)> {
        let mut rest = number;
        let mut chosen: Vec<(&Field, &Value)> = Vec::new();
        for (field, values) in axes.iter().rev() {
            chosen.push((field, &values[rest % values.len()]));
            rest /= values.len();
        }
        let of_grid = chosen.iter().find(|(f, _)| f.path == "method").and_then(|(_, v)| Method::from_name(v.as_str()?));
        let method = of_grid
            .or_else(|| listed.layers.iter().rev().find_map(Layer::method))
            .or_else(|| base.method())
            .ok_or_else(|| RunError::NoMethod { path: self.path.to_path_buf() })?;
        let mut table = Config::preset(method).table();
        base.apply(&mut table);
        listed.layers.iter().for_each(|layer| layer.apply(&mut table));
        for (field, value) in chosen {
            // what a method does not look at makes no other run of it
            if field.methods.contains(&method) {
                put(&mut table, field.path, value.clone());
            }
        }
        put(&mut table, "method", Value::String(method.name().to_owned()));
        Ok((listed.name.clone(), Config::from_table(self.path, table)?))
    }
}

fn is_name(name: &str) -> bool {
    !name.trim().is_empty() && name.chars().count() <= 60 && !name.contains(char::is_control)
}

/// A table's entries as the file has them.
fn in_order<'a, 'i>(table: &'a DeTable<'i>) -> Vec<(&'a Spanned<DeString<'i>>, &'a Spanned<DeValue<'i>>)> {
    let mut entries: Vec<_> = table.iter().collect();
    entries.sort_by_key(|(key, _)| key.span().start);
    entries
}

/// The runs with the keys in which they differ.
fn differing(runs: Vec<(Option<String>, Config)>) -> Vec<SweepRun> {
    let tables: Vec<Table> = runs.iter().map(|(_, config)| config.table()).collect();
    let differ = |field: &&Field| {
        let mut values = tables.iter().map(|table| super::file::at(table, field.path));
        let first = values.next();
        values.any(|value| Some(value) != first)
    };
    let fields: Vec<&'static Field> = FIELDS.iter().filter(differ).collect();
    let run = |(name, config): (Option<String>, Config)| {
        let value = |f: &&'static Field| (f.path, config.get(f.path).filter(|_| f.methods.contains(&config.method)));
        SweepRun { name, differing: fields.iter().map(value).collect(), config }
    };
    runs.into_iter().map(run).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(text: &str) -> std::result::Result<Vec<SweepRun>, String> {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("s.toml");
        std::fs::write(&path, text).unwrap();
        std::fs::write(dir.path().join("mine.toml"), "method = \"triplet\"\nloss.margin = 0.2\n").unwrap();
        read(&path).map_err(|e| e.to_string().replace(&format!("{}/", dir.path().display()), ""))
    }

    fn labels(text: &str) -> Vec<String> {
        of(text).unwrap().iter().map(SweepRun::label).collect()
    }

    #[test]
    fn a_grid_makes_every_combination_with_every_seed_in_the_order_of_the_file() {
        let text = "method = \"arcface\"\nseeds = [1, 2]\n[base]\nmodel.backbone = \"resnet18\"\n[grid]\n\
                    \"optimiser.lr\" = [0.01, 0.001]\nloss = { scale = [16, 32.0] }\n";
        let runs = of(text).unwrap();
        assert_eq!(runs.len(), 8);
        assert!(runs.iter().all(|run| run.config.model.backbone == "resnet18"));
        assert_eq!(runs[0].label(), "scale=16.0 lr=0.01 seed=1");
        assert_eq!(runs[1].label(), "scale=16.0 lr=0.01 seed=2");
        assert_eq!(runs[2].label(), "scale=32.0 lr=0.01 seed=1");
        assert_eq!((runs[7].config.optimiser.lr, runs[7].config.loss.scale), (0.001, 32.0));
        assert_eq!(runs[0].differing[0], ("loss.scale", Some("16.0".to_owned())));
    }

    #[test]
    fn a_list_lies_over_the_base_and_may_name_presets() {
        let text = "method = \"siamese\"\n[base]\ntrain.epochs = 3\n[[run]]\nname = \"plain\"\n[[run]]\n\
                    config = \"mine.toml\"\n[[run]]\nname = \"wide\"\nmethod = \"arcface\"\nloss.margin = 0.7\n";
        let runs = of(text).unwrap();
        let seen: Vec<_> = runs.iter().map(|r| (r.name.as_deref(), r.config.method, r.config.loss.margin)).collect();
        let expected =
            [(Some("plain"), Method::Siamese, 1.0), (None, Method::Triplet, 0.2), (Some("wide"), Method::Arcface, 0.7)];
        assert_eq!(seen, expected);
        assert!(runs.iter().all(|run| run.config.train.epochs == 3));
        assert!(runs[2].label().starts_with("wide method=arcface "), "{}", runs[2].label());
    }

    #[test]
    fn what_a_method_does_not_look_at_makes_no_run_of_its_own() {
        let text = "[grid]\nmethod = [\"siamese\", \"arcface\"]\nloss.scale = [16, 32]\n";
        let runs = of(text).unwrap();
        assert_eq!(runs.len(), 3, "{:?}", labels(text));
        assert_eq!(runs[0].config, Config::preset(Method::Siamese));
        let scale = |run: &SweepRun| run.differing.iter().find(|(key, _)| *key == "loss.scale").unwrap().1.clone();
        assert_eq!((scale(&runs[0]), scale(&runs[2])), (None, Some("32.0".to_owned())));
        assert_eq!(of("method = \"siamese\"\n").unwrap().len(), 1, "a sweep of one is one");
    }

    #[test]
    fn wrong_files_are_refused_with_key_and_line() {
        for (text, expected) in [
            ("", "s.toml: method: missing"),
            (
                "method = \"arcface\"\n[grid]\nloss.marign = [1]\n",
                "s.toml:3:6: loss.marign: there is no such key; did you mean loss.margin?",
            ),
            ("method = \"arcface\"\n[base.loss]\nmarign = 1\n", "s.toml:3:1: loss.marign: there is no such key"),
            (
                "method = \"arcface\"\n[grid]\nloss.margin = [0.5,\n 5]\n",
                "s.toml:4:2: loss.margin = 5: must be a number above 0",
            ),
            (
                "method = \"arcface\"\n[grid]\nloss.margin = 0.5\n",
                "s.toml:3:15: loss.margin = 0.5: must be a list of values",
            ),
            ("method = \"arcface\"\n[grid]\nloss = [1]\n", "s.toml:3:1: loss: there is no such key"),
            ("method = \"arcface\"\n[grid]\nloss.margin = []\n", "must be a list of at least one value"),
            ("method = \"arcface\"\n[[grid]]\na = 1\n", "grid = [{ a = 1 }]: must be a section of keys"),
            ("method = \"arcface\"\nrun = 3\n", "s.toml:2:7: run = 3: must be a list of runs, each under [[run]]"),
            ("method = \"arcface\"\nrun = [3]\n", "s.toml:2:8: run = 3: must be a list of runs"),
            ("method = \"arcfac\"\n", "s.toml:1:10: method = \"arcfac\": must be one of siamese, triplet, arcface"),
            ("method = \"arcface\"\nseeds = [1, -1]\n", "s.toml:2:13: train.seed = -1: must be a whole number"),
            ("method = \"arcface\"\nseeds = [1]\ngrid.train.seed = [2]\n", "s.toml:2:9: seeds = [1]: must be left out"),
            (
                "method = \"arcface\"\n[loss]\nmargin = 1\n",
                "s.toml:2:2: loss: there is no such key; did you mean base.loss?",
            ),
            ("method = \"arcface\"\n[[runs]]\n", "runs: there is no such key; did you mean run?"),
            ("method = \"arcface\"\n[[run]]\nname = \"\\u001b[2J\"\n", "run.name = \"\\u001B[2J\": must be a name"),
            ("method = \"arcface\"\n[[run]]\nconfig = \"gone.toml\"\n", "gone.toml: cannot read"),
            ("method = \"arcface\"\n[[run]]\nconfig = 3\n", "run.config = 3: must be the path of a configuration"),
            ("method = ", "s.toml:1:10: not valid TOML"),
        ] {
            let error = of(text).unwrap_err();
            assert!(error.contains(expected), "{text:?}\n got {error}\nwant {expected}");
            assert_eq!(error.lines().count(), 1, "{error}");
        }
        let many = "method = \"arcface\"\nseeds = [".to_owned()
            + &"1,".repeat(40)
            + "]\n[grid]\ntrain.epochs = ["
            + &"1,".repeat(40)
            + "]\n";
        assert!(of(&many).unwrap_err().contains("s.toml: asks for more than 1000 runs"));
    }
}
