//! Photos looked at and corrected, and how a run is evaluated, by keys.

use super::*;

/// The photo of an individual over the whole pane.
pub(super) fn at_a_photo(model: &mut Model) {
    drive(
        model,
        vec![full(), keys("1"), vec![key(KeyCode::Enter), key(KeyCode::Enter), key(KeyCode::Enter)]].concat_all(),
    );
    assert_eq!(model.place(), Place::Photo);
}

#[test]
fn a_box_is_drawn_on_a_photo_and_kept() {
    for size in [(80, 24), (160, 50)] {
        let mut model = model(size);
        at_a_photo(&mut model);
        let (buffer, ..) = drive(&mut model, keys("b"));
        let shown = text(&buffer);
        assert!(["┏", "┓", "┗", "┛", "crop 0.25,0.25,0.5,0.5"].iter().all(|part| shown.contains(part)), "{shown}");
        assert_eq!(cell(&buffer, "┏").fg, model.theme.accent().fg.unwrap());
        let (_, asked, ..) = drive(&mut model, vec![keys("hkL"), vec![key(KeyCode::Enter)]].concat_all());
        let Some(Effect::Correct(dataset, photo, Amendment::Crop(Some(crop)))) = asked.first() else {
            panic!("{asked:?}")
        };
        assert_eq!((dataset.name.as_str(), crop.to_string().as_str()), ("turtles", "0.23,0.23,0.52,0.5"), "{photo:?}");
        let (buffer, ..) = drive(&mut model, vec![Message::Tick(1001.0)]);
        assert!(!text(&buffer).contains("┏"));
        let (_, asked, ..) = drive(&mut model, vec![keys("b"), vec![key(KeyCode::Backspace)]].concat_all());
        assert!(matches!(&asked[..], [Effect::Correct(.., Amendment::Crop(None))]), "{asked:?}");
        drive(&mut model, vec![keys("b"), vec![key(KeyCode::Esc)]].concat_all());
        assert_eq!(model.place(), Place::Photo, "Esc leaves the box and not the photo");
        let effects = update(&mut model, Message::Corrected(turtles(), "corrected".into(), None));
        assert!(effects.iter().any(|e| matches!(e, Effect::Scan(_))), "it is read again: {effects:?}");
    }
}

#[test]
fn who_and_when_are_corrected_by_typing() {
    let mut model = model((100, 30));
    at_a_photo(&mut model);
    drive(&mut model, vec![Message::Tick(1_796_000_000.0)]); // the end of November 2026
    let clear = Message::Key(KeyEvent::new(KeyCode::Char('u'), KeyModifiers::CONTROL));
    let (_, asked, ..) =
        drive(&mut model, vec![keys("i"), vec![clear], keys("t9"), vec![key(KeyCode::Enter)]].concat_all());
    assert!(
        matches!(&asked[..], [Effect::Correct(_, _, Amendment::Individual(Some(who)))] if who == "t9"),
        "{asked:?}"
    );
    let clear = || Message::Key(KeyEvent::new(KeyCode::Char('u'), KeyModifiers::CONTROL));
    let date = |text: &str| vec![keys("I"), vec![clear()], keys(text), vec![key(KeyCode::Enter)]].concat_all();
    let (buffer, asked, ..) = drive(&mut model, date("2019-02-30"));
    assert!(asked.is_empty() && text(&buffer).contains("is no day: write it as 2019-08-02"), "{asked:?}");
    drive(&mut model, vec![key(KeyCode::Esc)]);
    let (buffer, asked, ..) = drive(&mut model, date("2027-08-02"));
    assert!(asked.is_empty() && text(&buffer).contains("2027-08-02 has not come yet"), "{asked:?}");
    let (_, asked, ..) = drive(&mut model, vec![vec![key(KeyCode::Esc)], date("2019-08-02")].concat_all());
    assert!(matches!(&asked[..], [Effect::Correct(_, _, Amendment::Date(Some(_)))]), "{asked:?}");
    let (_, asked, ..) = drive(&mut model, date(""));
    assert!(matches!(&asked[..], [Effect::Correct(_, _, Amendment::Date(None))]), "empty takes it back: {asked:?}");
}

