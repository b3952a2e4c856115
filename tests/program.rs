//! The program as a user runs it: train, evaluate, look at pairs; and what it says when something is wrong.

#![allow(clippy::unwrap_used)] // a test may end in one

mod common;

use std::collections::BTreeMap;

use common::{Stage, bytes};

#[test]
fn a_newcomer_trains_evaluates_and_looks_at_pairs() {
    let stage = Stage::new();
    let trained = stage.json(&stage.train_args("arcface", "models", &[]));
    assert_eq!((trained["status"].as_str(), trained["step"].as_u64()), (Some("finished"), trained["total"].as_u64()));
    assert_eq!(trained["best"]["part"], "valid");

    let photos = stage.photos.to_str().unwrap();
    let report = stage.json(&[
        "evaluate",
        "--model_path",
        "models/best_model.pth",
        "--data_dir",
        photos,
        "--output_dir",
        "results",
    ]);
    for key in [
        "dataset",
        "split",
        "model",
        "preprocessing",
        "queries",
        "gallery",
        "queries_without_match",
        "excluded",
        "rank1",
        "rank5",
        "rank10",
        "map",
        "balanced_rank1",
        "without_exclusion",
    ] {
        assert!(!report[key].is_null(), "report.json has no {key}");
    }
    assert_eq!((report["queries"].as_u64(), report["gallery"].as_u64()), (Some(8), Some(24)));
    assert_eq!(report["excluded"], "encounter");
    let results = stage.root.join("results");
    for file in [
        "report.json",
        "report.md",
        "matches.csv",
        "embeddings.npy",
        "photos.csv",
        "embedding.png",
        "pairs.png",
        "queries.png",
    ] {
        assert!(results.join(file).metadata().is_ok_and(|m| m.len() > 100), "{file}");
    }
    let written: serde_json::Value = serde_json::from_slice(&bytes(results.join("report.json"))).unwrap();
    assert_eq!(written, report);
    recompute(&results, &report);

    // the run knows its photos, and the report goes into its folder
    let id = trained["run"].as_str().unwrap();
    let again = stage.json(&["evaluate", "--model-path", id, "--checkpoint", "best"]);
    assert_eq!(again["rank1"], report["rank1"]);
    let reports = stage.root.join("models/eval");
    assert!(reports.join("test/report.json").exists());
    // another question leaves that report alone
    stage.json(&[
        "evaluate",
        "--model-path",
        id,
        "--query-split",
        "valid",
        "--exclude",
        "none",
        "--checkpoint",
        "last",
    ]);
    assert!(reports.join("valid-nothing-excluded-last/report.json").exists());

    let pair = [format!("{photos}/{}", photo(&results, 0)), format!("{photos}/{}", photo(&results, 5))];
    let said = stage.json(&["pair", &pair[0], &pair[1], "--model-path", id, "--output", "pair.png"]);
    assert!(said["distance"].as_f64().is_some_and(|d| d > 0.0 && d < 2.0));
    assert!(said["verdict"]["sentence"].as_str().is_some_and(|s| s.contains("Pairs of one individual")), "{said}");
    assert!(image::open(stage.root.join("pair.png")).is_ok());

    // photos of nobody in particular
    let folder = stage.root.join("week");
    std::fs::create_dir(&folder).unwrap();
    std::fs::copy(&pair[0], folder.join("one.jpg")).unwrap();
    std::fs::copy(&pair[1], folder.join("two")).unwrap();
    let embedded = stage.json(&["embed", "--model-path", id, "--data-dir", "week", "--output-dir", "vectors"]);
    assert_eq!((embedded["photos"].as_u64(), embedded["embedding_dim"].as_u64()), (Some(2), Some(16)));
    let plotted = stage.json(&["plot", "vectors", "--output", "plot.png"]);
    assert_eq!(plotted["photos"].as_u64(), Some(2));
    assert!(image::open(stage.root.join("plot.png")).is_ok());
}

