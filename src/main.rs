//! Parses, sets up errors, dispatches: nothing else.
fn main() {}
