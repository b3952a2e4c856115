//! A photo's file as upright RGB pixels.
//!
//! The format is told by the content, since names lie. What would decode to something that is not the photo is an
//! error: decoders fill the missing part of a truncated JPEG with grey, and a network would learn the grey. EXIF
//! orientation is applied, transparency dropped, 16 bits reduced to 8, all as PIL's `convert("RGB")` has it (save that
//! PIL clips 16-bit grey). Colour profiles are ignored. Knows nothing of caches or sizes.

use std::fs::File;
use std::io::{Cursor, Read};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};

use image::{DynamicImage, ImageDecoder, ImageError, ImageFormat, ImageReader, Limits, RgbImage};
use sha2::{Digest, Sha256};

use super::crop::Crop;
use super::error::DataError;

/// Photos with more pixels are refused: a small file can claim to be huge.
pub const MAX_PIXELS: u64 = 200_000_000;
/// Longest file that is read, in bytes; a 200-megapixel PNG of 16 bits stays below.
pub(super) const MAX_FILE: u64 = 2 << 30;
/// Most memory a decoder may take, in bytes.
const MAX_MEMORY: u64 = 2 << 30;

/// A photo as it is to be decoded.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct PhotoFile {
    /// The file.
    pub path: PathBuf,
    /// The part of it that counts; none for all of it.
    pub crop: Option<Crop>,
}

impl PhotoFile {
    /// Reads the part that counts: upright, RGB, 8 bits.
    ///
    /// # Errors
    /// As [`read`].
    pub fn read(&self) -> Result<RgbImage, DataError> {
        Ok(self.part(read(&self.path)?))
    }

    /// As [`PhotoFile::read`], with the SHA-256 of the file's bytes, which are read once.
    pub(super) fn read_hashed(&self) -> Result<(RgbImage, [u8; 32]), DataError> {
        let (photo, sha256) = read_with(&self.path, |bytes| Sha256::digest(bytes).into())?;
        Ok((self.part(photo), sha256))
    }

    fn part(&self, photo: RgbImage) -> RgbImage {
        match self.crop {
            Some(crop) => crop.of(&photo),
            None => photo,
        }
    }
}

impl<P: Into<PathBuf>> From<P> for PhotoFile {
    /// All of the photo.
    fn from(path: P) -> PhotoFile {
        PhotoFile { path: path.into(), crop: None }
    }
}

/// Reads a photo: upright, RGB, 8 bits. Any failure is [`DataError::Unreadable`] with the reason.
pub fn read(path: &Path) -> Result<RgbImage, DataError> {
    read_with(path, |_| ()).map(|(photo, ())| photo)
}

/// As [`read`], with what `also` makes of the file's bytes.
fn read_with<T>(path: &Path, also: impl FnOnce(&[u8]) -> T) -> Result<(RgbImage, T), DataError> {
    let fail = |reason| DataError::Unreadable { path: path.into(), reason };
    let bytes = bytes_of(path).map_err(|e| fail(e.to_string()))?;
    // A decoder that panics on a hostile file must not take the run with it.
    let photo = catch_unwind(AssertUnwindSafe(|| from_bytes(&bytes)))
        .unwrap_or_else(|_| Err("the decoder gave up on it; the file is damaged".into()))
        .map_err(fail)?;
    Ok((photo, also(&bytes)))
}

/// Width and height of the photo at `path`, upright, from its first bytes; none where it is no photo.
pub(super) fn size_of(path: &Path) -> Option<(u32, u32)> {
    if !Signature::of_file(path).ok()?.readable() || !std::fs::metadata(path).ok()?.is_file() {
        return None;
    }
    let read = || {
        let mut decoder = ImageReader::open(path).ok()?.with_guessed_format().ok()?.into_decoder().ok()?;
        let (width, height) = decoder.dimensions();
        use image::metadata::Orientation as O;
        match decoder.orientation().unwrap_or(O::NoTransforms) {
            O::Rotate90 | O::Rotate270 | O::Rotate90FlipH | O::Rotate270FlipH => Some((height, width)),
            _ => Some((width, height)),
        }
    };
    catch_unwind(AssertUnwindSafe(read)).unwrap_or(None)
}

