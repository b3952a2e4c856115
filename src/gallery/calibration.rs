//! A calibration: what a distance means in one gallery, and the errors that its decisions may be held to.
//!
//! Encounters of the gallery, of each individual at most three, are asked about as if they had just come in, twice: with their individual known by its other
//! encounters, and with their individual left out altogether. What comes out chooses the [`Thresholds`] and the
//! probabilities. Whom the promise is for:
//!
//! - **Known** encounters are of individuals like those of the gallery *that the network was not trained on*, in a new
//!   encounter. Who trained it calibrates nothing, neither as known nor as new: a network holds the individuals that it
//!   learnt apart better than strangers. A known individual that trained it is, as a rule, called new less often than
//!   promised; [`Calibration::of_trained`] says how often those were whose photos were not trained on.
//! - **New** encounters are of individuals that neither network nor gallery has seen.
//! - The gallery is as large as it is: where it grows, strangers come nearer, and it is calibrated anew
//!   ([`Calibration::has_grown`]).
//! - Encounters must be ones: photos of one moment filed as two encounters find each other, and the promise is worth nothing.
//!
//! What the program itself has named is left out, too: the scores that are to be judged chose those names.
//!
//! What is reported as reached was not judged by what chose it: thresholds and curves of the individuals of a tenth come from the others.

use std::collections::{BTreeMap, BTreeSet, HashSet};

use rand::SeedableRng;
use rand::seq::SliceRandom;
use rand_chacha::ChaCha8Rng;
use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use super::decision::{Verdict, verdict};
use super::discover::{self, Cut};
use super::drawn;
use super::known::Known;
use super::logistic::{Case, Logistic};
use super::proposal::{self, HeldOut, hold_out};
use super::share::{Part, Share, least_individuals};
use super::thresholds::{Asked, Thresholds, Wrong, parts};
use super::{Error, Result};

/// Parts that are judged by the others.
const FOLDS: usize = 10;
/// Points of the curve, and bins of the reliability.
const POINTS: usize = 100;
const BINS: usize = 10;
const SEED: u64 = 666;
/// Numbers that photos asked about may be compared with, those of the whole gallery for each: about a minute on two cores.
const NUMBERS: u64 = 1 << 39;
/// A gallery this much larger has other distances.
const GROWN: f64 = 1.25;

/// All of `calibration.json`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Calibration {
    /// What was asked for.
    pub asked: Asked,
    /// Where one decision becomes the other.
    pub thresholds: Thresholds,
    /// Who was held out.
    pub population: Population,
    /// The probability that the nearest individual is the one.
    pub name_is_right: Logistic,
    /// The probability that it is none of them.
    pub is_new: Logistic,
    /// Share of encounters that are of new individuals, which the probabilities suppose.
    pub share_new: f64,
    /// What was reached on individuals that did not choose; none where the others were too few.
    pub reached: Option<Reached>,
    /// How often known encounters of individuals that trained the network were called new, by photos that did not.
    pub of_trained: Option<Share>,
    /// Both errors over the threshold.
    pub curve: Vec<Point>,
    /// How far apart groups of new animals stay, chosen on half of the individuals that were held out and judged on the others;
    /// none where they are fewer than four.
    #[serde(default)]
    pub groups: Option<Cut>,
}

/// Who was held out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Population {
    /// Individuals in the gallery.
    pub gallery_individuals: usize,
    /// Individuals that were left out, as new; of very many, some that were drawn.
    pub individuals: usize,
    /// Individuals that they were drawn from: those that can be left out.
    #[serde(default)]
    pub eligible_individuals: usize,
    /// All encounters of those that can be asked about.
    #[serde(default)]
    pub eligible_encounters: usize,
    /// As many of those as are asked about where none are drawn: of one individual a few at most.
    #[serde(default)]
    pub askable_encounters: usize,
    /// What they were drawn with.
    #[serde(default)]
    pub seed: u64,
    /// Those with a second encounter, as known.
    pub individuals_known: usize,
    /// Encounters asked about as known.
    pub known_encounters: usize,
    /// Encounters asked about as new.
    pub new_encounters: usize,
    /// Individuals that trained the network, and calibrate nothing.
    pub trained_individuals: usize,
    /// Photos of the others of which nobody knows whether they trained it; they were taken for ones that did not.
    pub photos_of_unknown_training: usize,
    /// Encounters that nobody but the program has named, and calibrate nothing: their scores chose their names.
    #[serde(default)]
    pub encounters_named_by_program: usize,
}