fn rows(results: &std::path::Path) -> Vec<BTreeMap<String, String>> {
    let mut reader = csv::Reader::from_path(results.join("photos.csv")).unwrap();
    reader.deserialize().map(|row| row.unwrap()).collect()
}

fn photo(results: &std::path::Path, row: usize) -> String {
    rows(results)[row]["photo"].clone()
}

/// Rank-1 and mAP from the two files alone, by the definitions.
fn recompute(results: &std::path::Path, report: &serde_json::Value) {
    let rows = rows(results);
    let raw = bytes(results.join("embeddings.npy"));
    let values: Vec<f64> = raw[raw.len() - rows.len() * 16 * 4..]
        .chunks_exact(4)
        .map(|b| f64::from(f32::from_le_bytes([b[0], b[1], b[2], b[3]])))
        .collect();
    let distance = |a: usize, b: usize| -> f64 {
        (0..16).map(|i| (values[a * 16 + i] - values[b * 16 + i]).powi(2)).sum::<f64>().sqrt()
    };
    let (mut rank1, mut map, mut count) = (0.0, 0.0, 0.0);
    for query in (0..rows.len()).filter(|&i| rows[i]["role"] == "query") {
        let mut gallery: Vec<usize> = (0..rows.len())
            .filter(|&i| rows[i]["role"] == "gallery" && rows[i]["encounter"] != rows[query]["encounter"])
            .collect();
        gallery.sort_by(|&a, &b| distance(query, a).total_cmp(&distance(query, b)));
        let right: Vec<bool> = gallery.iter().map(|&i| rows[i]["individual"] == rows[query]["individual"]).collect();
        let places: Vec<usize> = (0..right.len()).filter(|&i| right[i]).collect();
        count += 1.0;
        rank1 += f64::from(u8::from(right[0]));
        map +=
            places.iter().enumerate().map(|(n, p)| (n + 1) as f64 / (p + 1) as f64).sum::<f64>() / places.len() as f64;
    }
    let near = |key: &str, value: f64| {
        let reported = report[key].as_f64().unwrap();
        assert!((reported - value).abs() < 1e-9, "{key}: {reported}, recomputed {value}");
    };
    near("rank1", rank1 / count);
    near("map", map / count);
}

#[test]
fn the_courses_command_lines_run() {
    let stage = Stage::new();
    let photos = stage.photos.to_str().unwrap();
    // the exercises' flags, with a small network in place of theirs
    let small = ["--epochs", "1", "--batch_size", "8", "--image_size", "32"];
    let lines: [&[&str]; 3] = [
        &["train", "siamese", "--data_dir", photos, "--backbone", "resnet18", "--output_dir", "./siamese_models"],
        &[
            "train",
            "triplet",
            "--data_dir",
            photos,
            "--backbone",
            "resnet18",
            "--embedding_dim",
            "128",
            "--margin",
            "0.3",
            "--mining",
            "hard",
            "--output_dir",
            "./triplet_models",
        ],
        &[
            "train",
            "arcface",
            "--data_dir",
            photos,
            "--backbone",
            "resnet18",
            "--embedding_dim",
            "512",
            "--margin",
            "0.5",
            "--scale",
            "64",
            "--output_dir",
            "./arcface_models",
        ],
    ];
    for line in lines {
        stage.ok(&[line, &small].concat());
    }
    stage.ok(&[
        "evaluate",
        "--model_path",
        "./arcface_models/best_model.pth",
        "--data_dir",
        photos,
        "--output_dir",
        "./evaluation_results",
    ]);
    let listed = stage.json(&["run", "ls"]);
    let methods: Vec<_> = listed["runs"].as_array().unwrap().iter().map(|r| r["method"].as_str().unwrap()).collect();
    assert_eq!(methods, ["arcface", "triplet", "siamese"]);
    // a run can be repeated from its configuration alone
    stage.ok(&["train", "triplet", "--config", "triplet_models/config.toml", "--output-dir", "again"]);
    let last = "checkpoints/last.safetensors";
    assert_eq!(bytes(stage.root.join("again").join(last)), bytes(stage.root.join("triplet_models").join(last)));
}

