//! A probability from the evidence of a decision: logistic regression on the nearest distance and that of the others.
//!
//! Platt's rule (Platt, "Probabilistic outputs for support vector machines", 1999) with two inputs: on synthetic and real
//! turtles its log loss on other individuals was below isotonic regression's wherever there were few individuals, and with
//! two inputs below one's everywhere (500 synthetic individuals: .474, isotonic .532).

use serde::{Deserialize, Serialize};

use super::proposal::Evidence;

/// Newton's steps; a handful are enough.
const STEPS: usize = 50;
/// A pull of the slopes towards 0, in cases: two groups that do not overlap have no finite slope.
const PULL: f64 = 1.0;

/// A fitted curve.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Logistic {
    /// Log odds at distances of 0.
    pub intercept: f64,
    /// Log odds by the distance to the nearest individual.
    pub nearest: f64,
    /// Log odds by the mean distance to the others.
    pub others: f64,
    /// Neither the probability nor its complement goes below this: so many individuals cannot tell.
    pub least: f64,
}

/// A case: what was seen, whether it was so, and how much it counts.
pub(super) type Case = (Evidence, bool, f64);

impl Logistic {
    /// The probability, by the evidence.
    pub fn of(&self, evidence: &Evidence) -> f64 {
        let odds = self.intercept + self.nearest * evidence.nearest + self.others * evidence.others;
        (1.0 / (1.0 + (-odds).exp())).clamp(self.least, 1.0 - self.least)
    }

    /// The curve of `cases`, which are of so many individuals.
    pub(super) fn fit(cases: &[Case], individuals: usize) -> Logistic {
        let least = 1.0 / (individuals as f64 + 2.0);
        let all: f64 = cases.iter().map(|case| case.2).sum();
        let mean =
            |of: fn(&Evidence) -> f64| cases.iter().map(|case| of(&case.0) * case.2).sum::<f64>() / all.max(1e-300);
        let means = [mean(|e| e.nearest), mean(|e| e.others)];
        let spread = |n: usize, of: fn(&Evidence) -> f64| {
            let square: f64 = cases.iter().map(|case| (of(&case.0) - means[n]).powi(2) * case.2).sum();
            (square / all.max(1e-300)).sqrt().max(1e-9)
        };
        let spreads = [spread(0, |e| e.nearest), spread(1, |e| e.others)];
        // weights keep their sum: the pull and Platt's priors are counted in cases
        let scale = cases.len() as f64 / all.max(1e-300);
        let positive: f64 = cases.iter().filter(|case| case.1).map(|case| case.2 * scale).sum();
        let targets = [1.0 / (cases.len() as f64 - positive + 2.0), (positive + 1.0) / (positive + 2.0)];
        let rows: Vec<([f64; 3], f64, f64)> = (cases.iter())
            .map(|(e, is_so, weight)| {
                let x = [1.0, (e.nearest - means[0]) / spreads[0], (e.others - means[1]) / spreads[1]];
                (x, targets[usize::from(*is_so)], weight * scale)
            })
            .collect();
        let slopes = newton(&rows);
        let [nearest, others] = [slopes[1] / spreads[0], slopes[2] / spreads[1]];
        Logistic { intercept: slopes[0] - nearest * means[0] - others * means[1], nearest, others, least }
    }
}

/// The slopes with the least loss; inputs are of mean 0 and deviation 1, but for the first.
fn newton(rows: &[([f64; 3], f64, f64)]) -> [f64; 3] {
    let loss = |slopes: &[f64; 3]| {
        let sum: f64 = rows.iter().map(|(x, y, w)| w * (softplus(dot(slopes, x)) - y * dot(slopes, x))).sum();
        sum + 0.5 * PULL * (slopes[1] * slopes[1] + slopes[2] * slopes[2])
    };
    let mut slopes = [0.0; 3];
    let mut best = loss(&slopes);
    for _ in 0..STEPS {
        let mut gradient = [0.0, PULL * slopes[1], PULL * slopes[2]];
        let mut curvature = [[1e-9, 0.0, 0.0], [0.0, PULL, 0.0], [0.0, 0.0, PULL]];
        for (x, y, w) in rows {
            let p = 1.0 / (1.0 + (-dot(&slopes, x)).exp());
            for i in 0..3 {
                gradient[i] += w * (p - y) * x[i];
                for j in 0..3 {
                    curvature[i][j] += w * p * (1.0 - p) * x[i] * x[j];
                }
            }
        }
        let step = solve(curvature, gradient);
        // halved until it helps: far out the loss is not as curved as here
        let tried = (0..20).map(|n| 0.5_f64.powi(n)).find_map(|by| {
            let next = [slopes[0] - by * step[0], slopes[1] - by * step[1], slopes[2] - by * step[2]];
            let found = loss(&next);
            (found < best).then_some((next, found))
        });
        let Some((next, found)) = tried else { break };
        let gain = best - found;
        (slopes, best) = (next, found);
        if gain < 1e-10 * best.abs() {
            break;
        }
    }
    slopes
}

