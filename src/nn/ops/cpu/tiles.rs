//! What multiplies tiles in a process, at which precision, and the memory that its tasks share.

use super::parts::{Anywhere, LINE, Products, Splitter};
use super::product_of_tiles::{Twin, Unit};
use super::simd::LANES;

/// Bytes of a tile: sixteen lines.
pub(super) const TILE: usize = LANES * LINE;

/// What multiplies tiles in this process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Machine {
    /// AMX, with AVX-512 to split values.
    Amx,
    /// Its twin in plain Rust.
    #[cfg_attr(not(test), allow(dead_code))]
    Twin,
}

/// Tile products for convolutions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Tiles {
    pub(super) machine: Machine,
    pub(super) products: Products,
}

/// What is run once the kernels are chosen.
pub(super) trait Task {
    type Output;
    /// # Safety
    /// Its pointers must be good for its sizes, and the processor must have the instructions.
    unsafe fn run<E: Engine, const PARTS: usize>(self) -> Self::Output;
}

/// Chooses the kernels.
///
/// # Safety
/// That of the task; where AMX is named, the process may use it.
pub(super) unsafe fn on_machine<T: Task>(tiles: Tiles, task: T) -> T::Output {
    // SAFETY: the caller's; AMX comes with the vectors that split values.
    unsafe {
        match (tiles.machine, tiles.products) {
            #[cfg(target_arch = "x86_64")]
            (Machine::Amx, Products::One) => task.run::<OnAmx, 1>(),
            #[cfg(target_arch = "x86_64")]
            (Machine::Amx, Products::Three) => task.run::<OnAmx, 2>(),
            #[cfg(target_arch = "x86_64")]
            (Machine::Amx, Products::Six) => task.run::<OnAmx, 3>(),
            (_, Products::One) => task.run::<Plainly, 1>(),
            (_, Products::Three) => task.run::<Plainly, 2>(),
            (_, Products::Six) => task.run::<Plainly, 3>(),
        }
    }
}

/// Runs jobs with the instructions that a machine has.
pub(super) trait Engine: 'static {
    /// # Safety
    /// The processor must have the instructions; the job's own contract.
    unsafe fn run<J: Job>(job: J) -> J::Output;
}

/// A piece of work over units and splitters.
pub(super) trait Job {
    type Output;
    /// # Safety
    /// Its pointers must be good for its sizes, and the processor must have the instructions.
    unsafe fn run<U: Unit, S: Splitter>(self) -> Self::Output;
}

/// AMX and AVX-512.
#[cfg(target_arch = "x86_64")]
pub(super) struct OnAmx;

#[cfg(target_arch = "x86_64")]
impl Engine for OnAmx {
    unsafe fn run<J: Job>(job: J) -> J::Output {
        #[target_feature(enable = "avx512f,avx512bw,avx512dq")]
        unsafe fn compiled<J: Job>(job: J) -> J::Output {
            // SAFETY: the caller's.
            unsafe { job.run::<super::amx::Amx, super::parts::Avx512>() }
        }
        // SAFETY: the caller's.
        unsafe { compiled(job) }
    }
}

/// Any processor.
pub(super) struct Plainly;

impl Engine for Plainly {
    unsafe fn run<J: Job>(job: J) -> J::Output {
        // SAFETY: the caller's.
        unsafe { job.run::<Twin, Anywhere>() }
    }
}

/// A line of a cache.
#[derive(Clone, Copy)]
#[repr(align(64))]
pub(super) struct Line(#[allow(dead_code)] [u8; LINE]);

impl Line {
    pub(super) const ZERO: Line = Line([0; LINE]);
}

/// Memory of at least so many bytes in whole lines, of unknown content, behind the vector's pointer: zeroing it would
/// cost as much as splitting what goes there.
pub(super) fn lines(bytes: usize) -> Vec<Line> {
    Vec::with_capacity(bytes.div_ceil(LINE))
}