/// The whole file, which must be a plain file of bearable length.
fn bytes_of(path: &Path) -> std::io::Result<Vec<u8>> {
    let meta = std::fs::metadata(path)?;
    if !meta.is_file() {
        return Err(std::io::Error::other("it is not a file")); // a pipe would block for ever
    }
    if meta.len() > MAX_FILE {
        return Err(std::io::Error::other("it is longer than 2 GiB"));
    }
    let mut bytes = Vec::with_capacity(usize::try_from(meta.len()).unwrap_or(0));
    File::open(path)?.take(MAX_FILE).read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// What keeps a file from being a photo.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fault {
    /// The system does not give its bytes.
    Unreachable,
    /// It has none.
    Empty,
    /// Its end is missing.
    Truncated,
    /// It asks for more pixels or memory than a photo may.
    TooLarge,
    /// A picture in a form that is not read.
    Foreign,
    /// No picture, or a broken one.
    Damaged,
}

/// Why a file is no photo: for counting, and in words.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Refused {
    pub(super) fault: Fault,
    pub(super) reason: String,
}

fn refused<T>(fault: Fault, reason: impl Into<String>) -> Result<T, Refused> {
    Err(Refused { fault, reason: reason.into() })
}

/// A photo upright, and the EXIF block that its file holds.
pub(super) struct Decoded {
    pub(super) photo: RgbImage,
    pub(super) exif: Option<Vec<u8>>,
}

/// The bytes of a photo's file and what they hold.
pub(super) fn look(path: &Path) -> Result<(Vec<u8>, Decoded), Refused> {
    let bytes = bytes_of(path).or_else(|e| refused(Fault::Unreachable, e.to_string()))?;
    let decoded = catch_unwind(AssertUnwindSafe(|| decode(&bytes)))
        .unwrap_or_else(|_| refused(Fault::Damaged, "the decoder gave up on it; the file is damaged"))?;
    Ok((bytes, decoded))
}

/// Decodes a file's bytes; the error is the reason in words.
pub(super) fn from_bytes(bytes: &[u8]) -> Result<RgbImage, String> {
    decode(bytes).map(|decoded| decoded.photo).map_err(|refused| refused.reason)
}

fn decode(bytes: &[u8]) -> Result<Decoded, Refused> {
    let signature = Signature::of(bytes);
    let format = match signature {
        Signature::Photo(format) => format.of_image,
        Signature::Other(_) => return refused(Fault::Foreign, signature.reason()),
        Signature::Empty => return refused(Fault::Empty, signature.reason()),
        Signature::Unknown => return refused(Fault::Damaged, signature.reason()),
    };
    match format {
        ImageFormat::Jpeg if !jpeg_is_whole(bytes) => {
            return refused(Fault::Truncated, "the JPEG is truncated; copy it again from the camera or backup");
        }
        ImageFormat::Tiff if is_raw(bytes) => return refused(Fault::Foreign, Signature::RAW.reason()),
        _ => {}
    }
    let mut reader = ImageReader::with_format(Cursor::new(bytes), format);
    let mut limits = Limits::default();
    limits.max_alloc = Some(MAX_MEMORY);
    reader.limits(limits);
    let mut decoder = reader.into_decoder().map_err(words)?;
    let (width, height) = decoder.dimensions();
    if u64::from(width) * u64::from(height) > MAX_PIXELS {
        let most = MAX_PIXELS / 1_000_000;
        let reason = format!("it has {width} x {height} pixels, more than {most} megapixels; make it smaller");
        return refused(Fault::TooLarge, reason);
    }
    if width == 0 || height == 0 {
        return refused(Fault::Damaged, "it has no pixels");
    }
    // A broken EXIF block is no reason to refuse the pixels.
    let exif = decoder.exif_metadata().unwrap_or(None);
    let orientation = decoder.orientation().unwrap_or(image::metadata::Orientation::NoTransforms);
    let mut photo = DynamicImage::from_decoder(decoder).map_err(words)?;
    // Fewer bytes to turn.
    if !matches!(photo, DynamicImage::ImageRgb8(_)) {
        photo = DynamicImage::ImageRgb8(photo.into_rgb8());
    }
    photo.apply_orientation(orientation);
    Ok(Decoded { photo: photo.into_rgb8(), exif })
}

/// The decoder's error in the words of a user.
fn words(error: ImageError) -> Refused {
    let (fault, reason) = match error {
        ImageError::Limits(_) => (Fault::TooLarge, "it needs more memory than a photo may; make it smaller".to_owned()),
        ImageError::IoError(e) if e.kind() == std::io::ErrorKind::UnexpectedEof => {
            (Fault::Truncated, "the file is truncated; copy it again from the camera or backup".to_owned())
        }
        other => (Fault::Damaged, format!("it is damaged ({other})")),
    };
    Refused { fault, reason }
}

