//! A sweep: every run of the grid, a table, and the same again keeps what is there.

#![allow(clippy::unwrap_used)]

mod common;

use common::{Stage, until};

/// A sweep's file on the stage's photos whose runs take a second or two each.
fn file(stage: &Stage, grid: &str) -> String {
    let photos = stage.photos.to_str().unwrap();
    let base = "[base]\nmodel = { backbone = \"resnet18\", embedding_dim = 16 }\ndata.image_size = 32\nbatch.size = 8\n\
                optimiser.lr = 0.001\noptimiser.warmup_epochs = 0.0\n";
    let text = format!("method = \"siamese\"\n{base}data.dir = {photos:?}\n{grid}");
    let path = stage.root.join("sweep.toml");
    std::fs::write(&path, text).unwrap();
    path.to_str().unwrap().to_owned()
}

#[test]
fn a_sweep_is_gone_through_and_the_same_again_keeps_it() {
    let stage = Stage::new();
    let path = file(&stage, "train.epochs = 1\n[grid]\nmethod = [\"siamese\", \"arcface\"]\n");
    let first = stage.json(&["sweep", &path]);
    let runs = first["runs"].as_array().unwrap();
    assert_eq!((runs.len(), &first["finished"]), (2, &2.into()));
    for (run, method) in runs.iter().zip(["siamese", "arcface"]) {
        assert_eq!((&run["method"], &run["status"], &run["kept"]), (&method.into(), &"finished".into(), &false.into()));
        assert!(run["last"]["map"].as_f64().is_some() && run["best"]["rank1"].as_f64().is_some());
        assert!(run["seconds"].as_f64().unwrap() > 0.0);
    }
    // the grid has grown: what is there is kept, what is new is made
    let path = file(&stage, "train.epochs = 1\n[grid]\nmethod = [\"siamese\", \"arcface\"]\ntrain.seed = [666, 7]\n");
    let second = stage.json(&["sweep", &path, "--jobs", "2"]);
    let kept: Vec<_> = second["runs"].as_array().unwrap().iter().map(|run| run["kept"].as_bool().unwrap()).collect();
    assert_eq!((kept, &second["finished"]), (vec![true, false, true, false], &4.into()));
    assert_eq!(second["runs"][0]["run"], runs[0]["run"]);
    assert_eq!(second["runs"][1]["differing"]["train.seed"], "7");
    assert_eq!(stage.json(&["run", "ls"])["runs"].as_array().unwrap().len(), 4);
    // runs that differ in their seed only are averaged
    let over = second["over_seeds"].as_array().unwrap();
    assert_eq!((over.len(), &over[1]["method"], &over[1]["runs"]), (2, &"arcface".into(), &2.into()));
    let map = |at: usize| second["runs"][at]["last"]["map"].as_f64().unwrap();
    let (mean, deviation) = ((map(2) + map(3)) / 2.0, (map(2) - map(3)).abs() / 2.0_f64.sqrt());
    let told = |key: &str| over[1]["map"][key].as_f64().unwrap();
    assert!((told("mean") - mean).abs() < 1e-12 && (told("deviation") - deviation).abs() < 1e-12, "{}", over[1]);
    let words = stage.ok(&["sweep", &path]);
    assert!(words.contains("over seeds") && words.contains("2 runs"), "{words}");
    assert!(words.contains("4 of 4 runs finished, 4 of them before"), "{words}");
}

#[test]
fn ctrl_c_stops_the_run_and_the_same_again_goes_on_with_it() {
    let stage = Stage::new();
    let path = file(&stage, "train.epochs = 40\n[grid]\ntrain.seed = [1, 2]\n");
    let child = stage.command(&["sweep", &path, "--json"]).spawn().unwrap();
    let running =
        || stage.json(&["run", "ls"])["runs"].as_array().unwrap().iter().any(|run| run["step"].as_u64() > Some(1));
    until("the first trains", running);
    let pid = rustix::process::Pid::from_raw(i32::try_from(child.id()).unwrap()).unwrap();
    rustix::process::kill_process(pid, rustix::process::Signal::INT).unwrap();
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(130), "{}", String::from_utf8_lossy(&output.stderr));
    let answer: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(
        (&answer["runs"][0]["status"], &answer["runs"][1]["run"]),
        (&"stopped".into(), &serde_json::Value::Null)
    );
    let id = answer["runs"][0]["run"].as_str().unwrap();

    // one whose trainer died, too, is taken up again; so that this ends soon, it is told to stop once more
    let child = stage.command(&["sweep", &path, "--json"]).spawn().unwrap();
    until("it goes on", || stage.json(&["run", "ls"])["runs"][0]["status"] == "running");
    assert_eq!(stage.json(&["run", "stop", id])["status"], "stopped");
    // the sweep goes on with the next
    until("the next begins", || stage.json(&["run", "ls"])["runs"].as_array().unwrap().len() == 2);
    let pid = rustix::process::Pid::from_raw(i32::try_from(child.id()).unwrap()).unwrap();
    rustix::process::kill_process(pid, rustix::process::Signal::INT).unwrap();
    assert_eq!(child.wait_with_output().unwrap().status.code(), Some(130));
    assert!(stage.json(&["run", "ls"])["runs"].as_array().unwrap().iter().all(|run| run["status"] == "stopped"));
}

#[test]
fn a_sweep_that_cannot_go_well_begins_nothing() {
    let stage = Stage::new();
    for (grid, code, expected) in [
        ("train.epochs = 1\n[grid]\nloss.marign = [0.5]\n", 2, "loss.marign: there is no such key"),
        (
            "train.epochs = 1\n[grid]\nbatch.per_individual = [1, 3]\n",
            1,
            "per_individual=3: batch.size = 8: must be a multiple",
        ),
        ("train.epochs = 1\n[grid]\nmodel.backbone = [\"resnet18\", \"resnet17\"]\n", 1, "backbone=resnet17: "),
    ] {
        let path = file(&stage, grid);
        let output = stage.run(&["sweep", &path]);
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(said.contains(expected), "{said}");
        assert_eq!(output.status.code(), Some(code), "{said}");
        assert!(output.stdout.is_empty() && !stage.workspace().join("runs").exists());
    }
}
