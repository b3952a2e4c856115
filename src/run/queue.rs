//! Who computes where: runs started beyond what a machine holds wait for their turn, in the order of their start.
//!
//! Every trainer takes a ticket in `queue/<host>/` of the workspace and holds its lock for as long as it lives, waiting
//! or not. Who waits asks again and again whether it is its turn; nobody has to be there to tell it. The kernel lets go
//! of the ticket of a trainer that dies, so it keeps nobody behind it waiting. Tickets are written, and turns given,
//! under one lock a folder. A ticket names places to compute (`cpu`, `cuda:0`), and any of them that has room will do.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::dir::plain_name;
use super::error::{Result, RunError};
use super::files;
use super::host;
use super::lock::{self, Lock};
use super::workspace::Workspace;

/// The folder of a workspace with the tickets.
const FOLDER: &str = "queue";
/// The file of a workspace that says how many runs a place holds.
const LIMITS: &str = "queue.toml";

/// How many runs train at once, from `queue.toml` of the workspace.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Limits {
    /// On each graphics card.
    pub per_card: usize,
    /// On the processor.
    pub cpu: usize,
}

impl Default for Limits {
    fn default() -> Limits {
        Limits { per_card: 1, cpu: 1 }
    }
}

impl Limits {
    /// The limits of `workspace`; one a place where it has no `queue.toml`.
    ///
    /// # Errors
    /// When the file cannot be read or says something else.
    pub fn read(workspace: &Workspace) -> Result<Limits> {
        let path = workspace.root().join(LIMITS);
        let text = match files::read_text(&path) {
            Ok(text) => text,
            Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(Limits::default()),
            Err(e) => return Err(RunError::io("read", path, e)),
        };
        let damaged = |problem: &str| RunError::Damaged { path: path.clone(), problem: problem.trim().to_owned() };
        let limits: Limits = toml::from_str(&text).map_err(|e| damaged(e.message()))?;
        if limits.per_card == 0 || limits.cpu == 0 {
            return Err(damaged("a limit of 0 would let no run begin; per_card and cpu must be 1 or more"));
        }
        Ok(limits)
    }

    fn of(self, place: &str) -> usize {
        if place == "cpu" { self.cpu } else { self.per_card }
    }
}

/// Whether a trainer waits for its turn.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Turn {
    /// As long as its places are taken.
    Wait,
    /// It computes at once, beside whoever computes there.
    AtOnce,
}

/// What a ticket's file holds.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Entry {
    /// The run's id, for people who look into the folder.
    run: String,
    /// Where it could compute.
    places: Vec<String>,
    /// Where it computes; none while it waits.
    place: Option<String>,
}

/// The tickets of one machine.
#[derive(Debug, Clone)]
pub struct Queue {
    folder: PathBuf,
    workspace: Workspace,
}

/// A trainer's place in a queue; dropping it, or dying, leaves the queue.
#[derive(Debug)]
pub struct Ticket {
    queue: Queue,
    number: u64,
    path: PathBuf,
    entry: Entry,
    _lock: Lock,
}

/// What a look at the queue found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Look {
    /// It is this one's turn, at this place.
    Go(String),
    /// It waits as the n-th, from 1, of those who want the same.
    Wait(u64),
}

impl Queue {
    /// The queue of this machine in `workspace`.
    pub fn new(workspace: &Workspace) -> Queue {
        let folder = workspace.root().join(FOLDER).join(plain_name(&host::host_name(), "host"));
        Queue { folder, workspace: workspace.clone() }
    }

    /// A ticket for the run called `run`, which could compute at any of `places`, at the queue's end.
    ///
    /// # Errors
    /// When the folder cannot be written.
    pub fn enter(&self, run: &str, places: &[String]) -> Result<Ticket> {
        files::create_folder(&self.folder)?;
        let _guard = self.guard()?;
        // what is no ticket and cannot be removed is passed over
        let behind = self.living()?.last().map_or(1, |(number, _)| number + 1);
        let number = (behind..).find(|&n| self.file(n).symlink_metadata().is_err()).unwrap_or(behind);
        let path = self.file(number);
        // whoever looks for the dead waits for the guard, so nobody takes this for one
        let lock = Lock::hold(&path)?;
        let entry = Entry { run: run.to_owned(), places: places.to_vec(), place: None };
        let ticket = Ticket { queue: self.clone(), number, path, entry, _lock: lock };
        ticket.write()?;
        Ok(ticket)
    }

    fn file(&self, number: u64) -> PathBuf {
        self.folder.join(format!("{number:08}.json"))
    }

    /// Held while tickets are read and written.
    fn guard(&self) -> Result<Lock> {
        Lock::hold(&self.folder.join(lock::FILE))
    }

