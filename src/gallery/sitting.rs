//! A folder that is gone through with a gallery, kept in memory: after a decision only what it has changed is read and measured.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::run::{files, lock};

use super::about::Embedding;
use super::decisions::{By, Decided};
use super::groups::Groups;
use super::held::{self, Holdings};
use super::identify::{Catalogue, Decision};
use super::ranks::Ranked;
use super::rulings::{self, Ruled, Shown};
use super::seen::{ABOUT_FILE, About, LOCK_FILE, News, Seen, SeenFile, place};
use super::session::{Entry, Session, promise};
use super::since::Since;
use super::stands::{Has, OfFolder};
use super::store::{Counts, Gallery};
use super::{Error, Result};

/// A folder that is gone through with a gallery, with all that was read and measured of both: a look after a decision costs what
/// the decision has changed.
#[derive(Debug)]
pub struct Sitting {
    gallery: PathBuf,
    folder: PathBuf,
    place: PathBuf,
    seen: SeenFile,
    /// What was read of it that no look has taken in.
    news: News,
    standing: Option<Standing>,
    groups: Groups,
    /// What was told last.
    told: Option<Arc<Session>>,
}

/// The gallery, and what is nearest to each encounter that was seen.
#[derive(Debug)]
struct Standing {
    version: (u64, u64),
    generation: u64,
    counts: Counts,
    names: Vec<String>,
    catalogue: Catalogue,
    ranked: Vec<Ranked>,
    entries: Vec<Arc<Entry>>,
    /// Encounters of which no photo can be read.
    unread: Vec<Arc<Entry>>,
}

impl Sitting {
    /// Of `folder`, an absolute path, with the gallery in `gallery`.
    pub fn new(gallery: &Path, folder: &Path) -> Sitting {
        let place = place(gallery, folder);
        Sitting {
            seen: SeenFile::at(&place),
            gallery: gallery.into(),
            folder: folder.into(),
            place,
            news: News::default(),
            standing: None,
            groups: Groups::default(),
            told: None,
        }
    }

    /// Whether it is of `folder` with the gallery in `gallery`.
    pub fn is_of(&self, gallery: &Path, folder: &Path) -> bool {
        self.gallery == gallery && self.folder == folder
    }

    /// The session as it stands now, and whether that is otherwise than it was told last.
    ///
    /// # Errors
    /// When a file cannot be read, or the gallery is empty.
    pub fn look(&mut self) -> Result<(Arc<Session>, bool)> {
        let looked = self.look_again();
        if looked.is_err() {
            self.standing = None; // a half of it may be new
        }
        looked
    }

    fn look_again(&mut self) -> Result<(Arc<Session>, bool)> {
        let open = Gallery::open(&self.gallery)?;
        let about: Option<About> = files::read_json_if_there(&self.place.join(ABOUT_FILE))?;
        // what another network saw is seen anew before it counts
        let about = about.filter(|about| about.embedding == *open.embedding());
        self.read_on(about.as_ref().map(|about| &about.embedding))?;
        let news = std::mem::take(&mut self.news);
        let before = self.standing.take().filter(|_| !news.is_anew);
        let is_seen_anew = before.is_none() || !news.places.is_empty();
        let (mut standing, mut changed) = Standing::of((open, &self.folder), before, &self.seen, news.places)?;
        let looking = lock::is_held(&self.place.join(LOCK_FILE))?;
        if news.unread || standing.unread.len() != self.seen.unread().count() {
            let folder = &self.folder;
            standing.unread = self.seen.unread().map(|seen| standing.unread_entry(folder, seen).into()).collect();
            changed = true;
        }
        changed |= is_seen_anew && self.tell_copies(&mut standing);
        changed |= self.decide(&mut standing, looking)?;
        let standing = self.standing.insert(standing);
        let (mut problems, empty) = about.map(|about| (about.problems, about.empty)).unwrap_or_default();
        let unread = self.seen.all().iter().chain(self.seen.unread()).flat_map(|seen| &seen.unread);
        // one look after another may have told of it
        problems.extend(unread.map(|(photo, why)| format!("{photo}: {why}")));
        problems.sort();
        problems.dedup();
        let promise = standing.catalogue.calibration().map(|calibration| {
            let has_grown = calibration.has_grown(standing.catalogue.individuals().len());
            promise(calibration) + if has_grown { ", but it has grown: calibrate again" } else { "" }
        });
        let is_told = |told: &&Arc<Session>| {
            !changed
                && (told.version, told.looking) == (standing.version, looking)
                && (&told.promise, &told.problems, told.empty) == (&promise, &problems, empty)
        };
        if let Some(told) = self.told.as_ref().filter(is_told) {
            return Ok((told.clone(), false));
        }
        let session = Session {
            gallery: self.gallery.clone(),
            folder: self.folder.clone(),
            version: standing.version,
            up_to: Some(self.seen.up_to()),
            counts: standing.counts,
            entries: standing.entries.iter().chain(&standing.unread).cloned().collect(),
            promise,
            names: standing.names.clone(),
            free_name: standing.catalogue.gallery().free_name()?,
            looking,
            problems,
            empty,
        };
        Ok((self.told.insert(session.into()).clone(), true))
    }

