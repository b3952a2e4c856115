//! `gallery calibrate`: the errors that a gallery's decisions may be held to.

use anyhow::Result;
use clap::Args;
use serde::Serialize;

use crate::data::counted::{counted, thousandths};
use crate::data::foreign;
use crate::gallery::calibrated::calibrate_gallery;
use crate::gallery::calibration::{Calibration, Population, Reached};
use crate::gallery::calibration_charts::RELIABILITY_FILE;
use crate::gallery::share::Share;
use crate::gallery::store::Gallery;
use crate::gallery::thresholds::Asked;

use super::discover::agreement;
use super::identify::no_groups;
use super::of_gallery::GalleryFlag;
use super::{Context, pictures, words};

/// The rate of an error that was not spoken of.
const USUAL: f64 = 0.05;

/// Arguments of `gallery calibrate`.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  caretta gallery calibrate --gallery turtles.gallery --false-new 0.05
  caretta gallery calibrate --gallery turtles.gallery --wrong-name 0.02 --share-new 0.3

Individuals that trained the network calibrate nothing: it holds them apart better than strangers. An error rate of 0.05
takes some 60 individuals that it never saw, each met twice; the fewer there are, the higher the rate that can be promised.")]
pub(super) struct CalibrateArgs {
    #[command(flatten)]
    gallery: GalleryFlag,
    /// Share of encounters of known individuals that may be called new [default: 0.05]
    #[arg(long, alias = "false_new", value_name = "RATE")]
    false_new: Option<f64>,
    /// Share of encounters that may get a wrong name, of known individuals and of new ones [default: 0.05]
    #[arg(long, alias = "wrong_name", value_name = "RATE")]
    wrong_name: Option<f64>,
    /// Share of encounters that will be of new individuals, which the probabilities suppose [default: as in the gallery,
    /// where the first encounter of each was new]
    #[arg(long, alias = "share_new", value_name = "SHARE")]
    share_new: Option<f64>,
}

pub(super) fn calibrate(context: &Context, args: &CalibrateArgs) -> Result<u8> {
    let gallery = Gallery::open(&args.gallery.gallery)?;
    let asked = Asked { false_new: args.false_new.unwrap_or(USUAL), wrong_name: args.wrong_name.unwrap_or(USUAL) };
    let (calibration, written) = calibrate_gallery(&gallery, asked, args.share_new)?;
    #[derive(Serialize)]
    struct Answer<'a> {
        gallery: String,
        #[serde(flatten)]
        calibration: &'a Calibration,
        /// Encounters that are one photo which nobody has dated, of individuals that have several of those.
        single_undated_encounters: u64,
        files: Vec<String>,
    }
    let single = gallery.single_undated()?;
    let shown = foreign::path(gallery.folder());
    let files: Vec<String> =
        written.iter().filter_map(|p| p.file_name()).map(|n| n.to_string_lossy().into_owned()).collect();
    let answer = Answer { gallery: shown.clone(), calibration: &calibration, single_undated_encounters: single, files };
    context.answer(&answer, || {
        format!(
            "{}\n\n{shown}: {}\nNext: caretta identify PHOTO|FOLDER --gallery {shown}",
            told(&calibration, single),
            answer.files.join(", ")
        )
    })?;
    if let Ok(picture) = image::open(gallery.folder().join(RELIABILITY_FILE)) {
        pictures::show(&picture.to_rgb8(), context.global.images, context.global.json);
    }
    Ok(0)
}

/// A calibration for people.
fn told(calibration: &Calibration, single: u64) -> String {
    let Calibration { asked, thresholds, population: held, .. } = calibration;
    let known = thresholds.known_up_to.map(|up_to| format!("known up to a score of {}", thousandths(up_to)));
    let known = known.unwrap_or_else(|| "nobody known by any score".to_owned());
    let mut text = format!(
        "{} held out: {}{} as known, {} as new\n\
         {known}, new above {}, to look at between\n",
        counted(held.individuals, "individual"),
        counted(held.known_encounters, "encounter"),
        met_twice(held),
        counted(held.new_encounters, "encounter"),
        thousandths(thresholds.new_above)
    );
    if let Some(reached) = &calibration.reached {
        text.push('\n');
        text += &words::table(
            &["on individuals that did not choose", "asked", "reached", "95 % interval"],
            &rows(reached, asked),
        );
        text += &format!(
            "\nto look at: {:.3} of all, were {:.2} of them of new individuals; probabilities are off by {:.3} (ECE; names {:.3}, new \
             {:.3})",
            reached.look, calibration.share_new, reached.decisions.ece, reached.names.ece, reached.new.ece
        );
    }
    for remark in remarks(calibration).into_iter().chain(undated(single)) {
        text += &format!("\n{}", words::wrapped(&remark));
    }
    text
}

