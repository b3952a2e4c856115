//! The report of an evaluation: its figures with their circumstances, and every file it leaves.
//!
//! A figure without the split, the exclusion and the number of queries behind it cannot be compared
//! with another, so they travel together. `report.json` is written last: where it lies, the rest
//! is whole. Figures are not rounded; shares are 0 to 1. What the files mean to a person is put
//! into words by [`words`].

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::run::files;

use super::embeddings::{EMBEDDINGS_FILE, EmbeddingSet, MIRRORED_FILE, PHOTOS_FILE};
use super::encounters::{self, EncounterQueries};
use super::histogram::Histogram;
use super::intervals::{self, Intervals};
use super::matching::{Matching, QueryUnit, Search, Sides};
use super::metrics::{self, Figures, Geometry};
use super::open_set::{OpenSet, open_set};
use super::retrieval::{self, Approximate, Ranker, Retrieval, Rule};
use super::verdict::{DISTANCES_FILE, Distances};
use super::{Error, Result};

pub mod words;

/// The figures, for programs.
pub const REPORT_FILE: &str = "report.json";
/// The figures, for people.
pub const REPORT_PAGE: &str = "report.md";
/// The nearest photos of each query.
pub const MATCHES_FILE: &str = "matches.csv";

/// What a query's gallery leaves out beside the query itself.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Excluded {
    /// Photos of its own encounter.
    #[default]
    Encounter,
    /// Nothing.
    None,
}

impl Excluded {
    /// What it comes to, in words.
    pub fn words(self) -> &'static str {
        match self {
            Excluded::Encounter => "own encounter left out",
            Excluded::None => "gallery only",
        }
    }

    /// What a query is then ranked against.
    pub fn rule(self) -> Rule {
        match self {
            Excluded::Encounter => Rule::OtherEncounters,
            Excluded::None => Rule::Gallery,
        }
    }
}

/// Both rankings of a set, and what is needed beside them.
#[derive(Clone, Debug)]
pub struct Evaluation {
    /// What the gallery left out.
    pub excluded: Excluded,
    /// The ranking that the report stands for.
    pub retrieval: Retrieval,
    /// What a careless evaluation would have said: [`Rule::Everything`].
    pub without_exclusion: Retrieval,
    /// Queries that have a photo of their own encounter among the gallery and the other queries.
    pub leak: usize,
    /// How the embeddings lie. Pairs of one encounter never count here.
    pub geometry: Geometry,
    /// How new and known individuals were told apart.
    pub open_set: OpenSet,
    /// Figures of encounters as queries, by the rule that the report stands for.
    pub encounter_queries: EncounterQueries,
    /// How photos were matched.
    pub matching: Matching,
    /// How the search went, where that was an approximate one.
    pub approximate: Option<Approximate>,
    /// The figures by each way to heed sides, where it is known which sides photos show.
    pub by_sides: Option<BySides>,
    /// Distances of counted pairs of one individual from two encounters.
    pub same: Histogram,
    /// Distances of counted pairs of two individuals.
    pub different: Histogram,
}

/// The figures of the same queries by each way to heed sides: those that have a photo of their individual to be matched
/// with on their own side. Figures of pairs are of more than those, and left out.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct BySides {
    /// Against all photos as they are.
    pub both: Figures,
    /// Against those of a query's own side.
    pub own: Figures,
    /// Against all, those of the other side mirrored; none without embeddings of mirror images.
    pub mirrored: Option<Figures>,
}

impl BySides {
    /// From the rankings of the same queries.
    fn of(both: &Retrieval, own: &Retrieval, mirrored: Option<&Retrieval>) -> BySides {
        let common = |found: &Retrieval| {
            let pairs = found.queries.iter().zip(&own.queries);
            let queries = pairs.filter(|(_, own)| own.relevant > 0).map(|(query, _)| query.clone()).collect();
            metrics::figures(&Retrieval {
                rule: found.rule,
                gallery: found.gallery,
                queries,
                same: Histogram::default(),
                different: Histogram::default(),
                verification: Default::default(),
            })
        };
        BySides { both: common(both), own: common(own), mirrored: mirrored.map(common) }
    }
}

