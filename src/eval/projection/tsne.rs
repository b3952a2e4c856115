//! t-SNE: neighbours stay neighbours (van der Maaten & Hinton 2008), by Barnes and Hut's tree (van der Maaten 2014).
//!
//! It begins with the principal components instead of noise (Kobak & Berens 2019): the picture keeps the large
//! structure, needs no seed, and is the same every time. Sums have one order whatever the number of threads. Settings
//! are those of openTSNE and scikit-learn: perplexity 30, early exaggeration 12, learning rate n/12. What a picture
//! shows is who is near whom; sizes of clusters and distances between them say nothing.

mod neighbours;
mod tree;

use rayon::prelude::*;

use super::super::Result;
use super::pca::Pca;
use super::{Projected, Projection};
use neighbours::Affinities;
use tree::Tree;

/// Neighbours that count for a photo, about; fewer where there are few photos.
const PERPLEXITY: f64 = 30.0;
/// Steps with affinities exaggerated, so that clusters find together, and steps after those.
const STEPS: [usize; 2] = [250, 500];
const EXAGGERATION: f64 = 12.0;
/// A cell of the tree stands for its points where it is seen under a smaller angle (width by distance).
const ANGLE: f64 = 0.5;
/// Spread of the first coordinate at the beginning: small, so that the first steps decide.
const BEGIN: f64 = 1e-4;

/// t-distributed stochastic neighbour embedding.
#[derive(Clone, Copy, Debug, Default)]
pub struct Tsne;

impl Projection for Tsne {
    fn name(&self) -> &'static str {
        "t-SNE"
    }

    fn project(&self, vectors: &[f32], dim: usize) -> Result<Projected> {
        let begin = Pca.project(vectors, dim)?.points;
        let rows = begin.len();
        let perplexity = PERPLEXITY.min((rows.saturating_sub(1)) as f64 / 3.0);
        let points = if perplexity < 1.0 { begin } else { descend(begin, &Affinities::of(vectors, dim, perplexity)) };
        let axes = [format!("t-SNE, perplexity {perplexity:.0}"), "axes mean nothing, neighbours do".into()];
        Ok(Projected { points, axes, explained: None })
    }
}

/// Moves points until their neighbourhoods are those of `affinities`: gradient descent with momentum and a gain a
/// coordinate, as in the paper.
fn descend(begin: Vec<[f64; 2]>, affinities: &Affinities) -> Vec<[f64; 2]> {
    let mut points = small(begin);
    let rows = points.len();
    let rate = (rows as f64 / EXAGGERATION).max(50.0);
    let mut moves = vec![[0.0; 2]; rows];
    let mut gains = vec![[1.0_f64; 2]; rows];
    for (steps, exaggeration, momentum) in [(STEPS[0], EXAGGERATION, 0.5), (STEPS[1], 1.0, 0.8)] {
        for _ in 0..steps {
            let gradient = gradient(&points, affinities, exaggeration);
            for (row, slope) in gradient.iter().enumerate() {
                for axis in 0..2 {
                    let (gain, step) = (&mut gains[row][axis], &mut moves[row][axis]);
                    let turned = (slope[axis] > 0.0) != (*step > 0.0);
                    *gain = if turned { *gain + 0.2 } else { (*gain * 0.8).max(0.01) };
                    *step = momentum * *step - rate * *gain * slope[axis];
                    points[row][axis] += *step;
                }
            }
            centre(&mut points);
        }
    }
    points
}

/// The slope of the Kullback-Leibler divergence at every point, up to the factor 4.
fn gradient(points: &[[f64; 2]], affinities: &Affinities, exaggeration: f64) -> Vec<[f64; 2]> {
    let tree = Tree::of(points);
    let pushed: Vec<([f64; 2], f64)> = points.par_iter().map(|&at| tree.push(at, ANGLE)).collect();
    // one order of summing, whatever the threads
    let all: f64 = pushed.iter().map(|(_, share)| share).sum::<f64>().max(f64::MIN_POSITIVE);
    let slope = |(row, &at): (usize, &[f64; 2])| {
        let mut slope = [-pushed[row].0[0] / all, -pushed[row].0[1] / all];
        for &(other, affinity) in affinities.of_row(row) {
            let apart = [at[0] - points[other][0], at[1] - points[other][1]];
            let pull = exaggeration * affinity / (1.0 + apart[0] * apart[0] + apart[1] * apart[1]);
            slope[0] += pull * apart[0];
            slope[1] += pull * apart[1];
        }
        slope
    };
    points.par_iter().enumerate().map(slope).collect()
}

