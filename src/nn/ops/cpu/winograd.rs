//! Convolution of 3x3 windows by Winograd's F(4x4, 3x3): a square of 4 x 4 outputs is, at each of 36 points, a product of
//! channels that the tile for one point sums, where the window itself takes 144.
//!
//! A strip of squares is brought to the points, summed over its channels point by point, and brought back; whoever shares a
//! strip's channels of output shares its points. Weights at the points are four times as many: few are made once and kept,
//! many are made by each task a chunk at a time, which takes less time than to read them from memory. The transforms lose
//! a bit or two of f32's fraction, and make NaN of what lies beside an infinity: a photo's strip whose sums are not all
//! finite is left to the direct kernel.

use std::cell::Cell;
use std::ops::Range;

use super::access::{In, Out, scratch};
use super::direct::{self, Source, Window, Work};
use super::plan::{THREADS, Way, is_large, panels, pieces};
use super::simd::{LANES, launch};
use super::threads::parallel;
use super::tile::{self, Form, Tile};
use super::transforms::{APART, Inputs, Outputs, POINTS, SIDE, TAPS, Windows, squares};

/// Values of a block of weights.
const BLOCK: usize = LANES * LANES;
/// Squares that share each point's weights at least, where a batch has them.
const SHARED: usize = 64;
/// Blocks that are brought to the points at once where several share a strip.
const SHARE: usize = 4;

/// Weights at the points of which there are at most so many values are kept.
const KEPT: usize = 768 << 10;
/// Blocks of inputs and of outputs whose weights a task brings to the points at once: they stay in the second-level cache.
const MADE: usize = 4;

/// Weights at the points, as [`Weights`] lie.
pub(super) type PointWeights = Vec<f32>;

/// Whether a convolution is computed so: by what a photo has, so that its values are the same in any company.
pub(super) fn serves(work: &Work) -> bool {
    !work.source.planes && work.target.step == 1 && fits(&work.window, work.target.count)
}

/// Whether a window is computed so, for `count` outputs down and across.
pub(super) fn fits(window: &Window, count: [usize; 2]) -> bool {
    // squares at the edges compute what nobody reads
    let [squares, places] = [squares(count).iter().product::<usize>(), count.iter().product()];
    window.size == [3, 3] && window.stride == 1 && window.dilation == [1, 1] && places >= 8 * squares
}

/// Weights of a convolution from `inputs` to `outputs` blocks of channels at the points, where they are few enough to keep.
///
/// # Safety
/// `weights` must be good for the panels of the window.
pub(super) unsafe fn keep(way: Way, inputs: usize, outputs: usize, weights: In) -> Option<PointWeights> {
    if POINTS * inputs * outputs * BLOCK > KEPT {
        return None;
    }
    let all: Vec<_> = panels(outputs, way.panel).collect();
    let length = Weights { data: In(std::ptr::null()), first: 0, inputs, outputs }.len();
    let mut points = vec![0.0; length];
    let to = Out::from(&mut points[..]);
    parallel(all.len(), &|panel| {
        // SAFETY: the caller's; a task writes its own panel at every point.
        unsafe {
            let whole = Weights { data: In(to.at(0).cast_const()), first: 0, inputs, outputs };
            whole.make(way, all[panel], 0..inputs, inputs, weights);
        }
    });
    Some(points)
}

