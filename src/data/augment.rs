//! Changes a photo as the sea, the light and the camera would, so that a network learns the animal and not the water.
//!
//! One affine warp (crop, stretch, rotation, shift), then water between camera and animal (red falls first, a veil
//! rises), the camera's exposure, blur and noise. Pure: pixels, config and random stream give the bytes. All numbers
//! are drawn first and in one order, so that changing one strength leaves the other effects as they were. There is no
//! mirror by default: the left and right side of a turtle are two different patterns.

mod blur;
mod noise;
mod warp;
mod water;

use rand::RngExt;
use rand_chacha::ChaCha8Rng;
use serde::{Deserialize, Serialize};

use super::error::DataError;
use super::resize::{Pixels, byte_len};

/// Strengths of the augmentations; 0 switches one off, [`Augment::off`] all. Each photo draws between nothing and the
/// strength.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Augment {
    /// Largest share of the photo's area that a crop cuts away, 0 to 0.9.
    pub crop: f32,
    /// Largest change of the aspect, 0 to 0.5: 0.1 is 10 % wider or higher.
    pub stretch: f32,
    /// Largest rotation to either side in degrees, 0 to 180. Corners that come from outside are mirrored.
    pub rotation_degrees: f32,
    /// Largest shift beyond that of the crop, as a share of the side, 0 to 0.5.
    pub translate: f32,
    /// Probability of a mirror image, 0 to 1. Wrong for animals told apart by their sides.
    pub mirror: f32,
    /// Colour cast of more or less water, 0 to 1: 1 is up to 8 metres more.
    pub colour_cast: f32,
    /// Largest share of the light that is replaced by the veil of the water, 0 to 0.9.
    pub haze: f32,
    /// Largest change of the exposure to either side, 0 to 0.9: 0.2 is 20 %.
    pub brightness: f32,
    /// Largest change of the contrast to either side, 0 to 0.9.
    pub contrast: f32,
    /// Largest standard deviation of the blur in pixels of a photo at 224, 0 to 5.
    pub blur: f32,
    /// Largest standard deviation of the sensor's noise as a share of white, 0 to 0.3.
    pub noise: f32,
}

impl Default for Augment {
    /// Strengths at which real underwater photos still look like underwater photos.
    fn default() -> Self {
        Augment {
            crop: 0.4,
            stretch: 0.1,
            rotation_degrees: 15.0,
            translate: 0.05,
            mirror: 0.0,
            colour_cast: 0.6,
            haze: 0.35,
            brightness: 0.25,
            contrast: 0.25,
            blur: 1.2,
            noise: 0.02,
        }
    }
}

impl Augment {
    /// Nothing is changed, save that the photo is sampled at the size asked for.
    pub const fn off() -> Self {
        Augment {
            crop: 0.0,
            stretch: 0.0,
            rotation_degrees: 0.0,
            translate: 0.0,
            mirror: 0.0,
            colour_cast: 0.0,
            haze: 0.0,
            brightness: 0.0,
            contrast: 0.0,
            blur: 0.0,
            noise: 0.0,
        }
    }

    /// Fails with the first field that is out of its range.
    pub fn check(&self) -> Result<(), DataError> {
        let fields = [
            ("crop", self.crop, 0.9),
            ("stretch", self.stretch, 0.5),
            ("rotation_degrees", self.rotation_degrees, 180.0),
            ("translate", self.translate, 0.5),
            ("mirror", self.mirror, 1.0),
            ("colour_cast", self.colour_cast, 1.0),
            ("haze", self.haze, 0.9),
            ("brightness", self.brightness, 0.9),
            ("contrast", self.contrast, 0.9),
            ("blur", self.blur, 5.0),
            ("noise", self.noise, 0.3),
        ];
        for (field, value, high) in fields {
            if !(0.0..=high).contains(&value) {
                return Err(DataError::Augment { field, value, low: 0.0, high });
            }
        }
        Ok(())
    }