impl Population {
    /// Whether those held out are some of very many, that were drawn: individuals, or of all some encounters only.
    pub fn is_drawn(&self) -> bool {
        self.are_individuals_drawn() || self.known_encounters.max(self.new_encounters) < self.askable_encounters
    }

    /// Whether some of the individuals were not asked about.
    fn are_individuals_drawn(&self) -> bool {
        self.individuals < self.eligible_individuals
    }
}

/// Errors and successes on individuals that did not choose the thresholds.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Reached {
    /// Share of known encounters called new.
    pub false_new: Share,
    /// Share of known encounters with the name of another.
    pub wrong_name_of_known: Share,
    /// Share of new encounters with a name.
    pub wrong_name_of_new: Share,
    /// Share of all encounters with a wrong name, at the supposed share of new ones.
    pub wrong_name: f64,
    /// Share of known encounters that got their name.
    pub named: Share,
    /// Share of new encounters called new.
    pub found_new: Share,
    /// Share of all encounters left to look at, at the supposed share of new ones.
    pub look: f64,
    /// Whether the decisions' probabilities are right as often as they say.
    pub decisions: Reliability,
    /// The same for `name_is_right`, whatever was decided.
    pub names: Reliability,
    /// The same for `is_new`, whatever was decided.
    pub new: Reliability,
}

/// How often what was said to have a probability was so.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Reliability {
    /// Expected calibration error: mean of the bins' differences, by their weight.
    pub ece: f64,
    /// Ten bins of equal weight, the lowest probabilities first.
    pub bins: Vec<Bin>,
}

/// Decisions of about one probability.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Bin {
    /// Their mean probability.
    pub said: f64,
    /// Share that was so.
    pub was: f64,
    /// Their share of all.
    pub weight: f64,
}

/// Both errors, were the threshold here, on all that was held out.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Point {
    /// A score.
    pub threshold: f64,
    /// Share of known encounters above it.
    pub false_new: f64,
    /// Share of known encounters up to it whose nearest individual is another.
    pub wrong_name_of_known: f64,
    /// Share of new encounters up to it.
    pub wrong_name_of_new: f64,
}

/// Calibrates on what `known` holds, without the encounters of the photos `by_program` (their [`KnownPhoto::id`]), which the
/// program has named by their scores. `share_new` is the share of encounters that will be of new individuals, supposed by
/// the probabilities; unasked it is the gallery's own: each individual was new once.
///
/// [`KnownPhoto::id`]: super::known::KnownPhoto::id
///
/// # Errors
/// When a rate or share is none, an embedding is not finite, all individuals trained the network or none is left to be
/// held out, or when they are too few for the rates asked for, with the least that they can promise.
pub fn calibrate(
    known: &Known,
    asked: Asked,
    share_new: Option<f64>,
    by_program: &HashSet<u64>,
) -> Result<Calibration> {
    calibrate_within(NUMBERS, known, asked, share_new, by_program)
}

/// As [`calibrate`], where photos asked about are compared with so many `numbers`: of the individuals some are drawn then, and asked
/// about in the whole gallery.
fn calibrate_within(
    numbers: u64,
    known: &Known,
    asked: Asked,
    share_new: Option<f64>,
    by_program: &HashSet<u64>,
) -> Result<Calibration> {
    asked.check()?;
    if let Some(rate) = share_new.filter(|share| !(*share > 0.0 && *share < 1.0)) {
        return Err(Error::Rate { what: "share-new", rate });
    }
    proposal::check(&known.embeddings, known.dims)?;
    let needed = least_individuals(asked.false_new.min(asked.wrong_name));
    let HeldOuts { strangers, acquainted, population, to_group } = held_out((numbers, needed), known, by_program);
    if population.individuals == 0 {
        return Err(match population.trained_individuals {
            _ if population.encounters_named_by_program > 0 => {
                Error::OnlyByProgram { encounters: population.encounters_named_by_program }
            }
            0 => Error::NothingToHoldOut { individuals: known.individuals.len() },
            individuals => Error::AllTrained { individuals },
        });
    }
    let thresholds = Thresholds::choose(&strangers, &asked).map_err(|mut error| {
        if let (Error::TooFew { drawn_from, .. }, true) = (&mut error, population.are_individuals_drawn()) {
            *drawn_from = Some(population.eligible_individuals);
        }
        error
    })?;
    let share_new =
        share_new.unwrap_or_else(|| (known.individuals.len() as f64 / known.encounters as f64).clamp(0.05, 0.95));
    let [name_is_right, is_new] = curves(&strangers, share_new, population.individuals);
    let of_trained = Wrong::FalseNew.parts(&acquainted, thresholds.new_above);
    Ok(Calibration {
        asked,
        thresholds,
        population,
        name_is_right,
        is_new,
        share_new,
        reached: reached(&strangers, &asked, share_new),
        of_trained: Share::of(&of_trained),
        curve: curve(&strangers),
        groups: groups(known, &to_group)?,
    })
}

