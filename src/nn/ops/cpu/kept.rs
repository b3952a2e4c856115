//! What a convolution's kernel makes of its weights, kept from one evaluation to the next.

use crate::nn::map::Dims;
use crate::nn::ops::ConvSpec;

use super::access::In;
use super::conv::{group_blocks, window};
use super::layout::panel_weights;
use super::plan::{Path, Way, is_planes, path};
use super::split_weights::{Depth, SplitWeights};
use super::tiled;
use super::winograd::{self, PointWeights};

/// A group's weights as a kernel reads them.
pub(super) enum Kept {
    /// Split for tiles.
    Split(SplitWeights),
    /// At Winograd's points.
    AtPoints(PointWeights),
}

impl Kept {
    pub(super) fn split(&self) -> Option<&SplitWeights> {
        if let Kept::Split(weights) = self { Some(weights) } else { None }
    }

    pub(super) fn at_points(&self) -> Option<&PointWeights> {
        if let Kept::AtPoints(weights) = self { Some(weights) } else { None }
    }
}

/// The weights of a convolution, each group's, and for which way.
pub struct Ready {
    way: Way,
    groups: Vec<Kept>,
}

impl Ready {
    /// What the kernel of a map of `y` reads, where that is anything of its own.
    ///
    /// # Safety
    /// `weight` must be good for the weights of `spec`.
    pub(super) unsafe fn new(way: Way, spec: &ConvSpec, y: Dims, weight: In) -> Option<Ready> {
        let [inputs, outputs] =
            [spec.in_channels, spec.out_channels].map(|channels| group_blocks(channels, spec.groups, 0).0);
        let planes = is_planes(spec.in_channels);
        let group = |group| {
            // SAFETY: the caller's.
            unsafe {
                let weight = In(weight.at(group * panel_weights(spec)));
                if let Some(tiles) = way.tiles {
                    let depth = Depth::new(inputs, planes, spec.kernel);
                    return Some(Kept::Split(tiled::split(way, tiles, depth, outputs, weight)));
                }
                let fits = way.winograd && !planes && winograd::fits(&window(spec), [y.h, y.w]);
                if fits { winograd::keep(way, inputs, outputs, weight).map(Kept::AtPoints) } else { None }
            }
        };
        let groups = if path(spec) == Path::Panels { (0..spec.groups).map(group).collect() } else { None };
        groups.map(|groups| Ready { way, groups })
    }

    /// The groups' weights, where they are for `way`.
    pub(super) fn of(&self, way: Way) -> Option<&[Kept]> {
        (self.way == way).then_some(&self.groups[..])
    }
}
