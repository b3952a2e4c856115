//! The charts of an evaluation, which need no photo: CMC, ROC, distances of pairs, and where the embeddings lie.

use std::path::{Path, PathBuf};

use super::Result;
use super::embeddings::EmbeddingSet;
use super::figures::{Axis, Curve, Drawing, curves, scatter_of, write_drawing};
use super::histogram::Histogram;
use super::projection::Projection;
use super::projection::pca::Pca;
use super::projection::tsne::Tsne;
use super::report::{Evaluation, Picture, Report};
use super::retrieval::Retrieval;

/// The projection of the embedding.
pub const PROJECTION_FILE: &str = "embedding.png";
/// The embedding with neighbours lying together.
pub const NEIGHBOURS_FILE: &str = "tsne.png";
/// Share of queries with their individual among the k nearest, over k.
pub const CMC_FILE: &str = "cmc.png";
/// True accept rate over false accept rate.
pub const ROC_FILE: &str = "roc.png";
/// Distances of pairs of one individual and of two.
pub const HILLS_FILE: &str = "distances.png";

/// Photos up to which neighbours are laid out unasked: some seconds.
const MOST_LAID_OUT: usize = 5000;
/// Ranks that a CMC shows.
const RANKS: usize = 50;
/// Parts of the range of distances.
const HILL_BINS: usize = 80;
/// The left end of a ROC, whose axis is logarithmic.
const LEAST_FAR: f64 = 1e-4;

/// Draws every chart into `folder` as PNG, and as SVG beside it; tells the files, and the pictures for a page.
///
/// # Errors
/// When a file cannot be written.
pub fn draw(
    folder: &Path,
    set: &EmbeddingSet,
    evaluation: &Evaluation,
    report: &Report,
) -> Result<(Vec<PathBuf>, Vec<Picture>)> {
    let about = format!("{} · {}", report.context.dataset, report.context.split);
    let set = &*set.without_validation();
    let projected = Pca.project(&set.vectors, set.dim)?;
    let title = format!("Embedding of {}", report.context.dataset);
    let mut drawings = vec![
        (PROJECTION_FILE, "The embedding, projected to two dimensions.", scatter_of(&title, set, &projected)),
        (
            CMC_FILE,
            "CMC: share of queries with their individual among the k nearest photos.",
            cmc(&about, evaluation, report),
        ),
        (
            ROC_FILE,
            "ROC: pairs of one individual that a threshold accepts, over pairs of two that it lets through.",
            roc(&about, evaluation),
        ),
        (
            HILLS_FILE,
            "Distances of pairs of one individual from two encounters, and of pairs of two individuals.",
            hills(&about, evaluation),
        ),
    ];
    if set.len() <= MOST_LAID_OUT {
        let projected = Tsne.project(&set.vectors, set.dim)?;
        let caption = "The embedding, laid out so that neighbours stay neighbours (t-SNE).";
        drawings.insert(1, (NEIGHBOURS_FILE, caption, scatter_of(&title, set, &projected)));
    }
    let (mut written, mut pictures) = (Vec::new(), Vec::new());
    for (file, caption, drawing) in drawings {
        written.extend(write_drawing(&folder.join(file), &drawing)?);
        pictures.push(Picture { file: file.into(), caption: caption.into() });
    }
    Ok((written, pictures))
}

fn cmc(about: &str, evaluation: &Evaluation, report: &Report) -> Drawing {
    let most = evaluation.retrieval.gallery.clamp(2, RANKS);
    let curve = |name: &str, retrieval: &Retrieval| Curve {
        name: name.into(),
        points: (1..=most).zip(hits(retrieval, most)).map(|(rank, share)| (rank as f64, share)).collect(),
        is_filled: false,
    };
    let mut all = vec![curve(report.excluded.words(), &evaluation.retrieval)];
    all.push(curve("without exclusion", &evaluation.without_exclusion));
    let axis = Axis { name: "k nearest photos".into(), ends: [1.0, most as f64], is_log: false };
    curves("CMC", about, [&axis, &share_axis("share of queries")], &all)
}

