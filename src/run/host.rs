//! Which process a run belongs to, told apart from a later one that got the same number.
//!
//! A pid alone names another program after a while, or after a reboot. Linux gives the boot's identity and
//! the process's start within it; elsewhere only pid and host are known, and the lock must do.

use std::fs;

use serde::{Deserialize, Serialize};

/// A process, as `state.json` names it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Process {
    /// Its number.
    pub pid: u32,
    /// The machine's name.
    pub host: String,
    /// The identity of the boot it ran in (Linux).
    #[serde(default)]
    pub boot: Option<String>,
    /// Its start, in clock ticks after boot (Linux).
    #[serde(default)]
    pub start_ticks: Option<u64>,
}

impl Process {
    /// This process.
    pub fn current() -> Process {
        let pid = std::process::id();
        Process { pid, host: host_name(), boot: boot_id(), start_ticks: start_ticks(pid) }
    }

    /// Whether it still runs; `None` where that cannot be seen from here: another machine, or no `/proc`.
    pub fn is_alive(&self) -> Option<bool> {
        let boot = boot_id()?;
        if self.host != host_name() {
            return None;
        }
        let (Some(theirs), Some(ticks)) = (&self.boot, self.start_ticks) else {
            return None;
        };
        Some(*theirs == boot && start_ticks(self.pid) == Some(ticks))
    }
}

impl std::fmt::Display for Process {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "pid {} on {}", self.pid, self.host)
    }
}

/// The machine's name.
pub(super) fn host_name() -> String {
    rustix::system::uname().nodename().to_string_lossy().into_owned()
}

fn boot_id() -> Option<String> {
    Some(fs::read_to_string("/proc/sys/kernel/random/boot_id").ok()?.trim().to_owned())
}

/// Field 22 of `/proc/PID/stat` (proc(5)); the name in field 2 may hold blanks and parentheses, so count after the last one.
fn start_ticks(pid: u32) -> Option<u64> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    stat.rsplit_once(')')?.1.split_whitespace().nth(19)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_is_told_from_its_namesakes() {
        let me = Process::current();
        assert_eq!(serde_json::from_str::<Process>(&serde_json::to_string(&me).unwrap()).unwrap(), me);
        if boot_id().is_none() {
            return; // not Linux: nothing more is promised
        }
        assert_eq!(me.is_alive(), Some(true));
        assert_eq!(Process { start_ticks: me.start_ticks.map(|t| t + 1), ..me.clone() }.is_alive(), Some(false));
        assert_eq!(Process { boot: Some("another".into()), ..me.clone() }.is_alive(), Some(false));
        assert_eq!(Process { host: "elsewhere".into(), ..me }.is_alive(), None);
    }
}
