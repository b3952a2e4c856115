//! Photos for tile products: they come as planes, too few to fill the depth of a tile, so what a place's window sees of
//! all planes is laid out as if it were the place's channels.

use std::ops::Range;

use super::direct::{Source, Window};
use super::parts::{LINE, MOST_PARTS, Splitter};
use super::product_of_tiles::Unit;
use super::simd::LANES;
use super::strips::Laid;
use super::tiles::{Job, Line, TILE};

/// Splits what the windows of a strip see.
pub(super) struct Unfold<'a, const PARTS: usize> {
    /// Planes.
    pub(super) source: &'a Source,
    pub(super) window: Window,
    /// Outputs of a row.
    pub(super) across: usize,
    pub(super) laid: Laid,
    pub(super) photos: &'a Range<usize>,
    /// Whole rows of outputs.
    pub(super) rows: Range<usize>,
    pub(super) to: *mut u8,
}

/// Rows of planes with zeros around them, a stride's phases apart from each other so that what neighbouring outputs see
/// are neighbours: `[planes][rows][phases][columns]`.
struct Planes {
    values: Vec<f32>,
    /// Source rows that the strip sees.
    reach: usize,
    columns: usize,
}

impl<const PARTS: usize> Unfold<'_, PARTS> {
    /// # Safety
    /// The source must be good for `photo`.
    unsafe fn planes(&self, photo: usize) -> Planes {
        let Source { data, image, blocks, size: [height, width], .. } = *self.source;
        let Window { size, stride, dilation, padding } = self.window;
        let reach = self.window.reach(0, self.rows.len());
        // a line begins at any column, so that the last one reaches further
        let columns = self.across + (size[1] - 1) * dilation[1] / stride + LANES;
        let mut values = vec![0.0; blocks * reach * stride * columns];
        let first = (self.rows.start * stride) as isize - padding[0];
        for (i, row) in values.chunks_exact_mut(stride * columns).enumerate() {
            let (plane, y) = (i / reach, first + (i % reach) as isize);
            let Some(y) = usize::try_from(y).ok().filter(|&y| y < height) else { continue };
            // SAFETY: the caller's; the row lies inside.
            let seen =
                unsafe { std::slice::from_raw_parts(data.at(photo * image + (plane * height + y) * width), width) };
            for (phase, row) in row.chunks_exact_mut(columns).enumerate() {
                // source column of the phase's column x: x stride + begin
                let begin = phase as isize - padding[1];
                let from = (-begin).max(0).unsigned_abs().div_ceil(stride);
                let at = (from * stride).wrapping_add_signed(begin);
                let inside = seen.get(at..).unwrap_or_default().iter().step_by(stride);
                row.iter_mut().skip(from).zip(inside).for_each(|(to, value)| *to = *value);
            }
        }
        Planes { values, reach, columns }
    }

    /// Where each tap's values begin, from those of the strip's first place.
    fn taps(&self, planes: &Planes) -> Vec<usize> {
        let Window { size: [down, across], stride, dilation, .. } = self.window;
        let tap = |plane: usize, row: usize, column: usize| {
            let (row, column) = (plane * planes.reach + row * dilation[0], column * dilation[1]);
            (row * stride + column % stride) * planes.columns + column / stride
        };
        let rows = (0..self.source.blocks).flat_map(|plane| (0..down).map(move |row| (plane, row)));
        rows.flat_map(|(plane, row)| (0..across).map(move |column| tap(plane, row, column))).collect()
    }
}

impl<const PARTS: usize> Job for Unfold<'_, PARTS> {
    /// Whether all was finite.
    type Output = bool;

    #[inline(always)]
    unsafe fn run<U: Unit, S: Splitter>(self) -> bool {
        let mut finite = true;
        let mut split = [Line::ZERO; MOST_PARTS * LANES];
        let mut turned = [Line::ZERO; LANES];
        for (i, photo) in self.photos.clone().enumerate() {
            // SAFETY: the caller's.
            let planes = unsafe { self.planes(photo) };
            let taps = self.taps(&planes);
            let first_place = i * self.laid.plane[0] * self.laid.plane[1];
            for y in 0..self.rows.len() {
                let row = &planes.values[y * self.window.stride * self.window.stride * planes.columns..];
                for x in (0..self.across).step_by(LANES) {
                    let count = (self.across - x).min(LANES);
                    let place = first_place + y * self.across + x;
                    for pair in 0..self.laid.pairs {
                        let line = |tap: usize| {
                            taps.get(tap).map_or(std::ptr::null(), |&tap| row[tap + x..][..LANES].as_ptr())
                        };
                        // SAFETY: lines lie inside the planes; `split` holds sixteen lines a part; the strip is the caller's.
                        unsafe {
                            let to = split.as_mut_ptr().cast::<u8>();
                            for i in 0..LANES {
                                let tap = pair * 2 * LANES + i;
                                finite &= S::split::<PARTS>(line(tap), line(tap + LANES), to.add(i * LINE), TILE);
                            }
                            for part in 0..PARTS {
                                let there = self.to.add((pair * PARTS + part) * self.laid.part() + place * LINE);
                                let turned = turned.as_mut_ptr().cast::<u8>();
                                S::turn(to.add(part * TILE), turned);
                                std::ptr::copy_nonoverlapping(turned, there, count * LINE);
                            }
                        }
                    }
                }
            }
        }
        finite
    }
}