    /// Puts what was decided beside the encounters of `standing`, and their groups; whether anything is otherwise.
    fn decide(&mut self, standing: &mut Standing, looking: bool) -> Result<bool> {
        let key = self.folder.to_string_lossy().into_owned();
        let gallery = standing.catalogue.gallery();
        let stands = OfFolder::of(gallery, &key)?;
        let mut changed = false;
        for entry in standing.entries.iter_mut().chain(&mut standing.unread) {
            let stood = stands.on(&entry.proposal.encounter, entry.photos.len());
            let seen = self.seen.get(&entry.proposal.encounter);
            let has = match (seen, stood) {
                (Some(seen), Some(decided)) => OfFolder::has(gallery, decided, seen.files_in_it())?,
                _ => Has::These,
            };
            let decided = stood.filter(|_| has != Has::Nothing);
            let taken_out = stood.filter(|_| has == Has::Nothing).and_then(|decided| decided.ruling.individual());
            let later = seen.map_or(Ok(Vec::new()), |seen| stands.later(gallery, decided, seen.lying()))?;
            let of_others = has == Has::Others;
            let before = (entry.decided.as_ref(), &entry.later, entry.of_others, entry.taken_out.as_deref());
            if before != (decided, &later, of_others, taken_out) {
                let entry = Arc::make_mut(entry);
                (entry.decided, entry.later, entry.of_others) = (decided.cloned(), later, of_others);
                entry.taken_out = taken_out.map(str::to_owned);
                changed = true;
            }
            let seen = seen.filter(|_| entry.settled().is_some() && !entry.later.is_empty());
            let is_known = match (seen, &entry.since) {
                (Some(_), Some(since)) => since.is_of(&entry.later, standing.version),
                (seen, since) => seen.is_none() && since.is_none(),
            };
            if !is_known {
                let of = |seen| Since::of(&standing.catalogue, seen, &entry.later, standing.version).map(Box::new);
                let since = seen.map(of).transpose()?;
                Arc::make_mut(entry).since = since;
                changed = true;
            }
        }
        let is_new = |entry: &Entry| match entry.settled() {
            Some(decided) => decided.was_new(),
            None => entry.proposal.is_new(),
        };
        let mut new: Vec<usize> = (0..standing.entries.len()).filter(|&at| is_new(&standing.entries[at])).collect();
        // as a walk through the folder finds them, whenever they were seen
        new.sort_by_key(|&at| self.seen.all()[at].first().map(Path::new));
        let name = |at: &usize| standing.entries[*at].proposal.encounter.as_str();
        let encounters: Vec<(&str, &[f32])> =
            new.iter().map(|at| (name(at), &self.seen.all()[*at].vectors[..])).collect();
        let dims = standing.catalogue.gallery().embedding().dims;
        let named = self.groups.of(dims, &encounters, standing.catalogue.cut(), looking)?;
        let mut of_entry = vec![None; standing.entries.len()];
        let numbered = new.iter().zip(named).filter(|(at, _)| standing.entries[**at].settled().is_none());
        numbered.for_each(|(&at, name)| of_entry[at] = name);
        for (entry, group) in standing.entries.iter_mut().zip(of_entry) {
            if entry.proposal.group != group {
                Arc::make_mut(entry).proposal.group = group;
                changed = true;
            }
        }
        Ok(changed)
    }

    /// Puts beside the encounters of `standing` which of their photos others have, too; whether anything is otherwise.
    fn tell_copies(&self, standing: &mut Standing) -> bool {
        let copies = rulings::copies(&self.seen);
        let mut changed = false;
        for entry in &mut standing.entries {
            let of_it = copies.get(entry.proposal.encounter.as_str());
            let of_it: Vec<String> = of_it.into_iter().flatten().cloned().collect();
            if entry.copies != of_it {
                Arc::make_mut(entry).copies = of_it;
                changed = true;
            }
        }
        changed
    }

    fn read_on(&mut self, embedding: Option<&Embedding>) -> Result<()> {
        let News { is_anew, places, unread } = self.seen.read_on(embedding)?;
        places.iter().for_each(|&at| self.groups.forget(&self.seen.all()[at].encounter));
        if is_anew {
            (self.groups, self.news.places) = (Groups::default(), BTreeSet::new());
        }
        self.news.is_anew |= is_anew;
        self.news.unread |= unread;
        self.news.places.extend(places);
        Ok(())
    }

    /// Writes down what was decided: see [`rulings`].
    ///
    /// # Errors
    /// As [`rulings::rule`].
    pub fn rule(&mut self, decided: &[Ruled<'_>], by: By, shown: Shown) -> Result<Vec<(String, Error)>> {
        let about: About = files::read_json(&self.place.join(ABOUT_FILE))?;
        self.read_on(Some(&about.embedding))?;
        rulings::rule((&self.gallery, &self.folder), (&self.seen, &about.embedding), decided, by, shown)
    }

    /// Takes back what was decided last, all that the program did in one go: see [`rulings`].
    ///
    /// # Errors
    /// As [`rulings::undo`].
    pub fn undo(&mut self) -> Result<Vec<Decided>> {
        let about: Option<About> = files::read_json_if_there(&self.place.join(ABOUT_FILE))?;
        self.read_on(about.as_ref().map(|about| &about.embedding))?;
        rulings::undo((&self.gallery, &self.folder), &self.seen)
    }
}

impl Standing {
    /// How encounters stand now, where the encounters at `fresh` came or are otherwise since `before`; and whether that is
    /// otherwise than before.
    fn of(
        (open, folder): (Gallery, &Path),
        before: Option<Standing>,
        seen: &SeenFile,
        mut fresh: BTreeSet<usize>,
    ) -> Result<(Standing, bool)> {
        let version = open.version()?; // before the rest: what changes meanwhile is noticed
        let generation = open.standing()?.generation;
        let rows = |at: usize| &seen.all()[at].vectors[..];
        let same = |before: &Standing| {
            before.generation == generation && before.catalogue.gallery().embedding() == open.embedding()
        };
        let before = before.filter(same);
        let is_anew = before.is_none();
        let (mut standing, mut changed) = match before {
            Some(before) if before.version == version => {
                let mut standing = before;
                let calibration = standing.catalogue.calibration().cloned();
                standing.catalogue.calibrate_again()?;
                let is_other = standing.catalogue.calibration() != calibration.as_ref();
                let changed = vec![is_other; standing.entries.len()];
                (standing, changed)
            }
            Some(before) => {
                let Standing { catalogue, mut ranked, entries, unread, .. } = before;
                let now = Catalogue::of(open)?;
                let queries: Vec<&[f32]> = (0..ranked.len()).map(rows).collect();
                let mut changed = now.rank_again(&catalogue, &queries, &mut ranked)?;
                if now.calibration() != catalogue.calibration() {
                    changed.fill(true);
                }
                (Standing { unread, ..Standing::with(now, (version, generation), ranked, entries)? }, changed)
            }
            None => {
                fresh = (0..seen.all().len()).collect();
                let standing = Standing::with(Catalogue::of(open)?, (version, generation), Vec::new(), Vec::new())?;
                (standing, Vec::new())
            }
        };
        let queries: Vec<&[f32]> = fresh.iter().map(|&at| rows(at)).collect();
        changed.resize(seen.all().len(), true);
        for (&at, ranked) in fresh.iter().zip(standing.catalogue.rank(&queries)?) {
            changed[at] = true;
            match standing.ranked.get_mut(at) {
                Some(before) => *before = ranked,
                None => standing.ranked.push(ranked), // in their order
            }
        }
        let due: Vec<usize> = (0..changed.len()).filter(|&at| changed[at]).collect();
        let holdings = due.iter().map(|&at| standing.holds(folder, &seen.all()[at])).collect::<Result<Vec<_>>>()?;
        let held = due.iter().zip(&holdings).filter(|(_, holdings)| !holdings.is_empty());
        let held: Vec<(&[f32], &Holdings)> = held.map(|(&at, holdings)| (rows(at), holdings)).collect();
        let mut without = standing.catalogue.rank_without(&held)?.into_iter();
        for (at, holdings) in due.into_iter().zip(holdings) {
            let without = if holdings.is_empty() { None } else { without.next() };
            let ranked = without.as_ref().unwrap_or(&standing.ranked[at]);
            let entry = standing.entry(folder, &seen.all()[at], (ranked, holdings))?;
            match standing.entries.get_mut(at) {
                // what was decided of it is put beside it again
                Some(before) => *before = Arc::new(Entry { copies: before.copies.clone(), ..entry }),
                None => standing.entries.push(entry.into()),
            }
        }
        let changed = is_anew || changed.contains(&true);
        Ok((standing, changed))
    }

