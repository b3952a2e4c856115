//! Element by element on the CPU: activations, sums, scaling of channels.

use dfdx::prelude::{Cpu, HasErr, Storage};

use crate::nn::map::{Dims, Flat};
use crate::nn::ops::{Activation, ElementKernel, ScaleKernel};

use super::access::{In, Out, filled, host, host_mut};
use super::conv::tensor;
use super::layout::clear_padding;
use super::plan::{blocks, is_planes, pieces};
use super::simd::{Kernel, LANES, Lanes, exp, isa, launch, normal_sum, sigmoid};
use super::threads::parallel;

type Result<T> = std::result::Result<T, <Cpu as HasErr>::Err>;

/// An activation in registers.
pub(super) trait Act {
    /// # Safety
    /// The contract of [`Lanes`].
    unsafe fn apply<L: Lanes>(x: L) -> L;
    /// The gradient of the input from the input and the gradient of the output.
    ///
    /// # Safety
    /// The contract of [`Lanes`].
    unsafe fn backward<L: Lanes>(x: L, gy: L) -> L;
}

pub(super) struct Identity;
pub(super) struct Relu;
pub(super) struct Silu;
pub(super) struct Sigmoid;
pub(super) struct Relu6;
pub(super) struct Hardswish;
pub(super) struct Hardsigmoid;
pub(super) struct Gelu;

impl Act for Identity {
    #[inline(always)]
    unsafe fn apply<L: Lanes>(x: L) -> L {
        x
    }
    #[inline(always)]
    unsafe fn backward<L: Lanes>(_: L, gy: L) -> L {
        gy
    }
}

impl Act for Relu {
    #[inline(always)]
    unsafe fn apply<L: Lanes>(x: L) -> L {
        // SAFETY: the contract. Zero first: the instructions give the second where one is no number.
        unsafe { L::zero().max(x) }
    }
    #[inline(always)]
    unsafe fn backward<L: Lanes>(x: L, gy: L) -> L {
        // SAFETY: the contract.
        unsafe { x.select_greater(L::zero(), gy, L::zero()) }
    }
}

impl Act for Silu {
    #[inline(always)]
    unsafe fn apply<L: Lanes>(x: L) -> L {
        // SAFETY: the contract.
        unsafe { x.mul(sigmoid(x)) }
    }
    #[inline(always)]
    unsafe fn backward<L: Lanes>(x: L, gy: L) -> L {
        // SAFETY: the contract. s + x s (1 - s)
        unsafe {
            let (s, one) = (sigmoid(x), L::splat(1.0));
            gy.mul(s.mul(x.mul_add(one.sub(s), one)))
        }
    }
}

impl Act for Sigmoid {
    #[inline(always)]
    unsafe fn apply<L: Lanes>(x: L) -> L {
        // SAFETY: the contract.
        unsafe { sigmoid(x) }
    }
    #[inline(always)]
    unsafe fn backward<L: Lanes>(x: L, gy: L) -> L {
        // SAFETY: the contract.
        unsafe {
            let s = sigmoid(x);
            gy.mul(s.mul(L::splat(1.0).sub(s)))
        }
    }
}

impl Act for Relu6 {
    #[inline(always)]
    unsafe fn apply<L: Lanes>(x: L) -> L {
        // SAFETY: the contract. The bounds first: what is no number stays none.
        unsafe { L::splat(6.0).min(L::zero().max(x)) }
    }
    #[inline(always)]
    unsafe fn backward<L: Lanes>(x: L, gy: L) -> L {
        // SAFETY: the contract. 0 on both corners, as torch.
        unsafe {
            let (zero, six) = (L::zero(), L::splat(6.0));
            x.select_greater(zero, six.select_greater(x, gy, zero), zero)
        }
    }
}

impl Act for Hardswish {
    #[inline(always)]
    unsafe fn apply<L: Lanes>(x: L) -> L {
        // SAFETY: the contract.
        unsafe { x.mul(Hardsigmoid::apply(x)) }
    }
    #[inline(always)]
    unsafe fn backward<L: Lanes>(x: L, gy: L) -> L {
        // SAFETY: the contract. x / 3 + 1 / 2 between the corners, above 1, below 0.
        unsafe {
            let (zero, three) = (L::zero(), L::splat(3.0));
            let slope = x.mul_add(L::splat(1.0 / 3.0), L::splat(0.5));
            let bent = three.select_greater(x, gy.mul(slope), gy);
            x.select_greater(L::splat(-3.0), bent, zero)
        }
    }
}

impl Act for Hardsigmoid {
    #[inline(always)]
    unsafe fn apply<L: Lanes>(x: L) -> L {
        // SAFETY: the contract.
        unsafe { Relu6::apply(x.add(L::splat(3.0))).mul(L::splat(1.0 / 6.0)) }
    }
    #[inline(always)]
    unsafe fn backward<L: Lanes>(x: L, gy: L) -> L {
        // SAFETY: the contract.
        unsafe { Relu6::backward(x.add(L::splat(3.0)), gy.mul(L::splat(1.0 / 6.0))) }
    }
}

