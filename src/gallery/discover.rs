//! Photos of nobody in particular, grouped into individuals: the same unknown turtle on three days is one.
//!
//! What is put together are encounters, whose photos are of one individual, by average linkage; known individuals take part, each
//! as one that may draw encounters to it and never comes together with another. Two encounters are as far apart as the mean
//! of their photos' distances to the nearest photo of the other, from an encounter to a known individual as in a
//! [`Proposal`](super::proposal::Proposal). Adjusted Rand index with the distance chosen on one half of the individuals and judged
//! on the other: 500 synthetic turtles .58 (complete linkage .59, single .39; distances of means .58, of best pairs .56), twenty of
//! SeaTurtleID .88 (complete .75, single .86). A known individual counts as one encounter does: weighed more, it draws strangers
//! (synthetic .56, at ten times .54, were nothing else to count .47).
//!
//! Where a gallery is calibrated, who is known and who is new is what its [`decision`](super::decision) says, here as everywhere:
//! known individuals do not draw by the distance that holds groups apart, new ones are put together as [`groups`](super::groups)
//! does, and what is left to look at goes where it is nearest, of those known to the first of its list.
//!
//! How far apart groups stay is chosen on individuals with names: [`choose`] hides the names of half of them, takes the
//! distance with the highest adjusted Rand index, and tells the index that it reaches on the other half.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use rand::SeedableRng;
use rand::seq::SliceRandom;
use rand_chacha::ChaCha8Rng;
use serde::{Deserialize, Serialize};

use crate::nn::ops::device;

use super::ari::{Agreement, agreement};
use super::decision::{Decision, Verdict};
use super::known::Known;
use super::linkage::{Clusters, Distances, Merge};
use super::proposal;
use super::{Error, Result};

/// Encounters and known individuals at once: their distances take 800 MB.
pub const MOST: usize = 20_000;

/// Whether so many can be grouped at once.
///
/// # Errors
/// When they are more than [`MOST`].
pub fn few_enough(things: usize) -> Result<()> {
    if things > MOST { Err(Error::TooMany { things, most: MOST }) } else { Ok(()) }
}
/// Distances that are tried when one is chosen.
const TRIED: usize = 100;
/// Individuals with names that a choice takes, half to choose and half to judge; and as many as it looks at.
pub const LEAST: usize = 4;
const ENOUGH: usize = 1000;
const SEED: u64 = 666;

/// Photos by encounter.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Encounters {
    dims: usize,
    embeddings: Vec<f32>,
    /// Where each encounter's rows end.
    ends: Vec<usize>,
}

impl Encounters {
    /// Encounters of embeddings of `dims` numbers, each of length 1.
    ///
    /// # Errors
    /// When an encounter has no photo, its numbers do not make rows, or are not finite.
    pub fn new<'a>(dims: usize, encounters: impl Iterator<Item = &'a [f32]>) -> Result<Encounters> {
        let mut all = Encounters { dims, ..Encounters::default() };
        for photos in encounters {
            if photos.is_empty() || dims == 0 || !photos.len().is_multiple_of(dims) {
                let reason = format!("{} numbers are no photos of {dims} dimensions", photos.len());
                return Err(Error::Query { reason });
            }
            proposal::check(photos, dims)?;
            all.push(photos);
        }
        Ok(all)
    }

    fn push(&mut self, photos: &[f32]) {
        self.embeddings.extend(photos);
        self.ends.push(self.embeddings.len() / self.dims.max(1));
    }

    /// How many.
    pub fn len(&self) -> usize {
        self.ends.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.ends.is_empty()
    }

    fn rows(&self, encounter: usize) -> std::ops::Range<usize> {
        encounter.checked_sub(1).map_or(0, |before| self.ends[before])..self.ends[encounter]
    }

    fn embeddings_of(&self, encounter: usize) -> &[f32] {
        let rows = self.rows(encounter);
        &self.embeddings[rows.start * self.dims..rows.end * self.dims]
    }

    /// Those at these places.
    fn only(&self, places: &[usize]) -> Encounters {
        let mut only = Encounters { dims: self.dims, ..Encounters::default() };
        places.iter().for_each(|&one| only.push(self.embeddings_of(one)));
        only
    }

    fn photos(&self, encounter: usize) -> usize {
        self.rows(encounter).len()
    }
}

/// Encounters that are proposed to be of one individual.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Group {
    /// Which, in order.
    pub encounters: Vec<usize>,
    /// The known individual that drew them, a place in [`Known::individuals`]; none of a new one.
    pub individual: Option<usize>,
    /// How far apart the two were on average that were put together last; none where nothing was.
    pub widest: Option<f64>,
    /// How far it was to the group that it would have been put to next; none where none may come to it.
    pub next: Option<f64>,
}

/// A distance up to which groups are put together.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Cut {
    /// The distance, 0 to 2.
    pub distance: f64,
    /// Individuals that chose it.
    pub chosen_on: usize,
    /// What it reached on the others.
    pub reached: Agreement,
}

