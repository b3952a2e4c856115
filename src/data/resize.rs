//! A photo as the square that networks see.
//!
//! The aspect is not kept, as wildlife-tools and the published weights have it. The filter is the triangle with
//! antialiasing, PIL's and torchvision's BILINEAR: without antialiasing a 2000-pixel photo at 224 is mostly noise.
//! A photo that has the size passes unchanged.

use fast_image_resize::images::{Image, ImageRef};
use fast_image_resize::{FilterType, PixelType, ResizeAlg, ResizeOptions, Resizer};
use image::RgbImage;

/// A square of pixels.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pixels {
    /// Length of a side in pixels.
    pub side: u32,
    /// Rows from the top, pixels from the left, red, green, blue: `side * side * 3` bytes.
    pub rgb: Vec<u8>,
}

impl Pixels {
    /// Black of the given size.
    pub fn black(side: u32) -> Self {
        Pixels { side, rgb: vec![0; byte_len(side)] }
    }
}

/// Bytes of a square: `side * side * 3`.
pub const fn byte_len(side: u32) -> usize {
    side as usize * side as usize * 3
}

/// Resizes a photo to `side` x `side` pixels with antialiasing. `side` of 0 gives no pixels.
pub fn square(photo: &RgbImage, side: u32) -> Pixels {
    if photo.dimensions() == (side, side) {
        return Pixels { side, rgb: photo.as_raw().clone() };
    }
    let (width, height) = photo.dimensions();
    let mut target = Image::new(side, side, PixelType::U8x3);
    if side > 0 && width > 0 && height > 0 {
        let source = ImageRef::new(width, height, photo.as_raw(), PixelType::U8x3)
            .expect("an RgbImage holds width * height * 3 bytes");
        let triangle = ResizeAlg::Convolution(FilterType::Bilinear);
        let options = ResizeOptions::new().resize_alg(triangle).use_alpha(false);
        Resizer::new()
            .resize(&source, &mut target, &options)
            .expect("both pictures are RGB of 8 bits, and nothing is cropped");
    }
    Pixels { side, rgb: target.into_vec() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use image::Rgb;

    #[test]
    fn a_photo_that_has_the_size_passes_unchanged() {
        let photo = RgbImage::from_fn(31, 31, |x, y| Rgb([(x * 7) as u8, (y * 5) as u8, (x ^ y) as u8]));
        assert_eq!(square(&photo, 31).rgb, *photo.as_raw());
    }

    #[test]
    fn fine_stripes_become_grey_not_noise() {
        // Without antialiasing every eighth column would be picked and the result be black or white.
        let photo = RgbImage::from_fn(256, 128, |x, _| if x % 2 == 0 { Rgb([0; 3]) } else { Rgb([255; 3]) });
        let small = square(&photo, 32);
        assert!(small.rgb.iter().all(|&v| (120..136).contains(&v)), "{:?}", &small.rgb[..12]);
    }

    #[test]
    fn agrees_with_a_plain_triangle_filter() {
        let photo = RgbImage::from_fn(97, 53, |x, y| {
            let h = (x * 31 + y * 17).wrapping_mul(2_654_435_761);
            Rgb([(h >> 24) as u8, (x * 2) as u8, (y * 4) as u8])
        });
        for side in [8, 24, 64, 120] {
            let got = square(&photo, side);
            let want = plain(&photo, side);
            let worst = got.rgb.iter().zip(&want).map(|(&a, &b)| (f64::from(a) - b).abs()).fold(0.0, f64::max);
            assert!(worst <= 1.5, "side {side}: {worst}");
        }
    }

    /// PIL's BILINEAR, written out in f64.
    fn plain(photo: &RgbImage, side: u32) -> Vec<f64> {
        let weights = |n: u32| -> Vec<Vec<f64>> {
            let scale = f64::from(n) / f64::from(side);
            let support = scale.max(1.0);
            (0..side)
                .map(|o| {
                    let centre = (f64::from(o) + 0.5) * scale;
                    let raw: Vec<f64> =
                        (0..n).map(|i| (1.0 - ((f64::from(i) + 0.5 - centre) / support).abs()).max(0.0)).collect();
                    let sum: f64 = raw.iter().sum();
                    raw.iter().map(|w| w / sum).collect()
                })
                .collect()
        };
        let (wx, wy) = (weights(photo.width()), weights(photo.height()));
        let mut out = Vec::new();
        for row in &wy {
            for column in &wx {
                for c in 0..3 {
                    let mut sum = 0.0;
                    for (y, a) in row.iter().enumerate().filter(|(_, a)| **a > 0.0) {
                        for (x, b) in column.iter().enumerate().filter(|(_, b)| **b > 0.0) {
                            sum += a * b * f64::from(photo.get_pixel(x as u32, y as u32).0[c]);
                        }
                    }
                    out.push(sum);
                }
            }
        }
        out
    }
}
