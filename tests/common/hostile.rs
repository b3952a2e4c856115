//! What the tests of hostile input share: texts, damages, and what a refusal must look like.

use std::fs;
use std::path::Path;

use caretta::data::foreign;
use proptest::prelude::*;

/// As many cases as are asked for by `CARETTA_HOSTILE_CASES`, else `usually`.
pub fn asked_for(usually: u32) -> u32 {
    std::env::var("CARETTA_HOSTILE_CASES").ok().and_then(|n| n.parse().ok()).unwrap_or(usually)
}

/// What people and machines have put into tables to see what happens.
pub const NASTY: &[&str] = &[
    "",
    " ",
    "../../x",
    "..",
    ".",
    "/etc/passwd",
    "..\\..\\x",
    "a/../../b",
    "a//b",
    "./a",
    "~",
    "C:\\x",
    "CON",
    "\0",
    "a\0b",
    "\u{1b}[2J",
    "\u{1b}]0;owned\u{7}",
    "\u{9b}31m",
    "\u{202e}gpj.exe",
    "\u{2066}x",
    "\u{feff}",
    "a\nb",
    "a\r\nb",
    "a\tb",
    "\"",
    "\"\"",
    "'",
    ",",
    ";",
    "=1+1",
    "@x",
    "$(rm -rf ~)",
    "%s%n",
    "<script>",
    "&amp;",
    "]]>",
    "| a |",
    "سلحفاة",
    "צב",
    "Zo\u{eb}",
    "Zoe\u{308}",
    "海龟",
    "🐢",
    "e\u{301}\u{301}\u{301}",
    "nan",
    "inf",
    "-0",
    "1e999",
    "0x10",
    "1_000",
    "9223372036854775808",
    "-1",
    "true",
    "2019-02-30",
    "99999-01-01",
    "-0001-01-01",
    "2019-07-01",
    "2019-07-01T25:00",
    "train",
    "valid",
    "test",
    "unknown",
    "a.jpg",
    "images/t1/a.JPG",
    "t1",
    "[",
    "]",
    "{",
    "}",
    "#",
    "\\u{1b}",
    "null",
];

pub fn nasty() -> impl Strategy<Value = String> {
    prop_oneof![
        6 => prop::sample::select(NASTY).prop_map(str::to_owned),
        2 => any::<String>(),
        1 => (prop::sample::select(NASTY), 1usize..3000).prop_map(|(text, n)| text.repeat(n)),
    ]
}

/// Bytes with some of them changed, left out, doubled or cut off.
pub fn mangled(bytes: Vec<u8>) -> impl Strategy<Value = Vec<u8>> {
    let change = (any::<prop::sample::Index>(), any::<u8>(), 0u8..6);
    prop::collection::vec(change, 0..6).prop_map(move |changes| {
        let mut bytes = bytes.clone();
        for (at, byte, how) in changes {
            if bytes.is_empty() {
                break;
            }
            let at = at.index(bytes.len());
            match how {
                0 => bytes[at] = byte,
                1 => drop(bytes.remove(at)),
                2 => bytes.insert(at, byte),
                3 => bytes[at] ^= 1 << (byte % 8),
                4 => bytes.truncate(at + 1),
                _ => bytes.extend_from_within(..at),
            }
        }
        bytes
    })
}

/// Whether what is said in one breath can be shown: a line, no harmful character, not endless, with the file's name.
pub fn is_clear(said: &str, file: &str) -> Result<(), TestCaseError> {
    let shown = foreign::block(said);
    prop_assert!(shown.lines().count() == 1, "more than a line: {:?}", clipped(&shown));
    prop_assert!(!shown.contains(foreign::is_harmful), "harmful: {:?}", clipped(&shown));
    prop_assert!(shown.chars().count() < 1500, "endless: {} characters: {:?}", shown.chars().count(), clipped(&shown));
    prop_assert!(shown.contains(file), "does not name {file}: {:?}", clipped(&shown));
    Ok(())
}

pub fn clipped(text: &str) -> String {
    text.chars().take(600).collect()
}

pub fn names(folder: &Path) -> Vec<String> {
    let entries = fs::read_dir(folder).unwrap();
    let mut names: Vec<String> = entries.map(|e| e.unwrap().file_name().to_string_lossy().into_owned()).collect();
    names.sort();
    names
}

pub fn photo_seeds() -> Vec<Vec<u8>> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fuzz/seeds/photo");
    let mut seeds: Vec<Vec<u8>> = names(&folder).iter().map(|name| fs::read(folder.join(name)).unwrap()).collect();
    seeds.push(Vec::new());
    seeds.push(b"\0\0\0\x18ftypheic\0\0\0\0mif1heic".to_vec());
    seeds.push(b"RIFF\x24\0\0\0WEBPVP8 ".to_vec());
    seeds.push(b"GIF89a\x01\0\x01\0\0\0\0;".to_vec());
    seeds
}

/// A photo's bytes, mangled; a header may promise any size.
pub fn photo() -> impl Strategy<Value = Vec<u8>> {
    let size = prop::option::weighted(0.2, any::<(u32, u32)>());
    (prop::sample::select(photo_seeds()).prop_flat_map(mangled), size).prop_map(|(mut bytes, size)| {
        if let (Some((width, height)), Some(b"\x89PNG")) = (size, bytes.get(..4))
            && let Some(header) = bytes.get_mut(16..24)
        {
            header[..4].copy_from_slice(&width.to_be_bytes());
            header[4..].copy_from_slice(&height.to_be_bytes());
        }
        bytes
    })
}

/// A folder of the test's own, in memory where that can be: thousands of cases write it.
pub fn folder() -> tempfile::TempDir {
    let memory = Path::new("/dev/shm");
    if memory.is_dir() { tempfile::tempdir_in(memory) } else { tempfile::tempdir() }.unwrap()
}
