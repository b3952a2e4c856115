//! Between torchvision's order and the CPU's.
//!
//! Maps: `[N][C/16][H][W][16]`, photos `[N][C][H][W]`. Weights of the direct tile: panels of one or two blocks of
//! output channels, `[panel][I/16][kh][kw][16 in][16 or 32 out]`, so that the tile reads them in one direction;
//! those of depthwise convolutions `[C/16][kh][kw][16]`; one value a channel: padded to sixteen with zeros.

use dfdx::prelude::{Cpu, HasErr, Tensor, TensorFromVec};

use crate::nn::map::{Dims, Flat};
use crate::nn::ops::{ConvSpec, Layout};
use crate::nn::param::Shape;

use super::access::host;
use super::plan::{self, Path, Way, blocks, is_planes, panels, path};
use super::simd::LANES;

impl Layout for Cpu {
    fn map_len(&self, dims: Dims) -> usize {
        plan::map_len(dims)
    }

    fn pack_map(&self, dims: Dims, values: &[f32]) -> Vec<f32> {
        let mut packed = vec![0.0; plan::map_len(dims)];
        each_of_map(dims, |torch, ours| packed[ours] = values[torch]);
        packed
    }

    fn unpack_map(&self, dims: Dims, values: &Flat<Cpu>) -> Result<Vec<f32>, <Cpu as HasErr>::Err> {
        let (packed, mut values) = (host(values), vec![0.0; dims.count()]);
        each_of_map(dims, |torch, ours| values[torch] = packed[ours]);
        Ok(values)
    }

    fn pack_param(&self, shape: &Shape, values: Vec<f32>) -> Vec<f32> {
        let Some(length) = packed_len(shape) else {
            return values;
        };
        let mut packed = vec![0.0; length];
        each_of_param(shape, Way::of_process().panel, |torch, ours| packed[ours] = values[torch]);
        packed
    }

    fn unpack_param(&self, shape: &Shape, values: &Flat<Cpu>) -> Result<Vec<f32>, <Cpu as HasErr>::Err> {
        let packed = host(values);
        if packed_len(shape).is_none() {
            return Ok(packed.to_vec());
        }
        let mut values = vec![0.0; shape.count()];
        each_of_param(shape, Way::of_process().panel, |torch, ours| values[torch] = packed[ours]);
        Ok(values)
    }

    fn to_rows(
        &self,
        dims: Dims,
        values: &Flat<Cpu>,
    ) -> Result<Tensor<(usize, usize), f32, Cpu>, <Cpu as HasErr>::Err> {
        self.try_tensor_from_vec(self.unpack_map(dims, values)?, (dims.n, dims.c))
    }

    fn map_of_rows(
        &self,
        dims: Dims,
        rows: Tensor<(usize, usize), f32, Cpu>,
    ) -> Result<Flat<Cpu>, <Cpu as HasErr>::Err> {
        let packed = self.pack_map(dims, &rows.as_vec());
        let length = packed.len();
        self.try_tensor_from_vec(packed, (length,))
    }

    fn read<S: dfdx::prelude::Shape, T>(
        &self,
        tensor: &Tensor<S, f32, Cpu, T>,
    ) -> Result<Vec<f32>, <Cpu as HasErr>::Err> {
        Ok(tensor.as_vec())
    }
}

/// Calls `visit` with the place of each value of a map in torchvision's order and in ours.
fn each_of_map(dims: Dims, mut visit: impl FnMut(usize, usize)) {
    let Dims { n, c, h, w } = dims;
    let (lanes, padded) = if is_planes(c) { (1, c) } else { (LANES, blocks(c)) };
    let places = h * w;
    for photo in 0..n {
        for channel in 0..c {
            let torch = (photo * c + channel) * places;
            let ours = (photo * padded + channel / lanes) * places * lanes + channel % lanes;
            (0..places).for_each(|place| visit(torch + place, ours + place * lanes));
        }
    }
}

/// Sets the lanes of a map that hold no channel to zero.
pub(super) fn clear_padding(dims: Dims, values: &mut [f32]) {
    let used = dims.c % LANES;
    if used == 0 || is_planes(dims.c) {
        return;
    }
    let planes = blocks(dims.c);
    for plane in values.chunks_exact_mut(dims.h * dims.w * LANES).skip(planes - 1).step_by(planes) {
        plane.as_chunks_mut::<LANES>().0.iter_mut().for_each(|line| line[used..].fill(0.0));
    }
}