#[test]
fn how_fast_photos_are_prepared_is_measured_beside_a_peer() {
    let stage = Stage::new();
    let photos = stage.photos.to_str().unwrap();
    // it answers as PyTorch would, and so needs none
    let peer = stage.root.join("python");
    let answer = r#"{"what": "first epoch", "by": "PyTorch 9", "how": "DataLoader", "best": 1.0, "median": 0.5}"#;
    // not by this process: who forks while a file is written keeps it busy
    let write = ["-c", r##"printf "#!/bin/sh\necho '%s'\n" "$1" > "$2" && chmod +x "$2""##, "sh", answer];
    assert!(std::process::Command::new("sh").args(write).arg(&peer).status().unwrap().success());
    let measured = ["bench", "--loading", "--data-dir", photos, "--image-size", "32", "--seconds", "0"];
    let report = stage.json(&[&measured[..], &["--peer", peer.to_str().unwrap()]].concat());
    let first = report["first_photos_per_s"].as_f64().unwrap();
    assert!(report["photos"] == 40 && report["workers"] == 2 && first > 0.0, "{report}");
    assert_eq!(report["peer"][0]["ratio"].as_f64(), Some(first), "{report}");
    assert!(report["later_photos_per_s"].as_f64() > Some(0.0), "{report}");
}

#[test]
fn equal_runs_have_equal_bytes_on_any_number_of_threads() {
    let stage = Stage::new();
    let train = |method: &str, out: &str, threads: &str, workers: &str| {
        let mut command = stage.command(&stage.train_args(method, out, &["--workers", workers]));
        let output = command.env("CARETTA_THREADS", threads).env("RAYON_NUM_THREADS", threads).output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        let run = stage.root.join(out).join("checkpoints");
        [bytes(run.join("last.safetensors")), bytes(run.join("best.safetensors"))]
    };
    for method in ["siamese", "triplet", "arcface", "cross-entropy"] {
        let one = train(method, &format!("{method}-1"), "1", "0");
        let three = train(method, &format!("{method}-3"), "3", "2");
        assert!(one == three, "{method}: one thread and three come to different bytes");
    }
}

/// A call that must fail: its exit code, and words that it must say.
struct Refusal<'a> {
    args: Vec<&'a str>,
    code: i32,
    says: &'a [&'a str],
}

