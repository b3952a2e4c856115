//! The tour: synthetic turtles drawn, a network trained on them, and measured on encounters it never saw.
//!
//! The training in between is an ordinary run, and whoever calls decides how it is watched: [`set_up`] ends where the
//! run can begin, [`judge`] begins where it has ended.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use dfdx::prelude::Cpu;
use serde::Serialize;

use crate::data::cache::PhotoCache;
use crate::data::foreign;
use crate::data::manifest::Part;
use crate::data::split::{self, SplitChoice};
use crate::data::synth::{self, SynthPlan};
use crate::eval::dataset::{Question, ask, evaluate_into};
use crate::eval::embed::Source;
use crate::eval::matching::Manner;
use crate::eval::model::{About, Model};
use crate::eval::report::{ChosenOn, Excluded, Report};
use crate::nn::network::Network;
use crate::run::config::{Config, Method};
use crate::run::lock::Lock;
use crate::run::{RunDir, RunError, Which, Workspace, files};

use super::checkpoint::chosen_by;
use super::error::Result;
use super::step::architecture;

/// What the tour shows.
#[derive(Clone, Debug)]
pub struct DemoPlan {
    /// The turtles.
    pub turtles: SynthPlan,
    /// How the embedding is learnt.
    pub method: Method,
    /// Seed of the training.
    pub seed: u64,
}

impl Default for DemoPlan {
    fn default() -> Self {
        DemoPlan { turtles: SynthPlan::default(), method: Method::Arcface, seed: 666 }
    }
}

/// What the tour's networks have in common, over the methods' presets: small photos, a small network and a high
/// learning rate, so that it ends in minutes on two cores; mild augmentation, as so short a training has no time for more.
const SETTINGS: &[(&str, &str)] = &[
    ("model.backbone", "resnet18"),
    ("model.embedding_dim", "256"),
    ("data.image_size", "64"),
    ("batch.size", "32"),
    ("train.epochs", "13"),
    ("train.evaluate_every", "3"),
    ("optimiser.lr", "0.002"),
    ("optimiser.warmup_epochs", "3"),
    ("augment.crop", "0.2"),
    ("augment.stretch", "0.05"),
    ("augment.rotation_degrees", "9"),
    ("augment.colour_cast", "0.3"),
    ("augment.haze", "0.1"),
    ("augment.brightness", "0.15"),
    ("augment.contrast", "0.15"),
    ("augment.blur", "0"),
    ("augment.noise", "0"),
];

/// What each method asks for beside. The margin and scale of the course's ArcFace are for thousands of individuals;
/// from random weights in so few epochs, mined triplets and far margins draw all photos into one point.
const fn settings_of(method: Method) -> &'static [(&'static str, &'static str)] {
    match method {
        Method::Siamese => &[("loss.margin", "0.5"), ("optimiser.lr", "0.001")],
        Method::Triplet => &[("loss.mining", "all"), ("batch.size", "64"), ("optimiser.lr", "0.001")],
        Method::Arcface => &[("loss.margin", "0.2"), ("loss.scale", "16")],
    }
}

impl DemoPlan {
    /// The run's configuration, its photos in `photos`.
    ///
    /// # Errors
    /// When a setting is out of range, which a test rules out.
    pub fn config(&self, photos: &str) -> Result<Config> {
        let mut config = Config::preset(self.method);
        for (path, value) in SETTINGS.iter().chain(settings_of(self.method)) {
            config.set(path, value)?;
        }
        config.set("train.seed", &self.seed.to_string())?;
        config.data.dir = photos.to_owned();
        Ok(config)
    }
}

/// A tour whose training can begin.
pub struct Stage {
    /// The turtles' folder.
    pub photos: PathBuf,
    /// The run, created and not begun.
    pub run: RunDir,
}

/// Photos drawn, of how many, from any thread; says whether to go on.
pub type Drawn<'a> = dyn Fn(usize, usize) -> bool + Sync + 'a;

/// Draws the turtles, unless they lie in the workspace already, and creates the run. `progress` is called with photos
/// drawn, of how many, from any thread, and says whether to go on.
///
/// # Errors
/// When the workspace cannot be written, or `progress` said no; nothing is then left.
pub fn set_up(workspace: &Workspace, plan: &DemoPlan, progress: &Drawn) -> Result<Stage> {
    let photos = turtles(&workspace.datasets(), &plan.turtles, progress)?;
    let config = plan.config(&workspace.data_dir(&photos)?)?;
    let run = workspace.create_run(&config, None)?;
    Ok(Stage { photos, run })
}