fn dot(a: &[f64; 3], b: &[f64; 3]) -> f64 {
    a[0] * b[0] + a[1] * b[1] + a[2] * b[2]
}

fn softplus(x: f64) -> f64 {
    if x > 0.0 { x + (-x).exp().ln_1p() } else { x.exp().ln_1p() }
}

/// The solution of three equations, whose matrix is symmetric and positive: elimination needs no pivot.
fn solve(mut a: [[f64; 3]; 3], mut b: [f64; 3]) -> [f64; 3] {
    for i in 0..3 {
        for j in i + 1..3 {
            let by = a[j][i] / a[i][i];
            for k in i..3 {
                a[j][k] -= by * a[i][k];
            }
            b[j] -= by * b[i];
        }
    }
    for i in (0..3).rev() {
        for j in i + 1..3 {
            b[i] -= a[i][j] * b[j];
        }
        b[i] /= a[i][i];
    }
    b
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn case(nearest: f64, others: f64, is_so: bool) -> Case {
        (Evidence { nearest, others }, is_so, 1.0)
    }

    #[test]
    fn it_finds_the_curve_that_drew_the_cases() {
        // as many of each kind at each place as the curve says
        let truth = Logistic { intercept: 1.0, nearest: -6.0, others: 4.0, least: 0.0 };
        let mut cases = Vec::new();
        for a in 0..10 {
            for b in 0..10 {
                let (nearest, others) = (f64::from(a) / 10.0, 0.5 + f64::from(b) / 10.0);
                let p = truth.of(&Evidence { nearest, others });
                cases.push((Evidence { nearest, others }, true, p));
                cases.push((Evidence { nearest, others }, false, 1.0 - p));
            }
        }
        let cases: Vec<Case> = cases.iter().cycle().take(cases.len() * 50).copied().collect();
        let found = Logistic::fit(&cases, 1000);
        for (a, b) in [(0.1, 1.0), (0.5, 1.0), (0.9, 0.6)] {
            let at = Evidence { nearest: a, others: b };
            assert!((found.of(&at) - truth.of(&at)).abs() < 0.01, "{found:?}");
        }
    }

    #[test]
    fn few_individuals_are_sure_of_nothing() {
        let cases: Vec<Case> = (0..20).map(|n| case(f64::from(n) / 10.0, 1.0, n < 10)).collect();
        let found = Logistic::fit(&cases, 8);
        let [near, far] = [0.0, 1.9].map(|nearest| found.of(&Evidence { nearest, others: 1.0 }));
        assert!(near > 0.8 && near <= 0.9, "{near}");
        assert!((0.1..0.2).contains(&far), "{far}");
    }

    proptest! {
        #[test]
        fn any_cases_have_a_curve(
            cases in prop::collection::vec((0.0_f64..2.0, 0.0_f64..2.0, any::<bool>(), 0.001_f64..100.0), 0..40),
            equal in any::<bool>(),
        ) {
            let cases: Vec<Case> = (cases.into_iter())
                .map(|(a, b, is_so, w)| (Evidence { nearest: if equal { 0.0 } else { a }, others: b }, is_so, w))
                .collect();
            let found = Logistic::fit(&cases, cases.len());
            for at in [0.0, 1.0, 2.0] {
                let p = found.of(&Evidence { nearest: at, others: at });
                prop_assert!(p > 0.0 && p < 1.0, "{:?} {}", found, p);
            }
        }
    }
}