    fn with(
        catalogue: Catalogue,
        (version, generation): ((u64, u64), u64),
        ranked: Vec<Ranked>,
        entries: Vec<Arc<Entry>>,
    ) -> Result<Standing> {
        let mut names = catalogue.individuals().to_vec();
        names.sort();
        let counts = catalogue.counts();
        Ok(Standing { version, generation, counts, names, catalogue, ranked, entries, unread: Vec::new() })
    }

    /// What the gallery holds of an encounter's photos, copies in others of this folder that are decided among it; what was decided
    /// of itself here is not told as news.
    fn holds(&self, folder: &Path, seen: &Seen) -> Result<Holdings> {
        let there = seen.photos.iter().filter_map(|photo| Some((photo.path.as_str(), held::sha(&photo.sha256)?)));
        self.catalogue.gallery().holds(there, Some((&folder.to_string_lossy(), &seen.encounter)))
    }

    fn entry(&self, folder: &Path, seen: &Seen, (ranked, holdings): (&Ranked, Holdings)) -> Result<Entry> {
        let photos: Vec<String> = seen.photos.iter().map(|photo| photo.path.clone()).collect();
        let paths = photos.iter().map(|path| folder.join(path)).collect();
        let proposal = self.catalogue.decide(photos, seen.encounter.clone(), &ranked.photos, &ranked.individuals)?;
        Ok(Entry {
            photos: paths,
            unread: unread(folder, seen),
            date: seen.photos.iter().find_map(|photo| photo.date),
            best: self.catalogue.photos(&ranked.best)?,
            ..Entry::of(proposal.with(holdings))
        })
    }

    /// An encounter of which no photo can be read: nobody is near.
    fn unread_entry(&self, folder: &Path, seen: &Seen) -> Entry {
        let proposal = Decision {
            approximate: self.catalogue.approximate(),
            ..Decision::open(seen.encounter.clone(), Vec::new())
        };
        Entry { unread: unread(folder, seen), ..Entry::of(proposal) }
    }
}

/// The files that cannot be read of an encounter in `folder`, and why.
fn unread(folder: &Path, seen: &Seen) -> Vec<(PathBuf, String)> {
    seen.unread.iter().map(|(path, why)| (folder.join(path), why.clone())).collect()
}

#[cfg(test)]
pub(super) mod tests {
    use super::super::calibrated::calibrate_gallery;
    use super::super::calibrated::tests::put as calibrated;
    use super::super::decisions::{Matter, Proposed, Ruling};
    use super::super::groups::NewOnes;
    use super::super::hash;
    use super::super::identify::Verdict;
    use super::super::seen::{Looking, SEEN_FILE, SeenPhoto};
    use super::super::session::Outline;
    use super::super::testing::drawn;
    use super::super::tests::{embedding, photo, put, small};
    use super::super::thresholds::Asked;
    use super::super::unchanged::{as_one, mark};
    use super::super::writer::{Adding, NewPhoto, Writer};
    use super::*;
    use crate::data::hex::hex;
    use std::fs;

    /// A gallery of t1 and t2, and a folder of which `a` (two photos) and `b` were seen, both near to t1.
    pub(in super::super) fn stage(dir: &Path) -> (PathBuf, PathBuf) {
        let (gallery, folder) = (dir.join("g"), dir.join("week"));
        drop(small(&gallery));
        let vector = [0.1_f32.cos(), 0.1_f32.sin(), 0.0];
        write(&gallery, &folder, &embedding(), &[("a".into(), vector.repeat(2)), ("b".into(), vector.to_vec())]);
        (gallery, folder)
    }

    /// Leaves encounters as they were seen, each with a photo for each row of its embeddings.
    pub(in super::super) fn write(
        gallery: &Path,
        folder: &Path,
        embedding: &Embedding,
        encounters: &[(String, Vec<f32>)],
    ) {
        let place = place(gallery, folder);
        fs::create_dir_all(&place).unwrap();
        let about = About {
            folder: folder.into(),
            embedding: embedding.clone(),
            encounters: encounters.len(),
            problems: Vec::new(),
            unread: None,
            empty: 0,
        };
        files::replace_json(&place.join(ABOUT_FILE), &about).unwrap();
        let mut lines = String::new();
        for (encounter, vectors) in encounters {
            let photo = |n: usize| {
                let path = format!("{encounter}/{}.jpg", n + 1);
                fs::create_dir_all(folder.join(&path).parent().unwrap()).unwrap();
                fs::write(folder.join(&path), &path).unwrap();
                let sha256 = hex(&hash::of_file(&folder.join(&path)).unwrap());
                SeenPhoto { path, date: None, crop: String::new(), looked: false, side: None, sha256, trained: None }
            };
            let photos: Vec<SeenPhoto> = (0..vectors.len() / embedding.dims).map(photo).collect();
            let seen = Seen { encounter: encounter.clone(), photos, vectors: vectors.clone(), ..Seen::default() };
            lines += &format!("{}\n", serde_json::to_string(&seen).unwrap());
        }
        fs::write(place.join(SEEN_FILE), lines).unwrap();
    }

    fn decide(sitting: &mut Sitting, encounters: &[&str], ruling: Ruling) -> Result<()> {
        decide_on(sitting, encounters, None, ruling)
    }

    /// As [`decide`], of what was proposed as new.
    fn decide_new(sitting: &mut Sitting, encounters: &[&str], name: &str) -> Result<()> {
        decide_on(sitting, encounters, Some(Verdict::NewIndividual), Ruling::New(name.into()))
    }

    fn decide_on(sitting: &mut Sitting, encounters: &[&str], decision: Option<Verdict>, ruling: Ruling) -> Result<()> {
        let version = Gallery::open(&sitting.gallery)?.version()?;
        let proposed = || Proposed { decision, ..Proposed::default() };
        let encounters: Vec<_> = encounters.iter().map(|one| ((*one).to_owned(), proposed())).collect();
        let refused = sitting.rule(
            &[Ruled { encounters: &encounters, ruling: &ruling, corrects: None }],
            By::Person,
            version.into(),
        )?;
        refused.into_iter().next().map_or(Ok(()), |(_, error)| Err(error))
    }

