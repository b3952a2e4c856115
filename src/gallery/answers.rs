//! A file of decisions that grows, an object a line: whoever was killed goes on where it was. Of an encounter with several lines
//! the last one counts.

use std::collections::HashMap;
use std::fs::File;
use std::io::Write;
use std::path::{Path, PathBuf};

use crate::data::foreign;
use crate::run::{RunError, files};

use super::identify::{Decision, Unread};
use super::{Error, Result};

/// Longest line that is read, in bytes.
const LONGEST: u64 = 64 << 20;

/// The file, to append to.
#[derive(Debug)]
pub struct Answers {
    file: File,
    path: PathBuf,
    /// By encounter, as decided last.
    decided: HashMap<String, Answered>,
}

/// What was decided of an encounter.
#[derive(Debug)]
struct Answered {
    /// The place of its first line among the encounters.
    at: usize,
    photos: Vec<String>,
    unread: Vec<Unread>,
    is_new: bool,
    group: Option<String>,
    /// The group that a line said last, whatever was decided since.
    named: Option<String>,
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
                take(&mut decided, answer);
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

    /// Whether there is a decision on the encounter that was made with just these `photos`, whatever their order; with those that
    /// could not be read as long as their files are as they were.
    pub fn has(&self, encounter: &str, photos: &[String]) -> bool {
        let sorted = |photos: &[String]| {
            let mut photos = photos.to_vec();
            photos.sort();
            photos
        };
        self.decided.get(encounter).is_some_and(|answered| {
            sorted(&asked(&answered.photos, &answered.unread)) == sorted(photos)
                && answered.unread.iter().all(Unread::is_as_it_was)
        })
    }

    /// Whether it has `decision`, made with the same photos and without the same that cannot be read.
    pub fn has_such(&self, decision: &Decision) -> bool {
        self.has(&decision.encounter, &asked(&decision.photos, &decision.unread))
    }

    /// Whether the decision on the encounter was made with the photo, or without it as it cannot be read.
    pub fn has_photo(&self, encounter: &str, photo: &str) -> bool {
        self.decided.get(encounter).is_some_and(|answered| {
            let is_unread = |unread: &Unread| unread.photo == photo && unread.is_as_it_was();
            answered.photos.iter().any(|there| there == photo) || answered.unread.iter().any(is_unread)
        })
    }

    /// The encounters of new individuals with their photos, in the file's order.
    pub fn new_ones(&self) -> Vec<(&str, &[String])> {
        let mut new: Vec<_> = self.decided.iter().filter(|(_, answered)| answered.is_new).collect();
        new.sort_by_key(|(_, answered)| answered.at);
        new.into_iter().map(|(encounter, answered)| (encounter.as_str(), &answered.photos[..])).collect()
    }

    /// Whether there are encounters of new individuals that have no group.
    pub fn has_ungrouped(&self) -> bool {
        self.decided.values().any(|answered| answered.is_new && answered.group.is_none())
    }

    /// The group of the encounter, which is of a new individual.
    pub fn group_of(&self, encounter: &str) -> Option<&str> {
        self.decided.get(encounter)?.group.as_deref()
    }

    /// The groups that any line said, by their encounters, the last one of each: nobody else is called so, also where that encounter
    /// was decided anew since.
    pub fn names(&self) -> impl Iterator<Item = (&str, &str)> {
        self.decided.iter().filter_map(|(encounter, answered)| Some((encounter.as_str(), answered.named.as_deref()?)))
    }

    /// Gives encounters of new individuals their groups in `groups`; others keep theirs. Decisions that say so are appended, as
    /// somebody else may be appending, too.
    ///
    /// # Errors
    /// When it cannot be read or written.
    pub fn group(&mut self, groups: &HashMap<String, String>) -> Result<()> {
        let fail = |e| RunError::io("read", &self.path, e);
        let mut others: HashMap<String, (usize, Decision)> = HashMap::new();
        let mut line_number = 0;
        files::each_line(&self.path, LONGEST, |line| {
            let Ok(mut answer) = serde_json::from_slice::<Decision>(line) else { return false };
            let group = groups.get(&answer.encounter).filter(|_| answer.is_new());
            others.remove(&answer.encounter); // the last line counts
            if group.is_some() && answer.group.as_ref() != group {
                answer.group = group.cloned();
                others.insert(answer.encounter.clone(), (line_number, answer));
            }
            line_number += 1;
            true
        })
        .map_err(fail)?;
        let mut others: Vec<(usize, Decision)> = others.into_values().collect();
        others.sort_by_key(|(line, _)| *line);
        others.iter().try_for_each(|(_, decision)| self.append(decision))
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
        take(&mut self.decided, decision.clone());
        Ok(())
    }
}

