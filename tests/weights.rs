//! Weights of others, and our own: imported, listed, checked, begun with, embedded by, written for other programs.

#![allow(clippy::unwrap_used, clippy::print_stderr)] // a test may end in one, and says when it was skipped

mod common;

use std::path::Path;

use caretta::eval::model::{About, Preprocessing};
use caretta::nn::head::HeadKind;
use caretta::nn::network::{Architecture, Network};
use caretta::nn::ops::Normalisation;
use caretta::nn::weights::names::Naming;
use caretta::nn::weights::{WeightFile, identity};
use common::{Stage, bytes};
use dfdx::prelude::Cpu;

/// A network without a head, its values by the names of `naming`, and its identity.
fn network(backbone: &'static str, naming: &str) -> (Vec<(String, Vec<usize>, Vec<f32>)>, String) {
    let features = caretta::nn::backbone::Backbone::named(backbone).unwrap().features();
    let architecture = Architecture { backbone, head: HeadKind::Pooled, dimensions: features };
    let network = Network::new(&Cpu::default(), architecture, 5).unwrap();
    let mut file = WeightFile::default();
    file.insert_network(&network).unwrap();
    let native: Vec<String> = network.store.iter().map(|p| p.name.clone()).collect();
    let names = Naming::named(naming).unwrap().names(&native).unwrap();
    let tensors = native.iter().zip(names).map(|(native, name)| {
        let (sizes, values) = file.tensors.remove(native).unwrap();
        (name, sizes, values)
    });
    (tensors.collect(), identity(&network).unwrap())
}

/// What `torch.save({key: {"module." + name: tensor}}, _use_new_zipfile_serialization=False)` writes.
fn legacy(key: &str, tensors: &[(String, Vec<usize>, Vec<f32>)]) -> Vec<u8> {
    let text = |text: &str| [b"X", &(text.len() as u32).to_le_bytes()[..], text.as_bytes()].concat();
    let number = |n: usize| [b"J", &(n as i32).to_le_bytes()[..]].concat();
    let tuple =
        |items: &[usize]| [b"(".to_vec(), items.iter().flat_map(|&n| number(n)).collect(), b"t".to_vec()].concat();
    let mut out = b"\x80\x02\x8a\x0a\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19.\x80\x02M\xe9\x03.\x80\x02}.".to_vec();
    out.extend([b"\x80\x02}".to_vec(), text(key), b"}(".to_vec()].concat());
    for (at, (name, sizes, values)) in tensors.iter().enumerate() {
        let strides: Vec<usize> = (0..sizes.len()).map(|axis| sizes[axis + 1..].iter().product()).collect();
        out.extend(text(&format!("module.{name}")));
        out.extend(b"ctorch._utils\n_rebuild_tensor_v2\n((".iter());
        out.extend([text("storage"), b"ctorch\nFloatStorage\n".to_vec(), text(&at.to_string()), text("cpu")].concat());
        out.extend(
            [number(values.len()), b"tQ".to_vec(), number(0), tuple(sizes), tuple(&strides), b"\x89)tR".to_vec()]
                .concat(),
        );
    }
    out.extend(b"us.\x80\x02](".iter());
    (0..tensors.len()).for_each(|at| out.extend(text(&at.to_string())));
    out.extend(b"e.".iter());
    for (.., values) in tensors {
        out.extend((values.len() as u64).to_le_bytes());
        out.extend(values.iter().flat_map(|v| v.to_le_bytes()));
    }
    out
}

fn refused(stage: &Stage, args: &[&str], words: &[&str]) {
    let output = stage.run(args);
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(!output.status.success(), "{args:?}");
    for word in words {
        assert!(stderr.contains(word), "{args:?} does not say {word}: {stderr}");
    }
}