#[test]
fn a_photo_is_shown_as_a_training_sees_it() {
    let mut model = model((160, 50));
    at_a_photo(&mut model);
    let (buffer, ..) = drive(&mut model, keys("A"));
    let looks: std::collections::HashSet<_> =
        crate::tui::view::pictures(&model).into_iter().map(|key| key.look).collect();
    assert!(looks.len() >= 8 && looks.contains(&Look::Augmented(None, 0)), "{looks:?}");
    let shown = text(&buffer);
    for words in ["as a training does", "as an evaluation sees it", "version 1", "version 2"] {
        assert!(shown.contains(words), "{words}\n{shown}");
    }
    drive(&mut model, vec![key(KeyCode::Esc)]);
    assert_eq!(model.place(), Place::Photo);
}

#[test]
fn how_to_evaluate_is_chosen() {
    let mut model = model((100, 30));
    drive(&mut model, full());
    let (buffer, ..) = drive(&mut model, keys("E"));
    for words in ["checkpoint", "photos", "split", "gallery", "queries", "left out of the gallery", "device"] {
        assert!(text(&buffer).contains(words), "{words}\n{}", text(&buffer));
    }
    let (_, asked, ..) = drive(&mut model, vec![keys("ll"), vec![key(KeyCode::Enter)]].concat_all());
    let Some(Effect::Evaluate(run, flags)) = asked.first() else { panic!("{asked:?}") };
    assert_eq!((run.as_str(), &flags[..2]), ("beta", &["--checkpoint".to_owned(), "last".to_owned()][..]));
    assert_eq!(model.tab, Tab::Evaluate);
}

#[test]
fn a_card_is_named_and_offered() {
    let mut model = model((160, 50));
    let card = CardUse {
        name: "NVIDIA H100 80GB HBM3".into(),
        utilisation: Some(31),
        memory_used: 1 << 30,
        memory_total: 80 << 30,
    };
    let sample = Message::System(Box::new(Sample { cores: 2, ..Sample::default() }));
    let (buffer, ..) = drive(&mut model, vec![full(), vec![Message::Card(Some(card)), sample], keys("4")].concat_all());
    let shown = text(&buffer);
    assert!(shown.contains("· cuda:0 H100") && shown.contains("31 % of cuda:0 NVIDIA H100"), "{shown}");
    assert_eq!(model.devices(), ["auto", "cpu", "cuda:0"]);
}

#[test]
fn a_photo_stays_chosen_when_it_is_somebody_elses() {
    let mut model = model((160, 50));
    at_a_photo(&mut model);
    drive(&mut model, vec![key(KeyCode::Right)]);
    let path = model.datasets.photo_path().unwrap();
    let rows = [("t1", "2012-05-01"), ("a0", "2013-05-01"), ("t2", "2012-05-01"), ("t2", "2014-05-02"), ("t3", "")];
    drive(&mut model, vec![scanned_of(&rows)]);
    assert_eq!((model.datasets.individual(), model.datasets.photo_path()), (Some("a0"), Some(path)));
    assert_eq!(model.place(), Place::Photo);
    // one that is nobody's any more is not looked at on
    drive(&mut model, vec![scanned_of(&rows[..1])]);
    assert_eq!(model.place(), Place::Individuals);
}

#[test]
fn a_box_stays_at_the_photos_edge() {
    let mut model = model((160, 50));
    at_a_photo(&mut model);
    let path = model.datasets.photo_path();
    let (buffer, ..) = drive(&mut model, vec![keys("b"), keys(&"h".repeat(30))].concat_all());
    assert!(text(&buffer).contains("crop 0,0.25,0.5,0.5"), "{}", text(&buffer));
    assert_eq!((model.place(), model.datasets.photo_path()), (Place::Framing, path));
}
