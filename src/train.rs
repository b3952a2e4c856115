//! The training loop, schedules, checkpoints, resume.

pub mod begin;
pub mod bench;
pub mod check;
pub mod checkpoint;
pub mod demo;
pub mod error;
pub mod fit;
pub mod parity;
pub mod schedule;
pub mod setup;
pub mod step;
pub mod sweep;
mod turn;
pub mod worker;