/// What is to be grouped, with what may come together and how far it lies apart.
struct Tree {
    anchors: usize,
    things: usize,
    merges: Vec<Merge>,
}

impl Tree {
    /// # Errors
    /// When there are too many.
    fn of(encounters: &Encounters, known: Option<&Known>) -> Result<Tree> {
        Tree::with(encounters, known, &|_, _| None)
    }

    /// As [`Tree::of`], where things are as far apart as `instead` says of some: known individuals come first, then encounters.
    fn with(
        encounters: &Encounters,
        known: Option<&Known>,
        instead: &(dyn Fn(usize, usize) -> Option<f32> + Sync),
    ) -> Result<Tree> {
        let anchored = known.map(Known::rows_of_individuals).unwrap_or_default();
        let (anchors, things) = (anchored.len(), anchored.len() + encounters.len());
        few_enough(things)?;
        if let Some(known) = known.filter(|known| !known.is_empty() && known.dims != encounters.dims) {
            let reason = format!("they have {} dimensions, and the gallery {}", encounters.dims, known.dims);
            return Err(Error::Query { reason });
        }
        // rows of things in their order: anchors, then encounters
        let mut all: Vec<f32> = Vec::new();
        let mut ends = Vec::with_capacity(things);
        if let Some(known) = known {
            for rows in &anchored {
                rows.iter().for_each(|&row| all.extend(known.embedding(row)));
                ends.push(all.len() / known.dims.max(1));
            }
        }
        let before = ends.last().copied().unwrap_or(0);
        all.extend(&encounters.embeddings);
        ends.extend(encounters.ends.iter().map(|end| end + before));
        let rows = Encounters { dims: encounters.dims, embeddings: all, ends };
        let from = |thing: usize, out: &mut [f32]| {
            apart(&rows, anchors, thing, out);
            let others = (thing + 1..).zip(out).filter(|(other, _)| *other >= anchors);
            others.for_each(|(other, out)| *out = instead(thing, other).unwrap_or(*out));
        };
        let merges = Distances::new(things, from).merge();
        Ok(Tree { anchors, things, merges })
    }

    fn cut(&self, distance: f64) -> Clusters {
        Clusters::cut(self.things, &self.merges, distance)
    }
}

/// Distances of `thing` to all after it; the first `anchors` are known individuals.
fn apart(all: &Encounters, anchors: usize, thing: usize, out: &mut [f32]) {
    let after = thing + 1;
    let (own, others) = (all.rows(thing), all.rows(thing).end..all.ends.last().copied().unwrap_or(0));
    let of = |rows: std::ops::Range<usize>| &all.embeddings[rows.start * all.dims..rows.end * all.dims];
    // two known individuals are two
    let first = after.max(if thing < anchors { anchors } else { 0 });
    out[..first - after].fill(f32::INFINITY);
    if first == all.len() {
        return;
    }
    let skipped = all.rows(first).start - others.start;
    let others = others.start + skipped..others.end;
    // for each photo of the others its nearest here, and for each thing the sum of what is nearest to photos here
    let mut to_here = vec![f64::INFINITY; others.len()];
    let mut from_here = vec![0.0; all.len() - first];
    for row in own.clone() {
        let found = device::distances_on_cpu(of(row..row + 1), of(others.clone()), all.dims);
        to_here.iter_mut().zip(&found).for_each(|(nearest, found)| *nearest = nearest.min(*found));
        for (other, sum) in (first..).zip(&mut from_here) {
            let rows = all.rows(other);
            let found = &found[rows.start - others.start..rows.end - others.start];
            *sum += found.iter().copied().fold(f64::INFINITY, f64::min);
        }
    }
    for (other, out) in (first..).zip(&mut out[first - after..]) {
        let rows = all.rows(other);
        let count = rows.len() as f64;
        let to_here = to_here[rows.start - others.start..rows.end - others.start].iter().sum::<f64>() / count;
        let from_here = from_here[other - first] / own.len() as f64;
        // what a known individual looks like elsewhere says nothing of this encounter
        *out = if thing < anchors { to_here } else { f64::midpoint(to_here, from_here) } as f32;
    }
}

/// Groups `encounters`, up to the distance `cut`; around the individuals of `known`, if given. The groups of known individuals
/// come first, in their order, and only those that drew something; new ones follow in the order of their first encounters.
///
/// # Errors
/// When there are more than [`MOST`] encounters and known individuals, the gallery's embeddings are others, or `cut` is no distance.
pub fn group(encounters: &Encounters, known: Option<&Known>, cut: f64) -> Result<Vec<Group>> {
    check(cut)?;
    Ok(groups_of(&Tree::of(encounters, known)?, cut))
}

/// What a gallery holds of an encounter's photos.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Own {
    /// Who it is, where all of its photos are held as one individual.
    pub(super) individual: Option<usize>,
    /// The rows of their copies.
    pub(super) rows: HashSet<usize>,
    /// Somebody has a name by now who was new before.
    pub(super) was_new: bool,
}