/// Whether a TIFF is a camera's raw file, whose first picture is a preview: decoded, it would be a thumbnail for the photo.
fn is_raw(bytes: &[u8]) -> bool {
    const DNG_VERSION: u16 = 0xc612;
    const REDUCED: u16 = 0xfe;
    let Ok((fields, _)) = exif::parse_exif(bytes) else { return false };
    fields.iter().filter(|field| field.ifd_num == exif::In::PRIMARY).any(|field| match field.tag.number() {
        DNG_VERSION => true,
        REDUCED => field.value.get_uint(0).is_some_and(|kind| kind & 1 == 1),
        _ => false,
    })
}

/// Whether the JPEG's stream runs to its end marker.
///
/// Walks the markers, so that the end of a thumbnail inside EXIF is not taken for the photo's, and whatever a phone
/// appends behind the end is ignored. (ITU T.81, annex B.)
fn jpeg_is_whole(bytes: &[u8]) -> bool {
    let mut at = 2; // behind FF D8
    loop {
        // Anything up to the next marker is entropy-coded data or padding; FF 00 is a byte of data.
        let Some(skip) = bytes.get(at..).and_then(|b| b.iter().position(|&x| x == 0xff)) else {
            return false;
        };
        at += skip + 1;
        let Some(&marker) = bytes.get(at) else {
            return false;
        };
        match marker {
            0xd9 => return true,
            0xff => {}                            // padding before a marker: look at this byte again
            0x00 | 0x01 | 0xd0..=0xd8 => at += 1, // data, or a marker without a length
            _ => {
                let Some(length) = bytes.get(at + 1..at + 3) else {
                    return false;
                };
                at += 1 + usize::from(u16::from_be_bytes([length[0], length[1]])).max(2);
            }
        }
    }
}

/// What the first bytes of a file say it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Signature {
    /// Can be read.
    Photo(&'static Format),
    /// A picture that cannot be read; its name.
    Other(&'static str),
    /// Nothing at all.
    Empty,
    /// No picture known.
    Unknown,
}

/// A form of photos that is read.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Format {
    name: &'static str,
    of_image: ImageFormat,
    /// The bytes of its beginning that tell it, and where they stand.
    marks: &'static [(usize, &'static [u8])],
    /// The endings that names of such files have.
    endings: &'static [&'static str],
}

const FORMATS: &[Format] = &[
    Format {
        name: "JPEG",
        of_image: ImageFormat::Jpeg,
        marks: &[(0, b"\xff\xd8\xff")],
        endings: &["jpg", "jpeg", "jpe", "jfif"],
    },
    Format { name: "PNG", of_image: ImageFormat::Png, marks: &[(0, b"\x89PNG\r\n\x1a\n")], endings: &["png"] },
    Format { name: "WebP", of_image: ImageFormat::WebP, marks: &[(0, b"RIFF"), (8, b"WEBP")], endings: &["webp"] },
    Format { name: "TIFF", of_image: ImageFormat::Tiff, marks: &[(0, b"II*\0")], endings: &["tif", "tiff"] },
    Format { name: "TIFF", of_image: ImageFormat::Tiff, marks: &[(0, b"MM\0*")], endings: &["tif", "tiff"] },
    // behind its length four bytes are nought: the letters alone begin many texts
    Format {
        name: "BMP",
        of_image: ImageFormat::Bmp,
        marks: &[(0, b"BM"), (6, b"\0\0\0\0")],
        endings: &["bmp", "dib"],
    },
];

/// Every form that is read, for sentences.
pub(super) const READABLE: &str = "JPEG, PNG, WebP, TIFF or BMP";

/// Name, offset and bytes of pictures that people have and this program cannot read.
const OTHERS: &[(&str, usize, &[u8])] = &[
    ("HEIC (as iPhones write)", 4, b"ftypheic"),
    ("HEIC (as iPhones write)", 4, b"ftypheix"),
    ("HEIC (as iPhones write)", 4, b"ftyphevc"),
    ("HEIC (as iPhones write)", 4, b"ftypheim"),
    ("HEIC (as iPhones write)", 4, b"ftypheis"),
    ("HEIC (as iPhones write)", 4, b"ftypmif1"),
    ("HEIC (as iPhones write)", 4, b"ftypmsf1"),
    ("AVIF", 4, b"ftypavif"),
    ("camera raw", 8, b"CR\x02"),
    ("camera raw", 0, b"IIU\0"),
    ("camera raw", 0, b"IIRO"),
    ("camera raw", 0, b"FUJIFILM"),
    ("GIF", 0, b"GIF8"),
    ("JPEG XL", 0, b"\xff\x0a"),
    ("JPEG XL", 4, b"JXL "),
    ("JPEG 2000", 4, b"jP  "),
];

