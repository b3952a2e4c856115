//! A file of decisions that grows, an object a line: whoever was killed goes on where it was.

use std::collections::{HashMap, HashSet};
use std::fs::File;
use std::io::Write;
use std::path::{Path, PathBuf};

use crate::data::foreign;
use crate::run::{RunError, files};

use super::identify::Decision;
use super::{Error, Result};

/// Longest line that is read, in bytes.
const LONGEST: u64 = 64 << 20;

/// The file, to append to.
#[derive(Debug)]
pub struct Answers {
    file: File,
    path: PathBuf,
    /// Photos by encounter, as decided last.
    decided: HashMap<String, HashSet<String>>,
}

impl Answers {
    /// Opens the file at `path`, made if need be; what a killed writer left of its last line is cut off.
    ///
    /// # Errors
    /// When something else is in it, or it cannot be read or written.
    pub fn open(path: &Path) -> Result<Answers> {
        let fail = |e| RunError::io("write", path, e);
        let file = files::open_to_append(path).map_err(fail)?;
        let mut decided = HashMap::new();
        let (whole, rest) = files::each_line(path, LONGEST, |line| match serde_json::from_slice::<Decision>(line) {
            Ok(answer) => {
                decided.insert(answer.encounter, answer.photos.into_iter().collect());
                true
            }
            Err(_) => false,
        })
        .map_err(fail)?;
        // the end, or a torn line: what begins like one of ours
        let is_torn = rest.last() != Some(&b'\n') && (rest.len() as u64) < LONGEST;
        if !(is_torn && (rest.is_empty() || rest.starts_with(b"{"))) {
            return Err(Error::NotAnswers { path: path.into() });
        }
        file.set_len(whole).map_err(fail)?;
        Ok(Answers { file, path: path.into(), decided })
    }

    /// Whether there is a decision on the encounter.
    pub fn has(&self, encounter: &str) -> bool {
        self.decided.contains_key(encounter)
    }

    /// Whether the decision on the encounter was made with the photo.
    pub fn has_photo(&self, encounter: &str, photo: &str) -> bool {
        self.decided.get(encounter).is_some_and(|photos| photos.contains(photo))
    }

    /// Encounters in it.
    pub fn len(&self) -> usize {
        self.decided.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.decided.is_empty()
    }

    /// Writes a decision at the end, in one go.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn append(&mut self, decision: &Decision) -> Result<()> {
        let fail = |e| RunError::io("write", &self.path, e);
        let line = foreign::json(&serde_json::to_string(decision).map_err(|e| fail(e.into()))?) + "\n";
        self.file.write_all(line.as_bytes()).map_err(fail)?;
        self.decided.insert(decision.encounter.clone(), decision.photos.iter().cloned().collect());
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn decision(encounter: &str) -> Decision {
        Decision {
            photos: vec![format!("{encounter}/1.jpg")],
            encounter: encounter.into(),
            decision: None,
            individual: Some("t1".into()),
            probability: None,
            nearest: Vec::new(),
            individuals: Vec::new(),
            approximate: None,
        }
    }

    #[test]
    fn it_goes_on_behind_the_last_whole_line() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("named.jsonl");
        let mut answers = Answers::open(&path).unwrap();
        answers.append(&decision("a")).unwrap();
        answers.append(&decision("b\u{202e}\n")).unwrap();
        let whole = std::fs::read_to_string(&path).unwrap();
        assert_eq!(whole.lines().count(), 2);
        for cut in 1..whole.len() {
            std::fs::write(&path, &whole[..cut]).unwrap();
            let mut answers = Answers::open(&path).unwrap();
            let lines = whole[..cut].matches('\n').count();
            assert_eq!((answers.len(), answers.has("a")), (lines, lines > 0));
            answers.append(&decision("c")).unwrap();
            assert_eq!(Answers::open(&path).unwrap().len(), lines + 1);
        }
        let others = ["theirs", "{}\n", "[]\n", "{\"photos\": 1}\n", "\n"];
        for other in others {
            std::fs::write(&path, other).unwrap();
            let error = Answers::open(&path).unwrap_err().to_string();
            assert!(error.contains("named.jsonl") && error.contains("--output"), "{error}");
            assert_eq!(std::fs::read_to_string(&path).unwrap(), other, "nobody's file is changed");
        }
    }
}
