//! Changes a photo as the sea, the light and the camera would, so that a network learns the animal and not the water.
//!
//! One warp (crop, stretch, rotation, shift, tilt), caustics on the animal, what hides it, then water between camera and
//! animal (red falls first, a veil rises), the camera's exposure, specks before the lens, blur and noise. Pure: pixels, config and random stream give the bytes. All numbers
//! are drawn first and in one order, so that changing one strength leaves the other effects as they were. There is no
//! mirror by default: the left and right side of a turtle are two different patterns.

mod blur;
mod caustics;
mod hidden;
mod noise;
mod warp;
mod water;

use rand::{RngExt, SeedableRng};
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
    /// Largest tilt of the photo's plane, 0 to 0.5: 0.5 shows one edge a quarter smaller, the other a quarter larger.
    pub perspective: f32,
    /// Probability of a mirror image, 0 to 1. Wrong for animals told apart by their sides.
    pub mirror: f32,
    /// Contrast of the web of light that waves cast, 0 to 1.
    pub caustics: f32,
    /// Largest share of the photo that something hides, 0 to 0.5.
    pub occlusion: f32,
    /// Colour cast of more or less water, 0 to 1: 1 is up to 8 metres more.
    pub colour_cast: f32,
    /// Largest share of the light that is replaced by the veil of the water, 0 to 0.9.
    pub haze: f32,
    /// Specks that float in the light, 0 to 1: 1 is up to 160.
    pub backscatter: f32,
    /// Largest change of the exposure to either side, 0 to 0.9: 0.2 is 20 %.
    pub brightness: f32,
    /// Largest change of the contrast to either side, 0 to 0.9.
    pub contrast: f32,
    /// Largest standard deviation of the blur in pixels of a photo at 224, 0 to 5.
    pub blur: f32,
    /// Largest standard deviation of the sensor's noise as a share of white, 0 to 0.3.
    pub noise: f32,
}

/// One augmentation.
#[derive(Debug)]
pub struct Effect {
    /// Its key.
    pub name: &'static str,
    /// Its largest strength.
    pub most: f32,
    /// Its strength in a configuration.
    pub of: fn(&Augment) -> f32,
    set: fn(&mut Augment, f32),
}

macro_rules! effects {
    ($($name:ident $most:literal),* $(,)?) => {
        [$(Effect { name: stringify!($name), most: $most, of: |a| a.$name, set: |a, v| a.$name = v }),*]
    };
}

/// All augmentations, in the order in which they are applied.
#[rustfmt::skip] // a table
pub static EFFECTS: [Effect; 15] = effects![
    crop 0.9, stretch 0.5, rotation_degrees 180.0, translate 0.5, perspective 0.5, mirror 1.0,
    caustics 1.0, occlusion 0.5, colour_cast 1.0, haze 0.9, brightness 0.9, contrast 0.9, backscatter 1.0,
    blur 5.0, noise 0.3,
];

impl Effect {
    /// This one alone: as strong as in `config`, or half as strong as can be where it is off there.
    pub fn shown(&self, config: &Augment) -> Augment {
        let strength = (self.of)(config);
        self.alone(if strength > 0.0 { strength } else { self.most / 2.0 })
    }

    /// This one alone, at `strength`.
    pub fn alone(&self, strength: f32) -> Augment {
        let mut only = Augment::off();
        (self.set)(&mut only, strength);
        only
    }
}

impl Default for Augment {
    /// Strengths at which real underwater photos still look like underwater photos.
    fn default() -> Self {
        Augment {
            crop: 0.4,
            stretch: 0.1,
            rotation_degrees: 15.0,
            translate: 0.05,
            perspective: 0.0,
            mirror: 0.0,
            caustics: 0.0,
            occlusion: 0.0,
            colour_cast: 0.6,
            haze: 0.35,
            backscatter: 0.0,
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
            perspective: 0.0,
            mirror: 0.0,
            caustics: 0.0,
            occlusion: 0.0,
            colour_cast: 0.0,
            haze: 0.0,
            backscatter: 0.0,
            brightness: 0.0,
            contrast: 0.0,
            blur: 0.0,
            noise: 0.0,
        }
    }

