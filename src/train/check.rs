//! Whether this program can do what a configuration asks for: said before a run is made, not by a trainer that has begun.

use crate::data::corrections::Corrections;
use crate::nn::backbone::Backbone;
use crate::run::config::Config;

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
