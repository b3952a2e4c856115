//! What is nearest to encounters, kept while the gallery changes: who a change touched is measured, the rest stays as it was.
//!
//! An individual is touched where photos of it came or went. It is measured anew, and put among those that an encounter's
//! list held; only where that cannot tell who follows behind the list is the encounter measured against all.

use std::cell::OnceCell;
use std::collections::{HashMap, HashSet};

use super::Result;
use super::discover::part;
use super::known::Known;
use super::large::Large;
use super::proposal::{Candidate, propose};
use super::search::{NEAREST, Near, Nearest, nearest, nearest_up_to};

/// Individuals touched at once beyond which all is measured anew.
const FEW: usize = NEAREST;
/// The share of the gallery's photos that are theirs, beyond which it is, one in so many; of a small gallery all may be.
const SHARE: usize = 4;
const SMALL: usize = 1000;

/// What is nearest to one encounter.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Ranked {
    /// The nearest photos, at most [`NEAREST`] unless otherwise asked.
    pub(super) photos: Vec<Near>,
    /// The nearest individuals as a proposal ranks them, as many.
    pub(super) individuals: Vec<Candidate>,
    /// Of each of `individuals` its nearest photo.
    pub(super) best: Vec<Near>,
}

/// A gallery that is ranked, and ranked again when it has changed.
pub(super) trait Ranking {
    /// Numbers in an embedding.
    fn dims(&self) -> usize;
    /// The photos that are there: row, number, and whose.
    fn photos(&self) -> impl Iterator<Item = (usize, u64, usize)>;
    /// Rows, those of photos that are gone included.
    fn rows(&self) -> usize;
    /// The row of the photo of number `id`, and whose it is; none where it is not there.
    fn row_of(&self, id: u64) -> Option<(usize, usize)>;
    /// The rows of `individual`, in order.
    fn rows_of(&self, individual: usize) -> Vec<usize>;
    /// Names of the individuals.
    fn names(&self) -> &[String];
    /// The gallery that some of the rows make, individuals in the order of their first.
    ///
    /// # Errors
    /// When they make none.
    fn part(&self, rows: &[usize]) -> Result<Known>;
    /// What is nearest to each of `queries`, whose embeddings lie row after row.
    ///
    /// # Errors
    /// When a query is no photos of the gallery's dimensions.
    fn rank(&self, queries: &[&[f32]]) -> Result<Vec<Ranked>> {
        self.rank_up_to(queries, NEAREST)
    }
    /// As [`Ranking::rank`], `keep` of each instead of [`NEAREST`].
    ///
    /// # Errors
    /// As [`Ranking::rank`].
    fn rank_up_to(&self, queries: &[&[f32]], keep: usize) -> Result<Vec<Ranked>>;
}

impl Ranking for Known {
    fn dims(&self) -> usize {
        self.dims
    }

    fn photos(&self) -> impl Iterator<Item = (usize, u64, usize)> {
        self.photos.iter().enumerate().map(|(row, photo)| (row, photo.id, photo.individual))
    }

    fn rows(&self) -> usize {
        self.len()
    }

    fn row_of(&self, id: u64) -> Option<(usize, usize)> {
        // rows come in the order of numbers
        let row = self.photos.binary_search_by_key(&id, |photo| photo.id).ok()?;
        Some((row, self.photos[row].individual))
    }

    fn rows_of(&self, individual: usize) -> Vec<usize> {
        (0..self.len()).filter(|&row| self.photos[row].individual == individual).collect()
    }

    fn names(&self) -> &[String] {
        &self.individuals
    }

    fn part(&self, rows: &[usize]) -> Result<Known> {
        part(self, rows)
    }

    fn rank_up_to(&self, queries: &[&[f32]], keep: usize) -> Result<Vec<Ranked>> {
        rank(self, queries, keep)
    }
}

impl Ranking for Large {
    fn dims(&self) -> usize {
        Large::dims(self)
    }

    fn photos(&self) -> impl Iterator<Item = (usize, u64, usize)> {
        self.photos()
    }

