//! New animals among themselves: the same unknown turtle on three days is one proposed individual, not three.
//!
//! Encounters that are decided to be of new individuals are put together as [`discover`](super::discover) does, around nobody:
//! who is known was ruled out. How far apart they stay is chosen where the gallery is calibrated, on other individuals.
//!
//! Groups are numbered in the order of their first encounters as a walk through the folder finds them, wherever they are asked for.
//! Who was new and has a name by now still takes part, and so does who was skipped: the others keep their numbers.

use std::collections::{BTreeSet, HashMap, HashSet};

use super::Result;
use super::discover::{Cut, Encounters, MOST, group};

/// Of more encounters than this the numbers stay when some of them are new no more, as it takes a while to put them together anew.
const QUICK: usize = 2_000;

/// While encounters come, they are put together anew when one in so many has no group, so that all that work is a few times the
/// last of it.
const ENOUGH: usize = 4;

/// Encounters of new individuals with their embeddings, until all are there that are to be grouped.
#[derive(Clone, Debug, Default)]
pub struct NewOnes {
    /// In the order in which they came.
    encounters: Vec<(String, Vec<f32>)>,
    /// Those that have a name by now.
    named: HashSet<String>,
}

impl NewOnes {
    /// Takes another encounter with the embeddings of its photos, row after row.
    pub fn take(&mut self, encounter: &str, photos: &[f32]) {
        self.encounters.push((encounter.to_owned(), photos.to_vec()));
    }

    /// Takes one that was new and is decided to be somebody.
    pub fn take_named(&mut self, encounter: &str, photos: &[f32]) {
        self.named.insert(encounter.to_owned());
        self.take(encounter, photos);
    }

    /// Takes all of `more`.
    pub fn append(&mut self, mut more: NewOnes) {
        self.encounters.append(&mut more.encounters);
        self.named.extend(more.named);
    }

    /// The encounters that have no name.
    pub fn encounters(&self) -> impl Iterator<Item = &str> {
        let all = self.encounters.iter().map(|(encounter, _)| encounter.as_str());
        all.filter(|encounter| !self.named.contains(*encounter))
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.encounters.is_empty()
    }

    /// How many.
    pub fn len(&self) -> usize {
        self.encounters.len()
    }

    /// The group of each that has no name, as it is shown; their embeddings have `dims` numbers. A group goes by the name that one of its
    /// encounters has in `before`, else by one that none there has.
    ///
    /// # Errors
    /// When they are more than can be grouped at once, or an embedding is not finite.
    pub fn groups<'a>(
        &self,
        dims: usize,
        cut: &Cut,
        before: impl Iterator<Item = (&'a str, &'a str)>,
    ) -> Result<HashMap<String, String>> {
        let number = |group: &str| Some(group.strip_prefix("new ")?.parse::<u32>().ok()? as usize);
        let of = before.filter_map(|(encounter, group)| Some((encounter.to_owned(), number(group)?))).collect();
        let photos: Vec<&[f32]> = self.encounters.iter().map(|(_, photos)| photos.as_slice()).collect();
        let names: Vec<&str> = self.encounters.iter().map(|(encounter, _)| encounter.as_str()).collect();
        let of = keep(of, &names, &numbers(dims, &photos, cut)?);
        let named = |encounter: &str| Some((encounter.to_owned(), name(*of.get(encounter)?)));
        Ok(self.encounters().filter_map(named).collect())
    }
}

/// The numbers of `encounters` that are in the groups `numbers`: a group goes by the number that one of its encounters has in
/// `before`, else by the next that none has.
fn keep(before: HashMap<String, usize>, encounters: &[&str], numbers: &[usize]) -> HashMap<String, usize> {
    let mut of = before;
    let mut next = of.values().copied().max().unwrap_or(0) + 1;
    let (mut kept, mut taken) = (HashMap::new(), BTreeSet::new());
    for (encounter, number) in encounters.iter().zip(numbers) {
        let Some(&before) = of.get(*encounter) else { continue };
        if !kept.contains_key(number) && taken.insert(before) {
            kept.insert(*number, before);
        }
    }
    for (encounter, number) in encounters.iter().zip(numbers) {
        let number = *kept.entry(*number).or_insert_with(|| {
            next += 1;
            next - 1
        });
        of.insert((*encounter).to_owned(), number);
    }
    of
}

