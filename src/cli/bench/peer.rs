//! What PyTorch and ONNX Runtime reach with the same network in the same run, where a Python that has them is given.

use std::path::Path;
use std::process::{Command, Stdio};

use anyhow::{Context as _, Result, bail};
use serde::{Deserialize, Serialize};

use crate::data::foreign;
use crate::train::bench::{BenchPlan, BenchReport};

use super::super::words;

/// The peer's program.
const SCRIPT: &str = include_str!("peer.py");

/// What the peer is told.
#[derive(Serialize)]
struct Told<'a> {
    backbone: &'a str,
    batch_size: usize,
    image_size: usize,
    seconds: f64,
    threads: usize,
    device: &'a str,
    precision: &'a str,
}

/// What the peer reached in one way.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Reached {
    /// What was measured, as `training`, `embedding`, `first epoch`.
    pub(super) what: String,
    /// The peer and its version.
    pub(super) by: String,
    /// Numbers and layout.
    pub(super) how: String,
    /// Photos a second of its fastest step.
    pub(super) best: f64,
    /// Photos a second of its median step.
    pub(super) median: f64,
    /// Caretta's fastest step over its.
    #[serde(default)]
    pub(super) ratio: f64,
}

/// Where and how both compute.
#[derive(Clone, Copy, Debug)]
pub(super) struct Ground<'a> {
    /// `cpu` or `cuda:N`.
    pub(super) device: &'a str,
    /// Products of fp32 are exact.
    pub(super) exact: bool,
    /// Threads of a CPU.
    pub(super) threads: usize,
}

/// Runs the peer with `python`, and sets what it reached beside `report`.
///
/// # Errors
/// When Python cannot be started or ends with an error, in the words of its last line, or says what is no answer.
pub(super) fn beside(
    python: &Path,
    plan: &BenchPlan,
    ground: Ground<'_>,
    report: &BenchReport,
) -> Result<Vec<Reached>> {
    let told = Told {
        backbone: plan.backbone,
        batch_size: plan.batch_size,
        image_size: plan.image_size,
        seconds: plan.patience.as_secs_f64(),
        threads: ground.threads,
        device: ground.device,
        precision: if ground.exact { "highest" } else { "high" },
    };
    ask(python, SCRIPT, &told, |what| match what {
        "training" => report.train_photos_per_s,
        _ => report.inference_photos_per_s,
    })
}

/// Runs `script` with `python`, and sets what it says that it reached beside what Caretta did of the same.
///
/// # Errors
/// As [`beside`].
pub(super) fn ask(
    python: &Path,
    script: &str,
    told: &impl Serialize,
    ours: impl Fn(&str) -> f64,
) -> Result<Vec<Reached>> {
    let told = serde_json::to_string(told)?;
    let output = Command::new(python).args(["-c", script, &told]).stdin(Stdio::null()).output();
    let shown = foreign::path(python);
    let output = output.with_context(|| format!("cannot start {shown}"))?;
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stderr);
        let why = said.lines().rev().find(|line| !line.trim().is_empty()).unwrap_or("it says nothing");
        bail!("{shown} did not measure: {} (it needs torch and torchvision)", foreign::line(why));
    }
    let lines = String::from_utf8_lossy(&output.stdout);
    let rows = lines.lines().map(|line| {
        let mut reached: Reached = serde_json::from_str(line)?;
        reached.ratio = ours(&reached.what) / reached.best;
        Ok(reached)
    });
    rows.collect::<Result<_, serde_json::Error>>().with_context(|| format!("what {shown} says is no measurement"))
}

/// What was reached, below what was measured here.
pub(super) fn told(reached: &[Reached]) -> String {
    let head = ["photos/s of others", "best", "median", "Caretta's best is"];
    format!("\n\n{}", words::table(&head, &rows(reached)))
}

/// The rows of a table: what, whose, best, median, and our best over theirs.
fn rows(reached: &[Reached]) -> Vec<Vec<String>> {
    let row = |r: &Reached| {
        let by = foreign::line(&format!("{}, {}, {}", r.what, r.by, r.how));
        vec![by, format!("{:.2}", r.best), format!("{:.2}", r.median), format!("{:.2}", r.ratio)]
    };
    reached.iter().map(row).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    /// A Python that runs `script` of the shell in place of what it is told.
    fn python(folder: &Path, script: &str) -> std::path::PathBuf {
        let path = folder.join("python");
        // not by this process: who forks while a file is written keeps it busy
        let write = ["-c", r#"printf '#!/bin/sh\n%s\n' "$1" > "$2" && chmod +x "$2""#, "sh", script];
        assert!(Command::new("sh").args(write).arg(&path).status().unwrap().success());
        path
    }

    fn asked(python: &Path) -> Result<Vec<Reached>> {
        let plan =
            BenchPlan { backbone: "resnet18", batch_size: 4, image_size: 64, patience: Duration::ZERO, workers: 0 };
        let report = BenchReport {
            backbone: "resnet18".into(),
            batch_size: 4,
            image_size: 64,
            train_photos_per_s: 30.0,
            train_photos_per_s_median: 20.0,
            inference_photos_per_s: 90.0,
            inference_photos_per_s_median: 80.0,
            loaded_photos_per_s: 29.0,
            loaded_wait: 0.0,
            memory_bytes: None,
            steps: 6,
        };
        beside(python, &plan, Ground { device: "cpu", exact: true, threads: 2 }, &report)
    }

    #[test]
    fn a_peer_is_told_what_was_measured_and_stands_beside_it() {
        let script = r#"case "$3" in *'"backbone":"resnet18","batch_size":4,"image_size":64'*'"threads":2,"device":"cpu","precision":"highest"'*) ;; *) exit 1;; esac
echo '{"what": "training", "by": "PyTorch 9", "how": "fp32", "best": 15.0, "median": 14.0}'
echo '{"what": "embedding", "by": "ONNX Runtime 9", "how": "fp32", "best": 100.0, "median": 99.0}'"#;
        let folder = tempfile::tempdir().unwrap();
        let reached = asked(&python(folder.path(), script)).unwrap();
        assert_eq!(reached.iter().map(|r| r.ratio).collect::<Vec<_>>(), [2.0, 0.9]);
        assert_eq!(rows(&reached)[0], ["training, PyTorch 9, fp32", "15.00", "14.00", "2.00"]);
    }

    #[test]
    fn a_peer_that_cannot_is_refused_in_a_sentence() {
        let folder = tempfile::tempdir().unwrap();
        let said = |script: &str| format!("{:#}", asked(&python(folder.path(), script)).unwrap_err());
        let missing = said("echo Traceback >&2; echo \"ModuleNotFoundError: No module named 'torch'\" >&2; exit 1");
        assert!(missing.contains("No module named 'torch'") && missing.contains("needs torch"), "{missing}");
        assert!(said("echo hello").contains("is no measurement"));
        let nowhere = format!("{:#}", asked(Path::new("/nowhere/python")).unwrap_err());
        assert!(nowhere.starts_with("cannot start /nowhere/python"), "{nowhere}");
    }
}
