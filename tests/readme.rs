//! What the README points at is there.

#![allow(clippy::unwrap_used)] // a test may end in one

use std::path::Path;

#[test]
fn its_paths_exist() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let text = std::fs::read_to_string(root.join("README.md")).unwrap();
    let quoted = text.split('`').skip(1).step_by(2);
    let linked = text.split("](").skip(1).map(|rest| rest.split(')').next().unwrap());
    let ours = |path: &&str| ["src/", "configs/", "tests/", "fixtures/"].iter().any(|f| path.starts_with(f));
    let paths: Vec<&str> = quoted.chain(linked).filter(ours).collect();
    assert!(paths.len() > 20, "found only {paths:?}");
    for path in paths {
        assert!(root.join(path).exists(), "README.md names {path}, which is not there");
    }
}
