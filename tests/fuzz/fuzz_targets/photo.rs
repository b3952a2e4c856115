//! Photos. A decoder's own panic is caught by the reader, so the hook that ends the process is taken out.
#![no_main]

use caretta::data::decode;
use libfuzzer_sys::fuzz_target;

fuzz_target!(init: std::panic::set_hook(Box::new(|_| {})), |bytes: &[u8]| {
    let read = std::panic::catch_unwind(|| {
        if let Ok(photo) = decode::read(&caretta_fuzz::file("photo", bytes)) {
            assert!(photo.width() > 0 && photo.height() > 0);
        }
    });
    if read.is_err() {
        std::process::abort();
    }
});
