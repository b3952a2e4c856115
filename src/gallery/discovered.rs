//! A folder's photos grouped into individuals: what `discover` does.

use std::collections::{BTreeMap, HashMap, HashSet};

use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use crate::data::manifest::{Manifest, Problem};
use crate::eval::embed::{Embedded, Source, embed_readable};
use crate::eval::embeddings::EmbeddingSet;
use crate::eval::model::Model;
use crate::nn::ops::Backend;

use super::apart;
use super::ari::Agreement;
use super::asked::{Asked, Together, with_rows};
use super::calibration::Calibration;
use super::decision::{Decision, Verdict, decide};
use super::discover::{self, Cut, Encounters, Group, Own};
use super::groups;
use super::hash;
use super::held::Holdings;
use super::known::{Known, KnownPhoto};
use super::proposal;
use super::stands::ByPlace;
use super::store::Gallery;
use super::trained::Trained;
use super::{Error, Result};

/// Encounters that are decided on at once.
const TOGETHER: usize = 16;

/// Photos that are to be grouped.
#[derive(Clone, Debug)]
pub struct Unsorted {
    /// The photos and which of them are of one encounter.
    pub asked: Asked,
    /// Whose each encounter is, for those with a name; it is hidden from the grouping.
    pub names: Vec<Option<String>>,
}

impl Unsorted {
    /// Photos of which nobody says whose they are.
    pub fn nameless(asked: Asked) -> Unsorted {
        Unsorted { names: vec![None; asked.encounters.len()], asked }
    }

    /// A dataset, with its names and its encounters; who nobody knows and what nobody dated is alone.
    pub fn of_dataset(manifest: Manifest) -> Unsorted {
        let mut encounters: Vec<Together> = Vec::new();
        let mut names = Vec::new();
        let mut places: HashMap<(&str, &str), usize> = HashMap::new();
        for (n, photo) in manifest.photos.iter().enumerate() {
            let is_alone = photo.individual.is_empty() || photo.encounter.is_empty();
            let next = encounters.len();
            let place =
                if is_alone { next } else { *places.entry((&photo.individual, &photo.encounter)).or_insert(next) };
            if place == next {
                encounters.push(Together { encounter: photo.path.to_string_lossy().into_owned(), photos: Vec::new() });
                names.push(Some(photo.individual.clone()).filter(|name| !name.is_empty()));
            }
            encounters[place].photos.push(n);
        }
        let asked = Asked { manifest, encounters, looked: HashSet::new(), unread: BTreeMap::new() };
        Unsorted { asked, names }
    }
}

/// What a folder's photos were grouped into.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Discovered {
    /// The groups, those of known individuals first.
    pub groups: Vec<Found>,
    /// Photos in them.
    pub photos: usize,
    /// Encounters in them.
    pub encounters: usize,
    /// How far apart groups stay, 0 to 2.
    pub distance: f64,
    /// What chose that distance; none where it was given.
    pub chosen: Option<Chosen>,
    /// The groups held against the folder's names, those of individuals that did not choose the distance, and without photos that
    /// the gallery holds itself; none where that leaves nobody.
    pub agreement: Option<Agreement>,
    /// The same with the gallery's individuals among them, of which some chose the distance; none where there are none.
    #[serde(default)]
    pub agreement_with_known: Option<Agreement>,
}

/// What chose a distance.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Chosen {
    /// Whose individuals.
    pub by: ChosenBy,
    /// How many of them.
    pub individuals: usize,
    /// What the distance reached on the others of them.
    pub reached: Agreement,
}

/// Whose individuals chose a distance.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ChosenBy {
    /// Those of the gallery.
    Gallery,
    /// The folder's own, whose names are known.
    Folder,
    /// Those of an evaluation of the network, some of which may have trained it by other photos: strangers lie farther apart.
    Evaluation,
}