/// Whether some query and some photo searched are known to show a side.
fn sides_are_known(set: &EmbeddingSet) -> bool {
    let is_known = |rows: Vec<usize>| rows.iter().any(|&row| set.rows[row].side.is_some());
    is_known(set.queries()) && is_known(set.gallery())
}

/// Ranks `set` with and without exclusion, by plain distances.
///
/// # Errors
/// As [`evaluate_by`].
pub fn evaluate(set: &EmbeddingSet, excluded: Excluded) -> Result<Evaluation> {
    evaluate_by(set, excluded, Matching::default())
}

/// Ranks `set` with and without exclusion, photos matched as `matching` says. What distances are told of, and how new and
/// known are told apart, is by plain distances in any case.
///
/// # Errors
/// When there is nothing to rank, or mirror images are to be matched and were not embedded.
pub fn evaluate_by(set: &EmbeddingSet, excluded: Excluded, matching: Matching) -> Result<Evaluation> {
    let (rule, knows_sides) = (excluded.rule(), sides_are_known(set));
    if matching.sides != Sides::Both && !knows_sides {
        return Err(Error::NoSides);
    }
    let ranker = Ranker::new(set)?;
    let by_plain = Matching { search: matching.search, ..Matching::default() };
    let ranked = |sides| ranker.photos(rule, Matching { sides, ..by_plain });
    let plain = ranked(Sides::Both)?;
    // only all the distances tell sides apart: too many where the search is to be spared
    let knows_sides = knows_sides && matching.search == Search::Exact;
    let own = knows_sides.then(|| ranked(Sides::Own)).transpose()?;
    let mirrored = (knows_sides && set.mirrored.is_some()).then(|| ranked(Sides::Mirrored)).transpose()?;
    let by_sides = own.as_ref().map(|own| BySides::of(&plain, own, mirrored.as_ref()));
    // none where the plain one is what was asked for
    let asked = match matching {
        Matching { reranked: true, .. } => Some(ranker.photos(rule, matching)?),
        Matching { sides: Sides::Both, .. } => None,
        Matching { sides: Sides::Own, .. } => own,
        Matching { sides: Sides::Mirrored, .. } => Some(mirrored.ok_or(Error::NoMirrored)?),
    };
    let apart = match excluded {
        Excluded::Encounter => None,
        Excluded::None => Some(ranker.photos(Rule::OtherEncounters, by_plain)?),
    };
    let apart = apart.as_ref().unwrap_or(&plain);
    Ok(Evaluation {
        excluded,
        leak: retrieval::leak(set),
        geometry: metrics::geometry(set, apart),
        open_set: open_set(set, &plain),
        encounter_queries: encounters::figures(&ranker, rule, matching)?,
        matching,
        approximate: (matching.search == Search::Approximate).then(|| ranker.recall(&plain)),
        by_sides,
        same: apart.same.clone(),
        different: apart.different.clone(),
        without_exclusion: ranker.photos(Rule::Everything, matching)?,
        retrieval: asked.unwrap_or(plain),
    })
}

/// What the figures are about.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Context {
    /// Name or folder of the dataset.
    pub dataset: String,
    /// The parts, as `split_closed: gallery train, query valid`.
    pub split: String,
    /// The weights: run and checkpoint, or file.
    pub model: String,
    /// SHA-256 over the weights: embeddings of another are not to be compared with these.
    #[serde(default)]
    pub identity: String,
    /// How photos were prepared, as recorded with the weights.
    pub preprocessing: serde_json::Value,
    /// What chose the checkpoint, if anything did.
    pub chosen_by: Option<ChosenBy>,
    /// How many of the queries the model was trained on, where that is known: such a query tells what is remembered.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub queries_trained_on: Option<usize>,
    /// Photos of the dataset that counted as a person has corrected them.
    #[serde(default)]
    pub corrected: usize,
    /// Photos that are corrected otherwise than when the model's run began, where this is its dataset.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub corrected_since: Option<usize>,
    /// Whether an embedding is the mean of a photo's and its mirror image's.
    #[serde(default)]
    pub flip: bool,
    /// What the report calls a query first; figures of both are there.
    #[serde(default)]
    pub query_unit: QueryUnit,
}

