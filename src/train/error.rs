//! What can stop a training run, with the way out where there is one.

use crate::data::foreign;

/// Errors of `train`.
#[derive(Debug, thiserror::Error)]
pub enum TrainError {
    /// The photos failed.
    #[error(transparent)]
    Data(#[from] crate::data::DataError),
    /// The turtles could not be drawn.
    #[error(transparent)]
    Synth(#[from] crate::data::synth::SynthError),
    /// The run directory failed.
    #[error(transparent)]
    Run(#[from] crate::run::RunError),
    /// The network failed.
    #[error(transparent)]
    Network(#[from] crate::nn::error::NnError),
    /// The evaluation failed.
    #[error(transparent)]
    Eval(#[from] crate::eval::Error),
    /// A run of a sweep that could not begin.
    #[error("{label}: {source}")]
    InSweep {
        /// What the sweep calls it.
        label: String,
        /// What is wrong.
        source: Box<TrainError>,
    },
    /// Too few usable photos.
    #[error("too few photos to train on: {reason}")]
    TooFew {
        /// What is missing.
        reason: String,
    },
    /// The loss or the gradient is no number.
    #[error(
        "step {step}: the {what} is not finite (learning rate {lr}); the weights are those of the step before. Photos of \
         the batch: {photos}. A lower --lr or a longer optimiser.warmup_epochs usually helps"
    )]
    NotFinite {
        /// The step, from 1.
        step: u64,
        /// Loss or gradient.
        what: &'static str,
        /// The learning rate of the step.
        lr: f32,
        /// The photos, separated by commas.
        photos: String,
    },
    /// A checkpoint that does not belong to the run.
    #[error("{}: {reason}", foreign::path(path))]
    Checkpoint {
        /// The file.
        path: std::path::PathBuf,
        /// What does not fit.
        reason: String,
    },
    /// A dataset that has changed since the checkpoint.
    #[error(
        "{}: the photos have changed since this checkpoint: {change}{left_out}. Put them back as they were and resume, \
         or start a new run on them as they are now",
        path.display()
    )]
    OtherPhotos {
        /// The checkpoint.
        path: std::path::PathBuf,
        /// What has changed, as half a sentence.
        change: String,
        /// Photos that cannot be read now, in brackets; empty where there are none.
        left_out: String,
    },
    /// A checkpoint from beyond the end of its run.
    #[error(
        "{}: it has made {step} steps, and the run now ends at {total}: its config.toml has changed since. Put it back as \
         it was and resume, or start a new run",
        path.display()
    )]
    Beyond {
        /// The checkpoint.
        path: std::path::PathBuf,
        /// Its steps.
        step: u64,
        /// Those of the whole run.
        total: u64,
    },
    /// The loader ended before the run did.
    #[error("the batches ended after step {step} of {total}: resume the run, it goes on from there")]
    Short {
        /// Steps made.
        step: u64,
        /// Steps of the whole run.
        total: u64,
    },
    /// A batch that the device has no memory for.
    #[error(
        "step {step}: out of memory {room}, at a batch of {batch}. {}. The steps made are kept: with more of the card free, \
         `caretta run resume` goes on",
        fitting(*fits, *step_of)
    )]
    OutOfMemory {
        /// The step, from 1.
        step: u64,
        /// Where, how much is free, and who holds the rest.
        room: String,
        /// The batch of the run.
        batch: usize,
        /// Photos of a step of the run, in all its batches.
        step_of: usize,
        /// The largest that was found to fit; none where the smallest does not.
        fits: Option<usize>,
    },
    /// A device that this program cannot use.
    #[error("cannot compute on \"{device}\": {reason}")]
    Device {
        /// What was asked for.
        device: String,
        /// Why not, and the way out.
        reason: String,
    },
    /// Weights to begin with that are not those that were asked for.
    #[error(
        "model.init: {given} has changed: its hash is {found} and the run asks for {asked}; put the weights back as they \
         were, or leave out the @ and what follows to begin with these"
    )]
    OtherWeights {
        /// What was named.
        given: String,
        /// The hash asked for.
        asked: String,
        /// The hash found.
        found: String,
    },
    /// Boxes by attention without a network that looks.
    #[error(
        "data.crop = attention: the run begins with random weights, which look nowhere; begin with imported ones (--pretrained) \
         or another run's (--init)"
    )]
    NobodyLooks,
}

/// What to do where a batch is too large.
fn fitting(fits: Option<usize>, step_of: usize) -> String {
    match fits {
        Some(size) => format!(
            "A batch of {size} fits: start a new run with --batch-size {size}, and --set batch.accumulate={} for steps as large",
            step_of.div_ceil(size.max(1))
        ),
        None => "No smaller batch fits: start a new run with a smaller --image-size or backbone".into(),
    }
}

/// `Result` of `train`.
pub type Result<T, E = TrainError> = std::result::Result<T, E>;
