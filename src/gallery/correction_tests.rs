//! What becomes of an encounter's photos when its decision is corrected, whatever has happened to their files, to the names, and
//! to the gallery meanwhile.

use std::fs;
use std::path::PathBuf;

use super::decisions::{By, Proposed, Ruling};
use super::error::Error;
use super::rulings::Ruled;
use super::seen::SEEN_FILE;
use super::session::Session;
use super::sitting::Sitting;
use super::sitting::tests::{stage, write};
use super::store::Gallery;
use super::tests::{embedding, put};
use super::writer::{Adding, Writer};

/// A gallery, a folder of which encounters `a` (two photos) and `b` were seen, and who goes through it.
struct Place {
    _dir: tempfile::TempDir,
    gallery: PathBuf,
    folder: PathBuf,
    sitting: Sitting,
}

impl Place {
    fn new() -> Place {
        let dir = tempfile::tempdir().unwrap();
        let (gallery, folder) = stage(dir.path());
        let sitting = Sitting::new(&gallery, &folder);
        Place { _dir: dir, gallery, folder, sitting }
    }

    fn open(&self) -> Gallery {
        Gallery::open(&self.gallery).unwrap()
    }

    fn decide(&mut self, encounter: &str, ruling: Ruling) -> Result<(), Error> {
        self.proposed(encounter, ruling, Proposed { distance: Some(0.25), ..Proposed::default() })
    }

    /// Decides of `encounter`, of which another decision may stand.
    fn proposed(&mut self, encounter: &str, ruling: Ruling, proposed: Proposed) -> Result<(), Error> {
        let version = self.open().version()?;
        let standing = self.open().decided(self.folder.to_str())?;
        let standing = standing.iter().rfind(|one| !one.undone && one.encounter == encounter && !one.unread);
        let encounters = [(encounter.to_owned(), proposed)];
        let ruled = Ruled { encounters: &encounters, ruling: &ruling, corrects: standing.map(|one| one.change) };
        self.sitting.rule(&[ruled], By::Person, version.into())?.pop().map_or(Ok(()), |(_, error)| Err(error))
    }

    fn write(&mut self, change: impl FnOnce(&mut Writer)) {
        change(&mut Writer::open(&self.gallery).unwrap());
    }

    /// Everyone with the number of photos.
    fn all(&self) -> Vec<String> {
        let all = self.open().individuals().unwrap();
        all.iter().map(|one| format!("{} {}", one.individual, one.photos)).collect()
    }

    /// Goes through `folder` from now on.
    fn go_to(&mut self, folder: PathBuf) {
        (self.sitting, self.folder) = (Sitting::new(&self.gallery, &folder), folder);
    }

    /// Rebuilds as older versions did, without the photos as they were before corrections.
    fn forget(&mut self) {
        self.write(|writer| {
            writer.facts.connection.execute("DELETE FROM photos WHERE gone IS NOT NULL", []).unwrap();
        });
    }

    /// Takes back, and tells of which encounters.
    fn taken_back(&mut self) -> Vec<String> {
        self.sitting.undo().unwrap().into_iter().map(|one| one.encounter).collect()
    }

    fn undo(&mut self) -> Result<(), String> {
        self.sitting.undo().map(drop).map_err(|e| e.to_string())
    }
}

fn new(name: &str) -> Ruling {
    Ruling::New(name.into())
}

fn known(name: &str) -> Ruling {
    Ruling::Known(name.into())
}

#[test]
fn who_comes_back_is_reached_by_its_name_also_where_that_was_given_again() {
    let mut place = Place::new();
    place.decide("a", new("new-001")).unwrap();
    place.decide("a", known("t1")).unwrap();
    place.decide("b", new("new-001")).unwrap();
    assert_eq!(place.all(), ["new-001 1", "t1 4", "t2 1"]);
    // from the last to the first, all is as it was
    place.undo().unwrap();
    place.undo().unwrap();
    assert_eq!(
        (place.all(), place.open().individual("new-001").unwrap().0.photos),
        (vec!["new-001 2".into(), "t1 2".into(), "t2 1".into()], 2)
    );
    place.undo().unwrap();
    assert_eq!(place.all(), ["t1 2", "t2 1"]);

    // while another has the name, nobody comes back without one
    place.decide("a", new("new-001")).unwrap();
    place.decide("a", known("t1")).unwrap();
    let correction = place.open().decided(None).unwrap().pop().unwrap();
    place.decide("b", new("new-001")).unwrap();
    let before = place.all();
    let take_back = |place: &mut Place| Writer::open(&place.gallery).unwrap().take_back(&correction);
    let error = take_back(&mut place).unwrap_err().to_string();
    assert!(error.contains("new-001: another individual has this name") && error.contains("gallery rename"), "{error}");
    assert_eq!(place.all(), before);
    place.write(|writer| drop(writer.rename("new-001", "Zoe").unwrap()));
    take_back(&mut place).unwrap();
    assert_eq!(place.all(), ["Zoe 1", "new-001 2", "t1 2", "t2 1"]);
    assert_eq!(place.open().individual("new-001").unwrap().0.photos, 2, "its name leads to it, no more to Zoe");
}