impl Act for Gelu {
    #[inline(always)]
    unsafe fn apply<L: Lanes>(x: L) -> L {
        // SAFETY: the contract.
        unsafe { x.mul(normal_sum(x)) }
    }
    #[inline(always)]
    unsafe fn backward<L: Lanes>(x: L, gy: L) -> L {
        // SAFETY: the contract. Phi + x phi, phi = exp(-x^2 / 2) / sqrt(2 pi)
        unsafe {
            let density = exp(x.mul(x).mul(L::splat(-0.5))).mul(L::splat(0.398_942_3));
            gy.mul(x.mul_add(density, normal_sum(x)))
        }
    }
}

/// Runs `$run` with `$act` as the type of `$activation`.
macro_rules! with_act {
    ($activation:expr, $act:ident => $run:expr) => {
        with_act!(@each $activation, $act => $run; Identity Relu Silu Sigmoid Relu6 Hardswish Hardsigmoid Gelu)
    };
    (@each $activation:expr, $act:ident => $run:expr; $($name:ident)*) => {
        match $activation {
            $($crate::nn::ops::Activation::$name => {
                type $act = $crate::nn::ops::cpu::elements::$name;
                $run
            })*
        }
    };
}
pub(super) use with_act;

/// Values that a task takes at once.
const PORTION: usize = 16 << 10;

/// `y = f(x, y)` over lines of sixteen; a last short line goes through a copy.
trait Map2 {
    /// # Safety
    /// The contract of [`Lanes`].
    unsafe fn map<L: Lanes>(&self, x: L, y: L) -> L;
}

struct Lines<'a, F> {
    x: *const f32,
    y: *mut f32,
    length: usize,
    map: &'a F,
}

impl<F: Map2> Kernel for Lines<'_, F> {
    #[inline(always)]
    unsafe fn run<L: Lanes>(self) {
        // SAFETY: the pointers are good for `length` values.
        unsafe {
            let whole = self.length / LANES * LANES;
            for i in (0..whole).step_by(LANES) {
                let y = self.y.add(i);
                self.map.map(L::load(self.x.add(i)), L::load(y)).store(y);
            }
            let rest = self.length - whole;
            if rest > 0 {
                let (mut x, mut y) = ([0.0; LANES], [0.0; LANES]);
                std::ptr::copy_nonoverlapping(self.x.add(whole), x.as_mut_ptr(), rest);
                std::ptr::copy_nonoverlapping(self.y.add(whole), y.as_mut_ptr(), rest);
                self.map.map(L::load(x.as_ptr()), L::load(y.as_ptr())).store(y.as_mut_ptr());
                std::ptr::copy_nonoverlapping(y.as_ptr(), self.y.add(whole), rest);
            }
        }
    }
}

/// `y = map(x, y)` for all values.
fn map2<F: Map2 + Sync>(x: &[f32], y: &mut [f32], map: &F) {
    assert_eq!(x.len(), y.len());
    let portions: Vec<_> = pieces(x.len(), PORTION).collect();
    let (x, y) = (In::from(x), Out::from(y));
    parallel(portions.len(), &|task| {
        let portion = portions[task].clone();
        // SAFETY: a task has a range of its own within both.
        unsafe {
            launch(isa(), Lines { x: x.at(portion.start), y: y.at(portion.start), length: portion.len(), map });
        }
    });
}

struct Activate<A>(std::marker::PhantomData<A>);
impl<A: Act> Map2 for Activate<A> {
    #[inline(always)]
    unsafe fn map<L: Lanes>(&self, x: L, _: L) -> L {
        // SAFETY: the contract.
        unsafe { A::apply(x) }
    }
}

struct ActivateBackward<A>(std::marker::PhantomData<A>);
impl<A: Act> Map2 for ActivateBackward<A> {
    #[inline(always)]
    unsafe fn map<L: Lanes>(&self, x: L, y: L) -> L {
        // SAFETY: the contract.
        unsafe { A::backward(x, y) }
    }
}

/// `keep y + share x`.
struct Blend {
    keep: f32,
    share: f32,
}
impl Map2 for Blend {
    #[inline(always)]
    unsafe fn map<L: Lanes>(&self, x: L, y: L) -> L {
        // SAFETY: the contract.
        unsafe { x.mul_add(L::splat(self.share), y.mul(L::splat(self.keep))) }
    }
}

const SUM: Blend = Blend { keep: 1.0, share: 1.0 };

// SAFETY: no value of the type is held.
unsafe impl<A> Sync for Activate<A> {}
// SAFETY: as above.
unsafe impl<A> Sync for ActivateBackward<A> {}

impl ElementKernel for Cpu {
    fn activate(&self, activation: Activation, x: (Dims, &Flat<Cpu>)) -> Result<Flat<Cpu>> {
        let (dims, x) = (x.0, host(x.1));
        let mut y = vec![0.0; x.len()];
        with_act!(activation, A => map2(x, &mut y, &Activate::<A>(std::marker::PhantomData)));
        if !activation.keeps_zero() {
            clear_padding(dims, &mut y);
        }
        tensor(self, y)
    }