/// Convolves as [`direct::run`] does; `kept` are the weights at the points, where somebody has them already.
///
/// # Safety
/// That of [`direct::run`].
pub(super) unsafe fn run(way: Way, work: Work, kept: Option<&PointWeights>) {
    let mut own = None;
    if kept.is_none() {
        // SAFETY: the caller's.
        own = unsafe { keep(way, work.source.blocks, work.target.blocks, work.weights) };
    }
    let plan = Plan::new(way, work, kept.or(own.as_ref()).map(|kept| In::from(&kept[..])));
    let strips = plan.photos.len() * plan.rows.len();
    let groups = plan.panel_groups.len();
    if groups == 1 {
        parallel(strips, &|task| {
            let strip = plan.strip(task);
            let group = plan.panel_groups[0].clone();
            let inputs = POINTS * plan.plane(&strip, plan.work.source.blocks);
            let strange = scratch(inputs + plan.room(&strip, &group), |memory| {
                // SAFETY: the caller's; the scratch memory holds both; a task writes its own photos and rows.
                unsafe {
                    plan.bring(&strip, 0..plan.work.source.blocks, memory);
                    plan.sum(&strip, group, memory, memory.add(inputs))
                }
            });
            // SAFETY: the caller's; as above.
            unsafe { plan.leave_to_direct(&strip, 0, strange) }
        });
        return;
    }
    // few strips and many channels: the points are found first, then shared
    let length = (0..strips).map(|s| POINTS * plan.plane(&plan.strip(s), plan.work.source.blocks)).max().unwrap_or(0);
    let mut memory: Vec<f32> = Vec::with_capacity(length * strips);
    let first = Out(memory.as_mut_ptr());
    let shares: Vec<_> = pieces(plan.work.source.blocks, SHARE).collect();
    parallel(strips * shares.len(), &|task| {
        let (strip, share) = (task / shares.len(), task % shares.len());
        // SAFETY: the caller's; each strip has memory of its own, and each block.
        unsafe { plan.bring(&plan.strip(strip), shares[share].clone(), first.at(strip * length)) }
    });
    parallel(strips * groups, &|task| {
        let (strip, group) = (task / groups, task % groups);
        let panels = plan.panel_groups[group].clone();
        let strange = scratch(plan.room(&plan.strip(strip), &panels), |room| {
            // SAFETY: the caller's; a task writes its own photos, rows and channels.
            unsafe { plan.sum(&plan.strip(strip), panels, first.at(strip * length), room) }
        });
        // SAFETY: as above.
        unsafe { plan.leave_to_direct(&plan.strip(strip), group, strange) }
    });
}

/// Weights at the points of some panels and inputs: `[point][panel][input][16 in][16 or 32 out]`.
#[derive(Clone, Copy)]
struct Weights {
    data: In,
    /// The first block of outputs.
    first: usize,
    /// Blocks of channels.
    inputs: usize,
    outputs: usize,
}

impl Weights {
    fn plane(&self) -> usize {
        self.inputs * self.outputs * BLOCK + APART
    }

    fn len(&self) -> usize {
        POINTS * self.plane()
    }

    /// Where an input's weights of a panel begin at the first point.
    fn at(&self, (first, width): (usize, usize), input: usize) -> usize {
        ((first - self.first) * self.inputs + input * width) * BLOCK
    }

    /// Makes those of a panel for the inputs `some` of `all`.
    ///
    /// # Safety
    /// The memory must be good for them and not be read or written by another, `weights` be good for the panels of the window.
    unsafe fn make(&self, way: Way, panel: (usize, usize), some: Range<usize>, all: usize, weights: In) {
        let (first, width) = panel;
        for (i, input) in some.enumerate() {
            let from = (first * all + input * width) * BLOCK * TAPS;
            // SAFETY: the caller's.
            unsafe {
                let (weights, to) = (weights.at(from), self.data.at(self.at(panel, i)).cast_mut());
                launch(way.isa, Windows { weights, lines: width * LANES, to, plane: self.plane() });
            }
        }
    }
}

/// Photos, and rows of squares, that a task takes.
#[derive(Clone)]
struct Strip {
    photos: Range<usize>,
    rows: Range<usize>,
}

struct Plan {
    way: Way,
    work: Work,
    /// At the points, where they are kept.
    weights: Option<In>,
    /// Squares of a row.
    across: usize,
    photos: Vec<Range<usize>>,
    rows: Vec<Range<usize>>,
    panels: Vec<(usize, usize)>,
    panel_groups: Vec<Range<usize>>,
}

impl Plan {
    fn new(way: Way, work: Work, weights: Option<In>) -> Plan {
        let [down, across] = squares(work.target.count);
        let values = POINTS * (work.source.blocks + work.target.blocks) * LANES;
        let most = (4 * way.strip / values).max(SHARED);
        let rows: Vec<_> = pieces(down, (most / across).max(1)).collect();
        let photos_at_once = if rows.len() > 1 { 1 } else { (most / (down * across)).max(1) };
        let photos: Vec<_> = pieces(work.images, photos_at_once).collect();
        let panels: Vec<_> = panels(work.target.blocks, way.panel).collect();
        // strips that many groups share are read from afar: no more of those than there must be
        let (wanted, least) = if is_large(work.images) { (THREADS, 1) } else { (16, 2) };
        let groups = wanted.div_ceil(photos.len() * rows.len()).min(panels.len().div_ceil(least)).max(1);
        let panel_groups = pieces(panels.len(), panels.len().div_ceil(groups)).collect();
        Plan { way, work, weights, across, photos, rows, panels, panel_groups }
    }