    /// The tickets' numbers, in order.
    fn numbers(&self) -> Result<Vec<u64>> {
        let entries = fs::read_dir(&self.folder).map_err(|e| RunError::io("read", &self.folder, e))?;
        let number = |path: PathBuf| path.file_name()?.to_str()?.strip_suffix(".json")?.parse().ok();
        let mut numbers: Vec<u64> = entries.flatten().filter_map(|entry| number(entry.path())).collect();
        numbers.sort_unstable();
        Ok(numbers)
    }

    /// The tickets that somebody holds, in order; those of the dead are removed. Only under the guard.
    fn living(&self) -> Result<Vec<(u64, Entry)>> {
        let mut living = Vec::new();
        for number in self.numbers()? {
            let path = self.file(number);
            if !lock::is_held(&path).unwrap_or(false) {
                // what is no file of ours stays, and counts for nothing
                let _ = fs::remove_file(&path);
            } else if let Ok(entry) = read(&path) {
                living.push((number, entry));
            }
        }
        Ok(living)
    }
}

fn read(path: &Path) -> Result<Entry> {
    files::read_json(path)
}

/// What the holder of ticket `number` finds among those that are `living`, in order.
fn turn(living: &[(u64, Entry)], number: u64, limits: Limits) -> Look {
    let computing = |place: &str| living.iter().filter(|(_, e)| e.place.as_deref() == Some(place)).count();
    let mut given: Vec<&str> = Vec::new();
    let mut ahead: Vec<&Entry> = Vec::new();
    for (ticket, entry) in living.iter().filter(|(_, e)| e.place.is_none()) {
        let taken = |place: &str| computing(place) + given.iter().filter(|&&g| g == place).count();
        let free = |place: &&String| taken(place) < limits.of(place);
        let place = entry.places.iter().filter(free).min_by_key(|place| taken(place));
        if *ticket == number {
            let rivals = ahead.iter().filter(|e| e.places.iter().any(|place| entry.places.contains(place)));
            return place.map_or_else(|| Look::Wait(1 + rivals.count() as u64), |place| Look::Go(place.clone()));
        }
        match place {
            // its own next look will find this; whoever comes behind does not take it away
            Some(place) => given.push(place),
            None => ahead.push(entry),
        }
    }
    Look::Wait(1)
}

impl Ticket {
    /// Looks whether it is this one's turn, and takes it if so.
    ///
    /// # Errors
    /// When the queue cannot be read, its limits among it.
    pub fn look(&mut self) -> Result<Look> {
        let limits = Limits::read(&self.queue.workspace)?;
        let _guard = self.queue.guard()?;
        let look = turn(&self.queue.living()?, self.number, limits);
        if let Look::Go(place) = &look {
            self.take(place)?;
        }
        Ok(look)
    }

    /// Computes without waiting: where the fewest do.
    ///
    /// # Errors
    /// When the queue cannot be read or written.
    pub fn go(&mut self) -> Result<String> {
        let _guard = self.queue.guard()?;
        let living = self.queue.living()?;
        let computing = |place: &&String| living.iter().filter(|(_, e)| e.place.as_ref() == Some(*place)).count();
        let place = self.entry.places.iter().min_by_key(computing).cloned().unwrap_or_default();
        self.take(&place)?;
        Ok(place)
    }

    /// Has the others see that it computes at `place`.
    fn take(&mut self, place: &str) -> Result<()> {
        self.entry.place = Some(place.to_owned());
        self.write()
    }

    /// Where it could compute, in words.
    pub fn wants(&self) -> String {
        self.entry.places.join(" or ")
    }

    /// In place, as the lock is the file's: a new one would be nobody's.
    fn write(&self) -> Result<()> {
        let text = serde_json::to_vec(&self.entry).map_err(|e| RunError::io("write", &self.path, e.into()))?;
        fs::write(&self.path, text).map_err(|e| RunError::io("write", &self.path, e))
    }
}

