//! Tables of corrections: what is read is written and read back to the same, and no photo leaves the dataset's folder.
#![no_main]

use caretta::data::corrections::Corrections;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    if let Ok(read) = Corrections::read(&caretta_fuzz::file("corrections.csv", bytes)) {
        for (photo, _) in read.iter() {
            assert!(!photo.is_absolute() && !photo.iter().any(|part| part == ".."));
        }
        if let Ok(written) = read.to_csv() {
            let again = Corrections::read(&caretta_fuzz::file("again.csv", &written)).expect("our own table");
            assert_eq!(again, read);
        }
    }
});
