//! Problems of a dataset in few lines: a line a kind, with how many there are, a few names, and the first reason.

use std::collections::BTreeMap;

use super::counted::counted;
use super::manifest::{Problem, ProblemKind};

/// Problems of one kind that are told one by one.
const FEW: usize = 3;

/// `problems` in lines for people, the kinds in the order in which they came; those of few problems in full.
pub fn grouped(problems: &[Problem]) -> Vec<String> {
    let mut kinds: Vec<ProblemKind> = Vec::new();
    let mut of_kind: BTreeMap<ProblemKind, Vec<&Problem>> = BTreeMap::new();
    for problem in problems {
        let group = of_kind.entry(problem.kind).or_default();
        if group.is_empty() {
            kinds.push(problem.kind);
        }
        group.push(problem);
    }
    kinds.iter().flat_map(|kind| lines(*kind, &of_kind[kind])).collect()
}

fn lines(kind: ProblemKind, problems: &[&Problem]) -> Vec<String> {
    if problems.len() <= FEW {
        return problems.iter().map(|problem| problem.told()).collect();
    }
    let reason = &problems[0].reason;
    let which = if problems.iter().all(|p| p.reason == *reason) { "each" } else { "the first" };
    let names: Vec<String> = problems.iter().take(FEW).map(|problem| problem.place()).collect();
    let n = counted(problems.len(), "row or photo").replace("row or photos", "rows or photos");
    vec![format!("{}: {n} ({}, …); {which}: {reason}", kind.fate(), names.join("; "))]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn many_of_a_kind_are_a_line_and_few_are_told_in_full() {
        let problem = |kind, n: usize, reason: &str| Problem {
            kind,
            photo: Some(format!("{n}.jpg")),
            line: n.is_multiple_of(2).then_some(n as u64),
            reason: reason.into(),
        };
        let mut problems: Vec<_> =
            (0..5000).map(|n| problem(ProblemKind::UnknownIndividual, n, "nobody is named")).collect();
        problems.insert(1, problem(ProblemKind::BadDate, 7, "`x` is no date"));
        problems.extend((0..4).map(|n| problem(ProblemKind::Unreadable, n, &format!("{n}"))));
        assert_eq!(
            grouped(&problems),
            [
                "left out: 5000 rows or photos (line 0, 0.jpg; 1.jpg; line 2, 2.jpg, …); each: nobody is named",
                "doubted: 7.jpg: `x` is no date",
                "left out: 4 rows or photos (line 0, 0.jpg; 1.jpg; line 2, 2.jpg, …); the first: 0",
            ]
        );
    }
}
