//! The kernels of an NVIDIA card: maps as N x H x W x C on dfdx's own storage, convolutions by cuDNN, the rest by kernels of
//! our own that NVRTC compiles at first use. In amp maps are of bf16, all else of f32.
//!
//! `Cuda` is dfdx's device; what this module adds lies in one `engine` a process, on the same context and stream. Nothing is
//! changed in place but what the caller owns alone: weights, moments, running statistics, sums of gradients.

mod attention;
mod conv;
mod cudnn;
mod elements;
mod engine;
mod kernels;
mod layer_norm;
mod layout;
mod library;
mod mixed;
mod norm;
pub(super) mod nvml;
mod patches;
mod pool;
mod reduce;
pub(super) mod retrieval;
mod told;
mod update;

use dfdx::prelude::Cuda;

pub use engine::Card;
use told::out_of_words;
pub use told::{Failure, explain};

use super::Precision;
use super::device::Holder;

/// Why a card cannot be used, with the way out where there is one.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Problem {
    /// A library is not there.
    #[error("{what} is missing: {name} was not found. {remedy}")]
    NoLibrary {
        /// What it is.
        what: &'static str,
        /// Its file.
        name: &'static str,
        /// What to install or set.
        remedy: &'static str,
    },
    /// A library without a function.
    #[error("{what} is too old: it has no {name}. {remedy}")]
    TooOld {
        /// What it is.
        what: &'static str,
        /// The function.
        name: &'static str,
        /// What to install or set.
        remedy: &'static str,
    },
    /// A driver older than the toolkit.
    #[error(
        "the NVIDIA driver is too old: it is made for CUDA {}, and the toolkit is {}. Install driver 580 or newer",
        version(*driver), version(*toolkit)
    )]
    OldDriver {
        /// What it is made for: 13000 is 13.0.
        driver: i32,
        /// The toolkit's version.
        toolkit: i32,
    },
    /// No such card.
    #[error("there is no card {asked}: the driver shows {count}")]
    NoCard {
        /// The number asked for.
        asked: usize,
        /// Cards there are.
        count: usize,
    },
    /// Another card is in use already.
    #[error("card {open} is in use by this process, which cannot change to card {asked}")]
    OtherCard {
        /// The card in use.
        open: usize,
        /// The card asked for.
        asked: usize,
    },
    /// The driver refused.
    #[error("the driver failed: {call} gave error {code} ({})", meaning(*code))]
    Driver {
        /// The call.
        call: &'static str,
        /// `CUresult`.
        code: i32,
    },
    /// Our kernels did not compile.
    #[error("NVRTC could not compile the kernels: {reason}")]
    Kernels {
        /// Its log.
        reason: String,
    },
    /// cuDNN refused.
    #[error("cuDNN does not start: {reason}")]
    Cudnn {
        /// Its words.
        reason: String,
    },
    /// dfdx refused.
    #[error("dfdx cannot use the card: {reason}")]
    Dfdx {
        /// Its words.
        reason: String,
    },
}

/// What the driver's commonest errors mean.
fn meaning(code: i32) -> &'static str {
    match code {
        2 => "out of memory: another process may hold it, see nvidia-smi",
        100 => "no card",
        209 => "the program holds no code for this card: build with CUDA_COMPUTE_CAP set to its compute capability",
        222 | 218 => "the driver is too old for the toolkit that this program was built with",
        803 => "the driver does not fit its own library: restart after the update",
        999 => "unknown: the card may need a restart",
        _ => "see CUDA's list of errors",
    }
}

/// Opens card `ordinal` for this thread: the card of this process.
///
/// # Errors
/// When something is missing; see [`Problem`].
pub fn open(ordinal: usize) -> Result<Cuda, Problem> {
    // before dfdx, which panics where there is no driver
    engine::open(ordinal)?;
    let device = Cuda::try_build(ordinal, 0).map_err(|e| Problem::Dfdx { reason: e.to_string() })?;
    // kept for ever: where the card has failed, cudarc panics as it gives the last one's stream back
    std::mem::forget(device.clone());
    Ok(device)
}

/// What the open card is.
pub fn card() -> Option<Card> {
    engine::engine().ok().map(|engine| engine.card.clone())
}

/// A version as CUDA counts: 13000 is 13.0.
pub fn version(number: i32) -> String {
    format!("{}.{}", number / 1000, number % 1000 / 10)
}

/// All that is missing for card `ordinal` to be used, and what is wrong with what is there.
pub fn missing(ordinal: usize) -> Vec<Problem> {
    let mut all = library::missing();
    // with every library there, the card itself is asked
    if all.is_empty() {
        all.extend(engine::open(ordinal).err());
    }
    all
}

/// Bytes of the card's memory that are free, and all of them.
pub fn memory() -> Option<(usize, usize)> {
    engine::engine().ok()?.memory().ok()
}

/// Most bytes that this process has held for tensors at once.
pub fn peak() -> Option<u64> {
    engine::engine().ok()?.pool.most_used()
}

/// Other processes with memory on the open card, as far as they can be seen; none also where this process cannot be told from
/// the others, as in a container.
pub fn others() -> Vec<Holder> {
    let Ok(engine) = engine::engine() else { return Vec::new() };
    let (all, own) = (nvml::holders(engine.card.ordinal), std::process::id());
    if all.iter().any(|h| h.pid == own) { all.into_iter().filter(|h| h.pid != own).collect() } else { Vec::new() }
}

/// Bytes that were in use on the open card before this process came.
pub fn used_before() -> Option<u64> {
    engine::engine().ok()?.used_before
}

/// Says how the open card computes from now on; maps of another precision must not be used any more.
pub fn set_precision(precision: Precision) {
    if let Ok(engine) = engine::engine() {
        engine.set_precision(precision);
    }
}

/// Whether the open card keeps maps in bf16.
pub fn has_half_maps() -> bool {
    engine::engine().is_ok_and(engine::Engine::has_half_maps)
}
