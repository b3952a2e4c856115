//! `dataset split`: a table with a split beside, made by a strategy.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};
use clap::Args;
use serde_json::json;

use crate::data::check::same_pictures;
use crate::data::counted::counted;
use crate::data::decode::PhotoFile;
use crate::data::error::DataError;
use crate::data::split::{Columns, Made, MadeNumbers, Plan, Rows, STRATEGIES, SplitTable, Strategy, Take, Unseen};
use crate::data::{export, foreign, formats};
use crate::run::files;

use super::args::{Usage, dataset, workers};
use super::{Context, follow, words};

#[derive(Debug, Args)]
pub(super) struct SplitArgs {
    /// A table (no photo need be there), or a folder or the name of a dataset
    table: PathBuf,
    #[arg(long, value_parser = strategy, value_name = "NAME", help = format!(
        "How: {} [default: by-encounter where encounters are known, else closed]", names()
    ))]
    strategy: Option<&'static Strategy>,
    /// Share that trains [default: 0.8, for time-proportion 0.5]
    #[arg(long, visible_alias = "ratio-train", value_name = "X")]
    ratio: Option<f64>,
    /// Everything random follows from it
    #[arg(long, value_name = "N")]
    seed: Option<u32>,
    /// Share of photos whose individuals never train (open: 0.1, disjoint: what --ratio leaves)
    #[arg(long, value_name = "X", conflicts_with = "n_class_test")]
    ratio_class_test: Option<f64>,
    /// Individuals that never train (open, disjoint)
    #[arg(long, value_name = "N")]
    n_class_test: Option<usize>,
    /// The year to test on [default: the one that comes nearest to --ratio]
    #[arg(long, value_name = "YEAR", conflicts_with = "all_years")]
    year: Option<i16>,
    /// Test on all years from that one on
    #[arg(long)]
    and_later: bool,
    /// A split for every year but the first: split_2014, split_2015 and so on
    #[arg(long)]
    all_years: bool,
    /// Parts of a k-fold: split_fold0, split_fold1 and so on [default: 5]
    #[arg(long, value_name = "K")]
    folds: Option<usize>,
    /// Do not look at the photos; else by-encounter and k-fold keep near duplicates on one side, where photos are there
    #[arg(long)]
    without_photos: bool,
    /// Threads that look at photos
    #[arg(long, default_value_t = 2, value_parser = workers, value_name = "N")]
    workers: usize,
    /// Name of the column; one that is there already gives way
    #[arg(long, default_value = "split", value_name = "NAME")]
    column: String,
    /// The table's column that says who is on a photo [default: identity]
    #[arg(long, value_name = "NAME")]
    individual_column: Option<String>,
    /// The table's column that says when a photo was taken [default: date, else timestamp]
    #[arg(long, value_name = "NAME")]
    date_column: Option<String>,
    /// Write the table here
    #[arg(long, value_name = "FILE")]
    output: PathBuf,
}

/// Columns made at once: a table with more splits than it and a few is not read.
const MOST_MADE: usize = 48;

/// What strategies there are, for messages.
fn names() -> String {
    STRATEGIES.iter().map(|s| s.name()).collect::<Vec<_>>().join(", ")
}

/// The help of a verb's flag that takes [`one_split`].
pub(super) fn one_split_help() -> String {
    let names: Vec<_> = STRATEGIES.iter().filter(|s| s.makes_one()).map(|s| s.name()).collect();
    format!("A split made by this strategy instead: {}", names.join(", "))
}

/// The strategy of this name that makes one split, for verbs that see one.
pub(super) fn one_split(text: &str) -> Result<&'static Strategy, String> {
    let found = strategy(text)?;
    if !found.makes_one() {
        return Err(format!(
            "{} makes several splits: `dataset split` writes them, --split-column takes one",
            found.name()
        ));
    }
    Ok(found)
}

/// The strategy of this name.
pub(super) fn strategy(text: &str) -> Result<&'static Strategy, String> {
    Strategy::named(text).ok_or_else(|| format!("the strategies are {}", names()))
}

