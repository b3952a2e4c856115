//! A run that fails on the way, and one whose photos change: what is kept, and that it goes on to the same bytes.

use std::path::Path;

use dfdx::prelude::Cpu;

use super::*;
use crate::data::corrections::Correction;
use crate::data::crop::Crop;
use crate::data::synth::{SynthPlan, draw};
use crate::run::config::Method;

/// Photos of four turtles and a run on them that ends in seconds. Photos are loaded as they are needed, by no thread of
/// their own and from no cache, so that one that has gone is missed at its batch.
struct Stage {
    dir: tempfile::TempDir,
    config: Config,
    workspace: Workspace,
    interrupt: AtomicBool,
}

impl Stage {
    fn new() -> Stage {
        let dir = tempfile::tempdir().unwrap();
        let photos = dir.path().join("turtles");
        let plan = SynthPlan { individuals: 4, encounters: 5, photos: 2, width: 64, height: 48, seed: 3 };
        draw(&plan, &photos, &|_, _| true).unwrap();
        let mut config = Config::preset(Method::Siamese);
        for (path, value) in [
            ("model.backbone", "resnet18"),
            ("model.embedding_dim", "16"),
            ("data.image_size", "32"),
            ("data.workers", "0"),
            ("batch.per_individual", "1"),
            ("batch.size", "6"),
            ("train.epochs", "2"),
            ("optimiser.lr", "0.001"),
        ] {
            config.set(path, value).unwrap();
        }
        config.data.dir = photos.to_str().unwrap().to_owned();
        let workspace = Workspace::open(Some(&dir.path().join("workspace"))).unwrap();
        Stage { dir, config, workspace, interrupt: AtomicBool::new(false) }
    }

    fn run_dir(&self, name: &str) -> RunDir {
        RunDir::create(name, &self.dir.path().join(name), &self.config).unwrap()
    }

    fn setup(&self) -> Setup {
        let corrections = self.workspace.corrections(self.config.data.dir.as_ref()).unwrap();
        Setup::new(&self.config, corrections, None, &mut |_, _| true).unwrap()
    }

    fn work(&self, config: &Config, setup: Setup) -> Work<'_, Cpu> {
        let surroundings = Surroundings {
            workspace: &self.workspace,
            interrupt: &self.interrupt,
            turn: Turn::AtOnce,
            foreground: None,
        };
        Work::new(&Cpu::default(), config.clone(), setup, surroundings).unwrap()
    }

    /// Goes on with `run` from its last checkpoint.
    fn go_on(&self, run: &RunDir) -> Result<End> {
        let mut session = Session::begin(run).unwrap();
        let mut work = self.work(&self.config, self.setup());
        work.resume(&mut session)?;
        work.run(&mut session)
    }

    /// The last checkpoint of a run that nothing happened to.
    fn expected(&self) -> Vec<u8> {
        let run = self.run_dir("whole");
        assert_eq!(self.go_on(&run).unwrap(), End::Finished);
        std::fs::read(run.last()).unwrap()
    }
}

/// Where the checkpoint of `run` stands.
fn progress(run: &RunDir) -> Progress {
    checkpoint::told(&crate::nn::weights::WeightFile::read(&run.last()).unwrap().about).unwrap()
}

fn hide(photo: &Path) {
    std::fs::rename(photo, photo.with_extension("hidden")).unwrap();
}

fn put_back(photo: &Path) {
    std::fs::rename(photo.with_extension("hidden"), photo).unwrap();
}

#[test]
fn a_photo_that_goes_costs_no_step() {
    let stage = Stage::new();
    let expected = stage.expected();
    let setup = stage.setup();
    let (per_epoch, batches) = (setup.steps_per_epoch(), setup.batches(0, 4).collect::<Vec<_>>());
    assert_eq!(per_epoch, 4);
    // one of the third step's photos that no step before needs; and one that only the validation asks about
    let early: Vec<usize> = batches[..2].iter().flat_map(|(_, b)| b.photos.clone()).collect();
    let third = batches[2].1.photos.iter().find(|p| !early.contains(p)).unwrap();
    let asked = setup.validation.as_ref().unwrap().queries[0];
    for (name, place, step, unvalidated) in [("step", setup.train[*third], 2, false), ("asked", asked, 4, true)] {
        let photo = setup.manifest.full_path(place);
        let run = stage.run_dir(name);
        let mut session = Session::begin(&run).unwrap();
        let mut work = stage.work(&stage.config, stage.setup());
        work.resume(&mut session).unwrap();
        hide(&photo);
        let error = work.run(&mut session).unwrap_err().to_string();
        assert!(error.contains(photo.file_name().unwrap().to_str().unwrap()), "{error}");
        drop(session);
        assert_eq!((progress(&run).step, progress(&run).unvalidated), (step, unvalidated), "{name}");
        put_back(&photo);
        assert_eq!(stage.go_on(&run).unwrap(), End::Finished);
        assert!(std::fs::read(run.last()).unwrap() == expected, "{name}: other bytes");
    }
}

