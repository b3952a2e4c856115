//! Pictures in kitty's graphics protocol, written in one go and never answered.
//!
//! Not through viuer, whose way for a kitty at hand reads the keyboard at every picture, and whose pictures have no
//! number to take them away by.

use std::io::{self, Write};

use image::codecs::png::{CompressionType, FilterType, PngEncoder};
use image::{ExtendedColorType, ImageEncoder, RgbImage};

use crate::data::base64::base64;

/// Bytes of base64 in a piece; the protocol's limit.
const PIECE: usize = 4096;

/// `picture` as the protocol takes it: a PNG in base64; none where that cannot be made.
pub(super) fn text(picture: &RgbImage) -> Option<String> {
    let mut png = Vec::new();
    let encoder = PngEncoder::new_with_quality(&mut png, CompressionType::Fast, FilterType::Sub);
    let (width, height) = picture.dimensions();
    encoder.write_image(picture.as_raw(), width, height, ExtendedColorType::Rgb8).ok()?;
    Some(base64(&png))
}

/// Puts the picture of `text` where the cursor is, as image `id`, without moving the cursor and without an answer (`q=2`).
///
/// # Errors
/// Those of `out`.
pub(super) fn put(out: &mut impl Write, id: u32, text: &str) -> io::Result<()> {
    let mut pieces = text.as_bytes().chunks(PIECE).peekable();
    let mut head = format!("a=T,f=100,i={id},C=1,q=2,");
    while let Some(piece) = pieces.next() {
        write!(out, "\x1b_G{head}m={};", u8::from(pieces.peek().is_some()))?;
        out.write_all(piece)?;
        out.write_all(b"\x1b\\")?;
        head.clear();
    }
    Ok(())
}

/// Takes image `id` away, and its memory.
///
/// # Errors
/// Those of `out`.
pub(super) fn delete(out: &mut impl Write, id: u32) -> io::Result<()> {
    write!(out, "\x1b_Ga=d,d=I,i={id},q=2\x1b\\")
}

/// Takes every image away.
pub(in crate::tui) const DELETE_ALL: &str = "\x1b_Ga=d,d=A,q=2\x1b\\";

#[cfg(test)]
mod tests {
    use super::*;
    use image::Rgb;

    #[test]
    fn a_picture_comes_in_pieces_that_are_a_png() {
        let mut dice = 1_u32;
        let picture = RgbImage::from_fn(90, 70, |_, _| {
            dice = dice.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            Rgb([(dice >> 24) as u8, (dice >> 16) as u8, (dice >> 8) as u8])
        });
        let mut out = Vec::new();
        put(&mut out, 7, &super::text(&picture).unwrap()).unwrap();
        let text = String::from_utf8(out).unwrap();
        let pieces: Vec<&str> = text.split_terminator("\x1b\\").collect();
        assert!(pieces.len() > 2 && pieces[0].starts_with("\x1b_Ga=T,f=100,i=7,C=1,q=2,m=1;"));
        assert!(pieces[1].starts_with("\x1b_Gm=1;") && pieces.last().unwrap().starts_with("\x1b_Gm=0;"));
        assert!(pieces.iter().all(|piece| piece.split_once(';').unwrap().1.len() <= PIECE));
        let joined: String = pieces.iter().map(|piece| piece.split_once(';').unwrap().1).collect();
        let mut value = 0_u32;
        let mut bytes = Vec::new();
        for (n, letter) in joined.bytes().filter(|l| *l != b'=').enumerate() {
            let digits = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
            value = value << 6 | digits.iter().position(|d| *d == letter).unwrap() as u32;
            if n % 4 > 0 {
                bytes.push((value >> (6 - 2 * (n % 4))) as u8);
            }
        }
        assert_eq!(image::load_from_memory(&bytes).unwrap().to_rgb8(), picture);
    }
}