/// How far encounters are from known individuals without their `own` copies, by the places of both; of those that have any.
fn without_own(encounters: &Encounters, known: &Known, own: &[&Own]) -> HashMap<(usize, usize), f32> {
    let rows_of = known.rows_of_individuals();
    let mut apart = HashMap::new();
    for (place, own) in own.iter().enumerate() {
        let whose: BTreeSet<usize> = own.rows.iter().map(|&row| known.photos[row].individual).collect();
        for individual in whose {
            let others = rows_of[individual].iter().filter(|row| !own.rows.contains(row));
            let others: Vec<f32> = others.flat_map(|&row| known.embedding(row)).copied().collect();
            let found = device::distances_on_cpu(encounters.embeddings_of(place), &others, encounters.dims);
            let nearest = found
                .chunks((others.len() / encounters.dims.max(1)).max(1))
                .map(|of_photo| of_photo.iter().copied().fold(f64::INFINITY, f64::min));
            let mean = nearest.sum::<f64>() / encounters.photos(place) as f64;
            // nothing else is known of it
            apart.insert((individual, place), if others.is_empty() { f32::INFINITY } else { mean as f32 });
        }
    }
    apart
}

/// As [`group`] around the individuals of `known`, which hold photos of some encounters: no photo is near to its own copy, and who
/// all of an encounter's photos are held as is who it is.
///
/// # Errors
/// As [`group`].
pub(super) fn group_around(encounters: &Encounters, known: &Known, own: &[Own], cut: f64) -> Result<Vec<Group>> {
    check(cut)?;
    let open: Vec<usize> = (0..encounters.len()).filter(|&one| own[one].individual.is_none()).collect();
    let rest = encounters.only(&open);
    let apart = without_own(&rest, known, &open.iter().map(|&one| &own[one]).collect::<Vec<_>>());
    let anchors = known.individuals.len();
    let instead = |thing: usize, other: usize| apart.get(&(thing, other - anchors)).copied();
    let mut groups = groups_of(&Tree::with(&rest, Some(known), &instead)?, cut);
    groups.iter_mut().for_each(|group| group.encounters.iter_mut().for_each(|one| *one = open[*one]));
    let placed = own.iter().enumerate().filter_map(|(one, own)| Some((one, own.individual?)));
    Ok(with_placed(groups, placed))
}

/// As [`group`] around the individuals of `known`, which hold photos of some encounters, where a decision was made on each: one that
/// is known is its individual's, and new ones are put together among themselves, in the groups and the order of
/// [`groups`](super::groups), by whose numbers those groups go, and come to nobody who is known. One left to look at goes where it is nearest: of those known to the first
/// of its list, else to new ones or others to look at. One that is near to nothing is with the first of its list all the same.
///
/// # Errors
/// As [`group`].
pub(super) fn group_decided(
    encounters: &Encounters,
    known: &Known,
    (decided, own): (&[Decision], &[Own]),
    cut: f64,
) -> Result<Vec<(Group, Option<usize>)>> {
    check(cut)?;
    let is_new = |one: usize| decided[one].decision == Verdict::NewIndividual;
    let new: Vec<usize> = (0..encounters.len()).filter(|&one| is_new(one) || own[one].was_new).collect();
    let mut alone = group(&encounters.only(&new), None, cut)?;
    alone.iter_mut().for_each(|group| group.encounters.iter_mut().for_each(|one| *one = new[*one]));
    alone.iter_mut().for_each(|group| group.encounters.retain(|&one| is_new(one)));
    let mut number = vec![None; encounters.len()];
    for (at, group) in alone.iter().enumerate() {
        group.encounters.iter().for_each(|&one| number[one] = Some(at));
    }
    let open: Vec<usize> = (0..encounters.len()).filter(|&one| decided[one].named().is_none()).collect();
    let numbers: Vec<Option<usize>> = open.iter().map(|&one| number[one]).collect();
    let rest = encounters.only(&open);
    let apart = without_own(&rest, known, &open.iter().map(|&one| &own[one]).collect::<Vec<_>>());
    let anchors = known.individuals.len();
    let instead = |thing: usize, other: usize| {
        let place = other - anchors;
        match thing.checked_sub(anchors) {
            // new ones are together, or apart for good
            Some(thing) => match (numbers[thing], numbers[place]) {
                (Some(one), Some(other)) => Some(if one == other { 0.0 } else { f32::INFINITY }),
                _ => None,
            },
            None if numbers[place].is_none() && decided[open[place]].individual == Some(thing) => {
                apart.get(&(thing, place)).copied()
            }
            None => Some(f32::INFINITY),
        }
    };
    let mut groups = groups_of(&Tree::with(&rest, Some(known), &instead)?, cut);
    groups.iter_mut().for_each(|group| group.encounters.iter_mut().for_each(|one| *one = open[*one]));
    let first = |group: &Group| match group.encounters[..] {
        [one] if group.individual.is_none() && !is_new(one) => decided[one].individual.map(|who| (one, who)),
        _ => None,
    };
    let mut placed: Vec<(usize, usize)> = groups.iter().filter_map(first).collect();
    groups.retain(|group| first(group).is_none());
    placed.extend(decided.iter().enumerate().filter_map(|(one, decision)| Some((one, decision.named()?))));
    let number_of = |group: &Group| group.encounters.iter().find_map(|&one| number[one]);
    groups.sort_by_key(|group| number_of(group).unwrap_or(usize::MAX)); // stable: who is only looked at comes last, in order
    for group in &mut groups {
        // above, new ones of a group were at no distance, and those of two at none that can be bridged
        if let Some(before) = number_of(group).map(|number| &alone[number]) {
            group.widest = before.widest.into_iter().chain(group.widest).reduce(f64::max);
            group.next = before.next.into_iter().chain(group.next).reduce(f64::min);
        }
    }
    let numbered = |group: Group| {
        let number = number_of(&group).map(|at| at + 1);
        (group, number)
    };
    Ok(with_placed(groups, placed.into_iter()).into_iter().map(numbered).collect())
}

