//! Sixteen lanes of f32, three ways: one register of AVX-512, two of AVX2, a plain array that the compiler does
//! its best with. Kernels are written once over [`Lanes`] and chosen at run time by [`isa`].
//!
//! `CARETTA_CPU=avx512`, `avx2` or `plain` masks the wider ways off (AMX is the widest), to compare or to rule a kernel
//! out.

use std::sync::OnceLock;

/// Channels side by side in memory.
pub(super) const LANES: usize = 16;

/// The way kernels compute.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Isa {
    /// Arrays of sixteen, any processor.
    Plain,
    /// AVX2 and FMA.
    Avx2,
    /// AVX-512F.
    Avx512,
}

impl Isa {
    /// The name that `CARETTA_CPU` and a run's record use.
    pub fn name(self) -> &'static str {
        match self {
            Isa::Plain => "plain",
            Isa::Avx2 => "avx2",
            Isa::Avx512 => "avx512",
        }
    }

    /// Whether `CARETTA_CPU` names a way, so that nothing wider is used.
    #[cfg(target_arch = "x86_64")]
    pub(super) fn is_limited() -> bool {
        static LIMITED: OnceLock<bool> = OnceLock::new();
        *LIMITED.get_or_init(|| {
            let limit = std::env::var("CARETTA_CPU").unwrap_or_default();
            Isa::available().iter().any(|isa| isa.name() == limit)
        })
    }

    /// Every way that this processor has, the plain one first.
    pub fn available() -> &'static [Isa] {
        const ALL: [Isa; 3] = [Isa::Plain, Isa::Avx2, Isa::Avx512];
        #[cfg(target_arch = "x86_64")]
        {
            let avx2 = is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma");
            let count = 1 + usize::from(avx2) + usize::from(avx2 && is_x86_feature_detected!("avx512f"));
            &ALL[..count]
        }
        #[cfg(not(target_arch = "x86_64"))]
        &ALL[..1]
    }
}

/// The way this process computes: the widest there is, at most what `CARETTA_CPU` names.
pub fn isa() -> Isa {
    static CHOSEN: OnceLock<Isa> = OnceLock::new();
    *CHOSEN.get_or_init(|| {
        let limit = std::env::var("CARETTA_CPU").unwrap_or_default();
        let available = Isa::available();
        let named = available.iter().find(|isa| isa.name() == limit);
        *named.unwrap_or(&available[available.len() - 1])
    })
}

/// Sixteen values, one operation each.
///
/// # Safety
/// Every method may be called only where the processor has the instructions of the implementing type; pointers of
/// `load` and `store` must be good for sixteen values, at any alignment.
pub(super) trait Lanes: Copy {
    /// Registers of the processor, in units of this type: how many accumulators a kernel may keep.
    const REGISTERS: usize;
    unsafe fn splat(x: f32) -> Self;
    unsafe fn load(p: *const f32) -> Self;
    unsafe fn store(self, p: *mut f32);
    unsafe fn add(self, b: Self) -> Self;
    unsafe fn sub(self, b: Self) -> Self;
    unsafe fn mul(self, b: Self) -> Self;
    unsafe fn div(self, b: Self) -> Self;
    unsafe fn sqrt(self) -> Self;
    /// `1 / self` to about a unit in the last place, of what is from 1 to 1e38.
    unsafe fn reciprocal(self) -> Self;
    unsafe fn max(self, b: Self) -> Self;
    unsafe fn min(self, b: Self) -> Self;
    /// `self * b + c`, rounded once where the processor can.
    unsafe fn mul_add(self, b: Self, c: Self) -> Self;
    /// Lane by lane: `yes` where `self > b`, else `no`.
    unsafe fn select_greater(self, b: Self, yes: Self, no: Self) -> Self;
    /// Lane by lane: `yes` where `self == b`, else `no`.
    unsafe fn select_equal(self, b: Self, yes: Self, no: Self) -> Self;
    /// To the nearest whole number.
    unsafe fn round(self) -> Self;
    /// 2 to the power of `self`, which holds whole numbers from -126 to 127.
    unsafe fn exp2_whole(self) -> Self;
    /// The sum of the lanes.
    unsafe fn total(self) -> f32;
    /// The largest of the lanes.
    unsafe fn largest(self) -> f32;

