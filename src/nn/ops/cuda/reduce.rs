//! Sums over the rows of a map, channel by channel: how they are cut into blocks, and their second step.

use cudarc::driver::{CudaSlice, DevicePtr};
use dfdx::prelude::CudaError;

use super::engine::{Arg, Engine, Kernel, THREADS, word};

type Result<T, E = CudaError> = std::result::Result<T, E>;

/// Groups of channels that a block takes at most: a block's threads read them side by side.
const COLUMNS: usize = 64;
/// Parts that a column is cut into at most: one thread adds them up.
const PARTS: usize = 256;

/// How the columns of `segments` stretches of `rows` x `channels` are summed.
#[derive(Clone, Copy, Debug)]
pub(super) struct Columns {
    segments: usize,
    rows: usize,
    channels: usize,
    /// Channels that a thread takes at once.
    group: usize,
    columns: usize,
    tiles: usize,
    parts: usize,
}

impl Columns {
    /// Cut so that the card is full and a thread still has some rows.
    pub(super) fn new(engine: &Engine, segments: usize, rows: usize, channels: usize) -> Columns {
        let group = if channels.is_multiple_of(4) { 4 } else { 1 };
        Columns::of_groups(engine, group, [segments, rows, channels])
    }

    /// The same for kernels that take channels one by one.
    pub(super) fn single(engine: &Engine, rows: usize, channels: usize) -> Columns {
        Columns::of_groups(engine, 1, [1, rows, channels])
    }

    fn of_groups(engine: &Engine, group: usize, [segments, rows, channels]: [usize; 3]) -> Columns {
        let groups = channels / group;
        let tiles = groups.div_ceil(COLUMNS).max(1);
        let columns = groups.div_ceil(tiles).max(1);
        let lanes = THREADS as usize / columns;
        let wanted = (8 * engine.processors).div_ceil(tiles * segments.max(1));
        let parts = wanted.min(rows.div_ceil(4 * lanes)).clamp(1, PARTS);
        Columns { segments, rows, channels, group, columns, tiles, parts }
    }

    /// Runs one of the kernels, for groups of four channels or for single ones, which leaves `kinds` sums of each channel and part.
    ///
    /// # Safety
    /// `args` must be what the kernel takes between its first three and its last.
    pub(super) unsafe fn run(
        &self,
        engine: &Engine,
        [four, one]: [Kernel; 2],
        kinds: usize,
        args: &[Arg],
    ) -> Result<Sums> {
        let kernel = if self.group == 4 { four } else { one };
        let partial = engine.scratch::<f32>(self.segments * self.parts * kinds * self.channels)?;
        let mut all: Vec<Arg> = vec![word(self.rows)?.into(), word(self.channels)?.into(), word(self.columns)?.into()];
        all.extend_from_slice(args);
        all.push((*partial.device_ptr()).into());
        let grid = [word(self.tiles)?, word(self.parts)?, word(self.segments)?];
        let threads = word(self.columns * (THREADS as usize / self.columns))?;
        // SAFETY: the caller's; the partial sums have room for every block.
        unsafe { engine.launch(kernel, grid, threads, &all)? };
        Ok(Sums { partial, plan: *self, kinds })
    }
}

/// Partial sums on the card.
pub(super) struct Sums {
    partial: CudaSlice<f32>,
    plan: Columns,
    kinds: usize,
}

impl Sums {
    /// Their address.
    pub(super) fn address(&self) -> u64 {
        *self.partial.device_ptr()
    }

    /// Parts of a column.
    pub(super) fn parts(&self) -> Result<u32> {
        word(self.plan.parts)
    }

    /// The sums of kind `which` of one segment to `out`.
    ///
    /// # Safety
    /// `out` must be good for channels values.
    pub(super) unsafe fn finish_kind(&self, engine: &Engine, which: usize, out: u64) -> Result<()> {
        let channels = self.plan.channels;
        // SAFETY: the caller's.
        unsafe { self.add_up(engine, Kernel::finish_sums, [which * channels, channels], 1.0, false, out) }
    }

    /// `factor` times the sums to `out`, added to what is there where `more`.
    ///
    /// # Safety
    /// `out` must be good for segments x kinds x channels values.
    pub(super) unsafe fn finish(self, engine: &Engine, factor: f32, more: bool, out: u64) -> Result<()> {
        let count = self.plan.segments * self.plan.channels * self.kinds;
        // SAFETY: the caller's.
        unsafe { self.add_up(engine, Kernel::finish_sums, [0, count], factor, more, out) }
    }

    /// `factor` times the sums to the map `out`.
    ///
    /// # Safety
    /// `out` must be good for segments x kinds x channels values of a map.
    pub(super) unsafe fn finish_map(self, engine: &Engine, factor: f32, out: u64) -> Result<()> {
        let count = self.plan.segments * self.plan.channels * self.kinds;
        // SAFETY: the caller's.
        unsafe { self.add_up(engine, Kernel::finish_map, [0, count], factor, false, out) }
    }

    /// `count` sums from the one at `first` on.
    ///
    /// # Safety
    /// `out` must be good for `count` values.
    unsafe fn add_up(
        &self,
        engine: &Engine,
        kernel: Kernel,
        [first, count]: [usize; 2],
        factor: f32,
        more: bool,
        out: u64,
    ) -> Result<()> {
        let from = self.address() + (first * size_of::<f32>()) as u64;
        let args = [
            word(self.plan.channels * self.kinds)?.into(),
            self.parts()?.into(),
            factor.into(),
            i32::from(more).into(),
            from.into(),
            out.into(),
        ];
        // SAFETY: the caller's.
        unsafe { engine.finish(kernel, count, &args) }
    }
}
