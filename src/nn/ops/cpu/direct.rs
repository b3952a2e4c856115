//! Direct convolution with the tile: cuts maps into strips, lays each strip out with its padding, covers its output
//! with tiles.
//!
//! Serves the forward pass and, with transposed weights, the gradient of the input: a [`Target`] may be every second
//! pixel of a map, which is how a stride of two runs backwards.

use std::ops::Range;

use super::access::{In, Out, scratch};
use super::finish::{Finish, Lines};
use super::kept::Kept;
use super::plan::{Way, panels, pieces, tasks_wanted};
use super::simd::{Kernel, LANES, Lanes, launch};
use super::threads::parallel;
use super::tile::{self, Form, Tile};
use super::{tiled, winograd};

/// The map that a convolution reads.
#[derive(Clone, Copy)]
pub(super) struct Source {
    pub(super) data: In,
    /// From one photo to the next, in values.
    pub(super) image: usize,
    /// Blocks of sixteen channels, or planes.
    pub(super) blocks: usize,
    pub(super) planes: bool,
    pub(super) size: [usize; 2],
    /// What each channel of each photo is multiplied by: a line a block; and values from one photo to the next.
    pub(super) scale: Option<(In, usize)>,
}

impl Source {
    /// The scales of a block of a photo; null where there are none.
    ///
    /// # Safety
    /// Within the source.
    pub(super) unsafe fn scales(&self, photo: usize, block: usize) -> *const f32 {
        // SAFETY: the caller's.
        self.scale.map_or(std::ptr::null(), |(scale, image)| unsafe { scale.at(photo * image + block * LANES) })
    }
}

/// The map that a convolution writes: `count` places from `first`, `step` apart, of a map of `size`.
#[derive(Clone, Copy)]
pub(super) struct Target {
    pub(super) data: Out,
    /// From one photo to the next, in values.
    pub(super) image: usize,
    pub(super) blocks: usize,
    pub(super) size: [usize; 2],
    pub(super) count: [usize; 2],
    pub(super) step: usize,
    pub(super) first: [usize; 2],
    /// Add to what is there.
    pub(super) accumulate: bool,
}

/// The window that moves over the source.
#[derive(Clone, Copy, Debug)]
pub(super) struct Window {
    pub(super) size: [usize; 2],
    pub(super) stride: usize,
    pub(super) dilation: [usize; 2],
    /// Zeros above and left of the source; negative where the window starts inside.
    pub(super) padding: [isize; 2],
}

impl Window {
    /// One point.
    pub(super) const POINT: Window = Window { size: [1, 1], stride: 1, dilation: [1, 1], padding: [0, 0] };

    pub(super) fn is_point(&self) -> bool {
        self.size == [1, 1] && self.padding == [0, 0]
    }

    /// Source rows or columns that `count` outputs along `axis` reach over.
    pub(super) fn reach(&self, axis: usize, count: usize) -> usize {
        (count - 1) * self.stride + self.dilation[axis] * (self.size[axis] - 1) + 1
    }
}

/// A convolution of `images` photos. `weights` are panels.
#[derive(Clone, Copy)]
pub(super) struct Work {
    pub(super) images: usize,
    pub(super) source: Source,
    pub(super) weights: In,
    pub(super) target: Target,
    pub(super) window: Window,
    /// Of a whole target: without accumulation, step or first place.
    pub(super) finish: Finish,
}

impl Work {
    /// A 1x1 window at stride one sees a map as one long row: whether this is one, and the same so.
    pub(super) fn flattened(mut self) -> (bool, Work) {
        let flat = self.window.is_point() && self.window.stride == 1 && self.target.step == 1;
        if flat {
            self = self.on_one_row();
            self.source.size = self.target.size;
        }
        (flat, self)
    }

    /// With outputs as one long row.
    pub(super) fn on_one_row(mut self) -> Work {
        self.target.size = [1, self.target.size[0] * self.target.size[1]];
        self.target.count = self.target.size;
        self
    }
}