/// Share of queries with a match that have one among the first, for each number of places up to `most`.
fn hits(retrieval: &Retrieval, most: usize) -> Vec<f64> {
    let matched = retrieval.queries.iter().filter(|query| query.relevant > 0).count().max(1);
    let mut counts = vec![0_usize; most];
    for rank in retrieval.queries.iter().filter_map(|query| query.first_correct) {
        if let Some(count) = counts.get_mut(rank - 1) {
            *count += 1;
        }
    }
    let sums = counts.into_iter().scan(0, |sum, count| {
        *sum += count;
        Some(*sum)
    });
    sums.map(|sum| sum as f64 / matched as f64).collect()
}

fn roc(about: &str, evaluation: &Evaluation) -> Drawing {
    let verification = &evaluation.retrieval.verification;
    let auc = verification.auc.map_or_else(String::new, |auc| format!(", AUC {auc:.3}"));
    let diagonal = (0..=40).map(|n| 10_f64.powf(-4.0 + f64::from(n) / 10.0)).map(|far| (far, far)).collect();
    // between two pairs of one individual more of two are let through, and no more of one accepted
    let steps = verification.roc.windows(2).flat_map(|pair| [pair[0], (pair[1].0, pair[0].1)]);
    let points = steps.chain(verification.roc.last().copied()).collect();
    let all = [
        Curve { name: format!("by distance{auc}"), points, is_filled: false },
        Curve { name: "a guess".into(), points: diagonal, is_filled: false },
    ];
    let axis = Axis { name: "FAR: pairs of two let through".into(), ends: [LEAST_FAR, 1.0], is_log: true };
    curves("ROC", about, [&axis, &share_axis("TAR: pairs of one accepted")], &all)
}

fn hills(about: &str, evaluation: &Evaluation) -> Drawing {
    let (same, different) = (&evaluation.same, &evaluation.different);
    let farthest = [same, different].map(|of| of.quantile(1.0).unwrap_or(0.0)).into_iter().fold(0.0, f64::max);
    let to = if farthest > 0.0 { farthest } else { 1.0 };
    let hill = |name: &str, of: &Histogram| {
        let shares = if of.count() > 0 { of.shares(HILL_BINS, to) } else { Vec::new() };
        let width = to / HILL_BINS as f64;
        let steps = shares.into_iter().enumerate().flat_map(|(n, share)| {
            let from = n as f64 * width;
            [(from, share), (from + width, share)]
        });
        Curve { name: format!("{name}: {} pairs", of.count()), points: steps.collect(), is_filled: true }
    };
    let all = [hill("one individual, two encounters", same), hill("two individuals", different)];
    let highest = all.iter().flat_map(|curve| &curve.points).map(|(_, share)| *share).fold(0.01, f64::max);
    let x_axis = Axis { name: "distance between embeddings".into(), ends: [0.0, to], is_log: false };
    let y_axis = Axis { name: "share of pairs".into(), ends: [0.0, highest * 1.05], is_log: false };
    curves("Distances", about, [&x_axis, &y_axis], &all)
}

/// An axis of shares, 0 to 1.
pub(crate) fn share_axis(name: &str) -> Axis {
    Axis { name: name.into(), ends: [0.0, 1.0], is_log: false }
}

#[cfg(test)]
mod tests {
    use super::super::report::tests::{context, small};
    use super::super::report::{Excluded, evaluate};
    use super::super::testing::sets;
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn every_chart_is_left_in_both_ways() {
        let dir = tempfile::tempdir().unwrap();
        let evaluation = evaluate(&small(), Excluded::Encounter).unwrap();
        let report = Report::new(context(), &evaluation);
        let (written, pictures) = draw(dir.path(), &small(), &evaluation, &report).unwrap();
        assert_eq!((written.len(), pictures.len()), (10, 5));
        assert!(written.iter().all(|path| path.is_file()));
        let svg = std::fs::read_to_string(dir.path().join("roc.svg")).unwrap();
        assert!(svg.starts_with("<svg ") && svg.contains("AUC"), "{svg}");
    }

    proptest! {
        #[test]
        fn the_cmc_is_the_rank_figures(set in sets()) {
            let evaluation = evaluate(&set, Excluded::Encounter).unwrap();
            let report = Report::new(context(), &evaluation);
            let hits = hits(&evaluation.retrieval, 50);
            for (rank, figure) in [(1, report.figures.rank1), (5, report.figures.rank5), (10, report.figures.rank10)] {
                prop_assert!((hits[rank - 1] - figure.unwrap_or(0.0)).abs() < 1e-12);
            }
            cmc("", &evaluation, &report);
            roc("", &evaluation);
            hills("", &evaluation);
        }
    }
}
