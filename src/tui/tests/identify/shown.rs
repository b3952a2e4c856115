//! What the list and the pages show of encounters.

use super::*;

#[test]
fn before_a_new_one_is_made_distances_are_of_the_scale_and_in_the_order_of_the_list() {
    let mut model = open((160, 50));
    let mut entries = three();
    // of several photos the mean decides: the nearest photo of all is t3's
    entries[0].best[2].distance = 0.05;
    let (buffer, ..) = drive(&mut model, vec![session(entries)]);
    assert!(text(&buffer).contains("1 t1 0.400   2 t2 0.500   3 t3 0.600"), "{}", text(&buffer));
    let (buffer, ..) = drive(&mut model, keys("n"));
    let shown = text(&buffer);
    for part in ["1 t1 distance 0.400", "2 t2 distance 0.500", "3 t3 distance 0.600"] {
        assert!(shown.contains(part), "{part}: {shown}");
    }
}

#[test]
fn names_have_the_room_that_is_free_and_keep_their_end() {
    let name = "2026-07-09 north bay, second dive, boat";
    let all = || vec![entry(&format!("{name} 1"), None), entry(&format!("{name} 2"), None)];
    for (size, whole) in [((260, 50), true), ((160, 50), false), ((160, 20), true), ((150, 24), false)] {
        let mut model = open(size);
        let (buffer, ..) = drive(&mut model, vec![session(all())]);
        let shown = text(&buffer);
        let list: Vec<&str> = shown.lines().filter_map(|line| line.split('│').next()).collect();
        let row = |n: &str| list.iter().find(|row| row.contains(&format!("boat {n}"))).copied();
        let (first, second) = (row("1").unwrap_or_default(), row("2").unwrap_or_default());
        assert!(!first.is_empty() && !second.is_empty(), "{shown}");
        assert_eq!(first.contains(name), whole, "{first}");
        assert!(whole || first.contains('…') && first.contains("2026-07-"), "{first}");
    }
}

#[test]
fn folders_without_a_photo_are_counted_in_the_summary() {
    let mut model = open((160, 50));
    let seen = Session { empty: 2, ..(*read(three(), (9, 1))).clone() };
    let (buffer, ..) = drive(&mut model, vec![Message::Session("/g".into(), "/week".into(), Ok(seen.into()))]);
    assert!(text(&buffer).contains("3 encounters · 0 done · 2 empty folders"), "{}", text(&buffer));
}

#[test]
fn what_matters_is_not_cut_off_where_there_is_little_room() {
    let mut model = open((130, 40));
    let name = "2026-07-09 north reef";
    let photos = vec![("/known/t1.jpg".into(), "2012-05-01".to_owned())];
    let met = (12, Some("2011-05-01".into()), Some("2025-06-01".into()));
    let profile = Message::Profile("/g".into(), Ok(Profile { name: "t1".into(), photos, met }));
    let (buffer, ..) = drive(&mut model, vec![session(vec![entry(name, Some(Verdict::Known))]), profile]);
    let shown = text(&buffer);
    let head = shown.lines().find(|line| line.contains("probability")).unwrap();
    assert!(head.contains(&format!("{name} · 2026-07-09 · 1/2 ")) && !head.contains('…'), "{head}");
    // what helps comes before what may be long
    let mut model = open((110, 40));
    let same = crate::gallery::Error::SamePhoto {
        photo: "2026-07-10 south/IMG_20260710_093045.jpg".into(),
        encounter: name.into(),
        known_as: "t006".into(),
    };
    let session = Ok(read(three(), (9, 2)));
    let written = Written { said: Err(same.to_string()), open_again: None, session };
    let (buffer, ..) = drive(&mut model, vec![Message::Ruled("/g".into(), "/week".into(), Box::new(written))]);
    let shown = text(&buffer);
    assert!(shown.contains("skip 2026-07-09 north reef first, which is decided as t006, then name both"), "{shown}");
}
