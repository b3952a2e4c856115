//! Optimiser steps on the CPU: portions of a parameter in parallel, plain loops that the compiler vectorises.

use dfdx::prelude::{Cpu, HasErr, Storage};

use crate::nn::map::Flat;
use crate::nn::ops::{AdamStep, SgdStep, UpdateKernel};

use super::access::{In, Out, host_mut};
use super::plan::pieces;
use super::simd::{Kernel, LANES, Lanes, isa, launch};
use super::threads::parallel;

type Gradient = <Cpu as Storage<f32>>::Vec;
type Result<T> = std::result::Result<T, <Cpu as HasErr>::Err>;

/// Values that a task takes at once.
const PORTION: usize = 64 << 10;

/// Calls `work` on portions of `length` values.
fn portions(length: usize, work: impl Fn(usize, usize) + Sync) {
    let portions: Vec<_> = pieces(length, PORTION).collect();
    parallel(portions.len(), &|task| work(portions[task].start, portions[task].len()));
}

/// One portion of an AdamW step.
struct Adam {
    weight: *mut f32,
    gradient: *const f32,
    first: *mut f32,
    second: *mut f32,
    length: usize,
    step: AdamStep,
}

impl Kernel for Adam {
    #[inline(always)]
    unsafe fn run<L: Lanes>(self) {
        let AdamStep { lr, beta1, beta2, epsilon, weight_decay, gradient_scale, step } = self.step;
        let correction = |beta: f32| 1.0 - f64::from(beta).powi(i32::try_from(step).unwrap_or(i32::MAX));
        let rate = (f64::from(lr) / correction(beta1)) as f32;
        let root = (1.0 / correction(beta2).sqrt()) as f32;
        // SAFETY: the pointers are good for `length` values; a last short line goes through a copy.
        unsafe {
            each_line(self.length, [self.weight, self.first, self.second], self.gradient, |[w, m, v], g| {
                let g = L::load(g).mul(L::splat(gradient_scale));
                let first = L::load(m).mul_add(L::splat(beta1), g.mul(L::splat(1.0 - beta1)));
                let second = L::load(v).mul_add(L::splat(beta2), g.mul(g).mul(L::splat(1.0 - beta2)));
                first.store(m);
                second.store(v);
                let size = second.sqrt().mul_add(L::splat(root), L::splat(epsilon));
                let kept = L::load(w).mul(L::splat(1.0 - lr * weight_decay));
                kept.sub(first.mul(L::splat(rate)).div(size)).store(w);
            });
        }
    }
}

/// One portion of an SGD step.
struct Sgd {
    weight: *mut f32,
    gradient: *const f32,
    velocity: *mut f32,
    length: usize,
    step: SgdStep,
}

impl Kernel for Sgd {
    #[inline(always)]
    unsafe fn run<L: Lanes>(self) {
        let SgdStep { lr, momentum, weight_decay, gradient_scale } = self.step;
        // SAFETY: as in `Adam`.
        unsafe {
            each_line(self.length, [self.weight, self.velocity], self.gradient, |[w, v], g| {
                let g = L::load(g).mul(L::splat(gradient_scale));
                let velocity = L::load(v).mul_add(L::splat(momentum), g);
                velocity.store(v);
                let kept = L::load(w).mul(L::splat(1.0 - lr * weight_decay));
                velocity.mul_add(L::splat(-lr), kept).store(w);
            });
        }
    }
}

/// Calls `line` on every sixteen values of the `changed` and the `read` arrays; a last short line through a copy.
///
/// # Safety
/// The pointers must be good for `length` values.
#[inline(always)]
unsafe fn each_line<const N: usize>(
    length: usize,
    changed: [*mut f32; N],
    read: *const f32,
    line: impl Fn([*mut f32; N], *const f32),
) {
    let whole = length / LANES * LANES;
    // SAFETY: the caller's.
    unsafe {
        for i in (0..whole).step_by(LANES) {
            line(changed.map(|p| p.add(i)), read.add(i));
        }
        let rest = length - whole;
        if rest > 0 {
            let mut copies = [[0.0f32; LANES]; N];
            let mut copy = [0.0f32; LANES];
            std::ptr::copy_nonoverlapping(read.add(whole), copy.as_mut_ptr(), rest);
            for (copy, p) in copies.iter_mut().zip(changed) {
                std::ptr::copy_nonoverlapping(p.add(whole), copy.as_mut_ptr(), rest);
            }
            line(copies.each_mut().map(|c| c.as_mut_ptr()), copy.as_ptr());
            for (copy, p) in copies.iter().zip(changed) {
                std::ptr::copy_nonoverlapping(copy.as_ptr(), p.add(whole), rest);
            }
        }
    }
}

impl UpdateKernel for Cpu {
    fn sum_of_squares(&self, gradient: &Gradient) -> Result<f64> {
        let portions: Vec<_> = pieces(gradient.len(), PORTION).collect();
        let mut sums = vec![0.0f64; portions.len()];
        let out = SumsOut(sums.as_mut_ptr());
        parallel(portions.len(), &|task| {
            let sum: f64 = gradient[portions[task].clone()]
                .chunks(1024)
                .map(|chunk| {
                    let mut lanes = [0.0f32; LANES];
                    chunk.iter().enumerate().for_each(|(i, g)| lanes[i % LANES] += g * g);
                    lanes.iter().map(|&s| f64::from(s)).sum::<f64>()
                })
                .sum();
            // SAFETY: a task has a place of its own.
            unsafe { out.set(task, sum) };
        });
        Ok(sums.iter().sum())
    }

    fn adam(
        &self,
        weight: &mut Flat<Cpu>,
        gradient: &Gradient,
        first: &mut Flat<Cpu>,
        second: &mut Flat<Cpu>,
        step: AdamStep,
    ) -> Result<()> {
        let (weight, first, second) = (host_mut(weight), host_mut(first), host_mut(second));
        let length = gradient.len();
        assert!(weight.len() == length && first.len() == length && second.len() == length);
        let (weight, first, second) = (Out::from(weight), Out::from(first), Out::from(second));
        let gradient = In::from(&gradient[..]);
        // SAFETY: portions lie within the arrays, as asserted, and do not overlap.
        portions(length, |at, length| unsafe {
            launch(
                isa(),
                Adam {
                    weight: weight.at(at),
                    gradient: gradient.at(at),
                    first: first.at(at),
                    second: second.at(at),
                    length,
                    step,
                },
            );
        });
        Ok(())
    }

    fn sgd(&self, weight: &mut Flat<Cpu>, gradient: &Gradient, velocity: &mut Flat<Cpu>, step: SgdStep) -> Result<()> {
        let (weight, velocity) = (host_mut(weight), host_mut(velocity));
        let length = gradient.len();
        assert!(weight.len() == length && velocity.len() == length);
        let (weight, velocity) = (Out::from(weight), Out::from(velocity));
        let gradient = In::from(&gradient[..]);
        // SAFETY: portions lie within the arrays, as asserted, and do not overlap.
        portions(length, |at, length| unsafe {
            let (weight, velocity) = (weight.at(at), velocity.at(at));
            launch(isa(), Sgd { weight, gradient: gradient.at(at), velocity, length, step });
        });
        Ok(())
    }
}

/// Where tasks put a sum each.
struct SumsOut(*mut f64);
// SAFETY: every task writes a place of its own.
unsafe impl Sync for SumsOut {}
impl SumsOut {
    /// # Safety
    /// `task` must be below the number of sums.
    unsafe fn set(&self, task: usize, sum: f64) {
        // SAFETY: the caller's.
        unsafe { *self.0.add(task) = sum }
    }
}
