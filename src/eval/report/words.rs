//! A report in words: the page for people, and the sentences that a terminal shows, too.
//!
//! Names of datasets, models and files are other people's text: they are escaped for Markdown and
//! lose their control characters, so that a label cannot become a link, a table or an escape code.
//! Rounding happens here and only here.

use std::fmt::Write as _;

use super::super::intervals::Intervals;
use super::super::matching::{QueryUnit, Sides};
use super::super::metrics::{Figures, Geometry};
use super::super::open_set::{ChosenOn, OpenSet};
use super::{Excluded, MATCHES_FILE, Picture, Report};
use crate::data::counted::counted;
use crate::data::foreign::is_harmful;

/// The leak in words: what a careless evaluation would have said, and by how much it is too high.
pub fn leak(report: &Report) -> String {
    let queries = report.figures.queries;
    let (have, whose) = match report.leak {
        0 => {
            return "No query is known to have another photo of its own encounter in the gallery or among the queries. Photos without a date count as an encounter each: if these have none, a leak cannot be seen and the figures may be too high."
                .into();
        }
        1 => ("queries has", "its"),
        _ => ("queries have", "their"),
    };
    let having = format!(
        "{} of {queries} {have} another photo of {whose} own encounter in the gallery or among the other queries.",
        report.leak
    );
    if report.excluded == Excluded::None {
        return format!("Nothing was left out, so such photos count here: expect the figures to be too high. {having}");
    }
    let (Some(honest), Some(careless)) = (report.figures.rank1, report.without_exclusion.rank1) else {
        return having;
    };
    let points = ((careless - honest) * 100.0).round();
    let verdict = if points >= 1.0 {
        let points = format!("{points:.0} {}", if points == 1.0 { "point is" } else { "points are" });
        format!("With same-encounter photos rank-1 is {careless:.3}: {points} the leak.")
    } else {
        format!("With same-encounter photos rank-1 is {careless:.3}: not higher than without.")
    };
    format!("{verdict} {having}")
}

/// That queries are photos which the model was trained on; none where it was trained on none of them.
pub fn trained_on(report: &Report) -> Option<String> {
    let queries = report.figures.queries;
    let photos = match report.context.queries_trained_on? {
        0 => return None,
        1 => format!("1 of {queries} queries is a photo"),
        n => format!("{n} of {queries} queries are photos"),
    };
    Some(format!(
        "{photos} that this model was trained on: the figures tell what it remembers, not what it would recognise."
    ))
}

/// That the dataset is corrected otherwise than when the model was trained; none where it is not.
pub fn corrected_since(report: &Report) -> Option<String> {
    let photos = match report.context.corrected_since? {
        0 => return None,
        1 => "1 photo is corrected".to_owned(),
        n => format!("{n} photos are corrected"),
    };
    Some(format!(
        "{photos} otherwise than when this model was trained: the figures are of the photos as they are corrected now."
    ))
}

/// That rank-1 could be luck; none where it is clearly above chance: where its interval over individuals is. Without one,
/// the limit is two standard errors of a share.
pub fn near_chance(report: &Report) -> Option<String> {
    let (rank1, chance) = (report.figures.rank1?, report.chance?.figures.rank1?);
    let counted = (report.figures.queries - report.figures.queries_without_match) as f64;
    let error = (chance * (1.0 - chance) / counted).sqrt();
    let is_near = report.intervals.map_or(rank1 <= chance + 2.0 * error, |all| all.rank1[0] <= chance);
    is_near.then(|| {
        format!("rank-1 is not clearly above that of chance ({chance:.3}): this model tells these individuals hardly better than a guess.")
    })
}

/// How much was asked against how much, in a line.
pub fn asked(figures: &Figures) -> String {
    let Figures { queries, gallery, queries_without_match, .. } = figures;
    let word = if *queries == 1 { "query" } else { "queries" };
    format!("{queries} {word} against {}, {queries_without_match} without a match", counted(*gallery, "photo"))
}

/// What must be said of the figures, a sentence each, the weightiest first.
pub fn remarks(report: &Report) -> Vec<String> {
    let mut all = vec![trained_on(report), corrected_since(report), near_chance(report), Some(leak(report))];
    all.extend([open_set(report), flipped(report), sides(report), reranked(report), approximate(report)]);
    all.into_iter().flatten().collect()
}