impl Signature {
    /// What cameras write before it is developed.
    const RAW: Signature = Signature::Other("camera raw");

    /// Tells a file by its first bytes; sixteen suffice.
    pub(super) fn of(bytes: &[u8]) -> Signature {
        if bytes.is_empty() {
            return Signature::Empty;
        }
        let stands = |&(at, mark): &(usize, &[u8])| bytes.get(at..).is_some_and(|b| b.starts_with(mark));
        // raw files of some cameras begin as a TIFF
        if let Some((name, ..)) = OTHERS.iter().find(|(_, at, mark)| stands(&(*at, *mark))) {
            return Signature::Other(name);
        }
        let known = FORMATS.iter().find(|format| format.marks.iter().all(stands));
        known.map_or(Signature::Unknown, Signature::Photo)
    }

    /// Reads the first bytes of a file, which must be a plain file.
    pub(super) fn of_file(path: &Path) -> std::io::Result<Signature> {
        let mut head = Vec::with_capacity(16);
        File::open(path)?.take(16).read_to_end(&mut head)?;
        Ok(Signature::of(&head))
    }

    /// Whether [`read`] can read it.
    pub(super) fn readable(self) -> bool {
        matches!(self, Signature::Photo(_))
    }

    /// The endings that names of such files have; none of one that is not read.
    pub(super) fn endings(self) -> &'static [&'static str] {
        match self {
            Signature::Photo(format) => format.endings,
            _ => &[],
        }
    }

    /// What it is called.
    pub(super) fn name(self) -> &'static str {
        match self {
            Signature::Photo(format) => format.name,
            Signature::Other(name) => name,
            Signature::Empty => "empty",
            Signature::Unknown => "no picture",
        }
    }

    /// Whether it is a picture at all.
    pub(super) fn is_picture(self) -> bool {
        self.readable() || matches!(self, Signature::Other(_))
    }

    /// Why it cannot be read, as half a sentence.
    pub(super) fn reason(self) -> String {
        match self {
            Signature::Other(name) => format!("it is a {name} picture; convert it to JPEG or PNG"),
            Signature::Empty => "the file is empty; copy it again from the camera or backup".into(),
            _ => format!("it is no {READABLE}"),
        }
    }
}

#[cfg(test)]
pub(in crate::data) mod tests {
    use super::*;
    use image::codecs::jpeg::JpegEncoder;
    use image::{ExtendedColorType, ImageEncoder, Rgb};

    fn jpeg(photo: &RgbImage) -> Vec<u8> {
        let mut bytes = Vec::new();
        let encoder = JpegEncoder::new_with_quality(&mut bytes, 95);
        encoder.write_image(photo.as_raw(), photo.width(), photo.height(), ExtendedColorType::Rgb8).unwrap();
        bytes
    }

    fn png(bytes: &[u8], width: u32, height: u32, colour: ExtendedColorType) -> Vec<u8> {
        let mut out = Vec::new();
        image::codecs::png::PngEncoder::new(&mut out).write_image(bytes, width, height, colour).unwrap();
        out
    }

    /// Left half red, right half blue; the top left corner green.
    fn marked() -> RgbImage {
        RgbImage::from_fn(64, 32, |x, y| match (x, y) {
            (0..16, 0..16) => Rgb([0, 255, 0]),
            (0..32, _) => Rgb([255, 0, 0]),
            _ => Rgb([0, 0, 255]),
        })
    }

    /// The same file with an EXIF segment that holds nothing but an orientation.
    fn oriented(jpeg: &[u8], orientation: u8) -> Vec<u8> {
        let mut exif = b"Exif\0\0MM\0*\0\0\0\x08\0\x01".to_vec();
        exif.extend([0x01, 0x12, 0, 3, 0, 0, 0, 1, 0, orientation, 0, 0]); // tag 0x0112, one short
        exif.extend([0; 4]); // no further directory
        with_exif(jpeg, &exif)
    }

