//! `compare`: two evaluations on the same queries, and whether the difference could be luck.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, bail};
use clap::Args;

use crate::data::foreign;
use crate::eval::report::REPORT_FILE;
use crate::eval::versus::{Side, versus, words};

use super::Context;

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
    context.answer(&found, || words::told(&found, [&first, &second]))?;
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