    /// The side that photos are best resized to before they are augmented to `side`: larger where crops are on, so
    /// that a crop still has pixels of its own.
    pub fn source_side(&self, side: u32) -> u32 {
        // The mean crop then samples about one to one.
        let kept = (1.0 - self.crop / 2.0).clamp(0.5, 1.0).sqrt();
        ((side as f32 / kept / 8.0).round() as u32 * 8).max(side)
    }
}

/// Working memory, kept from photo to photo.
#[derive(Debug, Default)]
pub struct Scratch {
    /// Red, green and blue plane of the output, 0 to 255.
    planes: [Vec<f32>; 3],
    spare: Vec<f32>,
    line: Vec<f32>,
}

/// Augments `source` into `out`, `side * side * 3` bytes. `config` must have passed [`Augment::check`].
///
/// Panics when `out` has another length or `source` no pixels.
pub fn augment_into(
    source: &Pixels,
    config: &Augment,
    side: u32,
    random: &mut ChaCha8Rng,
    scratch: &mut Scratch,
    out: &mut [u8],
) {
    assert_eq!(out.len(), byte_len(side), "room for one photo");
    let draw = Draw::new(config, random);
    let n = side as usize;
    for plane in &mut scratch.planes {
        plane.resize(n * n, 0.0);
    }
    warp::warp(source, &warp::Affine::new(&draw), n, &mut scratch.planes);
    water::water(&draw, n, &mut scratch.planes);
    let sigma = config.blur * draw.blur * draw.blur * n as f32 / 224.0;
    for plane in &mut scratch.planes {
        blur::blur(plane, n, sigma, &mut scratch.spare, &mut scratch.line);
    }
    noise::noise(&mut scratch.planes, config.noise * 255.0 * draw.noise, draw.noise_seed);
    let [red, green, blue] = &scratch.planes;
    for (((pixel, r), g), b) in out.chunks_exact_mut(3).zip(red).zip(green).zip(blue) {
        // A cast saturates, so no clamp is needed; the half rounds.
        pixel[0] = (r + 0.5) as u8;
        pixel[1] = (g + 0.5) as u8;
        pixel[2] = (b + 0.5) as u8;
    }
}

/// As [`augment_into`], with memory of its own.
pub fn augment(source: &Pixels, config: &Augment, side: u32, random: &mut ChaCha8Rng) -> Pixels {
    let mut out = Pixels::black(side);
    augment_into(source, config, side, random, &mut Scratch::default(), &mut out.rgb);
    out
}

/// Everything random about one photo.
struct Draw {
    config: Augment,
    /// -1 to 1.
    angle: f32,
    stretch: f32,
    centre: [f32; 2],
    shift: [f32; 2],
    brightness: f32,
    contrast: f32,
    gradient: f32,
    /// 0 to 1.
    crop: f32,
    depth: f32,
    /// 0 for the open sea, 1 for the coast.
    coast: f32,
    haze: f32,
    blur: f32,
    noise: f32,
    mirror: bool,
    noise_seed: u32,
}

impl Draw {
    fn new(config: &Augment, random: &mut ChaCha8Rng) -> Self {
        // In the order of the fields, whatever is switched on.
        let mut unit = || random.random::<f32>();
        let mut both = || 2.0 * unit() - 1.0;
        let (angle, stretch) = (both(), both());
        let (centre, shift) = ([both(), both()], [both(), both()]);
        let (brightness, contrast, gradient) = (both(), both(), both());
        let (crop, depth, coast, haze, blur, noise) = (unit(), unit(), unit(), unit(), unit(), unit());
        let mirror = unit() < config.mirror;
        let noise_seed = random.random();
        Draw {
            config: *config,
            angle,
            stretch,
            centre,
            shift,
            brightness,
            contrast,
            gradient,
            crop,
            depth,
            coast,
            haze,
            blur,
            noise,
            mirror,
            noise_seed,
        }
    }
}
