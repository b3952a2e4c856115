//! Direct convolution out of tile products: splits a strip of the map into bf16 parts once, and sums the window's
//! taps over the same split lines.
//!
//! Outputs are counted along the padded rows of a strip, so that sixteen neighbours are one tile whatever the map's
//! width; those that fall between two rows are thrown away. A stride splits the strip into the pixels of each phase,
//! which are neighbours again. Values that no bf16 holds (infinities, NaN) are left to the vector kernels.

use std::ops::Range;
use std::sync::atomic::{AtomicBool, Ordering};

use super::access::{In, Out, scratch};
use super::direct::{self, Source, Target, Window, Work};
use super::finish::{Finish, Lines};
use super::parts::{LINE, Splitter};
use super::plan::{Way, pieces, tasks_wanted};
use super::product_of_tiles::{Block, SUMS, Unit, tiles_of};
use super::simd::{Isa, LANES, ask_to_read, ask_to_write};
use super::split_weights::{Depth, PANEL, SplitWeights, pack};
use super::strips::{Laid, Shape};
use super::threads::parallel;
use super::tiles::{Engine, Job, TILE, Task, Tiles, lines, on_machine};
use super::unfold::Unfold;

/// Bytes of a split strip: what stays in a core's second-level cache beside a panel of weights.
const STRIP: usize = 512 << 10;

/// Pairs of blocks that are split at once where several share a strip.
const PAIRS: usize = 4;

/// Whether what a convolution sums fills more than half of a tile's depth.
pub(super) fn is_deep(source: &Source, window: &Window) -> bool {
    !Depth::new(source.blocks, source.planes, window.size).is_shallow()
}

/// Whether a convolution has enough to do for tiles: by what a photo has, so that its values are the same in any company.
pub(super) fn serves(work: &Work) -> bool {
    let Work { source, window, target, .. } = work;
    let wide = !source.planes && target.blocks > 1;
    // one place is not worth the splitting of its weights
    let is_one = window.is_point() && target.count == [1, 1];
    (is_deep(source, window) || wide) && !is_one
}

/// Convolves as [`direct::run`] does; false where weights are left to it.
///
/// # Safety
/// That of [`direct::run`].
pub(super) unsafe fn run(way: Way, tiles: Tiles, work: Work, split: Option<&SplitWeights>) -> bool {
    // SAFETY: the caller's.
    unsafe { on_machine(tiles, Whole { way, work, split }) }
}

/// Splits the weights of a convolution to `outputs` blocks of channels.
///
/// # Safety
/// `weights` must be good for the panels of the window.
pub(super) unsafe fn split(way: Way, tiles: Tiles, depth: Depth, outputs: usize, weights: In) -> SplitWeights {
    // SAFETY: the caller's.
    unsafe { on_machine(tiles, SplitAlone { way, depth, outputs, weights }) }
}

struct SplitAlone {
    way: Way,
    depth: Depth,
    outputs: usize,
    weights: In,
}

impl Task for SplitAlone {
    type Output = SplitWeights;

    unsafe fn run<E: Engine, const PARTS: usize>(self) -> SplitWeights {
        let SplitAlone { way, depth, outputs, weights } = self;
        // SAFETY: the caller's.
        unsafe { pack::<E, PARTS>(way, depth, outputs, weights) }
    }
}

/// A convolution, before its kernels are chosen.
struct Whole<'a> {
    way: Way,
    work: Work,
    split: Option<&'a SplitWeights>,
}