/// The part of a dataset that a checkpoint was chosen on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ChosenBy {
    /// Name of the part.
    pub part: String,
    /// Whether it is known to be among the queries reported here.
    pub reported: bool,
    /// What that means, in words.
    pub note: String,
}

/// Where the part lies that chose a checkpoint, seen from the dataset and the split reported.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ChosenOn {
    /// It is a part of the very split reported.
    Here,
    /// It is a part of another split of the dataset reported: the split's name.
    OtherSplit(String),
    /// It is a part of another dataset: its name.
    OtherDataset(String),
    /// Not known: a checkpoint without its run.
    Unknown,
}

impl ChosenBy {
    /// `part` chose the checkpoint, which lies as `on` says; `queries` are the parts whose photos are asked about here.
    pub fn new(part: &str, on: &ChosenOn, queries: &[&str]) -> ChosenBy {
        let reported = *on == ChosenOn::Here && queries.contains(&part);
        let note = match on {
            ChosenOn::Here if reported => format!(
                "The checkpoint was chosen for its figures on {part}, the part reported here: expect lower ones on photos that chose nothing."
            ),
            ChosenOn::Here => {
                format!("The checkpoint was chosen on {part}; the part reported here had no say in it.")
            }
            ChosenOn::OtherSplit(split) => format!(
                "The checkpoint was chosen on {part} of the split {split}; photos reported here may be among those that chose it."
            ),
            ChosenOn::OtherDataset(dataset) => {
                format!("The checkpoint was chosen on {part} of {dataset}, another dataset than the one reported here.")
            }
            ChosenOn::Unknown => format!(
                "The checkpoint was chosen on {part} of the dataset that it was trained with; without its run it is not known whether photos reported here are among those."
            ),
        };
        ChosenBy { part: part.into(), reported, note }
    }
}

/// `report.json`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Report {
    /// What the figures are about.
    #[serde(flatten)]
    pub context: Context,
    /// What a query's gallery left out.
    pub excluded: Excluded,
    /// The figures.
    #[serde(flatten)]
    pub figures: Figures,
    /// The same figures for a query against the gallery and all other queries, only itself left out.
    pub without_exclusion: Figures,
    /// Queries that have a photo of their own encounter there.
    pub leak: usize,
    /// The same figures expected of random rankings.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub chance: Option<Chance>,
    /// How the embeddings lie.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub geometry: Option<Geometry>,
    /// 95 % intervals of the figures, by a bootstrap over individuals; none with fewer than two.
    #[serde(default)]
    pub intervals: Option<Intervals>,
    /// How new and known individuals were told apart; all null where no query is new.
    #[serde(flatten)]
    pub open_set: OpenSet,
    /// The figures with all query photos of an encounter as one query.
    #[serde(default)]
    pub encounter_queries: Option<EncounterQueries>,
    /// How photos were matched.
    #[serde(flatten)]
    pub matching: Matching,
    /// How the search went, where that was an approximate one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub approximate: Option<Approximate>,
    /// The figures by each way to heed sides, where it is known which sides photos show.
    #[serde(default)]
    pub by_sides: Option<BySides>,
}

/// The expectation over random rankings, by both rules.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Chance {
    /// By the rule of the report.
    #[serde(flatten)]
    pub figures: Figures,
    /// Without exclusion.
    pub without_exclusion: Figures,
}

