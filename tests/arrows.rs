//! The house's arrows point one way, and `unsafe` stays in its rooms: every file under `src` is read.

#![allow(clippy::unwrap_used)] // a test may end in one

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

/// What each folder may use beside itself.
const MAY_USE: &[(&str, &[&str])] = &[
    ("data", &[]),
    ("run", &["data"]),
    ("nn", &[]),
    ("loss", &["nn"]),
    ("eval", &["data", "run", "nn"]),
    ("gallery", &["data", "run", "nn", "eval"]),
    ("train", &["data", "run", "nn", "loss", "eval"]),
    ("cli", &["data", "run", "nn", "loss", "eval", "gallery", "train"]),
    ("tui", &["data", "run", "nn", "loss", "eval", "gallery", "train"]),
];

fn sources(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            sources(&path, found);
        } else if path.extension().is_some_and(|e| e == "rs") {
            found.push(path);
        }
    }
}

fn all() -> Vec<(PathBuf, String)> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut found = Vec::new();
    sources(&root, &mut found);
    found.sort();
    let read = |p: PathBuf| {
        let text = fs::read_to_string(&p).unwrap();
        (p.strip_prefix(&root).unwrap().to_path_buf(), text)
    };
    found.into_iter().map(read).collect()
}

/// The first word of a path below `src`, without `.rs`.
fn folder(path: &Path) -> String {
    path.iter().next().unwrap().to_str().unwrap().trim_end_matches(".rs").to_owned()
}

#[test]
fn every_use_follows_the_arrows() {
    let may_use: BTreeMap<_, _> = MAY_USE.iter().copied().collect();
    let mut wrong = Vec::new();
    for (path, text) in all() {
        let from = folder(&path);
        if from == "main" || from == "lib" {
            continue;
        }
        let allowed = may_use.get(from.as_str()).unwrap_or_else(|| panic!("src/{from} has no place in the house"));
        for (number, line) in (1..).zip(text.lines()) {
            let mut rest = line;
            while let Some(at) = rest.find("crate::") {
                rest = &rest[at + "crate::".len()..];
                let to: String = rest.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect();
                if may_use.contains_key(to.as_str()) && to != from && !allowed.contains(&to.as_str()) {
                    wrong.push(format!("src/{}:{number}: {from} uses {to}", path.display()));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "arrows against the house:\n{}", wrong.join("\n"));
}

#[test]
fn unsafe_code_is_allowed_in_the_kernels_and_for_mapped_files_only() {
    let places: Vec<_> = all()
        .into_iter()
        .filter(|(_, text)| text.contains("allow(unsafe_code)"))
        .map(|(path, _)| path.display().to_string())
        .collect();
    assert_eq!(places, ["gallery/mapped.rs", "nn/ops.rs"]);
}

#[test]
fn files_stay_readable() {
    let long: Vec<_> = all()
        .into_iter()
        .filter_map(|(path, text)| {
            // others may borrow what they are set up with
            let text = text.replace("#[cfg(test)]\npub(super) mod tests {", "#[cfg(test)]\nmod tests {");
            let before_tests = text.split("#[cfg(test)]\nmod tests {").next().unwrap_or_default();
            let lines = before_tests.lines().count();
            (lines > 600).then(|| format!("src/{}: {lines} lines", path.display()))
        })
        .collect();
    assert!(long.is_empty(), "more than one idea in a file:\n{}", long.join("\n"));
}
