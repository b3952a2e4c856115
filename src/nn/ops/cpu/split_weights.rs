//! Weights of a convolution as bf16 parts, in the order in which tile products read them.

use std::ops::Range;
use std::sync::atomic::{AtomicBool, Ordering};

use super::access::{In, Out};
use super::parts::{LINE, Splitter};
use super::plan::{Way, panels};
use super::product_of_tiles::Unit;
use super::simd::LANES;
use super::threads::parallel;
use super::tiles::{Engine, Job, Line, TILE, lines};

/// Blocks of output channels that a panel of split weights holds.
pub(super) const PANEL: usize = 2;

/// Panels of split weights, `[panel][pairs][taps][parts][blocks][16 lines]`; none where a weight is not finite.
pub(super) type SplitWeights = Option<Vec<Line>>;

/// What a convolution sums for an output.
#[derive(Clone, Copy)]
pub(super) struct Depth {
    /// Values: rows of a panel of weights.
    rows: usize,
    /// Taps that lie apart from each other; of planes, all taps are channels of one.
    taps: usize,
}

impl Depth {
    /// Of `inputs` blocks, or planes.
    pub(super) fn new(inputs: usize, planes: bool, window: [usize; 2]) -> Depth {
        let taps = window[0] * window[1];
        if planes { Depth { rows: inputs * taps, taps: 1 } } else { Depth { rows: inputs * taps * LANES, taps } }
    }

    /// Whether a tile's depth would be more than half empty.
    pub(super) fn is_shallow(&self) -> bool {
        self.rows <= LANES
    }

    /// Blocks of channels that lie side by side.
    pub(super) fn blocks(&self) -> usize {
        (self.rows / self.taps).div_ceil(LANES)
    }
}

/// Splits panels of weights.
///
/// # Safety
/// `weights` must be good for the panels of the window.
pub(super) unsafe fn pack<E: Engine, const PARTS: usize>(
    way: Way,
    depth: Depth,
    out_blocks: usize,
    weights: In,
) -> SplitWeights {
    let Depth { taps, .. } = depth;
    let pairs = depth.blocks().div_ceil(2);
    let all = out_blocks.div_ceil(PANEL);
    let panel_bytes = pairs * taps * PARTS * PANEL * TILE;
    let mut memory = lines(all * panel_bytes);
    let to = Out(memory.as_mut_ptr().cast::<u8>());
    let strange = AtomicBool::new(false);
    let from: Vec<_> = panels(out_blocks, way.panel).collect();
    parallel(all, &|panel| {
        let from = &from;
        // SAFETY: the caller's; a task writes its own panel.
        let finite = unsafe {
            E::run(Pack::<PARTS> {
                from,
                way,
                depth,
                blocks: panel * PANEL..((panel + 1) * PANEL).min(out_blocks),
                weights,
                to: to.at(panel * panel_bytes),
            })
        };
        if !finite {
            strange.store(true, Ordering::Relaxed);
        }
    });
    (!strange.into_inner()).then_some(memory)
}

/// Splits a panel of weights.
struct Pack<'a, const PARTS: usize> {
    from: &'a [(usize, usize)],
    way: Way,
    depth: Depth,
    blocks: Range<usize>,
    weights: In,
    to: *mut u8,
}

impl<const PARTS: usize> Job for Pack<'_, PARTS> {
    type Output = bool;

    #[inline(always)]
    unsafe fn run<U: Unit, S: Splitter>(self) -> bool {
        let Pack { from, way, depth, blocks, weights, to } = self;
        let Depth { rows, taps } = depth;
        let columns = blocks.len();
        let tile = LANES * LINE;
        let mut finite = true;
        for (column, block) in blocks.enumerate() {
            let (first, width) = from[block / way.panel];
            // SAFETY: the caller's.
            unsafe {
                let panel = weights.at(first * rows * LANES + (block - first) * LANES);
                for pair in 0..depth.blocks().div_ceil(2) {
                    for tap in 0..taps {
                        let step = (pair * taps + tap) * PARTS * columns;
                        for i in 0..LANES {
                            let line = |input: usize| {
                                let row = (input * taps + tap) * LANES + i;
                                if row < rows { panel.add(row * width * LANES) } else { std::ptr::null() }
                            };
                            let to = to.add((step + column) * tile + i * LINE);
                            finite &= S::split::<PARTS>(line(2 * pair), line(2 * pair + 1), to, columns * tile);
                        }
                    }
                }
            }
        }
        finite
    }
}
