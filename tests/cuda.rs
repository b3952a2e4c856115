//! Everything for a card without a card: the program runs on the stand-in driver of `tests/cuda`, in a process of its own.
//!
//! Device memory is host memory and a launch runs the kernel's host-compiled twin, so the whole path is walked: dfdx's
//! tensors and tape, our kernels, cuDNN's descriptors, the libraries' opening. g++ builds it; without g++ each test says that
//! it was skipped.
#![cfg(feature = "cuda")]
#![allow(clippy::unwrap_used, clippy::print_stderr)] // a test may end in one, and says when it was skipped

mod common;

use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::OnceLock;

use common::{Stage, bytes, kill, until};

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

    /// The most bytes of the card that were in use while the program ran.
    fn most_used(&self, args: &[&str], more: (&str, &str)) -> usize {
        let file = self.stage.root.join("peak");
        self.ok(args, &[more, ("STANDIN_PEAK", file.to_str().unwrap())]);
        std::fs::read_to_string(file).unwrap().parse().unwrap()
    }

    /// Trains on the card into `out`.
    fn train<'a>(&'a self, method: &'a str, out: &'a str) -> Vec<&'a str> {
        // pairs, so that a batch may be of six
        let pairs: &[&str] = if method == "siamese" { &["--set", "batch.per_individual=1"] } else { &[] };
        let mut args = self.stage.train_args(method, out, &["--device", "cuda:0"]);
        args.extend(pairs);
        args
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
        let tests = found["tests"].as_array().unwrap();
        let names: Vec<_> = tests.iter().map(|t| t["precision"].as_str().unwrap()).collect();
        assert_eq!(names, ["fp32", "high", "amp"]);
        assert!(tests.iter().all(|t| t["checks"].as_array().unwrap().len() > 60));
        // maps were of bf16: nothing comes out as exact as from f32
        let rounded = |t: &serde_json::Value| {
            let checks = t["checks"].as_array().unwrap();
            checks.iter().filter(|c| c["error"].as_f64().unwrap() > 1e-4).count()
        };
        assert!(rounded(&tests[0]) == 0 && rounded(&tests[2]) > 60, "{} {}", rounded(&tests[0]), rounded(&tests[2]));
        assert_eq!(found["card"]["compute_capability"], "9.0");
    }
}

fn networks_train_as_on_the_cpu(backbone: &str, side: usize, steps: usize) {
    networks_train(backbone, side, steps, "fp32");
}

fn networks_train(backbone: &str, side: usize, steps: usize, precision: &str) {
    let Some(card) = Card::new() else { return };
    let (side, count) = (side.to_string(), steps.to_string());
    let args = ["doctor", "--device", "cuda:0", "--networks", "--network", backbone, "--precision", precision];
    let found = card.json(&[&args[..], &["--network-side", &side, "--network-steps", &count]].concat(), &[]);
    assert_eq!(found["passed"], true, "{}", found["networks"]);
    let networks = found["networks"].as_array().unwrap();
    assert_eq!(networks.len(), 4); // a method each
    assert!(networks.iter().all(|n| n["losses"].as_array().unwrap().len() == steps && n["backbone"] == backbone));
}

#[test]
fn cuda_trains_resnet18_for_twenty_steps_as_the_cpu_does() {
    networks_train_as_on_the_cpu("resnet18", 64, 20);
}

#[test]
fn cuda_trains_efficientnet_b0_for_twenty_steps_as_the_cpu_does() {
    networks_train_as_on_the_cpu("efficientnet_b0", 64, 20);
}

/// Maps in bf16, within what the doctor allows them.
#[test]
fn cuda_trains_in_amp_near_the_cpu() {
    networks_train("resnet18", 64, 6, "amp");
    networks_train("efficientnet_b0", 64, 4, "amp");
    networks_train("swin_t", 32, 1, "amp");
}

