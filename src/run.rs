//! The run directory: the only contract between a trainer and whoever watches it.
//!
//! Knows files, locks and processes; knows nothing of tensors or losses.

pub mod config;
pub mod control;
pub mod corrections;
pub mod dir;
pub mod error;
pub mod export;
pub mod files;
mod galleries;
pub mod host;
pub mod launch;
pub mod lock;
pub mod log;
pub mod manage;
pub mod metrics;
pub mod model;
pub mod queue;
pub mod register;
pub mod session;
pub mod stamp;
pub mod state;
pub mod status;
pub mod summary;
pub mod watch;
pub mod workspace;

pub use config::{Config, Method};
pub use dir::{RunDir, Standing, Which};
pub use error::{Result, RunError};
pub use model::ModelRef;
pub use register::Dataset;
pub use session::Session;
pub use state::{Phase, State};
pub use status::Status;
pub use summary::RunSummary;
pub use workspace::{RunEntry, Workspace};
