//! `evaluate`: a model measured on a dataset, with every file that it leaves.

use std::path::{Path, PathBuf};

use anyhow::Result;
use clap::{Args, ValueEnum};

use crate::data::corrections::Corrections;
use crate::data::fingerprint::Fingerprint;
use crate::data::foreign;
use crate::data::formats;
use crate::data::manifest::{Manifest, Part};
use crate::data::same_photos::also_among;
use crate::data::split::{self, Split, SplitChoice, Strategy};
use crate::eval::dataset::{PAIRS_FILE, Question, evaluate_into};
use crate::eval::embeddings::PHOTOS_FILE;
use crate::eval::matching::{Manner, Matching, QueryUnit, Search, Sides};
use crate::eval::model::Model;
use crate::eval::outside::evaluate_outside;
use crate::eval::report::{ChosenOn, Excluded, Report, words as report_words};
use crate::eval::verdict::DISTANCES_FILE;
use crate::nn::ops::Backend;
use crate::nn::ops::device::on_device;
use crate::run::config::DataConfig;
use crate::run::model::ModelRef;
use crate::run::workspace::same_folder;
use crate::run::{RunDir, Which};
use crate::train::checkpoint;
use crate::train::setup::split_of;

use super::args::{PhotoFlags, Usage, dataset, part};
use super::crop::{CropFlag, look};
use super::split::{one_split, one_split_help};
use super::{Context, follow, pictures, words};

const EXAMPLES: &str = "\
Examples:
  caretta evaluate --model-path ./arcface_models/best_model.pth --data-dir photos/ --output-dir ./evaluation_results
  caretta evaluate --model-path arcface-resnet50        the run's own photos, into the run's folder
  caretta evaluate --model-path arcface-resnet50 --query-split valid --json
  caretta evaluate --embeddings theirs.npy --photos theirs.csv --output-dir ./theirs     another program's embeddings";

/// Arguments of `evaluate`.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct EvaluateArgs {
    /// A run's id or folder (its best checkpoint where a valid part chose it, else its last), or a file of weights
    #[arg(long, alias = "model_path", value_name = "MODEL", required_unless_present = "embeddings")]
    model_path: Option<PathBuf>,
    /// In place of a model, embeddings made elsewhere: a numpy array, a row a photo; no photo needs to be here
    #[arg(long, value_name = "NPY")]
    #[arg(conflicts_with_all = ["model_path", "data_dir", "split_column", "split", "gallery_split", "query_split", "crop", "checkpoint"])]
    embeddings: Option<PathBuf>,
    /// Whose the embeddings are: photo, individual, encounter, role (query, gallery), as photos.csv of an evaluation
    /// [default: photos.csv beside them]
    #[arg(long = "photos", value_name = "CSV", requires = "embeddings")]
    listed: Option<PathBuf>,
    /// The photos [default: those that the run trained on]
    #[arg(long, alias = "data_dir", value_name = "PATH")]
    data_dir: Option<PathBuf>,
    /// Where the report goes [default: in the run's folder, eval/<part> and what differs from the run's own question]
    #[arg(long, alias = "output_dir", value_name = "DIR")]
    output_dir: Option<PathBuf>,
    /// The table's column that says which part a photo is in [default: the run's, else split, else split_closed]
    #[arg(long, alias = "split_column", value_name = "NAME")]
    split_column: Option<String>,
    #[arg(long, help = one_split_help(), value_parser = one_split, value_name = "STRATEGY", conflicts_with = "split_column")]
    split: Option<&'static Strategy>,
    /// The part searched
    #[arg(long, alias = "gallery_split", value_parser = part, default_value = "train", value_name = "PART")]
    gallery_split: Part,
    /// The part asked for [default: test, or else valid]
    #[arg(long, alias = "query_split", value_parser = part, value_name = "PART")]
    query_split: Option<Part>,
    /// What a query's gallery leaves out: the photos of its own encounter, or none
    #[arg(long, value_enum, hide_possible_values = true, default_value_t = ExcludeArg::Encounter, value_name = "WHAT")]
    exclude: ExcludeArg,
    /// What one query is: a photo, or all query photos of an encounter (by the mean of their embeddings, and by the
    /// nearest pair beside it); figures of both are in the report
    #[arg(long, alias = "query_unit", value_enum, hide_possible_values = true, default_value_t = UnitArg::Photo, value_name = "photo|encounter")]
    query_unit: UnitArg,
    /// Where it is known which side photos show: what a query is held against, photos of both sides as they are, of its own
    /// side, or of both with the other one mirrored; the report then has all three
    #[arg(long, value_enum, hide_possible_values = true, conflicts_with_all = ["flip", "rerank"], value_name = "both|own|mirrored")]
    sides: Option<SidesArg>,
    /// Rank by k-reciprocal distances: photos are near where they have the same neighbours
    #[arg(long)]
    rerank: bool,
    /// How the nearest photos are found: exact measures all of them; approximate takes an index, and a sample for figures of
    /// the rest, and tells its recall [default: exact up to 1,000,000 photos, or 50,000 queries]
    #[arg(long, value_enum, hide_possible_values = true, conflicts_with_all = ["rerank", "sides"], value_name = "exact|approximate")]
    search: Option<SearchArg>,
    /// Take the mean of the embeddings of a photo and its mirror image; wrong for animals told apart by their sides
    #[arg(long, conflicts_with = "embeddings")]
    flip: bool,
    #[command(flatten)]
    crop: CropFlag,
    /// Which checkpoint of a run: best (highest validation mAP) or last
    #[arg(long, value_enum, hide_possible_values = true, value_name = "WHICH")]
    checkpoint: Option<CheckpointArg>,
    #[command(flatten)]
    photos: PhotoFlags,
}

