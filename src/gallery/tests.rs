//! A gallery on the disk: what is put in comes out, whatever happens in between.

use std::fs;
use std::path::Path;

use jiff::civil::date;

use super::about::{Embedding, Networks, Seen};
use super::store::{Counts, Gallery};
use super::writer::{Adding, Encounter, NewPhoto, There, Writer};
use super::{Error, Result};
use crate::data::manifest::Side;
use crate::eval::model::Preprocessing;

pub(super) fn embedding() -> Embedding {
    let preprocessing = Preprocessing::of_side(32);
    Embedding { identity: "ab".repeat(32), preprocessing, dims: 3, seen: Seen::Drawn }
}

pub(super) fn networks() -> Networks {
    Networks { model: "m best".into(), path: "/models/m.safetensors".into(), looker: None }
}

/// Photo `n` of `who` in the dataset `/photos`, on day `n`, and its embedding.
pub(super) fn photo(n: u8, who: &str) -> (NewPhoto, [f32; 3]) {
    let day = date(2020, 1, 1 + n as i8 % 28);
    let photo = NewPhoto {
        root: "/photos".into(),
        path: format!("{n}.jpg"),
        individual: who.into(),
        encounter: Encounter::Day(day),
        date: Some(day),
        side: n.is_multiple_of(2).then_some(Side::Left),
        crop: None,
        looked: false,
        sha256: [n; 32],
        trained: (!n.is_multiple_of(3)).then_some(n % 3 == 1),
    };
    let angle = f32::from(n) / 10.0;
    (photo, [angle.cos(), angle.sin(), 0.0])
}

pub(super) fn put(writer: &mut Writer, adding: &mut Adding, photos: &[(u8, &str)]) -> Result<()> {
    let (photos, rows): (Vec<_>, Vec<_>) = photos.iter().map(|&(n, who)| photo(n, who)).unzip();
    writer.add(adding, &photos, &rows.concat())
}

/// A gallery of three photos of two individuals.
pub(super) fn small(folder: &Path) -> Writer {
    let mut writer = Writer::create(folder, embedding(), networks()).unwrap();
    let mut adding = Adding::new("build", "from /photos".into());
    put(&mut writer, &mut adding, &[(0, "t1"), (1, "t2")]).unwrap();
    put(&mut writer, &mut adding, &[(28, "t1")]).unwrap(); // the same day
    writer.complete().unwrap();
    writer
}

#[test]
fn what_is_put_in_comes_out_also_for_a_reader_beside_the_writer() {
    let dir = tempfile::tempdir().unwrap();
    let folder = dir.path().join("turtles.gallery");
    let mut writer = small(&folder);
    let reader = Gallery::open(&folder).unwrap();
    assert_eq!(reader.counts().unwrap(), Counts { photos: 3, individuals: 2, encounters: 2 });
    put(&mut writer, &mut Adding::new("add", String::new()), &[(3, "t3")]).unwrap();
    assert_eq!(reader.counts().unwrap().photos, 4, "a reader waits for nobody");

    let known = reader.known().unwrap();
    assert_eq!(known.individuals, ["t1", "t2", "t3"]);
    let rows: Vec<_> = known.photos.iter().map(|p| (p.individual, p.encounter, p.side, p.trained)).collect();
    let left = Some(Side::Left);
    assert_eq!(rows, [(0, 0, left, None), (1, 1, None, Some(true)), (0, 0, left, Some(true)), (2, 2, None, None)]);
    assert_eq!(known.embedding(2), photo(28, "").1);
    let last = reader.photo(known.photos[3].id).unwrap().unwrap();
    assert_eq!((last.file().path.to_str().unwrap(), last.individual.as_str()), ("/photos/3.jpg", "t3"));

    let all: Vec<_> =
        reader.individuals().unwrap().into_iter().map(|i| (i.individual, i.photos, i.encounters)).collect();
    assert_eq!(all, [("t1".into(), 2, 1), ("t2".into(), 1, 1), ("t3".into(), 1, 1)]);
    let (t1, photos) = reader.individual("t1").unwrap();
    assert_eq!((t1.first.as_deref(), photos.len()), (Some("2020-01-01"), 2));
    let error = reader.individual("t").unwrap_err().to_string();
    assert!(error.contains("t1") && error.contains("gallery ls"), "{error}");
    let log: Vec<_> = reader.changes().unwrap().into_iter().map(|c| (c.what, c.said)).collect();
    assert_eq!(log, [("build".into(), "from /photos".into()), ("add".into(), String::new())]);
}

