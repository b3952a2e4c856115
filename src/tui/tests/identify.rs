//! The tab where new photos get their names: what each key writes down, and what no key does.

mod held;
mod looks;
mod shown;
mod typed;
mod unread;

use super::*;
use crate::gallery::decisions::{By, Decided, Proposed, Ruling};
use crate::gallery::identify::{Decision, NearIndividual, NearPhoto, Verdict};
use crate::gallery::session::{Entry, Outline, Session};
use crate::gallery::store::Counts;
use crate::run::stamp::Stamp;
use crate::tui::identify::{GalleryLine, Profile};
use crate::tui::keys::Place;
use crate::tui::message::Written;
use crate::tui::popup::{Asked, Layer};

/// An encounter of two photos near to t1, t2 and t3.
fn entry(name: &str, decision: Option<Verdict>) -> Entry {
    let near = |n: usize| NearPhoto {
        photo: format!("t{n}.jpg"),
        root: "/known".into(),
        individual: format!("t{n}"),
        encounter: "2012-05-01".into(),
        distance: 0.3 + n as f64 / 10.0,
        is_same: false,
    };
    let best: Vec<NearPhoto> = (1..=3).map(near).collect();
    let individuals =
        best.iter().map(|b| NearIndividual { individual: b.individual.clone(), distance: b.distance }).collect();
    let proposal = Decision {
        photos: vec![format!("{name}/1.jpg"), format!("{name}/2.jpg")],
        encounter: name.into(),
        decision,
        individual: Some("t1".into()).filter(|_| decision != Some(Verdict::NewIndividual)),
        probability: decision.map(|_| 0.93),
        group: None,
        nearest: best.clone(),
        individuals,
        approximate: None,
        already: Vec::new(),
        decided: None,
        unread: Vec::new(),
    };
    let photos = proposal.photos.iter().map(|photo| std::path::Path::new("/week").join(photo)).collect();
    let date = Some(jiff::civil::date(2026, 7, 9));

    Entry { photos, date, best, ..Entry::of(proposal) }
}

fn session(entries: Vec<Entry>) -> Message {
    Message::Session("/g".into(), "/week".into(), Ok(read(entries, (9, 1))))
}

/// A decision was written down or taken back, and the session stands so since.
fn written(open_again: Option<&str>, entries: Vec<Entry>) -> Message {
    let session = Ok(read(entries, (9, 2)));
    let written = Written { said: Ok("done".into()), open_again: open_again.map(str::to_owned), session };
    Message::Ruled("/g".into(), "/week".into(), Box::new(written))
}

fn read(entries: Vec<Entry>, version: (u64, u64)) -> std::sync::Arc<Session> {
    let session = Session {
        version,
        up_to: None,
        gallery: "/g".into(),
        folder: "/week".into(),
        counts: Counts { photos: 9, individuals: 3, encounters: 5 },
        entries: entries.into_iter().map(Into::into).collect(),
        promise: None,
        names: vec!["t1".into(), "t2".into(), "t3".into()],
        free_name: "new-001".into(),
        looking: false,
        problems: Vec::new(),
        empty: 0,
    };
    session.into()
}

fn three() -> Vec<Entry> {
    vec![entry("a", Some(Verdict::Known)), entry("b", Some(Verdict::NewIndividual)), entry("c", None)]
}

pub(super) fn listed() -> Message {
    let outline = Outline { folder: "/week".into(), encounters: 3, decided: 1, later: 0 };
    let line = GalleryLine {
        name: "turtles.gallery".into(),
        folder: "/g".into(),
        counts: Ok(Counts { photos: 9, individuals: 3, encounters: 5 }),
        promise: None,
        sessions: vec![outline],
    };
    Message::Galleries(vec![line])
}

/// The tab with the session open.
pub(super) fn opened_session() -> Vec<Message> {
    let looked = Message::Looked("/g".into(), "/week".into());
    vec![keys("5"), vec![listed()], keys("j"), vec![key(KeyCode::Enter), session(three()), looked]].concat_all()
}

fn open(size: (u16, u16)) -> Model {
    let mut model = model(size);
    drive(&mut model, vec![full(), opened_session()].concat_all());
    assert_eq!(model.place(), Place::Encounters);
    model
}

