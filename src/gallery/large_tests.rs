//! A gallery that is searched by its codes, beside one of which all is measured: in memory, on the disk, and after every harm that
//! can come to its codes.

use std::fs;
use std::path::Path;

use proptest::prelude::*;

use super::calibrated::tests::put;
use super::identify::{Approximate, Catalogue, Decision};
use super::known::Known;
use super::large::Large;
use super::ranks::Ranked;
use super::search::{Nearest, nearest};
use super::store::Gallery;
use super::testing::{drawn, known, on_circle};
use super::writer::Writer;
use super::{codes, recall};

fn both(known: &Known, queries: &[&[f32]]) -> (Vec<Nearest>, Vec<Nearest>) {
    (Large::of(known).nearest(queries).unwrap(), nearest(known, queries))
}

proptest! {
    #[test]
    fn where_everything_is_measured_the_answer_is_the_exact_one(
        known in known(),
        asked in prop::collection::vec(prop::collection::vec(0_u8..72, 1..12), 1..4),
    ) {
        let photos = |of: &Vec<u8>| {
            on_circle(&of.iter().map(|&at| ("q", 0, f32::from(at) * 5.0)).collect::<Vec<_>>()).embeddings
        };
        let queries: Vec<Vec<f32>> = asked.iter().map(photos).collect();
        let (large, exact) = both(&known, &queries.iter().map(Vec::as_slice).collect::<Vec<_>>());
        prop_assert_eq!(large, exact);
    }
}

#[test]
fn of_many_photos_hardly_a_near_one_is_missed() {
    // few photos each of many individuals, and many of few
    for (individuals, encounters) in [(700, 4), (40, 70)] {
        let known = drawn(individuals, encounters, 0.3, 5);
        // encounters of one to three photos, of animals that may be anybody
        let others = drawn(60, 3, 0.3, 6);
        let queries = (0..60).map(|at| &others.embeddings[at * 3 * others.dims..][..(1 + at % 3) * others.dims]);
        let (large, exact) = both(&known, &queries.collect::<Vec<_>>());
        let (mut found, mut right) = (0, 0);
        for (large, exact) in large.iter().zip(&exact) {
            found += exact.photos.iter().filter(|near| large.photos.contains(near)).count();
            // how far the nearest individuals are, whoever else was not measured
            let mut all = exact.candidates.clone();
            all.sort_by(|a, b| a.distance.total_cmp(&b.distance));
            right += all[..6].iter().filter(|one| large.candidates.contains(one)).count();
            assert!(large.candidates.len() <= 32);
        }
        assert!(found >= 594 && right >= 355, "{individuals}: {found} of 600, {right} of 360");
    }
}

/// What is told of queries, by a gallery of which all is measured or not.
fn told(folder: &Path, exact_up_to: u64, queries: &Known) -> Vec<Decision> {
    let catalogue = Catalogue::exact_up_to(Gallery::open(folder).unwrap(), exact_up_to).unwrap();
    assert_eq!(catalogue.counts(), catalogue.gallery().counts().unwrap());
    let asked: Vec<&[f32]> = (0..queries.len()).map(|row| queries.embedding(row)).collect();
    let near = catalogue.rank(&asked).unwrap();
    let decide = |near: &Ranked| catalogue.decide(Vec::new(), String::new(), &near.photos, &near.individuals).unwrap();
    near.iter().map(decide).collect()
}

/// As [`told`] where nothing is measured that does not look near; that this is said is checked and taken out.
fn told_by_codes(folder: &Path, queries: &Known) -> Vec<Decision> {
    let mut told = told(folder, 0, queries);
    for decision in &mut told {
        let approximate = decision.approximate.take().unwrap();
        assert!(approximate.recall_at_10.is_none_or(|recall| recall > 0.9), "{approximate:?}");
    }
    told
}

#[test]
fn on_the_disk_it_knows_what_was_added_merged_taken_out_and_taken_back() {
    let dir = tempfile::tempdir().unwrap();
    let folder = dir.path().join("g");
    let (known, queries) = (drawn(20, 4, 0.3, 7), drawn(20, 1, 0.5, 7));
    drop(put(&folder, &known));
    let same = || assert_eq!(told_by_codes(&folder, &queries), told(&folder, u64::MAX, &queries));
    same();
    let first = told_by_codes(&folder, &queries)[3].individuals[0].individual.clone();
    let others: Vec<String> = (0..20).map(|who| format!("{who:05}")).filter(|name| *name != first).collect();
    let change = |change: &dyn Fn(&mut Writer)| change(&mut Writer::open(&folder).unwrap());
    change(&|writer| drop(writer.remove(&first, &[]).unwrap()));
    same();
    assert_ne!(told_by_codes(&folder, &queries)[3].individuals[0].individual, first);
    change(&|writer| drop(writer.merge(&others[0], &others[1]).unwrap()));
    change(&|writer| drop(writer.rename(&others[2], "Zoe").unwrap()));
    same();
    (0..3).for_each(|_| change(&|writer| drop(writer.undo().unwrap())));
    same();
    assert_eq!(told_by_codes(&folder, &queries)[3].individuals[0].individual, first);
    // nobody is left
    for who in 0..20 {
        change(&|writer| drop(writer.remove(&format!("{who:05}"), &[]).unwrap()));
    }
    let empty = Catalogue::exact_up_to(Gallery::open(&folder).unwrap(), 0);
    assert!(matches!(empty, Err(super::Error::Empty { .. })));
}

