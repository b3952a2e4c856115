//! What is the same about two lists of photos: which they are, who is on which part of them, in which encounters.
//!
//! A training depends on all of it and on the order, so that one number tells whether a run can go on, and whether the
//! photos that chose a checkpoint are those being asked about. The folder's own name and place do not count: a dataset
//! may be moved. Does not look into the photos.

use std::fmt;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::counted::counted;
use super::hex::hex;
use super::manifest::Manifest;

/// A list of photos in few words.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Fingerprint {
    /// Photos in the list.
    pub photos: usize,
    /// Individuals on them.
    pub individuals: usize,
    /// SHA-256 over relative path, individual, encounter and crop of each, in their order, in hexadecimal.
    pub sha256: String,
}

impl Fingerprint {
    /// Of `photos`, places in `manifest`.
    pub fn of(manifest: &Manifest, photos: &[usize]) -> Fingerprint {
        let mut hash = Sha256::new();
        let mut individuals: Vec<&str> = Vec::with_capacity(photos.len());
        for &place in photos {
            let photo = &manifest.photos[place];
            for text in [&*photo.path.to_string_lossy(), &photo.individual, &photo.encounter] {
                // with its length, so that no two lists run into the same bytes
                hash.update((text.len() as u64).to_le_bytes());
                hash.update(text.as_bytes());
            }
            if let Some(crop) = photo.crop {
                hash.update(u64::MAX.to_le_bytes()); // no text is so long
                hash.update(crop.bytes());
            }
            individuals.push(&photo.individual);
        }
        individuals.sort_unstable();
        individuals.dedup();
        let sha256 = hex(&hash.finalize());
        Fingerprint { photos: photos.len(), individuals: individuals.len(), sha256 }
    }

    /// What has changed from `then` to this, as half a sentence about `part`; none where nothing has.
    pub fn change_since(&self, then: &Fingerprint, part: &str) -> Option<String> {
        if self == then {
            return None;
        }
        if (self.photos, self.individuals) != (then.photos, then.individuals) {
            return Some(format!("{part} had {then} and now has {self}"));
        }
        Some(format!(
            "{part} has {self} as before, but other photos, or in another order, or with other labels or crops"
        ))
    }
}

impl fmt::Display for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} of {}", counted(self.photos, "photo"), counted(self.individuals, "individual"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::manifest::testing::manifest;

    #[test]
    fn it_tells_every_change_that_a_training_would_notice() {
        let m = manifest(&[("a", "2020-01-01"), ("a", "2020-01-02"), ("b", "2020-01-01"), ("b", "2020-01-01")]);
        let of = |photos: &[usize]| Fingerprint::of(&m, photos);
        let whole = of(&[0, 1, 2, 3]);
        assert_eq!((whole.photos, whole.individuals), (4, 2));
        assert_eq!(whole.change_since(&of(&[0, 1, 2, 3]), "the training part"), None);
        let less = of(&[0, 1, 2]).change_since(&whole, "the training part").unwrap();
        assert!(less.contains("had 4 photos of 2 individuals and now has 3 photos"), "{less}");
        for (a, b) in [(vec![0, 1], vec![1, 0]), (vec![0, 2], vec![0, 3])] {
            let change = of(&a).change_since(&of(&b), "the training part").unwrap();
            assert!(change.contains("other photos"), "{change}");
        }
        let mut elsewhere = m.clone();
        elsewhere.root = "moved".into();
        assert_eq!(Fingerprint::of(&elsewhere, &[0, 1, 2, 3]), whole, "a dataset may be moved");
        elsewhere.photos[3].individual = "a".into();
        assert_ne!(Fingerprint::of(&elsewhere, &[0, 1, 2, 3]), whole);
        elsewhere = m.clone();
        elsewhere.photos[3].encounter = "b 2021-01-01".into();
        assert_ne!(Fingerprint::of(&elsewhere, &[0, 1, 2, 3]), whole);
    }
}
