//! Attention within windows on the card: a block for each head of each window.

use cudarc::driver::{DevicePtr, DeviceSlice};
use dfdx::prelude::{Cuda, CudaError, Storage};

use crate::nn::map::Flat;
use crate::nn::ops::AttentionKernel;
use crate::nn::ops::attention::Windows;

use super::engine::{Arg, Kernel, THREADS, address, empty_map, engine, word};
use super::out_of_words;
use super::reduce::Columns;

type Result<T, E = CudaError> = std::result::Result<T, E>;

/// Places of a window and channels of a head that a block has room for; `kernels/attention.cu` has the same numbers.
const MOST: (usize, usize) = (49, 32);

/// The windows as the kernels take them.
fn args(windows: &Windows, qkv: &Flat<Cuda>, table: &Flat<Cuda>) -> Result<Vec<Arg>> {
    let Windows { heads, width, side, shift, grid, .. } = *windows;
    if windows.places() > MOST.0 || width > MOST.1 {
        return Err(out_of_words(format!("no windows of {side} and heads of {width} channels on a card")));
    }
    let mut args: Vec<Arg> = Vec::new();
    for size in [heads, width, side, shift[0], shift[1], grid[0], grid[1]] {
        args.push(word(size)?.into());
    }
    args.extend([Arg::from(windows.scale()), address(qkv)?.into(), address(table)?.into()]);
    Ok(args)
}

impl AttentionKernel for Cuda {
    fn attention_forward(&self, windows: &Windows, qkv: &Flat<Cuda>, table: &Flat<Cuda>) -> Result<Flat<Cuda>> {
        let y = empty_map(self, windows.out.count())?;
        let mut args = args(windows, qkv, table)?;
        args.push(address(&y)?.into());
        let grid = [word(windows.count())?, word(windows.heads)?, 1];
        // SAFETY: maps of these sizes and a table of all differences.
        unsafe { engine()?.launch(Kernel::attention, grid, THREADS, &args)? };
        Ok(y)
    }

    fn attention_backward(
        &self,
        windows: &Windows,
        qkv: &Flat<Cuda>,
        table: &Flat<Cuda>,
        gy: &Flat<Cuda>,
        of_table: &mut <Cuda as Storage<f32>>::Vec,
    ) -> Result<Flat<Cuda>> {
        let engine = engine()?;
        let gradient = empty_map(self, 3 * windows.out.count())?;
        let partial = engine.scratch::<f32>(windows.count() * of_table.len())?;
        let mut args = args(windows, qkv, table)?;
        args.extend([Arg::from(address(gy)?), address(&gradient)?.into(), (*partial.device_ptr()).into()]);
        let grid = [word(windows.count())?, word(windows.heads)?, 1];
        // SAFETY: maps of these sizes, and a table of all differences for each window.
        unsafe {
            engine.launch(Kernel::attention_back, grid, THREADS, &args)?;
            let sums = Columns::new(engine, 1, windows.count(), of_table.len()).run(
                engine,
                [Kernel::plain_sums_4, Kernel::plain_sums_1],
                1,
                &[(*partial.device_ptr()).into()],
            )?;
            sums.finish(engine, 1.0, true, *of_table.device_ptr())?;
        }
        Ok(gradient)
    }
}