/// How far apart groups stay, chosen on `encounters` of `known`.
fn groups(known: &Known, encounters: &[Vec<usize>]) -> Result<Option<Cut>> {
    let mut rows = encounters.concat();
    rows.sort_unstable();
    match discover::choose(&discover::part(known, &rows)?, false) {
        Err(Error::NothingToChoose { .. }) => Ok(None),
        other => other.map(Some),
    }
}

/// Beyond, no number of a calibration lies: sums of such ones are finite.
const BEYOND: f64 = 1e100;

impl Calibration {
    /// What is wrong with it, where its file is anybody's: some of its numbers decide nothing.
    pub(super) fn defect(&self) -> Option<&'static str> {
        let is_number = |x: f64| x.abs() < BEYOND;
        let is_curve = |curve: &Logistic| {
            (0.0..=0.5).contains(&curve.least)
                && [curve.intercept, curve.nearest, curve.others].into_iter().all(is_number)
        };
        if !is_number(self.thresholds.new_above) || !self.thresholds.known_up_to.is_none_or(is_number) {
            return Some("its thresholds are none");
        }
        if ![&self.name_is_right, &self.is_new].into_iter().all(is_curve) {
            return Some("its curves of probabilities are none");
        }
        let is_distance = |cut: &Cut| (0.0..=2.0).contains(&cut.distance);
        (!self.groups.as_ref().is_none_or(is_distance)).then_some("its distance of groups is none")
    }

    /// How many individuals could choose how far apart groups stay, where those were too few: it takes [`discover::LEAST`]. None where
    /// they were enough, and of a version that chose nothing.
    pub fn too_few_for_groups(&self) -> Option<usize> {
        let could = self.population.eligible_individuals;
        (self.groups.is_none() && (1..discover::LEAST).contains(&could)).then_some(could)
    }

    /// Whether the gallery has grown so much since that it should be calibrated anew.
    pub fn has_grown(&self, individuals: usize) -> bool {
        individuals as f64 > GROWN * self.population.gallery_individuals as f64
    }
}

struct HeldOuts {
    /// Encounters of individuals that the network never saw.
    strangers: Vec<HeldOut>,
    /// Encounters that it did not see of individuals that it did.
    acquainted: Vec<HeldOut>,
    population: Population,
    /// Encounters of individuals that the network never saw, to choose by how far apart groups stay.
    to_group: Vec<Vec<usize>>,
}

fn held_out((numbers, needed): (u64, usize), known: &Known, by_program: &HashSet<u64>) -> HeldOuts {
    let mut is_trained = vec![false; known.individuals.len()];
    known.photos.iter().filter(|photo| photo.trained == Some(true)).for_each(|p| is_trained[p.individual] = true);
    let is_by_program = |rows: &Vec<usize>| rows.iter().any(|&row| by_program.contains(&known.photos[row].id));
    let (named, encounters): (Vec<_>, Vec<_>) = known.rows_of_encounters().into_iter().partition(is_by_program);
    let of_individual = drawn::eligible(known, encounters);
    let strange = || of_individual.iter().zip(&is_trained).filter(|(all, is_trained)| !**is_trained && !all.is_empty());
    let (eligible_individuals, eligible_encounters) = (strange().count(), strange().map(|(all, _)| all.len()).sum());
    let askable_encounters = strange().map(|(all, _)| all.len().min(drawn::MOST_OF_ONE)).sum();
    let to_group = drawn::to_group(numbers, known.dims, &of_individual, &is_trained, SEED);
    let most = numbers / (known.embeddings.len() as u64).max(1);
    let encounters = drawn::to_ask((most, needed), of_individual, &is_trained, SEED);
    let (acquainted, strangers): (Vec<_>, Vec<_>) =
        hold_out(known, &encounters).into_iter().partition(|one| is_trained[one.individual]);
    let asked = |is_new: bool| strangers.iter().filter(move |one| one.is_new == is_new);
    let individuals = |is_new: bool| asked(is_new).map(|one| one.individual).collect::<BTreeSet<_>>().len();
    let unknown = known.photos.iter().filter(|p| p.trained.is_none() && !is_trained[p.individual]).count();
    let population = Population {
        gallery_individuals: known.individuals.len(),
        individuals: individuals(true),
        eligible_individuals,
        eligible_encounters,
        askable_encounters,
        seed: SEED,
        individuals_known: individuals(false),
        known_encounters: asked(false).count(),
        new_encounters: asked(true).count(),
        trained_individuals: is_trained.iter().filter(|is| **is).count(),
        photos_of_unknown_training: unknown,
        encounters_named_by_program: named.len(),
    };
    HeldOuts { strangers, acquainted, population, to_group }
}

