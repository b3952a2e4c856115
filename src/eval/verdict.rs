//! What one distance means against those of pairs whose answer is known.
//!
//! A distance alone says nothing: 0.4 is near for one model and far for another. An evaluation
//! leaves the distances of its counted pairs in `distances.json`; a pair of photos is held against
//! them. The sentence speaks of shares of pairs, never of a probability that two photos show one
//! individual: that also depends on how many individuals there are, which a distance cannot know.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::run::files;

use super::histogram::Histogram;
use super::{Error, Result};

/// The file of distances that an evaluation leaves.
pub const DISTANCES_FILE: &str = "distances.json";

/// Below this share of pairs a distance counts as unusual for them.
const UNUSUAL: f64 = 0.05;
/// Fewer known pairs than this say little; the sentence then warns.
const FEW_PAIRS: u64 = 30;

/// Distances of pairs with a known answer, and where they were measured.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Distances {
    /// The dataset of the pairs.
    pub dataset: String,
    /// Its parts.
    pub split: String,
    /// The model that made the embeddings.
    pub model: String,
    /// SHA-256 over its weights: distances of another mean something else.
    #[serde(default)]
    pub identity: String,
    /// Pairs of one individual from two encounters.
    pub same: Histogram,
    /// Pairs of two individuals.
    pub different: Histogram,
}

/// One distance held against known pairs.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Verdict {
    /// The distance.
    pub distance: f64,
    /// Share of pairs of one individual that are at least this far apart, 0 to 1.
    pub same_at_least_this_far: Option<f64>,
    /// Share of pairs of two individuals that are at least this near, 0 to 1.
    pub different_at_least_this_near: Option<f64>,
    /// What it speaks for.
    pub leaning: Leaning,
    /// The same in words.
    pub sentence: String,
}

/// What a distance speaks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Leaning {
    /// Usual for one individual, unusual for two.
    Same,
    /// Usual for two individuals, unusual for one.
    Different,
    /// Usual for both.
    Either,
    /// Unusual for both: it lies in the gap between them.
    Between,
    /// There are not both kinds of pairs to compare with.
    Unknown,
}

impl Distances {
    /// Writes the distances as json on one line: hundreds of bins are not for reading.
    pub fn write(&self, path: &Path) -> Result<()> {
        Ok(files::replace_with(path, |out| {
            serde_json::to_writer(&mut *out, self)?;
            out.write_all(b"\n")
        })?)
    }

    /// Reads `distances.json`.
    pub fn read(path: &Path) -> Result<Distances> {
        let text = std::fs::read(path).map_err(|source| Error::Read { path: path.to_path_buf(), source })?;
        serde_json::from_slice(&text).map_err(|source| Error::Json {
            path: path.to_path_buf(),
            what: "summary of distances",
            source,
        })
    }

    /// The distances of the newest evaluation among the folders in `evaluations` that measured the weights `identity`.
    pub fn newest(evaluations: &Path, identity: &str) -> Option<Distances> {
        Distances::newest_with_folder(evaluations, identity).map(|(_, distances)| distances)
    }

    /// As [`Distances::newest`], with the folder of that evaluation.
    pub fn newest_with_folder(evaluations: &Path, identity: &str) -> Option<(PathBuf, Distances)> {
        let files = std::fs::read_dir(evaluations).ok()?.filter_map(|entry| {
            let folder = entry.ok()?.path();
            let path = folder.join(DISTANCES_FILE);
            let written = path.metadata().and_then(|m| m.modified()).ok()?;
            let distances = Distances::read(&path).ok()?;
            (distances.identity == identity).then_some((written, (folder, distances)))
        });
        files.max_by_key(|(written, _)| *written).map(|(_, found)| found)
    }

    /// What `distance` means against these pairs.
    pub fn verdict(&self, distance: f64) -> Verdict {
        let far = (self.same.share_up_to(distance)).map(|nearer| 1.0 - nearer);
        let near = self.different.share_up_to(distance);
        let leaning = match (far, near) {
            (Some(far), Some(near)) => match (far > UNUSUAL, near > UNUSUAL) {
                (true, false) => Leaning::Same,
                (false, true) => Leaning::Different,
                (true, true) => Leaning::Either,
                (false, false) => Leaning::Between,
            },
            _ => Leaning::Unknown,
        };
        Verdict {
            distance,
            same_at_least_this_far: far,
            different_at_least_this_near: near,
            leaning,
            sentence: self.sentence(far, near, leaning),
        }
    }

    fn sentence(&self, far: Option<f64>, near: Option<f64>, leaning: Leaning) -> String {
        let same = match far {
            Some(share) => format!(
                "Pairs of one individual from two encounters: {} are this far apart or farther.",
                percent(share, self.same.count())
            ),
            None => "No pair of one individual from two encounters was measured.".into(),
        };
        let different = match near {
            Some(share) => {
                format!("Pairs of two individuals: {} are this near or nearer.", percent(share, self.different.count()))
            }
            None => "No pair of two individuals was measured.".into(),
        };
        let meaning = match leaning {
            Leaning::Same => "This speaks for one individual.",
            Leaning::Different => "This speaks for two individuals.",
            Leaning::Either => "It can be either: look at the photos.",
            Leaning::Between => "Unusual for one individual and for two: look at the photos.",
            Leaning::Unknown => "What it means cannot be said.",
        };
        let few = self.same.count() < FEW_PAIRS || self.different.count() < FEW_PAIRS;
        let caution =
            if few && leaning != Leaning::Unknown { " Few pairs were measured, so take it as a hint." } else { "" };
        format!("{same} {different} {meaning}{caution}")
    }
}