fn flipped(report: &Report) -> Option<String> {
    report.context.flip.then(|| "Each embedding is the mean of a photo's and its mirror image's (--flip).".into())
}

fn sides(report: &Report) -> Option<String> {
    let by_sides = report.by_sides?;
    let common = by_sides.own.queries;
    let told = format!(
        "By sides: the {} with a photo of their individual on their own side to be matched with, held against both sides, their own, and both with the other one mirrored where --sides asked for it.",
        if common == 1 { "one query".to_owned() } else { format!("{common} queries") }
    );
    let against = match report.matching.sides {
        Sides::Both => return Some(told),
        Sides::Own => "photos of its own side, and those whose side is not known",
        Sides::Mirrored => "all photos, those of the other side mirrored",
    };
    Some(format!(
        "A query is held against {against} (--sides), an encounter with photos of both sides against all as they are. What calls an animal new is by photos as they are. {told}"
    ))
}

fn reranked(report: &Report) -> Option<String> {
    report.matching.reranked.then(|| {
        "Rankings, the distances listed with matches and figures of pairs are k-reciprocal (--rerank; k1 20, k2 6, lambda 0.3), from 0 to 1, and know all queries at once, those of one encounter of each other; the distances of individuals in sum, and what calls an animal new, are plain.".into()
    })
}

fn approximate(report: &Report) -> Option<String> {
    let found = report.approximate?;
    let share = |recall: f64| format!("{recall:.4}");
    Some(format!(
        "The search is approximate (--search): an HNSW index (usearch) found the {} nearest candidates of a query, which were measured; of what a whole ranking of {} calls nearest that finds {}, of the ten nearest {} (recall@1 and @10). Farther ranks, and the figures of pairs of two individuals, are those of {} drawn at random. Figures may be off by what is missed, either way, and by as little from one index to the next.",
        found.candidates,
        if found.recall_queries == 1 { "one query".to_owned() } else { format!("{} queries", found.recall_queries) },
        share(found.recall_at_1),
        share(found.recall_at_10),
        counted(found.sample, "photo"),
    ))
}

/// The columns of [`table_rows`].
pub const TABLE_HEAD: [&str; 6] = ["", "rank-1", "rank-5", "rank-10", "mAP", "balanced rank-1"];

/// The figures that matter most, in rows of a name and five cells: the model's with their intervals, what encounters as
/// queries come to, chance, and what a careless evaluation would have said.
pub fn table_rows(report: &Report) -> Vec<(&'static str, [String; 5])> {
    let of = |f: &Figures| [f.rank1, f.rank5, f.rank10, f.map, f.balanced_rank1].map(share);
    let with_intervals = |name, figures: &Figures, intervals: &Option<Intervals>| {
        let ends = |i: &Intervals, end: usize| {
            [i.rank1, i.rank5, i.rank10, i.map, i.balanced_rank1].map(|ends| share(Some(ends[end])))
        };
        let mut rows = vec![(name, of(figures))];
        rows.extend(intervals.iter().flat_map(|i| [("  95 % from", ends(i, 0)), ("  95 % to", ends(i, 1))]));
        rows
    };
    let mut rows = match (report.context.query_unit, &report.encounter_queries) {
        (QueryUnit::Encounter, Some(all)) => {
            let mut rows = with_intervals("encounters as queries", &all.figures, &all.intervals);
            rows.push(("  by the nearest pair", of(&all.best_pair)));
            rows.push(("photos as queries", of(&report.figures)));
            rows
        }
        _ => {
            let mut rows = with_intervals("model", &report.figures, &report.intervals);
            rows.extend(report.encounter_queries.iter().map(|all| ("encounters as queries", of(&all.figures))));
            rows
        }
    };
    if let Some(by_sides) = &report.by_sides {
        rows.push(("both sides, as they are", of(&by_sides.both)));
        rows.push(("own side only", of(&by_sides.own)));
        rows.extend(by_sides.mirrored.iter().map(|figures| ("other side mirrored", of(figures))));
    }
    let names = match report.context.query_unit {
        QueryUnit::Photo => ["chance", "with same-encounter photos"],
        QueryUnit::Encounter => ["photos by chance", "photos with same-encounter photos"],
    };
    rows.extend(report.chance.iter().map(|chance| (names[0], of(&chance.figures))));
    rows.push((names[1], of(&report.without_exclusion)));
    rows
}