impl Report {
    /// The report of `evaluation`.
    pub fn new(context: Context, evaluation: &Evaluation) -> Report {
        Report {
            context,
            excluded: evaluation.excluded,
            figures: metrics::figures(&evaluation.retrieval),
            without_exclusion: metrics::figures(&evaluation.without_exclusion),
            leak: evaluation.leak,
            chance: Some(Chance {
                figures: metrics::chance(&evaluation.retrieval),
                without_exclusion: metrics::chance(&evaluation.without_exclusion),
            }),
            geometry: Some(evaluation.geometry),
            intervals: intervals::intervals(&evaluation.retrieval),
            open_set: evaluation.open_set,
            encounter_queries: Some(evaluation.encounter_queries),
            matching: evaluation.matching,
            approximate: evaluation.approximate,
            by_sides: evaluation.by_sides,
        }
    }

    /// The report that random rankings of the same photos would get, with the same keys.
    pub fn of_chance(&self) -> Option<Report> {
        let chance = self.chance?;
        Some(Report {
            context: Context {
                model: "chance".into(),
                identity: String::new(),
                preprocessing: serde_json::Value::Null,
                chosen_by: None,
                queries_trained_on: None,
                corrected: 0,
                corrected_since: None,
                ..self.context.clone()
            },
            figures: chance.figures,
            without_exclusion: chance.without_exclusion,
            chance: None,
            geometry: None,
            intervals: None,
            open_set: OpenSet::default(),
            encounter_queries: None,
            by_sides: None,
            ..self.clone()
        })
    }

    /// Reads a `report.json`.
    pub fn read(path: &Path) -> Result<Report> {
        let text = std::fs::read(path).map_err(|source| Error::Read { path: path.to_path_buf(), source })?;
        serde_json::from_slice(&text).map_err(|source| Error::Json { path: path.to_path_buf(), what: "report", source })
    }
}

/// A picture that lies beside the report already.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Picture {
    /// Name of the file within the folder.
    pub file: String,
    /// What it shows, in a sentence.
    pub caption: String,
}

/// Writes every file of an evaluation but the pictures into `folder`, which must exist, and tells
/// which. `pictures` are shown in the page.
pub fn write(
    folder: &Path,
    set: &EmbeddingSet,
    evaluation: &Evaluation,
    report: &Report,
    pictures: &[Picture],
) -> Result<Vec<PathBuf>> {
    set.write(folder)?;
    write_matches(&folder.join(MATCHES_FILE), set, &evaluation.retrieval)?;
    let distances = Distances {
        dataset: report.context.dataset.clone(),
        split: report.context.split.clone(),
        model: report.context.model.clone(),
        identity: report.context.identity.clone(),
        same: evaluation.same.clone(),
        different: evaluation.different.clone(),
    };
    distances.write(&folder.join(DISTANCES_FILE))?;
    let page = words::page(report, pictures);
    files::replace(&folder.join(REPORT_PAGE), page.as_bytes())?;
    files::replace_json(&folder.join(REPORT_FILE), report)?;
    let names = [REPORT_FILE, REPORT_PAGE, MATCHES_FILE, EMBEDDINGS_FILE, PHOTOS_FILE, DISTANCES_FILE];
    let mirrored = set.mirrored.as_ref().map(|_| MIRRORED_FILE);
    Ok(names.into_iter().chain(mirrored).map(|name| folder.join(name)).collect())
}

/// Writes the nearest photos of each query, as counted.
fn write_matches(path: &Path, set: &EmbeddingSet, retrieval: &Retrieval) -> Result<()> {
    Ok(files::replace_with(path, |out| {
        let mut csv = csv::Writer::from_writer(out);
        csv.write_record(["query", "rank", "match", "distance", "correct"])?;
        for found in retrieval.queries.iter().flat_map(|query| &query.nearest) {
            csv.write_record([
                set.rows[found.query].photo.as_str(),
                &found.rank.to_string(),
                set.rows[found.row].photo.as_str(),
                &found.distance.to_string(),
                &found.correct.to_string(),
            ])?;
        }
        csv.flush()
    })?)
}

