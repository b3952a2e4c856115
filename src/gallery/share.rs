//! What a share counted on some individuals promises for others: bounds that hold for any distribution.
//!
//! Encounters of one individual are alike, so the individual is what is counted: it brings `wrong` of its `of`
//! encounters, and the share is the sum of the one over the sum of the other. The upper bound is Gaffke's ("Three test
//! statistics for a nonparametric one-sided hypothesis on the mean of a nonnegative variable", 2005; Learned-Miller & Thomas,
//! "A new confidence interval for the mean of a bounded random variable", 2019): the individuals' part is weighed by random
//! weights, and one more individual is added for whom everything went wrong. With one encounter each it is exactly Clopper
//! and Pearson's; individuals that are all a little wrong have a tighter one. A bootstrap promises too much where nothing was wrong yet.

use std::collections::BTreeMap;
use std::f64::consts::PI;

use serde::{Deserialize, Serialize};

/// How sure a bound is.
pub const CONFIDENCE: f64 = 0.95;
/// Halvings of the unit interval when a bound is looked for.
const HALVINGS: u32 = 24;

/// One individual: how many of its encounters went wrong, and of how many.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Part {
    /// Encounters that went wrong.
    pub wrong: u32,
    /// Encounters.
    pub of: u32,
}

/// A share with what may be said of individuals that were not counted.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Share {
    /// The share, 0 to 1.
    pub share: f64,
    /// 95 % interval, over individuals.
    pub interval: [f64; 2],
    /// Encounters that it is a share of.
    pub encounters: usize,
    /// Their individuals.
    pub individuals: usize,
}

impl Share {
    /// The share of `parts`; none without an encounter.
    pub fn of(parts: &[Part]) -> Option<Share> {
        let parts = Counted::of(parts)?;
        let beyond = f64::midpoint(CONFIDENCE, 1.0);
        Some(Share {
            share: parts.wrong / parts.all,
            interval: [parts.at_least(beyond), parts.at_most(beyond)],
            encounters: parts.all as usize,
            individuals: parts.individuals as usize,
        })
    }
}

/// Whether the share among individuals like those of `parts` is at most `rate`, with [`CONFIDENCE`].
pub fn is_at_most(parts: &[Part], rate: f64) -> bool {
    Counted::of(parts).is_some_and(|parts| parts.below(rate) >= CONFIDENCE)
}

/// The lowest rate that so many encounters of each individual could promise, with [`CONFIDENCE`]: if none went wrong.
pub fn least_promise(parts: &[Part]) -> Option<f64> {
    let right: Vec<Part> = parts.iter().map(|part| Part { wrong: 0, ..*part }).collect();
    Counted::of(&right).map(|parts| parts.at_most(CONFIDENCE))
}

/// Individuals of one encounter each that a promise of `rate` takes, if none goes wrong.
pub fn least_individuals(rate: f64) -> usize {
    ((1.0 - CONFIDENCE).ln() / (1.0 - rate).ln()).ceil() as usize
}

/// Equal individuals together, with how many they are.
struct Counted {
    groups: Vec<(f64, f64, f64)>,
    wrong: f64,
    all: f64,
    /// Encounters of the individual with the most.
    most: f64,
    individuals: f64,
}

impl Counted {
    fn of(parts: &[Part]) -> Option<Counted> {
        let mut groups: BTreeMap<Part, f64> = BTreeMap::new();
        parts.iter().filter(|part| part.of > 0).for_each(|part| *groups.entry(*part).or_default() += 1.0);
        let groups: Vec<(f64, f64, f64)> =
            groups.into_iter().map(|(part, times)| (f64::from(part.wrong), f64::from(part.of), times)).collect();
        let sum = |what: fn(&(f64, f64, f64)) -> f64| groups.iter().map(what).sum::<f64>();
        let (wrong, all, individuals) = (sum(|g| g.0 * g.2), sum(|g| g.1 * g.2), sum(|g| g.2));
        let most = groups.iter().map(|group| group.1).fold(0.0, f64::max);
        (!groups.is_empty()).then_some(Counted { groups, wrong, all, most, individuals })
    }

