//! Who is on photos: for each encounter one decision, with the nearest known photos.
//!
//! Without a calibration nobody knows how near is near enough: then it ranks, and decides nothing. Individuals are ranked as
//! the calibration ranked them ([`proposal`](super::proposal)).

use serde::{Deserialize, Serialize};

use crate::data::manifest::Problem;
use crate::eval::embed::{Embedded, Source, embed_readable};
use crate::eval::model::Model;
use crate::nn::ops::Backend;

use super::asked::{Asked, Embeddable, Together, with_rows};
use super::calibrated::calibration_of;
use super::calibration::Calibration;
use super::decision::decide;
use super::decisions::Ruling;
use super::discover::Cut;
use super::held::{self, Held, Holdings};
use super::known::Known;
use super::large::{EXACT_UP_TO, Large};
use super::proposal::{Candidate, Proposal};
use super::ranks::{Ranked, Ranking, rank_again};
use super::search::{Near, Nearest, nearest};
use super::stands::ByPlace;
use super::store::{Counts, Gallery, Photo};
use super::{Error, Result};

pub use super::decision::{Verdict, sure};
pub use super::stands::Stands;
pub use super::unread::Unread;

/// Photos embedded before their encounters are decided and told.
const BATCH: usize = 128;

/// A known photo near to those asked about.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct NearPhoto {
    /// Its path below `root`.
    pub photo: String,
    /// The folder of its dataset.
    pub root: String,
    /// Who is on it.
    pub individual: String,
    /// In which encounter.
    pub encounter: String,
    /// Euclidean distance of the unit embeddings, 0 to 2.
    pub distance: f64,
    /// A search found the photo asked about itself: the gallery has the same file. No decision knows it as near.
    #[serde(skip)]
    pub is_same: bool,
}

impl NearPhoto {
    pub(super) fn of(photo: Photo, distance: f64) -> NearPhoto {
        NearPhoto {
            photo: photo.photo,
            root: photo.root.to_string_lossy().into_owned(),
            individual: photo.individual,
            encounter: photo.encounter,
            distance,
            is_same: false,
        }
    }
}

/// An individual near to the photos asked about.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct NearIndividual {
    /// Its name.
    pub individual: String,
    /// The distance of its nearest photo; of several photos asked about together the mean of each one's nearest.
    pub distance: f64,
}

/// What is said of one encounter.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Decision {
    /// Its photos that could be read, by their paths as given.
    pub photos: Vec<String>,
    /// Its folder or photo, as given.
    pub encounter: String,
    /// None without a calibration. Who it was decided to be, or whom the gallery holds all of its photos as, it is; where the gallery
    /// holds only some, or as several, it is to be looked at.
    pub decision: Option<Verdict>,
    /// Who it is; who is nearest, where that is not decided or to be looked at; none where it is a new individual.
    pub individual: Option<String>,
    /// That the decision is right, of `look` that the individual is; none without a calibration, and where the gallery has the
    /// individual.
    pub probability: Option<f64>,
    /// Of `new_individual` the proposed individual: one on several encounters has one group ([`groups`](super::groups)). None
    /// before all are seen, and where no calibration says how far apart groups stay.
    #[serde(default)]
    pub group: Option<String>,
    /// The nearest known photos, at most ten.
    pub nearest: Vec<NearPhoto>,
    /// The nearest individuals, at most ten.
    pub individuals: Vec<NearIndividual>,
    /// That a large gallery was searched, of which not all was measured; none where all was.
    #[serde(default)]
    pub approximate: Option<Approximate>,
    /// Those of its photos that the gallery holds already; the nearest are without them.
    #[serde(default)]
    pub already: Vec<Held>,
    /// What a person or the program decided of it before, and stands; who it was decided to be it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub decided: Option<Stands>,
    /// Those that could not be read, as they were then: what was decided stands until one of them is another file.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub unread: Vec<Unread>,
}

impl Decision {
    /// Of an encounter of which nothing was decided, and whom nobody is near.
    pub(super) fn open(encounter: String, photos: Vec<String>) -> Decision {
        Decision {
            photos,
            encounter,
            decision: None,
            individual: None,
            probability: None,
            group: None,
            nearest: Vec::new(),
            individuals: Vec::new(),
            approximate: None,
            already: Vec::new(),
            decided: None,
            unread: Vec::new(),
        }
    }

