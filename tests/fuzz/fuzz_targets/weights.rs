//! Files of weights.
#![no_main]

use std::path::Path;

use caretta::nn::weights::WeightFile;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let path = Path::new("fuzz.safetensors");
    if let Ok(file) = WeightFile::from_bytes(path, bytes) {
        for (sizes, values) in file.tensors.values() {
            assert_eq!(sizes.iter().product::<usize>(), values.len());
        }
        let again = file.to_bytes(path).expect("what was read can be written");
        let again = WeightFile::from_bytes(path, &again).expect("what was written can be read");
        // NaN is not itself
        assert!(again.about == file.about && again.tensors.keys().eq(file.tensors.keys()));
    }
});