#[test]
fn codes_that_are_missing_short_garbage_or_anothers_are_made_anew_and_nothing_is_lost() {
    let dir = tempfile::tempdir().unwrap();
    let folder = dir.path().join("g");
    let (known, queries) = (drawn(20, 4, 0.3, 7), drawn(20, 1, 0.5, 7));
    drop(put(&folder, &known));
    drop(put(&dir.path().join("other"), &drawn(25, 4, 0.3, 8)));
    drop(told(&dir.path().join("other"), 0, &queries));
    let right = told(&folder, u64::MAX, &queries);
    assert_eq!(told_by_codes(&folder, &queries), right);
    let place = codes::file(&folder, 1);
    let whole = fs::read(&place).unwrap();
    let block = (whole.len() - 4096) / 5; // of 16 photos
    let other = fs::read(codes::file(&dir.path().join("other"), 1)).unwrap();
    let vectors = fs::read(folder.join("vectors-1.f32")).unwrap();
    // as a version before wrote them, without checksums
    let mut before = whole.clone();
    before[15] = 1;
    let mut harms = vec![Vec::new(), b"garbage".repeat(3000), other, [&whole[..], &[7; 999]].concat(), before];
    harms.extend(
        [1, 4095, 4096, 4097, 4096 + block, 4096 + 4 * block + 9, whole.len() - 1].map(|l| whole[..l].to_vec()),
    );
    // as after a loss of power: long enough, and nothing in it
    harms.push([&whole[..4096 + 3 * block], &vec![0; 2 * block]].concat());
    harms.push([&whole[..4096], &vec![0; 5 * block]].concat());
    // a bit of a record, and of a checksum
    for at in [4096 + 2 * block + codes::SUM + 77, 4096 + block, whole.len() - 1] {
        let mut harm = whole.clone();
        harm[at] ^= 4;
        harms.push(harm);
    }
    for (at, harm) in harms.iter().enumerate() {
        fs::write(&place, harm).unwrap();
        assert_eq!(told_by_codes(&folder, &queries), right, "{at}");
        let now = fs::read(&place).unwrap();
        assert!(now == whole || at == 3 && now == *harm, "{at}: it was not made anew");
        // by whoever writes, as far as it is read then
        fs::write(&place, harm).unwrap();
        let writer = Writer::open(&folder).unwrap();
        recall::keep(&writer, 0).unwrap();
        drop(writer);
        assert_eq!(told_by_codes(&folder, &queries), right, "{at}");
        assert_eq!(fs::read(&place).unwrap(), whole, "{at}");
    }
    fs::remove_file(&place).unwrap();
    fs::create_dir(&place).unwrap(); // nothing can be written there
    assert_eq!(told_by_codes(&folder, &queries), right);
    assert_eq!(fs::read(folder.join("vectors-1.f32")).unwrap(), vectors);
}

#[test]
fn what_was_counted_before_its_codes_were_written_is_found() {
    let dir = tempfile::tempdir().unwrap();
    let folder = dir.path().join("g");
    let (all, queries) = (drawn(20, 4, 0.3, 7), drawn(20, 1, 0.5, 7));
    // as many as fit the first photos
    drop(put(&folder, &all));
    drop(told(&folder, 0, &queries));
    let place = codes::file(&folder, 1);
    let whole = fs::read(&place).unwrap();
    let block = (whole.len() - 4096) / 5;
    for kept in [0, 1, 2, 4] {
        fs::write(&place, &whole[..4096 + kept * block + block / 2]).unwrap();
        // the lock is another's: it is asked all the same, and writes nothing
        let writer = Writer::open(&folder).unwrap();
        let right = told(&folder, u64::MAX, &queries);
        assert_eq!(told_by_codes(&folder, &queries), right);
        assert_eq!(fs::read(&place).unwrap().len(), 4096 + kept * block + block / 2);
        drop(writer);
        assert_eq!(told_by_codes(&folder, &queries), right);
        assert_eq!(fs::read(&place).unwrap(), whole);
    }
}