/// What may say how far apart groups stay.
#[derive(Clone, Copy, Debug)]
pub struct Apart<'a> {
    /// What a person said.
    pub distance: Option<f64>,
    /// What trained the network, which chooses nothing.
    pub trained: &'a Trained,
    /// Photos with names that the network was evaluated on, where there are some.
    pub evaluated: Option<&'a Known>,
}

/// The photos of an evaluation, to choose on; none where too few have a name and an encounter.
pub fn evaluated(set: &EmbeddingSet) -> Option<Known> {
    let (mut names, mut met): (BTreeMap<&str, usize>, BTreeMap<(&str, &str), usize>) = Default::default();
    let (mut photos, mut embeddings) = (Vec::new(), Vec::new());
    for (id, (row, vector)) in (0..).zip(set.rows.iter().zip(set.vectors.chunks_exact(set.dim))) {
        if row.individual.is_empty() || row.encounter.is_empty() {
            continue;
        }
        let next = names.len();
        let individual = *names.entry(&row.individual).or_insert(next);
        let next = met.len();
        let encounter = *met.entry((&row.individual, &row.encounter)).or_insert(next);
        photos.push(KnownPhoto { id, individual, encounter, side: None, trained: None });
        embeddings.extend_from_slice(vector);
    }
    let mut individuals = vec![String::new(); names.len()];
    names.into_iter().for_each(|(name, at)| individuals[at] = name.to_owned());
    Known::new(set.dim, embeddings, photos, individuals).ok()
}

/// Photos that are proposed to be of one individual.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Found {
    /// Of a new individual what it goes by, as in a decision: "new 1" and so on; "look 1" and so on where all of it is to be looked
    /// at, so that nobody has called it new; none of a known one.
    pub group: Option<String>,
    /// The known individual that drew them; none of a new one.
    pub individual: Option<String>,
    /// Its photos.
    pub photos: Vec<String>,
    /// Its encounters.
    pub encounters: Vec<String>,
    /// What is decided of each, as `identify` says it; none where the gallery is not calibrated. One to look at lies where it
    /// is nearest, of those known with the first of its list, which decides nothing.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub decisions: Vec<Verdict>,
    /// Those of its photos that came after their encounter was decided or skipped: the screen adds them, or names who it is.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub new_photos: Vec<String>,
    /// How sure it is that all are one: the average distance of the two parts that were put together last, below `distance`.
    pub widest: Option<f64>,
    /// How sure it is that there are no more: the average distance to the part that would have come next, above `distance`.
    pub next: Option<f64>,
}