    /// The same file with that EXIF segment.
    pub(in crate::data) fn with_exif(jpeg: &[u8], exif: &[u8]) -> Vec<u8> {
        let length = (exif.len() as u16 + 2).to_be_bytes();
        [&jpeg[..2], &[0xff, 0xe1], &length, exif, &jpeg[2..]].concat()
    }

    #[test]
    fn every_orientation_turns_the_photo_upright() {
        let file = jpeg(&marked());
        // Where the green corner (stored top left) must end up, as (right, bottom), and whether sides swap.
        let want = [
            (1, 0, 0, 0),
            (2, 1, 0, 0),
            (3, 1, 1, 0),
            (4, 0, 1, 0),
            (5, 0, 0, 1),
            (6, 1, 0, 1),
            (7, 1, 1, 1),
            (8, 0, 1, 1),
        ];
        for (orientation, right, bottom, swapped) in want {
            let photo = from_bytes(&oriented(&file, orientation)).unwrap();
            assert_eq!(photo.dimensions(), if swapped == 1 { (32, 64) } else { (64, 32) });
            let x = if right == 1 { photo.width() - 5 } else { 4 };
            let y = if bottom == 1 { photo.height() - 5 } else { 4 };
            let Rgb([r, g, b]) = *photo.get_pixel(x, y);
            assert!(g > 200 && r < 60 && b < 60, "orientation {orientation}: {r} {g} {b}");
        }
        // Nonsense is ignored.
        assert_eq!(from_bytes(&oriented(&file, 77)).unwrap().dimensions(), (64, 32));
    }

    #[test]
    fn a_photo_cut_short_anywhere_is_an_error() {
        let noisy = RgbImage::from_fn(96, 80, |x, y| Rgb([(x * y) as u8, (x * 3) as u8, (y * 5) as u8]));
        for whole in [oriented(&jpeg(&noisy), 1), png(noisy.as_raw(), 96, 80, ExtendedColorType::Rgb8)] {
            assert!(from_bytes(&whole).is_ok());
            for cut in [0, 1, 3, 20, 100, whole.len() / 2, whole.len() - 200, whole.len() - 20] {
                let error = from_bytes(&whole[..cut]).unwrap_err();
                assert!(cut < 100 || error.contains("truncated") || error.contains("damaged"), "{cut}: {error}");
            }
        }
    }

    #[test]
    fn what_a_phone_appends_behind_a_jpeg_does_no_harm() {
        let mut file = jpeg(&marked());
        file.extend([0u8; 500]);
        assert!(from_bytes(&file).is_ok());
        // A thumbnail inside EXIF has an end marker of its own, which is not the photo's.
        let mut exif = vec![0xff, 0xd8, 0xff, 0xe1];
        let thumbnail = jpeg(&RgbImage::new(8, 8));
        exif.extend((thumbnail.len() as u16 + 2).to_be_bytes());
        exif.extend(&thumbnail);
        exif.extend(&jpeg(&marked())[2..400]);
        assert!(from_bytes(&exif).unwrap_err().contains("truncated"));
    }

    #[test]
    fn other_kinds_of_pixels_become_rgb() {
        let grey16: Vec<u8> = (0..16u16).flat_map(|i| (i * 4096).to_ne_bytes()).collect();
        let photo = from_bytes(&png(&grey16, 4, 4, ExtendedColorType::L16)).unwrap();
        assert_eq!(photo.get_pixel(0, 0).0, [0; 3]);
        assert_eq!(photo.get_pixel(0, 2).0, [128; 3]); // 32768 of 65535
        let clear = [10u8, 20, 30, 0].repeat(16);
        let photo = from_bytes(&png(&clear, 4, 4, ExtendedColorType::Rgba8)).unwrap();
        assert_eq!(photo.get_pixel(3, 3).0, [10, 20, 30]);
    }

    #[test]
    fn foreign_files_are_named() {
        for (bytes, word) in [
            (&b"\0\0\0\x18ftypheic\0\0\0\0mif1"[..], "HEIC"),
            (b"GIF89a\0\0", "GIF"),
            (b"II*\0\x10\0\0\0CR\x02\0", "camera raw"),
            (b"hello, I am a text", "no JPEG, PNG, WebP, TIFF or BMP"),
            (b"BM is how this text begins", "no JPEG"),
            (b"", "empty"),
        ] {
            let error = from_bytes(bytes).unwrap_err();
            assert!(error.contains(word), "{error}");
        }
        let dir = tempfile::tempdir().unwrap();
        let error = read(&dir.path().join("gone.jpg")).unwrap_err().to_string();
        assert!(error.contains("gone.jpg"), "{error}");
        assert!(read(dir.path()).is_err());
    }

