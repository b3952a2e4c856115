//! The training loop, schedules, checkpoints, resume.

pub mod bench;