#[test]
fn a_photo_is_known_by_its_bytes_and_by_its_place() {
    let dir = tempfile::tempdir().unwrap();
    let writer = small(&dir.path().join("g"));
    let there = |change: fn(&mut NewPhoto)| {
        let mut photo = photo(1, "t2").0;
        change(&mut photo);
        writer.there(&photo).unwrap()
    };
    let lies_at = "/photos/1.jpg".into();
    let otherwise = There::Otherwise { known_as: "t2".into(), lies_at };
    assert_eq!(there(|_| {}), There::Known);
    assert_eq!(there(|p| p.path = "copy.jpg".into()), There::Known);
    assert_eq!(there(|p| p.root = "/copy".into()), There::Known);
    assert_eq!(there(|p| p.individual = "t1".into()), otherwise);
    assert_eq!(there(|p| (p.path, p.individual) = ("copy.jpg".into(), "nobody".into())), otherwise);
    assert_eq!(there(|p| p.sha256 = [9; 32]), There::Changed);
    assert_eq!(there(|p| p.crop = crate::data::crop::Crop::new(0.1, 0.1, 0.5, 0.5).ok()), There::Changed);
    assert_eq!(there(|p| (p.path, p.sha256) = ("new.jpg".into(), [9; 32])), There::New);
}

#[test]
fn what_a_killed_writer_left_does_not_count_and_is_cut_off() {
    let dir = tempfile::tempdir().unwrap();
    let folder = dir.path().join("g");
    drop(small(&folder));
    let vectors = folder.join("vectors-1.f32");
    let whole = fs::read(&vectors).unwrap();
    fs::write(&vectors, [&whole[..], &[7; 17]].concat()).unwrap();
    assert_eq!(Gallery::open(&folder).unwrap().known().unwrap().len(), 3);
    let mut writer = Writer::open(&folder).unwrap();
    assert_eq!(fs::read(&vectors).unwrap(), whole);
    put(&mut writer, &mut Adding::new("add", String::new()), &[(9, "t9")]).unwrap();
    assert_eq!(writer.known().unwrap().embedding(3), photo(9, "").1);
    // a photo that is there is refused as a whole, and leaves nothing behind
    let twice = put(&mut writer, &mut Adding::new("add", String::new()), &[(10, "t9"), (9, "t9")]);
    assert!(twice.is_err());
    assert_eq!((writer.known().unwrap().len(), writer.changes().unwrap().len()), (4, 2));
    put(&mut writer, &mut Adding::new("add", String::new()), &[(10, "t9")]).unwrap();
    assert_eq!(writer.known().unwrap().embedding(4), photo(10, "").1);
}

#[test]
fn one_writes_at_a_time_and_others_folders_are_left_alone() {
    let dir = tempfile::tempdir().unwrap();
    let folder = dir.path().join("g");
    let writer = small(&folder);
    let says = |error: Error, word: &str| {
        let text = error.to_string();
        assert!(text.contains(word) && text.contains(dir.path().to_str().unwrap()), "{text}");
    };
    says(Writer::open(&folder).unwrap_err(), "another process is changing");
    drop(writer);
    says(Writer::create(&folder, embedding(), networks()).unwrap_err(), "gallery add");
    let theirs = dir.path().join("theirs");
    fs::create_dir(&theirs).unwrap();
    says(Writer::open(&theirs).unwrap_err(), "gallery build");
    assert_eq!(fs::read_dir(&theirs).unwrap().count(), 0, "looking makes nothing");
    fs::write(theirs.join("notes.txt"), "").unwrap();
    says(Writer::create(&theirs, embedding(), networks()).unwrap_err(), "notes.txt");
    // begun and killed
    let begun = dir.path().join("begun");
    fs::create_dir(&begun).unwrap();
    for name in ["lock", "vectors-1.f32", "facts.sqlite", ".vectors-1.f32.9-1.tmp"] {
        fs::write(begun.join(name), "").unwrap();
    }
    says(Gallery::open(&begun).unwrap_err(), "gallery build");
    drop(small(&begun));
    assert_eq!(Gallery::open(&begun).unwrap().known().unwrap().len(), 3);
}

#[test]
fn embeddings_of_another_network_are_refused_with_the_way_out() {
    let dir = tempfile::tempdir().unwrap();
    let gallery = small(&dir.path().join("g"));
    gallery.accept(&embedding()).unwrap();
    for other in [
        Embedding { identity: "cd".repeat(32), ..embedding() },
        Embedding { preprocessing: Preprocessing::of_side(64), ..embedding() },
        Embedding { seen: Seen::Attention { by: "ef".repeat(32) }, ..embedding() },
    ] {
        let error = gallery.accept(&other).unwrap_err().to_string();
        assert!(error.contains("gallery rebuild") && error.contains(&other.told()), "{error}");
    }
}

