//! Where `known` ends and `new` begins: two thresholds on the score of a decision, chosen from what was held out.
//!
//! Each is the boldest whose error stays below the rate asked for with 95 % confidence, by the bounds of [`share`](super::share), for
//! individuals like those that chose it. Both errors only fall as the thresholds move apart, so the bound at the chosen place
//! holds without a correction for having looked at the others (Bates et al., "Distribution-free, risk-controlling prediction
//! sets", 2021).

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::proposal::HeldOut;
use super::share::{Part, is_at_most, least_individuals, least_promise};
use super::{Error, Result};

/// The errors that a decision may make.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Asked {
    /// Share of known encounters that may be called new, above 0 and below 1.
    pub false_new: f64,
    /// Share of known encounters, and of new ones, that may get a wrong name: of all, then, whatever their mixture.
    pub wrong_name: f64,
}

impl Asked {
    /// # Errors
    /// When a rate is not between 0 and 1.
    pub(super) fn check(&self) -> Result<()> {
        for (what, rate) in [("false-new", self.false_new), ("wrong-name", self.wrong_name)] {
            if !(rate > 0.0 && rate < 1.0) {
                return Err(Error::Rate { what, rate });
            }
        }
        Ok(())
    }
}

/// Scores at which one decision becomes the other.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Thresholds {
    /// Up to here an encounter gets the name of the nearest individual; none where no score is low enough.
    pub known_up_to: Option<f64>,
    /// Above here it is a new individual.
    pub new_above: f64,
}

/// Which encounters count, and when they went wrong at a threshold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Wrong {
    /// Known ones called new: their score is above.
    FalseNew,
    /// Known ones with the name of another: their score is not above.
    NameOfKnown,
    /// New ones with a name.
    NameOfNew,
}

impl Wrong {
    /// Whether `one` is what the share is of.
    fn counts(self, one: &HeldOut) -> bool {
        one.is_new == (self == Wrong::NameOfNew)
    }

    fn is_wrong(self, one: &HeldOut, threshold: f64) -> bool {
        let is_above = one.evidence.score() > threshold;
        match self {
            Wrong::FalseNew => is_above,
            Wrong::NameOfKnown => !is_above && !one.is_right,
            Wrong::NameOfNew => !is_above,
        }
    }

    /// The individuals' shares at a threshold.
    pub(super) fn parts(self, held: &[HeldOut], threshold: f64) -> Vec<Part> {
        parts(held.iter().filter(|one| self.counts(one)).map(|one| (one.individual, self.is_wrong(one, threshold))))
    }
}

/// The shares of individuals, from each encounter's individual and whether it is so.
pub(super) fn parts(encounters: impl Iterator<Item = (usize, bool)>) -> Vec<Part> {
    let mut by: BTreeMap<usize, Part> = BTreeMap::new();
    for (individual, is_so) in encounters {
        let part = by.entry(individual).or_insert(Part { wrong: 0, of: 0 });
        part.wrong += u32::from(is_so);
        part.of += 1;
    }
    by.into_values().collect()
}

/// A rate that can be given as an argument, no lower than `least`.
fn rate_above(least: f64) -> f64 {
    (least * 1000.0).ceil() / 1000.0
}

impl Thresholds {
    /// Fails where so few individuals as those of `held` cannot promise `asked`, even had nothing gone wrong.
    fn can_be_promised(held: &[HeldOut], asked: &Asked) -> Result<()> {
        let (mut can, mut fewest, mut needed, mut is_possible) = (*asked, usize::MAX, 0, true);
        for wrong in [Wrong::FalseNew, Wrong::NameOfKnown, Wrong::NameOfNew] {
            let (given, rate) = match wrong {
                Wrong::FalseNew => (asked.false_new, &mut can.false_new),
                Wrong::NameOfKnown | Wrong::NameOfNew => (asked.wrong_name, &mut can.wrong_name),
            };
            // every one went right in the best case
            let parts = parts(held.iter().filter(|one| wrong.counts(one)).map(|one| (one.individual, false)));
            if !is_at_most(&parts, given) {
                let least = least_promise(&parts).map(rate_above).filter(|least| *least < 1.0);
                is_possible &= least.is_some();
                *rate = rate.max(least.unwrap_or(*rate));
                (fewest, needed) = (fewest.min(parts.len()), needed.max(least_individuals(given)));
            }
        }
        if needed == 0 {
            return Ok(());
        }
        let least = is_possible.then_some(can);
        let held_out = held.iter().map(|one| one.individual).collect::<BTreeSet<_>>().len();
        Err(Error::TooFew {
            asked: *asked,
            individuals: fewest,
            held_out,
            least,
            needed,
            drawn_from: None,
            folder: None,
        })
    }

