//! `gallery rename`, `merge`, `rm`, `note`, `undo` and `log`: changes by hand.

use anyhow::Result;
use clap::Args;
use serde::Serialize;

use crate::data::foreign;
use crate::gallery::change::Made;
use crate::gallery::store::{Change, Gallery};
use crate::gallery::writer::Writer;

use super::super::of_gallery::GalleryFlag;
use super::super::{Context, words};

/// Arguments of `gallery rename`.
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  caretta gallery rename t023 Zoe --gallery turtles.gallery")]
pub(in crate::cli) struct RenameArgs {
    /// The individual's name
    individual: String,
    /// Its new name; the old one still leads to it
    name: String,
    #[command(flatten)]
    gallery: GalleryFlag,
}

/// Arguments of `gallery merge`.
#[derive(Debug, Args)]
#[command(
    after_help = "Example:\n  caretta gallery merge t101 t023 --gallery turtles.gallery        t101 was t023 all along"
)]
pub(in crate::cli) struct MergeArgs {
    /// The individual that is no more; its names lead to the other
    individual: String,
    /// The individual that it is
    into: String,
    #[command(flatten)]
    gallery: GalleryFlag,
}

/// Arguments of `gallery rm`.
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  caretta gallery rm t023 --photo images/blurred.jpg --gallery turtles.gallery")]
pub(in crate::cli) struct RemoveArgs {
    /// The individual's name
    individual: String,
    /// Only this photo of it, by its path as `gallery show` has it, or its whole path where two folders have one (may be given
    /// several times)
    #[arg(long, value_name = "PATH")]
    photo: Vec<String>,
    #[command(flatten)]
    gallery: GalleryFlag,
}

/// Arguments of `gallery note`.
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  caretta gallery note t023 scar-on-the-left-flipper --gallery turtles.gallery")]
pub(in crate::cli) struct NoteArgs {
    /// The individual's name
    individual: String,
    /// What is noted; nothing takes the note away
    note: String,
    #[command(flatten)]
    gallery: GalleryFlag,
}

/// Arguments of `gallery undo` and `gallery log`.
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  caretta gallery log --gallery turtles.gallery\n  caretta gallery undo --gallery turtles.gallery"
)]
pub(in crate::cli) struct LogArgs {
    #[command(flatten)]
    gallery: GalleryFlag,
}

pub(super) fn rename(context: &Context, args: &RenameArgs) -> Result<u8> {
    made(context, &args.gallery, |writer| writer.rename(&args.individual, &args.name))
}

pub(super) fn merge(context: &Context, args: &MergeArgs) -> Result<u8> {
    made(context, &args.gallery, |writer| writer.merge(&args.individual, &args.into))
}

pub(super) fn remove(context: &Context, args: &RemoveArgs) -> Result<u8> {
    made(context, &args.gallery, |writer| writer.remove(&args.individual, &args.photo))
}

pub(super) fn note(context: &Context, args: &NoteArgs) -> Result<u8> {
    made(context, &args.gallery, |writer| writer.note(&args.individual, &args.note))
}

pub(super) fn undo(context: &Context, args: &LogArgs) -> Result<u8> {
    let made = Writer::open(&args.gallery.gallery)?.undo()?;
    context.answer(&made, || made.said.clone())?;
    Ok(0)
}

fn made(
    context: &Context,
    flag: &GalleryFlag,
    change: impl FnOnce(&mut Writer) -> crate::gallery::Result<Made>,
) -> Result<u8> {
    let made = change(&mut Writer::open(&flag.gallery)?)?;
    context.answer(&made, || {
        format!("{}\n`caretta gallery undo --gallery {}` takes it back", made.said, foreign::path(&flag.gallery))
    })?;
    Ok(0)
}

pub(super) fn log(context: &Context, args: &LogArgs) -> Result<u8> {
    let changes = Gallery::open(&args.gallery.gallery)?.changes()?;
    #[derive(Serialize)]
    struct Log<'a> {
        changes: &'a [Change],
    }
    context.answer(&Log { changes: &changes }, || {
        let row = |change: &Change| {
            let undone = if change.undone { "taken back" } else { "" };
            vec![
                change.id.to_string(),
                change.at.local(),
                change.what.clone(),
                undone.into(),
                // last, and whole: names differ at any place
                foreign::sentence(&change.said),
            ]
        };
        let rows: Vec<Vec<String>> = changes.iter().map(row).collect();
        words::table(&["", "when", "change", "", ""], &rows)
    })?;
    Ok(0)
}
