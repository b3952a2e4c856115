//! Photos on the CPU: from bytes, row by row, to normalised planes.

use dfdx::prelude::{Cpu, HasErr};

use crate::nn::map::{Dims, Flat};
use crate::nn::ops::{Normalisation, PhotoKernel};

use super::access::{Out, filled};
use super::conv::tensor;
use super::threads::parallel;

impl PhotoKernel for Cpu {
    fn normalise(&self, dims: Dims, bytes: &[u8], by: &Normalisation) -> Result<Flat<Cpu>, <Cpu as HasErr>::Err> {
        let places = dims.h * dims.w;
        let table: [[f32; 256]; 3] =
            [0, 1, 2].map(|c| std::array::from_fn(|byte| (byte as f32 / 255.0 - by.mean[c]) / by.deviation[c]));
        let run = |out: Out| {
            parallel(dims.n * 3, &|task| {
                let (photo, channel) = (task / 3, task % 3);
                let pixels = bytes[photo * places * 3..(photo + 1) * places * 3].as_chunks::<3>().0;
                // SAFETY: a task has a plane of its own.
                let plane = unsafe { std::slice::from_raw_parts_mut(out.at(task * places), places) };
                for (value, pixel) in plane.iter_mut().zip(pixels) {
                    *value = table[channel][usize::from(pixel[channel])];
                }
            });
        };
        // SAFETY: the planes make up the whole map.
        tensor(self, unsafe { filled(dims.count(), run) })
    }
}
