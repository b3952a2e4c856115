//! What can go wrong in a network: shapes that do not fit, a device that gives up, weights of another architecture.

use std::path::PathBuf;

/// Errors of `nn`. Shapes are in torchvision's order (N, C, H, W and O, I, H, W).
#[derive(Debug, thiserror::Error)]
pub enum NnError {
    /// An operation was given shapes it cannot work on.
    #[error("{op}: {reason}")]
    Shape {
        /// Name of the operation.
        op: &'static str,
        /// What does not fit, with the shapes.
        reason: String,
    },
    /// The device failed, usually for want of memory.
    #[error("{op}: the device failed: {reason}")]
    Device {
        /// Name of the operation.
        op: &'static str,
        /// The device's own words.
        reason: String,
    },
    /// The device has too little memory.
    #[error("{op}: out of memory {room}; a smaller batch needs less")]
    OutOfMemory {
        /// Name of the operation.
        op: &'static str,
        /// Where, how much is free, and who holds the rest.
        room: String,
    },
    /// No backbone has that name.
    #[error("no backbone is named \"{name}\"; {}there are {known}", meant_hint(meant))]
    UnknownBackbone {
        /// The name asked for.
        name: String,
        /// The names that exist.
        known: String,
        /// The one that was probably meant, as other libraries write it so; else empty.
        meant: &'static str,
    },
    /// The backbone has no stage of that name.
    #[error("{backbone} has no stage \"{name}\"; it has stem, stage1 to stage{last}")]
    UnknownStage {
        /// The backbone.
        backbone: &'static str,
        /// The name asked for.
        name: String,
        /// Number of its last stage.
        last: usize,
    },
    /// A weights file does not hold this network.
    #[error("{}: {}", path.display(), bearable(reason))]
    Weights {
        /// The file.
        path: PathBuf,
        /// Which tensors are missing, unused or of another shape.
        reason: String,
    },
    /// A weights file could not be read or written.
    #[error("{}: {source}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// The system's reason.
        source: std::io::Error,
    },
}

impl NnError {
    /// A shape error of operation `op`.
    pub fn shape(op: &'static str, reason: impl Into<String>) -> Self {
        NnError::Shape { op, reason: reason.into() }
    }

    /// A device error of operation `op`; dfdx's errors are only `Debug` and `Display`.
    pub fn device(op: &'static str, reason: impl std::fmt::Display) -> Self {
        let reason = reason.to_string();
        #[cfg(feature = "cuda")]
        let reason = match super::ops::cuda::explain(reason) {
            super::ops::cuda::Failure::Memory(room) => return NnError::OutOfMemory { op, room },
            super::ops::cuda::Failure::Other(reason) => reason,
        };
        NnError::Device { op, reason }
    }
}

/// `Result` of `nn`.
pub type Result<T, E = NnError> = std::result::Result<T, E>;

/// Most characters of a reason, in which a file that is anybody's may have a say.
const MOST: usize = 700;

/// `reason` on one line, without its middle where it is endless.
fn bearable(reason: &str) -> String {
    let reason: Vec<char> = reason.chars().map(|c| if c.is_control() { '?' } else { c }).collect();
    match reason.len() {
        0..=MOST => reason.into_iter().collect(),
        count => [&reason[..MOST / 2], &['…'], &reason[count - MOST / 2..]].concat().into_iter().collect(),
    }
}

/// "did you mean resnet50? ", or nothing.
fn meant_hint(meant: &str) -> String {
    if meant.is_empty() { String::new() } else { format!("did you mean {meant}? ") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_file_brings_along_makes_a_refusal_neither_endless_nor_of_two_lines() {
        let said = |reason: String| NnError::Weights { path: "w".into(), reason }.to_string();
        assert_eq!(said("unknown variant `a\nb`".into()), "w: unknown variant `a?b`");
        let long = said(format!("begin{}end", "\u{e9}".repeat(9000)));
        assert!(long.chars().count() < 710 && long.starts_with("w: begin") && long.ends_with("end"), "{long}");
    }
}
