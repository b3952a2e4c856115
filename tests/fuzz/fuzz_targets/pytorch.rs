//! Files of torch.save, and the pickles in them.
#![no_main]

use std::path::Path;

use caretta::nn::weights::kinds::Kind;
use caretta::nn::weights::recognise::recognise;
use caretta::nn::weights::{WeightFile, pickle, torch};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let _ = pickle::load(bytes);
    if let Ok(dict) = torch::read(bytes) {
        for (_, sizes, values, kind) in dict.tensors {
            assert!(matches!(kind, Kind::Whole(_)) || sizes.iter().product::<usize>() == values.len());
        }
    }
    let path = Path::new("fuzz.pth");
    if let Ok(file) = WeightFile::from_bytes(path, bytes) {
        let _ = recognise(path, file, None);
    }
});
