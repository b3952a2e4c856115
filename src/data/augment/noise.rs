//! Noise of the sensor: a floor, and a part that grows with the light (shot noise).
//!
//! A number a pixel from a hash of its place, since 150 000 draws from the photo's stream would cost more than all
//! else; the sum of the hash's four bytes is close to a normal variate.

/// Share of the variance that is there in the dark.
const FLOOR: f32 = 0.4;

/// Adds noise of standard deviation `sigma` at white, 0 to 255, to each plane.
pub(super) fn noise(planes: &mut [Vec<f32>; 3], sigma: f32, seed: u32) {
    if sigma <= 0.0 {
        return;
    }
    // Four bytes, each uniform on 0 to 255: mean 510, variance 4 (256^2 - 1) / 12.
    let scale = sigma / (65_535.0f32 / 3.0).sqrt();
    for (c, plane) in planes.iter_mut().enumerate() {
        let key = mix(seed ^ c as u32);
        for (i, v) in plane.iter_mut().enumerate() {
            let hash = mix((i as u32).wrapping_add(key));
            let bytes = (hash & 255) + (hash >> 8 & 255) + (hash >> 16 & 255) + (hash >> 24);
            let normal = bytes as i32 as f32 - 510.0;
            let light = (*v * (1.0 / 255.0)).clamp(0.0, 1.0);
            *v += scale * normal * (FLOOR + (1.0 - FLOOR) * light).sqrt();
        }
    }
}

/// The finaliser of MurmurHash3: each bit of the input moves half of the output's.
fn mix(mut h: u32) -> u32 {
    h ^= h >> 16;
    h = h.wrapping_mul(0x85eb_ca6b);
    h ^= h >> 13;
    h = h.wrapping_mul(0xc2b2_ae35);
    h ^ (h >> 16)
}
