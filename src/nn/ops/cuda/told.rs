//! What a failure of the card means for a person: dfdx and cudarc only have codes.

use std::cell::RefCell;

use cudarc::driver::sys::CUresult;
use dfdx::prelude::CudaError;

use super::{engine, memory, others, used_before};

/// A failure, told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Failure {
    /// Too little memory: where, how much is free, who holds the rest.
    Memory(String),
    /// Anything else, with the way out where there is one.
    Other(String),
}

thread_local! {
    /// What dfdx's error has no place for.
    static WORDS: RefCell<Option<String>> = const { RefCell::new(None) };
}

/// An error that is told in `words`, which [`explain`] finds again: dfdx's type only holds codes.
pub(super) fn out_of_words(words: String) -> CudaError {
    WORDS.set(Some(words));
    engine::driver(CUresult::CUDA_ERROR_UNKNOWN)
}

/// Errors after which the card answers nothing more to this process, as the driver, cuBLAS and cuDNN name them.
const GONE: &[&str] = &[
    "CUDA_ERROR_ILLEGAL_ADDRESS",
    "CUDA_ERROR_LAUNCH_FAILED",
    "CUDA_ERROR_LAUNCH_TIMEOUT",
    "CUDA_ERROR_ASSERT",
    "CUDA_ERROR_ECC_UNCORRECTABLE",
    "CUDA_ERROR_HARDWARE_STACK_ERROR",
    "CUDA_ERROR_ILLEGAL_INSTRUCTION",
    "CUDA_ERROR_MISALIGNED_ADDRESS",
    "CUDA_ERROR_DEVICE_UNAVAILABLE",
    "CUDA_ERROR_SYSTEM_NOT_READY",
    "CUBLAS_STATUS_EXECUTION_FAILED",
    "CUDNN_STATUS_EXECUTION_FAILED",
];

/// What an error of the card means for a person.
pub fn explain(told: String) -> Failure {
    let told = WORDS.take().unwrap_or(told);
    let says = |word: &str| told.contains(word);
    // cuDNN: CUDNN_STATUS_INTERNAL_ERROR_DEVICE_ALLOCATION_FAILED and its kin
    if ["OUT_OF_MEMORY", "ALLOC_FAILED", "ALLOCATION_FAILED"].iter().any(|word| says(word)) {
        return Failure::Memory(room());
    }
    if told.contains("CUDA_ERROR_UNSUPPORTED_PTX_VERSION") {
        return Failure::Other(
            "the NVIDIA driver is too old for the toolkit that this program was built with; install driver 580 or newer"
                .into(),
        );
    }
    if let Some(name) = GONE.iter().find(|word| says(word)) {
        return Failure::Other(format!(
            "{name}: the card has failed, and answers this process no more. The last checkpoint is kept, and `caretta run \
             resume` goes on from it; if it fails again, `nvidia-smi` and the kernel's log (`dmesg | grep -i xid`) say more"
        ));
    }
    Failure::Other(told)
}

/// "on the card: 0.1 of 79.2 GiB are free, other processes hold 60.0 GiB (python, 4242: 60.0 GiB)".
fn room() -> String {
    let mut told = String::from("on the card");
    if let Some((free, all)) = memory() {
        told += &format!(": {} of {} are free", gib(free as u64), gib(all as u64));
    }
    let others = others();
    let held: u64 = others.iter().filter_map(|h| h.memory).sum();
    if held > 0 {
        let each: Vec<String> = others
            .iter()
            .map(|h| {
                let memory = h.memory.map_or_else(|| "·".into(), gib);
                format!("{}, {}: {memory}", h.name.as_deref().unwrap_or("a process"), h.pid)
            })
            .collect();
        told += &format!(", other processes hold {} ({})", gib(held), each.join("; "));
    } else if let Some(before) = used_before().filter(|&bytes| bytes > 1 << 30) {
        told += &format!(", {} were in use before this program began", gib(before));
    }
    told
}

/// Bytes as GiB, with a digit.
fn gib(bytes: u64) -> String {
    format!("{:.1} GiB", bytes as f64 / f64::from(1 << 30))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn failures_are_told_by_what_to_do() {
        let of = |told: &str| explain(told.to_owned());
        assert!(matches!(of("DriverError(CUDA_ERROR_OUT_OF_MEMORY, \"\")"), Failure::Memory(_)));
        assert!(matches!(of("cuDNN: CUDNN_STATUS_ALLOC_FAILED (2)"), Failure::Memory(_)));
        let Failure::Other(words) = of("DriverError(CUDA_ERROR_LAUNCH_FAILED, \"\")") else { panic!() };
        assert!(words.contains("run resume") && words.contains("xid"), "{words}");
        let Failure::Other(words) = of("CUDA_ERROR_UNSUPPORTED_PTX_VERSION") else { panic!() };
        assert!(words.contains("driver 580"), "{words}");
        assert_eq!(of("else"), Failure::Other("else".into()));
        let _ = out_of_words("cuDNN has no way".into());
        assert_eq!(of("CUDA_ERROR_UNKNOWN"), Failure::Other("cuDNN has no way".into()));
    }
}
