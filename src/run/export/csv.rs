//! `steps.csv` and `epochs.csv`: a row a record, an empty cell where a figure is not known.

use std::path::{Path, PathBuf};

use super::{Column, OF_EPOCH, OF_STEP};
use crate::run::dir::RunDir;
use crate::run::error::Result;
use crate::run::files;
use crate::run::metrics::History;

pub(super) fn write(_: &RunDir, history: &History, folder: &Path) -> Result<Vec<PathBuf>> {
    let (steps, epochs) = (folder.join("steps.csv"), folder.join("epochs.csv"));
    table(&steps, &["step", "epoch", "time"], OF_STEP, &history.steps, |s| {
        vec![s.step.to_string(), s.epoch.to_string(), time(s.time)]
    })?;
    table(&epochs, &["epoch", "step", "time", "part", "queries"], OF_EPOCH, &history.epochs, |e| {
        let queries = e.queries.map_or_else(String::new, |q| q.to_string());
        vec![e.epoch.to_string(), e.step.to_string(), time(e.time), e.part.clone().unwrap_or_default(), queries]
    })?;
    Ok(vec![steps, epochs])
}

fn time(seconds: f64) -> String {
    if seconds.is_finite() { seconds.to_string() } else { String::new() }
}

fn table<R>(path: &Path, head: &[&str], columns: &[Column<R>], rows: &[R], first: fn(&R) -> Vec<String>) -> Result<()> {
    files::replace_with(path, |out| {
        let mut table = ::csv::Writer::from_writer(out);
        table.write_record(head.iter().copied().chain(columns.iter().map(|(name, _)| *name)))?;
        for row in rows {
            let figures = columns.iter().map(|(_, of)| of(row).map_or_else(String::new, |v| v.to_string()));
            table.write_record(first(row).into_iter().chain(figures))?;
        }
        table.flush()
    })
}
