//! `gallery`: made, filled, shown and changed.

mod change;
mod keep;

use std::collections::HashSet;
use std::path::{Path, PathBuf};

use anyhow::Result;
use clap::{Args, Subcommand};
use serde::Serialize;

use crate::data::counted::counted;
use crate::data::foreign;
use crate::data::formats;
use crate::data::manifest::{Manifest, Part, Problem};
use crate::data::split::{self, SplitChoice, Strategy};
use crate::eval::embed::Source;
use crate::gallery::Error;
use crate::gallery::add::{Came, Wanted, add, nobody_elses};
use crate::gallery::asked::{Asked, EncountersBy};
use crate::gallery::store::{Counts, Gallery, Individual, Photo};
use crate::gallery::writer::{Adding, Writer};
use crate::nn::ops::device::on_device;
use crate::nn::ops::{Backend, Precision};

use super::args::{DeviceFlags, PhotoFlags, Usage, dataset, part};
use super::calibrate::{CalibrateArgs, calibrate};
use super::crop::{CropFlag, look};
use super::decisions::{DecisionsArgs, decisions};
use super::identify::{given, seen};
use super::of_gallery::{GalleryFlag, ModelFlags, OfGallery, trained};
use super::split::{one_split, one_split_help};
use super::{Context, follow, words};

/// Verbs of `gallery`.
#[derive(Debug, Subcommand)]
pub(super) enum GalleryVerb {
    /// Make a gallery of a dataset's photos with a model
    Build(BuildArgs),
    /// Put a dataset's photos into a gallery
    Add(AddArgs),
    /// List the individuals
    Ls(LsArgs),
    /// Show an individual with its encounters and photos
    Show(ShowArgs),
    /// Choose how near is near enough, for errors that you accept
    Calibrate(CalibrateArgs),
    /// Call an individual otherwise
    Rename(change::RenameArgs),
    /// Make two individuals one
    Merge(change::MergeArgs),
    /// Take photos out, all of an individual or some; the files stay
    Rm(change::RemoveArgs),
    /// Note something on an individual
    Note(change::NoteArgs),
    /// Take back the last change (a rebuild stays: then the one before); what the program named in one go is one
    Undo(change::LogArgs),
    /// List all that was changed
    Log(change::LogArgs),
    /// Write it as files for other programs
    Export(keep::ExportArgs),
    /// Copy it as it stands, while others use it
    Backup(keep::BackupArgs),
    /// Embed its photos anew where they lie, with another model or other boxes
    Rebuild(keep::RebuildArgs),
    /// List what was decided of new photos, beside what was proposed
    Decisions(DecisionsArgs),
}

/// Arguments of `gallery build`.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  caretta gallery build --model-path arcface-resnet50 --data-dir photos/ --gallery turtles.gallery
  caretta gallery build --model-path arcface-resnet50 --data-dir photos/ --gallery turtles.gallery --part train")]
pub(super) struct BuildArgs {
    /// A run's id or folder, or a file of weights
    #[arg(long, alias = "model_path", value_name = "MODEL")]
    model_path: PathBuf,
    /// The photos, with the names of the individuals: a dataset as for training
    #[arg(long, alias = "data_dir", value_name = "PATH")]
    data_dir: PathBuf,
    #[command(flatten)]
    part: PartFlags,
    #[command(flatten)]
    gallery: GalleryFlag,
    #[command(flatten)]
    crop: CropFlag,
    #[command(flatten)]
    photos: PhotoFlags,
}

/// Arguments of `gallery add`.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  caretta gallery add --data-dir this-year/ --gallery turtles.gallery
  caretta gallery add a.jpg b.jpg --individual t023 --gallery turtles.gallery")]
pub(super) struct AddArgs {
    /// Photos of one individual, or folders of them, in place of a dataset
    #[arg(value_name = "PHOTO|FOLDER", requires = "individual")]
    #[arg(conflicts_with_all = ["data_dir", "split_column", "split", "part"], required_unless_present = "data_dir")]
    of_one: Vec<PathBuf>,
    /// Who is on the photos given, known or new
    #[arg(long, value_name = "NAME", requires = "of_one")]
    individual: Option<String>,
    /// Their encounter [default: the day that the camera wrote, else the one that their folder is called after (2024-07-31 …), else
    /// each its own]
    #[arg(long, value_name = "NAME", requires = "of_one")]
    encounter: Option<String>,
    /// The photos, with the names of the individuals: a dataset as for training
    #[arg(long, alias = "data_dir", value_name = "PATH")]
    data_dir: Option<PathBuf>,
    #[command(flatten)]
    part: PartFlags,
    #[command(flatten)]
    gallery: ModelFlags,
    #[command(flatten)]
    photos: PhotoFlags,
}

