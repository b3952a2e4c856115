//! A dataset evaluated with a model: from photos to every file that an evaluation leaves.
//!
//! The function behind `evaluate`, and behind the evaluation that `demo` ends with.

use std::collections::{BTreeMap, HashSet};
use std::path::{Path, PathBuf};

use image::RgbImage;

use crate::data::decode::PhotoFile;
use crate::data::manifest::{Manifest, Part, Problem};
use crate::data::split::{Roles, Split};
use crate::nn::ops::Backend;

use super::charts;
use super::embed::{Embedded, Source, embed_mirrored, embed_readable};
use super::embeddings::{EmbeddingSet, PhotoRow, Role};
use super::figures::{Drawing, Hit, PairRow, QueryRow, Section, Shown, pair_sheet, query_sheet, write_drawing};
use super::matching::{Manner, Sides};
use super::model::Model;
use super::report::{ChosenBy, ChosenOn, Context, Evaluation, Excluded, Picture, Report, evaluate_by, write};
use super::retrieval::{Match, Ranked};
use super::{Error, Result, pairs, session};

/// The sheet of matched and mismatched pairs.
pub const PAIRS_FILE: &str = "pairs.png";
/// The sheet of queries with their nearest photos.
pub const QUERIES_FILE: &str = "queries.png";

/// Longest side of a photo on a sheet, in pixels.
const ON_A_SHEET: u32 = 420;

/// What is evaluated, and how.
#[derive(Clone, Debug)]
pub struct Question<'a> {
    /// The photos.
    pub manifest: &'a Manifest,
    /// Their parts.
    pub split: &'a Split,
    /// Gallery and queries.
    pub roles: Roles,
    /// What a query's gallery leaves out.
    pub excluded: Excluded,
    /// How it asks.
    pub manner: Manner,
    /// What the report calls the model.
    pub model: String,
    /// The part that chose the checkpoint, and whether that is a part of these photos.
    pub chosen_by: Option<(Part, ChosenOn)>,
    /// How many of the queries the model was trained on, where that is known.
    pub queries_trained_on: Option<usize>,
    /// How many photos are corrected otherwise than when the model's run began, where this is its dataset.
    pub corrected_since: Option<usize>,
}

/// What an evaluation found.
#[derive(Clone, Debug)]
pub struct Answer {
    /// Embeddings of gallery and queries.
    pub set: EmbeddingSet,
    /// Both rankings.
    pub evaluation: Evaluation,
    /// The figures.
    pub report: Report,
    /// What the dataset left out or doubted, then the photos that could not be read and were left out.
    pub problems: Vec<Problem>,
}

/// Photos done, of how many; says whether to go on.
pub type Progress<'a> = dyn FnMut(usize, usize) -> bool + 'a;

/// [`ask`]s, and leaves every file in `folder`, which is made if need be and held while it goes on; tells which.
///
/// # Errors
/// As [`ask`]; also when another evaluation holds `folder`, or a file cannot be written. What stood there before is
/// then unchanged, and the folder's state says why.
pub fn evaluate_into<D: Backend>(
    folder: &Path,
    model: &Model<D>,
    question: &Question,
    source: &Source,
    progress: &mut Progress,
) -> Result<(Answer, Vec<PathBuf>)> {
    session::within(folder, |session| {
        let Question { manifest, split, roles, .. } = question;
        let (gallery, queries) = (roles.gallery.len(), roles.queries.len());
        let (name, part) = (&split.name, roles.query_part.word());
        session.say(&format!(
            "{} on {}: {queries} queries ({name}, {part}), {gallery} gallery photos",
            question.model, manifest.name
        ))?;
        let answer = ask(model, question, source, &mut |done, total| {
            session.progress(done / 2, total / 2); // a photo counts twice: decoded, embedded
            progress(done, total) && !session.is_told_to_stop()
        })?;
        for problem in &answer.problems {
            session.say(&problem.told())?;
        }
        if let Some(warning) = source.cache.take_warning() {
            session.say(&warning)?;
        }
        let written = session.put(|folder| leave(folder, manifest, &answer))?;
        Ok((answer, written))
    })
}

