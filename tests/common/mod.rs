//! What the whole-program tests share: a few small turtles, and the program run on them in a workspace of its own.

#![allow(dead_code, unreachable_pub, clippy::unwrap_used)] // each test is a crate of its own and uses some of it

pub mod hostile;

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use caretta::data::synth::{SynthPlan, draw};

/// A workspace with photos of four turtles, three encounters to train on, one to validate and one to test.
pub struct Stage {
    _dir: tempfile::TempDir,
    pub root: PathBuf,
    pub photos: PathBuf,
}

/// The flags of a training that takes a second or two.
pub const SMALL: &[&str] = &[
    "--backbone",
    "resnet18",
    "--image-size",
    "32",
    "--embedding-dim",
    "16",
    "--batch-size",
    "8",
    "--epochs",
    "2",
    "--lr",
    "0.001",
];

impl Stage {
    pub fn new() -> Stage {
        let dir = tempfile::tempdir().unwrap();
        let root = dir.path().to_path_buf();
        let photos = root.join("turtles");
        let plan = SynthPlan { individuals: 4, encounters: 5, photos: 2, width: 64, height: 48, seed: 3 };
        draw(&plan, &photos, &|_, _| true).unwrap();
        Stage { _dir: dir, root, photos }
    }

    pub fn workspace(&self) -> PathBuf {
        self.root.join("workspace")
    }

    /// The program in this workspace, not started.
    pub fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_caretta"));
        command.args(args).env("CARETTA_WORKSPACE", self.workspace()).env("TERM", "dumb").current_dir(&self.root);
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        command
    }

    pub fn run(&self, args: &[&str]) -> Output {
        self.command(args).output().unwrap()
    }

    /// Standard output of a call that must succeed.
    pub fn ok(&self, args: &[&str]) -> String {
        let output = self.run(args);
        assert!(output.status.success(), "{args:?}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap()
    }

    /// The one JSON object that a call prints.
    pub fn json(&self, args: &[&str]) -> serde_json::Value {
        let text = self.ok(&[args, &["--json"]].concat());
        serde_json::from_str(&text).unwrap_or_else(|e| panic!("{args:?}: {e}: {text}"))
    }

    /// `train METHOD` on the turtles with [`SMALL`] and `more`, into `out`.
    pub fn train_args<'a>(&'a self, method: &'a str, out: &'a str, more: &[&'a str]) -> Vec<&'a str> {
        let photos = self.photos.to_str().unwrap();
        [&["train", method, "--data-dir", photos, "--output-dir", out], SMALL, more].concat()
    }
}

/// The bytes of a file that must be there.
pub fn bytes(path: impl AsRef<Path>) -> Vec<u8> {
    let path = path.as_ref();
    std::fs::read(path).unwrap_or_else(|e| panic!("{}: {e}", path.display()))
}

/// Waits until `done`, at most a minute.
pub fn until(what: &str, mut done: impl FnMut() -> bool) {
    let begin = Instant::now();
    while !done() {
        assert!(begin.elapsed() < Duration::from_secs(60), "waited a minute until {what}");
        std::thread::sleep(Duration::from_millis(2));
    }
}

/// Ends a process as the system would for want of memory.
pub fn kill(child: &mut Child) {
    child.kill().unwrap();
    child.wait().unwrap();
}