/// A share of `of` pairs: counted where they are few, else as a percentage that never says 0 % or 100 % of what is not
/// none or all.
fn percent(share: f64, of: u64) -> String {
    let pairs = share * of as f64;
    if pairs < 0.5 {
        "none".into()
    } else if pairs > of as f64 - 0.5 {
        "all".into()
    } else if of < FEW_PAIRS {
        format!("{pairs:.0} of {of}")
    } else if share < 0.001 {
        "less than 0.1 %".into()
    } else if share > 0.999 {
        "more than 99.9 %".into()
    } else if !(0.1..=0.9).contains(&share) {
        format!("{:.1} %", share * 100.0)
    } else {
        format!("{:.0} %", share * 100.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn measured() -> Distances {
        let range =
            |from: f64, to: f64| Histogram::of((0..1000).map(move |i| from + (to - from) * f64::from(i) / 1000.0));
        Distances {
            dataset: "turtles".into(),
            split: "valid".into(),
            model: "m".into(),
            identity: "0123".into(),
            same: range(0.2, 0.8),
            different: range(0.7, 1.4),
        }
    }

    #[test]
    fn the_newest_distances_of_other_weights_do_not_count() {
        let dir = tempfile::tempdir().unwrap();
        let put = |name: &str, identity: &str| {
            std::fs::create_dir(dir.path().join(name)).unwrap();
            let distances = Distances { identity: identity.into(), dataset: name.into(), ..measured() };
            let path = dir.path().join(name).join(DISTANCES_FILE);
            distances.write(&path).unwrap();
            path
        };
        let old = put("old", "ours");
        let hour = std::time::SystemTime::now() - std::time::Duration::from_secs(3600);
        std::fs::File::options().write(true).open(old).unwrap().set_modified(hour).unwrap();
        put("new", "ours");
        put("others", "theirs");
        let found = |identity: &str| Distances::newest(dir.path(), identity).map(|d| d.dataset);
        assert_eq!(found("ours").as_deref(), Some("new"));
        assert_eq!(found("theirs").as_deref(), Some("others"));
        assert_eq!(found("nobody's"), None);
        assert_eq!(Distances::newest(&dir.path().join("nowhere"), "ours").map(|d| d.dataset), None);
    }

    #[test]
    fn each_kind_of_distance_has_its_sentence() {
        let measured = measured();
        let near = measured.verdict(0.5);
        assert_eq!(near.leaning, Leaning::Same);
        assert!((near.same_at_least_this_far.unwrap() - 0.5).abs() < 0.01);
        assert_eq!(near.different_at_least_this_near, Some(0.0));
        assert_eq!(
            near.sentence,
            "Pairs of one individual from two encounters: 50 % are this far apart or farther. Pairs of two \
             individuals: none are this near or nearer. This speaks for one individual."
        );
        assert_eq!(measured.verdict(1.2).leaning, Leaning::Different);
        assert_eq!(measured.verdict(0.75).leaning, Leaning::Either);
        let mut gap = measured.clone();
        gap.different = Histogram::of([1.0, 1.1]);
        let between = gap.verdict(0.9);
        assert_eq!(between.leaning, Leaning::Between);
        assert!(between.sentence.ends_with("take it as a hint."), "{}", between.sentence);
    }

    #[test]
    fn without_known_pairs_nothing_is_claimed() {
        let mut none = measured();
        none.same = Histogram::default();
        let verdict = none.verdict(0.1);
        assert_eq!(verdict.leaning, Leaning::Unknown);
        assert_eq!(verdict.same_at_least_this_far, None);
        assert!(verdict.sentence.contains("cannot be said"));
    }

    #[test]
    fn a_nearer_pair_never_looks_more_different() {
        let measured = measured();
        let mut last = measured.verdict(0.0);
        for step in 1..=200 {
            let next = measured.verdict(f64::from(step) * 0.01);
            assert!(next.same_at_least_this_far <= last.same_at_least_this_far);
            assert!(next.different_at_least_this_near >= last.different_at_least_this_near);
            last = next;
        }
    }

    #[test]
    fn small_shares_are_not_none() {
        assert_eq!(percent(0.0, 10_000), "none");
        assert_eq!(percent(0.0005, 10_000), "less than 0.1 %");
        assert_eq!(percent(0.9995, 10_000), "more than 99.9 %");
        assert_eq!(percent(1.0, 10_000), "all");
        assert_eq!(percent(0.034, 10_000), "3.4 %");
        assert_eq!(percent(0.25, 12), "3 of 12");
    }

    #[test]
    fn the_file_comes_back_and_a_broken_one_is_named() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join(DISTANCES_FILE);
        measured().write(&path).unwrap();
        assert!(path.metadata().unwrap().len() < 30_000);
        let back = Distances::read(&path).unwrap();
        assert_eq!(back.verdict(0.75), measured().verdict(0.75));
        std::fs::write(&path, "{\"dataset\":").unwrap();
        let message = Distances::read(&path).unwrap_err().to_string();
        assert!(message.contains(DISTANCES_FILE), "{message}");
    }
}
