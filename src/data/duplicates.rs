//! The photos of a dataset that show the same, as a check has found them: kept, so that every split that we draw has
//! them on one side. WildlifeReID-10k does so, too.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::manifest::Manifest;

/// Groups of photos, by their path from the dataset's folder.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Duplicates {
    /// Two photos at least in each.
    groups: Vec<Vec<PathBuf>>,
}

impl Duplicates {
    /// `groups` of photos of `manifest`, by index.
    pub fn of(manifest: &Manifest, groups: &[Vec<usize>]) -> Duplicates {
        let paths = |group: &Vec<usize>| group.iter().map(|&at| manifest.photos[at].path.clone()).collect();
        Duplicates { groups: groups.iter().map(paths).collect() }
    }

    /// The groups by index in `manifest`; a photo that is gone is in none.
    pub fn within(&self, manifest: &Manifest) -> Vec<Vec<usize>> {
        let places: HashMap<&Path, usize> = match self.groups.is_empty() {
            true => HashMap::new(),
            false => manifest.photos.iter().enumerate().map(|(at, photo)| (photo.path.as_path(), at)).collect(),
        };
        let found = |group: &Vec<PathBuf>| -> Vec<usize> {
            let mut there: Vec<usize> = group.iter().filter_map(|path| places.get(path.as_path()).copied()).collect();
            there.sort_unstable();
            there.dedup();
            there
        };
        self.groups.iter().map(found).filter(|group| group.len() > 1).collect()
    }
}