/// Groups the photos of `unsorted`, around what is `known` of a gallery's individuals if given. No photo is near to its own
/// copy. Who is known and who is new is what its calibration says, if it has one, as for [`identify`](super::identify::identify), and
/// new ones have the numbers that they have there. Else known individuals draw as encounters do. How far apart groups stay is `distance`, else what the
/// calibration says, else chosen on the gallery's individuals, else on the folder's own where they have names, without the photos that are of `trained`, else on
/// those that the network was evaluated on. The
/// problems are of photos that cannot be read. `progress` is called with the number done, of how many, and says whether to go on.
///
/// # Errors
/// When no photo can be read, nothing can choose a distance, there are too many encounters, the network fails, or `progress` said no.
pub fn discover<D: Backend>(
    unsorted: &Unsorted,
    model: &Model<D>,
    known: Option<(&Gallery, &Known, Option<&Calibration>)>,
    Apart { distance, trained, evaluated }: Apart<'_>,
    source: &Source,
    progress: &mut dyn FnMut(usize, usize) -> bool,
) -> Result<(Discovered, Vec<Problem>)> {
    let manifest = &unsorted.asked.manifest;
    let photos: Vec<usize> = unsorted.asked.encounters.iter().flat_map(|e| e.photos.iter().copied()).collect();
    let Embedded { usable, vectors, problems } = embed_readable(model, manifest, &photos, source, progress)?;
    if let (true, Some(first)) = (usable.is_empty(), problems.first()) {
        let first = Box::new(first.clone());
        return Err(crate::eval::Error::NothingReadable { photos: photos.len(), first }.into());
    }
    let readable = Readable::of(unsorted, &usable, &vectors, model.about.embedding_dim);
    let encounters = Encounters::new(readable.dims, readable.rows.iter().copied())?;
    let has_names = readable.names.iter().any(Option::is_some);
    let (gallery, known) = known.map(|(gallery, known, calibration)| (gallery, (known, calibration))).unzip();
    let (known, calibration) = known.unzip();
    let calibration: Option<&Calibration> = calibration.flatten();
    let calibrated = calibration.and_then(|calibration| calibration.groups);
    let (cut, by) = match (distance, calibrated, known) {
        (Some(distance), ..) => (Err(distance), None),
        (None, Some(cut), _) => (Ok(cut), Some(ChosenBy::Gallery)),
        (None, None, Some(known)) => (Ok(discover::choose(known, true)?), Some(ChosenBy::Gallery)),
        (None, None, None) if has_names => {
            (Ok(discover::choose(&readable.as_known(manifest, trained)?, false)?), Some(ChosenBy::Folder))
        }
        (None, None, None) => match evaluated.map(|evaluated| discover::choose(evaluated, false)) {
            Some(Ok(cut)) => (Ok(cut), Some(ChosenBy::Evaluation)),
            // too few
            Some(Err(_)) | None => return Err(Error::NoDistance),
        },
    };
    let distance = match &cut {
        Ok(Cut { distance, .. }) | Err(distance) => *distance,
    };
    let cached = (&*source.cache, model.about.preprocessing.image_size);
    let around = match gallery.zip(known) {
        Some((gallery, known)) => {
            let asked: Vec<(&str, &[usize])> =
                readable.encounters.iter().copied().zip(readable.photos.iter().copied()).collect();
            let mut stands = ByPlace::default();
            Some((known, gallery.holds_of_each(Some(&mut stands), manifest, cached, &asked)?))
        }
        None => None,
    };
    let unnumbered = |groups: Vec<Group>| groups.into_iter().map(|group| (group, None)).collect();
    let (groups, decided) = match (&around, calibration) {
        (Some((known, holdings)), Some(calibration)) => {
            let decided = readable.decided(known, calibration, holdings)?;
            let own = readable.own(known, holdings);
            (discover::group_decided(&encounters, known, (&decided, &own), distance)?, Some(decided))
        }
        (Some((known, holdings)), None) => {
            let groups = discover::group_around(&encounters, known, &readable.own(known, holdings), distance)?;
            (unnumbered(groups), None)
        }
        (None, _) => (unnumbered(discover::group(&encounters, None, distance)?), None),
    };
    let (groups, numbers): (Vec<Group>, Vec<Option<usize>>) = groups.into_iter().unzip();
    let (agreement, agreement_with_known) = match by {
        Some(ChosenBy::Folder) => (None, None),
        _ => {
            // of what the gallery holds itself it knows the answer
            let is_held = |e: usize| around.as_ref().is_some_and(|(_, holdings)| !holdings[e].is_empty());
            let mut names = readable.names.clone();
            names.iter_mut().enumerate().filter(|(e, _)| is_held(*e)).for_each(|(_, name)| *name = None);
            let all = discover::judge(&groups, &encounters, &names);
            let chose =
                |name: &str| by == Some(ChosenBy::Gallery) && known.is_some_and(|of| place_of(of, name).is_some());
            let with_known = names.iter().flatten().any(|name| chose(name));
            names.iter_mut().filter(|name| name.is_some_and(chose)).for_each(|name| *name = None);
            if with_known { (discover::judge(&groups, &encounters, &names), all) } else { (all, None) }
        }
    };
    let path = |&photo: &usize| manifest.photos[photo].path.to_string_lossy().into_owned();
    let later = |e: usize| {
        let decided = around.as_ref().and_then(|(_, holdings)| holdings[e].decided.as_ref());
        decided.map_or_else(Vec::new, |decided| decided.new_photos.clone())
    };
    let names = names(&groups, &numbers, decided.as_deref());
    let found = |(group, name): (&Group, Option<String>)| Found {
        group: name,
        individual: group.individual.zip(known).map(|(who, known)| known.individuals[who].clone()),
        photos: group.encounters.iter().flat_map(|&e| readable.photos[e].iter().map(path)).collect(),
        encounters: group.encounters.iter().map(|&e| readable.encounters[e].to_owned()).collect(),
        decisions: decided.iter().flat_map(|all| group.encounters.iter().map(|&e| all[e].decision)).collect(),
        new_photos: group.encounters.iter().flat_map(|&e| later(e)).collect(),
        widest: group.widest,
        next: group.next,
    };
    let discovered = Discovered {
        groups: groups.iter().zip(names).map(found).collect(),
        photos: usable.len(),
        encounters: encounters.len(),
        distance,
        chosen: cut.ok().zip(by).map(|(cut, by)| Chosen { by, individuals: cut.chosen_on, reached: cut.reached }),
        agreement,
        agreement_with_known,
    };
    Ok((discovered, problems))
}

