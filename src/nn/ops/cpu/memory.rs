//! The allocator of the whole program: memory that a step gave back stays mapped for the next step.
//!
//! A training step of ResNet-50 touches some three gigabytes of buffers that all come again in the next one. glibc
//! gives large blocks back to the system and has every page of them zeroed anew, which took a seventh of the step.

use std::sync::Once;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Tells the allocator never to give memory back to the system. For programs that train or embed; called once at the
/// start, a second call does nothing.
pub fn keep_memory() {
    /// `mi_option_purge_delay` of mimalloc.h, which the crate does not name.
    const PURGE_DELAY: libmimalloc_sys::mi_option_t = 15;
    static ONCE: Once = Once::new();
    // SAFETY: sets a number that the allocator reads with atomic loads; any value is valid, below zero is "never".
    ONCE.call_once(|| unsafe { libmimalloc_sys::mi_option_set(PURGE_DELAY, -1) });
}