/// Source values as a task sees them: where they start, and the distances between blocks, rows and photos.
#[derive(Clone, Copy)]
struct Laid {
    data: *const f32,
    image: usize,
    block: usize,
    row: usize,
    /// Between the pixels of neighbouring outputs.
    step: usize,
    /// Between rows of neighbouring outputs.
    out_row: usize,
}

/// Convolves; `kept` is what was made of the weights before.
///
/// # Safety
/// The pointers of `work` must be good for the maps that `source`, `target` describe, `weights` for their panels,
/// `finish` for the target.
pub(super) unsafe fn run(way: Way, work: Work, kept: Option<&Kept>) {
    if tiled::serves(&work)
        && let Some(tiles) = way.tiles
        // SAFETY: the caller's.
        && unsafe { tiled::run(way, tiles, work, kept.and_then(Kept::split)) }
    {
        return;
    }
    if way.winograd && winograd::serves(&work) {
        // SAFETY: the caller's.
        return unsafe { winograd::run(way, work, kept.and_then(Kept::at_points)) };
    }
    let plan = Plan::new(way, work);
    parallel(plan.tasks(), &|task| {
        let (photos, rows, panel_range) = plan.task(task);
        // SAFETY: the caller's; a task writes only its own photos, rows and panels.
        unsafe { plan.run_task(photos, rows, panel_range) }
    });
}

pub(super) struct Plan {
    way: Way,
    source: Source,
    weights: In,
    target: Target,
    window: Window,
    finish: Finish,
    /// A 1x1 window at stride one sees a map as one long row.
    flat: bool,
    photos: Vec<Range<usize>>,
    rows: Vec<Range<usize>>,
    panels: Vec<(usize, usize)>,
    panel_groups: Vec<Range<usize>>,
}

impl Plan {
    pub(super) fn new(way: Way, work: Work) -> Plan {
        let (flat, Work { images, source, weights, target, window, finish }) = work.flattened();
        // values of the source behind one row of output (or one pixel of a flat map)
        let lanes = if source.planes { 1 } else { LANES };
        let depth = source.blocks * lanes;
        let row_values = if flat { depth } else { depth * source.size[1] * window.stride };
        let extent = if flat { target.count[1] } else { target.count[0] };
        let mut rows_at_once = (way.strip / row_values.max(1)).max(if flat { 12 } else { 2 });
        if flat && rows_at_once < extent {
            let pixels = way.pixels(way.panel);
            rows_at_once = rows_at_once.next_multiple_of(pixels);
        }
        let rows: Vec<_> = pieces(extent, rows_at_once).collect();
        // small maps: several photos share each panel's weights
        let photos_at_once = if rows.len() > 1 { 1 } else { (way.strip / (extent * row_values).max(1)).clamp(1, 8) };
        let photos: Vec<_> = pieces(images, photos_at_once).collect();
        let panels: Vec<_> = panels(target.blocks, way.panel).collect();
        // enough tasks for many threads, each with enough to do
        let wanted = tasks_wanted(images, 32).div_ceil(photos.len() * rows.len());
        let groups = wanted.min(panels.len().div_ceil(4)).max(1);
        let panel_groups = pieces(panels.len(), panels.len().div_ceil(groups)).collect();
        Plan { way, source, weights, target, window, finish, flat, photos, rows, panels, panel_groups }
    }

    fn tasks(&self) -> usize {
        self.photos.len() * self.rows.len() * self.panel_groups.len()
    }

    fn task(&self, task: usize) -> (Range<usize>, Range<usize>, Range<usize>) {
        let (task, group) = (task / self.panel_groups.len(), task % self.panel_groups.len());
        let (photo, row) = (task / self.rows.len(), task % self.rows.len());
        (self.photos[photo].clone(), self.rows[row].clone(), self.panel_groups[group].clone())
    }

