//! Galleries through the whole program: from photos to names, killed at random moments, and fed with damaged files.

#![allow(clippy::unwrap_used)] // a test may end in one

mod common;
#[path = "gallery/hostile.rs"]
mod hostile;
#[path = "gallery/killed.rs"]
mod killed;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::time::Duration;

use caretta::eval::model::{About, Preprocessing};
use caretta::gallery::decisions::{By, Matter, Proposed, Ruling};
use caretta::gallery::rulings::Ruled;
use caretta::gallery::session::Session;
use caretta::gallery::sitting::Sitting;
use caretta::gallery::store::Gallery;
use caretta::gallery::writer::{Encounter, NewPhoto, Writer};
use caretta::nn::head::HeadKind;
use caretta::nn::network::{Architecture, Network};
use caretta::nn::weights::WeightFile;
use common::{bytes, kill, until};
use dfdx::prelude::Cpu;
use serde_json::Value;

/// A workspace, a model that nothing trained, and photos of nine individuals in `photos/`, a folder each.
struct Place {
    _dir: tempfile::TempDir,
    root: PathBuf,
}

/// The photo at `path` as another file that shows the same.
fn another(path: &Path) -> Vec<u8> {
    bytes(path).into_iter().chain(*b"behind its end").collect()
}

/// Photos of each individual: of all, more than are put in at once.
const EACH: usize = 15;
/// Where one batch is enough.
const FEW: usize = 9;

impl Place {
    fn new(each: usize) -> Place {
        Place::of("resnet18", each)
    }

    fn of(backbone: &'static str, each: usize) -> Place {
        let dir = tempfile::tempdir().unwrap();
        let root = dir.path().to_path_buf();
        let architecture = Architecture { backbone, head: HeadKind::Mlp, dimensions: 16 };
        let network = Network::new(&Cpu::default(), architecture, 3).unwrap();
        let about = serde_json::to_string(&About::new(architecture, Preprocessing::of_side(32))).unwrap();
        let mut file = WeightFile { about, ..WeightFile::default() };
        file.insert_network(&network).unwrap();
        fs::write(root.join("m.safetensors"), file.to_bytes(Path::new("m")).unwrap()).unwrap();
        let place = Place { _dir: dir, root };
        for who in 1..=9 {
            for n in 0..each {
                place.draw(&format!("photos/t{who}/{n}.png"), who, n);
            }
        }
        place
    }

    fn draw(&self, path: &str, who: usize, n: usize) {
        let path = self.root.join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        let pixel = |x: u32, y: u32| {
            let (x, y) = (x as usize, y as usize);
            image::Rgb([(who * 28 + x * n) as u8, (x * y * who + n) as u8, (y * 5 + n * 12) as u8])
        };
        image::RgbImage::from_fn(32, 32, pixel).save(path).unwrap();
    }

    fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_caretta"));
        command.args(args).env("CARETTA_WORKSPACE", self.root.join("ws")).env("TERM", "dumb").current_dir(&self.root);
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        command
    }

    fn run(&self, args: &[&str]) -> Output {
        self.command(args).output().unwrap()
    }

    fn ok(&self, args: &[&str]) -> String {
        let output = self.run(args);
        assert!(output.status.success(), "{args:?}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap()
    }

    fn json(&self, args: &[&str]) -> Value {
        serde_json::from_str(&self.ok(&[args, &["--json"]].concat())).unwrap()
    }

    fn lines(&self, args: &[&str]) -> Vec<Value> {
        let text = self.ok(&[args, &["--json"]].concat());
        text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }

    fn refused(&self, args: &[&str], words: &[&str]) {
        let output = self.run(args);
        let stderr = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(1), "{args:?}: {stderr}");
        assert_eq!(stderr.trim_end().lines().count(), 1, "{stderr}");
        words.iter().for_each(|word| assert!(stderr.contains(word), "does not say {word}: {stderr}"));
    }
}

const BUILD: &[&str] = &["gallery", "build", "--model-path", "m.safetensors", "--data-dir", "photos", "--gallery", "g"];