/// What is written down by these keys.
fn ruled(model: &mut Model, messages: Vec<Message>) -> Vec<(String, Ruling)> {
    let written = |effect: Effect| match effect {
        Effect::Rule { encounters, ruling, .. } => {
            let names: Vec<String> = encounters.into_iter().map(|(encounter, _)| encounter).collect();
            Some((names.join(" "), ruling))
        }
        _ => None,
    };
    drive(model, messages).1.into_iter().filter_map(written).collect()
}

/// What is wrong with the line that is typed.
fn refused(model: &Model) -> String {
    let Some(Layer::Prompt(prompt)) = model.layers.last() else { panic!("no line is typed") };
    prompt.error.clone().expect("nothing is wrong with it")
}

fn decided(mut entry: Entry, ruling: Ruling) -> Entry {
    entry.decided = Some(Decided {
        change: 1,
        at: Stamp::from_millis(0),
        folder: "/week".into(),
        encounter: entry.proposal.encounter.clone(),
        ruling,
        by: By::Person,
        proposed: Proposed::default(),
        unread: false,
        undone: false,
        more: false,
        go: None,
        had: None,
    });
    entry
}

#[test]
fn enter_confirms_what_stands_beside_it_and_the_next_open_one_follows() {
    let mut model = open((160, 50));
    let known = |name: &str| Ruling::Known(name.into());
    assert_eq!(ruled(&mut model, vec![key(KeyCode::Enter)]), [("a".into(), known("t1"))]);
    assert_eq!(ruled(&mut model, vec![key(KeyCode::Enter)]), [], "one is written down at a time");
    let mut entries = three();
    entries[0] = decided(entries[0].clone(), known("t1"));
    // what was read before it was written down changes nothing
    drive(&mut model, vec![written(None, entries.clone()), session(three())]);
    assert_eq!((model.identify.encounter, model.identify.done().0), (1, 1));
    // what is decided stays so
    drive(&mut model, keys("k"));
    assert_eq!(ruled(&mut model, vec![key(KeyCode::Enter)]), []);
    // a digit puts another beside it, which is nothing yet
    assert_eq!(ruled(&mut model, keys("jj2")), []);
    assert_eq!(model.identify.shown_name(), Some("t2"));
    assert_eq!(ruled(&mut model, vec![key(KeyCode::Enter)]), [("c".into(), known("t2"))]);
}

#[test]
fn digits_name_and_alt_goes_to_a_tab() {
    let mut model = open((160, 50));
    drive(&mut model, keys("1"));
    assert_eq!(model.place(), Place::Encounters);
    drive(&mut model, vec![Message::Key(KeyEvent::new(KeyCode::Char('2'), KeyModifiers::ALT))]);
    assert_eq!(model.place(), Place::Runs);
    drive(&mut model, keys("5"));
    assert_eq!(model.place(), Place::Encounters);
}

#[test]
fn a_new_individual_comes_after_a_look_at_the_nearest_and_never_under_a_known_name() {
    let mut model = open((160, 50));
    // likely new: Enter shows the nearest, and makes nobody
    assert_eq!(ruled(&mut model, vec![keys("j"), vec![key(KeyCode::Enter)]].concat_all()), []);
    assert_eq!(model.place(), Place::Anew);
    let (buffer, ..) = drive(&mut model, vec![Message::Tick(1001.0)]);
    assert!(text(&buffer).contains("3 t3 distance 0.600"), "{}", text(&buffer));
    let typed = |name: &str| {
        let clear = Message::Key(KeyEvent::new(KeyCode::Char('u'), KeyModifiers::CONTROL));
        vec![vec![clear], keys(name), vec![key(KeyCode::Enter)]].concat_all()
    };
    drive(&mut model, vec![key(KeyCode::Enter)]);
    assert_eq!(ruled(&mut model, typed("t2")), []);
    assert!(refused(&model).contains("known already"));
    assert_eq!(ruled(&mut model, typed("Aphrodite")), [("b".into(), Ruling::New("Aphrodite".into()))]);
}

#[test]
fn a_typed_name_is_a_known_one_and_waits_for_enter() {
    let mut model = open((160, 50));
    drive(&mut model, keys("/T3"));
    assert_eq!(ruled(&mut model, vec![key(KeyCode::Enter)]), []);
    assert_eq!(model.identify.shown_name(), Some("t3"));
    drive(&mut model, vec![keys("/nobody"), vec![key(KeyCode::Enter)]].concat_all());
    assert!(refused(&model).contains("nobody is called nobody"));
    drive(&mut model, vec![key(KeyCode::Esc)]);
    assert_eq!(ruled(&mut model, vec![key(KeyCode::Enter)]), [("a".into(), Ruling::Known("t3".into()))]);
}