#[test]
fn what_is_wrong_is_said_with_the_way_out() {
    let stage = Stage::new();
    let photos = stage.photos.to_str().unwrap();
    std::fs::write(stage.root.join("bad.toml"), "[optimiser]\nlearning_rate = 1\n").unwrap();
    std::fs::create_dir(stage.root.join("empty")).unwrap();
    let refusal = |args: &[&'static str], code, says| Refusal { args: args.to_vec(), code, says };
    let train = |more: &[&'static str]| [&["train", "arcface", "--data-dir", photos][..], more].concat();
    let split = |more: &[&'static str]| [&["dataset", "split", photos][..], more].concat();
    let cases = vec![
        refusal(&["train", "arcface"], 2, &["--data-dir"]),
        refusal(&["train", "arcface", "--data-dir", "nowhere"], 1, &["nowhere"]),
        refusal(&["train", "arcface", "--data-dir", "empty"], 1, &["empty", "folder per individual"]),
        refusal(&["train", "softmax"], 2, &["siamese", "triplet", "arcface", "cross-entropy"]),
        refusal(
            &["train", "cross-entropy", "--data-dir", "nowhere", "--margin", "0.3"],
            2,
            &["loss.margin does not apply to cross-entropy", "siamese, triplet and arcface only"],
        ),
        Refusal { args: train(&["--config", "bad.toml"]), code: 2, says: &["bad.toml:2", "learning_rate"] },
        Refusal { args: train(&["--set", "optimiser.lrr=1"]), code: 2, says: &["optimiser.lrr", "optimiser.lr"] },
        Refusal { args: train(&["--lr", "fast"]), code: 2, says: &["optimiser.lr = fast", "number"] },
        Refusal { args: train(&["--backbone", "resnet19"]), code: 2, says: &["resnet18"] },
        Refusal { args: train(&["--mining", "hard"]), code: 2, says: &["mining", "triplet"] },
        Refusal { args: train(&["--pretrained"]), code: 1, says: &["resnet50-11ad3fa6.pth", "caretta weights import"] },
        Refusal { args: train(&["--device", "cuda:0"]), code: 1, says: &["cuda:0", "CPU"] },
        Refusal { args: train(&["--split-column", "split_odd"]), code: 1, says: &["split_odd", "split_closed"] },
        Refusal { args: train(&["--split", "opne"]), code: 2, says: &["data.split = \"opne\"", "open"] },
        Refusal {
            args: train(&["--set", "data.split=open", "--split-column", "s"]),
            code: 2,
            says: &["data.split", "column s"],
        },
        refusal(&["dataset", "split", "t.csv", "--strategy", "opne", "--output", "o.csv"], 2, &["opne", "disjoint"]),
        Refusal {
            args: split(&["--strategy", "closed", "--year", "1", "--output", "o.csv"]),
            code: 2,
            says: &["--year", "closed"],
        },
        Refusal { args: split(&["--ratio", "1", "--output", "o.csv"]), code: 1, says: &["share of 1"] },
        Refusal { args: split(&["--output", "bad.toml"]), code: 2, says: &["--output", "already"] },
        refusal(&["evaluate", "--model-path", "nothing"], 1, &["nothing", "run ls"]),
        refusal(&["run", "stop", "nothing"], 1, &["nothing"]),
        refusal(&["plot", "nowhere"], 1, &["nowhere"]),
    ];
    for Refusal { args, code, says } in cases {
        let output = stage.run(&args);
        let stderr = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(code), "{args:?}: {stderr}");
        for word in says {
            assert!(stderr.contains(word), "{args:?} does not say {word}: {stderr}");
        }
    }
}

#[test]
fn a_full_folder_is_never_written_into() {
    let stage = Stage::new();
    let taken = stage.root.join("taken");
    std::fs::create_dir(&taken).unwrap();
    std::fs::write(taken.join("thesis.txt"), "dear to somebody").unwrap();
    let output = stage.run(&stage.train_args("arcface", "taken", &[]));
    assert_eq!(output.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&output.stderr).contains("not empty"));
    assert_eq!(std::fs::read_dir(&taken).unwrap().count(), 1);
    // a run is not trained over
    stage.ok(&stage.train_args("arcface", "models", &["--epochs", "1"]));
    let before = bytes(stage.root.join("models/checkpoints/last.safetensors"));
    let output = stage.run(&stage.train_args("siamese", "models", &[]));
    assert!(String::from_utf8_lossy(&output.stderr).contains("already holds a run"));
    assert_eq!(bytes(stage.root.join("models/checkpoints/last.safetensors")), before);
}

#[test]
fn names_of_others_do_not_reach_the_terminal_raw() {
    let stage = Stage::new();
    // individuals whose names try to clear the screen and to set the title
    let hostile = ["a\x1b[2Jb", "c\x1b]0;owned\x07", "d\u{9b}31m"];
    let source: Vec<_> = image_files(&stage.photos);
    let folder = stage.root.join("hostile");
    for (i, name) in hostile.iter().enumerate() {
        std::fs::create_dir_all(folder.join(name)).unwrap();
        for (j, file) in source.iter().skip(i * 10).take(8).enumerate() {
            std::fs::copy(file, folder.join(name).join(format!("{j}\x1b[31m.jpg"))).unwrap();
        }
        std::fs::write(folder.join(name).join("broken\x1b[5m.jpg"), b"\xff\xd8\xff\xe0 no photo").unwrap();
    }
    let args = [&["train", "arcface", "--data-dir", folder.to_str().unwrap(), "--output-dir", "models"], common::SMALL]
        .concat();
    let mut outputs = vec![stage.run(&args)];
    for args in [
        &["evaluate", "--model-path", "models"][..],
        &["run", "logs", "models"],
        &["run", "ls"],
        &["run", "watch", "models"],
        &["embed", "--model-path", "models", "--data-dir", "hostile", "--output-dir", "vectors"],
    ] {
        outputs.push(stage.run(args));
    }
    for output in outputs {
        let said = [output.stdout.clone(), output.stderr.clone()].concat();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&said));
        let text = String::from_utf8(said).unwrap();
        let raw = |c: char| c.is_control() && c != '\n' && c != '\t';
        assert!(!text.contains(raw), "{text:?}");
    }
    let log = String::from_utf8(bytes(stage.root.join("models/log.txt"))).unwrap();
    assert!(log.contains("broken"), "{log}");
}

