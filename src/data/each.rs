//! The same work for each of many photos, on several threads, that can be watched and interrupted.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::mpsc;

use super::error::DataError;

/// What `work` gives for each of `items`, in their order, on `threads` threads (at least one).
///
/// `progress` is called from this thread with the number done, and says whether to go on.
///
/// # Errors
/// [`DataError::Interrupted`] when `progress` says not to go on.
pub(super) fn each<T: Sync, R: Send>(
    items: &[T],
    threads: usize,
    work: impl Fn(&T) -> R + Sync,
    mut progress: impl FnMut(usize) -> bool,
) -> Result<Vec<R>, DataError> {
    let (next, stop) = (AtomicUsize::new(0), AtomicBool::new(false));
    let mut results: Vec<Option<R>> = items.iter().map(|_| None).collect();
    std::thread::scope(|scope| {
        let (sender, receiver) = mpsc::channel();
        for _ in 0..threads.clamp(1, items.len().max(1)) {
            let (sender, work, next, stop) = (sender.clone(), &work, &next, &stop);
            scope.spawn(move || {
                while !stop.load(Ordering::Relaxed) {
                    let at = next.fetch_add(1, Ordering::Relaxed);
                    let Some(item) = items.get(at) else { break };
                    if sender.send((at, work(item))).is_err() {
                        break;
                    }
                }
            });
        }
        drop(sender);
        for (done, (at, result)) in (1..).zip(receiver) {
            results[at] = Some(result);
            if !progress(done) {
                stop.store(true, Ordering::Relaxed);
                break;
            }
        }
    });
    if stop.load(Ordering::Relaxed) {
        return Err(DataError::Interrupted);
    }
    // nobody was stopped, so each has its result
    Ok(results.into_iter().flatten().collect())
}