#[test]
fn one_is_skipped_and_the_last_decision_taken_back() {
    let mut model = open((160, 50));
    assert_eq!(ruled(&mut model, keys("s")), [("a".into(), Ruling::Skipped)]);
    let (_, asked, ..) = drive(&mut model, vec![vec![written(None, three())], keys("u")].concat_all());
    assert!(asked.contains(&Effect::UndoRuling("/g".into(), "/week".into())), "{asked:?}");
    // the one that is open again is gone back to
    drive(&mut model, vec![keys("jj"), vec![written(Some("a"), three())]].concat_all());
    assert_eq!(model.identify.encounter, 0);
}

#[test]
fn the_known_ones_other_photos_are_gone_through_from_the_nearest_on() {
    let mut model = open((160, 50));
    let photos = ["/known/x.jpg", "/known/t1.jpg", "/known/y.jpg"];
    let photos = photos.iter().map(|path| ((*path).into(), "2012-05-01".to_owned())).collect();
    let met = (2, Some("2011-05-01".into()), Some("2025-06-01".into()));
    let (buffer, ..) =
        drive(&mut model, vec![Message::Profile("/g".into(), Ok(Profile { name: "t1".into(), photos, met }))]);
    assert!(text(&buffer).contains("seen 2011 to 2025, 2 times"), "{}", text(&buffer));
    let mut shown = Vec::new();
    for _ in 0..3 {
        shown.push(model.identify.known_photo().unwrap().file_name().unwrap().to_owned());
        drive(&mut model, keys("L"));
    }
    assert_eq!(shown, ["t1.jpg", "y.jpg", "x.jpg"]);
}

#[test]
fn all_known_names_are_taken_only_after_a_yes() {
    let mut model = open((160, 50));
    let (buffer, asked, ..) = drive(&mut model, keys("A"));
    assert!(!asked.iter().any(|e| matches!(e, Effect::RuleAll(..))) && text(&buffer).contains("1 known name"));
    let (_, asked, ..) = drive(&mut model, keys("y"));
    let taken = asked.into_iter().find_map(|e| if let Effect::RuleAll(_, _, all, _) = e { Some(all) } else { None });
    let taken: Vec<_> = taken.unwrap().into_iter().map(|(encounter, ruling, _)| (encounter, ruling)).collect();
    assert_eq!(taken, [("a".into(), Ruling::Known("t1".into()))], "neither the new one nor the undecided one");
}

#[test]
fn before_all_known_names_are_taken_it_is_told_how_weak_they_are() {
    let mut model = open((160, 50));
    let mut entries = vec![entry("d", Some(Verdict::Known)), entry("e", Some(Verdict::Look))];
    entries[0].proposal.probability = Some(0.41);
    (entries[0].proposal.individual, entries[1].proposal.probability) = (Some("t2".into()), Some(0.2));
    let entries = [three(), entries].concat();
    let (buffer, ..) = drive(&mut model, vec![vec![session(entries)], keys("A")].concat_all());
    // over the photos, a line of it at a time
    let shown = text(&buffer).split(['│', '\n']).map(str::trim).collect::<Vec<_>>().join(" ");
    for part in [
        "2 known names",
        "lowest probability",
        "0.41: d as t2",
        "1 new, 1 to look at",
        "by program",
        "all of them back",
    ] {
        let at = part.split(' ').all(|word| shown.contains(word));
        assert!(at, "{part}: {shown}");
    }
}

#[test]
fn after_all_known_names_are_taken_nobody_stands_picked_beside_an_open_one() {
    let mut model = open((160, 50));
    let mut entries = three();
    entries[2] = entry("c", Some(Verdict::Look));
    drive(&mut model, vec![vec![session(entries.clone())], keys("jj")].concat_all());
    assert_eq!(model.identify.shown_name(), Some("t1"));
    let (_, asked, ..) = drive(&mut model, keys("Ay"));
    assert!(asked.iter().any(|effect| matches!(effect, Effect::RuleAll(..))), "{asked:?}");
    assert_eq!(ruled(&mut model, vec![key(KeyCode::Enter)]), [], "not while they are written down");
    // by the photos that came with the names another is nearest now
    entries[0] = decided(entries[0].clone(), Ruling::Known("t1".into()));
    entries[2].proposal.individuals.swap(0, 1);
    entries[2].best.swap(0, 1);
    entries[2].proposal.individual = Some("t2".into());
    let (buffer, ..) = drive(&mut model, vec![written(None, entries)]);
    let shown = text(&buffer);
    assert!(shown.contains("t2, probability 0.93 · look") && !shown.contains("picked"), "{shown}");
    assert_eq!(ruled(&mut model, vec![key(KeyCode::Enter)]), [("c".into(), Ruling::Known("t2".into()))]);
}

