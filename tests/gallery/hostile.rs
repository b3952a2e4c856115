//! Damaged galleries, bundles made to break whoever reads them, and such photos among good ones.
//!
//! Whatever they hold, nothing panics or hangs, nothing is lost or written, in the folder or outside, and what is refused is
//! refused in one sentence. Few cases run here; `CARETTA_HOSTILE_CASES=10000 cargo test --test gallery hostile` runs as many as you
//! like of each: damaged galleries, bundles and photos, which that filter all reaches by the name of this module.

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, AtomicUsize, Ordering};

use caretta::data::cache::PhotoCache;
use caretta::eval::embed::Source;
use caretta::eval::model::Model;
use caretta::gallery::Error;
use caretta::gallery::about::Embedding;
use caretta::gallery::asked::{Asked, EncountersBy, Given};
use caretta::gallery::identify::{Catalogue, Decision, identify};
use caretta::gallery::store::Gallery;
use caretta::gallery::writer::{Adding, Encounter, NewPhoto, Writer};
use caretta::run::Workspace;
use dfdx::prelude::Cpu;
use proptest::prelude::*;
use proptest::sample::Index;
use proptest::test_runner::TestRunner;
use rusqlite::types::Value as Cell;
use serde_json::{Value, json};

use super::common::bytes;
use super::common::hostile::{NASTY, asked_for, folder, is_clear, names, nasty, photo};
use super::{BUILD, FEW, Place};

/// Has the cases run on all processors, on each so many and in a folder of its own.
fn on_all_processors(cases: u32, work: impl Fn(&mut TestRunner, &Path) + Sync) {
    let threads = std::thread::available_parallelism().map_or(2, usize::from).min(8) as u32;
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                let config =
                    ProptestConfig { max_shrink_iters: 50, ..ProptestConfig::with_cases(cases.div_ceil(threads)) };
                let dir = folder();
                work(&mut TestRunner::new(config), dir.path());
            });
        }
    });
}

/// A way to damage a file.
#[derive(Clone, Debug)]
enum Damage {
    /// Its end is missing.
    Cut(Index),
    /// Bytes are others.
    Bytes(Vec<(Index, u8)>),
    /// It is something else.
    Other(Vec<u8>),
    /// It is longer.
    More(Vec<u8>),
    /// It is gone.
    Gone,
}

fn damage() -> impl Strategy<Value = Damage> {
    prop_oneof![
        any::<Index>().prop_map(Damage::Cut),
        prop::collection::vec((any::<Index>(), any::<u8>()), 1..40).prop_map(Damage::Bytes),
        prop::collection::vec(any::<u8>(), 0..3000).prop_map(Damage::Other),
        prop::collection::vec(any::<u8>(), 1..3000).prop_map(Damage::More),
        Just(Damage::Gone),
    ]
}

impl Damage {
    /// What is left of `content`; bytes are changed among the first `within`.
    fn of(self, mut content: Vec<u8>, within: usize) -> Option<Vec<u8>> {
        match self {
            Damage::Cut(at) => content.truncate(at.index(content.len().max(1))),
            Damage::Bytes(changes) => {
                let length = content.len().min(within);
                let changes = changes.iter().filter(|_| length > 0);
                changes.for_each(|(at, byte)| content[at.index(length)] = *byte);
            }
            Damage::Other(other) => content = other,
            Damage::More(more) => content.extend(more),
            Damage::Gone => return None,
        }
        Some(content)
    }
}

/// Asks everything of a gallery; what it refuses.
fn ask_all_of(folder: &Path) -> Vec<Error> {
    let gallery = match Gallery::open(folder) {
        Ok(gallery) => gallery,
        Err(error) => return vec![error],
    };
    let known = || gallery.known()?.photos.iter().try_for_each(|photo| gallery.photo(photo.id).map(drop));
    [list(&gallery), known()].into_iter().filter_map(Result::err).collect()
}

/// What can be changed, each by a writer of its own.
const CHANGES: [fn(&mut Writer) -> Result<(), Error>; 5] = [
    |writer| writer.undo().map(drop),
    |writer| writer.add(&mut Adding::new("add", String::new()), &[a_photo()], &[0.25; DIMS]),
    |writer| writer.merge("t1", "t2").map(drop),
    |writer| writer.rename("t3", "t4x").map(drop),
    |writer| writer.remove("t5", &[]).map(drop),
];
/// Numbers in an embedding of [`Place`]'s model.
const DIMS: usize = 16;
/// What SQLite keeps beside a database that has a journal.
const JOURNAL: &[&str] = &["facts.sqlite-wal", "facts.sqlite-shm"];
const VECTORS: &str = "vectors-1.f32";

