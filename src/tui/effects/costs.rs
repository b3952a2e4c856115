//! What runs of this workspace cost: photos a second and bytes of a checkpoint, as they were measured here.

use std::fs;

use crate::run::metrics::Record;
use crate::run::workspace::RunEntry;
use crate::run::{Workspace, log};
use crate::tui::form::Cost;

/// Runs looked at, the newest first.
const RUNS: usize = 60;
/// Lines at the end of the metrics among which the last steps are.
const LINES: usize = 40;

/// What each of the newest runs cost.
pub(super) fn measured(workspace: &Workspace) -> Vec<Cost> {
    let mut entries = workspace.runs().unwrap_or_default();
    entries.reverse();
    entries.iter().take(RUNS).filter_map(of).collect()
}

fn of(entry: &RunEntry) -> Option<Cost> {
    let RunEntry::Here(run) = entry else { return None };
    let config = run.read_config().ok()?;
    let text = log::last_lines(&run.metrics(), LINES).ok()?;
    let mut speeds: Vec<f32> = text
        .lines()
        .filter_map(|line| match serde_json::from_str(line) {
            Ok(Record::Step(step)) => Some(step.photos_per_s),
            _ => None,
        })
        .filter(|speed| speed.is_finite() && *speed > 0.0)
        .collect();
    speeds.sort_by(f32::total_cmp);
    let checkpoint = fs::metadata(run.last()).ok().map(|meta| meta.len());
    Some(Cost {
        backbone: config.model.backbone,
        image_size: config.data.image_size as usize,
        photos_per_s: f64::from(*speeds.get(speeds.len() / 2)?),
        checkpoint,
    })
}