impl Task for Whole<'_> {
    type Output = bool;

    unsafe fn run<E: Engine, const PARTS: usize>(self) -> bool {
        let Whole { way, work, split } = self;
        let Work { weights, target, .. } = work;
        let plan = Plan::new::<PARTS>(way.isa, work);
        let mut own = None;
        if split.is_none() {
            // SAFETY: the caller's.
            own = unsafe { pack::<E, PARTS>(way, plan.depth, target.blocks, weights) };
        }
        let Some(split_weights) = split.unwrap_or(&own) else {
            return false;
        };
        let split_weights = In(split_weights.as_ptr().cast::<u8>());
        let vectors = |photos: Range<usize>, rows: Range<usize>, panels: &Range<usize>| {
            let blocks = panels.start * PANEL..(panels.end * PANEL).min(target.blocks);
            let narrow = blocks.start / way.panel..blocks.end.div_ceil(way.panel);
            let rows = plan.rows_of(rows);
            // SAFETY: the caller's; the same photos, rows and channels as the task's.
            unsafe { direct::Plan::new(way, work).run_task(photos, rows, narrow) }
        };
        let strips = plan.photos.len() * plan.rows.len();
        let groups = plan.panel_groups.len();
        if groups == 1 {
            parallel(strips, &|strip| {
                let (photos, rows) = plan.strip(strip);
                let laid = plan.laid(&photos, &rows);
                let finite = scratch(laid.bytes(PARTS) / size_of::<f32>(), |memory| {
                    let memory = memory.cast::<u8>();
                    // SAFETY: the caller's; the scratch memory holds the strip; a task writes its own photos and rows.
                    unsafe {
                        let finite = plan.split::<E, PARTS>(laid, 0..laid.pairs, &photos, &rows, memory);
                        if finite {
                            let (photos, rows, panels) = (&photos, &rows, &plan.panel_groups[0]);
                            let (from, weights) = (memory.cast_const(), split_weights.at(0));
                            E::run(Cover::<PARTS> { plan: &plan, laid, photos, rows, panels, from, weights });
                        }
                        finite
                    }
                });
                if !finite {
                    vectors(photos, rows, &plan.panel_groups[0]);
                }
            });
            return true;
        }
        // few strips and many channels: the strips are split first, then shared
        let sizes = (0..strips).map(|s| {
            let (photos, rows) = plan.strip(s);
            plan.laid(&photos, &rows).bytes(PARTS)
        });
        let bytes = sizes.max().unwrap_or(0).next_multiple_of(LINE);
        let mut memory = lines(bytes * strips);
        let first = Out(memory.as_mut_ptr().cast::<u8>());
        let strange: Vec<_> = (0..strips).map(|_| AtomicBool::new(false)).collect();
        let pairs = plan.depth.blocks().div_ceil(2);
        let shares: Vec<_> = pieces(pairs, if plan.source.planes { pairs } else { PAIRS }).collect();
        parallel(strips * shares.len(), &|task| {
            let (strip, share) = (task / shares.len(), task % shares.len());
            let (photos, rows) = plan.strip(strip);
            let laid = plan.laid(&photos, &rows);
            // SAFETY: the caller's; each strip has memory of its own, and each pair.
            let finite = unsafe {
                let to = first.at(strip * bytes);
                plan.split::<E, PARTS>(laid, shares[share].clone(), &photos, &rows, to)
            };
            if !finite {
                strange[strip].store(true, Ordering::Relaxed);
            }
        });
        parallel(strips * groups, &|task| {
            let (strip, group) = (task / groups, task % groups);
            let (photos, rows) = plan.strip(strip);
            if strange[strip].load(Ordering::Relaxed) {
                return vectors(photos, rows, &plan.panel_groups[group]);
            }
            let laid = plan.laid(&photos, &rows);
            // SAFETY: the caller's; a task writes its own photos, rows and channels.
            unsafe {
                let (from, weights) = (first.at(strip * bytes).cast_const(), split_weights.at(0));
                let (photos, rows, panels) = (&photos, &rows, &plan.panel_groups[group]);
                E::run(Cover::<PARTS> { plan: &plan, laid, photos, rows, panels, from, weights });
            }
        });
        true
    }
}

struct Plan {
    isa: Isa,
    source: Source,
    target: Target,
    finish: Finish,
    window: Window,
    depth: Depth,
    /// Outputs of a row of the map.
    across: usize,
    shape: Shape,
    photos: Vec<Range<usize>>,
    rows: Vec<Range<usize>>,
    /// Panels of output channels that a task takes.
    panel_groups: Vec<Range<usize>>,
}