/// What the group of number `number` is called.
pub(super) fn name(number: usize) -> String {
    format!("new {number}")
}

/// The number of each encounter's group, from 1 in the order of their first ones; an encounter is the embeddings of its
/// photos, row after row.
pub(super) fn numbers(dims: usize, encounters: &[&[f32]], cut: &Cut) -> Result<Vec<usize>> {
    let groups = group(&Encounters::new(dims, encounters.iter().copied())?, None, cut.distance)?;
    let mut numbers = vec![0; encounters.len()];
    for (number, group) in (1..).zip(&groups) {
        group.encounters.iter().for_each(|&one| numbers[one] = number);
    }
    Ok(numbers)
}

/// The groups of a folder that is gone through, put together anew where that may make a difference.
#[derive(Clone, Debug, Default)]
pub(super) struct Groups {
    /// What the numbers are of; none while there are none.
    distance: Option<f64>,
    /// The number of each encounter's group.
    of: HashMap<String, usize>,
}

impl Groups {
    /// The group of each of `encounters` in the order of a walk, which have their photos' embeddings of `dims` numbers row after
    /// row. While more are `coming`, they are not put together anew for each of them.
    ///
    /// # Errors
    /// When an embedding is not finite.
    pub(super) fn of(
        &mut self,
        dims: usize,
        encounters: &[(&str, &[f32])],
        cut: Option<&Cut>,
        coming: bool,
    ) -> Result<Vec<Option<String>>> {
        let Some(cut) = cut.filter(|_| encounters.len() <= MOST) else { return Ok(vec![None; encounters.len()]) };
        let without = encounters.iter().filter(|(one, _)| !self.of.contains_key(*one)).count();
        let went = self.of.len() + without > encounters.len();
        let is_due = match coming {
            true => without > 0 && ENOUGH * without >= encounters.len(),
            false => without > 0 || (went && encounters.len() <= QUICK),
        };
        if self.distance != Some(cut.distance) || is_due {
            let photos: Vec<&[f32]> = encounters.iter().map(|(_, photos)| *photos).collect();
            let numbers = numbers(dims, &photos, cut)?;
            self.of = encounters.iter().map(|(one, _)| (*one).to_owned()).zip(numbers).collect();
            self.distance = Some(cut.distance);
        }
        Ok(encounters.iter().map(|(one, _)| self.of.get(*one).copied().map(name)).collect())
    }

    /// What was known of `encounter` counts no more: it was seen again.
    pub(super) fn forget(&mut self, encounter: &str) {
        self.of.remove(encounter);
    }
}

#[cfg(test)]
mod tests {
    use super::super::ari::Agreement;
    use super::super::testing::on_circle;
    use super::*;

    fn cut(distance: f64) -> Cut {
        let reached =
            Agreement { photos: 0, individuals: 0, groups: 0, ari: 1.0, pair_precision: None, pair_recall: None };
        Cut { distance, chosen_on: 2, reached }
    }

