//! Photos that are asked about, and which of them belong together.
//!
//! Each folder of photos is one encounter and a loose photo its own: that is how people sort a day's photos who do not
//! know the animals yet. Days alone would not do, as two animals are met on one day.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::path::{Path, PathBuf};

use jiff::civil::Date;

use crate::data::camera;
use crate::data::manifest::{Manifest, Photo, Problem};

/// What makes photos one encounter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EncountersBy {
    /// Their sub-folder; each loose photo is one of its own.
    Folder,
    /// Their folder and the day on which the camera says they were taken; each undated one is one of its own.
    Date,
}

/// Photos of one animal, as far as the asker says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Together {
    /// What the encounter goes by: its folder, or its photo, as given, with the day where days make it.
    pub encounter: String,
    /// Its photos: places in the manifest.
    pub photos: Vec<usize>,
}

/// Photos asked about.
#[derive(Clone, Debug)]
pub struct Asked {
    /// The photos by their paths as given, folder arguments included; its root is empty.
    pub manifest: Manifest,
    /// Those that belong together, in the order of the first photo of each.
    pub encounters: Vec<Together>,
}

/// One argument: a photo, or the photos in and below a folder.
#[derive(Clone, Debug)]
pub enum Given {
    /// A photo.
    Photo(PathBuf),
    /// A folder as given, with what lies in it.
    Folder(PathBuf, Manifest),
}

impl Asked {
    /// The photos of `given`, each once.
    pub fn new(given: Vec<Given>, by: EncountersBy) -> Asked {
        let mut photos: Vec<Photo> = Vec::new();
        let mut problems: Vec<Problem> = Vec::new();
        let mut encounters: Vec<Together> = Vec::new();
        let (mut seen, mut at) = (HashSet::new(), HashMap::new());
        let mut take = |photo: Photo, folder: Option<&Path>| {
            if !seen.insert(photo.path.clone()) {
                return;
            }
            let path = photo.path.to_string_lossy().into_owned();
            let day = if by == EncountersBy::Date { photo.date.or_else(|| camera::day_on(&photo.path)) } else { None };
            let encounter = encounter(by, &path, folder, day);
            let next = encounters.len();
            let place = *at.entry(encounter.clone()).or_insert(next);
            if place == next {
                encounters.push(Together { encounter, photos: Vec::new() });
            }
            encounters[place].photos.push(photos.len());
            photos.push(Photo { date: day.or(photo.date), ..photo });
        };
        for given in given {
            match given {
                Given::Photo(path) => {
                    let folder = (by == EncountersBy::Date).then(|| path.parent().map(Path::to_path_buf)).flatten();
                    take(loose(path), folder.as_deref());
                }
                Given::Folder(folder, manifest) => {
                    problems.extend(manifest.problems.into_iter().map(|problem| Problem {
                        photo: problem.photo.map(|photo| folder.join(photo).to_string_lossy().into_owned()),
                        ..problem
                    }));
                    for photo in manifest.photos {
                        let below =
                            photo.path.parent().filter(|p| !p.as_os_str().is_empty() || by == EncountersBy::Date);
                        let within = below.map(|below| folder.join(below));
                        take(Photo { path: folder.join(&photo.path), ..photo }, within.as_deref());
                    }
                }
            }
        }
        Asked { manifest: Manifest { problems, ..bare(photos) }, encounters }
    }
}

/// Photos by paths that start from nowhere in particular.
pub(super) fn bare(photos: Vec<Photo>) -> Manifest {
    Manifest {
        root: PathBuf::new(),
        name: String::new(),
        photos,
        split_columns: BTreeMap::new(),
        problems: Vec::new(),
        corrected: 0,
        alike: None,
    }
}

fn encounter(by: EncountersBy, photo: &str, folder: Option<&Path>, day: Option<Date>) -> String {
    match (by, folder, day) {
        (EncountersBy::Folder, Some(folder), _) => folder.to_string_lossy().into_owned(),
        (EncountersBy::Date, Some(folder), Some(day)) if folder.as_os_str().is_empty() => day.to_string(),
        (EncountersBy::Date, Some(folder), Some(day)) => {
            format!("{} {day}", folder.to_string_lossy().trim_end_matches('/'))
        }
        _ => photo.to_owned(),
    }
}

pub(super) fn loose(path: PathBuf) -> Photo {
    Photo { path, individual: String::new(), encounter: String::new(), date: None, crop: None, side: None }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn week() -> Given {
        let paths = ["1.jpg", "a/1.jpg", "a/2.jpg", "b/c/1.jpg", "2.jpg"];
        let mut week = bare(paths.map(|path| loose(path.into())).into());
        for (photo, day) in [(0, 1), (1, 1), (2, 2), (4, 1)] {
            week.photos[photo].date = Some(jiff::civil::date(2020, 1, day));
        }
        Given::Folder("week".into(), week)
    }

    fn encounters(asked: &Asked) -> Vec<(&str, Vec<&str>)> {
        let path = |&photo: &usize| asked.manifest.photos[photo].path.to_str().unwrap();
        let all = asked.encounters.iter();
        all.map(|together| (together.encounter.as_str(), together.photos.iter().map(path).collect())).collect()
    }

    #[test]
    fn a_sub_folder_is_an_encounter_and_a_loose_photo_its_own() {
        let asked = Asked::new(
            vec![week(), Given::Photo("x.jpg".into()), Given::Photo("week/2.jpg".into())],
            EncountersBy::Folder,
        );
        assert_eq!(
            encounters(&asked),
            [
                ("week/1.jpg", vec!["week/1.jpg"]),
                ("week/a", vec!["week/a/1.jpg", "week/a/2.jpg"]),
                ("week/b/c", vec!["week/b/c/1.jpg"]),
                ("week/2.jpg", vec!["week/2.jpg"]),
                ("x.jpg", vec!["x.jpg"]),
            ]
        );
    }

    #[test]
    fn days_make_encounters_within_a_folder_when_asked() {
        let asked = Asked::new(vec![week()], EncountersBy::Date);
        assert_eq!(
            encounters(&asked),
            [
                ("week 2020-01-01", vec!["week/1.jpg", "week/2.jpg"]),
                ("week/a 2020-01-01", vec!["week/a/1.jpg"]),
                ("week/a 2020-01-02", vec!["week/a/2.jpg"]),
                ("week/b/c/1.jpg", vec!["week/b/c/1.jpg"]),
            ]
        );
    }
}
