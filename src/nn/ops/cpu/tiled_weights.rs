//! The gradient of a convolution's weights out of tile products.
//!
//! What is summed here are places: a line of the input's sixteen channels at two neighbouring places, times the same
//! two places of a channel of the output's gradient, which is turned round for that. A tap of the window looks some
//! places further on; where that is an odd number, the pairs begin one place later, so that the input is split twice.
//! Sums are `[16 outputs][16 inputs]` for each pair of blocks and tap; photos are summed in groups, added in order.

use std::ops::Range;
use std::sync::atomic::{AtomicBool, Ordering};

use super::access::{Out, scratch};
#[cfg(test)]
use super::direct::Work;
use super::direct::{Source, Strip, Window};
use super::parts::{LINE, Splitter};
use super::plan::{Way, is_large, pieces, tasks_wanted};
use super::product_of_tiles::{Block, SUMS, Unit, tiles_of};
use super::simd::LANES;
use super::strips::{Laid, Shape};
use super::threads::parallel;
use super::tiles::{Engine, Job, TILE, Task, Tiles, lines, on_machine};
use super::weights::{Gradient, groups_of_photos};

/// Places that are summed before sums go back to memory.
const PLACES: usize = 1024;
/// Pairs of blocks of output channels that a task takes where there are many.
const OUTS: usize = 4;
/// Bytes of a split strip of the input where a task has one to itself.
const STRIP: usize = 1 << 20;

/// Adds as `weights::run` does; false, and nothing added, where values are left to it.
///
/// # Safety
/// That of `weights::run`.
pub(super) unsafe fn run(
    way: Way,
    tiles: Tiles,
    images: usize,
    source: Source,
    gradient: Gradient,
    window: Window,
    into: &mut [f32],
) -> bool {
    let task = Whole { way, images, source, gradient, window, into };
    // SAFETY: the caller's.
    unsafe { on_machine(tiles, task) }
}

/// The whole gradient, before its kernels are chosen.
struct Whole<'a> {
    way: Way,
    images: usize,
    source: Source,
    gradient: Gradient,
    window: Window,
    into: &'a mut [f32],
}

impl Task for Whole<'_> {
    type Output = bool;

    unsafe fn run<E: Engine, const PARTS: usize>(self) -> bool {
        let Whole { way, images, source, gradient, window, into } = self;
        let plan = Plan::new::<PARTS>(images, source, gradient, window, into.len());
        let groups = plan.groups.len();
        let length = plan.pairs_out() * plan.sums_of_pair();
        let mut sums = lines(length * groups * size_of::<f32>());
        let sums = Out(sums.as_mut_ptr().cast::<u8>());
        // SAFETY: the caller's.
        let finite = unsafe {
            if groups > 1 { plan.by_groups::<E, PARTS>(sums, length) } else { plan.together::<E, PARTS>(sums) }
        };
        if !finite {
            return false;
        }
        let into = Out::from(into);
        parallel(plan.pairs_out(), &|pair| {
            for group in 0..groups {
                // SAFETY: the caller's; a task adds to its own blocks of output channels.
                unsafe {
                    let sums = sums.at(group * length * size_of::<f32>()).cast();
                    E::run(Gather { plan: &plan, way, pair, sums, into });
                }
            }
        });
        true
    }
}