/// What each encounter weighs, so that new ones are `share_new` of all.
fn weights(held: &[HeldOut], share_new: f64) -> impl Fn(&HeldOut) -> f64 {
    let new = held.iter().filter(|one| one.is_new).count() as f64;
    let known = held.len() as f64 - new;
    move |one| if one.is_new { share_new / new } else { (1.0 - share_new) / known }
}

/// The curves of the two probabilities.
fn curves(held: &[HeldOut], share_new: f64, individuals: usize) -> [Logistic; 2] {
    let weight = weights(held, share_new);
    let fit = |is_so: fn(&HeldOut) -> bool| {
        let cases: Vec<Case> = held.iter().map(|one| (one.evidence, is_so(one), weight(one))).collect();
        Logistic::fit(&cases, individuals)
    };
    [fit(|one| !one.is_new && one.is_right), fit(|one| one.is_new)]
}

/// An encounter as those decided it that did not know its individual.
struct Judged<'a> {
    one: &'a HeldOut,
    verdict: Verdict,
    name_is_right: f64,
    is_new: f64,
}

impl Judged<'_> {
    fn is_named(&self) -> bool {
        self.verdict == Verdict::Known
    }

    fn is_right(&self) -> bool {
        !self.one.is_new && self.one.is_right
    }
}

/// What was reached where each individual is judged by others.
fn reached(held: &[HeldOut], asked: &Asked, share_new: f64) -> Option<Reached> {
    let judged = judge(held, asked, share_new)?;
    let share = |is_new: bool, is_so: &dyn Fn(&Judged<'_>) -> bool| {
        let of = judged.iter().filter(|judged| judged.one.is_new == is_new);
        Share::of(&parts(of.map(|judged| (judged.one.individual, is_so(judged)))))
    };
    let weight = weights(held, share_new);
    let of_all = |is_so: &dyn Fn(&Judged<'_>) -> bool| {
        judged.iter().filter(|judged| is_so(judged)).map(|judged| weight(judged.one)).fold(0.0, |sum, one| sum + one)
    };
    let said = |of: &dyn Fn(&Judged<'_>) -> Option<(f64, bool)>| {
        reliability(judged.iter().filter_map(|j| of(j).map(|(said, was)| (said, was, weight(j.one)))).collect())
    };
    Some(Reached {
        false_new: share(false, &|j| j.verdict == Verdict::NewIndividual)?,
        wrong_name_of_known: share(false, &|j| j.is_named() && !j.one.is_right)?,
        wrong_name_of_new: share(true, &|j| j.is_named())?,
        wrong_name: of_all(&|j| j.is_named() && !j.is_right()),
        named: share(false, &|j| j.is_named() && j.one.is_right)?,
        found_new: share(true, &|j| j.verdict == Verdict::NewIndividual)?,
        look: of_all(&|j| j.verdict == Verdict::Look),
        decisions: said(&|j| match j.verdict {
            Verdict::Known => Some((j.name_is_right, j.is_right())),
            Verdict::NewIndividual => Some((j.is_new, j.one.is_new)),
            Verdict::Look => None,
        }),
        names: said(&|j| Some((j.name_is_right, j.is_right()))),
        new: said(&|j| Some((j.is_new, j.one.is_new))),
    })
}

/// Every encounter, judged by thresholds and curves of the individuals of the other folds; none where these were too few.
fn judge<'a>(held: &'a [HeldOut], asked: &Asked, share_new: f64) -> Option<Vec<Judged<'a>>> {
    let mut individuals: Vec<usize> =
        held.iter().map(|one| one.individual).collect::<BTreeSet<_>>().into_iter().collect();
    individuals.shuffle(&mut ChaCha8Rng::seed_from_u64(SEED));
    let folds: BTreeMap<usize, usize> = individuals.iter().enumerate().map(|(n, who)| (*who, n % FOLDS)).collect();
    let judged: Option<Vec<Vec<Judged<'a>>>> = (0..FOLDS.min(individuals.len()))
        .into_par_iter()
        .map(|fold| {
            let others: Vec<HeldOut> = held.iter().filter(|one| folds[&one.individual] != fold).copied().collect();
            let thresholds = Thresholds::choose(&others, asked).ok()?;
            let [name_is_right, is_new] = curves(&others, share_new, individuals.len());
            let judge = |one: &'a HeldOut| Judged {
                one,
                verdict: verdict(Some(&one.evidence), &thresholds),
                name_is_right: name_is_right.of(&one.evidence),
                is_new: is_new.of(&one.evidence),
            };
            Some(held.iter().filter(|one| folds[&one.individual] == fold).map(judge).collect())
        })
        .collect();
    Some(judged?.into_iter().flatten().collect())
}