/// The other figures in a line; empty for a report that has none.
pub fn other_figures(report: &Report) -> String {
    let f = &report.figures;
    let tar = f.tar_at_far;
    let all =
        [("MAP@R", f.map_at_r), ("R-precision", f.r_precision), ("AUC", f.auc), ("TAR @ FAR 0.01", tar.hundredth)];
    let told = all.iter().filter(|(_, value)| value.is_some()).map(|(name, value)| format!("{name} {}", share(*value)));
    told.collect::<Vec<_>>().join(" · ")
}

/// How new and known individuals were told apart, in a sentence; none where no query is new.
pub fn open_set(report: &Report) -> Option<String> {
    let OpenSet { new_queries, baks, baus, open_set_score, threshold, threshold_chosen_on } = report.open_set;
    if threshold.is_none() && new_queries > 0 {
        let queries = if new_queries == 1 { "query shows an individual" } else { "queries show individuals" };
        return Some(format!(
            "{new_queries} {queries} without a photo in the gallery. Whether a model calls them new is measured where a part valid, which is neither searched nor asked about here, can choose the threshold."
        ));
    }
    let by = match threshold_chosen_on? {
        ChosenOn::NewIndividuals => "known and new individuals of valid",
        ChosenOn::IndividualsTakenOut => "individuals of valid, each once with its photos taken out of the gallery",
    };
    Some(format!(
        "Known and new: BAKS {}, BAUS {}, geometric mean {} (a query farther than {} from every photo is called new; {by} chose that).",
        share(baks),
        share(baus),
        share(open_set_score),
        share(threshold),
    ))
}

/// The page `report.md`.
pub fn page(report: &Report, pictures: &[Picture]) -> String {
    let mut page = String::new();
    heading(&mut page, report);
    table(&mut page, report);
    definitions(&mut page, report);
    if let Some(geometry) = &report.geometry {
        lie(&mut page, geometry);
    }
    circumstances(&mut page, report);
    for picture in pictures {
        let caption = escape(&picture.caption);
        let _ = writeln!(page, "\n![{caption}]({})\n\n{caption}", link(&picture.file));
    }
    page
}

fn heading(page: &mut String, report: &Report) {
    let figures = &report.figures;
    let counted = figures.queries - figures.queries_without_match;
    let _ = writeln!(page, "# Evaluation of {}\n", escape(&report.context.model));
    let _ = match figures.rank1 {
        Some(rank1) => writeln!(
            page,
            "**rank-1 {rank1:.3}** over {counted} queries against {} gallery photos of {}.",
            figures.gallery,
            escape(&report.context.dataset)
        ),
        None => writeln!(
            page,
            "**No figures**: none of {} queries has a photo of its individual to be matched with in {}. They need individuals that were met at least twice.",
            figures.queries,
            escape(&report.context.dataset)
        ),
    };
    if let (QueryUnit::Encounter, Some(all)) = (report.context.query_unit, &report.encounter_queries)
        && let Some(rank1) = all.figures.rank1
    {
        let within = all.intervals.map_or_else(String::new, |i| format!(" ({:.3} to {:.3})", i.rank1[0], i.rank1[1]));
        let counted = all.figures.queries - all.figures.queries_without_match;
        let _ = writeln!(
            page,
            "**rank-1 {rank1:.3}**{within} with the photos of an encounter as one query, over {counted} encounters."
        );
    }
    for remark in remarks(report) {
        let _ = writeln!(page, "{remark}");
    }
    if figures.queries_without_match > 0 && figures.rank1.is_some() {
        let _ = writeln!(
            page,
            "{} of {} queries were ranked against no photo of their individual; no figure counts them.",
            figures.queries_without_match, figures.queries
        );
    }
    if let Some(chosen) = &report.context.chosen_by {
        let _ = writeln!(page, "{}", escape(&chosen.note));
    }
}

type Count = fn(&Figures) -> usize;

/// A figure of the page's table.
struct Row {
    name: &'static str,
    of: fn(&Figures) -> Option<f64>,
    /// None of figures over pairs.
    interval: Option<fn(&Intervals) -> [f64; 2]>,
    meaning: &'static str,
}