#[test]
fn a_name_that_is_proposed_for_a_new_individual_was_never_used() {
    let mut place = Place::new();
    let free = |place: &mut Place| place.sitting.look().unwrap().0.free_name.clone();
    assert_eq!(free(&mut place), "new-001");
    place.decide("a", new("new-001")).unwrap();
    place.undo().unwrap();
    assert_eq!(free(&mut place), "new-002", "what was taken back is in old lists");
    place.decide("a", new("new-002")).unwrap();
    place.write(|writer| {
        writer.rename("new-002", "NEW-003").unwrap();
        writer.rename("NEW-003", "new-004").unwrap();
        writer.undo().unwrap();
    });
    assert_eq!(free(&mut place), "new-005");
}

#[test]
fn a_correction_takes_the_photos_along_that_the_gallery_holds_whatever_lies_there_now() {
    let mut place = Place::new();
    place.decide("a", new("t9")).unwrap();
    let vectors = |place: &Place, name: &str| {
        let gallery = place.open();
        let known = gallery.known().unwrap();
        let who = known.individuals.iter().position(|one| one == name).unwrap();
        known.rows_of_individuals()[who].iter().map(|&row| known.embedding(row).to_vec()).collect::<Vec<_>>()
    };
    let before = vectors(&place, "t9");
    // one cannot be read any more, and another lies where the other was
    fs::remove_file(place.folder.join("a/1.jpg")).unwrap();
    fs::write(place.folder.join("a/2.jpg"), "another").unwrap();
    place.decide("a", known("t2")).unwrap();
    assert_eq!(place.all(), ["t1 2", "t2 3"]);
    assert_eq!(vectors(&place, "t2")[1..], before);
    // and when the folder was looked at again, where only one is seen, and that as another
    let turned = [0.3_f32.cos(), 0.3_f32.sin(), 0.0];
    write(&place.gallery, &place.folder, &embedding(), &[("a".into(), turned.to_vec()), ("b".into(), turned.to_vec())]);
    fs::write(place.folder.join("a/1.jpg"), "one more").unwrap();
    place.decide("a", known("t1")).unwrap();
    assert_eq!((place.all(), &vectors(&place, "t1")[2..]), (vec!["t1 4".into(), "t2 1".into()], &before[..]));
    // until all are back
    for all in [["t1 2", "t2 3"].to_vec(), ["t1 2", "t2 1", "t9 2"].to_vec()] {
        place.undo().unwrap();
        let mut now = place.all();
        now.sort();
        assert_eq!(now, all);
    }
}

#[test]
fn a_correction_keeps_what_was_proposed_first() {
    let mut place = Place::new();
    let first =
        Proposed { individual: Some("t2".into()), probability: Some(0.7), distance: Some(0.4), ..Proposed::default() };
    place.proposed("b", known("t2"), first.clone()).unwrap();
    let by_its_own =
        Proposed { individual: Some("t2".into()), probability: Some(0.93), distance: Some(0.0), ..Proposed::default() };
    place.proposed("b", known("t1"), by_its_own).unwrap();
    let log = place.open().decided(None).unwrap();
    assert_eq!((log.len(), &log[1].proposed, &log[1].ruling), (2, &first, &known("t1")));
}

