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
    let change = |change: &dyn Fn(&mut Writer)| change(&mut Writer::open(&folder).unwrap());
    change(&|writer| drop(writer.remove(&first, &[]).unwrap()));
    same();
    assert_ne!(told_by_codes(&folder, &queries)[3].individuals[0].individual, first);
    let left: Vec<&String> = known.individuals.iter().filter(|name| **name != first).collect();
    change(&|writer| drop(writer.merge(left[0], left[1]).unwrap()));
    change(&|writer| drop(writer.rename(left[2], "Zoe").unwrap()));
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
    let record = (whole.len() - 4096) / 80;
    let other = fs::read(codes::file(&dir.path().join("other"), 1)).unwrap();
    let vectors = fs::read(folder.join("vectors-1.f32")).unwrap();
    let mut harms = vec![Vec::new(), b"garbage".repeat(3000), other, [&whole[..], &[7; 999]].concat()];
    harms
        .extend([1, 4095, 4096, 4097, 4096 + record, 4096 + 79 * record, whole.len() - 1].map(|l| whole[..l].to_vec()));
    // as after a loss of power: long enough, and nothing in it
    harms.push([&whole[..4096 + 60 * record], &vec![0; 20 * record]].concat());
    harms.push([&whole[..4096], &vec![0; 80 * record]].concat());
    for (at, harm) in harms.iter().enumerate() {
        fs::write(&place, harm).unwrap();
        assert_eq!(told_by_codes(&folder, &queries), right, "{at}");
        let now = fs::read(&place).unwrap();
        assert!(now == whole || at == 3 && now == *harm, "{at}: it was not made anew");
        // by whoever writes
        fs::write(&place, harm).unwrap();
        let writer = Writer::open(&folder).unwrap();
        recall::keep(&writer, 0).unwrap();
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
    let record = (whole.len() - 4096) / 80;
    for kept in [0, 1, 40, 79] {
        fs::write(&place, &whole[..4096 + kept * record + record / 2]).unwrap();
        // the lock is another's: it is asked all the same, and writes nothing
        let writer = Writer::open(&folder).unwrap();
        let right = told(&folder, u64::MAX, &queries);
        assert_eq!(told_by_codes(&folder, &queries), right);
        assert_eq!(fs::read(&place).unwrap().len(), 4096 + kept * record + record / 2);
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
    stored["gallery"] = "another".into();
    fs::write(&place, stored.to_string()).unwrap();
    assert!(recall::read(&folder, 1, &gallery.header).is_none());
}