    fn rows(&self) -> usize {
        self.rows()
    }

    fn row_of(&self, id: u64) -> Option<(usize, usize)> {
        self.row_of(id)
    }

    fn rows_of(&self, individual: usize) -> Vec<usize> {
        self.rows_of(individual)
    }

    fn names(&self) -> &[String] {
        self.individuals()
    }

    fn part(&self, rows: &[usize]) -> Result<Known> {
        self.part(rows)
    }

    fn rank_up_to(&self, queries: &[&[f32]], keep: usize) -> Result<Vec<Ranked>> {
        rank_large(self, queries, keep)
    }
}

/// What is nearest to each of `queries`, whose embeddings lie row after row.
///
/// # Errors
/// When a query is no photos of the gallery's dimensions.
fn rank(known: &Known, queries: &[&[f32]], keep: usize) -> Result<Vec<Ranked>> {
    let rows = OnceCell::new();
    let ranked = |(query, near): (&&[f32], Nearest)| {
        let whose = |row: usize| known.photos[row].individual;
        together((known.dims, keep), query, near, whose, |candidate| {
            let rows = &rows.get_or_init(|| known.rows_of_individuals())[candidate.individual];
            nearest_of(known, rows, query, candidate)
        })
    };
    queries.iter().zip(nearest_up_to(known, queries, keep)).map(ranked).collect()
}

/// As [`rank`], of a large gallery.
///
/// # Errors
/// As [`rank`], and when an embedding of the gallery is none.
fn rank_large(large: &Large, queries: &[&[f32]], keep: usize) -> Result<Vec<Ranked>> {
    let ranked = |(query, near): (&&[f32], Nearest)| {
        let other = |candidate: &Candidate| nearest_of(large, &large.rows_of(candidate.individual), query, candidate);
        together((large.dims(), keep), query, near, |row| large.whose(row), other)
    };
    queries.iter().zip(large.nearest_up_to(queries, keep)?).map(ranked).collect()
}

/// Of the photos of `candidate`, whose rows these are, the nearest to any of `query`'s.
fn nearest_of(known: &impl Ranking, rows: &[usize], query: &[f32], candidate: &Candidate) -> Result<Near> {
    let own = nearest(&known.part(rows)?, &[query]).swap_remove(0);
    let first = Near { row: rows.first().copied().unwrap_or_default(), distance: candidate.distance };
    Ok(own.photos.first().map_or(first, |near| Near { row: rows[near.row], ..*near }))
}

/// `near` with its individuals as a proposal ranks them, `keep` of them; `other` is a photo of one who is near by its photos together, by none
/// alone.
fn together(
    (dims, keep): (usize, usize),
    query: &[f32],
    near: Nearest,
    whose: impl Fn(usize) -> usize,
    other: impl Fn(&Candidate) -> Result<Near>,
) -> Result<Ranked> {
    let mut individuals = propose(dims, query, near.candidates)?.candidates;
    individuals.truncate(keep);
    let best = |candidate: &Candidate| {
        let own = near.individuals.iter().find(|near| whose(near.row) == candidate.individual);
        own.map_or_else(|| other(candidate), |near| Ok(*near))
    };
    let best = individuals.iter().map(best).collect::<Result<_>>()?;
    Ok(Ranked { photos: near.photos, individuals, best })
}

/// Makes `ranked`, which are of `queries` by what was known `before`, ones by what is known `now`; tells for each whether anything
/// that it names is otherwise.
///
/// # Errors
/// As [`Ranking::rank`].
pub(super) fn rank_again<R: Ranking>(
    (before, now): (&R, &R),
    queries: &[&[f32]],
    ranked: &mut [Ranked],
) -> Result<Vec<bool>> {
    let change = Change::between(before, now).filter(|change| change.is_small(now));
    let Some(change) = change else {
        ranked.iter_mut().zip(now.rank(queries)?).for_each(|(old, new)| *old = new);
        return Ok(vec![true; ranked.len()]);
    };
    let touched = now.part(&change.rows)?;
    let near = if touched.is_empty() { vec![Nearest::default(); queries.len()] } else { nearest(&touched, queries) };
    let (mut changed, mut anew) = (vec![false; ranked.len()], Vec::new());
    for (at, (old, near)) in ranked.iter_mut().zip(near).enumerate() {
        match change.place(old, &near, queries[at], &touched)? {
            Some(new) => {
                changed[at] = change.is_other(old, &new);
                *old = new;
            }
            None => anew.push(at),
        }
    }
    let again: Vec<&[f32]> = anew.iter().map(|&at| queries[at]).collect();
    for (&at, new) in anew.iter().zip(now.rank(&again)?) {
        (changed[at], ranked[at]) = (true, new);
    }
    Ok(changed)
}

