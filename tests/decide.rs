//! Decisions as a user gets them: a gallery calibrated, encounters decided, and a folder grouped into individuals.

#![allow(clippy::unwrap_used)] // a test may end in one

mod common;

use std::collections::BTreeSet;
use std::fs;

use caretta::data::synth::{SynthPlan, draw};
use caretta::gallery::decisions::{By, Proposed, Ruling};
use caretta::gallery::rulings::Ruled;
use caretta::gallery::session::Session;
use caretta::gallery::sitting::Sitting;
use common::Stage;

/// A stage with a trained network, and the photos of twenty turtles that it never saw in `strangers`.
fn stage() -> Stage {
    let stage = Stage::new();
    stage.ok(&stage.train_args("arcface", "models", &["--epochs", "1"]));
    let plan = SynthPlan { individuals: 20, encounters: 2, photos: 2, width: 48, height: 36, seed: 9 };
    draw(&plan, &stage.root.join("strangers"), &|_, _| true).unwrap();
    stage
}

fn refused(stage: &Stage, args: &[&str]) -> String {
    let output = stage.run(args);
    assert!(!output.status.success(), "{args:?}");
    String::from_utf8(output.stderr).unwrap()
}

fn strings(of: &serde_json::Value) -> Vec<String> {
    of.as_array().unwrap().iter().map(|one| one.as_str().unwrap().to_owned()).collect()
}

#[test]
fn a_calibrated_gallery_decides_and_says_what_may_be_relied_on() {
    let stage = stage();
    stage.ok(&["gallery", "build", "--model-path", "models", "--data-dir", "strangers", "--gallery", "g"]);
    let calibrate = ["gallery", "calibrate", "--gallery", "g"];
    let error = refused(&stage, &[&calibrate[..], &["--false-new", "0.05"]].concat());
    assert!(
        error.contains("20 held-out individuals cannot promise")
            && error.contains("--false-new 0.14 --wrong-name 0.14"),
        "{error}"
    );
    assert!(!stage.root.join("g/calibration.json").exists());
    let amp = ["gallery", "add", "--data-dir", "turtles", "--gallery", "g", "--precision", "amp"];
    assert!(refused(&stage, &amp).contains("a gallery takes those of high"));
    // what it says that they can promise can be asked for
    stage.ok(&[&calibrate[..], &["--false-new", "0.14", "--wrong-name", "0.14"]].concat());

    let said = stage.json(&[&calibrate[..], &["--false-new", "0.3", "--wrong-name", "0.3"]].concat());
    assert_eq!(said["population"]["individuals"], 20);
    assert_eq!(
        (&said["population"]["known_encounters"], &said["population"]["trained_individuals"]),
        (&40.into(), &0.into())
    );
    assert_eq!((said["asked"]["false_new"].as_f64(), said["share_new"].as_f64()), (Some(0.3), Some(0.5)));
    let interval = &said["reached"]["false_new"]["interval"];
    assert!(interval[0].as_f64().unwrap() <= said["reached"]["false_new"]["share"].as_f64().unwrap());
    for file in strings(&said["files"]) {
        assert!(stage.root.join("g").join(&file).is_file(), "{file}");
    }
    assert_eq!(strings(&said["files"]).len(), 5);

    // what is in a photo's file twice is as near as can be; the network's own turtles are not in the gallery
    let photo = |folder: &str| {
        let mut reader = csv::Reader::from_path(stage.root.join(folder).join("metadata_splits.csv")).unwrap();
        let row: std::collections::BTreeMap<String, String> = reader.deserialize().next().unwrap().unwrap();
        (format!("{folder}/{}", row["file_name"]), row["identity"].clone())
    };
    let ((own, name), (other, _)) = (photo("strangers"), photo("turtles"));
    let mut again = fs::read(stage.root.join(&own)).unwrap();
    again.extend(b"behind its end"); // the same file would be told as held
    let own = format!("again.{}", own.rsplit_once('.').unwrap().1);
    fs::write(stage.root.join(&own), again).unwrap();
    let lines = stage.ok(&["identify", &own, &other, "--gallery", "g", "--json"]);
    let decisions: Vec<serde_json::Value> = lines.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!((&decisions[0]["photos"][0], decisions.len()), (&own.clone().into(), 2));
    assert_ne!(decisions[0]["decision"], "new_individual");
    assert_eq!(decisions[0]["individual"], name.as_str());
    for decision in &decisions {
        assert!(["known", "look", "new_individual"].contains(&decision["decision"].as_str().unwrap()), "{decision}");
        assert_eq!(decision["individual"].is_null(), decision["decision"] == "new_individual");
        assert!(decision["probability"].as_f64().is_some_and(|p| p > 0.0 && p < 1.0), "{decision}");
    }
}