/// ReLU6, hard swish and hard sigmoid within a network.
#[test]
fn cuda_trains_the_mobile_networks_as_the_cpu_does() {
    networks_train_as_on_the_cpu("efficientnet_lite0", 64, 4);
    networks_train_as_on_the_cpu("mobilenet_v3_large", 64, 4);
}

/// Two steps: the stand-in multiplies by plain loops, and the network is large.
#[test]
fn cuda_trains_swin_t_as_the_cpu_does() {
    networks_train_as_on_the_cpu("swin_t", 32, 2);
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
fn cuda_ranks_by_the_cpu_s_own_distances() {
    let Some(card) = Card::new() else { return };
    card.ok(&card.train("arcface", "run"), &[]);
    let trace = card.stage.root.join("trace");
    let args = ["evaluate", "--model-path", "run", "--device", "cuda:0", "--output-dir", "report"];
    card.ok(&args, &[("STANDIN_TRACE", trace.to_str().unwrap())]);
    assert!(std::fs::read_to_string(trace).unwrap().lines().any(|kernel| kernel == "distances"));
    let report = card.stage.root.join("report");
    let vectors = embeddings(&report);
    let table = |name: &str| -> Vec<csv::StringRecord> {
        csv::Reader::from_path(report.join(name)).unwrap().into_records().map(Result::unwrap).collect()
    };
    let photos: Vec<String> = table("photos.csv").iter().map(|row| row[0].to_owned()).collect();
    let width = vectors.len() / photos.len();
    let vector = |photo: &str| &vectors[photos.iter().position(|p| p == photo).unwrap() * width..][..width];
    let matches = table("matches.csv");
    assert!(matches.len() > 8);
    for row in &matches {
        let expected = caretta::eval::retrieval::distance(vector(&row[0]), vector(&row[2]));
        assert_eq!(row[3].parse::<f64>().unwrap(), expected, "{row:?}");
    }
}

#[test]
fn cuda_runs_that_are_killed_go_on_to_the_same_bytes() {
    let Some(card) = Card::new() else { return };
    card.ok(&card.train("siamese", "whole"), &[]);
    let last = card.stage.root.join("killed").join(LAST);
    let mut command = on_standin(card.stage.command(&card.train("siamese", "killed")), card.standin, &[]);
    let mut child = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    until("there is a checkpoint", || last.exists());
    kill(&mut child);
    card.ok(&["run", "resume", "killed", "--foreground"], &[]);
    assert!(bytes(&last) == bytes(card.stage.root.join("whole").join(LAST)), "the resumed run ends in other bytes");
}

#[test]
fn cuda_checkpoints_go_to_the_cpu_and_back() {
    let Some(card) = Card::new() else { return };
    // the card fails after its first checkpoint, the CPU makes the rest
    card.says(&card.train("triplet", "there"), &[("STANDIN_FAIL_AT", "1800")]);
    let config = card.stage.root.join("there/config.toml");
    let text = std::fs::read_to_string(&config).unwrap();
    let on_cpu = text.replace("device = \"cuda:0\"", "device = \"cpu\"");
    assert_ne!(on_cpu, text);
    std::fs::write(&config, on_cpu).unwrap();
    card.ok(&["run", "resume", "there", "--foreground"], &[]);
    let log = std::fs::read_to_string(card.stage.root.join("there/log.txt")).unwrap();
    assert!(log.contains("card 0") && log.contains("resumed after step") && log.contains("kernels "), "{log}");
    for device in ["cpu", "cuda:0"] {
        let photos = card.stage.photos.to_str().unwrap();
        let args = ["embed", "--model-path", "there", "--data-dir", photos, "--output-dir", device, "--device", device];
        card.ok(&args, &[]);
    }
    let [cpu, cuda] = ["cpu", "cuda:0"].map(|device| embeddings(&card.stage.root.join(device)));
    assert!(farthest(&cpu, &cuda) < 1e-3, "{}", farthest(&cpu, &cuda));
}

/// A training in which rounding does not grow; AdamW's first steps follow the sign of a gradient, be it all rounding.
const STEADY: &[&str] = &["--lr", "0.0001", "--set", "optimiser.kind=sgd", "--set", "optimiser.momentum=0.9"];

/// The losses of a run's steps, those made twice as they were made last.
fn losses(run: &Path) -> Vec<f64> {
    let text = std::fs::read_to_string(run.join("metrics.jsonl")).unwrap();
    let lines = text.lines().map(|line| serde_json::from_str::<serde_json::Value>(line).unwrap());
    let steps = lines.filter(|line| line["kind"] == "step");
    let last: std::collections::BTreeMap<u64, f64> =
        steps.map(|line| (line["step"].as_u64().unwrap(), line["loss"].as_f64().unwrap())).collect();
    last.into_values().collect()
}

/// The largest difference of two runs' losses, as a share of the larger.
fn losses_apart(a: &[f64], b: &[f64]) -> f64 {
    assert!(!a.is_empty() && a.len() == b.len(), "{} and {} steps", a.len(), b.len());
    a.iter().zip(b).map(|(a, b)| (a - b).abs() / a.abs().max(b.abs())).fold(0.0, f64::max)
}

#[test]
fn cuda_goes_on_from_a_checkpoint_of_the_cpu() {
    let Some(card) = Card::new() else { return };
    let train = |out: &'static str| {
        let more = ["--device", "cpu", "--precision", "fp32", "--epochs", "4"];
        [card.stage.train_args("arcface", out, &more), STEADY.to_vec(), vec!["--set", "train.ema_decay=0.9"]].concat()
    };
    card.stage.ok(&train("whole"));
    let (whole, moved) = (card.stage.root.join("whole"), card.stage.root.join("moved"));
    let mut command = card.stage.command(&train("moved"));
    let mut child = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    until("there is a checkpoint", || moved.join(LAST).exists());
    kill(&mut child);
    let config = std::fs::read_to_string(moved.join("config.toml")).unwrap();
    std::fs::write(moved.join("config.toml"), config.replace("device = \"cpu\"", "device = \"cuda:0\"")).unwrap();
    card.ok(&["run", "resume", "moved", "--foreground"], &[]);
    let log = std::fs::read_to_string(moved.join("log.txt")).unwrap();
    assert!(log.contains("resumed after step") && log.contains("card 0"), "{log}");
    let apart = losses_apart(&losses(&whole), &losses(&moved));
    assert!(apart < 1e-3, "{apart}");
}

