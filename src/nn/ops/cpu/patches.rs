//! Moving places on the CPU: lines of sixteen channels, a plane a task.

use dfdx::prelude::{Cpu, HasErr};

use crate::nn::map::{Dims, Flat};
use crate::nn::ops::PatchKernel;

use super::access::{In, Out, filled, host};
use super::conv::tensor;
use super::plan::{self, blocks, is_planes};
use super::simd::LANES;
use super::threads::parallel;

type Result<T> = std::result::Result<T, <Cpu as HasErr>::Err>;

/// A map of the sizes `y` whose line at (plane, row, column) is the one that `from` names in `x`, or zeros.
fn gathered(
    device: &Cpu,
    x: &[f32],
    y: Dims,
    from: &(impl Fn(usize, usize, usize) -> Option<usize> + Sync),
) -> Result<Flat<Cpu>> {
    let lanes = if is_planes(y.c) { 1 } else { LANES };
    let planes = y.n * if is_planes(y.c) { y.c } else { blocks(y.c) };
    let source = In::from(x);
    let run = |out: Out| {
        parallel(planes, &|plane| {
            for row in 0..y.h {
                for column in 0..y.w {
                    // SAFETY: a task has a plane of its own; `from` names lines of `x`.
                    unsafe {
                        let target = out.at(((plane * y.h + row) * y.w + column) * lanes);
                        match from(plane, row, column) {
                            Some(line) => std::ptr::copy_nonoverlapping(source.at(line * lanes), target, lanes),
                            None => target.write_bytes(0, lanes),
                        }
                    }
                }
            }
        });
    };
    // SAFETY: the planes make up the whole map.
    tensor(device, unsafe { filled(plan::map_len(y), run) })
}

impl PatchKernel for Cpu {
    fn merge(&self, x: (Dims, &Flat<Cpu>), y: Dims) -> Result<Flat<Cpu>> {
        let (x, values) = (x.0, host(x.1));
        let narrow = blocks(x.c);
        gathered(self, values, y, &|plane, row, column| {
            let (photo, block) = (plane / (4 * narrow), plane % (4 * narrow));
            let corner = block / narrow;
            let (from_row, from_column) = (2 * row + corner % 2, 2 * column + corner / 2);
            (from_row < x.h && from_column < x.w)
                .then(|| ((photo * narrow + block % narrow) * x.h + from_row) * x.w + from_column)
        })
    }

    fn part(&self, y: (Dims, &Flat<Cpu>), x: Dims) -> Result<Flat<Cpu>> {
        let (y, values) = (y.0, host(y.1));
        let narrow = blocks(x.c);
        gathered(self, values, x, &|plane, row, column| {
            let (photo, block) = (plane / narrow, plane % narrow);
            let corner = row % 2 + 2 * (column % 2);
            Some((((photo * 4 + corner) * narrow + block) * y.h + row / 2) * y.w + column / 2)
        })
    }

    fn reframe(&self, x: (Dims, &Flat<Cpu>), y: Dims) -> Result<Flat<Cpu>> {
        let (x, values) = (x.0, host(x.1));
        gathered(self, values, y, &|plane, row, column| {
            (row < x.h && column < x.w).then(|| (plane * x.h + row) * x.w + column)
        })
    }
}
