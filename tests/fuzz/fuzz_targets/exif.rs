//! The EXIF block of a good JPEG: nothing in it may keep the pixels from being read.
#![no_main]

use caretta::data::decode;
use libfuzzer_sys::fuzz_target;

const PHOTO: &[u8] = include_bytes!("../seeds/photo/grey.jpg");

fuzz_target!(|bytes: &[u8]| {
    let exif = &bytes[..bytes.len().min(60_000)];
    let mut file = PHOTO[..2].to_vec();
    file.extend([0xff, 0xe1]);
    file.extend((exif.len() as u16 + 8).to_be_bytes());
    file.extend(b"Exif\0\0");
    file.extend(exif);
    file.extend(&PHOTO[2..]);
    let photo = decode::read(&caretta_fuzz::file("photo", &file)).expect("the pixels are good");
    assert_eq!((photo.width() * photo.height(), photo.width().max(photo.height())), (24 * 16, 24));
});