const ROWS: &[Row] = &[
    Row {
        name: "rank-1",
        of: |f| f.rank1,
        interval: Some(|i| i.rank1),
        meaning: "share of queries whose nearest photo shows the same individual.",
    },
    Row {
        name: "rank-5",
        of: |f| f.rank5,
        interval: Some(|i| i.rank5),
        meaning: "share of queries with the same individual among the five nearest photos.",
    },
    Row {
        name: "rank-10",
        of: |f| f.rank10,
        interval: Some(|i| i.rank10),
        meaning: "share of queries with the same individual among the ten nearest photos.",
    },
    Row {
        name: "mAP",
        of: |f| f.map,
        interval: Some(|i| i.map),
        meaning: "mean average precision: how near the top *all* photos of the individual are, 1 if no other comes between them.",
    },
    Row {
        name: "balanced rank-1",
        of: |f| f.balanced_rank1,
        interval: Some(|i| i.balanced_rank1),
        meaning: "rank-1 of each individual by itself, then the mean over individuals: one photographed often weighs as one photographed rarely.",
    },
    Row {
        name: "MAP@R",
        of: |f| f.map_at_r,
        interval: Some(|i| i.map_at_r),
        meaning: "average precision over the first R places only, R being the number of photos of the individual; a miss counts as nought.",
    },
    Row {
        name: "R-precision",
        of: |f| f.r_precision,
        interval: Some(|i| i.r_precision),
        meaning: "share of those R places that show the individual.",
    },
    Row {
        name: "AUC",
        of: |f| f.auc,
        interval: None,
        meaning: "chance that a pair of photos of one individual is nearer than a pair of two, over all pairs of a query and a photo that it is ranked against; 0.5 is a guess.",
    },
    Row { name: "TAR @ FAR 0.1", of: |f| f.tar_at_far.tenth, interval: None, meaning: TAR },
    Row { name: "TAR @ FAR 0.01", of: |f| f.tar_at_far.hundredth, interval: None, meaning: TAR },
    Row { name: "TAR @ FAR 0.001", of: |f| f.tar_at_far.thousandth, interval: None, meaning: TAR },
];

const TAR: &str = "share of pairs of one individual that a threshold on the distance accepts which lets through that share of pairs of two.";

fn table(page: &mut String, report: &Report) {
    let honest = report.excluded.words();
    let mut columns: Vec<(String, &Figures)> =
        vec![(honest.into(), &report.figures), ("without exclusion".into(), &report.without_exclusion)];
    if let Some(encounters) = &report.encounter_queries {
        columns.push(("encounters as queries, mean".into(), &encounters.figures));
        columns.push(("encounters as queries, best pair".into(), &encounters.best_pair));
    }
    if let Some(by_sides) = &report.by_sides {
        columns.push(("both sides, as they are".into(), &by_sides.both));
        columns.push(("own side only".into(), &by_sides.own));
        columns.extend(by_sides.mirrored.iter().map(|figures| ("other side mirrored".into(), figures)));
    }
    if let Some(chance) = &report.chance {
        columns.insert(1, ("by chance".into(), &chance.figures));
        columns.push(("by chance, without exclusion".into(), &chance.without_exclusion));
    }
    let titles: Vec<&str> = columns.iter().map(|(title, _)| title.as_str()).collect();
    let _ = writeln!(page, "\n| figure | {} |", titles.join(" | "));
    let _ = writeln!(page, "|---|{}", "---:|".repeat(columns.len()));
    for Row { name, of, interval, .. } in ROWS {
        let mut cells: Vec<String> = columns.iter().map(|(_, f)| share(of(f))).collect();
        if let (Some(all), Some(interval)) = (&report.intervals, interval) {
            let [low, high] = interval(all);
            cells[0] += &format!(" ({low:.3} to {high:.3})");
        }
        let _ = writeln!(page, "| {name} | {} |", cells.join(" | "));
    }
    let counts: [(&str, Count); 3] = [
        ("queries", |f| f.queries),
        ("of them without match", |f| f.queries_without_match),
        ("photos to match with", |f| f.gallery),
    ];
    for (name, of) in counts {
        let cells: Vec<String> = columns.iter().map(|(_, f)| of(f).to_string()).collect();
        let _ = writeln!(page, "| {name} | {} |", cells.join(" | "));
    }
}