/// Embeds gallery and queries and ranks them. Photos that cannot be read are left out and told.
///
/// # Errors
/// When nothing is left to rank, or the network fails.
pub fn ask<D: Backend>(
    model: &Model<D>,
    question: &Question,
    source: &Source,
    progress: &mut Progress,
) -> Result<Answer> {
    let Question { manifest, split, roles, .. } = question;
    let mut roles_of: BTreeMap<usize, Role> = roles.gallery.iter().map(|&i| (i, Role::Gallery)).collect();
    for &query in &roles.queries {
        let role = roles_of.get(&query).map_or(Role::Query, |_| Role::Both);
        roles_of.insert(query, role);
    }
    for photo in validation(question) {
        roles_of.entry(photo).or_insert(Role::Validation);
    }
    let wanted: Vec<usize> = roles_of.keys().copied().collect();
    let Manner { matching, query_unit, flip, mirror, .. } = question.manner;
    if matching.sides != Sides::Both && wanted.iter().all(|&photo| manifest.photos[photo].side.is_none()) {
        return Err(Error::NoSides); // before the work
    }
    let mirror = flip || mirror || matching.sides == Sides::Mirrored;
    let more = if mirror { wanted.len() } else { 0 };
    let Embedded { usable, vectors, problems } =
        embed_readable(model, manifest, &wanted, source, &mut |done, all| progress(done, all + more))?;
    let count = |asked: fn(Role) -> bool| usable.iter().filter(|i| asked(roles_of[i])).count();
    let (queries, gallery) = (count(Role::is_query), count(Role::is_gallery));
    if let (true, Some(first)) = (queries == 0 || gallery == 0, problems.first()) {
        let first = Box::new(first.clone());
        return Err(Error::TooFewLeft { left_out: problems.len(), all: wanted.len(), queries, gallery, first });
    }
    let rows = usable.iter().map(|i| photo_row(manifest, *i, roles_of[i])).collect();
    let mut set = EmbeddingSet::new(model.network.architecture.dimensions, vectors, rows)?;
    if mirror {
        let before = 2 * wanted.len();
        let mirrored =
            embed_mirrored(model, manifest, &usable, source, &mut |done| progress(before + done, before + more))?;
        set = set.with_mirrored(mirrored)?;
        if flip {
            set = set.flipped();
        }
    }
    let evaluation = evaluate_by(&set, question.excluded, question.manner.matching_of(queries, gallery))?;
    let query = roles.query_part.word();
    let context = Context {
        dataset: manifest.name.clone(),
        split: format!("{}: gallery {}, query {query}", split.name, roles.gallery_part.word()),
        model: question.model.clone(),
        identity: model.identity.clone(),
        preprocessing: serde_json::to_value(&model.about.preprocessing).map_err(|source| Error::Json {
            path: model.path.clone(),
            what: "preprocessing",
            source,
        })?,
        chosen_by: question.chosen_by.as_ref().map(|(part, on)| ChosenBy::new(part.word(), on, &[query])),
        queries_trained_on: question.queries_trained_on,
        corrected: manifest.corrected,
        corrected_since: question.corrected_since,
        flip,
        query_unit,
    };
    let report = Report::new(context, &evaluation);
    let problems = manifest.problems.iter().cloned().chain(problems).collect();
    Ok(Answer { set, evaluation, report, problems })
}

/// Photos that choose the threshold beyond which an animal is called new: those of the part `valid`, where an individual
/// asked about has no photo in the gallery. None where `valid` is asked about or searched itself.
fn validation(question: &Question) -> Vec<usize> {
    let Question { manifest, split, roles, .. } = question;
    let who = |photo: &usize| manifest.photos[*photo].individual.as_str();
    let gallery: HashSet<&str> = roles.gallery.iter().map(who).collect();
    let there_are_new = roles.queries.iter().map(who).any(|name| !name.is_empty() && !gallery.contains(name));
    if !there_are_new || [roles.gallery_part, roles.query_part].contains(&Part::Valid) {
        return Vec::new();
    }
    split.photos(Part::Valid)
}

/// A photo's row in the files of an evaluation.
pub fn photo_row(manifest: &Manifest, index: usize, role: Role) -> PhotoRow {
    let photo = &manifest.photos[index];
    PhotoRow {
        photo: photo.path.to_string_lossy().into_owned(),
        individual: photo.individual.clone(),
        encounter: photo.encounter.clone(),
        role,
        side: photo.side,
    }
}

