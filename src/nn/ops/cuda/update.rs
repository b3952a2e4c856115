//! Optimiser steps on the card.

use cudarc::driver::{CudaSlice, DevicePtr, DeviceSlice};
use dfdx::prelude::{Cuda, CudaError, Storage};

use crate::nn::map::Flat;
use crate::nn::ops::{AdamStep, SgdStep, UpdateKernel};

use super::engine::{Kernel, THREADS, address, engine, word};

type Result<T, E = CudaError> = std::result::Result<T, E>;
type Gradient = <Cuda as Storage<f32>>::Vec;

/// Blocks that sum the squares of one gradient, each leaving one number.
const BLOCKS: usize = 64;
/// Gradients whose numbers wait on the card before they are fetched.
const WAITING: usize = 1024;

/// Sums of squares, most of them still on the card: fetched together, because every wait stops it.
#[derive(Default)]
pub struct Squares {
    partial: Option<CudaSlice<f64>>,
    waiting: usize,
    sum: f64,
}

impl Squares {
    fn fetch(&mut self) -> Result<()> {
        if let Some(partial) = self.partial.as_ref().filter(|_| self.waiting > 0) {
            let values = engine()?.download(partial)?;
            self.sum += values.iter().take(self.waiting * BLOCKS).sum::<f64>();
            self.waiting = 0;
        }
        Ok(())
    }
}

impl UpdateKernel for Cuda {
    type Squares = Squares;

    fn add_squares(&self, gradient: &Gradient, sums: &mut Squares) -> Result<()> {
        if sums.waiting == WAITING {
            sums.fetch()?;
        }
        let engine = engine()?;
        if sums.partial.is_none() {
            sums.partial = Some(engine.scratch(WAITING * BLOCKS)?);
        }
        let Some(partial) = &sums.partial else { return Ok(()) };
        let target = *partial.device_ptr() + (sums.waiting * BLOCKS * size_of::<f64>()) as u64;
        let args = [word(gradient.len())?.into(), (*gradient.device_ptr()).into(), target.into()];
        // SAFETY: a gradient of that length, and room for a number of each block.
        unsafe { engine.launch(Kernel::squares, [BLOCKS as u32, 1, 1], THREADS, &args)? };
        sums.waiting += 1;
        Ok(())
    }

    fn total_of_squares(&self, mut sums: Squares) -> Result<f64> {
        sums.fetch()?;
        Ok(sums.sum)
    }

    fn adam(
        &self,
        weight: &mut Flat<Cuda>,
        gradient: &Gradient,
        first: &mut Flat<Cuda>,
        second: &mut Flat<Cuda>,
        step: AdamStep,
    ) -> Result<()> {
        let power = i32::try_from(step.step).unwrap_or(i32::MAX);
        let correction = |beta: f32| 1.0 - f64::from(beta).powi(power);
        let args = [
            ((f64::from(step.lr) / correction(step.beta1)) as f32).into(),
            ((1.0 / correction(step.beta2).sqrt()) as f32).into(),
            step.beta1.into(),
            step.beta2.into(),
            step.epsilon.into(),
            (1.0 - step.lr * step.weight_decay).into(),
            step.gradient_scale.into(),
            (*gradient.device_ptr()).into(),
            address(weight)?.into(),
            address(first)?.into(),
            address(second)?.into(),
        ];
        // SAFETY: weight, gradient and moments have one length.
        unsafe { engine()?.each(Kernel::adam, gradient.len(), &args) }
    }

    fn sgd(
        &self,
        weight: &mut Flat<Cuda>,
        gradient: &Gradient,
        velocity: &mut Flat<Cuda>,
        step: SgdStep,
    ) -> Result<()> {
        let args = [
            step.lr.into(),
            step.momentum.into(),
            (1.0 - step.lr * step.weight_decay).into(),
            step.gradient_scale.into(),
            (*gradient.device_ptr()).into(),
            address(weight)?.into(),
            address(velocity)?.into(),
        ];
        // SAFETY: weight, gradient and velocity have one length.
        unsafe { engine()?.each(Kernel::sgd, gradient.len(), &args) }
    }
}
