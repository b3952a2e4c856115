//! A run that is killed, stopped or interrupted goes on as if nothing had happened.

#![allow(clippy::unwrap_used)] // a test may end in one

mod common;

use std::path::Path;

use common::{SMALL, Stage, bytes, kill, until};

const LAST: &str = "checkpoints/last.safetensors";
const BEST: &str = "checkpoints/best.safetensors";
/// A network of a third of [`SMALL`]'s weights.
const LIGHT: &str = "efficientnet_lite0";

/// Steps written to the metrics so far.
fn steps(run: &Path) -> usize {
    let text = std::fs::read_to_string(run.join("metrics.jsonl")).unwrap_or_default();
    text.lines().filter(|l| l.contains("\"kind\":\"step\"")).count()
}

/// Whether a checkpoint is being written: a file in the folder that has another name than a checkpoint's.
fn writing(run: &Path) -> bool {
    let Ok(entries) = std::fs::read_dir(run.join("checkpoints")) else { return false };
    entries.flatten().any(|e| !["last.safetensors", "best.safetensors"].iter().any(|n| e.file_name() == *n))
}

fn status(stage: &Stage, run: &str) -> String {
    let listed = stage.json(&["run", "ls"]);
    let dir = stage.root.join(run).canonicalize().unwrap();
    let line =
        listed["runs"].as_array().unwrap().iter().find(|r| Path::new(r["dir"].as_str().unwrap()) == dir).unwrap();
    line["status"].as_str().unwrap().to_owned()
}

#[test]
fn killed_at_any_moment_it_ends_with_the_same_bytes() {
    let stage = Stage::new();
    let more = ["--epochs", "3", "--set", "train.checkpoint_every=2"];
    // all that a run carries from step to step: rising margins, averaged weights, batches of parts; a large checkpoint, which takes
    // time to write, and small ones
    let options: [(&str, &str, &[&str]); 3] = [
        ("triplet", "resnet18", &[]),
        (
            "arcface",
            LIGHT,
            &[
                "loss.sub_centres=2",
                "loss.margin_warmup_epochs=2",
                "train.ema_decay=0.9",
                "batch.size=4",
                "batch.accumulate=2",
            ],
        ),
        ("cross-entropy", LIGHT, &["train.ema_decay=0.9", "train.early_stop=5"]),
    ];
    for (method, backbone, sets) in options {
        let more = more.into_iter().chain(["--backbone", backbone]);
        let more: Vec<&str> = more.chain(sets.iter().flat_map(|set| ["--set", *set])).collect();
        let whole = format!("{method}-whole");
        stage.ok(&stage.train_args(method, &whole, &more));
        let expected = [bytes(stage.root.join(&whole).join(LAST)), bytes(stage.root.join(&whole).join(BEST))];
        let total = steps(&stage.root.join(&whole));
        assert_eq!(total, 9);

        let out = format!("{method}-killed");
        let run = stage.root.join(&out);
        let resume = ["run", "resume", &out, "--foreground"];
        // before the first checkpoint, between two, at the end of an epoch, inside the writing of a checkpoint
        let moments: [(&str, &dyn Fn() -> bool); 4] = [
            ("the first step", &|| steps(&run) >= 1),
            ("a checkpoint is being written", &|| writing(&run)),
            ("the fourth step", &|| steps(&run) >= 4),
            ("the last epoch", &|| steps(&run) >= 8),
        ];
        let mut child = stage.command(&stage.train_args(method, &out, &more)).spawn().unwrap();
        for (i, (what, moment)) in moments.iter().enumerate() {
            if i > 0 {
                child = stage.command(&resume).spawn().unwrap();
            }
            until(what, || moment() || child.try_wait().unwrap().is_some());
            kill(&mut child);
            if status(&stage, &out) == "finished" {
                break;
            }
            assert_eq!(status(&stage, &out), "crashed", "after {what}");
        }
        if status(&stage, &out) != "finished" {
            stage.ok(&resume);
        }
        assert!(bytes(run.join(LAST)) == expected[0], "{method}: last.safetensors differs");
        assert!(bytes(run.join(BEST)) == expected[1], "{method}: best.safetensors differs");
        assert!(!writing(&run), "a torn checkpoint is left behind");
        // readers drop what came after the checkpoint: every step once
        let csv = stage.json(&["run", "ls"]);
        assert!(csv["runs"].as_array().is_some_and(|r| r.len() >= 2));
    }
}