#[test]
fn a_loss_that_is_no_number_costs_no_step() {
    let stage = Stage::new();
    let expected = stage.expected();
    let run = stage.run_dir("run");
    let mut session = Session::begin(&run).unwrap();
    let mut work = stage.work(&stage.config, stage.setup());
    work.resume(&mut session).unwrap();
    for batch in Loader::start(work.setup.loader(&stage.config), work.setup.batches(0, 2)) {
        work.step(&mut session, &batch.unwrap(), &mut Instant::now()).unwrap();
    }
    work.save(&session, false).unwrap();
    let two = std::fs::read(run.last()).unwrap();
    drop(session);

    let mut endless = stage.config.clone();
    endless.loss.margin = f32::INFINITY;
    let fail = || {
        let mut session = Session::begin(&run).unwrap();
        let mut work = stage.work(&endless, stage.setup());
        work.resume(&mut session).unwrap();
        std::fs::remove_file(run.last()).unwrap();
        (session, work)
    };
    let (mut session, mut work) = fail();
    let error = work.run(&mut session).unwrap_err();
    assert!(matches!(error, TrainError::NotFinite { step: 3, what: "loss", .. }), "{error}");
    assert!(std::fs::read(run.last()).unwrap() == two, "the state before the step that failed");
    drop(session);

    // weights that are no numbers already are not worth a checkpoint, and must not take the place of one that is
    let (mut session, mut work) = fail();
    let id = work.trainer.network.store.ids().next().unwrap();
    let mut values = work.trainer.network.store.export(id).unwrap();
    values[0] = f32::INFINITY;
    work.trainer.network.store.import(id, values).unwrap();
    work.run(&mut session).unwrap_err();
    assert!(!run.last().exists());
    drop(session);

    std::fs::write(run.last(), &two).unwrap();
    assert_eq!(stage.go_on(&run).unwrap(), End::Finished);
    assert!(std::fs::read(run.last()).unwrap() == expected);
}

#[test]
fn other_photos_are_refused_and_named() {
    let mut stage = Stage::new();
    let run = stage.run_dir("run");
    stage.interrupt.store(true, Ordering::Relaxed);
    assert_eq!(stage.go_on(&run).unwrap(), End::Interrupted);
    stage.interrupt.store(false, Ordering::Relaxed);
    let before = std::fs::read(run.last()).unwrap();

    let setup = stage.setup();
    let trained = setup.manifest.full_path(setup.train[0]);
    let asked = setup.manifest.full_path(setup.validation.as_ref().unwrap().queries[0]);
    for (photo, words) in [
        (&trained, "training part had 24 photos of 4 individuals and now has 23 photos of 4"),
        (&asked, "validates had 8 photos of 4 individuals and now has 7 photos of 4"),
    ] {
        hide(photo);
        let error = stage.go_on(&run).unwrap_err();
        put_back(photo);
        assert!(matches!(error, TrainError::OtherPhotos { .. }), "{error}");
        let error = error.to_string();
        for word in [words, photo.file_name().unwrap().to_str().unwrap(), "Put them back"] {
            assert!(error.contains(word), "{word}: {error}");
        }
    }
    let data = Path::new(&stage.config.data.dir);
    let correct = |photo: &Path, change: &dyn Fn(&mut Correction)| {
        stage.workspace.correct(data, photo, change).unwrap();
    };
    let other: &dyn Fn(&mut Correction) = &|c| c.individual = Some("t999".into());
    let crop: &dyn Fn(&mut Correction) = &|c| c.crop = Crop::new(0.2, 0.2, 0.5, 0.5).ok();
    for (photo, change, words) in [
        (&trained, other, "the training part had 24 photos of 4 individuals and now has 24 photos of 5"),
        (&trained, crop, "the training part has 24 photos of 4 individuals as before, but"),
        (&asked, crop, "the part that validates has 8 photos of 4 individuals as before, but"),
    ] {
        correct(photo, change);
        let error = stage.go_on(&run).unwrap_err().to_string();
        correct(photo, &|c| *c = Correction::default());
        let since =
            format!("{} is corrected otherwise than when the run began", photo.strip_prefix(data).unwrap().display());
        assert!(error.contains(words) && error.contains(&since), "{error}");
    }
    assert!(std::fs::read(run.last()).unwrap() == before, "the checkpoint stays");
    assert_eq!(stage.go_on(&run).unwrap(), End::Finished);

    stage.config.train.epochs = 1;
    let error = stage.go_on(&run).unwrap_err();
    assert!(matches!(error, TrainError::Beyond { step: 8, total: 4, .. }), "{error}");
}

