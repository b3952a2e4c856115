//! Embeddings made elsewhere, evaluated the same way: any model can be compared with ours.
//!
//! No photo needs to be on disk, so there are no sheets of photos; everything else is as for a model of ours.

use std::path::{Path, PathBuf};

use crate::nn::weights::sha256;

use super::charts;
use super::embeddings::EmbeddingSet;
use super::matching::{Manner, QueryUnit};
use super::report::{Context, Excluded, Report, evaluate_by, write};
use super::{Error, Result, session};

/// The report on the embeddings in `npy`, whose rows `csv` lists; every file goes into `folder`, where one is given.
///
/// # Errors
/// When a file cannot be read or there is nothing to rank; also when another evaluation holds `folder`.
pub fn evaluate_outside(
    npy: &Path,
    csv: &Path,
    excluded: Excluded,
    manner: Manner,
    folder: Option<&Path>,
) -> Result<(Report, Vec<PathBuf>)> {
    let work = || {
        let (set, scaled) = EmbeddingSet::read_outside(npy, csv)?;
        let (queries, gallery) = (set.queries().len(), set.gallery().len());
        if queries == 0 || gallery == 0 {
            return Err(Error::Table {
                path: csv.to_owned(),
                reason: format!(
                    "{queries} of its photos have the role query and {gallery} the role gallery; fill the column role (query, gallery, both, validation, none)"
                ),
            });
        }
        let evaluation = evaluate_by(&set, excluded, manner.matching_of(queries, gallery))?;
        let report = Report::new(Context { query_unit: manner.query_unit, ..context(npy, csv, scaled)? }, &evaluation);
        Ok((set, evaluation, report))
    };
    // what was given is never written over
    if let Some(within) = folder.filter(|folder| [npy, csv].iter().any(|given| lies_in(given, folder))) {
        return Err(Error::Set(format!(
            "the embeddings or their table lie in {}, where the report is to go: choose another folder",
            within.display()
        )));
    }
    let Some(folder) = folder else {
        let (_, _, report) = work()?;
        return Ok((report, Vec::new()));
    };
    session::within(folder, |session| {
        session.say(&format!("{} and {}", npy.display(), csv.display()))?;
        let (set, evaluation, report) = work()?;
        session.progress(set.len(), set.len());
        let written = session.put(|beside| {
            let (files, pictures) = charts::draw(beside, &set, &evaluation, &report)?;
            let mut written = write(beside, &set, &evaluation, &report, &pictures)?;
            written.extend(files);
            Ok(written)
        })?;
        Ok((report, written))
    })
}

fn lies_in(file: &Path, folder: &Path) -> bool {
    let real = |path: &Path| path.canonicalize().ok();
    real(file).and_then(|file| file.parent().map(Path::to_path_buf)).is_some_and(|parent| Some(parent) == real(folder))
}

fn context(npy: &Path, csv: &Path, scaled: bool) -> Result<Context> {
    let bytes = std::fs::read(npy).map_err(|source| Error::Read { path: npy.to_owned(), source })?;
    let name = |path: &Path| path.file_name().map_or_else(String::new, |name| name.to_string_lossy().into_owned());
    let length = if scaled { "embeddings were brought to length 1" } else { "embeddings were of length 1" };
    Ok(Context {
        dataset: name(csv),
        split: "gallery and queries as the table says".into(),
        model: name(npy),
        identity: sha256(&bytes),
        preprocessing: serde_json::json!({ "made_elsewhere": length }),
        chosen_by: None,
        queries_trained_on: None,
        corrected: 0,
        corrected_since: None,
        flip: false,
        query_unit: QueryUnit::Photo,
    })
}

#[cfg(test)]
mod tests {
    use super::super::metrics::figures;
    use super::super::retrieval::{Rule, retrieve};
    use super::*;

    fn small() -> PathBuf {
        Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/eval/small")
    }

    #[test]
    fn the_figures_are_those_of_an_evaluation_of_ours_and_no_photo_is_needed() {
        let dir = tempfile::tempdir().unwrap();
        let folder = dir.path().join("theirs");
        let (npy, csv) = (small().join("embeddings.npy"), small().join("photos.csv"));
        let (report, written) =
            evaluate_outside(&npy, &csv, Excluded::Encounter, Manner::default(), Some(&folder)).unwrap();
        let set = EmbeddingSet::read(&small()).unwrap();
        assert_eq!(report.figures, figures(&retrieve(&set, Rule::OtherEncounters).unwrap()));
        assert!(written.iter().all(|path| path.is_file()), "{written:?}");
        assert_eq!(Report::read(&folder.join("report.json")).unwrap(), report);
        assert_eq!(EmbeddingSet::read(&folder).unwrap(), set);
        let (again, none) = evaluate_outside(&npy, &csv, Excluded::Encounter, Manner::default(), None).unwrap();
        assert!(again == report && none.is_empty());
    }

    #[test]
    fn embeddings_of_any_length_are_brought_to_one() {
        let dir = tempfile::tempdir().unwrap();
        let mut bytes = std::fs::read(small().join("embeddings.npy")).unwrap();
        let data = bytes.len() - 60 * 16 * 4;
        for quad in bytes[data..].chunks_exact_mut(4) {
            let value = f32::from_le_bytes(quad.try_into().unwrap());
            quad.copy_from_slice(&(value * 4.0).to_le_bytes());
        }
        let npy = dir.path().join("scaled.npy");
        std::fs::write(&npy, &bytes).unwrap();
        let ask = |npy: &Path| {
            evaluate_outside(npy, &small().join("photos.csv"), Excluded::None, Manner::default(), None).unwrap().0
        };
        let (scaled, whole) = (ask(&npy), ask(&small().join("embeddings.npy")));
        assert_eq!(scaled.figures, whole.figures);
        assert_ne!(scaled.context.preprocessing, whole.context.preprocessing);
        let mut wide = bytes[..data].to_vec();
        let at = wide.windows(3).position(|three| three == b"<f4").unwrap();
        wide[at + 2] = b'8';
        let quads = bytes[data..].chunks_exact(4).map(|quad| f32::from_le_bytes(quad.try_into().unwrap()));
        wide.extend(quads.flat_map(|value| f64::from(value).to_le_bytes()));
        std::fs::write(&npy, &wide).unwrap();
        assert_eq!(ask(&npy).figures, whole.figures, "numpy's own numbers are doubles");
        bytes[data..data + 64].fill(0);
        std::fs::write(&npy, &bytes).unwrap();
        let refused =
            evaluate_outside(&npy, &small().join("photos.csv"), Excluded::None, Manner::default(), None).unwrap_err();
        assert!(refused.to_string().contains("row 1"), "{refused}");
    }
}