    #[inline(always)]
    unsafe fn zero() -> Self {
        // SAFETY: the caller's.
        unsafe { Self::splat(0.0) }
    }
}

/// Implements [`Lanes`] for `$name`: one `$register` of `$width` lanes for each index; `$module` holds the instructions.
///
/// Written out by index: through closures the instructions would land in functions compiled without them.
macro_rules! lanes {
    ($name:ident, $register:ty, [$($i:literal)*], $width:literal, registers $registers:literal, $module:ident) => {
        #[derive(Clone, Copy)]
        pub(super) struct $name([$register; [$($i),*].len()]);

        impl Lanes for $name {
            const REGISTERS: usize = $registers / [$($i),*].len();
            #[inline(always)]
            unsafe fn splat(x: f32) -> Self {
                // SAFETY: the instructions are there by the trait's contract; the same holds below.
                unsafe { $name([$({ let _ = $i; $module::splat(x) }),*]) }
            }
            #[inline(always)]
            unsafe fn load(p: *const f32) -> Self {
                // SAFETY: the pointer is good for sixteen values by the trait's contract.
                unsafe { $name([$($module::load(p.add($i * $width))),*]) }
            }
            #[inline(always)]
            unsafe fn store(self, p: *mut f32) {
                // SAFETY: the pointer is good for sixteen values by the trait's contract.
                unsafe { $($module::store(p.add($i * $width), self.0[$i]);)* }
            }
            #[inline(always)]
            unsafe fn total(self) -> f32 {
                // SAFETY: the trait's contract.
                unsafe { 0.0 $(+ $module::total(self.0[$i]))* }
            }
            #[inline(always)]
            unsafe fn largest(self) -> f32 {
                // SAFETY: the trait's contract.
                unsafe { f32::NEG_INFINITY $(.max($module::largest(self.0[$i])))* }
            }
            lanes!(@method $name, $module, [$($i)*], add(b));
            lanes!(@method $name, $module, [$($i)*], sub(b));
            lanes!(@method $name, $module, [$($i)*], mul(b));
            lanes!(@method $name, $module, [$($i)*], div(b));
            lanes!(@method $name, $module, [$($i)*], max(b));
            lanes!(@method $name, $module, [$($i)*], min(b));
            lanes!(@method $name, $module, [$($i)*], sqrt());
            lanes!(@method $name, $module, [$($i)*], reciprocal());
            lanes!(@method $name, $module, [$($i)*], round());
            lanes!(@method $name, $module, [$($i)*], exp2_whole());
            lanes!(@method $name, $module, [$($i)*], mul_add(b, c));
            lanes!(@method $name, $module, [$($i)*], select_greater(b, yes, no));
            lanes!(@method $name, $module, [$($i)*], select_equal(b, yes, no));
        }
    };
    (@method $name:ident, $module:ident, $indices:tt, $method:ident $arguments:tt) => {
        lanes!(@body $name, $module, $indices, $method, $arguments, $arguments);
    };
    (@body $name:ident, $module:ident, [$($i:literal)*], $method:ident, ($($b:ident),*), $arguments:tt) => {
        #[inline(always)]
        unsafe fn $method(self $(, $b: Self)*) -> Self {
            // SAFETY: the trait's contract.
            unsafe { $name([$(lanes!(@call $module, $method, self, $i, $arguments)),*]) }
        }
    };
    (@call $module:ident, $method:ident, $this:ident, $i:literal, ($($b:ident),*)) => {
        $module::$method($this.0[$i] $(, $b.0[$i])*)
    };
}

/// Sets `$module` up: functions over `$register`, named as the methods of [`Lanes`], from expressions.
macro_rules! instructions {
    ($register:ty; $($name:ident($($b:ident),*) = $body:expr;)*) => {
        $(
            #[inline(always)]
            pub(super) unsafe fn $name($($b: $register),*) -> $register {
                // SAFETY: the contract of `Lanes`.
                #[allow(unused_unsafe)]
                unsafe { $body }
            }
        )*
    };
}

