//! Principal component analysis to two dimensions.
//!
//! Of the covariance (dim x dim) and the Gram matrix (rows x rows) the smaller is formed in f64 and
//! its two leading eigenvectors are found by subspace iteration with a Rayleigh-Ritz step: a block
//! wider than two converges even when the second and third eigenvalue are close. A linear algebra
//! library (faer) would add two minutes of processor time to a cold build, for two vectors.
//! An axis points where its largest loading is positive, so that a picture does not flip by chance.

use rayon::prelude::*;

use super::super::{Error, Result};
use super::{Projected, Projection};

/// Vectors iterated together, of which the first two are wanted.
const BLOCK: usize = 8;
/// Residual at which an eigenvector is good, relative to the largest eigenvalue: far below a pixel.
const TOLERANCE: f64 = 1e-10;
/// A bound for spectra so flat that any plane is as good as another.
const MOST_STEPS: usize = 500;

/// Principal component analysis.
#[derive(Clone, Copy, Debug, Default)]
pub struct Pca;

impl Projection for Pca {
    fn name(&self) -> &'static str {
        "PCA"
    }

    fn project(&self, vectors: &[f32], dim: usize) -> Result<Projected> {
        if dim == 0 || vectors.is_empty() || !vectors.len().is_multiple_of(dim) {
            return Err(Error::Set(format!(
                "{} numbers are no table of embeddings of {dim} dimensions",
                vectors.len()
            )));
        }
        let centred = Centred::of(vectors, dim);
        let total: f64 = centred.values.iter().map(|x| x * x).sum();
        let components = centred.components();
        let coordinates = components.each_ref().map(|(_, axis)| centred.along(axis));
        let explained = components.each_ref().map(|(eigenvalue, _)| {
            // Equal embeddings have no variance, and rounding must not claim more than all of it.
            if total > 0.0 { (eigenvalue / total).clamp(0.0, 1.0) } else { 0.0 }
        });
        let [x, y] = &coordinates;
        Ok(Projected {
            points: x.iter().zip(y).map(|(&x, &y)| [x, y]).collect(),
            axes: [1, 2].map(|n| {
                let share = explained[n - 1] * 100.0;
                format!("component {n} · {share:.0} % of the variance")
            }),
            explained: Some(explained),
        })
    }
}

/// Rows less their mean.
struct Centred {
    rows: usize,
    dim: usize,
    values: Vec<f64>,
}

impl Centred {
    fn of(vectors: &[f32], dim: usize) -> Centred {
        let rows = vectors.len() / dim;
        let mut mean = vec![0.0; dim];
        for row in vectors.chunks_exact(dim) {
            for (sum, &x) in mean.iter_mut().zip(row) {
                *sum += f64::from(x) / rows as f64;
            }
        }
        let values = vectors.chunks_exact(dim).flat_map(|row| {
            let pairs = row.iter().zip(&mean);
            pairs.map(|(&x, mean)| f64::from(x) - mean)
        });
        Centred { rows, dim, values: values.collect() }
    }

    fn row(&self, row: usize) -> &[f64] {
        &self.values[row * self.dim..(row + 1) * self.dim]
    }

    /// Coordinate of every row along `axis`.
    fn along(&self, axis: &[f64]) -> Vec<f64> {
        (0..self.rows).map(|row| dot(self.row(row), axis)).collect()
    }

