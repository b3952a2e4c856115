//! `dataset`: what lies in a dataset, and the names under which the workspace knows them.

use std::path::{Path, PathBuf};

use anyhow::Result;
use clap::{Args, Subcommand};
use serde_json::json;

use crate::data::DataError;
use crate::data::augment::EFFECTS;
use crate::data::columns::Columns;
use crate::data::counted::counted;
use crate::data::foreign;
use crate::data::manifest::Manifest;
use crate::data::overview::Overview;
use crate::data::preview::{PreviewPlan, preview};
use crate::data::sizes::Sizes;
use crate::data::split::{SplitChoice, Strategy};
use crate::data::synth::SynthPlan;
use crate::eval::figures::write_png;
use crate::train::demo::turtles;
use crate::train::error::TrainError;

use super::args::{Usage, only_png};
use super::check::CheckArgs;
use super::corrections::{CorrectArgs, CorrectionsArgs, ExportArgs};
use super::split::SplitArgs;
use super::{Context, check, corrections, follow, pictures, split, words};

/// The verbs of `dataset`.
#[derive(Debug, Subcommand)]
pub(super) enum DatasetVerb {
    /// Give photos a name that --data-dir takes
    #[command(
        after_help = "Examples:\n  caretta dataset add photos/\n  caretta dataset add /data/seaturtleid2022 --name zakynthos\n  caretta dataset add sightings.tsv --columns path=Photo,individual=Turtle,date=Day"
    )]
    Add(AddArgs),
    /// List the datasets that have a name, added and drawn
    #[command(after_help = "Examples:\n  caretta dataset ls\n  caretta dataset ls --json")]
    Ls,
    /// Forget a name; the photos stay
    #[command(after_help = "Example:\n  caretta dataset rm zakynthos")]
    Rm(RmArgs),
    /// Count individuals, photos and encounters; show the split, its leak, and what is wrong
    #[command(
        after_help = "Examples:\n  caretta dataset inspect photos/\n  caretta dataset inspect zakynthos --split-column split_open --json"
    )]
    Inspect(InspectArgs),
    /// Look at every photo: what cannot be read, what is there twice, what contradicts itself, and what training does about it
    #[command(after_help = "Examples:\n  caretta dataset check photos/\n  caretta dataset check zakynthos --json")]
    Check(CheckArgs),
    /// Say which photos train and which are tested: a column of its own in a copy of the table
    #[command(
        after_help = "Examples:\n  caretta dataset split metadata.csv --output split.csv\n  caretta dataset split metadata.csv --strategy closed --ratio 0.8 --seed 666 --output closed.csv\n  caretta dataset split zakynthos --strategy open --n-class-test 20 --column split_open --output open.csv\n  caretta dataset split metadata.csv --strategy time-cutoff --year 2018 --output cutoff.csv\n  caretta dataset split metadata.csv --strategy k-fold --folds 5 --output folds.csv"
    )]
    Split(SplitArgs),
    /// Set right who is on a photo, its day, or the part of it that counts; the photos and their table stay as they are
    #[command(
        after_help = "Examples:\n  caretta dataset correct zakynthos t014/IMG_2.jpg --individual t022 --date 2019-08-02\n  caretta dataset correct photos/ t014/IMG_2.jpg --crop 0.31,0.2,0.25,0.3\n  caretta dataset correct photos/ t014/IMG_2.jpg --clear"
    )]
    Correct(CorrectArgs),
    /// List what was corrected about a dataset
    #[command(after_help = "Example:\n  caretta dataset corrections zakynthos --json")]
    Corrections(CorrectionsArgs),
    /// Write a dataset as it was corrected as a table: photo, individual, date, encounter, splits, crop
    #[command(after_help = "Example:\n  caretta dataset export zakynthos --output corrected.csv")]
    Export(ExportArgs),
    /// Draw a dataset of synthetic turtles into the workspace
    #[command(
        after_help = "Examples:\n  caretta dataset synth\n  caretta dataset synth --individuals 40 --encounters 6 --seed 7"
    )]
    Synth(SynthArgs),
    /// Draw a page of augmented photos, as a network in training sees them
    #[command(
        after_help = "Examples:\n  caretta dataset preview photos/ --set augment.haze=0.5 --output preview.png\n  caretta dataset preview photos/ --each --set augment.caustics=1"
    )]
    Preview(PreviewArgs),
}