    /// The thresholds that `held` promises `asked` with.
    ///
    /// # Errors
    /// When so few individuals cannot promise it, even had nothing gone wrong.
    pub(super) fn choose(held: &[HeldOut], asked: &Asked) -> Result<Thresholds> {
        Thresholds::can_be_promised(held, asked)?;
        let mut scores: Vec<f64> = held.iter().map(|one| one.evidence.score()).collect();
        scores.sort_unstable_by(f64::total_cmp);
        scores.dedup();
        let holds = |wrong: Wrong, rate: f64, at: usize| is_at_most(&wrong.parts(held, scores[at]), rate);
        let (false_new, wrong_name) = (asked.false_new, asked.wrong_name);
        let all: Vec<usize> = (0..scores.len()).collect();
        let new = all.partition_point(|&at| !holds(Wrong::FalseNew, false_new, at));
        let named = all.partition_point(|&at| {
            holds(Wrong::NameOfNew, wrong_name, at) && holds(Wrong::NameOfKnown, wrong_name, at)
        });
        // between two scores: nothing speaks for one of them being the last
        let after = |at: usize| scores.get(at + 1).map_or(scores[at], |next| f64::midpoint(scores[at], *next));
        let new_above = after(new.min(scores.len() - 1));
        let known_up_to = named.checked_sub(1).map(after);
        Ok(match known_up_to {
            // both promises hold on all that lies between: nothing is left to look at
            Some(named) if named > new_above => {
                let both = f64::midpoint(named, new_above);
                Thresholds { known_up_to: Some(both), new_above: both }
            }
            _ => Thresholds { known_up_to, new_above },
        })
    }
}

#[cfg(test)]
mod tests {
    use super::super::proposal::Evidence;
    use super::*;
    use proptest::prelude::*;

    fn held(individual: usize, is_new: bool, is_right: bool, score: f64) -> HeldOut {
        HeldOut { individual, is_new, is_right, evidence: Evidence { nearest: score, others: score } }
    }

    /// Individuals whose known encounter scores 0 to 1, rightly named up to `right`, and whose new one `off` more.
    fn even(individuals: usize, right: f64, off: f64) -> Vec<HeldOut> {
        let at = |n: usize| n as f64 / individuals as f64;
        let of = |n| [held(n, false, at(n) <= right, at(n)), held(n, true, false, at(n) + off)];
        (0..individuals).flat_map(of).collect()
    }

    const ASKED: Asked = Asked { false_new: 0.1, wrong_name: 0.1 };

    #[test]
    fn each_error_is_kept_below_its_rate() {
        let held = even(400, 1.0, 0.5);
        let found = Thresholds::choose(&held, &ASKED).unwrap();
        let share = |wrong: Wrong, at: f64| {
            let parts = wrong.parts(&held, at);
            parts.iter().map(|p| f64::from(p.wrong)).sum::<f64>() / parts.len() as f64
        };
        let (new, named) =
            (share(Wrong::FalseNew, found.new_above), share(Wrong::NameOfNew, found.known_up_to.unwrap()));
        // .076 is the share whose 95 % bound is .1 with 400 individuals
        assert!((new - 0.076).abs() < 0.005 && (named - 0.076).abs() < 0.005, "{new} {named}");
    }

    #[test]
    fn where_both_promises_meet_nothing_is_left_to_look_at() {
        let found = Thresholds::choose(&even(100, 1.0, 3.0), &ASKED).unwrap();
        assert_eq!(found.known_up_to, Some(found.new_above));
        assert!(found.new_above > 0.95 && found.new_above < 3.1, "{found:?}");
    }