    /// With what the gallery holds of its photos and was decided of it, as [`Holdings::verdict`] has it.
    pub(super) fn with(self, holdings: Holdings) -> Decision {
        let Some((verdict, name)) = holdings.verdict(self.photos.len()) else {
            return Decision { decided: holdings.decided, ..self };
        };
        Decision {
            decision: self.decision.map(|_| verdict),
            individual: Some(name.to_owned()),
            probability: None,
            already: holdings.held,
            decided: holdings.decided,
            ..self
        }
    }

    /// Who it is by what the gallery holds, where that has all of its photos as one individual.
    pub fn held_as(&self) -> Option<&str> {
        held::as_one(&self.already, self.photos.len())
    }

    /// Who it is whatever is near: as was decided, else by what the gallery holds.
    pub fn settled_as(&self) -> Option<&str> {
        held::settled_as(self.decided.as_ref(), &self.already, self.photos.len())
    }

    /// Whether it is skipped: nothing is said of it until it gets a name.
    pub fn is_skipped(&self) -> bool {
        self.decided.as_ref().is_some_and(|decided| decided.ruling == Ruling::Skipped)
    }

    /// Whether it is decided to be somebody and was new before: it takes part where new ones are numbered.
    pub fn was_new(&self) -> bool {
        self.decided.as_ref().is_some_and(|decided| decided.was_new) && !self.is_new()
    }

    /// Whether it is that of a new individual.
    pub fn is_new(&self) -> bool {
        self.decision == Some(Verdict::NewIndividual)
    }
}

/// A search that may miss something.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Approximate {
    /// Of the ten nearest photos the share that such searches of this gallery find; none where that was not measured.
    pub recall_at_10: Option<f64>,
}

/// What is known, as it is searched.
#[derive(Debug)]
enum Reach {
    All(Known),
    Large(Box<Large>),
}

impl Reach {
    fn counts(&self) -> Counts {
        match self {
            Reach::All(known) => Counts {
                photos: known.len() as u64,
                individuals: known.individuals.len() as u64,
                encounters: known.encounters as u64,
            },
            Reach::Large(large) => large.counts(),
        }
    }
}

/// A gallery ready to be asked.
#[derive(Debug)]
pub struct Catalogue {
    gallery: Gallery,
    reach: Reach,
    calibration: Option<Calibration>,
}

impl Catalogue {
    /// All of `gallery`.
    ///
    /// # Errors
    /// When it cannot be read, or holds no photo.
    pub fn of(gallery: Gallery) -> Result<Catalogue> {
        Catalogue::exact_up_to(gallery, EXACT_UP_TO)
    }

    /// As [`Catalogue::of`], where of more than `photos` photos not all are measured.
    pub(super) fn exact_up_to(gallery: Gallery, photos: u64) -> Result<Catalogue> {
        let reach = match gallery.standing()?.rows > photos {
            true => Reach::Large(Box::new(Large::open(&gallery)?)),
            false => Reach::All(gallery.known()?),
        };
        if reach.counts().photos == 0 {
            return Err(Error::Empty { folder: gallery.folder().to_path_buf() });
        }
        Ok(Catalogue { calibration: current(&gallery)?, gallery, reach })
    }

    /// The gallery.
    pub fn gallery(&self) -> &Gallery {
        &self.gallery
    }

    /// How much it knows.
    pub fn counts(&self) -> Counts {
        self.reach.counts()
    }

    /// Names of the known individuals.
    pub fn individuals(&self) -> &[String] {
        match &self.reach {
            Reach::All(known) => &known.individuals,
            Reach::Large(large) => large.individuals(),
        }
    }

    /// That not all of it is measured for an answer; none where all is.
    pub fn approximate(&self) -> Option<Approximate> {
        match &self.reach {
            Reach::All(_) => None,
            Reach::Large(large) => Some(Approximate { recall_at_10: large.recall().map(|recall| recall.recall_at_10) }),
        }
    }

    /// The nearest to each of `queries`, whose embeddings are one or more rows of the gallery's dimensions.
    ///
    /// # Errors
    /// When the gallery's embeddings are damaged.
    pub fn nearest(&self, queries: &[&[f32]]) -> Result<Vec<Nearest>> {
        match &self.reach {
            Reach::All(known) => Ok(nearest(known, queries)),
            Reach::Large(large) => large.nearest(queries),
        }
    }

