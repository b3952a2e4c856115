//! `search`: the nearest known photos and individuals of any photos.

use std::path::PathBuf;

use anyhow::Result;
use clap::Args;
use serde::Serialize;

use crate::data::decode::PhotoFile;
use crate::data::foreign;
use crate::eval::dataset::thumbnail;
use crate::eval::figures::{Drawing, Hit, QueryRow, Shown, query_sheet};
use crate::gallery::asked::{Asked, EncountersBy, Given};
use crate::gallery::identify::{Approximate, Catalogue, Decision, NearIndividual, NearPhoto, look_up};
use crate::gallery::store::Gallery;
use crate::nn::ops::Backend;
use crate::nn::ops::device::on_device;

use super::args::PhotoFlags;
use super::identify::{say_what_is_searched, seen};
use super::of_gallery::ModelFlags;
use super::{Context, follow, pictures, words};

/// Arguments of `search`.
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  caretta search monday.jpg --gallery turtles.gallery")]
pub(super) struct SearchArgs {
    /// The photos
    #[arg(required = true, value_name = "PHOTO")]
    asked: Vec<PathBuf>,
    #[command(flatten)]
    gallery: ModelFlags,
    #[command(flatten)]
    photos: PhotoFlags,
}

pub(super) fn search(context: &Context, args: &SearchArgs) -> Result<u8> {
    context.catch_signals()?;
    let device = args.photos.device.open()?;
    on_device!(&device, device => search_on(context, args, device))
}

fn search_on<D: Backend>(context: &Context, args: &SearchArgs, device: &D) -> Result<u8> {
    let catalogue = Catalogue::of(Gallery::open(args.gallery.folder())?)?;
    let of = args.gallery.load(context, device, catalogue.gallery())?;
    let source = args.photos.source(context);
    let given = args.asked.iter().map(|path| Given::Photo(path.clone())).collect();
    let asked = seen(context, device, Asked::new(given, EncountersBy::Folder), of.looker.as_ref(), &source)?;
    let bar = follow::bar(2 * asked.manifest.photos.len() as u64, "searching", context.global.json);
    let mut found: Vec<Decision> = Vec::new();
    let searched =
        look_up(&catalogue, &of.model, &asked, &source, &mut follow::ticks(context, &bar), &mut |decision, _| {
            found.push(decision);
            Ok(())
        });
    bar.finish_and_clear();
    if let Err(crate::gallery::Error::Interrupted) = searched {
        return Ok(super::INTERRUPTED);
    }
    let problems = searched?;
    words::say_problems(&problems);
    say_what_is_searched(&catalogue);
    let answer = Answer {
        gallery: foreign::path(args.gallery.folder()),
        model: &catalogue.gallery().networks().model,
        unreadable: problems.len(),
        approximate: catalogue.approximate(),
        queries: found.iter().map(Query::from).collect(),
    };
    context.answer(&answer, || found.iter().map(told).collect::<Vec<_>>().join("\n\n"))?;
    if let Some(sheet) = sheet(&found, &answer.gallery) {
        pictures::show(&sheet.picture, context.global.images, context.global.json);
    }
    Ok(if found.is_empty() { 1 } else { 0 })
}

/// What `--json` prints.
#[derive(Serialize)]
struct Answer<'a> {
    gallery: String,
    model: &'a str,
    unreadable: usize,
    approximate: Option<Approximate>,
    queries: Vec<Query<'a>>,
}

#[derive(Serialize)]
struct Query<'a> {
    photo: &'a str,
    nearest: Vec<Found<'a>>,
    individuals: &'a [NearIndividual],
}

/// A known photo, and whether it is the one asked about: whose name stands there says nothing of who else is near.
#[derive(Serialize)]
struct Found<'a> {
    #[serde(flatten)]
    near: &'a NearPhoto,
    same_photo: bool,
}

impl<'a> From<&'a Decision> for Query<'a> {
    fn from(found: &'a Decision) -> Query<'a> {
        let nearest = found.nearest.iter().map(|near| Found { near, same_photo: near.is_same });
        Query { photo: &found.encounter, nearest: nearest.collect(), individuals: &found.individuals }
    }
}

/// What stands behind the gallery's own copy of the photo asked about.
const SAME: &str = "the same photo";

/// One query's nearest in a table.
fn told(found: &Decision) -> String {
    let has_same = found.nearest.iter().any(|near| near.is_same);
    let row = |(rank, near): (usize, &NearPhoto)| {
        let cells = [&near.individual, &near.encounter, &near.photo].map(|text| foreign::line(text));
        let same = has_same.then(|| if near.is_same { SAME } else { "" }.to_owned());
        [&[rank.to_string(), format!("{:.3}", near.distance)], &cells[..], same.as_slice()].concat()
    };
    let rows: Vec<Vec<String>> = (1..).zip(&found.nearest).map(row).collect();
    let named = |near: &NearIndividual| {
        let nearest = found.nearest.iter().find(|photo| photo.individual == near.individual);
        let is_by_it = nearest.is_some_and(|nearest| nearest.is_same);
        let same = if is_by_it { format!(" ({SAME})") } else { String::new() };
        format!("{} {:.3}{same}", foreign::line(&near.individual), near.distance)
    };
    let individuals: Vec<String> = found.individuals.iter().take(5).map(named).collect();
    format!(
        "{}\n{}\nnearest individuals: {}",
        foreign::line(&found.encounter),
        words::table(&["", "distance", "individual", "encounter", "photo", ""][..if has_same { 6 } else { 5 }], &rows),
        individuals.join(", ")
    )
}

/// Queries in a picture at most.
const IN_A_PICTURE: usize = 6;

/// The photos beside their nearest.
fn sheet(found: &[Decision], gallery: &str) -> Option<Drawing> {
    let found = &found[..found.len().min(IN_A_PICTURE)];
    let pictures: Vec<_> = found
        .iter()
        .map(|d| {
            let near = d.nearest.iter().take(5);
            let near = near.map(|near| thumbnail(&PhotoFile::from(std::path::Path::new(&near.root).join(&near.photo))));
            (thumbnail(&PhotoFile::from(&d.encounter)), near.collect::<Vec<_>>())
        })
        .collect();
    let rows: Vec<QueryRow<'_>> = found
        .iter()
        .zip(&pictures)
        .map(|(d, (query, near))| QueryRow {
            query: Shown { photo: query, individual: &d.encounter, encounter: "" },
            words: format!("nearest in {gallery}"),
            hits: d
                .nearest
                .iter()
                .zip(near)
                .map(|(of, photo)| Hit {
                    shown: Shown { photo, individual: &of.individual, encounter: &of.encounter },
                    distance: of.distance,
                    correct: None,
                })
                .collect(),
        })
        .collect();
    (!rows.is_empty()).then(|| query_sheet("The nearest known photos", gallery, &rows))
}