    #[test]
    fn every_form_is_read_by_its_content_and_a_part_of_it_is_no_photo() {
        let photo = marked();
        for format in [ImageFormat::WebP, ImageFormat::Tiff, ImageFormat::Bmp] {
            let mut file = Cursor::new(Vec::new());
            photo.write_to(&mut file, format).unwrap();
            let file = file.into_inner();
            assert_eq!(from_bytes(&file).unwrap(), photo, "{format:?}");
            for part in [1, 2, 3] {
                let cut = &file[..file.len() * part / 4];
                assert!(from_bytes(cut).is_err(), "{format:?}, {part} quarters");
            }
        }
    }

    #[test]
    fn the_size_of_a_photo_is_that_of_it_upright() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a.jpg");
        for (orientation, size) in [(1, (64, 32)), (3, (64, 32)), (6, (32, 64)), (8, (32, 64))] {
            std::fs::write(&path, oriented(&jpeg(&marked()), orientation)).unwrap();
            assert_eq!(size_of(&path), Some(size));
        }
        std::fs::write(&path, "no photo").unwrap();
        assert_eq!(size_of(&path), None);
    }

    #[test]
    fn a_preview_in_a_raw_file_is_not_taken_for_the_photo() {
        let mut file = Cursor::new(Vec::new());
        marked().write_to(&mut file, ImageFormat::Tiff).unwrap();
        let mut file = file.into_inner();
        // the first directory once more at the end, with the version that a DNG has
        let at = u32::from_le_bytes(file[4..8].try_into().unwrap()) as usize;
        let entries = u16::from_le_bytes(file[at..at + 2].try_into().unwrap());
        let mut directory = (entries + 1).to_le_bytes().to_vec();
        directory.extend(&file[at + 2..at + 2 + usize::from(entries) * 12]);
        directory.extend([0x12, 0xc6, 1, 0, 4, 0, 0, 0, 1, 4, 0, 0, 0, 0, 0, 0]);
        let end = file.len() as u32;
        file[4..8].copy_from_slice(&end.to_le_bytes());
        file.extend(directory);
        assert!(from_bytes(&file).unwrap_err().contains("camera raw"));
    }

    #[test]
    fn a_bomb_is_refused_before_it_is_unpacked() {
        // A PNG's header that claims 60000 x 60000 pixels.
        let mut file = png(&[0; 3], 1, 1, ExtendedColorType::Rgb8);
        file[16..20].copy_from_slice(&60_000u32.to_be_bytes());
        file[20..24].copy_from_slice(&60_000u32.to_be_bytes());
        let crc = crc32(&file[12..29]);
        file[29..33].copy_from_slice(&crc.to_be_bytes());
        let error = from_bytes(&file).unwrap_err();
        assert!(error.contains("megapixels") || error.contains("memory"), "{error}");
        // The same for JPEG: 65000 x 65000 in the frame header.
        let mut file = jpeg(&marked());
        let frame = file.windows(2).position(|w| w == [0xff, 0xc0]).unwrap();
        file[frame + 5..frame + 7].copy_from_slice(&65_000u16.to_be_bytes());
        file[frame + 7..frame + 9].copy_from_slice(&65_000u16.to_be_bytes());
        let error = from_bytes(&file).unwrap_err();
        assert!(error.contains("megapixels") || error.contains("memory"), "{error}");
    }

    /// CRC of PNG chunks, bit by bit.
    fn crc32(bytes: &[u8]) -> u32 {
        !bytes.iter().fold(!0u32, |crc, &b| {
            (0..8).fold(crc ^ u32::from(b), |c, _| if c & 1 == 1 { 0xedb8_8320 ^ (c >> 1) } else { c >> 1 })
        })
    }

    use proptest::prelude::*;
    proptest! {
        #[test]
        fn damaged_files_never_panic(at in 2usize..600, with in any::<u8>(), kind in 0..2) {
            let photo = marked();
            let mut file = if kind == 0 { oriented(&jpeg(&photo), 6) } else { png(photo.as_raw(), 64, 32, ExtendedColorType::Rgb8) };
            let at = at % file.len();
            file[at] = with;
            let _ = from_bytes(&file);
        }
    }
}
