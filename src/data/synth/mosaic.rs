//! A plane cut into cells around seeds (a Voronoi diagram): the scales of head, neck and flippers.
//!
//! Each cell is a rectangle clipped by the lines half way to the other seeds: simple, and quick for the few
//! hundred seeds of a turtle.

use super::maths::{P2, mix2};

/// The cells of `seeds` within the rectangle `low` to `high`, in the order of the seeds.
pub(super) fn cells(seeds: &[P2], low: P2, high: P2) -> Vec<Vec<P2>> {
    seeds
        .iter()
        .map(|here| {
            let mut cell = vec![low, [high[0], low[1]], high, [low[0], high[1]]];
            for other in seeds {
                let to = [other[0] - here[0], other[1] - here[1]];
                if to == [0.0, 0.0] {
                    continue;
                }
                let limit = (other[0] * other[0] + other[1] * other[1] - here[0] * here[0] - here[1] * here[1]) * 0.5;
                cell = clip(&cell, to, limit);
            }
            cell
        })
        .collect()
}

/// What of a polygon lies on the side `normal . p <= limit`.
fn clip(shape: &[P2], normal: P2, limit: f32) -> Vec<P2> {
    let over = |p: P2| normal[0] * p[0] + normal[1] * p[1] - limit;
    let mut kept = Vec::with_capacity(shape.len() + 1);
    for (i, &p) in shape.iter().enumerate() {
        let q = shape[(i + 1) % shape.len()];
        let (a, b) = (over(p), over(q));
        if a <= 0.0 {
            kept.push(p);
        }
        if (a < 0.0 && b > 0.0) || (a > 0.0 && b < 0.0) {
            kept.push(mix2(p, q, a / (a - b)));
        }
    }
    kept
}

/// A polygon drawn towards a point by `share`.
pub(super) fn shrink(shape: &[P2], to: P2, share: f32) -> Vec<P2> {
    shape.iter().map(|&p| mix2(p, to, share)).collect()
}

/// A polygon whose sides all move inwards by about `gap`; small cells keep a core.
pub(super) fn inset(shape: &[P2], to: P2, gap: f32) -> Vec<P2> {
    shape
        .iter()
        .map(|&p| {
            let d = ((p[0] - to[0]) * (p[0] - to[0]) + (p[1] - to[1]) * (p[1] - to[1])).sqrt();
            mix2(p, to, (gap / d.max(1e-6)).min(0.6))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cells_fill_the_rectangle_without_overlap() {
        let seeds = [[0.2, 0.3], [0.8, 0.4], [0.5, 0.9], [0.1, 0.8]];
        let area = |s: &[P2]| {
            let twice: f32 = (0..s.len())
                .map(|i| {
                    let (p, q) = (s[i], s[(i + 1) % s.len()]);
                    p[0] * q[1] - q[0] * p[1]
                })
                .sum();
            twice * 0.5
        };
        let total: f32 = cells(&seeds, [0.0, 0.0], [1.0, 1.0]).iter().map(|c| area(c)).sum();
        assert!((total - 1.0).abs() < 1e-5, "{total}");
    }
}