    #[test]
    fn a_session_goes_on_where_it_was_and_a_new_name_counts_for_the_next_encounter() {
        let dir = tempfile::tempdir().unwrap();
        let (gallery, folder) = stage(dir.path());
        let read = || Session::read(&gallery, &folder).unwrap();
        let mut sitting = Sitting::new(&gallery, &folder);
        let session = read();
        assert!(!session.looking && session.promise.is_none());
        let first = |session: &Session, at: usize| session.entries[at].proposal.individuals[0].individual.clone();
        assert_eq!((session.entries.len(), first(&session, 1)), (2, "t2".into()));
        assert_eq!(session.entries[0].photos, [folder.join("a/1.jpg"), folder.join("a/2.jpg")]);
        assert_eq!(session.entries[0].best[0].photo, "1.jpg");

        decide(&mut sitting, &["a"], Ruling::New("t9".into())).unwrap();
        let session = read();
        assert_eq!(session.entries[0].decided.as_ref().unwrap().ruling, Ruling::New("t9".into()));
        assert!(session.names.contains(&"t9".into()) && session.counts.photos == 5);
        let near = session.entries[1].best.iter().find(|near| near.individual == "t9").unwrap();
        assert_eq!(near.distance, 0.0);
        assert!(matches!(decide(&mut sitting, &["a"], Ruling::Skipped), Err(Error::AlreadyDecided { .. })));
        let listed = Session::list(&Gallery::open(&gallery).unwrap(), &mut Default::default()).unwrap();
        assert_eq!(listed, [Outline { folder: folder.clone(), encounters: 2, decided: 1, later: 0 }]);

        // who looks at the gallery as it was makes nobody: the same animal may be new there
        let (ruling, encounters) = (Ruling::New("t10".into()), [("b".to_owned(), Proposed::default())]);
        let old = sitting
            .rule(&[Ruled { encounters: &encounters, ruling: &ruling, corrects: None }], By::Person, (3, 1).into())
            .unwrap();
        assert!(matches!(old[0].1, Error::ChangedMeanwhile { .. }));
        assert_eq!(sitting.undo().unwrap()[0].encounter, "a");
        assert!(sitting.undo().unwrap().is_empty());
        assert!(read().entries.iter().all(|entry| entry.decided.is_none()) && read().counts.photos == 3);
        // both are one, and are open again in one step
        decide(&mut sitting, &["a", "b"], Ruling::New("t9".into())).unwrap();
        assert_eq!((read().counts.photos, read().counts.individuals), (6, 3));
        assert_eq!(sitting.undo().unwrap().iter().map(|one| one.encounter.as_str()).collect::<Vec<_>>(), ["a", "b"]);
        assert_eq!(read().counts.photos, 3);
    }

    #[test]
    fn a_look_after_a_change_shows_what_one_from_nothing_does_and_says_when_nothing_is_otherwise() {
        let dir = tempfile::tempdir().unwrap();
        let (gallery, folder) = stage(dir.path());
        let mut sitting = Sitting::new(&gallery, &folder);
        let same = |sitting: &mut Sitting, is_new: bool| {
            let (session, told) = sitting.look().unwrap();
            assert_eq!(told, is_new);
            assert_eq!(format!("{session:?}"), format!("{:?}", Session::read(&gallery, &folder).unwrap()));
            assert!(!sitting.look().unwrap().1);
        };
        same(&mut sitting, true);
        type Step = fn(&mut Writer);
        let by_others: [Step; 5] = [
            |writer| drop(writer.rename("t1", "Zoe").unwrap()),
            |writer| put(writer, &mut Adding::new("add", String::new()), &[(2, "t5"), (3, "t2"), (4, "t6")]).unwrap(),
            |writer| drop(writer.merge("t2", "t6").unwrap()),
            |writer| drop(writer.remove("Zoe", &[]).unwrap()),
            |writer| drop(writer.undo().unwrap()),
        ];
        decide(&mut sitting, &["a"], Ruling::New("t9".into())).unwrap();
        same(&mut sitting, true);
        for step in by_others {
            step(&mut Writer::open(&gallery).unwrap());
            same(&mut sitting, true);
        }
        decide(&mut sitting, &["b"], Ruling::Skipped).unwrap();
        same(&mut sitting, true);
        sitting.undo().unwrap();
        sitting.undo().unwrap();
        same(&mut sitting, true);
        // one more is seen, and one again
        let seen = fs::read_to_string(place(&gallery, &folder).join(SEEN_FILE)).unwrap();
        let more = seen.lines().last().unwrap();
        let path = place(&gallery, &folder).join(SEEN_FILE);
        fs::write(&path, format!("{seen}{}\n{more}\n", more.replace("\"b\"", "\"c\""))).unwrap();
        same(&mut sitting, true);
        fs::remove_file(&path).unwrap();
        same(&mut sitting, true);
    }

    #[test]
    fn new_animals_have_groups_and_lose_them_when_they_are_known() {
        let dir = tempfile::tempdir().unwrap();
        let gallery = dir.path().join("g");
        let known = drawn(80, 3, 0.2, 3);
        let open = calibrated(&gallery, &known);
        calibrate_gallery(&open, Asked { false_new: 0.1, wrong_name: 0.1 }, None).unwrap();
        let strangers = drawn(2, 2, 0.05, 99);
        let folder = dir.path().join("week");
        let order = [0, 2, 1, 3]; // of two animals in turn
        let all: Vec<(String, Vec<f32>)> =
            order.iter().enumerate().map(|(n, &row)| (format!("e{n}"), strangers.embedding(row).to_vec())).collect();
        write(&gallery, &folder, open.embedding(), &all);
        let mut sitting = Sitting::new(&gallery, &folder);
        let groups = |sitting: &mut Sitting| {
            let session = sitting.look().unwrap().0;
            session.entries.iter().map(|entry| entry.proposal.group.clone().unwrap_or_default()).collect::<Vec<_>>()
        };
        assert_eq!(groups(&mut sitting), ["new 1", "new 2", "new 1", "new 2"]);
        decide_new(&mut sitting, &["e0", "e2"], "Zoe").unwrap();
        assert_eq!(groups(&mut sitting), ["", "new 2", "", "new 2"]);
        decide(&mut sitting, &["e1"], Ruling::New("Ada".into())).unwrap();
        let session = sitting.look().unwrap().0;
        assert_eq!(
            session.entries[3].proposal.individual.as_deref(),
            Some("Ada"),
            "who was one of the group is known now"
        );
        assert_eq!(session.entries[3].proposal.group, None);
        sitting.undo().unwrap();
        sitting.undo().unwrap();
        assert_eq!(groups(&mut sitting), ["new 1", "new 2", "new 1", "new 2"]);
    }