#[test]
fn the_nearest_is_taken_by_its_digit_where_a_new_one_is_proposed() {
    let mut model = open((160, 50));
    drive(&mut model, vec![keys("j"), vec![key(KeyCode::Enter)], keys("1")].concat_all());
    assert_eq!(model.place(), Place::Encounters);
    assert_eq!(ruled(&mut model, vec![key(KeyCode::Enter)]), [("b".into(), Ruling::Known("t1".into()))]);
}

#[test]
fn nobody_is_swapped_under_a_finger_and_no_line_is_about_another_encounter() {
    let mut model = open((160, 50));
    drive(&mut model, keys("3"));
    let mut ranked_anew = three();
    ranked_anew[0].proposal.individuals.reverse();
    drive(&mut model, vec![session(ranked_anew.clone())]);
    assert_eq!(model.identify.shown_name(), Some("t3"));
    drive(&mut model, vec![keys("nn"), keys("Leo")].concat_all());
    ranked_anew[0] = decided(ranked_anew[0].clone(), Ruling::Known("t1".into()));
    // somebody else has decided on it while its name was typed
    let (_, asked, ..) = drive(&mut model, vec![session(ranked_anew), key(KeyCode::Enter)]);
    assert_eq!(model.identify.encounter, 1);
    assert!(!asked.iter().any(|e| matches!(e, Effect::Rule { .. })), "{asked:?}");
}

/// Two new animals, in turn: a, c and d are one.
fn grouped() -> Vec<Entry> {
    let new = |name: &str, group: &str| {
        let mut entry = entry(name, Some(Verdict::NewIndividual));
        entry.proposal.group = Some(group.into());
        entry
    };
    let mut all = vec![new("a", "new 1"), new("b", "new 2"), new("c", "new 1"), new("d", "new 1")];
    // t3 is nearer to c than anybody is to a
    (all[2].proposal.individuals[2].distance, all[2].best[2].distance) = (0.1, 0.1);
    all
}

fn open_grouped() -> Model {
    let mut model = open((160, 50));
    drive(&mut model, vec![session(grouped())]);
    model
}

#[test]
fn a_group_of_new_ones_is_named_in_one_decision_after_a_look_at_who_is_near_to_any_of_it() {
    let mut model = open_grouped();
    let (buffer, ..) = drive(&mut model, vec![Message::Tick(1001.0)]);
    assert!(text(&buffer).contains("new 1 (3)") && text(&buffer).contains("new 2  "), "{}", text(&buffer));
    let (buffer, ..) = drive(&mut model, keys("n"));
    let shown = text(&buffer);
    assert!(shown.contains("new 1 (3): none of these? Enter names all, o only this, l shows more"), "{shown}");
    assert!(shown.contains("1 t3 distance 0.100"), "who is near to one of them is shown first: {shown}");
    let photos: Vec<_> = model.identify.group_photos().into_iter().map(|(encounter, _)| encounter).collect();
    assert_eq!(photos, ["a", "c", "d", "a", "c", "d"]);
    let typed = vec![vec![key(KeyCode::Enter)], keys("Rosa"), vec![key(KeyCode::Enter)]].concat_all();
    let rosa = || Ruling::New("Rosa".into()); // in place of the name that is suggested
    assert_eq!(ruled(&mut model, typed), [("a c d".into(), rosa())]);
    let named = |entry: Entry| match entry.proposal.group.as_deref() {
        Some("new 1") => decided(entry, rosa()),
        _ => entry,
    };
    drive(&mut model, vec![written(None, grouped().into_iter().map(named).collect())]);
    assert_eq!((model.identify.encounter, model.identify.done()), (1, (3, 1)), "three encounters, one new individual");
}