/// `groups` with encounters that are known individuals' whatever is near, in the order of [`group`].
fn with_placed(groups: Vec<Group>, placed: impl Iterator<Item = (usize, usize)>) -> Vec<Group> {
    let (of_known, new): (Vec<Group>, Vec<Group>) = groups.into_iter().partition(|group| group.individual.is_some());
    let of_known = of_known.into_iter().filter_map(|group| Some((group.individual?, group)));
    let mut of_known: BTreeMap<usize, Group> = of_known.collect();
    for (one, who) in placed {
        let none = Group { encounters: Vec::new(), individual: Some(who), widest: None, next: None };
        of_known.entry(who).or_insert(none).encounters.push(one);
    }
    of_known.values_mut().for_each(|group| group.encounters.sort_unstable());
    of_known.into_values().chain(new).collect()
}

fn check(cut: f64) -> Result<()> {
    if cut >= 0.0 && cut.is_finite() { Ok(()) } else { Err(Error::Cut { cut }) }
}

fn groups_of(tree: &Tree, cut: f64) -> Vec<Group> {
    let clusters = tree.cut(cut);
    let number = |distance: Option<f32>| distance.map(f64::from);
    let mut groups: Vec<Group> = (clusters.widest.iter().zip(&clusters.next))
        .map(|(widest, next)| Group {
            encounters: Vec::new(),
            individual: None,
            widest: number(*widest),
            next: number(*next),
        })
        .collect();
    for (thing, &cluster) in clusters.of.iter().enumerate() {
        match thing.checked_sub(tree.anchors) {
            None => groups[cluster].individual = Some(thing),
            Some(encounter) => groups[cluster].encounters.push(encounter),
        }
    }
    groups.retain(|group| !group.encounters.is_empty());
    groups
}

/// Chooses a distance for encounters like those of `known`, whose names count. With `anchored` half of the individuals of each
/// half stay known by their earlier encounters, as when photos come in for this gallery; else nobody is known. Photos that
/// trained the network choose nothing.
///
/// # Errors
/// When there are fewer than four individuals to choose on, or an embedding is not finite.
pub fn choose(known: &Known, anchored: bool) -> Result<Cut> {
    proposal::check(&known.embeddings, known.dims)?;
    let mut trained = BTreeSet::new();
    known.photos.iter().filter(|p| p.trained == Some(true)).for_each(|photo| {
        trained.insert(photo.individual);
    });
    let mut individuals: Vec<usize> = (0..known.individuals.len()).filter(|who| !trained.contains(who)).collect();
    if individuals.len() < LEAST {
        let of = known.individuals.len();
        return Err(Error::NothingToChoose { individuals: individuals.len(), of, least: LEAST });
    }
    individuals.shuffle(&mut ChaCha8Rng::seed_from_u64(SEED));
    individuals.truncate(ENOUGH);
    let (choosing, judging) = individuals.split_at(individuals.len() / 2);
    let scene = Scene::of(known, choosing, anchored)?;
    let heights: Vec<f64> = scene.tree.merges.iter().map(|merge| f64::from(merge.distance)).collect();
    let tried = (0..=TRIED).filter_map(|n| heights.get(n * heights.len().saturating_sub(1) / TRIED));
    let mut best = (f64::NEG_INFINITY, 0.0);
    for &height in tried {
        // beyond this merge, before the next
        let after = heights.partition_point(|other| *other <= height);
        let cut = heights.get(after).map_or(height, |next| f64::midpoint(height, *next));
        let ari = scene.judge(cut).map_or(f64::NEG_INFINITY, |found| found.ari);
        if ari > best.0 {
            best = (ari, cut);
        }
    }
    let distance = best.1;
    let reached = Scene::of(known, judging, anchored)?.judge(distance);
    let of = known.individuals.len();
    let reached = reached.ok_or(Error::NothingToChoose { individuals: individuals.len(), of, least: LEAST })?;
    Ok(Cut { distance, chosen_on: choosing.len(), reached })
}