    #[test]
    fn groups_have_the_numbers_that_a_walk_gives_them_whoever_is_named_or_skipped_and_whenever_it_is_opened() {
        let dir = tempfile::tempdir().unwrap();
        let gallery = dir.path().join("g");
        let open = calibrated(&gallery, &drawn(80, 3, 0.2, 3));
        calibrate_gallery(&open, Asked { false_new: 0.1, wrong_name: 0.1 }, None).unwrap();
        let strangers = drawn(4, 1, 0.05, 99);
        let folder = dir.path().join("week");
        // b came after the others were seen
        let all: Vec<(String, Vec<f32>)> = [(0, "a"), (2, "c"), (3, "b")]
            .iter()
            .map(|&(row, name)| (name.to_owned(), strangers.embedding(row).to_vec()))
            .collect();
        write(&gallery, &folder, open.embedding(), &all);
        let told = |session: &Session| {
            let told = session.entries.iter().map(|entry| {
                let group = entry.proposal.group.clone().unwrap_or_default();
                (entry.proposal.encounter.clone(), group)
            });
            told.collect::<Vec<_>>()
        };
        // as who asks about the folder has them
        let by_verb = |session: &Session| {
            let mut new = NewOnes::default();
            for name in ["a", "b", "c"] {
                let row = &all.iter().find(|(other, _)| other == name).unwrap().1;
                let entry = session.entries.iter().find(|entry| entry.proposal.encounter == name).unwrap();
                match entry.settled() {
                    Some(decided) if decided.was_new() => new.take_named(name, row),
                    None if entry.proposal.is_new() => new.take(name, row),
                    _ => {}
                }
            }
            let cut = Catalogue::of(Gallery::open(&gallery).unwrap()).unwrap().cut().copied().unwrap();
            new.groups(open.embedding().dims, &cut, std::iter::empty()).unwrap()
        };
        let mut sitting = Sitting::new(&gallery, &folder);
        let mut same = |expected: [&str; 3]| {
            let session = sitting.look().unwrap().0;
            let (found, again) = (told(&session), told(&Session::read(&gallery, &folder).unwrap()));
            assert_eq!(found.iter().map(|(_, group)| group.as_str()).collect::<Vec<_>>(), expected);
            assert_eq!(found, again, "opened again");
            let grouped = found.into_iter().filter(|(_, group)| !group.is_empty());
            assert_eq!(by_verb(&session), grouped.collect());
        };
        same(["new 1", "new 3", "new 2"]);
        let mut by = Sitting::new(&gallery, &folder);
        decide_new(&mut by, &["a"], "Zoe").unwrap();
        same(["", "new 3", "new 2"]);
        decide(&mut by, &["c"], Ruling::Skipped).unwrap();
        same(["", "new 3", "new 2"]);
    }

    #[test]
    fn who_the_gallery_has_by_these_very_photos_is_in_no_group_of_new_ones() {
        let dir = tempfile::tempdir().unwrap();
        let (gallery, folder, copy) = (dir.path().join("g"), dir.path().join("week"), dir.path().join("copy"));
        let known = drawn(80, 3, 0.2, 3);
        let open = calibrated(&gallery, &known);
        calibrate_gallery(&open, Asked { false_new: 0.1, wrong_name: 0.1 }, None).unwrap();
        let strangers = drawn(2, 2, 0.05, 99); // rows 0 and 1 are one animal, 2 and 3 the other
        let all = |of: &[usize]| -> Vec<(String, Vec<f32>)> {
            of.iter().map(|&row| (format!("e{row}"), strangers.embedding(row).to_vec())).collect()
        };
        write(&gallery, &folder, open.embedding(), &all(&[0]));
        decide(&mut Sitting::new(&gallery, &folder), &["e0"], Ruling::New("Zoe".into())).unwrap();
        // the same file elsewhere
        write(&gallery, &copy, open.embedding(), &all(&[0, 2, 3]));
        let session = Session::read(&gallery, &copy).unwrap();
        let told: Vec<_> = (session.entries.iter())
            .map(|entry| (entry.proposal.individual.as_deref(), entry.proposal.group.as_deref()))
            .collect();
        assert_eq!(told, [(Some("Zoe"), None), (None, Some("new 1")), (None, Some("new 1"))]);
        let first = &session.entries[0].proposal;
        assert_eq!((first.held_as(), first.probability), (Some("Zoe"), None));
        assert!(!first.individuals.iter().any(|near| near.individual == "Zoe"), "nobody is near to itself");
    }

    #[test]
    fn a_copy_in_another_encounter_of_the_folder_is_no_photo_near_to_it_after_a_decision_either() {
        let dir = tempfile::tempdir().unwrap();
        let (gallery, folder) = stage(dir.path());
        let path = place(&gallery, &folder).join(SEEN_FILE);
        let seen = fs::read_to_string(&path).unwrap();
        let copy = seen.lines().last().unwrap().replace("\"b\"", "\"c\""); // of the same file
        fs::write(&path, format!("{seen}{copy}\n")).unwrap();
        let mut sitting = Sitting::new(&gallery, &folder);
        let told = |sitting: &mut Sitting| {
            let session = sitting.look().unwrap().0;
            assert_eq!(format!("{session:?}"), format!("{:?}", Session::read(&gallery, &folder).unwrap()));
            let proposal = |at: usize| {
                let proposal = &session.entries[at].proposal;
                let is_near = proposal.individuals.iter().any(|near| near.individual == "t9");
                (proposal.held_as().map(str::to_owned), is_near)
            };
            [proposal(1), proposal(2)]
        };
        assert_eq!(told(&mut sitting), [(None, false), (None, false)]);
        decide(&mut sitting, &["b"], Ruling::New("t9".into())).unwrap();
        assert_eq!(told(&mut sitting), [(None, true), (Some("t9".into()), false)], "only the copy is told as one");
        sitting.undo().unwrap();
        assert_eq!(told(&mut sitting), [(None, false), (None, false)]);
    }

