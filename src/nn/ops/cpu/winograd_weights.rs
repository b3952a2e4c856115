//! The gradient of a 3x3 convolution's weights at Winograd's points: at each of 36, a product of the inputs of all squares
//! with the gradients of their outputs, brought back to the window's taps at the end.
//!
//! A chunk of squares is brought to the points, then each point is summed by itself: what a point's sums are does not
//! depend on who does which. Where a sum is not finite the direct kernel does it all.

use std::cell::Cell;
use std::ops::Range;
use std::sync::atomic::{AtomicBool, Ordering};

use super::access::{In, Out};
use super::direct::{Source, Window};
use super::plan::{Way, is_large, panels, pieces};
use super::simd::{LANES, launch};
use super::threads::parallel;
use super::transforms::{APART, Gradients, Inputs, POINTS, TAPS, ToWindows, squares};
use super::weights::{Gradient, NEAR, Tile, kernel};
use super::winograd;

/// Values of a block of weights.
const BLOCK: usize = LANES * LANES;
/// Values at the points that a chunk holds: some megabytes, more where many threads share them.
const CHUNK: usize = 2 << 20;
/// Outputs across below which squares at the edges cost more than they save.
const LEAST: usize = 14;

/// Whether the gradient is computed so.
pub(super) fn serves(source: &Source, gradient: &Gradient, window: &Window) -> bool {
    !source.planes && gradient.size.iter().all(|&size| size >= LEAST) && winograd::fits(window, gradient.size)
}

/// Adds as [`super::weights::run`] does; false where it is left to the direct kernel, with nothing added.
///
/// # Safety
/// That of [`super::weights::run`].
pub(super) unsafe fn run(
    way: Way,
    images: usize,
    source: Source,
    gradient: Gradient,
    window: Window,
    into: &mut [f32],
) -> bool {
    let plan = Plan::new(way, images, source, gradient, window);
    let mut chunk: Vec<f32> = Vec::with_capacity(plan.longest());
    let points = source.blocks * gradient.blocks * BLOCK + APART;
    let mut sums: Vec<f32> = Vec::with_capacity(POINTS * points);
    let (chunk, sums) = (Out(chunk.as_mut_ptr()), Out(sums.as_mut_ptr()));
    let mut is_first = true;
    for photos in &plan.photos {
        for rows in &plan.rows {
            let chunk_of = Chunk { photos: photos.clone(), rows: rows.clone() };
            let blocks = source.blocks + gradient.blocks;
            parallel(photos.len() * blocks, &|task| {
                // SAFETY: the caller's; a task writes its own block of a photo.
                unsafe { plan.bring(&chunk_of, task / blocks, task % blocks, chunk) }
            });
            parallel(POINTS * plan.panel_groups.len(), &|task| {
                let (point, group) = (task / plan.panel_groups.len(), task % plan.panel_groups.len());
                // SAFETY: as above; a task adds to its own panels of a point.
                unsafe {
                    let (from, to) = (In(chunk.at(0).cast_const()), sums.at(point * points));
                    plan.sum(&chunk_of, point, plan.panel_groups[group].clone(), from, to, is_first);
                }
            });
            is_first = false;
        }
    }
    let strange = AtomicBool::new(is_first);
    let back = plan.panels.len() * source.blocks;
    let block_of = |task: usize| {
        let ((first, width), input) = (plan.panels[task / source.blocks], task % source.blocks);
        ((first * source.blocks + input * width) * BLOCK, width * LANES)
    };
    parallel(back, &|task| {
        let (block, lines) = block_of(task);
        let finite = Cell::new(true);
        // SAFETY: a task has a block of its own at every point.
        unsafe { launch(way.isa, ToWindows { sums: sums.at(block), lines, plane: points, finite: &finite }) }
        if !finite.get() {
            strange.store(true, Ordering::Relaxed);
        }
    });
    if strange.into_inner() {
        return false;
    }
    let into = Out::from(into);
    parallel(back, &|task| {
        let (block, lines) = block_of(task);
        for tap in 0..TAPS {
            for i in 0..lines * LANES {
                // SAFETY: within both; a task has a block of its own.
                unsafe { *into.at(block * TAPS + tap * lines * LANES + i) += *sums.at(tap * points + block + i) };
            }
        }
    });
    true
}

/// Photos, and rows of squares, that are at the points together.
struct Chunk {
    photos: Range<usize>,
    rows: Range<usize>,
}

struct Plan {
    way: Way,
    source: Source,
    gradient: Gradient,
    window: Window,
    /// Squares of a row.
    across: usize,
    photos: Vec<Range<usize>>,
    rows: Vec<Range<usize>>,
    panels: Vec<(usize, usize)>,
    /// Panels that a task takes of a point.
    panel_groups: Vec<Range<usize>>,
}

