//! Moving places on the card.

use dfdx::prelude::{Cuda, CudaError};

use crate::nn::map::{Dims, Flat};
use crate::nn::ops::PatchKernel;

use super::engine::{Kernel, address, empty_map, engine, word};

type Result<T, E = CudaError> = std::result::Result<T, E>;

/// A map of the sizes `to` that `kernel` gathers from `from`; `x` and `y` are the sizes that it takes.
fn moved(device: &Cuda, kernel: Kernel, [x, y]: [Dims; 2], from: &Flat<Cuda>, to: Dims) -> Result<Flat<Cuda>> {
    let out = empty_map(device, to.count())?;
    let args = [
        word(x.c)?.into(),
        word(x.h)?.into(),
        word(x.w)?.into(),
        word(y.h)?.into(),
        word(y.w)?.into(),
        address(from)?.into(),
        address(&out)?.into(),
    ];
    // SAFETY: maps of these sizes.
    unsafe { engine()?.each(kernel, to.count(), &args)? };
    Ok(out)
}

impl PatchKernel for Cuda {
    fn merge(&self, x: (Dims, &Flat<Cuda>), y: Dims) -> Result<Flat<Cuda>> {
        moved(self, Kernel::merge, [x.0, y], x.1, y)
    }

    fn part(&self, y: (Dims, &Flat<Cuda>), x: Dims) -> Result<Flat<Cuda>> {
        moved(self, Kernel::part, [x, y.0], y.1, x)
    }

    fn reframe(&self, x: (Dims, &Flat<Cuda>), y: Dims) -> Result<Flat<Cuda>> {
        moved(self, Kernel::reframe, [x.0, y], x.1, y)
    }
}