    #[test]
    fn nothing_is_decided_of_photos_that_came_after_what_was_shown() {
        let dir = tempfile::tempdir().unwrap();
        let (gallery, folder) = stage(dir.path());
        let kept = place(&gallery, &folder);
        let mut sitting = Sitting::new(&gallery, &folder);
        let shown = sitting.look().unwrap().0.shown();
        let text = fs::read_to_string(kept.join(SEEN_FILE)).unwrap();
        let mut grown: Seen = serde_json::from_str(text.lines().next().unwrap()).unwrap();
        let same: Seen = serde_json::from_str(text.lines().nth(1).unwrap()).unwrap();
        grown.vectors.extend_from_within(..embedding().dims);
        grown.photos.push(SeenPhoto { path: "a/3.jpg".into(), sha256: "ab".repeat(32), ..grown.photos[0].clone() });
        let line = |seen: &Seen| serde_json::to_string(seen).unwrap();
        fs::write(kept.join(SEEN_FILE), format!("{text}{}\n{}\n", line(&grown), line(&same))).unwrap();
        let of = |encounter: &str| [(encounter.to_owned(), Proposed::default())];
        let mut rule = |all: &[(&str, Ruling)], shown: Shown| {
            let all: Vec<_> = all.iter().map(|(encounter, ruling)| (of(encounter), ruling)).collect();
            let all: Vec<_> =
                all.iter().map(|(one, ruling)| Ruled { encounters: one, ruling, corrects: None }).collect();
            sitting.rule(&all, By::Program, shown).unwrap()
        };
        for ruling in [Ruling::Known("t1".into()), Ruling::New("t9".into()), Ruling::Skipped] {
            let refused = rule(&[("a", ruling)], shown);
            assert!(matches!(&refused[..], [(one, Error::CameMeanwhile { .. })] if one == "a"), "{refused:?}");
        }
        let refused = rule(&[("a", Ruling::Known("t1".into())), ("b", Ruling::Known("t2".into()))], shown);
        assert_eq!(refused.len(), 1, "one that was seen again with the same photos is as it was shown");
        let session = Session::read(&gallery, &folder).unwrap();
        assert_eq!(session.entries.iter().map(|entry| entry.decided.is_some()).collect::<Vec<_>>(), [false, true]);
        assert!(rule(&[("a", Ruling::Skipped)], session.shown()).is_empty(), "it was shown with them");
    }

    #[test]
    fn files_that_had_to_be_read_to_be_known_again_are_written_down_as_they_are_marked_by_now() {
        let dir = tempfile::tempdir().unwrap();
        let (gallery, folder) = stage(dir.path());
        let open = Gallery::open(&gallery).unwrap();
        let text = fs::read_to_string(place(&gallery, &folder).join(SEEN_FILE)).unwrap();
        let mut seen: Seen = serde_json::from_str(text.lines().next().unwrap()).unwrap();
        seen.files = seen.photos.iter().map(|photo| (photo.path.clone(), photo.path.len() as u64)).collect();
        let marks = || as_one(seen.files.iter().map(|(path, _)| mark(&folder.join(path))));
        let mut looking = Looking::at(&open, &folder).unwrap();
        // who may read it was changed since
        looking.write(&Seen { files_at: Some((marks().0, 1)), ..seen.clone() }).unwrap();
        drop(looking);
        let mut looking = Looking::at(&open, &folder).unwrap();
        let found = looking.seen["a"].are(&folder, &seen.files);
        assert_eq!(found, (true, Some(marks())));
        let one = Seen { encounter: "a".into(), files: seen.files.clone(), files_at: found.1, ..Seen::default() };
        looking.write(&one).unwrap();
        drop(looking);
        let looking = Looking::at(&open, &folder).unwrap();
        assert_eq!(looking.seen["a"].are(&folder, &seen.files), (true, None), "nothing is read");
        assert_eq!(Session::read(&gallery, &folder).unwrap().entries[0].photos.len(), 2);
    }

    #[test]
    fn what_was_torn_or_has_changed_does_not_count() {
        let dir = tempfile::tempdir().unwrap();
        let (gallery, folder) = stage(dir.path());
        let kept = place(&gallery, &folder);
        let text = fs::read_to_string(kept.join(SEEN_FILE)).unwrap();
        let mut sitting = Sitting::new(&gallery, &folder);
        fs::write(folder.join("b/1.jpg"), "another").unwrap();
        assert!(matches!(decide(&mut sitting, &["b"], Ruling::Known("t1".into())), Err(Error::SeenOtherwise { .. })));
        assert!(matches!(decide(&mut sitting, &["c"], Ruling::Skipped), Err(Error::Unseen { .. })));
        fs::write(kept.join(SEEN_FILE), &text[..text.len() - 9]).unwrap();
        assert_eq!(Session::read(&gallery, &folder).unwrap().entries.len(), 1);
        // who looks next goes on behind the last whole line, and alone
        let open = Gallery::open(&gallery).unwrap();
        let looking = Looking::at(&open, &folder).unwrap();
        assert_eq!(looking.seen.len(), 1);
        assert!(Session::read(&gallery, &folder).unwrap().looking);
        assert!(matches!(Looking::at(&open, &folder), Err(Error::Looking { .. })));
        drop(looking);
        assert!(text.starts_with(&fs::read_to_string(kept.join(SEEN_FILE)).unwrap()));
        // seen by another network
        let other = Embedding { identity: "cd".repeat(32), ..embedding() };
        let about = About {
            folder: folder.clone(),
            embedding: other,
            encounters: 2,
            problems: Vec::new(),
            unread: None,
            empty: 0,
        };
        files::replace_json(&kept.join(ABOUT_FILE), &about).unwrap();
        let session = Session::read(&gallery, &folder).unwrap();
        assert!(session.entries.is_empty());
        assert_eq!(Looking::at(&open, &folder).unwrap().seen.len(), 0);
    }

