//! The decision on one encounter: the name of a known individual, a new individual, or a look by a person.

use serde::{Deserialize, Serialize};

use super::calibration::Calibration;
use super::proposal::{Evidence, Proposal};
use super::thresholds::Thresholds;

/// What is said of an encounter.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// It shows the nearest individual.
    Known,
    /// It is too close to call: a person looks.
    Look,
    /// It shows nobody who is known.
    NewIndividual,
}

/// A verdict with whom it names and how sure it is.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Decision {
    /// What is said.
    pub decision: Verdict,
    /// The nearest individual, a place in [`Known::individuals`](super::known::Known::individuals): of `known` the name, of
    /// `look` the first to look at; none where it is new, or nobody is known.
    pub individual: Option<usize>,
    /// The probability that this is right: of `known` and `look` that it is the individual, of `new_individual` that it is
    /// none of the known. It supposes the calibration's share of new encounters. None where nothing could be compared.
    pub probability: Option<f64>,
}

impl Decision {
    /// Whom it names.
    pub fn named(&self) -> Option<usize> {
        self.individual.filter(|_| self.decision == Verdict::Known)
    }
}

/// A probability in words: what is all but sure is not said to be.
pub fn sure(probability: f64) -> String {
    match probability {
        p if p < 0.01 => "<.01".into(),
        p if p > 0.99 => ">.99".into(),
        p => format!("{p:.2}"),
    }
}

/// Decides on `proposal` as `calibration` promises. Where fewer than two individuals are known, a person looks.
pub fn decide(proposal: &Proposal, calibration: &Calibration) -> Decision {
    let evidence = proposal.evidence();
    let decision = verdict(evidence.as_ref(), &calibration.thresholds);
    let is_new = decision == Verdict::NewIndividual;
    let individual = proposal.candidates.first().map(|nearest| nearest.individual).filter(|_| !is_new);
    let curve = if is_new { &calibration.is_new } else { &calibration.name_is_right };
    Decision { decision, individual, probability: evidence.map(|evidence| curve.of(&evidence)) }
}

/// What the thresholds say.
pub(super) fn verdict(evidence: Option<&Evidence>, thresholds: &Thresholds) -> Verdict {
    let Some(score) = evidence.map(Evidence::score) else { return Verdict::Look };
    if thresholds.known_up_to.is_some_and(|most| score <= most) {
        Verdict::Known
    } else if score > thresholds.new_above {
        Verdict::NewIndividual
    } else {
        Verdict::Look
    }
}
