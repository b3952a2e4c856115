//! `discover`: the individuals of a folder that nobody has sorted.

use std::path::{Path, PathBuf};

use anyhow::Result;
use clap::Args;

use crate::data::counted::counted;
use crate::data::foreign;
use crate::data::formats::FORMATS;
use crate::eval::embeddings::EmbeddingSet;
use crate::eval::verdict::Distances;
use crate::gallery::ari::Agreement;
use crate::gallery::asked::{Asked, Given};
use crate::gallery::decision::Verdict;
use crate::gallery::discovered::{Apart, ChosenBy, Discovered, Found, Unsorted, discover as group, evaluated};
use crate::gallery::identify::current;
use crate::gallery::store::Gallery;
use crate::gallery::trained::Trained;
use crate::nn::ops::Backend;
use crate::nn::ops::device::on_device;

use super::args::{ByArg, PhotoFlags, dataset};
use super::crop::CropFlag;
use super::identify::{say_growth, seen};
use super::lying::{empty_in, say_empty};
use super::of_gallery::{OfGallery, trained};
use super::{Context, follow, words};

/// Arguments of `discover`.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  caretta discover this-week/ --gallery turtles.gallery        who is known is so by its calibration, the others are new
  caretta discover island/ --model-path arcface-resnet50        as far apart as its evaluation's individuals are
  caretta discover turtles/ --model-path arcface-resnet50 --named        names are hidden, and judge the groups

Each sub-folder is one encounter, and a loose photo its own; with --named a dataset's encounters are.")]
pub(super) struct DiscoverArgs {
    /// The photos: a folder, with --named a dataset
    folder: PathBuf,
    /// A run's id or folder, or a file of weights [default: the gallery's]
    #[arg(long, alias = "model_path", value_name = "MODEL", required_unless_present = "gallery")]
    model_path: Option<PathBuf>,
    /// A gallery, whose individuals draw their own photos and choose how far apart groups stay
    #[arg(long, value_name = "PATH")]
    gallery: Option<PathBuf>,
    /// How far apart groups stay on average, 0 to 2 [default: chosen on the gallery's individuals, else on the folder's where it has names, else on those of the run's newest evaluation]
    #[arg(long, value_name = "X")]
    distance: Option<f64>,
    /// The folder is a dataset with names, a folder for each individual or a table: they are hidden, and judge the groups
    /// (of a table always)
    #[arg(long)]
    named: bool,
    /// What makes photos of a folder one encounter: their sub-folder (a loose photo is one of its own), the day as
    /// well, or all of it (given)
    #[arg(long, value_enum, hide_possible_values = true, default_value_t = ByArg::Folder, value_name = "folder|date|given")]
    encounters_by: ByArg,
    #[command(flatten)]
    crop: CropFlag,
    #[command(flatten)]
    photos: PhotoFlags,
}

pub(super) fn discover(context: &Context, args: &DiscoverArgs) -> Result<u8> {
    context.catch_signals()?;
    let device = args.photos.device.open()?;
    on_device!(&device, device => discover_on(context, args, device))
}