impl Plan {
    /// Few weights: each group of photos has sums of its own, and a task for itself. Whether all was finite.
    ///
    /// # Safety
    /// That of [`run`]; `sums` must be good for `length` values a group.
    unsafe fn by_groups<E: Engine, const PARTS: usize>(&self, sums: Out<u8>, length: usize) -> bool {
        let strange = AtomicBool::new(false);
        parallel(self.groups.len(), &|group| {
            let mut add = false;
            for strip in self.strips(&self.groups[group]) {
                if strange.load(Ordering::Relaxed) {
                    return;
                }
                let inputs = self.source.blocks * strip.block(PARTS);
                let outputs = self.gradient.blocks * strip.gradient_block(PARTS);
                let bytes = inputs + outputs + strip.plain(PARTS);
                let finite = scratch(bytes / size_of::<f32>(), |memory| {
                    let right = memory.cast::<u8>();
                    // SAFETY: the caller's; the scratch memory holds the parts; a group has sums of its own.
                    unsafe {
                        let left = right.add(inputs);
                        let plain = left.add(outputs);
                        let sums = sums.at(group * length * size_of::<f32>()).cast();
                        let strip = &strip;
                        let finite = E::run(Split::<PARTS> { strip, blocks: 0..self.blocks(), right, left, plain });
                        if finite {
                            let (outs, ins) = (0..self.pairs_out(), 0..self.pairs_in());
                            E::run(Multiply::<PARTS> { strip, outs, ins, right, left, sums, add });
                        }
                        finite
                    }
                });
                if !finite {
                    strange.store(true, Ordering::Relaxed);
                }
                add = true;
            }
        });
        !strange.into_inner()
    }

    /// Many weights: tasks share what was split, and each has sums of its own. Whether all was finite.
    ///
    /// # Safety
    /// That of [`run`]; `sums` must be good for the sums of all pairs.
    unsafe fn together<E: Engine, const PARTS: usize>(&self, sums: Out<u8>) -> bool {
        let strips: Vec<_> = self.strips(&self.groups[0]).collect();
        let sizes = |strip: &Places| {
            (self.source.blocks * strip.block(PARTS), self.gradient.blocks * strip.gradient_block(PARTS))
        };
        let most = strips.iter().map(sizes).fold((0, 0), |a, b| (a.0.max(b.0), a.1.max(b.1)));
        let mut memory = lines(most.0 + most.1);
        let right = Out(memory.as_mut_ptr().cast::<u8>());
        let [outs, ins] = self.shares();
        for (i, strip) in strips.iter().enumerate() {
            let strange = AtomicBool::new(false);
            parallel(self.blocks(), &|block| {
                let finite = scratch(strip.plain(PARTS) / size_of::<f32>(), |plain| {
                    // SAFETY: the caller's; a task splits its own block.
                    unsafe {
                        let (right, left, plain) = (right.at(0), right.at(most.0), plain.cast());
                        E::run(Split::<PARTS> { strip, blocks: block..block + 1, right, left, plain })
                    }
                });
                if !finite {
                    strange.store(true, Ordering::Relaxed);
                }
            });
            if strange.into_inner() {
                return false;
            }
            parallel(outs.len() * ins.len(), &|task| {
                let (outs, ins) = (outs[task / ins.len()].clone(), ins[task % ins.len()].clone());
                // SAFETY: the caller's; a task has its own pairs of blocks.
                unsafe {
                    let (right, left, sums) = (right.at(0), right.at(most.0), sums.at(0).cast());
                    E::run(Multiply::<PARTS> { strip, outs, ins, right, left, sums, add: i > 0 });
                }
            });
        }
        true
    }

    /// The strips of `photos`, in order.
    fn strips(&self, photos: &Range<usize>) -> impl Iterator<Item = Places<'_>> {
        pieces_of(photos, self.photos_at_once).flat_map(move |photos| {
            self.rows.iter().map(move |rows| Places { plan: self, photos: photos.clone(), rows: rows.clone() })
        })
    }

    /// Pairs of blocks of output and input channels that the tasks of [`Plan::together`] take.
    fn shares(&self) -> [Vec<Range<usize>>; 2] {
        let (pairs_out, pairs_in) = (self.pairs_out(), self.pairs_in());
        // a task's blocks of the gradient stay close while the input's pass by; enough tasks for many threads
        let wanted = tasks_wanted(self.images, 32);
        let most = if is_large(self.images) { (pairs_out * pairs_in / wanted).clamp(1, OUTS) } else { OUTS };
        let outs: Vec<_> = pieces(pairs_out, most).collect();
        let cuts = wanted.div_ceil(outs.len()).min(pairs_in);
        [outs, pieces(pairs_in, pairs_in.div_ceil(cuts)).collect()]
    }

    /// Blocks of the input, then of the gradient.
    fn blocks(&self) -> usize {
        self.source.blocks + self.gradient.blocks
    }
}