/// The photos that were asked about: those read, and those that could not be.
fn asked(photos: &[String], unread: &[Unread]) -> Vec<String> {
    photos.iter().chain(unread.iter().map(|unread| &unread.photo)).cloned().collect()
}

fn take(decided: &mut HashMap<String, Answered>, answer: Decision) {
    let before = decided.get(&answer.encounter);
    let at = before.map_or(decided.len(), |before| before.at);
    let named = answer.group.clone().or_else(|| before.and_then(|before| before.named.clone()));
    let is_new = answer.is_new();
    let Decision { encounter, photos, unread, group, .. } = answer;
    decided.insert(encounter, Answered { at, photos, unread, is_new, group, named });
}

#[cfg(test)]
mod tests {
    use super::super::identify::Verdict;
    use super::*;

    fn decision(encounter: &str) -> Decision {
        Decision {
            individual: Some("t1".into()),
            ..Decision::open(encounter.into(), vec![format!("{encounter}/1.jpg")])
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
            assert_eq!((answers.len(), answers.has("a", &["a/1.jpg".into()])), (lines, lines > 0));
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

    #[test]
    fn an_encounter_is_there_by_its_photos_and_the_last_word_on_it_counts() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("named.jsonl");
        let mut answers = Answers::open(&path).unwrap();
        let more = |photos: &[&str]| photos.iter().map(|&photo| photo.to_owned()).collect::<Vec<_>>();
        answers.append(&decision("a")).unwrap();
        answers.append(&Decision { photos: more(&["a/2.jpg", "a/1.jpg"]), ..decision("a") }).unwrap();
        for answers in [&answers, &Answers::open(&path).unwrap()] {
            assert!(answers.has("a", &more(&["a/1.jpg", "a/2.jpg"])));
            assert!(!answers.has("a", &more(&["a/1.jpg"])) && !answers.has("a", &more(&["a/1.jpg", "a/3.jpg"])));
            assert!(answers.has_photo("a", "a/2.jpg") && !answers.has_photo("b", "a/2.jpg"));
        }
    }

    /// What is kept of an encounter of `photos` of which one could not be read.
    fn unread_of(photos: &[String], which: usize) -> Vec<Unread> {
        use crate::data::manifest::{Problem, ProblemKind};
        use crate::gallery::asked::{Together, bare, loose};
        let asked = bare(photos.iter().map(|one| loose(one.into())).collect());
        let problem = Problem {
            kind: ProblemKind::Unreadable,
            photo: Some(photos[which].clone()),
            line: None,
            reason: "it is truncated".into(),
        };
        let together = Together { encounter: "a".into(), photos: (0..photos.len()).collect() };
        Unread::of(&asked, &together, &[problem])
    }

    #[test]
    fn an_encounter_with_a_broken_photo_is_there_until_that_is_another_file() {
        let dir = tempfile::tempdir().unwrap();
        let (path, broken) = (dir.path().join("named.jsonl"), dir.path().join("2.jpg"));
        std::fs::write(&broken, "half a photo").unwrap();
        let photos = ["a/1.jpg".to_owned(), broken.to_string_lossy().into_owned()];
        let unread = unread_of(&photos, 1);
        assert_eq!((unread.len(), unread[0].bytes), (1, 12));
        let mut answers = Answers::open(&path).unwrap();
        // as it was written before those were kept: it is asked once more
        answers.append(&decision("a")).unwrap();
        let with = Decision { unread, ..decision("a") };
        assert!(!answers.has("a", &photos) && !answers.has_such(&with));
        answers.append(&with).unwrap();
        for answers in [&answers, &Answers::open(&path).unwrap()] {
            assert!(answers.has("a", &photos) && answers.has_such(&with) && answers.has_photo("a", &photos[1]));
            assert!(!answers.has("a", &photos[..1]), "one is gone");
        }
        std::fs::write(&broken, "the whole photo").unwrap();
        assert!(!answers.has("a", &photos) && !answers.has_photo("a", &photos[1]), "it may be read now");
    }

    #[test]
    fn a_photo_that_is_whole_by_now_is_asked_about_again_and_one_that_cannot_be_reached_when_it_is_otherwise() {
        let dir = tempfile::tempdir().unwrap();
        // its copy has ended since it could not be read; the other is no file
        let (whole, folder) = (dir.path().join("1.png"), dir.path().join("2.png"));
        image::RgbImage::new(4, 4).save(&whole).unwrap();
        std::fs::create_dir(&folder).unwrap();
        for (path, is_asked_again) in [(whole, true), (folder, false)] {
            let photo = path.to_string_lossy().into_owned();
            let unread = unread_of(std::slice::from_ref(&photo), 0);
            assert_eq!(unread.len(), 1);
            let mut answers = Answers::open(&dir.path().join("named.jsonl")).unwrap();
            answers.append(&Decision { photos: Vec::new(), unread, ..decision("a") }).unwrap();
            let has =
                |answers: &Answers| (answers.has("a", std::slice::from_ref(&photo)), answers.has_photo("a", &photo));
            assert_eq!(has(&answers), (!is_asked_again, !is_asked_again), "{photo}");
            // another lies there
            let _ = std::fs::remove_dir(&photo).or_else(|_| std::fs::remove_file(&photo));
            assert_eq!(has(&Answers::open(&dir.path().join("named.jsonl")).unwrap()), (false, false), "{photo}");
        }
    }

    #[test]
    fn new_ones_get_their_groups_and_all_else_stays() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("named.jsonl");
        let mut answers = Answers::open(&path).unwrap();
        let new = |encounter: &str| Decision {
            decision: Some(Verdict::NewIndividual),
            individual: None,
            probability: Some(0.9),
            ..decision(encounter)
        };
        let known = Decision { decision: Some(Verdict::Known), ..decision("b") };
        let look = Decision { decision: Some(Verdict::Look), ..decision("c") };
        // c was new before more of its photos came
        for one in [&new("d"), &known, &new("c"), &look, &new("a")] {
            answers.append(one).unwrap();
        }
        assert!(answers.has_ungrouped());
        assert_eq!(answers.new_ones().iter().map(|(one, _)| *one).collect::<Vec<_>>(), ["d", "a"]);
        let groups = ["a", "b", "d"].map(|one| (one.to_owned(), "new 1".to_owned()));
        answers.group(&groups.into()).unwrap();
        assert!(!answers.has_ungrouped());
        // one who appends meanwhile loses nothing, and who is in no group any more that was told keeps the old one
        let mut beside = Answers::open(&path).unwrap();
        answers.group(&[("a".to_owned(), "new 2".to_owned()), ("b".to_owned(), "new 2".to_owned())].into()).unwrap();
        beside.append(&decision("e")).unwrap();
        let lines = std::fs::read_to_string(&path).unwrap();
        let read: Vec<Decision> = lines.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        let grouped = |one, group: &str| Decision { group: Some(group.into()), ..new(one) };
        let before = [new("d"), known, new("c"), look, new("a")];
        assert_eq!(read[..5], before, "no line is changed");
        assert_eq!(read[5..], [grouped("d", "new 1"), grouped("a", "new 1"), grouped("a", "new 2"), decision("e")]);
        let again = Answers::open(&path).unwrap();
        assert_eq!((again.len(), again.has_ungrouped()), (5, false));
        // one that is decided anew, as photos came to it, has no group yet, and it is known how it was called
        let mut anew = Answers::open(&path).unwrap();
        anew.append(&new("a")).unwrap();
        assert_eq!((anew.group_of("a"), anew.has_ungrouped()), (None, true));
        let mut names: Vec<_> = anew.names().collect();
        names.sort_unstable();
        assert_eq!(names, [("a", "new 2"), ("d", "new 1")]);
        assert_eq!(
            (again.group_of("d"), again.group_of("a"), again.group_of("c")),
            (Some("new 1"), Some("new 2"), None)
        );
    }
}