    /// # Safety
    /// That of [`run`].
    pub(super) unsafe fn run_task(&self, photos: Range<usize>, rows: Range<usize>, group: Range<usize>) {
        let Source { data, image, blocks, size: [_, width], .. } = self.source;
        let block = self.source.size[0] * width * self.lanes();
        // SAFETY: the caller's; strips stay inside the scratch memory asked for.
        unsafe {
            if self.flat {
                match self.source.scale {
                    None => {
                        let step = self.lanes();
                        let data = data.at(photos.start * image + rows.start * step);
                        let laid = Laid { data, image, block, row: 0, step, out_row: 0 };
                        self.cover(laid, photos, 0..1, rows, group);
                    }
                    Some(_) => scratch(photos.len() * blocks * rows.len() * LANES, |memory| {
                        let laid = self.lay_scaled(memory, &photos, &rows);
                        self.cover(laid, photos, 0..1, rows, group);
                    }),
                }
                return;
            }
            debug_assert!(self.source.scale.is_none(), "only points are scaled");
            let point = self.window.is_point();
            // a 1x1 window with a stride reads only every second pixel: gather those
            let (reach, every) = if point {
                ([rows.len(), self.target.count[1]], self.window.stride)
            } else {
                let reach = [self.window.reach(0, rows.len()), self.window.reach(1, self.target.count[1])];
                (reach, 1)
            };
            // an odd number of cache lines between rows of planes keeps them out of each other's cache sets
            let reach_width = if self.source.planes { reach[1].next_multiple_of(LANES) } else { reach[1] };
            let plane = reach[0] * reach_width * self.lanes();
            let first = [(rows.start * self.window.stride) as isize - self.window.padding[0], -self.window.padding[1]];
            scratch(photos.len() * blocks * plane, |memory| {
                for (i, photo) in photos.clone().enumerate() {
                    for b in 0..blocks {
                        let strip = Strip {
                            source: data.at(photo * image + b * block),
                            size: self.source.size,
                            first,
                            every,
                            target: memory.add((i * blocks + b) * plane),
                            extent: [reach[0], reach_width],
                        };
                        if self.source.planes { strip.copy_plane() } else { launch(self.way.isa, strip) }
                    }
                }
                let stride = if point { 1 } else { self.window.stride };
                let row = reach_width * self.lanes();
                let laid = Laid {
                    data: memory,
                    image: blocks * plane,
                    block: plane,
                    row,
                    step: stride * self.lanes(),
                    out_row: row * stride,
                };
                self.cover(laid, photos, rows, 0..self.target.count[1], group);
            });
        }
    }

    /// Lays a task's share of a flat source out, scaled, so that it stays close.
    ///
    /// # Safety
    /// That of [`run`]; `memory` must be good for the share.
    unsafe fn lay_scaled(&self, memory: *mut f32, photos: &Range<usize>, places: &Range<usize>) -> Laid {
        let Source { data, image, blocks, size: [_, across], .. } = self.source;
        let block = places.len() * LANES;
        for (i, photo) in photos.clone().enumerate() {
            for b in 0..blocks {
                // SAFETY: the caller's.
                unsafe {
                    let from = data.at(photo * image + (b * across + places.start) * LANES);
                    let scale = Some(In(self.source.scales(photo, b)));
                    let to = memory.add((i * blocks + b) * block);
                    let lines = Lines { from, ..Lines::in_place(to, places.len(), std::ptr::null()) };
                    Finish { scale, ..Finish::NONE }.run(self.way.isa, 0, lines);
                }
            }
        }
        Laid { data: memory, image: blocks * block, block, row: 0, step: LANES, out_row: 0 }
    }

    /// Finishes a patch of output channels `of`, where the tile's bias is not all that there is to do.
    ///
    /// # Safety
    /// That of [`run`]; all of the patch's inputs must have been summed at value `at` of the target.
    unsafe fn finish_patch(&self, at: usize, of: Range<usize>, patch: &Patch) {
        let Target { data, size: [height, width], .. } = self.target;
        let [rows, columns] = patch.size;
        for (i, block) in of.enumerate() {
            for row in 0..rows {
                let at = at + (i * height + row) * width * LANES;
                // SAFETY: the caller's; a task finishes what it has written.
                unsafe { self.finish.in_place(self.way.isa, block, data, at, columns) }
            }
        }
    }

