//! Which photos show nearly the same: saved anew, made smaller, a little brighter, a little cropped.
//!
//! Two looks. The first compares 64 bits a photo, whether it grows brighter from left to right in each of 8 x 8 places
//! (a difference hash). Of two hashes that differ in at most [`NEAR`] bits, one of four quarters differs in at most
//! [`NEAR`] / 4, so that a photo is compared with those only that share such a quarter with it, and not with all (Norouzi
//! et al. 2012, "Fast search in Hamming space with multi-index hashing"). The second look compares small pictures of
//! both, since water without an animal has hardly more than a gradient to hash.

use std::collections::HashMap;

use image::RgbImage;

use crate::data::resize::square;
use crate::data::sets::Sets;

/// Bits in which hashes of the same picture differ at most.
const NEAR: u32 = 7;
/// Bits of a quarter that may differ then.
const IN_A_QUARTER: u32 = NEAR / 4;
/// Side of the small picture.
const SIDE: u32 = 32;
/// Correlation of the small pictures from which two photos count as one picture. Measured on 200 photos of
/// SeaTurtleID2022: two of them correlate by 0.89 at most; one with itself by 0.999 and more when saved anew at quality 50
/// or made smaller to 240 pixels, by 0.977 when brightened by 15 %, by 0.970 when cropped by 1 % on each side, and by
/// 0.945 in 19 of 20 cases when cropped by 2 %. Their hashes differ in 4, 4, 6 and 8 bits at most.
const ALIKE: f32 = 0.95;

/// A photo in few bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Glance {
    hash: u64,
    /// Luminance, `SIDE` x `SIDE`.
    small: Box<[u8]>,
}

impl Glance {
    /// Of a photo's pixels.
    pub fn of(photo: &RgbImage) -> Glance {
        let small = luminance(&square(photo, SIDE).rgb);
        // the means of 8 rows of 9 places: SIDE is no multiple of 9, so the edges of a place fall into pixels
        let place = |x: u32, y: u32| {
            let mut sum = 0u32;
            for row in y * SIDE / 8..(y + 1) * SIDE / 8 {
                for column in 0..SIDE {
                    // ninths of a pixel that lie in the place
                    let (from, to) = ((column * 9).max(x * SIDE), ((column + 1) * 9).min((x + 1) * SIDE));
                    sum += to.saturating_sub(from) * u32::from(small[(row * SIDE + column) as usize]);
                }
            }
            sum
        };
        let mut hash = 0;
        for y in 0..8 {
            let row: Vec<u32> = (0..9).map(|x| place(x, y)).collect();
            for (x, pair) in (0..).zip(row.windows(2)) {
                // neighbours in different quarters: a sky or a bottom of even colour fills none of them alone
                let bit = (x % 4) * 16 + y * 2 + x / 4;
                hash |= u64::from(pair[1] > pair[0]) << bit;
            }
        }
        Glance { hash, small: small.into() }
    }

    /// Whether both count as one picture: what [`alike`] finds without comparing all with all.
    #[cfg(test)]
    pub(super) fn is_like(&self, other: &Glance) -> bool {
        (self.hash ^ other.hash).count_ones() <= NEAR && self.shows_what(other)
    }

    /// Whether both show the same, told by the second look.
    fn shows_what(&self, other: &Glance) -> bool {
        let n = self.small.len() as f32;
        let mean = |of: &[u8]| of.iter().map(|&v| f32::from(v)).sum::<f32>() / n;
        let (a, b) = (mean(&self.small), mean(&other.small));
        let (mut ab, mut aa, mut bb) = (0.0, 0.0, 0.0);
        for (&x, &y) in self.small.iter().zip(&other.small) {
            let (x, y) = (f32::from(x) - a, f32::from(y) - b);
            ab += x * y;
            aa += x * x;
            bb += y * y;
        }
        // pictures of one colour have nothing that could differ but the colour
        if aa == 0.0 || bb == 0.0 { aa == bb && (a - b).abs() < 2.0 } else { ab >= ALIKE * (aa * bb).sqrt() }
    }
}

/// Luminance of RGB bytes (ITU-R BT.601).
fn luminance(rgb: &[u8]) -> Vec<u8> {
    let of = |p: &[u8]| (299 * u32::from(p[0]) + 587 * u32::from(p[1]) + 114 * u32::from(p[2]) + 500) / 1000;
    rgb.chunks_exact(3).map(|p| of(p) as u8).collect()
}

/// Groups of photos that show nearly the same, by index in order; every group has at least two.
pub fn alike(glances: &[&Glance]) -> Vec<Vec<usize>> {
    let mut sets = Sets::new(glances.len());
    // photos of one hash as one, as far as they show the same: a folder of black photos is no square of comparisons
    let mut of_hash: HashMap<u64, Vec<usize>> = HashMap::new();
    for (at, glance) in glances.iter().enumerate() {
        let leaders = of_hash.entry(glance.hash).or_default();
        match leaders.iter().find(|&&leader| glances[leader].shows_what(glance)) {
            Some(&leader) => sets.join(leader, at),
            None => leaders.push(at),
        }
    }
    let mut hashes: Vec<u64> = of_hash.keys().copied().collect();
    hashes.sort_unstable();
    let quarter = |hash: u64, q: u32| (hash >> (16 * q)) as u16;
    for q in 0..4 {
        let mut index: HashMap<u16, Vec<u64>> = HashMap::new();
        hashes.iter().for_each(|&hash| index.entry(quarter(hash, q)).or_default().push(hash));
        for &hash in &hashes {
            for near in neighbours(quarter(hash, q)) {
                let found = index.get(&near).into_iter().flatten();
                for &other in found.filter(|&&other| other > hash && (other ^ hash).count_ones() <= NEAR) {
                    for &a in &of_hash[&hash] {
                        for &b in &of_hash[&other] {
                            if !sets.is_joined(a, b) && glances[a].shows_what(glances[b]) {
                                sets.join(a, b);
                            }
                        }
                    }
                }
            }
        }
    }
    sets.groups()
}

/// A quarter and all that differ from it in at most [`IN_A_QUARTER`] bits.
fn neighbours(of: u16) -> Vec<u16> {
    const { assert!(IN_A_QUARTER == 1) };
    std::iter::once(of).chain((0..16).map(|bit| of ^ 1 << bit)).collect()
}
