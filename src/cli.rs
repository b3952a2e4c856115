//! The command line: one file a verb, arguments in, a function of the folders below, words out.
//!
//! Words for people go to standard error while something goes on and to standard output when it is the answer; under
//! `--json` standard output holds one JSON object and nothing else. Exit codes: 0, 1 failed, 2 usage, 130 interrupted.

mod args;
mod bench;
mod bundle;
mod calibrate;
mod check;
mod compare;
mod corrections;
mod crop;
mod dataset;
mod decisions;
mod demo;
mod discover;
mod doctor;
mod embed;
mod evaluate;
mod follow;
mod gallery;
mod identify;
mod lying;
mod of_gallery;
mod pair;
mod pictures;
mod plot;
mod run;
mod run_care;
mod search;
mod split;
mod sweep;
mod train;
mod watch;
mod weights;
mod words;

use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use anyhow::Result;
use clap::{Args, Parser, Subcommand};

use crate::data::foreign;
use crate::run::{RunError, Workspace};

/// Photographic re-identification of individual animals, sea turtles first.
#[derive(Debug, Parser)]
#[command(name = "caretta", version, max_term_width = 110)]
#[command(args_override_self = true, after_help = EXAMPLES)]
struct Cli {
    #[command(flatten)]
    global: Global,
    /// What to do; without it the workbench opens
    #[command(subcommand)]
    verb: Option<Verb>,
}

const EXAMPLES: &str = "\
Examples:
  caretta demo                                          the whole tour on synthetic turtles
  caretta train arcface --data-dir photos/              train; photos/ holds a folder per individual
  caretta evaluate --model-path arcface-resnet50        rank-1, mAP and the pairs it got wrong
  caretta run ls                                        every run and how it stands";

/// Where help lists the flags of every verb.
const EVERYWHERE: &str = "Everywhere";

/// Flags of every verb.
#[derive(Debug, Clone, Args)]
struct Global {
    /// Where runs, the photo cache and drawn datasets lie [default: CARETTA_WORKSPACE, else the account's data folder]
    #[arg(long, global = true, value_name = "DIR", help_heading = EVERYWHERE)]
    workspace: Option<PathBuf>,
    /// Print one JSON object instead of words
    #[arg(long, global = true, help_heading = EVERYWHERE)]
    json: bool,
    /// Pictures in the terminal: auto, as fine as it can; cells, of two colours each; viuer, as fine as it can over SSH and
    /// in tmux too; off, never [default: auto]
    #[arg(long, global = true, value_enum, value_name = "HOW")]
    #[arg(help_heading = EVERYWHERE, hide_possible_values = true)]
    images: Option<pictures::Images>,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// Draw synthetic turtles, train on them, evaluate, show what came out
    Demo(demo::DemoArgs),
    /// Train an embedding network (stays in the foreground; `run start` detaches)
    Train(Box<train::TrainArgs>),
    /// Train the runs of a grid or a list one after the other, with a table at the end
    Sweep(sweep::SweepArgs),
    /// Measure a model by retrieval: rank-1/5/10, mAP, and what it got wrong
    Evaluate(evaluate::EvaluateArgs),
    /// Write the embeddings of any photos
    Embed(embed::EmbedArgs),
    /// Hold two evaluations against each other on the same queries: who gets what, and whether it could be luck
    Compare(compare::CompareArgs),
    /// Draw the projection of embeddings
    Plot(plot::PlotArgs),
    /// Show two photos with their distance and what it means
    Pair(pair::PairArgs),
    /// Make, fill, show and change a gallery: who is known
    #[command(subcommand)]
    Gallery(gallery::GalleryVerb),
    /// Find the nearest known photos and individuals of any photos
    Search(search::SearchArgs),
    /// Name the animals on photos
    Identify(identify::IdentifyArgs),
    /// Group the photos of a folder into individuals, known and new
    Discover(discover::DiscoverArgs),
    /// Name photos as they arrive in a folder
    Watch(watch::WatchArgs),
    /// Put a gallery, its model and its calibration into one folder for another machine
    Bundle(bundle::BundleArgs),
    /// Name, list, inspect, correct, export, draw and preview datasets
    #[command(subcommand)]
    Dataset(dataset::DatasetVerb),
    /// Import, list, check and remove weights of backbones
    #[command(subcommand)]
    Weights(weights::WeightsVerb),
    /// List, start, stop, resume, watch, name, compare, export and remove runs
    #[command(subcommand)]
    Run(run::RunVerb),
    /// Measure how fast a backbone trains and embeds here
    Bench(bench::BenchArgs),
    /// Say what this machine computes with, what is missing, and whether it computes right
    Doctor(doctor::DoctorArgs),
    /// The trainer of a detached run
    #[command(hide = true)]
    Worker(train::WorkerArgs),
}