impl EvaluateArgs {
    fn excluded(&self) -> Excluded {
        match self.exclude {
            ExcludeArg::None => Excluded::None,
            ExcludeArg::Encounter => Excluded::Encounter,
        }
    }

    fn manner(&self) -> Manner {
        let sides = match self.sides {
            None | Some(SidesArg::Both) => Sides::Both,
            Some(SidesArg::Own) => Sides::Own,
            Some(SidesArg::Mirrored) => Sides::Mirrored,
        };
        let query_unit = match self.query_unit {
            UnitArg::Photo => QueryUnit::Photo,
            UnitArg::Encounter => QueryUnit::Encounter,
        };
        let search = self.search.map(SearchArg::search);
        let matching = Matching { sides, reranked: self.rerank, ..Matching::default() };
        Manner { matching, query_unit, flip: self.flip, mirror: self.sides.is_some(), search }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum UnitArg {
    /// Each photo
    Photo,
    /// All query photos of an encounter
    Encounter,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum SearchArg {
    /// All photos are measured
    Exact,
    /// An index finds the nearest
    Approximate,
}

impl SearchArg {
    pub(super) fn search(self) -> Search {
        match self {
            SearchArg::Exact => Search::Exact,
            SearchArg::Approximate => Search::Approximate,
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum SidesArg {
    /// Photos of both sides, as they are
    Both,
    /// Photos of the query's own side
    Own,
    /// Photos of both sides, the other one mirrored
    Mirrored,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum ExcludeArg {
    /// Photos of the query's own encounter
    Encounter,
    /// Nothing
    None,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum CheckpointArg {
    /// The highest validation mAP
    Best,
    /// The last
    Last,
}

/// A model as a command names it.
pub(super) struct Chosen {
    /// Its run, where it has one.
    pub(super) run: Option<RunDir>,
    /// The file of weights.
    pub(super) path: PathBuf,
    /// What a report calls it.
    pub(super) name: String,
    /// It was asked for, or stands, for its validation.
    by_validation: bool,
}

impl Chosen {
    /// What `given` stands for.
    pub(super) fn of(context: &Context, given: &Path, which: Option<Which>) -> Result<Chosen> {
        match context.workspace.resolve_model(given)? {
            ModelRef::Weights(path) => {
                let name = path.file_name().map_or_else(|| foreign::path(given), |n| foreign::path(n.as_ref()));
                Ok(Chosen { run: None, path, name, by_validation: true })
            }
            ModelRef::Run { run, which: named } => {
                let path = run.checkpoint(which.unwrap_or(named))?;
                let is_best = path == run.best();
                let name = format!("{} {}", run.id(), if is_best { "best" } else { "last" });
                Ok(Chosen { run: Some(run), path, name, by_validation: is_best })
            }
        }
    }

    /// Reads it, and completes its name by the epoch. What the run's state says may be of another moment than the file.
    pub(super) fn load<D: Backend>(&mut self, device: &D) -> Result<Model<D>> {
        let model = Model::load(device, &self.path)?;
        if let (true, Some(progress)) = (self.by_validation, checkpoint::told(&model.said))
            && let Some(score) = progress.chosen()
        {
            self.name += &format!(" (epoch {})", score.epoch);
        }
        Ok(model)
    }

    /// The part that chose `model`, which is this one loaded, and where that lies.
    /// `run` is what its run was told of the data.
    fn chosen_by<D: Backend>(
        &self,
        model: &Model<D>,
        run: Option<&DataConfig>,
        asked: &Asked,
    ) -> Option<(Part, ChosenOn)> {
        let part = checkpoint::chosen_by(model).filter(|_| self.by_validation)?;
        let seen = checkpoint::told(&model.said).and_then(|progress| progress.data.validation);
        Some((part, chosen_on(part, seen.as_ref(), run, asked)))
    }
}

/// The photos asked about.
struct Asked<'a> {
    dir: &'a Path,
    corrections: &'a Corrections,
    manifest: &'a Manifest,
    split: &'a Split,
}

/// Where the `part` lies that chose a checkpoint: `seen` are its photos as the checkpoint noted them, `run` is what its
/// run was told of the data, where it has one.
fn chosen_on(part: Part, seen: Option<&Fingerprint>, run: Option<&DataConfig>, asked: &Asked) -> ChosenOn {
    let Asked { dir, manifest, split, .. } = asked;
    // the same photos, wherever they lie
    if seen == Some(&Fingerprint::of(manifest, &split.photos(part))) {
        return ChosenOn::Here;
    }
    let Some(run) = run else { return ChosenOn::Unknown };
    let of_run = Path::new(&run.dir);
    if !same_folder(of_run, dir) {
        // a table has the name of its folder, as in reports
        let folder = if of_run.is_file() { of_run.parent().unwrap_or(of_run) } else { of_run };
        let name = folder.file_name().map_or_else(|| run.dir.clone(), |n| n.to_string_lossy().into_owned());
        return ChosenOn::OtherDataset(if name == manifest.name { run.dir.clone() } else { name });
    }
    // a photo has come or gone since, or it is another column
    match split_of(run, manifest) {
        Ok(of_run) if of_run.photos(part) == split.photos(part) => ChosenOn::Here,
        Ok(of_run) => ChosenOn::OtherSplit(of_run.name),
        // the column has gone since
        Err(_) => ChosenOn::OtherSplit(run.split_column.clone().unwrap_or_else(|| run.split.clone())),
    }
}

/// How many of `queries`, places in the photos asked about, a run was trained on that was told `run`, its dataset
/// corrected as in `then`; none where its photos are gone.
fn trained_on(run: &DataConfig, then: &Corrections, asked: &Asked, queries: &[usize]) -> Option<usize> {
    // a correction may have moved a photo to another part since
    let is_same = same_folder(Path::new(&run.dir), asked.dir) && asked.corrections == then;
    let elsewhere = if is_same { None } else { Some(formats::open(run.dir.as_ref(), then).ok()?) };
    let own = elsewhere.as_ref().unwrap_or(asked.manifest);
    let train = split_of(run, own).ok()?.photos(Part::Train);
    let paths = |of: &Manifest, photos: &[usize]| photos.iter().map(|&i| of.full_path(i)).collect::<Vec<_>>();
    Some(also_among(&paths(asked.manifest, queries), &paths(own, &train)))
}

pub(super) fn evaluate(context: &Context, args: &EvaluateArgs) -> Result<u8> {
    if let Some(npy) = &args.embeddings {
        return outside(context, args, npy);
    }
    context.catch_signals()?;
    let device = args.photos.device.open()?;
    on_device!(&device, device => evaluate_on(context, args, device))
}

/// Embeddings made elsewhere.
fn outside(context: &Context, args: &EvaluateArgs, npy: &Path) -> Result<u8> {
    let csv = args.listed.clone().unwrap_or_else(|| npy.with_file_name(PHOTOS_FILE));
    let (report, written) = evaluate_outside(npy, &csv, args.excluded(), args.manner(), args.output_dir.as_deref())?;
    context.answer(&report, || {
        let files: Vec<_> = written.iter().filter_map(|p| p.file_name()).map(|n| n.to_string_lossy()).collect();
        let left = args.output_dir.as_ref().map_or_else(
            || "Nothing was written: --output-dir keeps the report".to_owned(),
            |folder| format!("{0}: {1}\nNext: caretta compare {0} RUN", foreign::path(folder), files.join(", ")),
        );
        format!("{}\n\n{left}", figures(&report))
    })?;
    Ok(0)
}

fn evaluate_on<D: Backend>(context: &Context, args: &EvaluateArgs, device: &D) -> Result<u8> {
    let which = args.checkpoint.map(|c| if c == CheckpointArg::Best { Which::Best } else { Which::Last });
    let Some(model_path) = &args.model_path else {
        return Err(Usage("--model-path: there is neither a model nor --embeddings".into()).into());
    };
    let mut chosen = Chosen::of(context, model_path, which)?;
    let config = chosen.run.as_ref().map(RunDir::read_config).transpose()?;
    let given = match (&args.data_dir, &config) {
        (Some(dir), _) => dir.clone(),
        (None, Some(config)) => PathBuf::from(&config.data.dir),
        (None, None) => return Err(Usage("--data-dir: bare weights have no photos of their own".into()).into()),
    };
    let dir = PathBuf::from(context.workspace.data_dir(&given)?);
    let mut manifest = dataset(context, &given)?;
    // the run's split holds for the run's photos only
    let of_run = config.as_ref().filter(|_| args.data_dir.is_none()).map(|c| c.data.split_choice());
    let choice = match SplitChoice::of(args.split_column.clone(), args.split) {
        SplitChoice::Auto => of_run.unwrap_or_default(),
        told => told,
    };
    let then = chosen.run.as_ref().map(RunDir::read_corrections).transpose()?.unwrap_or_default();
    let is_own = config.as_ref().is_some_and(|c| same_folder(Path::new(&c.data.dir), &dir));
    let parted = |manifest: &mut Manifest| -> Result<_> {
        if is_own {
            // the split that was trained on, whatever a check has found since
            manifest.alike = then.duplicates().map(|duplicates| duplicates.within(manifest));
        }
        let split = split::assign(manifest, &choice)?;
        let roles = split::roles(&split, Some(args.gallery_split), args.query_split)?;
        Ok((split, roles))
    };
    let (mut split, mut roles) = parted(&mut manifest)?;
    let folder = match (&args.output_dir, &chosen.run) {
        (Some(dir), _) => dir.clone(),
        (None, Some(run)) => {
            let own = config.as_ref().is_some_and(|c| Path::new(&c.data.dir) == dir);
            let usual = run.checkpoint(Which::Auto)? == chosen.path;
            let other = |is_usual: bool, what: &str| (!is_usual).then(|| what.to_owned());
            let checkpoint = other(usual, if chosen.by_validation { "best" } else { "last" });
            run.evaluation(&folder_name(args, &roles, other(own, &manifest.name), checkpoint))?
        }
        (None, None) => return Err(Usage("--output-dir: bare weights have no folder of their own".into()).into()),
    };
    let model = chosen.load(device)?;
    let corrections = match args.crop.looker(context, config.as_ref(), &model)? {
        Some(looker) => {
            let source = args.photos.source(context);
            let Some(corrections) = look(context, device, (&dir, &manifest), &looker, &source)? else {
                return Ok(super::INTERRUPTED);
            };
            manifest = formats::open(&dir, &corrections)?;
            (split, roles) = parted(&mut manifest)?; // photos may have come meanwhile
            corrections
        }
        None => context.workspace.corrections(&dir)?,
    };
    let of_run = config.as_ref().map(|c| &c.data);
    let asked = Asked { dir: &dir, corrections: &corrections, manifest: &manifest, split: &split };
    let chosen_by = chosen.chosen_by(&model, of_run, &asked);
    let queries_trained_on = of_run.and_then(|run| trained_on(run, &then, &asked, &roles.queries));
    let corrected_since = is_own.then(|| corrections.differing(&then).len());
    let question = Question {
        manifest: &manifest,
        split: &split,
        roles,
        excluded: args.excluded(),
        manner: args.manner(),
        model: chosen.name,
        chosen_by,
        queries_trained_on,
        corrected_since,
    };
    let bar = follow::bar(0, "embedding", context.global.json);
    let result = evaluate_into(&folder, &model, &question, &args.photos.source(context), &mut |done, total| {
        bar.set_length(total as u64);
        bar.set_position(done as u64);
        !context.is_interrupted()
    });
    bar.finish_and_clear();
    if let Err(crate::eval::Error::Interrupted) = result {
        words::say("interrupted; no report was written");
        return Ok(super::INTERRUPTED);
    }
    let (answer, written) = result?;
    words::say_problems(&answer.problems);
    context.answer(&answer.report, || {
        let files: Vec<_> = written.iter().filter_map(|p| p.file_name()).map(|n| n.to_string_lossy()).collect();
        format!(
            "{}\n\n{}: {}\n{}",
            figures(&answer.report),
            foreign::path(&folder),
            files.join(", "),
            next(model_path, args.output_dir.as_deref())
        )
    })?;
    if let Ok(sheet) = image::open(folder.join(PAIRS_FILE)) {
        pictures::show(&sheet.to_rgb8(), context.global.images, context.global.json);
    }
    Ok(0)
}

/// What to do with a report: look at it, and hold two photos against it.
fn next(model: &Path, elsewhere: Option<&Path>) -> String {
    let distances = elsewhere
        .map_or_else(String::new, |folder| format!(" --distances {}", foreign::path(&folder.join(DISTANCES_FILE))));
    format!(
        "Next: report.md is all of it on a page; caretta pair A.jpg B.jpg --model-path {}{distances}",
        foreign::path(model)
    )
}

/// The folder of an evaluation in its run's: the part asked about, and whatever differs from the run's own question,
/// so that no evaluation replaces another one's report. `dataset` names one that the run did not train on, `checkpoint` one
/// that it does not stand for.
fn folder_name(
    args: &EvaluateArgs,
    roles: &split::Roles,
    dataset: Option<String>,
    checkpoint: Option<String>,
) -> String {
    let mut name = roles.query_part.word().to_owned();
    let mut add = |what: &str| {
        let plain = |c: char| if c.is_ascii_alphanumeric() || matches!(c, '_' | '.') { c } else { '-' };
        name.push('-');
        name.extend(what.chars().take(60).map(plain));
    };
    if args.gallery_split != Part::Train {
        add(&format!("in-{}", args.gallery_split.word()));
    }
    if let Some(column) = &args.split_column {
        add(column);
    }
    if let Some(strategy) = args.split {
        add(strategy.name());
    }
    if let Some(dataset) = dataset {
        add(&format!("of-{dataset}"));
    }
    if args.exclude == ExcludeArg::None {
        add("nothing-excluded");
    }
    if args.query_unit == UnitArg::Encounter {
        add("encounters-asked");
    }
    match args.sides {
        None | Some(SidesArg::Both) => {}
        Some(SidesArg::Own) => add("own-side"),
        Some(SidesArg::Mirrored) => add("mirrored"),
    }
    if args.rerank {
        add("reranked");
    }
    if args.flip {
        add("flipped");
    }
    if let Some(checkpoint) = checkpoint {
        add(&checkpoint);
    }
    name
}

/// A report's figures with their circumstances, for people.
pub(super) fn figures(report: &Report) -> String {
    let context = &report.context;
    let figures = &report.figures;
    let rows = report_words::table_rows(report);
    let rows: Vec<Vec<String>> =
        rows.into_iter().map(|(name, cells)| [&[name.to_owned()], &cells[..]].concat()).collect();
    let mut text = format!("{} · {} · {}\n", context.model, context.dataset, context.split);
    text += &format!("{}\n\n", report_words::asked(figures));
    text += &words::table(&report_words::TABLE_HEAD, &rows);
    let others = report_words::other_figures(report);
    if !others.is_empty() {
        text += &format!("\n{others}\n");
    }
    for remark in report_words::remarks(report) {
        text += &format!("\n{remark}");
    }
    if let Some(chosen) = &context.chosen_by {
        text += &format!("\n{}", chosen.note);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::synth::{SynthPlan, draw};
    use crate::run::config::{Config, Method};

    #[test]
    fn what_chose_a_model_is_here_only_on_the_same_photos() {
        let dir = tempfile::tempdir().unwrap();
        let [turtles, others] = ["turtles", "others"].map(|name| dir.path().join(name));
        for (folder, seed) in [(&turtles, 3), (&others, 4)] {
            let plan = SynthPlan { individuals: 2, encounters: 5, photos: 1, width: 32, height: 32, seed };
            draw(&plan, folder, &|_, _| true).unwrap();
        }
        let mut run = Config::preset(Method::Siamese).data;
        run.dir = turtles.to_str().unwrap().to_owned();
        let opened = |dir: &Path, column: &str| {
            let manifest = crate::data::formats::as_written(dir).unwrap();
            let choice = SplitChoice::Column(column.into());
            let split = split::assign(&manifest, &choice).unwrap();
            (manifest, split)
        };
        let (manifest, split) = opened(&turtles, "split_closed");
        let seen = Fingerprint::of(&manifest, &split.photos(Part::Valid));
        let gone = Fingerprint { photos: 1, ..seen.clone() };
        let on = |dir: &Path, column: &str, seen: &Fingerprint, run: Option<&DataConfig>| {
            let (manifest, split) = opened(dir, column);
            let asked = Asked { dir, corrections: &Corrections::NONE, manifest: &manifest, split: &split };
            chosen_on(Part::Valid, Some(seen), run, &asked)
        };
        assert_eq!(on(&turtles, "split_closed", &seen, Some(&run)), ChosenOn::Here);
        assert_eq!(on(&turtles, "split_closed", &seen, None), ChosenOn::Here, "a copied checkpoint on its own photos");
        let crooked = dir.path().join("others/../turtles");
        assert_eq!(
            on(&crooked, "split_closed", &gone, Some(&run)),
            ChosenOn::Here,
            "a photo fewer is no other dataset"
        );
        let random = on(&turtles, "split_closed_random", &seen, Some(&run));
        assert_eq!(random, ChosenOn::OtherSplit("split_closed".into()));
        assert_eq!(on(&others, "split_closed", &seen, Some(&run)), ChosenOn::OtherDataset("turtles".into()));
        assert_eq!(on(&others, "split_closed", &seen, None), ChosenOn::Unknown);
    }
}