/// Some individuals, as if their encounters had just come in.
struct Scene {
    tree: Tree,
    /// Whose each encounter is, and how many photos it has.
    encounters: Vec<(usize, usize)>,
}

impl Scene {
    fn of(known: &Known, individuals: &[usize], anchored: bool) -> Result<Scene> {
        let mut of_individual: BTreeMap<usize, Vec<&Vec<usize>>> = BTreeMap::new();
        let by_encounter = known.rows_of_encounters();
        for rows in &by_encounter {
            of_individual.entry(known.photos[rows[0]].individual).or_default().push(rows);
        }
        let (mut rest, mut anchors) = (Encounters { dims: known.dims, ..Encounters::default() }, Vec::new());
        let mut encounters = Vec::new();
        for (place, who) in individuals.iter().enumerate() {
            let all = of_individual.get(who).map(Vec::as_slice).unwrap_or_default();
            let stay = if anchored && place % 2 == 0 { all.len().saturating_sub(1) } else { 0 };
            anchors.extend(all[..stay].iter().flat_map(|rows| rows.iter().copied()));
            for rows in &all[stay..] {
                let photos: Vec<f32> = rows.iter().flat_map(|&row| known.embedding(row)).copied().collect();
                rest.push(&photos);
                encounters.push((*who, rows.len()));
            }
        }
        let anchors = part(known, &anchors)?;
        Ok(Scene { tree: Tree::of(&rest, Some(&anchors))?, encounters })
    }

    fn judge(&self, cut: f64) -> Option<Agreement> {
        let clusters = self.tree.cut(cut);
        let encounters = self.encounters.iter().zip(&clusters.of[self.tree.anchors..]);
        agreement(encounters.flat_map(|((who, photos), group)| std::iter::repeat_n((*who, *group), *photos)))
    }
}

/// The gallery that some of the rows make.
pub(super) fn part(known: &Known, rows: &[usize]) -> Result<Known> {
    let number = |of: &mut BTreeMap<usize, usize>, key: usize| {
        let next = of.len();
        *of.entry(key).or_insert(next)
    };
    let (mut individuals, mut encounters, mut names) = (BTreeMap::new(), BTreeMap::new(), Vec::new());
    let mut photos = Vec::with_capacity(rows.len());
    for &row in rows {
        let photo = known.photos[row];
        let individual = number(&mut individuals, photo.individual);
        if individual == names.len() {
            names.push(known.individuals[photo.individual].clone());
        }
        photos.push(super::known::KnownPhoto {
            individual,
            encounter: number(&mut encounters, photo.encounter),
            ..photo
        });
    }
    let embeddings = rows.iter().flat_map(|&row| known.embedding(row)).copied().collect();
    Known::new(known.dims, embeddings, photos, names)
}

/// Holds groups against names, photo for photo; encounters without one count for nothing. None where none has one.
pub fn judge(groups: &[Group], encounters: &Encounters, names: &[Option<&str>]) -> Option<Agreement> {
    let photos = groups.iter().enumerate().flat_map(|(number, group)| {
        let named = group.encounters.iter().filter_map(|&one| Some((one, (*names.get(one)?)?)));
        named.flat_map(move |(one, name)| std::iter::repeat_n((name, number), encounters.photos(one)))
    });
    agreement(photos)
}

#[cfg(test)]
mod tests {
    use super::super::testing::{drawn, known, on_circle, proposed};
    use super::*;
    use proptest::prelude::*;

    /// Encounters at angles on a circle, in degrees.
    fn at(encounters: &[&[f32]]) -> Encounters {
        let rows = |angles: &&[f32]| {
            let photos: Vec<_> = angles.iter().map(|&degrees| ("x", 0, degrees)).collect();
            on_circle(&photos).embeddings
        };
        let all: Vec<Vec<f32>> = encounters.iter().map(rows).collect();
        Encounters::new(2, all.iter().map(Vec::as_slice)).unwrap()
    }

    fn encounters_of(known: &Known) -> Encounters {
        let all: Vec<Vec<f32>> = (known.rows_of_encounters().iter())
            .map(|rows| rows.iter().flat_map(|&row| known.embedding(row)).copied().collect())
            .collect();
        Encounters::new(known.dims, all.iter().map(Vec::as_slice)).unwrap()
    }

    fn chord(degrees: f64) -> f64 {
        2.0 * (degrees / 2.0).to_radians().sin()
    }