#[test]
fn cuda_accumulates_averages_and_has_sub_centres_as_the_cpu() {
    let Some(card) = Card::new() else { return };
    let train = |out: &'static str, device: &'static str| {
        let more = ["--device", device, "--precision", "fp32", "--batch-size", "4"];
        let sets = ["--set", "batch.accumulate=2", "--set", "train.ema_decay=0.9", "--set", "loss.sub_centres=2"];
        [card.stage.train_args("arcface", out, &more), STEADY.to_vec(), sets.to_vec()].concat()
    };
    for (out, device) in [("cpu", "cpu"), ("card", "cuda:0")] {
        card.ok(&train(out, device), &[]);
    }
    let [cpu, on_card] = ["cpu", "card"].map(|run| losses(&card.stage.root.join(run)));
    let apart = losses_apart(&cpu, &on_card);
    assert!(apart < 1e-3, "{apart}");
    // the average is what is judged
    let photos = card.stage.photos.to_str().unwrap();
    for run in ["cpu", "card"] {
        let out = format!("{run}-embedded");
        card.ok(&["embed", "--model-path", run, "--data-dir", photos, "--output-dir", &out, "--device", "cpu"], &[]);
    }
    let [cpu, on_card] = ["cpu-embedded", "card-embedded"].map(|out| embeddings(&card.stage.root.join(out)));
    assert!(farthest(&cpu, &on_card) < 1e-3, "{}", farthest(&cpu, &on_card));
    let mut command = on_standin(card.stage.command(&train("killed", "cuda:0")), card.standin, &[]);
    let mut child = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    let last = card.stage.root.join("killed").join(LAST);
    until("there is a checkpoint", || last.exists());
    kill(&mut child);
    card.ok(&["run", "resume", "killed", "--foreground"], &[]);
    assert!(bytes(&last) == bytes(card.stage.root.join("card").join(LAST)), "the resumed run ends in other bytes");
}

