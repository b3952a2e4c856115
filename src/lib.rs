//! Caretta: photographic re-identification of individual animals, from a terminal.
//!
//! The modules stand in the order of the arrows: each may use those above it, never those below
//! (`tests/arrows.rs` holds them to it). The library exists so that `tests/` reaches the parts;
//! its interface is not a promise.

pub mod data;

pub mod run;

pub mod nn;

pub mod loss;

pub mod eval;

pub mod gallery;

pub mod train;

pub mod cli;

pub mod tui;