#[test]
fn from_photos_to_names() {
    let place = Place::new(FEW);
    // where there is no dataset, or no photo that can be read, no gallery is left behind
    let build_of = |folder| BUILD.iter().map(|arg| if *arg == "photos" { folder } else { *arg }).collect::<Vec<_>>();
    place.refused(&build_of("gone"), &["gone"]);
    fs::create_dir_all(place.root.join("broken/t1")).unwrap();
    fs::write(place.root.join("broken/t1/1.png"), &bytes(place.root.join("photos/t1/1.png"))[..60]).unwrap();
    let broken = place.run(&build_of("broken"));
    assert!(String::from_utf8_lossy(&broken.stderr).contains("none was made"), "{broken:?}");
    assert!(!place.root.join("g").exists());
    let built = place.json(BUILD);
    assert_eq!((&built["added"], &built["individuals"]), (&Value::from(9 * FEW), &Value::from(9)));
    place.refused(BUILD, &["gallery add", "g:"]);
    // the same photos again, some copied, one renamed to another's folder, one new, one broken
    fs::create_dir_all(place.root.join("more/t9")).unwrap();
    fs::create_dir_all(place.root.join("more/t1")).unwrap();
    fs::copy(place.root.join("photos/t9/3.png"), place.root.join("more/t9/copy.png")).unwrap();
    fs::copy(place.root.join("photos/t2/3.png"), place.root.join("more/t1/theirs.png")).unwrap();
    place.draw("more/t9/new.png", 9, 33);
    fs::write(place.root.join("more/t9/broken.png"), &bytes(place.root.join("photos/t9/3.png"))[..60]).unwrap();
    let add = place.run(&["gallery", "add", "--data-dir", "more", "--gallery", "g", "--json"]);
    let told = String::from_utf8_lossy(&add.stderr);
    assert!(told.contains("t1/theirs.png") && told.contains("in the gallery as t2 and here as t1"), "{told}");
    assert!(told.contains("broken.png"), "{told}");
    let added: Value = serde_json::from_slice(&add.stdout).unwrap();
    assert_eq!((&added["added"], &added["already_there"], &added["left_out"]), (&1.into(), &1.into(), &2.into()));

    let search = place.json(&["search", "photos/t4/7.png", "more/t9/new.png", "--gallery", "g"]);
    for (query, who) in [(0, "t4"), (1, "t9")] {
        let query = &search["queries"][query];
        assert_eq!(query["nearest"].as_array().unwrap().len(), 10);
        assert_eq!(
            (&query["nearest"][0]["individual"], &query["individuals"][0]["individual"]),
            (&who.into(), &who.into())
        );
        assert!(query["nearest"][0]["distance"].as_f64().unwrap() < 1e-6);
        let same = query["nearest"].as_array().unwrap().iter().map(|near| near["same_photo"].as_bool().unwrap());
        assert_eq!(same.collect::<Vec<_>>(), (0..10).map(|n| n == 0).collect::<Vec<_>>(), "{query}");
    }
    let told = place.ok(&["search", "photos/t4/7.png", "--gallery", "g"]);
    assert!(told.contains("the same photo") && told.contains("t4 0.000 (the same photo)"), "{told}");
    fs::write(place.root.join("other.png"), another(&place.root.join("photos/t4/7.png"))).unwrap();
    let told = place.ok(&["search", "other.png", "--gallery", "g"]);
    assert!(told.contains("t4 0.000") && !told.contains("same photo"), "{told}");

    for (from, to) in [("t4/7", "week/a/1"), ("t4/8", "week/a/2"), ("t5/1", "week/b"), ("t6/1", "week/c")] {
        let to = place.root.join(format!("{to}.png"));
        fs::create_dir_all(to.parent().unwrap()).unwrap();
        fs::write(to, another(&place.root.join(format!("photos/{from}.png")))).unwrap();
    }
    fs::write(place.root.join("week/a/3.png"), "\x7fno photo").unwrap();
    // what is not there is told at the end, after the rest
    let output = place.run(&["identify", "week/", "gone.png", "--gallery", "g"]);
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(said.contains("3 encounters: ranked") && said.contains("1 of 2 named was left out: gone.png"), "{said}");
    fs::create_dir(place.root.join("week/empty")).unwrap();
    let found = place.lines(&["identify", "week/", "--gallery", "g"]);
    let told: Vec<_> =
        found.iter().map(|d| (d["encounter"].as_str().unwrap(), d["individual"].as_str().unwrap())).collect();
    assert_eq!(told, [("week/a", "t4"), ("week/b.png", "t5"), ("week/c.png", "t6")]);
    assert_eq!(found[0]["photos"], serde_json::json!(["week/a/1.png", "week/a/2.png"]));
    for decision in &found {
        assert!(decision["decision"].is_null() && decision["probability"].is_null(), "not calibrated: {decision}");
        assert_eq!(decision["nearest"].as_array().unwrap().len(), 10);
    }
    // one that the gallery holds is told, and is not near to itself
    let held = &place.lines(&["identify", "photos/t4/7.png", "week/b.png", "--gallery", "g"]);
    assert_eq!((&held[0]["already"][0]["individual"], &held[1]["already"]), (&"t4".into(), &serde_json::json!([])));
    let near: Vec<_> =
        held[0]["nearest"].as_array().unwrap().iter().map(|near| near["photo"].as_str().unwrap()).collect();
    assert!(near.len() >= 9 && !near.contains(&"t4/7.png"), "{near:?}");
    let told = place.ok(&["identify", "photos/t4/7.png", "--gallery", "g"]);
    assert!(told.contains("decided already as t4 on 20"), "{told}");
    // into a file, killed in the middle of a line, and on
    let identify = ["identify", "week/", "--gallery", "g", "--output", "named.jsonl"];
    place.ok(&identify);
    let named = place.root.join("named.jsonl");
    let whole = fs::read_to_string(&named).unwrap();
    assert_eq!(whole.lines().count(), 3);
    fs::write(&named, &whole[..whole.len() - 9]).unwrap();
    let output = place.run(&identify);
    assert!(String::from_utf8_lossy(&output.stderr).contains("1 encounter, 2 there already"));
    assert_eq!(fs::read_to_string(&named).unwrap(), whole);
    // one whose end is missing is asked about once, and again when it is another file
    let broken = place.root.join("week/a/4.png");
    let photo = bytes(place.root.join("photos/t4/6.png"));
    fs::write(&broken, &photo[..photo.len() / 2]).unwrap();
    let asked = |words: &str| {
        let said = String::from_utf8_lossy(&place.run(&identify).stderr).into_owned();
        assert!(said.contains(words), "{words}: {said}");
    };
    asked("1 encounter, 2 there already");
    asked("0 encounters, 3 there already");
    fs::write(&broken, another(&place.root.join("photos/t4/6.png"))).unwrap();
    asked("1 encounter, 2 there already");
    let last = fs::read_to_string(&named).unwrap();
    let last: Value = serde_json::from_str(last.lines().last().unwrap()).unwrap();
    assert_eq!((last["photos"].as_array().unwrap().len(), &last["unread"]), (3, &Value::Null));
    // of an encounter that is held but for one photo it is told that this one is new
    fs::copy(place.root.join("photos/t4/7.png"), &broken).unwrap();
    let told = place.ok(&["identify", "week/a", "--gallery", "g", "--encounters-by", "given"]);
    assert!(told.contains("1 of 3 decided already, as t4 on 20") && told.contains("; 2 not in the gallery"), "{told}");
}

