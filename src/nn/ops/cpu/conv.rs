//! Convolution on the CPU: from sizes to the kernel that serves them.

use dfdx::prelude::{Cpu, HasErr, Storage, TensorFromVec};

use crate::nn::map::{Dims, Flat};
use crate::nn::ops::{ConvKernel, ConvSpec, ElementKernel, Layout};
use crate::nn::param::Shape;

use super::access::{In, Out, filled, host, host_mut};
use super::depthwise::{self, Sizes};
use super::direct::{self, Source, Target, Window, Work};
use super::finish::Finish;
use super::kept::Kept;
use super::layout::panel_weights;
use super::plan::{self, Path, Way, blocks, is_planes, path};
use super::simd::LANES;
use super::weights::{self, Gradient, Phase};
use super::{fallback, norm};

type Result<T> = std::result::Result<T, <Cpu as HasErr>::Err>;

/// A flat tensor of `values`.
pub(super) fn tensor(device: &Cpu, values: Vec<f32>) -> Result<Flat<Cpu>> {
    let length = values.len();
    device.try_tensor_from_vec(values, (length,))
}

impl ConvKernel for Cpu {
    fn conv_forward(
        &self,
        spec: &ConvSpec,
        x: (Dims, &Flat<Cpu>),
        weight: &Flat<Cpu>,
        bias: Option<&Flat<Cpu>>,
        y: Dims,
    ) -> Result<Flat<Cpu>> {
        if as_places(spec, x.0) {
            let input = gathered(self, x.0, x.1)?;
            let (from, to) = (photos_as_places(x.0), photos_as_places(y));
            // as each of them alone
            let sums = plan::with_vectors(|| self.conv_forward(spec, (from, &input), weight, bias, to))?;
            return spread(self, y, &sums);
        }
        if path(spec) == Path::Plain {
            let input = self.unpack_map(x.0, x.1)?;
            let out = fallback::forward(spec, (x.0, &input), host(weight), bias.map(host), y);
            return tensor(self, self.pack_map(y, &out));
        }
        let finish = Finish::bias(bias.map(|bias| In::from(host(bias))));
        let given = Given { weight: In::from(host(weight)), kept: None, scale: None, finish };
        tensor(self, finished(Way::of_process(), spec, (x.0, In::from(host(x.1))), y, given))
    }

    fn conv_backward_data(
        &self,
        spec: &ConvSpec,
        x: Dims,
        weight: &Flat<Cpu>,
        y: (Dims, &Flat<Cpu>),
        into: Option<Flat<Cpu>>,
    ) -> Result<Flat<Cpu>> {
        if as_places(spec, x) {
            let gradient = gathered(self, y.0, y.1)?;
            let (from, to) = (photos_as_places(y.0), photos_as_places(x));
            let gradient = spread(self, x, &self.conv_backward_data(spec, to, weight, (from, &gradient), None)?)?;
            return into.map_or(Ok(gradient.clone()), |there| self.add_in_place(there, &gradient));
        }
        if path(spec) == Path::Plain || is_planes(x.c) {
            let plain = self.unpack_param(&Shape::Conv(*spec), weight)?;
            let gradient = fallback::backward_data(spec, x, &plain, (y.0, &self.unpack_map(y.0, y.1)?));
            let gradient = self.pack_map(x, &gradient);
            let gradient = tensor(self, gradient)?;
            return into.map_or(Ok(gradient.clone()), |there| self.add_in_place(there, &gradient));
        }
        let (gradient, weight) = (In::from(host(y.1)), In::from(host(weight)));
        let run = |out: Out, accumulate: bool| {
            // SAFETY: `out` is good for `x`; sizes were checked by the operation.
            unsafe {
                match path(spec) {
                    Path::Depthwise => {
                        let sizes = depthwise_sizes(spec, x, y.0);
                        depthwise::backward_data(Way::of_process().isa, sizes, gradient, weight, out, accumulate);
                    }
                    _ => backward_data(Way::of_process(), spec, (x, out), weight, (y.0, gradient), accumulate),
                }
            }
        };
        match into {
            Some(mut there) => {
                run(Out::from(host_mut(&mut there)), true);
                Ok(there)
            }
            // SAFETY: without accumulation every place of `x` is written.
            None => tensor(self, unsafe { filled(plan::map_len(x), |out| run(out, false)) }),
        }
    }