/// What became of a gallery.
struct Change {
    /// Where each row went; none that is gone, or an individual's who was touched.
    row: Vec<Option<usize>>,
    /// Where each individual went; none who is gone, or was touched.
    individual: Vec<Option<usize>>,
    /// Those who were touched, as they are numbered now, in the order of their first rows.
    touched: Vec<usize>,
    /// Their rows now, in order.
    rows: Vec<usize>,
}

impl Change {
    /// None where nothing tells which photo is which.
    fn between<R: Ranking>(before: &R, now: &R) -> Option<Change> {
        let in_order = |known: &R| known.photos().is_sorted_by(|a, b| a.1 < b.1);
        if before.dims() != now.dims() || !in_order(before) || !in_order(now) {
            return None;
        }
        let places: HashMap<&str, usize> = now.names().iter().map(String::as_str).zip(0..).collect();
        let same: Vec<Option<usize>> = before.names().iter().map(|name| places.get(name.as_str()).copied()).collect();
        let mut is_touched = vec![false; now.names().len()];
        let mut row = vec![None; before.rows()];
        let mut photos = now.photos().peekable();
        for (old, id, whose) in before.photos() {
            while let Some((.., came)) = photos.next_if(|(_, new, _)| *new < id) {
                is_touched[came] = true;
            }
            let own = same[whose];
            match photos.next_if(|(_, new, _)| *new == id) {
                Some((at, _, whose)) => {
                    row[old] = Some(at);
                    if own != Some(whose) {
                        is_touched[whose] = true;
                        own.into_iter().for_each(|own| is_touched[own] = true);
                    }
                }
                None => own.into_iter().for_each(|own| is_touched[own] = true), // it went
            }
        }
        photos.for_each(|(.., came)| is_touched[came] = true);
        let individual: Vec<Option<usize>> = same.into_iter().map(|new| new.filter(|&new| !is_touched[new])).collect();
        for (old, _, whose) in before.photos() {
            row[old] = row[old].filter(|_| individual[whose].is_some());
        }
        let of_touched = now.photos().filter(|(.., whose)| is_touched[*whose]).map(|(row, _, whose)| (row, whose));
        let (rows, whose): (Vec<usize>, Vec<usize>) = of_touched.unzip();
        let mut seen = HashSet::new();
        let touched = whose.into_iter().filter(|who| seen.insert(*who)).collect();
        Some(Change { row, individual, touched, rows })
    }

    fn is_small<R: Ranking>(&self, now: &R) -> bool {
        self.touched.len() <= FEW && (now.rows() <= SMALL || self.rows.len() <= now.rows() / SHARE)
    }