/// What each of `groups` goes by that is no known individual's, by its number among the new ones, where it has one, and what was
/// `decided` of the encounters: who is only to be looked at was called new by nobody.
fn names(groups: &[Group], numbers: &[Option<usize>], decided: Option<&[Decision]>) -> Vec<Option<String>> {
    // those that have no number of their own come after those that have
    let (mut new, mut looks) = (numbers.iter().flatten().copied().max().unwrap_or(0), 0);
    let is_look = |group: &Group| {
        decided.is_some_and(|all| group.encounters.iter().all(|&one| all[one].decision == Verdict::Look))
    };
    let mut name = |group: &Group, number: Option<usize>| match number {
        Some(number) => groups::name(number),
        None if is_look(group) => {
            looks += 1;
            format!("look {looks}")
        }
        None => {
            new += 1;
            groups::name(new)
        }
    };
    groups.iter().zip(numbers).map(|(group, number)| group.individual.is_none().then(|| name(group, *number))).collect()
}

/// The place of the individual called so in `known`.
fn place_of(known: &Known, name: &str) -> Option<usize> {
    known.individuals.iter().position(|other| other == name)
}

/// The encounters of which a photo could be read.
struct Readable<'a> {
    dims: usize,
    rows: Vec<&'a [f32]>,
    photos: Vec<&'a [usize]>,
    encounters: Vec<&'a str>,
    names: Vec<Option<&'a str>>,
}