fn image_files(photos: &std::path::Path) -> Vec<std::path::PathBuf> {
    let mut files: Vec<_> = std::fs::read_dir(photos.join("images"))
        .unwrap()
        .flat_map(|folder| std::fs::read_dir(folder.unwrap().path()).unwrap())
        .map(|file| file.unwrap().path())
        .collect();
    files.sort();
    files
}

#[test]
fn a_photo_that_cannot_be_read_is_told_and_left_out_and_too_little_left_is_an_error() {
    let stage = Stage::new();
    let files = image_files(&stage.photos);
    let table = String::from_utf8(bytes(stage.photos.join("metadata_splits.csv"))).unwrap();
    let trained = |file: &std::path::Path| {
        let name = file.file_name().unwrap().to_str().unwrap();
        table.lines().any(|row| row.contains(name) && row.split(',').nth(8) == Some("train"))
    };
    let torn = files.iter().find(|f| trained(f)).unwrap();
    std::fs::write(torn, b"\xff\xd8\xff\xe0 torn").unwrap();
    stage.ok(&stage.train_args("triplet", "models", &["--epochs", "1"]));
    let name = torn.file_name().unwrap().to_str().unwrap();
    let log = String::from_utf8(bytes(stage.root.join("models/log.txt"))).unwrap();
    assert!(log.contains(name), "{log}");
    let output =
        stage.run(&["evaluate", "--model-path", "models", "--query-split", "train", "--gallery-split", "train"]);
    assert!(output.status.success());
    let said = String::from_utf8_lossy(&output.stderr).into_owned() + &String::from_utf8_lossy(&output.stdout);
    assert!(said.contains(name), "{said}");
    // all but one individual unreadable
    for file in files.iter().filter(|f| !f.to_str().unwrap().contains("t001")) {
        std::fs::write(file, b"\xff\xd8\xff\xe0 torn").unwrap();
    }
    let output = stage.run(&stage.train_args("triplet", "fewer", &["--epochs", "1"]));
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1));
    assert!(stderr.contains("two individuals") || stderr.contains("individual"), "{stderr}");
}

