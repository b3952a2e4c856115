//! Who is whose neighbour, and how much: the affinities that t-SNE keeps.

use rayon::prelude::*;

/// Rows whose distances are computed together, so that a row is fetched once for all of them.
const TILE: usize = 16;
/// Steps of the search for a width; each halves what is left.
const HALVINGS: usize = 60;

/// Symmetric affinities, which sum to 1, of each row's nearest.
pub(super) struct Affinities {
    /// Where a row's begin; one more than there are rows.
    begins: Vec<usize>,
    /// Other row, and affinity.
    entries: Vec<(usize, f64)>,
}

impl Affinities {
    /// Of rows of `dim` numbers: Gaussians whose widths give each row so many neighbours, about.
    pub(super) fn of(vectors: &[f32], dim: usize, perplexity: f64) -> Affinities {
        let rows = vectors.len() / dim;
        let count = ((3.0 * perplexity).ceil() as usize).clamp(1, rows - 1);
        let nearest = nearest(vectors, dim, count);
        let own: Vec<Vec<(usize, f64)>> = nearest.into_par_iter().map(|near| gaussian(&near, perplexity)).collect();
        // an affinity of both is the mean of each other's
        let mut both: Vec<Vec<(usize, f64)>> = own.clone();
        for (row, near) in own.iter().enumerate() {
            near.iter().for_each(|&(other, affinity)| both[other].push((row, affinity)));
        }
        let mut affinities = Affinities { begins: vec![0], entries: Vec::new() };
        for mut near in both {
            near.sort_unstable_by(|a, b| a.0.cmp(&b.0).then(a.1.total_cmp(&b.1)));
            for (other, affinity) in near {
                let begin = affinities.begins[affinities.begins.len() - 1];
                let share = affinity / (2.0 * rows as f64);
                match affinities.entries[begin..].last_mut() {
                    Some((last, sum)) if *last == other => *sum += share,
                    _ => affinities.entries.push((other, share)),
                }
            }
            affinities.begins.push(affinities.entries.len());
        }
        affinities
    }

    /// The neighbours of `row`.
    pub(super) fn of_row(&self, row: usize) -> &[(usize, f64)] {
        &self.entries[self.begins[row]..self.begins[row + 1]]
    }
}

/// The `count` nearest other rows of each, with squared distances; ties go to the earlier row.
fn nearest(vectors: &[f32], dim: usize, count: usize) -> Vec<Vec<(usize, f64)>> {
    let rows = vectors.len() / dim;
    let row = |at: usize| &vectors[at * dim..(at + 1) * dim];
    let tiles: Vec<usize> = (0..rows).step_by(TILE).collect();
    let found = tiles.into_par_iter().map(|begin| {
        let tile = begin..(begin + TILE).min(rows);
        let mut apart: Vec<Vec<(f32, usize)>> = tile.clone().map(|_| Vec::with_capacity(rows)).collect();
        for other in 0..rows {
            let vector = row(other);
            for (own, list) in tile.clone().zip(&mut apart) {
                if own != other {
                    list.push((squared(row(own), vector), other));
                }
            }
        }
        let by_distance = |a: &(f32, usize), b: &(f32, usize)| a.0.total_cmp(&b.0).then(a.1.cmp(&b.1));
        apart.iter_mut().for_each(|list| {
            if list.len() > count {
                list.select_nth_unstable_by(count, by_distance);
                list.truncate(count);
            }
            list.sort_unstable_by(by_distance);
        });
        let near = |list: Vec<(f32, usize)>| list.into_iter().map(|(d, other)| (other, f64::from(d))).collect();
        apart.into_iter().map(near).collect::<Vec<Vec<(usize, f64)>>>()
    });
    found.flatten().collect()
}

fn squared(a: &[f32], b: &[f32]) -> f32 {
    // eight sums side by side let the compiler use vectors
    let mut sums = [0.0_f32; 8];
    let (a_chunks, a_rest) = a.as_chunks::<8>();
    let (b_chunks, b_rest) = b.as_chunks::<8>();
    for (x, y) in a_chunks.iter().zip(b_chunks) {
        for lane in 0..8 {
            sums[lane] += (x[lane] - y[lane]) * (x[lane] - y[lane]);
        }
    }
    let rest: f32 = a_rest.iter().zip(b_rest).map(|(x, y)| (x - y) * (x - y)).sum();
    sums.iter().sum::<f32>() + rest
}

/// Shares of the neighbours, which sum to 1, by the Gaussian under which they have the perplexity.
fn gaussian(near: &[(usize, f64)], perplexity: f64) -> Vec<(usize, f64)> {
    let least = near.first().map_or(0.0, |(_, d)| *d);
    // the nearest counts as at nought: the same shares, and none vanishes
    let shares = |sharpness: f64| -> Vec<f64> {
        let weights: Vec<f64> = near.iter().map(|(_, d)| (-(d - least) * sharpness).exp()).collect();
        let sum: f64 = weights.iter().sum();
        weights.into_iter().map(|weight| weight / sum).collect()
    };
    let entropy = |shares: &[f64]| -shares.iter().filter(|s| **s > 0.0).map(|s| s * s.ln()).sum::<f64>();
    let wanted = perplexity.ln();
    let (mut low, mut high, mut sharpness) = (0.0, f64::INFINITY, 1.0);
    for _ in 0..HALVINGS {
        let found = entropy(&shares(sharpness));
        if (found - wanted).abs() < 1e-6 {
            break;
        }
        if found > wanted {
            low = sharpness;
            sharpness = if high.is_finite() { f64::midpoint(low, high) } else { sharpness * 2.0 };
        } else {
            high = sharpness;
            sharpness = f64::midpoint(low, high);
        }
    }
    near.iter().map(|(other, _)| *other).zip(shares(sharpness)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn affinities_are_symmetric_shares_of_one() {
        let vectors: Vec<f32> = (0..60_u16).map(|n| f32::from(n * n % 47)).collect();
        let affinities = Affinities::of(&vectors, 3, 4.0);
        let mut all = 0.0;
        for row in 0..20 {
            for &(other, affinity) in affinities.of_row(row) {
                all += affinity;
                let back = affinities.of_row(other).iter().find(|(of, _)| *of == row).map(|(_, a)| *a);
                assert!(row != other && (back.unwrap() - affinity).abs() < 1e-15);
            }
        }
        assert!((all - 1.0).abs() < 1e-12, "{all}");
    }

    #[test]
    fn a_width_gives_the_perplexity() {
        let near: Vec<(usize, f64)> = (0..90).map(|n| (n, 0.3 + n as f64 * 0.01)).collect();
        let shares = gaussian(&near, 30.0);
        let entropy: f64 = -shares.iter().map(|(_, s)| s * s.ln()).sum::<f64>();
        assert!((entropy.exp() - 30.0).abs() < 1e-3, "{}", entropy.exp());
    }
}