    fn conv_backward_weight(
        &self,
        spec: &ConvSpec,
        x: (Dims, &Flat<Cpu>),
        y: (Dims, &Flat<Cpu>),
        into: &mut <Cpu as Storage<f32>>::Vec,
    ) -> Result<()> {
        if as_places(spec, x.0) {
            let (input, gradient) = (gathered(self, x.0, x.1)?, gathered(self, y.0, y.1)?);
            let (from, to) = (photos_as_places(x.0), photos_as_places(y.0));
            return self.conv_backward_weight(spec, (from, &input), (to, &gradient), into);
        }
        let into: &mut [f32] = into;
        let (input, gradient) = (In::from(host(x.1)), In::from(host(y.1)));
        match path(spec) {
            Path::Plain => {
                let (input, gradient) = (self.unpack_map(x.0, x.1)?, self.unpack_map(y.0, y.1)?);
                fallback::backward_weight(spec, (x.0, &input), (y.0, &gradient), into);
            }
            // SAFETY: the tensors are as large as their sizes say; the operation checked them.
            Path::Depthwise => unsafe {
                let sizes = depthwise_sizes(spec, x.0, y.0);
                depthwise::backward_weight(Way::of_process().isa, sizes, input, gradient, Out::from(into));
            },
            // SAFETY: as above.
            Path::Panels => unsafe { backward_weight(Way::of_process(), spec, (x.0, input), (y.0, gradient), into) },
        }
        Ok(())
    }

    fn conv_backward_bias(&self, y: (Dims, &Flat<Cpu>), into: &mut <Cpu as Storage<f32>>::Vec) -> Result<()> {
        norm::add_channel_sums(y.0, host(y.1), into);
        Ok(())
    }
}

/// What a convolution reads beside its map, and what it does beside its sums.
pub(super) struct Given<'a> {
    pub(super) weight: In,
    /// What was made of each group's weights before.
    pub(super) kept: Option<&'a [Kept]>,
    /// What each channel of each photo is multiplied by first, under a window of one point.
    pub(super) scale: Option<In>,
    pub(super) finish: Finish,
}

/// The output on a path of blocks.
pub(super) fn finished(way: Way, spec: &ConvSpec, x: (Dims, In), y: Dims, given: Given) -> Vec<f32> {
    // SAFETY: either writes the whole of `y`; sizes were checked by the operation.
    unsafe {
        filled(plan::map_len(y), |out| match path(spec) {
            Path::Depthwise => {
                depthwise::forward(way.isa, depthwise_sizes(spec, x.0, y), x.1, given.weight, out, given.finish);
            }
            _ => forward(way, spec, x, (y, out), given),
        })
    }
}

fn depthwise_sizes(spec: &ConvSpec, x: Dims, y: Dims) -> Sizes {
    Sizes {
        images: x.n,
        blocks: blocks(x.c),
        input: [x.h, x.w],
        output: [y.h, y.w],
        kernel: spec.kernel[0],
        stride: spec.stride[0],
        padding: spec.padding,
    }
}

/// A group's share of a map: blocks of channels, and where they start.
pub(super) fn group_blocks(channels: usize, groups: usize, group: usize) -> (usize, usize) {
    let count = if is_planes(channels) { channels } else { blocks(channels / groups) };
    (count, group * count)
}

/// Maps of one place a photo under a 1x1 window: the photos are as good as places, and one tile takes many.
pub(super) fn as_places(spec: &ConvSpec, x: Dims) -> bool {
    x.n > 1
        && x.h * x.w == 1
        && !is_planes(x.c)
        && window(spec).is_point()
        && spec.groups == 1
        && path(spec) == Path::Panels
}

/// The sizes of such maps with photos and places exchanged.
fn photos_as_places(dims: Dims) -> Dims {
    Dims::new(1, dims.c, 1, dims.n)
}

/// `[N][C/16][16]` to `[C/16][N][16]`.
fn gathered(device: &Cpu, dims: Dims, map: &Flat<Cpu>) -> Result<Flat<Cpu>> {
    tensor(device, exchanged(host(map), dims.n, blocks(dims.c)))
}

/// `[C/16][N][16]` to `[N][C/16][16]`.
fn spread(device: &Cpu, dims: Dims, map: &Flat<Cpu>) -> Result<Flat<Cpu>> {
    tensor(device, exchanged(host(map), blocks(dims.c), dims.n))
}

/// `[rows][columns][16]` to `[columns][rows][16]`.
fn exchanged(values: &[f32], rows: usize, columns: usize) -> Vec<f32> {
    let lines = values.as_chunks::<LANES>().0;
    (0..columns).flat_map(|c| (0..rows).flat_map(move |r| lines[r * columns + c])).collect()
}

/// The output on the path of panels.
///
/// # Safety
/// The pointers must be good for maps of `x`, `y`, and for weights and finish of `spec`.
unsafe fn forward(way: Way, spec: &ConvSpec, x: (Dims, In), y: (Dims, Out), given: Given) {
    let Given { weight, kept, scale, finish } = given;
    let ((x, input), (y, out)) = (x, y);
    // SAFETY: the caller's.
    unsafe {
        for group in 0..spec.groups {
            let mut source = source(x, input, spec.groups, group);
            let own = group_blocks(x.c, spec.groups, group).1 * LANES;
            source.scale = scale.map(|scale| (In(scale.at(own)), blocks(x.c) * LANES));
            let (count, first) = group_blocks(y.c, spec.groups, group);
            let target = Target {
                data: Out(out.at(first * y.h * y.w * LANES)),
                image: plan::map_len(Dims { n: 1, ..y }),
                blocks: count,
                size: [y.h, y.w],
                count: [y.h, y.w],
                step: 1,
                first: [0, 0],
                accumulate: false,
            };
            let weight = In(weight.at(group * panel_weights(spec)));
            let finish = finish.further(first, first * y.h * y.w * LANES);
            let work = Work { images: x.n, source, weights: weight, target, window: window(spec), finish };
            direct::run(way, work, kept.map(|kept| &kept[group]));
        }
    }
}