#[test]
fn cuda_runs_whole_in_amp_and_goes_on_to_the_same_bytes() {
    let Some(card) = Card::new() else { return };
    let train = |out: &'static str| [card.train("arcface", out), vec!["--precision", "amp"]].concat();
    card.ok(&train("whole"), &[]);
    let whole = card.stage.root.join("whole");
    let log = std::fs::read_to_string(whole.join("log.txt")).unwrap();
    assert!(log.contains("maps in bf16"), "{log}");
    card.says(&train("failed"), &[("STANDIN_FAIL_AT", "2400")]);
    let failed = card.stage.root.join("failed");
    assert!(failed.join(LAST).exists());
    card.ok(&["run", "resume", "failed", "--foreground"], &[]);
    assert!(bytes(failed.join(LAST)) == bytes(whole.join(LAST)), "the resumed run ends in other bytes");
    let photos = card.stage.photos.to_str().unwrap();
    for (out, device, precision) in [("fp32", "cpu", "fp32"), ("amp", "cuda:0", "amp")] {
        let how = ["--output-dir", out, "--device", device, "--precision", precision];
        card.ok(&[&["embed", "--model-path", "whole", "--data-dir", photos][..], &how].concat(), &[]);
    }
    let [exact, amp] = ["fp32", "amp"].map(|out| embeddings(&card.stage.root.join(out)));
    let apart = farthest(&exact, &amp);
    assert!(apart > 1e-5 && apart < 0.05, "{apart}");
    // half the memory for maps
    let most = |precision: &str| {
        let args = ["bench", "--backbone", "resnet18", "--batch-size", "8", "--image-size", "64", "--seconds", "0"];
        card.most_used(&[&args[..], &["--device", "cuda:0", "--precision", precision]].concat(), ("STANDIN_ORDER", ""))
    };
    let (high, amp) = (most("high"), most("amp"));
    assert!(amp < high, "{amp} and {high}");
}

#[test]
fn cuda_that_fails_in_mid_step_ends_the_run_with_its_checkpoint_kept() {
    let Some(card) = Card::new() else { return };
    card.ok(&card.train("triplet", "whole"), &[]);
    let whole = bytes(card.stage.root.join("whole").join(LAST));
    // in the first epoch, and after its checkpoint
    for (at, resumed) in [("400", "resumed after step 0"), ("1800", "resumed after step")] {
        let said = card.says(&card.train("triplet", at), &[("STANDIN_FAIL_AT", at)]);
        assert!(said.contains("the card has failed") && said.contains("run resume"), "{said}");
        assert!(!said.contains("panicked"), "{said}");
        let state = std::fs::read_to_string(card.stage.root.join(at).join("state.json")).unwrap();
        assert!(state.contains("\"failed\"") && state.contains("the card has failed"), "{state}");
        assert_eq!(card.stage.root.join(at).join(LAST).exists(), at == "1800");
        card.ok(&["run", "resume", at, "--foreground"], &[]);
        let log = std::fs::read_to_string(card.stage.root.join(at).join("log.txt")).unwrap();
        assert!(at == "400" || log.contains(resumed), "{log}");
        assert!(bytes(card.stage.root.join(at).join(LAST)) == whole, "{at}: the resumed run ends in other bytes");
    }
}

/// The number after `before` in `text`.
fn number_after(text: &str, before: &str) -> usize {
    let from = text.find(before).unwrap_or_else(|| panic!("no \"{before}\" in {text}")) + before.len();
    text[from..].chars().take_while(char::is_ascii_digit).collect::<String>().parse().unwrap()
}