    /// The two leading eigenvalues of the scatter matrix, each with its unit axis of `dim` numbers.
    fn components(&self) -> [(f64, Vec<f64>); 2] {
        let mut pairs = if self.rows < self.dim {
            // u of the Gram matrix stands for the axis X'u.
            let gram = symmetric(self.rows, |i, j| dot(self.row(i), self.row(j)));
            let mut pairs = leading(&gram, self.rows);
            for (_, vector) in &mut pairs {
                let mut axis = vec![0.0; self.dim];
                for (row, &weight) in vector.iter().enumerate() {
                    for (sum, x) in axis.iter_mut().zip(self.row(row)) {
                        *sum += weight * x;
                    }
                }
                normalise(&mut axis);
                *vector = axis;
            }
            pairs
        } else {
            let columns: Vec<Vec<f64>> = (0..self.dim)
                .map(|column| {
                    let values = self.values.iter().skip(column).step_by(self.dim);
                    values.copied().collect()
                })
                .collect();
            let scatter = symmetric(self.dim, |i, j| dot(&columns[i], &columns[j]));
            leading(&scatter, self.dim)
        };
        pairs.resize(2, (0.0, vec![0.0; self.dim]));
        pairs.truncate(2);
        for (_, axis) in &mut pairs {
            let largest = axis.iter().fold(0.0, |most: f64, x| most.max(x.abs()));
            // The first that is as large as any, but for rounding.
            let first = axis.iter().find(|x| x.abs() >= largest * (1.0 - 1e-6));
            if first.is_some_and(|x| *x < 0.0) {
                axis.iter_mut().for_each(|x| *x = -*x);
            }
        }
        let second = pairs.pop().unwrap_or_default();
        let first = pairs.pop().unwrap_or_default();
        [first, second]
    }
}

fn dot(a: &[f64], b: &[f64]) -> f64 {
    let mut sums = [0.0; 4];
    let (a_chunks, a_rest) = a.as_chunks::<4>();
    let (b_chunks, b_rest) = b.as_chunks::<4>();
    for (x, y) in a_chunks.iter().zip(b_chunks) {
        for lane in 0..4 {
            sums[lane] += x[lane] * y[lane];
        }
    }
    let rest: f64 = a_rest.iter().zip(b_rest).map(|(x, y)| x * y).sum();
    sums.iter().sum::<f64>() + rest
}

/// Divides by the length and tells it; what is nothing but rounding becomes zero.
fn normalise(vector: &mut [f64]) -> f64 {
    let length = dot(vector, vector).sqrt();
    let scale = if length > 1e-150 { 1.0 / length } else { 0.0 };
    vector.iter_mut().for_each(|x| *x *= scale);
    length
}

/// A symmetric `size` x `size` matrix, row after row; each entry is summed by one thread.
fn symmetric(size: usize, entry: impl Fn(usize, usize) -> f64 + Sync) -> Vec<f64> {
    let rows: Vec<Vec<f64>> = (0..size).into_par_iter().map(|i| (0..=i).map(|j| entry(i, j)).collect()).collect();
    let mut matrix = vec![0.0; size * size];
    for (i, row) in rows.iter().enumerate() {
        for (j, &value) in row.iter().enumerate() {
            matrix[i * size + j] = value;
            matrix[j * size + i] = value;
        }
    }
    matrix
}

/// The leading eigenvalues of a positive semidefinite matrix, with unit eigenvectors, descending.
fn leading(matrix: &[f64], size: usize) -> Vec<(f64, Vec<f64>)> {
    let times = |vector: &Vec<f64>| -> Vec<f64> {
        let rows = matrix.chunks_exact(size);
        rows.map(|row| dot(row, vector)).collect()
    };
    // Any start will do that is not orthogonal to what is sought; this one is the same everywhere.
    let mut block: Vec<Vec<f64>> = (0..BLOCK.min(size))
        .map(|k| {
            let entry = |i: usize| (((i + 1) * (2 * k + 1)) as f64 * 0.734_591).sin();
            (0..size).map(entry).collect()
        })
        .collect();
    orthonormalise(&mut block);
    let mut values = vec![0.0; block.len()];
    for _ in 0..MOST_STEPS {
        let images: Vec<Vec<f64>> = block.iter().map(times).collect();
        // Rayleigh-Ritz: the best the block can do, as eigenvectors of a small matrix.
        let small = symmetric(block.len(), |i, j| dot(&block[i], &images[j]));
        let (ritz, rotation) = jacobi(small, block.len());
        let rotate = |from: &[Vec<f64>]| -> Vec<Vec<f64>> {
            let columns = rotation.iter().map(|weights| {
                let mut sum = vec![0.0; size];
                for (vector, weight) in from.iter().zip(weights) {
                    sum.iter_mut().zip(vector).for_each(|(s, x)| *s += weight * x);
                }
                sum
            });
            columns.collect()
        };
        let (vectors, mut images) = (rotate(&block), rotate(&images));
        values = ritz;
        let residual = |k: usize| {
            let pairs = images[k].iter().zip(&vectors[k]);
            let squares = pairs.map(|(image, x)| (image - values[k] * x).powi(2));
            squares.sum::<f64>().sqrt()
        };
        let worst = (0..block.len().min(2)).map(residual).fold(0.0, f64::max);
        if worst <= TOLERANCE * values[0].abs() {
            block = vectors;
            break;
        }
        orthonormalise(&mut images);
        block = images;
    }
    values.into_iter().zip(block).collect()
}