/// The folder with the turtles of `plan` in `datasets`, drawn now or found. `progress` as for [`set_up`].
///
/// # Errors
/// When the plan cannot be drawn, `progress` said no, or a file cannot be written; nothing is then left.
pub fn turtles(datasets: &Path, plan: &SynthPlan, progress: &Drawn) -> Result<PathBuf> {
    let mut drawn = None;
    for number in 1.. {
        let suffix = if number == 1 { String::new() } else { format!("-{number}") };
        let name = format!("turtles-{}{suffix}", plan.seed);
        let folder = datasets.join(&name);
        if folder.exists() && synth::is_drawn(plan, &folder) {
            return Ok(folder);
        }
        if folder.exists() {
            continue;
        }
        let whole = match &drawn {
            Some(whole) => whole,
            None => drawn.insert(Drawing::new(datasets, &name, plan, progress)?),
        };
        // refused where another demo has put its own there in the meantime
        if std::fs::rename(whole.photos(), &folder).is_ok() {
            return Ok(folder);
        }
        if !folder.exists() {
            files::rename(&whole.photos(), &folder)?;
        }
    }
    unreachable!("a folder that does not exist comes sooner or later")
}

/// Turtles that have no place yet: in a hidden folder beside it, so that a drawing cut short is no dataset.
/// Held by a lock, so that the next demo can tell a dead drawing, which it clears away, from one that goes on.
struct Drawing {
    folder: PathBuf,
    _lock: Lock,
}

impl Drawing {
    fn new(datasets: &Path, name: &str, plan: &SynthPlan, progress: &Drawn) -> Result<Drawing> {
        for number in 1.. {
            let folder = datasets.join(format!(".{name}.drawing-{number}"));
            files::create_folder(&folder)?;
            let Some(lock) = Lock::take(&folder.join("lock"))? else { continue };
            let drawing = Drawing { folder, _lock: lock };
            let photos = drawing.photos();
            if photos.exists() {
                std::fs::remove_dir_all(&photos).map_err(|e| RunError::io("remove", &photos, e))?;
            }
            synth::draw(plan, &photos, progress)?;
            return Ok(drawing);
        }
        unreachable!("a folder that nobody holds comes sooner or later")
    }

    fn photos(&self) -> PathBuf {
        self.folder.join("turtles")
    }
}

