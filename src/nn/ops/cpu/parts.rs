//! fp32 values as sums of bf16 parts, laid out for products of tiles.
//!
//! A value is `hi + lo (+ rest)`, each rounded to bf16 from what the former left. Lines of sixteen values come in
//! pairs: dword `i` of a part holds value `i` of both lines, the first in its low half, which is what one step of a
//! tile product multiplies and adds. Which products of parts are summed is [`Products`] (Henry, Tang and Heinecke 2019,
//! "Leveraging the bfloat16 Artificial Intelligence Datatype For Higher-Precision Computations").

use super::simd::LANES;

/// Bytes of a line of one part: sixteen dwords.
pub(super) const LINE: usize = 64;

/// How many products of bf16 stand for one of fp32.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Products {
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
    unsafe fn split<const PARTS: usize>(a: *const f32, b: *const f32, to: *mut u8, apart: usize) -> bool;
}

/// What the compiler makes of it, on any processor.
pub(super) struct Anywhere;

impl Splitter for Anywhere {
    #[inline(always)]
    unsafe fn split<const PARTS: usize>(a: *const f32, b: *const f32, to: *mut u8, apart: usize) -> bool {
        let mut finite = true;
        for i in 0..LANES {
            // SAFETY: the caller's.
            let mut left = [a, b].map(|line| if line.is_null() { 0.0 } else { unsafe { *line.add(i) } });
            for part in 0..PARTS {
                let mut halves = [0u32; 2];
                for (left, half) in left.iter_mut().zip(&mut halves) {
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
}

/// With AVX-512.
#[cfg(target_arch = "x86_64")]
pub(super) struct Avx512;

#[cfg(target_arch = "x86_64")]
impl Splitter for Avx512 {
    #[inline(always)]
    unsafe fn split<const PARTS: usize>(a: *const f32, b: *const f32, to: *mut u8, apart: usize) -> bool {
        use std::arch::x86_64::*;
        // SAFETY: the caller's.
        unsafe {
            let load = |line: *const f32| if line.is_null() { _mm512_setzero_ps() } else { _mm512_loadu_ps(line) };
            let (half, high) = (_mm512_set1_epi32(0x8000), _mm512_set1_epi32(0xffff_0000_u32.cast_signed()));
            let (mut a, mut b) = (load(a), load(b));
            let mut strange = 0;
            for part in 0..PARTS {
                let x = _mm512_and_si512(_mm512_add_epi32(_mm512_castps_si512(a), half), high);
                let y = _mm512_and_si512(_mm512_add_epi32(_mm512_castps_si512(b), half), high);
                if part == 0 {
                    // quiet NaN, both infinities, signalling NaN; later parts are differences of finite numbers
                    strange = _mm512_fpclass_ps_mask::<0x99>(_mm512_castsi512_ps(x))
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
}
