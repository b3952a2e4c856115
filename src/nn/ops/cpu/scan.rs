//! Dot products of a query with rows of four bits a number: the pass over a large gallery that finds what is worth measuring.
//!
//! A record is a factor (f32, little-endian) and a row's codes, 0 to 15: those of the first half of the row in the low four bits
//! of its bytes, those of the second half in the high ones. Sums are of whole numbers, so that every way gives the same ones. The
//! memory's pace is the limit: with AVX2 two threads read 260 MB in 9 ms, and wider registers would gain nothing.

use super::simd::{self, Isa};

/// Bytes of a record before its codes.
pub const FACTOR: usize = 4;
/// Numbers that one step takes; a row is a multiple of it.
pub const STEP: usize = 64;
/// Steps whose sums of products fit sixteen bits: 4 steps x 2 halves x 2 products of at most 15 x 127.
const STEPS: usize = 4;

/// Writes of each of `records` its factor times the sum of its codes times `query`, less `shift`, into `out`. `query` holds a row's
/// numbers, a multiple of [`STEP`], each from -127 to 127.
pub fn scan(records: &[u8], query: &[i8], shift: f32, out: &mut [f32]) {
    scan_by(simd::isa(), records, query, shift, out);
}

fn scan_by(isa: Isa, records: &[u8], query: &[i8], shift: f32, out: &mut [f32]) {
    assert!(query.len().is_multiple_of(STEP) && !query.contains(&i8::MIN), "a query of whole steps");
    for (record, out) in records.chunks_exact(FACTOR + query.len() / 2).zip(out) {
        let (factor, codes) = record.split_at(FACTOR);
        let factor = f32::from_le_bytes([factor[0], factor[1], factor[2], factor[3]]);
        let sum = match isa {
            #[cfg(target_arch = "x86_64")]
            // SAFETY: AVX2 is there; the query is as long as the codes' numbers.
            Isa::Avx2 | Isa::Avx512 => unsafe { avx2(codes, query) },
            _ => plain(codes, query),
        };
        *out = factor * (sum as f32 - shift);
    }
}

fn plain(codes: &[u8], query: &[i8]) -> i32 {
    let (low, high) = query.split_at(query.len() / 2);
    let products = codes
        .iter()
        .zip(low)
        .zip(high)
        .map(|((&two, &low), &high)| i32::from(two & 15) * i32::from(low) + i32::from(two >> 4) * i32::from(high));
    products.sum()
}

/// # Safety
/// The processor must have AVX2, and `codes` half as many bytes as `query`, which is a multiple of [`STEP`].
#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2")]
#[inline]
unsafe fn avx2(codes: &[u8], query: &[i8]) -> i32 {
    use std::arch::x86_64::*;
    const BYTES: usize = STEP / 2;
    let half = query.len() / 2;
    // SAFETY: every load is of 32 bytes below `half`, the length of the codes and of each half of the query.
    unsafe {
        let (four, ones) = (_mm256_set1_epi8(15), _mm256_set1_epi16(1));
        let mut total = _mm256_setzero_si256();
        let mut at = 0;
        while at < half {
            let mut sums = _mm256_setzero_si256();
            let end = half.min(at + STEPS * BYTES);
            while at < end {
                let two = _mm256_loadu_si256(codes.as_ptr().add(at).cast());
                let low = _mm256_and_si256(two, four);
                let high = _mm256_and_si256(_mm256_srli_epi16::<4>(two), four);
                let query_low = _mm256_loadu_si256(query.as_ptr().add(at).cast());
                let query_high = _mm256_loadu_si256(query.as_ptr().add(half + at).cast());
                sums = _mm256_add_epi16(sums, _mm256_maddubs_epi16(low, query_low));
                sums = _mm256_add_epi16(sums, _mm256_maddubs_epi16(high, query_high));
                at += BYTES;
            }
            total = _mm256_add_epi32(total, _mm256_madd_epi16(sums, ones));
        }
        let four = _mm_add_epi32(_mm256_castsi256_si128(total), _mm256_extracti128_si256::<1>(total));
        let two = _mm_add_epi32(four, _mm_shuffle_epi32::<0b0100_1110>(four));
        _mm_cvtsi128_si32(_mm_add_epi32(two, _mm_shuffle_epi32::<0b1011_0001>(two)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// The definition: code by code, in 64 bits.
    fn one(record: &[u8], query: &[i8], shift: f32) -> f32 {
        let codes = &record[FACTOR..];
        let code = |i: usize| if i < codes.len() { codes[i] & 15 } else { codes[i - codes.len()] >> 4 };
        let sum: i64 = query.iter().enumerate().map(|(i, &q)| i64::from(code(i)) * i64::from(q)).sum();
        f32::from_le_bytes(record[..FACTOR].try_into().unwrap()) * (sum as f32 - shift)
    }

    proptest! {
        #[test]
        fn every_way_gives_what_plain_arithmetic_does(
            steps in 1_usize..11,
            rows in 0_usize..5,
            extreme in any::<bool>(),
            seed in any::<u32>(),
        ) {
            let value = |i: usize| ((i as u32).wrapping_add(seed).wrapping_mul(2_654_435_761) >> 16) as u8;
            let query: Vec<i8> = (0..steps * STEP)
                .map(|i| if extreme { if seed % 2 == 0 { 127 } else { -127 } } else { (value(i) as i8).max(-127) })
                .collect();
            let mut records = Vec::new();
            for row in 0..rows {
                records.extend((row as f32 + 0.5).to_le_bytes());
                records.extend((0..steps * STEP / 2).map(|i| if extreme { 255 } else { value(i * 7 + row) }));
            }
            for &isa in Isa::available() {
                let mut found = vec![f32::NAN; rows];
                scan_by(isa, &records, &query, 3.5, &mut found);
                let right: Vec<f32> =
                    records.chunks_exact(FACTOR + steps * STEP / 2).map(|record| one(record, &query, 3.5)).collect();
                prop_assert_eq!(&found, &right, "{:?}", isa);
            }
        }
    }
}
