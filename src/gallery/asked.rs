//! Photos that are asked about, and which of them belong together.
//!
//! Each folder of photos is one encounter and a loose photo its own: that is how people sort a day's photos who do not
//! know the animals yet. Days alone would not do, as two animals are met on one day.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::path::{Path, PathBuf};

use jiff::civil::Date;

use crate::data::camera;
use crate::data::manifest::{Manifest, Photo, Problem, ProblemKind};
use crate::run::RunError;

use super::Result;

/// What makes photos one encounter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EncountersBy {
    /// Their sub-folder; each loose photo is one of its own.
    Folder,
    /// Their folder and the day on which the camera says they were taken; each undated one is one of its own.
    Date,
    /// What was given: all photos in and below a folder that was named are one.
    Given,
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
    /// Photos whose crop a network chose.
    pub looked: HashSet<usize>,
    /// Files that are meant as photos and are none, by the encounter that they would be in; an encounter may have no other.
    pub unread: BTreeMap<String, Vec<Problem>>,
}

/// An encounter with its photos that could be read (places in the manifest) and their embeddings, row after row.
pub(super) type Embeddable<'a> = (&'a Together, &'a [usize], &'a [f32]);

/// Each of `encounters` with those of its photos that are `usable`, and their rows of `vectors`, of `dims` values each; the
/// usable ones are in the encounters' order, as embedding keeps it.
pub(super) fn with_rows<'a>(
    encounters: &'a [Together],
    usable: &'a [usize],
    vectors: &'a [f32],
    dims: usize,
) -> Vec<Embeddable<'a>> {
    let (mut usable, mut vectors) = (usable, vectors);
    let of = |together: &'a Together| {
        let count = usable.iter().take_while(|photo| together.photos.contains(photo)).count();
        let (photos, photos_after) = usable.split_at(count);
        let (rows, rows_after) = vectors.split_at(count * dims);
        (usable, vectors) = (photos_after, rows_after);
        (together, photos, rows)
    };
    encounters.iter().map(of).collect()
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
        let mut unread: BTreeMap<String, Vec<Problem>> = BTreeMap::new();
        let (mut seen, mut at) = (HashSet::new(), HashMap::new());
        let mut take = |photo: Photo, folder: Option<&Path>| {
            if !seen.insert(photo.path.clone()) {
                return;
            }
            let path = photo.path.to_string_lossy().into_owned();
            let day = || photo.date.or_else(|| camera::day_of(&photo.path, folder.unwrap_or(Path::new("/"))));
            let day = if by == EncountersBy::Date { day() } else { None };
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
                    let within = |photo: &Path| {
                        if by == EncountersBy::Given {
                            return Some(folder.clone());
                        }
                        let below = photo.parent().filter(|p| !p.as_os_str().is_empty() || by == EncountersBy::Date);
                        below.map(|below| folder.join(below))
                    };
                    for problem in manifest.problems {
                        let below = problem.photo.as_ref().map(PathBuf::from);
                        let photo = below.as_ref().map(|below| folder.join(below).to_string_lossy().into_owned());
                        let problem = Problem { photo, ..problem };
                        if let (ProblemKind::Unreadable, Some(path), Some(below)) =
                            (problem.kind, &problem.photo, &below)
                        {
                            let encounter = encounter(by, path, within(below).as_deref(), None);
                            unread.entry(encounter).or_default().push(problem.clone());
                        }
                        problems.push(problem);
                    }
                    for photo in manifest.photos {
                        let within = within(&photo.path);
                        take(Photo { path: folder.join(&photo.path), ..photo }, within.as_deref());
                    }
                }
            }
        }
        Asked { manifest: Manifest { problems, ..bare(photos) }, encounters, looked: HashSet::new(), unread }
    }

    /// Whether `taken` says so of an encounter and its photos, by their paths as given.
    pub fn retain(&mut self, mut taken: impl FnMut(&str, &[String]) -> bool) {
        let Asked { manifest, encounters, .. } = self;
        encounters.retain(|together| {
            let path = |&photo: &usize| manifest.photos[photo].path.to_string_lossy().into_owned();
            taken(&together.encounter, &together.photos.iter().map(path).collect::<Vec<_>>())
        });
    }

    /// Encounters of photos that were asked about before, by their paths as given; what is known of those photos here is known there.
    pub fn again(&self, encounters: &[(&str, &[String])]) -> Asked {
        let known: HashMap<&Path, &Photo> = self.manifest.photos.iter().map(|photo| (&*photo.path, photo)).collect();
        let (mut photos, mut again) = (Vec::new(), Vec::new());
        for (encounter, paths) in encounters {
            let from = photos.len();
            let photo =
                |path: &String| known.get(Path::new(path)).map_or_else(|| loose(path.into()), |&photo| photo.clone());
            photos.extend(paths.iter().map(photo));
            again.push(Together { encounter: (*encounter).to_owned(), photos: (from..photos.len()).collect() });
        }
        Asked { manifest: bare(photos), encounters: again, looked: HashSet::new(), unread: BTreeMap::new() }
    }

    /// How many photos its encounters have.
    pub fn photos(&self) -> usize {
        self.encounters.iter().map(|together| together.photos.len()).sum()
    }

    /// The photos, which lie at `given` or below, as a dataset in which all are of `individual`: of `encounter`, else each of the
    /// day on which it was taken by its camera or by its folder, an undated one of its own. Its root is the deepest folder that
    /// holds all.
    ///
    /// # Errors
    /// When that is no name, or the folder of a photo cannot be told.
    pub fn named(self, individual: &str, encounter: Option<&str>, given: &[PathBuf]) -> Result<Manifest> {
        let individual = super::change::name(individual)?;
        let mut manifest = self.manifest;
        let absolute = |path: &PathBuf| std::path::absolute(path).map_err(|e| RunError::io("find", path, e));
        let given = given.iter().map(absolute).collect::<std::result::Result<Vec<_>, _>>()?;
        for photo in &mut manifest.photos {
            photo.path = absolute(&photo.path)?;
            // of one that is given itself its own folder counts
            let above = |given: &&PathBuf| photo.path.starts_with(given) && photo.path != **given;
            let within = given.iter().find(above).map(PathBuf::as_path).or(photo.path.parent());
            let day = || camera::day_of(&photo.path, within.unwrap_or(Path::new("/")));
            photo.date = photo.date.or_else(day);
            photo.individual = individual.to_owned();
            photo.encounter = match (encounter, photo.date) {
                (Some(encounter), _) => encounter.to_owned(),
                (None, Some(day)) => format!("{individual} {day}"),
                (None, None) => format!("{} (undated)", photo.path.display()),
            };
        }
        manifest.root = common(manifest.photos.iter().filter_map(|photo| photo.path.parent()));
        for photo in &mut manifest.photos {
            if let Ok(below) = photo.path.strip_prefix(&manifest.root) {
                photo.path = below.to_path_buf();
            }
        }
        Ok(manifest)
    }
}