    fn strip(&self, strip: usize) -> Strip {
        let (photos, rows) = (strip / self.rows.len(), strip % self.rows.len());
        Strip { photos: self.photos[photos].clone(), rows: self.rows[rows].clone() }
    }

    /// Squares of a photo in a strip.
    fn of_photo(&self, strip: &Strip) -> usize {
        strip.rows.len() * self.across
    }

    /// Values from a point's plane of `blocks` to the next point's.
    fn plane(&self, strip: &Strip, blocks: usize) -> usize {
        blocks * strip.photos.len() * self.of_photo(strip) * LANES + APART
    }

    fn blocks_of(&self, group: &Range<usize>) -> Range<usize> {
        let (first, (last, width)) = (self.panels[group.start].0, self.panels[group.end - 1]);
        first..last + width
    }

    /// The weights that are kept, or those that a task makes at once from block `first` of the outputs on.
    fn weights_from(&self, first: usize, made: *const f32) -> Weights {
        match self.weights {
            Some(data) => Weights { data, first: 0, inputs: self.work.source.blocks, outputs: self.work.target.blocks },
            None => Weights { data: In(made), first, inputs: MADE, outputs: MADE },
        }
    }

    /// Values that the sums of a group of panels take, and the weights made for them.
    fn room(&self, strip: &Strip, group: &Range<usize>) -> usize {
        let made = if self.weights.is_some() { 0 } else { self.weights_from(0, std::ptr::null()).len() };
        made + POINTS * self.plane(strip, self.blocks_of(group).len())
    }

    /// Brings `blocks` of a strip's inputs to the points: `[point][block][square][16]`.
    ///
    /// # Safety
    /// That of [`run`]; `to` must be good for the planes of all blocks.
    unsafe fn bring(&self, strip: &Strip, blocks: Range<usize>, to: *mut f32) {
        let Source { data, image, size, blocks: all, .. } = self.work.source;
        let squares = self.of_photo(strip);
        for (i, photo) in strip.photos.clone().enumerate() {
            for block in blocks.clone() {
                // SAFETY: the caller's.
                unsafe {
                    let inputs = Inputs {
                        source: data.at(photo * image + block * size[0] * size[1] * LANES),
                        size,
                        squares: [strip.rows.clone(), 0..self.across],
                        padding: self.work.window.padding,
                        to: to.add((block * strip.photos.len() + i) * squares * LANES),
                        plane: self.plane(strip, all),
                    };
                    launch(self.way.isa, inputs);
                }
            }
        }
    }

    /// Sums a group of panels at the points and brings the sums back to outputs; gives the photos that are left to the direct
    /// kernel.
    ///
    /// # Safety
    /// That of [`run`]; `inputs` must have been brought, `room` be good for [`Plan::room`].
    unsafe fn sum(&self, strip: &Strip, group: Range<usize>, inputs: *const f32, room: *mut f32) -> Vec<usize> {
        let in_blocks = self.work.source.blocks;
        let blocks_of = self.blocks_of(&group);
        let [from, to] = [in_blocks, blocks_of.len()].map(|blocks| self.plane(strip, blocks));
        let squares = strip.photos.len() * self.of_photo(strip);
        let sums = room;
        // SAFETY: the room is good for the sums.
        let made = unsafe { room.add(POINTS * to) };
        let together = if self.weights.is_some() { group.len() } else { MADE / self.way.panel };
        for panels in self.panels[group].chunks(together) {
            let weights = self.weights_from(panels[0].0, made);
            for chunk in pieces(in_blocks, weights.inputs.min(self.way.chunk / (BLOCK * self.way.panel))) {
                let first = if self.weights.is_some() { chunk.start } else { 0 };
                if self.weights.is_none() {
                    for &panel in panels {
                        // SAFETY: the caller's.
                        unsafe { weights.make(self.way, panel, chunk.clone(), in_blocks, self.work.weights) }
                    }
                }
                for (point, &panel) in (0..POINTS).flat_map(|point| panels.iter().map(move |panel| (point, panel))) {
                    let (block, width) = panel;
                    for some in pieces(squares, self.way.pixels(width)) {
                        let form = Form { rows: 1, pixels: some.len(), blocks: width, step: LANES, out: LANES };
                        let Some(kernel) = tile::kernel(self.way.isa, form) else { unreachable!("no tile {form:?}") };
                        // SAFETY: the caller's.
                        unsafe {
                            kernel(&Tile {
                                source: inputs.add(point * from + (chunk.start * squares + some.start) * LANES),
                                weights: weights.data.at(point * weights.plane() + weights.at(panel, first)),
                                target: sums
                                    .add(point * to + ((block - blocks_of.start) * squares + some.start) * LANES),
                                bias: std::ptr::null(),
                                in_blocks: chunk.len(),
                                source_block: squares * LANES,
                                window: Window::POINT.size,
                                source_tap: [0, 0],
                                row: [0, 0],
                                target_block: squares * LANES,
                                accumulate: chunk.start > 0,
                            });
                        }
                    }
                }
            }
        }
        let mut strange = Vec::new();
        for (i, photo) in strip.photos.clone().enumerate() {
            let finite = Cell::new(true);
            // SAFETY: the caller's. What is added to cannot be written twice: it is looked at first.
            unsafe {
                let sums = sums.cast_const().add(i * self.of_photo(strip) * LANES);
                if self.work.target.accumulate {
                    self.bring_back::<false>(strip, photo, blocks_of.clone(), sums, &finite);
                }
                if finite.get() {
                    self.bring_back::<true>(strip, photo, blocks_of.clone(), sums, &finite);
                }
            }
            if !finite.get() {
                strange.push(photo);
            }
        }
        strange
    }