impl Plan {
    fn new<const PARTS: usize>(isa: Isa, work: Work) -> Plan {
        let depth = Depth::new(work.source.blocks, work.source.planes, work.window.size);
        // planes come unfolded: what a place sees are its channels, under a window of one point
        let across = work.target.count[1];
        let (flat, Work { images, source, target, window, finish, .. }) =
            if work.source.planes { (true, work.on_one_row()) } else { work.flattened() };
        let shape = Shape::new(if source.planes { Window::POINT } else { window }, flat, target.count);
        let place = depth.blocks().div_ceil(2) * PARTS * LINE;
        let row = if flat { place } else { place * shape.phases() * (target.count[1] + shape.beyond[1]) };
        let extent = if flat { target.count[1] } else { target.count[0] };
        let most = STRIP / row.max(1);
        let rows: Vec<_> = if source.planes {
            pieces(extent / across, (most / across).max(2)).map(|r| r.start * across..r.end * across).collect()
        } else {
            pieces(extent, if flat { most.max(64).next_multiple_of(2 * LANES) } else { most.max(2) }).collect()
        };
        let photos_at_once = if rows.len() > 1 { 1 } else { (STRIP / (extent * row).max(1)).clamp(1, 8) };
        let photos: Vec<_> = pieces(images, photos_at_once).collect();
        let panels = target.blocks.div_ceil(PANEL);
        let wanted = tasks_wanted(images, 16).div_ceil(photos.len() * rows.len());
        let groups = wanted.min(panels.div_ceil(2)).max(1);
        let panel_groups = pieces(panels, panels.div_ceil(groups)).collect();
        Plan { isa, source, target, finish, window, depth, across, shape, photos, rows, panel_groups }
    }

    fn strip(&self, strip: usize) -> (Range<usize>, Range<usize>) {
        (self.photos[strip / self.rows.len()].clone(), self.rows[strip % self.rows.len()].clone())
    }

    fn laid(&self, photos: &Range<usize>, rows: &Range<usize>) -> Laid {
        self.shape.laid(self.depth.blocks(), photos.len(), rows.len())
    }

    /// Rows of the map as the vector kernels count them.
    fn rows_of(&self, rows: Range<usize>) -> Range<usize> {
        if self.source.planes { rows.start / self.across..rows.end / self.across } else { rows }
    }

    /// Splits `pairs` of a strip; whether all was finite.
    ///
    /// # Safety
    /// The source must be good for the strip, `to` for it laid out; all pairs of planes are split at once.
    unsafe fn split<E: Engine, const PARTS: usize>(
        &self,
        laid: Laid,
        pairs: Range<usize>,
        photos: &Range<usize>,
        rows: &Range<usize>,
        to: *mut u8,
    ) -> bool {
        // SAFETY: the caller's.
        unsafe {
            if self.source.planes {
                let (source, window, across) = (&self.source, self.window, self.across);
                let rows = self.rows_of(rows.clone());
                E::run(Unfold::<PARTS> { source, window, across, laid, photos, rows, to })
            } else {
                E::run(Split::<PARTS> { plan: self, laid, pairs, photos, rows, to })
            }
        }
    }
}

/// How much each task of a convolution has to do.
#[cfg(test)]
pub(super) fn task_sizes(work: Work) -> Vec<usize> {
    let plan = Plan::new::<2>(Isa::Plain, work);
    let across = if plan.shape.flat { 1 } else { plan.target.count[1] };
    let strips = (0..plan.photos.len() * plan.rows.len()).map(|strip| plan.strip(strip));
    let groups = &plan.panel_groups;
    strips.flat_map(|(photos, rows)| groups.iter().map(move |g| photos.len() * rows.len() * across * g.len())).collect()
}