    /// How surely the share is at most `rate`.
    fn below(&self, rate: f64) -> f64 {
        let mut weights: Vec<(f64, f64)> =
            self.groups.iter().map(|&(wrong, of, times)| (wrong - rate * of, times)).collect();
        weights.push((self.most * (1.0 - rate), 1.0));
        1.0 - positive(&weights)
    }

    /// How surely the share is at least `rate`.
    fn above(&self, rate: f64) -> f64 {
        let mut weights: Vec<(f64, f64)> =
            self.groups.iter().map(|&(wrong, of, times)| (rate * of - wrong, times)).collect();
        weights.push((self.most * rate, 1.0));
        1.0 - positive(&weights)
    }

    /// The upper bound that is sure by `confidence`.
    fn at_most(&self, confidence: f64) -> f64 {
        halve(|rate| self.below(rate) < confidence)
    }

    /// The lower bound that is sure by `confidence`.
    fn at_least(&self, confidence: f64) -> f64 {
        if self.wrong == 0.0 { 0.0 } else { halve(|rate| self.above(rate) >= confidence) }
    }
}

/// Where `is_before` ceases to hold, between 0 and 1.
fn halve(is_before: impl Fn(f64) -> bool) -> f64 {
    let (mut from, mut to) = (0.0, 1.0);
    for _ in 0..HALVINGS {
        let middle = f64::midpoint(from, to);
        if is_before(middle) { from = middle } else { to = middle }
    }
    f64::midpoint(from, to)
}

