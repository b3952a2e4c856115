//! Pooling on the card.

use cudarc::driver::DevicePtr;
use dfdx::prelude::{Cuda, CudaError};

use crate::nn::map::{Dims, Flat};
use crate::nn::ops::{PoolKernel, PoolKind, PoolSpec};

use super::elements::grouped;
use super::engine::{Arg, Kernel, address, empty_map, engine, int, word};
use super::out_of_words;
use super::reduce::Columns;

type Result<T, E = CudaError> = std::result::Result<T, E>;

/// Places of a window that a byte can tell apart; no network has larger ones.
const PLACES: usize = 254;

/// The window as the kernels take it.
fn window(spec: &PoolSpec, x: Dims, y: Dims) -> Result<Vec<Arg>> {
    let mut args: Vec<Arg> = Vec::new();
    let [kh, kw] = spec.kernel;
    let ([sh, sw], [ph, pw]) = (spec.stride, spec.padding);
    for size in [x.h, x.w, y.h, y.w, kh, kw, sh, sw, ph, pw] {
        args.push(int(size)?.into());
    }
    Ok(args)
}

impl PoolKernel for Cuda {
    fn pool_forward(&self, spec: &PoolSpec, x: (Dims, &Flat<Cuda>), y: Dims) -> Result<Flat<Cuda>> {
        let out = empty_map(self, y.count())?;
        let kind = i32::from(spec.kind == PoolKind::Average);
        let mut args: Vec<Arg> = vec![word(y.c)?.into(), kind.into()];
        args.extend(window(spec, x.0, y)?);
        args.extend([Arg::from(address(x.1)?), address(&out)?.into()]);
        // SAFETY: maps of these sizes.
        unsafe { engine()?.each(Kernel::pool, y.count(), &args)? };
        Ok(out)
    }

    fn pool_backward(
        &self,
        spec: &PoolSpec,
        x: (Dims, &Flat<Cuda>),
        y: (Dims, &Flat<Cuda>),
        gy: &Flat<Cuda>,
    ) -> Result<Flat<Cuda>> {
        let engine = engine()?;
        let gx = empty_map(self, x.0.count())?;
        let window = window(spec, x.0, y.0)?;
        let channels: Arg = word(x.0.c)?.into();
        // where each window's largest value lay
        let places = match spec.kind {
            PoolKind::Average => None,
            PoolKind::Max if spec.kernel[0] * spec.kernel[1] > PLACES => {
                return Err(out_of_words(format!("no maximum over windows of {:?} on a card", spec.kernel)));
            }
            PoolKind::Max => Some(engine.scratch::<u8>(y.0.count())?),
        };
        let place = places.as_ref().map_or(0, |places| *places.device_ptr());
        if place != 0 {
            let mut args = vec![channels];
            args.extend(&window);
            args.extend([Arg::from(address(x.1)?), place.into()]);
            // SAFETY: maps of these sizes, and a byte for each output.
            unsafe { engine.each(Kernel::pool_place, y.0.count(), &args)? };
        }
        let mut args = vec![channels];
        args.extend(&window);
        args.extend([Arg::from(place), address(gy)?.into(), address(&gx)?.into()]);
        // SAFETY: maps of these sizes, and a byte for each output.
        unsafe { engine.each(Kernel::pool_back, x.0.count(), &args)? };
        Ok(gx)
    }

    fn global_average_forward(&self, x: (Dims, &Flat<Cuda>)) -> Result<Flat<Cuda>> {
        let (engine, dims) = (engine()?, x.0);
        let places = dims.h * dims.w;
        let y = empty_map(self, dims.n * dims.c)?;
        // SAFETY: a map of these sizes, and a sum for each photo and channel.
        unsafe {
            let columns = Columns::new(engine, dims.n, places, dims.c);
            let sums =
                columns.run(engine, [Kernel::sums_4, Kernel::sums_1], 1, &[address(x.1)?.into(), 0u64.into()])?;
            sums.finish_map(engine, 1.0 / places as f32, address(&y)?)?;
        }
        Ok(y)
    }

    fn global_average_backward(&self, x: Dims, gy: &Flat<Cuda>, into: Option<Flat<Cuda>>) -> Result<Flat<Cuda>> {
        let engine = engine()?;
        let places = x.h * x.w;
        // `into` was summed up for this map alone
        let more = into.is_some();
        let gx = into.map_or_else(|| empty_map(self, x.count()), Ok)?;
        let args = [
            word(x.c)?.into(),
            word(x.c * places)?.into(),
            (1.0 / places as f32).into(),
            i32::from(more).into(),
            address(gy)?.into(),
            address(&gx)?.into(),
        ];
        // SAFETY: a map of these sizes, and one value a photo and channel.
        unsafe { grouped(engine, [Kernel::spread_4, Kernel::spread_1], x.count(), x.c, &args)? };
        Ok(gx)
    }
}