#[test]
fn changes_are_made_by_name_taken_back_and_leave_as_files() {
    let place = Place::new(FEW);
    place.ok(BUILD);
    place.ok(&["gallery", "rename", "t3", "Zoë", "--gallery", "g"]);
    place.ok(&["gallery", "merge", "t1", "t2", "--gallery", "g"]);
    place.ok(&["gallery", "note", "t2", "a scar", "--gallery", "g"]);
    place.ok(&["gallery", "rm", "t9", "--photo", "t9/0.png", "--gallery", "g"]);
    let shown = place.json(&["gallery", "show", "t1", "--gallery", "g"]);
    assert_eq!(
        (&shown["individual"], &shown["note"], &shown["photos"]),
        (&"t2".into(), &"a scar".into(), &(2 * FEW).into())
    );
    // two photos of somebody new, as a person names them; one of them is there the next time
    place.draw("seen/1.png", 11, 3);
    place.draw("seen/2.png", 11, 4);
    place.ok(&["gallery", "add", "seen/1.png", "--individual", "Ada", "--gallery", "g"]);
    let added =
        place.json(&["gallery", "add", "seen/", "--individual", "Ada", "--encounter", "dive 7", "--gallery", "g"]);
    assert_eq!((&added["added"], &added["already_there"]), (&1.into(), &1.into()));
    assert_eq!(place.json(&["gallery", "show", "Ada", "--gallery", "g"])["encounters"], 2);
    // a photo of somebody else among them says that the rest is not to be added either
    fs::create_dir(place.root.join("mixed")).unwrap();
    place.draw("mixed/1.png", 11, 5);
    fs::copy(place.root.join("seen/2.png"), place.root.join("mixed/2.png")).unwrap();
    fs::copy(place.root.join("photos/t5/3.png"), place.root.join("mixed/theirs.png")).unwrap();
    let mixed = ["gallery", "add", "mixed", "--individual", "Ada", "--gallery", "g"];
    let held = place.root.join("photos").canonicalize().unwrap().join("t5/3.png");
    let rm = format!("`caretta gallery rm t5 --photo {}`", held.display());
    place.refused(&mixed, &["mixed/theirs.png", "as t5, so that nothing was added as Ada", "gallery merge", &rm]);
    assert_eq!(place.json(&["gallery", "show", "Ada", "--gallery", "g"])["photos"], 2);
    place.ok(&["gallery", "rm", "t5", "--photo", &held.display().to_string(), "--gallery", "g"]);
    assert_eq!(place.json(&mixed)["added"], 2);
    place.ok(&["gallery", "undo", "--gallery", "g"]);
    place.ok(&["gallery", "undo", "--gallery", "g"]);
    place.ok(&["gallery", "undo", "--gallery", "g"]);
    place.ok(&["gallery", "undo", "--gallery", "g"]);
    place.refused(&["gallery", "show", "Ada", "--gallery", "g"], &["gallery ls"]);
    place.refused(&["gallery", "rename", "t4", "t5", "--gallery", "g"], &["gallery merge"]);
    place.refused(&["gallery", "show", "t33", "--gallery", "g"], &["gallery ls"]);
    place.ok(&["gallery", "undo", "--gallery", "g"]);
    let log = place.json(&["gallery", "log", "--gallery", "g"]);
    let log: Vec<_> = log["changes"].as_array().unwrap().iter().map(|c| c["what"].as_str().unwrap()).collect();
    assert_eq!(
        log,
        ["build", "rename", "merge", "note", "rm", "add", "add", "rm", "add", "undo", "undo", "undo", "undo", "undo"]
    );

    place.ok(&["gallery", "export", "--gallery", "g", "--output-dir", "out"]);
    assert_eq!(fs::read_to_string(place.root.join("out/photos.csv")).unwrap().lines().count(), 1 + 9 * FEW);
    place.ok(&["gallery", "export", "--gallery", "g", "--output-dir", "table", "--format", "wildlife"]);
    // which is a dataset where it lies
    place.ok(&["gallery", "build", "--model-path", "m.safetensors", "--data-dir", "table", "--gallery", "again"]);
    let listed = |gallery| {
        let listed = place.json(&["gallery", "ls", "--gallery", gallery]);
        let one = |i: &Value| [&i["individual"], &i["photos"], &i["encounters"]].map(Value::clone);
        listed["list"].as_array().unwrap().iter().map(one).collect::<Vec<_>>()
    };
    assert_eq!(listed("again"), listed("g"));
    place.ok(&["gallery", "backup", "--gallery", "g", "--output-dir", "copy"]);
    let listed = place.json(&["gallery", "ls", "--gallery", "copy"]);
    assert_eq!(listed["list"], place.json(&["gallery", "ls", "--gallery", "g"])["list"]);

    // another model is refused with the way out, which goes
    let side = |side: u32| {
        let text = String::from_utf8_lossy(&bytes(place.root.join("m.safetensors"))[..4096]).into_owned();
        assert!(text.contains("\\\"image_size\\\":32"), "{text}");
        let changed = bytes(place.root.join("m.safetensors"));
        let at = changed.windows(16).position(|w| w == b"\\\"image_size\\\":3").unwrap();
        let mut changed = changed;
        changed[at + 15..at + 17].copy_from_slice(side.to_string().as_bytes());
        fs::write(place.root.join("other.safetensors"), changed).unwrap();
    };
    side(48);
    let other = ["--gallery", "g", "--model-path", "other.safetensors"];
    place.refused(&[&["search", "photos/t4/7.png"][..], &other].concat(), &["gallery rebuild", "at 48 pixels"]);
    fs::rename(place.root.join("photos/t9/5.png"), place.root.join("away.png")).unwrap();
    place.refused(&[&["gallery", "rebuild"][..], &other].concat(), &["t9/5.png", "--drop-missing"]);
    assert_eq!(place.json(&["gallery", "ls", "--gallery", "g"])["photos"], 9 * FEW);
    place.ok(&["gallery", "calibrate", "--gallery", "g", "--false-new", "0.6", "--wrong-name", "0.6"]);
    let calibrated = || {
        let files = fs::read_dir(place.root.join("g")).unwrap();
        files.filter(|e| e.as_ref().unwrap().file_name().to_string_lossy().starts_with("calibration")).count()
    };
    assert!(calibrated() >= 3);
    place.ok(&[&["gallery", "rebuild", "--drop-missing"][..], &other].concat());
    assert_eq!(calibrated(), 0, "it was of the embeddings before, and so were its pictures");
    let found = place.json(&["search", "photos/t4/7.png", "--gallery", "g"]);
    assert_eq!(found["queries"][0]["nearest"][0]["individual"], "t4");
    assert_eq!(place.json(&["gallery", "ls", "--gallery", "g"])["photos"], 9 * FEW - 1);
    let note = place.ok(&["gallery", "undo", "--gallery", "g"]);
    assert!(note.contains("noted on t2") && note.contains("before the rebuild, which stays"), "{note}");
    place.ok(&["gallery", "undo", "--gallery", "g"]); // the merge
    assert_eq!(place.json(&["gallery", "show", "t1", "--gallery", "g"])["photos"], FEW);
}

