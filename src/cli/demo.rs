//! `demo`: the whole tour on synthetic turtles.

use std::time::Instant;

use anyhow::{Result, bail};
use clap::Args;
use serde::Serialize;

use crate::data::foreign;
use crate::data::synth::SynthError;
use crate::eval::dataset::PAIRS_FILE;
use crate::eval::metrics::Figures;
use crate::eval::report::words as report_words;
use crate::run::config::Method;
use crate::run::queue::Turn;
use crate::train::demo::{DemoPlan, DemoReport, Stage, judge, set_up};
use crate::train::error::TrainError;
use crate::train::worker::End;

use super::train::watched;
use super::{Context, follow, pictures, words};

/// Arguments of `demo`.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  caretta demo\n  caretta demo --json\n  caretta demo --compare")]
pub(super) struct DemoArgs {
    /// Train all four methods over three seeds on the same number of photos, and print the table
    #[arg(long)]
    compare: bool,
}

/// Seeds of the comparison.
const SEEDS: [u64; 3] = [666, 667, 668];

pub(super) fn demo(context: &Context, args: &DemoArgs) -> Result<u8> {
    context.catch_signals()?;
    if args.compare {
        return compare(context);
    }
    let Some(report) = tour(context, &DemoPlan::default())? else { return Ok(super::INTERRUPTED) };
    context.answer(&report, || summary(&report))?;
    if let Ok(sheet) = image::open(report.report_dir.join(PAIRS_FILE)) {
        pictures::show(&sheet.to_rgb8(), context.global.images, context.global.json);
    }
    Ok(0)
}

/// One tour; none where it was interrupted.
fn tour(context: &Context, plan: &DemoPlan) -> Result<Option<DemoReport>> {
    let began = Instant::now();
    let quiet = context.global.json;
    let bar = follow::bar(plan.turtles.total() as u64, "drawing", quiet);
    let stage = set_up(&context.workspace, plan, &|done, _| {
        bar.set_position(done as u64);
        !context.is_interrupted()
    });
    bar.finish_and_clear();
    if let Err(TrainError::Synth(SynthError::Interrupted)) = stage {
        words::say("interrupted while the turtles were drawn; nothing was kept, `caretta demo` begins anew");
        return Ok(None);
    }
    let stage = stage?;
    if !quiet {
        words::say(&format!(
            "{} photos of synthetic turtles in {}",
            plan.turtles.total(),
            foreign::path(&stage.photos)
        ));
    }
    let Stage { run, .. } = &stage;
    match watched(run, &context.workspace, &context.interrupt, Turn::AtOnce, quiet)? {
        End::Finished | End::Early => {}
        End::Interrupted => {
            words::say(&format!("interrupted; `caretta run resume {}` goes on with the training", run.id()));
            return Ok(None);
        }
        End::Stopped => bail!("the run was told to stop; `caretta run resume {}` goes on with it", run.id()),
    }
    let report = evaluated(context, plan, &stage)?;
    Ok(report.map(|report| DemoReport { seconds: began.elapsed().as_secs_f64(), ..report }))
}

/// The trained run measured; none where that was interrupted.
fn evaluated(context: &Context, plan: &DemoPlan, stage: &Stage) -> Result<Option<DemoReport>> {
    let bar = follow::bar(0, "evaluating", context.global.json);
    let report = judge(&context.workspace, plan, stage, &mut |done, total| {
        bar.set_length(total as u64);
        bar.set_position(done as u64);
        !context.is_interrupted()
    });
    bar.finish_and_clear();
    if let Err(TrainError::Eval(crate::eval::Error::Interrupted)) = report {
        let run = stage.run.id();
        words::say(&format!("interrupted; the training is done, `caretta evaluate --model-path {run}` measures it"));
        return Ok(None);
    }
    Ok(Some(report?))
}

fn row(name: &str, figures: &Figures) -> Vec<String> {
    let shares = [figures.rank1, figures.rank5, figures.rank10, figures.map, figures.balanced_rank1];
    std::iter::once(name.to_owned()).chain(shares.map(words::share)).collect()
}

fn summary(report: &DemoReport) -> String {
    let head = ["", "rank-1", "rank-5", "rank-10", "mAP", "balanced rank-1"];
    let (trained, untrained) = (&report.trained, &report.untrained);
    let honest =
        [row("trained", &trained.figures), row("untrained", &untrained.figures), row("chance", &report.chance.figures)];
    let careless = [
        row("trained", &trained.without_exclusion),
        row("untrained", &untrained.without_exclusion),
        row("chance", &report.chance.without_exclusion),
    ];
    format!(
        "{} individuals, {} encounters each, {} photos. {} queries from encounters never trained on.\n\n\
         A query's own encounter left out (the honest figure):\n{}\n\n\
         With same-encounter photos (what a careless evaluation would say):\n{}\n\n{}\n\n\
         Report and pictures: {}\n  pairs.png  matched and mismatched pairs    queries.png  queries and their nearest\n  \
         embedding.png  the embedding projected (PCA)    report.md  all of it on a page\n\
         {} in all.\n\n\
         Next:\n  caretta train arcface --data-dir YOUR_PHOTOS --output-dir ./arcface_models    a folder per individual will do\n  \
         caretta evaluate --model-path {} --json\n  caretta demo --compare    the four methods side by side",
        report.individuals,
        report.encounters,
        report.photos,
        trained.figures.queries,
        words::table(&head, &honest),
        words::table(&head, &careless),
        report_words::leak(trained),
        foreign::path(&report.report_dir),
        words::duration(report.seconds),
        report.run,
    )
}

