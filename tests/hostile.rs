//! Hostile input: tables, photos, configurations, sweeps, metrics and control files made to break whoever reads them.
//!
//! Whatever they hold, nothing panics or hangs, nothing outside the folder is read or written, and what is refused is
//! refused in one sentence of one line that names the file and moves no cursor. 500 cases of each kind run here;
//! `CARETTA_HOSTILE_CASES=10000 cargo test --test hostile` runs as many as you like.

#![allow(clippy::unwrap_used)]

mod common;

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Component, Path, PathBuf};

use caretta::data::corrections::Corrections;
use caretta::data::overview::Overview;
use caretta::data::split::{SplitChoice, assign};
use caretta::data::{check, decode, export, foreign, formats};
use caretta::run::config::sweep;
use caretta::run::control::Order;
use caretta::run::queue::{Limits, Look, Queue};
use caretta::run::watch::Watch;
use caretta::run::{Config, Method, RunDir, RunSummary, Session, Workspace, log, metrics};
use common::hostile::{asked_for, folder, is_clear, mangled, names, nasty, photo};
use proptest::prelude::*;
use proptest::strategy::ValueTree;

/// How many cases of each kind.
fn cases() -> ProptestConfig {
    ProptestConfig::with_cases(asked_for(500))
}

/// A folder to be read, beside one that is nobody's business.
struct Place {
    dir: tempfile::TempDir,
}

impl Place {
    fn new() -> Place {
        let dir = folder();
        fs::create_dir(dir.path().join("in")).unwrap();
        fs::create_dir(dir.path().join("outside")).unwrap();
        fs::write(dir.path().join("outside/x"), "secret").unwrap();
        Place { dir }
    }

    fn within(&self) -> PathBuf {
        self.dir.path().join("in")
    }

    fn file(&self, name: &str, bytes: &[u8]) -> PathBuf {
        let path = self.within().join(name);
        fs::write(&path, bytes).unwrap();
        path
    }

    /// Nothing has come, gone or changed outside.
    fn is_untouched(&self) -> Result<(), TestCaseError> {
        let outside = self.dir.path().join("outside");
        prop_assert_eq!(names(&outside), ["x"]);
        prop_assert_eq!(fs::read_to_string(outside.join("x")).unwrap(), "secret");
        let mut beside = names(self.dir.path());
        beside.retain(|name| name != "out" && name != "workspace");
        prop_assert_eq!(beside, ["in", "outside"]);
        Ok(())
    }
}

/// A table: known columns and unknown, rows of anything, quoted or not, and then mangled.
fn table() -> impl Strategy<Value = Vec<u8>> {
    let known = prop::sample::select(
        &[
            "path",
            "file_name",
            "identity",
            "date",
            "timestamp",
            "encounter",
            "split",
            "split_open",
            "orientation",
            "species",
            "bbox",
            "crop_x",
            "crop_y",
            "crop_width",
            "crop_height",
            "photo",
            "individual",
        ][..],
    );
    let column = prop_oneof![9 => known.prop_map(str::to_owned), 1 => nasty()];
    let head = prop_oneof![
        3 => Just(vec!["path".to_owned(), "identity".to_owned(), "date".to_owned(), "split".to_owned()]),
        1 => Just(vec!["file_name".to_owned(), "identity".to_owned(), "encounter".to_owned()]),
        2 => prop::collection::vec(column, 0..8),
    ];
    let rows = prop::collection::vec(prop::collection::vec(nasty(), 0..6), 0..8);
    let delimiter = prop::sample::select(&[b',', b';', b'\t'][..]);
    (head, rows, delimiter, any::<bool>()).prop_flat_map(|(head, rows, delimiter, is_whole)| {
        let mut writer = csv::WriterBuilder::new().delimiter(delimiter).flexible(true).from_writer(Vec::new());
        for record in std::iter::once(&head).chain(&rows).filter(|record| !record.is_empty()) {
            writer.write_record(record).unwrap();
        }
        let bytes = writer.into_inner().unwrap();
        if is_whole { Just(bytes).boxed() } else { mangled(bytes).boxed() }
    })
}