/// From cases of what was said, what was so, and the weight.
fn reliability(mut cases: Vec<(f64, bool, f64)>) -> Reliability {
    cases.sort_by(|a, b| a.0.total_cmp(&b.0));
    let all: f64 = cases.iter().map(|case| case.2).sum();
    let mut sums = [(0.0, 0.0, 0.0); BINS];
    let mut before = 0.0;
    for (said, was, weight) in cases {
        // a case belongs where its middle falls
        let at = ((before + weight / 2.0) / all * BINS as f64) as usize;
        let sum = &mut sums[at.min(BINS - 1)];
        (sum.0, sum.1, sum.2) = (sum.0 + said * weight, sum.1 + f64::from(was) * weight, sum.2 + weight);
        before += weight;
    }
    let filled = sums.into_iter().filter(|sum| sum.2 > 0.0);
    let bins: Vec<Bin> = filled.map(|(said, was, w)| Bin { said: said / w, was: was / w, weight: w / all }).collect();
    let ece = bins.iter().map(|bin| (bin.said - bin.was).abs() * bin.weight).sum();
    Reliability { ece, bins }
}

/// Both errors at scores that are evenly spread among those held out.
fn curve(held: &[HeldOut]) -> Vec<Point> {
    let mut scores: Vec<f64> = held.iter().map(|one| one.evidence.score()).collect();
    scores.sort_unstable_by(f64::total_cmp);
    let last = scores.len().saturating_sub(1);
    let mut at: Vec<f64> = (0..=POINTS).filter_map(|n| scores.get(n * last / POINTS).copied()).collect();
    at.dedup();
    let share = |wrong: Wrong, threshold| {
        let parts = wrong.parts(held, threshold);
        let sum = |of: fn(&Part) -> u32| parts.iter().map(|part| f64::from(of(part))).sum::<f64>();
        sum(|part| part.wrong) / sum(|part| part.of).max(1.0)
    };
    let point = |threshold| Point {
        threshold,
        false_new: share(Wrong::FalseNew, threshold),
        wrong_name_of_known: share(Wrong::NameOfKnown, threshold),
        wrong_name_of_new: share(Wrong::NameOfNew, threshold),
    };
    at.into_iter().map(point).collect()
}

#[cfg(test)]
mod tests {
    use super::super::decision::decide;
    use super::super::testing::{drawn, known, proposed};
    use super::*;
    use proptest::prelude::*;

    const ASKED: Asked = Asked { false_new: 0.05, wrong_name: 0.05 };

    fn calibrated(known: &Known) -> Calibration {
        calibrate(known, ASKED, None, &HashSet::new()).unwrap()
    }

    /// Shares of known encounters called new and with a wrong name, and of new ones with a name, all of a gallery's own.
    fn shares(known: &Known, thresholds: &Thresholds) -> [Share; 3] {
        let held = hold_out(known, &known.rows_of_encounters());
        let named = thresholds.known_up_to.unwrap_or(f64::NEG_INFINITY);
        [(Wrong::FalseNew, thresholds.new_above), (Wrong::NameOfKnown, named), (Wrong::NameOfNew, named)]
            .map(|(wrong, at)| Share::of(&wrong.parts(&held, at)).unwrap())
    }

    fn errors(known: &Known, thresholds: &Thresholds) -> [f64; 3] {
        shares(known, thresholds).map(|share| share.share)
    }

    #[test]
    fn what_is_promised_holds_on_individuals_that_were_not_seen() {
        let (mut broken, mut mean) = ([0; 3], [0.0; 3]);
        const TIMES: u64 = 12;
        for seed in 0..TIMES {
            let calibration = calibrated(&drawn(150, 3, 0.45, seed));
            // ten galleries of the same size tell the true share to within a quarter of a percent
            let all: Vec<[f64; 3]> =
                (0..10).map(|n| errors(&drawn(150, 3, 0.45, 1000 + 10 * seed + n), &calibration.thresholds)).collect();
            for (at, broken) in broken.iter_mut().enumerate() {
                let share = all.iter().map(|shares| shares[at]).sum::<f64>() / 10.0;
                *broken += i32::from(share > 0.05 + 0.0025);
                mean[at] += share / TIMES as f64;
            }
        }
        assert!(broken.iter().all(|times| *times <= 2), "{broken:?} of {TIMES}: {mean:?}");
        // and it is not kept by deciding nothing
        assert!(mean[0] > 0.015 && mean[2] > 0.01, "{mean:?}");
    }

