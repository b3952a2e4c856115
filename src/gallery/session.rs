//! A folder of new photos that a person goes through, as it stands: where its encounters are, and what is proposed of each.
//!
//! What a network made of the photos is kept ([`seen`](super::seen)), so that a name that was given counts for the next encounter
//! at once, and a session that was killed goes on where it was: what was decided is the gallery's own. [`sitting`](super::sitting)
//! keeps it up.

use std::collections::{BTreeMap, HashMap};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::SystemTime;

use jiff::civil::Date;
use serde::Serialize;

use super::Result;
use super::calibration::Calibration;
use super::decisions::{Decided, Ruling};
use super::held::{by_individual, others};
use super::identify::{Decision, NearIndividual, NearPhoto};
use super::rulings::Shown;
use super::seen::{About, SEEN_FILE, SeenFile, Unread, UpTo, abouts, place};
use super::share::Share;
use super::since::Since;
use super::sitting::Sitting;
use super::stands::{Has, OfFolder};
use super::store::{Counts, Gallery};

/// What a calibration promises, in few words.
pub fn promise(calibration: &Calibration) -> String {
    let percent = |share: f64| format!("{:.0}", 100.0 * share);
    match &calibration.reached {
        Some(reached) => {
            let Share { share, interval: [low, high], .. } = reached.false_new;
            format!("{} % false new ({} to {})", percent(share), percent(low), percent(high))
        }
        None => format!("{} % false new asked for", percent(calibration.asked.false_new)),
    }
}

/// A folder that is gone through, in a list.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Outline {
    /// The folder.
    pub folder: PathBuf,
    /// Encounters seen.
    pub encounters: usize,
    /// Those decided, as the session itself counts them.
    pub decided: usize,
    /// Those of them with photos that came since.
    pub later: usize,
}

/// One encounter of a session.
#[derive(Clone, Debug)]
pub struct Entry {
    /// What is proposed, by what the gallery knows now; what it was when it was decided is in `decided`.
    pub proposal: Decision,
    /// Where its photos lie.
    pub photos: Vec<PathBuf>,
    /// Its files that cannot be read, and why; where it has no photos there are only these.
    pub unread: Vec<(PathBuf, String)>,
    /// The day of the first dated one.
    pub date: Option<Date>,
    /// Of each of the proposal's individuals its nearest photo.
    pub best: Vec<NearPhoto>,
    /// What was decided of it.
    pub decided: Option<Decided>,
    /// Of one that is decided to be somebody the photos that the gallery does not have, of one that was skipped those that it did not
    /// have then, as they came or were repaired since: places in `photos`.
    pub later: Vec<usize>,
    /// It is decided to be somebody, and the gallery has none of these photos as that one: they were taken out of it, or others lie
    /// here by now.
    pub of_others: bool,
    /// Who it was decided to be last, where the gallery has none of its photos as that one any more, as all were taken out: it is
    /// open again.
    pub taken_out: Option<String>,
    /// What is near to those of its photos alone that came since it was decided to be somebody; none where none did.
    pub since: Option<Box<Since>>,
    /// Those of its photos that other encounters of the folder have, too, byte for byte: a word for each, the same in all of them.
    pub copies: Vec<String>,
}

impl Entry {
    /// Of what is proposed, of which nothing else is known yet.
    pub fn of(proposal: Decision) -> Entry {
        Entry {
            proposal,
            photos: Vec::new(),
            unread: Vec::new(),
            date: None,
            best: Vec::new(),
            decided: None,
            later: Vec::new(),
            of_others: false,
            taken_out: None,
            since: None,
            copies: Vec::new(),
        }
    }

    /// Of one that is decided to be somebody, whom else the gallery holds photos of it as, with how many: one photo is not two
    /// animals.
    pub fn also_of(&self) -> Vec<(&str, usize)> {
        let name = self.settled().and_then(|decided| decided.ruling.individual());
        name.map_or_else(Vec::new, |name| by_individual(others(&self.proposal.already, name)))
    }

    /// Whether a folder above its photos is called after its day, which is where that is from, unless a camera says the same.
    pub fn is_dated_by_folder(&self) -> bool {
        let (Some(date), Some(photo)) = (self.date, self.photos.first()) else { return false };
        let begins = |folder: &Path| {
            folder.file_name().is_some_and(|name| name.to_string_lossy().starts_with(&date.to_string()))
        };
        photo.ancestors().skip(1).any(begins)
    }

    /// How far who is proposed is, as the screen has it; where nobody is, how far the nearest is.
    pub fn proposed_distance(&self) -> Option<f64> {
        let individuals = &self.proposal.individuals;
        let near = match &self.proposal.individual {
            Some(name) => individuals.iter().find(|near| near.individual == *name),
            None => individuals.first(),
        };
        near.map(|near| near.distance)
    }

    /// The individuals that are near to what is to be looked at: of one that is decided to be somebody to what came since.
    pub fn individuals(&self) -> &[NearIndividual] {
        self.since.as_ref().map_or(&self.proposal.individuals, |since| &since.individuals)
    }

    /// Of each of [`Entry::individuals`] its nearest photo.
    pub fn best(&self) -> &[NearPhoto] {
        self.since.as_ref().map_or(&self.best, |since| &since.best)
    }

    /// What was decided of it that stays until it is taken back; a skipped one may still get a name.
    pub fn settled(&self) -> Option<&Decided> {
        self.decided.as_ref().filter(|decided| decided.ruling != Ruling::Skipped)
    }
}