fn discover_on<D: Backend>(context: &Context, args: &DiscoverArgs, device: &D) -> Result<u8> {
    let gallery = args.gallery.as_deref().map(Gallery::open).transpose()?;
    let OfGallery { model, looker, chosen } = network(context, args, device, gallery.as_ref())?;
    let known = gallery.as_ref().map(Gallery::known).transpose()?;
    let calibration = gallery.as_ref().map(current).transpose()?.flatten();
    let source = args.photos.source(context);
    let mut unsorted = unsorted(context, args)?;
    words::say_problems(&unsorted.asked.manifest.problems);
    let trained = match args.distance.is_none() && known.is_none() {
        true => trained(&chosen, &model, Some(&unsorted.asked.manifest)),
        false => Trained::on(None),
    };
    unsorted.asked = seen(context, device, unsorted.asked, looker.as_ref(), &source)?;
    let bar = follow::bar(2 * unsorted.asked.manifest.photos.len() as u64, "embedding", context.global.json);
    // where nothing else says how far apart groups stay
    let is_asked = args.distance.is_none() && known.is_none() && unsorted.names.iter().all(Option::is_none);
    let evaluated = match (&chosen.run, is_asked) {
        (Some(run), true) => Distances::newest_with_folder(&run.evaluations(), &model.identity)
            .and_then(|(folder, _)| evaluated(&EmbeddingSet::read(&folder).ok()?)),
        _ => None,
    };
    let ask = Apart { distance: args.distance, trained: &trained, evaluated: evaluated.as_ref() };
    let around = gallery.as_ref().zip(known.as_ref());
    let around = around.map(|(gallery, known)| (gallery, known, calibration.as_ref()));
    let grouped = group(&unsorted, &model, around, ask, &source, &mut follow::ticks(context, &bar));
    bar.finish_and_clear();
    if let Err(crate::gallery::Error::Interrupted) = grouped {
        words::say("interrupted; nothing was grouped");
        return Ok(super::INTERRUPTED);
    }
    let (found, problems) = grouped?;
    words::say_problems(&problems);
    context.answer(&found, || {
        let whose = gallery.as_ref().map_or_else(String::new, |_| whose(&found));
        told(&found) + &whose
    })?;
    if let (Some(gallery), Some(known), Some(calibration)) = (&gallery, &known, &calibration) {
        say_growth(gallery.folder(), calibration, known.individuals.len());
    }
    Ok(0)
}

/// The network that embeds: the gallery's, or the one given.
fn network<D: Backend>(
    context: &Context,
    args: &DiscoverArgs,
    device: &D,
    gallery: Option<&Gallery>,
) -> Result<OfGallery<D>> {
    match (gallery, args.model_path.as_deref()) {
        (Some(gallery), given) => OfGallery::load(context, device, gallery, given),
        (None, given) => OfGallery::of_model(context, device, given.unwrap_or(Path::new("")), &args.crop),
    }
}

/// The photos of the folder.
fn unsorted(context: &Context, args: &DiscoverArgs) -> Result<Unsorted> {
    let dir = PathBuf::from(context.workspace.data_dir(&args.folder)?);
    let of_folders = FORMATS.last().map(|format| format.name());
    let is_table = FORMATS.iter().find(|f| f.detect(&dir)).is_some_and(|f| Some(f.name()) != of_folders);
    if args.named || is_table {
        return Ok(Unsorted::of_dataset(dataset(context, &args.folder)?));
    }
    let absolute = std::path::absolute(&dir)?;
    let photos = context.workspace.every_photo(&absolute)?;
    say_empty(&empty_in(&args.folder, &absolute, &photos));
    Ok(Unsorted::nameless(Asked::new(vec![Given::Folder(args.folder.clone(), photos)], args.encounters_by.into())))
}

/// How many encounters, and how many of them are left to look at.
fn encounters(group: &Found) -> String {
    match group.decisions.iter().filter(|decision| **decision == Verdict::Look).count() {
        0 => group.encounters.len().to_string(),
        look => format!("{} ({look} to look at)", group.encounters.len()),
    }
}

/// Who said who is known, in words.
fn whose(found: &Discovered) -> String {
    let all = || found.groups.iter().flat_map(|group| &group.decisions);
    if all().count() == 0 {
        return "\nthe gallery is not calibrated: known individuals draw what is near, which decides nothing".into();
    }
    match all().filter(|decision| **decision == Verdict::Look).count() {
        0 => "\nwho is known and who is new is what identify decides".into(),
        look => format!(
            "\nwho is known and who is new is what identify decides; {} to look at, put where nearest (with the first of \
             identify's list, or new ones), which decides nothing",
            counted(look, "encounter")
        ),
    }
}