impl SplitArgs {
    /// What was said of the split. Refuses what the strategy does not look at.
    fn plan(&self, strategy: &Strategy) -> Result<Plan> {
        let said = [
            (Take::Ratio, "--ratio", self.ratio.is_some()),
            (Take::Unseen, "--ratio-class-test", self.ratio_class_test.is_some()),
            (Take::Unseen, "--n-class-test", self.n_class_test.is_some()),
            (Take::Year, "--year", self.year.is_some()),
            (Take::Year, "--and-later", self.and_later),
            (Take::Year, "--all-years", self.all_years),
            (Take::Folds, "--folds", self.folds.is_some()),
        ];
        // a seed does no harm where nothing is random, and scripts give it to all
        if let Some((_, flag, _)) = said.iter().find(|(take, _, said)| *said && !strategy.takes.contains(take)) {
            return Err(Usage(format!("{flag} does not apply to {}", strategy.name())).into());
        }
        let usual = Plan::default();
        let share = self.ratio_class_test.map(Unseen::Share);
        Ok(Plan {
            ratio: self.ratio,
            seed: self.seed.unwrap_or(usual.seed),
            unseen: share.or(self.n_class_test.map(Unseen::Individuals)),
            year: self.year,
            later: self.and_later,
            every_year: self.all_years,
            folds: self.folds.unwrap_or(usual.folds),
        })
    }
}

/// What is to be split: a table as it stands, or the photos of a dataset as they were corrected.
enum Given {
    Table(Box<SplitTable>),
    Dataset(Box<crate::data::manifest::Manifest>),
}

impl Given {
    fn read(context: &Context, args: &SplitArgs) -> Result<Given> {
        if args.table.is_file() {
            let columns = Columns { individual: args.individual_column.clone(), date: args.date_column.clone() };
            return Ok(Given::Table(Box::new(SplitTable::read(&args.table, &columns)?)));
        }
        let named = [("--individual-column", &args.individual_column), ("--date-column", &args.date_column)];
        if let Some((flag, _)) = named.iter().find(|(_, column)| column.is_some()) {
            return Err(Usage(format!("{flag} applies to a table's file only")).into());
        }
        Ok(Given::Dataset(Box::new(dataset(context, &args.table)?)))
    }

    /// The photos' files, one a row.
    fn files(&self) -> Vec<Option<PhotoFile>> {
        match self {
            Given::Table(table) => table.files(),
            Given::Dataset(manifest) => (0..manifest.photos.len()).map(|photo| Some(manifest.file(photo))).collect(),
        }
    }

    /// The table with a column for each of `made`.
    fn with(self, made: Vec<Made>, column: &str, output: &Path) -> Result<Vec<u8>, DataError> {
        match self {
            Given::Table(table) => table.with(&made, column),
            Given::Dataset(mut manifest) => {
                let columns = made.into_iter().map(|made| (format!("{column}{}", made.suffix), made.parts));
                manifest.split_columns.extend(columns);
                export::table(&manifest, formats::path_column(output))
            }
        }
    }
}