    fn lanes(&self) -> usize {
        if self.source.planes { 1 } else { LANES }
    }

    /// Covers the output places `rows` x `columns` of `photos` with tiles. `laid` starts at the first photo, row and
    /// column.
    ///
    /// # Safety
    /// That of [`run`].
    unsafe fn cover(
        &self,
        laid: Laid,
        photos: Range<usize>,
        rows: Range<usize>,
        columns: Range<usize>,
        group: Range<usize>,
    ) {
        let Target { data, image, size: [height, width], step, first, accumulate, .. } = self.target;
        let [taps_down, taps_across] = self.window.size;
        let out = step * LANES;
        let target_block = height * width * LANES;
        let in_blocks = self.source.blocks;
        let bias = self.finish.bias_alone();
        let block_weights = taps_down * taps_across * self.lanes() * LANES;
        for &(first_block, blocks) in &self.panels[group] {
            let patches = patches(&self.way, blocks, rows.len(), columns.len());
            let kernels: Vec<_> = patches
                .iter()
                .map(|p| {
                    let form = Form { rows: p.size[0], pixels: p.size[1], blocks, step: laid.step, out };
                    tile::kernel(self.way.isa, form).unwrap_or_else(|| unreachable!("no tile {form:?}"))
                })
                .collect();
            // so many blocks of input that their weights stay in the first-level cache
            let chunk = (self.way.chunk / (block_weights * blocks)).max(1);
            for inputs in pieces(in_blocks, chunk) {
                for (i, photo) in photos.clone().enumerate() {
                    for (patch, kernel) in patches.iter().zip(&kernels) {
                        let [y, x] = [rows.start + patch.at[0], columns.start + patch.at[1]];
                        let place = (y * step + first[0]) * width + x * step + first[1];
                        // SAFETY: the caller's; patches lie inside the strip and the target.
                        unsafe {
                            let source = laid.data.add(
                                i * laid.image
                                    + inputs.start * laid.block
                                    + patch.at[0] * laid.out_row
                                    + patch.at[1] * laid.step,
                            );
                            let panel = first_block * in_blocks + inputs.start * blocks;
                            let at = photo * image + first_block * target_block + place * LANES;
                            kernel(&Tile {
                                source,
                                weights: self.weights.at(panel * block_weights),
                                target: data.at(at),
                                bias: match bias {
                                    Some(bias) if inputs.start == 0 => bias.at(first_block * LANES),
                                    _ => std::ptr::null(),
                                },
                                in_blocks: inputs.len(),
                                source_block: laid.block,
                                window: self.window.size,
                                source_tap: [
                                    self.window.dilation[0] * laid.row,
                                    self.window.dilation[1] * self.lanes(),
                                ],
                                row: [laid.out_row, width * out],
                                target_block,
                                accumulate: accumulate || inputs.start > 0,
                            });
                            // while the patch is near
                            if inputs.end == in_blocks {
                                self.finish_patch(at, first_block..first_block + blocks, patch);
                            }
                        }
                    }
                }
            }
        }
    }
}

/// How much each task of a convolution has to do.
#[cfg(test)]
pub(super) fn task_sizes(way: Way, work: Work) -> Vec<usize> {
    let plan = Plan::new(way, work);
    let across = if plan.flat { 1 } else { plan.target.count[1] };
    let blocks = |group: Range<usize>| plan.panels[group].iter().map(|&(_, blocks)| blocks).sum::<usize>();
    let tasks = (0..plan.tasks()).map(|task| plan.task(task));
    tasks.map(|(photos, rows, group)| photos.len() * rows.len() * across * blocks(group)).collect()
}

/// A tile's place in a strip of output and its size.
struct Patch {
    at: [usize; 2],
    size: [usize; 2],
}