#[derive(Debug, Args)]
pub(super) struct AddArgs {
    /// A folder or a table
    path: PathBuf,
    /// The name [default: that of the folder]
    #[arg(long)]
    name: Option<String>,
    /// What a table's columns are, where they go by names of their own: path, individual, date, encounter, side, bbox, split;
    /// remembered for this table
    #[arg(long, value_name = "path=FILE,individual=NAME,..")]
    columns: Option<String>,
}

#[derive(Debug, Args)]
pub(super) struct RmArgs {
    /// The name
    name: String,
}

#[derive(Debug, Args)]
pub(super) struct InspectArgs {
    /// A folder, a table or the name of a dataset
    dataset: PathBuf,
    /// The table's column that says which part a photo is in [default: split, else split_closed]
    #[arg(long, alias = "split_column", value_name = "NAME")]
    split_column: Option<String>,
    #[arg(long, help = split::one_split_help(), value_parser = split::one_split, value_name = "STRATEGY", conflicts_with = "split_column")]
    split: Option<&'static Strategy>,
    /// Tell every problem, not a line a kind; under --json, too
    #[arg(long)]
    problems: bool,
}

#[derive(Debug, Args)]
pub(super) struct SynthArgs {
    /// Individuals
    #[arg(long, default_value_t = SynthPlan::default().individuals, value_name = "N")]
    individuals: usize,
    /// Encounters of each
    #[arg(long, default_value_t = SynthPlan::default().encounters, value_name = "N")]
    encounters: usize,
    /// Photos of each encounter
    #[arg(long, default_value_t = SynthPlan::default().photos, value_name = "N")]
    photos: usize,
    /// Width of a photo in pixels; three quarters of it is the height
    #[arg(long, default_value_t = SynthPlan::default().width, value_name = "PIXELS")]
    width: u32,
    /// Everything follows from it
    #[arg(long, default_value_t = SynthPlan::default().seed, value_name = "N")]
    seed: u64,
}

#[derive(Debug, Args)]
pub(super) struct PreviewArgs {
    /// A folder, a table or the name of a dataset
    dataset: PathBuf,
    /// Side of a photo, in pixels
    #[arg(long, alias = "image_size", default_value_t = 224, value_name = "PIXELS")]
    image_size: u32,
    /// A value of the augmentation, as augment.haze=0.5 (may be given several times)
    #[arg(long, value_name = "KEY=VALUE")]
    set: Vec<String>,
    /// Photos on the page, each in three versions
    #[arg(long, default_value_t = 6, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=40))]
    photos: u16,
    /// Each augmentation alone, in a row for a photo
    #[arg(long)]
    each: bool,
    /// Seed of everything random
    #[arg(long, default_value_t = 666, value_name = "N")]
    seed: u64,
    /// Write the picture here
    #[arg(long, default_value = "preview.png", value_name = "FILE")]
    output: PathBuf,
}

pub(super) fn dataset(context: &Context, verb: &DatasetVerb) -> Result<u8> {
    match verb {
        DatasetVerb::Add(args) => add(context, args),
        DatasetVerb::Ls => list(context),
        DatasetVerb::Rm(args) => remove(context, args),
        DatasetVerb::Inspect(args) => inspect(context, args),
        DatasetVerb::Check(args) => check::dataset_check(context, args),
        DatasetVerb::Split(args) => split::split(context, args),
        DatasetVerb::Correct(args) => corrections::correct(context, args),
        DatasetVerb::Corrections(args) => corrections::list(context, args),
        DatasetVerb::Export(args) => corrections::export(context, args),
        DatasetVerb::Synth(args) => synth(context, args),
        DatasetVerb::Preview(args) => draw_preview(context, args),
    }
}

fn open(context: &Context, given: &Path) -> Result<Manifest> {
    Ok(context.workspace.open_dataset(context.workspace.data_dir(given)?.as_ref())?)
}