#[test]
fn a_folder_is_grouped_into_known_and_new_individuals() {
    let stage = stage();
    let by_names = stage.json(&["discover", "strangers", "--model-path", "models"]);
    assert_eq!((&by_names["chosen"]["by"], &by_names["chosen"]["individuals"]), (&"folder".into(), &10.into()));
    assert_eq!(by_names["chosen"]["reached"]["individuals"], 10);
    assert!(by_names["agreement"].is_null(), "these names chose");
    let groups = by_names["groups"].as_array().unwrap();
    let photos: Vec<String> = groups.iter().flat_map(|group| strings(&group["photos"])).collect();
    assert_eq!((photos.len(), photos.iter().collect::<BTreeSet<_>>().len()), (80, 80), "each once");
    assert!(groups.iter().all(|group| group["individual"].is_null()));
    let names: Vec<&str> = groups.iter().map(|group| group["group"].as_str().unwrap()).collect();
    let expected: Vec<String> = (1..=groups.len()).map(|n| format!("new {n}")).collect();
    assert_eq!(names, expected, "as `identify` calls them");

    stage.ok(&["gallery", "build", "--model-path", "models", "--data-dir", "strangers", "--gallery", "g"]);
    let anchored = stage.json(&["discover", "strangers", "--gallery", "g", "--distance", "0"]);
    // at distance 0 each encounter is with its own individual, or with nobody
    assert_eq!((&anchored["distance"], &anchored["chosen"]), (&0.0.into(), &serde_json::Value::Null));
    assert!(
        anchored["agreement"]["pair_precision"].as_f64().is_none_or(|share| share == 1.0),
        "{}",
        anchored["agreement"]
    );
    let by_gallery = stage.json(&["discover", "strangers", "--gallery", "g"]);
    assert_eq!(by_gallery["chosen"]["by"], "gallery");
    let known = by_gallery["groups"].as_array().unwrap().iter().filter(|group| !group["individual"].is_null());
    let known: Vec<_> = known.collect();
    assert!(known.iter().all(|group| group["group"].is_null()));
    assert!(!known.is_empty());
    assert!(by_gallery["agreement"].is_null(), "all of it is the gallery's own: {}", by_gallery["agreement"]);
    // others than those that chose are judged by themselves, and with new photos of these beside
    for individual in fs::read_dir(stage.root.join("turtles/images")).unwrap() {
        let individual = individual.unwrap();
        let folder = stage.root.join("others").join(format!("o{}", individual.file_name().to_string_lossy()));
        fs::create_dir_all(&folder).unwrap();
        for photo in fs::read_dir(individual.path()).unwrap() {
            let photo = photo.unwrap();
            fs::copy(photo.path(), folder.join(photo.file_name())).unwrap();
        }
    }
    let others = stage.json(&["discover", "others", "--named", "--gallery", "g"]);
    assert_eq!(others["agreement"]["individuals"], 4, "{}", others["agreement"]);
    assert!(others["agreement_with_known"].is_null(), "nobody of these is in the gallery");
    fs::rename(stage.root.join("others/ot001"), stage.root.join("others/t001")).unwrap();
    let with_known = stage.json(&["discover", "others", "--named", "--gallery", "g"]);
    let individuals = |of: &str| with_known[of]["individuals"].as_u64();
    assert_eq!((individuals("agreement"), individuals("agreement_with_known")), (Some(3), Some(4)));

    let error = refused(&stage, &["discover", "strangers/images", "--model-path", "models"]);
    assert!(error.contains("--distance"), "{error}");
    let nameless = stage.json(&["discover", "strangers/images", "--model-path", "models", "--distance", "2"]);
    assert_eq!(nameless["groups"].as_array().unwrap().len(), 1, "all is one at the farthest distance");
    assert!(nameless["agreement"].is_null());
    // an evaluation of the run has individuals to choose on
    stage.ok(&["evaluate", "--model-path", "models"]);
    let evaluated = stage.json(&["discover", "strangers/images", "--model-path", "models"]);
    assert_eq!((&evaluated["chosen"]["by"], &evaluated["chosen"]["individuals"]), (&"evaluation".into(), &2.into()));
}

