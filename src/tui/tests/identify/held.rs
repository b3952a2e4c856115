//! Encounters with photos that the gallery has already.

use super::*;
use crate::gallery::held::Held;
use crate::gallery::since::Since;

#[test]
fn photos_that_the_gallery_has_as_somebody_else_need_a_look_and_that_one_comes_first() {
    let held_of = |mut entry: Entry, name: &str, photos: usize| {
        let held = Held { photo: "1.jpg".into(), individual: name.into(), at: Stamp::from_millis(0) };
        entry.proposal.already = vec![held; photos];
        entry
    };
    let held = |entry: Entry, name: &str| held_of(entry, name, 1);
    let mut entries = three();
    (entries[0], entries[1]) = (held(entries[0].clone(), "t3"), held(entries[1].clone(), "t8"));
    entries.push(held_of(entry("d", Some(Verdict::Known)), "t1", 2)); // a copy
    entries.push(held(entry("e", Some(Verdict::Known)), "t1")); // half a copy of who is proposed reads look, too
    let mut model = model((160, 50));
    let opened = vec![keys("5"), vec![listed()], keys("j"), vec![key(KeyCode::Enter), session(entries.clone())]];
    let (buffer, ..) = drive(&mut model, vec![full(), opened.concat_all()].concat_all());
    let shown = text(&buffer);
    for part in [
        "look: t3?",
        "t3 · 1 of 2 photos are theirs since ",
        "1 t3 0.600   2 t1 0.400   3 t2 0.500",
        "look: t8?",
        "look: t1?",
    ] {
        assert!(shown.contains(part), "{part}: {shown}");
    }
    let (buffer, ..) = drive(&mut model, keys("A"));
    let shown = text(&buffer);
    // what is taken and what stays open is what the rows read
    assert!(shown.contains("1 known name") && shown.contains("stay: 3 to look at."), "{shown}");
    let (_, asked, ..) = drive(&mut model, keys("y"));
    let taken = asked.into_iter().find_map(|e| if let Effect::RuleAll(_, _, all, _) = e { Some(all) } else { None });
    let taken: Vec<_> = taken.unwrap().into_iter().map(|(encounter, ruling, _)| (encounter, ruling)).collect();
    assert_eq!(taken, [("d".into(), Ruling::Known("t1".into()))], "t1 would be refused for the other");
    drive(&mut model, vec![written(None, entries.clone())]);
    assert_eq!(ruled(&mut model, vec![key(KeyCode::Enter)]), [("a".into(), Ruling::Known("t3".into()))]);
    drive(&mut model, vec![vec![written(None, entries)], keys("j")].concat_all());
    assert_eq!(ruled(&mut model, keys("1")), []);
    assert_eq!(ruled(&mut model, vec![key(KeyCode::Enter)]), [("b".into(), Ruling::Known("t8".into()))]);
}

/// A decided encounter whose second photo came later.
fn later() -> Entry {
    let mut later = decided(entry("a", Some(Verdict::Known)), Ruling::Known("t1".into()));
    later.later = vec![1];
    later
}

#[test]
fn what_was_decided_of_other_photos_is_told_so() {
    let mut model = open((160, 50));
    let mut taken_out = later();
    (taken_out.of_others, taken_out.later) = (true, Vec::new());
    let (buffer, ..) =
        drive(&mut model, vec![vec![session(vec![taken_out, entry("b", None)])], keys("jk")].concat_all());
    let shown = text(&buffer);
    for part in ["other photos │", "t1 has none of these photos now; 1 to 3, / and n name it anew"] {
        assert!(shown.contains(part), "{part}: {shown}");
    }
    let mut others = later();
    (others.of_others, others.later) = (true, vec![0, 1]);
    let (buffer, ..) = drive(&mut model, vec![session(vec![others, entry("b", None)])]);
    let shown = text(&buffer);
    let words = "other photos than were decided on: Enter adds 2 new photos to t1";
    assert!(shown.contains(words), "{shown}");
}

#[test]
fn a_photo_of_another_animal_in_a_decided_encounter_is_told_also_where_all_is_done() {
    let held = |name: &str| Held { photo: "1.jpg".into(), individual: name.into(), at: Stamp::from_millis(0) };
    let with = |names: &[&str]| {
        let mut entry = decided(entry("a", Some(Verdict::Known)), Ruling::Known("t1".into()));
        entry.proposal.already = names.iter().map(|name| held(name)).collect();
        entry
    };
    let shown = |entries: Vec<Entry>| text(&drive(&mut open((160, 50)), vec![session(entries)]).0);
    let one = shown(vec![with(&["t1", "t3"])]);
    for part in ["1 is t3's", "1 photo is t3's in the gallery: one photo is not two animals"] {
        assert!(one.contains(part), "{part}: {one}");
    }
    let several = shown(vec![with(&["t3", "t3", "t7"])]);
    for part in ["3 are others'", "2 photos are t3's, 1 is t7's in the gallery"] {
        assert!(several.contains(part), "{part}: {several}");
    }
    assert!(!shown(vec![with(&["t1"])]).contains("two animals"));
}