/// Splits a strip into parts.
struct Split<'a, const PARTS: usize> {
    plan: &'a Plan,
    laid: Laid,
    /// Pairs of blocks of input channels.
    pairs: Range<usize>,
    photos: &'a Range<usize>,
    rows: &'a Range<usize>,
    to: *mut u8,
}

impl<const PARTS: usize> Job for Split<'_, PARTS> {
    /// Whether all was finite.
    type Output = bool;

    #[inline(always)]
    unsafe fn run<U: Unit, S: Splitter>(self) -> bool {
        let Split { plan, laid, pairs, photos, rows, to } = self;
        let mut finite = true;
        for pair in pairs {
            for phase in 0..laid.phases {
                for (i, photo) in photos.clone().enumerate() {
                    let plane =
                        pair * PARTS * laid.part() + phase * laid.phase() + i * laid.plane[0] * laid.plane[1] * LINE;
                    for y in 0..laid.plane[0] {
                        let row = Row { plan, laid: &laid, photo, pair, first: plan.shape.first(rows.start, phase), y };
                        // SAFETY: the caller's.
                        finite &= unsafe { row.split::<S, PARTS>(to.add(plane + y * laid.plane[1] * LINE)) };
                    }
                }
            }
        }
        finite
    }
}

/// A row of a strip.
struct Row<'a> {
    plan: &'a Plan,
    laid: &'a Laid,
    photo: usize,
    pair: usize,
    first: [isize; 2],
    y: usize,
}

impl Row<'_> {
    /// Splits the row, with zeros where it lies outside; whether all was finite.
    ///
    /// # Safety
    /// The source must be good for the map, `line` for the row in every part.
    #[inline(always)]
    unsafe fn split<S: Splitter, const PARTS: usize>(&self, mut line: *mut u8) -> bool {
        let Source { data, image, blocks, size: [height, width], .. } = self.plan.source;
        let stride = self.plan.shape.window.stride;
        let (across, part) = (self.laid.plane[1], self.laid.part());
        let block = height * width * LANES;
        let row = self.first[0] + (self.y * stride) as isize;
        let row = usize::try_from(row).ok().filter(|&row| row < height);
        let inside = row.map_or(0..0, |_| {
            let start = (-self.first[1]).max(0).unsigned_abs().div_ceil(stride).min(across);
            let end = (width as isize - self.first[1]).max(0).unsigned_abs().div_ceil(stride);
            start..end.clamp(start, across)
        });
        let none = std::ptr::null();
        let mut finite = true;
        // SAFETY: the caller's; `row` and `inside` keep to the map.
        unsafe {
            for _ in 0..inside.start {
                S::split::<PARTS>(none, none, line, part);
                line = line.add(LINE);
            }
            let column = self.first[1] + (inside.start * stride) as isize;
            let a = data
                .at(self.photo * image + 2 * self.pair * block + row.unwrap_or(0) * width * LANES)
                .wrapping_offset(column * LANES as isize);
            let both = 2 * self.pair + 1 < blocks;
            let lines = [a, if both { a.wrapping_add(block) } else { none }];
            // apart, so that the loop without scales looks for none
            finite &= if self.plan.source.scale.is_none() {
                self.lines::<S, PARTS>(inside.len(), lines, [none; 2], line)
            } else {
                let scale = |b: usize| self.plan.source.scales(self.photo, 2 * self.pair + b);
                self.lines::<S, PARTS>(inside.len(), lines, [scale(0), if both { scale(1) } else { none }], line)
            };
            line = line.add(inside.len() * LINE);
            for _ in inside.end..across {
                S::split::<PARTS>(none, none, line, part);
                line = line.add(LINE);
            }
        }
        finite
    }

    /// Splits `count` places inside, from the lines of the pair's blocks on; whether all was finite.
    ///
    /// # Safety
    /// That of [`Row::split`].
    #[inline(always)]
    unsafe fn lines<S: Splitter, const PARTS: usize>(
        &self,
        count: usize,
        [mut a, mut b]: [*const f32; 2],
        scales: [*const f32; 2],
        mut line: *mut u8,
    ) -> bool {
        let (step, part) = (self.plan.shape.window.stride * LANES, self.laid.part());
        let step_of_b = if b.is_null() { 0 } else { step };
        let mut finite = true;
        for _ in 0..count {
            // SAFETY: the caller's.
            unsafe {
                finite &= S::split_scaled::<PARTS>([a, b], scales, line, part);
                line = line.add(LINE);
            }
            (a, b) = (a.wrapping_add(step), b.wrapping_add(step_of_b));
        }
        finite
    }
}

