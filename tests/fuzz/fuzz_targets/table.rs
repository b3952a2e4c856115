//! Tables of photos, under the name that decides the format and under another.
#![no_main]

use caretta::data::corrections::Corrections;
use caretta::data::formats;
use caretta::data::split::{RATIO, SEED, SplitChoice, assign};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    for name in ["metadata_splits.csv", "mine.csv"] {
        if let Ok(manifest) = formats::open(&caretta_fuzz::file(name, bytes), &Corrections::NONE) {
            assert!(!manifest.photos.is_empty());
            for photo in &manifest.photos {
                assert!(!photo.path.is_absolute() && !photo.path.iter().any(|part| part == ".."));
            }
            for choice in [SplitChoice::Auto, SplitChoice::ByEncounter, SplitChoice::Closed] {
                if let Ok(split) = assign(&manifest, &choice, RATIO, SEED) {
                    assert_eq!(split.parts.len(), manifest.photos.len());
                }
            }
        }
    }
});
