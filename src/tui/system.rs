//! The tab with the machine: processors, memory, the workspace's disk, our processes, and what the screen said.

pub(super) mod view;

use crate::eval::weights::Imported;

/// One look at the machine; `None` where the system does not say.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Sample {
    /// Share of time that the processors worked since the look before.
    pub(super) cpu: Option<f64>,
    /// Processors.
    pub(super) cores: usize,
    /// Memory used and in all, in bytes.
    pub(super) memory: Option<(u64, u64)>,
    /// Bytes used and in all on the workspace's disk.
    pub(super) disk: Option<(u64, u64)>,
    /// Our processes.
    pub(super) processes: Vec<Process>,
}

/// A process of this program.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Process {
    /// Its number.
    pub(super) pid: u32,
    /// What it does.
    pub(super) command: String,
    /// Share of one processor since the look before.
    pub(super) cpu: Option<f64>,
    /// Memory, in bytes.
    pub(super) memory: u64,
}

/// The state of the tab.
#[derive(Debug, Default)]
pub(super) struct System {
    /// The last look.
    pub(super) sample: Option<Sample>,
    /// Shares of processor time, the newest last.
    pub(super) cpu: Vec<f64>,
    /// Imported weights.
    pub(super) weights: Vec<Imported>,
    /// Lines of the log that are scrolled back.
    pub(super) back: usize,
}

impl System {
    /// Takes a look in.
    pub(super) fn take(&mut self, sample: Sample) {
        self.cpu.extend(sample.cpu);
        // what the widest screen shows
        let surplus = self.cpu.len().saturating_sub(400);
        self.cpu.drain(..surplus);
        self.sample = Some(sample);
    }
}
