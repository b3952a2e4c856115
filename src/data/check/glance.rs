//! What is kept of a photo after a look into it: a few bytes that tell it from others, and what its file says of itself.

use std::panic::{AssertUnwindSafe, catch_unwind};

use jiff::civil::Date;
use sha2::{Digest, Sha256};

use super::alike::Glance;
use crate::data::camera;
use crate::data::decode::{PhotoFile, Refused, Signature, look};

/// A photo that was looked into.
#[derive(Debug, Clone)]
pub(super) struct Seen {
    /// What the content is.
    pub(super) signature: Signature,
    /// Of the whole file.
    pub(super) sha256: [u8; 32],
    /// Of the part that counts.
    pub(super) glance: Glance,
    /// Width and height of the whole photo, upright.
    pub(super) size: (u32, u32),
    /// The day by the camera.
    pub(super) taken: Option<Date>,
}

impl Seen {
    pub(super) fn of(file: &PhotoFile) -> Result<Seen, Refused> {
        let (bytes, decoded) = look(&file.path)?;
        let size = decoded.photo.dimensions();
        let photo = match file.crop {
            Some(crop) => crop.of(&decoded.photo),
            None => decoded.photo,
        };
        // other people's bytes and another's parser: a panic there says nothing of the photo
        let day = |block: Vec<u8>| catch_unwind(AssertUnwindSafe(|| camera::day(&block))).unwrap_or(None);
        Ok(Seen {
            signature: Signature::of(&bytes),
            sha256: Sha256::digest(&bytes).into(),
            glance: Glance::of(&photo),
            size,
            taken: decoded.exif.and_then(day),
        })
    }
}