proptest! {
    #![proptest_config(cases())]

    #[test]
    fn tables(bytes in table(), name in prop::sample::select(&["metadata_splits.csv", "metadata.csv", "mine.tsv"][..])) {
        let place = Place::new();
        let path = place.file(name, &bytes);
        match formats::open(&path, &Corrections::NONE) {
            Ok(manifest) => {
                for photo in &manifest.photos {
                    prop_assert!(photo.path.components().all(|c| matches!(c, Component::Normal(_))), "{:?}", photo.path);
                }
                manifest.problems.iter().try_for_each(|problem| is_clear(&problem.told(), ""))?;
                for choice in [SplitChoice::of(None, None), SplitChoice::of(Some("split".into()), None)] {
                    match assign(&manifest, &choice) {
                        Ok(split) => _ = Overview::of_split(&manifest, &split).split.leak_told(),
                        Err(error) => is_clear(&error.to_string(), "")?,
                    }
                }
                let checked = check::check(&manifest, 1, |_| true).unwrap();
                prop_assert!(!checked.findings.is_empty(), "its photos are not there");
                // what was read is written and read back to the same, byte for byte
                match export::table(&manifest, "path") {
                    Ok(table) => {
                        let again = formats::open(&place.file("again.csv", &table), &Corrections::NONE).unwrap();
                        prop_assert_eq!(&again.photos, &manifest.photos);
                        prop_assert_eq!(export::table(&again, "path").unwrap(), table);
                    }
                    Err(error) => is_clear(&error.to_string(), "")?,
                }
            }
            Err(error) => is_clear(&error.to_string(), name)?,
        }
        match Corrections::read(&path) {
            Ok(read) => {
                for (photo, _) in read.iter() {
                    prop_assert!(photo.components().all(|c| matches!(c, Component::Normal(_))), "{photo:?}");
                }
                prop_assert_eq!(Corrections::read(&place.file("again.csv", &read.to_csv().unwrap())).unwrap(), read);
            }
            Err(error) => is_clear(&error.to_string(), name)?,
        }
        place.is_untouched()?;
    }

    #[test]
    fn photos(bytes in photo()) {
        let place = Place::new();
        let path = place.file("photo.jpg", &bytes);
        match decode::read(&path) {
            Ok(photo) => prop_assert!(photo.width() > 0 && photo.height() > 0),
            Err(error) => is_clear(&error.to_string(), "photo.jpg")?,
        }
        place.is_untouched()?;
    }

    #[test]
    fn configurations(text in config_text()) {
        let place = Place::new();
        let path = place.file("c.toml", text.as_bytes());
        match Config::load(&path) {
            Ok(config) => {
                if let Err(error) = config.check() {
                    is_clear(&error.to_string(), "")?;
                }
                let saved = place.file("saved.toml", config.to_file().as_bytes());
                prop_assert_eq!(Config::load(&saved).unwrap(), config);
            }
            Err(error) => is_clear(&error.to_string(), "c.toml")?,
        }
        for method in Method::ALL {
            if let Err(error) = Config::with_file(method, &path) {
                is_clear(&error.to_string(), "c.toml")?;
            }
        }
        match sweep::read(&path) {
            Ok(runs) => prop_assert!(!runs.is_empty() && runs.len() <= 1000),
            Err(error) => is_clear(&error.to_string(), ".toml")?,
        }
        let workspace = Workspace::open(Some(&place.within())).unwrap();
        fs::rename(&path, place.within().join("queue.toml")).unwrap();
        if let Err(error) = Limits::read(&workspace) {
            is_clear(&error.to_string(), "queue.toml")?;
        }
        place.is_untouched()?;
    }

    #[test]
    fn files_of_a_run(
        state in mangled(STATE.to_vec()),
        meta in prop_oneof![Just(b"{\"name\": \"\\u001b[2J\\n\", \"note\": \"\\u202e\"}".to_vec()).prop_flat_map(mangled), nasty().prop_map(String::into_bytes)],
        records in records(),
        said in prop::collection::vec(any::<u8>(), 0..300),
        config in prop::option::weighted(0.3, config_text()),
        cut in any::<prop::sample::Index>(),
    ) {
        let place = Place::new();
        let (workspace, run) = a_run(&place);
        fs::write(run.state(), &state).unwrap();
        fs::write(run.meta(), &meta).unwrap();
        fs::write(run.log(), &said).unwrap();
        if let Some(text) = config {
            fs::write(run.config(), text).unwrap();
        }
        // a watcher sees the records come in two pieces
        fs::write(run.metrics(), &records[..cut.index(records.len() + 1)]).unwrap();
        let mut watch = Watch::new(&run);
        let _ = watch.glance();
        fs::write(run.metrics(), &records).unwrap();
        let _ = watch.glance();
        metrics::read_all(&run.metrics()).unwrap();
        match run.standing() {
            Ok(standing) => is_clear(&foreign::line(&standing.reason), "")?,
            Err(error) => is_clear(&error.to_string(), "state.json")?,
        }
        for error in [run.read_meta().err(), run.read_config().err(), run.read_outline().err()].into_iter().flatten() {
            is_clear(&error.to_string(), "")?;
        }
        let lines = workspace.summaries().unwrap();
        prop_assert_eq!(lines.len(), 1, "one that is damaged is listed all the same");
        let timeless = |line: &RunSummary| RunSummary { age_seconds: None, eta_seconds: None, ..line.clone() };
        prop_assert_eq!(timeless(&lines[0]), timeless(&RunSummary::of(&run)));
        log::last_lines(&run.log(), 3).unwrap();
        for format in caretta::run::export::FORMATS {
            if let Err(error) = format.export(&run, &place.dir.path().join("out")) {
                is_clear(&error.to_string(), "")?;
            }
        }
        place.is_untouched()?;
    }

    #[test]
    fn control_files(kinds in prop::collection::vec((0usize..6, 0u8..5), 0..5), tickets in prop::collection::vec((nasty(), 0u8..4), 0..4)) {
        let place = Place::new();
        let (workspace, run) = a_run(&place);
        let outside = place.dir.path().join("outside/x");
        let put = |path: &Path, kind: u8| {
            let _ = match kind {
                // what stands there stays: this test follows no link either
                _ if path.symlink_metadata().is_ok() => Ok(()),
                0 => fs::write(path, ""),
                1 => fs::create_dir(path),
                2 => symlink(&outside, path),
                3 => symlink("nowhere", path),
                _ => fs::write(path, [0xff; 4096]),
            };
        };
        for (name, kind) in kinds {
            put(&run.path().join("control").join(["stop", "pause", "checkpoint", "x", "..x", "STOP"][name]), kind);
        }
        for order in [Order::Stop, Order::Pause, Order::Checkpoint] {
            let control = run.control();
            let _ = control.stands(order);
            if let Err(error) = control.give(order).and_then(|()| control.take(order).map(drop)) {
                is_clear(&error.to_string(), "control")?;
            }
        }
        let _ = run.control().clear();
        is_clear(&foreign::line(&run.standing().unwrap().reason), "")?;

        let queue = Queue::new(&workspace);
        drop(queue.enter("a", &["cpu".to_owned()]).unwrap());
        let folder = fs::read_dir(workspace.root().join("queue")).unwrap().next().unwrap().unwrap().path();
        for (n, (text, kind)) in (1..).zip(tickets) {
            let path = folder.join(format!("{n:08}.json"));
            if kind == 0 { fs::write(path, text).unwrap() } else { put(&path, kind) }
        }
        let mut ticket = queue.enter("b", &["cpu".to_owned()]).unwrap();
        prop_assert_eq!(ticket.look().unwrap(), Look::Go("cpu".to_owned()), "nobody living is before it");
        drop(ticket);
        place.is_untouched()?;
    }
}