    #[test]
    fn an_unknown_turtle_on_three_days_is_one_and_known_ones_draw_their_own() {
        let known = on_circle(&[("a", 0, 0.0), ("a", 1, 180.0), ("b", 2, 20.0)]);
        // near a's other look and b, and three days of a stranger
        let met = at(&[&[176.0], &[18.0, 19.0], &[90.0], &[95.0, 93.0], &[99.0]]);
        let groups = group(&met, Some(&known), chord(15.0)).unwrap();
        let found: Vec<_> = groups.iter().map(|g| (g.individual, &g.encounters[..])).collect();
        assert_eq!(found, [(Some(0), &[0][..]), (Some(1), &[1]), (None, &[2, 3, 4])]);
        let stranger = &groups[2];
        assert!(stranger.widest.unwrap() < chord(15.0) && stranger.next.unwrap() > chord(15.0), "{stranger:?}");
        // a wide cut draws all to the known, who stay two
        let wide = group(&met, Some(&known), 2.0).unwrap();
        assert_eq!(wide.iter().map(|g| g.individual).collect::<Vec<_>>(), [Some(0), Some(1)]);
        let alone = group(&met, None, chord(15.0)).unwrap();
        assert_eq!(alone.iter().map(|g| g.individual).collect::<Vec<_>>(), [None; 3]);
        let names = [Some("a"), Some("b"), Some("n"), Some("n"), None];
        let judged = judge(&groups, &met, &names).unwrap();
        assert_eq!((judged.ari, judged.photos, judged.groups), (1.0, 6, 3));
        assert_eq!(judge(&groups, &met, &[None; 5]), None);
    }

    #[test]
    fn two_encounters_are_as_far_as_their_photos_from_the_nearest() {
        // 0 and 30 against 10: both of the one are 10 and 20 off, the other's is 10 off
        let met = at(&[&[0.0, 30.0], &[10.0]]);
        let distance = f64::midpoint(f64::midpoint(chord(10.0), chord(20.0)), chord(10.0));
        for (cut, groups) in [(distance - 1e-4, 2), (distance + 1e-4, 1)] {
            assert_eq!(group(&met, None, cut).unwrap().len(), groups);
        }
        // from an encounter to a known individual as in a proposal: what else it looks like does not matter
        let known = on_circle(&[("a", 0, 10.0), ("a", 1, 170.0)]);
        let found = group(&met, Some(&known), 2.0).unwrap();
        let nearest = proposed(&known, &on_circle(&[("q", 0, 10.0)]).embeddings).unwrap();
        assert!((found[0].widest.unwrap() - chord(0.0)).abs() > 1e-4 && nearest.candidates[0].distance < 1e-3);
        let only = group(&at(&[&[0.0, 30.0]]), Some(&known), 2.0).unwrap();
        assert!((only[0].widest.unwrap() - f64::midpoint(chord(10.0), chord(20.0))).abs() < 1e-4, "{only:?}");
    }

    #[test]
    fn who_is_decided_or_looked_at_is_where_that_says_and_new_ones_are_numbered_as_by_identify() {
        let known = on_circle(&[("a", 0, 0.0), ("b", 1, 60.0)]);
        // the third and the fifth to look at are nearer to new ones than to anybody known, the sixth and the seventh to theirs
        let met = at(&[&[4.0], &[25.0], &[24.0], &[90.0], &[92.0], &[5.0], &[48.0], &[94.0], &[150.0]]);
        let is = |decision, individual| Decision { decision, individual, probability: None };
        let new = is(Verdict::NewIndividual, None);
        let look = |who| is(Verdict::Look, Some(who));
        let decided = [is(Verdict::Known, Some(1)), new, look(0), new, look(1), look(0), look(1), new, look(1)];
        let told = |decided: &[Decision], own: &[Own]| {
            let groups = group_decided(&met, &known, (decided, own), chord(15.0)).unwrap();
            groups.into_iter().map(|(group, _)| (group.individual, group.encounters)).collect::<Vec<_>>()
        };
        let none = vec![Own::default(); 9];
        let found = told(&decided, &none);
        // the last is near to nothing, and first of its list is b
        let new_ones = [(None, vec![1, 2]), (None, vec![3, 4, 7])];
        assert_eq!(found, [&[(Some(0), vec![5]), (Some(1), vec![0, 6, 8])][..], &new_ones].concat());
        let agreement = super::super::ari::Agreement {
            photos: 0,
            individuals: 0,
            groups: 0,
            ari: 1.0,
            pair_precision: None,
            pair_recall: None,
        };
        let cut = Cut { distance: chord(15.0), chosen_on: 2, reached: agreement };
        let rows: Vec<&[f32]> = [1, 3, 7].iter().map(|&one| met.embeddings_of(one)).collect();
        assert_eq!(super::super::groups::numbers(2, &rows, &cut).unwrap(), [1, 2, 2]);
        // of those known only the first of the list draws it, as near as another may be
        let mut other = decided;
        other[5] = look(1);
        assert_eq!(told(&other, &none)[0], (Some(1), vec![0, 5, 6, 8]));
        // an earlier look changes no number
        let mut earlier = decided;
        (earlier[1], earlier[2]) = (look(0), new);
        assert_eq!(told(&earlier, &none)[2..], new_ones);
        assert!(group_decided(&met, &known, (&decided, &none), f64::NAN).is_err());
        // nor does who was the first new one and has a name by now
        let (mut named, mut own) = (decided, none.clone());
        (named[1], own[1].was_new) = (is(Verdict::Known, Some(0)), true);
        let groups = group_decided(&met, &known, (&named, &own), chord(15.0)).unwrap();
        let numbers = groups.iter().map(|(group, number)| (group.encounters.as_slice(), *number));
        assert_eq!(numbers.filter_map(|(of, number)| Some((of, number?))).collect::<Vec<_>>(), [(&[3, 4, 7][..], 2)]);
    }

