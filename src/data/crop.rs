//! The part of a photo that counts: a rectangle in shares of the photo as it stands upright.
//!
//! Shares, and not pixels, so that it means the same on a thumbnail, on the photo, and on a copy of it in another size.
//! Kept as millionths: exact in a table, equal to itself, and finer than a pixel of the largest photo that is read.

use std::fmt;
use std::str::FromStr;

use image::RgbImage;

/// Parts of a side.
const WHOLE: u32 = 1_000_000;

/// A rectangle inside a photo, never empty.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Crop {
    left: u32,
    top: u32,
    width: u32,
    height: u32,
}

/// Why four numbers are no part of a photo.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CropError {
    /// Not four numbers.
    #[error("`{given}` is no crop: give left, top, width and height as shares of the photo, as in 0.2,0.1,0.5,0.4")]
    NotFour {
        /// As given.
        given: String,
    },
    /// Something of it lies outside, or nothing lies inside.
    #[error(
        "the crop {given} is not inside the photo: left + width and top + height are at most 1, none is negative, and width and height are above 0"
    )]
    Outside {
        /// As given.
        given: String,
    },
}

impl Crop {
    /// All of the photo: what stands where a dataset's own crop is taken back.
    pub const FULL: Crop = Crop { left: 0, top: 0, width: WHOLE, height: WHOLE };

    /// The rectangle that begins at `left` and `top`, all in shares of the upright photo.
    ///
    /// # Errors
    /// When it is empty, or not inside the photo.
    pub fn new(left: f64, top: f64, width: f64, height: f64) -> Result<Crop, CropError> {
        let outside = || CropError::Outside { given: format!("{left},{top},{width},{height}") };
        let part = |share: f64| match share {
            // a share that is off by rounding alone is taken; NaN is in no range
            s if (-1e-7..=1.0 + 1e-7).contains(&s) => Ok((s.clamp(0.0, 1.0) * f64::from(WHOLE)).round() as u32),
            _ => Err(outside()),
        };
        let [left, top, mut width, mut height] = [part(left)?, part(top)?, part(width)?, part(height)?];
        // two ends rounded up may reach a millionth beyond the edge
        if left + width == WHOLE + 1 {
            width -= 1;
        }
        if top + height == WHOLE + 1 {
            height -= 1;
        }
        if width == 0 || height == 0 || left + width > WHOLE || top + height > WHOLE {
            return Err(outside());
        }
        Ok(Crop { left, top, width, height })
    }

    /// Left, top, width and height in shares of the upright photo.
    pub fn shares(self) -> [f64; 4] {
        [self.left, self.top, self.width, self.height].map(|n| f64::from(n) / f64::from(WHOLE))
    }

    /// Left, top, width and height as numbers in a table: at most six decimals, none needless.
    pub fn cells(self) -> [String; 4] {
        self.shares().map(|share| share.to_string())
    }

    /// The same in whole numbers, for a hash.
    pub(super) fn bytes(self) -> [u8; 16] {
        let mut bytes = [0; 16];
        let numbers = [self.left, self.top, self.width, self.height];
        for (four, number) in bytes.chunks_exact_mut(4).zip(numbers) {
            four.copy_from_slice(&number.to_le_bytes());
        }
        bytes
    }

    /// Left, top, width and height in pixels of a photo of this size; one pixel at least.
    pub fn pixels(self, width: u32, height: u32) -> (u32, u32, u32, u32) {
        let span = |from: u32, length: u32, side: u32| {
            let at = |part: u32| (u64::from(part) * u64::from(side) + u64::from(WHOLE / 2)) / u64::from(WHOLE);
            let begin = at(from).min(u64::from(side.saturating_sub(1)));
            let end = at(from + length).max(begin + 1);
            (begin as u32, (end - begin) as u32)
        };
        let ((x, w), (y, h)) = (span(self.left, self.width, width), span(self.top, self.height, height));
        (x, y, w, h)
    }

    /// That part of `photo`, which stands upright.
    pub fn of(self, photo: &RgbImage) -> RgbImage {
        let (x, y, width, height) = self.pixels(photo.width(), photo.height());
        image::imageops::crop_imm(photo, x, y, width, height).to_image()
    }
}

impl fmt::Display for Crop {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.cells().join(","))
    }
}

impl FromStr for Crop {
    type Err = CropError;

    /// Reads `left,top,width,height`.
    fn from_str(text: &str) -> Result<Crop, CropError> {
        Crop::from_cells(&text.split(',').collect::<Vec<_>>())
    }
}

impl Crop {
    /// Reads four cells of a table.
    ///
    /// # Errors
    /// When they are not four numbers, or no part of a photo.
    pub fn from_cells(cells: &[&str]) -> Result<Crop, CropError> {
        let numbers: Option<Vec<f64>> = cells.iter().map(|cell| cell.trim().parse().ok()).collect();
        match numbers.as_deref() {
            Some(&[left, top, width, height]) => Crop::new(left, top, width, height),
            _ => Err(CropError::NotFour { given: cells.join(",") }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use image::Rgb;
    use proptest::prelude::*;

    #[test]
    fn a_crop_is_that_part_of_the_photo() {
        let photo = RgbImage::from_fn(40, 20, |x, y| Rgb([x as u8, y as u8, 0]));
        let part = "0.25,0.5,0.5,0.25".parse::<Crop>().unwrap().of(&photo);
        assert_eq!((part.dimensions(), part.get_pixel(0, 0).0), ((20, 5), [10, 10, 0]));
        assert_eq!(Crop::FULL.of(&photo), photo);
        let corner = Crop::new(0.999_999, 0.999_999, 0.000_001, 0.000_001).unwrap().of(&photo);
        assert_eq!((corner.dimensions(), corner.get_pixel(0, 0).0), ((1, 1), [39, 19, 0]));
    }

    #[test]
    fn what_is_no_part_of_a_photo_is_refused() {
        for text in ["0,0,0,1", "0,0,1,0", "0.5,0,0.6,1", "-0.1,0,1,1", "0,0,nan,1", "0,0,inf,1", "10,10,200,100"] {
            assert!(matches!(text.parse::<Crop>(), Err(CropError::Outside { .. })), "{text}");
        }
        for text in ["", "1,2,3", "0,0,1,1,1", "a,b,c,d", "0;0;1;1"] {
            assert!(matches!(text.parse::<Crop>(), Err(CropError::NotFour { .. })), "{text}");
        }
    }

    proptest! {
        #[test]
        fn a_crop_comes_back_from_its_text_and_lies_inside_any_photo(
            (x, y, w, h) in (0.0..1.0, 0.0..1.0, 0.0..1.0, 0.0..1.0),
            (width, height) in (1u32..20_000, 1u32..20_000),
        ) {
            let Ok(crop) = Crop::new(x, y, w * (1.0 - x), h * (1.0 - y)) else { return Ok(()) };
            prop_assert_eq!(crop.to_string().parse::<Crop>(), Ok(crop));
            let (x, y, w, h) = crop.pixels(width, height);
            prop_assert!(w > 0 && h > 0 && x + w <= width && y + h <= height);
        }
    }
}
