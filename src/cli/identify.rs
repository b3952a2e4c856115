//! `identify`: who is on photos, an answer an encounter.

use std::collections::{HashMap, HashSet};
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};
use clap::Args;
use serde_json::json;

use crate::data::counted::counted;
use crate::data::empty::empty_below;
use crate::data::foreign;
use crate::data::manifest::Problem;
use crate::eval::attention;
use crate::eval::boxes::Looker;
use crate::eval::embed::Source;
use crate::eval::model::Model;
use crate::gallery::answers::Answers;
use crate::gallery::asked::{Asked, EncountersBy, Given, loose_in};
use crate::gallery::calibration::Calibration;
use crate::gallery::discover::{LEAST, few_enough};
use crate::gallery::groups::NewOnes;
use crate::gallery::held::{Held, by_individual};
use crate::gallery::identify::{Catalogue, Decision, Verdict, embed, identify as decide, sure};
use crate::gallery::progress::Progress;
use crate::gallery::seen::Looking;
use crate::gallery::session::Session;
use crate::gallery::store::Gallery;
use crate::nn::ops::Backend;
use crate::nn::ops::device::on_device;

use super::args::{ByArg, PhotoFlags, Usage};
use super::lying::{Lying, few, lying};
use super::of_gallery::{ModelFlags, OfGallery, trained};
use super::{Context, follow, words};

/// Arguments of `identify`.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  caretta identify this-week/ --gallery turtles.gallery        each sub-folder is one encounter, each loose photo its own
  caretta identify this-week/ --gallery turtles.gallery --output this-week.jsonl        goes on where it was
  caretta identify a.jpg b.jpg --gallery turtles.gallery --json        one object a line

The probability is that the decision is right: of a name that it is that individual, of look that it is the first to look at, the
nearest, of new that it is none of those known. Which of the three it is follows from the rates that the gallery was calibrated for.")]
pub(super) struct IdentifyArgs {
    /// Photos, or folders of them
    #[arg(required = true, value_name = "PHOTO|FOLDER")]
    asked: Vec<PathBuf>,
    #[command(flatten)]
    gallery: ModelFlags,
    /// What makes photos of a folder one encounter: their sub-folder (a loose photo is one of its own), the day on
    /// which they were taken as well, or that they lie in and below one that was given
    #[arg(long, value_enum, hide_possible_values = true, default_value_t = ByArg::Folder, value_name = "folder|date|given")]
    encounters_by: ByArg,
    /// Keep what was seen of a folder with the gallery, to go through it on the screen's tab Identify; again, it goes on with
    /// what is new
    #[arg(long, conflicts_with = "encounters_by")]
    session: bool,
    /// Append the decisions to this file, an object a line; encounters that it has with the same photos are left out, so that
    /// the same command goes on where it was. When all are there, decisions on new ones are appended once more with their
    /// groups: of an encounter with several lines the last one counts
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
    let lying = lying(context, &args.asked)?;
    lying.say();
    let Lying { given, mut missing, .. } = lying;
    if let Some((folder, count)) = loose_in(&given).filter(|_| args.encounters_by == ByArg::Folder) {
        let folder = foreign::path(folder);
        words::say(&words::wrapped(&format!(
            "{folder}: its {count} loose photos are {count} encounters; if they are of one animal, --encounters-by given makes \
             each folder that is named one encounter."
        )));
    }
    let mut asked = Asked::new(given, args.encounters_by.into());
    words::say_problems(&asked.manifest.problems);
    let all = asked.encounters.len();
    asked.retain(|encounter, photos| answers.as_ref().is_none_or(|answers| !answers.has(encounter, photos)));
    let before = all - asked.encounters.len();
    let asked = seen(context, device, asked, of.looker.as_ref(), &source)?;
    let bar = follow::bar(2 * asked.photos() as u64, "identifying", context.global.json);
    let (mut found, mut new): (Vec<Decision>, NewOnes) = Default::default();
    let mut told = |decision: Decision, photos: &[f32]| {
        if decision.is_new() {
            new.take(&decision.encounter, photos);
        } else if context.global.json {
            print_line(&decision)?; // of new ones the group is not known yet
        }
        if decision.was_new() {
            new.take_named(&decision.encounter, photos);
        }
        if let Some(answers) = answers.as_mut().filter(|answers| !answers.has_such(&decision)) {
            answers.append(&decision)?;
        }
        found.push(decision);
        Ok(())
    };
    let decided = decide(&catalogue, &of.model, &asked, &source, &mut follow::ticks(context, &bar), &mut told);
    bar.finish_and_clear();
    let groups = decided.map_err(anyhow::Error::from).and_then(|problems| {
        words::say_problems(&problems);
        let is_named = |problem: &Problem| {
            problem.photo.as_deref().is_some_and(|photo| args.asked.iter().any(|path| path.as_os_str() == photo))
        };
        missing.extend(problems.into_iter().filter(is_named));
        grouped(context, device, (&catalogue, &of, &source), &asked, (new, answers.as_mut()))
    });
    for decision in found.iter_mut().filter(|decision| decision.is_new()) {
        decision.group = groups.as_ref().ok().and_then(|groups| groups.get(&decision.encounter)).cloned();
        if context.global.json {
            print_line(decision)?;
        }
    }
    let is_interrupted = match groups {
        Ok(_) => false,
        Err(error) if matches!(error.downcast_ref(), Some(crate::gallery::Error::Interrupted)) => true,
        Err(error) => return Err(error),
    };
    if !context.global.json && !found.is_empty() {
        words::print(&foreign::block(&table(&found)))?;
    }
    if let Some(path) = &args.output {
        let also =
            if before > 0 { format!(", {before} there already, as they were decided then") } else { String::new() };
        words::say(&format!("{}: {}{also}", foreign::path(path), counted(found.len(), "encounter")));
    }
    if !context.global.json && !found.is_empty() {
        words::say(&words::wrapped(&sums(&found)));
    }
    say_what_decided(&catalogue);
    if !missing.is_empty() {
        let paths: Vec<PathBuf> = missing.iter().filter_map(|one| Some(one.photo.as_ref()?.into())).collect();
        let were = if paths.len() == 1 { "was" } else { "were" };
        words::say(&format!("{} of {} named {were} left out: {}", paths.len(), args.asked.len(), few(&paths)));
    }
    if is_interrupted {
        let goes_on = if args.output.is_some() { "; the same command goes on" } else { "" };
        words::say(&format!("interrupted after {}{goes_on}", counted(found.len(), "encounter")));
        return Ok(super::INTERRUPTED);
    }
    Ok(u8::from(!missing.is_empty() || (found.is_empty() && before == 0)))
}