#[test]
fn cuda_out_of_memory_names_the_batch_that_fits_and_the_run_can_be_resumed() {
    let Some(card) = Card::new() else { return };
    card.ok(&card.train("siamese", "whole"), &[]);
    let others = ("STANDIN_OTHERS", "1073741824");
    let most = |size: &str| {
        let args = [card.train("siamese", size), vec!["--epochs", "1", "--batch-size", size]].concat();
        card.most_used(&args, others)
    };
    let (six, eight) = (most("6"), most("8"));
    assert!(six < eight, "{six} {eight}");
    let limit = usize::midpoint(six, eight).to_string();
    let tight = [("STANDIN_LIMIT", limit.as_str()), others];
    let said = card.says(&card.train("siamese", "small"), &tight);
    assert!(said.contains("out of memory on the card") && said.contains("at a batch of 8"), "{said}");
    assert!(said.contains("other processes hold 1.0 GiB") && said.contains("4242"), "{said}");
    let fits = number_after(&said, "A batch of ");
    assert_eq!(fits, 6, "{said}");
    // what it says is so
    let size = fits.to_string();
    let args = [card.train("siamese", "fits"), vec!["--batch-size", &size]].concat();
    card.ok(&args, &tight);
    card.ok(&["run", "resume", "small", "--foreground"], &[]);
    let last = |run: &str| bytes(card.stage.root.join(run).join(LAST));
    assert!(last("small") == last("whole"), "the resumed run ends in other bytes");
}

#[test]
fn cuda_out_of_memory_at_any_allocation_ends_in_words() {
    let Some(card) = Card::new() else { return };
    card.ok(&card.train("siamese", "whole"), &[]);
    let whole = bytes(card.stage.root.join("whole").join(LAST));
    // weights, moments, the first step's way there and back, later steps
    for at in ["40", "150", "260", "330", "420", "560", "800"] {
        let said = card.says(&card.train("siamese", at), &[("STANDIN_OOM_AT", at)]);
        assert!(said.contains("out of memory on the card") && !said.contains("panicked"), "allocation {at}: {said}");
        let state = std::fs::read_to_string(card.stage.root.join(at).join("state.json")).unwrap();
        assert!(state.contains("\"failed\""), "{state}");
    }
    // a step that found no memory is made again
    card.ok(&["run", "resume", "800", "--foreground"], &[]);
    assert!(bytes(card.stage.root.join("800").join(LAST)) == whole, "the resumed run ends in other bytes");
}

#[test]
fn cuda_embeds_in_smaller_batches_where_memory_is_short() {
    let Some(card) = Card::new() else { return };
    // large enough for its maps to outweigh the weights as they are read
    card.ok(&[card.train("arcface", "run"), vec!["--image-size", "64", "--epochs", "1"]].concat(), &[]);
    let photos = card.stage.photos.to_str().unwrap();
    let embed = |out: &str, more: &[(&str, &str)]| {
        let args = ["embed", "--model-path", "run", "--data-dir", photos, "--output-dir", out, "--device", "cuda:0"];
        card.ok(&args, more);
        embeddings(&card.stage.root.join(out))
    };
    let peak = card.stage.root.join("peak");
    let roomy = embed("roomy", &[("STANDIN_PEAK", peak.to_str().unwrap())]);
    let limit = (std::fs::read_to_string(&peak).unwrap().parse::<usize>().unwrap() - 1).to_string();
    let apart = farthest(&roomy, &embed("tight", &[("STANDIN_LIMIT", &limit)]));
    assert!(apart < 1e-5, "{apart}");
}