/// Writes every file of `answer` into `folder`, and tells which.
fn leave(folder: &Path, manifest: &Manifest, answer: &Answer) -> Result<Vec<PathBuf>> {
    let Answer { set, evaluation, report, .. } = answer;
    let mut photos = Photos { manifest, set, loaded: BTreeMap::new() };
    let (mut written, mut pictures) = (Vec::new(), Vec::new());
    let mut draw = |file: &str, caption: &str, drawing: &Drawing| -> Result<()> {
        written.extend(write_drawing(&folder.join(file), drawing)?);
        pictures.push(Picture { file: file.into(), caption: caption.into() });
        Ok(())
    };
    let about = format!("{} · {}", report.context.dataset, report.context.split);
    let (surest, worst) = (pairs::surest(&evaluation.retrieval, 6), pairs::worst(&evaluation.retrieval, 6));
    photos.load(surest.iter().chain(&worst).flat_map(|m| [m.query, m.row]));
    let sections = [
        section("Matched", "the nearest photo shows the same individual; the surest first", &photos, &surest),
        section("Mismatched", "the nearest photo shows another individual; the worst first", &photos, &worst),
    ];
    let sections: Vec<_> = sections.into_iter().filter(|s| !s.rows.is_empty()).collect();
    let sheet = pair_sheet("Queries and their nearest photos", &about, &sections);
    draw(PAIRS_FILE, "Pairs that were matched rightly and wrongly.", &sheet)?;

    let queries = pairs::best_to_worst(&evaluation.retrieval, 6);
    photos.load(queries.iter().flat_map(|q| std::iter::once(q.query).chain(q.nearest.iter().take(5).map(|m| m.row))));
    let rows: Vec<_> = queries.iter().map(|q| query_row(&photos, q)).collect();
    let sheet = query_sheet("Queries from best to worst", &about, &rows);
    draw(QUERIES_FILE, "Queries, from best ranked to worst, each with its nearest photos.", &sheet)?;

    let (files, charts) = charts::draw(folder, set, evaluation, report)?;
    written.extend(files);
    pictures.extend(charts);
    written.splice(0..0, write(folder, set, evaluation, report, &pictures)?);
    Ok(written)
}

/// Photos for the sheets, by row of the set.
struct Photos<'a> {
    manifest: &'a Manifest,
    set: &'a EmbeddingSet,
    loaded: BTreeMap<usize, RgbImage>,
}

impl Photos<'_> {
    fn load(&mut self, rows: impl Iterator<Item = usize>) {
        for row in rows {
            let photo = Path::new(&self.set.rows[row].photo);
            let crop = self.manifest.photos.iter().find(|p| p.path == photo).and_then(|p| p.crop);
            let file = PhotoFile { path: self.manifest.root.join(photo), crop };
            self.loaded.entry(row).or_insert_with(|| thumbnail(&file));
        }
    }

    fn shown(&self, row: usize) -> Shown<'_> {
        let PhotoRow { individual, encounter, .. } = &self.set.rows[row];
        // the key of an encounter begins with the individual, who is named beside it
        let when = encounter.strip_prefix(individual.as_str()).unwrap_or(encounter).trim_start();
        let when = if when.len() > 24 { "" } else { when };
        Shown { photo: &self.loaded[&row], individual, encounter: when }
    }
}

/// `photo` for a sheet, or a grey one when it has gone since it was embedded.
pub fn thumbnail(photo: &PhotoFile) -> RgbImage {
    match photo.read() {
        Ok(photo) => {
            let scale = (f64::from(ON_A_SHEET) / f64::from(photo.width().max(photo.height()))).min(1.0);
            let size = |length: u32| ((f64::from(length) * scale).round() as u32).max(1);
            let (width, height) = (size(photo.width()), size(photo.height()));
            image::imageops::resize(&photo, width, height, image::imageops::FilterType::Triangle)
        }
        Err(_) => RgbImage::from_pixel(ON_A_SHEET, ON_A_SHEET * 3 / 4, image::Rgb([128; 3])),
    }
}

fn section<'a>(title: &str, words: &str, photos: &'a Photos, matches: &[Match]) -> Section<'a> {
    let row = |m: &Match| PairRow {
        left: photos.shown(m.query),
        right: photos.shown(m.row),
        distance: m.distance,
        correct: m.correct,
    };
    Section { title: title.into(), words: words.into(), rows: matches.iter().map(row).collect() }
}