    #[test]
    fn of_new_groups_it_is_told_how_wide_they_are_and_how_far_the_next_one_is() {
        let known = on_circle(&[("a", 0, 0.0)]);
        let met = at(&[&[80.0], &[90.0], &[130.0], &[135.0], &[93.0]]);
        let is = |decision, individual| Decision { decision, individual, probability: None };
        let (new, look) = (is(Verdict::NewIndividual, None), is(Verdict::Look, Some(0)));
        let none = vec![Own::default(); 5];
        let alone = group(&met.only(&[0, 1, 2, 3]), None, chord(15.0)).unwrap();
        let told = |met: &Encounters, decided: &[Decision]| {
            let groups = group_decided(met, &known, (decided, &none[..decided.len()]), chord(15.0)).unwrap();
            groups.into_iter().map(|(group, _)| group).collect::<Vec<_>>()
        };
        assert_eq!(told(&met.only(&[0, 1, 2, 3]), &[new; 4]), alone);
        assert!(alone.iter().all(|group| group.next.is_some_and(|next| next > chord(15.0))));
        // a look nearer than any of them joins: as wide as the wider of both, and the next one is no nearer nor further
        let with = told(&met, &[new, new, new, new, look]);
        assert_eq!(with[0].encounters, [0, 1, 4]);
        let look_at = f64::midpoint(chord(13.0), chord(3.0));
        assert!((with[0].widest.unwrap() - look_at.max(alone[0].widest.unwrap())).abs() < 1e-4, "{with:?}");
        assert_eq!(with.iter().map(|group| group.next).collect::<Vec<_>>(), [alone[0].next, alone[1].next]);
        assert_eq!(with[1].widest, alone[1].widest);
    }

    #[test]
    fn without_a_calibration_no_encounter_is_drawn_by_its_own_copy() {
        let known = on_circle(&[("a", 0, 0.0), ("a", 1, 180.0), ("b", 2, 40.0), ("c", 3, 90.0)]);
        // a's first photo with another, b's with another, and c's alone
        let met = at(&[&[0.0, 44.0], &[40.0, 184.0], &[90.0]]);
        let own = |individual, rows: &[usize]| Own { individual, rows: rows.iter().copied().collect(), was_new: false };
        let own = [own(None, &[0]), own(None, &[2]), own(Some(2), &[3])];
        let told = |own: &[Own]| {
            let groups = group_around(&met, &known, own, chord(50.0)).unwrap();
            groups.into_iter().map(|group| (group.individual, group.encounters)).collect::<Vec<_>>()
        };
        let mut without = Vec::new();
        for (one, rows) in [(0, [1, 2, 3]), (1, [0, 1, 3])] {
            let rest = part(&known, &rows).unwrap();
            let found = group(&met.only(&[one]), Some(&rest), chord(50.0)).unwrap();
            without.push(found[0].individual.map(|who| rest.individuals[who].clone()));
        }
        let who = |one: usize| {
            let all = told(&own);
            let of = all.iter().find(|(_, all)| all.contains(&one)).unwrap().0;
            of.map(|who| known.individuals[who].clone())
        };
        assert_eq!([who(0), who(1)], [without[0].clone(), without[1].clone()], "as if the copies were not there");
        assert_eq!(who(2).as_deref(), Some("c"), "it is held as that");
        let plain = group(&met, Some(&known), chord(50.0)).unwrap();
        let plain: Vec<_> = plain.into_iter().map(|group| (group.individual, group.encounters)).collect();
        assert_eq!(told(&[Own::default(), Own::default(), Own::default()]), plain, "what holds nothing is as ever");
        assert_ne!(told(&own), plain, "else this shows nothing");
    }

