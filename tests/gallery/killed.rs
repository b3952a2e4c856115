//! A program killed at random moments of `build`, `add`, `merge` and `undo`: what it did is there whole or not at all, what it
//! had said is there, and nothing is there twice.
//!
//! A handful of kills of each run here; `CARETTA_KILLS=100 cargo test --test gallery killed` runs as many as you like.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::process::Stdio;
use std::time::{Duration, Instant};

use caretta::gallery::Error;
use caretta::gallery::store::Gallery;

use super::common::kill;
use super::{BUILD, EACH, Place};

/// Photos that are put in at once.
const BATCH: usize = 128;

/// How many kills.
fn kills() -> u32 {
    std::env::var("CARETTA_KILLS").ok().and_then(|n| n.parse().ok()).unwrap_or(5)
}

/// What a gallery holds.
#[derive(Clone, Debug, Default, PartialEq)]
struct Held {
    /// Where each photo lies, with its embedding, in the order in which they came.
    photos: Vec<(String, Vec<u32>)>,
    /// Who has how many of them.
    individuals: BTreeMap<String, u64>,
    /// Entries of its log.
    changes: usize,
    is_complete: bool,
}

impl Held {
    /// Of the gallery in `folder`; none where there is none yet.
    fn of(folder: &Path) -> Option<Held> {
        let gallery = match Gallery::open(folder) {
            Err(Error::NoGallery { .. }) => return None,
            other => other.unwrap(),
        };
        let known = gallery.known().unwrap();
        let path = |id| gallery.photo(id).unwrap().unwrap().file().path.to_string_lossy().into_owned();
        let bits = |row| known.embedding(row).iter().map(|x| x.to_bits()).collect();
        let photos = known.photos.iter().enumerate().map(|(row, photo)| (path(photo.id), bits(row))).collect();
        let listed = gallery.individuals().unwrap();
        let held = Held {
            photos,
            individuals: listed.iter().map(|one| (one.individual.clone(), one.photos)).collect(),
            changes: gallery.changes().unwrap().len(),
            is_complete: gallery.is_complete().unwrap(),
        };
        let once: BTreeMap<_, _> = held.photos.iter().cloned().collect();
        assert_eq!(once.len(), held.photos.len(), "a photo is there twice");
        assert_eq!(held.individuals.len(), listed.len(), "a name is there twice");
        assert_eq!(held.individuals.values().sum::<u64>(), held.photos.len() as u64);
        Some(held)
    }

    /// Whether they are the first batches of `all`, behind the first `there`.
    fn is_begun(&self, all: &Held, there: usize) -> bool {
        let (came, whole) = (self.photos.len().checked_sub(there), all.photos.len() - there);
        all.photos.starts_with(&self.photos) && came.is_some_and(|came| came % BATCH == 0 || came == whole)
    }
}

/// Starts the program and kills it after a time, or after its end where there is none; whether it said that it was done, which
/// it did where it ended by itself.
fn killed_after(place: &Place, args: &[&str], time: Option<Duration>) -> bool {
    let said = place.root.join("said.txt");
    let out = fs::File::create(&said).unwrap();
    let mut child = place.command(args).stdout(out).stderr(Stdio::null()).spawn().unwrap();
    match time {
        Some(time) => std::thread::sleep(time),
        None => drop(child.wait().unwrap()),
    }
    if let Some(status) = child.try_wait().unwrap() {
        assert!(status.success(), "{args:?}: {status}");
        return true;
    }
    kill(&mut child);
    fs::metadata(said).unwrap().len() > 0
}

/// When the `n`th of the kills comes, of a program that takes `whole`: scattered, the same in every run, some behind its end, and
/// the last after it, however long it takes.
fn moment(n: u32, whole: Duration) -> Option<Duration> {
    (n + 1 < kills()).then(|| whole.mul_f64(1.2 * f64::from((n + 1) * 7919 % 1009) / 1009.0))
}

/// How long a run takes that must succeed.
fn time_of(place: &Place, args: &[&str]) -> Duration {
    let begin = Instant::now();
    place.ok(args);
    begin.elapsed()
}