#[test]
fn a_kill_inside_the_writing_of_a_checkpoint_leaves_the_one_before() {
    let stage = Stage::new();
    let more = ["--epochs", "40", "--set", "train.checkpoint_every=1", "--set", "train.evaluate_every=40"];
    let run = stage.root.join("models");
    let mut inside = 0;
    let mut child = stage.command(&stage.train_args("siamese", "models", &more)).spawn().unwrap();
    for _ in 0..6 {
        until("a checkpoint is being written", || writing(&run));
        kill(&mut child);
        inside += usize::from(writing(&run));
        if run.join(LAST).exists() {
            // whole, whatever lies beside it
            let file = caretta::nn::weights::WeightFile::read(&run.join(LAST)).unwrap();
            assert!(file.tensors.contains_key("conv1.weight"));
        }
        assert_eq!(status(&stage, "models"), "crashed");
        child = stage.command(&["run", "resume", "models", "--foreground"]).spawn().unwrap();
        until("it has taken over", || status(&stage, "models") == "running");
    }
    kill(&mut child);
    assert!(inside > 0, "never killed while a checkpoint was being written");
}

#[test]
fn ctrl_c_ends_with_a_checkpoint_and_130_and_resume_goes_on() {
    let stage = Stage::new();
    let more = ["--epochs", "3", "--backbone", LIGHT];
    stage.ok(&stage.train_args("siamese", "whole", &more));
    let run = stage.root.join("models");
    let child = stage.command(&stage.train_args("siamese", "models", &more)).spawn().unwrap();
    until("a step", || steps(&run) >= 2);
    rustix::process::kill_process(
        rustix::process::Pid::from_raw(i32::try_from(child.id()).unwrap()).unwrap(),
        rustix::process::Signal::INT,
    )
    .unwrap();
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(130), "{}", String::from_utf8_lossy(&output.stderr));
    assert_eq!(status(&stage, "models"), "stopped");
    assert!(run.join(LAST).exists());
    let answer = stage.json(&["run", "resume", "models", "--foreground"]);
    assert_eq!(answer["status"], "finished");
    assert!(bytes(run.join(LAST)) == bytes(stage.root.join("whole").join(LAST)));
}

#[test]
fn a_detached_run_is_started_watched_stopped_and_resumed() {
    let stage = Stage::new();
    let photos = stage.photos.to_str().unwrap();
    let started =
        stage.json(&[&["run", "start", "arcface", "--data-dir", photos], SMALL, &["--epochs", "200"]].concat());
    let id = started["run"].as_str().unwrap().to_owned();
    until("it runs", || {
        let listed = stage.json(&["run", "ls"]);
        listed["runs"][0]["status"] == "running" && listed["runs"][0]["step"].as_u64() > Some(1)
    });
    // a second trainer is refused
    let refused = stage.run(&["run", "resume", &id]);
    assert_eq!(refused.status.code(), Some(1));
    let stopped = stage.json(&["run", "stop", &id]);
    assert_eq!(stopped["status"], "stopped");
    let step = stopped["step"].as_u64().unwrap();
    assert!(stage.ok(&["run", "logs", &id]).contains("told to stop"));
    let resumed = stage.json(&["run", "resume", &id]);
    assert_eq!(resumed["run"], started["run"]);
    until("it has gone on", || stage.json(&["run", "ls"])["runs"][0]["step"].as_u64() > Some(step));
    stage.json(&["run", "stop", &id]);
    assert_eq!(stage.json(&["run", "watch", &id])["status"], "stopped");
    assert_eq!(stage.run(&["run", "stop", &id]).status.code(), Some(1));
}

#[test]
fn a_loss_that_is_no_number_ends_the_run_with_the_step_and_the_photos() {
    let stage = Stage::new();
    let more = [
        "--lr",
        "10",
        "--set",
        "optimiser.kind=sgd",
        "--set",
        "optimiser.clip=0",
        "--set",
        "optimiser.warmup_epochs=0",
        "--epochs",
        "30",
    ];
    let output = stage.run(&stage.train_args("siamese", "models", &more));
    let stderr = String::from_utf8_lossy(&output.stderr);
    if output.status.success() {
        return; // it did not blow up on this machine: nothing to see
    }
    assert!(stderr.contains("not finite") && stderr.contains("step ") && stderr.contains(".jpg"), "{stderr}");
    assert_eq!(status(&stage, "models"), "failed");
}
