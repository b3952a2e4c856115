//! `identify`: who is on photos, an answer an encounter.

use std::collections::{HashMap, HashSet};
use std::path::PathBuf;

use anyhow::{Context as _, Result};
use clap::Args;
use serde_json::json;

use crate::data::counted::counted;
use crate::data::foreign;
use crate::eval::attention;
use crate::eval::boxes::Looker;
use crate::eval::embed::Source;
use crate::eval::model::Model;
use crate::gallery::answers::Answers;
use crate::gallery::asked::{Asked, EncountersBy, Given};
use crate::gallery::groups::NewOnes;
use crate::gallery::identify::{Catalogue, Decision, Verdict, identify as decide};
use crate::gallery::seen::Looking;
use crate::gallery::session::Session;
use crate::gallery::store::Gallery;
use crate::nn::ops::Backend;
use crate::nn::ops::device::on_device;

use super::args::{ByArg, PhotoFlags, Usage};
use super::of_gallery::{ModelFlags, OfGallery, trained};
use super::{Context, follow, words};

/// Arguments of `identify`.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  caretta identify this-week/ --gallery turtles.gallery        each sub-folder is one encounter, each loose photo its own
  caretta identify this-week/ --gallery turtles.gallery --output this-week.jsonl        goes on where it was
  caretta identify a.jpg b.jpg --gallery turtles.gallery --json        one object a line")]
pub(super) struct IdentifyArgs {
    /// Photos, or folders of them
    #[arg(required = true, value_name = "PHOTO|FOLDER")]
    asked: Vec<PathBuf>,
    #[command(flatten)]
    gallery: ModelFlags,
    /// What makes photos of a folder one encounter: their sub-folder (a loose photo is one of its own), or the day on
    /// which they were taken as well
    #[arg(long, value_enum, hide_possible_values = true, default_value_t = ByArg::Folder, value_name = "folder|date")]
    encounters_by: ByArg,
    /// Keep what was seen of a folder with the gallery, to go through it on the screen's tab Identify; again, it goes on with
    /// what is new
    #[arg(long, conflicts_with = "encounters_by")]
    session: bool,
    /// Append the decisions to this file, an object a line; encounters that it has with the same photos are left out, so that
    /// the same command goes on where it was. When all are there, the new ones in it get their groups
    #[arg(long, value_name = "FILE")]
    output: Option<PathBuf>,
    #[command(flatten)]
    photos: PhotoFlags,
}

pub(super) fn identify(context: &Context, args: &IdentifyArgs) -> Result<u8> {
    context.catch_signals()?;
    let device = args.photos.device.open()?;
    on_device!(&device, device => identify_on(context, args, device))
}

fn identify_on<D: Backend>(context: &Context, args: &IdentifyArgs, device: &D) -> Result<u8> {
    if args.session {
        return see(context, args, device);
    }
    let mut answers = args.output.as_deref().map(Answers::open).transpose()?;
    let catalogue = Catalogue::of(Gallery::open(args.gallery.folder())?)?;
    let of = args.gallery.load(context, device, catalogue.gallery())?;
    let source = args.photos.source(context);
    let mut asked = Asked::new(given(context, &args.asked)?, args.encounters_by.into());
    words::say_problems(&asked.manifest.problems);
    let all = asked.encounters.len();
    asked.retain(|encounter, photos| answers.as_ref().is_none_or(|answers| !answers.has(encounter, photos)));
    let before = all - asked.encounters.len();
    let asked = seen(context, device, asked, of.looker.as_ref(), &source)?;
    let bar = follow::bar(2 * asked.photos() as u64, "identifying", context.global.json);
    let (mut found, mut new): (Vec<Decision>, NewOnes) = Default::default();
    let mut told = |decision: Decision, photos: &[f32]| {
        let is_new = decision.decision == Some(Verdict::NewIndividual);
        if is_new {
            new.take(&decision.encounter, photos);
        }
        if context.global.json && !is_new {
            print_line(&decision)?; // of new ones the group is not known yet
        }
        if let Some(answers) = &mut answers {
            // one with a photo that cannot be read is asked about each time
            if !answers.has(&decision.encounter, &decision.photos) {
                answers.append(&decision)?;
            }
        }
        found.push(decision);
        Ok(())
    };
    let decided = decide(&catalogue, &of.model, &asked, &source, &mut follow::ticks(context, &bar), &mut told);
    bar.finish_and_clear();
    let mut is_interrupted = matches!(decided, Err(crate::gallery::Error::Interrupted));
    let problems = if is_interrupted { Vec::new() } else { decided? };
    words::say_problems(&problems);
    if !is_interrupted {
        let groups = grouped(context, device, (&catalogue, &of, &source), &asked, (new, answers.as_mut()))?;
        is_interrupted = groups.is_none();
        for decision in &mut found {
            decision.group = groups.as_ref().and_then(|groups| groups.get(&decision.encounter)).cloned();
        }
    }
    if context.global.json {
        let mut new = found.iter().filter(|decision| decision.decision == Some(Verdict::NewIndividual));
        new.try_for_each(print_line)?;
    }
    if !context.global.json && !found.is_empty() {
        words::print(&foreign::block(&table(&found)))?;
    }
    if let Some(path) = &args.output {
        let also = if before > 0 { format!(", {before} there already") } else { String::new() };
        words::say(&format!("{}: {}{also}", foreign::path(path), counted(found.len(), "encounter")));
    }
    say_what_decided(&catalogue);
    if is_interrupted {
        let goes_on = if args.output.is_some() { "; the same command goes on" } else { "" };
        words::say(&format!("interrupted after {}{goes_on}", counted(found.len(), "encounter")));
        return Ok(super::INTERRUPTED);
    }
    Ok(if found.is_empty() && before == 0 { 1 } else { 0 })
}

