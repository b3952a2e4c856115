//! More or less water between camera and animal, and what the camera makes of it.
//!
//! Light falls by Beer and Lambert, red within metres, blue or green last, and the water's own light lies over it as
//! a veil. Pixels are encoded with a gamma near 2.2, and a power turns a product into a product: a transmission `t`
//! of light is a factor `t^(1/2.2)` of the pixel, exactly. The veil is mixed on encoded values, which is no physics
//! but looks alike. Everything here is a factor and an offset a channel and row.

use super::Draw;

/// Metres of water that strength 1 adds at most.
const METRES: f32 = 8.0;
/// Share of it by which a photo may also lose water, as if taken nearer or corrected.
const NEARER: f32 = 0.25;
/// Attenuation of red, green, blue per metre in the open sea (Jerlov IB) and near the coast (Jerlov 3C), rounded
/// from Solonenko and Mobley 2015.
const OPEN: [f32; 3] = [0.36, 0.07, 0.045];
const COAST: [f32; 3] = [0.38, 0.12, 0.19];
/// Light of the water itself in the same two, encoded, 0 to 255.
const OPEN_VEIL: [f32; 3] = [40.0, 120.0, 165.0];
const COAST_VEIL: [f32; 3] = [75.0, 135.0, 120.0];
const GAMMA: f32 = 2.2;
/// How far the camera's exposure makes up for the light that is lost.
const EXPOSURE: f32 = 0.8;

/// Applies cast, veil, brightness and contrast to planes of `n * n`, 0 to 255.
pub(super) fn water(draw: &Draw, n: usize, planes: &mut [Vec<f32>; 3]) {
    let config = &draw.config;
    if config.colour_cast == 0.0 && config.haze == 0.0 && config.brightness == 0.0 && config.contrast == 0.0 {
        return;
    }
    let mean: [f32; 3] = std::array::from_fn(|c| planes[c].iter().sum::<f32>() / (n * n) as f32);
    let metres = config.colour_cast * METRES * (draw.depth * (1.0 + NEARER) - NEARER);
    let mix = |a: f32, b: f32| a + (b - a) * draw.coast;
    let mut gain: [f32; 3] = std::array::from_fn(|c| (-mix(OPEN[c], COAST[c]) * metres / GAMMA).exp());
    let light = |rgb: &[f32; 3]| 0.299 * rgb[0] + 0.587 * rgb[1] + 0.114 * rgb[2];
    let lost: [f32; 3] = std::array::from_fn(|c| gain[c] * mean[c]);
    let exposure = (light(&mean).max(1.0) / light(&lost).max(1.0)).powf(EXPOSURE);
    gain = gain.map(|g| g * exposure);
    // Half the photo's own colour: its water is already in it.
    let veil: [f32; 3] = std::array::from_fn(|c| 0.5 * mix(OPEN_VEIL[c], COAST_VEIL[c]) + 0.5 * gain[c] * mean[c]);
    let brightness = 1.0 + config.brightness * draw.brightness;
    let contrast = 1.0 + config.contrast * draw.contrast;
    let pivot = light(&mean) * brightness;
    for (c, plane) in planes.iter_mut().enumerate() {
        for (row, pixels) in plane.chunks_exact_mut(n).enumerate() {
            // Thicker towards the top or the bottom, as distance grows there.
            let slope = 1.0 + draw.gradient * ((2 * row + 1) as f32 / n as f32 - 1.0);
            let haze = (config.haze * draw.haze * slope).clamp(0.0, 0.95);
            let factor = gain[c] * (1.0 - haze) * brightness * contrast;
            let offset = veil[c] * haze * brightness * contrast + pivot * (1.0 - contrast);
            for v in pixels {
                *v = (*v * factor + offset).clamp(0.0, 255.0);
            }
        }
    }
}
