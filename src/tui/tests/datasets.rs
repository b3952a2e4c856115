//! Datasets that come, go and change while somebody looks at them.

use super::photos::at_a_photo;
use super::*;

fn named(name: &str, path: &str) -> Dataset {
    Dataset { name: name.into(), path: path.into(), drawn: false }
}

/// What is asked for when `message` comes.
fn asked(model: &mut Model, message: Message) -> Vec<Effect> {
    update(model, message).into_iter().filter(|effect| !matches!(effect, Effect::Pictures(_))).collect()
}

#[test]
fn a_box_is_never_kept_on_another_datasets_photo() {
    let mut model = model((160, 50));
    let zoo = named("zoo", "/data/zoo");
    at_a_photo(&mut model);
    let both = vec![turtles(), zoo.clone()];
    drive(&mut model, vec![Message::Datasets(both), key(KeyCode::Esc)]);
    assert_eq!(model.datasets.current(), Some(&turtles()));
    at_a_photo(&mut model);
    drive(&mut model, keys("+lb"));
    assert_eq!(model.place(), Place::Framing);
    // somebody else takes the dataset out of the list
    asked(&mut model, Message::Datasets(vec![zoo.clone()]));
    assert_eq!(model.place(), Place::Datasets);
    let (_, asked_for, ..) = drive(&mut model, vec![key(KeyCode::Enter)]);
    assert!(!asked_for.iter().any(|e| matches!(e, Effect::Correct(..))), "{asked_for:?}");

    // one that was added is chosen, and nothing is left of the box
    at_a_photo(&mut model);
    drive(&mut model, keys("b"));
    drive(&mut model, vec![Message::Added(zoo.clone())]);
    assert!(model.datasets.framing.is_none() && model.place() == Place::Datasets);
}

#[test]
fn a_name_that_means_another_folder_is_read_anew() {
    let mut model = model((160, 50));
    at_a_photo(&mut model);
    let moved = named("turtles", "/data/other");
    let effects = asked(&mut model, Message::Datasets(vec![moved.clone()]));
    assert!(model.datasets.scanned.is_empty() && model.place() == Place::Datasets);
    assert!(effects.contains(&Effect::Scan(moved)), "{effects:?}");
    // what was read of the folder before comes too late
    drive(&mut model, vec![scanned()]);
    assert!(model.datasets.scanned.is_empty());
}

#[test]
fn a_change_while_a_dataset_is_read_is_read_once_more() {
    let mut model = model((160, 50));
    let at = |seconds| Some(std::time::SystemTime::UNIX_EPOCH + Duration::from_secs(seconds));
    drive(&mut model, vec![datasets(), runs()]);
    let first = drive(&mut model, keys("1")).1;
    assert!(first.contains(&Effect::Scan(turtles())));
    for seconds in 1..5 {
        assert_eq!(asked(&mut model, Message::Corrections(at(seconds))), [], "one at a time");
    }
    assert_eq!(asked(&mut model, scanned()), [Effect::Scan(turtles())], "and once more");
    assert_eq!(asked(&mut model, scanned()), []);
    // a correction made here is told of twice and read once
    let corrected = Message::Corrected(turtles(), "corrected".into(), at(9));
    assert_eq!(asked(&mut model, corrected), [Effect::Scan(turtles())]);
    assert_eq!(asked(&mut model, scanned()), []);
    assert_eq!(asked(&mut model, Message::Corrections(at(9))), []);
    assert_eq!(asked(&mut model, Message::Corrections(at(10))), [Effect::Scan(turtles())]);
}

#[test]
fn a_dataset_can_be_read_again_with_a_key() {
    let mut model = model((160, 50));
    let ctrl_l = || Message::Key(KeyEvent::new(KeyCode::Char('l'), KeyModifiers::CONTROL));
    drive(&mut model, vec![full(), keys("1")].concat_all());
    assert_eq!(asked(&mut model, ctrl_l()), [Effect::Redraw, Effect::Scan(turtles())]);
    let failed = Message::Scanned(turtles(), Err("no photos".into()));
    assert_eq!(asked(&mut model, failed), []);
    assert_eq!(asked(&mut model, ctrl_l()), [Effect::Redraw, Effect::Scan(turtles())], "what failed is tried again");
}

#[test]
fn a_form_that_turns_to_a_dataset_has_it_read() {
    let mut model = model((160, 50));
    let zoo = named("zoo", "/data/zoo");
    drive(&mut model, vec![full(), vec![Message::Datasets(vec![turtles(), zoo.clone()])], keys("n")].concat_all());
    while !text(&drive(&mut model, vec![Message::Tick(1001.0)]).0).contains("▸ data.dir") {
        drive(&mut model, vec![key(KeyCode::Down)]);
    }
    let (_, asked_for, ..) = drive(&mut model, vec![key(KeyCode::Right)]);
    assert!(asked_for.contains(&Effect::Scan(zoo.clone())), "{asked_for:?}");
    let read = match scanned() {
        Message::Scanned(_, read) => Message::Scanned(zoo, read),
        other => other,
    };
    let (buffer, ..) = drive(&mut model, vec![read]);
    assert!(text(&buffer).contains("photos, the first with this backbone"), "{}", text(&buffer));
}

#[test]
fn hostile_names_of_individuals_are_shown_harmless_on_every_pane() {
    let long = "L".repeat(10_000);
    let other = format!("{}M", "L".repeat(9_999));
    let names = [
        "../../x",
        "a\u{1b}[2Jb",
        "سلحفاة\u{202e}abc",
        "Zo\u{eb}",
        "Zoe\u{308}",
        "a\nb",
        long.as_str(),
        other.as_str(),
    ];
    let rows: Vec<(&str, &str)> = names.iter().flat_map(|&name| [(name, "2019-07-01"), (name, "2019-07-02")]).collect();
    for size in [(160, 50), (80, 24)] {
        let mut model = model(size);
        drive(&mut model, vec![datasets(), scanned_of(&rows)]);
        let mut seen = String::new();
        for press in ["1", "l", "j", "j", "j", "j", "j", "j", "j", "l"] {
            let (buffer, ..) = drive(&mut model, keys(press));
            seen += &text(&buffer);
        }
        let (buffer, ..) = drive(&mut model, vec![key(KeyCode::Enter)]);
        seen += &text(&buffer);
        let harmful = seen.chars().find(|&c| c != '\n' && crate::data::foreign::is_harmful(c));
        assert_eq!(harmful, None, "{seen}");
        assert!(seen.contains("\\u{1b}[2J") || size.0 < 100, "{seen}");
    }
}

#[test]
fn a_photo_is_shown_by_all_augmentations_then_by_each_then_as_it_is() {
    let mut model = model((160, 50));
    at_a_photo(&mut model);
    let mut shown = || text(&drive(&mut model, keys("A")).0);
    let versions = shown();
    assert!(versions.contains("as an evaluation sees it") && versions.contains("version 1"), "{versions}");
    let each = shown();
    for name in ["as an evaluation sees it", "crop", "caustics", "occlusion", "backscatter", "haze", "noise"] {
        assert!(each.contains(name), "{name} is not on the page:\n{each}");
    }
    assert!(!shown().contains("as an evaluation sees it"));
}