#[test]
fn a_correction_is_taken_back_after_a_rebuild_too() {
    let place = Place::new(FEW);
    place.ok(BUILD);
    fs::create_dir_all(place.root.join("week/a")).unwrap();
    place.draw("week/a/1.png", 11, 3); // nobody who is known
    let embedding = Gallery::open(&place.root.join("g")).unwrap().known().unwrap().embedding(0).to_vec();
    let root = place.root.join("week").to_str().unwrap().to_owned();
    let photo = NewPhoto {
        root: root.clone(),
        path: "a/1.png".into(),
        individual: String::new(),
        encounter: Encounter::Own("week/a".into()),
        date: None,
        side: None,
        crop: None,
        looked: false,
        sha256: [7; 32],
        trained: None,
    };
    let rule = |ruling: Ruling, corrects: Option<i64>| {
        let mut writer = Writer::open(&place.root.join("g")).unwrap();
        let (photos, proposed) = ([photo.clone()], Proposed::default());
        let matter = Matter {
            encounter: "a",
            proposed: &proposed,
            photos: &photos,
            embeddings: &embedding,
            unread: false,
            had: &[],
            taken_out: None,
        };
        writer.rule(&root, &[matter], (&ruling, By::Person, corrects)).unwrap();
        writer.decided(None).unwrap().pop().unwrap().change
    };
    let first = rule(Ruling::New("new-001".into()), None);
    rule(Ruling::Known("t4".into()), Some(first));
    let photos = |name: &str| place.json(&["gallery", "show", name, "--gallery", "g"])["photos"].clone();
    assert_eq!(photos("t4"), FEW + 1);
    place.ok(&["gallery", "rebuild", "--gallery", "g", "--model-path", "m.safetensors"]);
    assert_eq!(place.json(&["gallery", "ls", "--gallery", "g"])["photos"], 9 * FEW + 1);
    let said = place.ok(&["gallery", "undo", "--gallery", "g"]);
    assert!(said.contains("it was new-001"), "{said}");
    assert_eq!((photos("t4"), photos("new-001")), (FEW.into(), 1.into()));
    // with the embedding that the rebuild made
    let found = place.json(&["search", "week/a/1.png", "--gallery", "g"]);
    let nearest = &found["queries"][0]["nearest"][0];
    assert!(nearest["individual"] == "new-001" && nearest["distance"].as_f64().unwrap() < 1e-3, "{nearest}");
    place.ok(&["gallery", "undo", "--gallery", "g"]);
    assert_eq!(place.json(&["gallery", "ls", "--gallery", "g"])["individuals"], 9);
}