#[test]
fn pytorchs_weights_are_imported_and_embed_as_the_file_itself() {
    let stage = Stage::new();
    let (tensors, identity) = network("efficientnet_lite0", "lukemelas");
    let with_head = [tensors, vec![("_fc.bias".into(), vec![2], vec![0.0; 2])]].concat();
    std::fs::write(stage.root.join("lite0.pth"), legacy("state_dict", &with_head)).unwrap();
    let answer = stage.json(&["weights", "import", "lite0.pth"]);
    let (weights, source) = (&answer["weights"], &answer["weights"]["source"]);
    assert_eq!((&weights["name"], &weights["backbone"]), (&"lite0".into(), &"efficientnet_lite0".into()));
    assert_eq!((&source["naming"], &source["prefix"]), (&"lukemelas".into(), &"module.".into()));
    assert_eq!(source["unwrapped"][0], "state_dict");
    assert_eq!(source["unused"], serde_json::json!(["module._fc.bias"]));
    assert_eq!(source["identity"], identity, "every value is where it belongs");
    assert_eq!(stage.json(&["weights", "import", "lite0.pth"])["new"], false, "the same weights are there once");

    // those of one turtle will do
    let photos = std::fs::read_dir(stage.photos.join("images")).unwrap().next().unwrap().unwrap().path();
    let (photos, count) = (photos.to_str().unwrap(), std::fs::read_dir(&photos).unwrap().count());
    for (model, out) in [("lite0", "by-name"), ("lite0.pth", "by-file")] {
        stage.ok(&["embed", "--model-path", model, "--data-dir", photos, "--output-dir", out]);
    }
    let vectors = |out: &str| bytes(stage.root.join(out).join("embeddings.npy"));
    assert!(vectors("by-name") == vectors("by-file"));
    let verified = stage.json(&["weights", "verify"]);
    assert_eq!((&verified["good"], &verified["bad"]), (&serde_json::json!(["lite0"]), &serde_json::json!([])));

    // and back: timm's names, with the batch norms' epsilon made up for
    stage.ok(&["weights", "export", "lite0", "--names", "timm", "--output", "timm.safetensors"]);
    let again = stage.json(&["weights", "import", "timm.safetensors", "--name", "timm"]);
    assert_eq!(again["weights"]["source"]["naming"], "timm");
    stage.ok(&["embed", "--model-path", "timm", "--data-dir", photos, "--output-dir", "by-timm"]);
    let float = |bytes: Vec<u8>| -> Vec<f32> {
        let body = &bytes[bytes.len() - count * 1280 * 4..];
        body.as_chunks::<4>().0.iter().map(|b| f32::from_le_bytes(*b)).collect()
    };
    let (ours, timms) = (float(vectors("by-name")), float(vectors("by-timm")));
    assert!(ours.iter().zip(&timms).all(|(a, b)| (a - b).abs() < 1e-5));

    // a value changed behind our back
    let place = stage.workspace().join("weights/lite0.safetensors");
    let mut changed = bytes(&place);
    *changed.last_mut().unwrap() ^= 1;
    std::fs::write(&place, changed).unwrap();
    refused(
        &stage,
        &["weights", "verify", "lite0"],
        &["lite0", "changed since it was imported", "import lite0.pth again"],
    );

    assert_eq!(stage.run(&["weights", "rm", "lite0"]).status.code(), Some(2), "nobody sits there to be asked");
    stage.ok(&["weights", "rm", "lite0", "--yes"]);
    let left = stage.json(&["weights", "ls"])["weights"].as_array().unwrap().clone();
    assert_eq!(left.iter().map(|w| w["name"].as_str().unwrap()).collect::<Vec<_>>(), ["timm"]);
}

