//! How places are counted along a strip of a map, so that sixteen neighbours are a tile whatever the map's width.

use super::direct::Window;
use super::parts::LINE;
use super::simd::LANES;

/// How places are counted along the padded rows of a strip.
pub(super) struct Shape {
    pub(super) window: Window,
    /// A 1x1 window at stride one sees all photos as one row of places.
    pub(super) flat: bool,
    /// Outputs of a row.
    across: usize,
    /// Rows and columns that each place of a phase lies apart: a stride's phases, as far as the window sees them.
    pub(super) phases_of: [usize; 2],
    /// What the last tap sees, behind the first, in a phase.
    pub(super) beyond: [usize; 2],
}

impl Shape {
    pub(super) fn new(window: Window, flat: bool, count: [usize; 2]) -> Shape {
        let last = [0, 1].map(|axis| (window.size[axis] - 1) * window.dilation[axis]);
        Shape {
            window,
            flat,
            across: count[1],
            phases_of: last.map(|last| window.stride.min(last + 1)),
            beyond: last.map(|last| last / window.stride),
        }
    }

    pub(super) fn phases(&self) -> usize {
        self.phases_of[0] * self.phases_of[1]
    }

    pub(super) fn taps(&self) -> usize {
        self.window.size[0] * self.window.size[1]
    }

    /// A strip of `rows` rows of outputs, of places where the shape is flat.
    pub(super) fn laid(&self, blocks: usize, photos: usize, rows: usize) -> Laid {
        let [down, across] = if self.flat { [1, rows] } else { [rows, self.across] };
        let plane = [down + self.beyond[0], across + self.beyond[1]];
        Laid { pairs: blocks.div_ceil(2), phases: self.phases(), photos, plane }
    }

    /// Row and column of the source behind the first place of a phase of a strip from output row `start`.
    pub(super) fn first(&self, start: usize, phase: usize) -> [isize; 2] {
        let start = if self.flat { [0, start] } else { [start * self.window.stride, 0] };
        let phase = [phase / self.phases_of[1], phase % self.phases_of[1]];
        [0, 1].map(|axis| (start[axis] + phase[axis]) as isize - self.window.padding[axis])
    }

    /// The phase that each tap sees, and how many places further on.
    pub(super) fn each_tap(&self, laid: &Laid) -> impl Iterator<Item = (usize, usize)> {
        let [across, stride] = [self.window.size[1], self.window.stride];
        (0..self.taps()).map(move |tap| {
            let at = [tap / across * self.window.dilation[0], tap % across * self.window.dilation[1]];
            let phase = at[0] % stride * self.phases_of[1] + at[1] % stride;
            (phase, at[0] / stride * laid.plane[1] + at[1] / stride)
        })
    }
}

/// How a strip lies in memory: `[pairs][parts][phases][photos][rows][columns]` lines.
#[derive(Clone, Copy)]
pub(super) struct Laid {
    pub(super) pairs: usize,
    pub(super) phases: usize,
    pub(super) photos: usize,
    pub(super) plane: [usize; 2],
}

impl Laid {
    pub(super) fn phase(&self) -> usize {
        self.photos * self.plane[0] * self.plane[1] * LINE
    }

    pub(super) fn part(&self) -> usize {
        self.phases * self.phase()
    }

    /// With what the last block reads behind the last plane.
    pub(super) fn bytes(&self, parts: usize) -> usize {
        self.pairs * parts * self.part() + 2 * LANES * LINE
    }
}
