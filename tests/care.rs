//! What a person does with runs and datasets beside training: names, notes, pauses, clones, comparisons, exports, removal.

#![allow(clippy::unwrap_used)]

mod common;

use common::{SMALL, Stage, until};

fn status(stage: &Stage, run: &str) -> String {
    let runs = stage.json(&["run", "ls", "--json"]);
    let found = runs["runs"].as_array().unwrap().iter().find(|r| r["id"] == run).unwrap();
    found["status"].as_str().unwrap().to_owned()
}

#[test]
fn a_run_pauses_goes_on_is_named_cloned_compared_exported_and_removed() {
    let stage = Stage::new();
    let photos = stage.photos.to_str().unwrap();
    let mut args = vec!["run", "start", "siamese", "--json", "--data-dir", photos];
    args.extend(SMALL);
    args.extend(["--epochs", "2000"]);
    let started = stage.json(&args);
    let run = started["run"].as_str().unwrap().to_owned();
    assert_eq!(stage.json(&["run", "pause", &run, "--json"])["status"], "paused");
    assert!(!stage.run(&["run", "rm", &run, "--yes"]).status.success(), "one that goes on is not removed");
    assert!(stage.ok(&["run", "resume", &run]).contains("running"));
    stage.ok(&["run", "stop", &run]);
    until("it stopped", || status(&stage, &run) == "stopped");

    stage.ok(&["run", "rename", &run, "first beach"]);
    assert_eq!(stage.json(&["run", "note", &run, "too dark", "--json"])["note"], "too dark");
    assert!(stage.ok(&["run", "ls"]).contains("first beach"));

    let clone = stage.json(&[
        "run",
        "clone",
        &run,
        "--set",
        "train.epochs=1",
        "--set",
        "train.seed=7",
        "--foreground",
        "--json",
    ]);
    let clone = clone["run"].as_str().unwrap();
    let differing = stage.json(&["run", "diff", &run, clone, "--json"])["differing"].clone();
    let keys: Vec<_> = differing.as_object().unwrap().keys().collect();
    assert_eq!(keys, ["train.epochs", "train.seed"]);

    stage.ok(&["run", "export", clone, "--output-dir", "metrics"]);
    let steps = std::fs::read_to_string(stage.root.join("metrics/steps.csv")).unwrap();
    assert!(steps.starts_with("step,epoch,time,loss,") && steps.lines().count() > 1, "{steps}");
    let events = stage.json(&["run", "export", clone, "--format", "tensorboard", "--output-dir", "metrics", "--json"]);
    assert!(events["files"][0].as_str().unwrap().contains("tfevents"));

    let asked = stage.run(&["run", "rm", clone]);
    assert_eq!(asked.status.code(), Some(2), "nobody sits there to be asked");
    stage.ok(&["run", "rm", clone, &run, "--yes"]);
    assert!(stage.json(&["run", "ls", "--json"])["runs"].as_array().unwrap().is_empty());
}

#[test]
fn a_mistake_leaves_no_run_behind() {
    let stage = Stage::new();
    let photos = stage.photos.to_str().unwrap();
    for wrong in [["--split-column", "nosuch"], ["--backbone", "ResNet50"], ["--device", "cuda:7"]] {
        for verb in [&["train"][..], &["run", "start"]] {
            let args: Vec<&str> = verb.iter().copied().chain(["siamese", "--data-dir", photos]).chain(wrong).collect();
            assert!(!stage.run(&args).status.success(), "{args:?}");
        }
    }
    assert!(stage.json(&["run", "ls", "--json"])["runs"].as_array().unwrap().is_empty());
}

#[test]
fn datasets_are_drawn_named_counted_previewed_and_forgotten() {
    let stage = Stage::new();
    let photos = stage.photos.to_str().unwrap();
    stage.ok(&["dataset", "add", photos, "--name", "beach"]);
    let drawn = stage.json(&[
        "dataset",
        "synth",
        "--individuals",
        "3",
        "--encounters",
        "2",
        "--photos",
        "1",
        "--width",
        "64",
        "--json",
    ]);
    let names: Vec<_> = stage.json(&["dataset", "ls", "--json"])["datasets"]
        .as_array()
        .unwrap()
        .iter()
        .map(|d| d["name"].as_str().unwrap().to_owned())
        .collect();
    assert_eq!(names, ["beach", drawn["name"].as_str().unwrap()]);
    let seen = stage.json(&["dataset", "inspect", "beach", "--json"]);
    assert_eq!((&seen["individuals"], &seen["photos"], &seen["encounters"]), (&4.into(), &40.into(), &20.into()));
    assert!(stage.ok(&["dataset", "inspect", "beach"]).contains("split split_closed: train 24, valid 8, test 8"));
    stage.ok(&["dataset", "preview", "beach", "--image-size", "64", "--photos", "2", "--output", "page.png"]);
    let page = image::open(stage.root.join("page.png")).unwrap();
    assert_eq!((page.width(), page.height()), (4 * 70 + 6, 2 * 70 + 6));
    stage.ok(&["dataset", "rm", "beach"]);
    assert!(!stage.run(&["dataset", "inspect", "beach"]).status.success());
    assert!(stage.photos.is_dir(), "the photos stay");
    let refused = stage.run(&["dataset", "rm", drawn["name"].as_str().unwrap()]);
    assert!(!refused.status.success(), "a drawn one is removed by its owner");
}