/// A link, a pipe or a folder in place of each file of a run: whoever reads or writes it says so, blocks on nothing, and
/// follows no link to write.
#[test]
fn what_is_no_file_in_place_of_a_runs_files() {
    for file in ["state.json", "meta.json", "metrics.jsonl", "log.txt", "lock", "corrections.csv"] {
        for kind in ["link", "nowhere", "pipe", "folder"] {
            let place = Place::new();
            let (workspace, run) = a_run(&place);
            let path = run.path().join(file);
            let _ = fs::remove_file(&path);
            match kind {
                "link" => symlink(place.dir.path().join("outside/x"), &path).unwrap(),
                "nowhere" => symlink(place.dir.path().join("outside/new"), &path).unwrap(),
                "pipe" => {
                    use rustix::fs::{CWD, FileType, Mode, mknodat};
                    mknodat(CWD, &path, FileType::Fifo, Mode::RWXU, 0).unwrap();
                }
                _ => fs::create_dir(&path).unwrap(),
            }
            let begun = Session::begin(&run).map(drop);
            let said = [
                begun.map_err(|e| e.to_string()),
                run.standing().map(drop).map_err(|e| e.to_string()),
                run.read_meta().map(drop).map_err(|e| e.to_string()),
                run.read_corrections().map(drop).map_err(|e| e.to_string()),
                Watch::new(&run).glance().map(drop).map_err(|e| e.to_string()),
                metrics::read_all(&run.metrics()).map(drop).map_err(|e| e.to_string()),
                log::last_lines(&run.log(), 3).map(drop).map_err(|e| e.to_string()),
                run.is_held().map(drop).map_err(|e| e.to_string()),
            ];
            for error in said.into_iter().filter_map(Result::err) {
                is_clear(&error, file).unwrap_or_else(|e| panic!("{kind} for {file}: {e}"));
            }
            assert_eq!(workspace.summaries().unwrap().len(), 1);
            place.is_untouched().unwrap_or_else(|e| panic!("{kind} for {file}: {e}"));
        }
    }
}