    #[test]
    fn what_500_individuals_promise_is_reached_on_500_others() {
        let calibration = calibrated(&drawn(500, 3, 0.45, 31));
        assert_eq!(calibration.population.individuals, 500);
        let others = shares(&drawn(500, 3, 0.45, 32), &calibration.thresholds);
        let of = ["known ones called new", "known ones with a wrong name", "new ones with a name"];
        for (of, Share { share, interval, encounters, individuals }) in of.into_iter().zip(others) {
            let [from, to] = interval;
            println!("{of}: asked 0.05, reached {share:.4} ({from:.4} to {to:.4}) on {individuals} others");
            assert_eq!((individuals, encounters), (500, 1500));
            assert!(from <= 0.05, "{of}: {share}, {interval:?}");
            // and it is not kept by deciding nothing
            assert!(share > 0.0 && to > 0.02, "{of}: {share}, {interval:?}");
        }
    }

    #[test]
    fn of_very_many_some_are_drawn_whose_thresholds_hold_for_all() {
        let known = drawn(700, 3, 0.45, 11);
        let within = |numbers| calibrate_within(numbers, &known, ASKED, None, &HashSet::new()).unwrap();
        let exact = within(u64::MAX);
        assert_eq!(exact, calibrated(&known), "below the limit nothing changes");
        assert!(!exact.population.is_drawn());
        // 600 photos, the fewest, of 2100: of most individuals one encounter is asked about, in the whole gallery
        let drawn = within(1);
        let held = drawn.population;
        assert_eq!((held.individuals, held.known_encounters, held.new_encounters), (600, 600, 600));
        assert_eq!((held.eligible_individuals, held.eligible_encounters, held.seed), (700, 2100, SEED));
        assert!(held.is_drawn() && held.gallery_individuals == 700);
        // where there is room for all of them, but for 1000 photos only
        let held = within(1000 * known.embeddings.len() as u64).population;
        assert_eq!((held.individuals, held.new_encounters, held.askable_encounters), (700, 1000, 2100));
        assert!(held.is_drawn());
        let [false_new, of_known, of_new] = errors(&known, &drawn.thresholds);
        let reached = drawn.reached.as_ref().unwrap();
        for (share, all) in [
            (&reached.false_new, false_new),
            (&reached.wrong_name_of_known, of_known),
            (&reached.wrong_name_of_new, of_new),
        ] {
            assert!(share.interval[0] <= all && all <= share.interval[1], "{share:?}: {all} of all");
            assert_eq!(share.individuals, 600);
        }
        assert!(false_new <= 0.05 && of_known <= 0.05 && of_new <= 0.05, "what is promised holds for all");
        // a promise on fewer is more careful, and as far as the intervals tell both reach the same
        let exact = exact.reached.unwrap();
        for (some, all) in [
            (&reached.false_new, &exact.false_new),
            (&reached.wrong_name_of_known, &exact.wrong_name_of_known),
            (&reached.wrong_name_of_new, &exact.wrong_name_of_new),
        ] {
            let [some, all] = [some.interval, all.interval];
            assert!(some[1] - some[0] > all[1] - all[0], "{some:?} {all:?}");
            assert!(some[0] <= all[1] && all[0] <= some[1], "{some:?} {all:?}");
        }
    }

    #[test]
    fn what_is_reported_is_what_others_find() {
        let calibration = calibrated(&drawn(300, 3, 0.45, 7));
        let reached = calibration.reached.unwrap();
        let [false_new, of_known, of_new] = errors(&drawn(300, 3, 0.45, 8), &calibration.thresholds);
        let within = |share: &Share, truth: f64| share.interval[0] - 0.01 < truth && truth < share.interval[1] + 0.01;
        assert!(within(&reached.false_new, false_new), "{reached:?} {false_new}");
        assert!(
            within(&reached.wrong_name_of_known, of_known) && within(&reached.wrong_name_of_new, of_new),
            "{reached:?}"
        );
        assert!(reached.decisions.ece < 0.06 && reached.names.ece < 0.06 && reached.new.ece < 0.06, "{reached:?}");
        assert!(reached.names.bins.windows(2).all(|pair| pair[0].said <= pair[1].said));
        assert!((reached.names.bins.iter().map(|bin| bin.weight).sum::<f64>() - 1.0).abs() < 1e-9);
        assert_eq!(calibration.share_new, 1.0 / 3.0, "each of three encounters was the first once");
    }