fn a_photo() -> NewPhoto {
    NewPhoto {
        root: "/photos".into(),
        path: "t1/new.jpg".into(),
        individual: "t1".into(),
        encounter: Encounter::Own("new".into()),
        date: None,
        side: None,
        crop: None,
        looked: false,
        sha256: [7; 32],
        trained: None,
    }
}

/// What a gallery's database says, read without its program; none where it does not say.
#[derive(Debug, Default, PartialEq)]
struct Facts {
    /// Embeddings that count.
    rows: Option<u64>,
    /// Photos that are there or were.
    photos: Option<u64>,
    /// Entries of the log.
    changes: Option<u64>,
    /// SQLite finds nothing wrong with it.
    is_sound: bool,
}

fn facts_of(folder: &Path) -> Facts {
    use rusqlite::OpenFlags;
    let uri = format!("file:{}?immutable=1", folder.join("facts.sqlite").display());
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_URI;
    let Ok(facts) = rusqlite::Connection::open_with_flags(uri, flags) else { return Facts::default() };
    let ask = |query: &str| facts.query_row(query, [], |row| row.get::<_, u64>(0)).ok();
    let sound: Option<String> = facts.query_row("PRAGMA integrity_check", [], |row| row.get(0)).ok();
    Facts {
        rows: ask("SELECT rows FROM gallery"),
        photos: ask("SELECT count(*) FROM photos NOT INDEXED"),
        changes: ask("SELECT count(*) FROM changes NOT INDEXED"),
        is_sound: sound.as_deref() == Some("ok"),
    }
}

/// Where so many embeddings end in their file.
fn end_of(rows: u64) -> Option<usize> {
    usize::try_from(rows).ok()?.checked_mul(4 * DIMS)?.checked_add(4096)
}

/// Fails unless the files `before` are as they were in `folder`, byte for byte, and beside them there are `more` at most. The only
/// repair that there is cuts off embeddings that nobody counts: all but the first `rows`, where a database said how many.
fn is_untouched(before: &Files, folder: &Path, more: &[&str], rows: Option<u64>) -> Result<(), TestCaseError> {
    let after = files_in(folder);
    // a reader makes the journal's index, and an empty journal
    let is_nothing = |name: &str, content: &[u8]| name == JOURNAL[1] || name == JOURNAL[0] && content.is_empty();
    for (name, content) in before.iter().filter(|(name, content)| !is_nothing(name, content)) {
        let now = after.get(name).map(|now| &now[..]).unwrap_or_default();
        let counted = rows.filter(|_| name == VECTORS).and_then(end_of);
        let is_cut = counted.is_some_and(|end| content.starts_with(now) && now.len() >= end);
        prop_assert!(after.contains_key(name) && (now == content || is_cut), "{name} is another");
    }
    let is_other = |name: &&String| !before.contains_key(*name) && !more.contains(&name.as_str());
    prop_assert_eq!(after.keys().find(is_other), None);
    Ok(())
}

/// Asks everything of the gallery in `folder` and changes it in all ways: what is refused or fails is told in a sentence and leaves
/// it as it was, and what is done loses nothing. How many were refused and how many done.
fn use_all_of(folder: &Path) -> Result<[u32; 2], TestCaseError> {
    let mut uses = [0; 2];
    let before = files_in(folder);
    for error in ask_all_of(folder) {
        is_clear(&error.to_string(), "")?;
    }
    is_untouched(&before, folder, JOURNAL, None)?;
    for change in CHANGES {
        let (before, facts) = (files_in(folder), facts_of(folder));
        let changed = Writer::open(folder).and_then(|mut writer| change(&mut writer));
        uses[usize::from(changed.is_ok())] += 1;
        // whatever a damaged database says, those that it counted when it was whole are there
        let rows = facts.rows.map(|rows| rows.max(9 * FEW as u64));
        match changed {
            Err(error) => {
                is_clear(&error.to_string(), "")?;
                is_untouched(&before, folder, &[JOURNAL, &["lock"]].concat(), rows)?;
            }
            Ok(()) => {
                // embeddings that counted are there; and so is all else, where SQLite could tell what it wrote to
                let after = files_in(folder);
                let end = rows.and_then(end_of).map_or(0, |end| end.min(before[VECTORS].len()));
                prop_assert!(after[VECTORS].starts_with(&before[VECTORS][..end]), "an embedding is another");
                if facts.is_sound {
                    let added = ((after[VECTORS].len() - end) / (4 * DIMS)) as u64;
                    let more = |count: Option<u64>, more| count.map(|count| count + more);
                    let (rows, photos, changes) =
                        (more(facts.rows, added), more(facts.photos, added), more(facts.changes, 1));
                    prop_assert_eq!(facts_of(folder), Facts { rows, photos, changes, is_sound: true });
                }
            }
        }
    }
    Ok(uses)
}