/// Which photos of a dataset.
#[derive(Debug, Args)]
struct PartFlags {
    /// The table's column that says which part a photo is in [default: split, else split_closed]
    #[arg(long, alias = "split_column", value_name = "NAME")]
    split_column: Option<String>,
    #[arg(long, help = one_split_help(), value_parser = one_split, value_name = "STRATEGY", conflicts_with = "split_column")]
    split: Option<&'static Strategy>,
    /// Only photos of this part: train, valid, test (may be given several times) [default: all photos]
    #[arg(long, value_parser = part, value_name = "PART")]
    part: Vec<Part>,
}

impl PartFlags {
    /// The photos asked for.
    fn chosen(&self, manifest: &Manifest) -> Result<Vec<usize>> {
        let choice = SplitChoice::of(self.split_column.clone(), self.split);
        if self.part.is_empty() && choice == SplitChoice::Auto {
            return Ok((0..manifest.photos.len()).collect());
        }
        let split = split::assign(manifest, &choice)?;
        let asked = |part: &Option<Part>| part.is_some_and(|part| self.part.is_empty() || self.part.contains(&part));
        Ok((0..manifest.photos.len()).filter(|&photo| asked(&split.parts[photo])).collect())
    }
}

/// Arguments of `gallery ls`.
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  caretta gallery ls --gallery turtles.gallery")]
pub(super) struct LsArgs {
    #[command(flatten)]
    gallery: GalleryFlag,
}

/// Arguments of `gallery show`.
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  caretta gallery show t023 --gallery turtles.gallery")]
pub(super) struct ShowArgs {
    /// The individual's name
    individual: String,
    #[command(flatten)]
    gallery: GalleryFlag,
}

pub(super) fn gallery(context: &Context, verb: &GalleryVerb) -> Result<u8> {
    match verb {
        GalleryVerb::Build(args) => {
            context.catch_signals()?;
            exact(&args.photos.device)?;
            let device = args.photos.device.open()?;
            on_device!(&device, device => build(context, args, device))
        }
        GalleryVerb::Add(args) => {
            context.catch_signals()?;
            exact(&args.photos.device)?;
            let device = args.photos.device.open()?;
            on_device!(&device, device => add_on(context, args, device))
        }
        GalleryVerb::Ls(args) => ls(context, args),
        GalleryVerb::Show(args) => show(context, args),
        GalleryVerb::Calibrate(args) => calibrate(context, args),
        GalleryVerb::Rename(args) => change::rename(context, args),
        GalleryVerb::Merge(args) => change::merge(context, args),
        GalleryVerb::Rm(args) => change::remove(context, args),
        GalleryVerb::Note(args) => change::note(context, args),
        GalleryVerb::Undo(args) => change::undo(context, args),
        GalleryVerb::Log(args) => change::log(context, args),
        GalleryVerb::Export(args) => keep::export(context, args),
        GalleryVerb::Backup(args) => keep::backup(context, args),
        GalleryVerb::Rebuild(args) => keep::rebuild(context, args),
        GalleryVerb::Decisions(args) => decisions(context, args),
    }
}

fn build<D: Backend>(context: &Context, args: &BuildArgs, device: &D) -> Result<u8> {
    let folder = &args.gallery.gallery;
    let of = OfGallery::of_model(context, device, &args.model_path, &args.crop)?;
    let embedding = of.embedding();
    // one that was killed goes on
    let begun = Gallery::open(folder).ok().filter(|gallery| gallery.is_complete().is_ok_and(|complete| !complete));
    match &begun {
        Some(begun) => begun.accept(&embedding)?,
        None => Writer::can_create(folder)?,
    }
    let source = args.photos.source(context);
    // before anything is made: there may be no such dataset
    let Some(found) = of_dataset(context, device, (&args.data_dir, &args.part), &of, &source)? else {
        return Ok(super::INTERRUPTED);
    };
    let mut writer = match begun {
        Some(_) => Writer::open(folder)?,
        None => Writer::create(folder, embedding.clone(), of.networks())?,
    };
    writer.accept(&embedding)?;
    let filled = put(context, ("build", found), &mut writer, &of, &source)?;
    if filled.came.interrupted {
        words::say(&format!("interrupted after {}; the same command goes on", counted(filled.came.added, "photo")));
        return Ok(super::INTERRUPTED);
    }
    if writer.counts()?.photos == 0 {
        writer.unmake()?;
        return Err(Error::NothingPutIn { folder: folder.clone() }.into());
    }
    writer.complete()?;
    answer(context, &writer, &filled)?;
    Ok(0)
}

/// Refuses to put embeddings into a gallery that are not what all others are.
fn exact(device: &DeviceFlags) -> Result<()> {
    match device.precision() {
        Precision::Amp => Err(Usage(
            "--precision amp moves embeddings by up to a tenth: a gallery takes those of high, the default, and fp32"
                .to_owned(),
        )
        .into()),
        _ => Ok(()),
    }
}

