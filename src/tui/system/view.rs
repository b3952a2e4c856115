//! The tab with the machine as cells.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;

use crate::tui::model::Model;
use crate::tui::system::Sample;
use crate::tui::widgets::text::{blocks, bytes, fit_middle, put, row};

/// Weights listed, and rows of the log below its head, in `area`, the tab's: what the lines above leave.
fn below(model: &Model, sample: &Sample, area: Rect) -> (usize, u16) {
    let left = area.height.saturating_sub(MACHINE + 3 + processes_shown(sample, area));
    let all = model.system.weights.len();
    if all == 0 || left <= 2 {
        return (0, left.saturating_sub(1));
    }
    let listed = all.min(usize::from((left - 1) / 2));
    (listed, left.saturating_sub(3 + listed as u16 + u16::from(listed < all)))
}

/// Lines of the machine: processors, memory, disk, card.
const MACHINE: u16 = 4;

fn processes_shown(sample: &Sample, area: Rect) -> u16 {
    let left = area.height.saturating_sub(MACHINE + 2);
    (left / 2).min(sample.processes.len() as u16)
}

/// The most lines that the log can be scrolled back in `area`, the tab's.
pub(in crate::tui) fn most_back(model: &Model, area: Rect) -> usize {
    let rows = model.system.sample.as_ref().map_or(0, |sample| below(model, sample, area).1);
    model.log.len().saturating_sub(usize::from(rows))
}

/// Draws the tab.
pub(in crate::tui) fn draw(model: &Model, area: Rect, buf: &mut Buffer) {
    let theme = &model.theme;
    let Some(sample) = &model.system.sample else {
        put(buf, area.x + 2, area.y + 2, area.width, "Looking at the machine …", theme.quiet());
        return;
    };
    let inner = Rect { x: area.x + 1, width: area.width.saturating_sub(2), ..area };
    let mut next = 0;
    let mut line = |label: &str, words: &str, buf: &mut Buffer| {
        let place = row(inner, next);
        if place.height > 0 {
            put(buf, place.x, place.y, 11, label, theme.quiet());
            put(buf, place.x + 11, place.y, place.width.saturating_sub(11), words, theme.text());
        }
        next += 1;
    };
    let percent = |share: f64| format!("{:3.0} %", share * 100.0);
    let history: Vec<f64> = {
        let width = usize::from(inner.width.saturating_sub(45));
        let from = model.system.cpu.len().saturating_sub(width);
        // a fixed scale: 100 % is a full block
        model.system.cpu[from..].iter().map(|v| v.max(0.01)).chain(std::iter::once(1.0)).collect()
    };
    let mut curve = blocks(&history);
    curve.pop();
    let cpu = sample.cpu.map_or_else(|| "·".into(), percent);
    line("processors", &format!("{cpu} of {} cores  {curve}", sample.cores), buf);
    let part = |(used, all): (u64, u64)| {
        format!("{} of {} used, {}", bytes(used), bytes(all), percent(used as f64 / all.max(1) as f64).trim_start())
    };
    line("memory", &sample.memory.map_or_else(|| "·".into(), part), buf);
    line("disk", &sample.disk.map_or_else(|| "·".into(), part), buf);
    match &model.card {
        Some(card) => {
            let load = card.utilisation.map_or_else(|| "·".into(), |share| percent(f64::from(share) / 100.0));
            let words =
                format!("{load} of cuda:0 {} · memory {}", card.name, part((card.memory_used, card.memory_total)));
            line("GPU", &words, buf);
        }
        None => line("GPU", "none that this program can use", buf),
    }
    next += 1;
    let mut y = inner.y + next;
    put(buf, inner.x, y, inner.width, "processes of ours        pid    cpu   memory", theme.bold());
    y += 1;
    for process in sample.processes.iter().take(usize::from(processes_shown(sample, area))) {
        let cpu = process.cpu.map_or_else(|| "    ·".into(), percent);
        let words = format!("{:>28}  {cpu}  {:>7}  {}", process.pid, bytes(process.memory), process.command);
        put(buf, inner.x, y, inner.width, &words, theme.text());
        y += 1;
    }
    y += 1;
    let weights = &model.system.weights;
    let (listed, _) = below(model, sample, area);
    if listed > 0 {
        put(buf, inner.x, y, inner.width, "imported weights", theme.bold());
        y += 1;
        for one in weights.iter().take(listed) {
            let name = fit_middle(&one.name, 38);
            let imported = one.source.imported.local();
            let to_the_minute = imported.get(..16).unwrap_or(&imported);
            let words = format!("{name:38}  {:18}  {to_the_minute}", one.about.backbone);
            put(buf, inner.x, y, inner.width, &words, theme.text());
            y += 1;
        }
        if weights.len() > listed {
            let more = weights.len() - listed;
            put(buf, inner.x, y, inner.width, &format!("and {more} more"), theme.quiet());
            y += 1;
        }
        y += 1;
    }
    if y >= inner.bottom() {
        return;
    }
    put(buf, inner.x, y, inner.width, "log of this workbench", theme.bold());
    y += 1;
    let height = usize::from(inner.bottom().saturating_sub(y));
    let end = model.log.len().saturating_sub(model.system.back);
    let from = end.saturating_sub(height);
    if model.log.is_empty() {
        put(buf, inner.x, y, inner.width, "nothing said yet", theme.quiet());
    }
    for (n, said) in (0..).zip(model.log.range(from..end)) {
        put(buf, inner.x, y + n, inner.width, said.lines().next().unwrap_or_default(), theme.text());
    }
}