#[cfg(target_arch = "x86_64")]
mod zmm {
    pub(super) use std::arch::x86_64::_mm512_loadu_ps as load;
    pub(super) use std::arch::x86_64::_mm512_reduce_add_ps as total;
    pub(super) use std::arch::x86_64::_mm512_reduce_max_ps as largest;
    pub(super) use std::arch::x86_64::_mm512_set1_ps as splat;
    pub(super) use std::arch::x86_64::_mm512_storeu_ps as store;
    use std::arch::x86_64::*;
    instructions! { __m512;
        add(a, b) = _mm512_add_ps(a, b);
        sub(a, b) = _mm512_sub_ps(a, b);
        mul(a, b) = _mm512_mul_ps(a, b);
        div(a, b) = _mm512_div_ps(a, b);
        max(a, b) = _mm512_max_ps(a, b);
        min(a, b) = _mm512_min_ps(a, b);
        sqrt(a) = _mm512_sqrt_ps(a);
        // a division takes as long as ten of these: an estimate of 14 bits, made better once (Newton)
        reciprocal(a) = {
            let near = _mm512_rcp14_ps(a);
            _mm512_fmadd_ps(near, _mm512_fnmadd_ps(a, near, _mm512_set1_ps(1.0)), near)
        };
        mul_add(a, b, c) = _mm512_fmadd_ps(a, b, c);
        select_greater(a, b, yes, no) = _mm512_mask_mov_ps(no, _mm512_cmp_ps_mask::<_CMP_GT_OQ>(a, b), yes);
        select_equal(a, b, yes, no) = _mm512_mask_mov_ps(no, _mm512_cmp_ps_mask::<_CMP_EQ_OQ>(a, b), yes);
        round(a) = _mm512_roundscale_ps::<0>(a);
        exp2_whole(a) = _mm512_scalef_ps(_mm512_set1_ps(1.0), a);
    }
}

#[cfg(target_arch = "x86_64")]
mod ymm {
    pub(super) use std::arch::x86_64::_mm256_loadu_ps as load;
    pub(super) use std::arch::x86_64::_mm256_set1_ps as splat;
    pub(super) use std::arch::x86_64::_mm256_storeu_ps as store;
    use std::arch::x86_64::*;

    /// The lanes in pairs, then pairs of pairs: `$add` of whole registers, `$last` of their first lanes.
    macro_rules! folded {
        ($name:ident, $add:ident, $last:ident) => {
            #[inline(always)]
            pub(super) unsafe fn $name(x: __m256) -> f32 {
                // SAFETY: AVX2 is there by the contract of `Lanes`.
                #[allow(unused_unsafe)]
                unsafe {
                    let x = $add(_mm256_castps256_ps128(x), _mm256_extractf128_ps::<1>(x));
                    let x = $add(x, _mm_movehl_ps(x, x));
                    _mm_cvtss_f32($last(x, _mm_shuffle_ps::<1>(x, x)))
                }
            }
        };
    }
    folded!(total, _mm_add_ps, _mm_add_ss);
    folded!(largest, _mm_max_ps, _mm_max_ss);

    instructions! { __m256;
        add(a, b) = _mm256_add_ps(a, b);
        sub(a, b) = _mm256_sub_ps(a, b);
        mul(a, b) = _mm256_mul_ps(a, b);
        div(a, b) = _mm256_div_ps(a, b);
        max(a, b) = _mm256_max_ps(a, b);
        min(a, b) = _mm256_min_ps(a, b);
        sqrt(a) = _mm256_sqrt_ps(a);
        reciprocal(a) = _mm256_div_ps(_mm256_set1_ps(1.0), a);
        mul_add(a, b, c) = _mm256_fmadd_ps(a, b, c);
        select_greater(a, b, yes, no) = _mm256_blendv_ps(no, yes, _mm256_cmp_ps::<_CMP_GT_OQ>(a, b));
        select_equal(a, b, yes, no) = _mm256_blendv_ps(no, yes, _mm256_cmp_ps::<_CMP_EQ_OQ>(a, b));
        round(a) = _mm256_round_ps::<{ _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC }>(a);
        exp2_whole(a) = _mm256_castsi256_ps(_mm256_slli_epi32::<23>(
            _mm256_add_epi32(_mm256_cvtps_epi32(a), _mm256_set1_epi32(127))));
    }
}