#[test]
fn damaged_files_are_told_in_one_sentence() {
    let dir = tempfile::tempdir().unwrap();
    let folder = dir.path().join("g");
    let refused = |what: &str, damage: &dyn Fn(&Path), file: &str| {
        let _ = fs::remove_dir_all(&folder);
        drop(small(&folder));
        damage(&folder);
        let read = Gallery::open(&folder).and_then(|gallery| gallery.known()).map(|known| known.len());
        let written = Writer::open(&folder).map(|_| ());
        let errors: Vec<_> = [read.err(), written.err()].into_iter().flatten().collect();
        assert!(!errors.is_empty(), "{what}: nobody noticed");
        for error in errors {
            let text = error.to_string();
            assert!(text.contains(file) && !text.contains('\n'), "{what}: {text}");
            assert!(text.contains("damaged"), "{what}: {text}");
        }
    };
    let vectors = |folder: &Path| folder.join("vectors-1.f32");
    let cut = |folder: &Path, by: usize| {
        let bytes = fs::read(vectors(folder)).unwrap();
        fs::write(vectors(folder), &bytes[..bytes.len() - by]).unwrap();
    };
    refused("a row is missing", &|folder| cut(folder, 1), "vectors-1.f32");
    refused("the header is cut", &|folder| cut(folder, 100), "vectors-1.f32");
    refused("no vectors", &|folder| fs::remove_file(vectors(folder)).unwrap(), "vectors-1.f32");
    let other = dir.path().join("other");
    drop(small(&other));
    refused("another's vectors", &|folder| drop(fs::copy(vectors(&other), vectors(folder))), "vectors-1.f32");
    let long = |folder: &Path| {
        let mut bytes = fs::read(vectors(folder)).unwrap();
        bytes[4096..4100].copy_from_slice(&f32::NAN.to_le_bytes());
        fs::write(vectors(folder), bytes).unwrap();
    };
    refused("no number", &long, "vectors-1.f32");
    let write = |folder: &Path, text: &str| fs::write(folder.join("facts.sqlite"), text.repeat(500)).unwrap();
    refused("no database", &|folder| write(folder, "no database at all"), "facts.sqlite");
    let sql = |folder: &Path, sql: &str| {
        rusqlite::Connection::open(folder.join("facts.sqlite")).unwrap().execute_batch(sql).unwrap()
    };
    for statement in [
        "CREATE TABLE more (x)",
        "CREATE TRIGGER t AFTER INSERT ON photos BEGIN DELETE FROM photos; END",
        "PRAGMA application_id = 7",
        "UPDATE gallery SET header = '{'",
        "UPDATE gallery SET networks = '[]'",
        "UPDATE gallery SET rows = 1",
        "UPDATE gallery SET rows = -1",
        "UPDATE gallery SET header = replace(header, '\"dims\":3', '\"dims\":0')",
        "DELETE FROM gallery",
        "UPDATE photos SET row = 0",
        "UPDATE photos SET row = -5 WHERE id = 1",
    ] {
        let file = if statement.contains("rows = 9") { "vectors-1.f32" } else { "facts.sqlite" };
        refused(statement, &|folder| sql(folder, statement), file);
    }
    // counted wrongly, nothing is cut off
    sql(&folder, "UPDATE gallery SET rows = 1");
    let before = fs::read(vectors(&folder)).unwrap();
    assert!(Writer::open(&folder).is_err());
    assert_eq!(fs::read(vectors(&folder)).unwrap(), before);
    refused("more rows", &|folder| sql(folder, "UPDATE gallery SET rows = 9223372036854775807"), "vectors-1.f32");
}

#[cfg(unix)]
#[test]
fn a_gallery_of_an_archive_is_read_where_nothing_can_be_written() {
    use std::os::unix::fs::PermissionsExt;
    let dir = tempfile::tempdir().unwrap();
    let folder = dir.path().join("an archive%20?");
    drop(small(&folder));
    let allow = |mode| fs::set_permissions(&folder, fs::Permissions::from_mode(mode)).unwrap();
    allow(0o555);
    let read = Gallery::open(&folder).and_then(|gallery| gallery.known()).map(|known| known.len());
    allow(0o755);
    assert_eq!(read.unwrap(), 3);
}

#[test]
fn a_gallery_with_all_its_files_is_one_and_what_is_none_is_left_alone() {
    let dir = tempfile::tempdir().unwrap();
    let (gallery, other) = (dir.path().join("g"), dir.path().join("other"));
    drop(small(&gallery));
    fs::create_dir(&other).unwrap();
    for folder in [&gallery, &other] {
        fs::write(folder.join("calibration_errors.svg"), "").unwrap();
    }
    let create = |folder: &Path| Writer::create(folder, embedding(), networks()).unwrap_err();
    assert!(matches!(create(&gallery), Error::AlreadyThere { .. }));
    assert!(matches!(create(&other), Error::NotOurs { .. }));
}

#[test]
fn a_gallery_that_nothing_was_put_into_is_taken_away_without_a_trace() {
    let dir = tempfile::tempdir().unwrap();
    let folder = dir.path().join("g");
    Writer::create(&folder, embedding(), networks()).unwrap().unmake().unwrap();
    assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 0);
    let writer = small(&folder);
    assert!(matches!(writer.unmake(), Err(Error::AlreadyThere { .. })));
    assert_eq!(Gallery::open(&folder).unwrap().counts().unwrap().photos, 3);
    assert!(matches!(Writer::can_create(&folder), Err(Error::AlreadyThere { .. })));
}