#[test]
fn a_figure_that_gets_no_better_ends_the_run_as_finished() {
    let mut stage = Stage::new();
    // weights that do not move come to the same figure every time
    for (path, value) in [
        ("optimiser.lr", "1e-30"),
        ("model.freeze_norm", "true"),
        ("train.epochs", "6"),
        ("train.early_stop", "2"),
        ("optimiser.warmup_epochs", "0"),
        ("batch.size", "12"),
    ] {
        stage.config.set(path, value).unwrap();
    }
    let run = stage.run_dir("run");
    let work_on = |run: &RunDir| {
        let surroundings = Surroundings {
            workspace: &stage.workspace,
            interrupt: &stage.interrupt,
            foreground: None,
            turn: Turn::AtOnce,
        };
        work(run, surroundings).unwrap()
    };
    assert_eq!(work_on(&run), End::Early);
    let standing = run.standing().unwrap();
    assert_eq!(standing.status, crate::run::Status::Finished);
    assert_eq!(standing.reason, "early stop after 6 of 12 steps: no better mAP in 2 validations");
    assert!(std::fs::read_to_string(run.log()).unwrap().contains(&standing.reason));
    let ended = std::fs::read(run.last()).unwrap();
    assert_eq!(progress(&run).watched.map(|watched| watched.waited), Some(2));
    // it has ended, however often it is asked to go on
    assert_eq!(work_on(&run), End::Early);
    assert!(std::fs::read(run.last()).unwrap() == ended);

    // cut short on the way it has waited as long
    let cut = stage.run_dir("cut");
    let mut session = Session::begin(&cut).unwrap();
    let mut half = stage.work(&stage.config, stage.setup());
    half.resume(&mut session).unwrap();
    for batch in Loader::start(half.setup.loader(&stage.config), half.setup.batches(0, 4)) {
        half.step(&mut session, &batch.unwrap(), &mut Instant::now()).unwrap();
        if half.progress.step.is_multiple_of(2) {
            half.finish_epoch(&mut session).unwrap();
        }
    }
    drop(session);
    assert_eq!(progress(&cut).watched.map(|watched| watched.waited), Some(1));
    assert_eq!(work_on(&cut), End::Early);
    assert!(std::fs::read(cut.last()).unwrap() == ended);
}

#[test]
fn what_is_better_depends_on_the_figure() {
    let mut stage = Stage::new();
    stage.config.train.early_stop = 2;
    let setup = || stage.setup();
    // rank-1, mAP and loss of five validations, and after each how long it has been waited
    let validations = [(0.2, 0.3, 1.0), (0.2, 0.4, 1.1), (0.1, 0.4, 0.9), (0.3, 0.2, f32::NAN), (0.3, 0.5, 0.8)];
    for (on, waited) in
        [(StopFigure::Rank1, [0, 1, 2, 0, 1]), (StopFigure::Map, [0, 0, 1, 2, 0]), (StopFigure::Loss, [0, 1, 0, 1, 0])]
    {
        let mut config = stage.config.clone();
        config.train.early_stop_on = on;
        let mut work = stage.work(&config, setup());
        for ((rank1, map, loss), waited) in validations.into_iter().zip(waited) {
            let epoch = Epoch { rank1: Some(rank1), map: Some(map), loss, ..Epoch::new(1, 4) };
            work.watch(&epoch);
            assert_eq!(work.progress.watched.unwrap().waited, waited, "{on:?}");
            assert_eq!(work.stands_still(), waited >= 2);
        }
        // an epoch without a validation counts as none
        let before = work.progress.watched;
        if on != StopFigure::Loss {
            work.watch(&Epoch::new(2, 8));
            assert_eq!(work.progress.watched, before);
        }
        work.config.train.early_stop = 0;
        assert!(!work.stands_still());
    }
}