/// `range` in pieces of at most `most`.
fn pieces_of(range: &Range<usize>, most: usize) -> impl Iterator<Item = Range<usize>> {
    let start = range.start;
    pieces(range.len(), most).map(move |piece| start + piece.start..start + piece.end)
}

struct Plan {
    images: usize,
    source: Source,
    gradient: Gradient,
    shape: Shape,
    /// Photos that are summed together.
    groups: Vec<Range<usize>>,
    photos_at_once: usize,
    rows: Vec<Range<usize>>,
    /// How often the input is split: once where every tap looks an even number of places on.
    twice: bool,
}

impl Plan {
    fn new<const PARTS: usize>(
        images: usize,
        mut source: Source,
        mut gradient: Gradient,
        window: Window,
        weights: usize,
    ) -> Plan {
        let flat = window.is_point() && window.stride == 1;
        if flat {
            source.size = [1, source.size[0] * source.size[1]];
            gradient.size = source.size;
        }
        let shape = Shape::new(window, flat, gradient.size);
        let twice = !window.is_point();
        let copies = 1 + usize::from(twice);
        let groups = groups_of_photos(images, weights);
        let place = source.blocks * PARTS * LINE / 2 * copies * shape.phases();
        let most = if groups.len() > 1 { (STRIP / place.max(1)).clamp(256, PLACES) } else { PLACES };
        let (extent, row) =
            if flat { (gradient.size[1], 1) } else { (gradient.size[0], gradient.size[1] + shape.beyond[1]) };
        let at_once = if flat { most } else { (most / row).max(2) };
        let rows: Vec<_> = pieces(extent, at_once).collect();
        let photos_at_once = if rows.len() > 1 { 1 } else { (most / (extent * row).max(1)).max(1) };
        Plan { images, source, gradient, shape, groups, photos_at_once, rows, twice }
    }

    fn pairs_out(&self) -> usize {
        self.gradient.blocks.div_ceil(2)
    }

    fn pairs_in(&self) -> usize {
        self.source.blocks.div_ceil(2)
    }

    /// Values of the sums of a pair of blocks of output channels.
    fn sums_of_pair(&self) -> usize {
        self.pairs_in() * self.shape.taps() * SUMS
    }
}

/// How much each task of a gradient has to do.
#[cfg(test)]
pub(super) fn task_sizes(work: &Work, gradient: Gradient, weights: usize) -> Vec<usize> {
    let plan = Plan::new::<2>(work.images, work.source, gradient, work.window, weights);
    if plan.groups.len() > 1 {
        return plan.groups.iter().map(Range::len).collect();
    }
    let [outs, ins] = plan.shares();
    outs.iter().flat_map(|outs| ins.iter().map(|ins| outs.len() * ins.len())).collect()
}

/// Some rows of some photos.
struct Places<'a> {
    plan: &'a Plan,
    photos: Range<usize>,
    rows: Range<usize>,
}