    #[test]
    fn decided_by_a_calibration_groups_agree_with_names_no_worse() {
        for (spread, seed) in [(0.2, 1), (0.3, 2), (0.4, 3)] {
            // of 120 individuals every second one is known by its first two encounters, the others are new
            let all = drawn(120, 4, spread, seed);
            let mut rows = [Vec::new(), Vec::new()];
            let mut before = vec![0; 120];
            for (row, photo) in all.photos.iter().enumerate() {
                let is_known = photo.individual % 2 == 0 && before[photo.individual] < 2;
                before[photo.individual] += 1;
                rows[usize::from(!is_known)].push(row);
            }
            let known = part(&all, &rows[0]).unwrap();
            let met: Vec<&[f32]> = rows[1].iter().map(|&row| all.embedding(row)).collect();
            let names: Vec<_> =
                rows[1].iter().map(|&row| Some(&*all.individuals[all.photos[row].individual])).collect();
            let met = Encounters::new(all.dims, met.into_iter()).unwrap();
            let asked = crate::gallery::thresholds::Asked { false_new: 0.1, wrong_name: 0.1 };
            let calibration = crate::gallery::calibration::calibrate(&known, asked, None, &Default::default()).unwrap();
            let decided: Vec<Decision> = (0..met.len())
                .map(|one| proposed(&known, &met.embeddings[one * all.dims..][..all.dims]).unwrap())
                .map(|proposal| crate::gallery::decision::decide(&proposal, &calibration))
                .collect();
            let ari = |groups: Vec<Group>| judge(&groups, &met, &names).unwrap().ari;
            let none = vec![Own::default(); decided.len()];
            let before = ari(group(&met, Some(&known), choose(&known, true).unwrap().distance).unwrap());
            let now = group_decided(&met, &known, (&decided, &none), calibration.groups.unwrap().distance).unwrap();
            let now = ari(now.into_iter().map(|(group, _)| group).collect());
            assert!(now > before - 0.03, "{spread}: {before} before, {now} now");
        }
    }

    #[test]
    fn a_distance_chosen_on_some_holds_for_others() {
        for anchored in [false, true] {
            let cut = choose(&drawn(60, 3, 0.12, 1), anchored).unwrap();
            assert_eq!(cut.chosen_on, 30);
            assert!(cut.reached.ari > 0.85, "{cut:?}");
            let others = drawn(40, 3, 0.12, 2);
            let met = encounters_of(&others);
            let names: Vec<_> = (others.rows_of_encounters().iter())
                .map(|rows| Some(others.individuals[others.photos[rows[0]].individual].as_str()))
                .collect();
            let ari = |cut| judge(&group(&met, None, cut).unwrap(), &met, &names).unwrap().ari;
            assert!(ari(cut.distance) > 0.85, "{}", ari(cut.distance));
            assert!(ari(cut.distance / 4.0) < 0.6 && ari(1.4) < 0.3, "any distance would do, else");
        }
    }

    #[test]
    fn what_cannot_be_grouped_says_why() {
        let met = at(&[&[1.0]]);
        let refused = |error: Error, word: &str| assert!(error.to_string().contains(word), "{error}");
        refused(group(&met, None, f64::NAN).unwrap_err(), "NaN");
        refused(group(&met, Some(&drawn(2, 1, 0.1, 1)), 1.0).unwrap_err(), "12");
        refused(Encounters::new(2, [&[][..]].into_iter()).unwrap_err(), "0 numbers");
        refused(Encounters::new(1, [&[f32::NAN][..]].into_iter()).unwrap_err(), "NaN");
        refused(choose(&drawn(3, 3, 0.1, 1), false).unwrap_err(), "3 of 3 individuals");
        let mut trained = drawn(9, 3, 0.1, 1);
        trained.photos[..18].iter_mut().for_each(|photo| photo.trained = Some(true));
        refused(choose(&trained, true).unwrap_err(), "3 of 9 individuals");
        let many = vec![[1.0_f32]; MOST + 1];
        let many = Encounters::new(1, many.iter().map(<[f32; 1]>::as_slice)).unwrap();
        refused(group(&many, None, 1.0).unwrap_err(), "20000");
        assert_eq!(group(&Encounters::default(), None, 1.0).unwrap(), []);
        assert_eq!(group(&Encounters::default(), Some(&drawn(2, 1, 0.1, 1)), 1.0).map(|g| g.len()).ok(), None);
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(60))]

        #[test]
        fn every_encounter_is_in_one_group_and_no_group_has_two_known(
            known in known(),
            met in prop::collection::vec(prop::collection::vec(0_u8..24, 1..4), 1..12),
            cut in 0.0_f64..2.5,
        ) {
            let angles: Vec<Vec<f32>> = met.iter().map(|e| e.iter().map(|&at| f32::from(at) * 15.0).collect()).collect();
            let met = at(&angles.iter().map(Vec::as_slice).collect::<Vec<_>>());
            let groups = group(&met, Some(&known), cut).unwrap();
            let mut all: Vec<usize> = groups.iter().flat_map(|g| g.encounters.iter().copied()).collect();
            all.sort_unstable();
            prop_assert_eq!(all, (0..met.len()).collect::<Vec<_>>());
            let named: Vec<_> = groups.iter().filter_map(|g| g.individual).collect();
            prop_assert!(named.windows(2).all(|pair| pair[0] < pair[1]), "each once, in order");
            prop_assert!(groups.iter().all(|g| g.widest.is_none_or(|w| w <= cut) && g.next.is_none_or(|n| n > cut)));
            for anchored in [false, true] {
                let _ = choose(&known, anchored);
            }
        }
    }
}