    #[test]
    fn the_same_unknown_animal_on_three_days_is_one() {
        let mut new = NewOnes::default();
        let nobody = std::iter::empty;
        assert!(new.is_empty() && new.groups(2, &cut(0.3), nobody()).unwrap().is_empty());
        for (encounter, degrees) in [("mon", 0.0), ("mon b", 90.0), ("tue", 5.0)] {
            new.take(encounter, &on_circle(&[("x", 0, degrees)]).embeddings);
        }
        let mut more = NewOnes::default();
        more.take("wed", &on_circle(&[("x", 0, 180.0), ("x", 0, 182.0)]).embeddings);
        more.take("thu", &on_circle(&[("x", 0, 3.0)]).embeddings);
        new.append(more);
        let groups = new.groups(2, &cut(0.3), nobody()).unwrap();
        let of: Vec<&str> = ["mon", "tue", "thu", "mon b", "wed"].iter().map(|one| groups[*one].as_str()).collect();
        assert_eq!(of, ["new 1", "new 1", "new 1", "new 2", "new 3"]);
        // who had a name keeps it, and a name that somebody has is nobody else's
        let before = [("thu", "new 7"), ("wed", "new 2"), ("not here", "new 9"), ("mon", "of hers")];
        let groups = new.groups(2, &cut(0.3), before.into_iter()).unwrap();
        let of: Vec<&str> = ["mon", "tue", "thu", "mon b", "wed"].iter().map(|one| groups[*one].as_str()).collect();
        assert_eq!(of, ["new 7", "new 7", "new 7", "new 10", "new 2"]);
        // who has a name by now is told in no group, and the others have the numbers that they would have beside it
        let mut new = NewOnes::default();
        new.take_named("mon", &on_circle(&[("x", 0, 0.0)]).embeddings);
        new.take("mon b", &on_circle(&[("x", 0, 90.0)]).embeddings);
        assert_eq!(new.encounters().collect::<Vec<_>>(), ["mon b"]);
        let groups = new.groups(2, &cut(0.3), nobody()).unwrap();
        assert_eq!(groups, [("mon b".to_owned(), "new 2".to_owned())].into());
    }

    #[test]
    fn groups_are_numbered_by_what_is_there_whatever_was_there_before() {
        let mut groups = Groups::default();
        let mut of = |encounters: &[(&str, f32)], distance: Option<f64>| {
            let at = |degrees: f32| on_circle(&[("x", 0, degrees)]).embeddings;
            let photos: Vec<Vec<f32>> = encounters.iter().map(|(_, degrees)| at(*degrees)).collect();
            let all: Vec<(&str, &[f32])> =
                encounters.iter().map(|(one, _)| *one).zip(photos.iter().map(|p| &p[..])).collect();
            let found = groups.of(2, &all, distance.map(cut).as_ref(), false).unwrap();
            found.into_iter().map(|name| name.map_or(0, |name| name[4..].parse().unwrap())).collect::<Vec<usize>>()
        };
        let (a, b, c, d, e) = (("a", 0.0), ("b", 90.0), ("c", 5.0), ("d", 180.0), ("e", 97.0));
        assert_eq!(of(&[a, b, c, d], None), [0; 4], "nothing says how far apart they stay");
        assert_eq!(of(&[a, b, c, d], Some(0.1)), [1, 2, 1, 3]);
        assert_eq!(of(&[a, b, e, d], Some(0.1)), [1, 2, 3, 4], "another came, and one is new no more");
        assert_eq!(of(&[a, b, d], Some(0.1)), [1, 2, 3], "as who opens the folder now has them");
        assert_eq!(of(&[b, e, d], Some(0.2)), [1, 1, 2], "calibrated anew");
        assert_eq!(of(&[b, e, d], Some(2.0)), [1, 1, 1]);
        assert_eq!(of(&[b, e, d], Some(0.1)), [1, 2, 3]);
    }

    #[test]
    fn while_encounters_come_they_are_not_put_together_for_each_of_them() {
        let mut groups = Groups::default();
        let mut times = 0;
        let all: Vec<(String, Vec<f32>)> =
            (0..400).map(|n| (n.to_string(), on_circle(&[("x", 0, n as f32 / 2.0)]).embeddings)).collect();
        for come in 1..=all.len() {
            let these: Vec<(&str, &[f32])> = all[..come].iter().map(|(name, row)| (name.as_str(), &row[..])).collect();
            let before = groups.of.len();
            let named = groups.of(2, &these, Some(&cut(0.1)), true).unwrap();
            times += usize::from(groups.of.len() > before);
            assert_eq!(named.iter().flatten().count(), groups.of.len());
        }
        assert!(times < 40, "{times}");
        let these: Vec<(&str, &[f32])> = all.iter().map(|(name, row)| (name.as_str(), &row[..])).collect();
        assert!(groups.of(2, &these, Some(&cut(0.1)), false).unwrap().iter().all(Option::is_some));
    }
}
