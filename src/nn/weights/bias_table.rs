//! Swin's tables of biases for windows of another size, brought to ours.
//!
//! A table has a row for every difference of two places of a window, so for windows of `w` places a side it is a square of
//! 2w - 1 rows and columns. Ours follow timm's `resize_rel_pos_bias_table`, the rule of BEiT (Bao et al. 2022): a given
//! difference is put at a distance that grows geometrically from the middle, so that the farthest of both tables meet and
//! near ones stay almost where they were, and ours are read off linearly between them. A table of a larger window is thus
//! not squeezed: it loses its farthest differences.

use super::Tensor;

/// How the names of such tables end.
pub(super) const NAME: &str = "relative_position_bias_table";

/// The window's side that a table of so many rows belongs to.
pub(super) fn window(rows: usize) -> Option<usize> {
    let side = rows.isqrt();
    (side * side == rows && side % 2 == 1 && side > 1).then_some(side.div_ceil(2))
}

/// Whether a tensor of sizes `given` can be brought to the sizes `wanted`: tables of as many heads.
pub(super) fn is_resizable(name: &str, given: &[usize], wanted: &[usize]) -> bool {
    let ([rows, heads], [_, wanted]) = (given, wanted) else { return false };
    name.ends_with(NAME) && heads == wanted && window(*rows).is_some()
}

/// `table` (differences x heads) of windows of `from` places a side for windows of `to`.
pub(super) fn resized(table: &Tensor, from: usize, to: usize) -> Tensor {
    let heads = table.0.get(1).copied().unwrap_or_default();
    let (given, wanted) = (2 * from - 1, 2 * to - 1);
    let between = readings(from, to);
    let mut values = Vec::with_capacity(wanted * wanted * heads);
    for (down, [above, below]) in &between {
        for (right, [before, behind]) in &between {
            for head in 0..heads {
                let at = |row: usize, column: usize| f64::from(table.1[(row * given + column) * heads + head]);
                let [upper, lower] =
                    [*down, down + 1].map(|row| before * at(row, *right) + behind * at(row, right + 1));
                values.push((above * upper + below * lower) as f32);
            }
        }
    }
    (vec![wanted * wanted, heads], values)
}

/// For each difference along a side of ours: the given one before it, and the shares of that and of the next.
fn readings(from: usize, to: usize) -> Vec<(usize, [f64; 2])> {
    let ratio = ratio(from - 1, to - 1);
    let mut places = vec![0.0];
    for i in 0..from - 1 {
        let farthest = places[0] + ratio.powi(i as i32);
        places.insert(0, farthest);
    }
    let below: Vec<f64> = places.iter().map(|p| -p).collect();
    let places: Vec<f64> = below.into_iter().chain(places.into_iter().rev().skip(1)).collect();
    let read = |difference: f64| {
        let next = places.iter().position(|p| *p >= difference).unwrap_or(places.len() - 1).max(1);
        let share = (difference - places[next - 1]) / (places[next] - places[next - 1]);
        // beyond the farthest, the farthest
        let share = share.clamp(0.0, 1.0);
        (next - 1, [1.0 - share, share])
    };
    (0..2 * to - 1).map(|i| read(i as f64 - (to - 1) as f64)).collect()
}

/// The ratio of distances whose first `count`, beginning with 1, make up `reach`; as timm's, between 1.01 and 1.5.
fn ratio(count: usize, reach: usize) -> f64 {
    let (mut low, mut high) = (1.01_f64, 1.5_f64);
    let mut middle = low;
    while high - low > 1e-6 {
        middle = f64::midpoint(low, high);
        let sum = (middle.powi(count as i32) - 1.0) / (middle - 1.0);
        if sum > reach as f64 { high = middle } else { low = middle }
    }
    middle
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_window_is_told_by_the_rows() {
        assert_eq!([9, 49, 169, 529, 2209].map(window), [Some(2), Some(4), Some(7), Some(12), Some(24)]);
        assert_eq!([0, 1, 16, 168, 170, 196].map(window), [None; 6]);
        assert!(is_resizable("a.relative_position_bias_table", &[529, 3], &[169, 3]));
        assert!(!is_resizable("a.relative_position_bias_table", &[529, 4], &[169, 3]));
        assert!(!is_resizable("a.weight", &[529, 3], &[169, 3]));
    }

    #[test]
    fn tables_are_timms() {
        #[derive(serde::Deserialize)]
        struct Case {
            from: usize,
            to: usize,
            heads: usize,
            given: Vec<f32>,
            expected: Vec<f32>,
        }
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/fixtures/weights/bias_tables.json");
        let cases: Vec<Case> = serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap();
        assert!(cases.len() >= 4);
        for Case { from, to, heads, given, expected } in cases {
            let table = (vec![given.len() / heads, heads], given);
            let (sizes, values) = resized(&table, from, to);
            assert_eq!(sizes, [(2 * to - 1) * (2 * to - 1), heads]);
            for (ours, timms) in values.iter().zip(&expected) {
                assert!((ours - timms).abs() < 1e-5, "{from} to {to}: {ours} and {timms}");
            }
        }
    }
}