const UNDO: &[&str] = &["gallery", "undo", "--gallery", "g"];

#[test]
fn killed_at_any_moment_a_build_or_an_add_is_there_by_whole_batches_and_goes_on() {
    let place = Place::new(EACH);
    let folder = place.root.join("g");
    let held = || Held::of(&folder).unwrap();
    let whole = time_of(&place, BUILD);
    let built = held();
    assert!(built.photos.len() > BATCH && built.is_complete);

    fs::remove_dir_all(&folder).unwrap();
    let mut before = Held::default();
    for n in 0..kills() {
        let is_said = killed_after(&place, BUILD, moment(n, whole));
        let there = Held::of(&folder).unwrap_or_default();
        assert!(there.is_begun(&built, 0), "kill {n}: {} photos", there.photos.len());
        assert!(there.photos.len() >= before.photos.len(), "kill {n}: {} were there", before.photos.len());
        assert!(there.is_complete || !is_said, "kill {n}: it said that it was done");
        before = there;
        if before.is_complete {
            assert_eq!((&before.photos, &before.individuals), (&built.photos, &built.individuals), "kill {n}");
            fs::remove_dir_all(&folder).unwrap();
            before = Held::default();
        }
    }
    place.ok(BUILD);

    // add, and its undo
    for who in 1..=9 {
        (0..EACH).for_each(|n| place.draw(&format!("more/t{who}/{n}.png"), who, n + 50));
    }
    let add = ["gallery", "add", "--data-dir", "more", "--gallery", "g"];
    let whole = time_of(&place, &add);
    let more = held();
    assert!(more.photos.len() == 2 * built.photos.len() && more.photos.starts_with(&built.photos));
    let quick = time_of(&place, UNDO);
    for n in 0..kills() {
        let before = held();
        assert_eq!((&before.photos, &before.individuals), (&built.photos, &built.individuals), "before kill {n}");
        let is_said = killed_after(&place, &add, moment(n, whole));
        let added = held();
        assert!(added.is_begun(&more, built.photos.len()), "kill {n}: {} photos", added.photos.len());
        let is_any = added.photos.len() > built.photos.len();
        assert_eq!(added.changes, before.changes + usize::from(is_any), "kill {n}: an add is one change");
        assert!(added.photos.len() == more.photos.len() || !is_said, "kill {n}: it said that it was done");
        if !is_any {
            continue;
        }
        let is_said = killed_after(&place, UNDO, moment(n, quick));
        let undone = held();
        if undone == added {
            assert!(!is_said, "kill {n}: it said that it was taken back");
            place.ok(UNDO);
        } else {
            assert_eq!(undone.changes, added.changes + 1, "kill {n}: an undo is one change");
        }
    }
    place.ok(&add);
    let again = held();
    assert_eq!((again.photos, again.individuals), (more.photos, more.individuals));
}

#[test]
fn killed_at_any_moment_a_merge_and_its_undo_are_made_or_not() {
    let place = Place::new(3);
    let folder = place.root.join("g");
    place.ok(BUILD);
    let held = || Held::of(&folder).unwrap();
    let (parted, merge) = (held(), ["gallery", "merge", "t1", "t2", "--gallery", "g"]);
    let quick = time_of(&place, &merge);
    let merged = held();
    assert!(merged.individuals.len() + 1 == parted.individuals.len() && merged.photos == parted.photos);
    let mut before = merged.clone();
    for n in 0..2 * kills() {
        let is_merged = before.individuals == merged.individuals;
        let (args, other) = if is_merged { (UNDO, &parted) } else { (&merge[..], &merged) };
        // both come to their end by themselves, too
        let is_said = killed_after(&place, args, moment(n / 2, quick));
        let after = held();
        if after == before {
            assert!(!is_said, "kill {n}: {args:?} said that it was done");
        } else {
            assert_eq!((&after.individuals, after.changes), (&other.individuals, before.changes + 1), "kill {n}");
            assert_eq!(after.photos, parted.photos, "kill {n}");
        }
        before = after;
    }
}