impl<'a> Readable<'a> {
    /// `usable` are the photos that could be read, encounter after encounter.
    fn of(unsorted: &'a Unsorted, usable: &'a [usize], vectors: &'a [f32], dims: usize) -> Readable<'a> {
        let mut readable = Readable { dims, rows: vec![], photos: vec![], encounters: vec![], names: vec![] };
        let encounters = with_rows(&unsorted.asked.encounters, usable, vectors, dims);
        for ((together, photos, rows), name) in encounters.into_iter().zip(&unsorted.names) {
            if !photos.is_empty() {
                readable.rows.push(rows);
                readable.photos.push(photos);
                readable.encounters.push(&together.encounter);
                readable.names.push(name.as_deref());
            }
        }
        readable
    }

    /// What a gallery holds of each, as rows of what is `known`.
    fn own(&self, known: &Known, holdings: &[Holdings]) -> Vec<Own> {
        let rows: HashMap<u64, usize> = known.photos.iter().enumerate().map(|(row, photo)| (photo.id, row)).collect();
        let own = |(holdings, photos): (&Holdings, &&[usize])| Own {
            individual: holdings.settled_as(photos.len()).and_then(|name| place_of(known, name)),
            rows: holdings.ids.iter().filter_map(|id| rows.get(id)).copied().collect(),
            was_new: holdings.decided.as_ref().is_some_and(|decided| decided.was_new),
        };
        holdings.iter().zip(&self.photos).map(own).collect()
    }

    /// What is decided of each, without what the gallery holds of its photos; who it is as was decided or all of them are held as
    /// is known, and where only some are held a person looks whether it is whom the first of those shows.
    fn decided(&self, known: &Known, calibration: &Calibration, holdings: &[Holdings]) -> Result<Vec<Decision>> {
        if known.dims != self.dims {
            let reason = format!("they have {} dimensions, and the gallery {}", self.dims, known.dims);
            return Err(Error::Query { reason });
        }
        let all: Vec<Result<Vec<Decision>>> = (self.rows.par_chunks(TOGETHER).zip(holdings.par_chunks(TOGETHER)))
            .map(|(rows, holdings)| {
                let photos: Vec<Vec<f32>> = rows.iter().map(|rows| rows.to_vec()).collect();
                let counts = |of: usize, row: usize| !holdings[of].has(known.photos[row].id);
                let apart = apart::each_encounter(known, &photos, counts);
                let decided = rows.iter().zip(apart).map(|(rows, apart)| {
                    let proposal = proposal::propose(self.dims, rows, proposal::candidates(&apart))?;
                    Ok(decide(&proposal, calibration))
                });
                decided.collect()
            })
            .collect();
        let mut all = all.into_iter().collect::<Result<Vec<_>>>()?.concat();
        for ((decision, holdings), photos) in all.iter_mut().zip(holdings).zip(&self.photos) {
            let Some((verdict, name)) = holdings.verdict(photos.len()) else { continue };
            if let individual @ Some(_) = place_of(known, name) {
                *decision = Decision { decision: verdict, individual, probability: None };
            }
        }
        Ok(all)
    }

    /// Those with a name, as if they were a gallery.
    fn as_known(&self, manifest: &Manifest, trained: &Trained) -> Result<Known> {
        let mut places: HashMap<&str, usize> = HashMap::new();
        let (mut individuals, mut photos, mut embeddings) = (Vec::new(), Vec::new(), Vec::new());
        let named = self.names.iter().enumerate().filter_map(|(encounter, name)| Some((encounter, (*name)?)));
        for (number, (encounter, name)) in named.enumerate() {
            let individual = *places.entry(name).or_insert_with(|| {
                individuals.push(name.to_owned());
                individuals.len() - 1
            });
            for &photo in self.photos[encounter] {
                let path = manifest.full_path(photo);
                let trained = hash::of_file(&path).ok().and_then(|hash| trained.is_on(&path, &hash));
                let id = photo as u64;
                photos.push(KnownPhoto { id, individual, encounter: number, side: None, trained });
            }
            embeddings.extend(self.rows[encounter]);
        }
        Known::new(self.dims, embeddings, photos, individuals)
    }
}

#[cfg(test)]
mod tests {
    use super::super::calibration::calibrate;
    use super::super::decisions::{By, Ruling};
    use super::super::held::Held;
    use super::super::stands::Stands;
    use super::super::testing::{drawn, proposed};
    use super::super::thresholds::Asked as Rates;
    use super::*;
    use crate::run::stamp::Stamp;