impl Plan {
    fn new(way: Way, images: usize, source: Source, gradient: Gradient, window: Window) -> Plan {
        let [down, across] = squares(gradient.size);
        let square = POINTS * (source.blocks + gradient.blocks) * LANES;
        let most = CHUNK * if is_large(images) { 4 } else { 1 } / square;
        let rows: Vec<_> = pieces(down, (most / across).max(1)).collect();
        let photos_at_once = if rows.len() > 1 { 1 } else { (most / (down * across)).max(1) };
        let photos = pieces(images, photos_at_once).collect();
        let panels: Vec<_> = panels(gradient.blocks, way.panel).collect();
        let panel_groups = pieces(panels.len(), if is_large(images) { 1 } else { 4 }).collect();
        Plan { way, source, gradient, window, across, photos, rows, panels, panel_groups }
    }

    fn squares_of(&self, chunk: &Chunk) -> usize {
        chunk.photos.len() * chunk.rows.len() * self.across
    }

    /// Values from a point's plane of `blocks` to the next point's.
    fn plane(&self, chunk: &Chunk, blocks: usize) -> usize {
        blocks * self.squares_of(chunk) * LANES + APART
    }

    /// Values of the longest chunk: inputs, then gradients.
    fn longest(&self) -> usize {
        let longest = |ranges: &[Range<usize>]| 0..ranges.iter().map(Range::len).max().unwrap_or(0);
        let chunk = Chunk { photos: longest(&self.photos), rows: longest(&self.rows) };
        POINTS * (self.plane(&chunk, self.source.blocks) + self.plane(&chunk, self.gradient.blocks))
    }

    /// Brings a block of photo `i` of a chunk to the points, blocks of gradients after those of inputs.
    ///
    /// # Safety
    /// That of [`run`]; `to` must be good for the chunk.
    unsafe fn bring(&self, chunk: &Chunk, i: usize, block: usize, to: Out) {
        let photo = chunk.photos.start + i;
        let squares = [chunk.rows.clone(), 0..self.across];
        let line = |block: usize| (block * chunk.photos.len() + i) * chunk.rows.len() * self.across * LANES;
        let plane = self.plane(chunk, self.source.blocks);
        // SAFETY: the caller's.
        unsafe {
            if block < self.source.blocks {
                let Source { data, image, size, .. } = self.source;
                let source = data.at(photo * image + block * size[0] * size[1] * LANES);
                let (to, padding) = (to.at(line(block)), self.window.padding);
                launch(self.way.isa, Inputs { source, size, squares, padding, to, plane });
            } else {
                let (block, after) = (block - self.source.blocks, POINTS * plane);
                let Gradient { data, image, size, blocks } = self.gradient;
                let source = data.at(photo * image + block * size[0] * size[1] * LANES);
                let (to, plane) = (to.at(after + line(block)), self.plane(chunk, blocks));
                launch(self.way.isa, Gradients { source, size, squares, to, plane });
            }
        }
    }

    /// Adds a chunk's products at a point to `sums`, or writes them first.
    ///
    /// # Safety
    /// That of [`run`]; the chunk must have been brought, `sums` be good for a point's panels.
    unsafe fn sum(&self, chunk: &Chunk, point: usize, group: Range<usize>, from: In, sums: *mut f32, is_first: bool) {
        let (inputs, all) = (self.source.blocks, self.squares_of(chunk));
        let [inputs_plane, plane] = [inputs, self.gradient.blocks].map(|blocks| self.plane(chunk, blocks));
        for &(first, width) in &self.panels[group] {
            // SAFETY: the caller's.
            unsafe {
                let panel = sums.add(first * inputs * BLOCK);
                if is_first {
                    std::slice::from_raw_parts_mut(panel, inputs * width * BLOCK).fill(0.0);
                }
                let gradient = POINTS * inputs_plane + point * plane + first * all * LANES;
                for block in 0..inputs {
                    let source = point * inputs_plane + block * all * LANES;
                    for some in pieces(all, NEAR / size_of::<f32>() / ((1 + width) * LANES)) {
                        for values in pieces(LANES, self.way.inputs[width - 1]) {
                            let Some(kernel) = kernel(self.way.isa, values.len(), width, LANES) else {
                                unreachable!("no tile of {values:?} x {width}")
                            };
                            kernel(&Tile {
                                source: from.at(source + some.start * LANES + values.start),
                                gradient: from.at(gradient + some.start * LANES),
                                weights: panel.add((block * LANES + values.start) * width * LANES),
                                rows: 1,
                                columns: some.len(),
                                source_row: 0,
                                gradient_row: 0,
                                gradient_block: all * LANES,
                            });
                        }
                    }
                }
            }
        }
    }
}

/// How much each task of a chunk has to do.
#[cfg(test)]
pub(super) fn task_sizes(way: Way, images: usize, source: Source, gradient: Gradient, window: Window) -> Vec<usize> {
    let plan = Plan::new(way, images, source, gradient, window);
    let blocks = |group: &Range<usize>| plan.panels[group.clone()].iter().map(|&(_, width)| width).sum::<usize>();
    (0..POINTS).flat_map(|_| plan.panel_groups.iter().map(blocks)).collect()
}