fn definitions(page: &mut String, report: &Report) {
    let _ = writeln!(page, "\n## What the figures are\n");
    for Row { name, meaning, .. } in ROWS {
        let _ = writeln!(page, "- **{name}**: {meaning}");
    }
    let rule = match report.excluded {
        Excluded::Encounter => {
            "- **own encounter left out**: a query is ranked against the gallery without the photos of its own encounter (same individual, same day), which are near-copies and prove nothing."
        }
        Excluded::None => {
            "- **gallery only**: a query is ranked against the whole gallery, photos of its own encounter included, where there are any."
        }
    };
    let _ = writeln!(page, "{rule}");
    let _ = writeln!(
        page,
        "- **without exclusion**: a query is ranked against the gallery and all other queries, only itself left out: what a careless evaluation would have said."
    );
    let _ = writeln!(page, "- **by chance**: what random rankings of the same photos would score on average.");
    if report.open_set.threshold.is_some() {
        let _ = writeln!(
            page,
            "- **BAKS, BAUS**: mean over known individuals of the share of their queries that get their name, mean over new ones of the share that are called new (wildlife-datasets; the geometric mean is the score of AnimalCLEF 2025)."
        );
    }
    if report.intervals.is_some() {
        let _ = writeln!(
            page,
            "- **in brackets**: 95 % interval by a bootstrap over individuals: how far the figure could be off by which individuals were met."
        );
    }
    if report.encounter_queries.is_some() {
        let _ = writeln!(
            page,
            "- **encounters as queries**: all query photos of an encounter ask together, by the mean of their embeddings or by the nearest pair of one of them and a photo of the gallery."
        );
    }
    let _ = writeln!(
        page,
        "\nFigures are from 0 to 1; those of queries count the queries that have a match at all, those of pairs every pair. The distance is Euclidean between embeddings of length 1; of two photos equally far the earlier in `photos.csv` comes first. The ten nearest of each query are in [{MATCHES_FILE}]({MATCHES_FILE})."
    );
}

fn lie(page: &mut String, geometry: &Geometry) {
    let _ = writeln!(
        page,
        "\n## How the embeddings lie\n\nMean distance to photos of the same individual from other encounters {}, to other individuals {}. Spread {:.3}: root mean square distance of the embeddings from their mean; near 1 they use all directions, near 0 they have collapsed into one point.",
        share(geometry.distance_same),
        share(geometry.distance_different),
        geometry.spread
    );
}

fn circumstances(page: &mut String, report: &Report) {
    let context = &report.context;
    let preprocessing = match &context.preprocessing {
        serde_json::Value::Null => "not recorded".into(),
        serde_json::Value::String(text) => text.clone(),
        other => other.to_string(),
    };
    let _ = writeln!(
        page,
        "\n## Circumstances\n\n- dataset: {}\n- split: {}\n- model: {}\n- preprocessing: {}",
        escape(&context.dataset),
        escape(&context.split),
        escape(&context.model),
        escape(&preprocessing)
    );
}

/// A share from 0 to 1 with three places; unknown is a dot.
pub fn share(share: Option<f64>) -> String {
    share.map_or("·".into(), |share| format!("{share:.3}"))
}

/// Text as Markdown shows it, on one line.
fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for letter in text.chars() {
        match letter {
            '\n' | '\r' | '\t' => escaped.push(' '),
            hidden if is_harmful(hidden) => escaped.push('\u{fffd}'),
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '\\' | '`' | '*' | '_' | '[' | ']' | '|' | '~' | '#' | '!' => {
                escaped.push('\\');
                escaped.push(letter);
            }
            plain => escaped.push(plain),
        }
    }
    escaped
}

/// Marks that turn the direction of what follows, and could so disguise a name.
/// A relative path as the target of a link.
fn link(path: &str) -> String {
    let mut encoded = String::new();
    for byte in path.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'/' => {
                encoded.push(char::from(byte));
            }
            other => {
                let _ = write!(encoded, "%{other:02X}");
            }
        }
    }
    encoded
}

#[cfg(test)]
mod tests {
    use super::super::tests::{context, small};
    use super::super::{Excluded, evaluate};
    use super::*;

    fn report(excluded: Excluded) -> Report {
        Report::new(context(), &evaluate(&small(), excluded).unwrap())
    }