/// One training of the comparison.
#[derive(Serialize)]
struct Compared {
    method: &'static str,
    seed: u64,
    figures: Figures,
    without_exclusion: Figures,
    seconds: f64,
    run: String,
}

fn compare(context: &Context) -> Result<u8> {
    let mut all = Vec::new();
    let runs = Method::ALL.len() * SEEDS.len();
    for method in Method::ALL {
        for seed in SEEDS {
            if !context.global.json {
                words::say(&format!("{} with seed {seed}: {} of {}", method.name(), all.len() + 1, runs));
            }
            let plan = DemoPlan { method, seed, ..DemoPlan::default() };
            let Some(report) = tour(context, &plan)? else { return Ok(super::INTERRUPTED) };
            all.push(Compared {
                method: method.name(),
                seed,
                figures: report.trained.figures,
                without_exclusion: report.trained.without_exclusion,
                seconds: report.seconds,
                run: report.run,
            });
        }
    }
    context.answer(&serde_json::json!({ "runs": all }), || comparison(&all))?;
    Ok(0)
}

fn comparison(all: &[Compared]) -> String {
    let spread = |of: &dyn Fn(&Compared) -> Option<f64>, method: Method| {
        let values: Vec<f64> = all.iter().filter(|c| c.method == method.name()).filter_map(of).collect();
        let mean = values.iter().sum::<f64>() / values.len().max(1) as f64;
        let (least, most) = values.iter().fold((f64::MAX, f64::MIN), |(a, b), &v| (a.min(v), b.max(v)));
        format!("{mean:.3} ({least:.3} to {most:.3})")
    };
    let rows: Vec<_> = Method::ALL
        .iter()
        .map(|&m| {
            vec![
                m.name().to_owned(),
                spread(&|c| c.figures.rank1, m),
                spread(&|c| c.figures.rank5, m),
                spread(&|c| c.figures.map, m),
                spread(&|c| c.without_exclusion.rank1, m),
                spread(&|c| Some(c.seconds), m).replace(".000", ""),
            ]
        })
        .collect();
    let head = ["", "rank-1", "rank-5", "mAP", "rank-1 with same-encounter photos", "seconds"];
    format!(
        "Mean of {} seeds (least to most); the same photos, the same number of them.\n\n{}",
        SEEDS.len(),
        words::table(&head, &rows)
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::{Global, pictures};
    use crate::data::synth::SynthPlan;
    use crate::run::Workspace;
    use crate::train::worker::{Surroundings, work};
    use std::sync::Arc;
    use std::sync::atomic::{AtomicBool, Ordering};

    #[test]
    fn interrupted_at_any_stage_the_tour_ends_as_interrupted() {
        let dir = tempfile::tempdir().unwrap();
        let context = Context {
            global: Global { workspace: None, json: true, images: Some(pictures::Images::Off) },
            workspace: Workspace::open(Some(dir.path())).unwrap(),
            interrupt: Arc::new(AtomicBool::new(false)),
        };
        let turtles = SynthPlan { individuals: 4, encounters: 4, photos: 1, width: 32, height: 32, seed: 7 };
        let plan = DemoPlan { turtles, ..DemoPlan::default() };
        context.interrupt.store(true, Ordering::Relaxed);
        assert!(tour(&context, &plan).unwrap().is_none());
        assert_eq!(std::fs::read_dir(context.workspace.datasets()).unwrap().count(), 0);

        context.interrupt.store(false, Ordering::Relaxed);
        let stage = set_up(&context.workspace, &plan, &|_, _| true).unwrap();
        let mut config = stage.run.read_config().unwrap();
        let small =
            [("optimiser.warmup_epochs", "1"), ("train.epochs", "1"), ("data.image_size", "32"), ("batch.size", "8")];
        for (path, value) in small {
            config.set(path, value).unwrap();
        }
        config.save(&stage.run.config()).unwrap();
        let Context { workspace, interrupt, .. } = &context;
        let surroundings = Surroundings { workspace, interrupt, turn: Turn::AtOnce, foreground: Some(&|_| {}) };
        assert_eq!(work(&stage.run, surroundings).unwrap(), End::Finished);
        context.interrupt.store(true, Ordering::Relaxed);
        assert!(evaluated(&context, &plan, &stage).unwrap().is_none());
        context.interrupt.store(false, Ordering::Relaxed);
        let report = evaluated(&context, &plan, &stage).unwrap().unwrap();
        let chosen = report.trained.context.chosen_by.unwrap();
        assert_eq!((chosen.part.as_str(), chosen.reported), ("valid", false));
    }
}