#[cfg(test)]
pub(super) mod tests {
    use super::super::embeddings::Role;
    use super::super::testing::{row, sets, unit};
    use super::*;
    use proptest::prelude::*;

    pub(in crate::eval) fn context() -> Context {
        Context {
            dataset: "turtles".into(),
            split: "gallery train, query valid".into(),
            model: "arcface best".into(),
            identity: "0123".into(),
            preprocessing: serde_json::json!({"size": 128}),
            chosen_by: Some(ChosenBy::new("valid", &ChosenOn::Here, &["valid"])),
            queries_trained_on: None,
            corrected: 0,
            corrected_since: None,
            flip: false,
            query_unit: QueryUnit::Photo,
        }
    }

    /// Each query's own encounter is nearest; its turtle's other encounter is behind the other turtle.
    pub(in crate::eval) fn small() -> EmbeddingSet {
        let rows = vec![
            row("q, \"1\".jpg", "t1", "1", Role::Query),
            row("q2.jpg", "t2", "1", Role::Query),
            row("g1.jpg", "t1", "1", Role::Gallery),
            row("g2.jpg", "t1", "2", Role::Gallery),
            row("g3.jpg", "t2", "2", Role::Gallery),
        ];
        let vectors = unit(&[&[1.0, 0.0], &[0.0, 1.0], &[1.0, 0.1], &[1.0, 0.9], &[1.0, 0.8]]);
        EmbeddingSet::new(2, vectors, rows).unwrap()
    }

    fn keys(value: &serde_json::Value) -> Vec<&str> {
        value.as_object().unwrap().keys().map(String::as_str).collect()
    }

    #[test]
    fn the_report_has_the_promised_keys_and_figures() {
        let evaluation = evaluate(&small(), Excluded::Encounter).unwrap();
        let report = Report::new(context(), &evaluation);
        let json = serde_json::to_value(&report).unwrap();
        let figures = ["rank1", "rank5", "rank10", "map", "balanced_rank1", "map_at_r", "r_precision", "auc"];
        let counts = ["queries", "gallery", "queries_without_match"];
        let circumstances = ["dataset", "split", "model", "preprocessing", "chosen_by"];
        let rest = ["excluded", "without_exclusion", "leak"];
        for key in circumstances.iter().chain(&figures).chain(&counts).chain(&rest) {
            assert!(json.get(key).is_some(), "{key}");
        }
        for key in figures.iter().chain(&counts) {
            assert!(json["without_exclusion"][key].is_number(), "{key}");
            assert!(json["chance"][key].is_number(), "{key}");
        }
        for key in figures.iter().chain(&counts) {
            assert!(json["encounter_queries"][key].is_number(), "{key}");
            assert!(json["encounter_queries"]["best_pair"][key].is_number(), "{key}");
        }
        for far in ["0.1", "0.01", "0.001"] {
            assert!(json["tar_at_far"][far].is_number(), "{far}");
        }
        assert_eq!(json["intervals"]["rank1"].as_array().map(Vec::len), Some(2));
        assert_eq!(json["excluded"], "encounter");
        assert_eq!(json["rank1"], 0.0);
        assert_eq!(json["without_exclusion"]["rank1"], 0.5);
        assert_eq!(json["leak"], 1);

        let chance = serde_json::to_value(report.of_chance().unwrap()).unwrap();
        let mut expected = keys(&json);
        expected.retain(|key| !["chance", "geometry"].contains(key));
        assert_eq!(keys(&chance), expected);
        assert_eq!(chance["rank1"], json["chance"]["rank1"]);
    }

