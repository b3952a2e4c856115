//! A convolution with its batch norm, and with the scales of its input (squeeze and excite): none of the maps between
//! is written.

use std::sync::OnceLock;

use dfdx::prelude::{Cpu, HasErr};

use crate::nn::map::{Dims, Flat};
use crate::nn::ops::conv_norm::in_turn;
use crate::nn::ops::norm::{Moments, NormArgs};
use crate::nn::ops::{ConvNormKernel, ConvSpec};

use super::access::{In, host};
use super::conv::{Given, as_places, finished, tensor, window};
use super::finish::Finish;
use super::kept::Ready;
use super::layout::clear_padding;
use super::norm;
use super::plan::{Path, Way, is_planes, path};

type Result<T> = std::result::Result<T, <Cpu as HasErr>::Err>;

impl ConvNormKernel for Cpu {
    type Ready = OnceLock<Ready>;

    fn conv_norm(
        &self,
        spec: &ConvSpec,
        (dims, x): (Dims, &Flat<Cpu>),
        (weight, ready): (&Flat<Cpu>, &OnceLock<Ready>),
        [scale, residual]: [Option<&Flat<Cpu>>; 2],
        (moments, args): (&Moments<Cpu>, NormArgs<Cpu>),
        y: Dims,
    ) -> Result<Flat<Cpu>> {
        let window = window(spec);
        let by_points = window.is_point() && window.stride == 1;
        let panels = path(spec) == Path::Panels;
        let scalable = panels && by_points && !is_planes(dims.c);
        if as_places(spec, dims) || path(spec) == Path::Plain || (scale.is_some() && !scalable) {
            return in_turn(self, spec, (dims, x), weight, [scale, residual], (moments, args), y);
        }
        let line = |values: Option<&Flat<Cpu>>| values.map(|values| In::from(host(values)));
        let (way, weight) = (Way::of_process(), In::from(host(weight)));
        if ready.get().is_none() {
            // SAFETY: the weights are as large as `spec` says; the operation checked them.
            if let Some(new) = unsafe { Ready::new(way, spec, y, weight) } {
                ready.get_or_init(|| new);
            }
        }
        let kept = ready.get().and_then(|ready| ready.of(way));
        let (gain, shift) = norm::affine(moments, &args);
        let finish = Finish {
            scale: Some(In::from(&gain[..])),
            shift: Some(In::from(&shift[..])),
            residual: line(residual),
            activation: args.activation,
        };
        let given = Given { weight, kept, scale: line(scale), finish };
        let mut out = finished(way, spec, (dims, In::from(host(x))), y, given);
        if !args.activation.keeps_zero() {
            clear_padding(y, &mut out);
        }
        tensor(self, out)
    }
}