fn add(context: &Context, args: &AddArgs) -> Result<u8> {
    if let Some(text) = &args.columns {
        let columns = Columns::of(&args.path, text).map_err(|e| Usage(format!("--columns: {e}")))?;
        context.workspace.name_columns(&args.path, &columns)?;
    }
    let (known, manifest) = context.workspace.adopt_dataset(&args.path, args.name.as_deref())?;
    words::say_problems(&manifest.problems);
    let counts = manifest.counts();
    context.answer(&json!({ "name": known.name, "path": foreign::path(&known.path) }), || {
        format!(
            "{}: {} of {} in {}\nNext: caretta dataset inspect {}",
            known.name,
            counted(counts.photos, "photo"),
            counted(counts.individuals, "individual"),
            foreign::path(&known.path),
            known.name
        )
    })?;
    Ok(0)
}

fn list(context: &Context) -> Result<u8> {
    let known = context.workspace.known_datasets()?;
    context.answer(&json!({ "datasets": known }), || {
        if known.is_empty() {
            return "No datasets yet. Next: caretta dataset add PHOTOS, or caretta dataset synth".into();
        }
        let rows: Vec<_> = known
            .iter()
            .map(|d| vec![d.name.clone(), if d.drawn { "drawn" } else { "added" }.into(), foreign::path(&d.path)])
            .collect();
        words::table(&["dataset", "", "where"], &rows)
    })?;
    Ok(0)
}

fn remove(context: &Context, args: &RmArgs) -> Result<u8> {
    let gone = context.workspace.forget_dataset(&args.name)?;
    context.answer(&json!({ "forgotten": gone.name }), || {
        format!("{} is no name any more; the photos stay in {}", gone.name, foreign::path(&gone.path))
    })?;
    Ok(0)
}

fn inspect(context: &Context, args: &InspectArgs) -> Result<u8> {
    let manifest = open(context, &args.dataset)?;
    let choice = SplitChoice::of(args.split_column.clone(), args.split);
    let overview = Overview::of(&manifest, &choice)?;
    let Some(sizes) = sizes(context, &manifest)? else { return Ok(super::INTERRUPTED) };
    if context.global.json {
        words::say_problems(&overview.problems);
        let mut answer = serde_json::to_value(&overview)?;
        answer["sizes"] = serde_json::to_value(&sizes)?;
        if args.problems {
            answer["problems"] = overview.problems.iter().map(|problem| problem.told()).collect();
        }
        return context.answer(&answer, String::new).map(|()| 0);
    }
    if args.problems {
        overview.problems.iter().for_each(|problem| words::say(&problem.told()));
    } else {
        words::say_problems(&overview.problems);
    }
    context.answer(&overview, || numbers(&overview, sizes.as_ref(), &manifest.alike_told()))?;
    Ok(0)
}

/// How large the photos are, where any tells it; none at all when the user interrupts.
fn sizes(context: &Context, manifest: &Manifest) -> Result<Option<Option<Sizes>>> {
    let paths: Vec<PathBuf> = (0..manifest.photos.len()).map(|photo| manifest.full_path(photo)).collect();
    context.catch_signals()?;
    let bar = follow::bar(paths.len() as u64, "reading sizes", context.global.json);
    let read = Sizes::read(&paths, SIZE_THREADS, |done| {
        bar.set_position(done as u64);
        !context.is_interrupted()
    });
    bar.finish_and_clear();
    match read {
        Err(DataError::Interrupted) => {
            words::say("interrupted before the size of every photo was read");
            Ok(None)
        }
        other => Ok(Some(other?)),
    }
}

/// Threads that read sizes: the disk is what they wait for.
const SIZE_THREADS: usize = 4;

