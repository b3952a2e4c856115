//! Convolutions of maps in bf16 with weights in f32: cuDNN wants all that it reads and writes in one type.

use cudarc::driver::{CudaSlice, DevicePtr};
use dfdx::prelude::CudaError;

use crate::nn::map::Dims;
use crate::nn::ops::Precision;

use super::cudnn::{Job, Way};
use super::engine::{Engine, Kernel};
use super::layout::converted;

type Result<T, E = CudaError> = std::result::Result<T, E>;

/// Something that cuDNN reads or writes.
#[derive(Clone, Copy)]
struct Operand {
    count: usize,
    is_map: bool,
}

impl Operand {
    /// Another place for it, in bf16 or in f32.
    fn copy(self, engine: &Engine, half: bool) -> Result<CudaSlice<u8>> {
        engine.scratch(self.count * if half { 2 } else { 4 })
    }
}

/// Those of `job`, in its order; the last is written.
fn operands(job: &Job) -> [Operand; 3] {
    let map = |dims: Dims| Operand { count: dims.count(), is_map: true };
    let (x, y) = (map(job.x), map(job.y));
    let [kh, kw] = job.spec.kernel;
    let count = job.spec.out_channels * (job.spec.in_channels / job.spec.groups) * kh * kw;
    let weight = Operand { count, is_map: false };
    match job.way {
        Way::Forward => [x, weight, y],
        Way::Data => [weight, y, x],
        Way::Weight => [x, y, weight],
    }
}

/// Runs `job` on a copy of the weights in bf16, with sums of f32; where cuDNN has no way for that, on copies of the maps in f32;
/// false where it has none at all.
///
/// # Safety
/// The addresses must be good for the sizes: of maps in bf16, of weights in f32.
pub(super) unsafe fn run(engine: &Engine, job: &Job) -> Result<bool> {
    let mut dnn = engine.dnn.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    let (half, precision) = if dnn.can(job, Precision::Amp)? {
        (true, Precision::Amp)
    } else if dnn.can(job, Precision::High)? {
        (false, Precision::High)
    } else {
        return Ok(false);
    };
    let [a, b, written] = operands(job);
    let (mut read, mut copies) = (job.read, Vec::new());
    let (to, back) = if half { (Kernel::narrow, Kernel::widen) } else { (Kernel::widen, Kernel::narrow) };
    for (operand, address) in [a, b].into_iter().zip(&mut read) {
        if operand.is_map != half {
            let copy = operand.copy(engine, half)?;
            // SAFETY: the caller's; the copy has room for so many values.
            unsafe { converted(to, operand.count, false, [*address, *copy.device_ptr()])? };
            *address = *copy.device_ptr();
            copies.push(copy);
        }
    }
    if written.is_map == half {
        // SAFETY: all operands are of one type now.
        return unsafe { dnn.run(engine, &Job { read, ..*job }, precision) };
    }
    let copy = written.copy(engine, half)?;
    // SAFETY: as above; what was written is added to what is there in its own type.
    unsafe {
        let ran = dnn.run(engine, &Job { read, written: *copy.device_ptr(), more: false, ..*job }, precision)?;
        converted(back, written.count, job.more, [*copy.device_ptr(), job.written])?;
        Ok(ran)
    }
}