/// Refuses a name that differs from a known one in capitals alone: it would be a second animal beside that.
fn nobody_alike(gallery: &Gallery, name: &str) -> Result<()> {
    let individuals = gallery.individuals()?;
    let known = || individuals.iter().map(|one| one.individual.as_str());
    match known().find(|known| known.to_lowercase() == name.to_lowercase()) {
        Some(alike) if !known().any(|known| known == name) => Err(Usage(format!(
            "--individual {}: the gallery knows {}: write it so, or take a name that differs in more than capitals",
            foreign::line(name),
            foreign::line(alike)
        ))
        .into()),
        _ => Ok(()),
    }
}

fn add_on<D: Backend>(context: &Context, args: &AddArgs, device: &D) -> Result<u8> {
    let mut writer = Writer::open(args.gallery.folder())?;
    let of = args.gallery.load(context, device, &writer)?;
    let source = args.photos.source(context);
    let found = match (&args.data_dir, &args.individual) {
        (Some(dir), _) => of_dataset(context, device, (dir, &args.part), &of, &source)?,
        (None, name) => {
            let name = name.as_deref().unwrap_or_default();
            nobody_alike(&writer, name)?;
            Some(of_one(context, device, (&args.of_one, name, args.encounter.as_deref()), &of, &source)?)
        }
    };
    let Some(found) = found else { return Ok(super::INTERRUPTED) };
    let filled = put(context, ("add", found), &mut writer, &of, &source)?;
    if filled.came.interrupted {
        words::say(&format!("interrupted after {}; the same command goes on", counted(filled.came.added, "photo")));
        return Ok(super::INTERRUPTED);
    }
    answer(context, &writer, &filled)?;
    Ok(0)
}

/// Photos to be put in.
struct Found {
    manifest: Manifest,
    photos: Vec<usize>,
    /// Those whose crop a network chose.
    looked: HashSet<usize>,
    /// From where, for the log.
    from: String,
    /// A person says that all are of one individual.
    is_one: bool,
}

/// What came of them.
struct Filled {
    came: Came,
    problems: Vec<Problem>,
}

/// The photos of a dataset; none when it was interrupted.
fn of_dataset<D: Backend>(
    context: &Context,
    device: &D,
    (given, part): (&Path, &PartFlags),
    of: &OfGallery<D>,
    source: &Source,
) -> Result<Option<Found>> {
    let dir = PathBuf::from(context.workspace.data_dir(given)?);
    let mut manifest = dataset(context, given)?;
    let mut looked = HashSet::new();
    if let Some(looker) = &of.looker {
        let drawn: HashSet<_> = manifest.photos.iter().filter(|p| p.crop.is_some()).map(|p| p.path.clone()).collect();
        let Some(corrections) = look(context, device, (&dir, &manifest), looker, source)? else { return Ok(None) };
        manifest = formats::open(&dir, &corrections)?;
        let places = manifest.photos.iter().enumerate();
        let seen = places.filter(|(_, photo)| photo.crop.is_some() && !drawn.contains(&photo.path));
        looked = seen.map(|(place, _)| place).collect();
    }
    let photos = part.chosen(&manifest)?;
    Ok(Some(Found { manifest, photos, looked, from: format!("from {}", foreign::path(&dir)), is_one: false }))
}

/// Photos of one individual.
fn of_one<D: Backend>(
    context: &Context,
    device: &D,
    (paths, name, encounter): (&[PathBuf], &str, Option<&str>),
    of: &OfGallery<D>,
    source: &Source,
) -> Result<Found> {
    let asked = Asked::new(given(context, paths)?, EncountersBy::Folder);
    let mut asked = seen(context, device, asked, of.looker.as_ref(), source)?;
    let looked = std::mem::take(&mut asked.looked);
    let manifest = asked.named(name, encounter, paths)?;
    let photos = (0..manifest.photos.len()).collect();
    let from = format!("{} of {name}", counted(paths.len(), "path"));
    Ok(Found { manifest, photos, looked, from, is_one: true })
}

