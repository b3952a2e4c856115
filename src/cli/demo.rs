//! `demo`: the whole tour on synthetic turtles.

use anyhow::{Result, bail};
use clap::Args;

use super::Context;

/// Arguments of `demo`.
#[derive(Debug, Args)]
pub(super) struct DemoArgs {
    /// Train all three methods over three seeds on the same number of photos, and print the table
    #[arg(long)]
    compare: bool,
}

pub(super) fn demo(_: &Context, args: &DemoArgs) -> Result<u8> {
    let _ = args.compare;
    bail!("being built")
}