/// Scalar twins of the instructions.
mod scalar {
    #[inline(always)]
    pub(super) unsafe fn splat(x: f32) -> f32 {
        x
    }
    #[inline(always)]
    pub(super) unsafe fn load(p: *const f32) -> f32 {
        // SAFETY: the contract of `Lanes`.
        unsafe { *p }
    }
    #[inline(always)]
    pub(super) unsafe fn store(p: *mut f32, x: f32) {
        // SAFETY: the contract of `Lanes`.
        unsafe { *p = x }
    }
    #[inline(always)]
    pub(super) unsafe fn total(x: f32) -> f32 {
        x
    }
    #[inline(always)]
    pub(super) unsafe fn largest(x: f32) -> f32 {
        x
    }
    // max and min as the instructions: the second where one is no number. mul_add rounds twice: `f32::mul_add` is a
    // library call where the processor has no FMA.
    instructions! { f32;
        add(a, b) = a + b;
        sub(a, b) = a - b;
        mul(a, b) = a * b;
        div(a, b) = a / b;
        max(a, b) = if a > b { a } else { b };
        min(a, b) = if a < b { a } else { b };
        sqrt(a) = a.sqrt();
        reciprocal(a) = 1.0 / a;
        mul_add(a, b, c) = a * b + c;
        select_greater(a, b, yes, no) = if a > b { yes } else { no };
        select_equal(a, b, yes, no) = if a == b { yes } else { no };
        round(a) = a.round_ties_even();
        exp2_whole(a) = f32::from_bits(((a as i32 + 127) << 23) as u32);
    }
}

#[cfg(target_arch = "x86_64")]
lanes!(Wide, std::arch::x86_64::__m512, [0], 16, registers 32, zmm);
#[cfg(target_arch = "x86_64")]
lanes!(Pair, std::arch::x86_64::__m256, [0 1], 8, registers 16, ymm);
lanes!(Plain, f32, [0 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15], 1, registers 64, scalar);

/// `exp(x)`, to about two units in the last place for |x| up to 87, beyond that as for 87.
///
/// # Safety
/// The contract of [`Lanes`].
#[inline(always)]
pub(super) unsafe fn exp<L: Lanes>(x: L) -> L {
    // SAFETY: the caller's.
    unsafe {
        let x = x.max(L::splat(-87.0)).min(L::splat(87.0));
        let whole = x.mul(L::splat(std::f32::consts::LOG2_E)).round();
        // ln 2 in two parts, so that the rest keeps its digits
        let rest = whole.mul_add(L::splat(-0.693_359_4), x);
        let rest = whole.mul_add(L::splat(2.121_944_4e-4), rest);
        // Taylor's series on [-ln 2 / 2, ln 2 / 2]
        let mut sum = L::splat(1.0 / 5040.0);
        for term in [1.0 / 720.0, 1.0 / 120.0, 1.0 / 24.0, 1.0 / 6.0, 0.5, 1.0, 1.0] {
            sum = sum.mul_add(rest, L::splat(term));
        }
        sum.mul(whole.exp2_whole())
    }
}

/// `1 / (1 + exp(-x))`.
///
/// # Safety
/// The contract of [`Lanes`].
#[inline(always)]
pub(super) unsafe fn sigmoid<L: Lanes>(x: L) -> L {
    // SAFETY: the caller's.
    unsafe { L::splat(1.0).add(exp(L::zero().sub(x))).reciprocal() }
}

