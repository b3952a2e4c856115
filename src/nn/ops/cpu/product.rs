//! Products of small matrices in the cache: rows of a few sums in registers.

use super::simd::{LANES, Lanes};

/// The left factor: distances between its rows and columns, so that it may lie either way.
#[derive(Clone, Copy)]
pub(super) struct Factor {
    pub(super) data: *const f32,
    pub(super) row: usize,
    pub(super) column: usize,
}

/// The right factor, row by row.
#[derive(Clone, Copy)]
pub(super) struct Matrix {
    pub(super) data: *const f32,
    pub(super) row: usize,
}

/// `factor` times `a b`, to rows `out_row` apart: `sizes` are rows, depth, and columns, those a multiple of sixteen.
///
/// # Safety
/// The contract of [`Lanes`]; the pointers must be good for matrices of these sizes.
#[inline(always)]
pub(super) unsafe fn product<L: Lanes>(
    [rows, depth, columns]: [usize; 3],
    a: Factor,
    b: Matrix,
    out: *mut f32,
    out_row: usize,
    factor: f32,
) {
    let mut column = 0;
    // SAFETY: the caller's.
    unsafe {
        while column < columns {
            let b = Matrix { data: b.data.add(column), ..b };
            let out = out.add(column);
            let blocks = (columns - column) / LANES;
            // as many sums as fit the registers beside the row of `b`
            let taken = match (L::REGISTERS >= 32, blocks) {
                (true, 4..) => stripe::<L, 4, 5>([rows, depth], a, b, out, out_row, factor),
                (true, 2..) => stripe::<L, 2, 8>([rows, depth], a, b, out, out_row, factor),
                (true, _) => stripe::<L, 1, 8>([rows, depth], a, b, out, out_row, factor),
                (false, 2..) => stripe::<L, 2, 2>([rows, depth], a, b, out, out_row, factor),
                (false, _) => stripe::<L, 1, 4>([rows, depth], a, b, out, out_row, factor),
            };
            column += taken * LANES;
        }
    }
}

/// `BLOCKS` blocks of columns of [`product`], `ROWS` rows at a time; returns `BLOCKS`.
///
/// # Safety
/// As [`product`].
#[inline(always)]
unsafe fn stripe<L: Lanes, const BLOCKS: usize, const ROWS: usize>(
    [rows, depth]: [usize; 2],
    a: Factor,
    b: Matrix,
    out: *mut f32,
    out_row: usize,
    factor: f32,
) -> usize {
    // SAFETY: the caller's.
    unsafe {
        let mut row = 0;
        while row + ROWS <= rows {
            tile::<L, BLOCKS, ROWS>(depth, a, b, row, out.add(row * out_row), out_row, factor);
            row += ROWS;
        }
        while row < rows {
            tile::<L, BLOCKS, 1>(depth, a, b, row, out.add(row * out_row), out_row, factor);
            row += 1;
        }
    }
    BLOCKS
}

/// # Safety
/// As [`product`].
#[inline(always)]
unsafe fn tile<L: Lanes, const BLOCKS: usize, const ROWS: usize>(
    depth: usize,
    a: Factor,
    b: Matrix,
    row: usize,
    out: *mut f32,
    out_row: usize,
    factor: f32,
) {
    // SAFETY: the caller's.
    unsafe {
        let mut sums = [[L::zero(); BLOCKS]; ROWS];
        let a_row = a.data.add(row * a.row);
        for k in 0..depth {
            let mut line = [L::zero(); BLOCKS];
            for (block, line) in line.iter_mut().enumerate() {
                *line = L::load(b.data.add(k * b.row + block * LANES));
            }
            for (i, sums) in sums.iter_mut().enumerate() {
                let x = L::splat(*a_row.add(i * a.row + k * a.column));
                for (sum, line) in sums.iter_mut().zip(line) {
                    *sum = x.mul_add(line, *sum);
                }
            }
        }
        let factor = L::splat(factor);
        for (i, sums) in sums.iter().enumerate() {
            for (block, sum) in sums.iter().enumerate() {
                sum.mul(factor).store(out.add(i * out_row + block * LANES));
            }
        }
    }
}
