//! Configurations: what loads can be saved, and loads again as itself.
#![no_main]

use caretta::run::{Config, Method};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let path = caretta_fuzz::file("config.toml", bytes);
    let _ = Config::load(&path);
    for method in Method::ALL {
        if let Ok(config) = Config::with_file(method, &path) {
            let _ = config.check();
            let saved = caretta_fuzz::file("saved.toml", config.to_file().as_bytes());
            assert_eq!(Config::load(&saved).expect("a saved configuration loads"), config);
        }
    }
});