#[test]
fn a_day_that_a_folder_is_called_after_is_told_from_a_cameras() {
    let mut model = open((160, 50));
    let mut entries = three();
    entries[0].photos = vec!["/week/2026-07-09 north/a/1.jpg".into()];
    (entries[1].date, entries[2].photos) = (None, vec!["/week/2026-07-08/1.jpg".into()]);
    drive(&mut model, vec![session(entries)]);
    for (pressed, told) in [("k", "a · 2026-07-09 by its folder"), ("j", "b · undated"), ("j", "c · 2026-07-09  ")] {
        let shown = text(&drive(&mut model, keys(pressed)).0);
        assert!(shown.contains(told), "{told}: {shown}");
    }
}

#[test]
fn the_tab_opens_where_it_was_left() {
    let goes_on = |effects: &[Effect]| effects.contains(&Effect::Session("/g".into(), "/week".into()));
    // opened, and kept at once: a screen that is killed says nothing
    let mut model = model((160, 50));
    let (_, asked, ..) = drive(&mut model, vec![full(), opened_session()].concat_all());
    let kept = asked.iter().rev().find_map(|effect| if let Effect::Keep(kept) = effect { Some(kept) } else { None });
    let left = kept.and_then(|kept| kept.sitting.clone());
    assert_eq!(left, Some(("/g".into(), "/week".into())));
    let mut again = super::model((160, 50));
    again.identify.left = left.clone();
    let (_, asked, ..) = drive(&mut again, vec![full(), keys("5"), vec![listed(), session(three())]].concat_all());
    assert!(goes_on(&asked) && again.place() == Place::Encounters, "{asked:?}");
    // Esc is an answer
    let (_, asked, ..) = drive(&mut again, vec![key(KeyCode::Esc), listed()]);
    assert!(!goes_on(&asked) && again.place() == Place::Galleries, "{asked:?}");
    let kept = asked.iter().rev().find_map(|effect| if let Effect::Keep(kept) = effect { Some(kept) } else { None });
    assert_eq!(kept.map(|kept| kept.sitting.clone()), Some(None));
    // nobody knows where it was left: the folder that is not done is chosen
    let mut model = super::model((160, 50));
    drive(&mut model, vec![full(), keys("5"), vec![listed()]].concat_all());
    assert!(model.identify.current().is_some_and(|(_, outline)| outline.is_some()));
    let mut done = listed();
    let Message::Galleries(lines) = &mut done else { panic!("no list") };
    lines[0].sessions[0].decided = 3;
    let mut model = super::model((160, 50));
    model.identify.left = left.clone();
    let (_, asked, ..) = drive(&mut model, vec![full(), keys("5"), vec![done]].concat_all());
    assert!(!goes_on(&asked) && model.identify.current().is_some_and(|(_, outline)| outline.is_none()), "it is done");
    // and photos that came since are not
    let mut later = listed();
    let Message::Galleries(lines) = &mut later else { panic!("no list") };
    (lines[0].sessions[0].decided, lines[0].sessions[0].later) = (3, 2);
    let mut model = super::model((160, 50));
    model.identify.left = left;
    let (buffer, asked, ..) = drive(&mut model, vec![full(), keys("5"), vec![later]].concat_all());
    assert!(goes_on(&asked) && text(&buffer).contains("3 of 3 decided, 2 with new photos"), "{}", text(&buffer));
}

#[test]
fn only_keys_that_do_something_here_are_told() {
    let mut model = open_grouped();
    let footer = |model: &mut Model, pressed: Vec<Message>| {
        let shown = text(&drive(model, pressed).0);
        shown.lines().last().unwrap_or_default().to_owned()
    };
    let shown = footer(&mut model, keys("n"));
    assert!(shown.contains("1 to 3 another") && shown.contains("o only this"), "{shown}");
    let mut entries = grouped();
    entries[1].proposal.individuals.truncate(1);
    entries[1].best.truncate(1);
    let alone = vec![vec![key(KeyCode::Esc), session(entries)], keys("jn")].concat_all();
    let shown = footer(&mut model, alone);
    assert!(shown.contains("1 another") && !shown.contains("only this"), "it is a group of its own: {shown}");
}

#[test]
fn one_key_names_only_this_one_and_a_digit_takes_who_is_shown() {
    let mut model = open_grouped();
    assert_eq!(
        ruled(&mut model, vec![keys("no"), vec![key(KeyCode::Enter)]].concat_all()),
        [("a".into(), Ruling::New("new-001".into()))]
    );
    let mut model = open_grouped();
    drive(&mut model, keys("n1"));
    assert_eq!((model.place(), model.identify.shown_name()), (Place::Encounters, Some("t3")));
    assert_eq!(ruled(&mut model, vec![key(KeyCode::Enter)]), [("a".into(), Ruling::Known("t3".into()))]);
}

