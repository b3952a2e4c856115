//! The threads that kernels run on: they spin a moment before they sleep.
//!
//! Networks are chains of many small kernels. With sleeping workers (rayon) small layers lost half their speed, so a
//! worker waits spinning for a fraction of a millisecond. Tasks are taken from a counter: which thread does which
//! task is chance, what a task does is not. A worker that the system has put aside does not hold the others up: who
//! has not joined when the tasks have run out is not waited for.

use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, OnceLock, TryLockError};
use std::thread::Thread;
use std::time::{Duration, Instant};

/// How long a worker spins before it sleeps.
const SPIN: Duration = Duration::from_micros(300);
/// Set in [`Pool::gate`] while workers may join; above it the number of the job, below it those at work.
const OPEN: usize = 1 << 16;
const AT_WORK: usize = OPEN - 1;
const NEXT_JOB: usize = OPEN << 1;

type Work<'a> = dyn Fn(usize) + Sync + 'a;

struct Pool {
    /// Held while a job runs; a second caller works alone instead of waiting.
    busy: Mutex<()>,
    workers: Vec<Thread>,
    shared: &'static Shared,
}

struct Shared {
    gate: AtomicUsize,
    next: AtomicUsize,
    total: AtomicUsize,
    asleep: AtomicUsize,
    work: Mutex<Option<&'static Work<'static>>>,
    panic: Mutex<Option<Box<dyn std::any::Any + Send>>>,
}

/// Threads that kernels run on: `CARETTA_THREADS`, else one a processor.
pub fn thread_count() -> usize {
    static COUNT: OnceLock<usize> = OnceLock::new();
    *COUNT.get_or_init(|| {
        let asked = std::env::var("CARETTA_THREADS").ok().and_then(|v| v.parse().ok()).filter(|&n| n > 0);
        asked.unwrap_or_else(|| std::thread::available_parallelism().map_or(1, usize::from)).min(AT_WORK / 2)
    })
}

/// Calls `work` once for each number below `tasks`, on all threads, and returns when all calls have. A panic in a
/// task is raised again here.
pub(super) fn parallel(tasks: usize, work: &Work<'_>) {
    static POOL: OnceLock<Pool> = OnceLock::new();
    let alone = || (0..tasks).for_each(work);
    if tasks < 2 || thread_count() < 2 {
        return alone();
    }
    let pool = POOL.get_or_init(Pool::start);
    match pool.busy.try_lock() {
        Ok(_held) => pool.run(tasks, work),
        Err(TryLockError::Poisoned(held)) => {
            let _held = held.into_inner();
            pool.run(tasks, work);
        }
        Err(TryLockError::WouldBlock) => alone(),
    }
}

impl Pool {
    fn start() -> Pool {
        let shared: &'static Shared = Box::leak(Box::new(Shared {
            gate: AtomicUsize::new(0),
            next: AtomicUsize::new(0),
            total: AtomicUsize::new(0),
            asleep: AtomicUsize::new(0),
            work: Mutex::new(None),
            panic: Mutex::new(None),
        }));
        let spawn = |i: usize| {
            let thread = std::thread::Builder::new().name(format!("kernel {i}")).spawn(|| shared.serve());
            thread.ok().map(|handle| handle.thread().clone())
        };
        let workers = (1..thread_count()).filter_map(spawn).collect();
        Pool { busy: Mutex::new(()), workers, shared }
    }

    fn run(&self, tasks: usize, work: &Work<'_>) {
        let shared = self.shared;
        // SAFETY: the reference outlives its use: this function does not return before the gate is closed and
        // every worker that joined has left.
        let work: &'static Work<'static> = unsafe { std::mem::transmute::<&Work<'_>, &'static Work<'static>>(work) };
        *lock(&shared.work) = Some(work);
        shared.total.store(tasks, Ordering::Relaxed);
        shared.next.store(0, Ordering::Relaxed);
        shared.gate.fetch_add(NEXT_JOB | OPEN, Ordering::SeqCst);
        if shared.asleep.load(Ordering::SeqCst) > 0 {
            self.workers.iter().take(tasks - 1).for_each(Thread::unpark);
        }
        shared.take_tasks(work);
        shared.gate.fetch_and(!OPEN, Ordering::SeqCst);
        let mut spins = 0u32;
        while shared.gate.load(Ordering::Acquire) & AT_WORK != 0 {
            spins += 1;
            // a worker put aside in the middle of its last task gets the processor sooner this way
            if spins > 20_000 { std::thread::yield_now() } else { std::hint::spin_loop() }
        }
        *lock(&shared.work) = None;
        if let Some(panic) = lock(&shared.panic).take() {
            resume_unwind(panic);
        }
    }
}

impl Shared {
    fn serve(&self) {
        let mut seen = 0;
        loop {
            seen = self.wait_after(seen);
            let joined = self
                .gate
                .fetch_update(Ordering::SeqCst, Ordering::SeqCst, |gate| (gate & OPEN != 0).then_some(gate + 1));
            if joined.is_ok() {
                if let Some(work) = *lock(&self.work) {
                    self.take_tasks(work);
                }
                self.gate.fetch_sub(1, Ordering::Release);
            }
        }
    }

    /// Waits for a job after `seen` and returns its number.
    fn wait_after(&self, seen: usize) -> usize {
        let job = || self.gate.load(Ordering::SeqCst) & !(AT_WORK | OPEN);
        let start = Instant::now();
        loop {
            for _ in 0..200 {
                if job() != seen {
                    return job();
                }
                std::hint::spin_loop();
            }
            if start.elapsed() > SPIN {
                self.asleep.fetch_add(1, Ordering::SeqCst);
                while job() == seen {
                    std::thread::park();
                }
                self.asleep.fetch_sub(1, Ordering::SeqCst);
            }
        }
    }

    fn take_tasks(&self, work: &Work<'_>) {
        let total = self.total.load(Ordering::Relaxed);
        loop {
            let task = self.next.fetch_add(1, Ordering::Relaxed);
            if task >= total {
                return;
            }
            if let Err(panic) = catch_unwind(AssertUnwindSafe(|| work(task))) {
                *lock(&self.panic) = Some(panic);
            }
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_task_is_done_once() {
        for tasks in [0, 1, 2, 3, 64, 1000] {
            for _ in 0..50 {
                let done: Vec<AtomicUsize> = (0..tasks).map(|_| AtomicUsize::new(0)).collect();
                parallel(tasks, &|i| {
                    done[i].fetch_add(1, Ordering::Relaxed);
                });
                assert!(done.iter().all(|d| d.load(Ordering::Relaxed) == 1));
            }
        }
    }

    #[test]
    fn a_task_may_ask_for_tasks_and_callers_may_meet() {
        let sum = AtomicUsize::new(0);
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    for _ in 0..200 {
                        parallel(4, &|_| parallel(4, &|i| _ = sum.fetch_add(i, Ordering::Relaxed)));
                    }
                });
            }
        });
        assert_eq!(sum.into_inner(), 4 * 200 * 4 * 6);
    }

    #[test]
    fn a_panic_reaches_the_caller_and_the_pool_lives_on() {
        for _ in 0..3 {
            let panic = catch_unwind(|| parallel(8, &|i| assert_ne!(i, 5, "task five")));
            assert!(panic.is_err());
        }
        let done = AtomicUsize::new(0);
        parallel(8, &|_| _ = done.fetch_add(1, Ordering::Relaxed));
        assert_eq!(done.into_inner(), 8);
    }
}