    #[test]
    fn a_network_that_errs_everywhere_names_nobody() {
        let found = Thresholds::choose(&even(100, -1.0, 0.0), &ASKED).unwrap();
        // the first few of a hundred may be wrong
        assert!(found.known_up_to.is_none_or(|at| at < 0.06), "{found:?}");
        let all_alike: Vec<_> =
            (0..100).flat_map(|n| [held(n, false, false, 0.7), held(n, true, false, 0.7)]).collect();
        let found = Thresholds::choose(&all_alike, &ASKED).unwrap();
        assert_eq!(found, Thresholds { known_up_to: None, new_above: 0.7 });
    }

    #[test]
    fn too_few_individuals_say_what_they_can_promise() {
        let error = Thresholds::choose(&even(20, 1.0, 1.0), &Asked { false_new: 0.05, wrong_name: 0.5 }).unwrap_err();
        let Error::TooFew { individuals: 20, least: Some(least), needed: 59, .. } = error else { panic!("{error}") };
        assert_eq!((least.false_new, least.wrong_name), (0.14, 0.5));
        Thresholds::choose(&even(20, 1.0, 1.0), &least).unwrap();
        // both rates are told, and the command with them works
        let error = Thresholds::choose(&even(20, 1.0, 1.0), &ASKED).unwrap_err();
        let said = error.to_string();
        assert!(said.contains("--gallery PATH --false-new 0.14 --wrong-name 0.14"), "{said}");
        let Error::TooFew { least: Some(least), .. } = error else { panic!("{said}") };
        Thresholds::choose(&even(20, 1.0, 1.0), &least).unwrap();
        // those who were met once count for nothing where known ones are called new
        let some: Vec<HeldOut> =
            even(12, 1.0, 1.0).into_iter().filter(|one| one.is_new || one.individual < 9).collect();
        let said = Thresholds::choose(&some, &ASKED).unwrap_err().to_string();
        assert!(said.starts_with("9 of 12 held-out individuals (the others were met once) cannot"), "{said}");
        // nobody was met twice: nothing can be promised, and no command is told
        let once: Vec<HeldOut> = even(20, 1.0, 1.0).into_iter().filter(|one| one.is_new).collect();
        let said = Thresholds::choose(&once, &ASKED).unwrap_err().to_string();
        assert!(said.starts_with("0 of 20 held-out") && said.ends_with("none of them was met twice"), "{said}");
        assert!(Thresholds::choose(&[], &ASKED).is_err());
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(40))]

        #[test]
        fn no_bolder_threshold_keeps_the_promise(
            scores in prop::collection::vec((0_u8..40, 0_u8..40, any::<bool>()), 30..60),
        ) {
            let held: Vec<_> = (scores.iter().enumerate())
                .flat_map(|(n, &(a, b, is_right))| {
                    [held(n / 2 , false, is_right, f64::from(a)), held(n / 2, true, false, f64::from(b))]
                })
                .collect();
            let asked = Asked { false_new: 0.3, wrong_name: 0.3 };
            let Ok(found) = Thresholds::choose(&held, &asked) else { return Ok(()) };
            let named = |at: f64| [Wrong::NameOfKnown, Wrong::NameOfNew].iter().all(|w| is_at_most(&w.parts(&held, at), 0.3));
            prop_assert!(is_at_most(&Wrong::FalseNew.parts(&held, found.new_above), 0.3));
            prop_assert!(found.known_up_to.is_none_or(|at| named(at) && at <= found.new_above));
            if found.known_up_to != Some(found.new_above) {
                let lower = held.iter().map(|h| h.evidence.score()).filter(|s| *s < found.new_above);
                if let Some(bolder) = lower.fold(None, |a: Option<f64>, s| Some(a.map_or(s, |a| a.max(s)))) {
                    prop_assert!(!is_at_most(&Wrong::FalseNew.parts(&held, bolder - 0.5), 0.3));
                }
            }
        }
    }
}