#[test]
fn a_later_change_that_stands_in_the_way_is_told_and_taken_back_the_decision_goes() {
    let mut place = Place::new();
    let corrected = |place: &mut Place| {
        place.decide("a", known("t1")).unwrap();
        place.decide("a", known("t2")).unwrap();
    };
    let told = |place: &mut Place, words: &[&str]| {
        let before = place.all();
        let error = place.undo().unwrap_err();
        assert!(words.iter().all(|word| error.contains(word)) && !error.contains('\n'), "{error}");
        assert!(!error.to_lowercase().contains("constraint"), "{error}");
        assert_eq!(place.all(), before);
        place.sitting.look().unwrap();
    };
    corrected(&mut place);
    place.write(|writer| drop(writer.remove("t2", &["a/1.jpg".into()]).unwrap()));
    told(&mut place, &["a/1.jpg: a later change", "number 4 (rm: 1 photo of t2 taken out)", "gallery undo"]);
    // and come again as somebody else
    let again = |writer: &mut Writer, path: &str| {
        let (mut photo, row) = super::tests::photo(9, "t5");
        let sha256 = super::hash::of_file(&place_of(writer).join("week").join(path)).unwrap();
        photo.root = place_of(writer).join("week").to_str().unwrap().into();
        (photo.path, photo.sha256) = (path.into(), sha256);
        writer.add(&mut Adding::new("add", "from week".into()), &[photo], &row).unwrap();
    };
    place.write(|writer| again(writer, "a/1.jpg"));
    told(&mut place, &["number 4 (rm"]);
    place.write(|writer| drop(writer.undo().unwrap()));
    place.write(|writer| drop(writer.undo().unwrap()));
    place.undo().unwrap();
    assert_eq!(place.all(), ["t1 4", "t2 1"]);
    place.undo().unwrap();

    // skipped, its photo came otherwise
    place.decide("b", known("t1")).unwrap();
    place.decide("b", Ruling::Skipped).unwrap();
    place.write(|writer| again(writer, "b/1.jpg"));
    told(&mut place, &["b/1.jpg: a later change", "(add: from week)"]);
    place.write(|writer| drop(writer.undo().unwrap()));
    place.undo().unwrap();
    assert_eq!(place.all(), ["t1 3", "t2 1"]);
}

fn place_of(writer: &Writer) -> PathBuf {
    writer.folder().parent().unwrap().to_path_buf()
}

#[test]
fn what_a_rebuild_left_nothing_of_stays_and_what_is_older_can_be_taken_back() {
    let mut place = Place::new();
    place.write(|writer| put(writer, &mut Adding::new("add", "more".into()), &[(5, "t3")]).unwrap());
    place.decide("a", known("t1")).unwrap();
    place.decide("b", known("t1")).unwrap();
    place.decide("b", known("t2")).unwrap();
    place.forget();
    place.undo().unwrap();
    assert_eq!(place.all(), ["t1 2", "t2 2", "t3 1"], "a is open again, and b stays");
    let error = place.undo().unwrap_err();
    assert!(error.contains("rebuilt since") && error.contains("correct the encounter again"), "{error}");
    place.decide("b", known("t1")).unwrap();
    place.undo().unwrap();
    let mut said = String::new();
    place.write(|writer| said = writer.undo().unwrap().said);
    assert!(
        said.starts_with("taken back: identify: week/b is t1") && said.contains("stays, as the gallery was rebuilt"),
        "{said}"
    );
    place.write(|writer| said = writer.undo().unwrap().said);
    assert!(said.starts_with("taken back: add: more"), "{said}");
    place.write(|writer| said = writer.undo().unwrap_err().to_string());
    assert!(said.contains("rebuilt since"), "{said}");
}

#[test]
fn a_correction_that_stays_hides_nothing_of_another_folder() {
    let mut place = Place::new();
    let (week, other) = (place.folder.clone(), place.folder.with_file_name("week2"));
    let turned = [0.2_f32.cos(), 0.2_f32.sin(), 0.0];
    // encounters of the same names
    write(&place.gallery, &other, &embedding(), &[("a".into(), turned.to_vec()), ("b".into(), turned.to_vec())]);
    place.go_to(other.clone());
    place.decide("b", Ruling::Skipped).unwrap();
    place.decide("a", Ruling::Skipped).unwrap();
    place.go_to(week);
    place.decide("a", known("t1")).unwrap();
    place.decide("a", Ruling::Skipped).unwrap();
    place.forget();
    let error = place.undo().unwrap_err();
    assert!(error.contains("rebuilt since"), "{error}");
    place.go_to(other);
    assert_eq!([place.taken_back(), place.taken_back()], [["a"], ["b"]]);
    assert!(place.taken_back().is_empty(), "nothing is decided there");
}