    /// What is nearest to each of `queries`, as [`Catalogue::nearest`] has it, with the individuals as a proposal ranks them.
    ///
    /// # Errors
    /// As [`Catalogue::nearest`], and when a query is no photos of the gallery's dimensions.
    pub(super) fn rank(&self, queries: &[&[f32]]) -> Result<Vec<Ranked>> {
        match &self.reach {
            Reach::All(known) => known.rank(queries),
            Reach::Large(large) => large.rank(queries),
        }
    }

    /// Makes `ranked`, which are of `queries` by what was known `before`, ones by what is known now; tells for each whether
    /// anything that it names is otherwise.
    ///
    /// # Errors
    /// As [`Catalogue::rank`].
    pub(super) fn rank_again(
        &self,
        before: &Catalogue,
        queries: &[&[f32]],
        ranked: &mut Vec<Ranked>,
    ) -> Result<Vec<bool>> {
        match (&before.reach, &self.reach) {
            (Reach::All(before), Reach::All(now)) => rank_again((before, now), queries, ranked),
            (Reach::Large(before), Reach::Large(now)) => rank_again((&**before, &**now), queries, ranked),
            _ => {
                *ranked = self.rank(queries)?;
                Ok(vec![true; ranked.len()])
            }
        }
    }

    /// As [`Catalogue::rank`], each without the own copies of its photos that the gallery holds.
    ///
    /// # Errors
    /// As [`Catalogue::rank`].
    pub(super) fn rank_without(&self, asked: &[(&[f32], &Holdings)]) -> Result<Vec<Ranked>> {
        match &self.reach {
            Reach::All(known) => held::rank_without(known, asked),
            Reach::Large(large) => held::rank_without(&**large, asked),
        }
    }

    /// What decides; none where it was not calibrated.
    pub fn calibration(&self) -> Option<&Calibration> {
        self.calibration.as_ref()
    }

    /// How far apart groups of new animals stay; none where no calibration says so.
    pub fn cut(&self) -> Option<&Cut> {
        self.calibration.as_ref()?.groups.as_ref()
    }

    /// Reads the calibration again: it may be another, or gone.
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn calibrate_again(&mut self) -> Result<()> {
        self.calibration = current(&self.gallery)?;
        Ok(())
    }

    /// The known photos of `near`, with what is said of them.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub fn photos(&self, near: &[Near]) -> Result<Vec<NearPhoto>> {
        self.photos_beside(near, &Holdings::default())
    }

    /// As [`Catalogue::photos`], where `holdings` says which of them are those asked about.
    fn photos_beside(&self, near: &[Near], holdings: &Holdings) -> Result<Vec<NearPhoto>> {
        let mut photos = Vec::with_capacity(near.len());
        for near in near {
            let photo = match &self.reach {
                Reach::All(known) => self.gallery.photo(known.photos[near.row].id)?,
                Reach::Large(large) => self.gallery.photo_in(large.id(near.row), near.row)?,
            };
            // one that was taken out since is not shown
            if let Some(photo) = photo {
                let is_same = holdings.has(photo.id);
                photos.push(NearPhoto { is_same, ..NearPhoto::of(photo, near.distance) });
            }
        }
        Ok(photos)
    }

    /// What is said of an encounter of `photos`, by the known `near` ones and the individuals that are nearest, [`NEAREST`] of
    /// each or all.
    pub(super) fn decide(
        &self,
        photos: Vec<String>,
        encounter: String,
        near: &[Near],
        individuals: &[Candidate],
    ) -> Result<Decision> {
        let proposal = Proposal { candidates: individuals.to_vec() };
        let name = |individual: usize| self.individuals()[individual].clone();
        let decided = self.calibration.as_ref().map(|calibration| decide(&proposal, calibration));
        let individual = match &decided {
            Some(decided) => decided.individual,
            None => proposal.candidates.first().map(|nearest| nearest.individual),
        };
        Ok(Decision {
            photos,
            encounter,
            decision: decided.map(|decided| decided.decision),
            individual: individual.map(name),
            probability: decided.and_then(|decided| decided.probability),
            group: None,
            nearest: self.photos(near)?,
            individuals: individuals
                .iter()
                .map(|near| NearIndividual { individual: name(near.individual), distance: near.distance })
                .collect(),
            approximate: self.approximate(),
            already: Vec::new(),
            decided: None,
            unread: Vec::new(),
        })
    }
}

/// The calibration of the embeddings that the gallery has; one of those before a rebuild is none.
///
/// # Errors
/// When its file cannot be read or is damaged.
pub fn current(gallery: &Gallery) -> Result<Option<Calibration>> {
    match calibration_of(gallery) {
        Err(Error::OtherCalibration { .. }) => Ok(None),
        other => other,
    }
}