/// What `gallery ls`, `log` and `show` read.
fn list(gallery: &Gallery) -> Result<(), Error> {
    gallery.counts()?;
    gallery.changes()?;
    gallery.individuals()?;
    gallery.individual("t1").map(drop)
}

/// Files of a folder by their names.
type Files = BTreeMap<String, Vec<u8>>;

/// The bytes of the files in a folder.
fn files_in(folder: &Path) -> Files {
    names(folder).into_iter().map(|name| (name.clone(), bytes(folder.join(name)))).collect()
}

/// The folder `to` with `files` in it and nothing else.
fn laid(files: &Files, to: &Path) {
    let _ = fs::remove_dir_all(to);
    fs::create_dir(to).unwrap();
    files.iter().for_each(|(name, content)| fs::write(to.join(name), content).unwrap());
}

#[test]
fn damaged_galleries_are_refused_in_a_sentence_and_lose_nothing() {
    let place = Place::new(FEW);
    place.ok(BUILD);
    place.ok(&["gallery", "rename", "t1", "Zoë", "--gallery", "g"]);
    place.ok(&["gallery", "merge", "t8", "t9", "--gallery", "g"]);
    place.ok(&["gallery", "backup", "--gallery", "g", "--output-dir", "whole"]);
    // one that keeps a journal while it is written, and one that is a file
    let whole = ["g", "whole"].map(|name| files_in(&place.root.join(name)));
    let (of, file) = (0..whole.len(), prop::sample::select(vec!["facts.sqlite", VECTORS]));
    let strategy = (of, prop::collection::vec((file, damage()), 1..=2));
    let (cases, refused, done) = (asked_for(200), AtomicU32::new(0), AtomicU32::new(0));
    on_all_processors(cases, |runner, dir| {
        let ran = runner.run(&strategy, |(of, damages)| {
            let (hurt, mut files) = (dir.join("hurt"), whole[of].clone());
            for (file, damage) in damages {
                // one that is gone stays so
                let damaged = files.remove(file).and_then(|content| damage.of(content, usize::MAX));
                files.extend(damaged.map(|content| (file.to_owned(), content)));
            }
            laid(&files, &hurt);
            let uses = use_all_of(&hurt)?;
            refused.fetch_add(uses[0], Ordering::Relaxed);
            done.fetch_add(uses[1], Ordering::Relaxed);
            prop_assert_eq!(names(dir), ["hurt"]);
            Ok(())
        });
        ran.unwrap();
    });
    let uses = (refused.into_inner(), done.into_inner());
    assert!(uses.0.min(uses.1) > cases / 5, "{uses:?} of {cases}: both what is refused and what is done is to be met");
}