#[test]
fn cuda_bench_tells_speed_waiting_and_memory() {
    let Some(card) = Card::new() else { return };
    let args = ["bench", "--backbone", "resnet18", "--batch-size", "2", "--image-size", "32", "--seconds", "0"];
    let args = [&args[..], &["--device", "cuda:0"]].concat();
    let found = card.json(&args, &[]);
    for rate in ["train_photos_per_s", "inference_photos_per_s", "loaded_photos_per_s"] {
        assert!(found[rate].as_f64().unwrap() > 0.0, "{found}");
    }
    assert!((0.0..=1.0).contains(&found["loaded_wait"].as_f64().unwrap()), "{found}");
    assert!(found["memory_bytes"].as_u64().unwrap() > 80 << 20, "{found}");
    let said = card.ok(&args, &[]);
    assert!(said.contains("of the card's memory") && said.contains("waiting"), "{said}");
}

#[test]
fn cuda_memory_of_other_processes_is_shown() {
    let Some(card) = Card::new() else { return };
    let more = [("STANDIN_OTHERS", "3221225472")];
    let found = card.json(&["doctor", "--device", "cuda:0"], &more);
    assert_eq!(found["card"]["other_processes"][0]["pid"], 4242);
    assert_eq!(found["card"]["other_processes"][0]["memory"], 3_221_225_472_u64);
    assert_eq!(found["card"]["memory_used_before_bytes"], 3_221_225_472_u64);
    assert_eq!(found["card"]["utilisation_percent"], 97);
    let output = card.run(&["doctor", "--device", "cuda:0"], &more);
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(said.contains("4242, holds 3.0 GiB") && said.contains("77.0 GiB free"), "{said}");
}

#[test]
fn cuda_doctor_lists_all_that_is_missing() {
    let Some(card) = Card::new() else { return };
    let folder = card.stage.root.join("driver-only");
    std::fs::create_dir(&folder).unwrap();
    let driver = std::fs::canonicalize(card.standin.join("lib/libcuda.so.1")).unwrap();
    std::os::unix::fs::symlink(driver, folder.join("libcuda.so.1")).unwrap();
    let with = |folder: &Path, device: &str| {
        let mut command = on_standin(card.stage.command(&["doctor", "--device", device]), card.standin, &[]);
        let output = command.env("LD_LIBRARY_PATH", folder).env_remove("CUDA_PATH").output().unwrap();
        (output.status.success(), String::from_utf8(output.stderr).unwrap())
    };
    // a machine may have some of them in the places where a linker looks
    let (passed, said) = with(&folder, "cuda:0");
    let found =
        ["cuBLAS is missing", "NVRTC, CUDA's compiler is missing", "cuDNN is missing"].map(|w| said.contains(w));
    let said_what = said.contains("Install the CUDA toolkit 13") || said.contains("Install cuDNN 9");
    assert!(passed || found.contains(&true) && said_what && !said.contains("driver is missing"), "{said}");
    let (_, said) = with(&folder, "auto");
    assert!(passed || said.contains("no card is used"), "{said}");
    // a driver from before the functions that are called
    let old = card.stage.root.join("old-driver");
    std::fs::create_dir(&old).unwrap();
    let source = card.stage.root.join("old.cpp");
    std::fs::write(&source, "extern \"C\" int cuInit(unsigned) { return 0; }").unwrap();
    let mut compile = Command::new("g++");
    let made = compile.args(["-shared", "-fPIC", "-o"]).arg(old.join("libcuda.so.1")).arg(&source).status().unwrap();
    assert!(made.success());
    let (passed, said) = with(&old, "cuda:0");
    assert!(!passed && said.contains("the NVIDIA driver is too old: it has no cu"), "{said}");
    assert!(said.contains("Install NVIDIA's driver 580"), "{said}");
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
    let said = card.says(&doctor, &[("STANDIN_DRIVER", "12040")]);
    assert!(said.contains("the NVIDIA driver is too old: it is made for CUDA 12.4, and the toolkit is 13.0"), "{said}");
    let output = card.run(&["doctor"], &[("STANDIN_INIT", "100")]);
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(output.status.success() && said.matches("no card is used").count() == 1, "{said}");
}