/// Covers the outputs of a strip with blocks.
struct Cover<'a, const PARTS: usize> {
    plan: &'a Plan,
    laid: Laid,
    photos: &'a Range<usize>,
    rows: &'a Range<usize>,
    /// Panels of output channels.
    panels: &'a Range<usize>,
    from: *const u8,
    weights: *const u8,
}

#[repr(align(64))]
struct Sums([f32; SUMS]);

impl<const PARTS: usize> Job for Cover<'_, PARTS> {
    type Output = ();

    #[inline(always)]
    unsafe fn run<U: Unit, S: Splitter>(self) {
        let Cover { plan, laid, photos, rows, panels, from, weights } = self;
        let taps: Vec<_> =
            plan.shape.each_tap(&laid).map(|(phase, places)| phase * laid.phase() + places * LINE).collect();
        let plane = laid.plane[0] * laid.plane[1];
        let [count_down, count_across] =
            if plan.shape.flat { [1, rows.len()] } else { [rows.len(), plan.target.count[1]] };
        // maps without padding are one row of pixels over all photos
        let runs: Vec<Range<usize>> = if plan.shape.flat {
            Vec::from([Range { start: 0, end: laid.photos * plane }])
        } else {
            let length = (count_down - 1) * laid.plane[1] + count_across;
            (0..laid.photos).map(|photo| photo * plane..photo * plane + length).collect()
        };
        let panel_bytes = laid.pairs * taps.len() * PARTS * PANEL * TILE;
        let mut sums = Sums([0.0; SUMS]);
        let Target { size: [height, width], accumulate, .. } = plan.target;
        let target_block = height * width * LANES;
        let as_they_are = plan.shape.flat && plan.finish.is_none() && !accumulate;
        // SAFETY: the caller's.
        unsafe {
            U::begin();
            for panel in panels.clone() {
                let columns = PANEL.min(plan.target.blocks - panel * PANEL);
                let step = PARTS * columns * TILE;
                let steps: Vec<_> = taps.iter().enumerate().map(|(i, &tap)| [tap, i * step]).collect();
                for run in &runs {
                    for start in run.clone().step_by(2 * LANES) {
                        let here = (run.end - start).min(2 * LANES);
                        let block = Block {
                            left: from.add(start * LINE),
                            right: weights.add(panel * panel_bytes),
                            rounds: laid.pairs,
                            round: [PARTS * laid.part(), taps.len() * step],
                            steps: &steps,
                            part: [laid.part(), columns * TILE],
                            second: [TILE, TILE],
                            rows: here.div_ceil(LANES),
                            columns,
                            add: false,
                        };
                        let places = Places {
                            plan,
                            first_photo: photos.start,
                            first_row: rows.start,
                            size: [count_down, count_across],
                            plane: laid.plane,
                        };
                        let mut to = tiles_of(sums.0.as_mut_ptr());
                        let first_block = panel * PANEL;
                        let mut copied = start..start + here;
                        if as_they_are {
                            // a tile that lies in the target as it is goes there
                            for row in 0..here.div_ceil(LANES) {
                                let from = start + row * LANES;
                                let Some(there) = places.whole(from, first_block) else { break };
                                to[2 * row] = there;
                                if columns > 1 {
                                    to[2 * row + 1] = there.add(target_block);
                                }
                                copied.start = from + LANES;
                            }
                        }
                        places.ask_for(start, here, first_block, columns);
                        U::block::<PARTS>(&block, to);
                        if copied.start < copied.end {
                            places.store(&sums, start, copied, first_block, columns);
                        }
                    }
                }
            }
            U::end();
        }
    }
}