/// What a verb works in.
struct Context {
    global: Global,
    workspace: Workspace,
    /// Set by Ctrl-C; a second one ends the program at once.
    interrupt: Arc<AtomicBool>,
}

/// The exit code for a signal from the keyboard.
const INTERRUPTED: u8 = 130;
/// The exit code for a command that cannot be understood.
const USAGE: u8 = 2;

/// Runs the command line of this process; without a verb, `open` shows the screen on a workspace, with
/// pictures as the word says where one was given, and gives a line to say when it is left.
pub fn main<E>(open: fn(&Workspace, Option<&str>) -> Result<String, E>) -> ExitCode
where
    E: std::error::Error + Send + Sync + 'static,
{
    crate::nn::ops::cpu::keep_memory();
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        // what it found odd stands in the message: other people's text, too, where the shell put file names
        Err(error) if error.use_stderr() => {
            words::say(error.render().to_string().trim_end());
            return ExitCode::from(USAGE);
        }
        Err(help) => help.exit(),
    };
    match dispatch(cli, open) {
        Ok(code) => ExitCode::from(code),
        Err(error) => {
            words::say(&format!("caretta: {}", told(&error)));
            ExitCode::from(if is_usage(&error) { USAGE } else { 1 })
        }
    }
}

fn dispatch<E>(cli: Cli, open: fn(&Workspace, Option<&str>) -> Result<String, E>) -> Result<u8>
where
    E: std::error::Error + Send + Sync + 'static,
{
    let workspace = Workspace::open(cli.global.workspace.as_deref())?;
    let context = Context { global: cli.global, workspace, interrupt: Arc::new(AtomicBool::new(false)) };
    let Some(verb) = cli.verb else {
        let left = open(&context.workspace, context.global.images.map(pictures::Images::word))?;
        if !left.is_empty() {
            words::say(&left);
        }
        return Ok(0);
    };
    match verb {
        Verb::Demo(args) => demo::demo(&context, &args),
        Verb::Train(args) => train::train(&context, &args),
        Verb::Sweep(args) => sweep::sweep(&context, &args),
        Verb::Evaluate(args) => evaluate::evaluate(&context, &args),
        Verb::Embed(args) => embed::embed(&context, &args),
        Verb::Compare(args) => compare::compare(&context, &args),
        Verb::Plot(args) => plot::plot(&context, &args),
        Verb::Pair(args) => pair::pair(&context, &args),
        Verb::Gallery(verb) => gallery::gallery(&context, &verb),
        Verb::Search(args) => search::search(&context, &args),
        Verb::Identify(args) => identify::identify(&context, &args),
        Verb::Discover(args) => discover::discover(&context, &args),
        Verb::Watch(args) => watch::watch(&context, &args),
        Verb::Bundle(args) => bundle::bundle(&context, &args),
        Verb::Dataset(verb) => dataset::dataset(&context, &verb),
        Verb::Weights(verb) => weights::weights(&context, &verb),
        Verb::Run(verb) => run::run(&context, verb),
        Verb::Bench(args) => bench::bench(&context, &args),
        Verb::Doctor(args) => doctor::doctor(&context, &args),
        Verb::Worker(args) => train::worker(&context, &args),
    }
}

/// The error and what caused it, each said once: many of ours name their cause already.
fn told(error: &anyhow::Error) -> String {
    error.chain().fold(String::new(), |text, cause| match cause.to_string() {
        cause if text.is_empty() => cause,
        cause if text.ends_with(&cause) => text,
        cause => format!("{text}: {cause}"),
    })
}