pub(super) fn split(context: &Context, args: &SplitArgs) -> Result<u8> {
    let shown = foreign::path(&args.output);
    if args.column != "split" && !args.column.starts_with("split_") {
        return Err(Usage(format!(
            "--column {}: only split and names that begin with split_ are read as splits; call it split_{0}",
            foreign::line(&args.column)
        ))
        .into());
    }
    if args.output.exists() {
        return Err(Usage(format!("--output {shown}: there is something already; choose another name")).into());
    }
    let given = Given::read(context, args)?;
    let mut rows = match &given {
        Given::Table(table) => {
            words::say_problems(table.problems());
            table.rows().clone()
        }
        Given::Dataset(manifest) => {
            words::say_problems(&manifest.problems);
            Rows::of(manifest)
        }
    };
    let mut alike = None;
    // wildlife-datasets' rows are for who asks for them
    let is_ours = args.strategy.is_none_or(|strategy| strategy.takes.contains(&Take::Pictures));
    if is_ours && !args.without_photos {
        let Some(groups) = same_pictures_of(context, &given.files(), args.workers)? else {
            return Ok(super::INTERRUPTED);
        };
        rows.keep_together(&groups);
        alike = (!groups.is_empty()).then_some(groups.len());
    }
    let strategy = args.strategy.unwrap_or_else(|| Strategy::usual(&rows));
    let plan = args.plan(strategy)?;
    let made = strategy.split(&rows, &plan)?;
    if made.len() > MOST_MADE {
        return Err(Usage(format!("{} columns at once: {MOST_MADE} are the most", made.len())).into());
    }
    let name = |made: &Made| format!("{}{}", args.column, made.suffix);
    let numbers: Vec<_> = made.iter().map(|made| MadeNumbers::of(&rows, made, name(made))).collect();
    let root = match &given {
        Given::Table(_) => None,
        Given::Dataset(manifest) => Some(manifest.root.clone()),
    };
    let table = given.with(made, &args.column, &args.output).with_context(|| format!("--output {shown}"))?;
    files::replace(&args.output, &table)?;
    let takes = |take| strategy.takes.contains(&take);
    let ratio = if takes(Take::Ratio) { Some(strategy.ratio(&plan)?) } else { None };
    let seed = takes(Take::Seed).then_some(plan.seed);
    let answer = json!({
        "table": shown, "strategy": strategy.name(), "ratio": ratio, "seed": seed, "photos": rows.len(), "near_duplicates": alike, "splits": numbers,
    });
    context.answer(&answer, || {
        let told: Vec<String> = numbers.iter().map(told).collect();
        let kept = alike
            .map_or(String::new(), |n| format!(", {} that show nearly the same kept on one side", counted(n, "group")));
        let empty = numbers.iter().filter(|made| made.test.photos == 0).map(|made| made.column.clone());
        let empty = empty.collect::<Vec<_>>().join(", ");
        if !empty.is_empty() {
            words::say(&format!(
                "warning: {empty} has no photo to test; another ratio, fewer folds or --without-photos may"
            ));
        }
        let place = root.map_or_else(String::new, |root| {
            format!("\nIt names the photos from {}: as a dataset it has to lie there", foreign::path(&root))
        });
        format!(
            "{shown}: {} split {}{kept}\n\n{}{place}",
            counted(rows.len(), "photo"),
            strategy.name(),
            told.join("\n")
        )
    })?;
    Ok(0)
}

/// Groups of photos that show the same; none after Ctrl-C. Photos that are not there are in no group.
fn same_pictures_of(context: &Context, files: &[Option<PhotoFile>], workers: usize) -> Result<Option<Vec<Vec<usize>>>> {
    if !files.iter().flatten().any(|file| file.path.is_file()) {
        return Ok(Some(Vec::new()));
    }
    context.catch_signals()?;
    let bar = follow::bar(files.len() as u64, "looking at photos", context.global.json);
    let groups = same_pictures(files, workers, |done| {
        bar.set_position(done as u64);
        !context.is_interrupted()
    });
    bar.finish_and_clear();
    match groups {
        Err(DataError::Interrupted) => {
            words::say("interrupted; nothing was written");
            Ok(None)
        }
        other => Ok(Some(other?)),
    }
}

/// A split's numbers for people.
fn told(numbers: &MadeNumbers) -> String {
    let part = |name: &str, of: &crate::data::split::PartNumbers| {
        vec![name.to_owned(), of.photos.to_string(), of.individuals.to_string(), of.encounters.to_string()]
    };
    let rows = [
        part("train", &numbers.train),
        part("test", &numbers.test),
        vec![
            "in both".into(),
            "·".into(),
            numbers.individuals_in_both.to_string(),
            numbers.encounters_in_both.to_string(),
        ],
        vec!["in none".into(), numbers.none.to_string(), "·".into(), "·".into()],
    ];
    let unknown = if numbers.unknown > 0 {
        format!("; of {} nobody can tell, undated as they are", numbers.unknown)
    } else {
        String::new()
    };
    format!(
        "{}\nthe leak: {} of {} tested have another photo of their own encounter in train or test, {} of them in train{unknown}\n",
        words::table(&[&numbers.column, "photos", "individuals", "encounters"], &rows),
        numbers.leak,
        counted(numbers.test.photos, "photo"),
        numbers.leak_to_train,
    )
}
