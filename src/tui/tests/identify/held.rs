//! Encounters with photos that the gallery has already.

use super::*;
use crate::gallery::held::Held;

#[test]
fn photos_that_the_gallery_has_as_somebody_else_need_a_look_and_that_one_comes_first() {
    let held = |mut entry: Entry, name: &str| {
        let held = Held { photo: "1.jpg".into(), individual: name.into(), at: Stamp::from_millis(0) };
        entry.proposal.already = vec![held];
        entry
    };
    let mut entries = three();
    (entries[0], entries[1]) = (held(entries[0].clone(), "t3"), held(entries[1].clone(), "t8"));
    entries.push(held(entry("d", Some(Verdict::Known)), "t1")); // a copy of who is proposed
    let mut model = model((160, 50));
    let opened = vec![keys("5"), vec![listed()], keys("j"), vec![key(KeyCode::Enter), session(entries.clone())]];
    let (buffer, ..) = drive(&mut model, vec![full(), opened.concat_all()].concat_all());
    let shown = text(&buffer);
    for part in
        ["look: t3?", "t3 · 1 of 2 photos are theirs since ", "1 t3 0.600   2 t1 0.400   3 t2 0.500", "look: t8?"]
    {
        assert!(shown.contains(part), "{part}: {shown}");
    }
    let (buffer, ..) = drive(&mut model, keys("A"));
    let shown = text(&buffer);
    assert!(shown.contains("1 known name") && shown.contains("somebody"), "{shown}");
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