#[test]
fn a_bundle_needs_neither_workspace_nor_model_nor_photos() {
    let place = Place::new(FEW);
    place.ok(BUILD);
    fs::create_dir(place.root.join("week")).unwrap();
    fs::copy(place.root.join("photos/t4/7.png"), place.root.join("week/a.png")).unwrap();
    let before = place.lines(&["identify", "week", "--gallery", "g"]);
    let bundled = place.json(&["bundle", "--gallery", "g", "--output-dir", "field"]);
    assert_eq!((&bundled["calibrated"], &bundled["calibration_outgrown"]), (&false.into(), &Value::Null));
    place.refused(&["bundle", "--gallery", "g", "--output-dir", "field"], &["field", "choose another"]);
    for gone in ["g", "ws", "photos"] {
        fs::remove_dir_all(place.root.join(gone)).unwrap();
    }
    fs::rename(place.root.join("m.safetensors"), place.root.join("elsewhere.safetensors")).unwrap();
    assert_eq!(place.lines(&["identify", "week", "--gallery", "field"]), before);
    assert_eq!(before[0]["individual"], "t4");
    // a gallery alone says what is missing, and where to say it
    fs::remove_file(place.root.join("field/weights.safetensors")).unwrap();
    place.refused(&["search", "week/a.png", "--gallery", "field"], &["m.safetensors", "--model-path"]);
    let again = ["search", "week/a.png", "--gallery", "field", "--model-path", "elsewhere.safetensors"];
    assert_eq!(place.json(&again)["queries"][0]["individuals"][0]["individual"], "t4");
}

