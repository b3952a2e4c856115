//! `compare`: two evaluations on the same queries, and whether the difference could be luck.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, bail};
use clap::Args;

use crate::data::counted::counted;
use crate::data::foreign;
use crate::eval::report::REPORT_FILE;
use crate::eval::versus::{Difference, Parted, Side, Versus, versus};

use super::{Context, words};

/// Queries of one side that are listed for people.
const LISTED: usize = 10;
/// Above this a difference is put down to luck.
const LUCK: f64 = 0.05;

/// Arguments of `compare`.
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  caretta compare arcface-resnet50 triplet-resnet50\n  caretta compare arcface-resnet50 ./their_embeddings_evaluated --evaluation test"
)]
pub(super) struct CompareArgs {
    /// A run's id or folder, or the folder of an evaluation
    a: PathBuf,
    /// The other
    b: PathBuf,
    /// Which evaluation of the runs: its folder's name, as test or valid [default: the newest that both have]
    #[arg(long, value_name = "NAME")]
    evaluation: Option<String>,
}

pub(super) fn compare(context: &Context, args: &CompareArgs) -> Result<u8> {
    let [a, b] = [evaluations(context, &args.a)?, evaluations(context, &args.b)?];
    let (first, second) = match &args.evaluation {
        Some(name) => (a.named(name)?, b.named(name)?),
        None => common(&a, &b)?,
    };
    let read = |folder: &Path| Side::read(folder).with_context(|| format!("reading {}", foreign::path(folder)));
    let found = versus(&read(&first)?, &read(&second)?)?;
    context.answer(&found, || told(&found, [&first, &second]))?;
    Ok(0)
}

/// What somebody named, and the evaluations that are there by it.
struct Evaluations {
    given: PathBuf,
    /// Name and folder, the newest first; one without a name where a folder was given.
    found: Vec<(Option<String>, PathBuf)>,
}

fn evaluations(context: &Context, given: &Path) -> Result<Evaluations> {
    if given.join(REPORT_FILE).is_file() {
        return Ok(Evaluations { given: given.to_owned(), found: vec![(None, given.to_owned())] });
    }
    let run = context.workspace.find(given)?;
    let folders = std::fs::read_dir(run.evaluations()).into_iter().flatten().flatten();
    let mut found: Vec<_> = folders
        .filter_map(|entry| {
            let written = entry.path().join(REPORT_FILE).metadata().ok()?.modified().ok()?;
            Some((written, entry.file_name().into_string().ok()?, entry.path()))
        })
        .collect();
    found.sort_by(|a, b| b.cmp(a));
    if found.is_empty() {
        bail!("{} has no evaluation yet; caretta evaluate --model-path {} makes one", run.id(), foreign::path(given));
    }
    let found = found.into_iter().map(|(_, name, folder)| (Some(name), folder)).collect();
    Ok(Evaluations { given: given.to_owned(), found })
}

impl Evaluations {
    fn named(&self, name: &str) -> Result<PathBuf> {
        let is_it = |of: &Option<String>| of.as_deref().is_none_or(|of| of == name);
        if let Some((_, folder)) = self.found.iter().find(|(of, _)| is_it(of)) {
            return Ok(folder.clone());
        }
        bail!("{} has no evaluation {}; it has {}", foreign::path(&self.given), foreign::line(name), self.names())
    }

    fn names(&self) -> String {
        self.found.iter().filter_map(|(name, _)| name.as_deref().map(foreign::line)).collect::<Vec<_>>().join(", ")
    }
}

/// The newest evaluations of one name; of a folder the one that it is.
fn common(a: &Evaluations, b: &Evaluations) -> Result<(PathBuf, PathBuf)> {
    for (name, folder) in &a.found {
        let fits = |other: &&(Option<String>, PathBuf)| name.is_none() || other.0.is_none() || other.0 == *name;
        if let Some((_, other)) = b.found.iter().find(fits) {
            return Ok((folder.clone(), other.clone()));
        }
    }
    bail!(
        "{} and {} have no evaluation of the same name: the first has {}, the second {}; choose folders, or evaluate both on one part",
        foreign::path(&a.given),
        foreign::path(&b.given),
        a.names(),
        b.names()
    )
}

/// The comparison for people.
fn told(found: &Versus, folders: [&Path; 2]) -> String {
    let [a, b] = found.models.each_ref().map(|model| foreign::line(model));
    let word = if found.queries == 1 { "query" } else { "queries" };
    let mut text = format!(
        "A  {a}  ({})\nB  {b}  ({})\n{} {word} of {} that both were asked\n",
        foreign::path(folders[0]),
        foreign::path(folders[1]),
        found.queries,
        counted(found.individuals as u64, "individual"),
    );
    for (side, only) in ["A", "B"].into_iter().zip(found.queries_of_one).filter(|(_, only)| *only > 0) {
        text += &format!("left out: {only} that only {side} was asked, or had a match for\n");
    }
    if found.named_differently > 0 {
        text += &format!("left out: {} whose individual the two call differently\n", found.named_differently);
    }
    if !found.same_gallery {
        text += "the two searched different photos: a difference may be the gallery's\n";
    }
    let row = |name: &str, d: &Difference| {
        vec![
            name.to_owned(),
            format!("{:.3}", d.values[0]),
            format!("{:.3}", d.values[1]),
            format!("{:+.3}", d.difference),
            d.interval.map_or_else(|| "·".to_owned(), |[low, high]| format!("{low:+.3} to {high:+.3}")),
            format!("{:.3}", d.p),
        ]
    };
    let rows = [row("rank-1", &found.rank1), row("mAP", &found.map)];
    text += &format!("\n{}\n\n", words::table(&["", "A", "B", "B - A", "95 % interval", "p"], &rows));
    text += &format!("{}\n\n", verdict(found));
    text += &format!(
        "Right at rank 1: both {}, only A {}, only B {}, neither {} (McNemar over queries p {:.3}, which takes photos of one individual for independent)\n",
        found.both,
        found.only_first.len(),
        found.only_second.len(),
        found.neither,
        found.mcnemar_p
    );
    for (side, parted) in [("A", &found.only_first), ("B", &found.only_second)] {
        text += &listed(side, parted);
    }
    text.trim_end().to_owned()
}

/// What may be said of the two.
fn verdict(found: &Versus) -> String {
    let Difference { difference, p, .. } = found.rank1;
    if p >= LUCK {
        return format!(
            "On rank-1 the two cannot be told apart: swapping them individual by individual differs as much in {:.0} % of all ways.",
            p * 100.0
        );
    }
    let better = if difference > 0.0 { "B" } else { "A" };
    format!(
        "{better} is better on rank-1: swapping the two individual by individual differs as much in {:.1} % of all ways.",
        p * 100.0
    )
}

fn listed(side: &str, parted: &[Parted]) -> String {
    if parted.is_empty() {
        return String::new();
    }
    let rows: Vec<Vec<String>> = parted
        .iter()
        .take(LISTED)
        .map(|one| {
            let [a, b] = one.ranks.map(|rank| rank.to_string());
            vec![one.photo.clone(), one.individual.clone(), a, b]
        })
        .collect();
    let table = words::table(&["photo", "individual", "rank by A", "rank by B"], &rows);
    let more = parted.len().saturating_sub(LISTED);
    let more = if more > 0 { format!("\nand {more} more (--json lists all)") } else { String::new() };
    format!("\nOnly {side} gets\n{table}{more}\n")
}