    fn activate_backward(&self, activation: Activation, x: &Flat<Cpu>, mut gy: Flat<Cpu>) -> Result<Flat<Cpu>> {
        let gradient = host_mut(&mut gy);
        with_act!(activation, A => map2(host(x), gradient, &ActivateBackward::<A>(std::marker::PhantomData)));
        Ok(gy)
    }

    fn apart(&self, x: &Flat<Cpu>) -> Result<Flat<Cpu>> {
        // whoever changes it copies it first
        Ok(x.clone())
    }

    fn add_in_place(&self, mut x: Flat<Cpu>, y: &Flat<Cpu>) -> Result<Flat<Cpu>> {
        map2(host(y), host_mut(&mut x), &SUM);
        Ok(x)
    }

    fn add_to_gradient(&self, values: &Flat<Cpu>, into: &mut <Cpu as Storage<f32>>::Vec) -> Result<()> {
        map2(host(values), into, &SUM);
        Ok(())
    }

    fn blend(&self, x: &mut Flat<Cpu>, y: &Flat<Cpu>, share: f32) -> Result<()> {
        map2(host(y), host_mut(x), &Blend { keep: 1.0 - share, share });
        Ok(())
    }
}

/// One plane of sixteen channels times its scales: `target = source * scale`, and the sum of `source * other` where
/// asked for.
struct ScalePlane {
    source: *const f32,
    scale: *const f32,
    target: *mut f32,
    places: usize,
    /// Another plane, and where the sum of its product with the source goes.
    product: Option<(*const f32, *mut f32)>,
}

impl Kernel for ScalePlane {
    #[inline(always)]
    unsafe fn run<L: Lanes>(self) {
        // SAFETY: the pointers are good for a plane, the scale and the sum for sixteen values.
        unsafe {
            let scale = L::load(self.scale);
            let mut sum = L::zero();
            for i in (0..self.places * LANES).step_by(LANES) {
                let x = L::load(self.source.add(i));
                if let Some((other, _)) = self.product {
                    sum = x.mul_add(L::load(other.add(i)), sum);
                }
                x.mul(scale).store(self.target.add(i));
            }
            if let Some((_, target)) = self.product {
                sum.store(target);
            }
        }
    }
}

impl ScaleKernel for Cpu {
    fn scale_forward(&self, x: (Dims, &Flat<Cpu>), scale: &Flat<Cpu>) -> Result<Flat<Cpu>> {
        let (dims, places) = (x.0, x.0.h * x.0.w);
        if is_planes(dims.c) {
            let planes = host(x.1).chunks(places.max(1)).zip(host(scale));
            return tensor(self, planes.flat_map(|(plane, scale)| plane.iter().map(move |x| x * scale)).collect());
        }
        let (source, scale) = (In::from(host(x.1)), In::from(host(scale)));
        let run = |target: Out| {
            parallel(dims.n * blocks(dims.c), &|task| {
                let at = task * places * LANES;
                // SAFETY: a task has a plane of its own.
                unsafe {
                    launch(
                        isa(),
                        ScalePlane {
                            source: source.at(at),
                            scale: scale.at(task * LANES),
                            target: target.at(at),
                            places,
                            product: None,
                        },
                    );
                }
            });
        };
        // SAFETY: the planes make up the whole map.
        tensor(self, unsafe { filled(host(x.1).len(), run) })
    }

    fn scale_backward(
        &self,
        x: (Dims, &Flat<Cpu>),
        scale: &Flat<Cpu>,
        mut gy: Flat<Cpu>,
    ) -> Result<(Flat<Cpu>, Flat<Cpu>)> {
        let (dims, places) = (x.0, x.0.h * x.0.w);
        if is_planes(dims.c) {
            let values = host_mut(&mut gy).chunks_mut(places.max(1)).zip(host(x.1).chunks(places.max(1)));
            let sums = values.zip(host(scale)).map(|((gy, x), scale)| {
                let sum = gy.iter().zip(x).map(|(gy, x)| gy * x).sum();
                gy.iter_mut().for_each(|gy| *gy *= scale);
                sum
            });
            let sums = tensor(self, sums.collect())?;
            return Ok((gy, sums));
        }
        let (source, scales) = (In::from(host(x.1)), In::from(host(scale)));
        let gradient = Out::from(host_mut(&mut gy));
        let run = |sums: Out| {
            parallel(dims.n * blocks(dims.c), &|task| {
                let at = task * places * LANES;
                // SAFETY: a task has a plane and a sum of its own; it reads each value before it writes it.
                unsafe {
                    launch(
                        isa(),
                        ScalePlane {
                            source: gradient.at(at),
                            scale: scales.at(task * LANES),
                            target: gradient.at(at),
                            places,
                            product: Some((source.at(at), sums.at(task * LANES))),
                        },
                    );
                }
            });
        };
        // SAFETY: there is one sum a plane.
        let sums = tensor(self, unsafe { filled(host(scale).len(), run) })?;
        Ok((gy, sums))
    }
}
