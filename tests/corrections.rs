//! Corrections of a dataset: every verb that reads photos sees them, a run remembers its own, and a table keeps them.

#![allow(clippy::unwrap_used)]

mod common;

use std::collections::BTreeMap;
use std::path::Path;

use common::{Stage, bytes};

/// The photos of the turtles' own table: path, individual, part of `split_closed`.
fn table(stage: &Stage) -> Vec<BTreeMap<String, String>> {
    let mut reader = csv::Reader::from_path(stage.photos.join("metadata_splits.csv")).unwrap();
    reader.deserialize().map(|row| row.unwrap()).collect()
}

/// The photos of an evaluation by path: their individual, and the row of their embedding.
fn rows(results: &Path) -> BTreeMap<String, (String, Vec<u8>)> {
    let mut reader = csv::Reader::from_path(results.join("photos.csv")).unwrap();
    let raw = bytes(results.join("embeddings.npy"));
    let photos: Vec<BTreeMap<String, String>> = reader.deserialize().map(|row| row.unwrap()).collect();
    let length = 16 * 4;
    let vectors = raw[raw.len() - photos.len() * length..].chunks(length);
    let row = |(photo, vector): (&BTreeMap<String, String>, &[u8])| {
        (photo["photo"].clone(), (photo["individual"].clone(), vector.to_vec()))
    };
    photos.iter().zip(vectors).map(row).collect()
}

fn error(stage: &Stage, args: &[&str]) -> String {
    let output = stage.run(args);
    assert!(!output.status.success(), "{args:?}");
    String::from_utf8(output.stderr).unwrap()
}

#[test]
fn training_and_evaluation_see_the_corrected_individual_and_the_crop() {
    let stage = Stage::new();
    let photos = stage.photos.to_str().unwrap();
    let before = bytes(stage.photos.join("metadata_splits.csv"));
    let rows_of = |part: &str| -> Vec<_> { table(&stage).into_iter().filter(|r| r["split_closed"] == part).collect() };
    let (trained, asked) = (rows_of("train")[0].clone(), rows_of("test"));
    let (moved, cropped, kept) = (&asked[0]["file_name"], &asked[2]["file_name"], &asked[4]["file_name"]);

    // what is corrected before a training is the run's own
    let other = rows_of("train").iter().map(|r| r["identity"].clone()).find(|id| *id != trained["identity"]).unwrap();
    let photo = &trained["file_name"];
    stage.ok(&["dataset", "correct", photos, photo, "--individual", &other, "--date", "2019-08-02"]);
    stage.ok(&stage.train_args("arcface", "models", &["--epochs", "1"]));
    let copy = String::from_utf8(bytes(stage.root.join("models/corrections.csv"))).unwrap();
    assert!(copy.contains(&format!("{photo},{other},2019-08-02,")), "{copy}");
    let log = String::from_utf8(bytes(stage.root.join("models/log.txt"))).unwrap();
    assert!(log.contains("1 photo as corrected"), "{log}");
    let evaluate = |out: &str| {
        let report = stage.json(&["evaluate", "--model-path", "models", "--output-dir", out]);
        (report, rows(&stage.root.join(out)))
    };
    let (report, old) = evaluate("old");
    assert_eq!((&report["corrected"], &report["corrected_since"]), (&1.into(), &0.into()));
    assert_eq!(old[photo].0, other, "the gallery has it as the individual that it was corrected to");

    // what is corrected after it changes what is asked, and is said
    stage.ok(&["dataset", "correct", photos, moved, "--individual", "t_new"]);
    stage.ok(&["dataset", "correct", photos, cropped, "--crop", "0.25,0.25,0.5,0.5"]);
    let (report, new) = evaluate("new");
    assert_eq!((&report["corrected"], &report["corrected_since"]), (&3.into(), &2.into()));
    let page = String::from_utf8(bytes(stage.root.join("new/report.md"))).unwrap();
    assert!(page.contains("2 photos are corrected otherwise than when this model was trained"), "{page}");
    assert_eq!((old[moved].0 == "t_new", new[moved].0.as_str()), (false, "t_new"));
    assert_eq!(report["queries_without_match"], 1, "t_new is in no gallery");
    assert!(old[cropped].1 != new[cropped].1, "the crop is what the network saw");
    let same = old.iter().filter(|(photo, (_, vector))| new[*photo].1 == *vector).count();
    assert_eq!((same, old[kept] == new[kept]), (old.len() - 1, true), "and of no other photo");

    // any folder is read so, with a name and without
    stage.ok(&["dataset", "add", photos, "--name", "beach"]);
    let seen = stage.json(&["dataset", "inspect", "beach"]);
    assert_eq!((&seen["corrected"], &seen["individuals"]), (&3.into(), &5.into()));
    assert!(stage.ok(&["dataset", "inspect", photos]).contains("3 photos corrected"));
    stage.ok(&["embed", "--model-path", "models", "--data-dir", photos, "--output-dir", "vectors"]);
    let embedded = rows(&stage.root.join("vectors"));
    assert_eq!((&embedded[cropped], &embedded[moved].0), (&new[cropped], &"t_new".to_owned()));

    // the split is the table's, so that the photos trained on are told from those asked about all the same
    stage.ok(&["dataset", "correct", "beach", cropped, "--clear"]);
    stage.ok(&["dataset", "correct", "beach", moved, "--clear"]);
    let (report, again) = evaluate("again");
    assert!(again == old && report["corrected_since"] == 0, "taken back, all is as it was");
    assert_eq!(bytes(stage.photos.join("metadata_splits.csv")), before, "the user's table is the user's");
    assert_eq!(std::fs::read_dir(&stage.photos).unwrap().count(), 2);
}