/// The points with the first coordinate's spread brought to [`BEGIN`], none on another: equal ones would stay so.
fn small(mut points: Vec<[f64; 2]>) -> Vec<[f64; 2]> {
    let rows = points.len() as f64;
    let spread = (points.iter().map(|p| p[0] * p[0]).sum::<f64>() / rows).sqrt();
    let scale = if spread > 0.0 { BEGIN / spread } else { 0.0 };
    for (row, point) in points.iter_mut().enumerate() {
        // a spiral far smaller than the spread, the same every time
        let turn = row as f64 * 2.399_963;
        let out = BEGIN * 1e-3 * ((row + 1) as f64 / rows).sqrt();
        *point = [point[0] * scale + out * turn.cos(), point[1] * scale + out * turn.sin()];
    }
    points
}

fn centre(points: &mut [[f64; 2]]) {
    for axis in 0..2 {
        let mean = points.iter().map(|p| p[axis]).sum::<f64>() / points.len() as f64;
        points.iter_mut().for_each(|p| p[axis] -= mean);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use rand::{RngExt, SeedableRng};
    use rand_chacha::ChaCha8Rng;

    /// `of` photos each of `individuals`, around directions of their own.
    fn herd(individuals: usize, of: usize, spread: f32) -> (Vec<f32>, Vec<usize>) {
        let mut random = ChaCha8Rng::seed_from_u64(3);
        let mut draw = || random.random_range(-1.0_f32..1.0);
        let (mut vectors, mut who) = (Vec::new(), Vec::new());
        for individual in 0..individuals {
            let middle: Vec<f32> = (0..16).map(|_| draw()).collect();
            for _ in 0..of {
                vectors.extend(middle.iter().map(|x| x + spread * draw()));
                who.push(individual);
            }
        }
        (vectors, who)
    }

    fn apart(a: [f64; 2], b: [f64; 2]) -> f64 {
        (a[0] - b[0]).hypot(a[1] - b[1])
    }

    #[test]
    fn photos_of_one_individual_lie_together() {
        let (vectors, who) = herd(12, 15, 0.35);
        let points = Tsne.project(&vectors, 16).unwrap().points;
        let nearest = |row: usize| {
            let others = (0..points.len()).filter(|&other| other != row);
            others.min_by(|&a, &b| apart(points[row], points[a]).total_cmp(&apart(points[row], points[b]))).unwrap()
        };
        let right = (0..points.len()).filter(|&row| who[nearest(row)] == who[row]).count();
        assert!(right >= 178, "{right} of 180");
        // clusters are tighter than the picture is wide
        let width = points.iter().map(|p| p[0].hypot(p[1])).fold(0.0, f64::max);
        let middle = |of: usize| {
            let own: Vec<_> = points.iter().zip(&who).filter(|(_, w)| **w == of).map(|(p, _)| *p).collect();
            let sum = own.iter().fold([0.0; 2], |sum, p| [sum[0] + p[0], sum[1] + p[1]]);
            let middle = [sum[0] / own.len() as f64, sum[1] / own.len() as f64];
            own.iter().map(|p| apart(*p, middle)).sum::<f64>() / own.len() as f64
        };
        assert!((0..12).map(middle).fold(0.0, f64::max) < width / 3.0);
    }

    #[test]
    fn the_number_of_threads_does_not_matter() {
        let (vectors, _) = herd(4, 9, 0.5);
        let with = |threads| {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
            pool.install(|| Tsne.project(&vectors, 16).unwrap())
        };
        assert_eq!(with(1), with(3));
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 24, ..ProptestConfig::default() })]
        #[test]
        fn few_equal_and_odd_rows_have_places(rows in prop::collection::vec(0_u8..4, 1..24)) {
            let vectors: Vec<f32> = rows.iter().flat_map(|&n| [f32::from(n), 1.0, -f32::from(n)]).collect();
            let found = Tsne.project(&vectors, 3).unwrap();
            prop_assert_eq!(found.points.len(), rows.len());
            prop_assert!(found.points.iter().flatten().all(|x| x.is_finite()));
        }
    }
}