/// Covers `rows` x `columns` with the tiles that a way has for panels of `blocks`.
fn patches(way: &Way, blocks: usize, rows: usize, columns: usize) -> Vec<Patch> {
    let mut patches = Vec::new();
    let mut band = |columns: Range<usize>, together: usize| {
        let whole = rows / together * together;
        for y in (0..whole).step_by(together) {
            patches.push(Patch { at: [y, columns.start], size: [together, columns.len()] });
        }
        for y in whole..rows {
            patches.push(Patch { at: [y, columns.start], size: [1, columns.len()] });
        }
    };
    // maps seven wide leave too few accumulators busy in one row
    match (way.pixels(blocks), columns) {
        (14, 7) => band(0..7, 2),
        (6, 7) => {
            band(0..3, 2);
            band(3..5, 3);
            band(5..7, 3);
        }
        (most, _) => pieces(columns, most).for_each(|columns| band(columns, 1)),
    }
    patches
}

/// Part of a plane of blocks, copied with zeros where it lies outside.
pub(super) struct Strip {
    pub(super) source: *const f32,
    pub(super) size: [usize; 2],
    pub(super) first: [isize; 2],
    /// Takes every so manieth row and column.
    pub(super) every: usize,
    pub(super) target: *mut f32,
    pub(super) extent: [usize; 2],
}

impl Strip {
    /// The row of the source behind row `y` of the strip.
    fn row(&self, y: usize) -> Option<usize> {
        usize::try_from(self.first[0] + (y * self.every) as isize).ok().filter(|&row| row < self.size[0])
    }

    /// The columns of the strip that lie inside the source.
    fn inside(&self) -> Range<usize> {
        let every = self.every as isize;
        let start = (-self.first[1]).max(0).unsigned_abs().div_ceil(self.every).min(self.extent[1]);
        let beyond = self.size[1] as isize - self.first[1];
        let end = if beyond <= 0 { 0 } else { (beyond + every - 1) / every } as usize;
        start..end.clamp(start, self.extent[1])
    }

    /// # Safety
    /// The pointers must be good for a plane of `size` and a strip of `extent`, one value a place.
    pub(super) unsafe fn copy_plane(self) {
        let inside = self.inside();
        for y in 0..self.extent[0] {
            // SAFETY: the caller's; `row` and `inside` keep to the plane.
            unsafe {
                let target = std::slice::from_raw_parts_mut(self.target.add(y * self.extent[1]), self.extent[1]);
                target.fill(0.0);
                let Some(row) = self.row(y) else { continue };
                let source = self.source.add(row * self.size[1]);
                for x in inside.clone() {
                    target[x] = *source.offset(self.first[1] + (x * self.every) as isize);
                }
            }
        }
    }
}

impl Kernel for Strip {
    #[inline(always)]
    unsafe fn run<L: Lanes>(self) {
        let inside = self.inside();
        for y in 0..self.extent[0] {
            // SAFETY: the pointers are good for planes of blocks; `row` and `inside` keep to the source.
            unsafe {
                let target = self.target.add(y * self.extent[1] * LANES);
                let zero = L::zero();
                let Some(row) = self.row(y) else {
                    (0..self.extent[1]).for_each(|x| zero.store(target.add(x * LANES)));
                    continue;
                };
                let source = self.source.add(row * self.size[1] * LANES);
                (0..inside.start).for_each(|x| zero.store(target.add(x * LANES)));
                for x in inside.clone() {
                    let column = self.first[1] + (x * self.every) as isize;
                    L::load(source.offset(column * LANES as isize)).store(target.add(x * LANES));
                }
                (inside.end..self.extent[1]).for_each(|x| zero.store(target.add(x * LANES)));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patches_cover_every_place_once() {
        for way in [Way::WIDE, Way::NARROW] {
            for blocks in 1..=way.panel {
                for rows in 1..9 {
                    for columns in [1, 2, 5, 6, 7, 8, 13, 14, 15, 28, 56] {
                        let mut hits = vec![0; rows * columns];
                        for patch in patches(&way, blocks, rows, columns) {
                            for y in 0..patch.size[0] {
                                for x in 0..patch.size[1] {
                                    hits[(patch.at[0] + y) * columns + patch.at[1] + x] += 1;
                                }
                            }
                        }
                        assert!(hits.iter().all(|&h| h == 1), "{rows} x {columns}");
                    }
                }
            }
        }
    }
}
