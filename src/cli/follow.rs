//! What a person sees of a run that goes on: a bar with the last figures and the time left, and a line an epoch.

use std::ops::ControlFlow;
use std::time::Duration;

use anyhow::Result;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use crate::run::metrics::{Epoch, Record, Step};
use crate::run::{RunDir, Standing};

use super::Context;
use super::words::{say, share};
use crate::data::foreign;

/// A bar on standard error, or nothing where there is no terminal or `quiet`.
pub(super) fn bar(total: u64, what: &str, quiet: bool) -> ProgressBar {
    let target = if quiet { ProgressDrawTarget::hidden() } else { ProgressDrawTarget::stderr() };
    let bar = ProgressBar::with_draw_target(Some(total), target);
    let style = ProgressStyle::with_template("{prefix:11} {bar:28} {pos}/{len}  ETA {eta}  {msg}");
    bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()).progress_chars("━╸ "));
    bar.set_prefix(what.to_owned());
    bar
}

/// Brings `bar` to the number done, and says whether to go on.
pub(super) fn ticks<'a>(context: &'a Context, bar: &'a ProgressBar) -> impl FnMut(usize, usize) -> bool + 'a {
    |done, _| {
        bar.set_position(done as u64);
        !context.is_interrupted()
    }
}

/// Follows `run` until it is over, or until `go_on` says no.
pub(super) fn follow(run: &RunDir, quiet: bool, mut go_on: impl FnMut() -> bool) -> Result<Standing> {
    let bar = bar(0, "training", quiet);
    let mut place = None;
    let standing = crate::run::watch::follow(run, |glance| {
        if glance.standing.waits() && glance.standing.state.place != place {
            place = glance.standing.state.place;
            if !quiet {
                say(&format!("queued: {}", glance.standing.reason));
            }
        }
        if glance.standing.state.total > 0 {
            bar.set_length(glance.standing.state.total);
            // not before: a bar of nothing says nothing
            bar.enable_steady_tick(Duration::from_millis(500));
        }
        for record in &glance.records {
            match record {
                Record::Step(step) => {
                    bar.set_position(step.step);
                    bar.set_message(step_words(step));
                }
                Record::Epoch(epoch) => bar.suspend(|| {
                    if !quiet {
                        say(&epoch_words(epoch));
                    }
                }),
                Record::Resume { step, .. } => bar.set_position(*step),
                Record::Unknown => {}
            }
        }
        if go_on() { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
    })?;
    bar.finish_and_clear();
    Ok(standing)
}

fn step_words(step: &Step) -> String {
    let mut words = format!("loss {:.3}", step.loss);
    if let Some(active) = step.active {
        words += &format!("  active {active:.2}");
    }
    if let Some(angle) = step.angle {
        words += &format!("  angle {angle:.0}°");
    }
    words + &format!("  {:.0} photos/s", step.photos_per_s)
}

fn epoch_words(epoch: &Epoch) -> String {
    let mut words = format!("epoch {:3}  loss {:.3}", epoch.epoch, epoch.loss);
    if let Some(part) = &epoch.part {
        words += &format!(
            "  {}: rank-1 {}  mAP {}  same {}  different {}  spread {}",
            foreign::line(part),
            share(epoch.rank1),
            share(epoch.map),
            share(epoch.distance_same),
            share(epoch.distance_different),
            share(epoch.spread),
        );
    }
    words
}