impl Places<'_> {
    fn laid(&self) -> Laid {
        self.plan.shape.laid(self.plan.source.blocks, self.photos.len(), self.rows.len())
    }

    /// Places of a photo in a phase, an even number.
    fn plane(&self) -> usize {
        let [down, across] = self.laid().plane;
        let plane = down * across;
        if self.plan.shape.flat { plane } else { plane.next_multiple_of(2) }
    }

    /// Places that have outputs, and those between them.
    fn runs(&self) -> Vec<Range<usize>> {
        let plane = self.plane();
        if self.plan.shape.flat {
            return Vec::from([Range { start: 0, end: plane * self.photos.len() }]);
        }
        let length = (self.rows.len() - 1) * self.laid().plane[1] + self.plan.gradient.size[1];
        (0..self.photos.len()).map(|photo| photo * plane..photo * plane + length).collect()
    }

    /// Steps of thirty-two places.
    fn steps(&self) -> usize {
        self.runs().iter().map(|run| run.len().div_ceil(2 * LANES)).sum()
    }

    /// Lines of a phase laid out, with zeros behind for the last step of the last tap.
    fn lines(&self) -> usize {
        let laid = self.laid();
        let reach = self.plan.shape.beyond[0] * laid.plane[1] + self.plan.shape.beyond[1];
        (self.plane() * self.photos.len() + reach + 2 * LANES + 2).next_multiple_of(2)
    }

    /// Lines of pairs in one part.
    fn pairs(&self) -> usize {
        self.lines() / 2
    }

    /// Bytes of a block of the input: `[phases][copies][parts][pairs]` lines.
    fn block(&self, parts: usize) -> usize {
        self.plan.shape.phases() * (1 + usize::from(self.plan.twice)) * parts * self.pairs() * LINE
    }

    /// Bytes of a block of the gradient: `[steps][parts]` tiles.
    fn gradient_block(&self, parts: usize) -> usize {
        self.steps() * parts * TILE
    }

    /// Bytes of what is laid out at a time.
    fn plain(&self, parts: usize) -> usize {
        self.lines().max(self.steps() * 2 * LANES) * LINE + parts * TILE
    }
}

/// Splits blocks of the input, and behind them of the gradient.
struct Split<'a, const PARTS: usize> {
    strip: &'a Places<'a>,
    blocks: Range<usize>,
    right: *mut u8,
    left: *mut u8,
    plain: *mut u8,
}

impl<const PARTS: usize> Job for Split<'_, PARTS> {
    /// Whether all was finite.
    type Output = bool;

    #[inline(always)]
    unsafe fn run<U: Unit, S: Splitter>(self) -> bool {
        let Split { strip, blocks, right, left, plain } = self;
        let inputs = strip.plan.source.blocks;
        let mut finite = true;
        for block in blocks {
            // SAFETY: the caller's; all within what `Places` says.
            finite &= unsafe {
                if block < inputs {
                    strip.split_input::<S, PARTS>(block, right.add(block * strip.block(PARTS)), plain.cast())
                } else {
                    let tile = plain.add(strip.plain(PARTS) - PARTS * TILE);
                    let to = left.add((block - inputs) * strip.gradient_block(PARTS));
                    strip.turn_gradient::<S, PARTS>(block - inputs, to, plain.cast(), tile)
                }
            };
        }
        finite
    }
}

/// Adds what a strip gives to the sums of some pairs of blocks.
struct Multiply<'a, const PARTS: usize> {
    strip: &'a Places<'a>,
    /// Pairs of blocks of output channels.
    outs: Range<usize>,
    /// Pairs of blocks of input channels.
    ins: Range<usize>,
    right: *const u8,
    left: *const u8,
    sums: *mut f32,
    add: bool,
}

