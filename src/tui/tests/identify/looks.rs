//! Photos that are looked at while the folder is open: told while it is, and again when others come.

use super::*;

fn of() -> (std::path::PathBuf, std::path::PathBuf) {
    ("/g".into(), "/week".into())
}

fn looked() -> Message {
    Message::Looked("/g".into(), "/week".into())
}

/// How often somebody is to look at the photos after these messages.
fn sees(model: &mut Model, messages: Vec<Message>) -> usize {
    let (_, asked, ..) = drive(model, messages);
    asked.iter().filter(|effect| **effect == Effect::See("/g".into(), "/week".into())).count()
}

#[test]
fn a_folder_that_is_read_for_the_first_time_is_told_as_that_with_how_far_it_is() {
    let mut model = model((160, 50));
    let open = vec![keys("5"), vec![listed()], keys("j"), vec![key(KeyCode::Enter)]].concat_all();
    drive(&mut model, open);
    let (buffer, ..) = drive(&mut model, vec![session(Vec::new())]);
    assert!(text(&buffer).contains("The folder is being read; encounters come"), "{}", text(&buffer));
    let (gallery, folder) = of();
    let seen = |folder: &str| Message::Seeing(gallery.clone(), folder.into(), Some((3, 80)));
    let (buffer, ..) = drive(&mut model, vec![seen("/other")]);
    assert!(!text(&buffer).contains("3 of 80"), "{}", text(&buffer));
    let (buffer, ..) = drive(&mut model, vec![seen("/week")]);
    let shown = text(&buffer);
    assert!(shown.contains("The folder is being read: 3 of 80 photos; encounters come"), "{shown}");
    assert!(shown.contains("looking at photos: 3 of 80 photos …"), "{shown}");
    let (buffer, ..) = drive(&mut model, vec![Message::Looked(gallery.clone(), "/other".into())]);
    assert!(text(&buffer).contains("3 of 80"), "that was another: {}", text(&buffer));
    let (buffer, ..) = drive(&mut model, vec![Message::Seeing(gallery, folder, None), looked()]);
    let shown = text(&buffer);
    assert!(shown.contains("There is no photo here.") && !shown.contains("looking at photos"), "{shown}");
}

#[test]
fn photos_that_come_while_the_folder_is_open_are_looked_at_without_a_key_and_once_at_a_time() {
    let mut model = open((160, 50));
    let (gallery, folder) = of();
    let otherwise = || Message::Otherwise(gallery.clone(), folder.clone());
    assert_eq!(sees(&mut model, vec![Message::Otherwise(gallery.clone(), "/other".into())]), 0);
    assert_eq!(sees(&mut model, vec![otherwise(), otherwise()]), 1);
    assert_eq!(sees(&mut model, vec![looked(), otherwise()]), 1);
    drive(&mut model, vec![looked(), key(KeyCode::Esc)]);
    assert_eq!(sees(&mut model, vec![otherwise()]), 0, "it is not open any more");
}

#[test]
fn what_was_said_of_a_photo_goes_when_it_can_be_read() {
    let mut model = open((160, 50));
    let unread = |problems: &[&str]| {
        let problems = problems.iter().map(|one| (*one).to_owned()).collect();
        let seen = Session { problems, ..(*read(three(), (9, 1))).clone() };
        Message::Session("/g".into(), "/week".into(), Ok(seen.into()))
    };
    let mut said = |messages| {
        drive(&mut model, messages);
        model.notice.as_ref().map_or_else(String::new, |(words, _)| words.clone())
    };
    assert!(said(vec![unread(&["a.jpg: torn", "b.jpg: torn"])]).starts_with("2 photos cannot be read: a.jpg: torn; "));
    assert_eq!(said(vec![unread(&["b.jpg: torn"])]), "1 photo cannot be read: b.jpg: torn");
    assert_eq!(said(vec![unread(&[])]), "");
    assert!(said(vec![unread(&["c.jpg: torn"])]).contains("c.jpg"), "another is told");
    let other =
        said(vec![keys("s"), vec![unread(&["c.jpg: torn"]), Message::Said("a is skipped".into())]].concat_all());
    assert_eq!(
        (other, said(vec![unread(&[])])),
        ("a is skipped".to_owned(), "a is skipped".to_owned()),
        "it is another's"
    );
}

#[test]
fn photos_that_came_to_a_skipped_one_are_told_and_it_is_not_shown_as_known() {
    let mut model = open((160, 50));
    let mut entries = three();
    entries[0] = decided(entries[0].clone(), Ruling::Skipped);
    drive(&mut model, vec![session(entries.clone())]);
    let (buffer, ..) = drive(&mut model, keys("gk"));
    let shown = text(&buffer);
    assert!(shown.contains("skipped · nearest t1") && shown.contains("skipped: Enter, "), "{shown}");
    assert_eq!(ruled(&mut model, keys("s")), [], "nothing came");
    entries[0].later = vec![1];
    let (buffer, ..) = drive(&mut model, vec![session(entries)]);
    let shown = text(&buffer);
    for part in [
        "· 1 with new photos",
        "skipped 1 new photo │",
        "skipped, 1 new photo · nearest t1",
        "1 new photo since it was skipped: Enter, 1 to 3, / and n name it, s skips it again",
    ] {
        assert!(shown.contains(part), "{part}: {shown}");
    }
    assert_eq!(ruled(&mut model, keys("s")), [("a".into(), Ruling::Skipped)]);
}

#[test]
fn what_is_written_down_goes_by_what_was_shown_when_it_was_asked() {
    let shown = |up_to, version| {
        let session = Session { up_to, ..(*read(three(), version)).clone() };
        Message::Session("/g".into(), "/week".into(), Ok(session.into()))
    };
    let before = Some(crate::gallery::seen::UpTo::default());
    for (asks, answers) in
        [(vec![keys("nn"), keys("Leo")].concat_all(), KeyCode::Enter), (keys("A"), KeyCode::Char('y'))]
    {
        let mut model = open((160, 50));
        drive(&mut model, vec![vec![shown(before, (9, 1))], asks].concat_all());
        // photos may have come, and others have changed the gallery, while the question was open
        let (_, asked, ..) = drive(&mut model, vec![shown(None, (9, 2)), key(answers)]);
        let by = asked.iter().find_map(|effect| match effect {
            Effect::Rule { shown, .. } | Effect::RuleAll(.., shown) => Some((shown.up_to, shown.version)),
            _ => None,
        });
        assert_eq!(by, Some((before, (9, 1))), "{asked:?}");
    }
}

#[test]
fn the_chosen_encounter_may_go_and_the_next_stands_in_its_place() {
    let mut model = open((160, 50));
    drive(&mut model, keys("j"));
    let mut left = three();
    left.remove(1);
    drive(&mut model, vec![session(left.clone())]);
    assert_eq!(model.identify.entry().unwrap().proposal.encounter, "c");
    left.pop();
    drive(&mut model, vec![session(left)]);
    assert_eq!(model.identify.entry().unwrap().proposal.encounter, "a");
}
