//! The day on which a camera says it took a photo.

use std::fs::File;
use std::io::BufReader;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;

use exif::{Field, In, Tag, Value};
use jiff::civil::Date;

use crate::data::decode::Signature;
use crate::data::manifest::parse_date;

/// Digital cameras are younger: 1970, 1980 and 0000 are clocks that were never set.
const FIRST: i16 = 1995;

/// The day in an EXIF block: when it was taken, else when it was digitised. A clock that was never set says nothing.
pub(in crate::data) fn day(block: &[u8]) -> Option<Date> {
    let (fields, _) = exif::parse_exif(block).ok()?;
    taken(&fields)
}

/// The day that the camera wrote into the JPEG at `path`; reads its first segments. None where the file `is` another: to find a date
/// there all of it may have to be read, and cameras write JPEG.
pub(in crate::data) fn day_of_file(path: &Path, is: Signature) -> Option<Date> {
    // other people's bytes and another's parser: a panic there says nothing of the photo
    if is.name() != "JPEG" {
        return None;
    }
    let read = || {
        let found = exif::Reader::new().read_from_container(&mut BufReader::new(File::open(path).ok()?)).ok()?;
        taken(found.fields().cloned().collect::<Vec<_>>().as_slice())
    };
    catch_unwind(AssertUnwindSafe(read)).unwrap_or(None)
}

/// The day that the camera wrote into the photo at `path`; none where it wrote none, or it is no JPEG.
pub fn day_on(path: &Path) -> Option<Date> {
    day_of_file(path, Signature::of_file(path).ok()?)
}

fn taken(fields: &[Field]) -> Option<Date> {
    let text = |tag: Tag| {
        let field = fields.iter().find(|f| f.tag == tag && f.ifd_num == In::PRIMARY)?;
        let Value::Ascii(lines) = &field.value else { return None };
        Some(String::from_utf8_lossy(lines.first()?).into_owned())
    };
    let day = [Tag::DateTimeOriginal, Tag::DateTimeDigitized].into_iter().find_map(|tag| parse_date(text(tag)?.trim()));
    day.filter(|day| day.year() >= FIRST)
}

/// The day that a folder is called after, as `2026-07-09 b`: the innermost one of those `above` a photo, the nearest first.
pub fn day_of_folders<'a>(above: impl Iterator<Item = &'a Path>) -> Option<Date> {
    above.filter_map(|folder| parse_date(folder.file_name()?.to_str()?.get(..10)?)).next()
}

/// The day on which the photo at `path` was taken: what its camera wrote, else what a folder above it is called after, the
/// innermost one as far up as `within`.
pub fn day_of(path: &Path, within: &Path) -> Option<Date> {
    let above = || path.ancestors().skip(1).take_while(|above| above.starts_with(within));
    day_on(path).or_else(|| day_of_folders(above()))
}

#[cfg(test)]
pub(in crate::data) mod tests {
    use crate::data::decode::tests::with_exif;
    use crate::data::formats::as_written;

    /// The same file with an EXIF block that says when it was taken.
    pub(in crate::data) fn taken(jpeg: &[u8], when: &str) -> Vec<u8> {
        let mut exif = b"Exif\0\0MM\0*\0\0\0\x08\0\x01\x87\x69\0\x04\0\0\0\x01\0\0\0\x1a\0\0\0\0".to_vec();
        exif.extend(b"\0\x01\x90\x03\0\x02\0\0\0\x14\0\0\0\x2c\0\0\0\0"); // DateTimeOriginal, 20 bytes of text
        exif.extend(when.as_bytes());
        exif.push(0);
        with_exif(jpeg, &exif)
    }

    #[test]
    fn a_folders_photos_have_the_dates_that_their_cameras_wrote() {
        let dir = tempfile::tempdir().unwrap();
        let folder = dir.path().join("Nuri");
        std::fs::create_dir(&folder).unwrap();
        image::RgbImage::new(32, 32).save(folder.join("a.jpg")).unwrap();
        let jpeg = std::fs::read(folder.join("a.jpg")).unwrap();
        for (name, when) in
            [("b.jpg", "2019:07:31 12:00:00"), ("c.jpg", "2019:07:31 18:30:00"), ("d.jpg", "1980:01:01 00:00:00")]
        {
            std::fs::write(folder.join(name), taken(&jpeg, when)).unwrap();
        }
        std::fs::write(folder.join("e.jpg"), [&jpeg[..2], b"\xff\xe1\xff\xffExif\0\0MM\0*"].concat()).unwrap(); // cut off
        let m = as_written(dir.path()).unwrap();
        let days: Vec<_> = m.photos.iter().map(|p| p.date.map(|day| day.to_string()).unwrap_or_default()).collect();
        assert_eq!(days, ["", "2019-07-31", "2019-07-31", "", ""]);
        assert_eq!(m.counts().encounters, 4, "two photos of one day are one encounter");
    }
}