/// How many individuals are known, new, and only looked for, in words.
fn individuals(found: &Discovered) -> String {
    let is_look = |group: &&Found| {
        let all = &group.decisions;
        !all.is_empty() && all.iter().all(|decision| *decision == Verdict::Look)
    };
    let looks = found.groups.iter().filter(is_look).count();
    let looks_told = if looks > 0 { format!(", {looks} only to look at") } else { String::new() };
    let decided = found.groups.iter().filter(|group| !is_look(group));
    let (known, new): (Vec<&Found>, Vec<&Found>) = decided.partition(|group| group.individual.is_some());
    let (known, new) = (counted(known.len(), "individual"), new.len());
    let more = found.groups.iter().map(|group| group.new_photos.len()).sum::<usize>();
    let more = if more > 0 { format!(", {} since it was decided", counted(more, "new photo")) } else { String::new() };
    format!("{known} known, {new} new{looks_told}{more}")
}

/// The groups for people.
fn told(found: &Discovered) -> String {
    let row = |group: &Found| {
        let distance = |of: Option<f64>| of.map_or_else(String::new, |distance| format!("{distance:.3}"));
        vec![
            group.group.clone().unwrap_or_default(),
            group.individual.as_deref().map_or_else(String::new, foreign::line),
            encounters(group),
            group.photos.len().to_string(),
            distance(group.widest),
            distance(group.next),
            group.photos.first().map_or_else(String::new, |photo| foreign::short(photo, 60)),
        ]
    };
    let rows: Vec<Vec<String>> = found.groups.iter().map(row).collect();
    let mut text =
        words::table(&["group", "individual", "encounters", "photos", "widest", "next", "first photo"], &rows);
    text += &format!(
        "\n{} in {}: {}; groups stay {:.3} apart",
        counted(found.photos, "photo"),
        counted(found.encounters, "encounter"),
        individuals(found),
        found.distance
    );
    if let Some(chosen) = &found.chosen {
        let whose = match chosen.by {
            ChosenBy::Gallery => "of the gallery",
            ChosenBy::Folder => "of this folder",
            ChosenBy::Evaluation => "of the run's newest evaluation (those that trained it lie closer than strangers)",
        };
        text += &format!(
            "\nchosen on {} {whose}; on the others {}",
            counted(chosen.individuals, "individual"),
            agreement(&chosen.reached)
        );
    }
    if let Some(judged) = &found.agreement {
        text += &format!("\nheld against the names of {}: {}", counted(judged.photos, "photo"), agreement(judged));
    }
    if let Some(judged) = &found.agreement_with_known {
        let photos = counted(judged.photos, "photo");
        text += &format!(
            "\nwith the gallery's own individuals, some of which chose it, of {photos}: {}",
            agreement(judged)
        );
    }
    text
}

/// How well groups are individuals, in words.
pub(super) fn agreement(of: &Agreement) -> String {
    let share = |share: Option<f64>| share.map_or_else(|| "·".into(), |share| format!("{share:.3}"));
    format!(
        "ARI {:.3}, pairs' precision {}, recall {} ({} in {} groups)",
        of.ari,
        share(of.pair_precision),
        share(of.pair_recall),
        counted(of.individuals, "individual"),
        of.groups
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_is_only_to_look_at_is_not_counted_as_known() {
        let group = |individual: Option<&str>, decisions: &[Verdict]| Found {
            group: individual.is_none().then(|| "new 1".into()),
            individual: individual.map(str::to_owned),
            photos: Vec::new(),
            encounters: vec![String::new(); decisions.len()],
            decisions: decisions.to_vec(),
            new_photos: Vec::new(),
            widest: None,
            next: None,
        };
        let found = |groups| Discovered {
            groups,
            photos: 4,
            encounters: 4,
            distance: 0.5,
            chosen: None,
            agreement: None,
            agreement_with_known: None,
        };
        let (look, known, new) = (Verdict::Look, Verdict::Known, Verdict::NewIndividual);
        let decided =
            found(vec![group(Some("a"), &[known, look]), group(Some("b"), &[look, look]), group(None, &[new])]);
        assert_eq!(individuals(&decided), "1 individual known, 1 new, 1 only to look at");
        assert!(whose(&decided).contains("3 encounters to look at"), "{}", whose(&decided));
        // nothing is decided without a calibration
        assert_eq!(individuals(&found(vec![group(Some("a"), &[]), group(None, &[])])), "1 individual known, 1 new");
    }
}