/// Values of a parameter in our order, or `None` where that is torchvision's.
fn packed_len(shape: &Shape) -> Option<usize> {
    match shape {
        Shape::Conv(spec) | Shape::Linear(spec) => match path(spec) {
            Path::Panels => Some(spec.groups * panel_weights(spec)),
            Path::Depthwise => Some(blocks(spec.out_channels) * LANES * spec.kernel[0] * spec.kernel[1]),
            Path::Plain => None,
        },
        Shape::Channels(channels) => Some(blocks(*channels) * LANES),
        Shape::Matrix(..) => None,
    }
}

/// Packed weights of one group.
pub(super) fn panel_weights(spec: &ConvSpec) -> usize {
    let (inputs, outputs) = (spec.in_channels / spec.groups, spec.out_channels / spec.groups);
    let inputs = if is_planes(inputs) { inputs } else { blocks(inputs) * LANES };
    blocks(outputs) * LANES * inputs * spec.kernel[0] * spec.kernel[1]
}

/// Calls `visit` with the place of each value of a parameter in torchvision's order and in ours.
fn each_of_param(shape: &Shape, panel: usize, mut visit: impl FnMut(usize, usize)) {
    match shape {
        Shape::Conv(spec) | Shape::Linear(spec) if path(spec) == Path::Panels => each_of_panels(spec, panel, visit),
        Shape::Conv(spec) if path(spec) == Path::Depthwise => {
            let taps = spec.kernel[0] * spec.kernel[1];
            for channel in 0..spec.out_channels {
                let ours = channel / LANES * taps * LANES + channel % LANES;
                (0..taps).for_each(|tap| visit(channel * taps + tap, ours + tap * LANES));
            }
        }
        _ => (0..shape.count()).for_each(|i| visit(i, i)),
    }
}

/// [`each_of_param`] for panels of `panel` blocks.
pub(super) fn each_of_panels(spec: &ConvSpec, panel: usize, mut visit: impl FnMut(usize, usize)) {
    let (inputs, outputs) = (spec.in_channels / spec.groups, spec.out_channels / spec.groups);
    let (lanes, in_blocks) = if is_planes(inputs) { (1, inputs) } else { (LANES, blocks(inputs)) };
    let taps = spec.kernel[0] * spec.kernel[1];
    for group in 0..spec.groups {
        let group_start = group * panel_weights(spec);
        for (first, width) in panels(blocks(outputs), panel) {
            let panel_start = group_start + first * LANES * in_blocks * lanes * taps;
            for output in first * LANES..((first + width) * LANES).min(outputs) {
                for input in 0..inputs {
                    for tap in 0..taps {
                        let torch = ((group * outputs + output) * inputs + input) * taps + tap;
                        let row = ((input / lanes) * taps + tap) * lanes + input % lanes;
                        visit(torch, panel_start + row * width * LANES + output - first * LANES);
                    }
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn maps_come_back(n in 1usize..3, c in 1usize..40, h in 1usize..4, w in 1usize..4) {
            let dims = Dims::new(n, c, h, w);
            let values: Vec<f32> = (1..=dims.count()).map(|i| i as f32).collect();
            let packed = Cpu::default().pack_map(dims, &values);
            prop_assert_eq!(packed.iter().filter(|&&v| v != 0.0).count(), values.len());
            let length = packed.len();
            let packed = Cpu::default().tensor_from_vec(packed, (length,));
            prop_assert_eq!(Cpu::default().unpack_map(dims, &packed).unwrap(), values);
        }

        #[test]
        fn panels_of_any_width_hold_every_weight_once(
            inputs in 1usize..40, outputs in 4usize..70, kernel in 1usize..4, panel in 1usize..3, groups in 1usize..3,
        ) {
            let grain = if groups > 1 { LANES } else { 1 };
            let spec = ConvSpec::new(inputs * grain * groups, outputs * grain * groups, kernel).groups(groups);
            let length = groups * panel_weights(&spec);
            let mut seen = vec![false; length];
            each_of_panels(&spec, panel, |_, ours| {
                assert!(!seen[ours]);
                seen[ours] = true;
            });
            prop_assert_eq!(seen.iter().filter(|&&s| s).count(), Shape::Conv(spec).count());
        }
    }
}