    #[test]
    fn who_trained_the_network_calibrates_nothing() {
        // the first hundred trained it, and lie in tight heaps; the others are strangers
        let (heaps, loose) = (drawn(100, 3, 0.02, 1), drawn(150, 3, 0.45, 2));
        let mut known = heaps.clone();
        known.embeddings.extend(&loose.embeddings);
        known.individuals.extend(loose.individuals.iter().map(|name| format!("loose {name}")));
        known.photos.iter_mut().for_each(|photo| photo.trained = Some(true));
        let behind = loose.photos.iter().map(|photo| {
            let (individual, encounter) = (photo.individual + 100, photo.encounter + heaps.encounters);
            super::super::known::KnownPhoto { individual, encounter, ..*photo }
        });
        known.photos.extend(behind);
        known.encounters += loose.encounters;
        // and of ten of them there are encounters that did not
        known.photos[..30].iter_mut().step_by(3).for_each(|photo| photo.trained = Some(false));
        let calibration = calibrated(&known);
        let Population { individuals, trained_individuals, known_encounters, .. } = calibration.population;
        assert_eq!((individuals, trained_individuals, known_encounters), (150, 100, 450));
        assert_eq!(calibration.of_trained.unwrap().encounters, 10);
        let all_the_same = {
            let mut known = known.clone();
            known.photos.iter_mut().for_each(|photo| photo.trained = Some(false));
            calibrated(&known)
        };
        let strangers = |calibration: &Calibration| errors(&loose, &calibration.thresholds)[0];
        assert!(strangers(&calibration) < 0.05 && strangers(&all_the_same) > 0.05, "else this shows nothing");
        let error = calibrate(
            &{
                let mut all = known.clone();
                all.photos.iter_mut().for_each(|p| p.trained = Some(true));
                all
            },
            ASKED,
            None,
            &HashSet::new(),
        );
        assert!(matches!(error, Err(Error::AllTrained { individuals: 250 })), "{error:?}");
    }

    #[test]
    fn what_the_program_named_calibrates_nothing_and_is_known_all_the_same() {
        // each individual's second encounter is the photo of its first once more: a score that calibrates too well
        let mut known = drawn(150, 3, 0.45, 2);
        for row in (0..450).step_by(3) {
            let first = known.embedding(row).to_vec();
            known.embeddings[(row + 1) * known.dims..][..known.dims].copy_from_slice(&first);
        }
        let seconds: HashSet<u64> = (0..450).skip(1).step_by(3).map(|row| known.photos[row].id).collect();
        let calibration = calibrate(&known, ASKED, None, &seconds).unwrap();
        let Population { individuals, known_encounters, encounters_named_by_program, .. } = calibration.population;
        assert_eq!((individuals, known_encounters, encounters_named_by_program), (150, 300, 150));
        let at_all = calibrate(&known, ASKED, None, &HashSet::new()).unwrap();
        assert_eq!((at_all.population.known_encounters, at_all.population.encounters_named_by_program), (450, 0));
        // whose second encounter is known, too, finds its first at no distance
        let named = |calibration: Calibration| calibration.reached.unwrap().named.share;
        assert!(named(calibration) > 0.5);
        let all: HashSet<u64> = known.photos.iter().map(|photo| photo.id).collect();
        let error = calibrate(&known, ASKED, None, &all).unwrap_err().to_string();
        assert!(error.contains("450 encounters were named by the program") && !error.contains('\n'), "{error}");
    }

    #[test]
    fn how_far_apart_new_animals_stay_is_chosen_on_half_and_judged_on_the_others() {
        let calibration = calibrated(&drawn(150, 3, 0.2, 2));
        let groups = calibration.groups.unwrap();
        assert_eq!((groups.chosen_on, groups.reached.individuals, groups.reached.photos), (75, 75, 225));
        assert!(groups.reached.ari > 0.8 && groups.distance > 0.1 && groups.distance < 1.2, "{groups:?}");
    }

    #[test]
    fn too_few_individuals_to_group_by_are_told_from_a_file_of_before() {
        let any = Asked { false_new: 0.9, wrong_name: 0.9 };
        let few = calibrate(&drawn(3, 3, 0.3, 3), any, None, &HashSet::new()).unwrap();
        assert_eq!((few.groups, few.too_few_for_groups()), (None, Some(3)));
        let enough = calibrated(&drawn(150, 3, 0.2, 2));
        assert_eq!(enough.too_few_for_groups(), None);
        assert_eq!(Calibration { groups: None, ..enough }.too_few_for_groups(), None, "this one never tried");
    }