/// The groups of the encounters that are of new individuals, all that `answers` has with them, which are given theirs; empty
/// where nothing says how far apart groups stay. None when it was interrupted.
fn grouped<D: Backend>(
    context: &Context,
    device: &D,
    (catalogue, of, source): (&Catalogue, &OfGallery<D>, &Source),
    asked: &Asked,
    (new, answers): (NewOnes, Option<&mut Answers>),
) -> Result<Option<HashMap<String, String>>> {
    let is_stale = !new.is_empty() || answers.as_ref().is_some_and(|answers| answers.has_ungrouped());
    let Some(cut) = catalogue.cut().filter(|_| is_stale) else { return Ok(Some(HashMap::new())) };
    let mut all = NewOnes::default();
    if let Some(answers) = &answers {
        // those of passes before are embedded once more: one group may hold old ones and new ones
        let these: HashSet<&str> = new.encounters().collect();
        let mut before = answers.new_ones();
        before.retain(|(encounter, _)| !these.contains(encounter));
        let again = seen(context, device, asked.again(&before), of.looker.as_ref(), source)?;
        let bar = follow::bar(2 * again.photos() as u64, "grouping", context.global.json);
        let ticks = &mut follow::ticks(context, &bar);
        let embedded = decide(catalogue, &of.model, &again, source, ticks, &mut |decision, photos| {
            all.take(&decision.encounter, photos);
            Ok(())
        });
        bar.finish_and_clear();
        match embedded {
            Err(crate::gallery::Error::Interrupted) => return Ok(None),
            other => words::say_problems(&other?),
        }
    }
    all.append(new);
    let groups = match all.groups(of.model.about.embedding_dim, cut) {
        Err(error @ crate::gallery::Error::TooMany { .. }) => {
            words::say(&format!("the new ones are not grouped: {error}"));
            return Ok(Some(HashMap::new()));
        }
        other => other?,
    };
    if let Some(answers) = answers {
        answers.group(&groups)?;
    }
    Ok(Some(groups))
}

/// Looks at a folder for a session.
fn see<D: Backend>(context: &Context, args: &IdentifyArgs, device: &D) -> Result<u8> {
    let [folder] = &args.asked[..] else {
        return Err(Usage("--session goes through one folder".into()).into());
    };
    let folder = folder.canonicalize().with_context(|| foreign::path(folder))?;
    let gallery = Gallery::open(args.gallery.folder())?;
    let of = args.gallery.load(context, device, &gallery)?;
    let manifest = context.workspace.every_photo(&folder)?;
    let mut looking = Looking::at(&gallery, &folder)?;
    context.workspace.know_gallery(gallery.folder())?;
    let source = args.photos.source(context);
    let mut asked = Asked::new(vec![Given::Folder(PathBuf::new(), manifest)], EncountersBy::Folder);
    asked.manifest.root.clone_from(&folder);
    looking.keep_unseen(&mut asked);
    words::say_problems(&asked.manifest.problems);
    let asked = seen(context, device, asked, of.looker.as_ref(), &source)?;
    let trained = trained(&of.chosen, &of.model, None);
    let bar = follow::bar(2 * asked.photos() as u64, "looking at photos", context.global.json);
    let done = looking.see(&of.model, (&asked, &trained), &source, &mut follow::ticks(context, &bar));
    bar.finish_and_clear();
    match done {
        Err(crate::gallery::Error::Interrupted) => {
            words::say("interrupted; what was seen is kept");
            return Ok(super::INTERRUPTED);
        }
        other => words::say_problems(&other?),
    }
    drop(looking);
    let session = Session::read(gallery.folder(), &folder)?;
    let decided = session.entries.iter().filter(|entry| entry.decided.is_some()).count();
    let answer = json!({
        "folder": foreign::path(&folder), "encounters": session.entries.len(), "decided": decided,
        "unreadable": session.problems,
    });
    context.answer(&answer, || {
        format!(
            "{}: {}, {decided} decided\nNext: caretta, and there the tab 5 Identify",
            foreign::path(&folder),
            counted(session.entries.len(), "encounter")
        )
    })?;
    Ok(0)
}

