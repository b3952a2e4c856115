//! A look at the machine, from the files under /proc; where there are none, little is known.

use std::collections::HashMap;
use std::fs;
use std::path::Path;

use crate::tui::system::{Process, Sample};

/// What the look before found, to tell shares of time from.
#[derive(Debug, Default)]
pub(super) struct Machine {
    /// Ticks worked and in all.
    processors: (u64, u64),
    /// Ticks of each of our processes.
    ours: HashMap<u32, u64>,
}

impl Machine {
    /// Looks.
    pub(super) fn look(&mut self, workspace: &Path) -> Sample {
        let before = std::mem::replace(&mut self.processors, ticks().unwrap_or_default());
        let passed = self.processors.1.saturating_sub(before.1);
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        let share = |ticks: u64| (before.1 > 0 && passed > 0).then(|| ticks as f64 / passed as f64);
        let cpu = share(self.processors.0.saturating_sub(before.0));
        let mut processes = processes();
        for (process, ticks) in &mut processes {
            let before = self.ours.get(&process.pid).copied();
            // the processors' time counts all cores together
            process.cpu = before.and_then(|b| share(ticks.saturating_sub(b))).map(|s| s * cores as f64);
        }
        self.ours = processes.iter().map(|(p, ticks)| (p.pid, *ticks)).collect();
        Sample {
            cpu,
            cores,
            memory: memory(),
            disk: disk(workspace),
            processes: processes.into_iter().map(|(process, _)| process).collect(),
        }
    }
}

/// Ticks that the processors worked, and all there were: the first line of /proc/stat, see proc(5).
fn ticks() -> Option<(u64, u64)> {
    let text = fs::read_to_string("/proc/stat").ok()?;
    let fields: Vec<u64> =
        text.lines().next()?.split_whitespace().skip(1).take(8).map_while(|f| f.parse().ok()).collect();
    let all: u64 = fields.iter().sum();
    // idle, and waiting for a disk
    Some((all - fields.get(3)? - fields.get(4)?, all))
}

fn memory() -> Option<(u64, u64)> {
    let text = fs::read_to_string("/proc/meminfo").ok()?;
    let kilobytes = |key: &str| {
        let line = text.lines().find_map(|l| l.strip_prefix(key))?;
        line.trim_start_matches(':').split_whitespace().next()?.parse::<u64>().ok()
    };
    let (all, free) = (kilobytes("MemTotal")? << 10, kilobytes("MemAvailable")? << 10);
    Some((all.saturating_sub(free), all))
}

fn disk(workspace: &Path) -> Option<(u64, u64)> {
    // a workspace that is not there yet will lie on the disk of a folder above it
    let there = workspace.ancestors().find(|path| path.exists())?;
    let found = rustix::fs::statvfs(there).ok()?;
    let size = |blocks: u64| blocks.saturating_mul(found.f_frsize);
    Some((size(found.f_blocks.saturating_sub(found.f_bfree)), size(found.f_blocks)))
}

/// Processes of this program, each with its ticks.
fn processes() -> Vec<(Process, u64)> {
    let ours = fs::read_link("/proc/self/exe").ok();
    let entries = fs::read_dir("/proc").into_iter().flatten().flatten();
    let mut found: Vec<_> = entries
        .filter_map(|entry| {
            let pid: u32 = entry.file_name().to_str()?.parse().ok()?;
            let folder = entry.path();
            // other people's programs do not tell
            if fs::read_link(folder.join("exe")).ok() != ours || ours.is_none() {
                return None;
            }
            let stat = fs::read_to_string(folder.join("stat")).ok()?;
            let fields: Vec<&str> = stat.rsplit_once(')')?.1.split_whitespace().collect();
            let number = |at: usize| fields.get(at)?.parse::<u64>().ok();
            let command = fs::read(folder.join("cmdline")).ok()?;
            let command = String::from_utf8_lossy(&command).replace('\0', " ");
            let words = command.split_once(' ').map_or("", |(_, rest)| rest.trim());
            // a workbench is started without a verb
            let command = match words.starts_with(|c: char| c.is_ascii_lowercase()) {
                _ if pid == std::process::id() => "this workbench".to_owned(),
                true => words.to_owned(),
                false => "another workbench".to_owned(),
            };
            // user and system time, resident pages: fields 14, 15 and 24 of proc(5), counted from the third
            let memory = number(21)? * rustix::param::page_size() as u64;
            Some((Process { pid, command, cpu: None, memory }, number(11)? + number(12)?))
        })
        .collect();
    found.sort_by_key(|(process, _)| process.pid);
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    #[cfg(target_os = "linux")]
    fn this_process_is_among_ours() {
        let mut machine = Machine::default();
        machine.look(Path::new("/"));
        let sample = machine.look(Path::new("/nowhere/yet"));
        let own = sample.processes.iter().find(|p| p.pid == std::process::id()).unwrap();
        assert!(own.memory > 1 << 20);
        assert!(sample.memory.is_some_and(|(used, all)| used < all) && sample.disk.is_some_and(|(_, all)| all > 0));
    }
}
