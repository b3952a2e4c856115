//! The first bytes of a file read where they lie: what is not asked for is not read, and nothing is copied.

#![allow(unsafe_code)] // the one place beside nn/ops

use std::fs::File;
use std::io;

use memmap2::{Advice, Mmap, MmapOptions};

/// The first bytes of a file that only grows.
#[derive(Debug)]
pub(super) struct Mapped {
    map: Mmap,
}

impl Mapped {
    /// The first `length` bytes of `file`.
    ///
    /// # Errors
    /// When it has fewer, or the system cannot show it so.
    pub(super) fn first(file: &File, length: u64) -> io::Result<Mapped> {
        if file.metadata()?.len() < length {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        let length = usize::try_from(length).map_err(|_| io::ErrorKind::OutOfMemory)?;
        // SAFETY: the bytes are there, and they stay: a file of a gallery is appended to, replaced as a whole under its name, or
        // cut behind the rows that its database counts, of which `length` is. Should another program cut it while it is read, the
        // system ends this process (SIGBUS), as it does for every program that maps its files.
        let map = unsafe { MmapOptions::new().len(length).map(file)? };
        Ok(Mapped { map })
    }

    /// Little of it will be read, anywhere: what lies around that is not worth reading ahead.
    pub(super) fn read_here_and_there(&self) {
        let _ = self.map.advise(Advice::Random); // it is as right without
    }

    pub(super) fn bytes(&self) -> &[u8] {
        &self.map
    }

    /// The numbers behind the first `from` bytes, f32, little-endian; none where the processor orders bytes otherwise, or they do not
    /// lie as it needs them.
    pub(super) fn numbers(&self, from: usize) -> Option<&[f32]> {
        // SAFETY: any four bytes are an f32.
        let (before, numbers, _) = unsafe { self.map.get(from..)?.align_to::<f32>() };
        (cfg!(target_endian = "little") && before.is_empty()).then_some(numbers)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;

    #[test]
    fn what_is_there_is_read_and_what_is_not_is_refused() {
        let mut file = tempfile::tempfile().unwrap();
        let numbers = [1.5_f32, -2.0, 1e-9];
        file.write_all(&[7; 8]).unwrap();
        file.write_all(&numbers.map(f32::to_le_bytes).concat()).unwrap();
        let mapped = Mapped::first(&file, 20).unwrap();
        assert_eq!((mapped.bytes().len(), mapped.bytes()[0]), (20, 7));
        if cfg!(target_endian = "little") {
            assert_eq!(mapped.numbers(8).unwrap(), numbers);
        }
        assert!(mapped.numbers(7).is_none() && mapped.numbers(21).is_none());
        assert!(Mapped::first(&file, 21).is_err());
        // what is appended does not disturb it
        file.write_all(&[0; 4096]).unwrap();
        assert_eq!(mapped.bytes().len(), 20);
    }
}
