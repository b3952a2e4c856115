//! An evaluation's folder: held while it runs, and never with half a report, whatever ends it.

#![allow(clippy::unwrap_used)] // a test may end in one

mod common;

use std::collections::BTreeMap;
use std::path::Path;
use std::process::{Command, Output};

use caretta::eval::session::{self, LOCK_FILE};
use caretta::run::{Status, lock::Lock};
use common::{Stage, bytes, kill, until};

/// A stage with a run in `models`, of one epoch.
fn trained() -> Stage {
    let stage = Stage::new();
    stage.ok(&stage.train_args("arcface", "models", &["--epochs", "1"]));
    stage
}

/// The files of a report by name: all but what is there for the time while it is made.
fn report(folder: &Path) -> BTreeMap<String, Vec<u8>> {
    let entries = std::fs::read_dir(folder).unwrap().map(|e| e.unwrap().file_name().into_string().unwrap());
    let of_report =
        |name: &String| !["state.json", "lock", "log.txt"].contains(&name.as_str()) && !name.starts_with('.');
    entries.filter(of_report).map(|name| (name.clone(), bytes(folder.join(name)))).collect()
}

fn refused(output: &Output, words: &[&str]) {
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{stderr}");
    for word in words {
        assert!(stderr.contains(word), "does not say {word}: {stderr}");
    }
}

#[test]
fn killed_at_any_moment_it_leaves_the_old_report_or_the_new_and_the_next_one_works() {
    let stage = trained();
    let results = stage.root.join("results");
    let args = ["evaluate", "--model-path", "models", "--output-dir", "results"];
    let valid = [&args[..], &["--query-split", "valid"]].concat();
    stage.ok(&args);
    let old = report(&results);
    assert_eq!(old.len(), 20);
    stage.ok(&["evaluate", "--model-path", "models", "--query-split", "valid"]); // into the run's folder
    let new = report(&stage.root.join("models/eval/valid"));
    assert_ne!(old["report.json"], new["report.json"]);

    let status = || session::standing(&results).unwrap().unwrap().0;
    let writing = || std::fs::read_dir(results.join(".writing")).map_or(0, Iterator::count);
    let moved = || bytes(results.join("pairs.png")) != old["pairs.png"]; // it is written first
    let moments: [(&str, &dyn Fn() -> bool); 4] = [
        ("it has begun", &|| status() != Status::Finished && status() != Status::Crashed),
        ("it embeds", &|| status() == Status::Running),
        ("its first file is written", &|| writing() >= 1 || moved()),
        ("half of its files are written", &|| writing() >= 10 || moved()),
    ];
    let mut inside = 0;
    for (what, moment) in moments {
        let mut child = stage.command(&valid).spawn().unwrap();
        until(what, || moment() || child.try_wait().unwrap().is_some());
        kill(&mut child);
        let left = report(&results);
        if left == old {
            assert_eq!(status(), Status::Crashed, "after {what}");
            inside += 1;
            continue;
        }
        // among the moves, or too late
        assert!(left == new || !left.contains_key("report.json"), "{what}: a mixture that looks complete");
        stage.ok(&args);
    }
    assert!(inside > 0, "never killed in time");
    stage.ok(&valid);
    assert_eq!(status(), Status::Finished);
    assert!(report(&results) == new, "what the killed ones left is in the report");
    let log = String::from_utf8(bytes(results.join("log.txt"))).unwrap();
    assert!(log.contains("died after") && log.contains("finished"), "{log}");
}

#[test]
fn a_folder_that_is_held_or_no_place_for_a_report_is_refused() {
    let stage = trained();
    let evaluate = |out: &str| stage.run(&["evaluate", "--model-path", "models", "--output-dir", out]);
    std::fs::create_dir(stage.root.join("results")).unwrap();
    let held = Lock::take(&stage.root.join("results").join(LOCK_FILE)).unwrap().unwrap();
    refused(&evaluate("results"), &["results", "another evaluation", "wait for it", "--output-dir"]);
    assert!(report(&stage.root.join("results")).is_empty());
    drop(held);

    std::fs::write(stage.root.join("file"), "dear to somebody").unwrap();
    refused(&evaluate("file"), &["file: cannot be a folder", "choose another place"]);
    refused(&evaluate("file/deeper"), &["file/deeper: cannot be a folder", "choose another place"]);
    assert_eq!(bytes(stage.root.join("file")), b"dear to somebody");

    let state = bytes(stage.root.join("models/state.json"));
    refused(&evaluate("models"), &["models: this folder holds a run", "--output-dir"]);
    assert_eq!(bytes(stage.root.join("models/state.json")), state);
}

