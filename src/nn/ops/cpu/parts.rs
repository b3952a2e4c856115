//! fp32 values as sums of bf16 parts, laid out for products of tiles.
//!
//! A value is `hi + lo (+ rest)`, each rounded to bf16 from what the former left. Lines of sixteen values come in
//! pairs: dword `i` of a part holds value `i` of both lines, the first in its low half, which is what one step of a
//! tile product multiplies and adds. Which products of parts are summed is [`Products`] (Henry, Tang and Heinecke 2019,
//! "Leveraging the bfloat16 Artificial Intelligence Datatype For Higher-Precision Computations").

use super::direct::Strip;
use super::simd::{Kernel, LANES, Plain};

/// Bytes of a line of one part: sixteen dwords.
pub(super) const LINE: usize = 64;

/// Parts at most.
pub(super) const MOST_PARTS: usize = 3;

/// How many products of bf16 stand for one of fp32.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::nn) enum Products {
    /// bf16 alone.
    One,
    /// All but low times low: an error of some 4e-6.
    Three,
    /// As exact as fp32's own rounding.
    Six,
}

impl Products {
    /// For a log.
    pub(super) const fn words(self) -> &'static str {
        match self {
            Products::One => "one product",
            Products::Three => "three products",
            Products::Six => "six products",
        }
    }
}

/// Splits lines; the same bytes from every implementation.
pub(super) trait Splitter {
    /// Splits the lines at `a` and `b` (null: zeros) into `PARTS` lines at `to`, `apart` bytes from each other, and
    /// says whether all parts are finite.
    ///
    /// # Safety
    /// The pointers must be good for a line each, and the processor must have the implementation's instructions.
    #[inline(always)]
    unsafe fn split<const PARTS: usize>(a: *const f32, b: *const f32, to: *mut u8, apart: usize) -> bool {
        // SAFETY: the caller's.
        unsafe { Self::split_scaled::<PARTS>([a, b], [std::ptr::null(); 2], to, apart) }
    }

    /// The same of `lines` times `scales` (null: ones).
    ///
    /// # Safety
    /// As [`Splitter::split`].
    unsafe fn split_scaled<const PARTS: usize>(
        lines: [*const f32; 2],
        scales: [*const f32; 2],
        to: *mut u8,
        apart: usize,
    ) -> bool;

    /// Turns sixteen lines of dwords round: dword `j` of line `i` becomes dword `i` of line `j`.
    ///
    /// # Safety
    /// As [`Splitter::split`]; both for sixteen lines.
    unsafe fn turn(from: *const u8, to: *mut u8);

    /// Lays out a strip.
    ///
    /// # Safety
    /// As [`Splitter::split`]; the strip's own.
    unsafe fn lay(strip: Strip);
}

/// What the compiler makes of it, on any processor.
pub(super) struct Anywhere;

impl Splitter for Anywhere {
    #[inline(always)]
    unsafe fn split_scaled<const PARTS: usize>(
        lines: [*const f32; 2],
        scales: [*const f32; 2],
        to: *mut u8,
        apart: usize,
    ) -> bool {
        let mut finite = true;
        for i in 0..LANES {
            // SAFETY: the caller's.
            let at = |line: *const f32, none: f32| if line.is_null() { none } else { unsafe { *line.add(i) } };
            let mut left = [0, 1].map(|side| at(lines[side], 0.0) * at(scales[side], 1.0));
            for part in 0..PARTS {
                let mut halves = [0u32; 2];
                for (left, half) in left.iter_mut().zip(&mut halves) {
                    // some of what is no number would become one by the rounding
                    finite &= left.is_finite();
                    // half a unit of bf16 on, then the rest cut off: to nearest, ties away from zero
                    *half = left.to_bits().wrapping_add(0x8000) & 0xffff_0000;
                    let rounded = f32::from_bits(*half);
                    finite &= rounded.is_finite();
                    *left -= rounded;
                }
                // SAFETY: the caller's.
                unsafe { to.add(part * apart).cast::<u32>().add(i).write(halves[0] >> 16 | halves[1]) }
            }
        }
        finite
    }

    #[inline(always)]
    unsafe fn turn(from: *const u8, to: *mut u8) {
        // SAFETY: the caller's.
        let lines = unsafe { from.cast::<[[u32; LANES]; LANES]>().read() };
        let turned: [[u32; LANES]; LANES] = std::array::from_fn(|i| std::array::from_fn(|j| lines[j][i]));
        // SAFETY: the caller's.
        unsafe { to.cast::<[[u32; LANES]; LANES]>().write(turned) }
    }

    #[inline(always)]
    unsafe fn lay(strip: Strip) {
        // SAFETY: the caller's.
        unsafe { strip.run::<Plain>() }
    }
}

