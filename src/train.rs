//! The training loop, schedules, checkpoints, resume.