/// The groups of the encounters that are of new individuals, all that `answers` has with them, which are given theirs; empty
/// where nothing says how far apart groups stay.
fn grouped<D: Backend>(
    context: &Context,
    device: &D,
    (catalogue, of, source): (&Catalogue, &OfGallery<D>, &Source),
    asked: &Asked,
    (new, answers): (NewOnes, Option<&mut Answers>),
) -> Result<HashMap<String, String>> {
    let ungrouped = |answers: &&mut Answers| {
        answers.has_ungrouped() || new.encounters().any(|encounter| answers.group_of(encounter).is_none())
    };
    let Some(cut) = catalogue.cut() else { return Ok(HashMap::new()) };
    let (mut named, mut before) = (HashMap::new(), Vec::new());
    if let Some(answers) = &answers {
        before = answers.new_ones();
        let name = |encounter: &str| Some((encounter.to_owned(), answers.group_of(encounter)?.to_owned()));
        named.extend(before.iter().filter_map(|(encounter, _)| name(encounter)));
        if !ungrouped(answers) {
            return Ok(named);
        }
        let these: HashSet<&str> = new.encounters().collect();
        before.retain(|(encounter, _)| !these.contains(encounter));
    }
    if let Err(error) = few_enough(before.len() + new.len()) {
        words::say(&format!("the new ones are not grouped: {error}"));
        return Ok(named);
    }
    let mut all = NewOnes::default();
    if !before.is_empty() {
        // those of passes before are embedded once more: one group may hold old ones and new ones
        let again = seen(context, device, asked.again(&before), of.looker.as_ref(), source)?;
        let bar = follow::bar(2 * again.photos() as u64, "grouping", context.global.json);
        let ticks = &mut follow::ticks(context, &bar);
        let embedded = embed(&of.model, &again, source, ticks, &mut |encounter, photos| all.take(encounter, photos));
        bar.finish_and_clear();
        // who cannot be read again, as from another folder, keeps the group that the file says
        words::say_problems(&embedded?);
    }
    all.append(new);
    // also of those that are decided anew or are new no more
    let before = answers.as_ref().into_iter().flat_map(|answers| answers.names());
    let groups = all.groups(of.model.about.embedding_dim, cut, before)?;
    if let Some(answers) = answers {
        answers.group(&groups)?;
    }
    Ok(groups)
}