#[test]
fn the_share_that_is_found_is_measured_once_and_again_when_the_gallery_has_grown() {
    let dir = tempfile::tempdir().unwrap();
    let folder = dir.path().join("g");
    let gallery = put(&folder, &drawn(100, 4, 0.3, 7));
    recall::keep(&gallery, 400).unwrap();
    assert!(!codes::file(&folder, 1).exists(), "a small one needs none");
    recall::keep(&gallery, 399).unwrap();
    let place = recall::file(&folder, 1);
    let first = recall::read(&folder, 1, &gallery.header).unwrap();
    assert_eq!((first.queries, first.photos), (64, 400));
    assert!(first.recall_at_10 > 0.99, "{first:?}");
    let catalogue = Catalogue::exact_up_to(Gallery::open(&folder).unwrap(), 0).unwrap();
    assert_eq!(catalogue.approximate(), Some(Approximate { recall_at_10: Some(first.recall_at_10) }));
    let mut stored: serde_json::Value = serde_json::from_slice(&fs::read(&place).unwrap()).unwrap();
    for (photos, again) in [(330, false), (320, true)] {
        stored["photos"] = photos.into();
        fs::write(&place, stored.to_string()).unwrap();
        recall::keep(&gallery, 0).unwrap();
        let now = recall::read(&folder, 1, &gallery.header).unwrap();
        assert_eq!(now.photos == 400, again, "{photos}");
    }
    // lost while the codes are there, it is measured by who opens the gallery
    for lost in [true, false] {
        if lost {
            fs::remove_file(&place).unwrap()
        } else {
            fs::write(&place, "{").unwrap()
        }
        let catalogue = Catalogue::exact_up_to(Gallery::open(&folder).unwrap(), 0).unwrap();
        assert_eq!(catalogue.approximate(), Some(Approximate { recall_at_10: Some(first.recall_at_10) }));
    }
    stored["gallery"] = "another".into();
    fs::write(&place, stored.to_string()).unwrap();
    assert!(recall::read(&folder, 1, &gallery.header).is_none());
}

#[test]
fn a_damaged_block_is_made_again_alone_and_nobody_waits_for_who_makes_codes() {
    let dir = tempfile::tempdir().unwrap();
    let folder = dir.path().join("g");
    let known = drawn(100, 4, 0.3, 7);
    let gallery = put(&folder, &known);
    recall::keep(&gallery, 0).unwrap();
    let place = codes::file(&folder, 1);
    let whole = fs::read(&place).unwrap();
    let block = (whole.len() - 4096) / 25;
    let mut harm = whole.clone();
    harm[4096 + 7 * block + codes::SUM + (block - codes::SUM) / 16 + 5] ^= 1; // of a row that is not looked at when it is opened
    fs::write(&place, &harm).unwrap();
    let found = codes::Codes::kept(&place, &gallery.header, &known.embeddings);
    let of = |block: usize| found.block(block, &known.embeddings);
    let right = |at: usize| &whole[4096 + at * block + codes::SUM..4096 + (at + 1) * block];
    assert!((0..25).filter(|&at| at != 7).all(|at| of(at) == right(at)) && !found.is_damaged());
    assert!(of(7) == right(7) && found.is_damaged());
    // whoever holds the lock keeps it: nothing is written, and what is told is right
    let writer = Writer::open(&folder).unwrap();
    assert!(matches!(recall::keep_unless_busy(&gallery, 0), Err(super::Error::Busy { .. })));
    assert_eq!(fs::read(&place).unwrap(), harm);
    drop(writer);
    // the lock is free while they are made, and taken before they are put into their place
    let refused = codes::make_anew(&place, &gallery.header, &known.embeddings, || {
        drop(Writer::open(&folder).unwrap());
        Err(std::io::Error::other("busy"))
    });
    assert!(refused.is_err() && fs::read(&place).unwrap() == harm);
    recall::keep_unless_busy(&gallery, 0).unwrap();
    assert_eq!(fs::read(&place).unwrap(), whole);
    // what a reader left that was killed at it goes with the next who writes
    let killed = fs::File::create(folder.join(".vectors-1.codes.9-9.tmp")).unwrap();
    killed.set_modified(std::time::SystemTime::UNIX_EPOCH).unwrap();
    recall::keep(&gallery, 0).unwrap();
    let left: Vec<_> = fs::read_dir(&folder).unwrap().map(|e| e.unwrap().file_name().into_string().unwrap()).collect();
    assert!(!left.iter().any(|name| name.ends_with(".tmp")), "{left:?}");
}
