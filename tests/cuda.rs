//! Everything for a card without a card: the program runs on the stand-in driver of `tests/cuda`, in a process of its own.
//!
//! Device memory is host memory and a launch runs the kernel's host-compiled twin, so the whole path is walked: dfdx's
//! tensors and tape, our kernels, cuDNN's descriptors, the libraries' opening. g++ builds it; without g++ each test says that
//! it was skipped.
#![cfg(feature = "cuda")]
#![allow(clippy::unwrap_used, clippy::print_stderr)] // a test may end in one, and says when it was skipped

mod common;

use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::OnceLock;

use common::Stage;

const LAST: &str = "checkpoints/last.safetensors";

/// The folder of the stand-in, built once; none without g++.
fn standin() -> Option<&'static Path> {
    static BUILT: OnceLock<Option<PathBuf>> = OnceLock::new();
    BUILT.get_or_init(build).as_deref()
}

fn build() -> Option<PathBuf> {
    if !Command::new("g++").arg("--version").output().is_ok_and(|o| o.status.success()) {
        eprintln!("skipped: no g++ to build the stand-in driver with");
        return None;
    }
    let home = std::env::var_os("CARGO_HOME").map(PathBuf::from);
    let home = home.or_else(|| std::env::home_dir().map(|h| h.join(".cargo"))).unwrap();
    let mut registries = std::fs::read_dir(home.join("registry/src")).unwrap().flatten();
    let dfdx = registries.find_map(|r| Some(r.path().join("dfdx-0.13.0")).filter(|p| p.exists()));
    let dfdx = dfdx.expect("the source of dfdx, which was compiled for this test");
    let folder = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("cuda-standin");
    let output = Command::new(source().join("build")).arg(&folder).arg(dfdx).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    Some(folder)
}

fn source() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/cuda")
}

/// `command` on the stand-in, with `more` of its variables.
fn on_standin(mut command: Command, standin: &Path, more: &[(&str, &str)]) -> Command {
    command.env("LD_LIBRARY_PATH", standin.join("lib")).env("STANDIN_KERNELS", standin.join("dfdx.so"));
    command.env("STANDIN_CACHE", standin.join("cache")).env("STANDIN_SOURCE", source());
    command.envs(more.iter().copied());
    command
}

/// A stage and the way to run the program on the stand-in.
struct Card {
    stage: Stage,
    standin: &'static Path,
}

impl Card {
    fn new() -> Option<Card> {
        let standin = standin()?;
        Some(Card { stage: Stage::new(), standin })
    }

    fn run(&self, args: &[&str], more: &[(&str, &str)]) -> Output {
        on_standin(self.stage.command(args), self.standin, more).output().unwrap()
    }

    fn ok(&self, args: &[&str], more: &[(&str, &str)]) -> String {
        let output = self.run(args, more);
        assert!(output.status.success(), "{args:?}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap()
    }

    fn json(&self, args: &[&str], more: &[(&str, &str)]) -> serde_json::Value {
        serde_json::from_str(&self.ok(&[args, &["--json"]].concat(), more)).unwrap()
    }

    /// What a call that must fail says.
    fn says(&self, args: &[&str], more: &[(&str, &str)]) -> String {
        let output = self.run(args, more);
        assert_eq!(output.status.code(), Some(1), "{args:?}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stderr).unwrap()
    }

    /// Trains on the card into `out`.
    fn train<'a>(&'a self, method: &'a str, out: &'a str) -> Vec<&'a str> {
        self.stage.train_args(method, out, &["--device", "cuda:0"])
    }
}

/// Embeddings of an `embed` into a folder.
fn embeddings(folder: &Path) -> Vec<f32> {
    let bytes = std::fs::read(folder.join("embeddings.npy")).unwrap();
    npyz::NpyFile::new(&bytes[..]).unwrap().into_vec().unwrap()
}

fn farthest(a: &[f32], b: &[f32]) -> f32 {
    assert!(!a.is_empty() && a.len() == b.len());
    a.iter().zip(b).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max)
}

#[test]
fn cuda_is_not_needed_to_start() {
    let stage = Stage::new();
    let mut command = stage.command(&["doctor", "--device", "cuda:0"]);
    let output = command.env_remove("LD_LIBRARY_PATH").env_remove("CUDA_PATH").output().unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    // on a machine with a card this is the card's own examination
    if !output.status.success() {
        assert!(said.contains("is missing") || said.contains("no card"), "{said}");
    }
    let binary = std::fs::read(env!("CARGO_BIN_EXE_caretta")).unwrap();
    let names = |name: &[u8]| binary.windows(name.len()).any(|w| w == name);
    // as a name to open, which ends with a zero of its own; a linked library would stand in the dynamic section too
    assert!(names(b"libcuda.so.1"));
}

