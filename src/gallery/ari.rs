//! How well groups of photos are individuals: the adjusted Rand index, and precision and recall of pairs.
//!
//! All three count pairs of photos: together in a group, of one individual, both. The index is Hubert and Arabie's ("Comparing
//! partitions", 1985), 1 for the same groups and around 0 for random ones; it is what AnimalCLEF judges by.

use std::collections::HashMap;
use std::hash::Hash;

use serde::{Deserialize, Serialize};

/// Groups held against individuals.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Agreement {
    /// Adjusted Rand index, at most 1.
    pub ari: f64,
    /// Share of pairs in a group that are of one individual; none where no group has two photos.
    pub pair_precision: Option<f64>,
    /// Share of pairs of one individual that are in a group; none where no individual has two photos.
    pub pair_recall: Option<f64>,
    /// Photos that were judged.
    pub photos: usize,
    /// Individuals that they are of.
    pub individuals: usize,
    /// Groups that they are in.
    pub groups: usize,
}

/// Holds groups against individuals, photo for photo; none without a photo.
pub fn agreement<I: Eq + Hash, G: Eq + Hash>(photos: impl Iterator<Item = (I, G)>) -> Option<Agreement> {
    let (mut individuals, mut groups, mut cells) = (HashMap::new(), HashMap::new(), HashMap::new());
    let mut count = 0_usize;
    for (individual, group) in photos {
        let next = individuals.len();
        let individual = of(&mut individuals, individual, next);
        let next = groups.len();
        let group = of(&mut groups, group, next);
        *cells.entry((individual, group)).or_insert(0_u64) += 1;
        count += 1;
    }
    let pairs = |n: u64| n as f64 * (n as f64 - 1.0) / 2.0;
    let sum = |sizes: &mut dyn Iterator<Item = u64>| sizes.map(pairs).sum::<f64>();
    let both = sum(&mut cells.values().copied());
    let same = sum(&mut individuals.values().map(|(_, n)| *n));
    let together = sum(&mut groups.values().map(|(_, n)| *n));
    let all = pairs(count as u64);
    let expected = if all > 0.0 { same * together / all } else { 0.0 };
    let most = f64::midpoint(same, together);
    // both trivial in the same way, as one group, or each photo its own
    let ari = if most == expected { 1.0 } else { (both - expected) / (most - expected) };
    (count > 0).then(|| Agreement {
        ari,
        pair_precision: (together > 0.0).then(|| both / together),
        pair_recall: (same > 0.0).then(|| both / same),
        photos: count,
        individuals: individuals.len(),
        groups: groups.len(),
    })
}

/// Counts one more of `key`; its number.
fn of<K: Eq + Hash>(all: &mut HashMap<K, (usize, u64)>, key: K, next: usize) -> usize {
    let (number, count) = all.entry(key).or_insert((next, 0));
    *count += 1;
    *number
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn of_numbers(individuals: &[u8], groups: &[u8]) -> Agreement {
        agreement(individuals.iter().zip(groups)).unwrap()
    }

    #[test]
    fn golden_values_of_scikit_learn() {
        // adjusted_rand_score and pair_confusion_matrix: fixtures/gallery/make.py
        let cases: &[(&[u8], &[u8], f64, f64, f64)] = &[
            (&[0, 0, 1, 1], &[0, 0, 1, 2], 0.571428571429, 1.0, 0.5),
            (&[0, 0, 1, 2], &[0, 0, 1, 1], 0.571428571429, 0.5, 1.0),
            (&[0, 0, 1, 1], &[0, 1, 0, 1], -0.5, 0.0, 0.0),
            (
                &[0, 0, 0, 1, 1, 1, 2, 2, 2, 2],
                &[5, 5, 3, 3, 3, 3, 2, 2, 5, 2],
                0.431818181818,
                0.583333333333,
                0.583333333333,
            ),
        ];
        for (individuals, groups, ari, precision, recall) in cases {
            let found = of_numbers(individuals, groups);
            assert!((found.ari - ari).abs() < 1e-11, "{found:?}, not {ari}");
            assert!((found.pair_precision.unwrap() - precision).abs() < 1e-11, "{found:?}, not {precision}");
            assert!((found.pair_recall.unwrap() - recall).abs() < 1e-11, "{found:?}, not {recall}");
        }
    }

    #[test]
    fn trivial_groups_are_as_scikit_learn_has_them() {
        let (apart, one) = ([0, 1, 2, 3], [0, 0, 0, 0]);
        assert_eq!((of_numbers(&apart, &apart).ari, of_numbers(&one, &one).ari), (1.0, 1.0));
        assert_eq!((of_numbers(&apart, &one).ari, of_numbers(&one, &apart).ari), (0.0, 0.0));
        assert_eq!((of_numbers(&[7], &[9]).ari, of_numbers(&apart, &apart).pair_recall), (1.0, None));
        assert_eq!(agreement(std::iter::empty::<(u8, u8)>()), None);
    }

    proptest! {
        #[test]
        fn names_and_order_do_not_matter(pairs in prop::collection::vec((0_u8..5, 0_u8..5), 1..40)) {
            let found = agreement(pairs.iter().copied()).unwrap();
            let renamed = agreement(pairs.iter().rev().map(|(a, b)| (9 - a, format!("g{b}")))).unwrap();
            prop_assert_eq!(found, renamed);
            let turned = agreement(pairs.iter().map(|(a, b)| (b, a))).unwrap();
            prop_assert!((turned.ari - found.ari).abs() < 1e-12 && turned.pair_precision == found.pair_recall);
            prop_assert!(found.ari <= 1.0);
        }
    }
}
