//! `control/`: how a watcher tells a trainer to stop, to pause, or to write a checkpoint.
//!
//! Files, because the trainer may be on another machine that shares the disk, and because a watcher needs
//! no connection to it. `stop` and `checkpoint` are removed by the trainer once obeyed; `pause` holds for
//! as long as it is there. Leftovers of a dead trainer are cleared before the next one is started.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use super::error::{Result, RunError};

/// What a trainer can be told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Order {
    /// End after the step in progress, with a checkpoint.
    Stop,
    /// Wait for as long as this is there.
    Pause,
    /// Write a checkpoint after the step in progress.
    Checkpoint,
}

impl Order {
    const ALL: [Order; 3] = [Order::Stop, Order::Pause, Order::Checkpoint];

    fn file(self) -> &'static str {
        match self {
            Order::Stop => "stop",
            Order::Pause => "pause",
            Order::Checkpoint => "checkpoint",
        }
    }
}

/// The folder with the orders.
#[derive(Debug, Clone)]
pub struct Control {
    folder: PathBuf,
}

impl Control {
    /// The orders in `folder`, which need not be there yet.
    pub fn new(folder: &Path) -> Control {
        Control { folder: folder.to_path_buf() }
    }

    /// Gives an order; giving it twice is giving it once.
    pub fn give(&self, order: Order) -> Result<()> {
        let path = self.folder.join(order.file());
        // nothing is written into what stands there: it could be a link to any file of the user's
        match fs::create_dir_all(&self.folder).and_then(|()| fs::File::create_new(&path)) {
            Err(e) if e.kind() != io::ErrorKind::AlreadyExists => Err(RunError::io("write", path, e)),
            _ => Ok(()),
        }
    }

    /// Whether the order stands. A folder that cannot be read holds none. Costs one look at the disk.
    pub fn stands(&self, order: Order) -> bool {
        self.folder.join(order.file()).symlink_metadata().is_ok()
    }

    /// Whether the order stood; it does not any more.
    pub fn take(&self, order: Order) -> Result<bool> {
        let path = self.folder.join(order.file());
        match fs::remove_file(&path) {
            Ok(()) => Ok(true),
            Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(false),
            Err(e) => Err(RunError::io("remove", path, e)),
        }
    }

    /// Takes all orders back: before a trainer is started, and as it ends.
    pub fn clear(&self) -> Result<()> {
        Order::ALL.iter().try_for_each(|&order| self.take(order).map(|_| ()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn orders_are_given_seen_and_obeyed_once() {
        let dir = tempfile::tempdir().unwrap();
        let watcher = Control::new(&dir.path().join("control"));
        let trainer = watcher.clone();
        assert!(!trainer.stands(Order::Stop) && !trainer.take(Order::Stop).unwrap(), "no folder, no order");
        watcher.give(Order::Stop).unwrap();
        watcher.give(Order::Stop).unwrap();
        watcher.give(Order::Pause).unwrap();
        assert!(trainer.stands(Order::Stop) && trainer.stands(Order::Pause) && !trainer.stands(Order::Checkpoint));
        assert!(trainer.take(Order::Stop).unwrap());
        assert!(!trainer.take(Order::Stop).unwrap() && !trainer.stands(Order::Stop));
        watcher.clear().unwrap();
        assert!(!trainer.stands(Order::Pause));
    }
}