/// Looks at a folder for a session.
fn see<D: Backend>(context: &Context, args: &IdentifyArgs, device: &D) -> Result<u8> {
    let [folder] = &args.asked[..] else {
        return Err(Usage("--session goes through one folder".into()).into());
    };
    let folder = folder.canonicalize().with_context(|| foreign::path(folder))?;
    let gallery = Gallery::open(args.gallery.folder())?;
    let of = args.gallery.load(context, device, &gallery)?;
    let mut manifest = context.workspace.photos_below(&folder)?;
    if manifest.photos.is_empty() && manifest.problems.is_empty() {
        manifest = context.workspace.every_photo(&folder)?; // which says that there is none
    }
    let mut looking = Looking::at(&gallery, &folder)?;
    let empty = empty_below(&folder, &manifest).len();
    looking.leaves_out(empty);
    context.workspace.know_gallery(gallery.folder())?;
    let source = args.photos.source(context);
    let mut asked = Asked::new(vec![Given::Folder(PathBuf::new(), manifest)], EncountersBy::Folder);
    asked.manifest.root.clone_from(&folder);
    looking.leave_gone(&gallery, &asked)?;
    looking.keep_unseen(&mut asked)?;
    words::say_problems(&asked.manifest.problems);
    let asked = seen(context, device, asked, of.looker.as_ref(), &source)?;
    let trained = trained(&of.chosen, &of.model, None);
    let bar = follow::bar(2 * asked.photos() as u64, "looking at photos", context.global.json);
    let mut ticks = follow::ticks(context, &bar);
    let mut progress = Progress::of(gallery.folder(), &folder);
    let done = looking.see(&of.model, (&asked, &trained), &source, &mut |done, all| {
        progress.say(done / 2, all / 2); // decoded, embedded
        ticks(done, all)
    });
    drop(progress);
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
    let later = session.entries.iter().filter(|entry| !entry.later.is_empty()).count();
    let answer = json!({
        "folder": foreign::path(&folder), "encounters": session.entries.len(), "decided": decided,
        "with_new_photos": later, "unreadable": session.problems, "empty_folders": empty,
    });
    context.answer(&answer, || {
        let later = if later > 0 { format!(", {later} of them with photos that came since") } else { String::new() };
        let empty = if empty > 0 { format!(", {} without a photo", counted(empty, "folder")) } else { String::new() };
        format!(
            "{}: {}, {decided} decided{later}{empty}\nNext: caretta, and there the tab 5 Identify",
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
    say_what_is_decided_one_by_one(catalogue);
    let Some(calibration) = catalogue.calibration().filter(|calibration| calibration.groups.is_none()) else { return };
    let gallery = foreign::path(catalogue.gallery().folder());
    words::say(&words::wrapped(&match calibration.too_few_for_groups() {
        Some(few) => no_groups(few),
        None => format!(
            "Nothing says yet how far apart new animals stay, so that they have no groups: \
             `caretta gallery calibrate --gallery {gallery}` chooses it."
        ),
    }));
}

/// Why nothing says how far apart new animals stay in a gallery that is calibrated, on so few individuals.
pub(super) fn no_groups(few: usize) -> String {
    format!(
        "How far apart new animals stay could not be chosen, so that they have no groups: it takes {LEAST} individuals that the network \
         was not trained on and that people have named, and when the gallery was calibrated it had {few}."
    )
}

/// As [`say_what_decided`], where there are no groups.
pub(super) fn say_what_is_decided_one_by_one(catalogue: &Catalogue) {
    say_what_is_searched(catalogue);
    let folder = catalogue.gallery().folder();
    match catalogue.calibration() {
        None => words::say(&words::wrapped(&uncalibrated(folder))),
        Some(calibration) => say_growth(folder, calibration, catalogue.individuals().len()),
    }
}

/// That nothing is decided by the gallery in `folder`, and what helps.
pub(super) fn uncalibrated(folder: &Path) -> String {
    format!(
        "This gallery is not calibrated: the names are ranked and nothing is decided, so that the nearest name stands even \
         for an animal that is new. `caretta gallery calibrate --gallery {}` chooses how near is near enough.",
        foreign::path(folder)
    )
}

/// Says so where the gallery in `folder`, of so many individuals, has outgrown its calibration.
pub(super) fn say_growth(folder: &Path, calibration: &Calibration, individuals: usize) {
    if calibration.has_grown(individuals) {
        words::say(&words::wrapped(&format!(
            "The gallery has grown since it was calibrated, and strangers come nearer in a larger one: \
             `caretta gallery calibrate --gallery {}` makes the decisions good again.",
            foreign::path(folder)
        )));
    }
}

/// What lies at the paths given, all of which must be there.
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

/// The place of the group in a row.
const GROUP: usize = 4;

/// What stands above the cells of a row.
pub(super) const HEAD: [&str; 6] =
    ["encounter", "photos", "decision", "probability", "nearest, distance", "next, distance"];

/// What the probability in a row is of.
pub(super) const PROBABILITY: &str = "Probability, that the decision is right: where a name stands, that it is that individual; of `look`, that it is the first to \
     look at, the nearest; of new, that it is none of those known. Which of the three it is follows from the rates that were asked for, not from the probability: at lax rates \
     a name may be less likely than a look's.";

/// A decision for people, a cell for each of [`HEAD`].
pub(super) fn cells(d: &Decision) -> [String; 6] {
    let nearest = |place: usize| {
        let near = d.individuals.get(place);
        near.map_or_else(String::new, |near| format!("{} {:.3}", foreign::line(&near.individual), near.distance))
    };
    let decision = match d.decision {
        _ if d.is_skipped() => match new_photos(d) {
            0 => "skipped".into(),
            more => format!("skipped, {} since", counted(more, "photo")),
        },
        _ if new_photos(d) == 0 && d.settled_as().is_some() => "decided already".into(),
        // nothing needs to be calibrated for what is decided
        None if d.settled_as().is_some() => d.individual.as_deref().map_or_else(String::new, foreign::line),
        Some(Verdict::Known) => d.individual.as_deref().map_or_else(String::new, foreign::line),
        Some(Verdict::NewIndividual) => "new individual".into(),
        Some(Verdict::Look) => "look".into(),
        None => "—".into(),
    };
    let sure = d.probability.filter(|_| !d.is_skipped()).map_or_else(String::new, sure);
    [foreign::line(&d.encounter), d.photos.len().to_string(), decision, sure, nearest(0), nearest(1)]
}

/// How many photos came since it was decided or skipped.
fn new_photos(d: &Decision) -> usize {
    d.decided.as_ref().map_or(0, |decided| decided.new_photos.len())
}

/// Who the photos of an encounter are already, as was decided or by what the gallery holds, and how many are new to it; nothing where
/// it holds none.
pub(super) fn already(d: &Decision) -> String {
    let stands = d.decided.as_ref().and_then(|decided| Some((decided, decided.ruling.individual()?)));
    if let Some((decided, name)) = stands {
        let day = decided.at.local().split(' ').next().unwrap_or_default().to_owned();
        let more = match new_photos(d) {
            0 => String::new(),
            more => format!("; {} to add", counted(more, "new photo")),
        };
        let has = d.already.iter().filter(|held| held.individual == name).count();
        let others = whose(&decided.photos_of_others);
        let missing = d.photos.len().saturating_sub(has + new_photos(d) + decided.photos_of_others.len());
        let has =
            if missing > 0 { format!("; the gallery has {has} of its {}", d.photos.len()) } else { String::new() };
        return format!("decided already as {} on {day}{has}{more}{others}", foreign::line(name));
    }
    let mut who: Vec<(&str, String)> = Vec::new();
    for held in &d.already {
        if !who.iter().any(|(name, _)| *name == held.individual) {
            let day = held.at.local().split(' ').next().unwrap_or_default().to_owned();
            who.push((&held.individual, day));
        }
    }
    if who.is_empty() {
        return String::new();
    }
    let who: Vec<String> = who.into_iter().map(|(name, day)| format!("{} on {day}", foreign::line(name))).collect();
    let who = who.join(" and as ");
    match d.photos.len().saturating_sub(d.already.len()) {
        0 => format!("decided already as {who}"),
        new => {
            format!("{} of {} decided already, as {who}; {new} not in the gallery", d.already.len(), d.photos.len())
        }
    }
}

/// Of photos of one that is decided that the gallery has as somebody else; nothing where there is none.
fn whose(others: &[Held]) -> String {
    let of = |(name, count): (&str, usize)| match count {
        1 => format!("; 1 photo is {}'s in the gallery", foreign::line(name)),
        count => format!("; {count} photos are {}'s in the gallery", foreign::line(name)),
    };
    by_individual(others).into_iter().map(of).collect()
}

/// Decisions for people.
fn table(found: &[Decision]) -> String {
    let has_groups = found.iter().any(|d| d.group.is_some());
    let has_held = found.iter().any(|d| !already(d).is_empty());
    let row = |d: &Decision| {
        let mut row = cells(d).to_vec();
        if has_groups {
            row.insert(GROUP, d.group.clone().filter(|_| !d.is_skipped()).unwrap_or_default());
        }
        if has_held {
            row.push(already(d));
        }
        row
    };
    let rows: Vec<Vec<String>> = found.iter().map(row).collect();
    let mut head = HEAD.to_vec();
    if has_groups {
        head.insert(GROUP, "group");
    }
    if has_held {
        head.push("in the gallery");
    }
    words::table(&head, &rows)
}

/// How many encounters came to which decision.
fn sums(found: &[Decision]) -> String {
    let (skipped, rest): (Vec<&Decision>, Vec<&Decision>) = found.iter().partition(|d| d.is_skipped());
    let (decided, open): (Vec<&Decision>, Vec<&Decision>) = rest.into_iter().partition(|d| d.settled_as().is_some());
    let with_more = |of: &[&Decision], to: &str| match of.iter().filter(|d| new_photos(d) > 0).count() {
        0 => String::new(),
        n => format!(", {n} of them with new photos{to}"),
    };
    let more = with_more(&decided, " to add");
    let of_others = |d: &&&Decision| d.decided.as_ref().is_some_and(|decided| !decided.photos_of_others.is_empty());
    let more = match decided.iter().filter(of_others).count() {
        0 => more,
        n => format!("{more}, {n} of them with photos of somebody else"),
    };
    let mut all = counted(found.len(), "encounter");
    if decided.len() == found.len() {
        return format!("{all}: decided already{more}.");
    }
    if !decided.is_empty() {
        all += &format!(", {} decided already{more}", decided.len());
    }
    if !skipped.is_empty() {
        all += &format!(", {} skipped{}", skipped.len(), with_more(&skipped, ""));
    }
    if open.is_empty() {
        return format!("{all}.");
    }
    let held = open.iter().filter(|d| !d.already.is_empty() && d.already.len() < d.photos.len()).count();
    if held > 0 {
        all += &format!(", {held} with some photos that the gallery has and others that are new");
    }
    let count = |verdict| open.iter().filter(|d| d.decision == Some(verdict)).count();
    let (known, new, look) = (count(Verdict::Known), count(Verdict::NewIndividual), count(Verdict::Look));
    if known + new + look == 0 {
        return format!("{all}: ranked, nothing decided.");
    }
    let groups: HashSet<&str> = open.iter().filter_map(|d| d.group.as_deref()).collect();
    let groups = match groups.len() {
        0 => String::new(),
        n => format!(" ({})", counted(n, "individual")),
    };
    format!("{all}: {known} known, {new} new{groups}, {look} to look at. {PROBABILITY}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::run::stamp::Stamp;

    #[test]
    fn encounters_are_summed_by_decision() {
        let decision = |decision: Option<Verdict>, group: Option<&str>| {
            let near = serde_json::json!({ "photos": ["a/1.jpg"], "encounter": "a", "decision": decision, "group": group,
                "individual": "t1", "probability": 0.9, "nearest": [], "individuals": [] });
            serde_json::from_value::<Decision>(near).unwrap()
        };
        let new = |group| decision(Some(Verdict::NewIndividual), Some(group));
        let look = || decision(Some(Verdict::Look), None);
        let found = [decision(Some(Verdict::Known), None), new("new 1"), new("new 1"), new("new 2"), look(), look()];
        let told = sums(&found);
        assert!(told.starts_with("6 encounters: 1 known, 3 new (2 individuals), 2 to look at."), "{told}");
        assert!(sums(&[decision(None, None)]).starts_with("1 encounter: ranked, nothing decided"));
        // who the gallery has by these photos is counted apart
        let held = || Held { photo: "a/1.jpg".into(), individual: "t7".into(), at: Stamp::from_millis(0) };
        let decided = || Decision { already: vec![held()], ..decision(Some(Verdict::Known), None) };
        let some = Decision { photos: vec!["a/1.jpg".into(), "a/2.jpg".into()], ..decided() };
        let told = sums(&[decided(), look(), some]);
        assert!(
            told.starts_with(
                "3 encounters, 1 decided already, 1 with some photos that the gallery has and others that are new: 1 known, \
                 0 new, 1 to look at."
            ),
            "{told}"
        );
        assert_eq!(sums(&[decided(), decided()]), "2 encounters: decided already.");
        assert_eq!(cells(&decided())[2], "decided already");
        assert!(already(&decided()).starts_with("decided already as t7 on "));
        let photos = || vec!["a/1.jpg".into(), "a/2.jpg".into(), "a/3.jpg".into()];
        let some = Decision { photos: photos(), ..decided() };
        assert!(
            already(&some).starts_with("1 of 3 decided already, as t7 on ")
                && already(&some).ends_with("; 2 not in the gallery")
        );
        // who was decided stands, with its new photos; who was skipped is told, and is no new one
        let stands = |ruling: serde_json::Value, new: &[&str]| {
            let mut all = serde_json::json!({ "by": "person", "at": "2026-11-02T10:00:00Z", "new_photos": new });
            all.as_object_mut().unwrap().extend(ruling.as_object().unwrap().clone());
            Some(serde_json::from_value(all).unwrap())
        };
        let named = serde_json::json!({ "decision": "new_individual", "individual": "Alpha" });
        let alpha = Decision {
            individual: Some("Alpha".into()),
            photos: photos(),
            decided: stands(named, &["a/2.jpg", "a/3.jpg"]),
            ..decided()
        };
        assert_eq!(cells(&alpha)[2], "Alpha");
        let told = already(&alpha);
        assert!(
            told.starts_with("decided already as Alpha on 2026-11-0") && told.ends_with("; 2 new photos to add"),
            "{told}"
        );
        // a photo of it that is somebody else's, and one that was taken out of the gallery, are told
        let mut mixed = alpha.clone();
        let alphas = Held { individual: "Alpha".into(), ..held() };
        mixed.already = vec![alphas, held()];
        if let Some(stands) = &mut mixed.decided {
            (stands.new_photos, stands.photos_of_others) = (vec![], vec![held()]);
        }
        let told = already(&mixed);
        assert!(told.ends_with("; the gallery has 1 of its 3; 1 photo is t7's in the gallery"), "{told}");
        assert_eq!(sums(&[mixed.clone()]), "1 encounter: decided already, 1 of them with photos of somebody else.");
        let json = serde_json::to_value(&mixed).unwrap();
        assert_eq!(json["decided"]["photos_of_others"][0]["individual"], "t7");
        let skipped = Decision { decided: stands(serde_json::json!({ "decision": "skipped" }), &[]), ..new("new 2") };
        assert_eq!((cells(&skipped)[2].as_str(), cells(&skipped)[3].as_str()), ("skipped", ""));
        let told = sums(&[alpha.clone(), skipped, new("new 1")]);
        let words = "3 encounters, 1 decided already, 1 of them with new photos to add, 1 skipped: 0 known, 1 new (1 individual), 0 to";
        assert!(told.starts_with(words), "{told}");
        let seen_again = Decision {
            decided: stands(serde_json::json!({ "decision": "skipped" }), &["a/2.jpg"]),
            ..decision(Some(Verdict::NewIndividual), None)
        };
        assert_eq!(cells(&seen_again)[2], "skipped, 1 photo since", "others may not be in the gallery either");
        assert_eq!(sums(&[seen_again]), "1 encounter, 1 skipped, 1 of them with new photos.");
        assert_eq!(sums(&[alpha]), "1 encounter: decided already, 1 of them with new photos to add.");
        let other = Held { individual: "t9".into(), ..held() };
        let two = Decision { photos: photos(), already: vec![held(), held(), other], ..look() };
        assert!(already(&two).starts_with("decided already as t7 on ") && already(&two).contains(" and as t9 on "));
    }
}
