//! The kernels of an NVIDIA card: maps as N x H x W x C on dfdx's own storage, convolutions by cuDNN, the rest by kernels of
//! our own that NVRTC compiles at first use.
//!
//! `Cuda` is dfdx's device; what this module adds lies in one `engine` a process, on the same context and stream. Nothing is
//! changed in place but what the caller owns alone: weights, moments, running statistics, sums of gradients.

mod conv;
mod cudnn;
mod elements;
mod engine;
mod layout;
mod library;
mod norm;
pub(super) mod nvml;
mod pool;
mod reduce;
mod update;

use std::cell::RefCell;

use cudarc::driver::sys::CUresult;
use dfdx::prelude::{Cuda, CudaError};

pub use engine::Card;

/// Why a card cannot be used, with the way out where there is one.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Problem {
    /// A library is not there.
    #[error(
        "{what} is missing: {name} was not found. Install it, or put its folder into LD_LIBRARY_PATH (CUDA_PATH for the \
         toolkit)"
    )]
    NoLibrary {
        /// What it is.
        what: &'static str,
        /// Its file.
        name: &'static str,
    },
    /// A library without a function.
    #[error("{what} is too old: it has no {name}. Install a newer one")]
    TooOld {
        /// What it is.
        what: &'static str,
        /// The function.
        name: &'static str,
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

/// Bytes of the card's memory that are free, and all of them.
pub fn memory() -> Option<(usize, usize)> {
    engine::engine().ok()?.memory().ok()
}

/// Whether convolutions may round their factors to TF32, as PyTorch's do; they may unless told otherwise.
pub fn allow_tf32(allow: bool) {
    if let Ok(engine) = engine::engine() {
        engine.tf32.store(allow, std::sync::atomic::Ordering::Relaxed);
    }
}

thread_local! {
    /// What dfdx's error has no place for.
    static WORDS: RefCell<Option<String>> = const { RefCell::new(None) };
}

/// An error that is told in `words`, which [`explain`] finds again: dfdx's type only holds codes.
fn out_of_words(words: String) -> CudaError {
    WORDS.set(Some(words));
    engine::driver(CUresult::CUDA_ERROR_UNKNOWN)
}

/// What an error of the card means for a person.
pub fn explain(told: String) -> String {
    if let Some(words) = WORDS.take() {
        return words;
    }
    if told.contains("CUDA_ERROR_OUT_OF_MEMORY") {
        let gib = |bytes: usize| bytes as f64 / f64::from(1 << 30);
        let room = memory()
            .map_or_else(String::new, |(free, all)| format!(" ({:.1} of {:.1} GiB are free now)", gib(free), gib(all)));
        return format!("out of memory on the card{room}; a smaller batch needs less");
    }
    told
}
