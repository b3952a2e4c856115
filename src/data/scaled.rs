//! A JPEG decoded at a half, a quarter or an eighth of its size, where no more of it is needed: of each block of eight by eight
//! pixels as many frequencies are turned back as there are to be pixels, which is the low-pass that making it smaller is.
//!
//! Knows only how to; what is a whole photo, and what is to be said of a broken one, [`decode`](super::decode) knows.

use image::RgbImage;
use jpeg_decoder::{Decoder, PixelFormat};

/// How many times smaller a photo of `size` pixels may be decoded, so that a part of it, in shares of its sides, still has `least`
/// pixels each way.
pub(super) fn factor(size: (u32, u32), part: (f64, f64), least: u32) -> u32 {
    let pixels = |of: u32, share: f64, factor: u32| (f64::from(of / factor) * share) as u32;
    let fits = |factor: &u32| pixels(size.0, part.0, *factor).min(pixels(size.1, part.1, *factor)) >= least.max(1);
    [8, 4, 2].into_iter().find(fits).unwrap_or(1)
}

/// The JPEG in `bytes`, of `size` pixels, as many times smaller as `factor`, which is one of 2, 4 and 8; none where it is in colours
/// that this does not turn into RGB, or is not as it should be.
pub(super) fn rgb(bytes: &[u8], size: (u32, u32), factor: u32) -> Option<RgbImage> {
    let mut decoder = Decoder::new(bytes);
    let smaller = |of: u32| u16::try_from(of.div_ceil(factor)).ok();
    let wanted = (smaller(size.0)?, smaller(size.1)?);
    if decoder.scale(wanted.0, wanted.1).ok()? != wanted {
        return None;
    }
    let pixels = decoder.decode().ok()?;
    let pixels = match decoder.info()?.pixel_format {
        PixelFormat::RGB24 => pixels,
        PixelFormat::L8 => pixels.iter().flat_map(|&grey| [grey; 3]).collect(),
        PixelFormat::L16 | PixelFormat::CMYK32 => return None,
    };
    RgbImage::from_raw(wanted.0.into(), wanted.1.into(), pixels)
}

#[cfg(test)]
mod tests {
    use super::*;
    use image::codecs::jpeg::JpegEncoder;
    use image::{Rgb, imageops};
    use proptest::prelude::*;

    fn jpeg(photo: &RgbImage) -> Vec<u8> {
        let mut bytes = Vec::new();
        JpegEncoder::new_with_quality(&mut bytes, 95).encode_image(photo).unwrap();
        bytes
    }

    #[test]
    fn no_more_is_left_out_than_is_to_spare() {
        assert_eq!(factor((2000, 1124), (1.0, 1.0), 256), 4);
        assert_eq!(factor((2000, 1124), (0.5, 1.0), 256), 2, "a part of it is looked at");
        assert_eq!(factor((2000, 1124), (1.0, 1.0), 563), 1);
        assert_eq!(factor((6000, 4000), (1.0, 1.0), 256), 8);
        assert_eq!(factor((100, 3), (1.0, 1.0), 0), 2, "of nothing a pixel is left");
    }

    #[test]
    fn it_is_the_photo_made_smaller() {
        // waves, so that there is something to lose
        let wave = |x: u32, y: u32| ((f64::from(x) / 9.0).sin() * (f64::from(y) / 7.0).cos() * 90.0 + 128.0) as u8;
        let photo = RgbImage::from_fn(203, 157, |x, y| Rgb([wave(x, y), wave(y, x), (x + y) as u8 / 2]));
        let bytes = jpeg(&photo);
        for factor in [2, 4, 8] {
            let small = rgb(&bytes, photo.dimensions(), factor).unwrap();
            let (width, height) = (203_u32.div_ceil(factor), 157_u32.div_ceil(factor));
            assert_eq!(small.dimensions(), (width, height));
            // its last blocks reach beyond the photo, as far as whole pixels do
            let mut wide =
                RgbImage::from_fn(width * factor, height * factor, |x, y| *photo.get_pixel(x.min(202), y.min(156)));
            wide = imageops::thumbnail(&wide, width, height);
            let off = small.as_raw().iter().zip(wide.as_raw()).map(|(&a, &b)| f64::from(a.abs_diff(b)));
            let mean = off.sum::<f64>() / small.as_raw().len() as f64;
            assert!(mean < 6.0, "factor {factor}: {mean}");
        }
    }

    #[test]
    fn grey_becomes_rgb_and_what_is_no_jpeg_nothing() {
        let grey = image::GrayImage::from_pixel(64, 64, image::Luma([77]));
        let mut bytes = Vec::new();
        JpegEncoder::new(&mut bytes).encode_image(&grey).unwrap();
        let small = rgb(&bytes, (64, 64), 4).unwrap();
        assert!(small.pixels().all(|pixel| pixel.0.iter().all(|v| v.abs_diff(77) < 3)));
        assert_eq!(rgb(b"no JPEG", (64, 64), 4), None);
        assert_eq!(rgb(&bytes, (640, 64), 4), None, "it is of another size than was said");
    }

    proptest! {
        #[test]
        fn damaged_bytes_are_refused_or_decoded_but_never_of_another_size(
            at in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..20),
            factor in prop::sample::select(vec![2_u32, 4, 8]),
        ) {
            let mut bytes = jpeg(&RgbImage::from_fn(40, 30, |x, y| Rgb([x as u8 * 6, y as u8 * 8, 9])));
            for (index, byte) in at {
                let place = index.index(bytes.len());
                bytes[place] = byte;
            }
            let done = std::panic::catch_unwind(|| rgb(&bytes, (40, 30), factor));
            if let Ok(Some(small)) = done {
                prop_assert_eq!(small.dimensions(), (40_u32.div_ceil(factor), 30_u32.div_ceil(factor)));
            }
        }
    }
}