fn query_row<'a>(photos: &'a Photos, ranked: &Ranked) -> QueryRow<'a> {
    let words = match ranked.first_correct {
        Some(rank) => format!("first right match at rank {rank} of {}", ranked.counted),
        None => format!("no right match among {}", ranked.counted),
    };
    let hit = |m: &Match| Hit { shown: photos.shown(m.row), distance: m.distance, correct: Some(m.correct) };
    QueryRow { query: photos.shown(ranked.query), words, hits: ranked.nearest.iter().take(5).map(hit).collect() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::cache::PhotoCache;
    use crate::eval::embed::tests::stage;
    use crate::run::Status;

    /// The usual parts of `split`, asked of a network that nothing trained.
    fn question<'a>(manifest: &'a Manifest, split: &'a Split, excluded: Excluded) -> Question<'a> {
        Question {
            manifest,
            split,
            roles: crate::data::split::roles(split, None, None).unwrap(),
            excluded,
            model: "untrained".into(),
            chosen_by: None,
            queries_trained_on: None,
            corrected_since: None,
            manner: Manner::default(),
        }
    }

    #[test]
    fn the_part_valid_is_embedded_only_where_somebody_is_new() {
        let (dir, mut manifest, model) = stage(6);
        for (photo, name) in manifest.photos.iter_mut().zip(["a", "b", "a", "c", "a", "n"]) {
            photo.individual = name.into();
        }
        let parts = [Part::Train, Part::Train, Part::Valid, Part::Valid, Part::Test, Part::Test];
        let split = Split { name: "split".into(), parts: parts.map(Some).to_vec() };
        let question = |manifest| question(manifest, &split, Excluded::Encounter);
        let source = Source { cache: std::sync::Arc::new(PhotoCache::open(None)), workers: 1 };
        let folder = dir.path().join("results");
        let (answer, _) = evaluate_into(&folder, &model, &question(&manifest), &source, &mut |_, _| true).unwrap();
        let roles_of: Vec<Role> = answer.set.rows.iter().map(|row| row.role).collect();
        assert_eq!(roles_of[2..4], [Role::Validation; 2]);
        let open = answer.report.open_set;
        assert!(open.baks.is_some() && open.baus.is_some() && open.new_queries == 1, "{open:?}");
        // the files give the same
        let set = EmbeddingSet::read(&folder).unwrap();
        assert_eq!(evaluate_by(&set, Excluded::Encounter, Default::default()).unwrap().open_set, open);

        let mut known = manifest.clone();
        known.photos[5].individual = "b".into();
        let (answer, _) = evaluate_into(&folder, &model, &question(&known), &source, &mut |_, _| true).unwrap();
        assert_eq!((answer.set.len(), answer.report.open_set.baks), (4, None));
    }

    #[test]
    fn too_few_readable_photos_are_an_error_that_names_one() {
        let (dir, m, model) = stage(4);
        let part = |i| Some(if i < 2 { Part::Train } else { Part::Test });
        let split = Split { name: "split".into(), parts: (0..4).map(part).collect() };
        let question = question(&m, &split, Excluded::None);
        let source = Source { cache: std::sync::Arc::new(PhotoCache::open(None)), workers: 1 };
        let folder = dir.path().join("results");
        let evaluate = || evaluate_into(&folder, &model, &question, &source, &mut |_, _| true);
        let (answer, written) = evaluate().unwrap();
        assert_eq!((answer.set.len(), written.len()), (4, 20));
        assert!(written.iter().all(|path| path.is_file()));
        let report = std::fs::read(folder.join("report.json")).unwrap();

        // told to stop while it embeds
        let told = evaluate_into(&folder, &model, &question, &source, &mut |_, _| session::stop(&folder).unwrap());
        assert!(matches!(told, Err(crate::eval::Error::Interrupted)));
        assert_eq!(session::standing(&folder).unwrap().unwrap().0, Status::Stopped);
        assert_eq!(std::fs::read(folder.join("report.json")).unwrap(), report);

        [2, 3].iter().for_each(|&i| std::fs::remove_file(m.full_path(i)).unwrap());
        let error = evaluate().unwrap_err().to_string();
        for word in ["2 of 4 photos", "0 queries and 2 gallery", "2.jpg", "--data-dir"] {
            assert!(error.contains(word), "{word}: {error}");
        }
        let (status, state) = session::standing(&folder).unwrap().unwrap();
        assert_eq!((status, state.reason), (Status::Failed, Some(error)));
        assert_eq!(std::fs::read(folder.join("report.json")).unwrap(), report, "the report before it stays");
    }
}