    #[test]
    fn figures_equal_those_that_numpy_found() {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/eval/small");
        let set = EmbeddingSet::read(&folder).unwrap();
        let text = std::fs::read(folder.join("expected.json")).unwrap();
        let expected: serde_json::Value = serde_json::from_slice(&text).unwrap();
        for (excluded, name) in [(Excluded::Encounter, "encounter"), (Excluded::None, "none")] {
            let report = Report::new(context(), &evaluate(&set, excluded).unwrap());
            let sides = [(report.figures, &expected[name]), (report.without_exclusion, &expected["everything"])];
            for (figures, expected) in sides {
                let ours = serde_json::to_value(figures).unwrap();
                for (key, value) in expected.as_object().unwrap() {
                    let place = format!("/{}", key.replacen('.', "/", 1));
                    let (a, b) = (ours.pointer(&place).unwrap().as_f64().unwrap(), value.as_f64().unwrap());
                    assert!((a - b).abs() < 1e-12, "{name} {key}: {a}, numpy {b}");
                }
            }
        }
    }

    #[test]
    fn only_the_part_of_the_same_split_is_the_part_reported_here() {
        let here = ChosenBy::new("valid", &ChosenOn::Here, &["valid"]);
        assert!(here.reported && here.note.contains("the part reported here: expect lower"), "{here:?}");
        let elsewhere = [
            (ChosenOn::Here, "test", "had no say"),
            (ChosenOn::OtherSplit("split_closed".into()), "valid", "split_closed"),
            (ChosenOn::OtherDataset("curlews".into()), "valid", "of curlews, another dataset"),
            (ChosenOn::Unknown, "valid", "it is not known"),
        ];
        for (on, query, words) in elsewhere {
            let chosen = ChosenBy::new("valid", &on, &[query]);
            assert!(!chosen.reported && !chosen.note.contains("the part reported here:"), "{chosen:?}");
            assert!(chosen.note.contains(words), "{chosen:?}");
        }
    }

    #[test]
    fn without_exclusion_asked_for_the_gallery_is_whole() {
        let report = Report::new(context(), &evaluate(&small(), Excluded::None).unwrap());
        assert_eq!(serde_json::to_value(report.excluded).unwrap(), "none");
        assert_eq!(report.figures.rank1, Some(0.5));
        // Pairs of one encounter count for no distance all the same.
        let honest = Report::new(context(), &evaluate(&small(), Excluded::Encounter).unwrap());
        assert_eq!(report.geometry, honest.geometry);
    }

    #[test]
    fn every_file_is_written_and_a_second_time_over_the_first() {
        let dir = tempfile::tempdir().unwrap();
        let set = small();
        let evaluation = evaluate(&set, Excluded::Encounter).unwrap();
        let report = Report::new(context(), &evaluation);
        for _ in 0..2 {
            let written = write(dir.path(), &set, &evaluation, &report, &[]).unwrap();
            assert_eq!(written.len(), 6);
            assert!(written.iter().all(|path| path.is_file()));
            assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 6);
        }
        assert_eq!(Report::read(&dir.path().join(REPORT_FILE)).unwrap(), report);
        let matches = std::fs::read_to_string(dir.path().join(MATCHES_FILE)).unwrap();
        let lines: Vec<&str> = matches.lines().collect();
        assert_eq!(lines[0], "query,rank,match,distance,correct");
        assert!(lines[1].starts_with("\"q, \"\"1\"\".jpg\",1,g3.jpg,0.6"), "{}", lines[1]);
        assert!(lines[1].ends_with(",false") && lines[2].ends_with(",true"));
        assert_eq!(lines.len(), 1 + 2 + 3);
    }

    proptest! {
        #[test]
        fn a_report_comes_back(set in sets()) {
            for excluded in [Excluded::Encounter, Excluded::None] {
                let report = Report::new(context(), &evaluate(&set, excluded).unwrap());
                let text = serde_json::to_string(&report).unwrap();
                let back: Report = serde_json::from_str(&text).unwrap();
                prop_assert_eq!(&back, &report); // to the last bit
            }
        }
    }
}
