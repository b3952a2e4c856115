//! Individuals with hostile names: shown harmless wherever they are shown, kept apart, and exported byte for byte.

#![allow(clippy::unwrap_used)]

mod common;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use common::{SMALL, Stage};

/// Paths, control sequences, what turns writing around, two that differ in Unicode normalisation only, markup, and length.
fn labels() -> Vec<String> {
    let mut labels: Vec<String> = [
        "../../x",
        "/etc/passwd",
        "a\u{1b}[2Jb",
        "c\u{1b}]0;owned\u{7}",
        "سلحفاة\u{202e}abc",
        "Zo\u{eb}",
        "Zoe\u{308}",
        "<script>alert(1)</script>|*x*`",
        "a\nb",
        "=1+1",
    ]
    .map(str::to_owned)
    .to_vec();
    labels.push("L".repeat(10_000));
    labels.push("L".repeat(9_999) + "M");
    labels
}

/// Whether a terminal or a page could obey it.
fn harmful(text: &str) -> Option<char> {
    text.chars().find(|&c| c != '\n' && c != '\t' && caretta::data::foreign::is_harmful(c))
}

fn files(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() { found.extend(files(&path)) } else { found.push(path) }
    }
    found.sort();
    found
}

/// The column of this name in a table, as its bytes have it.
fn column(table: &Path, name: &str) -> Vec<String> {
    let mut reader = csv::Reader::from_path(table).unwrap();
    let at = reader.headers().unwrap().iter().position(|c| c == name).unwrap();
    reader.records().map(|row| row.unwrap()[at].to_owned()).collect()
}

#[test]
fn hostile_labels_are_shown_harmless_kept_apart_and_exported_faithfully() {
    let stage = Stage::new();
    let photos: Vec<PathBuf> = files(&stage.photos.join("images"));
    let folder = stage.root.join("hostile");
    std::fs::create_dir(&folder).unwrap();
    let mut table = csv::Writer::from_path(folder.join("metadata.csv")).unwrap();
    table.write_record(["path", "identity", "date"]).unwrap();
    let mut given = Vec::new();
    for (i, label) in labels().iter().enumerate() {
        for day in 0..3 {
            let name = format!("{i}_{day}.jpg");
            std::fs::copy(&photos[(i * 3 + day) % photos.len()], folder.join(&name)).unwrap();
            table.write_record([&name, label, &format!("2019-07-0{}", day + 1)]).unwrap();
            given.push(label.clone());
        }
    }
    table.flush().unwrap();
    let before = files(&stage.root).len();
    let train =
        [&["train", "arcface", "--data-dir", "hostile", "--output-dir", "models"], SMALL, &["--epochs", "1"]].concat();
    for args in [
        &["dataset", "add", "hostile", "--name", "zoo"][..],
        &["dataset", "inspect", "zoo"],
        &["dataset", "check", "zoo"],
        &["dataset", "split", "hostile/metadata.csv", "--strategy", "closed", "--output", "split.csv"],
        &["dataset", "export", "zoo", "--output", "exported.csv"],
        &["dataset", "correct", "zoo", "0_0.jpg", "--individual", "Zo\u{eb}"],
        &["dataset", "corrections", "zoo"],
        &["dataset", "correct", "zoo", "0_0.jpg", "--clear"],
        &train,
        &["evaluate", "--model-path", "models", "--output-dir", "measured"],
        &["embed", "--model-path", "models", "--data-dir", "hostile", "--output-dir", "vectors"],
        &["plot", "vectors", "--output", "plot.svg"],
        &["run", "ls"],
        &["run", "logs", "models"],
    ] {
        for more in [&[][..], &["--json"]] {
            // what writes a file writes none twice
            if more.len() == 1 && !matches!(args[1], "inspect" | "check" | "corrections" | "ls" | "logs") {
                continue;
            }
            let output = stage.run(&[args, more].concat());
            let text = String::from_utf8([output.stdout, output.stderr].concat()).unwrap();
            assert!(output.status.success(), "{args:?}: {text:.2000}");
            assert_eq!(harmful(&text), None, "{args:?}: {text:.2000}");
            let longest = text.lines().map(|line| line.chars().count()).max().unwrap_or(0);
            assert!(longest < 2000 || more.len() == 1, "{args:?}: a line of {longest} characters");
        }
    }
    // what is for eyes is harmless, and what is for machines is whole
    let made: Vec<PathBuf> = ["measured", "vectors"].iter().flat_map(|f| files(&stage.root.join(f))).collect();
    let pages: Vec<&PathBuf> =
        made.iter().filter(|p| p.extension().is_some_and(|e| ["md", "html", "svg"].iter().any(|x| e == *x))).collect();
    assert!(pages.iter().any(|p| p.ends_with("report.md")), "{made:?}");
    let plot = stage.root.join("plot.svg");
    for page in pages.into_iter().chain([&plot]) {
        let text = std::fs::read_to_string(page).unwrap();
        assert_eq!(harmful(&text), None, "{}", page.display());
        assert!(!text.contains("<script>"), "{}", page.display());
        assert!(
            text.lines().all(|line| line.chars().count() < 4000 || line.contains("base64") || line.starts_with('<')),
            "{}",
            page.display()
        );
    }
    let all: BTreeSet<String> = labels().into_iter().collect();
    for (table, name) in [("measured/photos.csv", "individual"), ("vectors/photos.csv", "individual")] {
        let found: BTreeSet<String> = column(&stage.root.join(table), name).into_iter().collect();
        assert_eq!(found, all, "{table}");
    }
    assert_eq!(column(&stage.root.join("exported.csv"), "identity"), given);
    assert_eq!(column(&stage.root.join("split.csv"), "identity"), given);
    assert_eq!(stage.json(&["dataset", "inspect", "zoo"])["individuals"], labels().len());
    // nothing appeared beside what was asked for
    let known =
        ["hostile", "turtles", "models", "measured", "vectors", "workspace", "split.csv", "exported.csv", "plot.svg"];
    for entry in std::fs::read_dir(&stage.root).unwrap() {
        let name = entry.unwrap().file_name().into_string().unwrap();
        assert!(known.contains(&name.as_str()), "{name} appeared");
    }
    assert!(files(&stage.root).len() > before);
}