#[test]
fn of_a_group_that_is_taken_back_who_was_corrected_for_good_is_not_told_to_be_open() {
    let mut place = Place::new();
    let version = place.open().version().unwrap();
    let both = ["a", "b"].map(|one| (one.to_owned(), Proposed::default()));
    let ruled = Ruled { encounters: &both, ruling: &new("t9"), corrects: None };
    assert!(place.sitting.rule(&[ruled], By::Person, version.into()).unwrap().is_empty());
    place.decide("a", Ruling::Skipped).unwrap();
    place.forget();
    assert_eq!(place.taken_back(), ["b"]);
    assert_eq!(place.all(), ["t1 2", "t2 1"]);
    let said: Vec<String> = place.open().changes().unwrap().into_iter().map(|change| change.said).collect();
    let last = "taken back: identify: 2 encounters (week/a and others) are t9, a new individual; week/b is open again";
    assert_eq!(said.last().map(String::as_str), Some(last), "nothing of a");
    let entries = Session::read(&place.gallery, &place.folder).unwrap().entries.clone();
    let stands: Vec<_> = entries.iter().map(|entry| entry.decided.as_ref().map(|one| one.ruling.clone())).collect();
    assert_eq!(stands, [Some(Ruling::Skipped), None]);
}

#[test]
fn who_skipped_what_could_not_be_read_decides_when_good_copies_come() {
    let mut place = Place::new();
    let path = super::seen::place(&place.gallery, &place.folder).join(SEEN_FILE);
    let seen = fs::read_to_string(&path).unwrap();
    let good = seen.lines().last().unwrap().replace("\"b", "\"c");
    let none = r#"{"encounter":"c","files":[],"photos":[],"vectors":[],"unread":[["c/1.jpg","it is no photo"]]}"#;
    fs::write(&path, format!("{seen}{none}\n")).unwrap();
    let stands =
        |place: &Place, at: usize| Session::read(&place.gallery, &place.folder).unwrap().entries[at].decided.clone();
    place.decide("c", Ruling::Skipped).unwrap();
    place.decide("b", Ruling::Skipped).unwrap();
    assert_eq!(stands(&place, 2).map(|one| (one.ruling, one.unread)), Some((Ruling::Skipped, true)));
    assert!(matches!(place.decide("c", Ruling::Skipped), Err(Error::AlreadyDecided { .. })));
    fs::create_dir_all(place.folder.join("c")).unwrap();
    fs::write(place.folder.join("c/1.jpg"), "a good copy").unwrap();
    let sha256 = crate::data::hex::hex(&super::hash::of_file(&place.folder.join("c/1.jpg")).unwrap());
    let mut good: serde_json::Value = serde_json::from_str(&good).unwrap();
    good["photos"][0]["sha256"] = sha256.into();
    fs::write(&path, format!("{seen}{none}\n{good}\n")).unwrap();
    assert_eq!(stands(&place, 2), None, "it is open");
    assert_eq!(stands(&place, 1).map(|one| one.ruling), Some(Ruling::Skipped), "what was seen and skipped is not");
    place.decide("c", Ruling::Skipped).unwrap();
    assert!(stands(&place, 2).is_some(), "who sees it may skip it, too");
    place.decide("c", known("t1")).unwrap();
    assert_eq!(place.all(), ["t1 3", "t2 1"]);
}

#[test]
fn one_photo_in_two_encounters_is_not_two_animals() {
    let mut place = Place::new();
    let path = super::seen::place(&place.gallery, &place.folder).join(SEEN_FILE);
    let seen = fs::read_to_string(&path).unwrap();
    let lines: Vec<serde_json::Value> = seen.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let mut second = lines[1].clone();
    second["photos"][0]["sha256"] = lines[0]["photos"][1]["sha256"].clone();
    fs::copy(place.folder.join("a/2.jpg"), place.folder.join("b/1.jpg")).unwrap();
    fs::write(&path, format!("{}\n{second}\n", lines[0])).unwrap();
    let told = |error: Error, other: &str, name: &str| {
        let error = error.to_string();
        assert!(
            error.contains(&format!("skip {other} first, which is decided as {name}, then name both: ")),
            "{error}"
        );
    };
    place.decide("a", known("t1")).unwrap();
    told(place.decide("b", known("t2")).unwrap_err(), "a", "t1");
    told(place.decide("b", new("t9")).unwrap_err(), "a", "t1");
    place.decide("b", known("t1")).unwrap();
    assert_eq!(place.all(), ["t1 4", "t2 1"]);
    // nor by a correction
    told(place.decide("a", known("t2")).unwrap_err(), "b", "t1");
    place.decide("b", Ruling::Skipped).unwrap();
    place.decide("a", known("t2")).unwrap();
    assert_eq!(place.all(), ["t1 2", "t2 3"]);
    place.decide("b", known("t2")).unwrap();
    assert_eq!(place.all(), ["t1 2", "t2 3"], "the photo is there once");
}
