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

/// The rule of an optimiser for sixteen values: `N` arrays that it changes, and the gradient.
///
/// A trait and no closure: through a closure the instructions would land in functions compiled without them.
trait Rule<const N: usize> {
    /// # Safety
    /// The contract of [`Lanes`].
    unsafe fn line<L: Lanes>(&self, changed: [*mut f32; N], gradient: *const f32);
}

/// AdamW's rule; changes weight, first and second moment.
struct Adam {
    step: AdamStep,
    /// Learning rate over the first moment's correction, and one over the root of the second's.
    rate: f32,
    root: f32,
}

impl Adam {
    fn new(step: AdamStep) -> Adam {
        let power = i32::try_from(step.step).unwrap_or(i32::MAX);
        let correction = |beta: f32| 1.0 - f64::from(beta).powi(power);
        let rate = (f64::from(step.lr) / correction(step.beta1)) as f32;
        Adam { step, rate, root: (1.0 / correction(step.beta2).sqrt()) as f32 }
    }
}

impl Rule<3> for Adam {
    #[inline(always)]
    unsafe fn line<L: Lanes>(&self, [w, m, v]: [*mut f32; 3], gradient: *const f32) {
        let AdamStep { lr, beta1, beta2, epsilon, weight_decay, gradient_scale, .. } = self.step;
        // SAFETY: the contract.
        unsafe {
            let g = L::load(gradient).mul(L::splat(gradient_scale));
            let first = L::load(m).mul_add(L::splat(beta1), g.mul(L::splat(1.0 - beta1)));
            let second = L::load(v).mul_add(L::splat(beta2), g.mul(g).mul(L::splat(1.0 - beta2)));
            first.store(m);
            second.store(v);
            let size = second.sqrt().mul_add(L::splat(self.root), L::splat(epsilon));
            let kept = L::load(w).mul(L::splat(1.0 - lr * weight_decay));
            kept.sub(first.mul(L::splat(self.rate)).div(size)).store(w);
        }
    }
}

/// The rule of SGD with momentum; changes weight and velocity.
struct Sgd(SgdStep);

impl Rule<2> for Sgd {
    #[inline(always)]
    unsafe fn line<L: Lanes>(&self, [w, v]: [*mut f32; 2], gradient: *const f32) {
        let SgdStep { lr, momentum, weight_decay, gradient_scale } = self.0;
        // SAFETY: the contract.
        unsafe {
            let g = L::load(gradient).mul(L::splat(gradient_scale));
            let velocity = L::load(v).mul_add(L::splat(momentum), g);
            velocity.store(v);
            let kept = L::load(w).mul(L::splat(1.0 - lr * weight_decay));
            velocity.mul_add(L::splat(-lr), kept).store(w);
        }
    }
}

/// A rule over one portion; a last short line goes through a copy. Pointers are good for `length` values.
struct Portion<'a, R, const N: usize> {
    changed: [*mut f32; N],
    gradient: *const f32,
    length: usize,
    rule: &'a R,
}

impl<R: Rule<N>, const N: usize> Kernel for Portion<'_, R, N> {
    #[inline(always)]
    unsafe fn run<L: Lanes>(self) {
        let whole = self.length / LANES * LANES;
        // SAFETY: the pointers are good for `length` values, the copies for a line.
        unsafe {
            for i in (0..whole).step_by(LANES) {
                let mut changed = self.changed;
                for p in &mut changed {
                    *p = p.add(i);
                }
                self.rule.line::<L>(changed, self.gradient.add(i));
            }
            let rest = self.length - whole;
            if rest > 0 {
                let mut copies = [[0.0f32; LANES]; N];
                let mut gradient = [0.0f32; LANES];
                let mut changed = self.changed;
                std::ptr::copy_nonoverlapping(self.gradient.add(whole), gradient.as_mut_ptr(), rest);
                for (copy, p) in copies.iter_mut().zip(&mut changed) {
                    std::ptr::copy_nonoverlapping(p.add(whole), copy.as_mut_ptr(), rest);
                    *p = copy.as_mut_ptr();
                }
                self.rule.line::<L>(changed, gradient.as_ptr());
                for (copy, p) in copies.iter().zip(self.changed) {
                    std::ptr::copy_nonoverlapping(copy.as_ptr(), p.add(whole), rest);
                }
            }
        }
    }
}

/// Takes a step by `rule`: all arrays as long as the gradient.
fn take<const N: usize>(rule: &(impl Rule<N> + Sync), changed: [&mut [f32]; N], gradient: &[f32]) {
    let length = gradient.len();
    assert!(changed.iter().all(|c| c.len() == length));
    let changed = changed.map(Out::from);
    let gradient = In::from(gradient);
    // SAFETY: portions lie within the arrays, as asserted, and do not overlap.
    portions(length, |at, length| unsafe {
        let changed = std::array::from_fn(|i| changed[i].at(at));
        launch(isa(), Portion { changed, gradient: gradient.at(at), length, rule });
    });
}

impl UpdateKernel for Cpu {
    type Squares = f64;

    fn add_squares(&self, gradient: &Gradient, total: &mut f64) -> Result<()> {
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
        *total += sums.iter().sum::<f64>();
        Ok(())
    }

    fn total_of_squares(&self, sums: f64) -> Result<f64> {
        Ok(sums)
    }

    fn adam(
        &self,
        weight: &mut Flat<Cpu>,
        gradient: &Gradient,
        first: &mut Flat<Cpu>,
        second: &mut Flat<Cpu>,
        step: AdamStep,
    ) -> Result<()> {
        take(&Adam::new(step), [host_mut(weight), host_mut(first), host_mut(second)], gradient);
        Ok(())
    }

    fn sgd(&self, weight: &mut Flat<Cpu>, gradient: &Gradient, velocity: &mut Flat<Cpu>, step: SgdStep) -> Result<()> {
        take(&Sgd(step), [host_mut(weight), host_mut(velocity)], gradient);
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
