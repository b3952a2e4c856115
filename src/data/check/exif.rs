//! The day on which a camera says it took a photo.

use exif::{In, Tag, Value};
use jiff::civil::Date;

use crate::data::manifest::parse_date;

/// Digital cameras are younger: 1970, 1980 and 0000 are clocks that were never set.
const FIRST: i16 = 1995;

/// The day in an EXIF block: when it was taken, else when it was digitised. A clock that was never set says nothing.
pub(super) fn day(block: &[u8]) -> Option<Date> {
    let (fields, _) = exif::parse_exif(block).ok()?;
    let text = |tag: Tag| {
        let field = fields.iter().find(|f| f.tag == tag && f.ifd_num == In::PRIMARY)?;
        let Value::Ascii(lines) = &field.value else { return None };
        Some(String::from_utf8_lossy(lines.first()?).into_owned())
    };
    let day = [Tag::DateTimeOriginal, Tag::DateTimeDigitized].into_iter().find_map(|tag| parse_date(text(tag)?.trim()));
    day.filter(|day| day.year() >= FIRST)
}