/// The sum of the normal distribution up to `x`, `(1 + erf(x / sqrt 2)) / 2`, to about 3e-7.
///
/// # Safety
/// The contract of [`Lanes`].
#[inline(always)]
pub(super) unsafe fn normal_sum<L: Lanes>(x: L) -> L {
    /// Of `erf(z) / z` in powers of `z^2` for |z| up to 4: minimax, 2e-8 from it; beyond 4 erf is 1 in f32.
    #[allow(clippy::approx_constant)] // the last is fitted as well, and not quite 2 / sqrt pi
    const ABOVE: [f32; 6] = [1.974_803_8e-6, 2.880_420_7e-4, 4.003_721e-3, 5.346_771_6e-2, 1.962_508_8e-1, 1.128_379];
    const BELOW: [f32; 6] = [3.748_062e-5, 1.216_376e-3, 1.544_457_6e-2, 1.164_772e-1, 5.072_54e-1, 1.0];
    // SAFETY: the caller's.
    unsafe {
        // the bounds first: the instructions give the second where one is no number
        let z = L::splat(-4.0).max(L::splat(4.0).min(x.mul(L::splat(std::f32::consts::FRAC_1_SQRT_2))));
        let square = z.mul(z);
        let (mut above, mut below) = (L::splat(ABOVE[0]), L::splat(BELOW[0]));
        for i in 1..ABOVE.len() {
            above = above.mul_add(square, L::splat(ABOVE[i]));
            below = below.mul_add(square, L::splat(BELOW[i]));
        }
        let half = L::splat(0.5);
        z.mul(above).div(below).mul_add(half, half)
    }
}

/// A piece of work written over [`Lanes`]. Implementations mark `run` `#[inline(always)]`, or it would be compiled
/// without the instructions.
pub(super) trait Kernel {
    /// Does the work.
    ///
    /// # Safety
    /// The contract of [`Lanes`], and that of the pointers that the implementing type holds.
    unsafe fn run<L: Lanes>(self);
}

/// Asks for a line of the cache that will be written; harmless wherever it points.
#[inline(always)]
pub(super) fn ask_to_write(line: *const f32) {
    #[cfg(target_arch = "x86_64")]
    // SAFETY: a hint, which never faults.
    unsafe {
        std::arch::asm!("prefetchw [{}]", in(reg) line, options(nostack, preserves_flags, readonly));
    }
    #[cfg(not(target_arch = "x86_64"))]
    let _ = line;
}

/// Asks for a line of the cache that will be read; harmless wherever it points.
#[inline(always)]
pub(super) fn ask_to_read(line: *const f32) {
    #[cfg(target_arch = "x86_64")]
    // SAFETY: as above.
    unsafe {
        std::arch::x86_64::_mm_prefetch::<{ std::arch::x86_64::_MM_HINT_T0 }>(line.cast());
    }
    #[cfg(not(target_arch = "x86_64"))]
    let _ = line;
}

