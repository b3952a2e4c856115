//! Layer norm on the card.

use dfdx::prelude::{Cuda, CudaError};

use crate::nn::map::{Dims, Flat};
use crate::nn::ops::LayerNormKernel;
use crate::nn::ops::layer_norm::{LayerNormGradients, Normed};

use super::engine::{Kernel, THREADS, address, empty, empty_map, engine, word};
use super::norm::rows;
use super::reduce::Columns;

type Result<T, E = CudaError> = std::result::Result<T, E>;

/// Places of a block; `kernels/layer_norm.cu` has the same number.
const ROWS: u32 = THREADS / 32;

impl LayerNormKernel for Cuda {
    fn layer_norm_forward(
        &self,
        x: (Dims, &Flat<Cuda>),
        gain: &Flat<Cuda>,
        bias: &Flat<Cuda>,
        epsilon: f32,
    ) -> Result<Normed<Cuda>> {
        let (dims, rows) = (x.0, rows(x.0));
        let normed = Normed { y: empty_map(self, dims.count())?, places: empty(self, 2 * rows)? };
        let args = [
            word(rows)?.into(),
            word(dims.c)?.into(),
            epsilon.into(),
            address(x.1)?.into(),
            address(gain)?.into(),
            address(bias)?.into(),
            address(&normed.y)?.into(),
            address(&normed.places)?.into(),
        ];
        let grid = [word(rows)?.div_ceil(ROWS), 1, 1];
        // SAFETY: maps of these sizes, a value a channel, two a place.
        unsafe { engine()?.launch(Kernel::layer_norm, grid, THREADS, &args)? };
        Ok(normed)
    }

    fn layer_norm_backward(
        &self,
        x: (Dims, &Flat<Cuda>),
        places: &Flat<Cuda>,
        gain: &Flat<Cuda>,
        gy: &Flat<Cuda>,
        into: Option<Flat<Cuda>>,
    ) -> Result<LayerNormGradients<Cuda>> {
        let engine = engine()?;
        let (dims, rows) = (x.0, rows(x.0));
        // `into` was summed up for this map alone
        let more = into.is_some();
        let gx = into.map_or_else(|| empty_map(self, dims.count()), Ok)?;
        let given = LayerNormGradients { x: gx, gain: empty(self, dims.c)?, bias: empty(self, dims.c)? };
        let args = [
            word(rows)?.into(),
            word(dims.c)?.into(),
            i32::from(more).into(),
            address(x.1)?.into(),
            address(places)?.into(),
            address(gain)?.into(),
            address(gy)?.into(),
            address(&given.x)?.into(),
        ];
        let grid = [word(rows)?.div_ceil(ROWS), 1, 1];
        // SAFETY: maps of these sizes, a value a channel, two a place, and two sums a channel.
        unsafe {
            engine.launch(Kernel::layer_norm_back, grid, THREADS, &args)?;
            let sums = Columns::new(engine, 1, rows, dims.c).run(
                engine,
                [Kernel::layer_norm_back_sums_4, Kernel::layer_norm_back_sums_1],
                2,
                &[address(x.1)?.into(), address(places)?.into(), address(gy)?.into()],
            )?;
            sums.finish_kind(engine, 0, address(&given.gain)?)?;
            sums.finish_kind(engine, 1, address(&given.bias)?)?;
        }
        Ok(given)
    }
}