/// # Safety
/// `input` must be good for a map of `x`.
unsafe fn source(x: Dims, input: In, groups: usize, group: usize) -> Source {
    let (count, first) = group_blocks(x.c, groups, group);
    let lanes = if is_planes(x.c) { 1 } else { LANES };
    Source {
        // SAFETY: the caller's.
        data: In(unsafe { input.at(first * x.h * x.w * lanes) }),
        image: plan::map_len(Dims { n: 1, ..x }),
        blocks: count,
        planes: is_planes(x.c),
        size: [x.h, x.w],
        scale: None,
    }
}

pub(super) fn window(spec: &ConvSpec) -> Window {
    Window {
        size: spec.kernel,
        stride: spec.stride[0],
        dilation: spec.dilation,
        padding: spec.padding.map(|p| p as isize),
    }
}

/// The gradient of the input on the path of panels.
///
/// # Safety
/// As [`forward`].
unsafe fn backward_data(way: Way, spec: &ConvSpec, x: (Dims, Out), weight: In, y: (Dims, In), accumulate: bool) {
    let ((x, out), (y, gradient)) = (x, y);
    let stride = spec.stride[0];
    let phases = [0, 1].map(|axis| {
        (0..stride)
            .map(|phase| Phase::new(phase, stride, spec.kernel[axis], spec.padding[axis], spec.dilation[axis]))
            .collect::<Vec<_>>()
    });
    let bare = phases.iter().any(|axis| axis.iter().any(|phase| phase.taps.is_empty()));
    if bare && !accumulate {
        // SAFETY: the caller's. Places that no tap reaches get no gradient.
        unsafe { std::slice::from_raw_parts_mut(out.0, plan::map_len(x)).fill(0.0) };
    }
    let mut exchanged_weights: Vec<f32> = Vec::with_capacity(panel_weights(spec));
    for group in 0..spec.groups {
        let (in_blocks, first) = group_blocks(x.c, spec.groups, group);
        let out_blocks = group_blocks(y.c, spec.groups, group).0;
        for (phase_y, down) in phases[0].iter().enumerate() {
            for (phase_x, across) in phases[1].iter().enumerate() {
                let counts =
                    [(x.h, phase_y), (x.w, phase_x)].map(|(size, phase)| size.saturating_sub(phase).div_ceil(stride));
                if down.taps.is_empty() || across.taps.is_empty() || counts.contains(&0) {
                    continue;
                }
                // SAFETY: the caller's.
                unsafe {
                    let weight = In(weight.at(group * panel_weights(spec)));
                    let turned = Out(exchanged_weights.as_mut_ptr());
                    weights::transposed(
                        way,
                        in_blocks,
                        out_blocks,
                        spec.kernel,
                        &down.taps,
                        &across.taps,
                        weight,
                        turned,
                    );
                    let target = Target {
                        data: Out(out.at(first * x.h * x.w * LANES)),
                        image: plan::map_len(Dims { n: 1, ..x }),
                        blocks: in_blocks,
                        size: [x.h, x.w],
                        count: counts,
                        step: stride,
                        first: [phase_y, phase_x],
                        accumulate,
                    };
                    let window = Window {
                        size: [down.taps.len(), across.taps.len()],
                        stride: 1,
                        dilation: if stride == 1 { spec.dilation } else { [1, 1] },
                        padding: [down.padding, across.padding],
                    };
                    let source = source(y, gradient, spec.groups, group);
                    let weights = In(turned.0);
                    direct::run(way, Work { images: x.n, source, weights, target, window, finish: Finish::NONE }, None);
                }
            }
        }
    }
}

/// Adds the gradient of the weights on the path of panels.
///
/// # Safety
/// As [`forward`].
unsafe fn backward_weight(way: Way, spec: &ConvSpec, x: (Dims, In), y: (Dims, In), into: &mut [f32]) {
    let ((x, input), (y, gradient)) = (x, y);
    // SAFETY: the caller's.
    unsafe {
        let length = panel_weights(spec);
        for group in 0..spec.groups {
            let (count, first) = group_blocks(y.c, spec.groups, group);
            let gradient = Gradient {
                data: In(gradient.at(first * y.h * y.w * LANES)),
                image: plan::map_len(Dims { n: 1, ..y }),
                blocks: count,
                size: [y.h, y.w],
            };
            let source = source(x, input, spec.groups, group);
            let into = &mut into[group * length..(group + 1) * length];
            weights::run(way, x.n, source, gradient, window(spec), into);
        }
    }
}
