//! What wildlife-datasets' splits by individual share: whose photos go where as a whole, and how those of the others
//! are dealt.

use super::lcg::Lcg;
use super::rows::Rows;
use super::strategy::{Strategy, Unseen};
use crate::data::error::DataError;
use crate::data::manifest::Part;

/// How many of `n` train: `ratio * n` rounded half to even, but one is left for test where there are two, and one
/// always trains.
pub(super) fn train_count(n: usize, ratio: f64) -> usize {
    let rounded = (ratio * n as f64).round_ties_even() as usize;
    rounded.min(if n > 1 { n - 1 } else { n }).max(1)
}

/// Deals the photos of each individual at random, `ratio` of all to train; those of an individual with a part of its
/// own in `whole` go there together, and the others make up for them.
pub(super) fn deal(rows: &Rows, ratio: f64, seed: u32, whole: &[Option<Part>]) -> Vec<Option<Part>> {
    let all = rows.looked_at();
    let settled = |part| {
        let of_part = rows.individuals.iter().zip(whole).filter(|(_, whole)| **whole == Some(part));
        of_part.map(|(rows, _)| rows.len()).sum::<usize>()
    };
    let (train, test) = (settled(Part::Train), settled(Part::Test));
    let ratio = if train + test > 0 && train + test < all {
        (all as f64 * ratio - train as f64) / (all - test - train) as f64
    } else {
        ratio
    };
    let ratio = ratio.clamp(0.0, 1.0);
    let mut parts = vec![None; rows.len()];
    let mut random = Lcg::new(seed);
    for (photos, whole) in rows.individuals.iter().zip(whole) {
        if whole.is_some() {
            photos.iter().for_each(|&row| parts[row] = *whole);
            continue;
        }
        let train = train_count(photos.len(), ratio);
        for (rank, place) in random.permutation(photos.len()).into_iter().enumerate() {
            parts[photos[place]] = Some(if rank < train { Part::Train } else { Part::Test });
        }
    }
    parts
}

/// Which individuals are tested and never trained: the first of a random order, until their photos suffice.
///
/// The order is that of pandas 3's `value_counts` permuted: most photos first, the earlier in the table on ties. (pandas
/// before 3 breaks ties as its sort happens to on the machine at hand.)
pub(super) fn unseen(strategy: &Strategy, rows: &Rows, seed: u32, unseen: Unseen) -> Result<Vec<bool>, DataError> {
    let photos = |&individual: &usize| &rows.individuals[individual];
    let mut counted: Vec<usize> = (0..rows.individuals.len()).collect();
    counted.sort_by_key(|individual| (std::cmp::Reverse(photos(individual).len()), photos(individual)[0]));
    let order: Vec<usize> = Lcg::new(seed).permutation(counted.len()).into_iter().map(|i| counted[i]).collect();
    let n = match unseen {
        Unseen::Individuals(n) if n > 0 && n < order.len() => n,
        Unseen::Individuals(n) => {
            let reason = format!(
                "{n} individuals that never train are out of range: give at least 1 and fewer than {}",
                order.len()
            );
            return Err(strategy.fails(reason));
        }
        Unseen::Share(share) => {
            if !(share > 0.0 && share < 1.0) {
                return Err(strategy.fails(format!(
                    "a share of {share} that never trains is out of range: give one above 0 and below 1"
                )));
            }
            let wanted = (rows.looked_at() as f64 * share).round_ties_even() as usize;
            let mut sum = 0;
            let enough = order.iter().position(|individual| {
                sum += photos(individual).len();
                sum >= wanted
            });
            enough.map(|at| at + 1).filter(|&n| n < order.len()).ok_or_else(|| {
                strategy.fails(format!("too few photos name an individual for a share of {share} that never trains: nobody would be left to train"))
            })?
        }
    };
    let mut is_unseen = vec![false; order.len()];
    order[..n].iter().for_each(|&individual| is_unseen[individual] = true);
    Ok(is_unseen)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn halves_round_to_even_and_one_photo_is_left_for_test() {
        // numpy.round(0.5 * [1, 3, 5]) = [0, 2, 2]
        assert_eq!([train_count(1, 0.5), train_count(3, 0.5), train_count(5, 0.5)], [1, 2, 2]);
        assert_eq!([1, 2, 3, 10].map(|n| train_count(n, 0.8)), [1, 1, 2, 8]);
    }
}