    #[test]
    fn new_individuals_are_told_with_what_chose_the_threshold_or_why_nothing_did() {
        let mut report = report(Excluded::Encounter);
        assert_eq!(open_set(&report), None);
        report.open_set.new_queries = 3;
        assert!(open_set(&report).unwrap().contains("3 queries show individuals without a photo in the gallery"));
        report.open_set = OpenSet {
            new_queries: 3,
            baks: Some(0.5),
            baus: Some(0.25),
            open_set_score: Some(0.353),
            threshold: Some(1.1),
            threshold_chosen_on: Some(ChosenOn::NewIndividuals),
        };
        let told = open_set(&report).unwrap();
        assert!(told.starts_with("Known and new: BAKS 0.500, BAUS 0.250, geometric mean 0.353"), "{told}");
        assert!(told.contains("known and new individuals of valid chose that"), "{told}");
    }

    #[test]
    fn the_leak_is_told_in_points() {
        let mut report = report(Excluded::Encounter);
        report.figures.rank1 = Some(0.304);
        report.without_exclusion.rank1 = Some(0.957);
        report.figures.queries = 112;
        report.leak = 109;
        assert_eq!(
            leak(&report),
            "With same-encounter photos rank-1 is 0.957: 65 points are the leak. 109 of 112 queries have \
             another photo of their own encounter in the gallery or among the other queries."
        );
        report.leak = 1;
        report.without_exclusion.rank1 = Some(0.3);
        assert!(leak(&report).contains("not higher than without. 1 of 112 queries has another photo of its own"));
        report.leak = 0;
        assert!(leak(&report).contains("a leak cannot be seen"));
    }

    #[test]
    fn queries_that_were_trained_on_and_luck_are_said() {
        let mut report = report(Excluded::Encounter);
        report.figures.queries = 100;
        report.figures.queries_without_match = 0;
        report.figures.rank1 = Some(0.14);
        report.chance.as_mut().unwrap().figures.rank1 = Some(0.064);
        let interval = report.intervals.as_mut().unwrap();
        interval.rank1 = [0.065, 0.2];
        assert_eq!(near_chance(&report), None);
        report.intervals.as_mut().unwrap().rank1 = [0.06, 0.2];
        assert!(near_chance(&report).is_some(), "its interval over individuals holds chance");
        report.intervals = None;
        assert_eq!((trained_on(&report), near_chance(&report)), (None, None));
        report.context.queries_trained_on = Some(0);
        assert_eq!(trained_on(&report), None);
        report.context.queries_trained_on = Some(7);
        report.figures.rank1 = Some(0.11); // two standard errors above chance are 0.113
        let page = page(&report, &[]);
        assert!(page.contains("7 of 100 queries are photos that this model was trained on"), "{page}");
        assert!(page.contains("not clearly above that of chance (0.064)"), "{page}");
    }

    #[test]
    fn the_page_has_every_figure_by_every_rule() {
        let report = report(Excluded::Encounter);
        let page = page(&report, &[]);
        let chance = report.chance.unwrap();
        for figures in [report.figures, report.without_exclusion, chance.figures] {
            for Row { name, of, .. } in ROWS {
                let value = share(of(&figures));
                let row = page.lines().find(|l| l.starts_with(&format!("| {name} |"))).unwrap();
                assert!(row.contains(&value), "{value} not in {row}");
            }
        }
        assert!(page.contains("65 points") || page.contains("the leak"), "{page}");
        assert!(page.contains("the part reported here: expect lower ones"), "{page}");
    }

    #[test]
    fn without_any_match_the_page_says_so_and_shows_no_nought() {
        let mut set = small();
        for (index, row) in set.rows.iter_mut().enumerate() {
            row.individual = format!("t{index}");
        }
        let report = Report::new(context(), &evaluate(&set, Excluded::Encounter).unwrap());
        assert_eq!(report.figures.rank1, None);
        let page = page(&report, &[]);
        assert!(page.contains("**No figures**"), "{page}");
        assert!(page.contains("| rank-1 | · | · | · | · |"), "{page}");
    }

    #[test]
    fn labels_stay_text() {
        let mut report = report(Excluded::None);
        report.context.dataset = "a|b](http://x)\u{1b}[31m<script>\n# *x* \u{202e}gpj".into();
        let picture = Picture { file: "pa irs)\u{1b}.png".into(), caption: "![x](y)".into() };
        let page = page(&report, &[picture]);
        assert!(!page.contains("<script>") && !page.contains('\u{1b}') && !page.contains('\u{202e}'));
        assert!(page.contains("a\\|b\\](http://x)\u{fffd}\\[31m&lt;script&gt; \\# \\*x\\*"), "{page}");
        assert!(page.contains("](pa%20irs%29%1B.png)"), "{page}");
    }
}
