//! Whether this program can do what a configuration asks for: said before a run is made, not by a trainer that has begun.

use std::path::Path;

use crate::data::corrections::Corrections;
use crate::nn::backbone::Backbone;
use crate::run::config::Config;
use crate::run::queue::Limits;
use crate::run::{RunDir, Workspace};

use super::begin::settle;
use super::error::Result;
use super::setup::Plan;
use super::step::freeze;
use super::worker::device;

/// Judges `config` as a whole: its values, and what they name.
///
/// # Errors
/// The first thing that is wrong or not there.
pub fn check(config: &Config) -> Result<()> {
    Backbone::named(&config.model.backbone)?;
    freeze(config)?;
    // these two always work; opening a card to find that out would take its memory at each key in a form
    if !matches!(config.train.device.as_str(), "auto" | "cpu") {
        device(&config.train.device)?;
    }
    Ok(config.check()?)
}

/// As [`check`], and whether the photos suffice as `corrections` have them: a mistake then leaves no failed run.
///
/// # Errors
/// The first thing that is wrong or not there.
pub fn plan(config: &Config, corrections: &Corrections) -> Result<Plan> {
    check(config)?;
    Plan::read(config, corrections)
}

/// Makes the run that `config` asks for, once it is known that it could begin, its weights named by their hash: in
/// `output`, else in the workspace. And a sentence where it could not be measured.
///
/// # Errors
/// As [`plan`], or when the run cannot be created.
pub fn create(workspace: &Workspace, config: &Config, output: Option<&Path>) -> Result<(RunDir, Option<String>)> {
    let plan = plan(config, &workspace.corrections(config.data.dir.as_ref())?)?;
    let mut config = config.clone();
    settle(&mut config, workspace)?;
    Limits::read(workspace)?; // said here rather than by a trainer that is to wait
    let run = workspace.create_run(&config, output)?;
    Ok((run, plan.cannot_be_measured()))
}
