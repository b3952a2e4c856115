//! Encounters with photos that cannot be read.

use super::*;

#[test]
fn what_cannot_be_read_is_said_once_and_can_be_skipped() {
    let mut model = open((160, 50));
    let mut entries = three();
    entries[0].unread = vec![("/week/a/3.jpg".into(), "it is no photo".into())];
    let mut none = entry("d", None);
    (none.photos, none.best) = (Vec::new(), Vec::new());
    (none.proposal.photos, none.proposal.individuals) = (Vec::new(), Vec::new());
    none.unread = vec![("/week/d/1.jpg".into(), "it ends too early".into())];
    entries.push(none);
    let problems = vec!["a/3.jpg: it is no photo".to_owned(), "d/1.jpg: it ends too early".to_owned()];
    let seen = Session { problems, ..(*read(entries, (9, 1))).clone() };
    let told = || Message::Session("/g".into(), "/week".into(), Ok(seen.clone().into()));
    let (buffer, ..) = drive(&mut model, vec![told()]);
    assert!(text(&buffer).contains("2 photos cannot be read: a/3.jpg: it is no photo"), "{}", text(&buffer));
    let (buffer, ..) = drive(&mut model, vec![keys("jk"), vec![told()]].concat_all());
    let shown = text(&buffer);
    assert!(!shown.contains("2 photos cannot"), "once is enough: {shown}");
    assert!(shown.contains("1 cannot be read") && shown.contains("cannot be read: a/3.jpg: it is no photo"), "{shown}");
    let (buffer, ..) = drive(&mut model, keys("jjj"));
    let shown = text(&buffer);
    assert!(shown.contains("✗ d") && shown.contains("/week/d/1.jpg: it ends too early"), "{shown}");
    for name in [keys("n"), keys("1"), vec![key(KeyCode::Enter)]] {
        assert_eq!(ruled(&mut model, name), []);
        assert_eq!(model.place(), Place::Encounters);
        assert!(model.notice.as_ref().is_some_and(|(words, _)| words.contains("s skips it")), "{:?}", model.notice);
    }
    assert_eq!(ruled(&mut model, keys("s")), [("d".into(), Ruling::Skipped)]);
}

#[test]
fn one_that_is_decided_is_named_anew_though_its_photos_cannot_be_read_any_more() {
    let mut model = open((160, 50));
    let none = |ruling: Ruling| {
        let mut none = decided(entry("d", None), ruling);
        (none.photos, none.best) = (Vec::new(), Vec::new());
        (none.proposal.photos, none.proposal.individuals) = (Vec::new(), Vec::new());
        none.unread = vec![("/week/d/1.jpg".into(), "it ends too early".into())];
        none
    };
    let (named, skipped) = (none(Ruling::Known("t1".into())), none(Ruling::Skipped));
    drive(&mut model, vec![session(vec![named.clone()])]);
    let name = |name: &str| vec![keys("/"), keys(name), vec![key(KeyCode::Enter)]].concat_all();
    drive(&mut model, name("t2"));
    let (_, asked, ..) = drive(&mut model, vec![key(KeyCode::Enter)]);
    let rules = |effect: &Effect| match effect {
        Effect::Rule { ruling, corrects, .. } => Some((ruling.clone(), *corrects)),
        _ => None,
    };
    let rules: Vec<_> = asked.iter().filter_map(rules).collect();
    assert_eq!(rules, [(Ruling::Known("t2".into()), Some(1))], "it corrects what stands");
    let anew = vec![vec![written(Some("d"), vec![named])], keys("n"), vec![key(KeyCode::Enter), key(KeyCode::Enter)]]
        .concat_all();
    assert_eq!(ruled(&mut model, anew), [("d".into(), Ruling::New("new-001".into()))]);
    // there is nothing of one that was skipped
    drive(&mut model, vec![written(Some("d"), vec![skipped])]);
    assert_eq!(ruled(&mut model, keys("n")), []);
    assert!(model.notice.as_ref().is_some_and(|(words, _)| words.contains("s skips it")), "{:?}", model.notice);
}
