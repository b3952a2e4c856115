//! `--crop`: which part of a photo a model sees, for the verbs that run one.

use std::path::Path;

use anyhow::Result;
use clap::{Args, ValueEnum};

use crate::data::corrections::Corrections;
use crate::data::manifest::Manifest;
use crate::eval::boxes::{Looker, boxed};
use crate::eval::embed::Source;
use crate::eval::model::Model;
use crate::nn::ops::Backend;
use crate::run::config::{Config, CropChoice};
use crate::train::begin;

use super::{Context, follow, words};

/// Which part of a photo is seen.
#[derive(Debug, Clone, Copy, Args)]
pub(super) struct CropFlag {
    /// What is seen of a photo: drawn (its box, if any) or attention (else the box where the weights that a run began
    /// with look, or bare weights themselves) [default: the run's]
    #[arg(long, value_enum, hide_possible_values = true, value_name = "HOW")]
    crop: Option<CropArg>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum CropArg {
    /// The box drawn in it
    Drawn,
    /// Else the box where a network looks
    Attention,
}

impl CropFlag {
    /// The network whose boxes photos are seen in: as asked for, else as the run has it.
    pub(super) fn looker<D: Backend>(
        self,
        context: &Context,
        config: Option<&Config>,
        model: &Model<D>,
    ) -> Result<Option<Looker>> {
        let crop = match self.crop {
            Some(CropArg::Attention) => CropChoice::Attention,
            Some(CropArg::Drawn) => CropChoice::Drawn,
            None => config.map_or(CropChoice::Drawn, |c| c.data.crop),
        };
        match (crop, config) {
            (CropChoice::Drawn, _) => Ok(None),
            (CropChoice::Attention, None) => {
                Ok(Some(Looker { path: model.path.clone(), hash: model.identity.clone() }))
            }
            (CropChoice::Attention, Some(config)) => {
                let mut config = config.clone();
                config.data.crop = crop;
                Ok(begin::looker(&config, &context.workspace)?)
            }
        }
    }
}

/// The corrections of a dataset with the boxes where `looker` looks, with a bar where that takes time; none when it was
/// interrupted.
pub(super) fn look<D: Backend>(
    context: &Context,
    device: &D,
    dataset: (&Path, &Manifest),
    looker: &Looker,
    source: &Source,
) -> Result<Option<Corrections>> {
    let bar = follow::bar(0, "looking for the animal", context.global.json);
    let boxed = boxed(device, &context.workspace, dataset, looker, source, &mut |done, total| {
        bar.set_length(total as u64);
        bar.set_position(done as u64);
        !context.is_interrupted()
    });
    bar.finish_and_clear();
    if let Err(crate::eval::Error::Interrupted) = boxed {
        words::say("interrupted while looking for the animal; nothing was written");
        return Ok(None);
    }
    let boxed = boxed?;
    words::say_problems(&boxed.problems);
    Ok(Some(boxed.corrections))
}