/// A session as it stands.
#[derive(Clone, Debug)]
pub struct Session {
    /// The gallery.
    pub gallery: PathBuf,
    /// The folder of new photos.
    pub folder: PathBuf,
    /// The gallery's version that the proposals are of.
    pub version: (u64, u64),
    /// How far what was seen was read for it; none where nobody says.
    pub up_to: Option<UpTo>,
    /// How much the gallery knows.
    pub counts: Counts,
    /// The encounters in the order in which they were seen.
    pub entries: Vec<Arc<Entry>>,
    /// What the gallery's calibration promises; none without one.
    pub promise: Option<String>,
    /// All names, for whoever picks another.
    pub names: Vec<String>,
    /// A name for a new individual that nobody ever had.
    pub free_name: String,
    /// Somebody looks at photos now.
    pub looking: bool,
    /// Photos that cannot be read, and why.
    pub problems: Vec<String>,
    /// Folders below it without a photo.
    pub empty: usize,
}

impl Session {
    /// What a decision by it goes by.
    pub fn shown(&self) -> Shown {
        Shown { version: self.version, up_to: self.up_to }
    }

    /// The session of `folder`, an absolute path, with the gallery in `gallery`.
    ///
    /// # Errors
    /// When a file cannot be read, or the gallery is empty.
    pub fn read(gallery: &Path, folder: &Path) -> Result<Arc<Session>> {
        Ok(Sitting::new(gallery, folder).look()?.0)
    }

    /// The sessions of the gallery in `gallery`, by their folders; `counted` keeps what takes long to count.
    ///
    /// # Errors
    /// When the gallery cannot be read.
    pub fn list(gallery: &Gallery, counted: &mut Counted) -> Result<Vec<Outline>> {
        let (mut all, unread) = (BTreeMap::new(), Unread::of(gallery));
        for about in abouts(gallery.folder()) {
            let decided = gallery.decided(Some(&about.folder.to_string_lossy()))?;
            // one that was corrected has several decisions
            let standing = decided.iter().filter(|decided| !decided.undone);
            let standing: HashMap<&str, &Decided> = standing.map(|one| (one.encounter.as_str(), one)).collect();
            let (later, open_again) = counted.of(gallery, &about, &standing)?;
            let decided = standing.into_values().filter(|one| unread.let_count(one)).count().saturating_sub(open_again);
            let encounters = about.encounters.max(decided);
            let outline = Outline { folder: about.folder.clone(), encounters, decided, later };
            all.insert(about.folder, outline);
        }
        Ok(all.into_values().collect())
    }
}

/// What a count is of: the gallery's version, and when what was seen was written last, and its length.
type CountedOf = ((u64, u64), Option<(SystemTime, u64)>);

/// How many encounters have photos that came since they were decided, and how many are open again, by where that was counted: it is
/// counted again when what it is of has changed.
#[derive(Debug, Default)]
pub struct Counted(HashMap<PathBuf, (CountedOf, (usize, usize))>);

impl Counted {
    /// How many of the encounters that were seen in the folder of `about` have later photos, and how many are open again as theirs
    /// were taken out, by what is decided of them and is `standing`.
    fn of(&mut self, gallery: &Gallery, about: &About, standing: &HashMap<&str, &Decided>) -> Result<(usize, usize)> {
        if standing.is_empty() {
            return Ok((0, 0));
        }
        let place = place(gallery.folder(), &about.folder);
        let written = std::fs::metadata(place.join(SEEN_FILE)).ok();
        let of = (gallery.version()?, written.and_then(|meta| Some((meta.modified().ok()?, meta.len()))));
        if let Some((_, count)) = self.0.get(&place).filter(|(before, _)| *before == of) {
            return Ok(*count);
        }
        let folder = about.folder.to_string_lossy();
        let mut seen = SeenFile::at(&place);
        seen.read_on(Some(&about.embedding))?;
        let brought = gallery.brought(&folder)?;
        let mut count = (0, 0);
        for one in seen.all().iter().chain(seen.unread()) {
            let decided = standing.get(one.encounter.as_str()).filter(|one_is| one_is.counts_with(one.photos.len()));
            let Some(decided) = decided else { continue };
            if OfFolder::has(gallery, decided, one.files_in_it())? == Has::Nothing {
                count.1 += 1;
            } else {
                count.0 += usize::from(!gallery.later((&folder, decided), one.lying(), &brought)?.is_empty());
            }
        }
        self.0.insert(place, (of, count));
        Ok(count)
    }
}

#[cfg(test)]
mod tests {
    use super::super::identify::Verdict;
    use super::*;

    #[test]
    fn the_distance_of_a_proposal_is_that_which_is_shown_of_who_is_proposed() {
        let near = |individual: &str, distance: f64| NearPhoto {
            photo: format!("{individual}.jpg"),
            root: "/known".into(),
            individual: individual.into(),
            encounter: String::new(),
            distance,
            is_same: false,
        };
        let apart = |(individual, distance): (&str, f64)| NearIndividual { individual: individual.into(), distance };
        // of several photos the mean decides, so that another may have the nearest one
        let proposed = |decision: Verdict, individual: Option<&str>| {
            let proposal = Decision {
                decision: Some(decision),
                individual: individual.map(str::to_owned),
                nearest: vec![near("t2", 0.3), near("t1", 0.5)],
                individuals: [("t1", 0.6), ("t2", 0.65), ("t3", 0.9)].map(apart).into(),
                ..Decision::open("a".into(), Vec::new())
            };
            let best = vec![near("t1", 0.5), near("t2", 0.3), near("t3", 0.7)];
            Entry { best, ..Entry::of(proposal) }.proposed_distance()
        };
        assert_eq!(proposed(Verdict::Known, Some("t1")), Some(0.6));
        assert_eq!(proposed(Verdict::Look, Some("t3")), Some(0.9));
        assert_eq!(proposed(Verdict::NewIndividual, None), Some(0.6));
        assert_eq!(proposed(Verdict::Known, Some("t9")), None, "of who is not near nothing is said");
    }
}
