//! `embeddings.npy` and `photos.csv`, cut apart at a line `--`; and the array alone beside a good table.
#![no_main]

use caretta::eval::embeddings::EmbeddingSet;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let (table, array) = caretta_fuzz::two(bytes);
    let path = caretta_fuzz::file("embeddings.npy", array);
    for photos in [table, b"photo,individual,encounter,role\na.jpg,t,e,query\nb.jpg,t,e,gallery\n"] {
        caretta_fuzz::file("photos.csv", photos);
        if let Ok(set) = EmbeddingSet::read(&path) {
            set.check().expect("what is read keeps the rules");
        }
    }
});