#[test]
fn cuda_operations_agree_with_the_cpu_in_both_orders() {
    let Some(card) = Card::new() else { return };
    for order in ["forward", "reverse"] {
        let found = card.json(&["doctor", "--device", "cuda:0"], &[("STANDIN_ORDER", order)]);
        assert_eq!(found["passed"], true, "{order}: {found}");
        let count = |i: usize| found["tests"][i]["checks"].as_array().unwrap().len();
        assert!(count(0) > 60 && count(1) > 60);
        assert_eq!(found["card"]["compute_capability"], "9.0");
    }
}

#[test]
fn cuda_networks_train_as_on_the_cpu() {
    let Some(card) = Card::new() else { return };
    let args = ["doctor", "--device", "cuda:0", "--networks", "--network-steps", "6"];
    let found = card.json(&args, &[]);
    assert_eq!(found["passed"], true, "{}", found["networks"]);
    assert_eq!(found["networks"].as_array().unwrap().len(), 6);
}

#[test]
fn cuda_runs_evaluate_and_embed_on_either_device() {
    let Some(card) = Card::new() else { return };
    card.ok(&card.train("arcface", "run"), &[]);
    let log = std::fs::read_to_string(card.stage.root.join("run/log.txt")).unwrap();
    assert!(log.contains("card 0: stand-in"), "{log}");
    let photos = card.stage.photos.to_str().unwrap();
    for device in ["cpu", "cuda:0"] {
        let args = ["embed", "--model-path", "run", "--data-dir", photos, "--output-dir", device, "--device", device];
        card.ok(&args, &[]);
    }
    let [cpu, cuda] = ["cpu", "cuda:0"].map(|device| embeddings(&card.stage.root.join(device)));
    assert!(farthest(&cpu, &cuda) < 1e-3, "{}", farthest(&cpu, &cuda));
    let args = |device| ["evaluate", "--model-path", "run", "--device", device];
    let [cpu, cuda] = ["cpu", "cuda:0"].map(|device| card.json(&args(device), &[]));
    assert_eq!(cpu["queries"], cuda["queries"]);
    assert_eq!(cpu["rank1"], cuda["rank1"]);
}

#[test]
fn cuda_runs_stop_and_go_on_to_the_same_bytes_and_on_the_other_device() {
    let Some(card) = Card::new() else { return };
    card.ok(&card.train("triplet", "whole"), &[]);
    let bytes = |run: &str| std::fs::read(card.stage.root.join(run).join(LAST)).unwrap();
    // an error that the card never comes back from, in mid-run: failed, the first epoch's checkpoint kept
    let said = card.says(&card.train("triplet", "killed"), &[("STANDIN_FAIL_AT", "1800")]);
    assert!(said.contains("the device failed"), "{said}");
    let state = std::fs::read_to_string(card.stage.root.join("killed/state.json")).unwrap();
    assert!(state.contains("failed"), "{state}");
    card.ok(&["run", "resume", "killed", "--foreground"], &[]);
    assert!(bytes("killed") == bytes("whole"), "the resumed run ends in other bytes");
}

#[test]
fn cuda_out_of_memory_is_told_with_a_way_out() {
    let Some(card) = Card::new() else { return };
    let said = card.says(&card.train("siamese", "small"), &[("STANDIN_LIMIT", "100000000")]);
    assert!(said.contains("out of memory") && said.contains("smaller batch"), "{said}");
    for at in ["40", "300", "800"] {
        let out = format!("oom-{at}");
        let said = card.says(&card.train("siamese", &out), &[("STANDIN_OOM_AT", at)]);
        assert!(said.contains("out of memory"), "allocation {at}: {said}");
    }
}

#[test]
fn cuda_that_does_not_work_is_told_and_auto_takes_the_cpu() {
    let Some(card) = Card::new() else { return };
    let doctor = ["doctor", "--device", "cuda:0"];
    let said = card.says(&doctor, &[("STANDIN_INIT", "803")]);
    assert!(said.contains("the driver does not fit"), "{said}");
    let said = card.says(&doctor, &[("STANDIN_INIT", "100")]);
    assert!(said.contains("there is no card 0"), "{said}");
    let said = card.says(&doctor, &[("STANDIN_CARDS", "0")]);
    assert!(said.contains("the driver shows 0"), "{said}");
    let said = card.says(&["doctor", "--device", "cuda:3"], &[]);
    assert!(said.contains("there is no card 3: the driver shows 1"), "{said}");
    let output = card.run(&["doctor"], &[("STANDIN_INIT", "100")]);
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(output.status.success() && said.matches("no card is used").count() == 1, "{said}");
}
