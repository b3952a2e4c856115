//! Batch norm with activation and residual on the card: a pass for the sums, a pass for the values, both ways.

use dfdx::prelude::{Cuda, CudaError, HasShape};

use crate::nn::map::{Dims, Flat};
use crate::nn::ops::NormKernel;
use crate::nn::ops::norm::{Moments, NormArgs, NormGradients};

use super::elements::{grouped, number};
use super::engine::{Arg, Kernel, address, empty, empty_map, engine, word};
use super::reduce::Columns;

type Result<T, E = CudaError> = std::result::Result<T, E>;

/// Addresses of what a norm knows of its channels: mean, variance, gain, bias.
fn channels(moments: &Moments<Cuda>, args: &NormArgs<Cuda>) -> Result<[Arg; 4]> {
    Ok([
        address(&moments.mean)?.into(),
        address(&moments.variance)?.into(),
        address(args.gain)?.into(),
        address(args.bias)?.into(),
    ])
}

/// The address of a map that may not be there.
fn maybe(map: Option<&Flat<Cuda>>) -> Result<u64> {
    map.map_or(Ok(0), address)
}

/// Values of a channel.
pub(super) fn rows(dims: Dims) -> usize {
    dims.n * dims.h * dims.w
}

impl NormKernel for Cuda {
    fn norm_moments(&self, x: (Dims, &Flat<Cuda>)) -> Result<Moments<Cuda>> {
        let (engine, dims) = (engine()?, x.0);
        let moments = Moments { mean: empty(self, dims.c)?, variance: empty(self, dims.c)? };
        let from = address(x.1)?;
        // SAFETY: a map of these sizes, and two values a channel.
        unsafe {
            let sums = Columns::new(engine, 1, rows(dims), dims.c).run(
                engine,
                [Kernel::moments_4, Kernel::moments_1],
                2,
                &[from.into()],
            )?;
            let args = [
                sums.parts()?.into(),
                (rows(dims) as f32).into(),
                from.into(),
                sums.address().into(),
                address(&moments.mean)?.into(),
                address(&moments.variance)?.into(),
            ];
            engine.finish(Kernel::finish_moments, dims.c, &args)?;
        }
        Ok(moments)
    }

    fn norm_unbiased(&self, x: Dims, moments: &Moments<Cuda>) -> Result<Flat<Cuda>> {
        let (count, variance) = (rows(x) as f32, address(&moments.variance)?);
        let unbiased = empty(self, x.c)?;
        let factor = count / (count - 1.0);
        let args = [factor.into(), 0.0f32.into(), variance.into(), variance.into(), address(&unbiased)?.into()];
        // SAFETY: buffers of a value a channel.
        unsafe { engine()?.each(Kernel::mix_1, x.c, &args)? };
        Ok(unbiased)
    }

    fn norm_forward(
        &self,
        x: (Dims, &Flat<Cuda>),
        residual: Option<&Flat<Cuda>>,
        moments: &Moments<Cuda>,
        args: NormArgs<Cuda>,
    ) -> Result<Flat<Cuda>> {
        let dims = x.0;
        let y = empty_map(self, dims.count())?;
        let mut all: Vec<Arg> = vec![
            word(dims.c)?.into(),
            args.epsilon.into(),
            number(args.activation).into(),
            address(x.1)?.into(),
            maybe(residual)?.into(),
        ];
        all.extend(channels(moments, &args)?);
        all.push(address(&y)?.into());
        // SAFETY: maps of these sizes and four values a channel.
        unsafe { grouped(engine()?, [Kernel::norm_4, Kernel::norm_1], dims.count(), dims.c, &all)? };
        Ok(y)
    }

    fn norm_backward(
        &self,
        x: (Dims, &Flat<Cuda>),
        residual: Option<&Flat<Cuda>>,
        moments: &Moments<Cuda>,
        args: NormArgs<Cuda>,
        constant_moments: bool,
        gy: Flat<Cuda>,
    ) -> Result<NormGradients<Cuda>> {
        let (engine, dims) = (engine()?, x.0);
        let (epsilon, activation) = (args.epsilon, number(args.activation));
        let known = channels(moments, &args)?;
        // with a residual, the gradient before the activation is the residual's own
        let kept = residual.map(|r| empty(self, r.shape().0)).transpose()?;
        let [gain, bias, slope, offset] = [(); 4].map(|()| empty(self, dims.c));
        let (gain, bias, slope, offset) = (gain?, bias?, slope?, offset?);
        let gx = empty_map(self, dims.count())?;
        let [mean, variance, own_gain, _] = known;
        let line = [address(&slope)?, address(&offset)?];
        // SAFETY: maps of these sizes and values of each channel.
        unsafe {
            let mut all: Vec<Arg> =
                vec![epsilon.into(), activation.into(), address(x.1)?.into(), maybe(residual)?.into()];
            all.extend(known);
            all.extend([Arg::from(address(&gy)?), maybe(kept.as_ref())?.into()]);
            let sums = Columns::new(engine, 1, rows(dims), dims.c).run(
                engine,
                [Kernel::norm_back_sums_4, Kernel::norm_back_sums_1],
                2,
                &all,
            )?;
            let finish = [
                sums.parts()?.into(),
                (rows(dims) as f32).into(),
                epsilon.into(),
                i32::from(constant_moments).into(),
                sums.address().into(),
                mean,
                variance,
                own_gain,
                address(&gain)?.into(),
                address(&bias)?.into(),
                line[0].into(),
                line[1].into(),
            ];
            engine.finish(Kernel::finish_norm_back, dims.c, &finish)?;
            let mut all: Vec<Arg> = vec![
                word(dims.c)?.into(),
                epsilon.into(),
                activation.into(),
                address(x.1)?.into(),
                address(&gy)?.into(),
                maybe(kept.as_ref())?.into(),
            ];
            all.extend(known);
            all.extend([Arg::from(line[0]), line[1].into(), address(&gx)?.into()]);
            grouped(engine, [Kernel::norm_back_4, Kernel::norm_back_1], dims.count(), dims.c, &all)?;
        }
        Ok(NormGradients { x: gx, residual: kept, gain, bias })
    }
}