/// A folder of `given` of which several photos lie in no sub-folder, and how many.
pub fn loose_in(given: &[Given]) -> Option<(&Path, usize)> {
    given.iter().find_map(|given| {
        let Given::Folder(folder, manifest) = given else { return None };
        let is_loose = |photo: &&Photo| photo.path.parent().is_some_and(|above| above.as_os_str().is_empty());
        let count = manifest.photos.iter().filter(is_loose).count();
        (count > 1).then_some((folder.as_path(), count))
    })
}

/// The deepest folder that holds all of `folders`.
pub(super) fn common<'a>(folders: impl Iterator<Item = &'a Path>) -> PathBuf {
    let shared = folders
        .map(|folder| folder.components().collect::<Vec<_>>())
        .reduce(|common, parts| common.into_iter().zip(parts).take_while(|(a, b)| a == b).map(|(a, _)| a).collect());
    shared.unwrap_or_default().iter().collect()
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
        (EncountersBy::Folder | EncountersBy::Given, Some(folder), _) => folder.to_string_lossy().into_owned(),
        (EncountersBy::Date, Some(folder), Some(day)) if folder.as_os_str().is_empty() => day.to_string(),
        (EncountersBy::Date, Some(folder), Some(day)) => {
            let (folder, day) = (folder.to_string_lossy(), day.to_string());
            let folder = folder.trim_end_matches('/');
            // its name may say so already
            let is_said = Path::new(folder).file_name().is_some_and(|name| name.to_string_lossy().starts_with(&day));
            if is_said { folder.to_owned() } else { format!("{folder} {day}") }
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
    fn what_was_asked_before_is_asked_again_as_it_was() {
        let mut asked = Asked::new(vec![week()], EncountersBy::Folder);
        let before = ["week/a/2.jpg".to_owned(), "gone.jpg".to_owned()];
        let again = asked.again(&[("other", &[]), ("week/a", &before)]);
        assert_eq!(encounters(&again), [("other", vec![]), ("week/a", vec!["week/a/2.jpg", "gone.jpg"])]);
        assert_eq!(again.manifest.photos[0], asked.manifest.photos[2], "its day is known");
        asked.retain(|encounter, photos| encounter == "week/a" && photos.len() == 2);
        assert_eq!(encounters(&asked), [("week/a", vec!["week/a/1.jpg", "week/a/2.jpg"])]);
    }

    #[test]
    fn photos_of_one_animal_are_a_dataset() {
        let asked = Asked::new(vec![week(), Given::Photo("/x/y.jpg".into())], EncountersBy::Folder);
        let here = std::env::current_dir().unwrap();
        let path = |below: &str| here.join(below).strip_prefix("/").unwrap().to_path_buf();
        let named = asked.clone().named(" t1 ", None, &[]).unwrap();
        assert_eq!((named.root.to_str().unwrap(), &named.photos[1].path), ("/", &path("week/a/1.jpg")));
        let encounters: Vec<_> = named.photos.iter().map(|p| (p.individual.as_str(), p.encounter.as_str())).collect();
        assert_eq!(encounters[2], ("t1", "t1 2020-01-02"));
        assert_eq!(encounters[5], ("t1", "/x/y.jpg (undated)"));
        let dive = asked.clone().named("t1", Some("dive 7"), &[]).unwrap();
        assert!(dive.photos.iter().all(|photo| photo.encounter == "dive 7"));
        assert!(asked.named("unknown", None, &[]).is_err());
        // a folder that is called after a day says when, as far up as the one that was given
        let paths = ["/d/2024-07-31 noon/a/1.jpg", "/d/2024-07-31 noon/2024-08-01/2.jpg", "/2024-01-01/c/3.jpg"];
        let given = |folder: &str| [PathBuf::from(folder), paths[2].into()];
        let named = |folder: &str| {
            let asked = Asked::new(paths.map(|path| Given::Photo(path.into())).into(), EncountersBy::Folder);
            let photos = asked.named("t1", None, &given(folder)).unwrap().photos;
            photos.iter().map(|photo| photo.date.map(|day| day.to_string()).unwrap_or_default()).collect::<Vec<_>>()
        };
        assert_eq!(named("/d"), ["2024-07-31", "2024-08-01", ""]);
        assert_eq!(named("/d/2024-07-31 noon"), ["2024-07-31", "2024-08-01", ""]);
        assert_eq!(named("/elsewhere"), ["", "2024-08-01", ""], "of a photo its own folder");
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
        let photo = |path: &str| Given::Photo(path.into());
        let asked = Asked::new(vec![photo("2020-01-03/x.jpg"), photo("2020-01-03/y.jpg")], EncountersBy::Date);
        let of_the_day = ("2020-01-03", vec!["2020-01-03/x.jpg", "2020-01-03/y.jpg"]);
        assert_eq!(encounters(&asked), [of_the_day], "the folder is called after it");
    }

    #[test]
    fn what_is_given_may_be_one_encounter_and_many_loose_photos_are_told() {
        let asked = Asked::new(vec![week(), Given::Photo("x.jpg".into())], EncountersBy::Given);
        let all = encounters(&asked);
        assert_eq!((all.len(), all[0].0, all[0].1.len(), all[1].0), (2, "week", 5, "x.jpg"));
        assert_eq!(loose_in(&[Given::Photo("x.jpg".into()), week()]), Some((Path::new("week"), 2)));
        assert_eq!(loose_in(&[Given::Folder("week".into(), bare(vec![loose("1.jpg".into())]))]), None, "one is one");
    }

    #[test]
    fn files_that_are_no_photos_are_told_beside_their_encounter() {
        let mut manifest = bare(vec![loose("a/1.jpg".into())]);
        let problem = |photo: &str| Problem {
            kind: ProblemKind::Unreadable,
            photo: Some(photo.into()),
            line: None,
            reason: "it is text".into(),
        };
        manifest.problems = ["a/2.jpg", "b/1.jpg", "c.jpg"].map(problem).into();
        let asked = Asked::new(vec![Given::Folder("week".into(), manifest)], EncountersBy::Folder);
        let told: Vec<_> = asked.unread.iter().map(|(name, all)| (name.as_str(), all[0].photo.as_deref())).collect();
        let of = |name, photo| (name, Some(photo));
        assert_eq!(told, [of("week/a", "week/a/2.jpg"), of("week/b", "week/b/1.jpg"), of("week/c.jpg", "week/c.jpg")]);
    }
}