/// Decides on each of the encounters of `asked`, and hands each decision to `told` when its batch is done, with the embeddings
/// of its photos, row after row. The problems are of photos that cannot be read: they do not count, and an encounter of no
/// other photo has no decision. `progress` is called with the number done, of how many, and says whether to go on.
///
/// # Errors
/// When the network fails, `told` does, or `progress` said no ([`Error::Interrupted`]).
pub fn identify<D: Backend>(
    catalogue: &Catalogue,
    model: &Model<D>,
    asked: &Asked,
    source: &Source,
    progress: &mut dyn FnMut(usize, usize) -> bool,
    told: &mut dyn FnMut(Decision, &[f32]) -> Result<()>,
) -> Result<Vec<Problem>> {
    decide_each((catalogue, true), model, asked, source, progress, told)
}

/// As [`identify`], for a search: what the gallery holds of the photos is found like any other, and marked.
///
/// # Errors
/// As [`identify`].
pub fn look_up<D: Backend>(
    catalogue: &Catalogue,
    model: &Model<D>,
    asked: &Asked,
    source: &Source,
    progress: &mut dyn FnMut(usize, usize) -> bool,
    told: &mut dyn FnMut(Decision, &[f32]) -> Result<()>,
) -> Result<Vec<Problem>> {
    decide_each((catalogue, false), model, asked, source, progress, told)
}

fn decide_each<D: Backend>(
    (catalogue, without_own): (&Catalogue, bool),
    model: &Model<D>,
    asked: &Asked,
    source: &Source,
    progress: &mut dyn FnMut(usize, usize) -> bool,
    told: &mut dyn FnMut(Decision, &[f32]) -> Result<()>,
) -> Result<Vec<Problem>> {
    let cached = (&*source.cache, model.about.preprocessing.image_size);
    let mut stands = without_own.then(ByPlace::default);
    each_encounter(model, asked, source, progress, &mut |batch, problems| {
        let batch: Vec<&Embeddable<'_>> = batch.iter().filter(|(_, photos, _)| !photos.is_empty()).collect();
        let photos: Vec<(&str, &[usize])> =
            batch.iter().map(|(together, photos, _)| (together.encounter.as_str(), *photos)).collect();
        let holdings = catalogue.gallery().holds_of_each(stands.as_mut(), &asked.manifest, cached, &photos)?;
        let none = Holdings::default();
        let rows = batch.iter().map(|(.., rows)| *rows);
        let queries: Vec<(&[f32], &Holdings)> =
            rows.zip(holdings.iter().map(|own| if without_own { own } else { &none })).collect();
        let ranked = catalogue.rank_without(&queries)?;
        for (((together, photos, rows), holdings), ranked) in batch.iter().zip(holdings).zip(ranked) {
            let photos: Vec<String> =
                photos.iter().map(|&i| asked.manifest.photos[i].path.to_string_lossy().into_owned()).collect();
            let (near, individuals) = (&ranked.photos, &ranked.individuals);
            let decision = catalogue.decide(photos, together.encounter.clone(), near, individuals)?;
            let unread = Unread::of(&asked.manifest, together, problems);
            let decision = match without_own {
                true => decision.with(holdings),
                false => Decision { nearest: catalogue.photos_beside(near, &holdings)?, ..decision },
            };
            told(Decision { unread, ..decision }, rows)?;
        }
        Ok(())
    })
}

/// Embeds the photos of `asked`, and hands the embeddings of each encounter to `told`, row after row. The rest is as for
/// [`identify`].
///
/// # Errors
/// As [`identify`].
pub fn embed<D: Backend>(
    model: &Model<D>,
    asked: &Asked,
    source: &Source,
    progress: &mut dyn FnMut(usize, usize) -> bool,
    told: &mut dyn FnMut(&str, &[f32]),
) -> Result<Vec<Problem>> {
    each_encounter(model, asked, source, progress, &mut |batch, _| {
        let readable = batch.iter().filter(|(_, photos, _)| !photos.is_empty());
        readable.for_each(|(together, _, rows)| told(&together.encounter, rows));
        Ok(())
    })
}