/// Where outputs go.
struct Places<'a> {
    plan: &'a Plan,
    first_photo: usize,
    first_row: usize,
    size: [usize; 2],
    plane: [usize; 2],
}

impl Places<'_> {
    /// Photo, row and column of a place of the strip.
    #[inline(always)]
    fn spot(&self, place: usize) -> [usize; 3] {
        let [rows, across] = self.plane;
        let in_photo = place % (rows * across);
        [place / (rows * across), in_photo / across, in_photo % across]
    }

    /// Where a spot lies in a block of the target, in values.
    #[inline(always)]
    fn offset(&self, [photo, y, x]: [usize; 3], block: usize) -> usize {
        let Target { image, size: [height, width], step, first, .. } = self.plan.target;
        let [first_row, first_column] = if self.plan.shape.flat { [0, self.first_row] } else { [self.first_row, 0] };
        let (row, column) = ((first_row + y) * step + first[0], (first_column + x) * step + first[1]);
        (self.first_photo + photo) * image + ((block * height + row) * width + column) * LANES
    }

    /// Asks for the lines of the target that a block from place `start` on will write, and for what is added to them, so
    /// that they are near when its products are done: a store would wait for its line.
    #[inline(always)]
    fn ask_for(&self, start: usize, here: usize, first_block: usize, columns: usize) {
        let Target { data, step, .. } = self.plan.target;
        for b in 0..columns {
            let there = self.offset(self.spot(start), first_block + b);
            for i in 0..here {
                let line = there + i * step * LANES;
                ask_to_write(data.0.wrapping_add(line));
                if let Some(residual) = self.plan.finish.residual {
                    ask_to_read(residual.0.wrapping_add(line));
                }
            }
        }
    }

    /// Where sixteen places from `from` on lie in the target of a flat shape, if all in one photo.
    ///
    /// # Safety
    /// The target must be good for them.
    #[inline(always)]
    unsafe fn whole(&self, from: usize, first_block: usize) -> Option<*mut f32> {
        let spot = self.spot(from);
        // SAFETY: the caller's.
        (spot[2] + LANES <= self.plane[1]).then(|| unsafe { self.plan.target.data.at(self.offset(spot, first_block)) })
    }

    /// Brings the sums of the places `from`, of a block that begins at `start`, to the target, without those between
    /// rows.
    ///
    /// # Safety
    /// The target and what it is finished with must be good for them.
    unsafe fn store(&self, sums: &Sums, start: usize, from: Range<usize>, first_block: usize, columns: usize) {
        let Target { data, step, accumulate, .. } = self.plan.target;
        let finish = &self.plan.finish;
        let [rows, across] = self.plane;
        let [mut photo, mut y, mut x] = self.spot(from.start);
        let mut at = from.start - start;
        let end = from.end - start;
        while at < end {
            let run = (across - x).min(end - at);
            let kept = if y < self.size[0] { self.size[1].saturating_sub(x).min(run) } else { 0 };
            if kept > 0 {
                for b in 0..columns {
                    // SAFETY: the caller's.
                    unsafe {
                        let there = self.offset([photo, y, x], first_block + b);
                        let to = data.at(there);
                        let residual = if accumulate { to.cast_const() } else { finish.residual_at(there) };
                        let lines = Lines {
                            from: sums.0.as_ptr().add(b * LANES * LANES),
                            first: at,
                            sixteen: 2 * LANES * LANES,
                            count: kept,
                            to,
                            residual,
                            step: step * LANES,
                        };
                        finish.run(self.plan.isa, first_block + b, lines);
                    }
                }
            }
            at += run;
            x += run;
            if x == across {
                (x, y) = (0, y + 1);
                if y == rows {
                    (y, photo) = (0, photo + 1);
                }
            }
        }
    }
}