#[test]
fn one_whose_photos_were_taken_out_of_the_gallery_is_open_and_says_so() {
    let mut model = open((160, 50));
    let mut again = entry("a", Some(Verdict::Known));
    again.taken_out = Some("Cleo".into());
    let done = decided(entry("b", None), Ruling::Skipped);
    let (buffer, ..) = drive(&mut model, vec![vec![session(vec![again, done])], keys("j]")].concat_all());
    let shown = text(&buffer);
    assert!(shown.contains("open again: its photos as Cleo were taken out of the gallery"), "{shown}");
    assert_eq!((model.identify.encounter, model.identify.done().0), (0, 1));
    assert_eq!(ruled(&mut model, vec![key(KeyCode::Enter)]), [("a".into(), Ruling::Known("t1".into()))]);
}

#[test]
fn a_photo_that_came_since_has_distances_of_its_own_and_stands_beside_those_before() {
    let mut model = open((160, 50));
    let mut entry = later();
    let own = NearPhoto { root: "/week".into(), photo: "a/1.jpg".into(), ..entry.best[0].clone() };
    let individual = NearIndividual { individual: "t1".into(), distance: 0.25 };
    entry.since = Some(Box::new(Since::shown(vec![individual], vec![own])));
    let (buffer, ..) =
        drive(&mut model, vec![vec![session(vec![entry, self::entry("b", None)])], keys("jk")].concat_all());
    let shown = text(&buffer);
    assert!(shown.contains("nearest to the new photo  1 t1 0.250"), "{shown}");
    assert_eq!(model.identify.photo, 1);
    assert_eq!(model.identify.known_photo(), Some("/week/a/1.jpg".into()));
    drive(&mut model, keys("h"));
    assert_eq!(model.identify.known_photo(), None, "it is not shown beside itself");
}

#[test]
fn a_photo_that_came_after_the_decision_is_told_and_enter_adds_it() {
    let mut model = open((160, 50));
    let done = |name: &str| decided(entry(name, None), Ruling::Skipped);
    let entries = || vec![later(), done("b"), done("c")];
    let (buffer, ..) = drive(&mut model, vec![vec![session(entries())], keys("jk")].concat_all());
    let shown = text(&buffer);
    for part in [
        "1 with new photos",
        "1 new photo ",
        "photo 2 of 2, new",
        "1 new photo since it was decided: Enter adds it to t1",
    ] {
        assert!(shown.contains(part), "{part}: {shown}");
    }
    assert!(!shown.contains("All 3 encounters decided"), "{shown}");
    let (_, asked, ..) = drive(&mut model, vec![key(KeyCode::Enter)]);
    let rules = |effect: &Effect| match effect {
        Effect::Rule { ruling, corrects, .. } => Some((ruling.clone(), *corrects)),
        _ => None,
    };
    assert_eq!(asked.iter().find_map(rules), Some((Ruling::Known("t1".into()), Some(1))), "upon what stands");
    // it is gone to where nothing is open
    drive(&mut model, vec![vec![written(None, entries())], keys("j]")].concat_all());
    assert_eq!(model.identify.encounter, 0);
}

#[test]
fn of_two_copies_that_are_proposed_as_two_animals_one_is_left_out_and_it_is_said() {
    let mut model = open((160, 50));
    let known = |name: &str, who: &str, copies: &[&str]| {
        let mut entry = entry(name, Some(Verdict::Known));
        entry.proposal.individual = Some(who.into());
        entry.copies = copies.iter().map(|&one| one.to_owned()).collect();
        entry
    };
    // c and d are one photo, too, and one animal
    let entries =
        vec![known("a", "t1", &["p"]), known("b", "t2", &["p"]), known("c", "t3", &["q"]), known("d", "t3", &["q"])];
    let (buffer, ..) = drive(&mut model, vec![vec![session(entries)], keys("A")].concat_all());
    // the question, from where it begins, line after line
    let shown = text(&buffer);
    let begins = shown.lines().find_map(|line| Some(line.split_once("Write down")?.0.chars().count())).unwrap();
    let line = |line: &str| line.chars().skip(begins).collect::<String>().trim_end().to_owned();
    let told = shown.lines().map(line).collect::<Vec<_>>().join(" ");
    for sentence in [
        "Write down 3 known names as proposed, without a look at each?",
        "Open stay: 1 with a photo of another.",
        "One photo is not two animals: b has a photo of a, which is proposed as t1.",
    ] {
        assert!(told.contains(sentence), "{sentence}: {told}");
    }
    let (_, asked, ..) = drive(&mut model, keys("y"));
    let taken = asked.into_iter().find_map(|e| if let Effect::RuleAll(_, _, all, _) = e { Some(all) } else { None });
    assert_eq!(taken.unwrap().into_iter().map(|(one, ..)| one).collect::<Vec<_>>(), ["a", "c", "d"]);
}
