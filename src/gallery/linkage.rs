//! Agglomerative clustering by average linkage: what is nearest on average is put together, again and again.
//!
//! By chains of nearest neighbours (Murtagh, "A survey of recent advances in hierarchical clustering algorithms", 1983), in
//! time and memory of the distances' number; these are kept once, as f32: 10,000 things take 200 MB. Two things at an infinite
//! distance never come together, nor does anything that holds them: the average keeps it.

use crate::data::sets::Sets;

/// Two clusters that were put together.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Merge {
    /// A thing in one of them.
    pub(super) one: usize,
    /// A thing in the other.
    pub(super) other: usize,
    /// How far they were apart: the average over their things.
    pub(super) distance: f32,
}

/// Distances of `count` things, each pair once.
#[derive(Clone, Debug)]
pub(super) struct Distances {
    count: usize,
    pairs: Vec<f32>,
}

impl Distances {
    /// From the rows of the upper triangle: `of_row(i)` tells the distances of `i` to `i + 1` and all after it.
    pub(super) fn new(count: usize, of_row: impl Fn(usize, &mut [f32]) + Sync) -> Distances {
        use rayon::prelude::*;
        let mut pairs = vec![0.0; count * count.saturating_sub(1) / 2];
        let mut rest = &mut pairs[..];
        let mut rows = Vec::with_capacity(count);
        for row in 0..count {
            let (this, after) = rest.split_at_mut(count - row - 1);
            rows.push(this);
            rest = after;
        }
        rows.into_par_iter().enumerate().for_each(|(row, out)| of_row(row, out));
        Distances { count, pairs }
    }

    fn at(&self, a: usize, b: usize) -> usize {
        let (a, b) = (a.min(b), a.max(b));
        a * (2 * self.count - a - 1) / 2 + b - a - 1
    }

    /// Puts together what can be, nearest pairs first; in order of their distances, which never fall.
    pub(super) fn merge(mut self) -> Vec<Merge> {
        let mut sizes = vec![1.0_f32; self.count];
        let mut left: Vec<usize> = (0..self.count).collect();
        let (mut chain, mut merges) = (Vec::new(), Vec::new());
        while let Some(&last) = chain.last().or(left.first()) {
            if chain.is_empty() {
                chain.push(last);
            }
            let before = chain.len().checked_sub(2).map(|at: usize| chain[at]);
            // of equally near ones the one that the chain came from: else it would not end
            let mut nearest = before.map_or((f32::INFINITY, None), |b| (self.pairs[self.at(last, b)], Some(b)));
            for &one in left.iter().filter(|one| **one != last) {
                let distance = self.pairs[self.at(last, one)];
                if distance < nearest.0 {
                    nearest = (distance, Some(one));
                }
            }
            match nearest {
                (distance, Some(one)) if Some(one) == before => {
                    chain.truncate(chain.len() - 2);
                    let (keep, gone) = (one.min(last), one.max(last));
                    left.retain(|one| *one != gone);
                    let (a, b) = (sizes[keep], sizes[gone]);
                    for &k in left.iter().filter(|k| **k != keep) {
                        let (to, from) = (self.at(keep, k), self.at(gone, k));
                        self.pairs[to] = (self.pairs[to] * a + self.pairs[from] * b) / (a + b);
                    }
                    sizes[keep] = a + b;
                    merges.push(Merge { one: keep, other: gone, distance });
                }
                (_, Some(one)) => chain.push(one),
                // nothing may come to it any more
                (_, None) => {
                    chain.pop();
                    left.retain(|one| *one != last);
                }
            }
        }
        merges.sort_by(|a, b| a.distance.total_cmp(&b.distance));
        merges
    }
}

/// What the merges up to a distance make of things.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Clusters {
    /// The cluster of each thing, numbered in the order of their first things.
    pub(super) of: Vec<usize>,
    /// Of each cluster the distance of its last merge; none where it is one thing.
    pub(super) widest: Vec<Option<f32>>,
    /// The distance at which each would have been put to another; none where none may come to it.
    pub(super) next: Vec<Option<f32>>,
}