#[test]
fn corrections_are_listed_and_exported_and_read_back() {
    let stage = Stage::new();
    let photos = stage.photos.to_str().unwrap();
    let names: Vec<_> = table(&stage).iter().map(|row| row["file_name"].clone()).collect();
    assert!(stage.ok(&["dataset", "corrections", photos]).starts_with("Nothing is corrected"));
    let inside = stage.photos.join(&names[0]);
    let done = stage.json(&["dataset", "correct", photos, inside.to_str().unwrap(), "--crop", "0.5,0,0.5,1"]);
    assert_eq!((&done["photo"], &done["crop"]), (&names[0].as_str().into(), &serde_json::json!([0.5, 0.0, 0.5, 1.0])));
    stage.ok(&["dataset", "correct", photos, &names[0], "--date", "2001-02-03"]);
    stage.ok(&["dataset", "correct", photos, &names[1], "--individual", "unknown"]);
    let listed = stage.json(&["dataset", "corrections", photos]);
    let of = |photo: &str| listed["corrections"].as_array().unwrap().iter().find(|c| c["photo"] == photo).unwrap();
    assert_eq!((&of(&names[0])["date"], &of(&names[1])["individual"]), (&"2001-02-03".into(), &"unknown".into()));
    assert!(Path::new(listed["table"].as_str().unwrap()).starts_with(stage.workspace()));
    assert!(stage.ok(&["dataset", "corrections", photos]).contains("0.5,0,0.5,1"));

    let out = stage.photos.join("corrected.csv");
    let answer = stage.json(&["dataset", "export", photos, "--output", out.to_str().unwrap()]);
    assert_eq!((&answer["photos"], &answer["corrected"]), (&39.into(), &2.into()));
    let written = String::from_utf8(bytes(&out)).unwrap();
    assert!(written.contains("2001-02-03,,left,") || written.contains("2001-02-03,,right,"), "{written}");
    // read where nothing is corrected
    let elsewhere = |dataset: &Path| {
        let args = ["dataset", "inspect", dataset.to_str().unwrap(), "--workspace", "another", "--json"];
        serde_json::from_str::<serde_json::Value>(&stage.ok(&args)).unwrap()
    };
    let (mut here, mut there) = (stage.json(&["dataset", "inspect", photos]), elsewhere(&out));
    assert_eq!((&here["corrected"], &there["corrected"]), (&2.into(), &0.into()));
    for numbers in [&mut here, &mut there] {
        ["corrected", "problem_kinds"].iter().for_each(|key| numbers[key] = serde_json::Value::Null);
    }
    assert_eq!(here, there);
    let refused = error(&stage, &["dataset", "export", photos, "--output", out.to_str().unwrap()]);
    assert!(refused.contains("there is something already"), "{refused}");
}

#[test]
fn what_cannot_be_right_is_refused_with_its_place() {
    let stage = Stage::new();
    let photos = stage.photos.to_str().unwrap();
    let photo = table(&stage)[0]["file_name"].clone();
    for (args, word) in [
        (vec!["nosuch.jpg", "--individual", "t1"], "no such photo in"),
        (vec!["../../etc/passwd", "--individual", "t1"], "is no photo of"),
        (vec![photo.as_str(), "--individual", " "], "give a name"),
        (vec![photo.as_str(), "--date", "yesterday"], "is no day"),
        (vec![photo.as_str(), "--date", "9999-01-01"], "has not come yet"),
        (vec![photo.as_str(), "--crop", "0.5,0.5,0.6,0.1"], "not inside the photo"),
        (vec![photo.as_str(), "--clear", "--date", "2019-08-02"], "cannot be used with"),
        (vec![photo.as_str()], "required"),
    ] {
        let told = error(&stage, &[&["dataset", "correct", photos], &args[..]].concat());
        assert!(told.contains(word), "{args:?}: {told}");
    }
    let listed = stage.json(&["dataset", "corrections", photos]);
    let file = Path::new(listed["table"].as_str().unwrap());
    assert!(listed["corrections"].as_array().unwrap().is_empty() && !file.exists());

    let text = format!("photo,individual\n{photo},t9\n/etc/passwd,t1\n");
    std::fs::create_dir_all(file.parent().unwrap()).unwrap();
    std::fs::write(file, &text).unwrap();
    for args in [
        vec!["dataset", "inspect", photos],
        vec!["dataset", "correct", photos, &photo, "--clear"],
        vec!["dataset", "preview", photos],
        vec!["train", "arcface", "--data-dir", photos],
    ] {
        let told = error(&stage, &args);
        let name = file.file_name().unwrap().to_str().unwrap();
        assert!(told.contains(&format!("{name}, line 3: /etc/passwd: the path leaves")), "{args:?}: {told}");
    }
    assert_eq!(bytes(file), text.as_bytes(), "a table that cannot be read is not replaced");
    assert!(stage.json(&["run", "ls"])["runs"].as_array().unwrap().is_empty());
}