    #[test]
    fn a_decision_is_corrected_and_its_photos_go_with_it_and_back() {
        let dir = tempfile::tempdir().unwrap();
        let (gallery, folder) = stage(dir.path());
        let mut sitting = Sitting::new(&gallery, &folder);
        decide(&mut sitting, &["a", "b"], Ruling::New("t9".into())).unwrap();
        let photos =
            |name: &str| Gallery::open(&gallery).unwrap().individual(name).map_or(0, |(_, photos)| photos.len());
        let stands = |at: usize| Session::read(&gallery, &folder).unwrap().entries[at].decided.clone().unwrap();
        let correct = |sitting: &mut Sitting, ruling: Ruling, corrects: i64| {
            let version = Gallery::open(&gallery).unwrap().version().unwrap();
            let encounters = [("b".to_owned(), Proposed::default())];
            let ruled = Ruled { encounters: &encounters, ruling: &ruling, corrects: Some(corrects) };
            sitting.rule(&[ruled], By::Person, version.into()).unwrap().pop().map_or(Ok(()), |(_, error)| Err(error))
        };
        let first = stands(1).change;
        assert!(matches!(correct(&mut sitting, Ruling::Known("t9".into()), first), Err(Error::AlreadyDecided { .. })));
        correct(&mut sitting, Ruling::Known("t2".into()), first).unwrap();
        assert_eq!((photos("t9"), photos("t2"), stands(1).ruling), (2, 2, Ruling::Known("t2".into())));
        assert_eq!(stands(0).ruling, Ruling::New("t9".into()), "the other of the group stays");
        // what was looked at is not what stands
        assert!(matches!(correct(&mut sitting, Ruling::Known("t1".into()), first), Err(Error::AlreadyDecided { .. })));
        let log = Gallery::open(&gallery).unwrap().decided(None).unwrap();
        assert_eq!((log.len(), log.iter().any(|one| one.undone)), (3, false), "both lines are kept");
        let said = |gallery: &Path| Gallery::open(gallery).unwrap().changes().unwrap().pop().unwrap().said;
        assert_eq!(said(&gallery), "week/b is t2; it was t9");
        let listed = Session::list(&Gallery::open(&gallery).unwrap(), &mut Default::default()).unwrap();
        assert_eq!((listed[0].decided, listed[0].encounters), (2, 2), "of two encounters three were decided on");
        let now = stands(1).change;
        correct(&mut sitting, Ruling::Skipped, now).unwrap();
        assert_eq!((photos("t9"), photos("t2"), stands(1).ruling), (2, 1, Ruling::Skipped));
        // and all of it back
        sitting.undo().unwrap();
        assert_eq!((photos("t9"), photos("t2"), stands(1).ruling), (2, 2, Ruling::Known("t2".into())));
        sitting.undo().unwrap();
        assert_eq!((photos("t9"), photos("t2"), stands(1).ruling), (3, 1, Ruling::New("t9".into())));
        assert_eq!(
            said(&gallery),
            "taken back: identify: week/b is t2; it was t9; week/b is t9, a new individual again"
        );
        sitting.undo().unwrap();
        assert_eq!(photos("t9"), 0);
        let both = "2 encounters (week/a and others) are";
        assert_eq!(
            said(&gallery),
            format!("taken back: identify: {both} t9, a new individual; {both} open again"),
            "as gallery undo says it"
        );
        decide(&mut sitting, &["a"], Ruling::Known("t1".into())).unwrap();
    }

    /// Encounters `a` to `e`, all near to t1.
    fn five(dir: &Path) -> (PathBuf, PathBuf) {
        let (gallery, folder) = (dir.join("g"), dir.join("week"));
        drop(small(&gallery));
        let turned = |n: u8| {
            let angle = 0.1 + 0.01 * f32::from(n);
            (char::from(b'a' + n).to_string(), vec![angle.cos(), angle.sin(), 0.0])
        };
        write(&gallery, &folder, &embedding(), &(0..5).map(turned).collect::<Vec<_>>());
        (gallery, folder)
    }

    /// The program decides that these are t1, in one go; what was refused.
    fn unseen(sitting: &mut Sitting, encounters: &[&str]) -> Vec<String> {
        let t1 = Ruling::Known("t1".into());
        let all: Vec<_> = encounters.iter().map(|one| [((*one).to_owned(), Proposed::default())]).collect();
        let all: Vec<_> = all.iter().map(|encounters| Ruled { encounters, ruling: &t1, corrects: None }).collect();
        let version = Gallery::open(&sitting.gallery).unwrap().version().unwrap();
        sitting.rule(&all, By::Program, version.into()).unwrap().into_iter().map(|(encounter, _)| encounter).collect()
    }

    fn undo(sitting: &mut Sitting) -> Vec<String> {
        sitting.undo().unwrap().into_iter().map(|one| one.encounter).collect()
    }

    #[test]
    fn what_the_program_decided_in_one_go_is_taken_back_in_one() {
        let dir = tempfile::tempdir().unwrap();
        let (gallery, folder) = five(dir.path());
        let (mut sitting, t1) = (Sitting::new(&gallery, &folder), Ruling::Known("t1".into()));
        let none: [&str; 0] = [];
        decide(&mut sitting, &["a"], t1.clone()).unwrap();
        assert_eq!(unseen(&mut sitting, &["b", "c"]), none);
        assert_eq!(unseen(&mut sitting, &["d", "e"]), none);
        assert_eq!(undo(&mut sitting), ["d", "e"], "those before were another go");
        assert_eq!(undo(&mut sitting), ["b", "c"]);
        assert_eq!(unseen(&mut sitting, &["b", "c", "d"]), none);
        decide(&mut sitting, &["e"], t1.clone()).unwrap();
        // who comes later has the log
        let mut sitting = Sitting::new(&gallery, &folder);
        assert_eq!([undo(&mut sitting), undo(&mut sitting)], [vec!["e"], vec!["b", "c", "d"]]);
        assert_eq!([undo(&mut sitting), undo(&mut sitting)], [vec!["a"], vec![]]);
        let changes = Gallery::open(&gallery).unwrap().changes().unwrap();
        assert!(!changes.iter().any(|change| change.what == "identify" && !change.undone));
        let last: Vec<&str> = changes.iter().rev().take(2).map(|change| change.said.as_str()).collect();
        let go = "taken back: identify: week/d is t1, by program, and with it 2 more that the program decided in the same go; \
                  3 encounters (week/b and others) are open again";
        assert_eq!(last, ["taken back: identify: week/a is t1; week/a is open again", go], "an entry for each step");
        assert_eq!(Gallery::open(&gallery).unwrap().counts().unwrap().photos, 3);
    }