    /// `old` by what is known now, where `near` is what is nearest of those who were touched; none where that does not tell.
    fn place(&self, old: &Ranked, near: &Nearest, query: &[f32], touched: &Known) -> Result<Option<Ranked>> {
        let row = |near: &Near| Some(Near { row: self.row[near.row]?, ..*near });
        let now_at = |near: &Near| Near { row: self.rows[near.row], ..*near };
        let key = |near: &Near| (near.distance, near.row);
        let photos = merged(&old.photos, row, near.photos.iter().map(now_at), key);
        let of_touched = if touched.is_empty() {
            Vec::new()
        } else {
            propose(touched.dims, query, near.candidates.clone())?.candidates
        };
        let fresh = of_touched.into_iter().map(|candidate| {
            let best = near.individuals.iter().find(|near| touched.photos[near.row].individual == candidate.individual);
            let best = best.map_or(Near { row: 0, distance: candidate.distance }, now_at);
            (Candidate { individual: self.touched[candidate.individual], ..candidate }, best)
        });
        let listed: Vec<(Candidate, Near)> = old.individuals.iter().copied().zip(old.best.iter().copied()).collect();
        let moved = |(candidate, best): &(Candidate, Near)| {
            Some((Candidate { individual: self.individual[candidate.individual]?, ..*candidate }, row(best)?))
        };
        let individuals = merged(&listed, moved, fresh, |(candidate, _)| (candidate.distance, candidate.individual));
        let (Some(photos), Some(individuals)) = (photos, individuals) else { return Ok(None) };
        let (individuals, best) = individuals.into_iter().unzip();
        Ok(Some(Ranked { photos, individuals, best }))
    }

    /// Whether `new` names or tells anything else than `old` did.
    fn is_other(&self, old: &Ranked, new: &Ranked) -> bool {
        let row = |near: &Near| Near { row: self.row[near.row].unwrap_or(usize::MAX), ..*near };
        let candidate = |candidate: &Candidate| Candidate {
            individual: self.individual[candidate.individual].unwrap_or(usize::MAX),
            ..*candidate
        };
        let moved = Ranked {
            photos: old.photos.iter().map(row).collect(),
            individuals: old.individuals.iter().map(candidate).collect(),
            best: old.best.iter().map(row).collect(),
        };
        moved != *new
    }
}

/// The first of what `old` held and still is (`moved` tells as what) and of `fresh`, by `key`. None where somebody who was behind
/// the end of `old` could be among them.
fn merged<T: Copy>(
    old: &[T],
    moved: impl Fn(&T) -> Option<T>,
    fresh: impl Iterator<Item = T>,
    key: impl Fn(&T) -> (f64, usize),
) -> Option<Vec<T>> {
    let mut all: Vec<T> = old.iter().filter_map(&moved).chain(fresh).collect();
    let order = |a: (f64, usize), b: (f64, usize)| a.0.total_cmp(&b.0).then(a.1.cmp(&b.1));
    all.sort_by(|a, b| order(key(a), key(b)));
    all.truncate(NEAREST);
    // whoever was behind the end comes after the last that was listed; of one who was touched only the distance is sure
    let Some(end) = old.last().filter(|_| old.len() == NEAREST) else { return Some(all) };
    let end = moved(end).map_or((key(end).0, 0), |end| key(&end));
    let is_sure = all.len() == NEAREST && all.last().is_some_and(|last| order(key(last), end).is_le());
    is_sure.then_some(all)
}

#[cfg(test)]
mod tests {
    use super::super::testing::on_circle;
    use super::*;
    use proptest::prelude::*;

    /// What `ranked` says, in names that outlive a change: photos, individuals, and the nearest photo of each.
    fn told(known: &Known, ranked: &Ranked) -> String {
        let photo = |near: &Near| (known.photos[near.row].id, near.distance);
        let photos: Vec<_> = ranked.photos.iter().map(photo).collect();
        let name = |one: &Candidate| (known.individuals[one.individual].clone(), one.distance);
        let individuals: Vec<_> = ranked.individuals.iter().map(name).zip(ranked.best.iter().map(photo)).collect();
        format!("{photos:?} {individuals:?}")
    }

    fn circle(photos: &[(usize, u8)], queries: &[Vec<u8>]) -> (Known, Vec<Vec<f32>>) {
        let names: Vec<String> = (0..20).map(|who| format!("{who:02}")).collect();
        let at = |&(who, angle): &(usize, u8)| (names[who].as_str(), who, f32::from(angle) * 9.0);
        let mut all: Vec<_> = photos.iter().map(at).collect();
        all.sort_by_key(|(_, who, _)| *who); // encounters are numbered without a gap
        let mut numbers = HashMap::new();
        for (_, encounter, _) in &mut all {
            let next = numbers.len();
            *encounter = *numbers.entry(*encounter).or_insert(next);
        }
        let photo = |angles: &Vec<u8>| {
            let angles: Vec<_> = angles.iter().map(|&angle| ("x", 0, f32::from(angle) * 9.0 + 1.0)).collect();
            on_circle(&angles).embeddings
        };
        (on_circle(&all), queries.iter().map(photo).collect())
    }