impl Drop for Drawing {
    fn drop(&mut self) {
        // what cannot be removed is cleared by the next demo
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}

/// What the tour found.
#[derive(Clone, Debug, Serialize)]
pub struct DemoReport {
    /// The trained network.
    pub trained: Report,
    /// The same network before the first step.
    pub untrained: Report,
    /// The expectation over random rankings.
    pub chance: Report,
    /// How long it all took.
    pub seconds: f64,
    /// Individuals drawn.
    pub individuals: usize,
    /// Encounters of each.
    pub encounters: usize,
    /// Photos drawn.
    pub photos: usize,
    /// The run's id.
    pub run: String,
    /// Where report and pictures lie.
    #[serde(serialize_with = "foreign::serialize_path")]
    pub report_dir: PathBuf,
}

/// Measures the run's network before and after training on the part that neither trained nor chose it, and leaves the
/// report in the run's folder. `progress` is called with photos done, of how many, and says whether to go on. The
/// seconds of the report are for the caller to fill in.
///
/// # Errors
/// When the run has no checkpoint, or a file cannot be written.
pub fn judge(
    workspace: &Workspace,
    plan: &DemoPlan,
    stage: &Stage,
    progress: &mut dyn FnMut(usize, usize) -> bool,
) -> Result<DemoReport> {
    let device = Cpu::default();
    let config = stage.run.read_config()?;
    let manifest = workspace.open_dataset(&stage.photos)?;
    let corrected_since = workspace.corrections(&stage.photos)?.differing(&stage.run.read_corrections()?).len();
    let source = Source { cache: Arc::new(PhotoCache::open(Some(workspace.cache()))), workers: config.data.workers };
    let best = stage.run.checkpoint(Which::Auto)?;
    let trained_model = Model::load(&device, &best)?;
    // the run is this dataset's own, and asks with its split
    let chosen_by = chosen_by(&trained_model).map(|part| (part, ChosenOn::Here));
    let split = split::assign(&manifest, &SplitChoice::Auto)?;
    let roles = split::roles(&split, None, None)?;
    let question = |model: String, chosen_by: Option<(Part, ChosenOn)>| Question {
        manner: Manner::default(),
        manifest: &manifest,
        split: &split,
        roles: roles.clone(),
        excluded: Excluded::Encounter,
        model,
        chosen_by,
        queries_trained_on: Some(0),
        corrected_since: Some(corrected_since),
    };
    let before =
        ask(&untrained(&device, &config)?, &question("untrained".into(), None), &source, &mut |done, total| {
            progress(done, 2 * total)
        })?;
    let done_before = 2 * before.set.len();
    let folder = stage.run.evaluation("test")?;
    let question = question(format!("{} best", stage.run.id()), chosen_by);
    let (after, _) = evaluate_into(&folder, &trained_model, &question, &source, &mut |done, total| {
        progress(done_before + done, 2 * total)
    })?;
    let trained = after.report;
    let chance = trained.of_chance().unwrap_or_else(|| trained.clone());
    Ok(DemoReport {
        untrained: before.report,
        chance,
        trained,
        seconds: 0.0,
        individuals: plan.turtles.individuals,
        encounters: plan.turtles.encounters,
        photos: plan.turtles.total(),
        run: stage.run.id().to_owned(),
        report_dir: folder,
    })
}

/// The network of `config` before its first step.
fn untrained(device: &Cpu, config: &Config) -> Result<Model<Cpu>> {
    let architecture = architecture(config)?;
    let network = Network::new(device, architecture, config.train.seed)?;
    let identity = crate::nn::weights::identity(&network)?;
    let about = About::of_network(&network, config.data.image_size);
    Ok(Model { network, about, identity, said: String::new(), path: PathBuf::new() })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::train::error::TrainError;
    use std::sync::atomic::{AtomicUsize, Ordering};

    fn names(folder: &Path) -> Vec<String> {
        let entries = std::fs::read_dir(folder).unwrap();
        entries.map(|e| e.unwrap().file_name().into_string().unwrap()).collect()
    }

    #[test]
    fn a_drawing_cut_short_leaves_no_dataset() {
        let dir = tempfile::tempdir().unwrap();
        let plan = SynthPlan { individuals: 2, encounters: 2, photos: 1, width: 32, height: 32, seed: 7 };
        let seen = AtomicUsize::new(0);
        let stop = |_: usize, _: usize| seen.fetch_add(1, Ordering::Relaxed) < 1;
        let error = turtles(dir.path(), &plan, &stop).unwrap_err();
        assert!(matches!(error, TrainError::Synth(synth::SynthError::Interrupted)), "{error}");
        assert!(names(dir.path()).is_empty(), "{:?}", names(dir.path()));

        // killed, it leaves its hidden folder, and the next clears it away
        let dead = dir.path().join(".turtles-7.drawing-1/turtles/images");
        std::fs::create_dir_all(&dead).unwrap();
        std::fs::write(dead.join("half.jpg"), "").unwrap();
        let folder = turtles(dir.path(), &plan, &|_, _| true).unwrap();
        assert_eq!(folder, dir.path().join("turtles-7"));
        assert_eq!(names(dir.path()), ["turtles-7"]);
        assert!(synth::is_drawn(&plan, &folder));
        assert_eq!(turtles(dir.path(), &plan, &|_, _| panic!("drawn again")).unwrap(), folder);

        // a folder of somebody's under that name stays, and so does a drawing that goes on
        std::fs::remove_file(folder.join("metadata_splits.csv")).unwrap();
        std::fs::create_dir(dir.path().join(".turtles-7-2.drawing-1")).unwrap();
        let other = Lock::take(&dir.path().join(".turtles-7-2.drawing-1/lock")).unwrap().unwrap();
        assert_eq!(turtles(dir.path(), &plan, &|_, _| true).unwrap(), dir.path().join("turtles-7-2"));
        let mut left = names(dir.path());
        left.sort();
        assert_eq!(left, [".turtles-7-2.drawing-1", "turtles-7", "turtles-7-2"]);
        drop(other);
    }

    #[test]
    fn the_settings_fit_every_method() {
        for method in Method::ALL {
            let plan = DemoPlan { method, ..DemoPlan::default() };
            let config = plan.config("/photos").unwrap();
            config.check().unwrap();
            assert_eq!(config.train.seed, 666);
        }
    }
}
