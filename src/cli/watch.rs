//! `watch`: photos named as they arrive.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::Result;
use clap::Args;
use unicode_width::UnicodeWidthStr;

use crate::data::counted::counted;
use crate::data::foreign;
use crate::gallery::answers::Answers;
use crate::gallery::asked::{Asked, EncountersBy, Given};
use crate::gallery::identify::{Catalogue, Decision, identify};
use crate::gallery::store::Gallery;
use crate::gallery::watch::Watcher;
use crate::nn::ops::Backend;
use crate::nn::ops::device::on_device;
use crate::run::RunError;

use super::args::{PhotoFlags, Usage};
use super::identify::{HEAD, PROBABILITY, already, cells, print_line, say_what_is_decided_one_by_one, seen};
use super::of_gallery::ModelFlags;
use super::{Context, words};

/// Arguments of `watch`.
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  caretta watch incoming/ --gallery turtles.gallery        appends to incoming.jsonl\n  caretta watch incoming/ --gallery turtles.gallery --output named.jsonl"
)]
pub(super) struct WatchArgs {
    /// Where photos arrive: each sub-folder is one encounter, each loose photo its own
    folder: PathBuf,
    #[command(flatten)]
    gallery: ModelFlags,
    /// Append the decisions to this file, an object a line; started again, it goes on where it was. Of an encounter whose
    /// photos came at several times, the last line counts [default: beside the folder, by its name with .jsonl]
    #[arg(long, value_name = "FILE")]
    output: Option<PathBuf>,
    /// Seconds for which the photos of an encounter must not have changed
    #[arg(long, default_value_t = 5.0, value_name = "SECONDS")]
    quiet: f64,
    #[command(flatten)]
    photos: PhotoFlags,
}

/// Between two looks.
const BREATH: Duration = Duration::from_millis(500);

pub(super) fn watch(context: &Context, args: &WatchArgs) -> Result<u8> {
    context.catch_signals()?;
    let device = args.photos.device.open()?;
    on_device!(&device, device => watch_on(context, args, device))
}

fn watch_on<D: Backend>(context: &Context, args: &WatchArgs, device: &D) -> Result<u8> {
    let quiet = Duration::try_from_secs_f64(args.quiet).map_err(|e| Usage(format!("--quiet {}: {e}", args.quiet)))?;
    let output = match &args.output {
        Some(output) => output.clone(),
        None => beside(&args.folder)?,
    };
    let mut answers = Answers::open(&output)?;
    let mut catalogue = Catalogue::of(Gallery::open(args.gallery.folder())?)?;
    let of = args.gallery.load(context, device, catalogue.gallery())?;
    let source = args.photos.source(context);
    let mut version = catalogue.gallery().version()?;
    let mut watcher = Watcher::default();
    say_what_is_decided_one_by_one(&catalogue);
    words::say(&format!(
        "watching {}; decisions are appended to {}; Ctrl-C ends it",
        foreign::path(&args.folder),
        foreign::path(&output)
    ));
    if !context.global.json {
        if catalogue.calibration().is_some() {
            words::say(&words::wrapped(PROBABILITY));
        }
        words::print(&aligned(&HEAD.map(str::to_owned)))?;
    }
    while !context.is_interrupted() {
        let mut asked = photos(context, &args.folder)?;
        words::say_problems(&watcher.untold(&asked.manifest.problems, quiet, Instant::now()));
        asked.encounters = watcher.ready(&asked, &answers, quiet, Instant::now());
        if asked.encounters.is_empty() {
            std::thread::sleep(BREATH);
            continue;
        }
        let now = catalogue.gallery().version()?;
        if now != version {
            // somebody has added or changed something
            catalogue = Catalogue::of(Gallery::open(args.gallery.folder())?)?;
            version = now;
            // a rebuild may have been with another network
            catalogue.gallery().accept(&of.embedding())?;
        }
        catalogue.calibrate_again()?; // which leaves the gallery's version as it is
        let asked = seen(context, device, asked, of.looker.as_ref(), &source)?;
        let mut told = |decision: Decision, _: &[f32]| {
            if answers.has_such(&decision) {
                return Ok(());
            }
            answers.append(&decision)?;
            if context.global.json { print_line(&decision) } else { print(&decision) }
        };
        let decided =
            identify(&catalogue, &of.model, &asked, &source, &mut |_, _| !context.is_interrupted(), &mut told);
        match decided {
            Err(crate::gallery::Error::Interrupted) => break,
            other => words::say_problems(&watcher.untold(&other?, Duration::ZERO, Instant::now())),
        }
    }
    words::say(&format!("{} in {}", counted(answers.len(), "encounter"), foreign::path(&output)));
    Ok(super::INTERRUPTED)
}

/// The file beside `folder` that decisions are appended to where nobody says which.
fn beside(folder: &Path) -> Result<PathBuf> {
    let absolute = std::path::absolute(folder)?;
    // of `.` and of a link's end, too
    let absolute = absolute.canonicalize().unwrap_or(absolute);
    let name = absolute.file_name().ok_or_else(|| Usage("--output: a file to append to is needed".to_owned()))?;
    let mut name = name.to_owned();
    name.push(".jsonl");
    Ok(absolute.with_file_name(name))
}

/// What lies in the folder now; nothing is fine.
fn photos(context: &Context, folder: &Path) -> Result<Asked> {
    let absolute = std::path::absolute(folder)?;
    let manifest = context.workspace.photos_below(&absolute)?;
    Ok(Asked::new(vec![Given::Folder(folder.into(), manifest)], EncountersBy::Folder))
}

fn print(decision: &Decision) -> crate::gallery::Result<()> {
    let fail = |e| crate::gallery::Error::from(RunError::io("write", "standard output", e));
    let row = format!("{}  {}", aligned(&cells(decision)), already(decision));
    words::print(&foreign::block(row.trim_end())).map_err(fail)
}

/// Columns that the cells of a row have at least: what comes later is not known when the first one is printed.
const WIDTHS: [usize; 6] = [32, 6, 16, 11, 18, 18];

/// A row whose cells stand below those of the others, as far as they fit.
fn aligned(cells: &[String; 6]) -> String {
    let padded = cells.iter().zip(WIDTHS).map(|(cell, columns)| {
        let fill = " ".repeat(columns.saturating_sub(cell.width()));
        format!("{cell}{fill}")
    });
    padded.collect::<Vec<_>>().join("  ").trim_end().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn decisions_go_beside_the_folder_where_nobody_says_where() {
        let dir = tempfile::tempdir().unwrap();
        let folder = dir.path().canonicalize().unwrap().join("2026.07 north");
        std::fs::create_dir(&folder).unwrap();
        assert_eq!(beside(&folder.join(".")).unwrap(), folder.with_file_name("2026.07 north.jsonl"));
        assert!(beside("/".as_ref()).is_err());
    }

    #[test]
    fn rows_stand_below_their_heading() {
        let head = aligned(&HEAD.map(str::to_owned));
        let row = aligned(&["in/Zoë", "2", "t004", "0.93", "t004 0.412", "t001 0.700"].map(str::to_owned));
        let place = |line: &str, word: &str| line.split_once(word).unwrap().0.chars().count();
        for (above, below) in
            [("decision", "t004"), ("probability", "0.93"), ("nearest", "t004 0.412"), ("next", "t001")]
        {
            assert_eq!(place(&head, above), place(&row, below), "{head}\n{row}");
        }
    }
}
