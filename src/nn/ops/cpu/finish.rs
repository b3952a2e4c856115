//! What follows a convolution's sums while they are near: a bias, or a batch norm with residual and activation, in the
//! order of sums of the pass of its own (`norm.rs`): the same bytes.

use std::marker::PhantomData;

use crate::nn::ops::Activation;

use super::access::{In, Out};
use super::elements::{Act, with_act};
use super::simd::{Isa, Kernel, LANES, Lanes, launch};

/// `activation(scale sum + shift + residual)`.
#[derive(Clone, Copy)]
pub(super) struct Finish {
    /// One value a channel.
    pub(super) scale: Option<In>,
    /// One value a channel.
    pub(super) shift: Option<In>,
    /// Lies as the target does.
    pub(super) residual: Option<In>,
    pub(super) activation: Activation,
}

impl Finish {
    /// The sums as they are.
    pub(super) const NONE: Finish =
        Finish { scale: None, shift: None, residual: None, activation: Activation::Identity };

    /// A bias alone, if there is one.
    pub(super) fn bias(bias: Option<In>) -> Finish {
        Finish { shift: bias, ..Finish::NONE }
    }

    /// The bias, where that is all: kernels that begin their sums with it need nothing after them.
    pub(super) fn bias_alone(&self) -> Option<In> {
        self.shift.filter(|_| !self.is_more_than_bias())
    }

    fn is_more_than_bias(&self) -> bool {
        self.scale.is_some() || self.residual.is_some() || self.activation != Activation::Identity
    }

    /// Whether the sums stay as they are.
    pub(super) fn is_none(&self) -> bool {
        self.shift.is_none() && !self.is_more_than_bias()
    }

    /// The same for a target that begins `blocks` further on, `values` of it.
    ///
    /// # Safety
    /// Within the target.
    pub(super) unsafe fn further(self, blocks: usize, values: usize) -> Finish {
        // SAFETY: the caller's.
        let on = |line: Option<In>, by: usize| line.map(|line| In(unsafe { line.at(by) }));
        Finish {
            scale: on(self.scale, blocks * LANES),
            shift: on(self.shift, blocks * LANES),
            residual: on(self.residual, values),
            ..self
        }
    }

    /// Finishes `count` lines of a block of channels where they are in the target, from value `at` of it on, whose sums began
    /// with [`Finish::bias_alone`].
    ///
    /// # Safety
    /// The target must be good for them, scale and shift for the block.
    pub(super) unsafe fn in_place(&self, isa: Isa, block: usize, target: Out, at: usize, count: usize) {
        if self.is_more_than_bias() {
            // SAFETY: the caller's.
            unsafe { self.run(isa, block, Lines::in_place(target.at(at), count, self.residual_at(at))) }
        }
    }

    /// What is added to value `at` of the target and those behind it; null where nothing is.
    ///
    /// # Safety
    /// Within the target.
    pub(super) unsafe fn residual_at(&self, at: usize) -> *const f32 {
        // SAFETY: the caller's.
        self.residual.map_or(std::ptr::null(), |residual| unsafe { residual.at(at) })
    }

    /// Finishes lines of one block of channels; `residual` is what is added to them, where something is.
    ///
    /// # Safety
    /// The pointers must be good for what `lines` says, scale and shift for the block.
    #[inline(never)]
    pub(super) unsafe fn run(&self, isa: Isa, block: usize, lines: Lines) {
        // SAFETY: the caller's.
        unsafe {
            let line = |of: Option<In>| of.map_or(std::ptr::null(), |of| of.at(block * LANES));
            let (scale, shift) = (line(self.scale), line(self.shift));
            with_act!(self.activation, A => launch(isa, Job::<A> { lines, scale, shift, act: PhantomData }));
        }
    }
}

/// Where lines of sums come from and go to.
#[derive(Clone, Copy)]
pub(super) struct Lines {
    pub(super) from: *const f32,
    /// The first line's number in its sixteen.
    pub(super) first: usize,
    /// Values from sixteen lines to the next sixteen.
    pub(super) sixteen: usize,
    pub(super) count: usize,
    pub(super) to: *mut f32,
    /// Null, or lies as the target does.
    pub(super) residual: *const f32,
    /// Values from one line of the target to the next.
    pub(super) step: usize,
}

impl Lines {
    /// Lines that lie one behind the other and stay where they are.
    pub(super) fn in_place(lines: *mut f32, count: usize, residual: *const f32) -> Lines {
        Lines { from: lines, first: 0, sixteen: LANES * LANES, count, to: lines, residual, step: LANES }
    }
}

struct Job<A> {
    lines: Lines,
    /// Null: ones.
    scale: *const f32,
    /// Null: zeros.
    shift: *const f32,
    act: PhantomData<A>,
}

impl<A: Act> Kernel for Job<A> {
    #[inline(always)]
    unsafe fn run<L: Lanes>(self) {
        let Lines { from, first, sixteen, count, to, residual, step } = self.lines;
        // SAFETY: the pointers are good for `count` lines.
        unsafe {
            let scale = if self.scale.is_null() { L::splat(1.0) } else { L::load(self.scale) };
            let shift = if self.shift.is_null() { L::zero() } else { L::load(self.shift) };
            let mut done = 0;
            while done < count {
                let line = first + done;
                let together = (LANES - line % LANES).min(count - done);
                let from = from.add(line / LANES * sixteen + line % LANES * LANES);
                for i in 0..together {
                    let at = (done + i) * step;
                    let mut value = L::load(from.add(i * LANES)).mul_add(scale, shift);
                    if !residual.is_null() {
                        value = value.add(L::load(residual.add(at)));
                    }
                    A::apply(value).store(to.add(at));
                }
                done += together;
            }
        }
    }
}