impl Drop for Ticket {
    fn drop(&mut self) {
        // before the lock is let go; what stays is a dead one's, and the next to look removes it
        let _ = fs::remove_file(&self.path);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::run::lock::tests::{again, given_dir, until};
    use crate::run::workspace::tests::workspace;

    fn places(names: &[&str]) -> Vec<String> {
        names.iter().map(|&n| n.to_owned()).collect()
    }

    fn entry(names: &[&str], place: Option<&str>) -> Entry {
        Entry { run: "a".into(), places: places(names), place: place.map(str::to_owned) }
    }

    #[test]
    fn one_a_place_computes_and_the_next_waits_its_turn() {
        let (_dir, workspace) = workspace();
        let queue = Queue::new(&workspace);
        let cpu = places(&["cpu"]);
        let [mut a, mut b, mut c] = ["a", "b", "c"].map(|run| queue.enter(run, &cpu).unwrap());
        assert_eq!(c.look().unwrap(), Look::Wait(2), "b is ahead, and a may begin");
        assert_eq!(a.look().unwrap(), Look::Go("cpu".into()));
        assert_eq!((b.look().unwrap(), c.look().unwrap()), (Look::Wait(1), Look::Wait(2)));
        let mut at_once = queue.enter("d", &cpu).unwrap();
        assert_eq!(at_once.go().unwrap(), "cpu");
        drop(a);
        assert_eq!(b.look().unwrap(), Look::Wait(1), "who did not wait counts all the same");
        drop(at_once);
        assert_eq!(c.look().unwrap(), Look::Wait(1), "a place that is free is b's");
        assert_eq!(b.look().unwrap(), Look::Go("cpu".into()));
        fs::write(workspace.root().join(LIMITS), "cpu = 2\n").unwrap();
        assert_eq!(c.look().unwrap(), Look::Go("cpu".into()), "limits are read at each look");
        drop((b, c));
        let left: Vec<_> = fs::read_dir(&queue.folder).unwrap().map(|e| e.unwrap().file_name()).collect();
        assert_eq!(left, [lock::FILE]);
    }

    #[test]
    fn a_run_for_any_card_takes_the_one_that_has_room() {
        let any = ["cuda:0", "cuda:1"];
        let computing = [(1, entry(&["cuda:0"], Some("cuda:0")))];
        let waiting = |more: &[(u64, Entry)]| [&computing[..], more].concat();
        let one = Limits::default();
        assert_eq!(turn(&waiting(&[(2, entry(&any, None))]), 2, one), Look::Go("cuda:1".into()));
        // the first in line gets the card, whoever looks first
        let two = waiting(&[(2, entry(&any, None)), (3, entry(&any, None))]);
        assert_eq!(turn(&two, 3, one), Look::Wait(1));
        // who waits for a card keeps nobody from another
        let other =
            waiting(&[(2, entry(&["cuda:0"], None)), (3, entry(&["cuda:1"], None)), (4, entry(&["cpu"], None))]);
        assert_eq!(turn(&other, 2, one), Look::Wait(1));
        assert_eq!(turn(&other, 3, one), Look::Go("cuda:1".into()));
        assert_eq!(turn(&other, 4, one), Look::Go("cpu".into()));
    }

    #[test]
    #[ignore = "the other process of the test below"]
    fn compute() {
        let Some(dir) = given_dir() else { return };
        let workspace = Workspace::open(Some(&dir)).unwrap();
        let mut ticket = Queue::new(&workspace).enter("other", &places(&["cpu"])).unwrap();
        ticket.go().unwrap();
        fs::write(dir.join("computes"), "").unwrap();
        std::thread::sleep(std::time::Duration::from_secs(60));
    }

    #[test]
    fn the_dead_keep_nobody_waiting() {
        let (_dir, workspace) = workspace();
        fs::create_dir_all(workspace.root()).unwrap();
        let mut other = again("run::queue::tests::compute", workspace.root());
        until("it computes", || workspace.root().join("computes").exists());
        let mut mine = Queue::new(&workspace).enter("mine", &places(&["cpu"])).unwrap();
        assert_eq!(mine.look().unwrap(), Look::Wait(1));
        other.kill().unwrap(); // SIGKILL
        other.wait().unwrap();
        assert_eq!(mine.look().unwrap(), Look::Go("cpu".into()));
    }

    #[test]
    fn what_is_no_ticket_keeps_nobody_waiting() {
        let (dir, workspace) = workspace();
        let queue = Queue::new(&workspace);
        fs::create_dir_all(queue.folder.join("00000001.json")).unwrap();
        let outside = dir.path().join("outside");
        fs::write(&outside, "mine").unwrap();
        std::os::unix::fs::symlink(&outside, queue.folder.join("00000002.json")).unwrap();
        for name in ["18446744073709551615.json", "3.json", "x.json", "00000004.json"] {
            fs::write(queue.folder.join(name), "{\"run\": 7").unwrap();
        }
        let mut first = queue.enter("a", &places(&["cpu"])).unwrap();
        let mut second = queue.enter("b", &places(&["cpu"])).unwrap();
        assert_eq!(first.look().unwrap(), Look::Go("cpu".into()));
        assert_eq!(second.look().unwrap(), Look::Wait(1));
        assert_eq!(fs::read_to_string(&outside).unwrap(), "mine");
    }

    #[test]
    fn limits_that_make_no_sense_are_refused() {
        let (_dir, workspace) = workspace();
        assert_eq!(Limits::read(&workspace).unwrap(), Limits { per_card: 1, cpu: 1 });
        fs::create_dir_all(workspace.root()).unwrap();
        for (text, expected) in [
            ("per_card = 0", "queue.toml: damaged: a limit of 0 would let no run begin"),
            ("per_gpu = 1", "queue.toml: damaged: unknown field `per_gpu`, expected `per_card` or `cpu`"),
            ("cpu = -1", "queue.toml: damaged: invalid value: integer `-1`"),
            ("cpu", "queue.toml: damaged: "),
        ] {
            fs::write(workspace.root().join(LIMITS), text).unwrap();
            let error = Limits::read(&workspace).unwrap_err().to_string();
            assert!(error.contains(expected) && error.lines().count() == 1, "{text}: {error}");
        }
    }
}