    /// Brings a photo's sums back to outputs, or only looks whether they are finite.
    ///
    /// # Safety
    /// As [`Plan::sum`].
    unsafe fn bring_back<const WRITE: bool>(
        &self,
        strip: &Strip,
        photo: usize,
        blocks: Range<usize>,
        sums: *const f32,
        finite: &Cell<bool>,
    ) {
        let Work { target, finish, .. } = &self.work;
        let [height, width] = target.size;
        let squares = strip.photos.len() * self.of_photo(strip);
        let plane = self.plane(strip, blocks.len());
        let bias = finish.bias_alone();
        for block in blocks.clone() {
            for row in strip.rows.clone() {
                let rows = (row * SIDE)..((row + 1) * SIDE).min(target.count[0]);
                let place = (rows.start + target.first[0]) * width + target.first[1];
                let at = photo * target.image + block * height * width * LANES + place * LANES;
                // SAFETY: the caller's.
                unsafe {
                    let line = (block - blocks.start) * squares + (row - strip.rows.start) * self.across;
                    launch(
                        self.way.isa,
                        Outputs::<WRITE> {
                            sums: sums.add(line * LANES),
                            plane,
                            to: target.data.at(at),
                            size: [rows.len(), target.count[1]],
                            width,
                            bias: bias.map_or(std::ptr::null(), |bias| bias.at(block * LANES)),
                            accumulate: target.accumulate,
                            finite,
                        },
                    );
                    if WRITE {
                        // while the rows are near
                        finish.in_place(self.way.isa, block, target.data, at, rows.len() * width);
                    }
                }
            }
        }
    }

    /// Computes what was not finite as the direct kernel does.
    ///
    /// # Safety
    /// That of [`run`].
    unsafe fn leave_to_direct(&self, strip: &Strip, group: usize, photos: Vec<usize>) {
        for photo in photos {
            let rows = strip.rows.start * SIDE..(strip.rows.end * SIDE).min(self.work.target.count[0]);
            // SAFETY: the caller's; the same photos, rows and channels.
            unsafe {
                let plan = direct::Plan::new(self.way, self.work);
                plan.run_task(photo..photo + 1, rows, self.panel_groups[group].clone());
            }
        }
    }
}

/// How much each task of a convolution has to do.
#[cfg(test)]
pub(super) fn task_sizes(way: Way, work: Work) -> Vec<usize> {
    let plan = Plan::new(way, work, None);
    let strips = (0..plan.photos.len() * plan.rows.len()).map(|strip| plan.strip(strip));
    let of =
        |strip: Strip, group: &Range<usize>| strip.photos.len() * plan.of_photo(&strip) * plan.blocks_of(group).len();
    strips
        .flat_map(|strip| plan.panel_groups.iter().map(move |group| (strip.clone(), group)))
        .map(|(s, g)| of(s, g))
        .collect()
}