/// Of how many individuals the known encounters are, where that is not all that were held out.
fn met_twice(held: &Population) -> String {
    match held.individuals_known < held.individuals {
        true => format!(" of {} of them (the others were met once)", held.individuals_known),
        false => String::new(),
    }
}

fn rows(reached: &Reached, asked: &Asked) -> Vec<Vec<String>> {
    let row = |name: &str, asked: Option<f64>, share: &Share| {
        vec![
            name.to_owned(),
            asked.map_or_else(String::new, |rate| format!("{rate}")),
            format!("{:.3}", share.share),
            format!("{:.3} to {:.3}", share.interval[0], share.interval[1]),
        ]
    };
    vec![
        row("known called new", Some(asked.false_new), &reached.false_new),
        row("known with a wrong name", Some(asked.wrong_name), &reached.wrong_name_of_known),
        row("new with a name", Some(asked.wrong_name), &reached.wrong_name_of_new),
        row("known named", None, &reached.named),
        row("new called new", None, &reached.found_new),
    ]
}

/// What is to be said of encounters that may be none.
fn undated(single: u64) -> Option<String> {
    (single > 0).then(|| {
        format!(
            "{} of one photo without a date, beside others of the same individual: what was taken in one go finds itself, and the errors will be higher than \
             this; date them, or put those of a day into a folder called after it (t1/2026-07-09/), and build the gallery anew (`caretta gallery build`).",
            counted(single as usize, "encounter"),
        )
    })
}

/// What people should know beside the numbers.
fn remarks(calibration: &Calibration) -> Vec<String> {
    let held = &calibration.population;
    let mut said = vec![
        "With 95 % confidence the errors stay below what was asked, for individuals like these that the network was not trained \
         on, in a gallery of this size. The intervals leave 2.5 % on either side, and so may reach above it."
            .to_owned(),
    ];
    said.push(
        "A score is no distance: it is twice the distance to the nearest individual less the mean distance to the five after it, and \
         lies between -2 and 4. An individual's distance is the mean, over the encounter's photos, of that to its nearest photo \
         (`individuals` in the JSON of identify); `nearest` has distances between two photos."
            .into(),
    );
    if held.is_drawn() {
        let asked = held.new_encounters.max(held.known_encounters);
        let eligible = counted(held.eligible_individuals, "individual");
        let whose = match held.individuals < held.eligible_individuals {
            true => format!("{} of {eligible}", held.individuals),
            false => format!("all {eligible}"),
        };
        said.insert(
            0,
            format!(
                "Asked about, each in the whole gallery: {asked} of {}, of {whose}, drawn at random (seed {}); the intervals are those of so \
                 many.",
                counted(held.eligible_encounters, "encounter"),
                held.seed
            ),
        );
    }
    if calibration.thresholds.known_up_to.is_none() {
        said.push("No distance is short enough to give a name at this rate: known animals are left to look at. A better network, or a higher --wrong-name.".into());
    }
    if calibration.reached.is_none() {
        said.push("Too few individuals to judge some by the others: what was reached is not known.".into());
    }
    if held.trained_individuals > 0 {
        let of_trained = calibration.of_trained.as_ref().map_or_else(String::new, |share| {
            format!(
                "; of {} of them that it did not see {:.3} would be called new ({:.3} to {:.3})",
                counted(share.encounters, "encounter"),
                share.share,
                share.interval[0],
                share.interval[1]
            )
        });
        said.push(format!(
            "{} trained the network and calibrated nothing{of_trained}.",
            counted(held.trained_individuals, "individual")
        ));
    }
    if held.encounters_named_by_program > 0 {
        said.push(format!(
            "{} got their names from the program alone and calibrated nothing: the scores that are judged here chose them.",
            counted(held.encounters_named_by_program, "encounter")
        ));
    }
    if let Some(groups) = &calibration.groups {
        said.push(format!(
            "Groups of new animals stay {:.3} apart, chosen on {} of {}; on the others {}.",
            groups.distance,
            groups.chosen_on,
            counted(held.eligible_individuals, "individual"),
            agreement(&groups.reached)
        ));
    }
    said.extend(calibration.too_few_for_groups().map(no_groups));
    if held.photos_of_unknown_training > 0 {
        said.push(format!(
            "Nobody knows whether the network was trained on {} of these: if it was, the errors will be higher.",
            counted(held.photos_of_unknown_training, "photo")
        ));
    }
    said
}