#[test]
fn a_group_that_has_changed_under_the_line_is_not_named() {
    let mut model = open_grouped();
    drive(&mut model, vec![keys("n"), vec![key(KeyCode::Enter)]].concat_all());
    let mut others = grouped();
    others[2].proposal.group = Some("new 2".into());
    assert_eq!(ruled(&mut model, vec![session(others), key(KeyCode::Enter)]), []);
    assert!(refused(&model).contains("c is in the group no more"));
    // and one that is decided is in none
    let mut model = open_grouped();
    let mut others = grouped();
    others[2] = decided(others[2].clone(), Ruling::Skipped);
    let typed = vec![vec![session(others)], keys("n"), vec![key(KeyCode::Enter), key(KeyCode::Enter)]].concat_all();
    assert_eq!(ruled(&mut model, typed), [("a d".into(), Ruling::New("new-001".into()))]);
}

#[test]
fn a_decided_encounter_is_gone_back_to_and_named_anew() {
    let mut model = open((160, 50));
    let mut entries = three();
    entries[0] = decided(entries[0].clone(), Ruling::Known("t1".into()));
    // its own photo is the gallery's nearest since
    (entries[0].best[0].root, entries[0].best[0].photo) = ("/week".into(), "a/1.jpg".into());
    let (buffer, ..) = drive(&mut model, vec![vec![written(None, entries)], keys("k")].concat_all());
    assert!(text(&buffer).contains("1 t1 ·   2 t2 0.500"), "{}", text(&buffer));
    assert_eq!(model.identify.known_photo(), None, "it is not shown beside itself");
    assert_eq!(ruled(&mut model, vec![key(KeyCode::Enter)]), [], "t1 it is");
    let (buffer, ..) = drive(&mut model, keys("3"));
    assert!(text(&buffer).contains("t3 · picked, in place of t1"), "{}", text(&buffer));
    let (_, asked, ..) = drive(&mut model, vec![key(KeyCode::Enter)]);
    let corrected = |effect: &Effect| match effect {
        Effect::Rule { ruling, corrects, .. } => Some((ruling.clone(), *corrects)),
        _ => None,
    };
    assert_eq!(asked.iter().find_map(corrected), Some((Ruling::Known("t3".into()), Some(1))));
    let entry = decided(entry("a", Some(Verdict::Known)), Ruling::Known("t3".into()));
    let mut entries = three();
    entries[0] = entry;
    drive(&mut model, vec![written(None, entries)]);
    assert_eq!((model.identify.encounter, model.identify.shown_name()), (0, Some("t3")));
    let (buffer, ..) = drive(&mut model, vec![Message::Tick(1001.0)]);
    let shown = text(&buffer);
    assert!(shown.contains("t3 · decided") && !shown.contains("picked"), "{shown}");
    assert_eq!(ruled(&mut model, vec![key(KeyCode::Enter)]), [], "t3 it is");
    // and the nearest before a new one is made are without itself
    drive(&mut model, keys("n"));
    assert_eq!(model.place(), Place::Anew);
    let named = ruled(&mut model, vec![key(KeyCode::Enter), key(KeyCode::Enter)]);
    assert_eq!(named, [("a".into(), Ruling::New("new-001".into()))]);
    let mut entries = three();
    entries[0] = decided(entries[0].clone(), Ruling::New("new-001".into()));
    entries[0].decided.as_mut().unwrap().change = 2;
    drive(&mut model, vec![written(None, entries)]);
    assert_eq!((model.place(), model.identify.encounter), (Place::Encounters, 0), "they are shown until it is made");
}

#[test]
fn who_is_called_otherwise_since_goes_by_the_new_name() {
    let mut model = open((160, 50));
    drive(&mut model, keys("1"));
    let mut entries = three();
    entries[0].best[0].individual = "Zoe".into();
    entries[0].proposal.individuals[0].individual = "Zoe".into();
    let mut session = (*read(entries, (9, 3))).clone();
    session.names = vec!["Zoe".into(), "t2".into(), "t3".into()];
    drive(&mut model, vec![Message::Session("/g".into(), "/week".into(), Ok(session.into()))]);
    assert_eq!((model.identify.shown_name(), &model.identify.picked), (Some("Zoe"), &None));
}