    proptest! {
        #[test]
        fn it_is_what_measuring_all_anew_gives(
            photos in prop::collection::vec((0_usize..20, 0_u8..40), 2..80),
            out in prop::collection::vec(any::<prop::sample::Index>(), 0..8),
            other in prop::collection::vec(any::<prop::sample::Index>(), 0..4),
            one_more in any::<bool>(),
            asked in prop::collection::vec(prop::collection::vec(0_u8..40, 1..4), 1..8),
        ) {
            let (full, queries) = circle(&photos, &asked);
            let queries: Vec<&[f32]> = queries.iter().map(Vec::as_slice).collect();
            // before, some are not there; now, others are not, or one of these has come
            let rows = |gone: &[prop::sample::Index]| -> Vec<usize> {
                let gone: HashSet<usize> = gone.iter().map(|at| at.index(full.len())).collect();
                (0..full.len()).filter(|row| !gone.contains(row)).collect()
            };
            let (was, mut is) = (rows(&out), rows(&other));
            if one_more {
                is = was.clone();
                is.extend((0..full.len()).find(|row| !was.contains(row)));
                is.sort_unstable();
            }
            let (before, now) = (part(&full, &was).unwrap(), part(&full, &is).unwrap());
            prop_assume!(!before.is_empty() && !now.is_empty());
            let old = before.rank(&queries).unwrap();
            let mut ranked = old.clone();
            let changed = rank_again((&before, &now), &queries, &mut ranked).unwrap();
            prop_assert_eq!(&ranked, &now.rank(&queries).unwrap());
            for (at, changed) in changed.into_iter().enumerate() {
                prop_assert!(changed || told(&before, &old[at]) == told(&now, &ranked[at]));
            }
            // and as a large one, of which so few are all measured
            let (before, now) = (Large::of(&before), Large::of(&now));
            let mut again = before.rank(&queries).unwrap();
            rank_again((&before, &now), &queries, &mut again).unwrap();
            prop_assert_eq!(again, now.rank(&queries).unwrap());
        }
    }

    #[test]
    fn a_photo_more_measures_nobody_else() {
        let photos: Vec<(usize, u8)> = (0..20).map(|who| (who, who as u8 * 2)).collect();
        let (before, queries) = circle(&photos, &(0..39).map(|angle| vec![angle, angle]).collect::<Vec<_>>());
        let queries: Vec<&[f32]> = queries.iter().map(Vec::as_slice).collect();
        let mut now = before.clone();
        now.photos.push(super::super::known::KnownPhoto { id: 99, ..before.photos[3] });
        now.embeddings.extend(before.embedding(4)); // 3 looks like 4, too
        let mut ranked = before.rank(&queries).unwrap();
        let change = Change::between(&before, &now).unwrap();
        assert_eq!((&change.touched, &change.rows), (&vec![3], &vec![3, 20]));
        let touched = part(&now, &change.rows).unwrap();
        let near = nearest(&touched, &queries);
        let placed = (ranked.iter().zip(&near).zip(&queries))
            .filter(|((old, near), query)| change.place(old, near, query, &touched).unwrap().is_some());
        // all but those at the end of whose list the touched one stood
        assert!(placed.count() > 30);
        let changed = rank_again((&before, &now), &queries, &mut ranked).unwrap();
        assert!(changed.iter().any(|changed| !changed) && changed.contains(&true));
        // a name is another, and all is where it was
        let mut renamed = now.clone();
        renamed.individuals[5] = "Zoe".into();
        let named = ranked.iter().map(|one| told(&renamed, one).contains("Zoe")).collect::<Vec<_>>();
        assert_eq!(rank_again((&now, &renamed), &queries, &mut ranked).unwrap(), named);
    }
}