/// `script` with a file system of its own in `results`, of 4 MiB; none where this account may not mount one.
fn mounted(stage: &Stage, script: &str) -> Option<Output> {
    let shell = |script: &str| {
        let mut command = Command::new("unshare");
        command.args(["--mount", "sh", "-ec", script]).current_dir(&stage.root);
        command.env("CARETTA_WORKSPACE", stage.workspace()).env("CARETTA", env!("CARGO_BIN_EXE_caretta"));
        command.output()
    };
    const MOUNT: &str = "mkdir -p results && mount -t tmpfs -o size=4m none results\n";
    let can = shell(MOUNT).is_ok_and(|output| output.status.success());
    can.then(|| shell(&format!("{MOUNT}{script}")).unwrap())
}

#[test]
fn a_full_or_read_only_disk_leaves_the_report_before_it_and_the_way_out() {
    let stage = trained();
    let evaluate = "$CARETTA evaluate --model-path models --output-dir results";
    // full but for a little: begun, and failed in the middle of its files
    let script = format!(
        "{evaluate}; cp -r results before
         dd if=/dev/zero of=results/other bs=4096 2>/dev/null || truncate -s -40960 results/other
         code=0; {evaluate} --query-split valid || code=$?
         rm results/other; cp -r results after; exit $code"
    );
    let Some(output) = mounted(&stage, &script) else { return };
    refused(&output, &["results/", "the disk is full", "free some space"]);
    let (before, after) = (stage.root.join("before"), stage.root.join("after"));
    assert!(report(&before).len() == 20 && report(&before) == report(&after));
    assert!(!after.join(".writing").exists());
    let (status, state) = session::standing(&after).unwrap().unwrap();
    assert_eq!(status, Status::Failed);
    assert!(state.reason.is_some_and(|r| r.contains("the disk is full")));

    // no room even for that it has begun
    let script = format!(
        "dd if=/dev/zero of=results/other bs=4096 2>/dev/null || true
         code=0; {evaluate} || code=$?; rm results/other; cp -r results full; exit $code"
    );
    refused(&mounted(&stage, &script).unwrap(), &["results/", "the disk is full"]);
    assert!(report(&stage.root.join("full")).is_empty());

    let script = format!("mount -o remount,ro results; exec {evaluate}");
    refused(&mounted(&stage, &script).unwrap(), &["results/", "may only be read", "--output-dir"]);
}

#[test]
fn sides_neighbours_mirror_images_and_encounters_are_as_asked_for_and_named() {
    let stage = trained();
    let evaluate = |out: &str, more: &[&str]| {
        stage.json(&[&["evaluate", "--model-path", "models", "--output-dir", out], more].concat())
    };
    let mirrored = evaluate("mirrored", &["--sides", "mirrored"]);
    assert_eq!(mirrored["sides"], "mirrored");
    for way in ["both", "own", "mirrored"] {
        assert!(mirrored["by_sides"][way]["rank1"].is_number(), "{way}");
    }
    let common = &mirrored["by_sides"]["own"]["queries"];
    assert!(["both", "mirrored"].iter().all(|way| mirrored["by_sides"][way]["queries"] == *common), "{mirrored}");
    let own = evaluate("own", &["--sides", "own"]);
    assert_eq!(own["map"], mirrored["by_sides"]["own"]["map"]);
    // the folder holds all that the figures are made of
    let again = stage.json(&["evaluate", "--embeddings", "mirrored/embeddings.npy", "--sides", "mirrored"]);
    assert_eq!((&again["map"], &again["by_sides"]), (&mirrored["map"], &mirrored["by_sides"]));
    let compared = stage.json(&["compare", "mirrored", "own"]);
    assert!(compared["map"]["values"][0].is_number(), "{compared}");

    let plain = evaluate("plain", &["--query-unit", "encounter"]);
    assert_eq!((&plain["query_unit"], &plain["map"]), (&"encounter".into(), &again_plain(&stage)["map"]));
    assert_eq!(plain["encounter_queries"]["intervals"]["rank1"].as_array().map(Vec::len), Some(2));
    assert!(plain["by_sides"]["mirrored"].is_null(), "nobody asked for mirror images");
    let page = String::from_utf8(bytes(stage.root.join("plain/report.md"))).unwrap();
    assert!(page.contains("with the photos of an encounter as one query"), "{page}");

    let reranked = evaluate("reranked", &["--rerank"]);
    assert_eq!((&reranked["reranked"], &plain["reranked"]), (&true.into(), &false.into()));
    assert_ne!(reranked["map"], plain["map"]);
    assert_eq!(reranked["geometry"], plain["geometry"], "distances told of are plain");
    let flipped = evaluate("flipped", &["--flip"]);
    assert_eq!((&flipped["flip"], &plain["flip"]), (&true.into(), &false.into()));
    assert_ne!(flipped["map"], plain["map"]);
    let both = stage.run(&["evaluate", "--model-path", "models", "--flip", "--sides", "own"]);
    assert_eq!(both.status.code(), Some(2));
}

/// What the embeddings of `mirrored` come to by themselves.
fn again_plain(stage: &Stage) -> serde_json::Value {
    stage.json(&["evaluate", "--embeddings", "mirrored/embeddings.npy"])
}
