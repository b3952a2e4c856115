//! `embeddings.npy`: float32, photos x dimensions, C order, little-endian; of others' files half and double, too.
//!
//! The file may be anybody's: before the npy reader sees a header it is looked through for what would
//! make that allocate, recurse or overflow without bound, and the length of the file must fit what
//! the header says. Other kinds of numbers are refused with the line of numpy that converts them.

use std::io::{BufReader, Read, Write};
use std::path::Path;

use npyz::WriterBuilder;

use crate::nn::weights::kinds::Kind;

use super::super::{Error, Result};

/// Keeps the product of all numbers in a header below 2^64, which the npy reader does not check.
const MOST_HEADER_DIGITS: usize = 18;
/// A header of our kind takes 128 bytes; numpy pads to 64. More is not an array of ours.
const LONGEST_HEADER: usize = 4096;
/// Photos, dimensions and numbers of an npy file.
pub(super) fn read(path: &Path) -> Result<(usize, usize, Vec<f32>)> {
    let unreadable = |source| Error::Read { path: path.to_path_buf(), source };
    let wrong = |reason: String| Error::Npy { path: path.to_path_buf(), reason };
    let file = std::fs::File::open(path).map_err(unreadable)?;
    let size = file.metadata().map_err(unreadable)?.len();
    let mut file = BufReader::new(file);
    let header = read_header(&mut file).map_err(|failure| match failure.kind() {
        std::io::ErrorKind::InvalidData | std::io::ErrorKind::UnexpectedEof => wrong(failure.to_string()),
        _ => unreadable(failure),
    })?;
    let parsed = npyz::NpyHeader::from_reader(&header[..]).map_err(|e| wrong(e.to_string()))?;
    let kind = parsed.dtype().descr();
    let Some(number) = kind_of(&kind) else {
        return Err(wrong(format!("its numbers are {kind}, not '<f4'; in numpy: np.save(path, array.astype('<f4'))")));
    };
    let &[photos, dim] = parsed.shape() else {
        return Err(wrong(format!("its shape is {:?}, not (photos, dimensions)", parsed.shape())));
    };
    if parsed.order() != npyz::Order::C {
        return Err(wrong("it is in Fortran order; in numpy: np.save(path, np.ascontiguousarray(array))".into()));
    }
    if photos == 0 || dim == 0 {
        return Err(wrong(format!("it is empty: {photos} x {dim}")));
    }
    // The digits in the header were counted, so neither product nor sum can overflow.
    let expected = header.len() as u64 + photos * dim * number.bytes() as u64;
    if size != expected {
        return Err(wrong(format!(
            "{photos} x {dim} numbers take {expected} bytes and the file has {size}: it was cut off or overwritten"
        )));
    }
    let mut bytes = Vec::new();
    file.read_to_end(&mut bytes).map_err(unreadable)?;
    let vectors = number.widen(&bytes);
    let (photos, dim) = (photos as usize, dim as usize);
    if bytes.len() != photos * dim * number.bytes() {
        return Err(wrong("it changed while it was read".into()));
    }
    Ok((photos, dim, vectors))
}

/// The kind of number that numpy calls `descr`; numpy's own is the double.
fn kind_of(descr: &str) -> Option<Kind> {
    Some(match descr {
        "'<f2'" => Kind::F16,
        "'<f4'" => Kind::F32,
        "'<f8'" => Kind::F64,
        _ => return None,
    })
}

/// The header, its length bytes included, after looking for what would make a parser allocate,
/// recurse or overflow without bound.
fn read_header(file: &mut impl Read) -> std::io::Result<Vec<u8>> {
    let invalid = |reason: &str| std::io::Error::new(std::io::ErrorKind::InvalidData, reason);
    let mut header = vec![0; 10];
    file.read_exact(&mut header).map_err(|_| invalid("it is shorter than any npy file"))?;
    if &header[..6] != b"\x93NUMPY" {
        return Err(invalid("it does not begin like one"));
    }
    let wide = header[6] >= 2;
    if wide {
        header.resize(12, 0);
        file.read_exact(&mut header[10..])?;
    }
    let start = header.len();
    let length = if wide {
        u32::from_le_bytes([header[8], header[9], header[10], header[11]]) as usize
    } else {
        usize::from(u16::from_le_bytes([header[8], header[9]]))
    };
    if length > LONGEST_HEADER {
        return Err(invalid("its header is longer than any of this kind"));
    }
    header.resize(start + length, 0);
    file.read_exact(&mut header[start..]).map_err(|_| invalid("it ends within its header"))?;
    let text = &header[start..];
    let digits = text.iter().filter(|b| b.is_ascii_digit()).count();
    let brackets = text.iter().filter(|b| b"([{".contains(b)).count();
    if digits > MOST_HEADER_DIGITS || brackets > 8 {
        return Err(invalid("its header describes no plain table of numbers"));
    }
    Ok(header)
}

/// Writes `vectors`, as many photos of as many numbers as `size` says, as an npy file.
pub(super) fn write(size: [usize; 2], vectors: &[f32], out: &mut dyn Write) -> std::io::Result<()> {
    let little: npyz::TypeStr = "<f4".parse().map_err(std::io::Error::other)?;
    let mut npy = npyz::WriteOptions::new()
        .dtype(npyz::DType::Plain(little))
        .shape(&size.map(|n| n as u64))
        .writer(out)
        .begin_nd()?;
    npy.extend(vectors.iter().copied())?;
    npy.finish()
}