    /// Fails with the first field that is out of its range.
    pub fn check(&self) -> Result<(), DataError> {
        for effect in &EFFECTS {
            let (field, value, high) = (effect.name, (effect.of)(self), effect.most);
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
    let mut more = More::new(config, draw.noise_seed);
    warp::warp(source, &warp::Affine::new(&draw), more.tilt.map(|t| t * config.perspective), n, &mut scratch.planes);
    caustics::caustics(&more, n, &mut scratch.planes);
    hidden::occlude(&mut more, n, &mut scratch.planes);
    water::water(&draw, n, &mut scratch.planes);
    hidden::backscatter(&mut more, n, &mut scratch.planes);
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

/// What is random about the effects that came later. It has a stream of its own, which begins with what the photo's
/// stream gave the noise: so photos look as they did before there were these.
struct More {
    config: Augment,
    /// -1 to 1.
    tilt: [f32; 2],
    /// 0 to 1.
    caustics: f32,
    web_scale: f32,
    web_turn: f32,
    web_at: [f32; 2],
    occlusion: f32,
    backscatter: f32,
    /// For as many things as there are.
    random: ChaCha8Rng,
}

impl More {
    fn new(config: &Augment, seed: u32) -> Self {
        let mut random = ChaCha8Rng::seed_from_u64(u64::from(seed) << 1 | 1);
        let mut unit = || random.random::<f32>();
        let tilt = [2.0 * unit() - 1.0, 2.0 * unit() - 1.0];
        let (caustics, web_scale, web_turn, web_at) = (unit(), unit(), unit(), [unit(), unit()]);
        let (occlusion, backscatter) = (unit(), unit());
        More { config: *config, tilt, caustics, web_scale, web_turn, web_at, occlusion, backscatter, random }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use rand::SeedableRng;

    fn random(seed: u64) -> ChaCha8Rng {
        ChaCha8Rng::seed_from_u64(seed)
    }

    /// Smooth, in colour, and without symmetry.
    fn photo(side: u32) -> Pixels {
        let mut pixels = Pixels::black(side);
        for (i, rgb) in pixels.rgb.chunks_exact_mut(3).enumerate() {
            let (x, y) = (i as f32 % side as f32 / side as f32, (i as f32 / side as f32).floor() / side as f32);
            rgb[0] = (60.0 + 150.0 * x) as u8;
            rgb[1] = (60.0 + 150.0 * y) as u8;
            rgb[2] = (60.0 + 150.0 * x * y) as u8;
        }
        pixels
    }

    fn mean(pixels: &Pixels, channel: usize) -> f32 {
        let sum: f32 = pixels.rgb.iter().skip(channel).step_by(3).map(|&v| f32::from(v)).sum();
        sum / (pixels.rgb.len() / 3) as f32
    }

    fn only(set: impl FnOnce(&mut Augment)) -> Augment {
        let mut config = Augment::off();
        set(&mut config);
        config
    }

    #[test]
    fn off_gives_the_photo_itself() {
        for seed in 0..5 {
            let source = photo(48);
            assert_eq!(augment(&source, &Augment::off(), 48, &mut random(seed)), source);
        }
    }

    #[test]
    fn the_same_stream_gives_the_same_bytes_whatever_was_done_before() {
        let config = Augment::default();
        let want = augment(&photo(64), &config, 56, &mut random(7));
        let mut scratch = Scratch::default();
        let mut out = Pixels::black(96);
        augment_into(&photo(30), &config, 96, &mut random(1), &mut scratch, &mut out.rgb);
        let mut again = Pixels::black(56);
        augment_into(&photo(64), &config, 56, &mut random(7), &mut scratch, &mut again.rgb);
        assert_eq!(again, want);
        assert_ne!(augment(&photo(64), &config, 56, &mut random(8)), want);
    }

    #[test]
    fn red_falls_before_the_other_colours() {
        let config = only(|c| c.colour_cast = 1.0);
        let source = photo(48);
        let mut deeper = 0;
        for seed in 0..40 {
            let out = augment(&source, &config, 48, &mut random(seed));
            let share = |c| mean(&out, c) / mean(&source, c);
            if share(0) < 0.9 {
                deeper += 1;
                assert!(share(0) < share(1) && share(0) < share(2), "seed {seed}");
            }
        }
        assert!(deeper > 20, "{deeper} of 40 photos lost red");
    }

    #[test]
    fn haze_takes_contrast_and_blur_takes_detail() {
        let spread = |p: &Pixels| {
            let m = mean(p, 1);
            p.rgb.iter().skip(1).step_by(3).map(|&v| (f32::from(v) - m).powi(2)).sum::<f32>()
        };
        let source = photo(48);
        let hazy = augment(&source, &only(|c| c.haze = 0.9), 48, &mut random(3));
        assert!(spread(&hazy) < 0.9 * spread(&source));
        let mut stripes = Pixels::black(48);
        stripes.rgb.chunks_exact_mut(6).for_each(|two| two[..3].fill(255));
        let blurred = |seed| augment(&stripes, &only(|c| c.blur = 5.0), 48, &mut random(seed));
        let softest = (0..20).map(|seed| spread(&blurred(seed))).fold(f32::MAX, f32::min);
        assert!(softest < 0.1 * spread(&stripes), "{softest}");
        assert!((0..20).all(|seed| (mean(&blurred(seed), 1) - mean(&stripes, 1)).abs() < 4.0));
    }

    #[test]
    fn noise_has_the_strength_it_claims_and_no_bias() {
        let grey = Pixels { side: 96, rgb: vec![255 / 2; byte_len(96)] };
        let mut strengths = Vec::new();
        for seed in 0..30 {
            let out = augment(&grey, &only(|c| c.noise = 0.2), 96, &mut random(seed));
            assert!((mean(&out, 0) - 127.0).abs() < 2.0);
            let variance: f32 =
                out.rgb.iter().map(|&v| (f32::from(v) - 127.0).powi(2)).sum::<f32>() / out.rgb.len() as f32;
            strengths.push(variance.sqrt());
        }
        let largest = strengths.iter().copied().fold(0.0, f32::max);
        // 0.2 of white at most, times sqrt(0.7) at middle grey.
        assert!(largest > 25.0 && largest < 0.2 * 255.0 * 0.7f32.sqrt() + 1.0, "{largest}");
    }

    #[test]
    fn nothing_is_mirrored_unless_asked_for() {
        // Red rises to the right; no rotation turns that round, a mirror does.
        let rises = |config: &Augment, seed| {
            let out = augment(&photo(48), config, 48, &mut random(seed));
            let half = |from: usize| -> u32 {
                out.rgb
                    .chunks_exact(48 * 3)
                    .map(|row| row[from..from + 72].iter().step_by(3).map(|&v| u32::from(v)).sum::<u32>())
                    .sum()
            };
            half(72) > half(0)
        };
        let usual = only(|c| (c.crop, c.stretch, c.rotation_degrees, c.translate) = (0.4, 0.1, 15.0, 0.05));
        assert!((0..100).all(|seed| rises(&usual, seed)));
        assert!((0..20).all(|seed| !rises(&only(|c| c.mirror = 1.0), seed)));
    }

    #[test]
    fn a_quarter_turn_is_exact() {
        let source = photo(48);
        let quarter = warp::Affine::turned(90.0);
        let mut planes: [Vec<f32>; 3] = std::array::from_fn(|_| vec![0.0; 48 * 48]);
        warp::warp(&source, &quarter, [0.0; 2], 48, &mut planes);
        for (x, y) in [(0, 0), (5, 40), (47, 3), (20, 20)] {
            let want = f32::from(source.rgb[(x * 48 + (47 - y)) * 3]);
            let got = planes[0][y * 48 + x];
            assert!((got - want).abs() < 0.2, "{x} {y}: {got} {want}");
        }
    }

    #[test]
    fn one_strength_does_not_change_the_draw_of_another() {
        let rotated = only(|c| c.rotation_degrees = 30.0);
        let both = Augment { noise: 0.001, ..rotated };
        let (a, b) =
            (augment(&photo(48), &rotated, 48, &mut random(5)), augment(&photo(48), &both, 48, &mut random(5)));
        let far = a.rgb.iter().zip(&b.rgb).filter(|(a, b)| a.abs_diff(**b) > 3).count();
        assert_eq!(far, 0);
    }

    #[test]
    fn each_effect_does_something_and_what_it_draws_changes_no_other() {
        let source = photo(64);
        for effect in &EFFECTS {
            let strong = effect.alone(effect.most);
            strong.check().unwrap();
            let changed = (0..8).filter(|&seed| augment(&source, &strong, 64, &mut random(seed)) != source).count();
            assert!(changed >= 3, "{} changed {changed} of 8", effect.name);
            assert!(effect.alone(effect.most * 1.01).check().is_err());
            // beside a weak haze a barely switched-on effect leaves the haze as it was
            let haze = only(|c| c.haze = 0.3);
            let mut both = haze;
            (effect.set)(&mut both, if effect.name == "mirror" { 0.0 } else { 1e-4 });
            both.haze = 0.3;
            let (a, b) = (augment(&source, &haze, 64, &mut random(5)), augment(&source, &both, 64, &mut random(5)));
            let far = a.rgb.iter().zip(&b.rgb).filter(|(a, b)| a.abs_diff(**b) > 2).count();
            assert!(far < 64, "{}: {far} values moved", effect.name);
        }
    }

    #[test]
    fn caustics_keep_the_light_and_occluders_hide_no_more_than_they_may() {
        let grey = Pixels { side: 64, rgb: vec![100; byte_len(64)] };
        let (mut most, mut least) = (0.0f32, f32::MAX);
        for seed in 0..30 {
            let lit = augment(&grey, &only(|c| c.caustics = 1.0), 64, &mut random(seed));
            (most, least) = (most.max(mean(&lit, 1)), least.min(mean(&lit, 1)));
            let hidden = augment(&grey, &only(|c| c.occlusion = 0.3), 64, &mut random(seed));
            let changed = hidden.rgb.chunks(3).filter(|p| *p != [100; 3]).count() as f32 / (64.0 * 64.0);
            assert!(changed < 0.3 * 1.1, "{changed} of the photo is hidden");
        }
        assert!(least > 70.0 && most < 140.0, "the web moved the light to {least} to {most}");
    }

    #[test]
    fn a_tilt_shrinks_one_edge_and_mirrors_nothing() {
        // a step from dark to light stays one, whichever way the plane tilts
        let mut source = Pixels::black(64);
        source.rgb.chunks_exact_mut(3).enumerate().filter(|(i, _)| i % 64 >= 32).for_each(|(_, p)| p.fill(200));
        let tilt = only(|c| c.perspective = 0.5);
        for seed in 0..10 {
            let out = augment(&source, &tilt, 64, &mut random(seed));
            for row in [8, 32, 56] {
                let line: Vec<u8> = (4..60).map(|x| out.rgb[(row * 64 + x) * 3]).collect();
                assert!(line[0] < 50 && line[50] > 150, "seed {seed}, row {row}: {line:?}");
            }
        }
    }

    #[test]
    fn values_out_of_range_are_refused_by_name_and_unknown_fields_too() {
        assert!(Augment::default().check().is_ok() && Augment::off().check().is_ok());
        for bad in [only(|c| c.haze = 1.5), only(|c| c.haze = -0.1), only(|c| c.haze = f32::NAN)] {
            let error = bad.check().unwrap_err().to_string();
            assert!(error.contains("augment.haze"), "{error}");
        }
        assert!(toml::from_str::<Augment>("hase = 0.1").is_err());
        let text = toml::to_string(&Augment::default()).unwrap();
        assert!(text.contains("haze = 0.35\n"), "{text}");
        assert_eq!(toml::from_str::<Augment>(&text).unwrap(), Augment::default());
        let partly: Augment = toml::from_str("haze = 0.1").unwrap();
        assert_eq!(partly, Augment { haze: 0.1, ..Augment::default() });
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]
        #[test]
        fn no_setting_in_range_panics(
            (crop, stretch, rotation_degrees, translate) in (0f32..0.9, 0f32..0.5, 0f32..180.0, 0f32..0.5),
            (colour_cast, haze, brightness, contrast) in (0f32..1.0, 0f32..0.9, 0f32..0.9, 0f32..0.9),
            (blur, noise, mirror) in (0f32..5.0, 0f32..0.3, 0f32..1.0),
            (perspective, caustics, occlusion, backscatter) in (0f32..0.5, 0f32..1.0, 0f32..0.5, 0f32..1.0),
            (from, to, seed) in (1u32..40, 1u32..40, any::<u64>()),
        ) {
            let config = Augment {
                crop, stretch, rotation_degrees, translate, perspective, mirror, caustics, occlusion, colour_cast, haze,
                brightness, contrast, backscatter, blur, noise,
            };
            prop_assert!(config.check().is_ok());
            let out = augment(&photo(from), &config, to, &mut random(seed));
            prop_assert_eq!(out.rgb.len(), byte_len(to));
        }
    }
}