#[test]
fn new_animals_are_grouped_whatever_pass_they_came_in() {
    let stage = stage();
    stage.ok(&["gallery", "build", "--model-path", "models", "--data-dir", "strangers", "--gallery", "g"]);
    // nearly all is called new at this rate
    let said = stage.json(&["gallery", "calibrate", "--gallery", "g", "--false-new", "0.9", "--wrong-name", "0.3"]);
    let groups = &said["groups"];
    assert_eq!((&groups["chosen_on"], &groups["reached"]["individuals"]), (&10.into(), &10.into()));
    assert!(groups["distance"].as_f64().is_some_and(|distance| distance > 0.0 && distance < 2.0), "{groups}");

    // each animal on several days, as the same photos
    let photos = csv::Reader::from_path(stage.root.join("turtles/metadata_splits.csv")).unwrap().into_deserialize();
    let mut of: std::collections::BTreeMap<String, Vec<String>> = Default::default();
    for row in photos {
        let row: std::collections::BTreeMap<String, String> = row.unwrap();
        of.entry(row["identity"].clone()).or_default().push(row["file_name"].clone());
    }
    let put = |folder: &str, who: usize| {
        fs::create_dir_all(stage.root.join("week").join(folder)).unwrap();
        for (n, photo) in of.values().nth(who).unwrap().iter().take(2).enumerate() {
            let ending = photo.rsplit_once('.').unwrap().1;
            let to = stage.root.join(format!("week/{folder}/{n}.{ending}"));
            fs::copy(stage.root.join("turtles").join(photo), to).unwrap();
        }
    };
    for (folder, who) in [("a mon", 0), ("b mon", 1), ("c tue", 0), ("d wed", 0), ("e wed", 1)] {
        put(folder, who);
    }
    let identify = ["identify", "week", "--gallery", "g", "--output", "week.jsonl"];
    let read = |text: &str| -> Vec<(String, String, serde_json::Value)> {
        let line = |line: &str| serde_json::from_str::<serde_json::Value>(line).unwrap();
        let text_of = |value: &serde_json::Value| value.as_str().unwrap().to_owned();
        text.lines()
            .map(line)
            .map(|d| (text_of(&d["encounter"]), text_of(&d["decision"]), d["group"].clone()))
            .collect()
    };
    let told = read(&stage.ok(&[&identify[..], &["--json"]].concat()));
    // `discover` calls each what `identify` does
    let found = stage.json(&["discover", "week", "--gallery", "g"]);
    let (mut discovered, mut grouped) = (std::collections::BTreeMap::new(), Vec::new());
    for group in found["groups"].as_array().unwrap() {
        for (encounter, decision) in strings(&group["encounters"]).into_iter().zip(strings(&group["decisions"])) {
            let may = match decision.as_str() {
                "known" => group["group"].is_null(),
                "new_individual" => group["individual"].is_null(),
                _ => true,
            };
            assert!(may, "{group}");
            grouped.push((
                encounter.clone(),
                if decision == "new_individual" { group["group"].clone() } else { Default::default() },
            ));
            discovered.insert(encounter, decision);
        }
    }
    let decided = told.iter().map(|(encounter, decision, _)| (encounter.clone(), decision.clone())).collect();
    assert_eq!(discovered, decided);
    let mut named: Vec<_> = told.iter().map(|(encounter, _, group)| (encounter.clone(), group.clone())).collect();
    let by_encounter = |all: &mut Vec<(String, serde_json::Value)>| all.sort_by(|a, b| a.0.cmp(&b.0));
    by_encounter(&mut named);
    by_encounter(&mut grouped);
    assert_eq!(grouped, named, "and each new individual by the name that it has there");
    assert_eq!(found["distance"], groups["distance"], "as the calibration says");
    let lines = || read(&fs::read_to_string(stage.root.join("week.jsonl")).unwrap());
    // the last word on each
    let kept = || {
        let (mut all, mut names) = (lines(), std::collections::BTreeSet::new());
        all.reverse();
        all.retain(|(name, ..)| names.insert(name.clone()));
        all.reverse();
        all
    };
    assert!(told.iter().all(|(_, decision, _)| decision == "new_individual"), "else this shows nothing: {told:?}");
    assert_eq!((told.len(), &kept()), (5, &told), "each with its group");
    assert_eq!(lines().len(), 10, "kept as they were decided, and then with the groups");
    let group = |told: &[(String, String, serde_json::Value)], encounter: &str| {
        let found = told.iter().find(|(name, ..)| name == &format!("week/{encounter}")).unwrap();
        found.2.as_str().unwrap().to_owned()
    };
    assert_eq!((group(&told, "a mon"), group(&told, "c tue")), ("new 1".into(), group(&told, "d wed")));
    assert_eq!((group(&told, "a mon"), group(&told, "b mon")), (group(&told, "c tue"), group(&told, "e wed")));
    assert!(stage.ok(&identify).is_empty(), "all is there");

    // a pass that was killed has no groups; one more comes meanwhile, and one has a photo more
    let whole = fs::read_to_string(stage.root.join("week.jsonl")).unwrap();
    let killed: Vec<String> = whole.lines().take(3).map(|line| line.replace("\"new 1\"", "null")).collect();
    fs::write(stage.root.join("week.jsonl"), killed.join("\n") + "\n").unwrap();
    put("f thu", 0);
    let first = fs::read_dir(stage.root.join("week/b mon")).unwrap().next().unwrap().unwrap().path();
    fs::copy(&first, first.with_file_name(format!("more.{}", first.extension().unwrap().display()))).unwrap();
    stage.ok(&identify);
    let after = kept();
    let names: Vec<&str> = after.iter().map(|(name, ..)| name.trim_start_matches("week/")).collect();
    assert_eq!(names, ["a mon", "c tue", "b mon", "d wed", "e wed", "f thu"]);
    assert_eq!(lines().len(), 3 + 4 + 6, "what was decided is not again");
    assert_eq!(group(&after, "f thu"), group(&after, "a mon"));
    assert!(after.iter().all(|(.., group)| group.is_string()));
    what_was_decided_on_the_screen_stands(&stage);
    // what outgrew its calibration is told by whoever relies on it, and so is a folder without a photo
    let said = |args: &[&str]| String::from_utf8(stage.run(args).stderr).unwrap();
    fs::create_dir(stage.root.join("week/empty")).unwrap();
    let discover = ["discover", "week", "--gallery", "g"];
    let told = said(&discover);
    assert!(told.contains("1 folder without a photo: week/empty") && !told.contains("has grown"), "{told}");
    let bundled = stage.json(&["bundle", "--gallery", "g", "--output-dir", "field"]);
    assert_eq!((&bundled["calibrated"], &bundled["calibration_outgrown"]), (&true.into(), &false.into()));
    let path = stage.root.join("g/calibration.json");
    let mut calibration: serde_json::Value = serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
    calibration["population"]["gallery_individuals"] = 10.into();
    fs::write(&path, calibration.to_string()).unwrap();
    let bundle = ["bundle", "--gallery", "g", "--output-dir", "again", "--json"];
    for args in [&["identify", "week", "--gallery", "g"][..], &discover, &bundle] {
        let told = said(args).split_whitespace().collect::<Vec<_>>().join(" ");
        assert!(told.contains("has grown since it was calibrated"), "{args:?}: {told}");
    }
    assert_eq!(stage.json(&["bundle", "--gallery", "g", "--output-dir", "more"])["calibration_outgrown"], true);
    // without a calibration there is neither decision nor group
    fs::remove_file(stage.root.join("g/calibration.json")).unwrap();
    let line: serde_json::Value =
        serde_json::from_str(stage.ok(&["identify", first.to_str().unwrap(), "--gallery", "g", "--json"]).trim())
            .unwrap();
    assert!(line["decision"].is_null() && line["group"].is_null() && line["individual"].is_string());
}

