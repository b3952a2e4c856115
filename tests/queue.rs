//! Runs started beyond what the machine holds: they wait as `queued` and begin by themselves, though nobody is there.

#![allow(clippy::unwrap_used)]

mod common;

use common::{SMALL, Stage, until};

/// Starts a run that takes minutes, detached; its id and how it then stood.
fn start(stage: &Stage, more: &[&str]) -> (String, String) {
    let photos = stage.photos.to_str().unwrap();
    let args = [&["run", "start", "arcface", "--data-dir", photos], SMALL, &["--epochs", "500"], more].concat();
    let answer = stage.json(&args);
    (answer["run"].as_str().unwrap().to_owned(), answer["status"].as_str().unwrap().to_owned())
}

fn line(stage: &Stage, id: &str) -> serde_json::Value {
    let listed = stage.json(&["run", "ls"]);
    listed["runs"].as_array().unwrap().iter().find(|run| run["id"] == id).unwrap().clone()
}

fn is(stage: &Stage, id: &str, status: &str) -> bool {
    line(stage, id)["status"] == status
}

fn kill(stage: &Stage, id: &str) {
    let state = std::fs::read(stage.workspace().join("runs").join(id).join("state.json")).unwrap();
    let state: serde_json::Value = serde_json::from_slice(&state).unwrap();
    let pid = rustix::process::Pid::from_raw(i32::try_from(state["process"]["pid"].as_i64().unwrap()).unwrap());
    rustix::process::kill_process(pid.unwrap(), rustix::process::Signal::KILL).unwrap();
}

#[test]
fn runs_beyond_what_the_machine_holds_wait_and_begin_by_themselves() {
    let stage = Stage::new();
    let (first, _) = start(&stage, &[]);
    until("the first trains", || is(&stage, &first, "running"));
    let waiting: Vec<String> = (0..3)
        .map(|_| {
            let (id, status) = start(&stage, &[]);
            assert_eq!(status, "queued");
            id
        })
        .collect();
    let [killed, stopped, next] = &waiting[..] else { panic!("three were started") };
    until("each has its place", || line(&stage, next)["place"] == 3);
    assert_eq!(line(&stage, next)["reason"], "number 3 in line for cpu");
    // a second trainer is refused, and a run that waits is not removed
    for args in [["run", "resume", next].as_slice(), &["run", "rm", "--yes", next]] {
        assert_eq!(stage.run(args).status.code(), Some(1), "{args:?}");
    }

    // one that dies waiting has crashed, and one that is told to stop is stopped; those behind move up
    kill(&stage, killed);
    until("it has crashed", || is(&stage, killed, "crashed"));
    assert_eq!(stage.json(&["run", "stop", stopped])["reason"], "told to stop while it waited");
    until("the last is next", || line(&stage, next)["place"] == 1);

    // who asks for it, or sits before it, does not wait
    stage.ok(&stage.train_args("siamese", "models", &["--epochs", "1"]));
    let (beside, _) = start(&stage, &["--now"]);
    until("it trains beside the first", || is(&stage, &beside, "running"));
    stage.ok(&["run", "stop", &beside]);
    assert!(is(&stage, next, "queued") && is(&stage, &first, "running"));

    kill(&stage, &first);
    until("the next begins", || is(&stage, next, "running"));
    stage.ok(&["run", "stop", next]);
    // what was stopped before it began goes on as any other
    assert_eq!(stage.json(&["run", "resume", stopped])["run"], stopped.as_str());
    until("it trains", || is(&stage, stopped, "running"));
    stage.ok(&["run", "stop", stopped]);
}

#[test]
fn a_limit_that_makes_no_sense_is_told_where_the_run_is_started() {
    let stage = Stage::new();
    std::fs::create_dir_all(stage.workspace()).unwrap();
    std::fs::write(stage.workspace().join("queue.toml"), "cpu = 0\n").unwrap();
    let photos = stage.photos.to_str().unwrap();
    let output = stage.run(&[&["run", "start", "arcface", "--data-dir", photos], SMALL].concat());
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1));
    assert!(said.contains("queue.toml: damaged: a limit of 0") && said.lines().count() == 1, "{said}");
    assert_eq!(stage.json(&["run", "ls"])["runs"].as_array().unwrap().len(), 0, "it left no run behind");
}