/// Runs `kernel` the way `isa` says.
///
/// # Safety
/// `isa` must be available, and the pointers of `kernel` good for what it does.
#[inline]
pub(super) unsafe fn launch<K: Kernel>(isa: Isa, kernel: K) {
    #[cfg(target_arch = "x86_64")]
    #[target_feature(enable = "avx512f,avx2,fma")]
    unsafe fn avx512<K: Kernel>(kernel: K) {
        // SAFETY: AVX-512F is there; the rest is the caller's.
        unsafe { kernel.run::<Wide>() }
    }
    #[cfg(target_arch = "x86_64")]
    #[target_feature(enable = "avx2,fma")]
    unsafe fn avx2<K: Kernel>(kernel: K) {
        // SAFETY: AVX2 and FMA are there; the rest is the caller's.
        unsafe { kernel.run::<Pair>() }
    }
    // SAFETY: the caller's.
    unsafe {
        match isa {
            #[cfg(target_arch = "x86_64")]
            Isa::Avx512 => avx512(kernel),
            #[cfg(target_arch = "x86_64")]
            Isa::Avx2 => avx2(kernel),
            _ => kernel.run::<Plain>(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A kernel that makes each line of the first slice one of the second.
    macro_rules! line_by_line {
        ($($name:ident $of:ident;)*) => {$(
            struct $name<'a>(&'a [f32], &'a mut [f32]);
            impl Kernel for $name<'_> {
                #[inline(always)]
                unsafe fn run<L: Lanes>(self) {
                    for (x, y) in self.0.chunks_exact(LANES).zip(self.1.chunks_exact_mut(LANES)) {
                        // SAFETY: both chunks hold sixteen values.
                        unsafe { $of(L::load(x.as_ptr())).store(y.as_mut_ptr()) }
                    }
                }
            }
        )*};
    }
    line_by_line! {
        Exp exp;
        NormalSum normal_sum;
        Sigmoid sigmoid;
    }

    #[test]
    fn the_normal_sum_agrees_with_the_sum_of_its_density_on_every_way() {
        // Simpson's rule from 0 in steps of 0.01; x is every second of its points
        let density = |x: f64| (-x * x / 2.0).exp() / std::f64::consts::TAU.sqrt();
        let x: Vec<f32> = (0..800).map(|i| i as f32 * 0.02 - 8.0).collect();
        let mut expected = vec![0.5f64; x.len()];
        for i in 401..x.len() {
            let a = f64::from(x[i - 1]);
            let step = f64::from(x[i]) - a;
            let more = step / 6.0 * (density(a) + 4.0 * density(a + step / 2.0) + density(a + step));
            expected[i] = expected[i - 1] + more;
            expected[800 - i] = 1.0 - expected[i];
        }
        expected[0] = 0.0;
        for &isa in Isa::available() {
            let mut y = vec![0.0; x.len()];
            // SAFETY: the way is available.
            unsafe { launch(isa, NormalSum(&x, &mut y)) };
            for ((x, y), e) in x.iter().zip(&y).zip(&expected) {
                assert!((f64::from(*y) - e).abs() < 4e-7, "{isa:?}: {y} instead of {e} at {x}");
            }
        }
    }

    struct Folds<'a>(&'a [f32; LANES], &'a mut [f32; 2]);
    impl Kernel for Folds<'_> {
        #[inline(always)]
        unsafe fn run<L: Lanes>(self) {
            // SAFETY: sixteen values.
            unsafe {
                let x = L::load(self.0.as_ptr());
                *self.1 = [x.total(), x.largest()];
            }
        }
    }

    #[test]
    fn sums_and_largest_take_every_lane_in() {
        for &isa in Isa::available() {
            for lane in 0..LANES {
                let (mut x, mut y) = ([-1.0; LANES], [0.0; 2]);
                x[lane] = 5.0;
                // SAFETY: the way is available.
                unsafe { launch(isa, Folds(&x, &mut y)) };
                assert_eq!(y, [-10.0, 5.0], "{isa:?}, lane {lane}");
            }
        }
    }

    #[test]
    fn exp_agrees_with_the_library_on_every_way() {
        let x: Vec<f32> = (-4000..4000).map(|i| i as f32 * 0.02).collect();
        for &isa in Isa::available() {
            let mut y = vec![0.0; x.len()];
            // SAFETY: the way is available.
            unsafe { launch(isa, Exp(&x, &mut y)) };
            for (x, y) in x.iter().zip(&y) {
                let error = (f64::from(*y) / f64::from(*x).exp() - 1.0).abs();
                assert!(error < 3e-7, "{isa:?}: exp({x}) is {y}, off by {error}");
            }
        }
    }

    #[test]
    fn the_sigmoid_agrees_with_the_library_on_every_way_and_has_its_ends() {
        let mut x: Vec<f32> = (-4336..4336).map(|i| i as f32 * 0.02).collect();
        x.extend([f32::INFINITY, f32::MAX, f32::NEG_INFINITY, f32::MIN].repeat(4));
        for &isa in Isa::available() {
            let mut y = vec![0.0; x.len()];
            // SAFETY: the way is available.
            unsafe { launch(isa, Sigmoid(&x, &mut y)) };
            for (x, y) in x.iter().zip(&y) {
                let exact = 1.0 / (1.0 + (-f64::from(*x)).clamp(-87.0, 87.0).exp());
                let error = (f64::from(*y) / exact - 1.0).abs();
                assert!(error < 5e-7, "{isa:?}: of {x} it is {y}, off by {error}");
            }
        }
    }
}
