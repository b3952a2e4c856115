//! Zip archives as torch writes them: entries stored as they are, found by the directory at the end.
//!
//! Enough of APPNOTE 6.3 for that: zip64 sizes, checksums; no compression, no encryption, no second disk.

use std::collections::BTreeMap;

/// An archive in memory.
pub(super) struct Archive<'a> {
    bytes: &'a [u8],
    entries: BTreeMap<String, Entry>,
}

#[derive(Clone, Copy)]
struct Entry {
    /// Of the header before the content.
    header: u64,
    size: u64,
    checksum: u32,
    method: u16,
    flags: u16,
}

/// Where a part of a record lies: little-endian.
fn u16_at(bytes: &[u8], at: usize) -> Option<u16> {
    bytes.get(at..)?.first_chunk().map(|b| u16::from_le_bytes(*b))
}

fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    bytes.get(at..)?.first_chunk().map(|b| u32::from_le_bytes(*b))
}

fn u64_at(bytes: &[u8], at: usize) -> Option<u64> {
    bytes.get(at..)?.first_chunk().map(|b| u64::from_le_bytes(*b))
}

fn slice(bytes: &[u8], from: u64, count: u64) -> Option<&[u8]> {
    let from = usize::try_from(from).ok()?;
    bytes.get(from..from.checked_add(usize::try_from(count).ok()?)?)
}

const END: &[u8] = b"PK\x05\x06";
const END_64_LOCATOR: u32 = 0x0706_4b50;
const END_64: u32 = 0x0606_4b50;
const DIRECTORY: u32 = 0x0201_4b50;
const LOCAL: u32 = 0x0403_4b50;
/// In a field of 32 bits: the true value stands in the zip64 extra.
const ELSEWHERE: u32 = u32::MAX;

impl<'a> Archive<'a> {
    /// Whether the bytes begin like an archive.
    pub(super) fn is_one(bytes: &[u8]) -> bool {
        bytes.starts_with(b"PK\x03\x04")
    }

    /// Reads the directory.
    ///
    /// # Errors
    /// When there is none, or it leads nowhere.
    pub(super) fn open(bytes: &'a [u8]) -> Result<Self, String> {
        Self::directory(bytes).ok_or_else(|| "the archive is cut short, or damaged".to_owned())
    }

    fn directory(bytes: &'a [u8]) -> Option<Self> {
        // the end has 22 bytes and a comment of at most 65535
        let tail = bytes.len().saturating_sub(22 + 65_535);
        let end = tail + bytes.get(tail..)?.windows(4).rposition(|w| w == END)?;
        slice(bytes, end as u64, 22)?;
        let mut count = u64::from(u16_at(bytes, end + 10)?);
        let mut at = u64::from(u32_at(bytes, end + 16)?);
        let locator = end.checked_sub(20).filter(|&l| u32_at(bytes, l) == Some(END_64_LOCATOR));
        if let Some(locator) = locator {
            let end = usize::try_from(u64_at(bytes, locator + 8)?).ok()?;
            if u32_at(bytes, end)? != END_64 {
                return None;
            }
            count = u64_at(bytes, end.checked_add(32)?)?;
            at = u64_at(bytes, end.checked_add(48)?)?;
        }
        let mut entries = BTreeMap::new();
        let mut sizes = 0u64;
        // a record has 46 bytes at least, so that a false count ends with the file
        for _ in 0..count {
            let record = slice(bytes, at, 46)?;
            if u32_at(record, 0)? != DIRECTORY {
                return None;
            }
            let lengths = [28, 30, 32].map(|field| u16_at(record, field).map_or(0, u64::from));
            let name = slice(bytes, at + 46, lengths[0])?;
            let extra = slice(bytes, at + 46 + lengths[0], lengths[1])?;
            let mut wide = Wide::of(extra);
            // in this order, and only those that do not fit
            let size = wide.or(u32_at(record, 24)?)?;
            wide.or(u32_at(record, 20)?)?;
            let header = wide.or(u32_at(record, 42)?)?;
            let entry = Entry {
                header,
                size,
                checksum: u32_at(record, 16)?,
                method: u16_at(record, 10)?,
                flags: u16_at(record, 8)?,
            };
            // more than the file has: entries that share bytes, to make work out of nothing
            sizes = sizes.checked_add(size).filter(|&sizes| sizes <= bytes.len() as u64)?;
            entries.insert(String::from_utf8_lossy(name).into_owned(), entry);
            at += 46 + lengths.iter().sum::<u64>();
        }
        Some(Archive { bytes, entries })
    }

    /// Names of all entries.
    pub(super) fn names(&self) -> impl Iterator<Item = &str> {
        self.entries.keys().map(String::as_str)
    }

    /// The content of `name`; none where there is no such entry.
    ///
    /// # Errors
    /// When it is compressed, encrypted or damaged.
    pub(super) fn get(&self, name: &str) -> Result<Option<&'a [u8]>, String> {
        let Some(entry) = self.entries.get(name) else { return Ok(None) };
        let shown = super::printable(name);
        if entry.method != 0 || entry.flags & 1 != 0 {
            return Err(format!("{shown} is compressed or encrypted in the archive; torch.save does neither"));
        }
        let content = || {
            let header = slice(self.bytes, entry.header, 30)?;
            let lengths = u64::from(u16_at(header, 26)?) + u64::from(u16_at(header, 28)?);
            let is_local = u32_at(header, 0)? == LOCAL;
            slice(self.bytes, entry.header + 30 + lengths, entry.size).filter(|_| is_local)
        };
        let content = content().ok_or_else(|| format!("{shown} is cut short in the archive"))?;
        if crc32fast::hash(content) != entry.checksum {
            return Err(format!("{shown} is damaged: its checksum is another"));
        }
        Ok(Some(content))
    }
}

/// The zip64 extra of a record: numbers of 64 bits, taken one after another.
struct Wide<'a>(&'a [u8]);

impl<'a> Wide<'a> {
    fn of(mut extra: &'a [u8]) -> Self {
        while let (Some(tag), Some(length)) = (u16_at(extra, 0), u16_at(extra, 2)) {
            let Some((field, rest)) = extra.get(4..).and_then(|e| e.split_at_checked(usize::from(length))) else {
                break;
            };
            if tag == 1 {
                return Wide(field);
            }
            extra = rest;
        }
        Wide(&[])
    }

    /// `narrow`, or the next number where that says so.
    fn or(&mut self, narrow: u32) -> Option<u64> {
        if narrow != ELSEWHERE {
            return Some(u64::from(narrow));
        }
        let (number, rest) = self.0.split_first_chunk::<8>()?;
        self.0 = rest;
        Some(u64::from_le_bytes(*number))
    }
}