#[test]
fn what_is_no_weights_is_refused_and_runs_nothing() {
    let stage = Stage::new();
    let fixtures = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/weights");
    let import = |file: &Path, words: &[&str]| {
        refused(&stage, &["weights", "import", file.to_str().unwrap()], words);
    };
    import(
        &fixtures.join("hostile_global.pth"),
        &["asks for posix.system", "not run", "torch.save(model.state_dict(), FILE)"],
    );
    import(&fixtures.join("zip.pth"), &["no backbone known here", "resnet18", "efficientnet_b0"]);
    assert!(!Path::new("/tmp/caretta-was-here").exists());
    // a name that promises another hash, as torchvision's do
    std::fs::copy(fixtures.join("zip.pth"), stage.root.join("resnet18-f37072fd.pth")).unwrap();
    import(&stage.root.join("resnet18-f37072fd.pth"), &["f37072fd", "damaged or another one"]);
    std::fs::write(stage.root.join("a.pth"), b"\x80\x02").unwrap();
    import(&stage.root.join("a.pth"), &["cut short"]);
    assert!(stage.json(&["weights", "ls"])["weights"].as_array().unwrap().is_empty());
    refused(&stage, &["weights", "rm", "a", "--yes"], &["no imported weights of that name"]);
    let photos = stage.photos.to_str().unwrap();
    let train =
        |more: &[&'static str]| [&["train", "arcface", "--backbone", "resnet18", "--data-dir", photos], more].concat();
    let fetch =
        ["resnet18-f37072fd.pth", "47 MB", "download.pytorch.org", "caretta weights import resnet18-f37072fd.pth"];
    refused(&stage, &train(&["--pretrained"]), &fetch);
    refused(&stage, &train(&["--weights", "nothing"]), &["nothing", "weights ls"]);
    assert!(stage.json(&["run", "ls"])["runs"].as_array().unwrap().is_empty(), "a mistake leaves no run behind");
}

#[test]
fn a_run_begins_with_weights_and_says_which_so_that_it_can_be_repeated() {
    let stage = Stage::new();
    let last = |out: &str| bytes(stage.root.join(out).join("checkpoints/last.safetensors"));
    let log = |out: &str| String::from_utf8(bytes(stage.root.join(out).join("log.txt"))).unwrap();
    stage.ok(&stage.train_args("arcface", "first", &["--epochs", "1"]));
    stage.ok(&["weights", "export", "first", "--output", "turtles.safetensors"]);
    let imported = stage.json(&["weights", "import", "turtles.safetensors"]);
    assert!(
        imported["weights"]["source"]["unused"].to_string().contains("embedding.0.weight"),
        "the head stays behind"
    );
    let hash = imported["weights"]["source"]["identity"].as_str().unwrap();

    stage.ok(&stage.train_args("triplet", "second", &["--epochs", "1", "--pretrained"]));
    assert!(
        log("second").contains(&format!("the backbone begins with turtles ({})", &hash[..16])),
        "{}",
        log("second")
    );
    let config = String::from_utf8(bytes(stage.root.join("second/config.toml"))).unwrap();
    assert!(config.contains(&format!("init = \"turtles@{}\"", &hash[..16])), "{config}");
    stage.ok(&stage.train_args("triplet", "scratch", &["--epochs", "1"]));
    assert!(last("second") != last("scratch"));
    stage.ok(&stage.train_args("triplet", "named", &["--epochs", "1", "--weights", "turtles"]));
    assert!(last("second") == last("named"));
    // the run itself is as good as what was exported of it
    stage.ok(&stage.train_args("triplet", "third", &["--epochs", "1", "--init", "first"]));
    let tensors = |out: &str| WeightFile::from_bytes(Path::new(out), &last(out)).unwrap().tensors;
    assert!(tensors("second") == tensors("third"));

    stage.ok(&["train", "triplet", "--config", "second/config.toml", "--output-dir", "again"]);
    assert!(last("second") == last("again"), "repeated from its configuration alone");
    stage.ok(&["weights", "rm", "turtles", "--yes"]);
    let repeat = ["train", "triplet", "--config", "second/config.toml", "--output-dir", "gone"];
    refused(&stage, &repeat, &["turtles"]);
    // others by that name are not those
    stage.ok(&["weights", "import", "second/checkpoints/last.safetensors", "--name", "turtles"]);
    refused(&stage, &repeat, &["turtles has changed", &hash[..16]]);
    refused(
        &stage,
        &stage.train_args("triplet", "wide", &["--backbone", "resnet34", "--init", "first"]),
        &["weights of resnet18"],
    );
}

#[test]
fn weights_keep_how_their_photos_are_normalised() {
    let stage = Stage::new();
    let (tensors, plain) = network("efficientnet_lite0", "lukemelas");
    let folder = stage.root.join("hub");
    std::fs::create_dir(&folder).unwrap();
    std::fs::write(folder.join("lite0.pth"), legacy("state_dict", &tensors)).unwrap();
    let import =
        |more: &[&str]| stage.json(&[&["weights", "import", "hub/lite0.pth"], more].concat())["weights"].clone();
    let imagenet = import(&[]);
    assert_eq!((&imagenet["source"]["identity"], imagenet["source"]["normalised_by"].is_null()), (&plain.into(), true));
    // a configuration beside the file, as in the folders of Hugging Face
    std::fs::write(
        folder.join("config.json"),
        r#"{"pretrained_cfg": {"mean": [0.5, 0.5, 0.5], "std": [0.5, 0.5, 0.5]}}"#,
    )
    .unwrap();
    let half = import(&["--name", "half"]);
    assert_eq!(half["preprocessing"]["mean"], serde_json::json!([0.5, 0.5, 0.5]));
    assert_ne!(half["source"]["identity"], imagenet["source"]["identity"], "other embeddings, other weights");
    let told = stage.ok(&["weights", "import", "hub/lite0.pth", "--mean", ".5,.5,.5", "--std", ".5,.5,.5"]);
    assert!(told.contains("half: ") && told.contains("it was here already") && told.contains("config.json"), "{told}");
    for wrong in
        [&["--mean", "127,127,127", "--std", "58,57,57"][..], &["--mean", ".5,.5,.5"], &["--mean", ".5", "--std", ".5"]]
    {
        refused(&stage, &[&["weights", "import", "hub/lite0.pth"], wrong].concat(), &["--"]);
    }
    let listed = stage.json(&["weights", "ls"])["weights"].clone();
    assert_eq!(listed[0]["preprocessing"]["deviation"], serde_json::json!([0.5, 0.5, 0.5]));
    assert_eq!(stage.json(&["weights", "verify"])["good"], serde_json::json!(["half", "lite0"]));

    let photos = std::fs::read_dir(stage.photos.join("images")).unwrap().next().unwrap().unwrap().path();
    let embed = |model: &str, out: &str| {
        stage.ok(&["embed", "--model-path", model, "--data-dir", photos.to_str().unwrap(), "--output-dir", out]);
        let about = bytes(stage.root.join(out).join("embeddings.json"));
        (
            bytes(stage.root.join(out).join("embeddings.npy")),
            serde_json::from_slice::<serde_json::Value>(&about).unwrap(),
        )
    };
    let (as_half, about) = embed("half", "as-half");
    assert_eq!(about["preprocessing"]["mean"], serde_json::json!([0.5, 0.5, 0.5]));
    assert!(as_half != embed("lite0", "as-imagenet").0);
    assert!(as_half == embed("hub/lite0.pth", "as-file").0, "the file itself is seen as what lies beside it says");

    // a run that begins with them sees as they did, says so, and what comes of it does too
    let small = ["--backbone", "efficientnet_lite0", "--epochs", "1"];
    stage.ok(&stage.train_args("arcface", "run", &[&small[..], &["--weights", "half"]].concat()));
    let log = String::from_utf8(bytes(stage.root.join("run/log.txt"))).unwrap();
    assert!(log.contains("(RGB / 255 - [0.5, 0.5, 0.5])"), "{log}");
    let (_, about) = embed("run", "of-run");
    assert_eq!(about["preprocessing"]["deviation"], serde_json::json!([0.5, 0.5, 0.5]));
    stage.ok(&["weights", "export", "run", "--output", "run.safetensors"]);
    std::fs::remove_file(folder.join("config.json")).unwrap();
    let again = stage.json(&["weights", "import", "run.safetensors"])["weights"].clone();
    assert_eq!(again["preprocessing"]["mean"], serde_json::json!([0.5, 0.5, 0.5]));
    // its configuration names the weights as they are seen: the same values by ImageNet's are not those
    stage.ok(&["weights", "rm", "half", "--yes"]);
    stage.ok(&["weights", "import", "hub/lite0.pth", "--name", "half"]);
    refused(
        &stage,
        &["train", "arcface", "--config", "run/config.toml", "--output-dir", "again"],
        &["half has changed"],
    );
}

/// A Python with what `fixtures/onnx/check.py` needs: `CARETTA_PYTHON`, or one of the usual.
fn python() -> Option<std::ffi::OsString> {
    let usual = ["/opt/venv/bin/python", "python3"].map(Into::into);
    let has_all = |python: &std::ffi::OsString| {
        let output = std::process::Command::new(python).args(["-c", "import numpy, onnx, onnxruntime, PIL"]).output();
        output.is_ok_and(|output| output.status.success())
    };
    std::env::var_os("CARETTA_PYTHON").into_iter().chain(usual).find(has_all)
}

#[test]
fn onnx_runtime_gives_the_same_embeddings() {
    let stage = Stage::new();
    let by = Normalisation { mean: [0.5, 0.4, 0.3], deviation: [0.5, 0.25, 0.2] };
    let side = 75;
    let photos = stage.root.join("squares");
    std::fs::create_dir(&photos).unwrap();
    for n in 0..3u32 {
        let paint = |x: u32, y: u32| image::Rgb([x * (n + 3), y * 9 + n, (x / 8 * y) + n * 40].map(|v| v as u8));
        image::RgbImage::from_fn(side, side, paint).save(photos.join(format!("{n}.png"))).unwrap();
    }
    let python = python();
    // squeeze and excite, hard activations and a batch norm after the head; attention in shifted windows
    let networks = [("mobilenet_v3_large", HeadKind::LinearNorm, 24), ("swin_t", HeadKind::Pooled, 768)];
    for (backbone, head, dimensions) in networks {
        let architecture = Architecture { backbone, head, dimensions };
        let network = Network::new(&Cpu::default(), architecture, 5).unwrap();
        let about = About::new(architecture, Preprocessing::new(side, by));
        let mut file = WeightFile { about: serde_json::to_string(&about).unwrap(), ..WeightFile::default() };
        file.insert_network(&network).unwrap();
        let place = stage.root.join("model.safetensors");
        std::fs::write(&place, file.to_bytes(&place).unwrap()).unwrap();
        let answer = stage.json(&["weights", "export", "model.safetensors", "--output", "model.onnx"]);
        assert_eq!((&answer["format"], answer["names"].is_null()), (&"onnx".into(), true));
        let first = bytes(stage.root.join("model.onnx"));
        stage.ok(&["weights", "export", "model.safetensors", "--format", "onnx", "--output", "again"]);
        assert!(first == bytes(stage.root.join("again")), "equal weights, equal bytes");
        let Some(python) = &python else {
            eprintln!("skipped: no Python with numpy, pillow, onnx and onnxruntime (CARETTA_PYTHON)");
            continue;
        };
        let photos = photos.to_str().unwrap();
        stage.ok(&["embed", "--model-path", "model.safetensors", "--data-dir", photos, "--output-dir", "out"]);
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/onnx/check.py");
        let mut check = std::process::Command::new(python);
        let output = check.arg(script).args(["model.onnx", photos, "out"]).current_dir(&stage.root).output().unwrap();
        let said = [output.stdout, output.stderr].map(|s| String::from_utf8_lossy(&s).into_owned()).concat();
        assert!(output.status.success(), "{backbone}: {said}");
    }
    let export = |more: &[&str]| [&["weights", "export", "model.safetensors"], more].concat().join(" ");
    for (args, word) in [
        (export(&["--output", "model.pt"]), ".safetensors or .onnx"),
        (export(&["--output", "model.onnx", "--names", "timm"]), "--names"),
        (export(&["--output", "a.safetensors", "--size", "96"]), "--size"),
        (export(&["--output", "model.onnx", "--size", "7"]), "--size"),
    ] {
        refused(&stage, &args.split(' ').collect::<Vec<_>>(), &[word]);
    }
}
