//! Decisions as a user gets them: a gallery calibrated, encounters decided, and a folder grouped into individuals.

#![allow(clippy::unwrap_used)] // a test may end in one

mod common;

use std::collections::BTreeSet;

use caretta::data::synth::{SynthPlan, draw};
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
    assert!(error.contains("20 held-out individuals cannot promise") && error.contains("0.139"), "{error}");
    assert!(!stage.root.join("g/calibration.json").exists());

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

    // its own photo is as near as can be; the network's own turtles are not in the gallery
    let photo = |folder: &str| {
        let mut reader = csv::Reader::from_path(stage.root.join(folder).join("metadata_splits.csv")).unwrap();
        let row: std::collections::BTreeMap<String, String> = reader.deserialize().next().unwrap().unwrap();
        (format!("{folder}/{}", row["file_name"]), row["identity"].clone())
    };
    let ((own, name), (other, _)) = (photo("strangers"), photo("turtles"));
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
    assert!(known.count() > 0 && by_gallery["agreement"]["ari"].as_f64().unwrap() > 0.5, "{}", by_gallery["agreement"]);

    let error = refused(&stage, &["discover", "strangers/images", "--model-path", "models"]);
    assert!(error.contains("--distance"), "{error}");
    let nameless = stage.json(&["discover", "strangers/images", "--model-path", "models", "--distance", "2"]);
    assert_eq!(nameless["groups"].as_array().unwrap().len(), 1, "all is one at the farthest distance");
    assert!(nameless["agreement"].is_null());
}
