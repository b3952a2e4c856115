//! `dataset correct`, `dataset corrections` and `dataset export`: what a person sets right about a photo, the list of it,
//! and the dataset with it as a table.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};
use clap::Args;
use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::TimeZone;
use serde::Serialize;
use serde_json::json;

use crate::data::corrections::Correction;
use crate::data::counted::counted;
use crate::data::crop::Crop;
use crate::data::manifest::ProblemKind;
use crate::data::{corrections, export, foreign, formats};
use crate::run::files;

use super::args::{Usage, dataset};
use super::{Context, words};

#[derive(Debug, Args)]
pub(super) struct CorrectArgs {
    /// A folder, a table or the name of a dataset
    dataset: PathBuf,
    /// The photo, by its path from the dataset's folder
    photo: PathBuf,
    #[command(flatten)]
    change: Change,
}

#[derive(Debug, Args)]
#[group(required = true, multiple = true)]
struct Change {
    /// Who is on it; unknown leaves the photo out
    #[arg(long, value_name = "ID")]
    individual: Option<String>,
    /// The day it was taken, as 2019-08-02
    #[arg(long, value_parser = day, value_name = "DATE")]
    date: Option<Date>,
    /// The part that counts: left, top, width and height in shares of the upright photo; 0,0,1,1 is all of it
    #[arg(long, value_parser = crop, value_name = "X,Y,W,H", allow_hyphen_values = true)]
    crop: Option<Crop>,
    /// Take back all that was corrected about it
    #[arg(long, conflicts_with_all = ["individual", "date", "crop"])]
    clear: bool,
}

#[derive(Debug, Args)]
pub(super) struct CorrectionsArgs {
    /// A folder, a table or the name of a dataset
    dataset: PathBuf,
}

#[derive(Debug, Args)]
pub(super) struct ExportArgs {
    /// A folder, a table or the name of a dataset
    dataset: PathBuf,
    /// Write the table here; it names photos by their path from the dataset's folder
    #[arg(long, value_name = "FILE")]
    output: PathBuf,
}

fn day(text: &str) -> Result<Date, String> {
    corrections::day(text, TimeZone::UTC.to_datetime(Timestamp::now()).date()).map_err(|e| e.to_string())
}

fn crop(text: &str) -> Result<Crop, String> {
    text.parse().map_err(|e: crate::data::crop::CropError| e.to_string())
}

/// A photo and its correction, as `--json` has it.
#[derive(Serialize)]
struct Row<'a> {
    photo: &'a str,
    individual: Option<&'a str>,
    date: Option<Date>,
    crop: Option<[f64; 4]>,
}

impl<'a> Row<'a> {
    fn of(photo: &'a Path, correction: &'a Correction) -> Row<'a> {
        // what is in a table of corrections is UTF-8
        let photo = photo.to_str().unwrap_or_default();
        let Correction { individual, date, crop } = correction;
        Row { photo, individual: individual.as_deref(), date: *date, crop: crop.map(Crop::shares) }
    }
}

pub(super) fn correct(context: &Context, args: &CorrectArgs) -> Result<u8> {
    let Change { individual, date, crop, clear } = &args.change;
    if individual.as_ref().is_some_and(|name| name.trim().is_empty()) {
        return Err(Usage("--individual: give a name, or unknown where nobody is to be named".into()).into());
    }
    let dir = PathBuf::from(context.workspace.data_dir(&args.dataset)?);
    let done = context.workspace.correct(&dir, &args.photo, |correction| {
        if *clear {
            *correction = Correction::default();
        }
        correction.individual = individual.clone().or(correction.individual.take());
        correction.date = date.or(correction.date);
        correction.crop = crop.or(correction.crop);
    })?;
    let row = Row::of(&done.photo, &done.correction);
    let stale = |p: &&crate::data::manifest::Problem| {
        p.kind == ProblemKind::StaleCorrection && p.photo.as_deref() == Some(row.photo)
    };
    // the file is there, and a table may still not list it
    if let Some(problem) = context.workspace.open_dataset(&dir)?.problems.iter().find(stale) {
        words::say(&problem.told());
    }
    let mut answer = serde_json::to_value(&row)?;
    answer["table"] = foreign::path(&done.table).into();
    context.answer(&answer, || {
        let shown = foreign::line(row.photo);
        if done.correction.is_empty() {
            return format!("{shown} counts as its files have it");
        }
        let Correction { individual, date, crop } = &done.correction;
        let parts = [
            individual.as_ref().map(|name| format!("individual {}", foreign::line(name))),
            date.map(|date| format!("date {date}")),
            crop.map(|crop| format!("crop {crop}")),
        ];
        let parts: Vec<_> = parts.into_iter().flatten().collect();
        let dataset = foreign::path(&args.dataset);
        format!("{shown}: {}\nNext: caretta dataset corrections {dataset}", parts.join(", "))
    })?;
    Ok(0)
}

pub(super) fn list(context: &Context, args: &CorrectionsArgs) -> Result<u8> {
    let dir = PathBuf::from(context.workspace.data_dir(&args.dataset)?);
    let corrections = context.workspace.corrections(&dir)?;
    let table = foreign::path(&context.workspace.corrections_file(&dir)?);
    let rows: Vec<_> = corrections.iter().map(|(photo, correction)| Row::of(photo, correction)).collect();
    context.answer(&json!({ "corrections": rows, "table": table }), || {
        let dataset = foreign::path(&args.dataset);
        if rows.is_empty() {
            return format!("Nothing is corrected. Next: caretta dataset correct {dataset} PHOTO --individual ID");
        }
        let cell = |text: Option<String>| text.unwrap_or_else(|| "·".to_owned());
        let line = |(photo, c): (&Path, &Correction)| {
            let photo = photo.to_string_lossy().into_owned();
            let [individual, date] = [c.individual.clone(), c.date.map(|d| d.to_string())].map(cell);
            vec![photo, individual, date, cell(c.crop.map(|crop| crop.to_string()))]
        };
        let lines: Vec<_> = corrections.iter().map(line).collect();
        let rows = words::table(&["photo", "individual", "date", "crop"], &lines);
        format!("{rows}\n\n{} in {table}", counted(lines.len(), "photo"))
    })?;
    Ok(0)
}

pub(super) fn export(context: &Context, args: &ExportArgs) -> Result<u8> {
    let manifest = dataset(context, &args.dataset)?;
    let shown = foreign::path(&args.output);
    if args.output.exists() {
        return Err(Usage(format!("--output {shown}: there is something already; choose another name")).into());
    }
    let table =
        export::table(&manifest, formats::path_column(&args.output)).with_context(|| format!("--output {shown}"))?;
    files::replace(&args.output, &table)?;
    let (photos, corrected) = (manifest.photos.len(), manifest.corrected);
    let root = foreign::path(&manifest.root);
    let answer = json!({ "table": shown, "photos": photos, "corrected": corrected, "root": root });
    context.answer(&answer, || {
        format!(
            "{shown}: {}, {corrected} of them as corrected\nIt names them from {root}: as a dataset it has to lie there",
            counted(photos, "photo")
        )
    })?;
    Ok(0)
}
