//! A folder's photos grouped into individuals: what `discover` does.

use std::collections::{BTreeMap, HashMap, HashSet};

use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use crate::data::manifest::{Manifest, Problem};
use crate::eval::embed::{Embedded, Source, embed_readable};
use crate::eval::model::Model;
use crate::nn::ops::Backend;

use super::apart;
use super::ari::Agreement;
use super::asked::{Asked, Together, with_rows};
use super::calibration::Calibration;
use super::decision::{Decision, Verdict, decide};
use super::discover::{self, Cut, Encounters, Group};
use super::groups;
use super::hash;
use super::known::{Known, KnownPhoto};
use super::proposal;
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
    /// The groups held against the folder's names; none where it has none, or where these chose the distance.
    pub agreement: Option<Agreement>,
}

/// What chose a distance.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Chosen {
    /// Whose individuals.
    pub by: ChosenBy,
    /// How many of them.
    pub individuals: usize,
    /// What the distance reached on as many others of them.
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
}

/// Photos that are proposed to be of one individual.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Found {
    /// Of a new individual what it goes by, as in a decision: "new 1" and so on; none of a known one.
    pub group: Option<String>,
    /// The known individual that drew them; none of a new one.
    pub individual: Option<String>,
    /// Its photos.
    pub photos: Vec<String>,
    /// Its encounters.
    pub encounters: Vec<String>,
    /// What is decided of each, as `identify` says it; none where the gallery is not calibrated. One to look at lies where it is
    /// nearest, which decides nothing.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub decisions: Vec<Verdict>,
    /// How sure it is that all are one: the average distance of the two parts that were put together last, below `distance`.
    pub widest: Option<f64>,
    /// How sure it is that there are no more: the average distance to the part that would have come next, above `distance`.
    pub next: Option<f64>,
}

/// Groups the photos of `unsorted`, around the individuals of `known` if given. Who is known and who is new is what its calibration
/// says, if it has one; else known individuals draw as encounters do. How far apart groups stay is `distance`, else what the
/// calibration says, else chosen on the gallery's individuals, else on the folder's own where they have names, without the photos that are of `trained`. The
/// problems are of photos that cannot be read. `progress` is called with the number done, of how many, and says whether to go on.
///
/// # Errors
/// When no photo can be read, nothing can choose a distance, there are too many encounters, the network fails, or `progress` said no.
pub fn discover<D: Backend>(
    unsorted: &Unsorted,
    model: &Model<D>,
    known: Option<(&Known, Option<&Calibration>)>,
    (distance, trained): (Option<f64>, &Trained),
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
    let (known, calibration) = known.unzip();
    let calibration = calibration.flatten();
    let calibrated = calibration.and_then(|calibration| calibration.groups);
    let (cut, by) = match (distance, calibrated, known) {
        (Some(distance), ..) => (Err(distance), None),
        (None, Some(cut), _) => (Ok(cut), Some(ChosenBy::Gallery)),
        (None, None, Some(known)) => (Ok(discover::choose(known, true)?), Some(ChosenBy::Gallery)),
        (None, None, None) if has_names => {
            (Ok(discover::choose(&readable.as_known(manifest, trained)?, false)?), Some(ChosenBy::Folder))
        }
        (None, None, None) => return Err(Error::NoDistance),
    };
    let distance = match &cut {
        Ok(Cut { distance, .. }) | Err(distance) => *distance,
    };
    let decided =
        known.zip(calibration).map(|(known, calibration)| readable.decided(known, calibration)).transpose()?;
    let groups = match (known, &decided) {
        (Some(known), Some(decided)) => discover::group_decided(&encounters, known, decided, distance)?,
        _ => discover::group(&encounters, known, distance)?,
    };
    let agreement = discover::judge(&groups, &encounters, &readable.names);
    let path = |&photo: &usize| manifest.photos[photo].path.to_string_lossy().into_owned();
    let mut new = 0;
    let found = |group: &Group| Found {
        group: group.individual.is_none().then(|| {
            new += 1;
            groups::name(new)
        }),
        individual: group.individual.zip(known).map(|(who, known)| known.individuals[who].clone()),
        photos: group.encounters.iter().flat_map(|&e| readable.photos[e].iter().map(path)).collect(),
        encounters: group.encounters.iter().map(|&e| readable.encounters[e].to_owned()).collect(),
        decisions: decided.iter().flat_map(|all| group.encounters.iter().map(|&e| all[e].decision)).collect(),
        widest: group.widest,
        next: group.next,
    };
    let discovered = Discovered {
        groups: groups.iter().map(found).collect(),
        photos: usable.len(),
        encounters: encounters.len(),
        distance,
        chosen: cut.ok().zip(by).map(|(cut, by)| Chosen { by, individuals: cut.chosen_on, reached: cut.reached }),
        agreement: agreement.filter(|_| by != Some(ChosenBy::Folder)),
    };
    Ok((discovered, problems))
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

    /// What is decided of each.
    fn decided(&self, known: &Known, calibration: &Calibration) -> Result<Vec<Decision>> {
        if known.dims != self.dims {
            let reason = format!("they have {} dimensions, and the gallery {}", self.dims, known.dims);
            return Err(Error::Query { reason });
        }
        let all: Vec<Result<Vec<Decision>>> = (self.rows.par_chunks(TOGETHER))
            .map(|rows| {
                let photos: Vec<Vec<f32>> = rows.iter().map(|rows| rows.to_vec()).collect();
                let apart = apart::each_encounter(known, &photos, |_, _| true);
                let decided = rows.iter().zip(apart).map(|(rows, apart)| {
                    let proposal = proposal::propose(self.dims, rows, proposal::candidates(&apart))?;
                    Ok(decide(&proposal, calibration))
                });
                decided.collect()
            })
            .collect();
        Ok(all.into_iter().collect::<Result<Vec<_>>>()?.concat())
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