/// A way to make a bundle hostile.
#[derive(Clone, Debug)]
enum Harm {
    /// A file is damaged.
    File(&'static str, Damage),
    /// A value of the calibration is another.
    Calibration(Index, Value),
    /// A value of what the database says of embeddings or networks.
    Says(&'static str, Index, Value),
    /// Cells of the database: which column and row, and what a number, a text or bytes are then.
    Cells(Vec<(Index, Index, (i64, String, Vec<u8>))>),
    /// A value of the header of the weights.
    Header(Index, Value),
    /// A value of what the weights say of themselves.
    About(Index, Value),
    /// A file that no bundle brings along.
    Beside(&'static str, Vec<u8>),
    /// What is no file in the place of one.
    NoFile(&'static str, u8),
}

const WEIGHTS: &str = "weights.safetensors";
const FILES: &[&str] = &["facts.sqlite", "vectors-1.f32", "calibration.json", WEIGHTS];

fn harm() -> impl Strategy<Value = Harm> {
    let number = prop::sample::select(vec![0, 1, -1, 2, 9, 80, 1 << 31, 1 << 32, 1 << 53, i64::MAX, i64::MIN]);
    let cell = (any::<Index>(), any::<Index>(), (number, nasty(), prop::collection::vec(any::<u8>(), 0..40)));
    let beside = [
        "facts.sqlite-wal",
        "facts.sqlite-shm",
        "facts.sqlite-journal",
        "vectors-1.codes",
        "vectors-1.recall.json",
        "looker.safetensors",
        "lock",
        "sessions",
    ];
    prop_oneof![
        6 => (prop::sample::select(&FILES[..3]), damage()).prop_map(|(file, damage)| Harm::File(file, damage)),
        1 => damage().prop_map(|damage| Harm::File(WEIGHTS, damage)),
        4 => (any::<Index>(), value()).prop_map(|(at, value)| Harm::Calibration(at, value)),
        3 => (prop::sample::select(vec!["header", "networks"]), any::<Index>(), value())
            .prop_map(|(column, at, value)| Harm::Says(column, at, value)),
        6 => prop::collection::vec(cell, 1..4).prop_map(Harm::Cells),
        1 => (any::<Index>(), value()).prop_map(|(at, value)| Harm::Header(at, value)),
        2 => (any::<Index>(), value()).prop_map(|(at, value)| Harm::About(at, value)),
        1 => (prop::sample::select(beside.to_vec()), prop::collection::vec(any::<u8>(), 0..5000))
            .prop_map(|(name, content)| Harm::Beside(name, content)),
        1 => (prop::sample::select(FILES), 0_u8..4).prop_map(|(file, kind)| Harm::NoFile(file, kind)),
    ]
}

/// What may stand in JSON in the place of something else.
fn value() -> impl Strategy<Value = Value> {
    let numbers = [
        json!(0),
        json!(-1),
        json!(0.9),
        json!(-0.5),
        json!(1e308),
        json!(-1e308),
        json!(5e-324),
        json!(u64::MAX),
        json!(i64::MIN),
        json!(1_u64 << 40),
    ];
    let others =
        [json!(null), json!(true), json!([]), json!({}), json!([[[[0]]]]), json!({"how": "attention", "by": ""})];
    prop_oneof![
        3 => prop::sample::select(numbers.to_vec()),
        2 => prop::sample::select(others.to_vec()),
        2 => nasty().prop_map(Value::from),
        1 => any::<f64>().prop_map(Value::from),
    ]
}

/// `json` with another `value` at one of its places.
fn another(json: &mut Value, at: Index, value: Value) {
    fn places(json: &Value, here: &str, all: &mut Vec<String>) {
        all.push(here.to_owned());
        match json {
            Value::Object(map) => map.iter().for_each(|(key, json)| {
                places(json, &format!("{here}/{}", key.replace('~', "~0").replace('/', "~1")), all);
            }),
            Value::Array(list) => {
                list.iter().take(3).enumerate().for_each(|(n, json)| places(json, &format!("{here}/{n}"), all))
            }
            _ => {}
        }
    }
    let mut all = Vec::new();
    places(json, "", &mut all);
    *json.pointer_mut(&all[at.index(all.len())]).unwrap() = value;
}

/// The file of weights with its header changed, which is JSON behind its length.
fn with_header(weights: &[u8], change: impl FnOnce(&mut Value)) -> Vec<u8> {
    let length = u64::from_le_bytes(weights[..8].try_into().unwrap()) as usize;
    let mut header: Value = serde_json::from_slice(&weights[8..8 + length]).unwrap();
    change(&mut header);
    let header = header.to_string().into_bytes();
    [&(header.len() as u64).to_le_bytes()[..], &header, &weights[8 + length..]].concat()
}

/// The cells of the database at `path` that `change` changes, whatever SQLite thinks of them.
fn with_cells(path: &Path, change: impl FnOnce(&rusqlite::Connection) -> rusqlite::Result<()>) {
    let facts = rusqlite::Connection::open(path).unwrap();
    let plain = "PRAGMA foreign_keys = OFF; PRAGMA ignore_check_constraints = ON; PRAGMA synchronous = OFF; PRAGMA journal_mode = MEMORY";
    facts.execute_batch(plain).unwrap();
    let _ = change(&facts); // what it refuses, nobody can bring along
    facts.execute_batch("PRAGMA journal_mode = DELETE").unwrap();
}

/// A bundle, each file in memory but for the weights, which every bundle links to.
struct Whole {
    files: Files,
    weights: Vec<u8>,
}

impl Whole {
    /// Lays it into `to` with `harm`; whether its weights are harmed.
    fn harmed(&self, harm: Harm, linked: &Path, to: &Path, outside: &Path) -> bool {
        laid(&self.files, to);
        let (facts, weights) = (to.join("facts.sqlite"), to.join(WEIGHTS));
        fs::hard_link(linked, &weights).unwrap();
        let put = |name: &str, content: Option<Vec<u8>>| {
            let _ = fs::remove_file(to.join(name));
            content.into_iter().for_each(|content| fs::write(to.join(name), content).unwrap());
        };
        match harm {
            Harm::File(WEIGHTS, damage) => put(WEIGHTS, damage.of(self.weights.clone(), 1 << 17)),
            Harm::File(file, damage) => put(file, damage.of(self.files[file].clone(), usize::MAX)),
            Harm::Calibration(at, value) => {
                let mut calibration = serde_json::from_slice(&self.files["calibration.json"]).unwrap();
                another(&mut calibration, at, value);
                put("calibration.json", Some(calibration.to_string().into_bytes()));
            }
            Harm::Says(column, at, value) => with_cells(&facts, |facts| {
                let text: String = facts.query_row(&format!("SELECT {column} FROM gallery"), [], |row| row.get(0))?;
                let mut says = serde_json::from_str(&text).unwrap();
                another(&mut says, at, value);
                facts.execute(&format!("UPDATE gallery SET {column} = ?1"), [says.to_string()]).map(drop)
            }),
            Harm::Cells(cells) => with_cells(&facts, |facts| {
                let columns = "SELECT m.name, c.name, c.type FROM sqlite_schema m, pragma_table_info(m.name) c WHERE m.type = 'table'";
                let columns: Vec<(String, String, String)> = facts
                    .prepare(columns)?
                    .query_map([], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))?
                    .collect::<rusqlite::Result<_>>()?;
                for (column, row, (number, text, bytes)) in cells {
                    let (table, column, kind) = &columns[column.index(columns.len())];
                    let count: i64 = facts.query_row(&format!("SELECT count(*) FROM {table}"), [], |row| row.get(0))?;
                    let row = row.index(count.max(1) as usize) as i64;
                    let cell = match kind.as_str() {
                        "INTEGER" => Cell::Integer(number),
                        "BLOB" => Cell::Blob(bytes),
                        _ => Cell::Text(text),
                    };
                    let put = format!(
                        "UPDATE {table} SET {column} = ?1 WHERE rowid = (SELECT rowid FROM {table} LIMIT 1 OFFSET {row})"
                    );
                    let _ = facts.execute(&put, [cell]);
                }
                Ok(())
            }),
            Harm::Header(at, value) => {
                put(WEIGHTS, Some(with_header(&self.weights, |header| another(header, at, value))))
            }
            Harm::About(at, value) => {
                let changed = with_header(&self.weights, |header| {
                    let said = &mut header["__metadata__"]["caretta"];
                    let mut about = serde_json::from_str(said.as_str().unwrap()).unwrap();
                    another(&mut about, at, value);
                    *said = about.to_string().into();
                });
                put(WEIGHTS, Some(changed));
            }
            Harm::Beside(name, content) => put(name, Some(content)),
            Harm::NoFile(file, kind) => {
                put(file, None);
                match kind {
                    0 => fs::create_dir(to.join(file)).unwrap(),
                    1 => symlink(outside.join("x"), to.join(file)).unwrap(),
                    2 => symlink(outside.join("new"), to.join(file)).unwrap(),
                    _ => {
                        use rustix::fs::{CWD, FileType, Mode, mknodat};
                        mknodat(CWD, to.join(file), FileType::Fifo, Mode::RWXU, 0).unwrap();
                    }
                }
            }
        }
        // the link counts two names
        !weights.metadata().is_ok_and(|ours| std::os::unix::fs::MetadataExt::nlink(&ours) == 2)
    }
}

fn source() -> Source {
    Source { cache: Arc::new(PhotoCache::open(None)), workers: 1 }
}

/// What `identify` does with a bundle, whose weights are those of `model` unless they are to be read, and with `photo`; and what
/// `gallery ls`, `log` and `show` do.
fn use_bundle(folder: &Path, model: Option<&Model<Cpu>>, photo: &Path) -> Result<(), Error> {
    let catalogue = Catalogue::of(Gallery::open(folder)?)?;
    let gallery = catalogue.gallery();
    let path = gallery.model_file()?;
    gallery.looker()?;
    let own = if model.is_none() { Some(Model::load(&Cpu::default(), &path)?) } else { None };
    let model = model.or(own.as_ref()).unwrap();
    gallery.accept(&Embedding {
        identity: model.identity.clone(),
        preprocessing: model.about.preprocessing.clone(),
        dims: model.about.embedding_dim,
        seen: gallery.embedding().seen.clone(),
    })?;
    let asked = Asked::new(vec![Given::Photo(photo.into())], EncountersBy::Folder);
    let mut told = |decision: Decision, _: &[f32]| {
        assert!(decision.probability.is_none_or(|p| (0.0..=1.0).contains(&p)), "{decision:?}");
        assert!(decision.nearest.iter().all(|near| near.distance.is_finite()), "{decision:?}");
        serde_json::from_str::<Decision>(&serde_json::to_string(&decision).unwrap()).unwrap();
        Ok(())
    };
    identify(&catalogue, model, &asked, &source(), &mut |_, _| true, &mut told)?;
    if let Some(calibration) = catalogue.calibration() {
        let _ = calibration.has_grown(catalogue.individuals().len());
    }
    list(gallery)
}

/// The plain files of a folder; what is none has no content.
fn content(folder: &Path) -> BTreeMap<OsString, Option<Vec<u8>>> {
    let of = |entry: std::io::Result<fs::DirEntry>| {
        let entry = entry.unwrap();
        let name = entry.file_name();
        let is_read = entry.file_type().unwrap().is_file() && name != WEIGHTS;
        (name, is_read.then(|| bytes(entry.path())))
    };
    fs::read_dir(folder).unwrap().map(of).collect()
}

#[test]
fn hostile_bundles_are_refused_in_a_sentence_and_nothing_is_written() {
    let place = Place::of("mobilenet_v3_large", FEW);
    place.ok(BUILD);
    place.ok(&["gallery", "calibrate", "--gallery", "g", "--false-new", "0.6", "--wrong-name", "0.6"]);
    place.ok(&["bundle", "--gallery", "g", "--output-dir", "whole"]);
    let mut files = files_in(&place.root.join("whole"));
    files.retain(|name, _| FILES.contains(&name.as_str()));
    let weights = files.remove(WEIGHTS).unwrap();
    let (whole, photo) = (Whole { files, weights }, place.root.join("photos/t1/1.png"));
    let (refused, all) = (AtomicUsize::new(0), asked_for(300));
    on_all_processors(all, |runner, dir| {
        let (linked, bundle, outside) = (dir.join("linked"), dir.join("in"), dir.join("outside"));
        fs::write(&linked, &whole.weights).unwrap();
        fs::create_dir(&outside).unwrap();
        fs::write(outside.join("x"), "secret").unwrap();
        let model = Model::load(&Cpu::default(), &linked).unwrap();
        let ran = runner.run(&harm(), |harm| {
            let own = whole.harmed(harm, &linked, &bundle, &outside);
            let before = content(&bundle);
            if let Err(error) = use_bundle(&bundle, (!own).then_some(&model), &photo) {
                refused.fetch_add(1, Ordering::Relaxed);
                is_clear(&error.to_string(), "")?;
            }
            let after = content(&bundle);
            for (name, content) in &before {
                prop_assert!(after.get(name) == Some(content), "{name:?} is another");
            }
            prop_assert_eq!(names(&outside), ["x"]);
            prop_assert_eq!(fs::read_to_string(outside.join("x")).unwrap(), "secret");
            prop_assert_eq!(names(dir), ["in", "linked", "outside"]);
            Ok(())
        });
        ran.unwrap();
    });
    let refused = refused.into_inner() as u32;
    assert!(
        refused > all / 5 && refused < all,
        "{refused} of {all}: both what is refused and what is read is to be met"
    );
    // and so does the program
    let hurt = place.root.join("hurt");
    for file in [WEIGHTS, "calibration.json", "facts.sqlite", "vectors-1.f32"] {
        laid(&whole.files, &hurt);
        fs::write(hurt.join(WEIGHTS), &whole.weights).unwrap();
        fs::write(hurt.join(file), "theirs").unwrap();
        place.refused(&["identify", "photos/t1/1.png", "--gallery", "hurt"], &[file]);
    }
}

/// Photos of a case.
const TOGETHER: usize = 40;

#[test]
fn hostile_photos_are_told_of_and_hide_no_good_one() {
    let place = Place::of("mobilenet_v3_large", FEW);
    place.ok(BUILD);
    let good = bytes(place.root.join("photos/t4/7.png"));
    let name = prop::sample::select(NASTY)
        .prop_filter("a name of a file", |name| !name.contains(['/', '\0']) && name.len() < 200);
    let photos = prop::collection::vec((photo(), name), TOGETHER);
    let refused = AtomicUsize::new(0);
    let cases = asked_for(400).div_ceil(TOGETHER as u32);
    on_all_processors(cases, |runner, dir| {
        let catalogue = Catalogue::of(Gallery::open(&place.root.join("g")).unwrap()).unwrap();
        let model = Model::load(&Cpu::default(), &place.root.join("m.safetensors")).unwrap();
        let workspace = Workspace::open(Some(&dir.join("workspace"))).unwrap();
        let outside = dir.join("outside");
        fs::create_dir(&outside).unwrap();
        fs::write(outside.join("x"), "secret").unwrap();
        let ran = runner.run(&photos, |photos| {
            let week = dir.join("week");
            let _ = fs::remove_dir_all(&week);
            for (n, (photo, name)) in photos.iter().enumerate() {
                // some loose, some in one folder with a good one
                let folder = if n % 3 == 0 { week.join("mixed") } else { week.clone() };
                fs::create_dir_all(&folder).unwrap();
                let name = format!("{n}{name}.jpg").into_bytes();
                let name = if n == 7 { [&name[..], b"\xff.jpg"].concat() } else { name };
                fs::write(folder.join(OsStr::from_bytes(&name)), photo).unwrap();
            }
            symlink(outside.join("x"), week.join("link.jpg")).unwrap();
            symlink(outside.join("new"), week.join("nowhere.jpg")).unwrap();
            {
                use rustix::fs::{CWD, FileType, Mode, mknodat};
                mknodat(CWD, week.join("pipe.jpg"), FileType::Fifo, Mode::RWXU, 0).unwrap();
            }
            for good_one in ["mixed/good.png", "good/good.png"] {
                fs::create_dir_all(week.join(good_one).parent().unwrap()).unwrap();
                fs::write(week.join(good_one), &good).unwrap();
            }
            let (before, mixed) = (content(&week), content(&week.join("mixed")));
            let manifest = workspace.every_photo(&week).unwrap();
            let asked = Asked::new(vec![Given::Folder(week.clone(), manifest)], EncountersBy::Folder);
            let mut decisions = Vec::new();
            let mut told = |decision: Decision, _: &[f32]| {
                decisions.push(decision);
                Ok(())
            };
            let problems = identify(&catalogue, &model, &asked, &source(), &mut |_, _| true, &mut told).unwrap();
            for problem in problems.iter().chain(&asked.manifest.problems) {
                is_clear(&problem.told(), "")?;
            }
            refused.fetch_add(problems.len(), Ordering::Relaxed);
            let decided: usize = decisions.iter().map(|decision| decision.photos.len()).sum();
            prop_assert_eq!(decided + problems.len(), asked.manifest.photos.len(), "each is decided on or told of");
            let of_good = decisions.iter().find(|decision| decision.encounter.ends_with("week/good")).unwrap();
            prop_assert_eq!(of_good.individual.as_deref(), Some("t4"));
            // the gallery holds a copy of it, which is told and is not near to itself
            prop_assert_eq!(of_good.already.first().map(|held| &*held.individual), Some("t4"));
            let is_mixed = |decision: &&Decision| decision.photos.iter().any(|photo| photo.ends_with("mixed/good.png"));
            prop_assert_eq!(decisions.iter().filter(is_mixed).count(), 1);
            prop_assert!(before == content(&week) && mixed == content(&week.join("mixed")), "a photo is another");
            prop_assert_eq!(names(&outside), ["x"]);
            prop_assert_eq!(fs::read_to_string(outside.join("x")).unwrap(), "secret");
            Ok(())
        });
        ran.unwrap();
    });
    assert!(refused.into_inner() > cases as usize, "some of them can be read and some cannot");
}