impl<const PARTS: usize> Job for Multiply<'_, PARTS> {
    type Output = ();

    #[inline(always)]
    unsafe fn run<U: Unit, S: Splitter>(self) {
        let Multiply { strip, outs, ins, right, left, sums, add } = self;
        let plan = strip.plan;
        let (inputs, outputs) = (plan.source.blocks, plan.gradient.blocks);
        let laid = strip.laid();
        let steps: Vec<_> = (strip.runs().iter())
            .flat_map(|run| run.clone().step_by(2 * LANES))
            .enumerate()
            .map(|(i, place)| [i * PARTS * TILE, place / 2 * LINE])
            .collect();
        let copies = 1 + usize::from(plan.twice);
        let part = strip.pairs() * LINE;
        let taps: Vec<_> = (plan.shape.each_tap(&laid))
            .map(|(phase, places)| (phase * copies + places % 2) * PARTS * part + places / 2 * LINE)
            .collect();
        // SAFETY: the caller's; all within what `Places` says.
        unsafe {
            U::begin();
            for pair in ins {
                for out in outs.clone() {
                    for (tap, from) in taps.iter().enumerate() {
                        let block = Block {
                            left: left.add(2 * out * strip.gradient_block(PARTS)),
                            right: right.add(2 * pair * strip.block(PARTS) + from),
                            rounds: 1,
                            round: [0, 0],
                            steps: &steps,
                            part: [TILE, part],
                            second: [strip.gradient_block(PARTS), strip.block(PARTS)],
                            rows: (outputs - 2 * out).min(2),
                            columns: (inputs - 2 * pair).min(2),
                            add,
                        };
                        let place = out * plan.sums_of_pair() + (pair * taps.len() + tap) * SUMS;
                        U::block::<PARTS>(&block, tiles_of(sums.add(place)));
                    }
                }
            }
            U::end();
        }
    }
}

impl Places<'_> {
    /// Splits a block of the input into pairs of places; whether all was finite.
    ///
    /// # Safety
    /// `to` must be good for [`Places::block`] bytes, `plain` for [`Places::lines`] lines.
    #[inline(always)]
    unsafe fn split_input<S: Splitter, const PARTS: usize>(&self, block: usize, to: *mut u8, plain: *mut f32) -> bool {
        let plan = self.plan;
        let Source { data, image, size: [height, width], .. } = plan.source;
        let [down, across] = self.laid().plane;
        let copies = 1 + usize::from(plan.twice);
        let mut finite = true;
        for phase in 0..plan.shape.phases() {
            // SAFETY: the caller's.
            unsafe {
                let mut from = plain.cast_const();
                let mut there = self.photos.len() * self.plane();
                if plan.shape.flat && self.photos.len() == 1 {
                    from = data.at(self.photos.start * image + (block * width + self.rows.start) * LANES);
                } else {
                    for (i, photo) in self.photos.clone().enumerate() {
                        let strip = Strip {
                            source: data.at(photo * image + block * height * width * LANES),
                            size: [height, width],
                            first: plan.shape.first(self.rows.start, phase),
                            every: plan.shape.window.stride,
                            target: plain.add(i * self.plane() * LANES),
                            extent: [down, across],
                        };
                        S::lay(strip);
                        let end = plain.add((i * self.plane() + down * across) * LANES);
                        end.write_bytes(0, (self.plane() - down * across) * LANES);
                    }
                    plain.add(there * LANES).write_bytes(0, (self.lines() - there) * LANES);
                    there = self.lines();
                }
                for copy in 0..copies {
                    let to = to.add((phase * copies + copy) * PARTS * self.pairs() * LINE);
                    let line = |at: usize| if at < there { from.add(at * LANES) } else { std::ptr::null() };
                    for pair in 0..self.pairs() {
                        let a = 2 * pair + copy;
                        finite &= S::split::<PARTS>(line(a), line(a + 1), to.add(pair * LINE), self.pairs() * LINE);
                    }
                }
            }
        }
        finite
    }

    /// Splits a block of the gradient into tiles of sixteen channels by thirty-two places; whether all was finite.
    ///
    /// # Safety
    /// `to` must be good for [`Places::gradient_block`] bytes, `plain` for the places of all steps, `tile` for a tile a
    /// part.
    #[inline(always)]
    unsafe fn turn_gradient<S: Splitter, const PARTS: usize>(
        &self,
        block: usize,
        to: *mut u8,
        plain: *mut f32,
        tile: *mut u8,
    ) -> bool {
        let Gradient { data, image, size: [height, width], .. } = self.plan.gradient;
        // SAFETY: the caller's.
        unsafe {
            let (from, there) = if self.plan.shape.flat && self.photos.len() == 1 {
                let start = block * height * width + self.rows.start;
                (data.at(self.photos.start * image + start * LANES), self.rows.len())
            } else {
                self.lay_gradient(block, plain);
                (plain.cast_const(), self.steps() * 2 * LANES)
            };
            let mut finite = true;
            for step in 0..self.steps() {
                for pair in 0..LANES {
                    let a = step * 2 * LANES + 2 * pair;
                    let line = |at: usize| if at < there { from.add(at * LANES) } else { std::ptr::null() };
                    finite &= S::split::<PARTS>(line(a), line(a + 1), tile.add(pair * LINE), TILE);
                }
                for part in 0..PARTS {
                    S::turn(tile.add(part * TILE), to.add((step * PARTS + part) * TILE));
                }
            }
            finite
        }
    }
}