    #[test]
    fn a_group_that_is_only_to_be_looked_at_is_not_called_new() {
        let group = |individual: Option<usize>, encounters: &[usize]| Group {
            encounters: encounters.to_vec(),
            individual,
            widest: None,
            next: None,
        };
        let groups = [group(Some(0), &[0]), group(None, &[1, 2]), group(None, &[3, 4]), group(None, &[5])];
        let decision = |decision| Decision { decision, individual: None, probability: None };
        let (look, new) = (Verdict::Look, Verdict::NewIndividual);
        let decided = [look, new, look, look, look, new].map(decision);
        let told = |numbers: [Option<usize>; 4], decided: Option<&[Decision]>| {
            names(&groups, &numbers, decided).into_iter().map(Option::unwrap_or_default).collect::<Vec<_>>()
        };
        assert_eq!(told([None; 4], Some(&decided)), ["", "new 1", "look 1", "new 2"]);
        let one = [None, Some(3), None, None];
        assert_eq!(told(one, Some(&decided)), ["", "new 3", "look 1", "new 4"], "numbers that are taken stay");
        assert_eq!(told([None; 4], None), ["", "new 1", "new 2", "new 3"], "nothing is decided");
    }

    #[test]
    fn who_a_photo_shows_is_decided_without_its_own_copy() {
        let known = drawn(80, 3, 0.2, 3);
        let calibration = calibrate(&known, Rates { false_new: 0.1, wrong_name: 0.1 }, None, &HashSet::new()).unwrap();
        // the first photo of each individual and another, of which the gallery holds that first
        let (dims, count) = (known.dims, 2 * TOGETHER + 3);
        let strange: Vec<f32> = drawn(1, 1, 0.2, 99).embeddings;
        let rows: Vec<Vec<f32>> = (0..count).map(|who| [known.embedding(3 * who), &strange].concat()).collect();
        let readable = |photos: &'static [usize]| Readable {
            dims,
            rows: rows.iter().map(Vec::as_slice).collect(),
            photos: vec![photos; count],
            encounters: vec!["a"; count],
            names: vec![None; count],
        };
        let held = |who: usize| Held {
            photo: "a/1.jpg".into(),
            individual: known.individuals[who].clone(),
            at: Stamp::from_millis(0),
        };
        let copies = |who: usize| Holdings { ids: [known.photos[3 * who].id].into(), ..Holdings::default() };
        let holdings: Vec<Holdings> = (0..count).map(|who| Holdings { held: vec![held(who)], ..copies(who) }).collect();
        let alone: Vec<Holdings> = (0..count).map(copies).collect();
        let found = readable(&[0, 1]).decided(&known, &calibration, &alone).unwrap();
        let mut others = 0;
        for (who, found) in found.iter().enumerate() {
            let without: Vec<usize> = (0..known.len()).filter(|row| *row != 3 * who).collect();
            let without = discover::part(&known, &without).unwrap();
            let expected = decide(&proposed(&without, &rows[who]).unwrap(), &calibration);
            assert_eq!(*found, expected, "{who}");
            others += usize::from(*found != decide(&proposed(&known, &rows[who]).unwrap(), &calibration));
        }
        assert!(others > count / 2, "else this shows nothing: {others} of {count}");
        // where it is all of an encounter, that is decided already; where it is a part, a person looks
        for (photos, decision) in [(&[0][..], Verdict::Known), (&[0, 1], Verdict::Look)] {
            let found = readable(photos).decided(&known, &calibration, &holdings).unwrap();
            for (who, found) in found.into_iter().enumerate() {
                assert_eq!(found, Decision { decision, individual: Some(who), probability: None });
            }
        }
        // and so it is where somebody decided who it is, whatever it holds
        let decided = |who: usize| Stands {
            ruling: Ruling::Known(known.individuals[who].clone()),
            by: By::Person,
            at: Stamp::from_millis(0),
            new_photos: Vec::new(),
            photos_of_others: Vec::new(),
            was_new: false,
        };
        let holdings: Vec<Holdings> =
            (0..count).map(|who| Holdings { decided: Some(decided(who)), ..Holdings::default() }).collect();
        let found = readable(&[0, 1]).decided(&known, &calibration, &holdings).unwrap();
        assert!(found.iter().enumerate().all(|(who, found)| found.named() == Some(who)));
    }
}