/// The numbers of a dataset for people.
fn numbers(of: &Overview, sizes: Option<&Sizes>, alike: &str) -> String {
    let days = of.days.map_or_else(|| "undated".to_owned(), |(first, last)| format!("{first} to {last}"));
    let corrected = match of.corrected {
        0 => String::new(),
        n => format!(" · {} corrected", counted(n, "photo")),
    };
    let mut text = format!(
        "{} · {} · {} · {} · {days}{corrected}\n",
        of.name,
        counted(of.counts.individuals, "individual"),
        counted(of.counts.photos, "photo"),
        counted(of.counts.encounters, "encounter"),
    );
    let known = [("sides", of.sides.told()), ("pixels", sizes.map(Sizes::told))];
    known.iter().for_each(|(name, told)| text += &told.as_ref().map_or_else(String::new, |t| format!("{name} {t}\n")));
    text += alike;
    let split = &of.split;
    text += &format!("\n\nsplit {}: train {}, valid {}, test {}", split.name, split.train, split.valid, split.test);
    if split.none > 0 {
        text += &format!(", in no part {}", split.none);
    }
    text += &match split.query_part {
        Some(part) => words::wrapped(&format!(
            "\nasked about {}: {}, {} of individuals unknown to train. {}",
            part.word(),
            counted(split.queries, "photo"),
            split.unseen,
            split.leak_told()
        )),
        None => "\nnothing to ask about: no rank-1 can be measured".to_owned(),
    };
    text += &format!(
        "\n{} met in a single encounter: no photo of them has an honest match\n\n",
        counted(of.single_encounter, "individual")
    );
    let day = |day: Option<jiff::civil::Date>| day.map_or_else(|| "·".to_owned(), |d| d.to_string());
    let mut seen: Vec<_> = of.individuals_seen.iter().collect();
    seen.sort_by(|a, b| b.photos.cmp(&a.photos).then_with(|| a.name.cmp(&b.name)));
    let rows: Vec<_> = seen
        .iter()
        .take(MOST_LISTED)
        .map(|i| vec![i.name.clone(), i.photos.to_string(), i.encounters.to_string(), day(i.first), day(i.last)])
        .collect();
    text += &words::table(&["individual", "photos", "encounters", "first", "last"], &rows);
    if let Some(more) = seen.len().checked_sub(MOST_LISTED).filter(|&more| more > 0) {
        text += &format!("\n… and {more} more; --json has all");
    }
    text
}

/// Individuals listed at most, those with the most photos.
const MOST_LISTED: usize = 20;

fn synth(context: &Context, args: &SynthArgs) -> Result<u8> {
    let plan = SynthPlan {
        individuals: args.individuals,
        encounters: args.encounters,
        photos: args.photos,
        width: args.width,
        height: args.width / 4 * 3,
        seed: args.seed,
    };
    context.catch_signals()?;
    let bar = follow::bar(plan.total() as u64, "drawing", context.global.json);
    let drawn = turtles(&context.workspace.datasets(), &plan, &|done, _| {
        bar.set_position(done as u64);
        !context.is_interrupted()
    });
    bar.finish_and_clear();
    if let (Err(TrainError::Synth(_)), true) = (&drawn, context.is_interrupted()) {
        words::say("interrupted; nothing was drawn");
        return Ok(super::INTERRUPTED);
    }
    let folder = drawn?;
    let name = folder.file_name().map_or_else(String::new, |n| n.to_string_lossy().into_owned());
    context.answer(&json!({ "name": name, "path": foreign::path(&folder), "photos": plan.total() }), || {
        format!(
            "{name}: {} in {}\nNext: caretta train arcface --data-dir {name} --backbone resnet18 --image-size 64",
            counted(plan.total(), "photo"),
            foreign::path(&folder)
        )
    })?;
    Ok(0)
}

fn draw_preview(context: &Context, args: &PreviewArgs) -> Result<u8> {
    only_png(Some(&args.output))?;
    let manifest = open(context, &args.dataset)?;
    let mut config = crate::run::Config::preset(crate::run::Method::Arcface);
    super::args::assign(&mut config, &args.set)?;
    config.set("data.image_size", &args.image_size.to_string())?;
    let plan = PreviewPlan {
        augment: config.augment,
        side: args.image_size,
        photos: usize::from(args.photos),
        versions: (!args.each).then_some(3),
        seed: args.seed,
    };
    let shown = preview(&manifest, &plan)?;
    let picture = shown.page(plan.columns());
    write_png(&args.output, &picture)?;
    words::say_problems(&shown.problems);
    let photos: Vec<_> = shown.names.iter().map(|n| foreign::line(n)).collect();
    let alone: Vec<_> = EFFECTS.iter().filter(|_| args.each).map(|effect| effect.name).collect();
    let value = json!({ "picture": foreign::path(&args.output), "photos": photos, "alone": alone });
    context.answer(&value, || {
        let how = match alone.join(", ") {
            none if none.is_empty() => "as a network in training sees it".to_owned(),
            names => format!("with one augmentation each: {names}"),
        };
        format!("{}: each row a photo as it is, then {how}", foreign::path(&args.output))
    })?;
    pictures::show(&picture, context.global.images, context.global.json);
    Ok(0)
}