/// Embeds the photos of `asked`, and hands its encounters to `told` a batch at a time, also those without a readable photo, with
/// the problems of the batch's photos. The rest is as for [`identify`].
///
/// # Errors
/// As [`identify`].
pub(super) fn each_encounter<D: Backend>(
    model: &Model<D>,
    asked: &Asked,
    source: &Source,
    progress: &mut dyn FnMut(usize, usize) -> bool,
    told: &mut dyn FnMut(&[Embeddable<'_>], &[Problem]) -> Result<()>,
) -> Result<Vec<Problem>> {
    let dims = model.about.embedding_dim;
    let all = 2 * asked.photos();
    let (mut problems, mut done) = (Vec::new(), 0);
    for batch in batches(&asked.encounters) {
        let photos: Vec<usize> = batch.iter().flat_map(|together| together.photos.iter().copied()).collect();
        let Embedded { usable, vectors, problems: unreadable } =
            embed_readable(model, &asked.manifest, &photos, source, &mut |now, _| progress(done + now, all))?;
        done += 2 * photos.len();
        told(&with_rows(batch, &usable, &vectors, dims), &unreadable)?;
        problems.extend(unreadable);
    }
    Ok(problems)
}

/// Encounters in batches of about [`BATCH`] photos, at least one each.
fn batches(encounters: &[Together]) -> Vec<&[Together]> {
    let (mut batches, mut from, mut photos) = (Vec::new(), 0, 0);
    for (at, together) in encounters.iter().enumerate() {
        photos += together.photos.len();
        if photos >= BATCH || at + 1 == encounters.len() {
            batches.push(&encounters[from..=at]);
            (from, photos) = (at + 1, 0);
        }
    }
    batches
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_the_gallery_has_is_no_new_individual() {
        let photos = vec!["a/1.jpg".to_owned(), "a/2.jpg".to_owned()];
        let new = Decision {
            decision: Some(Verdict::NewIndividual),
            probability: Some(0.9),
            ..Decision::open("a".into(), photos.clone())
        };
        let at = crate::run::stamp::Stamp::from_millis(0);
        let held = photos.into_iter().map(|photo| Held { photo, individual: "t7".into(), at });
        let held: Vec<Held> = held.collect();
        let of = |held: &[Held]| Holdings { held: held.to_vec(), ..Holdings::default() };
        let some = new.clone().with(of(&held[..1]));
        let look = Decision {
            decision: Some(Verdict::Look),
            individual: Some("t7".into()),
            probability: None,
            already: held[..1].to_vec(),
            ..new.clone()
        };
        assert_eq!(some, look, "of the other photo nobody knows");
        let all = new.clone().with(of(&held));
        assert_eq!((all.is_new(), all.held_as(), all.probability), (false, Some("t7"), None));
        assert_eq!((all.decision, all.individual.as_deref()), (Some(Verdict::Known), Some("t7")));
        let ranked = Decision::open("a".into(), all.photos).with(of(&held));
        assert_eq!((ranked.decision, ranked.individual.as_deref()), (None, Some("t7")), "nothing is calibrated");
        // what was decided of it stands, whatever part of it is held; one that was skipped is open
        let stands = |ruling| Stands {
            ruling,
            by: super::super::decisions::By::Person,
            at,
            new_photos: vec!["a/2.jpg".into()],
            photos_of_others: Vec::new(),
            was_new: true,
        };
        let with = |ruling| Holdings { decided: Some(stands(ruling)), ..of(&held[..1]) };
        let decided = new.clone().with(with(Ruling::New("Zoe".into())));
        assert_eq!((decided.decision, decided.individual.as_deref()), (Some(Verdict::Known), Some("Zoe")));
        assert_eq!((decided.probability, decided.was_new(), decided.is_skipped()), (None, true, false));
        let skipped = new.clone().with(Holdings { held: vec![], ..with(Ruling::Skipped) });
        assert_eq!((skipped.is_new(), skipped.is_skipped(), skipped.settled_as()), (true, true, None));
    }

    #[test]
    fn batches_keep_encounters_whole_and_lose_none() {
        let sizes = [1, 100, 30, 300, 2, 2, 200];
        let together = |&size: &usize| Together { encounter: String::new(), photos: vec![0; size] };
        let encounters: Vec<_> = sizes.iter().map(together).collect();
        let found: Vec<Vec<usize>> =
            batches(&encounters).iter().map(|batch| batch.iter().map(|t| t.photos.len()).collect()).collect();
        assert_eq!(found, [vec![1, 100, 30], vec![300], vec![2, 2, 200]]);
        assert!(batches(&[]).is_empty());
    }
}