/// Whether the command itself is at fault, rather than what it met.
fn is_usage(error: &anyhow::Error) -> bool {
    let of_run = |error: &RunError| {
        matches!(
            error,
            RunError::Syntax { .. }
                | RunError::UnknownKey { .. }
                | RunError::BadValue { .. }
                | RunError::BadTogether { .. }
                | RunError::NoData
                | RunError::NoMethod { .. }
                | RunError::TooManyRuns { .. }
                | RunError::BadName { .. }
                | RunError::BadRunName { .. }
        )
    };
    error.chain().any(|cause| cause.downcast_ref::<RunError>().is_some_and(of_run) || cause.is::<args::Usage>())
}

impl Context {
    /// From now on Ctrl-C (or SIGTERM) sets [`Context::interrupt`]; the second ends the program at once. A lost
    /// terminal ends nothing.
    fn catch_signals(&self) -> Result<()> {
        use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
        for signal in [SIGINT, SIGTERM] {
            let code = i32::from(INTERRUPTED);
            signal_hook::flag::register_conditional_shutdown(signal, code, Arc::clone(&self.interrupt))?;
            signal_hook::flag::register(signal, Arc::clone(&self.interrupt))?;
        }
        signal_hook::flag::register(SIGHUP, Arc::new(AtomicBool::new(false)))?;
        Ok(())
    }

    fn is_interrupted(&self) -> bool {
        self.interrupt.load(std::sync::atomic::Ordering::Relaxed)
    }

    /// Prints `value` as JSON, or `text` for people.
    fn answer(&self, value: &impl serde::Serialize, text: impl FnOnce() -> String) -> Result<()> {
        if self.global.json {
            words::print(&foreign::json(&serde_json::to_string_pretty(value)?))?;
        } else {
            words::print(&foreign::block(&text()))?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::run::config::field::{FIELDS, Kind};
    use clap::CommandFactory;

    #[test]
    fn a_cause_is_said_once() {
        let refused = std::io::Error::other("no such file");
        let error = anyhow::Error::new(RunError::io("read", "a.toml", refused)).context("cannot begin");
        assert_eq!(told(&error), "cannot begin: a.toml: cannot read: no such file");
    }

    #[test]
    fn the_command_line_is_sound() {
        Cli::command().debug_assert();
    }

    #[test]
    fn every_verb_has_an_example_that_is_understood() {
        fn walk(verb: &mut clap::Command, name: &str) {
            if !verb.has_subcommands() {
                let help = verb.get_after_help().map_or_else(String::new, ToString::to_string);
                let examples: Vec<_> = help.lines().filter(|l| l.trim_start().starts_with("caretta ")).collect();
                assert!(verb.is_hide_set() || !examples.is_empty(), "{name} has no example");
                for example in examples {
                    let words = example.split("   ").find(|part| !part.trim().is_empty()).unwrap_or(example);
                    Cli::try_parse_from(words.split_whitespace()).unwrap_or_else(|e| panic!("{example}: {e}"));
                }
            }
            for inner in verb.get_subcommands_mut().filter(|v| v.get_name() != "help") {
                let name = format!("{name} {}", inner.get_name());
                walk(inner, &name);
            }
        }
        walk(&mut Cli::command(), "caretta");
    }

    #[test]
    fn the_readmes_command_lines_are_understood() {
        let text = include_str!("../README.md");
        let lines: Vec<&str> = text.lines().filter(|l| l.starts_with("caretta ")).collect();
        assert!(lines.len() > 10, "found only {lines:?}");
        for line in lines {
            let words = line.split('#').next().unwrap().split_whitespace();
            Cli::try_parse_from(words).unwrap_or_else(|e| panic!("{line}: {e}"));
        }
    }

    #[test]
    fn help_names_every_backbone_and_miner() {
        let help = Cli::command().find_subcommand_mut("train").unwrap().render_long_help().to_string();
        let mining = FIELDS.iter().find(|f| f.path == "loss.mining").unwrap();
        let Kind::Choice(miners) = mining.kind else { panic!("loss.mining is no choice") };
        for name in crate::nn::backbone::BACKBONES.iter().map(|b| b.name).chain(miners.iter().copied()) {
            assert!(help.contains(name), "{name} is not in the help of train");
        }
    }
}