#[test]
fn a_table_is_split_without_a_photo_at_hand_and_the_split_is_read_back() {
    let stage = Stage::new();
    let rows: String = (0..12).map(|i| format!("{i}.jpg,{},2020-01-{:02}\n", 10 - i % 3, i / 6 + 1)).collect();
    std::fs::write(stage.root.join("t.csv"), format!("path,identity,date\n{rows}")).unwrap();
    let split = |more: &[&str]| stage.json(&[&["dataset", "split", "t.csv"][..], more].concat());
    let made = split(&["--output", "encounters.csv"]);
    assert_eq!((made["strategy"].as_str(), made["seed"].as_u64()), (Some("by-encounter"), Some(666)));
    let numbers = &made["splits"][0];
    assert_eq!((numbers["column"].as_str(), numbers["train"]["encounters"].as_u64()), (Some("split"), Some(3)));
    assert_eq!((numbers["test"]["individuals"].as_u64(), numbers["encounters_in_both"].as_u64()), (Some(3), Some(0)));
    let read = stage.json(&["dataset", "inspect", "encounters.csv"]);
    assert_eq!(read["split"]["train"], numbers["train"]["photos"]);
    assert_eq!(read["split"]["leak"], numbers["leak"]);

    // wildlife-datasets: DisjointSetSplit(n_class_test=1).split(pd.read_csv("t.csv"))
    let made = split(&["--strategy", "disjoint", "--n-class-test", "1", "--column", "split_d", "--output", "d.csv"]);
    assert_eq!(made["splits"][0]["individuals_in_both"], 0);
    let of_strategy = stage.json(&["dataset", "inspect", "t.csv", "--split", "disjoint"]);
    assert_eq!(
        (of_strategy["split"]["name"].as_str(), of_strategy["split"]["unseen"].as_u64()),
        (Some("disjoint"), Some(1))
    );

    let made = split(&["--strategy", "k-fold", "--folds", "2", "--output", "folds.csv"]);
    assert_eq!(made["splits"].as_array().map(Vec::len), Some(2));
    let read = stage.json(&["dataset", "inspect", "folds.csv", "--split-column", "split_fold1"]);
    assert_eq!((read["split"]["train"].as_u64(), read["split"]["test"].as_u64()), (Some(6), Some(6)));

    // a dataset by name is written as it counts
    let photos = stage.photos.to_str().unwrap();
    stage.json(&[
        "dataset",
        "split",
        photos,
        "--strategy",
        "k-fold",
        "--column",
        "split_mine",
        "--output",
        "turtles.csv",
    ]);
    let head = String::from_utf8(bytes(stage.root.join("turtles.csv"))).unwrap();
    assert!(head.lines().next().unwrap().contains(",split_mine_fold4"), "{head}");
}

#[test]
fn a_dataset_is_checked_and_what_is_there_twice_stays_on_one_side() {
    let stage = Stage::new();
    let photos = stage.photos.to_str().unwrap();
    let table = String::from_utf8(bytes(stage.photos.join("metadata_splits.csv"))).unwrap();
    let head: Vec<&str> = table.lines().next().unwrap().split(',').collect();
    let at = |name: &str| head.iter().position(|c| *c == name).unwrap();
    let of_first = table.lines().nth(1).unwrap().split(',').nth(at("identity")).unwrap();
    // one photo of the first individual's every second day is the same file
    let first: Vec<_> =
        table.lines().skip(1).filter(|row| row.split(',').nth(at("identity")) == Some(of_first)).collect();
    let file = |row: &str| stage.photos.join(row.split(',').nth(at("file_name")).unwrap());
    std::fs::copy(file(first[0]), file(first[first.len() - 1])).unwrap();
    std::fs::write(file(first[1]), b"\0\0\0\x18ftypheic\0\0\0\0mif1").unwrap();
    let checked = stage.json(&["dataset", "check", photos]);
    assert_eq!(
        (checked["kinds"]["exact_duplicate"].as_u64(), checked["kinds"]["foreign_format"].as_u64()),
        (Some(1), Some(1))
    );
    let heic = checked["findings"].as_array().unwrap().iter().find(|f| f["kind"] == "foreign_format").unwrap();
    assert!(
        heic["reason"].as_str().unwrap().contains("HEIC") && heic["training"].as_str().unwrap().contains("converted")
    );
    let text = stage.ok(&["dataset", "check", photos]);
    assert!(text.contains("same file (1)") && text.contains("keeps them on one"), "{text}");
    for seed in 0..6 {
        let (seed, out) = (seed.to_string(), format!("{seed}.csv"));
        let args = [
            "dataset",
            "split",
            photos,
            "--strategy",
            "by-encounter",
            "--ratio",
            "0.5",
            "--seed",
            &seed,
            "--output",
            &out,
        ];
        assert!(stage.json(&args)["near_duplicates"].as_u64() >= Some(1));
        let written = String::from_utf8(bytes(stage.root.join(&out))).unwrap();
        let place = written.lines().next().unwrap().split(',').position(|c| c == "split").unwrap();
        let part = |row: &str| {
            let name = row.split(',').nth(at("file_name")).unwrap();
            written.lines().find(|line| line.contains(name)).unwrap().split(',').nth(place).unwrap().to_owned()
        };
        assert_eq!(part(first[0]), part(first[first.len() - 1]));
    }
}
