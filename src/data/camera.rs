//! The day on which a camera says it took a photo.

use std::fs::File;
use std::io::BufReader;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;

use exif::{Field, In, Tag, Value};
use jiff::civil::Date;

use crate::data::manifest::parse_date;

/// Digital cameras are younger: 1970, 1980 and 0000 are clocks that were never set.
const FIRST: i16 = 1995;

/// The day in an EXIF block: when it was taken, else when it was digitised. A clock that was never set says nothing.
pub(in crate::data) fn day(block: &[u8]) -> Option<Date> {
    let (fields, _) = exif::parse_exif(block).ok()?;
    taken(&fields)
}

/// The day that the camera wrote into the file at `path`, a JPEG, PNG or WebP; reads little more than that of it.
pub(in crate::data) fn day_of_file(path: &Path) -> Option<Date> {
    // other people's bytes and another's parser: a panic there says nothing of the photo
    let read = || {
        let found = exif::Reader::new().read_from_container(&mut BufReader::new(File::open(path).ok()?)).ok()?;
        taken(found.fields().cloned().collect::<Vec<_>>().as_slice())
    };
    catch_unwind(AssertUnwindSafe(read)).unwrap_or(None)
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
