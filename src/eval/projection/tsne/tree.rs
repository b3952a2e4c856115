//! Points in a tree of squares, so that far ones push together.

/// Squares within squares at most: points nearer than that count as one place.
const DEEPEST: usize = 48;

/// A square with points.
struct Cell {
    /// Where its four squares begin; none where it has not been parted.
    parts: Option<usize>,
    /// Middle of the points.
    middle: [f64; 2],
    count: f64,
    width: f64,
}

/// All points.
pub(super) struct Tree {
    cells: Vec<Cell>,
}

impl Tree {
    /// Of points that are finite.
    pub(super) fn of(points: &[[f64; 2]]) -> Tree {
        let mut ends = [[f64::INFINITY; 2], [f64::NEG_INFINITY; 2]];
        for point in points {
            for axis in 0..2 {
                ends[0][axis] = ends[0][axis].min(point[axis]);
                ends[1][axis] = ends[1][axis].max(point[axis]);
            }
        }
        let width = (ends[1][0] - ends[0][0]).max(ends[1][1] - ends[0][1]).max(f64::MIN_POSITIVE);
        let mut tree = Tree { cells: Vec::with_capacity(points.len() * 2) };
        let mut order: Vec<u32> = (0..points.len() as u32).collect();
        tree.cells.push(Cell { parts: None, middle: [0.0; 2], count: 0.0, width });
        tree.part(0, points, &mut order, ends[0], width, 0);
        tree
    }

    /// Fills a cell with the points of `order`, which lie in the square at `corner`, and parts it where there are several.
    fn part(
        &mut self,
        cell: usize,
        points: &[[f64; 2]],
        order: &mut [u32],
        corner: [f64; 2],
        width: f64,
        depth: usize,
    ) {
        let count = order.len() as f64;
        let sum = order.iter().fold([0.0; 2], |sum, &n| {
            let point = points[n as usize];
            [sum[0] + point[0], sum[1] + point[1]]
        });
        self.cells[cell].count = count;
        if !order.is_empty() {
            self.cells[cell].middle = [sum[0] / count, sum[1] / count];
        }
        if order.len() < 2 || depth == DEEPEST {
            return;
        }
        let half = width / 2.0;
        let centre = [corner[0] + half, corner[1] + half];
        let right = |n: u32, axis: usize| points[n as usize][axis] >= centre[axis];
        order.sort_by_key(|&n| (right(n, 1), right(n, 0)));
        let parts = self.cells.len();
        for _ in 0..4 {
            self.cells.push(Cell { parts: None, middle: [0.0; 2], count: 0.0, width: half });
        }
        self.cells[cell].parts = Some(parts);
        let mut rest = order;
        for (n, (up, across)) in [(false, false), (false, true), (true, false), (true, true)].into_iter().enumerate() {
            let own = rest.iter().take_while(|&&point| (right(point, 1), right(point, 0)) == (up, across)).count();
            let (these, others) = rest.split_at_mut(own);
            let at = |axis: usize, beyond: bool| if beyond { centre[axis] } else { corner[axis] };
            self.part(parts + n, points, these, [at(0, across), at(1, up)], half, depth + 1);
            rest = others;
        }
    }

    /// How all points push the one at `at`, which is among them, under Student's t: the sum of q²(y - y'), and of q.
    pub(super) fn push(&self, at: [f64; 2], angle: f64) -> ([f64; 2], f64) {
        let (mut push, mut shares) = ([0.0; 2], 0.0);
        let mut waiting = vec![0_usize];
        while let Some(number) = waiting.pop() {
            let cell = &self.cells[number];
            if cell.count == 0.0 {
                continue;
            }
            let apart = [at[0] - cell.middle[0], at[1] - cell.middle[1]];
            let squared = apart[0] * apart[0] + apart[1] * apart[1];
            match cell.parts {
                Some(parts) if cell.width * cell.width >= angle * angle * squared => waiting.extend(parts..parts + 4),
                _ => {
                    let share = 1.0 / (1.0 + squared);
                    let weight = cell.count * share;
                    shares += weight;
                    push[0] += weight * share * apart[0];
                    push[1] += weight * share * apart[1];
                }
            }
        }
        // the point itself pushes nothing and has the share 1
        (push, shares - 1.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn naive(points: &[[f64; 2]], at: [f64; 2]) -> ([f64; 2], f64) {
        let (mut push, mut shares) = ([0.0; 2], -1.0);
        for other in points {
            let apart = [at[0] - other[0], at[1] - other[1]];
            let share = 1.0 / (1.0 + apart[0] * apart[0] + apart[1] * apart[1]);
            shares += share;
            push = [push[0] + share * share * apart[0], push[1] + share * share * apart[1]];
        }
        (push, shares)
    }

    proptest! {
        #[test]
        fn a_tree_says_what_every_pair_says(
            points in prop::collection::vec(prop::array::uniform2((0_u8..9).prop_map(|n| f64::from(n) * 3.7)), 1..40),
        ) {
            let tree = Tree::of(&points);
            for &at in &points {
                let (push, shares) = naive(&points, at);
                let exact = tree.push(at, 0.0);
                prop_assert!((exact.1 - shares).abs() < 1e-9 * (1.0 + shares.abs()));
                prop_assert!((exact.0[0] - push[0]).abs() + (exact.0[1] - push[1]).abs() < 1e-9);
                let near = tree.push(at, 0.5);
                prop_assert!((near.1 - shares).abs() <= 0.3 * shares.abs() + 1e-9, "{} {shares}", near.1);
            }
        }
    }
}