/// In a folder that is gone through, encounters are what the tab Identify says of them, and new ones have its numbers: one that was
/// named and has a photo more, one that was skipped, and open ones, in `identify` as in `discover`.
fn what_was_decided_on_the_screen_stands(stage: &Stage) {
    let plan = SynthPlan { individuals: 5, encounters: 1, photos: 2, width: 48, height: 36, seed: 77 };
    draw(&plan, &stage.root.join("others"), &|_, _| true).unwrap();
    let table = csv::Reader::from_path(stage.root.join("others/metadata_splits.csv")).unwrap().into_deserialize();
    let mut photos: std::collections::BTreeMap<String, Vec<String>> = Default::default();
    for row in table {
        let row: std::collections::BTreeMap<String, String> = row.unwrap();
        photos.entry(row["identity"].clone()).or_default().push(row["file_name"].clone());
    }
    let photos: Vec<Vec<String>> = photos.into_values().collect();
    let put = |encounter: &str, who: usize, n: usize| {
        let photo = &photos[who][n];
        let to = stage.root.join(format!("month/{encounter}/{n}.{}", photo.rsplit_once('.').unwrap().1));
        fs::create_dir_all(to.parent().unwrap()).unwrap();
        fs::copy(stage.root.join("others").join(photo), to).unwrap();
    };
    for (encounter, who) in [("a", 0), ("c", 1), ("d", 2), ("e", 3)] {
        put(encounter, who, 0);
    }
    let see = ["identify", "month", "--gallery", "g", "--session"];
    stage.ok(&see);
    let (gallery, folder) = (stage.root.join("g"), stage.root.join("month").canonicalize().unwrap());
    let rule = |encounter: &str, ruling: Ruling| {
        let session = Session::read(&gallery, &folder).unwrap();
        let entry = session.entries.iter().find(|entry| entry.proposal.encounter == encounter).unwrap();
        let proposed = Proposed { decision: entry.proposal.decision, ..Proposed::default() };
        let encounters = [(encounter.to_owned(), proposed)];
        let ruled = Ruled { encounters: &encounters, ruling: &ruling, corrects: None };
        let refused = Sitting::new(&gallery, &folder).rule(&[ruled], By::Person, session.shown()).unwrap();
        assert!(refused.is_empty(), "{refused:?}");
    };
    rule("a", Ruling::New("Alpha".into()));
    rule("c", Ruling::Skipped);
    put("a", 0, 1);
    put("b", 4, 0); // and one comes that a walk finds before the others
    stage.ok(&see);
    let session = Session::read(&gallery, &folder).unwrap();
    let on_screen = |name: &str| {
        let name = name.trim_start_matches("month/");
        session.entries.iter().find(|entry| entry.proposal.encounter == name).unwrap()
    };
    let told = stage.ok(&["identify", "month", "--gallery", "g", "--json"]);
    let mut grouped = std::collections::BTreeMap::new();
    let mut open = 0;
    for line in told.lines().map(|line| serde_json::from_str::<serde_json::Value>(line).unwrap()) {
        let name = line["encounter"].as_str().unwrap().to_owned();
        let entry = on_screen(&name);
        match name.as_str() {
            "month/a" => {
                assert_eq!((&line["decision"], &line["individual"]), (&"known".into(), &"Alpha".into()), "{line}");
                assert_eq!((&line["probability"], &line["group"]), (&().into(), &().into()));
                assert_eq!(line["decided"]["by"], "person");
                assert_eq!((strings(&line["decided"]["new_photos"]).len(), &entry.later), (1, &vec![1]), "{line}");
            }
            _ => {
                let decision = serde_json::to_value(entry.proposal.decision).unwrap();
                assert_eq!((&line["decision"], &line["group"]), (&decision, &entry.proposal.group.clone().into()));
                assert_eq!(line["decided"]["decision"] == "skipped", name == "month/c");
                open += usize::from(line["group"].is_string());
            }
        }
        if line["group"].is_string() {
            grouped.insert(name, line["group"].clone());
        }
    }
    assert!(open > 2, "else this shows nothing: {told}");
    let output = stage.run(&["identify", "month", "--gallery", "g"]);
    let (table, said) = (String::from_utf8(output.stdout).unwrap(), String::from_utf8(output.stderr).unwrap());
    let row = |name: &str| table.lines().find(|line| line.starts_with(name)).unwrap().to_owned();
    assert!(row("month/a").contains(" Alpha ") && row("month/a").ends_with("; 1 new photo to add"), "{table}");
    assert!(row("month/c").contains(" skipped ") && !row("month/c").contains("new "), "{table}");
    assert!(said.contains("5 encounters, 1 decided already, 1 of them with new photos to add, 1 skipped"), "{said}");
    let found = stage.json(&["discover", "month", "--gallery", "g"]);
    for group in found["groups"].as_array().unwrap() {
        for (encounter, decision) in strings(&group["encounters"]).into_iter().zip(strings(&group["decisions"])) {
            if encounter == "month/a" {
                assert_eq!((&group["individual"], decision.as_str()), (&"Alpha".into(), "known"));
                assert_eq!(strings(&group["new_photos"]).len(), 1);
            } else if decision == "new_individual" {
                assert_eq!(grouped.remove(&encounter), Some(group["group"].clone()), "{encounter}");
            }
        }
    }
    assert!(grouped.is_empty(), "{grouped:?}");

    // one that is renamed is there once, also when it is called as before again
    let names = || {
        let session = Session::read(&gallery, &folder).unwrap();
        let names: std::collections::BTreeSet<String> =
            session.entries.iter().map(|entry| entry.proposal.encounter.clone()).collect();
        assert_eq!(names.len(), session.entries.len());
        names.into_iter().collect::<Vec<_>>()
    };
    let rename = |from: &str, to: &str| {
        fs::rename(folder.join(from), folder.join(to)).unwrap();
        stage.ok(&see);
        names()
    };
    assert_eq!(rename("b", "z"), ["a", "c", "d", "e", "z"]);
    assert_eq!(rename("z", "b"), ["a", "b", "c", "d", "e"]);

    // a photo of Alpha comes to another that is decided: one photo is not two animals
    rule("d", Ruling::New("Beta".into()));
    let of_alpha = fs::read_dir(folder.join("a")).unwrap().map(|file| file.unwrap().path()).min().unwrap();
    fs::copy(&of_alpha, folder.join("d/of-alpha").with_extension(of_alpha.extension().unwrap())).unwrap();
    stage.ok(&see);
    let entry = Session::read(&gallery, &folder).unwrap();
    let entry = entry.entries.iter().find(|entry| entry.proposal.encounter == "d").unwrap();
    assert_eq!(entry.also_of(), [("Alpha", 1)]);
    let line = stage.json(&["identify", "month/d", "--gallery", "g", "--encounters-by", "given"]);
    assert_eq!(line["decided"]["photos_of_others"][0]["individual"], "Alpha", "{line}");
    let told = stage.ok(&["identify", "month/d", "--gallery", "g", "--encounters-by", "given"]);
    assert!(told.contains("; 1 photo is Alpha's in the gallery"), "{told}");
}
