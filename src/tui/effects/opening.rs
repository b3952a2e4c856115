//! An evaluation read from its folder, with all that its views show worked out once.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use crate::eval::embeddings::EmbeddingSet;
use crate::eval::projection::pca::Pca;
use crate::eval::projection::tsne::Tsne;
use crate::eval::projection::{Projected, Projection};
use crate::eval::report::{REPORT_FILE, Report};
use crate::eval::retrieval::{Retrieval, retrieve_by};
use crate::eval::versus::{Side, versus, words};
use crate::run::Workspace;
use crate::tui::evaluate::{Evaluation, Opened, numbers};
use crate::tui::widgets::text::wrap;

/// Opens `evaluation`; the error is a sentence.
pub(super) fn open(workspace: &Workspace, evaluation: &Evaluation) -> Result<Opened, String> {
    let read = || {
        let report = Report::read(&evaluation.folder.join(REPORT_FILE))?;
        let set = EmbeddingSet::read(&evaluation.folder)?;
        let retrieval = retrieve_by(&set, report.excluded.rule(), report.matching)?;
        let projected = Pca.project(&set.vectors, set.dim)?;
        Ok((report, set, retrieval, projected))
    };
    let (report, set, retrieval, projected) = read().map_err(|e: crate::eval::Error| e.to_string())?;
    let individuals = individuals(&set, &retrieval);
    let root = root(workspace, evaluation, &report, &set.rows[0].photo);
    let (names, numbers) = numbers(&set.rows);
    let folder = evaluation.folder.clone();
    Ok(Opened { report, set, retrieval, folder, projected, individuals, numbers, names, root })
}

/// The evaluations in `folders` compared: a heading and lines; the error is a sentence.
pub(super) fn compare(folders: &[PathBuf; 2]) -> Result<(String, Vec<String>), String> {
    let read = || {
        let [a, b] = folders.each_ref();
        let found = versus(&Side::read(a)?, &Side::read(b)?)?;
        let told = words::told(&found, [a, b]);
        // a page cuts its lines off; those of a table have columns, which are not broken
        let lines = told.lines().flat_map(|line| {
            if line.is_empty() || line.contains("  ") { vec![line.to_owned()] } else { wrap(line, 72) }
        });
        Ok(("A and B on the queries of both".to_owned(), lines.collect()))
    };
    read().map_err(|e: crate::eval::Error| e.to_string())
}

/// The embedding of the evaluation in `folder` by neighbours; the error is a sentence.
pub(super) fn neighbours(folder: &Path) -> Result<Projected, String> {
    let read = || {
        let set = EmbeddingSet::read(folder)?;
        Tsne.project(&set.vectors, set.dim)
    };
    read().map_err(|e: crate::eval::Error| e.to_string())
}

/// Each individual asked about: name, queries, rank-1; the worst first.
fn individuals(set: &EmbeddingSet, retrieval: &Retrieval) -> Vec<(String, usize, f64)> {
    let mut counts: BTreeMap<&str, (usize, usize)> = BTreeMap::new();
    for query in retrieval.queries.iter().filter(|q| q.relevant > 0) {
        let (asked, right) = counts.entry(&set.rows[query.query].individual).or_default();
        *asked += 1;
        *right += usize::from(query.first_correct == Some(1));
    }
    let rate = |(name, (asked, right)): (&str, (usize, usize))| (name.to_owned(), asked, right as f64 / asked as f64);
    let mut all: Vec<_> = counts.into_iter().map(rate).collect();
    all.sort_by(|a, b| a.2.total_cmp(&b.2).then_with(|| a.0.cmp(&b.0)));
    all
}

/// The folder that the photos' paths start from: the run's own, or that of a dataset of the report's name.
fn root(workspace: &Workspace, evaluation: &Evaluation, report: &Report, first: &str) -> PathBuf {
    let folder = |path: &Path| if path.is_file() { path.parent().unwrap_or(path).to_owned() } else { path.to_owned() };
    let own = folder(&evaluation.photos);
    let known = workspace.known_datasets().unwrap_or_default();
    let named = known.iter().map(|d| folder(&d.path)).filter(|path| path.ends_with(&report.context.dataset));
    std::iter::once(own.clone()).chain(named).find(|path| path.join(first).exists()).unwrap_or(own)
}