/// Gram-Schmidt, twice, since once loses orthogonality among nearly parallel vectors.
fn orthonormalise(block: &mut [Vec<f64>]) {
    for k in 0..block.len() {
        let (done, rest) = block.split_at_mut(k);
        let vector = &mut rest[0];
        let before = normalise(vector);
        for _ in 0..2 {
            for other in done.iter() {
                let part = dot(vector, other);
                vector.iter_mut().zip(other).for_each(|(x, y)| *x -= part * y);
            }
        }
        if dot(vector, vector).sqrt() < 1e-12 || before == 0.0 {
            vector.fill(0.0);
        }
        normalise(vector);
    }
}

/// All eigenvalues of a small symmetric matrix, descending, with unit eigenvectors, by Jacobi's
/// rotations (Golub and Van Loan, section 8.5).
fn jacobi(mut a: Vec<f64>, size: usize) -> (Vec<f64>, Vec<Vec<f64>>) {
    let mut vectors: Vec<Vec<f64>> = (0..size).map(|i| (0..size).map(|j| f64::from(i == j)).collect()).collect();
    for _ in 0..60 {
        let mut off = 0.0;
        let mut all = 0.0;
        for i in 0..size {
            for j in 0..size {
                let square = a[i * size + j].powi(2);
                all += square;
                off += if i == j { 0.0 } else { square };
            }
        }
        if off <= all * 1e-30 {
            break;
        }
        for p in 0..size {
            for q in p + 1..size {
                if a[p * size + q] == 0.0 {
                    continue;
                }
                let theta = (a[q * size + q] - a[p * size + p]) / (2.0 * a[p * size + q]);
                let t = theta.signum() / (theta.abs() + (theta * theta + 1.0).sqrt());
                let cos = 1.0 / (t * t + 1.0).sqrt();
                let sin = t * cos;
                for k in 0..size {
                    let (x, y) = (a[k * size + p], a[k * size + q]);
                    a[k * size + p] = cos * x - sin * y;
                    a[k * size + q] = sin * x + cos * y;
                }
                for k in 0..size {
                    let (x, y) = (a[p * size + k], a[q * size + k]);
                    a[p * size + k] = cos * x - sin * y;
                    a[q * size + k] = sin * x + cos * y;
                }
                let (before, from_q) = vectors.split_at_mut(q);
                for (x, y) in before[p].iter_mut().zip(&mut from_q[0]) {
                    (*x, *y) = (cos * *x - sin * *y, sin * *x + cos * *y);
                }
            }
        }
    }
    let mut order: Vec<usize> = (0..size).collect();
    order.sort_by(|&i, &j| a[j * size + j].total_cmp(&a[i * size + i]));
    let values = order.iter().map(|&i| a[i * size + i]).collect();
    let vectors = order.iter().map(|&i| vectors[i].clone()).collect();
    (values, vectors)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn the_longest_axes_of_a_cloud_are_found_with_their_shares() {
        // Variances 9, 4 and 1 along three known axes, turned so that none is a coordinate axis.
        let (a, b, c) = ([2.0, 1.0, 2.0], [1.0, 2.0, -2.0], [2.0, -2.0, -1.0]);
        let mut vectors: Vec<f32> = Vec::new();
        for (axis, length) in [(a, 3.0), (b, 2.0), (c, 1.0)] {
            for sign in [1.0, -1.0] {
                vectors.extend(axis.iter().map(|x| (5.0 + sign * length * x / 3.0) as f32));
            }
        }
        let found = Pca.project(&vectors, 3).unwrap();
        let [first, second] = found.explained.unwrap();
        assert!((first - 9.0 / 14.0).abs() < 1e-6 && (second - 4.0 / 14.0).abs() < 1e-6);
        // The largest loading of a is positive; of b it is the second or the third, and the second
        // is first.
        let expected = [[3.0, 0.0], [-3.0, 0.0], [0.0, 2.0], [0.0, -2.0], [0.0; 2], [0.0; 2]];
        for (point, expected) in found.points.iter().zip(expected) {
            for (x, e) in point.iter().zip(expected) {
                assert!((x - e).abs() < 1e-5, "{:?}", found.points);
            }
        }
        assert_eq!(found.axes[0], "component 1 · 64 % of the variance");
    }

    #[test]
    fn no_variance_few_rows_and_one_dimension_are_no_trouble() {
        for (vectors, dim, rows) in [
            ([0.6_f32, 0.8].repeat(5), 2, 5),
            (vec![1.0, 0.0, 0.0], 3, 1),
            (vec![1.0, -1.0, 1.0], 1, 3),
            (vec![1.0, 0.0, 0.0, 0.0, 0.0, 1.0], 3, 2),
        ] {
            let found = Pca.project(&vectors, dim).unwrap();
            assert_eq!(found.points.len(), rows);
            assert!(found.points.iter().flatten().all(|x| x.is_finite()));
            let shares = found.explained.unwrap();
            assert!(shares.iter().all(|s| (0.0..=1.0).contains(s)), "{shares:?}");
            assert!(found.points.iter().all(|p| p[1].abs() < 1e-6));
        }
        assert!(Pca.project(&[1.0, 2.0, 3.0], 2).is_err());
        assert!(Pca.project(&[], 2).is_err());
    }

    proptest! {
        #[test]
        fn jacobi_gives_eigenvectors(entries in prop::collection::vec(-1.0_f64..1.0, 36)) {
            let matrix = symmetric(6, |i, j| entries[i.min(j) * 6 + i.max(j)]);
            let (values, vectors) = jacobi(matrix.clone(), 6);
            for (k, (value, vector)) in values.iter().zip(&vectors).enumerate() {
                for (row, x) in matrix.chunks_exact(6).zip(vector) {
                    prop_assert!((dot(row, vector) - value * x).abs() < 1e-12);
                }
                prop_assert!(k == 0 || values[k - 1] >= *value);
                prop_assert!((dot(vector, vector) - 1.0).abs() < 1e-12);
            }
        }

        /// The points of wide and narrow tables agree: one goes by the Gram matrix, the other, with
        /// its rows doubled, by the covariance.
        #[test]
        fn both_matrices_give_the_same_axes(
            vectors in prop::collection::vec(-1.0_f32..1.0, 7 * 9),
        ) {
            let wide = Pca.project(&vectors, 9).unwrap();
            let narrow = Pca.project(&vectors.repeat(2), 9).unwrap();
            let [a, b] = wide.explained.unwrap();
            let [c, d] = narrow.explained.unwrap();
            prop_assert!((a - c).abs() < 1e-9 && (b - d).abs() < 1e-9);
            prop_assert!(a >= b && a + b <= 1.0 + 1e-9);
            // Where the two leading shares are apart, so are the axes.
            prop_assume!(a - b > 0.02);
            for (p, q) in wide.points.iter().zip(&narrow.points) {
                prop_assert!((p[0] - q[0]).abs() < 1e-5);
            }
        }

        /// The variance along the first axis is at least that along any other direction.
        #[test]
        fn no_direction_has_more_variance(
            vectors in prop::collection::vec(-1.0_f32..1.0, 30 * 5),
            direction in prop::collection::vec(-1.0_f64..1.0, 5),
        ) {
            let centred = Centred::of(&vectors, 5);
            let mut direction = direction;
            prop_assume!(normalise(&mut direction) > 1e-3);
            let variance = |along: Vec<f64>| along.iter().map(|x| x * x).sum::<f64>();
            let ours: Vec<f64> = Pca.project(&vectors, 5).unwrap().points.iter().map(|p| p[0]).collect();
            prop_assert!(variance(ours) >= variance(centred.along(&direction)) - 1e-9);
        }
    }
}