    #[test]
    fn goes_are_told_apart_whatever_was_refused_and_whoever_takes_them_back() {
        let dir = tempfile::tempdir().unwrap();
        let (gallery, folder) = five(dir.path());
        let mut sitting = Sitting::new(&gallery, &folder);
        fs::write(folder.join("c/1.jpg"), "another").unwrap();
        assert_eq!(unseen(&mut sitting, &["a", "c", "b"]), ["c"]);
        assert_eq!(unseen(&mut sitting, &["c"]), ["c"], "nothing is written down by this one");
        assert_eq!(undo(&mut sitting), ["a", "b"]);
        for go in [&["a", "b"][..], &["d"], &["e"]] {
            assert!(unseen(&mut sitting, go).is_empty());
        }
        assert_eq!([undo(&mut sitting), undo(&mut sitting)], [["e"], ["d"]]);
        assert_eq!(undo(&mut Sitting::new(&gallery, &folder)), ["a", "b"], "also by who comes later");
        // as versions wrote it that knew no goes
        for (n, encounter) in [(5, "d"), (6, "e")] {
            let (path, proposed) = (format!("{encounter}/1.jpg"), &Proposed::default());
            let sha256 = hash::of_file(&folder.join(&path)).unwrap();
            let (photo, embeddings) = photo(n, "");
            let photos = &[NewPhoto { root: folder.to_string_lossy().into(), path, sha256, ..photo }];
            let embeddings = &embeddings[..];
            let matter = Matter { encounter, proposed, photos, embeddings, unread: false, had: &[], taken_out: None };
            let ruling = (&Ruling::Known("t1".into()), By::Program, None);
            Writer::open(&gallery).unwrap().rule(&folder.to_string_lossy(), &[matter], ruling).unwrap();
        }
        assert_eq!([undo(&mut sitting), undo(&mut sitting)], [["e"], ["d"]]);
        assert!(undo(&mut sitting).is_empty());
    }

    #[test]
    fn who_is_called_otherwise_since_is_told_so() {
        let dir = tempfile::tempdir().unwrap();
        let (gallery, folder) = stage(dir.path());
        let mut sitting = Sitting::new(&gallery, &folder);
        decide(&mut sitting, &["a"], Ruling::Known("t1".into())).unwrap();
        sitting.look().unwrap();
        Writer::open(&gallery).unwrap().rename("t1", "Zoe").unwrap();
        let (session, is_other) = sitting.look().unwrap();
        assert_eq!(
            (&session.entries[0].decided.as_ref().unwrap().ruling, is_other),
            (&Ruling::Known("Zoe".into()), true)
        );
        assert!(session.entries[1].proposal.individuals.iter().any(|near| near.individual == "Zoe"));
        let log = Gallery::open(&gallery).unwrap().decided(None).unwrap();
        assert_eq!(log[0].ruling, Ruling::Known("t1".into()), "the log has what was said");
    }

    #[test]
    fn many_copies_of_one_photo_take_no_more_room_than_the_photos() {
        let dir = tempfile::tempdir().unwrap();
        let (gallery, folder) = stage(dir.path());
        let path = place(&gallery, &folder).join(SEEN_FILE);
        let first = fs::read_to_string(&path).unwrap().lines().nth(1).unwrap().to_owned();
        let line = |n: usize| first.replace("\"b\"", &format!("\"b{n}\"")) + "\n";
        fs::write(&path, (0..300).map(line).collect::<String>()).unwrap();
        let session = Session::read(&gallery, &folder).unwrap();
        let copies: Vec<&[String]> = session.entries.iter().map(|entry| &entry.copies[..]).collect();
        assert_eq!((copies.len(), copies[0].len()), (300, 1));
        assert!(copies.iter().all(|one| *one == copies[0]), "what is the same in all");
    }

    #[test]
    fn photos_keep_their_day_and_their_folder() {
        let dir = tempfile::tempdir().unwrap();
        let (gallery, folder) = stage(dir.path());
        let path = place(&gallery, &folder).join(SEEN_FILE);
        let seen = fs::read_to_string(&path).unwrap();
        let (first, second) = seen.split_once('\n').unwrap();
        let dated = first.replace("\"date\":null", "\"date\":\"2026-07-09\"");
        fs::write(&path, format!("{dated}\n{second}")).unwrap();
        let mut sitting = Sitting::new(&gallery, &folder);
        decide(&mut sitting, &["a", "b"], Ruling::New("t9".into())).unwrap();
        let (t9, photos) = Gallery::open(&gallery).unwrap().individual("t9").unwrap();
        assert_eq!(t9.last.as_deref(), Some("2026-07-09"));
        let encounters: Vec<&str> = photos.iter().map(|photo| photo.encounter.as_str()).collect();
        assert_eq!(encounters, ["2026-07-09", "2026-07-09", "week/b"], "a day, or the folder with what was given");
        assert_eq!(photos[2].file().path, folder.join("b/1.jpg"));
    }

    #[test]
    fn an_encounter_without_a_readable_photo_is_listed_and_can_only_be_skipped() {
        let dir = tempfile::tempdir().unwrap();
        let (gallery, folder) = stage(dir.path());
        let path = place(&gallery, &folder).join(SEEN_FILE);
        let mut sitting = Sitting::new(&gallery, &folder);
        sitting.look().unwrap();
        let seen = fs::read_to_string(&path).unwrap();
        let unread = vec![("c/1.jpg".to_owned(), "it is no photo".to_owned())];
        let none = Seen { encounter: "c".into(), unread, ..Seen::default() };
        let line = serde_json::to_string(&none).unwrap();
        fs::write(&path, format!("{seen}{line}\n")).unwrap();
        let (session, is_other) = sitting.look().unwrap();
        assert!(is_other && session.problems == ["c/1.jpg: it is no photo"], "{:?}", session.problems);
        let entry = &session.entries[2];
        assert_eq!((entry.photos.len(), &entry.unread[0].0), (0, &folder.join("c/1.jpg")));
        assert!(matches!(decide(&mut sitting, &["c"], Ruling::Known("t1".into())), Err(Error::NothingSeen { .. })));
        decide(&mut sitting, &["c"], Ruling::Skipped).unwrap();
        let session = sitting.look().unwrap().0;
        assert_eq!(session.entries[2].decided.as_ref().map(|one| &one.ruling), Some(&Ruling::Skipped));
        assert_eq!(format!("{session:?}"), format!("{:?}", Session::read(&gallery, &folder).unwrap()));
        // and stays so when all is measured anew
        sitting.standing = None;
        assert_eq!(sitting.look().unwrap().0.entries.len(), 3);
        let listed = || {
            let open = Gallery::open(&gallery).unwrap();
            drop(Looking::at(&open, &folder).unwrap()); // somebody looks again
            Session::list(&open, &mut Default::default()).unwrap().remove(0)
        };
        assert_eq!((listed().encounters, listed().decided), (3, 1));
        // a better copy came
        fs::write(&path, format!("{seen}{line}\n{}\n", seen.lines().last().unwrap().replace("\"b\"", "\"c\"")))
            .unwrap();
        let session = sitting.look().unwrap().0;
        assert_eq!((session.entries.len(), session.entries[2].photos.len(), session.problems.len()), (3, 1, 0));
        assert_eq!(session.entries[2].decided, None);
        assert_eq!((listed().encounters, listed().decided), (3, 0), "the list counts as the session does");
    }
}