/// Puts photos into a gallery.
fn put<D: Backend>(
    context: &Context,
    (what, found): (&'static str, Found),
    writer: &mut Writer,
    of: &OfGallery<D>,
    source: &Source,
) -> Result<Filled> {
    let Found { manifest, photos, looked, from, is_one } = found;
    let trained = trained(&of.chosen, &of.model, Some(&manifest));
    let mut adding = Adding::new(what, from);
    let wanted = Wanted { manifest: &manifest, photos: &photos, looked: &looked, trained: &trained };
    if is_one {
        nobody_elses(writer, &wanted)?;
    }
    let bar = follow::bar(2 * photos.len() as u64, "embedding", context.global.json);
    let came = add(writer, &mut adding, &of.model, &wanted, source, &mut follow::ticks(context, &bar));
    bar.finish_and_clear();
    let came = came?;
    let problems = manifest.problems.iter().cloned().chain(came.problems.iter().cloned()).collect();
    words::say_problems(&came.problems);
    words::say_problems(&manifest.problems);
    Ok(Filled { came, problems })
}

/// What `--json` prints of `build` and `add`.
#[derive(Serialize)]
struct Answer<'a> {
    gallery: String,
    model: &'a str,
    added: usize,
    already_there: usize,
    left_out: usize,
    photos: u64,
    individuals: u64,
    encounters: u64,
}

fn answer(context: &Context, gallery: &Gallery, filled: &Filled) -> Result<()> {
    let Filled { came, problems } = filled;
    let Counts { photos, individuals, encounters } = gallery.counts()?;
    let answer = Answer {
        gallery: foreign::path(gallery.folder()),
        model: &gallery.networks().model,
        added: came.added,
        already_there: came.known,
        left_out: problems.iter().filter(|p| p.kind.fate() == crate::data::manifest::LEFT_OUT).count(),
        photos,
        individuals,
        encounters,
    };
    context.workspace.know_gallery(gallery.folder())?; // for the screen's list
    context.answer(&answer, || {
        let skipped = match came.known {
            0 => String::new(),
            known => format!(", {} there already", counted(known, "photo")),
        };
        format!(
            "{}{skipped}\n{}: {} of {} in {}, by {}\nNext: caretta identify PHOTO|FOLDER --gallery {}",
            format_args!("{} added", counted(came.added, "photo")),
            answer.gallery,
            counted(photos, "photo"),
            counted(individuals, "individual"),
            counted(encounters, "encounter"),
            answer.model,
            answer.gallery,
        )
    })
}

fn ls(context: &Context, args: &LsArgs) -> Result<u8> {
    let gallery = Gallery::open(&args.gallery.gallery)?;
    let individuals = gallery.individuals()?;
    let counts = gallery.counts()?;
    #[derive(Serialize)]
    struct Listed<'a> {
        gallery: String,
        model: &'a str,
        complete: bool,
        #[serde(flatten)]
        counts: Counts,
        list: &'a [Individual],
    }
    let shown = foreign::path(gallery.folder());
    let model = &gallery.networks().model;
    let complete = gallery.is_complete()?;
    let listed = Listed { gallery: shown.clone(), model, complete, counts, list: &individuals };
    context.answer(&listed, || {
        let row = |i: &Individual| {
            let days = [&i.first, &i.last].map(|day| day.clone().unwrap_or_default());
            vec![foreign::line(&i.individual), i.photos.to_string(), i.encounters.to_string()]
                .into_iter()
                .chain(days)
                .chain([foreign::short(&i.note, 40)])
                .collect()
        };
        let rows: Vec<Vec<String>> = individuals.iter().map(row).collect();
        let mut text = words::table(&["individual", "photos", "encounters", "first", "last", "note"], &rows);
        text += &format!(
            "\n{} of {} in {}, by {model}",
            counted(counts.photos, "photo"),
            counted(counts.individuals, "individual"),
            counted(counts.encounters, "encounter")
        );
        if !complete {
            text += "\nbuilding it was interrupted: the same `caretta gallery build` goes on";
        }
        text
    })?;
    Ok(0)
}

fn show(context: &Context, args: &ShowArgs) -> Result<u8> {
    let gallery = Gallery::open(&args.gallery.gallery)?;
    let (individual, photos) = gallery.individual(&args.individual)?;
    #[derive(Serialize)]
    struct Shown<'a> {
        #[serde(flatten)]
        individual: &'a Individual,
        list: &'a [Photo],
    }
    context.answer(&Shown { individual: &individual, list: &photos }, || {
        let row = |p: &Photo| {
            vec![
                foreign::line(&p.encounter),
                foreign::line(&p.photo),
                p.side.map_or("", |side| side.word()).to_owned(),
                p.trained.map_or("", |trained| if trained { "yes" } else { "no" }).to_owned(),
            ]
        };
        let rows: Vec<Vec<String>> = photos.iter().map(row).collect();
        let head = format!(
            "{}: {} in {}",
            foreign::line(&individual.individual),
            counted(individual.photos, "photo"),
            counted(individual.encounters, "encounter")
        );
        let note = if individual.note.is_empty() { String::new() } else { format!("\n{}", individual.note) };
        format!("{head}{note}\n\n{}", words::table(&["encounter", "photo", "side", "trained on"], &rows))
    })?;
    Ok(0)
}