#[test]
fn photos_are_named_as_they_arrive_also_after_a_kill() {
    let place = Place::new(FEW);
    place.ok(BUILD);
    let (incoming, named) = (place.root.join("incoming"), place.root.join("named.jsonl"));
    fs::create_dir_all(incoming.join("a")).unwrap();
    let arrive = |from: &str, to: &str| {
        fs::write(incoming.join(to), another(&place.root.join("photos").join(from))).unwrap();
    };
    let watch = || {
        let args = ["watch", "incoming", "--gallery", "g", "--output", "named.jsonl", "--quiet", "0.2"];
        let said = fs::OpenOptions::new().create(true).append(true).open(place.root.join("said.txt")).unwrap();
        place.command(&args).stdout(Stdio::null()).stderr(said).spawn().unwrap()
    };
    let lines = || -> Vec<(String, String, usize)> {
        let text = fs::read_to_string(&named).unwrap_or_default();
        let whole = text.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
        let text = |value: &Value| value.as_str().unwrap().to_owned();
        whole.map(|d| (text(&d["encounter"]), text(&d["individual"]), d["photos"].as_array().unwrap().len())).collect()
    };
    let mut child = watch();
    fs::write(incoming.join("a/notes.jpg"), "no photo").unwrap();
    let said = || fs::read_to_string(place.root.join("said.txt")).unwrap();
    until("what is no photo is told", || said().contains("notes.jpg"));
    arrive("t5/1.png", "b.png");
    until("the first is named", || lines().len() == 1);
    arrive("t4/7.png", "a/1.png");
    until("the second is named", || lines().len() == 2);
    kill(&mut child);
    assert_eq!(said().matches("notes.jpg").count(), 1, "once: {}", said());
    arrive("t4/8.png", "a/2.png");
    arrive("t6/1.png", "c.png");
    fs::write(incoming.join("d.png"), &bytes(incoming.join("b.png"))[..50]).unwrap(); // never whole
    let mut child = watch();
    until("what came meanwhile is named", || lines().len() == 4);
    std::thread::sleep(Duration::from_millis(700)); // and nothing again
    kill(&mut child);
    let mut lines = lines();
    lines[2..].sort();
    let line = |encounter: &str, who: &str, photos| (format!("incoming/{encounter}"), who.to_owned(), photos);
    let expected = [line("b.png", "t5", 1), line("a", "t4", 1), line("a", "t4", 2), line("c.png", "t6", 1)];
    assert_eq!(lines, expected);
}