/// Lines of a configuration or a sweep, some of them with what does not belong there.
fn config_text() -> impl Strategy<Value = String> {
    let key = prop_oneof![
        6 => any::<prop::sample::Index>().prop_map(|at| at.get(caretta::run::config::field::FIELDS).path.to_owned()),
        1 => prop::sample::select(&["base", "grid", "seeds", "run", "loss", "per_card", "cpu", "optimizer.lr", "a.b.c"][..])
            .prop_map(str::to_owned),
        1 => nasty().prop_map(|text| toml::Value::String(text).to_string()),
    ];
    let value = prop_oneof![
        2 => prop::sample::select(&["1", "0.5", "-1", "1e400", "nan", "9999999999999999999", "true", "2019-07-01", "[]", "[1, 2]",
            "{}", "[[1]]", "{ a = { b = [1] } }", "\"arcface\"", "\"siamese\"", "\"cpu\"", "'", "\"\"\"", "0x", "1_"][..]).prop_map(str::to_owned),
        1 => nasty().prop_map(|text| toml::Value::String(text).to_string()),
        1 => nasty(),
    ];
    let head = prop::sample::select(
        &["", "method = \"arcface\"\n", "method = 'triplet'\n", "\u{feff}", "[grid]\n", "[[run]]\n", "[base]\n"][..],
    );
    let line = prop_oneof![
        8 => (key, value).prop_map(|(key, value)| format!("{key} = {value}\n")),
        1 => nasty().prop_map(|text| format!("[{text}]\n")),
        1 => nasty().prop_map(|text| format!("{text}\n")),
    ];
    (head, prop::collection::vec(line, 0..6)).prop_map(|(head, lines)| format!("{head}{}", lines.concat()))
}

const STATE: &[u8] = include_bytes!("fuzz/seeds/run/state");

fn records() -> impl Strategy<Value = Vec<u8>> {
    let seed = include_bytes!("fuzz/seeds/run/metrics").to_vec();
    let line = prop_oneof![
        Just(seed),
        (any::<u64>(), any::<u32>(), nasty()).prop_map(|(step, epoch, text)| {
            let part = serde_json::to_string(&text).unwrap();
            format!("{{\"kind\":\"epoch\",\"epoch\":{epoch},\"step\":{step},\"loss\":1e39,\"part\":{part},\"seconds\":-1,\"time\":1e300}}\n").into_bytes()
        }),
        (any::<u64>()).prop_map(|step| format!("{{\"kind\":\"resume\",\"step\":{step},\"time\":0}}\n").into_bytes()),
        nasty().prop_map(|text| format!("{text}\n").into_bytes()),
    ];
    prop::collection::vec(line, 0..6).prop_map(|lines| lines.concat()).prop_flat_map(mangled)
}

/// A run in a workspace beside the folder that is nobody's business.
fn a_run(place: &Place) -> (Workspace, RunDir) {
    let workspace = Workspace::open(Some(&place.dir.path().join("workspace"))).unwrap();
    let mut config = Config::preset(Method::Arcface);
    config.data.dir = "turtles".to_owned();
    let run = workspace.create_run(&config, None).unwrap();
    (workspace, run)
}

#[test]
fn the_tables_made_here_are_both_read_and_refused() {
    let mut runner = proptest::test_runner::TestRunner::deterministic();
    let mut seen = BTreeMap::new();
    for _ in 0..400 {
        let place = Place::new();
        let bytes = table().new_tree(&mut runner).unwrap().current();
        let is_read = formats::open(&place.file("metadata.csv", &bytes), &Corrections::NONE).is_ok();
        *seen.entry(is_read).or_insert(0) += 1;
    }
    assert!(seen.values().all(|&n| n > 20) && seen.len() == 2, "read and refused: {seen:?}");
}