/// With AVX-512.
#[cfg(target_arch = "x86_64")]
pub(super) struct Avx512;

#[cfg(target_arch = "x86_64")]
impl Splitter for Avx512 {
    #[inline(always)]
    unsafe fn split_scaled<const PARTS: usize>(
        lines: [*const f32; 2],
        scales: [*const f32; 2],
        to: *mut u8,
        apart: usize,
    ) -> bool {
        use std::arch::x86_64::*;
        // SAFETY: the caller's.
        unsafe {
            let load = |side: usize| {
                let [line, scale] = [lines[side], scales[side]];
                let values = if line.is_null() { _mm512_setzero_ps() } else { _mm512_loadu_ps(line) };
                if scale.is_null() { values } else { _mm512_mul_ps(values, _mm512_loadu_ps(scale)) }
            };
            let (half, high) = (_mm512_set1_epi32(0x8000), _mm512_set1_epi32(0xffff_0000_u32.cast_signed()));
            let (mut a, mut b) = (load(0), load(1));
            let mut strange = 0;
            for part in 0..PARTS {
                let x = _mm512_and_si512(_mm512_add_epi32(_mm512_castps_si512(a), half), high);
                let y = _mm512_and_si512(_mm512_add_epi32(_mm512_castps_si512(b), half), high);
                if part == 0 {
                    // quiet NaN, both infinities, signalling NaN; later parts are differences of finite numbers
                    // (before rounding, which makes numbers of some that are none, and after it, which may overflow)
                    strange = _mm512_fpclass_ps_mask::<0x99>(a)
                        | _mm512_fpclass_ps_mask::<0x99>(b)
                        | _mm512_fpclass_ps_mask::<0x99>(_mm512_castsi512_ps(x))
                        | _mm512_fpclass_ps_mask::<0x99>(_mm512_castsi512_ps(y));
                }
                let both = _mm512_or_si512(_mm512_srli_epi32::<16>(x), y);
                _mm512_storeu_si512(to.add(part * apart).cast(), both);
                if part + 1 < PARTS {
                    a = _mm512_sub_ps(a, _mm512_castsi512_ps(x));
                    b = _mm512_sub_ps(b, _mm512_castsi512_ps(y));
                }
            }
            strange == 0
        }
    }
    #[inline(always)]
    unsafe fn turn(from: *const u8, to: *mut u8) {
        use std::arch::x86_64::*;
        // SAFETY: the caller's.
        unsafe {
            let zero = _mm512_setzero_si512();
            let (mut a, mut b) = ([zero; LANES], [zero; LANES]);
            for (i, line) in a.iter_mut().enumerate() {
                *line = _mm512_loadu_si512(from.add(i * LINE).cast());
            }
            // pairs of dwords, then of quadwords, of neighbouring lines
            for i in 0..LANES / 2 {
                b[2 * i] = _mm512_unpacklo_epi32(a[2 * i], a[2 * i + 1]);
                b[2 * i + 1] = _mm512_unpackhi_epi32(a[2 * i], a[2 * i + 1]);
            }
            for i in 0..LANES / 4 {
                let four = 4 * i;
                a[four] = _mm512_unpacklo_epi64(b[four], b[four + 2]);
                a[four + 1] = _mm512_unpackhi_epi64(b[four], b[four + 2]);
                a[four + 2] = _mm512_unpacklo_epi64(b[four + 1], b[four + 3]);
                a[four + 3] = _mm512_unpackhi_epi64(b[four + 1], b[four + 3]);
            }
            // lane l of line 4 i + j now holds dword 4 l + j of lines 4 i to 4 i + 3
            for j in 0..4 {
                let even = _mm512_shuffle_i32x4::<0x88>(a[j], a[4 + j]);
                let odd = _mm512_shuffle_i32x4::<0xdd>(a[j], a[4 + j]);
                let even_below = _mm512_shuffle_i32x4::<0x88>(a[8 + j], a[12 + j]);
                let odd_below = _mm512_shuffle_i32x4::<0xdd>(a[8 + j], a[12 + j]);
                let store = |line: usize, values| _mm512_storeu_si512(to.add(line * LINE).cast(), values);
                store(j, _mm512_shuffle_i32x4::<0x88>(even, even_below));
                store(8 + j, _mm512_shuffle_i32x4::<0xdd>(even, even_below));
                store(4 + j, _mm512_shuffle_i32x4::<0x88>(odd, odd_below));
                store(12 + j, _mm512_shuffle_i32x4::<0xdd>(odd, odd_below));
            }
        }
    }

    #[inline(always)]
    unsafe fn lay(strip: Strip) {
        // SAFETY: the caller's.
        unsafe { strip.run::<super::simd::Wide>() }
    }
}