/// The probability that a weighted sum of standard exponential variables is above 0; `weights` says each weight and how
/// many variables have it. By the inversion of the characteristic function (Imhof, "Computing the distribution of quadratic
/// forms in normal variables", 1961), over the logarithm of its argument, where equal steps converge fast.
fn positive(weights: &[(f64, f64)]) -> f64 {
    const STEP: f64 = 0.04;
    const ENDS: [i32; 2] = [-350, 350];
    /// Beyond, nothing is left of the integrand.
    const NOTHING: f64 = 40.0;
    if weights.iter().all(|(weight, _)| *weight <= 0.0) {
        return 0.0;
    }
    if weights.iter().all(|(weight, _)| *weight >= 0.0) {
        return 1.0;
    }
    let mean: f64 = weights.iter().map(|(weight, times)| weight * times).sum();
    let deviation = weights.iter().map(|(weight, times)| weight * weight * times).sum::<f64>().sqrt();
    if mean.abs() > 10.0 * deviation {
        return f64::from(mean > 0.0); // the integrand would turn faster than the steps
    }
    let mut sum = 0.0;
    for step in ENDS[0]..=ENDS[1] {
        let u = (f64::from(step) * STEP).exp() / deviation;
        let (mut angle, mut shrinks) = (0.0, 0.0);
        for (weight, times) in weights {
            let x = u * weight;
            angle += times * x.atan();
            shrinks += times * 0.5 * (x * x).ln_1p();
        }
        if shrinks > NOTHING {
            break;
        }
        sum += angle.sin() * (-shrinks).exp();
    }
    (0.5 + sum * STEP / PI).clamp(0.0, 1.0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use rand::{RngExt, SeedableRng};
    use rand_chacha::ChaCha8Rng;

    fn one_each(wrong: usize, of: usize) -> Vec<Part> {
        (0..of).map(|n| Part { wrong: u32::from(n < wrong), of: 1 }).collect()
    }

    #[test]
    fn with_one_encounter_each_it_is_clopper_and_pearson() {
        // scipy.stats.binomtest(k, n).proportion_ci(.95, "exact"): fixtures/gallery/make.py
        let cases = [
            (0, 20, 0.0, 0.168433),
            (1, 20, 0.001265, 0.248733),
            (7, 250, 0.011330, 0.056837),
            (12, 250, 0.025045, 0.082345),
            (125, 250, 0.436343, 0.563657),
            (3, 3, 0.292402, 1.0),
            (1, 2, 0.012579, 0.987421),
            (40, 2000, 0.014326, 0.027136),
        ];
        for (wrong, of, low, high) in cases {
            let found = Share::of(&one_each(wrong, of)).unwrap();
            assert!((found.interval[0] - low).abs() < 2e-5, "{wrong} of {of}: {found:?}, not {low}");
            assert!((found.interval[1] - high).abs() < 2e-5, "{wrong} of {of}: {found:?}, not {high}");
        }
    }

    #[test]
    fn so_many_individuals_are_needed() {
        for (rate, least) in [(0.05, 59), (0.1, 29), (0.01, 299)] {
            assert_eq!(least_individuals(rate), least);
            assert!(is_at_most(&one_each(0, least), rate) && !is_at_most(&one_each(0, least - 1), rate));
        }
        let promise = least_promise(&one_each(7, 20)).unwrap();
        assert!((promise - (1.0 - 0.05_f64.powf(1.0 / 20.0))).abs() < 1e-6, "{promise}");
        assert_eq!(least_promise(&[]), None);
        assert_eq!(Share::of(&[Part { wrong: 0, of: 0 }]), None);
    }

    #[test]
    fn encounters_of_one_individual_count_less_than_those_of_many() {
        let all_or_none: Vec<Part> = (0..100).map(|n| Part { wrong: if n < 10 { 8 } else { 0 }, of: 8 }).collect();
        let spread: Vec<Part> = (0..100).map(|n| Part { wrong: u32::from(n < 80), of: 8 }).collect();
        let [clustered, apart] = [all_or_none, spread].map(|parts| Share::of(&parts).unwrap());
        assert_eq!((clustered.share, apart.share), (0.1, 0.1));
        let ten = Share::of(&one_each(10, 100)).unwrap();
        assert!((clustered.interval[1] - ten.interval[1]).abs() < 1e-9, "{clustered:?}");
        assert!(apart.interval[1] < 0.135 && clustered.interval[1] > 0.17, "{apart:?}");
    }

    #[test]
    fn a_promise_is_broken_in_no_more_than_one_of_twenty_draws() {
        // individuals of one to five encounters, those of few being wrong more often: the share is .1
        let mut random = ChaCha8Rng::seed_from_u64(1);
        let (mut broken, mut outside, draws) = (0, 0, 300);
        for _ in 0..draws {
            let parts: Vec<Part> = (0..200)
                .map(|_| {
                    let of = random.random_range(1..=5_u32);
                    let rate = if random.random_bool(0.25) { 0.25 } else { 0.05 };
                    Part { wrong: (0..of).filter(|_| random.random_bool(rate)).count() as u32, of }
                })
                .collect();
            let counted = Counted::of(&parts).unwrap();
            broken += usize::from(counted.below(0.1) >= CONFIDENCE);
            outside += usize::from(counted.below(0.1) > 0.975 || counted.above(0.1) > 0.975);
        }
        assert!(broken <= draws / 20 + 6 && outside <= draws / 20 + 6, "{broken} and {outside} of {draws}");
        assert!(broken > 0, "so wide a bound says little");
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(60))]

        #[test]
        fn more_wrong_is_never_a_lower_bound(
            parts in prop::collection::vec((0_u32..6, 0_u32..6), 1..30),
            which in 0_usize..30,
        ) {
            let parts: Vec<Part> = parts.into_iter().map(|(a, b)| Part { wrong: a.min(b), of: b }).collect();
            let Some(before) = Share::of(&parts) else { return Ok(()) };
            let [low, high] = before.interval;
            prop_assert!(0.0 <= low && low <= before.share + 1e-6 && before.share <= high + 1e-6 && high <= 1.0);
            let mut worse = parts.clone();
            let at = which % worse.len();
            if worse[at].wrong < worse[at].of {
                worse[at].wrong += 1;
                let after = Share::of(&worse).unwrap();
                prop_assert!(after.interval[1] >= high - 1e-6 && after.interval[0] >= low - 1e-6);
            }
        }
    }
}