impl Clusters {
    /// Cuts the merges of `count` things at `cut`.
    pub(super) fn cut(count: usize, merges: &[Merge], cut: f64) -> Clusters {
        let mut sets = Sets::new(count);
        let within = merges.partition_point(|merge| f64::from(merge.distance) <= cut);
        let mut widest_of_root = vec![None; count];
        for merge in &merges[..within] {
            sets.join(merge.one, merge.other);
            widest_of_root[sets.root(merge.one)] = Some(merge.distance); // ascending
        }
        let mut numbers = vec![usize::MAX; count];
        let (mut of, mut widest) = (Vec::with_capacity(count), Vec::new());
        for thing in 0..count {
            let root = sets.root(thing);
            if numbers[root] == usize::MAX {
                numbers[root] = widest.len();
                widest.push(widest_of_root[root]);
            }
            of.push(numbers[root]);
        }
        let mut next = vec![None; widest.len()];
        for merge in &merges[within..] {
            for thing in [merge.one, merge.other] {
                next[of[thing]].get_or_insert(merge.distance);
            }
        }
        Clusters { of, widest, next }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Points on a line; infinitely apart where both have an owner.
    fn on_line(points: &[(f32, bool)]) -> Distances {
        Distances::new(points.len(), |i, row| {
            for (at, out) in row.iter_mut().enumerate() {
                let ((a, owned), (b, also)) = (points[i], points[i + 1 + at]);
                *out = if owned && also { f32::INFINITY } else { (a - b).abs() };
            }
        })
    }

    /// The same by looking at all pairs each time.
    fn naive(points: &[(f32, bool)], cut: f32) -> Vec<Vec<usize>> {
        let mut clusters: Vec<Vec<usize>> = (0..points.len()).map(|n| vec![n]).collect();
        loop {
            let apart = |a: &[usize], b: &[usize]| {
                let sum: f32 = a
                    .iter()
                    .flat_map(|&i| b.iter().map(move |&j| (i, j)))
                    .map(
                        |(i, j)| {
                            if points[i].1 && points[j].1 { f32::INFINITY } else { (points[i].0 - points[j].0).abs() }
                        },
                    )
                    .sum();
                sum / (a.len() * b.len()) as f32
            };
            let pairs = (0..clusters.len()).flat_map(|i| (i + 1..clusters.len()).map(move |j| (i, j)));
            let best = pairs.map(|(i, j)| (apart(&clusters[i], &clusters[j]), i, j)).min_by(|a, b| a.0.total_cmp(&b.0));
            match best {
                Some((distance, i, j)) if distance <= cut => {
                    let gone = clusters.remove(j);
                    clusters[i].extend(gone);
                    clusters[i].sort_unstable();
                }
                _ => break,
            }
        }
        clusters.sort();
        clusters
    }

    fn groups(clusters: &Clusters) -> Vec<Vec<usize>> {
        let mut groups = vec![Vec::new(); clusters.widest.len()];
        clusters.of.iter().enumerate().for_each(|(thing, &group)| groups[group].push(thing));
        groups
    }

    #[test]
    fn golden_values_of_scipy() {
        // linkage([0, 1, 3, 7, 7.5, 20], "average"): fixtures/gallery/make.py
        let points = [0.0, 1.0, 3.0, 7.0, 7.5, 20.0].map(|at| (at, false));
        let merges = on_line(&points).merge();
        let distances: Vec<f32> = merges.iter().map(|merge| merge.distance).collect();
        for (found, golden) in distances.iter().zip([0.5, 1.0, 2.5, 5.916667, 16.3]) {
            assert!((found - golden).abs() < 1e-5, "{distances:?}");
        }
        let clusters = Clusters::cut(6, &merges, 3.0);
        assert_eq!(clusters.of, [0, 0, 0, 1, 1, 2]);
        assert_eq!(clusters.widest, [Some(2.5), Some(0.5), None]);
        assert!(clusters.next.iter().zip([5.916667, 5.916667, 16.3]).all(|(a, b)| (a.unwrap() - b).abs() < 1e-5));
    }

    #[test]
    fn two_that_must_not_come_together_do_not() {
        // the middle one goes to the nearer of the two owners; the owners stay apart however far the cut
        let merges = on_line(&[(0.0, true), (1.0, false), (1.9, true), (9.0, false)]).merge();
        let clusters = Clusters::cut(4, &merges, 100.0);
        assert_eq!(groups(&clusters), [vec![0], vec![1, 2, 3]]);
        assert_eq!(clusters.next, [None, None]);
        assert_eq!(on_line(&[(0.0, true), (0.0, true)]).merge(), []);
        assert_eq!((on_line(&[]).merge(), on_line(&[(1.0, false)]).merge()), (vec![], vec![]));
    }

    proptest! {
        #[test]
        fn it_is_what_looking_at_all_pairs_finds(
            points in prop::collection::vec((0.0_f32..100.0, prop::bool::weighted(0.3)), 1..16),
            cut in 0.0_f32..60.0,
        ) {
            let merges = on_line(&points).merge();
            prop_assert!(merges.windows(2).all(|pair| pair[0].distance <= pair[1].distance));
            let clusters = Clusters::cut(points.len(), &merges, f64::from(cut));
            // a merge at the cut itself may fall to either side by its last bit
            prop_assume!(merges.iter().all(|merge| (merge.distance - cut).abs() > 1e-3));
            let mut found = groups(&clusters);
            found.sort();
            prop_assert_eq!(found, naive(&points, cut));
            for group in groups(&clusters) {
                prop_assert!(group.iter().filter(|&&thing| points[thing].1).count() <= 1);
            }
        }

        #[test]
        fn equal_distances_end(count in 0_usize..20, distance in 0.0_f32..3.0) {
            let merges = Distances::new(count, |_, row| row.fill(distance)).merge();
            prop_assert_eq!(merges.len(), count.saturating_sub(1));
        }
    }
}