/// Says of a large gallery that not all of it was measured, and what that may miss.
pub(super) fn say_what_is_searched(catalogue: &Catalogue) {
    let Some(approximate) = catalogue.approximate() else { return };
    let recall = match approximate.recall_at_10 {
        Some(recall) => {
            format!("of the ten nearest photos such a search finds {recall:.3}, measured on the gallery's own")
        }
        None => "how many of the ten nearest photos that misses was not measured".into(),
    };
    words::say(&words::wrapped(&format!(
        "This gallery is large: what looks near by short codes was measured; {recall}."
    )));
}

/// Says what the decisions may be held to, or why there are none.
pub(super) fn say_what_decided(catalogue: &Catalogue) {
    say_what_is_searched(catalogue);
    let gallery = foreign::path(catalogue.gallery().folder());
    let said = match catalogue.calibration() {
        None => format!(
            "This gallery is not calibrated: the names are ranked and nothing is decided, so that the nearest name stands even \
             for an animal that is new. `caretta gallery calibrate --gallery {gallery}` chooses how near is near enough."
        ),
        Some(calibration) if calibration.has_grown(catalogue.individuals().len()) => format!(
            "The gallery has grown since it was calibrated, and strangers come nearer in a larger one: \
             `caretta gallery calibrate --gallery {gallery}` makes the decisions good again."
        ),
        Some(calibration) if calibration.groups.is_none() => format!(
            "Nothing says yet how far apart new animals stay, so that they have no groups: \
             `caretta gallery calibrate --gallery {gallery}` chooses it."
        ),
        Some(_) => return,
    };
    words::say(&words::wrapped(&said));
}

/// What lies at the paths given.
pub(super) fn given(context: &Context, paths: &[PathBuf]) -> Result<Vec<Given>> {
    let of = |path: &PathBuf| -> Result<Given> {
        if path.is_dir() {
            let absolute = std::path::absolute(path)?;
            return Ok(Given::Folder(path.clone(), context.workspace.every_photo(&absolute)?));
        }
        Ok(Given::Photo(path.clone()))
    };
    paths.iter().map(of).collect()
}

/// Photos with the boxes where `looker` looks, where the gallery's photos were seen so.
pub(super) fn seen<D: Backend>(
    context: &Context,
    device: &D,
    mut asked: Asked,
    looker: Option<&Looker>,
    source: &Source,
) -> Result<Asked> {
    let Some(looker) = looker else { return Ok(asked) };
    let photos = asked.encounters.iter().flat_map(|together| together.photos.iter().copied());
    let bare: Vec<usize> = photos.filter(|&i| asked.manifest.photos[i].crop.is_none()).collect();
    let network = Model::load(device, &looker.path)?.network;
    let bar = follow::bar(bare.len() as u64, "looking", context.global.json);
    let found = attention::look(&network, &asked.manifest, &bare, source, |done| {
        bar.set_position(done as u64);
        !context.is_interrupted()
    });
    bar.finish_and_clear();
    // those that cannot be read are told when they are embedded
    for (photo, crop) in found?.boxes {
        asked.manifest.photos[photo].crop = crop;
        if crop.is_some() {
            asked.looked.insert(photo);
        }
    }
    Ok(asked)
}

pub(super) fn print_line(decision: &Decision) -> crate::gallery::Result<()> {
    let fail = |e: std::io::Error| crate::gallery::Error::from(crate::run::RunError::io("write", "standard output", e));
    let line = serde_json::to_string(decision).map_err(|e| fail(e.into()))?;
    words::print(&foreign::json(&line)).map_err(fail)
}

/// Decisions for people.
pub(super) fn table(found: &[Decision]) -> String {
    let row = |d: &Decision| {
        let nearest = |place: usize| {
            let near = d.individuals.get(place);
            near.map_or_else(String::new, |near| format!("{} {:.3}", foreign::line(&near.individual), near.distance))
        };
        let decision = match d.decision {
            Some(Verdict::Known) => d.individual.as_deref().map_or_else(String::new, foreign::line),
            Some(Verdict::NewIndividual) => "new individual".into(),
            Some(Verdict::Look) => "look".into(),
            None => "—".into(),
        };
        let sure = d.probability.map_or_else(String::new, |p| format!("{p:.2}"));
        let group = d.group.clone().unwrap_or_default();
        vec![foreign::line(&d.encounter), d.photos.len().to_string(), decision, sure, group, nearest(0), nearest(1)]
    };
    let rows: Vec<Vec<String>> = found.iter().map(row).collect();
    words::table(&["encounter", "photos", "decision", "probability", "group", "nearest", "next"], &rows)
}