impl Places<'_> {
    /// Lays out a block of the gradient: runs of whole steps, with zeros between rows and behind.
    ///
    /// # Safety
    /// `plain` must be good for the places of all steps.
    #[inline(always)]
    unsafe fn lay_gradient(&self, block: usize, plain: *mut f32) {
        let Gradient { data, image, size: [height, width], .. } = self.plan.gradient;
        let flat = self.plan.shape.flat;
        let across = self.laid().plane[1];
        let mut laid = 0;
        // SAFETY: the caller's.
        unsafe {
            let zeros = |laid: &mut usize, places: usize| {
                plain.add(*laid * LANES).write_bytes(0, places * LANES);
                *laid += places;
            };
            let copy = |laid: &mut usize, from: *const f32, places: usize| {
                plain.add(*laid * LANES).copy_from_nonoverlapping(from, places * LANES);
                *laid += places;
            };
            let whole_steps = |laid: &mut usize| {
                let missing = laid.next_multiple_of(2 * LANES) - *laid;
                zeros(laid, missing);
            };
            for photo in self.photos.clone() {
                let from = data.at(photo * image + block * height * width * LANES);
                if flat {
                    copy(&mut laid, from.add(self.rows.start * LANES), self.rows.len());
                    continue;
                }
                for y in self.rows.clone() {
                    copy(&mut laid, from.add(y * width * LANES), width);
                    if y + 1 < self.rows.end {
                        zeros(&mut laid, across - width);
                    }
                }
                whole_steps(&mut laid);
            }
            whole_steps(&mut laid);
        }
    }
}

/// Adds the sums of a pair of blocks of output channels to the panels of weights.
struct Gather<'a> {
    plan: &'a Plan,
    way: Way,
    pair: usize,
    sums: *const f32,
    into: Out,
}

#[repr(align(64))]
struct Turned([f32; LANES * LANES]);

impl Job for Gather<'_> {
    type Output = ();

    #[inline(always)]
    unsafe fn run<U: Unit, S: Splitter>(self) {
        let Gather { plan, way, pair, sums, into } = self;
        let (inputs, outputs, taps) = (plan.source.blocks, plan.gradient.blocks, plan.shape.taps());
        let mut turned = Turned([0.0; LANES * LANES]);
        for block in 2 * pair..(2 * pair + 2).min(outputs) {
            let first = block / way.panel * way.panel;
            let width = way.panel.min(outputs - first);
            for input in 0..inputs {
                for tap in 0..taps {
                    let tile = ((input / 2 * taps + tap) * 2 + block % 2) * 2 + input % 2;
                    // SAFETY: the caller's.
                    unsafe {
                        let from = sums.add(pair * plan.sums_of_pair() + tile * LANES * LANES);
                        S::turn(from.cast(), turned.0.as_mut_ptr().cast());
                        let to = first * inputs * taps * LANES * LANES + (block - first) * LANES;
                        for i in 0..LANES {
                            let to = into.at(to + ((input * taps + tap) * LANES + i) * width * LANES);
                            for o in 0..LANES {
                                *to.add(o) += turned.0[i * LANES + o];
                            }
                        }
                    }
                }
            }
        }
    }
}