    #[test]
    fn it_comes_back_from_its_file_and_decides_the_same() {
        let known = drawn(100, 3, 0.3, 3);
        let calibration = calibrated(&known);
        let text = serde_json::to_string(&calibration).unwrap();
        let read: Calibration = serde_json::from_str(&text).unwrap();
        assert_eq!(read, calibration);
        let mut kinds = std::collections::BTreeSet::new();
        for row in 0..300 {
            let strange: Vec<f32> = known.embedding(row).iter().rev().map(|x| -x).collect();
            for photo in [known.embedding(row), &strange] {
                let proposal = proposed(&known, photo).unwrap();
                let decision = decide(&proposal, &calibration);
                assert_eq!(decision, decide(&proposal, &read));
                assert_eq!(decision.individual.is_none(), decision.decision == Verdict::NewIndividual);
                assert!(decision.probability.is_some_and(|p| p > 0.0 && p < 1.0));
                kinds.insert(format!("{:?}", decision.decision));
            }
            // itself is in the gallery
            assert_eq!(decide(&proposed(&known, known.embedding(row)).unwrap(), &calibration).decision, Verdict::Known);
        }
        assert!(kinds.contains("NewIndividual"), "{kinds:?}");
        assert!(!calibration.has_grown(known.individuals.len()) && calibration.has_grown(126));
        let curve = &calibration.curve;
        assert!(
            curve
                .windows(2)
                .all(|p| p[0].false_new >= p[1].false_new && p[0].wrong_name_of_new <= p[1].wrong_name_of_new)
        );
    }

    #[test]
    fn a_gallery_that_cannot_be_calibrated_says_why() {
        let refused = |known: &Known, asked: Asked, share: Option<f64>, word: &str| {
            let error = calibrate(known, asked, share, &HashSet::new()).unwrap_err().to_string();
            assert!(error.contains(word), "{error}");
        };
        let good = drawn(80, 2, 0.3, 3);
        refused(&Known::default(), ASKED, None, "0 individuals");
        refused(&drawn(2, 9, 0.3, 3), ASKED, None, "2 individuals");
        refused(&drawn(12, 3, 0.3, 3), ASKED, None, "--false-new 0.221 --wrong-name 0.221");
        refused(&drawn(80, 1, 0.3, 3), ASKED, None, "0 of 80 held-out individuals");
        refused(&good, Asked { false_new: 0.0, ..ASKED }, None, "false-new rate of 0");
        refused(&good, Asked { wrong_name: f64::NAN, ..ASKED }, None, "wrong-name rate of NaN");
        refused(&good, ASKED, Some(1.0), "share-new");
        let mut nan = good.clone();
        nan.embeddings[30] = f32::NAN;
        refused(&nan, ASKED, None, "photo 3 is NaN");
        let mut equal = good;
        equal.embeddings = equal.embeddings[..12].repeat(160);
        let calibration = calibrated(&equal);
        assert_eq!(calibration.thresholds.known_up_to, None, "equal photos tell nobody apart");
    }

    #[test]
    fn the_calibration_error_is_the_mean_of_the_bins_differences() {
        // ten bins of ten: said .05 to .95, of which so many were so, but for the last, of which none was
        let cases = (0..100).map(|n| (0.05 + f64::from(n / 10) / 10.0, n % 10 < n / 10 && n < 90, 1.0)).collect();
        let found = reliability(cases);
        assert_eq!(found.bins.len(), 10);
        assert!((found.ece - (9.0 * 0.05 + 0.95) / 10.0).abs() < 1e-9, "{found:?}");
        assert_eq!(reliability(Vec::new()), Reliability { ece: 0.0, bins: Vec::new() });
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(40))]

        #[test]
        fn no_gallery_makes_it_panic(known in known(), rate in 0.3_f64..0.99, nan in prop::option::of(0_usize..60)) {
            let mut known = known;
            if let Some(at) = nan {
                let numbers = known.embeddings.len();
                known.embeddings[at % numbers] = f32::NAN;
            }
            let found = calibrate(&known, Asked { false_new: rate, wrong_name: rate }, None, &HashSet::new());
            prop_assert!(nan.is_none() || found.is_err());
            if let Ok(found) = found {
                prop_assert!(serde_json::to_string(&found).unwrap().parse::<serde_json::Value>().is_ok());
                for row in 0..known.len() {
                    let decision = decide(&proposed(&known, known.embedding(row)).unwrap(), &found);
                    prop_assert!(decision.probability.is_none_or(|p| (0.0..=1.0).contains(&p)));
                }
            }
        }
    }
}