#[test]
fn the_photos_of_a_group_end_with_the_last_one() {
    let mut model = open_grouped();
    drive(&mut model, keys("nlllllllll"));
    assert_eq!(model.identify.photo, 3, "three of the six are shown");
    drive(&mut model, keys("h"));
    assert_eq!(model.identify.photo, 2);
    drive(&mut model, vec![key(KeyCode::Esc)]);
    drive(&mut model, keys("lllll"));
    assert_eq!(model.identify.photo, 1, "one encounter has two");
}

#[test]
fn photos_stay_beside_the_name_that_is_typed() {
    for (size, keys_typed) in [((160, 50), "/"), ((160, 50), "nn"), ((90, 40), "/"), ((90, 40), "nn")] {
        let mut model = open(size);
        model.images = true;
        drive(&mut model, keys(&keys_typed[..keys_typed.len() - 1]));
        let photos = |model: &Model| {
            let all = crate::tui::view::pictures(model).into_iter();
            all.map(|key| (key.path, key.cells)).collect::<Vec<_>>()
        };
        let before = photos(&model);
        let (buffer, ..) = drive(&mut model, keys(&keys_typed[keys_typed.len() - 1..]));
        let names = |photos: &[(std::path::PathBuf, (u16, u16))]| {
            photos.iter().map(|(path, _)| path.clone()).collect::<Vec<_>>()
        };
        assert!(!before.is_empty() && names(&photos(&model)) == names(&before), "{size:?} {keys_typed}");
        if size.0 == 160 {
            assert_eq!(photos(&model), before, "as they were");
        }
        assert!(text(&buffer).contains("›"), "{}", text(&buffer));
    }
}

#[test]
fn a_folder_that_is_misspelt_stays_to_be_mended() {
    let mut model = open((160, 50));
    let (_, asked, ..) = drive(&mut model, vec![keys("o/wek"), vec![key(KeyCode::Enter)]].concat_all());
    assert_eq!(asked, [Effect::Begin("/g".into(), "/wek".into())]);
    let typed = |path: &str, came| Message::Typed(Asked::NewPhotos("/g".into()), path.into(), came);
    let (buffer, ..) = drive(&mut model, vec![typed("/wek", Err("/wek: there is none".into()))]);
    let shown = text(&buffer);
    assert!(shown.contains("› /wek") && shown.contains("/wek: there is none"), "{shown}");
    let (buffer, ..) = drive(&mut model, vec![key(KeyCode::Backspace)]);
    assert!(!text(&buffer).contains("there is none"));
    drive(&mut model, vec![typed("/we", Ok(())), Message::Begun("/g".into(), "/other".into())]);
    assert!(model.layers.is_empty());
    // where it cannot be opened, the one that is there goes on
    drive(&mut model, vec![Message::Session("/g".into(), "/other".into(), Err("no photos".into()))]);
    assert_eq!(ruled(&mut model, vec![key(KeyCode::Enter)]), [("a".into(), Ruling::Known("t1".into()))]);
    drive(&mut model, vec![written(None, three())]);
    assert!(!model.identify.writing);
}

#[test]
fn at_the_end_of_a_folder_it_is_said_what_comes_next() {
    let mut model = open((160, 50));
    let all = three().into_iter().map(|entry| decided(entry, Ruling::Skipped)).collect();
    let (buffer, ..) = drive(&mut model, vec![written(None, all)]);
    let shown = text(&buffer);
    assert!(shown.contains("All 3 encounters decided: w writes a table, o takes another folder"), "{shown}");
    let (_, asked, ..) = drive(&mut model, vec![keys("w"), vec![key(KeyCode::Enter)]].concat_all());
    assert_eq!(asked, [Effect::WriteDecisions("/g".into(), "decisions.csv".into())]);
}

#[test]
fn what_is_all_but_sure_is_not_said_to_be() {
    let mut model = open((160, 50));
    let mut entries = three();
    (entries[0].proposal.probability, entries[1].proposal.probability) = (Some(0.9999), Some(0.001));
    let (buffer, ..) = drive(&mut model, vec![session(entries)]);
    let shown = text(&buffer);
    for part in
        ["decision sure", "t1, probability >.99 · known", "nearest by distance  1 t1 0.400   2 t2 0.500 ", "<.01"]
    {
        assert!(shown.contains(part), "{part}: {shown}");
    }
}