#[test]
fn a_session_tells_what_cannot_be_read_and_goes_on_with_the_rest() {
    let place = Place::new(FEW);
    place.ok(BUILD);
    let week = place.root.join("week");
    for folder in ["a", "b"] {
        fs::create_dir_all(week.join(folder)).unwrap();
    }
    fs::copy(place.root.join("photos/t4/7.png"), week.join("a/1.png")).unwrap();
    fs::write(week.join("a/2.png"), &bytes(week.join("a/1.png"))[..50]).unwrap();
    fs::write(week.join("b/1.jpg"), "no photo").unwrap();
    let see = ["identify", "week", "--gallery", "g", "--session"];
    let told = place.json(&see);
    assert_eq!((&told["encounters"], told["unreadable"].as_array().unwrap().len()), (&2.into(), 2), "{told}");
    let session = Session::read(&place.root.join("g"), &week.canonicalize().unwrap()).unwrap();
    let of = |at: usize| (session.entries[at].photos.len(), session.entries[at].unread.len());
    assert_eq!((of(0), of(1)), ((1, 1), (0, 1)), "{session:?}");
    assert!(session.entries[1].unread[0].0.ends_with("week/b/1.jpg"));
    // nothing is looked at again, and it is told all the same
    assert_eq!(place.json(&see)["unreadable"], told["unreadable"]);
    fs::copy(place.root.join("photos/t5/1.png"), week.join("b/1.jpg")).unwrap();
    assert_eq!(place.json(&see)["unreadable"].as_array().unwrap().len(), 1);
    // what is repaired after the decision is told, and so are folders without a photo
    let (gallery, folder) = (place.root.join("g"), week.canonicalize().unwrap());
    let session = Session::read(&gallery, &folder).unwrap();
    let encounters = [("a".to_owned(), Proposed::default())];
    let ruled = Ruled { encounters: &encounters, ruling: &Ruling::Known("t4".into()), corrects: None };
    assert!(Sitting::new(&gallery, &folder).rule(&[ruled], By::Person, session.shown()).unwrap().is_empty());
    fs::write(week.join("a/2.png"), another(&place.root.join("photos/t4/8.png"))).unwrap();
    fs::create_dir(week.join("empty")).unwrap();
    let told = place.json(&see);
    assert_eq!([&told["decided"], &told["with_new_photos"], &told["empty_folders"]], [1, 1, 1], "{told}");
    let session = Session::read(&gallery, &folder).unwrap();
    assert_eq!((&session.entries[0].later[..], session.empty), (&[1][..], 1));

    // photos of one animal in one folder
    let loose = place.run(&["identify", "photos/t4", "--gallery", "g", "--json"]);
    let said = String::from_utf8_lossy(&loose.stderr).into_owned();
    assert!(said.contains("--encounters-by given"), "{said}");
    assert_eq!(place.lines(&["identify", "photos/t4", "--gallery", "g", "--encounters-by", "given"]).len(), 1);
}

#[test]
fn two_writers_take_turns_and_readers_do_not_wait() {
    let place = Place::new(FEW);
    place.ok(BUILD);
    let writer = Writer::open(&place.root.join("g")).unwrap();
    place.refused(&["gallery", "rename", "t1", "x", "--gallery", "g"], &["another process is changing this gallery"]);
    assert_eq!(place.json(&["gallery", "ls", "--gallery", "g"])["photos"], 9 * FEW);
    drop(writer);
    place.ok(&["gallery", "rename", "t1", "x", "--gallery", "g"]);
}
